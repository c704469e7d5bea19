#include "db/ask.h"

#include "db/schema.h"

typedef struct reader {
    omen_ask *ask;
    bool strict;
    omen_error *err;
} reader;

static bool is(omen_str s, const char *text) { return omen_str_equal(s, (omen_str){text, strlen(text)}); }

static omen_status number(reader *r, const char *name, const omen_json_val *v, double to, float *out) {
    double d;
    if (!omen_json_f64(v, &d) || !(d >= 0.0 && d <= to))
        return to == 1.0 ? omen_fail(r->err, OMEN_ERR_INVALID, "%s must be a number of 0 to 1", name) : omen_fail(r->err, OMEN_ERR_INVALID, "%s must be a number of at least 0", name);
    *out = (float)d;
    return OMEN_OK;
}

static omen_status integer(reader *r, const char *name, const omen_json_val *v, uint64_t most, uint32_t *out) {
    uint64_t n;
    if (!omen_json_u64(v, &n) || n == 0 || n > most) return omen_fail(r->err, OMEN_ERR_INVALID, "%s must be an integer of 1 to %llu", name, (unsigned long long)most);
    *out = (uint32_t)n;
    return OMEN_OK;
}

static omen_status any_number(reader *r, const char *name, const omen_json_val *v, float *out) {
    double d;
    if (!omen_json_f64(v, &d)) return omen_fail(r->err, OMEN_ERR_INVALID, "%s must be a number", name);
    *out = (float)d;
    return OMEN_OK;
}

static omen_status read_mmr(void *arg, omen_str key, const omen_json_val *v) {
    reader *r = arg;
    if (is(key, "lambda")) return number(r, "mmr.lambda", v, 1, &r->ask->mmr_lambda);
    if (is(key, "candidates")) return integer(r, "mmr.candidates", v, OMEN_MAX_K, &r->ask->mmr_candidates);
    return omen_fail(r->err, OMEN_ERR_INVALID, "mmr has no \"%.*s\"; there are lambda and candidates", (int)OMEN_MIN(key.len, 60), key.data);
}

static omen_status read_group(void *arg, omen_str key, const omen_json_val *v) {
    reader *r = arg;
    omen_str text = {"", 0};
    if (is(key, "path")) return omen_json_str(v, &r->ask->group) && r->ask->group.len != 0 ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "groupBy.path must be a path: names joined by dots");
    if (is(key, "size")) return integer(r, "groupBy.size", v, 1000, &r->ask->group_size);
    if (is(key, "missing")) {
        r->ask->group_leave = omen_json_str(v, &text) && is(text, "leave");
        return r->ask->group_leave || is(text, "own") ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "groupBy.missing must be \"own\" or \"leave\"");
    }
    return omen_fail(r->err, OMEN_ERR_INVALID, "groupBy has no \"%.*s\"; there are path, size and missing", (int)OMEN_MIN(key.len, 60), key.data);
}

static omen_status read_order(void *arg, omen_str key, const omen_json_val *v) {
    reader *r = arg;
    omen_str text = {"", 0};
    if (is(key, "path")) return omen_json_str(v, &r->ask->order) && r->ask->order.len != 0 ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "orderBy.path must be a path: names joined by dots");
    if (is(key, "direction")) {
        r->ask->order_descending = omen_json_str(v, &text) && is(text, "desc");
        return r->ask->order_descending || is(text, "asc") ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "orderBy.direction must be \"asc\" or \"desc\"");
    }
    return omen_fail(r->err, OMEN_ERR_INVALID, "orderBy has no \"%.*s\"; there are path and direction", (int)OMEN_MIN(key.len, 60), key.data);
}

static omen_status read_fusion(reader *r, const omen_json_val *v) {
    omen_str text = {"", 0};
    bool rrf = omen_json_str(v, &text) && is(text, "rrf");
    if (!rrf && !is(text, "weighted")) return omen_fail(r->err, OMEN_ERR_INVALID, "fusion must be \"weighted\" or \"rrf\"");
    r->ask->fusion.kind = rrf ? OMEN_FUSE_RRF : OMEN_FUSE_WEIGHTED;
    return OMEN_OK;
}

static omen_status read_plan(reader *r, const omen_json_val *v) {
    static const char *const names[] = {"auto", "index", "matches", "scan"};
    omen_str text = {"", 0};
    if (omen_json_str(v, &text))
        for (int i = 0; i < (int)OMEN_ARRAY_LEN(names); i++) {
            if (!is(text, names[i])) continue;
            r->ask->plan = (omen_vector_plan)i;
            return OMEN_OK;
        }
    return omen_fail(r->err, OMEN_ERR_INVALID, "plan must be \"auto\", \"index\", \"matches\" or \"scan\"");
}

static omen_status read_member(void *arg, omen_str key, const omen_json_val *v) {
    reader *r = arg;
    omen_ask *a = r->ask;
    const struct { const char *name; const omen_json_val **to; } objects[] = {{"filter", &a->filter},   {"text", &a->text},           {"sparse", &a->sparse},      {"weights", &a->weights},
                                                                              {"facets", &a->facets},   {"highlight", &a->highlight}, {"recommend", &a->recommend}, {"multi", &a->multi},
                                                                              {"rerank", &a->rerank}};
    bool flag;
    uint64_t ms;
    if (omen_json_is_null(v)) return OMEN_OK;
    for (size_t i = 0; i < OMEN_ARRAY_LEN(objects); i++) {
        if (!is(key, objects[i].name)) continue;
        *objects[i].to = v;
        return OMEN_OK;
    }
    if (is(key, "fusion")) return read_fusion(r, v);
    if (is(key, "plan")) return read_plan(r, v);
    if (is(key, "alpha")) {
        a->fusion.shares = OMEN_FUSE_ALPHA;
        return number(r, "alpha", v, 1, &a->fusion.alpha);
    }
    if (is(key, "rrfK")) return number(r, "rrfK", v, 1e9, &a->fusion.k);
    if (is(key, "maxDistance")) return any_number(r, "maxDistance", v, &a->max_distance);
    if (is(key, "minScore")) return any_number(r, "minScore", v, &a->min_score);
    if (is(key, "mmr")) {
        a->mmr = !omen_json_bool(v, &flag) || flag;
        if (omen_json_bool(v, &flag)) return OMEN_OK;
        if (!omen_json_is_object(v)) return omen_fail(r->err, OMEN_ERR_INVALID, "mmr must be true or an object: {\"lambda\": 0.5}");
        return omen_json_each(v, read_mmr, r);
    }
    if (is(key, "groupBy")) {
        if (omen_json_str(v, &a->group) && a->group.len != 0) return OMEN_OK;
        if (!omen_json_is_object(v)) return omen_fail(r->err, OMEN_ERR_INVALID, "groupBy must be a path, or an object: {\"path\": ..., \"size\": 3}");
        OMEN_TRY(omen_json_each(v, read_group, r));
        return a->group.len != 0 ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "groupBy has no path");
    }
    if (is(key, "orderBy")) {
        if (omen_json_str(v, &a->order) && a->order.len != 0) return OMEN_OK;
        if (!omen_json_is_object(v)) return omen_fail(r->err, OMEN_ERR_INVALID, "orderBy must be a path, or an object: {\"path\": ..., \"direction\": \"desc\"}");
        OMEN_TRY(omen_json_each(v, read_order, r));
        return a->order.len != 0 ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "orderBy has no path");
    }
    if (is(key, "deadlineMs")) {
        if (!omen_json_u64(v, &ms) || ms == 0 || ms > UINT32_MAX) return omen_fail(r->err, OMEN_ERR_INVALID, "deadlineMs must be an integer of 1 to %u", UINT32_MAX);
        a->deadline_ms = ms;
        return OMEN_OK;
    }
    if (!r->strict) return OMEN_OK;
    return omen_fail(r->err, OMEN_ERR_INVALID, "a search has no option \"%.*s\"; docs/QUERIES.md lists what there is", (int)OMEN_MIN(key.len, 60), key.data);
}

omen_status omen_ask_read(const omen_json_val *root, bool strict, omen_ask *out, omen_error *err) {
    reader r = {out, strict, err};
    *out = (omen_ask){.fusion = omen_fuse_defaults(), .max_distance = __builtin_inff(), .min_score = -__builtin_inff(), .mmr_lambda = 0.5f, .group_size = 1};
    if (root == NULL) return OMEN_OK;
    if (!omen_json_is_object(root)) return omen_fail(err, OMEN_ERR_INVALID, "the options of a search must be a JSON object");
    OMEN_TRY(omen_json_each(root, read_member, &r));
    if (out->fusion.kind == OMEN_FUSE_RRF && out->fusion.shares == OMEN_FUSE_ALPHA) return omen_fail(err, OMEN_ERR_INVALID, "alpha is of the fusion \"weighted\"; give \"rrf\" weights instead");
    if (out->weights != NULL && !omen_json_is_object(out->weights)) return omen_fail(err, OMEN_ERR_INVALID, "weights must be an object: a number for each leg, by name");
    if (out->weights != NULL && out->fusion.shares == OMEN_FUSE_ALPHA) return OMEN_OK; /* divide each side's share */
    if (out->weights != NULL) out->fusion.shares = OMEN_FUSE_WEIGHTS;
    return OMEN_OK;
}
