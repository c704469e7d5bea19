/* SQL-like strings. The grammar, from the loosest to the tightest; words in any case, names and strings as they are:
 *
 *   filter     = all {"OR" all}
 *   all        = one {"AND" one}
 *   one        = {"NOT"} ( "(" filter ")" | predicate )
 *   predicate  = path compare value | path ["NOT"] "IN" "(" [value {"," value}] ")" | path ["NOT"] "BETWEEN" value "AND" value | path "IS" ["NOT"] "NULL"
 *              | path ["NOT"] "LIKE" string | path ["NOT"] "STARTS" "WITH" string
 *              | path ["NOT"] "CONTAINS" value | path ["NOT"] "CONTAINS" ("ALL" | "ANY") "(" value {"," value} ")"
 *              | "EXISTS" "(" path ")" | "SIZE" "(" path ")" ("=" | "!=") integer
 *              | "WITHIN" "(" path "," lon "," lat "," metres ")" | "WITHIN_BOX" "(" path "," west "," south "," east "," north ")" | "TRUE" | "FALSE"
 *   compare    = "=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">="
 *   value      = number | string | "TRUE" | "FALSE" | "NULL" (in a list only) | ("DATE" | "TIMESTAMP") string
 *   path       = name {"." name}
 *   name       = letter or "_" or any character beyond ASCII, then those and digits | '"' any characters, '"' doubled '"'   (a dot in quotes is part of the name)
 *   string     = "'" any characters, "'" doubled "'"
 *   number     = ["+" | "-"] as JSON writes it
 *
 * LIKE knows three forms: 'text' (equal), 'text%' (prefix), '%text%' (contains; of an array as CONTAINS does); \% \_ \\ stand for themselves. CONTAINS ALL is
 * CONTAINS of each value, joined by AND; ANY by OR. Parentheses are followed by calls, at most OMEN_FILTER_MAX_DEPTH of them. */
#include "base/key.h"
#include "column/filter_build.h"

typedef enum kind { END, NAME, QUOTED, STRING, NUMBER, SIGN } kind;

typedef struct token {
    kind kind;
    size_t at, len; /* in the text */
} token;

typedef struct parser {
    omen_builder b;
    omen_mem *mem;
    omen_error *err;
    omen_str text;
    token now;
    size_t next; /* byte behind `now` */
    uint32_t depth;
} parser;

/* ---- errors ---- */

#define WINDOW 56u /* bytes of the line that are shown */

static bool tail(char c) { return ((unsigned char)c & 0xC0) == 0x80; }

/* The line around `at` and, below it, a caret under that byte's character. */
static void excerpt(omen_str text, size_t at, char *out, size_t cap) {
    size_t begin = at, end = at, len = 0, caret = 0;
    while (begin != 0 && text.data[begin - 1] != '\n' && at - begin < WINDOW / 2) begin--;
    while (begin < at && tail(text.data[begin])) begin++;
    while (end < text.len && text.data[end] != '\n' && end - begin < WINDOW) end++;
    while (end < text.len && end > at && tail(text.data[end])) end--;
    len += omen_format(out, cap, "\n    ");
    for (size_t i = begin; i < end && len + 1 < cap; i++) {
        out[len++] = (unsigned char)text.data[i] < 32 ? ' ' : text.data[i];
        caret += i < at && !tail(text.data[i]);
    }
    len += omen_format(out + len, cap - len, "\n    ");
    for (; caret != 0 && len + 2 < cap; caret--) out[len++] = ' ';
    out[len++] = '^';
    out[len] = '\0';
}

__attribute__((noinline)) static void *refuse_as(parser *p, omen_status status, size_t at, const char *what, omen_str detail, const char *rest) {
    if (p->b.status != OMEN_OK) return NULL;
    p->b.status = status;
    uint32_t line = 1, column = 1;
    for (size_t i = 0; i < at; i++) {
        if (p->text.data[i] == '\n') line++, column = 1;
        else column += !tail(p->text.data[i]);
    }
    char shown[2 * WINDOW + 24];
    size_t cut = OMEN_MIN(detail.len, 32);
    while (cut != detail.len && cut != 0 && tail(detail.data[cut])) cut--;
    excerpt(p->text, at, shown, sizeof shown);
    omen_fail(p->err, status, "filter at line %u, column %u: %s%.*s%s%s", line, column, what, (int)cut, detail.len == 0 ? "" : detail.data, rest, shown);
    return NULL;
}

static omen_str text_of(const parser *p, const token *t) { return (omen_str){p->text.data + t->at, t->len}; }
static void *refuse_at(parser *p, size_t at, const char *what) { return refuse_as(p, OMEN_ERR_INVALID, at, what, (omen_str){"", 0}, ""); }

/* What was expected at the present token, and what is there. */
__attribute__((noinline)) static void *expected(parser *p, const char *what) {
    if (p->now.kind == END) return refuse_as(p, OMEN_ERR_INVALID, p->now.at, what, OMEN_STR(", but the filter ends"), "");
    char front[160];
    omen_format(front, sizeof front, "%s, not ", what);
    return refuse_as(p, OMEN_ERR_INVALID, p->now.at, front, text_of(p, &p->now), "");
}

/* What the builder refused, placed at the present token. */
static void *built(parser *p, omen_tree *t) {
    if (t != NULL || p->b.why == NULL) return t;
    omen_status s = p->b.status;
    const char *why = p->b.why;
    p->b.why = NULL;
    if (s == OMEN_ERR_MEMORY) {
        omen_fail(p->err, s, "%s", why);
    } else {
        p->b.status = OMEN_OK;
        refuse_as(p, s, p->now.at, why, (omen_str){"", 0}, "");
    }
    return NULL;
}

/* ---- tokens ---- */

static bool digit(char c) { return c >= '0' && c <= '9'; }
static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 128; }
static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

/* Behind the closing quote; doubled quotes are inside. */
static bool quoted(parser *p, size_t at, char quote) {
    size_t i = at + 1;
    for (;; i++) {
        if (i >= p->text.len) {
            refuse_at(p, at, quote == '\'' ? "this single quote is never closed; a quote inside of text is doubled: 'it''s'" : "this double quote is never closed; a quote inside of a name is doubled");
            return false;
        }
        if (p->text.data[i] != quote) continue;
        if (i + 1 < p->text.len && p->text.data[i + 1] == quote) i++;
        else break;
    }
    p->now = (token){quote == '\'' ? STRING : QUOTED, at, i + 1 - at};
    return true;
}

static size_t number_end(omen_str s, size_t i) {
    for (i++; i < s.len; i++) {
        char c = s.data[i];
        if (!digit(c) && !letter(c) && c != '.' && !((c == '+' || c == '-') && lower(s.data[i - 1]) == 'e')) break;
    }
    return i;
}

/* The next token becomes the present one. */
static bool advance(parser *p) {
    omen_str s = p->text;
    size_t i = p->next;
    if (p->b.status != OMEN_OK) return false;
    while (i < s.len && (s.data[i] == ' ' || s.data[i] == '\t' || s.data[i] == '\n' || s.data[i] == '\r')) i++;
    p->now = (token){END, i, 0};
    if (i < s.len) {
        char c = s.data[i], after = i + 1 < s.len ? s.data[i + 1] : '\0';
        if (c == '\'' || c == '"') {
            if (!quoted(p, i, c)) return false;
        } else if (digit(c) || ((c == '-' || c == '+') && (digit(after) || after == '.')) || (c == '.' && digit(after) && (i == 0 || !letter(s.data[i - 1])))) {
            p->now = (token){NUMBER, i, number_end(s, i) - i};
        } else if (letter(c)) {
            size_t end = i;
            while (end < s.len && (letter(s.data[end]) || digit(s.data[end]))) end++;
            p->now = (token){NAME, i, end - i};
        } else if ((after == '=' && (c == '<' || c == '>' || c == '!' || c == '=')) || (c == '<' && after == '>')) {
            p->now = (token){SIGN, i, 2};
        } else if (c == '=' || c == '<' || c == '>' || c == '(' || c == ')' || c == ',' || c == '.') {
            p->now = (token){SIGN, i, 1};
        } else {
            const char *why = c == ';' ? "a filter is one expression; leave the semicolon out"
                            : c == '&' || c == '|' ? "filters are joined by AND and OR"
                            : c == '?' || c == '$' || c == ':' || c == '@' ? "a filter has no parameters; write the value itself"
                            : c == '`' || c == '[' ? "names are quoted by double quotes, lists stand in parentheses"
                            : c == '!' ? "to negate, write NOT before a condition, or != between path and value"
                            : "a filter has no such sign";
            refuse_at(p, i, why);
            return false;
        }
    }
    p->next = p->now.at + p->now.len;
    return true;
}

static bool is_sign(const parser *p, const char *sign) {
    return p->now.kind == SIGN && p->now.len == strlen(sign) && memcmp(p->text.data + p->now.at, sign, p->now.len) == 0;
}

static bool same_word(omen_str s, const char *word) {
    if (s.len != strlen(word)) return false;
    for (size_t i = 0; i < s.len; i++)
        if (lower(s.data[i]) != word[i]) return false;
    return true;
}
static bool is_word(const parser *p, const char *word) { return p->now.kind == NAME && same_word(text_of(p, &p->now), word); }

static bool take_sign(parser *p, const char *sign) { return is_sign(p, sign) && advance(p); }
static bool take_word(parser *p, const char *word) { return is_word(p, word) && advance(p); }
static bool need_sign(parser *p, const char *sign, const char *what) { return take_sign(p, sign) || (expected(p, what), false); }

/* What comes after the present token, which is a word: its first byte, '\0' at the end. */
static char peek(const parser *p) {
    size_t i = p->next;
    while (i < p->text.len && (p->text.data[i] == ' ' || p->text.data[i] == '\t' || p->text.data[i] == '\n' || p->text.data[i] == '\r')) i++;
    return i < p->text.len ? p->text.data[i] : '\0';
}

/* ---- values ---- */

/* The inside of quotes, doubled ones made single, in the arena. */
static bool unquoted(parser *p, omen_str *out) {
    const char *s = p->text.data + p->now.at;
    char *copy = omen_arena_alloc(&p->b.arena, p->now.len, 1);
    size_t len = 0;
    if (copy == NULL) {
        p->b.status = OMEN_ERR_MEMORY;
        omen_fail(p->err, OMEN_ERR_MEMORY, "out of memory reading a filter");
        return false;
    }
    for (size_t i = 1; i + 1 < p->now.len; i++) {
        copy[len++] = s[i];
        if (s[i] == s[0]) i++;
    }
    *out = (omen_str){copy, len};
    return true;
}

/* Whole numbers of up to 18 digits at once, others as JSON reads them. */
static bool number(parser *p, omen_filter_value *out) {
    omen_str s = text_of(p, &p->now);
    bool minus = s.data[0] == '-';
    if (minus || s.data[0] == '+') s.data++, s.len--;
    int64_t i = 0;
    size_t n = 0;
    while (n < s.len && n < 19 && digit(s.data[n])) {
        if (n < 18) i = i * 10 + (s.data[n] - '0');
        n++;
    }
    bool zeros = s.len > 1 && s.data[0] == '0' && digit(s.data[1]);
    if (n == s.len && n <= 18 && !zeros) {
        *out = omen_value_int(minus ? -i : i);
        return true;
    }
    omen_json *json;
    omen_error why = {0};
    if (minus) s.data--, s.len++;
    omen_status status = omen_json_parse(p->mem, s, &json, &why);
    if (status == OMEN_ERR_MEMORY) {
        p->b.status = status;
        omen_fail(p->err, status, "%s", why.text);
        return false;
    }
    if (status != OMEN_OK) {
        refuse_at(p, p->now.at, "this is no number; numbers are written as 12, -0.5 or 1e6, and are below 1.8e308; a name that begins with a digit stands in double quotes");
        return false;
    }
    double d = 0.0;
    const omen_json_val *v = omen_json_root(json);
    if (omen_json_i64(v, &i)) *out = omen_value_int(i);
    else if (omen_json_f64(v, &d)) *out = omen_value_double(d);
    omen_json_free(json);
    return true;
}

static bool value(parser *p, omen_filter_value *out, bool null) {
    omen_str s;
    int64_t t;
    if (p->now.kind == STRING) {
        if (!unquoted(p, &s)) return false;
        *out = omen_value_str(s);
    } else if (p->now.kind == NUMBER) {
        if (!number(p, out)) return false;
    } else if (is_word(p, "true") || is_word(p, "false")) {
        *out = omen_value_bool(is_word(p, "true"));
    } else if (is_word(p, "null")) {
        if (!null) return refuse_at(p, p->now.at, "nothing is compared with NULL; write IS NULL or IS NOT NULL") != NULL;
        *out = omen_value_null();
    } else if ((is_word(p, "date") || is_word(p, "timestamp")) && peek(p) == '\'') {
        if (!advance(p) || !unquoted(p, &s)) return false;
        if (!omen_time_parse(s, &t)) return refuse_at(p, p->now.at, "DATE takes a time of RFC 3339 such as '2024-01-31T12:00:00Z', or a date such as '2024-01-31'") != NULL;
        *out = omen_value_time(t);
    } else if (p->now.kind == QUOTED) {
        return refuse_at(p, p->now.at, "a value is expected, and double quotes are for names; put text in single quotes") != NULL;
    } else if (p->now.kind == NAME) {
        return expected(p, "a value is expected (a number, 'text', TRUE, FALSE or DATE '...'; text stands in single quotes, and two fields cannot be compared)") != NULL;
    } else {
        return expected(p, "a value is expected: a number, 'text', TRUE, FALSE or DATE '...'") != NULL;
    }
    return advance(p);
}

static bool string(parser *p, omen_filter_value *out, const char *what) {
    omen_str s;
    if (p->now.kind != STRING) return expected(p, what) != NULL;
    if (!unquoted(p, &s)) return false;
    *out = omen_value_str(s);
    return advance(p);
}

static bool coordinate(parser *p, double *out) {
    omen_filter_value v;
    if (p->now.kind != NUMBER) return expected(p, "a number is expected") != NULL;
    if (!number(p, &v)) return false;
    *out = v.type == OMEN_FILTER_INT ? (double)v.as.i : v.as.d;
    return advance(p);
}

/* ---- paths ---- */

static bool reserved(const parser *p) {
    static const char *const words[] = {"and", "or", "not", "in", "between", "is", "null", "like", "true", "false", "contains"};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(words); i++)
        if (is_word(p, words[i])) return true;
    return false;
}

/* Kept out of the recursion, whose frames are to stay small. */
__attribute__((noinline)) static const omen_tree_path *path(parser *p) {
    omen_str names[OMEN_MAX_JSON_DEPTH];
    size_t count = 0, begin = p->now.at;
    if (p->now.kind == STRING) return refuse_at(p, begin, "a path is expected, and single quotes are for text; put names in double quotes");
    if (p->now.kind == NUMBER) return refuse_at(p, begin, "a path is expected; write the path first and the value behind it, and names that begin with a digit in double quotes");
    if (reserved(p)) return refuse_at(p, begin, "a path is expected, and this word has a meaning of its own; if it is a name, put it in double quotes");
    for (;;) {
        if (p->now.kind != NAME && p->now.kind != QUOTED) return expected(p, count == 0 ? "a condition is expected" : "a name is expected after the dot");
        if (count == OMEN_ARRAY_LEN(names)) return refuse_as(p, OMEN_ERR_TOO_LARGE, p->now.at, "a path has more than 64 names", (omen_str){"", 0}, "");
        if (p->now.kind == NAME) names[count] = text_of(p, &p->now);
        else if (!unquoted(p, &names[count])) return NULL;
        if (names[count].len == 0) return refuse_at(p, p->now.at, "a name is empty");
        count++;
        if (!advance(p)) return NULL;
        if (!is_sign(p, ".")) break;
        if (!advance(p)) return NULL;
    }
    const omen_tree_path *made = omen_build_path(&p->b, names, count);
    if (made == NULL) {
        p->now.at = begin; /* the place of what is refused */
        built(p, NULL);
    }
    return made;
}

/* ---- predicates ---- */

static omen_tree *like(parser *p, const omen_tree_path *field) {
    omen_filter_value v;
    omen_str s;
    token t = p->now;
    if (t.kind != STRING) return expected(p, "LIKE takes a pattern in single quotes");
    if (!unquoted(p, &s)) return NULL;
    char *out = (char *)(uintptr_t)s.data; /* the arena's copy */
    size_t len = 0;
    bool front = s.len > 1 && s.data[0] == '%', back = false;
    for (size_t i = front; i < s.len; i++) {
        char c = s.data[i];
        if (c == '_' || (c == '%' && i + 1 != s.len))
            return refuse_at(p, t.at, "LIKE knows 'text', 'text%' and '%text%'; a literal % or _ is written \\% or \\_");
        if (c == '%') {
            back = true;
            break;
        }
        if (c == '\\') {
            if (++i == s.len || (s.data[i] != '%' && s.data[i] != '_' && s.data[i] != '\\'))
                return refuse_at(p, t.at, "a backslash in LIKE stands before %, _ or a backslash");
            c = s.data[i];
        }
        out[len++] = c;
    }
    if (front && !back) return refuse_at(p, t.at, "LIKE cannot ask how text ends; it knows 'text', 'text%' and '%text%'");
    v = omen_value_str((omen_str){out, len});
    if (!advance(p)) return NULL;
    return omen_build_leaf(&p->b, front ? OMEN_FILTER_CONTAINS : back ? OMEN_FILTER_PREFIX : OMEN_FILTER_EQ, field, &v);
}

static omen_tree *in(parser *p, const omen_tree_path *field) {
    omen_filter_value v;
    if (!need_sign(p, "(", "IN takes a list in parentheses")) return NULL;
    if (!is_sign(p, ")")) {
        do {
            if (!value(p, &v, true)) return NULL;
            if (!omen_build_list(&p->b, &v)) return NULL;
        } while (take_sign(p, ","));
    }
    if (!need_sign(p, ")", "a comma or ) is expected")) return NULL;
    return omen_build_in(&p->b, field);
}

static omen_tree *contains(parser *p, const omen_tree_path *field) {
    omen_filter_value v;
    bool all = is_word(p, "all"), any = is_word(p, "any");
    if (!all && !any) return value(p, &v, false) ? omen_build_leaf(&p->b, OMEN_FILTER_CONTAINS, field, &v) : NULL;
    if (!advance(p) || !need_sign(p, "(", "a list in parentheses is expected")) return NULL;
    omen_tree *join = omen_build_join(&p->b, all ? OMEN_FILTER_AND : OMEN_FILTER_OR);
    do {
        if (!value(p, &v, false)) return NULL;
        if (!omen_build_add(&p->b, join, omen_build_leaf(&p->b, OMEN_FILTER_CONTAINS, field, &v))) return NULL;
    } while (take_sign(p, ","));
    if (!need_sign(p, ")", "a comma or ) is expected")) return NULL;
    return omen_build_close(&p->b, join);
}

static omen_tree *order(parser *p, uint8_t op, const omen_tree_path *field) {
    omen_filter_value v;
    size_t at = p->now.at;
    if (!value(p, &v, false)) return NULL;
    if (v.type == OMEN_FILTER_BOOL) return refuse_at(p, at, "only numbers, text and DATE '...' have an order; use = or !=");
    return omen_build_leaf(&p->b, op, field, &v);
}

static omen_tree *between(parser *p, const omen_tree_path *field) {
    omen_tree *join = omen_build_join(&p->b, OMEN_FILTER_AND);
    if (!omen_build_add(&p->b, join, order(p, OMEN_FILTER_GTE, field))) return NULL;
    if (!is_word(p, "and")) return expected(p, "BETWEEN a AND b: AND is expected");
    if (!advance(p) || !omen_build_add(&p->b, join, order(p, OMEN_FILTER_LTE, field))) return NULL;
    return omen_build_close(&p->b, join);
}

static omen_tree *is_null(parser *p, const omen_tree_path *field) {
    omen_filter_value v = omen_value_null();
    bool not = take_word(p, "not");
    if (!is_word(p, "null")) return expected(p, "IS NULL or IS NOT NULL is expected; other values are compared by = and !=");
    if (!advance(p)) return NULL;
    omen_tree *t = omen_build_leaf(&p->b, OMEN_FILTER_EQ, field, &v);
    return not ? omen_build_not(&p->b, t) : t;
}

/* A sign of comparing at the present token, taken; 0: there is none. */
static uint8_t comparison(parser *p, bool *not) {
    static const struct { const char *sign; uint8_t op; bool not; } signs[] = {
        {"=", OMEN_FILTER_EQ, false}, {"==", OMEN_FILTER_EQ, false}, {"!=", OMEN_FILTER_EQ, true}, {"<>", OMEN_FILTER_EQ, true},
        {"<", OMEN_FILTER_LT, false}, {"<=", OMEN_FILTER_LTE, false}, {">", OMEN_FILTER_GT, false}, {">=", OMEN_FILTER_GTE, false},
    };
    for (size_t i = 0; i < OMEN_ARRAY_LEN(signs); i++)
        if (take_sign(p, signs[i].sign)) {
            *not = signs[i].not;
            return signs[i].op;
        }
    return 0;
}

static omen_tree *about_path(parser *p) {
    const omen_tree_path *field = path(p);
    omen_filter_value v;
    omen_tree *t;
    bool not = false;
    if (field == NULL) return NULL;
    uint8_t op = comparison(p, &not);
    if (p->b.status != OMEN_OK) return NULL;
    if (op == OMEN_FILTER_EQ) t = value(p, &v, false) ? omen_build_leaf(&p->b, OMEN_FILTER_EQ, field, &v) : NULL;
    else if (op != 0) t = order(p, op, field);
    else if (take_word(p, "is")) t = is_null(p, field);
    else {
        not = take_word(p, "not");
        if (take_word(p, "in")) t = in(p, field);
        else if (take_word(p, "between")) t = between(p, field);
        else if (take_word(p, "like")) t = like(p, field);
        else if (take_word(p, "contains")) t = contains(p, field);
        else if (take_word(p, "starts")) {
            if (!take_word(p, "with")) return expected(p, "STARTS WITH is expected");
            t = string(p, &v, "STARTS WITH takes text in single quotes") ? omen_build_leaf(&p->b, OMEN_FILTER_PREFIX, field, &v) : NULL;
        } else {
            return expected(p, "after a path, one of = != < <= > >= IN, BETWEEN, IS NULL, LIKE, STARTS WITH, CONTAINS is expected");
        }
    }
    return not ? omen_build_not(&p->b, t) : t;
}

static omen_tree *size_of(parser *p) {
    bool not = false;
    if (!advance(p) || !advance(p)) return NULL; /* SIZE ( */
    const omen_tree_path *field = path(p);
    if (field == NULL || !need_sign(p, ")", ") is expected")) return NULL;
    size_t sign = p->now.at, at;
    omen_filter_value v;
    if (comparison(p, &not) != OMEN_FILTER_EQ) return refuse_at(p, sign, "after SIZE(path), = or != is expected");
    at = p->now.at;
    if (!value(p, &v, false)) return NULL;
    if (v.type != OMEN_FILTER_INT || v.as.i < 0) return refuse_at(p, at, "a size is a whole number, at least 0");
    omen_tree *t = omen_build_leaf(&p->b, OMEN_FILTER_SIZE, field, &v);
    return not ? omen_build_not(&p->b, t) : t;
}

static omen_tree *within(parser *p, bool box) {
    double n[4];
    if (!advance(p) || !advance(p)) return NULL; /* WITHIN ( */
    const omen_tree_path *field = path(p);
    size_t numbers = p->now.at;
    if (field == NULL) return NULL;
    for (size_t i = 0; i < 3u + box; i++) {
        if (!need_sign(p, ",", box ? "WITHIN_BOX takes a path, west, south, east and north: a comma is expected" : "WITHIN takes a path, longitude, latitude and metres: a comma is expected")) return NULL;
        if (i == 0) numbers = p->now.at;
        if (!coordinate(p, &n[i])) return NULL;
    }
    if (!need_sign(p, ")", box ? "WITHIN_BOX takes five arguments: ) is expected" : "WITHIN takes four arguments: ) is expected")) return NULL;
    for (size_t i = 0; i < (box ? 4u : 2u); i++)
        if (!(n[i] >= (i % 2 == 0 ? -180.0 : -90.0) && n[i] <= (i % 2 == 0 ? 180.0 : 90.0)))
            return refuse_at(p, numbers, "places are longitude, latitude in degrees, longitude from -180 to 180, latitude from -90 to 90");
    if (box && n[1] > n[3]) return refuse_at(p, numbers, "the south of the box lies north of its north; give west, south, east, north");
    if (!box && !(n[2] >= 0.0)) return refuse_at(p, numbers, "the radius is in metres, at least 0");
    omen_filter_box b = {n[0], n[1], n[2], box ? n[3] : 0.0};
    return box ? omen_build_box(&p->b, field, &b) : omen_build_circle(&p->b, field, n[0], n[1], n[2]);
}

static omen_tree *exists(parser *p) {
    if (!advance(p) || !advance(p)) return NULL; /* EXISTS ( */
    const omen_tree_path *field = path(p);
    if (field == NULL || !need_sign(p, ")", ") is expected")) return NULL;
    return omen_build_leaf(&p->b, OMEN_FILTER_EXISTS, field, NULL);
}

static omen_tree *predicate(parser *p) {
    bool call = p->now.kind == NAME && peek(p) == '(';
    if (call && is_word(p, "exists")) return exists(p);
    if (call && is_word(p, "size")) return size_of(p);
    if (call && is_word(p, "within")) return within(p, false);
    if (call && is_word(p, "within_box")) return within(p, true);
    if (call && !reserved(p)) return refuse_at(p, p->now.at, "there is no such function; there are EXISTS, SIZE, WITHIN and WITHIN_BOX");
    if (is_word(p, "true") || is_word(p, "false")) {
        bool truth = is_word(p, "true");
        return advance(p) ? omen_build_constant(&p->b, truth) : NULL;
    }
    return about_path(p);
}

/* ---- joining ---- */

static omen_tree *filter(parser *p);

static omen_tree *one(parser *p) {
    bool not = false;
    omen_tree *t;
    while (is_word(p, "not")) {
        not = !not;
        if (!advance(p)) return NULL;
    }
    size_t open = p->now.at;
    if (is_sign(p, "(")) {
        if (p->depth == OMEN_FILTER_MAX_DEPTH)
            return refuse_as(p, OMEN_ERR_TOO_LARGE, open, "parentheses are nested deeper than 64 levels; flatten the filter", (omen_str){"", 0}, "");
        p->depth++;
        if (!advance(p)) return NULL;
        t = filter(p);
        if (t == NULL) return NULL;
        if (!is_sign(p, ")")) {
            if (p->now.kind == END) return refuse_at(p, open, "this parenthesis is never closed");
            return expected(p, "AND, OR or ) is expected");
        }
        p->depth--;
        if (!advance(p)) return NULL;
    } else {
        t = predicate(p);
    }
    return not ? omen_build_not(&p->b, t) : t;
}

static omen_tree *all(parser *p) {
    omen_tree *join = omen_build_join(&p->b, OMEN_FILTER_AND);
    do {
        if (!omen_build_add(&p->b, join, one(p))) return built(p, NULL);
    } while (take_word(p, "and"));
    return p->b.status == OMEN_OK ? built(p, omen_build_close(&p->b, join)) : NULL;
}

static omen_tree *filter(parser *p) {
    omen_tree *join = omen_build_join(&p->b, OMEN_FILTER_OR);
    do {
        if (!omen_build_add(&p->b, join, all(p))) return built(p, NULL);
    } while (take_word(p, "or"));
    return p->b.status == OMEN_OK ? built(p, omen_build_close(&p->b, join)) : NULL;
}

/* The first byte that begins no well-formed sequence: all before it are valid, and with it no prefix is. */
static size_t first_bad(omen_str s) {
    size_t i = 0;
    while (i < s.len) {
        size_t n = 1;
        while (n <= 4 && i + n <= s.len && !omen_utf8_valid(s.data + i, n)) n++;
        if (n > 4 || i + n > s.len) break;
        i += n;
    }
    return i;
}

static omen_status check_text(omen_str text, omen_error *err) {
    if (text.len > OMEN_FILTER_MAX_TEXT) return omen_fail(err, OMEN_ERR_TOO_LARGE, "filter: %zu bytes; at most %u are read", text.len, OMEN_FILTER_MAX_TEXT);
    size_t i = 0;
    while (i < text.len && (text.data[i] == ' ' || text.data[i] == '\t' || text.data[i] == '\n' || text.data[i] == '\r')) i++;
    if (i == text.len) return omen_fail(err, OMEN_ERR_INVALID, "filter: the text is empty; give no filter to match every record");
    if (!omen_utf8_valid(text.data, text.len)) return omen_fail(err, OMEN_ERR_INVALID, "filter: byte %zu is not valid UTF-8; encode the text as UTF-8", first_bad(text));
    return OMEN_OK;
}

omen_status omen_filter_from_sql(omen_mem *m, omen_str text, omen_filter **out, omen_error *err) {
    omen_error own = {0};
    *out = NULL;
    OMEN_TRY(check_text(text, err));
    parser *p = omen_alloc(m, sizeof *p);
    if (p == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading a filter");
    omen_builder_init(&p->b, m);
    p->mem = m;
    p->err = &own;
    p->text = text;
    p->next = 0;
    p->depth = 0;
    omen_tree *t = advance(p) ? filter(p) : NULL;
    if (t != NULL && p->now.kind != END) t = expected(p, "AND, OR or the end is expected");
    if (t != NULL) *out = omen_build_program(&p->b, t);
    if (*out == NULL) built(p, NULL);
    omen_status s = p->b.status;
    omen_builder_deinit(&p->b);
    omen_free(m, p, sizeof *p);
    return s == OMEN_OK ? OMEN_OK : omen_fail(err, s, "%s", own.text);
}
