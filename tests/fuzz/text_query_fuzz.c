/* Text queries of arbitrary bytes: byte 0 says how they are parsed, up to a NUL comes the query, what follows is a text in which it is highlighted. Items are
 * well-formed, ranges and fragments lie in the text, in order. */
#include <stdlib.h>

#include "fault_host.h"
#include "text/highlight.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(omen_arena *arena, omen_analyzer *const analyzers[2], const uint8_t *data, size_t size) {
    const omen_text_choice fields[] = {{0, analyzers[0]}, {1, analyzers[1]}, {5, analyzers[0]}};
    const uint8_t *end = memchr(data + 1, 0, size - 1);
    size_t len = end == NULL ? size - 1 : (size_t)(end - data - 1);
    omen_str query = {(const char *)data + 1, len}, text = {(const char *)data + 1 + len, size - 1 - len};
    const omen_text_item *items;
    omen_text_pieces pieces;
    uint32_t count;
    omen_error err;
    omen_highlights h;
    if (omen_text_parse(arena, query, (data[0] & 1) != 0, (data[0] & 2) != 0, &pieces, &err) != OMEN_OK) return;
    if (omen_text_items(arena, &pieces, fields, 1 + data[0] % 3, (data[0] & 4) != 0, &items, &count, &err) != OMEN_OK) return;
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].word_count == 0 || items[i].word_count > OMEN_TEXT_PHRASE_WORDS || items[i].fields == 0 || (i == 0 && items[i].also)) abort();
        for (uint32_t w = 0; w < items[i].word_count; w++)
            if (items[i].words[w].len == 0 || items[i].words[w].len > OMEN_TERM_MAX) abort();
    }
    omen_highlight_options o = {data[0] >> 3, data[0] >> 5};
    if (omen_highlight(arena, items, count, data[0] & 1, analyzers[data[0] & 1], text, &o, &h, &err) != OMEN_OK) abort();
    for (uint32_t i = 0; i < h.range_count; i++)
        if (h.ranges[i].start >= h.ranges[i].end || h.ranges[i].end > text.len || (i != 0 && h.ranges[i].start <= h.ranges[i - 1].end)) abort();
    for (uint32_t i = 0; i < h.fragment_count; i++) {
        const omen_text_fragment *f = &h.fragments[i];
        if (f->start > f->end || f->end > text.len || (i != 0 && f->start < h.fragments[i - 1].end) || f->first + f->count > h.range_count) abort();
        for (uint32_t r = f->first; r < f->first + f->count; r++)
            if (h.ranges[r].start < f->start || h.ranges[r].end > f->end) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static omen_analyzer *analyzers[2];
    static omen_mem mem;
    if (size == 0) return 0;
    if (mem.host == NULL) {
        omen_analyzer_options english = {.language = omen_language_find("en", 2), .stop_words = true, .short_texts = true}, plain = {.keep_accents = true, .short_texts = true};
        omen_mem_init(&mem, &fault_host_new(1)->host, 0);
        if (omen_analyzer_new(&mem, &english, &analyzers[0], NULL) != OMEN_OK || omen_analyzer_new(&mem, &plain, &analyzers[1], NULL) != OMEN_OK) abort();
    }
    omen_arena arena;
    omen_arena_init(&arena, &mem, 1u << 14);
    look(&arena, analyzers, data, size);
    omen_arena_deinit(&arena);
    return 0;
}
