/* Text is walked once. Words of ASCII letters and digits alone, which most are, take a short way: folded while they are walked. What stemmer, stop words
 * and accents make of a word is remembered in a small table, since most words of a text were there before. */
#include "text/analyze.h"

#include "base/hash.h"
#include "text/unicode.h"

enum {
    RULES = 2,       /* counted up whenever the rules of this file change */
    KNOWN_MAX = 23,  /* bytes of words worth remembering, and of their terms */
    MARKS_MAX = 8,   /* marks on one character; further ones go */
    CLUSTER_MAX = 32,
#ifdef __wasm__
    KNOWN = 2048     /* words remembered, a power of two */
#else
    KNOWN = 8192
#endif
};

typedef struct known {
    uint8_t word_len; /* 0: an empty place */
    uint8_t term_len; /* 0: a stop word */
    uint8_t word[KNOWN_MAX], term[KNOWN_MAX];
} known;

/* A character of a script without spaces, with its marks. */
typedef struct cluster {
    uint8_t bytes[CLUSTER_MAX];
    unsigned len;
    size_t start, end;
} cluster;

struct omen_analyzer {
    omen_mem *mem;
    omen_unicode *unicode;
    omen_stemmer stemmer;
    void *state; /* the stemmer's */
    known *known;
    bool stems, stops, keep_accents, folds_first, elides, turkish;
    uint32_t version;

    /* the text at hand */
    const uint8_t *text;
    size_t len, at;
    unsigned flags;
    uint32_t position;
    bool in_run;      /* `last` is the last character of a pair that was given out */
    cluster last;

    /* the word at hand */
    uint8_t term[OMEN_TERM_MAX];
    unsigned term_len;
    bool cut;
    uint32_t base; /* the character that marks may still change; 0: none */
    uint32_t marks[MARKS_MAX];
    unsigned mark_count;
};

/* ASCII: 0 ends a word, 1 letter or digit, 2 needs a closer look. Upper case is 1, too. */
static const uint8_t ascii[128] = {
    ['"'] = 2, ['\''] = 2, [','] = 2, ['.'] = 2, [';'] = 2, ['_'] = 2,
    ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1,
    ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1,
    ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1,
    ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1,
    ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

static bool is(const omen_language *l, const char *code) { return l != NULL && strcmp(omen_language_code(l), code) == 0; }

static uint32_t version_of(const omen_analyzer *a, const omen_analyzer_options *o) {
    uint64_t h = omen_hash64(a->stops ? a->stemmer.stops : NULL, a->stops ? a->stemmer.stops_len : 0, RULES);
    uint32_t parts[] = {OMEN_UNICODE_VERSION, a->stems ? a->stemmer.version : 0, a->stems, a->stops, a->keep_accents};
    h = omen_hash64(parts, sizeof parts, h);
    if (o->language != NULL) h = omen_hash64(omen_language_code(o->language), 2, h);
    uint32_t v = (uint32_t)(h ^ h >> 32);
    return v != 0 ? v : 1;
}

omen_status omen_analyzer_new(omen_mem *m, const omen_analyzer_options *o, omen_analyzer **out, omen_error *err) {
    *out = NULL;
    omen_stemmer stemmer = {0};
    bool wanted = o->language != NULL && (!o->no_stem || o->stop_words);
    if (wanted && !omen_language_stemmer(o->language, &stemmer)) {
        return omen_fail(err, OMEN_ERR_UNSUPPORTED, "the language '%s' is not loaded: load its module before this collection is used, or choose 'en' or no language",
            omen_language_code(o->language));
    }
    omen_analyzer *a = omen_alloc_zero(m, sizeof *a);
    if (a == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "no memory to analyze text");
    a->mem = m;
    a->stemmer = stemmer;
    a->stems = wanted && !o->no_stem && stemmer.stem != NULL;
    a->stops = wanted && o->stop_words && stemmer.stops_len > 0;
    a->keep_accents = o->keep_accents;
    a->folds_first = is(o->language, "en"); /* its own words have none, so its stemmer knows none */
    a->elides = is(o->language, "fr") || is(o->language, "it") || is(o->language, "ca");
    a->turkish = is(o->language, "tr");
    a->version = version_of(a, o);
    omen_status s = omen_unicode_new(m, &a->unicode);
    if (s == OMEN_OK && (a->stems || a->stops) && !o->short_texts) {
        a->known = omen_alloc_zero(m, sizeof *a->known * KNOWN);
        if (a->known == NULL) s = OMEN_ERR_MEMORY;
    }
    if (s == OMEN_OK && a->stems && stemmer.state_size > 0) {
        a->state = omen_alloc_zero(m, stemmer.state_size);
        if (a->state == NULL) s = OMEN_ERR_MEMORY;
    }
    if (s != OMEN_OK) {
        omen_analyzer_free(a);
        return omen_fail(err, s, "no memory to analyze text");
    }
    if (a->stems && stemmer.init != NULL && !stemmer.init(a->state, &a->stemmer)) {
        omen_analyzer_free(a);
        return omen_fail(err, OMEN_ERR_UNSUPPORTED, "the stemmer of the language '%s' could not start", omen_language_code(o->language));
    }
    *out = a;
    return OMEN_OK;
}

void omen_analyzer_free(omen_analyzer *a) {
    if (a == NULL) return;
    omen_unicode_free(a->unicode);
    omen_free(a->mem, a->known, sizeof *a->known * KNOWN);
    omen_free(a->mem, a->state, a->stemmer.state_size);
    omen_free(a->mem, a, sizeof *a);
}

uint32_t omen_analyzer_version(const omen_analyzer *a) { return a->version; }

void omen_analyzer_start(omen_analyzer *a, const void *text, size_t len, unsigned flags) {
    a->text = text;
    a->len = len;
    a->at = 0;
    a->flags = flags;
    a->position = 0;
    a->in_run = false;
}

uint32_t omen_analyzer_positions(const omen_analyzer *a) { return a->position; }

/* The class of the character at `at` < len, its bytes in *used. */
static omen_unicode_class peek(const omen_analyzer *a, size_t at, uint32_t *c, unsigned *used) {
    *c = omen_utf8_next(a->text + at, a->len - at, used);
    return omen_unicode_class_of(a->unicode, *c);
}

static bool attaches(omen_unicode_class k) { return k == OMEN_UC_MARK || k == OMEN_UC_ACCENT || k == OMEN_UC_IGNORE; }
static bool letter(omen_unicode_class k) { return k == OMEN_UC_LETTER || k == OMEN_UC_HEBREW; }
static bool begins(omen_unicode_class k) { return letter(k) || k == OMEN_UC_NUMERIC || k == OMEN_UC_JOIN; }

/* ---- A word's characters, folded and composed, into `term` ---- */

static void put(omen_analyzer *a, uint32_t c) {
    uint8_t bytes[4];
    unsigned n = omen_utf8_put(bytes, c);
    if (a->cut || a->term_len + n > OMEN_TERM_MAX) {
        a->cut = true;
        return;
    }
    memcpy(a->term + a->term_len, bytes, n);
    a->term_len += n;
}

/* Canonical order and composition (UAX #15) of one base and its marks. Marks that compose with nothing have class 0 here and stay where they are. */
static void flush(omen_analyzer *a) {
    if (a->base == 0 && a->mark_count == 0) return;
    unsigned classes[MARKS_MAX];
    for (unsigned i = 0; i < a->mark_count; i++) {
        uint32_t mark = a->marks[i];
        unsigned class = omen_unicode_combining(a->unicode, mark), to = i;
        for (; class != 0 && to > 0 && classes[to - 1] > class; to--) {
            classes[to] = classes[to - 1];
            a->marks[to] = a->marks[to - 1];
        }
        classes[to] = class;
        a->marks[to] = mark;
    }
    unsigned kept = 0, blocked = 256; /* blocked: the class of the last mark that did not compose */
    for (unsigned i = 0; i < a->mark_count; i++) {
        uint32_t composed = a->base != 0 && blocked != classes[i] ? omen_unicode_compose(a->unicode, a->base, a->marks[i]) : 0;
        if (composed != 0) {
            a->base = composed;
        } else {
            blocked = classes[i];
            a->marks[kept++] = a->marks[i];
        }
    }
    if (a->base != 0) put(a, a->base);
    for (unsigned i = 0; i < kept; i++) {
        if (a->keep_accents || omen_unicode_class_of(a->unicode, a->marks[i]) != OMEN_UC_ACCENT) put(a, a->marks[i]);
    }
    a->base = 0;
    a->mark_count = 0;
}

static void begin(omen_analyzer *a) {
    a->term_len = 0;
    a->cut = false;
    a->base = 0;
    a->mark_count = 0;
}

/* One character of the text, whose class is k. */
static void push(omen_analyzer *a, uint32_t c, omen_unicode_class k) {
    if (k == OMEN_UC_IGNORE) return;
    uint32_t plain[4], base;
    bool marks = attaches(k);
    unsigned n = omen_unicode_apart(a->unicode, c, plain);
    if (n == 1) n = omen_unicode_plain(c, plain);
    else marks = true; /* all but the first */
    for (unsigned i = 0; i < n; i++) {
        if (attaches(k) || (marks && i > 0)) {
            if (a->mark_count < MARKS_MAX) a->marks[a->mark_count++] = plain[i];
            continue;
        }
        base = a->turkish && plain[i] == 'I' ? 0x131 : omen_unicode_fold(a->unicode, plain[i]);
        uint32_t composed = a->base != 0 && a->mark_count == 0 ? omen_unicode_compose(a->unicode, a->base, base) : 0;
        if (composed == 0) {
            flush(a);
            composed = base;
        }
        a->base = composed;
    }
}

static void fold_word(omen_analyzer *a, size_t start, size_t end) {
    begin(a);
    while (start < end && !a->cut) {
        uint32_t c;
        unsigned used;
        omen_unicode_class k = peek(a, start, &c, &used);
        push(a, c, k);
        start += used;
    }
    flush(a);
}

/* ---- From a folded word to its term ---- */

/* No letter becomes longer, so it is done in place. */
static void fold_accents(omen_analyzer *a) {
    unsigned from = 0, to = 0;
    while (from < a->term_len && a->term[from] < 0x80) from++;
    for (to = from; from < a->term_len;) {
        unsigned used;
        uint32_t out[2], c = omen_utf8_next(a->term + from, a->term_len - from, &used);
        from += used;
        unsigned n = omen_unicode_bare(a->unicode, c, out);
        for (unsigned i = 0; i < n; i++) to += omen_utf8_put(a->term + to, out[i]);
    }
    a->term_len = to;
}

/* Stops, stems, folds accents; false: a stop word. */
static bool finish(omen_analyzer *a) {
    if (a->stops && !(a->flags & OMEN_ANALYZE_KEEP_STOP) && omen_stemmer_stops(&a->stemmer, a->term, a->term_len)) return false;
    if (a->folds_first && !a->keep_accents) fold_accents(a);
    if (a->stems && !(a->flags & OMEN_ANALYZE_NO_STEM)) {
        uint8_t word[OMEN_TERM_MAX];
        memcpy(word, a->term, a->term_len);
        size_t n = a->stemmer.stem(a->state, &a->stemmer, word, a->term_len, sizeof word);
        if (n > 0 && n <= sizeof word) {
            memcpy(a->term, word, n);
            a->term_len = (unsigned)n;
        }
    }
    if (!a->folds_first && !a->keep_accents) fold_accents(a);
    return true;
}

static bool finish_word(omen_analyzer *a) {
    if (a->cut) {
        if (!a->keep_accents) fold_accents(a);
        return true;
    }
    if (a->known == NULL || a->flags != 0 || a->term_len > KNOWN_MAX) return finish(a);
    uint64_t h = omen_hash64(a->term, a->term_len, 0);
    known *k = &a->known[h % KNOWN];
    if (k->word_len == a->term_len && memcmp(k->word, a->term, a->term_len) == 0) {
        if (k->term_len == 0) return false;
        memcpy(a->term, k->term, k->term_len);
        a->term_len = k->term_len;
        return true;
    }
    unsigned word_len = a->term_len;
    uint8_t word[KNOWN_MAX];
    memcpy(word, a->term, word_len);
    bool stays = finish(a);
    if (stays && (a->term_len > KNOWN_MAX || a->term_len == 0)) return true;
    k->word_len = (uint8_t)word_len;
    memcpy(k->word, word, word_len);
    k->term_len = (uint8_t)(stays ? a->term_len : 0);
    if (stays) memcpy(k->term, a->term, a->term_len);
    return stays;
}

/* ---- Where words end ---- */

/* WB4 and what joins over one character between (WB6, 7, 7a-c, 11, 12): whether the word goes on behind the character of class k at `at`. */
static bool bridges(const omen_analyzer *a, omen_unicode_class before, omen_unicode_class k, uint32_t c, size_t at) {
    bool letters = letter(before) && (k == OMEN_UC_MID_LETTER || (k == OMEN_UC_APOSTROPHE && !a->elides));
    bool digits = before == OMEN_UC_NUMERIC && (k == OMEN_UC_MID_NUM || k == OMEN_UC_APOSTROPHE);
    bool hebrew = before == OMEN_UC_HEBREW && k == OMEN_UC_QUOTE;
    if (!letters && !digits && !hebrew) return false;
    if (before == OMEN_UC_HEBREW && c == '\'') return true; /* geresh as it is typed */
    while (at < a->len) {
        unsigned used;
        omen_unicode_class next = peek(a, at, &c, &used);
        if (!attaches(next)) return hebrew ? next == OMEN_UC_HEBREW : digits ? next == OMEN_UC_NUMERIC : letter(next);
        at += used;
    }
    return false;
}

/* The end of the word whose first character, of class k, ends at `at`. *solid: it has a letter or a digit. */
static size_t word_end(const omen_analyzer *a, size_t at, omen_unicode_class before, bool *solid) {
    *solid = before != OMEN_UC_JOIN;
    while (at < a->len) {
        uint32_t c;
        unsigned used;
        omen_unicode_class k = peek(a, at, &c, &used);
        if (before == OMEN_UC_QUOTE ? letter(k) : begins(k)) { /* WB5, 8, 9, 10, 13a, 13b */
            before = k;
            *solid |= k != OMEN_UC_JOIN;
        } else if (!attaches(k)) {
            if (!bridges(a, before, k, c, at + used)) break;
            if (before == OMEN_UC_HEBREW && c == '\'') before = OMEN_UC_QUOTE; /* behind a geresh only a letter goes on */
        }
        at += used;
    }
    return at;
}

/* ---- Pairs ---- */

/* The character at `at`, of class PAIR, with what belongs to it; a Hangul syllable may be written as its parts. */
static void read_cluster(omen_analyzer *a, cluster *out) {
    begin(a);
    out->start = a->at;
    bool first = true;
    while (a->at < a->len) {
        uint32_t c;
        unsigned used;
        omen_unicode_class k = peek(a, a->at, &c, &used);
        if (!first && !attaches(k) && !(k == OMEN_UC_PAIR && a->mark_count == 0 && c - 0x1100 < 0x100 && omen_unicode_compose(a->unicode, a->base, c) != 0)) break;
        first = false;
        push(a, c, k);
        a->at += used;
    }
    flush(a);
    out->end = a->at;
    out->len = 0;
    while (out->len < a->term_len) { /* whole characters */
        unsigned used;
        omen_utf8_next(a->term + out->len, a->term_len - out->len, &used);
        if (out->len + used > CLUSTER_MAX) break;
        out->len += used;
    }
    memcpy(out->bytes, a->term, out->len);
}

static bool at_pair(const omen_analyzer *a) {
    uint32_t c;
    unsigned used;
    return a->at < a->len && peek(a, a->at, &c, &used) == OMEN_UC_PAIR;
}

static void give(omen_analyzer *a, omen_token *t, size_t start, size_t end) {
    t->term = a->term;
    t->len = a->term_len;
    t->position = a->position++;
    t->start = (uint32_t)start;
    t->end = (uint32_t)end;
    t->cut = a->cut;
}

/* The next pair of a run, or its only character; `last` is read already. */
static void give_pair(omen_analyzer *a, omen_token *t) {
    cluster second;
    size_t start = a->last.start;
    cluster first = a->last;
    a->in_run = at_pair(a);
    if (a->in_run) read_cluster(a, &second);
    memcpy(a->term, first.bytes, first.len);
    a->term_len = first.len;
    a->cut = false;
    if (a->in_run) {
        memcpy(a->term + first.len, second.bytes, second.len);
        a->term_len += second.len;
        a->last = second;
    }
    give(a, t, start, a->at);
}

/* Whether a word of ASCII surely ends before p: at the end of the text, before a space and the like, or before one mark and those. */
static bool ends_here(const uint8_t *p, const uint8_t *end) {
    if (p == end) return true;
    if (*p >= 0x80) return false;
    if (ascii[*p] == 0) return true;
    return *p != '_' && p + 1 < end && p[1] < 0x80 && ascii[p[1]] == 0;
}

bool omen_analyzer_next(omen_analyzer *a, omen_token *t) {
    if (a->in_run) {
        if (at_pair(a)) {
            give_pair(a, t);
            return true;
        }
        a->in_run = false;
    }
    while (a->at < a->len) {
        const uint8_t *p = a->text + a->at, *end = a->text + a->len;
        while (p < end && *p < 0x80 && ascii[*p] == 0) p++;
        size_t start = (size_t)(p - a->text);
        unsigned n = 0;
        /* The short way. */
        for (; p < end && *p < 0x80 && ascii[*p] == 1; p++, n++) {
            if (n < OMEN_TERM_MAX) a->term[n] = *p >= 'A' && *p <= 'Z' ? (uint8_t)(*p + 32) : *p;
        }
        if (n > 0 && n <= OMEN_TERM_MAX && !a->turkish && ends_here(p, end)) {
            a->at = (size_t)(p - a->text);
            a->term_len = n;
            a->cut = false;
            if (finish_word(a)) {
                give(a, t, start, a->at);
                return true;
            }
            a->position++;
            continue;
        }
        if (start >= a->len) {
            a->at = a->len;
            break;
        }
        uint32_t c;
        unsigned used;
        omen_unicode_class k = peek(a, start, &c, &used);
        a->at = start;
        if (k == OMEN_UC_PAIR) {
            read_cluster(a, &a->last);
            give_pair(a, t);
            return true;
        }
        a->at += used;
        if (!begins(k)) continue;
        bool solid;
        a->at = word_end(a, a->at, k, &solid);
        if (!solid) continue;
        fold_word(a, start, a->at);
        if (a->term_len == 0) continue; /* nothing was left of it */
        if (finish_word(a) && a->term_len > 0) {
            give(a, t, start, a->at);
            return true;
        }
        a->position++;
    }
    return false;
}
