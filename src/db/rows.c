#include "db/rows.h"

#include "column/element.h"

#define FRAME_TARGET (4u << 20)
/* Largest sum of ids, documents and vectors in one batch. */
#define MAX_BATCH_BYTES (UINT64_C(512) << 20)
#define PARALLEL_BYTES (UINT64_C(4) << 20)

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a write; use smaller batches"); }

static omen_status count_check(size_t count, omen_error *err) {
    if (count > OMEN_MAX_BATCH)
        return omen_fail(err, OMEN_ERR_TOO_LARGE, "%zu records in one batch; at most %u are allowed, split it", count, OMEN_MAX_BATCH);
    return OMEN_OK;
}

omen_status omen_rows_from_ids(omen_rows *r, omen_arena *a, const omen_id *ids, size_t count, omen_error *err) {
    *r = (omen_rows){0};
    OMEN_TRY(count_check(count, err));
    if (count != 0 && ids == NULL) return omen_fail(err, OMEN_ERR_INVALID, "ids is NULL");
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += ids[i].text.data != NULL ? OMEN_MIN(ids[i].text.len, OMEN_MAX_ID) + 1 : 9;
    uint32_t *offsets = omen_arena_alloc(a, (count + 1) * sizeof *offsets, 8);
    uint8_t *into = omen_arena_alloc(a, (size_t)bytes + OMEN_KEY_MAX, 8);
    if (offsets == NULL || into == NULL) return out_of_memory(err);
    uint32_t at = 0;
    for (size_t i = 0; i < count; i++) {
        omen_key key;
        offsets[i] = at;
        OMEN_TRY(omen_key_encode(&ids[i], into + at, &key, err));
        at += key.len;
    }
    offsets[count] = at;
    r->count = (uint32_t)count;
    r->key_offsets = offsets;
    r->key_bytes = into;
    return OMEN_OK;
}

static omen_status take_documents(omen_rows *r, omen_arena *a, const omen_str *docs, omen_error *err) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        if (docs[i].len > OMEN_MAX_DOCUMENT)
            return omen_fail(err, OMEN_ERR_TOO_LARGE, "the document of record %u has %zu bytes; at most %u are allowed", i, docs[i].len, OMEN_MAX_DOCUMENT);
        bytes += docs[i].len;
    }
    if (bytes > MAX_BATCH_BYTES) return omen_fail(err, OMEN_ERR_TOO_LARGE, "the batch has more than 512 MiB of documents; split it");
    uint32_t *offsets = omen_arena_alloc(a, ((size_t)r->count + 1) * sizeof *offsets, 8);
    char *into = omen_arena_alloc(a, (size_t)bytes + 1, 8);
    if (offsets == NULL || into == NULL) return out_of_memory(err);
    uint32_t at = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        offsets[i] = at;
        if (docs[i].len != 0) memcpy(into + at, docs[i].data, docs[i].len);
        at += (uint32_t)docs[i].len;
    }
    offsets[r->count] = at;
    r->doc_offsets = offsets;
    r->doc_bytes = into;
    return OMEN_OK;
}

void omen_rows_give_vectors(omen_rows *r, const omen_schema *s, uint32_t f, const void *vectors) {
    r->vectors[f] = vectors;
    if (vectors != NULL && s->vectors[f].element == OMEN_ELEMENT_F16) r->wide |= 1u << f;
}

omen_status omen_rows_from_batch(omen_rows *r, omen_arena *a, const omen_schema *s, const omen_batch *b, omen_error *err) {
    OMEN_TRY(omen_rows_from_ids(r, a, b->ids, b->count, err));
    if (b->count == 0) return OMEN_OK;
    if (b->documents != NULL) OMEN_TRY(take_documents(r, a, b->documents, err));
    for (uint32_t f = 0; f < s->vector_count; f++) omen_rows_give_vectors(r, s, f, b->vectors == NULL ? NULL : b->vectors[f]);
    return OMEN_OK;
}

/* Finds ids named twice, with an open-addressing set of row numbers, at most half full. Later rows of an id are marked in `repeats`, or
 * refused when it is NULL. */
static omen_status find_duplicates(const omen_rows *r, omen_mem *m, uint8_t *repeats, omen_error *err) {
    uint32_t cap = 16;
    while (cap < r->count * 2) cap *= 2;
    uint32_t *slots = omen_alloc_zero(m, (size_t)cap * sizeof *slots);
    if (slots == NULL) return out_of_memory(err);
    omen_status st = OMEN_OK;
    for (uint32_t i = 0; st == OMEN_OK && i < r->count; i++) {
        omen_key key = omen_rows_key(r, i);
        uint32_t at = (uint32_t)(r->hashes[i] >> 32) & (cap - 1);
        while (slots[at] != 0 && !omen_key_equal(omen_rows_key(r, slots[at] - 1), key)) at = (at + 1) & (cap - 1);
        if (slots[at] == 0) {
            slots[at] = i + 1;
        } else if (repeats != NULL) {
            repeats[i] = 1;
        } else {
            char name[80];
            st = omen_fail(err, OMEN_ERR_DUPLICATE_ID, "id %s is given twice, as records %u and %u of the batch; keep one of them",
                           omen_key_print(key, name, sizeof name), slots[at] - 1, i);
        }
    }
    omen_free(m, slots, (size_t)cap * sizeof *slots);
    return st;
}

omen_status omen_rows_mark_repeats(const omen_rows *r, omen_mem *m, uint8_t *repeats, omen_error *err) { return find_duplicates(r, m, repeats, err); }

omen_status omen_rows_check_ids(omen_rows *r, omen_mem *m, omen_arena *a, bool duplicates, omen_error *err) {
    uint64_t *hashes = omen_arena_alloc(a, (size_t)r->count * sizeof *hashes + 8, 8);
    if (hashes == NULL) return out_of_memory(err);
    for (uint32_t i = 0; i < r->count; i++) {
        omen_key key = omen_rows_key(r, i);
        if (!omen_key_valid(key.data, key.len))
            return omen_fail(err, OMEN_ERR_ID, "the id of record %u is invalid; use an integer, or a string of 1 to %u bytes of UTF-8 without NUL", i,
                             OMEN_MAX_ID);
        hashes[i] = omen_key_hash(key);
    }
    r->hashes = hashes;
    return duplicates || r->count < 2 ? OMEN_OK : find_duplicates(r, m, NULL, err);
}

/* One field's vectors, in slices that may run on several threads. */
typedef struct vector_job {
    const float *wide;     /* F16: floats to be narrowed into `narrow` first; NULL: none */
    uint16_t *narrow;
    const uint8_t *stored;
    size_t row_bytes;      /* of `stored` */
    float *norms;          /* NULL: not needed */
    uint32_t element, dimensions;
    uint32_t count, slice;
    _Atomic uint32_t first_bad; /* lowest row that is not finite or has no direction */
} vector_job;

static void check_slice(void *arg, size_t index) {
    vector_job *job = arg;
    uint32_t from = (uint32_t)index * job->slice, to = OMEN_MIN(job->count, from + job->slice);
    size_t first = (size_t)from * job->dimensions, n = (size_t)(to - from) * job->dimensions;
    const uint8_t *v = job->stored + from * job->row_bytes;
    uint32_t bad = UINT32_MAX;
    if (job->wide != NULL) omen_f16_narrow_all(job->wide + first, n, job->narrow + first);
    if (job->norms == NULL && omen_element_finite(job->element, v, n)) return;
    for (uint32_t i = from; i < to && bad == UINT32_MAX; i++, v += job->row_bytes) {
        if (!omen_element_finite(job->element, v, job->dimensions)) bad = i;
        else if (job->norms != NULL && (job->norms[i] = omen_element_norm(job->element, v, job->dimensions)) == 0.0f) bad = i;
    }
    uint32_t seen = atomic_load(&job->first_bad);
    while (bad < seen && !atomic_compare_exchange_weak(&job->first_bad, &seen, bad)) {
    }
}

/* Says what is wrong with row `bad`. */
static omen_status refuse_vector(const omen_rows *r, const vector_job *job, const omen_vector_field *field, uint32_t bad, omen_error *err) {
    char id[80];
    int n = (int)field->name.len;
    const uint8_t *v = job->stored + bad * job->row_bytes;
    omen_key_print(omen_rows_key(r, bad), id, sizeof id);
    if (omen_element_finite(job->element, v, job->dimensions))
        return omen_fail(err, OMEN_ERR_ZERO_VECTOR,
                         "vector \"%.*s\" of record %s has no direction (its length is zero, too small or too large); cosine needs one, or use metric l2 or ip", n,
                         field->name.data, id);
    uint32_t d = 0;
    while (omen_element_finite(job->element, v + d * (job->row_bytes / job->dimensions), 1)) d++;
    float given = job->wide == NULL ? 0.0f : job->wide[(size_t)bad * job->dimensions + d];
    if (job->wide != NULL && given - given == 0.0f)
        return omen_fail(err, OMEN_ERR_NOT_FINITE,
                         "vector \"%.*s\" of record %s exceeds 65,504, the largest f16 number, at dimension %u; scale the data, or use a field of f32", n,
                         field->name.data, id, d);
    return omen_fail(err, OMEN_ERR_NOT_FINITE, "vector \"%.*s\" of record %s is NaN or infinite at dimension %u; clean the data before writing it (beyond 3.4e38 a number is infinite as a 32-bit float)", n,
                     field->name.data, id, d);
}

static omen_status check_field(omen_rows *r, omen_mem *m, omen_arena *a, const omen_vector_field *field, uint32_t f, omen_error *err) {
    vector_job job = {.stored = r->vectors[f],
                      .row_bytes = omen_element_bytes(field->element, field->dimensions),
                      .element = field->element,
                      .dimensions = field->dimensions,
                      .count = r->count,
                      .slice = r->count};
    bool wide = (r->wide >> f & 1u) != 0;
    uint64_t bytes = (uint64_t)r->count * (wide ? omen_element_given_bytes(field->element, field->dimensions) : job.row_bytes);
    if (bytes > MAX_BATCH_BYTES) return omen_fail(err, OMEN_ERR_TOO_LARGE, "the batch has more than 512 MiB of vectors; split it");
    if (wide) {
        job.wide = r->vectors[f];
        job.narrow = omen_arena_alloc(a, r->count * job.row_bytes, 64);
        if (job.narrow == NULL) return out_of_memory(err);
        job.stored = (const uint8_t *)job.narrow;
    }
    if (field->metric == OMEN_METRIC_COSINE) {
        job.norms = omen_arena_alloc(a, (size_t)r->count * sizeof(float), 64);
        if (job.norms == NULL) return out_of_memory(err);
        r->norms[f] = job.norms;
    }
    atomic_init(&job.first_bad, UINT32_MAX);
    if (bytes >= PARALLEL_BYTES && m->host->parallel_for != NULL && m->host->threads > 1) {
        job.slice = (r->count + m->host->threads - 1) / m->host->threads;
        m->host->parallel_for(m->host->ctx, (r->count + job.slice - 1) / job.slice, check_slice, &job);
    } else {
        check_slice(&job, 0);
    }
    uint32_t bad = atomic_load(&job.first_bad);
    if (bad != UINT32_MAX) return refuse_vector(r, &job, field, bad, err);
    r->vectors[f] = job.stored;
    r->wide &= ~(1u << f);
    return OMEN_OK;
}

static omen_status check_documents(const omen_rows *r, omen_mem *m, omen_error *err) {
    if (r->doc_offsets == NULL) return OMEN_OK;
    for (uint32_t i = 0; i < r->count; i++) {
        omen_str doc = omen_rows_doc(r, i);
        if (doc.len == 0) continue;
        char id[80];
        if (doc.len > OMEN_MAX_DOCUMENT)
            return omen_fail(err, OMEN_ERR_TOO_LARGE, "the document of record %s has %zu bytes; at most %u are allowed",
                             omen_key_print(omen_rows_key(r, i), id, sizeof id), doc.len, OMEN_MAX_DOCUMENT);
        omen_error detail = {0};
        omen_status st = omen_json_check(m, doc, true, &detail);
        if (st != OMEN_OK) return omen_fail(err, st, "the document of record %s: %s", omen_key_print(omen_rows_key(r, i), id, sizeof id), detail.text);
    }
    return OMEN_OK;
}

omen_status omen_rows_check(omen_rows *r, omen_mem *m, omen_arena *a, const omen_schema *s, bool partial, omen_error *err) {
    OMEN_TRY(omen_rows_check_ids(r, m, a, false, err));
    for (uint32_t f = 0; f < s->vector_count && r->count != 0; f++) {
        const omen_vector_field *field = &s->vectors[f];
        if (r->vectors[f] != NULL) OMEN_TRY(check_field(r, m, a, field, f, err));
        else if (!partial)
            return omen_fail(err, OMEN_ERR_DIMENSION, "vector \"%.*s\" is missing; every record needs one of %u dimensions", (int)field->name.len,
                             field->name.data, field->dimensions);
    }
    return check_documents(r, m, err);
}

/* ---- log frames ---- */

/* A column of a frame: bytes, then zeros up to a multiple of 8. */
static const uint8_t zeros[8];
typedef struct parts {
    omen_span span[8 + 2 * OMEN_MAX_VECTOR_FIELDS];
    size_t count;
} parts;

static void add(parts *p, const void *data, size_t len) {
    p->span[p->count++] = (omen_span){data, len};
    if (len % 8 != 0) p->span[p->count++] = (omen_span){zeros, 8 - len % 8};
}

static uint64_t row_bytes(const omen_rows *r, uint32_t kind, const omen_schema *s, uint32_t i) {
    uint64_t n = 8u + r->key_offsets[i + 1] - r->key_offsets[i];
    if (kind == OMEN_ROWS_DELETE) return n;
    for (uint32_t f = 0; f < s->vector_count; f++) n += omen_element_bytes(s->vectors[f].element, s->vectors[f].dimensions);
    return n + omen_rows_doc(r, i).len;
}

/* Offsets of rows [from, to) counted from `from`. */
static void rebase(uint32_t *into, const uint32_t *offsets, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i <= to; i++) into[i - from] = offsets[i] - offsets[from];
}

static omen_status append_frame(const omen_rows *r, omen_log *log, uint32_t collection, uint32_t kind, const omen_schema *s, uint32_t from,
                                uint32_t to, uint32_t *offsets, uint64_t first_lsn, uint64_t durable_lsn, omen_error *err) {
    uint32_t n = to - from, *key_offsets = offsets, *doc_offsets = offsets + r->count + 1;
    uint32_t fields = kind == OMEN_ROWS_PUT && s->vector_count != 0 ? UINT32_MAX >> (32 - s->vector_count) : 0;
    uint32_t head[4] = {collection, kind, n, fields};
    parts p = {.count = 0};
    add(&p, head, sizeof head);
    rebase(key_offsets, r->key_offsets, from, to);
    add(&p, key_offsets, ((size_t)n + 1) * 4);
    add(&p, r->key_bytes + r->key_offsets[from], r->key_offsets[to] - r->key_offsets[from]);
    if (kind == OMEN_ROWS_PUT) {
        for (uint32_t f = 0; f < s->vector_count; f++) {
            size_t row = omen_element_bytes(s->vectors[f].element, s->vectors[f].dimensions);
            add(&p, (const uint8_t *)r->vectors[f] + from * row, n * row);
        }
        if (r->doc_offsets != NULL) rebase(doc_offsets, r->doc_offsets, from, to);
        else memset(doc_offsets, 0, ((size_t)n + 1) * 4);
        add(&p, doc_offsets, ((size_t)n + 1) * 4);
        if (r->doc_offsets != NULL) add(&p, r->doc_bytes + r->doc_offsets[from], r->doc_offsets[to] - r->doc_offsets[from]);
    }
    return omen_log_append(log, OMEN_FRAME_RECORDS, to == r->count, first_lsn + from, n, durable_lsn, p.span, p.count, err);
}

omen_status omen_rows_append(const omen_rows *r, omen_log *log, uint32_t collection, uint32_t kind, const omen_schema *s, uint64_t first_lsn,
                             uint64_t durable_lsn, omen_error *err) {
    omen_arena arena;
    omen_arena_init(&arena, omen_log_mem(log), 4096);
    uint32_t *offsets = omen_arena_alloc(&arena, 2 * ((size_t)r->count + 1) * sizeof *offsets, 8);
    omen_status st = offsets == NULL ? out_of_memory(err) : OMEN_OK;
    for (uint32_t from = 0, to; st == OMEN_OK && from < r->count; from = to) {
        uint64_t bytes = 0;
        for (to = from; to < r->count && (to == from || bytes + row_bytes(r, kind, s, to) <= FRAME_TARGET); to++) bytes += row_bytes(r, kind, s, to);
        st = append_frame(r, log, collection, kind, s, from, to, offsets, first_lsn, durable_lsn, err);
    }
    omen_arena_deinit(&arena);
    return st;
}

omen_status omen_rows_peek(const uint8_t *payload, size_t len, uint32_t *collection, uint32_t *kind, omen_error *err) {
    if (len < 16) return omen_fail(err, OMEN_ERR_CORRUPT, "a log frame of records is cut short");
    *collection = omen_get32(payload);
    *kind = omen_get32(payload + 4);
    if (*kind != OMEN_ROWS_PUT && *kind != OMEN_ROWS_DELETE) return omen_fail(err, OMEN_ERR_CORRUPT, "a log frame of records has an unknown kind");
    return OMEN_OK;
}

typedef struct cursor {
    const uint8_t *data;
    size_t len, at;
} cursor;

/* The next column of n bytes, or NULL. */
static const void *take(cursor *c, uint64_t n) {
    uint64_t padded = omen_round_up(n, 8);
    if (padded > c->len - c->at) return NULL;
    const void *p = c->data + c->at;
    c->at += (size_t)padded;
    return p;
}

/* Offsets and the bytes they cut up. */
static bool take_strings(cursor *c, uint32_t count, const uint32_t **offsets, const void **bytes) {
    const uint32_t *o = take(c, ((uint64_t)count + 1) * 4);
    if (o == NULL || o[0] != 0) return false;
    for (uint32_t i = 0; i < count; i++)
        if (o[i + 1] < o[i]) return false;
    *offsets = o;
    *bytes = take(c, o[count]);
    return *bytes != NULL;
}

omen_status omen_rows_decode(omen_rows *r, omen_mem *m, omen_arena *a, const omen_schema *s, const uint8_t *payload, size_t len, omen_error *err) {
    uint32_t collection = 0, kind = 0;
    OMEN_TRY(omen_rows_peek(payload, len, &collection, &kind, err));
    *r = (omen_rows){.count = omen_get32(payload + 8)};
    cursor c = {payload, len, 16};
    const void *bytes;
    bool good = r->count != 0 && r->count <= OMEN_MAX_BATCH && take_strings(&c, r->count, &r->key_offsets, &bytes);
    if (good) r->key_bytes = bytes;
    if (good && kind == OMEN_ROWS_PUT) {
        for (uint32_t f = 0; good && f < s->vector_count; f++) {
            r->vectors[f] = take(&c, (uint64_t)r->count * omen_element_bytes(s->vectors[f].element, s->vectors[f].dimensions));
            good = r->vectors[f] != NULL;
        }
        good = good && take_strings(&c, r->count, &r->doc_offsets, &bytes);
        if (good) r->doc_bytes = bytes;
    }
    if (!good || c.at != len) return omen_fail(err, OMEN_ERR_CORRUPT, "a log frame of records is malformed");
    /* An id twice in one delete is fine; in a put it would have been refused. Documents were checked when they were written, and the frame's
     * checksum has vouched for them since. */
    omen_error detail = {0};
    omen_status st = omen_rows_check_ids(r, m, a, true, &detail);
    for (uint32_t f = 0; st == OMEN_OK && kind == OMEN_ROWS_PUT && f < s->vector_count; f++) st = check_field(r, m, a, &s->vectors[f], f, &detail);
    if (st == OMEN_OK || st == OMEN_ERR_MEMORY) return omen_fail(err, st, "%s", detail.text);
    return omen_fail(err, OMEN_ERR_CORRUPT, "a log frame of records is malformed: %s", detail.text);
}
