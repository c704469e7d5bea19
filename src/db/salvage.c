#include "db/salvage.h"

void omen_salvage_reset(omen_salvage *s) {
    omen_mem *m = s->findings->damage.mem;
    omen_recovery_free(s->judge);
    omen_findings_deinit(s->findings);
    omen_findings_init(s->findings, m);
    *s = (omen_salvage){.findings = s->findings, .later = s->later};
}

omen_status omen_salvage_write(const omen_salvage *s, omen_buf *out) {
    bool told = s->findings->count != 0 || s->findings->notes.len != 0 || s->log_damaged;
    return told ? omen_findings_write(s->findings, false, out) : OMEN_OK;
}

/* ---- the manifest ---- */

void omen_salvage_slots(omen_salvage *s, const omen_manifest *m) {
    for (uint32_t i = 0; i < 2; i++) {
        const char *is = omen_manifest_slot(m, i);
        const char *file = i == 0 ? "manifest-0" : "manifest-1";
        if (omen_manifest_slot_damaged(m, i))
            omen_findings_add(s->findings, &(omen_damage){.file = file, .kind = "manifest", .holds = "the manifest of one generation; the other file holds another one, which is used",
                                                          .message = "its checksums are wrong"});
        if (strcmp(is, "torn") == 0) {
            char line[120];
            omen_format(line, sizeof line, "%s was being written when power failed; the one before it is used", file);
            omen_findings_note(s->findings, line);
        }
    }
}

/* The database's id, from the first frame of a log. [may pend] */
static omen_status read_id(omen_db *db, uint64_t epoch, uint64_t *first_lsn, omen_error *err) {
    enum { OPEN_FRAME = 64, ID_AT = 48, LSN_AT = 16 };
    const omen_storage *st = &db->store.storage;
    omen_file_name name = omen_log_file_name(epoch);
    omen_file *file = NULL;
    uint8_t frame[OPEN_FRAME];
    OMEN_TRY(omen_store_check(st->ops->open(st->ctx, name.text, OMEN_FILE_READ, &file), "open", name.text, err));
    omen_status s = omen_store_read(&db->store, file, name.text, 0, frame, sizeof frame, err);
    st->ops->close(st->ctx, file);
    OMEN_TRY(s);
    memcpy(db->store.database_id, frame + ID_AT, 16);
    *first_lsn = omen_get64(frame + LSN_AT);
    return OMEN_OK;
}

omen_status omen_salvage_manifest(omen_salvage *s, omen_db *db, const omen_files *files, const omen_error *why, omen_manifest_body *body, omen_error *err) {
    uint64_t first = UINT64_MAX, last = 0, n, lsn = 0;
    uint32_t segments = 0;
    bool there[2] = {false, false};
    for (uint32_t i = 0; i < omen_files_count(files); i++) {
        const char *name = omen_files_at(files, i);
        if (omen_segment_file_parse(name, &n)) segments++;
        if (omen_log_file_parse(name, &n)) {
            first = OMEN_MIN(first, n);
            last = OMEN_MAX(last, n);
        }
        for (int k = 0; k < 2; k++) there[k] = there[k] || strcmp(name, k == 0 ? "manifest-0" : "manifest-1") == 0;
    }
    if (segments != 0 || first == UINT64_MAX)
        return omen_fail(err, OMEN_ERR_CORRUPT, "%.150s; without a manifest nobody knows what the %u segments there are: restore it, or the database, from a backup", why->text, segments);
    OMEN_TRY(read_id(db, first, &lsn, err));
    if (lsn != 1)
        return omen_fail(err, OMEN_ERR_CORRUPT, "%.150s; the logs begin at LSN %llu, so records are missing that nobody can name: restore the database from a backup", why->text,
                         (unsigned long long)lsn);
    omen_findings_add(s->findings, &(omen_damage){.file = "manifest-1", .kind = "manifest", .holds = "the list of collections and segments; there were no segments yet, and the logs say the rest",
                                                  .message = why->text});
    s->manifest_lost = true;
    *body = (omen_manifest_body){.next_file = 1, .log_first_epoch = first, .last_epoch = last, .next_collection_id = 1};
    return omen_manifest_anew(&db->store, there, &db->manifest, err);
}

/* ---- parts ---- */

omen_status omen_salvage_part(omen_salvage *s, omen_db *db, const omen_coll *coll, const omen_segment_info *info, const omen_error *why, omen_part **out, omen_error *err) {
    omen_error bare = {0};
    omen_status st = omen_part_open_bare(&db->store, info, coll->schema.fields, coll->schema.schema.vector_count, out, &bare);
    if (st == OMEN_PENDING) return st;
    if (st != OMEN_OK && st != OMEN_ERR_CORRUPT) return omen_fail(err, st, "%s", bare.text);
    omen_file_name name = omen_segment_file_name(info->number);
    omen_findings_add(s->findings, &(omen_damage){.file = name.text, .kind = "segment", .collection = coll->name,
                                                  .holds = st == OMEN_OK ? "what is derived from ids, documents and vectors" : "all of its records, and which older ones they replaced",
                                                  .loses = st != OMEN_OK, .message = why->text});
    if (st == OMEN_OK) return OMEN_OK;
    char line[200];
    omen_format(line, sizeof line, "%s is left out whole: older versions of records that it replaced or deleted are seen again", name.text);
    omen_findings_note(s->findings, line);
    omen_findings_lose_segment(s->findings, info->number, coll->name);
    s->segments_lost = true;
    return OMEN_OK;
}

omen_status omen_salvage_replaced(omen_salvage *s, omen_coll_version *v, uint32_t at, const omen_error *why, omen_error *err) {
    omen_part *p = v->parts[at].part;
    uint8_t bytes[OMEN_KEY_MAX];
    omen_key key;
    for (; s->row < p->rows; s->row++) {
        omen_error unread = {0};
        omen_status st = omen_part_key(p, s->row, bytes, &key, &unread);
        if (st == OMEN_ERR_CORRUPT) continue;
        if (st != OMEN_OK) return st == OMEN_PENDING ? st : omen_fail(err, st, "%s", unread.text);
        for (uint32_t q = 0; q < at; q++) {
            omen_part_state *older = &v->parts[q];
            uint32_t row = UINT32_MAX;
            if (older->part->bare) continue;
            st = omen_part_find(older->part, key, omen_key_hash(key), &row, &unread);
            if (st != OMEN_OK && st != OMEN_ERR_CORRUPT) return st == OMEN_PENDING ? st : omen_fail(err, st, "%s", unread.text);
            if (st != OMEN_OK || row == UINT32_MAX) continue;
            if (older->dead == NULL) older->dead = omen_bits_new(v->mem, older->part->rows);
            if (older->dead == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
            omen_bits_set(older->dead, row);
        }
    }
    s->row = 0;
    p->bare = true;
    char line[300];
    omen_file_name name = omen_segment_file_name(omen_segment_info_of(p->segment)->number);
    omen_format(line, sizeof line, "%s: which older records it deleted cannot be read (%.120s): what its own records replaced was found by their ids, mere deletes are undone", name.text, why->text);
    omen_findings_note(s->findings, line);
    return OMEN_OK;
}

/* ---- the log ---- */

static omen_status ignore(void *arg, const omen_recovered_frame *f, omen_error *err) {
    (void)arg, (void)f, (void)err;
    return OMEN_OK;
}

omen_status omen_salvage_judge(omen_salvage *s, omen_db *db, omen_error *err) {
    if (s->judged) return OMEN_OK;
    if (s->judge == NULL) {
        omen_status st = omen_recovery_new(&db->store, db->log_first_epoch, db->flushed_lsn, true, ignore, NULL, &s->judge);
        if (st != OMEN_OK) return omen_fail(err, st, "out of memory reading the log");
        omen_recovery_prove(s->judge, db->proven_lsn);
    }
    omen_status st = omen_recovery_step(s->judge, &s->why);
    if (st == OMEN_PENDING) return st;
    s->torn_bytes = st == OMEN_OK ? omen_recovery_result_of(s->judge)->torn_bytes : 0;
    omen_recovery_free(s->judge);
    s->judge = NULL;
    if (st != OMEN_OK && st != OMEN_ERR_CORRUPT) return omen_fail(err, st, "%s", s->why.text);
    s->judged = true;
    s->log_damaged = st == OMEN_ERR_CORRUPT;
    if (s->torn_bytes != 0) {
        char line[200];
        omen_format(line, sizeof line, "the log ends with %llu bytes that are no whole write: as after a crash, and nothing says that they were ever durable", (unsigned long long)s->torn_bytes);
        omen_findings_note(s->findings, line);
    }
    return OMEN_OK;
}
