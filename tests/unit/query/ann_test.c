/* Approximate search over an index that answers what the test says: it always ends, and rows that an index does not give up are found by comparing all. */
#include "test.h"

#include "fault_host.h"
#include "index/kinds.h"
#include "query/ann.h"
#include "query/exact.h"

enum { ROWS = 5000, K = 10 };

static float values[ROWS];
static uint32_t reachable, asked;

/* An index that knows only the first `reachable` rows, whatever the effort: a graph whose links are damaged. */
typedef struct mean_search {
    omen_index_search base;
    omen_index_hit hits[ROWS];
} mean_search;
static mean_search only;

static omen_status search_begin(omen_index *x, const omen_index_query *q, omen_index_search **out, omen_error *err) {
    (void)err;
    only.base = (omen_index_search){.index = x, .query = *q};
    *out = &only.base;
    return OMEN_OK;
}

static omen_status search_step(omen_index_search *base, omen_error *err) {
    if (++asked == 100) return omen_fail(err, OMEN_ERR_INTERNAL, "asked again and again");
    base->hit_count = OMEN_MIN(OMEN_MIN(reachable, base->query.want), ROWS);
    for (uint32_t i = 0; i < base->hit_count; i++) only.hits[i] = (omen_index_hit){i, (int32_t)i};
    base->hits = only.hits;
    return OMEN_OK;
}

static void search_end(omen_index_search *base) { (void)base; }

static const omen_index_kind_ops mean_ops = {.search_begin = search_begin, .search_step = search_step, .search_end = search_end};

static omen_status run(void *ctx, uint32_t field, uint32_t row, uint32_t limit, float *norms, omen_scan_run *out, omen_error *err) {
    (void)ctx, (void)field, (void)norms, (void)err;
    *out = (omen_scan_run){.vectors = values + row, .first = row, .count = OMEN_MIN(limit, ROWS - row)};
    return OMEN_OK;
}

static void release(void *ctx, omen_scan_run *r) { (void)ctx, (void)r; }

static omen_status row_vector(void *ctx, uint32_t field, uint32_t row, uint8_t *buffer, omen_scan_row *out, omen_error *err) {
    (void)ctx, (void)field, (void)buffer, (void)err;
    *out = (omen_scan_row){.vector = values + row};
    return OMEN_OK;
}

static bool expect_row(void *ctx, uint32_t field, uint32_t r) { return (void)ctx, (void)field, (void)r, true; }
static void expect_key(void *ctx, uint32_t r, bool next) { (void)ctx, (void)r, (void)next; }

static void release_row(void *ctx, omen_scan_row *row) { (void)ctx, (void)row; }

static omen_status row(void *ctx, uint32_t r, uint8_t *bytes, omen_key *key, bool *live, omen_error *err) {
    (void)ctx, (void)err;
    memset(bytes, 0, 4);
    bytes[0] = 1;
    bytes[1] = (uint8_t)(r >> 16), bytes[2] = (uint8_t)(r >> 8), bytes[3] = (uint8_t)r;
    *key = (omen_key){bytes, 4};
    *live = true;
    return OMEN_OK;
}

static const omen_scan_ops ops = {.run = run, .release = release, .row_vector = row_vector, .expect_row = expect_row, .expect_key = expect_key, .release_row = release_row, .row = row};

static void search_beyond(omen_index_kind kind, uint32_t lists, uint32_t found) {
    fault_host *h = fault_host_new(1);
    omen_mem m;
    omen_error err = {0};
    float query = -1.0f;
    omen_index x = {.ops = &mean_ops, .rows = ROWS, .options = {.kind = kind, .lists = lists}};
    omen_scan_source rows = {&ops, NULL, ROWS};
    omen_ann_source source = {.rows = &rows, .number = 0, .index = &x, .effort = 16, .want = 40};
    omen_topk top;
    omen_ann a;
    omen_mem_init(&m, &h->host, 0);
    for (int r = 0; r < ROWS; r++) values[r] = (float)r;
    reachable = found;
    asked = 0;
    omen_topk_init(&top, &m, K);
    omen_ranker ranker = omen_ranker_of(OMEN_METRIC_L2, OMEN_ELEMENT_F32, 1, &query);
    omen_ann_init(&a, &m, &source, 1, 0, &ranker, &query, &top);
    CHECK_STATUS(omen_ann_step(&a, &err), OMEN_OK);
    /* Either the index gave enough, or it is given up and has left nothing behind. */
    CHECK_EQ_INT(source.gave_up, found < 30);
    CHECK_EQ_UINT(top.count, source.gave_up ? 0 : K);
    omen_ann_deinit(&a);
    omen_topk_deinit(&top);
    fault_host_free(h);
}

TEST(an_index_that_hides_rows_is_given_up_in_the_end) {
    const uint32_t found[] = {0, 1, K - 1, K, 29, 30, 40, ROWS};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(found); i++) {
        search_beyond(OMEN_INDEX_HNSW, 0, found[i]);
        search_beyond(OMEN_INDEX_DISK, 0, found[i]);
        search_beyond(OMEN_INDEX_IVF, 64, found[i]);
        search_beyond(OMEN_INDEX_IVF, 1, found[i]);
    }
}

TEST_MAIN()
