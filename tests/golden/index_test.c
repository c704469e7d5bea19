/* Indexes are the same bytes, and give the same answers, in this build as in every other: with each kernel set, for any number of threads in any order, on
 * storages that answer at once and that stall. One hash over all index files and all answers of a database with every kind of index. */
#include "test.h"

#include "fault_host.h"
#include "golden/expected.h"
#include "kernel/kernel.h"

enum { ROWS = 2600, WIDE = 160, MIDDLE = 40, SMALL = 24, BITS = 64, FIELDS = 6 };

static uint32_t lcg;
static float next(void) {
    lcg = lcg * 1103515245u + 12345u;
    return (float)(lcg >> 8) / 8388608.0f - 1.0f;
}

typedef struct course {
    float wide[ROWS * WIDE], middle[ROWS * MIDDLE], small[ROWS * SMALL];
    int8_t bytes[ROWS * SMALL];
    uint8_t bits[ROWS * BITS / 8];
    omen_id ids[ROWS];
    uint64_t hash;
} course;

static void add(course *c, const void *bytes, size_t len) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++) c->hash = (c->hash ^ at[i]) * UINT64_C(0x100000001b3);
}

/* Wide vectors vary in 20 directions mostly, so that their codes are projected. */
static void fill(course *c) {
    static float direction[20][WIDE];
    lcg = 4711;
    for (int j = 0; j < 20; j++)
        for (int i = 0; i < WIDE; i++) direction[j][i] = next();
    for (int r = 0; r < ROWS; r++) {
        float *w = c->wide + r * WIDE;
        for (int i = 0; i < WIDE; i++) w[i] = 0.1f * next();
        for (int j = 0; j < 20; j++) {
            float t = next();
            for (int i = 0; i < WIDE; i++) w[i] += t * direction[j][i];
        }
        c->ids[r] = OMEN_ID_INT(r);
    }
    for (int i = 0; i < ROWS * MIDDLE; i++) c->middle[i] = next() * (float)(1 + i / MIDDLE % 3);
    for (int i = 0; i < ROWS * SMALL; i++) c->small[i] = next();
    for (int i = 0; i < ROWS * SMALL; i++) c->bytes[i] = (int8_t)(next() * 100.0f);
    for (int i = 0; i < ROWS * BITS / 8; i++) c->bits[i] = (uint8_t)(int32_t)(next() * 127.0f); /* a negative float has no defined unsigned value */
}

static const void *vector_of(const course *c, int field, int row) {
    switch (field) {
        case 0: case 1: return c->wide + row * WIDE;
        case 2: return c->middle + row * MIDDLE;
        case 3: return c->small + row * SMALL;
        case 4: return c->bytes + row * SMALL;
        default: return c->bits + row * BITS / 8;
    }
}

static const omen_vector_field fields[FIELDS] = {
    {{"wide_graph", 10}, WIDE, OMEN_METRIC_COSINE, OMEN_ELEMENT_F32, {.kind = OMEN_INDEX_HNSW, .ef_construction = 48}},
    {{"wide_lists", 10}, WIDE, OMEN_METRIC_L2, OMEN_ELEMENT_F32, {.kind = OMEN_INDEX_IVF}},
    {{"products", 8}, MIDDLE, OMEN_METRIC_IP, OMEN_ELEMENT_F32, {.kind = OMEN_INDEX_HNSW, .m = 16}},
    {{"halves", 6}, SMALL, OMEN_METRIC_L2, OMEN_ELEMENT_F16, {.kind = OMEN_INDEX_DISK}},
    {{"bytes", 5}, SMALL, OMEN_METRIC_L2, OMEN_ELEMENT_I8, {.kind = OMEN_INDEX_IVF, .lists = 20}},
    {{"bits", 4}, BITS, OMEN_METRIC_HAMMING, OMEN_ELEMENT_BIT, {.kind = OMEN_INDEX_HNSW}},
};

static void ask(course *c, omen_collection *coll, int field, int row, uint32_t ef) {
    omen_query q;
    omen_results *r = NULL;
    omen_query_init(&q);
    q.field = fields[field].name;
    q.vector = vector_of(c, field, row);
    q.dimensions = fields[field].dimensions;
    q.k = 10;
    if (fields[field].index.kind == OMEN_INDEX_IVF) q.nprobe = ef / 8;
    else q.ef = ef;
    CHECK_OK(omen_search(coll, &q, &r));
    CHECK_EQ_UINT(omen_results_count(r), 10);
    for (size_t i = 0; i < omen_results_count(r); i++) {
        int64_t id = omen_results_id(r, i).number;
        float d = omen_results_distance(r, i);
        add(c, &id, sizeof id);
        add(c, &d, sizeof d);
    }
    omen_results_free(r);
}

/* As a host with threads would, but in an order of its own. */
static void backwards(void *ctx, size_t n, void (*fn)(void *arg, size_t i), void *arg) {
    (void)ctx;
    while (n-- != 0) fn(arg, n);
}

static void run_here(course *c, uint32_t threads, unsigned pending) {
    static const uint8_t id[16] = {9, 8, 7};
    fault_host *h = fault_host_new(1);
    fault_storage *fs = fault_host_image(h, "index");
    omen_options o;
    omen_db *db;
    omen_collection *coll;
    omen_schema s;
    fault_storage_set_pending(fs, pending);
    h->host.threads = threads;
    if (threads > 1) h->host.parallel_for = backwards;
    omen_options_init(&o);
    o.host = &h->host;
    o.database_id = id;
    o.manual_maintenance = 1;
    c->hash = UINT64_C(0xcbf29ce484222325);
    REQUIRE_OK(omen_open("index", &o, &db));
    omen_schema_init(&s);
    s.vector_count = FIELDS;
    s.vectors = fields;
    REQUIRE_OK(omen_collection_open(db, OMEN_STR("all"), &s, &coll));
    const void *columns[FIELDS];
    for (int f = 0; f < FIELDS; f++) columns[f] = vector_of(c, f, 0);
    CHECK_OK(omen_upsert(coll, &(omen_batch){.count = ROWS, .ids = c->ids, .vectors = columns}));
    CHECK_OK(omen_build_indexes(db));
    CHECK_OK(omen_delete(coll, c->ids + 100, 200, NULL));
    for (int f = 0; f < FIELDS; f++)
        for (int q = 0; q < 4; q++) ask(c, coll, f, 90 + q * 40, 16u << q);
    CHECK_OK(omen_check(db));
    size_t n = fault_storage_count(fs), indexes = 0;
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *name = fault_storage_name(fs, i);
        const uint8_t *data = fault_storage_data(fs, name, &len);
        if (data == NULL || strncmp(name, "seg-4", 5) != 0) continue;
        indexes++;
        add(c, name, strlen(name));
        add(c, data, len);
    }
    CHECK_EQ_UINT(indexes, FIELDS);
    omen_collection_close(coll);
    CHECK_OK(omen_close(db));
    CHECK_STORAGE(fs);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

TEST(one_hash_for_every_kernel_set_and_number_of_threads) {
    static course c;
    static const struct { uint32_t threads; unsigned pending; } hosts[] = {{1, 0}, {2, 0}, {7, 20}};
    char hash[17];
    fill(&c);
    unsigned set = 0;
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++, set++) {
        CHECK_STATUS(omen_kernels_use((*k)->name), OMEN_OK);
        for (size_t i = 0; i < OMEN_ARRAY_LEN(hosts); i++) {
            if (TEST_REDUCED && i != (set + 2) % OMEN_ARRAY_LEN(hosts)) continue; /* each kernel set once, on another host */
            run_here(&c, hosts[i].threads, hosts[i].pending);
            snprintf(hash, sizeof hash, "%016llx", (unsigned long long)c.hash);
            printf("     %s, %u threads, %u %% pending: %s\n", (*k)->name, hosts[i].threads, hosts[i].pending, hash);
            CHECK_EQ_STR(hash, GOLDEN_INDEX_EXPECTED);
        }
    }
}

TEST_MAIN()
