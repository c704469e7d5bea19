/* Every byte of a segment, changed in every way that matters, and every truncation: the right content or OMEN_ERR_CORRUPT, and
 * verification finds every change. Then wrong footers under a right checksum: nothing but OMEN_ERR_CORRUPT, and no wild allocation. */
#include "test.h"

#include "report.h"

#include "base/hash.h"
#include "segment_model.h"
#include "store/segment_format.h"

#define NAME "seg-0000000000000001"
static const model_section sections[] = {
    {1, 0, 0, 128, 500, 1}, {2, 0, OMEN_SECTION_ZSTD, 256, 700, 0}, {2, 3, OMEN_SECTION_ZSTD, 64, 100, 1}, {4, 0, 0, 64, 0, 0}};
#define COUNT OMEN_ARRAY_LEN(sections)
#define BLOCKS (4 + 3 + 2) /* of all sections, 3 + 2 of them compressed */

static fault_storage *make(omen_segment_info *info) {
    fault_storage *fs = fault_storage_new(1), *settled;
    fixture x;
    fixture_init(&x, fs, 7, 1 << 20);
    CHECK_OK(model_write(&x, 1, sections, COUNT, 90, info));
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    settled = fault_storage_crash(fs, FAULT_CRASH_ALL, 0);
    fault_storage_free(fs);
    return settled;
}

/* *seen: what opening and reading answer; the answer: what verification does. */
static bool opened; /* of the segment examined last */
static omen_status examine(fault_storage *fs, const omen_segment_info *info, omen_status *seen) {
    fixture x;
    omen_segment *seg;
    omen_error err = {0};
    fixture_init(&x, fs, 7, 1 << 20);
    x.mem.limit = x.mem.bytes + (3u << 20);
    omen_status s = *seen = model_open(&x, info, &seg, &err);
    opened = s == OMEN_OK;
    if (opened) {
        *seen = model_read(&x, seg, sections, COUNT, &err);
        s = model_verify(seg, NULL);
    }
    if (*seen == OMEN_ERR_CORRUPT) CHECK(strstr(err.text, NAME) != NULL);
    omen_segment_close(seg);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    return s;
}

TEST(every_byte_of_a_segment) {
    omen_segment_info info;
    fault_storage *fs = make(&info);
    size_t len, checked = 0, unseen = 0;
    omen_status seen;
    const uint8_t *bytes = fault_storage_data(fs, NAME, &len);
    CHECK_OK(examine(fs, &info, &seen));
    CHECK_OK(seen);
    for (size_t at = 0; at < len; at++) {
        for (int how = 0; how < 10; how++) {
            uint8_t to = how < 8 ? (uint8_t)(bytes[at] ^ (1 << how)) : how == 8 ? 0 : 0xff;
            if (to == bytes[at]) continue;
            fault_storage *copy = fault_storage_clone(fs);
            fault_storage_set(copy, NAME, at, to);
            CHECK_STATUS(examine(copy, &info, &seen), OMEN_ERR_CORRUPT);
            if (seen == OMEN_OK) unseen++; /* a byte between sections */
            else CHECK_STATUS(seen, OMEN_ERR_CORRUPT);
            fault_storage_free(copy);
            checked++;
        }
    }
    for (size_t at = 0; at < len; at++) {
        fault_storage *copy = fault_storage_clone(fs);
        fault_storage_cut(copy, NAME, at);
        CHECK_STATUS(examine(copy, &info, &seen), OMEN_ERR_CORRUPT);
        omen_segment_info believed = info;
        believed.length = at; /* and a manifest that would say so */
        CHECK_STATUS(examine(copy, &believed, &seen), OMEN_ERR_CORRUPT);
        fault_storage_free(copy);
    }
    printf("        %zu damaged segments\n", checked);
    omen_test_report("corruption_cases", checked);
    CHECK(unseen < checked / 8);
    fault_storage_free(fs);
}

static void seal(fault_storage *fs) {
    size_t len;
    const uint8_t *p = fault_storage_data(fs, NAME, &len), *trailer = p + len - 32;
    size_t from = (size_t)omen_get64(trailer), n = (size_t)omen_get64(trailer + 8);
    if (from > len || n > len - from) return;
    uint32_t crc = omen_crc32c_portable(omen_crc32c_portable(0, p, 64), p + from, n);
    crc = omen_crc32c_portable(crc, trailer, 20);
    for (size_t i = 0; i < 4; i++) fault_storage_set(fs, NAME, len - 12 + i, (uint8_t)(crc >> (8 * i)));
}

/* An attacker can compute a checksum. Every field of footer and header, set to every hostile value, under a right one. */
TEST(wrong_footers_under_a_right_checksum) {
    static const uint64_t values[] = {0, 1, 2, 63, 64, 65, 127, 4096, 65536, 1u << 20, (1u << 20) + 1, INT32_MAX, UINT32_MAX, UINT64_C(1) << 32, INT64_MAX, UINT64_MAX, UINT64_MAX - 63};
    omen_segment_info info;
    fault_storage *fs = make(&info);
    size_t len, refused = 0, version = 0;
    const uint8_t *bytes = fault_storage_data(fs, NAME, &len);
    size_t footer = (size_t)omen_get64(bytes + len - 32);
    for (size_t place = 0; place < len; place += 4) {
        if (place == 64) place = footer;
        for (size_t v = 0; v < OMEN_ARRAY_LEN(values); v++) {
            for (size_t width = 4; width <= 8; width += 4) {
                if (place + width > len || (place < 64 && place + width > 64)) continue;
                fault_storage *copy = fault_storage_clone(fs);
                omen_status seen;
                for (size_t i = 0; i < width; i++) fault_storage_set(copy, NAME, place + i, (uint8_t)(values[v] >> (8 * i)));
                seal(copy);
                const uint8_t *now = fault_storage_data(copy, NAME, &(size_t){0});
                bool same = memcmp(now, bytes, len) == 0;
                omen_status s = examine(copy, &info, &seen);
                if (same) CHECK_OK(s);
                else if (s == OMEN_ERR_VERSION) version++;
                else CHECK_STATUS(s, OMEN_ERR_CORRUPT);
                /* A wrong header, count, place, stored length or trailer does not open. A section's name, flags, block length and raw length
                 * and the ends of its blocks may happen to be as good as the ones written, and of checksums of blocks opening knows nothing:
                 * then the model finds another section than it wrote (INTERNAL), or reading finds a wrong checksum. */
                size_t in_entry = (place - footer - 16) % 48, tables = footer + 16 + COUNT * 48;
                bool entry = place >= footer + 16 && place < tables, table = place >= tables && place < len - 32;
                bool may_open = table || (entry && (in_entry < 16 || in_entry == 24 || in_entry == 28 || (in_entry == 44 && width == 8))) ||
                                (place == footer + 12 && width == 8);
                if (!same && !may_open) CHECK(!opened);
                if (!same) CHECK(seen == OMEN_ERR_CORRUPT || seen == OMEN_ERR_VERSION || (may_open && seen == OMEN_ERR_INTERNAL));
                refused += !same;
                fault_storage_free(copy);
            }
        }
    }
    CHECK(version > 0);
    CHECK(refused > 1000);
    printf("        %zu hostile footers\n", refused);
    omen_test_report("corruption_cases", refused);
    fault_storage_free(fs);
}

/* A footer built anew: tables as an attacker would have them, all lengths and checksums right. */
typedef struct forgery {
    omen_segment_entry e[8];
    uint32_t crcs[32];
    uint64_t ends[32];
    uint32_t sections, blocks, zstd;
    size_t gap; /* between the last section and the footer */
} forgery;

static bool opens(const fault_storage *from, const forgery *f) {
    static uint8_t image[65536];
    size_t len;
    const uint8_t *bytes = fault_storage_data(from, NAME, &len);
    size_t at = (size_t)omen_get64(bytes + len - 32), footer = at + f->gap;
    memset(image, 0, sizeof image);
    memcpy(image, bytes, at);
    uint8_t *p = image + footer;
    omen_put32(p, f->sections);
    omen_put32(p + 4, f->blocks);
    omen_put32(p + 8, f->zstd);
    p += 16;
    memcpy(p, f->e, f->sections * sizeof f->e[0]);
    p += f->sections * sizeof f->e[0];
    memcpy(p, f->crcs, f->blocks * 4);
    p += f->blocks * 4;
    memcpy(p, f->ends, f->zstd * 8);
    p += f->zstd * 8;
    omen_put64(p, footer);
    omen_put64(p + 8, (uint64_t)(p - image) - footer);
    omen_put32(p + 16, 1);
    memcpy(p + 24, "OMENEND1", 8);
    fault_storage *fs = fault_storage_new(1);
    omen_segment_info info = {.number = 1, .length = (uint64_t)(p - image) + 32};
    omen_status seen;
    fault_storage_put(fs, NAME, image, (size_t)info.length);
    seal(fs);
    CHECK_STATUS(examine(fs, &info, &seen), OMEN_ERR_CORRUPT); /* the hash, if nothing else */
    fault_storage_free(fs);
    return opened;
}

TEST(forged_tables) {
    omen_segment_info info;
    fault_storage *fs = make(&info);
    size_t len;
    const uint8_t *bytes = fault_storage_data(fs, NAME, &len), *footer = bytes + omen_get64(bytes + len - 32);
    forgery good = {.sections = COUNT, .blocks = BLOCKS, .zstd = 5}, f;
    CHECK_EQ_UINT(omen_get32(footer + 4), BLOCKS);
    memcpy(good.e, footer + 16, COUNT * 48);
    memcpy(good.crcs, footer + 16 + COUNT * 48, BLOCKS * 4);
    memcpy(good.ends, footer + 16 + COUNT * 48 + BLOCKS * 4, 5 * 8);
    CHECK(opens(fs, &good));

#define FORGED(change)                       \
    do {                                     \
        f = good;                            \
        change;                              \
        if (CHECK(!opens(fs, &f))) break;    \
        printf("        %s\n", #change);     \
    } while (0)
    FORGED(f.gap = 64);
    FORGED(f.blocks++);
    FORGED((f.blocks++, f.zstd++));
    FORGED((f.e[1].kind = f.e[0].kind, f.e[1].field = f.e[0].field));
    FORGED(f.e[0].offset = 128);
    FORGED(f.e[1].offset = f.e[0].offset);
    FORGED((f.e[3].raw_len = f.e[3].stored_len = 64, f.e[3].block_count = 1));                 /* a block the table does not have */
    FORGED((f.e[3].raw_len = f.e[3].stored_len = 64, f.e[3].block_count = 1, f.blocks++));     /* content beyond the footer */
    FORGED((f.e[3].raw_len = f.e[3].stored_len = UINT64_C(1) << 40, f.e[3].block_len = 1 << 20, f.e[3].block_count = 1 << 20));
    FORGED((f.e[3].flags = 1, f.e[3].stored_len = 64));                                       /* compressed nothing */
    FORGED((f.e[3].flags = 1, f.e[3].raw_len = 64, f.e[3].block_count = 1, f.blocks++));       /* a block without an end */
    FORGED((f.e[3].flags = 1, f.e[3].raw_len = 64, f.e[3].block_count = 1, f.blocks++, f.zstd++)); /* an empty block */
    FORGED(f.ends[3] = 99);                                                                   /* longer than its content */
    FORGED(f.ends[3] = f.ends[4]);
    FORGED(f.ends[4]++);
    FORGED(f.e[0].block_len = (1 << 20) + 1);
    FORGED((f.e[0].block_len = (1 << 20) + 1, f.e[0].block_count = 1));
    FORGED(f.e[0].flags = 2);
    FORGED(f.e[0].zero = 1);
    FORGED(f.zstd = f.blocks + 1);
#undef FORGED
    fault_storage_free(fs);
}

/* Negative control: block checksums are what keeps changed content out. */
TEST(a_forged_block_checksum_is_believed_until_verified) {
    omen_segment_info info;
    fault_storage *fs = make(&info);
    size_t len;
    omen_status seen;
    const uint8_t *bytes = fault_storage_data(fs, NAME, &len);
    size_t footer = (size_t)omen_get64(bytes + len - 32);
    fault_storage_xor(fs, NAME, 64 + 5, 1);
    uint32_t crc = omen_crc32c_portable(0, bytes + 64, 128);
    for (size_t i = 0; i < 4; i++) fault_storage_set(fs, NAME, footer + 16 + COUNT * 48 + i, (uint8_t)(crc >> (8 * i)));
    seal(fs);
    CHECK_STATUS(examine(fs, &info, &seen), OMEN_ERR_CORRUPT);
    CHECK_STATUS(seen, OMEN_ERR_INTERNAL); /* the model's word for wrong data */
    fault_storage_free(fs);
}

TEST_MAIN()
