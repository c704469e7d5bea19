/* keys.h - finding the row of an id in a part: a Bloom filter first, then a learned model that says within a proven error where the id is.
 *
 * Every id has an *image*, 64 bits. The rows in ascending order of (image, row) have *places* 0 .. rows-1; the model answers for an image a window of
 * places outside of which it is not. There are three kinds, and the part's ids alone decide which it is:
 *   ROWS    all ids are integers, and rows ascend with them. Image: the integer, its sign bit flipped. A place is a row; ids lie at 9 bytes each
 *   VALUES  all ids are integers, rows in any order. The same image; places are those of KEY_ORDER
 *   HASHES  else. Image: omen_key_hash of the id; places are those of KEY_HASH_ROWS
 * Whatever the window holds is compared with ids themselves: in a part of ROWS by halving, else where KEY_TAGS has the image's tag.
 *
 * Sections, little-endian; all absent in a part without rows.
 *   KEY_MODEL   header (64 bytes)
 *                  0  8  omen_hash64 of all that follows     8  4  version OMEN_KEYS_VERSION   12  4  kind
 *                 16  4  rows       20  4  error E of the kind   24  4  segments, at least 1       28  4  longest run of places with one image
 *                 32  4  blocks of the Bloom filter          36  4  bytes of every id, 0: not all have as many           40 24  zeros
 *               then the segments, 16 bytes each, both columns of numbers strictly ascending:
 *                  0  8  first image    8  4  its place, the first segment's 0    12  4  slope: f32, not negative
 *   KEY_BLOOM   blocks of 32 bytes: the split-block Bloom filter of columns_format.h, of omen_keys_mix of each image
 *   KEY_TAGS    u8 x rows: omen_keys_tag of the image at each place; absent for ROWS
 *
 * The model. An image x in segment s (the last one whose first image is not above x) is expected at p = place(s) + floor(double(x - first(s)) * slope(s)),
 * but not behind the segment's last place. Each segment is the longest that one line from its first point can serve (a cone that shrinks with every point: O'Rourke
 * 1981; as an index: Galakatos et al. 2019, Ferragina and Vinciguerra 2020); it ends after OMEN_KEYS_SEGMENT places at the latest.
 * The bound. For the first place y of every image the writer keeps |slope * dx - dy| <= E - 1 - 2^-3, dx and dy counted from the segment's first point, for a slope in
 * double precision. Rounding that to f32 moves the line by at most 2^-24 * (dy + E) < 2^-3 - 2^-10 while dy < OMEN_KEYS_SEGMENT, the operations on doubles by less than 2^-20,
 * and floor by less than 1, downwards: |p - y| <= E. Lines do not fall, so that for an absent image, too, the place of the next greater one is in
 * [p - E, p + E + longest run], or behind the segment.
 * Conversions and products of doubles are rounded exactly: every host gets the same p.
 */
#ifndef OMEN_COLUMN_KEYS_H
#define OMEN_COLUMN_KEYS_H

#include "base/key.h"
#include "base/mem.h"

enum { OMEN_SECTION_KEY_MODEL = 15, OMEN_SECTION_KEY_BLOOM = 16, OMEN_SECTION_KEY_TAGS = 17 };

#define OMEN_KEYS_VERSION 1u
#define OMEN_KEYS_HEADER 64u
#define OMEN_KEYS_SEGMENT (1u << 20) /* places */
#define OMEN_KEYS_BLOOM_BLOCK 32u
#define OMEN_KEYS_NONE UINT64_MAX

typedef enum omen_keys_kind { OMEN_KEYS_ROWS, OMEN_KEYS_VALUES, OMEN_KEYS_HASHES, OMEN_KEYS_KINDS } omen_keys_kind;

#define OMEN_KEYS_MOST_ERROR 16u
/* E: in a part of ROWS a wider window costs little, being halved, elsewhere each place may cost a look at an id. */
static inline uint32_t omen_keys_error(omen_keys_kind kind) { return kind == OMEN_KEYS_ROWS ? OMEN_KEYS_MOST_ERROR : 12; }

/* ---- images ---- */

/* Whether an id is an integer, and its image then. */
static inline bool omen_keys_value(omen_key key, uint64_t *image) {
    if (key.len != 9 || key.data[0] != 1) return false;
    *image = __builtin_bswap64(omen_get64(key.data + 1));
    return true;
}

/* The image of an id in a part of this kind; false: such an id cannot be there. hash: omen_key_hash(key). */
static inline bool omen_keys_image(omen_keys_kind kind, omen_key key, uint64_t hash, uint64_t *image) {
    *image = hash;
    return kind == OMEN_KEYS_HASHES || omen_keys_value(key, image);
}

/* Spreads an image over 64 bits (finaliser of SplitMix64: Steele, Lea and Flood 2014). */
static inline uint64_t omen_keys_mix(uint64_t image) {
    uint64_t z = (image ^ image >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static inline uint8_t omen_keys_tag(uint64_t mix) { return (uint8_t)(mix >> 32); }

/* ---- the Bloom filter ---- */

/* 10 bits a row: one absent id of 100 passes. 8 where tags behind it stop most of those that pass. */
static inline uint32_t omen_keys_bloom_blocks(omen_keys_kind kind, uint32_t rows) {
    return (uint32_t)(((uint64_t)rows * (kind == OMEN_KEYS_ROWS ? 10 : 8) + 255) / 256);
}
/* Offset of the one block in KEY_BLOOM that tells of an image. */
static inline uint64_t omen_keys_bloom_at(uint64_t mix, uint32_t blocks) { return ((mix >> 32) * blocks >> 32) * OMEN_KEYS_BLOOM_BLOCK; }
void omen_keys_bloom_add(uint8_t *block, uint64_t mix);
/* false: no such image is in the part. */
bool omen_keys_bloom_test(const uint8_t *block, uint64_t mix);

/* ---- the model ---- */

typedef struct omen_keys_segment {
    uint64_t first;
    uint32_t place;
    float slope;
} omen_keys_segment;
_Static_assert(sizeof(omen_keys_segment) == 16, "segment");

/* Immutable once opened, for any number of threads. */
typedef struct omen_keys {
    omen_mem *mem;
    omen_keys_kind kind;
    uint32_t rows, count, error, longest, bloom_blocks, id_bytes;
    omen_keys_segment *segments; /* count, and one behind them at `rows` */
    /* table[i]: the segment of image base + (i << shift); one entry more at the end. So that a segment is found among few. */
    uint64_t base, last;         /* first image of the first and of the last segment */
    uint32_t *table;
    uint32_t shift, entries;
} omen_keys;

/* Reads the bytes of KEY_MODEL; they are copied. rows: those of the part, not 0. OMEN_ERR_CORRUPT says what does not fit, _VERSION, _MEMORY. On failure `out` holds nothing. */
omen_status omen_keys_open(omen_mem *m, const void *bytes, size_t len, uint32_t rows, omen_keys *out, omen_error *err);
void omen_keys_deinit(omen_keys *k); /* zeros are fine */
/* Memory held besides the struct. */
size_t omen_keys_bytes(const omen_keys *k);

/* The segment of an image that is not below k->base. */
static inline const omen_keys_segment *omen_keys_segment_of(const omen_keys *k, uint64_t image) {
    if (image >= k->last) return &k->segments[k->count - 1];
    uint64_t i = (image - k->base) >> k->shift;
    uint32_t low = k->table[i], n = k->table[i + 1] - low + 1;
    while (n > 1) {
        uint32_t half = n / 2;
        low = k->segments[low + half].first <= image ? low + half : low;
        n -= half;
    }
    return &k->segments[low];
}

/* The places [*from, *to), never more than 2 * k->error + k->longest, where an image is if it is there at all; none: *from == *to.
 * Answers the expected place. */
static inline uint32_t omen_keys_window(const omen_keys *k, uint64_t image, uint32_t *from, uint32_t *to) {
    if (image < k->base) return *from = *to = 0;
    const omen_keys_segment *s = omen_keys_segment_of(k, image);
    uint32_t end = s[1].place;
    double at = (double)(image - s->first) * (double)s->slope;
    uint64_t steps = (uint64_t)(int64_t)(at < 0x1p32 ? at : 0x1p32), most = end - s->place - 1;
    uint32_t p = s->place + (uint32_t)OMEN_MIN(steps, most);
    *from = p - s->place > k->error ? p - k->error : s->place;
    *to = end - p > k->error + k->longest ? p + k->error + k->longest : end;
    return p;
}

/* Which of n tags (up to 64; `tags` is readable up to the next multiple of 8) are `tag`: a bit for each, of which omen_keys_matched tells which one it is. */
static inline uint64_t omen_keys_match(const uint8_t *tags, uint32_t n, uint8_t tag) {
    const uint64_t low7 = UINT64_C(0x7F7F7F7F7F7F7F7F), all = UINT64_C(0x0101010101010101) * tag;
    uint64_t found = 0;
    if (n == 0) return 0;
    for (uint32_t i = 0; i < n; i += 8) {
        uint64_t x = omen_get64(tags + i) ^ all;
        found |= (~(((x & low7) + low7) | x | low7)) >> (7 - i / 8); /* the highest bit of each byte that is zero */
    }
    uint32_t last = (n - 1) / 8, behind = n - last * 8; /* bytes of the last word that count */
    return found & ~(UINT64_C(0x0101010101010101) << (8 * behind - 8) << 8 << last);
}
/* The tag of the lowest bit: the byte in its word, and the word. */
static inline uint32_t omen_keys_matched(uint64_t found) {
    uint32_t bit = (uint32_t)__builtin_ctzll(found);
    return bit / 8 + bit % 8 * 8;
}

/* Place of an integer among n ids of a part of ROWS, 9 bytes each, of which `expected` is looked at first. n: not there. */
uint32_t omen_keys_search(const uint8_t *ids, uint32_t n, uint32_t expected, uint64_t image);

/* ---- writing ---- */

/* Learns images in ascending order, repeated ones as often as they occur. Zero-initialise through omen_keys_builder_init. */
typedef struct omen_keys_builder {
    omen_buf bytes;
    omen_keys_kind kind;
    uint32_t rows, places, count, run, longest, id_bytes;
    omen_keys_segment open; /* the segment that grows */
    uint64_t last;
    double cone;      /* E - 1 - 2^-3 */
    double low, high; /* slopes that serve it */
} omen_keys_builder;

/* id_bytes: as in the header. */
void omen_keys_builder_init(omen_keys_builder *b, omen_mem *m, omen_keys_kind kind, uint32_t rows, uint32_t id_bytes);
void omen_keys_builder_deinit(omen_keys_builder *b);
/* OMEN_ERR_MEMORY. */
omen_status omen_keys_builder_add(omen_keys_builder *b, uint64_t image);
/* After `rows` images (at least one): the bytes of KEY_MODEL are b->bytes. */
omen_status omen_keys_builder_finish(omen_keys_builder *b);

#endif
