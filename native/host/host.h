/* host/ - the POSIX host: memory, clocks, entropy, locks and log lines (host.c), threads (threads.c), the folder as a storage (storage.c)
 * with its writer's lock (lockfile.c), and the thread that maintains open databases (maintainer.c). */
#ifndef OMEN_NATIVE_HOST_H
#define OMEN_NATIVE_HOST_H

#include "omendb_native.h"

/* threads.c: a pool of threads - 1 workers beside the caller. */
void omen_threads_start(uint32_t threads);
void omen_threads_run(void *ctx, size_t n, void (*fn)(void *arg, size_t i), void *arg);

/* storage.c */
omen_status omen_posix_storage_open(void *ctx, const char *path, uint32_t flags, omen_storage *out);
/* OMEN_ERR_FULL, _NOT_FOUND, _EXISTS, _READ_ONLY, _MEMORY or _IO for errno. */
omen_status omen_posix_status(int error);

/* lockfile.c: the writer's lock of a folder (docs/LOCK.md). OMEN_ERR_BUSY, _READ_ONLY, _FULL, _MEMORY, _IO. */
typedef struct omen_lockfile omen_lockfile;
omen_status omen_lockfile_take(const char *folder, omen_lockfile **out);
void omen_lockfile_release(omen_lockfile *l);

/* maintainer.c */
void omen_maintainer_wake(void *ctx);

#endif
