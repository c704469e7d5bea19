/* threads.c - parallel_for on a pool. One loop runs at a time; a loop begun inside another, or while one runs, is done by its caller alone. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "host.h"

static struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t begin, end;
    uint64_t round;  /* counts loops */
    uint32_t working; /* workers still in this round */
    uint32_t workers;
    size_t n;
    void (*fn)(void *, size_t);
    void *arg;
    _Atomic size_t next;
    _Atomic bool busy;
} pool = {.mutex = PTHREAD_MUTEX_INITIALIZER, .begin = PTHREAD_COND_INITIALIZER, .end = PTHREAD_COND_INITIALIZER};

static void work(void) {
    for (size_t i; (i = atomic_fetch_add(&pool.next, 1)) < pool.n;) pool.fn(pool.arg, i);
}

static void *worker(void *arg) {
    uint64_t seen = 0;
    (void)arg;
    pthread_mutex_lock(&pool.mutex);
    for (;;) {
        while (pool.round == seen) pthread_cond_wait(&pool.begin, &pool.mutex);
        seen = pool.round;
        pthread_mutex_unlock(&pool.mutex);
        work();
        pthread_mutex_lock(&pool.mutex);
        if (--pool.working == 0) pthread_cond_signal(&pool.end);
    }
    return NULL;
}

/* Called once. Fewer threads than asked for are no failure: the loops are only slower. */
void omen_threads_start(uint32_t threads) {
    for (uint32_t i = 1; i < threads; i++) {
        pthread_t t;
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        if (pthread_create(&t, &attributes, worker, NULL) == 0) pool.workers++;
        pthread_attr_destroy(&attributes);
    }
}

void omen_threads_run(void *ctx, size_t n, void (*fn)(void *arg, size_t i), void *arg) {
    bool free = false;
    (void)ctx;
    if (pool.workers == 0 || n < 2 || !atomic_compare_exchange_strong(&pool.busy, &free, true)) {
        for (size_t i = 0; i < n; i++) fn(arg, i);
        return;
    }
    pthread_mutex_lock(&pool.mutex);
    pool.n = n;
    pool.fn = fn;
    pool.arg = arg;
    atomic_store(&pool.next, 0);
    pool.working = pool.workers;
    pool.round++;
    pthread_cond_broadcast(&pool.begin);
    pthread_mutex_unlock(&pool.mutex);
    work();
    pthread_mutex_lock(&pool.mutex);
    while (pool.working != 0) pthread_cond_wait(&pool.end, &pool.mutex);
    pthread_mutex_unlock(&pool.mutex);
    atomic_store(&pool.busy, false);
}
