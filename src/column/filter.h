/* filter.h - filters: what a record's document must say, compiled from a Mongo-style object (filter_mongo.c) or an SQL-like string (filter_sql.c) to one
 * flat program, which is run on documents (filter_eval.c) or on columns. Both spellings of a filter compile to the same bytes.
 *
 * ---- The rules of comparing ----
 * Paths. `a.b` is the member b of the object that is member a. A path goes through objects only: members of objects inside arrays are not reached, and a
 *   number is a name like any other. Of members named twice the first counts. A path that leads nowhere is *missing*.
 * Two values. A predicate is true or false of a record, never unknown. What is negated is exactly what is left: $ne, $nin, $not, $nor and SQL's !=, NOT
 *   match records whose path is missing, too (as in MongoDB; SQL's three-valued NULL would leave them out).
 * Arrays match if any of their elements does; elements that are arrays or objects match nothing. So `tags != 'x'` says that no element is x. Elements are
 *   tested one by one for each predicate: `a >= 1 AND a <= 5` holds for [0, 9], one element for each side.
 * Types. Values are null, boolean, number, string, time. Values of different types are never equal, and no ordering holds between them: `year >= 2020`
 *   does not match "2021", and true is not 1. A field may be of one type here and of another there: each record is asked by its own value.
 * Null. `= null` (IS NULL) matches a missing path, null, and an array with a null element. EXISTS matches every path that is there, null included.
 * Numbers compare by their exact mathematical value, integers with fractions and beyond 2^53, too. An integer outside of int64 stands for the nearest
 *   double, in filters as in documents. -0 equals 0. NaN (which JSON does not have) matches no predicate on numbers.
 * Strings compare by their bytes of UTF-8: by code points, by case, without locale.
 * Times. Documents hold times as strings of RFC 3339 ("2024-01-01T00:00:00Z", "2024-01-01T01:00:00.25+01:00", or the date alone: midnight UTC). A constant
 *   written {"$date": "..."} or DATE '...' is an instant and compares with every string that is one; digits beyond microseconds are cut off. A constant
 *   string compares with the same strings as text. So a document's string answers to both.
 * CONTAINS c: of a string, that the string c is in it, anywhere; of an array, that an element equals c. PREFIX c: a string, or an element, begins with c.
 * SIZE n: an array of exactly n elements.
 * Places are [longitude, latitude] (more than two numbers: the rest is altitude and so on), {"lon": , "lat": } or a GeoJSON Point, or an array of such; in
 *   degrees, longitude in [-180, 180], latitude in [-90, 90]: anything else is no place and matches nothing. Distances are great circles on a sphere of
 *   6,371,008.8 m (IUGG mean radius), by the haversine formula. A box whose west is greater than its east crosses the 180th meridian.
 *
 * ---- The program ----
 * One run of bytes, `size` long, 8-byte aligned, everything in it reached by offsets from its start; it can be copied, hashed and compared as it lies.
 *   omen_filter            this header
 *   nodes                  omen_filter_node x node_count
 *   paths                  omen_filter_path x path_count: each path once, in the order of first use
 *   values                 omen_filter_value x value_count, and before them the circles and boxes of the places
 *   segments               omen_filter_text x (those of all paths)
 *   text                   bytes of names and strings; zeros up to a multiple of 8
 *
 * Nodes stand in postfix order: the nodes of each child, child by child, then the node itself; the last node is the root. Leaves are predicates on one
 * path; AND and OR have two or more children, NOT has one. `span` counts the nodes of a subtree with its root, so the last child of node i is i - 1, and the
 * child before child c is c - span(c). `parent` is the index of the node above (the root's is node_count); `first` says that the node is its parent's first
 * child.
 * - By columns: for each node in order, a leaf pushes its bitmap; NOT flips the top; whenever a node that is not `first` is done (leaf or not) and its
 *   parent is AND or OR, the top is folded into the bitmap below it. AND and OR then have nothing left to do themselves. At most `stack` bitmaps stand at
 *   once. A child that decides (all ones under OR, all zeros under AND) lets everything up to the parent be skipped.
 * - By documents: omen_filter_matches, which needs no stack: from a decided child it goes to the parent, else to the next node.
 *
 * What is written in several ways is made the same: AND in AND and OR in OR are flattened, NOT NOT falls away, != and NOT IN are NOT of EQ and IN, $nor is NOT of
 * OR, $all is AND of EQs, BETWEEN is AND of GTE and LTE, an IN of one value is EQ, IN's values are sorted and unique, an IN of none is FALSE; a number that
 * is an int64 is one, however written. TRUE and FALSE are folded away, so that either stands only as the sole node of a program.
 */
#ifndef OMEN_COLUMN_FILTER_H
#define OMEN_COLUMN_FILTER_H

#include "base/json.h"

#define OMEN_FILTER_MAX_DEPTH 64u          /* AND, OR, NOT and parentheses inside each other */
#define OMEN_FILTER_MAX_TEXT (16u << 20)   /* bytes of the text of a filter */
#define OMEN_FILTER_MAX_NODES 16384u
#define OMEN_FILTER_MAX_IN 65536u          /* values of one IN, before equal ones are put together */
#define OMEN_FILTER_MAX_PATH 1024u         /* bytes of a path's canonical text */

typedef enum omen_filter_op {
    OMEN_FILTER_TRUE = 0,
    OMEN_FILTER_FALSE = 1,
    OMEN_FILTER_AND = 2,
    OMEN_FILTER_OR = 3,
    OMEN_FILTER_NOT = 4,
    OMEN_FILTER_EQ = 8,   /* one value of any type */
    OMEN_FILTER_LT = 9,   /* one value: number, string or time; so for the next three */
    OMEN_FILTER_LTE = 10,
    OMEN_FILTER_GT = 11,
    OMEN_FILTER_GTE = 12,
    OMEN_FILTER_IN = 13,  /* two or more values, ascending by omen_filter_order, no two equal */
    OMEN_FILTER_EXISTS = 14,   /* no value */
    OMEN_FILTER_SIZE = 15,     /* one INT, at least 0 */
    OMEN_FILTER_PREFIX = 16,   /* one STRING; "" is begun by every string */
    OMEN_FILTER_CONTAINS = 17, /* one value of any type but null */
    OMEN_FILTER_CIRCLE = 18,   /* one omen_filter_circle at `values` */
    OMEN_FILTER_BOX = 19       /* one omen_filter_box at `values` */
} omen_filter_op;
static inline bool omen_filter_is_leaf(uint8_t op) { return op >= OMEN_FILTER_EQ || op <= OMEN_FILTER_FALSE; }
static inline bool omen_filter_is_order(uint8_t op) { return op >= OMEN_FILTER_LT && op <= OMEN_FILTER_GTE; }

/* In ascending order of omen_filter_order; INT and DOUBLE are one class and ordered among each other by value. */
typedef enum omen_filter_type {
    OMEN_FILTER_NULL = 0,
    OMEN_FILTER_BOOL = 1,
    OMEN_FILTER_INT = 2,
    OMEN_FILTER_DOUBLE = 3, /* in a program: one that no int64 equals */
    OMEN_FILTER_STRING = 4,
    OMEN_FILTER_TIME = 5    /* i: microseconds since 1970-01-01T00:00:00Z */
} omen_filter_type;

typedef struct omen_filter_node {
    uint8_t op;    /* omen_filter_op */
    uint8_t first; /* 1: the first child of its parent; the root: 1 */
    uint16_t zero;
    uint32_t path; /* index; a node without a path: UINT32_MAX */
    uint32_t parent, span;
    uint32_t values, value_count; /* offset of the first value, circle or box; 0, 0 when there is none */
} omen_filter_node;

typedef struct omen_filter_text { uint32_t offset, len; } omen_filter_text;

/* `name` is the canonical text: the names from the outermost inwards, with "." between them, and a backslash before each "." and each backslash that is in a
 * name, and before a "$" at the beginning of the whole. No name is empty. */
typedef struct omen_filter_path {
    omen_filter_text name;
    uint32_t segments; /* offset of omen_filter_text x segment_count: the names as documents have them */
    uint32_t segment_count;
} omen_filter_path;

typedef struct omen_filter_value {
    uint32_t type; /* omen_filter_type */
    uint32_t len;  /* STRING: bytes */
    union {
        int64_t i;       /* INT, TIME; BOOL: 0 or 1 */
        double d;        /* DOUBLE */
        uint64_t offset; /* STRING: of its bytes */
    } as;
} omen_filter_value;

typedef struct omen_filter_box { double west, south, east, north; } omen_filter_box; /* degrees; west > east: across the 180th meridian */
typedef struct omen_filter_circle {
    double lon, lat, metres; /* as written */
    double cos_lat, limit;   /* of the centre; the haversine of the radius: inside is haversine <= limit */
    omen_filter_box bounds;  /* holds every place inside, for pruning */
} omen_filter_circle;

typedef struct omen_filter {
    uint32_t size; /* of the whole program, this header included */
    uint32_t node_count, path_count, value_count;
    uint32_t nodes, paths, values; /* offsets */
    uint32_t stack;                /* bitmaps that stand at once, at least 1 */
} omen_filter;

static inline const void *omen_filter_at(const omen_filter *f, uint64_t offset) { return (const uint8_t *)f + offset; }
static inline const omen_filter_node *omen_filter_nodes(const omen_filter *f) { return omen_filter_at(f, f->nodes); }
static inline const omen_filter_path *omen_filter_paths(const omen_filter *f) { return omen_filter_at(f, f->paths); }
static inline const omen_filter_value *omen_filter_values(const omen_filter *f, const omen_filter_node *n) { return omen_filter_at(f, n->values); }
static inline omen_str omen_filter_str(const omen_filter *f, omen_filter_text t) { return (omen_str){omen_filter_at(f, t.offset), t.len}; }

/* ---- compiling ---- */

/* Each compiles `text` to a program in memory of `m`. OMEN_ERR_JSON: no JSON; OMEN_ERR_INVALID: no filter; OMEN_ERR_TOO_LARGE: a limit above is passed; each
 * with the place in err->text: the byte, the path inside the object (`$.$or[1].year.$gtee`), or line and column with the line and a caret under the place.
 * OMEN_ERR_MEMORY. Then *out is NULL. */
omen_status omen_filter_from_json(omen_mem *m, omen_str text, omen_filter **out, omen_error *err);
omen_status omen_filter_from_sql(omen_mem *m, omen_str text, omen_filter **out, omen_error *err);
/* By the first byte that is no white space: "{" begins an object, anything else is SQL. */
omen_status omen_filter_compile(omen_mem *m, omen_str text, omen_filter **out, omen_error *err);
void omen_filter_free(omen_mem *m, omen_filter *f); /* NULL is fine */

/* ---- evaluating: pure functions of a program; they cannot fail, and allocate nothing ---- */

/* Whether a document matches; root NULL: a record without a document, every path of which is missing. */
bool omen_filter_matches(const omen_filter *f, const omen_json_val *root);
/* The value at a path; NULL: missing. */
const omen_json_val *omen_filter_reach(const omen_filter *f, uint32_t path, const omen_json_val *root);
/* Whether a leaf holds for the value at its path; NULL: missing. */
bool omen_filter_leaf_matches(const omen_filter *f, const omen_filter_node *leaf, const omen_json_val *value);

/* One value outside of JSON: of a column, of a dictionary. INT and DOUBLE may be any number. */
typedef struct omen_scalar {
    uint32_t type; /* omen_filter_type, but never TIME: times are strings here */
    int64_t i;     /* INT; BOOL: 0 or 1 */
    double d;      /* DOUBLE */
    omen_str text; /* STRING */
} omen_scalar;
/* Whether a leaf of EQ to IN, PREFIX or CONTAINS holds for one value that is there; `element`: it is one element of an array, whole (CONTAINS then asks
 * for equality). EXISTS holds, SIZE and places do not. What says "missing is null" is with the caller: omen_filter_missing_matches. */
bool omen_filter_scalar_matches(const omen_filter *f, const omen_filter_node *leaf, const omen_scalar *s, bool element);
/* Whether a leaf holds for a missing path: EQ null, IN with null. */
bool omen_filter_missing_matches(const omen_filter *f, const omen_filter_node *leaf);

/* Value `constant` as the closed interval of numbers for which `op` (EQ or an ordering) holds, in a column's own type; false: no number of that type. A column
 * of int64 holds x where *low <= x <= *high; a column of doubles likewise, and NaN falls out of itself. The constant is a finite number. */
bool omen_filter_range_i64(uint8_t op, const omen_filter_value *constant, int64_t *low, int64_t *high);
bool omen_filter_range_f64(uint8_t op, const omen_filter_value *constant, double *low, double *high);

/* The run of values of one class among an IN's: of NULL, BOOL, INT (DOUBLE means the same: all numbers), STRING or TIME. Answers how many. */
uint32_t omen_filter_run(const omen_filter *f, const omen_filter_node *in, uint32_t type, const omen_filter_value **first);

/* -1, 0, 1: by class, then by value. `base` is the program the strings lie in. */
int omen_filter_order(const void *base, const omen_filter_value *a, const omen_filter_value *b);
/* -1, 0, 1 exactly; 2 when d is NaN. */
int omen_order_i64_f64(int64_t i, double d);

/* RFC 3339 date-time (section 5.6) or full-date; false: it is none. Second 60 counts as the second after. filter_time.c */
bool omen_time_parse(omen_str text, int64_t *microseconds);
/* Years 0 to 9999, in UTC, to the millisecond: OMEN_TIME_TEXT bytes with the NUL. */
#define OMEN_TIME_TEXT 25u
void omen_time_print(int64_t milliseconds, char out[OMEN_TIME_TEXT]);

/* Places, in degrees. A coordinate out of range or NaN is inside nothing. filter_geo.c */
bool omen_circle_has(const omen_filter_circle *c, double lon, double lat);
bool omen_box_has(const omen_filter_box *b, double lon, double lat);
void omen_circle_make(omen_filter_circle *c, double lon, double lat, double metres); /* of a centre in range and metres >= 0 */

#endif
