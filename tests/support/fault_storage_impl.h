/* fault_storage_impl.h - what fault_storage.c and fault_crash.c share.
 *
 * A file's bytes exist twice: `durable`, and `live`, which is `durable` with `ops` (writes and truncations, in order) applied. A sync
 * folds the ops made before it was first called into `durable`. The directory likewise: `durable`, `live`, and the ops on names
 * between them.
 */
#ifndef OMEN_FAULT_STORAGE_IMPL_H
#define OMEN_FAULT_STORAGE_IMPL_H

#include <stdatomic.h>

#include "fault_storage.h"

typedef struct bytes {
    uint8_t *data;
    size_t len, cap;
} bytes;

/* A write of `len` bytes at `offset`, or with data NULL a truncation to `offset`. */
typedef struct op {
    size_t offset, len;
    uint8_t *data;
    size_t size_after;
} op;

typedef struct inode {
    bytes durable, live;
    op *ops;
    size_t op_count, op_cap;
    unsigned handles;
    bool sync_failed, lost; /* lost: in no directory any more */
    struct omen_file *syncing;
    size_t sync_ops; /* ops the sync under way makes durable */
} inode;

/* A creation (file >= 0) or removal (-1) of a name. */
typedef struct name_op {
    char name[64];
    int file;
} name_op;

typedef struct entry {
    char name[64];
    int file; /* index of an inode */
} entry;

typedef struct directory {
    entry *entries;
    size_t count, cap;
} directory;

typedef enum fate { GO_ON, SHORT, FAIL } fate;

/* A request under way: what was asked, how often it still answers OMEN_PENDING, and how it ends. */
typedef struct pending {
    char kind;
    char name[64];
    struct omen_file *file;
    uint64_t offset;
    size_t len;
    unsigned left;
    fate what;
    omen_status status;
} pending;

typedef struct session {
    fault_storage *fs;
    bool released;
    unsigned open_files;
    struct session *next;
} session;

struct omen_file {
    session *owner;
    int file;
    omen_file_mode mode;
    bool closed;
    struct omen_file *next;
};

struct fault_storage {
    atomic_flag busy;
    uint64_t rng;
    inode *inodes;
    size_t inode_count, inode_cap;
    directory live, durable;
    name_op *name_ops;
    size_t name_op_count, name_op_cap;
    size_t dir_sync_ops; /* name ops the sync_dir under way makes durable */
    bool dir_syncing, dir_sync_failed;
    /* settings */
    unsigned pend_percent;
    bool read_only, lie_sync, lie_dir;
    uint64_t fail_call, short_call, off_call;
    omen_status fail_status;
    bool fail_sticky, hit;
    void (*watch)(void *arg, const fault_storage *fs);
    void *watch_arg;
    /* state of the sessions */
    uint64_t calls, pended, changes;
    pending *waiting;
    size_t waiting_count, waiting_cap;
    session *sessions;
    struct omen_file *handles;
    char misuse[160];
};

uint64_t fault_random(uint64_t *state);
void fault_bytes_resize(bytes *b, size_t len); /* new bytes are zero */
bytes fault_bytes_copy(const bytes *b);
void fault_apply(bytes *b, const op *o);
void fault_dir_set(directory *d, const char *name, int file); /* file -1: removed */

#endif
