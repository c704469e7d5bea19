/* The search against a plain one: every document is scored by the words of the header, and scores, hits and their order are equal to the last bit. */
#include "test.h"

#include <math.h>

#include "text_model.h"

/* ---- the plain search ---- */

/* Restricted Damerau distance, over characters, in full. */
static uint32_t distance(const model_word *a, const uint8_t *b, uint32_t b_len) {
    uint32_t x[300], y[300], n = 0, k = 0, t[66][66];
    for (uint32_t i = 0; i < a->len; i++) {
        if ((a->bytes[i] & 0xc0) != 0x80) x[n++] = 0;
        x[n - 1] = x[n - 1] << 8 | a->bytes[i];
    }
    for (uint32_t i = 0; i < b_len; i++) {
        if ((b[i] & 0xc0) != 0x80) y[k++] = 0;
        y[k - 1] = y[k - 1] << 8 | b[i];
    }
    if (n > 65 || k > 65) return 1000;
    for (uint32_t i = 0; i <= n; i++) {
        for (uint32_t j = 0; j <= k; j++) {
            uint32_t best = i == 0 ? j : j == 0 ? i : t[i - 1][j - 1] + (x[i - 1] != y[j - 1]);
            if (i != 0 && j != 0) {
                if (t[i - 1][j] + 1 < best) best = t[i - 1][j] + 1;
                if (t[i][j - 1] + 1 < best) best = t[i][j - 1] + 1;
                if (i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1] && t[i - 2][j - 2] + 1 < best) best = t[i - 2][j - 2] + 1;
            }
            t[i][j] = best;
        }
    }
    return t[n][k];
}

typedef struct plain_term { uint32_t words[4], count, item, field, edits, order; uint64_t df; float weight; } plain_term;
typedef struct plain {
    text_model *m;
    const omen_text_query *q;
    uint64_t with[MODEL_FIELDS], length[MODEL_FIELDS];
    uint32_t (*df)[MODEL_FIELDS]; /* of each word */
    float inverse[MODEL_FIELDS][256];
    plain_term *terms;
    uint32_t count;
    const bool *sees;
} plain;

static uint32_t word_of(const text_model *m, const omen_text_word *w) {
    uint32_t i = 0;
    while (i < m->words && (m->vocabulary[i].len != w->len || memcmp(m->vocabulary[i].bytes, w->term, w->len) != 0)) i++;
    return i;
}

static const text_model *sort_model;
static const plain *sort_plain;
static uint32_t sort_field;
static int by_bytes(const void *a, const void *b) {
    const plain_term *x = a, *y = b;
    return model_word_compare(&sort_model->vocabulary[x->words[0]], &sort_model->vocabulary[y->words[0]]);
}
static int by_rank(const void *a, const void *b) {
    const plain_term *x = a, *y = b;
    if (x->edits != y->edits) return x->edits < y->edits ? -1 : 1;
    if (x->df != y->df) return x->df > y->df ? -1 : 1;
    return by_bytes(a, b);
}
static int by_weight(const void *a, const void *b) {
    const plain_term *x = a, *y = b;
    if (fabsf(x->weight) != fabsf(y->weight)) return fabsf(x->weight) > fabsf(y->weight) ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static double plain_idf(uint64_t n, uint64_t df) {
    double got = omen_bm25_idf(n, df), want = log(1.0 + ((double)n - (double)df + 0.5) / ((double)df + 0.5));
    CHECK(fabs(got - want) <= 1e-14 * (1 + want));
    return got;
}

static uint64_t plain_df(const plain *p, uint32_t word, uint32_t field) { return word < (field == MODEL_SPARSE ? 300 : p->m->words) ? p->df[word][field] : 0; }

static void plain_init(plain *p, text_model *m, const omen_text_query *q, const bool *sees) {
    uint32_t words = m->words < 300 ? 300 : m->words;
    *p = (plain){.m = m, .q = q, .sees = sees};
    p->df = calloc(words, sizeof *p->df);
    p->terms = calloc(65536, sizeof *p->terms);
    for (uint32_t d = 0; d < m->count; d++) {
        if (!sees[d]) continue;
        for (uint32_t f = 0; f < MODEL_FIELDS; f++) {
            const model_doc *doc = &m->docs[d];
            p->with[f] += doc->count[f] != 0;
            p->length[f] += doc->count[f];
            for (uint32_t t = 0; t < doc->count[f]; t++) {
                bool again = false;
                for (uint32_t u = 0; u < t && !again; u++) again = doc->tokens[f][u].word == doc->tokens[f][t].word;
                p->df[doc->tokens[f][t].word][f] += !again;
            }
        }
    }
    for (uint32_t f = 0; f < MODEL_FIELDS; f++) {
        double mean = p->with[f] == 0 ? 1.0 : (double)p->length[f] / (double)p->with[f];
        for (uint32_t c = 0; c < 256; c++) {
            double k = (double)q->k1 * (1.0 - (double)q->b + (double)q->b * omen_length_of((uint8_t)c) / mean);
            p->inverse[f][c] = k < 1e-30 ? INFINITY : (float)(1.0 / k);
        }
    }
    for (uint32_t i = 0; i < q->item_count; i++) {
        const omen_text_item *t = &q->items[i];
        for (uint32_t f = 0; f < q->field_count; f++) {
            uint32_t first = p->count;
            if (t->fields != 0 && (t->fields >> f & 1) == 0) continue;
            if (f == MODEL_SPARSE && t->kind != OMEN_TEXT_WORD) continue;
            if (t->kind == OMEN_TEXT_WORD || t->kind == OMEN_TEXT_PHRASE) {
                plain_term *n = &p->terms[p->count++];
                *n = (plain_term){.count = t->word_count, .item = i, .field = f};
                for (uint32_t w = 0; w < t->word_count; w++) {
                    const uint8_t *b = t->words[w].term;
                    n->words[w] = f == MODEL_SPARSE ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3] : word_of(m, &t->words[w]);
                }
            } else {
                for (uint32_t w = 0; w < m->words; w++) {
                    const model_word *v = &m->vocabulary[w];
                    plain_term n = {.words = {w}, .count = 1, .item = i, .field = f, .df = p->df[w][f]};
                    if (n.df == 0) continue;
                    if (t->kind == OMEN_TEXT_PREFIX) {
                        if (v->len < t->words->len || memcmp(v->bytes, t->words->term, t->words->len) != 0) continue;
                        n.edits = v->len != t->words->len;
                    } else {
                        uint32_t bytes = 0, chars = 0;
                        for (; chars < t->exact && bytes < t->words->len; chars++)
                            do bytes++;
                            while (bytes < t->words->len && (t->words->term[bytes] & 0xc0) == 0x80);
                        n.edits = distance(v, t->words->term, t->words->len);
                        if (n.edits > t->edits || v->len < bytes || memcmp(v->bytes, t->words->term, bytes) != 0) continue;
                    }
                    p->terms[p->count++] = n;
                }
                sort_model = m;
                sort_plain = p;
                sort_field = f;
                uint32_t most = q->expansions == 0 ? OMEN_TEXT_EXPANSIONS : q->expansions;
                qsort(p->terms + first, p->count - first, sizeof *p->terms, by_rank);
                if (p->count - first > most) p->count = first + most;
                qsort(p->terms + first, p->count - first, sizeof *p->terms, by_bytes);
            }
            uint64_t most = 0;
            for (uint32_t n = first; n < p->count; n++) most = plain_df(p, p->terms[n].words[0], f) > most ? plain_df(p, p->terms[n].words[0], f) : most;
            for (uint32_t n = first; n < p->count; n++) {
                double idf = 0.0, w = (double)t->boost * (double)q->field_weights[f];
                p->terms[n].order = n;
                if (t->kind == OMEN_TEXT_PHRASE)
                    for (uint32_t k = 0; k < t->word_count; k++) idf += plain_idf(p->with[f], plain_df(p, p->terms[n].words[k], f));
                else
                    idf = plain_idf(p->with[f], most);
                p->terms[n].weight = (float)(f == MODEL_SPARSE ? w : w * idf * ((double)q->k1 + 1.0) / (double)(1u << p->terms[n].edits));
            }
        }
    }
    qsort(p->terms, p->count, sizeof *p->terms, by_weight);
}

static void plain_deinit(plain *p) {
    free(p->df);
    free(p->terms);
}

/* How often a term or phrase stands in a field. */
static uint32_t plain_count(const plain *p, const plain_term *t, const model_doc *doc, float *weight) {
    const omen_text_word *words = p->q->items[t->item].words;
    uint32_t count = 0;
    for (uint32_t i = 0; i < doc->count[t->field]; i++) {
        const model_token *k = &doc->tokens[t->field][i];
        bool all = k->word == t->words[0];
        for (uint32_t w = 1; w < t->count && all; w++) {
            all = false;
            for (uint32_t o = 0; o < doc->count[t->field] && !all; o++)
                all = doc->tokens[t->field][o].word == t->words[w] && (int64_t)doc->tokens[t->field][o].position == (int64_t)k->position + words[w].position - words[0].position;
        }
        if (all) *weight = k->weight;
        count += all;
    }
    return count;
}

static bool plain_score(const plain *p, const model_doc *doc, float *score) {
    bool has[64] = {false}, any = false, all = true;
    double sum = 0.0;
    for (uint32_t i = 0; i < p->count; i++) {
        const plain_term *t = &p->terms[i];
        float weight = 0.0f;
        uint32_t tf = plain_count(p, t, doc, &weight);
        if (tf == 0) continue;
        uint32_t unit = t->item;
        while (p->q->items[unit].also) unit--;
        has[unit] = true;
        if (p->q->items[unit].occur == OMEN_TEXT_MUST_NOT) continue;
        if (t->field == MODEL_SPARSE) sum += (double)t->weight * (double)weight;
        else sum += (double)(t->weight - t->weight / (1.0f + (float)tf * p->inverse[t->field][omen_length_code(doc->count[t->field])]));
    }
    for (uint32_t i = 0; i < p->q->item_count; i++) {
        omen_text_occur o = p->q->items[i].occur;
        if (p->q->items[i].also) continue;
        if (o == OMEN_TEXT_MUST_NOT) all = all && !has[i];
        else any = any || has[i];
        if (o == OMEN_TEXT_MUST) all = all && has[i];
    }
    *score = (float)sum;
    return any && all;
}

static int by_hit(const void *a, const void *b) {
    const omen_text_hit *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (x->source != y->source) return x->source < y->source ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static uint32_t plain_search(const plain *p, bool filtered, omen_text_hit *hits) {
    uint32_t n = 0;
    for (uint32_t s = 0; s < p->m->parts; s++) {
        for (uint32_t d = p->m->start[s]; d < p->m->start[s + 1]; d++) {
            const model_doc *doc = &p->m->docs[d];
            hits[n] = (omen_text_hit){0, s, d - p->m->start[s]};
            if (p->sees[d] && !doc->dead && !(filtered && doc->refused) && plain_score(p, doc, &hits[n].score)) n++;
        }
    }
    qsort(hits, n, sizeof *hits, by_hit);
    return n;
}

/* ---- the search ---- */

static omen_status search(text_model *m, const omen_text_query *q, uint32_t k, bool filtered, omen_text_hit *hits, uint32_t *count, omen_error *err) {
    omen_text_plan *p;
    omen_text_top top;
    omen_status s;
    for (uint32_t i = 0; i < m->parts; i++) m->sources[i].accept = filtered ? m->accept[i] : NULL;
    s = omen_text_plan_new(&m->x.mem, q, m->sources, m->parts, &p, err);
    if (s != OMEN_OK) return s;
    STEP(s, omen_text_plan_step(p, err));
    omen_text_top_init(&top, hits, k);
    for (uint32_t i = 0; i < m->parts && s == OMEN_OK; i++) {
        omen_text_search *x;
        s = omen_text_search_new(p, i, &top.collector, &x, err);
        if (s == OMEN_OK) STEP(s, omen_text_search_step(x, err));
        omen_text_search_free(x);
    }
    omen_text_plan_free(p);
    omen_text_top_sort(&top);
    *count = top.count;
    return s;
}

/* ---- queries ---- */

typedef struct question {
    omen_text_query q;
    omen_text_item items[8];
    omen_text_word words[8][4];
    uint8_t bytes[8][4][OMEN_TERM_BYTES];
    float weights[MODEL_FIELDS];
} question;

static void ask_word(question *u, uint32_t i, uint32_t w, const uint8_t *bytes, uint32_t len, uint32_t position) {
    memcpy(u->bytes[i][w], bytes, len);
    u->words[i][w] = (omen_text_word){u->bytes[i][w], len, position};
}

static void ask_phrase(text_model *m, question *u, uint32_t i) {
    uint32_t n = 2 + (uint32_t)test_rand_below(2);
    u->items[i].fields = 3;
    for (unsigned tries = 0; tries < 100; tries++) { /* one that stands somewhere, mostly */
        const model_doc *doc = &m->docs[test_rand_below(m->count)];
        uint32_t f = (uint32_t)test_rand_below(2);
        if (doc->count[f] < n) continue;
        uint32_t at = (uint32_t)test_rand_below(doc->count[f] - n + 1);
        for (uint32_t w = 0; w < n; w++) {
            const model_word *v = &m->vocabulary[doc->tokens[f][at + w].word];
            ask_word(u, i, w, v->bytes, v->len, 5 + doc->tokens[f][at + w].position - doc->tokens[f][at].position);
        }
        break;
    }
    u->items[i].word_count = n;
}

static void ask(text_model *m, question *u) {
    memset(u, 0, sizeof *u);
    u->q = (omen_text_query){.items = u->items, .item_count = 1 + (uint32_t)test_rand_below(5), .field_weights = u->weights, .field_count = MODEL_FIELDS, .k1 = 1.2f, .b = 0.75f};
    if (test_rand_below(4) == 0) u->q.k1 = (float)test_rand_below(3);
    if (test_rand_below(4) == 0) u->q.b = (float)test_rand_below(3) / 2;
    if (test_rand_below(3) == 0) u->q.expansions = 1 + (uint32_t)test_rand_below(6);
    bool plain_words = test_rand_below(2) == 0;
    for (uint32_t f = 0; f < MODEL_FIELDS; f++) u->weights[f] = test_rand_below(3) == 0 ? (float)test_rand_below(4) : 1.0f;
    for (uint32_t i = 0; i < u->q.item_count; i++) {
        omen_text_item *t = &u->items[i];
        const model_word *v = &m->vocabulary[model_skewed(m->words)];
        unsigned kind = plain_words ? 0 : (unsigned)test_rand_below(7);
        *t = (omen_text_item){.boost = test_rand_below(4) == 0 ? (float)test_rand_below(5) / 2 : 1.0f, .words = u->words[i], .word_count = 1, .fields = 1 + test_rand_below(3)};
        if (!plain_words) t->occur = test_rand_below(4) == 0 ? OMEN_TEXT_MUST : test_rand_below(6) == 0 ? OMEN_TEXT_MUST_NOT : OMEN_TEXT_SHOULD;
        t->also = i != 0 && !plain_words && test_rand_below(4) == 0;
        ask_word(u, i, 0, v->bytes, v->len, 0);
        if (kind == 3) {
            t->kind = OMEN_TEXT_PREFIX;
            u->words[i][0].len = 1 + (uint32_t)test_rand_below(v->len);
        } else if (kind == 4) {
            t->kind = OMEN_TEXT_TYPO;
            t->edits = (uint32_t)test_rand_below(3);
            t->exact = (uint32_t)test_rand_below(3);
        } else if (kind == 5) {
            t->kind = OMEN_TEXT_PHRASE;
            ask_phrase(m, u, i);
        } else if (kind == 6) {
            uint8_t index[4];
            omen_postings_index_term(model_skewed(300), index);
            ask_word(u, i, 0, index, 4, 0);
            t->fields = 1u << MODEL_SPARSE;
            t->boost = test_rand_float() * 3;
        }
    }
}

static unsigned found_some; /* comparisons that had hits */

static void compare(text_model *m, const omen_text_query *q, const bool *sees, uint32_t k, bool filtered, unsigned n) {
    omen_text_hit *want = malloc((m->count + 1) * sizeof *want), *got = malloc((k + 1) * sizeof *got);
    uint32_t want_count, got_count = 0;
    omen_error err = {0};
    plain p;
    plain_init(&p, m, q, sees);
    want_count = plain_search(&p, filtered, want);
    plain_deinit(&p);
    if (!CHECK_OK(search(m, q, k, filtered, got, &got_count, &err))) printf("        %s\n", err.text);
    found_some += want_count != 0;
    if (!CHECK_EQ_UINT(got_count, want_count < k ? want_count : k)) printf("        query %u\n", n);
    for (uint32_t i = 0; i < got_count && i < want_count; i++) {
        CHECK_BITS(got[i].score, want[i].score);
        CHECK_EQ_UINT(got[i].source, want[i].source);
        if (!CHECK_EQ_UINT(got[i].row, want[i].row)) {
            printf("        query %u, hit %u\n", n, i);
            break;
        }
    }
    free(want);
    free(got);
}

static bool *all_seen(const text_model *m) {
    bool *sees = malloc(m->count);
    memset(sees, 1, m->count);
    return sees;
}

static void compare_many(uint32_t count, uint32_t words, uint32_t parts, bool memory, unsigned pending, unsigned queries) {
    text_model m;
    static const uint32_t ks[] = {1, 10, 3, 100, 10000};
    text_model_init(&m, count, words, parts, memory);
    bool *sees = all_seen(&m);
    fault_storage_set_pending(m.fs, pending);
    found_some = 0;
    for (unsigned n = 0; n < queries; n++) {
        question u;
        ask(&m, &u);
        compare(&m, &u.q, sees, ks[n % 5], n % 3 == 0, n);
    }
    CHECK(found_some >= queries / 2);
    if (pending != 0) CHECK(fault_storage_pended(m.fs) > queries / 4);
    free(sees);
    CHECK_EQ_UINT(text_model_deinit(&m), 0);
}

TEST(hits_are_those_of_a_plain_search) { compare_many(900, 700, 1, false, 0, 300); }
TEST(hits_are_those_of_a_plain_search_over_parts_and_memory) { compare_many(1500, 400, 4, true, 0, 200); }
TEST(hits_are_those_of_a_plain_search_in_memory) { compare_many(700, 300, 1, true, 0, 150); }
TEST(hits_are_those_of_a_plain_search_of_long_lists) { compare_many(9000, 60, 2, false, 0, 60); }
TEST(storage_that_pends_changes_nothing) { compare_many(3000, 200, 3, true, 50, 80); }

TEST(equal_scores_come_in_the_order_of_rows) {
    text_model m;
    text_model_init(&m, 50, 3, 2, true);
    bool *sees = all_seen(&m);
    omen_text_word w = {m.vocabulary[0].bytes, m.vocabulary[0].len, 0};
    omen_text_item item = {.boost = 1, .words = &w, .word_count = 1};
    float weights[] = {1, 1};
    omen_text_query q = {.items = &item, .item_count = 1, .field_weights = weights, .field_count = 2, .k1 = 0, .b = 0}; /* whether, not how often */
    for (uint32_t k = 1; k < 60; k += 3) compare(&m, &q, sees, k, false, k);
    free(sees);
    CHECK_EQ_UINT(text_model_deinit(&m), 0);
}

TEST(a_reader_in_memory_sees_the_rows_it_began_with) {
    text_model m;
    text_model_init(&m, 400, 150, 1, true);
    bool *sees = malloc(m.count);
    for (uint32_t rows = 0; rows <= m.count; rows += 1 + rows / 3) {
        for (uint32_t d = 0; d < m.count; d++) sees[d] = d < rows;
        m.sources[0].rows = rows;
        for (unsigned n = 0; n < 12; n++) {
            question u;
            ask(&m, &u);
            compare(&m, &u.q, sees, 10, false, n);
        }
    }
    free(sees);
    CHECK_EQ_UINT(text_model_deinit(&m), 0);
}

TEST(the_logarithm_is_right) {
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t n = test_rand() >> (1 + test_rand_below(62)), df = test_rand_below(n + 1);
        if (n < UINT64_C(1) << 50) (void)plain_idf(n, df);
    }
    CHECK(omen_bm25_idf(0, 0) > 0.69 && omen_bm25_idf(0, 0) < 0.70);
    CHECK(omen_bm25_idf(5, 9) > 0); /* more rows than there are: as many as there are */
}

/* Files and scores of every host are these. When the format or the formula changes on purpose, so does the number. */
TEST(the_same_bits_on_every_host) {
    text_model m;
    test_rng_state = 20240607;
    text_model_init(&m, 1000, 500, 3, true);
    omen_hash128 sum = m.info[0].hash;
    for (unsigned n = 0; n < 100; n++) {
        question u;
        omen_text_hit hits[10];
        uint32_t count = 0;
        uint8_t bytes[16 + 10 * sizeof *hits];
        ask(&m, &u);
        CHECK_OK(search(&m, &u.q, 10, false, hits, &count, NULL));
        memcpy(bytes, sum.bytes, 16);
        memcpy(bytes + 16, hits, count * sizeof *hits);
        sum = omen_hash128_of(bytes, 16 + count * sizeof *hits);
    }
    char hex[33];
    omen_hash128_hex(&sum, hex);
    CHECK_EQ_STR(hex, "3a7e64c039e2b52070f8621943996511");
    CHECK_EQ_UINT(text_model_deinit(&m), 0);
}

TEST(bad_queries_are_refused) {
    text_model m;
    text_model_init(&m, 20, 20, 1, false);
    omen_text_word w = {m.vocabulary[0].bytes, m.vocabulary[0].len, 0}, empty = {m.vocabulary[0].bytes, 0, 0}, two[2] = {w, w};
    omen_text_item item = {.boost = 1, .words = &w, .word_count = 1, .fields = 1};
    float weights[MODEL_FIELDS] = {1, 1, 1};
    const omen_text_query good = {.items = &item, .item_count = 1, .field_weights = weights, .field_count = MODEL_FIELDS, .k1 = 1.2f, .b = 0.75f};
    omen_text_hit hits[4];
    uint32_t count;
    omen_error err = {0};
    CHECK_OK(search(&m, &good, 4, false, hits, &count, &err));
    for (unsigned i = 0; i < 12; i++) {
        omen_text_query q = good;
        item = (omen_text_item){.boost = 1, .words = &w, .word_count = 1, .fields = 1};
        weights[0] = 1;
        switch (i) {
            case 0: q.k1 = -1; break;
            case 1: q.k1 = NAN; break;
            case 2: q.b = 1.5f; break;
            case 3: q.b = NAN; break;
            case 4: weights[0] = -1; break;
            case 5: weights[0] = INFINITY; break;
            case 6: item.boost = -1; break;
            case 7: item.boost = NAN; break;
            case 8: item.word_count = 0; break;
            case 9: item.words = &empty; break;
            case 10: item = (omen_text_item){.kind = OMEN_TEXT_TYPO, .boost = 1, .words = &w, .word_count = 1, .edits = 3}; break;
            default: item = (omen_text_item){.kind = OMEN_TEXT_PREFIX, .boost = 1, .words = two, .word_count = 2}; break;
        }
        err.text[0] = 0;
        CHECK_STATUS(search(&m, &q, 4, false, hits, &count, &err), OMEN_ERR_INVALID);
        CHECK(err.text[0] != 0);
    }
    CHECK_EQ_UINT(text_model_deinit(&m), 0);
}

TEST_MAIN()
