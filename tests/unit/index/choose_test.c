/* Which index is chosen, and whether one that exists will do: every way through. */
#include "test.h"

#include "index/choose.h"

#define PLENTY (UINT64_C(1) << 40)

static omen_index_choice choose(omen_index_kind kind, omen_index_case c) {
    omen_index_options wanted = {.kind = kind, .codec = OMEN_CODEC_RABITQ, .m = 20, .ef_construction = 99, .lists = 50, .bits = 3};
    return omen_index_choose(&wanted, &c);
}

TEST(what_is_asked_for_by_name_is_taken) {
    static const omen_index_kind kinds[] = {OMEN_INDEX_HNSW, OMEN_INDEX_IVF, OMEN_INDEX_DISK};
    for (unsigned i = 0; i < 3; i++) {
        /* Whatever the memory, the dead rows, the number of rows, from 64 on. */
        omen_index_choice c = choose(kinds[i], (omen_index_case){.rows = 64, .dead = 63, .dimensions = 4});
        CHECK_EQ_INT(c.options.kind, kinds[i]);
        CHECK(c.options.codec == OMEN_CODEC_RABITQ && c.options.m == 20 && c.options.ef_construction == 99 && c.options.lists == 50 && c.options.bits == 3);
        CHECK_EQ_STR(c.why, "asked for by name");
        c = choose(kinds[i], (omen_index_case){.rows = 63, .dimensions = 4000, .budget = PLENTY});
        CHECK_EQ_INT(c.options.kind, OMEN_INDEX_FLAT);
        CHECK(strstr(c.why, "too few rows") != NULL);
    }
    omen_index_choice c = choose(OMEN_INDEX_FLAT, (omen_index_case){.rows = 1000000, .dimensions = 100, .budget = PLENTY});
    CHECK_EQ_INT(c.options.kind, OMEN_INDEX_FLAT);
    CHECK_EQ_STR(c.why, "asked for by name");
}

TEST(few_rows_get_no_index) {
    static const struct { uint32_t rows, dimensions; omen_index_kind want; } of[] = {
        {0, 100, OMEN_INDEX_FLAT}, {4095, 4096, OMEN_INDEX_FLAT}, {4096, 255, OMEN_INDEX_FLAT}, {4096, 256, OMEN_INDEX_HNSW}, {1u << 19, 1, OMEN_INDEX_FLAT}, {1u << 19, 2, OMEN_INDEX_HNSW}, {UINT32_MAX, 65536, OMEN_INDEX_HNSW}};
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(of); i++) {
        omen_index_choice c = choose(OMEN_INDEX_AUTO, (omen_index_case){.rows = of[i].rows, .dimensions = of[i].dimensions, .budget = UINT64_MAX});
        CHECK_EQ_INT(c.options.kind, of[i].want);
        CHECK_EQ_STR(c.why, omen_index_reason(of[i].want));
    }
}

TEST(memory_decides) {
    static const omen_element elements[] = {OMEN_ELEMENT_F32, OMEN_ELEMENT_BIT};
    for (unsigned i = 0; i < 2; i++) {
        omen_index_case c = {.rows = 100000, .dimensions = 768, .metric = i == 0 ? OMEN_METRIC_L2 : OMEN_METRIC_HAMMING, .element = elements[i]};
        uint64_t hnsw = omen_index_estimate(OMEN_INDEX_HNSW, &c), ivf = omen_index_estimate(OMEN_INDEX_IVF, &c), disk = omen_index_estimate(OMEN_INDEX_DISK, &c);
        CHECK(hnsw > ivf && ivf > disk && disk > 0);
        CHECK_EQ_UINT(omen_index_estimate(OMEN_INDEX_FLAT, &c), 0);
        const struct { uint64_t budget; omen_index_kind want; } of[] = {{hnsw, OMEN_INDEX_HNSW}, {hnsw - 1, OMEN_INDEX_IVF}, {ivf, OMEN_INDEX_IVF}, {ivf - 1, OMEN_INDEX_DISK}, {0, OMEN_INDEX_DISK}};
        for (unsigned n = 0; n < OMEN_ARRAY_LEN(of); n++) {
            c.budget = of[n].budget;
            omen_index_choice got = choose(OMEN_INDEX_AUTO, c);
            CHECK_EQ_INT(got.options.kind, of[n].want);
            CHECK_EQ_STR(got.why, omen_index_reason(of[n].want));
            /* Codecs and lists are of inverted lists alone. */
            CHECK((got.options.codec == OMEN_CODEC_RABITQ && got.options.lists == 50 && got.options.bits == 3) == (of[n].want == OMEN_INDEX_IVF));
            CHECK(of[n].want == OMEN_INDEX_IVF || (got.options.codec == OMEN_CODEC_AUTO && got.options.lists == 0 && got.options.bits == 0));
            CHECK_EQ_UINT(got.options.m, 20);
        }
    }
    /* Bits take less than floats, more dimensions more than fewer. */
    omen_index_case c = {.rows = 1000, .dimensions = 512, .element = OMEN_ELEMENT_F32};
    uint64_t floats = omen_index_estimate(OMEN_INDEX_HNSW, &c);
    c.element = OMEN_ELEMENT_BIT;
    CHECK(omen_index_estimate(OMEN_INDEX_HNSW, &c) < floats);
    c.element = OMEN_ELEMENT_F32;
    c.dimensions = 1024;
    CHECK(omen_index_estimate(OMEN_INDEX_HNSW, &c) > floats);
    c.rows = UINT32_MAX;
    c.dimensions = 65536;
    CHECK(omen_index_estimate(OMEN_INDEX_HNSW, &c) > UINT64_C(65536) * UINT32_MAX);
}

TEST(mostly_dead_rows_wait_for_the_rewrite) {
    omen_index_case c = {.rows = 40000, .dimensions = 100, .budget = PLENTY, .dead = 10000};
    CHECK_EQ_INT(choose(OMEN_INDEX_AUTO, c).options.kind, OMEN_INDEX_HNSW);
    c.dead = 10001;
    omen_index_choice got = choose(OMEN_INDEX_AUTO, c);
    CHECK_EQ_INT(got.options.kind, OMEN_INDEX_FLAT);
    CHECK(strstr(got.why, "quarter") != NULL);
}

TEST(an_index_that_exists_suits_or_not) {
    const omen_index_options graph = {.kind = OMEN_INDEX_HNSW, .codec = OMEN_CODEC_SQ8, .m = 32, .ef_construction = 128}, disk = {.kind = OMEN_INDEX_DISK, .m = 32, .ef_construction = 128};
    const omen_index_options lists = {.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_RABITQ, .lists = 100, .bits = 4}, plain = {.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_SQ8, .lists = 100};
    const struct { const omen_index_options *have; omen_index_options wanted; bool suits; } of[] = {
        {&graph, {.kind = OMEN_INDEX_AUTO}, true},
        {&graph, {.kind = OMEN_INDEX_FLAT}, false},
        {&lists, {.kind = OMEN_INDEX_FLAT}, false},
        {&graph, {.kind = OMEN_INDEX_HNSW}, true},
        {&graph, {.kind = OMEN_INDEX_DISK}, false},
        {&graph, {.kind = OMEN_INDEX_IVF}, false},
        {&lists, {.kind = OMEN_INDEX_HNSW}, false},
        {&disk, {.kind = OMEN_INDEX_DISK, .m = 32}, true},
        {&disk, {.kind = OMEN_INDEX_DISK, .m = 33}, false},
        {&graph, {.kind = OMEN_INDEX_HNSW, .m = 32, .ef_construction = 128}, true},
        {&graph, {.kind = OMEN_INDEX_HNSW, .m = 31, .ef_construction = 128}, false},
        {&graph, {.kind = OMEN_INDEX_HNSW, .m = 32, .ef_construction = 127}, false},
        {&graph, {.kind = OMEN_INDEX_AUTO, .m = 16}, false},
        {&graph, {.kind = OMEN_INDEX_AUTO, .codec = OMEN_CODEC_PQ, .lists = 7}, true},
        {&lists, {.kind = OMEN_INDEX_AUTO, .m = 16}, true},
        {&lists, {.kind = OMEN_INDEX_IVF, .lists = 100}, true},
        {&lists, {.kind = OMEN_INDEX_IVF, .lists = 101}, false},
        {&lists, {.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_RABITQ, .bits = 4}, true},
        {&lists, {.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_RABITQ, .bits = 5}, false},
        {&lists, {.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_PQ}, false},
        {&plain, {.kind = OMEN_INDEX_IVF, .bits = 5}, true},
        {&plain, {.kind = OMEN_INDEX_AUTO}, true},
    };
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(of); i++)
        if (!CHECK_EQ_INT(omen_index_suits(of[i].have, &of[i].wanted), of[i].suits)) printf("        case %u\n", i);
    /* What is chosen suits what was wanted. */
    for (omen_index_kind k = OMEN_INDEX_AUTO; k <= OMEN_INDEX_DISK; k++) {
        omen_index_options wanted = {.kind = k};
        omen_index_case c = {.rows = 100000, .dimensions = 100, .budget = PLENTY};
        omen_index_choice got = omen_index_choose(&wanted, &c);
        CHECK_EQ_INT(omen_index_suits(&got.options, &wanted), k != OMEN_INDEX_FLAT);
    }
}

TEST(shorter_codes_come_before_blocks) {
    omen_index_options any = {.kind = OMEN_INDEX_AUTO}, bytes = {.kind = OMEN_INDEX_AUTO, .codec = OMEN_CODEC_SQ8};
    omen_index_case c = {.rows = 331000, .dimensions = 100, .metric = OMEN_METRIC_COSINE, .budget = 28u << 20};
    CHECK(omen_index_estimate(OMEN_INDEX_IVF, &c) > c.budget);
    omen_index_choice got = omen_index_choose(&any, &c);
    CHECK(got.options.kind == OMEN_INDEX_IVF && got.options.codec == OMEN_CODEC_RABITQ && got.options.bits == 3 && strstr(got.why, "shorter codes do") != NULL);
    CHECK_EQ_INT(omen_index_choose(&bytes, &c).options.kind, OMEN_INDEX_DISK);
    c.budget = 40u << 20;
    got = omen_index_choose(&any, &c);
    CHECK(got.options.codec == OMEN_CODEC_RABITQ && got.options.bits == 4);
    c.budget = 17u << 20;
    CHECK_EQ_INT(omen_index_choose(&any, &c).options.kind, OMEN_INDEX_DISK);
    c.budget = 28u << 20;
    c.needs[1] = c.budget + 1;
    CHECK_EQ_INT(omen_index_choose(&any, &c).options.kind, OMEN_INDEX_DISK);
}

/* What was built and did not fit is not built again until there is more memory: whoever is free to choose gets the next kind. */
TEST(what_is_known_to_need_more_is_not_chosen) {
    omen_index_options any = {.kind = OMEN_INDEX_AUTO}, graph = {.kind = OMEN_INDEX_HNSW}, lists = {.kind = OMEN_INDEX_IVF}, disk = {.kind = OMEN_INDEX_DISK};
    omen_index_case c = {.rows = 100000, .dimensions = 100, .budget = PLENTY};
    CHECK_EQ_INT(omen_index_choose(&any, &c).options.kind, OMEN_INDEX_HNSW);
    c.needs[0] = c.budget;
    CHECK_EQ_INT(omen_index_choose(&any, &c).options.kind, OMEN_INDEX_HNSW);
    CHECK_EQ_INT(omen_index_choose(&graph, &c).options.kind, OMEN_INDEX_HNSW);
    c.needs[0]++;
    omen_index_choice got = omen_index_choose(&any, &c);
    CHECK_EQ_INT(got.options.kind, OMEN_INDEX_IVF);
    CHECK(strstr(got.why, "a graph does not fit") != NULL);
    got = omen_index_choose(&graph, &c);
    CHECK_EQ_INT(got.options.kind, OMEN_INDEX_FLAT);
    CHECK(strstr(got.why, "raise index_bytes") != NULL);
    CHECK_EQ_INT(omen_index_choose(&lists, &c).options.kind, OMEN_INDEX_IVF);
    c.needs[1] = c.budget + 1;
    CHECK_EQ_INT(omen_index_choose(&any, &c).options.kind, OMEN_INDEX_DISK);
    CHECK_EQ_INT(omen_index_choose(&lists, &c).options.kind, OMEN_INDEX_FLAT);
    CHECK_EQ_INT(omen_index_choose(&disk, &c).options.kind, OMEN_INDEX_DISK);
}

TEST(faster_ones_are_better) {
    static const omen_index_options in_order[] = {{.kind = OMEN_INDEX_FLAT},
                                                  {.kind = OMEN_INDEX_DISK},
                                                  {.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_RABITQ, .bits = 4},
                                                  {.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_SQ8},
                                                  {.kind = OMEN_INDEX_HNSW}};
    for (size_t a = 0; a < OMEN_ARRAY_LEN(in_order); a++)
        for (size_t b = 0; b < OMEN_ARRAY_LEN(in_order); b++) CHECK_EQ_INT(omen_index_better(&in_order[a], &in_order[b]), a > b);
}

TEST_MAIN()
