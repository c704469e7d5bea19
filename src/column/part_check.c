/* part_check.c - verifies a part whole: the container's checksums and hash first, then what part.h promises of the rows. */
#include "base/json.h"
#include "column/multi.h"

typedef enum stage { BLOCKS, ROWS, PLACES, ORDER, MULTI, EXTRA, DONE } stage;

struct omen_part_check {
    stage stage;
    omen_segment_check blocks;
    uint32_t row;
    uint64_t last_hash;
    uint32_t last_row;
    uint8_t last_key[OMEN_KEY_MAX];
    uint32_t last_key_len;
    omen_buf doc;
    omen_part_doc_place doc_place;
    omen_part_multi_check multi;
    void *extra; /* place in what rooms above keep */
};

static omen_status damaged(const omen_part *p, omen_error *err, const char *what, uint32_t row) {
    omen_file_name name = omen_segment_file_name(omen_segment_info_of(p->segment)->number);
    return omen_fail(err, OMEN_ERR_CORRUPT, "%s: %s (row %u)", name.text, what, row);
}

static void start_pass(omen_part_check *c, stage next) {
    c->row = 0;
    c->stage = next;
}

/* Each row: a valid id that the index finds again, and a document that is JSON. */
static omen_status check_row(omen_part *p, omen_part_check *c, omen_error *err) {
    uint8_t bytes[OMEN_KEY_MAX];
    omen_key key;
    uint32_t found;
    OMEN_TRY(omen_part_key(p, c->row, bytes, &key, err));
    OMEN_TRY(omen_part_find(p, key, omen_key_hash(key), &found, err));
    if (found != c->row) return damaged(p, err, "the id index does not find an id's row", c->row);
    OMEN_TRY(omen_part_doc(p, c->row, &c->doc_place, &c->doc, err));
    omen_status s = OMEN_OK;
    omen_error detail = {0};
    if (c->doc.len != 0) s = omen_json_check(p->store->mem, (omen_str){(const char *)c->doc.data, c->doc.len}, true, &detail);
    c->doc.len = 0;
    memset(&c->doc_place, 0, sizeof c->doc_place);
    if (s == OMEN_ERR_JSON) return damaged(p, err, "a document is no JSON object", c->row);
    return s;
}

/* The places of ids (keys.h) ascend by (image, row). They are a permutation and their tags are those of the ids, for every row was found by now, each at a
 * place of its own and by its tag. */
static omen_status check_place(omen_part *p, omen_part_check *c, omen_error *err) {
    uint32_t row;
    uint8_t bytes[OMEN_KEY_MAX];
    uint64_t image;
    omen_key key;
    size_t done = 0;
    OMEN_TRY(omen_segment_read(p->segment, p->key_places, (uint64_t)c->row * 4, 4, &row, &done, err));
    OMEN_TRY(omen_part_key(p, row, bytes, &key, err));
    (void)omen_keys_image(p->keys.kind, key, omen_key_hash(key), &image);
    if (c->row != 0 && (image < c->last_hash || (image == c->last_hash && row < c->last_row))) return damaged(p, err, "the id index is not sorted", c->row);
    c->last_hash = image;
    c->last_row = row;
    return OMEN_OK;
}

/* KEY_ORDER is a permutation in strictly ascending order of id. */
static omen_status check_order(omen_part *p, omen_part_check *c, omen_error *err) {
    uint32_t row;
    uint8_t bytes[OMEN_KEY_MAX];
    omen_key key;
    OMEN_TRY(omen_part_ordered(p, c->row, &row, err));
    OMEN_TRY(omen_part_key(p, row, bytes, &key, err));
    if (c->row != 0 && omen_key_compare((omen_key){c->last_key, c->last_key_len}, key) >= 0)
        return damaged(p, err, "the order of ids is not ascending", c->row);
    memcpy(c->last_key, key.data, key.len);
    c->last_key_len = key.len;
    return OMEN_OK;
}

omen_status omen_part_verify(omen_part *p, omen_part_check **place, omen_error *err) {
    omen_part_check *c = *place;
    if (c == NULL) {
        c = omen_alloc_zero(p->store->mem, sizeof *c);
        if (c == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory checking a segment");
        omen_buf_init(&c->doc, p->store->mem);
        *place = c;
    }
    if (c->stage == BLOCKS) {
        OMEN_TRY(omen_segment_verify(p->segment, &c->blocks, err));
        start_pass(c, ROWS);
    }
    if (c->stage == ROWS) {
        for (; c->row < p->rows; c->row++) OMEN_TRY(check_row(p, c, err));
        start_pass(c, PLACES);
    }
    if (c->stage == PLACES) {
        for (; p->key_tags != NULL && c->row < p->rows; c->row++) OMEN_TRY(check_place(p, c, err));
        start_pass(c, ORDER);
    }
    if (c->stage == ORDER) {
        for (; c->row < p->rows; c->row++) OMEN_TRY(check_order(p, c, err));
        c->stage = MULTI;
    }
    if (c->stage == MULTI) {
        OMEN_TRY(omen_part_multi_verify(p, &c->multi, err));
        c->stage = EXTRA;
    }
    if (c->stage == EXTRA) {
        if (p->extra != NULL) OMEN_TRY(p->extra_ops->verify(p->extra, &c->extra, err));
        c->stage = DONE;
    }
    return OMEN_OK;
}

void omen_part_check_free(omen_part *p, omen_part_check *c) {
    if (c == NULL) return;
    omen_segment_check_deinit(p->segment, &c->blocks);
    if (c->extra != NULL) p->extra_ops->verify_free(p->extra, c->extra);
    omen_buf_deinit(&c->doc);
    omen_free(p->store->mem, c, sizeof *c);
}
