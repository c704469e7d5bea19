/* script.h - a fixed course of writes over a small database, and what must be there after each: for tests that break off in the middle. */
#ifndef OMEN_TEST_SCRIPT_H
#define OMEN_TEST_SCRIPT_H

#include "fault_host.h"
#include "omendb.h"

enum { SCRIPT_IDS = 12, SCRIPT_DIMS = 16 };

/* Versions of the records; 0: not there. */
typedef struct script_state { int version[SCRIPT_IDS]; } script_state;

typedef struct script {
    omen_db *db;
    omen_collection *c;
} script;

/* Opens the database "db" of a host with small tables, so that a course freezes, flushes and merges. */
omen_status script_open(script *s, fault_host *h, omen_durability durability, bool create);
/* The same at a path of any host; NULL: the platform's own. */
omen_status script_open_at(script *s, const char *path, const omen_host *host, omen_durability durability, bool create);
/* The same with a caller's options; the sizes are the script's. */
omen_status script_open_with(script *s, const char *path, omen_options *o);
void script_close(script *s); /* whatever state it is in; statuses are ignored */
/* Step `n` of the course: a write, a delete, a flush or a merge. `state` is changed as if it succeeded. The same n does the same always. */
omen_status script_step(script *s, unsigned n, script_state *state);
/* What step n makes of the state, without a database. */
void script_expect(unsigned n, script_state *state);
/* What step n is: "upsert", "delete", "flush" or "merge". */
const char *script_name(unsigned n);
/* Reads everything; false when reads disagree with each other or a vector or document is not what its version says. */
bool script_read(script *s, script_state *state, const char **why);

#endif
