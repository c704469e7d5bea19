/* flush.c - which records of a frozen table become a part, and which rows of older parts they replace. */
#include "db/job.h"

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a flush"); }

static omen_status begin(omen_job_coll *c, omen_error *err) {
    uint32_t entries = omen_memtable_entries(c->table);
    c->rows = omen_arena_alloc(&c->arena, entries * sizeof *c->rows + 8, 8);
    c->row_cap = entries;
    c->dead = omen_arena_alloc(&c->arena, c->v->part_count * sizeof *c->dead + 8, 8);
    if (c->dead != NULL) memset(c->dead, 0, c->v->part_count * sizeof *c->dead); /* whatever happens next, it is looked at in the end */
    if (c->rows == NULL || c->dead == NULL) return out_of_memory(err);
    return OMEN_OK;
}

/* The row of an older part that an entry replaces or deletes, if there is one, is dead from now on. An id lives in one part at most. */
static omen_status bury(omen_job_coll *c, const omen_entry *e, omen_error *err) {
    for (uint32_t p = c->v->part_count; p-- != 0;) {
        const omen_part_state *s = &c->v->parts[p];
        uint32_t row;
        OMEN_TRY(omen_part_find(s->part, omen_entry_key(e), e->hash, &row, err));
        if (row == UINT32_MAX || omen_bits_test(c->dead[p] != NULL ? c->dead[p] : s->dead, row)) continue;
        if (c->dead[p] == NULL) c->dead[p] = s->dead != NULL ? omen_bits_copy(s->dead) : omen_bits_new(s->part->store->mem, s->part->rows);
        if (c->dead[p] == NULL) return out_of_memory(err);
        omen_bits_set(c->dead[p], row);
        return OMEN_OK;
    }
    return OMEN_OK;
}

/* The rows that are dead now and were not before, for each part. */
static omen_status list_targets(omen_job_coll *c, omen_error *err) {
    c->targets = omen_arena_alloc(&c->arena, c->v->part_count * sizeof *c->targets + 8, 8);
    if (c->targets == NULL) return out_of_memory(err);
    for (uint32_t p = 0; p < c->v->part_count; p++) {
        const omen_bits *now = c->dead[p], *before = c->v->parts[p].dead;
        if (now == NULL) continue;
        uint32_t count = now->ones - (before == NULL ? 0 : before->ones), n = 0;
        uint32_t *rows = omen_arena_alloc(&c->arena, count * sizeof *rows + 8, 8);
        if (rows == NULL) return out_of_memory(err);
        for (uint32_t r = 0; r < now->count; r++)
            if (omen_bits_test(now, r) && !omen_bits_test(before, r)) rows[n++] = r;
        OMEN_ASSERT(n == count);
        c->targets[c->target_count++] = (omen_tombstone_target){omen_segment_info_of(c->v->parts[p].part->segment)->hash, rows, count};
    }
    return OMEN_OK;
}

omen_status omen_flush_select(omen_job *job, omen_job_coll *c, omen_error *err) {
    if (c->rows == NULL) OMEN_TRY(begin(c, err));
    for (; job->entry < c->row_cap; job->entry++) {
        const omen_entry *e = omen_memtable_entry(c->table, job->entry);
        if (atomic_load_explicit(&e->next_lsn, memory_order_relaxed) != UINT64_MAX) continue; /* replaced within the table */
        OMEN_TRY(bury(c, e, err));
        if (e->row != OMEN_NO_ROW) c->rows[c->row_count++] = job->entry;
    }
    job->entry = 0;
    return list_targets(c, err);
}

/* ---- the source of rows ---- */

static const omen_entry *entry_of(void *ctx, uint32_t row) {
    const omen_job_coll *c = ctx;
    return omen_memtable_entry(c->table, c->rows[row]);
}

static omen_status source_key(void *ctx, uint32_t row, omen_key *out, omen_error *err) {
    (void)err;
    *out = omen_entry_key(entry_of(ctx, row));
    return OMEN_OK;
}

static omen_status source_doc(void *ctx, uint32_t row, omen_str *out, omen_error *err) {
    (void)err;
    const omen_entry *e = entry_of(ctx, row);
    *out = (omen_str){e->doc, e->doc_len};
    return OMEN_OK;
}

static omen_status source_vector(void *ctx, uint32_t row, uint32_t field, const void **out, omen_error *err) {
    (void)err;
    *out = omen_memtable_vectors(((omen_job_coll *)ctx)->table, field, entry_of(ctx, row)->row, NULL);
    return OMEN_OK;
}

static omen_status source_norm(void *ctx, uint32_t row, uint32_t field, float *out, omen_error *err) {
    (void)err;
    *out = *omen_memtable_norms(((omen_job_coll *)ctx)->table, field, entry_of(ctx, row)->row, NULL);
    return OMEN_OK;
}

static omen_status source_multi(void *ctx, uint32_t row, uint32_t field, omen_multi *out, omen_error *err) {
    (void)err;
    *out = omen_memtable_multi(((omen_job_coll *)ctx)->table, field, entry_of(ctx, row)->row);
    return OMEN_OK;
}

void omen_flush_source(omen_job *job, omen_job_coll *c) {
    job->source = (omen_row_source){c, c->row_count, source_key, source_doc, source_vector, source_norm, source_multi};
}
