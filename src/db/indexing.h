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
    uint64_t begun_ns;
} omen_indexing;

/* One step. *more: there is more to do. Repeat on PENDING. A build that fails (memory, a full disk) is not tried again for this part until the
 * database is opened anew or its parameters change; nothing else is hurt. */
omen_status omen_indexing_step(omen_db *db, bool *more, omen_error *err);
/* The maintenance lock is held: hands a finished build to a job, if there is one. */
omen_status omen_indexing_hand_over(omen_db *db, const omen_snapshot *s, omen_error *err);
void omen_indexing_free(omen_db *db);
/* What a field of a part should have, and why. */
omen_index_choice omen_indexing_choice(omen_db *db, const omen_coll_version *v, const omen_part_state *p, uint32_t field);
/* Bytes that open indexes hold. */
uint64_t omen_indexes_memory(const omen_db_version *v);
/* How far the build that is under way is, 0 to 1,000; false: none. */
bool omen_indexing_progress(omen_db *db, uint32_t *coll_id, uint32_t *field, uint64_t *file, uint32_t *progress);

#endif
