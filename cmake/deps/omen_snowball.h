/* omen_snowball.h - Snowball's stemmers as src/text sees them: no memory of their own, no names that a program's own libstemmer might have. */
#ifndef OMEN_SNOWBALL_H
#define OMEN_SNOWBALL_H

#include <stddef.h>
#include <stdint.h>

struct SN_env;

typedef struct omen_snowball_language {
    const char *code;                   /* ISO 639-1 */
    int (*stem)(struct SN_env *);
    const char *stops;                  /* stop words, ascending, each ended by a NUL */
    size_t stops_len;                   /* bytes, 0: no list */
} omen_snowball_language;

/* What this build has, ascending by code; the last one's code is NULL. */
extern const omen_snowball_language omen_snowball_languages[];
#define OMEN_SNOWBALL_VERSION 202 /* 2.2 */

/* Bytes of working memory, 16-byte aligned. */
size_t omen_snowball_state_size(void);
void omen_snowball_init(void *state);
/* Stems len <= 64 bytes in place, answers the new length; len itself when the stem would be empty or longer than cap. */
size_t omen_snowball_stem(void *state, int (*stem)(struct SN_env *), uint8_t *word, size_t len, size_t cap);

#endif
