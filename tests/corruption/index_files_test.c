/* Every bit, every byte as 00 and FF, and every length of the files of small databases with an index of each kind: they answer what was written, or say OMEN_ERR_CORRUPT (or _FOREIGN, _VERSION). An index is made
 * of its segment: where it is damaged it is left out, the answers stay right, and omen_check tells. Memory asked for stays small. */
#include "test.h"

#include "course.h"
#include "report.h"

static unsigned long cases, refused, unharmed, told;
static course_state written, without_last; /* records, and as they were before the log's last write */

static course_options options_of(omen_index_kind kind) { return (course_options){.durability = OMEN_DURABILITY_GROUP, .index = kind, .crowd = true}; }

static omen_db *open_image(fault_host *h, omen_status *s) {
    omen_options o;
    omen_db *db = NULL;
    omen_options_init(&o);
    o.host = &h->host;
    o.create = 0;
    o.memtable_bytes = 4096;
    o.pool_bytes = 1 << 20;
    o.manual_maintenance = 1; /* an index that is damaged is looked at, not made again */
    *s = omen_open("db", &o, &db);
    return db;
}

/* Records 0 to 5 in a segment with its index, two more and a deletion in another, and the last write in the log alone. */
static fault_storage *build(omen_index_kind kind) {
    course_options options = options_of(kind);
    course x;
    fault_host *h = fault_host_new(7);
    const char *why = "";
    course_init(&x, 3, &options);
    if (course_open(&x, h) != OMEN_OK) abort();
    unsigned steps = 0;
    for (; steps < 9; steps++) CHECK_OK(course_step(&x));
    CHECK_OK(omen_collection_index(x.c[0], (omen_str){NULL, 0}, &(omen_index_options){.kind = kind}));
    CHECK_OK(omen_build_indexes(x.db));
    CHECK(course_read(x.db, &options, true, &without_last, &why));
    omen_id id = OMEN_ID_INT(4);
    const float row[COURSE_DIMS] = {4 + 60 * 0.25f + 1, 60 % 7};
    const void *vectors[] = {row};
    const omen_str doc = OMEN_STR("{\"v\":60,\"p\":60,\"g\":1}");
    CHECK_OK(omen_upsert(x.c[0], &(omen_batch){.count = 1, .ids = &id, .vectors = vectors, .documents = &doc}));
    CHECK(course_read(x.db, &options, true, &written, &why));
    CHECK_EQ_STR(why, "");
    course_close(&x);
    course_deinit(&x);
    fault_storage *image = fault_storage_crash(fault_host_image(h, "db"), FAULT_CRASH_DURABLE, 1);
    fault_host_free(h);
    return image;
}

/* Takes the image. */
static void examine(fault_storage *image, const course_options *options, const char *name, size_t at, const char *how) {
    fault_host *h = fault_host_new(1);
    course_state found;
    const char *why = "";
    omen_status s, checked = OMEN_OK;
    fault_host_set_fill(h, cases % 16 == 0);
    fault_host_set_image(h, "db", image);
    cases++;
    omen_db *db = open_image(h, &s);
    bool said = s == OMEN_ERR_CORRUPT || s == OMEN_ERR_FOREIGN || s == OMEN_ERR_VERSION, good = said;
    if (s == OMEN_OK) {
        bool read = course_read(db, options, cases % 8 == 0, &found, &why);
        said = !read && strstr(why, "damaged") != NULL;
        checked = omen_check(db);
        bool right = read && memcmp(&found, &written, sizeof found) == 0;
        /* A log whose end is damaged and that nothing vouches for looks torn. */
        bool torn = read && strncmp(name, "log-", 4) == 0 && memcmp(&found, &without_last, sizeof found) == 0;
        good = said || right || torn || (checked == OMEN_ERR_CORRUPT && strncmp(name, "log-", 4) != 0);
        unharmed += right && checked == OMEN_OK;
        told += right && checked == OMEN_ERR_CORRUPT;
        good = good && (checked == OMEN_OK || checked == OMEN_ERR_CORRUPT);
    }
    refused += said;
    if (!good && test_fail(__FILE__, __LINE__, name)) printf("        %s of %s at %zu: %s, %s, check %s\n", how, name, at, omen_status_name(s), why, omen_status_name(checked));
    (void)omen_close(db);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    CHECK(fault_host_peak(h) < 16u << 20);
    fault_host_free(h);
}

static void damage_file(const fault_storage *image, const course_options *options, const char *name, size_t len, size_t step) {
    for (size_t at = 0; at < len; at += step) {
        size_t n;
        uint8_t old = fault_storage_data(image, name, &n)[at];
        for (unsigned k = 0; k < 10; k++) {
            uint8_t to = k < 8 ? (uint8_t)(old ^ 1u << k) : k == 8 ? 0 : 0xFF;
            if (to == old || (step > 1 && k < 8 && k != at % 8)) continue;
            fault_storage *copy = fault_storage_clone(image);
            fault_storage_set(copy, name, at, to);
            examine(copy, options, name, at, k < 8 ? "a flipped bit" : k == 8 ? "00" : "FF");
        }
        fault_storage *copy = fault_storage_clone(image);
        fault_storage_cut(copy, name, at);
        examine(copy, options, name, at, "truncation");
    }
    fault_storage *copy = fault_storage_clone(image);
    fault_storage_delete(copy, name);
    examine(copy, options, name, 0, "removal");
}

/* Every file of one database; of the others the index. */
static void run(omen_index_kind kind, bool all) {
    course_options options = options_of(kind);
    fault_storage *image = build(kind);
    unsigned indexes = 0;
    for (size_t i = 0; i < fault_storage_count(image) && test_failures < 20; i++) {
        const char *name = fault_storage_name(image, i);
        size_t len;
        (void)fault_storage_data(image, name, &len);
        bool index = strncmp(name, "seg-4", 5) == 0; /* numbers of indexes have bit 62 */
        unsigned long before = cases;
        indexes += index;
        if (!all && !index) continue;
        /* Blocks of a graph on disk, and of other segments, are alike. */
        bool alike = kind == OMEN_INDEX_DISK || (!index && i > 2 && strncmp(name, "seg-", 4) == 0);
        damage_file(image, &options, name, len, TEST_EMULATED ? 211 : TEST_PICK(alike ? 5u : 1u, 37u));
        printf("     %-22s %7zu bytes, %lu cases\n", name, len, cases - before);
    }
    CHECK(indexes > 0);
    fault_storage_free(image);
}

TEST(every_bit_of_a_database_with_a_graph) { run(OMEN_INDEX_HNSW, true); }
TEST(every_bit_of_inverted_lists) { run(OMEN_INDEX_IVF, false); }
TEST(every_bit_of_a_graph_on_disk) { run(OMEN_INDEX_DISK, false); }
TEST(damage_was_said_and_told) {
    printf("     %lu cases: %lu refused, %lu unharmed, %lu with right answers and told by check\n", cases, refused, unharmed, told);
    omen_test_report("corruption_cases", cases);
    if (cases == 0) TEST_SKIP("run with the others");
    CHECK(refused > 0 && unharmed > 0 && told > 0);
}

TEST_MAIN()
