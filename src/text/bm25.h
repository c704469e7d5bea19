/* bm25.h - the best rows for a query over postings, in segments and in memory: BM25 (Robertson, Walker, Jones, Hancock-Beaulieu and Gatford, Okapi at
 * TREC-3, 1994) for words, products of weights for sparse vectors.
 *
 * A query is a list of items: a word, a prefix, a word with typos, or a phrase; each may be had (SHOULD), must be (MUST) or must not be
 * (MUST_NOT) in a row. A row is a hit if it has every MUST item, no MUST_NOT item, and at least one that is SHOULD or MUST. A row has an item if one of the item's
 * fields has it; a query of MUST_NOT items alone has no hits.
 *
 * Its score is the sum, over SHOULD and MUST items, their fields and the terms they stand for, of
 *
 *     W - W / (1 + tf / K(length)),    W = boost * weight of the field * idf * (k1 + 1) / 2^edits,    K = k1 * (1 - b + b * length / avgdl)
 *
 * which is W * tf / (tf + K) in a form that rounds monotonically, so that bounds hold to the last bit. idf = ln(1 + (N - df + 0.5) / (df + 0.5)).
 * N is the number of rows that have the field, df of those that have the term, avgdl the mean length of those; all over all sources, rows that were
 * deleted but not merged away yet included. A phrase counts as one term: tf is how often it stands there, its idf the sum of its words'. The terms of a prefix or
 * a word with typos all have the idf of the most frequent one, so that rare misspellings do not outrank the word meant; `edits` is their number of typos, or 1 for a
 * term that a prefix only begins. Sparse: the sum over common indices of boost * weight of the field * weight in the row.
 *
 * Each summand is an f32 (a product of weights an f64, as exact as it is); they are summed as f64 in one order, by |W| and then as the query has them, and the sum is rounded to f32. The order
 * is the same in every source and W is computed in f64 from totals alone, so a row has the same score, bit for bit, in whatever source it is, on every host.
 *
 * Two objects, both stepped. A plan looks the query's terms up in every source and weighs them; it serves any number of searches, one for each source. A search walks
 * its source in windows of rows. In each window terms are divided by what they can add at most (MaxScore: Turtle and Flood 1995, with bounds of the window's blocks: Ding and Suel 2011;
 * windows after Grand et al. 2020): rows come from those without which the threshold cannot be reached, the others are only asked about rows that still could.
 */
#ifndef OMEN_TEXT_BM25_H
#define OMEN_TEXT_BM25_H

#include "base/bits.h"
#include "text/memory.h"

typedef enum omen_text_kind { OMEN_TEXT_WORD, OMEN_TEXT_PREFIX, OMEN_TEXT_TYPO, OMEN_TEXT_PHRASE } omen_text_kind;
typedef enum omen_text_occur { OMEN_TEXT_SHOULD, OMEN_TEXT_MUST, OMEN_TEXT_MUST_NOT } omen_text_occur;

typedef struct omen_text_word {
    const uint8_t *term; /* as analysed; an index: omen_postings_index_term */
    uint32_t len;
    uint32_t position;   /* phrases: where in the phrase */
} omen_text_word;

typedef struct omen_text_item {
    omen_text_kind kind;
    omen_text_occur occur;
    float boost;                 /* words: at least 0; indices of sparse vectors: their weight, of any sign */
    bool also;                   /* not an item of its own but another way to have the one before: a row has that if it has either. The occurrence is that one's */
    uint64_t fields;             /* bit i: field i of the query; 0: all. Name them where a query has text and sparse fields; only WORD finds in the latter */
    const omen_text_word *words; /* one; phrases: at least one */
    uint32_t word_count;
    uint32_t edits;              /* TYPO: at most OMEN_TYPO_EDITS; omen_terms_edits tells how many suit a word */
    uint32_t exact;              /* TYPO: characters at the beginning that have none */
} omen_text_item;

#define OMEN_TEXT_FIELDS 64u
#define OMEN_TEXT_ITEMS 4096u
#define OMEN_TEXT_EXPANSIONS 32u

typedef struct omen_text_query {
    const omen_text_item *items;
    uint32_t item_count;         /* at most OMEN_TEXT_ITEMS */
    const float *field_weights;  /* for each field, at least 0 */
    uint32_t field_count;        /* at most OMEN_TEXT_FIELDS */
    float k1, b;                 /* 1.2 and 0.75 are usual; k1 at least 0, b 0 to 1 */
    uint32_t expansions;         /* terms a prefix or a word with typos stands for at most, in each field; 0: OMEN_TEXT_EXPANSIONS. The best: fewest typos, then greatest df, then in order of bytes */
} omen_text_query;

/* A field of a source: one of the two, or neither where the source has none of it. */
typedef struct omen_text_source_field {
    const omen_postings *postings;
    const omen_text_memory *memory;
} omen_text_source_field;

typedef struct omen_text_source {
    const omen_text_source_field *fields; /* as many as the query has */
    uint32_t rows;                 /* of the part; or of those in memory that are seen */
    const omen_bits *dead;         /* NULL: none */
    const omen_bits *accept;       /* NULL: all; bits of rows that may be hits */
} omen_text_source;

/* ---- plan ---- */

typedef struct omen_text_plan omen_text_plan;
/* What is borrowed here (query, its words, sources) stays until the plan is freed. OMEN_ERR_INVALID for values out of range, OMEN_ERR_MEMORY. */
omen_status omen_text_plan_new(omen_mem *m, const omen_text_query *q, const omen_text_source *sources, uint32_t source_count, omen_text_plan **out, omen_error *err);
void omen_text_plan_free(omen_text_plan *p); /* NULL is fine; after its searches */
/* Step: repeat on PENDING. */
omen_status omen_text_plan_step(omen_text_plan *p, omen_error *err);
/* What a finished plan found: for explain. `index` below omen_text_plan_terms. */
typedef struct omen_text_term_info {
    const uint8_t *term; /* of a phrase: its first word */
    uint32_t len, field, item, edits, words;
    uint64_t df;         /* phrases: of the rarest word */
    float weight;        /* W */
} omen_text_term_info;
uint32_t omen_text_plan_terms(const omen_text_plan *p);
omen_text_term_info omen_text_plan_term(const omen_text_plan *p, uint32_t index);

/* ---- search ---- */

/* Where hits go, in ascending order of rows. Rows below the threshold are not worth offering; equal ones are offered. */
typedef struct omen_text_collector {
    float threshold; /* begin with -INFINITY; raise it as hits come in */
    /* May pend: the same row is then offered again. May pass a row over, if it knows better that it is none. */
    omen_status (*offer)(struct omen_text_collector *self, uint32_t source, uint32_t row, float score, omen_error *err);
} omen_text_collector;

typedef struct omen_text_work { uint64_t postings, blocks, windows, candidates, offered, bytes; } omen_text_work;

typedef struct omen_text_search omen_text_search;
/* Searches one source of a finished plan. Several may go on at once, each with its own collector. */
omen_status omen_text_search_new(omen_text_plan *p, uint32_t source, omen_text_collector *c, omen_text_search **out, omen_error *err);
void omen_text_search_free(omen_text_search *s); /* NULL is fine */
/* Step: repeat on PENDING. Nothing stays pinned between two calls. */
omen_status omen_text_search_step(omen_text_search *s, omen_error *err);
const omen_text_work *omen_text_search_work(const omen_text_search *s);

/* A collector of the k best: greater score first; equal ones: earlier source, then lower row, if sources are searched in their order. */
typedef struct omen_text_hit { float score; uint32_t source, row; } omen_text_hit;
typedef struct omen_text_top {
    omen_text_collector collector;
    omen_text_hit *hits; /* room for k; a heap until omen_text_top_sort */
    uint32_t k, count;
} omen_text_top;
void omen_text_top_init(omen_text_top *t, omen_text_hit *room, uint32_t k);
void omen_text_top_sort(omen_text_top *t);

/* ln(1 + (n - df + 0.5) / (df + 0.5)), the same bits on every host. */
double omen_bm25_idf(uint64_t n, uint64_t df);
/* 1 / K for each coded length; infinite where K is 0. */
void omen_bm25_norms(float k1, float b, uint64_t rows_with, uint64_t total_length, float inverse[256]);
static inline float omen_bm25_part(float w, float inverse, uint32_t tf) { return w - w / (1.0f + (float)tf * inverse); }

#endif
