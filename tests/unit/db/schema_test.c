/* Schemas with text and sparse fields: kept as they were given, encoded and decoded, compared, refused with the reason; and decoding stands whatever bytes it gets. */
#include "test.h"

#include "db/schema.h"
#include "fault_host.h"

static const omen_vector_field vectors[1] = {{.name = OMEN_STR(""), .dimensions = 4, .metric = OMEN_METRIC_IP}};
static const omen_text_field texts[4] = {{.name = OMEN_STR("title"), .weight = 2.5f},
                                         {.name = OMEN_STR("book.body"), .language = OMEN_STR("German"), .flags = OMEN_TEXT_KEEP_STOP},
                                         {.name = OMEN_STR("raw"), .language = OMEN_STR("none"), .flags = OMEN_TEXT_KEEP_ACCENTS},
                                         {.name = OMEN_STR("plain")}};
static const omen_str sparse[2] = {OMEN_STR("terms"), OMEN_STR("deep.terms")};
static const omen_schema whole = {.struct_size = sizeof whole, .vector_count = 1, .vectors = vectors, .text_count = 4, .texts = texts, .sparse_count = 2, .sparse = sparse};

TEST(round_trip) {
    fault_host *h = fault_host_new(1);
    omen_mem mem;
    omen_schema_copy copy, again;
    omen_error err = {0};
    omen_buf bytes, json;
    omen_jw w;
    size_t used;
    omen_mem_init(&mem, &h->host, 0);
    omen_buf_init(&bytes, &mem);
    omen_buf_init(&json, &mem);
    CHECK_OK(omen_schema_copy_init(&copy, &mem, &whole, &err));
    CHECK(omen_str_equal(copy.schema.texts[0].language, OMEN_STR("en")));
    CHECK(omen_str_equal(copy.schema.texts[1].language, OMEN_STR("de")));
    CHECK(copy.schema.texts[3].weight == 1.0f);
    CHECK_OK(omen_schema_encode(&copy.schema, &bytes));
    CHECK_OK(omen_schema_decode(&again, &mem, bytes.data, bytes.len, &used, &err));
    CHECK_EQ_UINT(used, bytes.len);
    CHECK_OK(omen_schema_match(&copy.schema, &again.schema, OMEN_STR("c"), &err));
    CHECK(again.schema.texts[0].weight == 2.5f);
    omen_jw_begin(&w, &json);
    omen_schema_write_json(&again.schema, &w);
    CHECK_OK(omen_jw_end(&w));
    CHECK_OK(omen_buf_append(&json, "", 1));
    CHECK_EQ_STR((const char *)json.data,
                 "{\"vectors\":[{\"name\":\"vector\",\"dimensions\":4,\"metric\":\"ip\",\"element\":\"f32\",\"index\":{\"kind\":\"auto\"}}],\"text\":["
                 "{\"name\":\"title\",\"language\":\"en\",\"weight\":2.5,\"stopWords\":\"drop\",\"accents\":\"fold\"},"
                 "{\"name\":\"book.body\",\"language\":\"de\",\"weight\":1.0,\"stopWords\":\"keep\",\"accents\":\"fold\"},"
                 "{\"name\":\"raw\",\"language\":\"none\",\"weight\":1.0,\"stopWords\":\"drop\",\"accents\":\"keep\"},\"plain\"],\"sparse\":[\"terms\",\"deep.terms\"]}");
    omen_schema_copy_deinit(&again);
    /* Cut short or changed in any byte, it is refused or read as something else that is valid; nothing worse. */
    unsigned refused = 0;
    for (size_t cut = 0; cut < bytes.len; cut++) {
        CHECK_STATUS(omen_schema_decode(&again, &mem, bytes.data, cut, &used, &err), OMEN_ERR_CORRUPT);
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes.data[cut] ^= (uint8_t)(1u << bit);
            if (omen_schema_decode(&again, &mem, bytes.data, bytes.len, &used, &err) == OMEN_OK) omen_schema_copy_deinit(&again);
            else refused++;
            bytes.data[cut] ^= (uint8_t)(1u << bit);
        }
    }
    CHECK(refused > 100);
    omen_schema_copy_deinit(&copy);
    omen_buf_deinit(&bytes);
    omen_buf_deinit(&json);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

static omen_status with(omen_mem *mem, omen_text_field f, omen_str second, omen_error *err) {
    omen_schema s = {.struct_size = sizeof s, .text_count = 1, .texts = &f, .sparse_count = second.len != 0, .sparse = &second};
    omen_schema_copy copy;
    omen_status st = omen_schema_copy_init(&copy, mem, &s, err);
    if (st == OMEN_OK) omen_schema_copy_deinit(&copy);
    return st;
}

TEST(refusals) {
    fault_host *h = fault_host_new(1);
    omen_mem mem;
    omen_error err = {0};
    omen_mem_init(&mem, &h->host, 0);
    const omen_str none = {"", 0};
    CHECK_OK(with(&mem, (omen_text_field){.name = OMEN_STR("a")}, OMEN_STR("b"), &err));
    CHECK_STATUS(with(&mem, (omen_text_field){.name = OMEN_STR("a")}, OMEN_STR("a"), &err), OMEN_ERR_NAME);
    CHECK_STATUS(with(&mem, (omen_text_field){.name = OMEN_STR("a..b")}, none, &err), OMEN_ERR_NAME);
    CHECK_STATUS(with(&mem, (omen_text_field){.name = OMEN_STR("a.")}, none, &err), OMEN_ERR_NAME);
    CHECK_STATUS(with(&mem, (omen_text_field){.name = OMEN_STR("a")}, OMEN_STR("b."), &err), OMEN_ERR_NAME);
    CHECK_STATUS(with(&mem, (omen_text_field){.name = OMEN_STR("a"), .language = OMEN_STR("klingon")}, none, &err), OMEN_ERR_INVALID);
    CHECK(strstr(err.text, "klingon") != NULL);
    CHECK_STATUS(with(&mem, (omen_text_field){.name = OMEN_STR("a"), .weight = -1.0f}, none, &err), OMEN_ERR_INVALID);
    CHECK_STATUS(with(&mem, (omen_text_field){.name = OMEN_STR("a"), .weight = __builtin_nanf("")}, none, &err), OMEN_ERR_INVALID);
    CHECK_STATUS(with(&mem, (omen_text_field){.name = OMEN_STR("a"), .flags = 128}, none, &err), OMEN_ERR_INVALID);
    omen_schema many = {.struct_size = sizeof many, .text_count = 40, .texts = texts, .sparse_count = 25, .sparse = sparse};
    omen_schema_copy copy;
    CHECK_STATUS(omen_schema_copy_init(&copy, &mem, &many, &err), OMEN_ERR_INVALID);
    /* What a collection is opened with must be what it has; the weight is no part of that. */
    omen_text_field have = {.name = OMEN_STR("a"), .language = OMEN_STR("en"), .weight = 1}, other = have;
    omen_schema a = {.struct_size = sizeof a, .text_count = 1, .texts = &have}, b = {.struct_size = sizeof b, .text_count = 1, .texts = &other};
    other.weight = 3;
    CHECK_OK(omen_schema_match(&a, &b, OMEN_STR("c"), &err));
    other.language = OMEN_STR("de");
    CHECK_STATUS(omen_schema_match(&a, &b, OMEN_STR("c"), &err), OMEN_ERR_SCHEMA);
    CHECK(strstr(err.text, "language en") != NULL);
    other = have;
    other.flags = OMEN_TEXT_KEEP_ACCENTS;
    CHECK_STATUS(omen_schema_match(&a, &b, OMEN_STR("c"), &err), OMEN_ERR_SCHEMA);
    other = have;
    b.sparse_count = 1;
    b.sparse = sparse;
    CHECK_STATUS(omen_schema_match(&a, &b, OMEN_STR("c"), &err), OMEN_ERR_SCHEMA);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

TEST_MAIN()
