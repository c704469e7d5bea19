/* query.h - the language of text queries, and from a query to the items that bm25.h searches for.
 *
 * A query is words between white space:
 *   tea shop        had: rows with more and rarer of them score higher
 *   +tea            must be there
 *   -coffee         must not be there
 *   "green tea"     a phrase, which may have + or - before it; words that the index has not (stop words) leave room for any word
 *   choc*           any word that begins so; the last character of a word of at least one letter or digit
 *   \+ \- \" \* \\  the character itself
 * A + or - before white space or at the end is nothing, and so is one within a word ("wi-fi", which is two words). A quote that is not closed is an error with its place.
 * Where `all` is set, every word and phrase without a sign must be there.
 *
 * Words are analysed as the fields are. Fields of other languages see other terms; a word is had if one of the fields has it in its own way. A word that
 * some field cannot have, as it is one of the field's stop words, is never a must.
 */
#ifndef OMEN_TEXT_QUERY_H
#define OMEN_TEXT_QUERY_H

#include "text/fields.h"

#define OMEN_TEXT_QUERY_BYTES 65536u
#define OMEN_TEXT_QUERY_PIECES 1024u
#define OMEN_TEXT_PHRASE_WORDS 64u
#define OMEN_TYPO_EXACT 1u /* characters at the beginning of a word in which typos are not looked for */

typedef enum omen_text_piece_kind { OMEN_PIECE_WORDS, OMEN_PIECE_PHRASE, OMEN_PIECE_PREFIX } omen_text_piece_kind;

/* What stands between white space, or between quotes. */
typedef struct omen_text_piece {
    omen_text_piece_kind kind;
    omen_text_occur occur;
    omen_str text; /* without signs, quotes, star and backslashes */
} omen_text_piece;

typedef struct omen_text_pieces {
    const omen_text_piece *of;
    uint32_t count;
} omen_text_pieces;

/* In the arena. `begun`: the last word is the beginning of one (as with a star), unless white space follows it. Ill-formed UTF-8 is no error: it parts words. OMEN_ERR_INVALID with the byte, OMEN_ERR_TOO_LARGE, OMEN_ERR_MEMORY. */
omen_status omen_text_parse(omen_arena *a, omen_str query, bool all, bool begun, omen_text_pieces *out, omen_error *err);

/* A field that is searched. */
typedef struct omen_text_choice {
    uint32_t field;          /* its number: bit of items, index of weights */
    omen_analyzer *analyzer; /* fields of equal options have the same one */
} omen_text_choice;

/* Items of the pieces, in the arena, for bm25.h: at least one piece with a word gives one. OMEN_ERR_TOO_LARGE, OMEN_ERR_MEMORY. */
omen_status omen_text_items(omen_arena *a, const omen_text_pieces *pieces, const omen_text_choice *fields, uint32_t field_count, bool typos, const omen_text_item **items,
                            uint32_t *count, omen_error *err);

#endif
