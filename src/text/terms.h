/* terms.h - which terms of a dictionary a word of a query stands for, beside itself: those it begins (prefix), or those within some typos.
 *
 * A typo is a character too many, missing or another one, or two neighbours swapped (Damerau 1964, in the restricted form that touches no place twice).
 * Characters are Unicode's; bytes of ill-formed UTF-8 count one by one. Terms are walked in the order of their bytes, one row of the table of
 * distances for each character (Wagner and Fischer 1974), kept for what a term has in common with the one before; where a row
 * has nothing within reach, all terms that begin so far are passed over (as in a trie: Shang and Merrett 1996), whole groups of them unread.
 */
#ifndef OMEN_TEXT_TERMS_H
#define OMEN_TEXT_TERMS_H

#include "text/postings.h"

#define OMEN_TYPO_CHARS 64u /* of a word that is searched with typos; in longer ones none are looked for */
#define OMEN_TYPO_EDITS 2u

/* How many typos a word of so many characters may have: none below 4, one below 8, else two. */
static inline uint32_t omen_terms_edits(uint32_t chars) { return chars < 4 ? 0 : chars < 8 ? 1 : 2; }
uint32_t omen_terms_chars(const uint8_t *word, size_t len);

typedef struct omen_term_match {
    const uint8_t *word;
    uint32_t len, edits;
    bool prefix;
    uint32_t fixed;                     /* bytes that all terms that match begin with: the walk stays among those */
    uint32_t chars[OMEN_TYPO_CHARS];    /* of the word */
    uint32_t count;
    uint32_t seen[OMEN_TYPO_CHARS + OMEN_TYPO_EDITS + 1]; /* of the term */
    uint8_t ends[OMEN_TYPO_CHARS + OMEN_TYPO_EDITS + 1];  /* bytes up to and with each */
    uint8_t rows[OMEN_TYPO_CHARS + OMEN_TYPO_EDITS + 2][OMEN_TYPO_CHARS + 1];
    uint32_t depth;                     /* rows that hold for the term seen last */
} omen_term_match;

/* The word stays the caller's, 1 to OMEN_TERM_BYTES bytes. prefix: terms that begin with it. Otherwise terms with at most `edits` (0 to OMEN_TYPO_EDITS) typos,
 * of which the first `exact` characters have none. */
void omen_term_match_init(omen_term_match *m, const uint8_t *word, uint32_t len, bool prefix, uint32_t edits, uint32_t exact);
/* Whether a term matches, and with how many typos. shared: how many bytes it has in common with the term asked about before. *dead: if not 0, no term that has its first
 * *dead bytes matches. */
bool omen_term_matches(omen_term_match *m, const uint8_t *term, uint32_t len, uint32_t shared, uint32_t *edits, uint32_t *dead);

/* All terms of a part that match, in the order of their bytes. Step: repeat on PENDING. `found` answers OMEN_OK to go on; it does not pend. Zero-initialise;
 * group's is the caller's. */
typedef struct omen_terms_scan {
    uint32_t group;
    bool begun;
    uint64_t terms; /* looked at */
} omen_terms_scan;
typedef omen_status (*omen_terms_found)(void *arg, const uint8_t *term, uint32_t len, uint32_t df, uint32_t edits);
omen_status omen_terms_scan_step(const omen_postings *p, omen_terms_scan *s, omen_term_match *m, omen_term_group *g, omen_terms_found found, void *arg, omen_error *err);

#endif
