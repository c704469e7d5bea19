#include "db/inspect.h"

#include "base/later.h"
#include "column/element.h"

void omen_inspect_init(omen_inspect *a, omen_db *db, omen_findings *findings, bool mend) {
    *a = (omen_inspect){.db = db, .findings = findings, .mend = mend};
    a->version = omen_version_current(db);
    omen_buf_init(&a->doc, &db->mem);
    omen_buf_init(&a->vector, &db->mem);
    omen_buf_init(&a->parts, &db->mem);
}

static omen_coll_version *coll_of(const omen_inspect *a) { return a->version->colls[a->coll]; }
static omen_part_state *state_of(const omen_inspect *a) { return &coll_of(a)->parts[a->part]; }

static void end_part(omen_inspect *a) {
    omen_part *p = state_of(a)->part;
    if (a->content != NULL) omen_part_check_free(p, a->content);
    a->content = NULL;
    omen_part_docs_free(a->docs);
    a->docs = NULL;
    omen_segment_check_deinit(p->segment, &a->blocks);
}

void omen_inspect_deinit(omen_inspect *a) {
    if (a->version == NULL) return;
    if (a->coll < a->version->count && a->part < coll_of(a)->part_count) {
        omen_index *x = a->field < state_of(a)->part->field_count ? omen_part_index(state_of(a), a->field) : NULL;
        if (a->stage == OMEN_INSPECT_INDEXES && x != NULL) {
            if (a->index != NULL) omen_index_check_free(x, a->index);
            omen_segment_check_deinit(omen_index_segment(x), &a->blocks);
        } else {
            end_part(a);
        }
    }
    omen_version_drop(a->db, a->version);
    omen_buf_deinit(&a->doc);
    omen_buf_deinit(&a->vector);
    omen_buf_deinit(&a->parts);
    a->version = NULL;
}

/* ---- blocks ---- */

static void bad_block(void *arg, const omen_section *sec, uint32_t block, uint64_t offset, uint32_t len, const omen_error *why) {
    omen_inspect *a = arg;
    const omen_part *p = state_of(a)->part;
    bool index = a->stage == OMEN_INSPECT_INDEXES, derived;
    const omen_segment_info *info = index ? omen_index_info(omen_part_index(state_of(a), a->field)) : omen_segment_info_of(p->segment);
    omen_file_name file = omen_segment_file_name(info->number);
    const char *name = omen_section_name(sec->kind, &derived);
    char holds[120];
    uint64_t from = (uint64_t)block * sec->block_len, to = OMEN_MIN(from + sec->block_len, sec->raw_len);
    if (sec->kind == OMEN_SECTION_VECTORS && !index) {
        uint32_t per = omen_part_rows_per_block(&p->fields[sec->field]);
        omen_format(holds, sizeof holds, "vectors of rows %llu to %llu of %u", (unsigned long long)block * per,
                    (unsigned long long)OMEN_MIN((uint64_t)p->rows, ((uint64_t)block + 1) * per) - 1, p->rows);
    } else {
        omen_format(holds, sizeof holds, "bytes %llu to %llu of %llu of the %s", (unsigned long long)from, (unsigned long long)to - 1, (unsigned long long)sec->raw_len, name);
    }
    omen_findings_add(a->findings, &(omen_damage){.file = file.text,
                                                  .kind = index ? "index" : "segment",
                                                  .section = name,
                                                  .field = sec->field,
                                                  .block = block,
                                                  .has_place = true,
                                                  .offset = offset,
                                                  .bytes = len,
                                                  .collection = coll_of(a)->coll->name,
                                                  .holds = holds,
                                                  .loses = !derived,
                                                  .message = why->text});
    a->bad_blocks++;
}

static omen_status survey(omen_inspect *a, omen_segment *segment, omen_error *err) {
    const omen_segment_bad bad = {bad_block, a};
    OMEN_TRY(omen_segment_survey(segment, &a->blocks, &bad, err));
    omen_segment_check_deinit(segment, &a->blocks);
    a->findings->checked_bytes += omen_segment_info_of(segment)->length;
    return OMEN_OK;
}

/* ---- what the blocks say ---- */

static void add(omen_inspect *a, const char *kind, uint64_t file, const omen_error *why) {
    omen_file_name name = omen_segment_file_name(file);
    omen_findings_add(a->findings, &(omen_damage){.file = name.text, .kind = kind, .collection = coll_of(a)->coll->name, .message = why->text});
}

static omen_status content(omen_inspect *a, omen_error *err) {
    omen_part *p = state_of(a)->part;
    omen_error why = {0};
    if (a->bad_blocks != 0 || p->bare) {
        a->damaged = true;
        return OMEN_OK;
    }
    omen_status s = omen_part_verify(p, &a->content, &why);
    if (s == OMEN_OK || s == OMEN_ERR_CORRUPT) {
        if (s == OMEN_ERR_CORRUPT) {
            add(a, "segment", omen_segment_info_of(p->segment)->number, &why);
            a->damaged = true;
        }
        return OMEN_OK;
    }
    if (s != OMEN_PENDING && err != NULL) *err = why;
    return s;
}

/* ---- rows of a damaged part: which can still be read ---- */

/* *lost: it cannot. *named: but its id can, which is in bytes. */
static omen_status try_row(omen_inspect *a, omen_part *p, uint8_t *bytes, omen_key *key, bool *named, bool *lost, omen_error *err) {
    omen_error why = {0};
    *named = false;
    *lost = true;
    omen_status s = omen_part_key(p, a->row, bytes, key, &why);
    *named = s == OMEN_OK;
    if (s == OMEN_OK) s = omen_part_doc_from(p, omen_part_docs_starts(a->docs), a->row, &a->doc_place, &a->doc, &why);
    if (s == OMEN_OK && a->doc.len != 0) s = omen_json_check(&a->db->mem, (omen_str){(const char *)a->doc.data, a->doc.len}, true, &why);
    for (uint32_t f = 0; f < p->field_count && s == OMEN_OK; f++) {
        a->vector.len = 0;
        s = omen_buf_append(&a->vector, NULL, omen_element_bytes(p->fields[f].element, p->fields[f].dimensions));
        if (s == OMEN_OK) s = omen_part_vector(p, a->row, f, a->vector.data, &why);
    }
    if (s == OMEN_OK) *lost = false;
    if (s == OMEN_OK || s == OMEN_ERR_CORRUPT || s == OMEN_ERR_JSON) return OMEN_OK;
    if (s != OMEN_PENDING && err != NULL) *err = why;
    return s;
}

static omen_status bury(omen_inspect *a, omen_part_state *s, uint32_t row, omen_error *err) {
    if (s->dead == NULL) s->dead = omen_bits_new(coll_of(a)->mem, s->part->rows);
    if (s->dead == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    omen_bits_set(s->dead, row);
    return OMEN_OK;
}

static omen_status try_rows(omen_inspect *a, omen_error *err) {
    omen_part_state *s = state_of(a);
    uint8_t bytes[OMEN_KEY_MAX];
    omen_key key;
    bool named, lost;
    if (a->docs == NULL) OMEN_TRY(omen_part_docs_new(s->part, &a->docs, err));
    OMEN_TRY(omen_part_docs_step(a->docs, err));
    for (; a->row < s->part->rows; a->row++) {
        if (!omen_bits_test(s->dead, a->row)) {
            OMEN_TRY(try_row(a, s->part, bytes, &key, &named, &lost, err));
            if (lost) omen_findings_lose(a->findings, coll_of(a)->coll->name, named ? &key : NULL);
            if (lost && a->mend) OMEN_TRY(bury(a, s, a->row, err));
        }
        a->doc.len = 0;
        memset(&a->doc_place, 0, sizeof a->doc_place);
    }
    a->row = 0;
    if (a->mend) {
        s->part->bare = true;
        omen_part_docs_give(a->docs);
    }
    omen_part_docs_free(a->docs);
    a->docs = NULL;
    const omen_damaged_part d = {a->coll, a->part};
    return omen_buf_append(&a->parts, &d, sizeof d) == OMEN_OK ? OMEN_OK : omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
}

/* ---- indexes ---- */

static omen_status check_index(omen_inspect *a, omen_index *x, omen_error *err) {
    omen_error why = {0};
    if (!a->index_surveyed) {
        a->bad_blocks = 0;
        OMEN_TRY(survey(a, omen_index_segment(x), err));
        a->index_surveyed = true;
        a->findings->checked_indexes++;
    }
    omen_status s = a->bad_blocks != 0 ? OMEN_OK : omen_index_verify(x, &a->index, &why);
    if (s != OMEN_OK && s != OMEN_ERR_CORRUPT) {
        if (s != OMEN_PENDING && err != NULL) *err = why;
        return s;
    }
    if (s == OMEN_ERR_CORRUPT) {
        if (a->index != NULL) omen_index_check_free(x, a->index);
        add(a, "index", omen_index_info(x)->number, &why);
    }
    if (s == OMEN_ERR_CORRUPT || a->bad_blocks != 0) omen_index_spoil(x); /* nobody asks it again, and maintenance builds another */
    a->index = NULL;
    a->index_surveyed = false;
    return OMEN_OK;
}

static omen_status check_indexes(omen_inspect *a, omen_error *err) {
    for (; a->field < state_of(a)->part->field_count; a->field++) {
        omen_index *x = omen_part_index(state_of(a), a->field);
        if (x != NULL) OMEN_TRY(check_index(a, x, err));
    }
    a->field = 0;
    return OMEN_OK;
}

static void add_lost_indexes(omen_inspect *a) {
    omen_db *db = a->db;
    omen_lock_take(&db->maintain_lock);
    bool said = omen_manifest_generation(db->manifest) == db->lost_generation;
    for (size_t at = 0; said && at < db->lost.len; at += sizeof(omen_lost_index)) {
        omen_lost_index lost;
        memcpy(&lost, db->lost.data + at, sizeof lost);
        omen_file_name of = omen_segment_file_name(lost.part);
        char holds[80];
        omen_format(holds, sizeof holds, "an index of %s", of.text);
        omen_findings_add(a->findings, &(omen_damage){.kind = "index", .holds = holds, .message = lost.why.text});
    }
    omen_lock_drop(&db->maintain_lock);
}

static void add_flaw(void *arg, const char *name, uint64_t offset, uint64_t bytes) {
    omen_inspect *a = arg;
    uint64_t n;
    const char *kind = omen_log_file_parse(name, &n) ? "log" : omen_segment_file_parse(name, &n) ? "segment" : "manifest";
    omen_findings_add(a->findings, &(omen_damage){.file = name, .kind = kind, .has_place = true, .offset = offset, .bytes = bytes,
                                                  .holds = "one of the two copies of the key of this file's data; the other one is used", .message = "its checksum is wrong"});
}

static omen_status step_part(omen_inspect *a, omen_error *err) {
    switch (a->stage) {
        case OMEN_INSPECT_BLOCKS:
            OMEN_TRY(survey(a, state_of(a)->part->segment, err));
            a->findings->checked_segments++;
            a->findings->checked_rows += state_of(a)->part->rows;
            a->stage = OMEN_INSPECT_CONTENT;
            return OMEN_OK;
        case OMEN_INSPECT_CONTENT:
            OMEN_TRY(content(a, err));
            end_part(a);
            a->stage = a->damaged ? OMEN_INSPECT_ROWS : OMEN_INSPECT_INDEXES;
            return OMEN_OK;
        case OMEN_INSPECT_ROWS:
            OMEN_TRY(try_rows(a, err));
            a->stage = OMEN_INSPECT_INDEXES;
            return OMEN_OK;
        case OMEN_INSPECT_INDEXES:
            OMEN_TRY(check_indexes(a, err));
            a->stage = OMEN_INSPECT_BLOCKS;
            a->damaged = false;
            a->bad_blocks = 0;
            a->part++;
            return OMEN_OK;
    }
    return OMEN_ERR_INTERNAL;
}

omen_status omen_inspect_step(omen_inspect *a, omen_error *err) {
    for (; a->coll < a->version->count; a->coll++, a->part = 0)
        while (a->part < coll_of(a)->part_count) OMEN_TRY(step_part(a, err));
    if (a->stage == OMEN_INSPECT_BLOCKS && a->field == 0) {
        OMEN_TRY(omen_store_flaws(&a->db->store, false, add_flaw, a, err));
        add_lost_indexes(a);
        a->field = 1; /* once */
    }
    return OMEN_OK;
}

/* ---- of an open database ---- */

struct omen_inspect_op {
    omen_db *db;
    omen_findings findings;
    omen_inspect inspect;
};

omen_status omen_inspect_op_new(omen_db *db, omen_inspect_op **out, omen_error *err) {
    omen_inspect_op *op = omen_alloc_zero(&db->mem, sizeof *op);
    *out = op;
    if (op == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    op->db = db;
    omen_findings_init(&op->findings, &db->mem);
    omen_inspect_init(&op->inspect, db, &op->findings, false);
    return OMEN_OK;
}

omen_status omen_inspect_op_step(omen_inspect_op *op, omen_error *err) {
    OMEN_TRY(omen_later(err));
    return omen_inspect_step(&op->inspect, err);
}

omen_status omen_inspect_op_report(const omen_inspect_op *op, omen_buf *out) { return omen_findings_write(&op->findings, false, out); }
uint64_t omen_inspect_op_damage(const omen_inspect_op *op) { return op->findings.count; }

void omen_inspect_op_free(omen_inspect_op *op) {
    if (op == NULL) return;
    omen_db *db = op->db;
    omen_inspect_deinit(&op->inspect);
    omen_findings_deinit(&op->findings);
    omen_free(&db->mem, op, sizeof *op);
}
