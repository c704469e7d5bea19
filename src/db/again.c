#include "db/again.h"

#define ATTEMPTS 100u

bool omen_again_doubts(omen_status s) {
    return s == OMEN_ERR_CORRUPT || s == OMEN_ERR_NOT_FOUND || s == OMEN_ERR_IO || s == OMEN_ERR_FOREIGN || s == OMEN_ERR_VERSION;
}

omen_status omen_again_judge(omen_again *a, const void *said, size_t len, bool *again, omen_error *err) {
    *again = a->attempts == 0 || a->said.len != len || memcmp(a->said.data, said, len) != 0;
    if (!*again) return OMEN_OK;
    if (++a->attempts == ATTEMPTS)
        return omen_fail(err, OMEN_ERR_BUSY, "the database is being changed faster than it can be opened for reading; try again, or read it in the program that writes it");
    a->said.len = 0;
    return omen_buf_append(&a->said, said, len) == OMEN_OK ? OMEN_OK : omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
}
