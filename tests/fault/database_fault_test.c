/* Every call of the storage and every allocation fails once, and then for good: the answer is an error that says so, nothing that was acknowledged is
 * lost, nothing leaks, and the contract of the storage is kept. */
#include "test.h"

#include "report.h"
#include "script.h"

enum { STEPS = 45 };

typedef enum fault_kind { STORAGE_IO, STORAGE_FULL, MEMORY } fault_kind;

/* Runs the course with a fault at n; false when the fault did not come about any more. */
static bool run_with_fault(fault_kind kind, uint64_t n, bool sticky, unsigned pending) {
    fault_host *h = fault_host_new(1);
    fault_storage *fs = fault_host_image(h, "db");
    script s;
    script_state state = {{0}}, before = {{0}}, found;
    const char *why = "";
    fault_storage_set_pending(fs, pending);
    if (kind == MEMORY) fault_host_fail_alloc_at(h, n, sticky);
    else fault_storage_fail_at(fs, n, kind == STORAGE_FULL ? OMEN_ERR_FULL : OMEN_ERR_IO, sticky);
    omen_status st = script_open(&s, h, OMEN_DURABILITY_GROUP, true);
    unsigned step = 0;
    for (; st == OMEN_OK && step < STEPS; step++) {
        before = state;
        st = script_step(&s, step, &state);
        if (st != OMEN_OK) CHECK(omen_last_error()[0] != '\0');
        /* A write refused for want of memory has changed nothing, and is repeated when there is some again. */
        if (st == OMEN_ERR_MEMORY && !sticky) {
            state = before;
            st = script_step(&s, step, &state);
        }
    }
    bool hit = kind == MEMORY ? fault_host_fault_hit(h) : fault_storage_fault_hit(fs);
    script_close(&s);
    if (kind == MEMORY) CHECK(!hit || sticky || st == OMEN_OK || st == OMEN_ERR_MEMORY || st == OMEN_ERR_POISONED);
    if (fault_storage_misuse(fs) != NULL) printf("     fault at %llu\n", (unsigned long long)n);
    CHECK_STORAGE(fs);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    /* Afterwards all is well again. */
    fault_host_fail_alloc_at(h, 0, false);
    fault_storage_fail_at(fs, 0, OMEN_OK, false);
    omen_status again = script_open(&s, h, OMEN_DURABILITY_GROUP, true);
    if (again != OMEN_OK) printf("     fault at %llu: opening again: %s\n", (unsigned long long)n, omen_last_error());
    CHECK_STATUS(again, OMEN_OK);
    if (again == OMEN_OK && step > 0) {
        bool read = script_read(&s, &found, &why);
        if (!read) printf("     fault at %llu: %s\n", (unsigned long long)n, why);
        CHECK(read);
        /* What was acknowledged, with or without the write that failed. */
        bool good = memcmp(&found, &before, sizeof found) == 0 || memcmp(&found, &state, sizeof found) == 0;
        if (!good) printf("     fault at %llu: step %u, %s: acknowledged records differ\n", (unsigned long long)n, step, omen_status_name(st));
        CHECK(good);
        CHECK_STATUS(omen_check(s.db), OMEN_OK);
    }
    script_close(&s);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
    return hit;
}

static void each_call(fault_kind kind, bool sticky, unsigned pending, const char *what) {
    uint64_t n = 1, failed = 0;
    for (; run_with_fault(kind, n, sticky, pending); n += TEST_FAULT_STEP) failed++;
    printf("     %s%s: %llu of %llu calls\n", what, sticky ? ", for good" : ", once", (unsigned long long)failed, (unsigned long long)(n - 1));
    CHECK(n > 50);
    omen_test_report("fault_calls", failed);
}

TEST(every_storage_call_fails_once) { each_call(STORAGE_IO, false, 0, "input or output"); }
TEST(every_storage_call_fails_for_good) { each_call(STORAGE_IO, true, 0, "input or output"); }
TEST(the_disk_is_full_at_every_call) { each_call(STORAGE_FULL, true, 0, "disk full"); }
TEST(every_storage_call_fails_late) { each_call(STORAGE_IO, false, 50, "input or output, stalling"); }
TEST(every_allocation_fails_once) { each_call(MEMORY, false, 0, "memory"); }
TEST(every_allocation_fails_for_good) { each_call(MEMORY, true, 0, "memory"); }

TEST_MAIN()
