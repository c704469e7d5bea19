/* backup.c - the life of a transfer; making, listing and removing backups (backup.h). */
#include "db/backup.h"

#include "base/json.h"
#include "base/sort.h"

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory copying the database"); }

omen_status omen_transfer_new(const omen_transfer_args *args, omen_transfer **out, omen_error *err) {
    static const omen_transfer_stage *const stages[] = {omen_backup_stages, omen_restore_stages, omen_clone_stages, omen_list_stages, omen_remove_stages};
    bool backups = args->kind != OMEN_TRANSFER_CLONE, place = args->kind == OMEN_TRANSFER_RESTORE || args->kind == OMEN_TRANSFER_CLONE;
    if (!backups && args->backups != NULL) args->backups->ops->release(args->backups->ctx);
    if (!place && args->place != NULL) args->place->ops->release(args->place->ctx);
    omen_transfer *t = args->host->alloc(args->host->ctx, sizeof *t);
    if (t == NULL) {
        if (backups && args->backups != NULL) args->backups->ops->release(args->backups->ctx);
        if (place && args->place != NULL) args->place->ops->release(args->place->ctx);
        return out_of_memory(err);
    }
    memset(t, 0, sizeof *t);
    omen_mem_init(&t->mem, args->host, 0);
    t->args = *args;
    t->stage = stages[args->kind];
    omen_buf *bufs[] = {&t->records, &t->trusted, &t->bytes, &t->text};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(bufs); i++) omen_buf_init(bufs[i], &t->mem);
    omen_status s = OMEN_OK, p = OMEN_OK;
    if (backups) s = omen_site_init(&t->backups, &t->mem, args->host, args->backups_path, args->backups, err);
    if (place) p = omen_site_init(&t->place, &t->mem, args->host, args->place_path, args->place, err);
    if (s == OMEN_OK) s = p;
    if (s == OMEN_OK && backups) s = omen_site_encrypt(&t->backups, args->backups_key, err);
    if (s == OMEN_OK && place) s = omen_site_encrypt(&t->place, args->place_key, err);
    if (s == OMEN_OK && args->db != NULL && args->db->encrypted && !args->plain && (backups ? args->backups_key : args->place_key) == NULL)
        s = omen_fail(err, OMEN_ERR_KEY, "the database is encrypted: give a key for the copy too, or say that it is to be plain");
    if (s == OMEN_OK && args->kind == OMEN_TRANSFER_RESTORE && args->backups_key != NULL && args->place_key == NULL && !args->plain)
        s = omen_fail(err, OMEN_ERR_KEY, "the backup is encrypted: give a key for the restored database too, or say that it is to be plain");
    if (s == OMEN_OK && args->ids != NULL && args->kind == OMEN_TRANSFER_LIST) s = omen_holds_new(t, err);
    if (s == OMEN_OK && args->kind == OMEN_TRANSFER_CLONE) {
        if (args->database_id != NULL) memcpy(t->database_id, args->database_id, 16);
        else s = omen_store_check(args->host->entropy(args->host->ctx, t->database_id, 16), "ask for", "entropy", err);
    }
    if (s != OMEN_OK) {
        omen_transfer_free(t);
        return s;
    }
    *out = t;
    return OMEN_OK;
}

void omen_transfer_free(omen_transfer *t) {
    if (t == NULL) return;
    const omen_host *host = t->args.host;
    omen_holds_free(t);
    omen_copy_deinit(&t->copy);
    omen_image_log_deinit(&t->image_log);
    omen_image_drop(&t->image);
    omen_manifest_close(t->manifest);
    omen_manifest_close(t->again);
    omen_transfer_close_file(t);
    omen_site_deinit(&t->backups);
    omen_site_deinit(&t->place);
    for (size_t i = 0; i < omen_transfer_record_count(t); i++) omen_buf_deinit(&omen_transfer_record(t, i)->raw);
    omen_buf *bufs[] = {&t->records, &t->trusted, &t->bytes, &t->text};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(bufs); i++) omen_buf_deinit(bufs[i]);
    host->free(host->ctx, t, sizeof *t);
}

omen_status omen_transfer_step(omen_transfer *t, uint64_t budget_ns, bool *done, omen_error *err) {
    const omen_host *host = t->args.host;
    uint64_t begun = host->ticks_ns(host->ctx);
    for (*done = false; t->stage->step != NULL;) {
        bool passed = false;
        omen_status s = t->stage->step(t, &passed, err);
        if (s != OMEN_OK) return omen_store_why(&t->place.store, omen_store_why(&t->backups.store, s, err), err);
        if (passed) t->stage++;
        if (budget_ns != 0 && t->stage->step != NULL && host->ticks_ns(host->ctx) - begun >= budget_ns) return OMEN_OK;
    }
    *done = true;
    return OMEN_OK;
}

omen_status omen_transfer_copy(omen_transfer *t, bool *done, omen_error *err) {
    uint64_t moved, length = t->copy.length;
    OMEN_TRY(omen_copy_step(&t->copy, &moved, done, err));
    moved = *done ? length - t->copy_counted : OMEN_MIN(moved, length - t->copy_counted);
    t->copy_counted += moved;
    t->done_bytes += moved;
    if (!*done) return OMEN_OK;
    if (t->copy.fresh) {
        t->copied_files++;
        t->copied_bytes += length;
    }
    omen_copy_deinit(&t->copy);
    t->copying = false;
    t->copy_counted = 0;
    return OMEN_OK;
}

/* ---- backing up ---- */

static bool hash_less(void *arg, const void *a, const void *b) {
    (void)arg;
    return memcmp(a, b, 16) < 0;
}

/* Which database's backups these are, what they hold for sure, and the number of the next. */
static omen_status begin_backup(omen_transfer *t, bool *done, omen_error *err) {
    const uint8_t *id = t->args.db->store.database_id;
    for (size_t i = 0; i < omen_transfer_record_count(t); i++) {
        const omen_backup_record *r = omen_transfer_record(t, i);
        if (r->verdict != OMEN_BACKUP_CUT) t->number = OMEN_MAX(t->number, r->number);
        if (r->verdict != OMEN_BACKUP_GOOD) continue;
        if (memcmp(r->database_id, id, 16) != 0)
            return omen_fail(err, OMEN_ERR_FOREIGN, "\"%.200s\" holds backups of another database; choose another place for this one's", t->backups.path);
        for (uint32_t f = 0; f < r->file_count; f++) {
            omen_backup_file file = omen_backup_file_at(r, f);
            if (omen_buf_append(&t->trusted, file.hash.bytes, 16) != OMEN_OK) return out_of_memory(err);
        }
    }
    omen_sort(t->trusted.data, t->trusted.len / 16, 16, hash_less, NULL);
    t->number++;
    memcpy(t->database_id, id, 16);
    OMEN_TRY(omen_image_take(&t->image, t->args.db, err));
    t->files = t->image.files.len / sizeof(omen_segment *);
    t->total_bytes = t->image.bytes;
    t->lsn = t->image.snapshot.lsn;
    *done = true;
    return OMEN_OK;
}

static bool trusted(const omen_transfer *t, const omen_hash128 *h) {
    size_t from = 0, to = t->trusted.len / 16;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        int order = memcmp(t->trusted.data + mid * 16, h->bytes, 16);
        if (order == 0) return true;
        if (order < 0) from = mid + 1;
        else to = mid;
    }
    return false;
}

static omen_segment *image_file(const omen_transfer *t, uint32_t i) {
    omen_segment *s;
    memcpy(&s, t->image.files.data + i * sizeof s, sizeof s);
    return s;
}

/* The same bytes may lie in two files. */
static bool seen(const omen_transfer *t, const omen_hash128 *h) {
    for (uint32_t i = 0; i < t->at; i++)
        if (omen_hash128_equal(&omen_segment_info_of(image_file(t, i))->hash, h)) return true;
    return false;
}

static omen_status backup_files(omen_transfer *t, bool *done, omen_error *err) {
    *done = t->at == t->files;
    if (*done) return OMEN_OK;
    omen_segment *s = image_file(t, t->at);
    const omen_segment_info *info = omen_segment_info_of(s);
    if (!t->copying) {
        omen_long_name name = omen_backup_data_name(&info->hash);
        bool there = omen_site_has(&t->backups, name.text);
        if (seen(t, &info->hash) || (there && !t->args.verify && trusted(t, &info->hash))) {
            t->done_bytes += info->length;
            t->at++;
            return OMEN_OK;
        }
        omen_copy_init(&t->copy, &t->mem, &t->backups.store, name, info->length, &info->hash, there);
        t->copy.segment = s;
        t->copying = true;
    }
    bool copied;
    OMEN_TRY(omen_transfer_copy(t, &copied, err));
    t->at += copied;
    return OMEN_OK;
}

/* What a backup that broke off left under the names of this one. */
static omen_status remove_left(omen_transfer *t, bool *done, omen_error *err) {
    const omen_storage *st = &t->backups.store.storage;
    omen_long_name names[2] = {omen_backup_name(t->number), omen_backup_log_name(t->number)};
    for (; t->left_at < 2; t->left_at++)
        if (omen_site_has(&t->backups, names[t->left_at].text))
            OMEN_TRY(omen_store_check(st->ops->remove(st->ctx, names[t->left_at].text), "remove", names[t->left_at].text, err));
    *done = true;
    return omen_image_log_init(&t->image_log, &t->image, &t->backups.store, names[1], t->database_id, err);
}

static omen_status write_log(omen_transfer *t, bool *done, omen_error *err) { return omen_image_log_step(&t->image_log, done, err); }

/* What a record names is durable before the record is written. */
static omen_status sync_backups(omen_transfer *t, bool *done, omen_error *err) {
    OMEN_TRY(omen_store_sync_dir(&t->backups.store, t, err));
    *done = true;
    return OMEN_OK;
}

/* It is synced with the log, by sync_backups. */
static omen_status create_mark(omen_transfer *t, bool *done, omen_error *err) {
    omen_long_name name = omen_backup_making_name(t->number);
    *done = omen_site_has(&t->backups, name.text); /* of one that broke off */
    if (*done) return OMEN_OK;
    OMEN_TRY(omen_transfer_open_file(t, &t->backups, name.text, OMEN_FILE_CREATE, err));
    OMEN_TRY(omen_store_write(&t->backups.store, t->file, name.text, 0, "omendb", 6, err));
    *done = true;
    return OMEN_OK;
}

static omen_status sync_mark(omen_transfer *t, bool *done, omen_error *err) {
    const omen_storage *st = &t->backups.store.storage;
    if (t->file != NULL) OMEN_TRY(omen_store_check(st->ops->sync(st->ctx, t->file), "sync", omen_backup_making_name(t->number).text, err));
    omen_transfer_close_file(t);
    *done = true;
    return OMEN_OK;
}

static omen_status create_record(omen_transfer *t, bool *done, omen_error *err) {
    omen_long_name name = omen_backup_name(t->number);
    t->ending = true;
    if (t->bytes.len == 0) {
        omen_backup_record r = {.number = t->number, .log_length = t->image_log.length, .log_hash = t->image_log.hash};
        r.created_ms = (uint64_t)t->args.host->wall_ms(t->args.host->ctx);
        memcpy(r.database_id, t->database_id, 16);
        t->copied_files++;
        t->copied_bytes += r.log_length;
        t->total_bytes += r.log_length;
        t->done_bytes = t->total_bytes;
        if (omen_backup_record_write(&r, &t->image, &t->mem, &t->bytes) != OMEN_OK) return out_of_memory(err);
    }
    OMEN_TRY(omen_transfer_open_file(t, &t->backups, name.text, OMEN_FILE_CREATE, err));
    OMEN_TRY(omen_store_write(&t->backups.store, t->file, name.text, 0, t->bytes.data, t->bytes.len, err));
    *done = true;
    return OMEN_OK;
}

static omen_status sync_record(omen_transfer *t, bool *done, omen_error *err) {
    const omen_storage *st = &t->backups.store.storage;
    OMEN_TRY(omen_store_check(st->ops->sync(st->ctx, t->file), "sync", omen_backup_name(t->number).text, err));
    omen_transfer_close_file(t);
    *done = true;
    return OMEN_OK;
}

static omen_status verify_record(omen_transfer *t, bool *done, omen_error *err) {
    omen_long_name name = omen_backup_name(t->number);
    size_t len = t->bytes.len;
    if (omen_buf_reserve(&t->bytes, len) != OMEN_OK) return out_of_memory(err);
    OMEN_TRY(omen_transfer_open_file(t, &t->backups, name.text, OMEN_FILE_READ, err));
    OMEN_TRY(omen_store_read(&t->backups.store, t->file, name.text, 0, t->bytes.data + len, len, err));
    omen_transfer_close_file(t);
    if (memcmp(t->bytes.data, t->bytes.data + len, len) != 0) return omen_fail(err, OMEN_ERR_IO, "%s does not read back as it was written; do not trust that storage", name.text);
    *done = true;
    return OMEN_OK;
}

static bool whole(const omen_transfer *t, uint64_t number) {
    for (size_t i = 0; i < omen_transfer_record_count(t); i++)
        if (omen_transfer_record(t, i)->number == number) return omen_transfer_record(t, i)->verdict == OMEN_BACKUP_GOOD;
    return false;
}

/* The backup is there, whatever becomes of this: a mark that stays is removed by the next one. */
static omen_status remove_marks(omen_transfer *t, bool *done, omen_error *err) {
    const omen_storage *st = &t->backups.store.storage;
    const omen_long_name *names = (const omen_long_name *)(const void *)t->backups.names.data;
    (void)err;
    if (t->left_at == 2) {
        if (st->ops->remove(st->ctx, omen_backup_making_name(t->number).text) == OMEN_PENDING) return OMEN_PENDING;
        t->left_at = 3;
    }
    for (; t->left_at - 3 < t->backups.names.len / sizeof *names; t->left_at++) {
        const char *name = names[t->left_at - 3].text;
        uint64_t number;
        if (omen_backup_making_parse(name, &number) && whole(t, number) && st->ops->remove(st->ctx, name) == OMEN_PENDING) return OMEN_PENDING;
    }
    *done = true;
    return OMEN_OK;
}

omen_status omen_transfer_sync_last(omen_transfer *t, omen_site *s, bool *done) {
    omen_error ignored;
    if (omen_store_sync_dir(&s->store, t, &ignored) == OMEN_PENDING) return OMEN_PENDING;
    *done = true;
    return OMEN_OK;
}

static omen_status sync_marks(omen_transfer *t, bool *done, omen_error *err) {
    (void)err;
    return omen_transfer_sync_last(t, &t->backups, done);
}

const omen_transfer_stage omen_backup_stages[] = {{omen_transfer_read_records}, {begin_backup}, {backup_files}, {remove_left}, {write_log}, {create_mark}, {sync_mark}, {sync_backups},
                                                  {create_record}, {sync_record}, {verify_record}, {sync_backups}, {remove_marks}, {sync_marks}, {NULL}};

/* ---- telling which there are ---- */

static void write_record(omen_jw *w, const omen_backup_record *r, const char *damage, const uint64_t *holds) {
    static const char *const states[] = {"complete", "unfinished", "damaged", "newer"};
    char id[33];
    omen_hash128 hash;
    omen_jw_object(w);
    omen_jw_key(w, "backup");
    omen_jw_u64(w, r->number);
    omen_jw_key(w, "state");
    omen_jw_cstr(w, states[damage != NULL ? OMEN_BACKUP_DAMAGED : r->verdict]);
    if (damage != NULL) {
        omen_jw_key(w, "damage");
        omen_jw_cstr(w, damage);
    }
    if (r->verdict == OMEN_BACKUP_GOOD) {
        memcpy(hash.bytes, r->database_id, 16);
        omen_hash128_hex(&hash, id);
        omen_jw_key(w, "databaseId");
        omen_jw_cstr(w, id);
        const struct { const char *name; uint64_t value; } members[] = {{"created", r->created_ms}, {"lastLsn", r->lsn}, {"files", r->file_count + UINT64_C(1)}, {"bytes", r->bytes}};
        for (size_t i = 0; i < OMEN_ARRAY_LEN(members); i++) {
            omen_jw_key(w, members[i].name);
            omen_jw_u64(w, members[i].value);
        }
    }
    if (holds != NULL) {
        omen_jw_key(w, "holds");
        omen_jw_u64(w, *holds);
    }
    omen_jw_object_end(w);
}

/* Damage that reading a backup's files has found: the first of each backup. */
typedef struct found_damage { uint32_t record; char text[160]; } found_damage;

static const char *damage_of(const omen_transfer *t, uint32_t record) {
    for (size_t at = 0; at < t->bytes.len; at += sizeof(found_damage)) {
        const found_damage *d = (const found_damage *)(const void *)(t->bytes.data + at);
        if (d->record == record) return d->text;
    }
    return NULL;
}

static omen_status note_damage(omen_transfer *t, const char *name, bool missing, omen_error *err) {
    found_damage d = {.record = t->left_at};
    omen_format(d.text, sizeof d.text, "%s is %s", name, missing ? "missing" : "damaged");
    if (damage_of(t, t->left_at) == NULL && omen_buf_append(&t->bytes, &d, sizeof d) != OMEN_OK) return out_of_memory(err);
    return OMEN_OK;
}

/* Reads every file of every good record, one after another: what a backup shares with an earlier one too. */
static omen_status read_all(omen_transfer *t, bool *done, omen_error *err) {
    *done = !t->args.verify || t->left_at == omen_transfer_record_count(t);
    if (*done) return OMEN_OK;
    const omen_backup_record *r = omen_transfer_record(t, t->left_at);
    if (r->verdict != OMEN_BACKUP_GOOD || t->at > r->file_count) {
        t->left_at++;
        t->at = 0;
        return OMEN_OK;
    }
    if (!t->copying) {
        omen_backup_file f = {0, r->log_length, r->log_hash};
        if (t->at < r->file_count) f = omen_backup_file_at(r, t->at);
        omen_copy_init(&t->copy, &t->mem, &t->backups.store, t->at < r->file_count ? omen_backup_data_name(&f.hash) : omen_backup_log_name(r->number), f.length, &f.hash, true);
        t->copying = true;
    }
    uint64_t moved;
    bool ended;
    OMEN_TRY(omen_copy_step(&t->copy, &moved, &ended, err));
    omen_copy_phase phase = t->copy.phase;
    if (phase == OMEN_COPY_JUDGE || phase == OMEN_COPY_JUDGE_READ) return OMEN_OK;
    if (phase != OMEN_COPY_JUDGE_OPEN) OMEN_TRY(note_damage(t, t->copy.name.text, phase == OMEN_COPY_SOURCE, err));
    omen_copy_deinit(&t->copy);
    t->copying = false;
    t->at++;
    return OMEN_OK;
}

static omen_status write_list(omen_transfer *t, bool *done, omen_error *err) {
    omen_jw w;
    omen_jw_begin(&w, &t->text);
    omen_jw_object(&w);
    omen_jw_key(&w, "backups");
    omen_jw_array(&w);
    for (uint32_t i = 0; i < omen_transfer_record_count(t); i++) {
        uint64_t holds;
        bool asked = omen_holds_count(t, i, &holds);
        write_record(&w, omen_transfer_record(t, i), damage_of(t, i), asked ? &holds : NULL);
    }
    omen_jw_array_end(&w);
    omen_jw_object_end(&w);
    *done = true;
    return omen_jw_end(&w) == OMEN_OK ? OMEN_OK : out_of_memory(err);
}

const omen_transfer_stage omen_list_stages[] = {{omen_transfer_read_records}, {read_all}, {omen_holds_look}, {write_list}, {NULL}};

/* ---- removing one ---- */

static omen_status remove_record(omen_transfer *t, bool *done, omen_error *err) {
    const omen_storage *st = &t->backups.store.storage;
    omen_long_name name = omen_backup_name(t->chosen->number);
    OMEN_TRY(omen_store_check(st->ops->remove(st->ctx, name.text), "remove", name.text, err));
    t->number = t->chosen->number;
    *done = true;
    return OMEN_OK;
}

/* What is left in use. Records that cannot be read keep everything. */
static omen_status list_used(omen_transfer *t, bool *done, omen_error *err) {
    for (size_t i = 0; i < omen_transfer_record_count(t); i++) {
        const omen_backup_record *r = omen_transfer_record(t, i);
        if (r == t->chosen) continue;
        t->keep_all = t->keep_all || r->verdict == OMEN_BACKUP_DAMAGED || r->verdict == OMEN_BACKUP_NEWER;
        for (uint32_t f = 0; r->verdict == OMEN_BACKUP_GOOD && f < r->file_count; f++) {
            omen_backup_file file = omen_backup_file_at(r, f);
            if (omen_buf_append(&t->trusted, file.hash.bytes, 16) != OMEN_OK) return out_of_memory(err);
        }
    }
    omen_sort(t->trusted.data, t->trusted.len / 16, 16, hash_less, NULL);
    *done = true;
    return OMEN_OK;
}

static bool unused(const omen_transfer *t, const char *name) {
    omen_hash128 h;
    uint64_t number;
    if (omen_backup_name_parse(name, &number)) return false;
    if (strcmp(name, omen_backup_log_name(t->number).text) == 0 || strcmp(name, omen_backup_making_name(t->number).text) == 0) return true;
    if (t->keep_all || strncmp(name, "data-", 5) != 0) return false;
    for (int i = 0; i < 16; i++) {
        char c = name[5 + 2 * i], d = name[6 + 2 * i];
        h.bytes[i] = (uint8_t)((c <= '9' ? c - '0' : c - 'a' + 10) << 4 | (d <= '9' ? d - '0' : d - 'a' + 10));
    }
    return !trusted(t, &h);
}

static omen_status remove_files(omen_transfer *t, bool *done, omen_error *err) {
    const omen_storage *st = &t->backups.store.storage;
    const omen_long_name *names = (const omen_long_name *)(const void *)t->backups.names.data;
    for (; t->at < t->backups.names.len / sizeof *names; t->at++) {
        if (!unused(t, names[t->at].text)) continue;
        OMEN_TRY(omen_store_check(st->ops->remove(st->ctx, names[t->at].text), "remove", names[t->at].text, err));
        t->files++;
    }
    *done = true;
    return OMEN_OK;
}

const omen_transfer_stage omen_remove_stages[] = {{omen_transfer_read_records}, {omen_transfer_choose}, {remove_record}, {sync_backups}, {list_used}, {remove_files}, {sync_backups}, {NULL}};
