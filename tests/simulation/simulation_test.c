/* Simulation: a seeded workload over a seeded storage, clock and scheduler, against a model of what must be visible.
 *
 * Calls are made through the engine, in steps, many at once: writes, reads, maintenance. The storage answers at once or late, now and then fails, or memory runs out; programs end and machines lose power. What
 * is checked: a read answers one state of the records, between what was there when it began and what had been asked for by then, and never an older one than a read before it; a write that failed for want of
 * memory changed nothing; after every end the database opens with all that was acknowledged as its durability says, as a prefix of what was written; nothing leaks, nothing is stuck.
 *
 * A seed that fails says so; OMEN_TEST_SEED=n runs that seed alone (two of them: n and n + 1 are two). OMEN_TEST_SEEDS: how many. */
#include "test.h"

#include "fault_host.h"
#include "exchange.h"
#include "omendb.h"
#include "report.h"

enum { IDS = 6, GROUPS = 2, MOST_FLIGHTS = 7, MOST_WRITES = 512, MOST_READS = 256, EVENTS = 70 };

/* ---- the model ---- */

typedef struct record { int version; int64_t until; } record; /* version 0: not there; until 0: for ever */
typedef struct state { record of[IDS]; } state;

typedef enum change { UPSERT, DELETE, DELETE_WHERE, UPDATE_WHERE, EXPIRE } change;
typedef struct write {
    change kind;
    int ids[3], count, version, group;
    int64_t until, now;
    bool nothing; /* it failed, and changed nothing */
    bool maybe;   /* it failed with the storage: before it changed anything, or after */
} write;

static void apply(state *s, const write *w) {
    if (w->nothing) return;
    for (int i = 0; w->kind == UPSERT && i < w->count; i++) s->of[w->ids[i]] = (record){w->version, w->until};
    for (int i = 0; w->kind == DELETE && i < w->count; i++) s->of[w->ids[i]] = (record){0, 0};
    for (int i = 0; i < IDS; i++) {
        record *r = &s->of[i];
        if (r->version == 0) continue;
        bool over = r->until != 0 && r->until <= w->now;
        if (w->kind == EXPIRE && over) *r = (record){0, 0};
        if (i % GROUPS != w->group || over) continue;
        if (w->kind == DELETE_WHERE) *r = (record){0, 0};
        if (w->kind == UPDATE_WHERE) r->version = w->version;
    }
}

static void seen_at(state *s, int64_t now) {
    for (int i = 0; i < IDS; i++)
        if (s->of[i].until != 0 && s->of[i].until <= now) s->of[i] = (record){0, 0};
    for (int i = 0; i < IDS; i++) s->of[i].until = 0;
}

/* ---- the world ---- */

typedef struct read { state found; int counted, lo, hi, order; int64_t now; } read; /* counted: records of group 1, where that was asked for; else -1 */

typedef enum call_kind { WRITE, SCROLL, COUNT, SEARCH, OTHER } call_kind;
typedef struct flight {
    omen_call *call;
    call_kind kind;
    int write;   /* its number, among writes or reads */
    int lo, hi;  /* of a read, or of what makes durable: writes that had ended, that had been begun */
    bool durable;
} flight;

typedef struct world {
    uint64_t rng, seed;
    fault_host *h;
    fault_storage *fs;
    omen_durability durability;
    omen_engine *e;
    long db, collection;
    int64_t now;
    state base;             /* before the first of the writes */
    write writes[MOST_WRITES];
    int begun, ended;       /* writes; all below `ended` have */
    bool done[MOST_WRITES];
    int acked, durable;     /* writes below it */
    read reads[MOST_READS];
    int read_count, reads_begun;
    flight flights[MOST_FLIGHTS];
    int flight_count;
    bool faulty, broken;    /* a fault may come; writing has ended */
    int version;
    const char *why;
} world;

static uint64_t roll(world *x, uint64_t below) {
    uint64_t z = (x->rng += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

/* OMEN_TEST_TRACE: what happens, for one seed. */
static bool tracing;
#define TRACE(...) (tracing ? (void)printf(__VA_ARGS__) : (void)0)

static void wrong(world *x, const char *why) {
    if (x->why == NULL) x->why = why;
}

/* ---- verification ---- */

static bool same(const state *a, const state *b) {
    for (int i = 0; i < IDS; i++)
        if (a->of[i].version != b->of[i].version) return false;
    return true;
}

static int in_group(const state *s, int group) {
    int n = 0;
    for (int i = group; i < IDS; i += GROUPS) n += s->of[i].version != 0;
    return n;
}

/* All that has been read since the model was last sure: writes that failed are known by now. */
static void verify(world *x) {
    static state at[MOST_WRITES + 1];
    int before = 0;
    at[0] = x->base;
    for (int i = 0; i < x->begun; i++) {
        at[i + 1] = at[i];
        apply(&at[i + 1], &x->writes[i]);
    }
    for (int order = 0; order < x->reads_begun && x->why == NULL; order++)
        for (int i = 0; i < x->read_count; i++) {
            const read *r = &x->reads[i];
            if (r->order != order) continue;
            int k = r->lo > before ? r->lo : before;
            for (; k <= r->hi; k++) {
                state s = at[k];
                seen_at(&s, r->now);
                if (r->counted >= 0 ? in_group(&s, 1) == r->counted : same(&s, &r->found)) break;
            }
            if (k > r->hi) wrong(x, "a read answered a state that was not there when it began");
            if (r->counted < 0) before = k; /* states may count alike */
        }
    x->read_count = x->reads_begun = 0;
}

/* ---- calls ---- */

static void keep_read(world *x, const flight *f, const state *found, int counted) {
    if (x->read_count == MOST_READS) return;
    x->reads[x->read_count++] = (read){*found, counted, f->lo, f->hi, f->write, x->now};
}

/* Documents are {"v":version,"g":group}; `ids` and `docs`: the parts of their bytes. */
static bool parse_rows(const answer *a, uint32_t ids, uint32_t docs, state *out) {
    memset(out, 0, sizeof *out);
    if (a->count <= docs) return false;
    for (size_t i = 0; i < a->len[ids] / 9; i++) {
        uint32_t from, to;
        char text[64] = "";
        memcpy(&from, a->parts[docs - 1] + 4 * i, 4);
        memcpy(&to, a->parts[docs - 1] + 4 * i + 4, 4);
        int id = a->parts[ids][i * 9 + 8];
        const char *at;
        memcpy(text, a->parts[docs] + from, to - from < 63 ? to - from : 63);
        if (id >= IDS || out->of[id].version != 0 || (at = strstr(text, "\"v\":")) == NULL) return false;
        out->of[id].version = atoi(at + 4);
        if ((at = strstr(text, "\"g\":")) == NULL || atoi(at + 4) != id % GROUPS) return false;
    }
    return true;
}

static void land(world *x, int n, omen_status s) {
    flight f = x->flights[n];
    const void *bytes;
    size_t len;
    static answer a;
    omen_call_response(f.call, &bytes, &len);
    answer_read(&a, bytes, len);
    TRACE("end of kind %d number %d: %s %s\n", f.kind, f.write, omen_status_name(s), s == OMEN_OK ? "" : a.json);
    memmove(x->flights + n, x->flights + n + 1, (size_t)(--x->flight_count - n) * sizeof *x->flights);
    if (s != OMEN_OK) {
        bool hit = fault_host_fault_hit(x->h) || fault_storage_fault_hit(x->fs);
        bool storage = s == OMEN_ERR_IO || s == OMEN_ERR_FULL || s == OMEN_ERR_POISONED;
        if (!hit || (!storage && s != OMEN_ERR_MEMORY)) {
            printf("        %s: %s\n", omen_status_name(s), a.json);
            wrong(x, "a call failed for no reason");
        }
        if (storage) x->broken = true;
        if (f.kind == WRITE && s == OMEN_ERR_MEMORY && !x->broken) x->writes[f.write].nothing = true;
        if (f.kind == WRITE && s != OMEN_ERR_MEMORY) x->broken = x->writes[f.write].maybe = true;
    }
    if (f.kind == WRITE) {
        x->done[f.write] = true;
        while (x->ended < x->begun && x->done[x->ended]) x->ended++;
        /* What changed nothing has nothing to wait for: it says nothing about writes before it. */
        if (s == OMEN_OK && x->writes[f.write].kind != UPSERT && answer_number(&a, "deleted") <= 0 && answer_number(&a, "count") <= 0) s = OMEN_ERR_NOT_FOUND;
        if (s == OMEN_OK && x->acked < f.write + 1 && x->durability >= OMEN_DURABILITY_OS) x->acked = f.write + 1;
        if (s == OMEN_OK && x->durable < f.write + 1 && x->durability >= OMEN_DURABILITY_GROUP) x->durable = f.write + 1;
    } else if (s == OMEN_OK) {
        state found;
        if (f.durable && x->durable < f.lo) x->durable = f.lo;
        if (f.durable && x->acked < f.lo) x->acked = f.lo;
        if (f.kind == COUNT) keep_read(x, &f, &(state){0}, (int)answer_number(&a, "count"));
        if (f.kind == SCROLL || f.kind == SEARCH) {
            if (!parse_rows(&a, f.kind == SCROLL ? 2 : 1, f.kind == SCROLL ? 4 : 5, &found)) wrong(x, "a read answered what was never written");
            else keep_read(x, &f, &found, -1);
        }
    }
    omen_call_free(f.call);
}

static void step(world *x, int n) {
    omen_status s = omen_call_step(x->flights[n].call);
    if (s != OMEN_PENDING) land(x, n, s);
}

static void take_off(world *x, call_kind kind, const message *m, bool durable) {
    flight f = {.kind = kind, .durable = durable, .lo = x->ended, .hi = x->begun};
    omen_status s = omen_call_begin(x->e, m->bytes, m->len, &f.call);
    if (s != OMEN_OK) { /* no memory for the request itself */
        if (s != OMEN_ERR_MEMORY || !fault_host_fault_hit(x->h)) wrong(x, "a call could not be begun");
        return;
    }
    TRACE("begin %s lo %d hi %d%s\n", m->bytes + (m->bytes[12] * 16 + 16), x->ended, x->begun, kind == WRITE ? " (a write)" : "");
    if (kind == WRITE) f.write = x->begun++;
    if (kind == SCROLL || kind == COUNT || kind == SEARCH) f.write = x->reads_begun++;
    x->flights[x->flight_count++] = f;
    omen_call_start(f.call);
}

static void begin_write(world *x) {
    message m;
    char json[200], docs[400] = "", until[60] = "";
    write *w = &x->writes[x->begun];
    if (x->begun == MOST_WRITES) return;
    uint64_t r = roll(x, 20);
    *w = (write){.kind = r < 12 ? UPSERT : r < 15 ? DELETE : r < 17 ? DELETE_WHERE : r < 19 ? UPDATE_WHERE : EXPIRE, .version = ++x->version, .group = (int)roll(x, GROUPS), .now = x->now};
    x->done[x->begun] = false;
    w->count = 1 + (int)roll(x, 3);
    for (int i = 0, id = (int)roll(x, IDS); i < w->count; i++, id = (id + 1) % IDS) w->ids[i] = id;
    if (w->kind == UPSERT) {
        uint32_t offsets[4] = {0};
        float rows[3][2];
        if (roll(x, 4) == 0) {
            w->until = (x->now / 1000 + 1 + (int64_t)roll(x, 3)) * 1000;
            int64_t second = w->until / 1000 - INT64_C(1700000000); /* 2023-11-14T22:13:20Z */
            snprintf(until, sizeof until, ",\"until\":\"2023-11-14T22:%02d:%02dZ\"", (int)(13 + (20 + second) / 60), (int)((20 + second) % 60));
        }
        size_t len = 0;
        for (int i = 0; i < w->count; i++) {
            len += (size_t)snprintf(docs + len, sizeof docs - len, "{\"v\":%d,\"g\":%d%s}", w->version, w->ids[i] % GROUPS, until);
            offsets[i + 1] = (uint32_t)len;
            rows[i][0] = (float)w->version;
            rows[i][1] = (float)w->ids[i];
        }
        snprintf(json, sizeof json, "{\"op\":\"write\",\"collection\":%ld,\"mode\":\"upsert\",\"count\":%d,\"fields\":[0]}", x->collection, w->count);
        message_begin(&m, json, 5);
        message_ids(&m, 0, w->ids, (uint32_t)w->count);
        message_part(&m, 2, offsets, (size_t)(w->count + 1) * 4);
        message_part(&m, 3, docs, len);
        message_part(&m, 4, rows, (size_t)w->count * sizeof rows[0]);
    } else if (w->kind == DELETE) {
        snprintf(json, sizeof json, "{\"op\":\"delete\",\"collection\":%ld,\"count\":%d}", x->collection, w->count);
        message_begin(&m, json, 2);
        message_ids(&m, 0, w->ids, (uint32_t)w->count);
    } else {
        if (w->kind == DELETE_WHERE) snprintf(json, sizeof json, "{\"op\":\"deleteWhere\",\"collection\":%ld,\"filter\":\"g = %d\"}", x->collection, w->group);
        else if (w->kind == UPDATE_WHERE) snprintf(json, sizeof json, "{\"op\":\"updateWhere\",\"collection\":%ld,\"filter\":\"g = %d\",\"patch\":{\"v\":%d}}", x->collection, w->group, w->version);
        else snprintf(json, sizeof json, "{\"op\":\"expire\",\"collection\":%ld}", x->collection);
        message_begin(&m, json, 0);
    }
    TRACE("write %d: kind %d version %d group %d count %d of", x->begun, (int)w->kind, w->version, w->group, w->count);
    for (int i = 0; i < w->count; i++) TRACE(" %d", w->ids[i]);
    TRACE(" until %lld at %lld\n", (long long)w->until, (long long)w->now);
    take_off(x, WRITE, &m, false);
}

static void begin_other(world *x) {
    static const char *const ops[] = {"flush", "compact", "sync", "check", "maintain", "maintain", "maintain", "buildIndexes", "stats"};
    message m;
    char json[160];
    size_t i = (size_t)roll(x, sizeof ops / sizeof *ops);
    snprintf(json, sizeof json, "{\"op\":\"%s\",\"db\":%ld,\"budgetUs\":0}", ops[i], x->db);
    message_begin(&m, json, 0);
    /* What it makes durable is what had ended when it began. */
    take_off(x, OTHER, &m, i < 3);
}

static void begin_read(world *x) {
    message m;
    char json[200];
    static const float v[2] = {3, 3};
    uint64_t r = roll(x, 6);
    if (r < 4) {
        snprintf(json, sizeof json, "{\"op\":\"scroll\",\"collection\":%ld,\"limit\":100,\"include\":[\"document\"]}", x->collection);
        message_begin(&m, json, 0);
        take_off(x, SCROLL, &m, false);
    } else if (r == 4) {
        snprintf(json, sizeof json, "{\"op\":\"count\",\"collection\":%ld,\"filter\":\"g = 1\"}", x->collection);
        message_begin(&m, json, 0);
        take_off(x, COUNT, &m, false);
    } else {
        snprintf(json, sizeof json, "{\"op\":\"search\",\"collection\":%ld,\"k\":100,\"include\":[\"document\"]}", x->collection);
        message_begin(&m, json, 1);
        message_part(&m, 0, v, sizeof v);
        take_off(x, SEARCH, &m, false);
    }
}

/* Steps one call to its end, all others now and then. OMEN_ERR_INTERNAL: it is stuck. */
static omen_status ask(world *x, const char *json, answer *a) {
    message m;
    omen_call *call;
    const void *bytes;
    size_t len;
    message_begin(&m, json, 0);
    omen_status s = omen_call_begin(x->e, m.bytes, m.len, &call);
    if (s != OMEN_OK) return s;
    for (unsigned patience = 0; (s = omen_call_step(call)) == OMEN_PENDING; patience++)
        if (patience > 200000) {
            s = OMEN_ERR_INTERNAL;
            break;
        }
    omen_call_response(call, &bytes, &len);
    static uint8_t kept[1 << 16];
    if (len > sizeof kept) abort();
    memcpy(kept, bytes, len);
    answer_read(a, kept, len);
    omen_call_free(call);
    return s;
}

/* ---- the life of a database ---- */

/* Until no call is under way. */
static void drain(world *x) {
    for (unsigned patience = 0; x->flight_count > 0 && x->why == NULL; patience++) {
        for (int i = 0; i < x->flight_count;) {
            int before = x->flight_count;
            step(x, i);
            if (x->flight_count == before) i++;
        }
        if (patience > 50000) wrong(x, "calls are stuck");
    }
}

static void drop_flights(world *x) {
    while (x->flight_count > 0) omen_call_free(x->flights[--x->flight_count].call);
}

static bool open_world(world *x) {
    static answer a;
    char json[300];
    if (omen_engine_new(&x->h->host, &x->e) != OMEN_OK) return false;
    static const char *const levels[] = {"", "memory", "os", "group", "full"};
    snprintf(json, sizeof json, "{\"op\":\"open\",\"path\":\"db\",\"options\":{\"durability\":\"%s\",\"memtableBytes\":4096,\"poolBytes\":1048576%s}}", levels[x->durability],
             x->seed % 3 == 0 ? ",\"manualMaintenance\":true" : "");
    omen_status s = ask(x, json, &a);
    if (s == OMEN_OK) {
        x->db = answer_number(&a, "db");
        snprintf(json, sizeof json, "{\"op\":\"collection\",\"db\":%ld,\"name\":\"c\",\"schema\":{\"vectors\":[{\"name\":\"\",\"dimensions\":2,\"metric\":\"l2\",\"index\":{\"kind\":\"%s\"}}],\"ttl\":\"until\"}}", x->db,
                 x->seed % 4 == 0 ? "hnsw" : x->seed % 4 == 1 ? "ivf" : "auto");
        s = ask(x, json, &a);
        x->collection = answer_number(&a, "collection");
    }
    if (s != OMEN_OK) printf("        opening: %s: %s\n", omen_status_name(s), a.json);
    return s == OMEN_OK;
}

/* What is found is one of the states from write number `from` on, in whole writes; the model goes on from it. */
static void find(world *x, int from) {
    static answer a;
    state found, at = x->base;
    char json[120];
    snprintf(json, sizeof json, "{\"op\":\"scroll\",\"collection\":%ld,\"limit\":100,\"include\":[\"document\"]}", x->collection);
    omen_status s = ask(x, json, &a);
    if (s != OMEN_OK || !parse_rows(&a, 2, 4, &found)) {
        printf("        reading: %s %s\n", omen_status_name(s), a.json);
        wrong(x, "the database cannot be read after it was opened");
        return;
    }
    int match = -1, maybes[MOST_FLIGHTS], count = 0;
    state kept = at;
    for (int i = 0; i < x->begun && count < MOST_FLIGHTS; i++)
        if (x->writes[i].maybe) maybes[count++] = i;
    /* All of those that may have been, or any part of them. */
    for (unsigned without = 0; without < 1u << count && match < 0; without++) {
        for (int i = 0; i < count; i++) x->writes[maybes[i]].nothing = (without >> i & 1) != 0;
        at = x->base;
        for (int i = 0; i <= x->begun; i++) {
            state s_now = at;
            seen_at(&s_now, x->now);
            if (i >= from && same(&s_now, &found)) match = i, kept = at;
            TRACE("state %d:", i);
            for (int k = 0; k < IDS; k++) TRACE(" %d%s", at.of[k].version, at.of[k].until == 0 ? "" : at.of[k].until <= x->now ? "-" : "+");
            TRACE("%s\n", i < x->begun && x->writes[i].nothing ? " (without the next one)" : "");
            if (i < x->begun) apply(&at, &x->writes[i]);
        }
    }
    for (int i = 0; i < IDS; i++) TRACE("found %d: %d\n", i, found.of[i].version);
    TRACE("which is state %d\n", match);
    if (match < 0) wrong(x, "after opening, records are there that should not be, or are not that should");
    x->base = kept;
    x->begun = x->ended = x->acked = x->durable = 0;
}

static void no_faults(world *x) {
    fault_host_fail_alloc_at(x->h, 0, false);
    fault_storage_fail_at(x->fs, 0, OMEN_OK, false);
}

static void list(const char *when, const fault_storage *fs) {
    for (size_t i = 0; tracing && i < fault_storage_count(fs); i++) {
        size_t len;
        (void)fault_storage_data(fs, fault_storage_name(fs, i), &len);
        printf("%s: %s %zu\n", when, fault_storage_name(fs, i), len);
    }
}

/* The end of a session: closed, ended without a word, or out of power; and the next one. */
static void end_session(world *x) {
    static answer a;
    char json[60];
    uint64_t how = roll(x, 3);
    if (how == 0 && !x->broken && !x->faulty) {
        drain(x);
        verify(x);
        snprintf(json, sizeof json, "{\"op\":\"close\",\"db\":%ld}", x->db);
        if (x->why == NULL && ask(x, json, &a) != OMEN_OK) wrong(x, "closing failed");
        if (x->durability >= OMEN_DURABILITY_OS) x->durable = x->acked = x->begun;
    } else {
        if (roll(x, 2) == 0) drain(x);
        drop_flights(x);
        if (!x->broken) verify(x);
        else x->read_count = x->reads_begun = 0;
    }
    omen_engine_free(x->e);
    x->e = NULL;
    no_faults(x);
    if (fault_storage_misuse(x->fs) != NULL) wrong(x, fault_storage_misuse(x->fs));
    if (fault_host_bytes(x->h) != 0) wrong(x, "memory leaks");
    int from = x->acked;
    if (how == 2) {
        static const fault_crash_mode modes[] = {FAULT_CRASH_DURABLE, FAULT_CRASH_RANDOM, FAULT_CRASH_ZERO_TAIL, FAULT_CRASH_PREFIX};
        fault_storage *after = fault_storage_crash(x->fs, modes[roll(x, 4)], x->rng);
        list("before", x->fs);
        list("after", after);
        fault_host_set_image(x->h, "db", after);
        x->fs = after;
        from = x->durable;
    } else if (x->durability == OMEN_DURABILITY_MEMORY) from = x->durable;
    TRACE("session ends, way %d, %s; acked %d, durable %d, begun %d, level %d\n", (int)how, x->broken ? "broken" : "well", x->acked, x->durable, x->begun, (int)x->durability);
    x->broken = x->faulty = false;
    x->now += (int64_t)roll(x, 2500);
    fault_host_set_wall(x->h, x->now);
    fault_storage_set_pending(x->fs, roll(x, 2) == 0 ? 0 : 10 + (unsigned)roll(x, 80));
    if (x->why == NULL && !open_world(x)) wrong(x, "the database does not open again");
    if (x->why == NULL) find(x, from);
}

static void add_fault(world *x) {
    if (x->faulty) return;
    x->faulty = true;
    TRACE("a fault is on its way\n");
    if (roll(x, 2) == 0) fault_host_fail_alloc_at(x->h, 1 + roll(x, 400), false);
    else fault_storage_fail_at(x->fs, 1 + roll(x, 60), roll(x, 2) == 0 ? OMEN_ERR_IO : OMEN_ERR_FULL, roll(x, 2) == 0);
}

static const char *simulate(uint64_t seed) {
    static world w;
    world *x = &w;
    memset(x, 0, sizeof *x);
    x->seed = seed;
    x->rng = seed * UINT64_C(0xd1342543de82ef95) + 1;
    x->durability = (omen_durability)(OMEN_DURABILITY_MEMORY + roll(x, 4));
    if (roll(x, 2) == 0) x->durability = OMEN_DURABILITY_GROUP;
    x->h = fault_host_new(seed);
    x->fs = fault_host_image(x->h, "db");
    x->now = INT64_C(1700000000000);
    fault_host_set_fill(x->h, seed % 16 == 0);
    fault_host_set_wait(x->h, false);
    fault_host_set_wall(x->h, x->now);
    fault_storage_set_pending(x->fs, roll(x, 2) == 0 ? 0 : 10 + (unsigned)roll(x, 80));
    bool faults = roll(x, 2) == 0;
    if (!open_world(x)) wrong(x, "a new database does not open");
    for (unsigned n = 0; n < EVENTS && x->why == NULL; n++) {
        uint64_t r = roll(x, 100);
        if (x->broken || r == 0) end_session(x);
        else if (r == 1 && faults) add_fault(x);
        else if (r < 4) { /* time passes while nothing is under way */
            drain(x);
            if (!x->broken) verify(x);
            x->now += (int64_t)roll(x, 1500);
            fault_host_set_wall(x->h, x->now);
        } else if (r < 40 && x->flight_count < MOST_FLIGHTS) begin_write(x);
        else if (r < 58 && x->flight_count < MOST_FLIGHTS) begin_read(x);
        else if (r < 68 && x->flight_count < MOST_FLIGHTS) begin_other(x);
        else if (x->flight_count > 0) step(x, (int)roll(x, (uint64_t)x->flight_count));
        for (uint64_t i = roll(x, 6); i > 0 && x->flight_count > 0 && x->why == NULL; i--) step(x, (int)roll(x, (uint64_t)x->flight_count));
    }
    if (x->why == NULL) end_session(x);
    drop_flights(x);
    omen_engine_free(x->e);
    if (x->why == NULL && fault_host_bytes(x->h) != 0) wrong(x, "memory leaks");
    fault_host_free(x->h);
    return x->why;
}

static uint64_t wanted(void) {
    const char *n = getenv("OMEN_TEST_SEEDS");
    if (n != NULL) return strtoull(n, NULL, 10);
    if (getenv("OMEN_TEST_SEED") != NULL) return 1;
    return TEST_REDUCED ? 200 : omen_test_deep() ? 400000 : 25000;
}

TEST(seeds) {
    uint64_t count = wanted(), n = 0;
    tracing = getenv("OMEN_TEST_TRACE") != NULL;
    for (; n < count && test_failures < 5; n++) {
        const char *why = simulate(test_seed() + n);
        if (why != NULL && test_fail(__FILE__, __LINE__, why)) printf("        again with OMEN_TEST_SEED=%" PRIu64 "\n", test_seed() + n);
    }
    printf("     %" PRIu64 " seeds\n", n);
    omen_test_report("simulation_seeds", n);
}

TEST_MAIN()
