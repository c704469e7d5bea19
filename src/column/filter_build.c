#include "column/filter_build.h"

#include "base/hash.h"
#include "base/sort.h"

struct omen_tree_path {
    omen_tree_path *chain; /* of its bucket */
    omen_str *names;
    size_t count;
    omen_str name; /* canonical text */
    uint32_t index; /* in the program; UINT32_MAX: not yet there */
};

void omen_builder_init(omen_builder *b, omen_mem *m) {
    *b = (omen_builder){.mem = m, .status = OMEN_OK};
    omen_arena_init(&b->arena, m, 4096);
    omen_buf_init(&b->list, m);
}

void omen_builder_deinit(omen_builder *b) {
    omen_arena_deinit(&b->arena);
    omen_buf_deinit(&b->list);
}

static void *fail(omen_builder *b, omen_status s, const char *why) {
    if (b->status == OMEN_OK) {
        b->status = s;
        b->why = why;
    }
    return NULL;
}

static void *no_memory(omen_builder *b) { return fail(b, OMEN_ERR_MEMORY, "out of memory reading a filter"); }

static void *take(omen_builder *b, size_t size) {
    if (b->status != OMEN_OK) return NULL;
    void *p = omen_arena_alloc(&b->arena, size, 8);
    if (p == NULL) return no_memory(b);
    memset(p, 0, size);
    return p;
}

/* ---- values ---- */

omen_filter_value omen_value_int(int64_t i) { return (omen_filter_value){.type = OMEN_FILTER_INT, .as.i = i}; }
omen_filter_value omen_value_bool(bool v) { return (omen_filter_value){.type = OMEN_FILTER_BOOL, .as.i = v}; }
omen_filter_value omen_value_null(void) { return (omen_filter_value){.type = OMEN_FILTER_NULL, .as.i = 0}; }
omen_filter_value omen_value_time(int64_t microseconds) { return (omen_filter_value){.type = OMEN_FILTER_TIME, .as.i = microseconds}; }
omen_filter_value omen_value_double(double d) {
    if (d >= -0x1p63 && d < 0x1p63 && (double)(int64_t)d == d) return omen_value_int((int64_t)d);
    return (omen_filter_value){.type = OMEN_FILTER_DOUBLE, .as.d = d};
}
omen_filter_value omen_value_str(omen_str s) {
    return (omen_filter_value){.type = OMEN_FILTER_STRING, .len = (uint32_t)s.len, .as.offset = (uint64_t)(uintptr_t)s.data};
}

bool omen_build_list(omen_builder *b, const omen_filter_value *v) {
    if (b->status != OMEN_OK) return false;
    if (b->list.len >= OMEN_FILTER_MAX_IN * sizeof *v) {
        fail(b, OMEN_ERR_TOO_LARGE, "a list has more than 65536 values; split it over several filters joined by $or, or keep a field that says which records are meant");
        return false;
    }
    if (omen_buf_append(&b->list, v, sizeof *v) != OMEN_OK) no_memory(b);
    return b->status == OMEN_OK;
}

/* ---- paths ---- */

static bool escaped(const char *name, size_t i, bool outermost) { return name[i] == '.' || name[i] == '\\' || (name[i] == '$' && i == 0 && outermost); }

/* Into `out`, as far as it reaches; answers the length that is needed. */
static size_t canonical(const omen_str *names, size_t count, char *out, size_t cap) {
    size_t len = 0;
    for (size_t n = 0; n < count; n++) {
        for (size_t i = 0; i < names[n].len; i++) {
            const char before = i == 0 && n != 0 ? '.' : '\0';
            if (before != '\0' && len < cap) out[len] = before;
            len += before != '\0';
            if (escaped(names[n].data, i, n == 0)) {
                if (len < cap) out[len] = '\\';
                len++;
            }
            if (len < cap) out[len] = names[n].data[i];
            len++;
        }
    }
    return len;
}

const omen_tree_path *omen_build_path(omen_builder *b, const omen_str *names, size_t count) {
    char text[OMEN_FILTER_MAX_PATH];
    size_t len = canonical(names, count, text, sizeof text);
    if (len > sizeof text) return fail(b, OMEN_ERR_TOO_LARGE, "a path is longer than 1024 bytes");
    omen_tree_path **at = &b->buckets[omen_hash64(text, len, 0) % OMEN_BUILD_BUCKETS];
    for (; *at != NULL; at = &(*at)->chain)
        if ((*at)->name.len == len && memcmp((*at)->name.data, text, len) == 0) return *at;
    omen_tree_path *p = take(b, sizeof *p);
    omen_str *copies = take(b, count * sizeof *copies);
    char *name = take(b, len);
    if (p == NULL || copies == NULL || name == NULL) return NULL;
    memcpy(name, text, len);
    for (size_t i = 0; i < count; i++) {
        char *copy = take(b, names[i].len);
        if (copy == NULL) return NULL;
        memcpy(copy, names[i].data, names[i].len);
        copies[i] = (omen_str){copy, names[i].len};
    }
    *p = (omen_tree_path){.names = copies, .count = count, .name = {name, len}, .index = UINT32_MAX};
    *at = p;
    return p;
}

/* ---- trees ---- */

static omen_tree *node(omen_builder *b, uint8_t op, const omen_tree_path *path) {
    if (b->nodes >= OMEN_FILTER_MAX_NODES)
        return fail(b, OMEN_ERR_TOO_LARGE, "the filter has more than 16384 conditions; use $in for lists of values");
    omen_tree *t = take(b, sizeof *t);
    if (t == NULL) return NULL;
    b->nodes++;
    t->op = op;
    t->path = path;
    return t;
}

omen_tree *omen_build_constant(omen_builder *b, bool truth) { return node(b, truth ? OMEN_FILTER_TRUE : OMEN_FILTER_FALSE, NULL); }

omen_tree *omen_build_leaf(omen_builder *b, uint8_t op, const omen_tree_path *path, const omen_filter_value *value) {
    if (path == NULL) return NULL;
    omen_tree *t = node(b, op, path);
    if (t == NULL || value == NULL) return t;
    t->values = take(b, sizeof *value);
    if (t->values == NULL) return NULL;
    *t->values = *value;
    t->value_count = 1;
    return t;
}

static omen_tree *place(omen_builder *b, uint8_t op, const omen_tree_path *path, const void *bytes, size_t size) {
    omen_tree *t = path == NULL ? NULL : node(b, op, path);
    void *copy = t == NULL ? NULL : take(b, size);
    if (copy == NULL) return NULL;
    memcpy(copy, bytes, size);
    t->place = copy;
    return t;
}

omen_tree *omen_build_circle(omen_builder *b, const omen_tree_path *path, double lon, double lat, double metres) {
    omen_filter_circle c;
    omen_circle_make(&c, lon, lat, metres);
    return place(b, OMEN_FILTER_CIRCLE, path, &c, sizeof c);
}

omen_tree *omen_build_box(omen_builder *b, const omen_tree_path *path, const omen_filter_box *box) {
    return place(b, OMEN_FILTER_BOX, path, box, sizeof *box);
}

static bool value_less(void *arg, const void *a, const void *b) { return omen_filter_order(arg, a, b) < 0; }

omen_tree *omen_build_in(omen_builder *b, const omen_tree_path *path) {
    if (b->status != OMEN_OK || path == NULL) return NULL;
    omen_filter_value *v = (omen_filter_value *)(void *)b->list.data;
    size_t count = b->list.len / sizeof *v, kept = 0;
    b->list.len = 0;
    if (count == 0) return omen_build_constant(b, false);
    omen_sort(v, count, sizeof *v, value_less, NULL); /* equal values are the same bytes, so that which is first does not matter */
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || omen_filter_order(NULL, &v[kept - 1], &v[i]) != 0) v[kept++] = v[i];
    if (kept == 1) return omen_build_leaf(b, OMEN_FILTER_EQ, path, v);
    omen_tree *t = node(b, OMEN_FILTER_IN, path);
    if (t == NULL) return NULL;
    t->values = take(b, kept * sizeof *v);
    if (t->values == NULL) return NULL;
    memcpy(t->values, v, kept * sizeof *v);
    t->value_count = (uint32_t)kept;
    return t;
}

omen_tree *omen_build_not(omen_builder *b, omen_tree *t) {
    if (t == NULL) return NULL;
    if (t->op <= OMEN_FILTER_FALSE) return omen_build_constant(b, t->op == OMEN_FILTER_FALSE);
    if (t->op == OMEN_FILTER_NOT) return t->first;
    omen_tree *n = omen_build_join(b, OMEN_FILTER_NOT);
    return omen_build_add(b, n, t) ? n : NULL;
}

omen_tree *omen_build_join(omen_builder *b, uint8_t op) { return node(b, op, NULL); }

bool omen_build_add(omen_builder *b, omen_tree *join, omen_tree *child) {
    if (join == NULL || child == NULL || b->status != OMEN_OK) return false;
    bool and = join->op == OMEN_FILTER_AND, or = join->op == OMEN_FILTER_OR;
    if (join->op <= OMEN_FILTER_FALSE) return true; /* decided already */
    if ((and && child->op == OMEN_FILTER_TRUE) || (or && child->op == OMEN_FILTER_FALSE)) return true;
    if (child->op <= OMEN_FILTER_FALSE) {
        *join = (omen_tree){.op = child->op};
        return true;
    }
    omen_tree *first = child, *last = child;
    uint32_t count = 1, height = child->height + 1;
    if (child->op == join->op) {
        first = child->first, last = child->last, count = child->count, height = child->height;
    }
    if (height > OMEN_FILTER_MAX_DEPTH) {
        fail(b, OMEN_ERR_TOO_LARGE, "the filter is nested deeper than 64 levels; flatten it");
        return false;
    }
    if (join->last == NULL) join->first = first;
    else join->last->next = first;
    join->last = last;
    join->count += count;
    join->height = OMEN_MAX(join->height, height);
    return true;
}

omen_tree *omen_build_close(omen_builder *b, omen_tree *join) {
    if (join == NULL || b->status != OMEN_OK || join->op <= OMEN_FILTER_FALSE) return b->status != OMEN_OK ? NULL : join;
    if (join->count == 0) return omen_build_constant(b, join->op == OMEN_FILTER_AND);
    return join->count == 1 ? join->first : join;
}

/* ---- laying out ---- */

/* Two walks over the tree: one that counts, one that writes. Both go as deep as the tree, at most OMEN_FILTER_MAX_DEPTH. */
typedef struct layout {
    uint8_t *base; /* NULL: counting */
    size_t nodes, paths, places, values, segments, text; /* counting: how much; writing: the next offset */
    uint32_t node_count, path_count, value_count;
    uint32_t standing, stack;
} layout;

static omen_filter_text write_text(layout *l, omen_str s) {
    omen_filter_text t = {(uint32_t)l->text, (uint32_t)s.len};
    if (l->base != NULL && s.len != 0) memcpy(l->base + l->text, s.data, s.len);
    l->text += s.len;
    return t;
}

static uint32_t lay_path(layout *l, omen_tree_path *p) {
    if (p->index != UINT32_MAX) return p->index;
    p->index = l->path_count++;
    omen_filter_path path = {.name = write_text(l, p->name), .segments = (uint32_t)l->segments, .segment_count = (uint32_t)p->count};
    size_t inside = path.name.offset;
    for (size_t i = 0; i < p->count; i++) {
        bool plain = true;
        for (size_t c = 0; c < p->names[i].len; c++) plain &= !escaped(p->names[i].data, c, i == 0);
        omen_filter_text t = plain ? (omen_filter_text){(uint32_t)inside, (uint32_t)p->names[i].len} : write_text(l, p->names[i]);
        if (l->base != NULL) memcpy(l->base + l->segments, &t, sizeof t);
        l->segments += sizeof t;
        for (size_t c = 0; c < p->names[i].len; c++) inside += escaped(p->names[i].data, c, i == 0);
        inside += p->names[i].len + 1;
    }
    if (l->base != NULL) memcpy(l->base + l->paths, &path, sizeof path);
    l->paths += sizeof path;
    return p->index;
}

static void lay_place(layout *l, const omen_tree *t, omen_filter_node *n) {
    size_t size = t->op == OMEN_FILTER_CIRCLE ? sizeof(omen_filter_circle) : sizeof(omen_filter_box);
    n->values = (uint32_t)l->places;
    n->value_count = 1;
    if (l->base != NULL) memcpy(l->base + l->places, t->place, size);
    l->places += size;
}

static void lay_values(layout *l, const omen_tree *t, omen_filter_node *n) {
    n->values = (uint32_t)l->values;
    n->value_count = t->value_count;
    for (uint32_t i = 0; i < t->value_count; i++) {
        omen_filter_value v = t->values[i];
        if (v.type == OMEN_FILTER_STRING) v.as.offset = write_text(l, (omen_str){(const char *)(uintptr_t)v.as.offset, v.len}).offset;
        if (l->base != NULL) memcpy(l->base + l->values, &v, sizeof v);
        l->values += sizeof v;
    }
    l->value_count += t->value_count;
}

static void lay(layout *l, const omen_tree *t, bool first, uint8_t above) {
    uint32_t begin = l->node_count;
    for (const omen_tree *c = t->first; c != NULL; c = c == t->last ? NULL : c->next) lay(l, c, c == t->first, t->op);
    uint32_t self = l->node_count++;
    omen_filter_node n = {.op = t->op, .first = first, .path = UINT32_MAX, .span = self - begin + 1, .parent = self + 1};
    if (t->path != NULL) n.path = lay_path(l, (omen_tree_path *)(uintptr_t)t->path);
    if (t->place != NULL) lay_place(l, t, &n);
    else if (t->value_count != 0) lay_values(l, t, &n);
    l->standing += t->first == NULL;
    l->stack = OMEN_MAX(l->stack, l->standing);
    if (!first && above != OMEN_FILTER_NOT) l->standing--;
    if (l->base != NULL) {
        omen_filter_node *nodes = (omen_filter_node *)(void *)(l->base + sizeof(omen_filter));
        nodes[self] = n;
        if (t->first != NULL)
            for (uint32_t c = self - 1;; c -= nodes[c].span) {
                nodes[c].parent = self;
                if (nodes[c].first) break;
            }
    }
}

static void forget_paths(omen_builder *b) {
    for (size_t i = 0; i < OMEN_BUILD_BUCKETS; i++)
        for (omen_tree_path *p = b->buckets[i]; p != NULL; p = p->chain) p->index = UINT32_MAX;
}

omen_filter *omen_build_program(omen_builder *b, const omen_tree *root) {
    layout count = {0};
    forget_paths(b);
    lay(&count, root, true, OMEN_FILTER_NOT);
    /* A text of OMEN_FILTER_MAX_TEXT bytes gives at most 8 values of 16 bytes for 16 of its own, so all of this is far below 4 GB. */
    layout w = {.nodes = sizeof(omen_filter)};
    w.paths = w.nodes + count.node_count * sizeof(omen_filter_node);
    w.places = w.paths + count.paths;
    w.values = w.places + count.places;
    w.segments = w.values + count.values;
    w.text = w.segments + count.segments;
    uint64_t size = omen_round_up(w.text + count.text, 8);
    OMEN_ASSERT(size <= INT32_MAX);
    omen_filter f = {.size = (uint32_t)size, .node_count = count.node_count, .path_count = count.path_count, .value_count = count.value_count,
                     .nodes = (uint32_t)w.nodes, .paths = (uint32_t)w.paths, .values = (uint32_t)w.values, .stack = count.stack};
    w.base = omen_alloc_zero(b->mem, (size_t)size);
    if (w.base == NULL) return no_memory(b);
    memcpy(w.base, &f, sizeof f);
    forget_paths(b);
    lay(&w, root, true, OMEN_FILTER_NOT);
    return (omen_filter *)(void *)w.base;
}

void omen_filter_free(omen_mem *m, omen_filter *f) {
    if (f != NULL) omen_free(m, f, f->size);
}

omen_status omen_filter_compile(omen_mem *m, omen_str text, omen_filter **out, omen_error *err) {
    size_t i = 0;
    while (i < text.len && (text.data[i] == ' ' || text.data[i] == '\t' || text.data[i] == '\n' || text.data[i] == '\r')) i++;
    return i < text.len && text.data[i] == '{' ? omen_filter_from_json(m, text, out, err) : omen_filter_from_sql(m, text, out, err);
}
