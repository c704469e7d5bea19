/* disk_write.c - the file of a graph whose base level is read block by block (disk.h). */
#include "index/disk.h"

/* Blocks written before a step returns. */
#define BLOCKS_A_STEP 64u

omen_disk_shape omen_disk_shape_of(const omen_codes *c, uint32_t m) {
    uint32_t code = c->bits ? c->stride : (uint32_t)omen_round_up(OMEN_MAX(c->len, c->tail + 4), 4);
    uint32_t record = code + 4 + 4 * m, most = OMEN_MAX(OMEN_DISK_BLOCK_MAX / record, 1u);
    return (omen_disk_shape){.code = code, .m = m, .record = record, .per_block = OMEN_MIN(OMEN_MAX(OMEN_DISK_BLOCK / record, OMEN_DISK_RECORDS), most)};
}

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory writing an index"); }

static omen_status put_entries(omen_graph_build *b, const omen_disk_shape *s, omen_error *err) {
    const omen_level *g = &b->graph.level[1];
    const uint32_t *slots = omen_disk_order_slots(b->disk);
    OMEN_TRY(omen_segment_section_begin(b->out, OMEN_SECTION_INDEX_ENTRIES, 0, 0, OMEN_BLOCK_BYTES, err));
    for (uint32_t i = 0; b->graph.top != 0 && i < g->count; i++) OMEN_TRY(omen_segment_section_write(b->out, omen_codes_row(&b->graph.codes, g->rows[i]), s->code, err));
    for (uint32_t i = 0; b->graph.top != 0 && i < g->count; i++) OMEN_TRY(omen_segment_section_write(b->out, &slots[g->rows[i]], sizeof *slots, err));
    return omen_segment_section_end(b->out, err);
}

static void put_record(const omen_graph_build *b, const omen_disk_shape *s, uint32_t row, uint8_t *out) {
    const uint32_t *links = omen_level_links(&b->graph.level[0], row), *slots = omen_disk_order_slots(b->disk);
    memcpy(out, omen_codes_row(&b->graph.codes, row), s->code);
    omen_put32(out + s->code, row);
    for (uint32_t i = 0; i < s->m; i++) omen_put32(out + s->code + 4 + 4 * i, links[i] == OMEN_NO_NODE ? OMEN_NO_NODE : slots[links[i]]);
}

/* b->written counts slots. */
static omen_status put_nodes(omen_graph_build *b, const omen_disk_shape *s, bool *end, omen_error *err) {
    uint32_t count = b->graph.level[0].count, block = s->per_block * s->record;
    if (!b->in_section) {
        OMEN_TRY(omen_segment_section_begin(b->out, OMEN_SECTION_INDEX_NODES, 0, 0, block, err));
        b->in_section = true;
        b->written = 0;
    }
    uint8_t *bytes = omen_alloc(b->base.store->mem, block);
    if (bytes == NULL) return out_of_memory(err);
    omen_status status = OMEN_OK;
    for (uint32_t n = 0; n < BLOCKS_A_STEP && b->written < count && status == OMEN_OK; n++) {
        uint32_t have = (uint32_t)OMEN_MIN(count - b->written, (uint64_t)s->per_block);
        for (uint32_t i = 0; i < have; i++) put_record(b, s, omen_disk_order_rows(b->disk)[b->written + i], bytes + (size_t)i * s->record);
        status = omen_segment_section_write(b->out, bytes, (size_t)have * s->record, err);
        b->written += have;
    }
    omen_free(b->base.store->mem, bytes, block);
    *end = b->written == count;
    if (status != OMEN_OK || !*end) return status;
    b->in_section = false;
    return omen_segment_section_end(b->out, err);
}

omen_status omen_disk_write_step(omen_graph_build *b, omen_segment_info *info, bool *done, omen_error *err) {
    enum { ORDER, CREATE, META, UPPER, NODES, FINISH };
    omen_disk_shape s = omen_disk_shape_of(&b->graph.codes, b->graph.level[0].m);
    bool end = false;
    switch (b->at) {
        case ORDER:
            if (b->disk == NULL && omen_disk_order_new(b->base.store->mem, &b->graph.level[0], s.per_block, &b->disk) != OMEN_OK) return out_of_memory(err);
            end = omen_disk_order_step(b->disk);
            break;
        case CREATE:
            OMEN_TRY(omen_segment_writer_new(b->base.store, b->base.number, &b->out, err));
            end = true;
            break;
        case META:
            OMEN_TRY(omen_graph_put_meta(b, s.record, s.per_block, err));
            end = true;
            break;
        case UPPER:
            OMEN_TRY(omen_graph_put_upper(b, err));
            OMEN_TRY(put_entries(b, &s, err));
            end = true;
            break;
        case NODES: OMEN_TRY(put_nodes(b, &s, &end, err)); break;
        case FINISH:
            OMEN_TRY(omen_segment_writer_finish(b->out, info, err));
            *done = end = true;
            break;
        default: return omen_fail(err, OMEN_ERR_INTERNAL, "a finished index file was written again");
    }
    if (end) b->at++;
    return OMEN_OK;
}
