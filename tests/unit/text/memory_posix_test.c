/* One writer and readers of the index in memory, all at once: what a reader sees is what the rows it was told of have, and nothing of later ones. */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "text_model.h"

#define ROWS 4000u
#define READERS 3

typedef struct shared {
    omen_text_memory *x;
    _Atomic uint32_t rows; /* committed */
    _Atomic uint32_t wrong;
} shared;

/* Row r has "all" once, "even" twice if r is even, "w<r / 7>" once. */
static omen_status add_row(omen_text_memory *x, uint32_t r) {
    char word[16];
    uint32_t row;
    omen_status s = omen_text_memory_row(x, &row);
    if (s == OMEN_OK) s = omen_text_memory_add(x, "all", 3, 0);
    if (s == OMEN_OK && r % 2 == 0) s = omen_text_memory_add(x, "even", 4, 1);
    if (s == OMEN_OK && r % 2 == 0) s = omen_text_memory_add(x, "even", 4, r);
    int len = snprintf(word, sizeof word, "w%u", r / 7);
    if (s == OMEN_OK) s = omen_text_memory_add(x, word, (size_t)len, 3);
    return s == OMEN_OK ? omen_text_memory_end(x) : s;
}

typedef struct tally { uint32_t terms, df; } tally;
static omen_status count_terms(void *arg, const uint8_t *term, uint32_t len, uint32_t df, uint32_t edits) {
    tally *t = arg;
    (void)term, (void)len, (void)edits;
    t->terms++;
    t->df += df;
    return OMEN_OK;
}

static void *read_along(void *arg) {
    shared *s = arg;
    omen_term_match *m = malloc(sizeof *m);
    for (uint32_t rows = 0; rows < ROWS;) {
        rows = atomic_load_explicit(&s->rows, memory_order_acquire);
        uint32_t with, n, seen = 0;
        uint64_t length;
        bool wrong = false;
        omen_text_memory_totals(s->x, rows, &with, &length);
        wrong |= with != rows || length != rows * 2u + (rows + 1) / 2 * 2;
        const omen_text_memory_term *t = omen_text_memory_find(s->x, (const uint8_t *)"even", 4);
        wrong |= (t == NULL) != (rows == 0) && rows != 0;
        if (t != NULL) {
            wrong |= omen_text_memory_df(t, rows) != (rows + 1) / 2;
            for (const omen_text_memory_run *r = omen_text_memory_first(t, rows, &n); r != NULL && n != 0; r = omen_text_memory_next(r, rows, &n)) {
                for (uint32_t i = 0; i < n; i++, seen++) {
                    uint64_t first = 0, step = 0;
                    const uint8_t *p = r->entries[i].positions, *end = p + 10;
                    p = omen_postings_varint(p, end, &first);
                    p = omen_postings_varint(p, end, &step);
                    wrong |= r->entries[i].row != seen * 2 || r->entries[i].count != 2 || first != 1 || (uint32_t)(first + step) != seen * 2;
                }
            }
            wrong |= seen != (rows + 1) / 2;
        }
        tally terms = {0};
        omen_term_match_init(m, (const uint8_t *)"w", 1, true, 0, 0);
        wrong |= omen_text_memory_scan(s->x, rows, m, count_terms, &terms) != OMEN_OK;
        wrong |= terms.terms != (rows + 6) / 7 || terms.df != rows;
        if (wrong) atomic_fetch_add(&s->wrong, 1);
    }
    free(m);
    return NULL;
}

TEST(readers_see_a_prefix_while_a_writer_appends) {
    fault_host *host = fault_host_new(1);
    omen_mem mem;
    omen_postings_options o = {.positions = true};
    shared s = {.rows = 0};
    pthread_t threads[READERS];
    fault_host_use_locks(host);
    omen_mem_init(&mem, &host->host, 0);
    REQUIRE_OK(omen_text_memory_new(&mem, &o, &s.x));
    for (int i = 0; i < READERS; i++) CHECK_EQ_INT(pthread_create(&threads[i], NULL, read_along, &s), 0);
    for (uint32_t r = 0; r < ROWS;) {
        uint32_t batch = 1 + (uint32_t)test_rand_below(20), first = r;
        for (; r < ROWS && r < first + batch; r++) CHECK_OK(add_row(s.x, r));
        if (test_rand_below(5) == 0) { /* given up, and written again */
            omen_text_memory_give_up(s.x);
            r = first;
            continue;
        }
        omen_text_memory_commit(s.x);
        atomic_store_explicit(&s.rows, r, memory_order_release);
    }
    for (int i = 0; i < READERS; i++) pthread_join(threads[i], NULL);
    CHECK_EQ_UINT(atomic_load(&s.wrong), 0);
    omen_text_memory_free(s.x);
    CHECK_EQ_UINT(fault_host_bytes(host), 0);
    fault_host_free(host);
}

TEST(staging_without_memory_loses_no_row) {
    fault_host *host = fault_host_new(1);
    omen_mem mem;
    omen_postings_options o = {.positions = true};
    omen_text_memory *x;
    unsigned failed = 0;
    omen_mem_init(&mem, &host->host, 0);
    REQUIRE_OK(omen_text_memory_new(&mem, &o, &x));
    for (uint32_t r = 0; r < 3000;) {
        mem.limit = atomic_load(&mem.bytes) + test_rand_below(60000);
        omen_status s = add_row(x, r);
        if (s == OMEN_OK) {
            omen_text_memory_commit(x);
            r++;
        } else {
            CHECK_STATUS(s, OMEN_ERR_MEMORY);
            omen_text_memory_give_up(x);
            failed++;
        }
    }
    CHECK(failed > 10);
    CHECK_EQ_UINT(omen_text_memory_df(omen_text_memory_find(x, (const uint8_t *)"all", 3), 3000), 3000);
    CHECK_EQ_UINT(omen_text_memory_df(omen_text_memory_find(x, (const uint8_t *)"even", 4), 3000), 1500);
    omen_text_memory_free(x);
    CHECK_EQ_UINT(fault_host_bytes(host), 0);
    fault_host_free(host);
}

TEST_MAIN()
