/* The text and sparse fields of a collection: their readers, and the indexes that parts have of them, at their corners. */
#include "segment_copy.h"

#include "text/part_text.h"

enum { ROWS = 60, FIELDS = 5 };

static fixture x;
static fault_storage *fs;
static omen_error err;
static omen_text_fields *fields;

/* Two of text with one analyzer, behind a sparse one; then others with other options. */
static omen_text_fields *fields_of(omen_mem *m, uint32_t count) {
    const omen_language *english = omen_language_find("english", 7);
    const omen_text_description of[FIELDS] = {{.path = OMEN_STR("v"), .sparse = true, .weight = 1},
                                              {.path = OMEN_STR("a"), .weight = 1, .analyzer = {.language = english}},
                                              {.path = OMEN_STR("b"), .weight = 1, .analyzer = {.language = english}},
                                              {.path = OMEN_STR("c"), .weight = 1, .analyzer = {.language = english, .no_stem = true}},
                                              {.path = OMEN_STR("d"), .weight = 1, .analyzer = {.language = english, .stop_words = true, .keep_accents = true}}};
    CHECK(english != NULL);
    return omen_text_fields_new(m, of, count);
}

static omen_status key_of(void *ctx, uint32_t row, omen_key *out, omen_error *e) {
    static uint8_t bytes[OMEN_KEY_MAX];
    (void)ctx;
    return omen_key_encode(&OMEN_ID_INT(row), bytes, out, e);
}

static omen_status doc_of(void *ctx, uint32_t row, omen_str *out, omen_error *e) {
    static char text[200];
    (void)ctx, (void)e;
    *out = (omen_str){text, (size_t)snprintf(text, sizeof text, "{\"v\":{\"indices\":[%u,7],\"values\":[1,0.5]},\"a\":\"the running w%u\",\"b\":\"ran\",\"c\":\"running\",\"d\":\"the caf\xc3\xa9\"}", (unsigned)row + 10, (unsigned)row % 9)};
    return OMEN_OK;
}

static omen_status write_part(uint64_t number, omen_text_fields *of, omen_segment_info *info) {
    omen_row_source source = {.rows = ROWS, .key = key_of, .doc = doc_of};
    omen_part_writer *w = NULL;
    omen_part_text_writer *t = NULL;
    bool done = false;
    omen_status s = of == NULL ? OMEN_OK : omen_part_text_writer_new(of, &t, &err);
    if (s == OMEN_OK) s = omen_part_writer_new(&x.store, number, NULL, 0, &source, NULL, 0, &w, &err);
    if (s == OMEN_OK && t != NULL) {
        omen_part_extra_writer hook = omen_part_text_writer_hook(t);
        omen_part_writer_extra(w, &hook);
    }
    while ((s == OMEN_OK || s == OMEN_PENDING) && !done) s = omen_part_writer_step(w, info, &done, &err);
    omen_part_writer_free(w);
    omen_part_text_writer_free(t);
    return s;
}

static omen_status open_part(const omen_segment_info *info, uint32_t count, omen_part **out) {
    omen_status s;
    *out = NULL;
    STEP(s, omen_part_open(&x.store, info, NULL, 0, out, &err));
    if (s == OMEN_OK) STEP(s, omen_part_text_open(*out, count, &err));
    return s;
}

static void begin(void) {
    fs = fault_storage_new(1);
    fixture_init(&x, fs, 3, 1 << 20);
    fields = fields_of(&x.mem, FIELDS);
    CHECK(fields != NULL);
}

static void end(void) {
    omen_text_fields_unref(fields);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

TEST(parts_have_the_fields_they_were_written_with) {
    begin();
    omen_segment_info info, bare;
    omen_part *p, *without;
    REQUIRE_OK(write_part(1, fields, &info));
    REQUIRE_OK(write_part(2, NULL, &bare));
    REQUIRE_OK(open_part(&info, FIELDS, &p));
    for (uint32_t f = 0; f < FIELDS; f++) CHECK(omen_part_text(p, f) != NULL && omen_part_text(p, f)->rows == ROWS);
    CHECK(omen_part_text(p, FIELDS) == NULL);
    CHECK(!omen_part_text_stale(p, fields));
    REQUIRE_OK(open_part(&bare, FIELDS, &without));
    for (uint32_t f = 0; f < FIELDS; f++) CHECK(omen_part_text(without, f) == NULL);
    CHECK(omen_part_text_stale(without, fields));
    omen_part_check *place = NULL; /* there is nothing to check of what is not there */
    omen_status s;
    STEP(s, omen_part_verify(without, &place, &err));
    CHECK_OK(s);
    omen_part_check_free(without, place);
    (void)omen_part_unref(without);
    REQUIRE_OK(open_part(&bare, 0, &without)); /* a collection without text */
    CHECK(without->extra == NULL && omen_part_text(without, 0) == NULL);
    (void)omen_part_unref(without);
    /* Other rules, of a language that is there: in WebAssembly it has not been loaded, and nothing better could be written. */
    const omen_language *german = omen_language_find("german", 6);
    const omen_text_description other = {.path = OMEN_STR("v"), .weight = 1, .analyzer = {.language = german}};
    omen_text_fields *others = omen_text_fields_new(&x.mem, &other, 1);
    CHECK_EQ_INT(omen_part_text_stale(p, others), omen_language_built_in(german));
    omen_text_fields_unref(others);
    CHECK(omen_text_fields_ref(NULL) == NULL);
    CHECK_OK(omen_text_fields_load(NULL, false));
    (void)omen_part_unref(p);
    end();
}

TEST(another_number_of_rows_is_damage) {
    begin();
    omen_segment_info info, copy;
    omen_part *p;
    REQUIRE_OK(write_part(1, fields, &info));
    REQUIRE_OK(open_part(&info, FIELDS, &p));
    const segment_change rows = {.kind = OMEN_SECTION_TEXT_META, .field = 0, .at = 16, .set = true, .number = ROWS + 1};
    segment_copy(&x.store, p->segment, 2, &rows, 1, &copy);
    (void)omen_part_unref(p);
    CHECK_STATUS(open_part(&copy, FIELDS, &p), OMEN_ERR_CORRUPT);
    CHECK(strstr(err.text, "another number of rows") != NULL && strstr(err.text, "text field 0") != NULL);
    CHECK(p != NULL && p->extra == NULL && p->extra_ops == NULL); /* the part itself is as it was */
    (void)omen_part_unref(p);
    end();
}

/* A check that is given up while the text is read leaves nothing behind. */
TEST(checks_may_be_given_up) {
    begin();
    omen_segment_info info;
    omen_part *p;
    REQUIRE_OK(write_part(1, fields, &info));
    segment_forget_next(&x);
    REQUIRE_OK(open_part(&info, FIELDS, &p));
    fault_storage_set_pending(fs, 60);
    bool whole = false;
    for (unsigned most = 0; most < 3000 && !whole; most += most < 100 ? 1 : 29) {
        omen_part_check *place = NULL;
        omen_status s = OMEN_PENDING;
        for (unsigned n = 0; n <= most && s == OMEN_PENDING; n++) s = omen_part_verify(p, &place, &err);
        whole = s == OMEN_OK;
        if (!whole) CHECK_STATUS(s, OMEN_PENDING);
        omen_part_check_free(p, place);
    }
    CHECK(whole);
    fault_storage_set_pending(fs, 0);
    omen_part_check_free(p, NULL);
    (void)omen_part_unref(p);
    fault_storage_on_call(fs, NULL, NULL);
    end();
}

typedef struct seen { uint32_t words, weights; } seen;
static omen_status see_word(void *ctx, uint32_t field, const void *term, size_t len, uint32_t position) {
    (void)field, (void)term, (void)len, (void)position;
    ((seen *)ctx)->words++;
    return OMEN_OK;
}
static omen_status see_weight(void *ctx, uint32_t field, uint32_t index, float weight) {
    (void)field, (void)index, (void)weight;
    ((seen *)ctx)->weights++;
    return OMEN_OK;
}

/* A sparse vector that is none is refused when it is written, and passed over when it is read. */
TEST(vectors_that_are_none) {
    begin();
    static const char *const bad[] = {"{\"v\":7}", "{\"v\":{\"indices\":[1],\"values\":[1,2]}}", "{\"v\":{\"indices\":[-1],\"values\":[1]}}", "{\"v\":{\"indices\":[1],\"values\":[1e300]}}", "{\"v\":{\"indices\":[1,1],\"values\":[1,2]}}"};
    omen_text_reader *r;
    REQUIRE_OK(omen_text_reader_new(fields, false, &r, &err));
    CHECK_EQ_UINT(omen_text_reader_tag(r, 0), OMEN_SPARSE_TAG);
    CHECK(omen_text_reader_tag(r, 1) != 0 && omen_text_reader_tag(r, 1) == omen_text_reader_tag(r, 2) && omen_text_reader_tag(r, 3) != omen_text_reader_tag(r, 1));
    CHECK(omen_text_reader_analyzer(r, 0) == NULL && omen_text_reader_analyzer(r, 1) == omen_text_reader_analyzer(r, 2) && omen_text_reader_analyzer(r, 3) != omen_text_reader_analyzer(r, 4));
    for (size_t i = 0; i < OMEN_ARRAY_LEN(bad); i++) {
        seen s = {0};
        const omen_text_sink sink = {&s, see_word, see_weight};
        CHECK_STATUS(omen_text_reader_read(r, (omen_str){bad[i], strlen(bad[i])}, UINT32_MAX, true, &sink, &err), OMEN_ERR_INVALID);
        CHECK(strstr(err.text, "sparse field \"v\"") != NULL);
        CHECK_OK(omen_text_reader_read(r, (omen_str){bad[i], strlen(bad[i])}, UINT32_MAX, false, &sink, &err));
        CHECK(s.weights == 0 && s.words == 0);
    }
    omen_text_reader_free(r);
    end();
}

TEST(memory_that_runs_out_is_told) {
    for (int what = 0; what < 2; what++) {
        begin();
        for (uint64_t at = 1;; at += TEST_EMULATED ? 1 + at / 3 : 1 + at / 100) {
            omen_segment_info info;
            seen n = {0};
            const omen_text_sink sink = {&n, see_word, see_weight};
            omen_text_reader *r = NULL;
            omen_str text;
            omen_status s;
            CHECK_OK(doc_of(NULL, 3, &text, NULL));
            fault_host_fail_alloc_at(x.host, at, true);
            if (what == 0) {
                s = omen_text_reader_new(fields, true, &r, &err);
                if (s == OMEN_OK) s = omen_text_reader_read(r, text, UINT32_MAX, true, &sink, &err);
                omen_text_reader_free(r);
            } else {
                omen_text_fields *own = fields_of(&x.mem, FIELDS);
                s = own == NULL ? OMEN_ERR_MEMORY : write_part(1, own, &info);
                omen_text_fields_unref(own);
            }
            bool hit = fault_host_fault_hit(x.host);
            fault_host_fail_alloc_at(x.host, 0, false);
            CHECK_STATUS(s, hit ? OMEN_ERR_MEMORY : OMEN_OK);
            if (!hit) break;
            if (fault_storage_has(fs, omen_segment_file_name(1).text)) fault_storage_delete(fs, omen_segment_file_name(1).text);
        }
        end();
    }
}

TEST_MAIN()
