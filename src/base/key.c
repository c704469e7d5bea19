#include "base/key.h"

#include "base/hash.h"

enum { INTEGER = 1, STRING = 2 };
#define SIGN (UINT64_C(1) << 63)

omen_status omen_key_encode(const omen_id *id, uint8_t *into, omen_key *out, omen_error *err) {
    if (id->text.data == NULL) {
        uint64_t v = (uint64_t)id->number ^ SIGN;
        into[0] = INTEGER;
        for (unsigned i = 0; i < 8; i++) into[1 + i] = (uint8_t)(v >> (56 - 8 * i));
        *out = (omen_key){into, 9};
        return OMEN_OK;
    }
    if (id->text.len == 0) return omen_fail(err, OMEN_ERR_ID, "an id is an empty string; use an integer or a string of 1 to %u bytes", OMEN_MAX_ID);
    if (id->text.len > OMEN_MAX_ID)
        return omen_fail(err, OMEN_ERR_ID, "an id has %zu bytes; at most %u are allowed", id->text.len, OMEN_MAX_ID);
    into[0] = STRING;
    memcpy(into + 1, id->text.data, id->text.len);
    *out = (omen_key){into, (uint32_t)id->text.len + 1};
    if (!omen_key_valid(into, out->len)) return omen_fail(err, OMEN_ERR_ID, "an id is not valid UTF-8, or holds a NUL byte");
    return OMEN_OK;
}

omen_id omen_key_decode(omen_key key) {
    if (key.len != 0 && key.data[0] == STRING) return (omen_id){{(const char *)key.data + 1, key.len - 1}, 0};
    uint64_t v = 0;
    for (unsigned i = 1; i < 9 && i < key.len; i++) v = v << 8 | key.data[i];
    return (omen_id){{NULL, 0}, (int64_t)(v ^ SIGN)};
}

bool omen_key_valid(const uint8_t *data, size_t len) {
    if (len == 9 && data[0] == INTEGER) return true;
    if (len < 2 || len > OMEN_KEY_MAX || data[0] != STRING) return false;
    return memchr(data + 1, 0, len - 1) == NULL && omen_utf8_valid(data + 1, len - 1);
}

int omen_key_compare(omen_key a, omen_key b) {
    int c = memcmp(a.data, b.data, OMEN_MIN(a.len, b.len));
    return c != 0 ? c : a.len < b.len ? -1 : a.len > b.len;
}

uint64_t omen_key_hash(omen_key key) { return omen_hash64(key.data, key.len, 0); }

const char *omen_key_print(omen_key key, char *buf, size_t cap) {
    omen_id id = omen_key_decode(key);
    if (id.text.data == NULL) {
        omen_format(buf, cap, "%lld", (long long)id.number);
    } else {
        /* Room for the quotes; omen_format never cuts a character in two. */
        char text[OMEN_MAX_ID + 1];
        omen_format(text, OMEN_MIN(sizeof text, cap > 3 ? cap - 3 : 1u), "%.*s", (int)id.text.len, id.text.data);
        omen_format(buf, cap, "\"%s\"", text);
    }
    return buf;
}
