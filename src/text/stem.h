/* stem.h - languages: a stemmer and stop words each.
 *
 * The stemmers are Snowball's (Porter 2001). A native build has all of them inside. WebAssembly has English inside; the others are small
 * modules of their own (omendb-lang-de.wasm) whose functions the host calls for us: the host registers an omen_stemmer for the language before a
 * collection that needs it is opened. A registered stemmer must give the same stems as the built-in one, which its version stands for.
 */
#ifndef OMEN_TEXT_STEM_H
#define OMEN_TEXT_STEM_H

#include "base/base.h"

/* How words of one language are stemmed. All functions may be called from several threads at once with different states. */
typedef struct omen_stemmer {
    uint32_t version;  /* other number, other stems */
    size_t state_size; /* bytes of working memory, 16-byte aligned, zeroed by the caller; 0: none */
    /* Prepares the memory; false if it cannot. NULL: nothing to prepare. */
    bool (*init)(void *state, const struct omen_stemmer *self);
    /* Stems the folded word in place and answers the new length, at most cap; the length as it was when there is no stem. */
    size_t (*stem)(void *state, uint8_t *word, size_t len, size_t cap);
    void *user;        /* for whoever registered it */
} omen_stemmer;

typedef struct omen_language omen_language;

/* By code ("en") or name ("english"), any case; NULL when there is no such language. Languages are constants of the program. */
const omen_language *omen_language_find(const char *name, size_t len);
/* In alphabetical order of their codes; NULL from `count` on. */
const omen_language *omen_language_at(size_t index);
const char *omen_language_code(const omen_language *l);
const char *omen_language_name(const omen_language *l);

/* The built-in stemmer, else the registered one, else NULL. */
const omen_stemmer *omen_language_stemmer(const omen_language *l);
/* Gives a language without a built-in stemmer the host's; NULL takes it away. The table must live on while in use. Call it while no
 * other thread uses the text room. false, and nothing changes, where the stemmer is built in. */
bool omen_language_register(const omen_language *l, const omen_stemmer *s);

/* Whether the folded word is a stop word. */
bool omen_language_stops(const omen_language *l, const uint8_t *word, size_t len);

#endif
