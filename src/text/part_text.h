/* part_text.h - the inverted indexes of a part: made of its documents while it is written, opened and verified with it.
 *
 * The postings of a field are marked with its analyzer's version (omen_text_reader_tag). A part whose mark is another one, or that lacks the field because its language
 * was not loaded when the part was written, is searched by reading its documents; merges write it anew, and compacting does so with such a part alone.
 */
#ifndef OMEN_TEXT_PART_TEXT_H
#define OMEN_TEXT_PART_TEXT_H

#include "column/part.h"
#include "text/fields.h"

/* For omen_part_writer_extra. It holds what the fields' builders gather of all documents until they are written. OMEN_ERR_MEMORY. */
typedef struct omen_part_text_writer omen_part_text_writer;
omen_status omen_part_text_writer_new(omen_text_fields *f, omen_part_text_writer **out, omen_error *err);
void omen_part_text_writer_free(omen_part_text_writer *w); /* NULL is fine; after the part's writer */
omen_part_extra_writer omen_part_text_writer_hook(omen_part_text_writer *w);

/* Opens what an open part has of the fields' postings; they go with the part. Step: repeat on PENDING. OMEN_ERR_CORRUPT, _IO, _MEMORY, _VERSION; then the part
 * is as it was. */
OMEN_LATER omen_status omen_part_text_open(omen_part *p, uint32_t field_count, omen_error *err);
/* Whether writing the part anew would give it an index that is missing now, or that other rules made. */
OMEN_LATER bool omen_part_text_stale(const omen_part *p, omen_text_fields *f);
/* Postings of a field; NULL: the part has none. */
const omen_postings *omen_part_text(const omen_part *p, uint32_t field);

#endif
