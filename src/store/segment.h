/* segment.h - the container of immutable data: named sections of fixed-size blocks, each with its checksum, and a footer that
 * names them. What lies in a section is the business of the room that wrote it. The format stands above segment_format.h.
 *
 * A section is one contiguous, 64-byte aligned run of bytes in the file when it is stored plain (so it is an Arrow buffer as it lies);
 * block_len only says how much one checksum covers and how much is read at once. A section flagged ZSTD is a run of compressed
 * blocks; its raw content is block_len bytes a block (the last one may be shorter).
 */
#ifndef OMEN_STORE_SEGMENT_H
#define OMEN_STORE_SEGMENT_H

#include "store/pool.h"
#include "store/store.h"

#define OMEN_BLOCK_BYTES 65536u
#define OMEN_MAX_BLOCK_BYTES (1u << 20)

enum { OMEN_SECTION_ZSTD = 1u };

typedef struct omen_section {
    uint32_t kind;       /* who wrote it: OMEN_SECTION_* kinds of column/, index/, text/ */
    uint32_t field;      /* which field it belongs to, 0 if none */
    uint32_t flags;
    uint32_t block_len;  /* raw bytes a block */
    uint32_t block_count;
    uint32_t ordinal;    /* position in the footer */
    uint64_t raw_len;    /* bytes of content */
    uint64_t offset;     /* in the file */
    uint64_t stored_len;
} omen_section;

/* ---- writing: sections one after another, streamed to the host ---- */

typedef struct omen_segment_writer omen_segment_writer;
/* Creates file seg-<number>. Step: repeat on PENDING. */
omen_status omen_segment_writer_new(omen_store *st, uint64_t number, omen_segment_writer **out, omen_error *err);
/* block_len: 1 to OMEN_MAX_BLOCK_BYTES. Never pend. (kind, field) must be new in this segment. */
omen_status omen_segment_section_begin(omen_segment_writer *w, uint32_t kind, uint32_t field, uint32_t flags, uint32_t block_len, omen_error *err);
omen_status omen_segment_section_write(omen_segment_writer *w, const void *bytes, size_t len, omen_error *err);
omen_status omen_segment_section_end(omen_segment_writer *w, omen_error *err);
typedef struct omen_segment_info {
    uint64_t number;
    uint64_t length; /* bytes of the file */
    omen_hash128 hash;
} omen_segment_info;
/* Writes footer, syncs, closes. Step: repeat on PENDING. The writer is still to be freed. */
omen_status omen_segment_writer_finish(omen_segment_writer *w, omen_segment_info *out, omen_error *err);
void omen_segment_writer_free(omen_segment_writer *w); /* an unfinished file is left for the next open to remove */

/* ---- reading ---- */

typedef struct omen_segment omen_segment;
/* Opens and validates header and footer (length against info, every section inside the file, no overlap, known flags). Step: repeat on PENDING with the same
 * *out (NULL at first). OMEN_ERR_CORRUPT with the place. On a final failure *out is freed and NULL. */
omen_status omen_segment_open(omen_store *st, const omen_segment_info *info, omen_segment **out, omen_error *err);
void omen_segment_close(omen_segment *s); /* NULL is fine; no block may be pinned */
const omen_segment_info *omen_segment_info_of(const omen_segment *s);
const omen_section *omen_segment_section(const omen_segment *s, uint32_t kind, uint32_t field); /* NULL: absent */
size_t omen_segment_section_count(const omen_segment *s);
const omen_section *omen_segment_section_at(const omen_segment *s, size_t i);
/* Pins one block of a section. [may pend] OMEN_ERR_CORRUPT names file, section and block. Release with omen_block_release(store->pool, b). */
omen_status omen_segment_block(omen_segment *s, const omen_section *sec, uint32_t index, const omen_block **out, omen_error *err);
/* From now on blocks of this section stay in memory once they were read, outside the pool, as long as store->resident has room for them; reading one
 * then takes no lock. For what is read again and again, everywhere. Never fails: without memory nothing is kept. Not while another thread calls it. */
void omen_segment_keep(omen_segment *s, const omen_section *sec);
/* Takes all kept blocks of a segment out of it, onto a list, and counts them no more: to make room. Readers may still be looking at them: whoever takes
 * them frees them once every reader that was there is gone. Later reads keep blocks again, as far as there is room. */
const omen_block *omen_segment_yield(omen_segment *s, const omen_block *list);
void omen_segment_free_yielded(omen_mem *m, const omen_block *list); /* NULL is fine */
/* One row of a section that is stored plain and whose blocks hold whole rows of row_bytes, in place: in a kept block, in one of the pool's (then
 * *pin is to be released), or in `buffer` (row_bytes and 64 more; NULL: never there). A row whose block was verified once is read alone when the block is
 * gone, and verified by a checksum of its own that was taken then: where little memory is had, a whole block is far more than is asked for.
 * [may pend] Errors as omen_segment_block. */
omen_status omen_segment_row(omen_segment *s, const omen_section *sec, uint32_t row, uint32_t row_bytes, uint8_t *buffer, const uint8_t **out, const omen_block **pin,
                             omen_error *err);
/* Where the kept blocks of a section will be found, one pointer a block, until the segment is closed; NULL: nothing is kept. A block's content begins
 * OMEN_KEPT_HEADER bytes behind its address, and 64 bytes behind it are readable. */
#define OMEN_KEPT_HEADER 64u
typedef _Atomic(const omen_block *) omen_kept;
omen_kept *omen_segment_kept(const omen_segment *s, const omen_section *sec);
/* The address of a section's byte if its block is kept and was read, else NULL. */
const uint8_t *omen_segment_peek(const omen_segment *s, const omen_section *sec, uint64_t offset);
/* Copies raw bytes [offset, offset + len) across blocks; `done` keeps the place: 0 at first, repeat on PENDING. Out of range: OMEN_ERR_CORRUPT. */
omen_status omen_segment_read(omen_segment *s, const omen_section *sec, uint64_t offset, size_t len, void *into, size_t *done, omen_error *err);
/* Reads a whole section that is stored plain into `into` (raw_len bytes), past the pool: for what its reader keeps. Large reads, each block checked. `done` as above. */
omen_status omen_segment_load(omen_segment *s, const omen_section *sec, uint8_t *into, size_t *done, omen_error *err);
/* Bytes of the file as they lie in it, past the pool and unchecked: for whoever copies it whole, by its hash. [may pend] */
omen_status omen_segment_raw(omen_segment *s, uint64_t offset, void *into, size_t len, omen_error *err);
/* Verifies every block and the whole file's hash. Step: repeat on PENDING with the same *place (zero-initialised). */
typedef struct omen_segment_check { uint32_t section, block; uint64_t hashed; omen_hasher *hasher; uint8_t *buf; } omen_segment_check;
omen_status omen_segment_verify(omen_segment *s, omen_segment_check *place, omen_error *err);
/* The same of every block, going on past those that are damaged: each is told to `bad`, with where it is stored. The hash is not looked at: OMEN_OK when all
 * blocks were read. OMEN_ERR_IO, _MEMORY. Step as above; the place is for this alone. */
typedef struct omen_segment_bad { void (*each)(void *arg, const omen_section *sec, uint32_t block, uint64_t offset, uint32_t len, const omen_error *why); void *arg; } omen_segment_bad;
omen_status omen_segment_survey(omen_segment *s, omen_segment_check *place, const omen_segment_bad *bad, omen_error *err);
void omen_segment_check_deinit(omen_segment *s, omen_segment_check *place);

#endif
