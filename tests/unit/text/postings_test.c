/* Postings as they are written and read back: every term, row, count and position; the same bytes again; prefixes and typos; damage. */
#include "test.h"

#include "text_model.h"

static omen_status verify(const omen_postings *p, omen_error *err) {
    omen_postings_check *c = NULL;
    omen_status s;
    STEP(s, omen_postings_verify(p, &c, err));
    CHECK(c == NULL);
    return s;
}

TEST(a_length_is_its_code_or_a_little_more) {
    uint32_t last = 0;
    for (uint32_t n = 0; n < 600000; n += 1 + n / 300) {
        uint8_t code = omen_length_code(n);
        uint32_t of = omen_length_of(code);
        CHECK(of <= n && of >= last && omen_length_code(of) == code);
        if (n < 32) CHECK_EQ_UINT(of, n);
        if (n < 507904) CHECK((n - of) * 17 <= n);
        last = of;
    }
    for (uint32_t c = 0; c < 255; c++) CHECK(omen_length_of((uint8_t)c) < omen_length_of((uint8_t)(c + 1)));
    CHECK_EQ_UINT(omen_length_code(UINT32_MAX), 255);
}

TEST(an_impact_covers_what_was_added) {
    for (unsigned round = 0; round < 2000; round++) {
        omen_impact i = {{0}};
        uint32_t counts[40], n = 1 + (uint32_t)test_rand_below(40);
        uint8_t lengths[40];
        for (uint32_t k = 0; k < n; k++) {
            counts[k] = 1 + (uint32_t)test_rand_below(test_rand_below(3) == 0 ? 400 : 8);
            lengths[k] = (uint8_t)test_rand_below(256);
            omen_impact_add(&i, counts[k], lengths[k]);
        }
        uint8_t most = 0, least = 255;
        for (uint32_t k = 0; k < n; k++) {
            CHECK(omen_impact_covers(&i, counts[k], lengths[k]));
            if (counts[k] > most) most = counts[k] > 255 ? 255 : (uint8_t)counts[k];
            if (lengths[k] < least) least = lengths[k];
        }
        /* Not beyond what there is: no greater count and no smaller length than any, and ascending. */
        for (unsigned p = 0; p < 8; p += 2) {
            CHECK(i.bytes[p] <= most && (i.bytes[p] == 0 || i.bytes[p + 1] >= least));
            CHECK(p == 0 || i.bytes[p] == 0 || (i.bytes[p] > i.bytes[p - 2] && i.bytes[p + 1] > i.bytes[p - 1]));
        }
    }
}

/* ---- what was written is what is read ---- */

static uint32_t count_in(const model_doc *doc, uint32_t f, uint32_t word, uint32_t *positions, float *weight) {
    uint32_t n = 0;
    for (uint32_t t = 0; t < doc->count[f]; t++) {
        if (doc->tokens[f][t].word != word) continue;
        positions[n++] = doc->tokens[f][t].position;
        *weight = doc->tokens[f][t].weight;
    }
    return n;
}

/* Reads a whole list plainly, by the words of postings.h, and compares. */
static void check_list(text_model *m, uint32_t part, uint32_t f, uint32_t word, const omen_term_ref *r) {
    const omen_postings *p = m->postings[part][f];
    uint32_t df = 0, rows[OMEN_POSTINGS_BLOCK], counts[OMEN_POSTINGS_BLOCK], before = UINT32_MAX, found[1024], in_block = 0, at = 0, left = r->df;
    uint8_t *list = malloc((size_t)r->lists_len + OMEN_POSTINGS_SLACK), *places = malloc((size_t)r->positions_len + 1);
    size_t done = 0, used = 0, from = 0;
    omen_status s;
    STEP(s, omen_segment_read(m->segments[part], p->lists, r->lists, (size_t)r->lists_len, list, &done, NULL));
    CHECK_OK(s);
    done = 0;
    if (p->positions != NULL) STEP(s, omen_segment_read(m->segments[part], p->positions, r->positions, (size_t)r->positions_len, places, &done, NULL));
    const uint8_t *place = places, *end = places + r->positions_len;
    for (uint32_t d = m->start[part]; d < m->start[part + 1]; d++) {
        float weight = 0;
        uint32_t n = count_in(&m->docs[d], f, word, found, &weight), got;
        if (n == 0) continue;
        df++;
        if (at == in_block) {
            in_block = left < OMEN_POSTINGS_BLOCK ? left : OMEN_POSTINGS_BLOCK;
            REQUIRE(in_block != 0);
            REQUIRE(omen_postings_unpack(list + from, (size_t)r->lists_len - from, in_block, before, p->rows, f == MODEL_SPARSE, rows, counts, &used));
            from += used;
            left -= in_block;
            at = 0;
            before = rows[in_block - 1];
        }
        CHECK_EQ_UINT(rows[at], d - m->start[part]);
        got = counts[at++];
        if (f == MODEL_SPARSE) {
            CHECK_MEM(&got, &weight, 4);
            continue;
        }
        CHECK_EQ_UINT(got, n);
        uint64_t position = 0, step;
        for (uint32_t i = 0; i < n; i++) {
            place = omen_postings_varint(place, end, &step);
            REQUIRE(place != NULL);
            position += step;
            CHECK_EQ_UINT(position, found[i]);
        }
    }
    CHECK_EQ_UINT(r->df, df);
    CHECK_EQ_UINT(from, r->lists_len);
    if (p->positions != NULL) CHECK(place == end);
    free(list);
    free(places);
}

static void round_trip(uint32_t count, uint32_t words, unsigned pending) {
    text_model m;
    text_model_init(&m, count, words, 2, false);
    fault_storage_set_pending(m.fs, pending);
    omen_term_group *g = calloc(1, sizeof *g);
    for (uint32_t part = 0; part < 2; part++) {
        for (uint32_t f = 0; f < MODEL_FIELDS; f++) {
            const omen_postings *p = m.postings[part][f];
            omen_error err = {0};
            REQUIRE(p != NULL);
            if (!CHECK_OK(verify(p, &err))) printf("        %s\n", err.text);
            CHECK_EQ_UINT(p->rows, m.start[part + 1] - m.start[part]);
            CHECK_EQ_UINT(p->tag, 7 + f);
            uint64_t total = 0;
            uint32_t with = 0, terms = 0, all = f == MODEL_SPARSE ? 300 : m.words;
            for (uint32_t d = m.start[part]; d < m.start[part + 1]; d++) {
                total += m.docs[d].count[f];
                with += m.docs[d].count[f] != 0;
            }
            CHECK_EQ_UINT(p->total_length, total);
            CHECK_EQ_UINT(p->rows_with, with);
            for (uint32_t w = 0; w < all; w++) {
                uint8_t index[4];
                omen_term_ref r;
                omen_status s;
                omen_postings_index_term(w, index);
                const uint8_t *term = f == MODEL_SPARSE ? index : m.vocabulary[w].bytes;
                STEP(s, omen_terms_find(p, g, term, f == MODEL_SPARSE ? 4 : m.vocabulary[w].len, &r, &err));
                CHECK_OK(s);
                terms += r.df != 0;
                if (r.df != 0 || w % 8 == 0) check_list(&m, part, f, w, &r);
            }
            CHECK_EQ_UINT(p->term_count, terms);
        }
    }
    free(g);
    CHECK_EQ_UINT(text_model_deinit(&m), 0);
}

TEST(what_is_written_is_read) { round_trip(600, 400, 0); }
TEST(what_is_written_is_read_of_long_lists) { round_trip(6000, 40, 0); }
TEST(what_is_written_is_read_when_storage_pends) { round_trip(300, 200, 60); }

TEST(the_same_rows_give_the_same_bytes) {
    text_model m;
    text_model_init(&m, 500, 300, 1, false);
    omen_hash128 first = m.info[0].hash;
    model_close_part(&m, 0);
    model_write_part(&m, 0, 50);
    CHECK(omen_hash128_equal(&first, &m.info[0].hash));
    CHECK_OK(model_open_part(&m, 0, NULL));
    for (uint32_t f = 0; f < MODEL_FIELDS; f++) m.fields[0][f].postings = m.postings[0][f];
    CHECK_EQ_UINT(text_model_deinit(&m), 0);
}

static omen_segment *write_one(text_model *m, omen_postings_builder *b, uint32_t rows, uint64_t number, omen_segment_info *info) {
    omen_segment_writer *w;
    omen_segment *seg = NULL;
    omen_status s;
    STEP(s, omen_segment_writer_new(&m->x.store, number, &w, NULL));
    CHECK_OK(omen_postings_builder_write(b, w, 9, rows, NULL));
    STEP(s, omen_segment_writer_finish(w, info, NULL));
    omen_segment_writer_free(w);
    STEP(s, omen_segment_open(&m->x.store, info, &seg, NULL));
    CHECK_OK(s);
    return seg;
}

TEST(nothing_and_a_term_of_every_length) {
    text_model m;
    text_model_init(&m, 10, 10, 1, false);
    for (unsigned round = 0; round < 3; round++) {
        omen_postings_options o = {.positions = round == 1};
        omen_postings_builder *b;
        omen_segment_info info;
        omen_postings *p = NULL;
        omen_status s;
        uint8_t term[OMEN_TERM_BYTES];
        memset(term, 0xff, sizeof term);
        REQUIRE_OK(omen_postings_builder_new(&m.x.mem, &o, &b));
        if (round != 0) {
            CHECK_OK(omen_postings_row(b, 3));
            for (uint32_t len = 1; len <= OMEN_TERM_BYTES; len++) CHECK_OK(omen_postings_add(b, term, len, UINT32_MAX - 256 + len));
        }
        omen_segment *seg = write_one(&m, b, round == 0 ? 0 : 7, 70 + round, &info);
        omen_postings_builder_free(b);
        STEP(s, omen_postings_open(&m.x.store, seg, 9, &p, NULL));
        REQUIRE_OK(s);
        CHECK_OK(verify(p, NULL));
        CHECK_EQ_UINT(p->term_count, round == 0 ? 0 : OMEN_TERM_BYTES);
        omen_term_group *g = calloc(1, sizeof *g);
        omen_term_ref r;
        CHECK_OK(omen_terms_find(p, g, term, OMEN_TERM_BYTES, &r, NULL));
        CHECK_EQ_UINT(r.df, round != 0);
        free(g);
        omen_postings_close(p);
        p = NULL;
        CHECK_OK(omen_postings_open(&m.x.store, seg, 8, &p, NULL)); /* a field that is not there */
        CHECK(p == NULL);
        omen_segment_close(seg);
    }
    CHECK_EQ_UINT(text_model_deinit(&m), 0);
}

TEST(counts_beyond_the_largest_are_the_largest) {
    text_model m;
    text_model_init(&m, 10, 10, 1, false);
    omen_postings_options o = {0};
    omen_postings_builder *b;
    omen_segment_info info;
    omen_postings *p = NULL;
    REQUIRE_OK(omen_postings_builder_new(&m.x.mem, &o, &b));
    CHECK_OK(omen_postings_row(b, 0));
    for (uint32_t i = 0; i < OMEN_POSTINGS_COUNT_MAX + 5; i++)
        if (omen_postings_add(b, "a", 1, i) != OMEN_OK) CHECK(false);
    omen_segment *seg = write_one(&m, b, 1, 70, &info);
    omen_postings_builder_free(b);
    CHECK_OK(omen_postings_open(&m.x.store, seg, 9, &p, NULL));
    CHECK_OK(verify(p, NULL));
    CHECK_EQ_UINT(p->total_length, OMEN_POSTINGS_COUNT_MAX + 5);
    omen_postings_close(p);
    omen_segment_close(seg);
    CHECK_EQ_UINT(text_model_deinit(&m), 0);
}

TEST(memory_that_runs_out_is_said) {
    text_model m;
    text_model_init(&m, 300, 200, 1, false);
    uint64_t base = atomic_load(&m.x.mem.bytes);
    unsigned failed = 0, done = 0;
    for (uint64_t more = 1000; done < 3 && more < 1u << 26; more = more * 5 / 4) {
        omen_postings_options o = {.positions = true};
        omen_postings_builder *b;
        omen_segment_writer *w = NULL;
        omen_segment_info info;
        omen_status s, t;
        omen_error err = {0};
        STEP(t, omen_segment_writer_new(&m.x.store, 90, &w, NULL));
        CHECK_OK(t);
        m.x.mem.limit = atomic_load(&m.x.mem.bytes) + more;
        s = omen_postings_builder_new(&m.x.mem, &o, &b);
        for (uint32_t d = 0; d < m.count && s == OMEN_OK; d++) {
            s = omen_postings_row(b, d);
            for (uint32_t t2 = 0; t2 < m.docs[d].count[1] && s == OMEN_OK; t2++) {
                const model_word *v = &m.vocabulary[m.docs[d].tokens[1][t2].word];
                s = omen_postings_add(b, v->bytes, v->len, m.docs[d].tokens[1][t2].position);
            }
        }
        if (s == OMEN_OK) s = omen_postings_builder_write(b, w, 0, m.count, &err);
        omen_postings_builder_free(b);
        m.x.mem.limit = 0;
        CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY);
        failed += s != OMEN_OK;
        done += s == OMEN_OK;
        if (s == OMEN_OK) STEP(t, omen_segment_writer_finish(w, &info, NULL));
        omen_segment_writer_free(w);
        fault_storage_delete(m.fs, omen_segment_file_name(90).text);
    }
    CHECK(failed > 5 && done == 3);
    CHECK_EQ_UINT(atomic_load(&m.x.mem.bytes), base);
    CHECK_EQ_UINT(text_model_deinit(&m), 0);
}

/* ---- prefixes and typos ---- */

typedef struct catch { const text_model *m; uint32_t part, memory; uint8_t last[OMEN_TERM_BYTES]; uint32_t last_len, count; uint64_t sum; } catch;

static omen_status caught(void *arg, const uint8_t *term, uint32_t len, uint32_t df, uint32_t edits) {
    catch *c = arg;
    CHECK(c->count == 0 || omen_terms_compare(c->last, c->last_len, term, len) < 0);
    memcpy(c->last, term, len);
    c->last_len = len;
    c->count++;
    c->sum += (uint64_t)df * 31 + edits * 7 + omen_hash64(term, len, df);
    return OMEN_OK;
}

TEST(a_walk_passes_over_nothing_that_matches) {
    text_model m;
    text_model_init(&m, 1200, 3000, 2, true);
    omen_term_group *g = calloc(1, sizeof *g);
    omen_term_match *match = malloc(sizeof *match);
    fault_storage_set_pending(m.fs, 30);
    uint64_t looked = 0, terms = 0, some = 0;
    for (unsigned n = 0; n < 600; n++) {
        const model_word *w = &m.vocabulary[test_rand_below(m.words)];
        bool prefix = n % 4 == 0, memory = n % 3 == 0;
        uint32_t len = prefix ? 1 + (uint32_t)test_rand_below(w->len) : w->len, edits = (uint32_t)test_rand_below(3), exact = (uint32_t)test_rand_below(3);
        catch got = {.m = &m}, want = {.m = &m};
        omen_terms_scan scan = {0};
        omen_status s;
        omen_term_match_init(match, w->bytes, len, prefix, edits, exact);
        if (memory) s = omen_text_memory_scan(m.memory[1], m.sources[1].rows, match, caught, &got);
        else STEP(s, omen_terms_scan_step(m.postings[0][1], &scan, match, g, caught, &got, NULL));
        CHECK_OK(s);
        looked += scan.terms;
        terms += memory ? 0 : m.postings[0][1]->term_count;
        /* Asked about every term one by one, without passing over any. */
        for (uint32_t group = 0; group < m.postings[0][1]->groups && !memory; group++) {
            omen_term_walk walk;
            bool more;
            STEP(s, omen_terms_load(m.postings[0][1], group, g, NULL));
            CHECK_OK(omen_terms_walk(g, &walk, NULL));
            for (;;) {
                uint32_t e, dead;
                REQUIRE_OK(omen_terms_next(m.postings[0][1], &walk, &more, NULL));
                if (!more) break;
                omen_term_match_init(match, w->bytes, len, prefix, edits, exact);
                if (omen_term_matches(match, walk.term, walk.len, 0, &e, &dead)) (void)caught(&want, walk.term, walk.len, walk.ref.df, e);
            }
        }
        if (!memory) CHECK(got.count == want.count && got.sum == want.sum);
        some += got.count > 1;
    }
    CHECK(some > 100);
    CHECK(looked < terms / 2); /* a good part is passed over */
    free(g);
    free(match);
    CHECK_EQ_UINT(text_model_deinit(&m), 0);
}

TEST(typos_are_counted_as_people_make_them) {
    static const struct { const char *word, *term; uint32_t edits; } cases[] = {
        {"house", "house", 0}, {"house", "hose", 1}, {"house", "houses", 1}, {"house", "mouse", 1}, {"house", "huose", 1}, {"house", "hoesu", 2}, {"house", "horses", 2}, {"caf\xc3\xa9", "cafe", 1},
        {"caf\xc3\xa9", "caf", 1}, {"\xe6\xbc\xa2\xe5\xad\x97", "\xe5\xad\x97\xe6\xbc\xa2", 1}, {"abcdef", "abdcfe", 2}, {"house", "mice", 9}, {"house", "h", 9}, {"a\xff" "b", "ab", 1}};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(cases); i++) {
        omen_term_match m;
        uint32_t edits, dead;
        omen_term_match_init(&m, (const uint8_t *)cases[i].word, (uint32_t)strlen(cases[i].word), false, 2, 0);
        bool match = omen_term_matches(&m, (const uint8_t *)cases[i].term, (uint32_t)strlen(cases[i].term), 0, &edits, &dead);
        CHECK_EQ_INT(match, cases[i].edits <= 2);
        if (match) CHECK_EQ_UINT(edits, cases[i].edits);
    }
    CHECK_EQ_UINT(omen_terms_chars((const uint8_t *)"caf\xc3\xa9\xff", 6), 5);
}

/* ---- damage ---- */

#define KINDS 7u

typedef struct content { uint8_t *bytes[MODEL_FIELDS][KINDS]; size_t len[MODEL_FIELDS][KINDS]; bool there[MODEL_FIELDS][KINDS]; } content;

static void content_read(content *c, text_model *m) {
    memset(c, 0, sizeof *c);
    for (uint32_t f = 0; f < MODEL_FIELDS; f++) {
        for (uint32_t k = 0; k < KINDS; k++) {
            const omen_section *sec = omen_segment_section(m->segments[0], OMEN_SECTION_TEXT_META + k, f);
            size_t done = 0;
            c->there[f][k] = sec != NULL;
            if (sec == NULL) continue;
            c->len[f][k] = (size_t)sec->raw_len;
            c->bytes[f][k] = malloc(c->len[f][k] + 64);
            omen_status s = OMEN_OK;
            if (c->len[f][k] != 0) STEP(s, omen_segment_read(m->segments[0], sec, 0, c->len[f][k], c->bytes[f][k], &done, NULL));
            CHECK_OK(s);
        }
    }
}

static void content_free(content *c) {
    for (uint32_t f = 0; f < MODEL_FIELDS; f++)
        for (uint32_t k = 0; k < KINDS; k++) free(c->bytes[f][k]);
}

static omen_status keep(omen_text_collector *self, uint32_t source, uint32_t row, float score, omen_error *err) {
    (void)self, (void)source, (void)err;
    CHECK(row < 1000000);
    CHECK(score == score);
    return OMEN_OK;
}

/* Queries of every kind; each ends well or says what is wrong. */
static void search_within_bounds(text_model *m, omen_text_source *source) {
    for (unsigned n = 0; n < 12; n++) {
        const model_word *a = &m->vocabulary[model_skewed(m->words)], *b = &m->vocabulary[model_skewed(m->words)];
        uint8_t index[4];
        omen_postings_index_term(model_skewed(300), index);
        omen_text_word words[5] = {{a->bytes, a->len, 0}, {b->bytes, b->len, 1}, {a->bytes, 1, 0}, {b->bytes, b->len, 0}, {index, 4, 0}};
        omen_text_item items[5] = {{.boost = 1, .words = words, .word_count = 1, .fields = 3}, {.kind = OMEN_TEXT_PHRASE, .boost = 1, .words = words, .word_count = 2, .fields = 3}, {.kind = OMEN_TEXT_PREFIX, .boost = 1, .words = words + 2, .word_count = 1, .fields = 3},
                                   {.kind = OMEN_TEXT_TYPO, .boost = 1, .words = words + 3, .word_count = 1, .edits = 2, .fields = 3}, {.boost = -1, .words = words + 4, .word_count = 1, .fields = 4}};
        float weights[MODEL_FIELDS] = {1, 1, 1};
        omen_text_query q = {.items = items + n % 5, .item_count = n % 5 == 4 ? 1 : 2 - (n % 5 == 3), .field_weights = weights, .field_count = MODEL_FIELDS, .k1 = 1.2f, .b = 0.75f};
        omen_text_plan *p;
        omen_text_search *x = NULL;
        omen_text_hit hits[10];
        omen_text_top top;
        omen_text_collector all = {.threshold = -__builtin_inff(), .offer = keep};
        omen_status s;
        omen_error err = {0};
        if (n % 2 == 0) items[n % 5].occur = OMEN_TEXT_MUST;
        omen_text_top_init(&top, hits, 10);
        s = omen_text_plan_new(&m->x.mem, &q, source, 1, &p, &err);
        CHECK_OK(s);
        if (s == OMEN_OK) STEP(s, omen_text_plan_step(p, &err));
        if (s == OMEN_OK) s = omen_text_search_new(p, 0, n % 3 == 0 ? &all : &top.collector, &x, &err);
        if (s == OMEN_OK) STEP(s, omen_text_search_step(x, &err));
        CHECK(s == OMEN_OK || s == OMEN_ERR_CORRUPT || s == OMEN_ERR_INVALID);
        if (s == OMEN_ERR_CORRUPT) CHECK(strstr(err.text, "seg-") != NULL);
        for (uint32_t i = 0; i < top.count; i++) CHECK(hits[i].row < source->rows);
        omen_text_search_free(x);
        omen_text_plan_free(p);
    }
}

/* Writes what there is with checksums that are right, opens, searches and checks it. */
static omen_status content_try(const content *c, text_model *m) {
    omen_segment_writer *w;
    omen_segment_info info;
    omen_segment *seg = NULL;
    omen_postings *p[MODEL_FIELDS] = {NULL};
    omen_text_source_field fields[MODEL_FIELDS] = {{NULL, NULL}};
    omen_error err = {0};
    omen_status s, bad = OMEN_OK;
    STEP(s, omen_segment_writer_new(&m->x.store, 100, &w, NULL));
    for (uint32_t f = 0; f < MODEL_FIELDS; f++) {
        for (uint32_t k = 0; k < KINDS; k++) {
            if (!c->there[f][k]) continue;
            CHECK_OK(omen_segment_section_begin(w, OMEN_SECTION_TEXT_META + k, f, 0, k == 0 ? 64 : OMEN_BLOCK_BYTES, NULL));
            CHECK_OK(omen_segment_section_write(w, c->bytes[f][k], c->len[f][k], NULL));
            CHECK_OK(omen_segment_section_end(w, NULL));
        }
    }
    STEP(s, omen_segment_writer_finish(w, &info, NULL));
    CHECK_OK(s);
    omen_segment_writer_free(w);
    STEP(s, omen_segment_open(&m->x.store, &info, &seg, NULL));
    CHECK_OK(s);
    for (uint32_t f = 0; f < MODEL_FIELDS; f++) {
        STEP(s, omen_postings_open(&m->x.store, seg, f, &p[f], &err));
        CHECK(s == OMEN_OK || s == OMEN_ERR_CORRUPT || s == OMEN_ERR_VERSION);
        if (s != OMEN_OK) bad = s;
        fields[f].postings = p[f];
        if (s == OMEN_OK && p[f] != NULL && p[f]->rows != m->sources[0].rows) { /* the caller knows how many rows a part has */
            bad = OMEN_ERR_CORRUPT;
            fields[f].postings = NULL;
        }
    }
    omen_text_source source = {.fields = fields, .rows = m->sources[0].rows};
    search_within_bounds(m, &source);
    for (uint32_t f = 0; f < MODEL_FIELDS; f++) {
        if (p[f] != NULL && (s = verify(p[f], &err)) != OMEN_OK) bad = s;
        omen_postings_close(p[f]);
    }
    omen_segment_close(seg);
    fault_storage_delete(m->fs, omen_segment_file_name(100).text);
    return bad;
}

static void damage(uint32_t count, uint32_t words, unsigned rounds) {
    text_model m;
    text_model_init(&m, count, words, 1, false);
    content c;
    content_read(&c, &m);
    CHECK_OK(content_try(&c, &m));
    unsigned noticed[KINDS] = {0}, tried[KINDS] = {0};
    for (unsigned n = 0; n < rounds; n++) {
        uint32_t f = (uint32_t)test_rand_below(MODEL_FIELDS), k = n % KINDS;
        if (!c.there[f][k] || c.len[f][k] == 0) continue;
        size_t at = (size_t)test_rand_below(test_rand_below(3) == 0 && c.len[f][k] > 64 ? 64 : c.len[f][k]);
        uint8_t was = c.bytes[f][k][at];
        size_t len = c.len[f][k];
        unsigned how = (unsigned)test_rand_below(4);
        if (how == 0) c.bytes[f][k][at] = 0xff;
        else if (how == 1) c.bytes[f][k][at] = (uint8_t)test_rand();
        else if (how == 2) c.bytes[f][k][at] ^= (uint8_t)(1u << test_rand_below(8));
        else if (n % 2 == 0) c.len[f][k] = at;
        else c.there[f][k] = false;
        bool changed = how == 3 || c.bytes[f][k][at] != was;
        omen_status s = content_try(&c, &m);
        tried[k] += changed;
        noticed[k] += changed && s != OMEN_OK;
        /* All but a tag, a position, a weight, or an impact that is larger than it need be, is noticed. */
        if (changed && (how == 3 || k == 1) && !(how == 3 && k == 0 && n % 2 == 1)) CHECK(s != OMEN_OK);
        c.bytes[f][k][at] = was;
        c.len[f][k] = len;
        c.there[f][k] = true;
    }
    for (unsigned k = 0; k < KINDS; k++)
        if (tried[k] > 20) CHECK(noticed[k] * 4 > tried[k]);
    CHECK_OK(content_try(&c, &m));
    content_free(&c);
    CHECK_EQ_UINT(text_model_deinit(&m), 0);
}

TEST(damage_is_noticed_or_harmless) { damage(250, 120, 1400); }
TEST(damage_of_long_lists_is_noticed_or_harmless) { damage(1500, 25, 600); }

TEST(blocks_of_noise_stay_within_bounds) {
    uint8_t bytes[OMEN_POSTINGS_BLOCK_BYTES + OMEN_POSTINGS_SLACK];
    uint32_t rows[OMEN_POSTINGS_BLOCK], counts[OMEN_POSTINGS_BLOCK], good = 0;
    for (unsigned n = 0; n < 50000; n++) {
        size_t len = (size_t)test_rand_below(OMEN_POSTINGS_BLOCK_BYTES + 1), used;
        uint32_t count = (uint32_t)test_rand_below(140), before = test_rand_below(2) == 0 ? UINT32_MAX : (uint32_t)test_rand(), end = (uint32_t)test_rand() >> test_rand_below(32);
        for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)test_rand();
        bytes[0] = (uint8_t)test_rand_below(36);
        bytes[1] = (uint8_t)test_rand_below(36);
        if (!omen_postings_unpack(bytes, len, count, before, end, n % 5 == 0, rows, counts, &used)) continue;
        good++;
        CHECK(used <= len);
        for (uint32_t i = 0; i < count; i++) CHECK(rows[i] < end && (i == 0 ? before == UINT32_MAX || rows[i] > before : rows[i] > rows[i - 1]));
    }
    CHECK(good > 100);
}

TEST_MAIN()
