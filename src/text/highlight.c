#include "text/highlight.h"

#include "base/sort.h"

/* A word that is looked for as it is. */
typedef struct wanted {
    const uint8_t *term;
    uint32_t len, item, word; /* word: of a phrase, else UINT32_MAX */
} wanted;

/* A word of the text that a phrase has, too. */
typedef struct part {
    uint32_t item, position, start, end;
    uint64_t words; /* which words of the phrase it is */
} part;

typedef struct found { uint32_t start, end; uint64_t items; } found;

typedef struct finder {
    omen_mem *mem;
    const omen_text_item *items;
    uint32_t item_count;
    uint64_t field;
    wanted *words;   /* ascending by term */
    size_t word_count;
    omen_term_match *matches; /* of prefixes and words with typos */
    uint32_t *match_items;
    uint32_t match_count;
    omen_buf parts, found;
} finder;

static uint64_t bit_of(uint32_t item) { return UINT64_C(1) << (item & 63); }

static bool is_wanted(const finder *f, const omen_text_item *t) { return t->occur != OMEN_TEXT_MUST_NOT && (t->fields == 0 || (t->fields & f->field) != 0); }

static bool by_term(void *arg, const void *a, const void *b) {
    const wanted *x = a, *y = b;
    (void)arg;
    return omen_terms_compare(x->term, x->len, y->term, y->len) < 0;
}

static omen_status list_words(finder *f, omen_arena *a) {
    size_t words = 0, matches = 0;
    for (uint32_t i = 0; i < f->item_count; i++) {
        bool plain = f->items[i].kind == OMEN_TEXT_WORD || f->items[i].kind == OMEN_TEXT_PHRASE;
        if (!is_wanted(f, &f->items[i])) continue;
        words += plain ? f->items[i].word_count : 0;
        matches += !plain;
    }
    f->words = omen_arena_alloc(a, words * sizeof *f->words + 1, 8);
    f->matches = omen_arena_alloc(a, matches * sizeof *f->matches + 1, 8);
    f->match_items = omen_arena_alloc(a, matches * sizeof *f->match_items + 1, 8);
    if (f->words == NULL || f->matches == NULL || f->match_items == NULL) return OMEN_ERR_MEMORY;
    for (uint32_t i = 0; i < f->item_count; i++) {
        const omen_text_item *t = &f->items[i];
        if (!is_wanted(f, t)) continue;
        if (t->kind == OMEN_TEXT_PREFIX || t->kind == OMEN_TEXT_TYPO) {
            omen_term_match_init(&f->matches[f->match_count], t->words->term, t->words->len, t->kind == OMEN_TEXT_PREFIX, t->edits, t->exact);
            f->match_items[f->match_count++] = i;
            continue;
        }
        for (uint32_t w = 0; w < t->word_count; w++)
            f->words[f->word_count++] = (wanted){t->words[w].term, t->words[w].len, i, t->kind == OMEN_TEXT_PHRASE ? w : UINT32_MAX};
    }
    if (f->word_count != 0) omen_sort(f->words, f->word_count, sizeof *f->words, by_term, NULL);
    return OMEN_OK;
}

static omen_status look_at(finder *f, const omen_token *t) {
    size_t lo = 0, hi = f->word_count;
    found hit = {t->start, t->end, 0};
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (omen_terms_compare(f->words[mid].term, f->words[mid].len, t->term, t->len) < 0) lo = mid + 1;
        else hi = mid;
    }
    for (; lo < f->word_count && omen_terms_compare(f->words[lo].term, f->words[lo].len, t->term, t->len) == 0; lo++) {
        const wanted *w = &f->words[lo];
        if (w->word == UINT32_MAX) {
            hit.items |= bit_of(w->item);
            continue;
        }
        part p = {w->item, t->position, t->start, t->end, UINT64_C(1) << w->word};
        OMEN_TRY(omen_buf_append(&f->parts, &p, sizeof p));
    }
    for (uint32_t m = 0; m < f->match_count; m++) {
        uint32_t edits, dead = 0;
        f->matches[m].depth = 0;
        if (omen_term_matches(&f->matches[m], t->term, t->len, 0, &edits, &dead)) hit.items |= bit_of(f->match_items[m]);
    }
    return hit.items == 0 ? OMEN_OK : omen_buf_append(&f->found, &hit, sizeof hit);
}

/* ---- phrases ---- */

static bool by_place(void *arg, const void *a, const void *b) {
    const part *x = a, *y = b;
    (void)arg;
    return x->item != y->item ? x->item < y->item : x->position < y->position;
}

/* The text's word at a position that is word w of the phrase, among parts [from, to); NULL: none. */
static const part *part_at(const part *parts, size_t from, size_t to, int64_t position, uint32_t w) {
    while (from < to) {
        size_t mid = (from + to) / 2;
        if (parts[mid].position < position) from = mid + 1;
        else to = mid;
    }
    const part *p = &parts[from];
    return (int64_t)p->position == position && (p->words >> w & 1) != 0 ? p : NULL;
}

static omen_status find_phrases(finder *f) {
    part *parts = (part *)(void *)f->parts.data;
    size_t n = f->parts.len / sizeof *parts, kept = 0, end;
    if (n == 0) return OMEN_OK;
    omen_sort(parts, n, sizeof *parts, by_place, NULL);
    for (size_t i = 0; i < n; i++) { /* a word that a phrase has twice is one part */
        if (kept != 0 && parts[kept - 1].item == parts[i].item && parts[kept - 1].position == parts[i].position) parts[kept - 1].words |= parts[i].words;
        else parts[kept++] = parts[i];
    }
    n = kept;
    for (size_t i = 0; i < n; i = end) {
        const omen_text_item *t = &f->items[parts[i].item];
        for (end = i; end < n && parts[end].item == parts[i].item;) end++;
        for (size_t k = i; k < end; k++) {
            uint32_t w = 0;
            if ((parts[k].words & 1) == 0) continue;
            const part *at[OMEN_TEXT_PHRASE_WORDS];
            for (; w < t->word_count && w < OMEN_TEXT_PHRASE_WORDS; w++) {
                at[w] = part_at(parts, i, end - 1, (int64_t)parts[k].position + t->words[w].position - t->words[0].position, w);
                if (at[w] == NULL) break;
            }
            for (uint32_t m = 0; w == t->word_count && m < w; m++) {
                found hit = {at[m]->start, at[m]->end, bit_of(parts[k].item)};
                OMEN_TRY(omen_buf_append(&f->found, &hit, sizeof hit));
            }
        }
    }
    return OMEN_OK;
}

/* ---- ranges ---- */

static bool by_start(void *arg, const void *a, const void *b) {
    const found *x = a, *y = b;
    (void)arg;
    return x->start != y->start ? x->start < y->start : x->end < y->end;
}

/* Those that overlap or touch become one. */
static size_t join(found *r, size_t n) {
    size_t kept = 0;
    if (n != 0) omen_sort(r, n, sizeof *r, by_start, NULL);
    for (size_t i = 0; i < n; i++) {
        if (kept != 0 && r[i].start <= r[kept - 1].end) {
            r[kept - 1].end = OMEN_MAX(r[kept - 1].end, r[i].end);
            r[kept - 1].items |= r[i].items;
        } else {
            r[kept++] = r[i];
        }
    }
    return kept;
}

/* ---- fragments ---- */

static bool starts_char(omen_str text, size_t at) { return at >= text.len || ((uint8_t)text.data[at] & 0xc0) != 0x80; }
static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static size_t back(omen_str text, size_t at, uint32_t chars) {
    while (at != 0 && chars != 0)
        if (starts_char(text, --at)) chars--;
    return at;
}

static size_t forth(omen_str text, size_t at, uint32_t chars) {
    while (at < text.len && chars != 0)
        if (starts_char(text, ++at)) chars--;
    return at;
}

static uint32_t chars_between(omen_str text, size_t from, size_t to) {
    uint32_t n = 0;
    for (; from < to; from++) n += starts_char(text, from);
    return n;
}

/* A fragment that holds bytes [from, to), which are at most `chars` long, with as much before as behind; not before `least`. */
static omen_text_fragment around(omen_str text, size_t least, size_t from, size_t to, uint32_t chars) {
    uint32_t left = chars - OMEN_MIN(chars, chars_between(text, from, to));
    size_t start = OMEN_MAX(least, back(text, from, left / 2)), end = forth(text, to, left - chars_between(text, start, from));
    if (end == text.len) start = OMEN_MAX(least, back(text, from, left - chars_between(text, to, end)));
    /* Words that were cut go, if there is white space within the slack before or behind. */
    if (start != 0 && !is_space(text.data[start - 1])) {
        size_t at = start;
        while (at < from && !is_space(text.data[at])) at++;
        if (at < from) start = at;
    }
    if (end < text.len && !is_space(text.data[end])) {
        size_t at = end;
        while (at > to && !is_space(text.data[at - 1])) at--;
        if (at > to) end = at;
    }
    while (start < from && is_space(text.data[start])) start++;
    while (end > to && is_space(text.data[end - 1])) end--;
    return (omen_text_fragment){.start = (uint32_t)start, .end = (uint32_t)end};
}

typedef struct window { size_t first, last; uint32_t words, kinds; } window;

/* The best run of ranges within `chars` characters, of those not taken yet. */
static window best_window(omen_str text, const found *r, size_t n, const uint8_t *used, uint32_t chars) {
    window best = {0};
    for (size_t i = 0, last = 0, end_chars = 0, begin_chars = 0; i < n; i++) {
        if (i != 0) begin_chars += chars_between(text, r[i - 1].start, r[i].start);
        if (last < i || i == 0) {
            last = i;
            end_chars = begin_chars + chars_between(text, r[i].start, r[i].end);
        }
        while (last + 1 < n) {
            size_t next = end_chars + chars_between(text, r[last].end, r[last + 1].end);
            if (next - begin_chars > chars) break;
            end_chars = next;
            last++;
        }
        window w = {.first = i, .last = i};
        uint64_t items = 0;
        if (used[i]) continue;
        for (size_t k = i; k <= last && !used[k]; k++) {
            items |= r[k].items;
            w.last = k;
            w.words++;
        }
        w.kinds = (uint32_t)__builtin_popcountll(items);
        if (w.kinds > best.kinds || (w.kinds == best.kinds && w.words > best.words)) best = w;
    }
    return best;
}

static bool by_first(void *arg, const void *a, const void *b) {
    (void)arg;
    return ((const omen_text_fragment *)a)->start < ((const omen_text_fragment *)b)->start;
}

static omen_status choose(omen_arena *a, omen_str text, const found *r, size_t n, const omen_highlight_options *o, omen_highlights *out) {
    uint32_t most = o->fragments == 0 ? 1 : o->fragments;
    most = (uint32_t)OMEN_MIN((size_t)most, n + 1);
    omen_text_fragment *f = omen_arena_alloc(a, most * sizeof *f, 8);
    uint8_t *used = omen_arena_alloc(a, n + 1, 1);
    if (f == NULL || used == NULL) return OMEN_ERR_MEMORY;
    memset(used, 0, n + 1);
    out->fragments = f;
    if (text.len == 0) return OMEN_OK;
    if (o->chars == 0 || n == 0) {
        f[out->fragment_count++] = o->chars == 0 ? (omen_text_fragment){.end = (uint32_t)text.len} : around(text, 0, 0, 0, o->chars);
    } else {
        while (out->fragment_count < most) {
            window w = best_window(text, r, n, used, o->chars);
            if (w.words == 0) break;
            for (size_t k = w.first; k <= w.last; k++) used[k] = 1;
            f[out->fragment_count++] = (omen_text_fragment){.first = (uint32_t)w.first, .count = w.words};
        }
        /* Their places, from the first to the last, none into the one before or the word behind. */
        for (uint32_t i = 0; i < out->fragment_count; i++) f[i].start = r[f[i].first].start;
        omen_sort(f, out->fragment_count, sizeof *f, by_first, NULL);
        size_t least = 0;
        for (uint32_t i = 0; i < out->fragment_count; i++) {
            size_t from = r[f[i].first].start, to = r[f[i].first + f[i].count - 1].end;
            omen_str until = {text.data, i + 1 < out->fragment_count ? r[f[i + 1].first].start : text.len};
            if (f[i].first + f[i].count < n) until.len = OMEN_MIN(until.len, (size_t)r[f[i].first + f[i].count].start);
            f[i] = around(until, least, from, to, o->chars);
            least = f[i].end;
        }
    }
    for (uint32_t i = 0, k = 0; i < out->fragment_count; i++) {
        while (k < n && r[k].start < f[i].start) k++;
        f[i].first = k;
        while (k < n && r[k].end <= f[i].end) k++;
        f[i].count = k - f[i].first;
    }
    return OMEN_OK;
}

static omen_status find(finder *f, omen_arena *a, omen_analyzer *analyzer, omen_str text, const omen_highlight_options *o, omen_highlights *out) {
    omen_token t;
    OMEN_TRY(list_words(f, a));
    omen_analyzer_start(analyzer, text.data, text.len, 0);
    while (omen_analyzer_next(analyzer, &t)) OMEN_TRY(look_at(f, &t));
    OMEN_TRY(find_phrases(f));
    found *r = (found *)(void *)f->found.data;
    size_t n = join(r, f->found.len / sizeof *r);
    omen_text_range *ranges = omen_arena_alloc(a, n * sizeof *ranges + 1, 8);
    if (ranges == NULL) return OMEN_ERR_MEMORY;
    for (size_t i = 0; i < n; i++) ranges[i] = (omen_text_range){r[i].start, r[i].end};
    out->ranges = ranges;
    out->range_count = (uint32_t)n;
    return choose(a, text, r, n, o, out);
}

omen_status omen_highlight(omen_arena *a, const omen_text_item *items, uint32_t item_count, uint32_t field, omen_analyzer *analyzer, omen_str text,
                           const omen_highlight_options *options, omen_highlights *out, omen_error *err) {
    finder f = {.mem = a->mem, .items = items, .item_count = item_count, .field = UINT64_C(1) << field};
    *out = (omen_highlights){0};
    omen_buf_init(&f.parts, a->mem);
    omen_buf_init(&f.found, a->mem);
    omen_highlight_options o = {OMEN_MIN(options->chars, OMEN_HIGHLIGHT_CHARS), OMEN_MIN(options->fragments, OMEN_HIGHLIGHT_FRAGMENTS)};
    omen_status s = find(&f, a, analyzer, text, &o, out);
    omen_buf_deinit(&f.parts);
    omen_buf_deinit(&f.found);
    return s == OMEN_OK ? s : omen_fail(err, s, "out of memory highlighting a text");
}
