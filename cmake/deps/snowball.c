/* Snowball's runtime on memory that the caller gives. Its strings grow by realloc; here they have room from the start for whatever a word of 64
 * bytes can become, growing fails, and a stemmer that fails leaves the word as it was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define malloc(size) NULL
#define realloc(p, size) ((void)(p), (void)(size), NULL)
#define free(p) ((void)(p))
#include "utilities.c"

#include "omen_snowball.h"

enum { STRINGS = 3, NUMBERS = 8, ROOM = 248 }; /* the build checks that no stemmer has more of either */

typedef struct string {
    int capacity, size; /* HEAD: what the runtime expects before the bytes */
    symbol bytes[ROOM];
} string;

typedef struct state {
    struct SN_env env;
    symbol *strings[STRINGS];
    int numbers[NUMBERS];
    string word, registers[STRINGS];
} state;

static symbol *start(string *s) {
    s->capacity = ROOM - 1;
    s->size = 0;
    return s->bytes;
}

size_t omen_snowball_state_size(void) { return sizeof(state); }

void omen_snowball_init(void *memory) {
    state *s = memory;
    memset(&s->env, 0, sizeof s->env);
    s->env.p = start(&s->word);
    s->env.S = s->strings;
    s->env.I = s->numbers;
    for (int i = 0; i < STRINGS; i++) s->strings[i] = start(&s->registers[i]);
    memset(s->numbers, 0, sizeof s->numbers);
}

size_t omen_snowball_stem(void *memory, int (*stem)(struct SN_env *), uint8_t *word, size_t len, size_t cap) {
    struct SN_env *z = &((state *)memory)->env;
    if (len >= ROOM) return len;
    memcpy(z->p, word, len);
    SET_SIZE(z->p, (int)len);
    z->l = (int)len;
    z->c = z->lb = z->bra = 0;
    z->ket = z->l;
    if (stem(z) < 0) {
        omen_snowball_init(memory); /* it may have dropped a string */
        return len;
    }
    if (z->l <= 0 || (size_t)z->l > cap) return len;
    memcpy(word, z->p, (size_t)z->l);
    return (size_t)z->l;
}
