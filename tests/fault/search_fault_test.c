/* Searches of every kind while calls of the storage fail, once or for good, at every turn: the answer is whole or an error that says so, nothing leaks, and the same search is answered
 * as ever when the storage is well again, in the same session. Blocks are not in the pool yet, and reads may stall. */
#include "test.h"

#include "report.h"
#include "script.h"

enum { STEPS = 34 };

static const struct { const char *filter, *options; bool vector; } searches[] = {
    {"", "{}", true},
    {"n = 1 AND tags CONTAINS 'all'", "{\"facets\":{\"kind\":{},\"f\":{\"histogram\":{\"interval\":2},\"stats\":true}}}", true},
    {"EXISTS(odd) AND f > 1.5", "{\"text\":{\"query\":\"word w1*\",\"typos\":true},\"highlight\":true}", false},
    {"", "{\"text\":\"\\\"word w3\\\" w5\",\"sparse\":{\"indices\":[7,9],\"values\":[1,3]},\"fusion\":\"rrf\"}", true},
    {"", "{\"groupBy\":{\"path\":\"odd\",\"size\":2}}", true},
    {"", "{\"groupBy\":\"kind\",\"facets\":[\"odd\",\"deep.b\"]}", true},
    {"at < DATE '2020-01-04'", "{\"mmr\":{\"lambda\":0.4}}", true},
    {"", "{\"recommend\":{\"positive\":[3],\"negative\":[6]}}", false},
};
enum { SEARCHES = sizeof searches / sizeof *searches };

static fault_storage *build(void) {
    fault_host *h = fault_host_new(1);
    script s;
    script_state state = {{0}};
    CHECK_STATUS(script_open(&s, h, OMEN_DURABILITY_GROUP, true), OMEN_OK);
    for (unsigned n = 0; n < STEPS; n++) CHECK_STATUS(script_step(&s, n, &state), OMEN_OK);
    script_close(&s);
    fault_storage *image = fault_storage_clone(fault_host_image(h, "db"));
    fault_host_free(h);
    return image;
}

typedef struct answer { char text[16000]; size_t len; } answer;

static void put(answer *a, omen_str text) {
    a->len += (size_t)snprintf(a->text + a->len, sizeof a->text - a->len, "%.*s\n", (int)text.len, text.data == NULL ? "" : text.data);
    if (!CHECK(a->len < sizeof a->text)) a->len = sizeof a->text - 1;
}

static omen_status ask(script *s, size_t which, answer *a) {
    static const float v[SCRIPT_DIMS] = {0.5f, -1, 0.25f};
    omen_results *r = NULL;
    omen_query q;
    omen_query_init(&q);
    q.k = 8;
    q.include = OMEN_INCLUDE_DOCUMENT | OMEN_INCLUDE_VECTOR;
    q.filter = (omen_str){searches[which].filter, strlen(searches[which].filter)};
    q.options = (omen_str){searches[which].options, strlen(searches[which].options)};
    if (searches[which].vector) q.vector = v, q.dimensions = SCRIPT_DIMS;
    memset(a, 0, sizeof *a);
    omen_status st = omen_search(s->c, &q, &r);
    if (st != OMEN_OK) {
        CHECK(r == NULL && omen_last_error()[0] != '\0');
        return st;
    }
    put(a, omen_results_facets(r));
    for (size_t i = 0; i < omen_results_count(r); i++) {
        char number[60];
        snprintf(number, sizeof number, "%lld %a", (long long)omen_results_id(r, i).number, (double)omen_results_score(r, i));
        put(a, (omen_str){number, strlen(number)});
        put(a, omen_results_document(r, i));
        put(a, omen_results_group(r, i));
        put(a, omen_results_highlights(r, i));
        CHECK(omen_results_vector(r, i, 0) != NULL);
    }
    omen_results_free(r);
    return OMEN_OK;
}

static answer whole[SEARCHES], now;

/* False: the fault did not come about any more. */
static bool run_with_fault(const fault_storage *image, size_t which, uint64_t n, bool sticky, unsigned pending) {
    fault_host *h = fault_host_new(1);
    script s;
    fault_host_set_image(h, "db", fault_storage_clone(image));
    fault_storage *fs = fault_host_image(h, "db");
    CHECK_STATUS(script_open(&s, h, OMEN_DURABILITY_GROUP, false), OMEN_OK);
    fault_storage_set_pending(fs, pending);
    fault_storage_fail_at(fs, n, OMEN_ERR_IO, sticky);
    omen_status st = ask(&s, which, &now);
    bool hit = fault_storage_fault_hit(fs);
    fault_storage_fail_at(fs, 0, OMEN_OK, false);
    CHECK(st == OMEN_OK || (hit && st == OMEN_ERR_IO));
    if (st == OMEN_OK) CHECK_EQ_STR(now.text, whole[which].text);
    CHECK_STATUS(ask(&s, which, &now), OMEN_OK);
    CHECK_EQ_STR(now.text, whole[which].text);
    script_close(&s);
    CHECK_STORAGE(fs);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
    return hit;
}

static void each(bool sticky, unsigned pending) {
    fault_storage *image = build();
    fault_host *h = fault_host_new(1);
    script s;
    uint64_t calls = 0;
    fault_host_set_image(h, "db", fault_storage_clone(image));
    CHECK_STATUS(script_open(&s, h, OMEN_DURABILITY_GROUP, false), OMEN_OK);
    for (size_t i = 0; i < SEARCHES; i++) {
        CHECK_STATUS(ask(&s, i, &whole[i]), OMEN_OK);
        CHECK(whole[i].len > 40);
    }
    script_close(&s);
    fault_host_free(h);
    for (size_t i = 0; i < SEARCHES; i++) {
        uint64_t n = 1;
        for (; run_with_fault(image, i, n, sticky, pending); n += TEST_FAULT_STEP) calls++;
        CHECK(n > 3);
    }
    printf("     %llu calls\n", (unsigned long long)calls);
    omen_test_report("fault_calls", calls);
    fault_storage_free(image);
}

TEST(every_read_of_a_search_fails_once) { each(false, 0); }
TEST(every_read_of_a_search_fails_for_good) { each(true, 0); }
TEST(every_read_of_a_search_fails_late) { each(false, 50); }

TEST_MAIN()
