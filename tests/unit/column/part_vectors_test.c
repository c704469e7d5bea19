/* A part's vectors of every element: stored in their own form, in blocks of whole rows, and read back in order as floats. */
#include "test.h"

#include "column/element.h"
#include "column/part_vectors.h"
#include "store/pool.h"
#include "store_fixture.h"

enum { FIELDS = 6, SMALL = 5 /* without the one whose vectors fill a block each */ };

/* Rows are a function of their number, so that nothing must be kept. */
static uint64_t mix(uint64_t n) {
    n = (n ^ n >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    n = (n ^ n >> 27) * UINT64_C(0x94D049BB133111EB);
    return n ^ n >> 31;
}

static const omen_part_field fields[FIELDS] = {{37, OMEN_METRIC_COSINE, OMEN_ELEMENT_F32},  {129, OMEN_METRIC_COSINE, OMEN_ELEMENT_F16}, {77, OMEN_METRIC_COSINE, OMEN_ELEMENT_I8},
                                               {104, OMEN_METRIC_HAMMING, OMEN_ELEMENT_BIT}, {1, OMEN_METRIC_L2, OMEN_ELEMENT_F16},        {40000, OMEN_METRIC_L2, OMEN_ELEMENT_F16}};

typedef struct rows { uint32_t count; uint8_t key[9]; uint8_t vector[1 << 18]; } rows;

static omen_status key_of(void *ctx, uint32_t row, omen_key *out, omen_error *err) {
    rows *r = ctx;
    return omen_key_encode(&OMEN_ID_INT(row), r->key, out, err);
}

static omen_status doc_of(void *ctx, uint32_t row, omen_str *out, omen_error *err) {
    (void)ctx, (void)row, (void)err;
    *out = OMEN_STR("");
    return OMEN_OK;
}

static void make(uint32_t row, uint32_t field, uint8_t *into) {
    const omen_part_field *f = &fields[field];
    for (uint32_t d = 0; d < f->dimensions; d++) {
        uint64_t n = mix((uint64_t)row << 32 | field << 20 | d);
        float value = (float)(int)(n % 2001 - 1000) / 64.0f;
        uint16_t half = omen_f16_narrow(value);
        if (f->element == OMEN_ELEMENT_F32) memcpy(into + 4 * d, &value, 4);
        else if (f->element == OMEN_ELEMENT_F16) memcpy(into + 2 * d, &half, 2);
        else if (f->element == OMEN_ELEMENT_I8) into[d] = (uint8_t)n;
        else if (d % 8 == 0) into[d / 8] = (uint8_t)n;
    }
}

static omen_status vector_of(void *ctx, uint32_t row, uint32_t field, const void **out, omen_error *err) {
    rows *r = ctx;
    (void)err;
    make(row, field, r->vector);
    *out = r->vector;
    return OMEN_OK;
}

static omen_status norm_of(void *ctx, uint32_t row, uint32_t field, float *out, omen_error *err) {
    rows *r = ctx;
    (void)err;
    make(row, field, r->vector);
    *out = omen_element_norm(fields[field].element, r->vector, fields[field].dimensions);
    return OMEN_OK;
}

static omen_part *write_part(fixture *x, rows *r, uint32_t field_count, omen_segment_info *info) {
    omen_row_source source = {r, r->count, key_of, doc_of, vector_of, norm_of, NULL};
    omen_part_writer *w;
    omen_part *p = NULL;
    omen_error err = {0};
    bool done = false;
    omen_status s = omen_part_writer_new(&x->store, 1, fields, field_count, &source, NULL, 0, &w, &err);
    while ((s == OMEN_OK || s == OMEN_PENDING) && !done) s = omen_part_writer_step(w, info, &done, &err);
    omen_part_writer_free(w);
    if (!CHECK_OK(s)) return NULL;
    STEP(s, omen_part_open(&x->store, info, fields, field_count, &p, &err));
    CHECK_OK(s);
    return p;
}

static void expect_row(uint32_t row, uint32_t field, const void *got) {
    static uint8_t stored[1 << 18], want[1 << 18];
    const omen_part_field *f = &fields[field];
    make(row, field, stored);
    size_t len = (size_t)f->dimensions * 4;
    if (f->element == OMEN_ELEMENT_BIT) {
        memcpy(want, stored, len = f->dimensions / 8);
    } else {
        omen_element_widen(f->element, f->dimensions, stored, 1, (float *)(void *)want);
    }
    CHECK_MEM(got, want, len);
}

/* All rows in order, asked for in pieces of any size; then some at random. */
static void read_field(omen_part *p, uint32_t field) {
    omen_part_vectors v;
    const void *at;
    uint32_t n;
    omen_status s;
    size_t row_bytes = fields[field].element == OMEN_ELEMENT_BIT ? fields[field].dimensions / 8 : (size_t)fields[field].dimensions * 4;
    omen_part_vectors_init(&v, p, field);
    for (uint32_t row = 0; row < p->rows; row += n) {
        uint32_t limit = 1 + (uint32_t)test_rand_below(test_rand_below(2) == 0 ? 3 : 5000);
        STEP(s, omen_part_vectors_read(&v, row, limit, &at, &n, NULL));
        REQUIRE_OK(s);
        REQUIRE(n >= 1 && n <= limit && n <= p->rows - row);
        expect_row(row, field, at);
        expect_row(row + n - 1, field, (const uint8_t *)at + (n - 1) * row_bytes);
        if (test_rand_below(8) == 0) omen_part_vectors_rest(&v);
    }
    for (int i = 0; i < 20; i++) {
        uint32_t row = (uint32_t)test_rand_below(p->rows);
        STEP(s, omen_part_vectors_read(&v, row, 1, &at, &n, NULL));
        REQUIRE_OK(s);
        CHECK_EQ_UINT(n, 1);
        expect_row(row, field, at);
    }
    omen_part_vectors_deinit(&v);
    omen_part_vectors_deinit(&v);
}

static void run(unsigned pending, uint32_t count, uint32_t field_count) {
    static rows r;
    fault_storage *fs = fault_storage_new(test_rand());
    fixture x;
    omen_segment_info info;
    r.count = count;
    fault_storage_set_pending(fs, pending);
    fixture_init(&x, fs, 7, 1 << 20);
    omen_part *p = write_part(&x, &r, field_count, &info);
    REQUIRE(p != NULL);
    for (uint32_t f = 0; f < field_count; f++) {
        size_t row = omen_element_bytes(fields[f].element, fields[f].dimensions);
        const omen_section *sec = omen_segment_section(p->segment, OMEN_SECTION_VECTORS, f);
        REQUIRE(sec != NULL);
        CHECK_EQ_UINT(sec->raw_len, row * count);
        CHECK_EQ_UINT(sec->block_len % row, 0); /* blocks hold whole rows */
        CHECK((omen_segment_section(p->segment, OMEN_SECTION_NORMS, f) != NULL) == (fields[f].metric == OMEN_METRIC_COSINE));
        read_field(p, f);
        CHECK_EQ_INT(omen_pool_metrics_of(x.store.pool)->pinned.value, 0);
    }
    omen_part_unref(p);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    CHECK_STORAGE(fs);
    fault_storage_free(fs);
}

TEST(vectors_come_back_as_floats) {
    run(0, 3000, SMALL);
    run(0, 40, FIELDS);
    run(0, 1, FIELDS);
}

TEST(vectors_come_back_when_the_storage_stalls) {
    run(40, 1500, SMALL);
    run(40, 20, FIELDS);
}

TEST(a_field_of_another_element_is_refused) {
    static rows r;
    fault_storage *fs = fault_storage_new(test_rand());
    fixture x;
    omen_segment_info info;
    omen_part_field other[FIELDS];
    r.count = 10;
    fixture_init(&x, fs, 7, 1 << 20);
    omen_part *p = write_part(&x, &r, FIELDS, &info);
    REQUIRE(p != NULL);
    omen_part_unref(p);
    for (uint32_t f = 0; f < FIELDS; f++) {
        omen_error err = {0};
        memcpy(other, fields, sizeof fields);
        other[f].element = fields[f].element == OMEN_ELEMENT_F32 ? OMEN_ELEMENT_F16 : OMEN_ELEMENT_F32;
        p = NULL;
        CHECK_STATUS(omen_part_open(&x.store, &info, other, FIELDS, &p, &err), OMEN_ERR_CORRUPT);
        CHECK(p == NULL);
    }
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

TEST(memory_that_runs_out_is_said) {
    static rows r;
    fault_storage *fs = fault_storage_new(test_rand());
    fixture x;
    omen_segment_info info;
    omen_part_vectors v;
    const void *at;
    uint32_t n;
    r.count = 10;
    fixture_init(&x, fs, 7, 1 << 20);
    omen_part *p = write_part(&x, &r, FIELDS, &info);
    REQUIRE(p != NULL);
    omen_part_vectors_init(&v, p, 2);
    omen_status s = OMEN_ERR_MEMORY;
    for (uint64_t i = 1; s == OMEN_ERR_MEMORY && i < 50; i++) {
        fault_host_fail_alloc_at(x.host, i, true);
        s = omen_part_vectors_read(&v, 3, 5, &at, &n, NULL);
        CHECK(s == OMEN_OK || (s == OMEN_ERR_MEMORY && fault_host_fault_hit(x.host)));
    }
    fault_host_fail_alloc_at(x.host, 0, false);
    REQUIRE_OK(s);
    expect_row(3, 2, at);
    omen_part_vectors_deinit(&v);
    omen_part_unref(p);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

TEST_MAIN()
