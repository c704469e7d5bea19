/* lanes.h - the threads of an engine. One starts calls in the order in which they were made (omen_call_start); three lanes finish them, so that none
 * waits for what is slower by nature: reads, on as many threads as there are processors; writes, on one, which waits for a sync that covers all
 * writes before it; and what concerns a whole database: checks, backups, purges, flushes, indexes. */
#ifndef OMEN_NODE_LANES_H
#define OMEN_NODE_LANES_H

#include <stdbool.h>

#include "omendb_native.h"

typedef enum lane { LANE_READ, LANE_WRITE, LANE_WHOLE, LANES } lane;

/* A call on its way. */
typedef struct job {
    struct job *next;
    void *deferred; /* the addon's */
    omen_call *call; /* freed when it is done */
    uint32_t id;
    lane lane;
    bool skipped; /* cancelled before it began */
    void *response; /* malloc; NULL: no memory, or skipped */
    size_t len;
} job;

typedef struct lanes lanes;

/* Which lane finishes a request: its "op" says so. A malformed request may go anywhere. */
lane lane_of(const void *request, size_t len);

/* `tell` is called by a thread when the list of done jobs is no longer empty. */
lanes *lanes_new(void (*tell)(void *arg), void *arg);
/* Takes the job over. */
void lanes_add(lanes *l, job *j);
/* The job of this id is skipped if it has not been started. */
void lanes_cancel(lanes *l, uint32_t id);
/* The jobs that are done, oldest first. */
job *lanes_take_done(lanes *l);
/* Waits for steps under way, begins none, ends the threads, frees. The jobs left, done or not, are the caller's. */
job *lanes_stop(lanes *l);

#endif
