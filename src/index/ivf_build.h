/* ivf_build.h - the state of building inverted lists, shared by the files that do it: ivf_build.c (reading, training, encoding, lists, the audit) and ivf_write.c
 * (the file). */
#ifndef OMEN_INDEX_IVF_BUILD_H
#define OMEN_INDEX_IVF_BUILD_H

#include "base/parallel.h"
#include "index/audit.h"
#include "index/ivf.h"

typedef struct omen_ivf_build {
    omen_index_build base;
    uint32_t stage;
    omen_ivf view;         /* what has been built so far; its arrays are those below */
    uint8_t *codes;        /* rows x view.len, and 64 bytes more */
    int32_t *bias;         /* rows; NULL for BIT */
    uint32_t *nearest;     /* rows: each one's list, then whether it has been moved */
    uint32_t *starts, *order;
    uint8_t *centroids;
    int32_t *centroid_bias;
    uint32_t lists_cap;    /* lists for which there is room; lists without rows are dropped */
    omen_kmeans cluster;
    uint32_t tasks;
    uint8_t *residuals;    /* RABITQ, PQ: INDEX_CODES */
    uint64_t residual_bytes;
    float *sample;         /* PQ: the residuals it is trained on */
    uint32_t sampled, run; /* PQ: how many; runs trained */
    uint8_t *loose;        /* PQ: tasks x the codes of a row, a byte each */
    uint32_t list, list_end; /* RABITQ, PQ: the lists being encoded */
    size_t task_floats;    /* scratch of a task */
    uint8_t *task_row, *assign_scratch; /* tasks x coarse.stride; tasks x omen_kmeans_scratch */
    float *task_scratch;
    uint8_t *hand;         /* the code on its way to another place */
    int32_t hand_bias;
    uint32_t cycle, cycle_at;
    bool in_cycle;
    /* place */
    uint32_t row, at;
    uint8_t *chunk;        /* vectors being gathered: the sample, then rows to encode or to compare */
    size_t chunk_bytes;
    uint32_t chunk_rows, chunk_cap, chunk_first;
    omen_ivf_scan *scan;
    omen_bits *held_back;      /* rows that are the audit's queries */
    omen_audit audit;
    omen_segment_writer *out;
    bool in_section;
    uint64_t written;
} omen_ivf_build;

/* Writes the file in steps. */
omen_status omen_ivf_write_step(omen_ivf_build *b, omen_segment_info *info, bool *done, omen_error *err);

#endif
