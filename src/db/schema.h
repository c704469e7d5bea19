/* db/ - the database: collections, in-memory tables, snapshots, maintenance, metrics.
 *
 * schema.h - a collection's schema as the database keeps it: an own copy, checked, and its binary form in log and manifest.
 *
 * Binary form (at its end the path of the time to live, as a name): u32 vector_count, u32 text_count, u16 sparse_count, u16 multi_count, then for each vector field u32 dimensions, u32 metric, u32 element, u32 index kind, codec, m,
 * ef_construction, lists, bits (0: the default), u32 name length, name;
 * for each text field u32 flags, f32 weight, u32 name length, name, u32 language length, language (its code, or "none");
 * for each sparse field u32 name length, name; for each field of several vectors a record u32 dimensions, u32 metric, u32 element, u32 name length, name; zero bytes up to a multiple of 8. Default field names are stored as "vector".
 */
#ifndef OMEN_DB_SCHEMA_H
#define OMEN_DB_SCHEMA_H

#include "base/json.h"
#include "base/mem.h"
#include "text/part_text.h"

#define OMEN_MAX_TEXT_FIELDS 64u /* text and sparse fields together */

typedef struct omen_schema_copy {
    omen_schema schema; /* points into the arrays below and into `names` */
    omen_vector_field vectors[OMEN_MAX_VECTOR_FIELDS];
    omen_text_field texts[OMEN_MAX_TEXT_FIELDS];
    omen_str sparse[OMEN_MAX_TEXT_FIELDS];
    omen_part_field fields[OMEN_MAX_VECTOR_FIELDS];
    omen_multi_field multis[OMEN_MAX_MULTI_FIELDS];
    omen_part_field multi_fields[OMEN_MAX_MULTI_FIELDS];
    omen_text_fields *text; /* text fields, then sparse ones; NULL: there are none */
    omen_arena names;
} omen_schema_copy;

/* Collections' and fields' names: 1 to OMEN_MAX_NAME bytes of letters, digits, '_', '-', '.'; not starting with '.', '-' or "omen_". */
omen_status omen_name_check(omen_str name, const char *what, omen_error *err);
/* Copies and checks. A field named "" becomes "vector"; "id" is refused; languages become their codes, a weight of 0 becomes 1. OMEN_ERR_NAME, _INVALID, _MEMORY. */
omen_status omen_schema_copy_init(omen_schema_copy *c, omen_mem *m, const omen_schema *s, omen_error *err);
void omen_schema_copy_deinit(omen_schema_copy *c);
/* Whether `wanted` asks for what `have` is. OMEN_ERR_SCHEMA tells the first difference. */
omen_status omen_schema_match(const omen_schema *have, const omen_schema *wanted, omen_str collection, omen_error *err);
omen_status omen_schema_encode(const omen_schema *s, omen_buf *out);
/* Decodes and checks; *used is the bytes taken. OMEN_ERR_CORRUPT. */
omen_status omen_schema_decode(omen_schema_copy *c, omen_mem *m, const uint8_t *data, size_t len, size_t *used, omen_error *err);
/* Index of a vector field by name ("" is the only field, or "vector"); OMEN_ERR_INVALID. */
omen_status omen_schema_field(const omen_schema *s, omen_str name, uint32_t *out, omen_error *err);
/* Index of a field of several vectors a record by name ("": the only one); OMEN_ERR_INVALID. */
omen_status omen_schema_multi(const omen_schema *s, omen_str name, uint32_t *out, omen_error *err);
/* Opens a part of a collection with this schema, its inverted indexes and fields of several vectors too: as omen_part_open. */
omen_status omen_schema_open_part(const omen_schema_copy *s, omen_store *st, const omen_segment_info *info, omen_part **out, omen_error *err);
const char *omen_metric_name(omen_metric m); /* "l2", "ip", "cosine", "hamming" */
const char *omen_element_name(omen_element e); /* "f32", "f16", "i8", "bit" */
bool omen_element_parse(omen_str name, omen_element *out);
const char *omen_index_kind_name(omen_index_kind k); /* "auto", "flat", "hnsw", "ivf", "disk" */
bool omen_index_kind_parse(omen_str name, omen_index_kind *out);
const char *omen_codec_name(omen_codec c); /* "auto", "sq8", "rabitq", "pq" */
bool omen_codec_parse(omen_str name, omen_codec *out);
/* Whether the parameters of an index are in range and fit each other; `field` is for the message. OMEN_ERR_INVALID. */
omen_status omen_index_options_check(const omen_index_options *o, omen_str field, omen_error *err);
bool omen_metric_parse(omen_str name, omen_metric *out);
/* {"vectors": [{"name", "dimensions", "metric", "element", "index": {"kind", and parameters that were given}}], "text": [name, or {"name", "language", "weight",
 * "stopWords", "accents"} where it is more than a name], and where there are any "sparse": [..], "multi": [{"name", "dimensions", "metric", "element"}]} */
void omen_schema_write_json(const omen_schema *s, omen_jw *w);
static inline bool omen_str_equal(omen_str a, omen_str b) { return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0); }

#endif
