/* Log frames of records with vectors of every element: what is decoded is what was encoded, and what no write would have accepted is refused. */
#include "test.h"

#include "column/element.h"
#include "db/rows.h"
#include "fault_host.h"
#include "kernel/kernel.h"

enum { ROWS = 3, FIELDS = 4 };

static const omen_vector_field fields[FIELDS] = {{.name = OMEN_STR("f"), .dimensions = 3, .metric = OMEN_METRIC_IP, .element = OMEN_ELEMENT_F32},
                                                 {.name = OMEN_STR("h"), .dimensions = 5, .metric = OMEN_METRIC_COSINE, .element = OMEN_ELEMENT_F16},
                                                 {.name = OMEN_STR("i"), .dimensions = 7, .metric = OMEN_METRIC_COSINE, .element = OMEN_ELEMENT_I8},
                                                 {.name = OMEN_STR("b"), .dimensions = 24, .metric = OMEN_METRIC_HAMMING, .element = OMEN_ELEMENT_BIT}};
static const omen_schema schema = {.struct_size = sizeof schema, .vector_count = FIELDS, .vectors = fields};

/* A payload, as rows.h writes it down, and where its columns are. */
typedef struct frame { _Alignas(8) uint8_t bytes[512]; size_t len, column[FIELDS], docs; } frame;

static size_t append(frame *f, const void *bytes, size_t len) {
    size_t at = f->len;
    memcpy(f->bytes + at, bytes, len);
    f->len += (len + 7) & ~(size_t)7;
    return at;
}

static void build(frame *f) {
    const uint32_t head[4] = {9, OMEN_ROWS_PUT, ROWS, 15}, key_offsets[ROWS + 1] = {0, 9, 18, 27}, doc_offsets[ROWS + 1] = {0, 0, 2, 2};
    uint8_t keys[27] = {0}, vectors[ROWS * 16];
    memset(f, 0, sizeof *f);
    for (uint8_t i = 0; i < ROWS; i++) {
        keys[9 * i] = 1;
        keys[9 * i + 1] = 0x80;
        keys[9 * i + 8] = i;
    }
    append(f, head, sizeof head);
    append(f, key_offsets, sizeof key_offsets);
    append(f, keys, sizeof keys);
    for (uint32_t n = 0; n < FIELDS; n++) {
        for (size_t i = 0; i < sizeof vectors; i++) vectors[i] = (uint8_t)(1 + test_rand_below(0x3B)); /* small, finite, not zero in any element */
        f->column[n] = append(f, vectors, ROWS * omen_element_bytes(fields[n].element, fields[n].dimensions));
    }
    f->docs = append(f, doc_offsets, sizeof doc_offsets);
    append(f, "{}", 2);
}

typedef struct place { fault_host *h; omen_mem mem; omen_arena arena; } place;

static void begin(place *p) {
    p->h = fault_host_new(1);
    omen_mem_init(&p->mem, &p->h->host, 0);
    omen_arena_init(&p->arena, &p->mem, 4096);
}

static void end(place *p) {
    omen_arena_deinit(&p->arena);
    CHECK_EQ_UINT(fault_host_bytes(p->h), 0);
    fault_host_free(p->h);
}

static omen_status decode(place *p, const frame *f, omen_rows *r, omen_error *err) {
    return omen_rows_decode(r, &p->mem, &p->arena, &schema, f->bytes, f->len, err);
}

TEST(frames_hold_what_is_stored) {
    frame f;
    place p;
    omen_rows r;
    omen_error err = {0};
    begin(&p);
    build(&f);
    REQUIRE_OK(decode(&p, &f, &r, &err));
    CHECK_EQ_UINT(r.count, ROWS);
    CHECK_EQ_UINT(r.wide, 0);
    for (uint32_t n = 0; n < FIELDS; n++) {
        CHECK(r.vectors[n] == f.bytes + f.column[n]);
        size_t row = omen_element_bytes(fields[n].element, fields[n].dimensions);
        for (uint32_t i = 0; i < ROWS && fields[n].metric == OMEN_METRIC_COSINE; i++)
            CHECK_BITS(r.norms[n][i], omen_element_norm(fields[n].element, f.bytes + f.column[n] + i * row, fields[n].dimensions));
    }
    CHECK(omen_str_equal(omen_rows_doc(&r, 1), OMEN_STR("{}")));
    end(&p);
}

TEST(frames_of_another_length_are_malformed) {
    frame f;
    place p;
    omen_rows r;
    begin(&p);
    build(&f);
    size_t whole = f.len;
    for (f.len = 16; f.len <= whole + 8; f.len++) {
        omen_error err = {0};
        CHECK_STATUS(decode(&p, &f, &r, &err), f.len == whole ? OMEN_OK : OMEN_ERR_CORRUPT);
    }
    end(&p);
}

static void refused(const frame *f, const char *says) {
    place p;
    omen_rows r;
    omen_error err = {0};
    begin(&p);
    CHECK_STATUS(decode(&p, f, &r, &err), OMEN_ERR_CORRUPT);
    if (!CHECK(strstr(err.text, says) != NULL)) printf("    %s\n", err.text);
    end(&p);
}

TEST(vectors_no_write_would_have_accepted_are_refused) {
    frame f;
    const uint32_t inf = 0x7F800000u;
    for (uint16_t bad = 0x7C00u; bad <= 0x7E00u; bad += 0x200u) {
        build(&f);
        memcpy(f.bytes + f.column[1] + 2 * (5 * 2 + 4), &bad, 2);
        refused(&f, "vector \"h\" of record 2 is NaN or infinite at dimension 4");
    }
    build(&f);
    memcpy(f.bytes + f.column[0] + 4 * 3, &inf, 4);
    refused(&f, "vector \"f\" of record 1 is NaN or infinite at dimension 0");
    build(&f);
    memset(f.bytes + f.column[1], 0, 10);
    refused(&f, "vector \"h\" of record 0 has no direction");
    build(&f);
    memset(f.bytes + f.column[2] + 7, 0, 7);
    refused(&f, "vector \"i\" of record 1 has no direction");
    build(&f);
    memset(f.bytes + f.column[3], 0, 9); /* bits may be what they like */
    place p;
    omen_rows r;
    begin(&p);
    CHECK_OK(decode(&p, &f, &r, NULL));
    end(&p);
}

TEST(what_is_given_is_narrowed_once) {
    static const float given[2][5] = {{1, 2, 3, 4, 0.1f}, {5, 6, 7, 65519.0f, -0.1f}};
    static const float f[2][3] = {{1, 2, 3}, {4, 5, 6}};
    static const int8_t ints[2][7] = {{1}, {2}};
    static const uint8_t bits[2][3] = {{1}, {2}};
    const omen_id ids[2] = {OMEN_ID_INT(1), OMEN_ID_INT(2)};
    const void *vectors[FIELDS] = {f, given, ints, bits};
    place p;
    omen_rows r;
    omen_error err = {0};
    begin(&p);
    REQUIRE_OK(omen_rows_from_batch(&r, &p.arena, &schema, &(omen_batch){.count = 2, .ids = ids, .vectors = vectors}, &err));
    CHECK_EQ_UINT(r.wide, 1u << 1);
    for (int pass = 0; pass < 2; pass++) { /* an update checks twice */
        REQUIRE_OK(omen_rows_check(&r, &p.mem, &p.arena, &schema, false, &err));
        CHECK_EQ_UINT(r.wide, 0);
        CHECK(r.vectors[0] == vectors[0] && r.vectors[2] == vectors[2] && r.vectors[3] == vectors[3]);
        uint16_t want[2][5];
        for (size_t i = 0; i < 10; i++) want[i / 5][i % 5] = omen_f16_narrow(given[i / 5][i % 5]);
        CHECK_MEM(r.vectors[1], want, sizeof want);
        CHECK_BITS(r.norms[1][1], omen_element_norm(OMEN_ELEMENT_F16, want[1], 5));
    }
    end(&p);
}

TEST_MAIN()
