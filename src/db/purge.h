/* purge.h - erasing records for good: deleting them, rewriting every file that still has their bytes, and looking whether any are left.
 *
 *   delete    as any delete
 *   flush     what the tables hold comes into segments, without what was deleted; the logs that had it are removed
 *   rewrite   every segment of the collection that has a row of one of the ids, live or dead, is rewritten by itself: its live rows, and with them everything that is
 *             made of them (ids, filters, documents, columns, words, vectors). Its indexes go with it, and are built again from the new one
 *   settle    the old files are removed, once nobody reads them any more, and the removals made durable
 *   scan      no file is there that the database does not name; every row of every segment of the collection is decoded, and none has one of the ids; logs are
 *             searched for the bytes of the ids, documents and vectors. Manifests hold names of collections and files, and nothing of records
 * Other writes go on meanwhile. A record written again under a purged id is a new record, and stays. */
#ifndef OMEN_DB_PURGE_H
#define OMEN_DB_PURGE_H

#include "base/later.h"
#include "db/write.h"

/* Ids of one purge: each is looked for in every segment. */
#define OMEN_PURGE_MAX 65536u

typedef struct omen_purge_op omen_purge_op;

/* unsearched: ids, documents and vectors that are too short or too many for logs to be searched for them. */
typedef struct omen_purge_outcome { uint64_t deleted, rewritten, files, bytes, rows, again, unsearched; } omen_purge_outcome;

/* The ids as rows (omen_rows_from_ids, or columns of a message): copied. OMEN_ERR_ID, _TOO_LARGE, _READ_ONLY, _MEMORY. */
omen_status omen_purge_op_new(omen_db *db, omen_coll *coll, const omen_rows *ids, omen_purge_op **out, omen_error *err);
/* Works for about budget_ns (0: to the end), or until it has to wait for readers of this process that keep old files (omen_purge_op_waits): then the caller lets others have
 * their turn for a moment. Step: repeat while it answers OMEN_PENDING, or OMEN_OK and not *done.
 * OMEN_ERR_BUSY: a search, a backup or another reader kept old files for five seconds, or 5,000 steps: the records are deleted, their bytes are not gone yet; purge again. */
omen_status omen_purge_op_step(omen_purge_op *p, uint64_t budget_ns, bool *done, omen_error *err);
bool omen_purge_op_waits(const omen_purge_op *p); /* after a step that answered OMEN_OK */
const omen_purge_outcome *omen_purge_op_outcome_of(const omen_purge_op *p);
OMEN_LATER void omen_purge_op_free(omen_purge_op *p); /* NULL is fine */

#endif
