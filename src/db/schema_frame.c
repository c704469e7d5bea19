/* schema_frame.c - creation and removal of collections, and other parameters of their indexes, in the log. */
#include "db/write.h"

omen_status omen_schema_frame_encode(uint32_t action, uint32_t id, const omen_coll *coll, omen_buf *out) {
    OMEN_TRY(omen_buf_append_u32(out, action));
    OMEN_TRY(omen_buf_append_u32(out, id));
    if (action == OMEN_SCHEMA_DROP) return OMEN_OK;
    OMEN_TRY(omen_buf_append_u32(out, (uint32_t)coll->name.len));
    OMEN_TRY(omen_buf_append_u32(out, 0));
    OMEN_TRY(omen_buf_append(out, coll->name.data, coll->name.len));
    OMEN_TRY(omen_buf_align(out, 8));
    return omen_schema_encode(&coll->schema.schema, out);
}

omen_status omen_schema_frame_encode_index(uint32_t id, uint32_t field, const omen_index_options *o, omen_buf *out) {
    const uint32_t words[] = {OMEN_SCHEMA_INDEX, id, field, (uint32_t)o->kind, (uint32_t)o->codec, o->m, o->ef_construction, o->lists, o->bits, 0};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(words); i++) OMEN_TRY(omen_buf_append_u32(out, words[i]));
    return OMEN_OK;
}

#define INDEX_FRAME_BYTES 40u

static omen_status apply_index(omen_db *db, uint32_t id, const uint8_t *payload, size_t len, omen_error *err) {
    uint32_t n[8];
    omen_error detail = {0};
    if (len != INDEX_FRAME_BYTES) return omen_fail(err, OMEN_ERR_CORRUPT, "a log frame of an index has %zu bytes instead of %u", len, INDEX_FRAME_BYTES);
    for (size_t i = 0; i < OMEN_ARRAY_LEN(n); i++) n[i] = omen_get32(payload + 8 + 4 * i);
    const omen_coll_version *v = omen_version_find(db->current, id);
    if (v == NULL && id < db->next_collection_id) return OMEN_OK; /* of a collection dropped since */
    if (v == NULL) return omen_fail(err, OMEN_ERR_CORRUPT, "the log indexes collection %u, which never existed", id);
    const omen_schema *s = &v->coll->schema.schema;
    omen_index_options o = {(omen_index_kind)n[1], (omen_codec)n[2], n[3], n[4], n[5], n[6]};
    if (n[0] >= s->vector_count || n[7] != 0) return omen_fail(err, OMEN_ERR_CORRUPT, "a log frame of an index is of a field that does not exist");
    if (omen_index_options_check(&o, s->vectors[n[0]].name, &detail) != OMEN_OK) return omen_fail(err, OMEN_ERR_CORRUPT, "a log frame of an index is malformed: %s", detail.text);
    return omen_collection_reindex(db, id, n[0], &o, NULL, err);
}

static omen_status apply_create(omen_db *db, uint32_t id, const uint8_t *payload, size_t len, omen_error *err) {
    if (omen_version_find(db->current, id) != NULL) return OMEN_OK;
    if (db->current->count >= OMEN_MAX_COLLECTIONS || id == UINT32_MAX) return omen_fail(err, OMEN_ERR_CORRUPT, "the log creates too many collections");
    uint32_t name_len = len < 16 ? UINT32_MAX : omen_get32(payload + 8);
    if (name_len > OMEN_MAX_NAME || omen_round_up(16 + name_len, 8) > len) return omen_fail(err, OMEN_ERR_CORRUPT, "a log frame of a schema is cut short");
    omen_str name = {(const char *)payload + 16, name_len};
    const omen_coll_version *same_name = omen_version_find_name(db->current, name);
    if (same_name != NULL && same_name->coll->id > id) return OMEN_OK; /* dropped and created anew, before the manifest was written */
    if (omen_name_check(name, "name", NULL) != OMEN_OK || same_name != NULL)
        return omen_fail(err, OMEN_ERR_CORRUPT, "a log frame creates a collection of an impossible name");
    size_t at = (size_t)omen_round_up(16 + name_len, 8), used;
    omen_schema_copy schema;
    OMEN_TRY(omen_schema_decode(&schema, &db->mem, payload + at, len - at, &used, err));
    omen_coll *coll = at + used == len ? omen_coll_new(&db->mem, id, name, &schema.schema, err) : NULL;
    omen_status s = coll != NULL ? omen_collection_add(db, coll, err)
                                 : at + used == len ? OMEN_ERR_MEMORY : omen_fail(err, OMEN_ERR_CORRUPT, "a log frame of a schema has bytes left over");
    omen_coll_unref(coll);
    omen_schema_copy_deinit(&schema);
    if (s == OMEN_OK && id >= db->next_collection_id) db->next_collection_id = id + 1;
    return s;
}

omen_status omen_schema_frame_apply(omen_db *db, const uint8_t *payload, size_t len, omen_error *err) {
    if (len < 8) return omen_fail(err, OMEN_ERR_CORRUPT, "a log frame of a schema is cut short");
    uint32_t action = omen_get32(payload), id = omen_get32(payload + 4);
    if (action == OMEN_SCHEMA_CREATE) return apply_create(db, id, payload, len, err);
    if (action == OMEN_SCHEMA_DROP) return omen_collection_remove(db, id, err);
    if (action == OMEN_SCHEMA_INDEX) return apply_index(db, id, payload, len, err);
    return omen_fail(err, OMEN_ERR_CORRUPT, "a log frame of a schema has an unknown action");
}
