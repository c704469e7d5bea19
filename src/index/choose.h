/* choose.h - which index the vectors of a part get, and why. */
#ifndef OMEN_INDEX_CHOOSE_H
#define OMEN_INDEX_CHOOSE_H

#include "index/index.h"

typedef struct omen_index_choice {
    omen_index_options options; /* kind FLAT: none */
    const char *why;            /* a sentence, static */
    uint64_t needs;             /* bytes, where memory is why there is none; else 0 */
} omen_index_choice;

/* What is known of a part's field. */
typedef struct omen_index_case {
    uint32_t rows, dead, dimensions;
    omen_metric metric;
    omen_element element;
    uint64_t budget; /* bytes of memory that indexes may still take */
    uint32_t m;      /* links of a row of a graph; 0: the default */
    uint64_t needs[2]; /* what a graph, and lists, are known to need: they were built, and did not fit; 0: not known */
} omen_index_case;

/* wanted: as the schema says, 0 for what is left to OmenDB. */
omen_index_choice omen_index_choose(const omen_index_options *wanted, const omen_index_case *c);
/* Whether an index that exists is what is wanted: the same kind, and every parameter that was asked for. AUTO wants any. */
bool omen_index_suits(const omen_index_options *have, const omen_index_options *wanted);
/* Whether AUTO would rather have what it chooses now than an index that exists, because that answers faster: a graph comes before lists of whole numbers, those
 * before lists of shorter codes, those before blocks read on demand. Never the other way round, nor for other parameters: an index that is there and fits stays. */
bool omen_index_better(const omen_index_options *chosen, const omen_index_options *have);
/* Why a kind is chosen where nothing is asked for: a sentence, static. */
const char *omen_index_reason(omen_index_kind kind);
/* Most neighbours of a row of a graph where nothing is asked for. */
uint32_t omen_index_default_m(uint32_t dimensions, omen_metric metric);
/* Bytes that an index of this kind takes in memory, about, and rather more than less: one that turns out not to fit is not opened. */
uint64_t omen_index_estimate(omen_index_kind kind, const omen_index_case *c);

#endif
