/* columns_eval.c - a filter over the rows of a part, a block at a time.
 *
 * Of every node two sets are known: rows that surely match, and rows that perhaps do, which contain the former. AND and OR are those of both sets; NOT is
 * the complement of the other set. What is in the second and not in the first at the root is for documents to decide. A block that
 * pends is begun again, but leaves that were already answered for it are kept, so that every repetition gets further. */
#include "column/columns_eval.h"

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory evaluating a filter"); }

/* ---- leaves to conditions ---- */

#define BOTH (OMEN_LOOK_VALUE | OMEN_LOOK_ELEMENTS)

static omen_limit limit_of(const omen_filter *f, const omen_filter_value *v, bool open) {
    switch ((omen_filter_type)v->type) {
    case OMEN_FILTER_DOUBLE: return (omen_limit){.type = OMEN_LIMIT_FLOAT, .open = open, .number = v->as.d};
    case OMEN_FILTER_STRING: return (omen_limit){.type = OMEN_LIMIT_TEXT, .open = open, .text = {omen_filter_at(f, v->as.offset), v->len}};
    default: return (omen_limit){.type = OMEN_LIMIT_INT, .open = open, .integer = v->as.i};
    }
}

/* One value by EQ or an ordering. */
static void add_value(omen_condition *k, omen_range *ranges, const omen_filter *f, uint8_t op, const omen_filter_value *v, uint32_t look) {
    if (v->type == OMEN_FILTER_NULL || v->type == OMEN_FILTER_BOOL) {
        if (op != OMEN_FILTER_EQ) return;
        k->look |= look;
        if (v->type == OMEN_FILTER_NULL) k->kinds |= OMEN_KIND_NULL | OMEN_KIND_MISSING;
        else k->kinds |= v->as.i != 0 ? OMEN_KIND_TRUE : OMEN_KIND_FALSE;
        return;
    }
    omen_range *r = &ranges[k->range_count++];
    *r = (omen_range){.kind = v->type == OMEN_FILTER_STRING ? OMEN_RANGE_STRINGS : v->type == OMEN_FILTER_TIME ? OMEN_RANGE_TIMES : OMEN_RANGE_NUMBERS, .look = look};
    if (op == OMEN_FILTER_EQ || op == OMEN_FILTER_GT || op == OMEN_FILTER_GTE) r->low = limit_of(f, v, op == OMEN_FILTER_GT);
    if (op == OMEN_FILTER_EQ || op == OMEN_FILTER_LT || op == OMEN_FILTER_LTE) r->high = limit_of(f, v, op == OMEN_FILTER_LT);
}

static void add_text(omen_condition *k, omen_range *ranges, const omen_filter *f, omen_range_kind kind, const omen_filter_value *v, uint32_t look) {
    ranges[k->range_count++] = (omen_range){.kind = kind, .look = look, .low = limit_of(f, v, false)};
}

/* Ranges that a leaf needs at most. */
static uint32_t ranges_of(const omen_filter_node *n) {
    return n->op == OMEN_FILTER_CONTAINS ? 2 : n->op >= OMEN_FILTER_EQ && n->op < OMEN_FILTER_CIRCLE ? n->value_count : 0;
}

static void condition_of(const omen_filter *f, const omen_filter_node *n, omen_range *ranges, omen_condition *k) {
    const omen_filter_value *v = omen_filter_values(f, n);
    *k = (omen_condition){.path = omen_filter_str(f, omen_filter_paths(f)[n->path].name), .ranges = ranges};
    switch ((omen_filter_op)n->op) {
    case OMEN_FILTER_IN:
        for (uint32_t i = 0; i < n->value_count; i++) add_value(k, ranges, f, OMEN_FILTER_EQ, &v[i], BOTH);
        break;
    case OMEN_FILTER_EXISTS: k->kinds = OMEN_KIND_PRESENT; break;
    case OMEN_FILTER_SIZE:
        k->sized = true;
        k->least_size = k->most_size = (uint32_t)OMEN_MIN(v->as.i, (int64_t)UINT32_MAX);
        break;
    case OMEN_FILTER_PREFIX: add_text(k, ranges, f, OMEN_RANGE_PREFIX, v, BOTH); break;
    case OMEN_FILTER_CONTAINS:
        if (v->type == OMEN_FILTER_STRING) add_text(k, ranges, f, OMEN_RANGE_SUBSTRING, v, OMEN_LOOK_VALUE);
        add_value(k, ranges, f, OMEN_FILTER_EQ, v, OMEN_LOOK_ELEMENTS);
        break;
    case OMEN_FILTER_CIRCLE:
    case OMEN_FILTER_BOX: k->doubtful = true; break;
    default: add_value(k, ranges, f, n->op, v, BOTH);
    }
}

static bool asks(const omen_filter_node *n) { return n->op >= OMEN_FILTER_EQ; }

/* Of an AND's `a >= x` and `a <= y` one condition is made, unless arrays are about: there each side may have its own element. They are known to be ranges
 * of one kind. Looks at the next few nodes only. */
#define NEAR 16u
static void pair(omen_columns_eval *e, uint32_t node) {
    const omen_filter_node *nodes = omen_filter_nodes(e->filter), *n = &nodes[node];
    eval_leaf *l = &e->leaves[e->leaf_of[node]];
    bool complete, low = n->op == OMEN_FILTER_GT || n->op == OMEN_FILTER_GTE;
    if (!omen_filter_is_order(n->op) || n->parent >= e->filter->node_count || nodes[n->parent].op != OMEN_FILTER_AND || l->paired) return;
    const omen_column *c = omen_columns_find(e->columns, l->condition.path, &complete);
    if (c == NULL || c->elements != 0 || c->others != 0) return;
    for (uint32_t i = node + 1; i < n->parent && i <= node + NEAR; i++) {
        const omen_filter_node *o = &nodes[i];
        eval_leaf *other = &e->leaves[e->leaf_of[i]];
        if (o->parent != n->parent || o->path != n->path || !omen_filter_is_order(o->op) || other->paired) continue;
        const omen_range *from = other->condition.ranges;
        if ((o->op == OMEN_FILTER_GT || o->op == OMEN_FILTER_GTE) == low || from->kind != l->condition.ranges->kind) continue;
        omen_range *into = (omen_range *)(uintptr_t)l->condition.ranges; /* this room's own */
        if (low) into->high = from->high;
        else into->low = from->low;
        other->paired = l->paired = true;
        other->condition.path.data = NULL;
        return;
    }
}

static omen_status bind(omen_columns_eval *e, omen_error *err) {
    const omen_filter_node *nodes = omen_filter_nodes(e->filter);
    omen_mem *m = e->columns->store->mem;
    uint32_t n = e->filter->node_count, leaf = 0;
    omen_range *next;
    for (uint32_t i = 0; i < n; i++) {
        if (!asks(&nodes[i])) continue;
        e->leaf_count++;
        e->range_count += ranges_of(&nodes[i]);
    }
    e->leaf_of = omen_alloc_zero(m, n * sizeof *e->leaf_of);
    e->stack = omen_alloc(m, e->filter->stack * sizeof *e->stack);
    e->leaves = omen_alloc_zero(m, e->leaf_count * sizeof *e->leaves);
    next = e->ranges = omen_alloc(m, e->range_count * sizeof *e->ranges);
    if (e->leaf_of == NULL || e->stack == NULL || (e->leaves == NULL && e->leaf_count != 0) || (next == NULL && e->range_count != 0)) return OMEN_ERR_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        if (!asks(&nodes[i])) continue;
        eval_leaf *l = &e->leaves[leaf];
        e->leaf_of[i] = leaf++;
        condition_of(e->filter, &nodes[i], next, &l->condition);
        if (next != NULL) next += ranges_of(&nodes[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!asks(&nodes[i])) continue;
        eval_leaf *l = &e->leaves[e->leaf_of[i]];
        pair(e, i);
        if (l->condition.path.data != NULL) OMEN_TRY(omen_bound_new(e->columns, &l->condition, &l->bound, err));
    }
    return OMEN_OK;
}

omen_status omen_columns_eval_new(const omen_columns *c, const omen_filter *f, omen_columns_eval **out, omen_error *err) {
    omen_columns_eval *e = omen_alloc_zero(c->store->mem, sizeof *e);
    *out = e;
    if (e == NULL) return out_of_memory(err);
    *e = (omen_columns_eval){.columns = c, .filter = f, .block_count = (c->rows + OMEN_COLUMN_BLOCK - 1) / OMEN_COLUMN_BLOCK};
    if (bind(e, err) == OMEN_OK) return OMEN_OK;
    omen_columns_eval_free(e);
    *out = NULL;
    return out_of_memory(err);
}

void omen_columns_eval_free(omen_columns_eval *e) {
    if (e == NULL) return;
    omen_mem *m = e->columns->store->mem;
    for (uint32_t i = 0; i < e->leaf_count && e->leaves != NULL; i++) omen_bound_free(e->leaves[i].bound);
    omen_free(m, e->leaf_of, e->leaf_of == NULL ? 0 : e->filter->node_count * sizeof *e->leaf_of);
    omen_free(m, e->leaves, e->leaves == NULL ? 0 : e->leaf_count * sizeof *e->leaves);
    omen_free(m, e->ranges, e->ranges == NULL ? 0 : e->range_count * sizeof *e->ranges);
    omen_free(m, e->stack, e->stack == NULL ? 0 : e->filter->stack * sizeof *e->stack);
    omen_free(m, e, sizeof *e);
}

omen_status omen_columns_eval_prepare(omen_columns_eval *e, omen_error *err) {
    for (; e->prepared < e->leaf_count; e->prepared++)
        if (e->leaves[e->prepared].bound != NULL) OMEN_TRY(omen_bound_prepare(e->leaves[e->prepared].bound, err));
    return OMEN_OK;
}

/* ---- evaluating ---- */

static void ones(uint64_t *bits, uint32_t count) {
    memset(bits, 0, OMEN_BLOCK_WORDS * sizeof *bits);
    memset(bits, 0xff, count / 64 * sizeof *bits);
    if (count % 64 != 0) bits[count / 64] = (UINT64_C(1) << count % 64) - 1;
}

static bool none(const uint64_t *bits) {
    uint64_t any = 0;
    for (uint32_t i = 0; i < OMEN_BLOCK_WORDS; i++) any |= bits[i];
    return any == 0;
}

static bool every(const uint64_t *bits, uint32_t count) {
    for (uint32_t i = 0; i < count / 64; i++)
        if (bits[i] != UINT64_MAX) return false;
    return count % 64 == 0 || bits[count / 64] == (UINT64_C(1) << count % 64) - 1;
}

static omen_status leaf(omen_columns_eval *e, uint32_t node, uint32_t rows, omen_known *out, omen_error *err) {
    eval_leaf *l = &e->leaves[e->leaf_of[node]];
    if (l->bound == NULL) {
        ones(out->sure, rows);
        ones(out->perhaps, rows);
        return OMEN_OK;
    }
    if (!l->known_ready) {
        OMEN_TRY(omen_bound_block(l->bound, e->block, &l->known, err));
        l->known_ready = true;
        e->looked++;
    }
    *out = l->known;
    return OMEN_OK;
}

static void flip(omen_known *k, uint32_t rows) {
    uint64_t all[OMEN_BLOCK_WORDS];
    ones(all, rows);
    for (uint32_t w = 0; w < OMEN_BLOCK_WORDS; w++) {
        uint64_t sure = k->sure[w];
        k->sure[w] = all[w] & ~k->perhaps[w];
        k->perhaps[w] = all[w] & ~sure;
    }
}

static void fold(omen_known *into, const omen_known *k, bool both) {
    for (uint32_t w = 0; w < OMEN_BLOCK_WORDS; w++) {
        into->sure[w] = both ? into->sure[w] & k->sure[w] : into->sure[w] | k->sure[w];
        into->perhaps[w] = both ? into->perhaps[w] & k->perhaps[w] : into->perhaps[w] | k->perhaps[w];
    }
}

/* The rows of the block into stack[0]; as filter.h describes. */
static omen_status evaluate(omen_columns_eval *e, uint32_t rows, omen_error *err) {
    const omen_filter_node *nodes = omen_filter_nodes(e->filter);
    uint32_t count = e->filter->node_count, top = 0; /* one above the top */
    for (uint32_t i = 0; i < count; i++) {
        const omen_filter_node *n = &nodes[i];
        if (n->op == OMEN_FILTER_NOT) {
            flip(&e->stack[top - 1], rows);
        } else if (n->op == OMEN_FILTER_TRUE || n->op == OMEN_FILTER_FALSE) {
            memset(&e->stack[top], 0, sizeof *e->stack);
            if (n->op == OMEN_FILTER_TRUE) {
                ones(e->stack[top].sure, rows);
                ones(e->stack[top].perhaps, rows);
            }
            top++;
        } else if (asks(n)) {
            OMEN_ASSERT(top < e->filter->stack);
            OMEN_TRY(leaf(e, i, rows, &e->stack[top++], err));
        }
        /* i is done; if that decides the node above, that is done, too. */
        while (n->parent < count && nodes[n->parent].op != OMEN_FILTER_NOT) {
            bool both = nodes[n->parent].op == OMEN_FILTER_AND;
            if (!n->first) {
                top--;
                fold(&e->stack[top - 1], &e->stack[top], both);
            }
            if (i + 1 != n->parent && !(both ? none(e->stack[top - 1].perhaps) : every(e->stack[top - 1].sure, rows))) break;
            i = n->parent;
            n = &nodes[i];
        }
    }
    return OMEN_OK;
}

omen_status omen_columns_eval_step(omen_columns_eval *e, uint32_t blocks, omen_bits *sure, omen_bits *maybe, bool *done, omen_error *err) {
    uint32_t rows = e->columns->rows;
    OMEN_ASSERT(sure->count == rows && maybe->count == rows);
    *done = false;
    OMEN_TRY(omen_columns_eval_prepare(e, err));
    for (; e->block < e->block_count && blocks != 0; e->block++, blocks--) {
        uint32_t first = e->block * OMEN_BLOCK_WORDS, count = OMEN_MIN(rows - e->block * OMEN_COLUMN_BLOCK, OMEN_COLUMN_BLOCK);
        OMEN_TRY(evaluate(e, count, err));
        for (uint32_t w = 0; w < (count + 63) / 64; w++) {
            uint64_t yes = e->stack[0].sure[w], open = e->stack[0].perhaps[w] & ~yes;
            sure->words[first + w] = yes;
            maybe->words[first + w] = open;
            sure->ones += (uint32_t)__builtin_popcountll(yes);
            maybe->ones += (uint32_t)__builtin_popcountll(open);
        }
        for (uint32_t i = 0; i < e->leaf_count; i++) e->leaves[i].known_ready = false;
    }
    *done = e->block == e->block_count;
    return OMEN_OK;
}

void omen_columns_eval_counts(const omen_columns_eval *e, uint64_t *looked, uint64_t *skipped) {
    *looked = e->looked;
    *skipped = (uint64_t)e->block * e->leaf_count - e->looked;
}
