/* Vectors of every element in the messages of the call protocol: written, found, read back, and refused when they do not fit. */
#include "test.h"

#include "fault_host.h"
#include "message.h"
#include "omendb.h"

/* ---- messages (docs/CALLS.md) ---- */

enum { MAX_PARTS = 16 };

typedef struct part { const uint8_t *data; uint64_t len; } part;

/* An answer, alive until the next call. */
typedef struct side { fault_host *h; omen_engine *e; omen_call *call; long db, collection; char json[300]; part parts[MAX_PARTS]; uint32_t part_count; } side;

static omen_status ask(side *s, const message *m) {
    const void *bytes;
    size_t len;
    omen_status st;
    omen_call_free(s->call);
    s->call = NULL;
    CHECK_OK(omen_call_begin(s->e, m->bytes, m->len, &s->call));
    do st = omen_call_step(s->call);
    while (st == OMEN_PENDING);
    omen_call_response(s->call, &bytes, &len);
    const uint8_t *b = bytes;
    uint32_t json_len, status;
    memcpy(&status, b + 4, 4);
    memcpy(&json_len, b + 8, 4);
    memcpy(&s->part_count, b + 12, 4);
    CHECK_EQ_UINT(status, (uint32_t)st);
    if (s->part_count > MAX_PARTS) return OMEN_ERR_INTERNAL;
    for (uint32_t i = 0; i < s->part_count; i++) {
        uint64_t at;
        memcpy(&at, b + 16 + 16 * i, 8);
        memcpy(&s->parts[i].len, b + 24 + 16 * i, 8);
        s->parts[i].data = b + at;
    }
    size_t n = json_len < sizeof s->json ? json_len : sizeof s->json - 1;
    memcpy(s->json, b + 16 + 16 * (size_t)s->part_count, n);
    s->json[n] = '\0';
    return st;
}

static omen_status ask_json(side *s, const char *json) {
    message m;
    message_begin(&m, json, 0);
    return ask(s, &m);
}

/* An operation of the database, or of the collection. */
static omen_status ask_op(side *s, const char *op) {
    char json[100];
    snprintf(json, sizeof json, "{\"op\":\"%s\",\"db\":%ld,\"collection\":%ld,\"name\":\"c\"}", op, s->db, s->collection);
    return ask_json(s, json);
}

/* The number behind "key": in the answer. */
static long number_of(const side *s, const char *key) {
    const char *at = strstr(s->json, key);
    return at == NULL ? -1 : atol(at + strlen(key) + 1);
}

static void expect_part(const side *s, uint32_t i, const void *want, size_t len) {
    if (!CHECK(i < s->part_count)) return;
    CHECK_EQ_UINT(s->parts[i].len, len);
    if (s->parts[i].len == len) CHECK_MEM(s->parts[i].data, want, len);
}

/* ---- the collection: two records, a field of each element ---- */

enum { FIELDS = 4 };
static const omen_vector_field fields[FIELDS] = {{.name = OMEN_STR("f"), .dimensions = 3, .metric = OMEN_METRIC_L2, .element = OMEN_ELEMENT_F32},
                                                 {.name = OMEN_STR("h"), .dimensions = 3, .metric = OMEN_METRIC_L2, .element = OMEN_ELEMENT_F16},
                                                 {.name = OMEN_STR("i"), .dimensions = 3, .metric = OMEN_METRIC_IP, .element = OMEN_ELEMENT_I8},
                                                 {.name = OMEN_STR("b"), .dimensions = 24, .metric = OMEN_METRIC_HAMMING, .element = OMEN_ELEMENT_BIT}};
static const float floats[2][3] = {{1, 2, 3}, {-1, -2, 0.1f}};
static const float halves[2][3] = {{1, 2, 3}, {-1, -2, 0.0999755859375f}}; /* of the same, as they come back */
static const int8_t ints[2][3] = {{1, -128, 127}, {0, 5, 7}};
static const uint8_t bits[2][3] = {{0x0F, 0, 0xFF}, {1, 2, 3}};
static const uint8_t keys[18] = {1, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 0x80, 0, 0, 0, 0, 0, 0, 2};
static const uint32_t key_offsets[3] = {0, 9, 18}, no_documents[3] = {0, 0, 0};

static void records(const side *s, message *m, const void *f, size_t f_len, const void *h, size_t h_len, size_t i_len, size_t b_len) {
    char json[120];
    snprintf(json, sizeof json, "{\"op\":\"write\",\"collection\":%ld,\"mode\":\"upsert\",\"count\":2,\"fields\":[0,1,2,3]}", s->collection);
    message_begin(m, json, 8);
    message_part(m, 0, key_offsets, sizeof key_offsets);
    message_part(m, 1, keys, sizeof keys);
    message_part(m, 2, no_documents, sizeof no_documents);
    message_part(m, 3, NULL, 0);
    message_part(m, 4, f, f_len);
    message_part(m, 5, h, h_len);
    message_part(m, 6, ints, i_len);
    message_part(m, 7, bits, b_len);
}

static omen_status search(side *s, const char *field, const void *query, size_t len) {
    message m;
    char json[200];
    snprintf(json, sizeof json, "{\"op\":\"search\",\"collection\":%ld,\"k\":2,\"field\":\"%s\",\"include\":[\"vector\"]}", s->collection, field);
    message_begin(&m, json, 1);
    message_part(&m, 0, query, len);
    return ask(s, &m);
}

static bool begin_side(side *s) {
    *s = (side){.h = fault_host_new(test_rand())};
    omen_options o;
    omen_schema schema;
    omen_db *db;
    omen_collection *c;
    omen_options_init(&o);
    o.host = &s->h->host;
    omen_schema_init(&schema);
    schema.vector_count = FIELDS;
    schema.vectors = fields;
    if (!CHECK_OK(omen_open("db", &o, &db)) || !CHECK_OK(omen_collection_open(db, OMEN_STR("c"), &schema, &c))) return false;
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    fault_storage_set_pending(fault_host_image(s->h, "db"), 30);
    if (!CHECK_OK(omen_engine_new(&s->h->host, &s->e))) return false;
    CHECK_OK(ask_json(s, "{\"op\":\"open\",\"path\":\"db\"}"));
    s->db = number_of(s, "\"db\"");
    CHECK_OK(ask_op(s, "collection"));
    s->collection = number_of(s, "\"collection\"");
    return CHECK(s->db > 0 && s->collection > 0);
}

static void end_side(side *s) {
    CHECK_OK(ask_op(s, "close"));
    omen_call_free(s->call);
    omen_engine_free(s->e);
    CHECK_EQ_UINT(fault_host_bytes(s->h), 0);
    fault_host_free(s->h);
}

TEST(vectors_travel_as_their_elements) {
    side s;
    message m;
    char json[100];
    REQUIRE(begin_side(&s));
    records(&s, &m, floats, sizeof floats, floats, sizeof floats, sizeof ints, sizeof bits);
    CHECK_OK(ask(&s, &m));
    for (int pass = 0; pass < 2; pass++) {
        const float q[3] = {1, 2, 3}, want_l2[2] = {0, 5.3301f};
        CHECK_OK(search(&s, "h", q, sizeof q));
        CHECK_EQ_UINT(s.part_count, 7);
        expect_part(&s, 1, keys, sizeof keys);
        expect_part(&s, 6, halves, sizeof halves);
        float d[2];
        memcpy(d, s.parts[2].data, sizeof d);
        CHECK_BITS(d[0], 0.0f);
        CHECK(d[1] > want_l2[1] - 0.001f && d[1] < want_l2[1] + 0.001f);
        CHECK_OK(search(&s, "f", q, sizeof q));
        expect_part(&s, 6, floats, sizeof floats);

        const int8_t qi[3] = {2, 1, -1};
        const float want_ip[2] = {2, 253}; /* the second record first: its dot is -2, the first's -253 */
        const int8_t want_i[6] = {0, 5, 7, 1, -128, 127};
        CHECK_OK(search(&s, "i", qi, sizeof qi));
        expect_part(&s, 2, want_ip, sizeof want_ip);
        expect_part(&s, 6, want_i, sizeof want_i);

        const uint8_t qb[3] = {0x0F, 0, 0xFE};
        const float want_bits[2] = {1, 11}, want_scores[2] = {1.0f - 1.0f / 24.0f, 1.0f - 11.0f / 24.0f};
        CHECK_OK(search(&s, "b", qb, sizeof qb));
        expect_part(&s, 2, want_bits, sizeof want_bits);
        expect_part(&s, 3, want_scores, sizeof want_scores);
        expect_part(&s, 6, bits, sizeof bits);

        snprintf(json, sizeof json, "{\"op\":\"get\",\"collection\":%ld,\"count\":2,\"include\":[\"vector\"]}", s.collection);
        message_begin(&m, json, 2);
        message_part(&m, 0, key_offsets, sizeof key_offsets);
        message_part(&m, 1, keys, sizeof keys);
        CHECK_OK(ask(&s, &m));
        CHECK_EQ_UINT(s.part_count, 9);
        expect_part(&s, 5, floats, sizeof floats);
        expect_part(&s, 6, halves, sizeof halves);
        expect_part(&s, 7, ints, sizeof ints);
        expect_part(&s, 8, bits, sizeof bits);
        CHECK_OK(ask_op(&s, "flush"));
    }
    end_side(&s);
}

TEST(vectors_that_do_not_fit_are_refused) {
    side s;
    message m;
    float beyond[2][3] = {{1, 2, 3}, {4, 70000, 6}};
    REQUIRE(begin_side(&s));
    const struct { size_t f, h, i, b; const char *says; } cases[] = {
        {20, 24, 6, 6, "\\\"f\\\" have 20 bytes; 2 records of 3 dimensions need 24"}, {24, 12, 6, 6, "\\\"h\\\" have 12 bytes; 2 records of 3 dimensions need 24"},
        {24, 24, 5, 6, "\\\"i\\\" have 5 bytes; 2 records of 3 dimensions need 6"},   {24, 24, 6, 5, "\\\"b\\\" have 5 bytes; 2 records of 24 dimensions need 6"}};
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        records(&s, &m, floats, cases[n].f, floats, cases[n].h, cases[n].i, cases[n].b);
        CHECK_STATUS(ask(&s, &m), OMEN_ERR_DIMENSION);
        if (!CHECK(strstr(s.json, cases[n].says) != NULL)) printf("    %s\n", s.json);
    }
    records(&s, &m, floats, sizeof floats, beyond, sizeof beyond, sizeof ints, sizeof bits);
    CHECK_STATUS(ask(&s, &m), OMEN_ERR_NOT_FINITE);
    CHECK(strstr(s.json, "record 2") != NULL && strstr(s.json, "65,504") != NULL && strstr(s.json, "dimension 1") != NULL);
    CHECK_OK(ask_op(&s, "count"));
    CHECK_EQ_STR(s.json, "{\"count\":0}");

    const uint8_t query[40] = {0};
    CHECK_STATUS(search(&s, "f", query, 13), OMEN_ERR_INVALID);
    CHECK_STATUS(search(&s, "f", query, 16), OMEN_ERR_DIMENSION);
    CHECK_STATUS(search(&s, "h", query, 6), OMEN_ERR_INVALID); /* a query is floats */
    CHECK_STATUS(search(&s, "i", query, 12), OMEN_ERR_DIMENSION);
    CHECK_STATUS(search(&s, "i", query, 0), OMEN_ERR_DIMENSION);
    CHECK_STATUS(search(&s, "b", query, 24), OMEN_ERR_DIMENSION);
    CHECK_STATUS(search(&s, "nothing", query, 12), OMEN_ERR_INVALID);
    CHECK_OK(search(&s, "b", query, 3));
    end_side(&s);
}

/* What is neither an object nor a string is no filter: true does not select everything. */
TEST(filters_are_objects_or_strings) {
    static const char *const wrong[] = {"\"op\":\"deleteWhere\",\"filter\":true", "\"op\":\"deleteWhere\",\"filter\":[]", "\"op\":\"deleteWhere\"", "\"op\":\"updateWhere\",\"filter\":1,\"patch\":{}",
                                        "\"op\":\"updateWhere\",\"filter\":{},\"patch\":\"{}\"", "\"op\":\"count\",\"filter\":true", "\"op\":\"scroll\",\"limit\":9,\"include\":[],\"filter\":0"};
    side s;
    message m;
    char json[200];
    REQUIRE(begin_side(&s));
    records(&s, &m, floats, sizeof floats, floats, sizeof floats, sizeof ints, sizeof bits);
    CHECK_OK(ask(&s, &m));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(json, sizeof json, "{\"collection\":%ld,%s}", s.collection, wrong[i]);
        if (!CHECK_STATUS(ask_json(&s, json), OMEN_ERR_INVALID)) printf("    %s\n", json);
    }
    snprintf(json, sizeof json, "{\"op\":\"count\",\"collection\":%ld,\"filter\":{}}", s.collection);
    CHECK_OK(ask_json(&s, json));
    CHECK_EQ_INT(number_of(&s, "\"count\""), 2);
    snprintf(json, sizeof json, "{\"op\":\"deleteWhere\",\"collection\":%ld,\"filter\":\"TRUE\"}", s.collection);
    CHECK_OK(ask_json(&s, json));
    CHECK_EQ_INT(number_of(&s, "\"deleted\""), 2);
    end_side(&s);
}

TEST_MAIN()
