/* An encrypted database loses power at every call of a course of writes, and again while it recovers: it opens, nothing acknowledged is missing,
 * no batch is there by half - as database_crash_test.c asks of plain ones. And what keys open, and what the files show. */
#include "test.h"

#include "contains.h"
#include "encrypted_posix.h"
#include "losses.h"
#include "report.h"

static losses l;

static omen_status open_with(script *s, fault_host *h, uint8_t key) {
    encrypt_host(h, encryption_of(key));
    return script_open(s, h, OMEN_DURABILITY_GROUP, true);
}

static omen_status open_encrypted(script *s, fault_host *h) { return open_with(s, h, 1); }

TEST(power_lost_at_every_call) {
    SKIP_WITHOUT_LIBCRYPTO();
    REQUIRE(losses_begin(&l, open_encrypted));
    losses_at_calls(&l, TEST_PICK(1, 7), 3);
    CHECK_EQ_UINT(l.wrong, 0);
    printf("     %llu calls, %llu images\n", (unsigned long long)l.calls, (unsigned long long)l.images);
    omen_test_report("crash_images", l.images);
}

TEST(power_lost_again_during_recovery) {
    SKIP_WITHOUT_LIBCRYPTO();
    REQUIRE(losses_begin(&l, open_encrypted));
    losses_twice(&l, TEST_PICK(13, 91), 40);
    CHECK_EQ_UINT(l.wrong, 0);
    printf("     %llu images\n", (unsigned long long)l.images);
    omen_test_report("two_level_images", l.images);
}

/* Without the sync of a new file's header, or of its records, this would not be noticed otherwise. */
TEST(a_lying_disk_is_found_out) {
    SKIP_WITHOUT_LIBCRYPTO();
    REQUIRE(losses_begin(&l, open_encrypted));
    losses_with_lies(&l, TEST_PICK(11, 33), true, false);
    CHECK(l.wrong > 0);
    omen_test_report("negative_controls", 1);
}

/* ---- keys ---- */

/* A database with all it may have, closed. Answers its host. */
static fault_host *made(bool encrypted) {
    script s;
    script_state state = {{0}};
    fault_host *h = fault_host_new(1);
    CHECK_STATUS(encrypted ? open_with(&s, h, 1) : script_open(&s, h, OMEN_DURABILITY_GROUP, true), OMEN_OK);
    for (unsigned n = 0; n < LOSSES_STEPS; n++) CHECK_STATUS(script_step(&s, n, &state), OMEN_OK);
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
            for (size_t k = 0; k < 8; k++) found[k] += contains_bytes(bytes, len, pieces[k], strlen(pieces[k]));
            found[8] += contains_bytes(bytes, len, row, sizeof row);
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
