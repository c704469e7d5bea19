#include "index/ivf_build.h"

/* Vectors the quantiser is trained on. */
#define SAMPLE 4096u
/* Rows are gathered and encoded so many at a time. */
#define CHUNK_ROWS 512u
/* Rows a list that its centroid is computed from: fewer where there are many lists, since the work grows with the square of their number. */
#define POINTS_FEW 64u
#define POINTS_MANY 32u
#define MANY 1024u
/* Candidates that the audit looks through for true neighbours. */
#define AUDIT_WANT 512u
/* Rows put in their place in one step. */
#define MOVES (1u << 18)

/* Runs of product codes trained in one step. */
#define RUNS 16u
/* Of RABITQ. */
#define DEFAULT_BITS 4u
/* Bytes of an 8-bit code up to which it is chosen. */
#define SHORT 512u

enum { READ_SAMPLE, ENCODE, CLUSTER, ASSIGN, GATHER, ARRANGE, TRAIN, RESIDUALS, TRUTH, AUDIT, WRITE, DONE };

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory building an index; give it more memory, or choose index kind flat"); }

static omen_mem *mem_of(const omen_ivf_build *b) { return b->base.store->mem; }
static size_t vector_bytes(const omen_vectors *v) { return v->element == OMEN_ELEMENT_BIT ? v->dimensions / 8 : v->dimensions * sizeof(float); }

static uint32_t root(uint32_t n) {
    uint32_t r = 0;
    while ((uint64_t)(r + 1) * (r + 1) <= n) r++;
    return r;
}

/* About four times the root of the rows, so that ranking the centroids and scanning the lists cost about the same at the efforts that matter; 16 rows a list at least. */
static void resolve(omen_index_options *o, const omen_vectors *v) {
    uint32_t most = OMEN_MIN(v->rows, OMEN_IVF_LISTS_MAX);
    if (o->lists == 0) o->lists = OMEN_MIN(4 * root(v->rows), v->rows / 16);
    o->lists = OMEN_MIN(OMEN_MAX(o->lists, 1u), most);
    if (v->element == OMEN_ELEMENT_BIT && o->codec == OMEN_CODEC_AUTO) o->codec = OMEN_CODEC_SQ8;
    if (o->codec == OMEN_CODEC_RABITQ && o->bits == 0) o->bits = DEFAULT_BITS;
    if (o->codec != OMEN_CODEC_RABITQ) o->bits = 0;
    o->m = o->ef_construction = 0;
}

static omen_status build_new(omen_store *st, uint64_t number, const omen_index_options *options, const omen_vectors *source, omen_index_build **out, omen_error *err) {
    omen_ivf_build *b = omen_alloc_zero(st->mem, sizeof *b);
    if (b == NULL) return out_of_memory(err);
    b->base = (omen_index_build){.store = st, .number = number, .options = *options, .source = *source};
    resolve(&b->base.options, source);
    b->view = (omen_ivf){.rows = source->rows, .dimensions = source->dimensions, .bits = source->element == OMEN_ELEMENT_BIT};
    b->view.len = b->view.stride = omen_ivf_bit_bytes(source->dimensions);
    b->view.codec = b->view.bits ? OMEN_CODEC_SQ8 : b->base.options.codec;
    b->tasks = omen_kmeans_tasks(st->mem->host);
    b->stage = b->view.bits ? ENCODE : READ_SAMPLE;
    *out = &b->base;
    return OMEN_OK;
}

static void drop_codes(omen_ivf_build *b) {
    omen_free(mem_of(b), b->codes, (size_t)b->view.rows * b->view.len + 64);
    omen_free(mem_of(b), b->bias, b->view.rows * sizeof *b->bias);
    b->codes = NULL;
    b->bias = NULL;
}

/* ---- training ---- */

static uint32_t sample_count(const omen_vectors *v) { return OMEN_MIN(v->rows, v->dimensions > 2048 ? SAMPLE / 4 : SAMPLE); }

static omen_status take_chunk(omen_ivf_build *b, uint32_t rows, omen_error *err) {
    b->chunk_bytes = rows * vector_bytes(&b->base.source);
    b->chunk_cap = rows;
    b->chunk_rows = 0;
    b->chunk = omen_alloc(mem_of(b), b->chunk_bytes);
    return b->chunk == NULL ? out_of_memory(err) : OMEN_OK;
}

static void drop_chunk(omen_ivf_build *b) {
    omen_free(mem_of(b), b->chunk, b->chunk_bytes);
    b->chunk = NULL;
}

/* The codec, when it was left open: 8 bits as long as a row is short, that is, when the dimensions are few or a few directions hold nearly all of the variance of the
 * sample (quant/sq8.h): nothing is scanned faster. Else 4 bits for each of many dimensions take half the memory and are told apart by their signs mostly. */
static void decide_codec(omen_ivf_build *b) {
    omen_index_options *o = &b->base.options;
    if (o->codec != OMEN_CODEC_AUTO) return;
    o->codec = b->view.len <= SHORT ? OMEN_CODEC_SQ8 : OMEN_CODEC_RABITQ;
    if (o->codec == OMEN_CODEC_RABITQ) o->bits = DEFAULT_BITS;
    b->view.codec = o->codec;
}

static omen_status read_sample(omen_ivf_build *b, omen_error *err) {
    const omen_vectors *v = &b->base.source;
    uint32_t wanted = sample_count(v);
    if (b->chunk == NULL) OMEN_TRY(take_chunk(b, wanted, err));
    for (uint32_t steps = 0; b->chunk_rows < wanted && steps < 256; b->chunk_rows++, steps++) {
        const void *x;
        uint32_t count;
        OMEN_TRY(v->read(v->ctx, (uint32_t)((uint64_t)b->chunk_rows * v->rows / wanted), 1, &x, &count, err));
        memcpy(b->chunk + b->chunk_rows * vector_bytes(v), x, vector_bytes(v));
    }
    if (b->chunk_rows < wanted) return OMEN_OK;
    OMEN_TRY(omen_sq8_train(&b->view.coarse, mem_of(b), v->metric, v->dimensions, (const float *)(const void *)b->chunk, wanted, 0, err));
    b->view.coarse_ready = true;
    b->view.len = b->view.stride = b->view.coarse.len;
    drop_chunk(b);
    decide_codec(b);
    b->stage = ENCODE;
    return OMEN_OK;
}

/* ---- encoding ---- */

/* Rows that serve as queries of the audit, spread over all. */
static omen_status begin_audit(omen_ivf_build *b, omen_error *err) {
    const omen_vectors *v = &b->base.source;
    uint32_t rows[OMEN_AUDIT_QUERIES], wanted = OMEN_MIN(OMEN_AUDIT_QUERIES, v->rows / 32);
    for (uint32_t q = 0; q < wanted; q++) rows[q] = (uint32_t)((q + UINT64_C(1)) * v->rows / (wanted + 1));
    return omen_audit_init(&b->audit, mem_of(b), v, rows, wanted, err);
}

static omen_status begin_encoding(omen_ivf_build *b, omen_error *err) {
    omen_mem *m = mem_of(b);
    const omen_ivf *v = &b->view;
    b->codes = omen_alloc_zero(m, (size_t)v->rows * v->len + 64);
    if (b->codes == NULL) return out_of_memory(err);
    if (!v->bits) {
        b->bias = omen_alloc(m, v->rows * sizeof *b->bias);
        b->task_row = omen_alloc(m, (size_t)b->tasks * v->coarse.stride);
        b->task_floats = omen_round_up(OMEN_MAX(omen_sq8_scratch(&v->coarse), 6 * omen_round_up(v->coarse.lead, 64)), 16);
        b->task_scratch = omen_alloc(m, b->tasks * b->task_floats * sizeof(float));
        if (b->bias == NULL || b->task_row == NULL || b->task_scratch == NULL) return out_of_memory(err);
    }
    OMEN_TRY(begin_audit(b, err));
    return take_chunk(b, CHUNK_ROWS, err);
}

/* Gathers the next rows into the chunk; it is full, or the rows are at their end, when this answers OK. */
static omen_status fill_chunk(omen_ivf_build *b, omen_error *err) {
    const omen_vectors *v = &b->base.source;
    while (b->chunk_rows < b->chunk_cap && b->row < v->rows) {
        const void *x;
        uint32_t count;
        OMEN_TRY(v->read(v->ctx, b->row, b->chunk_cap - b->chunk_rows, &x, &count, err));
        memcpy(b->chunk + b->chunk_rows * vector_bytes(v), x, count * vector_bytes(v));
        b->chunk_rows += count;
        b->row += count;
    }
    b->chunk_first = b->row - b->chunk_rows;
    return OMEN_OK;
}

static void encode_task(void *arg, size_t task) {
    omen_ivf_build *b = arg;
    const omen_ivf *v = &b->view;
    for (uint32_t i = (uint32_t)task; i < b->chunk_rows; i += b->tasks) {
        const uint8_t *x = b->chunk + i * vector_bytes(&b->base.source);
        size_t row = b->chunk_first + (size_t)i;
        uint8_t *code = b->codes + row * v->len;
        if (v->bits) {
            memcpy(code, x, vector_bytes(&b->base.source));
            continue;
        }
        uint8_t *own = b->task_row + task * v->coarse.stride;
        omen_sq8_encode(&v->coarse, (const float *)(const void *)x, own, b->task_scratch + task * b->task_floats);
        memcpy(code, own, v->coarse.lead); /* zeros behind */
        b->bias[row] = omen_sq8_bias(&v->coarse, own);
    }
}

static omen_status encode(omen_ivf_build *b, omen_error *err) {
    if (b->codes == NULL) OMEN_TRY(begin_encoding(b, err));
    OMEN_TRY(fill_chunk(b, err));
    omen_parallel(mem_of(b)->host, b->tasks, encode_task, b);
    omen_audit_take(&b->audit, b->chunk, b->chunk_first, b->chunk_rows);
    b->chunk_rows = 0;
    b->base.progress = (uint32_t)(200u * (uint64_t)b->row / b->view.rows);
    if (b->row < b->view.rows) return OMEN_OK;
    b->row = 0;
    b->stage = CLUSTER;
    return OMEN_OK;
}

/* ---- lists ---- */

static omen_kmeans_codes codes_of(const omen_ivf_build *b) { return (omen_kmeans_codes){b->codes, b->view.len, b->view.len, b->view.bits}; }

static omen_status cluster(omen_ivf_build *b, omen_error *err) {
    uint32_t rows = b->view.rows, lists = b->base.options.lists;
    omen_kmeans_codes codes = codes_of(b);
    uint32_t points = (uint32_t)OMEN_MIN((uint64_t)rows, (uint64_t)lists * (lists > MANY ? POINTS_MANY : POINTS_FEW));
    if (b->cluster.mem == NULL && omen_kmeans_begin(&b->cluster, mem_of(b), &codes, rows, points, lists) != OMEN_OK) return out_of_memory(err);
    if (omen_kmeans_step(&b->cluster)) b->stage = ASSIGN;
    b->base.progress = 200u + omen_kmeans_progress(&b->cluster) * 2 / 5;
    return OMEN_OK;
}

static omen_status assign(omen_ivf_build *b, omen_error *err) {
    omen_mem *m = mem_of(b);
    uint32_t rows = b->view.rows, lists = b->cluster.clusters;
    if (b->nearest == NULL) {
        b->nearest = omen_alloc(m, rows * sizeof *b->nearest);
        b->assign_scratch = omen_alloc(m, b->tasks * omen_kmeans_scratch(b->view.len));
        if (b->nearest == NULL || b->assign_scratch == NULL) return out_of_memory(err);
    }
    uint32_t count = OMEN_MIN(rows - b->row, omen_kmeans_step_points(lists, b->view.len) * b->tasks);
    omen_kmeans_assign a = {.codes = codes_of(b), .centroids = omen_kmeans_centroids(&b->cluster), .first = b->row, .count = count, .nearest = b->nearest + b->row,
                         .scratch = b->assign_scratch, .tasks = b->tasks};
    omen_kmeans_assign_all(&a, m->host);
    b->row += count;
    b->base.progress = 600u + (uint32_t)(100u * (uint64_t)b->row / rows);
    if (b->row < rows) return OMEN_OK;
    b->row = 0;
    b->stage = GATHER;
    return OMEN_OK;
}

/* Which rows each list has: a counting sort, rows ascending inside a list. Lists without rows go. */
static omen_status gather(omen_ivf_build *b, omen_error *err) {
    omen_mem *m = mem_of(b);
    omen_ivf *v = &b->view;
    uint32_t rows = v->rows, all = b->cluster.clusters, lists = 0;
    b->lists_cap = all;
    b->starts = omen_alloc_zero(m, (all + (size_t)1) * sizeof *b->starts);
    b->order = omen_alloc(m, rows * sizeof *b->order);
    b->centroids = omen_alloc(m, (size_t)all * v->len);
    b->centroid_bias = v->bits ? NULL : omen_alloc(m, all * sizeof *b->centroid_bias);
    uint32_t *number = omen_alloc_zero(m, all * sizeof *number);
    if (b->starts == NULL || b->order == NULL || b->centroids == NULL || (b->centroid_bias == NULL && !v->bits) || number == NULL) {
        omen_free(m, number, all * sizeof *number);
        return out_of_memory(err);
    }
    for (uint32_t r = 0; r < rows; r++) number[b->nearest[r]]++;
    for (uint32_t l = 0, at = 0; l < all; l++) {
        if (number[l] == 0) continue;
        memcpy(b->centroids + (size_t)lists * v->len, b->cluster.centroids + (size_t)l * v->len, v->len);
        b->starts[lists] = at;
        at += number[l];
        number[l] = lists++;
    }
    for (uint32_t r = 0; r < rows; r++) {
        b->nearest[r] = number[b->nearest[r]];
        b->order[b->starts[b->nearest[r]]++] = r;
    }
    for (uint32_t l = lists; l != 0; l--) b->starts[l] = b->starts[l - 1];
    b->starts[0] = 0;
    omen_free(m, number, all * sizeof *number);
    omen_kmeans_deinit(&b->cluster);
    v->lists = lists;
    v->starts = b->starts;
    v->order = b->order;
    v->centroids = b->centroids;
    v->centroid_bias = b->centroid_bias;
    if (!v->bits) omen_ivf_fill_bias(v, b->centroid_bias);
    if (omen_ivf_residual(v)) {
        b->stage = v->codec == OMEN_CODEC_PQ ? TRAIN : RESIDUALS;
        return OMEN_OK;
    }
    v->codes = b->codes;
    v->bias = b->bias;
    b->hand = omen_alloc(m, v->len);
    if (b->hand == NULL) return out_of_memory(err);
    memset(b->nearest, 0, rows * sizeof *b->nearest);
    b->stage = ARRANGE;
    return OMEN_OK;
}

/* Puts codes into the order of the lists where they are, cycle by cycle: position p takes the code of row order[p]. */
static void arrange(omen_ivf_build *b) {
    uint32_t rows = b->view.rows, len = b->view.len, moves = 0;
    while (moves++ < MOVES) {
        if (!b->in_cycle) {
            while (b->cycle < rows && b->nearest[b->cycle] != 0) b->cycle++;
            if (b->cycle == rows) {
                b->stage = TRUTH;
                return;
            }
            b->in_cycle = true;
            b->cycle_at = b->cycle;
            memcpy(b->hand, b->codes + (size_t)b->cycle * len, len);
            if (b->bias != NULL) b->hand_bias = b->bias[b->cycle];
        }
        uint32_t at = b->cycle_at, from = b->order[at];
        bool last = from == b->cycle;
        memcpy(b->codes + (size_t)at * len, last ? b->hand : b->codes + (size_t)from * len, len);
        if (b->bias != NULL) b->bias[at] = last ? b->hand_bias : b->bias[from];
        b->nearest[at] = 1;
        b->cycle_at = from;
        b->in_cycle = !last;
    }
}

/* ---- residuals ---- */

static omen_status begin_residuals(omen_ivf_build *b, omen_error *err) {
    omen_mem *m = mem_of(b);
    omen_ivf *v = &b->view;
    bool pq = v->codec == OMEN_CODEC_PQ;
    if (omen_ivf_residual_init(v, m, v->coarse.lead, b->base.options.bits, b->base.source.metric == OMEN_METRIC_IP) != OMEN_OK) return out_of_memory(err);
    if (pq) {
        v->blocks = omen_alloc(m, (v->lists + (size_t)1) * sizeof *v->blocks);
        b->loose = omen_alloc(m, (size_t)b->tasks * v->pq.parts);
        if (v->blocks == NULL || b->loose == NULL) return out_of_memory(err);
        omen_ivf_count_blocks(v);
    }
    v->stride = pq ? v->pq.parts / 2 : (uint32_t)omen_rabitq_bytes(&v->rabitq, 1);
    uint64_t bytes = omen_ivf_code_bytes(v) + 64;
    b->residuals = bytes > SIZE_MAX ? NULL : omen_alloc_zero(m, (size_t)bytes);
    if (b->residuals == NULL) return out_of_memory(err);
    b->residual_bytes = bytes;
    omen_ivf_set_codes(v, b->residuals);
    return OMEN_OK;
}

/* What a row differs from its list's centroid. */
static void residual_of(const omen_ivf_build *b, uint32_t row, uint32_t list, float *out) {
    const omen_ivf *v = &b->view;
    const int8_t *code = (const int8_t *)b->codes + (size_t)row * v->len, *centroid = (const int8_t *)v->centroids + (size_t)list * v->len;
    for (uint32_t i = 0; i < v->coarse.lead; i++) out[i] = (float)(code[i] - centroid[i]) * v->coarse.scale;
}

/* PQ's points, of a sample of residuals. */
static omen_status train(omen_ivf_build *b, omen_error *err) {
    omen_ivf *v = &b->view;
    if (b->residuals == NULL) OMEN_TRY(begin_residuals(b, err));
    if (b->sample == NULL) {
        b->sampled = sample_count(&b->base.source);
        b->sample = omen_alloc(mem_of(b), (size_t)b->sampled * v->coarse.lead * sizeof(float));
        if (b->sample == NULL) return out_of_memory(err);
        for (uint32_t i = 0; i < b->sampled; i++) {
            uint32_t row = (uint32_t)((uint64_t)i * v->rows / b->sampled);
            residual_of(b, row, b->nearest[row], b->sample + (size_t)i * v->coarse.lead);
        }
    }
    for (uint32_t n = 0; n < RUNS && b->run < v->pq.parts; n++, b->run++)
        if (omen_pq_train_run(&v->pq, b->run, b->sample, b->sampled) != OMEN_OK) return out_of_memory(err);
    if (b->run == v->pq.parts) b->stage = RESIDUALS;
    return OMEN_OK;
}

static void encode_list(const omen_ivf_build *b, uint32_t list, size_t task) {
    const omen_ivf *v = &b->view;
    float *r = b->task_scratch + task * b->task_floats, *centroid = r + v->coarse.lead, *scratch = centroid + v->coarse.lead;
    bool pq = v->codec == OMEN_CODEC_PQ;
    float *add = pq ? (float *)(void *)(b->residuals + ((const uint8_t *)v->add - v->codes)) : NULL;
    omen_ivf_centroid(v, list, centroid);
    for (uint32_t at = v->starts[list]; at < v->starts[list + 1]; at++) {
        uint32_t row = v->order[at];
        int32_t inside = omen_kmeans_bias(b->codes + (size_t)row * v->len, v->len, v->coarse.metric == OMEN_METRIC_IP);
        float rest = (float)(b->bias[row] - inside) * v->coarse.scale * v->coarse.scale;
        residual_of(b, row, list, r);
        if (pq) {
            uint8_t *codes = b->loose + task * v->pq.parts;
            float all = omen_pq_encode(&v->pq, r, centroid, codes) + rest;
            add[at] = all < 3.4e38f ? all : 3.4e38f;
            omen_pq_pack(&v->pq, codes, at - v->starts[list], b->residuals + (omen_ivf_packed(v, list) - v->codes));
        } else {
            omen_rabitq_encode(&v->rabitq, r, centroid, rest, &v->residuals, at, scratch);
        }
    }
}

static void encode_lists(void *arg, size_t task) {
    const omen_ivf_build *b = arg;
    for (uint32_t l = b->list + (uint32_t)task; l < b->list_end; l += b->tasks) encode_list(b, l, task);
}

static omen_status residuals(omen_ivf_build *b, omen_error *err) {
    omen_mem *m = mem_of(b);
    const omen_ivf *v = &b->view;
    if (b->residuals == NULL) OMEN_TRY(begin_residuals(b, err));
    b->list_end = b->list + 1;
    while (b->list_end < v->lists && v->starts[b->list_end + 1] - v->starts[b->list] <= CHUNK_ROWS * b->tasks) b->list_end++;
    omen_parallel(m->host, b->tasks, encode_lists, b);
    b->list = b->list_end;
    if (b->list < v->lists) return OMEN_OK;
    drop_codes(b);
    b->stage = TRUTH;
    return OMEN_OK;
}

/* ---- the audit ---- */

static omen_status truth(omen_ivf_build *b, omen_error *err) {
    if (b->audit.queries == 0) {
        b->stage = WRITE;
        return OMEN_OK;
    }
    OMEN_TRY(fill_chunk(b, err));
    omen_audit_compare(&b->audit, b->chunk, b->chunk_first, b->chunk_rows);
    b->chunk_rows = 0;
    b->base.progress = 700u + (uint32_t)(150u * (uint64_t)b->row / b->view.rows);
    if (b->row < b->view.rows) return OMEN_OK;
    b->row = 0;
    b->stage = AUDIT;
    return OMEN_OK;
}

/* 1, 2, 4, 6, 8, 12, 16, 24, ... lists */
static uint32_t ladder(uint32_t n) { return n == 0 ? 1u : n == 1 ? 2u : n % 2 == 0 ? 2u << n / 2 : 3u << n / 2; }

/* One effort a step. Where the last true neighbour stands among the candidates says how many need to be re-ranked: as many as lose one in 1,000 of those found. */
static omen_status audit(omen_ivf_build *b, omen_error *err) {
    omen_audit *a = &b->audit;
    const omen_ivf *v = &b->view;
    uint32_t effort = OMEN_MIN(ladder(a->point_count), v->lists), truths = omen_audit_truths(a), found = 0, at[AUDIT_WANT] = {0};
    if (b->scan == NULL) {
        b->scan = omen_alloc(mem_of(b), sizeof *b->scan);
        if (b->scan == NULL) return out_of_memory(err);
        omen_ivf_scan_init(b->scan, mem_of(b));
    }
    if (b->held_back == NULL) {
        b->held_back = omen_bits_new(mem_of(b), v->rows);
        if (b->held_back == NULL) return out_of_memory(err);
        for (uint32_t q = 0; q < a->queries; q++) (void)omen_bits_set(b->held_back, a->rows[q]);
    }
    omen_may filter = {.dead = b->held_back};
    for (uint32_t q = 0; q < a->queries; q++) {
        if (omen_ivf_scan_room(b->scan, v, effort, AUDIT_WANT) != OMEN_OK) return out_of_memory(err);
        omen_ivf_search(v, b->scan, omen_audit_query(a, q), &filter);
        for (uint32_t i = 0; i < b->scan->found.len; i++) {
            if (omen_audit_find(a, q, omen_pick_id(b->scan->found.keys[i])) == OMEN_AUDIT_K) continue;
            at[i]++;
            found++;
        }
    }
    uint32_t want = AUDIT_WANT, left = found;
    while (want > OMEN_AUDIT_K && left - at[want - 1] + found / 1000 >= found) left -= at[--want];
    /* What lies outside the leading directions blurs few distances, but those much: the audit's queries are too few to see them all. */
    if (v->coarse.projected) want = OMEN_MIN(want * 2, AUDIT_WANT);
    uint32_t recall = truths == 0 ? 65536u : (uint32_t)((uint64_t)left * 65536u / truths);
    a->points[a->point_count++] = (omen_index_point){effort, want, recall};
    bool useless = a->point_count >= 4 && recall <= a->points[a->point_count - 4].recall && recall > 65536u / 100 * 97;
    if (a->point_count == OMEN_INDEX_POINTS || effort == v->lists || recall >= 65536u - 65536u / 1000 || useless) b->stage = WRITE;
    b->base.progress = 850u + 5u * a->point_count;
    return OMEN_OK;
}

/* ---- the steps ---- */

static omen_status build_step(omen_index_build *base, omen_segment_info *info, bool *done, omen_error *err) {
    omen_ivf_build *b = (omen_ivf_build *)base;
    *done = false;
    switch (b->stage) {
        case READ_SAMPLE: return read_sample(b, err);
        case ENCODE: return encode(b, err);
        case CLUSTER: return cluster(b, err);
        case ASSIGN: return assign(b, err);
        case GATHER: return gather(b, err);
        case ARRANGE:
            arrange(b);
            return OMEN_OK;
        case TRAIN: return train(b, err);
        case RESIDUALS: return residuals(b, err);
        case TRUTH: return truth(b, err);
        case AUDIT: return audit(b, err);
        case WRITE:
            OMEN_TRY(omen_ivf_write_step(b, info, done, err));
            base->progress = 950;
            if (*done) {
                base->progress = 1000;
                b->stage = DONE;
            }
            return OMEN_OK;
        default: return omen_fail(err, OMEN_ERR_INTERNAL, "a finished index build was stepped again");
    }
}

static void build_free(omen_index_build *base) {
    omen_ivf_build *b = (omen_ivf_build *)base;
    omen_mem *m = mem_of(b);
    const omen_ivf *v = &b->view;
    omen_segment_writer_free(b->out);
    omen_kmeans_deinit(&b->cluster);
    if (b->scan != NULL) omen_ivf_scan_deinit(b->scan);
    omen_free(m, b->scan, sizeof *b->scan);
    omen_bits_unref(b->held_back);
    drop_codes(b);
    omen_free(m, b->nearest, v->rows * sizeof *b->nearest);
    omen_free(m, b->order, v->rows * sizeof *b->order);
    omen_free(m, b->starts, (b->lists_cap + (size_t)1) * sizeof *b->starts);
    omen_free(m, b->centroids, (size_t)b->lists_cap * v->len);
    omen_free(m, b->centroid_bias, b->lists_cap * sizeof *b->centroid_bias);
    omen_free(m, b->task_row, (size_t)b->tasks * v->coarse.stride);
    omen_free(m, b->task_scratch, b->tasks * b->task_floats * sizeof(float));
    omen_free(m, b->residuals, b->residual_bytes);
    omen_free(m, b->loose, (size_t)b->tasks * v->pq.parts);
    omen_free(m, b->sample, (size_t)b->sampled * v->coarse.lead * sizeof(float));
    omen_free(m, v->blocks, (v->lists + (size_t)1) * sizeof *v->blocks);
    omen_rabitq_deinit(&b->view.rabitq);
    omen_pq_deinit(&b->view.pq);
    omen_free(m, b->assign_scratch, b->tasks * omen_kmeans_scratch(v->len));
    omen_free(m, b->hand, v->len);
    if (b->chunk != NULL) drop_chunk(b);
    omen_audit_deinit(&b->audit);
    if (v->coarse_ready) omen_sq8_deinit(&b->view.coarse);
    omen_free(m, b, sizeof *b);
}

const omen_index_builder omen_ivf_builder = {build_new, build_step, build_free, omen_ivf_verify, omen_ivf_verify_free};
