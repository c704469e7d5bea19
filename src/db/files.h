/* files.h - the files in the database's place: which there are, and which of them nobody needs. */
#ifndef OMEN_DB_FILES_H
#define OMEN_DB_FILES_H

#include "db/db.h"

/* Lies beside the files of a restore or clone from its first moment to its last. */
#define OMEN_UNFINISHED "unfinished"

typedef struct omen_files {
    omen_buf names; /* omen_file_name each: ours */
    bool foreign;   /* there are others */
    bool unfinished; /* the mark of a restore or clone that has not come to its end */
    bool failed;    /* out of memory inside the host's callback */
    uint32_t clean; /* the next that omen_files_clean looks at */
} omen_files;

static inline uint32_t omen_files_count(const omen_files *f) { return (uint32_t)(f->names.len / sizeof(omen_file_name)); }
static inline const char *omen_files_at(const omen_files *f, uint32_t i) { return ((const omen_file_name *)(const void *)f->names.data)[i].text; }

/* Lists them; again when it has pended. */
omen_status omen_files_list(omen_files *f, omen_db *db, omen_error *err);
/* The first number that no segment's file has. */
uint64_t omen_files_next_number(const omen_files *f);
/* Removes logs and segments that neither the manifest nor the log needs, of those listed. Step: repeat on PENDING. */
omen_status omen_files_clean(omen_files *f, omen_db *db, omen_error *err);

#endif
