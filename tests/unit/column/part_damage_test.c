/* Parts whose checksums are right and whose content is not, or that cannot be read: opening, verifying or looking tells what is wrong, and where. */
#include "column/element.h"
#include "column/part.h"
#include "segment_copy.h"

enum { ROWS_FORM, VALUES_FORM, TEXTS_FORM /* of one length */, LENGTHS_FORM, FORMS };
enum { ROWS = 120, COSINE = 0, WIDE = 1, FIELDS = 2 };

static const omen_part_field fields[FIELDS] = {{4, OMEN_METRIC_COSINE, OMEN_ELEMENT_F32}, {200, OMEN_METRIC_L2, OMEN_ELEMENT_F32}};

typedef struct bed {
    fault_storage *fs;
    fixture x;
    int form;
    uint32_t rows;
    omen_segment_info info;
    omen_part *part;
    uint64_t number; /* of the next copy */
    omen_error err;
    uint8_t key[OMEN_KEY_MAX];
    float vector[200];
} bed;

static bed b;

/* Id of a row: integers are negative or not, ascending with the rows or not. */
static omen_key id_of(uint32_t row, uint8_t *into) {
    char text[OMEN_MAX_ID + 1];
    omen_key key = {0};
    omen_id id = OMEN_ID_INT((int64_t)row * 3 - 50);
    if (b.form == VALUES_FORM) id = OMEN_ID_INT((int64_t)((row * UINT64_C(0x9E3779B97F4A7C15)) >> 20));
    if (b.form >= TEXTS_FORM) {
        int len = snprintf(text, sizeof text, "id-%05u", (unsigned)(row * 7919u % 99991u));
        for (uint32_t i = 0; b.form == LENGTHS_FORM && i < row % 30; i++) text[len++] = 'x';
        id = (omen_id){{text, (size_t)len}, 0};
    }
    CHECK_OK(omen_key_encode(&id, into, &key, NULL));
    return key;
}

static omen_status key_of(void *ctx, uint32_t row, omen_key *out, omen_error *err) {
    (void)ctx, (void)err;
    *out = id_of(row, b.key);
    return OMEN_OK;
}

static omen_status doc_of(void *ctx, uint32_t row, omen_str *out, omen_error *err) {
    static char text[64];
    (void)ctx, (void)err;
    *out = (omen_str){text, (size_t)snprintf(text, sizeof text, "{\"n\":%u,\"half\":%u.5}", (unsigned)row, (unsigned)row / 2)};
    return OMEN_OK;
}

static omen_status vector_of(void *ctx, uint32_t row, uint32_t field, const void **out, omen_error *err) {
    (void)ctx, (void)err;
    for (uint32_t d = 0; d < fields[field].dimensions; d++) b.vector[d] = (float)(row + d + 1);
    *out = b.vector;
    return OMEN_OK;
}

static omen_status norm_of(void *ctx, uint32_t row, uint32_t field, float *out, omen_error *err) {
    const void *v;
    CHECK_OK(vector_of(ctx, row, field, &v, err));
    *out = omen_element_norm(fields[field].element, v, fields[field].dimensions);
    return OMEN_OK;
}

static omen_status open_part(const omen_segment_info *info, omen_part **out) {
    omen_status s;
    b.err = (omen_error){0};
    STEP(s, omen_part_open(&b.x.store, info, fields, FIELDS, out, &b.err));
    return s;
}

static void begin(int form, uint32_t rows, uint64_t pool) {
    static const uint32_t dead[] = {1, 5, 9};
    omen_tombstone_target targets[] = {{.rows = dead, .count = 3}, {.rows = dead, .count = 1}};
    omen_part_writer *w;
    omen_status s;
    bool done = false;
    memset(&b, 0, sizeof b);
    memset(&targets[0].segment, 3, 16);
    memset(&targets[1].segment, 4, 16);
    b.form = form;
    b.rows = rows;
    b.number = 2;
    b.fs = fault_storage_new(1);
    fixture_init(&b.x, b.fs, 7, pool);
    b.x.store.resident.limit = 1 << 20;
    omen_row_source source = {.rows = rows, .key = key_of, .doc = doc_of, .vector = vector_of, .norm = norm_of};
    REQUIRE_OK(omen_part_writer_new(&b.x.store, 1, fields, FIELDS, &source, targets, 2, &w, NULL));
    while (!done) {
        STEP(s, omen_part_writer_step(w, &b.info, &done, NULL));
        REQUIRE_OK(s);
    }
    omen_part_writer_free(w);
    REQUIRE_OK(open_part(&b.info, &b.part));
}

static void end(void) {
    (void)omen_part_unref(b.part);
    CHECK_EQ_UINT(fixture_deinit(&b.x), 0);
    CHECK_STORAGE(b.fs);
    fault_storage_free(b.fs);
}

static omen_status verify(omen_part *p) {
    omen_part_check *place = NULL;
    omen_status s;
    STEP(s, omen_part_verify(p, &place, &b.err));
    if (s == OMEN_OK) CHECK_OK(omen_part_verify(p, &place, &b.err)); /* all was verified */
    omen_part_check_free(p, place);
    return s;
}

static omen_status each_target(void *arg, const omen_hash128 *target, const uint32_t *rows, uint32_t count, omen_error *err) {
    uint32_t *seen = arg;
    (void)target;
    if (*seen == UINT32_MAX) return omen_fail(err, OMEN_ERR_LIMIT, "enough");
    for (uint32_t i = 0; i < count; i++) *seen += rows[i];
    return OMEN_OK;
}

static omen_status tombstones(omen_part *p, uint32_t *seen) {
    omen_tombstones scratch = {0};
    omen_status s;
    omen_buf_init(&scratch.bytes, &b.x.mem);
    STEP(s, omen_part_tombstones(p, &scratch, each_target, seen, &b.err));
    omen_buf_deinit(&scratch.bytes);
    return s;
}

/* Every look at a part there is; the first that fails. */
static omen_status look_all(omen_part *p) {
    omen_part_doc_reader doc = {0};
    omen_status s = OMEN_OK;
    uint32_t seen = 0;
    omen_buf_init(&doc.bytes, &b.x.mem);
    for (uint32_t row = 0; row < p->rows && s == OMEN_OK; row++) {
        uint8_t bytes[OMEN_KEY_MAX];
        uint32_t found;
        omen_key key = id_of(row, bytes);
        STEP(s, omen_part_find(p, key, omen_key_hash(key), &found, &b.err));
    }
    for (uint32_t row = 0; row < p->rows && s == OMEN_OK; row++) {
        uint8_t bytes[OMEN_KEY_MAX];
        uint32_t position;
        float norm, buffer[200];
        const uint8_t *v;
        const omen_block *pin = NULL;
        omen_str text;
        omen_key key = id_of(row, bytes);
        STEP(s, omen_part_order_after(p, key, &position, &b.err));
        if (s == OMEN_OK) STEP(s, omen_part_ordered(p, row, &position, &b.err));
        if (s == OMEN_OK) STEP(s, omen_part_key(p, row, bytes, &key, &b.err));
        if (s == OMEN_OK) STEP(s, omen_part_doc_read(p, row, &doc, &text, &b.err));
        for (uint32_t f = 0; f < FIELDS && s == OMEN_OK; f++) {
            STEP(s, omen_part_row_vector(p, f, row, (uint8_t *)buffer, &v, &pin, &norm, &b.err));
            if (s == OMEN_OK) omen_block_release(b.x.store.pool, pin);
            pin = NULL;
            if (s == OMEN_OK) STEP(s, omen_part_vector(p, row, f, buffer, &b.err));
        }
    }
    omen_buf_deinit(&doc.bytes);
    if (s == OMEN_OK) s = tombstones(p, &seen);
    if (s == OMEN_OK) CHECK_EQ_UINT(seen, 16);
    return s;
}

enum { AT_OPEN, AT_VERIFY, AT_LOOK };

/* A copy with these changes is refused there, in these words; what comes before passes. Ids that are looked for many at a time are found where they are, or are not told. */
static void refused_many(const segment_change *changes, size_t count, int where, omen_status status, const char *says) {
    omen_segment_info info;
    omen_part *p = NULL;
    segment_copy(&b.x.store, b.part->segment, b.number, changes, count, &info);
    omen_status s = open_part(&info, &p);
    if (where == AT_OPEN) CHECK(p == NULL);
    else CHECK_OK(s);
    if (s == OMEN_OK && where == AT_VERIFY) s = verify(p);
    if (s == OMEN_OK && where == AT_LOOK) s = look_all(p);
    CHECK_STATUS(s, status);
    if (!CHECK(strstr(b.err.text, says) != NULL)) printf("        %s: not \"%s\"\n", b.err.text, says);
    if (status == OMEN_ERR_CORRUPT && where != AT_LOOK) CHECK(strstr(b.err.text, omen_segment_file_name(b.number).text) != NULL || strstr(b.err.text, "index of ids is damaged") != NULL);
    for (uint32_t from = 0; p != NULL && from < b.rows; from += OMEN_PART_MANY) {
        static uint8_t bytes[OMEN_PART_MANY][OMEN_KEY_MAX];
        omen_key keys[OMEN_PART_MANY];
        uint64_t hashes[OMEN_PART_MANY];
        uint32_t rows[OMEN_PART_MANY];
        for (uint32_t i = 0; i < OMEN_PART_MANY; i++) {
            keys[i] = id_of(from + i, bytes[i]);
            hashes[i] = omen_key_hash(keys[i]);
        }
        for (int likely = 0; likely < 2; likely++) {
            omen_part_find_many(p, keys, hashes, OMEN_PART_MANY, likely != 0, rows);
            for (uint32_t i = 0; i < OMEN_PART_MANY; i++) CHECK(rows[i] < b.rows || rows[i] == UINT32_MAX || rows[i] == OMEN_PART_UNKNOWN);
        }
    }
    (void)omen_part_unref(p);
    fault_storage_delete(b.fs, omen_segment_file_name(b.number++).text);
}

static void refused(segment_change change, int where, const char *says) { refused_many(&change, 1, where, OMEN_ERR_CORRUPT, says); }

#define SET(section, offset, value) (segment_change){.kind = section, .at = offset, .set = true, .number = value}
#define SET_WIDE(section, offset, value) (segment_change){.kind = section, .at = offset, .set = true, .wide = true, .number = value}

TEST(sections_are_there_and_have_their_shape) {
    static const struct { uint32_t kind, field; const char *says; int form; } of[] = {
        {OMEN_SECTION_META, 0, "section 1 of field 0", ROWS_FORM},         {OMEN_SECTION_KEY_OFFSETS, 0, "section 2 of field 0", ROWS_FORM},  {OMEN_SECTION_KEY_BYTES, 0, "section 3 of field 0", LENGTHS_FORM},
        {OMEN_SECTION_KEY_ORDER, 0, "section 4 of field 0", ROWS_FORM},    {OMEN_SECTION_DOC_OFFSETS, 0, "section 7 of field 0", ROWS_FORM},  {OMEN_SECTION_DOC_BYTES, 0, "section 8 of field 0", ROWS_FORM},
        {OMEN_SECTION_VECTORS, 0, "section 9 of field 0", ROWS_FORM},      {OMEN_SECTION_VECTORS, 1, "section 9 of field 1", ROWS_FORM},      {OMEN_SECTION_NORMS, 0, "section 10 of field 0", ROWS_FORM},
        {OMEN_SECTION_KEY_MODEL, 0, "index of ids", VALUES_FORM},          {OMEN_SECTION_KEY_BLOOM, 0, "filter of ids", VALUES_FORM},         {OMEN_SECTION_KEY_TAGS, 0, "tags of ids", VALUES_FORM},
        {OMEN_SECTION_KEY_HASH_ROWS, 0, "rows of hashed ids", TEXTS_FORM}, {OMEN_SECTION_KEY_BYTES, 0, "ids of one length", TEXTS_FORM},
    };
    for (int form = 0; form < FORMS; form++) {
        begin(form, ROWS, 1 << 20);
        for (size_t i = 0; i < OMEN_ARRAY_LEN(of); i++) {
            if (of[i].form != form) continue;
            bool any_size = of[i].kind == OMEN_SECTION_KEY_BYTES || of[i].kind == OMEN_SECTION_DOC_BYTES, together = form == TEXTS_FORM && any_size;
            segment_change c = {.kind = of[i].kind, .field = of[i].field, .leave_out = true};
            refused(c, AT_OPEN, together ? "section 3 of field 0" : of[i].says);
            c.leave_out = false;
            c.flags = OMEN_SECTION_ZSTD;
            refused(c, AT_OPEN, together ? "section 3 of field 0" : of[i].says);
            c.flags = 0;
            c.block_len = 4096;
            refused(c, AT_OPEN, together ? "section 3 of field 0" : of[i].says);
            c.block_len = 0;
            if (any_size && !together) continue;
            c.cut = 4;
            refused(c, AT_OPEN, of[i].says);
            c.cut = -4;
            refused(c, AT_OPEN, of[i].says);
            c.cut = 2048;
            refused(c, AT_OPEN, of[i].says);
        }
        end();
    }
}

/* What is derived from the rest may be missing where only the rest is asked for. */
TEST(a_bare_part_needs_no_derived_sections) {
    static const segment_change gone[] = {{.kind = OMEN_SECTION_KEY_ORDER, .leave_out = true}, {.kind = OMEN_SECTION_NORMS, .leave_out = true}, {.kind = OMEN_SECTION_KEY_MODEL, .cut = 2048}};
    omen_segment_info info;
    omen_part *p = NULL;
    omen_status s;
    begin(ROWS_FORM, ROWS, 1 << 20);
    segment_copy(&b.x.store, b.part->segment, 2, gone, 3, &info);
    STEP(s, omen_part_open_bare(&b.x.store, &info, fields, FIELDS, &p, &b.err));
    REQUIRE_OK(s);
    CHECK(p->rows == ROWS && p->key_order == NULL && p->norms[0] == NULL && p->vectors[0] != NULL);
    (void)omen_part_unref(p);
    p = NULL;
    static const segment_change more = {.kind = OMEN_SECTION_VECTORS, .field = 1, .leave_out = true};
    segment_copy(&b.x.store, b.part->segment, 3, &more, 1, &info);
    CHECK_STATUS(omen_part_open_bare(&b.x.store, &info, fields, FIELDS, &p, &b.err), OMEN_ERR_CORRUPT);
    CHECK(p == NULL && strstr(b.err.text, "section 9 of field 1") != NULL);
    end();
}

TEST(the_description_is_the_collection_s) {
    begin(ROWS_FORM, ROWS, 1 << 20);
    segment_change c = SET(OMEN_SECTION_META, 0, 2);
    refused_many(&c, 1, AT_OPEN, OMEN_ERR_VERSION, "newer OmenDB");
    refused(SET(OMEN_SECTION_META, 4, OMEN_PART_MAX_ROWS + 1u), AT_OPEN, "impossible number of rows");
    refused(SET(OMEN_SECTION_META, 4, ROWS + 1), AT_OPEN, "section 2 of field 0");
    refused(SET(OMEN_SECTION_META, 8, 1), AT_OPEN, "another number of vector fields");
    for (size_t at = 16; at < 16 + 24; at += 4) refused(SET(OMEN_SECTION_META, at, 77), AT_OPEN, "another vector field");
    end();
}

TEST(ids_lie_where_their_offsets_say) {
    for (int form = 0; form < FORMS; form++) {
        begin(form, ROWS, 1 << 20);
        uint64_t all = b.part->key_bytes->raw_len;
        CHECK(all > OMEN_KEY_MAX);
        refused(SET(OMEN_SECTION_KEY_OFFSETS, 4 * 7, all + 1), AT_VERIFY, "offset is impossible");
        refused(SET(OMEN_SECTION_KEY_OFFSETS, 4 * 7, 0), AT_VERIFY, "offset is impossible");
        refused(SET(OMEN_SECTION_KEY_OFFSETS, 4 * 1, OMEN_KEY_MAX + 1), AT_VERIFY, "offset is impossible");
        refused(SET(OMEN_SECTION_KEY_OFFSETS, 4 * ROWS, all + 1), AT_VERIFY, "offset is impossible");
        refused(SET(OMEN_SECTION_KEY_BYTES, 0, 0x04030209), AT_VERIFY, "an id is malformed");
        if (form != LENGTHS_FORM) {
            end();
            continue;
        }
        refused(SET(OMEN_SECTION_KEY_OFFSETS, 4 * 7, all + 1), AT_LOOK, "offset is impossible");
        refused(SET(OMEN_SECTION_KEY_OFFSETS, 4 * 7, 0), AT_LOOK, "offset is impossible");
        refused(SET(OMEN_SECTION_KEY_OFFSETS, 4 * 1, OMEN_KEY_MAX + 1), AT_LOOK, "offset is impossible");
        refused(SET(OMEN_SECTION_KEY_OFFSETS, 4 * ROWS, all + 1), AT_LOOK, "offset is impossible");
        refused(SET(OMEN_SECTION_KEY_OFFSETS, 4 * 6, all), AT_LOOK, "offset is impossible");
        end();
    }
}

/* A row whose id is another row's, or none that the index knows. */
TEST(the_index_finds_each_id_s_row) {
    static uint8_t other[OMEN_KEY_MAX];
    for (int form = 0; form < LENGTHS_FORM; form++) {
        begin(form, ROWS, 1 << 20);
        omen_key key = id_of(1, other);
        refused((segment_change){.kind = OMEN_SECTION_KEY_BYTES, .at = (size_t)key.len * 3, .bytes = other, .len = key.len}, AT_VERIFY, "does not find an id's row");
        if (form != ROWS_FORM) {
            uint32_t places = form == VALUES_FORM ? OMEN_SECTION_KEY_ORDER : OMEN_SECTION_KEY_HASH_ROWS;
            refused(SET(places, 4 * 9, ROWS), AT_VERIFY, "row that does not exist");
            refused(SET(places, 4 * 9, ROWS), AT_LOOK, "row that does not exist");
            refused(SET(OMEN_SECTION_KEY_TAGS, 60, 0), AT_VERIFY, "does not find an id's row");
        }
        refused(SET_WIDE(OMEN_SECTION_KEY_BLOOM, 0, 0), AT_VERIFY, "does not find an id's row");
        end();
    }
}

static void swap_numbers(uint8_t *bytes, size_t len) {
    uint32_t first = omen_get32(bytes + 40), second = omen_get32(bytes + 44);
    (void)len;
    omen_put32(bytes + 40, second);
    omen_put32(bytes + 44, first);
}

static void swap_bytes(uint8_t *bytes, size_t len) {
    uint8_t first = bytes[10];
    (void)len;
    bytes[10] = bytes[11];
    bytes[11] = first;
}

/* Places and their tags out of order: every id is found, but the sections are not what they say. */
TEST(ids_are_in_order) {
    begin(ROWS_FORM, ROWS, 1 << 20);
    refused((segment_change){.kind = OMEN_SECTION_KEY_ORDER, .edit = swap_numbers}, AT_VERIFY, "order of ids is not ascending");
    refused(SET(OMEN_SECTION_KEY_ORDER, 40, ROWS), AT_VERIFY, "row that does not exist");
    refused(SET(OMEN_SECTION_KEY_ORDER, 40, 9), AT_VERIFY, "order of ids is not ascending"); /* twice */
    end();
    for (int form = VALUES_FORM; form < FORMS; form++) {
        begin(form, ROWS, 1 << 20);
        const segment_change swapped[] = {{.kind = form == VALUES_FORM ? OMEN_SECTION_KEY_ORDER : OMEN_SECTION_KEY_HASH_ROWS, .edit = swap_numbers}, {.kind = OMEN_SECTION_KEY_TAGS, .edit = swap_bytes}};
        refused_many(swapped, 2, AT_VERIFY, OMEN_ERR_CORRUPT, "the id index is not sorted");
        end();
    }
}

static void one_tag(uint8_t *bytes, size_t len) { memset(bytes, 'T', len); }
static void long_runs(uint8_t *bytes, size_t len) {
    omen_put32(bytes + 28, ROWS);
    omen_put64(bytes, omen_hash64(bytes + 8, len - 8, 0));
}

/* A model may say that one image comes often: windows are wide then, and what is not in them at once is looked for piece by piece. */
TEST(wide_windows_and_equal_tags_find_the_same) {
    for (int form = TEXTS_FORM; form < FORMS; form++) {
        begin(form, ROWS, 1 << 20);
        const segment_change wide = {.kind = OMEN_SECTION_KEY_MODEL, .edit = long_runs};
        omen_segment_info info;
        omen_part *p = NULL;
        segment_copy(&b.x.store, b.part->segment, b.number, &wide, 1, &info);
        REQUIRE_OK(open_part(&info, &p));
        for (int again = 0; again < 2; again++)
            for (uint32_t row = 0; row < ROWS; row++) {
                uint8_t bytes[OMEN_KEY_MAX];
                omen_key key = id_of(row, bytes);
                uint64_t hash = omen_key_hash(key);
                uint32_t found, many;
                omen_status s;
                STEP(s, omen_part_find(p, key, hash, &found, &b.err));
                CHECK_OK(s);
                CHECK_EQ_UINT(found, row);
                omen_part_find_many(p, &key, &hash, 1, false, &many);
                CHECK(many == row || many == OMEN_PART_UNKNOWN);
            }
        CHECK_OK(verify(p));
        (void)omen_part_unref(p);
        end();
    }
}

/* A text of eight bytes and an integer of the same eight are two ids, whatever their tags say. */
TEST(a_number_is_not_the_text_of_its_bytes) {
    begin(TEXTS_FORM, 5, 1 << 20);
    omen_segment_info info;
    omen_part *p = NULL;
    uint8_t bytes[OMEN_KEY_MAX];
    omen_key text = id_of(2, bytes), number;
    CHECK_EQ_UINT(text.len, 9);
    int64_t value = (int64_t)(__builtin_bswap64(omen_get64(text.data + 1)) ^ UINT64_C(1) << 63);
    uint8_t into[OMEN_KEY_MAX];
    CHECK_OK(omen_key_encode(&OMEN_ID_INT(value), into, &number, NULL));
    CHECK_MEM(number.data + 1, text.data + 1, 8);
    const segment_change tags = {.kind = OMEN_SECTION_KEY_TAGS, .edit = one_tag};
    segment_copy(&b.x.store, b.part->segment, b.number, &tags, 1, &info);
    REQUIRE_OK(open_part(&info, &p));
    /* A hash whose tag is T, near the first place: hashes are given by the caller. */
    uint64_t hash = p->keys.base;
    while (omen_keys_tag(omen_keys_mix(hash)) != 'T') hash++;
    for (int again = 0; again < 2; again++) {
        const omen_key both[] = {text, number};
        const uint64_t hashes[] = {hash, hash};
        uint32_t rows[2], want[2] = {2, UINT32_MAX};
        omen_part_find_many(p, both, hashes, 2, true, rows);
        for (int i = 0; i < 2; i++) CHECK(rows[i] == want[i] || (again == 0 && rows[i] == OMEN_PART_UNKNOWN));
        omen_status s = OMEN_OK; /* all that this takes is in memory from now on */
        omen_part_check *place = NULL;
        STEP(s, omen_part_verify(p, &place, &b.err));
        CHECK_STATUS(s, OMEN_ERR_CORRUPT);
        omen_part_check_free(p, place);
        for (uint32_t row = 0; row < 5; row++) {
            size_t done = 0;
            uint32_t at;
            STEP(s, omen_segment_read(p->segment, p->key_places, 4 * row, 4, &at, &done, NULL));
            CHECK_OK(s);
            done = 0;
            STEP(s, omen_segment_read(p->segment, p->key_tags, row, 1, &at, &done, NULL));
            CHECK_OK(s);
        }
    }
    (void)omen_part_unref(p);
    end();
}

/* Hints change nothing, whether what they tell of is in memory or not. */
TEST(rows_are_expected) {
    begin(ROWS_FORM, ROWS, 1 << 20);
    for (uint32_t f = 0; f < FIELDS; f++) {
        CHECK(!omen_part_expect_row(b.part, f, 3));
        omen_part_keep(b.part, f, true);
        CHECK(!omen_part_expect_row(b.part, f, 3));
        CHECK_OK(look_all(b.part));
        CHECK(omen_part_expect_row(b.part, f, 3));
        omen_part_expect_key(b.part, 3, false);
        omen_part_expect_key(b.part, 3, true);
    }
    CHECK_OK(look_all(b.part));
    end();
}

TEST(lists_of_deleted_rows_are_whole) {
    begin(ROWS_FORM, ROWS, 1 << 20);
    uint32_t seen = 0;
    CHECK_OK(tombstones(b.part, &seen));
    CHECK_EQ_UINT(seen, 16);
    seen = UINT32_MAX;
    CHECK_STATUS(tombstones(b.part, &seen), OMEN_ERR_LIMIT); /* what is called may end it */
    CHECK_EQ_STR(b.err.text, "enough");
    int64_t len = (int64_t)b.part->tombstones->raw_len;
    refused((segment_change){.kind = OMEN_SECTION_TOMBSTONES, .cut = 4 - len}, AT_LOOK, "impossible size");
    refused(SET(OMEN_SECTION_TOMBSTONES, 0, 3), AT_LOOK, "cut short");
    refused(SET(OMEN_SECTION_TOMBSTONES, 0, UINT32_MAX), AT_LOOK, "cut short");
    refused(SET(OMEN_SECTION_TOMBSTONES, 8 + 16, 5), AT_LOOK, "cut short");
    refused(SET(OMEN_SECTION_TOMBSTONES, 8 + 16, UINT32_MAX), AT_LOOK, "cut short");
    refused(SET(OMEN_SECTION_TOMBSTONES, 8 + 24 + 16, 0), AT_LOOK, "left over");
    refused((segment_change){.kind = OMEN_SECTION_TOMBSTONES, .cut = 4}, AT_LOOK, "left over");
    refused((segment_change){.kind = OMEN_SECTION_TOMBSTONES, .cut = -4}, AT_LOOK, "cut short");
    end();
}

TEST(documents_are_objects_and_lie_where_their_offsets_say) {
    begin(ROWS_FORM, ROWS, 1 << 20);
    uint64_t all = b.part->doc_bytes->raw_len;
    refused(SET(OMEN_SECTION_DOC_BYTES, 0, 0x5d5d5d5d), AT_VERIFY, "no JSON object (row 0)");
    refused(SET_WIDE(OMEN_SECTION_DOC_OFFSETS, 8 * 4, all + 1), AT_VERIFY, "document's offset is impossible");
    refused(SET_WIDE(OMEN_SECTION_DOC_OFFSETS, 8 * 4, 0), AT_LOOK, "document's offset is impossible");
    refused(SET_WIDE(OMEN_SECTION_DOC_OFFSETS, 8 * 4, UINT64_MAX), AT_LOOK, "document's offset is impossible");
    end();
}

/* ---- what cannot be read, and memory that runs out ---- */

static omen_status open_and_look(void) {
    omen_part *p = NULL;
    segment_forget_next(&b.x);
    omen_status s = open_part(&b.info, &p);
    if (s != OMEN_OK) {
        CHECK(p == NULL);
        return s;
    }
    s = look_all(p);
    if (s == OMEN_OK) s = verify(p);
    (void)omen_part_unref(p);
    return s;
}

/* With a pool that forgets and nothing kept each look reads: each of them may fail, and whatever was being done says so. */
TEST(each_read_that_fails_is_told) {
    for (int form = 0; form < FORMS; form++) {
        begin(form, 9, 1 << 20);
        b.x.store.resident.limit = 0;
        for (uint64_t at = 1;; at += TEST_EMULATED ? TEST_FAULT_STEP : 1) {
            fault_storage_fail_at(b.fs, at, OMEN_ERR_IO, true);
            omen_status s = open_and_look();
            bool hit = fault_storage_fault_hit(b.fs);
            fault_storage_fail_at(b.fs, 0, OMEN_OK, false);
            if (!CHECK_STATUS(s, hit ? OMEN_ERR_IO : OMEN_OK)) printf("        call %u\n", (unsigned)at);
            if (!hit) break;
            CHECK(strstr(b.err.text, "seg-") != NULL);
        }
        end();
    }
}

TEST(memory_that_runs_out_is_told) {
    for (int form = 0; form < FORMS; form++) {
        begin(form, 9, 1 << 20);
        for (uint64_t at = 1;; at++) {
            uint64_t before = fault_host_bytes(b.x.host);
            fault_host_fail_alloc_at(b.x.host, at, false);
            omen_status s = open_and_look();
            bool hit = fault_host_fault_hit(b.x.host);
            fault_host_fail_alloc_at(b.x.host, 0, false);
            /* What is only kept to be faster may be left out. */
            CHECK(s == OMEN_OK || (hit && s == OMEN_ERR_MEMORY));
            CHECK(fault_host_bytes(b.x.host) <= before + (1 << 20) + 65536);
            if (!hit) break;
        }
        end();
    }
}

/* Who gives up opening while the model of the ids is being read leaves nothing behind. */
TEST(opening_may_be_given_up) {
    begin(VALUES_FORM, ROWS, 0);
    unsigned loading = 0;
    for (unsigned most = 0; most < 200; most++) {
        omen_part *p = NULL;
        omen_status s = OMEN_PENDING;
        fault_storage_set_pending(b.fs, 100);
        for (unsigned n = 0; n <= most && s == OMEN_PENDING; n++) s = omen_part_open(&b.x.store, &b.info, fields, FIELDS, &p, &b.err);
        if (s == OMEN_PENDING && p != NULL && p->keys_loading != NULL) loading++;
        fault_storage_set_pending(b.fs, 0);
        if (p != NULL) (void)omen_part_unref(p);
        if (s == OMEN_OK) break;
        CHECK_STATUS(s, OMEN_PENDING);
    }
    CHECK(loading != 0);
    end();
}

TEST_MAIN()
