/* An encrypted database loses power at every call of a course of writes, and again while it recovers: it opens, nothing acknowledged is missing,
 * no batch is there by half - as database_crash_test.c asks of plain ones. And what keys open, and what the files show. */
#include "test.h"

#include "encrypted_posix.h"
#include "report.h"
#include "script.h"

enum { STEPS = 60 };

static script_state after[STEPS + 1]; /* after n steps */

static omen_status open_with(script *s, fault_host *h, uint8_t key) {
    encrypt_host(h, encryption_of(key));
    return script_open(s, h, OMEN_DURABILITY_GROUP, true);
}

static int run_until_failure(fault_host *h) {
    script s;
    script_state state = {{0}};
    int done = -1;
    if (open_with(&s, h, 1) == OMEN_OK)
        for (done = 0; done < STEPS && script_step(&s, (unsigned)done, &state) == OMEN_OK;) {
            done++;
            after[done] = state;
        }
    script_close(&s);
    return done;
}

static uint64_t images;

static bool recovers(fault_storage *image, int done, const char *what, uint64_t call) {
    fault_host *h = fault_host_new(2);
    script s;
    script_state state;
    const char *why = "";
    bool good = false;
    fault_host_set_image(h, "db", image);
    images++;
    if (open_with(&s, h, 1) != OMEN_OK) {
        why = omen_last_error();
    } else if (script_read(&s, &state, &why)) {
        int at = done < 0 ? 0 : done;
        good = memcmp(&state, &after[at], sizeof state) == 0 || (at < STEPS && memcmp(&state, &after[at + 1], sizeof state) == 0);
        if (!good) why = "the records are not those of any moment that is allowed";
        if (good && omen_check(s.db) != OMEN_OK) good = false, why = omen_last_error();
    }
    script_close(&s);
    if (fault_host_bytes(h) != 0) good = false, why = "memory is left";
    fault_host_free(h);
    if (!good && what != NULL) printf("     %s at call %llu, %d steps acknowledged: %s\n", what, (unsigned long long)call, done, why);
    return good;
}

/* The whole course, once: its states and its calls. */
static uint64_t calls_of_a_run(void) {
    fault_host *h = fault_host_new(1);
    CHECK_EQ_INT(run_until_failure(h), STEPS);
    uint64_t calls = fault_storage_calls(fault_host_image(h, "db"));
    fault_host_free(h);
    return calls;
}

TEST(power_lost_at_every_call) {
    SKIP_WITHOUT_LIBCRYPTO();
    static const char *const modes[] = {"durable", "all", "random", "zero tail", "prefix"};
    uint64_t calls = calls_of_a_run();
    for (uint64_t n = 1; n <= calls; n += TEST_PICK(1, 7)) {
        script_state states[STEPS + 1];
        memcpy(states, after, sizeof states);
        fault_host *h = fault_host_new(1);
        fault_storage *fs = fault_host_image(h, "db");
        fault_storage_power_off_at(fs, n);
        int done = run_until_failure(h);
        memcpy(after, states, sizeof states);
        for (int mode = 0; mode < FAULT_CRASH_MODES; mode++)
            for (uint64_t seed = 0; seed < (mode == FAULT_CRASH_RANDOM || mode == FAULT_CRASH_PREFIX ? 3 : 1); seed++)
                CHECK(recovers(fault_storage_crash(fs, (fault_crash_mode)mode, seed * 977 + n), done, modes[mode], n));
        CHECK_STORAGE(fs);
        fault_host_free(h);
    }
    printf("     %llu calls, %llu images\n", (unsigned long long)calls, (unsigned long long)images);
    omen_test_report("crash_images", images);
}

TEST(power_lost_again_during_recovery) {
    SKIP_WITHOUT_LIBCRYPTO();
    uint64_t calls = calls_of_a_run(), before = images;
    for (uint64_t n = 1; n <= calls; n += TEST_PICK(13, 91)) {
        fault_host *h = fault_host_new(1);
        fault_storage *fs = fault_host_image(h, "db");
        fault_storage_power_off_at(fs, n);
        int done = run_until_failure(h);
        for (uint64_t again = 1; again <= 40; again++) {
            fault_host *second = fault_host_new(3);
            fault_storage *image = fault_storage_crash(fs, FAULT_CRASH_RANDOM, n);
            fault_host_set_image(second, "db", image);
            fault_storage_power_off_at(image, again);
            script s;
            bool complete = open_with(&s, second, 1) == OMEN_OK && !fault_storage_fault_hit(image);
            script_close(&s);
            CHECK(recovers(fault_storage_crash(image, FAULT_CRASH_RANDOM, again), done, "second loss", n));
            CHECK_STORAGE(image);
            fault_host_free(second);
            if (complete) break;
        }
        fault_host_free(h);
    }
    printf("     %llu images\n", (unsigned long long)(images - before));
    omen_test_report("two_level_images", images - before);
}

/* Without the sync of a new file's header, or of its records, this would not be noticed otherwise. */
TEST(a_lying_disk_is_found_out) {
    SKIP_WITHOUT_LIBCRYPTO();
    uint64_t calls = calls_of_a_run(), lost = 0;
    for (uint64_t n = 1; n <= calls; n += TEST_PICK(11, 33)) {
        fault_host *h = fault_host_new(1);
        fault_storage *fs = fault_host_image(h, "db");
        fault_storage_set_lies(fs, true, false);
        fault_storage_power_off_at(fs, n);
        int done = run_until_failure(h);
        lost += !recovers(fault_storage_crash(fs, FAULT_CRASH_DURABLE, n), done, NULL, n);
        fault_host_free(h);
    }
    CHECK(lost > 0);
    omen_test_report("negative_controls", 1);
}

/* ---- keys ---- */

/* A database with all it may have, closed. Answers its host. */
static fault_host *made(bool encrypted) {
    script s;
    script_state state = {{0}};
    fault_host *h = fault_host_new(1);
    CHECK_STATUS(encrypted ? open_with(&s, h, 1) : script_open(&s, h, OMEN_DURABILITY_GROUP, true), OMEN_OK);
    for (unsigned n = 0; n < STEPS; n++) CHECK_STATUS(script_step(&s, n, &state), OMEN_OK);
    after[STEPS] = state;
    script_close(&s);
    return h;
}

/* Opens a copy of the image with a key (0: none). */
static omen_status opening(const fault_storage *fs, int key, char *message, size_t room) {
    fault_host *h = fault_host_new(2);
    script s;
    fault_host_set_image(h, "db", fault_storage_clone(fs));
    omen_status st = key == 0 ? script_open(&s, h, OMEN_DURABILITY_GROUP, true) : open_with(&s, h, (uint8_t)key);
    snprintf(message, room, "%s", st == OMEN_OK ? "" : omen_last_error());
    script_close(&s);
    fault_host_free(h);
    return st;
}

TEST(keys_of_a_database) {
    SKIP_WITHOUT_LIBCRYPTO();
    char message[300];
    fault_host *sealed = made(true), *plain = made(false);
    fault_storage *a = fault_host_image(sealed, "db"), *b = fault_host_image(plain, "db");
    CHECK_STATUS(opening(a, 1, message, sizeof message), OMEN_OK);
    CHECK_STATUS(opening(a, 2, message, sizeof message), OMEN_ERR_KEY);
    CHECK(strstr(message, "key") != NULL);
    CHECK_STATUS(opening(a, 0, message, sizeof message), OMEN_ERR_KEY);
    CHECK(strstr(message, "encrypted") != NULL);
    CHECK_STATUS(opening(b, 0, message, sizeof message), OMEN_OK);
    CHECK_STATUS(opening(b, 1, message, sizeof message), OMEN_ERR_KEY);
    CHECK(strstr(message, "not") != NULL);
    /* A wrong key changed nothing. */
    CHECK_STATUS(opening(a, 1, message, sizeof message), OMEN_OK);
    /* Damage is not a wrong key. */
    for (size_t i = 0; i < fault_storage_count(a); i++) {
        const char *name = fault_storage_name(a, i);
        size_t len;
        if (strncmp(name, "seg-", 4) != 0 || fault_storage_data(a, name, &len) == NULL || len < 3000) continue;
        fault_storage *copy = fault_storage_clone(a);
        fault_storage_xor(copy, name, 10, 1);
        fault_storage_xor(copy, name, 522, 1);
        omen_status st = opening(copy, 1, message, sizeof message);
        CHECK(st == OMEN_ERR_CORRUPT || st == OMEN_OK); /* an index is built again */
        if (st != OMEN_OK) CHECK(strstr(message, name) != NULL);
        fault_storage_free(copy);
    }
    fault_host_free(sealed);
    fault_host_free(plain);
}

static bool holds(const uint8_t *bytes, size_t len, const void *what, size_t n) {
    for (size_t i = 0; i + n <= len; i++)
        if (bytes[i] == *(const uint8_t *)what && memcmp(bytes + i, what, n) == 0) return true;
    return false;
}

/* Pieces of documents, ids, field names, vectors and formats: in the files of a plain database, and in none of an encrypted one. */
TEST(no_plaintext_in_any_file) {
    SKIP_WITHOUT_LIBCRYPTO();
    static const char *const pieces[] = {"record-1", "\"kind\"", "things", "OMLF", "OMENSEG1", "OMENMNF1", "2020-01-0", "word"};
    const float row[2] = {(float)((5 * 31 + 7 + 3) % 17 - 8) / 4.0f, (float)((5 * 31 + 7 + 6) % 17 - 8) / 4.0f};
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        fault_host *h = made(encrypted != 0);
        fault_storage *fs = fault_host_image(h, "db");
        unsigned found[9] = {0};
        for (size_t i = 0; i < fault_storage_count(fs); i++) {
            size_t len;
            const uint8_t *bytes = fault_storage_data(fs, fault_storage_name(fs, i), &len);
            if (bytes == NULL) continue;
            for (size_t k = 0; k < 8; k++) found[k] += holds(bytes, len, pieces[k], strlen(pieces[k]));
            found[8] += holds(bytes, len, row, sizeof row);
            if (encrypted) CHECK(len == 0 || memcmp(bytes, "OMENSEAL", 8) == 0);
        }
        unsigned sum = 0;
        for (size_t k = 0; k < 9; k++) sum += found[k];
        if (encrypted) CHECK_EQ_UINT(sum, 0);
        else CHECK(sum > 8); /* otherwise this test shows nothing */
        fault_host_free(h);
    }
}

TEST_MAIN()
