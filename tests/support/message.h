/* message.h - requests of the call protocol (docs/CALLS.md). MESSAGE_BYTES, the most that one takes, may be set before. */
#ifndef OMEN_TEST_MESSAGE_H
#define OMEN_TEST_MESSAGE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef MESSAGE_BYTES
#define MESSAGE_BYTES 4096
#endif

typedef struct message {
    _Alignas(8) uint8_t bytes[MESSAGE_BYTES];
    size_t len;
} message;

static inline void message_begin(message *m, const char *json, uint32_t parts) {
    uint32_t len = (uint32_t)strlen(json);
    memset(m, 0, sizeof *m);
    memcpy(m->bytes, "OMC1", 4);
    memcpy(m->bytes + 8, &len, 4);
    memcpy(m->bytes + 12, &parts, 4);
    m->len = 16 + 16 * (size_t)parts;
    memcpy(m->bytes + m->len, json, len);
    m->len += (len + 7u) & ~7u;
}

static inline void message_part(message *m, uint32_t i, const void *data, size_t len) {
    uint64_t at = m->len, n = len;
    if (m->len + len + 8 > sizeof m->bytes) abort();
    memcpy(m->bytes + 16 + 16 * (size_t)i, &at, 8);
    memcpy(m->bytes + 24 + 16 * (size_t)i, &n, 8);
    if (len > 0) memcpy(m->bytes + m->len, data, len);
    m->len += (len + 7u) & ~(size_t)7;
}

#endif
