/* codes.h - the rows of a graph as codes, and distances from a query, or from a row, to many of them: 8-bit codes (quant/sq8.h), or the bits themselves
 * (Hamming distance). All of it is whole numbers, the same on every machine. */
#ifndef OMEN_INDEX_CODES_H
#define OMEN_INDEX_CODES_H

#include "kernel/kernel.h"
#include "quant/sq8.h"

typedef struct omen_codes {
    const uint8_t *rows; /* 64-byte aligned */
    uint32_t stride;     /* bytes from row to row */
    uint32_t len;        /* bytes of a query, a multiple of 64 (bits: of 8) */
    uint32_t tail;       /* where a row's numbers lie (sq8.h) */
    bool bits;
    bool lifted;         /* inner products */
} omen_codes;

/* The shape of codes of BIT vectors of so many dimensions, and of an 8-bit codec; rows stay NULL. */
omen_codes omen_codes_of_bits(uint32_t dimensions);
omen_codes omen_codes_of_sq8(const omen_sq8 *c);

static inline const uint8_t *omen_codes_row(const omen_codes *c, uint32_t row) { return c->rows + (size_t)row * c->stride; }

/* Ranks of rows for a query's code u: smaller is nearer. ids NULL: the first `count` rows. */
void omen_codes_rank(const omen_codes *c, const uint8_t *u, const uint32_t *ids, uint32_t count, int32_t *out);

/* A row as the point from which distances are asked. */
typedef struct omen_code_point {
    uint8_t *u; /* len bytes of the caller's */
    int64_t norm, lift;
} omen_code_point;
void omen_codes_point(const omen_codes *c, uint32_t row, omen_code_point *p);
/* Squared distances (Hamming: distances) from the point, 0 and more, comparable between any two pairs of rows. */
void omen_codes_distances(const omen_codes *c, const omen_code_point *p, const uint32_t *ids, uint32_t count, int32_t *out);

#endif
