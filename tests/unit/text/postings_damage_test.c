/* Inverted indexes whose checksums are right and whose content is not, which cannot be read, or for which there is no memory: opening, checking or searching says so. */
#include "segment_copy.h"

#include "text/bm25.h"
#include "text/terms.h"

enum { ROWS = 700, WORDS = 0, WEIGHTS = 1, FIELDS = 2 };
enum { AT_OPEN, AT_CHECK, AT_SEARCH };

static fixture x;
static fault_storage *fs;
static omen_segment_info info;
static omen_segment *segment;
static omen_error err;

/* Every row has "common" twice and one of 100 others, so that there are lists of several blocks and terms of several groups; weights alike. */
static void begin(void) {
    omen_segment_writer *w;
    fs = fault_storage_new(1);
    fixture_init(&x, fs, 3, 1 << 20);
    REQUIRE_OK(omen_segment_writer_new(&x.store, 1, &w, NULL));
    for (uint32_t f = 0; f < FIELDS; f++) {
        const omen_postings_options o = {.positions = f == WORDS, .weights = f == WEIGHTS, .tag = 9};
        omen_postings_builder *b;
        REQUIRE_OK(omen_postings_builder_new(&x.mem, &o, &b));
        for (uint32_t row = 0; row < ROWS; row++) {
            char text[16];
            CHECK_OK(omen_postings_row(b, row));
            if (f == WEIGHTS) {
                CHECK_OK(omen_postings_add_weight(b, 5, (float)(row % 17) - 3.5f));
                CHECK_OK(omen_postings_add_weight(b, 100 + row % 50, 2.0f));
                continue;
            }
            CHECK_OK(omen_postings_add(b, "common", 6, 3));
            CHECK_OK(omen_postings_add(b, "common", 6, 9));
            if (row % 2 == 0) CHECK_OK(omen_postings_add(b, "next", 4, 4));
            CHECK_OK(omen_postings_add(b, text, (size_t)snprintf(text, sizeof text, "t%03u", (unsigned)row % 100), 20));
        }
        CHECK_OK(omen_postings_builder_write(b, w, f, ROWS, NULL));
        omen_postings_builder_free(b);
    }
    CHECK_OK(omen_segment_writer_finish(w, &info, NULL));
    omen_segment_writer_free(w);
    segment = NULL;
    CHECK_OK(omen_segment_open(&x.store, &info, &segment, NULL));
}

static void end(void) {
    omen_segment_close(segment);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

static omen_status check(const omen_postings *p) {
    omen_postings_check *c = NULL;
    omen_status s;
    STEP(s, omen_postings_verify(p, &c, &err));
    CHECK(c == NULL);
    return s;
}

/* A word, a phrase, the beginning of a word, one with typos, and a weight: the first failure. */
static omen_status search(omen_postings **of) {
    static uint8_t index[4];
    omen_postings_index_term(5, index);
    omen_text_source_field fields[FIELDS] = {{.postings = of[0]}, {.postings = of[1]}};
    omen_text_source source = {.fields = fields, .rows = ROWS};
    const omen_text_word words[] = {{(const uint8_t *)"common", 6, 0}, {(const uint8_t *)"next", 4, 1}, {(const uint8_t *)"t05", 3, 0}, {(const uint8_t *)"t051", 4, 0}, {index, 4, 0}};
    const omen_text_item items[] = {{.boost = 1, .words = words, .word_count = 1, .fields = 1}, {.kind = OMEN_TEXT_PHRASE, .boost = 1, .words = words, .word_count = 2, .fields = 1},
                                    {.kind = OMEN_TEXT_PREFIX, .boost = 1, .words = words + 2, .word_count = 1, .fields = 1}, {.kind = OMEN_TEXT_TYPO, .boost = 1, .words = words + 3, .word_count = 1, .edits = 1, .fields = 1},
                                    {.boost = 1, .words = words + 4, .word_count = 1, .fields = 2}};
    static const float weights[FIELDS] = {1, 1};
    omen_status s = OMEN_OK;
    for (size_t i = 0; i < OMEN_ARRAY_LEN(items) && s == OMEN_OK; i++) {
        const omen_text_query q = {.items = items + i, .item_count = 1, .field_weights = weights, .field_count = FIELDS, .k1 = 1.2f, .b = 0.75f};
        omen_text_hit hits[800];
        omen_text_top top;
        omen_text_plan *p = NULL;
        omen_text_search *own = NULL;
        omen_text_top_init(&top, hits, OMEN_ARRAY_LEN(hits));
        s = omen_text_plan_new(&x.mem, &q, &source, 1, &p, &err);
        if (s == OMEN_OK) STEP(s, omen_text_plan_step(p, &err));
        if (s == OMEN_OK) s = omen_text_search_new(p, 0, &top.collector, &own, &err);
        if (s == OMEN_OK) STEP(s, omen_text_search_step(own, &err));
        static const uint32_t due[] = {ROWS, ROWS / 2, ROWS / 10};
        if (s == OMEN_OK && i < 3) CHECK_EQ_UINT(top.count, due[i]);
        omen_text_search_free(own);
        omen_text_plan_free(p);
    }
    return s;
}

static omen_status use(const omen_segment_info *of, int until) {
    omen_segment *seg = NULL;
    omen_postings *p[FIELDS] = {NULL};
    omen_status s;
    err = (omen_error){0};
    STEP(s, omen_segment_open(&x.store, of, &seg, &err));
    for (uint32_t f = 0; f < FIELDS && s == OMEN_OK; f++) STEP(s, omen_postings_open(&x.store, seg, f, &p[f], &err));
    if (until != AT_OPEN) CHECK(s == OMEN_OK || s == OMEN_ERR_IO || s == OMEN_ERR_MEMORY);
    for (uint32_t f = 0; f < FIELDS && s == OMEN_OK && until == AT_CHECK; f++) s = check(p[f]);
    if (s == OMEN_OK && until == AT_SEARCH) s = search(p);
    for (uint32_t f = 0; f < FIELDS; f++) omen_postings_close(p[f]);
    omen_segment_close(seg);
    return s;
}

static void refused_many(const segment_change *changes, size_t count, int where, omen_status status, const char *says) {
    static uint64_t number = 10;
    omen_segment_info copy;
    segment_copy(&x.store, segment, number, changes, count, &copy);
    CHECK_STATUS(use(&copy, where), status);
    if (!CHECK(strstr(err.text, says) != NULL)) printf("        %s: not \"%s\"\n", err.text, says);
    if (status == OMEN_ERR_CORRUPT) CHECK(strstr(err.text, omen_segment_file_name(number).text) != NULL);
    fault_storage_delete(fs, omen_segment_file_name(number++).text);
}

static void refused(segment_change c, int where, const char *says) { refused_many(&c, 1, where, OMEN_ERR_CORRUPT, says); }

#define SET(section, field_of, offset, value) (segment_change){.kind = OMEN_SECTION_TEXT_##section, .field = field_of, .at = offset, .set = true, .number = value}
#define SET_WIDE(section, field_of, offset, value) (segment_change){.kind = OMEN_SECTION_TEXT_##section, .field = field_of, .at = offset, .set = true, .wide = true, .number = value}

TEST(nothing_wrong_is_nothing_told) {
    begin();
    CHECK_OK(use(&info, AT_CHECK));
    CHECK_OK(use(&info, AT_SEARCH));
    end();
}

TEST(descriptions_that_cannot_be) {
    begin();
    refused(SET(META, 0, 0, 7), AT_OPEN, "description is damaged");
    refused(SET(META, 0, 60, 7), AT_OPEN, "description is damaged");
    refused((segment_change){.kind = OMEN_SECTION_TEXT_META, .cut = 4}, AT_OPEN, "description is damaged");
    segment_change newer = SET(META, 0, 8, OMEN_POSTINGS_VERSION + 1);
    refused_many(&newer, 1, AT_OPEN, OMEN_ERR_VERSION, "newer OmenDB");
    refused(SET(META, 0, 12, 3), AT_OPEN, "counts do not agree");
    refused(SET(META, 0, 16, ROWS - 1), AT_OPEN, "counts do not agree");
    refused(SET(META, 0, 20, 7), AT_OPEN, "counts do not agree");
    refused(SET(META, 0, 24, 1), AT_OPEN, "counts do not agree");
    refused(SET(META, 0, 28, 0), AT_OPEN, "counts do not agree");
    refused(SET_WIDE(META, 0, 32, 0), AT_OPEN, "counts do not agree");
    refused(SET_WIDE(META, 0, 32, UINT64_MAX), AT_OPEN, "counts do not agree");
    refused(SET(META, 0, 12, OMEN_POSTINGS_WEIGHTS), AT_OPEN, "lacks a section");
    for (uint32_t kind = OMEN_SECTION_TEXT_TOP; kind <= OMEN_SECTION_TEXT_LENGTHS; kind++) refused((segment_change){.kind = kind, .leave_out = true}, AT_OPEN, "lacks a section");
    refused((segment_change){.kind = OMEN_SECTION_TEXT_HEADS, .cut = 4}, AT_OPEN, "wrong length");
    refused((segment_change){.kind = OMEN_SECTION_TEXT_LENGTHS, .cut = 4}, AT_OPEN, "wrong length");
    refused((segment_change){.kind = OMEN_SECTION_TEXT_TOP, .cut = 8192}, AT_OPEN, "table of its terms has the wrong length");
    refused((segment_change){.kind = OMEN_SECTION_TEXT_TOP, .cut = 4 - (int64_t)omen_segment_section(segment, OMEN_SECTION_TEXT_TOP, 0)->raw_len}, AT_OPEN, "table of its terms has the wrong length");
    refused((segment_change){.kind = OMEN_SECTION_TEXT_TOP, .cut = 4}, AT_OPEN, "table of its terms is damaged");
    end();
}

TEST(tables_of_terms_that_cannot_be) {
    begin();
    enum { GROUPS = 4, STARTS = (GROUPS + 1) * 8 };
    refused(SET_WIDE(TOP, 0, 0, 1), AT_OPEN, "table of its terms is damaged");
    refused(SET_WIDE(TOP, 0, 8, 0), AT_OPEN, "table of its terms is damaged");
    refused(SET_WIDE(TOP, 0, 8, OMEN_POSTINGS_GROUP_HEAD), AT_OPEN, "table of its terms is damaged");
    refused(SET_WIDE(TOP, 0, 8, OMEN_POSTINGS_GROUP_BYTES + 1), AT_OPEN, "table of its terms is damaged");
    refused(SET(TOP, 0, STARTS, 1), AT_OPEN, "table of its terms is damaged");
    refused(SET(TOP, 0, STARTS + 4, 0), AT_OPEN, "table of its terms is damaged");
    refused(SET(TOP, 0, STARTS + 4, OMEN_TERM_BYTES + 1), AT_OPEN, "table of its terms is damaged");
    refused(SET(TOP, 0, STARTS + (GROUPS + 1) * 4, 0x7a7a7a7a), AT_OPEN, "table of its terms is damaged"); /* the first of all comes last */
    end();
}

/* A term's numbers: where the first term of the first group ("common") has its df, and what follows. */
TEST(groups_of_terms_that_cannot_be) {
    begin();
    enum { TERM = OMEN_POSTINGS_GROUP_HEAD, DF = TERM + 2 + 6 /* "common" */, LISTS = DF + 2 };
    static const uint8_t none[1] = {0};
    static uint8_t ones[400];
    memset(ones, 0xff, sizeof ones);
    static const char damaged[] = "group of its terms is damaged";
    for (int where = AT_CHECK; where <= AT_SEARCH; where++) {
        refused(SET(TERMS, 0, 20, 7), where, damaged);
        refused((segment_change){.kind = OMEN_SECTION_TEXT_TERMS, .at = TERM, .bytes = ones, .len = 1}, where, damaged);     /* shared with none */
        refused((segment_change){.kind = OMEN_SECTION_TEXT_TERMS, .at = TERM + 1, .bytes = none, .len = 1}, where, damaged); /* no byte */
        refused((segment_change){.kind = OMEN_SECTION_TEXT_TERMS, .at = DF, .bytes = (const uint8_t[]){0x80, 0x00}, .len = 2}, where, damaged); /* no row */
        refused((segment_change){.kind = OMEN_SECTION_TEXT_TERMS, .at = DF, .bytes = (const uint8_t[]){0xff, 0x7f}, .len = 2}, where, damaged); /* more rows than there are */
        refused((segment_change){.kind = OMEN_SECTION_TEXT_TERMS, .at = DF, .bytes = ones, .len = 12}, where, damaged);      /* numbers that do not end */
        refused((segment_change){.kind = OMEN_SECTION_TEXT_TERMS, .at = LISTS, .bytes = ones, .len = 12}, where, damaged);
        refused((segment_change){.kind = OMEN_SECTION_TEXT_TERMS, .at = LISTS + 2, .bytes = ones, .len = 12}, where, damaged);
        refused(SET_WIDE(TERMS, 0, 0, UINT64_C(1) << 40), where, "outside of their section");
        refused(SET_WIDE(TERMS, 0, 8, UINT64_C(1) << 40), where, "outside of their section");
        refused(SET(TERMS, 0, 16, 1u << 30), where, "outside of their section");
    }
    end();
}

TEST(blocks_of_rows_that_cannot_be) {
    begin();
    enum { ENTRY = OMEN_POSTINGS_HEAD, LAST = 0, LIST = 4, POSITIONS = 8 };
    static const char blocks[] = "blocks of a term are damaged";
    /* "common" has six blocks, and is the first that has any. */
    refused(SET(HEADS, 0, LAST, ROWS), AT_SEARCH, blocks);
    refused(SET(HEADS, 0, LIST, 1), AT_SEARCH, blocks);
    refused(SET(HEADS, 0, POSITIONS, 1), AT_SEARCH, blocks);
    refused(SET(HEADS, 0, ENTRY + LAST, 0), AT_SEARCH, blocks);
    refused(SET(HEADS, 0, ENTRY + LIST, 0), AT_SEARCH, blocks);
    refused(SET(HEADS, 0, 2 * ENTRY + POSITIONS, 1), AT_SEARCH, blocks);
    refused(SET(HEADS, 0, 5 * ENTRY + LIST, UINT32_MAX), AT_SEARCH, blocks);
    refused(SET(HEADS, 0, 5 * ENTRY + POSITIONS, UINT32_MAX), AT_SEARCH, blocks);
    refused(SET(HEADS, 0, LIST, 1), AT_CHECK, blocks);
    refused(SET(HEADS, 0, POSITIONS, 1), AT_CHECK, blocks);
    refused(SET(HEADS, 0, ENTRY + LIST, 0), AT_CHECK, blocks);
    refused(SET(HEADS, 0, ENTRY + LIST, UINT32_MAX), AT_CHECK, blocks);
    refused(SET(HEADS, 0, 2 * ENTRY + POSITIONS, 1), AT_CHECK, blocks);
    refused(SET(HEADS, 0, 2 * ENTRY + POSITIONS, UINT32_MAX), AT_CHECK, blocks);
    refused(SET(HEADS, 0, LAST, 126), AT_CHECK, "what is known of a block");
    refused(SET(HEADS, 0, LAST, 126), AT_SEARCH, "a block of rows of a term is damaged");
    /* A block of weights that is longer than a block can be: the heads lie in order. */
    const segment_change far[] = {SET(HEADS, 1, 1 * ENTRY + LIST, 2000), SET(HEADS, 1, 2 * ENTRY + LIST, 2001), SET(HEADS, 1, 3 * ENTRY + LIST, 2002), SET(HEADS, 1, 4 * ENTRY + LIST, 2003), SET(HEADS, 1, 5 * ENTRY + LIST, 2004)};
    refused_many(far, 5, AT_SEARCH, OMEN_ERR_CORRUPT, "a block of rows of a term is damaged");
    refused_many(far, 5, AT_CHECK, OMEN_ERR_CORRUPT, blocks);
    refused((segment_change){.kind = OMEN_SECTION_TEXT_LISTS, .at = 0, .bytes = "\x21", .len = 1}, AT_CHECK, "a block of rows of a term is damaged");
    refused((segment_change){.kind = OMEN_SECTION_TEXT_LISTS, .at = 0, .bytes = "\x21", .len = 1}, AT_SEARCH, "a block of rows of a term is damaged");
    end();
}

TEST(positions_that_cannot_be) {
    begin();
    static const char says[] = "positions of a term are damaged";
    static uint8_t ones[1000];
    memset(ones, 0xff, sizeof ones);
    /* A step beyond 32 bits; two that are beyond them together; numbers that do not end, in a row that is passed over, or not. */
    static const struct { const char *bytes; size_t len; } wrong[] = {{"\x80\x80\x80\x80\x10", 5}, {"\xff\xff\xff\xff\x0f\xff\xff\xff\xff\x0f", 10}};
    for (int where = AT_CHECK; where <= AT_SEARCH; where++) {
        for (size_t i = 0; i < OMEN_ARRAY_LEN(wrong); i++) refused((segment_change){.kind = OMEN_SECTION_TEXT_POSITIONS, .at = 0, .bytes = wrong[i].bytes, .len = wrong[i].len}, where, says);
        refused((segment_change){.kind = OMEN_SECTION_TEXT_POSITIONS, .at = 0, .bytes = ones, .len = sizeof ones}, where, says);
        refused((segment_change){.kind = OMEN_SECTION_TEXT_POSITIONS, .at = 2, .bytes = ones, .len = sizeof ones}, where, says);
    }
    end();
}

TEST(totals_that_are_not_those_of_the_terms) {
    begin();
    static const char says[] = "totals are not those";
    refused((segment_change){.kind = OMEN_SECTION_TEXT_HEADS, .cut = OMEN_POSTINGS_HEAD}, AT_CHECK, says);
    refused((segment_change){.kind = OMEN_SECTION_TEXT_LISTS, .cut = 4}, AT_CHECK, says);
    refused((segment_change){.kind = OMEN_SECTION_TEXT_POSITIONS, .cut = 4}, AT_CHECK, says);
    refused(SET(META, 0, 28, ROWS - 1), AT_CHECK, ""); /* a df is greater, or the total is */
    refused(SET_WIDE(META, 0, 32, 100000), AT_CHECK, says);
    refused(SET(LENGTHS, 0, 0, 0), AT_CHECK, "what is known of a block");
    refused(SET(HEADS, 0, 12, 0), AT_CHECK, "what is known of a block");
    end();
}

TEST(words_of_no_length_are_not_there) {
    begin();
    omen_postings *p = NULL;
    omen_term_ref ref;
    static omen_term_group group;
    uint8_t longest[OMEN_TERM_BYTES + 1];
    memset(longest, 'x', sizeof longest);
    CHECK_OK(omen_postings_open(&x.store, segment, 0, &p, &err));
    CHECK_OK(omen_terms_find(p, &group, longest, 0, &ref, &err));
    CHECK_EQ_UINT(ref.df, 0);
    CHECK_OK(omen_terms_find(p, &group, longest, sizeof longest, &ref, &err));
    CHECK_EQ_UINT(ref.df, 0);
    CHECK_OK(omen_terms_find(p, &group, (const uint8_t *)"common", 6, &ref, &err));
    CHECK_EQ_UINT(ref.df, ROWS);
    omen_postings_close(p);
    end();
}

/* Words are bytes: what is no UTF-8 counts byte by byte, and ends with the word. */
TEST(words_that_are_no_text) {
    static const struct { const char *bytes; uint32_t chars; } words[] = {{"\xf5\x80", 2}, {"a\xe2\x82", 3}, {"\xff", 1}, {"\xf0\x9f\x98\x80", 1}, {"\xc3", 1}, {"\xc3\xa9t", 2}};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(words); i++) CHECK_EQ_UINT(omen_terms_chars((const uint8_t *)words[i].bytes, strlen(words[i].bytes)), words[i].chars);
    /* Of words that are too long no typos are looked for. */
    static omen_term_match m;
    uint8_t word[OMEN_TYPO_CHARS + 1];
    uint32_t edits = 9, dead = 0;
    memset(word, 'w', sizeof word);
    omen_term_match_init(&m, word, sizeof word, false, 2, 0);
    CHECK(m.edits == 0 && m.fixed == sizeof word);
    CHECK(omen_term_matches(&m, word, sizeof word, 0, &edits, &dead) && edits == 0);
    CHECK(!omen_term_matches(&m, word, sizeof word - 1, 0, &edits, &dead));
}

TEST(each_read_and_each_allocation_that_fails_is_told) {
    begin();
    for (int until = AT_CHECK; until <= AT_SEARCH; until++)
        for (int what = 0; what < 2; what++)
            for (uint64_t at = 1;; at += TEST_EMULATED ? 1 + at / 3 : 1) {
                segment_forget_next(&x);
                if (what == 0) fault_storage_fail_at(fs, at, OMEN_ERR_IO, true);
                else fault_host_fail_alloc_at(x.host, at, true);
                omen_status s = use(&info, until);
                bool hit = what == 0 ? fault_storage_fault_hit(fs) : fault_host_fault_hit(x.host);
                fault_storage_fail_at(fs, 0, OMEN_OK, false);
                fault_host_fail_alloc_at(x.host, 0, false);
                CHECK_STATUS(s, !hit ? OMEN_OK : what == 0 ? OMEN_ERR_IO : OMEN_ERR_MEMORY);
                if (!hit) break;
                CHECK(err.text[0] != 0);
            }
    fault_storage_on_call(fs, NULL, NULL);
    end();
}

TEST_MAIN()
