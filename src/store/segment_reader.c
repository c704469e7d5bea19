/* segment_reader.c - opens a segment, reads its blocks through the pool, verifies it whole (segment_format.h).
 *
 * After omen_segment_open every offset, length and count of the footer has been checked against the file's length, so that reading
 * needs to check only what the caller asks for. The footer stays in memory as it lies in the file.
 */
#include "base/compress.h"
#include "base/control.h"
#include "kernel/kernel.h"
#include "store/segment_format.h"

/* What the footer tells of a section beyond omen_section. */
typedef struct tables {
    const uint8_t *crcs; /* of its blocks: u32 */
    const uint8_t *ends; /* ZSTD: u64 */
    _Atomic(_Atomic(const omen_block *) *) kept; /* omen_segment_keep: for each block, NULL until it was read; NULL: nothing is kept */
    _Atomic(_Atomic uint32_t *) rows; /* omen_segment_row: the CRC of each row that was seen in a verified block; 0: none yet */
    _Atomic uint32_t row_bytes;
} tables;

struct omen_segment {
    omen_store *st;
    omen_segment_info info;
    omen_file_name name;
    omen_file *file;
    uint64_t owner; /* in the pool */
    uint8_t trailer[OMEN_SEGMENT_TRAILER], header[OMEN_SEGMENT_HEADER];
    uint8_t *footer;
    size_t footer_len;
    omen_section *sections;
    tables *tables;
    size_t count;
    enum { OPEN, TRAILER, FOOTER, HEADER, READY } phase;
};

const omen_segment_info *omen_segment_info_of(const omen_segment *s) { return &s->info; }
size_t omen_segment_section_count(const omen_segment *s) { return s->count; }
const omen_section *omen_segment_section_at(const omen_segment *s, size_t i) { return i < s->count ? &s->sections[i] : NULL; }

const omen_section *omen_segment_section(const omen_segment *s, uint32_t kind, uint32_t field) {
    for (size_t i = 0; i < s->count; i++) {
        if (s->sections[i].kind == kind && s->sections[i].field == field) return &s->sections[i];
    }
    return NULL;
}

/* A kept block: its header, its content, 64 readable bytes. */
#define KEPT_HEADER OMEN_KEPT_HEADER
static size_t kept_bytes(uint32_t len) { return KEPT_HEADER + (size_t)omen_round_up(len, 64) + 64u; }

/* What the header of one holds. */
typedef struct kept_header { omen_block block; const omen_block *next; } kept_header;
_Static_assert(sizeof(kept_header) <= KEPT_HEADER, "a kept block's header is too long");

/* Takes the blocks of a section that are kept out of it, onto a list. */
static const omen_block *take_kept(omen_segment *s, size_t section, const omen_block *list) {
    _Atomic(const omen_block *) *kept = atomic_load(&s->tables[section].kept);
    for (uint32_t i = 0; kept != NULL && i < s->sections[section].block_count; i++) {
        const omen_block *b = atomic_exchange(&kept[i], NULL);
        if (b == NULL) continue;
        atomic_fetch_sub(&s->st->resident.used, kept_bytes(b->len));
        ((kept_header *)(uintptr_t)b)->next = list;
        list = b;
    }
    return list;
}

const omen_block *omen_segment_yield(omen_segment *s, const omen_block *list) {
    for (size_t i = 0; i < s->count; i++) list = take_kept(s, i, list);
    return list;
}

void omen_segment_free_yielded(omen_mem *m, const omen_block *list) {
    while (list != NULL) {
        const omen_block *next = ((const kept_header *)(const void *)list)->next;
        omen_free(m, (void *)(uintptr_t)list, kept_bytes(list->len));
        list = next;
    }
}

static void let_go(omen_segment *s, size_t section) {
    _Atomic(const omen_block *) *kept = atomic_load(&s->tables[section].kept);
    if (kept == NULL) return;
    omen_segment_free_yielded(s->st->mem, take_kept(s, section, NULL));
    omen_free(s->st->mem, kept, s->sections[section].block_count * sizeof *kept);
}

/* Rows of less are not worth a checksum each. */
#define LEAST_ROW 128u

static size_t rows_of(const omen_section *sec, uint32_t row_bytes) { return (size_t)(sec->raw_len / row_bytes); }

static void forget_rows(omen_segment *s, size_t section) {
    tables *t = &s->tables[section];
    _Atomic uint32_t *rows = atomic_load(&t->rows);
    if (rows == NULL) return;
    size_t bytes = rows_of(&s->sections[section], t->row_bytes) * sizeof *rows;
    atomic_fetch_sub(&s->st->resident.used, bytes);
    omen_free(s->st->mem, rows, bytes);
}

void omen_segment_keep(omen_segment *s, const omen_section *sec) {
    tables *t = &s->tables[sec->ordinal];
    if (atomic_load(&t->kept) != NULL || sec->block_count == 0) return;
    _Atomic(const omen_block *) *kept = omen_alloc_zero(s->st->mem, sec->block_count * sizeof *kept);
    atomic_store_explicit(&t->kept, kept, memory_order_release); /* others may be reading blocks of it already */
}

void omen_segment_close(omen_segment *s) {
    if (s == NULL) return;
    omen_mem *m = s->st->mem;
    if (s->phase == READY) omen_pool_forget(s->st->pool, s->owner);
    if (s->file != NULL) s->st->storage.ops->close(s->st->storage.ctx, s->file);
    for (size_t i = 0; s->tables != NULL && i < s->count; i++) {
        let_go(s, i);
        forget_rows(s, i);
    }
    omen_free(m, s->footer, s->footer_len);
    omen_free(m, s->sections, s->count * sizeof *s->sections);
    omen_free(m, s->tables, s->count * sizeof *s->tables);
    omen_free(m, s, sizeof *s);
}

/* ---- opening ---- */

static omen_status corrupt(const omen_segment *s, const char *what, omen_error *err) {
    return omen_fail(err, OMEN_ERR_CORRUPT, "%s is damaged: %s", s->name.text, what);
}

static omen_status no_memory(const omen_segment *s, omen_error *err) {
    return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for reading %s", s->name.text);
}

static omen_status open_file(omen_segment *s, omen_error *err) {
    const omen_storage *st = &s->st->storage;
    uint64_t size;
    omen_file *file = NULL;
    omen_status status = st->ops->open(st->ctx, s->name.text, OMEN_FILE_READ, &file);
    if (status == OMEN_ERR_NOT_FOUND) return omen_fail(err, OMEN_ERR_CORRUPT, "%s is missing", s->name.text);
    OMEN_TRY(omen_store_check(status, "open", s->name.text, err));
    s->file = file;
    OMEN_TRY(omen_store_check(st->ops->size(st->ctx, file, &size), "measure", s->name.text, err));
    if (size != s->info.length)
        return omen_fail(err, OMEN_ERR_CORRUPT, "%s is damaged: it has %llu bytes instead of %llu", s->name.text, (unsigned long long)size,
                         (unsigned long long)s->info.length);
    if (size < OMEN_SEGMENT_HEADER + OMEN_SEGMENT_FOOTER + OMEN_SEGMENT_TRAILER) return corrupt(s, "it is too short", err);
    s->phase = TRAILER;
    return OMEN_OK;
}

static omen_status read_trailer(omen_segment *s, omen_error *err) {
    OMEN_TRY(omen_store_read(s->st, s->file, s->name.text, s->info.length - OMEN_SEGMENT_TRAILER, s->trailer, OMEN_SEGMENT_TRAILER, err));
    uint64_t offset = omen_get64(s->trailer), len = omen_get64(s->trailer + 8), end = s->info.length - OMEN_SEGMENT_TRAILER;
    if (memcmp(s->trailer + 24, "OMENEND1", 8) != 0) return corrupt(s, "it does not end as a segment does", err);
    if (offset > end || offset < OMEN_SEGMENT_HEADER || len != end - offset || len < OMEN_SEGMENT_FOOTER || len > SIZE_MAX / 2)
        return corrupt(s, "its trailer is wrong", err);
    s->footer = omen_alloc(s->st->mem, (size_t)len);
    if (s->footer == NULL) return no_memory(s, err);
    s->footer_len = (size_t)len;
    s->phase = FOOTER;
    return OMEN_OK;
}

/* Counts and the footer's length agree: returns the number of sections, or UINT32_MAX. */
static uint32_t footer_shape(const omen_segment *s) {
    uint64_t sections = omen_get32(s->footer), blocks = omen_get32(s->footer + 4), zstd = omen_get32(s->footer + 8);
    uint64_t len = OMEN_SEGMENT_FOOTER + sections * OMEN_SEGMENT_ENTRY + blocks * 4 + zstd * 8; /* below 2^36 */
    if (sections > OMEN_SEGMENT_MAX_SECTIONS || zstd > blocks || omen_get32(s->footer + 12) != 0 || len != s->footer_len) return UINT32_MAX;
    return (uint32_t)sections;
}

/* Raw bytes of block i. */
static uint32_t block_raw(const omen_section *sec, uint32_t i) {
    uint64_t left = sec->raw_len - (uint64_t)i * sec->block_len;
    return (uint32_t)OMEN_MIN(left, sec->block_len);
}

/* The ends of a ZSTD section rise, each block holds something, and none is longer than its content. */
static bool ends_valid(const omen_section *sec, const uint8_t *ends) {
    uint64_t at = 0;
    for (uint32_t i = 0; i < sec->block_count; i++) {
        uint64_t end = omen_get64(ends + (size_t)i * 8);
        if (end <= at || end - at > block_raw(sec, i)) return false;
        at = end;
    }
    return at == sec->stored_len;
}

static bool entry_valid(const omen_segment_entry *e) {
    if ((e->flags & ~OMEN_SECTION_ZSTD) != 0 || e->zero != 0 || e->block_len == 0 || e->block_len > OMEN_MAX_BLOCK_BYTES) return false;
    if (e->raw_len / e->block_len + (e->raw_len % e->block_len != 0) != e->block_count) return false;
    return (e->flags & OMEN_SECTION_ZSTD) != 0 || e->stored_len == e->raw_len;
}

/* Fills sections and tables from the footer, whose crc is right: an error here is a writer's, or an attack. */
static omen_status take_sections(omen_segment *s, omen_error *err) {
    uint64_t footer_offset = omen_get64(s->trailer), at = OMEN_SEGMENT_HEADER;
    uint64_t blocks_left = omen_get32(s->footer + 4), zstd_left = omen_get32(s->footer + 8);
    const uint8_t *entries = s->footer + OMEN_SEGMENT_FOOTER;
    const uint8_t *crcs = entries + s->count * OMEN_SEGMENT_ENTRY, *ends = crcs + blocks_left * 4;
    for (size_t i = 0; i < s->count; i++) {
        omen_segment_entry e;
        omen_section *sec = &s->sections[i];
        memcpy(&e, entries + i * sizeof e, sizeof e);
        uint64_t zstd = (e.flags & OMEN_SECTION_ZSTD) != 0 ? e.block_count : 0;
        if (!entry_valid(&e) || e.block_count > blocks_left || zstd > zstd_left) return corrupt(s, "an entry of its footer is wrong", err);
        if (e.offset != omen_segment_aligned(at) || e.offset > footer_offset || e.stored_len > footer_offset - e.offset)
            return corrupt(s, "a section lies outside its place", err);
        *sec = (omen_section){e.kind, e.field, e.flags, e.block_len, e.block_count, (uint32_t)i, e.raw_len, e.offset, e.stored_len};
        s->tables[i].crcs = crcs;
        s->tables[i].ends = ends;
        if (zstd > 0 ? !ends_valid(sec, ends) : (e.stored_len != e.raw_len)) return corrupt(s, "the blocks of a section are wrong", err);
        if (omen_segment_section(s, e.kind, e.field) != sec) return corrupt(s, "two sections have one name", err);
        crcs += (size_t)e.block_count * 4;
        ends += (size_t)zstd * 8;
        blocks_left -= e.block_count;
        zstd_left -= zstd;
        at = e.offset + e.stored_len;
    }
    if (blocks_left != 0 || zstd_left != 0 || footer_offset != omen_segment_aligned(at)) return corrupt(s, "its footer is incomplete", err);
    return OMEN_OK;
}

static omen_status validate(omen_segment *s, omen_error *err) {
    const omen_kernels *k = omen_kernels_get();
    uint8_t expected[OMEN_SEGMENT_HEADER];
    uint32_t crc = k->crc32c(k->crc32c(0, s->header, sizeof s->header), s->footer, s->footer_len);
    if (k->crc32c(crc, s->trailer, OMEN_SEGMENT_TRAILER_CRC) != omen_get32(s->trailer + OMEN_SEGMENT_TRAILER_CRC) && OMEN_CONTROL(segment_footer_crc))
        return corrupt(s, "the checksum of its footer is wrong", err);
    uint32_t version = omen_get32(s->trailer + 16);
    if (version > OMEN_SEGMENT_VERSION)
        return omen_fail(err, OMEN_ERR_VERSION, "%s was written by a newer OmenDB (segment version %u, this one knows %u); upgrade this one",
                         s->name.text, version, OMEN_SEGMENT_VERSION);
    omen_segment_header(expected);
    if (version != OMEN_SEGMENT_VERSION || memcmp(s->header, expected, sizeof expected) != 0) return corrupt(s, "its header is wrong", err);
    uint32_t count = footer_shape(s);
    if (count == UINT32_MAX) return corrupt(s, "the counts of its footer are wrong", err);
    if (count > 0) {
        s->sections = omen_alloc_zero(s->st->mem, count * sizeof *s->sections);
        s->tables = omen_alloc_zero(s->st->mem, count * sizeof *s->tables);
        s->count = count; /* what was allocated is freed by close, with this count */
        if (s->sections == NULL || s->tables == NULL) return no_memory(s, err);
    }
    return take_sections(s, err);
}

static omen_status advance(omen_segment *s, omen_error *err) {
    if (s->phase == OPEN) return open_file(s, err);
    if (s->phase == TRAILER) return read_trailer(s, err);
    if (s->phase == FOOTER) {
        OMEN_TRY(omen_store_read(s->st, s->file, s->name.text, omen_get64(s->trailer), s->footer, s->footer_len, err));
        s->phase = HEADER;
        return OMEN_OK;
    }
    OMEN_TRY(omen_store_read(s->st, s->file, s->name.text, 0, s->header, sizeof s->header, err));
    OMEN_TRY(validate(s, err));
    s->owner = omen_pool_owner(s->st->pool);
    s->phase = READY;
    return OMEN_OK;
}

omen_status omen_segment_open(omen_store *st, const omen_segment_info *info, omen_segment **out, omen_error *err) {
    omen_segment *s = *out;
    if (s == NULL) {
        s = omen_alloc_zero(st->mem, sizeof *s);
        if (s == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for opening a segment");
        s->st = st;
        s->info = *info;
        s->name = omen_segment_file_name(info->number);
        *out = s;
    }
    while (s->phase != READY) {
        omen_status status = advance(s, err);
        if (status == OMEN_PENDING) return status;
        if (status != OMEN_OK) {
            omen_segment_close(s);
            *out = NULL;
            return status;
        }
    }
    return OMEN_OK;
}

/* ---- blocks ---- */

typedef struct loading {
    omen_segment *s;
    const omen_section *sec;
    uint32_t index;
} loading;

/* Where block i is stored. */
static void place_of(const omen_segment *s, const omen_section *sec, uint32_t i, uint64_t *offset, uint32_t *len) {
    uint64_t from = (uint64_t)i * sec->block_len, to = from + block_raw(sec, i);
    if ((sec->flags & OMEN_SECTION_ZSTD) != 0) {
        const uint8_t *ends = s->tables[sec->ordinal].ends;
        from = i > 0 ? omen_get64(ends + (size_t)(i - 1) * 8) : 0;
        to = omen_get64(ends + (size_t)i * 8);
    }
    *offset = sec->offset + from;
    *len = (uint32_t)(to - from);
}

static omen_status bad_block(const loading *l, const char *what, omen_error *err) {
    return omen_fail(err, OMEN_ERR_CORRUPT, "%s is damaged: block %u of section %u of field %u: %s", l->s->name.text, l->index, l->sec->kind,
                     l->sec->field, what);
}

static uint32_t stored_crc(const loading *l) { return omen_get32(l->s->tables[l->sec->ordinal].crcs + (size_t)l->index * 4); }

/* Reads a block as it is stored into `stored`, and its content into `into`, which may be the same where it is stored plain. [may pend] */
static omen_status read_block(const loading *l, uint8_t *stored, uint8_t *into, omen_error *err) {
    omen_segment *s = l->s;
    uint32_t raw_len = block_raw(l->sec, l->index), len;
    uint64_t offset;
    place_of(s, l->sec, l->index, &offset, &len);
    OMEN_TRY(omen_store_read(s->st, s->file, s->name.text, offset, stored, len, err));
    omen_counter_add(&omen_pool_metrics_of(s->st->pool)->bytes_read, len);
    if (omen_kernels_get()->crc32c(0, stored, len) != stored_crc(l) && OMEN_CONTROL(segment_block_crc)) return bad_block(l, "its checksum is wrong", err);
    if (stored == into) return OMEN_OK;
    if (len == raw_len) {
        memcpy(into, stored, len);
        return OMEN_OK;
    }
    omen_zstd *z = omen_pool_zstd_take(s->st->pool);
    if (z == NULL) return no_memory(s, err);
    omen_status status = omen_zstd_decompress(z, stored, len, into, raw_len);
    omen_pool_zstd_give(s->st->pool, z);
    if (status == OMEN_ERR_MEMORY) return no_memory(s, err);
    return status == OMEN_OK ? OMEN_OK : bad_block(l, "it cannot be decompressed", err);
}

static omen_status load(void *arg, uint8_t *into, omen_error *err) {
    const loading *l = arg;
    omen_mem *m = l->s->st->mem;
    uint64_t offset;
    uint32_t len;
    place_of(l->s, l->sec, l->index, &offset, &len);
    if (len == block_raw(l->sec, l->index)) return read_block(l, into, into, err);
    uint8_t *stored = omen_alloc(m, len);
    if (stored == NULL) return no_memory(l->s, err);
    omen_status status = read_block(l, stored, into, err);
    omen_free(m, stored, len);
    return status;
}

/* Reads a block that is to stay; false: there is no room for it. Two threads may read the same one: one copy stays. */
static bool keep_block(loading *l, _Atomic(const omen_block *) *place, omen_status *status, const omen_block **out, omen_error *err) {
    omen_resident *r = &l->s->st->resident;
    omen_mem *m = l->s->st->mem;
    uint32_t len = block_raw(l->sec, l->index);
    size_t bytes = kept_bytes(len);
    if (atomic_fetch_add(&r->used, bytes) + bytes + atomic_load_explicit(&r->coming, memory_order_relaxed) > r->limit) {
        atomic_fetch_sub(&r->used, bytes);
        return false;
    }
    uint8_t *p = omen_alloc(m, bytes);
    *status = p == NULL ? OMEN_ERR_MEMORY : load(l, p + KEPT_HEADER, err);
    if (*status == OMEN_OK) {
        const omen_block *none = NULL, *own = (const omen_block *)(const void *)p;
        omen_block header = {p + KEPT_HEADER, len, true};
        memset(p + KEPT_HEADER + len, 0, bytes - KEPT_HEADER - len);
        memcpy(p, &header, sizeof header);
        if (atomic_compare_exchange_strong(place, &none, own)) {
            *out = own;
            return true;
        }
        *out = none;
    }
    omen_free(m, p, bytes);
    atomic_fetch_sub(&r->used, bytes);
    return p != NULL; /* without memory the pool may still make room */
}

omen_status omen_segment_block(omen_segment *s, const omen_section *sec, uint32_t index, const omen_block **out, omen_error *err) {
    loading l = {s, sec, index};
    *out = NULL;
    if (index >= sec->block_count) return bad_block(&l, "there is no such block", err);
    _Atomic(const omen_block *) *kept = atomic_load_explicit(&s->tables[sec->ordinal].kept, memory_order_acquire);
    if (kept != NULL) {
        *out = atomic_load_explicit(&kept[index], memory_order_acquire);
        if (*out != NULL) return OMEN_OK;
        omen_status status;
        if (keep_block(&l, &kept[index], &status, out, err)) return status;
    }
    return omen_pool_get(s->st->pool, s->owner, sec->ordinal, index, block_raw(sec, index), load, &l, out, err);
}

/* Takes the checksums of a verified block's rows, so that they can be read alone once the block is gone. Without memory for that they cannot. */
static void learn_rows(omen_segment *s, const omen_section *sec, uint32_t block, uint32_t row_bytes, const omen_block *b) {
    tables *t = &s->tables[sec->ordinal];
    if (b->kept || row_bytes < LEAST_ROW || sec->flags != 0) return;
    _Atomic uint32_t *rows = atomic_load_explicit(&t->rows, memory_order_acquire);
    if (rows == NULL) {
        size_t bytes = rows_of(sec, row_bytes) * sizeof *rows;
        _Atomic uint32_t *own = omen_alloc_zero(s->st->mem, bytes);
        if (own == NULL) return;
        atomic_store(&t->row_bytes, row_bytes);
        if (atomic_compare_exchange_strong(&t->rows, &rows, own)) {
            rows = own;
            atomic_fetch_add(&s->st->resident.used, bytes);
        } else {
            omen_free(s->st->mem, own, bytes);
        }
    }
    uint32_t first = block * (sec->block_len / row_bytes), count = b->len / row_bytes;
    if (atomic_load_explicit(&rows[first], memory_order_relaxed) != 0) return;
    for (uint32_t i = count; i-- > 0;) atomic_store_explicit(&rows[first + i], omen_kernels_get()->crc32c(0, b->data + (size_t)i * row_bytes, row_bytes), memory_order_relaxed);
}

/* Reads one row whose checksum is known; false: it is not, or what was read is not the row any more (its block will say). */
static bool read_row(omen_segment *s, const omen_section *sec, uint32_t row, uint32_t row_bytes, uint8_t *buffer) {
    _Atomic uint32_t *rows = atomic_load_explicit(&s->tables[sec->ordinal].rows, memory_order_acquire);
    uint32_t crc = atomic_load_explicit(&rows[row], memory_order_relaxed);
    omen_error ignored;
    if (crc == 0 || omen_store_read(s->st, s->file, s->name.text, sec->offset + (uint64_t)row * row_bytes, buffer, row_bytes, &ignored) != OMEN_OK) return false;
    omen_counter_add(&omen_pool_metrics_of(s->st->pool)->bytes_read, row_bytes);
    return omen_kernels_get()->crc32c(0, buffer, row_bytes) == crc;
}

omen_status omen_segment_row(omen_segment *s, const omen_section *sec, uint32_t row, uint32_t row_bytes, uint8_t *buffer, const uint8_t **out, const omen_block **pin,
                             omen_error *err) {
    uint32_t per = sec->block_len / row_bytes, block = row / per;
    size_t skip = (size_t)(row - block * per) * row_bytes;
    tables *t = &s->tables[sec->ordinal];
    OMEN_ASSERT((uint64_t)(row + UINT64_C(1)) * row_bytes <= sec->raw_len);
    *pin = NULL;
    _Atomic(const omen_block *) *kept = atomic_load_explicit(&t->kept, memory_order_acquire);
    const omen_block *here = kept == NULL ? NULL : atomic_load_explicit(&kept[block], memory_order_acquire);
    if (here != NULL) {
        *out = (const uint8_t *)here + KEPT_HEADER + skip; /* the header, another line, is not looked at */
        return OMEN_OK;
    }
    const omen_resident *r = &s->st->resident;
    bool full = kept == NULL || atomic_load_explicit(&r->used, memory_order_relaxed) + atomic_load_explicit(&r->coming, memory_order_relaxed) + kept_bytes(sec->block_len) > r->limit;
    if (full && buffer != NULL && atomic_load_explicit(&t->rows, memory_order_relaxed) != NULL && !atomic_load_explicit(&s->st->pends, memory_order_relaxed)) {
        *pin = omen_pool_find(s->st->pool, s->owner, sec->ordinal, block);
        if (*pin == NULL && read_row(s, sec, row, row_bytes, buffer)) {
            *out = buffer;
            return OMEN_OK;
        }
    }
    if (*pin == NULL) {
        OMEN_TRY(omen_segment_block(s, sec, block, pin, err));
        if (!atomic_load_explicit(&s->st->pends, memory_order_relaxed)) learn_rows(s, sec, block, row_bytes, *pin);
    }
    *out = (*pin)->data + skip;
    return OMEN_OK;
}

omen_kept *omen_segment_kept(const omen_segment *s, const omen_section *sec) { return atomic_load(&s->tables[sec->ordinal].kept); }

const uint8_t *omen_segment_peek(const omen_segment *s, const omen_section *sec, uint64_t offset) {
    _Atomic(const omen_block *) *kept = atomic_load_explicit(&s->tables[sec->ordinal].kept, memory_order_acquire);
    if (kept == NULL || offset >= sec->raw_len) return NULL;
    const omen_block *b = atomic_load_explicit(&kept[offset / sec->block_len], memory_order_acquire);
    return b == NULL ? NULL : (const uint8_t *)b + KEPT_HEADER + offset % sec->block_len;
}

omen_status omen_segment_read(omen_segment *s, const omen_section *sec, uint64_t offset, size_t len, void *into, size_t *done,
                              omen_error *err) {
    if (offset > sec->raw_len || len > sec->raw_len - offset)
        return omen_fail(err, OMEN_ERR_CORRUPT, "%s is damaged: section %u of field %u has no %zu bytes at %llu", s->name.text, sec->kind,
                         sec->field, len, (unsigned long long)offset);
    while (*done < len) {
        uint64_t at = offset + *done;
        uint32_t skip = (uint32_t)(at % sec->block_len);
        const omen_block *b;
        OMEN_TRY(omen_segment_block(s, sec, (uint32_t)(at / sec->block_len), &b, err));
        size_t n = OMEN_MIN(len - *done, b->len - skip);
        memcpy((uint8_t *)into + *done, b->data + skip, n);
        omen_block_release(s->st->pool, b);
        *done += n;
    }
    return OMEN_OK;
}

#define LOAD_BLOCKS 16u /* read at once: a request has its price on every storage */

omen_status omen_segment_load(omen_segment *s, const omen_section *sec, uint8_t *into, size_t *done, omen_error *err) {
    OMEN_ASSERT(sec->flags == 0);
    while (*done < sec->raw_len) {
        uint32_t first = (uint32_t)(*done / sec->block_len);
        size_t n = (size_t)OMEN_MIN(sec->raw_len - *done, (uint64_t)sec->block_len * LOAD_BLOCKS), checked = 0;
        OMEN_TRY(omen_store_read(s->st, s->file, s->name.text, sec->offset + *done, into + *done, n, err));
        omen_counter_add(&omen_pool_metrics_of(s->st->pool)->bytes_read, n);
        for (loading l = {s, sec, first}; checked < n; l.index++) {
            uint32_t len = block_raw(sec, l.index);
            if (omen_kernels_get()->crc32c(0, into + *done + checked, len) != stored_crc(&l) && OMEN_CONTROL(segment_block_crc)) return bad_block(&l, "its checksum is wrong", err);
            checked += len;
        }
        *done += n;
    }
    return OMEN_OK;
}

/* ---- verifying ---- */

/* The buffer of a check: one half for what is stored, one for the content; the hash is computed through all of it. */
static size_t check_half(const omen_segment *s) {
    size_t half = OMEN_BLOCK_BYTES;
    for (size_t i = 0; i < s->count; i++) half = OMEN_MAX(half, s->sections[i].block_len);
    return half;
}

omen_status omen_segment_raw(omen_segment *s, uint64_t offset, void *into, size_t len, omen_error *err) {
    return omen_store_read(s->st, s->file, s->name.text, offset, into, len, err);
}

omen_status omen_segment_verify(omen_segment *s, omen_segment_check *place, omen_error *err) {
    size_t half = check_half(s);
    if (place->hasher == NULL) place->hasher = omen_hasher_new(s->st->mem);
    if (place->buf == NULL) place->buf = omen_alloc(s->st->mem, 2 * half);
    if (place->hasher == NULL || place->buf == NULL) return no_memory(s, err);
    /* Blocks first: their error names the place. */
    for (; place->section < s->count; place->section++, place->block = 0) {
        const omen_section *sec = &s->sections[place->section];
        for (; place->block < sec->block_count; place->block++) {
            loading l = {s, sec, place->block};
            OMEN_TRY(read_block(&l, place->buf, place->buf + half, err));
        }
    }
    while (place->hashed < s->info.length) {
        size_t n = (size_t)OMEN_MIN(s->info.length - place->hashed, 2 * half);
        OMEN_TRY(omen_store_read(s->st, s->file, s->name.text, place->hashed, place->buf, n, err));
        omen_hasher_update(place->hasher, place->buf, n);
        place->hashed += n;
    }
    omen_hash128 hash = omen_hasher_digest(place->hasher);
    if (!omen_hash128_equal(&hash, &s->info.hash)) return corrupt(s, "its hash is not the one in the manifest", err);
    return OMEN_OK;
}

omen_status omen_segment_survey(omen_segment *s, omen_segment_check *place, const omen_segment_bad *bad, omen_error *err) {
    size_t half = check_half(s);
    if (place->buf == NULL) place->buf = omen_alloc(s->st->mem, 2 * half);
    if (place->buf == NULL) return no_memory(s, err);
    for (; place->section < s->count; place->section++, place->block = 0) {
        const omen_section *sec = &s->sections[place->section];
        for (; place->block < sec->block_count; place->block++) {
            loading l = {s, sec, place->block};
            omen_error why = {0};
            uint64_t offset;
            uint32_t len;
            omen_status status = read_block(&l, place->buf, place->buf + half, &why);
            if (status == OMEN_OK) continue;
            if (status != OMEN_ERR_CORRUPT) {
                if (status != OMEN_PENDING && err != NULL) *err = why;
                return status;
            }
            place_of(s, sec, place->block, &offset, &len);
            bad->each(bad->arg, sec, place->block, offset, len, &why);
        }
    }
    return OMEN_OK;
}

void omen_segment_check_deinit(omen_segment *s, omen_segment_check *place) {
    omen_hasher_free(place->hasher);
    omen_free(s->st->mem, place->buf, 2 * check_half(s));
    memset(place, 0, sizeof *place);
}
