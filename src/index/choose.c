#include "index/choose.h"

/* Below, a scan of all rows takes about as long as a walk through a graph does: some tens of microseconds. */
#define FEW_ROWS 4096u
#define FEW_VALUES (UINT64_C(1) << 20)
/* Any index that is asked for by name needs this many. */
#define LEAST_ROWS 64u

static uint64_t code_bytes(const omen_index_case *c) {
    if (c->element == OMEN_ELEMENT_BIT) return c->dimensions / 8;
    return (c->dimensions + UINT64_C(67)) / 64 * 64;
}

uint32_t omen_index_default_m(uint32_t dimensions, omen_metric metric) {
    /* Low dimensions and angles spread neighbours in more directions than 31 links tell. */
    return dimensions <= 160 && metric != OMEN_METRIC_L2 ? 48 : 32;
}

uint64_t omen_index_estimate(omen_index_kind kind, const omen_index_case *c) {
    uint32_t m = c->m != 0 ? c->m : omen_index_default_m(c->dimensions, c->metric);
    switch (kind) {
        case OMEN_INDEX_HNSW: return c->rows * (code_bytes(c) + 4u * m + m / 4u + 8u); /* a fifteenth of the rows has half as many links above the base */
        case OMEN_INDEX_IVF: return c->rows * (code_bytes(c) + 4u) + 4096u * code_bytes(c) / 16u + (UINT64_C(1) << 16);
        case OMEN_INDEX_DISK: return c->rows / UINT64_C(16) * (code_bytes(c) + 80u) + (UINT64_C(1) << 20);
        default: return 0;
    }
}

const char *omen_index_reason(omen_index_kind kind) {
    switch (kind) {
        case OMEN_INDEX_HNSW: return "a graph and its codes fit the memory for indexes, and it is the fastest";
        case OMEN_INDEX_IVF: return "a graph does not fit the memory for indexes, lists of codes do";
        case OMEN_INDEX_DISK: return "no index fits the memory for indexes: blocks of a graph are read on demand";
        default: return "few rows: comparing all of them takes no longer than an index would";
    }
}

/* Lists of RABITQ codes: the most bits a dimension that fit, 4 to 2, or 0. The numbers beside a code, and its row, take 32 bytes. */
static uint32_t short_codes(const omen_index_case *c) {
    if (c->element == OMEN_ELEMENT_BIT || c->needs[1] > c->budget) return 0;
    for (uint32_t bits = 4; bits >= 2; bits--)
        if (c->rows * (omen_round_up(c->dimensions, 64) * bits / 8u + 32u) + 512u * code_bytes(c) + (UINT64_C(1) << 16) <= c->budget) return bits;
    return 0;
}

static bool fits(omen_index_kind kind, const omen_index_case *c) {
    uint64_t known = c->needs[kind == OMEN_INDEX_IVF];
    return OMEN_MAX(omen_index_estimate(kind, c), known) <= c->budget;
}

omen_index_choice omen_index_choose(const omen_index_options *wanted, const omen_index_case *c) {
    omen_index_choice out = {*wanted, "asked for by name", 0};
    omen_index_kind kind = wanted->kind;
    if (kind == OMEN_INDEX_FLAT) return out;
    if (kind != OMEN_INDEX_AUTO) {
        if (c->rows < LEAST_ROWS) {
            out.options.kind = OMEN_INDEX_FLAT;
            out.why = "too few rows for an index: all are compared";
        } else if (kind != OMEN_INDEX_DISK && c->needs[kind == OMEN_INDEX_IVF] > c->budget) {
            out.options.kind = OMEN_INDEX_FLAT;
            out.needs = c->needs[kind == OMEN_INDEX_IVF];
            out.why = "the index that was asked for does not fit the memory for indexes: raise index_bytes, or ask for auto or disk";
        }
        return out;
    }
    if (c->rows < FEW_ROWS || (uint64_t)c->rows * c->dimensions < FEW_VALUES) {
        kind = OMEN_INDEX_FLAT;
        out.why = omen_index_reason(kind);
    } else if (c->dead > c->rows / 4) {
        kind = OMEN_INDEX_FLAT;
        out.why = "more than a quarter of the rows were replaced or deleted: the segment will be rewritten, and indexed then";
    } else if (fits(OMEN_INDEX_HNSW, c)) {
        kind = OMEN_INDEX_HNSW;
        out.why = omen_index_reason(kind);
    } else if (fits(OMEN_INDEX_IVF, c)) {
        kind = OMEN_INDEX_IVF;
        out.why = omen_index_reason(kind);
    } else if ((wanted->codec == OMEN_CODEC_AUTO || wanted->codec == OMEN_CODEC_RABITQ) && wanted->bits == 0 && short_codes(c) != 0) {
        kind = OMEN_INDEX_IVF;
        out.options.codec = OMEN_CODEC_RABITQ;
        out.options.bits = short_codes(c);
        out.why = "neither a graph nor lists of 8-bit codes fit the memory for indexes, lists of shorter codes do";
    } else {
        kind = OMEN_INDEX_DISK;
        out.why = omen_index_reason(kind);
    }
    out.options.kind = kind;
    if (kind != OMEN_INDEX_IVF) {
        out.options.codec = OMEN_CODEC_AUTO;
        out.options.lists = out.options.bits = 0;
    }
    return out;
}

static int rank(const omen_index_options *o) {
    switch (o->kind) {
        case OMEN_INDEX_HNSW: return 4;
        case OMEN_INDEX_IVF: return o->codec == OMEN_CODEC_RABITQ || o->codec == OMEN_CODEC_PQ ? 2 : 3;
        case OMEN_INDEX_DISK: return 1;
        default: return 0;
    }
}

bool omen_index_better(const omen_index_options *chosen, const omen_index_options *have) { return rank(chosen) > rank(have); }

static bool same(uint32_t have, uint32_t wanted) { return wanted == 0 || have == wanted; }

bool omen_index_suits(const omen_index_options *have, const omen_index_options *wanted) {
    bool graph = have->kind != OMEN_INDEX_IVF;
    if (wanted->kind == OMEN_INDEX_FLAT) return false;
    if (wanted->kind != OMEN_INDEX_AUTO && have->kind != wanted->kind) return false;
    if (graph) return same(have->m, wanted->m) && same(have->ef_construction, wanted->ef_construction);
    return same((uint32_t)have->codec, (uint32_t)wanted->codec) && same(have->lists, wanted->lists) && (have->codec != OMEN_CODEC_RABITQ || same(have->bits, wanted->bits));
}
