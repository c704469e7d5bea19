/* What is computed at first use is used first by several threads at once: each must get right answers (and the thread sanitizer sees no race). */
#include "test.h"

#include <pthread.h>

#include "base/hash.h"
#include "kernel/kernel.h"

#define THREADS 4

static uint8_t bytes[60000];
static pthread_barrier_t start;

typedef struct answers {
    uint32_t portable, offered;
    const omen_kernels *best;
} answers;

static void *first_use(void *arg) {
    answers *a = arg;
    pthread_barrier_wait(&start);
    a->best = omen_kernels_get();
    a->offered = a->best->crc32c(0, bytes, sizeof bytes);
    a->portable = omen_crc32c_portable(0, bytes, sizeof bytes);
    return NULL;
}

/* Bit by bit, as the polynomial is defined. */
static uint32_t by_definition(const uint8_t *p, size_t len) {
    uint32_t c = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        c ^= p[i];
        for (int bit = 0; bit < 8; bit++) c = (c & 1) != 0 ? (c >> 1) ^ 0x82F63B78u : c >> 1;
    }
    return ~c;
}

TEST(threads_that_come_first_at_once_agree) {
    pthread_t threads[THREADS];
    answers got[THREADS];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)test_rand();
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) REQUIRE(pthread_create(&threads[i], NULL, first_use, &got[i]) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    uint32_t want = by_definition(bytes, sizeof bytes);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ_UINT(got[i].portable, want);
        CHECK_EQ_UINT(got[i].offered, want);
        CHECK(got[i].best == omen_kernels_get());
    }
    pthread_barrier_destroy(&start);
}

TEST_MAIN()
