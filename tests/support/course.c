#include "course.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[COURSE_COLLECTIONS] = {"kept", "loose"};
enum { OVER = COURSE_IDS - 1, GROUPS = 3 }; /* the record of id OVER has outlived its time whenever it is written: no read sees it */

static uint64_t draw(course *x, uint64_t below) {
    uint64_t z = (x->rng += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

static omen_str str(const char *text) { return (omen_str){text, strlen(text)}; }

static omen_id id_of(int i) {
    static const char *const texts[COURSE_IDS] = {"", "one", "", "three", "", "five", "", "seven"};
    return i % 2 == 0 ? (omen_id)OMEN_ID_INT(i) : (omen_id){str(texts[i]), 0};
}

static void fill(float *row, int id, int put) {
    row[0] = (float)id + (float)(put % 64) * 0.25f + 1;
    row[1] = (float)(put % 7);
}

/* ---- states ---- */

static course_state *push(course *x) {
    if (x->count == x->cap) {
        x->cap = x->cap == 0 ? 64 : x->cap * 2;
        x->states = realloc(x->states, x->cap * sizeof *x->states);
        if (x->states == NULL) abort();
    }
    course_state *next = &x->states[x->count];
    if (x->count == 0) memset(next, 0, sizeof *next);
    else *next = next[-1];
    x->begun = x->count++;
    return next;
}

void course_init(course *x, uint64_t seed, const course_options *options) {
    memset(x, 0, sizeof *x);
    x->options = *options;
    x->rng = seed;
    push(x);
}

void course_deinit(course *x) {
    free(x->states);
    memset(x, 0, sizeof *x);
}

size_t course_find(const course *x, const course_state *state, size_t from, size_t to) {
    for (size_t i = to + 1; i-- > from;)
        if (memcmp(&x->states[i], state, sizeof *state) == 0) return i;
    return SIZE_MAX;
}

/* What was begun last has succeeded. */
static omen_status done(course *x, omen_status s, bool durable) {
    if (s != OMEN_OK) return s;
    if (x->options.durability >= OMEN_DURABILITY_OS || durable) x->acked = x->begun;
    if (x->options.durability >= OMEN_DURABILITY_GROUP || durable) x->durable = x->begun;
    return s;
}

/* The same of a write that may have found nothing to change: then there was nothing to wait for, and it says nothing about writes before it. */
static omen_status changed(course *x, omen_status s) {
    bool same = memcmp(&x->states[x->begun], &x->states[x->begun - 1], sizeof *x->states) == 0;
    return same ? s : done(x, s, false);
}

/* ---- opening and closing ---- */

static void schema_of(const course *x, int which, omen_schema *s) {
    static const omen_text_field words = {.name = OMEN_STR("t")};
    static const omen_str sparse = OMEN_STR("s");
    static omen_vector_field f[COURSE_COLLECTIONS];
    f[which] = (omen_vector_field){.name = {"", 0}, .dimensions = COURSE_DIMS, .metric = OMEN_METRIC_L2};
    if (which == 0) f[which].index.kind = x->options.index;
    omen_schema_init(s);
    s->vector_count = 1;
    s->vectors = &f[which];
    s->ttl = OMEN_STR("until");
    if (!x->options.words) return;
    s->text_count = s->sparse_count = 1;
    s->texts = &words;
    s->sparse = &sparse;
}

static omen_status create(course *x, int which) {
    omen_schema s;
    schema_of(x, which, &s);
    push(x)->there[which] = 1;
    return done(x, omen_collection_open(x->db, str(names[which]), &s, &x->c[which]), false);
}

/* From what is found. Only what a program keeps to itself, at level MEMORY, goes with it. */
static omen_status go_on(course *x) {
    course_state found;
    x->why = "the records are not those of any moment that is allowed";
    if (!course_read(x->db, &x->options, true, &found, &x->why)) return OMEN_ERR_INTERNAL;
    if (course_find(x, &found, x->options.durability >= OMEN_DURABILITY_OS ? x->acked : x->durable, x->begun) == SIZE_MAX) return OMEN_ERR_INTERNAL;
    *push(x) = found;
    x->acked = x->durable = x->begun;
    return OMEN_OK;
}

static omen_status write_crowd(course *x) {
    static omen_id ids[COURSE_CROWD];
    static float rows[COURSE_CROWD][COURSE_DIMS];
    const void *vectors[] = {rows[0]};
    push(x)->crowd = 1;
    for (int i = 0; i < COURSE_CROWD; i++) {
        ids[i] = (omen_id)OMEN_ID_INT(1000 + i);
        fill(rows[i], i, i);
    }
    return done(x, omen_upsert(x->c[0], &(omen_batch){.count = COURSE_CROWD, .ids = ids, .vectors = vectors}), false);
}

omen_status course_open(course *x, fault_host *h) {
    omen_options o;
    omen_options_init(&o);
    o.host = &h->host;
    o.durability = x->options.durability;
    o.memtable_bytes = 4096;
    o.pool_bytes = 1 << 20;
    o.index_bytes = 1 << 20;
    o.manual_maintenance = x->options.by_steps;
    omen_status s = omen_open("db", &o, &x->db);
    if (s == OMEN_OK && x->opened) s = go_on(x);
    x->opened = true;
    for (int i = 0; s == OMEN_OK && i < COURSE_COLLECTIONS; i++) {
        s = omen_collection_open(x->db, str(names[i]), NULL, &x->c[i]);
        if (s == OMEN_ERR_NOT_FOUND) s = i == 0 ? create(x, i) : OMEN_OK;
    }
    if (s == OMEN_OK && x->options.crowd && x->states[x->begun].crowd == 0) s = write_crowd(x);
    return s;
}

void course_close(course *x) {
    for (int i = 0; i < COURSE_COLLECTIONS; i++) omen_collection_close(x->c[i]);
    omen_status s = omen_close(x->db);
    if (s == OMEN_OK && x->db != NULL && x->options.durability >= OMEN_DURABILITY_OS) x->durable = x->acked = x->begun;
    x->db = NULL;
    memset(x->c, 0, sizeof x->c);
}

void course_kill(course *x, fault_storage *fs) {
    size_t durable = x->durable, acked = x->acked;
    fault_storage_power_off_at(fs, 1); /* nothing that closing does reaches the storage */
    course_close(x);
    fault_storage_power_off_at(fs, 0);
    x->durable = durable;
    x->acked = acked;
}

/* ---- operations ---- */

void course_kill_within(course *x, fault_storage *fs, uint64_t n) {
    fault_storage_power_off_at(fs, n);
    for (int i = 0; i < 6 && !fault_storage_fault_hit(fs); i++) {
        omen_status s = course_step(x);
        if (s != OMEN_OK) break;
    }
    course_kill(x, fs);
}

static int some_collection(course *x) { return x->c[1] != NULL && draw(x, 3) == 0; }

static omen_status put(course *x, bool wait) {
    static const char pad[] = "Whatever the disk kept, the database opens, nothing acknowledged is missing, and no batch is there by half. A sector holds what it held "
                              "after any number of the writes to it, a file has one of the sizes it had, and a name is there or not, as after any number of creations.";
    omen_id ids[4];
    float rows[4][COURSE_DIMS];
    omen_str docs[4];
    char text[4][480];
    int which = some_collection(x);
    course_state *to = push(x);
    size_t count = 1 + draw(x, 4);
    int first = (int)draw(x, COURSE_IDS);
    for (size_t k = 0; k < count; k++) {
        int i = (first + (int)k * 3) % COURSE_IDS, version = (int)x->steps;
        if (i != OVER) to->records[which][i] = (course_record){(uint16_t)version, (uint16_t)version};
        ids[k] = id_of(i);
        fill(rows[k], i, version);
        int n = snprintf(text[k], sizeof text[k], "{\"v\":%d,\"p\":%d,\"g\":%d,\"t\":\"word w%d\",\"s\":{\"indices\":[7,%d],\"values\":[1,2]},%s\"pad\":\"%.*s\"}", version, version, i % GROUPS, i, 8 + i,
                         i == OVER ? "\"until\":\"2001-01-01T00:00:00Z\"," : "", (int)draw(x, sizeof pad), pad);
        docs[k] = (omen_str){text[k], (size_t)n};
    }
    const void *vectors[] = {rows[0]};
    omen_batch b = {.count = count, .ids = ids, .vectors = vectors, .documents = docs};
    if (wait) return done(x, omen_upsert(x->c[which], &b), false);
    uint64_t commit;
    return omen_write_begin(x->c[which], OMEN_WRITE_UPSERT, &b, &commit);
}

static omen_status delete_some(course *x) {
    int which = some_collection(x), a = (int)draw(x, COURSE_IDS), b = (a + 3) % COURSE_IDS;
    course_state *to = push(x);
    to->records[which][a] = to->records[which][b] = (course_record){0, 0};
    return changed(x, omen_delete(x->c[which], (omen_id[]){id_of(a), id_of(b)}, 2, NULL));
}

static omen_status update_some(course *x) {
    int which = some_collection(x);
    course_state *to = push(x);
    omen_id ids[COURSE_IDS];
    omen_str docs[COURSE_IDS];
    char text[24];
    size_t count = 0;
    snprintf(text, sizeof text, "{\"v\":%u}", x->steps);
    for (int i = (int)draw(x, 3); i < COURSE_IDS; i += 2) {
        if (to->records[which][i].put == 0) continue;
        to->records[which][i].version = (uint16_t)x->steps;
        ids[count] = id_of(i);
        docs[count++] = str(text);
    }
    const void *vectors[] = {NULL};
    return changed(x, omen_update(x->c[which], &(omen_batch){.count = count, .ids = ids, .vectors = vectors, .documents = docs}));
}

static omen_status where(course *x, bool update) {
    int which = some_collection(x), g = (int)draw(x, GROUPS);
    course_state *to = push(x);
    char filter[24], patch[24];
    snprintf(filter, sizeof filter, "g = %d", g);
    snprintf(patch, sizeof patch, "{\"v\":%u}", x->steps);
    for (int i = g; i < COURSE_IDS; i += GROUPS) {
        if (to->records[which][i].put == 0) continue;
        if (update) to->records[which][i].version = (uint16_t)x->steps;
        else to->records[which][i] = (course_record){0, 0};
    }
    return changed(x, update ? omen_update_where(x->c[which], str(filter), str(patch), NULL) : omen_delete_where(x->c[which], str(filter), NULL));
}

static omen_status drop_or_create(course *x) {
    if (x->c[1] == NULL) return create(x, 1);
    course_state *to = push(x);
    to->there[1] = 0;
    memset(to->records[1], 0, sizeof to->records[1]);
    omen_collection_close(x->c[1]);
    x->c[1] = NULL;
    return done(x, omen_collection_drop(x->db, str(names[1])), false);
}

static omen_status other_index(course *x) {
    omen_index_options o = {.kind = draw(x, 2) == 0 ? x->options.index : OMEN_INDEX_FLAT};
    return done(x, omen_collection_index(x->c[0], (omen_str){NULL, 0}, &o), false);
}

static omen_status maintain(course *x, unsigned steps) {
    omen_status s = OMEN_OK;
    for (int more = 1; s == OMEN_OK && more != 0 && steps > 0; steps--) s = omen_db_maintain(x->db, 0, &more);
    return s;
}

typedef enum what { PUT, BEGIN, DELETE, UPDATE, UPDATE_WHERE, DELETE_WHERE, EXPIRE, FLUSH, COMPACT, INDEXES, SYNC, LOOSE, INDEX, MAINTAIN, WHATS } what;
static const char *const whats[WHATS] = {"put", "begin", "delete", "update", "update where", "delete where", "expire", "flush", "compact", "build indexes", "sync", "drop or create", "index", "maintain"};
static const uint8_t weights[WHATS] = {18, 10, 5, 5, 3, 2, 1, 4, 2, 2, 3, 2, 1, 6};
static what last;

const char *course_last(const course *x) { return x->steps == 0 ? "open" : whats[last]; }

omen_status course_step(course *x) {
    unsigned sum = 0, at = 0;
    for (int i = 0; i < WHATS; i++) sum += weights[i];
    unsigned r = (unsigned)draw(x, sum);
    for (last = 0; r >= at + weights[last]; last++) at += weights[last];
    x->steps++;
    switch (last) {
    case PUT: return put(x, true);
    case BEGIN: return put(x, false);
    case DELETE: return delete_some(x);
    case UPDATE: return update_some(x);
    case UPDATE_WHERE: return where(x, true);
    case DELETE_WHERE: return where(x, false);
    case EXPIRE: return omen_expire(x->c[0], NULL); /* of what no read sees: no state comes of it */
    case FLUSH: return done(x, omen_flush(x->db), true);
    case COMPACT: return done(x, omen_compact(x->db), true);
    case INDEXES: return done(x, omen_build_indexes(x->db), true);
    case SYNC: return done(x, omen_sync(x->db), true);
    case LOOSE: return drop_or_create(x);
    case INDEX: return other_index(x);
    case MAINTAIN: return x->options.by_steps ? maintain(x, 1 + (unsigned)draw(x, 12)) : OMEN_OK;
    case WHATS: break;
    }
    return OMEN_ERR_INTERNAL;
}

/* ---- reading ---- */

static bool no(const char **why, const char *text) {
    *why = text;
    return false;
}

static int number_after(const char *text, const char *key) {
    const char *at = strstr(text, key);
    return at == NULL ? 0 : atoi(at + strlen(key));
}

/* One record as a read gave it. */
static bool take(const omen_results *r, size_t i, course_record *into, unsigned *crowd, const char **why) {
    omen_id id = omen_results_id(r, i);
    if (id.text.data == NULL && id.number >= 1000) {
        float far[COURSE_DIMS];
        int n = (int)id.number - 1000;
        const float *row = omen_results_vector(r, i, 0);
        fill(far, n, n);
        if (n >= COURSE_CROWD || row == NULL || memcmp(far, row, sizeof far) != 0) return no(why, "a vector of the crowd is another");
        ++*crowd;
        return true;
    }
    omen_str doc = omen_results_document(r, i);
    const float *got = omen_results_vector(r, i, 0);
    char text[512];
    float want[COURSE_DIMS];
    int at = -1;
    for (int k = 0; k < COURSE_IDS; k++) {
        omen_id known = id_of(k);
        bool same = known.text.data == NULL ? id.text.data == NULL && id.number == known.number : id.text.len == known.text.len && memcmp(id.text.data, known.text.data, known.text.len) == 0;
        if (same) at = k;
    }
    if (at < 0 || doc.len >= sizeof text || got == NULL) return no(why, "a record that was never written");
    memcpy(text, doc.data, doc.len);
    text[doc.len] = 0;
    int version = number_after(text, "\"v\":"), written = number_after(text, "\"p\":");
    fill(want, at, written);
    if (version <= 0 || written <= 0 || number_after(text, "\"g\":") != at % GROUPS) return no(why, "a document is not what was written");
    if (memcmp(want, got, sizeof want) != 0) return no(why, "a vector is not that of its document");
    if (into[at].put != 0) return no(why, "a record is there twice");
    into[at] = (course_record){(uint16_t)written, (uint16_t)version};
    return true;
}

static bool finds(omen_collection *c, const char *options, const float *vector, uint64_t live, const char **why) {
    omen_query q;
    omen_results *r = NULL;
    omen_query_init(&q);
    q.k = COURSE_IDS * 2 + COURSE_CROWD;
    q.options = str(options);
    if (vector != NULL) q.vector = vector, q.dimensions = COURSE_DIMS;
    if (omen_search(c, &q, &r) != OMEN_OK) return no(why, omen_last_error());
    bool good = omen_results_count(r) == live;
    omen_results_free(r);
    return good || no(why, "a search disagrees with the scroll");
}

static bool agree(omen_collection *c, const course_options *options, bool thorough, const course_record *records, unsigned crowd, const char **why) {
    static const float probe[COURSE_DIMS] = {1, 1};
    uint64_t live = 0, groups[GROUPS] = {0}, count = 0;
    for (int i = 0; i < COURSE_IDS; i++) live += records[i].put != 0, groups[i % GROUPS] += records[i].put != 0;
    if (omen_count(c, &count) != OMEN_OK) return no(why, omen_last_error());
    if (count != live + crowd) return no(why, "count disagrees with the scroll");
    if (!finds(c, "", probe, live + crowd, why)) return false;
    for (int g = 0; thorough && g < GROUPS; g++) {
        char filter[24];
        snprintf(filter, sizeof filter, "g = %d", g);
        if (omen_count_where(c, str(filter), &count) != OMEN_OK) return no(why, omen_last_error());
        if (count != groups[g]) return no(why, "a filter disagrees with the scroll");
    }
    if (!thorough) return true;
    omen_id ids[COURSE_IDS];
    omen_results *r = NULL;
    for (int i = 0; i < COURSE_IDS; i++) ids[i] = id_of(i);
    if (omen_get(c, ids, COURSE_IDS, OMEN_INCLUDE_DOCUMENT, &r) != OMEN_OK) return no(why, omen_last_error());
    bool good = true;
    for (int i = 0; i < COURSE_IDS; i++) good = good && (omen_results_found(r, (size_t)i) != 0) == (records[i].put != 0);
    omen_results_free(r);
    if (!good) return no(why, "get disagrees with the scroll");
    return !options->words || (finds(c, "{\"text\":\"word\"}", NULL, live, why) && finds(c, "{\"sparse\":{\"indices\":[7],\"values\":[1]}}", NULL, live, why));
}

bool course_read(omen_db *db, const course_options *options, bool thorough, course_state *out, const char **why) {
    memset(out, 0, sizeof *out);
    bool good = true;
    for (int which = 0; good && which < COURSE_COLLECTIONS; which++) {
        omen_collection *c = NULL;
        omen_results *r = NULL;
        unsigned crowd = 0;
        omen_status s = omen_collection_open(db, str(names[which]), NULL, &c);
        if (s == OMEN_ERR_NOT_FOUND) continue;
        if (s != OMEN_OK) return no(why, omen_last_error());
        out->there[which] = 1;
        s = omen_scroll(c, NULL, COURSE_IDS * 2 + COURSE_CROWD, OMEN_INCLUDE_DOCUMENT | OMEN_INCLUDE_VECTOR, &r);
        if (s != OMEN_OK) good = no(why, omen_last_error());
        for (size_t i = 0; good && i < omen_results_count(r); i++) good = take(r, i, out->records[which], &crowd, why);
        omen_results_free(r);
        if (good && crowd != 0 && (which != 0 || crowd != COURSE_CROWD)) good = no(why, "a batch is there by half");
        if (which == 0) out->crowd = crowd != 0;
        good = good && agree(c, options, thorough, out->records[which], crowd, why);
        omen_collection_close(c);
    }
    return good;
}
