/* Losing power at every call of a course of writes: whatever the disk kept, the database opens, nothing acknowledged is missing, and no batch is
 * there by half. Then the same while recovering from the first loss. */
#include "test.h"

#include "script.h"

enum { STEPS = 60, ALL = 1000 };

static script_state after[STEPS + 1]; /* after n steps */

static void run_model(void) {
    script s;
    fault_host *h = fault_host_new(1);
    script_state state = {{0}};
    CHECK_STATUS(script_open(&s, h, OMEN_DURABILITY_GROUP, true), OMEN_OK);
    for (unsigned n = 0; n < STEPS; n++) {
        after[n] = state;
        CHECK_STATUS(script_step(&s, n, &state), OMEN_OK);
    }
    after[STEPS] = state;
    script_close(&s);
    fault_host_free(h);
}

/* Runs the course on h until a step fails; answers how many succeeded. Opening counts as -1 when it fails. */
static int run_until_failure(fault_host *h) {
    script s;
    script_state state = {{0}};
    int done = -1;
    if (script_open(&s, h, OMEN_DURABILITY_GROUP, true) == OMEN_OK)
        for (done = 0; done < STEPS && script_step(&s, (unsigned)done, &state) == OMEN_OK;) done++;
    script_close(&s);
    return done;
}

static uint64_t images, lost;

/* The image opens and shows the state after `done` steps, or after one more (the one that was under way). Answers whether it did. */
static bool recovers(fault_storage *image, int done, const char *what, uint64_t call) {
    fault_host *h = fault_host_new(2);
    script s;
    script_state state;
    const char *why = "";
    bool good = false;
    fault_host_set_image(h, "db", image);
    images++;
    omen_status st = script_open(&s, h, OMEN_DURABILITY_GROUP, true);
    if (st != OMEN_OK) {
        why = omen_last_error();
    } else if (script_read(&s, &state, &why)) {
        int at = done < 0 ? 0 : done;
        good = memcmp(&state, &after[at], sizeof state) == 0 || (at < STEPS && memcmp(&state, &after[at + 1], sizeof state) == 0);
        if (!good) why = "the records are not those of any moment that is allowed";
        if (good && omen_check(s.db) != OMEN_OK) good = false, why = omen_last_error();
    }
    script_close(&s);
    fault_host_free(h);
    if (!good && what != NULL) printf("     %s at call %llu, %d steps acknowledged: %s\n", what, (unsigned long long)call, done, why);
    return good;
}

static uint64_t calls_of_a_run(void) {
    fault_host *h = fault_host_new(1);
    CHECK_EQ_INT(run_until_failure(h), STEPS);
    uint64_t calls = fault_storage_calls(fault_host_image(h, "db"));
    fault_host_free(h);
    return calls;
}

TEST(power_lost_at_every_call) {
    static const char *const modes[] = {"durable", "all", "random", "zero tail", "prefix"};
    run_model();
    uint64_t calls = calls_of_a_run();
    for (uint64_t n = 1; n <= calls; n += TEST_PICK(1, 3)) {
        fault_host *h = fault_host_new(1);
        fault_storage *fs = fault_host_image(h, "db");
        fault_storage_power_off_at(fs, n);
        int done = run_until_failure(h);
        for (int mode = 0; mode < FAULT_CRASH_MODES; mode++)
            for (uint64_t seed = 0; seed < (mode == FAULT_CRASH_RANDOM || mode == FAULT_CRASH_PREFIX ? 6 : 1); seed++)
                CHECK(recovers(fault_storage_crash(fs, (fault_crash_mode)mode, seed * 977 + n), done, modes[mode], n));
        CHECK_STORAGE(fs);
        fault_host_free(h);
    }
    printf("     %llu calls, %llu images\n", (unsigned long long)calls, (unsigned long long)images);
}

/* A second loss while recovering from the first. */
TEST(power_lost_again_during_recovery) {
    run_model();
    uint64_t calls = calls_of_a_run(), before = images;
    for (uint64_t n = 1; n <= calls; n += TEST_PICK(7, 21)) {
        fault_host *h = fault_host_new(1);
        fault_storage *fs = fault_host_image(h, "db");
        fault_storage_power_off_at(fs, n);
        int done = run_until_failure(h);
        for (uint64_t again = 1; again <= 24; again++) {
            fault_host *second = fault_host_new(3);
            fault_storage *image = fault_storage_crash(fs, FAULT_CRASH_RANDOM, n);
            fault_host_set_image(second, "db", image);
            fault_storage_power_off_at(image, again);
            script s;
            bool complete = script_open(&s, second, OMEN_DURABILITY_GROUP, true) == OMEN_OK && !fault_storage_fault_hit(image);
            script_close(&s);
            CHECK(recovers(fault_storage_crash(image, FAULT_CRASH_RANDOM, again), done, "second loss", n));
            CHECK_STORAGE(image);
            fault_host_free(second);
            if (complete) break;
        }
        fault_host_free(h);
    }
    printf("     %llu images\n", (unsigned long long)(images - before));
}

/* A disk that lies about syncs must be found out: otherwise these tests would pass without any sync at all. */
TEST(a_lying_disk_is_found_out) {
    run_model();
    uint64_t calls = calls_of_a_run();
    for (int lie = 0; lie < 2; lie++) {
        lost = 0;
        for (uint64_t n = 1; n <= calls; n += 3) {
            fault_host *h = fault_host_new(1);
            fault_storage *fs = fault_host_image(h, "db");
            fault_storage_set_lies(fs, lie == 0, lie == 1);
            fault_storage_power_off_at(fs, n);
            int done = run_until_failure(h);
            lost += !recovers(fault_storage_crash(fs, FAULT_CRASH_DURABLE, n), done, NULL, n);
            fault_host_free(h);
        }
        CHECK(lost > 0);
    }
}

TEST_MAIN()
