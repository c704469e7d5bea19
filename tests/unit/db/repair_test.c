/* Checks that tell every damage, and repair: a database with segments and a log, damaged in every section and file, is read whole, written anew, and then
 * holds every record but those that the report said were lost - with ids' index, text, columns, norms, fields of several vectors and indexes made again. */
#include "test.h"

#include "column/part.h"
#include "contains.h"
#include "fault_host.h"
#include "things_fixture.h"
#include "omendb.h"
#include "store/segment_format.h"

enum { DIMS = 24, SEGMENTS = 3, ROWS = 132, LOGGED = 30, ALL = SEGMENTS * ROWS + LOGGED };

static omen_index_kind index_kind = OMEN_INDEX_HNSW;

/* Of both kinds, so that a segment has all that finds either. */
static omen_id id_of(int i) {
    static char names[ALL][16];
    if (i % 2 == 0) return OMEN_ID_INT(i);
    int n = snprintf(names[i], sizeof names[i], "record-%d", i);
    return (omen_id){{names[i], (size_t)n}, 0};
}

static omen_status open_things(fault_host *h, omen_db **db, omen_collection **c) {
    omen_options o = options_of(h);
    const omen_vector_field field = {.name = {"", 0}, .dimensions = DIMS, .metric = OMEN_METRIC_COSINE, .index = {.kind = index_kind}};
    const omen_text_field words = {.name = OMEN_STR("t")};
    const omen_multi_field tokens = {.name = OMEN_STR("m"), .dimensions = 3};
    const omen_str sparse = OMEN_STR("s");
    omen_schema s;
    omen_schema_init(&s);
    s.vector_count = s.text_count = s.sparse_count = s.multi_count = 1;
    s.vectors = &field;
    s.texts = &words;
    s.sparse = &sparse;
    s.multis = &tokens;
    *db = NULL;
    *c = NULL;
    omen_status st = omen_open("db", &o, db);
    return st != OMEN_OK ? st : omen_collection_open(*db, OMEN_STR("things"), &s, c);
}

static float coordinate(int id, int d) { return (float)((id * 13 + d * 5) % 19 - 9) + 0.5f; }

static void put(omen_collection *c, int from, int count) {
    static float rows[ROWS][DIMS];
    static char text[ROWS][400];
    omen_id ids[ROWS];
    omen_str docs[ROWS];
    for (int i = 0; i < count; i++) {
        int id = from + i;
        ids[i] = id_of(id);
        for (int d = 0; d < DIMS; d++) rows[i][d] = coordinate(id, d);
        int len = snprintf(text[i], sizeof text[i], "{\"n\":%d,\"t\":\"word w%d\",\"s\":{\"indices\":[7,%d],\"values\":[1,2]},\"kind\":\"k%d\",\"m\":[[1,0,%d],[0,1,0.5]]}", id, id, 8 + id, id % 3,
                           id % 5);
        docs[i] = (omen_str){text[i], (size_t)len};
    }
    const void *vectors[] = {rows};
    CHECK_OK(omen_upsert(c, &(omen_batch){.count = (size_t)count, .ids = ids, .vectors = vectors, .documents = docs}));
}

/* Three segments, the third with replaced and deleted rows of the first, indexes, and records that are only in the log. */
static fault_storage *build(void) {
    fault_host *h = fault_host_new(1);
    omen_db *db;
    omen_collection *c;
    CHECK_OK(open_things(h, &db, &c));
    for (int s = 0; s < SEGMENTS; s++) {
        if (s == SEGMENTS - 1) {
            const omen_id gone[] = {id_of(5), id_of(6)};
            put(c, 0, 4);
            CHECK_OK(omen_delete(c, gone, 2, NULL));
            put(c, 5, 2);
        }
        put(c, s * ROWS, ROWS);
        CHECK_OK(omen_flush(db));
    }
    CHECK_OK(omen_build_indexes(db));
    for (int i = 0; i < LOGGED; i += 5) put(c, SEGMENTS * ROWS + i, 5);
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    fault_storage *image = fault_storage_clone(fault_host_image(h, "db"));
    fault_host_free(h);
    return image;
}

static uint64_t number_of(omen_str json, const char *key) {
    size_t len = strlen(key);
    for (size_t i = 0; i + len <= json.len; i++)
        if (memcmp(json.data + i, key, len) == 0) return strtoull(json.data + i + len, NULL, 10);
    return UINT64_MAX;
}

static uint64_t found_by(omen_collection *c, const char *options) {
    omen_query q;
    omen_results *r = NULL;
    omen_query_init(&q);
    q.k = 2 * ALL;
    q.options = (omen_str){options, strlen(options)};
    omen_status s = omen_search(c, &q, &r);
    CHECK_OK(s);
    uint64_t n = s == OMEN_OK ? omen_results_count(r) : 0;
    omen_results_free(r);
    return n;
}

/* What the database answers by every way agrees; how many records there are. */
static uint64_t agree(omen_collection *c, const char *what) {
    uint64_t live = 0, kinds = 0;
    CHECK_OK(omen_count(c, &live));
    for (int id = 0; id < ALL; id++) {
        omen_results *r = NULL;
        omen_id one = id_of(id);
        char want[24];
        snprintf(want, sizeof want, "{\"n\":%d,", id);
        CHECK_OK(omen_get(c, &one, 1, OMEN_INCLUDE_DOCUMENT | OMEN_INCLUDE_VECTOR, &r));
        if (r != NULL && omen_results_found(r, 0)) {
            kinds++;
            CHECK(strncmp(omen_results_document(r, 0).data, want, strlen(want)) == 0);
            const float *v = omen_results_vector(r, 0, 0);
            CHECK(v != NULL && v[3] > coordinate(id, 3) - 1e-3f && v[3] < coordinate(id, 3) + 1e-3f);
        }
        omen_results_free(r);
    }
    bool good = kinds == live && found_by(c, "{\"text\":\"word\"}") == live && found_by(c, "{\"sparse\":{\"indices\":[7],\"values\":[1]}}") == live &&
                found_by(c, "{\"multi\":{\"field\":\"m\",\"vectors\":[[0,1,0]]}}") == live;
    uint64_t sum = 0, some = 0;
    for (int k = 0; k < 3; k++) {
        char filter[40];
        snprintf(filter, sizeof filter, "kind = 'k%d'", k);
        CHECK_OK(omen_count_where(c, (omen_str){filter, strlen(filter)}, &some));
        sum += some;
    }
    if (!good || sum != live) test_fail(__FILE__, __LINE__, what);
    return live;
}

typedef struct outcome { uint64_t damage, lost, segments; bool derived; } outcome;

/* Checks, repairs and checks the image; takes it. */
static outcome mend(fault_storage *image, unsigned pending, uint32_t flags, const char *what) {
    fault_host *h = fault_host_new(1);
    omen_options o = options_of(h);
    omen_report *r = NULL;
    omen_db *db;
    omen_collection *c;
    outcome result = {0};
    fault_host_set_image(h, "db", image);
    fault_storage_set_pending(image, pending);
    uint64_t before = fault_storage_hash(image);
    CHECK_OK(omen_check_path("db", &o, &r));
    result.damage = omen_report_damage(r);
    if (result.damage == 0) test_fail(__FILE__, __LINE__, what);
    CHECK(contains(omen_report_json(r), "\"ok\":false"));
    uint64_t said = number_of(omen_report_json(r), "\"lost\":{\"records\":");
    omen_report_free(r);
    CHECK_OK(omen_repair("db", &o, flags & ~(uint32_t)OMEN_REPAIR_WRITE, &r));
    omen_report_free(r);
    CHECK(fault_storage_hash(image) == before); /* looking changes nothing */
    omen_status s = omen_repair("db", &o, flags | OMEN_REPAIR_WRITE, &r);
    if (s != OMEN_OK) test_fail(__FILE__, __LINE__, what), printf("     %s\n", omen_last_error());
    CHECK(contains(omen_report_json(r), "\"written\":true"));
    result.lost = number_of(omen_report_json(r), "\"lost\":{\"records\":");
    if ((flags & OMEN_REPAIR_CUT) == 0) CHECK_EQ_UINT(result.lost, said);
    result.segments = contains(omen_report_json(r), "\"segments\":[{");
    omen_report_free(r);
    r = NULL;
    s = open_things(h, &db, &c);
    if (s != OMEN_OK) test_fail(__FILE__, __LINE__, what), printf("     %s\n", omen_last_error());
    if (s == OMEN_OK) {
        uint64_t live = agree(c, what);
        if (result.segments == 0 && (flags & OMEN_REPAIR_CUT) == 0 && live + result.lost < ALL) test_fail(__FILE__, __LINE__, what), printf("     %s: %llu live, %llu lost\n", what, (unsigned long long)live, (unsigned long long)result.lost);
        CHECK_OK(omen_build_indexes(db));
        CHECK_OK(omen_check_report(db, &r));
        if (omen_report_damage(r) != 0) test_fail(__FILE__, __LINE__, what), printf("     %.*s\n", (int)omen_report_json(r).len, omen_report_json(r).data);
        omen_report_free(r);
        CHECK_EQ_UINT(agree(c, what), live);
    }
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    CHECK_STORAGE(image);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
    return result;
}

/* One byte of the middle of every section of a segment. Sections that are derived lose nothing. */
static void damage_sections(const fault_storage *image, const char *name, uint8_t *kinds) {
    size_t len;
    const uint8_t *bytes = fault_storage_data(image, name, &len), *footer = bytes + omen_get64(bytes + len - OMEN_SEGMENT_TRAILER);
    for (uint32_t n = 0; n < omen_get32(footer); n++) {
        omen_segment_entry e;
        char what[80];
        memcpy(&e, footer + OMEN_SEGMENT_FOOTER + n * sizeof e, sizeof e);
        if (e.stored_len == 0) continue;
        fault_storage *copy = fault_storage_clone(image);
        fault_storage_xor(copy, name, (size_t)e.offset + (size_t)(e.stored_len / 2), 0x20);
        snprintf(what, sizeof what, "%s, section %u of field %u", name, e.kind, e.field);
        outcome o = mend(copy, n % 3 == 0 ? 30 : 0, 0, what);
        kinds[e.kind % 64]++;
        bool data = e.kind == OMEN_SECTION_META || e.kind == OMEN_SECTION_KEY_OFFSETS || e.kind == OMEN_SECTION_KEY_BYTES || e.kind == OMEN_SECTION_DOC_BYTES ||
                    e.kind == OMEN_SECTION_VECTORS;
        if ((o.lost == 0 && o.segments == 0) == data) test_fail(__FILE__, __LINE__, what);
    }
    /* Header, footer, trailer, all of it: the whole segment; of an index nothing. */
    for (int k = 0; k < 4; k++) {
        fault_storage *copy = fault_storage_clone(image);
        if (k == 3) fault_storage_delete(copy, name);
        else fault_storage_xor(copy, name, k == 0 ? 3 : k == 1 ? len - OMEN_SEGMENT_TRAILER - 4 : len - 5, 1);
        (void)mend(copy, 0, 0, name);
    }
}

TEST(every_section_of_every_segment) {
    static const omen_index_kind all[] = {OMEN_INDEX_HNSW, OMEN_INDEX_IVF, OMEN_INDEX_DISK};
    /* Every section that is derived from others, of parts and of indexes. */
    static const uint8_t derived[] = {4, 6, 10, 12, 13, 14, 15, 16, 17, 20, 21, 22, 23, 24, 25, 26, 27, 28, 32, 33, 34, 35, 37, 38, 39};
    uint8_t kinds[64] = {0};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        index_kind = all[k];
        fault_storage *image = build();
        for (size_t i = 0; i < fault_storage_count(image); i++) {
            const char *name = fault_storage_name(image, i);
            size_t len;
            if (fault_storage_data(image, name, &len) == NULL || strncmp(name, "seg-", 4) != 0) continue;
            if (k == 0 || name[4] == '4') damage_sections(image, name, kinds); /* indexes have numbers from 2^62 on */
        }
        fault_storage_free(image);
    }
    index_kind = OMEN_INDEX_HNSW;
    for (size_t i = 0; i < sizeof derived; i++)
        if (kinds[derived[i]] == 0) test_fail(__FILE__, __LINE__, "a section was not there"), printf("     kind %u\n", derived[i]);
}

enum { MANY = 9000, BLOCK = 8192 /* document offsets in one */ };

/* A collection whose documents hold brackets and quotes; every nth record has none (0: all have one). */
static fault_storage *many(int none) {
    fault_host *h = fault_host_new(1);
    omen_options o = options_of(h);
    omen_db *db;
    omen_collection *c = NULL;
    omen_schema s;
    const omen_vector_field field = {.name = {"", 0}, .dimensions = 2, .metric = OMEN_METRIC_L2};
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &field;
    CHECK_OK(omen_open("db", &o, &db));
    CHECK_OK(omen_collection_open(db, OMEN_STR("many"), &s, &c));
    for (int from = 0; from < MANY; from += 500) {
        static float rows[500][2];
        static char text[500][60];
        omen_id ids[500];
        omen_str docs[500];
        for (int i = 0; i < 500; i++) {
            int id = from + i, len = snprintf(text[i], sizeof text[i], "{\"n\":%d,\"s\":\"}{\\\"[\",\"a\":[{\"x\":[]}]}%s", id, id % 4 == 0 ? " " : "");
            ids[i] = OMEN_ID_INT(id);
            rows[i][0] = (float)id;
            docs[i] = none != 0 && id % none == 0 ? (omen_str){"", 0} : (omen_str){text[i], (size_t)len};
        }
        const void *vectors[] = {rows};
        CHECK_OK(omen_upsert(c, &(omen_batch){.count = 500, .ids = ids, .vectors = vectors, .documents = docs}));
    }
    CHECK_OK(omen_flush(db));
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    fault_storage *image = fault_storage_clone(fault_host_image(h, "db"));
    fault_host_free(h);
    return image;
}

/* Where documents begin is found again; where some records have none, those of a damaged block are lost, by name, and no others. */
TEST(document_offsets) {
    static const struct { int none; size_t block; uint64_t lost; } cases[] = {{0, 0, 0}, {0, 1, 0}, {1, 0, 0}, {7, 0, BLOCK}, {7, 1, MANY - BLOCK + 1}};
    for (size_t k = 0; k < OMEN_ARRAY_LEN(cases); k++) {
        fault_storage *image = many(cases[k].none);
        size_t len;
        char name[40] = "";
        for (size_t i = 0; i < fault_storage_count(image); i++)
            if (strncmp(fault_storage_name(image, i), "seg-", 4) == 0 && fault_storage_has(image, fault_storage_name(image, i))) snprintf(name, sizeof name, "%s", fault_storage_name(image, i));
        const uint8_t *bytes = fault_storage_data(image, name, &len), *footer = bytes + omen_get64(bytes + len - OMEN_SEGMENT_TRAILER);
        for (uint32_t n = 0; n < omen_get32(footer); n++) {
            omen_segment_entry e;
            memcpy(&e, footer + OMEN_SEGMENT_FOOTER + n * sizeof e, sizeof e);
            if (e.kind != OMEN_SECTION_DOC_OFFSETS) continue;
            fault_storage_xor(image, name, (size_t)e.offset + cases[k].block * 8 * BLOCK + 4000, 1);
            break;
        }
        fault_host *h = fault_host_new(1);
        omen_options o = options_of(h);
        omen_report *r = NULL;
        omen_db *db;
        omen_collection *c = NULL;
        fault_host_set_image(h, "db", image);
        fault_storage_set_pending(image, k % 2 == 0 ? 20 : 0);
        CHECK_OK(omen_repair("db", &o, OMEN_REPAIR_WRITE, &r));
        CHECK_EQ_UINT(omen_report_damage(r), 1);
        CHECK_EQ_UINT(number_of(omen_report_json(r), "\"lost\":{\"records\":"), cases[k].lost);
        CHECK_EQ_UINT(number_of(omen_report_json(r), "\"unnamed\":"), 0);
        omen_report_free(r);
        CHECK_OK(omen_open("db", &o, &db));
        CHECK_OK(omen_collection_open(db, OMEN_STR("many"), NULL, &c));
        uint64_t count = 0;
        CHECK_OK(omen_count(c, &count));
        CHECK_EQ_UINT(count, MANY - cases[k].lost);
        for (int id = 0; id < MANY; id += 13) {
            omen_id one = OMEN_ID_INT(id);
            omen_results *found = NULL;
            char want[40];
            snprintf(want, sizeof want, "{\"n\":%d,", id);
            CHECK_OK(omen_get(c, &one, 1, OMEN_INCLUDE_DOCUMENT, &found));
            if (omen_results_found(found, 0)) {
                omen_str doc = omen_results_document(found, 0);
                bool empty = cases[k].none != 0 && id % cases[k].none == 0;
                CHECK(empty ? doc.len == 0 : doc.len > strlen(want) && memcmp(doc.data, want, strlen(want)) == 0);
            }
            omen_results_free(found);
        }
        omen_collection_close(c);
        CHECK_OK(omen_close(db));
        CHECK_OK(omen_check_path("db", &o, &r));
        CHECK_EQ_UINT(omen_report_damage(r), 0);
        omen_report_free(r);
        CHECK_EQ_UINT(fault_host_bytes(h), 0);
        fault_host_free(h);
    }
}

TEST(logs_and_manifests) {
    fault_storage *image = build();
    const char *log = NULL;
    size_t len = 0;
    for (size_t i = 0; i < fault_storage_count(image); i++) {
        size_t n;
        if (strncmp(fault_storage_name(image, i), "log-", 4) == 0 && fault_storage_data(image, fault_storage_name(image, i), &n) != NULL) log = fault_storage_name(image, i), len = n;
    }
    REQUIRE(CHECK(log != NULL && len > 4000));
    /* In the middle: the writes behind it are kept, or given up. */
    fault_storage *copy = fault_storage_clone(image);
    fault_storage_xor(copy, log, len / 2, 4);
    CHECK_EQ_UINT(mend(copy, 30, 0, "log, middle").lost, 5);
    copy = fault_storage_clone(image);
    fault_storage_xor(copy, log, len / 2, 4);
    CHECK(mend(copy, 0, OMEN_REPAIR_CUT, "log, middle, cut").lost > 5);
    /* The first frame, the last, half of it, all of it. */
    copy = fault_storage_clone(image);
    fault_storage_xor(copy, log, 20, 4);
    CHECK_EQ_UINT(mend(copy, 0, 0, "log, first frame").lost, 0);
    copy = fault_storage_clone(image);
    fault_storage_xor(copy, log, len - 40, 4);
    CHECK_EQ_UINT(mend(copy, 0, 0, "log, last frame").lost, 5);
    copy = fault_storage_clone(image);
    fault_storage_cut(copy, log, len / 2);
    CHECK(mend(copy, 0, 0, "log, cut").lost >= 15);
    copy = fault_storage_clone(image);
    fault_storage_delete(copy, log);
    CHECK_EQ_UINT(mend(copy, 0, 0, "log, removed").lost, LOGGED);
    /* One slot of the manifest: the other one may be older, and name files that are gone. Nothing of it is silent. */
    fault_host *h = fault_host_new(1);
    omen_options o = options_of(h);
    omen_report *r = NULL;
    fault_host_set_image(h, "db", fault_storage_clone(image));
    fault_storage_xor(fault_host_image(h, "db"), "manifest-0", 30, 1);
    fault_storage_xor(fault_host_image(h, "db"), "manifest-1", 30, 1);
    CHECK_STATUS(omen_check_path("db", &o, &r), OMEN_ERR_CORRUPT);
    CHECK(r == NULL && strstr(omen_last_error(), "backup") != NULL);
    CHECK_STATUS(omen_repair("db", &o, 128, &r), OMEN_ERR_INVALID);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
    fault_storage_free(image);
}

static unsigned warned;
static void count_warnings(void *ctx, omen_log_level level, const char *line, size_t len) {
    (void)ctx, (void)len;
    warned += level == OMEN_LOG_WARN && strstr(line, "manifest-0 is ") != NULL;
}

/* One slot is enough to open; that the other one is no manifest is said, whatever lies there. */
TEST(a_damaged_slot_beside_a_valid_one_is_told) {
    static const char *const heads[] = {"OMENMNF0", "OMENSEAL", "SQLite format 3"};
    fault_host *h = fault_host_new(1);
    omen_db *db;
    omen_collection *c;
    CHECK_OK(open_things(h, &db, &c));
    put(c, 0, 20);
    omen_collection_close(c);
    CHECK_OK(omen_close(db)); /* the proof is the second generation: manifest-0 */
    for (size_t i = 0; i <= OMEN_ARRAY_LEN(heads); i++) {
        fault_host *other = fault_host_new(1);
        fault_storage *copy = fault_storage_clone(fault_host_image(h, "db"));
        size_t len;
        uint8_t bytes[4096];
        const uint8_t *data = fault_storage_data(copy, "manifest-0", &len);
        REQUIRE(CHECK(data != NULL && len <= sizeof bytes));
        memcpy(bytes, data, len);
        if (i < OMEN_ARRAY_LEN(heads)) memcpy(bytes, heads[i], strlen(heads[i]));
        fault_storage_put(copy, "manifest-0", bytes, len);
        fault_host_set_image(other, "db", copy);
        other->host.log = count_warnings;
        omen_options o = options_of(other);
        omen_report *r = NULL;
        CHECK_OK(omen_check_path("db", &o, &r));
        CHECK_EQ_UINT(omen_report_damage(r), i < OMEN_ARRAY_LEN(heads));
        omen_report_free(r);
        warned = 0;
        CHECK_OK(open_things(other, &db, &c));
        CHECK_EQ_UINT(warned, i < OMEN_ARRAY_LEN(heads));
        uint64_t count = 0;
        CHECK_OK(omen_count(c, &count));
        CHECK_EQ_UINT(count, 20);
        omen_collection_close(c);
        CHECK_OK(omen_close(db));
        CHECK_EQ_UINT(fault_host_bytes(other), 0);
        fault_host_free(other);
    }
    fault_host_free(h);
}

TEST(storages_that_are_handed_over_are_released) {
    fault_host *h = fault_host_new(1);
    fault_storage *fs = fault_storage_new(1);
    for (int i = 0; i < 6; i++) {
        omen_options o = options_of(h);
        omen_db *db = NULL;
        omen_report *r = NULL;
        omen_storage session = fault_storage_session(fs);
        o.storage = &session;
        if (i % 2 != 0) o.durability = 77;
        if (i == 0) CHECK_STATUS(omen_open(NULL, &o, NULL), OMEN_ERR_INVALID);
        if (i == 1) CHECK_STATUS(omen_open(NULL, &o, &db), OMEN_ERR_INVALID);
        if (i == 2) CHECK_STATUS(omen_repair(NULL, &o, 128, &r), OMEN_ERR_INVALID);
        if (i == 3) CHECK_STATUS(omen_repair(NULL, &o, 0, &r), OMEN_ERR_INVALID);
        if (i == 4) CHECK_STATUS(omen_check_path(NULL, &o, NULL), OMEN_ERR_INVALID);
        if (i == 5) CHECK_STATUS(omen_check_path(NULL, &o, &r), OMEN_ERR_INVALID);
        CHECK(db == NULL && r == NULL);
        CHECK_EQ_UINT(fault_storage_sessions(fs), 0);
    }
    fault_storage_free(fs);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

static void lose_the_manifest(bool removed) {
    fault_host *h = fault_host_new(1);
    omen_options o = options_of(h);
    omen_report *r = NULL;
    omen_db *db;
    omen_collection *c;
    CHECK_OK(open_things(h, &db, &c));
    put(c, 0, ROWS);
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    CHECK_OK(omen_check_path("db", &o, &r));
    CHECK_EQ_UINT(omen_report_damage(r), 0);
    omen_report_free(r);
    for (int i = 0; i < 2; i++) {
        const char *slot = i == 0 ? "manifest-0" : "manifest-1";
        if (removed && fault_storage_has(fault_host_image(h, "db"), slot)) fault_storage_delete(fault_host_image(h, "db"), slot);
        if (!removed) fault_storage_xor(fault_host_image(h, "db"), slot, 30, 1);
    }
    CHECK_STATUS(open_things(h, &db, &c), OMEN_ERR_CORRUPT);
    CHECK_OK(omen_check_path("db", &o, &r));
    CHECK_EQ_UINT(omen_report_damage(r), 1);
    omen_report_free(r);
    CHECK_OK(omen_repair("db", &o, OMEN_REPAIR_WRITE, &r));
    CHECK_EQ_UINT(number_of(omen_report_json(r), "\"lost\":{\"records\":"), 0);
    omen_report_free(r);
    CHECK_OK(open_things(h, &db, &c));
    CHECK_EQ_UINT(agree(c, "manifest"), ROWS);
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

TEST(a_lost_manifest_is_made_again_from_the_first_logs) {
    lose_the_manifest(false);
    lose_the_manifest(true);
}

TEST(without_a_manifest_nobody_knows_what_segments_are) {
    fault_host *h = fault_host_new(1);
    omen_options o = options_of(h);
    omen_report *r = NULL;
    fault_host_set_image(h, "db", build());
    for (int i = 0; i < 2; i++) fault_storage_delete(fault_host_image(h, "db"), i == 0 ? "manifest-0" : "manifest-1");
    uint64_t before = fault_storage_hash(fault_host_image(h, "db"));
    CHECK_STATUS(omen_repair("db", &o, OMEN_REPAIR_WRITE, &r), OMEN_ERR_CORRUPT);
    CHECK(strstr(omen_last_error(), "restore it, or the database, from a backup") != NULL);
    CHECK_EQ_UINT(fault_storage_hash(fault_host_image(h, "db")), before);
    omen_report_free(r);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

/* Memory may run out at any moment: whoever asked is told whether the database was repaired. */
TEST(memory_may_run_out_while_it_repairs) {
    fault_storage *image = build();
    const char *log = NULL;
    size_t len = 0;
    for (size_t i = 0; i < fault_storage_count(image); i++)
        if (strncmp(fault_storage_name(image, i), "log-", 4) == 0 && fault_storage_data(image, fault_storage_name(image, i), &len) != NULL) log = fault_storage_name(image, i);
    REQUIRE(CHECK(log != NULL));
    fault_storage_xor(image, log, len / 2, 4);
    unsigned before = 0, after = 0;
    bool over = false;
    fault_host *first = fault_host_new(1);
    omen_options f = options_of(first);
    omen_report *r = NULL;
    fault_host_set_image(first, "db", fault_storage_clone(image));
    CHECK_OK(omen_repair("db", &f, OMEN_REPAIR_WRITE, &r));
    omen_report_free(r);
    uint64_t all = fault_host_allocs(first);
    fault_host_free(first);
    /* Some of them, and each of the last. */
    for (uint64_t n = 1; !over; n += n + 40 + TEST_PICK(23u, 97u) < all ? TEST_PICK(23u, 97u) : 1) {
        fault_host *h = fault_host_new(1);
        omen_options o = options_of(h);
        fault_host_set_image(h, "db", fault_storage_clone(image));
        fault_host_fail_alloc_at(h, n, true);
        r = NULL;
        omen_status s = omen_repair("db", &o, OMEN_REPAIR_WRITE, &r);
        fault_host_fail_alloc_at(h, 0, false);
        over = s == OMEN_OK;
        bool done = over || strstr(omen_last_error(), "is repaired") != NULL;
        bool part = !over && strstr(omen_last_error(), "a part of the repair was written") != NULL;
        if (!over) CHECK_STATUS(s, OMEN_ERR_MEMORY);
        omen_report_free(r);
        CHECK_OK(omen_check_path("db", &o, &r));
        if (!part) CHECK_EQ_INT(omen_report_damage(r) == 0, done);
        omen_report_free(r);
        before += !done;
        after += done && !over;
        CHECK_EQ_UINT(fault_host_bytes(h), 0);
        fault_host_free(h);
    }
    CHECK(before > TEST_PICK(20u, 2u));
    CHECK(after > 0);
    fault_storage_free(image);
}

/* What a restore leaves that is broken off before its manifest: everybody is told to repeat it. */
TEST(a_restore_that_was_broken_off_is_told) {
    fault_storage *image = build();
    for (int k = 0; k < 3; k++) {
        fault_host *h = fault_host_new(1);
        fault_storage *fs = fault_host_image(h, "db");
        omen_options o = options_of(h);
        omen_report *r = NULL;
        omen_db *db = NULL;
        fault_storage_put(fs, "unfinished", "omendb", 6);
        for (size_t i = 0; i < fault_storage_count(image) && k > 0; i++) {
            const char *name = fault_storage_name(image, i);
            size_t len;
            const uint8_t *bytes = fault_storage_data(image, name, &len);
            if (bytes != NULL && strncmp(name, "seg-", 4) == 0) fault_storage_put(fs, name, bytes, len);
            if (bytes != NULL && k == 2 && strcmp(name, "manifest-1") == 0) fault_storage_put(fs, name, bytes, len / 2);
        }
        uint64_t before = fault_storage_hash(fs);
        for (int how = 0; how < 5; how++) {
            o.create = how == 1;
            o.read_only = how == 2;
            omen_status s = how < 3 ? omen_open("db", &o, &db) : how == 3 ? omen_check_path("db", &o, &r) : omen_repair("db", &o, OMEN_REPAIR_WRITE, &r);
            CHECK_STATUS(s, OMEN_ERR_NOT_FOUND);
            CHECK(strstr(omen_last_error(), "broken off") != NULL && strstr(omen_last_error(), "repeat it") != NULL);
            CHECK(db == NULL && r == NULL && fault_storage_hash(fs) == before);
        }
        CHECK_EQ_UINT(fault_host_bytes(h), 0);
        fault_host_free(h);
    }
    fault_storage_free(image);
}

/* Repairing may be broken off anywhere, and begun anew. */
TEST(power_may_fail_while_it_repairs) {
    fault_storage *image = build();
    const char *name = NULL;
    size_t len = 0;
    for (size_t i = 0; i < fault_storage_count(image) && name == NULL; i++)
        if (strncmp(fault_storage_name(image, i), "seg-", 4) == 0 && fault_storage_data(image, fault_storage_name(image, i), &len) != NULL) name = fault_storage_name(image, i);
    fault_storage_xor(image, name, 200, 1);
    for (uint64_t at = 1;; at += TEST_PICK(7, 31)) {
        fault_host *h = fault_host_new(1);
        omen_options o = options_of(h);
        omen_report *r = NULL;
        fault_storage *copy = fault_storage_clone(image);
        fault_host_set_image(h, "db", copy);
        fault_storage_power_off_at(copy, at);
        bool over = omen_repair("db", &o, OMEN_REPAIR_WRITE, &r) == OMEN_OK;
        omen_report_free(r);
        fault_storage *left = fault_storage_crash(copy, FAULT_CRASH_RANDOM, at);
        fault_host_free(h);
        if (over) {
            fault_storage_free(left);
            break;
        }
        fault_host *again = fault_host_new(1);
        omen_options p = options_of(again);
        omen_db *db;
        omen_collection *c;
        fault_host_set_image(again, "db", left);
        CHECK_OK(omen_repair("db", &p, OMEN_REPAIR_WRITE, &r));
        omen_report_free(r);
        CHECK_OK(open_things(again, &db, &c));
        CHECK(c != NULL && agree(c, "broken off") >= ALL - ROWS);
        omen_collection_close(c);
        CHECK_OK(omen_close(db));
        CHECK_EQ_UINT(fault_host_bytes(again), 0);
        fault_host_free(again);
    }
    fault_storage_free(image);
}

TEST_MAIN()
