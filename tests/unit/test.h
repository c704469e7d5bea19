/* test.h - the frame of every C test: one program per file, no dependency but the C library.
 *
 *     #include "test.h"
 *     TEST(addition_is_commutative) { CHECK_EQ_INT(1 + 2, 2 + 1); }
 *     TEST_MAIN()
 *
 * A failed CHECK is printed and counted, and the test goes on; a failed REQUIRE leaves the test. Run a program with
 * arguments to run only the tests whose name contains one of them; with --list to see the names.
 *
 * Random input comes from test_rand(): seeded by OMEN_TEST_SEED (a number, or "random"), printed on the first line,
 * and restarted for every test from the seed and the test's name, so one test alone repeats what it did among others.
 *
 * The closing line is "N passed, N failed", in tests; the exit status is 0 when nothing failed.
 *
 * The same tests run in every build. The first one, native-gcc, goes through all of them in full. Elsewhere TEST_REDUCED
 * is true, and what only repeats the same code on more data says TEST_PICK(in full, reduced). TEST_EMULATED is true
 * under qemu, where everything takes thirty times as long.
 */
#ifndef OMEN_TEST_H
#define OMEN_TEST_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "omendb_status.h"

#define TEST_UNUSED __attribute__((unused))

/* 0: in full; 1: reduced; 2: emulated. Set by tests/CMakeLists.txt. */
#ifndef OMEN_TEST_REDUCED
#define OMEN_TEST_REDUCED 0
#endif
#define TEST_REDUCED (OMEN_TEST_REDUCED >= 1)
#define TEST_EMULATED (OMEN_TEST_REDUCED >= 2)
#define TEST_PICK(in_full, reduced) (TEST_REDUCED ? (reduced) : (in_full))

/* With how large steps a loop goes over "the call that fails": each of them in full, where the host counts what leaks and marks what is freed; a third
 * of them where AddressSanitizer looks at it, too. Always odd, so that what alternates with the number of the call goes on alternating. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_FAULT_STEP 3u
#elif __has_feature(memory_sanitizer)
#define TEST_FAULT_STEP 7u
#endif
#endif
#ifndef TEST_FAULT_STEP
#define TEST_FAULT_STEP (TEST_EMULATED ? 25u : TEST_REDUCED ? 5u : 1u)
#endif

typedef struct test_case {
    const char *name;
    void (*run)(void);
    struct test_case *next;
} test_case;

static test_case *test_first, **test_tail __attribute__((unused)) = &test_first; /* fuzz targets use the checks alone */
static uint64_t test_base_seed = 1, test_rng_state;
static unsigned test_failures; /* failed checks of the running test */
static const char *test_skip_reason;

/* Tests register themselves before main, in the order in which they stand in the file. */
#define TEST(test_name)                                                                                                \
    static void test_name(void);                                                                                       \
    __attribute__((constructor)) static void test_name##_register(void) {                                              \
        static test_case self = {#test_name, test_name, NULL};                                                         \
        *test_tail = &self;                                                                                            \
        test_tail = &self.next;                                                                                        \
    }                                                                                                                  \
    static void test_name(void)

/* The next 64 random bits (SplitMix64; Steele, Lea and Flood, 2014). */
static TEST_UNUSED uint64_t test_rand(void) {
    uint64_t z = (test_rng_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A random number below n; n > 0. The bias of the remainder does not matter to a test. */
static TEST_UNUSED uint64_t test_rand_below(uint64_t n) { return test_rand() % n; }

/* A random float in [-1, 1). */
static TEST_UNUSED float test_rand_float(void) { return (float)(test_rand() >> 40) / 8388608.0f - 1.0f; }

static TEST_UNUSED uint64_t test_seed(void) { return test_base_seed; }

static TEST_UNUSED const char *test_status_name(int status) {
    switch (status) {
#define X(name, value, text)                                                                                           \
    case value: return "OMEN_" #name;
        OMEN_STATUS_MAP(X)
#undef X
    default: return "not a status";
    }
}

/* Counts a failure; prints the first twenty of a test. Returns whether there is still something to print. */
static TEST_UNUSED bool test_fail(const char *file, int line, const char *what) {
    test_failures++;
    if (test_failures > 20) return false;
    printf("    %s:%d: %s\n", file, line, what);
    return true;
}

static TEST_UNUSED bool test_check_int(const char *file, int line, const char *what, int64_t got, int64_t want) {
    if (got == want) return true;
    if (test_fail(file, line, what)) printf("        got %" PRId64 ", want %" PRId64 "\n", got, want);
    return false;
}

static TEST_UNUSED bool test_check_uint(const char *file, int line, const char *what, uint64_t got, uint64_t want) {
    if (got == want) return true;
    if (test_fail(file, line, what))
        printf("        got %" PRIu64 " (0x%" PRIx64 "), want %" PRIu64 " (0x%" PRIx64 ")\n", got, got, want, want);
    return false;
}

static TEST_UNUSED bool test_check_str(const char *file, int line, const char *what, const char *got,
                                       const char *want) {
    if (got == want || (got && want && strcmp(got, want) == 0)) return true;
    if (test_fail(file, line, what))
        printf("        got  \"%s\"\n        want \"%s\"\n", got ? got : "(null)", want ? want : "(null)");
    return false;
}

static TEST_UNUSED bool test_check_mem(const char *file, int line, const char *what, const void *got, const void *want,
                                       size_t size) {
    const unsigned char *a = got, *b = want;
    if (size == 0 || memcmp(a, b, size) == 0) return true;
    size_t at = 0;
    while (a[at] == b[at]) at++;
    if (test_fail(file, line, what))
        printf("        differs at byte %zu of %zu: got 0x%02x, want 0x%02x\n", at, size, a[at], b[at]);
    return false;
}

static TEST_UNUSED bool test_check_status(const char *file, int line, const char *what, int got, int want) {
    if (got == want) return true;
    if (test_fail(file, line, what))
        printf("        got %s, want %s\n", test_status_name(got), test_status_name(want));
    return false;
}

/* Floats are compared by bits: NaN equals itself, and 0 differs from -0. */
static TEST_UNUSED bool test_check_float(const char *file, int line, const char *what, float got, float want) {
    if (memcmp(&got, &want, sizeof got) == 0) return true;
    if (test_fail(file, line, what)) printf("        got %a (%g), want %a (%g)\n", got, got, want, want);
    return false;
}

static TEST_UNUSED bool test_check_true(const char *file, int line, const char *what, bool got) {
    if (!got) test_fail(file, line, what);
    return got;
}

#define CHECK(condition) test_check_true(__FILE__, __LINE__, #condition, (condition))
#define CHECK_EQ_INT(got, want)                                                                                        \
    test_check_int(__FILE__, __LINE__, #got " == " #want, (int64_t)(got), (int64_t)(want))
#define CHECK_EQ_UINT(got, want)                                                                                       \
    test_check_uint(__FILE__, __LINE__, #got " == " #want, (uint64_t)(got), (uint64_t)(want))
#define CHECK_EQ_STR(got, want) test_check_str(__FILE__, __LINE__, #got " == " #want, (got), (want))
#define CHECK_MEM(got, want, size) test_check_mem(__FILE__, __LINE__, #got " == " #want, (got), (want), (size))
#define CHECK_BITS(got, want) test_check_float(__FILE__, __LINE__, #got " == " #want, (got), (want))
#define CHECK_STATUS(expression, want) test_check_status(__FILE__, __LINE__, #expression, (int)(expression), (int)(want))
#define CHECK_OK(expression) CHECK_STATUS(expression, OMEN_OK)

/* As above, but leave the (void) function when the check fails. */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!CHECK(condition)) return;                                                                                 \
    } while (0)
#define REQUIRE_OK(expression)                                                                                         \
    do {                                                                                                               \
        if (!CHECK_OK(expression)) return;                                                                             \
    } while (0)

/* Leaves the test; it counts neither as passed nor as failed. */
#define TEST_SKIP(reason)                                                                                              \
    do {                                                                                                               \
        test_skip_reason = (reason);                                                                                   \
        return;                                                                                                        \
    } while (0)

static TEST_UNUSED bool test_wanted(const char *name, int argc, char **argv) {
    if (argc < 2) return true;
    for (int i = 1; i < argc; i++)
        if (strstr(name, argv[i])) return true;
    return false;
}

static TEST_UNUSED int test_main(int argc, char **argv) {
    const char *seed = getenv("OMEN_TEST_SEED");
    if (seed && strcmp(seed, "random") == 0)
        test_base_seed = (uint64_t)time(NULL);
    else if (seed && *seed)
        test_base_seed = strtoull(seed, NULL, 0);

    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (test_case *t = test_first; t; t = t->next) printf("%s\n", t->name);
        return 0;
    }

    unsigned passed = 0, failed = 0, skipped = 0;
    printf("OMEN_TEST_SEED=%" PRIu64 "\n", test_base_seed);
    for (test_case *t = test_first; t; t = t->next) {
        if (!test_wanted(t->name, argc, argv)) continue;
        test_rng_state = test_base_seed;
        for (const char *c = t->name; *c; c++) test_rng_state = test_rng_state * 31 + (unsigned char)*c;
        test_failures = 0;
        test_skip_reason = NULL;
        t->run();
        if (test_failures) {
            failed++;
            printf("FAIL %s: %u failed checks\n", t->name, test_failures);
        } else if (test_skip_reason) {
            skipped++;
            printf("skip %s: %s\n", t->name, test_skip_reason);
        } else {
            passed++;
            printf("ok   %s\n", t->name);
        }
        fflush(stdout);
    }
    if (passed + failed + skipped == 0) {
        printf("no test has such a name; --list shows them\n");
        failed++;
    }
    if (skipped) printf("%u skipped\n", skipped);
    printf("%u passed, %u failed\n", passed, failed);
    return failed ? 1 : 0;
}

#define TEST_MAIN()                                                                                                    \
    int main(int argc, char **argv) { return test_main(argc, argv); }

#endif
