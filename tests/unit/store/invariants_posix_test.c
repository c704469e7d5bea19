/* OMEN_ASSERT stops the program in every build: what misuses a pool or a segment does not go on with wrong bytes. The trap is a signal, caught here. */
#include "test.h"

#include <setjmp.h>
#include <signal.h>

#include "segment_model.h"

static sigjmp_buf back;

static void caught(int number) { siglongjmp(back, number); }

/* Whether what is run traps. */
static bool traps(void (*run)(void *arg), void *arg) {
    static const int signals[] = {SIGILL, SIGTRAP, SIGABRT};
    struct sigaction action = {.sa_handler = caught}, before[3];
    volatile bool trapped = true;
    for (int i = 0; i < 3; i++) sigaction(signals[i], &action, &before[i]);
    if (sigsetjmp(back, 1) == 0) {
        run(arg);
        trapped = false;
    }
    for (int i = 0; i < 3; i++) sigaction(signals[i], &before[i], NULL);
    return trapped;
}

typedef struct scene {
    fault_storage *fs;
    fixture x;
    omen_segment *seg;
    const omen_block *block, *pin;
    const uint8_t *row;
    uint8_t into[4096];
} scene;

static void release(void *arg) { omen_block_release(((scene *)arg)->x.store.pool, ((scene *)arg)->block); }
static void free_pool(void *arg) { omen_pool_free(((scene *)arg)->x.store.pool); }

static void row_10(void *arg) {
    scene *s = arg;
    (void)omen_segment_row(s->seg, omen_segment_section(s->seg, 1, 0), 10, 100, NULL, &s->row, &s->pin, NULL);
}

static void row_9(void *arg) {
    scene *s = arg;
    (void)omen_segment_row(s->seg, omen_segment_section(s->seg, 1, 0), 9, 100, NULL, &s->row, &s->pin, NULL);
}

static void load(void *arg, uint32_t kind) {
    scene *s = arg;
    size_t done = 0;
    (void)omen_segment_load(s->seg, omen_segment_section(s->seg, kind, 0), s->into, &done, NULL);
}
static void load_plain(void *arg) { load(arg, 1); }
static void load_packed(void *arg) { load(arg, 2); }

TEST(broken_invariants_stop_the_program) {
    static const model_section sections[] = {{1, 0, 0, 500, 1000, 1}, {2, 0, OMEN_SECTION_ZSTD, 500, 1000, 0}};
    scene s = {.fs = fault_storage_new(1)};
    omen_segment_info info;
    fixture_init(&s.x, s.fs, 7, 1 << 20);
    REQUIRE_OK(model_write(&s.x, 1, sections, 2, 100, &info));
    REQUIRE_OK(model_open(&s.x, &info, &s.seg, NULL));
    /* A row behind the last one of ten; a compressed section read as if it were plain. */
    CHECK(!traps(row_9, &s));
    CHECK(s.row != NULL && s.row[99] == model_byte(&sections[0], 999));
    omen_block_release(s.x.store.pool, s.pin);
    CHECK(traps(row_10, &s));
    CHECK(!traps(load_plain, &s));
    CHECK_EQ_UINT(s.into[999], model_byte(&sections[0], 999));
    CHECK(traps(load_packed, &s));
    /* A block released twice; a pool freed while one is pinned. */
    REQUIRE_OK(omen_segment_block(s.seg, omen_segment_section(s.seg, 1, 0), 0, &s.block, NULL));
    CHECK(traps(free_pool, &s));
    CHECK(!traps(release, &s));
    CHECK(traps(release, &s));
    omen_segment_close(s.seg);
    CHECK_EQ_UINT(fixture_deinit(&s.x), 0);
    fault_storage_free(s.fs);
}

TEST_MAIN()
