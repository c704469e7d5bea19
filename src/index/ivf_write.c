/* ivf_write.c - the file of inverted lists, section after section (ivf.h). */
#include "index/ivf_build.h"

/* Bytes written before a step returns. */
#define STEP (1u << 20)

/* Appends bytes to the open section, a step's worth at a time, from b->written on; *end: all of it is there. */
static omen_status put(omen_ivf_build *b, const void *bytes, uint64_t len, bool *end, omen_error *err) {
    size_t n = (size_t)OMEN_MIN((uint64_t)STEP, len - b->written);
    OMEN_TRY(omen_segment_section_write(b->out, (const uint8_t *)bytes + b->written, n, err));
    b->written += n;
    *end = b->written == len;
    if (*end) b->written = 0;
    return OMEN_OK;
}

static omen_status begin(omen_ivf_build *b, uint32_t kind, omen_error *err) {
    if (b->in_section) return OMEN_OK;
    OMEN_TRY(omen_segment_section_begin(b->out, kind, 0, 0, OMEN_BLOCK_BYTES, err));
    b->in_section = true;
    return OMEN_OK;
}

static omen_status end_section(omen_ivf_build *b, omen_error *err) {
    b->in_section = false;
    return omen_segment_section_end(b->out, err);
}

static omen_status whole(omen_ivf_build *b, uint32_t kind, const void *bytes, uint64_t len, bool *end, omen_error *err) {
    OMEN_TRY(begin(b, kind, err));
    OMEN_TRY(put(b, bytes, len, end, err));
    return *end ? end_section(b, err) : OMEN_OK;
}

static omen_status put_meta(omen_ivf_build *b, omen_error *err) {
    uint8_t meta[OMEN_IVF_META] = {0}, *own = meta + OMEN_INDEX_META_FIXED;
    omen_index_meta_put(&b->base, b->audit.points, b->audit.point_count, meta);
    omen_put32(own, b->view.lists);
    omen_put32(own + 4, b->view.len);
    omen_put32(own + 8, b->view.stride);
    if (!b->view.bits) omen_put32(own + 12, b->view.coarse.lead);
    bool end;
    return whole(b, OMEN_SECTION_INDEX_META, meta, sizeof meta, &end, err);
}

static omen_status put_codec(omen_ivf_build *b, omen_error *err) {
    omen_buf bytes;
    omen_buf_init(&bytes, b->base.store->mem);
    omen_status s = b->view.codec == OMEN_CODEC_PQ ? omen_buf_append(&bytes, b->view.pq.points, omen_pq_points_bytes(&b->view.pq)) : OMEN_OK;
    if (s == OMEN_OK && !b->view.bits) s = omen_sq8_save(&b->view.coarse, &bytes);
    bool end = false;
    if (s != OMEN_OK) omen_fail(err, s, "out of memory building an index");
    while (s == OMEN_OK && !end) s = whole(b, OMEN_SECTION_INDEX_CODEC, bytes.len == 0 ? (const void *)"" : bytes.data, bytes.len, &end, err);
    omen_buf_deinit(&bytes);
    return s;
}

omen_status omen_ivf_write_step(omen_ivf_build *b, omen_segment_info *info, bool *done, omen_error *err) {
    enum { CREATE, META, CENTROIDS, STARTS, ORDER, CODES, BIAS, FINISH };
    uint64_t codes = omen_ivf_code_bytes(&b->view);
    const omen_ivf *v = &b->view;
    bool end = false;
    switch (b->at) {
        case CREATE:
            OMEN_TRY(omen_segment_writer_new(b->base.store, b->base.number, &b->out, err));
            end = true;
            break;
        case META:
            OMEN_TRY(put_meta(b, err));
            OMEN_TRY(put_codec(b, err));
            end = true;
            break;
        case CENTROIDS: OMEN_TRY(whole(b, OMEN_SECTION_INDEX_CENTROIDS, v->centroids, (uint64_t)v->lists * v->len, &end, err)); break;
        case STARTS:
            OMEN_TRY(begin(b, OMEN_SECTION_INDEX_LISTS, err));
            OMEN_TRY(put(b, v->starts, ((uint64_t)v->lists + 1) * 4, &end, err));
            break;
        case ORDER: OMEN_TRY(whole(b, OMEN_SECTION_INDEX_LISTS, v->order, (uint64_t)v->rows * 4, &end, err)); break;
        case CODES:
            /* Without a bias of their own the codes are the whole section. */
            OMEN_TRY(begin(b, OMEN_SECTION_INDEX_CODES, err));
            OMEN_TRY(put(b, v->codes, v->bias == NULL ? codes : (uint64_t)v->rows * v->stride, &end, err));
            break;
        case BIAS:
            if (v->bias != NULL) {
                OMEN_TRY(whole(b, OMEN_SECTION_INDEX_CODES, v->bias, (uint64_t)v->rows * 4, &end, err));
            } else {
                OMEN_TRY(end_section(b, err));
                end = true;
            }
            break;
        case FINISH:
            OMEN_TRY(omen_segment_writer_finish(b->out, info, err));
            *done = end = true;
            break;
        default: return omen_fail(err, OMEN_ERR_INTERNAL, "a finished index file was written again");
    }
    if (end) b->at++;
    return OMEN_OK;
}
