/* Records of several vectors while memory is refused, the storage fails, and bytes of their segments are damaged, at every turn: what is asked is answered as ever or refused with the
 * reason, nothing leaks, and what was written before is there afterwards. */
#include "test.h"

#include "fault_host.h"
#include "omendb.h"

enum { RECORDS = 24, DIMS = 3 };

static const char *const searches[] = {
    "{\"multi\":{\"vectors\":[[1,0.5,0.25],[0,1,-1]]}}",
    "{\"multi\":{\"vectors\":[[1,1,1]],\"weight\":2},\"fusion\":\"rrf\"}",
    "{\"rerank\":{\"multi\":{\"vectors\":[[0.5,1,0],[1,0,0]]},\"candidates\":20}}",
};
enum { SEARCHES = sizeof searches / sizeof *searches };

typedef struct world {
    fault_host *h;
    omen_db *db;
    omen_collection *c;
} world;

static omen_status open_world(world *x) {
    static const omen_vector_field field = {.name = {"v", 1}, .dimensions = 1, .metric = OMEN_METRIC_L2};
    static const omen_multi_field multi = {.name = {"tokens", 6}, .dimensions = DIMS};
    omen_options o;
    omen_schema s;
    omen_options_init(&o);
    o.host = &x->h->host;
    o.durability = OMEN_DURABILITY_FULL;
    o.manual_maintenance = 1;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &field;
    s.multi_count = 1;
    s.multis = &multi;
    x->c = NULL;
    omen_status st = omen_open("db", &o, &x->db);
    return st == OMEN_OK ? omen_collection_open(x->db, OMEN_STR("c"), &s, &x->c) : st;
}

static void close_world(world *x) {
    omen_collection_close(x->c);
    (void)omen_close(x->db);
    x->db = NULL;
}

static omen_status write(world *x, int64_t from, int64_t to) {
    omen_id ids[RECORDS];
    omen_str docs[RECORDS];
    float v[RECORDS];
    static char text[RECORDS][200];
    for (int64_t i = from; i < to; i++) {
        ids[i - from] = OMEN_ID_INT(i);
        v[i - from] = (float)i;
        int n = i % 4 == 3 ? snprintf(text[i - from], sizeof text[0], "{\"n\":%d}", (int)i)
                           : snprintf(text[i - from], sizeof text[0], "{\"n\":%d,\"tokens\":[[%d,1,%d],[%d,2,-3]]}", (int)i, (int)(i * 7 % 5) - 2, (int)(i * 3 % 7), (int)(i % 3));
        docs[i - from] = (omen_str){text[i - from], (size_t)n};
    }
    const void *vectors[] = {v};
    omen_batch b = {.count = (size_t)(to - from), .ids = ids, .vectors = vectors, .documents = docs};
    return omen_upsert(x->c, &b);
}

typedef struct answer { char text[2000]; size_t len; } answer;

static omen_status ask(world *x, size_t which, answer *a) {
    omen_query q;
    omen_results *r;
    float v = 5.25f;
    omen_query_init(&q);
    q.k = 10;
    q.exact = 1;
    q.options = (omen_str){searches[which], strlen(searches[which])};
    if (which != 0) q.vector = &v, q.dimensions = 1;
    memset(a, 0, sizeof *a);
    omen_status s = omen_search(x->c, &q, &r);
    if (s != OMEN_OK) {
        CHECK(omen_last_error()[0] != '\0');
        return s;
    }
    for (size_t i = 0; i < omen_results_count(r); i++) {
        a->len += (size_t)snprintf(a->text + a->len, sizeof a->text - a->len, "%lld %a", (long long)omen_results_id(r, i).number, (double)omen_results_score(r, i));
        for (uint32_t l = 0; l < omen_results_leg_count(r); l++) a->len += (size_t)snprintf(a->text + a->len, sizeof a->text - a->len, " %a", (double)omen_results_leg_score(r, i, l));
        a->len += (size_t)snprintf(a->text + a->len, sizeof a->text - a->len, "\n");
    }
    omen_results_free(r);
    CHECK(a->len < sizeof a->text);
    return OMEN_OK;
}

/* Two segments, with records that the second replaces, and some in the log alone. */
static fault_storage *build(void) {
    world x = {.h = fault_host_new(1)};
    CHECK_OK(open_world(&x));
    CHECK_OK(write(&x, 0, 14));
    CHECK_OK(omen_flush(x.db));
    CHECK_OK(write(&x, 10, 20));
    CHECK_OK(omen_flush(x.db));
    CHECK_OK(write(&x, 18, RECORDS));
    close_world(&x);
    fault_storage *image = fault_storage_clone(fault_host_image(x.h, "db"));
    fault_host_free(x.h);
    return image;
}

static answer whole[SEARCHES], now;

static void learn(const fault_storage *image) {
    world x = {.h = fault_host_new(1)};
    fault_host_set_image(x.h, "db", fault_storage_clone(image));
    CHECK_OK(open_world(&x));
    for (size_t i = 0; i < SEARCHES; i++) {
        CHECK_OK(ask(&x, i, &whole[i]));
        CHECK(whole[i].len > 100);
    }
    close_world(&x);
    fault_host_free(x.h);
}

static void check_answers(world *x) {
    for (size_t i = 0; i < SEARCHES; i++) {
        CHECK_OK(ask(x, i, &now));
        CHECK_EQ_STR(now.text, whole[i].text);
    }
}

/* What is done while something fails: the same records again, so that answers stay as they are. */
typedef enum doing { WRITE = SEARCHES, FLUSH, COMPACT, DOINGS } doing;

static omen_status act(world *x, unsigned what) {
    if (what < SEARCHES) {
        omen_status s = ask(x, what, &now);
        if (s == OMEN_OK) CHECK_EQ_STR(now.text, whole[what].text);
        return s;
    }
    return what == WRITE ? write(x, 6, 12) : what == FLUSH ? omen_flush(x->db) : omen_compact(x->db);
}

static bool run(const fault_storage *image, unsigned what, uint64_t n, bool memory, unsigned pending) {
    world x = {.h = fault_host_new(1)};
    fault_host_set_image(x.h, "db", fault_storage_clone(image));
    fault_storage *fs = fault_host_image(x.h, "db");
    if (!CHECK_OK(open_world(&x))) return false;
    fault_storage_set_pending(fs, pending);
    if (memory) fault_host_fail_alloc_at(x.h, n, false);
    else fault_storage_fail_at(fs, n, OMEN_ERR_IO, false);
    omen_status s = act(&x, what);
    bool hit = memory ? fault_host_fault_hit(x.h) : fault_storage_fault_hit(fs);
    fault_host_fail_alloc_at(x.h, 0, false);
    fault_storage_fail_at(fs, 0, OMEN_OK, false);
    if (!hit) CHECK_OK(s);
    CHECK(s == OMEN_OK || s == (memory ? OMEN_ERR_MEMORY : OMEN_ERR_IO));
    check_answers(&x);
    close_world(&x);
    CHECK_OK(open_world(&x));
    check_answers(&x);
    if (memory || what < SEARCHES) CHECK_OK(omen_check(x.db));
    close_world(&x);
    CHECK_EQ_UINT(fault_host_bytes(x.h), 0);
    fault_host_free(x.h);
    return hit;
}

static void each(bool memory, unsigned pending) {
    fault_storage *image = build();
    uint64_t turns = 0;
    learn(image);
    for (unsigned what = 0; what < DOINGS; what++) {
        uint64_t n = 1;
        while (run(image, what, n, memory, pending)) n += TEST_FAULT_STEP, turns++;
        CHECK(n > 1 || (!memory && what < SEARCHES));
    }
    printf("     %llu turns\n", (unsigned long long)turns);
    fault_storage_free(image);
}

TEST(memory_is_refused_once) { each(true, 0); }
TEST(memory_is_refused_while_reads_pend) { each(true, 40); }
TEST(the_storage_fails_once) { each(false, 0); }

TEST(bytes_of_the_segments_are_damaged) {
    fault_storage *image = build();
    unsigned long cases = 0, refused = 0;
    learn(image);
    for (size_t f = 0; f < fault_storage_count(image); f++) {
        const char *name = fault_storage_name(image, f);
        size_t len;
        if (fault_storage_data(image, name, &len) == NULL || strncmp(name, "seg-", 4) != 0) continue;
        for (size_t at = 0; at < len; at += TEST_PICK(3, 11)) {
            world x = {.h = fault_host_new(1)};
            fault_host_set_image(x.h, "db", fault_storage_clone(image));
            fault_host_set_fill(x.h, false);
            fault_storage_xor(fault_host_image(x.h, "db"), name, at, (uint8_t)(1u << at % 8));
            omen_status s = open_world(&x), asked = OMEN_OK;
            for (size_t i = 0; i < SEARCHES && s == OMEN_OK; i++) {
                omen_status st = ask(&x, i, &now);
                if (st == OMEN_OK) CHECK_EQ_STR(now.text, whole[i].text);
                else asked = st;
                CHECK(st == OMEN_OK || st == OMEN_ERR_CORRUPT);
            }
            if (s == OMEN_OK) CHECK_STATUS(omen_check(x.db), OMEN_ERR_CORRUPT); /* the file's hash knows of every byte */
            CHECK(s == OMEN_OK || s == OMEN_ERR_CORRUPT || s == OMEN_ERR_FOREIGN || s == OMEN_ERR_VERSION);
            refused += s != OMEN_OK || asked != OMEN_OK;
            cases++;
            close_world(&x);
            fault_host_free(x.h);
        }
    }
    printf("     %lu cases, %lu noticed by a search\n", cases, refused);
    CHECK(refused > cases / 20);
    fault_storage_free(image);
}

TEST_MAIN()
