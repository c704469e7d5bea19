/* text/ - full text: what words a text has, and the postings that find them again.
 *
 * analyze.h - from the UTF-8 text of a field to its terms, one at a time, without allocating per term.
 *
 * A term comes about in these steps; the same bytes on every host, and the same for documents and queries.
 *  1. Words are the parts that Unicode's word boundaries (UAX #29) leave between breaks and that hold a letter, a digit or a letter-like mark,
 *     with three deviations: full stops and colons join digits ("3.14") but not letters ("example.com" is two words, so that either is found);
 *     in languages of elision (French, Italian) an apostrophe parts ("l'eau" is "l", "eau"); and scripts written without spaces, or
 *     with particles stuck to words (Han, Kana, Hangul, Thai, Lao, Khmer, Myanmar) give overlapping pairs of neighbours ("bigrams"), a character
 *     alone in its run as itself.
 *  2. Ill-formed UTF-8 reads as U+FFFD, one for each maximal subpart as the Unicode Standard recommends: no letter, so it ends a word. NUL, too.
 *  3. Case is folded (simple folding); base letters and marks are composed; ligatures and full-width forms become plain; format
 *     characters such as soft hyphens go.
 *  4. Stop words go, where the analyzer has them; they keep their position, so that phrases with gaps still fit.
 *  5. The stemmer, where there is one. (English words have no accents of their own: there, step 6 comes first, so that "résumés" and "resumes" are one.)
 *  6. Accents are folded, unless asked to stay: Latin, Greek and Cyrillic letters lose their marks, and letters without a decomposition become
 *     what they are usually written as ("ø" o, "ß" ss, "æ" ae, "ł" l, "đ" d, "þ" th, "ı" i). Hebrew points and Arabic vowel signs go too.
 *  7. A term has at most OMEN_TERM_MAX bytes: of longer words the characters that fit, before the stemmer sees them; a word cut short is not stemmed.
 *
 * An analyzer holds working memory and is used by one thread at a time; make one for each.
 */
#ifndef OMEN_TEXT_ANALYZE_H
#define OMEN_TEXT_ANALYZE_H

#include "base/mem.h"
#include "text/stem.h"

enum { OMEN_TERM_MAX = 64 };

/* Measured with BM25 (k1 1.6, b 0.75, titles counted twice), nDCG@10 on SciFact and Cranfield: no language 0.67 and 0.35; stemmed 0.69 and 0.37; stemmed and
 * without stop words 0.695 and 0.380. So a field with a language is best indexed without its stop words, which are also the longest postings; a
 * phrase made of stop words alone is then not found. */
typedef struct omen_analyzer_options {
    const omen_language *language; /* stemmer and stop words; NULL: neither */
    bool no_stem;                  /* leave words as they are although the language has a stemmer */
    bool stop_words;               /* leave the language's stop words out */
    bool keep_accents;             /* "résumé" and "resume" are different terms */
    bool short_texts;              /* for queries: does without the 400 KB (100 KB in WebAssembly) that remember the words of long texts */
} omen_analyzer_options;

typedef struct omen_token {
    const uint8_t *term; /* valid until the next call */
    uint32_t len;        /* bytes, 1 to OMEN_TERM_MAX */
    uint32_t position;   /* number of the word in the text, from 0; words left out count, pairs count one by one */
    uint32_t start, end; /* bytes [start, end) of the text, the whole word as it stands there */
    bool cut;            /* the term was longer than OMEN_TERM_MAX */
} omen_token;

typedef struct omen_analyzer omen_analyzer;

/* OMEN_ERR_MEMORY, or OMEN_ERR_UNSUPPORTED when the language's stemmer is not there (err says how to load it). */
omen_status omen_analyzer_new(omen_mem *m, const omen_analyzer_options *o, omen_analyzer **out, omen_error *err);
void omen_analyzer_free(omen_analyzer *a); /* a may be NULL */

/* A number that changes whenever the same text might give other terms: Unicode's version, stemmer, stop words, options, these rules. An index
 * keeps it beside its terms and is built anew when it differs. Never 0. */
uint32_t omen_analyzer_version(const omen_analyzer *a);

/* Flags of one text, for queries. */
enum {
    OMEN_ANALYZE_NO_STEM = 1,   /* words as written: for prefixes and typo tolerance */
    OMEN_ANALYZE_KEEP_STOP = 2, /* stop words too: for phrases and where nothing else would be left */
};

/* Starts a text, which must stay until the last token; text may be NULL when len is 0. Never fails; len below 4 GiB. */
void omen_analyzer_start(omen_analyzer *a, const void *text, size_t len, unsigned flags);
/* The next token; false at the end of the text. */
bool omen_analyzer_next(omen_analyzer *a, omen_token *t);
/* After the last token: the position that a further word would have. Where a field has several texts, add it and a gap to the next one's. */
uint32_t omen_analyzer_positions(const omen_analyzer *a);

#endif
