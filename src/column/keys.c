/* keys.c - building and opening the model of a part's ids (keys.h). */
#include "column/keys.h"

#include "column/columns_format.h"

void omen_keys_bloom_add(uint8_t *block, uint64_t mix) {
    for (uint32_t w = 0; w < 8; w++) omen_put32(block + 4 * w, omen_get32(block + 4 * w) | omen_bloom_bit(mix, w));
}

bool omen_keys_bloom_test(const uint8_t *block, uint64_t mix) {
    uint32_t missing = 0;
    for (uint32_t w = 0; w < 8; w++) missing |= ~omen_get32(block + 4 * w) & omen_bloom_bit(mix, w);
    return missing == 0;
}

uint32_t omen_keys_search(const uint8_t *ids, uint32_t n, uint32_t expected, uint64_t image) {
    const uint64_t want = __builtin_bswap64(image);
    if (expected < n && omen_get64(ids + (size_t)expected * 9 + 1) == want) return expected;
    /* All lines at once, so that halving does not wait for one after another. */
    for (uint32_t at = 0; at < n * 9; at += 64) __builtin_prefetch(ids + at);
    uint32_t low = 0;
    for (uint32_t left = n; left > 1;) {
        uint32_t half = left / 2;
        low = __builtin_bswap64(omen_get64(ids + (size_t)(low + half) * 9 + 1)) <= image ? low + half : low;
        left -= half;
    }
    return n != 0 && omen_get64(ids + (size_t)low * 9 + 1) == want ? low : n;
}

/* ---- writing ---- */

void omen_keys_builder_init(omen_keys_builder *b, omen_mem *m, omen_keys_kind kind, uint32_t rows, uint32_t id_bytes) {
    memset(b, 0, sizeof *b);
    omen_buf_init(&b->bytes, m);
    b->kind = kind;
    b->rows = rows;
    b->id_bytes = id_bytes;
    b->cone = (double)omen_keys_error(kind) - 1.125;
}

void omen_keys_builder_deinit(omen_keys_builder *b) { omen_buf_deinit(&b->bytes); }

static omen_status close_segment(omen_keys_builder *b) {
    b->open.slope = b->high < 0 ? 0 : (float)((b->low + b->high) / 2);
    b->count++;
    return omen_buf_append(&b->bytes, &b->open, sizeof b->open);
}

static void open_segment(omen_keys_builder *b, uint64_t image) {
    b->open = (omen_keys_segment){image, b->places, 0};
    b->low = 0;
    b->high = -1; /* no second point yet */
}

omen_status omen_keys_builder_add(omen_keys_builder *b, uint64_t image) {
    if (b->places == 0) {
        OMEN_TRY(omen_buf_append(&b->bytes, NULL, OMEN_KEYS_HEADER));
        open_segment(b, image);
        b->run = 0;
    } else if (image != b->last) {
        OMEN_ASSERT(image > b->last);
        double dx = (double)(image - b->open.first), dy = (double)(b->places - b->open.place);
        double least = (dy - b->cone) / dx, most = (dy + b->cone) / dx;
        double low = OMEN_MAX(b->low, least), high = b->high < 0 ? most : OMEN_MIN(b->high, most);
        if (low <= high && b->places - b->open.place < OMEN_KEYS_SEGMENT) {
            b->low = low;
            b->high = high;
        } else {
            OMEN_TRY(close_segment(b));
            open_segment(b, image);
        }
        b->run = 0;
    }
    b->last = image;
    b->places++;
    b->run++;
    b->longest = OMEN_MAX(b->longest, b->run);
    return OMEN_OK;
}

omen_status omen_keys_builder_finish(omen_keys_builder *b) {
    OMEN_ASSERT(b->places != 0 && b->places == b->rows);
    OMEN_TRY(close_segment(b));
    uint8_t *h = b->bytes.data;
    omen_put32(h + 8, OMEN_KEYS_VERSION);
    omen_put32(h + 12, b->kind);
    omen_put32(h + 16, b->rows);
    omen_put32(h + 20, omen_keys_error(b->kind));
    omen_put32(h + 24, b->count);
    omen_put32(h + 28, b->longest);
    omen_put32(h + 32, omen_keys_bloom_blocks(b->kind, b->rows));
    omen_put32(h + 36, b->id_bytes);
    omen_put64(h, omen_hash64(h + 8, b->bytes.len - 8, 0));
    return OMEN_OK;
}

/* ---- reading ---- */

static omen_status damaged(omen_error *err, const char *what) { return omen_fail(err, OMEN_ERR_CORRUPT, "the index of ids is damaged: %s", what); }

static omen_status check_header(const uint8_t *h, size_t len, uint32_t rows, omen_error *err) {
    if (len < OMEN_KEYS_HEADER + sizeof(omen_keys_segment)) return damaged(err, "it is too short");
    if (omen_get64(h) != omen_hash64(h + 8, len - 8, 0)) return damaged(err, "its checksum is wrong");
    if (omen_get32(h + 8) != OMEN_KEYS_VERSION) return omen_fail(err, OMEN_ERR_VERSION, "the index of ids was written by a newer OmenDB; upgrade this one");
    omen_keys_kind kind = (omen_keys_kind)omen_get32(h + 12);
    uint64_t count = omen_get32(h + 24), longest = omen_get32(h + 28);
    if (omen_get32(h + 12) >= OMEN_KEYS_KINDS) return damaged(err, "its kind is unknown");
    if (rows == 0 || omen_get32(h + 16) != rows) return damaged(err, "it is of other rows");
    if (count == 0 || count > rows || len != OMEN_KEYS_HEADER + count * sizeof(omen_keys_segment)) return damaged(err, "its length is wrong");
    if (omen_get32(h + 20) != omen_keys_error(kind) || omen_get32(h + 32) != omen_keys_bloom_blocks(kind, rows)) return damaged(err, "its numbers are not those of its kind");
    if (omen_get32(h + 36) > OMEN_KEY_MAX || (kind != OMEN_KEYS_HASHES && omen_get32(h + 36) != 9)) return damaged(err, "its ids have impossible lengths");
    if (longest == 0 || longest > (kind == OMEN_KEYS_HASHES ? rows : 1)) return damaged(err, "one image is said to come impossibly often");
    for (uint32_t i = 40; i < OMEN_KEYS_HEADER; i++)
        if (h[i] != 0) return damaged(err, "its header has unknown bytes");
    return OMEN_OK;
}

static bool segments_fit(const omen_keys *k) {
    if (k->segments[0].place != 0) return false;
    for (uint32_t i = 0; i < k->count; i++) {
        const omen_keys_segment *s = &k->segments[i];
        if (!(s->slope >= 0 && s->slope <= 0x1p32f)) return false; /* no NaN either */
        if (s[1].place <= s->place || (i + 1 < k->count && s[1].first <= s->first)) return false;
    }
    return true;
}

/* Twice to four times as many entries as segments: few share one unless images are very uneven, and then halving finds them. */
static omen_status make_table(omen_keys *k, omen_error *err) {
    k->base = k->segments[0].first;
    k->last = k->segments[k->count - 1].first;
    uint64_t span = k->last - k->base;
    while ((span >> k->shift) >= 4 * (uint64_t)k->count) k->shift++;
    k->entries = (uint32_t)(span >> k->shift) + 2;
    k->table = omen_alloc(k->mem, k->entries * sizeof *k->table);
    if (k->table == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for the index of ids");
    uint32_t s = 0;
    for (uint32_t i = 0; i + 1 < k->entries; i++) {
        uint64_t image = k->base + ((uint64_t)i << k->shift);
        while (s + 1 < k->count && k->segments[s + 1].first <= image) s++;
        k->table[i] = s;
    }
    k->table[k->entries - 1] = k->count - 1;
    return OMEN_OK;
}

omen_status omen_keys_open(omen_mem *m, const void *bytes, size_t len, uint32_t rows, omen_keys *out, omen_error *err) {
    const uint8_t *h = bytes;
    *out = (omen_keys){0};
    OMEN_TRY(check_header(h, len, rows, err));
    omen_keys k = {.mem = m, .kind = (omen_keys_kind)omen_get32(h + 12), .rows = rows, .count = omen_get32(h + 24), .error = omen_get32(h + 20), .longest = omen_get32(h + 28),
                   .bloom_blocks = omen_get32(h + 32), .id_bytes = omen_get32(h + 36)};
    k.segments = omen_alloc(m, (k.count + (size_t)1) * sizeof *k.segments);
    if (k.segments == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for the index of ids");
    memcpy(k.segments, h + OMEN_KEYS_HEADER, k.count * sizeof *k.segments);
    k.segments[k.count] = (omen_keys_segment){UINT64_MAX, rows, 0};
    omen_status s = segments_fit(&k) ? make_table(&k, err) : damaged(err, "its segments do not ascend");
    if (s != OMEN_OK) omen_keys_deinit(&k);
    else *out = k;
    return s;
}

void omen_keys_deinit(omen_keys *k) {
    if (k->segments != NULL) omen_free(k->mem, k->segments, (k->count + (size_t)1) * sizeof *k->segments);
    if (k->table != NULL) omen_free(k->mem, k->table, k->entries * sizeof *k->table);
    *k = (omen_keys){0};
}

size_t omen_keys_bytes(const omen_keys *k) { return (k->count + (size_t)1) * sizeof *k->segments + k->entries * sizeof *k->table; }
