/* arguments.h - the arguments of requests (docs/CALLS.md) that are objects of their own. Strings that come out are borrowed from the request. */
#ifndef OMEN_API_ARGUMENTS_H
#define OMEN_API_ARGUMENTS_H

#include "api/api.h"
#include "api/message.h"
#include "base/json.h"

/* "options" of "open", over what *out has; NULL: none. `id` holds the database's id, which *out then points to. OMEN_ERR_INVALID. */
omen_status omen_args_options(const omen_json_val *v, omen_options *out, uint8_t id[16], omen_error *err);

typedef struct omen_schema_args {
    omen_schema schema; /* points into the others: is not moved */
    omen_vector_field fields[OMEN_MAX_VECTOR_FIELDS];
    omen_text_field texts[OMEN_MAX_TEXT_FIELDS];
    omen_str sparse[OMEN_MAX_TEXT_FIELDS];
    omen_multi_field multis[OMEN_MAX_MULTI_FIELDS];
} omen_schema_args;
omen_status omen_args_schema(const omen_json_val *v, omen_schema_args *out, omen_error *err);
/* {"kind", "m", "efConstruction", "codec", "lists", "bits"}, each of which may be left out. */
omen_status omen_args_index(const omen_json_val *v, omen_index_options *out, omen_error *err);
/* "recall", "ef", "nprobe", "exact" of a search's request. */
omen_status omen_args_effort(const omen_json_val *root, omen_query *q, omen_error *err);

/* OMEN_INCLUDE_* of a list of names; nothing of NULL. OMEN_ERR_INVALID. */
omen_status omen_args_include(const omen_json_val *list, uint32_t *out, omen_error *err);

/* A part with 1 to 17 keys of 64 bytes (omen_encryption_key), the one of new files first. *out borrows the others from the request. OMEN_ERR_INVALID. */
omen_status omen_args_keys(const omen_request *r, uint32_t part, omen_encryption *out, omen_error *err);

#endif
