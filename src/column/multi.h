/* multi.h - fields of several vectors a record: what a document says of them, and the sections of a part that hold them.
 *
 * Sections of field f; both are absent where no record of the part has such vectors:
 *   MULTI_VECTORS f   the vectors of all rows, in order of rows, in the form of the field's element (element.h), back to back; blocks hold whole vectors, as of VECTORS
 *   MULTI_OFFSETS f   u32 version (1), u32 dimensions, u32 metric, u32 element, then u64 x (rows + 1): how many vectors the rows before have; the first 0, each at most
 *                     OMEN_MAX_MULTI_VECTORS above the one before, the last the number of vectors
 *
 * Vectors of the cosine metric are scaled to length 1 before they are stored: each number is divided by the norm (element.h), in float, and then rounded to the element. So both
 * metrics are compared by dot products, and nothing else has to be kept.
 */
#ifndef OMEN_COLUMN_MULTI_H
#define OMEN_COLUMN_MULTI_H

#include "base/json.h"
#include "column/part.h"

enum { OMEN_SECTION_MULTI_VECTORS = 27, OMEN_SECTION_MULTI_OFFSETS = 28 };

#define OMEN_MULTI_VERSION 1u
#define OMEN_MULTI_HEADER 16u

/* ---- what documents and queries say ---- */

/* An array of 1 to `most` vectors into `arena`, in the form of `field` (NULL and null: none). `what` begins the message. OMEN_ERR_INVALID: no such array; OMEN_ERR_DIMENSION: a vector of
 * another length; OMEN_ERR_NOT_FINITE: a number that is not finite as the element has it; OMEN_ERR_ZERO_VECTOR: cosine, and a vector has no direction; each with the place. OMEN_ERR_MEMORY. */
omen_status omen_multi_read(const omen_json_val *value, const omen_part_field *field, uint32_t most, const char *what, omen_arena *arena, omen_multi *out, omen_error *err);

/* ---- parts ---- */

/* Finds the sections of an open part and checks that they fit the fields and the rows. Step: repeat on PENDING with the same arguments; once they are found, nothing happens.
 * OMEN_ERR_CORRUPT, _IO, _MEMORY, _VERSION. */
omen_status omen_part_multi_open(omen_part *p, const omen_part_field *fields, uint32_t count, omen_error *err);
/* Which vectors of the field's are the row's: *count from number *first on. [may pend] OMEN_ERR_CORRUPT. */
omen_status omen_part_multi_find(omen_part *p, uint32_t field, uint32_t row, uint64_t *first, uint32_t *count, omen_error *err);
/* The block that holds vector number `at`: *vectors is that vector in it, with *run vectors from there to the block's end. Release *block. [may pend] */
omen_status omen_part_multi_block(omen_part *p, uint32_t field, uint64_t at, const omen_block **block, const void **vectors, uint32_t *run, omen_error *err);
/* Copies `count` vectors from number `first` on. `done` keeps the place: 0 at first, repeat on PENDING. */
omen_status omen_part_multi_copy(omen_part *p, uint32_t field, uint64_t first, uint32_t count, void *into, size_t *done, omen_error *err);

/* Verifies what stands above of every row. Step: repeat on PENDING; zero-initialise *place. */
typedef struct omen_part_multi_check { uint32_t field, row; uint64_t seen; uint64_t block; } omen_part_multi_check;
omen_status omen_part_multi_verify(omen_part *p, omen_part_multi_check *place, omen_error *err);

#endif
