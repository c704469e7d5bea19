/* What columns say of one row is what its document says; two values have one form exactly if filters call them equal. */
#include "column/values.h"
#include "column/filter.h"
#include "facets_model.h"

static omen_str str(const char *s) { return (omen_str){s, strlen(s)}; }

/* ---- paths ---- */

TEST(paths_are_read_as_filters_read_them) {
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    omen_value_path p;
    omen_error err = {0};
    fixture_init(&x, fs, 1, 1 << 20);
    REQUIRE_OK(omen_value_path_read(&x.mem, str("a.b\\.c.\\$d.e\\\\"), &p, &err));
    CHECK_EQ_UINT(p.count, 4);
    CHECK(p.names[1].len == 3 && memcmp(p.names[1].data, "b.c", 3) == 0);
    CHECK(p.names[2].len == 2 && memcmp(p.names[2].data, "$d", 2) == 0);
    CHECK(p.text.len == 13 && memcmp(p.text.data, "a.b\\.c.$d.e\\\\", 13) == 0);
    omen_json *j;
    REQUIRE_OK(omen_json_parse(&x.mem, str("{\"a\":{\"b.c\":{\"$d\":{\"e\\\\\":7}}}}"), &j, &err));
    omen_value v = omen_value_of(omen_value_path_reach(&p, omen_json_root(j)));
    CHECK(v.kind == OMEN_VALUE_INT && v.i == 7);
    CHECK(omen_value_path_reach(&p, NULL) == NULL);
    omen_json_free(j);
    omen_value_path_deinit(&p);
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "a\\", "a\\b"};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(bad); i++) {
        CHECK_STATUS(omen_value_path_read(&x.mem, str(bad[i]), &p, &err), OMEN_ERR_INVALID);
        CHECK(p.names == NULL);
    }
    char *longer = calloc(1, 2000);
    memset(longer, 'x', 1024);
    CHECK_OK(omen_value_path_read(&x.mem, str(longer), &p, &err));
    omen_value_path_deinit(&p);
    longer[0] = '$'; /* 1025 with its backslash */
    CHECK_STATUS(omen_value_path_read(&x.mem, str(longer), &p, &err), OMEN_ERR_TOO_LARGE);
    memset(longer, 'x', 1025);
    CHECK_STATUS(omen_value_path_read(&x.mem, str(longer), &p, &err), OMEN_ERR_TOO_LARGE);
    for (int i = 0; i < 65; i++) memcpy(longer + 2 * i, "a.", 2);
    memcpy(longer + 130, "a", 2);
    CHECK_STATUS(omen_value_path_read(&x.mem, str(longer), &p, &err), OMEN_ERR_TOO_LARGE);
    free(longer);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

/* ---- forms ---- */

/* The value as a constant of filters; strings at their addresses. */
static omen_filter_value constant_of(const omen_value *v) {
    omen_filter_value c = {.type = OMEN_FILTER_NULL};
    if (v->kind == OMEN_VALUE_BOOL) c = (omen_filter_value){.type = OMEN_FILTER_BOOL, .as.i = v->i};
    if (v->kind == OMEN_VALUE_INT) c = (omen_filter_value){.type = OMEN_FILTER_INT, .as.i = v->i};
    if (v->kind == OMEN_VALUE_FLOAT) c = (omen_filter_value){.type = OMEN_FILTER_DOUBLE, .as.d = v->d};
    if (v->kind == OMEN_VALUE_STRING) c = (omen_filter_value){.type = OMEN_FILTER_STRING, .len = (uint32_t)v->text.len, .as.offset = (uint64_t)(uintptr_t)v->text.data};
    return c;
}

static int sign(int x) { return (x > 0) - (x < 0); }

TEST(forms_order_as_filters_order) {
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    fixture_init(&x, fs, 1, 1 << 20);
    omen_json *docs[600];
    words texts[600];
    omen_buf forms[600];
    omen_value values[600];
    uint32_t n = 0, same = 0;
    while (n < OMEN_ARRAY_LEN(docs)) {
        words *t = &texts[n];
        *t = (words){0};
        say(t, "[");
        switch (test_rand_below(10)) {
        case 0: say(t, test_rand_below(3) ? "true" : test_rand_below(2) ? "false" : "null"); break;
        case 1: random_string(t); break;
        case 2: say(t, "%lld", (long long)(INT64_C(9007199254740990) + (int64_t)test_rand_below(8)) * (test_rand_below(2) ? 1 : -1)); break;
        case 3: say(t, "%lld.0", (long long)(INT64_C(9007199254740990) + (int64_t)test_rand_below(8))); break;
        case 4: say(t, "%s%llu", test_rand_below(2) ? "-" : "", (unsigned long long)(UINT64_C(0x7ffffffffffffffa) + test_rand_below(9))); break;
        case 5: say(t, "%s%llu", test_rand_below(2) ? "-" : "", (unsigned long long)(UINT64_C(0x3ffffffffffffff0) + test_rand_below(32))); break;
        case 6: say(t, "%.17g", (double)(int64_t)(UINT64_C(0x3ffffffffffffff0) + test_rand_below(32))); break;
        default: random_number(t);
        }
        say(t, "]");
        REQUIRE_OK(omen_json_parse(&x.mem, str(t->p), &docs[n], NULL));
        values[n] = omen_value_of(omen_json_at(omen_json_root(docs[n]), 0));
        omen_buf_init(&forms[n], &x.mem);
        CHECK_OK(omen_value_form(&values[n], &forms[n]));
        omen_value back;
        CHECK(omen_value_of_form((omen_str){(char *)forms[n].data, forms[n].len}, &back));
        omen_filter_value a = constant_of(&values[n]), b = constant_of(&back);
        CHECK_EQ_INT(omen_filter_order(NULL, &a, &b), 0);
        n++;
    }
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < n; k++) {
            omen_filter_value a = constant_of(&values[i]), b = constant_of(&values[k]);
            int due = omen_filter_order(NULL, &a, &b);
            int got = sign(omen_form_order((omen_str){(char *)forms[i].data, forms[i].len}, (omen_str){(char *)forms[k].data, forms[k].len}));
            same += due == 0;
            if (got != due) printf("    %s against %s\n", texts[i].p, texts[k].p);
            CHECK_EQ_INT(got, due);
        }
    CHECK(same > n && same < n * n / 4);
    for (uint32_t i = 0; i < n; i++) {
        omen_buf_deinit(&forms[i]);
        omen_json_free(docs[i]);
        free(texts[i].p);
    }
    omen_value none = {.kind = OMEN_VALUE_ARRAY};
    uint8_t head[OMEN_FORM_SHORT];
    CHECK_EQ_UINT(omen_value_form_head(&none, head), 0);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

TEST(bytes_that_are_no_form_are_refused) {
    omen_value v;
    uint8_t p[16];
    CHECK(!omen_value_of_form((omen_str){"", 0}, &v));
    /* The greatest double below 2^63, and more beyond it than an integer holds. */
    v = (omen_value){.kind = OMEN_VALUE_INT, .i = INT64_MAX};
    CHECK_EQ_UINT(omen_value_form_head(&v, p), 11);
    CHECK(omen_value_of_form((omen_str){(char *)p, 11}, &v) && v.i == INT64_MAX);
    p[9] = p[10] = 0xff;
    CHECK(!omen_value_of_form((omen_str){(char *)p, 11}, &v));
    /* What has no form of its own: missing is null, arrays have none. */
    v = (omen_value){.kind = OMEN_VALUE_MISSING};
    CHECK(omen_value_form_head(&v, p) == 1 && p[0] == OMEN_FORM_NULL);
    omen_buf none = {0};
    v = (omen_value){.kind = OMEN_VALUE_ARRAY};
    CHECK_STATUS(omen_value_form(&v, &none), OMEN_ERR_INVALID);
    for (int i = 0; i < 100000; i++) {
        size_t len = 1 + test_rand_below(12);
        for (size_t k = 0; k < len; k++) p[k] = (uint8_t)test_rand();
        if (test_rand_below(2)) p[0] = OMEN_FORM_NUMBER;
        if (test_rand_below(2)) len = 11;
        uint8_t head[OMEN_FORM_SHORT];
        if (!omen_value_of_form((omen_str){(char *)p, len}, &v)) continue;
        CHECK(v.kind == OMEN_VALUE_NULL || v.kind == OMEN_VALUE_BOOL || v.kind == OMEN_VALUE_STRING || v.kind == OMEN_VALUE_INT || (v.kind == OMEN_VALUE_FLOAT && v.d - v.d == 0.0));
        CHECK(omen_value_form_head(&v, head) != 0);
    }
}

/* ---- rows ---- */

static const char *const paths[] = {"n", "year", "price", "colour", "at", "flag", "tags", "scores", "title", "any", "any.a", "any.c\\.d", "any.e\\\\f", "o", "o.k", "o.any", "o.any.b", "rare", "place", "place.lon", "nowhere", "n.x"};

static bool same_value(const omen_value *a, const omen_value *b) {
    if (a->kind != b->kind) return false;
    if (a->kind == OMEN_VALUE_STRING) return a->text.len == b->text.len && memcmp(a->text.data, b->text.data, a->text.len) == 0;
    return a->kind == OMEN_VALUE_FLOAT ? a->d == b->d : a->i == b->i;
}

/* Answers how many rows are left to their documents. */
static uint32_t compare(model *m, const char *text, bool descending) {
    omen_value_path path;
    omen_values *v = NULL;
    uint32_t unknown = 0, wrong = 0;
    omen_status s = omen_value_path_read(&m->x.mem, str(text), &path, NULL);
    CHECK_OK(s);
    if (s == OMEN_OK) CHECK_OK(omen_values_new(m->columns, &path, &v, NULL));
    for (uint32_t i = 0; i < m->rows && v != NULL && s == OMEN_OK; i++) {
        uint32_t row = descending ? m->rows - 1 - i : i;
        omen_json *j = NULL;
        omen_value got;
        if (m->docs[row][0] != 0) CHECK_OK(omen_json_parse(&m->x.mem, str(m->docs[row]), &j, NULL));
        STEP(s, omen_values_get(v, row, &got, NULL));
        CHECK_OK(s);
        omen_value due = omen_value_of(omen_value_path_reach(&path, j == NULL ? NULL : omen_json_root(j)));
        unknown += got.kind == OMEN_VALUE_UNKNOWN;
        if (s == OMEN_OK && got.kind != OMEN_VALUE_UNKNOWN && !same_value(&got, &due) && wrong++ == 0) printf("    %s of %s: kind %d, due %d\n", text, m->docs[row], got.kind, due.kind);
        omen_json_free(j);
        if (test_rand_below(50) == 0) omen_values_rest(v);
    }
    CHECK_EQ_UINT(wrong, 0);
    omen_values_free(v);
    omen_value_path_deinit(&path);
    CHECK_EQ_INT(omen_pool_metrics_of(m->x.store.pool)->pinned.value, 0);
    return unknown;
}

static void run(uint32_t rows, unsigned pending) {
    model m;
    uint32_t unknown = 0;
    model_init(&m, rows, pending, 1 << 20);
    for (uint32_t i = 0; i < rows; i++) m.docs[i] = random_doc(i);
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    for (uint32_t i = 0; i < OMEN_ARRAY_LEN(paths); i++) unknown += compare(&m, paths[i], i % 2);
    CHECK(unknown <= (uint64_t)rows * OMEN_ARRAY_LEN(paths) / 20);
    model_deinit(&m);
}

TEST(columns_say_what_documents_say) {
    run(0, 0);
    for (int i = 0; i < 50; i++) run(1, 0);
    run(500, 0);
    run(9000, 0);
}

TEST(columns_say_it_when_everything_pends) { run(1500, 40); }

TEST(a_row_of_a_path_without_column_is_left_to_its_document) {
    model m;
    uint32_t rows = 40;
    model_init(&m, rows, 0, 1 << 20);
    for (uint32_t i = 0; i < rows; i++) {
        words t = {0};
        say(&t, "{\"first\":%u", (unsigned)i);
        for (uint32_t k = 0; k < 10; k++) say(&t, ",\"m%u\":1", (unsigned)(10 * i + k));
        say(&t, "}");
        m.docs[i] = t.p;
    }
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    CHECK_EQ_UINT(compare(&m, "first", false), 0);
    CHECK_EQ_UINT(compare(&m, "m399", false), rows);
    model_deinit(&m);
}

/* ---- what goes wrong ---- */

TEST(wrong_contents_are_harmless) {
    model m;
    model_init(&m, 200, 0, 1 << 20);
    for (uint32_t i = 0; i < m.rows; i++) m.docs[i] = random_doc(i);
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    uint32_t refused = 0;
    for (int round = 0; round < 200; round++) {
        model d;
        REQUIRE_OK(model_damage(&m, &d));
        omen_status s = model_open(&d, NULL);
        CHECK(s == OMEN_OK || s == OMEN_ERR_CORRUPT || s == OMEN_ERR_VERSION);
        for (uint32_t i = 0; i < OMEN_ARRAY_LEN(paths) && s == OMEN_OK; i++) {
            omen_value_path path;
            omen_values *v;
            omen_value got;
            REQUIRE_OK(omen_value_path_read(&d.x.mem, str(paths[i]), &path, NULL));
            REQUIRE_OK(omen_values_new(d.columns, &path, &v, NULL));
            for (uint32_t row = 0; row < d.rows; row++) {
                omen_status g = omen_values_get(v, row, &got, NULL);
                CHECK(g == OMEN_OK || g == OMEN_ERR_CORRUPT);
                refused += g != OMEN_OK;
            }
            omen_values_free(v);
            omen_value_path_deinit(&path);
        }
        model_damage_deinit(&d);
    }
    CHECK(refused != 0);
    model_deinit(&m);
}

TEST(faults_are_said) {
    model m;
    model_init(&m, 300, 0, 1 << 20);
    for (uint32_t i = 0; i < m.rows; i++) m.docs[i] = random_doc(i);
    REQUIRE_OK(model_build(&m, NULL));
    for (int what = 0; what < 2; what++) {
        omen_status s = OMEN_ERR_INTERNAL;
        uint32_t failed = 0;
        for (uint64_t n = 1; s != OMEN_OK && n < 200; n++) {
            omen_columns_free(m.columns);
            omen_segment_close(m.segment);
            m.columns = NULL;
            m.segment = NULL;
            REQUIRE_OK(model_open(&m, NULL));
            omen_value_path path = {0};
            omen_values *v = NULL;
            omen_value got;
            if (what == 0) fault_host_fail_alloc_at(m.x.host, n, true);
            else fault_storage_fail_at(m.fs, n, OMEN_ERR_IO, true);
            s = omen_value_path_read(&m.x.mem, str("any"), &path, NULL);
            if (s == OMEN_OK) s = omen_values_new(m.columns, &path, &v, NULL);
            for (uint32_t row = 0; row < m.rows && s == OMEN_OK; row++) s = omen_values_get(v, row, &got, NULL);
            CHECK(s == OMEN_OK || s == (what == 0 ? OMEN_ERR_MEMORY : OMEN_ERR_IO));
            failed += s != OMEN_OK;
            if (what == 0) fault_host_fail_alloc_at(m.x.host, 0, false);
            else fault_storage_fail_at(m.fs, 0, OMEN_OK, false);
            omen_values_free(v);
            omen_value_path_deinit(&path);
        }
        CHECK_OK(s);
        CHECK(failed != 0);
    }
    model_deinit(&m);
}

TEST_MAIN()
