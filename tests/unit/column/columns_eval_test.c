/* Filters over columns find what filters over documents find: random documents, random filters. Estimates are near. */
#include "columns_model.h"

#include "column/columns_eval.h"
#include "column/filter_build.h"

/* ---- random filters ---- */

static omen_filter_value random_constant(void) {
    static const char *const strings[] = {"", "a", "red", "green", "blue", "redder", "x.y", "zebra", "Red", "gr\xc3\xbcn", "2010-01-01T00:00:00Z", "title 5", "n7", "e"};
    static const double doubles[] = {0.5, -0.25, 9.75, 1e300, -1e300, 5e-324, 9007199254740992.5, 1e19, -0.0, 0x1p63, -0x1p63};
    switch (test_rand_below(9)) {
    case 0: return omen_value_null();
    case 1: return omen_value_bool(test_rand_below(2));
    case 2: return omen_value_double(doubles[test_rand_below(OMEN_ARRAY_LEN(doubles))]);
    case 3: return omen_value_double((double)test_rand_below(10000) / 100);
    case 4: return omen_value_int(test_rand_below(4) != 0 ? (int64_t)test_rand_below(100) - 30 : test_rand_below(2) ? INT64_MAX - (int64_t)test_rand_below(2) : INT64_MIN + (int64_t)test_rand_below(2));
    case 5: return omen_value_int(1990 + (int64_t)test_rand_below(40));
    case 6: return omen_value_time(INT64_C(1262304000000000) + (int64_t)test_rand_below(INT64_C(600000000000000)));
    default: {
        const char *s = strings[test_rand_below(OMEN_ARRAY_LEN(strings))];
        return omen_value_str((omen_str){s, strlen(s)});
    }
    }
}

static omen_tree *leaf_of(omen_builder *b, int kind) {
    static const omen_str paths[][3] = {{{"year", 4}}, {{"price", 5}}, {{"colour", 6}}, {{"at", 2}}, {{"flag", 4}}, {{"tags", 4}}, {{"scores", 6}}, {{"title", 5}}, {{"any", 3}}, {{"any", 3}},
                                        {{"any", 3}, {"a", 1}}, {{"any", 3}, {"c.d", 3}}, {{"o", 1}, {"k", 1}}, {{"o", 1}, {"any", 3}}, {{"rare", 4}},
                                        {{"nowhere", 7}}, {{"n", 1}}, {{"any", 3}, {"e\\f", 3}}, {{"$d", 2}}, {{"place", 5}}};
    const omen_str *names = paths[test_rand_below(OMEN_ARRAY_LEN(paths))];
    size_t count = 1;
    while (count < 3 && names[count].data != NULL) count++;
    const omen_tree_path *path = omen_build_path(b, names, count);
    omen_filter_value v = random_constant();
    if (kind != 0) {
        static const omen_str names_of_pairs[] = {{"year", 4}, {"price", 5}, {"any", 3}, {"scores", 6}, {"n", 1}, {"at", 2}, {"title", 5}};
        path = omen_build_path(b, &names_of_pairs[(uint32_t)kind % OMEN_ARRAY_LEN(names_of_pairs)], 1);
        while (v.type == OMEN_FILTER_NULL || v.type == OMEN_FILTER_BOOL) v = random_constant();
        return omen_build_leaf(b, (uint8_t)(OMEN_FILTER_LT + test_rand_below(4)), path, &v);
    }
    switch (test_rand_below(12)) {
    case 0: return omen_build_leaf(b, OMEN_FILTER_EXISTS, path, NULL);
    case 1:
        v = omen_value_int((int64_t)test_rand_below(5));
        return omen_build_leaf(b, OMEN_FILTER_SIZE, path, &v);
    case 2:
    case 3: {
        static const omen_str parts[] = {{"", 0}, {"r", 1}, {"re", 2}, {"title 1", 7}, {"0", 1}, {"20", 2}, {"green", 5}, {"titles and more", 15}, {"gr\xc3", 3}, {"\xff\xff", 2}};
        v = omen_value_str(parts[test_rand_below(OMEN_ARRAY_LEN(parts))]);
        return omen_build_leaf(b, test_rand_below(2) ? OMEN_FILTER_PREFIX : OMEN_FILTER_CONTAINS, path, &v);
    }
    case 4:
        if (v.type == OMEN_FILTER_NULL) v = omen_value_bool(true);
        return omen_build_leaf(b, OMEN_FILTER_CONTAINS, path, &v);
    case 5:
        for (uint64_t n = test_rand_below(12) + (test_rand_below(5) == 0 ? 50 : 0); n > 0; n--) {
            v = random_constant();
            omen_build_list(b, &v);
        }
        return omen_build_in(b, path);
    case 6:
        if (test_rand_below(2)) path = omen_build_path(b, &(omen_str){"place", 5}, 1);
        return omen_build_circle(b, path, 10, 20, 2000000);
    case 7:
    case 8: return omen_build_leaf(b, OMEN_FILTER_EQ, path, &v);
    default:
        while (v.type == OMEN_FILTER_NULL || v.type == OMEN_FILTER_BOOL) v = random_constant();
        return omen_build_leaf(b, (uint8_t)(OMEN_FILTER_LT + test_rand_below(4)), path, &v);
    }
}

static omen_tree *random_leaf(omen_builder *b) { return leaf_of(b, 0); }

static omen_tree *random_tree(omen_builder *b, int depth) {
    if (depth == 0 || test_rand_below(3) == 0) return random_leaf(b);
    if (test_rand_below(4) == 0) return omen_build_not(b, random_tree(b, depth - 1));
    omen_tree *t = omen_build_join(b, test_rand_below(2) ? OMEN_FILTER_AND : OMEN_FILTER_OR);
    for (uint64_t n = 2 + test_rand_below(3); n > 0; n--) omen_build_add(b, t, random_tree(b, depth - 1));
    /* Both sides of a range, and more, on one path. */
    int kind = 1 + (int)test_rand_below(20);
    for (uint64_t n = test_rand_below(4); n > 0; n--) omen_build_add(b, t, leaf_of(b, kind));
    return omen_build_close(b, t);
}

static omen_filter *random_filter(model *m, int depth) {
    omen_builder b;
    omen_builder_init(&b, &m->x.mem);
    omen_tree *t = random_tree(&b, depth);
    if (t == NULL) printf("%s\n", b.why);
    omen_filter *f = t == NULL ? NULL : omen_build_program(&b, t);
    omen_builder_deinit(&b);
    return f;
}

/* ---- comparing ---- */

typedef struct found {
    omen_bits *sure, *maybe;
    double estimate;
    omen_status status;
} found;

static found find(model *m, const omen_filter *f, uint32_t blocks) {
    found r = {omen_bits_new(&m->x.mem, m->rows), omen_bits_new(&m->x.mem, m->rows), 0, OMEN_OK};
    omen_columns_eval *e = NULL;
    bool done = false;
    r.status = omen_columns_eval_new(m->columns, f, &e, NULL);
    if (r.status == OMEN_OK) STEP(r.status, omen_columns_eval_estimate(e, &r.estimate, NULL));
    while (r.status == OMEN_OK && !done) STEP(r.status, omen_columns_eval_step(e, blocks, r.sure, r.maybe, &done, NULL));
    omen_columns_eval_free(e);
    return r;
}

static void forget(found *r) {
    omen_bits_unref(r->sure);
    omen_bits_unref(r->maybe);
}

static void print_leaf(const omen_filter *f) {
    const omen_filter_node *n = omen_filter_nodes(f);
    for (uint32_t i = 0; i < f->node_count; i++) {
        omen_str p = n[i].path == UINT32_MAX ? OMEN_STR("-") : omen_filter_str(f, omen_filter_paths(f)[n[i].path].name);
        printf("      node %u op %u path %.*s", i, n[i].op, (int)p.len, p.data);
        for (uint32_t k = 0; k < n[i].value_count && k < 4 && n[i].op < OMEN_FILTER_CIRCLE; k++) {
            const omen_filter_value *v = &omen_filter_values(f, &n[i])[k];
            if (v->type == OMEN_FILTER_STRING) printf(" '%.*s'", (int)v->len, (const char *)omen_filter_at(f, v->as.offset));
            else printf(" %u:%lld/%g", v->type, (long long)v->as.i, v->as.d);
        }
        printf("\n");
    }
}

/* Sure rows match, rows in neither set do not, and few are left open. Answers how many match. */
static uint32_t expect_same(model *m, omen_json **docs, const omen_filter *f, const found *r) {
    uint32_t matches = 0, wrong = 0, sure = 0, maybe = 0;
    for (uint32_t row = 0; row < m->rows; row++) {
        bool due = omen_filter_matches(f, docs[row] == NULL ? NULL : omen_json_root(docs[row]));
        bool yes = omen_bits_test(r->sure, row), open = omen_bits_test(r->maybe, row);
        matches += due;
        sure += yes;
        maybe += open;
        if ((yes && open) || (!open && yes != due)) {
            if (wrong++ == 0) printf("    row %u: %s, sure %d maybe %d, due %d\n", row, m->docs[row], yes, open, due);
        }
    }
    CHECK_EQ_UINT(wrong, 0);
    if (wrong != 0) print_leaf(f);
    CHECK_EQ_UINT(r->sure->ones, sure);
    CHECK_EQ_UINT(r->maybe->ones, maybe);
    CHECK(r->estimate >= 0 && r->estimate <= m->rows);
    return matches;
}

static omen_json **parse_all(model *m) {
    omen_json **docs = calloc(m->rows + 1, sizeof *docs);
    for (uint32_t i = 0; i < m->rows; i++)
        if (m->docs[i][0] != 0) CHECK_OK(omen_json_parse(&m->x.mem, (omen_str){m->docs[i], strlen(m->docs[i])}, &docs[i], NULL));
    return docs;
}

static void free_all(model *m, omen_json **docs) {
    for (uint32_t i = 0; i < m->rows; i++) omen_json_free(docs[i]);
    free(docs);
}

static void run(uint32_t rows, unsigned pending, int filters) {
    model m;
    omen_error err = {0};
    uint64_t open = 0, all = 0;
    model_init(&m, rows, pending, 1 << 20);
    for (uint32_t i = 0; i < rows; i++) m.docs[i] = random_doc(i);
    REQUIRE_OK(model_build(&m, &err));
    REQUIRE_OK(model_open(&m, &err));
    omen_json **docs = parse_all(&m);
    for (int i = 0; i < filters; i++) {
        omen_filter *f = random_filter(&m, i % 4);
        REQUIRE(f != NULL);
        found r = find(&m, f, 1 + (uint32_t)test_rand_below(3));
        CHECK_OK(r.status);
        if (r.status == OMEN_OK) expect_same(&m, docs, f, &r);
        open += r.maybe->ones;
        all += rows;
        forget(&r);
        omen_filter_free(&m.x.mem, f);
    }
    CHECK(rows == 0 || open < all / 4);
    CHECK_EQ_INT(omen_pool_metrics_of(m.x.store.pool)->pinned.value, 0);
    free_all(&m, docs);
    model_deinit(&m);
}

TEST(columns_find_what_documents_say) {
    run(0, 0, 5);
    run(1, 0, 300);
    run(100, 0, 1500);
    run(4096, 0, 150);
    run(9000, 0, 150);
}

TEST(columns_find_it_when_everything_pends) { run(5000, 40, 60); }

/* ---- estimates ---- */

static double ratio(double a, double b) { return a > b ? (a + 1) / (b + 1) : (b + 1) / (a + 1); }

TEST(estimates_of_single_predicates_are_near) {
    model m;
    uint32_t rows = TEST_PICK(40000, 20000), far = 0, tried = 0;
    model_init(&m, rows, 0, 8 << 20);
    for (uint32_t i = 0; i < rows; i++) {
        words t = {0};
        uint64_t skewed = test_rand_below(1 + test_rand_below(1 + test_rand_below(3000)));
        say(&t, "{\"uniform\":%u,\"skewed\":%u,\"rising\":%u,\"float\":%u.%03u,\"few\":%u,\"word\":\"w%u\",\"unique\":\"u%06u\",\"list\":[%u,%u,%u],\"flag\":%s}", (unsigned)test_rand_below(1000000),
            (unsigned)skewed, (unsigned)(i * 3 + test_rand_below(50)), (unsigned)test_rand_below(1000), (unsigned)test_rand_below(1000), (unsigned)test_rand_below(12), (unsigned)skewed,
            (unsigned)test_rand_below(1000000), (unsigned)test_rand_below(500), (unsigned)test_rand_below(500), (unsigned)test_rand_below(500), test_rand_below(10) ? "true" : "false");
        m.docs[i] = t.p;
    }
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    omen_json **docs = parse_all(&m);
    static const omen_str names[] = {{"uniform", 7}, {"skewed", 6}, {"rising", 6}, {"float", 5}, {"few", 3}, {"word", 4}, {"unique", 6}, {"list", 4}, {"flag", 4}};
    static const unsigned most[] = {1000000, 3000, 120000, 1000, 12, 0, 0, 500, 0};
    for (int i = 0; i < TEST_PICK(400, 200); i++) {
        omen_builder b;
        omen_builder_init(&b, &m.x.mem);
        uint32_t n = (uint32_t)i % OMEN_ARRAY_LEN(names);
        const omen_tree_path *path = omen_build_path(&b, &names[n], 1);
        char text[32] = "";
        omen_filter_value v = omen_value_bool(test_rand_below(2));
        uint8_t op = (uint8_t)(OMEN_FILTER_EQ + test_rand_below(5));
        if (most[n] != 0) {
            v = omen_value_int((int64_t)test_rand_below(most[n]));
        } else if (n != 8) {
            snprintf(text, sizeof text, n == 5 ? "w%u" : "u%06u", n == 5 ? (unsigned)test_rand_below(1 + test_rand_below(3000)) : (unsigned)test_rand_below(1000000));
            v = omen_value_str((omen_str){text, strlen(text)});
            if (test_rand_below(3) == 0) {
                op = OMEN_FILTER_PREFIX;
                v = omen_value_str((omen_str){text, 2});
            }
        } else {
            op = OMEN_FILTER_EQ;
        }
        omen_filter *f = omen_build_program(&b, omen_build_leaf(&b, op, path, &v));
        omen_builder_deinit(&b);
        REQUIRE(f != NULL);
        found r = find(&m, f, 100);
        REQUIRE_OK(r.status);
        uint32_t matches = expect_same(&m, docs, f, &r);
        tried++;
        if (ratio(r.estimate, matches) > 2) {
            far++;
            if (getenv("OMEN_TEST_VERBOSE") != NULL) {
                printf("    estimate %.0f, truth %u\n", r.estimate, matches);
                print_leaf(f);
            }
        }
        forget(&r);
        omen_filter_free(&m.x.mem, f);
    }
    printf("    %u of %u estimates are off by more than 2\n", far, tried);
    CHECK(far * 20 < tried);
    free_all(&m, docs);
    model_deinit(&m);
}

/* ---- pruning, large lists, faults ---- */

TEST(zones_and_filters_keep_blocks_from_being_read) {
    model m;
    uint32_t rows = 200000;
    model_init(&m, rows, 0, 1 << 20);
    for (uint32_t i = 0; i < rows; i++) {
        words t = {0};
        say(&t, "{\"rising\":%u,\"title\":\"title number %u\"}", (unsigned)i * 2, (unsigned)i);
        m.docs[i] = t.p;
    }
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    omen_pool_metrics *pool = omen_pool_metrics_of(m.x.store.pool);
    for (int i = 0; i < 3; i++) {
        omen_builder b;
        omen_builder_init(&b, &m.x.mem);
        omen_str name = i < 2 ? OMEN_STR("rising") : OMEN_STR("title");
        omen_filter_value v = i == 0 ? omen_value_int(100000) : i == 1 ? omen_value_int(100001) : omen_value_str(OMEN_STR("title number 200000"));
        omen_filter *f = omen_build_program(&b, omen_build_leaf(&b, OMEN_FILTER_EQ, omen_build_path(&b, &name, 1), &v));
        omen_builder_deinit(&b);
        REQUIRE(f != NULL);
        uint64_t read = pool->bytes_read.value;
        found r = find(&m, f, 1000);
        REQUIRE_OK(r.status);
        CHECK_EQ_UINT(r.sure->ones, i == 0);
        CHECK_EQ_UINT(r.maybe->ones, 0);
        CHECK(pool->bytes_read.value - read <= 8 * OMEN_BLOCK_BYTES); /* of 800 KB, and of 4 MB */
        forget(&r);
        omen_filter_free(&m.x.mem, f);
    }
    model_deinit(&m);
}

TEST(long_lists_of_strings_and_numbers) {
    model m;
    uint32_t rows = 6000;
    model_init(&m, rows, 0, 1 << 20);
    for (uint32_t i = 0; i < rows; i++) {
        words t = {0};
        say(&t, "{\"n\":%u,\"f\":%u.5,\"w\":\"%u\",\"title\":\"number %u of all\"}", (unsigned)test_rand_below(100000), (unsigned)test_rand_below(100000), (unsigned)test_rand_below(300), (unsigned)test_rand_below(100000));
        m.docs[i] = t.p;
    }
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    omen_json **docs = parse_all(&m);
    static const omen_str names[] = {{"n", 1}, {"f", 1}, {"w", 1}, {"title", 5}};
    for (uint32_t n = 0; n < 4; n++) {
        omen_builder b;
        char(*texts)[32] = calloc(3000, sizeof *texts);
        omen_builder_init(&b, &m.x.mem);
        const omen_tree_path *path = omen_build_path(&b, &names[n], 1);
        for (uint32_t i = 0; i < 3000; i++) {
            uint32_t x = (uint32_t)test_rand_below(100000);
            snprintf(texts[i], sizeof texts[i], n == 2 ? "%u" : "number %u of all", n == 2 ? x % 1000 : x);
            omen_filter_value v = n == 0 ? omen_value_int(x) : n == 1 ? omen_value_double(x + 0.5) : omen_value_str((omen_str){texts[i], strlen(texts[i])});
            omen_build_list(&b, &v);
        }
        omen_filter *f = omen_build_program(&b, omen_build_in(&b, path));
        omen_builder_deinit(&b);
        REQUIRE(f != NULL);
        found r = find(&m, f, 1);
        REQUIRE_OK(r.status);
        CHECK(expect_same(&m, docs, f, &r) > 50);
        CHECK_EQ_UINT(r.maybe->ones, 0);
        forget(&r);
        omen_filter_free(&m.x.mem, f);
        free(texts);
    }
    free_all(&m, docs);
    model_deinit(&m);
}

TEST(a_filter_on_a_path_without_column_is_left_to_documents) {
    model m;
    model_init(&m, 300, 0, 1 << 20);
    for (uint32_t i = 0; i < 300; i++) {
        words t = {0};
        say(&t, "{\"k%u\":1}", (unsigned)i);
        m.docs[i] = t.p;
    }
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    omen_json **docs = parse_all(&m);
    for (int i = 0; i < 2; i++) {
        omen_builder b;
        omen_str name = i == 0 ? OMEN_STR("k7") : OMEN_STR("k290");
        omen_builder_init(&b, &m.x.mem);
        omen_filter *f = omen_build_program(&b, omen_build_leaf(&b, OMEN_FILTER_EXISTS, omen_build_path(&b, &name, 1), NULL));
        omen_builder_deinit(&b);
        found r = find(&m, f, 10);
        REQUIRE_OK(r.status);
        CHECK_EQ_UINT(expect_same(&m, docs, f, &r), 1);
        CHECK_EQ_UINT(r.sure->ones, i == 0);
        CHECK_EQ_UINT(r.maybe->ones, i == 0 ? 0 : 300);
        forget(&r);
        omen_filter_free(&m.x.mem, f);
    }
    free_all(&m, docs);
    model_deinit(&m);
}

/* Values, offsets and dictionaries that are wrong inside an intact segment: an answer or OMEN_ERR_CORRUPT, and nothing outside is touched. */
TEST(wrong_contents_are_harmless) {
    model m;
    model_init(&m, 200, 0, 1 << 20);
    for (uint32_t i = 0; i < m.rows; i++) m.docs[i] = random_doc(i);
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    for (int round = 0; round < 300; round++) {
        fixture x;
        fault_storage *fs = fault_storage_new(1);
        omen_segment_writer *w;
        omen_segment_info info;
        model d = m;
        fixture_init(&x, fs, 7, 1 << 20);
        REQUIRE_OK(omen_segment_writer_new(&x.store, 1, &w, NULL));
        const omen_section *sections[3] = {m.columns->directory, m.columns->statistics, m.columns->data};
        int target = (int)test_rand_below(3);
        for (int i = 0; i < 3; i++) {
            uint8_t *bytes = malloc(sections[i]->raw_len);
            size_t done = 0;
            REQUIRE_OK(omen_segment_read(m.segment, sections[i], 0, sections[i]->raw_len, bytes, &done, NULL));
            for (int k = 0; k < (i == 0 ? 1 : 200) && i == target; k++) bytes[test_rand_below(sections[i]->raw_len)] = test_rand_below(2) ? 0xff : (uint8_t)test_rand();
            REQUIRE_OK(omen_segment_section_begin(w, sections[i]->kind, 0, 0, OMEN_BLOCK_BYTES, NULL));
            REQUIRE_OK(omen_segment_section_write(w, bytes, sections[i]->raw_len, NULL));
            REQUIRE_OK(omen_segment_section_end(w, NULL));
            free(bytes);
        }
        REQUIRE_OK(omen_segment_writer_finish(w, &info, NULL));
        omen_segment_writer_free(w);
        d.x = x;
        d.info = info;
        d.segment = NULL;
        d.columns = NULL;
        omen_status s = model_open(&d, NULL);
        CHECK(s == OMEN_OK || s == OMEN_ERR_CORRUPT || s == OMEN_ERR_VERSION);
        for (int i = 0; i < 6 && s == OMEN_OK; i++) {
            omen_filter *f = random_filter(&d, 2);
            REQUIRE(f != NULL);
            found r = find(&d, f, 1);
            CHECK(r.status == OMEN_OK || r.status == OMEN_ERR_CORRUPT);
            forget(&r);
            omen_filter_free(&d.x.mem, f);
        }
        omen_columns_free(d.columns);
        omen_segment_close(d.segment);
        CHECK_EQ_UINT(fixture_deinit(&d.x), 0);
        fault_storage_free(fs);
    }
    model_deinit(&m);
}

/* A filter with a predicate for every sort of series. */
static omen_filter *broad_filter(model *m) {
    omen_filter *f = NULL;
    omen_error err = {0};
    omen_str text = OMEN_STR("(year >= 2000 AND year < 2010) OR colour IN ('red', 'x') OR title CONTAINS '77' OR title = 'title 5' OR tags CONTAINS 'a' OR flag IS NULL OR price > 20.5 OR at < DATE '2010-01-01'");
    CHECK_OK(omen_filter_compile(&m->x.mem, text, &f, &err));
    return f;
}

TEST(faults_while_evaluating_are_said) {
    model m;
    model_init(&m, 9000, 0, 1 << 20);
    for (uint32_t i = 0; i < m.rows; i++) m.docs[i] = random_doc(i);
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    omen_json **docs = parse_all(&m);
    omen_filter *f = broad_filter(&m);
    REQUIRE(f != NULL);
    for (int what = 0; what < 2; what++) {
        omen_status s = OMEN_ERR_INTERNAL;
        uint32_t failed = 0;
        for (uint64_t n = 1; s != OMEN_OK && n < 500; n++) {
            omen_columns_free(m.columns);
            omen_segment_close(m.segment);
            m.columns = NULL;
            m.segment = NULL;
            REQUIRE_OK(model_open(&m, NULL)); /* blocks are read again */
            omen_bits *sure = omen_bits_new(&m.x.mem, m.rows), *maybe = omen_bits_new(&m.x.mem, m.rows);
            omen_columns_eval *e = NULL;
            bool done = false;
            double rows;
            if (what == 0) fault_host_fail_alloc_at(m.x.host, n, true);
            else fault_storage_fail_at(m.fs, n, OMEN_ERR_IO, true);
            s = omen_columns_eval_new(m.columns, f, &e, NULL);
            if (s == OMEN_OK) s = omen_columns_eval_estimate(e, &rows, NULL);
            while (s == OMEN_OK && !done) s = omen_columns_eval_step(e, 1, sure, maybe, &done, NULL);
            CHECK(s == OMEN_OK || s == (what == 0 ? OMEN_ERR_MEMORY : OMEN_ERR_IO));
            failed += s != OMEN_OK;
            if (what == 0) fault_host_fail_alloc_at(m.x.host, 0, false);
            else fault_storage_fail_at(m.fs, 0, OMEN_OK, false);
            if (s == OMEN_OK) {
                found r = {sure, maybe, rows, s};
                expect_same(&m, docs, f, &r);
            }
            omen_columns_eval_free(e);
            omen_bits_unref(sure);
            omen_bits_unref(maybe);
            CHECK_EQ_INT(omen_pool_metrics_of(m.x.store.pool)->pinned.value, 0);
        }
        CHECK_OK(s);
        CHECK(failed > 3);
    }
    omen_filter_free(&m.x.mem, f);
    free_all(&m, docs);
    model_deinit(&m);
}

TEST_MAIN()
