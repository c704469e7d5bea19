/* Fields of several vectors a record: what documents may say of them; written, read back, and forged behind right checksums. */
#include "test.h"

#include <math.h>

#include "column/element.h"
#include "column/multi.h"
#include "store/pool.h"
#include "store_fixture.h"

/* ---- values ---- */

static fixture x;
static omen_arena arena;
static omen_error err;

static omen_status read_value(const char *text, const omen_part_field *f, omen_multi *out) {
    omen_json *j = NULL;
    err = (omen_error){0};
    if (!CHECK_OK(omen_json_parse(&x.mem, (omen_str){text, strlen(text)}, &j, &err))) return OMEN_ERR_JSON;
    omen_status s = omen_multi_read(omen_json_root(j), f, 4, "field \"t\"", &arena, out, &err);
    omen_json_free(j);
    return s;
}

static void begin(void) {
    fault_storage *fs = fault_storage_new(1);
    fixture_init(&x, fs, 7, 1 << 20);
    omen_arena_init(&arena, &x.mem, 4096);
}

static void end(void) {
    fault_storage *fs = x.fs;
    omen_arena_deinit(&arena);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

TEST(values_that_are_none_are_told_with_their_place) {
    static const struct { const char *text; omen_status status; const char *says; uint32_t metric, element; } bad[] = {
        {"7", OMEN_ERR_INVALID, "must be an array of vectors", OMEN_METRIC_IP, OMEN_ELEMENT_F32},
        {"{}", OMEN_ERR_INVALID, "must be an array of vectors", OMEN_METRIC_IP, OMEN_ELEMENT_F32},
        {"[]", OMEN_ERR_INVALID, "has 0 vectors; 1 to 4", OMEN_METRIC_IP, OMEN_ELEMENT_F32},
        {"[[1,2],[1,2],[1,2],[1,2],[1,2]]", OMEN_ERR_INVALID, "has 5 vectors; 1 to 4", OMEN_METRIC_IP, OMEN_ELEMENT_F32},
        {"[1,2]", OMEN_ERR_INVALID, "vector 0 is no array", OMEN_METRIC_IP, OMEN_ELEMENT_F32},
        {"[[1,2],{}]", OMEN_ERR_INVALID, "vector 1 is no array", OMEN_METRIC_IP, OMEN_ELEMENT_F32},
        {"[[1,2],[1,2,3]]", OMEN_ERR_DIMENSION, "vector 1 has 3 numbers, the field has 2", OMEN_METRIC_IP, OMEN_ELEMENT_F32},
        {"[[1,2],[]]", OMEN_ERR_DIMENSION, "vector 1 has 0 numbers", OMEN_METRIC_IP, OMEN_ELEMENT_F32},
        {"[[1,2],[1,null]]", OMEN_ERR_INVALID, "vector 1 has no number at dimension 1", OMEN_METRIC_IP, OMEN_ELEMENT_F32},
        {"[[1,\"2\"]]", OMEN_ERR_INVALID, "vector 0 has no number at dimension 1", OMEN_METRIC_IP, OMEN_ELEMENT_F32},
        {"[[1,2],[4e38,2]]", OMEN_ERR_NOT_FINITE, "vector 1 is too large for a 32-bit float at dimension 0", OMEN_METRIC_IP, OMEN_ELEMENT_F32},
        {"[[1,2],[65520,2]]", OMEN_ERR_NOT_FINITE, "vector 1 has a number too large for a 16-bit float", OMEN_METRIC_IP, OMEN_ELEMENT_F16},
        {"[[1,2],[0,-0]]", OMEN_ERR_ZERO_VECTOR, "vector 1 has no direction", OMEN_METRIC_COSINE, OMEN_ELEMENT_F32},
        {"[[1e-30,0]]", OMEN_ERR_ZERO_VECTOR, "vector 0 has no direction", OMEN_METRIC_COSINE, OMEN_ELEMENT_F32},
    };
    begin();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        omen_part_field f = {2, bad[i].metric, bad[i].element};
        omen_multi out;
        CHECK_STATUS(read_value(bad[i].text, &f, &out), bad[i].status);
        if (!CHECK(strstr(err.text, bad[i].says) != NULL && strstr(err.text, "field \"t\"") == err.text)) printf("     of %s: %s\n", bad[i].text, err.text);
        CHECK_EQ_UINT(out.count, 0);
    }
    end();
}

TEST(values_become_vectors) {
    begin();
    omen_multi out;
    omen_part_field ip = {2, OMEN_METRIC_IP, OMEN_ELEMENT_F32}, cosine = {2, OMEN_METRIC_COSINE, OMEN_ELEMENT_F32}, half = {2, OMEN_METRIC_COSINE, OMEN_ELEMENT_F16};
    CHECK_OK(read_value("null", &ip, &out));
    CHECK_EQ_UINT(out.count, 0);
    CHECK_OK(omen_multi_read(NULL, &ip, 4, "it", &arena, &out, &err));
    CHECK_EQ_UINT(out.count, 0);
    REQUIRE_OK(read_value("[[3,4],[0.1,-2e30],[0,0]]", &ip, &out));
    CHECK_EQ_UINT(out.count, 3);
    static const float as_given[] = {3, 4, 0.1f, -2e30f, 0, 0};
    CHECK_MEM(out.vectors, as_given, sizeof as_given);
    REQUIRE_OK(read_value("[[3,4],[-5,0]]", &cosine, &out));
    static const float unit[] = {3.0f / 5.0f, 4.0f / 5.0f, -1, 0};
    CHECK_MEM(out.vectors, unit, sizeof unit);
    REQUIRE_OK(read_value("[[3e6,4e6]]", &half, &out)); /* too large for 16 bits before it is scaled */
    uint16_t halves[2] = {omen_f16_narrow(3.0f / 5.0f), omen_f16_narrow(4.0f / 5.0f)};
    CHECK_MEM(out.vectors, halves, sizeof halves);
    end();
}

TEST(memory_that_runs_out_is_told) {
    const omen_part_field half = {2, OMEN_METRIC_COSINE, OMEN_ELEMENT_F16};
    begin();
    for (uint64_t at = 1;; at++) {
        omen_multi out;
        omen_json *j = NULL;
        omen_arena own;
        omen_arena_init(&own, &x.mem, 64);
        REQUIRE_OK(omen_json_parse(&x.mem, OMEN_STR("[[1,2],[3,4],[5,6],[7,8]]"), &j, &err));
        fault_host_fail_alloc_at(x.host, at, true);
        omen_status s = omen_multi_read(omen_json_root(j), &half, 4, "it", &own, &out, &err);
        bool hit = fault_host_fault_hit(x.host);
        fault_host_fail_alloc_at(x.host, 0, false);
        CHECK_STATUS(s, hit ? OMEN_ERR_MEMORY : OMEN_OK);
        if (hit) CHECK(strstr(err.text, "out of memory for 4 vectors") != NULL);
        omen_json_free(j);
        omen_arena_deinit(&own);
        if (!hit) break;
    }
    end();
}

/* ---- parts ---- */

enum { FIELDS = 3, MOST_ROWS = 600 };
static const omen_part_field fields[FIELDS] = {{24, OMEN_METRIC_COSINE, OMEN_ELEMENT_F32}, {9000, OMEN_METRIC_IP, OMEN_ELEMENT_F16}, {3, OMEN_METRIC_IP, OMEN_ELEMENT_F32}};
static uint32_t rows, counts[FIELDS][MOST_ROWS];
static uint8_t key_bytes[9], vectors[64 * 9000 * 4];

static omen_status key_of(void *ctx, uint32_t row, omen_key *out, omen_error *e) {
    (void)ctx;
    return omen_key_encode(&OMEN_ID_INT(row), key_bytes, out, e);
}

static omen_status doc_of(void *ctx, uint32_t row, omen_str *out, omen_error *e) {
    (void)ctx, (void)row, (void)e;
    *out = OMEN_STR("");
    return OMEN_OK;
}

static void make(uint32_t row, uint32_t field) {
    const omen_part_field *f = &fields[field];
    for (uint32_t i = 0; i < counts[field][row] * f->dimensions; i++) {
        float v = (float)((row * 31u + field * 7u + i * 13u) % 257) / 256.0f;
        uint16_t h = omen_f16_narrow(v);
        if (f->element == OMEN_ELEMENT_F32) memcpy(vectors + 4 * (size_t)i, &v, 4);
        else memcpy(vectors + 2 * (size_t)i, &h, 2);
    }
}

static omen_status multi_of(void *ctx, uint32_t row, uint32_t field, omen_multi *out, omen_error *e) {
    (void)ctx, (void)e;
    make(row, field);
    *out = (omen_multi){vectors, counts[field][row]};
    return OMEN_OK;
}

static omen_part *write_part(uint64_t number, omen_segment_info *info) {
    omen_row_source source = {.rows = rows, .key = key_of, .doc = doc_of, .multi = multi_of};
    omen_part_writer *w;
    omen_part *p = NULL;
    bool done = false;
    omen_status s = omen_part_writer_new(&x.store, number, NULL, 0, &source, NULL, 0, &w, &err);
    omen_part_writer_multi(w, fields, FIELDS);
    while ((s == OMEN_OK || s == OMEN_PENDING) && !done) s = omen_part_writer_step(w, info, &done, &err);
    omen_part_writer_free(w);
    if (!CHECK_OK(s)) return NULL;
    STEP(s, omen_part_open(&x.store, info, NULL, 0, &p, &err));
    CHECK_OK(s);
    STEP(s, omen_part_multi_open(p, fields, FIELDS, &err));
    CHECK_OK(s);
    return p;
}

static omen_status verify(omen_part *p) {
    omen_part_check *check = NULL;
    omen_status s;
    STEP(s, omen_part_verify(p, &check, &err));
    omen_part_check_free(p, check);
    return s;
}

/* What a reader of blocks sees of a row, and a copy. */
static void check_row(omen_part *p, uint32_t field, uint32_t row) {
    static uint8_t got[sizeof vectors];
    size_t bytes = omen_element_bytes(fields[field].element, fields[field].dimensions), at = 0, done = 0;
    uint64_t first;
    uint32_t count;
    omen_status s;
    STEP(s, omen_part_multi_find(p, field, row, &first, &count, &err));
    REQUIRE_OK(s);
    CHECK_EQ_UINT(count, counts[field][row]);
    make(row, field);
    for (uint64_t n = first; n < first + count;) {
        const omen_block *block;
        const void *v;
        uint32_t run;
        STEP(s, omen_part_multi_block(p, field, n, &block, &v, &run, &err));
        REQUIRE_OK(s);
        CHECK(run != 0);
        run = (uint32_t)OMEN_MIN(run, first + count - n);
        CHECK_MEM(v, vectors + at, run * bytes);
        omen_block_release(x.store.pool, block);
        n += run;
        at += run * bytes;
    }
    if (count == 0) return;
    STEP(s, omen_part_multi_copy(p, field, first, count, got, &done, &err));
    REQUIRE_OK(s);
    CHECK_MEM(got, vectors, count * bytes);
}

TEST(vectors_are_read_back_from_blocks) {
    for (unsigned late = 0; late < 2; late++) {
        begin();
        fault_storage_set_pending(x.fs, late == 0 ? 0 : 40);
        for (uint64_t n = 1; n < 6; n++) {
            rows = n == 1 ? 0 : n == 2 ? 1 : (uint32_t)test_rand_below(MOST_ROWS);
            for (uint32_t r = 0; r < rows; r++) {
                counts[0][r] = test_rand_below(3) == 0 ? 0 : (uint32_t)test_rand_below(50);
                counts[1][r] = test_rand_below(20) != 0 ? 0 : 1 + (uint32_t)test_rand_below(4);
                counts[2][r] = 0;
            }
            if (rows != 0) counts[0][rows - 1] = 3;
            omen_segment_info info;
            omen_part *p = write_part(n, &info);
            REQUIRE(p != NULL);
            CHECK(p->multi[2].offsets == NULL && p->multi[2].count == 0);
            CHECK((p->multi[0].offsets == NULL) == (rows == 0));
            for (uint32_t f = 0; f < FIELDS; f++)
                for (uint32_t r = 0; r < rows; r++) check_row(p, f, r);
            CHECK_OK(verify(p));
            omen_part_unref(p);
        }
        end();
    }
}

/* A segment with the sections of another; `change` may change the content of one, or leave it out. */
typedef struct forgery { uint32_t kind, field; bool leave_out; uint32_t at; uint8_t bytes[8]; uint32_t len; int64_t cut; const char *says; uint32_t flags, block_len; } forgery;

static void copy_section(omen_segment *from, const omen_section *s, const forgery *f, omen_segment_writer *out) {
    bool mine = s->kind == f->kind && s->field == f->field;
    if (mine && f->leave_out) return;
    uint8_t *bytes = malloc((size_t)s->raw_len + 64);
    size_t done = 0, len = (size_t)s->raw_len;
    omen_status st;
    memset(bytes, 0, len + 64);
    STEP(st, omen_segment_read(from, s, 0, len, bytes, &done, &err));
    CHECK_OK(st);
    if (mine && f->len != 0) memcpy(bytes + f->at, f->bytes, f->len);
    if (mine) len = (size_t)((int64_t)len + f->cut);
    CHECK_OK(omen_segment_section_begin(out, s->kind, s->field, mine ? s->flags ^ f->flags : s->flags, mine && f->block_len != 0 ? f->block_len : s->block_len, &err));
    CHECK_OK(omen_segment_section_write(out, bytes, len, &err));
    CHECK_OK(omen_segment_section_end(out, &err));
    free(bytes);
}

/* Where it is found out: when the part is opened, when a row is looked for, when it is verified. */
static omen_status forge(omen_part *p, const forgery *f, uint64_t number) {
    omen_segment_writer *out = NULL;
    omen_segment_info info;
    omen_part *forged = NULL;
    omen_status s;
    STEP(s, omen_segment_writer_new(&x.store, number, &out, &err));
    CHECK_OK(s);
    for (size_t i = 0; i < omen_segment_section_count(p->segment); i++) copy_section(p->segment, omen_segment_section_at(p->segment, i), f, out);
    STEP(s, omen_segment_writer_finish(out, &info, &err));
    CHECK_OK(s);
    omen_segment_writer_free(out);
    STEP(s, omen_part_open(&x.store, &info, NULL, 0, &forged, &err));
    CHECK_OK(s);
    STEP(s, omen_part_multi_open(forged, fields, FIELDS, &err));
    if (s == OMEN_OK) {
        for (uint32_t r = 0; r < rows; r++) { /* readers never leave the section */
            uint64_t first;
            uint32_t count;
            STEP(s, omen_part_multi_find(forged, 0, r, &first, &count, &err));
            if (s == OMEN_OK) CHECK(first + count <= forged->multi[0].count && count <= OMEN_MAX_MULTI_VECTORS);
        }
        s = verify(forged);
    }
    omen_part_unref(forged);
    return s;
}

#define NUMBER(n) {(uint8_t)(n), (uint8_t)((n) >> 8), (uint8_t)((n) >> 16), (uint8_t)((n) >> 24)}

TEST(forged_sections_are_refused) {
    enum { O = OMEN_SECTION_MULTI_OFFSETS, V = OMEN_SECTION_MULTI_VECTORS };
    static const forgery forgeries[] = {
        {.kind = O, .leave_out = true, .says = "missing"},
        {.kind = V, .leave_out = true, .says = "missing"},
        {.kind = O, .cut = -8, .says = "wrong size"},
        {.kind = O, .cut = 8, .says = "wrong size"},
        {.kind = V, .cut = -96, .says = "wrong size"},
        {.kind = V, .cut = 4, .says = "wrong size"},
        {.kind = O, .at = 0, .bytes = NUMBER(2), .len = 4, .says = "newer"},
        {.kind = O, .at = 4, .bytes = NUMBER(48), .len = 4, .says = "other vectors"},
        {.kind = O, .at = 8, .bytes = NUMBER(OMEN_METRIC_IP), .len = 4, .says = "other vectors"},
        {.kind = O, .at = 12, .bytes = NUMBER(OMEN_ELEMENT_F16), .len = 4, .says = "other vectors"},
        {.kind = O, .at = 16, .bytes = NUMBER(1), .len = 8, .says = "do not begin with 0"},
        {.kind = O, .at = 24, .bytes = NUMBER(1301), .len = 8, .says = "offset is impossible"},
        {.kind = O, .at = 32, .bytes = {255, 255, 255, 255, 255, 255, 255, 255}, .len = 8, .says = "offset is impossible"},
        {.kind = O, .at = 40, .bytes = NUMBER(0), .len = 8, .says = "offset is impossible"},
        {.kind = O, .at = 16 + 8 * 10, .bytes = NUMBER(0), .len = 8, .says = "number of vectors is impossible"},
        {.kind = O, .at = 16 + 8 * 10, .bytes = NUMBER(1301), .len = 8, .says = "wrong size"},
        {.kind = O, .at = 16 + 8 * 10, .bytes = {0, 0, 0, 0, 0, 1}, .len = 8, .says = "number of vectors is impossible"},
        {.kind = O, .at = 16 + 8 * 1, .bytes = NUMBER(OMEN_MAX_MULTI_VECTORS + 1), .len = 8, .says = "offset is impossible"},
        {.kind = O, .flags = OMEN_SECTION_ZSTD, .says = "wrong size"},
        {.kind = O, .block_len = 4096, .says = "wrong size"},
        {.kind = V, .flags = OMEN_SECTION_ZSTD, .says = "wrong size"},
        {.kind = V, .block_len = 4096, .says = "wrong size"},
        {.kind = V, .at = 96 * 7, .bytes = {0, 0, 0xC0, 0x7F}, .len = 4, .says = "NaN or infinite"},
        {.kind = V, .at = 96 * 1299 + 92, .bytes = {0, 0, 0x80, 0xFF}, .len = 4, .says = "NaN or infinite"},
    };
    begin();
    rows = 10;
    for (uint32_t r = 0; r < rows; r++) counts[0][r] = 130, counts[1][r] = counts[2][r] = 0;
    omen_segment_info info;
    omen_part *p = write_part(1, &info);
    REQUIRE(p != NULL);
    static const forgery none = {.kind = 0};
    CHECK_OK(forge(p, &none, 2));
    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
        omen_status s = forge(p, &forgeries[i], 3 + i);
        CHECK_STATUS(s, i == 6 ? OMEN_ERR_VERSION : OMEN_ERR_CORRUPT);
        if (!CHECK(strstr(err.text, forgeries[i].says) != NULL)) printf("     forgery %zu: %s\n", i, err.text);
    }
    omen_part_unref(p);
    end();
}

TEST_MAIN()
