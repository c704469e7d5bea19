/* postings.c - opens the sections of a field and reads its dictionary and blocks (postings.h). */
#include "text/postings.h"

enum { START, LOAD_META, LOAD_TOP };

omen_status omen_postings_damaged(const omen_postings *p, const char *what, omen_error *err) {
    return omen_fail(err, OMEN_ERR_CORRUPT, "%s: text field %u: %s; check the database, and build the text index again from its documents", omen_segment_file_name(omen_segment_info_of(p->segment)->number).text, p->field, what);
}

/* ---- opening ---- */

static const uint8_t *starts_of(const omen_postings *p) { return p->top + ((size_t)p->groups + 1) * 8; }
static uint64_t place_of(const omen_postings *p, uint32_t group) { return omen_get64(p->top + (size_t)group * 8); }
static const uint8_t *firsts_of(const omen_postings *p) { return starts_of(p) + ((size_t)p->groups + 1) * 4; }
static uint32_t start_of(const omen_postings *p, uint32_t group) { return omen_get32(starts_of(p) + (size_t)group * 4); }

const uint8_t *omen_terms_first(const omen_postings *p, uint32_t group, uint32_t *len) {
    *len = start_of(p, group + 1) - start_of(p, group);
    return firsts_of(p) + start_of(p, group);
}

int omen_terms_compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len) {
    int c = memcmp(a, b, OMEN_MIN(a_len, b_len));
    return c != 0 ? c : (a_len > b_len) - (a_len < b_len);
}

static omen_status check_meta(omen_postings *p, const uint8_t meta[OMEN_POSTINGS_META], omen_error *err) {
    static const uint8_t zeros[20];
    if (memcmp(meta, "OMENTXT1", 8) != 0 || memcmp(meta + 44, zeros, sizeof zeros) != 0) return omen_postings_damaged(p, "its description is damaged", err);
    if (omen_get32(meta + 8) != OMEN_POSTINGS_VERSION)
        return omen_fail(err, OMEN_ERR_VERSION, "text field %u was written as version %u by a newer OmenDB; this one reads version %u", p->field, omen_get32(meta + 8), OMEN_POSTINGS_VERSION);
    p->flags = omen_get32(meta + 12);
    p->rows = omen_get32(meta + 16);
    p->term_count = omen_get32(meta + 20);
    p->groups = omen_get32(meta + 24);
    p->rows_with = omen_get32(meta + 28);
    p->total_length = omen_get64(meta + 32);
    p->tag = omen_get32(meta + 40);
    bool weights = (p->flags & OMEN_POSTINGS_WEIGHTS) != 0, positions = (p->flags & OMEN_POSTINGS_POSITIONS) != 0;
    if (p->flags > 2 || p->groups != p->term_count / OMEN_POSTINGS_GROUP + (p->term_count % OMEN_POSTINGS_GROUP != 0) || p->rows_with > p->rows || (p->term_count == 0) != (p->rows_with == 0) ||
        p->total_length < p->rows_with || p->total_length / UINT32_MAX > p->rows_with)
        return omen_postings_damaged(p, "its counts do not agree", err);
    if (p->terms == NULL || p->heads == NULL || p->lists == NULL || (p->positions != NULL) != positions || (p->lengths == NULL) != weights)
        return omen_postings_damaged(p, "it lacks a section", err);
    if (p->heads->raw_len % OMEN_POSTINGS_HEAD != 0 || p->heads->raw_len / OMEN_POSTINGS_HEAD > UINT32_MAX || (p->lengths != NULL && p->lengths->raw_len != p->rows))
        return omen_postings_damaged(p, "a section has the wrong length", err);
    return OMEN_OK;
}

static omen_status check_top(const omen_postings *p, omen_error *err) {
    uint64_t fixed = ((uint64_t)p->groups + 1) * 12;
    bool right = place_of(p, 0) == 0 && start_of(p, 0) == 0 && place_of(p, p->groups) == p->terms->raw_len && start_of(p, p->groups) == p->top_len - fixed;
    for (uint32_t g = 0; g < p->groups && right; g++) {
        uint64_t a = place_of(p, g), b = place_of(p, g + 1);
        uint32_t s = start_of(p, g), t = start_of(p, g + 1);
        right = b > a && b - a > OMEN_POSTINGS_GROUP_HEAD && b - a <= OMEN_POSTINGS_GROUP_BYTES && t > s && t - s <= OMEN_TERM_BYTES && t <= p->top_len - fixed;
        if (right && g != 0) right = omen_terms_compare(firsts_of(p) + start_of(p, g - 1), s - start_of(p, g - 1), firsts_of(p) + s, t - s) < 0;
    }
    return right ? OMEN_OK : omen_postings_damaged(p, "the table of its terms is damaged", err);
}

static omen_status open_more(omen_postings *p, const omen_section *meta_section, omen_error *err) {
    const omen_section *top = omen_segment_section(p->segment, OMEN_SECTION_TEXT_TOP, p->field);
    if (p->stage == LOAD_META) {
        uint8_t meta[OMEN_POSTINGS_META];
        if (meta_section->raw_len != sizeof meta) return omen_postings_damaged(p, "its description is damaged", err);
        p->done = 0;
        OMEN_TRY(omen_segment_read(p->segment, meta_section, 0, sizeof meta, meta, &p->done, err));
        OMEN_TRY(check_meta(p, meta, err));
        if (top == NULL) return omen_postings_damaged(p, "it lacks a section", err);
        if (top->raw_len < ((uint64_t)p->groups + 1) * 12 || top->raw_len > ((uint64_t)p->groups + 1) * 12 + (uint64_t)p->groups * OMEN_TERM_BYTES || top->raw_len > SIZE_MAX)
            return omen_postings_damaged(p, "the table of its terms has the wrong length", err);
        p->top_len = (size_t)top->raw_len;
        p->top = omen_alloc(p->store->mem, p->top_len);
        if (p->top == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory while a text field was opened");
        p->done = 0;
        p->stage = LOAD_TOP;
    }
    OMEN_TRY(omen_segment_read(p->segment, top, 0, p->top_len, p->top, &p->done, err));
    return check_top(p, err);
}

omen_status omen_postings_open(omen_store *st, omen_segment *segment, uint32_t field, omen_postings **out, omen_error *err) {
    const omen_section *meta = omen_segment_section(segment, OMEN_SECTION_TEXT_META, field);
    omen_postings *p = *out;
    if (meta == NULL) return OMEN_OK;
    if (p == NULL) {
        p = *out = omen_alloc_zero(st->mem, sizeof *p);
        if (p == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory while a text field was opened");
        *p = (omen_postings){.store = st, .segment = segment, .field = field, .stage = LOAD_META};
        p->terms = omen_segment_section(segment, OMEN_SECTION_TEXT_TERMS, field);
        p->heads = omen_segment_section(segment, OMEN_SECTION_TEXT_HEADS, field);
        p->lists = omen_segment_section(segment, OMEN_SECTION_TEXT_LISTS, field);
        p->positions = omen_segment_section(segment, OMEN_SECTION_TEXT_POSITIONS, field);
        p->lengths = omen_segment_section(segment, OMEN_SECTION_TEXT_LENGTHS, field);
    }
    omen_status s = open_more(p, meta, err);
    if (s == OMEN_OK || s == OMEN_PENDING) return s;
    omen_postings_close(p);
    *out = NULL;
    return s;
}

void omen_postings_close(omen_postings *p) {
    if (p == NULL) return;
    omen_mem *m = p->store->mem;
    omen_free(m, p->top, p->top_len);
    omen_free(m, p, sizeof *p);
}

size_t omen_postings_bytes(const omen_postings *p) { return sizeof *p + p->top_len; }

/* ---- the dictionary ---- */

uint32_t omen_terms_group_of(const omen_postings *p, const uint8_t *term, size_t len) {
    uint32_t lo = 0, hi = p->groups;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2, first_len;
        const uint8_t *first = omen_terms_first(p, mid, &first_len);
        if (omen_terms_compare(first, first_len, term, len) <= 0) lo = mid;
        else hi = mid;
    }
    return lo;
}

omen_status omen_terms_load(const omen_postings *p, uint32_t index, omen_term_group *g, omen_error *err) {
    if (g->of != p || g->group != index) {
        g->of = p;
        g->group = index;
        g->loaded = false;
        g->done = 0;
        g->len = (size_t)(place_of(p, index + 1) - place_of(p, index));
    }
    if (g->loaded) return OMEN_OK;
    omen_status s = omen_segment_read(p->segment, p->terms, place_of(p, index), g->len, g->bytes, &g->done, err);
    g->loaded = s == OMEN_OK;
    if (s != OMEN_OK && s != OMEN_PENDING) g->of = NULL;
    return s;
}

omen_status omen_terms_walk(const omen_term_group *g, omen_term_walk *w, omen_error *err) {
    const omen_postings *p = g->of;
    w->at = g->bytes + OMEN_POSTINGS_GROUP_HEAD;
    w->end = g->bytes + g->len;
    w->ref = (omen_term_ref){.lists = omen_get64(g->bytes), .positions = omen_get64(g->bytes + 8), .heads = omen_get32(g->bytes + 16)};
    w->left = omen_get32(g->bytes + 20);
    w->len = w->shared = 0;
    uint32_t want = OMEN_MIN(OMEN_POSTINGS_GROUP, p->term_count - g->group * OMEN_POSTINGS_GROUP);
    if (w->left != want) return omen_postings_damaged(p, "a group of its terms is damaged", err);
    return OMEN_OK;
}

static inline uint32_t heads_of(const omen_term_ref *r) { return r->df <= OMEN_POSTINGS_BLOCK ? 0 : (r->df - 1) / OMEN_POSTINGS_BLOCK + 1; }

omen_status omen_terms_next(const omen_postings *p, omen_term_walk *w, bool *more, omen_error *err) {
    static const char damaged[] = "a group of its terms is damaged";
    omen_term_ref *r = &w->ref;
    uint64_t df, lists, positions = 0;
    *more = w->left != 0;
    if (w->left == 0) return w->at == w->end ? OMEN_OK : omen_postings_damaged(p, damaged, err);
    /* What the term before had lies behind us. */
    r->lists += r->lists_len;
    r->positions += r->positions_len;
    r->heads += heads_of(r);
    if (w->end - w->at < 2) return omen_postings_damaged(p, damaged, err);
    uint32_t shared = w->at[0], more_len = w->at[1];
    w->at += 2;
    if (shared > w->len || shared + more_len > OMEN_TERM_BYTES || shared + more_len == 0 || more_len > (size_t)(w->end - w->at)) return omen_postings_damaged(p, damaged, err);
    memcpy(w->term + shared, w->at, more_len);
    w->at += more_len;
    w->shared = shared;
    w->len = shared + more_len;
    w->at = omen_postings_varint(w->at, w->end, &df);
    if (w->at != NULL) w->at = omen_postings_varint(w->at, w->end, &lists);
    if (w->at != NULL && p->positions != NULL) w->at = omen_postings_varint(w->at, w->end, &positions);
    if (w->at == NULL || w->end - w->at < 8 || df == 0 || df > p->rows_with) {
        w->at = w->end;
        return omen_postings_damaged(p, damaged, err);
    }
    memcpy(r->impact.bytes, w->at, 8);
    w->at += 8;
    w->left--;
    r->df = (uint32_t)df;
    r->lists_len = lists;
    r->positions_len = positions;
    uint64_t all = p->positions == NULL ? 0 : p->positions->raw_len, heads = p->heads->raw_len / OMEN_POSTINGS_HEAD;
    if (r->lists > p->lists->raw_len || lists > p->lists->raw_len - r->lists || r->positions > all || positions > all - r->positions || r->heads > heads || heads_of(r) > heads - r->heads)
        return omen_postings_damaged(p, "a term's rows lie outside of their section", err);
    return OMEN_OK;
}

omen_status omen_terms_find(const omen_postings *p, omen_term_group *g, const uint8_t *term, size_t len, omen_term_ref *out, omen_error *err) {
    omen_term_walk w;
    bool more;
    int c = -1;
    *out = (omen_term_ref){0};
    if (p->groups == 0 || len == 0 || len > OMEN_TERM_BYTES) return OMEN_OK;
    OMEN_TRY(omen_terms_load(p, omen_terms_group_of(p, term, len), g, err));
    OMEN_TRY(omen_terms_walk(g, &w, err));
    do {
        OMEN_TRY(omen_terms_next(p, &w, &more, err));
        if (more) c = omen_terms_compare(w.term, w.len, term, len);
    } while (more && c < 0);
    if (more && c == 0) *out = w.ref;
    return OMEN_OK;
}

/* ---- blocks ---- */

static inline void unpack(const uint8_t *bytes, uint32_t n, uint32_t w, uint32_t *out) {
    uint64_t mask = (UINT64_C(1) << w) - 1;
    for (uint32_t i = 0, bit = 0; i < n; i++, bit += w) out[i] = (uint32_t)(omen_get64(bytes + (bit >> 3)) >> (bit & 7) & mask);
}

bool omen_postings_unpack(const uint8_t *bytes, size_t len, uint32_t count, uint32_t before, uint32_t rows_end, bool weights, uint32_t *rows, uint32_t *counts, size_t *used) {
    if (len < 2 || count == 0 || count > OMEN_POSTINGS_BLOCK) return false;
    uint32_t r = bytes[0], t = bytes[1], row = before;
    size_t row_bytes = ((size_t)count * r + 7) / 8, need = 2 + row_bytes + ((size_t)count * t + 7) / 8;
    if (r > 32 || (weights ? t != 32 : t > 24) || len < need) return false;
    uint64_t far = (uint64_t)(uint32_t)(before + 1);
    if (r == 0) {
        for (uint32_t i = 0; i < count; i++) rows[i] = ++row;
        far += count;
    } else {
        unpack(bytes + 2, count, r, rows);
        for (uint32_t i = 0; i < count; i++) {
            far += (uint64_t)rows[i] + 1;
            rows[i] = row += rows[i] + 1;
        }
    }
    if (far > rows_end) return false; /* far: one behind the last row, not cut to 32 bits */
    if (weights) {
        memcpy(counts, bytes + 2 + row_bytes, (size_t)count * 4);
        for (uint32_t i = 0; i < count; i++)
            if ((counts[i] >> 23 & 255) == 255) return false; /* infinite, or no number */
    } else {
        if (t == 0) memset(counts, 0, (size_t)count * 4);
        else unpack(bytes + 2 + row_bytes, count, t, counts);
        for (uint32_t i = 0; i < count; i++) counts[i]++;
    }
    if (used != NULL) *used = need;
    return true;
}
