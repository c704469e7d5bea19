/* filter_build.h - the tree between the text of a filter and its program: filter_mongo.c and filter_sql.c build it, omen_build_program lays it out. What is
 * the same however written is made the same here. Everything lies in one arena. */
#ifndef OMEN_COLUMN_FILTER_BUILD_H
#define OMEN_COLUMN_FILTER_BUILD_H

#include "column/filter.h"

typedef struct omen_tree omen_tree;
typedef struct omen_tree_path omen_tree_path;
struct omen_tree {
    omen_tree *next, *first, *last; /* sibling after it; children */
    const omen_tree_path *path;     /* leaves, but TRUE and FALSE */
    omen_filter_value *values;      /* strings: as.offset is their address */
    const void *place;              /* omen_filter_circle or omen_filter_box */
    uint32_t value_count, count, height;
    uint8_t op;
};

#define OMEN_BUILD_BUCKETS 1024u
typedef struct omen_builder {
    omen_mem *mem;
    omen_arena arena;
    omen_buf list;       /* omen_filter_value of the list that is being read */
    omen_status status;  /* the first failure; `why` says it, without a place, but for want of memory */
    const char *why;
    uint32_t nodes;
    omen_tree_path *buckets[OMEN_BUILD_BUCKETS];
} omen_builder;

void omen_builder_init(omen_builder *b, omen_mem *m);
void omen_builder_deinit(omen_builder *b);

/* All of these answer NULL when they fail: b->status says why. A NULL tree handed in was a failure before and gives NULL. */
const omen_tree_path *omen_build_path(omen_builder *b, const omen_str *names, size_t count); /* count 1 to OMEN_MAX_JSON_DEPTH */
omen_tree *omen_build_constant(omen_builder *b, bool truth);
omen_tree *omen_build_leaf(omen_builder *b, uint8_t op, const omen_tree_path *path, const omen_filter_value *value); /* value NULL: none */
omen_tree *omen_build_circle(omen_builder *b, const omen_tree_path *path, double lon, double lat, double metres);
omen_tree *omen_build_box(omen_builder *b, const omen_tree_path *path, const omen_filter_box *box);
omen_tree *omen_build_in(omen_builder *b, const omen_tree_path *path); /* of b->list, which is empty then */
omen_tree *omen_build_not(omen_builder *b, omen_tree *t);
/* An AND or OR without children; add to it, then close it. */
omen_tree *omen_build_join(omen_builder *b, uint8_t op);
bool omen_build_add(omen_builder *b, omen_tree *join, omen_tree *child);
omen_tree *omen_build_close(omen_builder *b, omen_tree *join);
/* One more value for the list. */
bool omen_build_list(omen_builder *b, const omen_filter_value *v);

/* The program; NULL: OMEN_ERR_MEMORY. */
omen_filter *omen_build_program(omen_builder *b, const omen_tree *root);

omen_filter_value omen_value_int(int64_t i);
omen_filter_value omen_value_double(double d); /* an INT when an int64 is equal */
omen_filter_value omen_value_bool(bool v);
omen_filter_value omen_value_null(void);
omen_filter_value omen_value_str(omen_str s);
omen_filter_value omen_value_time(int64_t microseconds);

#endif
