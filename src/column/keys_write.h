/* keys_write.h - between part_writer.c, which gathers the ids of a part, and keys_write.c, which writes what finds them. */
#ifndef OMEN_COLUMN_KEYS_WRITE_H
#define OMEN_COLUMN_KEYS_WRITE_H

#include "base/sort.h"
#include "column/keys.h"
#include "store/segment.h"

/* The ids of all rows, in order of rows. */
typedef struct omen_keys_source {
    uint32_t rows;            /* not 0 */
    const uint8_t *bytes;     /* ids, back to back */
    const uint32_t *offsets;  /* rows + 1 */
    omen_keyed *keyed;        /* for each row (omen_key_hash of its id, row); spent */
    omen_keyed *scratch;      /* as many; spent */
    uint32_t *order;          /* as many numbers, for KEY_ORDER */
} omen_keys_source;

/* Writes KEY_ORDER and the sections of keys.h, between two others. Never pends. OMEN_ERR_MEMORY, and what writing gives. */
omen_status omen_keys_write(omen_mem *m, const omen_keys_source *source, omen_segment_writer *out, omen_error *err);

#endif
