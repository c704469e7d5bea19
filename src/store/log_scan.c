/* log_scan.c - finds and checks frames in one log file. Never trusts a length: a header must be plausible, and its frame lie
 * inside the file, before a byte of its payload is read or kept. */
#include "store/log_scan.h"

#include "base/control.h"
#include "kernel/kernel.h"

omen_status omen_log_scan_init(omen_log_scan *s, omen_store *st, omen_error *err) {
    memset(s, 0, sizeof *s);
    s->st = st;
    s->window = omen_alloc(st->mem, OMEN_LOG_WINDOW);
    return s->window != NULL ? OMEN_OK : omen_fail(err, OMEN_ERR_MEMORY, "out of memory for reading the log");
}

void omen_log_scan_deinit(omen_log_scan *s) {
    if (s->window != NULL) omen_free(s->st->mem, s->window, OMEN_LOG_WINDOW);
    s->window = NULL;
}

void omen_log_scan_file(omen_log_scan *s, omen_file *file, uint64_t epoch, uint64_t size) {
    s->file = file;
    s->name = omen_log_file_name(epoch);
    s->epoch = epoch;
    s->size = size;
    s->seed = omen_log_seed(s->st->database_id, epoch);
    s->window_at = s->window_len = 0;
    s->in_frame = false;
    s->checked = 0;
}

bool omen_log_plausible(const omen_log_header *h, uint64_t epoch, uint64_t room) {
    return h->magic == OMEN_LOG_MAGIC && h->version >= OMEN_LOG_VERSION && h->type != 0 && h->epoch == epoch && h->first_lsn >= 1 &&
           h->durable_lsn < h->first_lsn && h->count <= UINT64_MAX - h->first_lsn && h->length <= OMEN_FRAME_MAX_PAYLOAD &&
           omen_log_body(h->length) <= room - OMEN_LOG_HEADER &&
           (h->version > OMEN_LOG_VERSION || (h->flags & ~OMEN_LOG_COMMIT) == 0);
}

/* *p: at least `want` bytes of the file at `at` (want at most a window, at + want at most size); *len: how many the window has. */
static omen_status peek(omen_log_scan *s, uint64_t at, size_t want, const uint8_t **p, size_t *len, omen_error *err) {
    if (at < s->window_at || at - s->window_at > s->window_len || s->window_len - (size_t)(at - s->window_at) < want) {
        size_t n = (size_t)OMEN_MIN(s->size - at, OMEN_LOG_WINDOW);
        s->window_len = 0; /* whatever comes of the read, the old content is gone */
        OMEN_TRY(omen_store_read(s->st, s->file, s->name.text, at, s->window, n, err));
        s->window_at = at;
        s->window_len = n;
    }
    *p = s->window + (size_t)(at - s->window_at);
    *len = s->window_len - (size_t)(at - s->window_at);
    return OMEN_OK;
}

static omen_status check_frame(omen_log_scan *s, uint64_t at, omen_buf *keep, omen_log_found *found, omen_error *err) {
    const omen_kernels *k = omen_kernels_get();
    const uint8_t *p;
    size_t len;
    *found = OMEN_LOG_BAD;
    if (!s->in_frame) {
        if (s->size - at < OMEN_LOG_HEADER) return OMEN_OK;
        OMEN_TRY(peek(s, at, OMEN_LOG_HEADER, &p, &len, err));
        memcpy(&s->header, p, OMEN_LOG_HEADER);
        if (!omen_log_plausible(&s->header, s->epoch, s->size - at)) return OMEN_OK;
        s->crc = k->crc32c(s->seed, p, offsetof(omen_log_header, crc));
        s->body_done = 0;
        s->in_frame = true;
    }
    size_t body = omen_log_body(s->header.length);
    while (s->body_done < body) {
        OMEN_TRY(peek(s, at + OMEN_LOG_HEADER + s->body_done, 1, &p, &len, err));
        len = OMEN_MIN(len, body - s->body_done);
        s->crc = k->crc32c(s->crc, p, len);
        if (keep != NULL && omen_buf_append(keep, p, len) != OMEN_OK)
            return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for a batch of %s", s->name.text);
        s->body_done += len;
    }
    s->in_frame = false;
    if (s->crc == s->header.crc || !OMEN_CONTROL(log_crc)) {
        *found = s->header.version > OMEN_LOG_VERSION ? OMEN_LOG_NEWER : OMEN_LOG_FRAME;
    } else {
        s->checked += OMEN_LOG_HEADER + body;
    }
    return OMEN_OK;
}

omen_status omen_log_scan_frame(omen_log_scan *s, uint64_t at, omen_buf *keep, omen_log_found *found, omen_error *err) {
    omen_status status = check_frame(s, at, keep, found, err);
    if (status != OMEN_OK && status != OMEN_PENDING) s->in_frame = false;
    return status;
}

omen_status omen_log_scan_seek(omen_log_scan *s, uint64_t *at, omen_error *err) {
    const uint8_t *p;
    size_t len;
    while (*at < s->size && s->size - *at >= OMEN_LOG_HEADER) {
        OMEN_TRY(peek(s, *at, OMEN_LOG_HEADER, &p, &len, err));
        size_t i = 0;
        while (len - i >= OMEN_LOG_HEADER && omen_get32(p + i) != OMEN_LOG_MAGIC) i += OMEN_LOG_ALIGN;
        *at += i;
        if (len - i >= OMEN_LOG_HEADER) return OMEN_OK;
    }
    *at = s->size;
    return OMEN_OK;
}
