/* search.c - search over a snapshot: tables and parts as sources of rows. Those that have no index are scanned; indexes give candidates, which are ranked
 * exactly; then come documents and vectors of the hits. */
#include "column/element.h"
#include "db/read.h"

/* Share of the nearest to find when a query does not say. */
#define DEFAULT_RECALL 0.95f
/* Part of a source's rows from which on comparing all of them is the better plan. */
#define MANY 8u

/* One table or part as a source. */
typedef struct omen_scan_ctx {
    const omen_read_op *op;
    const omen_memtable *table; /* or */
    const omen_part_state *part;
    uint32_t table_number;
    size_t vector_bytes;
    bool cosine;
    bool fresh; /* no table holds anything: whatever a part says lives */
} omen_scan_ctx;

static omen_status table_run(void *ctx, uint32_t field, uint32_t row, uint32_t limit, float *norms, omen_scan_run *out, omen_error *err) {
    (void)norms, (void)err;
    const omen_scan_ctx *c = ctx;
    uint32_t run, norm_run = UINT32_MAX, left = c->op->sources[c->table_number].rows - row;
    out->vectors = omen_memtable_vectors(c->table, field, row, &run);
    out->norms = c->cosine ? omen_memtable_norms(c->table, field, row, &norm_run) : NULL;
    out->first = row;
    out->count = OMEN_MIN(OMEN_MIN(limit, left), OMEN_MIN(run, norm_run));
    return OMEN_OK;
}

static void table_release(void *ctx, omen_scan_run *run) { (void)ctx, (void)run; }

static omen_status table_row(void *ctx, uint32_t row, uint8_t *bytes, omen_key *key, bool *live, omen_error *err) {
    (void)bytes, (void)err;
    const omen_scan_ctx *c = ctx;
    const omen_entry *e = omen_memtable_row_entry(c->table, row);
    *key = omen_entry_key(e);
    *live = omen_entry_current(e, c->op->snapshot.lsn) && !omen_snapshot_replaced(&c->op->snapshot, c->op->v, c->table_number, *key, e->hash);
    return OMEN_OK;
}

static omen_status part_run(void *ctx, uint32_t field, uint32_t row, uint32_t limit, float *norms, omen_scan_run *out, omen_error *err) {
    const omen_scan_ctx *c = ctx;
    omen_part *p = c->part->part;
    const omen_block *block;
    uint32_t first, count;
    size_t done = 0;
    OMEN_TRY(omen_part_vector_block(p, field, row, &block, &first, &count, err));
    omen_status s = c->cosine ? omen_part_norms(p, field, first, count, norms, &done, err) : OMEN_OK;
    if (s != OMEN_OK) {
        omen_block_release(p->store->pool, block);
        return s;
    }
    OMEN_ASSERT(count <= limit);
    *out = (omen_scan_run){block->data, c->cosine ? norms : NULL, first, count, block};
    return OMEN_OK;
}

static void part_release(void *ctx, omen_scan_run *run) { omen_block_release(((const omen_scan_ctx *)ctx)->part->part->store->pool, run->pin); }

static omen_status part_row_vector(void *ctx, uint32_t field, uint32_t row, uint8_t *buffer, omen_scan_row *out, omen_error *err) {
    const uint8_t *vector;
    const omen_block *pin;
    OMEN_TRY(omen_part_row_vector(((const omen_scan_ctx *)ctx)->part->part, field, row, buffer, &vector, &pin, &out->norm, err));
    out->vector = vector;
    out->pin = pin;
    return OMEN_OK;
}

static bool part_expect_row(void *ctx, uint32_t field, uint32_t row) { return omen_part_expect_row(((const omen_scan_ctx *)ctx)->part->part, field, row); }
static void part_expect_key(void *ctx, uint32_t row, bool next) { omen_part_expect_key(((const omen_scan_ctx *)ctx)->part->part, row, next); }

static void part_release_row(void *ctx, omen_scan_row *row) { omen_block_release(((const omen_scan_ctx *)ctx)->part->part->store->pool, row->pin); }

static omen_status part_row(void *ctx, uint32_t row, uint8_t *bytes, omen_key *key, bool *live, omen_error *err) {
    const omen_scan_ctx *c = ctx;
    *live = !omen_bits_test(c->part->dead, row);
    if (!*live) return OMEN_OK;
    OMEN_TRY(omen_part_key(c->part->part, row, bytes, key, err));
    if (c->fresh) return OMEN_OK;
    *live = !omen_snapshot_replaced(&c->op->snapshot, c->op->v, UINT32_MAX, *key, omen_key_hash(*key));
    return OMEN_OK;
}

static const omen_scan_ops table_ops = {.run = table_run, .release = table_release, .row = table_row};
static const omen_scan_ops part_ops = {.run = part_run, .release = part_release, .row_vector = part_row_vector, .expect_row = part_expect_row, .expect_key = part_expect_key,
                                       .release_row = part_release_row, .row = part_row};

/* Tables first, newest data first: a good bound early spares asking old rows for their ids. */
static omen_status list_sources(omen_read_op *op, omen_error *err) {
    const omen_coll_version *v = op->v;
    uint32_t n = v->table_count + v->part_count;
    op->sources = omen_arena_alloc(&op->arena, n * sizeof *op->sources + 8, 8);
    op->scan = omen_arena_alloc(&op->arena, n * sizeof *op->scan + 8, 8);
    if (op->sources == NULL || op->scan == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
    const omen_vector_field *field = &v->coll->schema.schema.vectors[op->field];
    bool fresh = true;
    for (uint32_t t = 0; t < v->table_count; t++) fresh = fresh && omen_memtable_entries(v->tables[t].table) == 0;
    for (uint32_t i = 0; i < n; i++) {
        bool table = i < v->table_count;
        op->scan[i] = (omen_scan_ctx){.op = op,
                                      .table = table ? v->tables[i].table : NULL,
                                      .part = table ? NULL : &v->parts[i - v->table_count],
                                      .table_number = i,
                                      .vector_bytes = omen_element_bytes(field->element, field->dimensions),
                                      .cosine = field->metric == OMEN_METRIC_COSINE,
                                      .fresh = fresh};
        op->sources[i] = (omen_scan_source){table ? &table_ops : &part_ops, &op->scan[i], table ? omen_memtable_rows(op->scan[i].table) : op->scan[i].part->part->rows};
    }
    op->source_count = n;
    return OMEN_OK;
}

/* Parts that an index answers for are taken from the sources to be scanned. */
static omen_status plan(omen_read_op *op, const omen_query *q, omen_error *err) {
    const omen_coll_version *v = op->v;
    uint32_t n = 0;
    op->recall = q->recall > 0.0f ? q->recall : DEFAULT_RECALL;
    op->ann_sources = omen_arena_alloc(&op->arena, v->part_count * sizeof *op->ann_sources + 8, 8);
    if (op->ann_sources == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
    bool exact = q->exact != 0 || q->k > OMEN_ANN_MAX_K || (q->recall >= 1.0f && q->ef == 0 && q->nprobe == 0);
    for (uint32_t p = 0; p < v->part_count && !exact; p++) {
        omen_index *index = omen_part_index(&v->parts[p], op->field);
        omen_scan_source *rows = &op->sources[v->table_count + p];
        /* Where most rows are dead a walk would see little else. */
        if (index == NULL || omen_index_spoiled(index) || (v->parts[p].dead != NULL && v->parts[p].dead->ones > rows->rows / 2)) continue;
        omen_ann_source s = {.number = v->table_count + p, .index = index, .dead = v->parts[p].dead};
        omen_index_plan plan = omen_index_plan_for(index, q->k, op->recall);
        s.effort = plan.effort;
        s.slack = plan.slack;
        s.want = plan.want;
        /* Rows that died take places among what is looked at. */
        if (s.dead != NULL) {
            uint64_t live = rows->rows - s.dead->ones;
            s.effort = (uint32_t)OMEN_MIN((uint64_t)s.effort * rows->rows / live + 1, 1u << 20);
            s.want = (uint32_t)OMEN_MIN((uint64_t)s.want * rows->rows / live + 1, rows->rows);
        }
        uint32_t given = omen_index_options_of(index)->kind == OMEN_INDEX_IVF ? q->nprobe : q->ef;
        if (given == 0 && q->recall >= 1.0f) continue; /* the effort that was given is that of another kind */
        if (given != 0) {
            s.slack = 0;
            s.effort = omen_index_options_of(index)->kind == OMEN_INDEX_IVF ? given : OMEN_MAX(given, q->k);
            s.want = omen_index_want(index, q->k, given);
        }
        if (s.want >= rows->rows / MANY) continue;
        omen_scan_source *own = omen_arena_alloc(&op->arena, sizeof *own, 8);
        if (own == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
        *own = *rows;
        s.rows = own;
        rows->rows = 0;
        op->ann_sources[n++] = s;
    }
    const void *vector = op->query;
    if (n != 0 && op->ranker.element == OMEN_ELEMENT_I8) {
        op->floats = omen_arena_alloc(&op->arena, op->ranker.dimensions * sizeof(float), 64);
        if (op->floats == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
        for (uint32_t d = 0; d < op->ranker.dimensions; d++) op->floats[d] = ((const int8_t *)vector)[d];
        vector = op->floats;
    }
    omen_ann_init(&op->ann, &op->db->mem, op->ann_sources, n, op->field, &op->ranker, vector, &op->exact.top);
    return OMEN_OK;
}

omen_status omen_read_op_search(omen_read_op *op, const omen_query *q, omen_error *err) {
    const omen_schema_copy *s = &op->coll->schema;
    OMEN_TRY(omen_schema_field(&s->schema, q->field, &op->field, err));
    const omen_vector_field *field = &s->schema.vectors[op->field];
    if (q->k == 0) return omen_fail(err, OMEN_ERR_INVALID, "k is 0; ask for 1 to %u hits", OMEN_MAX_K);
    if (q->k > OMEN_MAX_K) return omen_fail(err, OMEN_ERR_INVALID, "k is %u; ask for 1 to %u hits", q->k, OMEN_MAX_K);
    if (q->vector == NULL) return omen_fail(err, OMEN_ERR_INVALID, "the query has no vector; give one of %u dimensions", field->dimensions);
    if (q->dimensions != field->dimensions)
        return omen_fail(err, OMEN_ERR_DIMENSION, "the query vector has %u dimensions, field \"%.*s\" of collection \"%.*s\" has %u", q->dimensions,
                         (int)field->name.len, field->name.data, (int)op->coll->name.len, op->coll->name.data, field->dimensions);
    bool floats = field->element == OMEN_ELEMENT_F32 || field->element == OMEN_ELEMENT_F16;
    const float *v = floats ? q->vector : NULL;
    for (uint32_t d = 0; floats && d < q->dimensions; d++)
        if (v[d] - v[d] != 0.0f) return omen_fail(err, OMEN_ERR_NOT_FINITE, "the query vector is NaN or infinite at dimension %u", d);
    size_t bytes = omen_element_given_bytes(field->element, q->dimensions);
    op->query = omen_arena_alloc(&op->arena, bytes, 64);
    if (op->query == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
    memcpy(op->query, q->vector, bytes);
    op->ranker = omen_ranker_of(field->metric, field->element, field->dimensions, op->query);
    if (field->metric == OMEN_METRIC_COSINE && op->ranker.query_norm == 0.0f)
        return omen_fail(err, OMEN_ERR_ZERO_VECTOR, "the query vector has no direction (its length is zero, too small or too large); cosine needs one");
    op->k = q->k;
    if (!(q->recall >= 0.0f && q->recall <= 1.0f)) return omen_fail(err, OMEN_ERR_INVALID, "recall is the share of the nearest to find: above 0, at most 1 (0: the default, 0.95)");
    if (q->ef > OMEN_MAX_K) return omen_fail(err, OMEN_ERR_INVALID, "ef is %u; candidates kept while walking a graph are 1 to %u (0: from recall)", q->ef, OMEN_MAX_K);
    if (q->nprobe > 65536) return omen_fail(err, OMEN_ERR_INVALID, "nprobe is %u; lists to look into are 1 to 65536 (0: from recall)", q->nprobe);
    OMEN_TRY(list_sources(op, err));
    OMEN_TRY(plan(op, q, err));
    OMEN_TRY(omen_exact_init(&op->exact, &op->db->mem, op->sources, op->source_count, op->field, &op->ranker, q->k, err));
    op->results = omen_fetch_results(op->db, s, op->include, op->field);
    return op->results == NULL ? omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search") : OMEN_OK;
}

static omen_status add_hit(omen_read_op *op, const omen_candidate *c, omen_error *err) {
    omen_results *r = op->results;
    float distance = omen_distance_of(&op->ranker, c->distance), score = omen_score_of(&op->ranker, distance);
    const omen_scan_ctx *from = &op->scan[c->source];
    op->place = (omen_place){.row = c->row, .part = from->part};
    if (from->table != NULL) {
        op->place.entry = omen_memtable_row_entry(from->table, c->row);
        op->place.row = from->table_number;
    }
    omen_status s = omen_results_add_key(r, omen_candidate_key(c), true);
    if (s == OMEN_OK) s = omen_buf_append(&r->distances, &distance, sizeof distance);
    if (s == OMEN_OK) s = omen_buf_append(&r->scores, &score, sizeof score);
    return s == OMEN_OK ? s : omen_fail(err, s, "out of memory in a search");
}

/* Maintenance builds a damaged index anew. */
static void note_damage(omen_read_op *op) {
    for (uint32_t i = 0; i < op->ann.source_count; i++) {
        if (!op->ann_sources[i].gave_up || !omen_index_spoiled(op->ann_sources[i].index)) continue;
        omen_counter_add(&op->db->metrics.index_failures, 1);
        atomic_store(&op->db->index_due, true);
    }
}

/* Sources whose index found too little are scanned after all; those that were scanned already are not scanned again. */
static void scan_what_gave_up(omen_read_op *op) {
    for (uint32_t i = 0; i < op->source_count; i++) op->sources[i].rows = 0;
    for (uint32_t i = 0; i < op->ann.source_count; i++)
        if (op->ann_sources[i].gave_up) op->sources[op->ann_sources[i].number].rows = op->ann_sources[i].rows->rows;
    omen_exact_again(&op->exact);
}

omen_status omen_search_step(omen_read_op *op, omen_error *err) {
    if (!op->scanned) {
        OMEN_TRY(omen_exact_step(&op->exact, err));
        op->scanned = true;
        op->exact_ns = op->db->host->ticks_ns(op->db->host->ctx) - op->begun_ns;
    }
    if (!op->searched) {
        if (!op->proposed) {
            OMEN_TRY(omen_ann_step(&op->ann, err));
            op->proposed = true;
            note_damage(op);
            scan_what_gave_up(op);
        }
        OMEN_TRY(omen_exact_step(&op->exact, err));
        omen_topk_sort(&op->exact.top);
        op->searched = true;
        for (uint32_t i = 0; i < op->ann.source_count; i++) {
            const omen_ann_source *s = &op->ann_sources[i];
            omen_counter_add(&op->db->metrics.distances, s->work.distances + s->ranked);
            omen_counter_add(&op->db->metrics.scanned_bytes, s->work.bytes + s->ranked * omen_element_bytes(op->ranker.element, op->ranker.dimensions));
        }
        omen_counter_add(&op->db->metrics.distances, op->exact.distances);
        omen_counter_add(&op->db->metrics.scanned_bytes, op->exact.distances * omen_element_bytes(op->ranker.element, op->ranker.dimensions));
    }
    for (; op->at < op->exact.top.count; op->at++, op->placed = false) {
        if (!op->placed) {
            OMEN_TRY(add_hit(op, &op->exact.top.heap[op->at], err));
            op->placed = true;
            memset(&op->fetch, 0, sizeof op->fetch);
        }
        OMEN_TRY(omen_fetch_step(&op->fetch, op->v, &op->place, op->include, op->field, op->results, err));
    }
    return OMEN_OK;
}
