/* message.h - the messages of docs/CALLS.md: reading requests, which come from anywhere and are checked whole, and writing responses. */
#ifndef OMEN_API_MESSAGE_H
#define OMEN_API_MESSAGE_H

#include "base/json.h"

#define OMEN_MESSAGE_PARTS 64u

typedef struct omen_part_view {
    const uint8_t *data; /* 8-byte aligned when the message is */
    size_t len;
} omen_part_view;

typedef struct omen_request {
    omen_json *json;
    const omen_json_val *root;
    uint32_t part_count;
    omen_part_view parts[OMEN_MESSAGE_PARTS];
} omen_request;

/* The bytes are borrowed, 8-byte aligned. OMEN_ERR_INVALID, _JSON, _MEMORY. */
omen_status omen_request_decode(omen_request *r, omen_mem *m, const uint8_t *bytes, size_t len, omen_error *err);
void omen_request_deinit(omen_request *r);

/* Arguments by name. A missing one is OMEN_ERR_INVALID unless `fallback` says otherwise. */
omen_status omen_request_u64(const omen_request *r, const char *name, uint64_t max, uint64_t *out, omen_error *err);
omen_status omen_request_str(const omen_request *r, const char *name, omen_str *out, omen_error *err);
bool omen_request_has(const omen_request *r, const char *name); /* present and not null */
omen_status omen_request_part(const omen_request *r, uint32_t index, omen_part_view *out, omen_error *err);

/* Appends a response. */
omen_status omen_response_encode(omen_buf *out, omen_status status, omen_str json, const omen_part_view *parts, uint32_t part_count);

#endif
