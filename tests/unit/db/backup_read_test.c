/* Places of backups that cannot be read as they should: storages that fail at each of their calls, memory that ends, records that are cut, encrypted, newer, or of a size that no record has. */
#include "test.h"

#include "db/backup.h"
#include "script.h"

typedef struct bench { fault_host *h; omen_transfer_options o; char json[2000]; } bench;

/* A host with a place of two backups. */
static void begin(bench *b) {
    script s;
    script_state state = {{0}};
    memset(b, 0, sizeof *b);
    b->h = fault_host_new(7);
    omen_transfer_options_init(&b->o);
    b->o.host = &b->h->host;
    CHECK_OK(script_open(&s, b->h, OMEN_DURABILITY_GROUP, true));
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned k = 0; k < 6; k++) CHECK_OK(script_step(&s, 6 * i + k, &state));
        CHECK_OK(omen_backup(s.db, "backups", NULL, NULL));
    }
    script_close(&s);
}

static void end(bench *b) {
    CHECK_EQ_UINT(fault_host_bytes(b->h), 0);
    fault_host_free(b->h);
}

static omen_status list(bench *b, const char *place) {
    size_t needed;
    b->json[0] = '\0';
    return omen_backup_list(place, &b->o, b->json, sizeof b->json, &needed);
}

static size_t times(const char *text, const char *word) {
    size_t n = 0;
    for (; (text = strstr(text, word)) != NULL; text++) n++;
    return n;
}

TEST(storages_that_fail) {
    bench b;
    begin(&b);
    fault_storage *fs = fault_host_image(b.h, "backups");
    CHECK_OK(list(&b, "backups"));
    CHECK_EQ_UINT(times(b.json, "\"complete\""), 2);
    static const omen_status with[] = {OMEN_ERR_IO, OMEN_ERR_CORRUPT, OMEN_ERR_NOT_FOUND};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(with); i++) {
        unsigned refused = 0, damaged = 0;
        for (uint64_t k = 1; k < 100; k++) {
            fault_storage_fail_at(fs, k, with[i], false);
            omen_status st = list(&b, "backups");
            bool hit = fault_storage_fault_hit(fs);
            fault_storage_fail_at(fs, 0, OMEN_OK, false);
            if (!hit) break;
            if (st != OMEN_OK) CHECK_STATUS(st, with[i]);
            refused += st != OMEN_OK;
            damaged += times(b.json, "\"damaged\"") != 0;
        }
        CHECK(refused + damaged >= 2);
        CHECK((damaged != 0) == (with[i] == OMEN_ERR_CORRUPT)); /* of a record that its storage itself calls damaged the others are still told */
    }
    CHECK_OK(list(&b, "backups"));
    CHECK_EQ_UINT(times(b.json, "\"complete\""), 2);
    end(&b);
}

TEST(memory_that_ends) {
    bench b;
    begin(&b);
    omen_status st = OMEN_ERR_MEMORY;
    uint64_t k = 1;
    for (; st != OMEN_OK && k < 500; k++) {
        fault_host_fail_alloc_at(b.h, k, true);
        st = list(&b, "backups");
        fault_host_fail_alloc_at(b.h, 0, false);
        CHECK(st == OMEN_OK || st == OMEN_ERR_MEMORY);
    }
    CHECK(st == OMEN_OK && k > 5);
    end(&b);
}

/* A copy of the place, to be changed; the second backup's record is its own. */
static fault_storage *copy_of(bench *b, const char *name) {
    fault_host_set_image(b->h, name, fault_storage_clone(fault_host_image(b->h, "backups")));
    return fault_host_image(b->h, name);
}

#define SECOND "backup-0000000000000002"

TEST(records_that_are_none) {
    bench b;
    begin(&b);
    /* cut off while it was written: it never was */
    fault_storage *fs = copy_of(&b, "cut");
    fault_storage_cut(fs, SECOND, 100);
    fault_storage_put(fs, "making-0000000000000002", "", 0);
    CHECK_OK(list(&b, "cut"));
    CHECK_EQ_UINT(times(b.json, "\"unfinished\""), 1);
    CHECK_STATUS(omen_restore("cut", 2, "from-cut", &b.o, NULL), OMEN_ERR_NOT_FOUND);
    CHECK(strstr(omen_last_error(), "there is no backup 2") != NULL);
    CHECK_OK(omen_restore("cut", 0, "from-cut", &b.o, NULL)); /* the first */
    /* cut off later: damaged, also when nothing is left */
    for (size_t len = 0; len < 200; len += 99) {
        fs = copy_of(&b, "damaged");
        fault_storage_cut(fs, SECOND, len);
        CHECK_OK(list(&b, "damaged"));
        CHECK_EQ_UINT(times(b.json, "\"damaged\""), 1);
        CHECK_STATUS(omen_restore("damaged", 0, "from-damaged", &b.o, NULL), OMEN_ERR_CORRUPT);
        CHECK_STATUS(omen_restore("damaged", 3, "from-damaged", &b.o, NULL), OMEN_ERR_NOT_FOUND);
    }
    /* of a newer version */
    fs = copy_of(&b, "newer");
    fault_storage_set(fs, SECOND, 8, 2);
    CHECK_OK(list(&b, "newer"));
    CHECK_EQ_UINT(times(b.json, "\"newer\""), 1);
    CHECK_STATUS(omen_restore("newer", 0, "from-newer", &b.o, NULL), OMEN_ERR_VERSION);
    fault_storage_cut(fs, SECOND, 150); /* and cut: what it says of itself is no more to be believed */
    CHECK_OK(list(&b, "newer"));
    CHECK_EQ_UINT(times(b.json, "\"damaged\""), 1);
    /* encrypted */
    fs = copy_of(&b, "sealed");
    for (size_t i = 0; i < 8; i++) fault_storage_set(fs, SECOND, i, (uint8_t) "OMENSEAL"[i]);
    CHECK_STATUS(list(&b, "sealed"), OMEN_ERR_KEY);
    CHECK(strstr(omen_last_error(), "are encrypted") != NULL);
    /* a place with no backup */
    fs = copy_of(&b, "none");
    fault_storage_delete(fs, SECOND);
    fault_storage_delete(fs, "backup-0000000000000001");
    CHECK_STATUS(omen_restore("none", 0, "from-none", &b.o, NULL), OMEN_ERR_NOT_FOUND);
    CHECK(strstr(omen_last_error(), "there is no backup at") != NULL);
    /* a database's files */
    static const char *const files[] = {"log-0000000000000001", "seg-0000000000000001", "manifest-a"};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(files); i++) {
        fs = copy_of(&b, "mixed");
        for (size_t k = 0; k < fault_storage_count(fs);) fault_storage_delete(fs, fault_storage_name(fs, k));
        fault_storage_put(fs, files[i], "x", 1);
        CHECK_STATUS(list(&b, "mixed"), OMEN_ERR_FOREIGN);
        if (!CHECK(strstr(omen_last_error(), "is a database") != NULL)) printf("     %s: %s\n", files[i], omen_last_error());
    }
    end(&b);
}

/* Of a file that is larger than any record nothing is read. */
static omen_status vast(void *ctx, omen_file *f, uint64_t *out) {
    (void)ctx;
    (void)f;
    *out = UINT64_C(1) << 40;
    return OMEN_OK;
}

TEST(records_of_a_size_that_none_has) {
    bench b;
    begin(&b);
    omen_storage place = fault_storage_session(fault_host_image(b.h, "backups"));
    omen_storage_ops ops = *place.ops;
    ops.size = vast;
    place.ops = &ops;
    b.o.backups = &place;
    CHECK_OK(list(&b, NULL));
    CHECK_EQ_UINT(times(b.json, "\"damaged\""), 2);
    b.o.backups = NULL;
    CHECK_OK(list(&b, "backups"));
    end(&b);
}

TEST_MAIN()
