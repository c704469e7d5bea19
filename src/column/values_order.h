/* values_order.h - the first k rows of a selection by what they have at a path, over any number of parts and tables.
 *
 * Rows with a boolean, number or string stand in the order of values (values.h), or in the opposite one; rows with anything else or nothing come last, whatever
 * the direction. Which of equal rows come first is not decided here: all that are equal to the k-th are kept, for the caller to choose by id. */
#ifndef OMEN_COLUMN_VALUES_ORDER_H
#define OMEN_COLUMN_VALUES_ORDER_H

#include "base/bits.h"
#include "column/values.h"

typedef struct omen_order omen_order;
/* k at least 1. One thread at a time. Memory: about 24 bytes, and the value, for each of 2 k rows, or of those equal to the k-th. OMEN_ERR_MEMORY. */
omen_status omen_order_new(omen_mem *m, uint32_t k, bool descending, omen_order **out, omen_error *err);
void omen_order_free(omen_order *o); /* NULL is fine */
/* One row. source: a number of the caller's for its part or table. UNKNOWN is not for here. OMEN_ERR_MEMORY. */
omen_status omen_order_offer(omen_order *o, uint32_t source, uint32_t row, const omen_value *v, omen_error *err);
/* Rows of a part: up to `most` from *row on that are in accept (NULL: all) and not in dead (NULL: none). Rows that columns do not hold are set in ask:
 * read the document, and offer omen_value_of what it has. Step: repeat with the same *row (0 at first) until *done, on PENDING too. As omen_values_get. */
omen_status omen_order_part(omen_order *o, omen_values *v, uint32_t source, uint32_t rows, const omen_bits *accept, const omen_bits *dead, uint32_t *row, uint32_t most, omen_bits *ask,
                            bool *done, omen_error *err);
/* Sorts; then how many there are: k, more when there are equals, fewer when there are no more rows. */
uint32_t omen_order_finish(omen_order *o);
/* The i-th, once finished. form: as values.h has it, empty for rows that come last; equal ones have equal forms, and stand by source and row. */
void omen_order_get(const omen_order *o, uint32_t i, uint32_t *source, uint32_t *row, omen_str *form);

#endif
