/* Checks and repairs of encrypted databases: what the encrypting storage cannot read is damage with its place, as in a plain one, and what the other files hold goes on. */
#include "test.h"

#include "base/base.h"
#include "contains.h"
#include "encrypted_posix.h"
#include "omendb.h"
#include "things_fixture.h"

enum { DIMS = 4, HEADER = 1024 };

static int records;

static omen_status open_things(fault_host *h, omen_db **db, omen_collection **c) { return open_plain_things(h, DIMS, db, c); }

static void put(omen_collection *c, int count) {
    for (int i = 0; i < count; i++, records++) {
        const float row[DIMS] = {(float)records};
        const void *vectors[] = {row};
        omen_id id = OMEN_ID_INT(records);
        CHECK_OK(omen_upsert(c, &(omen_batch){.count = 1, .ids = &id, .vectors = vectors}));
    }
}

static fault_host *host_of(fault_storage *image) {
    fault_host *h = fault_host_new(1);
    encrypt_host(h, encryption_of(7));
    if (image != NULL) fault_host_set_image(h, "db", image);
    return h;
}

/* Two segments, and then a log for each of `lives` lives that end by a kill, with two records each; the last one is closed. */
static fault_storage *build(int lives) {
    fault_storage *image = NULL;
    records = 0;
    for (int i = 0; i < lives; i++) {
        fault_host *h = host_of(image);
        omen_db *db;
        omen_collection *c;
        CHECK_OK(open_things(h, &db, &c));
        for (int k = 0; i == 0 && k < 2; k++) {
            put(c, 3);
            CHECK_OK(omen_flush(db));
        }
        put(c, 2);
        bool last = i + 1 == lives;
        image = last ? NULL : fault_storage_crash(fault_host_image(h, "db"), FAULT_CRASH_DURABLE, 1);
        omen_collection_close(c);
        CHECK_OK(omen_close(db));
        if (last) image = fault_storage_crash(fault_host_image(h, "db"), FAULT_CRASH_DURABLE, 1);
        fault_host_free(h);
    }
    return image;
}

/* The name of number n of the files that begin so. */
static const char *file_of(const fault_storage *image, const char *prefix, int n) {
    for (size_t i = 0; i < fault_storage_count(image); i++) {
        const char *name = fault_storage_name(image, i);
        if (strncmp(name, prefix, strlen(prefix)) == 0 && fault_storage_has(image, name) && n-- == 0) return name;
    }
    return "";
}

static bool says(const omen_report *r, const char *what) {
    omen_str json = omen_report_json(r);
    if (contains(json, what)) return true;
    printf("        no %s in %.*s\n", what, (int)json.len, json.data);
    return false;
}

static void expect_count(fault_host *h, uint64_t want) {
    omen_db *db;
    omen_collection *c;
    uint64_t count = 0;
    CHECK_OK(open_things(h, &db, &c));
    CHECK_OK(c == NULL ? OMEN_ERR_CORRUPT : omen_count(c, &count));
    CHECK_EQ_UINT(count, want);
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
}

static void expect_content(fault_host *h) {
    omen_options o = options_of(h);
    omen_report *r = NULL;
    CHECK_OK(omen_check_path("db", &o, &r));
    if (!CHECK_EQ_UINT(omen_report_damage(r), 0)) printf("        %.*s\n", (int)omen_report_json(r).len, omen_report_json(r).data);
    omen_report_free(r);
}

TEST(a_log_whose_header_is_damaged_is_a_gap) {
    SKIP_WITHOUT_LIBCRYPTO();
    enum { LIVES = 4 };
    fault_storage *image = build(LIVES);
    for (int n = 0; n < LIVES; n++) {
        fault_host *h = host_of(fault_storage_clone(image));
        fault_storage *fs = fault_host_image(h, "db");
        char name[64], place[120];
        snprintf(name, sizeof name, "%s", file_of(fs, "log-", n));
        snprintf(place, sizeof place, "{\"file\":\"%s\",\"kind\":\"log\",\"offset\":0,", name);
        for (size_t at = 0; at < HEADER; at += 16) fault_storage_xor(fs, name, at, 0x55);
        omen_db *db;
        omen_collection *c;
        CHECK_STATUS(open_things(h, &db, &c), OMEN_ERR_CORRUPT);
        CHECK(strstr(omen_last_error(), name) != NULL);
        omen_options o = options_of(h);
        omen_report *r = NULL;
        uint64_t before = fault_storage_hash(fs);
        CHECK_OK(omen_check_path("db", &o, &r));
        CHECK(says(r, place) && says(r, "header") && says(r, "\"lost\":{\"records\":2,"));
        CHECK_EQ_UINT(omen_report_damage(r), 1);
        omen_report_free(r);
        CHECK(fault_storage_hash(fs) == before);
        CHECK_OK(omen_repair("db", &o, OMEN_REPAIR_WRITE, &r));
        CHECK(says(r, place) && says(r, "\"written\":true"));
        omen_report_free(r);
        expect_count(h, (uint64_t)records - 2);
        expect_content(h);
        CHECK_EQ_UINT(fault_host_bytes(h), 0);
        fault_host_free(h);
    }
    fault_storage_free(image);
}

/* A slot of the manifest that was being written when power failed. */
TEST(a_torn_manifest_is_mended) {
    SKIP_WITHOUT_LIBCRYPTO();
    fault_storage *image = build(2);
    for (int slot = 0; slot < 2; slot++) {
        char name[] = "manifest-0";
        name[9] = (char)('0' + slot);
        size_t len;
        CHECK(fault_storage_data(image, name, &len) != NULL);
        for (int how = 0; how < 4; how++) {
            fault_host *h = host_of(fault_storage_clone(image));
            fault_storage *fs = fault_host_image(h, "db");
            if (how < 3) fault_storage_cut(fs, name, how == 0 ? len / 2 : how == 1 ? HEADER : HEADER + 60);
            else fault_storage_xor(fs, name, len - 20, 1);
            omen_options o = options_of(h);
            omen_report *r = NULL;
            CHECK_OK(omen_repair("db", &o, OMEN_REPAIR_WRITE, &r));
            omen_report_free(r);
            expect_content(h);
            expect_count(h, (uint64_t)records);
            expect_content(h);
            CHECK_EQ_UINT(fault_host_bytes(h), 0);
            fault_host_free(h);
        }
    }
    fault_storage_free(image);
}

/* The key is right, as the other files prove: a file under another's name is damage. */
TEST(a_segment_copied_over_another_is_damage) {
    SKIP_WITHOUT_LIBCRYPTO();
    fault_storage *image = build(2);
    fault_host *h = host_of(image);
    char from[64], to[64];
    size_t len;
    snprintf(from, sizeof from, "%s", file_of(image, "seg-", 0));
    snprintf(to, sizeof to, "%s", file_of(image, "seg-", 1));
    const uint8_t *bytes = fault_storage_data(image, from, &len);
    REQUIRE(CHECK(bytes != NULL && to[0] != '\0'));
    uint8_t *copy = malloc(len);
    memcpy(copy, bytes, len);
    fault_storage_put(image, to, copy, len);
    free(copy);
    omen_db *db;
    omen_collection *c;
    CHECK_STATUS(open_things(h, &db, &c), OMEN_ERR_CORRUPT);
    CHECK(strstr(omen_last_error(), to) != NULL);
    omen_options o = options_of(h);
    omen_report *r = NULL;
    CHECK_OK(omen_check_path("db", &o, &r));
    CHECK(says(r, to) && says(r, "\"segments\":[{"));
    omen_report_free(r);
    CHECK_OK(omen_repair("db", &o, OMEN_REPAIR_WRITE, &r));
    omen_report_free(r);
    expect_content(h);
    expect_count(h, (uint64_t)records - 3);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

/* One slot of one file's header, every file and either slot, and of all files at once: everything is there, the check tells just that, and a repair writes it again, so that the other
 * slot is needed no more. */
TEST(a_damaged_slot_of_a_header_is_told_and_mended) {
    SKIP_WITHOUT_LIBCRYPTO();
    enum { SLOT = 512 };
    fault_storage *image = build(2);
    size_t files = fault_storage_count(image), tried = 0;
    for (size_t i = 0; i <= files; i++) /* the last: all */
        for (int slot = 0; slot < 2; slot++)
            for (unsigned pending = 0; pending <= 60; pending += 60) {
                fault_host *h = host_of(fault_storage_clone(image));
                fault_storage *fs = fault_host_image(h, "db");
                uint64_t damaged = 0;
                char place[140] = "\"damage\":[{";
                for (size_t k = 0; k < files; k++) {
                    const char *name = fault_storage_name(fs, k);
                    if ((i < files && k != i) || !fault_storage_has(fs, name)) continue;
                    fault_storage_xor(fs, name, (size_t)slot * SLOT + (k * 37 + i) % SLOT, 0x10);
                    if (i < files) snprintf(place, sizeof place, "{\"file\":\"%s\",\"kind\":\"%s\",\"offset\":%d,\"bytes\":512,", name,
                                            name[0] == 'm' ? "manifest" : name[0] == 'l' ? "log" : "segment", slot * SLOT);
                    damaged++;
                }
                if (damaged == 0) {
                    fault_host_free(h);
                    continue;
                }
                tried++;
                fault_storage_set_pending(fs, pending);
                omen_options o = options_of(h);
                omen_report *r = NULL;
                uint64_t before = fault_storage_hash(fs);
                CHECK_OK(omen_check_path("db", &o, &r));
                CHECK(says(r, place) && says(r, "\"lost\":{\"records\":0,"));
                CHECK_EQ_UINT(omen_report_damage(r), damaged);
                omen_report_free(r);
                CHECK(fault_storage_hash(fs) == before);
                CHECK_OK(omen_repair("db", &o, OMEN_REPAIR_WRITE, &r));
                CHECK(says(r, "\"written\":true"));
                CHECK_EQ_UINT(omen_report_damage(r), damaged);
                omen_report_free(r);
                expect_content(h);
                for (size_t k = 0; k < files; k++) {
                    const char *name = fault_storage_name(fs, k);
                    if ((i == files || k == i) && fault_storage_has(fs, name)) fault_storage_xor(fs, name, (size_t)(1 - slot) * SLOT + 40, 1);
                }
                expect_count(h, (uint64_t)records);
                CHECK_EQ_UINT(fault_host_bytes(h), 0);
                CHECK_STORAGE(fs);
                fault_host_free(h);
            }
    CHECK(tried >= 4 * 6);
    fault_storage_free(image);
}

/* A repair that fails at any of its calls while it mends, says so, and may be repeated. */
TEST(mending_headers_fails_at_every_call) {
    SKIP_WITHOUT_LIBCRYPTO();
    fault_storage *image = build(2);
    for (uint64_t n = 1, hit = 1; hit; n++) {
        fault_host *h = host_of(fault_storage_clone(image));
        fault_storage *fs = fault_host_image(h, "db");
        for (int k = 0; k < 2; k++) fault_storage_xor(fs, file_of(fs, "seg-", k), 100, 1);
        omen_options o = options_of(h);
        omen_report *r = NULL;
        fault_storage_fail_at(fs, n, OMEN_ERR_IO, false);
        omen_status s = omen_repair("db", &o, OMEN_REPAIR_WRITE, &r);
        omen_report_free(r);
        hit = fault_storage_fault_hit(fs);
        fault_storage_fail_at(fs, 0, OMEN_OK, false);
        if (!hit) CHECK_OK(s);
        CHECK_STORAGE(fs);
        CHECK_OK(omen_repair("db", &o, OMEN_REPAIR_WRITE, &r));
        if (!hit || s == OMEN_OK) CHECK_EQ_UINT(omen_report_damage(r), 0);
        omen_report_free(r);
        expect_content(h);
        expect_count(h, (uint64_t)records);
        CHECK_EQ_UINT(fault_host_bytes(h), 0);
        fault_host_free(h);
    }
    fault_storage_free(image);
}

TEST_MAIN()
