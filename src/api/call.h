/* call.h - a call in the making, for the files that have its operations. */
#ifndef OMEN_API_CALL_H
#define OMEN_API_CALL_H

#include "api/engine.h"
#include "api/message.h"
#include "api/task.h"
#include "db/inspect.h"

typedef struct omen_many omen_many;
typedef struct omen_call_row omen_call_row;

struct omen_call {
    omen_engine *engine;
    omen_call *parent; /* of one search among many: its collection counts */
    uint8_t *bytes; /* the request */
    size_t len;
    omen_request request;
    const omen_call_row *row; /* NULL until begun */
    bool done;
    bool started; /* begun by omen_call_start, with the outcome `start` */
    omen_status start;
    omen_status status;
    omen_error err;
    omen_buf response, json, text;
    omen_jw w;
    /* what the operation works on */
    uint32_t db_handle;
    bool inside; /* entered the database */
    omen_db *db;
    omen_coll *coll;
    omen_open_op *open;
    omen_write_op *write;
    omen_read_op *read;
    omen_many *many;
    omen_inspect_op *inspect;
    omen_results *results;
    omen_admin_op admin;
    bool has_admin, closed;
    uint32_t task_handle;
    omen_task *task; /* entered */
    omen_storage storage;
    omen_encryption encryption; /* its keys lie in the request */
    bool secret;                /* there are keys in the request */
};

struct omen_call_row {
    const char *name;
    omen_status (*begin)(omen_call *c);
    omen_status (*step)(omen_call *c);
    omen_status (*answer)(omen_call *c); /* writes members into c->w and the response; NULL: an empty object */
};

/* Enters the request's collection and its database. */
omen_status omen_call_collection(omen_call *c);
/* Begins a read of the request's collection, whose database it enters: c->read. */
omen_status omen_call_read(omen_call *c, omen_read_kind kind);
/* Offsets (count + 1, ascending, the first 0) of a part, and the bytes of the next part, which they cut up. OMEN_ERR_INVALID. */
omen_status omen_call_strings(omen_call *c, uint32_t part, uint32_t count, const uint32_t **offsets, const uint8_t **bytes);

/* call_search.c */
omen_status omen_call_search(omen_call *c);
omen_status omen_call_explain(omen_call *c);
omen_status omen_call_explained(omen_call *c);

/* call_many.c: "searchMany" */
omen_status omen_call_many(omen_call *c);
omen_status omen_call_many_step(omen_call *c);
omen_status omen_call_many_answer(omen_call *c);
uint32_t omen_call_many_parts(const omen_call *c, omen_part_view *parts);
const omen_snapshot *omen_call_many_seen(const omen_call *c); /* what all its searches see */
void omen_many_free(omen_many *m);

/* A search with the arguments of a request of its own, in the collection of another call, which is begun; it ends first. OMEN_ERR_MEMORY. What is wrong
 * with it, its first step answers. */
omen_status omen_call_child(omen_call *parent, const void *request, size_t len, omen_call **out);

#endif
