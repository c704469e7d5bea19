/* search_marks.c - "highlight": for each hit the pieces of its text fields that show best why it was found, and where in them the words are. */
#include "db/search.h"

#define CHARS 160u

struct omen_search_marks {
    omen_mem *mem;
    omen_highlight_options options;
    uint64_t fields;           /* bit of each text field */
    omen_str pre, post;        /* empty: marks as numbers */
    omen_part_doc_reader doc;
};

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory highlighting hits"); }

typedef struct marks_reader { omen_read_op *op; struct omen_search_marks *m; omen_error *err; } marks_reader;

static omen_status read_fields(marks_reader *r, const omen_json_val *v) {
    const omen_schema *s = &r->op->coll->schema.schema;
    omen_json_iter it = omen_json_iter_of(v);
    if (!omen_json_is_array(v)) return omen_fail(r->err, OMEN_ERR_INVALID, "highlight.fields must be an array of names");
    r->m->fields = 0;
    for (const omen_json_val *at; (at = omen_json_next(&it)) != NULL;) {
        omen_str name = {"", 0};
        uint32_t f = 0;
        bool text = omen_json_str(at, &name);
        while (text && f < s->text_count && !omen_str_equal(s->texts[f].name, name)) f++;
        if (!text || f == s->text_count) return omen_fail(r->err, OMEN_ERR_INVALID, "highlight.fields: the collection has no text field \"%.*s\"", (int)OMEN_MIN(name.len, 60), name.data);
        r->m->fields |= UINT64_C(1) << f;
    }
    return OMEN_OK;
}

static omen_status number(marks_reader *r, const char *name, const omen_json_val *v, uint32_t most, uint32_t *out) {
    uint64_t n;
    if (!omen_json_u64(v, &n) || n > most) return omen_fail(r->err, OMEN_ERR_INVALID, "highlight.%s must be an integer of 0 to %u", name, most);
    *out = (uint32_t)n;
    return OMEN_OK;
}

static omen_status read_member(void *arg, omen_str key, const omen_json_val *v) {
    marks_reader *r = arg;
    if (omen_json_is_null(v)) return OMEN_OK;
    if (omen_str_equal(key, OMEN_STR("fields"))) return read_fields(r, v);
    if (omen_str_equal(key, OMEN_STR("length"))) return number(r, "length", v, OMEN_HIGHLIGHT_CHARS, &r->m->options.chars);
    if (omen_str_equal(key, OMEN_STR("fragments"))) return number(r, "fragments", v, OMEN_HIGHLIGHT_FRAGMENTS, &r->m->options.fragments);
    if (omen_str_equal(key, OMEN_STR("pre"))) return omen_json_str(v, &r->m->pre) ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "highlight.pre must be a string");
    if (omen_str_equal(key, OMEN_STR("post"))) return omen_json_str(v, &r->m->post) ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "highlight.post must be a string");
    return omen_fail(r->err, OMEN_ERR_INVALID, "highlight has no \"%.*s\"; there are fields, length, fragments, pre and post", (int)OMEN_MIN(key.len, 60), key.data);
}

omen_status omen_search_marks_read(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    bool flag = true;
    if (omen_json_bool(s->ask.highlight, &flag) && !flag) return OMEN_OK;
    if (!s->has_words) return omen_fail(err, OMEN_ERR_INVALID, "highlight shows the words of a text query: give one");
    struct omen_search_marks *m = omen_arena_alloc(&op->arena, sizeof *m, 8);
    if (m == NULL) return out_of_memory(err);
    *m = (struct omen_search_marks){.mem = &op->db->mem, .options = {CHARS, 1}, .fields = ~UINT64_C(0), .pre = OMEN_STR(""), .post = OMEN_STR("")};
    omen_buf_init(&m->doc.bytes, m->mem);
    s->marks = m;
    if (omen_json_bool(s->ask.highlight, &flag)) return OMEN_OK;
    marks_reader r = {op, m, err};
    if (!omen_json_is_object(s->ask.highlight)) return omen_fail(err, OMEN_ERR_INVALID, "highlight must be true or an object: {\"fields\": [...], \"length\": 160}");
    return omen_json_each(s->ask.highlight, read_member, &r);
}

void omen_search_marks_free(omen_read_op *op) {
    struct omen_search_marks *m = op->search->marks;
    if (m == NULL) return;
    omen_buf_deinit(&m->doc.bytes);
    op->search->marks = NULL;
}

/* {"text": the piece, "marks": [[from, to], ...]}: bytes of the piece; with pre and post, which stand around the words, without marks. */
static omen_status write_piece(const struct omen_search_marks *m, omen_str text, const omen_highlights *h, const omen_text_fragment *f, omen_jw *w, omen_error *err) {
    bool inside = m->pre.len + m->post.len != 0;
    omen_jw_object(w);
    omen_jw_key(w, "text");
    if (!inside) {
        omen_jw_str(w, (omen_str){text.data + f->start, f->end - f->start});
        omen_jw_key(w, "marks");
        omen_jw_array(w);
        for (uint32_t i = 0; i < f->count; i++) {
            omen_jw_array(w);
            omen_jw_u64(w, h->ranges[f->first + i].start - f->start);
            omen_jw_u64(w, h->ranges[f->first + i].end - f->start);
            omen_jw_array_end(w);
        }
        omen_jw_array_end(w);
        omen_jw_object_end(w);
        return OMEN_OK;
    }
    omen_buf piece;
    omen_buf_init(&piece, m->mem);
    omen_status s = OMEN_OK;
    uint32_t at = f->start;
    for (uint32_t i = 0; i < f->count && s == OMEN_OK; i++) {
        const omen_text_range *r = &h->ranges[f->first + i];
        s = omen_buf_append(&piece, text.data + at, r->start - at);
        if (s == OMEN_OK) s = omen_buf_append(&piece, m->pre.data, m->pre.len);
        if (s == OMEN_OK) s = omen_buf_append(&piece, text.data + r->start, r->end - r->start);
        if (s == OMEN_OK) s = omen_buf_append(&piece, m->post.data, m->post.len);
        at = r->end;
    }
    if (s == OMEN_OK) s = omen_buf_append(&piece, text.data + at, f->end - at);
    if (s == OMEN_OK) omen_jw_str(w, (omen_str){piece.len == 0 ? "" : (const char *)piece.data, piece.len});
    omen_buf_deinit(&piece);
    if (s != OMEN_OK) return out_of_memory(err);
    omen_jw_object_end(w);
    return OMEN_OK;
}

/* The pieces of one field; of an array of strings those of each. Texts in which no word stands are left out. */
static omen_status write_field(omen_read_op *op, uint32_t field, const omen_json_val *value, omen_jw *w, omen_error *err) {
    const struct omen_search_marks *m = op->search->marks;
    omen_text_strings at = {0};
    omen_str text;
    bool begun = false;
    while (omen_text_strings_next(&at, value, &text)) {
        omen_highlights h;
        OMEN_TRY(omen_text_leg_highlight(&op->search->text, &op->arena, field, text, &m->options, &h, err));
        for (uint32_t i = 0; i < h.fragment_count && h.range_count != 0; i++) {
            if (!begun) {
                omen_jw_key_str(w, op->coll->schema.schema.texts[field].name);
                omen_jw_array(w);
                begun = true;
            }
            OMEN_TRY(write_piece(m, text, &h, &h.fragments[i], w, err));
        }
    }
    if (begun) omen_jw_array_end(w);
    return OMEN_OK;
}

static omen_status write_marks(omen_read_op *op, const omen_json_val *root, omen_jw *w, omen_error *err) {
    const omen_schema *s = &op->coll->schema.schema;
    omen_jw_object(w);
    for (uint32_t f = 0; f < s->text_count; f++) {
        if ((op->search->marks->fields >> f & 1) == 0 || !omen_text_leg_searched(&op->search->text, f)) continue;
        OMEN_TRY(write_field(op, f, omen_text_reach(root, s->texts[f].name), w, err));
    }
    omen_jw_object_end(w);
    return OMEN_OK;
}

omen_status omen_search_marks_step(omen_read_op *op, omen_error *err) {
    struct omen_search_marks *m = op->search->marks;
    omen_text_column *out = &op->results->highlights;
    omen_json *json = NULL;
    omen_jw w;
    omen_str text;
    if (op->place.part != NULL) OMEN_TRY(omen_part_doc_read(op->place.part->part, op->place.row, &m->doc, &text, err));
    else text = (omen_str){op->place.entry->doc, op->place.entry->doc_len};
    if (text.len != 0) OMEN_TRY(omen_json_parse(m->mem, text, &json, err));
    omen_jw_begin(&w, &out->bytes);
    omen_status s = write_marks(op, json == NULL ? NULL : omen_json_root(json), &w, err);
    omen_json_free(json);
    OMEN_TRY(s);
    if (omen_jw_end(&w) != OMEN_OK) return out_of_memory(err);
    s = omen_results_end_text(out);
    return s == OMEN_OK ? s : omen_fail(err, s, s == OMEN_ERR_TOO_LARGE ? "the highlights of one answer exceed 4 GiB; ask for fewer records at once" : "out of memory highlighting hits");
}
