#include "query/group.h"

#include "base/hash.h"

omen_status omen_groups_init(omen_groups *g, omen_mem *m, uint32_t groups, uint32_t per_group, bool skip_missing, omen_error *err) {
    *g = (omen_groups){.groups = groups, .per_group = per_group, .skip_missing = skip_missing};
    omen_arena_init(&g->arena, m, 4096);
    if (groups == 0 || per_group == 0) return omen_fail(err, OMEN_ERR_INVALID, "groups and hits of each must be at least 1");
    return OMEN_OK;
}

void omen_groups_deinit(omen_groups *g) {
    if (g->arena.mem == NULL) return;
    omen_mem *m = g->arena.mem;
    omen_free(m, g->all, (size_t)g->cap * sizeof *g->all);
    omen_free(m, g->slots, (size_t)g->slot_count * sizeof *g->slots);
    omen_arena_deinit(&g->arena);
    *g = (omen_groups){0};
}

static bool same(const omen_group *x, const uint8_t *value, uint32_t len) {
    if (x->value == NULL || value == NULL) return x->value == value;
    return x->len == len && memcmp(x->value, value, len) == 0;
}

static uint64_t hash(const uint8_t *value, uint32_t len) { return value == NULL ? 0 : omen_hash64(value, len, 1); }

/* The slot of a value: its group's, or a free one. */
static uint32_t slot_of(const omen_groups *g, const uint8_t *value, uint32_t len) {
    uint32_t mask = g->slot_count - 1, at = (uint32_t)hash(value, len) & mask;
    while (g->slots[at] != 0 && !same(&g->all[g->slots[at] - 1], value, len)) at = (at + 1) & mask;
    return at;
}

/* Room for one group more: never more than half of the slots are taken. */
static omen_status grow(omen_groups *g) {
    omen_mem *m = g->arena.mem;
    if (g->count == g->cap) {
        uint32_t cap = OMEN_MIN(g->groups, OMEN_MAX(16u, g->cap > UINT32_MAX / 2 ? UINT32_MAX : g->cap * 2));
        size_t bytes;
        omen_group *all = omen_mul(cap, sizeof *all, &bytes) ? omen_resize(m, g->all, (size_t)g->cap * sizeof *all, bytes) : NULL;
        if (all == NULL) return OMEN_ERR_MEMORY;
        g->all = all;
        g->cap = cap;
    }
    if (g->count < g->slot_count / 2) return OMEN_OK;
    uint32_t more = g->slot_count == 0 ? 32 : g->slot_count * 2;
    uint32_t *slots = more == 0 ? NULL : omen_alloc_zero(m, (size_t)more * sizeof *slots);
    if (slots == NULL) return OMEN_ERR_MEMORY;
    omen_free(m, g->slots, (size_t)g->slot_count * sizeof *slots);
    g->slots = slots;
    g->slot_count = more;
    for (uint32_t i = 0; i < g->count; i++) g->slots[slot_of(g, g->all[i].value, g->all[i].len)] = i + 1;
    return OMEN_OK;
}

static omen_status out_of_memory(const omen_groups *g, omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "no memory for %u groups of up to %u hits", g->count + 1, g->per_group); }

/* For more hits of a group: most groups never have as many as they may, so room grows with them. */
static bool make_room(omen_groups *g, omen_group *x) {
    uint32_t room = x->room == 0 ? OMEN_MIN(g->per_group, 4u) : x->room > g->per_group / 2 ? g->per_group : x->room * 2;
    size_t bytes;
    uint32_t *hits = omen_mul(room, sizeof *hits, &bytes) ? omen_arena_alloc(&g->arena, bytes, 4) : NULL;
    if (hits == NULL) return false;
    if (x->count != 0) memcpy(hits, x->hits, x->count * sizeof *hits);
    x->hits = hits;
    x->room = room;
    return true;
}

omen_status omen_groups_add(omen_groups *g, uint32_t hit, const uint8_t *value, uint32_t len, omen_error *err) {
    if (value == NULL && g->skip_missing) return OMEN_OK;
    uint32_t at = g->slot_count == 0 ? 0 : slot_of(g, value, len);
    if (g->slot_count == 0 || g->slots[at] == 0) {
        if (g->count == g->groups) return OMEN_OK;
        omen_group x = {.len = value == NULL ? 0 : len};
        if (grow(g) != OMEN_OK || !make_room(g, &x) || (value != NULL && (x.value = omen_arena_copy(&g->arena, value, len)) == NULL)) return out_of_memory(g, err);
        at = slot_of(g, value, len);
        g->all[g->count] = x;
        g->slots[at] = ++g->count;
    }
    omen_group *x = &g->all[g->slots[at] - 1];
    if (x->seen != 0 && x->last == hit) return OMEN_OK; /* an array that has the element twice */
    if (x->count == x->room && x->room != g->per_group && !make_room(g, x)) return out_of_memory(g, err);
    x->seen++;
    x->last = hit;
    if (x->count == g->per_group) return OMEN_OK;
    x->hits[x->count++] = hit;
    g->full += x->count == g->per_group;
    return OMEN_OK;
}

#define TWO_63 9223372036854775808.0

omen_status omen_group_value(const omen_json_val *v, omen_buf *out) {
    double d;
    char text[40];
    if (v == NULL || omen_json_is_null(v)) return OMEN_OK;
    if (!omen_json_f64(v, &d)) return omen_json_print(v, out);
    int64_t i;
    uint64_t u;
    if (omen_json_i64(v, &i)) omen_format(text, sizeof text, "%lld", (long long)i);
    else if (omen_json_u64(v, &u)) omen_format(text, sizeof text, "%llu", (unsigned long long)u);
    else if (d >= -TWO_63 && d < TWO_63 && (double)(int64_t)d == d) omen_format(text, sizeof text, "%lld", (long long)(int64_t)d);
    else if (d >= TWO_63 && d < 2 * TWO_63) omen_format(text, sizeof text, "%llu", (unsigned long long)d);
    else omen_f64_print(d, text);
    return omen_buf_append_str(out, text);
}
