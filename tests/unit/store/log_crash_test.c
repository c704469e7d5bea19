/* Power fails at every call of a log's life, and the machine comes back in many ways: recovery must hand on a prefix with all that was
 * promised, and what it handed on must survive the next failure too. */
#include "test.h"

#include "log_model.h"

static uint64_t images;

/* Recovers from a copy of `fs`, goes on, loses power again and recovers once more. */
static void come_back(const log_model *before, const fault_storage *fs, fault_crash_mode mode, uint64_t seed, bool again) {
    fault_storage *after = fault_storage_crash(fs, mode, seed);
    log_model m;
    fixture x;
    /* A copy of the model: this future is one of many. */
    log_model_init(&m);
    log_model_copy(&m, before);
    images++;
    fixture_init(&x, after, 7, 1 << 20);
    if (again) fault_storage_power_off_at(after, 1 + seed % 23);
    omen_status s = log_model_session(&m, &x, seed, 4, MODEL_TINY);
    if (!again) CHECK_OK(s);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    CHECK_EQ_STR(m.problem, "");
    if (again) {
        /* Failed within recovery or soon after: nothing more may be lost. */
        for (unsigned i = 0; i < 3; i++) come_back(&m, after, (fault_crash_mode)((mode + i) % FAULT_CRASH_MODES), seed + i, false);
    }
    if (test_failures > 0 && test_failures < 20) printf("        mode %d seed %" PRIu64 "\n", (int)mode, seed);
    log_model_deinit(&m);
    fault_storage_free(after);
}

TEST(power_fails_at_every_call) {
    for (unsigned round = 0; round < TEST_PICK(6u, 2u); round++) {
        uint64_t seed = test_rand();
        bool off = true;
        for (uint64_t n = 1; off; n++) {
            fault_storage *fs = fault_storage_new(seed);
            log_model m;
            fixture x;
            log_model_init(&m);
            for (int life = 0; life < 2; life++) {
                fixture_init(&x, fs, 7, 1 << 20);
                if (life == 1) fault_storage_power_off_at(fs, n);
                omen_status s = log_model_session(&m, &x, seed + (uint64_t)life, 20, round % 3 == 2 ? MODEL_LARGE : MODEL_MIXED);
                off = fault_storage_fault_hit(fs);
                CHECK_STATUS(s, off ? OMEN_ERR_IO : OMEN_OK);
                CHECK_EQ_UINT(fixture_deinit(&x), 0);
            }
            CHECK_EQ_STR(m.problem, "");
            CHECK_STORAGE(fs);
            for (uint64_t i = 0; i < 12; i++) come_back(&m, fs, (fault_crash_mode)(i % FAULT_CRASH_MODES), seed ^ (n * 64 + i), i >= FAULT_CRASH_MODES);
            log_model_deinit(&m);
            fault_storage_free(fs);
        }
    }
    printf("        %" PRIu64 " images\n", images);
}

/* Every subset of the unsynced sectors, sizes and names of a small history. */
TEST(every_subset_of_what_was_not_synced) {
    uint64_t subsets = 0;
    for (unsigned round = 0; round < 40; round++) {
        uint64_t seed = test_rand();
        fault_storage *fs = fault_storage_new(seed);
        log_model m;
        fixture x;
        log_model_init(&m);
        fixture_init(&x, fs, 7, 1 << 20);
        CHECK_OK(log_model_session(&m, &x, seed, 14, MODEL_MIXED));
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        unsigned units = fault_storage_units(fs);
        for (uint64_t mask = 0; units <= 12 && mask < UINT64_C(1) << units; mask++) {
            fault_storage *after = fault_storage_crash_subset(fs, mask);
            log_model copy;
            log_model_init(&copy);
            log_model_copy(&copy, &m);
            fixture_init(&x, after, 7, 1 << 20);
            CHECK_OK(log_model_session(&copy, &x, mask, 2, MODEL_TINY));
            CHECK_EQ_UINT(fixture_deinit(&x), 0);
            CHECK_EQ_STR(copy.problem, "");
            log_model_deinit(&copy);
            fault_storage_free(after);
            subsets++;
        }
        log_model_deinit(&m);
        fault_storage_free(fs);
    }
    printf("        %" PRIu64 " images\n", subsets);
    CHECK(subsets > 1000);
}

/* Not losing power, only the program: the next one reads from the system's cache, and what it hands on must be durable then. */
TEST(a_killed_program_then_a_power_cut) {
    for (unsigned round = 0; round < 200; round++) {
        uint64_t seed = test_rand();
        fault_storage *fs = fault_storage_new(seed);
        log_model m;
        log_model_init(&m);
        for (unsigned life = 0; life < 3; life++) {
            fixture x;
            fixture_init(&x, fs, 7, 1 << 20);
            CHECK_OK(log_model_session(&m, &x, seed + life, 10, MODEL_MIXED));
            CHECK_EQ_UINT(fixture_deinit(&x), 0);
        }
        CHECK_EQ_STR(m.problem, "");
        come_back(&m, fs, (fault_crash_mode)(round % FAULT_CRASH_MODES), seed, false);
        log_model_deinit(&m);
        fault_storage_free(fs);
    }
}

/* Negative controls: on a disk that lies about sync, the same checks must find losses. */
static unsigned losses(bool lie_sync, bool lie_dir) {
    unsigned found = 0;
    for (unsigned round = 0; round < 60; round++) {
        uint64_t seed = test_rand();
        fault_storage *fs = fault_storage_new(seed);
        log_model m;
        fixture x;
        omen_recovery_result r;
        log_model_init(&m);
        fault_storage_set_lies(fs, lie_sync, lie_dir);
        fixture_init(&x, fs, 7, 1 << 20);
        CHECK_OK(log_model_session(&m, &x, seed, 25, MODEL_MIXED));
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage *after = fault_storage_crash(fs, FAULT_CRASH_DURABLE, seed);
        fixture_init(&x, after, 7, 1 << 20);
        omen_status s = log_model_recover(&m, &x, true, true, &r, NULL);
        found += s != OMEN_OK || m.problem[0] != 0;
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        log_model_deinit(&m);
        fault_storage_free(after);
        fault_storage_free(fs);
    }
    return found;
}

TEST(a_lying_disk_is_found_out) {
    CHECK_EQ_UINT(losses(false, false), 0);
    CHECK(losses(true, false) > 20);
    CHECK(losses(false, true) > 20);
}

TEST_MAIN()
