/* Ids of parts of every kind: found by omen_part_find where they are and not where they are not, in memory or not, alone or many at once; listed in order; verified. */
#include "column/part.h"
#include "store_fixture.h"
#include "test.h"

enum { NONE, ASCENDING, SHUFFLED, BURSTS, NEGATIVE, TEXTS, LENGTHS, MIXED, FORMS };

typedef struct ids { int form; uint32_t rows; uint8_t bytes[OMEN_KEY_MAX]; } ids;

static uint64_t mix(uint64_t n) {
    n = (n ^ n >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    n = (n ^ n >> 27) * UINT64_C(0x94D049BB133111EB);
    return n ^ n >> 31;
}

/* Id of row n; beyond the rows: ids that the part has not. */
static omen_key id_of(int form, uint32_t n, uint8_t *into) {
    char text[OMEN_MAX_ID];
    omen_key key = {0};
    omen_id id = OMEN_ID_INT((int64_t)n * 3);
    if (form == SHUFFLED) id = OMEN_ID_INT((int64_t)mix(n));
    if (form == BURSTS) id = OMEN_ID_INT((int64_t)n + ((int64_t)(n / 500) << 40));
    if (form == NEGATIVE) id = OMEN_ID_INT(-(int64_t)n * 7);
    if (form == TEXTS || form == LENGTHS || (form == MIXED && n % 3 == 0)) {
        int len = snprintf(text, sizeof text, "tenant-%03u/%08x", n % 17, (unsigned)mix(n) ^ n);
        len += snprintf(text + len, 16, "%06u", n);
        for (uint32_t i = 0; form == LENGTHS && i < n % 40; i++) text[len++] = 'x';
        if (form == LENGTHS && n % 1000 == 7) while (len < (int)OMEN_MAX_ID) text[len++] = 'y';
        id = (omen_id){{text, (size_t)len}, 0};
    }
    CHECK_OK(omen_key_encode(&id, into, &key, NULL));
    return key;
}

static omen_status key_of(void *ctx, uint32_t row, omen_key *out, omen_error *err) {
    ids *i = ctx;
    (void)err;
    *out = id_of(i->form, row, i->bytes);
    return OMEN_OK;
}

static omen_status doc_of(void *ctx, uint32_t row, omen_str *out, omen_error *err) {
    (void)ctx, (void)row, (void)err;
    *out = OMEN_STR("");
    return OMEN_OK;
}

/* What is found together is what is found alone, unless it is unknown. Answers how many were. */
static uint32_t check_many(omen_part *p, int form, uint32_t from, uint32_t n, bool likely) {
    static uint8_t bytes[OMEN_PART_MANY][OMEN_KEY_MAX];
    omen_key keys[OMEN_PART_MANY];
    uint64_t hashes[OMEN_PART_MANY];
    uint32_t rows[OMEN_PART_MANY], unknown = 0;
    omen_error err = {0};
    for (uint32_t i = 0; i < n; i++) {
        keys[i] = id_of(form, from + i, bytes[i]);
        hashes[i] = omen_key_hash(keys[i]);
    }
    omen_part_find_many(p, keys, hashes, n, likely, rows);
    for (uint32_t i = 0; i < n; i++) {
        omen_status s;
        uint32_t row;
        STEP(s, omen_part_find(p, keys[i], hashes[i], &row, &err));
        CHECK_OK(s);
        if (rows[i] == OMEN_PART_UNKNOWN) unknown++;
        else CHECK_EQ_UINT(rows[i], row);
    }
    return unknown;
}

/* Answers how many ids stayed unknown to those who asked for many. */
static uint32_t find_all(omen_part *p, const ids *of) {
    uint32_t unknown = 0;
    uint8_t bytes[OMEN_KEY_MAX];
    omen_error err = {0};
    omen_status s;
    uint32_t row;
    for (uint32_t n = 0; n < 2 * of->rows + 40; n++) {
        if (n % OMEN_PART_MANY == 0) unknown += check_many(p, of->form, n, OMEN_PART_MANY, n % 64 == 0);
        omen_key key = id_of(of->form, n, bytes);
        STEP(s, omen_part_find(p, key, omen_key_hash(key), &row, &err));
        CHECK_OK(s);
        if (!CHECK_EQ_UINT(row, n < of->rows ? n : UINT32_MAX)) return 0;
    }
    for (int form = ASCENDING; form < FORMS; form++) { /* ids of other forms; some are there */
        (void)check_many(p, form, 1, 31, form % 2 == 0);
        (void)check_many(p, form, 0, 1, true);
        for (uint32_t n = 1; n < 32; n++) {
            omen_key key = id_of(form, n, bytes), found;
            STEP(s, omen_part_find(p, key, omen_key_hash(key), &row, &err));
            CHECK_OK(s);
            uint8_t again[OMEN_KEY_MAX];
            if (row == UINT32_MAX) continue;
            STEP(s, omen_part_key(p, row, again, &found, &err));
            CHECK(s == OMEN_OK && omen_key_equal(key, found));
        }
    }
    return unknown;
}

/* Behind each id stands the next; behind what lies between two, the second. */
static void check_order(omen_part *p, const ids *of) {
    uint8_t a[OMEN_KEY_MAX], b[OMEN_KEY_MAX];
    omen_error err = {0};
    omen_status s;
    for (uint32_t n = 0; n < of->rows; n += 1 + of->rows / 300) {
        uint32_t row, position = 0;
        omen_key key, before = id_of(ASCENDING, 3 * n + 1, b);
        STEP(s, omen_part_ordered(p, n, &row, &err));
        CHECK_OK(s);
        key = id_of(of->form, row, a);
        STEP(s, omen_part_order_after(p, key, &position, &err));
        CHECK_OK(s);
        CHECK_EQ_UINT(position, n + 1);
        STEP(s, omen_part_order_after(p, before, &position, &err));
        CHECK_OK(s);
        for (int side = 0; side < 2; side++) {
            if (side == 0 ? position == 0 : position == of->rows) continue;
            STEP(s, omen_part_ordered(p, side == 0 ? position - 1 : position, &row, &err));
            key = id_of(of->form, row, a);
            CHECK(side == 0 ? omen_key_compare(key, before) <= 0 : omen_key_compare(key, before) > 0);
        }
    }
}

static void check_part(int form, uint32_t rows, uint64_t resident) {
    fixture x;
    omen_error err = {0};
    omen_part_writer *w;
    omen_part *p = NULL;
    omen_part_check *place = NULL;
    omen_segment_info info;
    omen_status s;
    bool done = false;
    static ids of;
    of = (ids){.form = form, .rows = rows};
    fault_storage *fs = fault_storage_new(1);
    fixture_init(&x, fs, 7, 8u << 20);
    x.store.resident.limit = resident;
    omen_row_source source = {.ctx = &of, .rows = rows, .key = key_of, .doc = doc_of};
    REQUIRE_OK(omen_part_writer_new(&x.store, 1, NULL, 0, &source, NULL, 0, &w, &err));
    while (!done) {
        STEP(s, omen_part_writer_step(w, &info, &done, &err));
        REQUIRE_OK(s);
    }
    omen_part_writer_free(w);
    STEP(s, omen_part_open(&x.store, &info, NULL, 0, &p, &err));
    REQUIRE_OK(s);
    static const omen_keys_kind kinds[FORMS] = {OMEN_KEYS_ROWS, OMEN_KEYS_ROWS, OMEN_KEYS_VALUES, OMEN_KEYS_ROWS, OMEN_KEYS_VALUES, OMEN_KEYS_HASHES, OMEN_KEYS_HASHES, OMEN_KEYS_HASHES};
    if (rows > 10) CHECK(p->keys.kind == kinds[form] && (p->keys.id_bytes == 0) == (form >= LENGTHS));
    (void)find_all(p, &of); /* from now on in memory what may be */
    uint32_t unknown = find_all(p, &of);
    if (resident == 0) CHECK(rows == 0 || unknown != 0);
    if (resident >= 1u << 20) CHECK(unknown <= rows / 20);
    check_order(p, &of);
    STEP(s, omen_part_verify(p, &place, &err));
    if (!CHECK_OK(s)) printf("    %s\n", err.text);
    omen_part_check_free(p, place);
    (void)omen_part_unref(p);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

TEST(small_parts_of_every_form) {
    for (int form = ASCENDING; form < FORMS; form++)
        for (uint32_t rows = 0; rows < 80; rows += rows < 36 ? 1 : 13) check_part(form, rows, rows % 2 == 0 ? 1u << 20 : 0);
}

/* Several blocks of each section, so that windows lie across their borders. */
TEST(large_parts_of_every_form) {
    for (int form = ASCENDING; form < FORMS; form++) {
        check_part(form, 70000, 64u << 20);
        check_part(form, 20000, 100000); /* some of it is kept */
        check_part(form, 9000, 0);
    }
}

TEST_MAIN()
