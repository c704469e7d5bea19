/* restore.c - files come into a place that becomes a database: from a backup, or from an open database (backup.h). */
#include "db/backup.h"
#include "db/files.h"

static const char mark_name[] = OMEN_UNFINISHED;

static size_t name_count(const omen_transfer *t) { return t->place.names.len / sizeof(omen_long_name); }
static const char *name_at(const omen_transfer *t, size_t i) { return ((const omen_long_name *)(const void *)t->place.names.data)[i].text; }

static omen_long_name short_name(omen_file_name n) {
    omen_long_name l = {{0}};
    memcpy(l.text, n.text, sizeof n.text);
    return l;
}

static omen_segment *image_file(const omen_transfer *t, uint32_t i) {
    omen_segment *s;
    memcpy(&s, t->image.files.data + i * sizeof s, sizeof s);
    return s;
}

static omen_backup_file file_at(const omen_transfer *t, uint32_t i) {
    if (t->chosen != NULL) return omen_backup_file_at(t->chosen, i);
    const omen_segment_info *info = omen_segment_info_of(image_file(t, i));
    return (omen_backup_file){info->number, info->length, info->hash};
}

static const uint8_t *payload_of(const omen_transfer *t, size_t *len) {
    *len = t->chosen != NULL ? t->chosen->payload_len : t->image.payload.len;
    return t->chosen != NULL ? t->chosen->payload : t->image.payload.data;
}

/* ---- what is there ---- */

static omen_status begin_restore(omen_transfer *t, bool *done, omen_error *err) {
    OMEN_TRY(omen_transfer_choose(t, done, err));
    t->files = t->chosen->file_count;
    t->total_bytes = t->chosen->bytes;
    t->lsn = t->chosen->lsn;
    t->number = t->chosen->number;
    memcpy(t->database_id, t->chosen->database_id, 16);
    return OMEN_OK;
}

static omen_status begin_clone(omen_transfer *t, bool *done, omen_error *err) {
    OMEN_TRY(omen_image_take(&t->image, t->args.db, err));
    t->files = t->image.files.len / sizeof(omen_segment *);
    t->total_bytes = t->image.bytes;
    t->lsn = t->image.snapshot.lsn;
    *done = true;
    return OMEN_OK;
}

static omen_status open_place(omen_transfer *t, bool *done, omen_error *err) {
    OMEN_TRY(omen_site_open(&t->place, OMEN_STORAGE_CREATE | OMEN_STORAGE_APART, err));
    t->resumed = omen_site_has(&t->place, mark_name);
    bool database = omen_site_has(&t->place, "manifest-0") || omen_site_has(&t->place, "manifest-1");
    if (database && !t->resumed)
        return omen_fail(err, OMEN_ERR_EXISTS, "\"%.200s\" holds a database already; nothing was changed: choose a place that is absent or empty", t->place.path);
    if (name_count(t) != 0 && !t->resumed)
        return omen_fail(err, OMEN_ERR_FOREIGN, "\"%.200s\" holds %s; nothing was changed: choose a place that is absent or empty", t->place.path, name_at(t, 0));
    *done = true;
    return OMEN_OK;
}

/* Somebody has opened for writing what lies there: every one begins an epoch of its own, and writes a third generation of the manifest before a log is removed. payload: NULL
 * where no manifest can be read; then only a place with one slot at most, and one log beside it, is surely nobody's: no crash leaves two slots of which none is whole. */
static bool used(const omen_transfer *t, const uint8_t *payload, size_t len) {
    uint64_t epoch, last = payload == NULL || len < 32 ? 0 : omen_get64(payload + 24);
    size_t slots = omen_site_has(&t->place, "manifest-0") + (size_t)omen_site_has(&t->place, "manifest-1"), later = 0;
    for (size_t i = 0; i < name_count(t); i++) later += omen_log_file_parse(name_at(t, i), &epoch) && epoch > last;
    if (payload == NULL) return slots == 2 || (slots == 1 && later > 1);
    return later != 0 || omen_manifest_generation(t->manifest) > 2;
}

/* The only place that is not empty is one where this broke off. It may have come to its end but for the removal of the mark; or what lies there is another backup, or clone,
 * that did. */
static omen_status open_manifest(omen_transfer *t, bool *done, omen_error *err) {
    const uint8_t *had = NULL, *payload;
    size_t had_len = 0, len;
    omen_error why = {0};
    omen_status s = omen_manifest_open(&t->place.store, &t->manifest, &why);
    if (s == OMEN_PENDING) return s;
    *done = true;
    if (s != OMEN_OK && s != OMEN_ERR_CORRUPT) return omen_fail(err, s, "%s", why.text);
    if (s == OMEN_OK && omen_manifest_generation(t->manifest) != 0) {
        omen_manifest_payload(t->manifest, &had, &had_len);
        payload = payload_of(t, &len);
        t->complete = had_len == len && memcmp(had, payload, len) == 0 && memcmp(t->place.store.database_id, t->database_id, 16) == 0;
    }
    if (t->complete) return OMEN_OK;
    t->dropping = s == OMEN_ERR_CORRUPT || had != NULL;
    if (!used(t, had, had_len)) return OMEN_OK;
    return omen_fail(err, OMEN_ERR_EXISTS, "\"%.150s\" holds a database already, which may have been opened for writing since; nothing was changed: choose another place. The file \"%s\" there may be removed",
                     t->place.path, mark_name);
}

/* Durably, before any file it names is touched. */
static omen_status drop_manifest(omen_transfer *t, bool *done, omen_error *err) {
    static const char *const slots[] = {"manifest-0", "manifest-1"};
    const omen_storage *st = &t->place.store.storage;
    /* The first generation goes last: alone it is still one that was broken off. */
    for (; t->dropping && t->left_at < 2; t->left_at++) {
        if (!omen_site_has(&t->place, slots[t->left_at])) continue;
        OMEN_TRY(omen_store_check(st->ops->remove(st->ctx, slots[t->left_at]), "remove", slots[t->left_at], err));
        if (t->left_at == 0) OMEN_TRY(omen_store_sync_dir(&t->place.store, t, err));
    }
    t->left_at = 0;
    *done = true;
    return OMEN_OK;
}

static omen_status open_again(omen_transfer *t, bool *done, omen_error *err) {
    if (t->dropping) {
        OMEN_TRY(omen_store_sync_dir(&t->place.store, t, err));
        omen_manifest_close(t->manifest);
        t->manifest = NULL;
        t->dropping = false;
    }
    if (!t->complete) OMEN_TRY(omen_manifest_open(&t->place.store, &t->manifest, err));
    *done = true;
    return OMEN_OK;
}

static omen_status create_mark(omen_transfer *t, bool *done, omen_error *err) {
    *done = t->resumed;
    if (*done) return OMEN_OK;
    OMEN_TRY(omen_transfer_open_file(t, &t->place, mark_name, OMEN_FILE_CREATE, err));
    OMEN_TRY(omen_store_write(&t->place.store, t->file, mark_name, 0, "omendb", 6, err));
    *done = true;
    return OMEN_OK;
}

static omen_status sync_mark(omen_transfer *t, bool *done, omen_error *err) {
    const omen_storage *st = &t->place.store.storage;
    if (t->file != NULL) OMEN_TRY(omen_store_check(st->ops->sync(st->ctx, t->file), "sync", mark_name, err));
    omen_transfer_close_file(t);
    *done = true;
    return OMEN_OK;
}

static omen_status sync_place(omen_transfer *t, bool *done, omen_error *err) {
    OMEN_TRY(omen_store_sync_dir(&t->place.store, t, err));
    *done = true;
    return OMEN_OK;
}

static bool needed(const omen_transfer *t, const char *name) {
    uint64_t number;
    if (strcmp(name, mark_name) == 0 || strcmp(name, "manifest-0") == 0 || strcmp(name, "manifest-1") == 0) return true;
    if (omen_log_file_parse(name, &number)) return t->complete || (t->chosen != NULL && number == t->chosen->epoch);
    if (!omen_segment_file_parse(name, &number)) return false;
    for (uint32_t i = 0; i < t->files; i++)
        if (file_at(t, i).number == number) return true;
    return false;
}

/* What an attempt that broke off left and this one cannot use: another backup's files, the log of a clone. */
static omen_status remove_rest(omen_transfer *t, bool *done, omen_error *err) {
    const omen_storage *st = &t->place.store.storage;
    for (; t->left_at < name_count(t); t->left_at++) {
        const char *name = name_at(t, t->left_at);
        uint64_t number;
        if (needed(t, name)) continue;
        if (!omen_log_file_parse(name, &number) && !omen_segment_file_parse(name, &number))
            return omen_fail(err, OMEN_ERR_FOREIGN, "\"%.200s\" holds %s; choose a place that is absent or empty", t->place.path, name);
        OMEN_TRY(omen_store_check(st->ops->remove(st->ctx, name), "remove", name, err));
    }
    *done = true;
    return OMEN_OK;
}

/* ---- files ---- */

static omen_status copy_files(omen_transfer *t, bool *done, omen_error *err) {
    uint32_t count = (uint32_t)t->files + (t->chosen != NULL); /* the log of a backup is a file like another */
    *done = t->complete || t->at == count;
    if (*done) return OMEN_OK;
    if (!t->copying) {
        bool log = t->at == t->files;
        omen_backup_file f = log ? (omen_backup_file){0, t->chosen->log_length, t->chosen->log_hash} : file_at(t, t->at);
        omen_long_name name = short_name(log ? omen_log_file_name(t->chosen->epoch) : omen_segment_file_name(f.number));
        omen_copy_init(&t->copy, &t->mem, &t->place.store, name, f.length, &f.hash, t->resumed && omen_site_has(&t->place, name.text));
        if (t->chosen == NULL) {
            t->copy.segment = image_file(t, t->at);
        } else {
            t->copy.from = &t->backups.store;
            t->copy.from_name = log ? omen_backup_log_name(t->chosen->number) : omen_backup_data_name(&f.hash);
        }
        t->copying = true;
    }
    bool copied;
    OMEN_TRY(omen_transfer_copy(t, &copied, err));
    t->at += copied;
    return OMEN_OK;
}

static omen_status write_log(omen_transfer *t, bool *done, omen_error *err) {
    *done = t->complete;
    if (*done) return OMEN_OK;
    if (t->image_log.image == NULL)
        OMEN_TRY(omen_image_log_init(&t->image_log, &t->image, &t->place.store, short_name(omen_log_file_name(t->image.epoch)), t->database_id, err));
    OMEN_TRY(omen_image_log_step(&t->image_log, done, err));
    if (!*done) return OMEN_OK;
    t->copied_files++;
    t->copied_bytes += t->image_log.length;
    t->total_bytes += t->image_log.length;
    t->done_bytes = t->total_bytes;
    return OMEN_OK;
}

/* ---- the database is there ---- */

/* One that was found whole here may not be durable yet. */
static omen_status settle_manifest(omen_transfer *t, bool *done, omen_error *err) {
    OMEN_TRY(omen_manifest_settle(t->manifest, err));
    *done = true;
    return OMEN_OK;
}

static omen_status write_manifest(omen_transfer *t, bool *done, omen_error *err) {
    size_t len;
    const uint8_t *payload = payload_of(t, &len);
    t->ending = true;
    memcpy(t->place.store.database_id, t->database_id, 16);
    if (!t->complete || omen_manifest_single(t->manifest)) OMEN_TRY(omen_manifest_found(t->manifest, payload, len, err));
    *done = true;
    return OMEN_OK;
}

static omen_status verify_manifest(omen_transfer *t, bool *done, omen_error *err) {
    const uint8_t *had, *payload;
    size_t had_len, len;
    OMEN_TRY(omen_manifest_open(&t->place.store, &t->again, err));
    payload = payload_of(t, &len);
    omen_manifest_payload(t->again, &had, &had_len);
    bool twins = strcmp(omen_manifest_slot(t->again, 0), "valid") == 0 && strcmp(omen_manifest_slot(t->again, 1), "valid") == 0;
    if ((!twins && !t->complete) || had_len != len || memcmp(had, payload, len) != 0 || memcmp(t->place.store.database_id, t->database_id, 16) != 0)
        return omen_fail(err, OMEN_ERR_IO, "the manifest does not read back as it was written; do not trust that storage");
    *done = true;
    return OMEN_OK;
}

static omen_status remove_mark(omen_transfer *t, bool *done, omen_error *err) {
    const omen_storage *st = &t->place.store.storage;
    OMEN_TRY(omen_store_check(st->ops->remove(st->ctx, mark_name), "remove", mark_name, err));
    t->done_bytes = t->total_bytes;
    *done = true;
    return OMEN_OK;
}

static omen_status sync_last(omen_transfer *t, bool *done, omen_error *err) {
    (void)err;
    return omen_transfer_sync_last(t, &t->place, done);
}

const omen_transfer_stage omen_restore_stages[] = {{omen_transfer_read_records}, {begin_restore}, {open_place}, {open_manifest}, {drop_manifest}, {open_again}, {create_mark}, {sync_mark},
                                                   {sync_place}, {remove_rest}, {copy_files}, {settle_manifest}, {write_manifest}, {verify_manifest}, {remove_mark}, {sync_last}, {NULL}};
const omen_transfer_stage omen_clone_stages[] = {{begin_clone}, {open_place}, {open_manifest}, {drop_manifest}, {open_again}, {create_mark}, {sync_mark}, {sync_place}, {remove_rest},
                                                 {copy_files}, {write_log}, {settle_manifest}, {write_manifest}, {verify_manifest}, {remove_mark}, {sync_last}, {NULL}};
