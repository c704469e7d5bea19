/* workload.h - the golden workload: a fixed course of writes and questions. Every build on every machine must leave the same
 * files and give the same answers, to the bit; tests/golden/ has the same course in JavaScript.
 *
 * It speaks only to omendb.h, so that it runs on any host. */
#ifndef OMEN_GOLDEN_WORKLOAD_H
#define OMEN_GOLDEN_WORKLOAD_H

#include "omendb.h"

/* FNV-1a, 64 bits: enough to tell whether bytes are equal, and short enough to write in any language. */
#define GOLDEN_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t golden_hash(uint64_t hash, const void *bytes, size_t len);

/* Runs the workload on the place that `options` gives (host, storage or path) and answers a hash over every answer.
 * Sets databaseId and manual maintenance itself. The database is closed afterwards, whatever the answer. */
omen_status golden_run(const char *path, const omen_options *options, uint64_t *answers);

#endif
