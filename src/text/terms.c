#include "text/terms.h"

#define ILL_FORMED 0x110000u

/* One character of len bytes at `s`; a byte that begins none stands for itself, beyond Unicode's range. */
static uint32_t next_char(const uint8_t *s, size_t len, uint32_t *c) {
    uint32_t n = s[0] < 0xc2 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 1, v = n == 1 ? s[0] : s[0] & (0x7fu >> n);
    for (uint32_t i = 1; i < n; i++) {
        if (i >= len || (s[i] & 0xc0) != 0x80) {
            n = 0;
            break;
        }
        v = v << 6 | (s[i] & 0x3f);
    }
    *c = n == 0 || (n == 1 && s[0] >= 0x80) ? ILL_FORMED + s[0] : v;
    return n == 0 ? 1 : n;
}

uint32_t omen_terms_chars(const uint8_t *word, size_t len) {
    uint32_t count = 0, c;
    for (size_t at = 0; at < len; count++) at += next_char(word + at, len - at, &c);
    return count;
}

void omen_term_match_init(omen_term_match *m, const uint8_t *word, uint32_t len, bool prefix, uint32_t edits, uint32_t exact) {
    m->word = word;
    m->len = len;
    m->prefix = prefix;
    m->edits = edits;
    m->depth = m->count = 0;
    m->fixed = prefix || edits == 0 || omen_terms_chars(word, len) > OMEN_TYPO_CHARS ? len : 0;
    if (m->fixed != 0) {
        m->edits = 0;
        return;
    }
    for (uint32_t at = 0; at < len; m->count++) {
        at += next_char(word + at, len - at, &m->chars[m->count]);
        if (m->count + 1 <= exact) m->fixed = at;
    }
    for (uint32_t i = 0; i <= m->count; i++) m->rows[0][i] = (uint8_t)i;
}

/* The row after `d` characters of the term; whether anything in it is within reach. */
static bool step_row(omen_term_match *m, uint32_t d) {
    const uint8_t *above = m->rows[d - 1];
    uint8_t *row = m->rows[d], least = row[0] = (uint8_t)d;
    uint32_t c = m->seen[d - 1];
    for (uint32_t i = 1; i <= m->count; i++) {
        uint32_t best = above[i - 1] + (m->chars[i - 1] != c);
        best = OMEN_MIN(best, above[i] + 1u);
        best = OMEN_MIN(best, row[i - 1] + 1u);
        if (d > 1 && i > 1 && c == m->chars[i - 2] && m->seen[d - 2] == m->chars[i - 1]) best = OMEN_MIN(best, m->rows[d - 2][i - 2] + 1u);
        row[i] = (uint8_t)best;
        least = OMEN_MIN(least, row[i]);
    }
    /* No later row can be less: a swap costs one more than two rows ago, and a row is never more than that. */
    return least <= m->edits;
}

bool omen_term_matches(omen_term_match *m, const uint8_t *term, uint32_t len, uint32_t shared, uint32_t *edits, uint32_t *dead) {
    *edits = *dead = 0;
    uint32_t common = 0;
    while (common < m->fixed && common < len && term[common] == m->word[common]) common++;
    if (common < m->fixed) {
        m->depth = 0;
        if (common < len) *dead = common + 1;
        return false;
    }
    if (m->prefix) return true;
    if (m->edits == 0) {
        if (len > m->fixed) *dead = m->fixed + 1;
        return len == m->fixed;
    }
    uint32_t d = 0, at = 0;
    while (d < m->depth && m->ends[d] <= shared && m->seen[d] < ILL_FORMED) d++; /* what follows decides whether bytes are well-formed */
    m->depth = d;
    at = d == 0 ? 0 : m->ends[d - 1];
    while (at < len) {
        if (d == m->count + m->edits) {
            *dead = at + 1;
            return false;
        }
        at += next_char(term + at, len - at, &m->seen[d]);
        m->ends[d] = (uint8_t)at;
        if (!step_row(m, ++d)) {
            *dead = m->seen[d - 1] < ILL_FORMED ? at : 0;
            return false;
        }
        m->depth = d;
    }
    *edits = m->rows[d][m->count];
    return *edits <= m->edits;
}

/* ---- the walk over a part's dictionary ---- */

static bool begins(const uint8_t *term, uint32_t len, const uint8_t *with, uint32_t with_len) { return len >= with_len && memcmp(term, with, with_len) == 0; }

/* The first group from `group` on that holds terms which do not all begin with `with`. */
static uint32_t pass_over(const omen_postings *p, uint32_t group, const uint8_t *with, uint32_t with_len) {
    for (; group + 1 < p->groups; group++) {
        uint32_t a, b;
        const uint8_t *first = omen_terms_first(p, group, &a), *next = omen_terms_first(p, group + 1, &b);
        if (!begins(first, a, with, with_len) || !begins(next, b, with, with_len)) break;
    }
    return group;
}

static omen_status scan_group(const omen_postings *p, omen_terms_scan *s, omen_term_match *m, const omen_term_group *g, omen_terms_found found, void *arg, bool *done, omen_error *err) {
    omen_term_walk w;
    uint32_t edits, dead = 0, shared = 0;
    bool more;
    OMEN_TRY(omen_terms_walk(g, &w, err));
    m->depth = 0;
    for (;;) {
        OMEN_TRY(omen_terms_next(p, &w, &more, err));
        if (!more) break;
        s->terms++;
        shared = OMEN_MIN(shared, w.shared);
        if (dead != 0 && w.shared >= dead) continue;
        bool match = omen_term_matches(m, w.term, w.len, shared, &edits, &dead);
        shared = OMEN_TERM_BYTES;
        if (match) OMEN_TRY(found(arg, w.term, w.len, w.ref.df, edits));
        /* Behind all that begins as it must. */
        if (m->fixed != 0 && omen_terms_compare(w.term, OMEN_MIN(w.len, m->fixed), m->word, m->fixed) > 0) {
            *done = true;
            return OMEN_OK;
        }
    }
    s->group = dead != 0 ? pass_over(p, s->group + 1, w.term, dead) : s->group + 1;
    return OMEN_OK;
}

omen_status omen_terms_scan_step(const omen_postings *p, omen_terms_scan *s, omen_term_match *m, omen_term_group *g, omen_terms_found found, void *arg, omen_error *err) {
    bool done = false;
    if (!s->begun) s->group = omen_terms_group_of(p, m->word, m->fixed);
    s->begun = true;
    while (!done && s->group < p->groups) {
        OMEN_TRY(omen_terms_load(p, s->group, g, err));
        OMEN_TRY(scan_group(p, s, m, g, found, arg, &done, err));
    }
    return OMEN_OK;
}
