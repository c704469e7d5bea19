#include "node/lanes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READERS_MAX 16

typedef struct queue { job *first, **last; } queue;

typedef struct crew {
    lanes *lanes;
    queue queue;
    pthread_cond_t work;
    unsigned queued, threads, idle, max;
    pthread_t ids[READERS_MAX];
} crew;

struct lanes {
    pthread_mutex_t mutex;
    pthread_cond_t work; /* for the starter */
    queue to_start, done;
    crew crews[LANES];
    pthread_t starter;
    bool starting; /* the starter runs */
    bool stop;
    void (*tell)(void *arg);
    void *arg;
};

static void queue_init(queue *q) {
    q->first = NULL;
    q->last = &q->first;
}

static void push(queue *q, job *j) {
    j->next = NULL;
    *q->last = j;
    q->last = &j->next;
}

static job *pop(queue *q) {
    job *j = q->first;
    if (j == NULL) return NULL;
    q->first = j->next;
    if (q->first == NULL) q->last = &q->first;
    return j;
}

static void append(queue *q, queue *from) {
    if (from->first == NULL) return;
    *q->last = from->first;
    q->last = from->last;
    queue_init(from);
}

lane lane_of(const void *request, size_t len) {
    static const char *const reads[] = {"get", "search", "searchMany", "scroll", "count", "explain", "metrics", "stats", "version", "collections"};
    static const char *const whole[] = {"open", "close", "flush", "compact", "buildIndexes", "maintain", "check", "checkReport",
                                        "transfer", "purge", "task", "taskEnd"};
    const unsigned char *p = request;
    uint32_t json, parts;
    char op[16] = "";
    if (len < 16) return LANE_READ;
    memcpy(&json, p + 8, 4);
    memcpy(&parts, p + 12, 4);
    if (parts > 64 || len - 16 < 16 * (size_t)parts || len - 16 - 16 * (size_t)parts < json) return LANE_READ;
    const char *text = (const char *)p + 16 + 16 * (size_t)parts, *at = memmem(text, json, "\"op\":\"", 6);
    for (size_t i = 0; at != NULL && i + 1 < sizeof op && at + 6 + i < text + json && at[6 + i] != '"'; i++) op[i] = at[6 + i];
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++)
        if (strcmp(op, reads[i]) == 0) return LANE_READ;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strcmp(op, whole[i]) == 0) return LANE_WHOLE;
    return LANE_WRITE;
}

/* ---- the threads; the mutex is held unless it says otherwise ---- */

static void finished(lanes *l, job *j) {
    bool first = l->done.first == NULL;
    push(&l->done, j);
    if (first) l->tell(l->arg);
}

/* Copies the response and frees the call, off the event loop. The mutex is not held. */
static void complete(job *j) {
    const void *bytes;
    omen_call_response(j->call, &bytes, &j->len);
    j->response = malloc(j->len + 1);
    if (j->response != NULL && j->len != 0) memcpy(j->response, bytes, j->len);
    omen_call_free(j->call);
    j->call = NULL;
}

static void finish(lanes *l, crew *c, job *j) {
    pthread_mutex_unlock(&l->mutex);
    bool pending = omen_call_step(j->call) == OMEN_PENDING;
    /* Only closing waits so: for calls that other threads are finishing. */
    if (pending) nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    else complete(j);
    pthread_mutex_lock(&l->mutex);
    if (!pending) finished(l, j);
    else push(&c->queue, j), c->queued++;
}

static void *run_crew(void *arg) {
    crew *c = arg;
    lanes *l = c->lanes;
    pthread_mutex_lock(&l->mutex);
    while (!l->stop) {
        job *j = pop(&c->queue);
        if (j != NULL) {
            c->queued--;
            finish(l, c, j);
            continue;
        }
        c->idle++;
        pthread_cond_wait(&c->work, &l->mutex);
        c->idle--;
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

/* Gives a started job to its lane. Where no thread can be had for it, the calling one does the work. */
static void hand_over(lanes *l, job *j) {
    crew *c = &l->crews[j->lane];
    push(&c->queue, j);
    c->queued++;
    pthread_cond_signal(&c->work);
    if (c->queued > c->idle && c->threads < c->max && pthread_create(&c->ids[c->threads], NULL, run_crew, c) == 0) c->threads++;
    while (c->threads == 0 && !l->stop && (j = pop(&c->queue)) != NULL) {
        c->queued--;
        finish(l, c, j);
    }
}

static void *run_starter(void *arg) {
    lanes *l = arg;
    pthread_mutex_lock(&l->mutex);
    while (!l->stop) {
        job *j = pop(&l->to_start);
        if (j == NULL) {
            pthread_cond_wait(&l->work, &l->mutex);
            continue;
        }
        pthread_mutex_unlock(&l->mutex);
        omen_call_start(j->call);
        pthread_mutex_lock(&l->mutex);
        hand_over(l, j);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

/* ---- the caller's side ---- */

lanes *lanes_new(void (*tell)(void *arg), void *arg) {
    lanes *l = calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    l->tell = tell;
    l->arg = arg;
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->work, NULL);
    queue_init(&l->to_start);
    queue_init(&l->done);
    for (int i = 0; i < LANES; i++) {
        l->crews[i].lanes = l;
        l->crews[i].max = i != LANE_READ || processors < 1 ? 1 : processors > READERS_MAX ? READERS_MAX : (unsigned)processors;
        queue_init(&l->crews[i].queue);
        pthread_cond_init(&l->crews[i].work, NULL);
    }
    l->starting = pthread_create(&l->starter, NULL, run_starter, l) == 0;
    if (l->starting) return l;
    lanes_stop(l);
    return NULL;
}

void lanes_add(lanes *l, job *j) {
    pthread_mutex_lock(&l->mutex);
    push(&l->to_start, j);
    pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->mutex);
}

void lanes_cancel(lanes *l, uint32_t id) {
    pthread_mutex_lock(&l->mutex);
    for (job **at = &l->to_start.first; *at != NULL; at = &(*at)->next) {
        job *j = *at;
        if (j->id != id) continue;
        *at = j->next;
        if (l->to_start.last == &j->next) l->to_start.last = at;
        j->skipped = true;
        finished(l, j);
        break;
    }
    pthread_mutex_unlock(&l->mutex);
}

job *lanes_take_done(lanes *l) {
    pthread_mutex_lock(&l->mutex);
    job *j = l->done.first;
    queue_init(&l->done);
    pthread_mutex_unlock(&l->mutex);
    return j;
}

job *lanes_stop(lanes *l) {
    pthread_mutex_lock(&l->mutex);
    l->stop = true;
    pthread_cond_signal(&l->work);
    for (int i = 0; i < LANES; i++) pthread_cond_broadcast(&l->crews[i].work);
    pthread_mutex_unlock(&l->mutex);
    if (l->starting) pthread_join(l->starter, NULL); /* after it, no crew grows */
    for (int i = 0; i < LANES; i++)
        for (unsigned t = 0; t < l->crews[i].threads; t++) pthread_join(l->crews[i].ids[t], NULL);
    queue left;
    queue_init(&left);
    append(&left, &l->done);
    append(&left, &l->to_start);
    for (int i = 0; i < LANES; i++) {
        append(&left, &l->crews[i].queue);
        pthread_cond_destroy(&l->crews[i].work);
    }
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->mutex);
    job *first = left.first;
    free(l);
    return first;
}
