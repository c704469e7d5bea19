/* merge.c - several parts become one: their live rows, oldest part first, and the tombstones that still have a target. */
#include "column/element.h"
#include "column/multi.h"
#include "db/job.h"

/* Row n of the merged part is row `at` of part `part`. Columns are asked for in ascending rows, so one place each is enough. */
typedef struct place { uint32_t next, part, at; } place;

typedef struct omen_merge_place {
    omen_job_coll *c;
    place key, doc, vector, norm, multi;
    uint8_t key_bytes[OMEN_KEY_MAX];
    omen_buf doc_bytes;
    omen_part_doc_place doc_place;
    uint32_t multi_field; /* whose vectors are read: UINT32_MAX at first */
    bool multi_found;
    uint64_t multi_first;
    uint32_t multi_count;
    size_t multi_done;
    omen_buf multi_bytes;
    omen_part_doc_place multi_doc; /* of a bare part */
    omen_arena multi_arena;
    const omen_block *block; /* of vectors, held over its rows */
    omen_part *block_part;
    uint32_t block_field, block_first, block_count;
} omen_merge_place;

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a merge"); }

typedef struct carried { omen_job_coll *c; } carried;

/* Tombstones of a merged part matter as long as their target stays outside the merge. */
static omen_status carry(void *arg, const omen_hash128 *target, const uint32_t *rows, uint32_t count, omen_error *err) {
    omen_job_coll *c = ((carried *)arg)->c;
    bool there = false;
    for (uint32_t p = 0; p < c->from; p++) there = there || omen_hash128_equal(&omen_segment_info_of(c->v->parts[p].part->segment)->hash, target);
    if (!there) return OMEN_OK;
    omen_tombstone_target *t = omen_arena_alloc(&c->arena, (c->target_count + (size_t)1) * sizeof *t, 8);
    uint32_t *copy = omen_arena_alloc(&c->arena, count * sizeof *copy + 8, 8);
    if (t == NULL || copy == NULL) return out_of_memory(err);
    if (c->target_count != 0) memcpy(t, c->targets, c->target_count * sizeof *t);
    memcpy(copy, rows, count * sizeof *copy);
    t[c->target_count] = (omen_tombstone_target){*target, copy, count};
    c->targets = t;
    c->target_count++;
    return OMEN_OK;
}

/* A damaged part's own list of what it replaced may not be there: what is dead in the parts before it is then told again, whoever said so first. */
static omen_status carry_all(omen_job_coll *c, omen_error *err) {
    carried arg = {c};
    for (uint32_t p = 0; p < c->from; p++) {
        const omen_bits *dead = c->v->parts[p].dead;
        if (dead == NULL || dead->ones == 0) continue;
        uint32_t *rows = omen_arena_alloc(&c->arena, dead->ones * sizeof *rows, 8), n = 0;
        if (rows == NULL) return out_of_memory(err);
        for (uint32_t r = 0; r < dead->count; r++)
            if (omen_bits_test(dead, r)) rows[n++] = r;
        OMEN_TRY(carry(&arg, &omen_segment_info_of(c->v->parts[p].part->segment)->hash, rows, n, err));
    }
    return OMEN_OK;
}

omen_status omen_merge_select(omen_job *job, omen_job_coll *c, omen_error *err) {
    if (c->row_cap == 0) {
        for (uint32_t p = c->from; p < c->to; p++) {
            const omen_part_state *s = &c->v->parts[p];
            c->row_count += s->part->rows - (s->dead == NULL ? 0 : s->dead->ones);
        }
        c->row_cap = 1;
        job->part = c->from;
    }
    for (; job->part < c->to; job->part++) {
        carried arg = {c};
        if (c->v->parts[job->part].part->bare) {
            OMEN_TRY(carry_all(c, err));
            continue;
        }
        OMEN_TRY(omen_part_tombstones(c->v->parts[job->part].part, &job->tombstones, carry, &arg, err));
        job->tombstones.bytes.len = 0;
        job->tombstones.done = 0;
    }
    job->part = 0;
    return OMEN_OK;
}

/* Moves to merged row `row`: the one after the last asked for, the same again, or the first of a new pass. */
static const omen_part_state *seek(omen_job_coll *c, place *p, uint32_t row) {
    if (row + 1 == p->next && row != UINT32_MAX) return &c->v->parts[p->part];
    if (row == 0) *p = (place){0, c->from, UINT32_MAX};
    OMEN_ASSERT(row == p->next);
    for (;;) {
        const omen_part_state *s = &c->v->parts[p->part];
        p->at++;
        if (p->at < s->part->rows) {
            if (omen_bits_test(s->dead, p->at)) continue;
            p->next = row + 1;
            return s;
        }
        p->part++;
        p->at = UINT32_MAX;
        OMEN_ASSERT(p->part < c->to);
    }
}

static omen_status source_key(void *ctx, uint32_t row, omen_key *out, omen_error *err) {
    omen_merge_place *m = ctx;
    const omen_part_state *s = seek(m->c, &m->key, row);
    return omen_part_key(s->part, m->key.at, m->key_bytes, out, err);
}

static omen_status source_doc(void *ctx, uint32_t row, omen_str *out, omen_error *err) {
    omen_merge_place *m = ctx;
    if (row + 1 != m->doc.next) {
        m->doc_bytes.len = 0;
        memset(&m->doc_place, 0, sizeof m->doc_place);
    }
    const omen_part_state *s = seek(m->c, &m->doc, row);
    OMEN_TRY(omen_part_doc(s->part, m->doc.at, &m->doc_place, &m->doc_bytes, err));
    *out = (omen_str){(const char *)m->doc_bytes.data, m->doc_bytes.len};
    return OMEN_OK;
}

static void release_block(omen_merge_place *m) {
    if (m->block != NULL) omen_block_release(m->block_part->store->pool, m->block);
    m->block = NULL;
}

static omen_status source_vector(void *ctx, uint32_t row, uint32_t field, const void **out, omen_error *err) {
    omen_merge_place *m = ctx;
    const omen_part_state *s = seek(m->c, &m->vector, row);
    uint32_t at = m->vector.at;
    bool here = m->block != NULL && m->block_part == s->part && m->block_field == field && at >= m->block_first && at - m->block_first < m->block_count;
    if (!here) {
        release_block(m);
        OMEN_TRY(omen_part_vector_block(s->part, field, at, &m->block, &m->block_first, &m->block_count, err));
        m->block_part = s->part;
        m->block_field = field;
    }
    const omen_part_field *f = &s->part->fields[field];
    *out = m->block->data + (at - m->block_first) * omen_element_bytes(f->element, f->dimensions);
    return OMEN_OK;
}

/* From its vector, as when it was written. */
static omen_status norm_again(omen_part *p, uint32_t row, uint32_t field, float *out, omen_error *err) {
    const omen_block *block;
    uint32_t first, count;
    const omen_part_field *f = &p->fields[field];
    OMEN_TRY(omen_part_vector_block(p, field, row, &block, &first, &count, err));
    *out = omen_element_norm(f->element, block->data + (row - first) * omen_element_bytes(f->element, f->dimensions), f->dimensions);
    omen_block_release(p->store->pool, block);
    return OMEN_OK;
}

static omen_status source_norm(void *ctx, uint32_t row, uint32_t field, float *out, omen_error *err) {
    omen_merge_place *m = ctx;
    const omen_part_state *s = seek(m->c, &m->norm, row);
    size_t done = 0;
    if (s->part->bare) return norm_again(s->part, m->norm.at, field, out, err);
    return omen_part_norms(s->part, field, m->norm.at, 1, out, &done, err);
}

/* From its document, as when it was written. */
static omen_status multi_again(omen_merge_place *m, omen_part *p, uint32_t row, uint32_t field, omen_multi *out, omen_error *err) {
    const omen_multi_field *f = &m->c->v->coll->schema.schema.multis[field];
    const omen_part_field type = {f->dimensions, (uint32_t)f->metric, (uint32_t)f->element};
    *out = (omen_multi){NULL, 0};
    if (!m->multi_found) {
        if (!m->multi_doc.known) m->multi_bytes.len = 0;
        OMEN_TRY(omen_part_doc(p, row, &m->multi_doc, &m->multi_bytes, err));
        memset(&m->multi_doc, 0, sizeof m->multi_doc);
        m->multi_found = true;
    }
    if (m->multi_bytes.len == 0) return OMEN_OK;
    omen_json *parsed;
    OMEN_TRY(omen_json_parse(m->multi_bytes.mem, (omen_str){(const char *)m->multi_bytes.data, m->multi_bytes.len}, &parsed, err));
    const omen_json_val *value = omen_text_reach(omen_json_root(parsed), f->name);
    omen_arena_deinit(&m->multi_arena);
    omen_arena_init(&m->multi_arena, m->multi_bytes.mem, 1u << 14);
    omen_status s = value == NULL ? OMEN_OK : omen_multi_read(value, &type, OMEN_MAX_MULTI_VECTORS, "a field of several vectors", &m->multi_arena, out, err);
    omen_json_free(parsed);
    return s;
}

static omen_status source_multi(void *ctx, uint32_t row, uint32_t field, omen_multi *out, omen_error *err) {
    omen_merge_place *m = ctx;
    if (m->multi_field != field) m->multi = (place){0, 0, 0}; /* a new pass */
    if (m->multi_field != field || row + 1 != m->multi.next) m->multi_found = false;
    m->multi_field = field;
    const omen_part_state *s = seek(m->c, &m->multi, row);
    if (s->part->bare) return multi_again(m, s->part, m->multi.at, field, out, err);
    if (!m->multi_found) {
        OMEN_TRY(omen_part_multi_find(s->part, field, m->multi.at, &m->multi_first, &m->multi_count, err));
        const omen_part_field *f = &s->part->multi[field].of;
        m->multi_bytes.len = 0;
        if (omen_buf_append(&m->multi_bytes, NULL, m->multi_count * omen_element_bytes(f->element, f->dimensions)) != OMEN_OK) return out_of_memory(err);
        m->multi_done = 0;
        m->multi_found = true;
    }
    if (m->multi_count != 0) OMEN_TRY(omen_part_multi_copy(s->part, field, m->multi_first, m->multi_count, m->multi_bytes.data, &m->multi_done, err));
    *out = (omen_multi){m->multi_bytes.data, m->multi_count};
    return OMEN_OK;
}

omen_status omen_merge_source(omen_job *job, omen_job_coll *c, omen_error *err) {
    omen_merge_place *m = omen_alloc_zero(&job->db->mem, sizeof *m);
    if (m == NULL) return out_of_memory(err);
    m->c = c;
    m->multi_field = UINT32_MAX;
    omen_buf_init(&m->doc_bytes, &job->db->mem);
    omen_buf_init(&m->multi_bytes, &job->db->mem);
    omen_arena_init(&m->multi_arena, &job->db->mem, 1u << 14);
    job->merge = m;
    job->source = (omen_row_source){m, c->row_count, source_key, source_doc, source_vector, source_norm, source_multi};
    return OMEN_OK;
}

void omen_merge_place_free(omen_job *job) {
    omen_merge_place *m = job->merge;
    if (m == NULL) return;
    release_block(m);
    omen_buf_deinit(&m->doc_bytes);
    omen_buf_deinit(&m->multi_bytes);
    omen_arena_deinit(&m->multi_arena);
    omen_free(&job->db->mem, m, sizeof *m);
    job->merge = NULL;
}
