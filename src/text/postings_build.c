/* postings_build.c - from terms, row by row, to the sections of postings.h.
 *
 * A term is found through a hash table and has two streams of bytes in chunks that double: postings (distance to the row before, count; or weight) and
 * positions, which are already as they will be written. A row's count is not known before the next row that has the term comes, so the last
 * posting stays in the term itself; a term of one row, as most are, never has the first stream. Nothing depends on the table's order: terms are
 * sorted by their first eight bytes by radix, and ties by the rest.
 */
#include "base/sort.h"
#include "text/postings.h"

#define CHUNK_MIN 8u
#define CHUNK_MAX 4096u

typedef struct chunk {
    struct chunk *next;
    uint32_t cap;
    uint8_t bytes[];
} chunk;

typedef struct stream {
    uint8_t *at, *end; /* room in the last chunk */
    chunk *first, *last;
} stream;

/* What tells most terms apart: the first and the last eight bytes, or a hash of what comes after the first eight. */
typedef struct fingerprint { uint64_t a, b; } fingerprint;

typedef struct term {
    /* one line of the cache, which is all that another occurrence in a row needs */
    fingerprint print;
    uint32_t len, df;       /* df: with the last row */
    uint32_t row, before;   /* the last row, not in the stream yet; the one before it */
    uint32_t count;         /* in it, or the bits of its weight */
    uint32_t position;
    stream positions, postings;
    const uint8_t *bytes;
} term;

typedef struct slot { uint32_t hash, term; } slot; /* term: index + 1, 0: free */

#define PAGE_TERMS 512u

struct omen_postings_builder {
    omen_mem *mem;
    omen_postings_options options;
    omen_arena arena;
    slot *slots;
    uint32_t slot_count, term_count; /* slot_count: a power of two */
    term **pages;
    uint32_t page_cap;
    omen_buf lengths;
    uint64_t total;
    uint32_t row, length, rows_with;
    bool begun;
};

static term *term_at(const omen_postings_builder *b, uint32_t i) { return &b->pages[i / PAGE_TERMS][i % PAGE_TERMS]; }

omen_status omen_postings_builder_new(omen_mem *m, const omen_postings_options *o, omen_postings_builder **out) {
    omen_postings_builder *b = omen_alloc_zero(m, sizeof *b);
    *out = b;
    if (b == NULL) return OMEN_ERR_MEMORY;
    b->mem = m;
    b->options = *o;
    omen_arena_init(&b->arena, m, 1u << 17);
    omen_buf_init(&b->lengths, m);
    return OMEN_OK;
}

void omen_postings_builder_free(omen_postings_builder *b) {
    if (b == NULL) return;
    omen_arena_deinit(&b->arena);
    omen_buf_deinit(&b->lengths);
    omen_free(b->mem, b->slots, b->slot_count * sizeof *b->slots);
    omen_free(b->mem, b->pages, b->page_cap * sizeof *b->pages);
    omen_free(b->mem, b, sizeof *b);
}

size_t omen_postings_builder_bytes(const omen_postings_builder *b) {
    return b->arena.bytes + b->lengths.cap + b->slot_count * sizeof *b->slots + b->page_cap * sizeof *b->pages + sizeof *b;
}

/* ---- streams ---- */

static bool stream_grow(omen_postings_builder *b, stream *s) {
    uint32_t cap = s->last == NULL ? CHUNK_MIN : OMEN_MIN(s->last->cap * 2, CHUNK_MAX);
    chunk *c = omen_arena_alloc(&b->arena, sizeof *c + cap, 8);
    if (c == NULL) return false;
    c->next = NULL;
    c->cap = cap;
    if (s->last == NULL) s->first = c;
    else s->last->next = c;
    s->last = c;
    s->at = c->bytes;
    s->end = c->bytes + cap;
    return true;
}

static inline bool put_byte(omen_postings_builder *b, stream *s, uint8_t byte) {
    if (s->at == s->end && !stream_grow(b, s)) return false;
    *s->at++ = byte;
    return true;
}

static inline bool put_varint(omen_postings_builder *b, stream *s, uint64_t v) {
    for (; v >= 128; v >>= 7)
        if (!put_byte(b, s, (uint8_t)(v | 128))) return false;
    return put_byte(b, s, (uint8_t)v);
}

/* The term's last row goes into its stream. */
static bool put_posting(omen_postings_builder *b, term *t) {
    uint64_t step = t->row - t->before; /* of 32 bits: the first row's counts from -1 */
    t->before = t->row;
    if (!b->options.weights) return put_varint(b, &t->postings, step << 1 | (t->count == 1)) && (t->count == 1 || put_varint(b, &t->postings, t->count));
    for (unsigned i = 0; i < 4; i++)
        if (!put_byte(b, &t->postings, (uint8_t)(t->count >> (8 * i)))) return false;
    return put_varint(b, &t->postings, step);
}

/* Reads what was put. */
typedef struct tap {
    const chunk *c;
    const uint8_t *at, *end;
} tap;

static inline uint8_t get_byte(tap *t) {
    if (t->at == t->end) {
        t->c = t->c->next;
        t->at = t->c->bytes;
        t->end = t->at + t->c->cap;
    }
    return *t->at++;
}

static tap tap_of(const stream *s) { return s->first == NULL ? (tap){0} : (tap){s->first, s->first->bytes, s->first->bytes + s->first->cap}; }

static inline uint64_t get_varint(tap *t) {
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = get_byte(t);
        v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return v;
    }
}

/* ---- adding ---- */

static omen_status end_row(omen_postings_builder *b, uint32_t rows) {
    if (b->begun) {
        uint8_t code = omen_length_code(b->length);
        if (!b->options.weights) OMEN_TRY(omen_buf_append(&b->lengths, &code, 1));
        b->total += b->length;
        b->rows_with += b->length != 0;
        b->length = 0;
    }
    if (!b->options.weights && rows > b->lengths.len) OMEN_TRY(omen_buf_append(&b->lengths, NULL, rows - b->lengths.len));
    return OMEN_OK;
}

omen_status omen_postings_row(omen_postings_builder *b, uint32_t row) {
    OMEN_ASSERT(!b->begun || row > b->row);
    OMEN_TRY(end_row(b, row));
    b->begun = true;
    b->row = row;
    return OMEN_OK;
}

static bool rehash(omen_postings_builder *b) {
    uint32_t count = b->slot_count == 0 ? 1024 : b->slot_count * 2;
    slot *slots = omen_alloc_zero(b->mem, count * sizeof *slots);
    if (slots == NULL) return false;
    for (uint32_t i = 0; i < b->slot_count; i++) {
        uint32_t at = b->slots[i].hash & (count - 1);
        if (b->slots[i].term == 0) continue;
        while (slots[at].term != 0) at = (at + 1) & (count - 1);
        slots[at] = b->slots[i];
    }
    omen_free(b->mem, b->slots, b->slot_count * sizeof *b->slots);
    b->slots = slots;
    b->slot_count = count;
    return true;
}

static term *new_term(omen_postings_builder *b, const void *bytes, uint32_t len) {
    uint32_t page = b->term_count / PAGE_TERMS;
    if (b->term_count == UINT32_MAX) return NULL;
    if (b->term_count % PAGE_TERMS == 0) {
        if (page == b->page_cap) {
            uint32_t cap = OMEN_MAX(16u, b->page_cap * 2);
            term **pages = omen_resize(b->mem, b->pages, b->page_cap * sizeof *pages, cap * sizeof *pages);
            if (pages == NULL) return NULL;
            b->pages = pages;
            b->page_cap = cap;
        }
        b->pages[page] = omen_arena_alloc(&b->arena, PAGE_TERMS * sizeof(term), 64);
        if (b->pages[page] == NULL) return NULL;
    }
    term *t = &b->pages[page][b->term_count % PAGE_TERMS];
    *t = (term){.bytes = omen_arena_copy(&b->arena, bytes, len), .len = len, .row = UINT32_MAX, .before = UINT32_MAX};
    if (t->bytes == NULL) return NULL;
    b->term_count++;
    return t;
}

static inline fingerprint print_of(const uint8_t *p, uint32_t len) {
    if (len > 16) return (fingerprint){omen_get64(p), omen_hash64(p + 8, len - 8, 0)};
    if (len >= 8) return (fingerprint){omen_get64(p), omen_get64(p + len - 8)};
    if (len >= 4) return (fingerprint){omen_get32(p) | (uint64_t)omen_get32(p + len - 4) << 32, 0};
    return (fingerprint){p[0] | (uint64_t)p[len / 2] << 8 | (uint64_t)p[len - 1] << 16, 0};
}

static inline uint32_t hash_of(fingerprint f, uint32_t len) {
    uint64_t h = (f.a ^ len) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 32 ^ f.b) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(h >> 32);
}

/* The term, made if it is new. NULL: out of memory. */
static inline term *intern(omen_postings_builder *b, const uint8_t *bytes, uint32_t len) {
    if (b->term_count >= b->slot_count / 2 && !rehash(b)) return NULL;
    fingerprint f = print_of(bytes, len);
    uint32_t hash = hash_of(f, len), at = hash & (b->slot_count - 1);
    for (; b->slots[at].term != 0; at = (at + 1) & (b->slot_count - 1)) {
        if (b->slots[at].hash != hash) continue;
        term *t = term_at(b, b->slots[at].term - 1);
        if (t->print.a == f.a && t->print.b == f.b && t->len == len && (len <= 16 || memcmp(t->bytes, bytes, len) == 0)) return t;
    }
    term *t = new_term(b, bytes, len);
    if (t == NULL) return NULL;
    t->print = f;
    b->slots[at] = (slot){hash, b->term_count};
    return t;
}

/* Makes the row the term's last one; false: out of memory. */
static inline bool enter(omen_postings_builder *b, term *t) {
    if (t->df != 0 && !put_posting(b, t)) return false;
    t->row = b->row;
    t->df++;
    t->count = 0;
    t->position = 0;
    return true;
}

omen_status omen_postings_add(omen_postings_builder *b, const void *bytes, size_t len, uint32_t position) {
    OMEN_ASSERT(b->begun && len != 0 && len <= OMEN_TERM_BYTES);
    term *t = intern(b, bytes, (uint32_t)len);
    if (t == NULL) return OMEN_ERR_MEMORY;
    if (b->length != UINT32_MAX) b->length++;
    if ((t->df == 0 || t->row != b->row) && !enter(b, t)) return OMEN_ERR_MEMORY;
    if (t->count == OMEN_POSTINGS_COUNT_MAX) return OMEN_OK;
    t->count++;
    if (b->options.positions) {
        if (!put_varint(b, &t->positions, position - t->position)) return OMEN_ERR_MEMORY;
        t->position = position;
    }
    return OMEN_OK;
}

omen_status omen_postings_add_weight(omen_postings_builder *b, uint32_t index, float weight) {
    uint8_t bytes[4];
    omen_postings_index_term(index, bytes);
    OMEN_ASSERT(b->begun && b->options.weights);
    term *t = intern(b, bytes, sizeof bytes);
    if (t == NULL) return OMEN_ERR_MEMORY;
    b->length++;
    if ((t->df == 0 || t->row != b->row) && !enter(b, t)) return OMEN_ERR_MEMORY;
    memcpy(&t->count, &weight, 4);
    return OMEN_OK;
}

/* ---- impacts ---- */

static inline bool covers(uint8_t count, uint8_t length, uint32_t of_count, uint8_t of_length) { return count >= OMEN_MIN(of_count, 255u) && length <= of_length; }

bool omen_impact_covers(const omen_impact *i, uint32_t count, uint8_t length_code) {
    bool yes = false;
    for (unsigned p = 0; p < 8 && !yes; p += 2) yes = i->bytes[p] != 0 && covers(i->bytes[p], i->bytes[p + 1], count, length_code);
    return yes;
}

/* What is lost where two pairs become one: the greater count at the smaller length. */
static uint32_t loss(const uint8_t *a, const uint8_t *b) { return (uint32_t)(b[1] - a[1]) + 16u * (uint32_t)(b[0] - a[0]) / b[0]; }

/* Pairs stand in ascending order of count and length. */
void omen_impact_add(omen_impact *i, uint32_t count, uint8_t length_code) {
    uint8_t pair[10], tf = (uint8_t)OMEN_MIN(count, 255u);
    unsigned n = 0;
    bool placed = false;
    if (omen_impact_covers(i, count, length_code)) return;
    for (unsigned p = 0; p < 8 && i->bytes[p] != 0; p += 2) {
        if (covers(tf, length_code, i->bytes[p], i->bytes[p + 1])) continue;
        if (!placed && i->bytes[p] > tf) {
            placed = true;
            pair[n++] = tf;
            pair[n++] = length_code;
        }
        pair[n++] = i->bytes[p];
        pair[n++] = i->bytes[p + 1];
    }
    if (!placed) {
        pair[n++] = tf;
        pair[n++] = length_code;
    }
    if (n == sizeof pair) {
        unsigned best = 0;
        for (unsigned p = 2; p < 8; p += 2)
            if (loss(pair + p, pair + p + 2) < loss(pair + best, pair + best + 2)) best = p;
        pair[best] = pair[best + 2];
        memmove(pair + best + 2, pair + best + 4, n - best - 4);
        n -= 2;
    }
    memset(i, 0, sizeof *i);
    memcpy(i->bytes, pair, n);
}

static void add_weight(omen_impact *i, bool first, uint32_t bits) {
    float w, most, least;
    memcpy(&w, &bits, 4);
    memcpy(&most, i->bytes, 4);
    memcpy(&least, i->bytes + 4, 4);
    if (first || w > most) most = w;
    if (first || w < least) least = w;
    memcpy(i->bytes, &most, 4);
    memcpy(i->bytes + 4, &least, 4);
}

/* ---- writing ---- */

typedef struct output {
    omen_postings_builder *b;
    omen_segment_writer *w;
    omen_buf lists, heads, positions, terms, top, firsts;
    omen_error *err;
    uint64_t lists_done; /* bytes of LISTS that went to the writer */
    uint32_t heads_count;
    uint32_t rows[OMEN_POSTINGS_BLOCK], counts[OMEN_POSTINGS_BLOCK];
} output;

static inline uint64_t key_of(const term *t) {
    uint64_t key = 0;
    for (uint32_t i = 0; i < 8; i++) key = key << 8 | (i < t->len ? t->bytes[i] : 0);
    return key;
}

static bool before(void *arg, const void *a, const void *b) {
    const omen_keyed *x = a, *y = b;
    const term *s = term_at(arg, x->row), *t = term_at(arg, y->row);
    int c = memcmp(s->bytes, t->bytes, OMEN_MIN(s->len, t->len));
    return c < 0 || (c == 0 && s->len < t->len);
}

/* All terms in the order of their bytes. */
static omen_keyed *sorted(omen_postings_builder *b) {
    size_t n = b->term_count, bytes = n * sizeof(omen_keyed);
    omen_keyed *a = omen_alloc(b->mem, bytes), *scratch = omen_alloc(b->mem, bytes);
    if (a == NULL || scratch == NULL) {
        omen_free(b->mem, a, bytes);
        omen_free(b->mem, scratch, bytes);
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) a[i] = (omen_keyed){.key = key_of(term_at(b, i)), .row = i};
    omen_sort_keyed(a, scratch, n);
    omen_free(b->mem, scratch, bytes);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && a[end].key == a[i].key;) end++;
        if (end - i > 1) omen_sort(a + i, end - i, sizeof *a, before, b);
    }
    return a;
}

static uint32_t width(uint32_t all) { return all == 0 ? 0 : 32u - (uint32_t)__builtin_clz(all); }

/* Packs n numbers of w bits; answers the bytes. */
static size_t pack(uint8_t *into, const uint32_t *v, uint32_t n, uint32_t w) {
    uint64_t bits = 0;
    uint32_t have = 0;
    size_t len = 0;
    for (uint32_t i = 0; i < n; i++) {
        bits |= (uint64_t)v[i] << have;
        for (have += w; have >= 8; have -= 8, bits >>= 8) into[len++] = (uint8_t)bits;
    }
    if (have != 0) into[len++] = (uint8_t)bits;
    return len;
}

static omen_status put_block(output *o, uint32_t n, uint32_t last) {
    uint32_t *rows = o->rows, *counts = o->counts, all = 0, most = 0, base = last + 1;
    uint8_t bytes[OMEN_POSTINGS_BLOCK_BYTES];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = rows[i];
        rows[i] = row - base;
        base = row + 1;
        all |= rows[i];
    }
    bytes[0] = (uint8_t)width(all);
    size_t len = 2 + pack(bytes + 2, rows, n, bytes[0]);
    if (o->b->options.weights) {
        bytes[1] = 32;
        memcpy(bytes + len, counts, n * sizeof *counts);
        len += n * sizeof *counts;
    } else {
        for (uint32_t i = 0; i < n; i++) most |= --counts[i];
        bytes[1] = (uint8_t)width(most);
        len += pack(bytes + len, counts, n, bytes[1]);
    }
    return omen_buf_append(&o->lists, bytes, len);
}

/* Copies the positions of one block's rows. */
static omen_status put_positions(output *o, tap *t, uint64_t count) {
    OMEN_TRY(omen_buf_reserve(&o->positions, (size_t)count * 5));
    uint8_t *at = o->positions.data + o->positions.len;
    for (; count != 0; count--) {
        uint8_t byte;
        do *at++ = byte = get_byte(t);
        while (byte >= 128);
    }
    o->positions.len = (size_t)(at - o->positions.data);
    return OMEN_OK;
}

static omen_status put_varint_to(omen_buf *b, uint64_t v) {
    uint8_t bytes[10];
    size_t len = 0;
    for (; v >= 128; v >>= 7) bytes[len++] = (uint8_t)(v | 128);
    bytes[len++] = (uint8_t)v;
    return omen_buf_append(b, bytes, len);
}

static omen_status flush_lists(output *o) {
    OMEN_TRY(omen_segment_section_write(o->w, o->lists.data, o->lists.len, o->err));
    o->lists_done += o->lists.len;
    o->lists.len = 0;
    return OMEN_OK;
}

static omen_status put_head(output *o, uint32_t last, uint64_t list, uint64_t positions, const omen_impact *impact) {
    uint8_t bytes[OMEN_POSTINGS_HEAD];
    if (list > UINT32_MAX || positions > UINT32_MAX) return omen_fail(o->err, OMEN_ERR_LIMIT, "a term of a text field has too many rows for one part; write smaller parts");
    omen_put32(bytes, last);
    omen_put32(bytes + 4, (uint32_t)list);
    omen_put32(bytes + 8, (uint32_t)positions);
    memcpy(bytes + 12, impact->bytes, 8);
    o->heads_count++;
    return omen_buf_append(&o->heads, bytes, sizeof bytes);
}

static void merge_impact(const output *o, omen_impact *into, bool first, const omen_impact *from) {
    for (unsigned p = 0; p < 8; p += 2) {
        if (o->b->options.weights && p % 4 == 0) add_weight(into, first && p == 0, omen_get32(from->bytes + p));
        if (!o->b->options.weights && from->bytes[p] != 0) omen_impact_add(into, from->bytes[p], from->bytes[p + 1]);
    }
}

/* One term's list, heads and positions; its impact. */
static omen_status put_list(output *o, const term *t, omen_impact *impact) {
    const omen_postings_builder *b = o->b;
    tap postings = tap_of(&t->postings), positions = tap_of(&t->positions);
    uint64_t list = o->lists_done + o->lists.len, place = o->positions.len, count = 0;
    uint32_t row = UINT32_MAX, last = UINT32_MAX;
    omen_impact block;
    *impact = (omen_impact){{0}};
    for (uint32_t i = 0, n = 0; i < t->df; i++) {
        uint32_t c = t->count;
        if (n == 0) block = (omen_impact){{0}};
        if (i + 1 == t->df) {
            row = t->row;
        } else if (b->options.weights) {
            c = 0;
            for (unsigned k = 0; k < 4; k++) c |= (uint32_t)get_byte(&postings) << (8 * k);
            row += (uint32_t)get_varint(&postings);
        } else {
            uint64_t v = get_varint(&postings);
            row += (uint32_t)(v >> 1);
            c = (v & 1) != 0 ? 1 : (uint32_t)get_varint(&postings);
        }
        if (b->options.weights) add_weight(&block, n == 0, c);
        else omen_impact_add(&block, c, b->lengths.data[row]);
        o->rows[n] = row;
        o->counts[n++] = c;
        count += c;
        if (n < OMEN_POSTINGS_BLOCK && i + 1 < t->df) continue;
        merge_impact(o, impact, i < OMEN_POSTINGS_BLOCK, &block);
        if (t->df > OMEN_POSTINGS_BLOCK) OMEN_TRY(put_head(o, row, o->lists_done + o->lists.len - list, o->positions.len - place, &block));
        OMEN_TRY(put_block(o, n, last));
        if (b->options.positions) OMEN_TRY(put_positions(o, &positions, count));
        last = row;
        n = 0;
        count = 0;
    }
    return OMEN_OK;
}

static omen_status put_term(output *o, const term *t, const term *prior, uint32_t left) {
    omen_buf *b = &o->terms;
    omen_impact impact;
    uint32_t shared = 0;
    uint64_t list = o->lists_done + o->lists.len, place = o->positions.len;
    if (prior == NULL) {
        OMEN_TRY(omen_buf_append_u64(&o->top, b->len));
        OMEN_TRY(omen_buf_append_u32(&o->firsts, 0)); /* room for what is filled in later; bytes follow in another pass */
        OMEN_TRY(omen_buf_append_u64(b, list));
        OMEN_TRY(omen_buf_append_u64(b, place));
        OMEN_TRY(omen_buf_append_u32(b, o->heads_count));
        OMEN_TRY(omen_buf_append_u32(b, OMEN_MIN(left, OMEN_POSTINGS_GROUP)));
    } else {
        while (shared < prior->len && shared < t->len && prior->bytes[shared] == t->bytes[shared]) shared++;
    }
    OMEN_TRY(put_list(o, t, &impact));
    uint8_t head[2] = {(uint8_t)shared, (uint8_t)(t->len - shared)};
    OMEN_TRY(omen_buf_append(b, head, sizeof head));
    OMEN_TRY(omen_buf_append(b, t->bytes + shared, t->len - shared));
    OMEN_TRY(put_varint_to(b, t->df));
    OMEN_TRY(put_varint_to(b, o->lists_done + o->lists.len - list));
    if (o->b->options.positions) OMEN_TRY(put_varint_to(b, o->positions.len - place));
    OMEN_TRY(omen_buf_append(b, impact.bytes, sizeof impact.bytes));
    return o->lists.len < OMEN_BLOCK_BYTES ? OMEN_OK : flush_lists(o);
}

static omen_status put_terms(output *o, const omen_keyed *order, uint32_t n) {
    omen_status s = OMEN_OK;
    uint32_t bytes = 0, groups = 0;
    for (uint32_t i = 0; i < n && s == OMEN_OK; i++) s = put_term(o, term_at(o->b, order[i].row), i % OMEN_POSTINGS_GROUP == 0 ? NULL : term_at(o->b, order[i - 1].row), n - i);
    if (s == OMEN_OK) s = omen_buf_append_u64(&o->top, o->terms.len);
    if (s == OMEN_OK) s = omen_buf_append_u32(&o->firsts, 0);
    if (s == OMEN_OK) s = omen_buf_append(&o->top, o->firsts.data, o->firsts.len);
    size_t starts = o->top.len - o->firsts.len;
    for (uint32_t i = 0; i < n && s == OMEN_OK; i += OMEN_POSTINGS_GROUP, groups++) {
        const term *t = term_at(o->b, order[i].row);
        omen_put32(o->top.data + starts + groups * (size_t)4, bytes);
        bytes += t->len;
        s = omen_buf_append(&o->top, t->bytes, t->len);
    }
    if (s == OMEN_OK) omen_put32(o->top.data + starts + groups * (size_t)4, bytes);
    return s;
}

static omen_status section(output *o, uint32_t kind, uint32_t field, uint32_t block_len, const void *bytes, size_t len) {
    OMEN_TRY(omen_segment_section_begin(o->w, kind, field, 0, block_len, o->err));
    OMEN_TRY(omen_segment_section_write(o->w, bytes, len, o->err));
    return omen_segment_section_end(o->w, o->err);
}

static omen_status write_all(output *o, const omen_keyed *order, uint32_t field, uint32_t rows) {
    const omen_postings_builder *b = o->b;
    uint8_t meta[OMEN_POSTINGS_META] = "OMENTXT1";
    OMEN_TRY(omen_segment_section_begin(o->w, OMEN_SECTION_TEXT_LISTS, field, 0, OMEN_BLOCK_BYTES, o->err));
    OMEN_TRY(put_terms(o, order, b->term_count));
    OMEN_TRY(flush_lists(o));
    OMEN_TRY(omen_segment_section_end(o->w, o->err));
    OMEN_TRY(section(o, OMEN_SECTION_TEXT_HEADS, field, OMEN_BLOCK_BYTES, o->heads.data, o->heads.len));
    if (b->options.positions) OMEN_TRY(section(o, OMEN_SECTION_TEXT_POSITIONS, field, OMEN_BLOCK_BYTES, o->positions.data, o->positions.len));
    OMEN_TRY(section(o, OMEN_SECTION_TEXT_TERMS, field, OMEN_BLOCK_BYTES, o->terms.data, o->terms.len));
    OMEN_TRY(section(o, OMEN_SECTION_TEXT_TOP, field, OMEN_BLOCK_BYTES, o->top.data, o->top.len));
    if (!b->options.weights) OMEN_TRY(section(o, OMEN_SECTION_TEXT_LENGTHS, field, OMEN_BLOCK_BYTES, b->lengths.data, b->lengths.len));
    omen_put32(meta + 8, OMEN_POSTINGS_VERSION);
    omen_put32(meta + 12, (b->options.positions ? OMEN_POSTINGS_POSITIONS : 0u) | (b->options.weights ? OMEN_POSTINGS_WEIGHTS : 0u));
    omen_put32(meta + 16, rows);
    omen_put32(meta + 20, b->term_count);
    omen_put32(meta + 24, (b->term_count + OMEN_POSTINGS_GROUP - 1) / OMEN_POSTINGS_GROUP);
    omen_put32(meta + 28, b->rows_with);
    omen_put64(meta + 32, b->total);
    omen_put32(meta + 40, b->options.tag);
    return section(o, OMEN_SECTION_TEXT_META, field, OMEN_POSTINGS_META, meta, sizeof meta);
}

omen_status omen_postings_builder_write(omen_postings_builder *b, omen_segment_writer *w, uint32_t field, uint32_t rows, omen_error *err) {
    OMEN_ASSERT(!b->begun || rows > b->row);
    omen_status s = end_row(b, rows);
    output *o = omen_alloc_zero(b->mem, sizeof *o);
    omen_keyed *order = b->term_count == 0 ? NULL : sorted(b);
    b->begun = false;
    if (o == NULL || (order == NULL && b->term_count != 0)) s = OMEN_ERR_MEMORY;
    if (s == OMEN_OK) {
        omen_buf *bufs[] = {&o->lists, &o->heads, &o->positions, &o->terms, &o->top, &o->firsts};
        for (unsigned i = 0; i < OMEN_ARRAY_LEN(bufs); i++) omen_buf_init(bufs[i], b->mem);
        o->b = b;
        o->w = w;
        o->err = err;
        s = write_all(o, order, field, rows);
        for (unsigned i = 0; i < OMEN_ARRAY_LEN(bufs); i++) omen_buf_deinit(bufs[i]);
    }
    omen_free(b->mem, order, b->term_count * sizeof *order);
    omen_free(b->mem, o, sizeof *o);
    return s == OMEN_ERR_MEMORY ? omen_fail(err, s, "out of memory while the terms of a text field were written") : s;
}
