/* Walking a graph: what the pool holds at the end, filters, pruning, and links that make every row reachable, over graphs and codes made by hand. */
#include "test.h"

#include "graph_model.h"

/* Rows of 64 bits, and links at random. */
typedef struct net {
    fault_host *host;
    omen_mem mem;
    omen_codes codes;
    omen_level level;
    uint8_t *bytes;
    omen_walk walk;
} net;

static void net_init(net *n, uint32_t count, uint32_t m, uint32_t degree) {
    memset(n, 0, sizeof *n);
    n->host = fault_host_new(1);
    omen_mem_init(&n->mem, &n->host->host, 0);
    n->codes = omen_codes_of_bits(64);
    n->bytes = aligned_alloc(64, ((size_t)count * 8 + 127) / 64 * 64);
    memset(n->bytes, 0, ((size_t)count * 8 + 127) / 64 * 64);
    for (size_t i = 0; i < (size_t)count * 8; i++) n->bytes[i] = (uint8_t)test_rand();
    n->codes.rows = n->bytes;
    n->level = (omen_level){.links = malloc((size_t)count * m * sizeof(uint32_t)), .m = m, .count = count};
    memset(n->level.links, 0xFF, (size_t)count * m * sizeof(uint32_t));
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0, d = 0; j < degree; j++) {
            uint32_t to = (uint32_t)test_rand_below(count), *links = n->level.links + (size_t)i * m;
            bool known = to == i;
            for (uint32_t a = 0; a < d; a++) known = known || links[a] == to;
            if (!known) links[d++] = to;
        }
    omen_walk_init(&n->walk, &n->mem);
}

static void net_deinit(net *n) {
    omen_walk_deinit(&n->walk);
    CHECK_EQ_UINT(n->mem.bytes, 0);
    fault_host_free(n->host);
    free(n->bytes);
    free(n->level.links);
}

static uint32_t row_of(const net *n, uint32_t node) { return n->level.rows == NULL ? node : n->level.rows[node]; }

static omen_walk_key key_of(const net *n, uint32_t node) {
    int32_t rank;
    uint32_t row = row_of(n, node);
    omen_codes_rank(&n->codes, n->walk.u, &row, 1, &rank);
    return omen_walk_key_of(rank, node);
}

static bool was_seen(const omen_walk *w, uint32_t node) { return (w->visited[node >> 6] >> (node & 63) & 1) != 0; }

/* The pool is sorted, its ranks are right, all of it was followed, and nobody that was met belongs into it. */
static void check_pool(const net *n) {
    const omen_walk *w = &n->walk;
    CHECK(w->pool_len <= w->ef);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < w->pool_len; i++) {
        uint32_t node = omen_walk_node(w->pool[i]);
        CHECK((w->pool[i] & 1) == 1);
        CHECK(w->pool[i] == (key_of(n, node) | 1));
        CHECK(i == 0 || w->pool[i - 1] < w->pool[i]);
        for (uint32_t j = 0; j < omen_level_degree(&n->level, node); j++) CHECK(was_seen(w, omen_level_links(&n->level, node)[j]));
    }
    for (uint32_t node = 0; node < n->level.count; node++) {
        if (!was_seen(w, node)) continue;
        seen++;
        bool held = false;
        for (uint32_t i = 0; i < w->pool_len; i++) held = held || omen_walk_node(w->pool[i]) == node;
        CHECK(held || (w->pool_len == w->ef && key_of(n, node) > (w->pool[w->pool_len - 1] & ~UINT64_C(1))));
    }
    CHECK_EQ_UINT(seen, w->distances);
    CHECK(w->hops >= w->pool_len && w->hops <= seen);
}

TEST(keys_are_in_the_order_of_ranks) {
    static const int32_t ranks[] = {INT32_MIN, -1000000, -1, 0, 1, 7, INT32_MAX};
    static const uint32_t nodes[] = {0, 1, 77, 0x7FFFFFFEu};
    omen_walk_key last = 0;
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(ranks); i++)
        for (unsigned j = 0; j < OMEN_ARRAY_LEN(nodes); j++) {
            omen_walk_key k = omen_walk_key_of(ranks[i], nodes[j]);
            CHECK(omen_walk_rank(k) == ranks[i] && omen_walk_node(k) == nodes[j] && (k & 1) == 0);
            CHECK(omen_walk_rank(k | 1) == ranks[i] && omen_walk_node(k | 1) == nodes[j]);
            CHECK((i == 0 && j == 0) || k > last);
            last = k;
        }
}

TEST(pools_hold_the_best_of_what_was_met) {
    net n;
    net_init(&n, 1500, 12, 8);
    static const uint32_t efs[] = {1, 2, 10, 64, 65, 200, 1500, 3};
    for (unsigned round = 0; round < 24; round++) {
        uint32_t ef = efs[round % OMEN_ARRAY_LEN(efs)], start[6];
        CHECK_OK(omen_walk_room(&n.walk, n.level.count, ef, 1, n.codes.len));
        for (unsigned i = 0; i < 8; i++) n.walk.u[i] = (uint8_t)test_rand();
        for (unsigned i = 0; i < 6; i++) start[i] = (uint32_t)test_rand_below(i < 3 ? n.level.count : 5); /* some of them twice */
        omen_walk_begin(&n.walk, ef, 0, NULL);
        omen_walk_add(&n.walk, &n.codes, &n.level, NULL, start, 6);
        omen_walk_add(&n.walk, &n.codes, &n.level, NULL, start, 6);
        CHECK(n.walk.distances <= 6);
        omen_walk_run(&n.walk, &n.codes, &n.level, NULL);
        check_pool(&n);
    }
    net_deinit(&n);
}

/* What one search met does not show in the next, also when more was met than is listed. */
TEST(walks_repeat) {
    net n;
    net_init(&n, 9000, 10, 9);
    CHECK_OK(omen_walk_room(&n.walk, n.level.count, 9000, 1, n.codes.len));
    memset(n.walk.u, 0x3C, n.codes.len);
    omen_walk_key *first = NULL;
    uint32_t len = 0, zero = 0;
    static const uint32_t efs[] = {40, 9000, 40, 9000, 40};
    for (unsigned round = 0; round < OMEN_ARRAY_LEN(efs); round++) {
        omen_walk_begin(&n.walk, efs[round], 0, NULL);
        omen_walk_add(&n.walk, &n.codes, &n.level, NULL, &zero, 1);
        omen_walk_run(&n.walk, &n.codes, &n.level, NULL);
        if (efs[round] == 9000) {
            CHECK(n.walk.distances > 8900);
            continue;
        }
        CHECK_EQ_UINT(n.walk.pool_len, 40);
        if (first == NULL) {
            len = n.walk.pool_len;
            first = malloc(len * sizeof *first);
            memcpy(first, n.walk.pool, len * sizeof *first);
        }
        CHECK(len == n.walk.pool_len);
        CHECK_MEM(n.walk.pool, first, len * sizeof *first);
    }
    free(first);
    net_deinit(&n);
}

TEST(filters_keep_the_best_that_may_be) {
    for (unsigned mapped = 0; mapped < 2; mapped++) {
        net n;
        uint32_t *rows = NULL;
        net_init(&n, 1200, 12, 8);
        if (mapped == 1) {
            /* An upper level: 400 nodes that are rows 0, 3, 6 .. */
            rows = malloc(400 * sizeof *rows);
            for (uint32_t i = 0; i < 400; i++) rows[i] = 3 * i;
            n.level.rows = rows;
            n.level.count = 400;
            for (uint32_t i = 0; i < 400 * n.level.m; i++)
                if (n.level.links[i] != OMEN_NO_NODE) n.level.links[i] %= 400;
        }
        for (unsigned round = 0; round < 20; round++) {
            uint32_t each = 1 + round % 7, ef = 5 + round * 4, want = 1 + round * 5, start[3], expected = 0;
            omen_bits *accept = omen_bits_new(&n.mem, 1200);
            for (uint32_t r = 0; r < 1200; r += each) omen_bits_set(accept, r);
            omen_may filter = {.accept = accept};
            CHECK_OK(omen_walk_room(&n.walk, n.level.count, ef, want, n.codes.len));
            for (unsigned i = 0; i < 8; i++) n.walk.u[i] = (uint8_t)test_rand();
            for (unsigned i = 0; i < 3; i++) start[i] = (uint32_t)test_rand_below(n.level.count);
            omen_walk_begin(&n.walk, ef, want, &filter);
            omen_walk_add(&n.walk, &n.codes, &n.level, NULL, start, 3);
            omen_walk_run(&n.walk, &n.codes, &n.level, NULL);
            check_pool(&n);
            const omen_walk *w = &n.walk;
            for (uint32_t i = 0; i < w->found_len; i++) {
                CHECK(i == 0 || w->found[i - 1] < w->found[i]);
                CHECK(row_of(&n, omen_walk_node(w->found[i])) % each == 0 && w->found[i] == key_of(&n, omen_walk_node(w->found[i])));
            }
            for (uint32_t node = 0; node < n.level.count; node++) {
                if (!was_seen(w, node) || row_of(&n, node) % each != 0) continue;
                expected++;
                bool held = false;
                for (uint32_t i = 0; i < w->found_len; i++) held = held || omen_walk_node(w->found[i]) == node;
                CHECK(held || (w->found_len == want && key_of(&n, node) > w->found[want - 1]));
            }
            CHECK_EQ_UINT(w->found_len, expected < want ? expected : want);
            omen_bits_unref(accept);
        }
        free(rows);
        net_deinit(&n);
    }
}

TEST(memory_runs_out) {
    net n;
    net_init(&n, 100, 8, 4);
    for (uint64_t at = 1; at <= 5; at++) {
        fault_host_fail_alloc_at(n.host, at, false);
        CHECK_STATUS(omen_walk_room(&n.walk, 100, 10, 10, 8), OMEN_ERR_MEMORY);
        omen_walk_deinit(&n.walk);
        omen_walk_init(&n.walk, &n.mem);
    }
    CHECK_OK(omen_walk_room(&n.walk, 100, 10, 10, 8));
    /* Growing fails: what there was is still there. */
    fault_host_fail_alloc_at(n.host, 1, true);
    CHECK_STATUS(omen_walk_room(&n.walk, 100000, 10, 10, 8), OMEN_ERR_MEMORY);
    CHECK_OK(omen_walk_room(&n.walk, 100, 10, 10, 8));
    fault_host_fail_alloc_at(n.host, 0, false);
    CHECK_OK(omen_walk_room(&n.walk, 100000, 500, 300, 64));
    CHECK(n.walk.pool_cap >= 500 && n.walk.found_cap >= 300 && n.walk.nodes >= 100000);
    net_deinit(&n);
}

/* ---- pruning ---- */

static int compare_keys(const void *a, const void *b) {
    omen_walk_key x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static int32_t apart(const net *n, uint32_t a, uint32_t b) {
    int32_t d = 0;
    for (unsigned i = 0; i < 8; i++) d += __builtin_popcount(n->bytes[row_of(n, a) * 8 + i] ^ n->bytes[row_of(n, b) * 8 + i]);
    return d;
}

TEST(who_is_nearer_to_a_neighbour_is_left_out) {
    net n;
    net_init(&n, 300, 8, 0);
    uint8_t u[64];
    unsigned left_out = 0;
    for (unsigned round = 0; round < 40; round++) {
        uint32_t node = (uint32_t)test_rand_below(300), count = 1 + (uint32_t)test_rand_below(100), most = 1 + round % 31, chosen[32], at = 0;
        omen_walk_key keys[100];
        for (uint32_t i = 0; i < count; i++) {
            uint32_t other = (node + 1 + i * 2) % 300;
            keys[i] = omen_walk_key_of(apart(&n, node, other), other) | (round & 1);
        }
        qsort(keys, count, sizeof *keys, compare_keys);
        omen_prune p = {u, round % 2 == 0 ? 256 : 310};
        uint32_t k = omen_graph_prune(&n.codes, &n.level, &p, keys, count, most, chosen);
        CHECK(k >= 1 && k <= most && chosen[0] == omen_walk_node(keys[0]));
        for (uint32_t i = 0; i < count && at < k; i++) {
            uint32_t candidate = omen_walk_node(keys[i]);
            bool near = false;
            for (uint32_t j = 0; j < at; j++) near = near || apart(&n, candidate, chosen[j]) * (int64_t)p.slack < apart(&n, candidate, node) * INT64_C(256);
            left_out += near;
            if (!near) CHECK_EQ_UINT(chosen[at++], candidate);
        }
        CHECK_EQ_UINT(at, k);
    }
    CHECK(left_out > 50);
    CHECK_EQ_UINT(omen_graph_prune(&n.codes, &n.level, &(omen_prune){u, 256}, NULL, 0, 5, NULL), 0);
    net_deinit(&n);
}

/* ---- every row is reached ---- */

static void check_connected(net *n, const uint32_t *top, uint32_t tops) {
    omen_graph g = {.codes = n->codes, .top = tops == 0 ? 0 : 1};
    uint32_t lost, added, again, cells = n->level.count * n->level.m, kept = 0, before = 0, after = 0, *was = malloc(cells * sizeof *was);
    g.level[0] = n->level;
    g.level[1] = (omen_level){.rows = top, .count = tops, .m = 4};
    memcpy(was, n->level.links, cells * sizeof *was);
    CHECK_OK(omen_graph_unreached(&n->mem, &g, &lost, NULL));
    CHECK_OK(omen_graph_connect(&n->mem, &g, &added, NULL));
    CHECK(added <= lost && (added != 0) == (lost != 0));
    CHECK_OK(omen_graph_unreached(&n->mem, &g, &again, NULL));
    CHECK_EQ_UINT(again, 0);
    for (uint32_t i = 0; i < cells; i++) {
        before += was[i] != OMEN_NO_NODE;
        after += n->level.links[i] != OMEN_NO_NODE;
        kept += was[i] != OMEN_NO_NODE && was[i] == n->level.links[i];
    }
    CHECK(kept == before && after == before + added);
    for (uint32_t i = 0; i < n->level.count; i++)
        for (uint32_t a = 0; a < omen_level_degree(&n->level, i); a++) {
            CHECK(omen_level_links(&n->level, i)[a] < n->level.count && omen_level_links(&n->level, i)[a] != i);
            for (uint32_t b = 0; b < a; b++) CHECK(omen_level_links(&n->level, i)[a] != omen_level_links(&n->level, i)[b]);
        }
    CHECK_OK(omen_graph_connect(&n->mem, &g, &again, NULL));
    CHECK_EQ_UINT(again, 0);
    free(was);
}

TEST(rows_nobody_links_to_are_linked) {
    static const struct { uint32_t count, m, degree, tops; } of[] = {{600, 8, 7, 40}, {600, 8, 1, 3}, {600, 4, 0, 1}, {500, 4, 0, 0}, {600, 2, 1, 1}, {1, 4, 0, 1}, {2000, 6, 2, 100}};
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(of); i++) {
        net n;
        uint32_t top[100];
        net_init(&n, of[i].count, of[i].m, of[i].degree);
        for (uint32_t t = 0; t < of[i].tops; t++) top[t] = t * (of[i].count / of[i].tops);
        check_connected(&n, top, of[i].tops);
        net_deinit(&n);
    }
}

TEST(heights_thin_out_by_sixteen) {
    uint32_t counts[OMEN_GRAPH_LEVELS + 1] = {0};
    for (uint32_t row = 0; row < 200000; row++)
        for (uint32_t l = 0; l <= omen_graph_height(row); l++) counts[l]++;
    CHECK(counts[1] > 12000 && counts[1] < 13000);
    CHECK(counts[2] > 700 && counts[2] < 860);
    CHECK(counts[3] > 25 && counts[3] < 75);
    CHECK_EQ_UINT(counts[8], 0);
}

TEST_MAIN()
