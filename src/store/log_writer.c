/* log_writer.c - appends frames to the log of one epoch (log_format.h).
 *
 * Invariants
 *   - `size` bytes were appended: `written` of them went to the host, the rest lies in `buf`.
 *   - `buf` never holds more than BUFFER bytes; larger frames pass through it piece by piece.
 *   - `size`, `written`, `durable` and `poisoned` are shared by the appending and the syncing thread; the syncing thread alone uses
 *     `sync_*`, the appending thread all the rest.
 *   - After a failure nothing more is written: what the file holds past the failure is unknown.
 */
#include "base/control.h"
#include "kernel/kernel.h"
#include "store/log_format.h"

#define BUFFER (256u << 10)

struct omen_log {
    omen_store *st;
    omen_log_metrics *metrics;
    omen_file *file;
    omen_file_name name;
    uint64_t epoch, next_lsn;
    _Atomic uint64_t size;
    uint32_t seed, last_crc;
    bool in_batch; /* the last frame carried no COMMIT */
    omen_buf buf;
    _Atomic uint64_t written, durable;
    _Atomic bool poisoned;
    bool syncing;
    uint64_t sync_target, sync_started;
};

uint32_t omen_log_seed(const uint8_t database_id[16], uint64_t epoch) {
    uint8_t bytes[24];
    memcpy(bytes, database_id, 16);
    omen_put64(bytes + 16, epoch);
    return !OMEN_CONTROL(log_seed) ? 0 : omen_kernels_get()->crc32c(0, bytes, sizeof bytes);
}

static omen_status poison(omen_log *log, omen_status s) {
    atomic_store(&log->poisoned, OMEN_CONTROL(log_poison));
    return s;
}

static omen_status refuse_poisoned(const omen_log *log, omen_error *err) {
    if (!atomic_load(&log->poisoned)) return OMEN_OK;
    return omen_fail(err, OMEN_ERR_POISONED, "an earlier write or sync of %s failed; reopen the database to recover what is durable",
                     log->name.text);
}

static void count(omen_counter *c, uint64_t n) { omen_counter_add(c, n); }

/* Hands the buffer to the host. */
static omen_status flush(omen_log *log, omen_error *err) {
    uint64_t at = atomic_load_explicit(&log->written, memory_order_relaxed);
    if (log->buf.len == 0) return OMEN_OK;
    omen_status s = omen_store_write(log->st, log->file, log->name.text, at, log->buf.data, log->buf.len, err);
    if (s != OMEN_OK) return poison(log, s);
    /* Release: a sync that sees this count comes after the write. */
    atomic_store_explicit(&log->written, at + log->buf.len, memory_order_release);
    log->buf.len = 0;
    return OMEN_OK;
}

/* Appends len bytes to the stream of frames, handing full buffers to the host. */
static omen_status put(omen_log *log, const void *bytes, size_t len, omen_error *err) {
    const uint8_t *p = bytes;
    while (len > 0) {
        size_t n = OMEN_MIN(len, BUFFER - log->buf.len);
        omen_status s = omen_buf_append(&log->buf, p, n);
        if (s != OMEN_OK) return poison(log, omen_fail(err, s, "out of memory for the buffer of %s", log->name.text));
        if (log->buf.len == BUFFER) OMEN_TRY(flush(log, err));
        p += n;
        len -= n;
    }
    return OMEN_OK;
}

/* Refusing a frame leaves the log usable, unless half a batch lies in it already: the next batch would be taken for its end. */
static omen_status refuse(omen_log *log, omen_status s) { return log->in_batch ? poison(log, s) : s; }

omen_status omen_log_append(omen_log *log, uint32_t type, bool last, uint64_t first_lsn, uint32_t records, uint64_t durable_lsn,
                            const omen_span *parts, size_t part_count, omen_error *err) {
    static const uint8_t zeros[OMEN_LOG_ALIGN];
    const omen_kernels *k = omen_kernels_get();
    size_t length = 0;
    OMEN_TRY(refuse_poisoned(log, err));
    for (size_t i = 0; i < part_count; i++) {
        if (!omen_add(length, parts[i].len, &length) || length > OMEN_FRAME_MAX_PAYLOAD)
            return refuse(log, omen_fail(err, OMEN_ERR_TOO_LARGE, "a log frame holds at most %u bytes", OMEN_FRAME_MAX_PAYLOAD));
    }
    if (type == 0 || type > UINT8_MAX || first_lsn != log->next_lsn || durable_lsn >= first_lsn || records > UINT64_MAX - first_lsn)
        return refuse(log, omen_fail(err, OMEN_ERR_INTERNAL,
                                     "%s: frame of type %u with %u records at LSN %llu (expected %llu), durable LSN %llu", log->name.text,
                                     type, records, (unsigned long long)first_lsn, (unsigned long long)log->next_lsn,
                                     (unsigned long long)durable_lsn));

    omen_log_header h = {.magic = OMEN_LOG_MAGIC,
                         .version = OMEN_LOG_VERSION,
                         .type = (uint8_t)type,
                         .flags = last ? OMEN_LOG_COMMIT : 0,
                         .epoch = log->epoch,
                         .first_lsn = first_lsn,
                         .durable_lsn = durable_lsn,
                         .length = (uint32_t)length,
                         .count = records,
                         .previous_crc = log->last_crc};
    size_t padding = omen_log_body(h.length) - length;
    uint32_t crc = k->crc32c(log->seed, &h, offsetof(omen_log_header, crc));
    for (size_t i = 0; i < part_count; i++) crc = k->crc32c(crc, parts[i].data, parts[i].len);
    h.crc = k->crc32c(crc, zeros, padding);

    /* From here on a failure leaves half a frame behind: put and flush poison. */
    OMEN_TRY(put(log, &h, sizeof h, err));
    for (size_t i = 0; i < part_count; i++) OMEN_TRY(put(log, parts[i].data, parts[i].len, err));
    OMEN_TRY(put(log, zeros, padding, err));
    atomic_fetch_add_explicit(&log->size, sizeof h + length + padding, memory_order_relaxed);
    log->next_lsn = first_lsn + records;
    log->last_crc = h.crc;
    log->in_batch = !last;
    if (log->metrics != NULL) {
        count(&log->metrics->frames, 1);
        count(&log->metrics->bytes, sizeof h + length + padding);
    }
    return OMEN_OK;
}

static omen_status new_log(omen_store *st, omen_log_metrics *m, uint64_t epoch, uint64_t next_lsn, uint32_t previous_crc, omen_log **out,
                           omen_error *err) {
    omen_log *log = omen_alloc_zero(st->mem, sizeof *log);
    if (log == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for a log");
    log->st = st;
    log->metrics = m;
    log->name = omen_log_file_name(epoch);
    log->epoch = epoch;
    log->next_lsn = next_lsn;
    log->seed = omen_log_seed(st->database_id, epoch);
    log->last_crc = previous_crc;
    omen_buf_init(&log->buf, st->mem);
    *out = log;
    /* Room for the opening frame, so that no file is left behind for want of memory. */
    omen_status s = omen_buf_reserve(&log->buf, 4096);
    return s == OMEN_OK ? s : omen_fail(err, s, "out of memory for the buffer of a log");
}

/* The entry is durable before anything depends on the file: a later epoch, a manifest, an acknowledged write. */
static omen_status create_file(omen_log *log, omen_error *err) {
    const omen_storage *s = &log->st->storage;
    if (log->file == NULL) {
        omen_file *file = NULL;
        OMEN_TRY(omen_store_check(s->ops->open(s->ctx, log->name.text, OMEN_FILE_CREATE, &file), "create", log->name.text, err));
        log->file = file;
    }
    return OMEN_CONTROL(log_sync_dir) ? omen_store_sync_dir(log->st, log, err) : OMEN_OK;
}

omen_status omen_log_create(omen_store *st, omen_log_metrics *m, uint64_t epoch, uint64_t next_lsn, uint64_t durable_lsn,
                            uint32_t previous_crc, omen_log **out, omen_error *err) {
    omen_status s = *out == NULL ? new_log(st, m, epoch, next_lsn, previous_crc, out, err) : OMEN_OK;
    omen_log *log = *out;
    omen_span id = {st->database_id, 16};
    if (s == OMEN_OK) s = create_file(log, err);
    if (s == OMEN_PENDING) return s;
    if (s == OMEN_OK) s = omen_log_append(log, OMEN_FRAME_OPEN, true, next_lsn, 0, durable_lsn, &id, 1, err);
    if (s != OMEN_OK) {
        omen_log_close(log);
        *out = NULL;
    }
    return s;
}

omen_status omen_log_write_out(omen_log *log, omen_error *err) {
    OMEN_TRY(refuse_poisoned(log, err));
    return flush(log, err);
}

omen_status omen_log_sync(omen_log *log, omen_error *err) {
    const omen_host *host = log->st->host;
    OMEN_TRY(refuse_poisoned(log, err));
    if (!log->syncing) {
        log->sync_target = atomic_load_explicit(&log->written, memory_order_acquire);
        log->sync_started = host->ticks_ns(host->ctx);
        log->syncing = true;
    }
    omen_status s = OMEN_OK;
    if (OMEN_CONTROL(log_sync)) s = omen_store_check(log->st->storage.ops->sync(log->st->storage.ctx, log->file), "sync", log->name.text, err);
    if (s == OMEN_PENDING) return s;
    log->syncing = false;
    if (s != OMEN_OK) {
        if (log->metrics != NULL) count(&log->metrics->sync_failures, 1);
        return poison(log, s);
    }
    atomic_store(&log->durable, log->sync_target);
    if (log->metrics != NULL) {
        count(&log->metrics->syncs, 1);
        omen_hist_record(&log->metrics->sync_duration, host->ticks_ns(host->ctx) - log->sync_started);
    }
    return OMEN_OK;
}

omen_mem *omen_log_mem(const omen_log *log) { return log->st->mem; }
uint64_t omen_log_epoch(const omen_log *log) { return log->epoch; }
uint64_t omen_log_size(const omen_log *log) { return atomic_load(&log->size); }
uint64_t omen_log_unsynced(const omen_log *log) { return atomic_load(&log->size) - atomic_load(&log->durable); }
uint32_t omen_log_last_crc(const omen_log *log) { return log->last_crc; }
bool omen_log_poisoned(const omen_log *log) { return atomic_load(&log->poisoned); }

omen_status omen_log_raw(const omen_log *log, uint64_t offset, void *into, size_t len, size_t *got, omen_error *err) {
    uint64_t end = atomic_load_explicit(&log->written, memory_order_acquire);
    *got = (size_t)OMEN_MIN(end > offset ? end - offset : 0, len);
    return *got == 0 ? OMEN_OK : omen_store_read(log->st, log->file, log->name.text, offset, into, *got, err);
}

void omen_log_close(omen_log *log) {
    if (log == NULL) return;
    omen_store_sync_dir_abandon(log->st, log);
    if (log->file != NULL) log->st->storage.ops->close(log->st->storage.ctx, log->file);
    omen_buf_deinit(&log->buf);
    omen_free(log->st->mem, log, sizeof *log);
}
