/* addon.c - the Node-API addon: carries calls (docs/CALLS.md) into the native core, off the event loop. It exports
 *   version, kernels                          strings
 *   encrypts                                  whether there is a libcrypto
 *   create() -> engine                        an engine; its threads come when they are needed
 *   call(engine, request, id) -> Promise      resolves with the response, a Uint8Array, whatever its status
 *   cancel(engine, id)                        a call that has not begun will not; its promise resolves with undefined
 *   destroy(engine)                           after the last call was answered; what is still open is closed
 * js/src/engine/native.ts is the other side; lanes.c has the threads.
 *
 * Invariants
 *   - Promises are made and resolved on the thread of the environment alone.
 *   - Threads hand answers over in the engine's list; the thread-safe function only says that there are some.
 *   - An engine's memory goes when both its handle and its thread-safe function are gone, in whatever order the environment takes
 *     them apart; its threads and databases go at the first of destroy, garbage collection and the environment's end.
 */
#include <dlfcn.h>
#include <node_api.h>
#include <stdlib.h>
#include <string.h>

#include "host/encrypted_gcm.h"
#include "node/lanes.h"

/* Responses of this size and more are handed over without a copy. */
#define LARGE (64u << 10)

typedef struct engine {
    lanes *lanes; /* NULL: destroyed */
    omen_engine *core;
    napi_threadsafe_function ready; /* NULL: gone */
    size_t open;                    /* calls that are not answered yet */
    int holders;                    /* the handle, the thread-safe function */
} engine;

static napi_value fail(napi_env env, const char *code, const char *message) {
    napi_throw_error(env, code, message);
    return NULL;
}

/* ---- answers ---- */

static void free_response(napi_env env, void *data, void *hint) {
    (void)env;
    (void)hint;
    free(data);
}

/* The response as a Uint8Array. Its bytes go with the array, or are freed here. */
static napi_status response_of(napi_env env, job *j, napi_value *out) {
    napi_value buffer;
    napi_status s = napi_generic_failure;
    void *into;
    if (j->len >= LARGE) {
        s = napi_create_external_arraybuffer(env, j->response, j->len, free_response, NULL, &buffer);
        if (s == napi_ok) j->response = NULL;
    }
    if (s != napi_ok) { /* small, or a runtime that allows no memory of others */
        s = napi_create_arraybuffer(env, j->len, &into, &buffer);
        if (s == napi_ok && j->len != 0) memcpy(into, j->response, j->len);
    }
    return s == napi_ok ? napi_create_typedarray(env, napi_uint8_array, j->len, buffer, 0, out) : s;
}

static void answer(napi_env env, job *j) {
    napi_value value, message;
    napi_handle_scope scope;
    if (napi_open_handle_scope(env, &scope) != napi_ok) return;
    if (j->skipped) {
        napi_get_undefined(env, &value);
        napi_resolve_deferred(env, j->deferred, value);
    } else if (j->response != NULL && response_of(env, j, &value) == napi_ok) {
        napi_resolve_deferred(env, j->deferred, value);
    } else {
        napi_create_string_utf8(env, "no memory for a response", NAPI_AUTO_LENGTH, &message);
        napi_create_error(env, NULL, message, &value);
        napi_reject_deferred(env, j->deferred, value);
    }
    napi_close_handle_scope(env, scope);
}

static void free_job(job *j) {
    omen_call_free(j->call);
    free(j->response);
    free(j);
}

/* There are answers. env is NULL when the environment is going away. */
static void on_ready(napi_env env, napi_value unused, void *context, void *data) {
    engine *e = context;
    (void)unused;
    (void)data;
    if (env == NULL || e->lanes == NULL) return;
    for (job *j = lanes_take_done(e->lanes), *next; j != NULL; j = next) {
        next = j->next;
        answer(env, j);
        free_job(j);
        /* While nothing is under way, an open database keeps no program running. */
        if (--e->open == 0) napi_unref_threadsafe_function(env, e->ready);
    }
}

/* Called by the threads. Only the first answer after a break needs to be told. */
static void tell(void *arg) {
    engine *e = arg;
    napi_call_threadsafe_function(e->ready, NULL, napi_tsfn_nonblocking);
}

/* ---- the life of an engine ---- */

static void let_go(engine *e) {
    if (--e->holders == 0) free(e);
}

/* Ends threads and closes databases. What was acknowledged is as durable as it was promised to be. */
static void shut_down(engine *e) {
    if (e->lanes == NULL) return;
    job *left = lanes_stop(e->lanes);
    while (left != NULL) {
        job *next = left->next;
        free_job(left);
        left = next;
    }
    e->lanes = NULL;
    omen_engine_free(e->core);
    e->core = NULL;
}

static void ready_gone(napi_env env, void *data, void *hint) {
    engine *e = data;
    (void)env;
    (void)hint;
    e->ready = NULL;
    let_go(e);
}

static void environment_gone(void *data) { shut_down(data); }

static void stop(napi_env env, engine *e) {
    if (e->lanes == NULL) return;
    napi_remove_env_cleanup_hook(env, environment_gone, e);
    shut_down(e);
    if (e->ready != NULL) napi_release_threadsafe_function(e->ready, napi_tsfn_release);
}

static void handle_gone(napi_env env, void *data, void *hint) {
    (void)hint;
    stop(env, data);
    let_go(data);
}

static napi_value create(napi_env env, napi_callback_info info) {
    napi_value name, handle;
    (void)info;
    engine *e = calloc(1, sizeof *e);
    if (e == NULL) return fail(env, "OMEN_ERR_MEMORY", "out of memory");
    e->lanes = lanes_new(tell, e);
    if (e->lanes == NULL || omen_engine_new(NULL, &e->core) != OMEN_OK) {
        if (e->lanes != NULL) lanes_stop(e->lanes);
        free(e);
        return fail(env, "OMEN_ERR_MEMORY", "the native engine could not start");
    }
    napi_create_string_utf8(env, "omendb", NAPI_AUTO_LENGTH, &name);
    if (napi_create_threadsafe_function(env, NULL, NULL, name, 0, 1, e, ready_gone, e, on_ready, &e->ready) != napi_ok) {
        shut_down(e);
        free(e);
        return fail(env, "OMEN_ERR_MEMORY", "the native engine could not start");
    }
    e->holders = 2;
    napi_unref_threadsafe_function(env, e->ready);
    napi_add_env_cleanup_hook(env, environment_gone, e);
    if (napi_create_external(env, e, handle_gone, NULL, &handle) != napi_ok) {
        stop(env, e);
        let_go(e);
        return fail(env, "OMEN_ERR_MEMORY", "the native engine could not start");
    }
    return handle;
}

static engine *engine_of(napi_env env, napi_value v) {
    void *e = NULL;
    napi_valuetype type;
    if (napi_typeof(env, v, &type) != napi_ok || type != napi_external || napi_get_value_external(env, v, &e) != napi_ok) return NULL;
    return e != NULL && ((engine *)e)->lanes != NULL ? e : NULL;
}

static napi_value destroy(napi_env env, napi_callback_info info) {
    size_t argc = 1;
    napi_value argv[1];
    engine *e = napi_get_cb_info(env, info, &argc, argv, NULL, NULL) == napi_ok && argc == 1 ? engine_of(env, argv[0]) : NULL;
    if (e == NULL) return fail(env, "OMEN_ERR_INVALID", "destroy takes an engine that is there");
    if (e->open != 0) return fail(env, "OMEN_ERR_BUSY", "calls are under way");
    stop(env, e);
    return NULL;
}

/* ---- calls ---- */

static napi_value call(napi_env env, napi_callback_info info) {
    size_t argc = 3, len, offset;
    napi_value argv[3], buffer, promise;
    napi_deferred deferred;
    napi_typedarray_type type;
    void *bytes;
    uint32_t id;
    engine *e = napi_get_cb_info(env, info, &argc, argv, NULL, NULL) == napi_ok && argc == 3 ? engine_of(env, argv[0]) : NULL;
    if (e == NULL || napi_get_typedarray_info(env, argv[1], &type, &len, &bytes, &buffer, &offset) != napi_ok || type != napi_uint8_array ||
        napi_get_value_uint32(env, argv[2], &id) != napi_ok)
        return fail(env, "OMEN_ERR_INVALID", "call takes an engine, a Uint8Array and a number");
    job *j = calloc(1, sizeof *j);
    if (j == NULL || omen_call_begin(e->core, bytes, len, &j->call) != OMEN_OK) {
        free(j);
        return fail(env, "OMEN_ERR_MEMORY", "no memory for a request; write smaller batches");
    }
    j->id = id;
    j->lane = lane_of(bytes, len);
    if (napi_create_promise(env, &deferred, &promise) != napi_ok) {
        free_job(j);
        return fail(env, "OMEN_ERR_MEMORY", "no memory for a promise");
    }
    j->deferred = deferred;
    if (e->open++ == 0) napi_ref_threadsafe_function(env, e->ready);
    lanes_add(e->lanes, j);
    return promise;
}

static napi_value cancel(napi_env env, napi_callback_info info) {
    size_t argc = 2;
    napi_value argv[2];
    uint32_t id;
    engine *e = napi_get_cb_info(env, info, &argc, argv, NULL, NULL) == napi_ok && argc == 2 ? engine_of(env, argv[0]) : NULL;
    if (e != NULL && napi_get_value_uint32(env, argv[1], &id) == napi_ok) lanes_cancel(e->lanes, id);
    return NULL;
}

/* A worker that ends has its addons unloaded, but threads of this library (the host's, the maintaining one) go on: it stays. */
static void stay_loaded(void) {
    Dl_info self;
    if (dladdr((const void *)(uintptr_t)stay_loaded, &self) != 0) (void)dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

static void export_string(napi_env env, napi_value exports, const char *name, const char *text) {
    napi_value value;
    napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
    napi_set_named_property(env, exports, name, value);
}

NAPI_MODULE_INIT() {
    static const struct { const char *name; napi_callback function; } exported[] = {{"create", create}, {"call", call}, {"cancel", cancel}, {"destroy", destroy}};
    stay_loaded();
    for (size_t i = 0; i < sizeof exported / sizeof *exported; i++) {
        napi_value f;
        napi_create_function(env, exported[i].name, NAPI_AUTO_LENGTH, exported[i].function, NULL, &f);
        napi_set_named_property(env, exports, exported[i].name, f);
    }
    export_string(env, exports, "version", omen_version());
    export_string(env, exports, "kernels", omen_kernels_name());
    napi_value encrypts;
    if (napi_get_boolean(env, omen_gcm_available(), &encrypts) == napi_ok) napi_set_named_property(env, exports, "encrypts", encrypts);
    return exports;
}
