/* facets.h - counts over the rows of a selection: how many have which values, how many lie in which ranges, and what numbers come to.
 *
 * A request is a JSON object: a name for each facet, and what is asked of it:
 *   {"tags": {}, "stock": {"path": "shop.stock"}, "price": {"ranges": [{"to": 10}, {"from": 10, "to": 20}], "stats": true},
 *    "year": {"histogram": {"interval": 10}}, "at": {"histogram": {"interval": "month"}}}
 * or an array of paths, each a facet of its own name: ["tags", "colour"]. Members of a facet:
 *   path        as filters write it; the facet's name when absent
 *   values      true: counts of each value. So without any of the next three
 *   ranges      1 to OMEN_FACET_RANGES half-open intervals {"from": , "to": }, one side may be absent: of numbers, or of times (strings of RFC 3339, or
 *               {"$date": "..."}). They may overlap
 *   histogram   {"interval": a number above 0}: numbers; {"interval": "15 minutes"}: times, in UTC, by second, minute, hour, day, week (from Monday),
 *               month, quarter or year
 *   stats       true: count, min, max, sum and mean of numbers
 *   limit       values that are given, most first: 0 to maxValues, else 10
 *   maxValues   the most different values, or buckets, that there may be: 1 to OMEN_FACET_MOST_VALUES, else OMEN_FACET_VALUES. More are an error
 *               (OMEN_ERR_LIMIT), as nobody could say which to leave out
 *
 * What is counted. Each count is the number of rows that a filter would find (filter.h, "The rules of comparing"): of a value, by `path = value`; of
 * `missing`, by `path IS NULL`. So 1 and 1.0 are one value, "1" is another, an array counts once for each different element, and a row
 * whose array has a null element is missing and counts for the others. Objects, and arrays inside arrays, count nowhere. A range counts
 * the rows that have a number (or a time) in it, an array once; so does a bucket. Stats take every number, each element of an array.
 *
 * Buckets. With an interval that is an integer, bucket k holds the numbers from k * interval to below (k + 1) * interval, exactly, for numbers that fit int64
 * or have a fraction; others are `outside`. With another interval, numbers are doubles, and so are both products, rounded. Buckets beyond
 * 2^53 on either side are `outside`, too.
 *
 * The answer, in the order of the request:
 *   {"tags": {"values": [{"value": "x", "count": 3}], "missing": 5, "distinct": 17},
 *    "price": {"ranges": [{"to": 10, "count": 4}], "stats": {"count": 9, "min": 1, "max": 20.5, "sum": 99, "mean": 11}, "missing": 0},
 *    "year": {"histogram": [{"from": 1990, "to": 2000, "count": 8}], "missing": 1}}
 * values: by count, most first, then booleans, numbers, strings, each ascending. histogram: buckets that are not empty, ascending, with
 * "outside" beside it when that is not 0. sum is exact before it is rounded once to a double (an integer of int64 stays one); mean is that
 * divided by the count; both are null beyond all doubles. So an answer depends on the documents alone, not on how they lie in parts.
 */
#ifndef OMEN_COLUMN_FACETS_H
#define OMEN_COLUMN_FACETS_H

#include "base/bits.h"
#include "column/values.h"

#define OMEN_FACETS_MAX 64u
#define OMEN_FACET_RANGES 256u
#define OMEN_FACET_LIMIT 10u
#define OMEN_FACET_VALUES 65536u
#define OMEN_FACET_MOST_VALUES 1048576u

/* A request; immutable, for any number of threads. */
typedef struct omen_facets_request omen_facets_request;
/* Copies all it needs. OMEN_ERR_INVALID (with the place), _TOO_LARGE, _MEMORY. */
omen_status omen_facets_request_read(omen_mem *m, const omen_json_val *v, omen_facets_request **out, omen_error *err);
void omen_facets_request_free(omen_facets_request *r); /* NULL is fine */

/* Counts of one request. One thread at a time; threads have one each, merged at the end. After an error other than PENDING counts are of no use. */
typedef struct omen_facets omen_facets;
/* r is borrowed. OMEN_ERR_MEMORY. */
omen_status omen_facets_new(omen_mem *m, const omen_facets_request *r, omen_facets **out, omen_error *err);
void omen_facets_free(omen_facets *f); /* NULL is fine */
/* Counts one row by its document; root NULL: it has none. OMEN_ERR_LIMIT, _MEMORY. */
omen_status omen_facets_doc(omen_facets *f, const omen_json_val *root, omen_error *err);
/* Adds the counts of another of the same request. OMEN_ERR_LIMIT, _MEMORY. */
omen_status omen_facets_merge(omen_facets *f, const omen_facets *other, omen_error *err);
/* The answer as one JSON value. OMEN_ERR_MEMORY. */
omen_status omen_facets_write(const omen_facets *f, omen_jw *w, omen_error *err);

/* The rows of one part: by columns as far as they go, then by documents.
 *     omen_facets_part_new; omen_facets_part_step until done;
 *     while ((row = omen_facets_part_next(p)) != UINT32_MAX) { read and parse the row's document; omen_facets_part_doc(p, row, root) } */
typedef struct omen_facets_part omen_facets_part;
/* c: borrowed; NULL: a part without columns. rows: of the part. accept: the rows of the selection, NULL: all; dead: rows that are none (NULL: there are none),
 * accepted or not; both borrowed until the part is freed, `rows` bits each. OMEN_ERR_MEMORY. */
omen_status omen_facets_part_new(omen_facets *f, const omen_columns *c, uint32_t rows, const omen_bits *accept, const omen_bits *dead, omen_facets_part **out, omen_error *err);
/* Goes through up to `blocks` blocks of OMEN_COLUMN_BLOCK rows, for one facet each. Step: repeat until *done, on PENDING too. OMEN_ERR_CORRUPT, _IO,
 * _LIMIT, _MEMORY. */
omen_status omen_facets_part_step(omen_facets_part *p, uint32_t blocks, bool *done, omen_error *err);
/* Once done: the next row whose document is to be asked, ascending; UINT32_MAX: none is left. The same until it is counted. */
uint32_t omen_facets_part_next(const omen_facets_part *p);
uint32_t omen_facets_part_left(const omen_facets_part *p); /* how many there are to ask, at most */
omen_status omen_facets_part_doc(omen_facets_part *p, uint32_t row, const omen_json_val *root, omen_error *err);
void omen_facets_part_free(omen_facets_part *p); /* NULL is fine */

#endif
