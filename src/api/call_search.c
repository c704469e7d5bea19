/* call_search.c - requests that search. */
#include "api/arguments.h"
#include "api/call.h"
#include "base/later.h"
#include "column/element.h"

/* How many dimensions a query of `len` bytes has depends on the field's element. */
static omen_status query_dimensions(omen_call *c, omen_query *q, size_t len) {
    const omen_schema *s = &c->coll->schema.schema;
    uint32_t f;
    OMEN_TRY(omen_schema_field(s, q->field, &f, &c->err));
    uint64_t bytes8 = (uint64_t)len * 8, eight = omen_element_given_bytes(s->vectors[f].element, 8); /* eight times the bytes, and those of eight dimensions */
    if (bytes8 % eight != 0) return omen_fail(&c->err, OMEN_ERR_INVALID, "the query vector has %zu bytes, which is no whole number of dimensions of %s", len, omen_element_name(s->vectors[f].element));
    q->dimensions = (uint32_t)OMEN_MIN(bytes8 / eight, UINT32_MAX);
    return OMEN_OK;
}

/* "vectors": [{"field", "weight"}], a part for each. */
static omen_status take_query_vectors(omen_call *c, const omen_json_val *list, omen_query_vector *out, omen_query *q) {
    const omen_json_val *v;
    uint32_t n = 0;
    if (!omen_json_is_array(list) || omen_json_count(list) > OMEN_MAX_VECTOR_FIELDS) return omen_fail(&c->err, OMEN_ERR_INVALID, "vectors must be an array of at most %u objects", OMEN_MAX_VECTOR_FIELDS);
    omen_json_iter it = omen_json_iter_of(list);
    for (; (v = omen_json_next(&it)) != NULL; n++) {
        const omen_json_val *name = omen_json_get(v, "field"), *weight = omen_json_get(v, "weight");
        omen_part_view part;
        omen_query one;
        double w = 1.0;
        omen_query_init(&one);
        if (name != NULL && !omen_json_str(name, &one.field)) return omen_fail(&c->err, OMEN_ERR_INVALID, "a query vector's field must be a string");
        if (weight != NULL && !omen_json_f64(weight, &w)) return omen_fail(&c->err, OMEN_ERR_INVALID, "a query vector's weight must be a number");
        OMEN_TRY(omen_request_part(&c->request, n, &part, &c->err));
        OMEN_TRY(query_dimensions(c, &one, part.len));
        out[n] = (omen_query_vector){one.field, part.data, one.dimensions, (float)w};
    }
    q->vectors = out;
    q->vector_count = n;
    return OMEN_OK;
}

omen_status omen_call_search(omen_call *c) {
    /* What most searches do not ask for is loaded later. Text and sparse vectors were with their collection; one that has none is to say so. */
    static const char *const rare[] = {"facets", "groupBy", "highlight", "mmr", "multi", "orderBy", "recommend", "rerank", "sparse", "text"};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(rare); i++)
        if (omen_json_get(c->request.root, rare[i]) != NULL) OMEN_TRY(omen_later(&c->err));
    omen_query q;
    omen_query_vector vectors[OMEN_MAX_VECTOR_FIELDS];
    uint64_t k;
    omen_part_view v;
    const omen_json_val *list;
    omen_query_init(&q);
    OMEN_TRY(omen_call_read(c, OMEN_READ_SEARCH));
    OMEN_TRY(omen_request_u64(&c->request, "k", UINT32_MAX, &k, &c->err));
    if (omen_request_has(&c->request, "field")) OMEN_TRY(omen_request_str(&c->request, "field", &q.field, &c->err));
    list = omen_json_get(c->request.root, "vectors");
    if (list != NULL && !omen_json_is_null(list)) {
        OMEN_TRY(take_query_vectors(c, list, vectors, &q));
    } else if (c->request.part_count != 0) {
        OMEN_TRY(omen_request_part(&c->request, 0, &v, &c->err));
        OMEN_TRY(query_dimensions(c, &q, v.len));
        q.vector = v.data;
    }
    OMEN_TRY(omen_args_effort(c->request.root, &q, &c->err));
    q.k = (uint32_t)k;
    return omen_read_op_search(c->read, &q, c->request.root, &c->err);
}

omen_status omen_call_explain(omen_call *c) {
    OMEN_TRY(omen_later(&c->err));
    return omen_call_search(c);
}

omen_status omen_call_explained(omen_call *c) {
    omen_jw w;
    omen_jw_begin(&w, &c->text);
    omen_explain_write(c->read, &w);
    return omen_jw_end(&w) == OMEN_OK ? OMEN_OK : omen_fail(&c->err, OMEN_ERR_MEMORY, "out of memory explaining a search");
}
