/* values_order.c - rows are gathered as long as they are not behind the k-th; now and then they are sorted, and what is behind it falls away. */
#include "base/sort.h"
#include "column/values_order.h"

#define ROOM 1024u

typedef struct ordered {
    uint64_t at; /* of the form */
    uint32_t len, source, row, zero;
} ordered;

struct omen_order {
    omen_mem *mem;
    uint32_t k;
    bool descending, limited; /* there is a k-th: the last row that was kept when rows fell away */
    omen_buf rows, forms;     /* ordered; bytes */
    uint32_t sorted;          /* rows that were kept then */
    omen_buf last;            /* the form of the k-th */
};

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory ordering rows"); }

omen_status omen_order_new(omen_mem *m, uint32_t k, bool descending, omen_order **out, omen_error *err) {
    OMEN_ASSERT(k != 0);
    omen_order *o = *out = omen_alloc_zero(m, sizeof *o);
    if (o == NULL) return out_of_memory(err);
    o->mem = m;
    o->k = k;
    o->descending = descending;
    omen_buf_init(&o->rows, m);
    omen_buf_init(&o->forms, m);
    omen_buf_init(&o->last, m);
    return OMEN_OK;
}

void omen_order_free(omen_order *o) {
    if (o == NULL) return;
    omen_buf_deinit(&o->rows);
    omen_buf_deinit(&o->forms);
    omen_buf_deinit(&o->last);
    omen_free(o->mem, o, sizeof *o);
}

static ordered *rows_of(const omen_order *o) { return (ordered *)(void *)o->rows.data; }
static uint32_t count_of(const omen_order *o) { return (uint32_t)(o->rows.len / sizeof(ordered)); }
static omen_str form_of(const omen_order *o, const ordered *r) { return (omen_str){r->len == 0 ? "" : (const char *)o->forms.data + r->at, r->len}; }

/* Empty forms are last, in both directions. */
static int compare(const omen_order *o, omen_str a, omen_str b) {
    if (a.len == 0 || b.len == 0) return (a.len == 0) - (b.len == 0);
    return o->descending ? omen_form_order(b, a) : omen_form_order(a, b);
}

static bool before(void *arg, const void *a, const void *b) {
    const omen_order *o = arg;
    const ordered *x = a, *y = b;
    int c = compare(o, form_of(o, x), form_of(o, y));
    if (c != 0) return c < 0;
    return x->source != y->source ? x->source < y->source : x->row < y->row;
}

/* Sorts, and drops what is behind the k-th. */
static void cut(omen_order *o) {
    uint32_t n = count_of(o);
    ordered *r = rows_of(o);
    if (n > 1) omen_sort(r, n, sizeof *r, before, o);
    while (n > o->k && compare(o, form_of(o, &r[n - 1]), form_of(o, &r[o->k - 1])) > 0) n--;
    o->rows.len = n * sizeof *r;
    o->sorted = n;
}

/* After cutting: forms of rows that fell away go, too. */
static omen_status tidy(omen_order *o) {
    omen_buf fresh;
    ordered *r = rows_of(o);
    omen_buf_init(&fresh, o->mem);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < o->sorted; i++) bytes += r[i].len;
    if (o->sorted >= o->k) {
        omen_str last = form_of(o, &r[o->k - 1]);
        o->last.len = 0;
        OMEN_TRY(omen_buf_append(&o->last, last.data, last.len));
        o->limited = true;
    }
    OMEN_TRY(omen_buf_reserve(&fresh, (size_t)bytes));
    for (uint32_t i = 0; i < o->sorted; i++) {
        omen_str f = form_of(o, &r[i]);
        r[i].at = fresh.len;
        if (f.len != 0) omen_buf_append(&fresh, f.data, f.len); /* there is room */
    }
    omen_buf_deinit(&o->forms);
    o->forms = fresh;
    return OMEN_OK;
}

omen_status omen_order_offer(omen_order *o, uint32_t source, uint32_t row, const omen_value *v, omen_error *err) {
    OMEN_ASSERT(v->kind != OMEN_VALUE_UNKNOWN);
    bool scalar = v->kind == OMEN_VALUE_BOOL || v->kind == OMEN_VALUE_INT || v->kind == OMEN_VALUE_FLOAT || v->kind == OMEN_VALUE_STRING;
    ordered r = {o->forms.len, 0, source, row, 0};
    if (scalar && omen_value_form(v, &o->forms) != OMEN_OK) return out_of_memory(err);
    r.len = (uint32_t)(o->forms.len - r.at);
    if (o->limited && compare(o, form_of(o, &r), (omen_str){(const char *)o->last.data, o->last.len}) > 0) {
        o->forms.len = r.at;
        return OMEN_OK;
    }
    if (omen_buf_append(&o->rows, &r, sizeof r) != OMEN_OK) return out_of_memory(err);
    if (count_of(o) / 2 < OMEN_MAX(OMEN_MAX(o->sorted, o->k), ROOM)) return OMEN_OK;
    cut(o);
    return tidy(o) == OMEN_OK ? OMEN_OK : out_of_memory(err);
}

omen_status omen_order_part(omen_order *o, omen_values *v, uint32_t source, uint32_t rows, const omen_bits *accept, const omen_bits *dead, uint32_t *row, uint32_t most, omen_bits *ask,
                            bool *done, omen_error *err) {
    omen_status s = OMEN_OK;
    *done = false;
    for (; *row < rows && most != 0; ++*row) {
        omen_value value;
        uint64_t left = (accept == NULL ? UINT64_MAX : accept->words[*row / 64]) & ~(dead == NULL ? 0 : dead->words[*row / 64]);
        if ((left >> *row % 64) == 0) { /* none up to the end of the word */
            *row |= 63;
            continue;
        }
        if ((left >> *row % 64 & 1) == 0) continue;
        s = omen_values_get(v, *row, &value, err);
        if (s == OMEN_OK && value.kind == OMEN_VALUE_UNKNOWN) omen_bits_set(ask, *row);
        else if (s == OMEN_OK) s = omen_order_offer(o, source, *row, &value, err);
        if (s != OMEN_OK) break;
        most--;
    }
    omen_values_rest(v);
    *done = s == OMEN_OK && *row >= rows;
    return s;
}

uint32_t omen_order_finish(omen_order *o) {
    cut(o);
    return o->sorted;
}

void omen_order_get(const omen_order *o, uint32_t i, uint32_t *source, uint32_t *row, omen_str *form) {
    OMEN_ASSERT(i < o->sorted);
    const ordered *r = &rows_of(o)[i];
    *source = r->source;
    *row = r->row;
    *form = form_of(o, r);
}
