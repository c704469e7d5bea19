/* omendb_native.h - the host of native programs: POSIX files, threads, clocks. */
#ifndef OMENDB_NATIVE_H
#define OMENDB_NATIVE_H

#include "omendb.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The process's own host, made at first use; what omen_open uses when options name no host. It has as many threads as the machine has
 * processors, or as OMENDB_THREADS says (1 to 256), and prints log lines to standard error up to the level OMENDB_LOG names
 * ("error", "warn", "info", "debug"; default "error"). NULL: out of memory. Never freed. */
OMEN_API const omen_host *omen_host_native(void);

#ifdef __cplusplus
}
#endif
#endif
