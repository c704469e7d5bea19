/* Headers of encrypted files: either of the two slots is enough; what is damaged is remembered, told and mended; without both there is nothing. */
#include "test.h"

#include "encrypted_place_posix.h"
#include "base/base.h"
#include "report.h"

static uint8_t model[ROOM], seen[ROOM];

/* Its header gone, a slot is damaged for readers, and replaced by writers: the other slot counts. Any other file stays as it is. */
TEST(a_header_that_is_gone) {
    SKIP_WITHOUT_LIBCRYPTO();
    place p;
    omen_file *f;
    size_t len;
    omen_encryption e = encryption_of(1);
    static const char *const names[] = {"manifest-1", "seg-1", "log-1"};
    begin(&p, 1);
    pattern(model, 600, 1);
    for (int i = 0; i < 3; i++) {
        put(&p, names[i], model, 600);
        fault_storage_xor(p.fs, names[i], 100, 1);
        fault_storage_xor(p.fs, names[i], 512 + 300, 1);
        reopen(&p, &e);
        CHECK_STATUS(content(&p, names[i], seen, ROOM, &len), OMEN_ERR_CORRUPT);
        omen_status s = open_file(&p, names[i], OMEN_FILE_WRITE, &f);
        CHECK_STATUS(s, i == 0 ? OMEN_OK : OMEN_ERR_CORRUPT);
        if (s != OMEN_OK) continue;
        CHECK_OK(p.storage.ops->write_at(p.storage.ctx, f, 0, model, 500));
        CHECK_OK(sync_file(&p, f));
        close_file(&p, f);
        reopen(&p, &e);
        CHECK_OK(content(&p, names[i], seen, ROOM, &len));
        CHECK_EQ_UINT(len, 500);
        CHECK_MEM(seen, model, len);
    }
    end(&p);
}

/* Every bit of either slot of the header, and the slot filled or gone: the other one is enough, and tells a wrong key from damage. Changing keys, to the same one, writes the slot
 * again; so it does in a file of before, which has zeros there. */
TEST(either_slot_of_a_header_is_enough) {
    SKIP_WITHOUT_LIBCRYPTO();
    enum { SLOT = 512, FILLED = 8 * SLOT, EMPTY };
    place p;
    size_t len;
    omen_encryption right = encryption_of(1), wrong = encryption_of(2);
    begin(&p, 1);
    pattern(model, 600, 1);
    put(&p, "seg-1", model, 600);
    fault_storage *whole = fault_storage_clone(p.fs);
    const uint8_t *bytes = fault_storage_data(whole, "seg-1", &len);
    REQUIRE(CHECK(bytes != NULL && len > 2 * SLOT));
    CHECK_MEM(bytes, bytes + SLOT, SLOT);
    uint64_t hash = fault_storage_hash(whole);
    for (int slot = 0; slot < 2; slot++)
        for (size_t how = 0; how <= EMPTY; how++) {
            size_t at = (size_t)slot * SLOT;
            if (how < FILLED) fault_storage_xor(p.fs, "seg-1", at + how / 8, (uint8_t)(1u << how % 8));
            for (size_t i = 0; how >= FILLED && i < SLOT; i++) fault_storage_set(p.fs, "seg-1", at + i, how == FILLED ? 0xff : 0);
            reopen(&p, &right);
            CHECK_OK(content(&p, "seg-1", seen, ROOM, &len));
            CHECK(len == 600 && memcmp(seen, model, len) == 0);
            reopen(&p, &wrong);
            CHECK_STATUS(content(&p, "seg-1", seen, ROOM, &len), OMEN_ERR_KEY);
            if (how % 64 == 0 || how >= FILLED) {
                uint64_t changed = 9;
                omen_storage inner = fault_storage_session(p.fs);
                CHECK_STATUS(omen_storage_rekey_on(&p.host->host, &inner, &wrong, NULL), OMEN_ERR_KEY);
                CHECK_OK(omen_storage_rekey_on(&p.host->host, &inner, &right, &changed));
                inner.ops->release(inner.ctx);
                CHECK_EQ_UINT(changed, 0); /* the key is the same */
                fault_storage_set(p.fs, "seg-1", (size_t)(1 - slot) * SLOT, 0); /* the other one is needed no more */
                reopen(&p, &right);
                CHECK_OK(content(&p, "seg-1", seen, ROOM, &len));
                CHECK(len == 600 && memcmp(seen, model, len) == 0);
            }
            const uint8_t *was = fault_storage_data(whole, "seg-1", &len);
            fault_storage_put(p.fs, "seg-1", was, len);
        }
    CHECK_EQ_UINT(fault_storage_hash(whole), hash);
    omen_test_report("corruption_cases", 2 * (EMPTY + 1));
    fault_storage_free(whole);
    end(&p);
}

TEST(a_header_that_is_cut_off_in_its_second_slot_is_made_whole) {
    SKIP_WITHOUT_LIBCRYPTO();
    static const size_t lengths[] = {512, 700, 1023, 1024};
    omen_encryption e = encryption_of(1);
    for (size_t i = 0; i < 4; i++) {
        place p;
        omen_file *f;
        size_t len;
        begin(&p, 1);
        pattern(model, 600, 1);
        put(&p, "manifest-1", model, 600);
        fault_storage_cut(p.fs, "manifest-1", lengths[i]);
        reopen(&p, &e);
        CHECK_OK(content(&p, "manifest-1", seen, ROOM, &len));
        CHECK_EQ_UINT(len, 0);
        reopen(&p, &e);
        CHECK_OK(open_file(&p, "manifest-1", OMEN_FILE_WRITE, &f));
        CHECK_OK(p.storage.ops->write_at(p.storage.ctx, f, 0, model, 600));
        CHECK_OK(sync_file(&p, f));
        close_file(&p, f);
        const uint8_t *bytes = fault_storage_data(p.fs, "manifest-1", &len);
        CHECK_MEM(bytes, bytes + 512, 512);
        fault_storage_xor(p.fs, "manifest-1", 100, 1);
        reopen(&p, &e);
        CHECK_OK(content(&p, "manifest-1", seen, ROOM, &len));
        CHECK(len == 600 && memcmp(seen, model, len) == 0);
        end(&p);
    }
}

static void count_flaws(void *arg, const char *name, uint64_t offset, uint64_t bytes) {
    (void)name;
    CHECK(offset % 512 == 0 && offset < 1024 && bytes == 512);
    ++*(unsigned *)arg;
}

static unsigned flaws_of(place *p) {
    unsigned n = 0;
    CHECK_OK(p->storage.ops->flaws(p->storage.ctx, 0, count_flaws, &n));
    return n;
}

/* A damaged slot is remembered while the file is there, and until it is in order again. */
TEST(damaged_slots_are_remembered) {
    SKIP_WITHOUT_LIBCRYPTO();
    place p;
    omen_status s;
    size_t len;
    omen_encryption e = encryption_of(1);
    static const char *const names[] = {"log-1", "seg-1", "seg-2"};
    begin(&p, 1);
    pattern(model, 600, 1);
    for (int i = 0; i < 3; i++) put(&p, names[i], model, 600);
    for (int i = 0; i < 3; i++) fault_storage_xor(p.fs, names[i], 512 * (size_t)(i % 2) + 7, 1);
    reopen(&p, &e);
    CHECK_EQ_UINT(flaws_of(&p), 0); /* nothing was opened yet */
    for (int again = 0; again < 2; again++)
        for (int i = 0; i < 3; i++) CHECK_OK(content(&p, names[i], seen, ROOM, &len));
    CHECK_EQ_UINT(flaws_of(&p), 3);
    DO(s, p.storage.ops->remove(p.storage.ctx, "seg-1"));
    CHECK_OK(s);
    CHECK_EQ_UINT(flaws_of(&p), 2);
    fault_storage_xor(p.fs, "log-1", 7, 1); /* somebody else has mended it */
    CHECK_OK(content(&p, "log-1", seen, ROOM, &len));
    CHECK_EQ_UINT(flaws_of(&p), 1);
    fault_storage_delete(p.fs, "seg-2"); /* or removed it */
    DO(s, p.storage.ops->flaws(p.storage.ctx, 1, NULL, NULL));
    CHECK_OK(s);
    CHECK_EQ_UINT(flaws_of(&p), 0);
    end(&p);
}

TEST_MAIN()
