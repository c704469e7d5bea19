/* postings_check.c - reads all of a field and checks it against itself: what reading alone does not find, such as an impact that is too small. */
#include "base/bits.h"
#include "text/postings.h"

struct omen_postings_check {
    omen_term_group group;
    omen_term_walk walk;
    uint8_t last_term[OMEN_TERM_BYTES];
    uint32_t last_len, index, block; /* group; block of the term */
    bool walking, in_term, in_block;
    uint8_t heads[2 * OMEN_POSTINGS_HEAD];
    size_t done;
    enum { HEADS, BLOCK, PLACES } stage;
    uint8_t bytes[OMEN_POSTINGS_BLOCK_BYTES + OMEN_POSTINGS_SLACK];
    uint32_t rows[OMEN_POSTINGS_BLOCK], counts[OMEN_POSTINGS_BLOCK];
    uint32_t before;
    uint8_t *lengths;
    size_t lengths_done;
    omen_bits *seen;
    omen_buf positions;
    uint64_t total, heads_total, lists_end, positions_end;
    bool capped;
};

void omen_postings_check_free(const omen_postings *p, omen_postings_check *c) {
    if (c == NULL) return;
    omen_mem *m = p->store->mem;
    if (c->lengths != NULL) omen_free(m, c->lengths, p->rows);
    if (c->seen != NULL) omen_bits_unref(c->seen);
    omen_buf_deinit(&c->positions);
    omen_free(m, c, sizeof *c);
}

static omen_status begin(const omen_postings *p, omen_postings_check **state) {
    omen_mem *m = p->store->mem;
    omen_postings_check *c = *state = omen_alloc_zero(m, sizeof *c);
    if (c == NULL) return OMEN_ERR_MEMORY;
    omen_buf_init(&c->positions, m);
    c->seen = omen_bits_new(m, p->rows);
    if (p->lengths != NULL && p->rows != 0) c->lengths = omen_alloc(m, p->rows);
    return c->seen == NULL || (c->lengths == NULL && p->lengths != NULL && p->rows != 0) ? OMEN_ERR_MEMORY : OMEN_OK;
}

static uint32_t blocks_of(const omen_term_ref *r) { return (r->df - 1) / OMEN_POSTINGS_BLOCK + 1; }

/* Where the block ends, from the beginning of the list and of the positions. */
static void ends_of(const omen_postings_check *c, uint64_t *list, uint64_t *positions) {
    const omen_term_ref *r = &c->walk.ref;
    bool last = c->block + 1 == blocks_of(r);
    *list = last ? r->lists_len : omen_get32(c->heads + OMEN_POSTINGS_HEAD + 4);
    *positions = last ? r->positions_len : omen_get32(c->heads + OMEN_POSTINGS_HEAD + 8);
}

static bool impact_holds(const omen_postings *p, const omen_impact *i, uint32_t count, uint8_t length) {
    if ((p->flags & OMEN_POSTINGS_WEIGHTS) == 0) return omen_impact_covers(i, count, length);
    float v, most, least;
    memcpy(&v, &count, 4);
    memcpy(&most, i->bytes, 4);
    memcpy(&least, i->bytes + 4, 4);
    return v <= most && v >= least;
}

static omen_status check_rows(const omen_postings *p, omen_postings_check *c, omen_error *err) {
    const omen_term_ref *r = &c->walk.ref;
    bool right = true, several = blocks_of(r) > 1;
    omen_impact block = r->impact;
    uint32_t n = c->block + 1 == blocks_of(r) ? (r->df - 1) % OMEN_POSTINGS_BLOCK + 1 : OMEN_POSTINGS_BLOCK;
    if (several) memcpy(block.bytes, c->heads + 12, 8);
    for (uint32_t i = 0; i < n && right; i++) {
        uint8_t length = p->lengths == NULL ? 0 : c->lengths[c->rows[i]];
        right = impact_holds(p, &block, c->counts[i], length) && impact_holds(p, &r->impact, c->counts[i], length) && (p->lengths == NULL || c->counts[i] >= 255 || length >= omen_length_code(c->counts[i]));
        (void)omen_bits_set(c->seen, c->rows[i]);
        c->total += p->lengths == NULL ? 1 : c->counts[i];
        c->capped |= c->counts[i] == OMEN_POSTINGS_COUNT_MAX;
    }
    c->before = c->rows[n - 1];
    if (several && c->before != omen_get32(c->heads)) right = false;
    return right ? OMEN_OK : omen_postings_damaged(p, "what is known of a block of rows is not so", err);
}

static omen_status check_block(const omen_postings *p, omen_postings_check *c, omen_error *err) {
    const omen_term_ref *r = &c->walk.ref;
    bool several = blocks_of(r) > 1, last = c->block + 1 == blocks_of(r);
    uint64_t list_end, positions_end, list, positions;
    if (c->stage == HEADS) {
        memset(c->heads, 0, several ? 0 : sizeof c->heads);
        if (several) OMEN_TRY(omen_segment_read(p->segment, p->heads, ((uint64_t)r->heads + c->block) * OMEN_POSTINGS_HEAD, last ? OMEN_POSTINGS_HEAD : sizeof c->heads, c->heads, &c->done, err));
        c->stage = BLOCK;
        c->done = 0;
    }
    ends_of(c, &list_end, &positions_end);
    list = omen_get32(c->heads + 4);
    positions = omen_get32(c->heads + 8);
    uint32_t n = last ? (r->df - 1) % OMEN_POSTINGS_BLOCK + 1 : OMEN_POSTINGS_BLOCK;
    if (list_end <= list || list_end > r->lists_len || list_end - list > OMEN_POSTINGS_BLOCK_BYTES || positions_end < positions || positions_end > r->positions_len || (c->block == 0 && (list != 0 || positions != 0)))
        return omen_postings_damaged(p, "the blocks of a term are damaged", err);
    if (c->stage == BLOCK) {
        size_t used;
        OMEN_TRY(omen_segment_read(p->segment, p->lists, r->lists + list, (size_t)(list_end - list), c->bytes, &c->done, err));
        if (!omen_postings_unpack(c->bytes, (size_t)(list_end - list), n, c->before, p->rows, (p->flags & OMEN_POSTINGS_WEIGHTS) != 0, c->rows, c->counts, &used) || used != list_end - list)
            return omen_postings_damaged(p, "a block of rows of a term is damaged", err);
        OMEN_TRY(check_rows(p, c, err));
        c->stage = PLACES;
        c->done = 0;
        c->positions.len = 0;
        if (omen_buf_reserve(&c->positions, (size_t)(positions_end - positions)) != OMEN_OK) return OMEN_ERR_MEMORY;
    }
    if (p->positions == NULL) return OMEN_OK;
    if (positions_end == positions) return omen_postings_damaged(p, "the positions of a term are damaged", err);
    OMEN_TRY(omen_segment_read(p->segment, p->positions, r->positions + positions, (size_t)(positions_end - positions), c->positions.data, &c->done, err));
    const uint8_t *at = c->positions.data, *end = at + (positions_end - positions);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t step, position = 0;
        for (uint32_t k = 0; k < c->counts[i]; k++) {
            at = omen_postings_varint(at, end, &step);
            if (at != NULL) position += step;
            if (at == NULL || position > UINT32_MAX || step > UINT32_MAX) return omen_postings_damaged(p, "the positions of a term are damaged", err);
        }
    }
    return at == end ? OMEN_OK : omen_postings_damaged(p, "the positions of a term are damaged", err);
}

static omen_status check_term(const omen_postings *p, omen_postings_check *c, omen_error *err) {
    const omen_term_ref *r = &c->walk.ref;
    for (; c->block < blocks_of(r); c->block++) {
        OMEN_TRY(check_block(p, c, err));
        c->stage = HEADS;
        c->done = 0;
    }
    c->heads_total += blocks_of(r) > 1 ? blocks_of(r) : 0;
    c->lists_end = r->lists + r->lists_len;
    c->positions_end = r->positions + r->positions_len;
    return OMEN_OK;
}

static omen_status next_term(const omen_postings *p, omen_postings_check *c, bool *more, omen_error *err) {
    bool first = c->walk.len == 0;
    OMEN_TRY(omen_terms_next(p, &c->walk, more, err));
    if (!*more) return OMEN_OK;
    uint32_t len;
    const uint8_t *top = omen_terms_first(p, c->index, &len);
    const omen_term_ref *r = &c->walk.ref;
    if ((first && omen_terms_compare(top, len, c->walk.term, c->walk.len) != 0) || (c->last_len != 0 && omen_terms_compare(c->last_term, c->last_len, c->walk.term, c->walk.len) >= 0) ||
        r->lists != c->lists_end || r->positions != c->positions_end || r->heads != c->heads_total)
        return omen_postings_damaged(p, "its terms are not in order", err);
    memcpy(c->last_term, c->walk.term, c->walk.len);
    c->last_len = c->walk.len;
    c->block = 0;
    c->before = UINT32_MAX;
    c->stage = HEADS;
    c->done = 0;
    return OMEN_OK;
}

static omen_status check_all(const omen_postings *p, omen_postings_check *c, omen_error *err) {
    if (p->lengths != NULL && c->lengths_done < p->rows) OMEN_TRY(omen_segment_read(p->segment, p->lengths, 0, p->rows, c->lengths, &c->lengths_done, err));
    for (; c->index < p->groups; c->index++, c->walking = false) {
        OMEN_TRY(omen_terms_load(p, c->index, &c->group, err));
        if (!c->walking) OMEN_TRY(omen_terms_walk(&c->group, &c->walk, err));
        c->walking = true;
        for (;;) {
            if (!c->in_term) {
                bool more;
                OMEN_TRY(next_term(p, c, &more, err));
                if (!more) break;
            }
            c->in_term = true;
            OMEN_TRY(check_term(p, c, err));
            c->in_term = false;
        }
    }
    if (c->seen->ones != p->rows_with || (!c->capped && c->total != p->total_length) || c->heads_total * OMEN_POSTINGS_HEAD != p->heads->raw_len || c->lists_end != p->lists->raw_len ||
        (p->positions != NULL && c->positions_end != p->positions->raw_len))
        return omen_postings_damaged(p, "its totals are not those of its terms", err);
    return OMEN_OK;
}

omen_status omen_postings_verify(const omen_postings *p, omen_postings_check **state, omen_error *err) {
    omen_status s = *state == NULL ? begin(p, state) : OMEN_OK;
    if (s == OMEN_OK) s = check_all(p, *state, err);
    if (s == OMEN_PENDING) return s;
    omen_postings_check_free(p, *state);
    *state = NULL;
    return s == OMEN_ERR_MEMORY ? omen_fail(err, s, "out of memory while a text field was checked") : s;
}
