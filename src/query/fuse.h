/* fuse.h - one ranking from several: the hits of up to 33 legs (vectors, text, sparse vectors), each a list sorted best first, become one list sorted by a fused score.
 * The same record in two legs is the same (source, row).
 *
 * WEIGHTED: the sum over legs of share * normalised score. A leg's scores are normalised to 0..1 by its list: (score - worst) / (best - worst). A record that a leg did not
 * list adds 0: all that is known of it is that it is no better than the worst listed. A list of one hit, or of equal ones, gives each of them 1. A leg that came to its end
 * before its depth - text, where fewer records have any of the words - may give the score of all it did not list (`floor`, 0 for text): then that is the worst, so that the last
 * hit still counts for more than none.
 *   Shares add up to 1. By OMEN_FUSE_WEIGHTS they are as the weights are. By OMEN_FUSE_ALPHA the dense legs together have alpha and the others 1 - alpha, divided by weights
 * within each side; where a side has no leg, or no weight, the other has everything. By OMEN_FUSE_AUTO, the default, they begin as if alpha were OMEN_FUSE_PRIOR, are
 * multiplied by two signs of how good each leg is, and scaled to add up to 1 again:
 *
 *     distinction = min(depth / sum of normalised scores, 64)        how far its best stand out: the best score beside the mean one, both counted from the worst
 *     sqrt(confirmed + OMEN_FUSE_DOUBT)                              confirmed: the share of its first OMEN_FUSE_CONFIRM hits that another leg (of a weight above 0) lists too
 *
 * A leg that found what was meant has few high scores and a long flat rest, and a distinction of 8 and more; one that cannot tell the records apart descends evenly, and has 2 to 4. And
 * what a good leg puts first is found again, if lower down, by a weaker one, but not the other way round. A leg of no hits has no share. (That the shape of a list of scores tells how good
 * it is: Shtok, Kurland, Carmel, Raiber and Markovits 2012. Convex combination of normalised scores rather than of ranks: Bruch, Gai and Ingber 2023.)
 *
 * Measured (nDCG@10 of text alone, sentence embeddings alone, both by AUTO, both by RRF; ./dev bench ndcg): SciFact 0.693, 0.212, 0.694, 0.433; Cranfield 0.373, 0.186, 0.377, 0.300. With
 * embeddings made nearly as good as the text, Cranfield 0.373, 0.339 gives 0.391, SciFact 0.693, 0.396 gives 0.706. The prior leans to text: where vectors are known to be the better
 * side by far, alpha says so (0.5 and more); AUTO then loses to vectors alone.
 *
 * RRF: the sum over legs of weight / (k + rank), ranks from 1 (reciprocal rank fusion: Cormack, Clarke and Buettcher 2009). Hits that a leg gives equal scores have the rank of the
 * first of them, so that what a leg cannot tell apart is not told apart by id.
 *
 * A leg whose share (or weight) is 0 adds no hits; where a hit is in it, its sub-score is told. Everything is an f64 in the order of legs, rounded once to the float that is
 * reported and sorted by (greater first, then by id): the same bits on every host. NaN counts as the lowest score, infinities as the largest floats.
 */
#ifndef OMEN_QUERY_FUSE_H
#define OMEN_QUERY_FUSE_H

#include "query/topk.h"

#define OMEN_FUSE_LEGS 33u
/* How many hits a leg is asked for at least, where fewer are wanted: beyond, more of a leg's noise comes in, and the quality of answers falls. */
#define OMEN_FUSE_DEPTH 100u
#define OMEN_FUSE_PRIOR 0.15
#define OMEN_FUSE_CONFIRM 10u
#define OMEN_FUSE_DOUBT 0.1
#define OMEN_FUSE_K 60.0f

typedef enum omen_fuse_kind { OMEN_FUSE_WEIGHTED, OMEN_FUSE_RRF } omen_fuse_kind;
typedef enum omen_fuse_shares { OMEN_FUSE_AUTO, OMEN_FUSE_ALPHA, OMEN_FUSE_WEIGHTS } omen_fuse_shares;

typedef struct omen_fuse_leg {
    const omen_candidate *hits; /* borrowed; best first, each record once */
    const float *scores;        /* of each hit, greater is better, never rising; NULL: -distance */
    uint32_t count;
    uint32_t depth;             /* hits that were asked for; count where it is less */
    float weight;               /* at least 0; 1 is usual */
    float floor;                /* the score of what was not listed, where count < depth; NaN: not known */
    bool dense;                 /* on alpha's side */
} omen_fuse_leg;

typedef struct omen_fuse_options {
    omen_fuse_kind kind;
    omen_fuse_shares shares; /* WEIGHTED */
    float alpha;             /* OMEN_FUSE_ALPHA: 0 to 1 */
    float k;                 /* RRF: at least 0; OMEN_FUSE_K is usual */
    uint32_t limit;          /* hits wanted at most; 0: all */
} omen_fuse_options;

/* Weighted, automatic, all hits. */
omen_fuse_options omen_fuse_defaults(void);

typedef struct omen_fused_hit {
    const omen_candidate *candidate; /* of the first leg that has it */
    float score;
    uint32_t ordinal;                /* of omen_fused */
} omen_fused_hit;

typedef struct omen_fused {
    omen_mem *mem;
    omen_fused_hit *hits; /* best first */
    float *subs;          /* rows of leg_count */
    uint32_t count, leg_count, total; /* total: before the limit, rows in subs */
    double shares[OMEN_FUSE_LEGS];    /* what each leg's normalised scores were multiplied by; RRF: weights */
} omen_fused;

/* O(n log n) for n hits in all. The candidates are borrowed by the outcome. OMEN_ERR_INVALID: more than OMEN_FUSE_LEGS, a weight, alpha or k out of range, no weight above 0.
 * OMEN_ERR_MEMORY. After a failure there is nothing to be freed. */
omen_status omen_fuse(omen_mem *m, const omen_fuse_leg *legs, uint32_t leg_count, const omen_fuse_options *o, omen_fused *out, omen_error *err);
void omen_fused_deinit(omen_fused *f); /* zeroed is fine */
/* Sub-scores of a hit, one for each leg as the leg gave it; NaN where it did not list the hit. */
static inline const float *omen_fused_subs(const omen_fused *f, uint32_t hit) { return f->subs + (size_t)f->hits[hit].ordinal * f->leg_count; }

#endif
