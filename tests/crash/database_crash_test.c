/* Losing power at every call of a course of writes: whatever the disk kept, the database opens, nothing acknowledged is missing, and no batch is
 * there by half. Then the same while recovering from the first loss. */
#include "test.h"

#include "losses.h"
#include "report.h"

static omen_status open_plain(script *s, fault_host *h) { return script_open(s, h, OMEN_DURABILITY_GROUP, true); }

static losses l;

TEST(power_lost_at_every_call) {
    REQUIRE(losses_begin(&l, open_plain));
    losses_at_calls(&l, TEST_PICK(1, 3), 6);
    CHECK_EQ_UINT(l.wrong, 0);
    printf("     %llu calls, %llu images\n", (unsigned long long)l.calls, (unsigned long long)l.images);
    omen_test_report("crash_images", l.images);
}

/* A second loss while recovering from the first. */
TEST(power_lost_again_during_recovery) {
    REQUIRE(losses_begin(&l, open_plain));
    losses_twice(&l, TEST_PICK(7, 21), 24);
    CHECK_EQ_UINT(l.wrong, 0);
    printf("     %llu images\n", (unsigned long long)l.images);
    omen_test_report("two_level_images", l.images);
}

/* A disk that lies about syncs must be found out: otherwise these tests would pass without any sync at all. */
TEST(a_lying_disk_is_found_out) {
    for (int lie = 0; lie < 2; lie++) {
        REQUIRE(losses_begin(&l, open_plain));
        losses_with_lies(&l, 3, lie == 0, lie == 1);
        CHECK(l.wrong > 0);
    }
    omen_test_report("negative_controls", 2);
}

TEST_MAIN()
