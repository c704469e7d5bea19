/* Damaged inverted lists: a bit of the file, and files whose checksums are right but whose content is not. Opening or verifying tells, or the search that
 * follows stays within bounds. */
#include "test.h"

#include "index/ivf.h"
#include "ivf_model.h"

#define SECTIONS 5u
static const uint32_t kinds[SECTIONS] = {OMEN_SECTION_INDEX_META, OMEN_SECTION_INDEX_CODEC, OMEN_SECTION_INDEX_CENTROIDS, OMEN_SECTION_INDEX_LISTS, OMEN_SECTION_INDEX_CODES};

/* The content of an index file, to be changed and written again. */
typedef struct content {
    uint8_t *bytes[SECTIONS];
    size_t len[SECTIONS];
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
        c->bytes[i] = malloc(c->len[i] + 64);
        if (c->len[i] != 0) STEP(s, omen_segment_read(seg, sec, 0, c->len[i], c->bytes[i], &done, NULL));
        CHECK_OK(s);
    }
    omen_segment_close(seg);
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
        s = omen_segment_section_begin(w, kinds[i], 0, 0, OMEN_BLOCK_BYTES, NULL);
        if (s == OMEN_OK) s = omen_segment_section_write(w, c->bytes[i], c->len[i], NULL);
        if (s == OMEN_OK) s = omen_segment_section_end(w, NULL);
    }
    if (s == OMEN_OK) STEP(s, omen_segment_writer_finish(w, &m->info, NULL));
    omen_segment_writer_free(w);
    CHECK_OK(s);
    s = model_open_index(m, err);
    if (s == OMEN_OK) {
        uint32_t count;
        omen_index_hit *hits;
        omen_index_query q = {.vector = m->vectors, .want = 20, .effort = 65536};
        CHECK_OK(model_search(m, &q, &hits, &count, NULL));
        for (uint32_t i = 0; i < count; i++) CHECK(hits[i].row < m->source.rows);
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

static void content_free(content *c) {
    for (unsigned i = 0; i < SECTIONS; i++) free(c->bytes[i]);
}

static const struct { omen_metric metric; uint32_t dimensions, lead; omen_codec codec; uint32_t bits; } shapes[] = {
    {OMEN_METRIC_L2, 20, 20, OMEN_CODEC_SQ8, 0},    {OMEN_METRIC_L2, 136, 12, OMEN_CODEC_SQ8, 0}, {OMEN_METRIC_IP, 30, 30, OMEN_CODEC_SQ8, 0},
    {OMEN_METRIC_HAMMING, 72, 0, OMEN_CODEC_SQ8, 0}, {OMEN_METRIC_L2, 20, 20, OMEN_CODEC_RABITQ, 1}, {OMEN_METRIC_COSINE, 70, 70, OMEN_CODEC_RABITQ, 5},
    {OMEN_METRIC_L2, 20, 20, OMEN_CODEC_PQ, 0}};

static void begin(model *m, unsigned shape) {
    model_init(m, 400, shapes[shape].dimensions, shapes[shape].metric);
    m->options.codec = shapes[shape].codec;
    m->options.bits = shapes[shape].bits;
    model_fill(m, 12, shapes[shape].lead, 0.5f);
    CHECK_OK(model_build(m, NULL));
}

TEST(a_changed_bit_anywhere_is_found) {
    for (unsigned shape = 0; shape < OMEN_ARRAY_LEN(shapes); shape++) {
        model m;
        begin(&m, shape);
        for (unsigned n = 0; n < 150; n++) {
            size_t at = (size_t)test_rand_below(m.info.length);
            uint8_t mask = (uint8_t)(1u << test_rand_below(8));
            const char *name = "seg-0000000000000005";
            fault_storage_xor(m.fs, name, at, mask);
            omen_error err = {0};
            omen_status s = model_open_index(&m, &err);
            if (s == OMEN_OK) s = model_check(&m, &err);
            CHECK(s == OMEN_ERR_CORRUPT || s == OMEN_ERR_VERSION);
            CHECK(strstr(err.text, name) != NULL || s == OMEN_ERR_VERSION);
            omen_index_unref(m.index);
            m.index = NULL;
            fault_storage_xor(m.fs, name, at, mask);
        }
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* One section at a time: absent, cut, longer, or with one number that cannot be. */
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
                if (by == 0 || (by < 0 && c.len[i] == 0)) continue;
                c.len[i] = (size_t)((long)c.len[i] + by);
                if (by > 0) memset(c.bytes[i] + c.len[i] - 4, 0, 4);
                err = (omen_error){0};
                CHECK_STATUS(content_try(&c, &m, &err), OMEN_ERR_CORRUPT);
                CHECK(err.text[0] != '\0');
                c.len[i] = (size_t)((long)c.len[i] - by);
            }
        }
        uint32_t lists = omen_get32(c.bytes[0] + OMEN_INDEX_META_FIXED), *list = (uint32_t *)(void *)c.bytes[3];
        REQUIRE(lists > 2);
        /* Numbers of the description: every one of them matters. */
        for (uint32_t at = 4; at < 48; at += 4) {
            if (at == 28 || at == 32) continue; /* m, ef_construction: no such parameters here */
            if (at == 44) continue;             /* fewer points of the audit are fine */
            for (unsigned n = 0; n < 3; n++) {
                uint32_t was = omen_get32(c.bytes[0] + at);
                uint32_t wrong = n == 0 ? was + 1 : n == 1 ? UINT32_MAX : was ^ 0x10000;
                if (at == 24 && n == 0) wrong = 0; /* codecs have neighbours */
                if (at == 36 && n == 0) wrong = lists - 1;
                omen_put32(c.bytes[0] + at, wrong);
                CHECK_STATUS(content_try(&c, &m, NULL), OMEN_ERR_CORRUPT);
                omen_put32(c.bytes[0] + at, was);
            }
        }
        for (uint32_t at = OMEN_INDEX_META_FIXED; at < OMEN_IVF_META; at += 4) {
            uint32_t was = omen_get32(c.bytes[0] + at);
            for (unsigned n = 0; n < 4; n++) {
                omen_put32(c.bytes[0] + at, n == 0 ? was + 1 : n == 1 ? was - 1 : n == 2 ? UINT32_MAX : was ^ 64);
                CHECK_STATUS(content_try(&c, &m, NULL), OMEN_ERR_CORRUPT);
            }
            omen_put32(c.bytes[0] + at, was);
        }
        /* Where lists begin. */
        for (uint32_t l = 0; l <= lists; l++) {
            uint32_t was = list[l];
            list[l] = l == 0 ? 1 : l == lists ? was + 1 : l % 2 == 0 ? UINT32_MAX : list[l - 1];
            CHECK_STATUS(content_try(&c, &m, NULL), OMEN_ERR_CORRUPT);
            list[l] = was;
        }
        /* Rows. */
        uint32_t *rows = list + lists + 1;
        for (uint32_t i = 0; i < m.source.rows; i += 23) {
            uint32_t was = rows[i], other = (i + 7) % m.source.rows;
            rows[i] = i % 2 == 0 ? m.source.rows : rows[other];
            CHECK_STATUS(content_try(&c, &m, NULL), OMEN_ERR_CORRUPT);
            rows[i] = was;
        }
        uint32_t first = rows[0];
        if (list[1] > 1) {
            rows[0] = rows[1];
            rows[1] = first;
            CHECK_STATUS(content_try(&c, &m, NULL), OMEN_ERR_CORRUPT);
            rows[1] = rows[0];
            rows[0] = first;
        }
        /* Padding, and the numbers beside codes. */
        uint32_t len = omen_get32(c.bytes[0] + OMEN_INDEX_META_FIXED + 4), used = shape == 3 ? 9 : shape == 1 ? 60 : shapes[shape].dimensions;
        bool residuals = shapes[shape].codec != OMEN_CODEC_SQ8;
        REQUIRE(used < len);
        for (unsigned i = 2; i < (residuals ? 3 : SECTIONS); i += 2) {
            c.bytes[i][2 * len + used] = 1;
            CHECK_STATUS(content_try(&c, &m, NULL), OMEN_ERR_CORRUPT);
            c.bytes[i][2 * len + used] = 0;
        }
        if (shapes[shape].codec == OMEN_CODEC_PQ) {
            /* A point and a number that are no numbers; a nibble behind a list's last row. */
            uint32_t last = list[1] % 32;
            const struct { unsigned section; size_t at; } wrong[] = {{1, 4}, {4, c.len[4] - 4}};
            for (unsigned n = 0; n < OMEN_ARRAY_LEN(wrong); n++) {
                uint8_t *number = c.bytes[wrong[n].section] + wrong[n].at;
                uint32_t was = omen_get32(number);
                omen_put32(number, 0x7FC00000u);
                CHECK_STATUS(content_try(&c, &m, NULL), OMEN_ERR_CORRUPT);
                omen_put32(number, was);
            }
            REQUIRE(last != 0);
            c.bytes[4][(size_t)(list[1] / 32) * 10 * 16 + 15] ^= 0x10;
            CHECK_STATUS(content_try(&c, &m, NULL), OMEN_ERR_CORRUPT);
            c.bytes[4][(size_t)(list[1] / 32) * 10 * 16 + 15] ^= 0x10;
        } else if (residuals) {
            /* A sign; one of a row's numbers; the last of its sums. */
            uint32_t planes = (uint32_t)omen_round_up(shapes[shape].dimensions, 64) / 8;
            const struct { unsigned section; size_t at; uint8_t value; } wrong[] = {
                {4, 5, (uint8_t)~c.bytes[4][5]}, {4, (size_t)m.source.rows * planes + 7, 0x7F}, {4, c.len[4] - 4, (uint8_t)~c.bytes[4][c.len[4] - 4]}};
            for (unsigned n = 0; n < OMEN_ARRAY_LEN(wrong); n++) {
                uint8_t *byte = c.bytes[wrong[n].section] + wrong[n].at, was = *byte, before = byte[-1];
                *byte = wrong[n].value;
                if (n == 1) byte[-1] = 0xFF;
                CHECK_STATUS(content_try(&c, &m, NULL), OMEN_ERR_CORRUPT);
                *byte = was;
                byte[-1] = before;
            }
        } else if (shape != 3) {
            uint8_t *bias = c.bytes[4] + (size_t)m.source.rows * len + 40;
            int32_t was;
            memcpy(&was, bias, 4);
            omen_put32(bias, shape == 1 ? 0x80000000u : (uint32_t)was + 1);
            CHECK_STATUS(content_try(&c, &m, NULL), OMEN_ERR_CORRUPT);
            omen_put32(bias, (uint32_t)was);
        }
        CHECK_OK(content_try(&c, &m, NULL));
        content_free(&c);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* Anything else that carries right checksums: a search answers something, within bounds. */
TEST(random_content_does_no_harm) {
    unsigned refused = 0, taken = 0;
    for (unsigned shape = 0; shape < OMEN_ARRAY_LEN(shapes); shape++) {
        model m;
        content c;
        begin(&m, shape);
        content_read(&c, &m);
        for (unsigned n = 0; n < 400; n++) {
            unsigned i = (unsigned)test_rand_below(SECTIONS), changes = 1 + (unsigned)test_rand_below(3);
            if (c.len[i] == 0) continue;
            uint8_t *was = malloc(c.len[i]);
            memcpy(was, c.bytes[i], c.len[i]);
            while (changes-- != 0) {
                size_t at = (size_t)test_rand_below(c.len[i]);
                if (test_rand_below(2) == 0) at %= 300 < c.len[i] ? 300 : c.len[i];
                c.bytes[i][at] = test_rand_below(3) == 0 ? 0xFF : (uint8_t)test_rand();
            }
            omen_status s = content_try(&c, &m, NULL);
            CHECK(s == OMEN_OK || s == OMEN_ERR_CORRUPT || s == OMEN_ERR_VERSION);
            refused += s != OMEN_OK;
            taken += s == OMEN_OK;
            memcpy(c.bytes[i], was, c.len[i]);
            free(was);
        }
        content_free(&c);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
    CHECK(refused > 100 && taken > 20);
}

TEST_MAIN()
