#define ZSTD_DISABLE_DEPRECATE_WARNINGS
#define ZSTD_STATIC_LINKING_ONLY
#include "base/compress.h"

#include <zstd.h>

#define LEVEL 1

struct omen_zstd {
    omen_mem *mem;
    ZSTD_CCtx *cctx;
    ZSTD_DCtx *dctx;
};

/* zstd frees without sizes: each piece carries its own in front, at the distance that keeps it aligned. */
#define FRONT 64u

static void *zstd_alloc(void *mem, size_t size) {
    if (size > SIZE_MAX - FRONT) return NULL;
    uint8_t *p = omen_alloc(mem, size + FRONT);
    if (p == NULL) return NULL;
    memcpy(p, &size, sizeof size);
    return p + FRONT;
}

static void zstd_release(void *mem, void *p) {
    if (p == NULL) return;
    uint8_t *front = (uint8_t *)p - FRONT;
    size_t size;
    memcpy(&size, front, sizeof size);
    omen_free(mem, front, size + FRONT);
}

omen_zstd *omen_zstd_new(omen_mem *m) {
    omen_zstd *z = omen_alloc_zero(m, sizeof *z);
    if (z != NULL) z->mem = m;
    return z;
}

void omen_zstd_free(omen_zstd *z) {
    if (z == NULL) return;
    ZSTD_freeCCtx(z->cctx);
    ZSTD_freeDCtx(z->dctx);
    omen_free(z->mem, z, sizeof *z);
}

omen_status omen_zstd_compress(omen_zstd *z, const void *p, size_t len, omen_buf *out) {
    if (z->cctx == NULL) {
        z->cctx = ZSTD_createCCtx_advanced((ZSTD_customMem){zstd_alloc, zstd_release, z->mem});
        if (z->cctx == NULL) return OMEN_ERR_MEMORY;
    }
    size_t bound = ZSTD_compressBound(len);
    OMEN_TRY(omen_buf_reserve(out, bound));
    /* Not ZSTD_compress2, which brings the streaming compressor and its dictionaries along: 10 KB of WebAssembly. */
    ZSTD_parameters parameters = ZSTD_getParams(LEVEL, len, 0);
    parameters.fParams = (ZSTD_frameParameters){.contentSizeFlag = 0, .checksumFlag = 0, .noDictIDFlag = 1};
    size_t n = ZSTD_compress_advanced(z->cctx, out->data + out->len, bound, p, len, NULL, 0, parameters);
    if (ZSTD_isError(n)) return OMEN_ERR_MEMORY; /* the only way it can fail with this much room */
    out->len += n;
    return OMEN_OK;
}

omen_status omen_zstd_decompress(omen_zstd *z, const void *p, size_t len, void *into, size_t raw_len) {
    if (z->dctx == NULL) {
        z->dctx = ZSTD_createDCtx_advanced((ZSTD_customMem){zstd_alloc, zstd_release, z->mem});
        if (z->dctx == NULL) return OMEN_ERR_MEMORY;
    }
    size_t n = ZSTD_decompressDCtx(z->dctx, into, raw_len, p, len);
    return ZSTD_isError(n) || n != raw_len ? OMEN_ERR_CORRUPT : OMEN_OK;
}
