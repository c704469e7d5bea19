/* What a request's arguments are read from: every member, what it takes and what it refuses, by name; the messages themselves; options by name and by value. */
#include "test.h"

#include "api/api.h"
#include "api/arguments.h"
#include "api/message.h"
#include "db/ask.h"
#include "memory_fixture.h"

/* ---- one reader after the other ---- */

static omen_options options;
static omen_index_options index_options;
static omen_schema_args schema;
static omen_query query;
static uint32_t include;
static omen_ask asked;
static uint8_t database_id[16];
static bool strict;

static omen_status read_options(const omen_json_val *v) {
    omen_options_init(&options);
    return omen_args_options(v, &options, database_id, &error);
}
static omen_status read_index(const omen_json_val *v) { return omen_args_index(v, &index_options, &error); }
static omen_status read_schema(const omen_json_val *v) { return omen_args_schema(v, &schema, &error); }
static omen_status read_effort(const omen_json_val *v) {
    memset(&query, 0, sizeof query);
    return omen_args_effort(v, &query, &error);
}
static omen_status read_include(const omen_json_val *v) { return omen_args_include(v, &include, &error); }
static omen_status read_ask(const omen_json_val *v) { return omen_ask_read(v, strict, &asked, &error); }

/* said NULL: it is taken; else what the refusal says. What was read and is text is gone behind it. */
static void reads(omen_status (*read)(const omen_json_val *), const char *text, const char *said) {
    omen_json *json;
    error = (omen_error){0};
    REQUIRE(omen_json_parse(&mem, (omen_str){text, strlen(text)}, &json, &error) == OMEN_OK);
    omen_status s = read(omen_json_root(json));
    bool good = said == NULL ? s == OMEN_OK : s == OMEN_ERR_INVALID && error.status == s && strstr(error.text, said) != NULL;
    if (!CHECK(good)) printf("     %s: %s (%s)\n", text, omen_status_name(s), error.text);
    omen_json_free(json);
}

#define MANY "0123456789012345678901234567890123456789012345678901234567890123456789"

TEST(options_of_open) {
    begin();
    CHECK_OK(omen_args_options(NULL, &options, database_id, &error));
    reads(read_options, "{}", NULL);
    reads(read_options, "{\"profile\":\"edge\",\"durability\":\"full\",\"create\":false,\"readOnly\":true,\"manualMaintenance\":true,\"poolBytes\":2097152,\"memtableBytes\":\"64 KiB\",\"memoryBytes\":null,"
                        "\"indexBytes\":\"1GiB\",\"databaseId\":\"00112233445566778899aabbccddeeff\"}", NULL);
    CHECK(options.profile == OMEN_PROFILE_EDGE && options.durability == OMEN_DURABILITY_FULL && !options.create && options.read_only && options.manual_maintenance);
    CHECK(options.pool_bytes == 2097152 && options.memtable_bytes == 65536 && options.memory_bytes == 0 && options.index_bytes == 1u << 30);
    CHECK(options.database_id == database_id && database_id[0] == 0 && database_id[9] == 0x99 && database_id[10] == 0xaa && database_id[15] == 0xff);
    reads(read_options, "[]", "options must be an object");
    reads(read_options, "{\"profile\":[]}", "profile must be a string, a number or a boolean");
    reads(read_options, "{\"profile\":\"" MANY "\"}", "profile does not take the value \"012345678901234567890123456789012345678901234567890123456789\"");
    reads(read_options, "{\"readOnly\":2}", "readOnly does not take the value \"2\"");
    reads(read_options, "{\"databaseId\":7}", "unknown option \"databaseId\"");
    reads(read_options, "{\"" MANY "\":7}", "unknown option \"012345678901234567890123456789012345678901234567890123456789\"");
    static const char *const ids[] = {"", "00112233445566778899aabbccddeef", "/0112233445566778899aabbccddeeff", "0:112233445566778899aabbccddeeff", "0011223344556677889\\u0060abbccddeeff",
                                      "00112233445566778899aabbccddeefg", "00112233445566778899AABBCCDDEEFF"};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(ids); i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"databaseId\":\"%s\"}", ids[i]);
        reads(read_options, text, "32 lower-case hex digits");
    }
    end();
}

static omen_status set(const char *key, const char *value) { return omen_options_set(&options, (omen_str){key, strlen(key)}, (omen_str){value, strlen(value)}); }

TEST(options_by_name) {
    static const struct { const char *text; uint64_t bytes; } sizes[] = {
        {"0", 0}, {"65536", 65536}, {"5B", 5}, {"7 B", 7}, {"64KiB", 65536}, {"64   MiB", 64u << 20}, {"3GiB", UINT64_C(3) << 30}, {"18446744073709551615", UINT64_MAX}};
    static const char *const bad[] = {"", "x", "-1", "+1", "1 k", "1KB", "1.5GiB", "18446744073709551616", "184467440737095516150", "17179869184GiB", ":", "/"};
    static const char *const names[] = {"pool_bytes", "memtable_bytes", "index_bytes", "memory_bytes"};
    uint64_t *const to[] = {&options.pool_bytes, &options.memtable_bytes, &options.index_bytes, &options.memory_bytes};
    omen_options_init(&options);
    for (size_t n = 0; n < OMEN_ARRAY_LEN(names); n++) {
        for (size_t i = 0; i < OMEN_ARRAY_LEN(sizes); i++) {
            CHECK_OK(set(names[n], sizes[i].text));
            CHECK_EQ_UINT(*to[n], sizes[i].bytes);
        }
        for (size_t i = 0; i < OMEN_ARRAY_LEN(bad); i++) CHECK_STATUS(set(names[n], bad[i]), OMEN_ERR_INVALID);
    }
    static const char *const switches[] = {"create", "read_only", "manual_maintenance"};
    uint8_t *const flags[] = {&options.create, &options.read_only, &options.manual_maintenance};
    for (int i = 0; i < 3; i++) {
        CHECK_OK(set(switches[i], "yes"));
        CHECK_EQ_UINT(*flags[i], 1);
        CHECK_OK(set(switches[i], "0"));
        CHECK_EQ_UINT(*flags[i], 0);
        CHECK_STATUS(set(switches[i], "True"), OMEN_ERR_INVALID);
    }
    CHECK_OK(set("profile", "production"));
    CHECK_OK(set("durability", "memory"));
    CHECK_STATUS(set("profile", "fast"), OMEN_ERR_INVALID);
    CHECK_STATUS(set("durability", "some"), OMEN_ERR_INVALID);
    CHECK_EQ_STR(omen_last_error(), "\"some\" is no value of the setting durability");
    CHECK_STATUS(set("speed", "1"), OMEN_ERR_INVALID);
    CHECK_EQ_STR(omen_last_error(), "options have no setting \"speed\"");
    CHECK_STATUS(omen_options_set(NULL, OMEN_STR("profile"), OMEN_STR("edge")), OMEN_ERR_INVALID);
    CHECK_EQ_STR(omen_last_error(), "an argument is NULL that may not be, or none of the values that it may have");
    static const struct { omen_str key, value; const char *says; } odd[] = {
        {{NULL, 3}, {"1", 1}, "an argument is NULL that may not be, or none of the values that it may have"},
        {{"speed", 5}, {NULL, 1}, "an argument is NULL that may not be, or none of the values that it may have"},
        {{NULL, 0}, {NULL, 0}, "options have no setting \"\""},
        {{"profile", 7}, {NULL, 0}, "\"\" is no value of the setting profile"},
        {{"a name that is much longer than the sixty bytes that a message shows of one", 75}, {"1", 1},
         "options have no setting \"a name that is much longer than the sixty bytes that a messa\""}};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(odd); i++) {
        CHECK_STATUS(omen_options_set(&options, odd[i].key, odd[i].value), OMEN_ERR_INVALID);
        CHECK_EQ_STR(omen_last_error(), odd[i].says);
    }
    CHECK(options.profile == OMEN_PROFILE_PRODUCTION && options.durability == OMEN_DURABILITY_MEMORY);
}

static omen_options base(void) {
    omen_options o;
    omen_options_init(&o);
    o.host = &host->host;
    return o;
}

TEST(options_that_make_no_sense) {
    begin();
    omen_options out, o = base();
    omen_host old = host->host;
#define REFUSED(change, said)                                                                                                                                                                          \
    do {                                                                                                                                                                                               \
        o = base();                                                                                                                                                                                    \
        change;                                                                                                                                                                                        \
        error = (omen_error){0};                                                                                                                                                                       \
        CHECK_STATUS(omen_options_resolve(&o, &out, &error), OMEN_ERR_INVALID);                                                                                                                        \
        CHECK(strstr(error.text, said) != NULL);                                                                                                                                                       \
    } while (0)
    REFUSED(o.struct_size = 0, "struct_size");
    REFUSED(o.struct_size = sizeof o + 1, "struct_size");
    REFUSED(o.profile = (omen_profile)-1, "profile");
    REFUSED(o.profile = (omen_profile)9, "profile");
    REFUSED(o.durability = (omen_durability)-1, "durability");
    REFUSED(o.durability = (omen_durability)9, "durability");
    REFUSED(o.pool_bytes = 4096, "pool_bytes");
    REFUSED(o.memtable_bytes = 100, "memtable_bytes");
    REFUSED((o.memory_bytes = 2u << 20, o.pool_bytes = 4u << 20), "memory_bytes");
    REFUSED((old.struct_size = 8, o.host = &old), "older version");
    o = base();
    o.profile = 0;
    o.durability = 0;
    CHECK_OK(omen_options_resolve(&o, &out, &error));
    CHECK(out.profile == OMEN_PROFILE_DEVELOPER && out.durability == OMEN_DURABILITY_GROUP && out.pool_bytes == 64u << 20 && out.memory_bytes == 0);
    o = base();
    o.pool_bytes = o.memory_bytes = 8u << 20;
    o.memtable_bytes = o.index_bytes = 1u << 20;
    CHECK_OK(omen_options_resolve(&o, &out, &error));
    CHECK(out.pool_bytes == 8u << 20 && out.memory_bytes == 8u << 20 && out.memtable_bytes == 1u << 20 && out.index_bytes == 1u << 20);
    omen_status s = omen_options_resolve(NULL, &out, &error);
    CHECK(omen_platform_host() == NULL ? s == OMEN_ERR_UNSUPPORTED : s == OMEN_OK && out.host == omen_platform_host());
    end();
}

TEST(indexes) {
    begin();
    CHECK_STATUS(read_index(NULL), OMEN_ERR_INVALID);
    reads(read_index, "7", "index must be an object");
    reads(read_index, "{\"kind\":\"hnsw\",\"m\":16,\"efConstruction\":200,\"codec\":null}", NULL);
    CHECK(index_options.m == 16 && index_options.ef_construction == 200);
    reads(read_index, "{\"kind\":\"ivf\",\"codec\":\"rabitq\",\"lists\":65536,\"bits\":1}", NULL);
    CHECK(index_options.lists == 65536 && index_options.bits == 1 && index_options.m == 0);
    reads(read_index, "{\"kind\":3}", "kind \"\" is unknown");
    reads(read_index, "{\"kind\":\"" MANY "\"}", "kind \"012345678901234567890123456789012345678901234567890123456789\" is unknown");
    reads(read_index, "{\"codec\":true}", "codec \"\" is unknown");
    reads(read_index, "{\"codec\":\"" MANY "\"}", "codec \"0123");
    reads(read_index, "{\"m\":3}", "m must be an integer of 4 to 128");
    reads(read_index, "{\"m\":129}", "m must be an integer of 4 to 128");
    reads(read_index, "{\"bits\":\"8\"}", "bits must be an integer of 1 to 8");
    reads(read_index, "{\"size\":8}", "has no \"size\"");
    reads(read_index, "{\"" MANY "\":8}", "has no \"0123");
    end();
}

/* {"MEMBER":[{"name":"f"}, ...]} with `count` fields. */
static void reads_many(const char *member, const char *field, unsigned count, const char *said) {
    static char text[8000];
    size_t n = (size_t)snprintf(text, sizeof text, "{\"%s\":[", member);
    for (unsigned i = 0; i < count; i++) n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i == 0 ? "" : ",", field);
    snprintf(text + n, sizeof text - n, "]}");
    reads(read_schema, text, said);
}

TEST(schemas) {
    begin();
    reads(read_schema, "[]", "schema must be an object");
    reads(read_schema, "{\"vectors\":null,\"text\":null,\"sparse\":null,\"multi\":null,\"ttl\":null}", NULL);
    reads(read_schema, "{}", NULL);
    CHECK(schema.schema.vector_count == 0 && schema.schema.text_count == 0 && schema.schema.sparse_count == 0 && schema.schema.multi_count == 0);
    reads(read_schema, "{\"vectors\":{}}", "vectors must be an array");
    reads(read_schema, "{\"vectors\":[{\"name\":null,\"dimensions\":4,\"metric\":null,\"element\":null,\"index\":null},{\"dimensions\":8,\"name\":\"b\",\"element\":\"bit\"},"
                       "{\"name\":\"c\",\"dimensions\":3,\"metric\":\"ip\",\"element\":\"i8\",\"index\":{\"kind\":\"flat\"}}]}", NULL);
    CHECK_EQ_UINT(schema.schema.vector_count, 3);
    CHECK(schema.fields[0].metric == OMEN_METRIC_COSINE && schema.fields[0].element == OMEN_ELEMENT_F32 && schema.fields[0].dimensions == 4);
    CHECK(schema.fields[1].metric == OMEN_METRIC_HAMMING && schema.fields[2].metric == OMEN_METRIC_IP && schema.fields[2].element == OMEN_ELEMENT_I8);
    reads(read_schema, "{\"vectors\":[{\"name\":7,\"dimensions\":4}]}", "name must be a string");
    reads(read_schema, "{\"vectors\":[{\"dimensions\":-4}]}", "dimensions must be an integer");
    reads(read_schema, "{\"vectors\":[{\"dimensions\":4294967296}]}", "dimensions must be an integer");
    reads(read_schema, "{\"vectors\":[{\"dimensions\":4,\"element\":1}]}", "element must be a string");
    reads(read_schema, "{\"vectors\":[{\"dimensions\":4,\"element\":\"" MANY "\"}]}", "element \"0123");
    reads(read_schema, "{\"vectors\":[{\"dimensions\":4,\"element\":\"f64\"}]}", "element \"f64\"");
    reads(read_schema, "{\"vectors\":[{\"dimensions\":4,\"metric\":1}]}", "metric must be a string");
    reads(read_schema, "{\"vectors\":[{\"dimensions\":4,\"metric\":\"" MANY "\"}]}", "metric \"0123");
    reads(read_schema, "{\"vectors\":[{\"dimensions\":4,\"metric\":\"l1\"}]}", "metric \"l1\"");
    reads(read_schema, "{\"vectors\":[{\"dimensions\":4,\"index\":1}]}", "index must be an object");
    reads_many("vectors", "{\"dimensions\":1}", OMEN_MAX_VECTOR_FIELDS, NULL);
    reads_many("vectors", "{\"dimensions\":1}", OMEN_MAX_VECTOR_FIELDS + 1, "more than");
    reads(read_schema, "{\"text\":\"title\"}", "text must be an array");
    reads(read_schema, "{\"text\":[\"a\",{\"name\":\"b\",\"language\":\"de\",\"weight\":2.5,\"stopWords\":\"keep\",\"accents\":\"keep\"},{\"name\":\"c\",\"language\":null,\"stopWords\":\"drop\",\"accents\":\"fold\"}]}", NULL);
    CHECK(schema.schema.text_count == 3 && schema.texts[1].weight == 2.5f && schema.texts[1].flags == (OMEN_TEXT_KEEP_STOP | OMEN_TEXT_KEEP_ACCENTS) && schema.texts[2].flags == 0);
    reads(read_schema, "{\"text\":[7]}", "text must be an array of names, or of objects");
    reads(read_schema, "{\"text\":[{\"name\":null}]}", "name must be a string");
    reads(read_schema, "{\"text\":[{\"language\":\"\"}]}", "language must be a code");
    reads(read_schema, "{\"text\":[{\"language\":5}]}", "language must be a code");
    reads(read_schema, "{\"text\":[{\"weight\":\"1\"}]}", "weight must be a number");
    reads(read_schema, "{\"text\":[{\"weight\":0}]}", "weight must be a number");
    reads(read_schema, "{\"text\":[{\"weight\":1e7}]}", "weight must be a number");
    reads(read_schema, "{\"text\":[{\"stopWords\":\"both\"}]}", "stopWords must be");
    reads(read_schema, "{\"text\":[{\"stopWords\":true}]}", "stopWords must be");
    reads(read_schema, "{\"text\":[{\"accents\":\"both\"}]}", "accents must be");
    reads(read_schema, "{\"text\":[{\"accents\":1}]}", "accents must be");
    reads(read_schema, "{\"text\":[{\"size\":1}]}", "has no \"size\"");
    reads(read_schema, "{\"text\":[{\"" MANY "\":1}]}", "has no \"0123");
    reads_many("text", "\"t\"", OMEN_MAX_TEXT_FIELDS, NULL);
    reads_many("text", "\"t\"", OMEN_MAX_TEXT_FIELDS + 1, "more than");
    reads(read_schema, "{\"sparse\":\"terms\"}", "sparse must be an array");
    reads(read_schema, "{\"sparse\":[1]}", "sparse must be an array");
    reads_many("sparse", "\"t\"", OMEN_MAX_TEXT_FIELDS, NULL);
    reads_many("sparse", "\"t\"", OMEN_MAX_TEXT_FIELDS + 1, "more than");
    reads(read_schema, "{\"ttl\":\"a.b\"}", NULL);
    reads(read_schema, "{\"ttl\":5}", "ttl must be a path");
    reads(read_schema, "{\"multi\":{}}", "multi must be an array");
    reads(read_schema, "{\"multi\":[5]}", "multi must be an array");
    reads(read_schema, "{\"multi\":[{\"name\":\"m\",\"dimensions\":8,\"metric\":\"ip\",\"element\":\"f16\"},{\"name\":\"n\",\"dimensions\":4,\"metric\":null}]}", NULL);
    CHECK(schema.schema.multi_count == 2 && schema.multis[0].dimensions == 8 && schema.multis[0].element == OMEN_ELEMENT_F16 && schema.multis[1].metric == 0);
    reads(read_schema, "{\"multi\":[{\"name\":5}]}", "name must be a string");
    reads(read_schema, "{\"multi\":[{\"dimensions\":\"5\"}]}", "dimensions must be an integer");
    reads(read_schema, "{\"multi\":[{\"dimensions\":4294967296}]}", "dimensions must be an integer");
    reads(read_schema, "{\"multi\":[{\"metric\":5}]}", "metric must be");
    reads(read_schema, "{\"multi\":[{\"metric\":\"l1\"}]}", "metric must be");
    reads(read_schema, "{\"multi\":[{\"element\":5}]}", "element must be");
    reads(read_schema, "{\"multi\":[{\"element\":\"f64\"}]}", "element must be");
    reads(read_schema, "{\"multi\":[{\"size\":5}]}", "has no \"size\"");
    reads(read_schema, "{\"multi\":[{\"" MANY "\":5}]}", "has no \"0123");
    reads_many("multi", "{\"name\":\"m\"}", OMEN_MAX_MULTI_FIELDS, NULL);
    reads_many("multi", "{\"name\":\"m\"}", OMEN_MAX_MULTI_FIELDS + 1, "more than");
    end();
}

TEST(the_effort_of_a_search) {
    begin();
    reads(read_effort, "{\"recall\":null,\"ef\":null,\"nprobe\":null,\"exact\":null}", NULL);
    CHECK(query.recall == 0 && query.ef == 0 && query.nprobe == 0 && !query.exact);
    reads(read_effort, "{\"recall\":1e-300,\"ef\":7,\"nprobe\":65536,\"exact\":true}", NULL);
    CHECK(query.recall > 0 && query.ef == 7 && query.nprobe == 65536 && query.exact);
    reads(read_effort, "{\"recall\":1,\"exact\":false}", NULL);
    CHECK(query.recall == 1.0f && !query.exact);
    reads(read_effort, "{\"recall\":\"1\"}", "recall must be");
    reads(read_effort, "{\"recall\":0}", "recall must be");
    reads(read_effort, "{\"recall\":1.01}", "recall must be");
    reads(read_effort, "{\"ef\":0}", "ef must be");
    reads(read_effort, "{\"ef\":1e2}", "ef must be");
    reads(read_effort, "{\"nprobe\":65537}", "nprobe must be");
    reads(read_effort, "{\"exact\":1}", "exact must be");
    reads(read_include, "[]", NULL);
    CHECK_EQ_UINT(include, 0);
    CHECK_OK(omen_args_include(NULL, &include, &error));
    reads(read_include, "[\"vector\",\"document\"]", NULL);
    CHECK_EQ_UINT(include, OMEN_INCLUDE_DOCUMENT | OMEN_INCLUDE_VECTOR);
    reads(read_include, "\"vector\"", "include must be an array");
    reads(read_include, "[1]", "include takes");
    reads(read_include, "[\"vectors\"]", "include takes");
    end();
}

TEST(what_a_search_asks_for) {
    begin();
    strict = true;
    CHECK_OK(read_ask(NULL));
    CHECK(asked.group_size == 1 && asked.mmr_lambda == 0.5f && !asked.mmr && asked.order.len == 0);
    reads(read_ask, "[]", "must be a JSON object");
    reads(read_ask, "{\"filter\":null,\"text\":{},\"sparse\":1,\"weights\":{\"a\":1},\"facets\":[],\"highlight\":true,\"recommend\":{},\"multi\":{},\"rerank\":{}}", NULL);
    CHECK(asked.filter == NULL && asked.text != NULL && asked.rerank != NULL && asked.fusion.shares == OMEN_FUSE_WEIGHTS);
    reads(read_ask, "{\"fusion\":\"rrf\",\"rrfK\":60}", NULL);
    CHECK(asked.fusion.kind == OMEN_FUSE_RRF && asked.fusion.k == 60.0f);
    reads(read_ask, "{\"fusion\":\"weighted\",\"alpha\":0.25,\"weights\":{}}", NULL);
    CHECK(asked.fusion.kind == OMEN_FUSE_WEIGHTED && asked.fusion.shares == OMEN_FUSE_ALPHA && asked.fusion.alpha == 0.25f);
    reads(read_ask, "{\"fusion\":\"rrf\",\"alpha\":0.25}", "alpha is of the fusion");
    reads(read_ask, "{\"fusion\":\"sum\"}", "fusion must be");
    reads(read_ask, "{\"fusion\":1}", "fusion must be");
    reads(read_ask, "{\"alpha\":\"1\"}", "alpha must be a number of 0 to 1");
    reads(read_ask, "{\"alpha\":-0.1}", "alpha must be a number of 0 to 1");
    reads(read_ask, "{\"alpha\":1.1}", "alpha must be a number of 0 to 1");
    reads(read_ask, "{\"rrfK\":-1}", "rrfK must be a number of at least 0");
    reads(read_ask, "{\"weights\":[1]}", "weights must be an object");
    static const char *const plans[] = {"auto", "index", "matches", "scan"};
    for (int i = 0; i < 4; i++) {
        char text[40];
        snprintf(text, sizeof text, "{\"plan\":\"%s\"}", plans[i]);
        reads(read_ask, text, NULL);
        CHECK_EQ_INT((int)asked.plan, i);
    }
    reads(read_ask, "{\"plan\":\"fast\"}", "plan must be");
    reads(read_ask, "{\"plan\":1}", "plan must be");
    reads(read_ask, "{\"maxDistance\":2,\"minScore\":-1.5}", NULL);
    CHECK(asked.max_distance == 2.0f && asked.min_score == -1.5f);
    reads(read_ask, "{\"maxDistance\":\"2\"}", "maxDistance must be a number");
    reads(read_ask, "{\"minScore\":[]}", "minScore must be a number");
    reads(read_ask, "{\"mmr\":true}", NULL);
    CHECK(asked.mmr);
    reads(read_ask, "{\"mmr\":false}", NULL);
    CHECK(!asked.mmr);
    reads(read_ask, "{\"mmr\":{\"lambda\":1,\"candidates\":30}}", NULL);
    CHECK(asked.mmr && asked.mmr_lambda == 1.0f && asked.mmr_candidates == 30);
    reads(read_ask, "{\"mmr\":0.5}", "mmr must be true or an object");
    reads(read_ask, "{\"mmr\":{\"lambda\":2}}", "mmr.lambda must be");
    reads(read_ask, "{\"mmr\":{\"candidates\":0}}", "mmr.candidates must be");
    reads(read_ask, "{\"mmr\":{\"candidates\":\"3\"}}", "mmr.candidates must be");
    reads(read_ask, "{\"mmr\":{\"candidates\":4294967296}}", "mmr.candidates must be");
    reads(read_ask, "{\"mmr\":{\"k\":1}}", "mmr has no \"k\"");
    reads(read_ask, "{\"mmr\":{\"" MANY "\":1}}", "mmr has no \"0123");
    reads(read_ask, "{\"groupBy\":\"a.b\"}", NULL);
    CHECK(asked.group.len == 3 && asked.group_size == 1);
    reads(read_ask, "{\"groupBy\":{\"path\":\"a\",\"size\":3,\"missing\":\"leave\"}}", NULL);
    CHECK(asked.group_size == 3 && asked.group_leave);
    reads(read_ask, "{\"groupBy\":{\"path\":\"a\",\"missing\":\"own\"}}", NULL);
    CHECK(!asked.group_leave);
    reads(read_ask, "{\"groupBy\":\"\"}", "groupBy must be a path");
    reads(read_ask, "{\"groupBy\":1}", "groupBy must be a path");
    reads(read_ask, "{\"groupBy\":{}}", "groupBy has no path");
    reads(read_ask, "{\"groupBy\":{\"path\":\"\"}}", "groupBy.path must be");
    reads(read_ask, "{\"groupBy\":{\"path\":1}}", "groupBy.path must be");
    reads(read_ask, "{\"groupBy\":{\"path\":\"a\",\"size\":1001}}", "groupBy.size must be");
    reads(read_ask, "{\"groupBy\":{\"path\":\"a\",\"missing\":\"x\"}}", "groupBy.missing must be");
    reads(read_ask, "{\"groupBy\":{\"path\":\"a\",\"missing\":1}}", "groupBy.missing must be");
    reads(read_ask, "{\"groupBy\":{\"k\":1}}", "groupBy has no \"k\"");
    reads(read_ask, "{\"groupBy\":{\"" MANY "\":1}}", "groupBy has no \"0123");
    reads(read_ask, "{\"orderBy\":\"a\"}", NULL);
    CHECK(asked.order.len == 1 && !asked.order_descending);
    reads(read_ask, "{\"orderBy\":{\"path\":\"a\",\"direction\":\"desc\"}}", NULL);
    CHECK(asked.order_descending);
    reads(read_ask, "{\"orderBy\":{\"path\":\"a\",\"direction\":\"asc\"}}", NULL);
    CHECK(!asked.order_descending);
    reads(read_ask, "{\"orderBy\":\"\"}", "orderBy must be a path");
    reads(read_ask, "{\"orderBy\":1}", "orderBy must be a path");
    reads(read_ask, "{\"orderBy\":{}}", "orderBy has no path");
    reads(read_ask, "{\"orderBy\":{\"path\":\"\"}}", "orderBy.path must be");
    reads(read_ask, "{\"orderBy\":{\"path\":1}}", "orderBy.path must be");
    reads(read_ask, "{\"orderBy\":{\"path\":\"a\",\"direction\":\"up\"}}", "orderBy.direction must be");
    reads(read_ask, "{\"orderBy\":{\"path\":\"a\",\"direction\":1}}", "orderBy.direction must be");
    reads(read_ask, "{\"orderBy\":{\"k\":1}}", "orderBy has no \"k\"");
    reads(read_ask, "{\"orderBy\":{\"" MANY "\":1}}", "orderBy has no \"0123");
    reads(read_ask, "{\"deadlineMs\":20}", NULL);
    CHECK_EQ_UINT(asked.deadline_ms, 20);
    reads(read_ask, "{\"deadlineMs\":0}", "deadlineMs must be");
    reads(read_ask, "{\"deadlineMs\":4294967296}", "deadlineMs must be");
    reads(read_ask, "{\"deadlineMs\":-1}", "deadlineMs must be");
    reads(read_ask, "{\"k\":1}", "no option \"k\"");
    reads(read_ask, "{\"" MANY "\":1}", "no option \"0123");
    strict = false;
    reads(read_ask, "{\"k\":1}", NULL);
    end();
}

/* ---- messages ---- */

enum { ROOM = 2048 };

static size_t message(uint8_t *b, const char *json, uint32_t count) {
    memset(b, 0, ROOM);
    memcpy(b, "OMC1", 4);
    omen_put32(b + 8, (uint32_t)strlen(json));
    omen_put32(b + 12, count);
    size_t at = 16 + 16 * (size_t)count;
    memcpy(b + at, json, strlen(json));
    at = (at + strlen(json) + 7) & ~(size_t)7;
    for (uint32_t i = 0; i < count && i < 64; i++, at += 8) {
        omen_put64(b + 16 + 16 * i, at);
        omen_put64(b + 24 + 16 * i, 5);
    }
    return at;
}

static void refused(const uint8_t *b, size_t len, omen_status want, const char *said) {
    static omen_request r;
    error = (omen_error){0};
    CHECK_STATUS(omen_request_decode(&r, &mem, b, len, &error), want);
    if (!CHECK(strstr(error.text, said) != NULL)) printf("     %s: %s\n", said, error.text);
    omen_request_deinit(&r);
}

TEST(messages) {
    static _Alignas(8) uint8_t b[ROOM];
    static omen_request r;
    omen_part_view part;
    omen_str text;
    uint64_t n;
    begin();
    size_t len = message(b, "{\"op\":\"x\",\"n\":7,\"z\":null}", 2);
    CHECK_OK(omen_request_decode(&r, &mem, b, len, &error));
    CHECK(omen_request_has(&r, "op") && !omen_request_has(&r, "z") && !omen_request_has(&r, "y"));
    CHECK_OK(omen_request_u64(&r, "n", 7, &n, &error));
    CHECK_EQ_UINT(n, 7);
    CHECK_STATUS(omen_request_u64(&r, "n", 6, &n, &error), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_request_u64(&r, "op", 6, &n, &error), OMEN_ERR_INVALID);
    CHECK_OK(omen_request_str(&r, "op", &text, &error));
    CHECK_STATUS(omen_request_str(&r, "n", &text, &error), OMEN_ERR_INVALID);
    CHECK_OK(omen_request_part(&r, 1, &part, &error));
    CHECK(part.data == b + len - 8 && part.len == 5);
    CHECK_STATUS(omen_request_part(&r, 2, &part, &error), OMEN_ERR_INVALID);
    omen_request_deinit(&r);
    refused(b, 15, OMEN_ERR_INVALID, "no header");
    b[0] ^= 1;
    refused(b, len, OMEN_ERR_INVALID, "no header");
    b[0] ^= 1;
    for (size_t cut = 16; cut < len - 3; cut++) refused(b, cut, OMEN_ERR_INVALID, cut < 48 + 25 ? "cut short" : "a part lies outside");
    omen_put32(b + 12, 65);
    refused(b, len, OMEN_ERR_INVALID, "too many parts");
    omen_put32(b + 12, 2);
    omen_put32(b + 8, UINT32_MAX);
    refused(b, len, OMEN_ERR_INVALID, "cut short");
    static const struct { uint64_t at, len; } parts[] = {{81, 5}, {64, 5}, {UINT64_MAX - 7, 5}, {88, UINT64_MAX}, {88, 9}, {96, 1}, {104, 0}};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(parts); i++) {
        len = message(b, "{\"op\":\"x\",\"n\":7,\"z\":null}", 2);
        CHECK_EQ_UINT(len, 96);
        omen_put64(b + 32, parts[i].at);
        omen_put64(b + 40, parts[i].len);
        refused(b, len, OMEN_ERR_INVALID, "a part lies outside");
    }
    len = message(b, "[1]", 0);
    refused(b, len, OMEN_ERR_INVALID, "no object");
    len = message(b, "{", 0);
    refused(b, len, OMEN_ERR_JSON, "malformed JSON");
    end();
}

TEST(answers) {
    static const uint8_t bytes[11] = "0123456789";
    const omen_part_view parts[3] = {{bytes, 11}, {NULL, 0}, {bytes, 8}}, large = {bytes, SIZE_MAX - 64};
    omen_buf out;
    begin();
    omen_buf_init(&out, &mem);
    CHECK_OK(omen_response_encode(&out, OMEN_ERR_BUSY, OMEN_STR("{}"), parts, 3));
    CHECK_EQ_UINT(out.len, 64 + 8 + 16 + 8);
    CHECK(memcmp(out.data, "OMR1", 4) == 0 && omen_get32(out.data + 4) == OMEN_ERR_BUSY && omen_get32(out.data + 8) == 2 && omen_get32(out.data + 12) == 3);
    CHECK(omen_get64(out.data + 16) == 72 && omen_get64(out.data + 24) == 11 && memcmp(out.data + 72, bytes, 11) == 0);
    CHECK(omen_get64(out.data + 32) == 88 && omen_get64(out.data + 40) == 0 && omen_get64(out.data + 48) == 88 && memcmp(out.data + 88, bytes, 8) == 0);
    CHECK_STATUS(omen_response_encode(&out, OMEN_OK, OMEN_STR("{}"), &large, 1), OMEN_ERR_TOO_LARGE);
    omen_buf_deinit(&out);
    fault_host_fail_alloc_at(host, 1, false);
    CHECK_STATUS(omen_response_encode(&out, OMEN_OK, OMEN_STR("{}"), parts, 3), OMEN_ERR_MEMORY);
    CHECK_OK(omen_response_encode(&out, OMEN_OK, OMEN_STR("{}"), parts, 3));
    omen_buf_deinit(&out);
    end();
}

TEST(keys) {
    static _Alignas(8) uint8_t b[ROOM];
    static omen_request r;
    omen_encryption e;
    begin();
    size_t len = message(b, "{}", 1);
    static const struct { uint32_t bytes; uint32_t previous; } sizes[] = {{0, 0}, {63, 0}, {64, 1}, {65, 0}, {128, 2}, {17 * 64, 17}, {18 * 64, 0}};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(sizes); i++) {
        omen_put64(b + 24, sizes[i].bytes);
        CHECK_OK(omen_request_decode(&r, &mem, b, ROOM, &error));
        omen_status s = omen_args_keys(&r, 0, &e, &error);
        CHECK_STATUS(s, sizes[i].previous == 0 ? OMEN_ERR_INVALID : OMEN_OK);
        if (s == OMEN_OK) CHECK_EQ_UINT(e.previous_count, sizes[i].previous - 1);
        CHECK_STATUS(omen_args_keys(&r, 1, &e, &error), OMEN_ERR_INVALID);
        omen_request_deinit(&r);
    }
    CHECK(len < ROOM);
    end();
}

TEST_MAIN()
