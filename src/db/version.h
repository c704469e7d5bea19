/* version.h - what the database consists of at one moment: its collections, their in-memory tables and parts. Versions are immutable and
 * reference-counted; a change makes a new one. A snapshot is a version and an LSN.
 */
#ifndef OMEN_DB_VERSION_H
#define OMEN_DB_VERSION_H

#include "column/part.h"
#include "db/memtable.h"
#include "index/index.h"

/* In-memory tables of a collection: the active one and frozen ones that wait for their flush. */
#define OMEN_MAX_TABLES 8u

/* A collection's identity; shared by versions and handles. */
typedef struct omen_coll {
    _Atomic uint32_t refs;
    omen_mem *mem;
    uint32_t id;
    omen_str name; /* in schema.names */
    omen_schema_copy schema;
} omen_coll;

/* Takes the schema over (also on failure). NULL: out of memory. */
omen_coll *omen_coll_new(omen_mem *m, uint32_t id, omen_str name, const omen_schema *schema, omen_error *err);
omen_coll *omen_coll_ref(omen_coll *c);
void omen_coll_unref(omen_coll *c);

typedef struct omen_table_state {
    uint64_t generation; /* counts freezes; tables of one generation are flushed together */
    omen_memtable *table;
} omen_table_state;

/* The indexes of a part, one for each vector field at most; shared by versions. */
typedef struct omen_index_set {
    _Atomic uint32_t refs;
    omen_mem *mem;
    uint32_t count;
    omen_index *of[]; /* by field; NULL: none */
} omen_index_set;

/* A copy of `old` (NULL: empty) for `fields` vector fields in which `field` has `index` (NULL: none), which is taken over, also on failure. NULL:
 * out of memory. */
omen_index_set *omen_index_set_with(omen_mem *m, const omen_index_set *old, uint32_t fields, uint32_t field, omen_index *index);
static inline omen_index_set *omen_index_set_ref(omen_index_set *s) {
    if (s != NULL) atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

typedef struct omen_part_state {
    omen_part *part;
    omen_bits *dead;         /* NULL: none */
    omen_index_set *indexes; /* NULL: none */
} omen_part_state;
static inline omen_index *omen_part_index(const omen_part_state *s, uint32_t field) { return s->indexes == NULL ? NULL : s->indexes->of[field]; }
/* What searches through an index read of the part stays in memory, as far as there is room: ids, and beside a graph in memory the vectors. */
void omen_indexed_part_keep(omen_part *p, uint32_t field, const omen_index *x);
/* A reference to each. */
omen_part_state omen_part_state_ref(const omen_part_state *s);

typedef struct omen_coll_version {
    _Atomic uint32_t refs;
    omen_mem *mem;
    omen_coll *coll;
    uint32_t table_count; /* oldest first; the last is the active one */
    uint32_t part_count;  /* oldest first */
    omen_table_state tables[OMEN_MAX_TABLES];
    omen_part_state parts[];
} omen_coll_version;

/* A new one with room for part_count parts and no tables; the caller fills it. Holds a reference to coll. NULL: out of memory. */
omen_coll_version *omen_coll_version_new(omen_mem *m, omen_coll *coll, uint32_t part_count);
/* A copy that shares tables and parts. */
omen_coll_version *omen_coll_version_copy(const omen_coll_version *v);
/* A part or index whose last reference went and whose file is to be removed is reported to `gone` (may be NULL). */
typedef struct omen_gone { void (*each)(void *arg, uint64_t number); void *arg; } omen_gone;
void omen_index_drop(omen_index *x, const omen_gone *gone); /* a reference; NULL is fine */
void omen_index_set_unref(omen_index_set *s, const omen_gone *gone);
void omen_index_set_unlink(omen_index_set *s); /* their files go with their last readers; NULL is fine */
void omen_coll_version_unref(omen_coll_version *v, const omen_gone *gone);
static inline omen_memtable *omen_coll_active(const omen_coll_version *v) { return v->tables[v->table_count - 1].table; }

/* Kept blocks that had to yield (omen_segment_yield) while readers may have been looking at them. Each version that is or was the current one refers to the
 * limbo of its time, and each limbo to the next: so one goes, with its blocks, when no version from its time or before it is left. */
typedef struct omen_limbo {
    _Atomic uint32_t refs;
    omen_mem *mem;
    const omen_block *blocks;
    struct omen_limbo *next;
} omen_limbo;
omen_limbo *omen_limbo_new(omen_mem *m); /* one reference; NULL: out of memory */
omen_limbo *omen_limbo_ref(omen_limbo *l);
void omen_limbo_unref(omen_limbo *l); /* NULL is fine */

typedef struct omen_db_version {
    _Atomic uint32_t refs;
    omen_mem *mem;
    omen_limbo *limbo; /* NULL: it never was the current one */
    uint32_t count;
    omen_coll_version *colls[]; /* in order of id */
} omen_db_version;

omen_db_version *omen_version_new(omen_mem *m, uint32_t count); /* colls NULL, one reference; NULL: out of memory */
omen_db_version *omen_version_ref(omen_db_version *v);
void omen_version_unref(omen_db_version *v, const omen_gone *gone);
omen_coll_version *omen_version_find(const omen_db_version *v, uint32_t id); /* NULL: none */
omen_coll_version *omen_version_find_name(const omen_db_version *v, omen_str name);
/* A copy of v in which the collection `id` is `with` (taken over, also on failure): replaced, appended when new, removed when NULL.
 * NULL: out of memory. */
omen_db_version *omen_version_with(const omen_db_version *v, uint32_t id, omen_coll_version *with);

#endif
