/* group.h - the best hits of each group: hits come in their order, best first, each with the value by which it is grouped; the first `groups` values to appear are the groups, and
 * each keeps its first `per_group` hits. So groups are in the order of their best hits.
 *
 * A value is a JSON value, told apart by its canonical text (omen_group_value): 1 and 1.0 are one group, 1 and "1" are two. A hit without a value, or with null, belongs to a group of
 * its own, or is left out. A hit whose value is an array may be given once for each element: it then belongs to each of those groups, once.
 */
#ifndef OMEN_QUERY_GROUP_H
#define OMEN_QUERY_GROUP_H

#include "base/json.h"
#include "base/mem.h"

typedef struct omen_group {
    const uint8_t *value; /* canonical text; NULL: hits without a value */
    uint32_t len;
    uint32_t count;       /* hits kept */
    uint32_t seen;        /* hits given, kept or not */
    uint32_t last;        /* the hit given last */
    uint32_t *hits;       /* the caller's numbers */
    uint32_t room;        /* for how many there is, up to per_group */
} omen_group;

typedef struct omen_groups {
    omen_arena arena;
    uint32_t groups, per_group; /* wanted at most */
    bool skip_missing;
    omen_group *all;            /* in order of their best hits */
    uint32_t count, cap, full;  /* full: groups that have all they want */
    uint32_t *slots;            /* index + 1, 0: free; a power of two of them */
    uint32_t slot_count;
} omen_groups;

/* groups and per_group at least 1 (OMEN_ERR_INVALID). */
omen_status omen_groups_init(omen_groups *g, omen_mem *m, uint32_t groups, uint32_t per_group, bool skip_missing, omen_error *err);
void omen_groups_deinit(omen_groups *g); /* zeroed is fine */
/* The next hit, by a number of the caller's; value NULL: it has none; otherwise the text is copied. OMEN_ERR_MEMORY. */
omen_status omen_groups_add(omen_groups *g, uint32_t hit, const uint8_t *value, uint32_t len, omen_error *err);
/* Whether no later hit can change anything: every group wanted is there and has all it wants. */
static inline bool omen_groups_done(const omen_groups *g) { return g->full == g->groups; }

/* Appends the canonical text of a value: compact JSON; numbers with an integer's value as integers. Answers OMEN_OK or OMEN_ERR_MEMORY. NULL and null append nothing: no value. */
omen_status omen_group_value(const omen_json_val *v, omen_buf *out);

#endif
