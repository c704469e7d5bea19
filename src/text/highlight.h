/* highlight.h - where in a text the words of a query stand, and which pieces of the text show them best. */
#ifndef OMEN_TEXT_HIGHLIGHT_H
#define OMEN_TEXT_HIGHLIGHT_H

#include "text/query.h"

#define OMEN_HIGHLIGHT_CHARS 10000u
#define OMEN_HIGHLIGHT_FRAGMENTS 100u

typedef struct omen_text_range { uint32_t start, end; } omen_text_range; /* bytes [start, end) */

/* A piece of the text: whole characters, and whole words where there is white space near. */
typedef struct omen_text_fragment {
    uint32_t start, end;   /* bytes of the text */
    uint32_t first, count; /* ranges within it */
} omen_text_fragment;

typedef struct omen_highlight_options {
    uint32_t chars;     /* of a fragment at most, in characters of Unicode, up to OMEN_HIGHLIGHT_CHARS; 0: one fragment, the whole text */
    uint32_t fragments; /* at most, up to OMEN_HIGHLIGHT_FRAGMENTS; 0: 1 */
} omen_highlight_options;

typedef struct omen_highlights {
    const omen_text_range *ranges; /* ascending, apart: words that overlap or touch are one */
    uint32_t range_count;
    const omen_text_fragment *fragments; /* ascending, apart; where no word stands, one: the beginning of the text. None of an empty text */
    uint32_t fragment_count;
} omen_highlights;

/* Items as omen_text_items made them, `field` the number of the field that the text is of, `analyzer` the field's. Words that must not be there are not looked for; of
 * phrases only whole ones are found. The best fragments are those with the most different words, then with the most words, then the earlier ones. The outcome lies in the arena.
 * text below 4 GiB. OMEN_ERR_MEMORY. */
omen_status omen_highlight(omen_arena *a, const omen_text_item *items, uint32_t item_count, uint32_t field, omen_analyzer *analyzer, omen_str text,
                           const omen_highlight_options *options, omen_highlights *out, omen_error *err);

#endif
