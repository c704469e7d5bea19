#include "text/fields.h"

#include "base/sort.h"

struct omen_text_reader {
    omen_text_fields *fields;
    omen_analyzer *own[OMEN_TEXT_FIELDS]; /* for each field of new options */
    omen_analyzer *of[OMEN_TEXT_FIELDS];
    omen_buf indices; /* u32, sorted, of a sparse vector */
};

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading the text of documents"); }

/* ---- fields ---- */

omen_text_fields *omen_text_fields_new(omen_mem *m, const omen_text_description *of, uint32_t count) {
    OMEN_ASSERT(count <= OMEN_TEXT_FIELDS);
    omen_text_fields *f = omen_alloc_zero(m, sizeof *f);
    if (f == NULL) return NULL;
    f->mem = m;
    f->count = count;
    atomic_init(&f->refs, 1);
    omen_arena_init(&f->names, m, 256);
    for (uint32_t i = 0; i < count; i++) {
        f->of[i] = of[i];
        f->of[i].path.data = omen_arena_copy(&f->names, of[i].path.data, of[i].path.len);
        if (f->of[i].path.data != NULL) continue;
        omen_text_fields_unref(f);
        return NULL;
    }
    return f;
}

omen_text_fields *omen_text_fields_ref(omen_text_fields *f) {
    if (f != NULL) atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void omen_text_fields_unref(omen_text_fields *f) {
    if (f == NULL || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1) return;
    if (f->writer != NULL) {
        f->writer->fields = NULL; /* it was counted no reference: it goes with the fields */
        omen_text_reader_free(f->writer);
    }
    omen_arena_deinit(&f->names);
    omen_free(f->mem, f, sizeof *f);
}

/* ---- readers ---- */

static bool same_options(const omen_analyzer_options *a, const omen_analyzer_options *b) {
    return a->language == b->language && a->no_stem == b->no_stem && a->stop_words == b->stop_words && a->keep_accents == b->keep_accents;
}

static omen_status make_analyzers(omen_text_reader *r, bool short_texts, omen_error *err) {
    const omen_text_fields *f = r->fields;
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t k = 0;
        if (f->of[i].sparse) continue;
        while (k < i && (f->of[k].sparse || !same_options(&f->of[k].analyzer, &f->of[i].analyzer))) k++;
        if (k < i) {
            r->of[i] = r->of[k];
            continue;
        }
        omen_analyzer_options o = f->of[i].analyzer;
        o.short_texts = short_texts;
        omen_status s = omen_analyzer_new(f->mem, &o, &r->own[i], err);
        if (s != OMEN_OK && s != OMEN_ERR_UNSUPPORTED) return s;
        r->of[i] = r->own[i];
    }
    return OMEN_OK;
}

static omen_status reader_new(omen_text_fields *f, bool short_texts, omen_text_reader **out, omen_error *err) {
    *out = NULL;
    omen_text_reader *r = omen_alloc_zero(f->mem, sizeof *r);
    if (r == NULL) return out_of_memory(err);
    r->fields = f;
    omen_buf_init(&r->indices, f->mem);
    omen_error detail = {0};
    omen_status s = make_analyzers(r, short_texts, &detail);
    if (s == OMEN_OK) {
        *out = r;
        return OMEN_OK;
    }
    r->fields = NULL;
    omen_mem *m = f->mem;
    for (uint32_t i = 0; i < OMEN_TEXT_FIELDS; i++) omen_analyzer_free(r->own[i]);
    omen_free(m, r, sizeof *r);
    return omen_fail(err, s, "%s", detail.text);
}

omen_status omen_text_reader_new(omen_text_fields *f, bool short_texts, omen_text_reader **out, omen_error *err) {
    OMEN_TRY(reader_new(f, short_texts, out, err));
    (void)omen_text_fields_ref(f);
    return OMEN_OK;
}

void omen_text_reader_free(omen_text_reader *r) {
    if (r == NULL) return;
    omen_mem *m = r->indices.mem;
    omen_text_fields *f = r->fields;
    for (uint32_t i = 0; i < OMEN_TEXT_FIELDS; i++) omen_analyzer_free(r->own[i]);
    omen_buf_deinit(&r->indices);
    omen_free(m, r, sizeof *r);
    omen_text_fields_unref(f);
}

omen_status omen_text_fields_load(const omen_text_fields *f, bool again) {
    omen_status s = OMEN_OK;
    for (uint32_t i = 0; f != NULL && i < f->count; i++)
        if (!f->of[i].sparse && f->of[i].analyzer.language != NULL && omen_language_load(f->of[i].analyzer.language, again) == OMEN_PENDING) s = OMEN_PENDING;
    return s;
}

/* Whether a field that the reader passes over can be read now. */
static bool outdated(const omen_text_reader *r) {
    omen_stemmer s;
    for (uint32_t i = 0; i < r->fields->count; i++)
        if (!omen_text_reader_available(r, i) && omen_language_stemmer(r->fields->of[i].analyzer.language, &s)) return true;
    return false;
}

omen_status omen_text_fields_writer(omen_text_fields *f, omen_text_reader **out, omen_error *err) {
    if (f->writer != NULL && outdated(f->writer)) {
        f->writer->fields = NULL;
        omen_text_reader_free(f->writer);
        f->writer = NULL;
    }
    if (f->writer == NULL) OMEN_TRY(reader_new(f, false, &f->writer, err));
    *out = f->writer;
    return OMEN_OK;
}

bool omen_text_reader_available(const omen_text_reader *r, uint32_t field) { return r->fields->of[field].sparse || r->of[field] != NULL; }
omen_analyzer *omen_text_reader_analyzer(const omen_text_reader *r, uint32_t field) { return r->of[field]; }

uint32_t omen_text_reader_tag(const omen_text_reader *r, uint32_t field) {
    if (r->fields->of[field].sparse) return OMEN_SPARSE_TAG;
    return r->of[field] == NULL ? 0 : omen_analyzer_version(r->of[field]);
}

omen_postings_options omen_text_reader_postings(const omen_text_reader *r, uint32_t field) {
    bool sparse = r->fields->of[field].sparse;
    return (omen_postings_options){.positions = !sparse, .weights = sparse, .tag = omen_text_reader_tag(r, field)};
}

/* ---- documents ---- */

const omen_json_val *omen_text_reach(const omen_json_val *root, omen_str path) {
    const omen_json_val *v = root;
    for (size_t at = 0; v != NULL; at++) {
        size_t end = at;
        while (end < path.len && path.data[end] != '.') end++;
        if (!omen_json_is_object(v)) return NULL;
        v = omen_json_get_str(v, (omen_str){path.data + at, end - at});
        if (end == path.len) return v;
        at = end;
    }
    return NULL;
}

bool omen_text_strings_next(omen_text_strings *at, const omen_json_val *value, omen_str *out) {
    const omen_json_val *v;
    if (value == NULL) return false;
    if (!at->begun) {
        at->begun = true;
        at->it = omen_json_iter_of(value);
        if (omen_json_str(value, out)) return true;
        if (!omen_json_is_array(value)) at->it.left = 0;
    }
    while ((v = omen_json_next(&at->it)) != NULL)
        if (omen_json_str(v, out)) return true;
    return false;
}

static omen_status read_text(omen_text_reader *r, uint32_t field, const omen_json_val *value, const omen_text_sink *sink) {
    omen_text_strings at = {0};
    omen_analyzer *a = r->of[field];
    omen_str text;
    omen_token t;
    for (uint32_t base = 0; omen_text_strings_next(&at, value, &text); base += omen_analyzer_positions(a) + OMEN_TEXT_GAP) {
        omen_analyzer_start(a, text.data, text.len, 0);
        while (omen_analyzer_next(a, &t)) OMEN_TRY(sink->word(sink->ctx, field, t.term, t.len, base + t.position));
    }
    return OMEN_OK;
}

static bool less_u32(void *arg, const void *a, const void *b) {
    uint32_t x, y;
    (void)arg;
    memcpy(&x, a, 4);
    memcpy(&y, b, 4);
    return x < y;
}

/* Why a value is no sparse vector; NULL: it is one. Leaves its indices sorted in r->indices. */
static omen_status sparse_fault(omen_text_reader *r, const omen_json_val *indices, const omen_json_val *values, const char **why) {
    const omen_json_val *v;
    size_t count = omen_json_count(indices);
    *why = NULL;
    r->indices.len = 0;
    if (!omen_json_is_array(indices) || !omen_json_is_array(values)) *why = "is not {\"indices\": [..], \"values\": [..]}";
    else if (count != omen_json_count(values)) *why = "has another number of values than of indices";
    if (*why != NULL) return OMEN_OK;
    omen_json_iter it = omen_json_iter_of(indices);
    while ((v = omen_json_next(&it)) != NULL) {
        uint64_t n;
        if (!omen_json_u64(v, &n) || n > UINT32_MAX) {
            *why = "has an index that is no integer of 0 to 4294967295";
            return OMEN_OK;
        }
        OMEN_TRY(omen_buf_append_u32(&r->indices, (uint32_t)n));
    }
    it = omen_json_iter_of(values);
    while ((v = omen_json_next(&it)) != NULL) {
        double d;
        if (!omen_json_f64(v, &d) || (float)d - (float)d != 0.0f) {
            *why = "has a value that is no finite 32-bit number";
            return OMEN_OK;
        }
    }
    if (count != 0) omen_sort(r->indices.data, count, 4, less_u32, NULL);
    for (size_t i = 1; i < count; i++)
        if (omen_get32(r->indices.data + 4 * i) == omen_get32(r->indices.data + 4 * (i - 1))) *why = "has an index twice";
    return OMEN_OK;
}

static omen_status read_sparse(omen_text_reader *r, uint32_t field, const omen_json_val *value, bool strict, const omen_text_sink *sink, omen_error *err) {
    const omen_json_val *indices = omen_json_get(value, "indices"), *values = omen_json_get(value, "values"), *v;
    const char *why;
    if (value == NULL || omen_json_is_null(value)) return OMEN_OK;
    OMEN_TRY(sparse_fault(r, indices, values, &why));
    if (why != NULL) {
        if (!strict) return OMEN_OK;
        omen_str path = r->fields->of[field].path;
        return omen_fail(err, OMEN_ERR_INVALID, "sparse field \"%.*s\" of a document %s", (int)path.len, path.data, why);
    }
    omen_json_iter i = omen_json_iter_of(indices), w = omen_json_iter_of(values);
    while ((v = omen_json_next(&i)) != NULL) {
        uint64_t index = 0;
        double weight = 0.0;
        (void)omen_json_u64(v, &index);
        (void)omen_json_f64(omen_json_next(&w), &weight);
        if ((float)weight != 0.0f) OMEN_TRY(sink->weight(sink->ctx, field, (uint32_t)index, (float)weight));
    }
    return OMEN_OK;
}

omen_status omen_text_reader_read(omen_text_reader *r, omen_str document, uint32_t only, bool strict, const omen_text_sink *sink, omen_error *err) {
    const omen_text_fields *f = r->fields;
    omen_json *parsed;
    if (document.len == 0) return OMEN_OK;
    OMEN_TRY(omen_json_parse(f->mem, document, &parsed, err));
    const omen_json_val *root = omen_json_root(parsed);
    omen_status s = OMEN_OK;
    for (uint32_t i = 0; i < f->count && s == OMEN_OK; i++) {
        if ((only != UINT32_MAX && i != only) || !omen_text_reader_available(r, i)) continue;
        const omen_json_val *value = omen_text_reach(root, f->of[i].path);
        s = f->of[i].sparse ? read_sparse(r, i, value, strict, sink, err) : read_text(r, i, value, sink);
    }
    omen_json_free(parsed);
    return s == OMEN_ERR_MEMORY ? out_of_memory(err) : s;
}
