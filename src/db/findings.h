/* findings.h - what is wrong with a database, as a report in JSON: every damage with its place, what is lost with it, what can be made again.
 *
 *   {"ok": bool, "written": bool,
 *    "damage": [{"file", "kind": "manifest" | "log" | "segment" | "index", "section", "field", "block", "offset", "bytes", "holds", "collection",
 *                "loses": bool, "message"}],
 *    "lost": {"records": n, "unnamed": n, "ids": [{"collection", "id"}], "log": [{"file", "offset", "bytes", "fromLsn", "toLsn"}], "segments": [{"file", "collection"}]},
 *    "notes": [text],
 *    "checked": {"segments", "rows", "indexes", "bytes"}}
 *
 * What a place does not have is left out. loses: records go with it; the others are made again from vectors and documents. */
#ifndef OMEN_DB_FINDINGS_H
#define OMEN_DB_FINDINGS_H

#include "base/json.h"
#include "base/key.h"
#include "base/later.h"
#include "store/log.h"

/* Ids that are listed by name; more are counted. */
#define OMEN_FINDINGS_IDS 10000u

typedef struct omen_findings {
    omen_buf damage, ids, log, segments, notes; /* elements of the arrays, with their commas */
    uint64_t count;                             /* of damage */
    uint64_t records, unnamed, named;
    uint64_t checked_segments, checked_rows, checked_indexes, checked_bytes;
    bool failed;                                /* out of memory */
} omen_findings;

void omen_findings_init(omen_findings *f, omen_mem *m);
void omen_findings_deinit(omen_findings *f);

typedef struct omen_damage {
    const char *file, *kind;
    const char *section;            /* NULL: none */
    uint32_t field, block;          /* with a section */
    bool has_place;
    uint64_t offset, bytes;         /* with has_place */
    omen_str collection;            /* empty: none */
    const char *holds;              /* NULL: not said */
    bool loses;
    const char *message;
} omen_damage;
OMEN_LATER void omen_findings_add(omen_findings *f, const omen_damage *d);
/* A record that cannot be read. key NULL: neither can its id. */
void omen_findings_lose(omen_findings *f, omen_str collection, const omen_key *key);
OMEN_LATER void omen_findings_lose_log(omen_findings *f, const omen_log_gap *gap);
void omen_findings_lose_segment(omen_findings *f, uint64_t number, omen_str collection);
void omen_findings_note(omen_findings *f, const char *line);
/* The name of a kind of section ("ids", "documents", ...), and whether its content can be made again from others. */
const char *omen_section_name(uint32_t kind, bool *derived);
omen_status omen_findings_write(const omen_findings *f, bool written, omen_buf *out);

#endif
