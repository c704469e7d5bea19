/* Damaged graphs in blocks: a bit of the file, before and after it was opened, and files whose checksums are right but whose content is not. Opening or
 * verifying tells, and a search stays within bounds. */
#include "test.h"

#include "index/disk.h"
#include "ivf_model.h"

#define SECTIONS 5u
enum { META, CODEC, UPPER, ENTRIES, NODES };
static const uint32_t kinds[SECTIONS] = {OMEN_SECTION_INDEX_META, OMEN_SECTION_INDEX_CODEC, OMEN_SECTION_INDEX_UPPER, OMEN_SECTION_INDEX_ENTRIES, OMEN_SECTION_INDEX_NODES};

/* The content of an index file, to be changed and written again. */
typedef struct content {
    uint8_t *bytes[SECTIONS];
    size_t len[SECTIONS];
    uint32_t block_len[SECTIONS];
    bool left_out[SECTIONS];
} content;

static void content_read(content *c, model *m) {
    omen_segment *seg = NULL;
    omen_status s;
    memset(c, 0, sizeof *c);
    STEP(s, omen_segment_open(&m->x.store, &m->info, &seg, NULL));
    REQUIRE_OK(s);
    CHECK_EQ_UINT(omen_segment_section_count(seg), SECTIONS);
    for (unsigned i = 0; i < SECTIONS; i++) {
        const omen_section *sec = omen_segment_section(seg, kinds[i], 0);
        size_t done = 0;
        REQUIRE(sec != NULL);
        c->len[i] = (size_t)sec->raw_len;
        c->block_len[i] = sec->block_len;
        c->bytes[i] = malloc(c->len[i] + 64);
        if (c->len[i] != 0) STEP(s, omen_segment_read(seg, sec, 0, c->len[i], c->bytes[i], &done, NULL));
        CHECK_OK(s);
    }
    omen_segment_close(seg);
}

static void search_within_bounds(model *m) {
    for (uint32_t effort = 1; effort <= 1000; effort *= 10) {
        uint32_t count;
        omen_index_hit *hits;
        omen_index_query q = {.vector = m->vectors, .want = 20, .effort = effort};
        omen_status s = model_search(m, &q, &hits, &count, NULL);
        CHECK(s == OMEN_OK || s == OMEN_ERR_CORRUPT);
        for (uint32_t i = 0; i < count; i++) CHECK(hits[i].row < m->source.rows);
        free(hits);
    }
}

/* Writes what there is under another number, opens and verifies it; an index that opens is searched. */
static omen_status content_try(const content *c, model *m, omen_error *err) {
    omen_segment_writer *w;
    omen_segment_info own = m->info;
    static uint64_t number = 100;
    omen_status s;
    STEP(s, omen_segment_writer_new(&m->x.store, number++, &w, NULL));
    for (unsigned i = 0; i < SECTIONS && s == OMEN_OK; i++) {
        if (c->left_out[i]) continue;
        s = omen_segment_section_begin(w, kinds[i], 0, 0, c->block_len[i], NULL);
        if (s == OMEN_OK) s = omen_segment_section_write(w, c->bytes[i], c->len[i], NULL);
        if (s == OMEN_OK) s = omen_segment_section_end(w, NULL);
    }
    if (s == OMEN_OK) STEP(s, omen_segment_writer_finish(w, &m->info, NULL));
    omen_segment_writer_free(w);
    CHECK_OK(s);
    s = model_open_index(m, err);
    if (s == OMEN_OK) {
        search_within_bounds(m);
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

static void content_free(content *c) {
    for (unsigned i = 0; i < SECTIONS; i++) free(c->bytes[i]);
}

static const struct { omen_metric metric; uint32_t dimensions, lead; } shapes[] = {
    {OMEN_METRIC_L2, 20, 20}, {OMEN_METRIC_L2, 136, 12}, {OMEN_METRIC_IP, 52, 52}, {OMEN_METRIC_HAMMING, 72, 0}};

static void begin(model *m, unsigned shape) {
    model_init(m, shape == 1 ? 9500 : 900, shapes[shape].dimensions, shapes[shape].metric); /* two levels, or one, above the base */
    m->options = (omen_index_options){.kind = OMEN_INDEX_DISK, .m = 8, .ef_construction = 30};
    model_fill(m, 12, shapes[shape].lead, 0.5f);
    CHECK_OK(model_build(m, NULL));
}

#define NAME "seg-0000000000000005"

TEST(a_changed_bit_anywhere_is_found) {
    for (unsigned shape = 0; shape < OMEN_ARRAY_LEN(shapes); shape++) {
        model m;
        begin(&m, shape);
        for (unsigned n = 0; n < 60; n++) {
            size_t at = (size_t)test_rand_below(m.info.length);
            uint8_t mask = (uint8_t)(1u << test_rand_below(8));
            fault_storage_xor(m.fs, NAME, at, mask);
            omen_error err = {0};
            omen_status s = model_open_index(&m, &err);
            if (s == OMEN_OK) {
                search_within_bounds(&m);
                s = model_check(&m, &err);
            }
            CHECK(s == OMEN_ERR_CORRUPT || s == OMEN_ERR_VERSION);
            CHECK(strstr(err.text, NAME) != NULL || s == OMEN_ERR_VERSION);
            omen_index_unref(m.index);
            m.index = NULL;
            fault_storage_xor(m.fs, NAME, at, mask);
        }
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* Blocks are read long after the index was opened. */
TEST(damage_after_opening_is_found_by_the_search_that_comes_by) {
    model m;
    omen_index_hit *hits;
    uint32_t count, found = 0;
    begin(&m, 1);
    REQUIRE_OK(model_open_index(&m, NULL));
    omen_pool_free(m.x.store.pool);
    REQUIRE_OK(omen_pool_new(&m.x.mem, &m.x.host->host, 1 << 20, &m.x.store.pool));
    for (size_t at = 600; at + 600 < m.info.length; at += 5000) fault_storage_xor(m.fs, NAME, at, 16);
    for (uint32_t row = 0; row < m.source.rows; row += 100) {
        omen_index_query q = {.vector = m.vectors + row * m.bytes, .want = 10, .effort = 10};
        omen_status s = model_search(&m, &q, &hits, &count, NULL);
        CHECK(s == OMEN_OK || s == OMEN_ERR_CORRUPT);
        found += s == OMEN_ERR_CORRUPT;
        free(hits);
    }
    CHECK(found > 10);
    for (size_t at = 600; at + 600 < m.info.length; at += 5000) fault_storage_xor(m.fs, NAME, at, 16);
    omen_index_query q = {.vector = m.vectors, .want = 10, .effort = 10};
    CHECK_OK(model_search(&m, &q, &hits, &count, NULL));
    free(hits);
    CHECK_EQ_UINT(model_deinit(&m), 0);
}

static void wrong(content *c, model *m, uint8_t *number, uint32_t value) {
    uint32_t was = omen_get32(number);
    if (was == value) return;
    omen_put32(number, value);
    if (!CHECK_STATUS(content_try(c, m, NULL), OMEN_ERR_CORRUPT)) {
        for (unsigned i = 0; i < SECTIONS; i++)
            if (number >= c->bytes[i] && number < c->bytes[i] + c->len[i]) printf("        section %u at %zu: %u for %u\n", i, (size_t)(number - c->bytes[i]), value, was);
    }
    omen_put32(number, was);
}

/* One section at a time: absent, cut, longer, in other blocks, or with one number that cannot be. */
TEST(content_that_cannot_be_is_refused) {
    for (unsigned shape = 0; shape < OMEN_ARRAY_LEN(shapes); shape++) {
        model m;
        content c;
        omen_error err;
        begin(&m, shape);
        content_read(&c, &m);
        CHECK_OK(content_try(&c, &m, NULL));
        for (unsigned i = 0; i < SECTIONS; i++) {
            c.left_out[i] = true;
            CHECK_STATUS(content_try(&c, &m, NULL), OMEN_ERR_CORRUPT);
            c.left_out[i] = false;
            for (int by = -4; by <= 4; by += 4) {
                if (by == 0 || c.len[i] == 0) continue;
                c.len[i] = (size_t)((long)c.len[i] + by);
                if (by > 0) memset(c.bytes[i] + c.len[i] - 4, 0, 4);
                err = (omen_error){0};
                CHECK_STATUS(content_try(&c, &m, &err), OMEN_ERR_CORRUPT);
                CHECK(err.text[0] != '\0');
                c.len[i] = (size_t)((long)c.len[i] - by);
            }
        }
        c.block_len[NODES]--;
        CHECK_STATUS(content_try(&c, &m, NULL), OMEN_ERR_CORRUPT);
        c.block_len[NODES]++;

        uint8_t *own = c.bytes[META] + OMEN_INDEX_META_FIXED;
        omen_disk_shape s = {.m = omen_get32(own), .record = omen_get32(own + 16), .per_block = omen_get32(own + 20)};
        s.code = s.record - 4 - 4 * s.m;
        uint32_t top = omen_get32(own + 8), upper_m = omen_get32(own + 4), count = omen_get32(own + 24), rows = m.source.rows;
        REQUIRE(top == (shape == 1 ? 2u : 1u) && count > 30);
        /* Numbers of the description: every one of them matters, but what the index was built with and points of its audit. */
        for (uint32_t at = 8; at < 32; at += 4) {
            if (at == 24) continue;
            wrong(&c, &m, c.bytes[META] + at, omen_get32(c.bytes[META] + at) + 1);
            wrong(&c, &m, c.bytes[META] + at, UINT32_MAX);
        }
        for (uint32_t at = 0; at < OMEN_GRAPH_META - OMEN_INDEX_META_FIXED; at += 4) {
            uint32_t was = omen_get32(own + at);
            wrong(&c, &m, own + at, was + 1);
            wrong(&c, &m, own + at, was - 1);
            wrong(&c, &m, own + at, UINT32_MAX);
            wrong(&c, &m, own + at, was ^ 64);
        }
        /* Rows of levels, and links between them. */
        uint8_t *level = c.bytes[UPPER];
        for (uint32_t l = 1; l <= top; l++) {
            uint32_t n = omen_get32(own + 20 + 4 * l);
            uint8_t *links = level + 4 * (size_t)n;
            for (uint32_t i = 0; i < n; i += 1 + n / 8) {
                wrong(&c, &m, level + 4 * (size_t)i, rows);
                if (l == 1) wrong(&c, &m, level + 4 * (size_t)i, omen_get32(level + 4 * (size_t)i) + 1); /* above, any row of the level below would do */
                uint8_t *list = links + 4 * (size_t)i * upper_m;
                wrong(&c, &m, list, n);
                wrong(&c, &m, list, i);
                wrong(&c, &m, list + 4, omen_get32(list));
                wrong(&c, &m, list, omen_get32(list + 4) == OMEN_NO_NODE ? n : OMEN_NO_NODE);
            }
            level = links + 4 * (size_t)n * upper_m;
        }
        /* Codes and places of the upper levels' rows. */
        for (uint32_t i = 0; i < count; i += 1 + count / 8) {
            uint8_t *place = c.bytes[ENTRIES] + (size_t)count * s.code + 4 * (size_t)i;
            wrong(&c, &m, c.bytes[ENTRIES] + (size_t)i * s.code, omen_get32(c.bytes[ENTRIES] + (size_t)i * s.code) ^ 1);
            wrong(&c, &m, place, rows);
            wrong(&c, &m, place, omen_get32(place) ^ 1);
        }
        /* Records. */
        for (uint32_t slot = 0; slot < rows; slot += 1 + rows / 12) {
            uint8_t *record = c.bytes[NODES] + (size_t)slot * s.record, *links = record + s.code + 4;
            wrong(&c, &m, record + s.code, rows);
            wrong(&c, &m, record + s.code, omen_disk_row(&s, c.bytes[NODES] + (size_t)(slot ^ 1) * s.record));
            wrong(&c, &m, links, rows);
            wrong(&c, &m, links, UINT32_MAX - 1);
            wrong(&c, &m, links, slot);
            if (omen_get32(links + 4) == OMEN_NO_NODE) continue;
            wrong(&c, &m, links + 4, omen_get32(links));
            wrong(&c, &m, links, OMEN_NO_NODE);
        }
        if (shape == 3) wrong(&c, &m, c.bytes[NODES] + 12, 1); /* behind the bits */
        content_free(&c);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* A row that no list names is one that no search finds. */
TEST(rows_that_cannot_be_reached_are_found) {
    model m;
    content c;
    omen_error err = {0};
    begin(&m, 0);
    content_read(&c, &m);
    uint8_t *own = c.bytes[META] + OMEN_INDEX_META_FIXED;
    omen_disk_shape s = {.m = omen_get32(own), .record = omen_get32(own + 16)};
    uint32_t lost = 0;
    s.code = s.record - 4 - 4 * s.m;
    for (uint32_t slot = 0; slot < m.source.rows && lost == 0; slot++)
        if (omen_graph_height(omen_disk_row(&s, c.bytes[NODES] + (size_t)slot * s.record)) == 0) lost = slot;
    for (uint32_t slot = 0; slot < m.source.rows; slot++) {
        uint8_t *links = c.bytes[NODES] + (size_t)slot * s.record + s.code + 4;
        uint32_t n = 0;
        for (uint32_t i = 0; i < s.m; i++)
            if (omen_get32(links + 4 * i) != lost) omen_put32(links + 4 * n++, omen_get32(links + 4 * i));
        while (n < s.m) omen_put32(links + 4 * n++, OMEN_NO_NODE);
    }
    CHECK_STATUS(content_try(&c, &m, &err), OMEN_ERR_CORRUPT);
    CHECK(strstr(err.text, "cannot be reached") != NULL);
    content_free(&c);
    CHECK_EQ_UINT(model_deinit(&m), 0);
}

TEST_MAIN()
