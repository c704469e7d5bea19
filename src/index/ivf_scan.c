/* ivf_scan.c - searching inverted lists. */
#include "index/ivf.h"
#include "kernel/kernel.h"

void omen_ivf_fill_bias(const omen_ivf *v, int32_t *bias) {
    for (uint32_t l = 0; l < v->lists; l++) bias[l] = omen_kmeans_bias(v->centroids + (size_t)l * v->len, v->len, v->coarse.metric == OMEN_METRIC_IP);
}

void omen_ivf_place(const omen_ivf *v, const float *x, bool query, float *out) {
    float times = 1.0f;
    if (v->coarse.metric == OMEN_METRIC_COSINE) {
        float square;
        omen_kernels_get()->dot_f32(x, x, 1, v->dimensions, &square);
        times = square > 0.0f && square <= 3.4e38f ? 1.0f / __builtin_sqrtf(square) : 0.0f;
    }
    bool centred = !query || v->coarse.metric != OMEN_METRIC_IP;
    for (uint32_t i = 0; i < v->dimensions; i++) out[i] = centred ? x[i] * times - v->coarse.mean[i] : x[i];
}

omen_status omen_ivf_residual_init(omen_ivf *v, omen_mem *m, uint32_t bits, bool product) {
    OMEN_TRY(v->codec == OMEN_CODEC_PQ ? omen_pq_init(&v->pq, m, v->dimensions, product) : omen_ivf_rabitq_init(&v->rabitq, m, v->dimensions, bits, product));
    v->residual_ready = true;
    return OMEN_OK;
}

void omen_ivf_count_blocks(omen_ivf *v) {
    v->blocks[0] = 0;
    for (uint32_t l = 0; l < v->lists; l++) v->blocks[l + 1] = v->blocks[l] + (v->starts[l + 1] - v->starts[l] + OMEN_PQ_BLOCK - 1) / OMEN_PQ_BLOCK;
}

uint64_t omen_ivf_code_bytes(const omen_ivf *v) {
    if (v->codec == OMEN_CODEC_RABITQ) return omen_ivf_rabitq_bytes(&v->rabitq, v->rows);
    if (v->codec == OMEN_CODEC_PQ) return (uint64_t)v->blocks[v->lists] * omen_pq_bytes(&v->pq, 1) + (uint64_t)v->rows * 4;
    return (uint64_t)v->rows * v->stride + (v->bits ? 0 : (uint64_t)v->rows * 4);
}

void omen_ivf_set_codes(omen_ivf *v, uint8_t *bytes) {
    v->codes = bytes;
    if (v->codec == OMEN_CODEC_RABITQ) v->residuals = omen_ivf_rabitq_split(&v->rabitq, bytes, v->rows);
    else if (v->codec == OMEN_CODEC_PQ) v->add = (const float *)(const void *)(bytes + (size_t)v->blocks[v->lists] * omen_pq_bytes(&v->pq, 1));
    else if (!v->bits) v->bias = (const int32_t *)(const void *)(bytes + (size_t)v->rows * v->stride);
}

void omen_ivf_scan_init(omen_ivf_scan *s, omen_mem *m) {
    memset(s, 0, sizeof *s);
    s->mem = s->lists.mem = s->found.mem = m;
}

void omen_ivf_scan_deinit(omen_ivf_scan *s) {
    if (s->mem == NULL) return;
    omen_pick_deinit(&s->lists);
    omen_pick_deinit(&s->found);
    omen_free(s->mem, s->u, s->u_bytes);
    omen_free(s->mem, s->scratch, s->scratch_bytes);
    omen_free(s->mem, s->placed, s->placed_bytes);
    omen_free(s->mem, s->own, s->own_bytes);
    s->mem = NULL;
}

omen_status omen_ivf_scan_room(omen_ivf_scan *s, const omen_ivf *v, uint32_t effort, uint32_t want) {
    if (s->u == NULL) {
        s->u = omen_alloc_zero(s->mem, v->len);
        s->u_bytes = v->len;
    }
    if (s->scratch == NULL && !v->bits) {
        s->scratch_bytes = omen_sq8_scratch(&v->coarse) * sizeof(float);
        s->scratch = omen_alloc(s->mem, s->scratch_bytes);
    }
    if (s->u == NULL || (s->scratch == NULL && !v->bits)) return OMEN_ERR_MEMORY;
    if (s->own == NULL && omen_ivf_residual(v)) {
        bool pq = v->codec == OMEN_CODEC_PQ;
        s->placed_bytes = (v->dimensions + (size_t)(pq ? v->pq.parts * OMEN_PQ_POINTS : v->rabitq.padded)) * sizeof(float);
        s->placed = omen_alloc(s->mem, s->placed_bytes);
        s->own_bytes = pq ? v->pq.parts * OMEN_PQ_POINTS : omen_ivf_rabitq_query_bytes(&v->rabitq);
        s->own = omen_alloc(s->mem, s->own_bytes);
        if (s->placed == NULL || s->own == NULL) return OMEN_ERR_MEMORY;
        if (pq) s->pq.lut = s->own;
        else omen_ivf_rabitq_query_init(&v->rabitq, s->own, &s->rabitq);
    }
    OMEN_TRY(omen_pick_begin(&s->lists, OMEN_MAX(OMEN_MIN(effort, v->lists), 1u)));
    return omen_pick_begin(&s->found, OMEN_MAX(OMEN_MIN(want, v->rows), 1u));
}

/* Ranks of `count` codes that lie one after another. Numbers of a damaged file may overflow: they wrap, and rank something wrong. */
static void rank(const omen_ivf *v, const uint8_t *u, const uint8_t *codes, uint32_t len, const int32_t *bias, uint32_t count, int32_t *restrict ranks) {
    const omen_kernels *k = omen_kernels_get();
    if (v->bits) {
        k->hamming(u, codes, len, NULL, count, len, (uint32_t *)(void *)ranks);
        return;
    }
    k->dot_u7i8(u, codes, len, NULL, count, len, ranks);
    for (uint32_t i = 0; i < count; i++) ranks[i] = (int32_t)((uint32_t)bias[i] - 4u * (uint32_t)ranks[i]);
}

static void pick_lists(const omen_ivf *v, omen_ivf_scan *s) {
    for (uint32_t at = 0; at < v->lists; at += OMEN_PICK_BLOCK) {
        uint32_t n = OMEN_MIN(OMEN_PICK_BLOCK, v->lists - at);
        rank(v, s->u, v->centroids + (size_t)at * v->len, v->len, v->bits ? NULL : v->centroid_bias + at, n, s->ranks);
        omen_pick_offer(&s->lists, s->ranks, NULL, at, n, NULL);
    }
    omen_pick_end(&s->lists);
    s->distances += v->lists;
    s->bytes += (uint64_t)v->lists * v->len;
}

static void scan_list(const omen_ivf *v, omen_ivf_scan *s, uint32_t list, const omen_pick_filter *filter) {
    uint32_t end = v->starts[list + 1];
    for (uint32_t at = v->starts[list]; at < end; at += OMEN_PICK_BLOCK) {
        uint32_t n = OMEN_MIN(OMEN_PICK_BLOCK, end - at);
        rank(v, s->u, v->codes + (size_t)at * v->stride, v->stride, v->bits ? NULL : v->bias + at, n, s->ranks);
        omen_pick_offer(&s->found, s->ranks, v->order + at, 0, n, filter);
        s->distances += n;
        s->bytes += (uint64_t)n * v->stride;
    }
}

/* Distance of the query from a list's mean, as the rows' estimates begin with it, and how far apart both are. */
static float list_base(const omen_ivf *v, const omen_ivf_scan *s, uint32_t list, float *apart) {
    const omen_kernels *k = omen_kernels_get();
    const float *mean = v->means + (size_t)list * v->dimensions;
    float square, along;
    k->l2_f32(s->placed, mean, 1, v->dimensions, &square);
    *apart = __builtin_sqrtf(square);
    if (v->coarse.metric != OMEN_METRIC_IP) return square;
    k->dot_f32(s->placed, mean, 1, v->dimensions, &along);
    return 0.0f - along;
}

static void scan_residuals(const omen_ivf *v, omen_ivf_scan *s, uint32_t list, const omen_pick_filter *filter) {
    uint32_t end = v->starts[list + 1];
    float apart, base = list_base(v, s, list, &apart);
    for (uint32_t at = v->starts[list]; at < end; at += OMEN_PICK_BLOCK) {
        uint32_t n = OMEN_MIN(OMEN_PICK_BLOCK, end - at);
        if (v->codec == OMEN_CODEC_PQ) {
            omen_pq_scan(&v->pq, &s->pq, base, omen_ivf_packed(v, list) + omen_pq_bytes(&v->pq, at - v->starts[list]), v->add + at, n, s->estimates);
            for (uint32_t i = 0; i < n; i++) s->ranks[i] = omen_ivf_rank(s->estimates[i]);
            omen_pick_offer(&s->found, s->ranks, v->order + at, 0, n, filter);
            s->distances += n;
            s->bytes += omen_pq_bytes(&v->pq, n);
            continue;
        }
        uint32_t full = omen_ivf_rabitq_offer(&v->rabitq, &s->rabitq, &v->residuals, at, n, v->order + at, base, apart, &s->found, filter);
        s->distances += n;
        s->bytes += (uint64_t)n * (v->rabitq.len + 16) + (uint64_t)full * (v->rabitq.bits - 1) * v->rabitq.len;
    }
}

void omen_ivf_search(const omen_ivf *v, omen_ivf_scan *s, const void *vector, const omen_pick_filter *filter) {
    s->distances = s->bytes = 0;
    if (v->bits) {
        memset(s->u, 0, v->len);
        memcpy(s->u, vector, v->dimensions / 8);
    } else {
        omen_sq8_query(&v->coarse, vector, s->u, s->scratch);
    }
    pick_lists(v, s);
    if (omen_ivf_residual(v)) {
        omen_ivf_place(v, vector, true, s->placed);
        if (v->codec == OMEN_CODEC_PQ) omen_pq_query_set(&v->pq, &s->pq, s->placed, s->placed + v->dimensions);
        else omen_ivf_rabitq_query_set(&v->rabitq, s->placed, &s->rabitq, s->placed + v->dimensions);
    }
    /* The nearest list first: it brings a close limit, and little passes it afterwards. */
    for (uint32_t i = 0; i < s->lists.len; i++) {
        uint32_t list = omen_pick_id(s->lists.keys[i]);
        if (omen_ivf_residual(v)) scan_residuals(v, s, list, filter);
        else scan_list(v, s, list, filter);
    }
    omen_pick_end(&s->found);
}
