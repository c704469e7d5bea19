/* compress.h - zstd for cold sections: one frame a block, level 1, no checksum (the container has its own), no content
 * size guessing: the container stores both sizes. */
#ifndef OMEN_BASE_COMPRESS_H
#define OMEN_BASE_COMPRESS_H

#include "base/mem.h"

/* Contexts are reused between calls; one thread at a time. */
typedef struct omen_zstd omen_zstd;
omen_zstd *omen_zstd_new(omen_mem *m); /* NULL: out of memory */
void omen_zstd_free(omen_zstd *z);
/* Appends the compressed form of len bytes to out. */
omen_status omen_zstd_compress(omen_zstd *z, const void *p, size_t len, omen_buf *out);
/* Decompresses exactly raw_len bytes into `into`; anything else is OMEN_ERR_CORRUPT. The window is capped by raw_len. */
omen_status omen_zstd_decompress(omen_zstd *z, const void *p, size_t len, void *into, size_t raw_len);

#endif
