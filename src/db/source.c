#include "db/source.h"

static omen_status table_run(void *ctx, uint32_t field, uint32_t row, uint32_t limit, float *norms, omen_scan_run *out, omen_error *err) {
    (void)norms, (void)err;
    const omen_source *c = ctx;
    uint32_t run, norm_run = UINT32_MAX, left = c->rows - row;
    out->vectors = omen_memtable_vectors(c->table, field, row, &run);
    out->norms = c->cosine ? omen_memtable_norms(c->table, field, row, &norm_run) : NULL;
    out->first = row;
    out->count = OMEN_MIN(OMEN_MIN(limit, left), OMEN_MIN(run, norm_run));
    return OMEN_OK;
}

static void table_release(void *ctx, omen_scan_run *run) { (void)ctx, (void)run; }

static omen_status table_row(void *ctx, uint32_t row, uint8_t *bytes, omen_key *key, bool *live, omen_error *err) {
    (void)bytes;
    const omen_source *c = ctx;
    const omen_entry *e = omen_memtable_row_entry(c->table, row);
    *key = omen_entry_key(e);
    *live = omen_entry_current(e, c->snapshot->lsn) && !omen_snapshot_replaced(c->snapshot, c->v, c->number, *key, e->hash);
    return *live && c->select != NULL ? omen_select_entry(c->select, e, live, err) : OMEN_OK;
}

static omen_status part_run(void *ctx, uint32_t field, uint32_t row, uint32_t limit, float *norms, omen_scan_run *out, omen_error *err) {
    const omen_source *c = ctx;
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

static void part_release(void *ctx, omen_scan_run *run) { omen_block_release(((const omen_source *)ctx)->part->part->store->pool, run->pin); }

static omen_status part_row_vector(void *ctx, uint32_t field, uint32_t row, uint8_t *buffer, omen_scan_row *out, omen_error *err) {
    const uint8_t *vector;
    const omen_block *pin;
    OMEN_TRY(omen_part_row_vector(((const omen_source *)ctx)->part->part, field, row, buffer, &vector, &pin, &out->norm, err));
    out->vector = vector;
    out->pin = pin;
    return OMEN_OK;
}

static bool part_expect_row(void *ctx, uint32_t field, uint32_t row) { return omen_part_expect_row(((const omen_source *)ctx)->part->part, field, row); }
static void part_expect_key(void *ctx, uint32_t row, bool next) { omen_part_expect_key(((const omen_source *)ctx)->part->part, row, next); }

static void part_release_row(void *ctx, omen_scan_row *row) { omen_block_release(((const omen_source *)ctx)->part->part->store->pool, row->pin); }

static omen_status part_row(void *ctx, uint32_t row, uint8_t *bytes, omen_key *key, bool *live, omen_error *err) {
    const omen_source *c = ctx;
    *live = !omen_bits_test(c->part->dead, row);
    if (*live && c->select != NULL) OMEN_TRY(omen_select_row(c->select, c->number, row, live, err));
    if (!*live) return OMEN_OK;
    OMEN_TRY(omen_part_key(c->part->part, row, bytes, key, err));
    if (c->fresh) return OMEN_OK;
    *live = !omen_snapshot_replaced(c->snapshot, c->v, UINT32_MAX, *key, omen_key_hash(*key));
    return OMEN_OK;
}

static const omen_scan_ops table_ops = {.run = table_run, .release = table_release, .row = table_row};
static const omen_scan_ops part_ops = {.run = part_run, .release = part_release, .row_vector = part_row_vector, .expect_row = part_expect_row, .expect_key = part_expect_key,
                                       .release_row = part_release_row, .row = part_row};

/* Tables first, newest data first: a good bound early spares asking old rows for their ids. */
omen_status omen_sources_list(omen_arena *a, const omen_snapshot *snapshot, const omen_coll_version *v, uint32_t field, omen_select *select, omen_source **sources,
                              omen_scan_source **scan, omen_error *err) {
    uint32_t n = v->table_count + v->part_count;
    omen_source *own = omen_arena_alloc(a, n * sizeof *own + 8, 8);
    omen_scan_source *out = omen_arena_alloc(a, n * sizeof *out + 8, 8);
    if (own == NULL || out == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
    bool fresh = true;
    for (uint32_t t = 0; t < v->table_count; t++) fresh = fresh && omen_memtable_entries(v->tables[t].table) == 0;
    for (uint32_t i = 0; i < n; i++) {
        bool table = i < v->table_count;
        const omen_part_state *part = table ? NULL : &v->parts[i - v->table_count];
        own[i] = (omen_source){.snapshot = snapshot,
                               .v = v,
                               .table = table ? v->tables[i].table : NULL,
                               .part = part,
                               .number = table ? i : i - v->table_count,
                               .rows = table ? omen_memtable_rows_at(v->tables[i].table, snapshot->lsn) : part->part->rows,
                               .cosine = field != UINT32_MAX && v->coll->schema.schema.vectors[field].metric == OMEN_METRIC_COSINE,
                               .fresh = fresh,
                               .select = select};
        out[i] = (omen_scan_source){table ? &table_ops : &part_ops, &own[i], own[i].rows};
    }
    *sources = own;
    *scan = out;
    return OMEN_OK;
}

omen_place omen_source_place(const omen_source *s, uint32_t row) {
    if (s->table == NULL) return (omen_place){.row = row, .part = s->part};
    return (omen_place){.entry = omen_memtable_row_entry(s->table, row), .row = s->number};
}
