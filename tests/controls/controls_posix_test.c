/* Negative controls: for each mechanism that recovery relies on, the tests that are to notice its absence are run without it, and must fail; with it they pass. The programs are the
 * tests themselves, built with OMEN_NEGATIVE_CONTROLS (base/control.h), in the folder "controls" beside this one. */
#include "test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "report.h"

typedef struct control {
    const char *mechanism, *program, *test; /* a test whose name contains this */
} control;

static const control controls[] = {
    /* syncs */
    {"log_sync", "crash.store_crash", "of_a_log"},
    {"log_sync", "crash.course_crash", "courses"},
    {"log_sync_dir", "crash.store_crash", "of_a_log"},
    {"recovery_sync", "crash.course_crash", "courses"},
    {"recovery_sync", "crash.store_crash", "of_a_log"},
    {"recovery_sync_dir", "crash.store_crash", "of_a_log"},
    {"segment_sync", "crash.course_crash", "courses"},
    {"manifest_sync_named", "crash.course_crash", "courses"},
    {"manifest_settle", "simulation.simulation", "seeds"},
    {"manifest_sync", "crash.store_crash", "of_a_manifest"},
    {"manifest_wipe", "unit.store.manifest", "given_up"},
    {"manifest_twin", "unit.store.manifest", "founded"},
    {"manifest_sync_dir", "crash.store_crash", "of_a_manifest"},
    {"commit_waits", "crash.course_crash", "courses"},
    /* order */
    {"manifest_before_removal", "crash.course_crash", "courses"},
    {"log_commit", "crash.store_crash", "of_a_log"},
    /* checksums and links */
    {"log_crc", "corruption.store_log", ""},
    {"log_seed", "unit.store.log", ""},
    {"log_previous_crc", "unit.store.log", ""},
    {"manifest_header_crc", "corruption.store_manifest", ""},
    {"manifest_crc", "corruption.store_manifest", ""},
    {"segment_footer_crc", "corruption.store_segment", ""},
    {"segment_block_crc", "corruption.store_segment", ""},
    /* proofs */
    {"log_proof", "corruption.store_log", ""},
    {"manifest_proof", "unit.store.log", ""},
    /* the end of writing */
    {"log_poison", "unit.store.log", ""},
    {"db_poison", "fault.database_fault", "storage_call_fails_once"},
};

static char folder[512];

/* Runs a program's tests, answers whether they failed, by themselves or by dying; *passed: how many did not. */
static bool fails(const char *mechanism, const char *program, const char *test, char *first, size_t cap) {
    char command[900], line[400];
    bool named = false, asked = mechanism[0] == 0;
    snprintf(command, sizeof command, "OMEN_TEST_REPORT= OMEN_WITHOUT=%s OMEN_TEST_IMAGES=4000 OMEN_TEST_SEEDS=6000 '%s/controls/control.%s' %s 2>&1", mechanism, folder, program, test);
    first[0] = 0;
    FILE *f = popen(command, "r");
    if (f == NULL) return false;
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "FAIL ", 5) == 0 && !named) named = true, snprintf(first, cap, "%s", line + 5);
        asked = asked || (strstr(line, "was asked for") != NULL && strstr(line, "for 0 times") == NULL);
    }
    int status = pclose(f);
    bool died = !WIFEXITED(status) || WEXITSTATUS(status) > 1;
    if (died && !named) snprintf(first, cap, "the program died (%d)", status);
    if (!asked && !died) {
        snprintf(first, cap, "the mechanism was never asked for");
        return false;
    }
    return named || died;
}

TEST(the_tests_pass_with_every_mechanism_there) {
    char first[400];
    if (folder[0] == 0) TEST_SKIP("no folder of programs");
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++) {
        bool before = false;
        for (size_t k = 0; k < i; k++) before = before || (strcmp(controls[k].program, controls[i].program) == 0 && strcmp(controls[k].test, controls[i].test) == 0);
        if (before) continue;
        if (!CHECK(!fails("", controls[i].program, controls[i].test, first, sizeof first))) printf("        %s %s: %s\n", controls[i].program, controls[i].test, first);
    }
}

TEST(the_tests_fail_without_any_one_of_them) {
    char first[400];
    uint64_t shown = 0;
    if (folder[0] == 0) TEST_SKIP("no folder of programs");
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++) {
        bool noticed = fails(controls[i].mechanism, controls[i].program, controls[i].test, first, sizeof first);
        if (!CHECK(noticed)) printf("        nothing in %s %s notices that %s is missing: %s\n", controls[i].program, controls[i].test, controls[i].mechanism, first);
        else printf("     without %-24s %s: %s\n", controls[i].mechanism, controls[i].program, first);
        /* A mechanism that two tests are to notice counts once. */
        shown += noticed && (i == 0 || strcmp(controls[i].mechanism, controls[i - 1].mechanism) != 0);
    }
    omen_test_report("negative_controls", shown);
}

/* Where the programs are: beside this one's folder. */
int main(int argc, char **argv) {
    ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);
    for (int up = 0; up < 2 && n > 0; up++) {
        while (n > 0 && folder[n - 1] != '/') n--;
        if (n > 0) folder[--n] = 0;
    }
    if (n <= 0) folder[0] = 0;
    return test_main(argc, argv);
}
