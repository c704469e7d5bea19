/* Documents from arbitrary bytes, and a patch for them behind the first NUL. Byte 0 cuts memory short. Checking and parsing must agree; what is printed reads back as the same; what
 * a merge makes is a document, and merging the same once more changes nothing. */
#include <stdlib.h>

#include "base/json.h"
#include "fault_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static omen_str str_of(const omen_buf *b) { return (omen_str){(const char *)b->data, b->len}; }

static void print(omen_mem *m, omen_str text, omen_buf *out) {
    omen_json *json;
    omen_error err = {0};
    if (omen_json_parse(m, text, &json, &err) != OMEN_OK || omen_json_print(omen_json_root(json), out) != OMEN_OK) abort();
    omen_json_free(json);
}

static void same_again(omen_mem *m, omen_str text) {
    omen_buf once, twice;
    omen_buf_init(&once, m);
    omen_buf_init(&twice, m);
    print(m, text, &once);
    print(m, str_of(&once), &twice);
    if (once.len != twice.len || memcmp(once.data, twice.data, once.len) != 0) abort();
    omen_buf_deinit(&once);
    omen_buf_deinit(&twice);
}

static void merge(omen_mem *m, omen_str target, omen_str patch) {
    omen_buf out, again;
    omen_error err = {0};
    omen_buf_init(&out, m);
    omen_buf_init(&again, m);
    if (omen_json_merge(m, target, patch, &out, &err) != OMEN_OK) abort();
    if (omen_json_check(m, str_of(&out), true, &err) != OMEN_OK) abort();
    if (omen_json_merge(m, str_of(&out), patch, &again, &err) != OMEN_OK) abort();
    if (out.len != again.len || memcmp(out.data, again.data, out.len) != 0) abort();
    omen_buf_deinit(&out);
    omen_buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    fault_host *h = fault_host_new(1);
    omen_mem mem;
    omen_mem_init(&mem, &h->host, 64u << 20);
    const uint8_t *zero = memchr(data + 1, 0, size - 1);
    omen_str text = {(const char *)data + 1, zero == NULL ? size - 1 : (size_t)(zero - data - 1)};
    omen_str patch = zero == NULL ? (omen_str){"", 0} : (omen_str){(const char *)zero + 1, size - text.len - 2};
    omen_json *json = NULL;
    omen_error err = {0};
    bool short_of_memory = data[0] >= 128;
    if (short_of_memory) fault_host_fail_alloc_at(h, data[0] - 127u, true);
    omen_status parsed = omen_json_parse(&mem, text, &json, &err);
    if (parsed != OMEN_OK && (err.status != parsed || err.text[0] == '\0')) abort();
    if (parsed == OMEN_OK) omen_json_free(json);
    omen_status checked = omen_json_check(&mem, text, false, &err);
    fault_host_fail_alloc_at(h, 0, false);
    if (!short_of_memory) {
        if (checked != parsed || (parsed != OMEN_OK && parsed != OMEN_ERR_JSON)) abort();
        if (parsed == OMEN_OK) same_again(&mem, text);
        bool object = omen_json_check(&mem, text, true, &err) == OMEN_OK;
        if (object && (patch.len == 0 || omen_json_check(&mem, patch, true, &err) == OMEN_OK)) merge(&mem, text, patch);
    }
    if (mem.bytes != 0 || fault_host_bytes(h) != 0) abort();
    fault_host_free(h);
    return 0;
}
