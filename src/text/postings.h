/* postings.h - which rows of a part have which terms: the inverted index of one field, written once into sections of a segment.
 *
 * A term is 1 to OMEN_TERM_BYTES bytes: a word of a text field, or, in a field of sparse vectors, an index as 4 bytes, the highest first, so that
 * bytes sort as numbers do. For each term: the rows that have it, ascending; for each row how often (text) or with what weight (sparse);
 * and, where positions are kept, where.
 *
 * The length of a row is how many terms were added for it. It is kept as one byte: up to 31 as it is, above with four bits after the leading one, cut
 * off (omen_length_code). Every score is computed from the length that byte stands for, everywhere, in memory too: at most 1/17 below the truth,
 * never above it. Totals are exact. Weights of sparse vectors are kept as plain f32: they are already a lossy code of the text they were learned from,
 * and plain ones need no second pass.
 *
 * Sections, for each field; numbers are little-endian:
 *   META (64 bytes)
 *        0  8  magic "OMENTXT1"
 *        8  4  version, 1
 *       12  4  flags: 1 positions, 2 weights (never both)
 *       16  4  rows of the part
 *       20  4  terms
 *       24  4  groups of terms: terms / OMEN_POSTINGS_GROUP, rounded up
 *       28  4  rows that have a term
 *       32  8  terms added, over all rows: the sum of exact lengths
 *       40  4  tag of the writer's, such as the analyzer's version
 *       44 20  zeros
 *   TOP, which stays in memory while the part is open: for each group and once after the last
 *        8  where the group begins in TERMS (the last: TERMS' length)
 *     then for each group and once after the last
 *        4  where its first term begins in the bytes that follow (the last: their length)
 *     then the bytes of all first terms
 *   TERMS: groups of OMEN_POSTINGS_GROUP terms, the last may be smaller, in the order of their bytes
 *        8  where the first term's list begins in LISTS
 *        8  the same in POSITIONS
 *        4  its first entry in HEADS
 *        4  terms in the group
 *     then each term
 *        1  how many bytes it has in common with the term before (the first: 0)
 *        1  how many it has beyond those
 *           these
 *           df: how many rows have it (at least 1)      \
 *           bytes of its list in LISTS                   > variable length: 7 bits a byte, low ones first, bit 7 says that more follow
 *           with positions: its bytes in POSITIONS      /
 *        8  impact of the list
 *   LISTS: for each term its blocks of OMEN_POSTINGS_BLOCK rows, the last may be smaller
 *        1  width r of a row, 0 to 32
 *        1  width t of a count, 0 to 24; with weights 32
 *           each row's distance to the one before it, less one, in r bits; the list's first counts from -1; packed, low bits first, to whole bytes
 *           each row's count, less one, in t bits, packed in the same way; with weights f32s
 *   HEADS: for each block of the terms of more than OMEN_POSTINGS_BLOCK rows, 20 bytes
 *        4  last row
 *        4  where the block begins, from the beginning of the list
 *        4  where its positions begin, from the beginning of the term's
 *        8  impact
 *   POSITIONS: for each row of each list as many positions as the count says, variable length, each less the one before it in the row
 *   LENGTHS: a byte a row; not with weights
 *
 * An impact bounds what any row of a block can score whatever the statistics and parameters are. Text: up to four pairs of count (1 byte, 255: that
 * or more; 0: no more pairs) and length (1 byte, coded): each row of the block has a count at most and a length at least that of one of the pairs.
 * Weights: the greatest and the least weight as f32.
 *
 * Opening checks META and TOP; whatever else a reader follows is checked when it is read. That impacts are what they should be and terms sorted is checked
 * by omen_postings_verify. Blocks with a maximum each: Ding and Suel, Faster top-k document retrieval using block-max indexes, SIGIR 2011; packed
 * blocks after Lemire and Boytsov, Decoding billions of integers per second through vectorization, 2015; pairs as impacts after
 * Grand, Muir, Ferenczi and Lin, From MaxScore to block-max WAND: the story of how Lucene significantly improved query evaluation performance, ECIR 2020.
 */
#ifndef OMEN_TEXT_POSTINGS_H
#define OMEN_TEXT_POSTINGS_H

#include "store/segment.h"

enum {
    OMEN_SECTION_TEXT_META = 20,
    OMEN_SECTION_TEXT_TOP = 21,
    OMEN_SECTION_TEXT_TERMS = 22,
    OMEN_SECTION_TEXT_HEADS = 23,
    OMEN_SECTION_TEXT_LISTS = 24,
    OMEN_SECTION_TEXT_POSITIONS = 25,
    OMEN_SECTION_TEXT_LENGTHS = 26
};

#define OMEN_TERM_BYTES 255u
#define OMEN_POSTINGS_BLOCK 128u
#define OMEN_POSTINGS_GROUP 32u
#define OMEN_POSTINGS_META 64u
#define OMEN_POSTINGS_HEAD 20u
#define OMEN_POSTINGS_GROUP_HEAD 24u
#define OMEN_POSTINGS_VERSION 1u
#define OMEN_POSTINGS_COUNT_MAX ((1u << 24) - 1) /* a row that has a term more often counts as one that has it that often */
enum { OMEN_POSTINGS_POSITIONS = 1, OMEN_POSTINGS_WEIGHTS = 2 };
/* A block of a list at its longest, and bytes behind it that unpacking may read. */
#define OMEN_POSTINGS_BLOCK_BYTES (2u + OMEN_POSTINGS_BLOCK * 8u)
#define OMEN_POSTINGS_SLACK 8u
#define OMEN_POSTINGS_GROUP_BYTES (OMEN_POSTINGS_GROUP_HEAD + OMEN_POSTINGS_GROUP * (2u + OMEN_TERM_BYTES + 5u + 10u + 10u + 8u))

/* The byte that stands for a length, and the length it stands for. Monotone. */
static inline uint8_t omen_length_code(uint32_t length) {
    if (length < 16) return (uint8_t)length;
    uint32_t log2 = 31u - (uint32_t)__builtin_clz(length);
    return log2 > 18 ? 255 : (uint8_t)((log2 - 3) << 4 | (length >> (log2 - 4) & 15));
}
static inline uint32_t omen_length_of(uint8_t code) { return code < 16 ? code : (16u + (code & 15u)) << ((code >> 4) - 1); }

typedef struct omen_impact { uint8_t bytes[8]; } omen_impact;

/* ---- building ---- */

typedef struct omen_postings_builder omen_postings_builder;
typedef struct omen_postings_options {
    bool positions;
    bool weights; /* sparse vectors: omen_postings_add_weight instead of omen_postings_add */
    uint32_t tag;
} omen_postings_options;

/* One for each field of a part. Used by one thread at a time. All answer OMEN_OK or OMEN_ERR_MEMORY; after a failure only free it. */
omen_status omen_postings_builder_new(omen_mem *m, const omen_postings_options *o, omen_postings_builder **out);
void omen_postings_builder_free(omen_postings_builder *b); /* NULL is fine */
/* What is added next belongs to this row, which lies behind all before it. Rows left out have no term. */
omen_status omen_postings_row(omen_postings_builder *b, uint32_t row);
/* len 1 to OMEN_TERM_BYTES. Positions of one term in a row ascend. */
omen_status omen_postings_add(omen_postings_builder *b, const void *term, size_t len, uint32_t position);
/* Each index at most once a row; a finite weight. */
omen_status omen_postings_add_weight(omen_postings_builder *b, uint32_t index, float weight);
size_t omen_postings_builder_bytes(const omen_postings_builder *b);
/* Writes the sections of `field`, once, after the last row; rows: of the part. The same rows give the same bytes. Never pends. */
omen_status omen_postings_builder_write(omen_postings_builder *b, omen_segment_writer *w, uint32_t field, uint32_t rows, omen_error *err);

/* The term of an index of sparse vectors. */
static inline void omen_postings_index_term(uint32_t index, uint8_t term[4]) {
    for (unsigned i = 0; i < 4; i++) term[i] = (uint8_t)(index >> (24 - 8 * i));
}

/* ---- reading ---- */

/* Immutable once open: any number of threads may read at once. */
typedef struct omen_postings {
    omen_store *store;
    omen_segment *segment;
    const omen_section *terms, *heads, *lists, *positions, *lengths;
    uint32_t field, flags, rows, term_count, groups, rows_with, tag;
    uint64_t total_length;
    uint8_t *top;
    size_t top_len, done;
    uint32_t stage;
} omen_postings;

/* Step: repeat on PENDING with the same *out, NULL at first. A segment without the field's META gives OMEN_OK and NULL. On a final failure *out is freed
 * and NULL. The segment must stay open longer. */
omen_status omen_postings_open(omen_store *st, omen_segment *segment, uint32_t field, omen_postings **out, omen_error *err);
void omen_postings_close(omen_postings *p); /* NULL is fine */
size_t omen_postings_bytes(const omen_postings *p);
omen_status omen_postings_damaged(const omen_postings *p, const char *what, omen_error *err);

/* Where a term's rows are. */
typedef struct omen_term_ref {
    uint32_t df;
    uint32_t heads; /* index of its first in HEADS */
    uint64_t lists, lists_len, positions, positions_len;
    omen_impact impact;
} omen_term_ref;

/* A term of a group. */
typedef struct omen_term_walk {
    const uint8_t *at, *end;
    uint32_t left, len, shared; /* shared: bytes in common with the term before */
    omen_term_ref ref;
    uint8_t term[OMEN_TERM_BYTES + 1];
} omen_term_walk;

/* A group that is being read or has been. Zero-initialise; NONE is no group. Large. */
typedef struct omen_term_group {
    const omen_postings *of;
    uint32_t group;
    bool loaded;
    size_t len, done;
    uint8_t bytes[OMEN_POSTINGS_GROUP_BYTES + OMEN_POSTINGS_SLACK];
} omen_term_group;

/* Reads group `index`, unless it is the one that was read last. [may pend] */
omen_status omen_terms_load(const omen_postings *p, uint32_t index, omen_term_group *g, omen_error *err);
omen_status omen_terms_walk(const omen_term_group *g, omen_term_walk *w, omen_error *err);
/* The next term of the group; *more is false behind the last. */
omen_status omen_terms_next(const omen_postings *p, omen_term_walk *w, bool *more, omen_error *err);
/* The group a term is in if it is anywhere: the last whose first term is not behind it, or 0. */
uint32_t omen_terms_group_of(const omen_postings *p, const uint8_t *term, size_t len);
const uint8_t *omen_terms_first(const omen_postings *p, uint32_t group, uint32_t *len);
int omen_terms_compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);
/* out->df is 0 when no row has it. [may pend] */
omen_status omen_terms_find(const omen_postings *p, omen_term_group *g, const uint8_t *term, size_t len, omen_term_ref *out, omen_error *err);

/* Unpacks one block of `count` rows, of `len` bytes at `bytes` (OMEN_POSTINGS_SLACK more are readable). before: the row before the block, or UINT32_MAX. Rows are below
 * `rows_end`; counts[i] is a count of at least 1 or the bits of a weight. *used, if not NULL: bytes of the block. False: damaged. */
bool omen_postings_unpack(const uint8_t *bytes, size_t len, uint32_t count, uint32_t before, uint32_t rows_end, bool weights, uint32_t *rows, uint32_t *counts, size_t *used);
/* Reads a number of variable length; NULL: it does not end before `end` or is too large. */
static inline const uint8_t *omen_postings_varint(const uint8_t *at, const uint8_t *end, uint64_t *out) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 63 && at != end; shift += 7) {
        uint8_t byte = *at++;
        v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *out = v;
            return at;
        }
    }
    return NULL;
}

/* Reads everything and checks it against everything: order of terms, df, rows, counts, lengths, impacts, positions. Step: repeat on PENDING with the same *state (NULL at
 * first); it is freed when the answer is another. */
typedef struct omen_postings_check omen_postings_check;
omen_status omen_postings_verify(const omen_postings *p, omen_postings_check **state, omen_error *err);
void omen_postings_check_free(const omen_postings *p, omen_postings_check *c);

/* ---- impacts ---- */

/* Makes room in an impact for a row; rows may come in any order, and the result depends on the order only. Begin with zeros. */
void omen_impact_add(omen_impact *i, uint32_t count, uint8_t length_code);
/* Whether an impact covers a row. */
bool omen_impact_covers(const omen_impact *i, uint32_t count, uint8_t length_code);

#endif
