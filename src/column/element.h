/* element.h - what a vector consists of (omen_element): its size in storage and in callers' hands, and the way between the two.
 *
 * Stored, everywhere (log, memtable, segments): F32 4 bytes a dimension, F16 2 (IEEE binary16), I8 1, BIT 1/8, little-endian, without padding.
 * Callers give and get the same, but for F16, which they hold as floats.
 */
#ifndef OMEN_COLUMN_ELEMENT_H
#define OMEN_COLUMN_ELEMENT_H

#include "base/base.h"

/* Bytes of a vector as it is stored. BIT: dimensions are a multiple of 8, which the schema's check has seen to. */
static inline size_t omen_element_bytes(uint32_t element, uint32_t dimensions) {
    switch (element) {
        case OMEN_ELEMENT_F16: return (size_t)dimensions * 2;
        case OMEN_ELEMENT_I8: return dimensions;
        case OMEN_ELEMENT_BIT: OMEN_ASSERT(dimensions % 8 == 0); return dimensions / 8;
        default: return (size_t)dimensions * 4;
    }
}
/* Bytes of a vector as callers give and get it. */
static inline size_t omen_element_given_bytes(uint32_t element, uint32_t dimensions) {
    return element == OMEN_ELEMENT_F16 ? (size_t)dimensions * 4 : omen_element_bytes(element, dimensions);
}

/* The nearest IEEE binary16, ties to even; 65,520 and beyond give infinity, NaN a NaN. */
uint16_t omen_f16_narrow(float f);
/* The same of n floats, which may lie anywhere. */
void omen_f16_narrow_all(const float *from, size_t n, uint16_t *into);

/* One vector from storage as callers get it. `into` and the last omen_element_bytes of its omen_element_given_bytes may be the same memory. */
void omen_element_give(uint32_t element, uint32_t dimensions, const void *stored, void *into);
/* `count` vectors from storage as floats, exactly. Not for BIT. */
void omen_element_widen(uint32_t element, uint32_t dimensions, const void *stored, size_t count, float *into);

/* Whether a stored vector has no NaN and no infinity (I8 and BIT cannot have any). */
bool omen_element_finite(uint32_t element, const void *stored, size_t dimensions);
/* Euclidean norm of a stored vector, in the canonical order of kernel.h; 0 when the square sum is no normal number (zero, tiny or
 * overflowing): such a vector has no direction and is refused for cosine. Not for BIT. */
float omen_element_norm(uint32_t element, const void *stored, uint32_t dimensions);

#endif
