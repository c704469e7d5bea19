#include "text/stem.h"

#include <omen_snowball.h>

struct omen_language {
    char code[3];
    char name[14];
};

/* Ascending by code; cmake/snowball.cmake has the same list. */
static const omen_language languages[] = {
    {"ar", "arabic"},  {"ca", "catalan"},    {"da", "danish"},   {"de", "german"},    {"el", "greek"},   {"en", "english"},    {"es", "spanish"},
    {"eu", "basque"},  {"fi", "finnish"},    {"fr", "french"},   {"ga", "irish"},     {"hi", "hindi"},   {"hu", "hungarian"},  {"hy", "armenian"},
    {"id", "indonesian"}, {"it", "italian"}, {"lt", "lithuanian"}, {"ne", "nepali"},  {"nl", "dutch"},   {"no", "norwegian"},  {"pt", "portuguese"},
    {"ro", "romanian"}, {"ru", "russian"},   {"sr", "serbian"},  {"sv", "swedish"},   {"ta", "tamil"},   {"tr", "turkish"},    {"yi", "yiddish"},
};
enum { LANGUAGES = OMEN_ARRAY_LEN(languages) };

/* What hosts registered. Written only while nobody else uses the room, as the header asks. */
static const omen_stemmer *registered[LANGUAGES];
static omen_language_loader *loader;

static bool same(const char *name, size_t len, const char *known) {
    size_t i = 0;
    for (; i < len && known[i] != 0; i++) {
        char c = name[i];
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != known[i]) return false;
    }
    return i == len && known[i] == 0;
}

const omen_language *omen_language_find(const char *name, size_t len) {
    for (size_t i = 0; i < LANGUAGES; i++) {
        if (same(name, len, languages[i].code) || same(name, len, languages[i].name)) return &languages[i];
    }
    return NULL;
}

const omen_language *omen_language_at(size_t index) { return index < LANGUAGES ? &languages[index] : NULL; }
const char *omen_language_code(const omen_language *l) { return l->code; }
const char *omen_language_name(const omen_language *l) { return l->name; }

static const omen_snowball_language *inside(const omen_language *l) {
    for (const omen_snowball_language *s = omen_snowball_languages; s->code != NULL; s++) {
        if (memcmp(s->code, l->code, 3) == 0) return s;
    }
    return NULL;
}

bool omen_language_built_in(const omen_language *l) { return inside(l) != NULL; }

bool omen_language_register(const omen_language *l, const omen_stemmer *s) {
    if (inside(l) != NULL) return false;
    registered[l - languages] = s;
    return true;
}

void omen_language_set_loader(omen_language_loader *l) { loader = l; }

omen_status omen_language_load(const omen_language *l, bool again) {
    if (loader == NULL || registered[l - languages] != NULL || inside(l) != NULL) return OMEN_OK;
    return loader(l, again) == OMEN_PENDING ? OMEN_PENDING : OMEN_OK;
}

static bool prepare(void *state, const omen_stemmer *self) {
    (void)self;
    omen_snowball_init(state);
    return true;
}

static size_t stem(void *state, const omen_stemmer *self, uint8_t *word, size_t len, size_t cap) {
    const omen_snowball_language *s = self->user;
    return omen_snowball_stem(state, s->stem, word, len, cap);
}

bool omen_language_stemmer(const omen_language *l, omen_stemmer *out) {
    const omen_snowball_language *s = inside(l);
    if (s != NULL) {
        *out = (omen_stemmer){.version = OMEN_SNOWBALL_VERSION, .state_size = omen_snowball_state_size(), .init = prepare, .stem = stem,
            .stops = s->stops, .stops_len = s->stops_len, .user = s};
        return true;
    }
    if (registered[l - languages] == NULL) return false;
    *out = *registered[l - languages];
    return true;
}

bool omen_stemmer_stops(const omen_stemmer *s, const uint8_t *word, size_t len) {
    /* The list is searched by halves: from the middle back to where a word begins. */
    size_t low = 0, high = s->stops_len;
    while (low < high) {
        size_t at = low + (high - low) / 2;
        while (at > low && s->stops[at - 1] != 0) at--;
        const char *known = s->stops + at;
        size_t known_len = strlen(known);
        int order = memcmp(word, known, OMEN_MIN(len, known_len));
        if (order == 0 && len == known_len) return true;
        if (order > 0 || (order == 0 && len > known_len)) low = at + known_len + 1;
        else high = at;
    }
    return false;
}
