/* Every byte of both slots, changed in every way that matters, and every truncation: the newest generation when its slot is whole, the one
 * before when the other is; never anything else. */
#include "test.h"

#include "report.h"
#include "store/manifest.h"
#include "store_fixture.h"

static const char newest[] = "the third generation's payload, which is somewhat longer than one";
static const char older[] = "the second generation";

static void expect(fault_storage *fs, const char *payload, size_t len, uint64_t generation) {
    fixture x;
    omen_manifest *m = NULL;
    fixture_init(&x, fs, 0, 1 << 20);
    CHECK_OK(omen_manifest_open(&x.store, &m, NULL));
    if (m != NULL) {
        const uint8_t *got;
        size_t got_len;
        omen_manifest_payload(m, &got, &got_len);
        CHECK_EQ_UINT(omen_manifest_generation(m), generation);
        if (CHECK_EQ_UINT(got_len, len)) CHECK_MEM(got, payload, len);
    }
    omen_manifest_close(m);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
}

TEST(every_byte_of_both_slots) {
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    omen_manifest *m = NULL;
    uint64_t checked = 0;
    fixture_init(&x, fs, 3, 1 << 20);
    REQUIRE_OK(omen_manifest_open(&x.store, &m, NULL));
    REQUIRE_OK(omen_manifest_write(m, "first", 5, NULL));
    REQUIRE_OK(omen_manifest_write(m, older, sizeof older, NULL));
    REQUIRE_OK(omen_manifest_write(m, newest, sizeof newest, NULL));
    omen_manifest_close(m);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);

    for (int slot = 0; slot < 2; slot++) {
        const char *name = slot == 0 ? "manifest-0" : "manifest-1";
        size_t len;
        const uint8_t *bytes = fault_storage_data(fs, name, &len);
        for (size_t at = 0; at < len; at++) {
            for (int how = 0; how < 11; how++) {
                uint8_t to = how < 8 ? (uint8_t)(bytes[at] ^ (1 << how)) : how == 8 ? 0 : 0xff;
                fault_storage *copy = fault_storage_clone(fs);
                if (how == 10) fault_storage_cut(copy, name, at);
                else fault_storage_set(copy, name, at, to);
                bool changed = how == 10 || to != bytes[at];
                if (slot == 1 && changed) expect(copy, older, sizeof older, 2);
                else expect(copy, newest, sizeof newest, 3);
                checked++;
                fault_storage_free(copy);
            }
        }
    }
    printf("        %" PRIu64 " damaged slots\n", checked);
    omen_test_report("corruption_cases", checked);
    fault_storage_free(fs);
}

TEST_MAIN()
