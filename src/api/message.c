#include "api/message.h"

#define REQUEST_MAGIC 0x31434d4fu  /* "OMC1" */
#define RESPONSE_MAGIC 0x31524d4fu /* "OMR1" */
#define HEADER 16u
#define PART 16u

static omen_status malformed(omen_error *err, const char *what) {
    return omen_fail(err, OMEN_ERR_INVALID, "malformed request: %s; see the call protocol", what);
}

omen_status omen_request_decode(omen_request *r, omen_mem *m, const uint8_t *bytes, size_t len, omen_error *err) {
    memset(r, 0, sizeof *r);
    if (len < HEADER || omen_get32(bytes) != REQUEST_MAGIC) return malformed(err, "no header");
    uint32_t json_len = omen_get32(bytes + 8), count = omen_get32(bytes + 12);
    if (count > OMEN_MESSAGE_PARTS) return malformed(err, "too many parts");
    size_t json_at = HEADER + (size_t)count * PART;
    if (json_at > len || json_len > len - json_at) return malformed(err, "cut short");
    for (uint32_t i = 0; i < count; i++) {
        uint64_t at = omen_get64(bytes + HEADER + i * PART), n = omen_get64(bytes + HEADER + i * PART + 8);
        if (at % 8 != 0 || at < json_at + json_len || at > len || n > len - at) return malformed(err, "a part lies outside");
        r->parts[i] = (omen_part_view){bytes + at, (size_t)n};
    }
    r->part_count = count;
    OMEN_TRY(omen_json_parse(m, (omen_str){(const char *)bytes + json_at, json_len}, &r->json, err));
    r->root = omen_json_root(r->json);
    return omen_json_is_object(r->root) ? OMEN_OK : malformed(err, "its JSON is no object");
}

void omen_request_deinit(omen_request *r) {
    omen_json_free(r->json);
    r->json = NULL;
}

bool omen_request_has(const omen_request *r, const char *name) {
    const omen_json_val *v = omen_json_get(r->root, name);
    return v != NULL && !omen_json_is_null(v);
}

omen_status omen_request_u64(const omen_request *r, const char *name, uint64_t max, uint64_t *out, omen_error *err) {
    if (!omen_json_u64(omen_json_get(r->root, name), out))
        return omen_fail(err, OMEN_ERR_INVALID, "%s must be an integer of 0 to %llu", name, (unsigned long long)max);
    if (*out > max) return omen_fail(err, OMEN_ERR_INVALID, "%s is %llu; at most %llu is allowed", name, (unsigned long long)*out, (unsigned long long)max);
    return OMEN_OK;
}

omen_status omen_request_str(const omen_request *r, const char *name, omen_str *out, omen_error *err) {
    return omen_json_str(omen_json_get(r->root, name), out) ? OMEN_OK : omen_fail(err, OMEN_ERR_INVALID, "%s must be a string", name);
}

omen_status omen_request_part(const omen_request *r, uint32_t index, omen_part_view *out, omen_error *err) {
    if (index >= r->part_count) return omen_fail(err, OMEN_ERR_INVALID, "the request has %u parts; part %u is needed", r->part_count, index);
    *out = r->parts[index];
    return OMEN_OK;
}

static omen_status encode(omen_buf *out, omen_status status, omen_str json, const omen_part_view *parts, uint32_t count) {
    uint64_t at = omen_round_up(HEADER + count * PART + json.len, 8);
    uint64_t total = at;
    for (uint32_t i = 0; i < count; i++) total += omen_round_up(parts[i].len, 8);
    if (total > SIZE_MAX / 2) return OMEN_ERR_TOO_LARGE;
    OMEN_TRY(omen_buf_reserve(out, (size_t)total));
    uint8_t *p = out->data;
    memset(p, 0, (size_t)at);
    omen_put32(p, RESPONSE_MAGIC);
    omen_put32(p + 4, (uint32_t)status);
    omen_put32(p + 8, (uint32_t)json.len);
    omen_put32(p + 12, count);
    memcpy(p + HEADER + count * PART, json.data, json.len);
    for (uint32_t i = 0; i < count; i++) {
        omen_put64(p + HEADER + i * PART, at);
        omen_put64(p + HEADER + i * PART + 8, parts[i].len);
        if (parts[i].len != 0) {
            size_t end = (size_t)(at + omen_round_up(parts[i].len, 8));
            memset(p + end - 8, 0, 8); /* what fills it up to a multiple of 8 */
            memcpy(p + at, parts[i].data, parts[i].len);
            at = end;
        }
    }
    out->len = (size_t)total;
    return OMEN_OK;
}

omen_status omen_response_encode(omen_buf *out, omen_status status, omen_str json, const omen_part_view *parts, uint32_t part_count) {
    out->len = 0;
    return encode(out, status, json, parts, part_count);
}
