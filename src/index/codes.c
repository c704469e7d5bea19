#include "index/codes.h"

/* Its square is more than any other part of a distance, and the sum of all within 64 bits. */
#define LIFT_MAX (INT64_C(1) << 20)

omen_codes omen_codes_of_bits(uint32_t dimensions) {
    uint32_t bytes = (uint32_t)omen_round_up(dimensions / 8, 8);
    return (omen_codes){.stride = bytes, .len = bytes, .tail = bytes, .bits = true};
}

omen_codes omen_codes_of_sq8(const omen_sq8 *c) {
    return (omen_codes){.stride = c->stride, .len = c->len, .tail = c->tail, .lifted = c->metric == OMEN_METRIC_IP};
}

static int32_t number(const omen_codes *c, uint32_t row, uint32_t n) {
    int32_t v;
    memcpy(&v, omen_codes_row(c, row) + c->tail + n * 4, 4);
    return v;
}

void omen_codes_rank(const omen_codes *c, const uint8_t *u, const uint32_t *ids, uint32_t count, int32_t *out) {
    const omen_kernels *k = omen_kernels_get();
    if (c->bits) {
        k->hamming(u, c->rows, c->stride, ids, count, c->len, (uint32_t *)(void *)out);
        return;
    }
    k->dot_u7i8(u, c->rows, c->stride, ids, count, c->len, out);
    /* Unsigned: the numbers of a damaged file may be any. */
    for (uint32_t i = 0; i < count; i++) out[i] = (int32_t)((uint32_t)number(c, ids == NULL ? i : ids[i], 0) - 4u * (uint32_t)out[i]);
}

void omen_codes_point(const omen_codes *c, uint32_t row, omen_code_point *p) {
    const uint8_t *codes = omen_codes_row(c, row);
    p->norm = p->lift = 0;
    if (c->bits) {
        memcpy(p->u, codes, c->len);
        return;
    }
    /* (c + 1) / 2 + 64, at most 127. Behind the codes lie zeros and the row's numbers, which no query looks at. */
    uint32_t used = c->tail < c->len ? c->tail : c->len;
    uint8_t *restrict u = p->u;
    int32_t norm = 0;
    for (uint32_t i = 0; i < used; i++) {
        uint8_t v = (uint8_t)(((codes[i] ^ 0x80u) + 1u) >> 1);
        u[i] = v > 127 ? 127 : v;
    }
    for (uint32_t i = 0; i < used; i++) {
        int32_t v = u[i] - 64;
        norm += v * v;
    }
    memset(p->u + used, 0, c->len - used);
    p->norm = 4 * (int64_t)norm;
    if (c->lifted) p->lift = number(c, row, 2);
}

void omen_codes_distances(const omen_codes *c, const omen_code_point *p, const uint32_t *ids, uint32_t count, int32_t *out) {
    omen_codes_rank(c, p->u, ids, count, out);
    if (c->bits) return;
    for (uint32_t i = 0; i < count; i++) {
        int64_t d = p->norm + out[i];
        if (c->lifted) {
            /* Lifts of codes that were made here differ by 32,767 at most; those of a damaged file stay farther than all others. */
            int64_t up = p->lift - number(c, ids[i], 2);
            up = up < -LIFT_MAX ? -LIFT_MAX : up > LIFT_MAX ? LIFT_MAX : up;
            d += number(c, ids[i], 1) + up * up;
        }
        out[i] = d < 0 ? 0 : d > INT32_MAX ? INT32_MAX : (int32_t)d;
    }
}
