/* replay.c - frames of the log become rows of memtables (replay.h). */
#include "db/replay.h"

#include "db/write.h"

static omen_status replay_rows(omen_db *db, const omen_recovered_frame *f, omen_error *err) {
    uint32_t id, kind;
    OMEN_TRY(omen_rows_peek(f->payload, f->len, &id, &kind, err));
    omen_coll_version *v = omen_version_find(db->current, id);
    if (v == NULL && id < db->next_collection_id) return OMEN_OK; /* of a collection dropped since */
    if (v == NULL) return omen_fail(err, OMEN_ERR_CORRUPT, "the log writes to collection %u, which never existed", id);
    if (v->coll->schema.text != NULL) OMEN_TRY(omen_later(err));
    OMEN_TRY(omen_text_fields_load(v->coll->schema.text, false));
    omen_arena arena;
    omen_arena_init(&arena, &db->mem, 1u << 16);
    omen_rows rows;
    omen_memtable_batch batch;
    bool erase = kind == OMEN_ROWS_DELETE;
    omen_status s = omen_rows_decode(&rows, &db->mem, &arena, &v->coll->schema.schema, f->payload, f->len, err);
    if (s == OMEN_OK && rows.count != f->count) s = omen_fail(err, OMEN_ERR_CORRUPT, "a log frame's count is not that of its records");
    if (s == OMEN_OK) s = omen_memtable_prepare(omen_coll_active(v), &rows, erase, &batch, err);
    if (s == OMEN_OK) {
        omen_memtable_commit(omen_coll_active(v), &batch, erase, f->first_lsn);
        db->active_records += rows.count;
    }
    omen_arena_deinit(&arena);
    return s;
}

/* A log may be longer than there is memory for: it was written with more of it, or with larger tables. As writes do, recovery freezes tables that are full,
 * and flushes the oldest when too many wait, or all of them when memory has run out. The manifest then says how far the log was taken over; its records are
 * passed over by whoever opens the database next. */
static bool must_freeze(const omen_replay *r) { return r->starved ? r->db->active_records != 0 : omen_rotate_due(r->db); }

static omen_status relieve(omen_replay *r, uint64_t epoch, omen_error *err) {
    omen_db *db = r->db;
    for (;;) {
        uint32_t frozen = omen_frozen_count(db);
        if (!r->relieving) {
            if (must_freeze(r) && frozen < OMEN_MAX_FROZEN) {
                OMEN_TRY(omen_freeze_tables(db, epoch, err));
                continue;
            }
            if (frozen == 0 || !(r->starved || must_freeze(r) || omen_memory_scarce(db))) return OMEN_OK;
        }
        r->relieving = true;
        OMEN_TRY(omen_recovery_settle(r->recovery, err));
        OMEN_TRY(omen_files_clean(r->files, db, err)); /* files of a flush that a crash broke off stand where this one writes */
        atomic_store(&db->durable_lsn, db->next_lsn - 1);
        db->visible_lsn = db->next_lsn - 1;
        db->epoch = OMEN_MAX(epoch, r->body->last_epoch);
        while (omen_frozen_count(db) == frozen || db->job != NULL) {
            bool more;
            OMEN_TRY(omen_maintain_step(db, 0, &more, err));
        }
        omen_recovery_forget(r->recovery, db->log_first_epoch);
        r->relieving = false;
    }
}

/* Nothing can be flushed: full tables are kept apart as far as there is room for them. */
static omen_status freeze_read_only(omen_replay *r, uint64_t epoch, omen_error *err) {
    bool begins = r->epoch != 0 && epoch != r->epoch;
    if (begins && omen_rotate_due(r->db) && r->db->frozen_count + 2 < OMEN_MAX_TABLES) return omen_freeze_tables(r->db, epoch, err);
    return OMEN_OK;
}

static omen_status replay_frame(omen_db *db, const omen_recovered_frame *f, omen_error *err) {
    if (f->type == OMEN_FRAME_RECORDS) return replay_rows(db, f, err);
    if (f->type != OMEN_FRAME_SCHEMA) return omen_fail(err, OMEN_ERR_VERSION, "the log has a frame of a newer OmenDB; upgrade this one");
    OMEN_TRY(omen_schema_frame_apply(db, f->payload, f->len, err));
    db->active_records++;
    return OMEN_OK;
}

/* Salvage: a frame that is whole, but makes no sense without one that is lost. */
static omen_status pass_over(omen_replay *r, const omen_recovered_frame *f, const omen_error *why) {
    omen_file_name name = omen_log_file_name(f->epoch);
    const omen_log_gap lost = {.epoch = f->epoch, .from_lsn = f->first_lsn, .to_lsn = f->first_lsn + f->count - 1};
    if (f->count != 0) omen_findings_lose_log(r->salvage->findings, &lost);
    omen_findings_add(r->salvage->findings, &(omen_damage){.file = name.text, .kind = "log", .loses = f->count != 0, .holds = "a batch that needs what is lost", .message = why->text});
    return OMEN_OK;
}

static omen_status no_memory(const omen_replay *r, omen_error *err) {
    const char *advice = r->db->options.read_only ? "open it once for writing, so that its log is flushed, or raise memory_bytes" : "raise memory_bytes";
    omen_error why = err == NULL ? (omen_error){0} : *err;
    return omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading the log, of which %llu records were read; %s (%.200s)",
                     (unsigned long long)(r->db->next_lsn - 1 - r->body->flushed_lsn), advice, why.text);
}

static omen_status frame(void *arg, const omen_recovered_frame *f, omen_error *err) {
    omen_replay *r = arg;
    omen_db *db = r->db;
    if (f->count != 0 && f->first_lsn + f->count - 1 <= r->body->flushed_lsn) return OMEN_OK;
    for (;;) {
        /* As when it was written: a table that is full is frozen before the next write. */
        omen_status s = db->options.read_only || r->salvage != NULL ? freeze_read_only(r, f->epoch, err) : relieve(r, f->epoch, err);
        if (s == OMEN_PENDING) return s;
        r->epoch = f->epoch;
        bool again = r->starved;
        if (s == OMEN_OK) s = replay_frame(db, f, err);
        if (s == OMEN_ERR_CORRUPT && r->salvage != NULL) s = pass_over(r, f, err);
        if (s == OMEN_ERR_MEMORY && !again && !db->options.read_only && r->salvage == NULL && (db->active_records != 0 || omen_frozen_count(db) != 0)) {
            r->starved = true;
            continue;
        }
        r->starved = false;
        if (s == OMEN_ERR_MEMORY) return no_memory(r, err);
        if (s == OMEN_OK && f->count != 0) db->next_lsn = f->first_lsn + f->count;
        return s;
    }
}

/* A write that was cut off, as far as anyone can tell (log_format.h). */
static void tell_torn(omen_db *db, uint64_t bytes) {
    char line[300];
    if (bytes == 0 || db->host->log == NULL) return;
    size_t n = omen_format(line, sizeof line, "the log ends with %llu bytes that are no whole write, and that nothing says was ever durable: they are %s",
                           (unsigned long long)bytes, db->options.read_only ? "passed over" : "cut off");
    db->host->log(db->host->ctx, OMEN_LOG_INFO, line, OMEN_MIN(n, sizeof line - 1));
}

/* Files that are damaged, and of which no record is missing, as the next one proves: they held none, or what is in segments. No reason not to open. */
static void tell_spare(omen_replay *r) {
    size_t at = 0;
    uint64_t epoch, bytes;
    omen_db *db = r->db;
    while (omen_recovery_spare(r->recovery, &at, &epoch, &bytes)) {
        omen_file_name name = omen_log_file_name(epoch);
        char line[200];
        if (r->salvage != NULL) {
            omen_findings_add(r->salvage->findings, &(omen_damage){.file = name.text, .kind = "log", .has_place = true, .bytes = bytes, .holds = "no record that is missing, as the next log proves",
                                                                   .message = bytes == 0 ? "the file's header cannot be read" : "no valid frame of the log"});
        } else if (db->host->log != NULL) {
            size_t n = omen_format(line, sizeof line, "%s is damaged; no record of it is missing, as the next log proves, and it is %s", name.text, db->options.read_only ? "passed over" : "removed");
            db->host->log(db->host->ctx, OMEN_LOG_WARN, line, OMEN_MIN(n, sizeof line - 1));
        }
    }
}

static void tell_gap(void *arg, const omen_log_gap *gap) {
    const omen_replay *r = arg;
    omen_findings *f = r->salvage->findings;
    omen_log_gap lost = *gap;
    omen_file_name name = omen_log_file_name(gap->epoch);
    char holds[120];
    lost.from_lsn = OMEN_MAX(gap->from_lsn, r->body->flushed_lsn + 1); /* what is in segments is not lost */
    bool loses = lost.from_lsn <= lost.to_lsn;
    if (loses) {
        omen_format(holds, sizeof holds, "the records of LSN %llu to %llu", (unsigned long long)lost.from_lsn, (unsigned long long)lost.to_lsn);
        omen_findings_lose_log(f, &lost);
    }
    omen_findings_add(f, &(omen_damage){.file = name.text, .kind = "log", .has_place = true, .offset = gap->offset, .bytes = gap->bytes,
                                        .holds = loses ? holds : "no record that is not in a segment", .loses = loses,
                                        .message = gap->sealed ? "the file's header cannot be read" : gap->bytes == 0 ? "the file ends early, or is missing" : "no valid frame of the log"});
    r->salvage->log_told = true;
}

omen_status omen_replay_step(omen_replay *r, omen_error *err) {
    omen_db *db = r->db;
    if (r->recovery == NULL) {
        db->next_file = r->salvage == NULL ? r->body->next_file : OMEN_MAX(r->body->next_file, omen_files_next_number(r->files)); /* nothing is removed first */
        db->log_first_epoch = r->body->log_first_epoch;
        db->flushed_lsn = r->body->flushed_lsn;
        db->next_collection_id = r->body->next_collection_id;
        db->active_first_epoch = r->body->log_first_epoch;
        db->next_lsn = r->body->flushed_lsn + 1;
        omen_status s = omen_recovery_new(&db->store, db->log_first_epoch, db->flushed_lsn, db->options.read_only, frame, r, &r->recovery);
        if (s != OMEN_OK) return omen_fail(err, s, "out of memory recovering the log");
        db->proven_lsn = OMEN_MAX(r->body->durable_lsn, r->body->flushed_lsn);
        omen_recovery_prove(r->recovery, db->proven_lsn);
    }
    if (r->salvage != NULL && !r->judged) {
        OMEN_TRY(omen_salvage_judge(r->salvage, db, err));
        const omen_log_salvage salvage = {r->salvage->later, tell_gap, r};
        if (r->salvage->log_damaged) omen_recovery_salvage(r->recovery, &salvage);
        r->judged = true;
    }
    OMEN_TRY(omen_recovery_step(r->recovery, err));
    r->result = *omen_recovery_result_of(r->recovery);
    tell_torn(db, r->result.torn_bytes);
    tell_spare(r);
    /* What keeps a database from being opened is never passed over in silence. */
    if (r->salvage != NULL && r->salvage->log_damaged && !r->salvage->log_told)
        omen_findings_add(r->salvage->findings, &(omen_damage){.kind = "log", .holds = "no record that could be named", .message = r->salvage->why.text});
    db->next_lsn = OMEN_MAX(r->result.next_lsn, db->next_lsn);
    /* LSNs that were durable once are not given again, although their records are lost. */
    if (r->salvage != NULL) db->next_lsn = OMEN_MAX(db->next_lsn, db->proven_lsn + 1);
    db->visible_lsn = db->next_lsn - 1;
    atomic_store(&db->durable_lsn, db->visible_lsn);
    db->epoch = OMEN_MAX(OMEN_MAX(r->result.last_epoch, r->body->last_epoch), db->log_first_epoch - 1);
    return OMEN_OK;
}

void omen_replay_deinit(omen_replay *r) { omen_recovery_free(r->recovery); }
