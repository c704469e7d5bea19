#include "text/part_text.h"

/* ---- writing ---- */

struct omen_part_text_writer {
    omen_mem *mem;
    omen_text_reader *reader;
    uint32_t count, field; /* field: the place in writing */
    omen_postings_builder *of[OMEN_TEXT_FIELDS]; /* NULL: its language is not loaded */
};

omen_status omen_part_text_writer_new(omen_text_fields *f, omen_part_text_writer **out, omen_error *err) {
    *out = NULL;
    omen_part_text_writer *w = omen_alloc_zero(f->mem, sizeof *w);
    if (w == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory writing a segment");
    w->mem = f->mem;
    w->count = f->count;
    omen_status s = omen_text_reader_new(f, false, &w->reader, err);
    for (uint32_t i = 0; i < f->count && s == OMEN_OK; i++) {
        omen_postings_options o = omen_text_reader_postings(w->reader, i);
        if (omen_text_reader_available(w->reader, i)) s = omen_postings_builder_new(f->mem, &o, &w->of[i]);
    }
    if (s != OMEN_OK) {
        omen_part_text_writer_free(w);
        return omen_fail(err, s, "out of memory writing a segment");
    }
    *out = w;
    return OMEN_OK;
}

void omen_part_text_writer_free(omen_part_text_writer *w) {
    if (w == NULL) return;
    for (uint32_t i = 0; i < w->count; i++) omen_postings_builder_free(w->of[i]);
    omen_text_reader_free(w->reader);
    omen_free(w->mem, w, sizeof *w);
}

static omen_status add_word(void *ctx, uint32_t field, const void *term, size_t len, uint32_t position) {
    return omen_postings_add(((omen_part_text_writer *)ctx)->of[field], term, len, position);
}

static omen_status add_weight(void *ctx, uint32_t field, uint32_t index, float weight) {
    return omen_postings_add_weight(((omen_part_text_writer *)ctx)->of[field], index, weight);
}

static omen_status take_row(void *ctx, uint32_t row, omen_str document, omen_error *err) {
    omen_part_text_writer *w = ctx;
    const omen_text_sink sink = {w, add_word, add_weight};
    if (document.len == 0) return OMEN_OK;
    for (uint32_t i = 0; i < w->count; i++)
        if (w->of[i] != NULL && omen_postings_row(w->of[i], row) != OMEN_OK) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory writing a segment");
    return omen_text_reader_read(w->reader, document, UINT32_MAX, false, &sink, err);
}

/* A field each time. */
static omen_status write_fields(void *ctx, omen_segment_writer *out, uint32_t rows, bool *done, omen_error *err) {
    omen_part_text_writer *w = ctx;
    *done = false;
    if (w->field < w->count) {
        uint32_t f = w->field++;
        if (w->of[f] != NULL) OMEN_TRY(omen_postings_builder_write(w->of[f], out, f, rows, err));
        omen_postings_builder_free(w->of[f]);
        w->of[f] = NULL;
    }
    *done = w->field == w->count;
    return OMEN_OK;
}

omen_part_extra_writer omen_part_text_writer_hook(omen_part_text_writer *w) { return (omen_part_extra_writer){w, take_row, write_fields}; }

/* ---- reading ---- */

typedef struct part_text {
    omen_mem *mem;
    uint32_t count, opened;
    omen_postings *of[];
} part_text;

static void text_free(void *extra) {
    part_text *t = extra;
    for (uint32_t i = 0; i < t->count; i++) omen_postings_close(t->of[i]);
    omen_free(t->mem, t, sizeof *t + t->count * sizeof *t->of);
}

typedef struct text_check { uint32_t field; omen_postings_check *of; } text_check;

static omen_status text_verify(void *extra, void **place, omen_error *err) {
    part_text *t = extra;
    text_check *c = *place;
    if (c == NULL) {
        c = *place = omen_alloc_zero(t->mem, sizeof *c);
        if (c == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory checking a segment");
    }
    for (; c->field < t->count; c->field++)
        if (t->of[c->field] != NULL) OMEN_TRY(omen_postings_verify(t->of[c->field], &c->of, err));
    return OMEN_OK;
}

static void text_verify_free(void *extra, void *place) {
    part_text *t = extra;
    text_check *c = place;
    if (c->of != NULL) omen_postings_check_free(t->of[c->field], c->of);
    omen_free(t->mem, c, sizeof *c);
}

static const omen_part_extra_ops ops = {text_free, text_verify, text_verify_free};

omen_status omen_part_text_open(omen_part *p, uint32_t field_count, omen_error *err) {
    part_text *t = p->extra;
    if (field_count == 0) return OMEN_OK;
    if (t == NULL) {
        t = omen_alloc_zero(p->store->mem, sizeof *t + field_count * sizeof *t->of);
        if (t == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory opening a segment");
        t->mem = p->store->mem;
        t->count = field_count;
        p->extra = t;
        p->extra_ops = &ops;
    }
    omen_status s = OMEN_OK;
    for (; t->opened < field_count && s == OMEN_OK; t->opened += s == OMEN_OK) {
        omen_postings **o = &t->of[t->opened];
        s = omen_postings_open(p->store, p->segment, t->opened, o, err);
        if (s == OMEN_OK && *o != NULL && (*o)->rows != p->rows) s = omen_postings_damaged(*o, "it has another number of rows than the segment", err);
    }
    if (s == OMEN_OK || s == OMEN_PENDING) return s;
    text_free(t);
    p->extra = NULL;
    p->extra_ops = NULL;
    return s;
}

bool omen_part_text_stale(const omen_part *p, omen_text_fields *f) {
    omen_text_reader *r;
    omen_error ignored;
    bool stale = false;
    if (omen_text_reader_new(f, true, &r, &ignored) != OMEN_OK) return false;
    for (uint32_t i = 0; i < f->count && !stale; i++) {
        const omen_postings *have = omen_part_text(p, i);
        stale = omen_text_reader_available(r, i) && (have == NULL || have->tag != omen_text_reader_tag(r, i));
    }
    omen_text_reader_free(r);
    return stale;
}

const omen_postings *omen_part_text(const omen_part *p, uint32_t field) {
    const part_text *t = p->extra;
    return t == NULL || field >= t->count ? NULL : t->of[field];
}
