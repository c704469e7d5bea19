#include "column/columns_stats.h"

#include "base/sort.h"

#define PRECISION 11u
#define REGISTERS (1u << PRECISION)
#define RANKS (64u - PRECISION) /* a register holds 0 to RANKS + 1 */

void omen_value_stats_init(omen_value_stats *s, omen_mem *m, bool counting) {
    *s = (omen_value_stats){.mem = m, .counting = counting, .min = INT64_MAX, .max = INT64_MIN};
    omen_buf_init(&s->sample, m);
}

static void drop_slots(omen_value_stats *s) {
    omen_free(s->mem, s->slots, s->slot_count * sizeof *s->slots);
    s->slots = NULL;
    s->slot_count = 0;
}

void omen_value_stats_deinit(omen_value_stats *s) {
    drop_slots(s);
    omen_free(s->mem, s->registers, s->registers != NULL ? REGISTERS : 0);
    s->registers = NULL;
    omen_buf_deinit(&s->sample);
}

omen_status omen_value_stats_hash(omen_value_stats *s, uint64_t hash) {
    if (s->registers == NULL) {
        s->registers = omen_alloc_zero(s->mem, REGISTERS);
        if (s->registers == NULL) return OMEN_ERR_MEMORY;
    }
    uint32_t at = (uint32_t)(hash >> (64 - PRECISION));
    uint64_t rest = hash << PRECISION | UINT64_C(1) << (PRECISION - 1);
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
    if (rank > s->registers[at]) s->registers[at] = rank;
    return OMEN_OK;
}

static uint64_t hash_of(int64_t key) { return omen_hash64(&key, sizeof key, 0); }

static omen_common *slot_of(omen_common *slots, uint32_t count, int64_t key) {
    omen_prng mix = {(uint64_t)key};
    uint32_t i = (uint32_t)(omen_prng_next(&mix) & (count - 1));
    while (slots[i].zero != 0 && slots[i].key != key) i = (i + 1) & (count - 1);
    return &slots[i];
}

static omen_status grow(omen_value_stats *s) {
    uint32_t count = s->slot_count == 0 ? 16 : s->slot_count * 2;
    omen_common *slots = omen_alloc_zero(s->mem, count * sizeof *slots);
    if (slots == NULL) return OMEN_ERR_MEMORY;
    for (uint32_t i = 0; i < s->slot_count; i++)
        if (s->slots[i].zero != 0) *slot_of(slots, count, s->slots[i].key) = s->slots[i];
    drop_slots(s);
    s->slots = slots;
    s->slot_count = count;
    return OMEN_OK;
}

static omen_status count_key(omen_value_stats *s, int64_t key) {
    if (s->used * 2 >= s->slot_count) OMEN_TRY(grow(s));
    omen_common *slot = slot_of(s->slots, s->slot_count, key);
    if (slot->zero != 0) {
        slot->count++;
        return OMEN_OK;
    }
    if (s->used < OMEN_COLUMN_EXACT) {
        *slot = (omen_common){key, 1, 1};
        s->used++;
        return OMEN_OK;
    }
    s->counting = false;
    for (uint32_t i = 0; i < s->slot_count; i++)
        if (s->slots[i].zero != 0) OMEN_TRY(omen_value_stats_hash(s, hash_of(s->slots[i].key)));
    drop_slots(s);
    return omen_value_stats_hash(s, hash_of(key));
}

omen_status omen_value_stats_add(omen_value_stats *s, int64_t key) {
    s->count++;
    if (key < s->min) s->min = key;
    if (key > s->max) s->max = key;
    if (s->sample.len < OMEN_VALUE_SAMPLE * sizeof key) {
        OMEN_TRY(omen_buf_append(&s->sample, &key, sizeof key));
    } else {
        uint32_t at = omen_prng_below(&s->prng, s->count);
        if (at < OMEN_VALUE_SAMPLE) memcpy(s->sample.data + at * sizeof key, &key, sizeof key);
    }
    if (s->counting) return count_key(s, key);
    return s->registers != NULL && s->slots == NULL && s->used != 0 ? omen_value_stats_hash(s, hash_of(key)) : OMEN_OK;
}

/* Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6. Only +, -, *, / and sqrt: the same everywhere. */
static double sigma(double x) {
    double y = 1, z = x, before;
    if (x == 1) return -1; /* infinite */
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}

static double tau(double x) {
    double y = 1, z = 1 - x, before;
    if (x == 0 || x == 1) return 0;
    do {
        x = __builtin_sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

static uint64_t estimate(const omen_value_stats *s) {
    uint32_t counts[RANKS + 2] = {0};
    if (s->registers == NULL) return 0;
    for (uint32_t i = 0; i < REGISTERS; i++) counts[s->registers[i]]++;
    double m = REGISTERS, low = sigma(counts[0] / m), z = m * tau(1 - counts[RANKS + 1] / m);
    if (low < 0) return 0;
    for (uint32_t k = RANKS; k >= 1; k--) z = 0.5 * (z + counts[k]);
    z += m * low;
    uint64_t n = (uint64_t)(0.72134752044448170368 * m * m / z + 0.5); /* 1 / (2 ln 2) */
    return n == 0 ? 1 : OMEN_MIN(n, (uint64_t)s->count);
}

static bool less_key(void *arg, const void *a, const void *b) {
    int64_t x, y;
    (void)arg;
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    return x < y;
}

static bool more_common(void *arg, const void *a, const void *b) {
    const omen_common *x = a, *y = b;
    (void)arg;
    return x->count != y->count ? x->count > y->count : x->key < y->key;
}

/* Runs of equal keys in the sample, the longest ones, each with the count it stands for. */
static omen_status frequent(const omen_value_stats *s, const int64_t *sample, uint32_t n, omen_buf *out) {
    for (uint32_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && sample[end] == sample[i];) end++;
        if (end - i < 4) continue;
        omen_common c = {sample[i], (uint32_t)((uint64_t)(end - i) * s->count / n), 0};
        OMEN_TRY(omen_buf_append(out, &c, sizeof c));
    }
    omen_sort(out->data, out->len / sizeof(omen_common), sizeof(omen_common), more_common, NULL);
    out->len = OMEN_MIN(out->len, OMEN_COLUMN_COMMON * sizeof(omen_common));
    omen_sort(out->data, out->len / sizeof(omen_common), sizeof(omen_common), less_key, NULL); /* the key stands first */
    return OMEN_OK;
}

omen_status omen_value_stats_finish(omen_value_stats *s, omen_value_stats_result *out) {
    memset(out, 0, sizeof *out);
    omen_buf_init(&out->common, s->mem);
    omen_buf_init(&out->quantiles, s->mem);
    out->distinct = s->counting ? s->used : estimate(s);
    /* Every value costs 16 bytes: worth it when values are few beside their number. */
    out->exact = s->counting && s->used <= OMEN_MAX(64u, s->count / 16);
    if (out->exact) {
        for (uint32_t i = 0; i < s->slot_count; i++) {
            omen_common c = {s->slots[i].key, s->slots[i].count, 0};
            if (s->slots[i].zero != 0) OMEN_TRY(omen_buf_append(&out->common, &c, sizeof c));
        }
        omen_sort(out->common.data, out->common.len / sizeof(omen_common), sizeof(omen_common), less_key, NULL);
    } else {
        int64_t *sample = (int64_t *)(void *)s->sample.data;
        uint32_t n = (uint32_t)(s->sample.len / sizeof *sample);
        omen_sort(sample, n, sizeof *sample, less_key, NULL);
        OMEN_TRY(frequent(s, sample, n, &out->common));
        for (uint32_t q = 0; q <= OMEN_COLUMN_QUANTILES; q++)
            OMEN_TRY(omen_buf_append(&out->quantiles, &sample[(uint64_t)q * (n - 1) / OMEN_COLUMN_QUANTILES], sizeof *sample));
    }
    return OMEN_OK;
}

void omen_value_stats_result_deinit(omen_value_stats_result *r) {
    omen_buf_deinit(&r->common);
    omen_buf_deinit(&r->quantiles);
}
