/* The storage that encrypts, over a storage that fails: it keeps the contract, tells wrong keys, torn writes and damage apart, never uses a
 * nonce twice, shows no plaintext, and changes keys without ever being without one that opens it. */
#include "test.h"

#include "encrypted_place_posix.h"
#include "folder_posix.h"
#include "base/base.h"
#include "host/encrypted_format.h"
#include "report.h"

static uint8_t model[ROOM], seen[ROOM], piece[ROOM];

/* Writes, cuts, syncs and reopenings at random against a plain array. */
static void random_course(const char *name, unsigned pending) {
    place p;
    omen_encryption e = encryption_of(1);
    begin(&p, test_rand());
    fault_storage_set_pending(p.fs, pending);
    omen_file *f;
    size_t size = 0;
    memset(model, 0, sizeof model);
    CHECK_OK(open_file(&p, name, OMEN_FILE_CREATE, &f));
    for (int i = 0; i < 120; i++) {
        size_t at = (size_t)test_rand_below(10) < 6 ? size : (size_t)test_rand_below(ROOM - 70000), len = 1 + (size_t)test_rand_below(test_rand_below(4) == 0 ? 70000 : 300);
        if (strncmp(name, "manifest-", 9) == 0 && at == 0 && size > 0) at = 1;
        if (at + len > ROOM) at = size / 2 + 1, len = 1;
        switch (test_rand_below(10)) {
        case 0:
            at = (size_t)test_rand_below(size + 1);
            CHECK_OK(p.storage.ops->truncate(p.storage.ctx, f, at));
            memset(model + at, 0, ROOM - at);
            size = at;
            break;
        case 1: CHECK_OK(sync_file(&p, f)); break;
        case 2:
            CHECK_OK(sync_file(&p, f));
            close_file(&p, f);
            if (test_rand_below(2) == 0) reopen(&p, &e);
            CHECK_OK(open_file(&p, name, OMEN_FILE_WRITE, &f));
            break;
        default:
            pattern(piece, len, (uint32_t)i + 1);
            CHECK_OK(p.storage.ops->write_at(p.storage.ctx, f, at, piece, len));
            memcpy(model + at, piece, len);
            if (at + len > size) size = at + len;
        }
        uint64_t now = 0;
        size_t got, from = (size_t)test_rand_below(size + 1), want = (size_t)test_rand_below(40000);
        CHECK_OK(p.storage.ops->size(p.storage.ctx, f, &now));
        CHECK_EQ_UINT(now, size);
        memset(seen, 0xee, want + 1);
        CHECK_OK(read_file(&p, f, from, seen, want, &got));
        CHECK_EQ_UINT(got, want < size - from ? want : size - from);
        CHECK_MEM(seen, model + from, got);
        CHECK(seen[want] == 0xee);
    }
    CHECK_OK(sync_file(&p, f));
    close_file(&p, f);
    reopen(&p, &e);
    size_t len;
    CHECK_OK(content(&p, name, seen, ROOM, &len));
    CHECK_EQ_UINT(len, size);
    CHECK_MEM(seen, model, size);
    end(&p);
}

TEST(a_file_is_what_was_written) {
    SKIP_WITHOUT_LIBCRYPTO();
    static const char *const names[] = {"log-1", "seg-1", "manifest-1"};
    for (int i = 0; i < 12; i++) random_course(names[i % 3], 0);
}

TEST(requests_that_pend) {
    SKIP_WITHOUT_LIBCRYPTO();
    for (int i = 0; i < 6; i++) random_course(i % 2 == 0 ? "log-1" : "seg-1", 40);
}

TEST(a_manifest_is_replaced_whole) {
    SKIP_WITHOUT_LIBCRYPTO();
    place p;
    omen_file *f;
    size_t len, first = 0;
    begin(&p, 1);
    pattern(model, 3000, 1);
    put(&p, "manifest-0", model, 3000);
    (void)fault_storage_data(p.fs, "manifest-0", &first);
    for (uint32_t i = 0; i < 20; i++) {
        pattern(model, 3000 - i, 2 + i);
        CHECK_OK(open_file(&p, "manifest-0", OMEN_FILE_WRITE, &f));
        CHECK_OK(p.storage.ops->write_at(p.storage.ctx, f, 0, model, 3000 - i));
        CHECK_OK(p.storage.ops->truncate(p.storage.ctx, f, 3000 - i));
        CHECK_OK(sync_file(&p, f));
        close_file(&p, f);
        CHECK_OK(content(&p, "manifest-0", seen, ROOM, &len));
        CHECK_EQ_UINT(len, 3000 - i);
        CHECK_MEM(seen, model, len);
    }
    (void)fault_storage_data(p.fs, "manifest-0", &len);
    CHECK(len <= first); /* it does not grow */
    end(&p);
}

/* A name that is given to another file says nothing of the one that had it before: neither what an opening that was given up had read, nor
 * what somebody who still has it open knows. */
TEST(a_removed_file_leaves_nothing) {
    SKIP_WITHOUT_LIBCRYPTO();
    place p;
    omen_file *f, *old;
    omen_status s;
    size_t len, got;
    unsigned given_up = 0;
    begin(&p, 3);
    for (unsigned steps = 1; steps <= 12; steps++) {
        pattern(model, 5000, steps);
        put(&p, "seg-1", model, 5000);
        fault_storage_set_pending(p.fs, 90);
        s = OMEN_PENDING;
        for (unsigned i = 0; i < steps && s == OMEN_PENDING; i++) s = p.storage.ops->open(p.storage.ctx, "seg-1", OMEN_FILE_READ, &f);
        fault_storage_set_pending(p.fs, 0);
        given_up += s == OMEN_PENDING;
        if (s == OMEN_OK) close_file(&p, f);
        DO(s, p.storage.ops->remove(p.storage.ctx, "seg-1"));
        CHECK_OK(s);
        pattern(model, 3000, 100 + steps);
        put(&p, "seg-1", model, 3000);
        CHECK_OK(content(&p, "seg-1", seen, ROOM, &len));
        CHECK_EQ_UINT(len, 3000);
        CHECK_MEM(seen, model, len);
        DO(s, p.storage.ops->remove(p.storage.ctx, "seg-1"));
        CHECK_OK(s);
    }
    CHECK(given_up > 3);
    end(&p);

    /* A folder lets files be removed that are open. */
    char folder[64];
    omen_storage inner, storage;
    omen_encryption e = encryption_of(1);
    const omen_host *h = omen_host_native();
    REQUIRE(folder_make(folder));
    REQUIRE_OK(h->storage_open(h->ctx, folder, OMEN_STORAGE_CREATE, &inner));
    REQUIRE_OK(omen_storage_encrypt(NULL, &inner, &e, &storage));
    place q = {.storage = storage};
    REQUIRE_OK(open_file(&q, "seg-1", OMEN_FILE_CREATE, &old));
    CHECK_OK(storage.ops->write_at(storage.ctx, old, 0, "the old content", 15));
    CHECK_OK(storage.ops->remove(storage.ctx, "seg-1"));
    REQUIRE_OK(open_file(&q, "seg-1", OMEN_FILE_CREATE, &f));
    CHECK_OK(storage.ops->write_at(storage.ctx, f, 0, "new", 3));
    CHECK_OK(content(&q, "seg-1", seen, ROOM, &len));
    CHECK(len == 3 && memcmp(seen, "new", 3) == 0);
    CHECK_OK(read_file(&q, old, 0, seen, ROOM, &got));
    CHECK(got == 15 && memcmp(seen, "the old content", 15) == 0);
    close_file(&q, old);
    CHECK_OK(content(&q, "seg-1", seen, ROOM, &len));
    CHECK_EQ_UINT(len, 3);
    close_file(&q, f);
    storage.ops->release(storage.ctx);
    folder_remove(folder);
}

/* ---- keys ---- */

TEST(keys_that_do_not_fit) {
    SKIP_WITHOUT_LIBCRYPTO();
    place p;
    size_t len;
    omen_encryption right = encryption_of(1), wrong = encryption_of(2), both = encryption_of(2);
    both.previous = &right.key;
    both.previous_count = 1;
    begin(&p, 1);
    pattern(model, 500, 1);
    put(&p, "seg-1", model, 500);
    fault_storage_put(p.fs, "manifest-1", "OMENMNF1 and so on, in the plain", 32);
    CHECK_STATUS(content(&p, "manifest-1", seen, ROOM, &len), OMEN_ERR_KEY);
    reopen(&p, &wrong);
    CHECK_STATUS(content(&p, "seg-1", seen, ROOM, &len), OMEN_ERR_KEY);
    omen_file *f;
    CHECK_STATUS(open_file(&p, "seg-1", OMEN_FILE_WRITE, &f), OMEN_ERR_KEY);
    reopen(&p, &both);
    CHECK_OK(content(&p, "seg-1", seen, ROOM, &len));
    CHECK_EQ_UINT(len, 500);
    CHECK_MEM(seen, model, 500);
    reopen(&p, &right);
    CHECK_OK(content(&p, "seg-1", seen, ROOM, &len));
    end(&p);
}

/* A file under another name is not that file: it is damage, and no matter of keys. */
TEST(files_that_change_places) {
    SKIP_WITHOUT_LIBCRYPTO();
    static const char *const names[] = {"seg-1", "seg-2", "seg-10", "log-1", "log-2", "manifest-0", "manifest-1"};
    place p;
    size_t len;
    omen_encryption wrong = encryption_of(2);
    for (int i = 0; i < 7; i++)
        for (int k = 0; k < 7; k++) {
            if (i == k) continue;
            begin(&p, 1);
            pattern(model, 500, 1);
            put(&p, names[i], model, 500);
            const uint8_t *bytes = fault_storage_data(p.fs, names[i], &len);
            fault_storage_put(p.fs, names[k], bytes, len);
            CHECK_STATUS(content(&p, names[k], seen, ROOM, &len), OMEN_ERR_CORRUPT);
            CHECK_OK(content(&p, names[i], seen, ROOM, &len));
            reopen(&p, &wrong);
            CHECK_STATUS(content(&p, names[k], seen, ROOM, &len), OMEN_ERR_KEY);
            end(&p);
        }
}

static void why_is(place *p, const char *name, const char *expected) {
    char text[SEAL_WHY];
    size_t len;
    CHECK_STATUS(content(p, name, seen, ROOM, &len), OMEN_ERR_KEY);
    p->storage.ops->why(p->storage.ctx, text, sizeof text);
    CHECK_EQ_STR(text, expected);
}

/* The same sentences as in tests/js/encrypted.test.mjs. */
TEST(why_a_key_does_not_fit) {
    SKIP_WITHOUT_LIBCRYPTO();
    place p;
    char text[SEAL_WHY];
    omen_encryption e = encryption_of(1), previous = encryption_of(3);
    begin(&p, 1);
    p.storage.ops->why(p.storage.ctx, text, sizeof text);
    CHECK_EQ_STR(text, "");
    pattern(model, 500, 1);
    put(&p, "seg-1", model, 500);
    memset(e.key.id, 0, sizeof e.key.id);
    reopen(&p, &e);
    put(&p, "seg-2", model, 500);
    memcpy(e.key.id, "a\"b\xff\n", 5);
    reopen(&p, &e);
    put(&p, "seg-3", model, 500);
    fault_storage_put(p.fs, "manifest-0", "OMENMNF1 and so on, in the plain", 32);
    e = encryption_of(2);
    reopen(&p, &e);
    why_is(&p, "seg-1",
           "seg-1 is encrypted with the key \"test\", and the key given, \"test\", does not open it: another key has the same id; give the right key, or both where keys are being changed; nothing is damaged");
    why_is(&p, "seg-2", "seg-2 is encrypted with a key without an id, and the key given, \"test\", does not open it; give the right key, or both where keys are being changed; nothing is damaged");
    why_is(&p, "seg-3", "seg-3 is encrypted with the key \"a?b??\", and the key given, \"test\", does not open it; give the right key, or both where keys are being changed; nothing is damaged");
    why_is(&p, "manifest-0", "manifest-0 is not encrypted, and a key was given; open the database without a key, or clone it into an encrypted one");
    memset(e.key.id, 0, sizeof e.key.id);
    reopen(&p, &e);
    why_is(&p, "seg-1", "seg-1 is encrypted with the key \"test\", and the key given does not open it; give the right key, or both where keys are being changed; nothing is damaged");
    why_is(&p, "seg-2", "seg-2 is encrypted with a key without an id, and the key given does not open it; give the right key, or both where keys are being changed; nothing is damaged");
    e.previous = &previous.key;
    e.previous_count = 1;
    reopen(&p, &e);
    why_is(&p, "seg-1", "seg-1 is encrypted with the key \"test\", and none of the keys given opens it; give the right key, or both where keys are being changed; nothing is damaged");
    end(&p);
}

TEST(arguments) {
    SKIP_WITHOUT_LIBCRYPTO();
    omen_storage inner = {0}, out;
    omen_encryption e = encryption_of(1);
    CHECK_STATUS(omen_storage_encrypt(NULL, NULL, &e, &out), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_storage_encrypt(NULL, &inner, &e, &out), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_storage_rekey(NULL, &e, NULL), OMEN_ERR_INVALID);
    place p;
    begin(&p, 1);
    omen_encryption bad = e;
    bad.struct_size = 0;
    CHECK_STATUS(omen_storage_encrypt(NULL, &p.storage, &bad, &out), OMEN_ERR_INVALID);
    bad = e;
    bad.previous_count = 1;
    CHECK_STATUS(omen_storage_encrypt(NULL, &p.storage, &bad, &out), OMEN_ERR_INVALID);
    bad.previous = &e.key;
    bad.previous_count = 17;
    CHECK_STATUS(omen_storage_encrypt(NULL, &p.storage, &bad, &out), OMEN_ERR_INVALID);
    end(&p);
}

/* ---- damage ---- */

/* Every byte of a file flipped: the content is never another one without a word of it. */
static void flip_every_byte(const char *name, bool lenient) {
    place p;
    size_t bytes, len;
    omen_encryption e = encryption_of(1);
    begin(&p, 7);
    pattern(model, 3000, 1);
    omen_file *f;
    CHECK_OK(open_file(&p, name, OMEN_FILE_CREATE, &f));
    for (size_t at = 0; at < 3000; at += 500) CHECK_OK(p.storage.ops->write_at(p.storage.ctx, f, at, model + at, 500));
    CHECK_OK(sync_file(&p, f));
    close_file(&p, f);
    (void)fault_storage_data(p.fs, name, &bytes);
    unsigned silent = 0, wrong = 0, shorter = 0, corrupt = 0;
    for (size_t i = 0; i < bytes; i++) {
        fault_storage_xor(p.fs, name, i, (uint8_t)(1u << (i % 8)));
        reopen(&p, &e);
        omen_status s = content(&p, name, seen, ROOM, &len);
        if (s == OMEN_OK && len == 3000 && memcmp(seen, model, 3000) == 0) silent++;
        else if (s == OMEN_ERR_CORRUPT || s == OMEN_ERR_KEY) corrupt++;
        else if (s == OMEN_OK && (lenient || len < 3000)) {
            /* What is left is what was written, or zeros. */
            shorter++;
            for (size_t k = 0; k < len; k++) wrong += seen[k] != model[k] && seen[k] != 0;
        } else {
            wrong++;
        }
        fault_storage_xor(p.fs, name, i, (uint8_t)(1u << (i % 8)));
    }
    CHECK_EQ_UINT(wrong, 0);
    CHECK(silent >= 1024 && silent < 1024 + 6 * 16); /* either slot of the header; paddings of records */
    CHECK(lenient || corrupt > 2000u);
    omen_test_report("corruption_cases", bytes);
    printf("     %s: %u reported, %u shorter or with a hole, %u in bytes that nothing depends on\n", name, corrupt, shorter, silent);
    end(&p);
}

TEST(flipped_bits) {
    SKIP_WITHOUT_LIBCRYPTO();
    flip_every_byte("seg-1", false);
    flip_every_byte("manifest-1", false);
    flip_every_byte("log-1", true);
}

/* What was durable is there after any loss of what was not; what was not is there, or is zeros, or is missing. */
TEST(power_lost_in_a_log) {
    SKIP_WITHOUT_LIBCRYPTO();
    omen_encryption e = encryption_of(1);
    for (uint64_t seed = 0; seed < 300; seed++) {
        place p;
        omen_file *f;
        size_t durable = 0, size = 0, len;
        begin(&p, seed + 1);
        CHECK_OK(open_file(&p, "log-1", OMEN_FILE_CREATE, &f));
        omen_status s;
        DO(s, p.storage.ops->sync_dir(p.storage.ctx));
        CHECK_OK(s);
        pattern(model, 60000, (uint32_t)seed + 1);
        for (int i = 0; i < 12; i++) {
            size_t n = 8 + 8 * (size_t)test_rand_below(i % 4 == 0 ? 500 : 60);
            CHECK_OK(p.storage.ops->write_at(p.storage.ctx, f, size, model + size, n));
            size += n;
            if (test_rand_below(3) == 0) {
                CHECK_OK(sync_file(&p, f));
                durable = size;
            }
        }
        place after = {p.host, fault_storage_crash(p.fs, (fault_crash_mode)(seed % FAULT_CRASH_MODES), seed), {0}};
        close_file(&p, f);
        CHECK_OK(wrap(&after, &e));
        CHECK_OK(content(&after, "log-1", seen, ROOM, &len));
        CHECK(len >= durable && len <= size);
        CHECK_MEM(seen, model, durable);
        unsigned wrong = 0;
        for (size_t k = durable; k < len; k++) wrong += seen[k] != model[k] && seen[k] != 0;
        CHECK_EQ_UINT(wrong, 0);
        /* It is cut where it is good, and goes on from there. */
        CHECK_OK(open_file(&after, "log-1", OMEN_FILE_WRITE, &f));
        CHECK_OK(after.storage.ops->truncate(after.storage.ctx, f, durable));
        CHECK_OK(sync_file(&after, f));
        close_file(&after, f);
        reopen(&after, &e);
        CHECK_OK(content(&after, "log-1", seen, ROOM, &len));
        CHECK_EQ_UINT(len, durable);
        CHECK_MEM(seen, model, durable);
        release(&after);
        fault_storage_free(after.fs);
        end(&p);
    }
}

TEST(a_creation_that_was_cut_off_is_an_empty_file) {
    SKIP_WITHOUT_LIBCRYPTO();
    for (uint64_t n = 1; n <= 4; n++) {
        for (uint64_t seed = 0; seed < 8; seed++) {
            place p;
            omen_file *f;
            size_t len;
            omen_encryption e = encryption_of(1);
            begin(&p, 3);
            fault_storage_power_off_at(p.fs, n);
            if (open_file(&p, "log-1", OMEN_FILE_CREATE, &f) == OMEN_OK) close_file(&p, f);
            place after = {p.host, fault_storage_crash(p.fs, FAULT_CRASH_RANDOM, seed), {0}};
            CHECK_OK(wrap(&after, &e));
            omen_status s = content(&after, "log-1", seen, ROOM, &len);
            CHECK(s == OMEN_OK || s == OMEN_ERR_NOT_FOUND);
            CHECK_EQ_UINT(len, 0);
            if (s == OMEN_OK) { /* and may be written */
                CHECK_OK(open_file(&after, "log-1", OMEN_FILE_WRITE, &f));
                CHECK_OK(after.storage.ops->write_at(after.storage.ctx, f, 0, "again", 5));
                CHECK_OK(sync_file(&after, f));
                close_file(&after, f);
                reopen(&after, &e);
                CHECK_OK(content(&after, "log-1", seen, ROOM, &len));
                CHECK_EQ_UINT(len, 5);
            }
            release(&after);
            fault_storage_free(after.fs);
            end(&p);
        }
    }
}

/* ---- nonces and plaintext ---- */

static uint8_t nonces[20000][44]; /* file_id, nonce: data keys are per file */
static size_t nonce_count;

static int by_bytes(const void *a, const void *b) { return memcmp(a, b, sizeof nonces[0]); }

/* Takes the nonces of every page in every file of an image. The same record in two images is one use. */
static void collect(const fault_storage *fs) {
    for (size_t i = 0; i < fault_storage_count(fs); i++) {
        size_t len;
        const uint8_t *b = fault_storage_data(fs, fault_storage_name(fs, i), &len);
        omen_seal_record r;
        if (b == NULL || len < SEAL_HEADER) continue;
        for (size_t at = SEAL_HEADER; at + SEAL_RECORD <= len; at += 8) {
            if (!omen_seal_get_record(b + at, b + 32, omen_get32(b + 16), at, len - at, &r)) continue;
            for (uint32_t k = 0; k < omen_seal_pages(&r) && nonce_count < sizeof nonces / sizeof *nonces; k++) {
                uint8_t *n = nonces[nonce_count++];
                memset(n, 0, sizeof nonces[0]);
                memcpy(n, b + 32, 16);
                memcpy(n + 16, r.nonce, 12);
                n[24] ^= (uint8_t)k;
                memcpy(n + 28, b + at + omen_seal_page_at(&r, k), omen_seal_page_len(&r, k) < 16 ? omen_seal_page_len(&r, k) : 16); /* what was sealed with it */
            }
        }
    }
}

/* One folder is copied, and both copies are crashed, recovered and written on: no data key sees a nonce twice, but with the very same bytes. */
TEST(nonces_are_never_used_twice) {
    SKIP_WITHOUT_LIBCRYPTO();
    omen_encryption e = encryption_of(1);
    place p;
    omen_file *f;
    begin(&p, 1);
    pattern(model, 60000, 1);
    put(&p, "log-1", model, 4000);
    put(&p, "manifest-0", model, 300);
    nonce_count = 0;
    for (uint64_t copy = 0; copy < 80; copy++) {
        place c = {fault_host_new(copy + 10), copy % 2 == 0 ? fault_storage_clone(p.fs) : fault_storage_crash(p.fs, FAULT_CRASH_RANDOM, copy), {0}};
        CHECK_OK(wrap(&c, &e));
        for (int i = 0; i < 3; i++) {
            CHECK_OK(open_file(&c, "log-1", OMEN_FILE_WRITE, &f));
            CHECK_OK(c.storage.ops->truncate(c.storage.ctx, f, 3000));
            CHECK_OK(c.storage.ops->write_at(c.storage.ctx, f, 3000, model, 40000 + copy));
            CHECK_OK(sync_file(&c, f));
            close_file(&c, f);
            CHECK_OK(open_file(&c, "manifest-0", OMEN_FILE_WRITE, &f));
            CHECK_OK(c.storage.ops->write_at(c.storage.ctx, f, 0, model + copy, 200));
            CHECK_OK(sync_file(&c, f));
            close_file(&c, f);
            reopen(&c, &e);
        }
        collect(c.fs);
        end(&c);
    }
    collect(p.fs);
    qsort(nonces, nonce_count, sizeof nonces[0], by_bytes);
    unsigned twice = 0;
    for (size_t i = 1; i < nonce_count; i++) twice += memcmp(nonces[i - 1], nonces[i], 28) == 0 && memcmp(nonces[i - 1], nonces[i], sizeof nonces[0]) != 0;
    CHECK_EQ_UINT(twice, 0);
    CHECK(nonce_count > 500);
    printf("     %zu pages\n", nonce_count);
    end(&p);
}

/* ---- changing keys ---- */

static bool opens(fault_storage *fs, const omen_encryption *e) {
    place p = {fault_host_new(5), fs, {0}};
    size_t len;
    CHECK_OK(wrap(&p, e));
    bool good = true;
    for (uint32_t i = 0; i < 3; i++) {
        static const char *const names[] = {"manifest-1", "log-1", "seg-1"};
        pattern(model, 1000, i + 1);
        good = content(&p, names[i], seen, ROOM, &len) == OMEN_OK && len == 1000 && memcmp(seen, model, 1000) == 0 && good;
    }
    release(&p);
    CHECK_EQ_UINT(fault_host_bytes(p.host), 0);
    fault_host_free(p.host);
    return good;
}

TEST(power_lost_while_keys_change) {
    SKIP_WITHOUT_LIBCRYPTO();
    omen_encryption old = encryption_of(1), new = encryption_of(2), change = encryption_of(2);
    change.previous = &old.key;
    change.previous_count = 1;
    place p;
    begin(&p, 1);
    for (uint32_t i = 0; i < 3; i++) {
        static const char *const names[] = {"manifest-1", "log-1", "seg-1"};
        pattern(model, 1000, i + 1);
        put(&p, names[i], model, 1000);
    }
    unsigned images = 0;
    for (uint64_t n = 1, whole = 0; whole == 0; n++) {
        fault_storage *fs = fault_storage_clone(p.fs);
        omen_storage inner = fault_storage_session(fs);
        fault_storage_power_off_at(fs, n);
        uint64_t changed;
        whole = omen_storage_rekey_on(&p.host->host, &inner, &change, &changed) == OMEN_OK && !fault_storage_fault_hit(fs);
        if (whole) CHECK_EQ_UINT(changed, 3);
        for (int mode = 0; mode < FAULT_CRASH_MODES; mode++)
            for (uint64_t seed = 0; seed < 3; seed++) {
                fault_storage *after = fault_storage_crash(fs, (fault_crash_mode)mode, seed);
                images++;
                CHECK(opens(after, &change));
                /* Asked again, it is finished. */
                omen_storage again = fault_storage_session(after);
                CHECK_OK(omen_storage_rekey_on(&p.host->host, &again, &change, NULL));
                CHECK_OK(omen_storage_rekey_on(&p.host->host, &again, &change, &changed));
                CHECK_EQ_UINT(changed, 0);
                again.ops->release(again.ctx);
                CHECK(opens(after, &new));
                CHECK(!opens(after, &old));
                fault_storage_free(after);
            }
        inner.ops->release(inner.ctx);
        CHECK_STORAGE(fs);
        fault_storage_free(fs);
    }
    /* With keys that open nothing, nothing is changed. */
    omen_storage inner = fault_storage_session(p.fs);
    CHECK_STATUS(omen_storage_rekey_on(&p.host->host, &inner, &new, NULL), OMEN_ERR_KEY);
    inner.ops->release(inner.ctx);
    CHECK(opens(p.fs, &old));
    printf("     %u images\n", images);
    omen_test_report("crash_images", images);
    end(&p);
}

/* ---- the format ---- */

static omen_status counting_entropy(void *ctx, void *into, size_t len) {
    static uint32_t at;
    (void)ctx;
    if (into == NULL) at = 0; /* from the start */
    for (size_t i = 0; into != NULL && i < len; i++, at++) ((uint8_t *)into)[i] = (uint8_t)(at * 167 + 13);
    return OMEN_OK;
}

/* tests/golden/encrypted.bin, which tests/js/encrypted.test.mjs writes and reads too. OMEN_GOLDEN_WRITE=1 writes it. */
TEST(the_format_is_pinned) {
    SKIP_WITHOUT_LIBCRYPTO();
    omen_encryption e = encryption_of(0x42);
    place p = {fault_host_new(1), fault_storage_new(1), {0}};
    omen_file *f;
    size_t len;
    p.host->host.entropy = counting_entropy;
    (void)counting_entropy(NULL, NULL, 0);
    CHECK_OK(wrap(&p, &e));
    pattern(model, 70000, 9);
    CHECK_OK(open_file(&p, "seg-0000000000000001", OMEN_FILE_CREATE, &f));
    CHECK_OK(p.storage.ops->write_at(p.storage.ctx, f, 0, model, 100));
    CHECK_OK(p.storage.ops->truncate(p.storage.ctx, f, 90));
    CHECK_OK(p.storage.ops->write_at(p.storage.ctx, f, 120, model, 70000));
    CHECK_OK(p.storage.ops->write_at(p.storage.ctx, f, 10, model, 3));
    CHECK_OK(sync_file(&p, f));
    close_file(&p, f);
    const uint8_t *bytes = fault_storage_data(p.fs, "seg-0000000000000001", &len);
    static uint8_t golden[ROOM];
    const size_t golden_len = len;
    if (getenv("OMEN_GOLDEN_WRITE") != NULL) {
        FILE *out = fopen("tests/golden/encrypted.bin", "wb");
        CHECK(out != NULL && fwrite(bytes, 1, len, out) == len);
        if (out != NULL) fclose(out);
    }
    FILE *in = fopen("tests/golden/encrypted.bin", "rb");
    REQUIRE(in != NULL);
    CHECK_EQ_UINT(fread(golden, 1, ROOM, in), len);
    fclose(in);
    CHECK_MEM(bytes, golden, len);
    fault_storage_put(p.fs, "seg-0000000000000001", golden, len);
    CHECK_OK(content(&p, "seg-0000000000000001", seen, ROOM, &len));
    CHECK_EQ_UINT(len, 70120);
    CHECK_MEM(seen + 120, model, 70000);
    CHECK_MEM(seen + 10, model, 3);
    CHECK_MEM(seen + 13, model + 13, 77);
    for (size_t i = 90; i < 120; i++) CHECK(seen[i] == 0);
    /* As it was before new files had the second slot. */
    memset(golden + 512, 0, 512);
    fault_storage_put(p.fs, "seg-0000000000000001", golden, golden_len);
    reopen(&p, &e);
    CHECK_OK(content(&p, "seg-0000000000000001", seen, ROOM, &len));
    CHECK_EQ_UINT(len, 70120);
    CHECK_MEM(seen + 120, model, 70000);
    end(&p);
}

TEST_MAIN()
