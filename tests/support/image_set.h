/* image_set.h - which images have come before, by their hash, and what was found in each. */
#ifndef OMEN_TEST_IMAGE_SET_H
#define OMEN_TEST_IMAGE_SET_H

#include <stdint.h>
#include <stdlib.h>

typedef struct image_answer { uint64_t image, found; } image_answer;
typedef struct image_set {
    image_answer *of;
    size_t count, cap;
} image_set;

/* The answer of an image, made empty (found 0) when it is new: then *fresh. Valid until the next look. */
static inline image_answer *image_set_look(image_set *a, uint64_t image, int *fresh) {
    if (a->count * 2 >= a->cap) {
        image_set old = *a;
        a->cap = old.cap == 0 ? 4096 : old.cap * 2;
        a->count = 0;
        a->of = calloc(a->cap, sizeof *a->of);
        if (a->of == NULL) abort();
        for (size_t i = 0; i < old.cap; i++)
            if (old.of[i].image != 0) *image_set_look(a, old.of[i].image, fresh) = old.of[i];
        free(old.of);
    }
    if (image == 0) image = 1;
    size_t at = (size_t)(image * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (a->cap - 1);
    while (a->of[at].image != 0 && a->of[at].image != image) at = (at + 1) & (a->cap - 1);
    *fresh = a->of[at].image == 0;
    a->count += (size_t)*fresh;
    a->of[at].image = image;
    return &a->of[at];
}

static inline void image_set_clear(image_set *a) {
    free(a->of);
    *a = (image_set){0};
}

#endif
