// Generated from include/omendb_status.h by scripts/generate-errors.mjs; do not edit.

/** Every error's stable number and what it means. The numbers are the C library's and the command line's exit codes. */
export const ERRORS = {
  OMEN_ERR_INVALID: { status: 10, meaning: "an argument is out of its range; the message names it" },
  OMEN_ERR_DIMENSION: { status: 11, meaning: "a vector has another number of dimensions than its collection" },
  OMEN_ERR_NOT_FINITE: { status: 12, meaning: "a vector holds NaN or infinity; clean the data before writing it" },
  OMEN_ERR_ZERO_VECTOR: { status: 13, meaning: "a vector's length is zero, or too small or large for cosine" },
  OMEN_ERR_DUPLICATE_ID: { status: 14, meaning: "one batch names an id twice; keep one record for each id" },
  OMEN_ERR_ID: { status: 15, meaning: "an id is neither an integer nor a string of 1 to 512 bytes of UTF-8" },
  OMEN_ERR_NAME: { status: 16, meaning: "a name is empty, longer than 128 bytes, reserved, or has a character outside letters, digits, '_', '-' and '.'" },
  OMEN_ERR_JSON: { status: 17, meaning: "malformed JSON; the message gives the byte" },
  OMEN_ERR_TOO_LARGE: { status: 18, meaning: "a record, batch or request is larger than the stated limit" },
  OMEN_ERR_NOT_FOUND: { status: 20, meaning: "no such collection or record" },
  OMEN_ERR_EXISTS: { status: 21, meaning: "a record or database of this name exists already" },
  OMEN_ERR_SCHEMA: { status: 22, meaning: "the collection exists with another schema" },
  OMEN_ERR_BUSY: { status: 30, meaning: "another program or tab has the database open for writing; close it there first" },
  OMEN_ERR_READ_ONLY: { status: 31, meaning: "the database is open for reading only" },
  OMEN_ERR_CLOSED: { status: 32, meaning: "the database or collection is closed" },
  OMEN_ERR_POISONED: { status: 33, meaning: "an earlier write or sync failed; reopen the database to recover what is durable" },
  OMEN_ERR_CANCELLED: { status: 34, meaning: "the operation was cancelled" },
  OMEN_ERR_DEADLINE: { status: 35, meaning: "the deadline passed before the answer was complete; give more time, or ask for less" },
  OMEN_ERR_OUTCOME_UNKNOWN: { status: 36, meaning: "whoever held the database went before it answered, so whether the write happened is not known; read back what it wrote, and write again if need be" },
  OMEN_ERR_IO: { status: 40, meaning: "the storage failed to read or write" },
  OMEN_ERR_FULL: { status: 41, meaning: "the disk or the storage quota is full; free some space and reopen" },
  OMEN_ERR_DATA_EVICTED: { status: 42, meaning: "the storage no longer holds the database it held before" },
  OMEN_ERR_CORRUPT: { status: 50, meaning: "the database is damaged; the message gives file and place" },
  OMEN_ERR_FOREIGN: { status: 51, meaning: "not an OmenDB database; choose another path or name" },
  OMEN_ERR_VERSION: { status: 52, meaning: "written by a newer OmenDB; upgrade this one" },
  OMEN_ERR_KEY: { status: 53, meaning: "the encryption key does not fit: another one, none although the database is encrypted, or one although it is not; nothing is damaged" },
  OMEN_ERR_MEMORY: { status: 60, meaning: "out of memory" },
  OMEN_ERR_LIMIT: { status: 61, meaning: "a limit of the options is reached; wait for maintenance, or raise the limit" },
  OMEN_ERR_UNSUPPORTED: { status: 70, meaning: "this host or build does not offer the operation" },
  OMEN_ERR_INTERNAL: { status: 71, meaning: "an invariant of OmenDB broke; please report it" },
} as const;

/** The stable name of an error. */
export type ErrorCode = keyof typeof ERRORS;

/** The answers that are no errors. */
export const STATUS = {
  OMEN_OK: 0,
  OMEN_PENDING: 1,
} as const;
