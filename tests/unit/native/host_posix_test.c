/* Memory, clocks, entropy, locks and parallel loops of the native host. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "omendb_native.h"
#include "test.h"

static bool aligned(const void *p) { return ((uintptr_t)p & 63) == 0; }

static uint8_t pattern(size_t i) { return (uint8_t)(i * 31 + (i >> 8)); }

TEST(memory_is_aligned_and_keeps_its_content) {
    const omen_host *h = omen_host_native();
    static const size_t sizes[] = {1, 63, 64, 65, 4096, 100000, (1u << 20) - 1, 1u << 20, (1u << 20) + 1, 3u << 20, 40u << 20, 5u << 20, 700, 2};
    REQUIRE(h != NULL);
    uint8_t *p = h->resize(h->ctx, NULL, 0, 1);
    size_t have = 1;
    REQUIRE(p != NULL);
    p[0] = pattern(0);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        uint8_t *n = h->resize(h->ctx, p, have, sizes[k]);
        REQUIRE(n != NULL);
        p = n;
        CHECK(aligned(p));
        bool same = true;
        for (size_t i = 0; i < sizes[k] && i < have; i++) same = same && p[i] == pattern(i);
        CHECK(same);
        for (size_t i = 0; i < sizes[k]; i++) p[i] = pattern(i);
        have = sizes[k];
    }
    h->free(h->ctx, p, have);
    h->free(h->ctx, NULL, 0);
    for (size_t size = 1; size < 5000; size += 37) {
        p = h->alloc(h->ctx, size);
        REQUIRE(p != NULL);
        CHECK(aligned(p));
        memset(p, 1, size);
        h->free(h->ctx, p, size);
    }
}

TEST(memory_that_is_not_there_is_null) {
    const omen_host *h = omen_host_native();
    CHECK(h->alloc(h->ctx, SIZE_MAX) == NULL);
    CHECK(h->alloc(h->ctx, SIZE_MAX / 2) == NULL);
    uint8_t *p = h->alloc(h->ctx, 100);
    REQUIRE(p != NULL);
    memset(p, 7, 100);
    CHECK(h->resize(h->ctx, p, 100, SIZE_MAX - 100) == NULL);
    CHECK(p[99] == 7); /* still there */
    h->free(h->ctx, p, 100);
    p = h->alloc(h->ctx, 2u << 20);
    REQUIRE(p != NULL);
    CHECK(h->resize(h->ctx, p, 2u << 20, SIZE_MAX - 8192) == NULL);
    h->free(h->ctx, p, 2u << 20);
}

TEST(clocks_and_entropy) {
    const omen_host *h = omen_host_native();
    uint64_t a = h->ticks_ns(h->ctx);
    CHECK(h->ticks_ns(h->ctx) >= a);
    CHECK(h->wall_ms(h->ctx) > INT64_C(1600000000000));
    uint8_t x[300] = {0}, y[300] = {0};
    CHECK_OK(h->entropy(h->ctx, x, sizeof x));
    CHECK_OK(h->entropy(h->ctx, y, sizeof y));
    CHECK(memcmp(x, y, sizeof x) != 0);
    CHECK_OK(h->entropy(h->ctx, x, 0));
}

typedef struct counting { const omen_host *h; void *lock; int value; } counting;

static void *count(void *arg) {
    counting *c = arg;
    for (int i = 0; i < 20000; i++) {
        c->h->lock_acquire(c->h->ctx, c->lock);
        c->value++;
        c->h->lock_release(c->h->ctx, c->lock);
    }
    return NULL;
}

TEST(locks_exclude) {
    counting c = {.h = omen_host_native()};
    c.lock = c.h->lock_new(c.h->ctx);
    REQUIRE(c.lock != NULL);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&threads[i], NULL, count, &c) == 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK_EQ_INT(c.value, 80000);
    c.h->lock_free(c.h->ctx, c.lock);
}

/* ---- loops ---- */

typedef struct loop {
    const omen_host *h;
    _Atomic unsigned char seen[5000];
    _Atomic size_t inner;
    bool nested;
} loop;

static void visit_inner(void *arg, size_t i) {
    (void)i;
    atomic_fetch_add(&((loop *)arg)->inner, 1);
}

static void visit(void *arg, size_t i) {
    loop *l = arg;
    atomic_fetch_add(&l->seen[i], 1);
    if (l->nested) l->h->parallel_for(l->h->ctx, 3, visit_inner, l);
}

static void run_loop(size_t n, bool nested) {
    static loop l;
    memset(&l, 0, sizeof l);
    l.h = omen_host_native();
    l.nested = nested;
    l.h->parallel_for(l.h->ctx, n, visit, &l);
    bool once = true;
    for (size_t i = 0; i < sizeof l.seen; i++) once = once && l.seen[i] == (i < n);
    CHECK(once);
    CHECK_EQ_UINT(l.inner, nested ? 3 * n : 0);
}

static void loops(void) {
    static const size_t sizes[] = {0, 1, 2, 3, 7, 64, 1000, 5000};
    for (int round = 0; round < 40; round++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) run_loop(sizes[k], round % 4 == 3);
}

/* The pool is made once for a process, so every number of threads gets a process of its own. */
TEST(every_step_of_a_loop_is_done_once_with_1_to_8_threads) {
    for (int threads = 1; threads <= 8; threads++) {
        int status;
        fflush(stdout);
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            char text[8];
            snprintf(text, sizeof text, "%d", threads);
            setenv("OMENDB_THREADS", text, 1);
            if (freopen("/dev/null", "w", stdout) == NULL) _exit(8);
            execl("/proc/self/exe", "host_posix_test", "in_a_process_of_its_own", (char *)NULL);
            _exit(9);
        }
        waitpid(pid, &status, 0);
        CHECK(WIFEXITED(status));
        if (WEXITSTATUS(status) == 9) TEST_SKIP("the program cannot start itself");
        CHECK_EQ_INT(WEXITSTATUS(status), 0);
    }
}

TEST(loops_in_a_process_of_its_own) {
    const char *threads = getenv("OMENDB_THREADS");
    if (threads == NULL) TEST_SKIP("run by the test before");
    CHECK_EQ_UINT(omen_host_native()->threads, (unsigned)atoi(threads));
    loops();
}

static void *run_loops(void *arg) {
    (void)arg;
    static _Atomic size_t sum;
    const omen_host *h = omen_host_native();
    loop *l = calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    l->h = h;
    for (int i = 0; i < 200; i++) h->parallel_for(h->ctx, 50, visit, l);
    for (size_t i = 0; i < 50; i++) atomic_fetch_add(&sum, l->seen[i]);
    free(l);
    return NULL;
}

TEST(loops_of_several_threads_at_once) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&threads[i], NULL, run_loops, NULL) == 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    run_loop(1000, false);
}

TEST_MAIN()
