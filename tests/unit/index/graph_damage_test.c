/* Damaged graphs: a bit of the file, and files whose checksums are right but whose content is not. Opening or verifying tells, or the search that follows stays
 * within bounds. */
#include "test.h"

#include "graph_model.h"

/* Only large graphs have three levels: those are there where branches are counted, too. */
#ifdef __LLVM_INSTR_PROFILE_GENERATE
#define SMALL TEST_EMULATED
#else
#define SMALL SLOW
#endif

static const struct { omen_metric metric; uint32_t rows, dimensions, lead; } shapes[] = {
    {OMEN_METRIC_L2, 700, 20, 20}, {OMEN_METRIC_COSINE, 700, 136, 12}, {OMEN_METRIC_IP, 620, 30, 30}, {OMEN_METRIC_HAMMING, 600, 72, 72}, {OMEN_METRIC_L2, 60, 8, 8}, {OMEN_METRIC_L2, SMALL ? 600 : 9000, 4, 4}};

static void begin(model *m, unsigned shape) {
    model_init(m, shapes[shape].rows, shapes[shape].dimensions, shapes[shape].metric);
    m->options = (omen_index_options){.kind = OMEN_INDEX_HNSW, .m = 8, .ef_construction = 12};
    model_fill(m, 12, shapes[shape].lead, 0.5f);
    CHECK_OK(model_build(m, NULL));
}

TEST(a_changed_bit_anywhere_is_found) {
    for (unsigned shape = 0; shape < OMEN_ARRAY_LEN(shapes); shape++) {
        model m;
        begin(&m, shape);
        for (unsigned n = 0; n < 120; n++) {
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
        CHECK_OK(model_open_index(&m, NULL));
        CHECK_OK(model_check(&m, NULL));
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* Removes every link to a row from the base level. */
static unsigned cut_off(content *c, uint32_t rows, uint32_t row) {
    unsigned removed = 0;
    for (uint32_t r = 0; r < rows; r++) {
        uint32_t *links = content_links(c, r), n = 0;
        for (uint32_t j = 0; j < content_m(c); j++) {
            if (links[j] == row) removed++;
            else links[n++] = links[j];
        }
        while (n < content_m(c)) links[n++] = OMEN_NO_NODE;
    }
    return removed;
}

TEST(a_row_that_is_cut_off_is_reported) {
    for (unsigned shape = 0; shape < 4; shape++) {
        model m;
        content c;
        omen_error err = {0};
        begin(&m, shape);
        content_read(&c, &m);
        REQUIRE(content_top(&c) == 1);
        size_t len = c.len[OF_LINKS];
        uint8_t *was = malloc(len);
        memcpy(was, c.bytes[OF_LINKS], len);
        CHECK_OK(content_try(&c, &m, &err));
        for (unsigned n = 0; n < 10; n++) {
            uint32_t row = (uint32_t)test_rand_below(m.source.rows), entry = content_level(&c, 1)[n % content_count(&c, 1)];
            while (omen_graph_height(row) != 0) row = (row + 1) % m.source.rows;
            CHECK(cut_off(&c, m.source.rows, row) != 0);
            err = (omen_error){0};
            CHECK_STATUS(content_try(&c, &m, &err), OMEN_ERR_CORRUPT);
            CHECK(strstr(err.text, "cannot be reached") != NULL && strstr(err.text, "seg-") != NULL);
            memcpy(c.bytes[OF_LINKS], was, len);
            /* Searches come to rows of the highest level without a link of the base. */
            (void)cut_off(&c, m.source.rows, entry);
            omen_status s = content_try(&c, &m, &err);
            CHECK(s == OMEN_OK || strstr(err.text, "cannot be reached") != NULL);
            memcpy(c.bytes[OF_LINKS], was, len);
        }
        CHECK_OK(content_try(&c, &m, NULL));
        free(was);
        content_free(&c);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

static void refused(content *c, model *m, uint32_t *number, uint32_t wrong, const char *what) {
    uint32_t was = *number;
    omen_error err = {0};
    *number = wrong;
    CHECK_STATUS(content_try(c, m, &err), OMEN_ERR_CORRUPT);
    if (!CHECK(strstr(err.text, what) != NULL)) printf("        %s\n", err.text);
    *number = was;
}

TEST(content_that_cannot_be_is_refused) {
    for (unsigned shape = 0; shape < OMEN_ARRAY_LEN(shapes); shape++) {
        model m;
        content c;
        omen_error err;
        begin(&m, shape);
        content_read(&c, &m);
        CHECK_OK(content_try(&c, &m, NULL));
        uint32_t rows = m.source.rows, top = content_top(&c), upper_m = content_upper_m(&c);
        CHECK_EQ_UINT(top, rows <= 512 ? 0 : rows == 9000 ? 2 : 1);
        /* One section at a time: absent, cut, longer. */
        for (unsigned i = 0; i < GRAPH_SECTIONS; i++) {
            /* Bits have no quantiser: what stands in its place is not looked at. */
            bool ignored = i == OF_CODEC && shape == 3;
            c.left_out[i] = true;
            CHECK_STATUS(content_try(&c, &m, NULL), OMEN_ERR_CORRUPT);
            c.left_out[i] = false;
            for (int by = -4; by <= 4; by += 8) {
                if (by < 0 && c.len[i] == 0) continue;
                c.len[i] = (size_t)((long)c.len[i] + by);
                if (by > 0) memset(c.bytes[i] + c.len[i] - 4, 0, 4);
                err = (omen_error){0};
                CHECK_STATUS(content_try(&c, &m, &err), ignored ? OMEN_OK : OMEN_ERR_CORRUPT);
                CHECK(ignored || strstr(err.text, "built again") != NULL);
                c.len[i] = (size_t)((long)c.len[i] - by);
            }
        }
        /* The description. */
        uint32_t *meta = (uint32_t *)(void *)c.bytes[OF_META], *own = meta + OMEN_INDEX_META_FIXED / 4;
        for (unsigned at = 2; at <= 5; at++) refused(&c, &m, &meta[at], meta[at] + 1, "other vectors");
        refused(&c, &m, &meta[1], 77, "no known kind");
        refused(&c, &m, &meta[11], OMEN_INDEX_POINTS + 1, "too many points");
        if (meta[11] > 1) {
            refused(&c, &m, &meta[12], 0, "impossible");
            refused(&c, &m, &meta[12], (1u << 20) + 1, "impossible");
            refused(&c, &m, &meta[13], (1u << 20) + 1, "impossible");
            refused(&c, &m, &meta[14], 65537, "impossible");
            refused(&c, &m, &meta[15], meta[12], "impossible");
        }
        refused(&c, &m, &own[0], 1, "impossible");
        refused(&c, &m, &own[0], OMEN_GRAPH_M_MAX + 1, "impossible");
        refused(&c, &m, &own[0], own[0] + 1, "wrong size");
        if (top != 0) refused(&c, &m, &own[1], 0, "impossible");
        if (top != 0) refused(&c, &m, &own[1], upper_m + 1, "wrong size");
        refused(&c, &m, &own[2], OMEN_GRAPH_LEVELS + 1, "impossible");
        refused(&c, &m, &own[2], top + 1, "impossible");
        refused(&c, &m, &own[3], own[3] + 64, "another size");
        for (uint32_t l = 1; l <= top; l++) {
            refused(&c, &m, &own[5 + l], 0, "impossible size");
            refused(&c, &m, &own[5 + l], rows + 1, "impossible size");
            refused(&c, &m, &own[5 + l], own[5 + l] + 1, "");
        }
        /* The quantiser. */
        if (c.len[OF_CODEC] != 0) refused(&c, &m, (uint32_t *)(void *)c.bytes[OF_CODEC], 1, "quantiser is malformed");
        /* Links of the base. */
        for (unsigned n = 0; n < 6; n++) {
            uint32_t row = n == 0 ? rows - 1 : (uint32_t)test_rand_below(rows), *links = content_links(&c, row);
            if (links[0] == OMEN_NO_NODE || links[1] == OMEN_NO_NODE) continue;
            refused(&c, &m, &links[0], rows, "leads nowhere");
            refused(&c, &m, &links[0], OMEN_NO_NODE - 1, "leads nowhere");
            refused(&c, &m, &links[0], OMEN_NO_NODE, "leads nowhere");
            refused(&c, &m, &links[0], row, "linked to itself");
            refused(&c, &m, &links[0], links[1], "twice to another");
        }
        for (uint32_t l = 1; l <= top; l++) {
            uint32_t *level = content_level(&c, l), count = own[5 + l], *links = level + count;
            refused(&c, &m, &level[0], level[1], "out of order");
            refused(&c, &m, &level[count - 1], rows, "out of order");
            refused(&c, &m, &links[0], count, "leads nowhere");
            refused(&c, &m, &links[0], 0, "linked to itself");
            if (links[1] != OMEN_NO_NODE) refused(&c, &m, &links[0], links[1], "twice to another");
            if (l < 2) continue;
            /* A row that the level below does not have. */
            uint32_t *below = content_level(&c, l - 1), last = level[count - 1] + 1;
            for (uint32_t i = 0; i < own[4 + l]; i++) last += below[i] == last;
            if (last < rows) refused(&c, &m, &level[count - 1], last, "no part of the one below");
        }
        CHECK_OK(content_try(&c, &m, NULL));
        content_free(&c);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* Too many rows on the highest level: a search would compare the query with all of them. */
TEST(the_highest_level_is_small) {
    if (SMALL) TEST_SKIP("needs 9,000 rows");
    model m;
    content c;
    omen_error err = {0};
    begin(&m, 5);
    content_read(&c, &m);
    REQUIRE(content_top(&c) == 2 && content_count(&c, 1) > OMEN_GRAPH_TOP);
    omen_put32(c.bytes[OF_META] + OMEN_INDEX_META_FIXED + 8, 1);
    omen_put32(c.bytes[OF_META] + OMEN_INDEX_META_FIXED + 28, 0);
    c.len[OF_UPPER] = (size_t)content_count(&c, 1) * (1 + content_upper_m(&c)) * 4;
    CHECK_STATUS(content_try(&c, &m, &err), OMEN_ERR_CORRUPT);
    CHECK(strstr(err.text, "too many rows") != NULL);
    content_free(&c);
    CHECK_EQ_UINT(model_deinit(&m), 0);
}

/* Every byte of the small sections, some of the others: a search answers something, within bounds. */
TEST(random_content_does_no_harm) {
    unsigned refusals = 0, taken = 0;
    for (unsigned shape = 0; shape < 5; shape++) {
        model m;
        content c;
        begin(&m, shape);
        content_read(&c, &m);
        for (unsigned i = 0; i < GRAPH_SECTIONS; i++) {
            size_t budget = SLOW ? 60 : 300, step = c.len[i] / budget + 1;
            for (size_t at = (size_t)test_rand_below(step); at < c.len[i]; at += step) {
                uint8_t was = c.bytes[i][at];
                unsigned how = (unsigned)test_rand_below(4);
                c.bytes[i][at] = how == 0 ? 0xFF : how == 1 ? 0x7F : how == 2 ? (uint8_t)(was + 1) : (uint8_t)test_rand();
                omen_status s = content_try(&c, &m, NULL);
                CHECK(s == OMEN_OK || s == OMEN_ERR_CORRUPT || s == OMEN_ERR_VERSION);
                refusals += s != OMEN_OK;
                taken += s == OMEN_OK;
                c.bytes[i][at] = was;
            }
            /* All of it at once. */
            uint8_t *own = c.bytes[i], *noise = malloc(c.len[i] + 64);
            for (size_t at = 0; at < c.len[i]; at++) noise[at] = (uint8_t)test_rand();
            c.bytes[i] = noise;
            omen_status s = content_try(&c, &m, NULL);
            CHECK(s == OMEN_ERR_CORRUPT || s == OMEN_ERR_VERSION || (s == OMEN_OK && (i == OF_CODES || c.len[i] == 0)));
            c.bytes[i] = own;
            free(noise);
        }
        content_free(&c);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
    CHECK(refusals > 100 && taken > 100);
}

TEST_MAIN()
