#include "index/choose.h"
#include "index/disk.h"

/* Vectors the quantiser is trained on. */
#define SAMPLE 4096u
/* Rows are gathered and encoded so many at a time. */
#define ENCODE_ROWS 512u
/* Links of a batch at most. */
#define PAIRS (OMEN_GRAPH_BATCH * OMEN_GRAPH_M_MAX)

enum { READ_SAMPLE, ENCODE, PLAN, INSERT, TRUTH, AUDIT, INSERT_REST, CONNECT, WRITE, DONE };

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory building an index; give it more memory, or choose index kind ivf or flat"); }

static omen_mem *mem_of(const omen_graph_build *b) { return b->base.store->mem; }
static size_t vector_bytes(const omen_vectors *v) { return v->element == OMEN_ELEMENT_BIT ? v->dimensions / 8 : v->dimensions * sizeof(float); }
static bool bits(const omen_graph_build *b) { return b->base.source.element == OMEN_ELEMENT_BIT; }

static void resolve(omen_index_options *o, const omen_vectors *v) {
    if (o->m == 0) o->m = omen_index_default_m(v->dimensions, v->metric);
    /* More links make up for fewer candidates, and cost more to choose. */
    if (o->ef_construction == 0) o->ef_construction = o->m > 32 ? 96 : 128;
    o->codec = OMEN_CODEC_SQ8;
    o->lists = o->bits = 0;
}

static omen_status build_new(omen_store *st, uint64_t number, const omen_index_options *options, const omen_vectors *source, omen_index_build **out, omen_error *err) {
    omen_graph_build *b = omen_alloc_zero(st->mem, sizeof *b);
    if (b == NULL) return out_of_memory(err);
    b->base = (omen_index_build){.store = st, .options = *options, .source = *source};
    b->base.number = number;
    resolve(&b->base.options, source);
    *out = &b->base;
    return OMEN_OK;
}

/* ---- training ---- */

static uint32_t sample_count(const omen_vectors *v) { return OMEN_MIN(v->rows, v->dimensions > 2048 ? SAMPLE / 4 : SAMPLE); }

static omen_status take_chunk(omen_graph_build *b, uint32_t rows, omen_error *err) {
    b->chunk_bytes = rows * vector_bytes(&b->base.source);
    b->chunk_cap = rows;
    b->chunk_rows = 0;
    b->chunk = omen_alloc(mem_of(b), b->chunk_bytes);
    return b->chunk == NULL ? out_of_memory(err) : OMEN_OK;
}

static void drop_chunk(omen_graph_build *b) {
    omen_free(mem_of(b), b->chunk, b->chunk_bytes);
    b->chunk = NULL;
}

static omen_status read_sample(omen_graph_build *b, omen_error *err) {
    const omen_vectors *v = &b->base.source;
    uint32_t wanted = sample_count(v);
    if (b->chunk == NULL) OMEN_TRY(take_chunk(b, wanted, err));
    for (uint32_t steps = 0; b->chunk_rows < wanted && steps < 256; b->chunk_rows++, steps++) {
        const void *x;
        uint32_t count;
        OMEN_TRY(v->read(v->ctx, (uint32_t)((uint64_t)b->chunk_rows * v->rows / wanted), 1, &x, &count, err));
        memcpy(b->chunk + b->chunk_rows * vector_bytes(v), x, vector_bytes(v));
    }
    if (b->chunk_rows < wanted) return OMEN_OK;
    OMEN_TRY(omen_sq8_train(&b->codec, mem_of(b), v->metric, v->dimensions, (const float *)(const void *)b->chunk, wanted, 0, err));
    b->trained = true;
    drop_chunk(b);
    b->stage = ENCODE;
    return OMEN_OK;
}

/* ---- encoding ---- */

/* Rows held back for the audit: spread over all, none of them on an upper level. */
static omen_status begin_audit(omen_graph_build *b, omen_error *err) {
    const omen_vectors *v = &b->base.source;
    uint32_t rows[OMEN_AUDIT_QUERIES], n = 0, wanted = OMEN_MIN(OMEN_AUDIT_QUERIES, v->rows / 32);
    for (uint32_t q = 0; q < wanted; q++) {
        uint32_t row = (uint32_t)((q + UINT64_C(1)) * v->rows / (wanted + 1));
        while (row < v->rows && omen_graph_height(row) != 0) row++;
        if (row < v->rows && (n == 0 || rows[n - 1] < row)) rows[n++] = row;
    }
    return omen_audit_init(&b->audit, mem_of(b), v, rows, n, err);
}

static omen_status begin_encoding(omen_graph_build *b, omen_error *err) {
    const omen_vectors *v = &b->base.source;
    b->graph.codes = bits(b) ? omen_codes_of_bits(v->dimensions) : omen_codes_of_sq8(&b->codec);
    b->codes = omen_alloc(mem_of(b), (size_t)v->rows * b->graph.codes.stride + 64);
    if (b->codes == NULL) return out_of_memory(err);
    memset(b->codes + (size_t)v->rows * b->graph.codes.stride, 0, 64);
    b->graph.codes.rows = b->codes;
    uint32_t threads = mem_of(b)->host->parallel_for == NULL ? 1 : mem_of(b)->host->threads;
    b->slot_count = threads <= 1 ? 1 : OMEN_MIN(threads * 4, OMEN_GRAPH_SLOTS);
    for (uint32_t i = 0; i < b->slot_count; i++) {
        omen_build_slot *s = &b->slots[i];
        omen_walk_init(&s->walk, mem_of(b));
        s->u = omen_alloc(mem_of(b), b->graph.codes.len);
        s->prune_u = omen_alloc(mem_of(b), b->graph.codes.len);
        s->scratch = bits(b) ? NULL : omen_alloc(mem_of(b), omen_sq8_scratch(&b->codec) * sizeof(float));
        if (s->u == NULL || s->prune_u == NULL || (s->scratch == NULL && !bits(b))) return out_of_memory(err);
        /* Pruning sorts a node's links and all that a batch may add to them in the pool. */
        if (omen_walk_room(&s->walk, v->rows, OMEN_MAX(b->base.options.ef_construction, OMEN_GRAPH_BATCH + OMEN_GRAPH_M_MAX), 1, b->graph.codes.len) != OMEN_OK) return out_of_memory(err);
    }
    OMEN_TRY(begin_audit(b, err));
    return take_chunk(b, ENCODE_ROWS, err);
}

static void encode_slot(void *arg, size_t slot) {
    omen_graph_build *b = arg;
    for (uint32_t i = (uint32_t)slot; i < b->chunk_rows; i += b->slot_count) {
        const uint8_t *x = b->chunk + i * vector_bytes(&b->base.source);
        uint8_t *row = b->codes + (size_t)(b->chunk_first + i) * b->graph.codes.stride;
        if (bits(b)) {
            memset(row, 0, b->graph.codes.stride);
            memcpy(row, x, vector_bytes(&b->base.source));
        } else {
            omen_sq8_encode(&b->codec, (const float *)(const void *)x, row, b->slots[slot].scratch);
        }
    }
}

/* Gathers the next rows into the chunk; it is full, or the rows are at their end, when this answers OK. */
static omen_status fill_chunk(omen_graph_build *b, omen_error *err) {
    const omen_vectors *v = &b->base.source;
    while (b->chunk_rows < b->chunk_cap && b->row < v->rows) {
        const void *x;
        uint32_t count;
        OMEN_TRY(v->read(v->ctx, b->row, b->chunk_cap - b->chunk_rows, &x, &count, err));
        memcpy(b->chunk + b->chunk_rows * vector_bytes(v), x, count * vector_bytes(v));
        b->chunk_rows += count;
        b->row += count;
    }
    b->chunk_first = b->row - b->chunk_rows;
    return OMEN_OK;
}

static omen_status encode(omen_graph_build *b, omen_error *err) {
    if (b->codes == NULL) OMEN_TRY(begin_encoding(b, err));
    OMEN_TRY(fill_chunk(b, err));
    omen_parallel(mem_of(b)->host, b->slot_count, encode_slot, b);
    omen_audit_take(&b->audit, b->chunk, b->chunk_first, b->chunk_rows);
    b->chunk_rows = 0;
    b->base.progress = 150u * (uint64_t)b->row / b->base.source.rows;
    if (b->row < b->base.source.rows) return OMEN_OK;
    b->row = 0;
    b->stage = PLAN;
    return OMEN_OK;
}

/* ---- levels ---- */

static omen_status plan_level(omen_graph_build *b, uint32_t l, omen_error *err) {
    uint32_t rows = b->base.source.rows, count = 0;
    omen_level *g = &b->graph.level[l];
    for (uint32_t r = 0; r < rows; r++) count += omen_graph_height(r) >= l;
    if (l != 0) {
        b->members[l] = omen_alloc(mem_of(b), count * sizeof(uint32_t));
        if (b->members[l] == NULL) return out_of_memory(err);
        for (uint32_t r = 0, n = 0; r < rows; r++)
            if (omen_graph_height(r) >= l) b->members[l][n++] = r;
    }
    *g = (omen_level){.rows = b->members[l], .m = l == 0 ? b->base.options.m : OMEN_MAX(b->base.options.m / 2, 4u), .count = count};
    g->links = omen_alloc(mem_of(b), (size_t)count * g->m * sizeof(uint32_t));
    if (g->links == NULL) return out_of_memory(err);
    memset(g->links, 0xFF, (size_t)count * g->m * sizeof(uint32_t));
    if (l >= 2) {
        b->graph.down[l] = omen_alloc(mem_of(b), count * sizeof(uint32_t));
        if (b->graph.down[l] == NULL) return out_of_memory(err);
        omen_graph_positions(&b->graph.level[l - 1], g, b->graph.down[l]);
    }
    return OMEN_OK;
}

static omen_status plan(omen_graph_build *b, omen_error *err) {
    uint32_t rows = b->base.source.rows, counts[OMEN_GRAPH_LEVELS + 2] = {rows};
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t l = 1, h = omen_graph_height(r); l <= h; l++) counts[l]++;
    while (counts[b->graph.top] > OMEN_GRAPH_TOP && counts[b->graph.top + 1] != 0) b->graph.top++;
    for (uint32_t l = 0; l <= b->graph.top; l++) OMEN_TRY(plan_level(b, l, err));
    if (omen_graph_gather_top(mem_of(b), &b->graph) != OMEN_OK) return out_of_memory(err);
    b->order_cap = rows;
    b->order = omen_alloc(mem_of(b), rows * sizeof(uint32_t));
    b->pairs = omen_alloc(mem_of(b), PAIRS * sizeof *b->pairs);
    b->pairs_scratch = omen_alloc(mem_of(b), PAIRS * sizeof *b->pairs);
    b->groups = omen_alloc(mem_of(b), (PAIRS + 1) * sizeof *b->groups);
    if (b->order == NULL || b->pairs == NULL || b->pairs_scratch == NULL || b->groups == NULL) return out_of_memory(err);
    b->level = b->graph.top + 1;
    b->stage = INSERT;
    return OMEN_OK;
}

/* A level begins as a copy of the one above; the other nodes are to be inserted in order, the audit's rows at the very end. */
static void begin_level(omen_graph_build *b) {
    omen_graph *g = &b->graph;
    omen_level *own = &g->level[b->level];
    const omen_level *above = b->level == g->top ? NULL : &g->level[b->level + 1];
    uint32_t next = 0;
    b->order_count = b->inserted = 0;
    for (uint32_t i = 0; i < own->count; i++) {
        uint32_t row = own->rows == NULL ? i : own->rows[i];
        if (above != NULL && next < above->count && above->rows[next] == row) {
            const uint32_t *links = omen_level_links(above, next++);
            for (uint32_t j = 0; j < above->m && links[j] != OMEN_NO_NODE; j++) own->links[(size_t)i * own->m + j] = omen_graph_below(g, b->level + 1, links[j]);
        } else if (b->level != 0 || b->audit.queries == 0 || omen_audit_query_of(&b->audit, row) == OMEN_NO_NODE) {
            b->order[b->order_count++] = i;
        }
    }
}

/* Inserts one batch of the order. Batches grow with the graph: a node of an early batch has little but its batch to choose from. */
static void insert_some(omen_graph_build *b) {
    uint32_t there = b->graph.level[b->level].count - (b->order_count - b->inserted);
    uint32_t count = OMEN_MIN(b->order_count - b->inserted, b->level == b->graph.top ? OMEN_GRAPH_BATCH : OMEN_MIN(OMEN_GRAPH_BATCH, OMEN_MAX(there, 1u)));
    omen_graph_insert_batch(b, count);
}

static omen_status insert(omen_graph_build *b) {
    if (b->level > b->graph.top || b->inserted == b->order_count) {
        if (b->level == 0) {
            b->stage = b->audit.queries == 0 ? INSERT_REST : TRUTH;
            return OMEN_OK;
        }
        b->level--;
        begin_level(b);
        return OMEN_OK;
    }
    insert_some(b);
    if (b->level == 0) b->base.progress = 150u + (uint32_t)(700u * (uint64_t)b->inserted / (b->order_count + 1));
    return OMEN_OK;
}

static void insert_rest(omen_graph_build *b) {
    uint32_t audited = 0;
    for (; audited < b->audit.queries; audited++) b->order[audited] = b->audit.rows[audited];
    b->order_count = audited;
    b->inserted = 0;
    b->level = 0;
    if (audited != 0) omen_graph_insert_batch(b, audited);
    b->stage = CONNECT;
}

/* ---- the audit ---- */

static omen_status truth(omen_graph_build *b, omen_error *err) {
    OMEN_TRY(fill_chunk(b, err));
    omen_audit_compare(&b->audit, b->chunk, b->chunk_first, b->chunk_rows);
    b->chunk_rows = 0;
    b->base.progress = 850u + (uint32_t)(50u * (uint64_t)b->row / b->base.source.rows);
    if (b->row < b->base.source.rows) return OMEN_OK;
    b->row = 0;
    b->stage = AUDIT;
    return OMEN_OK;
}

/* One slack a step. Where the last true neighbour stands among the candidates says how many need to be re-ranked: as many as lose few beside what was not found. */
static omen_status audit(omen_graph_build *b, omen_error *err) {
    omen_audit *a = &b->audit;
    uint32_t slack = omen_audit_ladder(a->point_count), ef = OMEN_MIN(OMEN_GRAPH_REACH, b->base.source.rows), truths = omen_audit_truths(a), found = 0;
    omen_build_slot *s = &b->slots[0];
    uint32_t *at = omen_alloc_zero(mem_of(b), (ef + (size_t)1) * sizeof *at);
    if (at == NULL || omen_walk_room(&s->walk, b->base.source.rows, ef, 1, b->graph.codes.len) != OMEN_OK) {
        omen_free(mem_of(b), at, (ef + (size_t)1) * sizeof *at);
        return out_of_memory(err);
    }
    for (uint32_t q = 0; q < a->queries; q++) {
        omen_walk_reach reach = {.near = OMEN_AUDIT_K, .slack = slack};
        if (bits(b)) {
            memset(s->walk.u, 0, b->graph.codes.len);
            memcpy(s->walk.u, omen_audit_query(a, q), vector_bytes(&b->base.source));
        } else {
            reach.origin = omen_sq8_query(&b->codec, omen_audit_query(a, q), s->walk.u, s->scratch);
        }
        omen_graph_search(&b->graph, &s->walk, ef, 0, NULL, &reach);
        for (uint32_t i = 0; i < s->walk.pool_len; i++) {
            if (omen_audit_find(a, q, omen_walk_node(s->walk.pool[i])) == OMEN_AUDIT_K) continue;
            at[i]++;
            found++;
        }
    }
    uint32_t want = ef, left = found;
    uint32_t lose = (truths - found) / 6 + found / 1000;
    while (want > OMEN_AUDIT_K && left - at[want - 1] + lose >= found) left -= at[--want];
    omen_free(mem_of(b), at, (ef + (size_t)1) * sizeof *at);
    uint32_t recall = truths == 0 ? 65536u : (uint32_t)((uint64_t)left * 65536u / truths);
    a->points[a->point_count++] = (omen_index_point){slack, want, recall};
    bool useless = a->point_count >= 4 && recall <= a->points[a->point_count - 4].recall && recall > 65536u / 100 * 97;
    b->base.progress = 900u + 40u * a->point_count / OMEN_INDEX_POINTS;
    if (a->point_count == OMEN_INDEX_POINTS || recall >= 65536u - 65536u / 1000 || useless) b->stage = INSERT_REST;
    return OMEN_OK;
}

/* ---- the steps ---- */

static omen_status build_step(omen_index_build *base, omen_segment_info *info, bool *done, omen_error *err) {
    omen_graph_build *b = (omen_graph_build *)base;
    uint32_t changed;
    *done = false;
    switch (b->stage) {
        case READ_SAMPLE:
            if (!bits(b)) return read_sample(b, err);
            b->stage = ENCODE;
            return OMEN_OK;
        case ENCODE: return encode(b, err);
        case PLAN: return plan(b, err);
        case INSERT: return insert(b);
        case TRUTH: return truth(b, err);
        case AUDIT: return audit(b, err);
        case INSERT_REST:
            insert_rest(b);
            return OMEN_OK;
        case CONNECT:
            OMEN_TRY(omen_graph_connect(mem_of(b), &b->graph, &changed, err));
            base->progress = 950;
            b->stage = WRITE;
            return OMEN_OK;
        case WRITE:
            OMEN_TRY(omen_graph_write_step(b, info, done, err));
            if (*done) {
                base->progress = 1000;
                b->stage = DONE;
            }
            return OMEN_OK;
        default: return omen_fail(err, OMEN_ERR_INTERNAL, "a finished index build was stepped again");
    }
}

static void build_free(omen_index_build *base) {
    omen_graph_build *b = (omen_graph_build *)base;
    omen_mem *m = mem_of(b);
    omen_segment_writer_free(b->out);
    omen_disk_order_free(b->disk);
    for (uint32_t i = 0; i < OMEN_GRAPH_SLOTS; i++) {
        omen_build_slot *s = &b->slots[i];
        if (s->walk.mem != NULL) omen_walk_deinit(&s->walk);
        omen_free(m, s->u, b->graph.codes.len);
        omen_free(m, s->prune_u, b->graph.codes.len);
        omen_free(m, s->scratch, omen_sq8_scratch(&b->codec) * sizeof(float));
    }
    for (uint32_t l = 0; l <= OMEN_GRAPH_LEVELS; l++) {
        const omen_level *g = &b->graph.level[l];
        omen_free(m, g->links, (size_t)g->count * g->m * sizeof(uint32_t));
        omen_free(m, b->members[l], g->count * sizeof(uint32_t));
        omen_free(m, b->graph.down[l], g->count * sizeof(uint32_t));
    }
    omen_free(m, b->graph.top_codes, omen_graph_top_bytes(&b->graph));
    omen_free(m, b->codes, (size_t)b->base.source.rows * b->graph.codes.stride + 64);
    if (b->chunk != NULL) drop_chunk(b);
    omen_free(m, b->order, b->order_cap * sizeof(uint32_t));
    omen_free(m, b->pairs, PAIRS * sizeof *b->pairs);
    omen_free(m, b->pairs_scratch, PAIRS * sizeof *b->pairs);
    omen_free(m, b->groups, (PAIRS + 1) * sizeof *b->groups);
    omen_audit_deinit(&b->audit);
    if (b->trained) omen_sq8_deinit(&b->codec);
    omen_free(m, b, sizeof *b);
}

const omen_index_builder omen_hnsw_builder = {build_new, build_step, build_free, omen_hnsw_verify, omen_hnsw_verify_free};
const omen_index_builder omen_disk_builder = {build_new, build_step, build_free, omen_disk_verify, omen_disk_verify_free};
