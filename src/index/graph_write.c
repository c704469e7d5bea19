/* graph_write.c - the file of a graph, section after section (graph.h). */
#include "index/disk.h"

/* Bytes written before a step returns. */
#define STEP (1u << 20)

/* One section from memory, a step's worth at a time; *end: it is complete. */
static omen_status put(omen_graph_build *b, uint32_t kind, const void *bytes, uint64_t len, bool *end, omen_error *err) {
    if (!b->in_section) {
        OMEN_TRY(omen_segment_section_begin(b->out, kind, 0, 0, OMEN_BLOCK_BYTES, err));
        b->in_section = true;
        b->written = 0;
    }
    size_t n = (size_t)OMEN_MIN((uint64_t)STEP, len - b->written);
    if (n != 0) OMEN_TRY(omen_segment_section_write(b->out, (const uint8_t *)bytes + b->written, n, err)); /* bits have no codec: no bytes, no address */
    b->written += n;
    *end = b->written == len;
    if (!*end) return OMEN_OK;
    b->in_section = false;
    return omen_segment_section_end(b->out, err);
}

static omen_status put_codec(omen_graph_build *b, omen_error *err) {
    omen_buf bytes;
    omen_buf_init(&bytes, b->base.store->mem);
    omen_status s = b->trained ? omen_sq8_save(&b->codec, &bytes) : OMEN_OK;
    bool end = false;
    if (s != OMEN_OK) omen_fail(err, s, "out of memory building an index");
    while (s == OMEN_OK && !end) s = put(b, OMEN_SECTION_INDEX_CODEC, bytes.data, bytes.len, &end, err);
    omen_buf_deinit(&bytes);
    return s;
}

omen_status omen_graph_put_meta(omen_graph_build *b, uint32_t record, uint32_t per_block, omen_error *err) {
    uint8_t meta[OMEN_GRAPH_META] = {0}, *own = meta + OMEN_INDEX_META_FIXED;
    omen_index_meta_put(&b->base, b->audit.points, b->audit.point_count, meta);
    omen_put32(own, b->graph.level[0].m);
    omen_put32(own + 4, b->graph.top == 0 ? 0 : b->graph.level[1].m);
    omen_put32(own + 8, b->graph.top);
    omen_put32(own + 12, b->graph.codes.stride);
    omen_put32(own + 16, record);
    omen_put32(own + 20, per_block);
    for (uint32_t l = 1; l <= b->graph.top; l++) omen_put32(own + 20 + 4 * l, b->graph.level[l].count);
    bool end;
    OMEN_TRY(put(b, OMEN_SECTION_INDEX_META, meta, sizeof meta, &end, err));
    return put_codec(b, err);
}

omen_status omen_graph_put_upper(omen_graph_build *b, omen_error *err) {
    OMEN_TRY(omen_segment_section_begin(b->out, OMEN_SECTION_INDEX_UPPER, 0, 0, OMEN_BLOCK_BYTES, err));
    for (uint32_t l = 1; l <= b->graph.top; l++) {
        const omen_level *g = &b->graph.level[l];
        OMEN_TRY(omen_segment_section_write(b->out, g->rows, g->count * sizeof(uint32_t), err));
        OMEN_TRY(omen_segment_section_write(b->out, g->links, (size_t)g->count * g->m * sizeof(uint32_t), err));
    }
    return omen_segment_section_end(b->out, err);
}

omen_status omen_graph_write_step(omen_graph_build *b, omen_segment_info *info, bool *done, omen_error *err) {
    enum { CREATE, META, CODES, LINKS, UPPER, FINISH };
    const omen_level *base = &b->graph.level[0];
    bool end = false;
    if (b->base.options.kind == OMEN_INDEX_DISK) return omen_disk_write_step(b, info, done, err);
    switch (b->at) {
        case CREATE:
            OMEN_TRY(omen_segment_writer_new(b->base.store, b->base.number, &b->out, err));
            end = true;
            break;
        case META:
            OMEN_TRY(omen_graph_put_meta(b, 0, 0, err));
            end = true;
            break;
        case CODES: OMEN_TRY(put(b, OMEN_SECTION_INDEX_CODES, b->codes, (uint64_t)base->count * b->graph.codes.stride, &end, err)); break;
        case LINKS: OMEN_TRY(put(b, OMEN_SECTION_INDEX_LINKS, base->links, (uint64_t)base->count * base->m * sizeof(uint32_t), &end, err)); break;
        case UPPER:
            OMEN_TRY(omen_graph_put_upper(b, err));
            end = true;
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
