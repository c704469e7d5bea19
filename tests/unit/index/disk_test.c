/* A graph read block by block: the answers of the graph in memory on storages that pend, under pools that hold next to nothing, with filters; degenerate
 * data; the same file for any number of threads; faults. */
#include "test.h"

#include "index/disk.h"
#include "ivf_model.h"

static const struct { omen_metric metric; uint32_t rows, dimensions, lead, clusters; } shapes[] = {
    {OMEN_METRIC_L2, 3000, 24, 24, 40},     {OMEN_METRIC_L2, 1500, 200, 20, 30},    {OMEN_METRIC_COSINE, 2000, 40, 40, 30}, {OMEN_METRIC_IP, 2000, 52, 52, 20},
    {OMEN_METRIC_HAMMING, 2500, 128, 0, 60}, {OMEN_METRIC_HAMMING, 700, 72, 0, 10}, {OMEN_METRIC_L2, 300, 8, 8, 5},         {OMEN_METRIC_COSINE, 9000, 16, 16, 50},
};

static void shape_init(model *m, unsigned i, omen_index_kind kind) {
    model_init(m, shapes[i].rows, shapes[i].dimensions, shapes[i].metric);
    m->options = (omen_index_options){.kind = kind, .m = 16, .ef_construction = 60};
}

static bool odd(void *arg, uint32_t row) {
    (void)arg;
    return row % 2 == 1;
}

/* The same file of the same vectors, as kind HNSW and as DISK. */
typedef struct pair { model memory, disk; uint8_t *vectors; } pair;

static void pair_init(pair *p, unsigned shape) {
    p->vectors = NULL;
    shape_init(&p->memory, shape, OMEN_INDEX_HNSW);
    shape_init(&p->disk, shape, OMEN_INDEX_DISK);
    model_fill_once(&p->memory, &p->vectors, shapes[shape].clusters, shapes[shape].lead);
    model_fill_once(&p->disk, &p->vectors, shapes[shape].clusters, shapes[shape].lead);
    REQUIRE_OK(model_build(&p->memory, NULL));
    REQUIRE_OK(model_build(&p->disk, NULL));
    REQUIRE_OK(model_open_index(&p->memory, NULL));
}

static void pair_deinit(pair *p) {
    CHECK_EQ_UINT(model_deinit(&p->memory), 0);
    CHECK_EQ_UINT(model_deinit(&p->disk), 0);
    free(p->vectors);
}

static void compare(pair *p, const omen_index_query *q) {
    omen_index_hit *a, *b;
    uint32_t an, bn;
    omen_index_work aw, bw;
    REQUIRE_OK(model_search(&p->memory, q, &a, &an, &aw));
    REQUIRE_OK(model_search(&p->disk, q, &b, &bn, &bw));
    CHECK_EQ_UINT(an, bn);
    bool same = true;
    for (uint32_t i = 0; i < an && i < bn; i++) same = same && a[i].row == b[i].row && a[i].rank == b[i].rank;
    if (!CHECK(same)) printf("        want %u, effort %u\n", q->want, q->effort);
    CHECK_EQ_UINT(aw.hops, bw.hops);
    CHECK_EQ_UINT(aw.distances, bw.distances);
    CHECK(bw.blocks != 0);
    free(a);
    free(b);
}

TEST(answers_are_those_of_the_graph_in_memory) {
    static const uint32_t efforts[] = {1, 10, 64, 400, 1500, 1u << 30};
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(shapes); i++) {
        pair p;
        pair_init(&p, i);
        for (unsigned pending = 0; pending <= 90; pending += 45) {
            fault_storage_set_pending(p.disk.fs, pending);
            REQUIRE_OK(model_open_index(&p.disk, NULL));
            CHECK_EQ_INT(omen_index_options_of(p.disk.index)->kind, OMEN_INDEX_DISK);
            omen_bits *dead = omen_bits_new(&p.disk.x.mem, shapes[i].rows);
            for (uint32_t r = 0; r < shapes[i].rows; r += 3) omen_bits_set(dead, r);
            for (uint32_t n = 0; n < 40; n++) {
                const uint8_t *vector = p.vectors + test_rand_below(shapes[i].rows) * p.disk.bytes;
                omen_index_query q = {.vector = vector, .want = 1 + (uint32_t)test_rand_below(40), .effort = efforts[n % OMEN_ARRAY_LEN(efforts)]};
                if (n % 4 == 1) q.accept = odd;
                if (n % 4 == 2) q.dead = dead;
                compare(&p, &q);
            }
            omen_bits_unref(dead);
            CHECK_OK(model_check(&p.disk, NULL));
            CHECK_STORAGE(p.disk.fs);
            if (pending < 90) {
                omen_index_unref(p.disk.index);
                p.disk.index = NULL;
            }
        }
        pair_deinit(&p);
    }
}

TEST_MAIN()
