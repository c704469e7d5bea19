#include "db/findings.h"

#include "column/columns_format.h"
#include "column/multi.h"
#include "index/index.h"
#include "text/postings.h"

void omen_findings_init(omen_findings *f, omen_mem *m) {
    *f = (omen_findings){.count = 0};
    omen_buf *all[] = {&f->damage, &f->ids, &f->log, &f->segments, &f->notes};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(all); i++) omen_buf_init(all[i], m);
}

void omen_findings_deinit(omen_findings *f) {
    omen_buf *all[] = {&f->damage, &f->ids, &f->log, &f->segments, &f->notes};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(all); i++) omen_buf_deinit(all[i]);
}

static void begin(omen_findings *f, omen_jw *w, omen_buf *list) {
    if (list->len != 0 && omen_buf_append(list, ",", 1) != OMEN_OK) f->failed = true;
    omen_jw_begin(w, list);
}

static void end(omen_findings *f, omen_jw *w) {
    if (omen_jw_end(w) != OMEN_OK) f->failed = true;
}

static void text(omen_jw *w, const char *key, const char *value) {
    if (value == NULL) return;
    omen_jw_key(w, key);
    omen_jw_cstr(w, value);
}

static void number(omen_jw *w, const char *key, uint64_t value) {
    omen_jw_key(w, key);
    omen_jw_u64(w, value);
}

void omen_findings_add(omen_findings *f, const omen_damage *d) {
    omen_jw w;
    begin(f, &w, &f->damage);
    omen_jw_object(&w);
    text(&w, "file", d->file);
    text(&w, "kind", d->kind);
    text(&w, "section", d->section);
    if (d->section != NULL) {
        number(&w, "field", d->field);
        number(&w, "block", d->block);
    }
    if (d->has_place) {
        number(&w, "offset", d->offset);
        number(&w, "bytes", d->bytes);
    }
    text(&w, "holds", d->holds);
    if (d->collection.len != 0) {
        omen_jw_key(&w, "collection");
        omen_jw_str(&w, d->collection);
    }
    omen_jw_key(&w, "loses");
    omen_jw_bool(&w, d->loses);
    text(&w, "message", d->message);
    omen_jw_object_end(&w);
    end(f, &w);
    f->count++;
}

void omen_findings_lose(omen_findings *f, omen_str collection, const omen_key *key) {
    omen_jw w;
    f->records++;
    if (key == NULL) {
        f->unnamed++;
        return;
    }
    if (f->named++ >= OMEN_FINDINGS_IDS) return;
    begin(f, &w, &f->ids);
    omen_jw_object(&w);
    omen_jw_key(&w, "collection");
    omen_jw_str(&w, collection);
    omen_jw_key(&w, "id");
    omen_id id = omen_key_decode(*key);
    if (id.text.data != NULL) omen_jw_str(&w, id.text);
    else omen_jw_i64(&w, id.number);
    omen_jw_object_end(&w);
    end(f, &w);
}

void omen_findings_lose_log(omen_findings *f, const omen_log_gap *gap) {
    omen_jw w;
    begin(f, &w, &f->log);
    omen_jw_object(&w);
    text(&w, "file", omen_log_file_name(gap->epoch).text);
    number(&w, "offset", gap->offset);
    number(&w, "bytes", gap->bytes);
    number(&w, "fromLsn", gap->from_lsn);
    number(&w, "toLsn", gap->to_lsn);
    omen_jw_object_end(&w);
    end(f, &w);
    f->records += gap->to_lsn - gap->from_lsn + 1;
    f->unnamed += gap->to_lsn - gap->from_lsn + 1;
}

void omen_findings_lose_segment(omen_findings *f, uint64_t n, omen_str collection) {
    omen_jw w;
    begin(f, &w, &f->segments);
    omen_jw_object(&w);
    text(&w, "file", omen_segment_file_name(n).text);
    omen_jw_key(&w, "collection");
    omen_jw_str(&w, collection);
    omen_jw_object_end(&w);
    end(f, &w);
}

void omen_findings_note(omen_findings *f, const char *line) {
    omen_jw w;
    begin(f, &w, &f->notes);
    omen_jw_cstr(&w, line);
    end(f, &w);
}

const char *omen_section_name(uint32_t kind, bool *derived) {
    static const struct { uint32_t kind; bool derived; const char *name; } all[] = {
        {OMEN_SECTION_META, false, "meta"},
        {OMEN_SECTION_KEY_OFFSETS, false, "id offsets"},
        {OMEN_SECTION_KEY_BYTES, false, "ids"},
        {OMEN_SECTION_KEY_ORDER, true, "order of ids"},
        {OMEN_SECTION_KEY_HASH_ROWS, true, "places of ids"},
        {OMEN_SECTION_KEY_MODEL, true, "model of ids"},
        {OMEN_SECTION_KEY_BLOOM, true, "filter of ids"},
        {OMEN_SECTION_KEY_TAGS, true, "tags of ids"},
        {OMEN_SECTION_DOC_OFFSETS, false, "document offsets"},
        {OMEN_SECTION_DOC_BYTES, false, "documents"},
        {OMEN_SECTION_VECTORS, false, "vectors"},
        {OMEN_SECTION_NORMS, true, "norms"},
        {OMEN_SECTION_TOMBSTONES, false, "deleted rows of older segments"},
        {OMEN_SECTION_COLUMNS, true, "columns"},
        {OMEN_SECTION_COLUMN_STATISTICS, true, "statistics of columns"},
        {OMEN_SECTION_COLUMN_DATA, true, "data of columns"},
        {OMEN_SECTION_MULTI_VECTORS, true, "vectors of fields of several"},
        {OMEN_SECTION_MULTI_OFFSETS, true, "offsets of fields of several"},
        {OMEN_SECTION_TEXT_META, true, "text: meta"},
        {OMEN_SECTION_TEXT_TOP, true, "text: top of the terms"},
        {OMEN_SECTION_TEXT_TERMS, true, "text: terms"},
        {OMEN_SECTION_TEXT_HEADS, true, "text: heads of lists"},
        {OMEN_SECTION_TEXT_LISTS, true, "text: lists"},
        {OMEN_SECTION_TEXT_POSITIONS, true, "text: positions"},
        {OMEN_SECTION_TEXT_LENGTHS, true, "text: lengths"},
        {OMEN_SECTION_INDEX_META, true, "index: meta"},
        {OMEN_SECTION_INDEX_CODEC, true, "index: quantiser"},
        {OMEN_SECTION_INDEX_CODES, true, "index: codes"},
        {OMEN_SECTION_INDEX_LINKS, true, "index: links"},
        {OMEN_SECTION_INDEX_UPPER, true, "index: upper links"},
        {OMEN_SECTION_INDEX_CENTROIDS, true, "index: centroids"},
        {OMEN_SECTION_INDEX_LISTS, true, "index: lists"},
        {OMEN_SECTION_INDEX_NODES, true, "index: nodes"},
        {OMEN_SECTION_INDEX_ENTRIES, true, "index: entries"},
    };
    for (size_t i = 0; i < OMEN_ARRAY_LEN(all); i++)
        if (all[i].kind == kind) {
            *derived = all[i].derived;
            return all[i].name;
        }
    *derived = false;
    return "unknown";
}

static void list(omen_jw *w, const char *key, const omen_buf *elements) {
    omen_jw_key(w, key);
    omen_jw_array(w);
    if (elements->len != 0) omen_jw_raw(w, (omen_str){(const char *)elements->data, elements->len});
    omen_jw_array_end(w);
}

omen_status omen_findings_write(const omen_findings *f, bool written, omen_buf *out) {
    omen_jw w;
    omen_jw_begin(&w, out);
    omen_jw_object(&w);
    omen_jw_key(&w, "ok");
    omen_jw_bool(&w, f->count == 0);
    omen_jw_key(&w, "written");
    omen_jw_bool(&w, written);
    list(&w, "damage", &f->damage);
    omen_jw_key(&w, "lost");
    omen_jw_object(&w);
    number(&w, "records", f->records);
    number(&w, "unnamed", f->unnamed);
    list(&w, "ids", &f->ids);
    list(&w, "log", &f->log);
    list(&w, "segments", &f->segments);
    omen_jw_object_end(&w);
    list(&w, "notes", &f->notes);
    omen_jw_key(&w, "checked");
    omen_jw_object(&w);
    number(&w, "segments", f->checked_segments);
    number(&w, "rows", f->checked_rows);
    number(&w, "indexes", f->checked_indexes);
    number(&w, "bytes", f->checked_bytes);
    omen_jw_object_end(&w);
    omen_jw_object_end(&w);
    omen_status s = omen_jw_end(&w);
    return f->failed ? OMEN_ERR_MEMORY : s;
}
