/* facets.c - counting values, rows of documents, and the answer. */
#include "base/sort.h"
#include "column/columns_dict.h"
#include "column/facets_inside.h"

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory counting facets"); }

omen_status omen_facets_new(omen_mem *m, const omen_facets_request *r, omen_facets **out, omen_error *err) {
    omen_facets *f = omen_alloc_zero(m, sizeof *f);
    *out = NULL;
    if (f == NULL) return out_of_memory(err);
    f->mem = m;
    f->request = r;
    f->units = omen_alloc_zero(m, r->unit_count * sizeof *f->units);
    bool ok = f->units != NULL || r->unit_count == 0;
    for (uint32_t i = 0; i < r->unit_count && ok; i++) {
        unit_counts *c = &f->units[i];
        omen_arena_init(&c->table.bytes, m, 4096);
        if (r->units[i].kind == FACET_HISTOGRAM) {
            c->known = omen_alloc_zero(m, FACET_KNOWN * sizeof *c->known);
            ok = c->known != NULL;
        }
        if (r->units[i].range_count == 0) continue;
        c->counts = omen_alloc_zero(m, 2 * r->units[i].range_count * sizeof *c->counts);
        ok = c->counts != NULL;
        if (ok) c->stamps = c->counts + r->units[i].range_count;
    }
    if (ok) {
        *out = f;
        return OMEN_OK;
    }
    omen_facets_free(f);
    return out_of_memory(err);
}

void omen_facets_free(omen_facets *f) {
    if (f == NULL) return;
    for (uint32_t i = 0; i < f->request->unit_count && f->units != NULL; i++) {
        unit_counts *c = &f->units[i];
        omen_arena_deinit(&c->table.bytes);
        omen_free(f->mem, c->table.entries, c->table.cap * sizeof *c->table.entries);
        omen_free(f->mem, c->table.slots, c->table.slot_count * sizeof *c->table.slots);
        omen_free(f->mem, c->known, c->known == NULL ? 0 : FACET_KNOWN * sizeof *c->known);
        if (c->counts != NULL) omen_free(f->mem, c->counts, 2 * f->request->units[i].range_count * sizeof *c->counts);
    }
    if (f->units != NULL) omen_free(f->mem, f->units, f->request->unit_count * sizeof *f->units);
    omen_free(f->mem, f, sizeof *f);
}

/* ---- the table ---- */

static omen_status grow(omen_facets *f, facet_table *t) {
    uint32_t slots = t->slot_count == 0 ? 64 : t->slot_count * 2, cap = slots / 2;
    facet_entry *entries = omen_resize(f->mem, t->entries, t->cap * sizeof *entries, cap * sizeof *entries);
    if (entries == NULL) return OMEN_ERR_MEMORY;
    t->entries = entries;
    t->cap = cap;
    uint32_t *fresh = omen_alloc_zero(f->mem, slots * sizeof *fresh);
    if (fresh == NULL) return OMEN_ERR_MEMORY;
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t at = (uint32_t)entries[i].hash & (slots - 1);
        while (fresh[at] != 0) at = (at + 1) & (slots - 1);
        fresh[at] = i + 1;
    }
    omen_free(f->mem, t->slots, t->slot_count * sizeof *t->slots);
    t->slots = fresh;
    t->slot_count = slots;
    return OMEN_OK;
}

static omen_status too_many(const omen_facets *f, const facet_unit *u, omen_error *err) {
    const facet *a = &f->request->facets[u->facet];
    const char *what = u->kind == FACET_VALUES ? "different values; narrow the filter, ask for ranges, or raise maxValues (1048576 at most)" : "buckets; take a larger interval, or raise maxValues (1048576 at most)";
    return omen_fail(err, OMEN_ERR_LIMIT, "facets: %.*s: more than %u %s", (int)OMEN_MIN(a->name.len, 60), a->name.len == 0 ? "" : a->name.data, u->max_values, what);
}

/* *entry: its place in the table + 1. */
static omen_status count(omen_facets *f, uint32_t unit, uint32_t class, const void *bytes, size_t len, uint64_t stamp, uint64_t weight, uint32_t *entry, omen_error *err) {
    const facet_unit *u = &f->request->units[unit];
    facet_table *t = &f->units[unit].table;
    uint64_t hash = omen_hash64(bytes, len, class);
    if (t->count * 2 >= t->slot_count && grow(f, t) != OMEN_OK) return out_of_memory(err);
    uint32_t at = (uint32_t)hash & (t->slot_count - 1);
    facet_entry *e;
    for (; t->slots[at] != 0; at = (at + 1) & (t->slot_count - 1)) {
        e = &t->entries[t->slots[at] - 1];
        if (e->hash != hash || e->class != class || e->len != len || (len != 0 && memcmp(e->bytes, bytes, len) != 0)) continue;
        if (e->stamp != stamp) e->count += weight;
        e->stamp = stamp;
        *entry = t->slots[at];
        return OMEN_OK;
    }
    if (t->count == u->max_values) return too_many(f, u, err);
    e = &t->entries[t->count];
    *e = (facet_entry){hash, weight, stamp, omen_arena_copy(&t->bytes, bytes, len), (uint32_t)len, class};
    if (e->bytes == NULL) return out_of_memory(err);
    *entry = t->slots[at] = ++t->count;
    return OMEN_OK;
}

static omen_status count_value(omen_facets *f, uint32_t unit, const omen_value *v, uint64_t stamp, uint64_t weight, uint32_t *entry, omen_error *err) {
    uint8_t head[OMEN_FORM_SHORT];
    size_t n = omen_value_form_head(v, head);
    if (v->kind == OMEN_VALUE_STRING) return count(f, unit, OMEN_FORM_STRING, v->text.len == 0 ? "" : v->text.data, v->text.len, stamp, weight, entry, err);
    return count(f, unit, head[0], head + 1, n - 1, stamp, weight, entry, err);
}

/* ---- one value ---- */

static void in_range(unit_counts *c, uint32_t range, uint64_t stamp, uint64_t weight) {
    if (c->stamps[range] != stamp) c->counts[range] += weight;
    c->stamps[range] = stamp;
}

static omen_status in_bucket(omen_facets *f, uint32_t unit, bool inside, int64_t bucket, uint64_t stamp, uint64_t weight, omen_error *err) {
    unit_counts *c = &f->units[unit];
    if (inside) {
        facet_known *k = &c->known[(uint64_t)bucket % FACET_KNOWN];
        if (k->entry != 0 && k->bucket == bucket) {
            facet_entry *e = &c->table.entries[k->entry - 1];
            if (e->stamp != stamp) e->count += weight;
            e->stamp = stamp;
            return OMEN_OK;
        }
        k->bucket = bucket;
        k->entry = 0;
        return count_value(f, unit, &(omen_value){.kind = OMEN_VALUE_INT, .i = bucket}, stamp, weight, &k->entry, err);
    }
    if (c->outside_stamp != stamp) c->outside += weight;
    c->outside_stamp = stamp;
    return OMEN_OK;
}

omen_status omen_facet_instant(omen_facets *f, uint32_t unit, int64_t t, uint64_t stamp, uint64_t weight, omen_error *err) {
    const facet_unit *u = &f->request->units[unit];
    int64_t bucket = 0;
    if (u->kind == FACET_HISTOGRAM) {
        bool inside = omen_step_time(&u->step, t, &bucket);
        return in_bucket(f, unit, inside, bucket, stamp, weight, err);
    }
    for (uint32_t i = 0; i < u->range_count; i++) {
        const facet_range *r = &u->ranges[i];
        if (r->time && r->integers && t >= r->least && t <= r->most) in_range(&f->units[unit], i, stamp, weight);
    }
    return OMEN_OK;
}

static int order(const omen_value *a, const omen_value *b) {
    if (a->kind == OMEN_VALUE_INT && b->kind == OMEN_VALUE_INT) return a->i < b->i ? -1 : a->i > b->i;
    if (a->kind == OMEN_VALUE_INT) return omen_order_i64_f64(a->i, b->d);
    if (b->kind == OMEN_VALUE_INT) return -omen_order_i64_f64(b->i, a->d);
    return a->d < b->d ? -1 : a->d > b->d;
}

static void least_most(unit_counts *c, const omen_value *v) {
    if (c->numbers == 0 || order(v, &c->least) < 0) c->least = *v;
    if (c->numbers == 0 || order(v, &c->most) > 0) c->most = *v;
}

static omen_status add_number(omen_facets *f, uint32_t unit, const omen_value *v, uint64_t stamp, uint64_t weight, omen_error *err) {
    const facet_unit *u = &f->request->units[unit];
    unit_counts *c = &f->units[unit];
    int64_t bucket = 0;
    uint32_t entry;
    switch (u->kind) {
    case FACET_VALUES: return count_value(f, unit, v, stamp, weight, &entry, err);
    case FACET_HISTOGRAM: {
        bool inside = omen_step_number(&u->step, v, &bucket);
        return in_bucket(f, unit, inside, bucket, stamp, weight, err);
    }
    case FACET_RANGES:
        for (uint32_t i = 0; i < u->range_count; i++) {
            const facet_range *r = &u->ranges[i];
            if (r->time) continue;
            if (v->kind == OMEN_VALUE_INT ? r->integers && v->i >= r->least && v->i <= r->most : r->floats && v->d >= r->least_f64 && v->d <= r->most_f64) in_range(c, i, stamp, weight);
        }
        return OMEN_OK;
    case FACET_STATS: break;
    }
    least_most(c, v);
    c->numbers += weight;
    OMEN_ASSERT(weight == 1);
    if (v->kind == OMEN_VALUE_INT) omen_sum_i64(&c->sum, v->i);
    else omen_sum_f64(&c->sum, v->d);
    return OMEN_OK;
}

omen_status omen_facet_value(omen_facets *f, uint32_t unit, const omen_value *v, uint64_t stamp, uint64_t weight, omen_error *err) {
    const facet_unit *u = &f->request->units[unit];
    int64_t t;
    uint32_t entry;
    switch (v->kind) {
    case OMEN_VALUE_BOOL: return u->kind == FACET_VALUES ? count_value(f, unit, v, stamp, weight, &entry, err) : OMEN_OK;
    case OMEN_VALUE_STRING:
        if (u->kind == FACET_VALUES) return count_value(f, unit, v, stamp, weight, &entry, err);
        return u->times && omen_time_parse(v->text, &t) ? omen_facet_instant(f, unit, t, stamp, weight, err) : OMEN_OK;
    case OMEN_VALUE_INT:
    case OMEN_VALUE_FLOAT: return u->numbers || u->kind == FACET_VALUES || u->kind == FACET_STATS ? add_number(f, unit, v, stamp, weight, err) : OMEN_OK;
    default: return OMEN_OK;
    }
}

/* ---- documents ---- */

omen_status omen_facet_document(omen_facets *f, uint32_t facet_index, const omen_json_val *root, uint64_t stamp, omen_error *err) {
    const facet *a = &f->request->facets[facet_index];
    const omen_json_val *v = omen_value_path_reach(&a->path, root), *e;
    omen_value value = omen_value_of(v);
    bool null = value.kind == OMEN_VALUE_MISSING || value.kind == OMEN_VALUE_NULL;
    if (value.kind == OMEN_VALUE_ARRAY) {
        omen_json_iter it = omen_json_iter_of(v);
        while ((e = omen_json_next(&it)) != NULL) {
            value = omen_value_of(e);
            null = null || value.kind == OMEN_VALUE_NULL;
            for (uint32_t i = 0; i < a->count; i++) OMEN_TRY(omen_facet_value(f, a->first + i, &value, stamp, 1, err));
        }
    } else {
        for (uint32_t i = 0; i < a->count; i++) OMEN_TRY(omen_facet_value(f, a->first + i, &value, stamp, 1, err));
    }
    f->missing[facet_index] += null;
    return OMEN_OK;
}

omen_status omen_facets_doc(omen_facets *f, const omen_json_val *root, omen_error *err) {
    uint64_t stamp = ++f->stamp;
    for (uint32_t i = 0; i < f->request->facet_count; i++) OMEN_TRY(omen_facet_document(f, i, root, stamp, err));
    return OMEN_OK;
}

/* ---- merging ---- */

omen_status omen_facets_merge(omen_facets *f, const omen_facets *other, omen_error *err) {
    const omen_facets_request *r = f->request;
    OMEN_ASSERT(other->request == r && other != f);
    for (uint32_t i = 0; i < r->facet_count; i++) f->missing[i] += other->missing[i];
    for (uint32_t i = 0; i < r->unit_count; i++) {
        unit_counts *c = &f->units[i];
        const unit_counts *o = &other->units[i];
        for (uint32_t k = 0; k < o->table.count; k++) {
            const facet_entry *e = &o->table.entries[k];
            uint32_t entry;
            OMEN_TRY(count(f, i, e->class, e->bytes, e->len, ++f->stamp, e->count, &entry, err));
        }
        for (uint32_t k = 0; k < r->units[i].range_count; k++) c->counts[k] += o->counts[k];
        c->outside += o->outside;
        if (o->numbers == 0) continue;
        least_most(c, &o->least);
        c->numbers += o->numbers;
        least_most(c, &o->most);
        omen_sum_merge(&c->sum, &o->sum);
    }
    return OMEN_OK;
}

/* ---- the answer ---- */

static omen_value value_of(const facet_entry *e) {
    char form[OMEN_FORM_SHORT];
    omen_value v = {.kind = OMEN_VALUE_STRING, .text = {(const char *)e->bytes, e->len}};
    if (e->class == OMEN_FORM_STRING) return v;
    form[0] = (char)e->class;
    memcpy(form + 1, e->bytes, e->len);
    OMEN_ASSERT(omen_value_of_form((omen_str){form, e->len + 1}, &v));
    return v;
}

static int by_value(const facet_entry *a, const facet_entry *b) {
    if (a->class != b->class) return a->class < b->class ? -1 : 1;
    return omen_str_order((omen_str){(const char *)a->bytes, a->len}, (omen_str){(const char *)b->bytes, b->len});
}

static bool more_first(void *arg, const void *a, const void *b) {
    const facet_entry *entries = arg, *x = &entries[*(const uint32_t *)a], *y = &entries[*(const uint32_t *)b];
    return x->count != y->count ? x->count > y->count : by_value(x, y) < 0;
}

static bool less_first(void *arg, const void *a, const void *b) {
    const facet_entry *entries = arg;
    return by_value(&entries[*(const uint32_t *)a], &entries[*(const uint32_t *)b]) < 0;
}

/* The `shown` first into rank[0, shown), in no order: a heap with the last of them at its root. */
static void first_of(const facet_table *t, uint32_t *rank, uint32_t shown) {
    uint32_t filled = 0;
    for (uint32_t i = 0; i < t->count && shown != 0; i++) {
        uint32_t at;
        if (filled < shown) {
            for (at = filled++; at != 0 && more_first(t->entries, &rank[(at - 1) / 2], &i); at = (at - 1) / 2) rank[at] = rank[(at - 1) / 2];
        } else {
            if (!more_first(t->entries, &i, &rank[0])) continue;
            for (at = 0; 2 * at + 1 < shown;) {
                uint32_t child = 2 * at + 1;
                if (child + 1 < shown && more_first(t->entries, &rank[child], &rank[child + 1])) child++;
                if (!more_first(t->entries, &i, &rank[child])) break;
                rank[at] = rank[child];
                at = child;
            }
        }
        rank[at] = i;
    }
}

static void edge(omen_jw *w, const char *key, const omen_value *v, bool time) {
    if (v->kind == OMEN_VALUE_MISSING) return;
    omen_jw_key(w, key);
    if (!time) omen_value_print(v, w);
    else if (v->kind == OMEN_VALUE_INT) omen_instant_print(v->i, w);
    else omen_jw_null(w);
}

static void one_count(omen_jw *w, uint64_t n) {
    omen_jw_key(w, "count");
    omen_jw_u64(w, n);
    omen_jw_object_end(w);
}

static omen_status write_table(const omen_facets *f, uint32_t unit, omen_jw *w, omen_error *err) {
    const facet_unit *u = &f->request->units[unit];
    const facet_table *t = &f->units[unit].table;
    bool values = u->kind == FACET_VALUES;
    uint32_t shown = values ? OMEN_MIN(u->limit, t->count) : t->count;
    uint32_t *rank = omen_alloc(f->mem, shown * sizeof *rank);
    if (rank == NULL && shown != 0) return out_of_memory(err);
    if (values) first_of(t, rank, shown);
    else
        for (uint32_t i = 0; i < shown; i++) rank[i] = i;
    if (shown > 1) omen_sort(rank, shown, sizeof *rank, values ? more_first : less_first, t->entries);
    omen_jw_key(w, values ? "values" : "histogram");
    omen_jw_array(w);
    for (uint32_t i = 0; i < shown; i++) {
        const facet_entry *e = &t->entries[rank[i]];
        omen_value v = value_of(e);
        omen_jw_object(w);
        if (values) {
            omen_jw_key(w, "value");
            omen_value_print(&v, w);
        } else {
            omen_value from = omen_step_edge(&u->step, v.i), to = omen_step_edge(&u->step, v.i + 1);
            edge(w, "from", &from, u->times);
            edge(w, "to", &to, u->times);
        }
        one_count(w, e->count);
    }
    omen_jw_array_end(w);
    if (!values && f->units[unit].outside != 0) {
        omen_jw_key(w, "outside");
        omen_jw_u64(w, f->units[unit].outside);
    }
    omen_free(f->mem, rank, shown * sizeof *rank);
    return OMEN_OK;
}

static void write_ranges(const omen_facets *f, uint32_t unit, omen_jw *w) {
    const facet_unit *u = &f->request->units[unit];
    omen_jw_key(w, "ranges");
    omen_jw_array(w);
    for (uint32_t i = 0; i < u->range_count; i++) {
        omen_jw_object(w);
        edge(w, "from", &u->ranges[i].from, u->ranges[i].time);
        edge(w, "to", &u->ranges[i].to, u->ranges[i].time);
        one_count(w, f->units[unit].counts[i]);
    }
    omen_jw_array_end(w);
}

/* A number as it is written: equal ones the same way. */
static void number(omen_jw *w, const omen_value *v) {
    uint8_t form[OMEN_FORM_SHORT];
    omen_value same = *v;
    if (v->kind == OMEN_VALUE_FLOAT) omen_value_of_form((omen_str){(const char *)form, omen_value_form_head(v, form)}, &same);
    omen_value_print(&same, w);
}

static void write_stats(const omen_facets *f, uint32_t unit, omen_jw *w) {
    const unit_counts *c = &f->units[unit];
    omen_value none = {.kind = OMEN_VALUE_NULL};
    int64_t integer;
    double sum = omen_sum_value(&c->sum);
    omen_jw_key(w, "stats");
    omen_jw_object(w);
    omen_jw_key(w, "count");
    omen_jw_u64(w, c->numbers);
    omen_jw_key(w, "min");
    number(w, c->numbers == 0 ? &none : &c->least);
    omen_jw_key(w, "max");
    number(w, c->numbers == 0 ? &none : &c->most);
    omen_jw_key(w, "sum");
    if (omen_sum_integer(&c->sum, &integer)) omen_jw_i64(w, integer);
    else omen_jw_f64(w, sum);
    omen_jw_key(w, "mean");
    if (c->numbers == 0) omen_jw_null(w);
    else omen_jw_f64(w, sum / (double)c->numbers);
    omen_jw_object_end(w);
}

omen_status omen_facets_write(const omen_facets *f, omen_jw *w, omen_error *err) {
    const omen_facets_request *r = f->request;
    omen_jw_object(w);
    for (uint32_t i = 0; i < r->facet_count; i++) {
        const facet *a = &r->facets[i];
        uint32_t distinct = UINT32_MAX;
        omen_jw_key_str(w, a->name);
        omen_jw_object(w);
        for (uint32_t k = a->first; k < a->first + a->count; k++) {
            switch (r->units[k].kind) {
            case FACET_VALUES: distinct = f->units[k].table.count; OMEN_TRY(write_table(f, k, w, err)); break;
            case FACET_HISTOGRAM: OMEN_TRY(write_table(f, k, w, err)); break;
            case FACET_RANGES: write_ranges(f, k, w); break;
            case FACET_STATS: write_stats(f, k, w); break;
            }
        }
        omen_jw_key(w, "missing");
        omen_jw_u64(w, f->missing[i]);
        if (distinct != UINT32_MAX) {
            omen_jw_key(w, "distinct");
            omen_jw_u64(w, distinct);
        }
        omen_jw_object_end(w);
    }
    omen_jw_object_end(w);
    return w->status == OMEN_OK ? OMEN_OK : out_of_memory(err);
}
