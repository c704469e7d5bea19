/* stem.h - languages: a stemmer and stop words each.
 *
 * The stemmers are Snowball's (Porter 2001), the stop words those of the same project. A native build has all of them inside. WebAssembly has English
 * inside; each other language is a small module of its own (omendb-lang-de.wasm, wasm/lang/lang.c says how to call it) which the host loads when a
 * collection asks for it: it registers an omen_stemmer whose functions call the module. The module's stems are the built-in ones' bytes.
 */
#ifndef OMEN_TEXT_STEM_H
#define OMEN_TEXT_STEM_H

#include "base/base.h"

/* A language's words. The functions may be called from several threads at once, with different states. */
typedef struct omen_stemmer omen_stemmer;
struct omen_stemmer {
    uint32_t version;      /* other number: other stems, or other stop words */
    size_t state_size;     /* bytes of working memory, 16-byte aligned; 0: none, state is NULL */
    /* Prepares the memory; false: it cannot. NULL: nothing to prepare. */
    bool (*init)(void *state, const omen_stemmer *self);
    /* Stems the folded word (1 to 64 bytes of UTF-8, accents kept) in place and answers its new length, at most cap; a length of 0 or above
     * cap leaves the word as it was. NULL: words stay as they are. */
    size_t (*stem)(void *state, const omen_stemmer *self, uint8_t *word, size_t len, size_t cap);
    const char *stops;     /* stop words, ascending by bytes, each ended by a NUL, folded as words are; stops_len bytes, 0: none */
    size_t stops_len;
    const void *user;      /* for the functions */
};

typedef struct omen_language omen_language;

/* By code ("en", ISO 639-1) or name ("english"), in any case; NULL when there is no such language. Languages are constants of the program. */
const omen_language *omen_language_find(const char *name, size_t len);
/* Ascending by code; NULL behind the last. */
const omen_language *omen_language_at(size_t index);
const char *omen_language_code(const omen_language *l);
const char *omen_language_name(const omen_language *l);

/* Whether this build has the language inside. */
bool omen_language_built_in(const omen_language *l);
/* The language's stemmer, built in or registered, copied to *out; false: there is none, the host has to register it. */
bool omen_language_stemmer(const omen_language *l, omen_stemmer *out);
/* Gives a language that is not built in the host's stemmer, or takes it away (NULL). The table and its words must stay while analyzers use them. Not
 * thread-safe: call it while no other thread makes analyzers. false, and nothing changes, where the language is built in. */
bool omen_language_register(const omen_language *l, const omen_stemmer *s);

/* Asks a host for a language that is not there: OMEN_PENDING while it is being loaded; anything else once it is registered, or cannot be had. A host that
 * failed answers so until it is asked `again`. */
typedef omen_status omen_language_loader(const omen_language *l, bool again);
/* NULL: nobody is asked. Not thread-safe: call it before databases are opened. */
void omen_language_set_loader(omen_language_loader *loader);
/* Step: OMEN_PENDING while the host loads the language, else OMEN_OK, whether or not it is there now. */
omen_status omen_language_load(const omen_language *l, bool again);

/* Whether the folded word is one of the stop words. */
bool omen_stemmer_stops(const omen_stemmer *s, const uint8_t *word, size_t len);

#endif
