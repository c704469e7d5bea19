/* text_model.h - documents of made-up words, kept as plain arrays and as text sources: some parts in segments, the last ones in memory. */
#ifndef OMEN_TEXT_MODEL_H
#define OMEN_TEXT_MODEL_H

#include <stdlib.h>

#include "store_fixture.h"
#include "text/bm25.h"

#define MODEL_FIELDS 3u /* two of text, one of sparse vectors */
#define MODEL_SPARSE 2u
#define MODEL_PARTS 4u

typedef struct model_token { uint32_t word, position; float weight; } model_token;
typedef struct model_doc { model_token *tokens[MODEL_FIELDS]; uint32_t count[MODEL_FIELDS]; bool dead, refused; } model_doc;
typedef struct model_word { uint8_t bytes[OMEN_TERM_BYTES]; uint32_t len; } model_word;

typedef struct text_model {
    fixture x;
    fault_storage *fs;
    model_doc *docs;
    uint32_t count, words, parts, start[MODEL_PARTS + 1];
    model_word *vocabulary;
    omen_segment_info info[MODEL_PARTS];
    omen_segment *segments[MODEL_PARTS];
    omen_postings *postings[MODEL_PARTS][MODEL_FIELDS];
    omen_text_memory *memory[MODEL_FIELDS];
    omen_text_source_field fields[MODEL_PARTS][MODEL_FIELDS];
    omen_text_source sources[MODEL_PARTS];
    omen_bits *dead[MODEL_PARTS], *accept[MODEL_PARTS];
} text_model;

/* A few letters, so that words are near to each other; some of more than one byte. */
static inline void model_word_make(model_word *w) {
    static const char *const letters[] = {"a", "b", "c", "d", "\xc3\xa9", "\xe6\xbc\xa2"};
    uint32_t n = 1 + (uint32_t)test_rand_below(9);
    if (test_rand_below(200) == 0) n = 60;
    w->len = 0;
    while (n-- != 0) {
        const char *c = letters[test_rand_below(test_rand_below(8) == 0 ? 6 : 4)];
        memcpy(w->bytes + w->len, c, strlen(c));
        w->len += (uint32_t)strlen(c);
    }
}

static inline int model_word_compare(const void *a, const void *b) {
    const model_word *x = a, *y = b;
    return omen_terms_compare(x->bytes, x->len, y->bytes, y->len);
}

/* The more likely the smaller: words come as in texts. */
static inline uint32_t model_skewed(uint32_t n) {
    uint64_t a = test_rand_below(n) + 1, b = test_rand_below(n) + 1;
    return (uint32_t)(a * b / (n + 1) * (test_rand_below(n) + 1) / (n + 1)) % n;
}

static inline void model_fill(text_model *m, uint32_t count, uint32_t words) {
    m->vocabulary = malloc(words * sizeof *m->vocabulary);
    for (uint32_t i = 0; i < words; i++) model_word_make(&m->vocabulary[i]);
    qsort(m->vocabulary, words, sizeof *m->vocabulary, model_word_compare);
    m->words = 0;
    for (uint32_t i = 0; i < words; i++)
        if (i == 0 || model_word_compare(&m->vocabulary[m->words - 1], &m->vocabulary[i]) != 0) m->vocabulary[m->words++] = m->vocabulary[i];
    for (uint32_t i = m->words; i > 1; i--) { /* frequent words anywhere in the alphabet */
        uint32_t k = (uint32_t)test_rand_below(i);
        model_word w = m->vocabulary[i - 1];
        m->vocabulary[i - 1] = m->vocabulary[k];
        m->vocabulary[k] = w;
    }
    m->count = count;
    m->docs = calloc(count, sizeof *m->docs);
    for (uint32_t d = 0; d < count; d++) {
        model_doc *doc = &m->docs[d];
        doc->dead = test_rand_below(12) == 0;
        doc->refused = test_rand_below(5) == 0;
        for (uint32_t f = 0; f < MODEL_FIELDS; f++) {
            uint32_t n = test_rand_below(9) == 0 ? 0 : 1 + (uint32_t)test_rand_below(f == 0 ? 6 : test_rand_below(40) == 0 ? 700 : 40), position = 0;
            if (f == MODEL_SPARSE) n %= 12;
            doc->tokens[f] = malloc((n + 1) * sizeof(model_token));
            for (uint32_t t = 0; t < n; t++, position += test_rand_below(9) == 0 ? 1 + (uint32_t)test_rand_below(300) : 1) {
                model_token k = {model_skewed(f == MODEL_SPARSE ? 300 : m->words), position, test_rand_float() * 4 + 1};
                if (f == MODEL_SPARSE)
                    for (uint32_t o = 0; o < doc->count[f]; o++)
                        if (doc->tokens[f][o].word == k.word) k.word = UINT32_MAX;
                if (k.word != UINT32_MAX) doc->tokens[f][doc->count[f]++] = k;
            }
        }
    }
}

static inline omen_postings_options model_options(uint32_t field) { return (omen_postings_options){.positions = field != MODEL_SPARSE, .weights = field == MODEL_SPARSE, .tag = 7 + field}; }

static inline omen_postings_builder *model_builder(text_model *m, uint32_t part, uint32_t field) {
    omen_postings_options o = model_options(field);
    omen_postings_builder *b;
    if (omen_postings_builder_new(&m->x.mem, &o, &b) != OMEN_OK) abort();
    for (uint32_t d = m->start[part]; d < m->start[part + 1]; d++) {
        const model_doc *doc = &m->docs[d];
        if (doc->count[field] == 0 && d % 2 != 0) continue; /* a row may be left out, or come without a term */
        CHECK_OK(omen_postings_row(b, d - m->start[part]));
        for (uint32_t t = 0; t < doc->count[field]; t++) {
            const model_token *k = &doc->tokens[field][t];
            if (field == MODEL_SPARSE) CHECK_OK(omen_postings_add_weight(b, k->word, k->weight));
            else CHECK_OK(omen_postings_add(b, m->vocabulary[k->word].bytes, m->vocabulary[k->word].len, k->position));
        }
    }
    return b;
}

static inline void model_write_part(text_model *m, uint32_t part, uint64_t number) {
    omen_segment_writer *w;
    omen_status s;
    STEP(s, omen_segment_writer_new(&m->x.store, number, &w, NULL));
    for (uint32_t f = 0; f < MODEL_FIELDS; f++) {
        omen_postings_builder *b = model_builder(m, part, f);
        CHECK_OK(omen_postings_builder_write(b, w, f, m->start[part + 1] - m->start[part], NULL));
        omen_postings_builder_free(b);
    }
    STEP(s, omen_segment_writer_finish(w, &m->info[part], NULL));
    CHECK_OK(s);
    omen_segment_writer_free(w);
}

static inline omen_status model_open_part(text_model *m, uint32_t part, omen_error *err) {
    omen_status s;
    STEP(s, omen_segment_open(&m->x.store, &m->info[part], &m->segments[part], err));
    for (uint32_t f = 0; f < MODEL_FIELDS && s == OMEN_OK; f++) STEP(s, omen_postings_open(&m->x.store, m->segments[part], f, &m->postings[part][f], err));
    return s;
}

static inline void model_close_part(text_model *m, uint32_t part) {
    for (uint32_t f = 0; f < MODEL_FIELDS; f++) {
        omen_postings_close(m->postings[part][f]);
        m->postings[part][f] = NULL;
    }
    omen_segment_close(m->segments[part]);
    m->segments[part] = NULL;
}

static inline void model_memory_part(text_model *m, uint32_t part) {
    for (uint32_t f = 0; f < MODEL_FIELDS; f++) {
        omen_postings_options o = model_options(f);
        CHECK_OK(omen_text_memory_new(&m->x.mem, &o, &m->memory[f]));
        for (uint32_t d = m->start[part], row; d < m->start[part + 1]; d++) {
            for (bool again = true; again;) { /* now and then a batch is given up first */
                again = test_rand_below(20) == 0;
                CHECK_OK(omen_text_memory_row(m->memory[f], &row));
                for (uint32_t t = 0; t < m->docs[d].count[f]; t++) {
                    const model_token *k = &m->docs[d].tokens[f][t];
                    if (f == MODEL_SPARSE) CHECK_OK(omen_text_memory_add_weight(m->memory[f], k->word, k->weight));
                    else CHECK_OK(omen_text_memory_add(m->memory[f], m->vocabulary[k->word].bytes, m->vocabulary[k->word].len, k->position));
                }
                CHECK_OK(omen_text_memory_end(m->memory[f]));
                if (again) omen_text_memory_give_up(m->memory[f]);
            }
            omen_text_memory_commit(m->memory[f]);
            CHECK_EQ_UINT(row, d - m->start[part]);
        }
    }
}

/* count documents; the last of the parts is in memory if `memory`. */
static inline void text_model_init(text_model *m, uint32_t count, uint32_t words, uint32_t parts, bool memory) {
    memset(m, 0, sizeof *m);
    m->fs = fault_storage_new(test_rand());
    fixture_init(&m->x, m->fs, 1, 1u << 20);
    m->parts = parts;
    model_fill(m, count, words);
    for (uint32_t p = 1; p <= parts; p++) m->start[p] = p == parts ? count : m->start[p - 1] + (uint32_t)((uint64_t)(count - m->start[p - 1]) * (3 + test_rand_below(5)) / 10);
    for (uint32_t p = 0; p < parts; p++) {
        uint32_t rows = m->start[p + 1] - m->start[p];
        bool in_memory = memory && p + 1 == parts;
        if (in_memory) {
            model_memory_part(m, p);
        } else {
            model_write_part(m, p, 5 + p);
            CHECK_OK(model_open_part(m, p, NULL));
        }
        m->dead[p] = omen_bits_new(&m->x.mem, rows);
        m->accept[p] = omen_bits_new(&m->x.mem, rows);
        for (uint32_t r = 0; r < rows; r++) {
            if (m->docs[m->start[p] + r].dead) (void)omen_bits_set(m->dead[p], r);
            if (!m->docs[m->start[p] + r].refused) (void)omen_bits_set(m->accept[p], r);
        }
        for (uint32_t f = 0; f < MODEL_FIELDS; f++) {
            if (in_memory) m->fields[p][f].memory = m->memory[f];
            else m->fields[p][f].postings = m->postings[p][f];
        }
        m->sources[p] = (omen_text_source){.fields = m->fields[p], .rows = rows, .dead = m->dead[p]};
    }
}

static inline uint64_t text_model_deinit(text_model *m) {
    for (uint32_t p = 0; p < m->parts; p++) {
        model_close_part(m, p);
        omen_bits_unref(m->dead[p]);
        omen_bits_unref(m->accept[p]);
    }
    for (uint32_t f = 0; f < MODEL_FIELDS; f++) omen_text_memory_free(m->memory[f]);
    for (uint32_t d = 0; d < m->count; d++)
        for (uint32_t f = 0; f < MODEL_FIELDS; f++) free(m->docs[d].tokens[f]);
    free(m->docs);
    free(m->vocabulary);
    uint64_t left = fixture_deinit(&m->x);
    CHECK_STORAGE(m->fs);
    fault_storage_free(m->fs);
    return left;
}

#endif
