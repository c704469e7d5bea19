/* Filters from arbitrary bytes, as objects and as SQL (byte 0 says which; its other bits cut memory short). What compiles must have its form, compile to the
 * same bytes again, and answer every document as the answers of its leaves joined in postfix order do. */
#include <stdlib.h>

#include "column/filter.h"
#include "fault_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const documents[] = {
    "{}",
    "{\"a\":1,\"b\":\"x\",\"year\":2020.5,\"tags\":[\"x\",\"y\",null,3],\"t\":\"2024-01-01T00:00:00Z\",\"p\":[13.4,52.5]}",
    "{\"a\":{\"b\":{\"c\":[1,2,[3],{}]},\"lon\":1,\"lat\":2},\"b\":null,\"tags\":\"xyz\",\"p\":{\"type\":\"Point\",\"coordinates\":[180,-90]}}",
    "{\"a\":[[1,2],[3,4]],\"b\":true,\"year\":9007199254740993,\"t\":[\"2024-01-01\",5],\"p\":[[0,0],\"x\"]}",
};

/* With a stack, as a column is evaluated. */
static bool by_stack(const omen_filter *f, const omen_json_val *root) {
    const omen_filter_node *n = omen_filter_nodes(f);
    bool *stack = malloc(f->stack * sizeof *stack);
    uint32_t top = 0;
    for (uint32_t i = 0; i < f->node_count; i++) {
        if (omen_filter_is_leaf(n[i].op)) {
            if (top == f->stack) abort();
            stack[top++] = omen_filter_leaf_matches(f, &n[i], n[i].path == UINT32_MAX ? NULL : omen_filter_reach(f, n[i].path, root));
        } else if (n[i].op == OMEN_FILTER_NOT) {
            stack[top - 1] = !stack[top - 1];
        }
        if (n[i].first) continue;
        if (top < 2) abort();
        top--;
        if (n[n[i].parent].op == OMEN_FILTER_AND) stack[top - 1] &= stack[top];
        else stack[top - 1] |= stack[top];
    }
    if (top != 1) abort();
    bool answer = stack[0];
    free(stack);
    return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    fault_host *host = fault_host_new(1);
    omen_mem mem;
    omen_mem_init(&mem, &host->host, 64u << 20);
    omen_str text = {(const char *)data + 1, size - 1};
    omen_status (*compile)(omen_mem *, omen_str, omen_filter **, omen_error *) = (data[0] & 1) != 0 ? omen_filter_from_json : omen_filter_from_sql;
    omen_filter *f, *again;
    omen_error err = {0};
    if ((data[0] & 2) != 0) fault_host_fail_alloc_at(host, 1 + (data[0] >> 2), true);
    omen_status s = compile(&mem, text, &f, &err);
    fault_host_fail_alloc_at(host, 0, false);
    if (s != OMEN_OK) {
        if (f != NULL || err.status != s || err.text[0] == '\0') abort();
        if (s != OMEN_ERR_INVALID && s != OMEN_ERR_JSON && s != OMEN_ERR_TOO_LARGE && s != OMEN_ERR_MEMORY) abort();
    } else {
        if (compile(&mem, text, &again, &err) != OMEN_OK || again->size != f->size || memcmp(f, again, f->size) != 0) abort();
        omen_filter_free(&mem, again);
        if (omen_filter_matches(f, NULL) != by_stack(f, NULL)) abort();
        for (size_t i = 0; i < OMEN_ARRAY_LEN(documents); i++) {
            omen_json *json;
            if (omen_json_parse(&mem, (omen_str){documents[i], strlen(documents[i])}, &json, &err) != OMEN_OK) abort();
            if (omen_filter_matches(f, omen_json_root(json)) != by_stack(f, omen_json_root(json))) abort();
            omen_json_free(json);
        }
        omen_filter_free(&mem, f);
    }
    if (mem.bytes != 0 || fault_host_bytes(host) != 0) abort();
    fault_host_free(host);
    return 0;
}
