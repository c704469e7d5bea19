/* Unpacking: numbers in base 128, the lowest digit first, the high bit on all but the last; signed ones as 2n or -2n-1. The generator made the bytes,
 * so they are trusted; the assertion at the end holds in every build all the same. */
#include "text/unicode.h"

typedef struct fold_run {
    uint32_t first, end; /* end: one past the last */
    int32_t difference;
    uint32_t stride;
} fold_run;

typedef struct pair {
    uint32_t composed, base, mark;
    bool apart; /* taken apart, never composed (Full_Composition_Exclusion) */
} pair;

struct omen_unicode {
    omen_mem *mem;
    uint8_t low[0x250];                  /* classes of the first characters */
    uint32_t runs[OMEN_UNICODE_RUNS + 1]; /* first << 4 | class, ascending */
    fold_run folds[OMEN_UNICODE_FOLDS];  /* ascending; runs two apart may hold others between */
    pair pairs[OMEN_UNICODE_PAIRS];      /* by composed */
    uint16_t by_base[OMEN_UNICODE_PAIRS]; /* numbers of pairs by base, then composed */
    uint32_t marks[OMEN_UNICODE_MARKS];
    uint8_t combining[OMEN_UNICODE_MARKS];
    uint32_t plain[OMEN_UNICODE_PLAINS]; /* character << 1 | has two letters */
    uint16_t letters[OMEN_UNICODE_PLAINS + 1]; /* where its letters begin */
    const uint8_t *text;
};

static uint32_t number(const uint8_t **p) {
    uint32_t n = 0;
    unsigned shift = 0;
    for (; **p & 128; (*p)++, shift += 7) n |= (uint32_t)(**p & 127) << shift;
    n |= (uint32_t)*(*p)++ << shift;
    return n;
}

static int32_t whole(const uint8_t **p) {
    uint32_t n = number(p);
    return n & 1 ? -(int32_t)(n / 2) - 1 : (int32_t)(n / 2);
}

static void unpack_runs(omen_unicode *u) {
    const uint8_t *p = omen_unicode_lengths;
    uint32_t at = 0;
    for (unsigned i = 0; i < OMEN_UNICODE_RUNS; i++) {
        u->runs[i] = at << 4 | (omen_unicode_kinds[i / 2] >> (i % 2 * 4) & 15);
        at += number(&p);
    }
    u->runs[OMEN_UNICODE_RUNS] = at << 4;
    OMEN_ASSERT(at == 0x110000 && p == omen_unicode_lengths + sizeof omen_unicode_lengths);
    for (unsigned i = 0, c = 0; c < sizeof u->low; c++) {
        while (u->runs[i + 1] >> 4 <= c) i++;
        u->low[c] = (uint8_t)(u->runs[i] & 15);
    }
}

static void unpack_folds(omen_unicode *u) {
    const uint8_t *p = omen_unicode_folds;
    uint32_t at = 0;
    for (unsigned i = 0; i < OMEN_UNICODE_FOLDS; i++) {
        fold_run *f = &u->folds[i];
        f->first = at + (uint32_t)whole(&p);
        uint32_t n = number(&p);
        f->stride = (n & 1) + 1;
        at = f->end = f->first + (n / 2 + 1) * f->stride;
    }
    for (unsigned i = 0; i < OMEN_UNICODE_FOLDS; i++) u->folds[i].difference = whole(&p);
    OMEN_ASSERT(p == omen_unicode_folds + sizeof omen_unicode_folds);
}

static void unpack_pairs(omen_unicode *u) {
    const uint8_t *p = omen_unicode_marks;
    uint32_t at = 0;
    for (unsigned i = 0; i < OMEN_UNICODE_MARKS; i++) {
        u->marks[i] = at += number(&p);
        u->combining[i] = (uint8_t)number(&p);
    }
    OMEN_ASSERT(p == omen_unicode_marks + sizeof omen_unicode_marks);
    p = omen_unicode_pairs;
    at = 0;
    for (unsigned i = 0; i < OMEN_UNICODE_PAIRS; i++) u->pairs[i].composed = at += number(&p);
    for (unsigned i = 0; i < OMEN_UNICODE_PAIRS; i++) {
        uint32_t n = number(&p);
        u->pairs[i].mark = u->marks[n / 2];
        u->pairs[i].apart = n & 1;
    }
    at = 0;
    for (unsigned i = 0; i < OMEN_UNICODE_PAIRS; i++) {
        u->pairs[i].base = at += (uint32_t)whole(&p);
        unsigned to = i; /* few and nearly in order: insertion */
        for (; to > 0 && u->pairs[u->by_base[to - 1]].base > at; to--) u->by_base[to] = u->by_base[to - 1];
        u->by_base[to] = (uint16_t)i;
    }
    OMEN_ASSERT(p == omen_unicode_pairs + sizeof omen_unicode_pairs);
}

static void unpack_plain(omen_unicode *u) {
    const uint8_t *p = omen_unicode_letters;
    uint32_t at = 0, letters = 0;
    for (unsigned i = 0; i < OMEN_UNICODE_PLAINS; i++) {
        uint32_t n = number(&p);
        at += n / 2;
        u->plain[i] = at << 1 | (n & 1);
        u->letters[i] = (uint16_t)letters;
        letters += 1 + (n & 1);
    }
    u->text = p;
    OMEN_ASSERT(p + letters == omen_unicode_letters + sizeof omen_unicode_letters);
}

omen_status omen_unicode_new(omen_mem *m, omen_unicode **out) {
    omen_unicode *u = omen_alloc(m, sizeof *u);
    *out = u;
    if (u == NULL) return OMEN_ERR_MEMORY;
    u->mem = m;
    unpack_runs(u);
    unpack_folds(u);
    unpack_pairs(u);
    unpack_plain(u);
    return OMEN_OK;
}

void omen_unicode_free(omen_unicode *u) {
    if (u != NULL) omen_free(u->mem, u, sizeof *u);
}

/* Table 3-7 of the Unicode Standard: what the second byte may be depends on the first. */
uint32_t omen_utf8_next(const uint8_t *p, size_t left, unsigned *used) {
    uint8_t c = p[0];
    *used = 1;
    if (c < 0x80) return c;
    unsigned more = c >= 0xC2 && c <= 0xDF ? 1 : c >= 0xE0 && c <= 0xEF ? 2 : c >= 0xF0 && c <= 0xF4 ? 3 : 0;
    uint8_t low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80, high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    uint32_t v = c & (0x3Fu >> more);
    if (more == 0) return 0xFFFD;
    for (unsigned i = 1; i <= more; i++, low = 0x80, high = 0xBF) {
        if (i >= left || p[i] < low || p[i] > high) return 0xFFFD;
        v = v << 6 | (p[i] & 0x3F);
        *used = i + 1;
    }
    return v;
}

unsigned omen_utf8_put(uint8_t *p, uint32_t c) {
    if (c < 0x80) {
        p[0] = (uint8_t)c;
        return 1;
    }
    unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    p[0] = (uint8_t)((0xFF00u >> (more + 1) & 0xFF) | c >> (6 * more));
    for (unsigned i = 1; i <= more; i++) p[i] = (uint8_t)(0x80 | (c >> (6 * (more - i)) & 0x3F));
    return more + 1;
}

omen_unicode_class omen_unicode_class_of(const omen_unicode *u, uint32_t c) {
    if (c < sizeof u->low) return (omen_unicode_class)u->low[c];
    if (c >= 0x110000) return OMEN_UC_OTHER;
    unsigned low = 0, high = OMEN_UNICODE_RUNS; /* runs[low] begins at or before c, runs[high] behind it */
    while (high - low > 1) {
        unsigned middle = (low + high) / 2;
        if (u->runs[middle] >> 4 <= c) low = middle;
        else high = middle;
    }
    return (omen_unicode_class)(u->runs[low] & 15);
}

uint32_t omen_unicode_fold(const omen_unicode *u, uint32_t c) {
    if (c < 0x80) return c - 'A' < 26 ? c + 32 : c;
    if (c == 0x130) return 'i';
    unsigned low = 0, high = OMEN_UNICODE_FOLDS; /* the first run that begins behind c */
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (u->folds[middle].first <= c) low = middle + 1;
        else high = middle;
    }
    /* Runs of every other character may lie inside each other, by one. */
    for (unsigned i = low; i > 0 && i + 4 > low; i--) {
        const fold_run *f = &u->folds[i - 1];
        if (c < f->end && (c - f->first) % f->stride == 0) return (uint32_t)((int32_t)c + f->difference);
    }
    return c;
}

unsigned omen_unicode_plain(uint32_t c, uint32_t out[3]) {
    out[0] = c;
    if (c == 0x2018 || c == 0x2019) out[0] = '\'';
    if (c < 0xFB00 || c > 0xFF9F) return 1;
    if (c <= 0xFB06) {
        const uint8_t *p = omen_unicode_ligatures + (c - 0xFB00) * 3;
        for (unsigned i = 0; i < 3; i++) out[i] = p[i];
        return p[2] != 0 ? 3 : 2;
    }
    if (c >= 0xFF01 && c <= 0xFF5E) out[0] = c - 0xFEE0;
    if (c >= 0xFF66) out[0] = 0x3000u + omen_unicode_halves[c - 0xFF66];
    return 1;
}

uint32_t omen_unicode_compose(const omen_unicode *u, uint32_t base, uint32_t mark) {
    /* Hangul (Unicode 3.12): leading consonant, vowel, trailing consonant. */
    if (base - 0x1100 < 19 && mark - 0x1161 < 21) return 0xAC00 + ((base - 0x1100) * 21 + (mark - 0x1161)) * 28;
    if (base - 0xAC00 < 11172 && (base - 0xAC00) % 28 == 0 && mark - 0x11A8 < 27) return base + (mark - 0x11A7);
    unsigned low = 0, high = OMEN_UNICODE_PAIRS; /* the first pair of this base or a later one */
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (u->pairs[u->by_base[middle]].base < base) low = middle + 1;
        else high = middle;
    }
    for (; low < OMEN_UNICODE_PAIRS && u->pairs[u->by_base[low]].base == base; low++) {
        const pair *p = &u->pairs[u->by_base[low]];
        if (p->mark == mark && !p->apart) return p->composed;
    }
    return 0;
}

unsigned omen_unicode_combining(const omen_unicode *u, uint32_t c) {
    for (unsigned i = 0; i < OMEN_UNICODE_MARKS && u->marks[i] <= c; i++) {
        if (u->marks[i] == c) return u->combining[i];
    }
    return 0;
}

/* The pair that composes to c, or NULL. */
static const pair *pair_of(const omen_unicode *u, uint32_t c) {
    unsigned low = 0, high = OMEN_UNICODE_PAIRS;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (u->pairs[middle].composed < c) low = middle + 1;
        else high = middle;
    }
    return low < OMEN_UNICODE_PAIRS && u->pairs[low].composed == c ? &u->pairs[low] : NULL;
}

unsigned omen_unicode_apart(const omen_unicode *u, uint32_t c, uint32_t out[4]) {
    unsigned n = 1;
    out[0] = c;
    if (c < 0x958) return 1;
    for (const pair *p; n < 4 && (p = pair_of(u, out[0])) != NULL && p->apart; n++) {
        memmove(out + 2, out + 1, sizeof *out * (n - 1));
        out[0] = p->base;
        out[1] = p->mark;
    }
    return n;
}

/* Greek, Cyrillic, Latin, and Latin and Greek again. */
static bool alphabetic(uint32_t c) { return c < 0x530 || (c >= 0x1C80 && c < 0x2100) || (c >= 0x2C60 && c < 0x2E00); }

unsigned omen_unicode_bare(const omen_unicode *u, uint32_t c, uint32_t out[2]) {
    out[0] = c;
    if (c < 0xAA || !alphabetic(c)) return 1;
    for (unsigned steps = 0; steps < 4; steps++) { /* a composed letter's base may be composed too */
        const pair *p = pair_of(u, out[0]);
        if (p == NULL) break;
        out[0] = p->base;
    }
    unsigned low = 0, high = OMEN_UNICODE_PLAINS;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (u->plain[middle] >> 1 < out[0]) low = middle + 1;
        else high = middle;
    }
    if (low == OMEN_UNICODE_PLAINS || u->plain[low] >> 1 != out[0]) return 1;
    const uint8_t *letters = u->text + u->letters[low];
    out[0] = letters[0];
    out[1] = letters[1];
    return 1 + (u->plain[low] & 1);
}
