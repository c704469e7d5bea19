/* call_many.c - several searches in one request ("searchMany", docs/CALLS.md): each is a call of its own, and all see the snapshot that is taken
 * first; what they answer is what they would have answered alone. */
#include "api/call.h"

#define MOST 256u
/* So many wait for the host at the same time: each holds what it has read. */
#define AT_ONCE 16u

struct omen_many {
    omen_mem *mem;
    uint32_t count, next; /* those before `next` are answered */
    omen_snapshot snapshot;
    omen_buf offsets, bytes;
    omen_call *calls[];
};

static size_t size_of(uint32_t count) { return sizeof(omen_many) + (size_t)count * sizeof(omen_call *); }

void omen_many_free(omen_many *m) {
    if (m == NULL) return;
    for (uint32_t i = 0; i < m->count; i++) omen_call_free(m->calls[i]);
    omen_snapshot_release(&m->snapshot);
    omen_buf_deinit(&m->offsets);
    omen_buf_deinit(&m->bytes);
    omen_free(m->mem, m, size_of(m->count));
}

const omen_snapshot *omen_call_many_seen(const omen_call *c) { return &c->many->snapshot; }

omen_status omen_call_many(omen_call *c) {
    uint64_t count;
    const uint32_t *offsets;
    const uint8_t *bytes;
    OMEN_TRY(omen_call_collection(c));
    OMEN_TRY(omen_request_u64(&c->request, "count", UINT32_MAX, &count, &c->err));
    if (count > MOST) return omen_fail(&c->err, OMEN_ERR_TOO_LARGE, "%llu searches in one request; at most %u are allowed, split it", (unsigned long long)count, MOST);
    OMEN_TRY(omen_call_strings(c, 0, (uint32_t)count, &offsets, &bytes));
    omen_many *m = omen_alloc_zero(&c->engine->mem, size_of((uint32_t)count));
    if (m == NULL) return omen_fail(&c->err, OMEN_ERR_MEMORY, "out of memory for %u searches; ask for fewer at once", (unsigned)count);
    m->mem = &c->engine->mem;
    m->count = (uint32_t)count;
    omen_buf_init(&m->offsets, m->mem);
    omen_buf_init(&m->bytes, m->mem);
    omen_snapshot_take(c->db, &m->snapshot);
    c->many = m;
    for (uint32_t i = 0; i < m->count; i++)
        if (omen_call_child(c, bytes + offsets[i], offsets[i + 1] - offsets[i], &m->calls[i]) != OMEN_OK)
            return omen_fail(&c->err, OMEN_ERR_MEMORY, "out of memory for %u searches; ask for fewer at once", m->count);
    return OMEN_OK;
}

static omen_status failed(omen_call *c, uint32_t i, omen_status s) {
    const omen_error *why = &c->many->calls[i]->err;
    return omen_fail(&c->err, s, "query %u: %s", i, why->status == s && why->text[0] != '\0' ? why->text : omen_status_message(s));
}

static omen_status keep(omen_call *c, omen_many *m) {
    const void *bytes;
    size_t len;
    omen_call_response(m->calls[m->next], &bytes, &len);
    if (m->bytes.len + len > UINT32_MAX) return omen_fail(&c->err, OMEN_ERR_TOO_LARGE, "the answers of %u searches are too large together; ask for fewer at once", m->count);
    omen_status s = omen_buf_append_u32(&m->offsets, (uint32_t)m->bytes.len);
    if (s == OMEN_OK) s = omen_buf_append(&m->bytes, bytes, len); /* a message's length is a multiple of 8 */
    omen_call_free(m->calls[m->next]);
    m->calls[m->next++] = NULL;
    if (s == OMEN_OK && m->next == m->count) s = omen_buf_append_u32(&m->offsets, (uint32_t)m->bytes.len);
    return s == OMEN_OK ? s : omen_fail(&c->err, s, "out of memory for the answers of %u searches; ask for fewer at once", m->count);
}

/* Of those that fail the first one is told, so their order counts, not the storage's. */
omen_status omen_call_many_step(omen_call *c) {
    omen_many *m = c->many;
    if (m->count == 0) return m->offsets.len != 0 || omen_buf_append_u32(&m->offsets, 0) == OMEN_OK ? OMEN_OK : omen_fail(&c->err, OMEN_ERR_MEMORY, "out of memory");
    while (m->next < m->count) {
        omen_status s = omen_call_step(m->calls[m->next]);
        if (s == OMEN_PENDING) {
            uint32_t end = OMEN_MIN(m->next + AT_ONCE, m->count);
            for (uint32_t i = m->next + 1; i < end; i++) omen_call_step(m->calls[i]);
            return s;
        }
        if (s != OMEN_OK) return failed(c, m->next, s);
        OMEN_TRY(keep(c, m));
    }
    return OMEN_OK;
}

omen_status omen_call_many_answer(omen_call *c) {
    omen_jw_key(&c->w, "count");
    omen_jw_u64(&c->w, c->many->count);
    return OMEN_OK;
}

uint32_t omen_call_many_parts(const omen_call *c, omen_part_view *parts) {
    parts[0] = (omen_part_view){c->many->offsets.data, c->many->offsets.len};
    parts[1] = (omen_part_view){c->many->bytes.data, c->many->bytes.len};
    return 2;
}
