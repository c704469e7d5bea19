/* encrypted.c - a storage that encrypts, around any other (docs/ENCRYPTION.md; encrypted_format.h has the bytes).
 *
 * Every call of it becomes calls of the storage inside, and what omendb_host.h promises of storages holds of this one if it holds of that:
 * a write appends a sealed record, reads look up which records hold the piece and open their pages, a sync syncs the file inside.
 *
 * Invariants
 *   - a file's header is durable before its first record is written; so a file with records and without a header is damaged, and one with
 *     neither is a creation that was cut off;
 *   - nothing that was written is written over, but header slots (encrypted_rekey.c), and files that are replaced whole;
 *   - a request that pends leaves what it has reached in `waiting`, and the call that repeats it takes it from there.
 */
#include "host/encrypted.h"

#include <string.h>

#include "base/base.h"
#include "host/encrypted_file.h"
#include "host/encrypted_flaws.h"

struct omen_file {
    omen_file *inner;
    seal_content *content;
    bool writable;
};

typedef enum stage { OPEN_INNER, OPEN_HEADER, OPEN_WALK, OPEN_CREATE, OPEN_SYNC } stage;

/* A request that pends: opening a file, or reading a piece of one. */
typedef struct waiting {
    struct waiting *next;
    /* what was asked */
    char name[64];
    omen_file_mode mode;
    omen_file *file; /* reading: whose; NULL: opening */
    uint64_t offset;
    size_t len;
    /* opening */
    stage stage;
    omen_file *inner;
    seal_content *content;
    seal_walk walk;
    uint64_t size;
    /* reading */
    size_t done;
    uint8_t *into;
} waiting;

typedef struct sealed {
    const omen_host *host;
    omen_storage inner;
    omen_keyring ring;
    pthread_mutex_t lock; /* of the lists, of holders of contents, and of why */
    char why[SEAL_WHY];
    seal_content *contents;
    waiting *waits;
    seal_flaws flaws;
} sealed;

static void *new_zero(const sealed *s, size_t size) {
    void *p = s->host->alloc(s->host->ctx, size);
    if (p != NULL) memset(p, 0, size);
    return p;
}

static void drop(const sealed *s, void *p, size_t size) {
    if (p != NULL) s->host->free(s->host->ctx, p, size);
}

/* ---- contents ---- */

static seal_content *hold(sealed *s, const char *name) {
    pthread_mutex_lock(&s->lock);
    seal_content *c = s->contents;
    while (c != NULL && strcmp(c->name, name) != 0) c = c->next;
    if (c != NULL) c->holders++;
    pthread_mutex_unlock(&s->lock);
    return c;
}

static void let_go(sealed *s, seal_content *c) {
    pthread_mutex_lock(&s->lock);
    bool last = --c->holders == 0;
    for (seal_content **at = &s->contents; last && *at != NULL; at = &(*at)->next) {
        if (*at != c) continue;
        *at = c->next;
        break;
    }
    pthread_mutex_unlock(&s->lock);
    if (last) seal_content_free(c);
}

/* Makes a read content known; another one of the name that came first stays in its place. */
static seal_content *publish(sealed *s, seal_content *c) {
    pthread_mutex_lock(&s->lock);
    seal_content *other = s->contents;
    while (other != NULL && strcmp(other->name, c->name) != 0) other = other->next;
    if (other != NULL) {
        other->holders++;
    } else {
        c->holders = 1;
        c->next = s->contents;
        s->contents = c;
    }
    pthread_mutex_unlock(&s->lock);
    if (other == NULL) return c;
    seal_content_free(c);
    return other;
}

/* ---- requests that pend ---- */

static waiting *resume(sealed *s, const char *name, omen_file_mode mode, const omen_file *file, uint64_t offset, size_t len) {
    pthread_mutex_lock(&s->lock);
    waiting **at = &s->waits, *w;
    while ((w = *at) != NULL && (w->file != file || (file == NULL ? w->mode != mode || strcmp(w->name, name) != 0 : w->offset != offset || w->len != len))) at = &w->next;
    if (w != NULL) *at = w->next;
    pthread_mutex_unlock(&s->lock);
    if (w != NULL) return w;
    w = new_zero(s, sizeof *w);
    if (w == NULL) return NULL;
    if (file == NULL) memcpy(w->name, name, strnlen(name, sizeof w->name - 1));
    w->mode = mode;
    w->file = (omen_file *)(uintptr_t)file;
    w->offset = offset;
    w->len = len;
    return w;
}

static void forget(sealed *s, waiting *w) {
    if (w->content != NULL) {
        seal_walk_deinit(&w->walk, w->content);
        seal_content_free(w->content);
    }
    if (w->inner != NULL) s->inner.ops->close(s->inner.ctx, w->inner);
    drop(s, w->into, w->len);
    drop(s, w, sizeof *w);
}

/* Reads of a file, or openings of a name (then f is NULL), that nobody came back for. */
static void forget_all(sealed *s, const omen_file *f, const char *name) {
    waiting *gone = NULL;
    pthread_mutex_lock(&s->lock);
    for (waiting **at = &s->waits, *w; (w = *at) != NULL;) {
        if (w->file != f || (f == NULL && strcmp(w->name, name) != 0)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->next = gone;
        gone = w;
    }
    pthread_mutex_unlock(&s->lock);
    for (waiting *w; (w = gone) != NULL;) {
        gone = w->next;
        forget(s, w);
    }
}

static omen_status wait_or(sealed *s, waiting *w, omen_status st) {
    if (st != OMEN_PENDING) {
        forget(s, w);
        return st;
    }
    pthread_mutex_lock(&s->lock);
    w->next = s->waits;
    s->waits = w;
    pthread_mutex_unlock(&s->lock);
    return st;
}

/* ---- opening ---- */

static omen_status note_flaw(sealed *s, const char *name, int slot) {
    pthread_mutex_lock(&s->lock);
    omen_status st = seal_flaws_note(&s->flaws, s->host, name, slot);
    pthread_mutex_unlock(&s->lock);
    return st;
}

/* A header for a file that has none: its own id and data key. */
static omen_status begin_file(sealed *s, waiting *w) {
    uint8_t header[SEAL_HEADER] = {0}, key[OMEN_GCM_KEY];
    seal_content *c = w->content;
    c->page = omen_seal_page_of(w->name);
    bool good = s->host->entropy(s->host->ctx, c->file_id, sizeof c->file_id) == OMEN_OK && s->host->entropy(s->host->ctx, key, sizeof key) == OMEN_OK;
    omen_status st = good ? omen_seal_slot(s->host, &s->ring, w->name, c->page, 1, c->file_id, key, header) : OMEN_ERR_IO;
    omen_gcm_free(c->data);
    c->data = st == OMEN_OK ? omen_gcm_new(key) : NULL;
    omen_wipe(key, sizeof key);
    memcpy(header + SEAL_SLOT, header, SEAL_SLOT);
    if (st == OMEN_OK && c->data == NULL) st = OMEN_ERR_MEMORY;
    if (st == OMEN_OK && w->size > 0) st = s->inner.ops->truncate(s->inner.ctx, w->inner, 0);
    if (st == OMEN_OK) st = s->inner.ops->write_at(s->inner.ctx, w->inner, 0, header, sizeof header);
    if (st == OMEN_OK) st = note_flaw(s, w->name, -1);
    c->end = SEAL_HEADER;
    return st;
}

static omen_status read_header(sealed *s, waiting *w) {
    uint8_t bytes[SEAL_HEADER];
    omen_seal_header h;
    size_t got = 0;
    OMEN_TRY(s->inner.ops->size(s->inner.ctx, w->inner, &w->size));
    OMEN_TRY(s->inner.ops->read_at(s->inner.ctx, w->inner, 0, bytes, (size_t)OMEN_MIN(w->size, SEAL_HEADER), &got));
    char why[SEAL_WHY];
    omen_status st = omen_seal_open_header(&s->ring, w->name, bytes, got, w->size, &h, why);
    if (why[0] != '\0') {
        pthread_mutex_lock(&s->lock);
        memcpy(s->why, why, sizeof why);
        pthread_mutex_unlock(&s->lock);
    }
    bool anew = st == OMEN_ERR_NOT_FOUND || (st == OMEN_ERR_CORRUPT && seal_replaced(w->name));
    if (anew && w->mode != OMEN_FILE_READ) {
        w->stage = OPEN_CREATE;
        return OMEN_OK;
    }
    w->content->end = SEAL_HEADER;
    if (st == OMEN_OK) st = note_flaw(s, w->name, h.damaged ? 1 - h.slot : -1);
    /* Cut off in the second slot: what follows it must not leave half of one there. */
    if (st == OMEN_OK && w->size < SEAL_HEADER && w->mode != OMEN_FILE_READ) st = s->inner.ops->write_at(s->inner.ctx, w->inner, SEAL_SLOT, bytes, SEAL_SLOT);
    if (st == OMEN_ERR_NOT_FOUND) { /* an empty file */
        w->size = 0;
        st = seal_walk_init(&w->walk, w->content, &s->inner, w->inner, 0);
    } else if (st == OMEN_OK) {
        memcpy(w->content->file_id, h.file_id, sizeof h.file_id);
        w->content->page = h.page;
        w->content->data = omen_gcm_new(h.data_key);
        st = w->content->data == NULL ? OMEN_ERR_MEMORY : seal_walk_init(&w->walk, w->content, &s->inner, w->inner, w->size);
    }
    omen_wipe(&h, sizeof h);
    w->stage = OPEN_WALK;
    return st;
}

static omen_status open_step(sealed *s, waiting *w, omen_file **out) {
    const omen_storage *in = &s->inner;
    seal_content *shared = NULL;
    for (bool ready = false; !ready;) switch (w->stage) {
        case OPEN_INNER:
            OMEN_TRY(in->ops->open(in->ctx, w->name, w->mode, &w->inner));
            shared = w->mode == OMEN_FILE_CREATE ? NULL : hold(s, w->name);
            if (shared != NULL) {
                ready = true;
                break;
            }
            w->content = seal_content_new(s->host, w->name);
            if (w->content == NULL) return OMEN_ERR_MEMORY;
            w->stage = w->mode == OMEN_FILE_CREATE ? OPEN_CREATE : OPEN_HEADER;
            break;
        case OPEN_HEADER: OMEN_TRY(read_header(s, w)); break;
        case OPEN_WALK:
            OMEN_TRY(seal_walk_step(&w->walk, w->content));
            seal_walk_deinit(&w->walk, w->content);
            ready = true;
            break;
        case OPEN_CREATE:
            OMEN_TRY(begin_file(s, w));
            w->stage = OPEN_SYNC;
            break;
        case OPEN_SYNC:
            OMEN_TRY(in->ops->sync(in->ctx, w->inner));
            ready = true;
            break;
        }
    omen_file *f = s->host->alloc(s->host->ctx, sizeof *f);
    if (f == NULL) {
        if (shared != NULL) let_go(s, shared);
        return OMEN_ERR_MEMORY;
    }
    if (shared == NULL) {
        shared = publish(s, w->content);
        w->content = NULL;
    }
    *f = (omen_file){w->inner, shared, w->mode != OMEN_FILE_READ};
    w->inner = NULL;
    *out = f;
    return OMEN_OK;
}

static omen_status sealed_open(void *ctx, const char *name, omen_file_mode mode, omen_file **out) {
    sealed *s = ctx;
    if (strlen(name) > 63) return OMEN_ERR_INVALID;
    waiting *w = resume(s, name, mode, NULL, 0, 0);
    return w == NULL ? OMEN_ERR_MEMORY : wait_or(s, w, open_step(s, w, out));
}

static void sealed_close(void *ctx, omen_file *f) {
    sealed *s = ctx;
    forget_all(s, f, NULL);
    s->inner.ops->close(s->inner.ctx, f->inner);
    let_go(s, f->content);
    drop(s, f, sizeof *f);
}

/* ---- reading ---- */

static omen_status sealed_size(void *ctx, omen_file *f, uint64_t *out) {
    (void)ctx;
    pthread_mutex_lock(&f->content->lock);
    *out = f->content->size;
    pthread_mutex_unlock(&f->content->lock);
    return OMEN_OK;
}

/* The piece [from, to) of one record. */
static omen_status read_piece(sealed *s, omen_file *f, const omen_seal_record *r, uint64_t from, uint64_t to, uint8_t *into) {
    seal_content *c = f->content;
    uint32_t first = (uint32_t)((from - r->offset) / r->page), last = (uint32_t)((to - 1 - r->offset) / r->page);
    size_t bytes = (size_t)(omen_seal_page_at(r, last) - omen_seal_page_at(r, first)) + omen_seal_page_len(r, last) + OMEN_GCM_TAG, got = 0;
    uint8_t *buf = s->host->alloc(s->host->ctx, bytes);
    if (buf == NULL) return OMEN_ERR_MEMORY;
    bool bad, torn;
    omen_status st = s->inner.ops->read_at(s->inner.ctx, f->inner, r->at + omen_seal_page_at(r, first), buf, bytes, &got);
    if (st == OMEN_OK) st = seal_extract(c, r, first, last, buf, got, from, to, into, &bad, &torn);
    if (st == OMEN_OK && bad && !seal_lenient(c->name) && !(torn && seal_replaced(c->name))) st = OMEN_ERR_CORRUPT;
    drop(s, buf, bytes);
    return st;
}

/* One extent, or a gap between two, from `at` on. Answers how far it goes. */
static omen_status read_next(sealed *s, omen_file *f, uint64_t at, uint64_t to, uint8_t *into, uint64_t *reached) {
    seal_content *c = f->content;
    seal_extent e = {UINT64_MAX, UINT64_MAX, {.kind = SEAL_CUT}};
    pthread_mutex_lock(&c->lock);
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->extents[middle].to <= at) low = middle + 1;
        else high = middle;
    }
    if (low < c->count) e = c->extents[low];
    pthread_mutex_unlock(&c->lock);
    if (e.from > at) { /* records that should be there are not */
        if (!seal_lenient(c->name)) return OMEN_ERR_CORRUPT;
        *reached = OMEN_MIN(to, e.from);
        memset(into, 0, (size_t)(*reached - at));
        return OMEN_OK;
    }
    *reached = OMEN_MIN(to, e.to);
    if (e.record.kind == SEAL_DATA) return read_piece(s, f, &e.record, at, *reached, into);
    memset(into, 0, (size_t)(*reached - at));
    return OMEN_OK;
}

static omen_status sealed_read(void *ctx, omen_file *f, uint64_t offset, void *into, size_t len, size_t *got) {
    sealed *s = ctx;
    seal_content *c = f->content;
    waiting *w = NULL;
    size_t done = 0;
    pthread_mutex_lock(&c->lock);
    uint64_t size = c->size;
    pthread_mutex_unlock(&c->lock);
    *got = 0;
    if (offset >= size || len == 0) return OMEN_OK;
    size_t want = (size_t)OMEN_MIN(len, size - offset);
    pthread_mutex_lock(&s->lock);
    bool waits = s->waits != NULL;
    pthread_mutex_unlock(&s->lock);
    if (waits) {
        w = resume(s, NULL, OMEN_FILE_READ, f, offset, len);
        if (w == NULL) return OMEN_ERR_MEMORY;
        if (w->into != NULL) memcpy(into, w->into, done = OMEN_MIN(w->done, want));
    }
    while (done < want) {
        uint64_t reached;
        omen_status st = read_next(s, f, offset + done, offset + want, (uint8_t *)into + done, &reached);
        if (st == OMEN_PENDING && w == NULL) w = resume(s, NULL, OMEN_FILE_READ, f, offset, len);
        if (st == OMEN_PENDING && w != NULL && w->into == NULL) w->into = s->host->alloc(s->host->ctx, len);
        if (st == OMEN_PENDING && (w == NULL || w->into == NULL)) st = OMEN_ERR_MEMORY;
        if (st == OMEN_PENDING) {
            memcpy(w->into, into, done);
            w->done = done;
        }
        if (st != OMEN_OK) return w == NULL ? st : wait_or(s, w, st);
        done = (size_t)(reached - offset);
    }
    if (w != NULL) forget(s, w);
    *got = want;
    return OMEN_OK;
}

/* ---- writing ---- */

static omen_status write_locked(sealed *s, omen_file *f, uint64_t offset, const uint8_t *p, size_t len) {
    seal_content *c = f->content;
    if (offset > SEAL_MAX_ZEROS) return OMEN_ERR_INVALID;
    if (offset == 0 && c->end > SEAL_HEADER && seal_replaced(c->name)) { /* also what was cut off, which would be taken for the beginning of what follows it */
        OMEN_TRY(s->inner.ops->truncate(s->inner.ctx, f->inner, SEAL_HEADER));
        seal_content_clear(c);
        c->end = SEAL_HEADER;
    }
    if (offset > c->size) OMEN_TRY(seal_append(c, &s->inner, f->inner, SEAL_ZEROS, c->size, NULL, offset - c->size));
    for (size_t done = 0; done < len;) {
        size_t n = OMEN_MIN(len - done, SEAL_MAX);
        OMEN_TRY(seal_append(c, &s->inner, f->inner, SEAL_DATA, offset + done, p + done, n));
        done += n;
    }
    return OMEN_OK;
}

static omen_status sealed_write(void *ctx, omen_file *f, uint64_t offset, const void *bytes, size_t len) {
    if (!f->writable) return OMEN_ERR_READ_ONLY;
    if (len == 0) return OMEN_OK;
    pthread_mutex_lock(&f->content->lock);
    omen_status st = f->content->data == NULL ? OMEN_ERR_READ_ONLY : write_locked(ctx, f, offset, bytes, len);
    pthread_mutex_unlock(&f->content->lock);
    return st;
}

static omen_status sealed_truncate(void *ctx, omen_file *f, uint64_t size) {
    sealed *s = ctx;
    if (!f->writable) return OMEN_ERR_READ_ONLY;
    pthread_mutex_lock(&f->content->lock);
    omen_status st = size >= f->content->size ? OMEN_OK : seal_append(f->content, &s->inner, f->inner, SEAL_CUT, size, NULL, 0);
    pthread_mutex_unlock(&f->content->lock);
    return st;
}

static omen_status sealed_sync(void *ctx, omen_file *f) {
    sealed *s = ctx;
    return s->inner.ops->sync(s->inner.ctx, f->inner);
}

/* ---- the folder ---- */

static omen_status sealed_list(void *ctx, void (*each)(void *arg, const char *name), void *arg) {
    sealed *s = ctx;
    return s->inner.ops->list(s->inner.ctx, each, arg);
}

static omen_status sealed_sync_dir(void *ctx) {
    sealed *s = ctx;
    return s->inner.ops->sync_dir(s->inner.ctx);
}

/* A file that is made under this name afterwards is another one: nothing of what was known of this one may answer for it. */
static omen_status sealed_remove(void *ctx, const char *name) {
    sealed *s = ctx;
    forget_all(s, NULL, name); /* openings that nobody came back for hold the file inside open */
    OMEN_TRY(s->inner.ops->remove(s->inner.ctx, name));
    pthread_mutex_lock(&s->lock);
    for (seal_content **at = &s->contents; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->name, name) != 0) continue;
        *at = (*at)->next; /* who still has it open keeps it */
        break;
    }
    pthread_mutex_unlock(&s->lock);
    return note_flaw(s, name, -1);
}

static void sealed_release(void *ctx) {
    sealed *s = ctx;
    const omen_host *host = s->host;
    for (waiting *w; (w = s->waits) != NULL;) {
        s->waits = w->next;
        forget(s, w);
    }
    seal_flaws_free(&s->flaws, s->host, &s->inner);
    s->inner.ops->release(s->inner.ctx);
    omen_keyring_deinit(&s->ring);
    pthread_mutex_destroy(&s->lock);
    omen_wipe(s, sizeof *s);
    host->free(host->ctx, s, sizeof *s);
}

static void sealed_why(void *ctx, char *into, size_t cap) {
    sealed *s = ctx;
    pthread_mutex_lock(&s->lock);
    (void)omen_format(into, cap, "%s", s->why);
    pthread_mutex_unlock(&s->lock);
}

static omen_status sealed_flaws(void *ctx, int mend, void (*each)(void *arg, const char *name, uint64_t offset, uint64_t bytes), void *arg) {
    sealed *s = ctx;
    if (mend) return seal_flaws_mend(&s->flaws, s->host, &s->inner, &s->ring);
    pthread_mutex_lock(&s->lock);
    for (const seal_flaw *f = s->flaws.first; f != NULL; f = f->next) each(arg, f->name, (uint64_t)f->slot * SEAL_SLOT, SEAL_SLOT);
    pthread_mutex_unlock(&s->lock);
    return OMEN_OK;
}

static const omen_storage_ops ops = {sizeof ops,      sealed_list, sealed_open,     sealed_size,  sealed_read,   sealed_write,
                                     sealed_truncate, sealed_sync, sealed_sync_dir, sealed_close, sealed_remove, sealed_release, sealed_why, sealed_flaws};

omen_status omen_storage_encrypt_on(const omen_host *host, const omen_storage *inner, const omen_encryption *encryption, omen_storage *out) {
    sealed *s = host->alloc(host->ctx, sizeof *s);
    if (s == NULL) return OMEN_ERR_MEMORY;
    memset(s, 0, sizeof *s);
    omen_status st = omen_keyring_init(&s->ring, encryption);
    if (st == OMEN_OK && pthread_mutex_init(&s->lock, NULL) != 0) {
        omen_keyring_deinit(&s->ring);
        st = OMEN_ERR_MEMORY;
    }
    if (st != OMEN_OK) {
        host->free(host->ctx, s, sizeof *s);
        return st;
    }
    s->host = host;
    s->inner = *inner;
    *out = (omen_storage){s, &ops};
    return OMEN_OK;
}

omen_status omen_storage_encrypt(void *ctx, const omen_storage *inner, const omen_encryption *encryption, omen_storage *out) {
    (void)ctx;
    if (inner == NULL || inner->ops == NULL || encryption == NULL || out == NULL) return OMEN_ERR_INVALID;
    return omen_storage_encrypt_on(omen_host_native(), inner, encryption, out);
}
