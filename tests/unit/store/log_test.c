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

/* Both files belong to another database: nothing of them is believed, not even where no link can be checked. */
TEST(a_log_of_another_database_is_not_read) {
    scene s;
    omen_recovery_result r;
    scene_begin(&s);
    two_epochs(&s.m, &s.x, true);
    s.x.store.database_id[15] ^= 1;
    s.m.promised = 0;
    CHECK_OK(log_model_recover(&s.m, &s.x, true, false, &r, NULL));
    CHECK_EQ_UINT(r.frames, 0);
    CHECK_EQ_UINT(r.next_lsn, 1);
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

/* One record, lost, and a later frame that says durable up to exactly it; or up to the one before. */
TEST(the_last_durable_record_counts) {
    for (uint64_t durable = 0; durable < 2; durable++) {
        scene s;
        omen_log *log;
        omen_recovery_result r;
        scene_begin(&s);
        REQUIRE_OK(log_model_create(&s.m, &s.x, 1, 0, &log));
        REQUIRE_OK(log_model_append(&s.m, log, 2, true, 1, 1, 8));
        s.m.promised = durable;
        REQUIRE_OK(log_model_append(&s.m, log, 2, true, 1, 1, 8));
        REQUIRE_OK(omen_log_write_out(log, NULL));
        omen_log_close(log);
        fault_storage_xor(s.fs, omen_log_file_name(1).text, 64 + 48, 1);
        CHECK_STATUS(log_model_recover(&s.m, &s.x, true, false, &r, NULL), durable ? OMEN_ERR_CORRUPT : OMEN_OK);
        scene_end(&s);
    }
}

static void patch64(fault_storage *fs, uint64_t epoch, size_t at, uint64_t v) {
    for (size_t i = 0; i < 8; i++) fault_storage_set(fs, omen_log_file_name(epoch).text, at + i, (uint8_t)(v >> (8 * i)));
}

/* Frames that are valid by themselves and stand in the wrong place, or contradict themselves. */
TEST(frames_must_follow_one_another) {
    static const struct { uint64_t epoch; size_t at, field; uint64_t value; uint64_t next; } forged[] = {
        {2, 0, 16, 5, 4},  /* an opening frame that skips an LSN */
        {2, 0, 24, 4, 4},  /* durable beyond what there was */
        {2, 64, 16, 5, 4}, /* a frame that skips an LSN */
        {2, 64, 24, 4, 4},
        {1, 64, 16, 0, 1}, /* LSN 0 */
    };
    for (size_t i = 0; i < OMEN_ARRAY_LEN(forged); i++) {
        scene s;
        omen_recovery_result r;
        scene_begin(&s);
        two_epochs(&s.m, &s.x, false);
        patch64(s.fs, forged[i].epoch, forged[i].at + forged[i].field, forged[i].value);
        seal(s.fs, &s.x, forged[i].epoch, forged[i].at);
        CHECK_OK(log_model_recover(&s.m, &s.x, true, false, &r, NULL));
        CHECK_EQ_UINT(r.next_lsn, forged[i].next);
        scene_end(&s);
    }
    /* A frame without records taken out of the middle: only the link to the frame before tells. */
    scene s;
    omen_log *log;
    omen_recovery_result r;
    uint8_t image[1024];
    size_t len;
    scene_begin(&s);
    REQUIRE_OK(log_model_create(&s.m, &s.x, 1, 0, &log));
    REQUIRE_OK(log_model_append(&s.m, log, 2, true, 1, 1, 8));
    REQUIRE_OK(log_model_append(&s.m, log, 3, true, 0, 2, 8));
    REQUIRE_OK(log_model_append(&s.m, log, 2, true, 1, 3, 8));
    REQUIRE_OK(omen_log_write_out(log, NULL));
    omen_log_close(log);
    const uint8_t *p = fault_storage_data(s.fs, omen_log_file_name(1).text, &len);
    CHECK_EQ_UINT(len, 64 + 3 * 56);
    memcpy(image, p, 120);
    memcpy(image + 120, p + 176, 56);
    fault_storage_put(s.fs, omen_log_file_name(1).text, image, 176);
    CHECK_OK(log_model_recover(&s.m, &s.x, true, false, &r, NULL));
    CHECK_EQ_UINT(r.next_lsn, 2);
    CHECK_EQ_UINT(r.torn_bytes, 56);
    scene_end(&s);
}

TEST(the_message_names_the_loss_and_not_an_old_tear) {
    scene s;
    omen_log *log;
    omen_recovery_result r;
    omen_error err = {0};
    uint8_t image[4096];
    size_t len;
    scene_begin(&s);
    two_epochs(&s.m, &s.x, true);
    /* Rubbish behind epoch 1: a tear that the recovery which made epoch 2 had seen (and read-only storage would still have). */
    const uint8_t *p = fault_storage_data(s.fs, omen_log_file_name(1).text, &len);
    memcpy(image, p, len);
    memset(image + len, 0x77, 64);
    fault_storage_put(s.fs, omen_log_file_name(1).text, image, len + 64);
    CHECK_OK(log_model_recover(&s.m, &s.x, true, true, &r, NULL));
    CHECK_EQ_UINT(r.next_lsn, 6);
    s.m.promised = 5;
    REQUIRE_OK(log_model_create(&s.m, &s.x, 3, r.last_crc, &log));
    REQUIRE_OK(omen_log_write_out(log, NULL));
    omen_log_close(log);
    fault_storage_xor(s.fs, omen_log_file_name(2).text, 64 + 50, 1);
    CHECK_STATUS(log_model_recover(&s.m, &s.x, true, true, &r, &err), OMEN_ERR_CORRUPT);
    CHECK(strstr(err.text, omen_log_file_name(2).text) != NULL);
    scene_end(&s);
}

/* Recovery cuts the first file and removes the second; power fails at each of its calls, everything that was not synced may be lost. */
TEST(a_recovery_that_is_cut_off_can_be_repeated) {
    for (int torn_opening = 0; torn_opening < 2; torn_opening++) {
        bool off = true;
        for (uint64_t n = 1; off; n++) {
            scene s;
            omen_recovery_result r;
            scene_begin(&s);
            two_epochs(&s.m, &s.x, false);
            fault_storage_xor(s.fs, omen_log_file_name(1).text, torn_opening ? 20 : 64 + 48, 1);
            fault_storage_power_off_at(s.fs, n);
            omen_status status = log_model_recover(&s.m, &s.x, false, false, &r, NULL);
            off = fault_storage_fault_hit(s.fs);
            CHECK_STATUS(status, off ? OMEN_ERR_IO : OMEN_OK);
            unsigned units = fault_storage_units(s.fs);
            CHECK(units <= 6);
            if (!off) CHECK_EQ_UINT(units, 0);
            for (uint64_t mask = 0; mask < UINT64_C(1) << units; mask++) {
                fault_storage *after = fault_storage_crash_subset(s.fs, mask);
                fixture x;
                log_model m;
                log_model_init(&m);
                fixture_init(&x, after, 7, 1 << 20);
                CHECK_OK(log_model_recover(&m, &x, false, false, &r, NULL));
                CHECK_EQ_UINT(r.next_lsn, 1);
                CHECK(!fault_storage_has(after, omen_log_file_name(2).text));
                CHECK_EQ_UINT(fixture_deinit(&x), 0);
                fault_storage_free(after);
                log_model_deinit(&m);
            }
            scene_end(&s);
        }
    }
}

TEST(a_failed_write_or_sync_poisons) {
    for (int sync = 0; sync < 2; sync++) {
        scene s;
        omen_log *log;
        scene_begin(&s);
        REQUIRE_OK(log_model_create(&s.m, &s.x, 1, 0, &log));
        fault_storage_fail_at(s.fs, 1 + (uint64_t)sync, OMEN_ERR_FULL, false);
        CHECK_STATUS(omen_log_write_out(log, NULL), sync ? OMEN_OK : OMEN_ERR_FULL);
        if (sync) CHECK_STATUS(omen_log_sync(log, NULL), OMEN_ERR_FULL);
        CHECK(omen_log_poisoned(log));
        uint64_t calls = fault_storage_calls(s.fs);
        CHECK_STATUS(log_model_append(&s.m, log, 2, true, 1, 1, 8), OMEN_ERR_POISONED);
        CHECK_STATUS(omen_log_write_out(log, NULL), OMEN_ERR_POISONED);
        CHECK_STATUS(omen_log_sync(log, NULL), OMEN_ERR_POISONED);
        CHECK_EQ_UINT(fault_storage_calls(s.fs), calls); /* nothing more is tried */
        omen_log_close(log);
        scene_end(&s);
    }
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
