/* The segment container: content comes back byte for byte, equal content gives equal files, faults come out as what they are. */
#include "test.h"

#include "base/hash.h"
#include "segment_model.h"
#include "store/segment_format.h"

#define Z OMEN_SECTION_ZSTD
static const model_section shapes[] = {
    {1, 0, 0, 65536, 0, 0},       {1, 1, 0, 65536, 1, 0},         {1, 2, 0, 65536, 65536, 1},      {2, 0, 0, 65536, 65537, 1},
    {2, 1, Z, 65536, 0, 0},       {2, 2, Z, 65536, 200001, 0},    {3, 0, Z, 65536, 100000, 1},     {3, 1, 0, 1, 77, 1},
    {3, 2, Z, 1, 33, 1},          {4, 0, 0, 1 << 20, 3000000, 1}, {4, 7, Z, 1 << 20, 2500000, 0},  {5, 0, 0, 3000, 64 * 3000, 1},
    {5, 1, Z, 16384, 16384, 0},
};

TEST(what_was_written_comes_back) {
    for (unsigned pending = 0; pending <= 50; pending += 50) {
        fault_storage *fs = fault_storage_new(test_rand());
        fixture x;
        omen_segment_info info;
        omen_segment *seg;
        fault_storage_set_pending(fs, pending);
        fixture_init(&x, fs, 7, 8 << 20);
        REQUIRE_OK(model_write(&x, 5, shapes, OMEN_ARRAY_LEN(shapes), 10007, &info));
        size_t len;
        const uint8_t *bytes = fault_storage_data(fs, "seg-0000000000000005", &len);
        CHECK_EQ_UINT(info.length, len);
        omen_hash128 hash = omen_hash128_of(bytes, len);
        CHECK(omen_hash128_equal(&hash, &info.hash));
        REQUIRE_OK(model_open(&x, &info, &seg, NULL));
        for (int i = 0; i < 2; i++) CHECK_OK(model_read(&x, seg, shapes, OMEN_ARRAY_LEN(shapes), NULL));
        CHECK_OK(model_verify(seg, NULL));
        CHECK(omen_segment_section(seg, 9, 9) == NULL);
        CHECK(omen_segment_section_at(seg, OMEN_ARRAY_LEN(shapes)) == NULL);
        CHECK_EQ_UINT(omen_segment_info_of(seg)->number, 5);
        for (size_t i = 0; i < OMEN_ARRAY_LEN(shapes); i++) {
            const omen_section *sec = omen_segment_section_at(seg, i);
            CHECK_EQ_UINT(sec->offset % 64, 0);
            CHECK_EQ_UINT(sec->ordinal, i);
            if (shapes[i].flags == 0 && sec->raw_len > 0) CHECK_EQ_UINT(bytes[sec->offset], model_byte(&shapes[i], 0));
        }
        const omen_section *text = omen_segment_section(seg, 2, 2);
        CHECK(text->stored_len < text->raw_len / 10);
        omen_segment_close(seg);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        CHECK_STORAGE(fs);
        fault_storage_free(fs);
    }
}

TEST(reads_across_blocks) {
    fault_storage *fs = fault_storage_new(test_rand());
    fixture x;
    omen_segment_info info;
    omen_segment *seg;
    uint8_t *into = malloc(3000000);
    fault_storage_set_pending(fs, 30);
    fixture_init(&x, fs, 7, 2 << 20);
    REQUIRE_OK(model_write(&x, 1, shapes, OMEN_ARRAY_LEN(shapes), 1 << 20, &info));
    REQUIRE_OK(model_open(&x, &info, &seg, NULL));
    for (unsigned round = 0; round < 400; round++) {
        const model_section *m = &shapes[test_rand_below(OMEN_ARRAY_LEN(shapes))];
        const omen_section *sec = omen_segment_section(seg, m->kind, m->field);
        uint64_t at = test_rand_below(m->len + 1);
        size_t len = (size_t)test_rand_below((round % 10 == 0 ? 1u << 18 : 200u) + 1), done = 0;
        omen_status s, want = len > m->len - at ? OMEN_ERR_CORRUPT : OMEN_OK;
        STEP(s, omen_segment_read(seg, sec, at, len, into, &done, NULL));
        CHECK_STATUS(s, want);
        bool right = true;
        for (size_t i = 0; i < len && s == OMEN_OK; i++) right = right && into[i] == model_byte(m, (size_t)at + i);
        CHECK(right);
    }
    size_t done = 0;
    const omen_block *b;
    const omen_section *sec = omen_segment_section(seg, 5, 0);
    CHECK_STATUS(omen_segment_read(seg, sec, UINT64_MAX, 2, into, &done, NULL), OMEN_ERR_CORRUPT);
    CHECK_STATUS(omen_segment_read(seg, sec, 1, SIZE_MAX, into, &done, NULL), OMEN_ERR_CORRUPT);
    omen_error err = {0};
    uint64_t calls = fault_storage_calls(fs);
    CHECK_STATUS(omen_segment_block(seg, sec, sec->block_count, &b, &err), OMEN_ERR_CORRUPT);
    CHECK(b == NULL);
    CHECK(strstr(err.text, "no such block") != NULL);
    CHECK_EQ_UINT(fault_storage_calls(fs), calls);
    omen_segment_close(seg);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    CHECK_STORAGE(fs);
    fault_storage_free(fs);
    free(into);
}

/* Equal content gives equal bytes, whatever the pieces, the number or the database. */
static void flip(fault_storage *fs, uint64_t at) {
    size_t len;
    const uint8_t *bytes = fault_storage_data(fs, "seg-0000000000000001", &len);
    fault_storage_set(fs, "seg-0000000000000001", (size_t)at, (uint8_t)(bytes[at] ^ 0x10));
}

/* A pool of 1 MiB over 2 MiB of rows: those whose block was evicted are read alone, all give what was written. Rows of 3000 bytes, 64 in a block. */
TEST(rows_are_read_alone_once_their_block_was_verified) {
    static const model_section rows[] = {{5, 0, 0, 3000 * 64, 3000 * 700, 1}};
    for (unsigned pending = 0; pending <= 30; pending += 30) {
        fault_storage *fs = fault_storage_new(test_rand());
        fixture x;
        omen_segment_info info;
        omen_segment *seg;
        fixture_init(&x, fs, 7, 1 << 20);
        REQUIRE_OK(model_write(&x, 1, rows, 1, 1 << 20, &info));
        fault_storage_set_pending(fs, pending);
        REQUIRE_OK(model_open(&x, &info, &seg, NULL));
        const omen_section *sec = omen_segment_section(seg, 5, 0);
        uint8_t buffer[3064];
        const uint8_t *row;
        const omen_block *pin;
        omen_status s;
        unsigned alone = 0;
        for (unsigned round = 0; round < 4000; round++) {
            uint32_t r = (uint32_t)test_rand_below(700);
            STEP(s, omen_segment_row(seg, sec, r, 3000, round % 7 == 0 ? NULL : buffer, &row, &pin, NULL));
            REQUIRE_OK(s);
            bool right = true;
            for (size_t i = 0; i < 3000; i++) right = right && row[i] == model_byte(&rows[0], (size_t)r * 3000 + i);
            CHECK(right);
            alone += row == buffer;
            CHECK(row != buffer || (pin == NULL && round % 7 != 0));
            omen_block_release(x.store.pool, pin);
        }
        CHECK(pending != 0 ? alone == 0 : alone > 500); /* where reads pend, requests are what counts */
        if (pending == 0) { /* what changed since is noticed: the row's own checksum, then the block's */
            uint32_t r = 0;
            for (row = NULL; row != buffer; r++) {
                REQUIRE_OK(omen_segment_row(seg, sec, r, 3000, buffer, &row, &pin, NULL));
                omen_block_release(x.store.pool, pin);
            }
            flip(fs, sec->offset + (uint64_t)(r - 1) * 3000 + 17);
            CHECK_STATUS(omen_segment_row(seg, sec, r - 1, 3000, buffer, &row, &pin, NULL), OMEN_ERR_CORRUPT);
        }
        omen_segment_close(seg);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage_free(fs);
    }
}

TEST(a_section_is_loaded_whole) {
    for (unsigned pending = 0; pending <= 50; pending += 50) {
        fault_storage *fs = fault_storage_new(test_rand());
        fixture x;
        omen_segment_info info;
        omen_segment *seg;
        fault_storage_set_pending(fs, pending);
        fixture_init(&x, fs, 7, 1 << 20);
        REQUIRE_OK(model_write(&x, 1, shapes, OMEN_ARRAY_LEN(shapes), 1 << 20, &info));
        REQUIRE_OK(model_open(&x, &info, &seg, NULL));
        uint8_t *into = malloc(3000000);
        for (size_t i = 0; i < OMEN_ARRAY_LEN(shapes); i++) {
            if (shapes[i].flags != 0) continue;
            size_t done = 0;
            omen_status s;
            bool right = true;
            STEP(s, omen_segment_load(seg, omen_segment_section_at(seg, i), into, &done, NULL));
            CHECK_OK(s);
            CHECK_EQ_UINT(done, shapes[i].len);
            for (size_t b = 0; b < shapes[i].len; b++) right = right && into[b] == model_byte(&shapes[i], b);
            CHECK(right);
        }
        const omen_section *sec = omen_segment_section(seg, 4, 0);
        flip(fs, sec->offset + 2 * sec->block_len + 5);
        size_t done = 0;
        omen_status s;
        STEP(s, omen_segment_load(seg, sec, into, &done, NULL));
        CHECK_STATUS(s, OMEN_ERR_CORRUPT);
        free(into);
        omen_segment_close(seg);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage_free(fs);
    }
}

TEST(files_depend_on_content_alone) {
    omen_segment_info first = {0}, info;
    static const size_t pieces[] = {1 << 20, 1000, 65536, 77777};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(pieces); i++) {
        fault_storage *fs = fault_storage_new(i);
        fixture x;
        fixture_init(&x, fs, (uint8_t)i, 1 << 20);
        REQUIRE_OK(model_write(&x, 100 + i, shapes, OMEN_ARRAY_LEN(shapes), pieces[i], &info));
        if (i == 0) first = info;
        CHECK(omen_hash128_equal(&info.hash, &first.hash));
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage_free(fs);
    }
}

TEST(an_empty_segment) {
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    omen_segment_info info;
    omen_segment *seg;
    fixture_init(&x, fs, 7, 1 << 20);
    REQUIRE_OK(model_write(&x, 1, NULL, 0, 1, &info));
    CHECK_EQ_UINT(info.length, 64 + 16 + 32);
    REQUIRE_OK(model_open(&x, &info, &seg, NULL));
    CHECK_OK(model_verify(seg, NULL));
    omen_segment_close(seg);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

static const model_section small[] = {{1, 0, 0, 512, 2000, 1}, {2, 0, Z, 512, 3000, 0}, {2, 1, Z, 512, 600, 1}};

TEST(a_fault_at_every_call) {
    for (unsigned pending = 0; pending <= 40; pending += 40) {
        bool hit = true;
        for (uint64_t n = 1; hit; n++) {
            fault_storage *fs = fault_storage_new(n);
            fixture x;
            omen_segment_info info;
            omen_segment *seg = NULL;
            fault_storage_set_pending(fs, pending);
            fixture_init(&x, fs, 7, 1 << 20);
            fault_storage_fail_at(fs, n, OMEN_ERR_FULL, false);
            omen_status s = model_write(&x, 1, small, 3, 100, &info);
            if (s == OMEN_OK) s = model_open(&x, &info, &seg, NULL);
            CHECK(s == OMEN_OK || seg == NULL);
            if (s == OMEN_OK) s = model_read(&x, seg, small, 3, NULL);
            if (s == OMEN_OK) s = model_verify(seg, NULL);
            hit = fault_storage_fault_hit(fs);
            CHECK_STATUS(s, hit ? OMEN_ERR_FULL : OMEN_OK);
            omen_segment_close(seg);
            CHECK_EQ_UINT(fixture_deinit(&x), 0);
            CHECK_STORAGE(fs);
            fault_storage_free(fs);
        }
    }
}

TEST(a_short_read_is_an_error) {
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    omen_segment_info info;
    unsigned hits = 0;
    fixture_init(&x, fs, 7, 1 << 20);
    REQUIRE_OK(model_write(&x, 1, small, 3, 100, &info));
    for (uint64_t n = 1; n < 60; n++) {
        omen_segment *seg;
        fault_storage_short_read_at(fs, n);
        omen_status s = model_open(&x, &info, &seg, NULL);
        if (s == OMEN_OK) s = model_read(&x, seg, small, 3, NULL);
        if (s == OMEN_OK) s = model_verify(seg, NULL);
        CHECK_STATUS(s, fault_storage_fault_hit(fs) ? OMEN_ERR_IO : OMEN_OK);
        hits += fault_storage_fault_hit(fs);
        omen_segment_close(seg);
    }
    CHECK(hits > 10);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

TEST(memory_runs_out_at_every_allocation) {
    bool hit = true;
    for (uint64_t n = 1; hit; n++) {
        fault_storage *fs = fault_storage_new(n);
        fixture x;
        omen_segment_info info;
        omen_segment *seg = NULL;
        fixture_init(&x, fs, 7, 1 << 20);
        fault_host_fail_alloc_at(x.host, n, true);
        omen_status s = model_write(&x, 1, small, 3, 100, &info);
        if (s == OMEN_OK) s = model_open(&x, &info, &seg, NULL);
        if (s == OMEN_OK) s = model_read(&x, seg, small, 3, NULL);
        if (s == OMEN_OK) s = model_verify(seg, NULL);
        hit = fault_host_fault_hit(x.host);
        CHECK_STATUS(s, hit ? OMEN_ERR_MEMORY : OMEN_OK);
        omen_segment_close(seg);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage_free(fs);
    }
}

TEST(misuse_of_the_writer_is_refused) {
    static const struct { uint32_t kind, flags, block_len; } wrong[] = {{1, 0, 512}, {2, 2, 512}, {2, 0, 0}, {2, 0, OMEN_MAX_BLOCK_BYTES + 1}};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(wrong); i++) {
        fault_storage *fs = fault_storage_new(1);
        fixture x;
        omen_segment_writer *w, *again;
        omen_segment_info info;
        fixture_init(&x, fs, 7, 1 << 20);
        REQUIRE_OK(omen_segment_writer_new(&x.store, 1, &w, NULL));
        CHECK_STATUS(omen_segment_writer_new(&x.store, 1, &again, NULL), OMEN_ERR_EXISTS);
        CHECK_OK(omen_segment_section_begin(w, 1, 0, 0, 512, NULL));
        CHECK_OK(omen_segment_section_end(w, NULL));
        CHECK_STATUS(omen_segment_section_begin(w, wrong[i].kind, 0, wrong[i].flags, wrong[i].block_len, NULL), OMEN_ERR_INTERNAL);
        CHECK_STATUS(omen_segment_writer_finish(w, &info, NULL), OMEN_ERR_POISONED);
        omen_segment_writer_free(w);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        CHECK_STORAGE(fs);
        fault_storage_free(fs);
    }
}

/* After finish answers OK and the directory is synced, no crash takes anything; on a lying disk one does. */
TEST(a_finished_segment_survives_a_crash) {
    for (int lie = 0; lie < 2; lie++) {
        unsigned broken = 0;
        for (uint64_t i = 0; i < 50; i++) {
            fault_storage *fs = fault_storage_new(i);
            fixture x;
            omen_segment_info info;
            omen_segment *seg;
            fault_storage_set_lies(fs, lie != 0, false);
            fixture_init(&x, fs, 7, 1 << 20);
            REQUIRE_OK(model_write(&x, 1, small, 3, 100, &info));
            REQUIRE_OK(omen_store_sync_dir(&x.store, &x, NULL));
            CHECK_EQ_UINT(fixture_deinit(&x), 0);
            fault_storage *after = fault_storage_crash(fs, (fault_crash_mode)(i % FAULT_CRASH_MODES), i);
            fixture_init(&x, after, 7, 1 << 20);
            omen_status s = model_open(&x, &info, &seg, NULL);
            if (s == OMEN_OK) s = model_verify(seg, NULL);
            CHECK(s == OMEN_OK || s == OMEN_ERR_CORRUPT);
            broken += s != OMEN_OK;
            omen_segment_close(seg);
            CHECK_EQ_UINT(fixture_deinit(&x), 0);
            fault_storage_free(after);
            fault_storage_free(fs);
        }
        CHECK(lie ? broken > 20 : broken == 0);
    }
}

TEST_MAIN()
