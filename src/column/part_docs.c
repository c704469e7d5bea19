/* part_docs.c - where documents begin, found again where that is damaged.
 *
 * DOC_OFFSETS says where each row's document begins; the documents stand back to back, each a JSON object. Of the offsets in a damaged block, those before and behind it are
 * known: the first is 0, the last the length of DOC_BYTES. Between two that are known the documents are walked through. Where there are as many as rows, each row has one,
 * and they stand in the order of the rows: their places are certain. Where there are none, no row has one. Otherwise nobody knows which rows have none, and the offsets stay unknown. */
#include "column/part.h"

enum { PIECE = 4096 };

struct omen_part_docs {
    omen_part *part;
    uint64_t *starts; /* rows + 1; UNKNOWN where it is */
    uint32_t block;   /* of DOC_OFFSETS, being read */
    size_t done;
    bool damaged;     /* some block was */
    bool walking;     /* through the documents from a known start on */
    uint32_t known, next; /* the last start that is known, and the next one that is */
    uint64_t at;
    uint32_t found, depth;
    bool text, escaped, strange;
    uint8_t piece[PIECE];
};

#define UNKNOWN OMEN_PART_DOC_UNKNOWN

omen_status omen_part_docs_new(omen_part *p, omen_part_docs **out, omen_error *err) {
    omen_mem *m = p->store->mem;
    omen_part_docs *d = omen_alloc_zero(m, sizeof *d);
    uint64_t *starts = omen_alloc(m, ((size_t)p->rows + 1) * sizeof *starts);
    *out = d;
    if (d == NULL || starts == NULL) {
        if (starts != NULL) omen_free(m, starts, ((size_t)p->rows + 1) * sizeof *starts);
        if (d != NULL) omen_free(m, d, sizeof *d);
        *out = NULL;
        return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for the places of documents");
    }
    d->part = p;
    d->starts = starts;
    return OMEN_OK;
}

void omen_part_docs_free(omen_part_docs *d) {
    if (d == NULL) return;
    omen_mem *m = d->part->store->mem;
    if (d->starts != NULL) omen_free(m, d->starts, ((size_t)d->part->rows + 1) * sizeof *d->starts);
    omen_free(m, d, sizeof *d);
}

static omen_status read_offsets(omen_part_docs *d, omen_error *err) {
    omen_part *p = d->part;
    const omen_section *s = p->doc_offsets;
    for (; d->block < s->block_count; d->block++, d->done = 0) {
        uint64_t from = (uint64_t)d->block * s->block_len, to = OMEN_MIN(from + s->block_len, s->raw_len);
        omen_error why = {0};
        omen_status st = omen_segment_read(p->segment, s, from, (size_t)(to - from), (uint8_t *)d->starts + from, &d->done, &why);
        if (st == OMEN_OK) continue;
        if (st != OMEN_ERR_CORRUPT) return st == OMEN_PENDING ? st : omen_fail(err, st, "%s", why.text);
        for (uint64_t i = from / 8; i < to / 8; i++) d->starts[i] = UNKNOWN;
        d->damaged = true;
    }
    d->starts[0] = 0;
    if (d->starts[p->rows] == UNKNOWN) d->starts[p->rows] = p->doc_bytes->raw_len;
    return OMEN_OK;
}

/* Counts the objects of a piece; where the next one begins is kept for its row, as long as there are rows. */
static void walk(omen_part_docs *d, const uint8_t *p, size_t len) {
    for (size_t i = 0; i < len; i++) {
        uint8_t c = p[i];
        if (d->text) {
            if (d->escaped) d->escaped = false;
            else if (c == '\\') d->escaped = true;
            else if (c == '"') d->text = false;
        } else if (c == '"') {
            d->text = true;
            d->strange = d->strange || d->depth == 0;
        } else if (c == '{' || c == '[') {
            if (d->depth++ != 0) continue;
            d->strange = d->strange || c == '[';
            if (d->known + d->found < d->next) d->starts[d->known + d->found] = d->found == 0 ? d->starts[d->known] : d->at + i;
            d->found++;
        } else if (c == '}' || c == ']') {
            if (d->depth == 0) d->strange = true;
            else d->depth--;
        } else if (d->depth == 0 && c != ' ' && c != '\n' && c != '\r' && c != '\t') {
            d->strange = true;
        }
    }
}

/* From a start that is known to the next one. */
static omen_status walk_gap(omen_part_docs *d, omen_error *err) {
    omen_part *p = d->part;
    uint64_t to = d->starts[d->next];
    uint32_t rows = d->next - d->known;
    bool read = true;
    if (!d->walking) {
        d->at = d->starts[d->known];
        d->found = d->depth = 0;
        d->text = d->escaped = d->strange = false;
        d->walking = true;
        d->done = 0;
    }
    while (d->at < to && read) {
        size_t len = (size_t)OMEN_MIN(to - d->at, PIECE);
        omen_error why = {0};
        omen_status s = omen_segment_read(p->segment, p->doc_bytes, d->at, len, d->piece, &d->done, &why);
        if (s == OMEN_PENDING) return s;
        if (s != OMEN_OK && s != OMEN_ERR_CORRUPT) return omen_fail(err, s, "%s", why.text);
        read = s == OMEN_OK;
        d->done = 0;
        if (!read) break;
        walk(d, d->piece, len);
        d->at += len;
    }
    d->walking = false;
    bool whole = read && !d->strange && d->depth == 0 && !d->text;
    bool certain = whole && (d->found == rows || d->found == 0);
    for (uint32_t i = d->known + 1; i < d->next && !(certain && d->found != 0); i++) d->starts[i] = certain ? to : UNKNOWN;
    return OMEN_OK;
}

omen_status omen_part_docs_step(omen_part_docs *d, omen_error *err) {
    omen_part *p = d->part;
    if (d->block < p->doc_offsets->block_count) OMEN_TRY(read_offsets(d, err));
    while (d->damaged && d->known < p->rows) {
        if (!d->walking)
            for (d->next = d->known + 1; d->starts[d->next] == UNKNOWN; d->next++) {}
        if (d->next > d->known + 1) {
            bool possible = d->starts[d->next] >= d->starts[d->known] && d->starts[d->next] <= p->doc_bytes->raw_len;
            if (possible) OMEN_TRY(walk_gap(d, err));
        }
        d->known = d->next;
    }
    return OMEN_OK;
}

const uint64_t *omen_part_docs_starts(const omen_part_docs *d) { return d->damaged ? d->starts : NULL; }

void omen_part_docs_give(omen_part_docs *d) {
    omen_part *p = d->part;
    if (!d->damaged || p->doc_starts != NULL) return;
    p->doc_starts = d->starts;
    d->starts = NULL;
}
