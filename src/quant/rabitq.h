/* rabitq.h - vectors as 1 to 8 bits a dimension with estimates that are unbiased and whose error is bounded: RaBitQ (Gao and Long 2024), more bits as in Gao et al.
 * 2025.
 *
 * A row x is taken relative to a centroid c of its list and turned (rotation.h): r = R(x - c), n coordinates. Each becomes a whole number k in [0, 2^bits):
 * v = k - (2^bits - 1) / 2 is the point of that grid with (nearly) the least angle to r; the highest bits are the signs of r. With f = |r|^2 / <r, v>, f v
 * differs from r only at right angles to r, in a random direction, so that for any query q
 *     <R(q - c), r> ~ f <R(q - c), v>,     off by |q - c| |r| tan(r, v) / sqrt(n - 1) times a number that is about normal.
 * A query is turned and rounded once, for all lists, and what is not of the list's own is in the row:
 *     |q - x|^2 = |q - c|^2 + |r|^2 - 2 <q - c, r> ~ base + add - times <Rq, v>,  base = |q - c|^2,  times = 2 f,  add = |r|^2 + times <Rc, v>
 * For inner products -<q, x> ~ base + add - times <Rq, v>, base = -<q, c>, times = f, add = times <Rc, v> - <c, r>. Cosine is L2 of normalised vectors: the caller
 * normalises.
 *
 * The rounded query is y ~ step (u - 127.5), u < 256: bit planes, of which a first pass over the signs takes the highest four. Products of planes are exact whole
 * numbers; what follows is one fixed order of float operations: the same bits everywhere. The first pass gives for every row an estimate and a lower bound,
 *     lowest = estimate - SURE (error |q - c| + times / 2 |y - rounded y|) - 2^-20 of what was added up,   error = (1 or 2) |r| tan(r, v) / sqrt(n - 1),
 * SURE = 1.9 deviations, the paper's epsilon, so that about 97 % of distances lie above it, and what the rounding of the query adds is known when it is rounded.
 * Only rows whose lower bound is not beyond a limit are looked at with all bits of both.
 *
 * In memory and in files, for m rows, one array after the other: signs (m x plane bytes, bit i % 8 of byte i / 8 is coordinate i), f32 add, times, error, u32 ones
 * (how many signs are 1); with more than one bit: m x (bits - 1) planes of the lower bits, lowest first, then f32 add, times of all bits, u32 sum of k.
 *
 * Floats cancel: where vectors are far from the origin beside their distances, take the mean away before.
 */
#ifndef OMEN_QUANT_RABITQ_H
#define OMEN_QUANT_RABITQ_H

#include "quant/rotation.h"

#define OMEN_RABITQ_SCAN 1024u /* rows scanned in one call, at most */

typedef struct omen_rabitq {
    omen_rotation rotation;
    uint32_t bits;  /* 1 to 8 */
    uint32_t n;     /* coordinates: dimensions as a multiple of 64 */
    uint32_t plane; /* bytes of a plane: n / 8 */
    bool product;
} omen_rabitq;

/* The codec is a function of these arguments alone: nothing is trained. OMEN_ERR_MEMORY. Threads may share one. */
omen_status omen_rabitq_init(omen_rabitq *c, omen_mem *m, uint32_t dimensions, uint32_t bits, bool product);
void omen_rabitq_deinit(omen_rabitq *c); /* one that is all zero is fine */

/* The codes of some rows. */
typedef struct omen_rabitq_rows {
    uint8_t *signs;
    float *add, *times, *error;
    uint32_t *ones;
    uint8_t *planes;
    float *full_add, *full_times;
    uint32_t *sums;
} omen_rabitq_rows;
/* Bytes of so many rows, and the arrays within them (64-byte aligned memory). */
uint64_t omen_rabitq_bytes(const omen_rabitq *c, uint64_t rows);
omen_rabitq_rows omen_rabitq_split(const omen_rabitq *c, uint8_t *bytes, uint32_t rows);

/* Encodes a residual (x - c, dimensions floats) relative to c = centroid as row `at`. more: what its distances begin with besides, for callers that left a part of
 * every vector out. What is too far away for floats ranks last. scratch: omen_rabitq_scratch(c) floats. */
static inline size_t omen_rabitq_scratch(const omen_rabitq *c) { return (size_t)c->n * 4; }
void omen_rabitq_encode(const omen_rabitq *c, const float *residual, const float *centroid, float more, const omen_rabitq_rows *rows, size_t at, float *scratch);
/* Whether the numbers beside the planes of a row fit them and are finite: for files. */
bool omen_rabitq_sound(const omen_rabitq *c, const omen_rabitq_rows *rows, size_t at);

/* A rounded query. */
typedef struct omen_rabitq_query {
    uint8_t *planes; /* 8 planes, lowest first: the caller's memory */
    float step;
    uint32_t sum, sum_high; /* of u, and of its highest four bits */
    float blur_high;        /* |y - rounded y| with four bits */
} omen_rabitq_query;
/* Sets all but the pointer from a vector of `dimensions` floats. scratch: 2 n floats. */
void omen_rabitq_query_set(const omen_rabitq *c, omen_rabitq_query *q, const float *x, float *scratch);

/* First pass over rows [at, at + count): their products with the query's highest four bits, and lower bounds. base: |q - c|^2 or -<q, c>; apart: |q - c|. */
void omen_rabitq_first(const omen_rabitq *c, const omen_rabitq_query *q, float base, float apart, const omen_rabitq_rows *rows, size_t at, uint32_t count, uint32_t *dots,
                       float *lowest);
/* Both passes: ids and estimates of the rows that the limit does not exclude (ids[i] is row at + ids[i]); answers how many. */
uint32_t omen_rabitq_scan(const omen_rabitq *c, const omen_rabitq_query *q, float base, float apart, const omen_rabitq_rows *rows, size_t at, uint32_t count, float limit,
                          uint32_t *ids, float *estimates);

#endif
