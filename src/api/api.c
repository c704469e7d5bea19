/* api.c - the blocking C functions. Each drives an operation until it no longer pends. */
#include "api/api.h"

#include "base/sort.h"

static _Thread_local omen_error last;

const char *omen_last_error(void) { return last.text; }

/* Keeps the detail of a failure; a failure without a detail gets the general meaning. */
static omen_status told(omen_status s, const omen_error *err) {
    if (s == OMEN_OK || s == OMEN_PENDING) return s;
    if (err != NULL && err->text[0] != '\0' && err->status == s) last = *err;
    else omen_fail(&last, s, "%s", err == NULL && s == OMEN_ERR_INVALID ? "an argument is NULL that may not be, or none of the values that it may have" : omen_status_message(s));
    return s;
}

omen_status omen_told(omen_status s, const omen_error *err) { return told(s, err); }

/* The same for a failure of an open database, which counts it. */
static omen_status told_of(omen_db *db, omen_status s, const omen_error *err) {
    omen_count_failure(&db->metrics, s);
    return told(s, err);
}

omen_status omen_await(const omen_host *host, omen_error *err) {
    if (host->wait != NULL) return host->wait(host->ctx);
    return omen_fail(err, OMEN_ERR_UNSUPPORTED, "this host's reads may be pending and it cannot wait; use omen_call");
}

omen_status omen_open_args(const char *path, const omen_options *given, void *out, omen_options *options, omen_error *err) {
    omen_status s = omen_options_resolve(given, options, err);
    if (s == OMEN_OK && out == NULL) s = omen_fail(err, OMEN_ERR_INVALID, "out is NULL");
    if (s == OMEN_OK && path == NULL && options->storage == NULL) s = omen_fail(err, OMEN_ERR_INVALID, "path is NULL and options.storage is not given");
    if (s != OMEN_OK && options->storage != NULL) options->storage->ops->release(options->storage->ctx);
    return s;
}

omen_status omen_open(const char *path, const omen_options *given, omen_db **out) {
    omen_error err = {0};
    omen_options options;
    omen_open_op *op;
    if (out != NULL) *out = NULL;
    omen_status s = omen_open_args(path, given, out, &options, &err);
    if (s == OMEN_OK) s = omen_open_op_new(path, &options, &op, &err);
    if (s != OMEN_OK) return told(s, &err);
    OMEN_DRIVE(options.host, s, omen_open_op_step(op, out, &err), &err);
    omen_open_op_free(op);
    if (s == OMEN_OK && omen_platform_cares(*out)) omen_platform_opened(*out);
    return told(s, &err);
}

static omen_status admin(omen_db *db, omen_admin_kind kind, uint64_t budget_us, int *more) {
    omen_error err = {0};
    omen_admin_op op;
    omen_status s;
    if (db == NULL) return told(OMEN_ERR_INVALID, NULL);
    omen_admin_op_init(&op, db, kind, budget_us);
    OMEN_DRIVE(db->host, s, omen_admin_op_step(&op, &err), &err);
    if (more != NULL) *more = op.more;
    omen_admin_op_deinit(&op);
    return told_of(db, s, &err);
}

omen_status omen_sync(omen_db *db) { return admin(db, OMEN_ADMIN_SYNC, 0, NULL); }
omen_status omen_flush(omen_db *db) { return admin(db, OMEN_ADMIN_FLUSH, 0, NULL); }
omen_status omen_build_indexes(omen_db *db) { return admin(db, OMEN_ADMIN_INDEX, 0, NULL); }
omen_status omen_compact(omen_db *db) { return admin(db, OMEN_ADMIN_COMPACT, 0, NULL); }
omen_status omen_db_maintain(omen_db *db, uint64_t budget_us, int *more) { return admin(db, OMEN_ADMIN_MAINTAIN, budget_us, more); }

omen_status omen_close(omen_db *db) {
    if (db == NULL) return OMEN_OK;
    if (omen_platform_cares(db)) omen_platform_closing(db);
    omen_status s = admin(db, OMEN_ADMIN_CLOSE, 0, NULL);
    omen_db_free(db);
    return s;
}

/* ---- collections ---- */

void omen_schema_init(omen_schema *s) {
    memset(s, 0, sizeof *s);
    s->struct_size = sizeof *s;
}

static omen_status collection_op(omen_db *db, omen_write_kind kind, omen_str name, const omen_schema *schema, omen_coll **out) {
    omen_error err = {0};
    omen_write_op *op = NULL;
    if (db == NULL || (schema != NULL && schema->struct_size != sizeof *schema))
        return told(omen_fail(&err, OMEN_ERR_INVALID, "db is NULL, or the schema was not filled by omen_schema_init"), &err);
    omen_status s = omen_write_op_new(db, NULL, kind, &op, &err);
    if (s == OMEN_OK) s = omen_write_op_collection(op, name, schema, &err);
    if (s == OMEN_OK) OMEN_DRIVE(db->host, s, omen_write_op_step(op, true, &err), &err);
    if (s == OMEN_OK && out != NULL) *out = omen_write_op_taken(op);
    omen_write_op_free(op);
    return told_of(db, s, &err);
}

omen_status omen_collection_open(omen_db *db, omen_str name, const omen_schema *schema, omen_collection **out) {
    omen_coll *coll;
    if (out == NULL) return told(OMEN_ERR_INVALID, NULL);
    *out = NULL;
    OMEN_TRY(collection_op(db, OMEN_KIND_CREATE, name, schema, &coll));
    omen_collection *c = omen_alloc(&db->mem, sizeof *c);
    if (c == NULL) {
        omen_coll_unref(coll);
        return told(OMEN_ERR_MEMORY, NULL);
    }
    *c = (omen_collection){db, coll};
    *out = c;
    return OMEN_OK;
}

void omen_collection_close(omen_collection *c) {
    if (c == NULL) return;
    omen_db *db = c->db;
    omen_coll_unref(c->coll);
    omen_free(&db->mem, c, sizeof *c);
}

omen_status omen_collection_drop(omen_db *db, omen_str name) { return collection_op(db, OMEN_KIND_DROP, name, NULL, NULL); }

omen_status omen_collection_index(omen_collection *c, omen_str field, const omen_index_options *options) {
    omen_error err = {0};
    omen_write_op *op = NULL;
    if (c == NULL || options == NULL) return told(OMEN_ERR_INVALID, NULL);
    omen_status s = omen_write_op_new(c->db, c->coll, OMEN_KIND_INDEX, &op, &err);
    if (s == OMEN_OK) s = omen_write_op_index(op, field, options, &err);
    if (s == OMEN_OK) OMEN_DRIVE(c->db->host, s, omen_write_op_step(op, true, &err), &err);
    omen_write_op_free(op);
    return told_of(c->db, s, &err);
}

omen_str omen_collection_name(const omen_collection *c) { return c->coll->name; }
const omen_schema *omen_collection_schema(const omen_collection *c) { return &c->coll->schema.schema; }

/* ---- writing ---- */

static omen_status write_rows(omen_collection *c, omen_write_kind kind, const omen_batch *batch, const omen_id *ids, size_t count, bool wait, uint64_t *commit,
                              size_t *written) {
    omen_error err = {0};
    omen_write_op *op = NULL;
    if (c == NULL || (kind != OMEN_KIND_DELETE && batch == NULL)) return told(OMEN_ERR_INVALID, NULL);
    omen_status s = omen_write_op_new(c->db, c->coll, kind, &op, &err);
    if (s == OMEN_OK && kind == OMEN_KIND_DELETE) s = omen_rows_from_ids(omen_write_op_rows(op), omen_write_op_arena(op), ids, count, &err);
    else if (s == OMEN_OK) s = omen_rows_from_batch(omen_write_op_rows(op), omen_write_op_arena(op), &c->coll->schema.schema, batch, &err);
    if (s == OMEN_OK) s = omen_write_op_check(op, &err);
    if (s == OMEN_OK) OMEN_DRIVE(c->db->host, s, omen_write_op_step(op, wait, &err), &err);
    if (s == OMEN_OK && commit != NULL) *commit = omen_write_op_commit(op);
    if (s == OMEN_OK && written != NULL) *written = (size_t)omen_write_op_count(op);
    omen_write_op_free(op);
    return told_of(c->db, s, &err);
}

static bool mode_known(omen_write_mode mode) { return mode >= OMEN_WRITE_UPSERT && mode <= OMEN_WRITE_UPDATE; }

omen_status omen_write(omen_collection *c, omen_write_mode mode, const omen_batch *batch) {
    if (!mode_known(mode)) return told(OMEN_ERR_INVALID, NULL);
    return write_rows(c, (omen_write_kind)mode, batch, NULL, 0, true, NULL, NULL);
}

omen_status omen_upsert(omen_collection *c, const omen_batch *batch) { return omen_write(c, OMEN_WRITE_UPSERT, batch); }
omen_status omen_insert(omen_collection *c, const omen_batch *batch) { return omen_write(c, OMEN_WRITE_INSERT, batch); }
omen_status omen_update(omen_collection *c, const omen_batch *batch) { return omen_write(c, OMEN_WRITE_UPDATE, batch); }

omen_status omen_write_begin(omen_collection *c, omen_write_mode mode, const omen_batch *batch, uint64_t *commit) {
    if (!mode_known(mode)) return told(OMEN_ERR_INVALID, NULL);
    return write_rows(c, (omen_write_kind)mode, batch, NULL, 0, false, commit, NULL);
}

omen_status omen_delete(omen_collection *c, const omen_id *ids, size_t count, size_t *deleted) {
    return write_rows(c, OMEN_KIND_DELETE, NULL, ids, count, true, NULL, deleted);
}

static omen_status write_where(omen_collection *c, omen_write_kind kind, const omen_str *filter, omen_str patch, size_t *count) {
    omen_error err = {0};
    omen_write_op *op;
    if (c == NULL) return told(OMEN_ERR_INVALID, NULL);
    omen_status s = omen_write_op_new(c->db, c->coll, kind, &op, &err);
    if (s != OMEN_OK) return told_of(c->db, s, &err);
    s = filter == NULL ? omen_write_op_expire(op, &err) : omen_write_op_where(op, *filter, patch, &err);
    if (s == OMEN_OK) s = omen_write_op_check(op, &err);
    if (s == OMEN_OK) OMEN_DRIVE(c->db->host, s, omen_write_op_step(op, true, &err), &err);
    if (s == OMEN_OK && count != NULL) *count = (size_t)omen_write_op_count(op);
    omen_write_op_free(op);
    return told_of(c->db, s, &err);
}

omen_status omen_delete_where(omen_collection *c, omen_str filter, size_t *count) { return write_where(c, OMEN_KIND_DELETE, &filter, (omen_str){"", 0}, count); }
omen_status omen_update_where(omen_collection *c, omen_str filter, omen_str patch, size_t *count) { return write_where(c, OMEN_KIND_UPDATE, &filter, patch, count); }
omen_status omen_expire(omen_collection *c, size_t *count) { return write_where(c, OMEN_KIND_DELETE, NULL, (omen_str){"", 0}, count); }

omen_status omen_wait(omen_db *db, uint64_t commit) {
    omen_error err = {0};
    omen_status s;
    if (db == NULL) return told(OMEN_ERR_INVALID, NULL);
    if (db->options.durability < OMEN_DURABILITY_GROUP || db->options.read_only) return OMEN_OK;
    if (commit > omen_last_lsn(db)) return told(omen_fail(&err, OMEN_ERR_INVALID, "commit %llu has not been made", (unsigned long long)commit), &err);
    OMEN_DRIVE(db->host, s, omen_sync_step(db, commit, &err), &err);
    return told_of(db, s, &err);
}

/* ---- reading ---- */

void omen_query_init(omen_query *q) {
    memset(q, 0, sizeof *q);
    q->struct_size = sizeof *q;
    q->k = 10;
    q->include = OMEN_INCLUDE_DOCUMENT;
}

/* Steps a read that has been set up with status s, and takes its outcome. */
static omen_status finish_read(omen_read_op *op, omen_status s, omen_results **out, uint64_t *count, omen_error *err) {
    omen_db *db = op->db;
    if (s == OMEN_OK) OMEN_DRIVE(db->host, s, omen_read_op_step(op, err), err);
    if (s == OMEN_OK && out != NULL) *out = omen_read_op_take(op);
    if (s == OMEN_OK && count != NULL) *count = op->count;
    omen_read_op_free(op);
    return told_of(db, s, err);
}

static omen_status search(omen_collection *c, const omen_query *q, omen_results **out, omen_error *err) {
    omen_read_op *op;
    omen_status s = omen_read_op_new(c->db, c->coll, OMEN_READ_SEARCH, q->include, &op, err);
    if (s != OMEN_OK) return told_of(c->db, s, err);
    return finish_read(op, omen_read_op_search(op, q, NULL, err), out, NULL, err);
}

/* Greater scores first, then those that came first. */
static bool scored_less(void *arg, const void *a, const void *b) {
    const float *scores = arg;
    uint32_t x, y;
    memcpy(&x, a, 4);
    memcpy(&y, b, 4);
    return scores[x] != scores[y] ? scores[x] > scores[y] : x < y;
}

static omen_status order_anew(omen_db *db, const omen_query *q, const omen_results *candidates, omen_results **out, omen_error *err) {
    uint32_t count = (uint32_t)candidates->count;
    omen_arena arena;
    omen_arena_init(&arena, &db->mem, 4096);
    uint32_t *rows = omen_arena_alloc(&arena, count * sizeof *rows + 8, 8);
    float *scores = omen_arena_alloc(&arena, count * sizeof *scores + 8, 8);
    omen_status s = OMEN_OK;
    if (rows == NULL || scores == NULL) s = omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
    for (uint32_t i = 0; i < count && s == OMEN_OK; i++) rows[i] = i, scores[i] = omen_results_score(candidates, i);
    if (s == OMEN_OK) q->rerank(q->rerank_arg, candidates, scores);
    for (uint32_t i = 0; i < count && s == OMEN_OK; i++)
        if (scores[i] - scores[i] != 0.0f) s = omen_fail(err, OMEN_ERR_NOT_FINITE, "the re-ranking gave candidate %u a score that is NaN or infinite", i);
    if (s == OMEN_OK) {
        omen_sort(rows, count, sizeof *rows, scored_less, scores);
        *out = omen_results_pick(candidates, rows, scores, OMEN_MIN(count, q->k));
        if (*out == NULL) s = omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
    }
    omen_arena_deinit(&arena);
    return told_of(db, s, err);
}

omen_status omen_search(omen_collection *c, const omen_query *q, omen_results **out) {
    omen_error err = {0};
    if (c == NULL || q == NULL || out == NULL || q->struct_size != sizeof *q)
        return told(omen_fail(&err, OMEN_ERR_INVALID, "an argument is NULL, or the query was not filled by omen_query_init"), &err);
    *out = NULL;
    if (q->rerank == NULL || q->k == 0 || q->k > OMEN_MAX_K) return search(c, q, out, &err);
    omen_query more = *q;
    omen_results *candidates = NULL;
    more.k = OMEN_MIN(OMEN_MAX(q->rerank_candidates != 0 ? q->rerank_candidates : 4 * q->k, q->k), OMEN_MAX_K);
    omen_status s = search(c, &more, &candidates, &err);
    if (s == OMEN_OK && candidates->groups.offsets.len != 0) s = told(omen_fail(&err, OMEN_ERR_INVALID, "a search that groups its hits cannot be re-ranked; order the groups yourself"), &err);
    if (s == OMEN_OK) s = order_anew(c->db, q, candidates, out, &err);
    omen_results_free(candidates);
    return s;
}

omen_status omen_search_many(omen_collection *c, const omen_query *queries, size_t count, omen_results **out) {
    omen_status s = OMEN_OK;
    if (c == NULL || (count != 0 && (queries == NULL || out == NULL))) return told(OMEN_ERR_INVALID, NULL);
    for (size_t i = 0; i < count; i++) out[i] = NULL;
    for (size_t i = 0; i < count && s == OMEN_OK; i++) s = omen_search(c, &queries[i], &out[i]);
    for (size_t i = 0; i < count && s != OMEN_OK; i++) {
        omen_results_free(out[i]);
        out[i] = NULL;
    }
    return s;
}

omen_status omen_get(omen_collection *c, const omen_id *ids, size_t count, uint32_t include, omen_results **out) {
    omen_error err = {0};
    omen_read_op *op;
    if (c == NULL || out == NULL) return told(OMEN_ERR_INVALID, NULL);
    *out = NULL;
    omen_status s = omen_read_op_new(c->db, c->coll, OMEN_READ_GET, include, &op, &err);
    if (s != OMEN_OK) return told_of(c->db, s, &err);
    s = omen_rows_from_ids(&op->ids, &op->arena, ids, count, &err);
    if (s == OMEN_OK) s = omen_read_op_get(op, &err);
    return finish_read(op, s, out, NULL, &err);
}

omen_status omen_scroll(omen_collection *c, const omen_id *after, size_t limit, uint32_t include, omen_results **out) {
    return omen_scroll_where(c, (omen_str){"", 0}, after, limit, include, out);
}

omen_status omen_scroll_where(omen_collection *c, omen_str filter, const omen_id *after, size_t limit, uint32_t include, omen_results **out) {
    omen_error err = {0};
    omen_read_op *op;
    uint8_t bytes[OMEN_KEY_MAX];
    omen_key key = {bytes, 0};
    if (c == NULL || out == NULL) return told(OMEN_ERR_INVALID, NULL);
    *out = NULL;
    omen_status s = after == NULL ? OMEN_OK : omen_key_encode(after, bytes, &key, &err);
    if (s == OMEN_OK) s = omen_read_op_new(c->db, c->coll, OMEN_READ_SCROLL, include, &op, &err);
    if (s != OMEN_OK) return told_of(c->db, s, &err);
    s = omen_read_op_filter(op, filter, &err);
    if (s == OMEN_OK) s = omen_read_op_scroll(op, key, limit, &err);
    return finish_read(op, s, out, NULL, &err);
}

omen_status omen_count(omen_collection *c, uint64_t *out) { return omen_count_where(c, (omen_str){"", 0}, out); }

omen_status omen_count_where(omen_collection *c, omen_str filter, uint64_t *out) {
    omen_error err = {0};
    omen_read_op *op;
    if (c == NULL || out == NULL) return told(OMEN_ERR_INVALID, NULL);
    omen_status s = omen_read_op_new(c->db, c->coll, OMEN_READ_COUNT, 0, &op, &err);
    return s == OMEN_OK ? finish_read(op, omen_read_op_filter(op, filter, &err), NULL, out, &err) : told_of(c->db, s, &err);
}

omen_status omen_check(omen_db *db) {
    omen_error err = {0};
    omen_read_op *op;
    if (db == NULL) return told(OMEN_ERR_INVALID, NULL);
    omen_status s = omen_read_op_new(db, NULL, OMEN_READ_CHECK, 0, &op, &err);
    return s == OMEN_OK ? finish_read(op, s, NULL, NULL, &err) : told_of(db, s, &err);
}

/* ---- reports ---- */

static omen_status hand_out(omen_buf *text, omen_status s, char *buf, size_t cap, size_t *needed, const omen_error *err) {
    if (s == OMEN_OK && needed != NULL) *needed = text->len;
    if (s == OMEN_OK && cap != 0) {
        size_t n = OMEN_MIN(text->len, cap - 1);
        if (n != 0) memcpy(buf, text->data, n);
        buf[n] = '\0';
    }
    omen_buf_deinit(text);
    return told(s, err);
}

omen_status omen_metrics(omen_db *db, omen_metrics_format format, omen_str labels, char *buf, size_t cap, size_t *needed) {
    omen_error err = {0};
    omen_buf text;
    if (db == NULL || (buf == NULL && cap != 0) || (format != OMEN_METRICS_JSON && format != OMEN_METRICS_PROMETHEUS)) return told(OMEN_ERR_INVALID, NULL);
    omen_buf_init(&text, &db->mem);
    omen_status s = omen_db_metrics(db, format, labels, &text, &err);
    return hand_out(&text, s, buf, cap, needed, &err);
}

void omen_metrics_reset(omen_db *db) { omen_db_metrics_reset(db); }

omen_status omen_explain(omen_collection *c, const omen_query *q, char *buf, size_t cap, size_t *needed) {
    omen_error err = {0};
    omen_read_op *op;
    if (c == NULL || q == NULL || q->struct_size != sizeof *q || (buf == NULL && cap != 0))
        return told(omen_fail(&err, OMEN_ERR_INVALID, "an argument is NULL, or the query was not filled by omen_query_init"), &err);
    omen_status s = omen_read_op_new(c->db, c->coll, OMEN_READ_SEARCH, q->include, &op, &err);
    if (s != OMEN_OK) return told_of(c->db, s, &err);
    s = omen_read_op_search(op, q, NULL, &err);
    if (s == OMEN_OK) OMEN_DRIVE(c->db->host, s, omen_read_op_step(op, &err), &err);
    omen_buf text;
    omen_buf_init(&text, &c->db->mem);
    if (s == OMEN_OK) {
        omen_jw w;
        omen_jw_begin(&w, &text);
        omen_explain_write(op, &w);
        s = omen_jw_end(&w);
    }
    omen_read_op_free(op);
    return hand_out(&text, s, buf, cap, needed, &err);
}

omen_status omen_stats(omen_db *db, char *buf, size_t cap, size_t *needed) {
    omen_error err = {0};
    omen_buf text;
    if (db == NULL || (buf == NULL && cap != 0)) return told(OMEN_ERR_INVALID, NULL);
    omen_buf_init(&text, &db->mem);
    omen_status s = omen_db_stats(db, &text, &err);
    return hand_out(&text, s, buf, cap, needed, &err);
}
