/* omendb_status.h - the one table of every status OmenDB answers.
 *
 * The C enum, the names, the default messages and the TypeScript codes all come from OMEN_STATUS_MAP.
 * Values are pinned: they are stored by programs, sent between threads, and used as exit codes of the
 * command line (which maps them unchanged). A value is never reused and never changes its meaning.
 */
#ifndef OMENDB_STATUS_H
#define OMENDB_STATUS_H

/* X(NAME, value, "what it means and what to do") */
#define OMEN_STATUS_MAP(X)                                                                                   \
    X(OK, 0, "success")                                                                                      \
    X(PENDING, 1, "not finished: the host is still reading or syncing; step the operation again")            \
    X(ERR_INVALID, 10, "an argument is out of its range; the message names it")                              \
    X(ERR_DIMENSION, 11, "a vector has another number of dimensions than its collection")                    \
    X(ERR_NOT_FINITE, 12, "a vector holds NaN or infinity; clean the data before writing it")                \
    X(ERR_ZERO_VECTOR, 13, "a vector's length is zero, or too small or large for cosine")                    \
    X(ERR_DUPLICATE_ID, 14, "one batch names an id twice; keep one record for each id")                      \
    X(ERR_ID, 15, "an id is neither an integer nor a string of 1 to 512 bytes of UTF-8")                     \
    X(ERR_NAME, 16, "a name is empty, longer than 128 bytes, reserved, or has a character outside "          \
                    "letters, digits, '_', '-' and '.'")                                                     \
    X(ERR_JSON, 17, "malformed JSON; the message gives the byte")                                            \
    X(ERR_TOO_LARGE, 18, "a record, batch or request is larger than the stated limit")                       \
    X(ERR_NOT_FOUND, 20, "no such collection or record")                                                     \
    X(ERR_EXISTS, 21, "a record or database of this name exists already")                                    \
    X(ERR_SCHEMA, 22, "the collection exists with another schema")                                           \
    X(ERR_BUSY, 30, "another program or tab has the database open for writing; close it there first")        \
    X(ERR_READ_ONLY, 31, "the database is open for reading only")                                            \
    X(ERR_CLOSED, 32, "the database or collection is closed")                                                \
    X(ERR_POISONED, 33, "an earlier write or sync failed; reopen the database to recover what is durable")   \
    X(ERR_CANCELLED, 34, "the operation was cancelled")                                                      \
    X(ERR_DEADLINE, 35, "the deadline passed before the answer was complete; give more time, or ask for less") \
    X(ERR_OUTCOME_UNKNOWN, 36, "whoever held the database went before it answered, so whether the write happened is not "   \
                               "known; read back what it wrote, and write again if need be")                  \
    X(ERR_IO, 40, "the storage failed to read or write")                                                     \
    X(ERR_FULL, 41, "the disk or the storage quota is full; free some space and reopen")                     \
    X(ERR_DATA_EVICTED, 42, "the storage no longer holds the database it held before")                       \
    X(ERR_CORRUPT, 50, "the database is damaged; the message gives file and place")                          \
    X(ERR_FOREIGN, 51, "not an OmenDB database; choose another path or name")                                \
    X(ERR_VERSION, 52, "written by a newer OmenDB; upgrade this one")                                        \
    X(ERR_KEY, 53, "the encryption key does not fit: another one, none although the database is encrypted, " \
                   "or one although it is not; nothing is damaged")                                          \
    X(ERR_MEMORY, 60, "out of memory")                                                                       \
    X(ERR_LIMIT, 61, "a limit of the options is reached; wait for maintenance, or raise the limit")          \
    X(ERR_UNSUPPORTED, 70, "this host or build does not offer the operation")                                \
    X(ERR_INTERNAL, 71, "an invariant of OmenDB broke; please report it")

typedef enum omen_status {
#define X(name, value, text) OMEN_##name = (value),
    OMEN_STATUS_MAP(X)
#undef X
} omen_status;

#endif
