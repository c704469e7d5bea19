/* keys_find.c - opening what finds the ids of a part, and finding them: filter, model, then the ids themselves (keys.h). Every number read from the file is
 * checked before it is used. */
#include "column/keys_look.h"

static omen_status damaged(const omen_part *p, omen_error *err, const char *what) {
    omen_file_name name = omen_segment_file_name(omen_segment_info_of(p->segment)->number);
    return omen_fail(err, OMEN_ERR_CORRUPT, "%s: %s; restore the file from a backup", name.text, what);
}

static bool fits(const omen_section *s, uint64_t raw_len) {
    return s != NULL && s->flags == 0 && s->block_len == OMEN_BLOCK_BYTES && s->raw_len == raw_len;
}

static omen_status read_model(omen_part *p, const omen_section *s, omen_error *err) {
    omen_mem *m = p->store->mem;
    size_t len = (size_t)s->raw_len;
    if (p->keys_loading == NULL) p->keys_loading = omen_alloc(m, len);
    if (p->keys_loading == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for the index of ids");
    omen_status status = omen_segment_load(p->segment, s, p->keys_loading, &p->keys_loaded, err);
    if (status == OMEN_OK) status = omen_keys_open(m, p->keys_loading, len, p->rows, &p->keys, err);
    if (status == OMEN_PENDING) return status;
    omen_free(m, p->keys_loading, len);
    p->keys_loading = NULL;
    return status;
}

static omen_kept *keep(const omen_part *p, const omen_section *s) {
    omen_segment_keep(p->segment, s);
    return omen_segment_kept(p->segment, s);
}

omen_status omen_part_open_keys(omen_part *p, omen_error *err) {
    uint64_t rows = p->rows;
    const omen_section *model = omen_segment_section(p->segment, OMEN_SECTION_KEY_MODEL, 0);
    if (rows == 0 || p->keys.rows != 0) return OMEN_OK;
    if (model == NULL || !fits(model, model->raw_len) || model->raw_len > OMEN_KEYS_HEADER + rows * sizeof(omen_keys_segment))
        return damaged(p, err, "the index of ids is missing or has the wrong size");
    OMEN_TRY(read_model(p, model, err));
    p->key_bloom = omen_segment_section(p->segment, OMEN_SECTION_KEY_BLOOM, 0);
    p->key_tags = p->keys.kind == OMEN_KEYS_ROWS ? NULL : omen_segment_section(p->segment, OMEN_SECTION_KEY_TAGS, 0);
    p->key_places = p->keys.kind == OMEN_KEYS_HASHES ? omen_segment_section(p->segment, OMEN_SECTION_KEY_HASH_ROWS, 0) : p->key_order;
    if (!fits(p->key_bloom, (uint64_t)p->keys.bloom_blocks * OMEN_KEYS_BLOOM_BLOCK)) return damaged(p, err, "the filter of ids is missing or has the wrong size");
    if (p->keys.kind != OMEN_KEYS_ROWS && !fits(p->key_tags, rows)) return damaged(p, err, "the tags of ids are missing or have the wrong size");
    if (!fits(p->key_places, rows * 4)) return damaged(p, err, "the rows of hashed ids are missing or have the wrong size");
    if (p->keys.id_bytes != 0 && p->key_bytes->raw_len != rows * p->keys.id_bytes) return damaged(p, err, "ids of one length have another size together");
    p->kept_bloom = keep(p, p->key_bloom);
    if (p->key_tags != NULL) p->kept_tags = keep(p, p->key_tags);
    if (p->key_tags != NULL) p->kept_places = keep(p, p->key_places);
    if (p->keys.id_bytes == 0) p->kept_offsets = keep(p, p->key_offsets);
    p->kept_ids = keep(p, p->key_bytes);
    return OMEN_OK;
}

void omen_part_close_keys(omen_part *p) {
    if (p->keys_loading != NULL) omen_free(p->store->mem, p->keys_loading, (size_t)omen_segment_section(p->segment, OMEN_SECTION_KEY_MODEL, 0)->raw_len);
    omen_keys_deinit(&p->keys);
}

static omen_status copy_out(const omen_part *p, const omen_section *s, uint64_t offset, uint32_t len, uint8_t *copy, const uint8_t **out, omen_error *err) {
    size_t done = 0;
    *out = copy;
    return omen_segment_read(p->segment, s, offset, len, copy, &done, err);
}

/* `len` bytes that the section has, of plain blocks: in place where they are kept and lie in one block (64 bytes more are readable there), else in `copy`. */
static inline omen_status look(const omen_part *p, const omen_section *s, omen_kept *kept, uint64_t offset, uint32_t len, uint8_t *copy, const uint8_t **out, omen_error *err) {
    *out = omen_keys_peek_run(kept, offset, len);
    return *out != NULL ? OMEN_OK : copy_out(p, s, offset, len, copy, out, err);
}

/* Whether a row has this id. */
static inline omen_status same(const omen_part *p, uint32_t row, omen_key key, bool *out, omen_error *err) {
    uint8_t copy[OMEN_KEY_MAX];
    const uint8_t *at;
    uint64_t from = (uint64_t)row * p->keys.id_bytes, to = from + p->keys.id_bytes;
    if (p->keys.id_bytes == 0) {
        OMEN_TRY(look(p, p->key_offsets, p->kept_offsets, (uint64_t)row * 4, 8, copy, &at, err));
        from = omen_get32(at);
        to = omen_get32(at + 4);
        if (to < from || to - from > OMEN_KEY_MAX || to > p->key_bytes->raw_len) return damaged(p, err, "an id's offset is impossible");
    }
    *out = false;
    if (to - from != key.len) return OMEN_OK;
    OMEN_TRY(look(p, p->key_bytes, p->kept_ids, from, key.len, copy, &at, err));
    *out = key.len == 9 ? omen_get64(at) == omen_get64(key.data) && at[8] == key.data[8] : memcmp(at, key.data, key.len) == 0;
    return OMEN_OK;
}

/* A part of ROWS: the window is a run of ids of 9 bytes. */
static inline omen_status find_row(const omen_part *p, uint64_t image, uint32_t *row, omen_error *err) {
    uint8_t copy[9 * (2 * OMEN_KEYS_MOST_ERROR + 1)];
    const uint8_t *ids;
    uint32_t from, to, expected = omen_keys_window(&p->keys, image, &from, &to), n = to - from;
    if (n == 0) return OMEN_OK;
    OMEN_TRY(look(p, p->key_bytes, p->kept_ids, (uint64_t)from * 9, 9 * n, copy, &ids, err));
    uint32_t at = omen_keys_search(ids, n, expected - from, image);
    if (at < n) *row = from + at;
    return OMEN_OK;
}

/* Else: rows whose places have the image's tag. */
static inline omen_status find_tagged(const omen_part *p, omen_key key, uint64_t image, uint8_t tag, uint32_t *row, omen_error *err) {
    uint32_t from, to;
    (void)omen_keys_window(&p->keys, image, &from, &to);
    /* The rows are wanted as soon as the tags are there: they come at the same time. */
    const uint8_t *rows = omen_keys_peek(p->kept_places, (uint64_t)from * 4);
    for (uint32_t i = 0; rows != NULL && i < 4 * (2 * p->keys.error + 1); i += 64) __builtin_prefetch(rows + i);
    while (from < to) {
        uint8_t copy[64 + 8];
        const uint8_t *tags;
        uint32_t n = OMEN_MIN(to - from, 64u);
        OMEN_TRY(look(p, p->key_tags, p->kept_tags, from, n, copy, &tags, err));
        for (uint64_t found = omen_keys_match(tags, n, tag); found != 0; found &= found - 1) {
            uint8_t number[4];
            const uint8_t *at;
            bool is = false;
            OMEN_TRY(look(p, p->key_places, p->kept_places, (uint64_t)(from + omen_keys_matched(found)) * 4, 4, number, &at, err));
            uint32_t r = omen_get32(at);
            if (r >= p->rows) return damaged(p, err, "the id index names a row that does not exist");
            OMEN_TRY(same(p, r, key, &is, err));
            if (!is) continue;
            *row = r;
            return OMEN_OK;
        }
        from += n;
    }
    return OMEN_OK;
}

omen_status omen_part_find(omen_part *p, omen_key key, uint64_t hash, uint32_t *row, omen_error *err) {
    uint8_t copy[OMEN_KEYS_BLOOM_BLOCK];
    const uint8_t *block;
    uint64_t image;
    *row = UINT32_MAX;
    if (p->rows == 0 || !omen_keys_image(p->keys.kind, key, hash, &image)) return OMEN_OK;
    uint64_t mix = omen_keys_mix(image);
    OMEN_TRY(look(p, p->key_bloom, p->kept_bloom, omen_keys_bloom_at(mix, p->keys.bloom_blocks), OMEN_KEYS_BLOOM_BLOCK, copy, &block, err));
    if (!omen_keys_bloom_test(block, mix)) return OMEN_OK;
    return p->keys.kind == OMEN_KEYS_ROWS ? find_row(p, image, row, err) : find_tagged(p, key, image, omen_keys_tag(mix), row, err);
}

omen_status omen_part_order_after(omen_part *p, omen_key after, uint32_t *position, omen_error *err) {
    uint32_t low = 0, high = p->rows;
    uint64_t image;
    /* Among integers places are positions: the model leaves a few of them. */
    if (p->rows != 0 && p->keys.kind != OMEN_KEYS_HASHES && omen_keys_value(after, &image)) (void)omen_keys_window(&p->keys, image, &low, &high);
    while (low < high) {
        uint32_t mid = low + (high - low) / 2, row;
        uint8_t bytes[OMEN_KEY_MAX];
        omen_key key;
        OMEN_TRY(omen_part_ordered(p, mid, &row, err));
        OMEN_TRY(omen_part_key(p, row, bytes, &key, err));
        if (omen_key_compare(key, after) <= 0) low = mid + 1;
        else high = mid;
    }
    *position = low;
    return OMEN_OK;
}
