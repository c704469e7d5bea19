/* index_target.h - index files whose checksums are right but whose content is anyone's. A small index of every shape is built once; the input then changes bytes
 * of its sections, which are written as a file of their own, opened, searched in several ways, verified and closed.
 *
 * The input: a byte for the shape, a byte for how it is asked, then changes until it ends:
 *   a byte: the section (its lower 4 bits) and what happens to it (the upper 4)
 *     0  bytes:  u24 offset, u8 count, bytes          1  number: u24 which u32 of it, u32
 *     2  length: u8, less 128, to be added            3  it is left out
 *     4  fill:   u24 offset, u16 count, u8            5  all of it: u16 count, bytes
 *     6  copy:   u24 from, u24 to, u16 count          7  block length: u32
 *     8  twist:  u24 which u32 of it, i8 to be added  9  swap: u24, u24 which two numbers of it
 *    10  float:  u24 which u32 of it, u8 which of the odd ones
 *   Places are taken modulo the section's size.
 *
 * What must hold: nothing crashes, hangs or is lost; a search answers rows that exist, ascending and not excluded; each once, and as many as there are where the
 * effort covers all, in a file that verifying calls sound. Which rows they are is free. */
#ifndef OMEN_FUZZ_INDEX_TARGET_H
#define OMEN_FUZZ_INDEX_TARGET_H

#include "test.h"

#include "index/ivf_model.h"
#include "index/walk.h"
#include "store/segment_format.h"

#define SECTIONS_MAX 8u

typedef struct shape {
    omen_metric metric;
    uint32_t rows, dimensions, lead;
    omen_index_options options;
} shape;

#define GRAPH(links) {.m = (links), .ef_construction = 12}
/* No level above the base, one, two; projected codes, inner products, bits. Of HNSW and DISK. The last comes seldom, for it is large. */
static const shape graphs[] = {
    {OMEN_METRIC_L2, 700, 20, 20, GRAPH(8)},      {OMEN_METRIC_IP, 620, 52, 52, GRAPH(6)}, {OMEN_METRIC_COSINE, 700, 136, 12, GRAPH(8)},
    {OMEN_METRIC_HAMMING, 600, 72, 72, GRAPH(8)}, {OMEN_METRIC_L2, 60, 8, 8, GRAPH(4)},    {OMEN_METRIC_HAMMING, 9000, 16, 16, GRAPH(4)},
};

#define LISTS(code, width) {.lists = 12, .codec = (code), .bits = (width)}
/* Every codec. */
static const shape lists[] = {
    {OMEN_METRIC_L2, 500, 20, 20, LISTS(OMEN_CODEC_SQ8, 0)},    {OMEN_METRIC_COSINE, 700, 136, 12, LISTS(OMEN_CODEC_SQ8, 0)},
    {OMEN_METRIC_IP, 400, 52, 52, LISTS(OMEN_CODEC_SQ8, 0)},    {OMEN_METRIC_HAMMING, 500, 72, 72, LISTS(OMEN_CODEC_SQ8, 0)},
    {OMEN_METRIC_L2, 500, 70, 70, LISTS(OMEN_CODEC_RABITQ, 1)}, {OMEN_METRIC_COSINE, 700, 136, 12, LISTS(OMEN_CODEC_RABITQ, 4)},
    {OMEN_METRIC_IP, 400, 52, 52, LISTS(OMEN_CODEC_RABITQ, 8)}, {OMEN_METRIC_L2, 500, 20, 20, LISTS(OMEN_CODEC_PQ, 0)},
    {OMEN_METRIC_IP, 400, 52, 52, LISTS(OMEN_CODEC_PQ, 0)},
};

/* The content of an index file. */
typedef struct content {
    unsigned count;
    uint8_t *bytes[SECTIONS_MAX];
    size_t len[SECTIONS_MAX];
    omen_section section[SECTIONS_MAX];
    bool left_out[SECTIONS_MAX];
} content;

/* What was built of a shape, once. */
typedef struct built {
    bool done;
    uint8_t *vectors;
    content content;
} built;

#define MUST(condition) \
    do { if (!(condition)) { fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); abort(); } } while (0)

static void content_copy(content *to, const content *from) {
    *to = *from;
    for (unsigned i = 0; i < from->count; i++) {
        to->bytes[i] = malloc(from->len[i] + 1);
        memcpy(to->bytes[i], from->bytes[i], from->len[i]);
    }
}

static void content_free(content *c) {
    for (unsigned i = 0; i < c->count; i++) free(c->bytes[i]);
}

static void begin(model *m, const shape *s) {
    model_init(m, s->rows, s->dimensions, s->metric);
    m->options = s->options;
    m->x.mem.limit = m->x.mem.bytes + (64u << 20);
}

static void build(const shape *s, built *b) {
    model m;
    omen_segment *seg = NULL;
    omen_status status;
    test_rng_state = 1;
    begin(&m, s);
    model_fill(&m, 12, s->lead, 0.5f);
    MUST(model_build(&m, NULL) == OMEN_OK);
    STEP(status, omen_segment_open(&m.x.store, &m.info, &seg, NULL));
    MUST(status == OMEN_OK);
    b->content.count = (unsigned)omen_segment_section_count(seg);
    MUST(b->content.count <= SECTIONS_MAX);
    for (unsigned i = 0; i < b->content.count; i++) {
        const omen_section *sec = omen_segment_section_at(seg, i);
        size_t done = 0;
        b->content.section[i] = *sec;
        b->content.len[i] = (size_t)sec->raw_len;
        b->content.bytes[i] = malloc(b->content.len[i] + 1);
        if (sec->raw_len != 0) STEP(status, omen_segment_read(seg, sec, 0, b->content.len[i], b->content.bytes[i], &done, NULL));
        MUST(status == OMEN_OK);
    }
    omen_segment_close(seg);
    b->vectors = m.vectors;
    m.vectors = NULL;
    m.x.mem.limit = 0;
    MUST(model_deinit(&m) == 0);
    b->done = true;
}

/* ---- changes ---- */

typedef struct input { const uint8_t *at, *end; } input;

static uint32_t take(input *in, unsigned bytes) {
    uint32_t v = 0;
    for (unsigned i = 0; i < bytes; i++) v |= in->at < in->end ? (uint32_t)*in->at++ << 8 * i : 0;
    return v;
}

static size_t place(input *in, size_t len) {
    uint32_t at = take(in, 3);
    return len == 0 ? 0 : at % len;
}

static uint8_t *number_at(input *in, const content *c, unsigned i) { return c->bytes[i] + place(in, c->len[i] / 4) * 4; }

static void replace(content *c, unsigned i, size_t len) {
    c->bytes[i] = realloc(c->bytes[i], len + 1);
    if (len > c->len[i]) memset(c->bytes[i] + c->len[i], 0, len - c->len[i]);
    c->len[i] = len;
}

static void change(input *in, content *c) {
    static const uint32_t odd[] = {0x7FC00000u, 0x7F800000u, 0xFF800000u, 0x7F7FFFFFu, 0xFF7FFFFFu, 0x00000001u, 0x80000000u, 0x00800000u, 0x3F800000u, 0x5F000000u, 0x4F000000u, 0xCF000000u, 0x7F800001u};
    uint32_t what = take(in, 1);
    unsigned i = (what & 15) % c->count;
    uint8_t *a, *b, t[4];
    size_t len = c->len[i], from, to, n;
    bool numbers = len >= 4;
    switch (what >> 4) {
        case 0:
            for (from = place(in, len), n = take(in, 1); n != 0 && from < len; n--) c->bytes[i][from++] = (uint8_t)take(in, 1);
            break;
        case 1:
            a = number_at(in, c, i);
            if (numbers) omen_put32(a, take(in, 4));
            break;
        case 2:
            n = take(in, 1);
            replace(c, i, len + n < 128 ? 0 : len + n - 128);
            break;
        case 3: c->left_out[i] = true; break;
        case 4:
            from = place(in, len);
            n = take(in, 2);
            n = OMEN_MIN(n, len - from);
            memset(c->bytes[i] + from, (int)take(in, 1), n);
            break;
        case 5:
            n = take(in, 2);
            n = OMEN_MIN(n, (size_t)(in->end - in->at));
            replace(c, i, n);
            if (n != 0) memcpy(c->bytes[i], in->at, n);
            in->at += n;
            break;
        case 6:
            from = place(in, len);
            to = place(in, len);
            n = take(in, 2);
            n = OMEN_MIN(n, len - OMEN_MAX(from, to));
            if (n != 0) memmove(c->bytes[i] + to, c->bytes[i] + from, n);
            break;
        case 7: c->section[i].block_len = take(in, 4) % OMEN_MAX_BLOCK_BYTES + 1; break;
        case 8:
            a = number_at(in, c, i);
            if (numbers) omen_put32(a, omen_get32(a) + (uint32_t)(int8_t)take(in, 1));
            break;
        case 9:
            a = number_at(in, c, i);
            b = number_at(in, c, i);
            if (!numbers) break;
            memcpy(t, a, 4);
            memcpy(a, b, 4);
            memcpy(b, t, 4);
            break;
        case 10:
            a = number_at(in, c, i);
            if (numbers) omen_put32(a, odd[take(in, 1) % OMEN_ARRAY_LEN(odd)]);
            break;
        default: break;
    }
}

static void content_write(const content *c, model *m) {
    omen_segment_writer *w;
    omen_status s;
    STEP(s, omen_segment_writer_new(&m->x.store, 5, &w, NULL));
    MUST(s == OMEN_OK);
    for (unsigned i = 0; i < c->count; i++) {
        const omen_section *sec = &c->section[i];
        if (c->left_out[i]) continue;
        /* The least block, so that there are not too many for the file's table. */
        uint32_t block_len = OMEN_MAX(sec->block_len, (uint32_t)(c->len[i] / 4096 + 1));
        MUST(omen_segment_section_begin(w, sec->kind, sec->field, 0, block_len, NULL) == OMEN_OK);
        MUST(omen_segment_section_write(w, c->bytes[i], c->len[i], NULL) == OMEN_OK);
        MUST(omen_segment_section_end(w, NULL) == OMEN_OK);
    }
    STEP(s, omen_segment_writer_finish(w, &m->info, NULL));
    MUST(s == OMEN_OK);
    omen_segment_writer_free(w);
}

/* ---- asking ---- */

/* Damage is an answer only of DISK's searches: the others have everything checked before. */
typedef struct asked {
    bool damaged, twice, short_of;
    uint32_t slack; /* in */
} asked;

static void ask(model *m, uint32_t effort, uint32_t want, const omen_bits *dead, bool filtered, asked *a) {
    uint32_t count, rows = m->source.rows, may = 0;
    omen_index_hit *hits;
    omen_index_work work = {0};
    omen_bits *every_third = filtered ? model_every(m, 3, 0) : NULL;
    omen_index_query q = {.vector = m->vectors + effort % rows * m->bytes, .want = want, .effort = effort, .slack = a->slack, .near = 10, .dead = dead, .accept = every_third};
    omen_status s = model_search(m, &q, &hits, &count, &work);
    if (s == OMEN_ERR_CORRUPT && m->options.kind == OMEN_INDEX_DISK) a->damaged = true;
    else MUST(s == OMEN_OK || s == OMEN_ERR_MEMORY);
    MUST(count <= (filtered && a->slack != 0 ? 4 * want : want) && (s == OMEN_OK || count == 0));
    uint8_t *seen = calloc(rows, 1);
    for (uint32_t i = 0; i < count; i++) {
        MUST(hits[i].row < rows);
        MUST(!omen_bits_test(dead, hits[i].row) && (!filtered || hits[i].row % 3 == 0));
        MUST(i == 0 || hits[i - 1].rank < hits[i].rank || (hits[i - 1].rank == hits[i].rank && hits[i - 1].row <= hits[i].row));
        a->twice = a->twice || seen[hits[i].row]++ != 0;
    }
    for (uint32_t r = 0; r < rows; r++) may += !omen_bits_test(dead, r) && (!filtered || r % 3 == 0);
    if (s == OMEN_OK && a->slack == 0 && effort >= rows && count < OMEN_MIN(want, may)) a->short_of = true;
    free(seen);
    free(hits);
    omen_bits_unref(every_third);
}

/* What verifying says. */
static omen_status use(model *m, uint8_t how) {
    static const float recalls[] = {0.0f, 0.5f, 0.95f, 1.0f};
    asked a = {0};
    uint32_t rows = m->source.rows, count;
    omen_bits *dead = omen_bits_new(&m->x.mem, rows);
    MUST(dead != NULL);
    for (uint32_t r = 0; r < rows; r++)
        if ((how & 2) != 0 ? r % 2 == 0 : r % 11 == 0) omen_bits_set(dead, r);
    (void)omen_index_audit(m->index, &count);
    MUST(count <= OMEN_INDEX_POINTS && omen_index_memory(m->index) < 64u << 20);
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(recalls); i++) {
        omen_index_plan p = omen_index_plan_for(m->index, 1 + i * 40, recalls[i]);
        MUST(p.effort != 0 && p.want != 0 && p.want <= 1u << 20 && p.slack <= OMEN_WALK_SLACK_MAX && omen_index_want(m->index, 10, p.effort) >= 10);
        a.slack = p.slack;
        if (i == 1) ask(m, p.effort, p.want, NULL, false, &a);
        if (i == 2) ask(m, p.effort, p.want, dead, true, &a);
        a.slack = 0;
    }
    ask(m, 1, 1, NULL, false, &a);
    ask(m, 40, 20, (how & 1) != 0 ? dead : NULL, false, &a);
    ask(m, 17, 10, dead, true, &a);
    ask(m, rows > 2000 ? 300 : 1u << 20, OMEN_MIN(rows, 2000u), NULL, (how & 4) != 0, &a); /* all rows, where that takes no long time */
    omen_status s = model_check(m, NULL);
    MUST(s == OMEN_OK || s == OMEN_ERR_CORRUPT || s == OMEN_ERR_MEMORY);
    MUST(s != OMEN_OK || (!a.damaged && !a.twice && !a.short_of));
    if ((how & 8) != 0) ask(m, 30, 10, dead, true, &a); /* one that verifying refused is still within bounds */
    omen_bits_unref(dead);
    return s;
}

/* How far the file of an input came. */
typedef enum outcome { REFUSED, DAMAGED, SOUND } outcome;

/* The shape that a first byte chooses, and what was built of it. */
static built *choose(omen_index_kind kind, uint8_t first, shape *made) {
    static built all[OMEN_INDEX_DISK + 1][OMEN_ARRAY_LEN(lists) + OMEN_ARRAY_LEN(graphs)];
    unsigned most = (unsigned)(kind == OMEN_INDEX_IVF ? OMEN_ARRAY_LEN(lists) : OMEN_ARRAY_LEN(graphs)) - 1, which = first < 240 ? first % most : most;
    *made = (kind == OMEN_INDEX_IVF ? lists : graphs)[which];
    made->options.kind = kind;
    if (!all[kind][which].done) build(made, &all[kind][which]);
    return &all[kind][which];
}

static outcome run_one(omen_index_kind kind, const uint8_t *data, size_t size) {
    input in = {data, data + size};
    outcome came = REFUSED;
    shape made;
    if (size < 2) return came;
    built *own = choose(kind, (uint8_t)take(&in, 1), &made);
    uint8_t how = (uint8_t)take(&in, 1);
    content c;
    model m;
    test_rng_state = how;
    content_copy(&c, &own->content);
    for (unsigned n = 0; in.at < in.end && n < 64; n++) change(&in, &c);
    begin(&m, &made);
    memcpy(m.vectors, own->vectors, m.source.rows * m.bytes);
    if ((how & 16) != 0) fault_storage_set_pending(m.fs, 30);
    content_write(&c, &m);
    content_free(&c);
    omen_status s = model_open_index(&m, NULL);
    MUST(s == OMEN_OK || s == OMEN_ERR_CORRUPT || s == OMEN_ERR_VERSION || s == OMEN_ERR_MEMORY);
    MUST((s == OMEN_OK) == (m.index != NULL));
    if (s == OMEN_OK) came = use(&m, how) == OMEN_OK ? SOUND : DAMAGED;
    MUST(fault_storage_misuse(m.fs) == NULL);
    m.x.mem.limit = 0;
    MUST(model_deinit(&m) == 0);
    return came;
}

#endif
