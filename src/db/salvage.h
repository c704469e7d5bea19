/* salvage.h - opening a database that cannot be opened: what is damaged is told to findings and left out, the rest is there.
 *
 * Rules
 *   manifest   Both slots lost: where the logs go back to the first record, they are replayed as those of a new database. Where there are segments, too,
 *              nobody knows what they are, and salvage is refused.
 *   segment    One whose footer or META is damaged is left out whole. One whose derived sections cannot be opened is opened bare: its ids, documents and
 *              vectors are enough to write it anew. Where its list of deleted rows cannot be read, what its own rows replace is found by their ids; mere deletes
 *              of older records are undone.
 *   index      Is left out, as by every open.
 *   log        Judged as by every open, and replayed as usual where nothing durable is missing. Otherwise what is valid is replayed: up to the damage, and
 *              behind it if `later` says so (log.h says what that means).
 * Nothing is removed, cut or written but, where the database is not opened for reading only, the first frame of a new log. */
#ifndef OMEN_DB_SALVAGE_H
#define OMEN_DB_SALVAGE_H

#include "db/files.h"
#include "db/findings.h"

typedef struct omen_salvage {
    omen_findings *findings;
    bool later;
    /* outcome */
    bool log_damaged, manifest_lost, segments_lost;
    bool log_told;          /* a place of the log was told */
    omen_error why;         /* the log is damaged, as opening says it */
    uint64_t torn_bytes;
    /* place */
    omen_recovery *judge;
    bool judged;
    uint32_t row;
} omen_salvage;

/* Before the first step of the open; borrowed until it is freed. */
void omen_open_op_salvage(omen_open_op *op, omen_salvage *s);

/* ---- parts of the open (salvage.c) ---- */

/* Begins again: what was told and found is forgotten. */
OMEN_LATER void omen_salvage_reset(omen_salvage *s);
/* Appends what was told, damage or not; nothing, where it was nothing. OMEN_ERR_MEMORY. */
OMEN_LATER omen_status omen_salvage_write(const omen_salvage *s, omen_buf *out);
/* A slot that is damaged beside one that is not. */
OMEN_LATER void omen_salvage_slots(omen_salvage *s, const omen_manifest *m);
/* Neither slot is valid. Step; db->manifest and *body are what they are now. OMEN_ERR_CORRUPT: nothing can be done. */
OMEN_LATER omen_status omen_salvage_manifest(omen_salvage *s, omen_db *db, const omen_files *files, const omen_error *why, omen_manifest_body *body, omen_error *err);
/* A part that cannot be opened: tries it bare. *out NULL: left out. */
OMEN_LATER omen_status omen_salvage_part(omen_salvage *s, omen_db *db, const omen_coll *coll, const omen_segment_info *info, const omen_error *why, omen_part **out, omen_error *err);
/* The rows of older parts that part number `at` replaces, from its ids. Step. */
OMEN_LATER omen_status omen_salvage_replaced(omen_salvage *s, omen_coll_version *v, uint32_t at, const omen_error *why, omen_error *err);
/* Whether the log is damaged. Step. */
OMEN_LATER omen_status omen_salvage_judge(omen_salvage *s, omen_db *db, omen_error *err);

#endif
