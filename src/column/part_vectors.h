/* part_vectors.h - a field's vectors of a part in order of rows, as floats whatever they are stored as: what indexes are built from. */
#ifndef OMEN_COLUMN_PART_VECTORS_H
#define OMEN_COLUMN_PART_VECTORS_H

#include "column/part.h"

typedef struct omen_part_vectors {
    omen_part *part; /* borrowed */
    uint32_t field;
    const omen_block *block; /* held until other rows are asked for */
    uint32_t first, count;   /* its rows */
    float *wide;             /* F16, I8: room for wide_rows vectors as floats */
    uint32_t wide_rows;
} omen_part_vectors;

/* The part outlives the reader. */
void omen_part_vectors_init(omen_part_vectors *v, omen_part *p, uint32_t field);
/* Vectors of rows [row, row + *count), 1 <= *count <= limit; row < rows. `ctx` is the omen_part_vectors. F32, F16, I8: `dimensions` floats each,
 * exactly what is stored; BIT: dimensions / 8 bytes each. Borrowed until the next call. Holds one block of the pool and, for F16 and I8, 64 KiB
 * (or one vector, if that is more). [may pend]: repeat with the same arguments. OMEN_ERR_CORRUPT, _IO, _MEMORY, _LIMIT. */
omen_status omen_part_vectors_read(void *ctx, uint32_t row, uint32_t limit, const void **vectors, uint32_t *count, omen_error *err);
/* Lets go of the block, so that a reader that rests takes no place in the pool; what was read is no longer valid. */
void omen_part_vectors_rest(omen_part_vectors *v);
void omen_part_vectors_deinit(omen_part_vectors *v); /* of a zeroed one too */

#endif
