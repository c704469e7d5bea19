/* disk.c - opening a graph whose base level stays in its file (disk.h). */
#include "index/disk.h"

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory opening an index"); }

static omen_status read_shape(omen_index *x, omen_disk *d, omen_error *err) {
    const uint8_t *own = x->meta + OMEN_INDEX_META_FIXED;
    if (x->meta_len != OMEN_GRAPH_META) return omen_index_damaged(x, err, "a graph's description has the wrong size");
    uint32_t m = omen_get32(own), upper_m = omen_get32(own + 4), top = omen_get32(own + 8), below = x->rows;
    if (m < 2 || m > OMEN_GRAPH_M_MAX || top > OMEN_GRAPH_LEVELS || (top != 0 && (upper_m < 2 || upper_m > OMEN_GRAPH_M_MAX)))
        return omen_index_damaged(x, err, "a graph's description is impossible");
    if (x->options.m != m) return omen_index_damaged(x, err, "a graph's description contradicts itself");
    for (uint32_t l = top + 1; l <= OMEN_GRAPH_LEVELS; l++)
        if (omen_get32(own + 20 + 4 * l) != 0) return omen_index_damaged(x, err, "a level of a graph is too many");
    d->shape.m = m;
    d->top = top;
    d->upper.top = top == 0 ? 0 : top - 1;
    for (uint32_t l = 1; l <= top; l++) {
        uint32_t count = omen_get32(own + 20 + 4 * l);
        if (count == 0 || count > below) return omen_index_damaged(x, err, "a level of a graph has an impossible size");
        d->upper.level[l - 1] = (omen_level){.m = upper_m, .count = below = count};
        d->upper_len += (uint64_t)count * (1 + upper_m) * 4;
    }
    if (top != 0 && below > OMEN_GRAPH_TOP) return omen_index_damaged(x, err, "the highest level of a graph has too many rows");
    const omen_section *codec = omen_segment_section(x->segment, OMEN_SECTION_INDEX_CODEC, 0);
    if (codec == NULL || codec->raw_len > 1u << 28) return omen_index_damaged(x, err, "a graph has no quantiser");
    d->codec_len = codec->raw_len;
    return OMEN_OK;
}

/* The quantiser, and with it how records and blocks must look. */
static omen_status load_codec(omen_index *x, omen_disk *d, omen_error *err) {
    const uint8_t *own = x->meta + OMEN_INDEX_META_FIXED;
    if (d->nodes != NULL) return OMEN_OK;
    if (x->element == OMEN_ELEMENT_BIT) {
        d->codes = omen_codes_of_bits(x->dimensions);
    } else {
        OMEN_TRY(omen_index_load(x, OMEN_SECTION_INDEX_CODEC, d->codec_len, &d->codec_bytes, &d->codec_done, err));
        omen_status s = omen_sq8_load(&d->codec, x->store->mem, x->metric, x->dimensions, d->codec_bytes, d->codec_len, err);
        if (s == OMEN_ERR_CORRUPT) s = omen_index_damaged(x, err, "the graph's quantiser is malformed");
        OMEN_TRY(s);
        d->trained = true;
        omen_index_hold(x, (int64_t)d->codec_len);
        omen_index_unload(x, d->codec_bytes, d->codec_len);
        d->codec_bytes = NULL;
        d->codes = omen_codes_of_sq8(&d->codec);
    }
    omen_disk_shape s = omen_disk_shape_of(&d->codes, d->shape.m);
    if (d->codes.stride != omen_get32(own + 12) || s.record != omen_get32(own + 16)) return omen_index_damaged(x, err, "the graph's records have another size than its quantiser's codes");
    s.per_block = omen_get32(own + 20);
    const omen_section *nodes = omen_segment_section(x->segment, OMEN_SECTION_INDEX_NODES, 0);
    if (nodes == NULL || nodes->flags != 0 || nodes->raw_len != (uint64_t)x->rows * s.record || s.per_block == 0 || s.per_block > OMEN_MAX_BLOCK_BYTES / s.record ||
        nodes->block_len != s.per_block * s.record)
        return omen_index_damaged(x, err, "the section of a graph's records is missing or has the wrong size");
    d->nodes = nodes;
    omen_segment_keep(x->segment, nodes); /* blocks that come by first, as far as the memory for indexes goes; the others are the pool's */
    d->shape = s;
    d->codes.stride = s.record;
    d->entry_len = d->top == 0 ? 0 : (uint64_t)d->upper.level[0].count * (s.code + 4u);
    return OMEN_OK;
}

static bool links_valid(const omen_level *g) {
    for (uint32_t i = 0; i < g->count; i++) {
        const uint32_t *links = omen_level_links(g, i);
        bool end = false;
        for (uint32_t j = 0; j < g->m; j++) {
            if (links[j] == OMEN_NO_NODE) end = true;
            else if (end || links[j] >= g->count) return false;
        }
    }
    return true;
}

/* Positions in a list of ascending rows of the rows of another; false: they are no part of it. */
static bool positions(const uint32_t *lower, uint32_t lower_count, const uint32_t *rows, uint32_t count, uint32_t *out) {
    for (uint32_t i = 0, n = 0; i < count; i++) {
        while (n < lower_count && lower[n] < rows[i]) n++;
        if (n == lower_count || lower[n] != rows[i]) return false;
        out[i] = n;
    }
    return true;
}

static uint32_t *hold_positions(omen_index *x, uint32_t count) {
    uint32_t *p = omen_alloc(x->store->mem, count * sizeof *p);
    if (p != NULL) omen_index_hold(x, (int64_t)(count * sizeof *p));
    return p;
}

/* Points the upper levels into what was loaded, and checks every number that a walk will follow. */
static omen_status take_levels(omen_index *x, omen_disk *d, omen_error *err) {
    omen_graph *g = &d->upper;
    const uint32_t *at = (const uint32_t *)(const void *)d->upper_bytes, *below = NULL;
    g->codes = d->codes;
    g->codes.rows = d->entry_bytes;
    g->codes.stride = d->shape.code;
    if (d->top == 0) return OMEN_OK;
    d->members = at;
    d->entries = d->entry_bytes + (size_t)g->level[0].count * d->shape.code;
    for (uint32_t i = 0; i < g->level[0].count; i++)
        if (omen_get32(d->entries + 4 * (size_t)i) >= x->rows) return omen_index_damaged(x, err, "a row of a graph's upper levels has no place");
    for (uint32_t l = 0; l < d->top; l++) {
        omen_level *v = &g->level[l];
        const uint32_t *rows = at;
        v->links = (uint32_t *)(uintptr_t)(at + v->count); /* nobody writes to it */
        at += (size_t)v->count * (1 + v->m);
        for (uint32_t i = 0; i < v->count; i++)
            if (rows[i] >= x->rows || (i != 0 && rows[i] <= rows[i - 1])) return omen_index_damaged(x, err, "a level of a graph is out of order");
        if (!links_valid(v)) return omen_index_damaged(x, err, "a link of a graph leads nowhere");
        if (l != 0) {
            v->rows = d->at[l + 1] = hold_positions(x, v->count);
            if (v->rows == NULL) return out_of_memory(err);
            bool part = positions(d->members, g->level[0].count, rows, v->count, d->at[l + 1]);
            if (l >= 2 && part) {
                g->down[l] = hold_positions(x, v->count);
                if (g->down[l] == NULL) return out_of_memory(err);
                part = positions(below, g->level[l - 1].count, rows, v->count, g->down[l]);
            }
            if (!part) return omen_index_damaged(x, err, "a level of a graph is no part of the one below");
        }
        below = rows;
    }
    if (omen_graph_gather_top(x->store->mem, g) != OMEN_OK) return out_of_memory(err);
    omen_index_hold(x, (int64_t)omen_graph_top_bytes(g));
    return OMEN_OK;
}

static omen_status disk_open(omen_index *x, omen_error *err) {
    omen_disk *d = x->state;
    if (d == NULL) {
        d = x->state = omen_alloc_zero(x->store->mem, sizeof *d);
        if (d == NULL) return out_of_memory(err);
        OMEN_TRY(read_shape(x, d, err));
    }
    OMEN_TRY(load_codec(x, d, err));
    OMEN_TRY(omen_index_load(x, OMEN_SECTION_INDEX_UPPER, d->upper_len, &d->upper_bytes, &d->upper_done, err));
    OMEN_TRY(omen_index_load(x, OMEN_SECTION_INDEX_ENTRIES, d->entry_len, &d->entry_bytes, &d->entry_done, err));
    return take_levels(x, d, err);
}

static void disk_close(omen_index *x) {
    omen_disk *d = x->state;
    omen_mem *m = x->store->mem;
    if (d == NULL) return;
    omen_disk_search_free(m, atomic_load(&d->spare));
    for (uint32_t l = 0; l < OMEN_GRAPH_LEVELS; l++) {
        omen_free(m, d->at[l + 1], d->upper.level[l].count * sizeof(uint32_t));
        omen_free(m, d->upper.down[l], d->upper.level[l].count * sizeof(uint32_t));
    }
    omen_free(m, d->upper.top_codes, omen_graph_top_bytes(&d->upper));
    if (d->trained) omen_sq8_deinit(&d->codec);
    omen_index_unload(x, d->codec_bytes, d->codec_len);
    omen_index_unload(x, d->upper_bytes, d->upper_len);
    omen_index_unload(x, d->entry_bytes, d->entry_len);
    omen_free(m, d, sizeof *d);
    x->state = NULL;
}

const omen_index_kind_ops omen_index_disk_ops = {&omen_disk_builder, disk_open, disk_close, omen_disk_search_begin, omen_disk_search_step, omen_disk_search_end};
