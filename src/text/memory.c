/* memory.c - terms stand in a hash table, to be found, and in a skip list (Pugh 1990), to be walked in order; both only ever get more. */
#include "text/memory.h"

#define LEVELS 12u
#define FIRST_ROWS 1024u /* of the first segment of rows; each has twice as many as the one before */
#define SEGMENTS 23u

struct omen_text_memory_term {
    const uint8_t *bytes;
    uint32_t len, hash;
    omen_text_memory_run *last;  /* the writer's: where the next entry goes */
    uint32_t staged;             /* entries for which there is room already */
    uint32_t pending;            /* its place among the pending of the row that is being staged, if row is that */
    uint32_t row;
    omen_text_memory_run *first; /* never changes once the term is found */
    uint32_t levels;
    _Atomic(omen_text_memory_term *) next[];
};

typedef struct table {
    uint32_t count;
    _Atomic(omen_text_memory_term *) slots[];
} table;

/* Of a row: what it and all before it have. */
typedef struct row_totals {
    uint64_t length;
    uint32_t rows_with;
    uint8_t code;
} row_totals;

typedef struct pending {
    omen_text_memory_term *term;
    uint32_t row, count, last; /* last: position */
    const uint8_t *positions;
    uint8_t *at;
    size_t bytes;
} pending;

typedef struct token { uint32_t pending, position; } token;

struct omen_text_memory {
    omen_mem *mem;
    omen_arena arena;
    omen_postings_options options;
    _Atomic(table *) table;
    uint32_t terms;
    omen_text_memory_term *head; /* of the skip list: no term */
    _Atomic(row_totals *) rows[SEGMENTS];
    omen_buf pending, tokens;    /* staged entries; tokens of the row being staged */
    uint32_t row_pending;        /* the first of that row */
    uint32_t committed, staged, length;
    bool in_row;
};

/* ---- life ---- */

static table *new_table(omen_text_memory *x, uint32_t count) {
    size_t bytes = sizeof(table) + count * sizeof(_Atomic(omen_text_memory_term *));
    table *t = omen_arena_alloc(&x->arena, bytes, 64);
    if (t == NULL) return NULL;
    memset(t, 0, bytes);
    t->count = count;
    return t;
}

static omen_text_memory_term *new_node(omen_text_memory *x, uint32_t levels) {
    size_t bytes = sizeof(omen_text_memory_term) + levels * sizeof(_Atomic(omen_text_memory_term *));
    omen_text_memory_term *t = omen_arena_alloc(&x->arena, bytes, 8);
    if (t == NULL) return NULL;
    memset(t, 0, bytes);
    t->levels = levels;
    t->row = UINT32_MAX;
    return t;
}

omen_status omen_text_memory_new(omen_mem *m, const omen_postings_options *o, omen_text_memory **out) {
    omen_text_memory *x = omen_alloc_zero(m, sizeof *x);
    *out = NULL;
    if (x == NULL) return OMEN_ERR_MEMORY;
    x->mem = m;
    x->options = *o;
    omen_arena_init(&x->arena, m, 1u << 15);
    omen_buf_init(&x->pending, m);
    omen_buf_init(&x->tokens, m);
    table *t = new_table(x, 256);
    x->head = new_node(x, LEVELS);
    if (t == NULL || x->head == NULL) {
        omen_text_memory_free(x);
        return OMEN_ERR_MEMORY;
    }
    atomic_store(&x->table, t);
    *out = x;
    return OMEN_OK;
}

void omen_text_memory_free(omen_text_memory *x) {
    if (x == NULL) return;
    omen_arena_deinit(&x->arena);
    omen_buf_deinit(&x->pending);
    omen_buf_deinit(&x->tokens);
    omen_free(x->mem, x, sizeof *x);
}

size_t omen_text_memory_bytes(const omen_text_memory *x) { return sizeof *x + x->arena.bytes + x->pending.cap + x->tokens.cap; }

/* ---- terms ---- */

static const omen_text_memory_term *find(const table *t, const uint8_t *bytes, size_t len, uint32_t hash, uint32_t *at) {
    const omen_text_memory_term *n;
    for (*at = hash & (t->count - 1); (n = atomic_load_explicit(&t->slots[*at], memory_order_acquire)) != NULL; *at = (*at + 1) & (t->count - 1))
        if (n->hash == hash && n->len == len && memcmp(n->bytes, bytes, len) == 0) break;
    return n;
}

const omen_text_memory_term *omen_text_memory_find(const omen_text_memory *x, const uint8_t *term, size_t len) {
    uint32_t at;
    return len == 0 || len > OMEN_TERM_BYTES ? NULL : find(atomic_load_explicit(&x->table, memory_order_acquire), term, len, (uint32_t)omen_hash64(term, len, 0), &at);
}

/* The last node before the term on every level. */
static void find_before(const omen_text_memory *x, const uint8_t *bytes, size_t len, omen_text_memory_term *before[LEVELS]) {
    omen_text_memory_term *n = x->head;
    for (uint32_t level = LEVELS; level-- != 0; before[level] = n) {
        omen_text_memory_term *next;
        while ((next = atomic_load_explicit(&n->next[level], memory_order_acquire)) != NULL && omen_terms_compare(next->bytes, next->len, bytes, len) < 0) n = next;
    }
}

static bool grow_table(omen_text_memory *x) {
    table *old = atomic_load_explicit(&x->table, memory_order_relaxed), *t = new_table(x, old->count * 4);
    if (t == NULL) return false;
    for (uint32_t i = 0; i < old->count; i++) {
        omen_text_memory_term *n = atomic_load_explicit(&old->slots[i], memory_order_relaxed);
        if (n == NULL) continue;
        uint32_t at = n->hash & (t->count - 1);
        while (atomic_load_explicit(&t->slots[at], memory_order_relaxed) != NULL) at = (at + 1) & (t->count - 1);
        atomic_store_explicit(&t->slots[at], n, memory_order_relaxed);
    }
    atomic_store_explicit(&x->table, t, memory_order_release);
    return true;
}

static omen_text_memory_run *new_run(omen_text_memory *x, uint32_t cap) {
    omen_text_memory_run *r = omen_arena_alloc(&x->arena, sizeof *r + cap * sizeof *r->entries, 8);
    if (r == NULL) return NULL;
    atomic_init(&r->next, NULL);
    atomic_init(&r->count, 0);
    r->cap = cap;
    return r;
}

static omen_text_memory_term *intern(omen_text_memory *x, const uint8_t *bytes, uint32_t len) {
    uint32_t hash = (uint32_t)omen_hash64(bytes, len, 0), at, levels = 1;
    table *t = atomic_load_explicit(&x->table, memory_order_relaxed);
    const omen_text_memory_term *known = find(t, bytes, len, hash, &at);
    if (known != NULL) return (omen_text_memory_term *)(uintptr_t)known;
    if (x->terms >= t->count / 2) {
        if (!grow_table(x)) return NULL;
        t = atomic_load_explicit(&x->table, memory_order_relaxed);
        (void)find(t, bytes, len, hash, &at);
    }
    for (uint64_t bits = hash * UINT64_C(0x9e3779b97f4a7c15) >> 20; levels < LEVELS && (bits & 3) == 0; bits >>= 2) levels++;
    omen_text_memory_term *n = new_node(x, levels), *before[LEVELS];
    if (n == NULL) return NULL;
    n->hash = hash;
    n->len = len;
    n->bytes = omen_arena_copy(&x->arena, bytes, len);
    n->first = n->last = new_run(x, 2);
    if (n->bytes == NULL || n->first == NULL) return NULL;
    find_before(x, bytes, len, before);
    for (uint32_t level = 0; level < levels; level++) {
        atomic_store_explicit(&n->next[level], atomic_load_explicit(&before[level]->next[level], memory_order_relaxed), memory_order_relaxed);
        atomic_store_explicit(&before[level]->next[level], n, memory_order_release);
    }
    atomic_store_explicit(&t->slots[at], n, memory_order_release);
    x->terms++;
    return n;
}

/* ---- rows ---- */

static uint32_t segment_of(uint32_t row, uint32_t *at) {
    uint32_t s = 31u - (uint32_t)__builtin_clz(row / FIRST_ROWS + 1);
    *at = row - FIRST_ROWS * ((1u << s) - 1);
    return s;
}

static row_totals *totals_of(const omen_text_memory *x, uint32_t row) {
    uint32_t at, s = segment_of(row, &at);
    return atomic_load_explicit(&x->rows[s], memory_order_acquire) + at;
}

omen_status omen_text_memory_row(omen_text_memory *x, uint32_t *row) {
    uint32_t at, s = segment_of(x->staged, &at);
    OMEN_ASSERT(!x->in_row && s < SEGMENTS);
    if (atomic_load_explicit(&x->rows[s], memory_order_relaxed) == NULL) {
        row_totals *r = omen_arena_alloc(&x->arena, ((size_t)FIRST_ROWS << s) * sizeof *r, 16);
        if (r == NULL) return OMEN_ERR_MEMORY;
        atomic_store_explicit(&x->rows[s], r, memory_order_release);
    }
    x->in_row = true;
    x->length = 0;
    x->tokens.len = 0;
    x->row_pending = (uint32_t)(x->pending.len / sizeof(pending));
    *row = x->staged;
    return OMEN_OK;
}

static pending *pending_at(omen_text_memory *x, uint32_t i) { return (pending *)(void *)x->pending.data + i; }

/* Room for one more entry than is staged: a run ahead of its time, which readers find empty. */
static bool make_room(omen_text_memory *x, omen_text_memory_term *t) {
    uint32_t need = t->staged + 1;
    omen_text_memory_run *r = t->last;
    for (;;) {
        uint32_t left = r->cap - atomic_load_explicit(&r->count, memory_order_relaxed);
        if (left >= need) break;
        need -= left;
        omen_text_memory_run *next = atomic_load_explicit(&r->next, memory_order_relaxed);
        if (next == NULL) {
            next = new_run(x, OMEN_MIN(r->cap * 2, OMEN_POSTINGS_BLOCK));
            if (next == NULL) return false;
            atomic_store_explicit(&r->next, next, memory_order_release);
        }
        r = next;
    }
    t->staged++;
    return true;
}

/* The row's entry of the term. */
static pending *enter(omen_text_memory *x, const void *bytes, size_t len, uint32_t *index) {
    OMEN_ASSERT(x->in_row && len != 0 && len <= OMEN_TERM_BYTES);
    omen_text_memory_term *t = intern(x, bytes, (uint32_t)len);
    if (t == NULL) return NULL;
    uint32_t count = (uint32_t)(x->pending.len / sizeof(pending));
    /* A row that was given up may have left the same number. */
    if (t->row != x->staged || t->pending < x->row_pending || t->pending >= count || pending_at(x, t->pending)->term != t) {
        pending p = {.term = t, .row = x->staged};
        if (!make_room(x, t)) return NULL;
        if (omen_buf_append(&x->pending, &p, sizeof p) != OMEN_OK) {
            t->staged--;
            return NULL;
        }
        t->row = x->staged;
        t->pending = count;
    }
    *index = t->pending;
    return pending_at(x, t->pending);
}

static uint32_t varint_bytes(uint32_t v) { return v < 1u << 7 ? 1 : v < 1u << 14 ? 2 : v < 1u << 21 ? 3 : v < 1u << 28 ? 4 : 5; }

omen_status omen_text_memory_add(omen_text_memory *x, const void *term, size_t len, uint32_t position) {
    uint32_t index;
    pending *p = enter(x, term, len, &index);
    if (p == NULL) return OMEN_ERR_MEMORY;
    if (x->length != UINT32_MAX) x->length++;
    if (p->count == OMEN_POSTINGS_COUNT_MAX) return OMEN_OK;
    p->count++;
    if (!x->options.positions) return OMEN_OK;
    token t = {index, position - p->last};
    p->last = position;
    p->bytes += varint_bytes(t.position);
    return omen_buf_append(&x->tokens, &t, sizeof t);
}

omen_status omen_text_memory_add_weight(omen_text_memory *x, uint32_t index, float weight) {
    uint8_t bytes[4];
    uint32_t at;
    omen_postings_index_term(index, bytes);
    pending *p = enter(x, bytes, sizeof bytes, &at);
    if (p == NULL) return OMEN_ERR_MEMORY;
    x->length++;
    memcpy(&p->count, &weight, 4);
    return OMEN_OK;
}

omen_status omen_text_memory_end(omen_text_memory *x) {
    uint32_t count = (uint32_t)(x->pending.len / sizeof(pending));
    const token *tokens = (const token *)(const void *)x->tokens.data;
    size_t all = 0, n = x->tokens.len / sizeof *tokens;
    OMEN_ASSERT(x->in_row);
    for (uint32_t i = x->row_pending; i < count; i++) all += pending_at(x, i)->bytes;
    if (all != 0) {
        uint8_t *at = omen_arena_alloc(&x->arena, all, 1);
        if (at == NULL) return OMEN_ERR_MEMORY;
        for (uint32_t i = x->row_pending; i < count; at += pending_at(x, i++)->bytes) pending_at(x, i)->positions = pending_at(x, i)->at = at;
        for (size_t i = 0; i < n; i++) {
            pending *p = pending_at(x, tokens[i].pending);
            uint32_t v = tokens[i].position;
            for (; v >= 128; v >>= 7) *p->at++ = (uint8_t)(v | 128);
            *p->at++ = (uint8_t)v;
        }
    }
    row_totals *r = totals_of(x, x->staged);
    *r = x->staged == 0 ? (row_totals){0} : *totals_of(x, x->staged - 1);
    r->length += x->length;
    r->rows_with += x->length != 0;
    r->code = omen_length_code(x->length);
    x->staged++;
    x->in_row = false;
    return OMEN_OK;
}

void omen_text_memory_commit(omen_text_memory *x) {
    uint32_t count = (uint32_t)(x->pending.len / sizeof(pending));
    OMEN_ASSERT(!x->in_row);
    for (uint32_t i = 0; i < count; i++) {
        const pending *p = pending_at(x, i);
        omen_text_memory_run *r = p->term->last;
        if (atomic_load_explicit(&r->count, memory_order_relaxed) == r->cap) r = p->term->last = atomic_load_explicit(&r->next, memory_order_relaxed);
        uint32_t at = atomic_load_explicit(&r->count, memory_order_relaxed);
        r->entries[at] = (omen_text_memory_entry){p->row, p->count, p->positions};
        atomic_store_explicit(&r->count, at + 1, memory_order_release);
        p->term->staged--;
    }
    x->pending.len = 0;
    x->committed = x->staged;
}

void omen_text_memory_give_up(omen_text_memory *x) {
    uint32_t count = (uint32_t)(x->pending.len / sizeof(pending));
    for (uint32_t i = 0; i < count; i++) {
        pending_at(x, i)->term->staged--;
        pending_at(x, i)->term->row = UINT32_MAX;
    }
    x->pending.len = 0;
    x->staged = x->committed;
    x->in_row = false;
}

/* ---- readers ---- */

uint32_t omen_text_memory_flags(const omen_text_memory *x) { return (x->options.positions ? OMEN_POSTINGS_POSITIONS : 0u) | (x->options.weights ? OMEN_POSTINGS_WEIGHTS : 0u); }

void omen_text_memory_lengths(const omen_text_memory *x, uint32_t from, uint32_t to, uint8_t *into) {
    while (from < to) {
        uint32_t at, s = segment_of(from, &at), n = OMEN_MIN(to - from, (FIRST_ROWS << s) - at);
        const row_totals *r = atomic_load_explicit(&x->rows[s], memory_order_acquire) + at;
        for (uint32_t i = 0; i < n; i++) *into++ = r[i].code;
        from += n;
    }
}

void omen_text_memory_totals(const omen_text_memory *x, uint32_t rows, uint32_t *rows_with, uint64_t *total_length) {
    row_totals none = {0};
    const row_totals *r = rows == 0 ? &none : totals_of(x, rows - 1);
    *rows_with = r->rows_with;
    *total_length = r->length;
}

/* How many of a run's entries are of the first `rows` rows. */
static uint32_t visible(const omen_text_memory_run *r, uint32_t rows) {
    uint32_t lo = 0, hi = atomic_load_explicit(&r->count, memory_order_acquire);
    if (hi == 0 || r->entries[hi - 1].row < rows) return hi;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (r->entries[mid].row < rows) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

const omen_text_memory_run *omen_text_memory_first(const omen_text_memory_term *t, uint32_t rows, uint32_t *count) {
    *count = visible(t->first, rows);
    return t->first;
}

const omen_text_memory_run *omen_text_memory_next(const omen_text_memory_run *r, uint32_t rows, uint32_t *count) {
    const omen_text_memory_run *next = atomic_load_explicit(&r->next, memory_order_acquire);
    *count = next == NULL ? 0 : visible(next, rows);
    return next;
}

uint32_t omen_text_memory_df(const omen_text_memory_term *t, uint32_t rows) {
    uint32_t df = 0, n;
    for (const omen_text_memory_run *r = omen_text_memory_first(t, rows, &n); r != NULL && n != 0; r = omen_text_memory_next(r, rows, &n)) df += n;
    return df;
}

omen_status omen_text_memory_scan(const omen_text_memory *x, uint32_t rows, omen_term_match *m, omen_terms_found found, void *arg) {
    omen_text_memory_term *before[LEVELS];
    const uint8_t *prior = NULL;
    uint32_t prior_len = 0, edits, dead = 0;
    find_before(x, m->word, m->fixed, before);
    m->depth = 0;
    for (const omen_text_memory_term *t = before[0]; (t = atomic_load_explicit(&t->next[0], memory_order_acquire)) != NULL;) {
        uint32_t shared = 0;
        if (m->fixed != 0 && omen_terms_compare(t->bytes, OMEN_MIN(t->len, m->fixed), m->word, m->fixed) > 0) break;
        while (shared < prior_len && shared < t->len && prior[shared] == t->bytes[shared]) shared++;
        if (dead != 0 && shared >= dead) continue;
        prior = t->bytes;
        prior_len = t->len;
        if (!omen_term_matches(m, t->bytes, t->len, shared, &edits, &dead)) continue;
        uint32_t df = omen_text_memory_df(t, rows);
        if (df != 0) OMEN_TRY(found(arg, t->bytes, t->len, df, edits));
    }
    return OMEN_OK;
}
