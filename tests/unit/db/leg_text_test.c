/* The text leg of searches against a plain one: whatever lies in memory, in segments, was replaced, deleted, merged or reopened, its hits are the documents that have
 * the words, in the order of scores computed here by the words of bm25.h from the documents alone. */
#include "test.h"

#include <math.h>

#include "api/api.h"
#include "db/leg_text.h"
#include "fault_host.h"

enum { IDS = 160, WORDS = 40, K = 25, TITLE = 0, BODY = 1, TAGS = 2, TERMS = 3, FIELDS = 4, PIECES = 4 };

static const char *const vocabulary[WORDS] = {"tea",    "green",  "shop",   "running", "runs",     "resume",    "r\xc3\xa9sum\xc3\xa9", "the",   "of",    "coffee",
                                              "colour", "color",  "state",  "art",     "chocolate", "chocolates", "chocolat",             "stair", "start", "stars",
                                              "house",  "houses", "mouse",  "river",   "rivers",   "delta",     ("\xc3\xbc" "ber"),       "zebra", "apple", "apples",
                                              "quick",  "brown",  "fox",    "jumps",   "over",     "lazy",      "dog",                  "dogs",  "night", "light"};

static struct { bool there; char doc[3000]; } model[IDS];

typedef struct world {
    fault_host *h;
    omen_db *db;
    omen_collection *c;
    omen_mem mem;
    omen_text_reader *reader;
} world;

/* ---- documents ---- */

static size_t skewed(size_t n) { return (size_t)(test_rand_below(n) * test_rand_below(n) / n); }

static size_t add_text(char *into, size_t room, size_t words) {
    size_t n = 0;
    into[0] = '\0';
    for (size_t i = 0; i < words; i++) n += (size_t)snprintf(into + n, room - n, "%s%s", i == 0 ? "" : test_rand_below(9) == 0 ? ", " : " ", vocabulary[skewed(WORDS)]);
    return n;
}

static void make(size_t i) {
    char title[600], body[1500], tag[2][300], terms[400];
    size_t n = 0;
    add_text(title, sizeof title, (size_t)test_rand_below(7));
    add_text(body, sizeof body, (size_t)test_rand_below(60));
    add_text(tag[0], sizeof tag[0], (size_t)test_rand_below(4));
    add_text(tag[1], sizeof tag[1], 1);
    terms[0] = '\0';
    for (uint32_t index = 0; index < 12; index++)
        if (test_rand_below(4) == 0) n += (size_t)snprintf(terms + n, sizeof terms - n, "%s%u", n == 0 ? "" : ",", index * 7);
    size_t count = 0;
    for (char *p = terms; *p != '\0'; p++) count += *p == ',';
    char values[400] = "";
    for (size_t k = 0, at = 0; n != 0 && k <= count; k++) at += (size_t)snprintf(values + at, sizeof values - at, "%s%d.%d", k == 0 ? "" : ",", (int)test_rand_below(5) - 1, (int)test_rand_below(10));
    if (test_rand_below(15) == 0) model[i].doc[0] = '\0';
    else if (test_rand_below(10) == 0) snprintf(model[i].doc, sizeof model[i].doc, "{\"title\":%d,\"deep\":null,\"tags\":[1,\"%s\",{}],\"terms\":null}", (int)i, tag[0]);
    else
        snprintf(model[i].doc, sizeof model[i].doc, "{\"title\":\"%s\",\"deep\":{\"body\":\"%s\"},\"tags\":[\"%s\",\"%s\"],\"terms\":{\"indices\":[%s],\"values\":[%s]}}", title, body, tag[0], tag[1],
                 terms, values);
    model[i].there = true;
}

static omen_id id_of(size_t i) { return OMEN_ID_INT((int64_t)i); }

static void upsert(world *w, size_t count) {
    omen_id ids[IDS];
    omen_str docs[IDS];
    size_t from = (size_t)test_rand_below(IDS), n = 0;
    for (size_t i = from; n < count; i = (i + 1 + test_rand_below(2)) % IDS) {
        bool known = false;
        for (size_t k = 0; k < n; k++) known = known || (size_t)ids[k].number == i;
        if (known) break;
        make(i);
        ids[n] = id_of(i);
        docs[n++] = (omen_str){model[i].doc, strlen(model[i].doc)};
    }
    omen_batch b = {.count = n, .ids = ids, .documents = docs};
    CHECK_OK(omen_upsert(w->c, &b));
}

static void delete(world *w, size_t count) {
    while (count-- != 0) {
        size_t i = (size_t)test_rand_below(IDS);
        omen_id id = id_of(i);
        CHECK_OK(omen_delete(w->c, &id, 1, NULL));
        model[i].there = false;
    }
}

/* ---- the world ---- */

static void open_world(world *w) {
    omen_options o;
    omen_options_init(&o);
    o.host = &w->h->host;
    o.durability = OMEN_DURABILITY_OS;
    o.manual_maintenance = 1;
    CHECK_OK(omen_open("db", &o, &w->db));
    const omen_text_field texts[] = {{.name = OMEN_STR("title"), .weight = 2}, {.name = OMEN_STR("deep.body"), .language = OMEN_STR("none"), .flags = OMEN_TEXT_KEEP_ACCENTS}, {.name = OMEN_STR("tags")}};
    const omen_str sparse[] = {OMEN_STR("terms")};
    omen_schema s;
    omen_schema_init(&s);
    s.text_count = 3;
    s.texts = texts;
    s.sparse_count = 1;
    s.sparse = sparse;
    CHECK_OK(omen_collection_open(w->db, OMEN_STR("notes"), &s, &w->c));
    omen_error err;
    CHECK_OK(omen_text_reader_new(w->c->coll->schema.text, true, &w->reader, &err));
}

static void close_world(world *w) {
    omen_text_reader_free(w->reader);
    omen_collection_close(w->c);
    CHECK_OK(omen_close(w->db));
}

/* ---- the plain search ---- */

typedef struct token { char term[OMEN_TERM_MAX + 1]; uint32_t position; float weight; } token;
typedef struct row { token *tokens[FIELDS]; uint32_t count[FIELDS]; int64_t id; bool live; float score; bool hit; } row;
typedef struct table { row *rows; size_t count; } table;

static omen_status keep_word(void *ctx, uint32_t field, const void *term, size_t len, uint32_t position) {
    row *r = ctx;
    token t = {.position = position};
    memcpy(t.term, term, len);
    r->tokens[field] = realloc(r->tokens[field], (r->count[field] + 1) * sizeof t);
    r->tokens[field][r->count[field]++] = t;
    return OMEN_OK;
}

static omen_status keep_weight(void *ctx, uint32_t field, uint32_t index, float weight) {
    row *r = ctx;
    token t = {.weight = weight};
    snprintf(t.term, sizeof t.term, "%u", index);
    r->tokens[field] = realloc(r->tokens[field], (r->count[field] + 1) * sizeof t);
    r->tokens[field][r->count[field]++] = t;
    return OMEN_OK;
}

static void add_row(world *w, table *t, int64_t id, omen_str doc, bool live) {
    row r = {.id = id, .live = live};
    omen_error err;
    const omen_text_sink sink = {&r, keep_word, keep_weight};
    CHECK_OK(omen_text_reader_read(w->reader, doc, UINT32_MAX, true, &sink, &err));
    t->rows = realloc(t->rows, (t->count + 1) * sizeof r);
    t->rows[t->count++] = r;
}

static int64_t number_of(omen_key key) { return omen_key_decode(key).number; }

/* Repeats what pends. */
#define FINISH(w, step)                                                                                                \
    do {                                                                                                               \
        omen_status status_;                                                                                           \
        while ((status_ = (step)) == OMEN_PENDING) CHECK_OK((w)->h->host.wait((w)->h->host.ctx));                      \
        CHECK_OK(status_);                                                                                             \
    } while (0)

/* Every row there is, dead ones too; what is live is what was written last. */
static table list_rows(world *w, const omen_snapshot *s) {
    table t = {0};
    const omen_coll_version *v = omen_version_find(s->version, w->c->coll->id);
    size_t live = 0, want = 0;
    for (uint32_t i = 0; i < v->table_count; i++) {
        for (uint32_t r = 0; r < omen_memtable_rows(v->tables[i].table); r++) {
            const omen_entry *e = omen_memtable_row_entry(v->tables[i].table, r);
            bool now = omen_entry_current(e, s->lsn) && !omen_snapshot_replaced(s, v, i, omen_entry_key(e), e->hash);
            add_row(w, &t, number_of(omen_entry_key(e)), (omen_str){e->doc, e->doc_len}, now);
        }
    }
    for (uint32_t i = 0; i < v->part_count; i++) {
        omen_part *p = v->parts[i].part;
        for (uint32_t r = 0; r < p->rows; r++) {
            uint8_t bytes[OMEN_KEY_MAX];
            omen_key key;
            omen_error err;
            omen_buf doc;
            omen_part_doc_place place = {0};
            omen_buf_init(&doc, &w->mem);
            FINISH(w, omen_part_key(p, r, bytes, &key, &err));
            FINISH(w, omen_part_doc(p, r, &place, &doc, &err));
            bool now = !omen_bits_test(v->parts[i].dead, r) && !omen_snapshot_replaced(s, v, UINT32_MAX, key, omen_key_hash(key));
            add_row(w, &t, number_of(key), (omen_str){doc.len == 0 ? "" : (const char *)doc.data, doc.len}, now);
            omen_buf_deinit(&doc);
        }
    }
    for (size_t i = 0; i < IDS; i++) want += model[i].there;
    for (size_t i = 0; i < t.count; i++) live += t.rows[i].live;
    CHECK_EQ_UINT(live, want);
    return t;
}

static void free_rows(table *t) {
    for (size_t i = 0; i < t->count; i++)
        for (uint32_t f = 0; f < FIELDS; f++) free(t->rows[i].tokens[f]);
    free(t->rows);
}

typedef struct ask { char text[400]; struct { omen_text_piece_kind kind; omen_text_occur occur; char text[100]; } piece[PIECES]; size_t count; bool typos, all, some; float weights[3]; } ask;

/* Words as a field has them. */
static uint32_t words_of(world *w, uint32_t field, const char *text, unsigned flags, token *out) {
    omen_analyzer *a = omen_text_reader_analyzer(w->reader, field);
    omen_token t;
    uint32_t n = 0;
    omen_analyzer_start(a, text, strlen(text), flags);
    while (omen_analyzer_next(a, &t)) {
        out[n] = (token){.position = t.position};
        memcpy(out[n++].term, t.term, t.len);
    }
    return n;
}

static uint32_t plain_distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    uint32_t d[70][70];
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            uint32_t x = i == 0 ? (uint32_t)j : j == 0 ? (uint32_t)i : d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (i != 0 && j != 0) {
                if (d[i - 1][j] + 1 < x) x = d[i - 1][j] + 1;
                if (d[i][j - 1] + 1 < x) x = d[i][j - 1] + 1;
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < x) x = d[i - 2][j - 2] + 1;
            }
            d[i][j] = x;
        }
    return d[n][m];
}

static uint32_t times(const row *r, uint32_t f, const token *words, uint32_t n) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->count[f]; i++) {
        bool all = true;
        for (uint32_t k = 0; k < n && all; k++) {
            bool here = false;
            for (uint32_t o = 0; o < r->count[f] && !here; o++)
                here = strcmp(r->tokens[f][o].term, words[k].term) == 0 && (n == 1 ? o == i : (int64_t)r->tokens[f][o].position - r->tokens[f][i].position == (int64_t)words[k].position - words[0].position);
            all = here;
        }
        count += all && strcmp(r->tokens[f][i].term, words[0].term) == 0;
    }
    return count;
}

static uint64_t df_of(const table *t, uint32_t f, const token *word) {
    uint64_t n = 0;
    for (size_t i = 0; i < t->count; i++) n += times(&t->rows[i], f, word, 1) != 0;
    return n;
}

static double idf(double n, double df) { return log(1.0 + (n - df + 0.5) / (df + 0.5)); }

/* Adds what a term or phrase is worth to every row; marks who has it. */
static void add_term(const table *t, uint32_t f, const token *words, uint32_t n, double w, bool forbidden, double *sums, bool *has) {
    double length = 0, with = 0;
    for (size_t i = 0; i < t->count; i++) {
        length += t->rows[i].count[f];
        with += t->rows[i].count[f] != 0;
    }
    for (size_t i = 0; i < t->count; i++) {
        uint32_t tf = times(&t->rows[i], f, words, n);
        if (tf == 0) continue;
        has[i] = true;
        double k = 1.2 * (0.25 + 0.75 * omen_length_of(omen_length_code(t->rows[i].count[f])) / (length / with));
        if (!forbidden) sums[i] += w * 2.2 * tf / (tf + k);
    }
}

/* All terms of a field that are meant: itself, those it begins, or those near. */
static void add_similar(const table *t, uint32_t f, const token *word, bool prefix, double weight, double *sums, bool *has) {
    static token found[400];
    uint32_t edits[400], n = 0;
    uint64_t most = 0;
    double with = 0;
    for (size_t i = 0; i < t->count; i++) {
        with += t->rows[i].count[f] != 0;
        for (uint32_t k = 0; k < t->rows[i].count[f]; k++) {
            const token *o = &t->rows[i].tokens[f][k];
            size_t len = strlen(word->term), chars = len; /* ASCII where typos are looked for */
            uint32_t e = prefix ? strncmp(o->term, word->term, len) != 0 ? 9 : strlen(o->term) != len : plain_distance(word->term, o->term);
            uint32_t least = prefix ? 1 : chars < 4 ? 0 : chars < 8 ? 1 : 2;
            bool known = e > least || (!prefix && o->term[0] != word->term[0]);
            for (uint32_t x = 0; x < n && !known; x++) known = strcmp(found[x].term, o->term) == 0;
            if (known) continue;
            edits[n] = e;
            found[n++] = *o;
        }
    }
    for (uint32_t x = 0; x < n; x++) most = OMEN_MAX(most, df_of(t, f, &found[x]));
    for (uint32_t x = 0; x < n; x++) add_term(t, f, &found[x], 1, weight * idf(with, (double)most) / (1u << edits[x]), false, sums, has);
}

static void plain_search(world *w, const table *t, const ask *a) {
    double *sums = calloc(t->count + 1, sizeof *sums);
    bool *any = calloc(t->count + 1, 1), *no = calloc(t->count + 1, 1), *has = calloc(t->count + 1, 1);
    for (size_t p = 0; p < a->count; p++) {
        omen_text_occur occur = a->piece[p].occur == OMEN_TEXT_SHOULD && a->all ? OMEN_TEXT_MUST : a->piece[p].occur;
        memset(has, 0, t->count + 1);
        bool everywhere = true;
        for (uint32_t f = 0; f < 3; f++) {
            token words[40], stems[40];
            double weight = a->some ? a->weights[f] : f == TITLE ? 2.0 : 1.0, with = 0, sum = 0;
            if (a->some && a->weights[f] < 0) continue;
            for (size_t i = 0; i < t->count; i++) with += t->rows[i].count[f] != 0;
            uint32_t n = words_of(w, f, a->piece[p].text, a->piece[p].kind == OMEN_PIECE_PREFIX ? OMEN_ANALYZE_NO_STEM | OMEN_ANALYZE_KEEP_STOP : 0, words);
            everywhere = everywhere && n != 0;
            if (n == 0) continue;
            if (a->piece[p].kind == OMEN_PIECE_PREFIX) {
                if (occur == OMEN_TEXT_MUST_NOT) continue; /* not asked here */
                add_similar(t, f, &words[0], true, weight, sums, has);
                uint32_t m = words_of(w, f, a->piece[p].text, 0, stems);
                if (m == 1 && strncmp(stems[0].term, words[0].term, strlen(words[0].term)) != 0) add_term(t, f, stems, 1, weight * idf(with, (double)df_of(t, f, stems)), false, sums, has);
            } else if (n == 1 && a->typos && occur != OMEN_TEXT_MUST_NOT && (a->piece[p].kind == OMEN_PIECE_WORDS || n == 1) && strlen(words[0].term) >= 4) {
                add_similar(t, f, &words[0], false, weight, sums, has);
            } else {
                for (uint32_t k = 0; k < n; k++) sum += idf(with, (double)df_of(t, f, &words[k]));
                add_term(t, f, words, n, weight * sum, occur == OMEN_TEXT_MUST_NOT, sums, has);
            }
        }
        /* What only some fields can have is no must. */
        bool must = occur == OMEN_TEXT_MUST && everywhere;
        for (size_t i = 0; i < t->count; i++) {
            if (occur == OMEN_TEXT_MUST_NOT) no[i] = no[i] || has[i];
            else any[i] = any[i] || has[i];
            if (must && !has[i]) no[i] = true;
        }
    }
    for (size_t i = 0; i < t->count; i++) {
        t->rows[i].hit = any[i] && !no[i] && t->rows[i].live;
        t->rows[i].score = (float)sums[i];
    }
    free(sums), free(any), free(no), free(has);
}

static void plain_sparse(const table *t, const uint32_t *indices, const float *values, uint32_t n) {
    for (size_t i = 0; i < t->count; i++) {
        row *r = &t->rows[i];
        double sum = 0;
        r->hit = false;
        for (uint32_t k = 0; k < r->count[TERMS]; k++)
            for (uint32_t q = 0; q < n; q++)
                if ((uint32_t)atoi(r->tokens[TERMS][k].term) == indices[q]) {
                    sum += (double)r->tokens[TERMS][k].weight * (double)values[q];
                    r->hit = true;
                }
        r->hit = r->hit && r->live;
        r->score = (float)sum;
    }
}

/* ---- comparing ---- */

static unsigned found_some, phrases_found;

static bool near(float a, float b) { return fabsf(a - b) <= 1e-4f * (1 + fabsf(b)); }

static omen_status run_leg(world *w, const omen_snapshot *s, const omen_text_ask *a, omen_arena *arena, omen_text_leg *l, omen_error *err) {
    const omen_coll_version *v = omen_version_find(s->version, w->c->coll->id);
    memset(l, 0, sizeof *l);
    omen_status st = omen_text_leg_init(l, w->db, arena, s, v, NULL, a, err);
    for (unsigned tries = 0; st == OMEN_OK && tries < 1000000; tries++) {
        st = omen_text_leg_step(l, err);
        if (st != OMEN_PENDING) break;
        CHECK_OK(w->h->host.wait(w->h->host.ctx));
        st = OMEN_OK;
    }
    return st;
}

static void compare(world *w, const omen_snapshot *s, const table *t, const omen_text_ask *a, const char *what) {
    omen_arena arena;
    omen_text_leg l;
    omen_error err = {0};
    size_t hits = 0;
    omen_arena_init(&arena, &w->mem, 4096);
    if (!CHECK_OK(run_leg(w, s, a, &arena, &l, &err))) printf("        %s\n", err.text);
    for (size_t i = 0; i < t->count; i++) hits += t->rows[i].hit;
    bool right = CHECK_EQ_UINT(l.top.count, hits < a->k ? hits : a->k);
    found_some += hits != 0;
    float worst = -INFINITY;
    for (uint32_t i = 0; i < l.top.count; i++) {
        const omen_candidate *c = &l.top.heap[i];
        int64_t id = number_of(omen_candidate_key(c));
        float score = omen_text_leg_score(c);
        bool found = false;
        for (size_t r = 0; r < t->count && !found; r++) found = t->rows[r].live && t->rows[r].id == id && t->rows[r].hit && near(score, t->rows[r].score);
        right = CHECK(found) && right;
        worst = score;
        if (i == 0) continue;
        float before = omen_text_leg_score(&l.top.heap[i - 1]);
        right = CHECK(before > score || (before == score && number_of(omen_candidate_key(&l.top.heap[i - 1])) < id)) && right;
    }
    /* Nothing better was left out. */
    size_t better = 0;
    for (size_t r = 0; r < t->count; r++) better += t->rows[r].hit && t->rows[r].score > worst + 1e-4f * (1 + fabsf(worst));
    right = CHECK(l.top.count == 0 || better <= l.top.count) && right;
    if (a->matches) {
        size_t marked = 0;
        for (uint32_t i = 0; i < l.source_count; i++) marked += l.matched[i]->ones;
        right = CHECK_EQ_UINT(marked, hits) && right;
    }
    if (!right) printf("        query %s\n", what);
    omen_text_leg_deinit(&l);
    omen_arena_deinit(&arena);
}

static void ask_something(ask *a) {
    size_t n = 0;
    memset(a, 0, sizeof *a);
    a->count = 1 + (size_t)test_rand_below(PIECES);
    a->typos = test_rand_below(4) == 0;
    a->all = test_rand_below(4) == 0;
    a->some = test_rand_below(4) == 0;
    for (size_t f = 0; f < 3; f++) a->weights[f] = test_rand_below(3) == 0 && f != TITLE ? -1.0f : (float)(1 + test_rand_below(3));
    for (size_t p = 0; p < a->count; p++) {
        unsigned kind = (unsigned)test_rand_below(6);
        const char *word = vocabulary[skewed(WORDS)];
        if (a->typos && (strstr(word, "\xc3") != NULL)) word = "tea"; /* the plain search looks for typos byte by byte */
        a->piece[p].occur = test_rand_below(4) == 0 ? OMEN_TEXT_MUST : test_rand_below(6) == 0 ? OMEN_TEXT_MUST_NOT : OMEN_TEXT_SHOULD;
        snprintf(a->piece[p].text, sizeof a->piece[p].text, "%s", word);
        if (kind == 0) {
            a->piece[p].kind = OMEN_PIECE_PHRASE;
            snprintf(a->piece[p].text, sizeof a->piece[p].text, "%s %s", word, vocabulary[skewed(WORDS)]);
        } else if (kind == 1 && a->piece[p].occur != OMEN_TEXT_MUST_NOT && (word[0] & 0x80) == 0 && strlen(word) > 2) {
            a->piece[p].kind = OMEN_PIECE_PREFIX;
            a->piece[p].text[2 + test_rand_below(strlen(word) - 2)] = '\0';
        } else if (kind == 2 && a->typos && strlen(word) > 4) {
            a->piece[p].text[3] = 'x';
        }
        n += (size_t)snprintf(a->text + n, sizeof a->text - n, "%s%s%s%s%s", p == 0 ? "" : " ", a->piece[p].occur == OMEN_TEXT_MUST ? "+" : a->piece[p].occur == OMEN_TEXT_MUST_NOT ? "-" : "",
                              kind == 0 ? "\"" : "", a->piece[p].text, kind == 0 ? "\"" : a->piece[p].kind == OMEN_PIECE_PREFIX ? "*" : "");
    }
}

static void compare_some(world *w, unsigned n) {
    static const char *const names[] = {"title", "deep.body", "tags"};
    omen_snapshot s;
    omen_snapshot_take(w->db, &s);
    table t = list_rows(w, &s);
    for (; n-- != 0;) {
        ask a;
        omen_text_field_weight fields[3];
        ask_something(&a);
        omen_text_ask q = {.k = test_rand_below(3) == 0 ? 1 + (uint32_t)test_rand_below(5) : K, .text = {a.text, strlen(a.text)}, .typos = a.typos, .all = a.all, .k1 = -1, .b = -1,
                           .expansions = 1000, .matches = test_rand_below(3) == 0};
        for (uint32_t f = 0; f < 3 && a.some; f++) {
            if (a.weights[f] < 0) continue;
            fields[q.field_count++] = (omen_text_field_weight){{names[f], strlen(names[f])}, a.weights[f]};
            q.fields = fields;
        }
        plain_search(w, &t, &a);
        for (size_t p = 0; p < a.count; p++) phrases_found += a.piece[p].kind == OMEN_PIECE_PHRASE;
        compare(w, &s, &t, &q, a.text);
        uint32_t indices[4];
        float values[4];
        for (uint32_t i = 0; i < 4; i++) {
            indices[i] = 7 * (3 * i + (uint32_t)test_rand_below(3));
            values[i] = test_rand_float() * 2 - 0.5f;
        }
        plain_sparse(&t, indices, values, 4);
        q = (omen_text_ask){.k = 10, .sparse = true, .indices = indices, .values = values, .count = 4, .k1 = -1, .b = -1};
        compare(w, &s, &t, &q, "sparse");
    }
    free_rows(&t);
    omen_snapshot_release(&s);
}

static void begin_world(world *w) {
    memset(model, 0, sizeof model);
    memset(w, 0, sizeof *w);
    w->h = fault_host_new(1);
    omen_mem_init(&w->mem, &w->h->host, 0);
    open_world(w);
}

static void end_world(world *w) {
    CHECK_OK(omen_check(w->db));
    close_world(w);
    CHECK_EQ_UINT(fault_host_bytes(w->h), 0);
    fault_host_free(w->h);
}

static void reopen(world *w) {
    close_world(w);
    open_world(w);
}

static void live(unsigned pending) {
    world w;
    begin_world(&w);
    fault_storage_set_pending(fault_host_image(w.h, "db"), pending);
    compare_some(&w, 2); /* nothing yet */
    for (unsigned round = 0; round < 14; round++) {
        upsert(&w, 5 + (size_t)test_rand_below(30));
        if (round % 2 == 1) delete(&w, 1 + (size_t)test_rand_below(6));
        compare_some(&w, 6);
        unsigned what = (unsigned)test_rand_below(5);
        if (what <= 1) CHECK_OK(omen_flush(w.db));
        if (what == 2) reopen(&w);
        if (what == 3 && round > 5) CHECK_OK(omen_compact(w.db));
        if (what == 4) CHECK_OK(omen_update(w.c, &(omen_batch){.count = 0}));
        compare_some(&w, 4);
    }
    CHECK(found_some > 50);
    CHECK(phrases_found > 5);
    end_world(&w);
}

TEST(hits_are_those_of_the_documents) { live(0); }
TEST(storage_that_pends_changes_nothing) { live(40); }

/* ---- the same answers wherever rows lie ---- */

typedef struct answer { int64_t id; float score; } answer;

static uint32_t answers(world *w, const char *text, bool typos, answer *out, uint64_t *read) {
    omen_snapshot s;
    omen_arena arena;
    omen_text_leg l;
    omen_error err = {0};
    omen_text_ask a = {.k = K, .text = {text, strlen(text)}, .typos = typos, .k1 = -1, .b = -1};
    omen_snapshot_take(w->db, &s);
    omen_arena_init(&arena, &w->mem, 4096);
    CHECK_OK(run_leg(w, &s, &a, &arena, &l, &err));
    for (uint32_t i = 0; i < l.top.count; i++) out[i] = (answer){number_of(omen_candidate_key(&l.top.heap[i])), omen_text_leg_score(&l.top.heap[i])};
    uint32_t n = l.top.count;
    *read = l.read;
    omen_text_leg_deinit(&l);
    omen_arena_deinit(&arena);
    omen_snapshot_release(&s);
    return n;
}

static const char *const texts[] = {"tea", "green shop", "+running -tea", "\"tea green\"", "choc*", "the of", "state art resume", "colour houses"};
enum { TEXTS = sizeof texts / sizeof *texts };

static void same_as(world *w, answer want[TEXTS][K], const uint32_t *counts, bool reads) {
    for (size_t i = 0; i < TEXTS; i++) {
        answer got[K];
        uint64_t read;
        uint32_t n = answers(w, texts[i], i % 2 == 0, got, &read);
        CHECK_EQ_UINT(n, counts[i]);
        CHECK((read != 0) == reads);
        for (uint32_t k = 0; k < n && k < counts[i]; k++) {
            CHECK(got[k].id == want[i][k].id);
            CHECK_BITS(got[k].score, want[i][k].score);
        }
    }
}

/* What other analyzers made is as good as nothing. */
static void spoil(world *w) {
    omen_snapshot s;
    omen_snapshot_take(w->db, &s);
    const omen_coll_version *v = omen_version_find(s.version, w->c->coll->id);
    for (uint32_t p = 0; p < v->part_count; p++)
        for (uint32_t f = 0; f < 3; f++) ((omen_postings *)(uintptr_t)omen_part_text(v->parts[p].part, f))->tag ^= 1;
    omen_snapshot_release(&s);
}

TEST(rows_score_the_same_wherever_they_lie) {
    static answer want[TEXTS][K];
    uint32_t counts[TEXTS];
    uint64_t read;
    world w;
    begin_world(&w);
    for (size_t i = 0; i < IDS; i++) {
        make(i);
        omen_id id = id_of(i);
        omen_str doc = {model[i].doc, strlen(model[i].doc)};
        CHECK_OK(omen_upsert(w.c, &(omen_batch){.count = 1, .ids = &id, .documents = &doc}));
    }
    for (size_t i = 0; i < TEXTS; i++) counts[i] = answers(&w, texts[i], i % 2 == 0, want[i], &read);
    CHECK(counts[0] != 0 && counts[3] != 0 && counts[4] != 0);
    reopen(&w); /* from the log */
    same_as(&w, want, counts, false);
    CHECK_OK(omen_flush(w.db));
    same_as(&w, want, counts, false);
    reopen(&w);
    same_as(&w, want, counts, false);
    spoil(&w);
    same_as(&w, want, counts, true);
    CHECK_OK(omen_compact(w.db)); /* makes what is missing */
    same_as(&w, want, counts, false);
    CHECK_OK(omen_compact(w.db));
    /* Deleted and merged away, then written again: nothing is left that counts. */
    for (size_t i = 0; i < IDS; i += 2) {
        omen_id id = id_of(i);
        CHECK_OK(omen_delete(w.c, &id, 1, NULL));
    }
    CHECK_OK(omen_flush(w.db));
    CHECK_OK(omen_compact(w.db));
    for (size_t i = 0; i < IDS; i += 2) {
        omen_id id = id_of(i);
        omen_str doc = {model[i].doc, strlen(model[i].doc)};
        CHECK_OK(omen_upsert(w.c, &(omen_batch){.count = 1, .ids = &id, .documents = &doc}));
    }
    same_as(&w, want, counts, false);
    CHECK_OK(omen_flush(w.db));
    same_as(&w, want, counts, false);
    CHECK_OK(omen_compact(w.db));
    same_as(&w, want, counts, false);
    end_world(&w);
}

/* ---- what is refused ---- */

static omen_status refused(world *w, const omen_text_ask *a, omen_error *err) {
    omen_snapshot s;
    omen_arena arena;
    omen_text_leg l;
    omen_snapshot_take(w->db, &s);
    omen_arena_init(&arena, &w->mem, 4096);
    omen_status st = run_leg(w, &s, a, &arena, &l, err);
    omen_text_leg_deinit(&l);
    omen_arena_deinit(&arena);
    omen_snapshot_release(&s);
    return st;
}

static omen_status put(world *w, const char *doc) {
    omen_id id = OMEN_ID_INT(1);
    omen_str d = {doc, strlen(doc)};
    return omen_upsert(w->c, &(omen_batch){.count = 1, .ids = &id, .documents = &d});
}

TEST(what_is_wrong_is_refused_and_leaves_nothing) {
    world w;
    omen_error err = {0};
    begin_world(&w);
    uint32_t indices[2] = {1, 2};
    float values[2] = {1, NAN};
    const omen_text_field_weight nobody = {OMEN_STR("nobody"), 1}, much = {OMEN_STR("title"), INFINITY};
    CHECK_STATUS(refused(&w, &(omen_text_ask){.k = 1, .text = OMEN_STR("a \"b")}, &err), OMEN_ERR_INVALID);
    CHECK(strstr(err.text, "byte 2") != NULL);
    CHECK_STATUS(refused(&w, &(omen_text_ask){.k = 0, .text = OMEN_STR("a")}, &err), OMEN_ERR_INVALID);
    CHECK_STATUS(refused(&w, &(omen_text_ask){.k = 1, .text = OMEN_STR("a"), .fields = &nobody, .field_count = 1}, &err), OMEN_ERR_INVALID);
    CHECK(strstr(err.text, "nobody") != NULL);
    CHECK_STATUS(refused(&w, &(omen_text_ask){.k = 1, .text = OMEN_STR("a"), .fields = &much, .field_count = 1}, &err), OMEN_ERR_INVALID);
    CHECK_STATUS(refused(&w, &(omen_text_ask){.k = 1, .text = OMEN_STR("a"), .k1 = NAN}, &err), OMEN_ERR_INVALID);
    CHECK_STATUS(refused(&w, &(omen_text_ask){.k = 1, .sparse = true, .sparse_field = OMEN_STR("title")}, &err), OMEN_ERR_INVALID);
    CHECK_STATUS(refused(&w, &(omen_text_ask){.k = 1, .sparse = true, .indices = indices, .values = values, .count = 2}, &err), OMEN_ERR_NOT_FINITE);
    CHECK_OK(refused(&w, &(omen_text_ask){.k = 1, .text = OMEN_STR("-a")}, &err));
    static const char *const bad[] = {"{\"terms\":3}", "{\"terms\":{\"indices\":[1]}}", "{\"terms\":{\"indices\":[1],\"values\":[1,2]}}", "{\"terms\":{\"indices\":[1,1],\"values\":[1,2]}}",
                                      "{\"terms\":{\"indices\":[-1],\"values\":[1]}}", "{\"terms\":{\"indices\":[4294967296],\"values\":[1]}}", "{\"terms\":{\"indices\":[1.5],\"values\":[1]}}",
                                      "{\"title\":\"unwritten words\",\"terms\":{\"indices\":[1],\"values\":[1e39]}}", "{\"terms\":{\"indices\":[1],\"values\":[\"1\"]}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_STATUS(put(&w, bad[i]), OMEN_ERR_INVALID);
        CHECK(strstr(omen_last_error(), "\"terms\"") != NULL);
    }
    CHECK_OK(put(&w, "{\"title\":\"tea\",\"terms\":{\"indices\":[4294967295,0],\"values\":[0,-2.5]}}"));
    uint64_t read;
    answer a[K];
    CHECK_EQ_UINT(answers(&w, "unwritten", false, a, &read), 0);
    CHECK_EQ_UINT(answers(&w, "tea", false, a, &read), 1);
    /* Memory that runs out leaves nothing behind. */
    uint64_t failed = 0;
    for (uint64_t n = 1; n < 400; n++) {
        fault_host_fail_alloc_at(w.h, n, true); /* one that fails alone is made up for: tables are flushed */
        omen_status s = put(&w, "{\"title\":\"rare words nobody else has written\",\"deep\":{\"body\":\"even more of them\"},\"terms\":{\"indices\":[5],\"values\":[1]}}");
        fault_host_fail_alloc_at(w.h, 0, false);
        if (s == OMEN_OK) break;
        failed++;
        CHECK_STATUS(s, OMEN_ERR_MEMORY);
        CHECK_EQ_UINT(answers(&w, "nobody", false, a, &read), 0);
        CHECK_EQ_UINT(answers(&w, "tea", false, a, &read), 1);
    }
    CHECK(failed > 5);
    CHECK_EQ_UINT(answers(&w, "nobody", false, a, &read), 1);
    end_world(&w);
}

/* ---- a language that is not loaded ---- */

static size_t keep(void *state, const omen_stemmer *self, uint8_t *word, size_t len, size_t cap) {
    (void)state, (void)self, (void)word, (void)cap;
    return len > 4 ? 4 : len;
}

static uint32_t german(world *w, omen_status want, uint64_t *read) {
    omen_snapshot s;
    omen_arena arena;
    omen_text_leg l;
    omen_error err = {0};
    omen_text_ask a = {.k = K, .text = OMEN_STR("Hausboote"), .k1 = -1, .b = -1};
    omen_snapshot_take(w->db, &s);
    omen_arena_init(&arena, &w->mem, 4096);
    CHECK_STATUS(run_leg(w, &s, &a, &arena, &l, &err), want);
    if (want != OMEN_OK) CHECK(strstr(err.text, "\"de\" is not loaded") != NULL);
    uint32_t n = l.top.count;
    *read = l.read;
    omen_text_leg_deinit(&l);
    omen_arena_deinit(&arena);
    omen_snapshot_release(&s);
    return n;
}

static void open_german(world *w) {
    omen_options o;
    omen_options_init(&o);
    o.host = &w->h->host;
    o.durability = OMEN_DURABILITY_OS;
    o.manual_maintenance = 1;
    CHECK_OK(omen_open("db", &o, &w->db));
    const omen_text_field text = {.name = OMEN_STR("t"), .language = OMEN_STR("de")};
    omen_schema s;
    omen_schema_init(&s);
    s.text_count = 1;
    s.texts = &text;
    CHECK_OK(omen_collection_open(w->db, OMEN_STR("notes"), &s, &w->c));
}

static void close_german(world *w) {
    omen_collection_close(w->c);
    CHECK_OK(omen_close(w->db));
}

TEST(a_language_that_is_not_loaded_keeps_nothing_from_being_stored) {
    static const omen_stemmer stemmer = {.version = 3, .stem = keep};
    const omen_language *de = omen_language_find("de", 2);
    if (omen_language_built_in(de)) TEST_SKIP("every language is built in; WebAssembly has languages that are not");
    world w = {.h = fault_host_new(1)};
    uint64_t read;
    omen_mem_init(&w.mem, &w.h->host, 0);
    open_german(&w);
    CHECK_OK(put(&w, "{\"t\":\"Ein Hausboot\"}"));
    german(&w, OMEN_ERR_UNSUPPORTED, &read);
    close_german(&w);
    open_german(&w); /* the log is read without it */
    german(&w, OMEN_ERR_UNSUPPORTED, &read);
    CHECK(omen_language_register(de, &stemmer));
    CHECK_EQ_UINT(german(&w, OMEN_OK, &read), 1);
    CHECK_EQ_UINT(read, 1);
    CHECK(omen_language_register(de, NULL));
    CHECK_OK(omen_flush(w.db)); /* a segment without its index */
    german(&w, OMEN_ERR_UNSUPPORTED, &read);
    CHECK_OK(omen_compact(w.db)); /* changes nothing, and ends */
    CHECK(omen_language_register(de, &stemmer));
    CHECK_EQ_UINT(german(&w, OMEN_OK, &read), 1);
    CHECK_EQ_UINT(read, 1);
    CHECK_OK(omen_compact(w.db));
    CHECK_EQ_UINT(german(&w, OMEN_OK, &read), 1);
    CHECK_EQ_UINT(read, 0);
    CHECK_OK(omen_check(w.db));
    close_german(&w);
    CHECK(omen_language_register(de, NULL));
    CHECK_EQ_UINT(fault_host_bytes(w.h), 0);
    fault_host_free(w.h);
}

TEST_MAIN()
