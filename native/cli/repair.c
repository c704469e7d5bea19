/* repair.c - check and repair: reports of all that is wrong. */
#include <string.h>

#include <yyjson.h>

#include "cli/cli.h"

static uint64_t number(yyjson_val *object, const char *key) { return yyjson_get_uint(yyjson_obj_get(object, key)); }
static const char *text(yyjson_val *object, const char *key) {
    const char *s = yyjson_get_str(yyjson_obj_get(object, key));
    return s == NULL ? "" : s;
}

/* What parts of files are, by the names that reports give them. */
static const struct { const char *name, *what; } parts[] = {
    {"meta", "what the other parts are, and how many rows there are"},
    {"id offsets", "where each row's id begins"},
    {"ids", "the ids"},
    {"order of ids", "the rows in the order of their ids"},
    {"places of ids", "by which a record is found by its id"},
    {"model of ids", "a guess at where an id is, which makes that faster"},
    {"filter of ids", "by which most ids that are not there are told without a look"},
    {"tags of ids", "a byte for each id, compared before the id itself"},
    {"document offsets", "where each row's document begins"},
    {"documents", "the metadata"},
    {"vectors", "the vectors of one field"},
    {"norms", "their lengths"},
    {"deleted rows of older segments", "which rows of older segments this one replaced or deleted"},
    {"columns", "which paths of the metadata have a column"},
    {"statistics of columns", "smallest, largest and frequent values of each"},
    {"data of columns", "values by row, for filters, facets and orders"},
    {"vectors of fields of several", "the vectors of fields with several vectors a record"},
    {"offsets of fields of several", "which of these belong to a record"},
    {"text: meta", "numbers of rows and words of a text field"},
    {"text: top of the terms", "where in the terms a word is to be looked for"},
    {"text: terms", "the words"},
    {"text: heads of lists", "where each word's list begins, and how good its best row is"},
    {"text: lists", "which rows have a word"},
    {"text: positions", "where in the text it stands"},
    {"text: lengths", "how long each row's text is"},
    {"index: meta", "the kind of an index and its parameters"},
    {"index: quantiser", "how vectors become codes"},
    {"index: codes", "the codes"},
    {"index: links", "the edges of a graph"},
    {"index: upper links", "those of its upper layers"},
    {"index: centroids", "the centres of an IVF's lists"},
    {"index: lists", "which rows are in a list"},
    {"index: nodes", "nodes of a graph that is read block by block"},
    {"index: entries", "where walks begin in it"},
};

static const char *what_of(const char *section) {
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(parts[i].name, section) == 0) return parts[i].what;
    return "of a later version";
}

static void print_damage(yyjson_val *d) {
    const char *file = text(d, "file"), *section = text(d, "section"), *collection = text(d, "collection");
    printf("%s %s", text(d, "kind"), file);
    if (section[0] != '\0') printf(", %s (%s) of field %llu, block %llu", section, what_of(section), (unsigned long long)number(d, "field"), (unsigned long long)number(d, "block"));
    if (yyjson_obj_get(d, "offset") != NULL) printf(", %llu bytes at %llu", (unsigned long long)number(d, "bytes"), (unsigned long long)number(d, "offset"));
    if (collection[0] != '\0') printf(", collection \"%s\"", collection);
    putchar('\n');
    printf("  %s\n", text(d, "message"));
    if (text(d, "holds")[0] != '\0') printf("  holds %s%s\n", text(d, "holds"), yyjson_get_bool(yyjson_obj_get(d, "loses")) ? "" : "; no record is lost with it");
}

static void print_lost(yyjson_val *lost) {
    yyjson_val *ids = yyjson_obj_get(lost, "ids"), *v;
    yyjson_arr_iter it;
    uint64_t records = number(lost, "records");
    size_t shown = 0;
    if (records == 0 && yyjson_arr_size(yyjson_obj_get(lost, "segments")) == 0) return;
    if (records == 0) puts("lost:"); /* those of segments that are lost whole are not counted */
    else printf("lost: %llu records, of which %llu cannot be named\n", (unsigned long long)records, (unsigned long long)number(lost, "unnamed"));
    yyjson_arr_iter_init(yyjson_obj_get(lost, "log"), &it);
    while ((v = yyjson_arr_iter_next(&it)) != NULL)
        printf("  LSN %llu to %llu, of %s\n", (unsigned long long)number(v, "fromLsn"), (unsigned long long)number(v, "toLsn"), text(v, "file"));
    yyjson_arr_iter_init(yyjson_obj_get(lost, "segments"), &it);
    while ((v = yyjson_arr_iter_next(&it)) != NULL) printf("  all records of %s, collection \"%s\"\n", text(v, "file"), text(v, "collection"));
    yyjson_arr_iter_init(ids, &it);
    while ((v = yyjson_arr_iter_next(&it)) != NULL && shown++ < 20) {
        yyjson_val *id = yyjson_obj_get(v, "id");
        if (yyjson_is_str(id)) printf("  \"%s\"", yyjson_get_str(id));
        else printf("  %lld", (long long)yyjson_get_sint(id));
        printf(" of collection \"%s\"\n", text(v, "collection"));
    }
    if (yyjson_arr_size(ids) > 20) printf("  and %zu more (--json lists them)\n", yyjson_arr_size(ids) - 20);
}

static void print_report(omen_str json) {
    yyjson_doc *doc = yyjson_read(json.data, json.len, YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(doc), *v, *checked = yyjson_obj_get(root, "checked");
    yyjson_arr_iter it;
    yyjson_arr_iter_init(yyjson_obj_get(root, "damage"), &it);
    while ((v = yyjson_arr_iter_next(&it)) != NULL) print_damage(v);
    print_lost(yyjson_obj_get(root, "lost"));
    yyjson_arr_iter_init(yyjson_obj_get(root, "notes"), &it);
    while ((v = yyjson_arr_iter_next(&it)) != NULL) printf("note: %s\n", yyjson_get_str(v));
    if (yyjson_arr_size(yyjson_obj_get(root, "damage")) == 0) {
        yyjson_doc_free(doc);
        return;
    }
    printf("read %llu segments with %llu rows, and %llu indexes\n", (unsigned long long)number(checked, "segments"), (unsigned long long)number(checked, "rows"),
           (unsigned long long)number(checked, "indexes"));
    yyjson_doc_free(doc);
}

static void show(const omen_report *r) {
    omen_str json = omen_report_json(r);
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_raw(json.data, json.len);
        cli_json_end();
    } else {
        print_report(json);
        if (omen_report_damage(r) == 0) puts("everything is in order");
    }
}

/* "FILE: what is wrong", of the first place. */
static void name_first(const omen_report *r, char *into, size_t cap) {
    omen_str json = omen_report_json(r);
    yyjson_doc *doc = yyjson_read(json.data, json.len, YYJSON_READ_NOFLAG);
    yyjson_val *d = yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(doc), "damage"));
    const char *file = text(d, "file"), *message = text(d, "message");
    bool named = file[0] == '\0' || strstr(message, file) != NULL;
    snprintf(into, cap, "%s%s%.300s%s", named ? "" : file, named ? "" : ": ", message,
             strcmp(text(d, "kind"), "index") == 0 ? "; this is an index: no record is lost, `omendb index` builds it again" : "");
    yyjson_doc_free(doc);
}

typedef struct request { bool check; uint32_t flags; omen_report *report; } request;

static omen_status make(void *arg, const omen_options *o) {
    request *q = arg;
    return q->check ? omen_check_path(cli_positional(0), o, &q->report) : omen_repair(cli_positional(0), o, q->flags, &q->report);
}

omen_status cli_run_check(void) {
    request q = {.check = true};
    char first[600];
    CLI_TRY(cli_database_with(CLI_READ, make, &q));
    uint64_t damage = omen_report_damage(q.report);
    show(q.report);
    name_first(q.report, first, sizeof first);
    omen_report_free(q.report);
    if (damage == 0) return OMEN_OK;
    return cli_fail(OMEN_ERR_CORRUPT, "%llu place%s damaged; the first: %s. `omendb repair %.200s` shows what can be kept", (unsigned long long)damage, damage == 1 ? " is" : "s are", first, cli_positional(0));
}

omen_status cli_run_repair(void) {
    bool write = cli_given("write");
    request q = {.flags = (write ? OMEN_REPAIR_WRITE : 0u) | (cli_given("cut") ? OMEN_REPAIR_CUT : 0u)};
    CLI_TRY(cli_database_with(write ? CLI_MAINTAIN : CLI_READ, make, &q));
    uint64_t damage = omen_report_damage(q.report);
    show(q.report);
    omen_report_free(q.report);
    if (damage == 0) return OMEN_OK;
    if (!write) return cli_fail(OMEN_ERR_CORRUPT, "%llu place%s damaged; nothing was changed: --write writes anew what can be kept, without what is lost", (unsigned long long)damage,
                                damage == 1 ? " is" : "s are");
    if (!cli_json) puts("repaired");
    return OMEN_OK;
}
