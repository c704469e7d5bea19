/* import.c - import: a file's records into a collection, batch by batch.
 *
 * Batches are written without waiting for each to be durable; a wait now and then, and at the end, covers them all. When something fails, what was
 * written before is made durable too if the storage still can, so the record to go on with is certain.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* Batches between two waits. */
#define WINDOW 32u

typedef struct import {
    omen_db *db;
    omen_collection *collection;
    const omen_schema *schema;
    cli_source *source;
    cli_input ids; /* --ids */
    bool has_ids;
    char *id;      /* scratch of an id */
    size_t id_capacity;
    cli_batch batch;
    omen_write_mode mode;
    char name[OMEN_MAX_NAME + 1]; /* the collection's, for the report */
    uint64_t first_id, skip, limit, batch_size, numbered;
    uint64_t written; /* records in batches that were written */
    uint64_t durable; /* of these, in batches that are durable for certain */
    uint64_t commit;
    uint64_t bad; /* number of the record that was refused, from 1; 0: none */
    unsigned waiting; /* batches since the last wait */
    bool created;
} import;

/* ---- the collection ---- */

static omen_status create_collection(import *m, const char *name) {
    uint64_t dimensions;
    omen_vector_field f = {.name = OMEN_STR("")};
    CLI_TRY(cli_type_option(&f.element));
    CLI_TRY(cli_metric_option(f.element, &f.metric));
    CLI_TRY(cli_index_options(&f.index));
    uint64_t each = f.element == OMEN_ELEMENT_BIT ? 8 : 1; /* dimensions of a number */
    CLI_TRY(cli_option_u64("dimensions", 1, OMEN_MAX_DIMENSIONS, m->source->dimensions * each, &dimensions));
    if (dimensions == 0)
        return cli_fail(OMEN_ERR_DIMENSION, "%.200s is empty, or its first record has no vector \"%.100s\", so how long vectors are is not known; name it with --field, or give --dimensions",
                        m->source->in.path, cli_option("field", "vector"));
    if (dimensions > OMEN_MAX_DIMENSIONS) return cli_fail(OMEN_ERR_DIMENSION, "the first vector has %llu dimensions; 1 to %u are possible", (unsigned long long)dimensions, OMEN_MAX_DIMENSIONS);
    if (m->source->dimensions != 0 && dimensions != m->source->dimensions * each)
        return cli_fail(OMEN_ERR_DIMENSION, "--dimensions is %llu, and the vectors of %.200s have %llu", (unsigned long long)dimensions, m->source->in.path,
                        (unsigned long long)(m->source->dimensions * each));
    const char *field = cli_option("field", "");
    f.name = (omen_str){field, strlen(field)};
    f.dimensions = (uint32_t)dimensions;
    omen_schema schema;
    omen_schema_init(&schema);
    schema.vector_count = 1;
    schema.vectors = &f;
    m->created = true;
    return cli_core(omen_collection_open(m->db, (omen_str){name, strlen(name)}, &schema, &m->collection));
}

/* What the options say must be what is there. */
static omen_status compare(const import *m, uint32_t field) {
    const omen_vector_field *f = &m->schema->vectors[field];
    uint64_t dimensions;
    CLI_TRY(cli_option_u64("dimensions", 1, OMEN_MAX_DIMENSIONS, f->dimensions, &dimensions));
    if (dimensions != f->dimensions) return cli_fail(OMEN_ERR_SCHEMA, "--dimensions is %llu, and the collection has %u; leave it out, or choose another --collection", (unsigned long long)dimensions, f->dimensions);
    const char *metric = cli_option("metric", NULL), *type = cli_option("type", NULL);
    if (type != NULL && strcmp(type, cli_element_name(f->element)) != 0)
        return cli_fail(OMEN_ERR_SCHEMA, "--type is \"%.60s\", and the collection has %s; leave it out, or choose another --collection", type, cli_element_name(f->element));
    if (cli_index_given() && !m->created)
        return cli_fail(OMEN_ERR_SCHEMA, "the collection is there already; change its index with `omendb index %.200s --index KIND`", cli_positional(0));
    if (metric != NULL && cli_metric(metric) != f->metric)
        return cli_fail(OMEN_ERR_SCHEMA, "--metric is \"%.60s\", and the collection has %s; leave it out, or choose another --collection", metric, cli_metric_name(f->metric));
    return OMEN_OK;
}

static omen_status open_collection(import *m) {
    char *name;
    uint32_t field;
    CLI_TRY(cli_collection_choose(m->db, &name));
    omen_str n = name[0] == '\0' && cli_option("collection", NULL) == NULL ? OMEN_STR("default") : (omen_str){name, strlen(name)};
    omen_status s = omen_collection_open(m->db, n, NULL, &m->collection);
    s = s == OMEN_ERR_NOT_FOUND ? create_collection(m, n.data) : cli_core(s);
    free(name);
    if (s != OMEN_OK) return s;
    m->schema = omen_collection_schema(m->collection);
    CLI_TRY(cli_field_choose(m->collection, &field));
    CLI_TRY(compare(m, field));
    return cli_source_bind(m->source, m->schema, field);
}

/* ---- records ---- */

/* The next line of --ids. */
static omen_status read_id(import *m, cli_record *r) {
    char *line;
    size_t len;
    CLI_TRY(cli_input_line(&m->ids, 8 * OMEN_MAX_ID, &line, &len));
    if (line == NULL) return cli_fail(OMEN_ERR_ID, "%.200s has fewer lines than there are records; it needs one id for each", m->ids.path);
    if (len + 1 > m->id_capacity) {
        char *id = realloc(m->id, len + 1);
        if (id == NULL) return cli_no_memory();
        m->id = id;
        m->id_capacity = len + 1;
    }
    r->has_id = true;
    return cli_id_parse(line, len, m->id, &r->id);
}

static omen_status next_record(import *m, cli_record *r, bool *end) {
    CLI_TRY(cli_source_next(m->source, r, end));
    if (*end) return OMEN_OK;
    uint64_t row = m->source->row - 1;
    if (m->has_ids) {
        omen_status s = read_id(m, r);
        if (s != OMEN_OK) cli_before("record %llu: ", (unsigned long long)row);
        return s;
    }
    if (r->has_id) return OMEN_OK;
    if (m->first_id + row > INT64_MAX) return cli_fail(OMEN_ERR_ID, "--first-id is so large that the ids of the rows are no 64-bit integers");
    r->id = OMEN_ID_INT((int64_t)(m->first_id + row));
    m->numbered++;
    return OMEN_OK;
}

/* Puts file and place of the last record before the message. */
static omen_status at_record(const import *m, omen_status s) {
    if (s == OMEN_OK) return s;
    if (m->source->line != 0) cli_before("%.200s, line %llu: ", m->source->in.path, (unsigned long long)m->source->line);
    else cli_before("%.200s, row %llu: ", m->source->in.path, (unsigned long long)(m->source->row - 1));
    return s;
}

static omen_status check_fields(const import *m, const cli_record *r) {
    for (uint32_t f = 0; m->mode != OMEN_WRITE_UPDATE && f < m->schema->vector_count; f++) {
        if ((r->given >> f & 1u) != 0) continue;
        return cli_fail(OMEN_ERR_INVALID, "the record has no vector \"%.*s\"; --field names the key or column that holds it", (int)m->schema->vectors[f].name.len,
                        m->schema->vectors[f].name.data);
    }
    return OMEN_OK;
}

static omen_status wait_durable(import *m) {
    CLI_TRY(cli_core(omen_wait(m->db, m->commit)));
    m->waiting = 0;
    m->durable = m->written;
    return OMEN_OK;
}

static omen_status write_batch(import *m) {
    size_t count = m->batch.count;
    omen_status s = cli_batch_write(&m->batch, m->collection, m->mode, &m->commit);
    if (s != OMEN_OK) return s;
    m->written += count;
    return ++m->waiting < WINDOW ? OMEN_OK : wait_durable(m);
}

static omen_status transfer(import *m) {
    cli_record r;
    bool end;
    while (m->limit == 0 || m->written + m->batch.count < m->limit) {
        uint64_t before = m->source->row;
        omen_status s = next_record(m, &r, &end);
        if (s == OMEN_OK && end) break;
        if (s == OMEN_OK) s = at_record(m, check_fields(m, &r));
        if (s == OMEN_OK && cli_batch_full(&m->batch, &r, m->batch_size)) CLI_TRY(write_batch(m));
        if (s == OMEN_OK) s = at_record(m, cli_batch_add(&m->batch, &r));
        if (s != OMEN_OK && s != OMEN_ERR_IO && s != OMEN_ERR_MEMORY) m->bad = before + 1;
        CLI_TRY(s);
        if (m->batch.count >= m->batch_size) CLI_TRY(write_batch(m));
        cli_progress(m->source->in.offset, m->written + m->batch.count);
    }
    return write_batch(m);
}

/* ---- the command ---- */

static void report(const import *m) {
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_object();
        cli_json_key("imported");
        cli_json_u64(m->written);
        cli_json_key("skipped");
        cli_json_u64(m->skip < m->source->row ? m->skip : m->source->row);
        cli_json_key("collection");
        cli_json_str(m->name, strlen(m->name));
        cli_json_key("created");
        cli_json_bool(m->created);
        cli_json_object_end();
        cli_json_end();
    } else {
        printf("imported %llu record%s into \"%s\"\n", (unsigned long long)m->written, m->written == 1 ? "" : "s", m->name);
        if (m->numbered != 0 && m->source->line != 0) /* lines could have had ids, and numbers replace records that have them */
            cli_note("%llu record%s had no id and got %s; --id-field names the key or column that holds it", (unsigned long long)m->numbered, m->numbered == 1 ? "" : "s",
                     m->numbered == 1 ? "its row number" : "row numbers");
    }
}

/* Where to go on. Batches that are not durable for certain may be there, whole; writing them again does no harm. */
static void say_where(const import *m) {
    uint64_t next = m->skip + m->durable;
    if (m->written == 0) cli_after(". Nothing was written");
    else if (m->durable == 0) {
        cli_after(". Which of the records were written is not known; begin again");
        if (next != 0) cli_after(" with --skip %llu", (unsigned long long)next);
        if (m->mode == OMEN_WRITE_INSERT) cli_after(next == 0 ? " with --mode upsert, which writes them again without harm" : " and --mode upsert, which writes them again without harm");
    }
    else cli_after(m->durable == 1 ? ". The %llu record before is written; go on with --skip %llu" : ". The %llu records before are written; go on with --skip %llu", (unsigned long long)m->durable, (unsigned long long)next);
    if (m->bad == 0) return;
    if (m->bad == next + 1) cli_after("; --skip %llu leaves this record out", (unsigned long long)m->bad);
    else
        cli_after("; to leave this record out, import the %llu before it (--skip %llu --limit %llu), then the rest (--skip %llu)", (unsigned long long)(m->bad - 1 - next),
                  (unsigned long long)next, (unsigned long long)(m->bad - 1 - next), (unsigned long long)m->bad);
}

/* A collection that was made for records of which none could be written is taken back, so that another try is free to make another. */
static void take_back(import *m) {
    if (!m->created || m->written != 0 || m->collection == NULL) return;
    char name[OMEN_MAX_NAME + 1];
    omen_str n = omen_collection_name(m->collection);
    memcpy(name, n.data, n.len);
    n.data = name;
    omen_collection_close(m->collection);
    m->collection = NULL;
    if (omen_collection_drop(m->db, n) == OMEN_OK) cli_after("; the database is there, without the collection \"%.*s\"", (int)n.len, n.data);
    else cli_after("; the database and the empty collection \"%.*s\" are there", (int)n.len, n.data);
}

static omen_status run(import *m) {
    omen_status s = open_collection(m);
    if (s != OMEN_OK) take_back(m);
    CLI_TRY(s);
    cli_batch_init(&m->batch, m->schema);
    cli_progress_begin("importing", m->source->in.size);
    s = transfer(m);
    if (s == OMEN_OK) s = wait_durable(m);
    else if (m->waiting != 0 && omen_wait(m->db, m->commit) == OMEN_OK) m->durable = m->written;
    if (s != OMEN_OK) say_where(m);
    if (s != OMEN_OK) take_back(m);
    cli_progress(m->source->in.offset, m->written);
    cli_progress_end();
    return s;
}

static omen_status read_options(import *m) {
    CLI_TRY(cli_write_mode(&m->mode));
    CLI_TRY(cli_option_u64("first-id", 0, INT64_MAX, 0, &m->first_id));
    CLI_TRY(cli_option_u64("skip", 0, UINT64_MAX, 0, &m->skip));
    CLI_TRY(cli_option_u64("limit", 1, UINT64_MAX, 0, &m->limit));
    CLI_TRY(cli_option_u64("batch", 1, OMEN_MAX_BATCH, CLI_BATCH, &m->batch_size));
    const char *ids = cli_option("ids", NULL);
    if (ids == NULL) return OMEN_OK;
    CLI_TRY(cli_input_open(&m->ids, ids));
    m->has_ids = true;
    return OMEN_OK;
}

static omen_status close_failed(import *m, omen_status s) {
    omen_collection_close(m->collection);
    return cli_database_close(m->db, s);
}

/* Only a database that is closed has all that was written, whatever --durability says: before that nothing is reported as imported. */
static omen_status close_written(import *m) {
    omen_str name = omen_collection_name(m->collection);
    memcpy(m->name, name.data, name.len);
    m->name[name.len] = '\0';
    omen_status s = close_failed(m, OMEN_OK);
    if (s == OMEN_OK) return s;
    cli_after(". All %llu records were read, but closing the database failed, so the last ones may be missing; begin again", (unsigned long long)m->written);
    if (m->skip != 0) cli_after(" with --skip %llu", (unsigned long long)m->skip);
    if (m->mode == OMEN_WRITE_INSERT) cli_after(m->skip == 0 ? " with --mode upsert" : " and --mode upsert");
    return s;
}

/* The file is looked at before the database is touched. */
omen_status cli_run_import(void) {
    import m = {0};
    omen_vector_field made; /* what a collection that is made will have: judged before anything is opened */
    omen_status s = read_options(&m);
    if (s == OMEN_OK) s = cli_type_option(&made.element);
    if (s == OMEN_OK) s = cli_metric_option(made.element, &made.metric);
    if (s == OMEN_OK) s = cli_index_options(&made.index);
    if (s == OMEN_OK) s = cli_source_open_after(cli_positional(1), cli_option("format", NULL), m.skip, &m.source);
    for (uint64_t i = 0; s == OMEN_OK && m.has_ids && i < m.source->row; i++) s = cli_input_discard_line(&m.ids); /* those of the records left out */
    if (s == OMEN_OK) s = cli_database_open(CLI_CREATE, &m.db);
    if (s == OMEN_OK) s = run(&m);
    if (s == OMEN_OK) s = close_written(&m);
    else s = close_failed(&m, s);
    if (s == OMEN_OK) report(&m);
    if (m.batch.schema != NULL) cli_batch_free(&m.batch);
    cli_source_close(m.source);
    if (m.has_ids) cli_input_close(&m.ids);
    free(m.id);
    return s;
}
