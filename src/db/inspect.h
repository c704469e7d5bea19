/* inspect.h - reads all that a version of the database names - every block, every row, every index - and tells all that is wrong with it. */
#ifndef OMEN_DB_INSPECT_H
#define OMEN_DB_INSPECT_H

#include "db/db.h"
#include "db/findings.h"

/* A part that is to be written anew. */
typedef struct omen_damaged_part { uint32_t coll, part; } omen_damaged_part;

typedef struct omen_inspect {
    omen_db *db;
    omen_db_version *version; /* a reference */
    omen_findings *findings;
    bool mend;                /* rows that cannot be read are dead from now on, and damaged parts bare: nobody else has the version */
    enum { OMEN_INSPECT_BLOCKS, OMEN_INSPECT_CONTENT, OMEN_INSPECT_ROWS, OMEN_INSPECT_INDEXES } stage;
    uint32_t coll, part, field, row;
    bool damaged;             /* the part that is looked at */
    uint64_t bad_blocks;
    omen_segment_check blocks;
    omen_part_check *content;
    omen_index_check *index;
    bool index_surveyed;
    omen_part_docs *docs;     /* where the documents of the part begin; NULL: not asked yet */
    omen_buf doc, vector;
    omen_part_doc_place doc_place;
    omen_buf parts;           /* omen_damaged_part: outcome */
} omen_inspect;

/* findings is borrowed. */
void omen_inspect_init(omen_inspect *a, omen_db *db, omen_findings *findings, bool mend);
void omen_inspect_deinit(omen_inspect *a);
/* Step: repeat on PENDING. Damage is no failure. OMEN_ERR_IO, _MEMORY. */
omen_status omen_inspect_step(omen_inspect *a, omen_error *err);

/* The same of a database that is open, with findings of its own. */
typedef struct omen_inspect_op omen_inspect_op;
OMEN_LATER omen_status omen_inspect_op_new(omen_db *db, omen_inspect_op **out, omen_error *err);
OMEN_LATER omen_status omen_inspect_op_step(omen_inspect_op *op, omen_error *err); /* step */
OMEN_LATER omen_status omen_inspect_op_report(const omen_inspect_op *op, omen_buf *out); /* findings.h; appended */
uint64_t omen_inspect_op_damage(const omen_inspect_op *op);
OMEN_LATER void omen_inspect_op_free(omen_inspect_op *op); /* NULL is fine */

#endif
