#include "text/bm25_list.h"

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a text search"); }

void omen_list_init(omen_list *l, const omen_text_plan *p, uint32_t source, uint32_t field, const omen_text_leaf *leaf) {
    const omen_text_source *s = &p->sources[source];
    memset(l, 0, offsetof(omen_list, rows));
    l->postings = s->fields[field].memory != NULL ? NULL : s->fields[field].postings;
    l->memory = s->fields[field].memory;
    l->leaf = leaf;
    l->ref = &leaf->refs[source];
    l->rows_end = s->rows;
    l->weights = p->fields[field].weights;
    l->loaded = l->bytes_of = l->found_row = OMEN_LIST_NONE;
    if (l->memory == NULL) {
        l->head_count = (l->ref->df - 1) / OMEN_POSTINGS_BLOCK + 1;
        return;
    }
    uint32_t n;
    for (const omen_text_memory_run *r = omen_text_memory_first(leaf->memory_refs[source], s->rows, &n); r != NULL && n != 0; r = omen_text_memory_next(r, s->rows, &n)) l->head_count++;
}

void omen_list_unpin(omen_list *l) {
    if (l->pin != NULL) omen_block_release(l->postings->store->pool, l->pin);
    l->pin = NULL;
}

void omen_list_deinit(omen_list *l, omen_mem *m) {
    omen_list_unpin(l);
    omen_free(m, l->heads, l->head_count * sizeof *l->heads);
    omen_free(m, l->raw_heads, (size_t)l->head_count * OMEN_POSTINGS_HEAD);
    omen_free(m, l->bytes, l->bytes_cap);
    omen_free(m, l->found, l->found_cap * sizeof *l->found);
}

/* ---- heads ---- */

/* The f32 above a product: products are summed as f64, exactly as they are. */
static float weight_bound(omen_list *l, float w, float most, float least) {
    double a = (double)w * (double)most, b = (double)w * (double)least, bound = OMEN_MAX(a, b), low = OMEN_MIN(a, b), far = OMEN_MAX(bound, -low);
    far *= 1.0 + 0x1p-20;
    bound *= 1.0 + 0x1p-20;
    if (far > (double)l->magnitude) l->magnitude = (float)far;
    return bound > 0.0 ? (float)bound : 0.0f; /* a row that does not have the term is at 0 */
}

static float bound_of(omen_list *l, const omen_impact *i, float w, const float inverse[256]) {
    float bound = 0.0f;
    if (l->weights) {
        float most, least;
        memcpy(&most, i->bytes, 4);
        memcpy(&least, i->bytes + 4, 4);
        return weight_bound(l, w, most, least);
    }
    for (unsigned p = 0; p < 8 && i->bytes[p] != 0; p += 2) {
        float v = i->bytes[p] == 255 ? w : omen_bm25_part(w, inverse[i->bytes[p + 1]], i->bytes[p]);
        bound = OMEN_MAX(bound, v);
    }
    return bound;
}

static void open_memory(omen_list *l, float w) {
    uint32_t i = 0, n;
    const omen_text_memory_run *r = NULL;
    uint32_t source = (uint32_t)(l->ref - l->leaf->refs);
    for (r = omen_text_memory_first(l->leaf->memory_refs[source], l->rows_end, &n); i < l->head_count; r = omen_text_memory_next(r, l->rows_end, &n), i++) {
        float bound = w;
        if (l->weights) {
            bound = 0.0f;
            for (uint32_t k = 0; k < n; k++) {
                float v;
                memcpy(&v, &r->entries[k].count, 4);
                v = weight_bound(l, w, v, v);
                bound = OMEN_MAX(bound, v);
            }
        }
        l->heads[i] = (omen_list_head){.last = r->entries[n - 1].row, .bound = bound, .count = n, .run = r};
    }
}

omen_status omen_list_open(omen_list *l, omen_mem *m, float w, const float inverse[256], omen_error *err) {
    if (l->heads == NULL) l->heads = omen_alloc_zero(m, l->head_count * sizeof *l->heads);
    if (l->heads == NULL) return out_of_memory(err);
    if (l->memory != NULL) {
        open_memory(l, w);
        return OMEN_OK;
    }
    const omen_term_ref *r = l->ref;
    if (l->head_count == 1) {
        l->heads[0] = (omen_list_head){.last = l->rows_end - 1, .bound = bound_of(l, &r->impact, w, inverse), .count = r->df};
        return OMEN_OK;
    }
    size_t len = (size_t)l->head_count * OMEN_POSTINGS_HEAD;
    if (l->raw_heads == NULL) l->raw_heads = omen_alloc(m, len);
    if (l->raw_heads == NULL) return out_of_memory(err);
    OMEN_TRY(omen_segment_read(l->postings->segment, l->postings->heads, (uint64_t)r->heads * OMEN_POSTINGS_HEAD, len, l->raw_heads, &l->done, err));
    for (uint32_t i = 0; i < l->head_count; i++) {
        const uint8_t *b = l->raw_heads + (size_t)i * OMEN_POSTINGS_HEAD;
        omen_list_head *h = &l->heads[i], *before = i == 0 ? NULL : h - 1;
        omen_impact impact;
        memcpy(impact.bytes, b + 12, 8);
        *h = (omen_list_head){.last = omen_get32(b), .list = omen_get32(b + 4), .positions = omen_get32(b + 8), .bound = bound_of(l, &impact, w, inverse)};
        h->count = i + 1 == l->head_count ? (r->df - 1) % OMEN_POSTINGS_BLOCK + 1 : OMEN_POSTINGS_BLOCK;
        if (h->last >= l->rows_end || (before == NULL ? h->list != 0 || h->positions != 0 : h->last <= before->last || h->list <= before->list || h->positions < before->positions) ||
            h->list >= r->lists_len || h->positions > r->positions_len)
            return omen_postings_damaged(l->postings, "the blocks of a term are damaged", err);
    }
    return OMEN_OK;
}

/* ---- blocks ---- */

static omen_status damaged_block(const omen_list *l, omen_error *err) { return omen_postings_damaged(l->postings, "a block of rows of a term is damaged", err); }

static omen_status load_memory(omen_list *l) {
    const omen_list_head *h = &l->heads[l->h];
    for (uint32_t i = 0; i < h->count; i++) {
        l->rows[i] = h->run->entries[i].row;
        l->counts[i] = h->run->entries[i].count;
    }
    return OMEN_OK;
}

/* Where the block's bytes are: in the pool's block, which stays pinned, or, across two of them, copied. */
static omen_status fetch(omen_list *l, uint64_t at, size_t len, const uint8_t **out, omen_error *err) {
    const omen_section *sec = l->postings->lists;
    uint32_t index = (uint32_t)(at / sec->block_len), within = (uint32_t)(at % sec->block_len);
    if (within + len > sec->block_len) {
        *out = l->scratch;
        return omen_segment_read(l->postings->segment, sec, at, len, l->scratch, &l->done, err);
    }
    if (l->pin == NULL || l->pinned != index) {
        omen_list_unpin(l);
        OMEN_TRY(omen_segment_block(l->postings->segment, sec, index, &l->pin, err));
        l->pinned = index;
    }
    *out = l->pin->data + within; /* behind a block are 64 readable bytes */
    return OMEN_OK;
}

omen_status omen_list_load(omen_list *l, omen_text_work *work, omen_error *err) {
    omen_list_head *h = &l->heads[l->h];
    if (l->memory != NULL) {
        OMEN_TRY(load_memory(l));
    } else {
        uint64_t end = l->h + 1 < l->head_count ? l->heads[l->h + 1].list : l->ref->lists_len;
        const uint8_t *bytes;
        if (end - h->list > OMEN_POSTINGS_BLOCK_BYTES) return damaged_block(l, err);
        if (l->loaded != OMEN_LIST_NONE - 1) l->done = 0;
        l->loaded = OMEN_LIST_NONE - 1; /* on its way */
        OMEN_TRY(fetch(l, l->ref->lists + h->list, (size_t)(end - h->list), &bytes, err));
        l->loaded = OMEN_LIST_NONE;
        uint32_t before = l->h == 0 ? UINT32_MAX : l->heads[l->h - 1].last;
        if (!omen_postings_unpack(bytes, (size_t)(end - h->list), h->count, before, l->rows_end, l->weights, l->rows, l->counts, NULL)) return damaged_block(l, err);
        if (l->head_count == 1) h->last = l->rows[h->count - 1];
        else if (h->last != l->rows[h->count - 1]) return damaged_block(l, err);
        work->bytes += end - h->list;
    }
    l->count = h->count;
    l->loaded = l->h;
    l->at = 0;
    work->blocks++;
    return OMEN_OK;
}

/* ---- positions ---- */

static omen_status damaged_positions(const omen_list *l, omen_error *err) { return omen_postings_damaged(l->postings, "the positions of a term are damaged", err); }

static omen_status load_positions(omen_list *l, omen_mem *m, omen_text_work *work, omen_error *err) {
    const omen_list_head *h = &l->heads[l->h];
    uint64_t end = l->h + 1 < l->head_count ? l->heads[l->h + 1].positions : l->ref->positions_len, len = end - h->positions;
    if (l->bytes_of != l->h) {
        l->bytes_of = l->h;
        l->bytes_whole = false;
        l->bytes_done = 0;
        l->next_index = 0;
        if (len > SIZE_MAX) return out_of_memory(err);
        if (l->bytes_cap < len) {
            omen_free(m, l->bytes, l->bytes_cap);
            l->bytes_cap = 0;
            l->bytes = omen_alloc(m, (size_t)len);
            if (l->bytes == NULL) {
                l->bytes_of = OMEN_LIST_NONE;
                return out_of_memory(err);
            }
            l->bytes_cap = (size_t)len;
        }
        l->bytes_len = (size_t)len;
    }
    if (l->bytes_whole) return OMEN_OK;
    if (len != 0) OMEN_TRY(omen_segment_read(l->postings->segment, l->postings->positions, l->ref->positions + h->positions, (size_t)len, l->bytes, &l->bytes_done, err));
    l->bytes_whole = true;
    l->next = l->bytes;
    work->bytes += len;
    return OMEN_OK;
}

omen_status omen_list_positions(omen_list *l, omen_mem *m, omen_text_work *work, omen_error *err) {
    uint32_t count = l->counts[l->at];
    const uint8_t *end = NULL;
    if (l->found_row == l->rows[l->at]) return OMEN_OK;
    if (l->memory == NULL) {
        OMEN_TRY(load_positions(l, m, work, err));
        if (l->next_index > l->at) {
            l->next_index = 0;
            l->next = l->bytes;
        }
        end = l->bytes + l->bytes_len;
        for (; l->next_index < l->at; l->next_index++) {
            for (uint32_t k = l->counts[l->next_index]; k != 0; k--) {
                while (l->next != end && *l->next >= 128) l->next++;
                if (l->next == end) return damaged_positions(l, err);
                l->next++;
            }
        }
        if (count > (size_t)(end - l->next)) return damaged_positions(l, err);
    } else {
        l->next = l->heads[l->h].run->entries[l->at].positions;
        end = l->next + (size_t)count * 5;
    }
    if (l->found_cap < count) {
        uint32_t cap = OMEN_MAX(count, 16u);
        omen_free(m, l->found, l->found_cap * sizeof *l->found);
        l->found = omen_alloc(m, cap * sizeof *l->found);
        l->found_cap = l->found == NULL ? 0 : cap;
        if (l->found == NULL) return out_of_memory(err);
    }
    uint64_t position = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t step;
        l->next = omen_postings_varint(l->next, end, &step);
        if (l->next == NULL || step > UINT32_MAX) {
            l->bytes_of = OMEN_LIST_NONE;
            return damaged_positions(l, err);
        }
        position += step;
        if (position > UINT32_MAX) return damaged_positions(l, err);
        l->found[i] = (uint32_t)position;
    }
    l->next_index = l->at + 1;
    l->found_count = count;
    l->found_row = l->rows[l->at];
    return OMEN_OK;
}
