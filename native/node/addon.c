/* addon.c - the Node-API addon: carries calls (docs/CALLS.md) into the native core, off the event loop. It exports
 *   create() -> engine              an engine with its threads
 *   call(engine, request) -> Promise<Uint8Array>     the response, whatever its status
 *   destroy(engine)                 after its last call has been answered
 *   kernels() -> string
 * js/src/engine/native.ts is the other side. An engine has one thread that starts calls in the order they were made (omen_call_start), and a few
 * that finish them, so that writes that wait for one sync and long searches overlap.
 */
#include <node_api.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "omendb_native.h"

#define FINISHERS 4

typedef struct job {
    struct job *next;
    napi_deferred deferred;
    omen_call *call;
    struct engine *engine;
} job;

typedef struct queue { job *first, **last; } queue;

typedef struct engine {
    omen_engine *core;
    napi_threadsafe_function answer;
    pthread_mutex_t mutex;
    pthread_cond_t begun, started;
    queue to_start, to_finish;
    bool stop;
    pthread_t starter, finishers[FINISHERS];
    unsigned threads; /* running: the starter first */
    size_t open;      /* calls not yet answered; the main thread's */
} engine;

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

static void *start_calls(void *arg) {
    engine *e = arg;
    pthread_mutex_lock(&e->mutex);
    for (;;) {
        job *j = pop(&e->to_start);
        if (j == NULL) {
            if (e->stop) break;
            pthread_cond_wait(&e->begun, &e->mutex);
            continue;
        }
        pthread_mutex_unlock(&e->mutex);
        omen_call_start(j->call);
        pthread_mutex_lock(&e->mutex);
        push(&e->to_finish, j);
        pthread_cond_signal(&e->started);
    }
    pthread_mutex_unlock(&e->mutex);
    return NULL;
}

static void *finish_calls(void *arg) {
    engine *e = arg;
    pthread_mutex_lock(&e->mutex);
    for (;;) {
        job *j = pop(&e->to_finish);
        if (j == NULL) {
            if (e->stop) break;
            pthread_cond_wait(&e->started, &e->mutex);
            continue;
        }
        pthread_mutex_unlock(&e->mutex);
        omen_status s = omen_call_step(j->call);
        if (s == OMEN_PENDING) {
            /* Only closing waits so: for the calls that other threads are finishing. */
            nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
            pthread_mutex_lock(&e->mutex);
            push(&e->to_finish, j);
            continue;
        }
        napi_call_threadsafe_function(e->answer, j, napi_tsfn_blocking);
        pthread_mutex_lock(&e->mutex);
    }
    pthread_mutex_unlock(&e->mutex);
    return NULL;
}

/* Threads end when their queues are empty. */
static void stop_threads(engine *e) {
    pthread_mutex_lock(&e->mutex);
    e->stop = true;
    pthread_cond_broadcast(&e->begun);
    pthread_mutex_unlock(&e->mutex);
    if (e->threads != 0) pthread_join(e->starter, NULL);
    pthread_mutex_lock(&e->mutex);
    pthread_cond_broadcast(&e->started);
    pthread_mutex_unlock(&e->mutex);
    for (unsigned i = 1; i < e->threads; i++) pthread_join(e->finishers[i - 1], NULL);
    e->threads = 0;
}

static bool start_threads(engine *e) {
    if (pthread_create(&e->starter, NULL, start_calls, e) != 0) return false;
    e->threads = 1;
    for (unsigned i = 0; i < FINISHERS; i++)
        if (pthread_create(&e->finishers[i], NULL, finish_calls, e) == 0) e->threads++;
        else break;
    return e->threads > 1;
}

/* ---- the main thread ---- */

static napi_value fail(napi_env env, const char *code, const char *message) {
    napi_throw_error(env, code, message);
    return NULL;
}

/* Resolves a call's promise with a copy of its response. env is NULL when the environment is going away. */
static void answer(napi_env env, napi_value unused, void *context, void *data) {
    job *j = data;
    engine *e = context;
    const void *bytes;
    size_t len;
    void *into;
    napi_value buffer, array;
    (void)unused;
    omen_call_response(j->call, &bytes, &len);
    if (env != NULL) {
        if (napi_create_arraybuffer(env, len, &into, &buffer) == napi_ok && napi_create_typedarray(env, napi_uint8_array, len, buffer, 0, &array) == napi_ok) {
            if (len != 0) memcpy(into, bytes, len);
            napi_resolve_deferred(env, j->deferred, array);
        } else {
            napi_value message, error;
            napi_create_string_utf8(env, "no memory for a response", NAPI_AUTO_LENGTH, &message);
            napi_create_error(env, NULL, message, &error);
            napi_reject_deferred(env, j->deferred, error);
        }
        if (--e->open == 0) napi_unref_threadsafe_function(env, e->answer);
    }
    omen_call_free(j->call);
    free(j);
}

static void engine_gone(void *data) {
    engine *e = data;
    stop_threads(e);
    for (job *j; (j = pop(&e->to_finish)) != NULL; free(j)) omen_call_free(j->call);
    omen_engine_free(e->core);
    pthread_mutex_destroy(&e->mutex);
    pthread_cond_destroy(&e->begun);
    pthread_cond_destroy(&e->started);
    free(e);
}

/* The environment ends with the engine still there: what has been acknowledged is durable. Answers under way belong to the runtime until later,
 * so an engine that has some is stopped and left to the process's end. */
static void environment_gone(void *data) {
    engine *e = data;
    if (e->open == 0) engine_gone(e);
    else stop_threads(e);
}

static napi_value create(napi_env env, napi_callback_info info) {
    napi_value name, external;
    (void)info;
    engine *e = calloc(1, sizeof *e);
    if (e == NULL) return fail(env, "OMEN_ERR_MEMORY", "out of memory");
    pthread_mutex_init(&e->mutex, NULL);
    pthread_cond_init(&e->begun, NULL);
    pthread_cond_init(&e->started, NULL);
    e->to_start.last = &e->to_start.first;
    e->to_finish.last = &e->to_finish.first;
    napi_create_string_utf8(env, "omendb", NAPI_AUTO_LENGTH, &name);
    bool good = omen_engine_new(NULL, &e->core) == OMEN_OK && start_threads(e) &&
                napi_create_threadsafe_function(env, NULL, NULL, name, 0, 1, NULL, NULL, e, answer, &e->answer) == napi_ok;
    if (good) napi_unref_threadsafe_function(env, e->answer);
    if (!good || napi_create_external(env, e, NULL, NULL, &external) != napi_ok) {
        engine_gone(e);
        return fail(env, "OMEN_ERR_MEMORY", "the native engine could not start its threads");
    }
    napi_add_env_cleanup_hook(env, environment_gone, e);
    return external;
}

static engine *engine_of(napi_env env, napi_value v) {
    void *e = NULL;
    napi_valuetype type;
    if (napi_typeof(env, v, &type) != napi_ok || type != napi_external || napi_get_value_external(env, v, &e) != napi_ok) return NULL;
    return e;
}

static napi_value call(napi_env env, napi_callback_info info) {
    size_t argc = 2, len, offset;
    napi_value argv[2], buffer, promise;
    napi_typedarray_type type;
    void *bytes;
    if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc != 2) return fail(env, "OMEN_ERR_INVALID", "call takes an engine and a request");
    engine *e = engine_of(env, argv[0]);
    if (e == NULL || napi_get_typedarray_info(env, argv[1], &type, &len, &bytes, &buffer, &offset) != napi_ok || type != napi_uint8_array)
        return fail(env, "OMEN_ERR_INVALID", "call takes an engine and a Uint8Array");
    job *j = calloc(1, sizeof *j);
    if (j == NULL || omen_call_begin(e->core, bytes, len, &j->call) != OMEN_OK) {
        free(j);
        return fail(env, "OMEN_ERR_MEMORY", "out of memory for a request");
    }
    j->engine = e;
    if (napi_create_promise(env, &j->deferred, &promise) != napi_ok) {
        omen_call_free(j->call);
        free(j);
        return fail(env, "OMEN_ERR_MEMORY", "out of memory for a promise");
    }
    if (e->open++ == 0) napi_ref_threadsafe_function(env, e->answer);
    pthread_mutex_lock(&e->mutex);
    push(&e->to_start, j);
    pthread_cond_signal(&e->begun);
    pthread_mutex_unlock(&e->mutex);
    return promise;
}

static napi_value destroy(napi_env env, napi_callback_info info) {
    size_t argc = 1;
    napi_value argv[1];
    if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc != 1) return fail(env, "OMEN_ERR_INVALID", "destroy takes an engine");
    engine *e = engine_of(env, argv[0]);
    if (e == NULL) return fail(env, "OMEN_ERR_INVALID", "destroy takes an engine");
    if (e->open != 0) return fail(env, "OMEN_ERR_BUSY", "calls are under way");
    napi_remove_env_cleanup_hook(env, environment_gone, e);
    napi_release_threadsafe_function(e->answer, napi_tsfn_release);
    engine_gone(e);
    return NULL;
}

static napi_value kernels(napi_env env, napi_callback_info info) {
    napi_value name;
    (void)info;
    napi_create_string_utf8(env, omen_kernels_name(), NAPI_AUTO_LENGTH, &name);
    return name;
}

NAPI_MODULE_INIT() {
    static const struct { const char *name; napi_callback function; } exported[] = {{"create", create}, {"call", call}, {"destroy", destroy}, {"kernels", kernels}};
    for (size_t i = 0; i < sizeof exported / sizeof *exported; i++) {
        napi_value f;
        napi_create_function(env, exported[i].name, NAPI_AUTO_LENGTH, exported[i].function, NULL, &f);
        napi_set_named_property(env, exports, exported[i].name, f);
    }
    return exports;
}
