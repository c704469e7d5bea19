/* losses.c - see losses.h. */
#include "losses.h"

#include <stdio.h>
#include <string.h>

/* Runs the course on h until a step fails; answers how many succeeded, -1 when opening did not. */
static int run(const losses *l, fault_host *h, script_state *after) {
    script s;
    script_state state = {{0}};
    int done = -1;
    if (l->open(&s, h) == OMEN_OK)
        for (done = 0; done < LOSSES_STEPS && script_step(&s, (unsigned)done, &state) == OMEN_OK;) {
            done++;
            if (after != NULL) after[done] = state;
        }
    script_close(&s);
    return done;
}

bool losses_begin(losses *l, omen_status (*open)(script *s, fault_host *h)) {
    memset(l, 0, sizeof *l);
    l->open = open;
    fault_host *h = fault_host_new(1);
    bool good = run(l, h, l->after) == LOSSES_STEPS;
    l->calls = fault_storage_calls(fault_host_image(h, "db"));
    fault_host_free(h);
    return good;
}

static void wrong(losses *l, const char *what, uint64_t call, int done, const char *why) {
    l->wrong++;
    if (!l->quiet) printf("     %s at call %llu, %d steps acknowledged: %s\n", what, (unsigned long long)call, done, why);
}

/* The image, which it takes, opens and shows the state after `done` steps, or after one more: the one that was under way. */
static void recovers(losses *l, fault_storage *image, int done, const char *what, uint64_t call) {
    fault_host *h = fault_host_new(2);
    script s;
    script_state state;
    const char *why = "";
    bool good = false;
    fault_host_set_image(h, "db", image);
    l->images++;
    if (l->open(&s, h) != OMEN_OK) {
        why = omen_last_error();
    } else if (script_read(&s, &state, &why)) {
        int at = done < 0 ? 0 : done;
        good = memcmp(&state, &l->after[at], sizeof state) == 0 || (at < LOSSES_STEPS && memcmp(&state, &l->after[at + 1], sizeof state) == 0);
        if (!good) why = "the records are not those of any moment that is allowed";
        if (good && omen_check(s.db) != OMEN_OK) good = false, why = omen_last_error();
    }
    if (!good) wrong(l, what, call, done, why);
    script_close(&s);
    if (fault_host_bytes(h) != 0) wrong(l, what, call, done, "memory is left");
    fault_host_free(h);
}

static void contract_kept(losses *l, const fault_storage *fs, const char *what, uint64_t call, int done) {
    if (fault_storage_misuse(fs) != NULL) wrong(l, what, call, done, fault_storage_misuse(fs));
}

void losses_at_calls(losses *l, uint64_t step, uint64_t seeds) {
    static const char *const modes[] = {"durable", "all", "random", "zero tail", "prefix"};
    for (uint64_t n = 1; n <= l->calls; n += step) {
        fault_host *h = fault_host_new(1);
        fault_storage *fs = fault_host_image(h, "db");
        fault_storage_power_off_at(fs, n);
        int done = run(l, h, NULL);
        for (int mode = 0; mode < FAULT_CRASH_MODES; mode++)
            for (uint64_t seed = 0; seed < (mode == FAULT_CRASH_RANDOM || mode == FAULT_CRASH_PREFIX ? seeds : 1); seed++)
                recovers(l, fault_storage_crash(fs, (fault_crash_mode)mode, seed * 977 + n), done, modes[mode], n);
        contract_kept(l, fs, "the storage's contract", n, done);
        fault_host_free(h);
    }
}

void losses_twice(losses *l, uint64_t step, uint64_t again) {
    for (uint64_t n = 1; n <= l->calls; n += step) {
        fault_host *h = fault_host_new(1);
        fault_storage *fs = fault_host_image(h, "db");
        fault_storage_power_off_at(fs, n);
        int done = run(l, h, NULL);
        for (uint64_t second = 1; second <= again; second++) {
            fault_host *recovering = fault_host_new(3);
            fault_storage *image = fault_storage_crash(fs, FAULT_CRASH_RANDOM, n);
            fault_host_set_image(recovering, "db", image);
            fault_storage_power_off_at(image, second);
            script s;
            bool complete = l->open(&s, recovering) == OMEN_OK && !fault_storage_fault_hit(image);
            script_close(&s);
            recovers(l, fault_storage_crash(image, FAULT_CRASH_RANDOM, second), done, "second loss", n);
            contract_kept(l, image, "the storage's contract in recovery", n, done);
            fault_host_free(recovering);
            if (complete) break;
        }
        fault_host_free(h);
    }
}

void losses_with_lies(losses *l, uint64_t step, bool of_files, bool of_folder) {
    l->quiet = true;
    for (uint64_t n = 1; n <= l->calls; n += step) {
        fault_host *h = fault_host_new(1);
        fault_storage *fs = fault_host_image(h, "db");
        fault_storage_set_lies(fs, of_files, of_folder);
        fault_storage_power_off_at(fs, n);
        int done = run(l, h, NULL);
        recovers(l, fault_storage_crash(fs, FAULT_CRASH_DURABLE, n), done, "lies", n);
        fault_host_free(h);
    }
    l->quiet = false;
}
