/* Highlights: the words of a query in a text, whole phrases only, and the fragments that show them best. */
#include "test.h"

#include "fault_host.h"
#include "text/highlight.h"

typedef struct bench { fault_host *h; omen_mem mem; omen_arena arena; omen_analyzer *a; omen_error err; } bench;

static void begin(bench *b) {
    b->h = fault_host_new(1);
    omen_mem_init(&b->mem, &b->h->host, 0);
    omen_arena_init(&b->arena, &b->mem, 4096);
    b->err = (omen_error){0};
    omen_analyzer_options o = {.language = omen_language_find("en", 2), .stop_words = true};
    CHECK_OK(omen_analyzer_new(&b->mem, &o, &b->a, &b->err));
}

static void end(bench *b) {
    omen_analyzer_free(b->a);
    omen_arena_deinit(&b->arena);
    CHECK_EQ_UINT(fault_host_bytes(b->h), 0);
    fault_host_free(b->h);
}

static void mark(bench *b, const char *query, const char *text, size_t len, omen_highlight_options o, bool typos, omen_highlights *out) {
    const omen_text_choice field = {3, b->a};
    omen_text_pieces p;
    const omen_text_item *items;
    uint32_t count;
    CHECK_OK(omen_text_parse(&b->arena, (omen_str){query, strlen(query)}, false, false, &p, &b->err));
    CHECK_OK(omen_text_items(&b->arena, &p, &field, 1, typos, &items, &count, &b->err));
    CHECK_OK(omen_highlight(&b->arena, items, count, 3, b->a, (omen_str){text, len}, &o, out, &b->err));
}

/* Fragments between bars, words in brackets. */
static const char *shown(bench *b, const char *query, const char *text, uint32_t chars, uint32_t fragments) {
    static char line[2000];
    omen_highlights h;
    size_t at = 0;
    mark(b, query, text, strlen(text), (omen_highlight_options){chars, fragments}, strchr(query, '~') != NULL, &h);
    line[0] = '\0';
    for (uint32_t i = 0; i < h.fragment_count; i++) {
        const omen_text_fragment *f = &h.fragments[i];
        if (i != 0) line[at++] = '|';
        for (uint32_t k = f->start, r = f->first; k <= f->end; k++) {
            if (r < f->first + f->count && h.ranges[r].end == k) line[at++] = ']', r++;
            if (k == f->end) break;
            if (r < f->first + f->count && h.ranges[r].start == k) line[at++] = '[';
            line[at++] = text[k];
        }
    }
    line[at] = '\0';
    return line;
}

TEST(words) {
    bench b;
    begin(&b);
    CHECK_EQ_STR(shown(&b, "running tea", "He runs for the Tea, not teas' sake.", 0, 0), "He [runs] for the [Tea], not [teas]' sake.");
    CHECK_EQ_STR(shown(&b, "resume", "R\xc3\xa9sum\xc3\xa9s!", 0, 0), "[R\xc3\xa9sum\xc3\xa9s]!");
    CHECK_EQ_STR(shown(&b, "choc*", "Chocolate and chalk", 0, 0), "[Chocolate] and chalk");
    CHECK_EQ_STR(shown(&b, "chocolte ~", "Chocolate and chalk", 0, 0), "[Chocolate] and chalk");
    CHECK_EQ_STR(shown(&b, "-tea shop", "tea shop", 0, 0), "tea [shop]");
    CHECK_EQ_STR(shown(&b, "\"green tea\"", "green tea, tea green; Green, teas", 0, 0), "[green] [tea], tea green; [Green], [teas]");
    CHECK_EQ_STR(shown(&b, "\"state of the art\"", "state art; state with any art", 0, 0), "state art; [state] with any [art]");
    CHECK_EQ_STR(shown(&b, "\"tea tea tea\"", "tea tea x tea tea tea", 0, 0), "tea tea x [tea] [tea] [tea]");
    CHECK_EQ_STR(shown(&b, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xae", 0, 0), "[\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e]\xe3\x81\xae");
    CHECK_EQ_STR(shown(&b, "nothing", "something else", 0, 0), "something else");
    CHECK_EQ_STR(shown(&b, "the", "the the", 0, 0), "the the");
    CHECK_EQ_STR(shown(&b, "tea", "", 0, 0), "");
    end(&b);
}

TEST(fragments) {
    bench b;
    begin(&b);
    const char *text = "one two three four tea six seven eight nine ten eleven twelve green tea fifteen sixteen seventeen eighteen nineteen twenty green";
    CHECK_EQ_STR(shown(&b, "green tea", text, 30, 1), "twelve [green] [tea] fifteen");
    CHECK_EQ_STR(shown(&b, "green tea", text, 30, 3), "three four [tea] six seven|twelve [green] [tea] fifteen|eighteen nineteen twenty [green]");
    CHECK_EQ_STR(shown(&b, "green tea", text, 30, 2), "three four [tea] six seven|twelve [green] [tea] fifteen");
    CHECK_EQ_STR(shown(&b, "zebra", text, 12, 2), "one two");
    CHECK_EQ_STR(shown(&b, "tea", "tea", 1, 1), "[tea]");
    end(&b);
}

TEST(any_text_gives_fragments_that_fit) {
    bench b;
    begin(&b);
    for (unsigned round = 0; round < 4000; round++) {
        static const char *const bits[] = {"tea", "green", " ", "  ", "\xc3\xa9", "\xe6\xbc\xa2", "x", "\xe6\x97\xa5\xe6\x9c\xac", ", ", "running", "\xff", "shops "};
        static const char *const queries[] = {"tea", "green tea", "\"green tea\"", "run* x", "\xe6\x97\xa5\xe6\x9c\xac", "tae ~", "+x -tea shop"};
        char text[800];
        size_t len = 0;
        for (size_t n = (size_t)test_rand_below(80); n-- != 0;) {
            const char *s = bits[test_rand_below(12)];
            memcpy(text + len, s, strlen(s));
            len += strlen(s);
        }
        omen_highlights h;
        omen_highlight_options o = {(uint32_t)test_rand_below(50), (uint32_t)test_rand_below(5)};
        mark(&b, queries[round % 7], text, len, o, round % 3 == 0, &h);
        CHECK((h.fragment_count == 0) == (len == 0));
        CHECK(h.fragment_count <= (o.fragments == 0 ? 1 : o.fragments));
        for (uint32_t i = 0; i < h.range_count; i++) CHECK(h.ranges[i].start < h.ranges[i].end && h.ranges[i].end <= len && (i == 0 || h.ranges[i - 1].end < h.ranges[i].start));
        for (uint32_t i = 0; i < h.fragment_count; i++) {
            const omen_text_fragment *f = &h.fragments[i];
            uint32_t chars = 0, widest = 0;
            CHECK(f->start <= f->end && f->end <= len && (i == 0 || h.fragments[i - 1].end <= f->start));
            for (uint32_t k = f->start; k < f->end; k++) chars += ((uint8_t)text[k] & 0xc0) != 0x80;
            for (uint32_t r = f->first; r < f->first + f->count; r++) {
                uint32_t w = 0;
                CHECK(h.ranges[r].start >= f->start && h.ranges[r].end <= f->end);
                for (uint32_t k = h.ranges[r].start; k < h.ranges[r].end; k++) w += ((uint8_t)text[k] & 0xc0) != 0x80;
                if (w > widest) widest = w;
            }
            if (o.chars != 0) CHECK(chars <= (widest > o.chars ? widest : o.chars)); /* a word alone may be longer */
            if (h.range_count != 0 && o.chars != 0) CHECK(f->count != 0);
        }
        omen_arena_deinit(&b.arena);
        omen_arena_init(&b.arena, &b.mem, 4096);
    }
    end(&b);
}

TEST_MAIN()
