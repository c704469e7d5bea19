/* kinds.h - what a kind of index implements; index.c hands the public functions to it. Kinds: graph.h (HNSW), disk.h, ivf.h. */
#ifndef OMEN_INDEX_KINDS_H
#define OMEN_INDEX_KINDS_H

#include "index/index.h"

/* The fixed part of INDEX_META; all little-endian u32 unless said otherwise:
 *   0 version (1)  4 kind  8 rows  12 dimensions  16 metric  20 element  24 codec  28 m  32 ef_construction  36 lists  40 bits
 *   44 number of audit points  48 points: u32 effort (graphs: slack), u32 want, u32 recall each, OMEN_INDEX_POINTS of them, zeros behind the last
 *   240 what the kind adds (its header tells) */
#define OMEN_INDEX_META_FIXED 240u
#define OMEN_INDEX_META_MAX 4096u

/* Candidates that a graph keeps at most where the slack says how far to go. */
#define OMEN_GRAPH_REACH 4096u

/* Building and verifying: what is loaded later (base/later.h). build_new allocates *out whose first member is omen_index_build, and fills in all of that but `ops`. */
typedef struct omen_index_builder {
    omen_status (*build_new)(omen_store *st, uint64_t number, const omen_index_options *o, const omen_vectors *v, omen_index_build **out, omen_error *err);
    omen_status (*build_step)(omen_index_build *b, omen_segment_info *info, bool *done, omen_error *err);
    void (*build_free)(omen_index_build *b);
    omen_status (*verify)(omen_index *x, void **place, omen_error *err); /* after the checksums. Step; frees *place at the end */
    void (*verify_free)(omen_index *x, void *place);
} omen_index_builder;

typedef struct omen_index_kind_ops {
    const omen_index_builder *builder;
    /* Opening: x is filled (segment open, meta read into x->meta); *kind is the kind's own state. Step. On failure index.c calls close. */
    omen_status (*open)(omen_index *x, omen_error *err);
    void (*close)(omen_index *x); /* frees x->state; may be NULL */
    /* Searching: *out's first member is omen_index_search. */
    omen_status (*search_begin)(omen_index *x, const omen_index_query *q, omen_index_search **out, omen_error *err);
    omen_status (*search_step)(omen_index_search *s, omen_error *err);
    void (*search_end)(omen_index_search *s);
} omen_index_kind_ops;

struct omen_index_build {
    const omen_index_builder *ops;
    omen_store *store;
    uint64_t number;
    omen_index_options options; /* resolved by the kind */
    omen_vectors source;
    _Atomic uint32_t progress;  /* 0 to 1,000 */
};

struct omen_index {
    const omen_index_kind_ops *ops;
    omen_store *store;
    omen_segment *segment;
    _Atomic uint32_t refs;
    _Atomic bool spoiled;
    bool unlink, opened, known, fitted;
    uint32_t rows, dimensions;
    omen_metric metric;
    omen_element element;
    omen_index_options options;
    uint32_t point_count;
    omen_index_point points[OMEN_INDEX_POINTS];
    uint8_t meta[OMEN_INDEX_META_MAX];
    uint32_t meta_len;
    size_t meta_done;
    uint64_t memory; /* bytes held by the kind */
    uint64_t left;   /* as many when it was unlinked */
    void *state;     /* of the kind */
};

struct omen_index_search {
    omen_index *index;
    omen_index_query query;
    omen_index_hit *hits; /* sorted, when the step answered OK */
    uint32_t hit_count;
    bool lost;
    omen_index_work work;
};

extern const omen_index_kind_ops omen_index_hnsw_ops, omen_index_disk_ops, omen_index_ivf_ops;
extern const omen_index_builder omen_hnsw_builder, omen_disk_builder, omen_ivf_builder;

/* Writes the fixed part of the meta for a build (audit points included) into `meta`. */
void omen_index_meta_put(const omen_index_build *b, const omen_index_point *points, uint32_t count, uint8_t meta[OMEN_INDEX_META_FIXED]);
/* Loads a whole section into memory of the index (counted in x->memory), 64-byte aligned with 64 readable zero bytes behind it. *bytes NULL and *done 0
 * at first; repeat on PENDING. Freed by omen_index_unload. OMEN_ERR_CORRUPT when it is absent or not raw_len bytes long. */
omen_status omen_index_load(omen_index *x, uint32_t kind, uint64_t raw_len, uint8_t **bytes, size_t *done, omen_error *err);
void omen_index_unload(omen_index *x, uint8_t *bytes, uint64_t raw_len);
/* Memory of the kind's own beside that: counted in x->memory, and given back with the index. */
void omen_index_hold(omen_index *x, int64_t bytes);
omen_status omen_index_damaged(const omen_index *x, omen_error *err, const char *what);

#endif
