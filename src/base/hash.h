/* hash.h - XXH3 (xxHash library) for contents and keys; CRC32C (Castagnoli 1993) for accidents on storage. */
#ifndef OMEN_BASE_HASH_H
#define OMEN_BASE_HASH_H

#include "base/base.h"

typedef struct omen_hash128 {
    uint8_t bytes[16]; /* XXH3-128, canonical (big-endian) form */
} omen_hash128;

uint64_t omen_hash64(const void *p, size_t len, uint64_t seed);
omen_hash128 omen_hash128_of(const void *p, size_t len);
bool omen_hash128_equal(const omen_hash128 *a, const omen_hash128 *b);
void omen_hash128_hex(const omen_hash128 *h, char out[33]); /* lower case, NUL */

/* Streaming 128-bit hash. The state is large: it is allocated. */
struct omen_mem;
typedef struct omen_hasher omen_hasher;
omen_hasher *omen_hasher_new(struct omen_mem *m); /* NULL: out of memory */
void omen_hasher_update(omen_hasher *h, const void *p, size_t len);
omen_hash128 omen_hasher_digest(const omen_hasher *h);
void omen_hasher_free(omen_hasher *h);

/* CRC32C of len bytes, continuing `crc` (0 at the start): crc32c(crc32c(0,a),b) == crc32c(0,ab). Portable, slicing by
 * 16 (after Kounavis and Berry 2005); the processor's own form is in the kernel table. */
uint32_t omen_crc32c_portable(uint32_t crc, const void *p, size_t len);

#endif
