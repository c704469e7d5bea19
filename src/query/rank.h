/* rank.h - what a row is worth to a query: the ranking value by which hits are ordered, exact for the field's element and metric, and the
 * distance and score that are reported of it.
 *
 *                 element   computed                                                          ranking value
 *   l2, ip        F32, F16  a float sum in the canonical order of kernel.h                    squared distance; -dot
 *                 I8        exactly as an integer, then rounded once to a float               the same
 *   cosine        all three 1 - dot / (|query| * |row|), norms being those of what is stored  the same, kept within 0 to 2
 *   hamming       BIT       the number of differing bits                                      the same
 * An F16 field is asked with floats, which are not rounded to binary16. Integers beyond 2^24 (l2 and ip of I8 vectors of more than a few hundred
 * dimensions) are rounded to the nearest float, so rows whose values differ by less than that rounding are a tie, settled by id like any other:
 * the same on every host.
 */
#ifndef OMEN_QUERY_RANK_H
#define OMEN_QUERY_RANK_H

#include "base/base.h"

typedef struct omen_ranker {
    omen_metric metric;
    omen_element element;
    uint32_t dimensions;
    const void *query; /* borrowed: as callers give vectors (floats; I8: int8_t; BIT: bytes) */
    float query_norm;  /* cosine: the query's, 0 when it has no direction and must be refused */
    const struct omen_recommend_best *best; /* borrowed: rows are held against these examples (recommend.h), and not against the query; NULL: none */
} omen_ranker;

omen_ranker omen_ranker_of(omen_metric metric, omen_element element, uint32_t dimensions, const void *query);
/* Ranking values of `count` rows as they are stored, back to back; smaller is nearer. norms: count floats, for cosine only. */
void omen_rank_rows(const omen_ranker *r, const void *rows, const float *norms, uint32_t count, float *out);

/* From the ranking value to what is reported. */
float omen_distance_of(const omen_ranker *r, float rank_value);
float omen_score_of(const omen_ranker *r, float distance);

#endif
