/* ivf_model.h - for tests of inverted lists: vectors of known shape as a source that pends and reads in pieces, an index built from them over a fault_storage,
 * and what the nearest rows really are. */
#ifndef OMEN_IVF_MODEL_H
#define OMEN_IVF_MODEL_H

#include <math.h>
#include <stdlib.h>

#include "index/index.h"
#include "store_fixture.h"

typedef struct model {
    fault_storage *fs;
    fixture x;
    omen_vectors source;
    uint8_t *vectors;     /* rows x bytes */
    size_t bytes;
    unsigned pending;     /* percent of reads that pend */
    bool pended;
    uint32_t last_row;
    bool disorder;        /* a read went backwards within a pass */
    omen_index_options options;
    omen_segment_info info;
    omen_index *index;
} model;

static inline omen_status model_read_vectors(void *ctx, uint32_t row, uint32_t limit, const void **vectors, uint32_t *count, omen_error *err) {
    model *m = ctx;
    (void)err;
    if (row >= m->source.rows || limit == 0) __builtin_trap();
    if (row != 0 && row < m->last_row) m->disorder = true;
    m->last_row = row;
    if (!m->pended && test_rand_below(100) < m->pending) {
        m->pended = true;
        return OMEN_PENDING;
    }
    m->pended = false;
    uint32_t there = m->source.rows - row, some = 1 + (uint32_t)test_rand_below(97);
    *count = limit < some ? limit : some;
    if (*count > there) *count = there;
    *vectors = m->vectors + row * m->bytes;
    return OMEN_OK;
}

/* A model of `rows` zero vectors; fill them in through model_floats. */
static inline void model_init(model *m, uint32_t rows, uint32_t dimensions, omen_metric metric) {
    memset(m, 0, sizeof *m);
    bool bits = metric == OMEN_METRIC_HAMMING;
    m->fs = fault_storage_new(test_rand());
    fixture_init(&m->x, m->fs, 7, 8 << 20);
    m->source = (omen_vectors){.ctx = m, .rows = rows, .dimensions = dimensions, .metric = metric, .element = bits ? OMEN_ELEMENT_BIT : OMEN_ELEMENT_F32, .read = model_read_vectors};
    m->bytes = bits ? dimensions / 8 : dimensions * sizeof(float);
    m->vectors = calloc(rows, m->bytes);
    m->options = (omen_index_options){.kind = OMEN_INDEX_IVF};
}

static inline float *model_floats(model *m, uint32_t row) { return (float *)(void *)(m->vectors + row * m->bytes); }

static inline omen_status model_build(model *m, omen_error *err) {
    omen_index_build *b = NULL;
    bool done = false;
    m->last_row = 0;
    omen_status s = omen_index_build_new(&m->x.store, 5, &m->options, &m->source, &b, err);
    uint32_t progress = 0;
    while ((s == OMEN_OK || s == OMEN_PENDING) && !done) {
        s = omen_index_build_step(b, &m->info, &done, err);
        uint32_t now = omen_index_build_progress(b);
        if (now < progress || now > 1000) s = OMEN_ERR_INTERNAL;
        progress = now;
    }
    omen_index_build_free(b);
    return s;
}

static inline omen_status model_open_index(model *m, omen_error *err) {
    omen_status s;
    m->index = NULL;
    STEP(s, omen_index_open(&m->x.store, &m->info, m->source.rows, m->source.dimensions, m->source.metric, m->source.element, &m->index, err));
    return s;
}

static inline omen_status model_check(model *m, omen_error *err) {
    omen_index_check *place = NULL;
    omen_status s;
    STEP(s, omen_index_verify(m->index, &place, err));
    return s;
}

/* Answers the bytes that were not freed, or that still count as held by indexes. */
static inline uint64_t model_deinit(model *m) {
    omen_index_unref(m->index);
    uint64_t held = atomic_load(&m->x.store.resident.used) + atomic_load(&m->x.store.resident.indexes), left = fixture_deinit(&m->x) + held;
    fault_storage_free(m->fs);
    free(m->vectors);
    return left;
}

/* Smaller is nearer. */
static inline double model_distance(const model *m, const void *query, uint32_t row) {
    if (m->source.metric == OMEN_METRIC_HAMMING) {
        const uint8_t *a = query, *b = m->vectors + row * m->bytes;
        unsigned n = 0;
        for (size_t i = 0; i < m->bytes; i++) n += (unsigned)__builtin_popcount(a[i] ^ b[i]);
        return n;
    }
    const float *a = query, *b = (const float *)(const void *)(m->vectors + row * m->bytes);
    double dot = 0, square = 0, norm = 0;
    for (uint32_t i = 0; i < m->source.dimensions; i++) {
        dot += (double)a[i] * b[i];
        square += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        norm += (double)b[i] * b[i];
    }
    if (m->source.metric == OMEN_METRIC_L2) return square;
    return m->source.metric == OMEN_METRIC_IP || norm == 0 ? -dot : -dot / sqrt(norm);
}

typedef struct model_near { double distance; uint32_t row; } model_near;

static inline int model_order(const void *a, const void *b) {
    const model_near *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* The k nearest of some rows (NULL: all) into out; answers how many there are. */
static inline uint32_t model_nearest(const model *m, const void *query, const omen_index_hit *hits, uint32_t count, uint32_t k, model_near *out) {
    if (hits == NULL) count = m->source.rows;
    model_near *all = malloc((count + 1) * sizeof *all);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = hits == NULL ? i : hits[i].row;
        all[i] = (model_near){model_distance(m, query, row), row};
    }
    qsort(all, count, sizeof *all, model_order);
    if (k > count) k = count;
    memcpy(out, all, k * sizeof *all);
    free(all);
    return k;
}

/* Gaussian-like points around `clusters` centres, in `lead` directions at most; BIT: bits that lean to one side or the other. */
static inline void model_fill(model *m, uint32_t clusters, uint32_t lead, float spread) {
    uint32_t d = m->source.dimensions;
    if (m->source.metric == OMEN_METRIC_HAMMING) {
        uint8_t *centres = malloc(clusters * m->bytes);
        for (size_t i = 0; i < clusters * m->bytes; i++) centres[i] = (uint8_t)test_rand();
        for (uint32_t r = 0; r < m->source.rows; r++)
            for (size_t i = 0; i < m->bytes; i++) m->vectors[r * m->bytes + i] = centres[(r % clusters) * m->bytes + i] ^ (uint8_t)(test_rand() & test_rand() & test_rand());
        free(centres);
        return;
    }
    float *centres = malloc(clusters * lead * sizeof *centres), *turn = malloc((size_t)lead * d * sizeof *turn);
    for (uint32_t i = 0; i < clusters * lead; i++) centres[i] = test_rand_float();
    for (uint32_t i = 0; i < lead * d; i++) turn[i] = test_rand_float();
    for (uint32_t r = 0; r < m->source.rows; r++) {
        float *x = model_floats(m, r);
        uint32_t c = (uint32_t)test_rand_below(clusters);
        for (uint32_t i = 0; i < d; i++) x[i] = 0.3f + (lead == d ? centres[c * lead + i] + spread * (test_rand_float() + test_rand_float()) : 0.01f * test_rand_float());
        for (uint32_t j = 0; j < lead && lead != d; j++) {
            float v = centres[c * lead + j] + spread * (test_rand_float() + test_rand_float());
            for (uint32_t i = 0; i < d; i++) x[i] += v * turn[j * d + i];
        }
    }
    free(centres);
    free(turn);
}

/* Fills the model at first (*vectors NULL), and from *vectors, which is the caller's to free, afterwards. */
static inline void model_fill_once(model *m, uint8_t **vectors, uint32_t clusters, uint32_t lead) {
    if (*vectors == NULL) {
        model_fill(m, clusters, lead, 0.5f);
        *vectors = malloc(m->source.rows * m->bytes);
        memcpy(*vectors, m->vectors, m->source.rows * m->bytes);
    }
    memcpy(m->vectors, *vectors, m->source.rows * m->bytes);
}

/* A filter: rows whose remainder by `each` is `rest`. */
static inline omen_bits *model_every(model *m, uint32_t each, uint32_t rest) {
    omen_bits *b = omen_bits_new(&m->x.mem, m->source.rows);
    for (uint32_t r = rest; r < m->source.rows; r += each) omen_bits_set(b, r);
    return b;
}

/* One search to its end; hits are the caller's to free. */
static inline omen_status model_search(model *m, const omen_index_query *q, omen_index_hit **hits, uint32_t *count, omen_index_work *work) {
    omen_index_search *s;
    omen_status status = omen_index_search_begin(m->index, q, &s, NULL);
    *hits = NULL;
    *count = 0;
    if (status != OMEN_OK) return status;
    STEP(status, omen_index_search_step(s, NULL));
    if (status == OMEN_OK) {
        const omen_index_hit *own = omen_index_search_hits(s, count, work);
        *hits = malloc((*count + 1) * sizeof **hits);
        if (*count != 0) memcpy(*hits, own, *count * sizeof **hits);
    }
    omen_index_search_end(s);
    return status;
}

#endif
