/* ivf.c - inverted lists in memory: opening, searching, verifying. */
#include "index/ivf.h"

typedef struct ivf_search {
    omen_index_search base;
    omen_ivf_scan scan;
    omen_index_hit *hits;
    uint32_t hit_cap;
} ivf_search;

typedef struct ivf {
    omen_ivf view;
    uint8_t *codec, *centroids, *lists, *codes;
    uint64_t codec_len, centroids_len, lists_len, codes_len;
    size_t codec_done, centroids_done, lists_done, codes_done;
    uint32_t lead; /* dimensions of a code, 0 for BIT */
    bool listed;   /* the lists were checked */
    _Atomic(ivf_search *) spare; /* kept from the last search, so that a search allocates nothing */
} ivf;

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory opening an index"); }

/* ---- opening ---- */

static omen_status read_shape(omen_index *x, ivf *h, omen_error *err) {
    omen_ivf *v = &h->view;
    const uint8_t *own = x->meta + OMEN_INDEX_META_FIXED;
    if (x->meta_len != OMEN_IVF_META) return omen_index_damaged(x, err, "the description of lists has the wrong size");
    v->rows = x->rows;
    v->dimensions = x->dimensions;
    v->bits = x->element == OMEN_ELEMENT_BIT;
    v->lists = omen_get32(own);
    v->len = omen_get32(own + 4);
    v->stride = omen_get32(own + 8);
    h->lead = omen_get32(own + 12);
    if (v->lists == 0 || v->lists > OMEN_IVF_LISTS_MAX || v->lists > v->rows || v->lists > x->options.lists || x->options.lists > OMEN_IVF_LISTS_MAX || h->lead > x->dimensions || (h->lead == 0) != v->bits)
        return omen_index_damaged(x, err, "the description of lists is impossible");
    v->codec = v->bits ? OMEN_CODEC_SQ8 : x->options.codec;
    bool known = x->options.codec == OMEN_CODEC_SQ8 || x->options.codec == OMEN_CODEC_RABITQ || x->options.codec == OMEN_CODEC_PQ;
    if (!known || (x->options.codec == OMEN_CODEC_RABITQ ? x->options.bits - 1 > 7 : x->options.bits != 0)) return omen_index_damaged(x, err, "the lists have an unknown codec");
    const omen_section *codec = omen_segment_section(x->segment, OMEN_SECTION_INDEX_CODEC, 0);
    if (codec == NULL || codec->raw_len > 1u << 28 || (v->bits && codec->raw_len != 0)) return omen_index_damaged(x, err, "the lists have no quantiser of the right size");
    h->codec_len = codec->raw_len;
    return OMEN_OK;
}

/* The quantisers: of residuals, where there are any, and of centroids. */
static omen_status take_codec(omen_index *x, ivf *h, omen_error *err) {
    omen_ivf *v = &h->view;
    size_t points = 0;
    if (omen_ivf_residual(v)) {
        if (omen_ivf_residual_init(v, x->store->mem, h->lead, x->options.bits, x->metric == OMEN_METRIC_IP) != OMEN_OK) return out_of_memory(err);
        if (v->codec == OMEN_CODEC_PQ) points = omen_pq_points_bytes(&v->pq);
        if (h->codec_len < points) return omen_index_damaged(x, err, "the lists have no quantiser of the right size");
        if (points != 0) memcpy(v->pq.points, h->codec, points);
        if (points != 0 && !omen_pq_sound(&v->pq)) return omen_index_damaged(x, err, "a point of the quantiser is impossible");
        omen_index_hold(x, (int64_t)points);
    }
    omen_status s = omen_sq8_load(&v->coarse, x->store->mem, x->metric, x->dimensions, h->codec + points, (size_t)(h->codec_len - points), err);
    if (s == OMEN_ERR_CORRUPT) s = omen_index_damaged(x, err, "the quantiser of the lists is malformed");
    OMEN_TRY(s);
    v->coarse_ready = true;
    omen_index_hold(x, (int64_t)(h->codec_len - points));
    if (v->coarse.lead != h->lead) return omen_index_damaged(x, err, "the quantiser of the lists is another than their description says");
    return OMEN_OK;
}

static omen_status load_codec(omen_index *x, ivf *h, omen_error *err) {
    omen_ivf *v = &h->view;
    uint32_t len = omen_ivf_bit_bytes(x->dimensions), stride = len;
    if (!v->bits && !v->coarse_ready) {
        OMEN_TRY(omen_index_load(x, OMEN_SECTION_INDEX_CODEC, h->codec_len, &h->codec, &h->codec_done, err));
        OMEN_TRY(take_codec(x, h, err));
        omen_index_unload(x, h->codec, h->codec_len);
        h->codec = NULL;
    }
    if (!v->bits) len = stride = v->coarse.len;
    if (omen_ivf_residual(v)) stride = v->codec == OMEN_CODEC_PQ ? v->pq.parts / 2 : (uint32_t)omen_rabitq_bytes(&v->rabitq, 1);
    if (v->len != len || v->stride != stride) return omen_index_damaged(x, err, "the codes of the lists have another size than their quantiser's");
    h->centroids_len = (uint64_t)v->lists * len;
    h->lists_len = ((uint64_t)v->lists + 1 + v->rows) * 4;
    return OMEN_OK;
}

/* Every number that a search follows: where lists begin, and which rows they hold, each once. */
static omen_status check_lists(omen_index *x, const omen_ivf *v, omen_error *err) {
    bool good = v->starts[0] == 0 && v->starts[v->lists] == v->rows;
    for (uint32_t l = 0; l < v->lists && good; l++) good = v->starts[l] < v->starts[l + 1];
    if (!good) return omen_index_damaged(x, err, "the beginnings of the lists are out of order");
    omen_bits *seen = omen_bits_new(x->store->mem, v->rows);
    if (seen == NULL) return out_of_memory(err);
    for (uint32_t l = 0; l < v->lists && good; l++)
        for (uint32_t i = v->starts[l]; i < v->starts[l + 1] && good; i++)
            good = v->order[i] < v->rows && (i == v->starts[l] || v->order[i] > v->order[i - 1]) && omen_bits_set(seen, v->order[i]);
    omen_bits_unref(seen);
    return good ? OMEN_OK : omen_index_damaged(x, err, "a row of the lists does not exist, is out of order or stands in two of them");
}

static omen_status ivf_open(omen_index *x, omen_error *err) {
    ivf *h = x->state;
    if (h == NULL) {
        h = x->state = omen_alloc_zero(x->store->mem, sizeof *h);
        if (h == NULL) return out_of_memory(err);
        OMEN_TRY(read_shape(x, h, err));
    }
    omen_ivf *v = &h->view;
    OMEN_TRY(load_codec(x, h, err));
    OMEN_TRY(omen_index_load(x, OMEN_SECTION_INDEX_CENTROIDS, h->centroids_len, &h->centroids, &h->centroids_done, err));
    OMEN_TRY(omen_index_load(x, OMEN_SECTION_INDEX_LISTS, h->lists_len, &h->lists, &h->lists_done, err));
    v->centroids = h->centroids;
    v->starts = (const uint32_t *)(const void *)h->lists;
    v->order = v->starts + v->lists + 1;
    if (!h->listed) OMEN_TRY(check_lists(x, v, err));
    h->listed = true;
    if (v->codec == OMEN_CODEC_PQ && v->blocks == NULL) {
        v->blocks = omen_alloc(x->store->mem, (v->lists + (size_t)1) * sizeof *v->blocks);
        if (v->blocks == NULL) return out_of_memory(err);
        omen_index_hold(x, (int64_t)((v->lists + (size_t)1) * sizeof *v->blocks));
        omen_ivf_count_blocks(v);
    }
    h->codes_len = omen_ivf_code_bytes(v);
    OMEN_TRY(omen_index_load(x, OMEN_SECTION_INDEX_CODES, h->codes_len, &h->codes, &h->codes_done, err));
    omen_ivf_set_codes(v, h->codes);
    if (v->bits) return OMEN_OK;
    v->centroid_bias = omen_alloc(x->store->mem, v->lists * sizeof *v->centroid_bias);
    if (v->centroid_bias == NULL) return out_of_memory(err);
    omen_index_hold(x, (int64_t)(v->lists * sizeof *v->centroid_bias));
    omen_ivf_fill_bias(v, v->centroid_bias);
    return OMEN_OK;
}

static void search_free(omen_mem *m, ivf_search *s) {
    if (s == NULL) return;
    omen_ivf_scan_deinit(&s->scan);
    omen_free(m, s->hits, s->hit_cap * sizeof *s->hits);
    omen_free(m, s, sizeof *s);
}

static void ivf_close(omen_index *x) {
    ivf *h = x->state;
    if (h == NULL) return;
    search_free(x->store->mem, atomic_load(&h->spare));
    omen_free(x->store->mem, h->view.centroid_bias, h->view.lists * sizeof(int32_t));
    if (h->view.coarse_ready) omen_sq8_deinit(&h->view.coarse);
    omen_rabitq_deinit(&h->view.rabitq);
    omen_pq_deinit(&h->view.pq);
    omen_free(x->store->mem, h->view.blocks, (h->view.lists + (size_t)1) * sizeof(uint32_t));
    omen_index_unload(x, h->codec, h->codec_len);
    omen_index_unload(x, h->centroids, h->centroids_len);
    omen_index_unload(x, h->lists, h->lists_len);
    omen_index_unload(x, h->codes, h->codes_len);
    omen_free(x->store->mem, h, sizeof *h);
    x->state = NULL;
}

/* ---- searching ---- */

static omen_status ivf_search_begin(omen_index *x, const omen_index_query *q, omen_index_search **out, omen_error *err) {
    ivf *h = x->state;
    omen_mem *m = x->store->mem;
    ivf_search *s = atomic_exchange_explicit(&h->spare, NULL, memory_order_acq_rel);
    if (s == NULL) {
        s = omen_alloc(m, sizeof *s);
        if (s == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
        s->hits = NULL;
        s->hit_cap = 0;
        omen_ivf_scan_init(&s->scan, m);
    }
    s->base = (omen_index_search){.index = x, .query = *q};
    uint32_t want = OMEN_MIN(q->want, x->rows);
    omen_status status = omen_ivf_scan_room(&s->scan, &h->view, q->effort, want);
    if (status == OMEN_OK && want > s->hit_cap) {
        omen_free(m, s->hits, s->hit_cap * sizeof *s->hits);
        s->hits = omen_alloc(m, want * sizeof *s->hits);
        s->hit_cap = s->hits == NULL ? 0 : want;
        if (s->hits == NULL) status = OMEN_ERR_MEMORY;
    }
    if (status != OMEN_OK) {
        search_free(m, s);
        return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
    }
    *out = &s->base;
    return OMEN_OK;
}

static omen_status ivf_search_step(omen_index_search *base, omen_error *err) {
    ivf_search *s = (ivf_search *)base;
    const ivf *h = base->index->state;
    omen_may filter = {base->query.accept, base->query.dead};
    bool all = omen_may_all(&filter);
    (void)err;
    omen_ivf_search(&h->view, &s->scan, base->query.vector, all ? NULL : &filter);
    for (uint32_t i = 0; i < s->scan.found.len; i++) {
        uint64_t key = s->scan.found.keys[i];
        s->hits[i] = (omen_index_hit){omen_pick_id(key), omen_pick_rank(key)};
    }
    base->hits = s->hits;
    base->hit_count = s->scan.found.len;
    base->work = (omen_index_work){.distances = s->scan.distances, .bytes = s->scan.bytes, .hops = s->scan.lists.len};
    return OMEN_OK;
}

static void ivf_search_end(omen_index_search *base) {
    ivf *h = base->index->state;
    search_free(base->index->store->mem, atomic_exchange_explicit(&h->spare, (ivf_search *)base, memory_order_acq_rel));
}

/* ---- verifying ---- */

/* What opening has not looked at: bytes behind the codes, and the rows' numbers, which follow from their codes but for what lies outside the leading directions. */
static omen_status check_codes(const omen_index *x, const omen_ivf *v, const uint8_t *codes, const int32_t *bias, uint32_t count, omen_error *err) {
    uint32_t used = v->bits ? v->dimensions / 8 : v->coarse.lead;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *code = codes + (size_t)i * v->len;
        for (uint32_t b = used; b < v->len; b++)
            if (code[b] != 0) return omen_index_damaged(x, err, "bytes behind a code are not zero");
        if (bias == NULL) continue;
        bool product = x->metric == OMEN_METRIC_IP;
        int32_t least = omen_kmeans_bias(code, v->len, product);
        if (product || !v->coarse.projected ? bias[i] != least : bias[i] < least) return omen_index_damaged(x, err, "the number beside a code does not belong to it");
    }
    return OMEN_OK;
}

static omen_status check_residuals(const omen_index *x, const omen_ivf *v, omen_error *err) {
    for (uint32_t l = 0; l < v->lists && v->codec == OMEN_CODEC_PQ; l++)
        if (!omen_pq_padded(&v->pq, omen_ivf_packed(v, l), v->starts[l + 1] - v->starts[l])) return omen_index_damaged(x, err, "codes behind a list are not zero");
    for (uint32_t i = 0; i < v->rows && v->codec == OMEN_CODEC_PQ; i++)
        if (!(v->add[i] - v->add[i] == 0.0f)) return omen_index_damaged(x, err, "the number beside a code is not finite");
    for (uint32_t i = 0; i < v->rows && v->codec == OMEN_CODEC_RABITQ; i++)
        if (!omen_rabitq_sound(&v->rabitq, &v->residuals, i)) return omen_index_damaged(x, err, "the numbers beside a code do not belong to it");
    return OMEN_OK;
}

omen_status omen_ivf_verify(omen_index *x, void **place, omen_error *err) {
    const ivf *h = x->state;
    (void)place;
    OMEN_TRY(check_lists(x, &h->view, err));
    OMEN_TRY(check_codes(x, &h->view, h->view.centroids, NULL, h->view.lists, err));
    if (omen_ivf_residual(&h->view)) return check_residuals(x, &h->view, err);
    return check_codes(x, &h->view, h->view.codes, h->view.bias, h->view.rows, err);
}

void omen_ivf_verify_free(omen_index *x, void *place) { (void)x, (void)place; }

const omen_index_kind_ops omen_index_ivf_ops = {&omen_ivf_builder, ivf_open, ivf_close, ivf_search_begin, ivf_search_step, ivf_search_end};
