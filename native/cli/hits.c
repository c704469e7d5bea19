/* hits.c - what a search found: as JSON, and as text with what each ranking gave, groups, highlights and facets. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <yyjson.h>

#include "cli/cli.h"

static bool same(const omen_id *a, const omen_id *b) {
    if (a->text.data == NULL || b->text.data == NULL) return a->text.data == b->text.data && a->number == b->number;
    return a->text.len == b->text.len && memcmp(a->text.data, b->text.data, a->text.len) == 0;
}

/* ---- JSON ---- */

static void json_number(float f) {
    if (isnan(f)) cli_json_raw("null", 4);
    else cli_json_float(f);
}

static void json_raw(const char *key, omen_str text) {
    if (text.len == 0) return;
    cli_json_key(key);
    cli_json_raw(text.data, text.len);
}

static void json_scores(const omen_results *r, size_t i, yyjson_val *legs) {
    yyjson_val *leg;
    size_t l, n;
    if (legs == NULL) return;
    cli_json_key("scores");
    cli_json_object();
    yyjson_arr_foreach(legs, l, n, leg) {
        float score = omen_results_leg_score(r, i, (uint32_t)l);
        if (isnan(score)) continue;
        cli_json_key(yyjson_get_str(leg));
        cli_json_float(score);
    }
    cli_json_object_end();
}

static void json_hit(const omen_results *r, size_t i, const omen_vector_field *f, yyjson_val *legs) {
    omen_id id = omen_results_id(r, i);
    omen_str document = omen_results_document(r, i);
    cli_json_object();
    cli_json_key("id");
    cli_json_id(&id);
    cli_json_key("score");
    json_number(omen_results_score(r, i));
    cli_json_key("distance");
    json_number(omen_results_distance(r, i));
    json_scores(r, i, legs);
    json_raw("group", omen_results_group(r, i));
    json_raw("highlights", omen_results_highlights(r, i));
    if (!cli_given("no-metadata")) {
        cli_json_key("metadata");
        cli_json_raw(document.len == 0 ? "{}" : document.data, document.len == 0 ? 2 : document.len);
    }
    if (f != NULL && cli_given("include-vector") && omen_results_vector(r, i, 0) != NULL) {
        cli_json_key("vector");
        cli_json_vector(cli_vector_numbers(f, omen_results_vector(r, i, 0)), cli_width(f));
    }
    cli_json_object_end();
}

/* ---- text ---- */

static void text_scores(const omen_results *r, size_t i, yyjson_val *legs) {
    yyjson_val *leg;
    size_t l, n;
    const char *between = "      ";
    if (legs == NULL) return;
    yyjson_arr_foreach(legs, l, n, leg) {
        float score = omen_results_leg_score(r, i, (uint32_t)l);
        if (isnan(score)) printf("%s%s -", between, yyjson_get_str(leg));
        else printf("%s%s %.6g", between, yyjson_get_str(leg), (double)score);
        between = ", ";
    }
    putchar('\n');
}

/* Words stand out: bold on a terminal, between asterisks elsewhere. */
static void text_fragment(yyjson_val *fragment) {
    bool bold = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
    const char *text = cli_member(fragment, "text");
    size_t len = yyjson_get_len(yyjson_obj_get(fragment, "text")), at = 0, m, n;
    yyjson_val *mark;
    yyjson_arr_foreach(yyjson_obj_get(fragment, "marks"), m, n, mark) {
        size_t from = yyjson_get_uint(yyjson_arr_get(mark, 0)), to = yyjson_get_uint(yyjson_arr_get(mark, 1));
        if (from < at || to < from || to > len) break;
        cli_print_short(stdout, text + at, from - at, from - at);
        fputs(bold ? "\033[1m" : "*", stdout);
        cli_print_short(stdout, text + from, to - from, to - from);
        fputs(bold ? "\033[0m" : "*", stdout);
        at = to;
    }
    cli_print_short(stdout, text + at, len - at, len - at);
}

static void text_highlights(omen_str json) {
    yyjson_val *key, *fragments, *fragment;
    size_t i, n, k, m;
    if (json.len == 0) return;
    yyjson_doc *doc = yyjson_read(json.data, json.len, YYJSON_READ_NOFLAG);
    yyjson_obj_foreach(yyjson_doc_get_root(doc), i, n, key, fragments) {
        if (yyjson_arr_size(fragments) == 0) continue;
        printf("      %s: ", yyjson_get_str(key));
        yyjson_arr_foreach(fragments, k, m, fragment) {
            if (k != 0) fputs(" ... ", stdout);
            text_fragment(fragment);
        }
        putchar('\n');
    }
    yyjson_doc_free(doc);
}

static void text_number(float f) {
    if (isnan(f)) printf("          -  ");
    else printf("  %9.6f  ", (double)f);
}

static void text_hit(const omen_results *r, size_t i, size_t rank, const omen_vector_field *f, yyjson_val *legs) {
    omen_id id = omen_results_id(r, i);
    omen_str document = omen_results_document(r, i), highlights = omen_results_highlights(r, i);
    printf("%4zu", rank);
    text_number(omen_results_distance(r, i));
    printf("%9.6f  ", (double)omen_results_score(r, i));
    cli_id_print(stdout, &id);
    if (document.len != 0) {
        fputs("  ", stdout);
        cli_print_short(stdout, document.data, document.len, 120);
    }
    putchar('\n');
    text_scores(r, i, legs);
    text_highlights(highlights);
    if (f == NULL || !cli_given("include-vector") || omen_results_vector(r, i, 0) == NULL) return;
    const float *v = cli_vector_numbers(f, omen_results_vector(r, i, 0));
    fputs("      [", stdout);
    for (uint32_t d = 0; d < cli_width(f); d++) {
        char number[32];
        printf("%s%.*s", d == 0 ? "" : ", ", (int)cli_float_text(v[d], number), number);
    }
    puts("]");
}

/* A number or text of a facet, as it is in JSON but for the quotes. */
static void print_value(yyjson_val *v, FILE *to) {
    if (yyjson_is_str(v)) cli_print_short(to, yyjson_get_str(v), yyjson_get_len(v), 60);
    else if (yyjson_is_bool(v)) fputs(yyjson_get_bool(v) ? "true" : "false", to);
    else if (yyjson_is_uint(v)) fprintf(to, "%llu", (unsigned long long)yyjson_get_uint(v));
    else if (yyjson_is_int(v)) fprintf(to, "%lld", (long long)yyjson_get_sint(v));
    else if (yyjson_is_num(v)) fprintf(to, "%.10g", yyjson_get_num(v));
    else fputs("-", to);
}

static void print_count(yyjson_val *v) { printf("%8llu  ", (unsigned long long)yyjson_get_uint(yyjson_obj_get(v, "count"))); }

static void print_interval(yyjson_val *v) {
    yyjson_val *from = yyjson_obj_get(v, "from"), *to = yyjson_obj_get(v, "to");
    print_count(v);
    if (from != NULL) fputs("from ", stdout), print_value(from, stdout);
    if (to != NULL) fputs(from == NULL ? "below " : " to below ", stdout), print_value(to, stdout);
    putchar('\n');
}

static void text_facet(const char *name, yyjson_val *facet) {
    yyjson_val *v, *key, *stats = yyjson_obj_get(facet, "stats");
    size_t i, n;
    printf("\n%s", name);
    const char *between = "  (";
    yyjson_val *distinct = yyjson_obj_get(facet, "distinct"), *missing = yyjson_obj_get(facet, "missing");
    if (distinct != NULL) printf("%s%llu different", between, (unsigned long long)yyjson_get_uint(distinct)), between = ", ";
    if (yyjson_get_uint(missing) != 0) printf("%s%llu missing", between, (unsigned long long)yyjson_get_uint(missing)), between = ", ";
    puts(between[0] == ',' ? ")" : "");
    yyjson_arr_foreach(yyjson_obj_get(facet, "values"), i, n, v) {
        print_count(v);
        print_value(yyjson_obj_get(v, "value"), stdout);
        putchar('\n');
    }
    yyjson_arr_foreach(yyjson_obj_get(facet, "ranges"), i, n, v) print_interval(v);
    yyjson_arr_foreach(yyjson_obj_get(facet, "histogram"), i, n, v) print_interval(v);
    if (stats == NULL) return;
    fputs("         ", stdout);
    yyjson_obj_foreach(stats, i, n, key, v) {
        printf(" %s ", yyjson_get_str(key));
        print_value(v, stdout);
    }
    putchar('\n');
}

static void text_facets(omen_str json) {
    yyjson_val *key, *facet;
    size_t i, n;
    if (json.len == 0) return;
    yyjson_doc *doc = yyjson_read(json.data, json.len, YYJSON_READ_NOFLAG);
    yyjson_obj_foreach(yyjson_doc_get_root(doc), i, n, key, facet) text_facet(yyjson_get_str(key), facet);
    yyjson_doc_free(doc);
}

static bool same_text(omen_str a, omen_str b) { return a.len == b.len && memcmp(a.data, b.data, a.len) == 0; }

/* ---- both ---- */

void cli_hits_show(const omen_results *r, const omen_id *like, uint64_t k, const omen_vector_field *f) {
    uint64_t shown = 0;
    omen_str names = omen_results_legs(r), group = {"", 0};
    yyjson_doc *doc = names.len == 0 ? NULL : yyjson_read(names.data, names.len, YYJSON_READ_NOFLAG);
    yyjson_val *legs = yyjson_doc_get_root(doc);
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_object();
        cli_json_key("hits");
        cli_json_array();
    } else {
        puts("   #   distance      score  record");
    }
    for (size_t i = 0; i < omen_results_count(r) && shown < k; i++) {
        omen_id id = omen_results_id(r, i);
        omen_str its = omen_results_group(r, i);
        if (like != NULL && same(&id, like)) continue;
        shown++;
        if (cli_json) {
            json_hit(r, i, f, legs);
            continue;
        }
        if (its.len != 0 && (shown == 1 || !same_text(its, group))) {
            fputs("- ", stdout);
            cli_print_short(stdout, its.data, its.len, 120);
            putchar('\n');
        }
        group = its;
        text_hit(r, i, (size_t)shown, f, legs);
    }
    yyjson_doc_free(doc);
    if (!cli_json) {
        text_facets(omen_results_facets(r));
        return;
    }
    cli_json_array_end();
    json_raw("facets", omen_results_facets(r));
    cli_json_object_end();
    cli_json_end();
}
