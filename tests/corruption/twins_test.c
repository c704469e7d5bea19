/* Databases that nobody has closed after writing yet: a new one, a restored one, and a clone. Every bit of either slot of the manifest changed, every length of it, and the slot gone: the
 * database opens with every record, for reading and for writing; the check tells just that slot; and a repair, or the first write of the manifest, makes it whole. */
#include "test.h"

#include "contains.h"
#include "report.h"
#include "script.h"

enum { STEPS = 26 };

static script_state want;
static unsigned long cases;

static omen_options options(const fault_host *h) {
    omen_options o;
    omen_options_init(&o);
    o.host = &h->host;
    o.pool_bytes = 1 << 20;
    o.manual_maintenance = 1;
    return o;
}

/* new: records in its first log alone, as after a kill. */
typedef enum origin { NEW, RESTORED, CLONED } origin;

static fault_storage *made(origin from) {
    fault_host *h = fault_host_new(5);
    script s;
    fault_storage *image;
    omen_transfer_options o;
    omen_transfer_options_init(&o);
    o.host = &h->host;
    memset(&want, 0, sizeof want);
    CHECK_STATUS(script_open(&s, h, OMEN_DURABILITY_GROUP, true), OMEN_OK);
    for (unsigned n = 0; n < (from == NEW ? 3 : STEPS); n++) CHECK_STATUS(script_step(&s, n, &want), OMEN_OK);
    if (from == CLONED) CHECK_STATUS(omen_clone(s.db, "new", &o, NULL), OMEN_OK);
    if (from == RESTORED) CHECK_STATUS(omen_backup(s.db, "backups", &o, NULL), OMEN_OK);
    if (from == RESTORED) CHECK_STATUS(omen_restore("backups", 1, "new", &o, NULL), OMEN_OK);
    image = fault_storage_crash(fault_host_image(h, from == NEW ? "db" : "new"), FAULT_CRASH_DURABLE, 1);
    script_close(&s);
    fault_host_free(h);
    return image;
}

/* All records are there; writes once more, so that the manifest is written when it is closed. */
static bool opens(fault_host *h) {
    script s;
    script_state got, ignored = want;
    const char *why = "";
    bool good = script_open_at(&s, "db", &h->host, OMEN_DURABILITY_GROUP, false) == OMEN_OK;
    if (!good) why = omen_last_error();
    good = good && script_read(&s, &got, &why) && CHECK(memcmp(&got, &want, sizeof got) == 0);
    if (!good) printf("     %s\n", why);
    if (good) CHECK_STATUS(script_step(&s, 0, &ignored), OMEN_OK);
    script_close(&s);
    return CHECK(good);
}

typedef enum note { NO_NOTE, NOTE, ANY_NOTE } note;

static uint64_t damage_of(fault_host *h, uint32_t flags, const char *slot, bool named, note torn) {
    omen_options o = options(h);
    omen_report *r = NULL;
    CHECK_STATUS(omen_repair("db", &o, flags, &r), OMEN_OK);
    if (r == NULL) return UINT64_MAX;
    uint64_t n = omen_report_damage(r);
    char file[40], torn_note[60];
    snprintf(file, sizeof file, "\"file\":\"%s\"", slot);
    snprintf(torn_note, sizeof torn_note, "%s was being written", slot);
    CHECK_EQ_UINT(contains(omen_report_json(r), file), named);
    if (torn != ANY_NOTE) CHECK_EQ_UINT(contains(omen_report_json(r), torn_note), torn);
    CHECK(!contains(omen_report_json(r), "\"loses\":true"));
    omen_report_free(r);
    return n;
}

/* how: 0 to 7 a bit, 8 cut there. all: it is also written, and repaired. */
static void damaged(const fault_storage *image, const char *slot, size_t at, int how, bool all) {
    for (int repaired = 0; repaired <= (int)all; repaired++) {
        fault_host *h = fault_host_new(6);
        fault_storage *copy = fault_storage_clone(image);
        if (how < 8) fault_storage_xor(copy, slot, at, (uint8_t)(1 << how));
        else fault_storage_cut(copy, slot, at);
        fault_host_set_image(h, "db", copy);
        CHECK_EQ_UINT(damage_of(h, 0, slot, how < 8, how == 8 ? NOTE : NO_NOTE), how < 8);
        if (all) {
            if (repaired) CHECK_EQ_UINT(damage_of(h, OMEN_REPAIR_WRITE, slot, how < 8, how == 8 ? NOTE : NO_NOTE), how < 8);
            if (repaired) CHECK_EQ_UINT(damage_of(h, 0, slot, false, how == 8 ? ANY_NOTE : NO_NOTE), 0); /* a write that was cut off is no damage: it may stay until the next one */
            CHECK(opens(h));
            CHECK_EQ_UINT(damage_of(h, 0, slot, false, NO_NOTE), 0);
        }
        cases++;
        fault_host_free(h);
    }
}

TEST(either_slot_is_enough_from_the_first_moment) {
    static const char *const slots[] = {"manifest-0", "manifest-1"};
    for (origin from = NEW; from <= CLONED; from++) {
        fault_storage *image = made(from);
        for (int k = 0; k < 2; k++) {
            size_t len;
            REQUIRE(CHECK(fault_storage_data(image, slots[k], &len) != NULL));
            for (size_t at = 0; at < len; at += TEST_PICK(1u, 5u))
                for (int how = 0; how <= 8; how++) damaged(image, slots[k], at, how, how == (int)(at % 17));
            fault_host *h = fault_host_new(6);
            fault_storage *copy = fault_storage_clone(image);
            fault_storage_delete(copy, slots[k]);
            fault_host_set_image(h, "db", copy);
            CHECK_EQ_UINT(damage_of(h, 0, slots[k], false, NO_NOTE), 0);
            CHECK(opens(h));
            CHECK(fault_storage_has(copy, slots[k]));
            fault_host_free(h);
        }
        fault_storage_free(image);
    }
    printf("        %lu damaged slots\n", cases);
    omen_test_report("corruption_cases", cases);
}

TEST_MAIN()
