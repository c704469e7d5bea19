/* facets_inside.h - shared by the files of facets. */
#ifndef OMEN_COLUMN_FACETS_INSIDE_H
#define OMEN_COLUMN_FACETS_INSIDE_H

#include "column/facets.h"
#include "column/facets_sum.h"
#include "column/filter.h"

/* ---- the request ---- */

typedef enum facet_kind { FACET_VALUES, FACET_RANGES, FACET_HISTOGRAM, FACET_STATS } facet_kind;

typedef struct facet_range {
    bool time;
    omen_value from, to;          /* as written: INT, FLOAT, or INT microseconds of a time; MISSING: open */
    bool integers, floats;        /* there may be such inside; */
    int64_t least, most;          /* then from here to here, of integers or instants */
    double least_f64, most_f64;
} facet_range;

typedef struct facet_step { /* of a histogram */
    bool time;
    bool whole;       /* the interval is integer */
    int64_t integer;  /* the interval; of times microseconds, */
    uint32_t months;  /* or months when not 0 */
    double number;    /* the interval, of numbers */
} facet_step;

/* One thing that is counted of a facet. */
typedef struct facet_unit {
    facet_kind kind;
    uint32_t facet, limit, max_values, range_count;
    facet_range *ranges;
    facet_step step;
    bool numbers, times; /* what ranges or histogram are about */
} facet_unit;

typedef struct facet {
    omen_str name;
    omen_value_path path;
    uint32_t first, count; /* units */
} facet;

struct omen_facets_request {
    omen_mem *mem;
    omen_arena arena;
    uint32_t facet_count, unit_count;
    facet facets[OMEN_FACETS_MAX];
    facet_unit units[4 * OMEN_FACETS_MAX];
};

/* ---- counts ---- */

typedef struct facet_entry {
    uint64_t hash, count, stamp; /* stamp: of the row that was counted last */
    const uint8_t *bytes;        /* the form, without its class */
    uint32_t len, class;
} facet_entry;

typedef struct facet_table {
    omen_arena bytes;
    facet_entry *entries;
    uint32_t count, cap;
    uint32_t *slots; /* entry + 1, open addressing */
    uint32_t slot_count;
} facet_table;

/* Where the entries of some buckets are, by their lowest bits: neighbours in time, or of size, are often of few. */
#define FACET_KNOWN 256u
typedef struct facet_known { int64_t bucket; uint32_t entry, zero; } facet_known; /* entry + 1 */

typedef struct unit_counts {
    facet_table table;          /* of values, of buckets */
    uint64_t *counts, *stamps;  /* of ranges */
    facet_known *known;         /* FACET_KNOWN of a histogram */
    uint64_t outside, outside_stamp;
    omen_sum sum;
    uint64_t numbers;
    omen_value least, most;
} unit_counts;

struct omen_facets {
    omen_mem *mem;
    const omen_facets_request *request;
    uint64_t stamp; /* the last that was given; 0 is none */
    uint64_t missing[OMEN_FACETS_MAX];
    unit_counts *units;
};

/* Counts a scalar (BOOL, INT, FLOAT, STRING) of one row for `weight` rows. Values of one row share a stamp, so that none is counted twice. */
omen_status omen_facet_value(omen_facets *f, uint32_t unit, const omen_value *v, uint64_t stamp, uint64_t weight, omen_error *err);
/* The same of a time. */
omen_status omen_facet_instant(omen_facets *f, uint32_t unit, int64_t t, uint64_t stamp, uint64_t weight, omen_error *err);
/* One facet of one document. */
omen_status omen_facet_document(omen_facets *f, uint32_t facet, const omen_json_val *root, uint64_t stamp, omen_error *err);

/* ---- steps of histograms (facets_step.c) ---- */

/* The bucket of a number or time; false: it is outside. */
bool omen_step_number(const facet_step *s, const omen_value *v, int64_t *bucket);
bool omen_step_time(const facet_step *s, int64_t t, int64_t *bucket);
/* Where a bucket begins. */
omen_value omen_step_edge(const facet_step *s, int64_t bucket);
/* "15 minutes", "month"; false: it is none. */
bool omen_step_read(omen_str text, facet_step *out);
/* "2024-01-01T00:00:00Z" with microseconds when there are any; null outside of the years 0 to 9999. */
void omen_instant_print(int64_t t, omen_jw *w);

#endif
