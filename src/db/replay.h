/* replay.h - the recovery of a database being opened: the logs since the last flush, into memtables; where they are longer than there is memory, into segments. */
#ifndef OMEN_DB_REPLAY_H
#define OMEN_DB_REPLAY_H

#include "db/files.h"
#include "db/salvage.h"

typedef struct omen_replay {
    omen_db *db;                    /* its current version holds the parts; borrowed, like the following */
    const omen_manifest_body *body;
    omen_files *files;
    omen_salvage *salvage;          /* NULL: damage ends it */
    omen_recovery_result result;    /* outcome */
    /* place */
    omen_recovery *recovery;
    uint64_t epoch;                 /* of the last frame */
    bool judged;                    /* salvage knows whether the log is damaged */
    bool relieving, starved;        /* tables are being flushed while the log is read; starved: for want of memory */
} omen_replay;

/* Zeroed but for what is borrowed, at first. Sets everything of db that the manifest and the log say. Step: repeat on PENDING. */
omen_status omen_replay_step(omen_replay *r, omen_error *err);
void omen_replay_deinit(omen_replay *r);

#endif
