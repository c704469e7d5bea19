/* The log: what is appended comes back, in whole batches and in order; failures poison; losses are told from torn tails. */
#include "test.h"

#include "log_model.h"
#include "store/log_format.h"

static void name_of(uint64_t epoch, char out[32]) { snprintf(out, 32, "%s", omen_log_file_name(epoch).text); }

TEST(what_was_written_comes_back) {
    for (unsigned pending = 0; pending <= 60; pending += 60) {
        for (unsigned round = 0; round < 20; round++) {
            fault_storage *fs = fault_storage_new(test_rand());
            log_model m;
            log_model_init(&m);
            fault_storage_set_pending(fs, pending);
            for (unsigned life = 0; life < 4; life++) {
                fixture x;
                fixture_init(&x, fs, 7, 1 << 20);
                CHECK_OK(log_model_session(&m, &x, test_rand(), 40, round % 4 == 0 ? MODEL_LARGE : MODEL_MIXED));
                CHECK_EQ_UINT(fixture_deinit(&x), 0);
            }
            CHECK_EQ_STR(m.problem, "");
            CHECK_STORAGE(fs);
            CHECK(pending == 0 || fault_storage_pended(fs) > 0);
            log_model_deinit(&m);
            fault_storage_free(fs);
        }
    }
}

/* Two epochs of one batch each, synced; the second has an opening frame that proves the first durable when `proof`. */
static void two_epochs(log_model *m, fixture *x, bool proof) {
    omen_log *a, *b;
    REQUIRE_OK(log_model_create(m, x, 1, 0, &a));
    REQUIRE_OK(log_model_append(m, a, OMEN_FRAME_RECORDS, true, 3, 1, 100));
    REQUIRE_OK(omen_log_write_out(a, NULL));
    REQUIRE_OK(omen_log_sync(a, NULL));
    if (proof) m->promised = 3;
    REQUIRE_OK(log_model_create(m, x, 2, omen_log_last_crc(a), &b));
    REQUIRE_OK(log_model_append(m, b, OMEN_FRAME_RECORDS, true, 2, 2, 33));
    REQUIRE_OK(omen_log_write_out(b, NULL));
    REQUIRE_OK(omen_log_sync(b, NULL));
    omen_log_close(a);
    omen_log_close(b);
}

typedef struct scene {
    fault_storage *fs;
    fixture x;
    log_model m;
} scene;

static void scene_begin(scene *s) {
    s->fs = fault_storage_new(test_rand());
    fixture_init(&s->x, s->fs, 7, 1 << 20);
    log_model_init(&s->m);
}

static void scene_end(scene *s) {
    CHECK_EQ_UINT(fixture_deinit(&s->x), 0);
    CHECK_STORAGE(s->fs);
    log_model_deinit(&s->m);
    fault_storage_free(s->fs);
}

TEST(an_empty_place_recovers_to_nothing) {
    scene s;
    omen_recovery_result r;
    scene_begin(&s);
    s.m.floor_lsn = 41;
    s.m.promised = 41;
    CHECK_OK(log_model_recover(&s.m, &s.x, false, true, &r, NULL));
    CHECK_EQ_UINT(r.next_lsn, 42);
    CHECK_EQ_UINT(r.last_epoch, 0);
    CHECK_EQ_UINT(r.last_crc, 0);
    CHECK_EQ_STR(s.m.problem, "");
    scene_end(&s);
}

TEST(a_lost_record_that_was_durable_is_corruption) {
    char file[32];
    name_of(1, file);
    for (int proof = 0; proof < 2; proof++) {
        scene s;
        omen_recovery_result r;
        omen_error err = {0};
        scene_begin(&s);
        two_epochs(&s.m, &s.x, proof);
        fault_storage_xor(s.fs, file, 64 + 48 + 10, 1);
        omen_status status = log_model_recover(&s.m, &s.x, false, proof, &r, &err);
        CHECK_STATUS(status, proof ? OMEN_ERR_CORRUPT : OMEN_OK);
        if (proof) {
            CHECK(strstr(err.text, file) != NULL);
            CHECK(strstr(err.text, "at 64") != NULL);
            CHECK(fault_storage_has(s.fs, omen_log_file_name(2).text)); /* nothing was touched */
        } else {
            CHECK_EQ_UINT(r.next_lsn, 1);
            CHECK_EQ_UINT(r.last_epoch, 2);
            size_t len;
            CHECK(!fault_storage_has(s.fs, omen_log_file_name(2).text));
            CHECK(fault_storage_data(s.fs, file, &len) != NULL);
            CHECK_EQ_UINT(len, 64);
        }
        scene_end(&s);
    }
}

TEST(the_manifest_proves_durability_too) {
    scene s;
    omen_recovery_result r;
    scene_begin(&s);
    two_epochs(&s.m, &s.x, false);
    fault_storage_cut(s.fs, omen_log_file_name(2).text, 64 + 48 + 8);
    s.m.floor_lsn = 4;
    CHECK_STATUS(log_model_recover(&s.m, &s.x, true, false, &r, NULL), OMEN_ERR_CORRUPT);
    s.m.floor_lsn = 3;
    CHECK_OK(log_model_recover(&s.m, &s.x, true, false, &r, NULL));
    CHECK_EQ_UINT(r.next_lsn, 4);
    CHECK_EQ_UINT(r.torn_bytes, 56);
    CHECK_EQ_STR(s.m.problem, "");
    scene_end(&s);
}

TEST(a_read_only_recovery_changes_nothing) {
    scene s;
    omen_recovery_result r;
    size_t len;
    scene_begin(&s);
    two_epochs(&s.m, &s.x, false);
    fault_storage_xor(s.fs, omen_log_file_name(1).text, 70, 1);
    fault_storage_set_read_only(s.fs, true);
    CHECK_OK(log_model_recover(&s.m, &s.x, true, false, &r, NULL));
    CHECK(fault_storage_data(s.fs, omen_log_file_name(1).text, &len) != NULL);
    CHECK_EQ_UINT(len, 64 + 48 + 104);
    CHECK(fault_storage_has(s.fs, omen_log_file_name(2).text));
    CHECK_EQ_UINT(r.torn_bytes, 48 + 104 + 64 + 48 + 40);
    scene_end(&s);
}

TEST(a_missing_epoch) {
    /* The first one, with a later one that holds more than nothing: the manifest named a file that is gone. */
    scene s;
    omen_recovery_result r;
    scene_begin(&s);
    two_epochs(&s.m, &s.x, false);
    fault_storage_delete(s.fs, omen_log_file_name(1).text);
    CHECK_STATUS(log_model_recover(&s.m, &s.x, false, false, &r, NULL), OMEN_ERR_CORRUPT);
    scene_end(&s);
    /* A middle one whose records were durable; then one whose records were not. */
    for (int proof = 0; proof < 2; proof++) {
        omen_log *c;
        scene_begin(&s);
        two_epochs(&s.m, &s.x, true);
        if (proof) s.m.promised = 5;
        uint32_t crc = omen_get32(fault_storage_data(s.fs, omen_log_file_name(2).text, &(size_t){0}) + 64 + 44);
        REQUIRE_OK(log_model_create(&s.m, &s.x, 3, crc, &c));
        REQUIRE_OK(omen_log_write_out(c, NULL));
        REQUIRE_OK(omen_log_sync(c, NULL));
        omen_log_close(c);
        fault_storage_delete(s.fs, omen_log_file_name(2).text);
        CHECK_STATUS(log_model_recover(&s.m, &s.x, false, false, &r, NULL), proof ? OMEN_ERR_CORRUPT : OMEN_OK);
        if (!proof) CHECK_EQ_UINT(r.next_lsn, 4);
        if (!proof) CHECK(!fault_storage_has(s.fs, omen_log_file_name(3).text));
        scene_end(&s);
    }
}

TEST(frames_of_another_database_or_epoch_are_no_frames) {
    scene s, other;
    omen_recovery_result r;
    size_t len;
    scene_begin(&s);
    two_epochs(&s.m, &s.x, true);
    /* Another database's log of the same shape. */
    other.fs = fault_storage_new(1);
    fixture_init(&other.x, other.fs, 8, 1 << 20);
    log_model_init(&other.m);
    two_epochs(&other.m, &other.x, true);
    const uint8_t *foreign = fault_storage_data(other.fs, omen_log_file_name(2).text, &len);
    fault_storage_put(s.fs, omen_log_file_name(2).text, foreign, len);
    CHECK_OK(log_model_recover(&s.m, &s.x, true, false, &r, NULL));
    CHECK_EQ_UINT(r.next_lsn, 4);
    CHECK_EQ_UINT(r.torn_bytes, len);
    scene_end(&other);
    /* The same database's epoch 1 under the name of epoch 2. */
    uint8_t copy[4096];
    const uint8_t *first = fault_storage_data(s.fs, omen_log_file_name(1).text, &len);
    memcpy(copy, first, len);
    fault_storage_put(s.fs, omen_log_file_name(2).text, copy, len);
    CHECK_OK(log_model_recover(&s.m, &s.x, true, false, &r, NULL));
    CHECK_EQ_UINT(r.next_lsn, 4);
    scene_end(&s);
}

/* Puts a right crc onto the frame at `at` of an epoch's file. */
static void seal(fault_storage *fs, const fixture *x, uint64_t epoch, size_t at) {
    char file[32];
    size_t len;
    name_of(epoch, file);
    const uint8_t *p = fault_storage_data(fs, file, &len) + at;
    uint32_t length = omen_get32(p + 32), crc = omen_log_seed(x->store.database_id, epoch);
    crc = omen_crc32c_portable(crc, p, 44);
    crc = omen_crc32c_portable(crc, p + 48, (length + 7) / 8 * 8);
    for (size_t i = 0; i < 4; i++) fault_storage_set(fs, file, at + 44 + i, (uint8_t)(crc >> (8 * i)));
}

TEST(a_newer_version_is_told_from_damage) {
    char file[32];
    name_of(2, file);
    for (int sealed = 0; sealed < 2; sealed++) {
        scene s;
        omen_recovery_result r;
        scene_begin(&s);
        two_epochs(&s.m, &s.x, true);
        fault_storage_set(s.fs, file, 64 + 4, 2);
        if (sealed) seal(s.fs, &s.x, 2, 64);
        CHECK_STATUS(log_model_recover(&s.m, &s.x, true, false, &r, NULL), sealed ? OMEN_ERR_VERSION : OMEN_OK);
        scene_end(&s);
    }
}

/* Negative control: with a right crc a changed payload is believed, so it is the crc that keeps wrong data out. */
TEST(a_forged_crc_is_believed) {
    char file[32];
    name_of(2, file);
    scene s;
    omen_recovery_result r;
    scene_begin(&s);
    two_epochs(&s.m, &s.x, true);
    fault_storage_xor(s.fs, file, 64 + 48 + 3, 4);
    seal(s.fs, &s.x, 2, 64);
    CHECK_OK(log_model_recover(&s.m, &s.x, true, false, &r, NULL));
    CHECK(strstr(s.m.problem, "another payload") != NULL);
    scene_end(&s);
}

TEST(lengths_are_checked_before_memory_is_asked_for) {
    char file[32];
    name_of(2, file);
    static const uint32_t lengths[] = {UINT32_MAX, 1u << 31, OMEN_FRAME_MAX_PAYLOAD + 1, OMEN_FRAME_MAX_PAYLOAD, 1000, 41};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(lengths); i++) {
        scene s;
        omen_recovery_result r;
        scene_begin(&s);
        two_epochs(&s.m, &s.x, true);
        for (size_t b = 0; b < 4; b++) fault_storage_set(s.fs, file, 64 + 32 + b, (uint8_t)(lengths[i] >> (8 * b)));
        s.x.mem.limit = s.x.mem.bytes + (1u << 20); /* the window and little more */
        CHECK_OK(log_model_recover(&s.m, &s.x, true, false, &r, NULL));
        CHECK_EQ_UINT(r.next_lsn, 4);
        scene_end(&s);
    }
}

TEST(zero_filled_and_stale_tails_are_torn) {
    char file[32];
    name_of(2, file);
    for (int kind = 0; kind < 3; kind++) {
        scene s;
        omen_recovery_result r;
        uint8_t tail[3000];
        size_t len;
        scene_begin(&s);
        two_epochs(&s.m, &s.x, true);
        const uint8_t *p = fault_storage_data(s.fs, file, &len);
        uint8_t image[8192];
        memcpy(image, p, len);
        memset(tail, 0, sizeof tail);
        if (kind == 1)
            for (size_t i = 0; i < sizeof tail; i++) tail[i] = (uint8_t)test_rand();
        if (kind == 2) memcpy(tail, image + 64, len - 64); /* frames that were there before */
        memcpy(image + len, tail, sizeof tail);
        fault_storage_put(s.fs, file, image, len + sizeof tail);
        CHECK_OK(log_model_recover(&s.m, &s.x, false, true, &r, NULL));
        CHECK_EQ_UINT(r.next_lsn, 6);
        CHECK_EQ_UINT(r.torn_bytes, sizeof tail);
        CHECK_EQ_STR(s.m.problem, "");
        size_t after;
        fault_storage_data(s.fs, file, &after);
        CHECK_EQ_UINT(after, len);
        scene_end(&s);
    }
}

/* A file made of headers that all promise much: the search stays linear, and says what it found. */
TEST(false_headers_cost_little) {
    scene s;
    omen_recovery_result r;
    size_t size = 4u << 20;
    uint8_t *bytes = malloc(size);
    scene_begin(&s);
    omen_log_header h = {.magic = OMEN_LOG_MAGIC, .version = 1, .type = 2, .epoch = 1, .first_lsn = 9, .length = 1u << 20};
    for (size_t at = 0; at + sizeof h <= size; at += sizeof h) memcpy(bytes + at, &h, sizeof h);
    fault_storage_put(s.fs, omen_log_file_name(1).text, bytes, size);
    free(bytes);
    CHECK_STATUS(log_model_recover(&s.m, &s.x, true, true, &r, NULL), OMEN_ERR_CORRUPT);
    scene_end(&s);
}

static omen_status callback_full(void *arg, const omen_recovered_frame *f, omen_error *err) {
    (void)arg, (void)f, (void)err;
    return OMEN_ERR_FULL;
}

TEST(an_answer_of_the_callback_ends_recovery) {
    scene s;
    omen_recovery *r;
    scene_begin(&s);
    two_epochs(&s.m, &s.x, true);
    REQUIRE_OK(omen_recovery_new(&s.x.store, 1, 0, true, callback_full, NULL, &r));
    CHECK_STATUS(omen_recovery_step(r, NULL), OMEN_ERR_FULL);
    CHECK_STATUS(omen_recovery_step(r, NULL), OMEN_ERR_FULL);
    omen_recovery_free(r);
    scene_end(&s);
}

TEST(misuse_of_the_writer_is_refused) {
    scene s;
    omen_log *log, *again = NULL;
    omen_span part = {"12345678", 8}, huge[2] = {{"x", OMEN_FRAME_MAX_PAYLOAD}, {"y", 1}};
    scene_begin(&s);
    REQUIRE_OK(log_model_create(&s.m, &s.x, 1, 0, &log));
    CHECK_STATUS(omen_log_create(&s.x.store, NULL, 1, 1, 0, 0, &again, NULL), OMEN_ERR_EXISTS);
    CHECK(again == NULL);
    CHECK_STATUS(omen_log_append(log, 2, true, 1, 1, 0, huge, 2, NULL), OMEN_ERR_TOO_LARGE);
    CHECK_STATUS(omen_log_append(log, 2, true, 2, 1, 0, &part, 1, NULL), OMEN_ERR_INTERNAL);
    CHECK_STATUS(omen_log_append(log, 2, true, 1, 1, 1, &part, 1, NULL), OMEN_ERR_INTERNAL);
    CHECK(!omen_log_poisoned(log));
    CHECK_OK(omen_log_append(log, 2, false, 1, 1, 0, &part, 1, NULL));
    /* Half a batch lies in it: a refusal now must not let another batch follow. */
    CHECK_STATUS(omen_log_append(log, 2, true, 2, 1, 0, huge, 2, NULL), OMEN_ERR_TOO_LARGE);
    CHECK(omen_log_poisoned(log));
    CHECK_STATUS(omen_log_append(log, 2, true, 2, 1, 0, &part, 1, NULL), OMEN_ERR_POISONED);
    omen_log_close(log);
    scene_end(&s);
}

TEST(sizes_and_unsynced_bytes) {
    scene s;
    omen_log *log;
    scene_begin(&s);
    REQUIRE_OK(log_model_create(&s.m, &s.x, 1, 0, &log));
    CHECK_EQ_UINT(omen_log_size(log), 64);
    REQUIRE_OK(log_model_append(&s.m, log, 2, true, 1, 5, 9));
    CHECK_EQ_UINT(omen_log_unsynced(log), 64 + 48 + 16);
    REQUIRE_OK(omen_log_write_out(log, NULL));
    REQUIRE_OK(log_model_append(&s.m, log, 2, true, 1, 5, 8));
    REQUIRE_OK(omen_log_sync(log, NULL));
    CHECK_EQ_UINT(omen_log_unsynced(log), 56); /* was only buffered */
    omen_log_close(log);
    scene_end(&s);
}

/* Every call fails once and for good: the status comes out, nothing promised is lost, nothing leaks. */
TEST(a_fault_at_every_call) {
    for (int sticky = 0; sticky < 2; sticky++) {
        for (unsigned pending = 0; pending <= 50; pending += 50) {
            uint64_t seed = test_rand(), n = 0;
            for (bool hit = true; hit; n++) {
                fault_storage *fs = fault_storage_new(seed);
                log_model m;
                fixture x;
                log_model_init(&m);
                fault_storage_set_pending(fs, pending);
                fixture_init(&x, fs, 7, 1 << 20);
                REQUIRE_OK(log_model_session(&m, &x, seed, 12, MODEL_MIXED));
                CHECK_EQ_UINT(fixture_deinit(&x), 0);
                fixture_init(&x, fs, 7, 1 << 20);
                fault_storage_fail_at(fs, n + 1, n % 2 ? OMEN_ERR_IO : OMEN_ERR_FULL, sticky);
                omen_status s = log_model_session(&m, &x, seed + 1, 25, MODEL_MIXED);
                hit = fault_storage_fault_hit(fs);
                if (hit) CHECK(s == OMEN_ERR_IO || s == OMEN_ERR_FULL);
                if (!hit) CHECK_OK(s);
                CHECK_EQ_UINT(fixture_deinit(&x), 0);
                CHECK_STORAGE(fs);
                /* And the machine goes down. */
                fault_storage *after = fault_storage_crash(fs, FAULT_CRASH_RANDOM, n);
                fixture_init(&x, after, 7, 1 << 20);
                CHECK_OK(log_model_session(&m, &x, seed + 2, 5, MODEL_MIXED));
                CHECK_EQ_STR(m.problem, "");
                CHECK_EQ_UINT(fixture_deinit(&x), 0);
                fault_storage_free(after);
                fault_storage_free(fs);
                log_model_deinit(&m);
            }
            CHECK(n > 20);
        }
    }
}

TEST(memory_runs_out_at_every_allocation) {
    uint64_t seed = test_rand(), n = 0;
    for (bool hit = true; hit; n++) {
        fault_storage *fs = fault_storage_new(seed);
        log_model m;
        fixture x;
        log_model_init(&m);
        for (int life = 0; life < 2; life++) {
            fixture_init(&x, fs, 7, 1 << 20);
            if (life == 1) fault_host_fail_alloc_at(x.host, n + 1, n % 3 == 0);
            omen_status s = log_model_session(&m, &x, seed + (uint64_t)life, 12, MODEL_LARGE);
            hit = fault_host_fault_hit(x.host);
            /* A single refusal may go unnoticed: a buffer that cannot double asks for just enough. */
            if (s != OMEN_OK || !hit || n % 3 == 0) CHECK_STATUS(s, hit ? OMEN_ERR_MEMORY : OMEN_OK);
            fault_host_fail_alloc_at(x.host, 0, false);
            CHECK_EQ_UINT(fixture_deinit(&x), 0);
        }
        fixture_init(&x, fs, 7, 1 << 20);
        CHECK_OK(log_model_session(&m, &x, seed + 2, 2, MODEL_TINY));
        CHECK_EQ_STR(m.problem, "");
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        log_model_deinit(&m);
        fault_storage_free(fs);
    }
    CHECK(n > 5);
}

TEST(a_short_read_is_an_error) {
    uint64_t seed = test_rand(), n = 0;
    unsigned hits = 0;
    for (; n < 40; n++) {
        fault_storage *fs = fault_storage_new(seed);
        log_model m;
        fixture x;
        omen_recovery_result r;
        log_model_init(&m);
        fixture_init(&x, fs, 7, 1 << 20);
        REQUIRE_OK(log_model_session(&m, &x, seed, 30, MODEL_MIXED));
        fault_storage_short_read_at(fs, n + 1);
        omen_status s = log_model_recover(&m, &x, true, false, &r, NULL);
        CHECK_STATUS(s, fault_storage_fault_hit(fs) ? OMEN_ERR_IO : OMEN_OK);
        CHECK_EQ_STR(m.problem, "");
        hits += fault_storage_fault_hit(fs);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        log_model_deinit(&m);
        fault_storage_free(fs);
    }
    CHECK(hits > 0);
}

TEST(file_names) {
    uint64_t n = 0;
    CHECK_EQ_STR(omen_log_file_name(0x12ab).text, "log-00000000000012ab");
    CHECK_EQ_STR(omen_segment_file_name(UINT64_MAX).text, "seg-ffffffffffffffff");
    CHECK(omen_log_file_parse("log-00000000000012ab", &n));
    CHECK_EQ_UINT(n, 0x12ab);
    CHECK(omen_segment_file_parse("seg-ffffffffffffffff", &n));
    CHECK_EQ_UINT(n, UINT64_MAX);
    static const char *const wrong[] = {"", "log", "log-", "log-1", "log-00000000000012AB", "log-00000000000012ab0", "log-00000000000012a",
                                        "seg-00000000000012ab", "log-00000000000012ag", "log-000000000000 12a"};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(wrong); i++) CHECK(!omen_log_file_parse(wrong[i], &n));
}

TEST_MAIN()
