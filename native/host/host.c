#include "host.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* Pieces of this size and more are mapped by themselves: they go back to the system at once, and grow without copying. */
#define MAPPED ((size_t)1 << 20)

static size_t whole_pages(size_t size) { return (size + 4095) & ~(size_t)4095; }

#define HUGE ((size_t)4 << 20)

static void *host_alloc(void *ctx, size_t size) {
    (void)ctx;
    if (size >= MAPPED) {
        void *p = mmap(NULL, whole_pages(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
        /* Codes and links of an index are read all over: with pages of 4 KiB each of them is a miss in the table of pages too. */
        if (size >= HUGE) (void)madvise(p, whole_pages(size), MADV_HUGEPAGE);
#endif
        return p;
    }
    return aligned_alloc(64, (size + 63) & ~(size_t)63);
}

static void host_free(void *ctx, void *p, size_t size) {
    (void)ctx;
    if (size >= MAPPED) munmap(p, whole_pages(size));
    else free(p);
}

static void *host_resize(void *ctx, void *p, size_t old_size, size_t new_size) {
#ifdef __linux__
    if (old_size >= MAPPED && new_size >= MAPPED) {
        void *n = mremap(p, whole_pages(old_size), whole_pages(new_size), MREMAP_MAYMOVE);
        return n == MAP_FAILED ? NULL : n;
    }
#endif
    void *n = host_alloc(ctx, new_size);
    if (n == NULL || p == NULL) return n;
    memcpy(n, p, old_size < new_size ? old_size : new_size);
    host_free(ctx, p, old_size);
    return n;
}

static int64_t host_wall_ms(void *ctx) {
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t host_ticks_ns(void *ctx) {
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static omen_status host_entropy(void *ctx, void *into, size_t len) {
    (void)ctx;
    for (size_t at = 0; at < len;) {
        ssize_t n = getrandom((char *)into + at, len - at, 0);
        if (n < 0 && errno != EINTR) return OMEN_ERR_IO;
        if (n > 0) at += (size_t)n;
    }
    return OMEN_OK;
}

static void *host_lock_new(void *ctx) {
    (void)ctx;
    pthread_mutex_t *m = malloc(sizeof *m);
    if (m != NULL && pthread_mutex_init(m, NULL) != 0) {
        free(m);
        return NULL;
    }
    return m;
}

static void host_lock_acquire(void *ctx, void *lock) {
    (void)ctx;
    pthread_mutex_lock(lock);
}

static void host_lock_release(void *ctx, void *lock) {
    (void)ctx;
    pthread_mutex_unlock(lock);
}

static void host_lock_free(void *ctx, void *lock) {
    (void)ctx;
    pthread_mutex_destroy(lock);
    free(lock);
}

static const char *const levels[] = {"error", "warn", "info", "debug"};
static int log_level = OMEN_LOG_ERROR;

static void host_log(void *ctx, omen_log_level level, const char *line, size_t len) {
    (void)ctx;
    if ((int)level <= log_level) fprintf(stderr, "omendb %s: %.*s\n", levels[level], (int)len, line);
}

static omen_host host = {
    .struct_size = sizeof host,
    .alloc = host_alloc,
    .resize = host_resize,
    .free = host_free,
    .wall_ms = host_wall_ms,
    .ticks_ns = host_ticks_ns,
    .entropy = host_entropy,
    .parallel_for = omen_threads_run,
    .lock_new = host_lock_new,
    .lock_acquire = host_lock_acquire,
    .lock_release = host_lock_release,
    .lock_free = host_lock_free,
    .log = host_log,
    .wake = omen_maintainer_wake,
    .storage_open = omen_posix_storage_open,
    .storage_encrypt = omen_storage_encrypt,
};

/* Nobody could be told with a status. */
static void warn(const char *variable, const char *value, const char *values) {
    fprintf(stderr, "omendb: %s is \"%.60s\" and is left out of account; it must be %s\n", variable, value, values);
}

static void start(void) {
    const char *threads = getenv("OMENDB_THREADS"), *level = getenv("OMENDB_LOG");
    long n = threads == NULL ? 0 : strtol(threads, NULL, 10);
    bool good = threads == NULL || threads[0] == '\0' || (n >= 1 && n <= 256 && threads[strspn(threads, "0123456789")] == '\0');
    if (!good) warn("OMENDB_THREADS", threads, "a number from 1 to 256");
    if (n < 1 || n > 256 || !good) n = sysconf(_SC_NPROCESSORS_ONLN);
    host.threads = n < 1 ? 1 : n > 256 ? 256 : (uint32_t)n;
    good = level == NULL || level[0] == '\0';
    for (int i = 0; level != NULL && i < 4; i++)
        if (strcmp(level, levels[i]) == 0) log_level = i, good = true;
    if (!good) warn("OMENDB_LOG", level, "error, warn, info or debug");
    omen_threads_start(host.threads);
}

const omen_host *omen_host_native(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
    return &host;
}

void omen_platform_nap(void);
void omen_platform_nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

const omen_host *omen_platform_host(void);
const omen_host *omen_platform_host(void) { return omen_host_native(); }
