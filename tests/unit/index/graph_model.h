/* graph_model.h - for tests of graphs, on top of ivf_model.h: how much a search finds, and the file's content, to look at or to change and write again. */
#ifndef OMEN_GRAPH_MODEL_H
#define OMEN_GRAPH_MODEL_H

#include "index/graph.h"
#include "ivf_model.h"

#define SLOW TEST_REDUCED /* smaller graphs do */

#define GRAPH_K 10u

/* Hits ascend by (rank, row), each row once and in range. */
static inline bool hits_sound(const model *m, const omen_index_hit *hits, uint32_t count) {
    bool good = true;
    uint8_t *seen = calloc(m->source.rows, 1);
    for (uint32_t i = 0; i < count && good; i++) {
        good = hits[i].row < m->source.rows && seen[hits[i].row]++ == 0;
        if (i != 0) good = good && (hits[i - 1].rank < hits[i].rank || (hits[i - 1].rank == hits[i].rank && hits[i - 1].row < hits[i].row));
    }
    free(seen);
    return good;
}

/* A query near a row. */
static inline void query_near(const model *m, uint32_t row, uint8_t *query) {
    memcpy(query, m->vectors + row * m->bytes, m->bytes);
    if (m->source.metric == OMEN_METRIC_HAMMING) query[test_rand_below(m->bytes)] ^= 5;
    else for (uint32_t i = 0; i < m->source.dimensions; i++) ((float *)(void *)query)[i] += 0.05f * test_rand_float();
}

/* Which share of the true nearest a search and exact re-ranking find. Equal distances are as good as the rows themselves. */
static inline double graph_recall_within(model *m, uint32_t queries, const omen_index_plan *plan) {
    uint32_t found = 0, all = 0;
    uint8_t *query = malloc(m->bytes);
    for (uint32_t n = 0; n < queries; n++) {
        uint32_t count;
        model_near truth[GRAPH_K], got[GRAPH_K];
        omen_index_hit *hits;
        query_near(m, (uint32_t)test_rand_below(m->source.rows), query);
        omen_index_query q = {.vector = query, .want = plan->want, .effort = plan->effort, .slack = plan->slack, .near = GRAPH_K};
        CHECK_OK(model_search(m, &q, &hits, &count, NULL));
        CHECK(hits_sound(m, hits, count));
        uint32_t k = model_nearest(m, query, NULL, 0, GRAPH_K, truth), g = model_nearest(m, query, hits, count, GRAPH_K, got);
        for (uint32_t i = 0; i < g && i < k; i++) found += got[i].distance <= truth[k - 1].distance;
        all += k;
        free(hits);
    }
    free(query);
    return (double)found / all;
}

static inline double graph_recall(model *m, uint32_t queries, uint32_t effort, uint32_t want) {
    omen_index_plan plan = {.effort = effort, .want = want};
    return graph_recall_within(m, queries, &plan);
}

#define GRAPH_SECTIONS 5u
enum { OF_META, OF_CODEC, OF_CODES, OF_LINKS, OF_UPPER };
static const uint32_t graph_sections[GRAPH_SECTIONS] = {OMEN_SECTION_INDEX_META, OMEN_SECTION_INDEX_CODEC, OMEN_SECTION_INDEX_CODES, OMEN_SECTION_INDEX_LINKS, OMEN_SECTION_INDEX_UPPER};

/* The content of an index file. */
typedef struct content {
    uint8_t *bytes[GRAPH_SECTIONS];
    size_t len[GRAPH_SECTIONS];
    bool left_out[GRAPH_SECTIONS];
} content;

static inline void content_read(content *c, model *m) {
    omen_segment *seg = NULL;
    omen_status s;
    memset(c, 0, sizeof *c);
    STEP(s, omen_segment_open(&m->x.store, &m->info, &seg, NULL));
    REQUIRE_OK(s);
    for (unsigned i = 0; i < GRAPH_SECTIONS; i++) {
        const omen_section *sec = omen_segment_section(seg, graph_sections[i], 0);
        size_t done = 0;
        REQUIRE(sec != NULL);
        c->len[i] = (size_t)sec->raw_len;
        c->bytes[i] = calloc(c->len[i] + 64, 1);
        if (c->len[i] != 0) STEP(s, omen_segment_read(seg, sec, 0, c->len[i], c->bytes[i], &done, NULL));
        CHECK_OK(s);
    }
    omen_segment_close(seg);
}

static inline void content_free(content *c) {
    for (unsigned i = 0; i < GRAPH_SECTIONS; i++) free(c->bytes[i]);
}

/* Writes it with right checksums as a file of its own, which m->info then names. */
static inline omen_status content_write(const content *c, model *m) {
    static uint64_t number = 100;
    omen_segment_writer *w;
    omen_status s;
    STEP(s, omen_segment_writer_new(&m->x.store, number++, &w, NULL));
    for (unsigned i = 0; i < GRAPH_SECTIONS && s == OMEN_OK; i++) {
        if (c->left_out[i]) continue;
        s = omen_segment_section_begin(w, graph_sections[i], 0, 0, OMEN_BLOCK_BYTES, NULL);
        if (s == OMEN_OK) s = omen_segment_section_write(w, c->bytes[i], c->len[i], NULL);
        if (s == OMEN_OK) s = omen_segment_section_end(w, NULL);
    }
    if (s == OMEN_OK) STEP(s, omen_segment_writer_finish(w, &m->info, NULL));
    omen_segment_writer_free(w);
    return s;
}

/* Writes, opens, searches and verifies it: what the first of these that fails says. m is as before. */
static inline omen_status content_try(const content *c, model *m, omen_error *err) {
    omen_segment_info own = m->info;
    CHECK_OK(content_write(c, m));
    omen_status s = model_open_index(m, err);
    if (s == OMEN_OK) {
        uint32_t count;
        omen_index_hit *hits;
        omen_index_query q = {.vector = m->vectors, .want = 20, .effort = 60};
        CHECK_OK(model_search(m, &q, &hits, &count, NULL));
        CHECK(hits_sound(m, hits, count));
        free(hits);
        s = model_check(m, err);
        omen_index_unref(m->index);
    } else {
        CHECK(m->index == NULL);
    }
    m->index = NULL;
    fault_storage_delete(m->fs, omen_segment_file_name(m->info.number).text);
    m->info = own;
    return s;
}

static inline uint32_t content_m(const content *c) { return omen_get32(c->bytes[OF_META] + OMEN_INDEX_META_FIXED); }
static inline uint32_t content_upper_m(const content *c) { return omen_get32(c->bytes[OF_META] + OMEN_INDEX_META_FIXED + 4); }
static inline uint32_t content_top(const content *c) { return omen_get32(c->bytes[OF_META] + OMEN_INDEX_META_FIXED + 8); }
static inline uint32_t content_count(const content *c, uint32_t level) { return omen_get32(c->bytes[OF_META] + OMEN_INDEX_META_FIXED + 20 + 4 * level); }
static inline uint32_t *content_links(const content *c, uint32_t row) { return (uint32_t *)(void *)c->bytes[OF_LINKS] + (size_t)row * content_m(c); }
/* Rows of a level above the base; their links lie behind them. */
static inline uint32_t *content_level(const content *c, uint32_t level) {
    uint32_t *at = (uint32_t *)(void *)c->bytes[OF_UPPER];
    for (uint32_t l = 1; l < level; l++) at += (size_t)content_count(c, l) * (1 + content_upper_m(c));
    return at;
}

#endif
