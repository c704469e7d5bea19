/* log_recovery.c - replays the logs and tells a torn tail from a lost record (the rules stand in log_format.h).
 *
 * One pass reads the files in order of their epochs. Invariants
 *   - next_lsn, last_crc: after the last committed frame that was handed on. Nothing is handed on past a loss unless a later file
 *     links exactly there.
 *   - while `lost`: no valid frame seen since says durable_lsn >= next_lsn (otherwise recovery has failed).
 *   - the storage is not changed before every file has been judged; then tails are cut, files without any kept frame are
 *     removed, and all of that and what was kept is made durable. The file of first_epoch is not removed, only cut: if it vanished and this recovery
 *     crashed before later files are gone too, the next one would miss it. Unless it is spare: then a later file is kept that proves so again.
 *   - but what is handed on is whole batches in order, and as durable as omen_recovery_settle makes it: whoever keeps them elsewhere meanwhile keeps
 *     nothing that a later judgement takes back.
 * Memory: the window of log_scan, and the frames of one batch.
 */
#include "base/control.h"
#include "base/sort.h"
#include "store/log_scan.h"

/* One log file, and how much of it is kept. */
typedef struct part {
    uint64_t epoch, size, kept;
    bool sealed; /* a storage with checksums of its own says that it cannot be read at all */
    bool spare;  /* nothing of it is kept, and a later file proves that it held no record, but for what is in segments */
    bool told;   /* salvage: its loss has been told */
} part;

/* A frame of the batch being read. */
typedef struct waiting {
    omen_log_header header;
    size_t at; /* of its payload in `batch` */
} waiting;

enum phase { LIST, OPEN, READ, SEARCH, NEXT, FIX, FIX_SYNC, FIX_DIR, DONE };

struct omen_recovery {
    omen_store *st;
    uint64_t first_epoch, floor_lsn;
    uint64_t proven_lsn; /* at least floor_lsn */
    bool read_only;
    omen_status (*each)(void *arg, const omen_recovered_frame *f, omen_error *err);
    void *arg;
    omen_recovery_result result;

    enum phase phase;
    omen_status failed;     /* answered again by every later step */
    bool list_failed;       /* out of memory inside the host's callback */
    omen_buf parts, frames; /* of part, of waiting */
    omen_buf batch;         /* payloads of `frames` */
    bool delivering;        /* the batch is whole; the first `delivered` of its frames have been handed on */
    size_t delivered;
    size_t current;         /* of parts */
    omen_log_scan scan;
    omen_file *file;
    uint64_t at;            /* place in the current file */
    uint64_t batch_lsn;     /* next LSN within the batch being read */
    uint32_t batch_crc;
    bool lost;
    uint64_t lost_epoch, lost_at;
    uint64_t kept_epoch;    /* the last of which something is kept; 0: none */
    bool passed;            /* since then, a valid frame with records was not kept */
    size_t settled;         /* files before it are durable as they are; the current one, too, once it is counted */
    omen_file *settling;
    const omen_log_salvage *salvage; /* NULL: damage ends recovery */
    omen_log_salvage salvaging;
    uint64_t forgotten;     /* epochs before it are not ours any more */
};

static part *part_at(omen_recovery *r, size_t i) { return (part *)(void *)r->parts.data + i; }
static size_t part_count(const omen_recovery *r) { return r->parts.len / sizeof(part); }

omen_status omen_recovery_new(omen_store *st, uint64_t first_epoch, uint64_t floor_lsn, bool read_only,
                              omen_status (*each)(void *arg, const omen_recovered_frame *f, omen_error *err), void *arg,
                              omen_recovery **out) {
    omen_recovery *r = omen_alloc_zero(st->mem, sizeof *r);
    *out = NULL;
    if (r == NULL) return OMEN_ERR_MEMORY;
    r->st = st;
    r->first_epoch = first_epoch;
    r->floor_lsn = r->proven_lsn = floor_lsn;
    r->read_only = read_only;
    r->each = each;
    r->arg = arg;
    r->result.next_lsn = floor_lsn + 1;
    omen_buf_init(&r->parts, st->mem);
    omen_buf_init(&r->frames, st->mem);
    omen_buf_init(&r->batch, st->mem);
    if (omen_log_scan_init(&r->scan, st, NULL) != OMEN_OK) {
        omen_recovery_free(r);
        return OMEN_ERR_MEMORY;
    }
    *out = r;
    return OMEN_OK;
}

void omen_recovery_prove(omen_recovery *r, uint64_t lsn) { r->proven_lsn = OMEN_MAX(r->floor_lsn, lsn); }

void omen_recovery_salvage(omen_recovery *r, const omen_log_salvage *s) {
    r->salvaging = *s;
    r->salvage = &r->salvaging;
}

static void close_file(omen_recovery *r) {
    if (r->file != NULL) r->st->storage.ops->close(r->st->storage.ctx, r->file);
    r->file = NULL;
    if (r->settling != NULL) r->st->storage.ops->close(r->st->storage.ctx, r->settling);
    r->settling = NULL;
}

void omen_recovery_free(omen_recovery *r) {
    if (r == NULL) return;
    close_file(r);
    omen_store_sync_dir_abandon(r->st, r);
    omen_log_scan_deinit(&r->scan);
    omen_buf_deinit(&r->parts);
    omen_buf_deinit(&r->frames);
    omen_buf_deinit(&r->batch);
    omen_free(r->st->mem, r, sizeof *r);
}

bool omen_recovery_spare(const omen_recovery *r, size_t *at, uint64_t *epoch, uint64_t *bytes) {
    for (const part *p = (const part *)(const void *)r->parts.data; *at < part_count(r); (*at)++) {
        if (!p[*at].spare || (p[*at].size == 0 && !p[*at].sealed)) continue;
        *epoch = p[*at].epoch;
        *bytes = p[*at].size;
        (*at)++;
        return true;
    }
    return false;
}

const omen_recovery_result *omen_recovery_result_of(const omen_recovery *r) { return &r->result; }

/* ---- the files ---- */

static void take_name(void *arg, const char *name) {
    omen_recovery *r = arg;
    part p = {0};
    if (!omen_log_file_parse(name, &p.epoch) || p.epoch < r->first_epoch) return;
    if (omen_buf_append(&r->parts, &p, sizeof p) != OMEN_OK) r->list_failed = true;
}

static bool earlier(void *arg, const void *a, const void *b) {
    (void)arg;
    return ((const part *)a)->epoch < ((const part *)b)->epoch;
}

static omen_status list(omen_recovery *r, omen_error *err) {
    OMEN_TRY(omen_store_check(r->st->storage.ops->list(r->st->storage.ctx, take_name, r), "list", "the directory", err));
    if (r->list_failed) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for the list of logs");
    if (part_count(r) > 0) {
        omen_sort(r->parts.data, part_count(r), sizeof(part), earlier, NULL);
        r->result.last_epoch = part_at(r, part_count(r) - 1)->epoch;
    }
    r->phase = part_count(r) > 0 ? OPEN : NEXT;
    return OMEN_OK;
}

/* What follows `at` in the current file is lost. */
static void lose(omen_recovery *r, uint64_t at) {
    if (r->lost) return; /* the first place is the one to report */
    r->lost = true;
    r->lost_epoch = part_at(r, r->current)->epoch;
    r->lost_at = at;
}

static omen_status open_file(omen_recovery *r, omen_error *err) {
    part *p = part_at(r, r->current);
    omen_file_name name = omen_log_file_name(p->epoch);
    const omen_storage *s = &r->st->storage;
    omen_file *file = NULL;
    omen_status opened = s->ops->open(s->ctx, name.text, OMEN_FILE_READ, &file);
    if (opened == OMEN_ERR_CORRUPT) {
        p->sealed = true;
        lose(r, 0);
        r->phase = NEXT;
        return OMEN_OK;
    }
    OMEN_TRY(omen_store_check(opened, "open", name.text, err));
    r->file = file;
    OMEN_TRY(omen_store_check(s->ops->size(s->ctx, file, &p->size), "measure", name.text, err));
    omen_log_scan_file(&r->scan, file, p->epoch, p->size);
    r->at = 0;
    r->phase = READ;
    return OMEN_OK;
}

/* ---- judgement ---- */

static omen_status missing(omen_recovery *r, uint64_t durable, omen_error *err) {
    omen_file_name name = omen_log_file_name(r->lost_epoch);
    return omen_fail(err, OMEN_ERR_CORRUPT, "%s is damaged at %llu: the records from LSN %llu are lost, although they were durable up to %llu",
                     name.text, (unsigned long long)r->lost_at, (unsigned long long)r->result.next_lsn, (unsigned long long)durable);
}

static part *part_of(omen_recovery *r, uint64_t epoch) {
    for (size_t i = 0; i < part_count(r); i++)
        if (part_at(r, i)->epoch == epoch) return part_at(r, i);
    return NULL;
}

/* Salvage: what is missing before LSN `next`, up to `end` of the file in which it was missed first. */
static void tell_gap(omen_recovery *r, uint64_t end, uint64_t next) {
    part *p = part_of(r, r->lost_epoch);
    const omen_log_gap gap = {r->lost_epoch, r->lost_at, end > r->lost_at ? end - r->lost_at : 0, r->result.next_lsn, next - 1, p != NULL && p->sealed};
    if (p != NULL) p->told = true;
    r->salvage->each(r->salvage->arg, &gap);
}

static uint64_t size_of(omen_recovery *r, uint64_t epoch) {
    const part *p = part_of(r, epoch);
    return p == NULL ? 0 : p->size;
}

/* Salvage: goes on at a valid frame behind a gap. An opening frame that is not the file's first is passed over: nothing follows from one. */
static bool resume(omen_recovery *r, const omen_log_header *h) {
    if (r->salvage == NULL || !r->salvage->later || h->first_lsn < r->result.next_lsn || (r->at != 0 && h->type == OMEN_FRAME_OPEN)) return false;
    part *p = part_at(r, r->current);
    if (!r->lost) {
        r->lost_epoch = r->kept_epoch == 0 ? r->first_epoch : p->epoch;
        r->lost_at = 0;
    }
    tell_gap(r, r->lost_epoch == p->epoch ? r->at : size_of(r, r->lost_epoch), h->first_lsn);
    r->lost = false;
    r->result.next_lsn = r->batch_lsn = h->first_lsn;
    r->batch_crc = h->previous_crc;
    p->kept = r->at;
    return true;
}

static bool opens(const omen_log_header *h) { return h->type == OMEN_FRAME_OPEN && h->count == 0 && h->length == 16 && (h->flags & OMEN_LOG_COMMIT) != 0; }

/* Whether the valid frame at the start of the current file goes on where the last kept frame ended. */
static bool links(const omen_recovery *r, const omen_log_header *h) {
    if (!opens(h)) return false;
    if (r->scan.epoch == r->first_epoch) return true; /* what comes before it is unknown, and covered by the manifest */
    return (h->previous_crc == r->result.last_crc || !OMEN_CONTROL(log_previous_crc)) && h->first_lsn == r->result.next_lsn;
}

/* Whether it goes on there although it names another file's last frame: that of a log between them, of which nothing is left. That one held no record if this file begins with
 * the very LSN that is expected; or, where nothing was kept yet, with one that no record was missing before which segments do not hold. Without a log between them
 * the name of the frame must be right: then the files are of two histories. */
static bool continues(omen_recovery *r, const omen_log_header *h) {
    uint64_t epoch = part_at(r, r->current)->epoch;
    if (!opens(h) || r->passed || !OMEN_CONTROL(log_previous_crc)) return false;
    if (r->kept_epoch == 0 ? h->first_lsn > r->result.next_lsn : h->first_lsn != r->result.next_lsn || epoch <= r->kept_epoch + 1) return false;
    for (size_t i = 0; i < r->current; i++)
        if (part_at(r, i)->epoch > r->kept_epoch) part_at(r, i)->spare = true;
    return true;
}

static bool follows(const omen_recovery *r, const omen_log_header *h) {
    return h->type != OMEN_FRAME_OPEN && (h->previous_crc == r->batch_crc || !OMEN_CONTROL(log_previous_crc)) && h->first_lsn == r->batch_lsn;
}

/* ---- replay ---- */

static omen_status deliver(omen_recovery *r, omen_error *err) {
    const waiting *w = (const waiting *)(const void *)r->frames.data;
    for (; r->delivered < r->frames.len / sizeof *w; r->delivered++) {
        const size_t i = r->delivered;
        const omen_log_header *h = &w[i].header;
        omen_recovered_frame f = {.epoch = h->epoch,
                                  .type = h->type,
                                  .last = (h->flags & OMEN_LOG_COMMIT) != 0,
                                  .first_lsn = h->first_lsn,
                                  .count = h->count,
                                  .payload = r->batch.data + w[i].at,
                                  .len = h->length};
        if (h->type != OMEN_FRAME_OPEN) OMEN_TRY(r->each(r->arg, &f, err));
        r->result.frames++;
    }
    return OMEN_OK;
}

static void drop_batch(omen_recovery *r) {
    /* A large batch was an exception: its memory goes back. */
    if (r->batch.cap > 4u * OMEN_LOG_WINDOW) omen_buf_deinit(&r->batch), omen_buf_init(&r->batch, r->st->mem);
    r->frames.len = 0;
    r->batch.len = 0;
    r->delivered = 0;
}

/* Hands the batch on; again when it has pended. */
static omen_status finish_batch(omen_recovery *r, omen_error *err) {
    part *p = part_at(r, r->current);
    OMEN_TRY(deliver(r, err));
    drop_batch(r);
    r->delivering = false;
    r->result.bytes += r->at - p->kept;
    p->kept = r->at;
    r->kept_epoch = p->epoch;
    r->passed = false;
    r->result.last_crc = r->batch_crc;
    r->result.next_lsn = r->batch_lsn;
    return OMEN_OK;
}

/* Takes the frame at r->at, valid by itself. */
static omen_status take(omen_recovery *r, size_t payload_at, omen_error *err) {
    const omen_log_header *h = &r->scan.header;
    waiting w = {*h, payload_at};
    if (omen_buf_append(&r->frames, &w, sizeof w) != OMEN_OK) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for a batch");
    r->at += OMEN_LOG_HEADER + omen_log_body(h->length);
    r->batch_crc = h->crc;
    r->batch_lsn = h->first_lsn + h->count;
    if ((h->flags & OMEN_LOG_COMMIT) == 0 && OMEN_CONTROL(log_commit)) return OMEN_OK;
    r->delivering = true;
    return finish_batch(r, err);
}

/* Reads frames in order up to the end of the file or the first that is not valid in its place. */
static omen_status replay(omen_recovery *r, omen_error *err) {
    part *p = part_at(r, r->current);
    if (r->delivering) OMEN_TRY(finish_batch(r, err));
    while (r->at < p->size) {
        size_t payload_at = r->batch.len - (r->scan.in_frame ? r->scan.body_done : 0);
        omen_log_found found;
        OMEN_TRY(omen_log_scan_frame(&r->scan, r->at, &r->batch, &found, err));
        if (found == OMEN_LOG_NEWER)
            return omen_fail(err, OMEN_ERR_VERSION, "%s was written by a newer OmenDB (log version %u, this one knows %u); upgrade this one",
                             r->scan.name.text, r->scan.header.version, OMEN_LOG_VERSION);
        if (found == OMEN_LOG_BAD) break;
        if (r->at == 0 ? !links(r, &r->scan.header) && !continues(r, &r->scan.header) && !resume(r, &r->scan.header) : !follows(r, &r->scan.header)) break;
        if (r->at == 0) r->lost = false;
        OMEN_TRY(take(r, payload_at, err));
    }
    drop_batch(r);
    if (p->kept < p->size || p->kept == 0) {
        lose(r, p->kept);
        r->at = p->kept;
        r->phase = SEARCH;
    } else {
        r->phase = NEXT;
    }
    return OMEN_OK;
}

/* Looks through the lost rest of the file for a frame that proves more than what was kept. Linear: only a plausible header has its crc
 * computed, a valid frame is stepped over whole, and a file made to hold ever more false headers is refused. */
static omen_status search(omen_recovery *r, omen_error *err) {
    part *p = part_at(r, r->current);
    for (;;) {
        if (!r->scan.in_frame) OMEN_TRY(omen_log_scan_seek(&r->scan, &r->at, err));
        if (r->at >= p->size) break;
        omen_log_found found;
        OMEN_TRY(omen_log_scan_frame(&r->scan, r->at, NULL, &found, err));
        if (found == OMEN_LOG_BAD) {
            if (r->scan.checked / 4 > p->size + OMEN_LOG_WINDOW && r->salvage == NULL)
                return omen_fail(err, OMEN_ERR_CORRUPT, "%s is damaged at %llu: what follows is not a log", r->scan.name.text,
                                 (unsigned long long)r->lost_at);
            r->at += OMEN_LOG_ALIGN;
            continue;
        }
        if (found == OMEN_LOG_FRAME && resume(r, &r->scan.header)) {
            r->phase = READ;
            return OMEN_OK;
        }
        if (r->scan.header.durable_lsn >= r->result.next_lsn && OMEN_CONTROL(log_proof)) {
            if (r->salvage == NULL) return missing(r, r->scan.header.durable_lsn, err);
            r->proven_lsn = OMEN_MAX(r->proven_lsn, r->scan.header.durable_lsn);
        }
        r->passed = r->passed || r->scan.header.first_lsn + r->scan.header.count > r->result.next_lsn;
        r->result.dropped_frames++;
        r->at += OMEN_LOG_HEADER + omen_log_body(r->scan.header.length);
    }
    r->phase = NEXT;
    return OMEN_OK;
}

/* A file that cannot be read at all is nothing that a crash leaves: whatever it held is lost, unless that was nothing. */
static omen_status judge_sealed(omen_recovery *r, omen_error *err) {
    for (size_t i = 0; i < part_count(r); i++) {
        part *p = part_at(r, i);
        if (!p->sealed || p->spare || p->told) continue;
        omen_file_name name = omen_log_file_name(p->epoch);
        if (r->salvage == NULL) return omen_fail(err, OMEN_ERR_CORRUPT, "%s is damaged at 0: its header cannot be read", name.text);
        r->lost_epoch = p->epoch;
        r->lost_at = 0;
        tell_gap(r, 0, r->result.next_lsn);
    }
    return OMEN_OK;
}

/* After the last file: the manifest's word, and whether the log it names is there. */
static omen_status conclude(omen_recovery *r, omen_error *err) {
    if (!r->lost) {
        r->lost_epoch = part_count(r) > 0 ? r->result.last_epoch : r->first_epoch;
        r->lost_at = part_count(r) > 0 ? part_at(r, part_count(r) - 1)->size : 0;
    }
    if (r->proven_lsn >= r->result.next_lsn && OMEN_CONTROL(manifest_proof)) {
        if (r->salvage == NULL) return missing(r, r->proven_lsn, err);
        tell_gap(r, size_of(r, r->lost_epoch), r->proven_lsn + 1);
    }
    OMEN_TRY(judge_sealed(r, err));
    if (r->salvage == NULL && part_count(r) > 0 && part_at(r, 0)->epoch != r->first_epoch && r->result.frames == 0) {
        omen_file_name name = omen_log_file_name(r->first_epoch);
        return omen_fail(err, OMEN_ERR_CORRUPT, "%s is missing, although the manifest names it and later logs are there", name.text);
    }
    for (size_t i = 0; i < part_count(r); i++)
        if (!part_at(r, i)->spare) r->result.torn_bytes += part_at(r, i)->size - part_at(r, i)->kept;
    r->current = 0;
    r->phase = r->read_only || r->salvage != NULL ? DONE : FIX;
    return OMEN_OK;
}

/* ---- making it so ---- */

/* Kept files are synced even when nothing is cut: they may have been read from the system's cache, and the next epoch's opening
 * frame will say that all of this is durable. */
static omen_status fix(omen_recovery *r, omen_error *err) {
    const omen_storage *s = &r->st->storage;
    for (; r->current < part_count(r); r->current++) {
        part *p = part_at(r, r->current);
        omen_file_name name = omen_log_file_name(p->epoch);
        if (p->epoch < r->forgotten) continue;
        if (p->kept == 0 && (p->spare || p->epoch != r->first_epoch)) {
            OMEN_TRY(omen_store_check(s->ops->remove(s->ctx, name.text), "remove", name.text, err));
            continue;
        }
        omen_file *file = NULL;
        OMEN_TRY(omen_store_check(s->ops->open(s->ctx, name.text, OMEN_FILE_WRITE, &file), "open", name.text, err));
        r->file = file;
        if (p->kept < p->size) OMEN_TRY(omen_store_check(s->ops->truncate(s->ctx, file, p->kept), "cut", name.text, err));
        r->phase = FIX_SYNC;
        return OMEN_OK;
    }
    r->phase = part_count(r) > 0 ? FIX_DIR : DONE;
    return OMEN_OK;
}

static omen_status fix_sync(omen_recovery *r, omen_error *err) {
    omen_file_name name = omen_log_file_name(part_at(r, r->current)->epoch);
    if (OMEN_CONTROL(recovery_sync)) OMEN_TRY(omen_store_check(r->st->storage.ops->sync(r->st->storage.ctx, r->file), "sync", name.text, err));
    close_file(r);
    r->current++;
    r->phase = FIX;
    return OMEN_OK;
}

/* A file is open once at a time: storages of browsers know no more. */
omen_status omen_recovery_settle(omen_recovery *r, omen_error *err) {
    const omen_storage *s = &r->st->storage;
    for (; r->settled <= r->current; r->settled++) {
        omen_file_name name = omen_log_file_name(part_at(r, r->settled)->epoch);
        omen_file *file = NULL;
        if (r->settled < r->current && part_at(r, r->settled)->kept == 0) continue;
        if (r->settling == NULL) {
            if (r->settled == r->current) close_file(r);
            OMEN_TRY(omen_store_check(s->ops->open(s->ctx, name.text, OMEN_FILE_WRITE, &file), "open", name.text, err));
            r->settling = file;
        }
        OMEN_TRY(omen_store_check(s->ops->sync(s->ctx, r->settling), "sync", name.text, err));
        s->ops->close(s->ctx, r->settling);
        r->settling = NULL;
    }
    if (r->file != NULL) return OMEN_OK;
    omen_file_name name = omen_log_file_name(part_at(r, r->current)->epoch);
    OMEN_TRY(omen_store_check(s->ops->open(s->ctx, name.text, OMEN_FILE_READ, &r->file), "open", name.text, err));
    r->scan.file = r->file;
    return OMEN_OK;
}

void omen_recovery_forget(omen_recovery *r, uint64_t epoch) { r->forgotten = epoch; }

static omen_status advance(omen_recovery *r, omen_error *err) {
    switch (r->phase) {
    case LIST: return list(r, err);
    case OPEN: return open_file(r, err);
    case READ: return replay(r, err);
    case SEARCH: return search(r, err);
    case NEXT:
        close_file(r);
        if (part_count(r) == 0 || ++r->current >= part_count(r)) return conclude(r, err);
        r->phase = OPEN;
        return OMEN_OK;
    case FIX: return fix(r, err);
    case FIX_SYNC: return fix_sync(r, err);
    default: break; /* FIX_DIR; DONE is nothing to go on from */
    }
    if (OMEN_CONTROL(recovery_sync_dir)) OMEN_TRY(omen_store_sync_dir(r->st, r, err));
    r->phase = DONE;
    return OMEN_OK;
}

omen_status omen_recovery_step(omen_recovery *r, omen_error *err) {
    if (r->failed != OMEN_OK) return omen_fail(err, r->failed, "recovery has failed before");
    while (r->phase != DONE) {
        omen_status s = advance(r, err);
        if (s == OMEN_PENDING) return s;
        if (s != OMEN_OK) {
            close_file(r);
            return r->failed = s;
        }
    }
    return OMEN_OK;
}
