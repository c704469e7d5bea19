/* Segments whose host fails where a write's piece ends, whose bytes cannot be, and what a survey tells of those that are damaged. */
#include "test.h"

#include "fuzz/seal.h"
#include "hooked_store.h"
#include "segment_model.h"

#define Z OMEN_SECTION_ZSTD
#define CHUNK OMEN_WRITE_CHUNK

static uint8_t noise[2u << 20];

static void fill_noise(void) {
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)(test_rand() >> 56);
}

typedef struct scene {
    fault_storage *fs;
    fixture x;
    omen_segment_writer *w;
} scene;

static void begin(scene *s) {
    s->fs = fault_storage_new(1);
    fixture_init(&s->x, s->fs, 7, 4 << 20);
    REQUIRE_OK(omen_segment_writer_new(&s->x.store, 1, &s->w, NULL));
}

/* After a failure a writer answers nothing else. */
static void end_poisoned(scene *s) {
    omen_segment_info info;
    CHECK_STATUS(omen_segment_section_begin(s->w, 99, 0, 0, 512, NULL), OMEN_ERR_POISONED);
    CHECK_STATUS(omen_segment_writer_finish(s->w, &info, NULL), OMEN_ERR_POISONED);
    omen_segment_writer_free(s->w);
    CHECK_EQ_UINT(fixture_deinit(&s->x), 0);
    CHECK_STORAGE(s->fs);
    fault_storage_free(s->fs);
}

static omen_status section(scene *s, uint32_t kind, uint32_t flags, uint32_t block_len, size_t len) {
    OMEN_TRY(omen_segment_section_begin(s->w, kind, 0, flags, block_len, NULL));
    OMEN_TRY(omen_segment_section_write(s->w, noise, len, NULL));
    return omen_segment_section_end(s->w, NULL);
}

/* ---- writing ---- */

/* The piece handed to the host ends in a section's bytes, in the gap before one, in a compressed block that is full, in one that is the last. */
TEST(a_piece_that_cannot_be_written) {
    fill_noise();
    for (int what = 0; what < 4; what++) {
        scene s;
        begin(&s);
        size_t before = CHUNK - OMEN_SEGMENT_HEADER;
        if (what == 1) CHECK_OK(section(&s, 1, 0, 65536, before - 10));
        if (what >= 2) CHECK_OK(section(&s, 1, 0, 65536, before - 64));
        fault_storage_fail_at(s.fs, 1, OMEN_ERR_FULL, false);
        if (what == 0) CHECK_STATUS(section(&s, 1, 0, 65536, before), OMEN_ERR_FULL);
        if (what == 1) CHECK_STATUS(omen_segment_section_begin(s.w, 2, 0, 0, 65536, NULL), OMEN_ERR_FULL);
        if (what >= 2) {
            CHECK_OK(omen_segment_section_begin(s.w, 2, 0, Z, 4096, NULL));
            CHECK_STATUS(omen_segment_section_write(s.w, noise, what == 2 ? 4096 : 4095, NULL), what == 2 ? OMEN_ERR_FULL : OMEN_OK);
            if (what == 3) CHECK_STATUS(omen_segment_section_end(s.w, NULL), OMEN_ERR_FULL);
        }
        CHECK(fault_storage_fault_hit(s.fs));
        end_poisoned(&s);
    }
}

/* The piece ends anywhere in the footer. */
TEST(a_footer_that_cannot_be_written) {
    fill_noise();
    for (size_t before = 64; before <= 384; before += 64) {
        for (int packed = 0; packed < 2; packed++) {
            scene s;
            omen_segment_info info;
            begin(&s);
            CHECK_OK(section(&s, 1, packed ? Z : 0, CHUNK / (packed ? 8 : 32), CHUNK - OMEN_SEGMENT_HEADER - before));
            fault_storage_fail_at(s.fs, 1, OMEN_ERR_FULL, false);
            CHECK_STATUS(omen_segment_writer_finish(s.w, &info, NULL), OMEN_ERR_FULL);
            end_poisoned(&s);
        }
    }
}

/* Memory runs out at every allocation of the footer, wherever its buffer must grow. */
TEST(a_footer_without_memory) {
    unsigned failed = 0;
    fill_noise();
    for (size_t len = 0; len <= 640; len += 16) {
        for (int packed = 0; packed < 2; packed++) {
            bool hit = true;
            for (uint64_t n = 1; hit; n++) {
                scene s;
                omen_segment_info info;
                begin(&s);
                CHECK_OK(section(&s, 1, packed ? Z : 0, 16, len));
                fault_host_fail_alloc_at(s.x.host, n, true);
                omen_status status = omen_segment_writer_finish(s.w, &info, NULL);
                hit = fault_host_fault_hit(s.x.host);
                CHECK_STATUS(status, hit ? OMEN_ERR_MEMORY : OMEN_OK);
                failed += hit;
                if (hit) {
                    end_poisoned(&s);
                    continue;
                }
                omen_segment_writer_free(s.w);
                CHECK_EQ_UINT(fixture_deinit(&s.x), 0);
                fault_storage_free(s.fs);
            }
        }
    }
    CHECK(failed > 40);
}

TEST(calls_out_of_order_are_refused) {
    scene s;
    omen_segment_info info;
    omen_status status;
    omen_segment_writer_free(NULL);
    begin(&s);
    CHECK_OK(section(&s, 1, 0, 512, 10));
    CHECK_OK(section(&s, 2, 0, 512, 10));
    STEP(status, omen_segment_writer_finish(s.w, &info, NULL));
    CHECK_OK(status);
    CHECK_STATUS(omen_segment_section_begin(s.w, 3, 0, 0, 512, NULL), OMEN_ERR_INTERNAL); /* it is finished */
    end_poisoned(&s);
    begin(&s);
    CHECK_OK(section(&s, 1, 0, 512, 10));
    CHECK_OK(section(&s, 2, 0, 512, 10));
    CHECK_STATUS(omen_segment_section_begin(s.w, 1, 0, 0, 512, NULL), OMEN_ERR_INTERNAL); /* it is there, and not the last */
    end_poisoned(&s);
}

/* ---- opening ---- */

static omen_status open_image(uint64_t length, uint64_t size, const uint8_t *trailer, const uint8_t *image, size_t len, char text[400]) {
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    omen_storage_ops ops;
    omen_segment_info info = {.number = 1, .length = length};
    omen_segment *seg;
    omen_error err = {0};
    if (image != NULL) fault_storage_put(fs, omen_segment_file_name(1).text, image, len);
    fixture_init(&x, fs, 7, 1 << 20);
    hook_fixture(&x, &ops);
    hook.size = size;
    hook.content = trailer;
    omen_status s = model_open(&x, &info, &seg, &err);
    CHECK((seg != NULL) == (s == OMEN_OK));
    omen_segment_close(seg);
    memcpy(text, err.text, sizeof err.text);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    CHECK_STORAGE(fs);
    fault_storage_free(fs);
    return s;
}

TEST(a_segment_that_is_not_there) {
    char text[400];
    CHECK_STATUS(open_image(1000, 0, NULL, NULL, 0, text), OMEN_ERR_CORRUPT);
    CHECK_EQ_STR(text, "seg-0000000000000001 is missing");
}

/* A footer longer than memory: its length is refused before memory is asked for. */
TEST(a_footer_longer_than_memory) {
    uint8_t trailer[OMEN_SEGMENT_TRAILER] = {0};
    char text[400];
    omen_put64(trailer, OMEN_SEGMENT_HEADER);
    omen_put64(trailer + 8, UINT64_MAX - OMEN_SEGMENT_TRAILER - OMEN_SEGMENT_HEADER);
    memcpy(trailer + 24, "OMENEND1", 8);
    CHECK_STATUS(open_image(UINT64_MAX, UINT64_MAX, trailer, noise, 100, text), OMEN_ERR_CORRUPT);
    CHECK_EQ_STR(text, "seg-0000000000000001 is damaged: its trailer is wrong");
}

/* The footer begins at 80, where ten bytes end a section, and the next one would begin at 128. */
TEST(a_section_behind_its_footer) {
    uint8_t image[80 + 16 + 96 + 4 + 32] = {0};
    char text[400];
    omen_segment_entry first = {.kind = 1, .block_len = 512, .block_count = 1, .raw_len = 10, .offset = 64, .stored_len = 10};
    omen_segment_entry second = {.kind = 2, .block_len = 512, .offset = 128};
    omen_put32(image + 80, 2);
    omen_put32(image + 84, 1);
    memcpy(image + 96, &first, sizeof first);
    memcpy(image + 144, &second, sizeof second);
    omen_put32(image + sizeof image - OMEN_SEGMENT_TRAILER + 16, OMEN_SEGMENT_VERSION);
    seal_blocks(image, sizeof image, 80);
    seal_segment(image, sizeof image, 80);
    CHECK_STATUS(open_image(sizeof image, 0, NULL, image, sizeof image, text), OMEN_ERR_CORRUPT);
    CHECK_EQ_STR(text, "seg-0000000000000001 is damaged: a section lies outside its place");
}

/* ---- reading ---- */

static const model_section small[] = {{1, 0, 0, 512, 2000, 1}, {2, 0, Z, 512, 3000, 0}, {3, 0, 0, 512, 0, 0}, {4, 0, Z, 512, 600, 1}};
#define SMALL OMEN_ARRAY_LEN(small)

/* A store that has only read: its pool has no context for zstd yet. */
static void reading(fixture *x, fault_storage *fs, omen_segment_info *info, omen_segment **seg) {
    if (!fault_storage_has(fs, omen_segment_file_name(1).text)) {
        fixture_init(x, fs, 7, 1 << 20);
        REQUIRE_OK(model_write(x, 1, small, SMALL, 100, info));
        CHECK_EQ_UINT(fixture_deinit(x), 0);
    }
    fixture_init(x, fs, 7, 1 << 20);
    REQUIRE_OK(model_open(x, info, seg, NULL));
}

TEST(a_compressed_block_without_memory) {
    fault_storage *fs = fault_storage_new(1);
    omen_segment_info info;
    bool hit = true;
    unsigned failed = 0;
    for (uint64_t n = 1; hit; n++) {
        fixture x;
        omen_segment *seg;
        omen_error err = {0};
        const omen_block *b;
        reading(&x, fs, &info, &seg);
        fault_host_fail_alloc_at(x.host, n, true);
        omen_status s = omen_segment_block(seg, omen_segment_section(seg, 2, 0), 0, &b, &err);
        hit = fault_host_fault_hit(x.host);
        CHECK_STATUS(s, hit ? OMEN_ERR_MEMORY : OMEN_OK);
        CHECK((b != NULL) == (s == OMEN_OK));
        CHECK(s == OMEN_OK || strncmp(err.text, "out of memory for ", 18) == 0);
        failed += hit;
        omen_block_release(x.store.pool, b);
        omen_segment_close(seg);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
    }
    CHECK(failed >= 4); /* the block, its stored bytes, the context and what it works with */
    fault_storage_free(fs);
}

TEST(bytes_as_they_lie_in_the_file) {
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    omen_segment_info info;
    omen_segment *seg;
    uint8_t into[128];
    size_t len;
    reading(&x, fs, &info, &seg);
    const uint8_t *bytes = fault_storage_data(fs, omen_segment_file_name(1).text, &len);
    CHECK_OK(omen_segment_raw(seg, 30, into, sizeof into, NULL));
    CHECK(memcmp(into, bytes + 30, sizeof into) == 0);
    CHECK_STATUS(omen_segment_raw(seg, len - 10, into, 11, NULL), OMEN_ERR_IO); /* there are not that many */
    omen_segment_close(seg);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

/* ---- surveys ---- */

typedef struct told {
    unsigned count;
    uint32_t kind[8], block[8], len[8];
    uint64_t offset[8];
    char text[8][400];
} told;

static void tell(void *arg, const omen_section *sec, uint32_t block, uint64_t offset, uint32_t len, const omen_error *why) {
    told *t = arg;
    if (t->count < 8) {
        t->kind[t->count] = sec->kind;
        t->block[t->count] = block;
        t->offset[t->count] = offset;
        t->len[t->count] = len;
        memcpy(t->text[t->count], why->text, sizeof why->text);
    }
    t->count++;
}

static omen_status survey(omen_segment *seg, told *t, omen_error *err) {
    omen_segment_check place = {0};
    const omen_segment_bad bad = {tell, t};
    omen_status s;
    memset(t, 0, sizeof *t);
    STEP(s, omen_segment_survey(seg, &place, &bad, err));
    omen_segment_check_deinit(seg, &place);
    return s;
}

/* Every damaged block is told, with its place, and none beside them; reads that pend change nothing. */
TEST(a_survey_tells_every_damaged_block) {
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    omen_segment_info info;
    omen_segment *seg;
    told t;
    reading(&x, fs, &info, &seg);
    CHECK_OK(survey(seg, &t, NULL));
    CHECK_EQ_UINT(t.count, 0);
    const omen_section *plain = omen_segment_section(seg, 1, 0), *packed = omen_segment_section(seg, 4, 0);
    fault_storage_xor(fs, omen_segment_file_name(1).text, (size_t)plain->offset + 512 + 3, 0x40);
    fault_storage_xor(fs, omen_segment_file_name(1).text, (size_t)plain->offset + 1999, 0x40);
    fault_storage_xor(fs, omen_segment_file_name(1).text, (size_t)packed->offset + 512, 0x40);
    for (unsigned pending = 0; pending <= 60; pending += 60) {
        fault_storage_set_pending(fs, pending);
        omen_error err = {0};
        CHECK_OK(survey(seg, &t, &err));
        CHECK_EQ_STR(err.text, "");
        REQUIRE(t.count == 3);
        CHECK(t.kind[0] == 1 && t.block[0] == 1 && t.offset[0] == plain->offset + 512 && t.len[0] == 512);
        CHECK(t.kind[1] == 1 && t.block[1] == 3 && t.offset[1] == plain->offset + 1536 && t.len[1] == 464);
        CHECK(t.kind[2] == 4 && t.block[2] == 1 && t.offset[2] == packed->offset + 512 && t.len[2] == 88);
        CHECK_EQ_STR(t.text[1], "seg-0000000000000001 is damaged: block 3 of section 1 of field 0: its checksum is wrong");
    }
    omen_segment_close(seg);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

/* A storage that fails, or memory that is not there, is no damage. */
TEST(a_survey_that_fails_says_why) {
    fault_storage *fs = fault_storage_new(1);
    omen_segment_info info;
    for (int memory = 0; memory < 2; memory++) {
        bool hit = true;
        for (uint64_t n = 1; hit; n++) {
            fixture x;
            omen_segment *seg;
            omen_error err = {0};
            told t;
            reading(&x, fs, &info, &seg);
            if (memory) fault_host_fail_alloc_at(x.host, n, true);
            else fault_storage_fail_at(fs, n, OMEN_ERR_IO, false);
            omen_status s = survey(seg, &t, n % 2 != 0 ? &err : NULL);
            hit = memory ? fault_host_fault_hit(x.host) : fault_storage_fault_hit(fs);
            CHECK_STATUS(s, !hit ? OMEN_OK : memory ? OMEN_ERR_MEMORY : OMEN_ERR_IO);
            CHECK_EQ_UINT(t.count, 0);
            CHECK((err.text[0] != '\0') == (hit && n % 2 != 0));
            omen_segment_close(seg);
            CHECK_EQ_UINT(fixture_deinit(&x), 0);
        }
        fault_storage_fail_at(fs, 0, OMEN_OK, false);
    }
    fault_storage_free(fs);
}

TEST_MAIN()
