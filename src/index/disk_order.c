/* disk_order.c - which rows lie together in a block. One block after another is filled: it begins with the first row that has no place; then always comes
 * the row that most rows of the block are linked to, of equals the one that got there first. (Beginning with what was left over at the edge of the block
 * before makes blocks that lie in more rows' neighbourhoods.) */
#include "index/disk.h"

#define BLOCKS_A_STEP 64u
#define NONE UINT32_MAX

/* Rows by how many of the block's are linked to them: a queue for each number. A row that moves up leaves a stale entry behind. */
typedef struct entry { uint32_t row, next; } entry;
typedef struct queue { uint32_t head, tail; } queue;

struct omen_disk_order {
    omen_mem *mem;
    const omen_level *base;
    uint32_t per_block, placed, next_row;
    uint32_t *rows, *slots;
    uint16_t *gain;
    entry *entries;
    uint32_t entry_count, entry_cap;
    queue *queues;
    uint32_t most; /* no queue above has entries */
};

omen_status omen_disk_order_new(omen_mem *m, const omen_level *base, uint32_t per_block, omen_disk_order **out) {
    omen_disk_order *o = omen_alloc_zero(m, sizeof *o);
    *out = o;
    if (o == NULL) return OMEN_ERR_MEMORY;
    *o = (omen_disk_order){.mem = m, .base = base, .per_block = per_block, .entry_cap = per_block * base->m};
    o->rows = omen_alloc(m, base->count * sizeof *o->rows);
    o->slots = omen_alloc(m, base->count * sizeof *o->slots);
    o->gain = omen_alloc_zero(m, base->count * sizeof *o->gain);
    o->entries = omen_alloc(m, o->entry_cap * sizeof *o->entries);
    o->queues = omen_alloc(m, (per_block + 1) * sizeof *o->queues);
    if (o->rows == NULL || o->slots == NULL || o->gain == NULL || o->entries == NULL || o->queues == NULL) return OMEN_ERR_MEMORY;
    memset(o->slots, 0xFF, base->count * sizeof *o->slots);
    memset(o->queues, 0xFF, (per_block + 1) * sizeof *o->queues);
    return OMEN_OK;
}

void omen_disk_order_free(omen_disk_order *o) {
    if (o == NULL) return;
    omen_free(o->mem, o->rows, o->base->count * sizeof *o->rows);
    omen_free(o->mem, o->slots, o->base->count * sizeof *o->slots);
    omen_free(o->mem, o->gain, o->base->count * sizeof *o->gain);
    omen_free(o->mem, o->entries, o->entry_cap * sizeof *o->entries);
    omen_free(o->mem, o->queues, (o->per_block + 1) * sizeof *o->queues);
    omen_free(o->mem, o, sizeof *o);
}

const uint32_t *omen_disk_order_rows(const omen_disk_order *o) { return o->rows; }
const uint32_t *omen_disk_order_slots(const omen_disk_order *o) { return o->slots; }

static void put(omen_disk_order *o, uint32_t row) {
    const uint32_t *links = omen_level_links(o->base, row);
    o->slots[row] = o->placed;
    o->rows[o->placed++] = row;
    for (uint32_t i = 0; i < o->base->m && links[i] != OMEN_NO_NODE; i++) {
        uint32_t to = links[i];
        if (o->slots[to] != NONE) continue;
        uint32_t g = ++o->gain[to], e = o->entry_count++;
        queue *q = &o->queues[g];
        o->entries[e] = (entry){to, NONE};
        *(q->tail == NONE ? &q->head : &o->entries[q->tail].next) = e;
        q->tail = e;
        o->most = OMEN_MAX(o->most, g);
    }
}

/* The row that most of the block's rows are linked to. */
static uint32_t take(omen_disk_order *o) {
    for (; o->most != 0; o->most--) {
        queue *q = &o->queues[o->most];
        while (q->head != NONE) {
            entry e = o->entries[q->head];
            q->head = e.next;
            if (q->head == NONE) q->tail = NONE;
            if (o->slots[e.row] == NONE && o->gain[e.row] == o->most) return e.row;
        }
    }
    return NONE;
}

static uint32_t fresh_row(omen_disk_order *o) {
    while (o->slots[o->next_row] != NONE) o->next_row++;
    return o->next_row;
}

static void fill_block(omen_disk_order *o) {
    uint32_t end = OMEN_MIN(o->base->count - o->placed, o->per_block) + o->placed;
    while (o->placed != end) {
        uint32_t row = take(o);
        put(o, row == NONE ? fresh_row(o) : row);
    }
    for (uint32_t i = 0; i < o->entry_count; i++) o->gain[o->entries[i].row] = 0;
    o->entry_count = o->most = 0;
    memset(o->queues, 0xFF, (o->per_block + 1) * sizeof *o->queues);
}

bool omen_disk_order_step(omen_disk_order *o) {
    for (uint32_t b = 0; b < BLOCKS_A_STEP && o->placed < o->base->count; b++) fill_block(o);
    return o->placed == o->base->count;
}
