/* What inverted lists are made of: picking the nearest of a stream, and ranks. */
#include "test.h"

#include <math.h>

#include "index/ivf_pick.h"
#include "store_fixture.h"

typedef struct room { fault_host *host; omen_mem mem; } room;

static void room_init(room *r) {
    r->host = fault_host_new(1);
    omen_mem_init(&r->mem, &r->host->host, 0);
}

static void room_deinit(room *r) {
    CHECK_EQ_UINT(fault_host_bytes(r->host), 0);
    fault_host_free(r->host);
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Whatever the ranks are like, and however they arrive. */
TEST(the_nearest_are_picked) {
    room r;
    room_init(&r);
    omen_pick p = {.mem = &r.mem};
    omen_bits *not_seventh = omen_bits_new(&r.mem, 20000);
    REQUIRE(not_seventh != NULL);
    for (uint32_t i = 0; i < 20000; i++)
        if (i % 7 != 0) omen_bits_set(not_seventh, i);
    for (unsigned round = 0; round < 400; round++) {
        uint32_t total = (uint32_t)test_rand_below(round % 10 == 0 ? 20000 : 600), want = 1 + (uint32_t)test_rand_below(round % 3 == 0 ? 5 : 300), kept = 0;
        unsigned kind = round % 5;
        uint64_t *keys = malloc((total + 1) * sizeof *keys);
        omen_may filter = {.accept = not_seventh};
        bool filtered = round % 4 == 1, numbered = round % 2 == 0;
        REQUIRE_OK(omen_pick_begin(&p, want));
        for (uint32_t at = 0; at < total;) {
            int32_t ranks[OMEN_PICK_BLOCK];
            uint32_t ids[OMEN_PICK_BLOCK], n = 1 + (uint32_t)test_rand_below(OMEN_PICK_BLOCK);
            if (n > total - at) n = total - at;
            for (uint32_t i = 0; i < n; i++) {
                uint32_t x = at + i;
                ids[i] = numbered ? total - 1 - x : x;
                ranks[i] = kind == 0 ? (int32_t)test_rand() : kind == 1 ? (int32_t)test_rand_below(4) : kind == 2 ? (int32_t)x : kind == 3 ? -(int32_t)x : (test_rand_below(2) == 0 ? INT32_MAX : INT32_MIN);
                if (!filtered || ids[i] % 7 != 0) keys[kept++] = omen_pick_key(ranks[i], ids[i]);
            }
            omen_pick_offer(&p, ranks, numbered ? ids : NULL, at, n, filtered ? &filter : NULL);
            at += n;
        }
        omen_pick_end(&p);
        qsort(keys, kept, sizeof *keys, by_value);
        CHECK_EQ_UINT(p.len, kept < want ? kept : want);
        CHECK_MEM(p.keys, keys, p.len * sizeof *keys);
        free(keys);
    }
    CHECK(omen_pick_rank(omen_pick_key(INT32_MIN, 3)) == INT32_MIN && omen_pick_id(omen_pick_key(-1, 77)) == 77);
    CHECK(omen_pick_key(-1, UINT32_MAX) < omen_pick_key(0, 0));
    omen_bits_unref(not_seventh);
    omen_pick_deinit(&p);
    room_deinit(&r);
}

TEST(ranks_of_floats_are_in_order) {
    static const float floats[] = {-INFINITY, -3.4e38f, -1.0f, -1e-45f, 0.0f, 1e-45f, 1e-20f, 1.0f, 1.0000001f, 3.4e38f, INFINITY};
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(floats); i++) {
        CHECK_BITS(omen_pick_distance(omen_pick_rank_of(floats[i])), floats[i]);
        if (i != 0) CHECK(omen_pick_rank_of(floats[i - 1]) < omen_pick_rank_of(floats[i]));
    }
    CHECK_EQ_INT(omen_pick_rank_of(-0.0f), omen_pick_rank_of(0.0f));
    CHECK_EQ_INT(omen_pick_rank_of(NAN), INT32_MAX);
    CHECK(omen_pick_distance(INT32_MAX) == INFINITY);
}

TEST_MAIN()
