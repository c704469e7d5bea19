/* exchange.h - requests and answers of the call protocol (docs/CALLS.md), as far as the simulation needs them: ids are small integers. */
#ifndef OMEN_SIMULATION_EXCHANGE_H
#define OMEN_SIMULATION_EXCHANGE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

enum { MESSAGE_PARTS = 8 };

/* Two parts: ids that are integers from 0 to 255. */
static inline void message_ids(message *m, uint32_t part, const int *ids, uint32_t count) {
    uint32_t offsets[33];
    uint8_t bytes[9 * 32];
    memset(bytes, 0, sizeof bytes);
    for (uint32_t i = 0; i <= count; i++) offsets[i] = i * 9;
    for (uint32_t i = 0; i < count; i++) bytes[i * 9] = 1, bytes[i * 9 + 1] = 0x80, bytes[i * 9 + 8] = (uint8_t)ids[i];
    message_part(m, part, offsets, (count + 1) * sizeof *offsets);
    message_part(m, part + 1, bytes, count * 9);
}

typedef struct answer {
    char json[400];
    const uint8_t *parts[MESSAGE_PARTS + 8];
    size_t len[MESSAGE_PARTS + 8];
    uint32_t count;
} answer;

static inline void answer_read(answer *a, const void *bytes, size_t len) {
    const uint8_t *b = bytes;
    uint32_t json_len;
    memset(a, 0, sizeof *a);
    if (len < 16) return;
    memcpy(&json_len, b + 8, 4);
    memcpy(&a->count, b + 12, 4);
    if (a->count > MESSAGE_PARTS + 8) abort();
    for (uint32_t i = 0; i < a->count; i++) {
        uint64_t at, n;
        memcpy(&at, b + 16 + 16 * (size_t)i, 8);
        memcpy(&n, b + 24 + 16 * (size_t)i, 8);
        a->parts[i] = b + at;
        a->len[i] = (size_t)n;
    }
    size_t n = json_len < sizeof a->json ? json_len : sizeof a->json - 1;
    memcpy(a->json, b + 16 + 16 * (size_t)a->count, n);
}

/* The number behind "key": in the answer; -1 when there is none. */
static inline long answer_number(const answer *a, const char *key) {
    char quoted[40];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(a->json, quoted);
    return at == NULL ? -1 : atol(at + strlen(quoted));
}

#endif
