/* log_model.h - a log's user and its memory: writes batches through store/log.h, remembers what it wrote and what it was promised, and
 * compares what recovery hands back. */
#ifndef OMEN_LOG_MODEL_H
#define OMEN_LOG_MODEL_H

#include "store/log.h"
#include "store_fixture.h"

/* A frame as it was appended; opening frames included. */
typedef struct model_frame {
    uint64_t epoch, first_lsn, durable_lsn;
    uint32_t type, count;
    bool last;
    uint8_t *payload;
    size_t len;
    size_t offset, size; /* in its file */
} model_frame;

typedef struct log_model {
    model_frame *frames;
    size_t count, cap;
    uint64_t next_lsn;  /* of the next record */
    uint64_t promised;  /* LSN up to which a sync has answered OK */
    uint64_t first_epoch, floor_lsn;
    size_t recovered;   /* frames seen by the recovery that runs */
    bool pended;
    char problem[200];  /* the first thing that was wrong; empty when nothing was */
} log_model;

void log_model_init(log_model *m);
void log_model_deinit(log_model *m);
void log_model_copy(log_model *to, const log_model *from); /* `to` has been initialised */

/* Sizes of payloads that a session writes. */
typedef enum model_size { MODEL_TINY, MODEL_MIXED, MODEL_LARGE } model_size;

/* One life of a database: recovers, begins a new epoch, then makes `steps` seeded steps (batches, syncs, new epochs) and closes without a
 * sync. Answers the first failure. Sets m->problem when what was recovered is not a prefix of what was written, in whole batches, with
 * all that was promised. What was lost leaves the model. */
omen_status log_model_session(log_model *m, fixture *x, uint64_t seed, unsigned steps, model_size sizes);

/* The recovery alone. With `keep_promise` false a loss of promised records is no problem (m->promised is lowered to what is there). */
omen_status log_model_recover(log_model *m, fixture *x, bool read_only, bool keep_promise, omen_recovery_result *result, omen_error *err);

/* Calls for tests that make their own history. */
omen_status log_model_create(log_model *m, fixture *x, uint64_t epoch, uint32_t previous_crc, omen_log **out);
omen_status log_model_append(log_model *m, omen_log *log, uint32_t type, bool last, uint32_t count, uint64_t seed, size_t len);

/* What recovery of an undamaged log must make of this one, when in file `epoch` the first `intact` bytes are as written and of the rest
 * no frame is valid before `valid_again` (SIZE_MAX: none in that file). OMEN_OK with *kept frames, or OMEN_ERR_CORRUPT. A file that holds no
 * record may be damaged wholly where a later one follows: that one proves that nothing is lost. */
omen_status log_model_verdict(const log_model *m, uint64_t epoch, size_t intact, size_t valid_again, size_t *kept);

#endif
