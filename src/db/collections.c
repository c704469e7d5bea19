/* collections.c - collections come and go: by writes, and by recovery, which repeats them. */
#include "db/indexing.h"
#include "db/write.h"

typedef struct change { omen_coll *coll; uint32_t id; uint64_t generation; } change;

static omen_db_version *with_collection(void *arg, const omen_db_version *current) {
    const change *c = arg;
    omen_coll_version *v = omen_coll_version_new(current->mem, c->coll, 0);
    if (v == NULL) return NULL;
    v->tables[0] = (omen_table_state){c->generation, omen_memtable_new(current->mem, &c->coll->schema)};
    v->table_count = v->tables[0].table != NULL;
    if (v->table_count == 0) {
        omen_coll_version_unref(v, NULL);
        return NULL;
    }
    return omen_version_with(current, c->coll->id, v);
}

static omen_db_version *without_collection(void *arg, const omen_db_version *current) { return omen_version_with(current, ((const change *)arg)->id, NULL); }

/* Adds a collection to the current version; also used by recovery. */
omen_status omen_collection_add(omen_db *db, omen_coll *coll, omen_error *err) {
    change c = {coll, coll->id, db->active_generation};
    return omen_version_update(db, with_collection, &c, err);
}

/* Takes it out. Its parts are kept until a manifest without them is durable: their files must not go earlier. */
omen_status omen_collection_remove(omen_db *db, uint32_t id, omen_error *err) {
    omen_lock_take(&db->version_lock);
    const omen_coll_version *v = omen_version_find(db->current, id);
    uint32_t parts = v == NULL ? 0 : v->part_count;
    omen_status s = omen_buf_reserve(&db->orphans, parts * sizeof(omen_orphan));
    for (uint32_t p = 0; s == OMEN_OK && p < parts; p++) {
        omen_orphan o = {omen_part_ref(v->parts[p].part), omen_index_set_ref(v->parts[p].indexes)};
        (void)omen_buf_append(&db->orphans, &o, sizeof o);
    }
    omen_lock_drop(&db->version_lock);
    if (s != OMEN_OK) return omen_fail(err, s, "out of memory");
    if (v == NULL) return OMEN_OK;
    change c = {NULL, id, 0};
    return omen_version_update(db, without_collection, &c, err);
}

static omen_db_version *with_schema(void *arg, const omen_db_version *current) {
    const change *c = arg;
    omen_coll_version *v = omen_coll_version_copy(omen_version_find(current, c->id));
    if (v == NULL) return NULL;
    omen_coll_unref(v->coll);
    v->coll = omen_coll_ref(c->coll);
    return omen_version_with(current, c->id, v);
}

/* The name, the id and all else stay: handles and snapshots go on with the collection they have. */
omen_status omen_collection_reindex(omen_db *db, uint32_t id, uint32_t field, const omen_index_options *o, omen_coll **out, omen_error *err) {
    omen_vector_field fields[OMEN_MAX_VECTOR_FIELDS];
    omen_db_version *now = omen_version_current(db);
    const omen_coll_version *v = omen_version_find(now, id);
    omen_coll *coll = NULL;
    if (v == NULL) {
        omen_version_drop(db, now);
        return omen_fail(err, OMEN_ERR_CLOSED, "the collection was dropped; open it again to create it anew");
    }
    omen_schema s = v->coll->schema.schema;
    OMEN_ASSERT(field < s.vector_count);
    memcpy(fields, s.vectors, s.vector_count * sizeof *fields);
    fields[field].index = *o;
    s.vectors = fields;
    coll = omen_coll_new(&db->mem, id, v->coll->name, &s, err);
    omen_version_drop(db, now);
    if (coll == NULL) return OMEN_ERR_MEMORY;
    change c = {coll, id, 0};
    omen_status st = omen_version_update(db, with_schema, &c, err);
    if (st != OMEN_OK) {
        omen_coll_unref(coll);
        return st;
    }
    /* What could not be built with other parameters may be built with these. */
    now = omen_version_current(db);
    v = omen_version_find(now, id);
    for (uint32_t p = 0; v != NULL && p < v->part_count; p++) omen_indexing_forgive(v->parts[p].part, field);
    omen_version_drop(db, now);
    atomic_store(&db->index_due, true);
    if (out != NULL) *out = coll;
    else omen_coll_unref(coll);
    return OMEN_OK;
}

void omen_collections_write_json(omen_db *db, omen_jw *w) {
    omen_snapshot s;
    omen_snapshot_take(db, &s);
    omen_jw_array(w);
    for (uint32_t i = 0; i < s.version->count; i++) {
        const omen_coll *coll = s.version->colls[i]->coll;
        omen_jw_object(w);
        omen_jw_key(w, "name");
        omen_jw_str(w, coll->name);
        omen_jw_key(w, "schema");
        omen_schema_write_json(&coll->schema.schema, w);
        omen_jw_object_end(w);
    }
    omen_jw_array_end(w);
    omen_snapshot_release(&s);
}
