#include "base/mem.h"

void omen_buf_init(omen_buf *b, omen_mem *m) { *b = (omen_buf){.mem = m}; }

void omen_buf_deinit(omen_buf *b) {
    if (b->mem != NULL) omen_free(b->mem, b->data, b->cap);
    b->data = NULL;
    b->len = b->cap = 0;
}

omen_status omen_buf_reserve(omen_buf *b, size_t extra) {
    size_t need;
    if (!omen_add(b->len, extra, &need)) return OMEN_ERR_MEMORY;
    if (need <= b->cap) return OMEN_OK;
    size_t cap = OMEN_MAX(OMEN_MAX(need, (size_t)64), b->cap + b->cap / 2);
    void *p = omen_resize(b->mem, b->data, b->cap, cap);
    if (p == NULL && cap > need) p = omen_resize(b->mem, b->data, b->cap, cap = need);
    if (p == NULL) return OMEN_ERR_MEMORY;
    b->data = p;
    b->cap = cap;
    return OMEN_OK;
}

omen_status omen_buf_append(omen_buf *b, const void *bytes, size_t len) {
    if (len == 0) return OMEN_OK;
    OMEN_TRY(omen_buf_reserve(b, len));
    if (bytes == NULL) memset(b->data + b->len, 0, len);
    else memcpy(b->data + b->len, bytes, len);
    b->len += len;
    return OMEN_OK;
}

omen_status omen_buf_append_str(omen_buf *b, const char *text) { return omen_buf_append(b, text, strlen(text)); }

omen_status omen_buf_append_u32(omen_buf *b, uint32_t v) { return omen_buf_append(b, &v, sizeof v); }

omen_status omen_buf_append_u64(omen_buf *b, uint64_t v) { return omen_buf_append(b, &v, sizeof v); }

omen_status omen_buf_align(omen_buf *b, size_t to) { return omen_buf_append(b, NULL, (size_t)(omen_round_up(b->len, to) - b->len)); }
