/* backup_record.c - names and records of a place of backups (backup.h), and the reading of all there are. */
#include "db/backup.h"

#include "store/torn.h"

#define HEAD 128u
#define HASH_AT 112u
#define FILE_BYTES 32u
#define MAX_RECORD (320u << 20)
static const char magic[8] = {'O', 'M', 'E', 'N', 'B', 'K', 'P', '1'};

/* ---- names ---- */

static omen_long_name numbered(const char *prefix, uint64_t number) {
    omen_long_name n = {{0}};
    omen_file_name digits = omen_log_file_name(number);
    size_t len = strlen(prefix);
    memcpy(n.text, prefix, len);
    memcpy(n.text + len, digits.text + 4, 16);
    return n;
}

omen_long_name omen_backup_name(uint64_t number) { return numbered("backup-", number); }
omen_long_name omen_backup_log_name(uint64_t number) { return numbered("blog-", number); }
omen_long_name omen_backup_making_name(uint64_t number) { return numbered("making-", number); }

omen_long_name omen_backup_data_name(const omen_hash128 *hash) {
    omen_long_name n = {{'d', 'a', 't', 'a', '-'}};
    omen_hash128_hex(hash, n.text + 5);
    return n;
}

static bool parse(const char *name, const char *prefix, uint64_t *number) {
    omen_file_name log = {"log-"};
    size_t len = strlen(prefix);
    if (strncmp(name, prefix, len) != 0 || strlen(name) != len + 16) return false;
    memcpy(log.text + 4, name + len, 17);
    return omen_log_file_parse(log.text, number);
}

bool omen_backup_name_parse(const char *name, uint64_t *number) { return parse(name, "backup-", number) && *number != 0; }
bool omen_backup_making_parse(const char *name, uint64_t *number) { return parse(name, "making-", number); }

bool omen_backup_ours(const char *name) {
    uint64_t n;
    if (omen_backup_name_parse(name, &n) || omen_backup_making_parse(name, &n) || parse(name, "blog-", &n)) return true;
    if (strncmp(name, "data-", 5) != 0 || strlen(name) != 37) return false;
    for (const char *p = name + 5; *p != '\0'; p++)
        if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f'))) return false;
    return true;
}

/* ---- records ---- */

static omen_hash128 hash_of(const uint8_t *p, size_t len, omen_hasher *h) {
    omen_hasher_update(h, p, HASH_AT);
    omen_hasher_update(h, p + HEAD, len - HEAD);
    return omen_hasher_digest(h);
}

static omen_backup_verdict judge(const omen_backup_record *r, omen_hasher *h) {
    const uint8_t *p = r->raw.data;
    size_t len = r->raw.len;
    if (len < HEAD || memcmp(p, magic, sizeof magic) != 0) return OMEN_BACKUP_DAMAGED;
    uint64_t files = omen_get32(p + 12), payload = omen_get64(p + 88);
    bool fits = payload <= MAX_RECORD && HEAD + files * FILE_BYTES + payload == len;
    omen_hash128 hash = fits ? hash_of(p, len, h) : (omen_hash128){{0}};
    bool good = fits && memcmp(hash.bytes, p + HASH_AT, 16) == 0;
    if (omen_get32(p + 8) > 1 && (good || !omen_cut_off(p, len, payload <= MAX_RECORD ? HEAD + files * FILE_BYTES + payload : 0))) return OMEN_BACKUP_NEWER;
    return good && omen_get32(p + 8) == 1 && omen_get64(p + 16) == r->number ? OMEN_BACKUP_GOOD : OMEN_BACKUP_DAMAGED;
}

omen_status omen_backup_record_read(omen_backup_record *r) {
    omen_hasher *h = omen_hasher_new(r->raw.mem);
    if (h == NULL) return OMEN_ERR_MEMORY;
    r->verdict = judge(r, h);
    omen_hasher_free(h);
    if (r->verdict != OMEN_BACKUP_GOOD) return OMEN_OK;
    const uint8_t *p = r->raw.data;
    r->file_count = omen_get32(p + 12);
    memcpy(r->database_id, p + 24, 16);
    r->created_ms = omen_get64(p + 40);
    r->lsn = omen_get64(p + 48);
    r->epoch = omen_get64(p + 56);
    r->log_length = omen_get64(p + 64);
    memcpy(r->log_hash.bytes, p + 72, 16);
    r->payload_len = (size_t)omen_get64(p + 88);
    r->bytes = omen_get64(p + 96);
    r->files = p + HEAD;
    r->payload = r->files + (size_t)r->file_count * FILE_BYTES;
    return OMEN_OK;
}

omen_backup_file omen_backup_file_at(const omen_backup_record *r, uint32_t i) {
    const uint8_t *p = r->files + (size_t)i * FILE_BYTES;
    omen_backup_file f = {.number = omen_get64(p), .length = omen_get64(p + 8)};
    memcpy(f.hash.bytes, p + 16, 16);
    return f;
}

static omen_status append_head(const omen_backup_record *r, const omen_image *image, uint32_t files, omen_buf *out) {
    OMEN_TRY(omen_buf_append(out, magic, sizeof magic));
    OMEN_TRY(omen_buf_append_u32(out, 1));
    OMEN_TRY(omen_buf_append_u32(out, files));
    OMEN_TRY(omen_buf_append_u64(out, r->number));
    OMEN_TRY(omen_buf_append(out, r->database_id, 16));
    OMEN_TRY(omen_buf_append_u64(out, r->created_ms));
    OMEN_TRY(omen_buf_append_u64(out, image->snapshot.lsn));
    OMEN_TRY(omen_buf_append_u64(out, image->epoch));
    OMEN_TRY(omen_buf_append_u64(out, r->log_length));
    OMEN_TRY(omen_buf_append(out, r->log_hash.bytes, 16));
    OMEN_TRY(omen_buf_append_u64(out, image->payload.len));
    OMEN_TRY(omen_buf_append_u64(out, image->bytes + r->log_length));
    return omen_buf_append(out, NULL, 24);
}

omen_status omen_backup_record_write(omen_backup_record *r, const omen_image *image, omen_mem *m, omen_buf *out) {
    size_t files = image->files.len / sizeof(omen_segment *);
    out->len = 0;
    OMEN_TRY(append_head(r, image, (uint32_t)files, out));
    for (size_t i = 0; i < files; i++) {
        omen_segment *s;
        memcpy(&s, image->files.data + i * sizeof s, sizeof s);
        const omen_segment_info *info = omen_segment_info_of(s);
        OMEN_TRY(omen_buf_append_u64(out, info->number));
        OMEN_TRY(omen_buf_append_u64(out, info->length));
        OMEN_TRY(omen_buf_append(out, info->hash.bytes, 16));
    }
    OMEN_TRY(omen_buf_append(out, image->payload.data, image->payload.len));
    omen_hasher *h = omen_hasher_new(m);
    if (h == NULL) return OMEN_ERR_MEMORY;
    omen_hash128 hash = hash_of(out->data, out->len, h);
    omen_hasher_free(h);
    memcpy(out->data + HASH_AT, hash.bytes, 16);
    return OMEN_OK;
}

/* ---- all records of a place ---- */

static omen_status list_records(omen_transfer *t, omen_error *err) {
    const omen_long_name *names = (const omen_long_name *)(const void *)t->backups.names.data;
    for (size_t i = 0; i < t->backups.names.len / sizeof *names; i++) {
        omen_backup_record r = {0};
        if (omen_log_file_parse(names[i].text, &r.number) || omen_segment_file_parse(names[i].text, &r.number) || strncmp(names[i].text, "manifest-", 9) == 0)
            return omen_fail(err, OMEN_ERR_FOREIGN, "\"%.200s\" is a database, no place of backups; choose another one", t->backups.path);
        if (!omen_backup_ours(names[i].text))
            return omen_fail(err, OMEN_ERR_FOREIGN, "\"%.200s\" holds %s, which is no backup's; choose an empty or another place", t->backups.path, names[i].text);
        if (!omen_backup_name_parse(names[i].text, &r.number)) continue;
        omen_buf_init(&r.raw, &t->mem);
        if (omen_buf_append(&t->records, &r, sizeof r) != OMEN_OK) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    }
    return OMEN_OK;
}

omen_status omen_transfer_open_file(omen_transfer *t, omen_site *s, const char *name, omen_file_mode mode, omen_error *err) {
    omen_file *f = NULL;
    if (t->file != NULL) return OMEN_OK;
    OMEN_TRY(omen_store_check(s->store.storage.ops->open(s->store.storage.ctx, name, mode, &f), mode == OMEN_FILE_CREATE ? "create" : "open", name, err));
    t->file = f;
    t->file_of = s;
    return OMEN_OK;
}

void omen_transfer_close_file(omen_transfer *t) {
    if (t->file != NULL) t->file_of->store.storage.ops->close(t->file_of->store.storage.ctx, t->file);
    t->file = NULL;
}

static omen_status read_bytes(omen_transfer *t, omen_backup_record *r, omen_error *err) {
    const omen_storage *st = &t->backups.store.storage;
    omen_long_name name = omen_backup_name(r->number);
    uint64_t size;
    OMEN_TRY(omen_transfer_open_file(t, &t->backups, name.text, OMEN_FILE_READ, err));
    OMEN_TRY(omen_store_check(st->ops->size(st->ctx, t->file, &size), "measure", name.text, err));
    if (size != 0 && size <= MAX_RECORD) {
        if (omen_buf_reserve(&r->raw, (size_t)size) != OMEN_OK) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for %s", name.text);
        OMEN_TRY(omen_store_read(&t->backups.store, t->file, name.text, 0, r->raw.data, (size_t)size, err));
        r->raw.len = (size_t)size;
    }
    return OMEN_OK;
}

static omen_status read_record(omen_transfer *t, omen_backup_record *r, omen_error *err) {
    omen_status s = read_bytes(t, r, err);
    if (s != OMEN_OK && s != OMEN_ERR_CORRUPT) return s;
    omen_transfer_close_file(t);
    /* Not to be taken for one that was cut off: its number and its files would be free. */
    if (s == OMEN_OK && omen_sealed(r->raw.data, r->raw.len))
        return omen_fail(err, OMEN_ERR_KEY, "the backups at \"%.200s\" are encrypted; give their key, or choose another place", t->backups.path);
    r->verdict = OMEN_BACKUP_DAMAGED; /* a storage with checksums of its own says so itself */
    if (s == OMEN_OK && omen_backup_record_read(r) != OMEN_OK) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for %s", omen_backup_name(r->number).text);
    if (r->verdict == OMEN_BACKUP_DAMAGED && omen_site_has(&t->backups, omen_backup_making_name(r->number).text)) r->verdict = OMEN_BACKUP_CUT;
    return OMEN_OK;
}

omen_status omen_transfer_read_records(omen_transfer *t, bool *done, omen_error *err) {
    if (!t->backups.listed || t->records.len == 0) {
        uint32_t flags = t->args.kind == OMEN_TRANSFER_BACKUP ? OMEN_STORAGE_CREATE | OMEN_STORAGE_APART : t->args.kind == OMEN_TRANSFER_REMOVE ? 0 : OMEN_STORAGE_READ_ONLY;
        OMEN_TRY(omen_site_open(&t->backups, flags, err));
        OMEN_TRY(list_records(t, err));
    }
    if (t->record_at < omen_transfer_record_count(t)) {
        OMEN_TRY(read_record(t, omen_transfer_record(t, t->record_at), err));
        t->record_at++;
    }
    *done = t->record_at >= omen_transfer_record_count(t);
    return OMEN_OK;
}

/* The record that is asked for: the latest but for one that was being written, or the one of a number. */
omen_status omen_transfer_choose(omen_transfer *t, bool *done, omen_error *err) {
    for (size_t i = 0; i < omen_transfer_record_count(t); i++) {
        omen_backup_record *r = omen_transfer_record(t, i);
        if (t->args.number == 0 ? r->verdict != OMEN_BACKUP_CUT : r->number == t->args.number) t->chosen = r;
    }
    if (t->chosen == NULL && t->args.number == 0) return omen_fail(err, OMEN_ERR_NOT_FOUND, "there is no backup at \"%.200s\"", t->backups.path);
    if (t->chosen == NULL || t->chosen->verdict == OMEN_BACKUP_CUT)
        return omen_fail(err, OMEN_ERR_NOT_FOUND, "there is no backup %llu at \"%.200s\"; list the backups", (unsigned long long)t->args.number, t->backups.path);
    *done = true;
    if (t->args.kind == OMEN_TRANSFER_REMOVE || t->chosen->verdict == OMEN_BACKUP_GOOD) return OMEN_OK;
    if (t->chosen->verdict == OMEN_BACKUP_NEWER)
        return omen_fail(err, OMEN_ERR_VERSION, "backup %llu was written by a newer OmenDB; upgrade this one", (unsigned long long)t->chosen->number);
    return omen_fail(err, OMEN_ERR_CORRUPT, "%s is damaged; choose another backup by its number", omen_backup_name(t->chosen->number).text);
}
