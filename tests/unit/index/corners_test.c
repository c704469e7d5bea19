/* Every kind of index at its corners: plans for very many hits, memory for indexes that is too small by a byte, sections of the wrong shape, each read and each
 * allocation of opening, searching and verifying that fails. */
#include "test.h"

#include "graph_model.h"
#include "segment_copy.h"

static const omen_index_options kinds[] = {
    {.kind = OMEN_INDEX_HNSW, .m = 8, .ef_construction = 12},
    {.kind = OMEN_INDEX_DISK, .m = 8, .ef_construction = 12},
    {.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_SQ8, .lists = 12},
    {.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_RABITQ, .lists = 12, .bits = 4},
    {.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_PQ, .lists = 12},
};

static void begin(model *m, size_t kind, uint32_t rows) {
    model_init(m, rows, 16, OMEN_METRIC_L2);
    m->options = kinds[kind];
    model_fill(m, 8, 16, 0.5f);
    CHECK_OK(model_build(m, NULL));
}

/* Opens, searches twice (once among few rows) and verifies: the first failure. */
static omen_status use(model *m, omen_bits *few, omen_error *err) {
    omen_status s = model_open_index(m, err);
    for (int filtered = 0; filtered < 3 && s == OMEN_OK; filtered++) {
        omen_index_query q = {.vector = m->vectors, .want = 30, .effort = filtered == 2 ? 200 : 20, .accept = filtered == 1 ? few : NULL, .near = 10, .slack = filtered == 2 ? 1u << 20 : 0};
        omen_index_search *search = NULL;
        uint32_t count;
        s = omen_index_search_begin(m->index, &q, &search, err);
        if (s == OMEN_OK) STEP(s, omen_index_search_step(search, err));
        if (s == OMEN_OK) {
            const omen_index_hit *hits = omen_index_search_hits(search, &count, NULL);
            CHECK(hits_sound(m, hits, count));
        }
        omen_index_search_end(search);
    }
    if (s == OMEN_OK) s = model_check(m, err);
    omen_index_unref(m->index);
    m->index = NULL;
    return s;
}

TEST(each_read_and_each_allocation_that_fails_is_told) {
    for (size_t k = 0; k < OMEN_ARRAY_LEN(kinds); k++) {
        model m;
        begin(&m, k, 900);
        omen_bits *few = model_every(&m, 50, 3);
        for (int what = 0; what < 2; what++)
            for (uint64_t at = 1;; at += TEST_EMULATED ? 1 + at / 3 : 1 + at / 150) {
                omen_error err = {0};
                if (what == 0) segment_forget_next(&m.x);
                if (what == 0) fault_storage_fail_at(m.fs, at, OMEN_ERR_IO, true);
                else fault_host_fail_alloc_at(m.x.host, at, true);
                omen_status s = use(&m, few, &err);
                bool hit = what == 0 ? fault_storage_fault_hit(m.fs) : fault_host_fault_hit(m.x.host);
                fault_storage_fail_at(m.fs, 0, OMEN_OK, false);
                fault_host_fail_alloc_at(m.x.host, 0, false);
                fault_storage_on_call(m.fs, NULL, NULL);
                omen_status due = !hit ? OMEN_OK : what == 0 ? OMEN_ERR_IO : OMEN_ERR_MEMORY;
                /* Pages of memory for an index on disk that are not to be had only make it slower. */
                if (!CHECK(s == due || (s == OMEN_OK && what == 1 && kinds[k].kind == OMEN_INDEX_DISK))) printf("        %s instead of %s, kind %u, call %u\n", test_status_name(s), test_status_name(due), (unsigned)k, (unsigned)at);
                if (s != OMEN_OK) CHECK(err.text[0] != 0);
                if (!hit) break;
            }
        omen_bits_unref(few);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

TEST(memory_for_indexes_is_kept_to_the_byte) {
    for (size_t k = 0; k < OMEN_ARRAY_LEN(kinds); k++) {
        model m;
        unsigned refused[2] = {0};
        begin(&m, k, 900);
        CHECK_OK(model_open_index(&m, NULL));
        uint64_t needs = atomic_load(&m.x.store.resident.indexes);
        omen_index_unref(m.index);
        for (uint64_t limit = 1; limit < needs + 3000; limit += limit < needs - 3000 && limit + 5000 < needs ? 4001 : 97) {
            omen_error err = {0};
            m.x.store.resident.limit = limit;
            omen_status s = model_open_index(&m, &err);
            bool fits = limit >= needs || kinds[k].kind == OMEN_INDEX_DISK;
            CHECK_STATUS(s, fits ? OMEN_OK : OMEN_ERR_LIMIT);
            if (s == OMEN_ERR_LIMIT) CHECK(strstr(err.text, "raise index_bytes") != NULL);
            refused[s == OMEN_OK]++;
            omen_index_unref(m.index);
            m.index = NULL;
            CHECK_EQ_UINT(atomic_load(&m.x.store.resident.indexes), 0);
        }
        CHECK(refused[1] != 0 && (refused[0] != 0 || kinds[k].kind == OMEN_INDEX_DISK));
        m.x.store.resident.limit = 0;
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* Only large graphs have three levels: those are there where branches are counted, too. */
#ifdef __LLVM_INSTR_PROFILE_GENERATE
#define SMALL TEST_EMULATED
#else
#define SMALL SLOW
#endif

TEST(graphs_of_three_levels_say_when_memory_ends) {
    if (SMALL) TEST_SKIP("needs 9,000 rows");
    for (size_t k = 0; k < 2; k++) {
        model m;
        unsigned failed = 0;
        begin(&m, k, 9000);
        for (uint64_t at = 1;; at++) {
            omen_error err = {0};
            fault_host_fail_alloc_at(m.x.host, at, true);
            omen_status s = model_open_index(&m, &err);
            bool hit = fault_host_fault_hit(m.x.host);
            fault_host_fail_alloc_at(m.x.host, 0, false);
            CHECK_STATUS(s, hit ? OMEN_ERR_MEMORY : OMEN_OK);
            if (!hit) break;
            failed++;
            CHECK(m.index == NULL && strstr(err.text, "out of memory") != NULL);
            CHECK_EQ_UINT(atomic_load(&m.x.store.resident.indexes), 0);
        }
        CHECK(failed > 5);
        uint32_t count;
        omen_index_hit *hits;
        omen_index_query q = {.vector = m.vectors, .want = 20, .effort = 100};
        CHECK_OK(model_search(&m, &q, &hits, &count, NULL));
        CHECK(count == 20 && hits_sound(&m, hits, count) && hits[0].row == 0);
        free(hits);
        CHECK_OK(model_check(&m, NULL));
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

TEST(sections_have_their_shape) {
    for (size_t k = 0; k < OMEN_ARRAY_LEN(kinds); k++) {
        model m;
        begin(&m, k, 900);
        omen_segment *seg = NULL;
        omen_segment_info own = m.info;
        CHECK_OK(omen_segment_open(&m.x.store, &own, &seg, NULL));
        uint64_t number = 20;
        for (size_t i = 0; i < omen_segment_section_count(seg); i++) {
            const omen_section *sec = omen_segment_section_at(seg, i);
            const segment_change changes[] = {{.kind = sec->kind, .flags = OMEN_SECTION_ZSTD}, {.kind = sec->kind, .leave_out = true}, {.kind = sec->kind, .cut = 8192}};
            for (size_t c = 0; c < OMEN_ARRAY_LEN(changes); c++) {
                omen_error err = {0};
                segment_copy(&m.x.store, seg, number, &changes[c], 1, &m.info);
                omen_status s = model_open_index(&m, &err);
                if (s == OMEN_OK) s = model_check(&m, &err);
                if (!CHECK_STATUS(s, OMEN_ERR_CORRUPT)) printf("        kind %u, section %u, change %u\n", (unsigned)k, (unsigned)sec->kind, (unsigned)c);
                CHECK(strstr(err.text, omen_segment_file_name(number).text) != NULL && strstr(err.text, "built again") != NULL);
                omen_index_unref(m.index);
                m.index = NULL;
                fault_storage_delete(m.fs, omen_segment_file_name(number++).text);
            }
        }
        omen_segment_close(seg);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* What is planned grows with the hits and ends somewhere. */
TEST(plans_for_very_many_hits) {
    for (size_t k = 0; k < OMEN_ARRAY_LEN(kinds); k++) {
        model m;
        begin(&m, k, 900);
        CHECK_OK(model_open_index(&m, NULL));
        omen_index_plan last = {0};
        uint32_t want = 0;
        uint64_t cost = 0;
        for (uint64_t hits = 1; hits < UINT64_C(1) << 31; hits *= 3) {
            omen_index_plan p = omen_index_plan_for(m.index, (uint32_t)hits, 0.95f);
            CHECK(p.effort >= last.effort && p.want >= last.want && p.effort <= 1u << 20 && p.want <= 1u << 20);
            uint32_t w = omen_index_want(m.index, (uint32_t)hits, p.effort);
            CHECK(w >= want && w <= 1u << 20 && (w >= hits || hits > 1u << 20));
            want = w;
            last = p;
            for (uint32_t matching = 0; matching <= 900; matching += 300) {
                cost = omen_index_filtered_cost(m.index, matching, &p);
                CHECK(cost >= OMEN_MIN(p.want, matching) && cost < UINT64_C(1) << 32);
            }
        }
        CHECK(omen_index_ref(NULL) == NULL && !omen_index_unref(NULL));
        omen_index_check_free(m.index, NULL);
        CHECK(omen_index_ref(m.index) == m.index && !omen_index_unref(m.index));
        omen_index_unlink(m.index);
        omen_index_unlink(m.index); /* twice is once */
        CHECK_EQ_UINT(atomic_load(&m.x.store.resident.leaving), atomic_load(&m.x.store.resident.indexes));
        CHECK(omen_index_unref(m.index));
        CHECK_EQ_UINT(atomic_load(&m.x.store.resident.leaving), 0);
        m.index = NULL;
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

TEST_MAIN()
