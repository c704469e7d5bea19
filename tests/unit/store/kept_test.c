/* What a segment keeps outside the pool: blocks that stay, given back when room is needed, and the checksums of rows that are read alone. */
#include "test.h"

#include "hooked_store.h"
#include "segment_model.h"

#define Z OMEN_SECTION_ZSTD
enum { PLAIN, PACKED, EMPTY, ROWS, NARROW, PACKED_ROWS };
static const model_section shapes[] = {{1, 0, 0, 4096, 40000, 1},  {2, 0, Z, 4096, 30000, 0},     {3, 0, 0, 4096, 0, 0},
                                       {4, 0, 0, 65536, 3 << 20, 1}, {5, 0, 0, 65536, 3 << 20, 1}, {6, 0, Z, 65536, 3 << 20, 0}};
#define ROW 1024u
#define KEPT(len) (OMEN_KEPT_HEADER + ((len) + 63u) / 64u * 64u + 64u)

typedef struct scene {
    fault_storage *fs;
    fixture x;
    omen_storage_ops ops;
    omen_segment *seg;
    const omen_section *sec[OMEN_ARRAY_LEN(shapes)];
} scene;

/* The small sections, and of the large ones this one alone has its content. */
static void begin(scene *s, uint64_t resident, int large) {
    omen_segment_info info;
    model_section written[OMEN_ARRAY_LEN(shapes)];
    memcpy(written, shapes, sizeof shapes);
    for (int i = ROWS; i <= PACKED_ROWS; i++)
        if (i != large) written[i].len = 0;
    s->fs = fault_storage_new(1);
    fixture_init(&s->x, s->fs, 7, 1 << 20);
    hook_fixture(&s->x, &s->ops);
    s->x.store.resident.limit = resident;
    REQUIRE_OK(model_write(&s->x, 1, written, OMEN_ARRAY_LEN(shapes), 1 << 20, &info));
    REQUIRE_OK(model_open(&s->x, &info, &s->seg, NULL));
    for (size_t i = 0; i < OMEN_ARRAY_LEN(shapes); i++) s->sec[i] = omen_segment_section_at(s->seg, i);
}

static void end(scene *s) {
    omen_segment_close(s->seg);
    CHECK_EQ_UINT(s->x.store.resident.used, 0); /* whatever was kept is counted no more */
    CHECK_EQ_INT(omen_gauge_get(&omen_pool_metrics_of(s->x.store.pool)->pinned), 0);
    CHECK_EQ_UINT(fixture_deinit(&s->x), 0);
    CHECK_STORAGE(s->fs);
    fault_storage_free(s->fs);
}

static bool holds(const uint8_t *p, int shape, size_t at, size_t len) {
    bool right = true;
    for (size_t i = 0; i < len; i++) right = right && p[i] == model_byte(&shapes[shape], at + i);
    return right;
}

/* Reads a block and checks it; the caller releases it. */
static const omen_block *block_of(scene *s, int shape, uint32_t index) {
    const omen_block *b = NULL;
    CHECK_OK(omen_segment_block(s->seg, s->sec[shape], index, &b, NULL));
    if (b != NULL) CHECK(holds(b->data, shape, (size_t)index * shapes[shape].block_len, b->len));
    return b;
}

/* Reads a row and checks it; whether it was read alone. */
static bool row_of(scene *s, int shape, uint32_t row, uint32_t row_bytes) {
    static uint8_t buffer[ROW + 64];
    const uint8_t *p = NULL;
    const omen_block *pin;
    CHECK_OK(omen_segment_row(s->seg, s->sec[shape], row, row_bytes, buffer, &p, &pin, NULL));
    if (p != NULL) CHECK(holds(p, shape, (size_t)row * row_bytes, row_bytes));
    CHECK(p != buffer || pin == NULL);
    omen_block_release(s->x.store.pool, pin);
    return p == buffer;
}

TEST(kept_blocks_are_read_once) {
    for (int shape = PLAIN; shape <= PACKED; shape++) {
        scene s;
        begin(&s, 1 << 20, 0);
        const omen_section *sec = s.sec[shape];
        CHECK(omen_segment_kept(s.seg, sec) == NULL);
        CHECK(omen_segment_peek(s.seg, sec, 0) == NULL);
        omen_segment_keep(s.seg, sec);
        omen_kept *kept = omen_segment_kept(s.seg, sec);
        REQUIRE(kept != NULL);
        omen_segment_keep(s.seg, sec); /* said twice is said once */
        CHECK(omen_segment_kept(s.seg, sec) == kept);
        CHECK(omen_segment_peek(s.seg, sec, 0) == NULL); /* kept, and not read yet */
        uint64_t bytes = 0;
        for (int round = 0; round < 2; round++) {
            uint64_t reads = hook.reads;
            for (uint32_t i = 0; i < sec->block_count; i++) {
                const omen_block *b = block_of(&s, shape, i);
                REQUIRE(b != NULL && b->kept);
                CHECK((uintptr_t)b->data % 64 == 0);
                for (uint32_t k = 0; k < 64; k++) CHECK_EQ_UINT(b->data[b->len + k], 0);
                CHECK(atomic_load(&kept[i]) == b);
                if (round == 0) bytes += KEPT(b->len);
                omen_block_release(s.x.store.pool, b); /* which is nothing to a kept one */
                CHECK(omen_segment_peek(s.seg, sec, (uint64_t)i * 4096 + 5) == b->data + 5);
            }
            CHECK_EQ_UINT(hook.reads - reads, round == 0 ? sec->block_count : 0);
        }
        CHECK_EQ_UINT(s.x.store.resident.used, bytes);
        CHECK(omen_segment_peek(s.seg, sec, sec->raw_len) == NULL);
        /* They are given back: whoever took them may still look at them. */
        const uint8_t *first = omen_segment_peek(s.seg, sec, 0);
        const omen_block *list = omen_segment_yield(s.seg, NULL);
        CHECK_EQ_UINT(s.x.store.resident.used, 0);
        CHECK(list != NULL && holds(first, shape, 0, 4096));
        CHECK(omen_segment_peek(s.seg, sec, 0) == NULL);
        omen_segment_free_yielded(s.x.store.mem, list);
        CHECK(omen_segment_yield(s.seg, NULL) == NULL);
        /* And kept again when they are read again. */
        CHECK(block_of(&s, shape, 1)->kept);
        CHECK_EQ_UINT(s.x.store.resident.used, KEPT(4096));
        end(&s);
    }
}

TEST(an_empty_section_keeps_nothing) {
    scene s;
    begin(&s, 1 << 20, 0);
    omen_segment_keep(s.seg, s.sec[EMPTY]);
    CHECK(omen_segment_kept(s.seg, s.sec[EMPTY]) == NULL);
    CHECK(omen_segment_peek(s.seg, s.sec[EMPTY], 0) == NULL);
    end(&s);
}

/* Where there is no room, blocks come from the pool; room that is promised to an index is none. */
TEST(blocks_are_kept_as_far_as_there_is_room) {
    for (int coming = 0; coming < 2; coming++) {
        scene s;
        begin(&s, 2 * KEPT(4096) + 100, 0);
        omen_segment_keep(s.seg, s.sec[PLAIN]);
        if (coming != 0) s.x.store.resident.coming = KEPT(4096);
        for (uint32_t i = 0; i < 5; i++) {
            const omen_block *b = block_of(&s, PLAIN, i);
            REQUIRE(b != NULL);
            CHECK(b->kept == (i < (coming ? 1u : 2u)));
            CHECK((omen_segment_peek(s.seg, s.sec[PLAIN], (uint64_t)i * 4096) != NULL) == b->kept);
            omen_block_release(s.x.store.pool, b);
        }
        CHECK_EQ_UINT(s.x.store.resident.used, (coming ? 1u : 2u) * KEPT(4096));
        end(&s);
    }
}

TEST(a_block_that_cannot_be_kept_leaves_nothing) {
    scene s;
    const omen_block *b;
    begin(&s, 1 << 20, 0);
    omen_segment_keep(s.seg, s.sec[PLAIN]);
    /* No memory to keep it: the pool makes room instead. */
    fault_host_fail_alloc_at(s.x.host, 1, false);
    b = block_of(&s, PLAIN, 0);
    REQUIRE(b != NULL);
    CHECK(fault_host_fault_hit(s.x.host) && !b->kept);
    omen_block_release(s.x.store.pool, b);
    CHECK_EQ_UINT(s.x.store.resident.used, 0);
    /* The storage fails, or is not ready. */
    static const omen_status answers[] = {OMEN_ERR_IO, OMEN_PENDING};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(answers); i++) {
        hook.answer = answers[i];
        CHECK_STATUS(omen_segment_block(s.seg, s.sec[PLAIN], 1, &b, NULL), answers[i]);
        CHECK(b == NULL);
        CHECK_EQ_UINT(s.x.store.resident.used, 0);
        CHECK(omen_segment_peek(s.seg, s.sec[PLAIN], 4096) == NULL);
    }
    /* The block is damaged. */
    fault_storage_xor(s.fs, omen_segment_file_name(1).text, (size_t)s.sec[PLAIN]->offset + 4096, 1);
    CHECK_STATUS(omen_segment_block(s.seg, s.sec[PLAIN], 1, &b, NULL), OMEN_ERR_CORRUPT);
    CHECK_EQ_UINT(s.x.store.resident.used, 0);
    fault_storage_xor(s.fs, omen_segment_file_name(1).text, (size_t)s.sec[PLAIN]->offset + 4096, 1);
    CHECK(block_of(&s, PLAIN, 1)->kept);
    end(&s);
}

/* No memory for the list of kept blocks: nothing is kept, and all is read. */
TEST(keeping_without_memory_keeps_nothing) {
    scene s;
    begin(&s, 1 << 20, 0);
    fault_host_fail_alloc_at(s.x.host, 1, false);
    omen_segment_keep(s.seg, s.sec[PLAIN]);
    CHECK(omen_segment_kept(s.seg, s.sec[PLAIN]) == NULL);
    const omen_block *b = block_of(&s, PLAIN, 0);
    REQUIRE(b != NULL);
    CHECK(!b->kept);
    omen_block_release(s.x.store.pool, b);
    end(&s);
}

static const omen_block *earlier;
static void read_the_same(void *arg) { earlier = block_of(arg, PLAIN, 3); }

TEST(two_reads_of_one_kept_block_end_as_one) {
    scene s;
    begin(&s, 1 << 20, 0);
    omen_segment_keep(s.seg, s.sec[PLAIN]);
    hook.arg = &s;
    hook.on_read = read_the_same;
    const omen_block *b = block_of(&s, PLAIN, 3);
    CHECK(b != NULL && b->kept && b == earlier);
    CHECK_EQ_UINT(hook.reads >= 2, 1);
    CHECK_EQ_UINT(s.x.store.resident.used, KEPT(4096));
    end(&s);
}

/* ---- rows ---- */

TEST(rows_lie_in_kept_blocks) {
    scene s;
    const uint8_t *p;
    const omen_block *pin;
    begin(&s, 4 << 20, ROWS);
    omen_segment_keep(s.seg, s.sec[ROWS]);
    for (int round = 0; round < 2; round++) {
        uint64_t reads = hook.reads;
        for (uint32_t r = 0; r < 3072; r += 40) CHECK(!row_of(&s, ROWS, r, ROW));
        CHECK_EQ_UINT(hook.reads - reads, round == 0 ? s.sec[ROWS]->block_count : 0);
    }
    /* A kept block's row is where the block is, and nothing is pinned. */
    CHECK_OK(omen_segment_row(s.seg, s.sec[ROWS], 65, ROW, NULL, &p, &pin, NULL));
    CHECK(pin == NULL && p == omen_segment_peek(s.seg, s.sec[ROWS], 65 * ROW));
    CHECK_EQ_UINT(s.x.store.resident.used, s.sec[ROWS]->block_count * (uint64_t)KEPT(65536));
    end(&s);
}

/* Room for four blocks of 48, a pool of 1 MiB: the others come and go, and their rows are read alone. */
TEST(rows_of_a_section_kept_in_part) {
    scene s;
    unsigned alone = 0;
    begin(&s, 4 * KEPT(65536), ROWS);
    omen_segment_keep(s.seg, s.sec[ROWS]);
    for (uint32_t r = 0; r < 3072; r += 64) CHECK(!row_of(&s, ROWS, r, ROW));
    for (uint32_t r = 1; r < 3072; r += 64) alone += row_of(&s, ROWS, r, ROW);
    CHECK(alone > 20 && alone <= 44);
    end(&s);
}

/* Too short for a checksum each, or compressed: a row is read with its block, every time. */
TEST(rows_that_are_never_read_alone) {
    for (int shape = NARROW; shape <= PACKED_ROWS; shape++) {
        scene s;
        const uint32_t row_bytes = shape == NARROW ? 64 : ROW;
        begin(&s, 0, shape);
        for (int round = 0; round < 2; round++)
            for (uint32_t r = 0; r < (3u << 20) / row_bytes; r += 65536 / row_bytes) CHECK(!row_of(&s, shape, r, row_bytes));
        CHECK_EQ_UINT(s.x.store.resident.used, 0);
        end(&s);
    }
}

/* Takes the checksums of all rows, and makes the pool forget the first block. */
static void learn(scene *s) {
    for (uint32_t r = 0; r < 3072; r += 64) CHECK(!row_of(s, ROWS, r, ROW));
    CHECK_EQ_UINT(s->x.store.resident.used, 3072 * sizeof(uint32_t));
}

TEST(a_row_that_cannot_be_read_alone_is_read_with_its_block) {
    scene s;
    begin(&s, 0, ROWS);
    learn(&s);
    CHECK(row_of(&s, ROWS, 3, ROW));
    uint64_t reads = hook.reads;
    hook.answer = OMEN_ERR_IO;
    CHECK(!row_of(&s, ROWS, 4, ROW));
    CHECK_EQ_UINT(hook.reads - reads, 2);
    end(&s);
}

/* Where reads pend, requests are what reading costs: whole blocks are read. */
TEST(rows_are_read_with_their_block_where_reads_pend) {
    scene s;
    const uint8_t *p;
    const omen_block *pin;
    static uint8_t buffer[ROW + 64];
    begin(&s, 0, ROWS);
    learn(&s);
    hook.answer = OMEN_PENDING;
    CHECK_OK(omen_segment_row(s.seg, s.sec[ROWS], 130, ROW, buffer, &p, &pin, NULL)); /* alone it pends: so the block is read */
    CHECK(p != buffer && pin != NULL);
    omen_block_release(s.x.store.pool, pin);
    CHECK(!row_of(&s, ROWS, 194, ROW));
    end(&s);
}

/* Whichever allocation fails, the row is read; without memory for the checksums, with its block the next time, too. */
TEST(rows_without_memory_for_their_checksums) {
    bool kept = false, missed = false;
    for (uint64_t n = 1;; n++) {
        scene s;
        const uint8_t *p;
        const omen_block *pin;
        begin(&s, 0, ROWS);
        fault_host_fail_alloc_at(s.x.host, n, false);
        omen_status status = omen_segment_row(s.seg, s.sec[ROWS], 0, ROW, NULL, &p, &pin, NULL);
        bool hit = fault_host_fault_hit(s.x.host);
        CHECK(status == OMEN_OK || (hit && status == OMEN_ERR_MEMORY));
        if (status == OMEN_OK) {
            CHECK(holds(p, ROWS, 0, ROW));
            kept = kept || s.x.store.resident.used > 0;
            missed = missed || s.x.store.resident.used == 0;
            omen_block_release(s.x.store.pool, pin);
        }
        end(&s);
        if (!hit) break;
    }
    CHECK(kept && missed);
}

static void learn_first(void *arg) { CHECK(!row_of(arg, ROWS, 70, ROW)); }
static void skip_one(void *arg) {
    hook.arg = arg;
    hook.on_alloc = learn_first;
}

/* Two threads learn the rows of one section at once: one table stays. The first allocation is the block's, the second the table's. */
TEST(two_tables_of_rows_end_as_one) {
    scene s;
    begin(&s, 0, ROWS);
    hook.arg = &s;
    hook.on_alloc = skip_one;
    CHECK(!row_of(&s, ROWS, 0, ROW));
    CHECK(hook.on_alloc == NULL);
    CHECK_EQ_UINT(s.x.store.resident.used, 3072 * sizeof(uint32_t));
    /* Both blocks' rows are in it. */
    for (uint32_t r = 128; r < 3072; r += 64) CHECK(!row_of(&s, ROWS, r, ROW));
    CHECK(row_of(&s, ROWS, 1, ROW));
    CHECK(row_of(&s, ROWS, 71, ROW));
    end(&s);
}

TEST_MAIN()
