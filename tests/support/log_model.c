/* log_model.c - see log_model.h. */
#include "log_model.h"

#include <stdio.h>
#include <stdlib.h>

void log_model_init(log_model *m) {
    memset(m, 0, sizeof *m);
    m->next_lsn = 1;
    m->first_epoch = 1;
}

static void forget_from(log_model *m, size_t n) {
    for (size_t i = n; i < m->count; i++) free(m->frames[i].payload);
    m->count = n < m->count ? n : m->count;
}

void log_model_deinit(log_model *m) {
    forget_from(m, 0);
    free(m->frames);
    memset(m, 0, sizeof *m);
}

void log_model_copy(log_model *to, const log_model *from) {
    forget_from(to, 0);
    free(to->frames);
    *to = *from;
    to->cap = from->count + 1;
    to->frames = calloc(to->cap, sizeof *to->frames);
    if (to->frames == NULL) abort();
    for (size_t i = 0; i < from->count; i++) {
        to->frames[i] = from->frames[i];
        to->frames[i].payload = malloc(from->frames[i].len + 1);
        if (to->frames[i].payload == NULL) abort();
        memcpy(to->frames[i].payload, from->frames[i].payload, from->frames[i].len);
    }
}

static uint64_t mix(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void wrong(log_model *m, const char *what, size_t frame) {
    if (m->problem[0] == 0) snprintf(m->problem, sizeof m->problem, "%s (frame %zu of %zu)", what, frame, m->count);
}

static model_frame *remember(log_model *m, uint64_t epoch, uint32_t type, bool last, uint32_t count, size_t len) {
    if (m->count == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 64;
        m->frames = realloc(m->frames, m->cap * sizeof *m->frames);
        if (m->frames == NULL) abort();
    }
    size_t offset = 0;
    for (size_t i = 0; i < m->count; i++)
        if (m->frames[i].epoch == epoch) offset = m->frames[i].offset + m->frames[i].size;
    model_frame *f = &m->frames[m->count++];
    *f = (model_frame){epoch, m->next_lsn, m->promised, type, count, last, NULL, len, offset, 48 + (len + 7) / 8 * 8};
    f->payload = malloc(len + 1);
    if (f->payload == NULL) abort();
    return f;
}

omen_status log_model_create(log_model *m, fixture *x, uint64_t epoch, uint32_t previous_crc, omen_log **out) {
    omen_status s;
    omen_log *log = NULL;
    STEP(s, omen_log_create(&x->store, NULL, epoch, m->next_lsn, m->promised, previous_crc, &log, NULL));
    *out = log;
    if (s == OMEN_OK) {
        model_frame *f = remember(m, epoch, OMEN_FRAME_OPEN, true, 0, 16);
        memcpy(f->payload, x->store.database_id, 16);
    }
    return s;
}

omen_status log_model_append(log_model *m, omen_log *log, uint32_t type, bool last, uint32_t count, uint64_t seed, size_t len) {
    model_frame *f = remember(m, omen_log_epoch(log), type, last, count, len);
    for (size_t i = 0; i < len; i++) f->payload[i] = (uint8_t)(i % 8 == 0 ? mix(&seed) : seed >> (i % 8));
    size_t half = len / 3;
    omen_span parts[2] = {{f->payload, half}, {f->payload + half, len - half}};
    omen_status s = omen_log_append(log, type, last, f->first_lsn, count, f->durable_lsn, parts, 2, NULL);
    m->next_lsn += count;
    return s;
}

/* ---- recovery ---- */

static omen_status compare(void *arg, const omen_recovered_frame *f, omen_error *err) {
    log_model *m = arg;
    (void)err;
    m->pended = !m->pended; /* every frame is handed on twice */
    if (m->pended) return OMEN_PENDING;
    while (m->recovered < m->count && m->frames[m->recovered].type == OMEN_FRAME_OPEN) m->recovered++;
    if (m->recovered >= m->count) {
        wrong(m, "a frame that was never written", m->recovered);
        return OMEN_OK;
    }
    const model_frame *w = &m->frames[m->recovered];
    if (f->epoch != w->epoch || f->type != w->type || f->last != w->last || f->first_lsn != w->first_lsn || f->count != w->count ||
        f->len != w->len)
        wrong(m, "another frame than the one written", m->recovered);
    else if (memcmp(f->payload, w->payload, f->len) != 0)
        wrong(m, "another payload than the one written", m->recovered);
    else if ((uintptr_t)f->payload % 8 != 0)
        wrong(m, "a payload that is not aligned", m->recovered);
    m->recovered++;
    return OMEN_OK;
}

omen_status log_model_recover(log_model *m, fixture *x, bool read_only, bool keep_promise, omen_recovery_result *result, omen_error *err) {
    omen_recovery *r;
    omen_status s = omen_recovery_new(&x->store, m->first_epoch, m->floor_lsn, read_only, compare, m, &r);
    m->recovered = 0;
    if (s != OMEN_OK) return s;
    STEP(s, omen_recovery_step(r, err));
    *result = *omen_recovery_result_of(r);
    omen_recovery_free(r);
    if (s != OMEN_OK) return s;
    if (m->recovered > 0 && !m->frames[m->recovered - 1].last) wrong(m, "half a batch", m->recovered);
    uint64_t next = m->recovered > 0 ? m->frames[m->recovered - 1].first_lsn + m->frames[m->recovered - 1].count : m->floor_lsn + 1;
    if (result->next_lsn != next) wrong(m, "another next LSN than the frames say", m->recovered);
    if (next - 1 < m->promised) {
        if (keep_promise) wrong(m, "a record that was promised is lost", m->recovered);
        m->promised = next - 1;
    }
    /* What was kept beyond the last record are opening frames: they hold no record, but they are witnesses. */
    for (size_t i = m->recovered; i < result->frames; i++)
        if (i >= m->count || m->frames[i].type != OMEN_FRAME_OPEN) wrong(m, "a frame was kept and not handed on", i);
    /* Of a log that held no record nothing may be left: then fewer opening frames were read than are remembered. */
    if (m->problem[0] == 0) forget_from(m, result->frames > m->recovered ? result->frames : m->recovered);
    m->next_lsn = next;
    return s;
}

/* ---- a life ---- */

typedef struct life {
    log_model *m;
    fixture *x;
    uint64_t rng;
    model_size sizes;
    omen_log *logs[64]; /* oldest first; the last is the active one */
    size_t log_count;
    uint64_t written_lsn;
} life;

static size_t some_size(life *l) {
    uint64_t r = mix(&l->rng);
    if (l->sizes == MODEL_TINY) return (size_t)(r % 40);
    if (l->sizes == MODEL_LARGE && r % 7 == 0) return 200000 + (size_t)(r >> 32) % 400000;
    return r % 5 == 0 ? (size_t)(r >> 32) % 3000 : (size_t)(r >> 32) % 300;
}

static omen_status batch(life *l) {
    unsigned frames = 1 + (unsigned)(mix(&l->rng) % 3);
    omen_log *log = l->logs[l->log_count - 1];
    for (unsigned i = 0; i < frames; i++) {
        uint32_t type = mix(&l->rng) % 8 == 0 ? OMEN_FRAME_SCHEMA : OMEN_FRAME_RECORDS;
        OMEN_TRY(log_model_append(l->m, log, type, i + 1 == frames, 1 + (uint32_t)(mix(&l->rng) % 4), mix(&l->rng), some_size(l)));
    }
    return OMEN_OK;
}

static omen_status write_out(life *l) {
    OMEN_TRY(omen_log_write_out(l->logs[l->log_count - 1], NULL));
    l->written_lsn = l->m->next_lsn - 1;
    return OMEN_OK;
}

/* Older epochs first, so that a promise covers all that came before. */
static omen_status sync_all(life *l) {
    uint64_t covers = l->written_lsn;
    for (;;) {
        omen_status s;
        STEP(s, omen_log_sync(l->logs[0], NULL));
        if (s != OMEN_OK) return s;
        if (l->log_count == 1) break;
        omen_log_close(l->logs[0]);
        memmove(l->logs, l->logs + 1, --l->log_count * sizeof l->logs[0]);
    }
    l->m->promised = covers;
    return OMEN_OK;
}

static omen_status rotate(life *l) {
    omen_log *old = l->logs[l->log_count - 1], *log;
    if (l->log_count == OMEN_ARRAY_LEN(l->logs)) return OMEN_OK;
    OMEN_TRY(write_out(l));
    OMEN_TRY(log_model_create(l->m, l->x, omen_log_epoch(old) + 1, omen_log_last_crc(old), &log));
    l->logs[l->log_count++] = log;
    return OMEN_OK;
}

omen_status log_model_session(log_model *m, fixture *x, uint64_t seed, unsigned steps, model_size sizes) {
    life l = {.m = m, .x = x, .rng = seed, .sizes = sizes};
    omen_recovery_result found;
    OMEN_TRY(log_model_recover(m, x, false, true, &found, NULL));
    /* What recovery hands on is durable: the opening frame says so, and from now on it is a promise. */
    m->promised = m->next_lsn - 1;
    omen_status s = log_model_create(m, x, found.last_epoch + 1, found.last_crc, &l.logs[0]);
    if (s == OMEN_OK) l.log_count = 1;
    l.written_lsn = m->promised;
    for (unsigned i = 0; i < steps && s == OMEN_OK; i++) {
        switch (mix(&l.rng) % 8) {
        case 0: s = write_out(&l); break;
        case 1:
        case 2:
            s = write_out(&l);
            if (s == OMEN_OK) s = sync_all(&l);
            break;
        case 3: s = rotate(&l); break;
        default: s = batch(&l); break;
        }
    }
    for (size_t i = 0; i < l.log_count; i++) omen_log_close(l.logs[i]);
    return s;
}

omen_status log_model_verdict(const log_model *m, uint64_t epoch, size_t intact, size_t valid_again, size_t *kept) {
    size_t n = 0;
    uint64_t lost = m->floor_lsn + 1, proof = m->floor_lsn;
    *kept = 0;
    /* Of a log that holds no record everything may be lost, if a later one says so. */
    size_t of = 0, opening = 0;
    for (size_t i = 0; i < m->count; i++)
        if (m->frames[i].epoch == epoch) of++, opening = i;
    if (of == 1 && intact < m->frames[opening].size && opening + 1 < m->count) {
        *kept = m->count;
        return OMEN_OK;
    }
    while (n < m->count && (m->frames[n].epoch < epoch || (m->frames[n].epoch == epoch && m->frames[n].offset + m->frames[n].size <= intact))) {
        n++;
        if (!m->frames[n - 1].last) continue;
        *kept = n;
        lost = m->frames[n - 1].first_lsn + m->frames[n - 1].count;
    }
    /* The rest of a batch that was begun is as good a witness as what comes later. */
    for (size_t i = *kept; i < m->count; i++) {
        const model_frame *f = &m->frames[i];
        bool valid = f->epoch != epoch || f->offset + f->size <= intact || f->offset >= valid_again;
        if (valid && f->durable_lsn > proof) proof = f->durable_lsn;
    }
    return proof >= lost ? OMEN_ERR_CORRUPT : OMEN_OK;
}
