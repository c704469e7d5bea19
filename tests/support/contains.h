/* contains.h - whether bytes stand somewhere among others. */
#ifndef OMEN_TEST_CONTAINS_H
#define OMEN_TEST_CONTAINS_H

#include <stdbool.h>
#include <string.h>

#include "omendb.h"

static inline bool contains_bytes(const void *where, size_t len, const void *what, size_t n) {
    for (size_t i = 0; i + n <= len; i++)
        if (memcmp((const char *)where + i, what, n) == 0) return true;
    return false;
}

static inline bool contains(omen_str where, const char *what) { return contains_bytes(where.data, where.len, what, strlen(what)); }

#endif
