/* lang.c - omendb-lang-XX.wasm: one language's stemmer and stop words, a module of a few kilobytes with a memory of its own and no imports.
 *
 * Who loads it registers an omen_stemmer (src/text/stem.h) whose functions go through it:
 *   word()       where a word of up to 64 bytes of UTF-8 goes in and its stem comes out
 *   stem(len)    stems the word there, answers the stem's length
 *   stops()      where the stop words lie: ascending, each ended by a NUL; stops_len() bytes of them, to be copied out
 *   version()    omen_stemmer.version
 *   code()       the language's two letters
 * A module is used by one thread at a time. It keeps nothing between words.
 */
#include "omen_snowball.h"

#define EXPORT(name) __attribute__((export_name(#name)))

enum { WORD = 64 };
static _Alignas(16) uint8_t state[2048];
static uint8_t word_bytes[WORD];
static int ready;

EXPORT(word) uint8_t *lang_word(void) { return word_bytes; }

EXPORT(stem) size_t lang_stem(size_t len) {
    if (len > WORD) return 0;
    if (!ready) {
        if (omen_snowball_state_size() > sizeof state) __builtin_trap();
        omen_snowball_init(state);
        ready = 1;
    }
    return omen_snowball_stem(state, omen_snowball_languages[0].stem, word_bytes, len, WORD);
}

EXPORT(stops) const char *lang_stops(void) { return omen_snowball_languages[0].stops; }
EXPORT(stops_len) size_t lang_stops_len(void) { return omen_snowball_languages[0].stops_len; }
EXPORT(code) const char *lang_code(void) { return omen_snowball_languages[0].code; }
EXPORT(version) uint32_t lang_version(void) { return OMEN_SNOWBALL_VERSION; }
