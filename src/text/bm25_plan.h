/* bm25_plan.h - what a plan holds, for the search that follows it. */
#ifndef OMEN_TEXT_BM25_PLAN_H
#define OMEN_TEXT_BM25_PLAN_H

#include "text/bm25.h"

/* A term in a field, and where it is in each source. */
typedef struct omen_text_leaf {
    const uint8_t *term;
    uint32_t len, position;
    uint64_t df;
    omen_term_ref *refs;                       /* for each source; df 0: not there */
    const omen_text_memory_term **memory_refs; /* for each source */
} omen_text_leaf;

/* What is summed: a term, or a phrase, in a field. */
typedef struct omen_text_clause {
    uint32_t item, field, edits, order;
    uint32_t unit; /* the item it is a way to have: the last one up to `item` that is one of its own */
    uint32_t first, count; /* leaves */
    float weight;          /* W */
} omen_text_clause;

struct omen_text_plan {
    omen_mem *mem;
    const omen_text_query *query;
    const omen_text_source *sources;
    uint32_t source_count;
    omen_arena arena;
    omen_buf leaves, clauses, found; /* omen_text_leaf, omen_text_clause, terms a scan found */
    struct { uint64_t rows_with, length; bool weights; float inverse[256]; } *fields;
    /* place */
    enum { PLAN_SCAN, PLAN_FIND, PLAN_WEIGH, PLAN_DONE } stage;
    uint32_t item, field, source, leaf, unit;
    omen_terms_scan scan;
    bool scanning;
    omen_term_match match;
    omen_term_group group;
};

static inline omen_text_leaf *omen_text_leaf_at(const omen_text_plan *p, uint32_t i) { return (omen_text_leaf *)(void *)p->leaves.data + i; }
static inline omen_text_clause *omen_text_clause_at(const omen_text_plan *p, uint32_t i) { return (omen_text_clause *)(void *)p->clauses.data + i; }
static inline uint32_t omen_text_clause_count(const omen_text_plan *p) { return (uint32_t)(p->clauses.len / sizeof(omen_text_clause)); }

#endif
