/* Stands in for zstd_ldm.c and zstd_compress_superblock.c, which OmenDB never reaches and which would cost several
 * kilobytes of WebAssembly: long-distance matching is for windows of 128 MiB and more, super-blocks for a target size of
 * compressed blocks. Both are off unless asked for by parameter; asking for them here gives an error or no matches. */
#include "compress/zstd_compress_superblock.h"
#include "compress/zstd_ldm.h"

void ZSTD_ldm_fillHashTable(ldmState_t *state, const BYTE *ip, const BYTE *iend, const ldmParams_t *params) {
    (void)state, (void)ip, (void)iend, (void)params;
}

size_t ZSTD_ldm_generateSequences(ldmState_t *state, RawSeqStore_t *sequences, const ldmParams_t *params,
                                  const void *src, size_t src_size) {
    (void)state, (void)sequences, (void)params, (void)src, (void)src_size;
    return ERROR(parameter_unsupported);
}

size_t ZSTD_ldm_blockCompress(RawSeqStore_t *raw, ZSTD_MatchState_t *ms, SeqStore_t *seqs, U32 rep[ZSTD_REP_NUM],
                              ZSTD_ParamSwitch_e row_match_finder, const void *src, size_t src_size) {
    (void)raw, (void)ms, (void)seqs, (void)rep, (void)row_match_finder, (void)src, (void)src_size;
    return ERROR(parameter_unsupported);
}

void ZSTD_ldm_skipSequences(RawSeqStore_t *raw, size_t src_size, const U32 min_match) {
    (void)raw, (void)src_size, (void)min_match;
}

void ZSTD_ldm_skipRawSeqStoreBytes(RawSeqStore_t *raw, size_t bytes) { (void)raw, (void)bytes; }

size_t ZSTD_ldm_getTableSize(ldmParams_t params) {
    (void)params;
    return 0;
}

size_t ZSTD_ldm_getMaxNbSeq(ldmParams_t params, size_t max_chunk_size) {
    (void)params, (void)max_chunk_size;
    return 0;
}

void ZSTD_ldm_adjustParameters(ldmParams_t *params, const ZSTD_compressionParameters *c_params) {
    (void)params, (void)c_params;
}

size_t ZSTD_compressSuperBlock(ZSTD_CCtx *cctx, void *dst, size_t dst_capacity, const void *src, size_t src_size,
                               unsigned last_block) {
    (void)cctx, (void)dst, (void)dst_capacity, (void)src, (void)src_size, (void)last_block;
    return ERROR(parameter_unsupported);
}
