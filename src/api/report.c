/* report.c - checks and repairs that tell everything, blocking. */
#include "api/api.h"
#include "db/inspect.h"
#include "db/repair.h"

struct omen_report {
    const omen_host *host;
    omen_mem mem; /* its own: it outlives the database */
    omen_buf text;
    uint64_t damage;
};

static omen_report *report_new(const omen_host *host) {
    omen_report *r = host->alloc(host->ctx, sizeof *r);
    if (r == NULL) return NULL;
    memset(r, 0, sizeof *r);
    r->host = host;
    omen_mem_init(&r->mem, host, 0);
    omen_buf_init(&r->text, &r->mem);
    return r;
}

void omen_report_free(omen_report *r) {
    if (r == NULL) return;
    const omen_host *host = r->host;
    omen_buf_deinit(&r->text);
    host->free(host->ctx, r, sizeof *r);
}

omen_str omen_report_json(const omen_report *r) { return r == NULL ? (omen_str){"", 0} : (omen_str){(const char *)r->text.data, r->text.len}; }
uint64_t omen_report_damage(const omen_report *r) { return r == NULL ? 0 : r->damage; }

omen_status omen_check_report(omen_db *db, omen_report **out) {
    omen_error err = {0};
    omen_inspect_op *op;
    if (db == NULL || out == NULL) return omen_told(OMEN_ERR_INVALID, NULL);
    *out = NULL;
    omen_report *r = report_new(db->host);
    if (r == NULL) return omen_told(OMEN_ERR_MEMORY, NULL);
    omen_status s = omen_inspect_op_new(db, &op, &err);
    if (s == OMEN_OK) {
        OMEN_DRIVE(db->host, s, omen_inspect_op_step(op, &err), &err);
        if (s == OMEN_OK && omen_inspect_op_report(op, &r->text) != OMEN_OK) s = omen_fail(&err, OMEN_ERR_MEMORY, "out of memory for the report");
        r->damage = omen_inspect_op_damage(op);
        omen_inspect_op_free(op);
    }
    if (s == OMEN_OK) *out = r;
    else omen_report_free(r);
    return omen_told(s, &err);
}

omen_status omen_repair(const char *path, const omen_options *given, uint32_t flags, omen_report **out) {
    omen_error err = {0};
    omen_options options;
    omen_repair_op *op = NULL;
    if (out != NULL) *out = NULL;
    omen_status s = omen_open_args(path, given, out, &options, &err);
    if (s == OMEN_OK && (flags & ~(uint32_t)(OMEN_REPAIR_WRITE | OMEN_REPAIR_CUT)) != 0) {
        s = omen_fail(&err, OMEN_ERR_INVALID, "flags of omen_repair are unknown");
        if (options.storage != NULL) options.storage->ops->release(options.storage->ctx);
    }
    if (s != OMEN_OK) return omen_told(s, &err);
    omen_report *r = report_new(options.host);
    if (r == NULL) {
        if (options.storage != NULL) options.storage->ops->release(options.storage->ctx);
        return omen_told(omen_fail(&err, OMEN_ERR_MEMORY, "out of memory for the report; nothing was changed"), &err);
    }
    s = omen_repair_op_new(path, &options, (flags & OMEN_REPAIR_WRITE) != 0, (flags & OMEN_REPAIR_CUT) == 0, &op, &err);
    if (s == OMEN_OK) OMEN_DRIVE(options.host, s, omen_repair_op_step(op, &err), &err);
    if (s == OMEN_OK && omen_repair_op_report(op, &r->text) != OMEN_OK)
        s = omen_fail(&err, OMEN_ERR_MEMORY, omen_repair_op_mended(op) ? "the database is repaired, but there is no memory for the report of it; check it to see that it is in order"
                                                                       : "out of memory for the report; nothing was changed");
    if (op != NULL) r->damage = omen_repair_op_damage(op);
    omen_repair_op_free(op);
    if (s == OMEN_OK) *out = r;
    else omen_report_free(r);
    return omen_told(s, &err);
}

omen_status omen_check_path(const char *path, const omen_options *options, omen_report **out) { return omen_repair(path, options, 0, out); }
