/* fault_storage.h - a storage in memory that fails, stalls and loses power as a test asks, and watches its user.
 *
 * An image is a directory of files. For each file it keeps what is durable and every write since, so that a crash can be asked for:
 * each 512-byte sector then holds what it held after any number of the writes to it, each file has one of the sizes it had, and each
 * name is there or not, as after any number of the creations and removals of it. What sync and sync_dir promise is kept.
 *
 *     fault_storage *fs = fault_storage_new(seed);
 *     omen_storage storage = fault_storage_session(fs);     what the core gets; ends with its release()
 *     ...
 *     fault_storage *after = fault_storage_crash(fs, FAULT_CRASH_RANDOM, seed);
 *     ... recover from `after` ...
 *     CHECK_STORAGE(fs);                                    the core kept to the contract of omendb_host.h
 *
 * Calls are counted: every call of list, open, size, read_at, write_at, truncate, sync, sync_dir and remove; repeating a call that
 * answered OMEN_PENDING counts once. close and release are not counted and never fail.
 *
 * Thread-safe as far as sessions go; settings and questions are for one thread while no session is busy.
 */
#ifndef OMEN_FAULT_STORAGE_H
#define OMEN_FAULT_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "omendb_host.h"

#define FAULT_SECTOR 512u

typedef struct fault_storage fault_storage;

fault_storage *fault_storage_new(uint64_t seed); /* empty */
fault_storage *fault_storage_clone(const fault_storage *fs); /* durable and unsynced state; no session, no fault, no setting */
void fault_storage_free(fault_storage *fs); /* NULL is fine */

/* A session: one user of the image. More than one at a time is fine. */
omen_storage fault_storage_session(fault_storage *fs);
unsigned fault_storage_sessions(const fault_storage *fs); /* not yet released */

/* ---- settings ---- */

/* Every request that may pend does so with this probability, one to three times. 0 at first. */
void fault_storage_set_pending(fault_storage *fs, unsigned percent);
/* Opening for writing, creating and removing answer OMEN_ERR_READ_ONLY. */
void fault_storage_set_read_only(fault_storage *fs, bool read_only);
/* The disk lies: sync or sync_dir answer OMEN_OK and make nothing durable. A test that is worth something then finds a loss. */
void fault_storage_set_lies(fault_storage *fs, bool sync, bool sync_dir);
/* From now on, the nth call (1: the next) answers `status`; with `sticky` all after it too. A write that fails has written a part.
 * n = 0: no fault. */
void fault_storage_fail_at(fault_storage *fs, uint64_t n, omen_status status, bool sticky);
/* The nth call from now and all later ones answer OMEN_ERR_IO and do nothing: the state stays what it was before the nth. */
void fault_storage_power_off_at(fault_storage *fs, uint64_t n);
/* The nth call from now, if it is a read of more than one byte, answers OMEN_OK with fewer bytes than asked for. */
void fault_storage_short_read_at(fault_storage *fs, uint64_t n);
/* Called before every call takes effect, with the state that a machine losing power at that moment would leave behind: `fs` may be looked at, cloned and crashed, but
 * not used otherwise. NULL: nobody. */
void fault_storage_on_call(fault_storage *fs, void (*watch)(void *arg, const fault_storage *fs), void *arg);
uint64_t fault_storage_calls(const fault_storage *fs); /* since the image was made */
uint64_t fault_storage_changes(const fault_storage *fs); /* of what a crash may leave: writes, truncations, syncs, creations, removals */
uint64_t fault_storage_pended(const fault_storage *fs); /* answers of OMEN_PENDING */
bool fault_storage_fault_hit(const fault_storage *fs); /* whether the fault set last has come about */

/* ---- losing power ---- */

typedef enum fault_crash_mode {
    FAULT_CRASH_DURABLE,   /* only what was synced survives */
    FAULT_CRASH_ALL,       /* everything survives */
    FAULT_CRASH_RANDOM,    /* every sector, size and name by itself, by seed */
    FAULT_CRASH_ZERO_TAIL, /* names and sizes survive, no data: what was appended reads as zeros */
    FAULT_CRASH_PREFIX     /* writes survive in order, up to one chosen by seed, cut at a sector; names and sizes as they were then */
} fault_crash_mode;
#define FAULT_CRASH_MODES 5

/* What a machine finds after losing power now: a new image without unsynced state. */
fault_storage *fault_storage_crash(const fault_storage *fs, fault_crash_mode mode, uint64_t seed);
/* The same with every choice told: unit i survives in its last form if bit i of mask is set, and is lost wholly otherwise. Units are the
 * sectors, sizes and names that differ from what is durable; units beyond 64 are lost. */
unsigned fault_storage_units(const fault_storage *fs);
/* Of all names and bytes as a session sees them: two images of one hash are one image. */
uint64_t fault_storage_hash(const fault_storage *fs);
fault_storage *fault_storage_crash_subset(const fault_storage *fs, uint64_t mask);

/* ---- looking at and changing an image (as now seen by a session) ---- */

size_t fault_storage_count(const fault_storage *fs);
const char *fault_storage_name(const fault_storage *fs, size_t i); /* in the order of creation */
bool fault_storage_has(const fault_storage *fs, const char *name);
const uint8_t *fault_storage_data(const fault_storage *fs, const char *name, size_t *len); /* NULL: no such file; borrowed */
/* These are durable at once. */
void fault_storage_put(fault_storage *fs, const char *name, const void *bytes, size_t len);
void fault_storage_xor(fault_storage *fs, const char *name, size_t offset, uint8_t mask);
void fault_storage_set(fault_storage *fs, const char *name, size_t offset, uint8_t byte);
void fault_storage_cut(fault_storage *fs, const char *name, size_t len);
void fault_storage_delete(fault_storage *fs, const char *name);

/* ---- the contract ---- */

/* What the user of the storage did wrong first, or NULL: a sync repeated after it failed, two syncs of one file at once, a handle used
 * after close or through another session, a file removed while open, a bad name, a write through a handle for reading, a call after
 * release, a release with open files. */
const char *fault_storage_misuse(const fault_storage *fs);
#define CHECK_STORAGE(fs) CHECK_EQ_STR(fault_storage_misuse(fs) != NULL ? fault_storage_misuse(fs) : "", "")

#endif
