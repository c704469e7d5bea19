/* fields.h - the text and sparse fields of a collection, and how a document becomes their terms.
 *
 * Fields are numbered: text fields first, in the schema's order, then sparse ones. A field's value is reached through objects only, a name between dots each.
 *   text    a string, or an array of strings, which are read one after the other with a gap of OMEN_TEXT_GAP positions, so that no phrase spans two. Anything
 *           else, and what an array holds beside strings, has no words.
 *   sparse  {"indices": [..], "values": [..]}, as omendb.h says; null or nothing there is none. Zeros are left out.
 *
 * A language that is not loaded (stem.h) does not keep a document from being stored: the reader passes over the fields of that language, `available` tells which it
 * reads, and whoever searches reads the documents later.
 */
#ifndef OMEN_TEXT_FIELDS_H
#define OMEN_TEXT_FIELDS_H

#include "base/json.h"
#include "base/later.h"
#include "text/analyze.h"
#include "text/bm25.h"

#define OMEN_TEXT_GAP 100u
#define OMEN_SPARSE_TAG 1u /* tag of the postings of sparse fields: changes with what becomes of the values */

typedef struct omen_text_reader omen_text_reader;

typedef struct omen_text_description {
    omen_str path;
    omen_analyzer_options analyzer; /* of text fields; short_texts is not looked at */
    bool sparse;
    float weight;
} omen_text_description;

/* Immutable, but for the writer's reader; shared by references. */
typedef struct omen_text_fields {
    _Atomic uint32_t refs;
    omen_mem *mem;
    omen_arena names;
    uint32_t count;
    omen_text_reader *writer; /* whoever holds the write lock makes and uses it */
    omen_text_description of[OMEN_TEXT_FIELDS];
} omen_text_fields;

/* Copies. NULL: out of memory. */
omen_text_fields *omen_text_fields_new(omen_mem *m, const omen_text_description *of, uint32_t count);
omen_text_fields *omen_text_fields_ref(omen_text_fields *f); /* NULL is fine */
void omen_text_fields_unref(omen_text_fields *f);            /* NULL is fine */

/* Where terms go. Both answer OMEN_OK or OMEN_ERR_MEMORY. */
typedef struct omen_text_sink {
    void *ctx;
    omen_status (*word)(void *ctx, uint32_t field, const void *term, size_t len, uint32_t position);
    omen_status (*weight)(void *ctx, uint32_t field, uint32_t index, float weight);
} omen_text_sink;

/* Used by one thread at a time; refers to the fields. short_texts: for queries, see analyze.h. OMEN_ERR_MEMORY. */
omen_status omen_text_reader_new(omen_text_fields *f, bool short_texts, omen_text_reader **out, omen_error *err);
OMEN_LATER void omen_text_reader_free(omen_text_reader *r); /* NULL is fine */
/* Step: has the host load the languages of the fields that are not there (omen_language_load); OMEN_PENDING, or OMEN_OK. NULL is fine. */
omen_status omen_text_fields_load(const omen_text_fields *f, bool again);
/* The fields' own, made at its first use, and anew when a language has been loaded since. The write lock is held. */
omen_status omen_text_fields_writer(omen_text_fields *f, omen_text_reader **out, omen_error *err);
/* Whether the field's language is loaded; always so of sparse fields. */
bool omen_text_reader_available(const omen_text_reader *r, uint32_t field);
/* NULL where it is not loaded, or the field is sparse. */
omen_analyzer *omen_text_reader_analyzer(const omen_text_reader *r, uint32_t field);
/* What the field's postings are marked with; 0 where it is not available. */
uint32_t omen_text_reader_tag(const omen_text_reader *r, uint32_t field);
/* Options of the postings of a field. */
omen_postings_options omen_text_reader_postings(const omen_text_reader *r, uint32_t field);

/* Hands all terms of a document ("" is none) to the sink, field after field; `only` (UINT32_MAX: all): of that field. OMEN_ERR_MEMORY; strict: a sparse vector
 * that is none is OMEN_ERR_INVALID with the reason, otherwise it is passed over. The sink may have got some terms when an error is answered. */
omen_status omen_text_reader_read(omen_text_reader *r, omen_str document, uint32_t only, bool strict, const omen_text_sink *sink, omen_error *err);

/* The value at a path; NULL: missing. */
const omen_json_val *omen_text_reach(const omen_json_val *root, omen_str path);
/* The strings of a text field's value: NULL behind the last. Zero-initialise *at. */
typedef struct omen_text_strings { bool begun; omen_json_iter it; } omen_text_strings;
bool omen_text_strings_next(omen_text_strings *at, const omen_json_val *value, omen_str *out);

#endif
