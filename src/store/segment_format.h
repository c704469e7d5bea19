/* segment_format.h - the bytes of a segment file, seg-<number>.
 *
 * All numbers are little-endian. Sections follow one another, each at the next multiple of 64; zeros fill the gaps.
 *
 *   header (64 bytes, at 0)
 *        0      8  magic         "OMENSEG1"
 *        8      4  version       OMEN_SEGMENT_VERSION
 *       12     52  zeros
 *   sections, the first at 64
 *   footer, at the first multiple of 64 after the last section
 *        0      4  section_count at most OMEN_SEGMENT_MAX_SECTIONS
 *        4      4  block_count   of all sections
 *        8      4  zstd_count    of those, blocks of ZSTD sections
 *       12      4  zero
 *       16     48  for each section, in the order in which they lie in the file:
 *               0  4  kind            4  4  field          (kind, field) is unique
 *               8  4  flags           OMEN_SECTION_*, others 0
 *              12  4  block_len       1 to OMEN_MAX_BLOCK_BYTES
 *              16  4  block_count     raw_len / block_len, rounded up
 *              20  4  zero
 *              24  8  raw_len
 *              32  8  offset          the next multiple of 64 after the section before
 *              40  8  stored_len      plain: raw_len; ZSTD: the sum of the stored blocks
 *               .  4  for each block of all sections in order: CRC32C of its stored bytes
 *               .  8  for each block of the ZSTD sections in order: where its stored bytes end, from the start of the section.
 *                     A block is never empty and never longer than its raw content; one as long as its content is stored as it is,
 *                     a shorter one is one zstd frame
 *   trailer (32 bytes, the end of the file)
 *        0      8  footer_offset
 *        8      8  footer_len
 *       16      4  version       OMEN_SEGMENT_VERSION
 *       20      4  crc           CRC32C of the header, the footer and bytes 0 to 19 of the trailer
 *       24      8  magic         "OMENEND1"
 *
 * A segment is valid if and only if every sentence above holds and the file is exactly as long as the manifest says. Its content is
 * intact if and only if the XXH3-128 of the whole file is the one in the manifest; that is checked by omen_segment_verify, while
 * every read checks the CRC32C of its block. Nothing in the file says when, where, by whom or for which database it was made: equal
 * content gives equal bytes.
 *
 * Later versions keep header, trailer and the rule of the crc, so that a newer segment is known from a damaged one.
 */
#ifndef OMEN_STORE_SEGMENT_FORMAT_H
#define OMEN_STORE_SEGMENT_FORMAT_H

#include "store/segment.h"

#define OMEN_SEGMENT_VERSION 1u
#define OMEN_SEGMENT_HEADER 64u
#define OMEN_SEGMENT_TRAILER 32u
#define OMEN_SEGMENT_TRAILER_CRC 20u
#define OMEN_SEGMENT_FOOTER 16u
#define OMEN_SEGMENT_ENTRY 48u
#define OMEN_SEGMENT_ALIGN 64u
#define OMEN_SEGMENT_MAX_SECTIONS 4096u

typedef struct omen_segment_entry {
    uint32_t kind, field, flags, block_len, block_count, zero;
    uint64_t raw_len, offset, stored_len;
} omen_segment_entry;

/* The struct is the entry: hosts are little-endian (base.h), and nothing in it is padded. */
_Static_assert(sizeof(omen_segment_entry) == OMEN_SEGMENT_ENTRY, "entry");
_Static_assert(offsetof(omen_segment_entry, block_len) == 12, "block_len");
_Static_assert(offsetof(omen_segment_entry, block_count) == 16, "block_count");
_Static_assert(offsetof(omen_segment_entry, raw_len) == 24, "raw_len");
_Static_assert(offsetof(omen_segment_entry, offset) == 32, "offset");
_Static_assert(offsetof(omen_segment_entry, stored_len) == 40, "stored_len");

/* Writes the one valid header. */
static inline void omen_segment_header(uint8_t into[OMEN_SEGMENT_HEADER]) {
    memset(into, 0, OMEN_SEGMENT_HEADER);
    memcpy(into, "OMENSEG1", 8);
    omen_put32(into + 8, OMEN_SEGMENT_VERSION);
}

static inline uint64_t omen_segment_aligned(uint64_t n) {
    return (n + (OMEN_SEGMENT_ALIGN - 1)) & ~(uint64_t)(OMEN_SEGMENT_ALIGN - 1);
}

#endif
