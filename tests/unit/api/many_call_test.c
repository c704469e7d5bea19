/* "searchMany": its answers are those of the searches made alone, byte for byte, on storages that answer late, too; a failure names its search; what is
 * malformed is refused; memory that fails leaves nothing behind. */
#include "test.h"

#define MESSAGE_BYTES (1 << 16)
#include "fault_host.h"
#include "message.h"
#include "omendb.h"

enum { DIMENSIONS = 4, RECORDS = 60, QUERIES = 40 };

typedef struct side { fault_host *h; omen_engine *e; omen_call *call; const uint8_t *bytes; size_t len; } side;

static omen_status ask(side *s, const message *m) {
    const void *bytes;
    omen_status st;
    omen_call_free(s->call);
    s->call = NULL;
    s->bytes = NULL;
    s->len = 0;
    st = omen_call_begin(s->e, m->bytes, m->len, &s->call);
    if (st != OMEN_OK) return st;
    do st = omen_call_step(s->call);
    while (st == OMEN_PENDING);
    omen_call_response(s->call, &bytes, &s->len);
    s->bytes = bytes;
    return st;
}

static omen_status ask_json(side *s, const char *json) {
    message m;
    message_begin(&m, json, 0);
    return ask(s, &m);
}

/* The JSON of the answer holds a text. */
static bool says(const side *s, const char *text) {
    char json[600];
    uint32_t len, parts;
    if (s->len < 16) return false;
    memcpy(&len, s->bytes + 8, 4);
    memcpy(&parts, s->bytes + 12, 4);
    if (len >= sizeof json) len = sizeof json - 1;
    memcpy(json, s->bytes + 16 + 16 * (size_t)parts, len);
    json[len] = '\0';
    return strstr(json, text) != NULL;
}

static const uint8_t *part(const side *s, uint32_t i, size_t *len) {
    uint64_t at, n;
    memcpy(&at, s->bytes + 16 + 16 * (size_t)i, 8);
    memcpy(&n, s->bytes + 24 + 16 * (size_t)i, 8);
    *len = (size_t)n;
    return s->bytes + at;
}

static bool begin_side(side *s, unsigned pending) {
    *s = (side){.h = fault_host_new(test_rand())};
    omen_vector_field field = {.name = OMEN_STR("v"), .dimensions = DIMENSIONS, .metric = OMEN_METRIC_L2};
    omen_options o;
    omen_schema schema;
    omen_db *db;
    omen_collection *c;
    float rows[RECORDS][DIMENSIONS];
    omen_id ids[RECORDS];
    for (int i = 0; i < RECORDS; i++) {
        ids[i] = (omen_id){.number = i};
        for (int d = 0; d < DIMENSIONS; d++) rows[i][d] = (float)(test_rand() % 100);
    }
    omen_options_init(&o);
    o.host = &s->h->host;
    omen_schema_init(&schema);
    schema.vector_count = 1;
    schema.vectors = &field;
    if (!CHECK_OK(omen_open("db", &o, &db)) || !CHECK_OK(omen_collection_open(db, OMEN_STR("c"), &schema, &c))) return false;
    const void *vectors[1] = {rows};
    omen_batch b = {.count = RECORDS, .ids = ids, .vectors = vectors};
    CHECK_OK(omen_upsert(c, &b));
    CHECK_OK(omen_flush(db));
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    fault_storage_set_pending(fault_host_image(s->h, "db"), pending);
    if (!CHECK_OK(omen_engine_new(&s->h->host, &s->e))) return false;
    CHECK_OK(ask_json(s, "{\"op\":\"open\",\"path\":\"db\"}"));
    return CHECK_OK(ask_json(s, "{\"op\":\"collection\",\"db\":1,\"name\":\"c\"}"));
}

static void end_side(side *s) {
    omen_call_free(s->call);
    s->call = NULL;
    omen_engine_free(s->e);
    fault_host_free(s->h);
}

/* The nth of many searches, of every kind; `collection` 0: as one among many. */
static void query(message *m, int n, int collection) {
    static const char *const rest[] = {"\"include\":[]", "\"include\":[\"vector\"]", "\"include\":[\"document\",\"vector\"],\"exact\":true", "\"filter\":\"n > 3\"", "\"maxDistance\":50"};
    char json[300], of[60] = "";
    float v[DIMENSIONS];
    for (int d = 0; d < DIMENSIONS; d++) v[d] = (float)((n * 37 + d * 11) % 100);
    if (collection != 0) snprintf(of, sizeof of, "\"op\":\"search\",\"collection\":%d,", collection);
    snprintf(json, sizeof json, "{%s\"k\":%d,%s}", of, 1 + n % 7, rest[n % 5]);
    message_begin(m, json, 1);
    message_part(m, 0, v, sizeof v);
}

static void many_of(message *m, const char *json, const uint32_t *offsets, uint32_t count, const void *bytes, size_t len) {
    message_begin(m, json, 2);
    message_part(m, 0, offsets, (count + 1) * sizeof *offsets);
    message_part(m, 1, bytes, len);
}

typedef struct batch { uint8_t bytes[MESSAGE_BYTES / 2]; uint32_t offsets[QUERIES + 1]; } batch;

/* Each is the number of a search that is no message, one that asks for no records, or one with a filter that is none (-1: there is none). */
static void fill(batch *b, int broken, int zero, int filter) {
    message q;
    b->offsets[0] = 0;
    for (int i = 0; i < QUERIES; i++) {
        query(&q, i, 0);
        if (i == broken) memcpy(q.bytes, "OMX1", 4);
        if (i == zero) message_begin(&q, "{\"k\":0}", 0);
        if (i == filter) message_begin(&q, "{\"k\":1,\"filter\":\"n >\"}", 0);
        memcpy(b->bytes + b->offsets[i], q.bytes, q.len);
        b->offsets[i + 1] = b->offsets[i] + (uint32_t)q.len;
    }
}

#define MANY "{\"op\":\"searchMany\",\"collection\":2,\"count\":40}"

TEST(many_are_what_each_is_alone) {
    static batch b;
    static message m, q;
    for (unsigned pending = 0; pending <= 60; pending += 30) {
        side s;
        if (!begin_side(&s, pending)) return;
        fill(&b, -1, -1, -1);
        many_of(&m, MANY, b.offsets, QUERIES, b.bytes, b.offsets[QUERIES]);
        if (CHECK_OK(ask(&s, &m)) && CHECK(says(&s, "{\"count\":40}"))) {
            size_t o_len, len;
            const uint8_t *o = part(&s, 0, &o_len), *all = part(&s, 1, &len);
            uint32_t at[QUERIES + 1];
            CHECK_EQ_UINT(o_len, sizeof at);
            memcpy(at, o, sizeof at);
            CHECK_EQ_UINT(at[QUERIES], len);
            uint8_t *copy = malloc(len);
            memcpy(copy, all, len);
            for (int i = 0; i < QUERIES; i++) {
                query(&q, i, 2);
                CHECK_OK(ask(&s, &q));
                CHECK_EQ_UINT(at[i + 1] - at[i], s.len);
                if (at[i + 1] - at[i] == s.len) CHECK_MEM(copy + at[i], s.bytes, s.len);
            }
            free(copy);
        }
        many_of(&m, "{\"op\":\"searchMany\",\"collection\":2,\"count\":0}", b.offsets, 0, NULL, 0);
        CHECK_OK(ask(&s, &m));
        CHECK(says(&s, "{\"count\":0}"));
        CHECK_OK(ask_json(&s, "{\"op\":\"close\",\"db\":1}"));
        end_side(&s);
    }
}

TEST(the_first_that_fails_is_told) {
    static batch b;
    static message m;
    const struct { int broken, zero, filter; omen_status status; const char *text; } rows[] = {
        {0, -1, -1, OMEN_ERR_INVALID, "query 0: malformed request"}, {-1, 39, -1, OMEN_ERR_INVALID, "query 39: k "}, {30, 20, 10, OMEN_ERR_INVALID, "query 10: filter"},
        {10, 20, 30, OMEN_ERR_INVALID, "query 10: malformed"},      {-1, 12, 13, OMEN_ERR_INVALID, "query 12: k "},
    };
    side s;
    if (!begin_side(&s, 40)) return;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fill(&b, rows[i].broken, rows[i].zero, rows[i].filter);
        many_of(&m, MANY, b.offsets, QUERIES, b.bytes, b.offsets[QUERIES]);
        CHECK_STATUS(ask(&s, &m), rows[i].status);
        if (!CHECK(says(&s, rows[i].text))) printf("  %.*s\n", (int)s.len, (const char *)s.bytes + 16);
    }
    end_side(&s);
}

TEST(malformed_ones_are_refused) {
    static batch b;
    static message m;
    side s;
    if (!begin_side(&s, 0)) return;
    fill(&b, -1, -1, -1);
    const uint32_t len = b.offsets[QUERIES];
    many_of(&m, "{\"op\":\"searchMany\",\"collection\":9,\"count\":40}", b.offsets, QUERIES, b.bytes, len);
    CHECK_STATUS(ask(&s, &m), OMEN_ERR_CLOSED);
    many_of(&m, "{\"op\":\"searchMany\",\"collection\":2,\"count\":257}", b.offsets, QUERIES, b.bytes, len);
    CHECK_STATUS(ask(&s, &m), OMEN_ERR_TOO_LARGE);
    many_of(&m, "{\"op\":\"searchMany\",\"collection\":2,\"count\":39}", b.offsets, QUERIES, b.bytes, len);
    CHECK_STATUS(ask(&s, &m), OMEN_ERR_INVALID);
    many_of(&m, MANY, b.offsets, QUERIES, b.bytes, len - 8);
    CHECK_STATUS(ask(&s, &m), OMEN_ERR_INVALID);
    b.offsets[7] = len + 8;
    many_of(&m, MANY, b.offsets, QUERIES, b.bytes, len);
    CHECK_STATUS(ask(&s, &m), OMEN_ERR_INVALID);
    /* An operation in a search's place is a search all the same. */
    message q;
    uint32_t one[2] = {0, 0};
    message_begin(&q, "{\"op\":\"drop\",\"db\":1,\"name\":\"c\"}", 0);
    one[1] = (uint32_t)q.len;
    many_of(&m, "{\"op\":\"searchMany\",\"collection\":2,\"count\":1}", one, 1, q.bytes, q.len);
    CHECK_STATUS(ask(&s, &m), OMEN_ERR_INVALID);
    CHECK(says(&s, "query 0: k must be"));
    end_side(&s);
}

/* Freed at any step, with some answered and others waiting. */
TEST(one_that_is_cancelled_leaves_nothing) {
    static batch b;
    static message m;
    side s;
    if (!begin_side(&s, 60)) return;
    fill(&b, -1, -1, -1);
    many_of(&m, MANY, b.offsets, QUERIES, b.bytes, b.offsets[QUERIES]);
    for (int steps = 0; steps < 40; steps++) {
        omen_call *call;
        CHECK_OK(omen_call_begin(s.e, m.bytes, m.len, &call));
        for (int i = 0; i < steps && omen_call_step(call) == OMEN_PENDING; i++) {}
        omen_call_free(call);
    }
    CHECK_OK(ask_json(&s, "{\"op\":\"close\",\"db\":1}"));
    end_side(&s);
}

TEST(memory_that_fails_leaves_nothing_behind) {
    static batch b;
    static message m;
    side s;
    if (!begin_side(&s, 0)) return;
    fill(&b, -1, -1, -1);
    many_of(&m, MANY, b.offsets, QUERIES, b.bytes, b.offsets[QUERIES]);
    CHECK_OK(ask(&s, &m)); /* what is read once is in the pool */
    omen_call_free(s.call);
    s.call = NULL;
    const uint64_t before = fault_host_bytes(s.h), from = fault_host_allocs(s.h);
    CHECK_OK(ask(&s, &m));
    const uint64_t allocs = fault_host_allocs(s.h) - from;
    CHECK(allocs > 2 * QUERIES);
    for (uint64_t n = 1; n <= allocs; n += 3 * TEST_FAULT_STEP) {
        fault_host_fail_alloc_at(s.h, n, false);
        omen_status st = ask(&s, &m);
        fault_host_fail_alloc_at(s.h, 0, false);
        if (st != OMEN_OK) CHECK_STATUS(st, OMEN_ERR_MEMORY);
        omen_call_free(s.call);
        s.call = NULL;
        CHECK(fault_host_bytes(s.h) <= before + 4096);
    }
    CHECK_OK(ask(&s, &m));
    end_side(&s);
}

TEST_MAIN()
