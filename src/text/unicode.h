/* unicode.h - what the analysis of text knows of Unicode's characters. The tables come packed (unicode_tables.c, made by
 * cmake/tools/unicode_tables.py) and are unpacked into memory, some 16 KB. Unpacked they never change: any number of threads may read them. */
#ifndef OMEN_TEXT_UNICODE_H
#define OMEN_TEXT_UNICODE_H

#include "base/mem.h"
#include "text/unicode_tables.h"

/* Classes of characters, after Word_Break of UAX #29; the numbers are the generator's. */
typedef enum omen_unicode_class {
    OMEN_UC_OTHER,
    OMEN_UC_LETTER,     /* and marks of scripts that are written in words */
    OMEN_UC_HEBREW,     /* Hebrew letters, which a quotation mark may join */
    OMEN_UC_NUMERIC,
    OMEN_UC_JOIN,       /* low lines */
    OMEN_UC_MARK,       /* belongs to the character before it */
    OMEN_UC_ACCENT,     /* the same, and folding accents removes it */
    OMEN_UC_IGNORE,     /* the same, and is never part of a term */
    OMEN_UC_MID_LETTER, /* joins letters */
    OMEN_UC_MID_NUM,    /* joins digits */
    OMEN_UC_PAIR,       /* a letter of a script without spaces between words */
    OMEN_UC_APOSTROPHE, /* joins letters, and digits */
    OMEN_UC_QUOTE       /* joins Hebrew letters */
} omen_unicode_class;

typedef struct omen_unicode omen_unicode;

/* OMEN_ERR_MEMORY */
omen_status omen_unicode_new(omen_mem *m, omen_unicode **out);
void omen_unicode_free(omen_unicode *u); /* u may be NULL */

/* The next character of well-formed or ill-formed UTF-8: its bytes, at least 1 and at most `left` > 0, in *used. U+FFFD for a maximal subpart of an
 * ill-formed sequence (Unicode 3.9, substitution of maximal subparts, as WHATWG's decoder has it). */
uint32_t omen_utf8_next(const uint8_t *p, size_t left, unsigned *used);
/* Writes c, no surrogate and below 0x110000, to p; answers the bytes written, 1 to 4. */
unsigned omen_utf8_put(uint8_t *p, uint32_t c);

/* For every c; beyond 0x10FFFF: OTHER. */
omen_unicode_class omen_unicode_class_of(const omen_unicode *u, uint32_t c);
/* Simple case folding; İ folds to i. Characters that are another one by another name become that one. */
uint32_t omen_unicode_fold(const omen_unicode *u, uint32_t c);
/* Compatible forms that matter to searching: ligatures of Latin letters, full-width ASCII, half-width Katakana, apostrophes. Writes 1 to 3 characters,
 * answers how many. */
unsigned omen_unicode_plain(uint32_t c, uint32_t out[3]);
/* The composed character of base and mark, 0 when there is none (lower case alone); Hangul too. */
uint32_t omen_unicode_compose(const omen_unicode *u, uint32_t base, uint32_t mark);
/* c as base and marks, 1 to 4 characters, where composed normalisation takes it apart (letters with nukta, pointed Hebrew); else c alone. */
unsigned omen_unicode_apart(const omen_unicode *u, uint32_t c, uint32_t out[4]);
/* Canonical combining class of marks that compose; 0 for all other characters. */
unsigned omen_unicode_combining(const omen_unicode *u, uint32_t c);
/* c without accents: Latin, Greek and Cyrillic letters without their marks, or as they are usually written; 1 or 2 characters in `out`. Marks
 * stay as they are. */
unsigned omen_unicode_bare(const omen_unicode *u, uint32_t c, uint32_t out[2]);

#endif
