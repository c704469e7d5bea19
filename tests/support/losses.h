/* losses.h - power lost at every call of a course of writes (script.h), and again while recovering: whatever the disk kept, the database opens, nothing
 * acknowledged is missing, and no batch is there by half. For databases that are opened in one way or another. */
#ifndef OMEN_TEST_LOSSES_H
#define OMEN_TEST_LOSSES_H

#include "script.h"

enum { LOSSES_STEPS = 60 };

typedef struct losses {
    omen_status (*open)(script *s, fault_host *h);
    script_state after[LOSSES_STEPS + 1]; /* after so many steps */
    uint64_t calls;                       /* of the storage, in the whole course */
    uint64_t images;                      /* looked at so far */
    uint64_t wrong;                       /* of those, the ones that were not as they must be */
    bool quiet;                           /* wrong ones are not printed */
} losses;

/* Goes through the course once, for its states and its calls; false when it fails. */
bool losses_begin(losses *l, omen_status (*open)(script *s, fault_host *h));
/* Power is lost at every `step`th call; of what the disk kept at random, `seeds` images each. */
void losses_at_calls(losses *l, uint64_t step, uint64_t seeds);
/* A second time, at each of the first `again` calls of the recovery. */
void losses_twice(losses *l, uint64_t step, uint64_t again);
/* On a disk that lies about the syncs of files, or of the folder: these losses must be noticed, or the tests show nothing. */
void losses_with_lies(losses *l, uint64_t step, bool of_files, bool of_folder);

#endif
