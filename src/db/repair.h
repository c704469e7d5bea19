/* repair.h - checking and repairing a database by its path, whether or not it can be opened. */
#ifndef OMEN_DB_REPAIR_H
#define OMEN_DB_REPAIR_H

#include "db/admin.h"
#include "db/inspect.h"
#include "db/salvage.h"

typedef struct omen_repair_op omen_repair_op;
/* options are resolved. write: what is damaged is written anew; else the database is opened for reading only and nothing changes. later: as of salvage.h.
 * Memory is not limited. OMEN_ERR_MEMORY, _INVALID. */
omen_status omen_repair_op_new(const char *path, const omen_options *options, bool write, bool later, omen_repair_op **out, omen_error *err);
/* Step: repeat on PENDING. OK: the report tells. Errors as of opening, but damage is none, unless nothing can be done about it: OMEN_ERR_CORRUPT. */
omen_status omen_repair_op_step(omen_repair_op *op, omen_error *err);
/* findings.h; appended. Also after a failure. */
omen_status omen_repair_op_report(const omen_repair_op *op, omen_buf *out);
bool omen_repair_op_mended(const omen_repair_op *op);     /* the repaired database is durable, whatever fails afterwards */
uint64_t omen_repair_op_damage(const omen_repair_op *op); /* places */
omen_mem *omen_repair_op_mem(omen_repair_op *op);
void omen_repair_op_free(omen_repair_op *op); /* NULL is fine */

#endif
