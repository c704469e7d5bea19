/* Every kind of field of a schema, and what is refused of each; schemas that differ in one thing; names and their edges; encoding into memory that ends at any byte. */
#include "test.h"

#include "base/json.h"
#include "db/schema.h"
#include "memory_fixture.h"

static const omen_vector_field vectors[2] = {{.name = OMEN_STR("v"), .dimensions = 4, .metric = OMEN_METRIC_L2, .index = {.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_RABITQ, .lists = 8, .bits = 2}},
                                             {.name = OMEN_STR("_b.c-1"), .dimensions = 16, .metric = OMEN_METRIC_HAMMING, .element = OMEN_ELEMENT_BIT}};
static const omen_text_field texts[2] = {{.name = OMEN_STR("title"), .language = OMEN_STR("de"), .weight = 2.5f, .flags = OMEN_TEXT_KEEP_STOP | OMEN_TEXT_KEEP_ACCENTS}, {.name = OMEN_STR("raw"), .language = OMEN_STR("none"), .weight = 1.0f}};
static const omen_str sparse[1] = {OMEN_STR("terms")};
static const omen_multi_field multis[2] = {{.name = OMEN_STR("tokens"), .dimensions = 8, .metric = OMEN_METRIC_IP, .element = OMEN_ELEMENT_F16}, {.name = OMEN_STR("patches"), .dimensions = 4}};
static const omen_schema whole = {.struct_size = sizeof whole, .vector_count = 2, .vectors = vectors, .text_count = 2, .texts = texts, .sparse_count = 1, .sparse = sparse, .multi_count = 2, .multis = multis, .ttl = OMEN_STR("until.when")};

static omen_status take(const omen_schema *s) {
    omen_schema_copy copy;
    error = (omen_error){0};
    omen_status st = omen_schema_copy_init(&copy, &mem, s, &error);
    if (st == OMEN_OK) omen_schema_copy_deinit(&copy);
    return st;
}

static void refused(const omen_schema *s, omen_status want, const char *said) {
    CHECK_STATUS(take(s), want);
    if (!CHECK(strstr(error.text, said) != NULL)) printf("     %s: %s\n", said, error.text);
}

TEST(all_kinds_of_fields) {
    omen_schema_copy copy, back;
    omen_buf bytes, json;
    omen_jw w;
    size_t used;
    begin();
    CHECK_OK(omen_schema_copy_init(&copy, &mem, &whole, &error));
    omen_buf_init(&bytes, &mem);
    omen_buf_init(&json, &mem);
    CHECK_OK(omen_schema_encode(&copy.schema, &bytes));
    CHECK_OK(omen_schema_decode(&back, &mem, bytes.data, bytes.len, &used, &error));
    CHECK_EQ_UINT(used, bytes.len);
    CHECK_OK(omen_schema_match(&copy.schema, &back.schema, OMEN_STR("c"), &error));
    omen_jw_begin(&w, &json);
    omen_schema_write_json(&back.schema, &w);
    CHECK_OK(omen_jw_end(&w));
    CHECK_OK(omen_buf_append(&json, "", 1));
    CHECK(strstr((const char *)json.data, "\"ttl\":\"until.when\",\"sparse\":[\"terms\"],\"multi\":[{\"name\":\"tokens\",\"dimensions\":8,\"metric\":\"ip\",\"element\":\"f16\"}") != NULL);
    CHECK(strstr((const char *)json.data, "\"index\":{\"kind\":\"ivf\",\"codec\":\"rabitq\",\"lists\":8,\"bits\":2}") != NULL);
    omen_schema_copy_deinit(&back);
    /* Cut anywhere, or without memory at any time, nothing is read. */
    for (size_t cut = 0; cut < bytes.len; cut++) CHECK_STATUS(omen_schema_decode(&back, &mem, bytes.data, cut, &used, &error), OMEN_ERR_CORRUPT);
    for (size_t at = 0; at + 4 <= bytes.len; at += 4)
        for (unsigned k = 0; k < 3; k++) {
            uint32_t was = omen_get32(bytes.data + at);
            omen_put32(bytes.data + at, k == 0 ? UINT32_MAX : k == 1 ? 0 : was ^ 0x20);
            error = (omen_error){0};
            omen_status s = omen_schema_decode(&back, &mem, bytes.data, bytes.len, &used, &error);
            CHECK(s == OMEN_OK || (s == OMEN_ERR_CORRUPT && error.status == s));
            if (s == OMEN_OK) omen_schema_copy_deinit(&back);
            omen_put32(bytes.data + at, was);
        }
    omen_status s = OMEN_ERR_MEMORY;
    unsigned failed = 0;
    for (uint64_t k = 1; s != OMEN_OK && k < 100; k++, failed++) {
        fault_host_fail_alloc_at(host, k, true);
        s = omen_schema_decode(&back, &mem, bytes.data, bytes.len, &used, &error);
        fault_host_fail_alloc_at(host, 0, false);
        CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY);
    }
    CHECK(s == OMEN_OK && failed > 2);
    omen_schema_copy_deinit(&back);
    for (size_t n = 0; n <= bytes.len; n++) {
        omen_buf b = {.mem = &mem, .data = n == 0 ? NULL : omen_alloc(&mem, n), .cap = n};
        fault_host_fail_alloc_at(host, 1, true);
        CHECK_STATUS(omen_schema_encode(&copy.schema, &b), n < bytes.len ? OMEN_ERR_MEMORY : OMEN_OK);
        fault_host_fail_alloc_at(host, 0, false);
        omen_buf_deinit(&b);
    }
    omen_schema_copy_deinit(&copy);
    omen_buf_deinit(&bytes);
    omen_buf_deinit(&json);
    end();
}

TEST(memory_ends_while_names_are_copied) {
    static char name[200];
    omen_vector_field f = {.name = {name, 0}, .dimensions = 4, .metric = OMEN_METRIC_L2};
    begin();
    memset(name, 'n', sizeof name);
    /* The first name fills the arena's first block up to any place; what then needs another one fails. */
    for (size_t len = 1; len <= OMEN_MAX_NAME; len++) {
        omen_schema s = whole;
        f.name.len = len;
        s.vectors = &f;
        s.vector_count = 1;
        omen_status st = OMEN_ERR_MEMORY;
        for (uint64_t k = 1; st != OMEN_OK && k < 100; k++) {
            fault_host_fail_alloc_at(host, k, true);
            st = take(&s);
            fault_host_fail_alloc_at(host, 0, false);
            CHECK(st == OMEN_OK || (st == OMEN_ERR_MEMORY && error.status == st));
        }
        CHECK_OK(st);
    }
    end();
}

TEST(names) {
    static const struct { const char *name; const char *said; } bad[] = {{"", "is empty"}, {".a", "begin with '.'"}, {"-a", "begin with '-'"}, {"omen_x", "reserved"}, {"a b", "not allowed at byte 1"}, {"a/", "not allowed at byte 1"}, {"a:", "not allowed"},
                                                                         {"@", "not allowed"}, {"[", "not allowed"}, {"`", "not allowed"}, {"{", "not allowed"}, {"\xc3\xa9", "not allowed"}};
    char text[OMEN_MAX_NAME + 2];
    memset(text, 'x', sizeof text);
    CHECK_OK(omen_name_check((omen_str){text, OMEN_MAX_NAME}, "name", &error));
    CHECK_STATUS(omen_name_check((omen_str){text, OMEN_MAX_NAME + 1}, "name", &error), OMEN_ERR_NAME);
    CHECK_OK(omen_name_check(OMEN_STR("omen"), "name", &error));
    CHECK_OK(omen_name_check(OMEN_STR("_Omen-1.z"), "name", &error));
    for (size_t i = 0; i < OMEN_ARRAY_LEN(bad); i++) {
        error = (omen_error){0};
        CHECK_STATUS(omen_name_check((omen_str){bad[i].name, strlen(bad[i].name)}, "name", &error), OMEN_ERR_NAME);
        CHECK(strstr(error.text, bad[i].said) != NULL);
    }
    CHECK_EQ_STR(omen_metric_name((omen_metric)99), "unknown");
    CHECK_EQ_STR(omen_element_name((omen_element)99), "unknown");
    CHECK_EQ_STR(omen_index_kind_name((omen_index_kind)99), "unknown");
    CHECK_EQ_STR(omen_codec_name((omen_codec)99), "unknown");
}

TEST(fields_that_are_refused) {
    begin();
#define VECTOR(change, status, said)                                                                                                                                                                   \
    do {                                                                                                                                                                                               \
        omen_vector_field f = vectors[0];                                                                                                                                                              \
        omen_schema s = whole;                                                                                                                                                                         \
        s.vectors = &f;                                                                                                                                                                                \
        s.vector_count = 1;                                                                                                                                                                            \
        change;                                                                                                                                                                                        \
        refused(&s, status, said);                                                                                                                                                                     \
    } while (0)
    VECTOR(f.dimensions = 0, OMEN_ERR_INVALID, "dimensions");
    VECTOR(f.dimensions = OMEN_MAX_DIMENSIONS + 1, OMEN_ERR_INVALID, "dimensions");
    VECTOR(f.metric = (omen_metric)0, OMEN_ERR_INVALID, "unknown metric");
    VECTOR(f.metric = (omen_metric)9, OMEN_ERR_INVALID, "unknown metric");
    VECTOR(f.element = (omen_element)9, OMEN_ERR_INVALID, "unknown type");
    VECTOR(f.metric = OMEN_METRIC_HAMMING, OMEN_ERR_INVALID, "name both or neither");
    VECTOR(f.element = OMEN_ELEMENT_BIT, OMEN_ERR_INVALID, "name both or neither");
    VECTOR((f.metric = OMEN_METRIC_HAMMING, f.element = OMEN_ELEMENT_BIT, f.dimensions = 12), OMEN_ERR_INVALID, "multiple of 8");
    VECTOR(f.name = OMEN_STR("id"), OMEN_ERR_NAME, "reserved");
    VECTOR(f.name = OMEN_STR("title"), OMEN_ERR_NAME, "named twice");
    VECTOR(f.name = OMEN_STR("terms"), OMEN_ERR_NAME, "named twice");
    VECTOR(f.name = OMEN_STR("patches"), OMEN_ERR_NAME, "named twice");
    VECTOR(f.name = OMEN_STR("a b"), OMEN_ERR_NAME, "not allowed");
    VECTOR(f.index.bits = 9, OMEN_ERR_INVALID, "bits");
    VECTOR(f.index.codec = OMEN_CODEC_SQ8, OMEN_ERR_INVALID, "bits, which are of the codec rabitq");
    VECTOR(f.index.lists = 65537, OMEN_ERR_INVALID, "lists");
    VECTOR(f.index.m = 8, OMEN_ERR_INVALID, "of graphs");
    VECTOR(f.index.ef_construction = 80, OMEN_ERR_INVALID, "of graphs");
    VECTOR((f.index = (omen_index_options){.kind = OMEN_INDEX_DISK, .lists = 3}), OMEN_ERR_INVALID, "of ivf");
    VECTOR((f.index = (omen_index_options){.kind = OMEN_INDEX_HNSW, .codec = OMEN_CODEC_PQ}), OMEN_ERR_INVALID, "of ivf");
    VECTOR((f.index = (omen_index_options){.kind = OMEN_INDEX_HNSW, .m = 3}), OMEN_ERR_INVALID, "m 3");
    VECTOR((f.index = (omen_index_options){.kind = OMEN_INDEX_HNSW, .m = 129}), OMEN_ERR_INVALID, "m 129");
    VECTOR((f.index = (omen_index_options){.kind = OMEN_INDEX_HNSW, .ef_construction = 7}), OMEN_ERR_INVALID, "ef_construction 7");
    VECTOR((f.index = (omen_index_options){.kind = OMEN_INDEX_HNSW, .ef_construction = 2001}), OMEN_ERR_INVALID, "ef_construction 2001");
    VECTOR(f.index.kind = (omen_index_kind)9, OMEN_ERR_INVALID, "unknown kind");
    VECTOR(f.index.codec = (omen_codec)9, OMEN_ERR_INVALID, "unknown codec");
    VECTOR(s.vector_count = OMEN_MAX_VECTOR_FIELDS + 1, OMEN_ERR_INVALID, "vector fields");
    VECTOR(s.text_count = OMEN_MAX_TEXT_FIELDS + 1, OMEN_ERR_INVALID, "together at most");
    VECTOR(s.sparse_count = OMEN_MAX_TEXT_FIELDS - 1, OMEN_ERR_INVALID, "together at most");
    VECTOR(s.multi_count = OMEN_MAX_MULTI_FIELDS + 1, OMEN_ERR_INVALID, "multi fields");
    VECTOR(s.ttl = OMEN_STR("a..b"), OMEN_ERR_NAME, "empty name between");
    VECTOR(s.ttl = OMEN_STR("a."), OMEN_ERR_NAME, "empty name between");
    VECTOR(s.ttl = OMEN_STR("a b"), OMEN_ERR_NAME, "not allowed");
#define TEXT(change, status, said) VECTOR(omen_text_field t = texts[0]; s.text_count = 1; s.texts = &t; change, status, said)
    TEXT(t.language = OMEN_STR("tlh"), OMEN_ERR_INVALID, "unknown language \"tlh\"");
    TEXT(t.language = OMEN_STR("0123456789012345678901234567890123456789tail"), OMEN_ERR_INVALID, "unknown language \"0123456789012345678901234567890123456789\"");
    TEXT(t.weight = -1.0f, OMEN_ERR_INVALID, "weight");
    TEXT(t.weight = 2e6f, OMEN_ERR_INVALID, "weight");
    TEXT(t.weight = __builtin_nanf(""), OMEN_ERR_INVALID, "weight");
    TEXT(t.flags = 0x80, OMEN_ERR_INVALID, "flags");
    TEXT(t.name = OMEN_STR("v"), OMEN_ERR_NAME, "named twice");
    TEXT(t.name = OMEN_STR("a."), OMEN_ERR_NAME, "empty name");
#define MULTI(change, status, said) VECTOR(omen_multi_field t = multis[0]; s.multi_count = 1; s.multis = &t; change, status, said)
    static char longer[OMEN_MAX_NAME + 9];
    memset(longer, 'l', sizeof longer);
    MULTI(t.dimensions = 0, OMEN_ERR_INVALID, "dimensions");
    MULTI((t.name = (omen_str){longer, sizeof longer}, t.dimensions = OMEN_MAX_DIMENSIONS + 1), OMEN_ERR_INVALID, "dimensions");
    MULTI(t.metric = OMEN_METRIC_L2, OMEN_ERR_INVALID, "cosine or ip");
    MULTI(t.element = OMEN_ELEMENT_I8, OMEN_ERR_INVALID, "f32 or f16");
    MULTI(t.name = OMEN_STR("terms"), OMEN_ERR_NAME, "named twice");
    MULTI(t.name = OMEN_STR("a..b"), OMEN_ERR_NAME, "empty name");
    end();
}

TEST(schemas_that_differ) {
    omen_schema_copy have;
    begin();
    CHECK_OK(omen_schema_copy_init(&have, &mem, &whole, &error));
#define DIFFERS(change, said)                                                                                                                                                                          \
    do {                                                                                                                                                                                               \
        omen_vector_field v[2] = {vectors[0], vectors[1]};                                                                                                                                             \
        omen_text_field t[2] = {texts[0], texts[1]};                                                                                                                                                   \
        omen_multi_field m[2] = {multis[0], multis[1]};                                                                                                                                                \
        omen_str p[1] = {sparse[0]};                                                                                                                                                                   \
        omen_schema s = whole;                                                                                                                                                                         \
        s.vectors = v, s.texts = t, s.multis = m, s.sparse = p;                                                                                                                                        \
        error = (omen_error){0};                                                                                                                                                                       \
        CHECK_OK(omen_schema_match(&have.schema, &s, OMEN_STR("c"), &error));                                                                                                                          \
        change;                                                                                                                                                                                        \
        CHECK_STATUS(omen_schema_match(&have.schema, &s, OMEN_STR("c"), &error), OMEN_ERR_SCHEMA);                                                                                                     \
        if (!CHECK(strstr(error.text, said) != NULL)) printf("     %s: %s\n", said, error.text);                                                                                                       \
    } while (0)
    DIFFERS(s.vector_count = 1, "2 vector fields, not 1");
    DIFFERS(v[0].name = OMEN_STR("w"), "not \"w\"");
    DIFFERS(v[0].name = OMEN_STR(""), "not \"vector\"");
    DIFFERS(v[0].dimensions = 5, "with 5 of f32");
    DIFFERS(v[0].metric = OMEN_METRIC_IP, "and ip");
    DIFFERS(v[0].element = OMEN_ELEMENT_F16, "of f16");
    DIFFERS(s.text_count = 1, "other text or sparse");
    DIFFERS(s.sparse_count = 0, "other text or sparse");
    DIFFERS(t[0].name = OMEN_STR("other"), "other text or sparse");
    DIFFERS(p[0] = OMEN_STR("other"), "other text or sparse");
    DIFFERS(t[0].language = OMEN_STR("en"), "language de, stop words kept, accents kept");
    DIFFERS(t[1].flags = OMEN_TEXT_KEEP_STOP, "language none, stop words dropped, accents folded");
    DIFFERS(s.multi_count = 1, "other multi fields");
    DIFFERS(m[0].name = OMEN_STR("other"), "other multi fields");
    DIFFERS(m[0].dimensions = 9, "other multi fields");
    DIFFERS(m[0].metric = 0, "other multi fields");
    DIFFERS(m[0].element = OMEN_ELEMENT_F32, "other multi fields");
    DIFFERS(s.ttl = OMEN_STR("other"), "its time to live at until.when");
    omen_schema_copy_deinit(&have);
    omen_schema none = whole;
    none.ttl = (omen_str){NULL, 0};
    CHECK_OK(omen_schema_copy_init(&have, &mem, &none, &error));
    CHECK_STATUS(omen_schema_match(&have.schema, &whole, OMEN_STR("c"), &error), OMEN_ERR_SCHEMA);
    CHECK(strstr(error.text, "no time to live") != NULL);
    uint32_t at = 9;
    CHECK_OK(omen_schema_multi(&have.schema, OMEN_STR("patches"), &at, &error));
    CHECK_EQ_UINT(at, 1);
    CHECK_STATUS(omen_schema_multi(&have.schema, OMEN_STR(""), &at, &error), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_schema_multi(&have.schema, OMEN_STR("0123456789012345678901234567890123456789012345678901234567890123456789"), &at, &error), OMEN_ERR_INVALID);
    CHECK(strstr(error.text, "\"012345678901234567890123456789012345678901234567890123456789\"; its first is \"tokens\"") != NULL);
    none.multi_count = 1;
    CHECK_OK(omen_schema_multi(&none, OMEN_STR(""), &at, &error));
    CHECK_EQ_UINT(at, 0);
    CHECK_STATUS(omen_schema_multi(&none, OMEN_STR("x"), &at, &error), OMEN_ERR_INVALID);
    none.multi_count = 0;
    CHECK_STATUS(omen_schema_multi(&none, OMEN_STR(""), &at, &error), OMEN_ERR_INVALID);
    omen_schema_copy_deinit(&have);
    end();
}

TEST_MAIN()
