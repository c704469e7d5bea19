/* bm25_plan.c - from a query's items to terms with weights: what prefixes and typos stand for, where each term is, what it is worth. */
#include "base/sort.h"
#include "text/bm25_plan.h"

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a text search"); }

/* ---- numbers ---- */

/* ln x for x of at least 1, from the exponent and the series of atanh; the same operations in the same order everywhere. */
static double natural_log(double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1023) << 52;
    memcpy(&x, &bits, 8);
    if (x > 1.4142135623730951) {
        x *= 0.5;
        exponent++;
    }
    double s = (x - 1.0) / (x + 1.0), square = s * s, sum = 0.0;
    for (int k = 21; k >= 1; k -= 2) sum = sum * square + 1.0 / k;
    return (double)exponent * 0.69314718055994530942 + 2.0 * s * sum;
}

double omen_bm25_idf(uint64_t n, uint64_t df) { return natural_log(1.0 + ((double)(n - OMEN_MIN(n, df)) + 0.5) / ((double)df + 0.5)); }

void omen_bm25_norms(float k1, float b, uint64_t rows_with, uint64_t total_length, float inverse[256]) {
    double mean = rows_with == 0 ? 1.0 : (double)total_length / (double)rows_with;
    for (uint32_t code = 0; code < 256; code++) {
        double k = (double)k1 * (1.0 - (double)b + (double)b * (double)omen_length_of((uint8_t)code) / mean);
        inverse[code] = k < 1e-30 ? __builtin_inff() : (float)(1.0 / k);
    }
}

static bool finite(float v) { return v - v == 0.0f; }

/* ---- life ---- */

static omen_status check(const omen_text_query *q, omen_error *err) {
    if (q->field_count > OMEN_TEXT_FIELDS) return omen_fail(err, OMEN_ERR_INVALID, "a text query is over at most %u fields", OMEN_TEXT_FIELDS);
    if (q->item_count > OMEN_TEXT_ITEMS) return omen_fail(err, OMEN_ERR_INVALID, "a text query has at most %u words; this one has %u", OMEN_TEXT_ITEMS, q->item_count);
    if (!(q->k1 >= 0) || !finite(q->k1) || !(q->b >= 0 && q->b <= 1)) return omen_fail(err, OMEN_ERR_INVALID, "k1 of BM25 is at least 0, and b between 0 and 1");
    for (uint32_t i = 0; i < q->field_count; i++)
        if (!(q->field_weights[i] >= 0) || !finite(q->field_weights[i])) return omen_fail(err, OMEN_ERR_INVALID, "the weight of a text field is a number of at least 0");
    for (uint32_t i = 0; i < q->item_count; i++) {
        const omen_text_item *t = &q->items[i];
        if (t->also && i == 0) return omen_fail(err, OMEN_ERR_INVALID, "the first word of a text query has none before it");
        if (!finite(t->boost)) return omen_fail(err, OMEN_ERR_INVALID, "the boost of word %u of a text query is not a finite number", i);
        if (t->word_count == 0 || (t->kind != OMEN_TEXT_PHRASE && t->word_count != 1)) return omen_fail(err, OMEN_ERR_INVALID, "word %u of a text query is empty", i);
        if (t->kind == OMEN_TEXT_TYPO && t->edits > OMEN_TYPO_EDITS) return omen_fail(err, OMEN_ERR_INVALID, "a text query finds words with at most %u typos", OMEN_TYPO_EDITS);
        for (uint32_t w = 0; w < t->word_count; w++)
            if (t->words[w].len == 0 || t->words[w].len > OMEN_TERM_BYTES) return omen_fail(err, OMEN_ERR_INVALID, "a word of a text query has 1 to %u bytes", OMEN_TERM_BYTES);
    }
    return OMEN_OK;
}

static void totals(const omen_text_plan *p, uint32_t field) {
    for (uint32_t s = 0; s < p->source_count; s++) {
        const omen_text_source_field *f = &p->sources[s].fields[field];
        uint32_t rows = 0;
        uint64_t length = 0;
        if (f->memory != NULL) {
            omen_text_memory_totals(f->memory, p->sources[s].rows, &rows, &length);
            p->fields[field].weights |= (omen_text_memory_flags(f->memory) & OMEN_POSTINGS_WEIGHTS) != 0;
        } else if (f->postings != NULL) {
            rows = f->postings->rows_with;
            length = f->postings->total_length;
            p->fields[field].weights |= (f->postings->flags & OMEN_POSTINGS_WEIGHTS) != 0;
        }
        p->fields[field].rows_with += rows;
        p->fields[field].length += length;
    }
}

omen_status omen_text_plan_new(omen_mem *m, const omen_text_query *q, const omen_text_source *sources, uint32_t source_count, omen_text_plan **out, omen_error *err) {
    *out = NULL;
    OMEN_TRY(check(q, err));
    omen_text_plan *p = omen_alloc(m, sizeof *p);
    if (p == NULL) return out_of_memory(err);
    memset(p, 0, offsetof(omen_text_plan, match)); /* what follows is large and begins empty by itself */
    p->group.of = NULL;
    p->mem = m;
    p->query = q;
    p->sources = sources;
    p->source_count = source_count;
    omen_arena_init(&p->arena, m, 4096);
    omen_buf_init(&p->leaves, m);
    omen_buf_init(&p->clauses, m);
    omen_buf_init(&p->found, m);
    size_t bytes = q->field_count * sizeof *p->fields;
    p->fields = omen_arena_alloc(&p->arena, bytes + 1, 16);
    if (p->fields == NULL) {
        omen_text_plan_free(p);
        return out_of_memory(err);
    }
    memset(p->fields, 0, bytes);
    for (uint32_t f = 0; f < q->field_count; f++) {
        totals(p, f);
        omen_bm25_norms(q->k1, q->b, p->fields[f].rows_with, p->fields[f].length, p->fields[f].inverse);
    }
    *out = p;
    return OMEN_OK;
}

void omen_text_plan_free(omen_text_plan *p) {
    if (p == NULL) return;
    omen_arena_deinit(&p->arena);
    omen_buf_deinit(&p->leaves);
    omen_buf_deinit(&p->clauses);
    omen_buf_deinit(&p->found);
    omen_free(p->mem, p, sizeof *p);
}

/* ---- what items stand for ---- */

typedef struct expansion {
    const uint8_t *term;
    uint32_t len, edits;
    uint64_t df;
} expansion;

static omen_status add_leaf(omen_text_plan *p, const uint8_t *term, uint32_t len, uint32_t position) {
    omen_text_leaf l = {.term = term, .len = len, .position = position};
    l.refs = omen_arena_alloc(&p->arena, p->source_count * sizeof *l.refs + 1, 8);
    l.memory_refs = omen_arena_alloc(&p->arena, p->source_count * sizeof(void *) + 1, 8);
    if (l.refs == NULL || l.memory_refs == NULL) return OMEN_ERR_MEMORY;
    memset(l.refs, 0, p->source_count * sizeof *l.refs);
    memset(l.memory_refs, 0, p->source_count * sizeof(void *));
    return omen_buf_append(&p->leaves, &l, sizeof l);
}

static omen_status add_clause(omen_text_plan *p, uint32_t count, uint32_t edits) {
    omen_text_clause c = {.item = p->item, .unit = p->unit, .field = p->field, .edits = edits, .order = omen_text_clause_count(p), .count = count};
    c.first = (uint32_t)(p->leaves.len / sizeof(omen_text_leaf));
    return omen_buf_append(&p->clauses, &c, sizeof c);
}

static omen_status found_term(void *arg, const uint8_t *term, uint32_t len, uint32_t df, uint32_t edits) {
    omen_text_plan *p = arg;
    expansion e = {.term = omen_arena_copy(&p->arena, term, len), .len = len, .edits = edits, .df = df};
    if (e.term == NULL) return OMEN_ERR_MEMORY;
    if (p->match.prefix) e.edits = len != p->match.len;
    return omen_buf_append(&p->found, &e, sizeof e);
}

static bool by_bytes(void *arg, const void *a, const void *b) {
    const expansion *x = a, *y = b;
    (void)arg;
    return omen_terms_compare(x->term, x->len, y->term, y->len) < 0;
}

static bool by_rank(void *arg, const void *a, const void *b) {
    const expansion *x = a, *y = b;
    if (x->edits != y->edits) return x->edits < y->edits;
    return x->df != y->df ? x->df > y->df : by_bytes(arg, a, b);
}

/* Terms found in several sources become one; the best stay. */
static omen_status choose(omen_text_plan *p) {
    expansion *e = (expansion *)(void *)p->found.data;
    size_t n = p->found.len / sizeof *e, kept = 0, most = p->query->expansions == 0 ? OMEN_TEXT_EXPANSIONS : p->query->expansions;
    omen_sort(e, n, sizeof *e, by_bytes, NULL);
    for (size_t i = 0; i < n; i++) {
        if (kept != 0 && !by_bytes(NULL, &e[kept - 1], &e[i])) e[kept - 1].df += e[i].df;
        else e[kept++] = e[i];
    }
    if (kept > most) {
        omen_sort(e, kept, sizeof *e, by_rank, NULL);
        kept = most;
        omen_sort(e, kept, sizeof *e, by_bytes, NULL);
    }
    for (size_t i = 0; i < kept; i++) {
        OMEN_TRY(add_clause(p, 1, e[i].edits));
        OMEN_TRY(add_leaf(p, e[i].term, e[i].len, 0));
    }
    p->found.len = 0;
    return OMEN_OK;
}

static omen_status scan(omen_text_plan *p, const omen_text_item *t, omen_error *err) {
    const omen_text_word *w = t->words;
    for (; p->source < p->source_count; p->source++, p->scanning = false) {
        const omen_text_source *s = &p->sources[p->source];
        const omen_text_source_field *f = &s->fields[p->field];
        if (!p->scanning) {
            omen_term_match_init(&p->match, w->term, w->len, t->kind == OMEN_TEXT_PREFIX, t->edits, t->exact);
            p->scan = (omen_terms_scan){0};
            p->scanning = true;
        }
        if (f->memory != NULL) OMEN_TRY(omen_text_memory_scan(f->memory, s->rows, &p->match, found_term, p));
        else if (f->postings != NULL) OMEN_TRY(omen_terms_scan_step(f->postings, &p->scan, &p->match, &p->group, found_term, p, err));
    }
    p->source = 0;
    return choose(p);
}

static omen_status stand_for(omen_text_plan *p, omen_error *err) {
    const omen_text_query *q = p->query;
    for (; p->item < q->item_count; p->item++, p->field = 0) {
        const omen_text_item *t = &q->items[p->item];
        if (!t->also) p->unit = p->item;
        for (; p->field < q->field_count; p->field++) {
            if (t->fields != 0 && (t->fields >> p->field & 1) == 0) continue;
            if (p->fields[p->field].weights && t->kind != OMEN_TEXT_WORD) continue;
            if (t->kind == OMEN_TEXT_PREFIX || t->kind == OMEN_TEXT_TYPO) {
                OMEN_TRY(scan(p, t, err));
                continue;
            }
            OMEN_TRY(add_clause(p, t->word_count, 0));
            for (uint32_t w = 0; w < t->word_count; w++) OMEN_TRY(add_leaf(p, t->words[w].term, t->words[w].len, t->words[w].position));
        }
    }
    p->item = 0;
    return OMEN_OK;
}

/* ---- where they are ---- */

static omen_status find_all(omen_text_plan *p, omen_error *err) {
    for (; p->item < omen_text_clause_count(p); p->item++, p->leaf = 0) {
        const omen_text_clause *c = omen_text_clause_at(p, p->item);
        for (; p->leaf < c->count; p->leaf++, p->source = 0) {
            omen_text_leaf *l = omen_text_leaf_at(p, c->first + p->leaf);
            for (; p->source < p->source_count; p->source++) {
                const omen_text_source *s = &p->sources[p->source];
                const omen_text_source_field *f = &s->fields[c->field];
                omen_term_ref *r = &l->refs[p->source];
                uint32_t flags = f->memory != NULL ? omen_text_memory_flags(f->memory) : f->postings != NULL ? f->postings->flags : OMEN_POSTINGS_POSITIONS;
                if (c->count > 1 && (flags & OMEN_POSTINGS_POSITIONS) == 0)
                    return omen_fail(err, OMEN_ERR_INVALID, "field %u of a text query was indexed without positions: it has no phrases; search for the words", c->field);
                if (f->memory != NULL) {
                    l->memory_refs[p->source] = omen_text_memory_find(f->memory, l->term, l->len);
                    if (l->memory_refs[p->source] != NULL) r->df = omen_text_memory_df(l->memory_refs[p->source], s->rows);
                } else if (f->postings != NULL) {
                    OMEN_TRY(omen_terms_find(f->postings, &p->group, l->term, l->len, r, err));
                }
                l->df += r->df;
            }
        }
    }
    return OMEN_OK;
}

/* ---- what they are worth ---- */

static bool by_weight(void *arg, const void *a, const void *b) {
    const omen_text_clause *x = a, *y = b;
    float v = x->weight < 0 ? -x->weight : x->weight, w = y->weight < 0 ? -y->weight : y->weight;
    (void)arg;
    return v != w ? v > w : x->order < y->order;
}

static omen_status weigh(omen_text_plan *p, omen_error *err) {
    const omen_text_query *q = p->query;
    uint32_t n = omen_text_clause_count(p);
    for (uint32_t i = 0, end; i < n; i = end) {
        omen_text_clause *c = omen_text_clause_at(p, i);
        const omen_text_item *t = &q->items[c->item];
        uint64_t most = 0, rows = p->fields[c->field].rows_with;
        for (end = i; end < n && omen_text_clause_at(p, end)->item == c->item && omen_text_clause_at(p, end)->field == c->field; end++)
            most = OMEN_MAX(most, omen_text_leaf_at(p, omen_text_clause_at(p, end)->first)->df);
        bool words = !p->fields[c->field].weights; /* of a field that no row has nothing is known */
        if (words && rows != 0 && t->boost < 0) return omen_fail(err, OMEN_ERR_INVALID, "the boost of word %u of a text query is below 0; write the word as one that must not be there instead", c->item);
        for (uint32_t k = i; k < end; k++) {
            omen_text_clause *d = omen_text_clause_at(p, k);
            double w = (double)t->boost * (double)q->field_weights[c->field], idf = 0.0;
            if (t->kind == OMEN_TEXT_PHRASE)
                for (uint32_t l = 0; l < d->count; l++) idf += omen_bm25_idf(rows, omen_text_leaf_at(p, d->first + l)->df);
            else
                idf = omen_bm25_idf(rows, most);
            if (words) w = w * idf * ((double)q->k1 + 1.0) / (double)(1u << d->edits);
            d->weight = (float)w;
            if (!finite(d->weight)) return omen_fail(err, OMEN_ERR_INVALID, "the boost of word %u of a text query is too large", c->item);
        }
    }
    if (n != 0) omen_sort(p->clauses.data, n, sizeof(omen_text_clause), by_weight, NULL);
    return OMEN_OK;
}

omen_status omen_text_plan_step(omen_text_plan *p, omen_error *err) {
    omen_status s = OMEN_OK;
    if (p->stage == PLAN_SCAN && (s = stand_for(p, err)) == OMEN_OK) {
        p->stage = PLAN_FIND;
        p->item = p->field = p->source = p->leaf = 0;
    }
    if (p->stage == PLAN_FIND && (s = find_all(p, err)) == OMEN_OK) p->stage = PLAN_WEIGH;
    if (p->stage == PLAN_WEIGH && (s = weigh(p, err)) == OMEN_OK) p->stage = PLAN_DONE;
    return s == OMEN_ERR_MEMORY ? out_of_memory(err) : s;
}

uint32_t omen_text_plan_terms(const omen_text_plan *p) { return omen_text_clause_count(p); }

omen_text_term_info omen_text_plan_term(const omen_text_plan *p, uint32_t index) {
    const omen_text_clause *c = omen_text_clause_at(p, index);
    const omen_text_leaf *l = omen_text_leaf_at(p, c->first);
    omen_text_term_info i = {.term = l->term, .len = l->len, .field = c->field, .item = c->item, .edits = c->edits, .words = c->count, .df = l->df, .weight = c->weight};
    for (uint32_t k = 1; k < c->count; k++) i.df = OMEN_MIN(i.df, omen_text_leaf_at(p, c->first + k)->df);
    return i;
}
