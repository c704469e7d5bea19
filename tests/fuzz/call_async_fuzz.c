/* Calls on a storage that makes them wait, several under way at once, as a page has them. Byte 0: the seed of what waits; its bit 0: one call after the other, twice, the second time without
 * waiting. Then requests as in call_fuzz.c, each with one byte more, behind its kind: bits 0-2 how many rounds of steps follow, bit 3 the oldest call under way is cancelled, bit 4 this one is
 * begun by omen_call_start, bit 5 calls are stepped from the newest on.
 *
 * Every call ends when the others do, whatever was cancelled; every answer is well-formed; nothing is left behind. Reads that wait answer the same bytes as those that do not. */
#include "call_target.h"

enum { UNDER_WAY = 6, PATIENCE = 20000 };

typedef struct way {
    omen_call *call;
    bool ended;
} way;

typedef struct engine {
    fault_host *h;
    omen_engine *e;
    omen_mem mem;
    way ways[UNDER_WAY];
    unsigned count;
} engine;

static omen_call *begin_call(engine *g, const uint8_t *request, size_t len) {
    omen_call *call = NULL;
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    if (len != 0) memcpy(copy, request, len);
    must(omen_call_begin(g->e, copy, len, &call) == OMEN_OK, "a call that cannot begin");
    free(copy);
    return call;
}

static void check(engine *g, omen_call *call, omen_status s) {
    const void *bytes;
    size_t n;
    must(s != OMEN_ERR_INTERNAL, "a call that calls itself a mistake of ours");
    must(omen_call_step(call) == s, "a call that has ended goes on");
    omen_call_response(call, &bytes, &n);
    answered(&g->mem, bytes, n, s);
}

static void leave(engine *g, unsigned i) {
    omen_call_free(g->ways[i].call);
    memmove(&g->ways[i], &g->ways[i + 1], (g->count - i - 1) * sizeof *g->ways);
    g->count--;
}

/* One step of each that is under way. */
static void step_round(engine *g, bool newest_first) {
    for (unsigned k = 0; k < g->count; k++) {
        unsigned i = newest_first ? g->count - 1 - k : k;
        omen_status s = omen_call_step(g->ways[i].call);
        if (s == OMEN_PENDING) continue;
        check(g, g->ways[i].call, s);
        g->ways[i].ended = true;
    }
    for (unsigned i = g->count; i > 0; i--)
        if (g->ways[i - 1].ended) leave(g, i - 1);
}

static void drain(engine *g) {
    for (unsigned n = 0; g->count != 0; n++) {
        must(n < PATIENCE, "calls that wait for nothing");
        step_round(g, false);
    }
}

/* One call to its end; what it answered stays with it. */
static omen_call *ask(engine *g, const uint8_t *request, size_t len, omen_status *status) {
    omen_call *call = begin_call(g, request, len);
    unsigned n = 0;
    do *status = omen_call_step(call);
    while (*status == OMEN_PENDING && n++ < PATIENCE);
    must(*status != OMEN_PENDING, "a call that never ends");
    check(g, call, *status);
    return call;
}

static void ask_json(engine *g, const char *json) {
    uint8_t request[LARGEST];
    omen_status s;
    omen_call_free(ask(g, request, make(request, (const uint8_t *)json, strlen(json), 0), &s));
    must(s == OMEN_OK, "the beginning");
}

static void open_engine(engine *g, unsigned pending) {
    memset(g, 0, sizeof *g);
    g->h = fault_host_new(1);
    fault_host_set_fill(g->h, false);
    fault_host_set_wall(g->h, 1700000000000);
    omen_mem_init(&g->mem, &g->h->host, 64u << 20);
    fault_storage_set_pending(fault_host_image(g->h, "db"), pending);
    must(omen_engine_new(&g->h->host, &g->e) == OMEN_OK, "an engine");
    ask_json(g, "{\"op\":\"open\",\"path\":\"db\",\"options\":{\"create\":true,\"durability\":\"full\",\"manualMaintenance\":true,\"memoryBytes\":16777216,\"poolBytes\":1048576}}");
    ask_json(g, "{\"op\":\"collection\",\"db\":1,\"name\":\"c\",\"schema\":{\"vectors\":[{\"name\":\"v\",\"dimensions\":4,\"metric\":\"l2\"}],\"text\":[\"t\"]}}");
}

static void close_engine(engine *g) {
    omen_engine_free(g->e);
    must(g->mem.bytes == 0 && fault_host_bytes(g->h) == 0, "memory is left");
    must(fault_storage_misuse(fault_host_image(g->h, "db")) == NULL, "the storage is misused");
    fault_host_free(g->h);
}

/* The next request of the input; false: there is none. */
static bool next(const uint8_t **data, size_t *size, uint8_t *request, size_t *len, uint8_t *how) {
    if (*size < 4) return false;
    size_t n = (size_t)((*data)[0] | (*data)[1] << 8);
    uint8_t kind = (*data)[2];
    *how = (*data)[3];
    *data += 4;
    *size -= 4;
    n = OMEN_MIN(OMEN_MIN(n, *size), (size_t)LARGEST - 512);
    if (kind != 0) *len = make(request, *data, n, kind & 7);
    else {
        if (n != 0) memcpy(request, *data, n);
        *len = n;
    }
    *data += n;
    *size -= n;
    return true;
}

/* What a read answers does not depend on time, unless it says so. */
static bool comparable(const uint8_t *request, size_t len) {
    static const char *const reads[] = {"\"get\"", "\"scroll\"", "\"search\"", "\"count\""};
    bool read = false;
    if (len < 16 || memmem(request, len, "eadline", 7) != NULL) return false;
    for (size_t i = 0; i < OMEN_ARRAY_LEN(reads); i++) read = read || memmem(request, len, reads[i], strlen(reads[i])) != NULL;
    return read;
}

static void one_after_the_other(const uint8_t *data, size_t size, unsigned pending) {
    static uint8_t request[LARGEST + 1024];
    engine waits, not;
    size_t len;
    uint8_t how;
    bool same = true; /* so far */
    open_engine(&waits, pending);
    open_engine(&not, 0);
    for (unsigned n = 0; n < REQUESTS && next(&data, &size, request, &len, &how); n++) {
        omen_status a, b;
        const void *x, *y;
        size_t nx, ny;
        omen_call *one = ask(&waits, request, len, &a), *two = ask(&not, request, len, &b);
        /* What a budget cut off, or a limit of memory, may differ; then what follows does, too. */
        same = same && a == b && a != OMEN_ERR_MEMORY && memmem(request, len, "budget", 6) == NULL;
        omen_call_response(one, &x, &nx);
        omen_call_response(two, &y, &ny);
        if (same && comparable(request, len)) must(nx == ny && memcmp(x, y, nx) == 0, "a read that waits answers something else");
        omen_call_free(one);
        omen_call_free(two);
    }
    close_engine(&waits);
    close_engine(&not);
}

static void at_once(const uint8_t *data, size_t size, unsigned pending) {
    static uint8_t request[LARGEST + 1024];
    engine g;
    size_t len;
    uint8_t how;
    open_engine(&g, pending);
    for (unsigned n = 0; n < REQUESTS && next(&data, &size, request, &len, &how); n++) {
        if (g.count == UNDER_WAY) drain(&g);
        g.ways[g.count++] = (way){begin_call(&g, request, len), false};
        if ((how & 16) != 0) omen_call_start(g.ways[g.count - 1].call);
        for (unsigned k = 0; k < (how & 7u); k++) step_round(&g, (how & 32) != 0);
        if ((how & 8) != 0 && g.count != 0) leave(&g, 0);
    }
    drain(&g);
    close_engine(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    unsigned pending = 20 + data[0] % 70;
    if ((data[0] & 1) != 0) one_after_the_other(data + 1, size - 1, pending);
    else at_once(data + 1, size - 1, pending);
    return 0;
}
