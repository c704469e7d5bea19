/* Every element with every metric it has, against a naive oracle: what comes back, in which order, and how far to the bit. All ten fields lie
 * in one collection, over a storage that stalls, through flushes, merges, reopenings and updates that leave vectors as they are. */
#include "test.h"

#include "fault_host.h"
#include "omendb.h"

enum { IDS = 24, FIELDS = 10, MAX_DIMS = 96 };

static const struct { const char *name; omen_element element; omen_metric metric; } kinds[FIELDS] = {
    {"f32-l2", OMEN_ELEMENT_F32, OMEN_METRIC_L2},         {"f32-ip", OMEN_ELEMENT_F32, OMEN_METRIC_IP},
    {"f32-cosine", OMEN_ELEMENT_F32, OMEN_METRIC_COSINE}, {"f16-l2", OMEN_ELEMENT_F16, OMEN_METRIC_L2},
    {"f16-ip", OMEN_ELEMENT_F16, OMEN_METRIC_IP},         {"f16-cosine", OMEN_ELEMENT_F16, OMEN_METRIC_COSINE},
    {"i8-l2", OMEN_ELEMENT_I8, OMEN_METRIC_L2},           {"i8-ip", OMEN_ELEMENT_I8, OMEN_METRIC_IP},
    {"i8-cosine", OMEN_ELEMENT_I8, OMEN_METRIC_COSINE},   {"bits", OMEN_ELEMENT_BIT, OMEN_METRIC_HAMMING},
};

/* ---- the oracle ---- */

/* One vector as a caller holds it. */
typedef union cell {
    float f[MAX_DIMS];
    int8_t i[MAX_DIMS];
    uint8_t b[MAX_DIMS / 8];
} cell;

static size_t bytes_of(omen_element e, uint32_t dims) { return e == OMEN_ELEMENT_I8 ? dims : e == OMEN_ELEMENT_BIT ? dims / 8 : dims * 4; }

/* The nearest binary16, as a float: a multiple of the step its size has, found by the rounding of doubles. */
static float halved(float f) {
    double x = f, size = x < 0 ? -x : x, step = 1.0 / 16777216;
    while (size >= step * 2048) step *= 2;
    const double pull = 6755399441055744.0; /* 1.5 * 2^52 */
    float near = (float)((x / step + pull - pull) * step);
    return near == 0.0f && x < 0 ? -0.0f : near;
}

static float tree(float *lane) {
    for (int half = 16; half != 0; half /= 2)
        for (int j = 0; j < half; j++) lane[j] += lane[j + half];
    return lane[0];
}

static float float_dot(const float *a, const float *b, uint32_t dims) {
    float lane[32] = {0};
    for (uint32_t d = 0; d < dims; d++) {
        float p = a[d] * b[d];
        lane[d % 32] += p;
    }
    return tree(lane);
}

static float float_l2(const float *a, const float *b, uint32_t dims) {
    float lane[32] = {0};
    for (uint32_t d = 0; d < dims; d++) {
        float t = a[d] - b[d], p = t * t;
        lane[d % 32] += p;
    }
    return tree(lane);
}

static int64_t int_dot(const int8_t *a, const int8_t *b, uint32_t dims) {
    int64_t n = 0;
    for (uint32_t d = 0; d < dims; d++) n += (int64_t)a[d] * b[d];
    return n;
}

static float dot_of(omen_element e, const cell *a, const cell *b, uint32_t dims) {
    return e == OMEN_ELEMENT_I8 ? (float)int_dot(a->i, b->i, dims) : float_dot(a->f, b->f, dims);
}

static float root(float f) { return __builtin_sqrtf(f); }

typedef struct hit { int64_t id; float rank, distance, score; } hit;

/* `row` is what is stored. Hits are in order of `rank`, which for l2 is finer than the distance: two squares may have one root. */
static hit oracle_hit(int kind, const cell *q, const cell *row, uint32_t dims) {
    omen_element e = kinds[kind].element;
    hit h = {0};
    switch (kinds[kind].metric) {
        case OMEN_METRIC_L2:
            h.rank = e == OMEN_ELEMENT_I8 ? (float)(int_dot(q->i, q->i, dims) - 2 * int_dot(q->i, row->i, dims) + int_dot(row->i, row->i, dims))
                                          : float_l2(q->f, row->f, dims);
            h.distance = root(h.rank);
            h.score = 1.0f / (1.0f + h.distance);
            return h;
        case OMEN_METRIC_IP:
            h.rank = h.distance = 0.0f - dot_of(e, q, row, dims);
            h.score = 0.0f - h.distance;
            return h;
        case OMEN_METRIC_COSINE:
            h.rank = 1.0f - dot_of(e, q, row, dims) / (root(dot_of(e, q, q, dims)) * root(dot_of(e, row, row, dims)));
            h.rank = h.distance = h.rank < 0 ? 0 : h.rank > 2 ? 2 : h.rank;
            h.score = 1.0f - h.distance;
            return h;
        default: break;
    }
    uint32_t bits = 0;
    for (uint32_t i = 0; i < dims; i++) bits += (uint32_t)((q->b[i / 8] >> i % 8 & 1) != (row->b[i / 8] >> i % 8 & 1));
    h.rank = h.distance = (float)bits;
    h.score = 1.0f - (float)bits / (float)dims;
    return h;
}

/* ---- the model ---- */

typedef struct model {
    uint32_t dims[FIELDS];
    bool there[IDS];
    cell row[IDS][FIELDS]; /* as stored: f16 rounded */
} model;

/* A random vector with a direction. Few different numbers now and then, so that there are ties. */
static void make(int kind, uint32_t dims, cell *out) {
    uint64_t style = test_rand_below(3);
    for (uint32_t d = 0; d < dims; d++) {
        switch (kinds[kind].element) {
            case OMEN_ELEMENT_I8: out->i[d] = (int8_t)(style == 0 ? (int)test_rand_below(3) - 1 : (int)test_rand_below(256) - 128); break;
            case OMEN_ELEMENT_BIT: out->b[d / 8] = style == 0 ? (uint8_t)(1u << test_rand_below(8)) : (uint8_t)test_rand(); break;
            case OMEN_ELEMENT_F16: out->f[d] = test_rand_float() * (style == 0 ? 60000.0f : style == 1 ? 1.0f : 0.0001f); break;
            default: out->f[d] = style == 0 ? (float)test_rand_below(2) : test_rand_float();
        }
    }
    if (kinds[kind].element == OMEN_ELEMENT_I8) out->i[0] = 1;
    else if (kinds[kind].element != OMEN_ELEMENT_BIT) out->f[0] = 1.0f;
}

static void keep(int kind, uint32_t dims, const cell *given, cell *stored) {
    *stored = *given;
    for (uint32_t d = 0; kinds[kind].element == OMEN_ELEMENT_F16 && d < dims; d++) stored->f[d] = halved(given->f[d]);
}

static void write_some(omen_collection *c, model *m, omen_write_mode mode) {
    enum { MOST = 6 };
    static uint8_t columns[FIELDS][MOST * MAX_DIMS * 4];
    static cell given[MOST][FIELDS];
    omen_id ids[MOST];
    const void *vectors[FIELDS];
    size_t n = 1 + test_rand_below(MOST), first = test_rand_below(IDS);
    bool fine = true;
    for (size_t k = 0; k < n; k++) {
        size_t i = (first + k * 5) % IDS;
        ids[k] = OMEN_ID_INT((int64_t)i);
        if (mode == OMEN_WRITE_UPDATE && !m->there[i]) fine = false;
    }
    for (int f = 0; f < FIELDS; f++) {
        size_t size = bytes_of(kinds[f].element, m->dims[f]);
        vectors[f] = mode == OMEN_WRITE_UPDATE && test_rand_below(2) == 0 ? NULL : columns[f];
        for (size_t k = 0; k < n; k++) {
            make(f, m->dims[f], &given[k][f]);
            memcpy(columns[f] + k * size, &given[k][f], size);
        }
    }
    CHECK_STATUS(omen_write(c, mode, &(omen_batch){.count = n, .ids = ids, .vectors = vectors}), fine ? OMEN_OK : OMEN_ERR_NOT_FOUND);
    for (size_t k = 0; k < n && fine; k++) {
        size_t i = (first + k * 5) % IDS;
        m->there[i] = true;
        for (int f = 0; f < FIELDS; f++)
            if (vectors[f] != NULL) keep(f, m->dims[f], &given[k][f], &m->row[i][f]);
    }
}

static void erase_one(omen_collection *c, model *m) {
    size_t i = test_rand_below(IDS);
    CHECK_OK(omen_delete(c, &OMEN_ID_INT((int64_t)i), 1, NULL));
    m->there[i] = false;
}

static void check_get(omen_collection *c, const model *m) {
    omen_results *r = NULL;
    omen_id ids[IDS];
    for (int i = 0; i < IDS; i++) ids[i] = OMEN_ID_INT(i);
    CHECK_OK(omen_get(c, ids, IDS, OMEN_INCLUDE_VECTOR, &r));
    REQUIRE(r != NULL);
    for (size_t i = 0; i < IDS; i++) {
        CHECK_EQ_INT(omen_results_found(r, i), m->there[i]);
        for (int f = 0; f < FIELDS && m->there[i]; f++) CHECK_MEM(omen_results_vector(r, i, (uint32_t)f), &m->row[i][f], bytes_of(kinds[f].element, m->dims[f]));
    }
    CHECK(omen_results_vector(r, 0, FIELDS) == NULL);
    CHECK(omen_results_vector(r, IDS, 0) == NULL);
    omen_results_free(r);
    CHECK_OK(omen_scroll(c, NULL, IDS, OMEN_INCLUDE_VECTOR, &r));
    REQUIRE(r != NULL);
    for (size_t n = 0; n < omen_results_count(r); n++) {
        int64_t i = omen_results_id(r, n).number;
        for (int f = 0; f < FIELDS; f++) CHECK_MEM(omen_results_vector(r, n, (uint32_t)f), &m->row[i][f], bytes_of(kinds[f].element, m->dims[f]));
    }
    omen_results_free(r);
}

static size_t oracle_hits(const model *m, int f, const cell *q, hit *hits) {
    size_t n = 0;
    for (int64_t i = 0; i < IDS; i++) {
        if (!m->there[i]) continue;
        hit h = oracle_hit(f, q, &m->row[i][f], m->dims[f]);
        size_t at = n++;
        h.id = i;
        for (; at != 0 && hits[at - 1].rank > h.rank; at--) hits[at] = hits[at - 1];
        hits[at] = h;
    }
    return n;
}

static void check_search(omen_collection *c, const model *m, int f) {
    hit hits[IDS];
    cell q;
    omen_query query;
    omen_results *r = NULL;
    make(f, m->dims[f], &q);
    omen_query_init(&query);
    query.field = (omen_str){kinds[f].name, strlen(kinds[f].name)};
    query.vector = &q;
    query.dimensions = m->dims[f];
    query.k = 1 + (uint32_t)test_rand_below(IDS + 3);
    query.include = OMEN_INCLUDE_VECTOR;
    query.exact = 1;
    CHECK_OK(omen_search(c, &query, &r));
    REQUIRE(r != NULL);
    size_t n = oracle_hits(m, f, &q, hits);
    if (n > query.k) n = query.k;
    CHECK_EQ_UINT(omen_results_count(r), n);
    for (size_t i = 0; i < omen_results_count(r); i++) {
        CHECK_EQ_INT(omen_results_id(r, i).number, hits[i].id);
        CHECK_BITS(omen_results_distance(r, i), hits[i].distance);
        CHECK_BITS(omen_results_score(r, i), hits[i].score);
        CHECK_MEM(omen_results_vector(r, i, 0), &m->row[hits[i].id][f], bytes_of(kinds[f].element, m->dims[f]));
    }
    omen_results_free(r);
}

static omen_db *open_db(fault_host *h) {
    omen_options o;
    omen_db *db = NULL;
    omen_options_init(&o);
    o.host = &h->host;
    o.memtable_bytes = 16384;
    o.pool_bytes = 1 << 20;
    CHECK_OK(omen_open("db", &o, &db));
    return db;
}

static omen_collection *open_fields(omen_db *db, const model *m) {
    omen_vector_field fields[FIELDS];
    omen_schema s;
    omen_collection *c = NULL;
    omen_schema_init(&s);
    s.vector_count = FIELDS;
    s.vectors = fields;
    for (int f = 0; f < FIELDS; f++)
        fields[f] = (omen_vector_field){.name = {kinds[f].name, strlen(kinds[f].name)}, .dimensions = m->dims[f], .metric = kinds[f].metric, .element = kinds[f].element};
    CHECK_OK(omen_collection_open(db, OMEN_STR("things"), &s, &c));
    return c;
}

static void run(unsigned pending, int steps) {
    static model m;
    memset(&m, 0, sizeof m);
    for (int f = 0; f < FIELDS; f++) m.dims[f] = kinds[f].element == OMEN_ELEMENT_BIT ? 8 * (1 + (uint32_t)test_rand_below(MAX_DIMS / 8)) : 1 + (uint32_t)test_rand_below(MAX_DIMS);
    fault_host *h = fault_host_new(test_rand());
    fault_storage *fs = fault_host_image(h, "db");
    fault_storage_set_pending(fs, pending);
    omen_db *db = open_db(h);
    REQUIRE(db != NULL);
    omen_collection *c = open_fields(db, &m);
    REQUIRE(c != NULL);
    for (int step = 0; step < steps; step++) {
        switch (test_rand_below(16)) {
            case 0: CHECK_OK(omen_flush(db)); break;
            case 1:
                if (test_rand_below(3) == 0) CHECK_OK(omen_compact(db));
                break;
            case 2:
                omen_collection_close(c);
                CHECK_OK(omen_close(db));
                db = open_db(h);
                REQUIRE(db != NULL);
                c = open_fields(db, &m);
                REQUIRE(c != NULL);
                break;
            case 3:
            case 4: erase_one(c, &m); break;
            case 5:
            case 6:
            case 7:
            case 8: write_some(c, &m, OMEN_WRITE_UPDATE); break;
            default: write_some(c, &m, OMEN_WRITE_UPSERT);
        }
        check_search(c, &m, (int)test_rand_below(FIELDS));
        if (step % 7 == 0) check_get(c, &m);
    }
    for (int f = 0; f < FIELDS; f++) check_search(c, &m, f);
    check_get(c, &m);
    CHECK_OK(omen_compact(db));
    for (int f = 0; f < FIELDS; f++) check_search(c, &m, f);
    check_get(c, &m);
    CHECK_OK(omen_check(db));
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    CHECK_STORAGE(fs);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

/* With every kernel set that this machine runs; the best one stays in use. */
TEST(every_element_and_metric_matches_the_oracle) {
    static const char *const sets[] = {"scalar", "relaxed", "simd128", "neon", "avx2", "avx512"};
    unsigned tried = 0;
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        if (omen_kernels_use(sets[s]) != OMEN_OK) continue;
        tried++;
        for (int i = 0; i < 6; i++) run(0, 100);
    }
    CHECK(tried != 0);
}

TEST(every_element_and_metric_matches_the_oracle_when_the_storage_stalls) {
    for (int i = 0; i < 8; i++) run(40, 100);
}

/* ---- one field ---- */

typedef struct one { fault_host *h; omen_db *db; omen_collection *c; } one;

static unsigned slices; /* how many the host has been asked for */

static void in_turn(void *ctx, size_t n, void (*fn)(void *arg, size_t index), void *arg) {
    (void)ctx;
    slices += (unsigned)n;
    for (size_t i = n; i-- != 0;) fn(arg, i);
}

/* With parallel work, which a host may do in any order. */
static bool one_begin(one *o, omen_element e, omen_metric metric, uint32_t dims) {
    omen_vector_field field = {.name = {"", 0}, .dimensions = dims, .metric = metric, .element = e};
    omen_options options;
    omen_schema s;
    *o = (one){.h = fault_host_new(test_rand())};
    o->h->host.threads = 5;
    o->h->host.parallel_for = in_turn;
    slices = 0;
    omen_options_init(&options);
    options.host = &o->h->host;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &field;
    return CHECK_OK(omen_open("db", &options, &o->db)) && CHECK_OK(omen_collection_open(o->db, OMEN_STR("c"), &s, &o->c));
}

static void one_end(one *o) {
    omen_collection_close(o->c);
    CHECK_OK(omen_close(o->db));
    CHECK_EQ_UINT(fault_host_bytes(o->h), 0);
    fault_host_free(o->h);
}

static omen_status put(one *o, int64_t id, const void *vector) {
    const void *vectors[] = {vector};
    return omen_upsert(o->c, &(omen_batch){.count = 1, .ids = &OMEN_ID_INT(id), .vectors = vectors});
}

static omen_status ask(one *o, const void *vector, uint32_t dims, omen_results **r) {
    omen_query q;
    omen_query_init(&q);
    q.vector = vector;
    q.dimensions = dims;
    q.exact = 1;
    return omen_search(o->c, &q, r);
}

static uint64_t count_of(one *o) {
    uint64_t n = 99;
    CHECK_OK(omen_count(o->c, &n));
    return n;
}

static const float infinity_f = __builtin_inff(), nan_f = __builtin_nanf("");

TEST(f16_beyond_its_range_is_refused_with_the_place) {
    one o;
    REQUIRE(one_begin(&o, OMEN_ELEMENT_F16, OMEN_METRIC_L2, 5));
    omen_results *r = NULL;
    const struct { float bad; const char *says; } cases[] = {
        {65520.0f, "exceeds 65,504"}, {-65520.0f, "exceeds 65,504"}, {3.0e38f, "exceeds 65,504"}, {infinity_f, "NaN or infinite"}, {nan_f, "NaN or infinite"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const float v[5] = {1, 2, 3, cases[i].bad, 5};
        CHECK_STATUS(put(&o, 7, v), OMEN_ERR_NOT_FINITE);
        CHECK(strstr(omen_last_error(), cases[i].says) != NULL);
        CHECK(strstr(omen_last_error(), "record 7") != NULL);
        CHECK(strstr(omen_last_error(), "dimension 3") != NULL);
        CHECK_EQ_UINT(count_of(&o), 0);
    }
    /* What rounds to 65,504 is fine. */
    const float edge[5] = {65504.0f, 65519.0f, -65519.0f, 1e-9f, 0.1f};
    CHECK_OK(put(&o, 7, edge));
    CHECK_OK(omen_get(o.c, &OMEN_ID_INT(7), 1, OMEN_INCLUDE_VECTOR, &r));
    REQUIRE(r != NULL);
    const float want[5] = {65504.0f, 65504.0f, -65504.0f, 0.0f, 0.0999755859375f};
    CHECK_MEM(omen_results_vector(r, 0, 0), want, sizeof want);
    omen_results_free(r);
    /* A query is not rounded, and may lie beyond. */
    const float far[5] = {1e6f, 0, 0, 0, 0}, bad[5] = {0, 0, nan_f, 0, 0};
    CHECK_OK(ask(&o, far, 5, &r));
    REQUIRE(r != NULL);
    CHECK_EQ_UINT(omen_results_count(r), 1);
    omen_results_free(r);
    CHECK_STATUS(ask(&o, bad, 5, &r), OMEN_ERR_NOT_FINITE);
    CHECK(strstr(omen_last_error(), "dimension 2") != NULL);
    CHECK_STATUS(ask(&o, far, 4, &r), OMEN_ERR_DIMENSION);
    one_end(&o);
}

TEST(large_batches_are_narrowed_in_slices) {
    enum { ROWS = 9001, DIMS = 128 };
    static float rows[ROWS][DIMS], stored[DIMS];
    static omen_id ids[ROWS];
    one o;
    omen_results *r = NULL;
    const void *vectors[] = {rows};
    omen_batch all = {.count = ROWS, .ids = ids, .vectors = vectors};
    REQUIRE(one_begin(&o, OMEN_ELEMENT_F16, OMEN_METRIC_COSINE, DIMS));
    for (size_t i = 0; i < ROWS; i++) {
        ids[i] = OMEN_ID_INT((int64_t)i);
        for (size_t d = 0; d < DIMS; d++) rows[i][d] = test_rand_float();
    }
    /* Of several bad rows the first is named, whatever is wrong with it. */
    rows[8000][5] = 1e6f;
    memset(rows[4000], 0, sizeof rows[4000]);
    CHECK_STATUS(omen_upsert(o.c, &all), OMEN_ERR_ZERO_VECTOR);
    CHECK(strstr(omen_last_error(), "record 4000 ") != NULL);
    rows[4000][1] = 1;
    CHECK_STATUS(omen_upsert(o.c, &all), OMEN_ERR_NOT_FINITE);
    CHECK(strstr(omen_last_error(), "record 8000 ") != NULL && strstr(omen_last_error(), "dimension 5;") != NULL);
    rows[8000][5] = 1;
    CHECK_OK(omen_upsert(o.c, &all));
    CHECK(slices >= 15);
    for (size_t i = 0; i < ROWS; i += 97) {
        CHECK_OK(omen_get(o.c, &ids[i], 1, OMEN_INCLUDE_VECTOR, &r));
        REQUIRE(r != NULL);
        for (size_t d = 0; d < DIMS; d++) stored[d] = halved(rows[i][d]);
        CHECK_MEM(omen_results_vector(r, 0, 0), stored, sizeof stored);
        omen_results_free(r);
        CHECK_OK(ask(&o, stored, DIMS, &r));
        REQUIRE(r != NULL);
        CHECK_EQ_INT(omen_results_id(r, 0).number, (int64_t)i);
        omen_results_free(r);
    }
    one_end(&o);
}

TEST(cosine_needs_a_direction_of_what_is_stored) {
    one o;
    omen_results *r = NULL;
    const int8_t zeros[3] = {0, 0, 0}, ones[3] = {1, -1, 1}, opposite[3] = {-128, 127, -128};
    REQUIRE(one_begin(&o, OMEN_ELEMENT_I8, OMEN_METRIC_COSINE, 3));
    CHECK_STATUS(put(&o, 1, zeros), OMEN_ERR_ZERO_VECTOR);
    CHECK_OK(put(&o, 2, ones));
    CHECK_OK(put(&o, 3, opposite));
    CHECK_STATUS(ask(&o, zeros, 3, &r), OMEN_ERR_ZERO_VECTOR);
    CHECK_OK(ask(&o, ones, 3, &r));
    REQUIRE(r != NULL);
    CHECK_EQ_UINT(omen_results_count(r), 2);
    CHECK_EQ_INT(omen_results_id(r, 0).number, 2);
    CHECK(omen_results_distance(r, 0) < 1e-6f && omen_results_distance(r, 1) > 1.9999f);
    omen_results_free(r);
    one_end(&o);
    /* What is too small for f16 becomes zero, and has no direction then. */
    const float tiny[3] = {1e-9f, 0, 2e-8f}, small[3] = {6e-8f, 0, 0};
    REQUIRE(one_begin(&o, OMEN_ELEMENT_F16, OMEN_METRIC_COSINE, 3));
    CHECK_STATUS(put(&o, 1, tiny), OMEN_ERR_ZERO_VECTOR);
    CHECK_OK(put(&o, 2, small));
    CHECK_OK(ask(&o, tiny, 3, &r));
    REQUIRE(r != NULL);
    CHECK_EQ_UINT(omen_results_count(r), 1);
    omen_results_free(r);
    one_end(&o);
    /* Zeros are fine for any other metric. */
    REQUIRE(one_begin(&o, OMEN_ELEMENT_I8, OMEN_METRIC_IP, 3));
    CHECK_OK(put(&o, 1, zeros));
    CHECK_OK(ask(&o, zeros, 3, &r));
    REQUIRE(r != NULL);
    CHECK_BITS(omen_results_distance(r, 0), 0.0f);
    CHECK_BITS(omen_results_score(r, 0), 0.0f);
    omen_results_free(r);
    one_end(&o);
}

/* Squared distances up to 4.26e9 do not fit a float: rows that differ by less than its rounding are a tie, settled by id. */
TEST(the_longest_i8_vectors_are_summed_exactly_and_rounded_once) {
    static int8_t q[OMEN_MAX_DIMENSIONS], row[OMEN_MAX_DIMENSIONS];
    one o;
    omen_results *r = NULL;
    REQUIRE(one_begin(&o, OMEN_ELEMENT_I8, OMEN_METRIC_L2, OMEN_MAX_DIMENSIONS));
    memset(q, 127, sizeof q);
    memset(row, -128, sizeof row);
    CHECK_OK(put(&o, 5, row));
    row[100] = -127; /* nearer by 509 of 4,261,413,375... */
    CHECK_OK(put(&o, 3, row));
    row[100] = -128;
    for (int i = 0; i < 4; i++) row[200 + i] = -127; /* ...and by 2,036 */
    CHECK_OK(put(&o, 9, row));
    for (int pass = 0; pass < 2; pass++) {
        CHECK_OK(ask(&o, q, OMEN_MAX_DIMENSIONS, &r));
        REQUIRE(r != NULL);
        REQUIRE(omen_results_count(r) == 3);
        uint32_t far = 65025u * 65535u;
        float want[3] = {(float)(far - 2036), (float)(far - 509), (float)far};
        const int64_t ids[3] = {9, 3, 5};
        for (size_t i = 0; i < 3; i++) {
            CHECK_EQ_INT(omen_results_id(r, i).number, ids[i]);
            CHECK_BITS(omen_results_distance(r, i), root(want[i]));
        }
        omen_results_free(r);
        CHECK_OK(omen_flush(o.db));
    }
    /* 1 is not to be seen in 4.26e9. */
    memset(row, -128, sizeof row);
    q[0] = -128;
    row[0] = -127;
    CHECK_OK(put(&o, 1, row));
    CHECK_OK(ask(&o, q, OMEN_MAX_DIMENSIONS, &r));
    REQUIRE(r != NULL);
    CHECK_EQ_INT(omen_results_id(r, 2).number, 1);
    CHECK_EQ_INT(omen_results_id(r, 3).number, 5);
    CHECK_BITS(omen_results_distance(r, 2), omen_results_distance(r, 3));
    omen_results_free(r);
    one_end(&o);
}

/* A write, a search or a read in a database of one record, whose nth allocation and all after it fail. */
static omen_status starved(omen_element e, int what, uint64_t n) {
    cell v = {.i = {1, 2, 3, 4, 5, 6, 7, 8}};
    one o;
    omen_results *r = NULL;
    if (e == OMEN_ELEMENT_F16) v = (cell){.f = {1, 2, 3, 4, 5, 6, 7, 8}};
    if (!one_begin(&o, e, e == OMEN_ELEMENT_BIT ? OMEN_METRIC_HAMMING : OMEN_METRIC_COSINE, 8)) return OMEN_ERR_INTERNAL;
    CHECK_OK(put(&o, 1, &v));
    CHECK_OK(omen_flush(o.db));
    fault_host_fail_alloc_at(o.h, n, true);
    omen_status s = what == 0 ? put(&o, 2, &v) : what == 1 ? ask(&o, &v, 8, &r) : omen_get(o.c, &OMEN_ID_INT(1), 1, OMEN_INCLUDE_VECTOR, &r);
    CHECK(s == OMEN_OK || (s == OMEN_ERR_MEMORY && fault_host_fault_hit(o.h)));
    fault_host_fail_alloc_at(o.h, 0, false);
    omen_results_free(r);
    CHECK_EQ_UINT(count_of(&o), what == 0 && s == OMEN_OK ? 2 : 1);
    omen_collection_close(o.c);
    omen_status closed = omen_close(o.db);
    CHECK(closed == OMEN_OK || (what == 0 && s != OMEN_OK)); /* what the log could not take poisons the database */
    CHECK_EQ_UINT(fault_host_bytes(o.h), 0);
    fault_host_free(o.h);
    return s;
}

TEST(memory_that_runs_out_is_said) {
    static const omen_element elements[] = {OMEN_ELEMENT_F16, OMEN_ELEMENT_I8, OMEN_ELEMENT_BIT};
    for (size_t e = 0; e < sizeof elements / sizeof *elements; e++) {
        for (int what = 0; what < 3; what++) {
            uint64_t n = 1;
            while (n < 200 && starved(elements[e], what, n) != OMEN_OK) n++;
            CHECK(n > 3 && n < 200);
        }
    }
}

/* Few rows to a block and many of them, in runs that begin and end anywhere. */
TEST(many_bits_over_several_blocks) {
    enum { ROWS = 3000, DIMS = 1048, BYTES = DIMS / 8 };
    static uint8_t rows[ROWS][BYTES], q[BYTES];
    static omen_id ids[ROWS];
    one o;
    omen_results *r = NULL;
    REQUIRE(one_begin(&o, OMEN_ELEMENT_BIT, OMEN_METRIC_HAMMING, DIMS));
    for (size_t i = 0; i < ROWS; i++) {
        ids[i] = OMEN_ID_INT((int64_t)i);
        for (size_t b = 0; b < BYTES; b++) rows[i][b] = (uint8_t)test_rand();
    }
    for (size_t b = 0; b < BYTES; b++) q[b] = (uint8_t)test_rand();
    memcpy(rows[1234], q, BYTES);
    memcpy(rows[2345], q, BYTES);
    rows[2345][BYTES - 1] ^= 0x80; /* the last dimension */
    const void *vectors[] = {rows};
    CHECK_OK(omen_upsert(o.c, &(omen_batch){.count = ROWS, .ids = ids, .vectors = vectors}));
    for (int pass = 0; pass < 2; pass++) {
        CHECK_OK(ask(&o, q, DIMS, &r));
        REQUIRE(r != NULL);
        CHECK_EQ_INT(omen_results_id(r, 0).number, 1234);
        CHECK_EQ_INT(omen_results_id(r, 1).number, 2345);
        CHECK_BITS(omen_results_distance(r, 0), 0.0f);
        CHECK_BITS(omen_results_score(r, 0), 1.0f);
        CHECK_BITS(omen_results_distance(r, 1), 1.0f);
        omen_results_free(r);
        CHECK_OK(omen_flush(o.db));
    }
    CHECK_STATUS(ask(&o, q, BYTES, &r), OMEN_ERR_DIMENSION);
    one_end(&o);
}

TEST_MAIN()
