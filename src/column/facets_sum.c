#include "column/facets_sum.h"

#define LIMBS OMEN_SUM_LIMBS
#define TOP (LIMBS - 1)
#define LOW UINT32_MAX
#define UNIT (32 * (int)OMEN_SUM_ONE) /* the bit that is 1 */
#define LEAST (UNIT - 1074)           /* the bit of the least double */
#define CARRY_AFTER (1u << 29)        /* an addition changes a limb by less than 2^34 */

/* Every limb but the top one into 0 .. 2^32 - 1; the top one has the sign. */
static void carry(omen_sum *s) {
    int64_t over = 0;
    for (uint32_t i = 0; i < TOP; i++) {
        int64_t t = s->limbs[i] + over;
        s->limbs[i] = t & LOW;
        over = t >> 32;
    }
    s->limbs[TOP] += over;
    s->adds = 0;
}

void omen_sum_f64(omen_sum *s, double d) {
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
    int exponent = (int)(bits >> 52 & 2047), at = exponent == 0 ? LEAST : LEAST + exponent - 1;
    if (exponent != 0) mantissa |= UINT64_C(1) << 52;
    uint64_t low = (mantissa & LOW) << at % 32, high = (mantissa >> 32) << at % 32;
    int64_t piece[3] = {(int64_t)(low & LOW), (int64_t)((low >> 32) + (high & LOW)), (int64_t)(high >> 32)};
    for (int i = 0; i < 3; i++) s->limbs[at / 32 + i] += bits >> 63 != 0 ? -piece[i] : piece[i];
    if (++s->adds == CARRY_AFTER) carry(s);
}

void omen_sum_i64(omen_sum *s, int64_t i) {
    s->limbs[OMEN_SUM_ONE] += i & LOW;
    s->limbs[OMEN_SUM_ONE + 1] += i >> 32;
    if (++s->adds == CARRY_AFTER) carry(s);
}

void omen_sum_merge(omen_sum *s, const omen_sum *other) {
    omen_sum o = *other;
    carry(&o);
    carry(s);
    for (uint32_t i = 0; i < LIMBS; i++) s->limbs[i] += o.limbs[i];
    carry(s);
}

/* The magnitude, carried; answers whether it was negative. */
static bool magnitude(const omen_sum *s, omen_sum *out) {
    *out = *s;
    carry(out);
    if (out->limbs[TOP] >= 0) return false;
    for (uint32_t i = 0; i < LIMBS; i++) out->limbs[i] = -out->limbs[i];
    carry(out);
    return true;
}

static uint64_t bit(const omen_sum *m, int at) { return (uint64_t)m->limbs[at / 32] >> at % 32 & 1; }

double omen_sum_value(const omen_sum *s) {
    omen_sum m;
    bool negative = magnitude(s, &m), below = false;
    int top = 32 * LIMBS - 1;
    while (top >= 0 && bit(&m, top) == 0) top--;
    if (top < 0) return 0;
    int lowest = top - 52 < LEAST ? LEAST : top - 52; /* the bit of the result's last place */
    uint64_t mantissa = 0;
    for (int i = top; i >= lowest; i--) mantissa = mantissa << 1 | bit(&m, i);
    for (int i = 0; i < lowest - 1 && !below; i++) below = bit(&m, i) != 0;
    if (bit(&m, lowest - 1) != 0 && (below || (mantissa & 1) != 0)) mantissa++;
    if (mantissa >> 53 != 0) {
        mantissa >>= 1;
        lowest++;
    }
    uint64_t exponent = mantissa >> 52 == 0 ? 0 : (uint64_t)(lowest - LEAST + 1);
    if (exponent >= 2047) {
        exponent = 2047;
        mantissa = 0;
    }
    uint64_t bits = (uint64_t)negative << 63 | exponent << 52 | (mantissa & ((UINT64_C(1) << 52) - 1));
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

bool omen_sum_integer(const omen_sum *s, int64_t *out) {
    omen_sum m;
    bool negative = magnitude(s, &m);
    for (uint32_t i = 0; i < LIMBS; i++)
        if (i != OMEN_SUM_ONE && i != OMEN_SUM_ONE + 1 && m.limbs[i] != 0) return false;
    uint64_t v = (uint64_t)m.limbs[OMEN_SUM_ONE + 1] << 32 | (uint64_t)m.limbs[OMEN_SUM_ONE];
    if (v > (uint64_t)INT64_MAX + negative) return false;
    *out = (int64_t)(negative ? 0 - v : v);
    return true;
}
