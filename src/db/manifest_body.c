/* manifest_body.c - what the manifest's payload holds.
 *
 *   u32 version (2)   u32 collections   u64 next_file   u64 log_first_epoch   u64 last_epoch   u64 flushed_lsn
 *   u32 next_collection_id   u32 zero   u64 durable_lsn (version 1 has none: flushed_lsn stands for it)
 *   for each collection, in order of id:
 *     u32 id   u32 name length   name, zeros up to a multiple of 8   schema (schema.h)   u32 parts   u32 zero
 *     for each part, oldest first: u64 file number   u64 length   16 bytes hash   u32 indexes   u32 zero,
 *       then for each index, ascending in field: u32 field   u32 zero   u64 file number   u64 length   16 bytes hash
 */
#include "db/db.h"

#define HEAD_BYTES 48u
#define PROOF_BYTES 8u
#define PART_BYTES 40u
#define INDEX_BYTES 40u

static omen_status encode_info(const omen_segment_info *info, omen_buf *out) {
    OMEN_TRY(omen_buf_append_u64(out, info->number));
    OMEN_TRY(omen_buf_append_u64(out, info->length));
    return omen_buf_append(out, info->hash.bytes, sizeof info->hash.bytes);
}

static omen_status encode_part(const omen_part_state *p, omen_buf *out) {
    uint32_t indexes = 0;
    for (uint32_t f = 0; p->indexes != NULL && f < p->indexes->count; f++) indexes += p->indexes->of[f] != NULL;
    OMEN_TRY(encode_info(omen_segment_info_of(p->part->segment), out));
    OMEN_TRY(omen_buf_append_u32(out, indexes));
    OMEN_TRY(omen_buf_append_u32(out, 0));
    for (uint32_t f = 0; indexes != 0 && f < p->indexes->count; f++) {
        if (p->indexes->of[f] == NULL) continue;
        OMEN_TRY(omen_buf_append_u32(out, f));
        OMEN_TRY(omen_buf_append_u32(out, 0));
        OMEN_TRY(encode_info(omen_index_info(p->indexes->of[f]), out));
    }
    return OMEN_OK;
}

static omen_status encode_coll(const omen_coll_version *v, omen_buf *out) {
    OMEN_TRY(omen_buf_append_u32(out, v->coll->id));
    OMEN_TRY(omen_buf_append_u32(out, (uint32_t)v->coll->name.len));
    OMEN_TRY(omen_buf_append(out, v->coll->name.data, v->coll->name.len));
    OMEN_TRY(omen_buf_align(out, 8));
    OMEN_TRY(omen_schema_encode(&v->coll->schema.schema, out));
    OMEN_TRY(omen_buf_append_u32(out, v->part_count));
    OMEN_TRY(omen_buf_append_u32(out, 0));
    for (uint32_t p = 0; p < v->part_count; p++) OMEN_TRY(encode_part(&v->parts[p], out));
    return OMEN_OK;
}

static omen_status encode(omen_db *db, const omen_db_version *v, uint64_t log_first_epoch, uint64_t flushed_lsn, omen_buf *out) {
    uint64_t durable = OMEN_MAX(atomic_load(&db->durable_lsn), db->proven_lsn);
    OMEN_TRY(omen_buf_append_u32(out, 2));
    OMEN_TRY(omen_buf_append_u32(out, v->count));
    OMEN_TRY(omen_buf_append_u64(out, db->next_file));
    OMEN_TRY(omen_buf_append_u64(out, log_first_epoch));
    OMEN_TRY(omen_buf_append_u64(out, db->epoch));
    OMEN_TRY(omen_buf_append_u64(out, flushed_lsn));
    OMEN_TRY(omen_buf_append_u32(out, db->next_collection_id));
    OMEN_TRY(omen_buf_append_u32(out, 0));
    OMEN_TRY(omen_buf_append_u64(out, OMEN_MAX(durable, flushed_lsn)));
    for (uint32_t c = 0; c < v->count; c++) OMEN_TRY(encode_coll(v->colls[c], out));
    return OMEN_OK;
}

omen_status omen_manifest_encode(omen_db *db, const omen_db_version *v, uint64_t log_first_epoch, uint64_t flushed_lsn, omen_buf *out, omen_error *err) {
    out->len = 0;
    /* The epoch and the next collection's id are the writer's. */
    omen_lock_take(&db->write_lock);
    omen_status s = encode(db, v, log_first_epoch, flushed_lsn, out);
    omen_lock_drop(&db->write_lock);
    return s == OMEN_OK ? s : omen_fail(err, s, "out of memory writing the manifest");
}

typedef struct cursor {
    const uint8_t *data;
    size_t len, at;
} cursor;

static const uint8_t *take(cursor *c, uint64_t n) {
    if (n > c->len - c->at) return NULL;
    const uint8_t *p = c->data + c->at;
    c->at += (size_t)n;
    return p;
}

static omen_segment_info decode_info(const uint8_t *e) {
    omen_segment_info info = {.number = omen_get64(e), .length = omen_get64(e + 8)};
    memcpy(info.hash.bytes, e + 16, 16);
    return info;
}

static bool decode_part(cursor *c, uint32_t fields, omen_manifest_part *out) {
    const uint8_t *e = take(c, PART_BYTES);
    if (e == NULL) return false;
    out->info = decode_info(e);
    uint32_t indexes = omen_get32(e + 32), next = 0;
    for (uint32_t i = 0; i < indexes; i++) {
        const uint8_t *x = take(c, INDEX_BYTES);
        uint32_t field = x == NULL ? UINT32_MAX : omen_get32(x);
        if (field >= fields || field < next) return false;
        next = field + 1;
        out->has_index[field] = true;
        out->indexes[field] = decode_info(x + 8);
    }
    return true;
}

static omen_status decode_coll(cursor *c, omen_mem *m, omen_arena *a, omen_manifest_coll *out, omen_error *err) {
    static const char bad[] = "the manifest's list of collections is malformed; restore it from a backup";
    const uint8_t *head = take(c, 8);
    if (head == NULL) return omen_fail(err, OMEN_ERR_CORRUPT, bad);
    uint32_t id = omen_get32(head), name_len = omen_get32(head + 4);
    const uint8_t *name = name_len > OMEN_MAX_NAME ? NULL : take(c, omen_round_up(name_len, 8));
    if (name == NULL || omen_name_check((omen_str){(const char *)name, name_len}, "name", NULL) != OMEN_OK) return omen_fail(err, OMEN_ERR_CORRUPT, bad);
    omen_schema_copy schema;
    size_t used;
    OMEN_TRY(omen_schema_decode(&schema, m, c->data + c->at, c->len - c->at, &used, err));
    c->at += used;
    out->coll = omen_coll_new(m, id, (omen_str){(const char *)name, name_len}, &schema.schema, err);
    omen_schema_copy_deinit(&schema);
    if (out->coll == NULL) return OMEN_ERR_MEMORY;
    const uint8_t *count = take(c, 8);
    if (count == NULL || omen_get32(count) > (c->len - c->at) / PART_BYTES) return omen_fail(err, OMEN_ERR_CORRUPT, bad);
    out->part_count = omen_get32(count);
    out->parts = omen_arena_alloc(a, out->part_count * sizeof *out->parts + 8, 8);
    if (out->parts == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    memset(out->parts, 0, out->part_count * sizeof *out->parts);
    for (uint32_t p = 0; p < out->part_count; p++)
        if (!decode_part(c, out->coll->schema.schema.vector_count, &out->parts[p])) return omen_fail(err, OMEN_ERR_CORRUPT, bad);
    return OMEN_OK;
}

omen_status omen_manifest_decode(omen_mem *m, omen_arena *a, const uint8_t *payload, size_t len, omen_manifest_body *out, omen_error *err) {
    cursor c = {payload, len, 0};
    const uint8_t *head = take(&c, HEAD_BYTES);
    *out = (omen_manifest_body){0};
    if (head == NULL) return omen_fail(err, OMEN_ERR_CORRUPT, "the manifest is cut short; restore it from a backup");
    uint32_t version = omen_get32(head);
    if (version != 1 && version != 2) return omen_fail(err, OMEN_ERR_VERSION, "the manifest was written by a newer OmenDB; upgrade this one");
    uint32_t count = omen_get32(head + 4);
    out->next_file = omen_get64(head + 8);
    out->log_first_epoch = omen_get64(head + 16);
    out->last_epoch = omen_get64(head + 24);
    out->flushed_lsn = omen_get64(head + 32);
    out->next_collection_id = omen_get32(head + 40);
    const uint8_t *proof = version == 1 ? head + 32 : take(&c, PROOF_BYTES);
    if (proof == NULL) return omen_fail(err, OMEN_ERR_CORRUPT, "the manifest is cut short; restore it from a backup");
    out->durable_lsn = omen_get64(proof);
    if (count > OMEN_MAX_COLLECTIONS) return omen_fail(err, OMEN_ERR_CORRUPT, "the manifest names %u collections; restore it from a backup", count);
    out->colls = omen_arena_alloc(a, count * sizeof *out->colls + 8, 8);
    if (out->colls == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        out->colls[i] = (omen_manifest_coll){0};
        out->count = i + 1; /* so that the caller frees what there is */
        OMEN_TRY(decode_coll(&c, m, a, &out->colls[i], err));
        if (out->colls[i].coll->id >= out->next_collection_id || (i != 0 && out->colls[i].coll->id <= out->colls[i - 1].coll->id))
            return omen_fail(err, OMEN_ERR_CORRUPT, "the manifest's collections are out of order; restore it from a backup");
    }
    if (c.at != len) return omen_fail(err, OMEN_ERR_CORRUPT, "the manifest has bytes left over; restore it from a backup");
    return OMEN_OK;
}

uint64_t omen_manifest_proven(const uint8_t *payload, size_t len) {
    OMEN_ASSERT(len >= HEAD_BYTES);
    return omen_get32(payload) == 1 || len < HEAD_BYTES + PROOF_BYTES ? omen_get64(payload + 32) : omen_get64(payload + HEAD_BYTES);
}

omen_status omen_manifest_prove(const uint8_t *payload, size_t len, uint64_t durable_lsn, omen_buf *out) {
    OMEN_ASSERT(len >= HEAD_BYTES);
    size_t head = HEAD_BYTES + (omen_get32(payload) == 1 ? 0 : PROOF_BYTES);
    out->len = 0;
    OMEN_TRY(omen_buf_append_u32(out, 2));
    OMEN_TRY(omen_buf_append(out, payload + 4, HEAD_BYTES - 4));
    OMEN_TRY(omen_buf_append_u64(out, durable_lsn));
    return omen_buf_append(out, payload + head, len - head);
}
