/* Requests of arbitrary bytes to the call protocol (docs/CALLS.md), as they come over the border of the WebAssembly module. Each input is a row of requests: two bytes of length
 * and a byte of kind, then so many bytes. Kind 0: the request as it is. Else a request is made of them: kind & 7 parts, each of as many bytes as its first byte says; the rest is the JSON. The
 * database 1 with the collection 2 of four dimensions and a text field is open. Every request is answered, and every answer is well-formed. */
#include "call_target.h"

static omen_status ask(omen_engine *e, omen_mem *m, const uint8_t *request, size_t len) {
    omen_call *call = NULL;
    const void *bytes;
    size_t n;
    /* A copy of exactly its size, so that a sanitizer sees what reads beyond it. */
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    if (len != 0) memcpy(copy, request, len);
    omen_status s = omen_call_begin(e, copy, len, &call);
    free(copy);
    if (s != OMEN_OK && call == NULL) return s;
    unsigned steps = 0;
    do s = omen_call_step(call), steps++;
    while (s == OMEN_PENDING && steps < 100000);
    must(s != OMEN_PENDING, "a call that never ends");
    must(s != OMEN_ERR_INTERNAL, "a call that calls itself a mistake of ours");
    omen_call_response(call, &bytes, &n);
    answered(m, bytes, n, s);
    omen_call_free(call);
    return s;
}

static omen_status ask_json(omen_engine *e, omen_mem *m, const char *json) {
    uint8_t request[LARGEST];
    return ask(e, m, request, make(request, (const uint8_t *)json, strlen(json), 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fault_host *h = fault_host_new(1);
    omen_engine *e;
    omen_mem mem;
    fault_host_set_fill(h, false);
    omen_mem_init(&mem, &h->host, 64u << 20);
    must(omen_engine_new(&h->host, &e) == OMEN_OK, "an engine");
    must(ask_json(e, &mem, "{\"op\":\"open\",\"path\":\"db\",\"options\":{\"create\":true,\"durability\":\"os\",\"manualMaintenance\":true,\"memoryBytes\":16777216,\"poolBytes\":1048576}}") == OMEN_OK, "opening");
    must(ask_json(e, &mem, "{\"op\":\"collection\",\"db\":1,\"name\":\"c\",\"schema\":{\"vectors\":[{\"name\":\"v\",\"dimensions\":4,\"metric\":\"l2\"}],\"text\":[\"t\"]}}") == OMEN_OK, "a collection");
    for (size_t at = 0, n = 0; at + 3 <= size && n < REQUESTS; n++) {
        static uint8_t request[LARGEST + 1024];
        size_t len = (size_t)(data[at] | data[at + 1] << 8);
        uint8_t kind = data[at + 2];
        at += 3;
        len = OMEN_MIN(OMEN_MIN(len, size - at), (size_t)LARGEST - 512);
        if (kind == 0) (void)ask(e, &mem, data + at, len);
        else (void)ask(e, &mem, request, make(request, data + at, len, kind & 7));
        at += len;
    }
    omen_engine_free(e);
    must(mem.bytes == 0 && fault_host_bytes(h) == 0, "memory is left");
    fault_host_free(h);
    return 0;
}
