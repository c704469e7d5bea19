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

/* Encryption at rest (docs/ENCRYPTION.md). omen_options.encryption does all that is needed for a database in a folder; these are for programs
 * with storages of their own. */

/* Puts a storage that encrypts around `inner`; omen_host_native()->storage_encrypt. `ctx` is not used. The keys are copied, and wiped on release.
 * On OMEN_OK `inner` belongs to *out. From any thread, if `inner` allows that.
 * OMEN_ERR_UNSUPPORTED: no libcrypto (OpenSSL 1.1 or later); OMEN_ERR_INVALID, _MEMORY. */
OMEN_API omen_status omen_storage_encrypt(void *ctx, const omen_storage *inner, const omen_encryption *encryption, omen_storage *out);

/* Puts every file of a closed database or of a place of backups, in a storage that is not encrypting itself, under encryption->key; `previous` holds the keys it is
 * under now. Data is not written anew. Cut off at any moment it loses nothing: the database opens with the two keys together, and asking again
 * finishes it. *changed (may be NULL): files that were under another key.
 * OMEN_ERR_KEY: a file opens with none of the keys, or is not encrypted. OMEN_ERR_CORRUPT, _IO, _FULL, _READ_ONLY, _UNSUPPORTED, _INVALID, _MEMORY. */
OMEN_API omen_status omen_storage_rekey(const omen_storage *inner, const omen_encryption *encryption, uint64_t *changed);

#ifdef __cplusplus
}
#endif
#endif
