/* The manifest's slots: the newest valid one counts, and at no moment is there none. */
#include "test.h"

#include "base/hash.h"
#include "store/manifest.h"
#include "store_fixture.h"

/* Generation g's payload: its length and bytes follow from g. */
static size_t payload_of(uint64_t g, uint8_t *into) {
    size_t len = (size_t)(g * 397 % 2100);
    for (size_t i = 0; i < len; i++) into[i] = (uint8_t)(g * 31 + i * 7 + (i >> 8));
    return len;
}

static omen_status open_manifest(fixture *x, omen_manifest **m) {
    omen_status s;
    *m = NULL;
    STEP(s, omen_manifest_open(&x->store, m, NULL));
    return s;
}

static omen_status write_next(omen_manifest *m) {
    uint8_t payload[4096];
    omen_status s;
    size_t len = payload_of(omen_manifest_generation(m) + 1, payload);
    STEP(s, omen_manifest_write(m, payload, len, NULL));
    return s;
}

static bool payload_right(const omen_manifest *m) {
    uint8_t want[4096];
    const uint8_t *got;
    size_t len, want_len = payload_of(omen_manifest_generation(m), want);
    omen_manifest_payload(m, &got, &len);
    return omen_manifest_generation(m) == 0 ? len == 0 : len == want_len && memcmp(got, want, len) == 0;
}

/* An image with `generations` written and durable. */
static fault_storage *image(uint64_t generations, unsigned pending) {
    fault_storage *fs = fault_storage_new(generations);
    fixture x;
    omen_manifest *m;
    fault_storage_set_pending(fs, pending);
    fixture_init(&x, fs, 9, 1 << 20);
    CHECK_OK(open_manifest(&x, &m));
    for (uint64_t g = 1; g <= generations; g++) {
        CHECK_OK(write_next(m));
        CHECK_EQ_UINT(omen_manifest_generation(m), g);
        CHECK(payload_right(m));
    }
    omen_manifest_close(m);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    CHECK_STORAGE(fs);
    return fs;
}

/* Opens; answers the generation, or -status. */
static int64_t generation_in(fault_storage *fs) {
    fixture x;
    omen_manifest *m;
    fixture_init(&x, fs, 0, 1 << 20);
    omen_status s = open_manifest(&x, &m);
    int64_t g = -(int64_t)s;
    if (s == OMEN_OK) {
        g = (int64_t)omen_manifest_generation(m);
        CHECK(payload_right(m));
        CHECK_EQ_UINT(x.store.database_id[5], g > 0 ? 9 : 0);
        omen_manifest_close(m);
    } else {
        CHECK(m == NULL);
    }
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    return g;
}

TEST(generations_follow_one_another) {
    for (unsigned pending = 0; pending <= 70; pending += 70) {
        for (uint64_t g = 0; g < 9; g++) {
            fault_storage *fs = image(g, pending);
            CHECK_EQ_INT(generation_in(fs), g);
            CHECK_EQ_UINT(fault_storage_count(fs), g > 1 ? 2 : g);
            fault_storage_free(fs);
        }
    }
}

TEST(power_fails_at_every_call_of_a_write) {
    unsigned images = 0;
    for (uint64_t g = 0; g < 5; g++) {
        bool off = true;
        for (uint64_t n = 1; off; n++) {
            fault_storage *fs = image(g, 0);
            fixture x;
            omen_manifest *m;
            fixture_init(&x, fs, 9, 1 << 20);
            REQUIRE_OK(open_manifest(&x, &m));
            fault_storage_power_off_at(fs, n);
            omen_status s = write_next(m);
            off = fault_storage_fault_hit(fs);
            CHECK_STATUS(s, off ? OMEN_ERR_IO : OMEN_OK);
            if (off) CHECK_STATUS(write_next(m), OMEN_ERR_POISONED);
            omen_manifest_close(m);
            CHECK_EQ_UINT(fixture_deinit(&x), 0);
            CHECK_STORAGE(fs);
            unsigned units = fault_storage_units(fs);
            CHECK(units <= 12);
            for (uint64_t i = 0; i < (UINT64_C(1) << units) + 200; i++) {
                fault_storage *after = i < UINT64_C(1) << units ? fault_storage_crash_subset(fs, i)
                                                                : fault_storage_crash(fs, (fault_crash_mode)(i % FAULT_CRASH_MODES), i);
                int64_t found = generation_in(after);
                if (off) CHECK(found == (int64_t)g || found == (int64_t)g + 1);
                if (!off) CHECK_EQ_INT(found, g + 1);
                /* Life goes on: two more generations. */
                fixture_init(&x, after, 9, 1 << 20);
                CHECK_OK(open_manifest(&x, &m));
                CHECK_OK(write_next(m));
                CHECK_OK(write_next(m));
                omen_manifest_close(m);
                CHECK_EQ_UINT(fixture_deinit(&x), 0);
                CHECK_EQ_INT(generation_in(after), found + 2);
                fault_storage_free(after);
                images++;
            }
            fault_storage_free(fs);
        }
    }
    printf("        %u images\n", images);
}

/* What the payload names must have durable directory entries before the slot can be found. */
TEST(files_created_before_are_found_after) {
    for (unsigned i = 0; i < 100; i++) {
        fault_storage *fs = image(2, 40);
        fixture x;
        omen_manifest *m;
        omen_file *f;
        omen_status s;
        fixture_init(&x, fs, 9, 1 << 20);
        REQUIRE_OK(open_manifest(&x, &m));
        const omen_storage *st = &x.store.storage;
        STEP(s, st->ops->open(st->ctx, "seg-0000000000000001", OMEN_FILE_CREATE, &f));
        REQUIRE_OK(s);
        REQUIRE_OK(st->ops->write_at(st->ctx, f, 0, "content", 7));
        STEP(s, st->ops->sync(st->ctx, f));
        REQUIRE_OK(s);
        st->ops->close(st->ctx, f);
        fault_storage_power_off_at(fs, 1 + i % 8);
        (void)write_next(m);
        omen_manifest_close(m);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage *after = fault_storage_crash(fs, FAULT_CRASH_RANDOM, i);
        if (generation_in(after) == 3) CHECK(fault_storage_has(after, "seg-0000000000000001"));
        fault_storage_free(after);
        fault_storage_free(fs);
    }
}

static unsigned losses(bool lie_sync, bool lie_dir) {
    unsigned found = 0;
    for (uint64_t g = 1; g < 6; g++) {
        fault_storage *fs = fault_storage_new(g);
        fixture x;
        omen_manifest *m;
        fault_storage_set_lies(fs, lie_sync, lie_dir);
        fixture_init(&x, fs, 9, 1 << 20);
        CHECK_OK(open_manifest(&x, &m));
        for (uint64_t i = 0; i < g; i++) CHECK_OK(write_next(m));
        omen_manifest_close(m);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage *after = fault_storage_crash(fs, FAULT_CRASH_DURABLE, g);
        found += generation_in(after) != (int64_t)g;
        fault_storage_free(after);
        fault_storage_free(fs);
    }
    return found;
}

TEST(a_lying_disk_is_found_out) {
    CHECK_EQ_UINT(losses(false, false), 0);
    CHECK_EQ_UINT(losses(true, false), 5);
    CHECK_EQ_UINT(losses(false, true), 5);
}

TEST(an_error_at_every_call) {
    for (uint64_t g = 0; g < 4; g++) {
        for (unsigned pending = 0; pending <= 50; pending += 50) {
            bool hit = true;
            for (uint64_t n = 1; hit; n++) {
                fault_storage *fs = image(g, pending);
                fixture x;
                omen_manifest *m;
                fixture_init(&x, fs, 9, 1 << 20);
                fault_storage_fail_at(fs, n, OMEN_ERR_FULL, false);
                omen_status s = open_manifest(&x, &m);
                if (s == OMEN_OK) {
                    s = write_next(m);
                    if (s != OMEN_OK) CHECK_STATUS(write_next(m), OMEN_ERR_POISONED);
                    omen_manifest_close(m);
                }
                hit = fault_storage_fault_hit(fs);
                CHECK_STATUS(s, hit ? OMEN_ERR_FULL : OMEN_OK);
                CHECK_EQ_UINT(fixture_deinit(&x), 0);
                CHECK_STORAGE(fs);
                fault_storage_fail_at(fs, 0, OMEN_OK, false);
                int64_t found = generation_in(fs);
                CHECK(found == (int64_t)g || found == (int64_t)g + 1);
                fault_storage_free(fs);
            }
        }
    }
}

TEST(memory_runs_out_at_every_allocation) {
    bool hit = true;
    for (uint64_t n = 1; hit; n++) {
        fault_storage *fs = image(3, 0);
        fixture x;
        omen_manifest *m;
        fixture_init(&x, fs, 9, 1 << 20);
        fault_host_fail_alloc_at(x.host, n, true);
        omen_status s = open_manifest(&x, &m);
        bool opened = s == OMEN_OK;
        if (opened) s = write_next(m);
        hit = fault_host_fault_hit(x.host);
        if (opened) {
            /* Nothing had been touched: the manifest goes on. */
            fault_host_fail_alloc_at(x.host, 0, false);
            if (s != OMEN_OK) CHECK_OK(write_next(m));
            CHECK(payload_right(m));
            omen_manifest_close(m);
        }
        CHECK_STATUS(s, hit ? OMEN_ERR_MEMORY : OMEN_OK);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage_free(fs);
    }
}

/* Puts a right crc onto a slot. */
static void seal(fault_storage *fs, const char *name) {
    size_t len;
    const uint8_t *p = fault_storage_data(fs, name, &len);
    uint32_t crc = omen_crc32c_portable(0, p, 60);
    for (size_t i = 0; i < 4; i++) fault_storage_set(fs, name, 60 + i, (uint8_t)(crc >> (8 * i)));
}

TEST(what_is_not_ours_or_newer_is_said_so) {
    fault_storage *fs = fault_storage_new(1);
    static const char text[] = "# just another program's file called manifest-0, with text in it, long enough for a header";
    fault_storage_put(fs, "manifest-0", text, sizeof text);
    CHECK_EQ_INT(generation_in(fs), -OMEN_ERR_FOREIGN);
    fault_storage_put(fs, "manifest-0", text, 12);
    CHECK_EQ_INT(generation_in(fs), -OMEN_ERR_FOREIGN);
    fault_storage_free(fs);

    fs = image(3, 0);
    fault_storage_set(fs, "manifest-1", 8, 2); /* a damaged version: the older slot counts */
    CHECK_EQ_INT(generation_in(fs), 2);
    seal(fs, "manifest-1"); /* a true one */
    CHECK_EQ_INT(generation_in(fs), -OMEN_ERR_VERSION);
    fault_storage_free(fs);

    /* Files of two databases in one place. */
    fs = image(3, 0);
    for (size_t i = 24; i < 40; i++) fault_storage_set(fs, "manifest-0", i, 1);
    seal(fs, "manifest-0");
    CHECK_EQ_INT(generation_in(fs), -OMEN_ERR_CORRUPT);
    fault_storage_free(fs);

    /* A slot copied over the other. */
    fs = image(3, 0);
    size_t len;
    const uint8_t *p = fault_storage_data(fs, "manifest-1", &len);
    uint8_t copy[4096];
    memcpy(copy, p, len);
    fault_storage_put(fs, "manifest-0", copy, len);
    fault_storage_delete(fs, "manifest-1");
    CHECK_EQ_INT(generation_in(fs), -OMEN_ERR_CORRUPT);
    fault_storage_free(fs);
}

TEST(a_first_write_cut_off_is_a_new_database_and_damage_is_not) {
    fault_storage *whole = image(1, 0), *fs;
    size_t len;
    fault_storage_data(whole, "manifest-1", &len);
    for (size_t at = 0; at < len; at++) {
        fs = fault_storage_clone(whole);
        fault_storage_cut(fs, "manifest-1", at);
        CHECK_EQ_INT(generation_in(fs), 0);
        fault_storage_free(fs);
    }
    for (size_t at = 0; at < len; at++) {
        fs = fault_storage_clone(whole);
        fault_storage_xor(fs, "manifest-1", at, 0x10);
        CHECK_EQ_INT(generation_in(fs), -OMEN_ERR_CORRUPT);
        fault_storage_free(fs);
    }
    fault_storage_free(whole);
}

/* Opens; answers whether it holds generation 2, or generation 3 with `want`. */
static bool is_either(fault_storage *fs, const uint8_t *want, size_t want_len) {
    fixture x;
    omen_manifest *m;
    const uint8_t *got;
    size_t len;
    fixture_init(&x, fs, 0, 1 << 20);
    bool good = open_manifest(&x, &m) == OMEN_OK;
    if (good) {
        omen_manifest_payload(m, &got, &len);
        good = omen_manifest_generation(m) == 2 || (omen_manifest_generation(m) == 3 && len == want_len && memcmp(got, want, len) == 0);
    }
    omen_manifest_close(m);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    return good;
}

/* A write of the slot was cut off before its last sector, and the database went on from the generation before. What it named has been removed since, so it must never
 * come back: not either when the next write of the slot, which ends with the same bytes, is cut off behind its first sector. */
TEST(a_manifest_that_was_given_up_never_comes_back) {
    uint8_t given_up[1500], next[1500];
    memset(given_up, 'a', sizeof given_up);
    memcpy(next, given_up, sizeof next);
    memset(next, 'b', 300);
    for (uint64_t call = 1, more = 1; more; call++) {
        fault_storage *fs = image(2, 0);
        fixture x;
        omen_manifest *m;
        omen_status s;
        fixture_init(&x, fs, 0, 1 << 20);
        CHECK_OK(open_manifest(&x, &m));
        STEP(s, omen_manifest_write(m, given_up, sizeof given_up, NULL));
        CHECK_OK(s);
        omen_manifest_close(m);
        fault_storage_cut(fs, "manifest-1", 1024);
        CHECK_OK(open_manifest(&x, &m));
        CHECK_EQ_UINT(omen_manifest_generation(m), 2);
        fault_storage_power_off_at(fs, call);
        STEP(s, omen_manifest_write(m, next, sizeof next, NULL));
        more = s != OMEN_OK;
        unsigned units = fault_storage_units(fs);
        CHECK(units < 12);
        for (uint64_t mask = 0; mask < UINT64_C(1) << units; mask++) {
            fault_storage *left = fault_storage_crash_subset(fs, mask);
            CHECK(is_either(left, next, sizeof next));
            fault_storage_free(left);
        }
        omen_manifest_close(m);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage_free(fs);
    }
}

/* ---- founding ---- */

static const char first[] = "what a database is when it begins";

/* As whoever makes a database does it: what is made next syncs the directory. */
static omen_status found(fixture *x, omen_manifest *m) {
    omen_status s;
    STEP(s, omen_manifest_settle(m, NULL));
    CHECK_OK(s);
    STEP(s, omen_manifest_found(m, first, sizeof first, NULL));
    if (s == OMEN_OK) STEP(s, omen_store_sync_dir(&x->store, x, NULL));
    return s;
}

/* What is there: the generation, 0 for none, -status; and that its payload is the one that was founded. *single: it stands alone. */
static int64_t founded_in(fault_storage *fs, bool *single) {
    fixture x;
    omen_manifest *m;
    const uint8_t *got;
    size_t len;
    fixture_init(&x, fs, 0, 1 << 20);
    omen_status s = open_manifest(&x, &m);
    int64_t g = s == OMEN_OK ? (int64_t)omen_manifest_generation(m) : -(int64_t)s;
    *single = s == OMEN_OK && omen_manifest_single(m);
    if (g > 0) {
        omen_manifest_payload(m, &got, &len);
        CHECK(len == sizeof first && memcmp(got, first, len) == 0);
    }
    omen_manifest_close(m);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    return g;
}

static void found_in(fault_storage *fs, unsigned pending) {
    fixture x;
    omen_manifest *m;
    fault_storage_set_pending(fs, pending);
    fixture_init(&x, fs, 9, 1 << 20);
    CHECK_OK(open_manifest(&x, &m));
    CHECK_OK(found(&x, m));
    CHECK(strcmp(omen_manifest_slot(m, 0), "valid") == 0 && strcmp(omen_manifest_slot(m, 1), "valid") == 0);
    CHECK(!omen_manifest_single(m));
    omen_manifest_close(m);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    CHECK_STORAGE(fs);
}

/* From the first moment on either slot is enough, whatever becomes of the other one. */
TEST(what_was_founded_stands_twice) {
    for (unsigned pending = 0; pending <= 70; pending += 70) {
        fault_storage *fs = fault_storage_new(3);
        bool single;
        found_in(fs, pending);
        found_in(fs, pending); /* nothing is left to do */
        CHECK_EQ_INT(founded_in(fs, &single), 2);
        for (int slot = 0; slot < 2; slot++) {
            const char *name = slot == 0 ? "manifest-0" : "manifest-1";
            size_t len;
            fault_storage_data(fs, name, &len);
            for (size_t at = 0; at < len; at++)
                for (int how = 0; how < 9; how++) {
                    fault_storage *copy = fault_storage_clone(fs);
                    if (how < 8) fault_storage_xor(copy, name, at, (uint8_t)(1 << how));
                    else fault_storage_cut(copy, name, at);
                    CHECK_EQ_INT(founded_in(copy, &single), slot == 0 ? 1 : 2);
                    CHECK_EQ_UINT(single, slot == 0 && how == 8);
                    fault_storage_free(copy);
                }
        }
        fault_storage_free(fs);
    }
}

/* Nothing, or the first generation, or both; and whoever comes next makes it both. */
TEST(power_fails_at_every_call_of_founding) {
    unsigned images = 0, none = 0, alone = 0;
    for (uint64_t n = 1, more = 1; more; n++) {
        fault_storage *fs = fault_storage_new(1);
        fixture x;
        omen_manifest *m;
        bool single;
        fixture_init(&x, fs, 9, 1 << 20);
        REQUIRE_OK(open_manifest(&x, &m));
        fault_storage_power_off_at(fs, n);
        omen_status s = found(&x, m);
        more = s != OMEN_OK;
        CHECK_STATUS(s, fault_storage_fault_hit(fs) ? OMEN_ERR_IO : OMEN_OK);
        omen_manifest_close(m);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        unsigned units = fault_storage_units(fs);
        CHECK(units < 12);
        for (uint64_t mask = 0; mask < UINT64_C(1) << units; mask++) {
            fault_storage *after = fault_storage_crash_subset(fs, mask);
            int64_t g = founded_in(after, &single);
            CHECK(g >= 0 && g <= 2 && (more || g == 2));
            CHECK_EQ_UINT(single, g == 1);
            none += g == 0;
            alone += g == 1;
            found_in(after, 0);
            CHECK_EQ_INT(founded_in(after, &single), 2);
            fault_storage_free(after);
            images++;
        }
        fault_storage_free(fs);
    }
    CHECK(none > 0 && alone > 0);
    printf("        %u images\n", images);
}

/* A slot that is damaged, not merely cut off, is nobody's business when a database is opened; who makes one anew writes it all the same. */
TEST(founding_replaces_what_is_damaged) {
    fault_storage *fs = fault_storage_new(3);
    bool single;
    found_in(fs, 0);
    fault_storage_xor(fs, "manifest-1", 20, 1);
    fault_storage_delete(fs, "manifest-0");
    CHECK_EQ_INT(founded_in(fs, &single), -OMEN_ERR_CORRUPT);
    fault_storage_free(fs);
    fs = fault_storage_new(3);
    found_in(fs, 0);
    fault_storage_xor(fs, "manifest-0", 20, 1);
    CHECK_EQ_INT(founded_in(fs, &single), 1);
    CHECK(!single);
    found_in(fs, 0);
    CHECK_EQ_INT(founded_in(fs, &single), 2);
    fault_storage_xor(fs, "manifest-1", 20, 1);
    found_in(fs, 0);
    CHECK_EQ_INT(founded_in(fs, &single), 3);
    fault_storage_free(fs);
}

/* Whatever a damaged header looks like, the other file's says that a key is missing. */
TEST(one_encrypted_slot_is_enough_to_ask_for_a_key) {
    static const uint8_t sealed[200] = "OMENSEAL", foreign[200] = "PMENSEAL";
    for (int slot = 0; slot < 2; slot++) {
        fault_storage *fs = fault_storage_new(1);
        fault_storage_put(fs, slot == 0 ? "manifest-0" : "manifest-1", sealed, sizeof sealed);
        fault_storage_put(fs, slot == 0 ? "manifest-1" : "manifest-0", foreign, sizeof foreign);
        CHECK_EQ_INT(generation_in(fs), -OMEN_ERR_KEY);
        fault_storage_free(fs);
    }
}

TEST_MAIN()
