/* sync.c - group commit. One sync is under way at a time and covers everything written before it began; whoever needs a later LSN starts the
 * next one. So commits that arrive while the storage is busy share one sync, and a lone commit never waits for company. */
#include "base/control.h"
#include "db/db.h"

omen_status omen_poison(omen_db *db, omen_status s, const omen_error *why) {
    omen_lock_take(&db->version_lock);
    if (!atomic_load(&db->poisoned)) {
        db->poison = *why;
        db->poison.status = s;
        atomic_store(&db->poisoned, OMEN_CONTROL(db_poison));
    }
    omen_lock_drop(&db->version_lock);
    return s;
}

omen_status omen_poisoned(omen_db *db, omen_error *err) {
    if (!atomic_load(&db->poisoned)) return OMEN_OK;
    return omen_fail(err, OMEN_ERR_POISONED, "the database stopped writing after an error (%s: %.200s); reopen it to recover what is durable",
                     omen_status_name(db->poison.status), db->poison.text);
}

uint64_t omen_last_lsn(omen_db *db) {
    omen_lock_take(&db->write_lock);
    uint64_t lsn = db->next_lsn - 1;
    omen_lock_drop(&db->write_lock);
    return lsn;
}

/* Hands the log's buffer to the host and notes what this sync will cover. */
static omen_status begin(omen_db *db, omen_error *err) {
    omen_lock_take(&db->write_lock);
    omen_status s = omen_log_write_out(db->log, err);
    db->sync.target = db->next_lsn - 1;
    atomic_store(&db->unsynced_since_ns, 0);
    omen_lock_drop(&db->write_lock);
    if (s == OMEN_OK) db->sync.running = true;
    return s;
}

/* Older epochs first: a later log must never be durable while an earlier one has a hole. */
static void choose_log(omen_db *db) {
    omen_lock_take(&db->write_lock);
    db->sync.log_is_old = db->old_logs != NULL;
    db->sync.log = db->sync.log_is_old ? db->old_logs->log : db->log;
    omen_lock_drop(&db->write_lock);
}

static void retire_old_log(omen_db *db) {
    omen_lock_take(&db->write_lock);
    omen_old_log *o = db->old_logs;
    db->old_logs = o->next;
    omen_lock_drop(&db->write_lock);
    omen_log_close(o->log);
    omen_free(&db->mem, o, sizeof *o);
}

static bool has_old_log(omen_db *db, uint64_t epoch) {
    omen_lock_take(&db->write_lock);
    bool there = db->old_logs != NULL && omen_log_epoch(db->old_logs->log) <= epoch;
    omen_lock_drop(&db->write_lock);
    return there;
}

/* Until every LSN up to `lsn` is durable, and no log of an epoch up to `epoch` is open. */
static omen_status sync_locked(omen_db *db, uint64_t lsn, uint64_t epoch, omen_error *err) {
    while (atomic_load(&db->durable_lsn) < lsn || has_old_log(db, epoch)) {
        OMEN_TRY(omen_poisoned(db, err));
        if (!db->sync.running) OMEN_TRY(begin(db, err));
        if (db->sync.log == NULL) choose_log(db);
        OMEN_TRY(omen_log_sync(db->sync.log, err));
        db->sync.log = NULL;
        if (db->sync.log_is_old) {
            retire_old_log(db);
            continue;
        }
        atomic_store(&db->durable_lsn, db->sync.target);
        db->sync.running = false;
    }
    return OMEN_OK;
}

static omen_status sync_to(omen_db *db, uint64_t lsn, uint64_t epoch, omen_error *err) {
    omen_lock_take(&db->sync_lock);
    omen_status s = sync_locked(db, lsn, epoch, err);
    omen_lock_drop(&db->sync_lock);
    return s == OMEN_OK || s == OMEN_PENDING || s == OMEN_ERR_POISONED ? s : omen_poison(db, s, err);
}

omen_status omen_sync_step(omen_db *db, uint64_t lsn, omen_error *err) {
    if (atomic_load(&db->durable_lsn) >= lsn || !OMEN_CONTROL(commit_waits)) return OMEN_OK;
    return sync_to(db, lsn, 0, err);
}

omen_status omen_sync_old_logs(omen_db *db, uint64_t epoch, omen_error *err) { return sync_to(db, 0, epoch, err); }
