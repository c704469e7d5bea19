/* disk_verify.c - every invariant of the file (disk.h), block by block, with some bits a row in memory. First each record by itself: its row stands nowhere
 * else, its links are in range, none twice, none to itself; rows of upper levels lie where the upper levels say and have the same code. Then what is
 * reached: the blocks that hold a reached row whose links were not followed are read round after round until there is none. */
#include "index/disk.h"

typedef struct check {
    uint64_t *rows;     /* a bit a row: there is a record of it */
    uint64_t *reached;  /* a bit a slot */
    uint64_t *followed;
    uint32_t *waiting;  /* of each block: reached slots whose links were not followed */
    uint32_t block, blocks, entries, reached_count, waiting_count;
    bool sound;
} check;

static size_t words(const omen_index *x) { return (x->rows + (size_t)63) / 64; }

static bool set(uint64_t *bits, uint32_t i) {
    uint64_t *word = &bits[i >> 6], bit = UINT64_C(1) << (i & 63);
    if ((*word & bit) != 0) return false;
    *word |= bit;
    return true;
}

static bool get(const uint64_t *bits, uint32_t i) { return (bits[i >> 6] >> (i & 63) & 1) != 0; }

void omen_disk_verify_free(omen_index *x, void *place) {
    check *c = place;
    omen_mem *m = x->store->mem;
    if (c == NULL) return;
    omen_free(m, c->rows, words(x) * sizeof *c->rows);
    omen_free(m, c->reached, words(x) * sizeof *c->reached);
    omen_free(m, c->followed, words(x) * sizeof *c->followed);
    omen_free(m, c->waiting, c->blocks * sizeof *c->waiting);
    omen_free(m, c, sizeof *c);
}

static omen_status begin(omen_index *x, check **out, omen_error *err) {
    const omen_disk *d = x->state;
    omen_mem *m = x->store->mem;
    check *c = *out = omen_alloc_zero(m, sizeof *c);
    if (c != NULL) {
        c->blocks = d->nodes->block_count;
        c->rows = omen_alloc_zero(m, words(x) * sizeof *c->rows);
        c->reached = omen_alloc_zero(m, words(x) * sizeof *c->reached);
        c->followed = omen_alloc_zero(m, words(x) * sizeof *c->followed);
        c->waiting = omen_alloc_zero(m, c->blocks * sizeof *c->waiting);
        if (c->rows != NULL && c->reached != NULL && c->followed != NULL && c->waiting != NULL) return OMEN_OK;
    }
    return omen_fail(err, OMEN_ERR_MEMORY, "out of memory checking an index");
}

/* Position of a row in level 1, or the count. */
static uint32_t member_of(const omen_disk *d, uint32_t row) {
    uint32_t lo = 0, count = d->top == 0 ? 0 : d->upper.level[0].count, hi = count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (d->members[mid] < row) lo = mid + 1;
        else hi = mid;
    }
    return lo < count && d->members[lo] == row ? lo : count;
}

/* NULL, or what is wrong. */
static const char *record_flaw(const omen_index *x, check *c, const uint8_t *record, uint32_t slot) {
    const omen_disk *d = x->state;
    const omen_disk_shape *s = &d->shape;
    uint32_t row = omen_disk_row(s, record), links[OMEN_GRAPH_M_MAX];
    if (row >= x->rows || !set(c->rows, row)) return "a record of a graph is of no row, or of one that has another";
    for (uint32_t i = x->dimensions / 8; d->codes.bits && i < s->code; i++)
        if (record[i] != 0) return "a row of a graph has more bits than dimensions";
    uint32_t n = 0;
    for (; n < s->m; n++) {
        links[n] = omen_disk_link(s, record, n);
        if (links[n] == OMEN_NO_NODE) break;
        if (links[n] >= x->rows) return "a link of a graph leads nowhere";
        bool twice = links[n] == slot;
        for (uint32_t i = 0; i < n; i++) twice = twice || links[i] == links[n];
        if (twice) return "a row of a graph is linked to itself, or twice to another";
    }
    for (; n < s->m; n++)
        if (omen_disk_link(s, record, n) != OMEN_NO_NODE) return "a list of links has a gap";
    if (d->top == 0) return NULL;
    uint32_t member = member_of(d, row);
    if (member == d->upper.level[0].count) return NULL;
    if (omen_get32(d->entries + 4 * (size_t)member) != slot || memcmp(omen_codes_row(&d->upper.codes, member), record, s->code) != 0)
        return "a row of a graph's upper levels lies elsewhere, or has another code";
    c->entries++;
    return NULL;
}

static const char *level_flaw(const omen_level *g) {
    for (uint32_t i = 0; i < g->count; i++) {
        const uint32_t *links = omen_level_links(g, i);
        for (uint32_t a = 0; a < g->m && links[a] != OMEN_NO_NODE; a++) {
            bool twice = links[a] == i;
            for (uint32_t b = 0; b < a; b++) twice = twice || links[b] == links[a];
            if (twice) return "a row of a graph is linked to itself, or twice to another";
        }
    }
    return NULL;
}

static void reach(const omen_disk *d, check *c, uint32_t slot) {
    if (!set(c->reached, slot)) return;
    c->reached_count++;
    c->waiting[slot / d->shape.per_block]++;
    c->waiting_count++;
}

/* The rows of the highest level, and all where there is none. */
static void reach_first(const omen_index *x, check *c) {
    const omen_disk *d = x->state;
    if (d->top == 0) {
        for (uint32_t i = 0; i < x->rows; i++) reach(d, c, i);
        return;
    }
    const omen_level *top = &d->upper.level[d->upper.top];
    for (uint32_t i = 0; i < top->count; i++) reach(d, c, omen_get32(d->entries + 4 * (size_t)(top->rows == NULL ? i : top->rows[i])));
}

static omen_status check_records(omen_index *x, check *c, omen_error *err) {
    const omen_disk *d = x->state;
    const char *flaw = NULL;
    for (; c->block < c->blocks; c->block++) {
        const omen_block *block;
        OMEN_TRY(omen_segment_block(x->segment, d->nodes, c->block, &block, err));
        for (uint32_t i = 0; i < block->len / d->shape.record && flaw == NULL; i++)
            flaw = record_flaw(x, c, block->data + (size_t)i * d->shape.record, c->block * d->shape.per_block + i);
        omen_block_release(x->store->pool, block);
        if (flaw != NULL) return omen_index_damaged(x, err, flaw);
    }
    if (d->top != 0 && c->entries != d->upper.level[0].count) flaw = "a row of a graph's upper levels has no record";
    for (uint32_t l = 0; l < d->top && flaw == NULL; l++) flaw = level_flaw(&d->upper.level[l]);
    if (flaw != NULL) return omen_index_damaged(x, err, flaw);
    reach_first(x, c);
    c->block = 0;
    c->sound = true;
    return OMEN_OK;
}

/* Follows the links of all reached rows of a block, also those that are reached meanwhile. */
static void follow(const omen_disk *d, check *c, const omen_block *block) {
    uint32_t first = c->block * d->shape.per_block, count = block->len / d->shape.record;
    while (c->waiting[c->block] != 0) {
        for (uint32_t i = 0; i < count; i++) {
            if (!get(c->reached, first + i) || !set(c->followed, first + i)) continue;
            c->waiting[c->block]--;
            c->waiting_count--;
            for (uint32_t j = 0; j < d->shape.m; j++) {
                uint32_t link = omen_disk_link(&d->shape, block->data + (size_t)i * d->shape.record, j);
                if (link == OMEN_NO_NODE) break;
                reach(d, c, link);
            }
        }
    }
}

omen_status omen_disk_verify(omen_index *x, void **place, omen_error *err) {
    const omen_disk *d = x->state;
    check *c = *place;
    if (c == NULL) {
        omen_status s = begin(x, &c, err);
        *place = c;
        OMEN_TRY(s);
    }
    if (!c->sound) OMEN_TRY(check_records(x, c, err));
    while (c->waiting_count != 0) {
        if (c->waiting[c->block] != 0) {
            const omen_block *block;
            OMEN_TRY(omen_segment_block(x->segment, d->nodes, c->block, &block, err));
            follow(d, c, block);
            omen_block_release(x->store->pool, block);
        }
        c->block = (c->block + 1) % c->blocks;
    }
    return c->reached_count == x->rows ? OMEN_OK : omen_index_damaged(x, err, "rows of a graph cannot be reached");
}
