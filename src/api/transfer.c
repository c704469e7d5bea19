/* transfer.c - backups, restoring and clones as blocking C functions. */
#include "api/api.h"
#include "db/backup.h"

/* Between two looks at progress. */
#define STEP_NS UINT64_C(20000000)

void omen_transfer_options_init(omen_transfer_options *o) {
    memset(o, 0, sizeof *o);
    o->struct_size = sizeof *o;
}

static void release(const omen_storage *s) {
    if (s != NULL) s->ops->release(s->ctx);
}

static bool filled(const omen_transfer_options *o) { return o != NULL && o->struct_size == sizeof *o; }

/* Arguments that make no sense: what was handed over is released. */
static omen_status refuse(const omen_transfer_options *o) {
    if (filled(o)) {
        release(o->backups);
        release(o->place);
    }
    return omen_told(OMEN_ERR_INVALID, NULL);
}

/* The arguments that the options fill. What they hand over is released when they are refused. */
static omen_status resolve(const omen_transfer_options *o, omen_db *db, omen_transfer_args *args, omen_error *err) {
    args->host = db != NULL ? db->host : o->host != NULL ? o->host : omen_platform_host();
    args->db = db;
    args->verify = o->verify != 0;
    args->database_id = o->database_id;
    args->backups = o->backups;
    args->place = o->place;
    args->backups_key = o->backups_key;
    args->place_key = o->place_key;
    args->plain = o->plain != 0;
    if (args->host != NULL) return OMEN_OK;
    release(o->backups);
    release(o->place);
    return omen_fail(err, OMEN_ERR_UNSUPPORTED, "this platform has no host of its own; give one in options.host");
}

static void tell(const omen_transfer *t, omen_transfer_report *r) {
    if (r == NULL) return;
    *r = (omen_transfer_report){.backup = t->number, .files = omen_transfer_files(t), .bytes = t->total_bytes, .copied_files = t->copied_files, .copied_bytes = t->copied_bytes, .last_lsn = t->lsn};
    memcpy(r->database_id, t->database_id, 16);
}

static omen_status drive(omen_transfer *t, const omen_transfer_options *o, omen_error *err) {
    const omen_host *host = t->args.host;
    for (bool done = false; !done;) {
        omen_status s = omen_transfer_step(t, o->progress == NULL ? 0 : STEP_NS, &done, err);
        if (s == OMEN_PENDING) s = omen_await(host, err);
        if (s != OMEN_OK) return s;
        if (o->progress != NULL && o->progress(o->progress_arg, t->done_bytes, t->total_bytes) != 0 && !done && !t->ending)
            return omen_fail(err, OMEN_ERR_CANCELLED, "it was cancelled; what was copied stays, and the next time goes on from there");
    }
    return OMEN_OK;
}

/* `text`: what a list wrote, through the usual protocol. */
static omen_status run(omen_transfer_args *args, const omen_transfer_options *given, omen_db *db, omen_transfer_report *report, char *buf, size_t cap, size_t *needed) {
    omen_error err = {0};
    omen_transfer_options none;
    omen_transfer *t = NULL;
    omen_transfer_options_init(&none);
    if (given != NULL && !filled(given))
        return omen_told(omen_fail(&err, OMEN_ERR_INVALID, "the options were not filled by omen_transfer_options_init"), &err);
    const omen_transfer_options *o = given == NULL ? &none : given;
    omen_status s = resolve(o, db, args, &err);
    if (s == OMEN_OK) s = omen_transfer_new(args, &t, &err);
    if (s == OMEN_OK) s = drive(t, o, &err);
    if (s == OMEN_OK) tell(t, report);
    if (s == OMEN_OK && needed != NULL) *needed = t->text.len;
    if (s == OMEN_OK && cap != 0) {
        size_t n = OMEN_MIN(t->text.len, cap - 1);
        if (n != 0) memcpy(buf, t->text.data, n);
        buf[n] = '\0';
    }
    omen_transfer_free(t);
    if (db != NULL) omen_count_failure(&db->metrics, s);
    return omen_told(s, &err);
}

omen_status omen_backup(omen_db *db, const char *backups, const omen_transfer_options *options, omen_transfer_report *report) {
    omen_transfer_args args = {.kind = OMEN_TRANSFER_BACKUP, .backups_path = backups};
    if (db == NULL) return refuse(options);
    return run(&args, options, db, report, NULL, 0, NULL);
}

omen_status omen_backup_list(const char *backups, const omen_transfer_options *options, char *buf, size_t cap, size_t *needed) {
    omen_transfer_args args = {.kind = OMEN_TRANSFER_LIST, .backups_path = backups};
    if (buf == NULL && cap != 0) return refuse(options);
    return run(&args, options, NULL, NULL, buf, cap, needed);
}

omen_status omen_backup_holds(const char *backups, omen_str collection, const omen_id *ids, size_t count, const omen_transfer_options *options, char *buf, size_t cap, size_t *needed) {
    omen_error err = {0};
    const omen_host *host = filled(options) && options->host != NULL ? options->host : omen_platform_host();
    omen_mem mem;
    omen_arena arena;
    omen_rows rows;
    if ((buf == NULL && cap != 0) || host == NULL) return refuse(options);
    omen_mem_init(&mem, host, 0);
    omen_arena_init(&arena, &mem, 4096);
    omen_status s = omen_rows_from_ids(&rows, &arena, ids, count, &err);
    omen_transfer_args args = {.kind = OMEN_TRANSFER_LIST, .backups_path = backups, .collection = collection, .ids = &rows};
    if (s == OMEN_OK) {
        s = run(&args, options, NULL, NULL, buf, cap, needed);
    } else {
        (void)refuse(options);
        s = omen_told(s, &err);
    }
    omen_arena_deinit(&arena);
    return s;
}

omen_status omen_backup_remove(const char *backups, uint64_t backup, const omen_transfer_options *options, omen_transfer_report *report) {
    omen_transfer_args args = {.kind = OMEN_TRANSFER_REMOVE, .backups_path = backups, .number = backup};
    if (backup == 0) return refuse(options);
    return run(&args, options, NULL, report, NULL, 0, NULL);
}

omen_status omen_restore(const char *backups, uint64_t backup, const char *path, const omen_transfer_options *options, omen_transfer_report *report) {
    omen_transfer_args args = {.kind = OMEN_TRANSFER_RESTORE, .backups_path = backups, .place_path = path, .number = backup};
    return run(&args, options, NULL, report, NULL, 0, NULL);
}

omen_status omen_clone(omen_db *db, const char *path, const omen_transfer_options *options, omen_transfer_report *report) {
    omen_transfer_args args = {.kind = OMEN_TRANSFER_CLONE, .place_path = path};
    if (db == NULL) return refuse(options);
    return run(&args, options, db, report, NULL, 0, NULL);
}
