/* bm25.c - the walk over one source in windows of rows (bm25.h).
 *
 * In a window the terms, in the order in which they are summed, are a run that is collected, all rows of it, and a tail that is asked about single
 * rows. The tail is as long as the sum of its bounds stays below the threshold. Where an item must be there, no term is collected: rows come
 * from the MUST item of the fewest rows, and every term is asked. Either way the summands of a row are added in the one order.
 *
 * Everything that may pend can be begun again at the same place: lists only go forward, and keep what they have unpacked.
 */
#include "text/bm25_list.h"

#define WINDOW 2048u
#define MINUS_INFINITY (-__builtin_inff())

/* A clause in this source. */
typedef struct member {
    const omen_text_clause *clause;
    omen_list *lists;    /* one, or of each word of a phrase */
    uint32_t count;
    uint32_t rarest;     /* the list that leads through a phrase */
    omen_text_occur occur;
    float weight;
    const float *inverse;
    const uint8_t *lengths;
    bool weights, here;  /* here: some row of the window may have it */
    float bound;         /* in the window */
    double rest;         /* bounds of it and all after it */
} member;

typedef struct item_state { uint64_t df; uint32_t members; bool here; } item_state;

typedef enum stage { OPEN, WINDOW_NEXT, LENGTHS, COLLECT, ROWS, END } stage;

struct omen_text_search {
    omen_text_plan *plan;
    const omen_text_source *source;
    uint32_t source_index;
    omen_text_collector *collector;
    omen_text_work work;
    omen_arena arena;
    member *members;     /* summed ones first, in their order; then those that must not be there */
    uint32_t member_count, summed;
    item_state *items;
    uint32_t must_count, driver; /* driver: the MUST item rows come from */
    uint32_t *seen;      /* for each item: the row that was last found to have it, plus 1 */
    double slack;
    stage stage;
    uint32_t base, next_base, end, collected, at; /* at: member that is worked on */
    double *sums;
    uint64_t touched[WINDOW / 64];
    float *parts;
    uint8_t *lengths;    /* of the window, for each field */
    uint32_t length_field;
    size_t done;
    /* the row that is worked on */
    uint32_t row;
    bool in_row;
    double sum;
    uint32_t scanned;    /* slot of the window */
    bool offering;
};

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a text search"); }

/* ---- life ---- */

void omen_text_search_free(omen_text_search *s) {
    if (s == NULL) return;
    omen_mem *m = s->plan->mem;
    for (uint32_t i = 0; i < s->member_count; i++)
        for (uint32_t k = 0; k < s->members[i].count; k++) omen_list_deinit(&s->members[i].lists[k], m);
    omen_arena_deinit(&s->arena);
    omen_free(m, s, sizeof *s);
}

const omen_text_work *omen_text_search_work(const omen_text_search *s) { return &s->work; }

/* Whether rows must have an item, which is one of its own. */
static bool is_must(const omen_text_query *q, uint32_t i) { return q->items[i].occur == OMEN_TEXT_MUST && !q->items[i].also; }

static bool present(const omen_text_search *s, const omen_text_clause *c) {
    bool all = true;
    for (uint32_t i = 0; i < c->count && all; i++) all = omen_text_leaf_at(s->plan, c->first + i)->refs[s->source_index].df != 0;
    return all;
}

static omen_status add_member(omen_text_search *s, const omen_text_clause *c, omen_text_occur occur) {
    member *m = &s->members[s->member_count];
    item_state *item = &s->items[c->unit];
    uint32_t df = UINT32_MAX;
    *m = (member){.clause = c, .count = c->count, .occur = occur, .weight = c->weight, .inverse = s->plan->fields[c->field].inverse, .weights = s->plan->fields[c->field].weights};
    m->lengths = s->lengths + (size_t)c->field * WINDOW;
    m->lists = omen_arena_alloc(&s->arena, c->count * sizeof *m->lists, 16);
    if (m->lists == NULL) return OMEN_ERR_MEMORY;
    for (uint32_t i = 0; i < c->count; i++) {
        const omen_text_leaf *l = omen_text_leaf_at(s->plan, c->first + i);
        omen_list_init(&m->lists[i], s->plan, s->source_index, c->field, l);
        if (l->refs[s->source_index].df >= df) continue;
        df = l->refs[s->source_index].df;
        m->rarest = i;
    }
    s->member_count++;
    item->members++;
    item->df += df;
    return OMEN_OK;
}

static omen_status prepare(omen_text_search *s) {
    const omen_text_plan *p = s->plan;
    const omen_text_query *q = p->query;
    uint32_t n = omen_text_clause_count(p);
    s->members = omen_arena_alloc(&s->arena, n * sizeof *s->members + 1, 16);
    s->items = omen_arena_alloc(&s->arena, q->item_count * sizeof *s->items + 1, 16);
    s->seen = omen_arena_alloc(&s->arena, q->item_count * sizeof *s->seen + 1, 16);
    s->sums = omen_arena_alloc(&s->arena, WINDOW * sizeof *s->sums, 64);
    s->parts = omen_arena_alloc(&s->arena, OMEN_POSTINGS_BLOCK * sizeof *s->parts, 64);
    s->lengths = omen_arena_alloc(&s->arena, (size_t)q->field_count * WINDOW + 1, 64);
    if (s->members == NULL || s->items == NULL || s->seen == NULL || s->sums == NULL || s->parts == NULL || s->lengths == NULL) return OMEN_ERR_MEMORY;
    memset(s->items, 0, q->item_count * sizeof *s->items);
    memset(s->seen, 0, q->item_count * sizeof *s->seen);
    memset(s->sums, 0, WINDOW * sizeof *s->sums);
    for (unsigned forbidden = 0; forbidden < 2; forbidden++) {
        for (uint32_t i = 0; i < n; i++) {
            const omen_text_clause *c = omen_text_clause_at(p, i);
            omen_text_occur occur = q->items[c->unit].occur;
            if ((occur == OMEN_TEXT_MUST_NOT) == (forbidden != 0) && present(s, c)) OMEN_TRY(add_member(s, c, occur));
        }
        if (forbidden == 0) s->summed = s->member_count;
    }
    s->driver = UINT32_MAX;
    for (uint32_t i = 0; i < q->item_count; i++) {
        if (!is_must(q, i)) continue;
        s->must_count++;
        if (s->driver == UINT32_MAX || s->items[i].df < s->items[s->driver].df) s->driver = i;
    }
    if (s->summed == 0 || (s->driver != UINT32_MAX && s->items[s->driver].members == 0)) s->stage = END;
    return OMEN_OK;
}

omen_status omen_text_search_new(omen_text_plan *p, uint32_t source, omen_text_collector *c, omen_text_search **out, omen_error *err) {
    OMEN_ASSERT(p->stage == PLAN_DONE && source < p->source_count);
    omen_text_search *s = omen_alloc_zero(p->mem, sizeof *s);
    *out = NULL;
    if (s == NULL) return out_of_memory(err);
    s->plan = p;
    s->source = &p->sources[source];
    s->source_index = source;
    s->collector = c;
    omen_arena_init(&s->arena, p->mem, 32768);
    if (prepare(s) != OMEN_OK) {
        omen_text_search_free(s);
        return out_of_memory(err);
    }
    *out = s;
    return OMEN_OK;
}

/* ---- bounds ---- */

static omen_status open_lists(omen_text_search *s, omen_error *err) {
    for (; s->at < s->member_count; s->at++) {
        member *m = &s->members[s->at];
        for (uint32_t k = 0; k < m->count; k++) {
            if (m->lists[k].opened) continue;
            OMEN_TRY(omen_list_open(&m->lists[k], s->plan->mem, m->weight, m->inverse, err));
            m->lists[k].opened = true;
        }
    }
    for (uint32_t i = 0; i < s->summed; i++) {
        const member *m = &s->members[i];
        s->slack += m->weights ? m->lists[0].magnitude : m->weight;
    }
    s->slack *= 0x1p-40; /* more than rounding can take away in sums of as many as a query may have */
    return OMEN_OK;
}

/* What a list adds at most in the window, if it has rows there. */
static bool list_bound(omen_list *l, uint32_t base, uint32_t end, float *bound) {
    *bound = 0.0f;
    if (!omen_list_skip(l, base)) return false;
    uint32_t i = l->mark = l->h;
    for (; i < l->head_count && (i == 0 || l->heads[i - 1].last + 1 < end); i++) *bound = OMEN_MAX(*bound, l->heads[i].bound);
    return i != l->h;
}

static void bound_members(omen_text_search *s) {
    for (uint32_t i = 0; i < s->member_count; i++) {
        member *m = &s->members[i];
        m->here = true;
        for (uint32_t k = 0; k < m->count; k++) {
            float bound;
            m->here = list_bound(&m->lists[k], s->base, s->end, &bound) && m->here;
            m->bound = k == 0 ? bound : OMEN_MIN(m->bound, bound);
        }
        if (!m->here) m->bound = 0.0f;
    }
    double rest = 0.0;
    for (uint32_t i = s->summed; i-- != 0;) s->members[i].rest = rest += s->members[i].bound;
}

/* The greatest float below. */
static float below(float v) {
    uint32_t bits;
    memcpy(&bits, &v, 4);
    if (v == 0.0f) bits = 0x80000001u;
    else if (v > 0.0f) bits--;
    else bits++;
    memcpy(&v, &bits, 4);
    return v;
}

/* A sum below it rounds to a score below the threshold. */
static double least(const omen_text_search *s) {
    float t = s->collector->threshold;
    return t == MINUS_INFINITY ? -__builtin_inf() : (double)below(t) - s->slack;
}

/* ---- windows ---- */

static bool every_must_here(omen_text_search *s) {
    bool all = true;
    if (s->must_count == 0) return true;
    for (uint32_t i = 0; i < s->plan->query->item_count; i++) s->items[i].here = false;
    for (uint32_t i = 0; i < s->summed; i++) s->items[s->members[i].clause->unit].here |= s->members[i].here;
    for (uint32_t i = 0; i < s->plan->query->item_count && all; i++) all = !is_must(s->plan->query, i) || s->items[i].here;
    return all;
}

/* To the next window that may have hits. */
static void next_window(omen_text_search *s) {
    for (;;) {
        s->base = s->next_base;
        if (s->base >= s->source->rows) {
            s->stage = END;
            return;
        }
        s->end = OMEN_MIN(s->source->rows, s->base - s->base % WINDOW + WINDOW);
        if (s->end < s->base) s->end = s->source->rows;
        s->next_base = s->end;
        bound_members(s);
        double need = least(s);
        if (s->members[0].rest < need || !every_must_here(s)) continue;
        s->collected = s->summed;
        if (s->must_count != 0) s->collected = 0;
        else
            while (s->collected != 0 && s->members[s->collected - 1].rest < need) s->collected--;
        bool any = false;
        for (uint32_t i = 0; i < s->collected && !any; i++) any = s->members[i].here;
        if (!any && s->must_count == 0) continue;
        break;
    }
    s->work.windows++;
    s->length_field = 0;
    s->done = 0;
    s->stage = LENGTHS;
}

static bool field_used(const omen_text_search *s, uint32_t field) {
    bool used = false;
    for (uint32_t i = 0; i < s->summed && !used; i++) used = s->members[i].here && s->members[i].clause->field == field;
    return used && !s->plan->fields[field].weights;
}

static omen_status load_lengths(omen_text_search *s, omen_error *err) {
    for (; s->length_field < s->plan->query->field_count; s->length_field++, s->done = 0) {
        const omen_text_source_field *f = &s->source->fields[s->length_field];
        uint8_t *into = s->lengths + (size_t)s->length_field * WINDOW + s->base % WINDOW;
        if (!field_used(s, s->length_field)) continue;
        if (f->memory != NULL)
            omen_text_memory_lengths(f->memory, s->base, s->end, into);
        else
            OMEN_TRY(omen_segment_read(f->postings->segment, f->postings->lengths, s->base, s->end - s->base, into, &s->done, err));
    }
    memset(s->touched, 0, sizeof s->touched);
    s->at = 0;
    s->stage = COLLECT;
    return OMEN_OK;
}

/* ---- a term ---- */

static inline double part_of(const member *m, uint32_t row, uint32_t count) {
    if (m->weights) {
        float v;
        memcpy(&v, &count, 4);
        return (double)m->weight * (double)v;
    }
    return (double)omen_bm25_part(m->weight, m->inverse[m->lengths[row % WINDOW]], count);
}

/* How often the phrase stands in the row its lists are at. */
static uint32_t count_phrase(const member *m) {
    const omen_list *first = &m->lists[0];
    uint32_t count = 0;
    for (uint32_t i = 0; i < first->found_count; i++) {
        bool all = i == 0 || first->found[i] != first->found[i - 1];
        for (uint32_t k = 1; k < m->count && all; k++) {
            const omen_list *l = &m->lists[k];
            int64_t want = (int64_t)first->found[i] + l->leaf->position - first->leaf->position;
            uint32_t lo = 0, hi = l->found_count;
            while (lo < hi) {
                uint32_t mid = (lo + hi) / 2;
                if (l->found[mid] < want) lo = mid + 1;
                else hi = mid;
            }
            all = lo < l->found_count && l->found[lo] == want;
        }
        count += all;
    }
    return count;
}

/* How often the row has it; bits of a weight; *has. [may pend] */
static omen_status ask(omen_text_search *s, member *m, uint32_t row, bool *has, uint32_t *count, omen_error *err) {
    *count = 0;
    *has = true;
    if (m->count == 1) {
        OMEN_TRY(omen_list_has(m->lists, row, has, &s->work, err));
        if (*has) *count = m->lists->counts[m->lists->at];
        return OMEN_OK;
    }
    for (uint32_t k = 0; k < m->count && *has; k++) OMEN_TRY(omen_list_has(&m->lists[k], row, has, &s->work, err));
    for (uint32_t k = 0; k < m->count && *has; k++) OMEN_TRY(omen_list_positions(&m->lists[k], s->plan->mem, &s->work, err));
    if (*has) *has = (*count = count_phrase(m)) != 0;
    return OMEN_OK;
}

/* ---- collecting ---- */

static inline void touch(omen_text_search *s, uint32_t row) { s->touched[row % WINDOW / 64] |= UINT64_C(1) << (row & 63); }

/* Rows [from, to) of the unpacked block. */
static void add_rows(omen_text_search *s, const member *m, const omen_list *l, uint32_t from, uint32_t to, bool sum) {
    const uint32_t *rows = l->rows;
    float *parts = s->parts, w = m->weight;
    s->work.postings += to - from;
    if (!sum) {
        for (uint32_t i = from; i < to; i++) touch(s, rows[i]);
        return;
    }
    if (m->weights) {
        for (uint32_t i = from; i < to; i++) {
            s->sums[rows[i] % WINDOW] += part_of(m, rows[i], l->counts[i]);
            touch(s, rows[i]);
        }
        return;
    }
    for (uint32_t i = from; i < to; i++) parts[i] = (float)(int32_t)l->counts[i] * m->inverse[m->lengths[rows[i] % WINDOW]];
    for (uint32_t i = from; i < to; i++) parts[i] = w - w / (1.0f + parts[i]);
    for (uint32_t i = from; i < to; i++) {
        s->sums[rows[i] % WINDOW] += (double)parts[i];
        touch(s, rows[i]);
    }
}

static omen_status collect_term(omen_text_search *s, member *m, bool sum, omen_error *err) {
    omen_list *l = m->lists;
    while (omen_list_skip(l, s->base)) {
        if (l->h != 0 && l->heads[l->h - 1].last + 1 >= s->end) break;
        if (l->loaded != l->h) OMEN_TRY(omen_list_load(l, &s->work, err));
        omen_list_seek(l, s->base);
        uint32_t from = l->at, to = l->count;
        if (l->heads[l->h].last >= s->end) {
            omen_list_seek(l, s->end);
            to = l->at;
        }
        add_rows(s, m, l, from, to, sum);
        if (to < l->count) break;
        if (++l->h == l->head_count) break;
    }
    return OMEN_OK;
}

static omen_status collect_phrase(omen_text_search *s, member *m, bool sum, omen_error *err) {
    omen_list *lead = &m->lists[m->rarest];
    if (!s->in_row) s->row = s->base;
    s->in_row = true;
    for (;;) {
        bool has;
        uint32_t count;
        if (!omen_list_skip(lead, s->row) || (lead->h != 0 && lead->heads[lead->h - 1].last + 1 >= s->end)) break;
        if (lead->loaded != lead->h) OMEN_TRY(omen_list_load(lead, &s->work, err));
        omen_list_seek(lead, s->row);
        if (lead->at == lead->count) {
            if (lead->h + 1 == lead->head_count) break;
            lead->h++;
            continue;
        }
        s->row = lead->rows[lead->at];
        if (s->row >= s->end) break;
        OMEN_TRY(ask(s, m, s->row, &has, &count, err));
        s->work.postings++;
        if (has) {
            if (sum) s->sums[s->row % WINDOW] += part_of(m, s->row, count);
            touch(s, s->row);
        }
        s->row++;
    }
    s->in_row = false;
    return OMEN_OK;
}

static omen_status collect(omen_text_search *s, omen_error *err) {
    uint32_t n = s->must_count != 0 ? s->summed : s->collected;
    for (; s->at < n; s->at++) {
        member *m = &s->members[s->at];
        if (!m->here || (s->must_count != 0 && m->clause->unit != s->driver)) continue;
        OMEN_TRY(m->count == 1 ? collect_term(s, m, s->must_count == 0, err) : collect_phrase(s, m, s->must_count == 0, err));
    }
    /* The item rows came from is asked about each of them, like all others. */
    for (uint32_t i = 0; i < s->summed && s->must_count != 0; i++) {
        for (uint32_t k = 0; k < s->members[i].count; k++) {
            s->members[i].lists[k].h = s->members[i].lists[k].mark;
            s->members[i].lists[k].at = 0;
        }
    }
    s->scanned = s->base % WINDOW;
    s->stage = ROWS;
    return OMEN_OK;
}

/* ---- rows ---- */

static float score_of(const omen_text_search *s) {
    const float most = 0x1.fffffep127f;
    return s->sum > (double)most ? most : s->sum < -(double)most ? -most : (float)s->sum;
}

/* The next row that was collected; false: no more in this window. */
static bool next_row(omen_text_search *s) {
    uint32_t word = s->scanned / 64;
    uint64_t bits = s->scanned < WINDOW ? s->touched[word] & ~UINT64_C(0) << (s->scanned & 63) : 0;
    while (bits == 0) {
        if (++word >= WINDOW / 64) return false;
        bits = s->touched[word];
    }
    s->scanned = word * 64 + (uint32_t)__builtin_ctzll(bits);
    s->row = s->base - s->base % WINDOW + s->scanned;
    s->sum = s->sums[s->scanned];
    s->sums[s->scanned++] = 0.0;
    return true;
}

/* Adds what was not collected. *may: the row can still be a hit. [may pend; goes on where it was] */
static omen_status finish_row(omen_text_search *s, bool *may, omen_error *err) {
    double need = least(s);
    *may = false;
    for (; s->at < s->summed; s->at++) {
        member *m = &s->members[s->at];
        bool has;
        uint32_t count;
        if (s->sum + m->rest < need) return OMEN_OK;
        if (!m->here) continue;
        if (m->count == 1 && omen_list_skip(m->lists, s->row)) {
            double after = s->at + 1 < s->summed ? s->members[s->at + 1].rest : 0.0;
            if (s->sum + m->lists->heads[m->lists->h].bound + after < need) return OMEN_OK;
        }
        OMEN_TRY(ask(s, m, s->row, &has, &count, err));
        if (!has) continue;
        s->seen[m->clause->unit] = s->row + 1;
        s->sum += part_of(m, s->row, count);
    }
    if (s->must_count != 0 && s->at == s->summed)
        for (uint32_t i = 0; i < s->plan->query->item_count; i++)
            if (is_must(s->plan->query, i) && s->seen[i] != s->row + 1) return OMEN_OK;
    if (score_of(s) < s->collector->threshold) return OMEN_OK;
    for (; s->at < s->member_count; s->at++) {
        bool has;
        uint32_t count;
        if (!s->members[s->at].here) continue;
        OMEN_TRY(ask(s, &s->members[s->at], s->row, &has, &count, err));
        if (has) return OMEN_OK;
    }
    *may = true;
    return OMEN_OK;
}

static omen_status rows(omen_text_search *s, omen_error *err) {
    for (;;) {
        bool may = true;
        if (!s->in_row) {
            if (!next_row(s)) break;
            if (s->sum + (s->collected < s->summed ? s->members[s->collected].rest : 0.0) < least(s)) continue;
            if (omen_bits_test(s->source->dead, s->row) || (s->source->accept != NULL && !omen_bits_test(s->source->accept, s->row))) continue;
            s->work.candidates++;
            s->at = s->collected;
            s->in_row = true;
        }
        if (!s->offering) OMEN_TRY(finish_row(s, &may, err));
        if (may) {
            s->offering = true;
            OMEN_TRY(s->collector->offer(s->collector, s->source_index, s->row, score_of(s), err));
            s->work.offered++;
        }
        s->offering = s->in_row = false;
    }
    s->stage = WINDOW_NEXT;
    return OMEN_OK;
}

static omen_status walk(omen_text_search *s, omen_error *err) {
    for (;;) {
        switch (s->stage) {
            case OPEN:
                OMEN_TRY(open_lists(s, err));
                s->stage = WINDOW_NEXT;
                break;
            case WINDOW_NEXT: next_window(s); break;
            case LENGTHS: OMEN_TRY(load_lengths(s, err)); break;
            case COLLECT: OMEN_TRY(collect(s, err)); break;
            case ROWS: OMEN_TRY(rows(s, err)); break;
            case END: return OMEN_OK;
        }
    }
}

static void unpin(omen_text_search *s) {
    for (uint32_t i = 0; i < s->member_count; i++)
        for (uint32_t k = 0; k < s->members[i].count; k++) omen_list_unpin(&s->members[i].lists[k]);
}

omen_status omen_text_search_step(omen_text_search *s, omen_error *err) {
    omen_status status;
    do {
        status = walk(s, err);
        bool pinned = false;
        for (uint32_t i = 0; i < s->member_count && !pinned; i++)
            for (uint32_t k = 0; k < s->members[i].count && !pinned; k++) pinned = s->members[i].lists[k].pin != NULL;
        unpin(s);
        /* Our own pins may be what fills the pool. */
        if (status == OMEN_ERR_LIMIT && !pinned) break;
    } while (status == OMEN_ERR_LIMIT);
    return status;
}
