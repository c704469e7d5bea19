/* Columns asked directly - by conditions, facets and single rows: what they answer at the edges of values; and columns whose directory, offsets or codes are wrong behind
 * right checksums, which cannot be read, or for which memory runs out. */
#include "columns_model.h"

#include "column/columns_condition.h"
#include "column/columns_dict.h"
#include "column/facets.h"
#include "column/filter_build.h"
#include "column/values.h"
#include "segment_copy.h"

enum { ROWS = 4160 /* a block, and one more of 64 rows */ };

/* What rows have is a function of their number. */
static char *doc_of(uint32_t i) {
    static const char *const colours[] = {"red", "green", "blue", ""};
    words t = {0};
    say(&t, "{\"b\":%s,\"i\":%d,\"c\":7,\"k\":\"same\",\"s\":\"%s\",\"f\":%d.5,\"t\":\"2020-01-%02uT00:00:00Z\"", i % 3 == 0 ? "true" : "false", (int)i - 100, colours[i % 4], (int)i - 50, (unsigned)i % 28 + 1);
    say(&t, ",\"p\":\"title %05u of all\"", (unsigned)i);
    if (i % 50 == 0) say(&t, ",\"short\":\"title 00\"");
    else say(&t, ",\"short\":\"title %05u\"", (unsigned)i);
    if (i % 5 == 0) say(&t, ",\"none\":null");
    if (i % 7 == 0) say(&t, ",\"some\":%u,\"o\":{\"in\":%u}", (unsigned)i % 11, (unsigned)i);
    if (i % 2 == 1) say(&t, ",\"a\":[%u,%u.5,null,%u.0],\"w\":[\"x\",\"2020-01-0%u\",\"y%u\"],\"q\":[\"element number %u\"],\"y\":[true]", (unsigned)i % 9, (unsigned)i % 5, (unsigned)i % 9, (unsigned)i % 9 + 1,
                         (unsigned)i % 300, (unsigned)i);
    if (i % 3 == 0) say(&t, ",\"huge\":[%u,1e300,-1e300,2.5],\"mix\":[%u,%u.25]", (unsigned)i % 5, (unsigned)i % 7, (unsigned)i % 9);
    if (i % 1000 == 77) {
        say(&t, ",\"long\":\"");
        for (int k = 0; k < 300; k++) say(&t, "l");
        say(&t, "\"");
    }
    say(&t, ",\"big\":%lld,\"wide\":%llu}", (long long)(i % 2 == 0 ? INT64_MAX - i : INT64_MIN + i), (unsigned long long)i * 1000003);
    return t.p;
}

static void build(model *m, uint32_t rows) {
    model_init(m, rows, 0, 1 << 20);
    for (uint32_t i = 0; i < rows; i++) m->docs[i] = doc_of(i);
    REQUIRE_OK(model_build(m, NULL));
    REQUIRE_OK(model_open(m, NULL));
}

/* ---- questions ---- */

#define NUMBERS(from, to) {.kind = OMEN_RANGE_NUMBERS, .look = 3, .low = from, .high = to}
#define TEXTS(what, from, to) {.kind = what, .look = 3, .low = from, .high = to}
#define INT(n, is_open) {.type = OMEN_LIMIT_INT, .integer = n, .open = is_open}
#define FLOAT(n, is_open) {.type = OMEN_LIMIT_FLOAT, .number = n, .open = is_open}
#define TEXT(s, is_open) {.type = OMEN_LIMIT_TEXT, .text = {s, sizeof s - 1}, .open = is_open}
#define NO {.type = OMEN_LIMIT_NONE}

static const omen_range ranges[] = {
    NUMBERS(INT(5, false), INT(5, false)), NUMBERS(INT(5, true), INT(8, true)), NUMBERS(FLOAT(5.0, false), FLOAT(8.0, false)), NUMBERS(FLOAT(5.0, true), FLOAT(8.0, true)),
    NUMBERS(FLOAT(-5.5, true), FLOAT(8.25, false)), NUMBERS(FLOAT(-1e300, false), FLOAT(1e300, false)), NUMBERS(FLOAT(0x1p63, false), NO), NUMBERS(NO, FLOAT(-0x1p64, false)),
    NUMBERS(INT(INT64_C(9007199254740995), false), NO), NUMBERS(NO, INT(INT64_MAX, true)), NUMBERS(INT(INT64_MAX, true), NO), NUMBERS(NO, INT(INT64_MIN, true)),
    NUMBERS(INT(-INT64_C(9007199254740993), true), INT(INT64_C(9007199254740993), true)), NUMBERS(FLOAT(0.0, true), NO), NUMBERS(NO, FLOAT(-0.0, true)), NUMBERS(NO, NO),
    NUMBERS(FLOAT(-0x1p63, true), FLOAT(0x1p62, true)), NUMBERS(INT(INT64_MAX - 2, false), INT(INT64_MAX, false)), NUMBERS(FLOAT(9.5, false), FLOAT(3.0, false)),
    NUMBERS(FLOAT(__builtin_nan(""), false), NO), NUMBERS(NO, FLOAT(__builtin_nan(""), false)), NUMBERS(INT(7, false), INT(7, false)),
    TEXTS(OMEN_RANGE_STRINGS, TEXT("title 00007 of all", true), TEXT("title 00009 of all", true)), TEXTS(OMEN_RANGE_STRINGS, TEXT("title 00007", false), TEXT("title 00009", false)),
    TEXTS(OMEN_RANGE_STRINGS, TEXT("blue", true), TEXT("red", true)), TEXTS(OMEN_RANGE_STRINGS, TEXT("blue", false), NO), TEXTS(OMEN_RANGE_STRINGS, NO, TEXT("green", false)),
    TEXTS(OMEN_RANGE_STRINGS, TEXT("green", false), TEXT("green", false)), TEXTS(OMEN_RANGE_STRINGS, NO, TEXT("", true)), TEXTS(OMEN_RANGE_STRINGS, TEXT("", true), NO),
    TEXTS(OMEN_RANGE_PREFIX, TEXT("title 00011", false), NO), TEXTS(OMEN_RANGE_PREFIX, TEXT("title 0", false), NO), TEXTS(OMEN_RANGE_PREFIX, TEXT("", false), NO), TEXTS(OMEN_RANGE_PREFIX, TEXT("gr", false), NO),
    TEXTS(OMEN_RANGE_PREFIX, TEXT("element number 1", false), NO), TEXTS(OMEN_RANGE_SUBSTRING, TEXT("29 of", false), NO), TEXTS(OMEN_RANGE_SUBSTRING, TEXT("e", false), NO), TEXTS(OMEN_RANGE_SUBSTRING, TEXT("y2", false), NO),
    TEXTS(OMEN_RANGE_TIMES, INT(INT64_C(1578000000000000), false), NO), TEXTS(OMEN_RANGE_TIMES, NO, INT(INT64_C(1578000000000000), true)),
};

static const char *const paths[] = {"b", "i", "c", "k", "s", "f", "t", "p", "short", "none", "some", "o", "o.in", "a", "w", "q", "y", "long", "big", "wide", "huge", "mix", "nowhere"};

typedef struct fact { int kind; double d; int64_t i; omen_str s; } fact; /* 'i', 'd', 's' or 0 */

static fact fact_of(const omen_json_val *v) {
    fact f = {0};
    if (omen_json_str(v, &f.s)) f.kind = 's';
    else if (omen_json_i64(v, &f.i)) f.kind = 'i';
    else if (omen_json_f64(v, &f.d)) f.kind = 'd';
    return f;
}

/* The order of a number and a limit: exact in long double only where that has 64 bits, so integers are compared as such. */
static int order_of(const fact *f, const omen_limit *l) {
    if (l->type == OMEN_LIMIT_TEXT) return omen_str_order(f->s, l->text);
    if (f->kind == 'i' && l->type == OMEN_LIMIT_INT) return (f->i > l->integer) - (f->i < l->integer);
    if (f->kind == 'd' && l->type == OMEN_LIMIT_FLOAT) return (f->d > l->number) - (f->d < l->number);
    omen_filter_value a = f->kind == 'i' ? omen_value_int(f->i) : omen_value_double(f->d), c = l->type == OMEN_LIMIT_INT ? omen_value_int(l->integer) : omen_value_double(l->number);
    return omen_filter_order(NULL, &a, &c);
}

static bool fits(const omen_range *r, const omen_json_val *v) {
    fact f = fact_of(v);
    if ((r->kind == OMEN_RANGE_NUMBERS) != (f.kind == 'i' || f.kind == 'd') || f.kind == 0) return false;
    if (r->kind == OMEN_RANGE_PREFIX) return f.s.len >= r->low.text.len && memcmp(f.s.data, r->low.text.data, r->low.text.len) == 0;
    if (r->kind == OMEN_RANGE_SUBSTRING) return strstr(f.s.data, r->low.text.data) != NULL;
    if (r->kind == OMEN_RANGE_TIMES) {
        int64_t at;
        if (!omen_time_parse(f.s, &at)) return false;
        f = (fact){.kind = 'i', .i = at};
    }
    for (int side = 0; side < 2; side++) {
        const omen_limit *l = side == 0 ? &r->low : &r->high;
        if (l->type == OMEN_LIMIT_NONE) continue;
        if (l->type == OMEN_LIMIT_FLOAT && l->number != l->number) return false;
        int order = side == 0 ? order_of(&f, l) : -order_of(&f, l);
        if (order < 0 || (order == 0 && l->open)) return false;
    }
    return true;
}

static bool fulfils(const omen_condition *k, const omen_json_val *v) {
    if (v == NULL) return (k->kinds & OMEN_KIND_MISSING) != 0;
    if ((k->kinds & OMEN_KIND_PRESENT) != 0) return true;
    bool array = omen_json_is_array(v);
    size_t n = array ? omen_json_count(v) : 1;
    if (k->sized && array && n >= k->least_size && n <= k->most_size) return true;
    for (size_t i = 0; i < n; i++) {
        const omen_json_val *e = array ? omen_json_at(v, i) : v;
        uint32_t look = array ? OMEN_LOOK_ELEMENTS : OMEN_LOOK_VALUE;
        bool truth;
        if ((k->look & look) != 0 && omen_json_is_null(e) && (k->kinds & OMEN_KIND_NULL) != 0) return true;
        if ((k->look & look) != 0 && omen_json_bool(e, &truth) && (k->kinds & (truth ? OMEN_KIND_TRUE : OMEN_KIND_FALSE)) != 0) return true;
        for (uint32_t r = 0; r < k->range_count; r++)
            if ((k->ranges[r].look & look) != 0 && fits(&k->ranges[r], e)) return true;
    }
    return false;
}

/* One condition over all rows: the first failure. docs: what rows are to be, or NULL. */
static omen_status ask(model *m, const omen_condition *k, omen_json **docs, omen_error *err) {
    static omen_known known;
    omen_bound *b = NULL;
    omen_status s = omen_bound_new(m->columns, k, &b, err);
    if (s == OMEN_OK) STEP(s, omen_bound_prepare(b, err));
    for (uint32_t block = 0; s == OMEN_OK && block * OMEN_COLUMN_BLOCK < m->rows; block++) {
        STEP(s, omen_bound_block(b, block, &known, err));
        uint32_t first = block * OMEN_COLUMN_BLOCK, wrong = 0;
        omen_value_path path = {0};
        if (docs != NULL) CHECK_OK(omen_value_path_read(&m->x.mem, k->path, &path, NULL));
        for (uint32_t i = 0; docs != NULL && s == OMEN_OK && first + i < m->rows && i < OMEN_COLUMN_BLOCK; i += i >= 256 && i < 4000 ? 17 : 1) {
            bool due = fulfils(k, omen_value_path_reach(&path, omen_json_root(docs[first + i])));
            bool sure = known.sure[i / 64] >> i % 64 & 1, perhaps = known.perhaps[i / 64] >> i % 64 & 1;
            wrong += (sure && !due) || (due && !perhaps);
        }
        omen_value_path_deinit(&path);
        if (!CHECK_EQ_UINT(wrong, 0)) printf("    of %.*s, first range of kind %d\n", (int)k->path.len, k->path.data, k->range_count != 0 ? (int)k->ranges[0].kind : -1);
    }
    omen_bound_free(b);
    return s;
}

static omen_condition about(const char *path) { return (omen_condition){.path = {path, strlen(path)}}; }

/* Kinds, sizes and a range at once. */
static omen_condition looking_everywhere(const char *path, size_t range, bool doubtful) {
    return (omen_condition){.path = {path, strlen(path)}, .kinds = OMEN_KIND_NULL | OMEN_KIND_TRUE, .look = OMEN_LOOK_VALUE | OMEN_LOOK_ELEMENTS,
                            .sized = true, .least_size = 3, .most_size = 9, .doubtful = doubtful, .ranges = &ranges[range], .range_count = 1};
}

TEST(conditions_are_exact_at_their_limits) {
    model m;
    build(&m, ROWS);
    omen_json **docs = calloc(ROWS, sizeof *docs);
    for (uint32_t i = 0; i < ROWS; i++) CHECK_OK(omen_json_parse(&m.x.mem, (omen_str){m.docs[i], strlen(m.docs[i])}, &docs[i], NULL));
    for (size_t p = 0; p < OMEN_ARRAY_LEN(paths); p++) {
        omen_condition k = about(paths[p]);
        for (size_t r = 0; r < OMEN_ARRAY_LEN(ranges); r++) {
            k.ranges = &ranges[r];
            k.range_count = 1;
            CHECK_OK(ask(&m, &k, docs, NULL));
        }
        /* Several at once, beyond what is scanned one by one. */
        static const omen_range several[] = {NUMBERS(INT(3, false), INT(4, false)),   NUMBERS(INT(8, false), INT(8, false)),       NUMBERS(INT(20, false), INT(21, false)), NUMBERS(INT(21, false), INT(25, false)),
                                             NUMBERS(INT(40, false), INT(41, false)), NUMBERS(FLOAT(50.5, false), FLOAT(50.5, false)), NUMBERS(INT(60, false), INT(61, false)), NUMBERS(INT(20, false), INT(23, false)), NUMBERS(INT(22, false), INT(22, false))};
        static const omen_range words_of[] = {TEXTS(OMEN_RANGE_STRINGS, TEXT("red", false), TEXT("red", false)),       TEXTS(OMEN_RANGE_SUBSTRING, TEXT("lu", false), NO),
                                              TEXTS(OMEN_RANGE_STRINGS, TEXT("", false), TEXT("", false)),             TEXTS(OMEN_RANGE_STRINGS, TEXT("title 00003 of all", false), TEXT("title 00003 of all", false)),
                                              TEXTS(OMEN_RANGE_STRINGS, TEXT("same", false), TEXT("same", false)),     TEXTS(OMEN_RANGE_STRINGS, TEXT("title 00012", false), TEXT("title 00012", false))};
        k.ranges = several;
        k.range_count = OMEN_ARRAY_LEN(several);
        CHECK_OK(ask(&m, &k, docs, NULL));
        k.ranges = words_of;
        k.range_count = OMEN_ARRAY_LEN(words_of);
        CHECK_OK(ask(&m, &k, docs, NULL));
        k = about(paths[p]);
        for (uint32_t kinds = 1; kinds < 32; kinds++)
            for (uint32_t look = 0; look < 4; look++) {
                k.kinds = kinds;
                k.look = look;
                CHECK_OK(ask(&m, &k, docs, NULL));
            }
        k = about(paths[p]);
        k.sized = true;
        for (k.least_size = 0; k.least_size < 5; k.least_size++) {
            k.most_size = k.least_size + (k.least_size == 2);
            CHECK_OK(ask(&m, &k, docs, NULL));
        }
        k.doubtful = true;
        CHECK_OK(ask(&m, &k, docs, NULL));
    }
    for (uint32_t i = 0; i < ROWS; i++) omen_json_free(docs[i]);
    free(docs);
    model_deinit(&m);
}

enum { CONDITIONS = 1, FACETS = 2, VALUES = 4, ALL = 7 };

static bool forgetful; /* nothing read stays in memory from one look to the next */

/* Everything that reads columns, or some of it: the first failure. */
static omen_status ask_some(model *m, int what, omen_error *err) {
    static const char request[] = "{\"b\":{},\"i\":{\"values\":true,\"maxValues\":100000,\"stats\":true,\"ranges\":[{\"from\":1}]},\"c\":{},\"k\":{},\"s\":{},\"f\":{\"stats\":true,\"histogram\":{\"interval\":10}},\"p\":{\"maxValues\":100000},"
                                  "\"t\":{\"values\":true,\"histogram\":{\"interval\":\"day\"}},\"none\":{},\"some\":{\"ranges\":[{\"to\":5}],\"stats\":true},\"o\":{},\"a\":{\"values\":true},\"huge\":{},\"mix\":{\"histogram\":{\"interval\":2},\"values\":false},\"w\":{\"ranges\":[{\"from\":\"2020-01-03\"}]},"
                                  "\"q\":{\"maxValues\":100000},\"y\":{},\"long\":{},\"wide\":{\"stats\":true}}";
    omen_status s = OMEN_OK;
    for (size_t p = 0; (what & CONDITIONS) != 0 && p < OMEN_ARRAY_LEN(paths) && s == OMEN_OK; p++)
        for (size_t r = 0; r < OMEN_ARRAY_LEN(ranges) && s == OMEN_OK; r += r == 0 ? 22 : 3) {
            omen_condition k = looking_everywhere(paths[p], r, true);
            s = ask(m, &k, NULL, err);
            k.kinds = OMEN_KIND_PRESENT | OMEN_KIND_FALSE;
            if (s == OMEN_OK) s = ask(m, &k, NULL, err);
        }
    omen_json *j = NULL;
    omen_facets_request *r = NULL;
    omen_facets *f = NULL;
    omen_facets_part *part = NULL;
    bool done = (what & FACETS) == 0;
    if (s == OMEN_OK) s = omen_json_parse(&m->x.mem, (omen_str){request, sizeof request - 1}, &j, err);
    if (s == OMEN_OK) s = omen_facets_request_read(&m->x.mem, omen_json_root(j), &r, err);
    if (s == OMEN_OK) s = omen_facets_new(&m->x.mem, r, &f, err);
    if (s == OMEN_OK) s = omen_facets_part_new(f, m->columns, m->rows, NULL, NULL, &part, err);
    while (s == OMEN_OK && !done) STEP(s, omen_facets_part_step(part, 3, &done, err));
    for (uint32_t row; (what & FACETS) != 0 && s == OMEN_OK && (row = omen_facets_part_next(part)) != UINT32_MAX;) {
        omen_json *d = NULL;
        s = omen_json_parse(&m->x.mem, (omen_str){m->docs[row], strlen(m->docs[row])}, &d, err);
        if (s == OMEN_OK) s = omen_facets_part_doc(part, row, omen_json_root(d), err);
        omen_json_free(d);
    }
    omen_facets_part_free(part);
    omen_facets_free(f);
    omen_facets_request_free(r);
    omen_json_free(j);
    for (size_t p = 0; (what & VALUES) != 0 && p < OMEN_ARRAY_LEN(paths) && s == OMEN_OK; p++) {
        omen_value_path path = {0};
        omen_values *v = NULL;
        s = omen_value_path_read(&m->x.mem, (omen_str){paths[p], strlen(paths[p])}, &path, err);
        if (s == OMEN_OK) s = omen_values_new(m->columns, &path, &v, err);
        for (uint32_t row = 0; row < m->rows && s == OMEN_OK; row += row < 8 ? 1 : 211) {
            omen_value value;
            omen_values_rest(v);
            if (forgetful) segment_forget(&m->x, NULL);
            STEP(s, omen_values_get(v, row, &value, err));
        }
        omen_values_free(v);
        omen_value_path_deinit(&path);
    }
    return s;
}

static omen_status ask_all(model *m, omen_error *err) { return ask_some(m, ALL, err); }

/* ---- damage ---- */

/* A member of a column (type -1) or of one of its series, or of the header (no path), changed. */
typedef struct edit { const char *path; int type; uint32_t level; size_t at, size; uint64_t value; } edit;
static const edit *edits;
static size_t edit_count;

static uint8_t *place_of(uint8_t *bytes, const edit *e) {
    if (e->path == NULL) return bytes;
    uint32_t columns = omen_get32(bytes + 8), all = omen_get32(bytes + 12);
    omen_column *c = (omen_column *)(void *)(bytes + OMEN_COLUMNS_HEADER);
    omen_series *s = (omen_series *)(void *)(c + columns);
    const char *text = (const char *)(s + all);
    for (uint32_t i = 0; i < columns; i++) {
        if (c[i].path_len != strlen(e->path) || memcmp(text + c[i].path_at, e->path, c[i].path_len) != 0) continue;
        if (e->type < 0) return (uint8_t *)&c[i];
        for (uint32_t k = c[i].first_series; k < c[i].first_series + c[i].series_count; k++)
            if (s[k].type == e->type && s[k].level == e->level) return (uint8_t *)&s[k];
    }
    printf("    there is no %s of type %d\n", e->path, e->type);
    CHECK(false);
    return bytes;
}

static void apply(uint8_t *bytes, size_t len) {
    (void)len;
    for (size_t i = 0; i < edit_count; i++) memcpy(place_of(bytes, &edits[i]) + edits[i].at, &edits[i].value, edits[i].size);
}

static uint64_t member(const model *m, edit e) {
    uint64_t value = 0;
    memcpy(&value, place_of(m->columns->bytes, &e) + e.at, e.size);
    return value;
}

#define OF_HEADER(offset, v) {NULL, -1, 0, offset, 4, (uint64_t)(v)}
#define OF_COLUMN(path, name, v) {path, -1, 0, offsetof(omen_column, name), sizeof((omen_column *)0)->name, (uint64_t)(v)}
#define OF_SERIES(path, type, level, name, v) {path, OMEN_SERIES_##type, level, offsetof(omen_series, name), sizeof((omen_series *)0)->name, (uint64_t)(v)}

/* A copy of m's segment with these changes, in its store; opened as far as that goes. */
static omen_status copy_open(model *m, model *d, const segment_change *changes, size_t count, omen_error *err) {
    static uint64_t number = 10;
    *d = *m;
    d->segment = NULL;
    d->columns = NULL;
    segment_copy(&m->x.store, m->segment, number++, changes, count, &d->info);
    omen_status s;
    STEP(s, omen_segment_open(&m->x.store, &d->info, &d->segment, err));
    CHECK_OK(s);
    if (s == OMEN_OK) STEP(s, omen_columns_open(&m->x.store, d->segment, d->rows, &d->columns, err));
    return s;
}

static void copy_close(model *d) {
    omen_columns_free(d->columns);
    omen_segment_close(d->segment);
    fault_storage_delete(d->fs, omen_segment_file_name(d->info.number).text);
}

static void refused(model *m, const segment_change *change, size_t count, bool opens, omen_status status, const char *says) {
    model d;
    omen_error err = {0};
    omen_status s = copy_open(m, &d, change, count, &err);
    if (opens) CHECK_OK(s);
    else CHECK(d.columns == NULL);
    if (s == OMEN_OK) s = ask_all(&d, &err);
    CHECK_STATUS(s, status);
    if (!CHECK(strstr(err.text, says) != NULL)) printf("        %s: not \"%s\"\n", err.text, says);
    copy_close(&d);
}

static void refused_edit(model *m, edit e, const char *says) {
    const segment_change c = {.kind = OMEN_SECTION_COLUMNS, .edit = apply};
    edits = &e;
    edit_count = 1;
    refused(m, &c, 1, false, says[0] == 'n' && says[1] == 'e' && says[2] == 'w' ? OMEN_ERR_VERSION : OMEN_ERR_CORRUPT, says);
}

TEST(a_directory_that_cannot_be_is_refused) {
    model m;
    build(&m, ROWS);
    refused_edit(&m, (edit)OF_HEADER(0, 0), "head of the directory");
    refused_edit(&m, (edit)OF_HEADER(0, OMEN_COLUMNS_VERSION + 1), "newer OmenDB");
    refused_edit(&m, (edit)OF_HEADER(4, ROWS + 1), "head of the directory");
    refused_edit(&m, (edit)OF_HEADER(8, OMEN_COLUMN_MAX + 1), "counts of the directory");
    refused_edit(&m, (edit)OF_HEADER(8, 1), "counts of the directory");
    refused_edit(&m, (edit)OF_HEADER(12, OMEN_COLUMN_MAX * 2 * OMEN_SERIES_TYPES + 1), "counts of the directory");
    refused_edit(&m, (edit)OF_HEADER(16, 4), "head of the directory");
    refused_edit(&m, (edit)OF_HEADER(20, OMEN_COLUMN_MAX * OMEN_COLUMN_MAX_PATH + 1), "counts of the directory");
    refused_edit(&m, (edit)OF_HEADER(24, 8), "another length");
    refused_edit(&m, (edit)OF_HEADER(32, 8), "another length");
    refused_edit(&m, (edit)OF_HEADER(60, 1), "head of the directory");
    static const edit columns[] = {
        OF_COLUMN("a", zero, 1), OF_COLUMN("a", first_series, 1), OF_COLUMN("a", path_at, 1), OF_COLUMN("a", series_count, 5000), OF_COLUMN("a", present, 0), OF_COLUMN("a", present, ROWS + 1),
        OF_COLUMN("a", nulls, ROWS), OF_COLUMN("a", objects, UINT32_MAX), OF_COLUMN("a", arrays, ROWS), OF_COLUMN("a", others, ROWS), OF_COLUMN("b", elements, 1), OF_COLUMN("a", element_nulls, UINT32_MAX),
        OF_COLUMN("a", present_bits, OMEN_COLUMN_NONE), OF_COLUMN("none", null_bits, 1), OF_COLUMN("o", object_bits, 1u << 30), OF_COLUMN("a", array_bits, UINT64_MAX - 63), OF_COLUMN("long", other_bits, 32),
        OF_COLUMN("a", array_offsets, OMEN_COLUMN_NONE), OF_COLUMN("a", element_null_bits, OMEN_COLUMN_NONE), OF_COLUMN("b", array_offsets, 0), OF_COLUMN("a", path_len, 60000), OF_COLUMN("wide", path_len, 500)};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(columns); i++) refused_edit(&m, columns[i], "a column is wrong");
    static const edit series[] = {
        OF_SERIES("b", BOOL, 0, type, OMEN_SERIES_TYPES), OF_SERIES("b", BOOL, 0, level, 2), OF_SERIES("b", BOOL, 0, exact, 2), OF_SERIES("b", BOOL, 0, zero, 1), OF_SERIES("b", BOOL, 0, count, 0),
        OF_SERIES("b", BOOL, 0, count, ROWS + 1), OF_SERIES("b", BOOL, 0, min, 2), OF_SERIES("b", BOOL, 0, min, -1), OF_SERIES("b", BOOL, 0, max, 2), OF_SERIES("b", BOOL, 0, width, 1), OF_SERIES("b", BOOL, 0, distinct, 0),
        OF_SERIES("b", BOOL, 0, distinct, ROWS + 1), OF_SERIES("b", BOOL, 0, dict_count, 1), OF_SERIES("b", BOOL, 0, bytes_len, 1), OF_SERIES("b", BOOL, 0, common_count, OMEN_COLUMN_EXACT + 1),
        OF_SERIES("b", BOOL, 0, common_count, 1), OF_SERIES("b", BOOL, 0, values, 1u << 30), OF_SERIES("b", BOOL, 0, bloom_blocks, 1), OF_SERIES("i", INT, 0, width, 3), OF_SERIES("i", INT, 0, width, 1),
        OF_SERIES("i", INT, 0, bloom_blocks, 0), OF_SERIES("i", INT, 0, zones, OMEN_COLUMN_NONE), OF_SERIES("i", INT, 0, bloom, OMEN_COLUMN_NONE), OF_SERIES("i", INT, 0, common, 32), OF_SERIES("i", INT, 0, quantiles, OMEN_COLUMN_NONE),
        OF_SERIES("f", FLOAT, 0, width, 4), OF_SERIES("s", STRING, 0, dict_count, OMEN_COLUMN_DICT + 1), OF_SERIES("s", STRING, 0, dict_count, 3), OF_SERIES("s", STRING, 0, width, 4), OF_SERIES("s", STRING, 0, width, 8),
        OF_SERIES("s", STRING, 0, width, 0), OF_SERIES("s", STRING, 0, bytes_len, UINT64_C(1) << 32), OF_SERIES("s", STRING, 0, max, 7), OF_SERIES("s", STRING, 0, min, -1), OF_SERIES("s", STRING, 0, exact, 0),
        OF_SERIES("s", STRING, 0, distinct, 3), OF_SERIES("s", STRING, 0, common_count, 4), OF_SERIES("s", STRING, 0, offsets, OMEN_COLUMN_NONE), OF_SERIES("s", STRING, 0, bytes, 7), OF_SERIES("p", STRING, 0, width, 2),
        OF_SERIES("some", INT, 0, validity, OMEN_COLUMN_NONE)};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(series); i++) refused_edit(&m, series[i], "a series is wrong");
    /* What is left over when each of them is right. */
    refused_edit(&m, (edit)OF_COLUMN("y", series_count, 0), "more than its columns"); /* the last one */
    const edit longer = OF_HEADER(20, omen_get32(m.columns->bytes + 20) + 64);
    edits = &longer;
    edit_count = 1;
    const segment_change more = {.kind = OMEN_SECTION_COLUMNS, .edit = apply, .cut = 64};
    refused(&m, &more, 1, false, OMEN_ERR_CORRUPT, "more than its columns");
    model_deinit(&m);
}

static void swap_paths(uint8_t *bytes, size_t len) {
    uint8_t *text = bytes + OMEN_COLUMNS_HEADER + omen_get32(bytes + 8) * sizeof(omen_column) + omen_get32(bytes + 12) * sizeof(omen_series);
    (void)len;
    text[0] = 'z'; /* the first path is "a" */
}

static void two_of_one_type(uint8_t *bytes, size_t len) {
    static const edit of = {"a", OMEN_SERIES_INT, 1, 0, 0, 0};
    omen_series *s = (omen_series *)(void *)place_of(bytes, &of);
    (void)len;
    s[1] = s[0];
}

static void long_path(uint8_t *bytes, size_t len) {
    static const edit of = {"a", -1, 0, 0, 0, 0};
    ((omen_column *)(void *)place_of(bytes, &of))->path_len = OMEN_COLUMN_MAX_PATH + 1;
    omen_put32(bytes + 20, omen_get32(bytes + 20) + 2048);
    (void)len;
}

TEST(sections_of_columns_have_their_shape) {
    model m;
    build(&m, ROWS);
    static const uint32_t kinds[] = {OMEN_SECTION_COLUMNS, OMEN_SECTION_COLUMN_STATISTICS, OMEN_SECTION_COLUMN_DATA};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(kinds); i++) {
        segment_change c = {.kind = kinds[i], .flags = OMEN_SECTION_ZSTD};
        refused(&m, &c, 1, false, OMEN_ERR_CORRUPT, "wrong shape");
        c = (segment_change){.kind = kinds[i], .block_len = 4096};
        refused(&m, &c, 1, false, OMEN_ERR_CORRUPT, "wrong shape");
        c = (segment_change){.kind = kinds[i], .cut = -(int64_t)(i == 0 ? m.columns->directory : i == 1 ? m.columns->statistics : m.columns->data)->raw_len};
        refused(&m, &c, 1, false, OMEN_ERR_CORRUPT, "wrong shape");
        if (i == 0) continue;
        c = (segment_change){.kind = kinds[i], .leave_out = true};
        refused(&m, &c, 1, false, OMEN_ERR_CORRUPT, "another length");
        c = (segment_change){.kind = kinds[i], .cut = 64};
        refused(&m, &c, 1, false, OMEN_ERR_CORRUPT, "another length");
    }
    segment_change c = {.kind = OMEN_SECTION_COLUMNS, .cut = 40 - (int64_t)m.columns->len};
    refused(&m, &c, 1, false, OMEN_ERR_CORRUPT, "directory is too short");
    c = (segment_change){.kind = OMEN_SECTION_COLUMNS, .edit = swap_paths};
    refused(&m, &c, 1, false, OMEN_ERR_CORRUPT, "columns are out of order");
    c = (segment_change){.kind = OMEN_SECTION_COLUMNS, .edit = two_of_one_type};
    refused(&m, &c, 1, false, OMEN_ERR_CORRUPT, "series are out of order");
    c = (segment_change){.kind = OMEN_SECTION_COLUMNS, .edit = long_path, .cut = 2048};
    refused(&m, &c, 1, false, OMEN_ERR_CORRUPT, "a column is wrong");
    model_deinit(&m);
}

/* Larger than any directory may be: nothing of it is read. */
TEST(a_huge_directory_is_not_read) {
    model m;
    omen_segment_writer *w;
    omen_error err = {0};
    model_init(&m, 0, 0, 1 << 20);
    size_t len = OMEN_COLUMNS_HEADER + (size_t)OMEN_COLUMN_MAX * (sizeof(omen_column) + 2 * OMEN_SERIES_TYPES * sizeof(omen_series) + OMEN_COLUMN_MAX_PATH) + 1;
    uint8_t *zeros = calloc(len, 1);
    REQUIRE_OK(omen_segment_writer_new(&m.x.store, 1, &w, NULL));
    REQUIRE_OK(omen_segment_section_begin(w, OMEN_SECTION_COLUMNS, 0, 0, OMEN_BLOCK_BYTES, NULL));
    REQUIRE_OK(omen_segment_section_write(w, zeros, len, NULL));
    REQUIRE_OK(omen_segment_section_end(w, NULL));
    REQUIRE_OK(omen_segment_writer_finish(w, &m.info, NULL));
    omen_segment_writer_free(w);
    free(zeros);
    CHECK_STATUS(model_open(&m, &err), OMEN_ERR_CORRUPT);
    CHECK(strstr(err.text, "wrong shape") != NULL);
    model_deinit(&m);
}

TEST(looks_stay_inside_their_section) {
    model m;
    omen_view v = {0};
    const uint8_t *p;
    omen_error err = {0};
    build(&m, ROWS);
    uint64_t all = m.columns->data->raw_len;
    CHECK_STATUS(omen_view_get(m.columns, &v, NULL, 0, 1, &p, &err), OMEN_ERR_CORRUPT);
    CHECK(strstr(err.text, "ends too early") != NULL);
    CHECK_STATUS(omen_view_get(m.columns, &v, m.columns->data, all + 1, 0, &p, &err), OMEN_ERR_CORRUPT);
    CHECK_STATUS(omen_view_get(m.columns, &v, m.columns->data, all - 7, 8, &p, &err), OMEN_ERR_CORRUPT);
    CHECK_OK(omen_view_get(m.columns, &v, m.columns->data, all, 0, &p, &err));
    CHECK(p != NULL);
    /* Copies of what lies in two blocks: another length, another place, another section at the same place. */
    static const struct { bool statistics; uint64_t at; size_t len; } looks[] = {{false, 65500, 100}, {false, 65500, 200}, {true, 65500, 200}, {false, 65500, 200}, {false, 65530, 200}, {false, 65530, 200}};
    segment_change larger = {.kind = OMEN_SECTION_COLUMN_STATISTICS, .cut = 65536};
    omen_segment_info info;
    omen_segment *seg = NULL;
    segment_copy(&m.x.store, m.segment, 2, &larger, 1, &info);
    REQUIRE_OK(omen_segment_open(&m.x.store, &info, &seg, NULL));
    omen_columns c = {.store = &m.x.store, .segment = seg};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(looks); i++) {
        const omen_section *sec = omen_segment_section(seg, looks[i].statistics ? OMEN_SECTION_COLUMN_STATISTICS : OMEN_SECTION_COLUMN_DATA, 0);
        uint8_t want[200];
        size_t done = 0;
        REQUIRE_OK(omen_segment_read(seg, sec, looks[i].at, looks[i].len, want, &done, NULL));
        REQUIRE_OK(omen_view_get(&c, &v, sec, looks[i].at, looks[i].len, &p, &err));
        CHECK_MEM(p, want, looks[i].len);
    }
    omen_view_deinit(&c, &v);
    omen_segment_close(seg);
    model_deinit(&m);
}

#define AT(name) member(&m, (edit)name)

/* What lies in the buffers is believed by nobody. */
TEST(contents_that_cannot_be_are_refused) {
    model m;
    build(&m, ROWS);
    enum { D = OMEN_SECTION_COLUMN_DATA };
    uint64_t a = AT(OF_COLUMN("a", array_offsets, 0)), w = AT(OF_SERIES("w", STRING, 1, values, 0)), s = AT(OF_SERIES("s", STRING, 0, values, 0)), entries = AT(OF_SERIES("s", STRING, 0, offsets, 0)),
             p = AT(OF_SERIES("p", STRING, 0, offsets, 0)), f = AT(OF_SERIES("f", FLOAT, 0, values, 0)), text = AT(OF_SERIES("s", STRING, 0, bytes_len, 0)), plain = AT(OF_SERIES("p", STRING, 0, bytes_len, 0)),
             we = AT(OF_SERIES("w", STRING, 1, offsets, 0)), long_entries = AT(OF_SERIES("w", STRING, 1, bytes_len, 0));
    CHECK(long_entries > OMEN_COLUMN_MAX_STRING && plain > OMEN_COLUMN_MAX_STRING);
    /* Who sees it; a condition passes over codes that are none. */
    const struct { uint64_t at, value; int seen; const char *says; } wrong[] = {
        {a + 4 * 8, UINT32_MAX, CONDITIONS | FACETS, "offsets of arrays"},
        {a + 4 * 100, 0, CONDITIONS | FACETS, "offsets of arrays"},
        {entries + 4, text + 1, ALL, "is damaged"},
        {entries + 12, 0, ALL, "is damaged"},
        {p + 4 * 3, 0, ALL, "offsets of strings"},
        {p + 4 * 3, plain + 1, ALL, "offsets of strings"},
        {p + 4 * 3, plain, ALL, "offsets of strings"},
        {s, UINT32_MAX, FACETS | VALUES, "outside of its dictionary"},
        {w, UINT32_MAX, FACETS, "outside of its dictionary"},
        {we + 4, long_entries, CONDITIONS | FACETS, "is damaged"},
        {f + 8 * 3 + 4, 0x7FF00000, FACETS | VALUES, "not finite"},
    };
    for (size_t i = 0; i < OMEN_ARRAY_LEN(wrong); i++)
        for (int what = 1; what < ALL; what *= 2) {
            const segment_change c = {.kind = D, .at = (size_t)wrong[i].at, .set = true, .number = wrong[i].value};
            model d;
            omen_error err = {0};
            CHECK_OK(copy_open(&m, &d, &c, 1, &err));
            if (!CHECK_STATUS(ask_some(&d, what, &err), (wrong[i].seen & what) != 0 ? OMEN_ERR_CORRUPT : OMEN_OK)) printf("        %zu, asked by %d\n", i, what);
            if ((wrong[i].seen & what) != 0 && !CHECK(strstr(err.text, wrong[i].says) != NULL)) printf("        %s: not \"%s\"\n", err.text, wrong[i].says);
            copy_close(&d);
        }
    model_deinit(&m);
}

static uint64_t old_offsets, old_bytes, new_offsets;
static uint8_t narrow[131 * 4];

static void widen_offsets(uint8_t *bytes, size_t len) {
    CHECK(new_offsets + 131 * 8 <= len);
    memcpy(narrow, bytes + old_offsets, sizeof narrow);
    for (uint32_t i = 0; i < 131; i++) omen_put64(bytes + new_offsets + 8 * i, omen_get32(narrow + 4 * i));
}

/* Offsets of eight bytes, as strings of more than four GiB have them. */
TEST(wide_offsets_say_the_same) {
    model m, d;
    omen_error err = {0};
    build(&m, 130);
    uint64_t data = m.columns->data->raw_len;
    old_offsets = AT(OF_SERIES("p", STRING, 0, offsets, 0));
    old_bytes = AT(OF_SERIES("p", STRING, 0, bytes_len, 0));
    new_offsets = (data + 63) / 64 * 64;
    const edit wide[] = {OF_SERIES("p", STRING, 0, width, 8), OF_SERIES("p", STRING, 0, offsets, new_offsets), {NULL, -1, 0, 32, 8, new_offsets + 131 * 8}};
    edits = wide;
    edit_count = OMEN_ARRAY_LEN(wide);
    segment_change changes[] = {{.kind = OMEN_SECTION_COLUMNS, .edit = apply}, {.kind = OMEN_SECTION_COLUMN_DATA, .edit = widen_offsets, .cut = (int64_t)(new_offsets + 131 * 8 - data)}};
    if (!CHECK_OK(copy_open(&m, &d, changes, 2, &err))) printf("    %s\n", err.text);
    CHECK_OK(ask_all(&d, &err));
    omen_value_path path;
    omen_values *v;
    CHECK_OK(omen_value_path_read(&m.x.mem, OMEN_STR("p"), &path, &err));
    CHECK_OK(omen_values_new(d.columns, &path, &v, &err));
    for (uint32_t row = 0; row < 130; row++) {
        char want[32];
        omen_value value;
        CHECK_OK(omen_values_get(v, row, &value, &err));
        snprintf(want, sizeof want, "title %05u of all", (unsigned)row);
        CHECK(value.kind == OMEN_VALUE_STRING && value.text.len == strlen(want) && memcmp(value.text.data, want, value.text.len) == 0);
    }
    omen_values_free(v);
    omen_value_path_deinit(&path);
    copy_close(&d);
    model_deinit(&m);
}

/* Every look may pend, and finds its block gone when it comes again: the answers stay what they were. */
TEST(columns_are_read_when_everything_pends_and_nothing_stays) {
    model m, d;
    omen_error err = {0};
    build(&m, ROWS);
    omen_json **docs = calloc(ROWS, sizeof *docs);
    for (uint32_t i = 0; i < ROWS; i++) CHECK_OK(omen_json_parse(&m.x.mem, (omen_str){m.docs[i], strlen(m.docs[i])}, &docs[i], NULL));
    CHECK(m.columns->data->raw_len > 4 * OMEN_BLOCK_BYTES);
    d = m;
    d.segment = NULL;
    d.columns = NULL;
    fault_storage_set_pending(m.fs, 25);
    omen_status s;
    segment_forget_next(&m.x);
    STEP(s, omen_segment_open(&m.x.store, &d.info, &d.segment, &err));
    CHECK_OK(s);
    STEP(s, omen_columns_open(&m.x.store, d.segment, d.rows, &d.columns, &err));
    REQUIRE_OK(s);
    for (size_t p = 0; p < OMEN_ARRAY_LEN(paths); p++)
        for (size_t r = p % 5; r < OMEN_ARRAY_LEN(ranges); r += 5) {
            omen_condition k = looking_everywhere(paths[p], r, r % 2 == 0);
            CHECK_OK(ask(&d, &k, docs, &err));
        }
    forgetful = true;
    CHECK_OK(ask_some(&d, FACETS | VALUES, &err));
    forgetful = false;
    CHECK(fault_storage_pended(m.fs) > 100);
    omen_columns_free(d.columns);
    omen_segment_close(d.segment);
    fault_storage_on_call(m.fs, NULL, NULL);
    for (uint32_t i = 0; i < ROWS; i++) omen_json_free(docs[i]);
    free(docs);
    model_deinit(&m);
}

/* Who gives up a block that pends asks for another one from its beginning. */
TEST(another_block_may_be_asked_for) {
    model m;
    build(&m, ROWS);
    omen_condition k = about("f");
    k.ranges = &ranges[15];
    k.range_count = 1;
    static omen_known known[2];
    omen_bound *b;
    omen_error err = {0};
    REQUIRE_OK(omen_bound_new(m.columns, &k, &b, &err));
    REQUIRE_OK(omen_bound_prepare(b, &err));
    segment_forget(&m.x, NULL);
    fault_storage_set_pending(m.fs, 100);
    CHECK_STATUS(omen_bound_block(b, 0, &known[0], &err), OMEN_PENDING);
    fault_storage_set_pending(m.fs, 0);
    CHECK_OK(omen_bound_block(b, 1, &known[1], &err));
    CHECK(known[1].sure[0] == UINT64_MAX && known[1].sure[1] == 0);
    omen_bound_free(b);
    model_deinit(&m);
}

TEST(dictionaries_are_bounded_and_say_when_memory_ends) {
    fault_host *host = fault_host_new(1);
    omen_mem mem;
    omen_mem_init(&mem, &host->host, 0);
    static char big[1 << 20];
    omen_dict dict;
    bool full;
    omen_dict_init(&dict, &mem);
    CHECK_OK(omen_dict_sort(&dict)); /* of nothing */
    for (uint32_t i = 0; i < 3; i++) {
        big[0] = (char)('a' + i);
        CHECK_OK(omen_dict_add(&dict, (omen_str){big, sizeof big}, i, &full));
        CHECK_EQ_INT(full, i == 2);
    }
    omen_dict_deinit(&dict);
    for (uint64_t at = 1;; at++) {
        omen_status s = OMEN_OK;
        char text[16];
        omen_dict_init(&dict, &mem);
        fault_host_fail_alloc_at(host, at, true);
        for (uint32_t i = 0; i < 300 && s == OMEN_OK; i++) s = omen_dict_add(&dict, (omen_str){text, (size_t)snprintf(text, sizeof text, "%u", (unsigned)i)}, i * 77, &full);
        if (s == OMEN_OK) s = omen_dict_sort(&dict);
        bool hit = fault_host_fault_hit(host);
        fault_host_fail_alloc_at(host, 0, false);
        CHECK_STATUS(s, hit ? OMEN_ERR_MEMORY : OMEN_OK);
        omen_dict_deinit(&dict);
        CHECK_EQ_UINT(fault_host_bytes(host), 0);
        if (!hit) break;
    }
    for (uint64_t at = 1;; at++) {
        static const char path[] = "first.second.third.and another name that is longer than what came before.and one more that is longer than all of these together, so that there is never room for it";
        omen_value_path p;
        fault_host_fail_alloc_at(host, at, true);
        omen_status s = omen_value_path_read(&mem, (omen_str){path, sizeof path - 1}, &p, NULL);
        bool hit = fault_host_fault_hit(host);
        fault_host_fail_alloc_at(host, 0, false);
        CHECK_STATUS(s, hit ? OMEN_ERR_MEMORY : OMEN_OK);
        omen_value_path_deinit(&p);
        CHECK_EQ_UINT(fault_host_bytes(host), 0);
        if (!hit) break;
    }
    /* A form that there is no room for; a path of which only the beginning is told. */
    omen_buf form;
    omen_error err = {0};
    omen_value_path p;
    const omen_value word = {.kind = OMEN_VALUE_STRING, .text = OMEN_STR("word")};
    omen_buf_init(&form, &mem);
    fault_host_fail_alloc_at(host, 1, true);
    CHECK_STATUS(omen_value_form(&word, &form), OMEN_ERR_MEMORY);
    fault_host_fail_alloc_at(host, 0, false);
    CHECK_OK(omen_value_form(&word, &form));
    CHECK_EQ_UINT(form.len, 5);
    omen_buf_deinit(&form);
    static char many[200];
    memset(many, 'n', sizeof many);
    many[150] = many[151] = '.';
    CHECK_STATUS(omen_value_path_read(&mem, (omen_str){many, sizeof many}, &p, &err), OMEN_ERR_INVALID);
    CHECK(strstr(err.text, "an empty name") != NULL && strlen(err.text) < 200);
    fault_host_free(host);
}

/* ---- what cannot be read, and memory that runs out ---- */

TEST(each_read_and_each_allocation_that_fails_is_told) {
    model m;
    build(&m, 130);
    for (int what = 0; what < 2; what++)
        for (uint64_t at = 1, step = 1;; at += step) {
            model d = m;
            omen_error err = {0};
            d.segment = NULL;
            d.columns = NULL;
            segment_forget_next(&m.x);
            d.x.store.pool = m.x.store.pool;
            omen_status s = OMEN_OK;
            if (what == 0) fault_storage_fail_at(m.fs, at, OMEN_ERR_IO, true);
            else fault_host_fail_alloc_at(m.x.host, at, true);
            STEP(s, omen_segment_open(&m.x.store, &d.info, &d.segment, &err));
            if (s == OMEN_OK) STEP(s, omen_columns_open(&m.x.store, d.segment, d.rows, &d.columns, &err));
            if (s == OMEN_OK) s = ask_all(&d, &err);
            bool hit = what == 0 ? fault_storage_fault_hit(m.fs) : fault_host_fault_hit(m.x.host);
            fault_storage_fail_at(m.fs, 0, OMEN_OK, false);
            fault_host_fail_alloc_at(m.x.host, 0, false);
            omen_columns_free(d.columns);
            omen_segment_close(d.segment);
            CHECK_STATUS(s, !hit ? OMEN_OK : what == 0 ? OMEN_ERR_IO : OMEN_ERR_MEMORY);
            if (!hit) break;
            CHECK(err.text[0] != 0);
            step = TEST_EMULATED ? 1 + at / 4 : 1 + at / 200;
        }
    fault_storage_on_call(m.fs, NULL, NULL);
    model_deinit(&m);
}

TEST_MAIN()
