/* Calls as messages: what is refused before anything is done, code that is loaded later, and memory that ends at any allocation of a call. */
#include "test.h"

#include "base/later.h"
#include "fault_host.h"
#include "omendb.h"

enum { ROOM = 4096 };

typedef struct side {
    fault_host *h;
    omen_engine *e;
    char json[400]; /* the last answer's */
} side;

/* A request of JSON and parts; NULL ends them. */
typedef struct part { const void *data; size_t len; } part;

static size_t request(uint8_t *b, const char *json, const part *parts, uint32_t count) {
    size_t at = 16 + 16 * (size_t)count;
    memset(b, 0, ROOM);
    memcpy(b, "OMC1", 4);
    omen_put32(b + 8, (uint32_t)strlen(json));
    omen_put32(b + 12, count);
    memcpy(b + at, json, strlen(json));
    at = (at + strlen(json) + 7) & ~(size_t)7;
    for (uint32_t i = 0; i < count; i++) {
        omen_put64(b + 16 + 16 * i, at);
        omen_put64(b + 24 + 16 * i, parts[i].len);
        if (parts[i].len != 0) memcpy(b + at, parts[i].data, parts[i].len);
        at = (at + parts[i].len + 7) & ~(size_t)7;
    }
    return at;
}

static omen_status finish(side *s, omen_call *call) {
    omen_status st;
    const void *bytes;
    size_t len;
    do st = omen_call_step(call);
    while (st == OMEN_PENDING);
    omen_call_response(call, &bytes, &len);
    s->json[0] = '\0';
    if (len >= 16) {
        const uint8_t *b = bytes;
        size_t n = omen_get32(b + 8), at = 16 + 16 * (size_t)omen_get32(b + 12);
        n = n < sizeof s->json ? n : sizeof s->json - 1;
        memcpy(s->json, b + at, n);
        s->json[n] = '\0';
        CHECK_EQ_UINT(omen_get32(b + 4), (uint32_t)st);
    } else {
        CHECK(st == OMEN_ERR_MEMORY && len == 0);
    }
    omen_call_free(call);
    return st;
}

static omen_status ask(side *s, const char *json, const part *parts, uint32_t count) {
    static uint8_t b[ROOM];
    omen_call *call;
    size_t len = request(b, json, parts, count);
    omen_status st = omen_call_begin(s->e, b, len, &call);
    return st == OMEN_OK ? finish(s, call) : st;
}

static void begin(side *s) {
    memset(s, 0, sizeof *s);
    s->h = fault_host_new(1);
    CHECK_OK(omen_engine_new(&s->h->host, &s->e));
    CHECK_OK(ask(s, "{\"op\":\"open\",\"path\":\"db\",\"options\":{\"manualMaintenance\":true}}", NULL, 0));
    CHECK_OK(ask(s, "{\"op\":\"collection\",\"db\":1,\"name\":\"c\",\"schema\":{\"vectors\":[{\"name\":\"v\",\"dimensions\":2}],\"text\":[\"t\"]}}", NULL, 0));
}

static void end(side *s) {
    omen_engine_free(s->e);
    CHECK_EQ_UINT(fault_host_bytes(s->h), 0);
    fault_host_free(s->h);
}

/* Two records, in four parts and a vector part. */
static const uint32_t id_offsets[3] = {0, 9, 11}, doc_offsets[3] = {0, 11, 11};
static const uint8_t id_bytes[11] = {1, 128, 0, 0, 0, 0, 0, 0, 1, 2, 'x'};
static const char doc_bytes[] = "{\"t\":\"tea\"}";
static const float vectors[4] = {1, 0, 0, 1};
static const part rows[5] = {{id_offsets, 12}, {id_bytes, 11}, {doc_offsets, 12}, {doc_bytes, 11}, {vectors, 16}};

TEST(what_is_refused) {
    static const struct { const char *json; omen_status status; const char *said; } bad[] = {
        {"{}", OMEN_ERR_INVALID, "op must be a string"},
        {"{\"op\":\"fly\"}", OMEN_ERR_INVALID, "unknown operation \\\"fly\\\""},
        {"{\"op\":\"count\"}", OMEN_ERR_INVALID, "collection must be an integer"},
        {"{\"op\":\"count\",\"collection\":9}", OMEN_ERR_CLOSED, "closed"},
        {"{\"op\":\"stats\",\"db\":9}", OMEN_ERR_CLOSED, "closed"},
        {"{\"op\":\"stats\",\"db\":\"1\"}", OMEN_ERR_INVALID, "db must be an integer"},
        {"{\"op\":\"open\",\"path\":7}", OMEN_ERR_INVALID, "path must be a string"},
        {"{\"op\":\"open\",\"options\":7}", OMEN_ERR_INVALID, "options must be an object"},
        {"{\"op\":\"open\",\"slot\":3}", OMEN_ERR_NOT_FOUND, "slot 3"},
        {"{\"op\":\"open\",\"slot\":-3}", OMEN_ERR_INVALID, "slot must be"},
        {"{\"op\":\"open\",\"path\":\"x\",\"options\":{\"poolBytes\":1}}", OMEN_ERR_INVALID, "below 1 MiB"},
        {"{\"op\":\"collection\",\"db\":1}", OMEN_ERR_INVALID, "name must be a string"},
        {"{\"op\":\"collection\",\"db\":1,\"name\":\"c\",\"schema\":7}", OMEN_ERR_INVALID, "schema must be an object"},
        {"{\"op\":\"index\",\"collection\":2}", OMEN_ERR_INVALID, "index must be an object"},
        {"{\"op\":\"index\",\"collection\":2,\"field\":7,\"index\":{}}", OMEN_ERR_INVALID, "field must be a string"},
        {"{\"op\":\"drop\",\"db\":1,\"name\":null}", OMEN_ERR_INVALID, "name must be a string"},
        {"{\"op\":\"release\",\"collection\":-1}", OMEN_ERR_INVALID, "collection must be"},
        {"{\"op\":\"write\",\"collection\":2}", OMEN_ERR_INVALID, "mode must be a string"},
        {"{\"op\":\"write\",\"collection\":2,\"mode\":\"replace\"}", OMEN_ERR_INVALID, "mode must be upsert"},
        {"{\"op\":\"write\",\"collection\":2,\"mode\":\"insert\"}", OMEN_ERR_INVALID, "count must be"},
        {"{\"op\":\"write\",\"collection\":2,\"mode\":\"update\",\"count\":4000000}", OMEN_ERR_TOO_LARGE, "split it"},
        {"{\"op\":\"write\",\"collection\":2,\"mode\":\"upsert\",\"count\":2}", OMEN_ERR_INVALID, "part 0 is needed"},
        {"{\"op\":\"delete\",\"collection\":2,\"count\":\"2\"}", OMEN_ERR_INVALID, "count must be"},
        {"{\"op\":\"deleteWhere\",\"collection\":2}", OMEN_ERR_INVALID, "no filter"},
        {"{\"op\":\"deleteWhere\",\"collection\":2,\"filter\":true}", OMEN_ERR_INVALID, "filter must be an object, or a string"},
        {"{\"op\":\"updateWhere\",\"collection\":2,\"filter\":\"t = 1\",\"patch\":null}", OMEN_ERR_INVALID, "no patch"},
        {"{\"op\":\"updateWhere\",\"collection\":2,\"filter\":{\"t\":1},\"patch\":\"x\"}", OMEN_ERR_INVALID, "patch must be an object"},
        {"{\"op\":\"get\",\"collection\":2,\"include\":7,\"count\":1}", OMEN_ERR_INVALID, "include must be"},
        {"{\"op\":\"scroll\",\"collection\":2}", OMEN_ERR_INVALID, "limit must be"},
        {"{\"op\":\"scroll\",\"collection\":2,\"limit\":1,\"filter\":7}", OMEN_ERR_INVALID, "filter"},
        {"{\"op\":\"search\",\"collection\":2}", OMEN_ERR_INVALID, "k must be"},
        {"{\"op\":\"metrics\",\"db\":1,\"format\":\"xml\"}", OMEN_ERR_INVALID, "format must be json or prometheus"},
        {"{\"op\":\"metrics\",\"db\":1,\"format\":7}", OMEN_ERR_INVALID, "format must be"},
        {"{\"op\":\"maintain\",\"db\":1,\"budgetUs\":\"x\"}", OMEN_ERR_INVALID, "budgetUs must be"},
        {"{\"op\":\"buildIndexes\",\"db\":1,\"budgetUs\":-1}", OMEN_ERR_INVALID, "budgetUs must be"},
        {"{\"op\":\"buildIndexes\",\"db\":1,\"until\":-1}", OMEN_ERR_INVALID, "until must be"},
        {"{\"op\":\"task\"}", OMEN_ERR_INVALID, "task must be"},
        {"{\"op\":\"task\",\"task\":77}", OMEN_ERR_CLOSED, "has ended"},
        {"{\"op\":\"task\",\"task\":77,\"budgetUs\":\"1\"}", OMEN_ERR_INVALID, "budgetUs must be"},
        {"{\"op\":\"taskEnd\"}", OMEN_ERR_INVALID, "task must be"},
        {"{\"op\":\"transfer\"}", OMEN_ERR_INVALID, "kind must be a string"},
        {"{\"op\":\"transfer\",\"kind\":\"copy\"}", OMEN_ERR_INVALID, "kind must be backup"},
        {"{\"op\":\"transfer\",\"kind\":\"backup\",\"backups\":{\"path\":\"b\"}}", OMEN_ERR_INVALID, "db is missing"},
        {"{\"op\":\"transfer\",\"kind\":\"list\",\"db\":1,\"backups\":{\"path\":\"b\"}}", OMEN_ERR_INVALID, "db is not for this kind"},
        {"{\"op\":\"transfer\",\"kind\":\"list\",\"backups\":{}}", OMEN_ERR_INVALID, "backups must have a path or a slot"},
        {"{\"op\":\"transfer\",\"kind\":\"list\",\"backups\":{\"slot\":\"x\"}}", OMEN_ERR_INVALID, "backups.slot must be a number"},
        {"{\"op\":\"transfer\",\"kind\":\"list\",\"backups\":{\"path\":\"b\",\"keys\":64}}", OMEN_ERR_INVALID, "backups.keys must be"},
        {"{\"op\":\"transfer\",\"kind\":\"list\",\"backups\":{\"path\":\"b\",\"keys\":0}}", OMEN_ERR_INVALID, "part 0 is needed"},
        {"{\"op\":\"collection\",\"db\":9,\"name\":\"c\"}", OMEN_ERR_CLOSED, "closed"},
        {"{\"op\":\"drop\",\"db\":9,\"name\":\"c\"}", OMEN_ERR_CLOSED, "closed"},
        {"{\"op\":\"check\",\"db\":9}", OMEN_ERR_CLOSED, "closed"},
        {"{\"op\":\"checkReport\",\"db\":9}", OMEN_ERR_CLOSED, "closed"},
        {"{\"op\":\"sync\",\"db\":9}", OMEN_ERR_CLOSED, "closed"},
        {"{\"op\":\"buildIndexes\",\"db\":9}", OMEN_ERR_CLOSED, "closed"},
        {"{\"op\":\"metricsReset\",\"db\":9}", OMEN_ERR_CLOSED, "closed"},
        {"{\"op\":\"transfer\",\"kind\":\"backup\",\"db\":9,\"backups\":{\"path\":\"b\"}}", OMEN_ERR_CLOSED, "closed"},
        {"{\"op\":\"purge\",\"collection\":9,\"count\":0}", OMEN_ERR_CLOSED, "closed"},
        {"{\"op\":\"purge\",\"collection\":2}", OMEN_ERR_INVALID, "count must be"},
        {"{\"op\":\"write\",\"collection\":9,\"mode\":\"upsert\",\"count\":0}", OMEN_ERR_CLOSED, "closed"},
        {"{\"op\":\"delete\",\"collection\":9,\"count\":0}", OMEN_ERR_CLOSED, "closed"},
        {"{\"op\":\"deleteWhere\",\"collection\":9,\"filter\":\"a = 1\"}", OMEN_ERR_CLOSED, "closed"},
        {"{\"op\":\"expire\",\"collection\":9}", OMEN_ERR_CLOSED, "closed"},
        {"{\"op\":\"get\",\"collection\":2}", OMEN_ERR_INVALID, "count must be"},
        {"{\"op\":\"searchMany\",\"collection\":2}", OMEN_ERR_INVALID, "count must be"},
        {"{\"op\":\"open\",\"slot\":3,\"path\":7}", OMEN_ERR_INVALID, "path must be a string"},
        {"{\"op\":\"search\",\"collection\":2,\"k\":1,\"field\":7}", OMEN_ERR_INVALID, "field must be a string"},
        {"{\"op\":\"search\",\"collection\":2,\"k\":1,\"ef\":\"much\"}", OMEN_ERR_INVALID, "ef must be"},
        {"{\"op\":\"search\",\"collection\":2,\"k\":1,\"vectors\":7}", OMEN_ERR_INVALID, "vectors must be an array"},
        {"{\"op\":\"search\",\"collection\":2,\"k\":1,\"vectors\":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]}", OMEN_ERR_INVALID, "vectors must be an array"},
        {"{\"op\":\"search\",\"collection\":2,\"k\":1,\"vectors\":[{\"field\":7}]}", OMEN_ERR_INVALID, "a query vector's field must be a string"},
        {"{\"op\":\"search\",\"collection\":2,\"k\":1,\"vectors\":[{\"weight\":\"1\"}]}", OMEN_ERR_INVALID, "a query vector's weight must be a number"},
        {"{\"op\":\"search\",\"collection\":2,\"k\":1,\"vectors\":[{\"field\":\"v\"}]}", OMEN_ERR_INVALID, "part 0 is needed"},
        {"{\"op\":\"transfer\",\"kind\":\"restore\",\"backup\":\"1\",\"backups\":{\"path\":\"b\"},\"place\":{\"path\":\"p\"}}", OMEN_ERR_INVALID, "backup must be"},
    };
    side s;
    omen_call *call;
    begin(&s);
    for (size_t i = 0; i < OMEN_ARRAY_LEN(bad); i++) {
        omen_status st = ask(&s, bad[i].json, NULL, 0);
        if (!CHECK(st == bad[i].status && strstr(s.json, bad[i].said) != NULL)) printf("     %s: %s %s\n", bad[i].json, omen_status_name(st), s.json);
        CHECK(strstr(s.json, "\"code\":\"OMEN_ERR_") != NULL);
    }
    CHECK_STATUS(omen_call_begin(NULL, "x", 1, &call), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_call_begin(s.e, NULL, 1, &call), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_call_begin(s.e, "x", 1, NULL), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_call_step(NULL), OMEN_ERR_INVALID);
    CHECK_OK(omen_call_begin(s.e, NULL, 0, &call));
    CHECK_STATUS(finish(&s, call), OMEN_ERR_INVALID);
    omen_call_start(NULL);
    omen_call_free(NULL);
    end(&s);
}

TEST(columns_that_do_not_fit) {
    side s;
    part p[5];
    const uint32_t wrong[][3] = {{1, 9, 11}, {0, 9, 10}, {0, 12, 11}, {0, 9, 12}};
    static const char write[] = "{\"op\":\"write\",\"collection\":2,\"mode\":\"upsert\",\"count\":2,\"fields\":[0]}";
    begin(&s);
    CHECK_OK(ask(&s, write, rows, 5));
    for (size_t i = 0; i < OMEN_ARRAY_LEN(wrong); i++)
        for (int column = 0; column < 4; column += 2) {
            memcpy(p, rows, sizeof p);
            p[column].data = wrong[i];
            CHECK_STATUS(ask(&s, write, p, 5), OMEN_ERR_INVALID);
            CHECK(strstr(s.json, "do not fit") != NULL);
        }
    memcpy(p, rows, sizeof p);
    p[0].len = 8;
    CHECK_STATUS(ask(&s, write, p, 5), OMEN_ERR_INVALID);
    memcpy(p, rows, sizeof p);
    p[4].len = 12;
    CHECK_STATUS(ask(&s, write, p, 5), OMEN_ERR_DIMENSION);
    CHECK_STATUS(ask(&s, write, rows, 4), OMEN_ERR_INVALID);
    CHECK_STATUS(ask(&s, write, rows, 3), OMEN_ERR_INVALID);
    CHECK_STATUS(ask(&s, write, rows, 1), OMEN_ERR_INVALID);
    CHECK_STATUS(ask(&s, "{\"op\":\"write\",\"collection\":2,\"mode\":\"upsert\",\"count\":2,\"fields\":[1]}", rows, 5), OMEN_ERR_INVALID);
    CHECK_STATUS(ask(&s, "{\"op\":\"write\",\"collection\":2,\"mode\":\"upsert\",\"count\":2,\"fields\":[\"v\"]}", rows, 5), OMEN_ERR_INVALID);
    CHECK_OK(ask(&s, "{\"op\":\"count\",\"collection\":2}", NULL, 0));
    CHECK_EQ_STR(s.json, "{\"count\":2}");
    end(&s);
}

/* ---- what is loaded later ---- */

static unsigned waits;
static omen_status outcome;
static omen_status load(void) {
    if (waits != 0) return waits--, OMEN_PENDING;
    return outcome;
}

TEST(code_that_is_loaded_later) {
    static uint8_t b[ROOM];
    side s;
    begin(&s);
    omen_later_set_loader(load);
    static const char *const later[] = {"{\"op\":\"flush\",\"db\":1}", "{\"op\":\"compact\",\"db\":1}", "{\"op\":\"check\",\"db\":1}", "{\"op\":\"checkReport\",\"db\":1}", "{\"op\":\"buildIndexes\",\"db\":1}", "{\"op\":\"stats\",\"db\":1}",
                                       "{\"op\":\"explain\",\"collection\":2,\"k\":1,\"text\":{\"query\":\"tea\"}}", "{\"op\":\"search\",\"collection\":2,\"k\":1,\"facets\":[],\"text\":{\"query\":\"tea\"}}",
                                       "{\"op\":\"transfer\",\"kind\":\"list\",\"backups\":{\"path\":\"b\"}}", "{\"op\":\"purge\",\"collection\":2,\"count\":2}"};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(later); i++)
        for (int started = 0; started < 3; started++) {
            omen_call *call;
            const bool purge = strstr(later[i], "purge") != NULL;
            waits = 3;
            outcome = OMEN_OK;
            CHECK_OK(omen_call_begin(s.e, b, request(b, later[i], purge ? rows : NULL, purge ? 2 : 0), &call));
            for (int k = 0; k < started; k++) omen_call_start(call);
            CHECK_STATUS(omen_call_step(call), OMEN_PENDING);
            CHECK_OK(finish(&s, call));
            waits = 0;
            outcome = OMEN_ERR_UNSUPPORTED;
            CHECK_OK(omen_call_begin(s.e, b, request(b, later[i], purge ? rows : NULL, purge ? 2 : 0), &call));
            if (started != 0) omen_call_start(call);
            CHECK_STATUS(finish(&s, call), OMEN_ERR_UNSUPPORTED);
            CHECK(strstr(s.json, "not loaded") != NULL);
        }
    omen_later_set_loader(NULL);
    CHECK_OK(ask(&s, "{\"op\":\"write\",\"collection\":2,\"mode\":\"upsert\",\"count\":2,\"fields\":[0]}", rows, 5));
    CHECK_OK(ask(&s, later[0], NULL, 0));
    /* A part that has texts is not opened without it. */
    CHECK_OK(ask(&s, "{\"op\":\"close\",\"db\":1}", NULL, 0));
    static const char open[] = "{\"op\":\"open\",\"path\":\"db\",\"options\":{\"manualMaintenance\":true}}";
    omen_later_set_loader(load);
    waits = 0;
    outcome = OMEN_ERR_UNSUPPORTED;
    CHECK_STATUS(ask(&s, open, NULL, 0), OMEN_ERR_UNSUPPORTED);
    CHECK(strstr(s.json, "not loaded") != NULL);
    waits = 3;
    outcome = OMEN_OK;
    CHECK_OK(ask(&s, open, NULL, 0));
    omen_later_set_loader(NULL);
    end(&s);
}

/* ---- searches with vectors ---- */

TEST(vectors_that_are_asked_for) {
    static const char two[] = "{\"op\":\"search\",\"collection\":2,\"k\":2,\"include\":[],\"vectors\":[{\"field\":\"v\",\"weight\":2},{}]}";
    const float one[2] = {1, 0}, other[2] = {0, 1};
    part p[2] = {{one, 8}, {other, 8}};
    side s;
    begin(&s);
    CHECK_OK(ask(&s, "{\"op\":\"write\",\"collection\":2,\"mode\":\"upsert\",\"count\":2,\"fields\":[0]}", rows, 5));
    CHECK_STATUS(ask(&s, "{\"op\":\"search\",\"collection\":2,\"k\":2,\"vectors\":[{\"field\":\"none\"}]}", p, 1), OMEN_ERR_INVALID);
    CHECK(strstr(s.json, "none") != NULL);
    CHECK_STATUS(ask(&s, "{\"op\":\"search\",\"collection\":2,\"k\":2,\"vectors\":[{}, {}]}", p, 1), OMEN_ERR_INVALID);
    CHECK(strstr(s.json, "part 1 is needed") != NULL);
    p[1].len = 7;
    CHECK_STATUS(ask(&s, two, p, 2), OMEN_ERR_INVALID);
    CHECK(strstr(s.json, "no whole number of dimensions") != NULL);
    p[1].len = 4;
    CHECK_STATUS(ask(&s, two, p, 2), OMEN_ERR_INVALID);
    CHECK(strstr(s.json, "asked for twice") != NULL);
    p[1].len = 8;
    CHECK_STATUS(ask(&s, two, p, 2), OMEN_ERR_INVALID);
    CHECK(strstr(s.json, "asked for twice") != NULL);
    CHECK_OK(ask(&s, "{\"op\":\"search\",\"collection\":2,\"k\":2,\"include\":[],\"vectors\":[{\"field\":\"v\",\"weight\":2}]}", p, 1));
    CHECK(strstr(s.json, "\"count\":2") != NULL);
    CHECK_OK(ask(&s, "{\"op\":\"search\",\"collection\":2,\"k\":2,\"include\":[],\"groupBy\":{\"path\":\"t\",\"size\":1}}", p, 1));
    CHECK(strstr(s.json, "\"count\":") != NULL);
    CHECK_OK(ask(&s, "{\"op\":\"search\",\"collection\":2,\"k\":1,\"field\":\"v\",\"vectors\":null}", p, 1));
    CHECK(strstr(s.json, "\"count\":1") != NULL);
    end(&s);
}

/* ---- what else a request may say ---- */

TEST(arguments_that_may_be_left_out) {
    side s;
    uint8_t keys[128] = {1, 2, 3};
    const part p[1] = {{keys, 64}}, half[1] = {{keys, 63}};
    const uint32_t wrong[2] = {0, 9};
    const part key[2] = {{wrong, 8}, {id_bytes, 8}};
    begin(&s);
    CHECK_OK(ask(&s, "{\"op\":\"collection\",\"db\":1,\"name\":\"c\",\"schema\":null}", NULL, 0));
    CHECK_OK(ask(&s, "{\"op\":\"collection\",\"db\":1,\"name\":\"words\",\"schema\":{\"text\":[{\"name\":\"t\",\"language\":\"en\",\"stopWords\":\"keep\"}]}}", NULL, 0));
    CHECK(strstr(s.json, "\"stopWords\"") != NULL);
    CHECK_OK(ask(&s, "{\"op\":\"drop\",\"db\":1,\"name\":\"words\"}", NULL, 0));
    CHECK_OK(ask(&s, "{\"op\":\"maintain\",\"db\":1}", NULL, 0));
    CHECK_OK(ask(&s, "{\"op\":\"maintain\",\"db\":1,\"budgetUs\":1000}", NULL, 0));
    CHECK_OK(ask(&s, "{\"op\":\"buildIndexes\",\"db\":1,\"budgetUs\":1000,\"until\":1}", NULL, 0));
    CHECK(strstr(s.json, "\"until\":") != NULL);
    CHECK_OK(ask(&s, "{\"op\":\"index\",\"collection\":2,\"index\":{\"kind\":\"hnsw\"}}", NULL, 0));
    CHECK_OK(ask(&s, "{\"op\":\"index\",\"collection\":2,\"field\":\"v\",\"index\":{\"kind\":\"hnsw\"}}", NULL, 0));
    CHECK(strstr(s.json, "\"schema\":") != NULL);
    CHECK_STATUS(ask(&s, "{\"op\":\"scroll\",\"collection\":2,\"limit\":1}", key, 2), OMEN_ERR_INVALID);
    CHECK(strstr(s.json, "do not fit") != NULL);
    CHECK_STATUS(ask(&s, "{\"op\":\"open\",\"path\":\"sealed\"}", half, 1), OMEN_ERR_INVALID);
    CHECK(strstr(s.json, "64 bytes") != NULL);
    CHECK_STATUS(ask(&s, "{\"op\":\"open\",\"path\":\"sealed\",\"options\":{\"manualMaintenance\":true}}", p, 1), OMEN_ERR_UNSUPPORTED); /* by this host */
    CHECK(strstr(s.json, "encrypt") != NULL);
    CHECK_STATUS(ask(&s, "{\"op\":\"open\",\"path\":\"again\",\"options\":{\"create\":false}}", NULL, 0), OMEN_ERR_NOT_FOUND);
    /* In a storage of the program's, with and without a name; it is the engine's, also when memory ends before it is opened. */
    for (int named = 0; named < 2; named++)
        for (uint64_t k = 0; k < 12; k++) {
            fault_storage *fs = fault_storage_new(3);
            omen_storage storage = fault_storage_session(fs);
            CHECK_OK(omen_engine_put_storage(s.e, 5, &storage));
            fault_host_fail_alloc_at(s.h, k, true);
            omen_status st = ask(&s, named ? "{\"op\":\"open\",\"slot\":5,\"path\":\"mine\",\"options\":{\"manualMaintenance\":true}}" : "{\"op\":\"open\",\"slot\":5,\"options\":{\"manualMaintenance\":true}}", NULL, 0);
            fault_host_fail_alloc_at(s.h, 0, false);
            CHECK_STATUS(st, k == 0 ? OMEN_OK : OMEN_ERR_MEMORY);
            uint32_t db = 0;
            if (st == OMEN_OK && CHECK(sscanf(s.json, "{\"db\":%u", &db) == 1)) {
                char close[60];
                snprintf(close, sizeof close, "{\"op\":\"close\",\"db\":%u}", db);
                CHECK_OK(ask(&s, close, NULL, 0));
            } else { /* what was not yet taken is taken by the next, or is still there */
                st = ask(&s, "{\"op\":\"open\",\"slot\":5,\"options\":{\"create\":false}}", NULL, 0);
                CHECK(st == OMEN_ERR_NOT_FOUND);
            }
            CHECK_EQ_UINT(fault_storage_sessions(fs), 0);
            fault_storage_free(fs);
        }
    end(&s);
}

TEST(a_dropped_collection_stays_away) {
    side s;
    begin(&s);
    CHECK_OK(ask(&s, "{\"op\":\"collection\",\"db\":1,\"name\":\"words\",\"schema\":{\"text\":[\"t\"]}}", NULL, 0));
    CHECK_OK(ask(&s, "{\"op\":\"drop\",\"db\":1,\"name\":\"words\"}", NULL, 0));
    CHECK_OK(ask(&s, "{\"op\":\"close\",\"db\":1}", NULL, 0));
    CHECK_OK(ask(&s, "{\"op\":\"open\",\"path\":\"db\",\"options\":{\"manualMaintenance\":true}}", NULL, 0));
    unsigned db = 0;
    char json[60];
    CHECK(sscanf(s.json, "{\"db\":%u", &db) == 1);
    snprintf(json, sizeof json, "{\"op\":\"collections\",\"db\":%u}", db);
    CHECK_OK(ask(&s, json, NULL, 0));
    CHECK(strstr(s.json, "\"c\"") != NULL && strstr(s.json, "words") == NULL);
    end(&s);
}

/* ---- calls that are begun twice ---- */

TEST(calls_that_are_begun_again) {
    static uint8_t b[ROOM];
    omen_call *call;
    side s;
    begin(&s);
    CHECK_OK(omen_call_begin(s.e, b, request(b, "{\"op\":\"count\",\"collection\":2}", NULL, 0), &call));
    omen_call_start(call);
    omen_call_start(call);
    CHECK_OK(omen_call_step(call));
    omen_call_start(call);
    CHECK_OK(finish(&s, call));
    CHECK_EQ_STR(s.json, "{\"count\":0}");
    for (int done = 0; done < 2; done++) {
        CHECK_OK(omen_call_begin(s.e, b, request(b, "{\"op\":\"fly\"}", NULL, 0), &call));
        if (done) CHECK_STATUS(omen_call_step(call), OMEN_ERR_INVALID);
        omen_call_start(call);
        omen_call_start(call);
        CHECK_STATUS(finish(&s, call), OMEN_ERR_INVALID);
    }
    char json[200] = "{\"op\":\"";
    memset(json + 7, 'x', 100);
    strcpy(json + 107, "\"}");
    CHECK_STATUS(ask(&s, json, NULL, 0), OMEN_ERR_INVALID);
    json[7 + 60] = '\0';
    CHECK(strstr(s.json, json + 7) != NULL && strstr(s.json, "xxxxx\\\"") != NULL);
    end(&s);
}

/* ---- a database that is closed below a task ---- */

TEST(a_task_whose_database_closes) {
    static uint8_t b[ROOM];
    side s;
    omen_call *closing;
    begin(&s);
    CHECK_OK(ask(&s, "{\"op\":\"write\",\"collection\":2,\"mode\":\"upsert\",\"count\":2,\"fields\":[0]}", rows, 5));
    CHECK_OK(ask(&s, "{\"op\":\"transfer\",\"kind\":\"backup\",\"db\":1,\"backups\":{\"path\":\"b\"}}", NULL, 0));
    CHECK_EQ_STR(s.json, "{\"task\":3}");
    omen_call *read;
    CHECK_OK(omen_call_begin(s.e, b, request(b, "{\"op\":\"count\",\"collection\":2}", NULL, 0), &read));
    omen_call_start(read);
    CHECK_OK(omen_call_begin(s.e, b, request(b, "{\"op\":\"close\",\"db\":1}", NULL, 0), &closing));
    CHECK_STATUS(omen_call_step(closing), OMEN_PENDING); /* for the read */
    CHECK_STATUS(ask(&s, "{\"op\":\"task\",\"task\":3}", NULL, 0), OMEN_ERR_CLOSED);
    CHECK_OK(finish(&s, read));
    CHECK_OK(finish(&s, closing));
    CHECK_STATUS(ask(&s, "{\"op\":\"task\",\"task\":3}", NULL, 0), OMEN_ERR_CLOSED);
    end(&s);
}

/* ---- the first of an engine, and searches in one request ---- */

TEST(memory_ends_in_an_engines_first_calls) {
    static const char *const calls[] = {"{\"op\":\"open\",\"path\":\"db\",\"options\":{\"manualMaintenance\":true}}", "{\"op\":\"collection\",\"db\":1,\"name\":\"c\",\"schema\":{\"vectors\":[{\"dimensions\":2}]}}"};
    for (size_t n = 0; n < 4; n++) {
        const size_t i = n / 2;
        omen_status st = OMEN_ERR_MEMORY;
        for (uint64_t k = 1; st != OMEN_OK && k < 2000; k++) {
            side s = {.h = fault_host_new(1)};
            CHECK_OK(omen_engine_new(&s.h->host, &s.e));
            if (i == 1) CHECK_OK(ask(&s, calls[0], NULL, 0));
            fault_host_fail_alloc_at(s.h, k, n % 2 != 0);
            st = ask(&s, calls[i], NULL, 0);
            bool hit = fault_host_fault_hit(s.h);
            fault_host_fail_alloc_at(s.h, 0, false);
            CHECK(st == OMEN_OK || st == OMEN_ERR_MEMORY);
            if (hit && st == OMEN_OK) st = OMEN_ERR_MEMORY; /* done without it */
            end(&s);
        }
        CHECK_OK(st);
    }
}

static size_t many_of(uint8_t *into, uint32_t *offsets, uint32_t count, const char *json) {
    static uint8_t one[ROOM];
    offsets[0] = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t len = request(one, json, NULL, 0);
        memcpy(into + offsets[i], one, len);
        offsets[i + 1] = offsets[i] + (uint32_t)len;
    }
    return offsets[count];
}

TEST(searches_in_one_request_without_memory) {
    uint8_t bytes[1000];
    uint32_t offsets[4];
    for (int count = 0; count <= 3; count += 3)
        for (int sticky = 0; sticky < 2; sticky++) {
            char json[80];
            omen_status st = OMEN_ERR_MEMORY;
            snprintf(json, sizeof json, "{\"op\":\"searchMany\",\"collection\":2,\"count\":%d}", count);
            size_t len = many_of(bytes, offsets, (uint32_t)count, "{\"k\":1,\"include\":[],\"text\":{\"query\":\"tea\"}}");
            const part p[2] = {{offsets, 4 * ((size_t)count + 1)}, {bytes, len}};
            for (uint64_t k = 1; st != OMEN_OK && k < 2000; k++) {
                side s;
                begin(&s);
                CHECK_OK(ask(&s, "{\"op\":\"write\",\"collection\":2,\"mode\":\"upsert\",\"count\":2,\"fields\":[0]}", rows, 5));
                fault_host_fail_alloc_at(s.h, k, sticky);
                st = ask(&s, json, p, 2);
                bool hit = fault_host_fault_hit(s.h);
                fault_host_fail_alloc_at(s.h, 0, false);
                CHECK(st == OMEN_OK || st == OMEN_ERR_MEMORY);
                if (hit && st == OMEN_OK) st = OMEN_ERR_MEMORY;
                end(&s);
            }
            CHECK_OK(st);
        }
    /* One whose code is loaded later waits for it. */
    side s;
    begin(&s);
    CHECK_OK(ask(&s, "{\"op\":\"write\",\"collection\":2,\"mode\":\"upsert\",\"count\":2,\"fields\":[0]}", rows, 5));
    size_t len = many_of(bytes, offsets, 3, "{\"k\":1,\"include\":[],\"facets\":[],\"text\":{\"query\":\"tea\"}}");
    const part p[2] = {{offsets, sizeof offsets}, {bytes, len}};
    omen_later_set_loader(load);
    waits = 5;
    outcome = OMEN_OK;
    CHECK_OK(ask(&s, "{\"op\":\"searchMany\",\"collection\":2,\"count\":3}", p, 2));
    CHECK(waits == 0);
    CHECK_EQ_STR(s.json, "{\"count\":3}");
    omen_later_set_loader(NULL);
    end(&s);
}

/* All searches of a request see the same records, also one whose code is loaded while something is written. */
TEST(searches_in_one_request_see_the_same) {
    static uint8_t b[ROOM], bytes[ROOM];
    uint32_t offsets[3] = {0};
    side s;
    omen_call *call;
    const void *answer;
    size_t len;
    begin(&s);
    offsets[1] = (uint32_t)request(bytes, "{\"k\":9,\"include\":[],\"text\":{\"query\":\"tea\"}}", NULL, 0);
    len = request(b, "{\"k\":9,\"include\":[],\"facets\":[],\"text\":{\"query\":\"tea\"}}", NULL, 0);
    memcpy(bytes + offsets[1], b, len);
    offsets[2] = offsets[1] + (uint32_t)len;
    const part p[2] = {{offsets, sizeof offsets}, {bytes, offsets[2]}};
    omen_later_set_loader(load);
    waits = 9;
    outcome = OMEN_OK;
    CHECK_OK(omen_call_begin(s.e, b, request(b, "{\"op\":\"searchMany\",\"collection\":2,\"count\":2}", p, 2), &call));
    CHECK_STATUS(omen_call_step(call), OMEN_PENDING);
    omen_later_set_loader(NULL);
    CHECK_OK(ask(&s, "{\"op\":\"write\",\"collection\":2,\"mode\":\"upsert\",\"count\":2,\"fields\":[0]}", rows, 5));
    CHECK_OK(omen_call_step(call));
    omen_call_response(call, &answer, &len);
    const uint8_t *a = answer, *found = a + omen_get64(a + 32), *at = a + omen_get64(a + 16);
    for (int i = 0; i < 2; i++) {
        const uint8_t *one = found + omen_get32(at + 4 * i);
        const char *json = (const char *)one + 16 + 16 * (size_t)omen_get32(one + 12);
        CHECK(strncmp(json, "{\"count\":0", 10) == 0);
    }
    omen_call_free(call);
    CHECK_OK(ask(&s, "{\"op\":\"search\",\"collection\":2,\"k\":9,\"text\":{\"query\":\"tea\"}}", NULL, 0));
    CHECK(strncmp(s.json, "{\"count\":1", 10) == 0);
    end(&s);
}

/* ---- memory ---- */

TEST(memory_ends_in_a_call) {
    static const struct { const char *json; const part *parts; uint32_t count; } calls[] = {
        {"{\"op\":\"open\",\"path\":\"other\",\"options\":{\"manualMaintenance\":true}}", NULL, 0},
        {"{\"op\":\"collection\",\"db\":1,\"name\":\"d\",\"schema\":{\"vectors\":[{\"dimensions\":2}]}}", NULL, 0},
        {"{\"op\":\"collections\",\"db\":1}", NULL, 0},
        {"{\"op\":\"write\",\"collection\":2,\"mode\":\"upsert\",\"count\":2,\"fields\":[0]}", rows, 5},
        {"{\"op\":\"updateWhere\",\"collection\":2,\"filter\":{\"t\":\"none\"},\"patch\":{\"a\":1}}", NULL, 0},
        {"{\"op\":\"deleteWhere\",\"collection\":2,\"filter\":\"t = 'none'\"}", NULL, 0},
        {"{\"op\":\"get\",\"collection\":2,\"count\":2,\"include\":[\"document\",\"vector\"]}", rows, 2},
        {"{\"op\":\"scroll\",\"collection\":2,\"limit\":1,\"include\":[]}", NULL, 0},
        {"{\"op\":\"count\",\"collection\":2,\"filter\":{\"t\":\"tea\"}}", NULL, 0},
        {"{\"op\":\"search\",\"collection\":2,\"k\":1,\"include\":[\"document\"],\"text\":{\"query\":\"tea\"}}", NULL, 0},
        {"{\"op\":\"metrics\",\"db\":1,\"format\":\"prometheus\",\"labels\":{\"a\":\"b\"}}", NULL, 0},
        {"{\"op\":\"stats\",\"db\":1}", NULL, 0},
        {"{\"op\":\"checkReport\",\"db\":1}", NULL, 0},
        {"{\"op\":\"transfer\",\"kind\":\"list\",\"backups\":{\"path\":\"b\"}}", NULL, 0},
        {"{\"op\":\"drop\",\"db\":1,\"name\":\"c\"}", NULL, 0},
        {"{\"op\":\"index\",\"collection\":2,\"index\":{\"kind\":\"hnsw\"}}", NULL, 0},
        {"{\"op\":\"delete\",\"collection\":2,\"count\":2}", rows, 2},
        {"{\"op\":\"expire\",\"collection\":2}", NULL, 0},
        {"{\"op\":\"explain\",\"collection\":2,\"k\":1,\"text\":{\"query\":\"tea\"}}", NULL, 0},
        {"{\"op\":\"check\",\"db\":1}", NULL, 0},
        {"{\"op\":\"collection\",\"db\":1,\"name\":\"d\",\"schema\":{\"ttl\":\"tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt\",\"vectors\":[{\"name\":\"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\",\"dimensions\":2}]}}", NULL, 0},
        {"{\"op\":\"version\"}", NULL, 0},
    };
    for (size_t i = 0; i < OMEN_ARRAY_LEN(calls); i++) {
        omen_status st = OMEN_ERR_MEMORY;
        unsigned failed = 0;
        for (uint64_t k = 1; st != OMEN_OK && k < 2000; k++) {
            side s;
            begin(&s);
            if (i > 3) CHECK_OK(ask(&s, calls[3].json, calls[3].parts, calls[3].count));
            fault_host_fail_alloc_at(s.h, k, true);
            st = ask(&s, calls[i].json, calls[i].parts, calls[i].count);
            fault_host_fail_alloc_at(s.h, 0, false);
            if (!CHECK(st == OMEN_OK || st == OMEN_ERR_MEMORY)) printf("     %s: %s %s\n", calls[i].json, omen_status_name(st), s.json);
            failed += st != OMEN_OK;
            end(&s);
        }
        if (!CHECK(st == OMEN_OK && failed >= 3)) printf("     %s: %u\n", calls[i].json, failed);
    }
}

TEST_MAIN()
