/* index.c - what all kinds share: which kind, the meta section, whole sections in memory, references. */
#include "index/audit.h"
#include "index/kinds.h"

static const omen_index_kind_ops *ops_of(uint32_t kind) {
    switch (kind) {
        case OMEN_INDEX_HNSW: return &omen_index_hnsw_ops;
        case OMEN_INDEX_IVF: return &omen_index_ivf_ops;
        case OMEN_INDEX_DISK: return &omen_index_disk_ops;
        default: return NULL;
    }
}

/* ---- building ---- */

omen_status omen_index_build_new(omen_store *st, uint64_t number, const omen_index_options *options, const omen_vectors *source, omen_index_build **out, omen_error *err) {
    const omen_index_kind_ops *ops = ops_of(options->kind);
    OMEN_ASSERT(ops != NULL && source->rows != 0);
    OMEN_TRY(ops->builder->build_new(st, number, options, source, out, err));
    (*out)->ops = ops->builder;
    return OMEN_OK;
}

omen_status omen_index_build_step(omen_index_build *b, omen_segment_info *info, bool *done, omen_error *err) { return b->ops->build_step(b, info, done, err); }
uint32_t omen_index_build_progress(const omen_index_build *b) { return b->progress; }

void omen_index_build_free(omen_index_build *b) {
    if (b != NULL) b->ops->build_free(b);
}

void omen_index_meta_put(const omen_index_build *b, const omen_index_point *points, uint32_t count, uint8_t meta[OMEN_INDEX_META_FIXED]) {
    const omen_index_options *o = &b->options;
    const uint32_t head[12] = {1, (uint32_t)o->kind, b->source.rows, b->source.dimensions, (uint32_t)b->source.metric, (uint32_t)b->source.element, (uint32_t)o->codec,
                               o->m, o->ef_construction, o->lists, o->bits, count};
    memset(meta, 0, OMEN_INDEX_META_FIXED);
    for (uint32_t i = 0; i < 12; i++) omen_put32(meta + 4 * i, head[i]);
    for (uint32_t i = 0; i < count; i++) {
        omen_put32(meta + 48 + 12 * i, points[i].effort);
        omen_put32(meta + 52 + 12 * i, points[i].want);
        omen_put32(meta + 56 + 12 * i, points[i].recall);
    }
}

/* ---- opening ---- */

omen_status omen_index_damaged(const omen_index *x, omen_error *err, const char *what) {
    omen_file_name name = omen_segment_file_name(omen_segment_info_of(x->segment)->number);
    return omen_fail(err, OMEN_ERR_CORRUPT, "%s: %s; the index can be built again from its vectors", name.text, what);
}

static omen_status read_meta(omen_index *x, omen_error *err) {
    const omen_section *s = omen_segment_section(x->segment, OMEN_SECTION_INDEX_META, 0);
    if (s == NULL || s->flags != 0 || s->raw_len < OMEN_INDEX_META_FIXED || s->raw_len > OMEN_INDEX_META_MAX) return omen_index_damaged(x, err, "the index has no description of the right size");
    x->meta_len = (uint32_t)s->raw_len;
    OMEN_TRY(omen_segment_read(x->segment, s, 0, x->meta_len, x->meta, &x->meta_done, err));
    const uint8_t *m = x->meta;
    if (omen_get32(m) != 1) return omen_fail(err, OMEN_ERR_VERSION, "an index was written by a newer OmenDB; upgrade this one");
    if (omen_get32(m + 8) != x->rows || omen_get32(m + 12) != x->dimensions || omen_get32(m + 16) != (uint32_t)x->metric || omen_get32(m + 20) != (uint32_t)x->element)
        return omen_index_damaged(x, err, "the index is of other vectors than its segment's");
    /* A graph in memory is what most have; the other kinds come with what builds them. */
    if (omen_get32(m + 4) != OMEN_INDEX_HNSW) OMEN_TRY(omen_later(err));
    x->ops = ops_of(omen_get32(m + 4));
    if (x->ops == NULL) return omen_index_damaged(x, err, "the index is of no known kind");
    x->options = (omen_index_options){.kind = (omen_index_kind)omen_get32(m + 4), .codec = (omen_codec)omen_get32(m + 24), .m = omen_get32(m + 28),
                                      .ef_construction = omen_get32(m + 32), .lists = omen_get32(m + 36), .bits = omen_get32(m + 40)};
    x->point_count = omen_get32(m + 44);
    if (x->point_count > OMEN_INDEX_POINTS) return omen_index_damaged(x, err, "the index has too many points of its audit");
    for (uint32_t i = 0; i < x->point_count; i++) {
        omen_index_point *p = &x->points[i];
        *p = (omen_index_point){omen_get32(m + 48 + 12 * i), omen_get32(m + 52 + 12 * i), omen_get32(m + 56 + 12 * i)};
        if (p->effort == 0 || p->effort > 1u << 20 || p->want > 1u << 20 || p->recall > 65536 || (i != 0 && p->effort <= p[-1].effort))
            return omen_index_damaged(x, err, "a point of the index's audit is impossible");
    }
    x->known = true;
    return OMEN_OK;
}

/* Bytes of all indexes that will stay. */
static uint64_t staying(const omen_resident *r) {
    uint64_t indexes = atomic_load(&r->indexes), leaving = atomic_load(&r->leaving);
    return indexes > leaving ? indexes - leaving : 0;
}

static omen_status too_large(const omen_index *x, uint64_t need, uint64_t held, omen_error *err) {
    return omen_fail(err, OMEN_ERR_LIMIT, "an index needs %llu bytes, and %llu of %llu for indexes are taken; raise index_bytes, or choose index kind auto or disk", (unsigned long long)need,
                     (unsigned long long)held, (unsigned long long)x->store->resident.limit);
}

/* Before anything is loaded: about all of the file comes into memory. */
static omen_status check_room(omen_index *x, omen_error *err) {
    const omen_resident *r = &x->store->resident;
    uint64_t need = 0, held = staying(r);
    for (size_t i = 0; i < omen_segment_section_count(x->segment); i++)
        if (omen_segment_section_at(x->segment, i)->kind != OMEN_SECTION_INDEX_META) need += omen_segment_section_at(x->segment, i)->raw_len;
    x->fitted = true;
    return r->limit == 0 || x->options.kind == OMEN_INDEX_DISK || held + need <= r->limit ? OMEN_OK : too_large(x, need, held, err);
}

/* Afterwards what it took is known. */
static omen_status check_held(const omen_index *x, omen_error *err) {
    const omen_resident *r = &x->store->resident;
    uint64_t held = staying(r);
    return r->limit == 0 || x->options.kind == OMEN_INDEX_DISK || held <= r->limit ? OMEN_OK : too_large(x, x->memory, held - x->memory, err);
}

static void close_index(omen_index *x) {
    if (x->known) x->ops->close(x);
    omen_index_hold(x, -(int64_t)x->memory);
    if (x->unlink) atomic_fetch_sub(&x->store->resident.leaving, x->left);
    omen_segment_close(x->segment);
    omen_free(x->store->mem, x, sizeof *x);
}

omen_status omen_index_open(omen_store *st, const omen_segment_info *info, uint32_t rows, uint32_t dimensions, omen_metric metric, omen_element element,
                            omen_index **out, omen_error *err) {
    omen_index *x = *out;
    if (x == NULL) {
        x = omen_alloc_zero(st->mem, sizeof *x);
        if (x == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory opening an index");
        x->store = st;
        x->rows = rows;
        x->dimensions = dimensions;
        x->metric = metric;
        x->element = element;
        atomic_init(&x->refs, 1);
        *out = x;
    }
    omen_status s = x->opened ? OMEN_OK : omen_segment_open(st, info, &x->segment, err);
    if (s == OMEN_OK) x->opened = true;
    if (s == OMEN_OK && !x->known) s = read_meta(x, err);
    if (s == OMEN_OK && !x->fitted) s = check_room(x, err);
    if (s == OMEN_OK) s = x->ops->open(x, err);
    if (s == OMEN_OK) s = check_held(x, err);
    if (s != OMEN_OK && s != OMEN_PENDING) {
        close_index(x);
        *out = NULL;
    }
    return s;
}

omen_index *omen_index_ref(omen_index *x) {
    if (x != NULL) atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
    return x;
}

bool omen_index_unref(omen_index *x) {
    if (x == NULL || atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) != 1) return false;
    bool unlink = x->unlink;
    close_index(x);
    return unlink;
}

void omen_index_spoil(omen_index *x) { atomic_store(&x->spoiled, true); }
bool omen_index_spoiled(const omen_index *x) { return atomic_load(&x->spoiled); }
void omen_index_unlink(omen_index *x) {
    if (x->unlink) return;
    x->left = x->memory;
    x->unlink = true;
    atomic_fetch_add(&x->store->resident.leaving, x->left);
}

omen_segment *omen_index_segment(const omen_index *x) { return x->segment; }
const omen_segment_info *omen_index_info(const omen_index *x) { return omen_segment_info_of(x->segment); }
const omen_index_options *omen_index_options_of(const omen_index *x) { return &x->options; }
uint64_t omen_index_memory(const omen_index *x) { return x->memory + sizeof *x; }

const omen_index_point *omen_index_audit(const omen_index *x, uint32_t *count) {
    *count = x->point_count;
    return x->points;
}

omen_index_plan omen_index_plan_for(const omen_index *x, uint32_t k, float recall) {
    omen_index_plan p = {0};
    if (x->options.kind == OMEN_INDEX_IVF) {
        omen_audit_effort(x->points, x->point_count, k, recall, &p.effort, &p.want);
        if (k > OMEN_AUDIT_K) p.effort = (uint32_t)OMEN_MIN((uint64_t)p.effort * k / OMEN_AUDIT_K, 1000000u);
    } else {
        /* Of more hits the last is farther: the reach grows by itself. */
        omen_audit_effort(x->points, x->point_count, k, recall, &p.slack, &p.want);
        p.effort = OMEN_MAX(OMEN_GRAPH_REACH, (uint32_t)OMEN_MIN(p.want * UINT64_C(4), 1u << 20));
        if (x->point_count == 0) p = (omen_index_plan){.effort = 64, .want = p.want}; /* too small to have been audited */
    }
    return p;
}

/* Beginning a search, in vectors compared; codes compared, or rows that are asked whether they may be answered, in the time of one. */
#define BEGIN 8u
#define CODES 8u
#define ASKED 64u
/* Nodes whose blocks a walk on disk reads to answer among all rows. */
#define DISK_NODES 256u

uint64_t omen_index_filtered_cost(const omen_index *x, uint32_t matching, const omen_index_plan *plan) {
    uint64_t rows = x->rows, few = OMEN_MAX(matching, 1u), fixed = BEGIN + OMEN_MIN(plan->want, matching);
    if (x->options.kind == OMEN_INDEX_HNSW) return fixed + matching / CODES; /* at most: of many the walk finds them sooner */
    if (x->options.kind == OMEN_INDEX_DISK) return fixed + DISK_NODES * rows / few;
    uint64_t planned = OMEN_MIN(rows * OMEN_MIN(plan->effort, x->options.lists) / OMEN_MAX(x->options.lists, 1u) + 1, rows), looked = OMEN_MIN(planned * rows / few, rows);
    return fixed + OMEN_MIN(planned, few) / CODES + looked / ASKED;
}

uint32_t omen_index_want(const omen_index *x, uint32_t k, uint32_t effort) {
    /* Graphs: who walks on asks for more than the audit's loss of one in 300, so part of what was walked for is ranked. */
    bool lists = x->options.kind == OMEN_INDEX_IVF;
    uint32_t want = lists ? 40 : OMEN_MIN(effort / 2, 200u);
    for (uint32_t i = 0; i < x->point_count && (!lists || i == 0 || x->points[i - 1].effort < effort); i++) want = OMEN_MAX(want, x->points[i].want);
    return k > OMEN_AUDIT_K ? (uint32_t)OMEN_MIN((uint64_t)want * k / OMEN_AUDIT_K + 1, 1u << 20) : OMEN_MAX(want, k);
}

/* ---- whole sections in memory ---- */

void omen_index_hold(omen_index *x, int64_t bytes) {
    x->memory += (uint64_t)bytes;
    atomic_fetch_add(&x->store->resident.used, (uint64_t)bytes);
    atomic_fetch_add(&x->store->resident.indexes, (uint64_t)bytes);
}

#define SLACK 64u

omen_status omen_index_load(omen_index *x, uint32_t kind, uint64_t raw_len, uint8_t **bytes, size_t *done, omen_error *err) {
    const omen_section *s = omen_segment_section(x->segment, kind, 0);
    if (s == NULL || s->flags != 0 || s->raw_len != raw_len || raw_len > SIZE_MAX - SLACK) return omen_index_damaged(x, err, "a section of the index is missing or has the wrong size");
    if (*bytes == NULL) {
        *bytes = omen_alloc(x->store->mem, (size_t)raw_len + SLACK);
        if (*bytes == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory opening an index of %llu bytes; raise memory_bytes, or choose index kind disk", (unsigned long long)raw_len);
        memset(*bytes + raw_len, 0, SLACK);
        omen_index_hold(x, (int64_t)(raw_len + SLACK));
    }
    if (raw_len == 0) return OMEN_OK;
    return omen_segment_load(x->segment, s, *bytes, done, err);
}

void omen_index_unload(omen_index *x, uint8_t *bytes, uint64_t raw_len) {
    if (bytes == NULL) return;
    omen_free(x->store->mem, bytes, (size_t)raw_len + SLACK);
    omen_index_hold(x, -(int64_t)(raw_len + SLACK));
}

/* ---- verifying: the container's checksums, then the kind's invariants ---- */

struct omen_index_check {
    omen_segment_check segment;
    bool intact;
    void *own;
};

omen_status omen_index_verify(omen_index *x, omen_index_check **place, omen_error *err) {
    omen_index_check *c = *place;
    if (c == NULL) {
        c = *place = omen_alloc_zero(x->store->mem, sizeof *c);
        if (c == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory checking an index");
    }
    omen_status s = c->intact ? OMEN_OK : omen_segment_verify(x->segment, &c->segment, err);
    if (s == OMEN_OK) {
        c->intact = true;
        s = x->ops->builder->verify(x, &c->own, err);
    }
    if (s != OMEN_PENDING) {
        omen_index_check_free(x, c);
        *place = NULL;
    }
    return s;
}

void omen_index_check_free(omen_index *x, omen_index_check *place) {
    if (place == NULL) return;
    if (place->own != NULL) x->ops->builder->verify_free(x, place->own);
    omen_segment_check_deinit(x->segment, &place->segment);
    omen_free(x->store->mem, place, sizeof *place);
}

/* ---- searching ---- */

omen_status omen_index_search_begin(omen_index *x, const omen_index_query *q, omen_index_search **out, omen_error *err) { return x->ops->search_begin(x, q, out, err); }
omen_status omen_index_search_step(omen_index_search *s, omen_error *err) { return s->index->ops->search_step(s, err); }

const omen_index_hit *omen_index_search_hits(const omen_index_search *s, uint32_t *count, omen_index_work *work) {
    *count = s->hit_count;
    if (work != NULL) *work = s->work;
    return s->hits;
}

bool omen_index_search_lost(const omen_index_search *s) { return s->lost; }

void omen_index_search_end(omen_index_search *s) {
    if (s != NULL) s->index->ops->search_end(s);
}
