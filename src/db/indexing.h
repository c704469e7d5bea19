/* indexing.h - indexes are built beside everything else: one at a time, in steps, never while a flush or a merge is waiting. What is being built is known to
 * nobody until it is complete; then a job (job.h) opens it and puts it into the manifest and the current version. The file of a build that is given up is
 * removed; one whose process dies leaves a file that the next open removes.
 *
 * An index's file has a number of its own, made from its part's, so that numbers of segments do not depend on when indexes are built.
 */
#ifndef OMEN_DB_INDEXING_H
#define OMEN_DB_INDEXING_H

#include "column/part_vectors.h"
#include "db/job.h"
#include "db/read.h"
#include "index/choose.h"

typedef struct omen_indexing {
    uint32_t coll_id, field;
    omen_part *part;          /* a reference */
    omen_part_vectors reader;
    omen_index_build *build;
    omen_index_choice choice; /* FLAT: an index is to go */
    uint64_t number;
    omen_segment_info info;
    bool begun;               /* there may be a file */
    bool built;               /* under the maintenance lock: the file is complete */
    bool handed;              /* and a job has it */
    bool alone;               /* it does not fit beside the one that it replaces: that goes first, and searches compare every row meanwhile */
    uint32_t passed;          /* jobs that went before it since it was built */
    uint64_t begun_ns;
} omen_indexing;

/* One step. *more: there is more to do. Answers OK or PENDING: a build that fails (memory, a full disk) is counted, logged, kept as db->index_error, and
 * tried again after a pause that doubles each time, up to an hour; meanwhile the others go on. One that needs more memory than there is for indexes
 * waits until there is more, and where the kind is left to OmenDB another kind is built.
 * Another failure is that of omen_later: nothing was begun. */
omen_status omen_indexing_step(omen_db *db, bool *more, omen_error *err);
/* The maintenance lock is held: the job's index could not be opened. What comes of it: see above; where it does not fit beside the index that it
 * replaces, that one goes first. The job is to be abandoned. */
void omen_indexing_refused(omen_db *db, omen_status s, const omen_error *why);
/* Whether there is an index to begin, or to try again. */
bool omen_indexing_due(omen_db *db);
void omen_indexing_retry(omen_db *db);                          /* everything that waits is tried again now */
void omen_indexing_forgive(omen_part *p, uint32_t field);       /* what failed before says nothing any more */
void omen_indexing_needs(omen_part *p, uint32_t field, omen_index_kind kind, uint64_t bytes);
/* Whether something that is older than segment `until` still wants an index, or has been merged since and does. Merges are followed through that many
 * segments, so that whoever waits is not kept waiting by others who write. */
#define OMEN_INDEXING_FOLLOW 64u
bool omen_indexing_waits(omen_db *db, uint64_t until);
/* The number of the file of index number `given` of a part's field since it was opened; false: there are no more. */
bool omen_indexing_number(uint64_t part, uint32_t field, uint32_t first, uint32_t given, uint64_t *number);
/* The maintenance lock is held: hands a finished build to a job, if there is one. */
omen_status omen_indexing_hand_over(omen_db *db, const omen_snapshot *s, omen_error *err);
void omen_indexing_free(omen_db *db);
/* Why a field of a part has the index that it has, or none, as a sentence. capacity: OMEN_INDEXING_WHY is enough. */
#define OMEN_INDEXING_WHY 300u
void omen_indexing_why(omen_db *db, const omen_coll_version *v, const omen_part_state *p, uint32_t field, char *out, size_t capacity);
/* Whether a field of a part lacks the index that it should have because that could not be built. */
bool omen_indexing_failing(const omen_coll_version *v, const omen_part_state *p, uint32_t field);
/* Bytes that open indexes hold. */
uint64_t omen_indexes_memory(const omen_db_version *v);
/* How far the build that is under way is, 0 to 999; false: none. */
bool omen_indexing_progress(omen_db *db, uint32_t *coll_id, uint32_t *field, uint64_t *file, uint32_t *progress);

#endif
