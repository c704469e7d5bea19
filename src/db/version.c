#include "db/version.h"

static void ref(_Atomic uint32_t *refs) { atomic_fetch_add_explicit(refs, 1, memory_order_relaxed); }
static bool last(_Atomic uint32_t *refs) { return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1; }

omen_coll *omen_coll_new(omen_mem *m, uint32_t id, omen_str name, const omen_schema *schema, omen_error *err) {
    omen_coll *c = omen_alloc_zero(m, sizeof *c);
    if (c == NULL) {
        omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
        return NULL;
    }
    c->mem = m;
    c->id = id;
    atomic_init(&c->refs, 1);
    if (omen_schema_copy_init(&c->schema, m, schema, err) != OMEN_OK) {
        omen_free(m, c, sizeof *c);
        return NULL;
    }
    char *copy = omen_arena_copy(&c->schema.names, name.data, name.len);
    if (copy == NULL) {
        omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
        omen_coll_unref(c);
        return NULL;
    }
    c->name = (omen_str){copy, name.len};
    return c;
}

omen_coll *omen_coll_ref(omen_coll *c) {
    ref(&c->refs);
    return c;
}

void omen_coll_unref(omen_coll *c) {
    if (c == NULL || !last(&c->refs)) return;
    omen_schema_copy_deinit(&c->schema);
    omen_free(c->mem, c, sizeof *c);
}

void omen_index_drop(omen_index *x, const omen_gone *gone) {
    if (x == NULL) return;
    uint64_t number = omen_index_info(x)->number;
    if (omen_index_unref(x) && gone != NULL) gone->each(gone->arg, number);
}

static size_t index_set_bytes(uint32_t count) { return sizeof(omen_index_set) + count * sizeof(omen_index *); }

omen_index_set *omen_index_set_with(omen_mem *m, const omen_index_set *old, uint32_t fields, uint32_t field, omen_index *index) {
    omen_index_set *s = omen_alloc_zero(m, index_set_bytes(fields));
    if (s == NULL) {
        omen_index_drop(index, NULL);
        return NULL;
    }
    atomic_init(&s->refs, 1);
    s->mem = m;
    s->count = fields;
    for (uint32_t f = 0; old != NULL && f < fields; f++)
        if (f != field) s->of[f] = omen_index_ref(old->of[f]);
    s->of[field] = index;
    return s;
}

void omen_index_set_unref(omen_index_set *s, const omen_gone *gone) {
    if (s == NULL || !last(&s->refs)) return;
    for (uint32_t f = 0; f < s->count; f++) omen_index_drop(s->of[f], gone);
    omen_free(s->mem, s, index_set_bytes(s->count));
}

void omen_index_set_unlink(omen_index_set *s) {
    for (uint32_t f = 0; s != NULL && f < s->count; f++)
        if (s->of[f] != NULL) omen_index_unlink(s->of[f]);
}

void omen_indexed_part_keep(omen_part *p, uint32_t field, const omen_index *x) {
    omen_part_keep(p, field, omen_index_options_of(x)->kind == OMEN_INDEX_HNSW);
}

omen_part_state omen_part_state_ref(const omen_part_state *s) {
    return (omen_part_state){omen_part_ref(s->part), omen_bits_ref(s->dead), omen_index_set_ref(s->indexes)};
}

static size_t coll_version_bytes(uint32_t parts) { return sizeof(omen_coll_version) + parts * sizeof(omen_part_state); }

omen_coll_version *omen_coll_version_new(omen_mem *m, omen_coll *coll, uint32_t part_count) {
    omen_coll_version *v = omen_alloc_zero(m, coll_version_bytes(part_count));
    if (v == NULL) return NULL;
    atomic_init(&v->refs, 1);
    v->mem = m;
    v->coll = omen_coll_ref(coll);
    v->part_count = part_count;
    return v;
}

omen_coll_version *omen_coll_version_copy(const omen_coll_version *v) {
    omen_coll_version *n = omen_coll_version_new(v->mem, v->coll, v->part_count);
    if (n == NULL) return NULL;
    n->table_count = v->table_count;
    for (uint32_t i = 0; i < v->table_count; i++) {
        n->tables[i] = v->tables[i];
        omen_memtable_ref(n->tables[i].table);
    }
    for (uint32_t i = 0; i < v->part_count; i++) {
        n->parts[i] = omen_part_state_ref(&v->parts[i]);
    }
    return n;
}

void omen_coll_version_unref(omen_coll_version *v, const omen_gone *gone) {
    if (v == NULL || !last(&v->refs)) return;
    for (uint32_t i = 0; i < v->table_count; i++) omen_memtable_unref(v->tables[i].table);
    for (uint32_t i = 0; i < v->part_count; i++) {
        if (v->parts[i].part == NULL) continue; /* half filled: a copy that ran out of memory */
        uint64_t number = omen_segment_info_of(v->parts[i].part->segment)->number;
        omen_bits_unref(v->parts[i].dead);
        omen_index_set_unref(v->parts[i].indexes, gone);
        if (omen_part_unref(v->parts[i].part) && gone != NULL) gone->each(gone->arg, number);
    }
    omen_coll_unref(v->coll);
    omen_free(v->mem, v, coll_version_bytes(v->part_count));
}

omen_limbo *omen_limbo_new(omen_mem *m) {
    omen_limbo *l = omen_alloc_zero(m, sizeof *l);
    if (l == NULL) return NULL;
    atomic_init(&l->refs, 1);
    l->mem = m;
    return l;
}

omen_limbo *omen_limbo_ref(omen_limbo *l) {
    ref(&l->refs);
    return l;
}

void omen_limbo_unref(omen_limbo *l) {
    while (l != NULL && last(&l->refs)) {
        omen_limbo *next = l->next;
        omen_segment_free_yielded(l->mem, l->blocks);
        omen_free(l->mem, l, sizeof *l);
        l = next;
    }
}

static size_t version_bytes(uint32_t count) { return sizeof(omen_db_version) + count * sizeof(omen_coll_version *); }

omen_db_version *omen_version_new(omen_mem *m, uint32_t count) {
    omen_db_version *v = omen_alloc_zero(m, version_bytes(count));
    if (v == NULL) return NULL;
    atomic_init(&v->refs, 1);
    v->mem = m;
    v->count = count;
    return v;
}

omen_db_version *omen_version_ref(omen_db_version *v) {
    ref(&v->refs);
    return v;
}

void omen_version_unref(omen_db_version *v, const omen_gone *gone) {
    if (v == NULL || !last(&v->refs)) return;
    for (uint32_t i = 0; i < v->count; i++) omen_coll_version_unref(v->colls[i], gone);
    omen_limbo_unref(v->limbo);
    omen_free(v->mem, v, version_bytes(v->count));
}

omen_coll_version *omen_version_find(const omen_db_version *v, uint32_t id) {
    for (uint32_t i = 0; i < v->count; i++)
        if (v->colls[i]->coll->id == id) return v->colls[i];
    return NULL;
}

omen_coll_version *omen_version_find_name(const omen_db_version *v, omen_str name) {
    for (uint32_t i = 0; i < v->count; i++)
        if (omen_str_equal(v->colls[i]->coll->name, name)) return v->colls[i];
    return NULL;
}

omen_db_version *omen_version_with(const omen_db_version *v, uint32_t id, omen_coll_version *with) {
    bool there = omen_version_find(v, id) != NULL;
    uint32_t count = v->count + (with != NULL && !there) - (with == NULL && there);
    omen_db_version *n = omen_version_new(v->mem, count);
    if (n == NULL) {
        omen_coll_version_unref(with, NULL);
        return NULL;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        if (v->colls[i]->coll->id == id) {
            if (with != NULL) n->colls[at++] = with;
        } else {
            ref(&v->colls[i]->refs);
            n->colls[at++] = v->colls[i];
        }
    }
    if (with != NULL && !there) n->colls[at++] = with; /* ids only grow, so the order holds */
    return n;
}
