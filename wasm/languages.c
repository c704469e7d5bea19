/* languages.c - languages whose stemmers are modules of their own: JavaScript loads them when they are needed, and carries the words over. */
#include "host.h"
#include "imports.h"

static omen_status load(const omen_language *l, bool again) {
    return omen_js_language_load(l, omen_language_code(l), again) < 0 ? OMEN_PENDING : OMEN_OK;
}

static size_t stem(void *state, const omen_stemmer *self, uint8_t *word, size_t len, size_t cap) {
    (void)state;
    return omen_js_language_stem(self->user, word, (uint32_t)len, (uint32_t)cap);
}

void omen_wasm_languages(void) { omen_language_set_loader(load); }

bool omen_wasm_language(const omen_language *l, uint32_t version, const char *stops, size_t stops_len) {
    omen_stemmer *s = omen_wasm_alloc(sizeof *s);
    if (s == NULL) return false;
    *s = (omen_stemmer){.version = version, .stem = stem, .stops = stops, .stops_len = stops_len, .user = l};
    return omen_language_register(l, s);
}
