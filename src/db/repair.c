/* repair.c - opens by salvage, reads everything, and writes anew what is damaged:
 *
 *   open      salvage.h: what can be read is there
 *   inspect   every block, row and index; rows that cannot be read are dead from now on
 *   parts     each damaged part is merged alone: its rows that are left become a new segment, and all that is derived from them with it. From the newest
 *             to the oldest, so that places of those to come stay as they are
 *   flush     what the log gave becomes segments, so that the damaged log is not needed any more
 *   manifest  says so, and that what is lost was never to come. Until here the files are as they were, but for new ones: repairing again begins anew
 *   flaws     what the storage keeps twice is written again where one of the two was damaged
 *   index     indexes that were damaged are not named any more; maintenance builds others
 *
 * Files that are damaged are named by no manifest then, and the next open removes them. */
#include "db/repair.h"

#include "base/later.h"
#include "db/job.h"

struct omen_repair_op {
    omen_mem mem;
    const omen_host *host;
    bool write;
    omen_findings findings;
    omen_salvage salvage;
    omen_open_op *open;
    omen_db *db;
    omen_inspect inspect;
    omen_admin_op admin;
    bool inspecting, administering, rewriting, mended;
    uint64_t generation; /* of the manifest that was found */
    enum { OPEN, INSPECT, PARTS, FLUSH, MANIFEST, FLAWS, CLOSE, DONE } stage;
};

omen_status omen_repair_op_new(const char *path, const omen_options *options, bool write, bool later, omen_repair_op **out, omen_error *err) {
    omen_options o = *options;
    const omen_host *host = o.host;
    omen_repair_op *op = host->alloc(host->ctx, sizeof *op);
    *out = NULL;
    if (op == NULL) {
        if (o.storage != NULL) o.storage->ops->release(o.storage->ctx);
        return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    }
    memset(op, 0, sizeof *op);
    omen_mem_init(&op->mem, host, 0);
    omen_findings_init(&op->findings, &op->mem);
    op->host = host;
    op->write = write;
    op->salvage = (omen_salvage){.findings = &op->findings, .later = later};
    o.create = 0;
    o.read_only = !write;
    o.memory_bytes = 0;
    o.manual_maintenance = 1;
    if (o.durability < OMEN_DURABILITY_GROUP) o.durability = OMEN_DURABILITY_GROUP;
    omen_status s = omen_open_op_new(path, &o, &op->open, err);
    if (s != OMEN_OK) {
        omen_repair_op_free(op);
        return s;
    }
    omen_open_op_salvage(op->open, &op->salvage);
    *out = op;
    return OMEN_OK;
}

void omen_repair_op_free(omen_repair_op *op) {
    if (op == NULL) return;
    const omen_host *host = op->host;
    if (op->administering) omen_admin_op_deinit(&op->admin);
    if (op->inspecting) omen_inspect_deinit(&op->inspect);
    omen_open_op_free(op->open);
    omen_db_free(op->db);
    omen_findings_deinit(&op->findings);
    host->free(host->ctx, op, sizeof *op);
}

omen_mem *omen_repair_op_mem(omen_repair_op *op) { return &op->mem; }
bool omen_repair_op_mended(const omen_repair_op *op) { return op->mended; }
uint64_t omen_repair_op_damage(const omen_repair_op *op) { return op->findings.count; }
omen_status omen_repair_op_report(const omen_repair_op *op, omen_buf *out) { return omen_findings_write(&op->findings, op->mended, out); }

/* Whether a manifest was written since the database was opened. */
static bool begun(const omen_repair_op *op) { return op->db != NULL && op->db->manifest != NULL && omen_manifest_generation(op->db->manifest) > op->generation; }

static omen_status open_stage(omen_repair_op *op, omen_error *err) {
    OMEN_TRY(omen_later(err));
    OMEN_TRY(omen_open_op_step(op->open, &op->db, err));
    omen_open_op_free(op->open);
    op->open = NULL;
    op->generation = omen_manifest_generation(op->db->manifest);
    return OMEN_OK;
}

static omen_status inspect_stage(omen_repair_op *op, omen_error *err) {
    if (!op->inspecting) omen_inspect_init(&op->inspect, op->db, &op->findings, op->write);
    op->inspecting = true;
    return omen_inspect_step(&op->inspect, err);
}

/* The maintenance lock is not taken: nobody else has the database. */
static omen_status rewrite(omen_repair_op *op, const omen_damaged_part *d, omen_error *err) {
    omen_db *db = op->db;
    bool done = false;
    if (!op->rewriting) {
        omen_snapshot s;
        omen_snapshot_take(db, &s);
        omen_status st = omen_job_merge(db, &s, s.version->colls[d->coll], d->part, d->part + 1, err);
        omen_snapshot_release(&s);
        OMEN_TRY(st);
        op->rewriting = true;
    }
    while (!done) OMEN_TRY(omen_job_step(db->job, &done, err));
    omen_job_abandon(db);
    op->rewriting = false;
    return OMEN_OK;
}

static omen_status parts_stage(omen_repair_op *op, omen_error *err) {
    omen_buf *parts = &op->inspect.parts;
    while (parts->len != 0) {
        omen_damaged_part d;
        memcpy(&d, parts->data + parts->len - sizeof d, sizeof d);
        OMEN_TRY(rewrite(op, &d, err));
        parts->len -= sizeof d;
    }
    omen_inspect_deinit(&op->inspect);
    op->inspecting = false;
    return OMEN_OK;
}

static omen_status administer(omen_repair_op *op, omen_admin_kind kind, omen_error *err) {
    if (!op->administering) omen_admin_op_init(&op->admin, op->db, kind, 0);
    op->administering = true;
    OMEN_TRY(omen_admin_op_step(&op->admin, err));
    omen_admin_op_deinit(&op->admin);
    op->administering = false;
    return OMEN_OK;
}

static omen_status flush_stage(omen_repair_op *op, omen_error *err) { return administer(op, OMEN_ADMIN_FLUSH, err); }

/* Everything lies in segments: logs before the one that was begun are not needed. */
static omen_status manifest_stage(omen_repair_op *op, omen_error *err) {
    omen_db *db = op->db;
    if (!op->mended) {
        if (db->proof.len == 0) OMEN_TRY(omen_manifest_encode(db, db->current, db->epoch, db->next_lsn - 1, &db->proof, err));
        OMEN_TRY(omen_manifest_write(db->manifest, db->proof.data, db->proof.len, err));
        db->proof.len = 0;
        op->mended = true;
    }
    return omen_manifest_found(db->manifest, NULL, 0, err); /* where both slots were lost */
}

static omen_status flaws_stage(omen_repair_op *op, omen_error *err) { return omen_store_flaws(&op->db->store, true, NULL, NULL, err); }

static omen_status close_stage(omen_repair_op *op, omen_error *err) { return administer(op, OMEN_ADMIN_CLOSE, err); }

omen_status omen_repair_op_step(omen_repair_op *op, omen_error *err) {
    typedef omen_status step(omen_repair_op *, omen_error *);
    static step *const steps[] = {[OPEN] = open_stage, [INSPECT] = inspect_stage, [PARTS] = parts_stage, [FLUSH] = flush_stage, [MANIFEST] = manifest_stage, [FLAWS] = flaws_stage, [CLOSE] = close_stage};
    for (; op->stage < DONE; op->stage++) {
        /* What is in order is left as it is. */
        bool mends = op->stage >= PARTS && op->stage <= FLAWS;
        if (mends && (!op->write || op->findings.count == 0)) continue;
        /* Nothing is given up before it can be said. */
        if (mends && op->findings.failed) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for the report; nothing was repaired");
        omen_error why = {0};
        omen_status s = steps[op->stage](op, &why);
        if (s == OMEN_OK) continue;
        if (s == OMEN_PENDING) return s;
        if (op->mended) return omen_fail(err, s, "the database is repaired, but could not be closed well: %s", why.text);
        return omen_fail(err, s, begun(op) ? "%s; a part of the repair was written, and nothing else: repair again" : "%s", why.text);
    }
    return OMEN_OK;
}
