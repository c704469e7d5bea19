/* Every byte of every file of a small database, damaged: the database opens and answers what was written, or says OMEN_ERR_CORRUPT, _FOREIGN or _VERSION
 * with the place. It never answers anything else, and never asks for wild amounts of memory.
 *
 * A database that was closed has a proof of what was durable: no damage to it ever passes for a write that was cut off. One that was killed has none for
 * its last sync: damage to the last frames of its log looks like a log that was torn, and takes away the newest writes, whole batches at a time, as a
 * crash would. Such cases are counted, and are allowed in the logs of the database that was killed alone. */
#include "test.h"

#include "report.h"
#include "script.h"

enum { STEPS = 26, LOG_STEPS_FROM = 22 };

static script_state after[STEPS + 1];
static unsigned long cases, refused, unharmed, older;
static bool killed; /* the database was not closed */

/* A database with segments (flushed and merged), tombstones, and a log with records that are nowhere else. */
static fault_storage *build(void) {
    fault_host *h = fault_host_new(1);
    script s;
    script_state state = {{0}};
    CHECK_STATUS(script_open(&s, h, OMEN_DURABILITY_GROUP, true), OMEN_OK);
    for (unsigned n = 0; n < STEPS; n++) {
        after[n] = state;
        CHECK_STATUS(script_step(&s, n, &state), OMEN_OK);
    }
    after[STEPS] = state;
    fault_storage *image = killed ? fault_storage_crash(fault_host_image(h, "db"), FAULT_CRASH_DURABLE, 1) : NULL;
    script_close(&s);
    if (image == NULL) image = fault_storage_crash(fault_host_image(h, "db"), FAULT_CRASH_DURABLE, 1);
    fault_host_free(h);
    return image;
}

static bool is_log(const char *name) { return strncmp(name, "log-", 4) == 0; }

/* Opens the image and reads everything; takes it. */
static void examine(fault_storage *image, const char *name, size_t at, const char *how) {
    fault_host *h = fault_host_new(1);
    script s;
    script_state found;
    const char *why = "";
    fault_host_set_fill(h, cases % 16 == 0);
    fault_host_set_image(h, "db", image);
    cases++;
    omen_status st = script_open(&s, h, OMEN_DURABILITY_GROUP, false);
    bool said = st == OMEN_ERR_CORRUPT || st == OMEN_ERR_FOREIGN || st == OMEN_ERR_VERSION;
    if (st == OMEN_OK) {
        bool read = script_read(&s, &found, &why);
        omen_status checked = omen_check(s.db);
        said = !read && strstr(why, "damaged") != NULL;
        if (read && memcmp(&found, &after[STEPS], sizeof found) == 0) unharmed++;
        else if (said || checked == OMEN_ERR_CORRUPT) refused++;
        else {
            bool earlier = false;
            for (unsigned n = LOG_STEPS_FROM; read && n < STEPS; n++) earlier = earlier || memcmp(&found, &after[n], sizeof found) == 0;
            earlier = earlier && killed && is_log(name);
            older += earlier;
            if (!earlier) test_fail(__FILE__, __LINE__, name), printf("     %s of %s at %zu: wrong answers (%s)\n", how, name, at, why);
        }
    } else if (said) {
        refused++;
        CHECK(omen_last_error()[0] != '\0');
    } else {
        test_fail(__FILE__, __LINE__, name);
        printf("     %s of %s at %zu: %s: %s\n", how, name, at, omen_status_name(st), omen_last_error());
    }
    script_close(&s);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    CHECK(fault_host_peak(h) < 16u << 20);
    fault_host_free(h);
}

typedef void damage(fault_storage *image, const char *name, size_t at, uint8_t old);
static void zero(fault_storage *image, const char *name, size_t at, uint8_t old) { (void)old, fault_storage_set(image, name, at, 0); }
static void ones(fault_storage *image, const char *name, size_t at, uint8_t old) { (void)old, fault_storage_set(image, name, at, 0xFF); }
static unsigned bit;
static void flip(fault_storage *image, const char *name, size_t at, uint8_t old) { (void)old, fault_storage_xor(image, name, at, (uint8_t)(1u << bit)); }

/* Every bit of one segment, of one log and of the manifests; of files that are like the first of their kind: some of the bytes. */
static void each_byte(const fault_storage *image, const char *name, size_t len, size_t step) {
    for (size_t at = 0; at < len; at += at + 64 > len ? 1 : step)
        for (unsigned k = 0; k < 10; k++) {
            if (step > 1 && k >= 1 && k < 8) continue;
            fault_storage *copy = fault_storage_clone(image);
            bit = step > 1 ? (unsigned)(at % 8) : k;
            (k < 8 ? flip : k == 8 ? zero : ones)(copy, name, at, 0);
            examine(copy, name, at, k < 8 ? "a flipped bit" : k == 8 ? "00" : "FF");
        }
}

static void each_length(const fault_storage *image, const char *name, size_t len) {
    for (size_t to = 0; to < len; to += to < 256 || to + 256 > len ? 1 : TEST_PICK(7, 61)) {
        fault_storage *copy = fault_storage_clone(image);
        fault_storage_cut(copy, name, to);
        examine(copy, name, to, "truncation");
    }
    fault_storage *copy = fault_storage_clone(image);
    fault_storage_delete(copy, name);
    examine(copy, name, 0, "removal");
}

TEST(every_byte_and_length_of_every_file) {
    fault_storage *image = build();
    for (size_t i = 0; i < fault_storage_count(image); i++) {
        const char *name = fault_storage_name(image, i);
        size_t len;
        if (fault_storage_data(image, name, &len) == NULL) continue;
        unsigned long before = cases;
        bool another = (strncmp(name, "seg-", 4) == 0 && strcmp(name, "seg-0000000000000001") != 0) || strcmp(name, "log-0000000000000005") == 0;
        each_byte(image, name, len, TEST_PICK(another ? 29u : 1u, 37u));
        each_length(image, name, len);
        printf("     %-22s %7zu bytes, %lu cases\n", name, len, cases - before);
    }
    printf("     %lu cases: %lu refused, %lu unharmed, %lu as after a torn log\n", cases, refused, unharmed, older);
    omen_test_report("corruption_cases", cases);
    CHECK(refused > cases / 4);
    CHECK(unharmed > 0);
    CHECK_EQ_UINT(older, 0);
    fault_storage_free(image);
}

TEST(every_byte_and_length_of_the_logs_of_a_killed_database) {
    killed = true;
    cases = refused = unharmed = older = 0;
    fault_storage *image = build();
    for (size_t i = 0; i < fault_storage_count(image); i++) {
        const char *name = fault_storage_name(image, i);
        size_t len;
        if (fault_storage_data(image, name, &len) == NULL || !is_log(name)) continue;
        each_byte(image, name, len, TEST_PICK(7u, 37u));
        each_length(image, name, len);
    }
    printf("     %lu cases: %lu refused, %lu unharmed, %lu as after a torn log\n", cases, refused, unharmed, older);
    CHECK(refused > 0 && older > 0); /* what is proved by a later frame, and what nothing proves */
    CHECK(older < cases / 2);
    fault_storage_free(image);
    killed = false;
}

TEST(a_folder_of_other_files_is_foreign) {
    fault_host *h = fault_host_new(1);
    script s;
    fault_storage_put(fault_host_image(h, "db"), "holiday.jpg", "JFIF", 4);
    CHECK_STATUS(script_open(&s, h, OMEN_DURABILITY_GROUP, true), OMEN_ERR_FOREIGN);
    script_close(&s);
    fault_storage_put(fault_host_image(h, "db"), "manifest-0", "this is a text of somebody else, and long enough to be looked at by anyone", 72);
    CHECK_STATUS(script_open(&s, h, OMEN_DURABILITY_GROUP, true), OMEN_ERR_FOREIGN);
    script_close(&s);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

/* Damage that a checksum does not notice: the tests above would find it. */
TEST(wrong_answers_would_be_noticed) {
    fault_storage *image = build();
    fault_host *h = fault_host_new(1);
    script s;
    script_state found;
    const char *why = "";
    fault_host_set_image(h, "db", image);
    CHECK_STATUS(script_open(&s, h, OMEN_DURABILITY_GROUP, false), OMEN_OK);
    float row[SCRIPT_DIMS] = {1};
    const void *vectors[] = {row};
    omen_id id = OMEN_ID_INT(3);
    omen_str doc = OMEN_STR("{\"v\":77}");
    CHECK_STATUS(omen_upsert(s.c, &(omen_batch){.count = 1, .ids = &id, .vectors = vectors, .documents = &doc}), OMEN_OK);
    CHECK(!script_read(&s, &found, &why));
    script_close(&s);
    fault_host_free(h);
}

TEST_MAIN()
