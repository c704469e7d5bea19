/* Facets count what a walk over the documents counts: by columns, by documents, in one part or in several. */
#include "facets_model.h"

#include "column/facets.h"
#include "column/filter_build.h"

static omen_str str(const char *s) { return (omen_str){s, strlen(s)}; }

static const char *const paths[] = {"n", "year", "price", "colour", "at", "flag", "tags", "scores", "title", "any", "any.a", "any.c\\.d", "any.e\\\\f", "o", "o.k", "o.any", "o.any.b", "rare", "place", "place.lon", "nowhere", "n.x"};

/* ---- by walking ---- */

typedef struct range { const char *from, *to; bool time; } range; /* JSON; NULL: open */
static const range ranges[] = {{NULL, "0", false}, {"-5", "10.5", false}, {"9007199254740992", NULL, false}, {"0.25", "1995", false}, {"-1e300", "9223372036854775808", false},
                               {"\"2010-01-01\"", "\"2020-06-01T02:00:00+02:00\"", true}, {NULL, "{\"$date\":\"2015-01-01T00:00:00Z\"}", true}, {"3", "4", false}};

typedef struct counted { omen_filter_value v; uint32_t row; uint64_t count; } counted;

static omen_filter_value constant_of(const omen_value *v) {
    switch (v->kind) {
    case OMEN_VALUE_BOOL: return omen_value_bool(v->i != 0);
    case OMEN_VALUE_INT: return omen_value_int(v->i);
    case OMEN_VALUE_FLOAT: return omen_value_double(v->d);
    case OMEN_VALUE_STRING: return omen_value_str(v->text);
    default: return omen_value_null();
    }
}

static int by_value_and_row(const void *a, const void *b) {
    const counted *x = a, *y = b;
    int c = omen_filter_order(NULL, &x->v, &y->v);
    return c != 0 ? c : (x->row > y->row) - (x->row < y->row);
}

static int by_count(const void *a, const void *b) {
    const counted *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return omen_filter_order(NULL, &x->v, &y->v);
}

static void print_constant(omen_jw *w, const omen_filter_value *v) {
    switch ((omen_filter_type)v->type) {
    case OMEN_FILTER_BOOL: omen_jw_bool(w, v->as.i != 0); break;
    case OMEN_FILTER_INT: omen_jw_i64(w, v->as.i); break;
    case OMEN_FILTER_DOUBLE: omen_jw_f64(w, v->as.d); break;
    case OMEN_FILTER_STRING: omen_jw_str(w, (omen_str){(const char *)(uintptr_t)v->as.offset, v->len}); break;
    default: omen_jw_null(w);
    }
}

/* Distinct values and counts; answers how many. */
static uint32_t tally(counted *all, uint32_t n) {
    uint32_t out = 0, last_row = UINT32_MAX;
    if (n != 0) qsort(all, n, sizeof *all, by_value_and_row);
    for (uint32_t i = 0; i < n; i++) {
        if (out == 0 || omen_filter_order(NULL, &all[out - 1].v, &all[i].v) != 0) {
            all[out] = all[i];
            all[out++].count = 0;
            last_row = UINT32_MAX;
        }
        all[out - 1].count += all[i].row != last_row;
        last_row = all[i].row;
    }
    return out;
}

/* What a facet is expected to say of the rows: the same JSON, but for stats. */
typedef struct facts {
    model *m;
    omen_json **docs;
    const omen_bits *accept, *dead;
    const char *path;
    int64_t interval; /* of numbers that are integers; 0: no histogram */
    uint32_t limit;
} facts;

static bool chosen(const facts *d, uint32_t row) { return (d->accept == NULL || omen_bits_test(d->accept, row)) && !omen_bits_test(d->dead, row); }

static bool in_range(const omen_filter_value *v, const range *r, omen_mem *m) {
    omen_json *j;
    char text[200];
    bool in = true;
    omen_filter_value x = *v;
    if (r->time) {
        x.type = OMEN_FILTER_TIME;
        if (v->type != OMEN_FILTER_STRING || !omen_time_parse((omen_str){(const char *)(uintptr_t)v->as.offset, v->len}, &x.as.i)) return false;
    } else if (v->type != OMEN_FILTER_INT && v->type != OMEN_FILTER_DOUBLE) {
        return false;
    }
    snprintf(text, sizeof text, "[%s,%s]", r->from == NULL ? "null" : r->from, r->to == NULL ? "null" : r->to);
    if (omen_json_parse(m, str(text), &j, NULL) != OMEN_OK) return false;
    for (int side = 0; side < 2; side++) {
        const omen_json_val *e = omen_json_at(omen_json_root(j), (size_t)side), *date = omen_json_get(e, "$date");
        omen_value bound = omen_value_of(date != NULL ? date : e);
        omen_filter_value c = constant_of(&bound);
        if (c.type == OMEN_FILTER_NULL) continue;
        if (r->time) {
            int64_t t = 0;
            CHECK(omen_time_parse(bound.text, &t));
            c = omen_value_time(t);
        }
        int order = omen_filter_order(NULL, &x, &c);
        in = in && (side == 0 ? order >= 0 : order < 0);
    }
    omen_json_free(j);
    return in;
}

static void expect(const facts *d, omen_jw *w) {
    omen_value_path path;
    counted *all = NULL;
    uint32_t n = 0, cap = 0;
    uint64_t missing = 0, counts[OMEN_ARRAY_LEN(ranges)] = {0};
    CHECK_OK(omen_value_path_read(&d->m->x.mem, str(d->path), &path, NULL));
    for (uint32_t row = 0; row < d->m->rows; row++) {
        if (!chosen(d, row)) continue;
        const omen_json_val *v = omen_value_path_reach(&path, d->docs[row] == NULL ? NULL : omen_json_root(d->docs[row]));
        size_t elements = v != NULL && omen_json_is_array(v) ? omen_json_count(v) : 1;
        bool null = v == NULL || omen_json_is_null(v), hit[OMEN_ARRAY_LEN(ranges)] = {0};
        for (size_t i = 0; i < elements && v != NULL; i++) {
            const omen_json_val *e = omen_json_is_array(v) ? omen_json_at(v, i) : v;
            if (omen_json_is_null(e)) null = true;
            omen_value value = omen_value_of(e);
            if (omen_json_is_null(e) || omen_json_is_array(e) || omen_json_is_object(e)) continue;
            if (n == cap) all = realloc(all, (cap = cap * 2 + 64) * sizeof *all);
            all[n++] = (counted){constant_of(&value), row, 0};
            for (size_t r = 0; r < OMEN_ARRAY_LEN(ranges); r++) hit[r] = hit[r] || in_range(&all[n - 1].v, &ranges[r], &d->m->x.mem);
        }
        for (size_t r = 0; r < OMEN_ARRAY_LEN(ranges); r++) counts[r] += hit[r];
        missing += null;
    }
    counted *buckets = malloc((n + 1) * sizeof *buckets);
    uint32_t in_buckets = 0, outside = 0, last_outside = UINT32_MAX;
    for (uint32_t i = 0; i < n && d->interval != 0; i++) {
        omen_filter_value v = all[i].v;
        int64_t whole, bucket;
        if (v.type != OMEN_FILTER_INT && v.type != OMEN_FILTER_DOUBLE) continue;
        bool inside = v.type == OMEN_FILTER_INT || (v.as.d >= -0x1p63 && v.as.d < 0x1p63);
        whole = v.type == OMEN_FILTER_INT ? v.as.i : inside ? (int64_t)v.as.d : 0;
        if (v.type == OMEN_FILTER_DOUBLE && (double)whole > v.as.d) whole--;
        bucket = whole / d->interval - (whole % d->interval < 0);
        inside = inside && bucket < INT64_C(9007199254740992) && bucket > -INT64_C(9007199254740992);
        if (inside) {
            buckets[in_buckets++] = (counted){omen_value_int(bucket), all[i].row, 0};
        } else if (all[i].row != last_outside) {
            outside++;
            last_outside = all[i].row;
        }
    }
    in_buckets = tally(buckets, in_buckets);
    n = tally(all, n);
    if (n != 0) qsort(all, n, sizeof *all, by_count);
    omen_jw_object(w);
    omen_jw_key(w, "values");
    omen_jw_array(w);
    for (uint32_t i = 0; i < OMEN_MIN(n, d->limit); i++) {
        omen_jw_object(w);
        omen_jw_key(w, "value");
        print_constant(w, &all[i].v);
        omen_jw_key(w, "count");
        omen_jw_u64(w, all[i].count);
        omen_jw_object_end(w);
    }
    omen_jw_array_end(w);
    omen_jw_key(w, "ranges");
    omen_jw_array(w);
    for (size_t i = 0; i < OMEN_ARRAY_LEN(ranges); i++) omen_jw_u64(w, counts[i]);
    omen_jw_array_end(w);
    omen_jw_key(w, "histogram");
    omen_jw_array(w);
    for (uint32_t i = 0; i < in_buckets; i++) {
        int64_t bucket = buckets[i].v.as.i, edge;
        omen_jw_object(w);
        for (int side = 0; side < 2; side++) {
            omen_jw_key(w, side == 0 ? "from" : "to");
            if (__builtin_mul_overflow(bucket + side, d->interval, &edge)) omen_jw_f64(w, (double)(bucket + side) * (double)d->interval);
            else omen_jw_i64(w, edge);
        }
        omen_jw_key(w, "count");
        omen_jw_u64(w, buckets[i].count);
        omen_jw_object_end(w);
    }
    omen_jw_array_end(w);
    omen_jw_key(w, "outside");
    omen_jw_u64(w, outside);
    omen_jw_key(w, "missing");
    omen_jw_u64(w, missing);
    omen_jw_key(w, "distinct");
    omen_jw_u64(w, n);
    omen_jw_object_end(w);
    free(buckets);
    free(all);
    omen_value_path_deinit(&path);
}

/* The answer in the form of `expect`: ranges as their counts alone, "outside" always, no stats. */
static void shape(const omen_json_val *v, omen_buf *out) {
    omen_jw w;
    omen_jw_begin(&w, out);
    omen_jw_object(&w);
    static const char *const keys[] = {"values", "ranges", "histogram", "outside", "missing", "distinct"};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(keys); i++) {
        const omen_json_val *e = omen_json_get(v, keys[i]);
        omen_buf text;
        omen_buf_init(&text, out->mem);
        omen_jw_key(&w, keys[i]);
        if (i == 1) {
            omen_jw_array(&w);
            for (size_t k = 0; k < omen_json_count(e); k++) {
                uint64_t n = 0;
                CHECK(omen_json_u64(omen_json_get(omen_json_at(e, k), "count"), &n));
                omen_jw_u64(&w, n);
            }
            omen_jw_array_end(&w);
        } else if (e == NULL) {
            omen_jw_u64(&w, 0);
        } else {
            CHECK_OK(omen_json_print(e, &text));
            omen_jw_raw(&w, (omen_str){(char *)text.data, text.len});
        }
        omen_buf_deinit(&text);
    }
    omen_jw_object_end(&w);
    CHECK_OK(omen_jw_end(&w));
    CHECK_OK(omen_buf_append(out, "", 1));
}

/* ---- counting ---- */

static omen_facets_request *request_of(omen_mem *m, const char *text) {
    omen_json *j;
    omen_facets_request *r = NULL;
    omen_error err = {0};
    if (!CHECK_OK(omen_json_parse(m, str(text), &j, NULL))) return NULL;
    if (!CHECK_OK(omen_facets_request_read(m, omen_json_root(j), &r, &err))) printf("    %s\n", err.text);
    omen_json_free(j);
    return r;
}

static omen_status count_part(omen_facets *f, model *m, omen_json **docs, const omen_columns *c, const omen_bits *accept, const omen_bits *dead, uint32_t *asked, omen_error *err) {
    omen_facets_part *p = NULL;
    bool done = false;
    omen_status s = omen_facets_part_new(f, c, m->rows, accept, dead, &p, err);
    while (s == OMEN_OK && !done) STEP(s, omen_facets_part_step(p, 1 + (uint32_t)test_rand_below(4), &done, err));
    for (uint32_t row; s == OMEN_OK && (row = omen_facets_part_next(p)) != UINT32_MAX;) {
        CHECK(omen_facets_part_left(p) != 0);
        ++*asked;
        s = omen_facets_part_doc(p, row, docs[row] == NULL ? NULL : omen_json_root(docs[row]), err);
    }
    if (s == OMEN_OK) CHECK_EQ_UINT(omen_facets_part_left(p), 0);
    omen_facets_part_free(p);
    return s;
}

static omen_status answer(omen_facets *f, omen_buf *out) {
    omen_jw w;
    omen_jw_begin(&w, out);
    omen_status s = omen_facets_write(f, &w, NULL);
    if (s == OMEN_OK) s = omen_jw_end(&w);
    return s == OMEN_OK ? omen_buf_append(out, "", 1) : s;
}

static omen_json **parse_all(model *m) {
    omen_json **docs = calloc(m->rows + 1, sizeof *docs);
    for (uint32_t i = 0; i < m->rows; i++)
        if (m->docs[i][0] != 0) CHECK_OK(omen_json_parse(&m->x.mem, str(m->docs[i]), &docs[i], NULL));
    return docs;
}

static void free_all(model *m, omen_json **docs) {
    for (uint32_t i = 0; i < m->rows; i++) omen_json_free(docs[i]);
    free(docs);
}

static void say_ranges(words *t) {
    for (size_t i = 0; i < OMEN_ARRAY_LEN(ranges); i++) {
        say(t, "%s{", i == 0 ? "" : ",");
        if (ranges[i].from != NULL) say(t, "\"from\":%s", ranges[i].from);
        if (ranges[i].to != NULL) say(t, "%s\"to\":%s", ranges[i].from != NULL ? "," : "", ranges[i].to);
        say(t, "}");
    }
}

/* Facets of all paths; the paths' own numbers as names. */
static char *request_text(const int64_t *interval, uint32_t limit, uint32_t first, uint32_t count) {
    words t = {0};
    say(&t, "{");
    for (uint32_t i = first; i < first + count; i++) {
        say(&t, "%s\"%u\":{\"path\":\"", i == first ? "" : ",", (unsigned)i);
        for (const char *c = paths[i]; *c != 0; c++) say(&t, "%s%c", *c == '\\' ? "\\" : "", *c);
        say(&t, "\",\"values\":true,\"limit\":%u,\"stats\":true,\"ranges\":[", (unsigned)limit);
        say_ranges(&t);
        say(&t, "]%s", interval == NULL ? "}" : "");
        if (interval != NULL) say(&t, ",\"histogram\":{\"interval\":%lld}}", (long long)*interval);
    }
    say(&t, "}");
    return t.p;
}

static omen_bits *random_bits(omen_mem *m, uint32_t rows, uint32_t percent) {
    omen_bits *b = omen_bits_new(m, rows);
    uint32_t run = 0;
    bool on = false;
    for (uint32_t i = 0; b != NULL && i < rows; i++, run -= run != 0) {
        if (run == 0) {
            on = test_rand_below(100) < percent;
            run = test_rand_below(20) == 0 ? 300 : 1;
        }
        if (on) omen_bits_set(b, i);
    }
    return b;
}

static void run(uint32_t rows, unsigned pending, int rounds, bool numbers_only) {
    model m;
    uint64_t asked_all = 0, all = 0;
    model_init(&m, rows, pending, 1 << 20);
    for (uint32_t i = 0; i < rows; i++) {
        if (!numbers_only) {
            m.docs[i] = random_doc(i);
            continue;
        }
        words t = {0}; /* one path with arrays of both sorts of numbers, and long arrays */
        say(&t, "{\"any\":[");
        uint64_t n = test_rand_below(200) == 0 ? 9000 : test_rand_below(6);
        for (uint64_t k = 0; k < n; k++) say(&t, k == 0 ? "%d%s" : ",%d%s", (int)test_rand_below(8), test_rand_below(4) ? "" : test_rand_below(2) ? ".0" : ".5");
        say(&t, "]}");
        m.docs[i] = t.p;
    }
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    omen_json **docs = parse_all(&m);
    for (int round = 0; round < rounds; round++) {
        static const int64_t intervals[] = {1, 7, 10, 1000, INT64_C(1) << 40, INT64_C(7000000000000000000)};
        int64_t interval = intervals[test_rand_below(OMEN_ARRAY_LEN(intervals))];
        uint32_t limit = test_rand_below(2) ? 65536 : (uint32_t)test_rand_below(5), asked = 0;
        omen_bits *accept = test_rand_below(2) ? NULL : random_bits(&m.x.mem, rows, 60), *dead = test_rand_below(2) ? NULL : random_bits(&m.x.mem, rows, 20);
        char *text = request_text(&interval, limit, 0, OMEN_ARRAY_LEN(paths));
        omen_facets_request *r = request_of(&m.x.mem, text);
        free(text);
        REQUIRE(r != NULL);
        omen_facets *f, *by_docs, *half, *bare;
        omen_buf out[4];
        omen_error err = {0};
        for (int i = 0; i < 4; i++) omen_buf_init(&out[i], &m.x.mem);
        REQUIRE_OK(omen_facets_new(&m.x.mem, r, &f, NULL));
        REQUIRE_OK(omen_facets_new(&m.x.mem, r, &by_docs, NULL));
        REQUIRE_OK(omen_facets_new(&m.x.mem, r, &half, NULL));
        REQUIRE_OK(omen_facets_new(&m.x.mem, r, &bare, NULL));
        omen_status s = count_part(f, &m, docs, m.columns, accept, dead, &asked, &err);
        if (!CHECK_OK(s)) printf("    %s\n", err.text);
        asked_all += asked;
        all += rows;
        CHECK_OK(answer(f, &out[0]));
        /* The same by documents alone, in two halves; backwards, so that no order is the same. */
        facts d = {&m, docs, accept, dead, NULL, interval, limit};
        for (uint32_t i = rows; i-- > 0;)
            if (chosen(&d, i)) CHECK_OK(omen_facets_doc(test_rand_below(2) ? by_docs : half, docs[i] == NULL ? NULL : omen_json_root(docs[i]), NULL));
        CHECK_OK(omen_facets_merge(by_docs, half, NULL));
        CHECK_OK(answer(by_docs, &out[1]));
        CHECK_EQ_STR((char *)out[0].data, (char *)out[1].data);
        /* And of a part without columns, and counted twice. */
        asked = 0;
        CHECK_OK(count_part(bare, &m, docs, NULL, accept, dead, &asked, NULL));
        CHECK_OK(answer(bare, &out[2]));
        CHECK_EQ_STR((char *)out[0].data, (char *)out[2].data);
        omen_json *j;
        REQUIRE_OK(omen_json_parse(&m.x.mem, str((char *)out[0].data), &j, NULL));
        for (uint32_t i = 0; i < OMEN_ARRAY_LEN(paths); i++) {
            if (numbers_only && strcmp(paths[i], "any") != 0) continue;
            omen_buf want, got;
            omen_jw w;
            char name[8];
            omen_buf_init(&want, &m.x.mem);
            omen_buf_init(&got, &m.x.mem);
            d.path = paths[i];
            omen_jw_begin(&w, &want);
            expect(&d, &w);
            CHECK_OK(omen_jw_end(&w));
            CHECK_OK(omen_buf_append(&want, "", 1));
            snprintf(name, sizeof name, "%u", (unsigned)i);
            shape(omen_json_get(omen_json_root(j), name), &got);
            if (!CHECK_EQ_STR((char *)got.data, (char *)want.data)) printf("    of %s\n", paths[i]);
            omen_buf_deinit(&want);
            omen_buf_deinit(&got);
        }
        omen_json_free(j);
        for (int i = 0; i < 4; i++) omen_buf_deinit(&out[i]);
        omen_facets_free(f);
        omen_facets_free(by_docs);
        omen_facets_free(half);
        omen_facets_free(bare);
        omen_facets_request_free(r);
        omen_bits_unref(accept);
        omen_bits_unref(dead);
    }
    CHECK_EQ_INT(omen_pool_metrics_of(m.x.store.pool)->pinned.value, 0);
    if (getenv("OMEN_TEST_VERBOSE") != NULL) printf("    %u rows: %.1f %% were asked of documents\n", rows, all == 0 ? 0.0 : 100.0 * (double)asked_all / (double)all);
    free_all(&m, docs);
    model_deinit(&m);
}

TEST(columns_count_what_documents_count) {
    run(0, 0, 2, false);
    for (int i = 0; i < 40; i++) run(1 + (uint32_t)test_rand_below(4), 0, 2, false);
    run(300, 0, 10, false);
    run(4097, 0, 2, false);
    if (!TEST_REDUCED) run(9000, 0, 1, false);
}

TEST(arrays_of_integers_and_floats_count_once) { run(700, 0, 4, true); }

TEST(columns_count_it_when_everything_pends) {
    run(1200, 40, 2, false);
    run(300, 40, 1, true);
}

/* ---- what is said of times, by hand ---- */

static char *counts_of(omen_mem *m, const char *request, const char *const *docs, size_t count) {
    omen_facets_request *r = request_of(m, request);
    omen_facets *f = NULL;
    omen_buf out;
    omen_buf_init(&out, m);
    CHECK_OK(r == NULL ? OMEN_ERR_INTERNAL : omen_facets_new(m, r, &f, NULL));
    for (size_t i = 0; i < count && f != NULL; i++) {
        omen_json *j;
        CHECK_OK(omen_json_parse(m, str(docs[i]), &j, NULL));
        CHECK_OK(omen_facets_doc(f, omen_json_root(j), NULL));
        omen_json_free(j);
    }
    if (f != NULL) CHECK_OK(answer(f, &out));
    char *text = strdup(out.data == NULL ? "" : (char *)out.data);
    omen_buf_deinit(&out);
    omen_facets_free(f);
    omen_facets_request_free(r);
    return text;
}

TEST(answers_read_as_they_are_described) {
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    fixture_init(&x, fs, 1, 1 << 20);
    static const char *const docs[] = {
        "{\"at\":\"1970-01-01T00:00:00Z\",\"tags\":[\"a\",\"b\",\"a\",null],\"p\":3,\"q\":0.25}",
        "{\"at\":\"1969-12-31T23:59:59.999999Z\",\"tags\":\"a\",\"p\":3.0,\"q\":-0.25}",
        "{\"at\":[\"2024-02-29T12:00:00+02:00\",\"2024-02-29\",\"no time\"],\"tags\":[],\"p\":\"3\",\"q\":1e300}",
        "{\"at\":\"0000-03-01\",\"tags\":{\"x\":1},\"p\":[true,3,3.0,\"3\",[3]],\"q\":0.5}",
        "{\"at\":\"2000-12-31T23:59:59.5Z\",\"p\":null,\"q\":-0.0}",
        "{\"at\":7}",
    };
    static const struct { const char *request, *due; } cases[] = {
        {"[\"tags\",\"p\"]", "{\"tags\":{\"values\":[{\"value\":\"a\",\"count\":2},{\"value\":\"b\",\"count\":1}],\"missing\":3,\"distinct\":2},"
                             "\"p\":{\"values\":[{\"value\":3,\"count\":3},{\"value\":\"3\",\"count\":2},{\"value\":true,\"count\":1}],\"missing\":2,\"distinct\":3}}"},
        {"{\"t\":{\"path\":\"tags\",\"limit\":1}}", "{\"t\":{\"values\":[{\"value\":\"a\",\"count\":2}],\"missing\":3,\"distinct\":2}}"},
        {"{\"p\":{\"stats\":true}}", "{\"p\":{\"stats\":{\"count\":4,\"min\":3,\"max\":3,\"sum\":12,\"mean\":3.0},\"missing\":2}}"},
        {"{\"none\":{\"stats\":true}}", "{\"none\":{\"stats\":{\"count\":0,\"min\":null,\"max\":null,\"sum\":0,\"mean\":null},\"missing\":6}}"},
        {"{\"q\":{\"histogram\":{\"interval\":0.5}}}", "{\"q\":{\"histogram\":[{\"from\":-0.5,\"to\":0.0,\"count\":1},{\"from\":0.0,\"to\":0.5,\"count\":2},{\"from\":0.5,\"to\":1.0,\"count\":1}],\"outside\":1,\"missing\":1}}"},
        {"{\"at\":{\"histogram\":{\"interval\":\"day\"}}}",
         "{\"at\":{\"histogram\":[{\"from\":\"0000-03-01T00:00:00Z\",\"to\":\"0000-03-02T00:00:00Z\",\"count\":1},{\"from\":\"1969-12-31T00:00:00Z\",\"to\":\"1970-01-01T00:00:00Z\",\"count\":1},"
         "{\"from\":\"1970-01-01T00:00:00Z\",\"to\":\"1970-01-02T00:00:00Z\",\"count\":1},{\"from\":\"2000-12-31T00:00:00Z\",\"to\":\"2001-01-01T00:00:00Z\",\"count\":1},"
         "{\"from\":\"2024-02-29T00:00:00Z\",\"to\":\"2024-03-01T00:00:00Z\",\"count\":1}],\"missing\":0}}"},
        {"{\"at\":{\"histogram\":{\"interval\":\"week\"},\"ranges\":[{\"from\":\"2000-12-31T23:59:59.5Z\"},{\"to\":{\"$date\":\"1970-01-01\"}}]}}",
         "{\"at\":{\"ranges\":[{\"from\":\"2000-12-31T23:59:59.500000Z\",\"count\":2},{\"to\":\"1970-01-01T00:00:00Z\",\"count\":2}],"
         "\"histogram\":[{\"from\":\"0000-02-28T00:00:00Z\",\"to\":\"0000-03-06T00:00:00Z\",\"count\":1},{\"from\":\"1969-12-29T00:00:00Z\",\"to\":\"1970-01-05T00:00:00Z\",\"count\":2},"
         "{\"from\":\"2000-12-25T00:00:00Z\",\"to\":\"2001-01-01T00:00:00Z\",\"count\":1},{\"from\":\"2024-02-26T00:00:00Z\",\"to\":\"2024-03-04T00:00:00Z\",\"count\":1}],\"missing\":0}}"},
        {"{\"at\":{\"histogram\":{\"interval\":\"100 years\"}}}",
         "{\"at\":{\"histogram\":[{\"from\":null,\"to\":\"0070-01-01T00:00:00Z\",\"count\":1},{\"from\":\"1870-01-01T00:00:00Z\",\"to\":\"1970-01-01T00:00:00Z\",\"count\":1},"
         "{\"from\":\"1970-01-01T00:00:00Z\",\"to\":\"2070-01-01T00:00:00Z\",\"count\":3}],\"missing\":0}}"},
        {"{\"at\":{\"histogram\":{\"interval\":\"quarter\"}}}",
         "{\"at\":{\"histogram\":[{\"from\":\"0000-01-01T00:00:00Z\",\"to\":\"0000-04-01T00:00:00Z\",\"count\":1},{\"from\":\"1969-10-01T00:00:00Z\",\"to\":\"1970-01-01T00:00:00Z\",\"count\":1},"
         "{\"from\":\"1970-01-01T00:00:00Z\",\"to\":\"1970-04-01T00:00:00Z\",\"count\":1},{\"from\":\"2000-10-01T00:00:00Z\",\"to\":\"2001-01-01T00:00:00Z\",\"count\":1},"
         "{\"from\":\"2024-01-01T00:00:00Z\",\"to\":\"2024-04-01T00:00:00Z\",\"count\":1}],\"missing\":0}}"},
        {"{}", "{}"},
    };
    for (size_t i = 0; i < OMEN_ARRAY_LEN(cases); i++) {
        char *got = counts_of(&x.mem, cases[i].request, docs, OMEN_ARRAY_LEN(docs));
        CHECK_EQ_STR(got, cases[i].due);
        free(got);
    }
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

/* Every day of 800 years, by a calendar that counts. */
TEST(days_months_and_weeks_are_those_of_the_calendar) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    fixture_init(&x, fs, 1, 1 << 20);
    int year = 1600, month = 1, day = 1;
    for (int n = 0; n < 292194; n++) {
        if (n % 97 == 0 || day == 1 || day >= 28) {
            char doc[64], due[400];
            bool last = month == 12;
            snprintf(doc, sizeof doc, "{\"at\":\"%04d-%02d-%02dT23:59:59.999999Z\"}", year, month, day);
            snprintf(due, sizeof due, "{\"at\":{\"histogram\":[{\"from\":\"%04d-%02d-01T00:00:00Z\",\"to\":\"%04d-%02d-01T00:00:00Z\",\"count\":1}],\"missing\":0}}", year, month, year + last, last ? 1 : month + 1);
            if (n % 7 == 0 || day == 1) {
                char *got = counts_of(&x.mem, "{\"at\":{\"histogram\":{\"interval\":\"month\"}}}", (const char *const[]){doc}, 1);
                CHECK_EQ_STR(got, due);
                free(got);
            }
        }
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        if (++day > lengths[month - 1] + (month == 2 && leap)) {
            day = 1;
            if (++month > 12) {
                month = 1;
                year++;
            }
        }
    }
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

/* ---- requests ---- */

TEST(requests_that_cannot_be_are_refused) {
    static const char *const bad[] = {
        "1", "null", "\"tags\"", "[1]", "[\"a\",\"a\"]", "[\"\"]", "[\"a..b\"]", "{\"a\":1}", "{\"a\":[]}", "{\"a\":null}", "{\"\":{}}", "{\"a\":{\"path\":7}}", "{\"a\":{\"path\":\"x.\"}}",
        "{\"a\":{\"what\":1}}", "{\"a\":{\"limit\":-1}}", "{\"a\":{\"limit\":1.5}}", "{\"a\":{\"limit\":1048577}}", "{\"a\":{\"limit\":65537}}", "{\"a\":{\"limit\":6,\"maxValues\":5}}", "{\"a\":{\"maxValues\":0}}",
        "{\"a\":{\"maxValues\":1048577}}", "{\"a\":{\"values\":1}}", "{\"a\":{\"stats\":{}}}", "{\"a\":{\"ranges\":[]}}", "{\"a\":{\"ranges\":{}}}", "{\"a\":{\"ranges\":[1]}}", "{\"a\":{\"ranges\":[{}]}}",
        "{\"a\":{\"ranges\":[{\"from\":1,\"to\":1}]}}", "{\"a\":{\"ranges\":[{\"from\":2,\"to\":1.5}]}}", "{\"a\":{\"ranges\":[{\"from\":0,\"to\":-0.0}]}}", "{\"a\":{\"ranges\":[{\"from\":1,\"until\":2}]}}",
        "{\"a\":{\"ranges\":[{\"from\":\"x\"}]}}", "{\"a\":{\"ranges\":[{\"from\":true}]}}", "{\"a\":{\"ranges\":[{\"from\":null}]}}", "{\"a\":{\"ranges\":[{\"from\":1,\"to\":\"2020-01-01\"}]}}",
        "{\"a\":{\"ranges\":[{\"from\":{\"$date\":1}}]}}", "{\"a\":{\"ranges\":[{\"from\":{\"$date\":\"2020-01-01\",\"b\":1}}]}}", "{\"a\":{\"ranges\":[{\"from\":\"2020-01-01\",\"to\":\"2020-01-01T00:00:00Z\"}]}}",
        "{\"a\":{\"histogram\":{}}}", "{\"a\":{\"histogram\":7}}", "{\"a\":{\"histogram\":{\"interval\":0}}}", "{\"a\":{\"histogram\":{\"interval\":-1}}}", "{\"a\":{\"histogram\":{\"interval\":null}}}",
        "{\"a\":{\"histogram\":{\"interval\":\"\"}}}", "{\"a\":{\"histogram\":{\"interval\":\"0 days\"}}}", "{\"a\":{\"histogram\":{\"interval\":\"10000 days\"}}}", "{\"a\":{\"histogram\":{\"interval\":\"5days\"}}}",
        "{\"a\":{\"histogram\":{\"interval\":\"5\"}}}", "{\"a\":{\"histogram\":{\"interval\":\"5 \"}}}", "{\"a\":{\"histogram\":{\"interval\":\"s\"}}}", "{\"a\":{\"histogram\":{\"interval\":\"fortnight\"}}}",
        "{\"a\":{\"histogram\":{\"interval\":1,\"offset\":2}}}",
    };
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    fixture_init(&x, fs, 1, 1 << 20);
    for (size_t i = 0; i < OMEN_ARRAY_LEN(bad); i++) {
        omen_json *j;
        omen_facets_request *r = NULL;
        omen_error err = {0};
        REQUIRE_OK(omen_json_parse(&x.mem, str(bad[i]), &j, NULL));
        if (!CHECK_STATUS(omen_facets_request_read(&x.mem, omen_json_root(j), &r, &err), OMEN_ERR_INVALID)) printf("    %s\n", bad[i]);
        CHECK(r == NULL && strncmp(err.text, "facets: ", 8) == 0 && strlen(err.text) > 12);
        omen_json_free(j);
    }
    /* As many as may be, and one more: facets, then ranges. */
    for (int what = 0; what < 4; what++) {
        words t = {0};
        say(&t, what < 2 ? "[" : "{\"a\":{\"ranges\":[");
        for (int i = 0, n = (what < 2 ? 64 : 256) + what % 2; i < n; i++) say(&t, what < 2 ? "%s\"f%d\"" : "%s{\"from\":%d}", i == 0 ? "" : ",", i);
        say(&t, what < 2 ? "]" : "]}}");
        omen_json *j;
        omen_facets_request *r = NULL;
        REQUIRE_OK(omen_json_parse(&x.mem, str(t.p), &j, NULL));
        CHECK_STATUS(omen_facets_request_read(&x.mem, omen_json_root(j), &r, NULL), what % 2 == 0 ? OMEN_OK : what == 1 ? OMEN_ERR_TOO_LARGE : OMEN_ERR_INVALID);
        omen_facets_request_free(r);
        omen_json_free(j);
        free(t.p);
    }
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

TEST(more_values_than_may_be_are_an_error) {
    model m;
    uint32_t rows = 3000;
    model_init(&m, rows, 0, 1 << 20);
    for (uint32_t i = 0; i < rows; i++) {
        words t = {0};
        say(&t, "{\"w\":\"word %u\",\"i\":%u,\"f\":%u.5,\"l\":[%u]}", (unsigned)i, (unsigned)i * 1000, (unsigned)i, (unsigned)i);
        m.docs[i] = t.p;
    }
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    omen_json **docs = parse_all(&m);
    for (int i = 0; i < 4; i++)
        for (int more = 0; more < 2; more++)
            for (int histogram = 0; histogram < 2 - (i == 0); histogram++) {
                char text[200];
                uint32_t asked = 0;
                omen_facets *f;
                omen_error err = {0};
                snprintf(text, sizeof text, "{\"x\":{\"path\":\"%c\",\"maxValues\":%u%s}}", "wifl"[i], (unsigned)rows - more, histogram ? ",\"histogram\":{\"interval\":1}" : "");
                omen_facets_request *r = request_of(&m.x.mem, text);
                REQUIRE(r != NULL);
                REQUIRE_OK(omen_facets_new(&m.x.mem, r, &f, NULL));
                CHECK_STATUS(count_part(f, &m, docs, m.columns, NULL, NULL, &asked, &err), more ? OMEN_ERR_LIMIT : OMEN_OK);
                CHECK(!more || strstr(err.text, "2999") != NULL);
                CHECK_EQ_UINT(asked, 0);
                omen_facets_free(f);
                omen_facets_request_free(r);
            }
    free_all(&m, docs);
    model_deinit(&m);
}

/* ---- what goes wrong ---- */

TEST(wrong_contents_are_harmless) {
    model m;
    uint32_t refused = 0;
    model_init(&m, 300, 0, 1 << 20);
    for (uint32_t i = 0; i < m.rows; i++) m.docs[i] = random_doc(i);
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    omen_json **docs = parse_all(&m);
    static const int64_t interval = 10;
    for (int round = 0; round < 200; round++) {
        model d;
        REQUIRE_OK(model_damage(&m, &d));
        omen_status s = model_open(&d, NULL);
        CHECK(s == OMEN_OK || s == OMEN_ERR_CORRUPT || s == OMEN_ERR_VERSION);
        for (uint32_t i = 0; i < OMEN_ARRAY_LEN(paths) && s == OMEN_OK; i++) {
            char *text = i % 2 == 0 ? request_text(&interval, 5, i, 1) : strdup("{\"at\":{\"values\":true,\"histogram\":{\"interval\":\"9999 years\"}},\"o.any\":{\"histogram\":{\"interval\":\"second\"}}}");
            omen_facets_request *r = request_of(&d.x.mem, text);
            omen_facets *f;
            omen_buf out;
            uint32_t asked = 0;
            REQUIRE(r != NULL);
            REQUIRE_OK(omen_facets_new(&d.x.mem, r, &f, NULL));
            omen_status c = count_part(f, &d, docs, d.columns, NULL, NULL, &asked, NULL);
            CHECK(c == OMEN_OK || c == OMEN_ERR_CORRUPT);
            refused += c != OMEN_OK;
            omen_buf_init(&out, &d.x.mem);
            CHECK_OK(answer(f, &out));
            omen_buf_deinit(&out);
            omen_facets_free(f);
            omen_facets_request_free(r);
            free(text);
        }
        model_damage_deinit(&d);
    }
    CHECK(refused != 0);
    free_all(&m, docs);
    model_deinit(&m);
}

TEST(faults_while_counting_are_said) {
    model m;
    model_init(&m, 5000, 0, 1 << 20);
    for (uint32_t i = 0; i < m.rows; i++) m.docs[i] = random_doc(i);
    REQUIRE_OK(model_build(&m, NULL));
    omen_json **docs = parse_all(&m);
    for (int what = 0; what < 2; what++) {
        omen_status s = OMEN_ERR_INTERNAL;
        uint32_t failed = 0, asked = 0;
        for (uint64_t n = 1; s != OMEN_OK && n < 2000; n++) {
            omen_columns_free(m.columns);
            omen_segment_close(m.segment);
            m.columns = NULL;
            m.segment = NULL;
            REQUIRE_OK(model_open(&m, NULL));
            omen_json *j;
            omen_facets_request *r = NULL;
            omen_facets *f = NULL, *g = NULL;
            omen_buf out;
            omen_buf_init(&out, &m.x.mem);
            REQUIRE_OK(omen_json_parse(&m.x.mem, str("{\"any\":{\"values\":true,\"ranges\":[{\"from\":1}],\"stats\":true},\"title\":{},\"tags\":{},\"colour\":{},\"flag\":{},\"at\":{\"histogram\":{\"interval\":\"month\"}}}"), &j, NULL));
            if (what == 0) fault_host_fail_alloc_at(m.x.host, n, true);
            else fault_storage_fail_at(m.fs, n, OMEN_ERR_IO, true);
            s = omen_facets_request_read(&m.x.mem, omen_json_root(j), &r, NULL);
            if (s == OMEN_OK) s = omen_facets_new(&m.x.mem, r, &f, NULL);
            if (s == OMEN_OK) s = omen_facets_new(&m.x.mem, r, &g, NULL);
            if (s == OMEN_OK) s = count_part(f, &m, docs, m.columns, NULL, NULL, &asked, NULL);
            if (s == OMEN_OK) s = omen_facets_merge(g, f, NULL);
            if (s == OMEN_OK) s = answer(g, &out);
            CHECK(s == OMEN_OK || s == (what == 0 ? OMEN_ERR_MEMORY : OMEN_ERR_IO));
            failed += s != OMEN_OK;
            if (what == 0) fault_host_fail_alloc_at(m.x.host, 0, false);
            else fault_storage_fail_at(m.fs, 0, OMEN_OK, false);
            omen_facets_free(f);
            omen_facets_free(g);
            omen_facets_request_free(r);
            omen_json_free(j);
            omen_buf_deinit(&out);
            CHECK_EQ_INT(omen_pool_metrics_of(m.x.store.pool)->pinned.value, 0);
        }
        CHECK_OK(s);
        CHECK(failed > 3);
    }
    free_all(&m, docs);
    model_deinit(&m);
}

TEST(a_large_part_is_counted_without_its_documents) {
    model m;
    if (TEST_EMULATED) TEST_SKIP("a large part, counted alike by every build");
    uint32_t rows = 100000, asked = 0;
    uint64_t due[50] = {0};
    model_init(&m, rows, 0, 8 << 20);
    omen_bits *accept = random_bits(&m.x.mem, rows, 50);
    for (uint32_t i = 0; i < rows; i++) {
        words t = {0};
        uint32_t k = (uint32_t)test_rand_below(50), l = (uint32_t)test_rand_below(50);
        say(&t, "{\"word\":\"w%02u\",\"list\":[\"w%02u\",\"w%02u\"]}", (unsigned)k, (unsigned)k, (unsigned)l);
        m.docs[i] = t.p;
        if (omen_bits_test(accept, i)) due[k]++;
    }
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    omen_facets_request *r = request_of(&m.x.mem, "{\"word\":{\"limit\":50},\"list\":{\"limit\":50}}");
    omen_facets *f;
    omen_buf out;
    omen_json *j;
    REQUIRE(r != NULL);
    omen_buf_init(&out, &m.x.mem);
    REQUIRE_OK(omen_facets_new(&m.x.mem, r, &f, NULL));
    REQUIRE_OK(count_part(f, &m, NULL, m.columns, accept, NULL, &asked, NULL));
    CHECK_EQ_UINT(asked, 0);
    REQUIRE_OK(answer(f, &out));
    REQUIRE_OK(omen_json_parse(&m.x.mem, str((char *)out.data), &j, NULL));
    const omen_json_val *values = omen_json_get(omen_json_get(omen_json_root(j), "word"), "values");
    CHECK_EQ_UINT(omen_json_count(values), 50);
    uint64_t last = UINT64_MAX;
    for (size_t i = 0; i < omen_json_count(values); i++) {
        omen_str name;
        uint64_t n;
        REQUIRE(omen_json_str(omen_json_get(omen_json_at(values, i), "value"), &name) && name.len == 3);
        REQUIRE(omen_json_u64(omen_json_get(omen_json_at(values, i), "count"), &n));
        CHECK_EQ_UINT(n, due[(name.data[1] - '0') * 10 + name.data[2] - '0']);
        CHECK(n <= last);
        last = n;
    }
    omen_json_free(j);
    omen_buf_deinit(&out);
    omen_facets_free(f);
    omen_facets_request_free(r);
    omen_bits_unref(accept);
    model_deinit(&m);
}

/* More different strings than a dictionary holds. */
TEST(strings_without_dictionary_are_counted) {
    model m;
    if (TEST_EMULATED) TEST_SKIP("a large part, counted alike by every build");
    uint32_t rows = 70000, asked = 0;
    model_init(&m, rows, 60, 1 << 20);
    for (uint32_t i = 0; i < rows; i++) {
        words t = {0};
        unsigned a = (unsigned)test_rand_below(10) == 0 ? 7 : (unsigned)i;
        say(&t, "{\"t\":\"title %u\",\"l\":[\"x%u\",\"x%u\"]}", a, a, (unsigned)test_rand_below(20) == 0 ? a : 3);
        m.docs[i] = t.p;
    }
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    omen_json **docs = parse_all(&m);
    omen_facets_request *r = request_of(&m.x.mem, "{\"t\":{\"maxValues\":100000,\"limit\":100000},\"l\":{\"maxValues\":100000,\"limit\":100000}}");
    omen_facets *f, *g;
    omen_buf got, want;
    REQUIRE(r != NULL);
    REQUIRE_OK(omen_facets_new(&m.x.mem, r, &f, NULL));
    REQUIRE_OK(omen_facets_new(&m.x.mem, r, &g, NULL));
    REQUIRE_OK(count_part(f, &m, docs, m.columns, NULL, NULL, &asked, NULL));
    CHECK_EQ_UINT(asked, 0);
    bool complete;
    const omen_column *c = omen_columns_find(m.columns, OMEN_STR("t"), &complete);
    REQUIRE(c != NULL && omen_columns_series(m.columns, c, 0, OMEN_SERIES_STRING)->dict_count == 0);
    for (uint32_t i = 0; i < rows; i++) REQUIRE_OK(omen_facets_doc(g, omen_json_root(docs[i]), NULL));
    omen_buf_init(&got, &m.x.mem);
    omen_buf_init(&want, &m.x.mem);
    CHECK_OK(answer(f, &got));
    CHECK_OK(answer(g, &want));
    CHECK(got.len == want.len && memcmp(got.data, want.data, got.len) == 0);
    omen_value_path path;
    omen_values *v;
    omen_status s = OMEN_OK;
    REQUIRE_OK(omen_value_path_read(&m.x.mem, str("t"), &path, NULL));
    REQUIRE_OK(omen_values_new(m.columns, &path, &v, NULL));
    for (uint32_t i = 0; i < rows; i += 11) {
        omen_value x, y = omen_value_of(omen_json_get(omen_json_root(docs[i]), "t"));
        STEP(s, omen_values_get(v, i, &x, NULL));
        REQUIRE_OK(s);
        CHECK(x.kind == OMEN_VALUE_STRING && x.text.len == y.text.len && memcmp(x.text.data, y.text.data, x.text.len) == 0);
    }
    omen_values_free(v);
    omen_value_path_deinit(&path);
    omen_buf_deinit(&got);
    omen_buf_deinit(&want);
    omen_facets_free(f);
    omen_facets_free(g);
    omen_facets_request_free(r);
    free_all(&m, docs);
    model_deinit(&m);
}

TEST_MAIN()
