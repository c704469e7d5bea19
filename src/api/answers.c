#include "api/answers.h"

#include "kernel/kernel.h"

omen_status omen_answer_metrics(const omen_request *r, omen_mem *m, omen_db *db, omen_buf *out, omen_error *err) {
    omen_str format = OMEN_STR("json"), labels = {"", 0};
    omen_metrics_format f = OMEN_METRICS_JSON;
    if (omen_request_has(r, "format")) OMEN_TRY(omen_request_str(r, "format", &format, err));
    if (omen_str_equal(format, OMEN_STR("prometheus"))) f = OMEN_METRICS_PROMETHEUS;
    else if (!omen_str_equal(format, OMEN_STR("json"))) return omen_fail(err, OMEN_ERR_INVALID, "format must be json or prometheus");
    omen_buf text;
    omen_buf_init(&text, m);
    const omen_json_val *v = omen_json_get(r->root, "labels");
    omen_status s = OMEN_OK;
    if (v != NULL && !omen_json_is_null(v)) {
        s = omen_json_print(v, &text);
        labels = (omen_str){(const char *)text.data, text.len};
    }
    if (s == OMEN_OK) s = omen_db_metrics(db, f, labels, out, err);
    omen_buf_deinit(&text);
    return s;
}

void omen_answer_version(omen_jw *w) {
    omen_jw_key(w, "version");
    omen_jw_cstr(w, OMEN_VERSION_STRING);
    omen_jw_key(w, "kernels");
    omen_jw_cstr(w, omen_kernels_name());
    omen_jw_key(w, "format");
    omen_jw_u64(w, OMEN_FORMAT_VERSION);
}
