/* proof.c - what a clean close leaves behind.
 *
 * A log ends where its last valid frame ends, and frames name what was durable before them: so nothing in the log itself vouches for its last frames. A
 * byte that changes in them later would look like a write that was cut off by a crash. Therefore a database of any
 * durability but memory that is closed writes its manifest once more, with nothing changed but durable_lsn: recovery that finds fewer records then answers OMEN_ERR_CORRUPT.
 * The log is not written for it, and commits pay nothing: one small file is written and synced for each life of the database that has written anything.
 *
 * The slot of the manifest in use is not touched. A proof that cannot be written takes nothing away: everything is durable already.
 */
#include "db/job.h"

static void warn(omen_db *db, const omen_error *why) {
    char line[500];
    if (db->host->log == NULL) return;
    size_t n = omen_format(line, sizeof line, "closed without a proof of what is durable; nothing is lost: %s", why->text);
    db->host->log(db->host->ctx, OMEN_LOG_WARN, line, OMEN_MIN(n, sizeof line - 1));
}

/* The maintenance lock is held. */
static omen_status prove(omen_db *db, omen_error *err) {
    /* A job that is writing its manifest does so to the end: there is one request at a time. */
    while (db->job != NULL && db->job->stage == OMEN_STAGE_MANIFEST) {
        bool done = false;
        OMEN_TRY(omen_job_step(db->job, &done, err));
    }
    if (db->proof.len == 0) {
        const uint8_t *payload;
        size_t len;
        uint64_t durable = atomic_load(&db->durable_lsn);
        omen_manifest_payload(db->manifest, &payload, &len);
        if (durable <= omen_manifest_proven(payload, len)) return OMEN_OK;
        omen_status s = omen_manifest_prove(payload, len, durable, &db->proof);
        if (s != OMEN_OK) return omen_fail(err, s, "out of memory for the manifest");
    }
    OMEN_TRY(omen_manifest_write(db->manifest, db->proof.data, db->proof.len, err));
    db->proof.len = 0;
    return OMEN_OK;
}

omen_status omen_prove_step(omen_db *db) {
    omen_error why = {0};
    omen_lock_take(&db->maintain_lock);
    omen_status s = prove(db, &why);
    omen_lock_drop(&db->maintain_lock);
    if (s == OMEN_PENDING) return s;
    if (s != OMEN_OK) warn(db, &why);
    return OMEN_OK;
}
