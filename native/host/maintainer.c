/* maintainer.c - one thread that maintains the databases of this process: it flushes, merges, and syncs commits nobody waits for. It sleeps until
 * the host is woken, and looks again after 1 ms while a database has more to do, now and then otherwise. */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "host.h"

#define BUDGET_US 20000u
/* What failed may be tried again, although nobody woke the host: it looks after so many seconds. */
#define LATER_S 15

typedef struct entry {
    struct entry *next;
    omen_db *db;
    bool busy;   /* the thread is working on it */
} entry;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken, idle = PTHREAD_COND_INITIALIZER;
static entry *entries;
static bool running, work;

/* Works on every database once; true when one has more to do. The mutex is held, and let go during the work. */
static bool round_of_work(void) {
    bool more = false;
    for (entry *e = entries; e != NULL; e = e->next) {
        int left = 0;
        e->busy = true;
        pthread_mutex_unlock(&mutex);
        /* A failure poisons the database and is told by its next write. */
        omen_status s = omen_db_maintain(e->db, BUDGET_US, &left);
        pthread_mutex_lock(&mutex);
        e->busy = false;
        more = more || (s == OMEN_OK && left != 0);
        pthread_cond_broadcast(&idle);
    }
    return more;
}

static void *maintain(void *arg) {
    (void)arg;
    pthread_mutex_lock(&mutex);
    for (bool more = false;;) {
        while (!work && !more && entries == NULL) pthread_cond_wait(&woken, &mutex);
        if (!work) {
            struct timespec until;
            clock_gettime(CLOCK_MONOTONIC, &until);
            if (more) until.tv_nsec += 1000000;
            else until.tv_sec += LATER_S;
            if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, until.tv_sec++;
            pthread_cond_timedwait(&woken, &mutex, &until);
        }
        work = false;
        more = round_of_work();
    }
    return NULL;
}

void omen_maintainer_wake(void *ctx) {
    (void)ctx;
    pthread_mutex_lock(&mutex);
    work = true;
    if (running) pthread_cond_signal(&woken);
    pthread_mutex_unlock(&mutex);
}

void omen_platform_opened(omen_db *db);
void omen_platform_opened(omen_db *db) {
    entry *e = calloc(1, sizeof *e);
    if (e == NULL) return; /* writes then do the work themselves */
    e->db = db;
    pthread_mutex_lock(&mutex);
    if (!running) {
        pthread_t t;
        pthread_attr_t attributes;
        pthread_condattr_t clock;
        pthread_condattr_init(&clock);
        pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
        pthread_cond_init(&woken, &clock);
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        running = pthread_create(&t, &attributes, maintain, NULL) == 0;
        pthread_attr_destroy(&attributes);
    }
    e->next = entries;
    entries = e;
    work = true;
    if (running) pthread_cond_signal(&woken);
    pthread_mutex_unlock(&mutex);
}

void omen_platform_closing(omen_db *db);
void omen_platform_closing(omen_db *db) {
    pthread_mutex_lock(&mutex);
    entry **at = &entries;
    while (*at != NULL && (*at)->db != db) at = &(*at)->next;
    while (*at != NULL && (*at)->busy) {
        pthread_cond_wait(&idle, &mutex);
        at = &entries; /* others may have come or gone */
        while (*at != NULL && (*at)->db != db) at = &(*at)->next;
    }
    entry *gone = *at;
    if (gone != NULL) *at = gone->next;
    pthread_mutex_unlock(&mutex);
    free(gone);
}
