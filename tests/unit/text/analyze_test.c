/* Words, folding, stems and offsets, over all scripts and over bytes that are no text. */
#include "test.h"
#include "base/key.h"
#include "fault_host.h"
#include "text/analyze.h"
#include "text/unicode.h"

static omen_mem mem;
static fault_host *host;

static void fresh(void) {
    if (host == NULL) host = fault_host_new(1);
    omen_mem_init(&mem, &host->host, 0);
}

static omen_analyzer *make(const char *language, bool stop_words) {
    fresh();
    omen_error err = {0};
    omen_analyzer *a = NULL;
    omen_analyzer_options o = {.language = language != NULL ? omen_language_find(language, strlen(language)) : NULL, .stop_words = stop_words};
    if (omen_analyzer_new(&mem, &o, &a, &err) != OMEN_OK) printf("%s\n", err.text);
    return a;
}

/* The terms of a text, separated by spaces, as "term" or, where positions are asked for, "term@position". Checks what holds for every token. */
static const char *terms_of(omen_analyzer *a, const char *text, size_t len, unsigned flags, bool positions) {
    static char out[1 << 16];
    size_t n = 0;
    omen_token t;
    uint32_t last = 0, start = 0;
    bool first = true;
    omen_analyzer_start(a, text, len, flags);
    while (omen_analyzer_next(a, &t)) {
        CHECK(t.len >= 1 && t.len <= OMEN_TERM_MAX);
        CHECK(t.start < t.end && t.end <= len);
        CHECK(first || (t.position > last && t.start > start));
        first = false;
        last = t.position;
        start = t.start;
        CHECK(t.position < omen_analyzer_positions(a));
        if (n + t.len + 20 > sizeof out) break;
        if (n > 0) out[n++] = ' ';
        memcpy(out + n, t.term, t.len);
        n += t.len;
        if (positions) n += (size_t)snprintf(out + n, 12, "@%u", t.position);
    }
    out[n] = 0;
    return out;
}

static const char *terms(omen_analyzer *a, const char *text) { return terms_of(a, text, strlen(text), 0, false); }

TEST(words_end_where_people_see_them_end) {
    omen_analyzer *a = make(NULL, false);
    CHECK_EQ_STR(terms(a, ""), "");
    CHECK_EQ_STR(terms(a, "  ... --- ,,, \n\t"), "");
    CHECK_EQ_STR(terms(a, "The QUICK brown-fox."), "the quick brown fox");
    CHECK_EQ_STR(terms(a, "don't can\xE2\x80\x99t 'quoted' dogs'"), "don't can't quoted dogs");
    CHECK_EQ_STR(terms(a, "3.14 1,000.50 1.2.3. 5'10 v2.0 12:30"), "3.14 1,000.50 1.2.3 5'10 v2.0 12 30");
    CHECK_EQ_STR(terms(a, "node.js example.com e.g. a.b"), "node js example com e g a b");
    CHECK_EQ_STR(terms(a, "snake_case __init__ _ __ h2o x86_64"), "snake_case __init__ h2o x86_64");
    CHECK_EQ_STR(terms(a, "C++ AT&T user@host #tag $5"), "c at t user host tag 5");
    CHECK_EQ_STR(terms(a, "co\xC2\xADoperate"), "cooperate");
    omen_analyzer_free(a);
}

TEST(case_and_accents_fold) {
    omen_analyzer *a = make(NULL, false);
    CHECK_EQ_STR(terms(a, "Résumé ÀÉÎÕÜ naïve Ångström"), "resume aeiou naive angstrom");
    CHECK_EQ_STR(terms(a, "Re\xCC\x81sume\xCC\x81"), "resume");
    CHECK_EQ_STR(terms(a, "Straße STRASSE ẞ Ærøskøbing Łódź Đorđe þing œuvre"), "strasse strasse ss aeroskobing lodz dorde thing oeuvre");
    CHECK_EQ_STR(terms(a, "İstanbul ıssız Ǆ ĳ"), "istanbul issiz dz ij");
    CHECK_EQ_STR(terms(a, "ΆΈΉ Ὀδυσσεύς ΣΊΣΥΦΟΣ"), "αεη οδυσσευσ σισυφοσ");
    CHECK_EQ_STR(terms(a, "Ёлка ёлка Йод ЩУКА"), "елка елка иод щука");
    CHECK_EQ_STR(terms(a, "Tiếng Việt"), "tieng viet");
    CHECK_EQ_STR(terms(a, "ﬁnd eﬀort ＡＢＣ１２３"), "find effort abc123");
    CHECK_EQ_STR(terms(a, "שָׁלוֹם שלום"), "שלום שלום");
    CHECK_EQ_STR(terms(a, "كِتَاب كتـــاب"), "كتاب كتاب");
    CHECK_EQ_STR(terms(a, "हिन्दी நன்றி"), "हिन्दी நன்றி");
    CHECK_EQ_STR(terms(a, "צה\"ל ג'ורג'"), "צה\"ל ג'ורג'");
    omen_analyzer_free(a);
    omen_analyzer_options o = {.keep_accents = true};
    CHECK_EQ_INT(omen_analyzer_new(&mem, &o, &a, NULL), OMEN_OK);
    CHECK_EQ_STR(terms(a, "Résumé Re\xCC\x81sume\xCC\x81 Straße Việt Vie\xCC\x82\xCC\xA3t Vie\xCC\xA3\xCC\x82t"), "résumé résumé straße việt việt việt");
    omen_analyzer_free(a);
}

TEST(scripts_without_spaces_give_pairs) {
    omen_analyzer *a = make(NULL, false);
    CHECK_EQ_STR(terms_of(a, "東京都庁", 12, 0, true), "東京@0 京都@1 都庁@2");
    CHECK_EQ_STR(terms(a, "水"), "水");
    CHECK_EQ_STR(terms(a, "abc日本語def"), "abc 日本 本語 def");
    CHECK_EQ_STR(terms(a, "コンピュータ"), "コン ンピ ピュ ュー ータ");
    CHECK_EQ_STR(terms(a, "ｶﾞｷﾞ"), "ガギ");
    CHECK_EQ_STR(terms(a, "か\xE3\x82\x99き"), "がき");
    CHECK_EQ_STR(terms(a, "한국어"), "한국 국어");
    CHECK_EQ_STR(terms(a, "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB\xE1\x84\x80\xE1\x85\xAE\xE1\x86\xA8"), "한국"); /* in parts */
    CHECK_EQ_STR(terms(a, "ภาษา"), "ภา าษ ษา");
    omen_token t;
    omen_analyzer_start(a, "x日本語", 10, 0);
    CHECK(omen_analyzer_next(a, &t) && t.start == 0 && t.end == 1);
    CHECK(omen_analyzer_next(a, &t) && t.start == 1 && t.end == 7);
    CHECK(omen_analyzer_next(a, &t) && t.start == 4 && t.end == 10);
    CHECK(!omen_analyzer_next(a, &t));
    omen_analyzer_free(a);
}

TEST(offsets_point_to_the_word_as_it_stands) {
    omen_analyzer *a = make("en", true);
    const char *text = "The \xC2\xABr\xC3\xA9sum\xC3\xA9s\xC2\xBB of Na\xC3\xAFve People's, Running.";
    const char *words[] = {"r\xC3\xA9sum\xC3\xA9s", "Na\xC3\xAFve", "People's", "Running"};
    const uint32_t positions[] = {1, 3, 4, 5};
    omen_token t;
    omen_analyzer_start(a, text, strlen(text), 0);
    for (unsigned i = 0; i < 4; i++) {
        REQUIRE(omen_analyzer_next(a, &t));
        CHECK_EQ_INT(t.end - t.start, strlen(words[i]));
        CHECK(memcmp(text + t.start, words[i], strlen(words[i])) == 0);
        CHECK_EQ_INT(t.position, positions[i]);
    }
    CHECK(!omen_analyzer_next(a, &t));
    CHECK_EQ_INT(omen_analyzer_positions(a), 6);
    omen_analyzer_free(a);
}

TEST(words_are_stemmed_and_stop_words_go) {
    omen_analyzer *a = make("english", true);
    CHECK_EQ_STR(terms_of(a, "The runners were running to the relational databases", 52, 0, true), "runner@1 run@3 relat@6 databas@7");
    CHECK_EQ_STR(terms_of(a, "the running", 11, OMEN_ANALYZE_KEEP_STOP, false), "the run");
    CHECK_EQ_STR(terms_of(a, "the running", 11, OMEN_ANALYZE_NO_STEM, false), "running");
    CHECK_EQ_STR(terms_of(a, "to be or not to be", 18, 0, false), "");
    for (unsigned round = 0; round < 3; round++) CHECK_EQ_STR(terms(a, "connected connecting connections dog's dogs\xE2\x80\x99 caf\xC3\xA9s"), "connect connect connect dog dog cafe");
    omen_analyzer_free(a);
    static const struct { const char *language, *text, *expected; } all[] = {
        {"de", "die Häuser aufeinanderfolgenden straßen", "haus aufeinanderfolg strass"},
        {"fr", "l'eau d’une continuellement aujourd'hui", "eau continuel aujourd hui"},
        {"es", "las canciones más rápidas", "cancion rap"},
        {"it", "dell'acqua gli abbandonati", "acqua abbandon"},
        {"pt", "os computadores rápidos", "comput rap"},
        {"nl", "de lichamelijke kinderen", "licham kinder"},
        {"sv", "jag älskar flickorna", "alsk flick"},
        {"no", "de norske fjellene", "norsk fjell"},
        {"da", "de danske børnene", "dansk born"},
        {"fi", "talossamme on kirjoja", "talo kirj"},
        {"ru", "в больших красивых домах", "больш красив дом"},
        {"tr", "IŞIKLAR İstanbul", "isik istanbul"},
    };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        const omen_language *l = omen_language_find(all[i].language, 2);
        REQUIRE(l != NULL);
        if (!omen_language_built_in(l)) continue; /* WebAssembly: a module of its own */
        a = make(all[i].language, true);
        REQUIRE(a != NULL);
        CHECK_EQ_STR(terms(a, all[i].text), all[i].expected);
        omen_analyzer_free(a);
    }
}

TEST(every_stop_word_of_every_language_is_found) {
    for (size_t i = 0; omen_language_at(i) != NULL; i++) {
        omen_stemmer s;
        const omen_language *l = omen_language_at(i);
        CHECK(omen_language_find(omen_language_name(l), strlen(omen_language_name(l))) == l);
        if (!omen_language_stemmer(l, &s)) continue;
        omen_analyzer *a = make(omen_language_code(l), true);
        REQUIRE(a != NULL);
        for (const char *p = s.stops; p < s.stops + s.stops_len; p += strlen(p) + 1) {
            CHECK(omen_stemmer_stops(&s, (const uint8_t *)p, strlen(p)));
            CHECK(!omen_stemmer_stops(&s, (const uint8_t *)p, strlen(p) - 1) || strlen(p) > 1);
            if (terms(a, p)[0] != 0) printf("# %s: '%s' stays '%s'\n", omen_language_code(l), p, terms(a, p));
            CHECK_EQ_STR(terms(a, p), "");
        }
        CHECK(!omen_stemmer_stops(&s, (const uint8_t *)"zzzzzz", 6) && !omen_stemmer_stops(&s, (const uint8_t *)"", 0));
        omen_analyzer_free(a);
    }
}

static size_t chop(void *state, const omen_stemmer *self, uint8_t *word, size_t len, size_t cap) {
    (void)self, (void)word, (void)cap;
    ++*(unsigned *)state;
    return len > 4 ? 4 : 0; /* 0: as it was */
}

TEST(a_language_that_is_not_inside_can_be_registered) {
    const omen_language *en = omen_language_find("EN", 2);
    REQUIRE(en != NULL);
    static const omen_stemmer s = {.version = 7, .state_size = 4, .stem = chop, .stops = "das\0die\0", .stops_len = 8};
    CHECK(!omen_language_register(en, &s));
    CHECK(omen_language_find("klingon", 7) == NULL && omen_language_find("", 0) == NULL && omen_language_find("e", 1) == NULL);
    const omen_language *de = omen_language_find("German", 6);
    if (omen_language_built_in(de)) {
        CHECK(!omen_language_register(de, &s));
        return;
    }
    omen_analyzer *a;
    omen_error err = {0};
    omen_analyzer_options o = {.language = de, .stop_words = true};
    fresh();
    CHECK_EQ_INT(omen_analyzer_new(&mem, &o, &a, &err), OMEN_ERR_UNSUPPORTED);
    CHECK(strstr(err.text, "'de'") != NULL && a == NULL);
    CHECK(omen_language_register(de, &s));
    REQUIRE(omen_analyzer_new(&mem, &o, &a, &err) == OMEN_OK);
    CHECK_EQ_STR(terms(a, "die Katze das Hausboot Ei"), "katz haus ei");
    omen_analyzer_free(a);
    CHECK(omen_language_register(de, NULL));
}

TEST(long_words_are_cut_between_characters) {
    omen_analyzer *a = make("en", false);
    char text[400];
    omen_token t;
    memset(text, 'a', sizeof text);
    omen_analyzer_start(a, text, 300, 0);
    REQUIRE(omen_analyzer_next(a, &t));
    CHECK(t.len == 64 && t.cut && t.start == 0 && t.end == 300);
    CHECK(!omen_analyzer_next(a, &t));
    omen_analyzer_start(a, text, 64, 0);
    REQUIRE(omen_analyzer_next(a, &t));
    CHECK(t.len == 64 && !t.cut);
    for (unsigned i = 0; i < 132; i++) memcpy(text + 1 + i * 2, "\xD0\xB6", 2);
    omen_analyzer_start(a, text, 265, 0);
    REQUIRE(omen_analyzer_next(a, &t));
    CHECK(t.len == 63 && t.cut && t.end == 265 && omen_utf8_valid(t.term, t.len));
    omen_analyzer_free(a);
}

TEST(ill_formed_text_is_read_to_its_end) {
    omen_analyzer *a = make("en", true);
    CHECK_EQ_STR(terms_of(a, "ab\xFF" "cd\xC3", 6, 0, false), "ab cd");
    CHECK_EQ_STR(terms_of(a, "\xE2\x82" "ab \xF0\x9F\x98 \xED\xA0\x80x", 14, 0, false), "ab x");
    CHECK_EQ_STR(terms_of(a, NULL, 0, 0, false), "");
    static const char *pieces[] = {"a", "Z", "9", "'", "\"", ".", ",", "_", " ", "\xC3\xA9", "\xCC\x81", "\xE6\x9D\xB1", "\xE3\x82\x99", "\xD7\x90", "\xE2\x80\x8D", "\xE1\x84\x92",
        "\xE1\x85\xA1", "\xE1\x86\xAB", "\xFF", "\xC3", "\xF0\x9F", "\xEF\xAC\x83", "running", "\xC2\xAD", "\xE0\xB8\x81", "\xF4\x8F\xBF\xBF"};
    for (unsigned round = 0; round < 20000; round++) {
        /* In memory of just its length, so that a sanitizer sees one byte too far. */
        char text[256];
        size_t len = 0;
        for (unsigned n = (unsigned)test_rand_below(40); n > 0; n--) {
            const char *piece = pieces[test_rand_below(sizeof pieces / sizeof *pieces)];
            if (test_rand_below(20) == 0) text[len++] = (char)test_rand();
            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
            if (len > 240) break;
        }
        char *exact = malloc(len + (len == 0));
        memcpy(exact, text, len);
        omen_token t;
        char once[64];
        omen_analyzer_start(a, exact, len, (unsigned)test_rand_below(4));
        uint32_t start = 0, position = 0;
        bool first = true;
        while (omen_analyzer_next(a, &t)) {
            CHECK(t.len >= 1 && t.len <= OMEN_TERM_MAX && t.start < t.end && t.end <= len && omen_utf8_valid(t.term, t.len));
            CHECK(first || (t.start > start && t.position > position));
            start = t.start, position = t.position, first = false;
            memcpy(once, t.term, t.len);
        }
        free(exact);
    }
    omen_analyzer_free(a);
}

TEST(versions_tell_analyzers_apart) {
    omen_analyzer *a = make(NULL, false), *b = make("en", false), *c = make("en", true), *d = make("en", true);
    CHECK(omen_analyzer_version(a) != 0 && omen_analyzer_version(a) != omen_analyzer_version(b));
    CHECK(omen_analyzer_version(b) != omen_analyzer_version(c));
    CHECK_EQ_INT(omen_analyzer_version(c), omen_analyzer_version(d));
    omen_analyzer_free(a), omen_analyzer_free(b), omen_analyzer_free(c), omen_analyzer_free(d);
}

TEST(no_memory_is_no_harm) {
    fresh();
    omen_analyzer *a;
    omen_analyzer_options o = {.language = omen_language_find("en", 2), .stop_words = true};
    REQUIRE(omen_analyzer_new(&mem, &o, &a, NULL) == OMEN_OK);
    uint64_t all = mem.bytes;
    omen_analyzer_free(a);
    CHECK_EQ_INT(mem.bytes, 0);
    for (uint64_t limit = 1; limit < all; limit += 512) {
        mem.limit = limit;
        omen_error err = {0};
        CHECK_EQ_INT(omen_analyzer_new(&mem, &o, &a, &err), OMEN_ERR_MEMORY);
        CHECK(a == NULL);
        CHECK_EQ_INT(mem.bytes, 0);
    }
}

/* tests/tidy/unicode.test.mjs compares what becomes of texts with what JavaScript knows of Unicode: it names a file of texts, one a line, and one to
 * write their tokens to, "start,end,term" each. */
TEST(texts_of_a_file) {
    const char *in = getenv("OMEN_TEXTS"), *out = getenv("OMEN_TOKENS");
    if (in == NULL || out == NULL) TEST_SKIP("OMEN_TEXTS and OMEN_TOKENS name no files");
    FILE *from = fopen(in, "rb"), *to = fopen(out, "wb");
    REQUIRE(from != NULL && to != NULL);
    fresh();
    omen_analyzer *a;
    omen_analyzer_options o = {.keep_accents = getenv("OMEN_KEEP_ACCENTS") != NULL};
    const char *language = getenv("OMEN_LANGUAGE");
    if (language != NULL) o.language = omen_language_find(language, strlen(language));
    REQUIRE(omen_analyzer_new(&mem, &o, &a, NULL) == OMEN_OK);
    static char line[1 << 16];
    while (fgets(line, sizeof line, from) != NULL) {
        omen_token t;
        size_t len = strlen(line);
        omen_analyzer_start(a, line, len > 0 && line[len - 1] == '\n' ? len - 1 : len, 0);
        while (omen_analyzer_next(a, &t)) fprintf(to, "%u,%u,%.*s ", t.start, t.end, (int)t.len, (const char *)t.term);
        putc('\n', to);
    }
    fclose(from);
    CHECK(fclose(to) == 0);
    omen_analyzer_free(a);
}

TEST_MAIN()
