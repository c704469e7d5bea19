/* Columns hold what documents hold: every value of every row is read back and compared with its document; statistics are true. */
#include "columns_model.h"

#include "column/columns_dict.h"
#include "column/filter.h"

static model *now;
static omen_view view;

static const uint8_t *look(const omen_section *sec, uint64_t offset, size_t len) {
    const uint8_t *p = NULL;
    omen_status s;
    omen_error err = {0};
    STEP(s, omen_view_get(now->columns, &view, sec, offset, len, &p, &err));
    if (s != OMEN_OK) {
        CHECK_OK(s);
        printf("%s\n", err.text);
        exit(1);
    }
    return p;
}

static bool bit(uint64_t offset, uint64_t i, bool absent) {
    return offset == OMEN_COLUMN_NONE ? absent : look(now->columns->data, offset + i / 8, 1)[0] >> i % 8 & 1;
}

static uint64_t number(uint64_t offset, uint64_t i, uint32_t width) {
    uint64_t v = 0;
    if (width != 0) memcpy(&v, look(now->columns->data, offset + i * width, width), width);
    return v;
}

/* Whether a series has a value in a slot, and which. */
static bool slot(const omen_series *s, uint64_t i, int64_t *key, char *into, size_t *len) {
    if (s == NULL || !bit(s->validity, i, true)) return false;
    switch (s->type) {
    case OMEN_SERIES_BOOL: *key = bit(s->values, i, false); break;
    case OMEN_SERIES_FLOAT: {
        double d;
        uint64_t v = number(s->values, i, 8);
        memcpy(&d, &v, 8);
        *key = omen_float_key(d);
        break;
    }
    case OMEN_SERIES_STRING: {
        uint64_t at = s->dict_count != 0 ? number(s->values, i, s->width) : i;
        uint32_t w = s->dict_count != 0 ? 4 : s->width;
        uint64_t from = number(s->offsets, at, w), to = number(s->offsets, at + 1, w);
        *len = to - from;
        CHECK(to >= from && to <= s->bytes_len && *len <= OMEN_COLUMN_MAX_STRING);
        if (*len != 0) memcpy(into, look(now->columns->data, s->bytes + from, *len), *len);
        break;
    }
    default: *key = (int64_t)((uint64_t)s->min + number(s->values, i, s->width));
    }
    return true;
}

/* What is at a level's slot must be this scalar and nothing else; answers false where only the document has it. */
static bool expect_scalar(const omen_column *col, uint32_t level, uint64_t i, const omen_json_val *v) {
    omen_str text = {0};
    int64_t want = 0, instant = 0;
    double d = 0;
    bool flag = false, string = v != NULL && omen_json_str(v, &text);
    int type = v == NULL || omen_json_is_null(v) ? -1 : string ? OMEN_SERIES_STRING : omen_json_bool(v, &flag) ? OMEN_SERIES_BOOL : omen_json_i64(v, &want) ? OMEN_SERIES_INT
             : omen_json_f64(v, &d) ? OMEN_SERIES_FLOAT : -2;
    if (type == OMEN_SERIES_BOOL) want = flag;
    if (type == OMEN_SERIES_FLOAT) want = omen_float_key(d);
    if (string && text.len > OMEN_COLUMN_MAX_STRING) type = -2;
    bool time = string && omen_time_parse(text, &instant);
    for (int t = 0; t < OMEN_SERIES_TYPES; t++) {
        char into[OMEN_COLUMN_MAX_STRING];
        size_t len = 0;
        int64_t key = 0;
        const omen_series *s = omen_columns_series(now->columns, col, level, (omen_series_type)t);
        bool has = slot(s, i, &key, into, &len);
        if (t == OMEN_SERIES_TIME && s == NULL) continue;
        bool due = t == type || (t == OMEN_SERIES_TIME && type == OMEN_SERIES_STRING);
        CHECK_EQ_INT(has, due);
        if (!has || !due) continue;
        if (t == OMEN_SERIES_STRING) CHECK(len == text.len && memcmp(into, text.data, len) == 0);
        else if (t == OMEN_SERIES_TIME) CHECK(time && key == instant);
        else CHECK_EQ_INT(key, want);
        if (t != OMEN_SERIES_STRING) CHECK(key >= s->min && key <= s->max);
    }
    return type != -2;
}

static void expect_column(const omen_column *col, uint32_t row, const omen_json_val *v) {
    CHECK_EQ_INT(bit(col->present_bits, row, col->present != 0), v != NULL);
    CHECK_EQ_INT(bit(col->null_bits, row, false), v != NULL && omen_json_is_null(v));
    CHECK_EQ_INT(bit(col->object_bits, row, false), v != NULL && omen_json_is_object(v));
    CHECK_EQ_INT(bit(col->array_bits, row, false), v != NULL && omen_json_is_array(v));
    bool whole = true;
    if (col->array_offsets != OMEN_COLUMN_NONE) {
        uint64_t from = number(col->array_offsets, row, 4), to = number(col->array_offsets, row + UINT64_C(1), 4);
        bool list = v != NULL && omen_json_is_array(v);
        CHECK_EQ_UINT(to - from, list ? omen_json_count(v) : 0);
        for (uint64_t i = from; i < to; i++) {
            const omen_json_val *e = omen_json_at(v, i - from);
            bool nested = omen_json_is_array(e) || omen_json_is_object(e);
            CHECK_EQ_INT(bit(col->element_null_bits, i, false), omen_json_is_null(e));
            if (!expect_scalar(col, 1, i, nested ? NULL : e)) whole = false;
        }
    }
    if (v == NULL || omen_json_is_array(v) || omen_json_is_object(v)) expect_scalar(col, 0, row, NULL);
    else whole = expect_scalar(col, 0, row, v) && whole;
    CHECK_EQ_INT(bit(col->other_bits, row, false), !whole);
}

/* The value at a path; names are unescaped here once more, on their own. */
static const omen_json_val *at_path(const omen_json_val *v, omen_str path) {
    char name[64];
    size_t len = 0;
    for (size_t i = 0; i <= path.len; i++) {
        if (i == path.len || path.data[i] == '.') {
            name[len] = 0;
            v = v == NULL || !omen_json_is_object(v) ? NULL : omen_json_get(v, name);
            len = 0;
        } else {
            if (path.data[i] == '\\') i++;
            name[len++] = path.data[i];
        }
    }
    return v;
}

/* Every member that counts must have a column. */
typedef struct members { omen_str path; uint32_t names; const omen_json_val *object; } members;
static omen_status each_member(void *arg, omen_str name, const omen_json_val *v) {
    const members *above = arg;
    omen_buf path;
    bool complete;
    char key[64];
    memcpy(key, name.data, name.len);
    key[name.len] = 0;
    if (omen_json_get(above->object, key) != v) return OMEN_OK; /* the first of a name counts */
    omen_buf_init(&path, &now->x.mem);
    CHECK_OK(omen_buf_append(&path, above->path.data, above->path.len));
    CHECK_OK(omen_column_path_append(&path, above->names, name));
    members below = {{(char *)path.data, path.len}, above->names + 1, v};
    CHECK(omen_columns_find(now->columns, below.path, &complete) != NULL && complete);
    omen_status s = omen_json_each(v, each_member, &below);
    omen_buf_deinit(&path);
    return s;
}

static void expect_all(void) {
    for (uint32_t row = 0; row < now->rows; row++) {
        omen_json *j = NULL;
        omen_str doc = {now->docs[row], strlen(now->docs[row])};
        if (doc.len != 0) REQUIRE_OK(omen_json_parse(&now->x.mem, doc, &j, NULL));
        for (uint32_t i = 0; i < now->columns->column_count; i++) {
            const omen_column *col = &now->columns->columns[i];
            expect_column(col, row, j == NULL ? NULL : at_path(omen_json_root(j), omen_column_path(now->columns, col)));
        }
        members all = {{"", 0}, 0, j == NULL ? NULL : omen_json_root(j)};
        if (j != NULL) CHECK_OK(omen_json_each(all.object, each_member, &all));
        omen_json_free(j);
    }
}

/* ---- statistics ---- */

static int by_key(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void expect_statistics(const omen_column *col, const omen_series *s) {
    uint32_t slots = omen_series_slots(now->columns, col, s), n = 0, distinct = 0;
    int64_t *keys = malloc(slots * sizeof *keys);
    uint32_t blocks = (now->rows + OMEN_COLUMN_BLOCK - 1) / OMEN_COLUMN_BLOCK;
    omen_zone *zones = calloc(blocks, sizeof *zones);
    for (uint32_t row = 0; row < now->rows; row++) {
        uint64_t from = row, to = row + UINT64_C(1);
        if (s->level == 1) {
            from = number(col->array_offsets, row, 4);
            to = number(col->array_offsets, row + UINT64_C(1), 4);
        }
        for (uint64_t i = from; i < to; i++) {
            char into[OMEN_COLUMN_MAX_STRING];
            size_t len = 0;
            int64_t key = 0;
            if (!slot(s, i, &key, into, &len)) continue;
            if (s->type == OMEN_SERIES_STRING) key = s->dict_count != 0 ? (int64_t)number(s->values, i, s->width) : omen_string_key(into, len);
            if (s->bloom != OMEN_COLUMN_NONE) {
                uint64_t hash = s->type == OMEN_SERIES_STRING ? omen_hash64(into, len, 0) : omen_hash64(&key, 8, 0);
                const uint8_t *b = look(now->columns->statistics, s->bloom + omen_bloom_block(hash, s->bloom_blocks) * 32, 32);
                for (uint32_t w = 0; w < 8; w++) CHECK((omen_get32(b + 4 * w) & omen_bloom_bit(hash, w)) != 0);
            }
            omen_zone *z = &zones[row / OMEN_COLUMN_BLOCK];
            if (z->count == 0 || key < z->min) z->min = key;
            if (z->count == 0 || key > z->max) z->max = key;
            z->count++;
            keys[n++] = key;
        }
    }
    CHECK_EQ_UINT(n, s->count);
    qsort(keys, n, sizeof *keys, by_key);
    CHECK_EQ_INT(keys[0], s->min);
    CHECK_EQ_INT(keys[n - 1], s->max);
    for (uint32_t i = 0; i < n; i++) distinct += i == 0 || keys[i] != keys[i - 1];
    if (s->exact) CHECK_EQ_UINT(s->distinct, distinct);
    else CHECK(s->distinct + distinct / 8 + 8 >= distinct && (s->type == OMEN_SERIES_STRING || s->distinct <= distinct + distinct / 8 + 8));
    if (s->zones != OMEN_COLUMN_NONE) CHECK_MEM(look(now->columns->statistics, s->zones, blocks * sizeof *zones), zones, blocks * sizeof *zones);
    else CHECK(now->rows <= OMEN_COLUMN_BLOCK);
    if (s->dict_count != 0 || s->exact) {
        uint32_t at = 0;
        for (uint32_t i = 0, end; i < n; i = end, at++) {
            for (end = i + 1; end < n && keys[end] == keys[i];) end++;
            if (s->dict_count != 0) {
                CHECK_EQ_UINT(omen_get32(look(now->columns->statistics, s->common + at * UINT64_C(4), 4)), end - i);
            } else {
                omen_common c;
                memcpy(&c, look(now->columns->statistics, s->common + at * sizeof c, sizeof c), sizeof c);
                CHECK_EQ_INT(c.key, keys[i]);
                CHECK_EQ_UINT(c.count, end - i);
            }
        }
    } else {
        /* A quantile of the sample stands within a twelfth of where it says. */
        for (uint32_t q = 0; q <= OMEN_COLUMN_QUANTILES; q++) {
            int64_t key = (int64_t)omen_get64(look(now->columns->statistics, s->quantiles + q * UINT64_C(8), 8));
            uint32_t below = 0, upto = 0;
            while (below < n && keys[below] < key) below++;
            for (upto = below; upto < n && keys[upto] == key;) upto++;
            CHECK(upto > below);
            CHECK(below * 12.0 <= n * 12.0 * q / OMEN_COLUMN_QUANTILES + n + 12 && upto * 12.0 + n + 12 >= n * 12.0 * q / OMEN_COLUMN_QUANTILES);
        }
    }
    free(keys);
    free(zones);
}

static void run(uint32_t rows, unsigned pending) {
    model m;
    omen_error err = {0};
    model_init(&m, rows, pending, 1 << 20);
    now = &m;
    for (uint32_t i = 0; i < rows; i++) m.docs[i] = random_doc(i);
    REQUIRE_OK(model_build(&m, &err));
    REQUIRE_OK(model_open(&m, &err));
    CHECK_EQ_UINT(m.columns->flags, 0);
    expect_all();
    for (uint32_t i = 0; i < m.columns->column_count; i++)
        for (uint32_t k = 0; k < m.columns->columns[i].series_count; k++) expect_statistics(&m.columns->columns[i], &m.columns->series[m.columns->columns[i].first_series + k]);
    omen_view_deinit(m.columns, &view);
    CHECK_EQ_INT(omen_pool_metrics_of(m.x.store.pool)->pinned.value, 0);
    model_deinit(&m);
}

TEST(documents_come_back_from_columns) {
    run(0, 0);
    run(1, 0);
    run(300, 0);
    if (!TEST_REDUCED) run(4096, 0);
    run(TEST_EMULATED ? 1500 : 5003, 0);
}

TEST(documents_come_back_when_everything_pends) { run(700, 40); }

static char *numbered(uint32_t i) {
    words t = {0};
    say(&t, "{\"n\":%u,\"s\":\"string %u\",\"l\":[%u,\"x%u\"]}", (unsigned)i * 7919 % 100000, (unsigned)i, (unsigned)i % 9, (unsigned)i * 31 % 5000);
    return t.p;
}

/* Also when storage and source stall, and when memory for filling is short. */
TEST(equal_documents_give_equal_bytes) {
    omen_hash128 first;
    static const uint64_t windows[] = {0, 0, 8192, 6400, 65536};
    for (int round = 0; round < 5; round++) {
        model m;
        model_init(&m, 5000, round % 2 * 30, 1 << 20);
        m.window = windows[round];
        for (uint32_t i = 0; i < m.rows; i++) m.docs[i] = i % 7 == 0 ? numbered(i) : strdup(i % 3 == 0 ? "{\"a\":[1,2.5,\"x\"],\"b\":{\"c\":true}}" : i % 3 == 1 ? "{\"b\":{\"d\":null},\"a\":\"2024-02-29T00:00:00Z\"}" : "{}");
        REQUIRE_OK(model_build(&m, NULL));
        char hex[33];
        omen_hash128_hex(&m.info.hash, hex);
        CHECK_EQ_STR(hex, "af4f5bf1d7ef9d1f026b7d13ad596a44"); /* on every host */
        if (round == 0) first = m.info.hash;
        else CHECK(omen_hash128_equal(&first, &m.info.hash));
        model_deinit(&m);
    }
}

TEST(what_has_no_column_is_known) {
    model m;
    bool complete;
    model_init(&m, 300, 0, 1 << 20);
    for (uint32_t i = 0; i < 300; i++) {
        words t = {0};
        say(&t, "{\"k%u\":1,\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"deep\":1}}}}}}}}}", (unsigned)i);
        m.docs[i] = t.p;
    }
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    CHECK_EQ_UINT(m.columns->column_count, OMEN_COLUMN_MAX);
    CHECK_EQ_UINT(m.columns->flags, OMEN_COLUMNS_OVERFLOW | OMEN_COLUMNS_DEEP);
    CHECK(omen_columns_find(m.columns, OMEN_STR("k3"), &complete) != NULL);
    CHECK(omen_columns_find(m.columns, OMEN_STR("k299"), &complete) == NULL && !complete);
    model_deinit(&m);
    model_init(&m, 1, 0, 1 << 20);
    m.docs[0] = strdup("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"deep\":1}}}}}}}}}");
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    CHECK_EQ_UINT(m.columns->flags, OMEN_COLUMNS_DEEP);
    CHECK(omen_columns_find(m.columns, OMEN_STR("x"), &complete) == NULL && complete);
    CHECK(omen_columns_find(m.columns, OMEN_STR("a.a.a.a.a.a.a.x"), &complete) == NULL && complete);
    CHECK(omen_columns_find(m.columns, OMEN_STR("a.a.a.a.a.a.a.a.deep"), &complete) == NULL && !complete);
    CHECK(omen_columns_find(m.columns, OMEN_STR("a.a.a.a.a.a.a.a"), &complete) != NULL && complete);
    model_deinit(&m);
}

TEST(the_first_member_of_a_name_counts) {
    model m;
    bool complete;
    model_init(&m, 2, 0, 1 << 20);
    m.docs[0] = strdup("{\"a\":{\"b\":1},\"a\":{\"c\":2},\"d\":1,\"d\":\"x\"}");
    m.docs[1] = strdup("{\"a\":{\"b\":5}}");
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    CHECK(omen_columns_find(m.columns, OMEN_STR("a.c"), &complete) == NULL && complete);
    CHECK_EQ_UINT(omen_columns_find(m.columns, OMEN_STR("a.b"), &complete)->present, 2);
    CHECK_EQ_UINT(omen_columns_find(m.columns, OMEN_STR("d"), &complete)->series_count, 1);
    model_deinit(&m);
}

/* Every bit of a directory: it is refused, or nothing it describes is read outside its section. */
TEST(a_damaged_directory_is_refused_or_harmless) {
    model m;
    model_init(&m, 60, 0, 1 << 20);
    for (uint32_t i = 0; i < m.rows; i++) m.docs[i] = random_doc(i);
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    omen_columns good = *m.columns;
    uint32_t refused = 0, tried = 0;
    size_t text_at = (size_t)((const uint8_t *)good.text - good.bytes);
    for (size_t at = 0; at < text_at; at++)
        for (int b = 0; b < 8; b++, tried++) {
            fixture x;
            omen_segment_writer *w;
            omen_segment_info info;
            omen_segment *seg = NULL;
            omen_columns *c = NULL;
            if (test_rand_below(16) != 0) continue;
            fault_storage *fs = fault_storage_new(1);
            fixture_init(&x, fs, 7, 1 << 20);
            REQUIRE_OK(omen_segment_writer_new(&x.store, 1, &w, NULL));
            const omen_section *sections[3] = {good.directory, good.statistics, good.data};
            for (int i = 0; i < 3; i++) {
                if (sections[i] == NULL) continue;
                uint8_t *bytes = malloc(sections[i]->raw_len);
                size_t done = 0;
                REQUIRE_OK(omen_segment_read(m.segment, sections[i], 0, sections[i]->raw_len, bytes, &done, NULL));
                if (i == 0) bytes[at] ^= (uint8_t)(1 << b);
                REQUIRE_OK(omen_segment_section_begin(w, sections[i]->kind, 0, 0, OMEN_BLOCK_BYTES, NULL));
                REQUIRE_OK(omen_segment_section_write(w, bytes, sections[i]->raw_len, NULL));
                REQUIRE_OK(omen_segment_section_end(w, NULL));
                free(bytes);
            }
            REQUIRE_OK(omen_segment_writer_finish(w, &info, NULL));
            omen_segment_writer_free(w);
            REQUIRE_OK(omen_segment_open(&x.store, &info, &seg, NULL));
            omen_error err = {0};
            omen_status s = omen_columns_open(&x.store, seg, m.rows, &c, &err);
            CHECK(s == OMEN_OK || s == OMEN_ERR_CORRUPT || s == OMEN_ERR_VERSION);
            CHECK((s == OMEN_OK) == (c != NULL));
            refused += s != OMEN_OK;
            omen_columns_free(c);
            omen_segment_close(seg);
            CHECK_EQ_UINT(fixture_deinit(&x), 0);
            fault_storage_free(fs);
        }
    CHECK(refused > 0);
    model_deinit(&m);
}

TEST(memory_that_runs_out_is_said) {
    omen_status s = OMEN_ERR_MEMORY;
    for (uint64_t n = 1; s != OMEN_OK && n < 3000; n += 1 + n / 8) {
        model m;
        model_init(&m, 200, 0, 1 << 20);
        for (uint32_t i = 0; i < m.rows; i++) m.docs[i] = random_doc(i);
        fault_host_fail_alloc_at(m.x.host, n, true);
        s = model_build(&m, NULL);
        CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY);
        model_deinit(&m);
    }
    CHECK_OK(s);
}

TEST_MAIN()
