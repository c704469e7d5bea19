/* omendb_host.h - what the core asks of its host.
 *
 * The core (src/) makes no system call, starts no thread, reads no clock and rolls no dice. A host is one
 * omen_host table: a POSIX program, a browser worker, an isolate and a fault-injecting test each fill it.
 *
 * Pending. A function marked [may pend] may answer OMEN_PENDING: the request is under way and the core
 * calls again, later, with the same arguments, until the answer is another one. The host keeps the finished
 * result until that repeated call fetches it. A synchronous host never answers OMEN_PENDING.
 *
 * Threads. A host with `lock_new` set may run the core from many threads at once; every function below is
 * then called from any of them and must be thread-safe. Without `lock_new` the core runs on one thread.
 *
 * All functions take the table's (or storage's) `ctx` first. Pointers marked "optional" may be NULL.
 */
#ifndef OMENDB_HOST_H
#define OMENDB_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "omendb_status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum omen_log_level { OMEN_LOG_ERROR = 0, OMEN_LOG_WARN = 1, OMEN_LOG_INFO = 2, OMEN_LOG_DEBUG = 3 } omen_log_level;

/* A file of a storage: an opaque handle of the host's. */
typedef struct omen_file omen_file;

/* Open an existing file, or create one that must not exist yet. */
typedef enum omen_file_mode { OMEN_FILE_READ = 0, OMEN_FILE_WRITE = 1, OMEN_FILE_CREATE = 2 } omen_file_mode;

/* One database's place: a folder, an OPFS directory, an IndexedDB database, a map in memory.
 *
 * Names are flat: 1 to 63 bytes of [a-z0-9-.], never starting with '.'.
 * Guarantees the core builds on, per storage:
 *   - after sync(f) answers OK, every write_at and truncate on f made before that sync was first called is
 *     durable (as far as the storage's documentation promises);
 *   - after sync_dir answers OK, creations and removals made before it was first called are durable;
 *   - without them any subset of the writes, cut at 512-byte sectors, may be lost at a crash.
 */
typedef struct omen_storage_ops {
    uint32_t struct_size;

    /* Calls `each` with every file name, in any order. [may pend, before the first call of `each`] */
    omen_status (*list)(void *ctx, void (*each)(void *arg, const char *name), void *arg);

    /* Opens or creates a file. OMEN_ERR_NOT_FOUND, OMEN_ERR_EXISTS, OMEN_ERR_FULL, OMEN_ERR_IO. [may pend] */
    omen_status (*open)(void *ctx, const char *name, omen_file_mode mode, omen_file **out);

    /* Bytes in the file, staged writes included. Never pends. */
    omen_status (*size)(void *ctx, omen_file *f, uint64_t *out);

    /* Reads up to len bytes at offset; *got < len only at the end of the file. Sees staged writes. [may pend] */
    omen_status (*read_at)(void *ctx, omen_file *f, uint64_t offset, void *into, size_t len, size_t *got);

    /* Writes len bytes at offset, growing the file. The bytes are copied or handed to the system before it
     * returns: it never pends. A storage that can only write asynchronously stages them; failures then come
     * out of sync. OMEN_ERR_FULL, OMEN_ERR_IO. */
    omen_status (*write_at)(void *ctx, omen_file *f, uint64_t offset, const void *bytes, size_t len);

    /* Cuts the file to `size` bytes. Never pends. */
    omen_status (*truncate)(void *ctx, omen_file *f, uint64_t size);

    /* Makes the file's bytes durable. The core never has two syncs of one file under way, and never calls a
     * failed sync again. [may pend] */
    omen_status (*sync)(void *ctx, omen_file *f);

    /* Makes creations and removals durable. [may pend] */
    omen_status (*sync_dir)(void *ctx);

    /* Closes a file; unsynced bytes may be lost. Never pends, never fails. */
    void (*close)(void *ctx, omen_file *f);

    /* Removes a closed file. A missing file is OMEN_OK. [may pend] */
    omen_status (*remove)(void *ctx, const char *name);

    /* Releases the writer's lock and the storage itself. Called once, last; all files are closed. */
    void (*release)(void *ctx);

    /* Why a file was last refused with OMEN_ERR_KEY, as a sentence of at most cap - 1 bytes of UTF-8, ended by NUL; empty when none was.
     * Optional: NULL, or missing in the struct. Never pends. */
    void (*why)(void *ctx, char *into, size_t cap);

    /* Files that were opened although something is damaged that the storage itself keeps twice in them, and reads from the other place: calls `each` with every one's name
     * and the damaged bytes' place in what is stored. With `mend` it writes those bytes again instead, durably; `each` is not called. Never beside another call.
     * Optional: NULL, or missing in the struct. [may pend, before the first call of `each`] */
    omen_status (*flaws)(void *ctx, int mend, void (*each)(void *arg, const char *name, uint64_t offset, uint64_t bytes), void *arg);
} omen_storage_ops;

typedef struct omen_storage {
    void *ctx;
    const omen_storage_ops *ops;
} omen_storage;

/* Flags of storage_open. */
enum {
    OMEN_STORAGE_CREATE = 1u,
    OMEN_STORAGE_READ_ONLY = 2u,
    OMEN_STORAGE_APART = 4u /* OMEN_ERR_INVALID where the place would lie inside of a database's folder, or one of backups; hosts without folders pass it over */
};

/* Encryption at rest (docs/ENCRYPTION.md). A key is 32 unpredictable bytes; its id is a label of the caller's, kept readable in every file's
 * header, zero-padded. */
typedef struct omen_encryption_key {
    uint8_t bytes[32];
    char id[32];
} omen_encryption_key;

typedef struct omen_encryption {
    uint32_t struct_size;     /* sizeof(omen_encryption) */
    uint32_t previous_count;  /* at most 16 */
    omen_encryption_key key;             /* seals every new file */
    const omen_encryption_key *previous; /* tried for files that `key` does not open: between the start and the end of a change of keys */
} omen_encryption;

typedef struct omen_host {
    uint32_t struct_size; /* sizeof(omen_host) */
    void *ctx;

    /* Memory, aligned to 64 bytes. alloc answers NULL when there is none. `size` is always the size asked
     * for, so that a host can keep exact counts. */
    void *(*alloc)(void *ctx, size_t size);
    void *(*resize)(void *ctx, void *p, size_t old_size, size_t new_size); /* p may be NULL (old_size 0) */
    void (*free)(void *ctx, void *p, size_t size);

    /* Milliseconds since 1970-01-01T00:00Z, and monotonic nanoseconds from any start. */
    int64_t (*wall_ms)(void *ctx);
    uint64_t (*ticks_ns)(void *ctx);

    /* Fills `into` with unpredictable bytes. Used for a new database's id only. */
    omen_status (*entropy)(void *ctx, void *into, size_t len);

    /* Runs fn(arg, i) for i = 0..n-1 on up to `threads` threads and returns when all are done. Optional:
     * NULL means the core loops itself. `fn` never calls the host and never pends. */
    uint32_t threads;
    void (*parallel_for)(void *ctx, size_t n, void (*fn)(void *arg, size_t i), void *arg);

    /* Mutual exclusion, not recursive. Optional, all four or none. */
    void *(*lock_new)(void *ctx);
    void (*lock_acquire)(void *ctx, void *lock);
    void (*lock_release)(void *ctx, void *lock);
    void (*lock_free)(void *ctx, void *lock);

    /* One line of text without its newline. Optional. */
    void (*log)(void *ctx, omen_log_level level, const char *line, size_t len);

    /* Blocks until a pending request may have moved on; lets the blocking C functions run on a host whose
     * reads may pend. Optional: NULL on hosts that never pend, and on hosts that cannot block. */
    omen_status (*wait)(void *ctx);

    /* Told when maintenance work has come up (omen_db_maintain). Called with no lock held. Optional. */
    void (*wake)(void *ctx);

    /* Opens the storage at `path` and takes the writer's lock unless OMEN_STORAGE_READ_ONLY.
     * OMEN_ERR_BUSY: another writer has it. OMEN_ERR_NOT_FOUND: absent and no OMEN_STORAGE_CREATE.
     * OMEN_ERR_NAME: no path can be like this, empty or too long; OMEN_ERR_FOREIGN: no folder; OMEN_ERR_READ_ONLY: no permission.
     * Optional where omen_options.storage is always given. [may pend] */
    omen_status (*storage_open)(void *ctx, const char *path, uint32_t flags, omen_storage *out);

    /* Puts a storage that encrypts around `inner`; what omen_options.encryption asks for. The keys are copied. On OMEN_OK `inner` belongs to
     * *out, otherwise it stays the caller's. OMEN_ERR_UNSUPPORTED: there is no AES-256-GCM here. Optional. Never pends. */
    omen_status (*storage_encrypt)(void *ctx, const omen_storage *inner, const omen_encryption *encryption, omen_storage *out);
} omen_host;

#ifdef __cplusplus
}
#endif
#endif
