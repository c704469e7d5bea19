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
    const bool ids = p->keys.kind == OMEN_KEYS_ROWS;
    const uint32_t size = ids ? 9 : 1;
    omen_kept *kept = ids ? p->kept_ids : p->kept_tags;
    uint32_t left = 0;
    for (uint32_t j = 0; j < count; j++) {
        wanted x = w[j];
        uint32_t to;
        (void)omen_keys_window(&p->keys, x.image, &x.from, &to);
        x.n = to - x.from;
        if (x.n == 0) {
            rows[x.i] = UINT32_MAX;
            continue;
        }
        uint32_t len = x.n * size;
        x.at = x.n <= 64 ? omen_keys_peek_run(kept, (uint64_t)x.from * size, len) : NULL;
        if (x.at == NULL) continue;
        const uint8_t *last = x.at + len - 1;
        for (const uint8_t *line = x.at; line < last; line += 64) __builtin_prefetch(line);
        __builtin_prefetch(last);
        if (!ids && count < FEW)
            for (const uint8_t *row = omen_keys_peek(p->kept_places, (uint64_t)x.from * 4), *line = row; line != NULL && line < row + (size_t)4 * x.n + 63; line += 64)
                __builtin_prefetch(line);
        w[left++] = x;
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
    uint32_t left = 0;
    for (uint32_t j = 0; j < count; j++) {
        uint64_t found = omen_keys_match(w[j].at, w[j].n, omen_keys_tag(w[j].mix));
        if (found == 0) {
            rows[w[j].i] = UINT32_MAX;
            continue;
        }
        const uint8_t *at = omen_keys_peek_run(p->kept_places, (uint64_t)w[j].from * 4, (uint64_t)w[j].n * 4);
        if (at == NULL) continue;
        w[left] = w[j];
        w[left].found = found;
        w[left].at = at;
        __builtin_prefetch(at + (uint32_t)__builtin_ctzll(found) * 4);
        left++;
    }
    return left;
}

/* Asks for the ids, or their offsets, of rows whose tags fit. */
static void approach(const omen_part *p, const wanted *w, uint32_t count) {
    const uint32_t size = p->keys.id_bytes;
    for (uint32_t j = 0; j < count; j++)
        for (uint64_t found = w[j].found; found != 0; found &= found - 1) {
            uint64_t row = omen_get32(w[j].at + (uint32_t)__builtin_ctzll(found) * 4);
            if (row >= p->rows) break;
            const uint8_t *at = size != 0 ? omen_keys_peek(p->kept_ids, row * size) : omen_keys_peek(p->kept_offsets, row * 4);
            __builtin_prefetch(at);
            if (at != NULL && size > 9) __builtin_prefetch(at + size - 1);
        }
}

/* Where a row's id is; false: not in memory, or damaged. */
static inline bool id_of(const omen_part *p, uint32_t row, const uint8_t **at, uint64_t *len) {
    uint64_t from = (uint64_t)row * p->keys.id_bytes;
    *len = p->keys.id_bytes;
    if (row >= p->rows) return false;
    if (p->keys.id_bytes == 0) {
        const uint8_t *offsets = omen_keys_peek_run(p->kept_offsets, (uint64_t)row * 4, 8);
        if (offsets == NULL) return false;
        from = omen_get32(offsets);
        uint64_t to = omen_get32(offsets + 4);
        if (to < from || to - from > OMEN_KEY_MAX || to > p->key_bytes->raw_len) return false;
        *len = to - from;
    }
    *at = omen_keys_peek_run(p->kept_ids, from, *len);
    return *at != NULL;
}

static void compare(const omen_part *p, const wanted *w, uint32_t count, const omen_key *keys, uint32_t *rows) {
    for (uint32_t j = 0; j < count; j++) {
        omen_key key = keys[w[j].i];
        uint32_t answer = UINT32_MAX;
        for (uint64_t found = w[j].found; found != 0 && answer == UINT32_MAX; found &= found - 1) {
            uint32_t row = omen_get32(w[j].at + (uint32_t)__builtin_ctzll(found) * 4);
            const uint8_t *at;
            uint64_t len;
            if (!id_of(p, row, &at, &len)) answer = OMEN_PART_UNKNOWN;
            else if (len == key.len && (len == 9 ? omen_get64(at + 1) == omen_get64(key.data + 1) && at[0] == key.data[0] : memcmp(at, key.data, key.len) == 0)) answer = row;
        }
        rows[w[j].i] = answer;
    }
}

void omen_part_find_many(const omen_part *p, const omen_key *keys, const uint64_t *hashes, uint32_t count, bool likely, uint32_t *rows) {
    wanted w[OMEN_PART_MANY];
    uint32_t n = 0;
    OMEN_ASSERT(count <= OMEN_PART_MANY);
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = UINT32_MAX;
        if (p->rows == 0 || !omen_keys_image(p->keys.kind, keys[i], hashes[i], &w[n].image)) continue;
        rows[i] = OMEN_PART_UNKNOWN;
        w[n].mix = omen_keys_mix(w[n].image);
        w[n].i = i;
        n++;
    }
    if (!likely) n = sift(p, w, n, rows);
    n = window(p, w, n, rows);
    if (p->keys.kind == OMEN_KEYS_ROWS) {
        halve(w, n, rows);
        return;
    }
    n = match(p, w, n, rows);
    approach(p, w, n);
    compare(p, w, n, keys, rows);
}
