/* A place of backups that is encrypted, damaged: its storage says itself that bytes are wrong, and that is told, passed over and mended as in a plain one. */
#include "test.h"

#include "encrypted_posix.h"
#include "script.h"

static char text[8192];

static omen_status list(fault_host *h) {
    omen_transfer_options o;
    omen_transfer_options_init(&o);
    o.host = &h->host;
    o.verify = 1;
    return omen_backup_list("backups", &o, text, sizeof text, NULL);
}

/* In the header, in a page, or in the header of the first record: without that it is as if nothing had been written. */
static void hurt(fault_storage *fs, const char *name, unsigned where) {
    size_t len;
    (void)fault_storage_data(fs, name, &len);
    fault_storage_xor(fs, name, where == 0 ? 40 : where == 1 ? len - 40 : 1032, 0x10);
    if (where == 0) fault_storage_xor(fs, name, 512 + 40, 0x10); /* both slots: one is enough */
}

TEST(damage_is_found_and_mended) {
    if (!omen_gcm_available()) TEST_SKIP("no libcrypto");
    fault_host *h = fault_host_new(3);
    script s;
    script_state state = {0};
    omen_transfer_report r;
    encrypt_host(h, encryption_of(5));
    CHECK_STATUS(script_open(&s, h, OMEN_DURABILITY_GROUP, true), OMEN_OK);
    for (unsigned i = 0; i < 40; i++) CHECK_STATUS(script_step(&s, i, &state), OMEN_OK);
    CHECK_STATUS(omen_flush(s.db), OMEN_OK);
    CHECK_STATUS(omen_backup(s.db, "backups", NULL, NULL), OMEN_OK);
    CHECK_STATUS(omen_backup(s.db, "backups", NULL, NULL), OMEN_OK);
    fault_storage *whole = fault_storage_clone(fault_host_image(h, "backups"));
    unsigned data = 0;
    for (size_t f = 0; f < fault_storage_count(whole); f++) {
        const char *name = fault_storage_name(whole, f);
        for (unsigned where = 0; where < 3; where++) {
            fault_storage *copy = fault_storage_clone(whole);
            hurt(copy, name, where);
            fault_host_set_image(h, "backups", copy);
            CHECK_STATUS(list(h), OMEN_OK);
            CHECK(strstr(text, "\"state\":\"damaged\"") != NULL && strstr(text, "unfinished") == NULL);
            omen_transfer_options o;
            omen_transfer_options_init(&o);
            o.verify = 1;
            CHECK_STATUS(omen_backup(s.db, "backups", &o, &r), OMEN_OK);
            if (strncmp(name, "data-", 5) != 0) continue;
            data++;
            CHECK_EQ_UINT(r.copied_files, 2); /* what was damaged, and the log */
            CHECK_STATUS(list(h), OMEN_OK);
            CHECK(strstr(text, "damaged") == NULL);
        }
    }
    CHECK(data != 0);
    fault_storage_free(whole);
    script_close(&s);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

TEST(keys_of_backups_are_changed) {
    if (!omen_gcm_available()) TEST_SKIP("no libcrypto");
    fault_host *h = fault_host_new(4);
    script s;
    script_state state = {0};
    uint64_t changed = 0;
    encrypt_host(h, encryption_of(5));
    CHECK_STATUS(script_open(&s, h, OMEN_DURABILITY_GROUP, true), OMEN_OK);
    for (unsigned i = 0; i < 40; i++) CHECK_STATUS(script_step(&s, i, &state), OMEN_OK);
    CHECK_STATUS(omen_backup(s.db, "backups", NULL, NULL), OMEN_OK);
    script_close(&s);
    fault_storage *image = fault_host_image(h, "backups");
    const omen_encryption old = encryption_of(5);
    omen_encryption new = encryption_of(6);
    new.previous = &old.key;
    new.previous_count = 1;
    omen_storage inner = fault_storage_session(image);
    CHECK_STATUS(omen_storage_rekey_on(&h->host, &inner, &new, &changed), OMEN_OK);
    inner.ops->release(inner.ctx);
    CHECK_EQ_UINT(changed, fault_storage_count(image));
    CHECK_STATUS(list(h), OMEN_ERR_KEY);
    encrypt_host(h, encryption_of(6));
    CHECK_STATUS(list(h), OMEN_OK);
    CHECK(strstr(text, "\"state\":\"complete\"") != NULL);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

/* Plain backups to an encrypted place, and the other way round: refused, and nothing there has changed. */
TEST(a_place_of_the_other_kind_is_left_as_it_is) {
    if (!omen_gcm_available()) TEST_SKIP("no libcrypto");
    fault_host *hosts[2];
    script s[2];
    for (unsigned i = 0; i < 2; i++) {
        script_state state = {0};
        hosts[i] = fault_host_new(5 + i);
        if (i == 1) encrypt_host(hosts[i], encryption_of(5));
        CHECK_STATUS(script_open(&s[i], hosts[i], OMEN_DURABILITY_GROUP, true), OMEN_OK);
        for (unsigned k = 0; k < 40; k++) CHECK_STATUS(script_step(&s[i], k, &state), OMEN_OK);
        CHECK_STATUS(omen_backup(s[i].db, "backups", NULL, NULL), OMEN_OK);
    }
    fault_storage *others[2] = {fault_storage_clone(fault_host_image(hosts[1], "backups")), fault_storage_clone(fault_host_image(hosts[0], "backups"))};
    for (unsigned i = 0; i < 2; i++) {
        uint64_t before = fault_storage_hash(others[i]);
        fault_host_set_image(hosts[i], "backups", others[i]);
        CHECK_STATUS(omen_backup(s[i].db, "backups", NULL, NULL), OMEN_ERR_KEY);
        CHECK_STATUS(list(hosts[i]), OMEN_ERR_KEY);
        CHECK(strstr(omen_last_error(), "key") != NULL);
        CHECK_EQ_UINT(fault_storage_hash(others[i]), before);
        script_close(&s[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ_UINT(fault_host_bytes(hosts[i]), 0);
        fault_host_free(hosts[i]);
    }
}

TEST_MAIN()
