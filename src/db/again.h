/* again.h - what a reader makes of damage, when a writer elsewhere may be at work: it reads again, and believes what it is told twice.
 *
 * A reader takes no lock. Between its reading of the manifest and of the files that this one names, a writer may have flushed or merged, written two manifests and removed
 * those files; or it is in the middle of writing a manifest or the end of a log. Then files are missing, or end in the middle, and nothing is wrong. Where logs come and go
 * while they are listed, the list may have neither the one that went nor the one that took its place.
 *
 * The rule: whatever a reader finds wrong, and where it finds no log, it opens the files again from the list on, and what both attempts, one after the other, say in the same
 * words is so; where a slot of the manifest was not whole, the bytes of both slots are among the words. What they said of a segment or an index is true, for both manifests
 * named it, the second was the current one when it was read, and names of files never come again: so it was there all the while. So was the log that both named, and no list
 * misses what is there all the while. What they said of a log's place is true, for a write that was under way at the first attempt was seen whole by the second, or never came
 * to its end. A database that nobody writes says the same twice.
 * Where attempts go on differing, it is told to come again. */
#ifndef OMEN_DB_AGAIN_H
#define OMEN_DB_AGAIN_H

#include "base/mem.h"

typedef struct omen_again {
    omen_buf said; /* by the attempt before */
    uint32_t attempts;
} omen_again;

/* Whether a failure may be a writer's doing. */
bool omen_again_doubts(omen_status s);
/* The attempt says this. *again: nothing is to be believed, and another attempt is due. OMEN_ERR_BUSY: no two of them agreed. OMEN_ERR_MEMORY. */
omen_status omen_again_judge(omen_again *a, const void *said, size_t len, bool *again, omen_error *err);

#endif
