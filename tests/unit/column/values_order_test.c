/* The first rows by a path are those that sorting all documents gives. */
#include "column/filter.h"
#include "column/values_order.h"
#include "columns_model.h"

static omen_str str(const char *s) { return (omen_str){s, strlen(s)}; }

static const char *const paths[] = {"n", "year", "price", "colour", "at", "flag", "tags", "title", "any", "o.any", "rare", "nowhere"};

typedef struct sorted { omen_value v; uint32_t row; bool descending; } sorted;

static bool scalar(const omen_value *v) { return v->kind >= OMEN_VALUE_BOOL && v->kind <= OMEN_VALUE_STRING; }

static int order(const sorted *x, const sorted *y) {
    if (!scalar(&x->v) || !scalar(&y->v)) return !scalar(&x->v) - !scalar(&y->v);
    omen_filter_value c[2];
    for (int i = 0; i < 2; i++) {
        const omen_value *v = i == 0 ? &x->v : &y->v;
        c[i] = (omen_filter_value){.type = v->kind == OMEN_VALUE_BOOL ? OMEN_FILTER_BOOL : v->kind == OMEN_VALUE_INT ? OMEN_FILTER_INT : v->kind == OMEN_VALUE_FLOAT ? OMEN_FILTER_DOUBLE : OMEN_FILTER_STRING};
        if (v->kind == OMEN_VALUE_FLOAT) c[i].as.d = v->d;
        else c[i].as.i = v->i;
        if (v->kind == OMEN_VALUE_STRING) c[i] = (omen_filter_value){.type = OMEN_FILTER_STRING, .len = (uint32_t)v->text.len, .as.offset = (uint64_t)(uintptr_t)v->text.data};
    }
    int o = omen_filter_order(NULL, &c[0], &c[1]);
    return x->descending ? -o : o;
}

static int by_order(const void *a, const void *b) {
    const sorted *x = a, *y = b;
    int o = order(x, y);
    return o != 0 ? o : (x->row > y->row) - (x->row < y->row);
}

static void run(uint32_t rows, unsigned pending, int rounds) {
    model m;
    model_init(&m, rows, pending, 1 << 20);
    for (uint32_t i = 0; i < rows; i++) m.docs[i] = random_doc(i);
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open(&m, NULL));
    omen_json **docs = calloc(rows + 1, sizeof *docs);
    for (uint32_t i = 0; i < rows; i++)
        if (m.docs[i][0] != 0) REQUIRE_OK(omen_json_parse(&m.x.mem, str(m.docs[i]), &docs[i], NULL));
    for (int round = 0; round < rounds; round++) {
        bool descending = test_rand_below(2), done = false;
        uint32_t k = 1 + (uint32_t)test_rand_below(test_rand_below(2) ? 10 : 2 * rows + 1), row = 0, n = 0, kept = 0;
        omen_bits *accept = test_rand_below(2) ? NULL : omen_bits_new(&m.x.mem, rows), *dead = test_rand_below(2) ? NULL : omen_bits_new(&m.x.mem, rows), *ask = omen_bits_new(&m.x.mem, rows);
        for (uint32_t i = 0; i < rows; i++) {
            if (accept != NULL && (i / 500 + test_rand_below(2)) % 3 != 0) omen_bits_set(accept, i);
            if (dead != NULL && test_rand_below(5) == 0) omen_bits_set(dead, i);
        }
        omen_value_path path;
        omen_values *v;
        omen_order *o;
        omen_status s = OMEN_OK;
        REQUIRE_OK(omen_value_path_read(&m.x.mem, str(paths[round % OMEN_ARRAY_LEN(paths)]), &path, NULL));
        REQUIRE_OK(omen_values_new(m.columns, &path, &v, NULL));
        REQUIRE_OK(omen_order_new(&m.x.mem, k, descending, &o, NULL));
        while (s == OMEN_OK && !done) STEP(s, omen_order_part(o, v, 9, rows, accept, dead, &row, 1 + (uint32_t)test_rand_below(5000), ask, &done, NULL));
        CHECK_OK(s);
        sorted *all = calloc(rows + 1, sizeof *all);
        for (uint32_t i = 0; i < rows; i++) {
            if ((accept != NULL && !omen_bits_test(accept, i)) || omen_bits_test(dead, i)) {
                CHECK(!omen_bits_test(ask, i));
                continue;
            }
            all[n] = (sorted){omen_value_of(omen_value_path_reach(&path, docs[i] == NULL ? NULL : omen_json_root(docs[i]))), i, descending};
            if (omen_bits_test(ask, i)) CHECK_OK(omen_order_offer(o, 9, i, &all[n].v, NULL));
            n++;
        }
        CHECK(ask->ones <= n / 4 + 2);
        if (n != 0) qsort(all, n, sizeof *all, by_order);
        kept = OMEN_MIN(n, k);
        while (kept != 0 && kept < n && order(&all[kept - 1], &all[kept]) == 0) kept++;
        uint32_t found = omen_order_finish(o);
        CHECK_EQ_UINT(found, kept);
        for (uint32_t i = 0; i < OMEN_MIN(kept, found); i++) {
            uint32_t source, got;
            omen_str form;
            omen_order_get(o, i, &source, &got, &form);
            CHECK_EQ_UINT(source, 9);
            CHECK_EQ_UINT(got, all[i].row);
            CHECK((form.len != 0) == scalar(&all[i].v));
        }
        free(all);
        omen_order_free(o);
        omen_values_free(v);
        omen_value_path_deinit(&path);
        omen_bits_unref(accept);
        omen_bits_unref(dead);
        omen_bits_unref(ask);
    }
    CHECK_EQ_INT(omen_pool_metrics_of(m.x.store.pool)->pinned.value, 0);
    for (uint32_t i = 0; i < rows; i++) omen_json_free(docs[i]);
    free(docs);
    model_deinit(&m);
}

TEST(the_first_rows_are_those_of_sorting) {
    run(0, 0, 3);
    run(1, 0, 60);
    run(200, 0, 100);
    run(9000, 0, 36);
}

TEST(they_are_so_when_everything_pends) { run(1500, 40, 24); }

TEST(no_memory_is_said) {
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    fixture_init(&x, fs, 1, 1 << 20);
    omen_status s = OMEN_ERR_INTERNAL;
    uint32_t failed = 0;
    for (uint64_t n = 1; s != OMEN_OK && n < 100; n++) {
        omen_order *o = NULL;
        fault_host_fail_alloc_at(x.host, n, true);
        s = omen_order_new(&x.mem, 100, false, &o, NULL);
        for (uint32_t i = 0; i < 5000 && s == OMEN_OK; i++) s = omen_order_offer(o, 0, i, &(omen_value){.kind = OMEN_VALUE_INT, .i = (int64_t)((uint64_t)i * 2654435761u % 5003)}, NULL);
        fault_host_fail_alloc_at(x.host, 0, false);
        CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY);
        failed += s != OMEN_OK;
        omen_order_free(o);
    }
    CHECK_OK(s);
    CHECK(failed > 3);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

TEST_MAIN()
