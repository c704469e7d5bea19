/* values.h - what a row has at a path: paths, values, the bytes that stand for a value when rows are grouped or sorted by it, and a reader of
 * single rows over the columns of a part. */
#ifndef OMEN_COLUMN_VALUES_H
#define OMEN_COLUMN_VALUES_H

#include "base/json.h"
#include "column/columns.h"

/* ---- paths ---- */

/* A path as filters write it: names with single dots between them, a backslash before a dot, backslash or dollar sign that is part of a name. One run of
 * memory. */
typedef struct omen_value_path {
    omen_mem *mem;
    omen_str text; /* canonical, as columns and filters have it */
    uint32_t count, zero;
    omen_str *names; /* as documents have them */
    size_t size;
} omen_value_path;
/* OMEN_ERR_INVALID: no path; OMEN_ERR_TOO_LARGE: more than OMEN_COLUMN_MAX_PATH bytes or OMEN_MAX_JSON_DEPTH names; OMEN_ERR_MEMORY. Then *out is zeros. */
omen_status omen_value_path_read(omen_mem *m, omen_str text, omen_value_path *out, omen_error *err);
void omen_value_path_deinit(omen_value_path *p); /* zeros are fine */
/* NULL: missing. root may be NULL. */
const omen_json_val *omen_value_path_reach(const omen_value_path *p, const omen_json_val *root);

/* ---- values ---- */

typedef enum omen_value_kind {
    OMEN_VALUE_MISSING,
    OMEN_VALUE_NULL,
    OMEN_VALUE_BOOL,
    OMEN_VALUE_INT,    /* an integer of int64 */
    OMEN_VALUE_FLOAT,  /* any other number */
    OMEN_VALUE_STRING,
    OMEN_VALUE_ARRAY,
    OMEN_VALUE_OBJECT,
    OMEN_VALUE_UNKNOWN /* columns do not hold it: ask the document */
} omen_value_kind;
typedef struct omen_value {
    omen_value_kind kind;
    int64_t i;     /* INT; BOOL: 0 or 1 */
    double d;      /* FLOAT */
    omen_str text; /* STRING */
} omen_value;
/* NULL: missing. Borrows strings. Never UNKNOWN. */
omen_value omen_value_of(const omen_json_val *v);

/* The form of a value: a byte of its class, then bytes. Two values have the same form exactly if filters call them equal: 1 and 1.0, 0 and -0, a missing
 * path and null. Compared by bytes, the shorter first, forms stand in the order of values: null, booleans, numbers, strings.
 *   null, missing  0
 *   boolean        1, then 0 or 1
 *   number         2, the greatest double not above it as a key (columns_format.h), big-endian with the sign flipped, and what an integer has
 *                  beyond it (0 to 1023), u16 big-endian
 *   string         3, its bytes
 * Arrays, objects and what is unknown have none. */
enum { OMEN_FORM_NULL = 0, OMEN_FORM_BOOL = 1, OMEN_FORM_NUMBER = 2, OMEN_FORM_STRING = 3 };
#define OMEN_FORM_SHORT 12u /* no form but a string's is longer */
/* The bytes; of a string only its class byte, so that text does not have to be copied. 0: it has no form. */
size_t omen_value_form_head(const omen_value *v, uint8_t out[OMEN_FORM_SHORT]);
/* The whole, appended. OMEN_ERR_INVALID (without a text): it has none; OMEN_ERR_MEMORY. */
omen_status omen_value_form(const omen_value *v, omen_buf *out);
/* The value of a form; borrows strings. A number that is an int64 is INT. false: these bytes are no form. */
bool omen_value_of_form(omen_str form, omen_value *out);
int omen_form_order(omen_str a, omen_str b); /* < 0, 0, > 0 */
void omen_value_print(const omen_value *v, omen_jw *w); /* null unless BOOL, INT, FLOAT or STRING */

/* ---- one row of a part ---- */

/* Columns and path are borrowed. One thread at a time. Reads nothing yet. OMEN_ERR_MEMORY. */
typedef struct omen_values omen_values;
omen_status omen_values_new(const omen_columns *c, const omen_value_path *path, omen_values **out, omen_error *err);
/* What the row has; ARRAY and OBJECT without what is in them. Its text is borrowed until the next call with this reader. Holds up to three blocks of the
 * pool between calls: ascending rows are the fast order. Step: repeat on PENDING. OMEN_ERR_CORRUPT, _IO, _MEMORY. */
omen_status omen_values_get(omen_values *v, uint32_t row, omen_value *out, omen_error *err);
void omen_values_rest(omen_values *v); /* releases the blocks; the last text is no longer there */
void omen_values_free(omen_values *v); /* NULL is fine */

#endif
