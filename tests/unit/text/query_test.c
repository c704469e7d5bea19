/* The language of text queries: pieces, errors with their place, items for fields of several languages, and whatever bytes. */
#include "test.h"

#include "fault_host.h"
#include "text/query.h"

typedef struct bench { fault_host *h; omen_mem mem; omen_arena arena; omen_error err; } bench;

static void begin(bench *b) {
    b->h = fault_host_new(1);
    omen_mem_init(&b->mem, &b->h->host, 0);
    omen_arena_init(&b->arena, &b->mem, 4096);
    b->err = (omen_error){0};
}

static void end(bench *b) {
    omen_arena_deinit(&b->arena);
    CHECK_EQ_UINT(fault_host_bytes(b->h), 0);
    fault_host_free(b->h);
}

/* Pieces as a line: sign, kind (w, p for phrase, * for prefix), text. */
static const char *pieces_of(bench *b, const char *query, bool all, bool begun) {
    static char line[400];
    omen_text_pieces p;
    line[0] = '\0';
    omen_status s = omen_text_parse(&b->arena, (omen_str){query, strlen(query)}, all, begun, &p, &b->err);
    if (s != OMEN_OK) return s == OMEN_ERR_INVALID ? b->err.text : "other";
    for (uint32_t i = 0; i < p.count; i++) {
        size_t n = strlen(line);
        snprintf(line + n, sizeof line - n, "%s%c%c[%.*s]", n == 0 ? "" : " ", " +-"[p.of[i].occur], "wp*"[p.of[i].kind], (int)p.of[i].text.len, p.of[i].text.data);
    }
    return line;
}

TEST(pieces) {
    bench b;
    begin(&b);
    CHECK_EQ_STR(pieces_of(&b, "tea shop", false, false), " w[tea]  w[shop]");
    CHECK_EQ_STR(pieces_of(&b, "  +tea\t-coffee \n wi-fi a+b", false, false), "+w[tea] -w[coffee]  w[wi-fi]  w[a+b]");
    CHECK_EQ_STR(pieces_of(&b, "tea +\"green tea\" -\"a b\" \"x\"", true, false), "+w[tea] +p[green tea] -p[a b] +p[x]");
    CHECK_EQ_STR(pieces_of(&b, "choc* * +a* \"no*\"", false, false), " *[choc]  w[*] +*[a]  p[no*]");
    CHECK_EQ_STR(pieces_of(&b, "\\+tea \\-x \\\"q a\\* b\\\\ \"say \\\"hi\\\"\" c\\d", false, false), " w[+tea]  w[-x]  w[\"q]  w[a*]  w[b\\]  p[say \"hi\"]  w[c\\d]");
    CHECK_EQ_STR(pieces_of(&b, "+ - tea +", false, false), " w[tea]");
    CHECK_EQ_STR(pieces_of(&b, "ab\"cd\"ef", false, false), " w[ab]  p[cd]  w[ef]");
    CHECK_EQ_STR(pieces_of(&b, "", false, true), "");
    CHECK_EQ_STR(pieces_of(&b, "\"\"", false, false), "");
    CHECK_EQ_STR(pieces_of(&b, "green te", false, true), " w[green]  *[te]");
    CHECK_EQ_STR(pieces_of(&b, "green te ", false, true), " w[green]  w[te]");
    CHECK(strstr(pieces_of(&b, "tea \"green", false, false), "quote at byte 4") != NULL);
    CHECK(strstr(pieces_of(&b, "tea -\"green\\\"", false, false), "quote at byte 5") != NULL);
    static char many[70000];
    memset(many, 'a', 65537);
    omen_text_pieces p;
    CHECK_STATUS(omen_text_parse(&b.arena, (omen_str){many, 65537}, false, false, &p, &b.err), OMEN_ERR_TOO_LARGE);
    for (size_t i = 0; i < 65536; i++) many[i] = i % 2 ? ' ' : 'a';
    CHECK_STATUS(omen_text_parse(&b.arena, (omen_str){many, 2050}, false, false, &p, &b.err), OMEN_ERR_TOO_LARGE);
    CHECK_OK(omen_text_parse(&b.arena, (omen_str){many, 2048}, false, false, &p, &b.err));
    CHECK_EQ_UINT(p.count, 1024u);
    end(&b);
}

/* Items as a line: sign, w p * ~ for kinds, "|" before another way, fields, words with positions. */
static const char *items_of(bench *b, const char *query, const omen_text_choice *fields, uint32_t n, bool typos) {
    static char line[600];
    omen_text_pieces p;
    const omen_text_item *items;
    uint32_t count;
    CHECK_OK(omen_text_parse(&b->arena, (omen_str){query, strlen(query)}, false, false, &p, &b->err));
    CHECK_OK(omen_text_items(&b->arena, &p, fields, n, typos, &items, &count, &b->err));
    line[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        size_t at = strlen(line);
        const omen_text_item *t = &items[i];
        at += (size_t)snprintf(line + at, sizeof line - at, "%s%c%c%u", at == 0 ? "" : t->also ? "|" : " ", ".+-"[t->occur], "w*~p"[t->kind], (unsigned)t->fields);
        for (uint32_t w = 0; w < t->word_count; w++)
            at += (size_t)snprintf(line + at, sizeof line - at, ":%.*s@%u", (int)t->words[w].len, (const char *)t->words[w].term, t->words[w].position);
    }
    return line;
}

TEST(items_for_fields) {
    bench b;
    begin(&b);
    omen_analyzer *en, *none;
    omen_analyzer_options o = {.language = omen_language_find("en", 2), .stop_words = true, .short_texts = true};
    CHECK_OK(omen_analyzer_new(&b.mem, &o, &en, &b.err));
    o = (omen_analyzer_options){.no_stem = true, .keep_accents = true, .short_texts = true};
    CHECK_OK(omen_analyzer_new(&b.mem, &o, &none, &b.err));
    const omen_text_choice one[] = {{0, en}, {2, en}}, two[] = {{0, en}, {1, none}, {2, en}};
    CHECK_EQ_STR(items_of(&b, "Running +teas", one, 2, false), ".w5:run@0 +w5:tea@0");
    CHECK_EQ_STR(items_of(&b, "Running +teas -the", two, 3, false), ".w5:run@0|.w2:running@0 +w5:tea@0|+w2:teas@0 -w2:the@0");
    CHECK_EQ_STR(items_of(&b, "+the +wi-fi", two, 3, false), ".w2:the@0 +w5:wi@0|+w2:wi@0 +w5:fi@1|+w2:fi@1");
    CHECK_EQ_STR(items_of(&b, "+\"state of the arts\"", one, 2, false), "+p5:state@0:art@3");
    CHECK_EQ_STR(items_of(&b, "\"state of the arts\"", two, 3, false), ".p5:state@0:art@3|.p2:state@0:of@1:the@2:arts@3");
    CHECK_EQ_STR(items_of(&b, "+\"the\" \"tea\"", two, 3, false), ".w2:the@0 .w5:tea@0|.w2:tea@0");
    CHECK_EQ_STR(items_of(&b, "runn* running*", one, 2, false), ".*5:runn@0 .w5:run@0|.*5:running@0");
    CHECK_EQ_STR(items_of(&b, "te*", one, 2, false), ".*5:te@0");
    CHECK_EQ_STR(items_of(&b, "happy*", one, 2, false), ".w5:happi@0|.*5:happy@0");
    CHECK_EQ_STR(items_of(&b, "tea chocolates -chocolate", one, 2, true), ".w5:tea@0 .~5:chocol@0 -w5:chocol@0");
    CHECK_EQ_STR(items_of(&b, "... ! the", one, 2, false), "");
    CHECK_EQ_STR(items_of(&b, "caf\xff" "e x", one, 2, false), ".w5:caf@0 .w5:e@1 .w5:x@0");
    /* Any bytes at all. */
    for (unsigned round = 0; round < 3000; round++) {
        static const char some[] = "ab \"*+-\\\t\xc3\xa9\xe6\xbc\xa2\xff\x00the";
        char q[60];
        size_t n = (size_t)test_rand_below(sizeof q);
        omen_text_pieces p;
        const omen_text_item *items;
        uint32_t count = 0;
        for (size_t i = 0; i < n; i++) q[i] = test_rand_below(20) == 0 ? (char)test_rand_below(256) : some[test_rand_below(sizeof some - 1)];
        omen_status s = omen_text_parse(&b.arena, (omen_str){q, n}, round % 2, round % 3 == 0, &p, &b.err);
        CHECK(s == OMEN_OK || s == OMEN_ERR_INVALID);
        if (s != OMEN_OK) continue;
        CHECK_OK(omen_text_items(&b.arena, &p, two, 3, round % 5 == 0, &items, &count, &b.err));
        for (uint32_t i = 0; i < count; i++) {
            CHECK(items[i].word_count != 0 && items[i].fields != 0 && (items[i].fields & ~UINT64_C(7)) == 0);
            CHECK(!items[i].also || i != 0);
            for (uint32_t w = 0; w < items[i].word_count; w++) CHECK(items[i].words[w].len != 0 && items[i].words[w].len <= OMEN_TERM_MAX);
        }
    }
    /* More words than a query may have, in one piece. */
    static char many[60000];
    for (size_t i = 0; i + 3 <= sizeof many; i += 3) memcpy(many + i, "\xe6\xbc\xa2", 3);
    omen_text_pieces p;
    const omen_text_item *items;
    uint32_t count;
    CHECK_OK(omen_text_parse(&b.arena, (omen_str){many, sizeof many}, false, false, &p, &b.err));
    CHECK_STATUS(omen_text_items(&b.arena, &p, one, 2, false, &items, &count, &b.err), OMEN_ERR_TOO_LARGE);
    omen_analyzer_free(en);
    omen_analyzer_free(none);
    end(&b);
}

/* Limits of what a query may become. */
TEST(items_that_are_too_many) {
    static char many[65536];
    bench b;
    omen_analyzer *en, *each[OMEN_TEXT_FIELDS];
    omen_text_pieces p;
    const omen_text_item *items;
    uint32_t count;
    begin(&b);
    omen_analyzer_options o = {.language = omen_language_find("en", 2), .short_texts = true};
    CHECK_OK(omen_analyzer_new(&b.mem, &o, &en, &b.err));
    const omen_text_choice one[] = {{0, en}};
    /* A phrase of 65 words. */
    size_t n = 0;
    many[n++] = '"';
    for (int i = 0; i < 65; i++) n += (size_t)snprintf(many + n, sizeof many - n, "w%d ", i);
    many[n++] = '"';
    CHECK_OK(omen_text_parse(&b.arena, (omen_str){many, n}, false, false, &p, &b.err));
    CHECK_STATUS(omen_text_items(&b.arena, &p, one, 1, false, &items, &count, &b.err), OMEN_ERR_TOO_LARGE);
    CHECK(strstr(b.err.text, "65 words") != NULL);
    n = (size_t)(strrchr(many, 'w') - many);
    many[n++] = '"';
    CHECK_OK(omen_text_parse(&b.arena, (omen_str){many, n}, false, false, &p, &b.err));
    CHECK_OK(omen_text_items(&b.arena, &p, one, 1, false, &items, &count, &b.err));
    CHECK(count == 1 && items[0].word_count == 64);
    /* 64 languages, and words for each of them: together they are too many, none is alone. */
    omen_text_choice all[OMEN_TEXT_FIELDS];
    for (uint32_t i = 0; i < OMEN_TEXT_FIELDS; i++) {
        CHECK_OK(omen_analyzer_new(&b.mem, &o, &each[i], &b.err));
        all[i] = (omen_text_choice){i, each[i]};
    }
    CHECK_OK(omen_text_parse(&b.arena, OMEN_STR("+tea"), false, false, &p, &b.err));
    CHECK_OK(omen_text_items(&b.arena, &p, all, OMEN_TEXT_FIELDS, false, &items, &count, &b.err));
    CHECK(count == OMEN_TEXT_FIELDS && items[0].occur == OMEN_TEXT_MUST);
    memset(many, 'a', sizeof many);
    for (size_t i = 1; i < 130; i += 2) many[i] = ' ';
    CHECK_OK(omen_text_parse(&b.arena, (omen_str){many, 130}, false, false, &p, &b.err));
    CHECK_STATUS(omen_text_items(&b.arena, &p, all, OMEN_TEXT_FIELDS, false, &items, &count, &b.err), OMEN_ERR_TOO_LARGE);
    CHECK(strstr(b.err.text, "leave some out") != NULL);
    CHECK_OK(omen_text_parse(&b.arena, (omen_str){many, 128}, false, false, &p, &b.err));
    CHECK_OK(omen_text_items(&b.arena, &p, all, OMEN_TEXT_FIELDS, false, &items, &count, &b.err));
    CHECK_EQ_UINT(count, OMEN_TEXT_ITEMS);
    for (uint32_t i = 0; i < OMEN_TEXT_FIELDS; i++) omen_analyzer_free(each[i]);
    omen_analyzer_free(en);
    end(&b);
}

/* Memory ends at each of the allocations of a query. The arena's blocks are small, so that they are many. */
TEST(memory_ends_in_a_query) {
    static const char *const queries[] = {"tea +shop -closed", "\"green tea\" choc* running*", "+\"one two three\" unreadable* \"\"", "..* * x", "happy* tea", "..*"};
    static char longs[3000];
    bench b;
    omen_analyzer *en;
    begin(&b);
    omen_analyzer_options o = {.language = omen_language_find("en", 2), .stop_words = true, .short_texts = true};
    CHECK_OK(omen_analyzer_new(&b.mem, &o, &en, &b.err));
    const omen_text_choice one[] = {{0, en}};
    for (size_t i = 0; i + 3 <= sizeof longs; i += 3) memcpy(longs + i, i % 240 == 237 ? "zz " : "abc", 3);
    for (size_t q = 0; q < OMEN_ARRAY_LEN(queries) + 3; q++) {
        const bool own = q < OMEN_ARRAY_LEN(queries);
        omen_str text = own ? (omen_str){queries[q], strlen(queries[q])} : (omen_str){longs, q % 3 == 0 ? 3000 : 900};
        char quoted[1000] = "\"";
        if (q == OMEN_ARRAY_LEN(queries) + 2) { /* a phrase */
            memcpy(quoted + 1, longs, 900);
            quoted[901] = '"';
            text = (omen_str){quoted, 902};
        }
        unsigned failed = 0;
        omen_status s = OMEN_ERR_MEMORY;
        for (uint64_t k = 1; s != OMEN_OK && k < 400; k++) {
            omen_arena arena;
            omen_text_pieces p;
            const omen_text_item *items;
            uint32_t count;
            omen_arena_init(&arena, &b.mem, 16);
            b.err = (omen_error){0};
            fault_host_fail_alloc_at(b.h, k, true);
            s = omen_text_parse(&arena, text, false, false, &p, &b.err);
            if (s == OMEN_OK) s = omen_text_items(&arena, &p, one, 1, q % 2 == 0, &items, &count, &b.err);
            fault_host_fail_alloc_at(b.h, 0, false);
            if (s != OMEN_OK) CHECK(s == OMEN_ERR_MEMORY && b.err.status == s && strstr(b.err.text, "out of memory") != NULL);
            failed += s != OMEN_OK;
            omen_arena_deinit(&arena);
        }
        CHECK(s == OMEN_OK && failed >= 3);
    }
    omen_analyzer_free(en);
    end(&b);
}

TEST_MAIN()
