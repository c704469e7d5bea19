/* columns_stats.h - what is learned of a series while its values go by: how many, between which, how many different, how they are
 * spread. Everything is a function of the values and their order. */
#ifndef OMEN_COLUMN_COLUMNS_STATS_H
#define OMEN_COLUMN_COLUMNS_STATS_H

#include "base/mem.h"
#include "base/prng.h"
#include "column/columns_format.h"

#define OMEN_VALUE_SAMPLE 2048u

typedef struct omen_value_stats {
    omen_mem *mem;
    uint32_t count;
    int64_t min, max;
    omen_common *slots; /* exact counts, open addressing; `zero` marks a used slot */
    uint32_t slot_count, used;
    bool counting;       /* the exact counts are complete */
    uint8_t *registers;  /* HyperLogLog, once they are not */
    omen_buf sample;     /* i64: reservoir (algorithm R: Vitter 1985) */
    omen_prng prng;
} omen_value_stats;

/* counting: keys are the values, and are counted one by one as long as they are few. */
void omen_value_stats_init(omen_value_stats *s, omen_mem *m, bool counting);
void omen_value_stats_deinit(omen_value_stats *s);
omen_status omen_value_stats_add(omen_value_stats *s, int64_t key);
/* For values that are more than their keys: the hash of one that was perhaps not seen before. */
omen_status omen_value_stats_hash(omen_value_stats *s, uint64_t hash);

typedef struct omen_value_stats_result {
    uint64_t distinct;
    bool exact;        /* `common` holds every value with its count */
    omen_buf common;   /* omen_common, ascending */
    omen_buf quantiles; /* i64 x (OMEN_COLUMN_QUANTILES + 1), or empty when `exact` */
} omen_value_stats_result;
/* Nothing may be added afterwards. */
omen_status omen_value_stats_finish(omen_value_stats *s, omen_value_stats_result *out);
void omen_value_stats_result_deinit(omen_value_stats_result *r);

#endif
