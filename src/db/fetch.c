#include "db/read.h"

#include "column/element.h"

omen_results *omen_fetch_results(omen_db *db, const omen_schema_copy *s, uint32_t include, uint32_t only) {
    omen_results *r = omen_results_new(&db->mem);
    if (r == NULL || (include & OMEN_INCLUDE_VECTOR) == 0) return r;
    r->field_count = only == UINT32_MAX ? s->schema.vector_count : 1;
    for (uint32_t f = 0; f < r->field_count; f++) {
        const omen_part_field *field = &s->fields[only == UINT32_MAX ? f : only];
        r->row_bytes[f] = omen_element_given_bytes(field->element, field->dimensions);
    }
    return r;
}

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading a record; ask for fewer at once"); }

static omen_status fetch_doc(omen_fetch *f, const omen_place *at, omen_buf *out, omen_error *err) {
    if (at->part != NULL) return omen_part_doc(at->part->part, at->row, &f->doc_place, out, err);
    if (at->entry == NULL || at->entry->doc_len == 0) return OMEN_OK;
    return omen_buf_append(out, at->entry->doc, at->entry->doc_len) == OMEN_OK ? OMEN_OK : out_of_memory(err);
}

/* A record that is not there has an empty document and vectors of zeros, so that columns stay aligned. */
omen_status omen_fetch_step(omen_fetch *f, const omen_coll_version *v, const omen_place *at, uint32_t include, uint32_t first_field,
                            omen_results *out, omen_error *err) {
    if (!f->doc_done) {
        if ((include & OMEN_INCLUDE_DOCUMENT) != 0) OMEN_TRY(fetch_doc(f, at, &out->doc_bytes, err));
        omen_status s = omen_results_end_doc(out);
        if (s == OMEN_ERR_TOO_LARGE) return omen_fail(err, s, "the documents of one answer exceed 4 GiB; ask for fewer records at once");
        if (s != OMEN_OK) return out_of_memory(err);
        f->doc_done = true;
    }
    for (; f->field < out->field_count; f->field++) {
        uint32_t field = first_field + f->field;
        const omen_part_field *type = &v->coll->schema.fields[field];
        size_t row = out->row_bytes[f->field], stored = omen_element_bytes(type->element, type->dimensions);
        omen_buf *column = &out->vectors[f->field];
        /* Room first, `len` last: a read that is pending leaves the column as it was. */
        if (omen_buf_reserve(column, row) != OMEN_OK) return out_of_memory(err);
        uint8_t *into = column->data + column->len, *end = into + row - stored;
        if (at->part != NULL) {
            OMEN_TRY(omen_part_vector(at->part->part, at->row, field, end, err));
            omen_element_give(type->element, type->dimensions, end, into);
        } else if (at->entry != NULL) {
            omen_element_give(type->element, type->dimensions, omen_memtable_vectors(v->tables[at->row].table, field, at->entry->row, NULL), into);
        } else {
            memset(into, 0, row);
        }
        column->len += row;
    }
    return OMEN_OK;
}
