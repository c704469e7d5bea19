/* watched.h - a storage around another one that knows which of its calls are under way, in memory that may be shared with another process, and
 * that can stand still at one of them: for tests that end a process and want to know, or to say, in the middle of what. */
#ifndef OMEN_TEST_WATCHED_H
#define OMEN_TEST_WATCHED_H

#include <stdatomic.h>
#include <stdbool.h>

#include "omendb_host.h"

typedef enum watched_file { WATCHED_LOG, WATCHED_SEGMENT, WATCHED_MANIFEST, WATCHED_FOLDER, WATCHED_FILES } watched_file;
typedef enum watched_call { WATCHED_OPEN, WATCHED_CREATE, WATCHED_READ, WATCHED_WRITE, WATCHED_TRUNCATE, WATCHED_SYNC, WATCHED_REMOVE, WATCHED_CALLS } watched_call;
typedef enum watched_when { WATCHED_BEFORE, WATCHED_AMID, WATCHED_AFTER, WATCHED_WHENS } watched_when; /* amid: of a write, the first half of the sectors is done */

typedef struct watched {
    atomic_uint under_way[WATCHED_FILES][WATCHED_CALLS];
    /* The call to stand still at: the `countdown`th of its kind from now, 1 being the next. 0: at none. `stand` does not come back. */
    watched_file file;
    watched_call call;
    watched_when when;
    atomic_int countdown;
    void (*stand)(void);
} watched;

extern const char *const watched_file_names[WATCHED_FILES], *const watched_call_names[WATCHED_CALLS];

/* Puts itself around `inner`, which it takes over also when it fails. */
omen_status watched_storage(watched *w, const omen_storage *inner, omen_storage *out);

#endif
