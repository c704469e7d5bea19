/* encrypted_file.c - the index of an encrypted file, and its records going in and out (encrypted_file.h). */
#include "host/encrypted_file.h"

#include <string.h>

#include "base/base.h"

seal_content *seal_content_new(const omen_host *host, const char *name) {
    seal_content *c = host->alloc(host->ctx, sizeof *c);
    if (c == NULL) return NULL;
    memset(c, 0, sizeof *c);
    c->host = host;
    memcpy(c->name, name, strnlen(name, sizeof c->name - 1));
    if (pthread_mutex_init(&c->lock, NULL) != 0) {
        host->free(host->ctx, c, sizeof *c);
        return NULL;
    }
    return c;
}

void seal_content_clear(seal_content *c) {
    if (c->extents != NULL) c->host->free(c->host->ctx, c->extents, c->capacity * sizeof *c->extents);
    c->extents = NULL;
    c->count = c->capacity = 0;
    c->size = 0;
}

static void release_out(seal_content *c) {
    if (c->out != NULL) c->host->free(c->host->ctx, c->out, c->out_capacity);
    c->out = NULL;
    c->out_capacity = 0;
}

void seal_content_free(seal_content *c) {
    if (c == NULL) return;
    seal_content_clear(c);
    release_out(c);
    omen_gcm_free(c->data);
    pthread_mutex_destroy(&c->lock);
    c->host->free(c->host->ctx, c, sizeof *c);
}

/* ---- the index ---- */

static omen_status reserve(seal_content *c, size_t more) {
    if (c->capacity - c->count >= more) return OMEN_OK;
    size_t capacity = c->capacity * 2 + 8;
    seal_extent *n = c->host->resize(c->host->ctx, c->extents, c->capacity * sizeof *n, capacity * sizeof *n);
    if (n == NULL) return OMEN_ERR_MEMORY;
    c->extents = n;
    c->capacity = capacity;
    return OMEN_OK;
}

/* The first extent that ends behind `offset`. */
static size_t find(const seal_content *c, uint64_t offset) {
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->extents[middle].to <= offset) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Takes [from, to) from whoever has it. There is room for one more. */
static void uncover(seal_content *c, uint64_t from, uint64_t to) {
    size_t i = find(c, from);
    if (i < c->count && c->extents[i].from < from) {
        if (c->extents[i].to > to) { /* in the middle of it */
            memmove(c->extents + i + 1, c->extents + i, (c->count - i) * sizeof *c->extents);
            c->count++;
            c->extents[i].to = from;
            c->extents[i + 1].from = to;
            return;
        }
        c->extents[i++].to = from;
    }
    size_t j = i;
    while (j < c->count && c->extents[j].to <= to) j++;
    memmove(c->extents + i, c->extents + j, (c->count - j) * sizeof *c->extents);
    c->count -= j - i;
    if (i < c->count && c->extents[i].from < to) c->extents[i].from = to;
}

omen_status seal_apply(seal_content *c, const omen_seal_record *r) {
    if (r->kind == SEAL_CUT) {
        if (r->offset >= c->size) return OMEN_OK;
        uncover(c, r->offset, UINT64_MAX);
        c->size = r->offset;
        return OMEN_OK;
    }
    uint64_t from = r->offset, to = r->offset + r->length;
    if (reserve(c, 2) != OMEN_OK) return OMEN_ERR_MEMORY;
    if (from < c->size) uncover(c, from, to);
    size_t i = find(c, from);
    memmove(c->extents + i + 1, c->extents + i, (c->count - i) * sizeof *c->extents);
    c->extents[i] = (seal_extent){from, to, *r};
    c->count++;
    if (to > c->size) c->size = to;
    return OMEN_OK;
}

/* ---- finding the records of a file ---- */

omen_status seal_walk_init(seal_walk *w, seal_content *c, const omen_storage *inner, omen_file *file, uint64_t size) {
    *w = (seal_walk){.inner = inner, .file = file, .at = OMEN_MIN(SEAL_HEADER, size), .size = size, .ahead = SEAL_AHEAD};
    w->window = c->host->alloc(c->host->ctx, SEAL_WINDOW);
    return w->window == NULL ? OMEN_ERR_MEMORY : OMEN_OK;
}

void seal_walk_deinit(seal_walk *w, seal_content *c) {
    if (w->window != NULL) c->host->free(c->host->ctx, w->window, SEAL_WINDOW);
    w->window = NULL;
}

/* *p: bytes at `at`, at least `want` of them or as many as the file has; *len: how many. Where records are small, more is read at once. */
static omen_status peek(seal_walk *w, uint64_t at, size_t want, const uint8_t **p, size_t *len) {
    want = (size_t)OMEN_MIN(want, w->size - at);
    if (at < w->window_at || at + want > w->window_at + w->window_len) {
        if (w->asked == 0) {
            w->ahead = w->hits >= 4 ? OMEN_MIN(w->ahead * 4, SEAL_WINDOW) : SEAL_AHEAD;
            w->asked = (size_t)OMEN_MIN(OMEN_MAX(want, w->ahead), w->size - at);
        }
        size_t got;
        omen_status s = w->inner->ops->read_at(w->inner->ctx, w->file, at, w->window, w->asked, &got);
        if (s == OMEN_PENDING) return s; /* the same question again */
        w->asked = 0;
        if (s != OMEN_OK) return s;
        w->hits = 0;
        w->window_at = at;
        w->window_len = got;
        if (got < want) return OMEN_ERR_IO;
    }
    w->hits++;
    *p = w->window + (size_t)(at - w->window_at);
    *len = w->window_len - (size_t)(at - w->window_at);
    return OMEN_OK;
}

/* The first page's tag: for records that could do harm if their header lied. */
static omen_status verify(seal_walk *w, seal_content *c, const omen_seal_record *r, bool *good) {
    const uint8_t *p;
    size_t len;
    OMEN_TRY(peek(w, r->at, SEAL_RECORD + r->page + OMEN_GCM_TAG, &p, &len));
    uint8_t *page = c->host->alloc(c->host->ctx, r->page);
    if (page == NULL) return OMEN_ERR_MEMORY;
    omen_gcm_opened o = omen_seal_open_page(c->data, c->file_id, r, 0, p + SEAL_RECORD, page);
    omen_wipe(page, r->page);
    c->host->free(c->host->ctx, page, r->page);
    *good = o == OMEN_GCM_OPENED;
    return o == OMEN_GCM_FAILED ? OMEN_ERR_MEMORY : OMEN_OK;
}

omen_status seal_walk_step(seal_walk *w, seal_content *c) {
    while (w->size - w->at >= SEAL_RECORD) {
        const uint8_t *p;
        size_t len;
        omen_seal_record r;
        OMEN_TRY(peek(w, w->at, SEAL_RECORD, &p, &len));
        bool good = omen_seal_get_record(p, c->file_id, c->page, w->at, w->size - w->at, &r);
        if (good && (r.kind != SEAL_DATA || r.offset != c->size)) OMEN_TRY(verify(w, c, &r, &good));
        if (good) {
            OMEN_TRY(seal_apply(c, &r));
            w->at += OMEN_MIN(omen_seal_record_size(&r), w->size - w->at);
            continue;
        }
        /* Lost: a write that was cut off, or damage. The next record starts with the mark. */
        OMEN_TRY(peek(w, w->at, SEAL_RECORD, &p, &len));
        size_t skip = 8;
        while (skip + 8 <= len && memcmp(p + skip, c->file_id, 8) != 0) skip += 8;
        w->at += OMEN_MIN(skip, w->size - w->at);
        if (skip >= 64) w->hits += 4; /* nothing here: look further at once */
    }
    c->end = OMEN_MAX((w->size + 7) / 8 * 8, SEAL_HEADER);
    return OMEN_OK;
}

/* ---- records out and in ---- */

omen_status seal_append(seal_content *c, const omen_storage *inner, omen_file *file, uint32_t kind, uint64_t offset, const uint8_t *plain, uint64_t len) {
    omen_seal_record r = {.at = c->end, .offset = offset, .length = len, .kind = kind, .page = c->page};
    if (c->host->entropy(c->host->ctx, r.nonce, sizeof r.nonce) != OMEN_OK) return OMEN_ERR_IO;
    size_t bytes = (size_t)omen_seal_record_size(&r);
    if (bytes > c->out_capacity) {
        release_out(c);
        c->out = c->host->alloc(c->host->ctx, bytes);
        if (c->out == NULL) return OMEN_ERR_MEMORY;
        c->out_capacity = bytes;
    }
    uint8_t *out = c->out;
    omen_status s = OMEN_OK;
    memset(out + bytes - 8, 0, 8); /* the padding */
    omen_seal_put_record(&r, c->file_id, out);
    for (uint32_t k = 0; k < omen_seal_pages(&r) && s == OMEN_OK; k++)
        if (!omen_seal_page(c->data, c->file_id, &r, k, kind == SEAL_DATA ? plain + (size_t)k * r.page : out, out + omen_seal_page_at(&r, k))) s = OMEN_ERR_MEMORY;
    if (s == OMEN_OK) s = inner->ops->write_at(inner->ctx, file, r.at, out, bytes);
    if (s == OMEN_OK) s = seal_apply(c, &r);
    if (s == OMEN_OK) c->end += bytes;
    return s;
}

/* A sector that holds nothing, or is not there: a write that did not get so far. */
static bool cut_off(uint64_t at, const uint8_t *p, size_t got, size_t len) {
    if (got < len) return true;
    size_t skip = (size_t)((SEAL_SLOT - at % SEAL_SLOT) % SEAL_SLOT);
    for (; skip < len; skip += SEAL_SLOT) {
        size_t n = OMEN_MIN(SEAL_SLOT, len - skip), i = 0;
        while (i < n && p[skip + i] == 0) i++;
        if (i == n) return true;
    }
    return false;
}

omen_status seal_extract(seal_content *c, const omen_seal_record *r, uint32_t first, uint32_t last, const uint8_t *sealed, size_t got, uint64_t from, uint64_t to, uint8_t *into,
                         bool *bad, bool *torn) {
    uint8_t *part = NULL; /* a page of which only a part is asked for */
    omen_status s = OMEN_OK;
    *bad = false;
    *torn = true;
    for (uint32_t k = first; k <= last && s == OMEN_OK; k++) {
        size_t at = (size_t)(omen_seal_page_at(r, k) - omen_seal_page_at(r, first)), len = omen_seal_page_len(r, k), have = got > at ? got - at : 0;
        uint64_t start = r->offset + (uint64_t)k * r->page, a = OMEN_MAX(start, from), b = OMEN_MIN(start + len, to);
        bool whole = a == start && b == start + len;
        if (!whole && part == NULL && (part = c->host->alloc(c->host->ctx, r->page)) == NULL) {
            s = OMEN_ERR_MEMORY;
            break;
        }
        uint8_t *plain = whole ? into + (size_t)(a - from) : part;
        omen_gcm_opened o = have < len + OMEN_GCM_TAG ? OMEN_GCM_BAD : omen_seal_open_page(c->data, c->file_id, r, k, sealed + at, plain);
        if (o == OMEN_GCM_FAILED) s = OMEN_ERR_MEMORY;
        if (o == OMEN_GCM_BAD) {
            *bad = true;
            if (!cut_off(r->at + omen_seal_page_at(r, k), sealed + at, have, len + OMEN_GCM_TAG)) *torn = false;
            memset(into + (size_t)(a - from), 0, (size_t)(b - a));
        } else if (!whole && s == OMEN_OK) {
            memcpy(into + (size_t)(a - from), part + (size_t)(a - start), (size_t)(b - a));
        }
    }
    if (part != NULL) {
        omen_wipe(part, r->page);
        c->host->free(c->host->ctx, part, r->page);
    }
    return s;
}
