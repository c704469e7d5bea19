/* answers.h - what calls answer about the library and a database as a whole. */
#ifndef OMEN_API_ANSWERS_H
#define OMEN_API_ANSWERS_H

#include "api/message.h"
#include "db/admin.h"

/* "metrics": the request's "format" and "labels"; the text is appended. OMEN_ERR_INVALID, _MEMORY. */
omen_status omen_answer_metrics(const omen_request *r, omen_mem *m, omen_db *db, omen_buf *out, omen_error *err);
/* "version": members of the object that is being written. */
void omen_answer_version(omen_jw *w);

#endif
