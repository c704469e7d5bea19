#include "column/columns_dict.h"

#include "base/sort.h"

#define MAX_BYTES (2u << 20)

void omen_dict_init(omen_dict *d, omen_mem *m) {
    *d = (omen_dict){.mem = m};
    omen_buf_init(&d->bytes, m);
    omen_buf_init(&d->offsets, m);
    omen_buf_init(&d->counts, m);
}

void omen_dict_deinit(omen_dict *d) {
    omen_buf_deinit(&d->bytes);
    omen_buf_deinit(&d->offsets);
    omen_buf_deinit(&d->counts);
    omen_free(d->mem, d->slots, d->slot_count * sizeof *d->slots);
    omen_free(d->mem, d->order, d->order != NULL ? d->count * sizeof *d->order : 0);
    omen_free(d->mem, d->codes, d->codes != NULL ? d->count * sizeof *d->codes : 0);
    omen_dict_init(d, d->mem);
}

size_t omen_dict_memory(const omen_dict *d) { return d->bytes.cap + d->offsets.cap + d->counts.cap + d->slot_count * sizeof *d->slots; }

/* Of a string, or the free one where it would go. */
static uint32_t *slot_of(const omen_dict *d, omen_str s, uint64_t hash) {
    uint32_t mask = d->slot_count - 1, i = (uint32_t)hash & mask;
    for (; d->slots[i] != 0; i = (i + 1) & mask) {
        omen_str e = omen_dict_entry(d, d->slots[i] - 1);
        if (e.len == s.len && (s.len == 0 || memcmp(e.data, s.data, s.len) == 0)) break;
    }
    return &d->slots[i];
}

static omen_status grow(omen_dict *d) {
    uint32_t before = d->slot_count, count = before == 0 ? 32 : before * 2;
    uint32_t *slots = omen_alloc_zero(d->mem, count * sizeof *slots);
    if (slots == NULL) return OMEN_ERR_MEMORY;
    omen_free(d->mem, d->slots, before * sizeof *d->slots);
    d->slots = slots;
    d->slot_count = count;
    for (uint32_t i = 0; i < d->count; i++) {
        omen_str e = omen_dict_entry(d, i);
        *slot_of(d, e, omen_hash64(e.data, e.len, 0)) = i + 1;
    }
    return OMEN_OK;
}

omen_status omen_dict_add(omen_dict *d, omen_str s, uint64_t hash, bool *full) {
    *full = false;
    if (d->count * 2 >= d->slot_count) OMEN_TRY(grow(d));
    uint32_t *slot = slot_of(d, s, hash);
    if (*slot != 0) {
        uint8_t *c = d->counts.data + 4 * (size_t)(*slot - 1);
        omen_put32(c, omen_get32(c) + 1);
        return OMEN_OK;
    }
    if (d->count == OMEN_COLUMN_DICT || d->bytes.len + s.len > MAX_BYTES) {
        *full = true;
        return OMEN_OK;
    }
    if (d->offsets.len == 0) OMEN_TRY(omen_buf_append_u32(&d->offsets, 0));
    OMEN_TRY(omen_buf_reserve(&d->offsets, 4));
    OMEN_TRY(omen_buf_reserve(&d->counts, 4));
    if (s.len != 0) OMEN_TRY(omen_buf_append(&d->bytes, s.data, s.len));
    (void)omen_buf_append_u32(&d->offsets, (uint32_t)d->bytes.len); /* there is room */
    (void)omen_buf_append_u32(&d->counts, 1);
    *slot = ++d->count;
    return OMEN_OK;
}

static bool less(void *arg, const void *a, const void *b) {
    uint32_t x, y;
    memcpy(&x, a, 4);
    memcpy(&y, b, 4);
    return omen_str_order(omen_dict_entry(arg, x), omen_dict_entry(arg, y)) < 0;
}

omen_status omen_dict_sort(omen_dict *d) {
    if (d->count == 0) return OMEN_OK;
    d->order = omen_alloc(d->mem, d->count * sizeof *d->order);
    d->codes = omen_alloc(d->mem, d->count * sizeof *d->codes);
    if (d->order == NULL || d->codes == NULL) return OMEN_ERR_MEMORY;
    for (uint32_t i = 0; i < d->count; i++) d->order[i] = i;
    omen_sort(d->order, d->count, sizeof *d->order, less, d);
    for (uint32_t i = 0; i < d->count; i++) d->codes[d->order[i]] = i;
    return OMEN_OK;
}

uint32_t omen_dict_code(const omen_dict *d, omen_str s, uint64_t hash) { return d->codes[*slot_of(d, s, hash) - 1]; }
