/* columns_dict.h - the different strings of a series, with their counts, as long as they are few; sorted at the end. */
#ifndef OMEN_COLUMN_COLUMNS_DICT_H
#define OMEN_COLUMN_COLUMNS_DICT_H

#include "base/mem.h"
#include "column/columns_format.h"

typedef struct omen_dict {
    omen_mem *mem;
    omen_buf bytes;   /* entries back to back, in the order in which they were met */
    omen_buf offsets; /* u32 x (count + 1) */
    omen_buf counts;  /* u32 x count */
    uint32_t count;
    uint32_t *slots;  /* entry + 1, open addressing */
    uint32_t slot_count;
    uint32_t *order;  /* once sorted: entries in ascending order */
    uint32_t *codes;  /* the place of each entry in it */
} omen_dict;

void omen_dict_init(omen_dict *d, omen_mem *m);
void omen_dict_deinit(omen_dict *d);
/* hash: omen_hash64 of the string, seed 0. Counts it. *full: it is new and there is no room for it. */
omen_status omen_dict_add(omen_dict *d, omen_str s, uint64_t hash, bool *full);
omen_status omen_dict_sort(omen_dict *d);
/* Of a string that is there, once sorted. */
uint32_t omen_dict_code(const omen_dict *d, omen_str s, uint64_t hash);
static inline omen_str omen_dict_entry(const omen_dict *d, uint32_t entry) {
    uint32_t from = omen_get32(d->offsets.data + 4 * (size_t)entry), to = omen_get32(d->offsets.data + 4 * (size_t)entry + 4);
    return to == from ? (omen_str){"", 0} : (omen_str){(const char *)d->bytes.data + from, to - from};
}
size_t omen_dict_memory(const omen_dict *d);

/* By bytes, the shorter first. */
static inline int omen_str_order(omen_str a, omen_str b) {
    size_t n = OMEN_MIN(a.len, b.len);
    int c = n == 0 ? 0 : memcmp(a.data, b.data, n);
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

#endif
