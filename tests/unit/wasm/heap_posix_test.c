/* The module's allocator over a memory of its own: against a list of what is in use. Native only (see tests/CMakeLists.txt): what is
 * tested is arithmetic on addresses, and 64 MiB of it. */
#include "test.h"

static int test_more(size_t need, uintptr_t *at, size_t *size);
#define OMEN_HEAP_MORE test_more
#include "../../../wasm/heap.c"

enum { ROOM = 64 << 20, PIECES = 400 };
static unsigned char *room;
static size_t used, limit = ROOM;

static int test_more(size_t need, uintptr_t *at, size_t *size) {
    size_t ask = (need + 65535) / 65536 * 65536;
    if (room == NULL) room = aligned_alloc(4096, ROOM);
    if (ask > limit - used) return 0;
    *at = (uintptr_t)(room + used);
    *size = ask;
    used += ask;
    return 1;
}

typedef struct held { unsigned char *p; size_t size; unsigned char mark; } held;

static size_t random_size(void) {
    switch (test_rand_below(4)) {
        case 0: return 1 + test_rand_below(300);
        case 1: return 1 + test_rand_below(2500);
        case 2: return 1 + test_rand_below(70000);
        default: return 1 + test_rand_below(600000);
    }
}

static bool intact(const held *h) {
    for (size_t i = 0; i < h->size; i += h->size < 64 ? 1 : h->size / 16)
        if (h->p[i] != h->mark) return false;
    return h->p[h->size - 1] == h->mark;
}

TEST(pieces_never_overlap_and_keep_their_content) {
    static held all[PIECES];
    for (int step = 0; step < 60000; step++) {
        held *h = &all[test_rand_below(PIECES)];
        if (h->p == NULL) {
            h->size = random_size();
            h->p = omen_heap_alloc(h->size);
            if (h->p == NULL) continue;
            CHECK((uintptr_t)h->p % 64 == 0);
            h->mark = (unsigned char)test_rand();
            memset(h->p, h->mark, h->size);
        } else if (test_rand_below(3) == 0) {
            size_t size = random_size(), least = size < h->size ? size : h->size;
            CHECK(intact(h));
            unsigned char *p = omen_heap_resize(h->p, h->size, size);
            if (p == NULL) continue;
            CHECK(p[0] == h->mark && p[least - 1] == h->mark);
            *h = (held){p, size, h->mark};
            memset(p, h->mark, size);
        } else {
            CHECK(intact(h));
            omen_heap_free(h->p, h->size);
            h->p = NULL;
        }
    }
    for (int i = 0; i < PIECES; i++)
        if (all[i].p != NULL) omen_heap_free(all[i].p, all[i].size);
}

TEST(freed_runs_join_again) {
    size_t before = used;
    for (int round = 0; round < 50; round++) {
        void *p[8];
        for (int i = 0; i < 8; i++) REQUIRE((p[i] = omen_heap_alloc(1 << 20)) != NULL);
        for (int i = 0; i < 8; i++) omen_heap_free(p[(i * 3) % 8], 1 << 20);
        void *whole = omen_heap_alloc(8 << 20);
        REQUIRE(whole != NULL);
        omen_heap_free(whole, 8 << 20);
    }
    CHECK(used - before <= 9u << 20);
}

TEST(no_more_memory_is_an_answer) {
    limit = used;
    void *p = omen_heap_alloc(ROOM);
    CHECK(p == NULL);
    CHECK(omen_heap_alloc(0) == NULL);
    CHECK(omen_heap_alloc(SIZE_MAX) == NULL);
    CHECK(omen_heap_alloc(SIZE_MAX / 2 + 1) == NULL);
    limit = ROOM;
    p = omen_heap_alloc(100);
    CHECK(p != NULL);
    omen_heap_free(p, 100);
}

TEST_MAIN()
