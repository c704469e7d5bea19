/* columns_condition.h - a condition on one path, as the set of values that fulfil it, and the rows of a part that do.
 *
 * A row fulfils a condition when what it has at the path is in one of the sets: one of the `kinds`, a number, string or time in
 * one of the ranges, or an array of a size. A condition may look at the value itself, at the elements of an array, or at both: then one
 * element is enough. Everything else ("not", "none of", "all of") is made of conditions by columns_eval.h.
 */
#ifndef OMEN_COLUMN_COLUMNS_CONDITION_H
#define OMEN_COLUMN_COLUMNS_CONDITION_H

#include "column/columns.h"

typedef enum omen_limit_type { OMEN_LIMIT_NONE, OMEN_LIMIT_INT, OMEN_LIMIT_FLOAT, OMEN_LIMIT_TEXT } omen_limit_type;
typedef struct omen_limit {
    omen_limit_type type; /* NONE: there is none on this side */
    bool open;            /* the limit itself is outside */
    int64_t integer;      /* of TIMES: microseconds (omen_time_parse) */
    double number;
    omen_str text;
} omen_limit;

enum { OMEN_LOOK_VALUE = 1u, OMEN_LOOK_ELEMENTS = 2u }; /* the value itself, the elements of an array */

typedef enum omen_range_kind {
    OMEN_RANGE_NUMBERS,   /* integers and floats by value; limits of either type, compared exactly */
    OMEN_RANGE_STRINGS,   /* by bytes; limits TEXT */
    OMEN_RANGE_PREFIX,    /* strings that begin with low.text */
    OMEN_RANGE_SUBSTRING, /* strings that contain low.text */
    OMEN_RANGE_TIMES      /* strings that are RFC 3339 times, by instant; limits INT */
} omen_range_kind;
typedef struct omen_range {
    omen_range_kind kind;
    uint32_t look; /* OMEN_LOOK_* */
    omen_limit low, high;
} omen_range;

enum {
    OMEN_KIND_MISSING = 1u,
    OMEN_KIND_NULL = 2u,
    OMEN_KIND_FALSE = 4u,
    OMEN_KIND_TRUE = 8u,
    OMEN_KIND_PRESENT = 16u /* anything but missing */
};

typedef struct omen_condition {
    omen_str path;       /* canonical, see filter.h */
    uint32_t kinds;      /* OMEN_KIND_* */
    uint32_t look;       /* OMEN_LOOK_*: where the kinds NULL, FALSE and TRUE are looked for; the others are of the value itself */
    bool sized;          /* arrays of least_size to most_size elements */
    uint32_t least_size, most_size;
    bool doubtful;       /* about objects and arrays as a whole, as places are: every row that has one is to be looked at */
    const omen_range *ranges;
    uint32_t range_count;
} omen_condition;

/* What is known of up to OMEN_COLUMN_BLOCK rows: bits of those that surely fulfil something, and of those that perhaps do (a superset). Bits behind the
 * last row are 0. */
#define OMEN_BLOCK_WORDS (OMEN_COLUMN_BLOCK / 64)
typedef struct omen_known {
    uint64_t sure[OMEN_BLOCK_WORDS], perhaps[OMEN_BLOCK_WORDS];
} omen_known;

/* A condition bound to the columns of a part. */
typedef struct omen_bound omen_bound;
/* condition and columns are borrowed. Never reads: see omen_bound_prepare. OMEN_ERR_MEMORY. */
omen_status omen_bound_new(const omen_columns *c, const omen_condition *condition, omen_bound **out, omen_error *err);
/* Finds the condition's strings in dictionaries. Step: repeat on PENDING. */
omen_status omen_bound_prepare(omen_bound *b, omen_error *err);
/* The rows of one block. Step: repeat on PENDING with the same block. */
omen_status omen_bound_block(omen_bound *b, uint32_t block, omen_known *out, omen_error *err);
/* Rows that fulfil it, by statistics: 0 to rows. Once prepared. Step: repeat on PENDING. (columns_estimate.c) */
omen_status omen_bound_estimate(omen_bound *b, double *rows, omen_error *err);
void omen_bound_free(omen_bound *b);

#endif
