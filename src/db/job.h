/* job.h - the jobs of maintenance. One exists at a time; it belongs to the maintenance lock. */
#ifndef OMEN_DB_JOB_H
#define OMEN_DB_JOB_H

#include "db/db.h"

#define OMEN_MERGE_RUN 4u
#define OMEN_MERGE_MAX_BYTES (UINT64_C(1) << 30)
#define OMEN_GROUP_NS UINT64_C(5000000)
#define OMEN_GROUP_BYTES (UINT64_C(1) << 20)

/* Each begins a job in db->job. The snapshot stays the caller's. After omen_later. */
OMEN_LATER omen_status omen_job_flush(omen_db *db, const omen_snapshot *s, omen_error *err);
OMEN_LATER omen_status omen_job_merge(omen_db *db, const omen_snapshot *s, omen_coll_version *v, uint32_t from, uint32_t to, omen_error *err);
OMEN_LATER omen_status omen_job_forget(omen_db *db, const omen_snapshot *s, omen_error *err);  /* a manifest without dropped collections */
OMEN_LATER omen_status omen_job_collect(omen_db *db, omen_error *err); /* removes files nobody needs */
/* Opens an index (NULL: none) and makes it the one of a field of a part. */
OMEN_LATER omen_status omen_job_index(omen_db *db, const omen_snapshot *s, omen_coll_version *v, omen_part *part, uint32_t field, const omen_segment_info *info, omen_error *err);
OMEN_LATER omen_status omen_job_step(omen_job *job, bool *done, omen_error *err);

/* What a job does to one collection. */
typedef struct omen_job_coll {
    omen_coll_version *v;       /* as it was when the job began; a reference */
    omen_memtable *table;       /* flush: the frozen table, or NULL */
    uint32_t from, to;          /* merge: the parts to be replaced */
    uint32_t *rows;             /* flush: entries to write; merge: unused */
    uint32_t row_count, row_cap;
    omen_bits **dead;           /* flush: new sets of dead rows for each part, NULL where nothing changed */
    omen_tombstone_target *targets;
    uint32_t target_count;
    omen_part *part;            /* the new part, NULL when there is nothing to keep */
    omen_arena arena;           /* rows, targets */
} omen_job_coll;

typedef enum omen_job_kind { OMEN_JOB_FLUSH, OMEN_JOB_MERGE, OMEN_JOB_FORGET, OMEN_JOB_COLLECT, OMEN_JOB_INDEX } omen_job_kind;
typedef enum omen_job_stage {
    OMEN_STAGE_SYNC,     /* the logs of what is flushed: a segment never outruns its log */
    OMEN_STAGE_SELECT,   /* which rows, which dead rows */
    OMEN_STAGE_WRITE,
    OMEN_STAGE_OPEN,
    OMEN_STAGE_MANIFEST,
    OMEN_STAGE_INSTALL,
    OMEN_STAGE_REMOVE    /* logs and files that are no longer named */
} omen_job_stage;

struct omen_job {
    omen_db *db;
    omen_job_kind kind;
    omen_job_stage stage;
    omen_frozen frozen;         /* flush */
    omen_snapshot snapshot;
    omen_job_coll *colls;
    uint32_t coll_count, coll;
    uint64_t begun_ns;
    /* place of SELECT */
    uint32_t entry, part;
    omen_tombstones tombstones;
    /* of WRITE and OPEN */
    omen_row_source source;
    struct omen_merge_place *merge;
    omen_part_writer *writer;
    omen_part_text_writer *text_writer; /* NULL: no text or sparse fields */
    omen_segment_info info;
    bool written;
    uint64_t first_file;        /* the first segment that the job may write */
    /* INDEX */
    omen_part *index_part;      /* in the snapshot */
    uint32_t index_field;
    bool index_none;
    omen_index *index;          /* a reference */
    bool installed;             /* a version has it */
    bool room;                  /* was made for it */
    bool returned;              /* its file is not the job's any more */
    /* of MANIFEST and REMOVE */
    size_t orphans;             /* parts of dropped collections that this manifest no longer names */
    omen_buf payload;
    uint64_t schema_lsn;        /* the collections are those of then */
    uint64_t file;              /* epoch being removed */
    omen_buf removing;          /* u64 numbers of segment files */
    size_t removed;
};

/* flush.c and merge.c: steps of SELECT and WRITE for colls[coll]. */
omen_status omen_flush_select(omen_job *job, omen_job_coll *c, omen_error *err);
omen_status omen_merge_select(omen_job *job, omen_job_coll *c, omen_error *err);
void omen_flush_source(omen_job *job, omen_job_coll *c);
omen_status omen_merge_source(omen_job *job, omen_job_coll *c, omen_error *err);
void omen_merge_place_free(omen_job *job);
bool omen_sync_due(omen_db *db);

#endif
