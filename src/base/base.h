/* base/ - what every other room stands on: status and error text, memory, byte cursors, hashing, sorting, JSON,
 * compression, metric primitives. No state of its own, no I/O. */
#ifndef OMEN_BASE_BASE_H
#define OMEN_BASE_BASE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "omendb.h"

#define OMEN_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define OMEN_MIN(a, b) ((a) < (b) ? (a) : (b))
#define OMEN_MAX(a, b) ((a) > (b) ? (a) : (b))

/* Where a failure is explained. Every operation carries one, zeroed at its start; a later failure replaces an earlier one. */
typedef struct omen_error {
    omen_status status;
    char text[400];
} omen_error;

/* Sets status and text and answers status. `format` knows %s, %.*s and %.20s (char*), %u (uint32_t), %llu
 * (unsigned long long), %lld, %x (uint32_t), %zu, %d and %%. Arguments may point into err. err may be NULL; it is left as it
 * is by OMEN_OK and OMEN_PENDING. */
omen_status omen_fail(omen_error *err, omen_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same formatter into a buffer; always ends in NUL, answers the length that was needed. */
size_t omen_format(char *buf, size_t cap, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Check and forward: PENDING is forwarded as well. */
#define OMEN_TRY(expr)                       \
    do {                                     \
        omen_status try_ = (expr);           \
        if (try_ != OMEN_OK) return try_;    \
    } while (0)

/* Checked in every build. Stops the program: an invariant broke and nothing may be written any more. */
#define OMEN_ASSERT(cond) \
    do {                  \
        if (!(cond)) __builtin_trap(); \
    } while (0)

/* false on overflow */
static inline bool omen_mul(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool omen_add(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline uint64_t omen_round_up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

/* Little-endian loads and stores at any alignment. */
static inline uint16_t omen_get16(const void *p) { uint16_t v; memcpy(&v, p, 2); return v; }
static inline uint32_t omen_get32(const void *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static inline uint64_t omen_get64(const void *p) { uint64_t v; memcpy(&v, p, 8); return v; }
static inline void omen_put16(void *p, uint16_t v) { memcpy(p, &v, 2); }
static inline void omen_put32(void *p, uint32_t v) { memcpy(p, &v, 4); }
static inline void omen_put64(void *p, uint64_t v) { memcpy(p, &v, 8); }
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "OmenDB's files are little-endian, and so are its hosts");

#endif
