/* disk_blocks.c - the blocks of one search: some stay pinned while its step runs, some are asked for before they are needed. */
#include "index/disk.h"

void omen_disk_blocks_init(omen_disk_blocks *b, omen_index *x) {
    const omen_disk *d = x->state;
    /* All searches together pin a quarter of the pool at most, and each one block at least. */
    uint64_t pins = omen_pool_budget(x->store->pool) / 4 / OMEN_MAX(x->store->host->threads, 1u) / d->nodes->block_len;
    *b = (omen_disk_blocks){.index = x, .pin_count = (uint32_t)OMEN_MIN(OMEN_MAX(pins, 1u), OMEN_DISK_PINS)};
}

void omen_disk_blocks_group(omen_disk_blocks *b) { b->group++; }

static omen_status ask(omen_disk_blocks *b, uint32_t index, const omen_block **out, omen_error *err) {
    const omen_disk *d = b->index->state;
    return omen_segment_block(b->index->segment, d->nodes, index, out, err);
}

omen_status omen_disk_blocks_get(omen_disk_blocks *b, uint32_t index, const omen_block **out, omen_error *err) {
    omen_disk_pin *p;
    for (p = b->pins; p < b->pins + b->pin_count; p++) {
        if (p->index != index || p->block == NULL) continue;
        p->group = b->group;
        *out = p->block;
        return OMEN_OK;
    }
    OMEN_TRY(ask(b, index, out, err));
    b->asked++;
    do p = &b->pins[b->next++ % b->pin_count];
    while (p->block != NULL && p->group == b->group);
    omen_block_release(b->index->store->pool, p->block);
    *p = (omen_disk_pin){*out, index, b->group};
    return OMEN_OK;
}

void omen_disk_blocks_release(omen_disk_blocks *b) {
    for (uint32_t i = 0; i < b->pin_count; i++) {
        omen_block_release(b->index->store->pool, b->pins[i].block);
        b->pins[i].block = NULL;
    }
}

/* What comes stays in the pool as long as that keeps it; an error will come again if the block is needed. True: it pends. */
static bool pends(omen_disk_blocks *b, uint32_t index) {
    const omen_block *block;
    omen_status status = ask(b, index, &block, NULL);
    if (status == OMEN_OK) omen_block_release(b->index->store->pool, block);
    return status == OMEN_PENDING;
}

void omen_disk_blocks_ahead(omen_disk_blocks *b, uint32_t index) {
    for (uint32_t i = 0; i < b->ahead_len; i++)
        if (b->ahead[i] == index) return;
    if (b->ahead_len == OMEN_DISK_AHEAD) return;
    b->asked++;
    if (pends(b, index)) b->ahead[b->ahead_len++] = index;
}

bool omen_disk_blocks_poll(omen_disk_blocks *b) {
    uint32_t left = 0;
    for (uint32_t i = 0; i < b->ahead_len; i++)
        if (pends(b, b->ahead[i])) b->ahead[left++] = b->ahead[i];
    b->ahead_len = left;
    return left == 0;
}
