/* key.h - ids in canonical form: a byte string whose memcmp order is the order of ids.
 * Integers: 01, then 8 bytes big-endian of value XOR 2^63. Strings: 02, then their UTF-8. The same bytes lie in
 * messages, log, memtable and segments. */
#ifndef OMEN_BASE_KEY_H
#define OMEN_BASE_KEY_H

#include "base/base.h"

#define OMEN_KEY_MAX (OMEN_MAX_ID + 1u)

typedef struct omen_key {
    const uint8_t *data;
    uint32_t len;
} omen_key;

/* Encodes into `into` (at least OMEN_KEY_MAX bytes; strings are copied). OMEN_ERR_ID. */
omen_status omen_key_encode(const omen_id *id, uint8_t *into, omen_key *out, omen_error *err);
/* The id a valid key stands for; a string borrows from the key. */
omen_id omen_key_decode(omen_key key);
/* Whether bytes are a canonical key: a known type, the right length, valid UTF-8 without NUL bytes. */
bool omen_key_valid(const uint8_t *data, size_t len);
int omen_key_compare(omen_key a, omen_key b); /* <0, 0, >0 */
static inline bool omen_key_equal(omen_key a, omen_key b) { return a.len == b.len && memcmp(a.data, b.data, a.len) == 0; }
uint64_t omen_key_hash(omen_key key);
/* For messages: `7` or `"text"` (cut to fit) into buf of cap bytes; answers buf. */
const char *omen_key_print(omen_key key, char *buf, size_t cap);

/* UTF-8 by Unicode 15, no surrogates, no over-long forms. */
bool omen_utf8_valid(const void *p, size_t len);

#endif
