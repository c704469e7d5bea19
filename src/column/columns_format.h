/* columns_format.h - the bytes of a part's columns: what its documents hold, by path, in typed arrays.
 *
 * A *column* is a path, in the canonical form of filter.h: the names of nested members, joined by dots; a backslash stands before each "." and each
 * backslash that is in a name, and before a "$" at the beginning of the whole. Of members with one name in one object the first counts. Paths of up to OMEN_COLUMN_DEPTH names and OMEN_COLUMN_MAX_PATH bytes become columns, in the
 * order in which they are first met, up to OMEN_COLUMN_MAX; flags say when that was not enough. An array is a value of its path; objects
 * inside arrays are not descended.
 *
 * What a row has at a path is one of: nothing (missing); null; an object (its members have columns of their own); a boolean, integer (that fits int64),
 * float (any other number; an integer beyond int64 as the nearest double), or string (up to OMEN_COLUMN_MAX_STRING bytes); an array; or a longer
 * string, which is only in the document. Rows of the last sort are marked in `others`; so are arrays with such an element. Elements that
 * are objects or arrays have a slot without value. Values are written in *series*: one array for each type that occurs, so
 * that a column of mixed types has several. A series of level 0 has a slot for each row; one of level 1 a slot for each element of all
 * arrays of the column, one after another. Strings of a level that are all times by omen_time_parse have, beside their series, one of instants (TIME).
 *
 * Sections, little-endian; each buffer below begins at a multiple of 64 in its section, one of at least 256 KiB at a multiple of 64 KiB; zeros
 * fill the gaps. Offsets count from the start of their section; OMEN_COLUMN_NONE: there is no such buffer.
 *   COLUMNS     the directory: a header, the columns in ascending order of path (bytes), the series, the paths' text
 *   COLUMN_STATISTICS   zones, Bloom filters, quantiles, common values; absent when empty
 *   COLUMN_DATA         values and bitmaps, laid out as Arrow's; absent when empty
 *
 *   header (64 bytes)
 *        0  4  version  OMEN_COLUMNS_VERSION      4  4  rows          8  4  columns        12  4  series
 *       16  4  flags    OMEN_COLUMNS_*           20  4  text_len     24  8  statistics_len 32  8  data_len    40 24  zeros
 *   column (104 bytes), see omen_column; its series follow one another in ascending order of (level, type)
 *   series (120 bytes), see omen_series
 *
 * Bitmaps (data) have a bit for each slot, lowest first, rounded up to 8 bytes, zeros behind the last.
 *   present: the path is there, be it null. Absent when present is 0 or all rows
 *   nulls, objects, arrays, others: as above; absent when there are none
 *   element_nulls: a bit for each element
 *   validity of a series: the slot holds a value of its type. Absent when all slots do
 * array_offsets (data): u32 x (rows + 1), the first 0, the last `elements`: where the elements of a row begin. Rows without array have none
 * values (data) of a series; a slot without value holds zeros
 *   INT, TIME    value - min as unsigned numbers of `width` bytes: 0 (all are min; no buffer), 1, 2, 4, 8
 *   FLOAT        f64 x slots, width 8
 *   BOOL         a bitmap, width 0
 *   STRING       with a dictionary: code of each slot, width 1 or 2 (0: one entry), and the dictionary, its entries ascending and unique by bytes:
 *                offsets u32 x (dict_count + 1) and bytes. Without: dict_count 0, offsets of width 4 or 8, slots + 1, and bytes. bytes_len is
 *                the last offset, the first is 0
 * Keys. Statistics see every value as a signed 64-bit key that sorts like the values: of an integer or instant itself; of a float its bits, all but the
 * sign flipped when negative; of a boolean 0 or 1; of a string with a dictionary its code, of another its first 8 bytes as a big-endian
 * number, sign bit flipped.
 * Statistics
 *   min, max of a series: keys
 *   distinct: exact with dictionary or EXACT, else about 2.3 % off (HyperLogLog: Flajolet et al. 2007, estimator of Ertl 2017)
 *   zones: for each block of OMEN_COLUMN_BLOCK rows: i64 min, i64 max, u32 count, u32 zero; absent for a part of one block
 *   quantiles: OMEN_COLUMN_QUANTILES + 1 keys of a sample of equal steps, from its least to its greatest
 *   common: common_count values with counts, i64 key, u32 count, u32 zero each, ascending: all of them (EXACT), or the frequent ones of the sample
 *           With a dictionary: u32 x dict_count, the number of slots of each entry
 *   bloom: bloom_blocks blocks of 32 bytes, for INT and for STRING without a dictionary: the split-block Bloom filter of Putze,
 *          Sanders and Singler (2007), 8 words of 32 bits with one bit each, of omen_hash64 of the value (i64, or the bytes)
 */
#ifndef OMEN_COLUMN_COLUMNS_FORMAT_H
#define OMEN_COLUMN_COLUMNS_FORMAT_H

#include "base/base.h"
#include "base/hash.h"

enum { OMEN_SECTION_COLUMNS = 12, OMEN_SECTION_COLUMN_STATISTICS = 13, OMEN_SECTION_COLUMN_DATA = 14 };

#define OMEN_COLUMNS_VERSION 1u
#define OMEN_COLUMNS_HEADER 64u
#define OMEN_COLUMN_NONE UINT64_MAX
#define OMEN_COLUMN_MAX 256u
#define OMEN_COLUMN_DEPTH 8u
#define OMEN_COLUMN_MAX_PATH 1024u
#define OMEN_COLUMN_MAX_STRING 256u
#define OMEN_COLUMN_BLOCK 4096u
#define OMEN_COLUMN_QUANTILES 64u
#define OMEN_COLUMN_COMMON 32u    /* frequent values kept of a sample */
#define OMEN_COLUMN_EXACT 1024u   /* values counted one by one */
#define OMEN_COLUMN_DICT 65536u   /* entries of a dictionary */
#define OMEN_COLUMN_LARGE (256u * 1024u)

enum {
    OMEN_COLUMNS_OVERFLOW = 1u, /* there are paths that have no column */
    OMEN_COLUMNS_DEEP = 2u      /* there are paths of more than OMEN_COLUMN_DEPTH names */
};

typedef enum omen_series_type { OMEN_SERIES_BOOL, OMEN_SERIES_INT, OMEN_SERIES_FLOAT, OMEN_SERIES_STRING, OMEN_SERIES_TIME, OMEN_SERIES_TYPES } omen_series_type;

typedef struct omen_column {
    uint32_t path_at, path_len; /* in the text */
    uint32_t first_series, series_count;
    uint32_t present, nulls, objects, arrays, others; /* rows */
    uint32_t elements, element_nulls;
    uint32_t zero;
    uint64_t present_bits, null_bits, object_bits, array_bits, other_bits, array_offsets, element_null_bits; /* in the data */
} omen_column;

typedef struct omen_series {
    uint8_t type, level, width, exact;
    uint32_t count; /* values, never 0 */
    uint32_t dict_count, bloom_blocks;
    uint64_t distinct;
    int64_t min, max;
    uint64_t validity, values, offsets, bytes, bytes_len; /* in the data */
    uint64_t zones, bloom, quantiles, common;             /* in the statistics */
    uint32_t common_count, zero;
} omen_series;

typedef struct omen_zone {
    int64_t min, max;
    uint32_t count, zero;
} omen_zone;

typedef struct omen_common {
    int64_t key;
    uint32_t count, zero;
} omen_common;

_Static_assert(sizeof(omen_column) == 104 && offsetof(omen_column, present_bits) == 48, "column");
_Static_assert(sizeof(omen_series) == 120 && offsetof(omen_series, validity) == 40, "series");
_Static_assert(sizeof(omen_zone) == 24 && sizeof(omen_common) == 16, "statistics");

/* ---- keys ---- */

static inline int64_t omen_float_key(double d) {
    int64_t k;
    d += 0.0; /* -0 becomes +0 */
    memcpy(&k, &d, 8);
    return k < 0 ? k ^ INT64_MAX : k;
}

static inline double omen_key_float(int64_t k) {
    double d;
    if (k < 0) k ^= INT64_MAX;
    memcpy(&d, &k, 8);
    return d;
}

static inline int64_t omen_string_key(const void *p, size_t len) {
    uint8_t head[8] = {0};
    uint64_t k;
    if (len != 0) memcpy(head, p, len < 8 ? len : 8);
    memcpy(&k, head, 8);
    return (int64_t)(__builtin_bswap64(k) ^ UINT64_C(1) << 63);
}

static inline uint64_t omen_bitmap_bytes(uint64_t slots) { return (slots + 63) / 64 * 8; }

/* ---- the Bloom filter ---- */

static inline uint64_t omen_bloom_block(uint64_t hash, uint32_t blocks) { return (hash >> 32) * blocks >> 32; }
static inline uint32_t omen_bloom_bit(uint64_t hash, uint32_t word) {
    static const uint32_t salts[8] = {0x47b6137bu, 0x44974d91u, 0x8824ad5bu, 0xa2b7289du, 0x705495c7u, 0x2df1424bu, 0x9efc4947u, 0x5c6bfb31u};
    return 1u << ((uint32_t)hash * salts[word] >> 27);
}

#endif
