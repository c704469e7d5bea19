/* keys_write.c - writes the sections of a part's ids that keys.h describes. */
#include "column/keys_write.h"

#include "column/part.h"

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory writing the index of ids"); }

static omen_status whole(omen_segment_writer *out, uint32_t kind, const void *bytes, size_t len, omen_error *err) {
    OMEN_TRY(omen_segment_section_begin(out, kind, 0, 0, OMEN_BLOCK_BYTES, err));
    OMEN_TRY(omen_segment_section_write(out, bytes, len, err));
    return omen_segment_section_end(out, err);
}

static omen_key key_at(const omen_keys_source *s, uint32_t row) {
    return (omen_key){s->bytes + s->offsets[row], s->offsets[row + 1] - s->offsets[row]};
}

static bool key_less(void *arg, const void *a, const void *b) {
    uint32_t x, y;
    memcpy(&x, a, 4);
    memcpy(&y, b, 4);
    return omen_key_compare(key_at(arg, x), key_at(arg, y)) < 0;
}

/* The kind of these ids. If they are integers, their images take the hashes' place. */
static omen_keys_kind choose(const omen_keys_source *s) {
    bool ascending = true;
    uint64_t image, last = 0;
    for (uint32_t i = 0; i < s->rows; i++)
        if (!omen_keys_value(key_at(s, i), &image)) return OMEN_KEYS_HASHES;
    for (uint32_t i = 0; i < s->rows; i++) {
        (void)omen_keys_value(key_at(s, i), &image);
        if (i != 0 && image <= last) ascending = false;
        s->keyed[i].key = last = image;
    }
    return ascending ? OMEN_KEYS_ROWS : OMEN_KEYS_VALUES;
}

static omen_status write_order(const omen_keys_source *s, omen_keys_kind kind, omen_segment_writer *out, omen_error *err) {
    for (uint32_t i = 0; i < s->rows; i++) s->order[i] = kind == OMEN_KEYS_HASHES ? i : s->keyed[i].row;
    if (kind == OMEN_KEYS_HASHES) {
        omen_keys_source own = *s;
        omen_sort(s->order, s->rows, sizeof *s->order, key_less, &own);
    }
    return whole(out, OMEN_SECTION_KEY_ORDER, s->order, (size_t)s->rows * 4, err);
}

static omen_status write_model(omen_mem *m, const omen_keys_source *s, omen_keys_kind kind, omen_segment_writer *out, omen_error *err) {
    omen_keys_builder b;
    omen_status status = OMEN_OK;
    uint32_t id_bytes = key_at(s, 0).len;
    for (uint32_t i = 1; i < s->rows; i++)
        if (key_at(s, i).len != key_at(s, 0).len) id_bytes = 0;
    omen_keys_builder_init(&b, m, kind, s->rows, id_bytes);
    for (uint32_t i = 0; i < s->rows && status == OMEN_OK; i++) status = omen_keys_builder_add(&b, s->keyed[i].key);
    if (status == OMEN_OK) status = omen_keys_builder_finish(&b);
    if (status == OMEN_OK) status = whole(out, OMEN_SECTION_KEY_MODEL, b.bytes.data, b.bytes.len, err);
    else status = out_of_memory(err);
    omen_keys_builder_deinit(&b);
    return status;
}

static omen_status write_bloom(omen_mem *m, const omen_keys_source *s, omen_keys_kind kind, omen_segment_writer *out, omen_error *err) {
    uint32_t blocks = omen_keys_bloom_blocks(kind, s->rows);
    size_t len = (size_t)blocks * OMEN_KEYS_BLOOM_BLOCK;
    uint8_t *bloom = omen_alloc_zero(m, len);
    if (bloom == NULL) return out_of_memory(err);
    for (uint32_t i = 0; i < s->rows; i++) {
        uint64_t mix = omen_keys_mix(s->keyed[i].key);
        omen_keys_bloom_add(bloom + omen_keys_bloom_at(mix, blocks), mix);
    }
    omen_status status = whole(out, OMEN_SECTION_KEY_BLOOM, bloom, len, err);
    omen_free(m, bloom, len);
    return status;
}

omen_status omen_keys_write(omen_mem *m, const omen_keys_source *s, omen_segment_writer *out, omen_error *err) {
    omen_keys_kind kind = choose(s);
    if (kind != OMEN_KEYS_ROWS) omen_sort_keyed(s->keyed, s->scratch, s->rows);
    OMEN_TRY(write_order(s, kind, out, err));
    OMEN_TRY(write_model(m, s, kind, out, err));
    OMEN_TRY(write_bloom(m, s, kind, out, err));
    if (kind == OMEN_KEYS_ROWS) return OMEN_OK;
    /* One column after another inside the scratch array, which is large enough for each. */
    uint8_t *tags = (uint8_t *)s->scratch;
    for (uint32_t i = 0; i < s->rows; i++) tags[i] = omen_keys_tag(omen_keys_mix(s->keyed[i].key));
    OMEN_TRY(whole(out, OMEN_SECTION_KEY_TAGS, tags, s->rows, err));
    if (kind == OMEN_KEYS_VALUES) return OMEN_OK;
    uint32_t *rows = (uint32_t *)(void *)s->scratch;
    for (uint32_t i = 0; i < s->rows; i++) rows[i] = s->keyed[i].row;
    return whole(out, OMEN_SECTION_KEY_HASH_ROWS, rows, (size_t)s->rows * 4, err);
}
