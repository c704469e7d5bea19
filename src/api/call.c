/* call.c - operations as messages (docs/CALLS.md). A call decodes its request and begins its operation at the first step, then steps it, and
 * encodes the response. What is malformed is answered in the response, like any other failure. */
#include "api/answers.h"
#include "api/arguments.h"
#include "api/call.h"
#include "base/later.h"
#include "column/element.h"

static omen_status begin_db(omen_call *c) {
    uint64_t handle;
    OMEN_TRY(omen_request_u64(&c->request, "db", UINT32_MAX, &handle, &c->err));
    c->db_handle = (uint32_t)handle;
    OMEN_TRY(omen_engine_enter(c->engine, c->db_handle, &c->db, &c->err));
    c->inside = true;
    return OMEN_OK;
}

omen_status omen_call_collection(omen_call *c) {
    uint64_t handle;
    OMEN_TRY(omen_request_u64(c->parent == NULL ? &c->request : &c->parent->request, "collection", UINT32_MAX, &handle, &c->err));
    OMEN_TRY(omen_engine_enter_coll(c->engine, (uint32_t)handle, &c->db_handle, &c->db, &c->coll, &c->err));
    c->inside = true;
    return OMEN_OK;
}

static omen_status no_step(omen_call *c) {
    (void)c;
    return OMEN_OK;
}

/* ---- open ---- */

static omen_status take_keys(omen_call *c, omen_options *o) {
    c->secret = true;
    OMEN_TRY(omen_args_keys(&c->request, 0, &c->encryption, &c->err));
    o->encryption = &c->encryption;
    return OMEN_OK;
}

static omen_status begin_open(omen_call *c) {
    omen_options given, options;
    uint8_t id[16];
    omen_options_init(&given);
    given.host = c->engine->host;
    OMEN_TRY(omen_args_options(omen_json_get(c->request.root, "options"), &given, id, &c->err));
    OMEN_TRY(omen_options_resolve(&given, &options, &c->err));
    omen_str path = {"", 0}; /* of a storage: what messages call it */
    bool given_storage = omen_request_has(&c->request, "slot");
    if (!given_storage || omen_request_has(&c->request, "path")) OMEN_TRY(omen_request_str(&c->request, "path", &path, &c->err));
    if (c->request.part_count != 0) OMEN_TRY(take_keys(c, &options));
    if (given_storage) {
        uint64_t slot;
        OMEN_TRY(omen_request_u64(&c->request, "slot", UINT32_MAX, &slot, &c->err));
        OMEN_TRY(omen_engine_take_storage(c->engine, (uint32_t)slot, &c->storage, &c->err));
        options.storage = &c->storage;
    }
    char *copy = omen_alloc_zero(&c->engine->mem, path.len + 1);
    if (copy == NULL) {
        if (options.storage != NULL) c->storage.ops->release(c->storage.ctx);
        return omen_fail(&c->err, OMEN_ERR_MEMORY, "out of memory");
    }
    if (path.len != 0) memcpy(copy, path.data, path.len);
    omen_status s = omen_open_op_new(copy, &options, &c->open, &c->err);
    omen_free(&c->engine->mem, copy, path.len + 1);
    return s;
}

static omen_status step_open(omen_call *c) {
    omen_db *db;
    OMEN_TRY(omen_open_op_step(c->open, &db, &c->err));
    omen_open_op_free(c->open);
    c->open = NULL;
    c->db_handle = omen_engine_add_db(c->engine, db);
    if (c->db_handle == 0) {
        omen_db_free(db);
        return omen_fail(&c->err, OMEN_ERR_MEMORY, "out of memory");
    }
    c->db = db;
    if (omen_platform_cares(db)) omen_platform_opened(db);
    return OMEN_OK;
}

static omen_status answer_open(omen_call *c) {
    char text[33];
    omen_hash128 id;
    memcpy(id.bytes, c->db->store.database_id, 16);
    omen_hash128_hex(&id, text);
    omen_jw_key(&c->w, "db");
    omen_jw_u64(&c->w, c->db_handle);
    omen_jw_key(&c->w, "databaseId");
    omen_jw_cstr(&c->w, text);
    return OMEN_OK;
}

/* ---- collections ---- */

static omen_status begin_collection(omen_call *c) {
    omen_schema_args args;
    omen_str name;
    OMEN_TRY(begin_db(c));
    OMEN_TRY(omen_request_str(&c->request, "name", &name, &c->err));
    OMEN_TRY(omen_write_op_new(c->db, NULL, OMEN_KIND_CREATE, &c->write, &c->err));
    const omen_json_val *s = omen_json_get(c->request.root, "schema");
    if (s == NULL || omen_json_is_null(s)) return omen_write_op_collection(c->write, name, NULL, &c->err);
    OMEN_TRY(omen_args_schema(s, &args, &c->err));
    return omen_write_op_collection(c->write, name, &args.schema, &c->err);
}

static omen_status begin_index(omen_call *c) {
    omen_index_options options;
    omen_str field = {"", 0};
    OMEN_TRY(omen_call_collection(c));
    if (omen_request_has(&c->request, "field")) OMEN_TRY(omen_request_str(&c->request, "field", &field, &c->err));
    OMEN_TRY(omen_args_index(omen_json_get(c->request.root, "index"), &options, &c->err));
    OMEN_TRY(omen_write_op_new(c->db, c->coll, OMEN_KIND_INDEX, &c->write, &c->err));
    return omen_write_op_index(c->write, field, &options, &c->err);
}

static omen_status step_write(omen_call *c) { return omen_write_op_step(c->write, true, &c->err); }

static omen_status answer_collection(omen_call *c) {
    omen_coll *coll = omen_write_op_taken(c->write);
    uint32_t handle = omen_engine_add_coll(c->engine, c->db_handle, coll);
    if (handle == 0) {
        omen_coll_unref(coll);
        return omen_fail(&c->err, OMEN_ERR_MEMORY, "out of memory");
    }
    omen_jw_key(&c->w, "collection");
    omen_jw_u64(&c->w, handle);
    omen_jw_key(&c->w, "schema");
    omen_schema_write_json(&coll->schema.schema, &c->w);
    return OMEN_OK;
}

static omen_status answer_index(omen_call *c) {
    omen_coll *coll = omen_write_op_taken(c->write);
    omen_jw_key(&c->w, "schema");
    omen_schema_write_json(&coll->schema.schema, &c->w);
    omen_coll_unref(coll);
    return OMEN_OK;
}

static omen_status begin_release(omen_call *c) {
    uint64_t handle;
    OMEN_TRY(omen_request_u64(&c->request, "collection", UINT32_MAX, &handle, &c->err));
    omen_engine_release_coll(c->engine, (uint32_t)handle);
    return OMEN_OK;
}

static omen_status begin_drop(omen_call *c) {
    omen_str name;
    OMEN_TRY(begin_db(c));
    OMEN_TRY(omen_request_str(&c->request, "name", &name, &c->err));
    OMEN_TRY(omen_write_op_new(c->db, NULL, OMEN_KIND_DROP, &c->write, &c->err));
    return omen_write_op_collection(c->write, name, NULL, &c->err);
}

static omen_status answer_collections(omen_call *c) {
    omen_jw_key(&c->w, "collections");
    omen_collections_write_json(c->db, &c->w);
    return OMEN_OK;
}

/* ---- columns of a request ---- */

omen_status omen_call_strings(omen_call *c, uint32_t part, uint32_t count, const uint32_t **offsets, const uint8_t **bytes) {
    omen_part_view o, b;
    OMEN_TRY(omen_request_part(&c->request, part, &o, &c->err));
    OMEN_TRY(omen_request_part(&c->request, part + 1, &b, &c->err));
    const uint32_t *at = (const uint32_t *)(const void *)o.data;
    bool good = o.len == ((size_t)count + 1) * 4 && at[0] == 0 && at[count] == b.len;
    for (uint32_t i = 0; good && i < count; i++) good = at[i] <= at[i + 1];
    if (!good) return omen_fail(&c->err, OMEN_ERR_INVALID, "malformed request: the offsets of part %u do not fit its bytes", part);
    *offsets = at;
    *bytes = b.data;
    return OMEN_OK;
}

static omen_status take_ids(omen_call *c, omen_rows *rows) {
    uint64_t count;
    OMEN_TRY(omen_request_u64(&c->request, "count", UINT32_MAX, &count, &c->err));
    if (count > OMEN_MAX_BATCH)
        return omen_fail(&c->err, OMEN_ERR_TOO_LARGE, "%llu records in one batch; at most %u are allowed, split it", (unsigned long long)count, OMEN_MAX_BATCH);
    rows->count = (uint32_t)count;
    return omen_call_strings(c, 0, rows->count, &rows->key_offsets, &rows->key_bytes);
}

static omen_status take_vectors(omen_call *c, omen_rows *rows) {
    const omen_schema *s = &c->coll->schema.schema;
    uint32_t part = 4;
    const omen_json_val *v;
    omen_json_iter it = omen_json_iter_of(omen_json_get(c->request.root, "fields"));
    while ((v = omen_json_next(&it)) != NULL) {
        uint64_t f;
        omen_part_view p;
        if (!omen_json_u64(v, &f) || f >= s->vector_count) return omen_fail(&c->err, OMEN_ERR_INVALID, "fields names a vector field that does not exist");
        OMEN_TRY(omen_request_part(&c->request, part++, &p, &c->err));
        uint64_t want = (uint64_t)rows->count * omen_element_given_bytes(s->vectors[f].element, s->vectors[f].dimensions);
        if (p.len != want)
            return omen_fail(&c->err, OMEN_ERR_DIMENSION, "vectors of field \"%.*s\" have %zu bytes; %u records of %u dimensions need %llu", (int)s->vectors[f].name.len,
                             s->vectors[f].name.data, p.len, rows->count, s->vectors[f].dimensions,
                             (unsigned long long)want);
        omen_rows_give_vectors(rows, s, (uint32_t)f, p.data);
    }
    return OMEN_OK;
}

static omen_status begin_write(omen_call *c) {
    omen_str mode;
    omen_write_kind kind;
    OMEN_TRY(omen_call_collection(c));
    OMEN_TRY(omen_request_str(&c->request, "mode", &mode, &c->err));
    if (omen_str_equal(mode, OMEN_STR("upsert"))) kind = OMEN_KIND_UPSERT;
    else if (omen_str_equal(mode, OMEN_STR("insert"))) kind = OMEN_KIND_INSERT;
    else if (omen_str_equal(mode, OMEN_STR("update"))) kind = OMEN_KIND_UPDATE;
    else return omen_fail(&c->err, OMEN_ERR_INVALID, "mode must be upsert, insert or update");
    OMEN_TRY(omen_write_op_new(c->db, c->coll, kind, &c->write, &c->err));
    omen_rows *rows = omen_write_op_rows(c->write);
    const uint8_t *docs;
    OMEN_TRY(take_ids(c, rows));
    OMEN_TRY(omen_call_strings(c, 2, rows->count, &rows->doc_offsets, &docs));
    rows->doc_bytes = (const char *)docs;
    OMEN_TRY(take_vectors(c, rows));
    return omen_write_op_check(c->write, &c->err);
}

static omen_status begin_delete(omen_call *c) {
    OMEN_TRY(omen_call_collection(c));
    OMEN_TRY(omen_write_op_new(c->db, c->coll, OMEN_KIND_DELETE, &c->write, &c->err));
    OMEN_TRY(take_ids(c, omen_write_op_rows(c->write)));
    return omen_write_op_check(c->write, &c->err);
}

/* The text of a member that is an object, or, of a filter, a string: anything else, such as true, would be read as a text that it is not. */
static omen_status take_text(omen_call *c, const char *name, bool string, omen_buf *room, omen_str *out) {
    const omen_json_val *v = omen_json_get(c->request.root, name);
    if (v == NULL || omen_json_is_null(v)) return omen_fail(&c->err, OMEN_ERR_INVALID, "the request has no %s", name);
    if (string && omen_json_str(v, out)) return OMEN_OK;
    if (!omen_json_is_object(v)) return omen_fail(&c->err, OMEN_ERR_INVALID, "%s must be an object%s", name, string ? ", or a string" : "");
    if (omen_json_print(v, room) != OMEN_OK) return omen_fail(&c->err, OMEN_ERR_MEMORY, "out of memory");
    *out = (omen_str){(const char *)room->data, room->len};
    return OMEN_OK;
}

static omen_status begin_where(omen_call *c, omen_write_kind kind) {
    omen_str filter, patch = {"", 0};
    omen_buf rooms[2];
    OMEN_TRY(omen_call_collection(c));
    OMEN_TRY(omen_write_op_new(c->db, c->coll, kind, &c->write, &c->err));
    for (int i = 0; i < 2; i++) omen_buf_init(&rooms[i], &c->engine->mem);
    omen_status s = take_text(c, "filter", true, &rooms[0], &filter);
    if (s == OMEN_OK && kind == OMEN_KIND_UPDATE) s = take_text(c, "patch", false, &rooms[1], &patch);
    if (s == OMEN_OK) s = omen_write_op_where(c->write, filter, patch, &c->err);
    for (int i = 0; i < 2; i++) omen_buf_deinit(&rooms[i]);
    return s == OMEN_OK ? omen_write_op_check(c->write, &c->err) : s;
}

static omen_status begin_expire(omen_call *c) {
    OMEN_TRY(omen_call_collection(c));
    OMEN_TRY(omen_write_op_new(c->db, c->coll, OMEN_KIND_DELETE, &c->write, &c->err));
    OMEN_TRY(omen_write_op_expire(c->write, &c->err));
    return omen_write_op_check(c->write, &c->err);
}

static omen_status begin_delete_where(omen_call *c) { return begin_where(c, OMEN_KIND_DELETE); }
static omen_status begin_update_where(omen_call *c) { return begin_where(c, OMEN_KIND_UPDATE); }

static omen_status answer_written(omen_call *c) {
    omen_jw_key(&c->w, "count");
    omen_jw_u64(&c->w, omen_write_op_count(c->write));
    return OMEN_OK;
}

static omen_status answer_deleted(omen_call *c) {
    omen_jw_key(&c->w, "deleted");
    omen_jw_u64(&c->w, omen_write_op_count(c->write));
    return OMEN_OK;
}

/* ---- reads ---- */

omen_status omen_call_read(omen_call *c, omen_read_kind kind) {
    uint32_t include;
    OMEN_TRY(omen_call_collection(c));
    OMEN_TRY(omen_args_include(omen_json_get(c->request.root, "include"), &include, &c->err));
    return omen_read_op_at(c->db, c->coll, kind, include, c->parent == NULL ? NULL : omen_call_many_seen(c->parent), &c->read, &c->err);
}

static omen_status begin_get(omen_call *c) {
    OMEN_TRY(omen_call_read(c, OMEN_READ_GET));
    OMEN_TRY(take_ids(c, &c->read->ids));
    return omen_read_op_get(c->read, &c->err);
}

static omen_status begin_scroll(omen_call *c) {
    uint64_t limit;
    omen_key after = {(const uint8_t *)"", 0};
    OMEN_TRY(omen_call_read(c, OMEN_READ_SCROLL));
    OMEN_TRY(omen_request_u64(&c->request, "limit", UINT32_MAX, &limit, &c->err));
    if (c->request.part_count != 0) {
        const uint32_t *offsets;
        OMEN_TRY(omen_call_strings(c, 0, 1, &offsets, &after.data));
        after.len = offsets[1];
    }
    OMEN_TRY(omen_read_op_filter_json(c->read, omen_json_get(c->request.root, "filter"), &c->err));
    return omen_read_op_scroll(c->read, after, (size_t)limit, &c->err);
}

static omen_status begin_count(omen_call *c) {
    OMEN_TRY(omen_call_read(c, OMEN_READ_COUNT));
    return omen_read_op_filter_json(c->read, omen_json_get(c->request.root, "filter"), &c->err);
}

static omen_status begin_check(omen_call *c) {
    OMEN_TRY(omen_later(&c->err));
    OMEN_TRY(begin_db(c));
    return omen_read_op_new(c->db, NULL, OMEN_READ_CHECK, 0, &c->read, &c->err);
}

static omen_status begin_check_report(omen_call *c) {
    OMEN_TRY(omen_later(&c->err));
    OMEN_TRY(begin_db(c));
    return omen_inspect_op_new(c->db, &c->inspect, &c->err);
}

static omen_status step_check_report(omen_call *c) { return omen_inspect_op_step(c->inspect, &c->err); }

static omen_status answer_check_report(omen_call *c) {
    omen_status s = omen_inspect_op_report(c->inspect, &c->text);
    return s == OMEN_OK ? s : omen_fail(&c->err, s, "out of memory for the report");
}

static omen_status step_read(omen_call *c) { return omen_read_op_step(c->read, &c->err); }

static omen_status answer_count(omen_call *c) {
    omen_jw_key(&c->w, "count");
    omen_jw_u64(&c->w, c->read->count);
    return OMEN_OK;
}

/* The parts are encoded at the end (finish). */
static omen_status answer_results(omen_call *c) {
    c->results = omen_read_op_take(c->read);
    omen_jw_key(&c->w, "count");
    omen_jw_u64(&c->w, c->results->count);
    const struct { const char *name; const omen_buf *json; } members[] = {{"legs", &c->results->legs}, {"facets", &c->results->facets}};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(members); i++) {
        if (members[i].json->len == 0) continue;
        omen_jw_key(&c->w, members[i].name);
        omen_jw_raw(&c->w, (omen_str){(const char *)members[i].json->data, members[i].json->len});
    }
    return OMEN_OK;
}

/* ---- the whole database ---- */

static omen_status begin_admin(omen_call *c, omen_admin_kind kind, uint64_t budget_us) {
    OMEN_TRY(begin_db(c));
    omen_admin_op_init(&c->admin, c->db, kind, budget_us);
    c->has_admin = true;
    return OMEN_OK;
}

static omen_status begin_sync(omen_call *c) { return begin_admin(c, OMEN_ADMIN_SYNC, 0); }

static omen_status begin_flush(omen_call *c) {
    OMEN_TRY(omen_later(&c->err)); /* before anything is frozen */
    return begin_admin(c, OMEN_ADMIN_FLUSH, 0);
}

static omen_status begin_compact(omen_call *c) {
    OMEN_TRY(omen_later(&c->err));
    return begin_admin(c, OMEN_ADMIN_COMPACT, 0);
}

static omen_status begin_close(omen_call *c) { return begin_admin(c, OMEN_ADMIN_CLOSE, 0); }

static omen_status begin_maintain(omen_call *c) {
    uint64_t budget = 0;
    if (omen_request_has(&c->request, "budgetUs")) OMEN_TRY(omen_request_u64(&c->request, "budgetUs", UINT64_MAX, &budget, &c->err));
    return begin_admin(c, OMEN_ADMIN_MAINTAIN, budget);
}

static omen_status step_admin(omen_call *c) { return omen_admin_op_step(&c->admin, &c->err); }

/* Waits for the calls under way, then closes whatever the outcome of the last sync. */
static omen_status step_close(omen_call *c) {
    if (!omen_engine_quiet(c->engine, c->db_handle)) return OMEN_PENDING;
    if (!c->closed && omen_platform_cares(c->db)) omen_platform_closing(c->db);
    c->closed = true;
    omen_status s = step_admin(c);
    if (s == OMEN_PENDING) return s;
    omen_admin_op_deinit(&c->admin);
    c->has_admin = c->inside = false;
    omen_db_free(omen_engine_remove_db(c->engine, c->db_handle));
    c->db = NULL;
    return s;
}

/* Without a budget to the end, flushing first. With one, "until" of the answer is what the next call gives back: what the first call found is waited for. */
static omen_status begin_build_indexes(omen_call *c) {
    OMEN_TRY(omen_later(&c->err));
    uint64_t budget = 0, until = 0;
    if (omen_request_has(&c->request, "budgetUs")) OMEN_TRY(omen_request_u64(&c->request, "budgetUs", UINT64_MAX, &budget, &c->err));
    if (omen_request_has(&c->request, "until")) OMEN_TRY(omen_request_u64(&c->request, "until", UINT64_C(1) << 53, &until, &c->err));
    OMEN_TRY(begin_admin(c, OMEN_ADMIN_INDEX, budget));
    c->admin.until = until;
    return OMEN_OK;
}

static omen_status answer_maintain(omen_call *c) {
    omen_jw_key(&c->w, "more");
    omen_jw_bool(&c->w, c->admin.more);
    return OMEN_OK;
}

static omen_status answer_build_indexes(omen_call *c) {
    omen_jw_key(&c->w, "until");
    omen_jw_u64(&c->w, c->admin.until);
    return answer_maintain(c);
}

/* The reports. */
static omen_status begin_report(omen_call *c) {
    OMEN_TRY(omen_later(&c->err));
    return begin_db(c);
}

/* ---- tasks ---- */

static omen_status begin_transfer(omen_call *c) {
    c->secret = true;
    OMEN_TRY(omen_later(&c->err));
    if (omen_request_has(&c->request, "db")) OMEN_TRY(begin_db(c));
    return omen_task_transfer(c->engine, &c->request, c->db_handle, c->db, &c->task_handle, &c->err);
}

static omen_status begin_purge(omen_call *c) {
    omen_rows ids = {0};
    OMEN_TRY(omen_later(&c->err));
    OMEN_TRY(omen_call_collection(c));
    OMEN_TRY(take_ids(c, &ids));
    return omen_task_purge(c->engine, c->db_handle, c->db, c->coll, &ids, &c->task_handle, &c->err);
}

static omen_status answer_task(omen_call *c) {
    omen_jw_key(&c->w, "task");
    omen_jw_u64(&c->w, c->task_handle);
    return OMEN_OK;
}

static omen_status begin_task(omen_call *c) {
    uint32_t db;
    OMEN_TRY(omen_task_enter(c->engine, &c->request, &c->task_handle, &c->task, &db, &c->err));
    if (db == 0) return OMEN_OK;
    OMEN_TRY(omen_engine_enter(c->engine, db, &c->db, &c->err));
    c->db_handle = db;
    c->inside = true;
    return OMEN_OK;
}

static omen_status step_task(omen_call *c) { return omen_task_step(c->task, &c->err); }

static omen_status answer_step(omen_call *c) { return omen_task_tell(c->task, &c->w); }

static omen_status begin_task_end(omen_call *c) { return omen_task_end(c->engine, &c->request, &c->err); }

static omen_status answer_metrics(omen_call *c) { return omen_answer_metrics(&c->request, &c->engine->mem, c->db, &c->text, &c->err); }

static omen_status begin_metrics_reset(omen_call *c) {
    OMEN_TRY(begin_db(c));
    omen_db_metrics_reset(c->db);
    return OMEN_OK;
}

static omen_status answer_stats(omen_call *c) { return omen_db_stats(c->db, &c->text, &c->err); }

static omen_status answer_version(omen_call *c) {
    omen_answer_version(&c->w);
    return OMEN_OK;
}

static const omen_call_row ops[] = {
    {"open", begin_open, step_open, answer_open},
    {"close", begin_close, step_close, NULL},
    {"collection", begin_collection, step_write, answer_collection},
    {"release", begin_release, no_step, NULL},
    {"index", begin_index, step_write, answer_index},
    {"drop", begin_drop, step_write, NULL},
    {"collections", begin_db, no_step, answer_collections},
    {"write", begin_write, step_write, answer_written},
    {"delete", begin_delete, step_write, answer_deleted},
    {"deleteWhere", begin_delete_where, step_write, answer_deleted},
    {"updateWhere", begin_update_where, step_write, answer_written},
    {"expire", begin_expire, step_write, answer_deleted},
    {"get", begin_get, step_read, answer_results},
    {"scroll", begin_scroll, step_read, answer_results},
    {"search", omen_call_search, step_read, answer_results},
    {"searchMany", omen_call_many, omen_call_many_step, omen_call_many_answer},
    {"explain", omen_call_explain, step_read, omen_call_explained},
    {"count", begin_count, step_read, answer_count},
    {"sync", begin_sync, step_admin, NULL},
    {"flush", begin_flush, step_admin, NULL},
    {"compact", begin_compact, step_admin, NULL},
    {"buildIndexes", begin_build_indexes, step_admin, answer_build_indexes},
    {"check", begin_check, step_read, NULL},
    {"checkReport", begin_check_report, step_check_report, answer_check_report},
    {"transfer", begin_transfer, no_step, answer_task},
    {"purge", begin_purge, no_step, answer_task},
    {"task", begin_task, step_task, answer_step},
    {"taskEnd", begin_task_end, no_step, NULL},
    {"maintain", begin_maintain, step_admin, answer_maintain},
    {"metrics", begin_report, no_step, answer_metrics},
    {"metricsReset", begin_metrics_reset, no_step, NULL},
    {"stats", begin_report, no_step, answer_stats},
    {"version", no_step, no_step, answer_version},
};

/* ---- the life of a call ---- */

omen_status omen_call_begin(omen_engine *e, const void *request, size_t len, omen_call **out) {
    if (e == NULL || out == NULL || (request == NULL && len != 0)) return OMEN_ERR_INVALID;
    omen_call *c = omen_alloc_zero(&e->mem, sizeof *c);
    uint8_t *bytes = c == NULL ? NULL : omen_alloc(&e->mem, len + 1);
    if (bytes == NULL) {
        omen_free(&e->mem, c, sizeof *c);
        return OMEN_ERR_MEMORY;
    }
    if (len != 0) memcpy(bytes, request, len);
    c->engine = e;
    c->bytes = bytes;
    c->len = len;
    omen_buf_init(&c->response, &e->mem);
    omen_buf_init(&c->json, &e->mem);
    omen_buf_init(&c->text, &e->mem);
    *out = c;
    return OMEN_OK;
}

/* Ends the operation; what a cancelled one holds goes with it. */
static void end_operation(omen_call *c) {
    omen_open_op_free(c->open);
    omen_write_op_free(c->write);
    omen_read_op_free(c->read);
    omen_many_free(c->many); /* its calls use this one's request */
    if (c->inspect != NULL) omen_inspect_op_free(c->inspect);
    if (c->has_admin) omen_admin_op_deinit(&c->admin);
    omen_results_free(c->results);
    omen_coll_unref(c->coll);
    if (c->task != NULL) omen_task_leave(c->engine, c->task_handle);
    c->task = NULL;
    if (c->inside) omen_engine_leave(c->engine, c->db_handle);
    c->open = NULL;
    c->write = NULL;
    c->read = NULL;
    c->many = NULL;
    c->inspect = NULL;
    c->results = NULL;
    c->coll = NULL;
    c->has_admin = c->inside = false;
    omen_request_deinit(&c->request);
}

void omen_call_free(omen_call *c) {
    if (c == NULL) return;
    omen_engine *e = c->engine;
    end_operation(c);
    omen_buf_deinit(&c->response);
    omen_buf_deinit(&c->json);
    omen_buf_deinit(&c->text);
    if (c->secret) {
        memset(c->bytes, 0, c->len);
        memset(&c->encryption, 0, sizeof c->encryption);
        __asm__ __volatile__("" : : "r"(c->bytes), "r"(c) : "memory"); /* the keys are gone, whatever a compiler thinks of that */
    }
    omen_free(&e->mem, c->bytes, c->len + 1);
    omen_free(&e->mem, c, sizeof *c);
}

/* An operation whose beginning waits for what is loaded later has done nothing yet: it begins again. */
static omen_status begin(omen_call *c) {
    omen_str name;
    omen_request_deinit(&c->request);
    OMEN_TRY(omen_request_decode(&c->request, &c->engine->mem, c->bytes, c->len, &c->err));
    if (c->parent != NULL) name = OMEN_STR("search");
    else OMEN_TRY(omen_request_str(&c->request, "op", &name, &c->err));
    for (size_t i = 0; i < OMEN_ARRAY_LEN(ops); i++) {
        if (!omen_str_equal(name, (omen_str){ops[i].name, strlen(ops[i].name)})) continue;
        c->row = &ops[i];
        omen_status s = ops[i].begin(c);
        if (s == OMEN_PENDING) c->row = NULL;
        return s;
    }
    return omen_fail(&c->err, OMEN_ERR_INVALID, "unknown operation \"%.*s\"", (int)OMEN_MIN(name.len, 60), name.data);
}

static omen_part_view view(const omen_buf *b) { return (omen_part_view){b->data, b->len}; }

static uint32_t list_parts(const omen_call *c, omen_part_view *parts) {
    uint32_t n = 0;
    const omen_results *r = c->results;
    if (c->many != NULL) return omen_call_many_parts(c, parts);
    if (r == NULL) {
        if (c->row != NULL && (c->row->answer == answer_metrics || c->row->answer == answer_stats || c->row->answer == answer_check_report || c->row->answer == omen_call_explained)) parts[n++] = view(&c->text);
        return n;
    }
    bool search = c->row->answer == answer_results && c->row->begin == omen_call_search;
    if (!search) parts[n++] = view(&r->found);
    parts[n++] = view(&r->key_offsets);
    parts[n++] = view(&r->key_bytes);
    if (search) {
        parts[n++] = view(&r->distances);
        parts[n++] = view(&r->scores);
    }
    parts[n++] = view(&r->doc_offsets);
    parts[n++] = view(&r->doc_bytes);
    if (search) {
        parts[n++] = view(&r->vectors[0]);
        if (r->leg_count == 0 && r->highlights.offsets.len == 0 && r->groups.offsets.len == 0) return n;
        parts[n++] = view(&r->subs);
        parts[n++] = view(&r->highlights.offsets);
        parts[n++] = view(&r->highlights.bytes);
        parts[n++] = view(&r->groups.offsets);
        parts[n++] = view(&r->groups.bytes);
    } else for (uint32_t f = 0; f < r->field_count; f++) parts[n++] = view(&r->vectors[f]);
    return n;
}

static omen_status answer(omen_call *c) {
    omen_part_view parts[16 + OMEN_MAX_VECTOR_FIELDS];
    omen_jw_begin(&c->w, &c->json);
    omen_jw_object(&c->w);
    if (c->row->answer != NULL) OMEN_TRY(c->row->answer(c));
    omen_jw_object_end(&c->w);
    omen_status s = omen_jw_end(&c->w);
    if (s == OMEN_OK) s = omen_response_encode(&c->response, OMEN_OK, (omen_str){(const char *)c->json.data, c->json.len}, parts, list_parts(c, parts));
    if (s == OMEN_ERR_TOO_LARGE) return omen_fail(&c->err, s, "the answer is too large; ask for fewer records at once");
    return s == OMEN_OK ? s : omen_fail(&c->err, s, "out of memory for the answer; ask for fewer records at once");
}

/* When there is no memory even for this, the response is empty and the status has to do. */
static void answer_failure(omen_call *c, omen_status s) {
    omen_jw w;
    c->json.len = 0;
    omen_jw_begin(&w, &c->json);
    omen_jw_object(&w);
    omen_jw_key(&w, "code");
    omen_jw_cstr(&w, omen_status_name(s));
    omen_jw_key(&w, "message");
    omen_jw_cstr(&w, c->err.status == s && c->err.text[0] != '\0' ? c->err.text : omen_status_message(s));
    omen_jw_object_end(&w);
    if (omen_jw_end(&w) != OMEN_OK || omen_response_encode(&c->response, s, (omen_str){(const char *)c->json.data, c->json.len}, NULL, 0) != OMEN_OK) c->response.len = 0;
}

omen_status omen_call_child(omen_call *parent, const void *request, size_t len, omen_call **out) {
    OMEN_TRY(omen_call_begin(parent->engine, request, len, out));
    omen_call *c = *out;
    c->parent = parent;
    omen_status s = begin(c);
    if (s == OMEN_OK || s == OMEN_PENDING) return OMEN_OK;
    c->started = true;
    c->start = s;
    return OMEN_OK;
}

void omen_call_start(omen_call *c) {
    if (c == NULL || c->row != NULL || c->done || c->started) return;
    c->start = begin(c);
    if (c->start == OMEN_OK && c->row->step == step_write) c->start = omen_write_op_step(c->write, false, &c->err);
    c->started = c->row != NULL || c->start != OMEN_PENDING; /* what waits for code that is loaded later begins again */
    if (c->start == OMEN_PENDING) c->start = OMEN_OK;
}

omen_status omen_call_step(omen_call *c) {
    if (c == NULL) return OMEN_ERR_INVALID;
    if (c->done) return c->status;
    omen_status s = c->started ? c->start : c->row == NULL ? begin(c) : OMEN_OK;
    if (s == OMEN_OK) s = c->row->step(c);
    if (s == OMEN_PENDING) return s;
    if (s == OMEN_OK) s = answer(c);
    if (s != OMEN_OK) answer_failure(c, s);
    if (c->inside && c->many == NULL) omen_count_failure(&c->db->metrics, s);
    c->done = true;
    c->status = s;
    end_operation(c);
    return s;
}

void omen_call_response(const omen_call *call, const void **bytes, size_t *len) {
    *bytes = call->response.data;
    *len = call->response.len;
}
