/* segment_writer.c - writes one segment file from front to back (segment_format.h).
 *
 * Invariants
 *   - `length` bytes of the file are decided; the last `out.len` of them wait in `out` for the host and the hash.
 *   - the current block's crc covers what was emitted of it (plain), or is computed when it is complete (ZSTD, in `block`).
 */
#include "base/compress.h"
#include "base/control.h"
#include "kernel/kernel.h"
#include "store/segment_format.h"

struct omen_segment_writer {
    omen_store *st;
    omen_file *file;
    omen_file_name name;
    uint64_t number, length, written;
    omen_buf out;
    omen_hasher *hasher;
    omen_buf entries, crcs, ends; /* of the footer: omen_segment_entry, u32, u64 */
    /* the section being written */
    bool in_section;
    omen_segment_entry section;
    omen_buf block, packed; /* ZSTD: the raw block so far, and its compressed form */
    omen_zstd *zstd;
    uint32_t crc;
    uint32_t filled; /* raw bytes of the current block */
    enum { WRITING, SYNCING, FINISHED, FAILED } state;
};

void omen_segment_writer_free(omen_segment_writer *w) {
    if (w == NULL) return;
    if (w->file != NULL) w->st->storage.ops->close(w->st->storage.ctx, w->file);
    omen_hasher_free(w->hasher);
    if (w->zstd != NULL) omen_pool_zstd_give(w->st->pool, w->zstd);
    omen_buf_deinit(&w->out);
    omen_buf_deinit(&w->entries);
    omen_buf_deinit(&w->crcs);
    omen_buf_deinit(&w->ends);
    omen_buf_deinit(&w->block);
    omen_buf_deinit(&w->packed);
    omen_free(w->st->mem, w, sizeof *w);
}

static omen_status fail(omen_segment_writer *w, omen_status s) {
    w->state = FAILED;
    return s;
}

static omen_status no_memory(omen_segment_writer *w, omen_error *err) {
    return fail(w, omen_fail(err, OMEN_ERR_MEMORY, "out of memory for writing %s", w->name.text));
}

static omen_status check_state(omen_segment_writer *w, bool in_section, omen_error *err) {
    if (w->state == FAILED) return omen_fail(err, OMEN_ERR_POISONED, "an earlier write of %s failed", w->name.text);
    if (w->state != WRITING || w->in_section != in_section)
        return fail(w, omen_fail(err, OMEN_ERR_INTERNAL, "%s: sections are written one after another", w->name.text));
    return OMEN_OK;
}

static omen_status flush(omen_segment_writer *w, omen_error *err) {
    omen_hasher_update(w->hasher, w->out.data, w->out.len);
    omen_status s = omen_store_write(w->st, w->file, w->name.text, w->written, w->out.data, w->out.len, err);
    if (s != OMEN_OK) return fail(w, s);
    w->written += w->out.len;
    w->out.len = 0;
    return OMEN_OK;
}

/* bytes may be NULL: zeros */
static omen_status emit(omen_segment_writer *w, const void *bytes, size_t len, omen_error *err) {
    const uint8_t *p = bytes;
    w->length += len;
    while (len > 0) {
        size_t n = OMEN_MIN(len, OMEN_WRITE_CHUNK - w->out.len);
        if (omen_buf_append(&w->out, p, n) != OMEN_OK) return no_memory(w, err);
        if (w->out.len == OMEN_WRITE_CHUNK) OMEN_TRY(flush(w, err));
        if (p != NULL) p += n;
        len -= n;
    }
    return OMEN_OK;
}

static omen_status align(omen_segment_writer *w, omen_error *err) {
    return emit(w, NULL, (size_t)(omen_segment_aligned(w->length) - w->length), err);
}

omen_status omen_segment_writer_new(omen_store *st, uint64_t number, omen_segment_writer **out, omen_error *err) {
    uint8_t header[OMEN_SEGMENT_HEADER];
    omen_segment_writer *w = omen_alloc_zero(st->mem, sizeof *w);
    *out = NULL;
    if (w == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for writing a segment");
    w->st = st;
    w->number = number;
    w->name = omen_segment_file_name(number);
    omen_buf_init(&w->out, st->mem);
    omen_buf_init(&w->entries, st->mem);
    omen_buf_init(&w->crcs, st->mem);
    omen_buf_init(&w->ends, st->mem);
    omen_buf_init(&w->block, st->mem);
    omen_buf_init(&w->packed, st->mem);
    w->hasher = omen_hasher_new(st->mem);

    omen_status s = OMEN_OK;
    if (w->hasher == NULL) s = no_memory(w, err);
    if (s == OMEN_OK) {
        omen_file *file = NULL;
        s = omen_store_check(st->storage.ops->open(st->storage.ctx, w->name.text, OMEN_FILE_CREATE, &file), "create", w->name.text, err);
        if (s == OMEN_OK) w->file = file;
    }
    omen_segment_header(header);
    if (s == OMEN_OK) s = emit(w, header, sizeof header, err);
    if (s != OMEN_OK) {
        omen_segment_writer_free(w);
        return s;
    }
    *out = w;
    return OMEN_OK;
}

omen_status omen_segment_section_begin(omen_segment_writer *w, uint32_t kind, uint32_t field, uint32_t flags, uint32_t block_len,
                                       omen_error *err) {
    OMEN_TRY(check_state(w, false, err));
    const omen_segment_entry *e = (const omen_segment_entry *)(const void *)w->entries.data;
    size_t n = w->entries.len / sizeof *e;
    bool taken = n >= OMEN_SEGMENT_MAX_SECTIONS;
    for (size_t i = 0; i < n; i++) taken = taken || (e[i].kind == kind && e[i].field == field);
    if (taken || (flags & ~OMEN_SECTION_ZSTD) != 0 || block_len == 0 || block_len > OMEN_MAX_BLOCK_BYTES)
        return fail(w, omen_fail(err, OMEN_ERR_INTERNAL, "%s: section %u of field %u cannot be written (flags %x, block of %u)", w->name.text,
                                 kind, field, flags, block_len));
    if ((flags & OMEN_SECTION_ZSTD) != 0 && w->zstd == NULL && (w->zstd = omen_pool_zstd_take(w->st->pool)) == NULL) return no_memory(w, err);
    OMEN_TRY(align(w, err));
    w->section = (omen_segment_entry){.kind = kind, .field = field, .flags = flags, .block_len = block_len, .offset = w->length};
    w->crc = 0;
    w->filled = 0;
    w->block.len = 0;
    w->in_section = true;
    return OMEN_OK;
}

/* The current block is complete (or the last). */
static omen_status end_block(omen_segment_writer *w, omen_error *err) {
    if (w->crcs.len / 4 == UINT32_MAX) return fail(w, omen_fail(err, OMEN_ERR_TOO_LARGE, "%s has too many blocks", w->name.text));
    if ((w->section.flags & OMEN_SECTION_ZSTD) != 0) {
        w->packed.len = 0;
        if (omen_zstd_compress(w->zstd, w->block.data, w->block.len, &w->packed) != OMEN_OK) return no_memory(w, err);
        const omen_buf *stored = w->packed.len < w->block.len ? &w->packed : &w->block;
        w->crc = omen_kernels_get()->crc32c(0, stored->data, stored->len);
        OMEN_TRY(emit(w, stored->data, stored->len, err));
        if (omen_buf_append_u64(&w->ends, w->length - w->section.offset) != OMEN_OK) return no_memory(w, err);
        w->block.len = 0;
    }
    if (omen_buf_append_u32(&w->crcs, w->crc) != OMEN_OK) return no_memory(w, err);
    w->section.block_count++;
    w->crc = 0;
    w->filled = 0;
    return OMEN_OK;
}

omen_status omen_segment_section_write(omen_segment_writer *w, const void *bytes, size_t len, omen_error *err) {
    const uint8_t *p = bytes;
    OMEN_TRY(check_state(w, true, err));
    while (len > 0) {
        size_t n = OMEN_MIN(len, w->section.block_len - w->filled);
        if ((w->section.flags & OMEN_SECTION_ZSTD) != 0) {
            if (omen_buf_append(&w->block, p, n) != OMEN_OK) return no_memory(w, err);
        } else {
            w->crc = omen_kernels_get()->crc32c(w->crc, p, n);
            OMEN_TRY(emit(w, p, n, err));
        }
        w->filled += (uint32_t)n;
        w->section.raw_len += n;
        p += n;
        len -= n;
        if (w->filled == w->section.block_len) OMEN_TRY(end_block(w, err));
    }
    return OMEN_OK;
}

omen_status omen_segment_section_end(omen_segment_writer *w, omen_error *err) {
    OMEN_TRY(check_state(w, true, err));
    if (w->filled > 0) OMEN_TRY(end_block(w, err));
    w->section.stored_len = w->length - w->section.offset;
    if (omen_buf_append(&w->entries, &w->section, sizeof w->section) != OMEN_OK) return no_memory(w, err);
    w->in_section = false;
    return OMEN_OK;
}

static omen_status write_footer(omen_segment_writer *w, omen_error *err) {
    const omen_kernels *k = omen_kernels_get();
    uint8_t header[OMEN_SEGMENT_HEADER], head[OMEN_SEGMENT_FOOTER] = {0}, trailer[OMEN_SEGMENT_TRAILER];
    OMEN_TRY(align(w, err));
    omen_put32(head, (uint32_t)(w->entries.len / OMEN_SEGMENT_ENTRY));
    omen_put32(head + 4, (uint32_t)(w->crcs.len / 4));
    omen_put32(head + 8, (uint32_t)(w->ends.len / 8));
    omen_put64(trailer, w->length);
    omen_put64(trailer + 8, sizeof head + w->entries.len + w->crcs.len + w->ends.len);
    omen_put32(trailer + 16, OMEN_SEGMENT_VERSION);
    omen_segment_header(header);
    uint32_t crc = k->crc32c(0, header, sizeof header);
    crc = k->crc32c(crc, head, sizeof head);
    crc = k->crc32c(crc, w->entries.data, w->entries.len);
    crc = k->crc32c(crc, w->crcs.data, w->crcs.len);
    crc = k->crc32c(crc, w->ends.data, w->ends.len);
    omen_put32(trailer + OMEN_SEGMENT_TRAILER_CRC, k->crc32c(crc, trailer, OMEN_SEGMENT_TRAILER_CRC));
    memcpy(trailer + 24, "OMENEND1", 8);
    OMEN_TRY(emit(w, head, sizeof head, err));
    OMEN_TRY(emit(w, w->entries.data, w->entries.len, err));
    OMEN_TRY(emit(w, w->crcs.data, w->crcs.len, err));
    OMEN_TRY(emit(w, w->ends.data, w->ends.len, err));
    OMEN_TRY(emit(w, trailer, sizeof trailer, err));
    return flush(w, err);
}

omen_status omen_segment_writer_finish(omen_segment_writer *w, omen_segment_info *out, omen_error *err) {
    if (w->state == WRITING) {
        OMEN_TRY(check_state(w, false, err));
        OMEN_TRY(write_footer(w, err));
        w->state = SYNCING;
    }
    if (w->state == SYNCING) {
        const omen_storage *s = &w->st->storage;
        omen_status status = OMEN_CONTROL(segment_sync) ? omen_store_check(s->ops->sync(s->ctx, w->file), "sync", w->name.text, err) : OMEN_OK;
        if (status == OMEN_PENDING) return status;
        if (status != OMEN_OK) return fail(w, status);
        s->ops->close(s->ctx, w->file);
        w->file = NULL;
        w->state = FINISHED;
    }
    if (w->state == FAILED) return omen_fail(err, OMEN_ERR_POISONED, "an earlier write of %s failed", w->name.text);
    *out = (omen_segment_info){.number = w->number, .length = w->length, .hash = omen_hasher_digest(w->hasher)};
    return OMEN_OK;
}
