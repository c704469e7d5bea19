/* ivf_scan.c - searching inverted lists. */
#include "index/ivf.h"
#include "kernel/kernel.h"

void omen_ivf_fill_bias(const omen_ivf *v, int32_t *bias) {
    for (uint32_t l = 0; l < v->lists; l++) bias[l] = omen_kmeans_bias(v->centroids + (size_t)l * v->len, v->len, v->coarse.metric == OMEN_METRIC_IP);
}

void omen_ivf_centroid(const omen_ivf *v, uint32_t list, float *out) {
    const int8_t *code = (const int8_t *)v->centroids + (size_t)list * v->len;
    for (uint32_t i = 0; i < v->coarse.lead; i++) out[i] = (float)code[i] * v->coarse.scale;
}

omen_status omen_ivf_residual_init(omen_ivf *v, omen_mem *m, uint32_t lead, uint32_t bits, bool product) {
    return v->codec == OMEN_CODEC_PQ ? omen_pq_init(&v->pq, m, lead, product) : omen_rabitq_init(&v->rabitq, m, lead, bits, product);
}

void omen_ivf_count_blocks(omen_ivf *v) {
    v->blocks[0] = 0;
    for (uint32_t l = 0; l < v->lists; l++) v->blocks[l + 1] = v->blocks[l] + (v->starts[l + 1] - v->starts[l] + OMEN_PQ_BLOCK - 1) / OMEN_PQ_BLOCK;
}

uint64_t omen_ivf_code_bytes(const omen_ivf *v) {
    if (v->codec == OMEN_CODEC_RABITQ) return omen_rabitq_bytes(&v->rabitq, v->rows);
    if (v->codec == OMEN_CODEC_PQ) return (uint64_t)v->blocks[v->lists] * omen_pq_bytes(&v->pq, 1) + (uint64_t)v->rows * 4;
    return (uint64_t)v->rows * v->stride + (v->bits ? 0 : (uint64_t)v->rows * 4);
}

void omen_ivf_set_codes(omen_ivf *v, uint8_t *bytes) {
    v->codes = bytes;
    if (v->codec == OMEN_CODEC_RABITQ) v->residuals = omen_rabitq_split(&v->rabitq, bytes, v->rows);
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
    omen_free(s->mem, s->residual, s->residual_bytes);
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
        s->residual_bytes = (v->coarse.lead + (pq ? (size_t)v->pq.parts * OMEN_PQ_POINTS : (size_t)v->rabitq.n * 2)) * sizeof(float);
        s->residual = omen_alloc(s->mem, s->residual_bytes);
        s->own_bytes = pq ? v->pq.parts * OMEN_PQ_POINTS : v->rabitq.n;
        s->own = s->pq.lut = s->rabitq.planes = omen_alloc(s->mem, s->own_bytes);
        if (s->residual == NULL || s->own == NULL) return OMEN_ERR_MEMORY;
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

/* Of a list whose rows mostly may not be answered only the others' codes are looked at. */
static void scan_some(const omen_ivf *v, omen_ivf_scan *s, uint32_t list, const omen_may *filter) {
    const omen_kernels *k = omen_kernels_get();
    for (uint32_t at = v->starts[list], end = v->starts[list + 1]; at < end;) {
        uint32_t n = 0;
        for (; at < end && n < OMEN_PICK_BLOCK; at++) {
            s->places[n] = at;
            s->ids[n] = v->order[at];
            n += omen_may_answer(filter, v->order[at]);
        }
        if (v->bits) k->hamming(s->u, v->codes, v->stride, s->places, n, v->len, (uint32_t *)(void *)s->ranks);
        else k->dot_u7i8(s->u, v->codes, v->stride, s->places, n, v->len, s->ranks);
        for (uint32_t i = 0; i < n && !v->bits; i++) s->ranks[i] = (int32_t)((uint32_t)v->bias[s->places[i]] - 4u * (uint32_t)s->ranks[i]);
        omen_pick_offer(&s->found, s->ranks, s->ids, 0, n, NULL);
        s->distances += n;
        s->bytes += (uint64_t)n * v->stride;
    }
}

static void scan_list(const omen_ivf *v, omen_ivf_scan *s, uint32_t list, const omen_may *filter) {
    uint32_t end = v->starts[list + 1];
    for (uint32_t at = v->starts[list]; at < end; at += OMEN_PICK_BLOCK) {
        uint32_t n = OMEN_MIN(OMEN_PICK_BLOCK, end - at);
        rank(v, s->u, v->codes + (size_t)at * v->stride, v->stride, v->bits ? NULL : v->bias + at, n, s->ranks);
        omen_pick_offer(&s->found, s->ranks, v->order + at, 0, n, filter);
        s->distances += n;
        s->bytes += (uint64_t)n * v->stride;
    }
}

/* Distance of the query from a list's centroid, as the rows' estimates begin with it, and how far apart both are. */
static float list_base(const omen_ivf *v, const omen_ivf_scan *s, uint32_t list, float *apart) {
    const omen_kernels *k = omen_kernels_get();
    const float *y = omen_sq8_placed(&v->coarse, s->scratch);
    float square, along;
    omen_ivf_centroid(v, list, s->residual);
    k->l2_f32(y, s->residual, 1, v->coarse.lead, &square);
    *apart = __builtin_sqrtf(square);
    if (v->coarse.metric != OMEN_METRIC_IP) return square;
    k->dot_f32(y, s->residual, 1, v->coarse.lead, &along);
    return 0.0f - along;
}

static void scan_residuals(const omen_ivf *v, omen_ivf_scan *s, uint32_t list, const omen_may *filter) {
    uint32_t end = v->starts[list + 1];
    float apart, base = list_base(v, s, list, &apart);
    for (uint32_t at = v->starts[list]; at < end; at += OMEN_PICK_BLOCK) {
        uint32_t n = OMEN_MIN(OMEN_PICK_BLOCK, end - at), kept = n;
        const uint32_t *ids = v->order + at;
        if (v->codec == OMEN_CODEC_PQ) {
            omen_pq_scan(&v->pq, &s->pq, base, omen_ivf_packed(v, list) + omen_pq_bytes(&v->pq, at - v->starts[list]), v->add + at, n, s->estimates);
            s->bytes += omen_pq_bytes(&v->pq, n);
        } else {
            /* Only after its buffer has shrunk once does the pick know a limit. */
            kept = omen_rabitq_scan(&v->rabitq, &s->rabitq, base, apart, &v->residuals, at, n, omen_pick_distance(s->found.limit), s->ids, s->estimates);
            for (uint32_t i = 0; i < kept; i++) s->ids[i] = ids[s->ids[i]];
            ids = s->ids;
            s->bytes += (uint64_t)n * (v->rabitq.plane + 16) + (uint64_t)kept * (v->rabitq.bits - 1) * v->rabitq.plane;
        }
        for (uint32_t i = 0; i < kept; i++) s->ranks[i] = omen_pick_rank_of(s->estimates[i]);
        omen_pick_offer(&s->found, s->ranks, ids, 0, kept, filter);
        s->distances += n;
    }
}

/* One in so many rows of a list may be answered, at most, where codes are looked at one by one. */
#define SOME 3u
/* So many times as many rows as planned, at most, are looked at past rows that died. */
#define FARTHEST 8u

static uint32_t answerable(const omen_ivf *v, uint32_t list, const omen_may *filter) {
    uint32_t n = 0;
    for (uint32_t at = v->starts[list]; at < v->starts[list + 1]; at++) n += omen_may_answer(filter, v->order[at]);
    return n;
}

/* Whether to look at no more lists. Where less of what was looked at may be answered than of all, those are the fringes of what may be, and others may be nearer. */
static bool enough(const omen_ivf *v, const omen_may *filter, uint64_t planned, uint64_t looked, uint64_t could) {
    if (filter->accept == NULL) return could * 4 >= planned * 3 || looked >= planned * FARTHEST;
    return could * 4 >= planned * 3 && !omen_may_fringe(looked, could, filter->accept->ones, v->rows);
}

void omen_ivf_search(const omen_ivf *v, omen_ivf_scan *s, const void *vector, const omen_may *filter) {
    s->distances = s->bytes = 0;
    if (v->bits) {
        memset(s->u, 0, v->len);
        memcpy(s->u, vector, v->dimensions / 8);
    } else {
        omen_sq8_query(&v->coarse, vector, s->u, s->scratch);
    }
    pick_lists(v, s);
    if (omen_ivf_residual(v)) {
        const float *y = omen_sq8_placed(&v->coarse, s->scratch);
        if (v->codec == OMEN_CODEC_PQ) omen_pq_query_set(&v->pq, &s->pq, y, s->residual + v->coarse.lead);
        else omen_rabitq_query_set(&v->rabitq, &s->rabitq, y, s->residual + v->coarse.lead);
    }
    /* The nearest list first: it brings a close limit, and little passes it afterwards. */
    uint64_t planned = 0, looked = 0, could = 0;
    for (uint32_t i = 0; i < s->lists.len; i++) {
        uint32_t list = omen_pick_id(s->lists.keys[i]), rows = v->starts[list + 1] - v->starts[list], may = filter == NULL ? rows : answerable(v, list, filter);
        looked += rows;
        could += may;
        if (may != 0 && omen_ivf_residual(v)) scan_residuals(v, s, list, filter);
        else if (may != 0 && may < rows / SOME) scan_some(v, s, list, filter);
        else if (may != 0) scan_list(v, s, list, filter);
        if (filter == NULL) continue;
        if (i + 1 < s->lists.len) continue;
        /* Where most of what lies near may not be answered, more lists are looked at: until as many rows as planned could be. */
        if (planned == 0) planned = looked;
        if (enough(v, filter, planned, looked, could) || s->lists.len == v->lists) break;
        if (omen_pick_begin(&s->lists, OMEN_MIN(2 * s->lists.len, v->lists)) != OMEN_OK) break; /* without memory for more it ends here */
        pick_lists(v, s); /* those of before come first again */
    }
    omen_pick_end(&s->found);
}
