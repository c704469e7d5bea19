/* columns_model.h - parts of random documents, written as columns into a segment in memory. */
#ifndef OMEN_COLUMNS_MODEL_H
#define OMEN_COLUMNS_MODEL_H

#include <stdarg.h>

#include "base/json.h"
#include "column/columns_build.h"
#include "store_fixture.h"
#include "test.h"

typedef struct model {
    fault_storage *fs;
    fixture x;
    uint32_t rows;
    char **docs;
    uint64_t window;  /* of the builder; 0: its own */
    unsigned pending; /* percent of documents that pend first */
    uint64_t asked;
    omen_row_source source;
    omen_segment_info info;
    omen_segment *segment;
    omen_columns *columns;
} model;

static TEST_UNUSED omen_status model_doc(void *ctx, uint32_t row, omen_str *out, omen_error *err) {
    model *m = ctx;
    (void)err;
    if (m->pending != 0 && ++m->asked % (100 / m->pending + 1) == 0) return OMEN_PENDING;
    *out = (omen_str){m->docs[row], strlen(m->docs[row])};
    return OMEN_OK;
}

static TEST_UNUSED void model_init(model *m, uint32_t rows, unsigned pending, uint64_t pool) {
    memset(m, 0, sizeof *m);
    m->fs = fault_storage_new(test_rand());
    fault_storage_set_pending(m->fs, pending);
    fixture_init(&m->x, m->fs, 7, pool);
    m->rows = rows;
    m->pending = pending;
    m->docs = calloc(rows + 1, sizeof *m->docs);
    m->source = (omen_row_source){.ctx = m, .rows = rows, .doc = model_doc};
}

static TEST_UNUSED omen_status model_build(model *m, omen_error *err) {
    omen_segment_writer *w = NULL;
    omen_columns_builder *b = NULL;
    bool done = false;
    omen_status s;
    STEP(s, omen_segment_writer_new(&m->x.store, 1, &w, err));
    if (s == OMEN_OK) s = omen_columns_builder_new(&m->x.mem, &m->source, &b, err);
    if (s == OMEN_OK && m->window != 0) b->window_most = m->window;
    while (s == OMEN_OK && !done) STEP(s, omen_columns_builder_step(b, w, &done, err));
    if (s == OMEN_OK) STEP(s, omen_segment_writer_finish(w, &m->info, err));
    omen_columns_builder_free(b);
    omen_segment_writer_free(w);
    return s;
}

static TEST_UNUSED omen_status model_open(model *m, omen_error *err) {
    omen_status s;
    STEP(s, omen_segment_open(&m->x.store, &m->info, &m->segment, err));
    if (s == OMEN_OK) STEP(s, omen_columns_open(&m->x.store, m->segment, m->rows, &m->columns, err));
    return s;
}

static TEST_UNUSED void model_deinit(model *m) {
    omen_columns_free(m->columns);
    omen_segment_close(m->segment);
    for (uint32_t i = 0; i < m->rows; i++) free(m->docs[i]);
    free(m->docs);
    CHECK_EQ_UINT(fixture_deinit(&m->x), 0);
    fault_storage_free(m->fs);
}

/* ---- random documents ---- */

typedef struct words { char *p; size_t len, cap; } words;

static TEST_UNUSED void say(words *t, const char *format, ...) {
    va_list args;
    if (t->cap - t->len < 2048) t->p = realloc(t->p, t->cap = t->cap * 2 + 4096);
    va_start(args, format);
    t->len += (size_t)vsnprintf(t->p + t->len, t->cap - t->len, format, args);
    va_end(args);
}

static TEST_UNUSED void random_string(words *t) {
    static const char *const some[] = {"", "a", "red", "green", "blue", "redder", "gr\\u00fcn", "x.y", "ab\\\\c", "zebra", "Red", "\\u0000"};
    switch (test_rand_below(8)) {
    case 0: say(t, "\"n%u\"", (unsigned)test_rand_below(100000)); break;
    case 1:
        if (test_rand_below(10) == 0) {
            say(t, "\"%0*u\"", 257 + (int)test_rand_below(3), 7u);
            break;
        }
        say(t, "\"%0*u\"", 250 + (int)test_rand_below(7), (unsigned)test_rand_below(3));
        break;
    default: say(t, "\"%s\"", some[test_rand_below(OMEN_ARRAY_LEN(some))]);
    }
}

static TEST_UNUSED void random_number(words *t) {
    static const char *const edges[] = {"9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615", "-0", "-0.0", "0.5",
                                        "9007199254740993", "9007199254740992.0", "1e300", "-1e300", "5e-324", "1e19", "3.0", "9223372036854775808.0"};
    switch (test_rand_below(6)) {
    case 0: say(t, "%s", edges[test_rand_below(OMEN_ARRAY_LEN(edges))]); break;
    case 1: say(t, "%d.%u", (int)test_rand_below(20) - 10, (unsigned)test_rand_below(4) * 25); break;
    case 2: say(t, "%d", (int)test_rand_below(200000) - 100000); break;
    default: say(t, "%d", (int)test_rand_below(20) - 5);
    }
}

static TEST_UNUSED void random_time(words *t) {
    say(t, "\"20%02u-%02u-%02uT%02u:%02u:%02u%s\"", (unsigned)test_rand_below(30), 1 + (unsigned)test_rand_below(12), 1 + (unsigned)test_rand_below(28), (unsigned)test_rand_below(24),
        (unsigned)test_rand_below(60), (unsigned)test_rand_below(60), test_rand_below(3) == 0 ? "+02:00" : test_rand_below(2) == 0 ? ".125Z" : "Z");
}

static TEST_UNUSED void random_value(words *t, int depth) {
    switch (test_rand_below(depth > 3 ? 7 : 10)) {
    case 0: say(t, "null"); break;
    case 1: say(t, test_rand_below(2) ? "true" : "false"); break;
    case 2:
    case 3: random_number(t); break;
    case 4: random_time(t); break;
    case 5:
    case 6: random_string(t); break;
    case 7:
    case 8:
        say(t, "[");
        for (uint64_t n = test_rand_below(5), i = 0; i < n; i++) {
            if (i != 0) say(t, ",");
            random_value(t, test_rand_below(20) == 0 ? depth + 1 : 9);
        }
        say(t, "]");
        break;
    default:
        say(t, "{");
        for (uint64_t n = test_rand_below(4), i = 0; i < n; i++) {
            static const char *const names[] = {"a", "b", "c.d", "e\\\\f", "", "a"};
            say(t, "%s\"%s\":", i != 0 ? "," : "", names[test_rand_below(OMEN_ARRAY_LEN(names))]);
            random_value(t, depth + 1);
        }
        say(t, "}");
    }
}

/* Members of one type and of mixed ones, rare and frequent ones, nested ones. */
static TEST_UNUSED char *random_doc(uint32_t row) {
    words t = {0};
    if (test_rand_below(40) == 0) return strdup(test_rand_below(2) ? "" : "{}");
    say(&t, "{\"n\":%u", (unsigned)row);
    if (test_rand_below(10) != 0) say(&t, ",\"year\":%u", 1990 + (unsigned)test_rand_below(40));
    if (test_rand_below(3) != 0) say(&t, ",\"price\":%u.%02u", (unsigned)test_rand_below(100), (unsigned)test_rand_below(100));
    if (test_rand_below(8) != 0) {
        say(&t, ",\"colour\":");
        static const char *const colours[] = {"red", "green", "blue", "black"};
        say(&t, "\"%s\"", colours[test_rand_below(4)]);
    }
    if (test_rand_below(2)) {
        say(&t, ",\"at\":");
        random_time(&t);
    }
    if (test_rand_below(2)) say(&t, ",\"flag\":%s", test_rand_below(2) ? "true" : "false");
    if (test_rand_below(2)) {
        say(&t, ",\"tags\":[");
        for (uint64_t n = test_rand_below(4), i = 0; i < n; i++) {
            if (i != 0) say(&t, ",");
            random_string(&t);
        }
        say(&t, "]");
    }
    if (test_rand_below(2)) say(&t, ",\"scores\":[%d,%d]", (int)test_rand_below(100), (int)test_rand_below(100) - 50);
    if (test_rand_below(2)) {
        say(&t, ",\"title\":");
        say(&t, "\"title %u\"", (unsigned)test_rand_below(1000000));
    }
    if (test_rand_below(2)) {
        say(&t, ",\"any\":");
        random_value(&t, 0);
    }
    if (test_rand_below(2)) {
        say(&t, ",\"o\":{\"k\":%u,\"any\":", (unsigned)test_rand_below(5));
        random_value(&t, 0);
        say(&t, "}");
    }
    static const char *const places[] = {"[%d,%d]", "{\"lon\":%d,\"lat\":%d}", "{\"type\":\"Point\",\"coordinates\":[%d,%d]}", "[[%d,%d],[9,9]]", "\"%d,%d\""};
    if (test_rand_below(3) == 0) {
        char place[64];
        snprintf(place, sizeof place, places[test_rand_below(5)], (int)test_rand_below(60) - 20, (int)test_rand_below(60) - 20);
        say(&t, ",\"place\":%s", place);
    }
    if (test_rand_below(500) == 0) say(&t, ",\"rare\":%u", (unsigned)test_rand_below(1000000));
    say(&t, "}");
    return t.p;
}

#endif
