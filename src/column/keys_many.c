/* keys_many.c - looks for several ids at once in what is in memory. Each step is done for all of them before the next one begins, and asks for the cache lines
 * that the next one reads: so the processor waits for those of all ids together instead of one after another. */
#include "column/keys_look.h"

/* So few ids wait for each line: rows of the whole window are asked for together with its tags. */
enum { FEW = 4 };

/* An id on its way. */
typedef struct wanted {
    uint64_t image, mix, found;
    const uint8_t *at; /* the window in memory: ids (ROWS) or tags; later the row's number */
    uint32_t from, n;  /* the window: places */
    uint32_t i;        /* which id */
} wanted;

/* ids that may be there: the filter has all their bits, or is not in memory. Answers how many. */
static uint32_t sift(const omen_part *p, wanted *w, uint32_t count, uint32_t *rows) {
    uint32_t left = 0;
    for (uint32_t j = 0; j < count; j++) __builtin_prefetch(omen_keys_peek(p->kept_bloom, omen_keys_bloom_at(w[j].mix, p->keys.bloom_blocks)));
    for (uint32_t j = 0; j < count; j++) {
        const uint8_t *block = omen_keys_peek(p->kept_bloom, omen_keys_bloom_at(w[j].mix, p->keys.bloom_blocks));
        if (block == NULL) continue; /* stays unknown */
        if (omen_keys_bloom_test(block, w[j].mix)) w[left++] = w[j];
        else rows[w[j].i] = UINT32_MAX;
    }
    return left;
}

/* The windows: those that hold nothing are decided, those that are not in memory as a whole stay unknown, others go on. */
static uint32_t window(const omen_part *p, wanted *w, uint32_t count, uint32_t *rows) {
    const omen_keys keys = p->keys; /* a copy, which nothing that is written here can change */
    const uint32_t size = keys.kind == OMEN_KEYS_ROWS ? 9 : 1;
    omen_kept *kept = keys.kind == OMEN_KEYS_ROWS ? p->kept_ids : p->kept_tags, *kept_places = keys.kind == OMEN_KEYS_ROWS || count >= FEW ? NULL : p->kept_places;
    uint32_t left = 0;
    for (uint32_t j = 0; j < count; j++) {
        uint32_t from, to, i = w[j].i;
        (void)omen_keys_window(&keys, w[j].image, &from, &to);
        uint32_t n = to - from, len = n * size;
        const uint8_t *at = n <= 64 ? omen_keys_peek_run(kept, (uint64_t)from * size, len) : NULL;
        if (n == 0) rows[i] = UINT32_MAX;
        if (n == 0 || at == NULL) continue;
        for (uint32_t line = 0; line < len - 1; line += 64) __builtin_prefetch(at + line);
        __builtin_prefetch(at + len - 1);
        const uint8_t *row = omen_keys_peek_run(kept_places, (uint64_t)from * 4, (uint64_t)n * 4);
        for (uint32_t line = 0; row != NULL && line < 4 * n; line += 64) __builtin_prefetch(row + line);
        w[left].image = w[j].image;
        w[left].mix = w[j].mix;
        w[left].at = at;
        w[left].from = from;
        w[left].n = n;
        w[left++].i = i;
    }
    return left;
}

/* ROWS: halves windows, without branches that depend on ids. */
static void halve(const wanted *w, uint32_t count, uint32_t *rows) {
    for (uint32_t j = 0; j < count; j++) {
        const uint64_t image = w[j].image;
        const uint8_t *low = w[j].at;
        for (uint32_t left = w[j].n; left > 1;) {
            uint32_t half = left / 2;
            const uint8_t *mid = low + half * 9;
            low = __builtin_bswap64(omen_get64(mid + 1)) <= image ? mid : low;
            left -= half;
        }
        bool there = omen_get64(low + 1) == __builtin_bswap64(image);
        rows[w[j].i] = there ? w[j].from + (uint32_t)(low - w[j].at) / 9 : UINT32_MAX;
    }
}

/* The places whose tags fit, and the first one's row asked for. */
static uint32_t match(const omen_part *p, wanted *w, uint32_t count, uint32_t *rows) {
    omen_kept *const kept = p->kept_places;
    uint32_t left = 0;
    for (uint32_t j = 0; j < count; j++) {
        const uint32_t n = w[j].n, i = w[j].i;
        const uint64_t found = omen_keys_match(w[j].at, n, omen_keys_tag(w[j].mix));
        const uint8_t *at = omen_keys_peek_run(kept, (uint64_t)w[j].from * 4, (uint64_t)n * 4);
        if (found == 0) rows[i] = UINT32_MAX;
        if (found == 0 || at == NULL) continue;
        __builtin_prefetch(at + omen_keys_matched(found) * 4);
        w[left].found = found;
        w[left].at = at;
        w[left++].i = i;
    }
    return left;
}

/* Asks for the ids, or their offsets, of rows whose tags fit. */
static void approach(const omen_part *p, const wanted *w, uint32_t count) {
    const uint32_t size = p->keys.id_bytes, each = size == 0 ? 4 : size, all = p->rows;
    omen_kept *const kept = size == 0 ? p->kept_offsets : p->kept_ids;
    for (uint32_t j = 0; j < count; j++)
        for (uint64_t found = w[j].found; found != 0; found &= found - 1) {
            uint64_t row = omen_get32(w[j].at + omen_keys_matched(found) * 4);
            if (row >= all) break;
            const uint8_t *at = omen_keys_peek(kept, row * each);
            __builtin_prefetch(at);
            if (at != NULL && size > 9) __builtin_prefetch(at + size - 1);
        }
}

/* Where a row's id is; NULL: not in memory, or damaged. */
static inline const uint8_t *id_of(const omen_part *p, uint32_t row, uint32_t size, uint64_t *len) {
    uint64_t from = (uint64_t)row * size;
    *len = size;
    if (size == 0) {
        const uint8_t *offsets = omen_keys_peek_run(p->kept_offsets, (uint64_t)row * 4, 8);
        if (offsets == NULL) return NULL;
        from = omen_get32(offsets);
        uint64_t to = omen_get32(offsets + 4);
        if (to < from || to - from > OMEN_KEY_MAX || to > p->key_bytes->raw_len) return NULL;
        *len = to - from;
    }
    return omen_keys_peek_run(p->kept_ids, from, *len);
}

static void compare(const omen_part *p, const wanted *w, uint32_t count, const omen_key *keys, uint32_t *rows) {
    const uint32_t size = p->keys.id_bytes, all = p->rows;
    for (uint32_t j = 0; j < count; j++) {
        omen_key key = keys[w[j].i];
        uint32_t answer = UINT32_MAX;
        for (uint64_t found = w[j].found; found != 0; found &= found - 1) {
            uint32_t row = omen_get32(w[j].at + omen_keys_matched(found) * 4);
            uint64_t len;
            const uint8_t *at = row < all ? id_of(p, row, size, &len) : NULL;
            if (at == NULL) answer = OMEN_PART_UNKNOWN;
            else if (len != key.len || (len == 9 ? omen_get64(at + 1) != omen_get64(key.data + 1) || at[0] != key.data[0] : memcmp(at, key.data, key.len) != 0)) continue;
            else answer = row;
            break;
        }
        rows[w[j].i] = answer;
    }
}

void omen_part_find_many(const omen_part *p, const omen_key *keys, const uint64_t *hashes, uint32_t count, bool likely, uint32_t *rows) {
    wanted w[OMEN_PART_MANY];
    const omen_keys_kind kind = p->keys.kind;
    const bool any = p->rows != 0;
    uint32_t n = 0;
    OMEN_ASSERT(count <= OMEN_PART_MANY);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t image;
        bool may = any && omen_keys_image(kind, keys[i], hashes[i], &image);
        rows[i] = may ? OMEN_PART_UNKNOWN : UINT32_MAX;
        if (!may) continue;
        w[n].image = image;
        w[n].mix = kind == OMEN_KEYS_ROWS && likely ? 0 : omen_keys_mix(image); /* nobody asks for it then */
        w[n++].i = i;
    }
    if (!likely) n = sift(p, w, n, rows);
    n = window(p, w, n, rows);
    if (kind == OMEN_KEYS_ROWS) {
        halve(w, n, rows);
        return;
    }
    n = match(p, w, n, rows);
    approach(p, w, n);
    compare(p, w, n, keys, rows);
}
