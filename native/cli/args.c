/* args.c - options and arguments. --name value, --name=value (for values that begin with "--"), -n value; "--" ends the options. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct option {
    const char *name;
    char letter;
    const char *value; /* what the value is called in help; NULL: a flag */
    const char *help;
    bool general; /* allowed everywhere */
} option;

static const option options[] = {
    {"json", 0, NULL, "print JSON, errors too", true},
    {"quiet", 'q', NULL, "print no notes", true},
    {"profile", 0, "NAME", "developer (default), production or edge: limits of memory", true},
    {"durability", 0, "LEVEL", "memory, os, group (default) or full: what a finished write has survived", true},
    {"read-only", 0, NULL, "open the database without the right to change it", true},
    {"pool-bytes", 0, "SIZE", "memory for blocks of segments, such as 64MiB", true},
    {"memtable-bytes", 0, "SIZE", "an in-memory table is written out at this size", true},
    {"memory-bytes", 0, "SIZE", "limit of all memory of the database", true},
    {"index-bytes", 0, "SIZE", "memory that indexes may keep beside the blocks", true},
    {"key-file", 0, "FILE", "the key of an encrypted database: 32 bytes, as hex, base64, or as they are", true},
    {"key-id", 0, "TEXT", "a label of the key, readable in every new file", true},
    {"help", 'h', NULL, "show the help of the command", true},

    {"collection", 'c', "NAME", "the collection; may be left out when there is only one", false},
    {"dimensions", 'd', "N", "how many numbers a vector has", false},
    {"metric", 'm', "NAME", "cosine (default), l2 or ip; of bits hamming", false},
    {"type", 't', "NAME", "what vectors consist of: f32 (default), f16, i8 or bit", false},
    {"index", 'i', "KIND", "auto (default), flat, hnsw, ivf or disk", false},
    {"index-m", 0, "N", "hnsw, disk: most neighbours of a record, 4 to 128", false},
    {"index-ef", 0, "N", "hnsw, disk: candidates looked at for a new record, 8 to 2000", false},
    {"index-codec", 0, "NAME", "ivf: sq8, rabitq or pq", false},
    {"index-lists", 0, "N", "ivf: how many lists, 1 to 65536", false},
    {"index-bits", 0, "N", "rabitq: bits a dimension, 1 to 8", false},
    {"no-build", 0, NULL, "only change the parameters; the next program that writes builds the index", false},
    {"vector-field", 0, "NAME:N[:METRIC[:TYPE]]", "a vector field; may be given several times", false},
    {"text", 0, "FIELDS", "text fields, separated by commas: NAME, NAME:LANGUAGE or NAME:LANGUAGE:WEIGHT (title:en:2)", false},
    {"sparse", 0, "NAMES", "names of fields of sparse vectors, separated by commas", false},
    {"multi", 0, "FIELDS", "fields of several vectors a record, by commas: NAME:DIMENSIONS[:METRIC[:TYPE]]", false},
    {"ttl", 0, "PATH", "where records say until when they live, a time such as 2030-01-31T12:00:00Z", false},
    {"database-id", 0, "HEX", "32 hex digits: the id of the new database, for reproducible files", false},
    {"field", 0, "NAME", "the vector field; may be left out when there is only one", false},
    {"format", 'f', "NAME", "fvecs, npy, jsonl or csv; otherwise the name of the file tells", false},
    {"id-field", 0, "NAME", "the key or column that holds the id (id)", false},
    {"ids", 0, "FILE", "the ids, one a line, of a file that holds vectors only", false},
    {"first-id", 0, "N", "the id of the first row (0)", false},
    {"skip", 0, "N", "leave out the first N records", false},
    {"limit", 'n', "N", "stop after N records", false},
    {"batch", 0, "N", "records in a batch (1000)", false},
    {"mode", 0, "NAME", "upsert (default), insert (an id that is there is an error) or update (one that is not)", false},
    {"vector-columns", 0, "PREFIX", "the columns PREFIX0, PREFIX1, ... hold the vector (v)", false},
    {"strings", 0, NULL, "keep all metadata of a CSV file as text", false},
    {"progress", 0, NULL, "show the progress bar even when standard error is no terminal", false},
    {"no-progress", 0, NULL, "show no progress bar", false},
    {"write", 0, NULL, "write anew what can be kept; otherwise nothing is changed", false},
    {"cut", 0, NULL, "where the log is damaged, give up what follows the damage", false},
    {"force", 0, NULL, "overwrite, or drop, without asking", false},
    {"vector", 'v', "JSON", "the vector to search for: '[0.1, 0.2]', or NAME='[...]' of several fields", false},
    {"vector-file", 0, "FILE", "a file whose row is the vector to search for", false},
    {"row", 0, "N", "which row of the file (0)", false},
    {"id", 0, "ID", "search for what is like this record", false},
    {"k", 'k', "N", "how many hits (10)", false},
    {"recall", 0, "SHARE", "share of the nearest to find, above 0 up to 1 (0.95); 1 is exact", false},
    {"ef", 0, "N", "hnsw, disk: candidates kept while walking, instead of --recall", false},
    {"nprobe", 0, "N", "ivf: lists to look into, instead of --recall", false},
    {"exact", 0, NULL, "compare every record", false},
    {"include-vector", 0, NULL, "show vectors too", false},
    {"no-metadata", 0, NULL, "leave the metadata out", false},
    {"filter", 0, "FILTER", "only records that match: \"year >= 2020 AND lang IN ('c', 'js')\", or a JSON object", false},
    {"set", 0, "JSON", "what becomes of the metadata, an object; null removes a key", false},
    {"text", 0, "WORDS", "words to find: 'tea shop', +must, -not, \"a phrase\", begin*", false},
    {"text-fields", 0, "FIELDS", "text fields to look in, by commas: NAME or NAME:WEIGHT; otherwise all", false},
    {"operator", 0, "NAME", "or (default), or and: every word must be there", false},
    {"typos", 0, NULL, "find words with a typo, too", false},
    {"no-typos", 0, NULL, "find words only as they are written (default)", false},
    {"prefix", 0, NULL, "the last word is the beginning of one", false},
    {"sparse", 0, "JSON", "a sparse vector: '{\"field\": \"terms\", \"indices\": [3], \"values\": [0.5]}'", false},
    {"multi", 0, "JSON", "several vectors: '{\"field\": \"tokens\", \"vectors\": [[0.1, 0.2]]}', or @FILE", false},
    {"rerank", 0, "JSON", "several vectors (as of --multi) that order the best hits anew, or @FILE", false},
    {"rerank-candidates", 0, "N", "how many hits are ordered anew (4 k)", false},
    {"positive", 0, "ID", "find what is like this record; may be given several times", false},
    {"negative", 0, "ID", "and unlike this one; may be given several times", false},
    {"like-by", 0, "NAME", "average (default): one vector is made of the examples; best: the nearest of them counts", false},
    {"like-field", 0, "NAME", "the vector field by which examples are compared", false},
    {"fusion", 0, "NAME", "how several rankings become one: weighted (default) or rrf", false},
    {"alpha", 0, "SHARE", "weighted: the share of the vectors, 0 to 1; otherwise found from the scores", false},
    {"weights", 0, "LIST", "weights of rankings: NAME=NUMBER by commas; names of fields, or text", false},
    {"rrf-k", 0, "N", "rrf: k of 1 / (k + rank) (60)", false},
    {"max-distance", 0, "NUMBER", "nothing farther away is a hit", false},
    {"min-score", 0, "NUMBER", "nothing below is a hit", false},
    {"mmr", 0, "LAMBDA", "hits that differ: 1 is relevance alone, 0 difference alone", false},
    {"mmr-candidates", 0, "N", "how many hits to choose from (4 k)", false},
    {"group-by", 0, "PATH", "the best hits of each value of this path; -k counts groups", false},
    {"group-size", 0, "N", "hits of each group (1)", false},
    {"group-missing", 0, "NAME", "records without a value: own (default, a group each way) or leave", false},
    {"order-by", 0, "PATH", "no vector or words: the first records by the value at this path", false},
    {"descending", 0, NULL, "the greatest values first", false},
    {"facets", 0, "PATHS", "count values of these paths, by commas; or a JSON object", false},
    {"highlight", 0, NULL, "show where the words are", false},
    {"highlight-fields", 0, "NAMES", "of these fields, separated by commas", false},
    {"highlight-length", 0, "N", "characters of a fragment", false},
    {"highlight-fragments", 0, "N", "fragments of a field", false},
    {"plan", 0, "NAME", "how vectors of segments are searched: auto (default), index, matches or scan", false},
    {"deadline-ms", 0, "N", "give up after so many milliseconds", false},
    {"verify", 0, NULL, "read and compare what is there already, too", false},
    {"plain", 0, NULL, "the copy of an encrypted database is not encrypted", false},
    {"backup", 0, "N", "the number of the backup (the latest)", false},
    {"holds", 0, "ID", "tell which backups have a record of this id; may be given several times", false},
    {"remove", 0, "N", "remove backup N, and the files that no other one has", false},
    {"new-key-file", 0, "FILE", "the key that the database is to have", false},
    {"new-key-id", 0, "TEXT", "its label", false},
    {"prometheus", 0, NULL, "Prometheus text instead of JSON", false},
    {"label", 0, "NAME=VALUE", "a label for every series; may be given several times", false},
};

static struct {
    struct {
        const option *option;
        const char *value;
    } * given;
    size_t given_count;
    const char **positional;
    size_t positional_count;
} args;

/* Whether a name is in a list of names separated by blanks. */
static bool listed(const char *names, const char *name) {
    size_t n = strlen(name);
    for (const char *at = names; (at = strstr(at, name)) != NULL; at += n)
        if ((at == names || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0')) return true;
    return false;
}

/* The name in lists of options: three names have one meaning where a collection is made, and another where it is searched. */
static const char *key_of(const option *o) {
    if (strcmp(o->name, "text") == 0 && strcmp(o->value, "WORDS") == 0) return "words";
    if (strcmp(o->name, "sparse") == 0 && strcmp(o->value, "JSON") == 0) return "sparse-query";
    if (strcmp(o->name, "multi") == 0 && strcmp(o->value, "JSON") == 0) return "multi-query";
    return o->name;
}

/* The command's option of that name; another one's where it has none. */
static const option *find_long(const cli_command *c, const char *name, size_t len) {
    const option *other = NULL;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strlen(options[i].name) != len || memcmp(options[i].name, name, len) != 0) continue;
        if (options[i].general || listed(c->options, key_of(&options[i]))) return &options[i];
        other = &options[i];
    }
    return other;
}

static const option *find_short(char letter) {
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].letter == letter) return &options[i];
    return NULL;
}

bool cli_wants_help(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) return false;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    }
    return false;
}

/* A number such as -7 is an id, not an option. */
static bool is_option(const char *text) { return text[0] == '-' && text[1] != '\0' && !(text[1] >= '0' && text[1] <= '9'); }

static omen_status take_option(const cli_command *c, int argc, char **argv, int *i) {
    const char *text = argv[*i], *value = NULL;
    const option *o;
    if (text[1] == '-') {
        value = strchr(text, '=');
        o = find_long(c, text + 2, value == NULL ? strlen(text + 2) : (size_t)(value - text - 2));
        if (value != NULL) value++;
    } else {
        o = find_short(text[1]);
        if (text[2] != '\0') value = text + 2;
    }
    if (o == NULL || (!o->general && !listed(c->options, key_of(o))))
        return cli_fail(OMEN_ERR_INVALID, "`omendb %s` has no option %.100s; `omendb help %s` lists them", c->name, text, c->name);
    if (o->value == NULL && value != NULL) return cli_fail(OMEN_ERR_INVALID, "option --%s takes no value; leave \"%.100s\" out", o->name, value);
    if (o->value != NULL && value == NULL) {
        if (*i + 1 == argc || strncmp(argv[*i + 1], "--", 2) == 0) return cli_fail(OMEN_ERR_INVALID, "option --%s needs a value: --%s %s", o->name, o->name, o->value);
        value = argv[++*i];
    }
    args.given[args.given_count].option = o;
    args.given[args.given_count++].value = value;
    return OMEN_OK;
}

omen_status cli_args_parse(const cli_command *c, int argc, char **argv) {
    args.given = calloc((size_t)argc + 1, sizeof *args.given);
    args.positional = calloc((size_t)argc + 1, sizeof *args.positional);
    if (args.given == NULL || args.positional == NULL) return cli_no_memory();
    bool ended = false;
    for (int i = 0; i < argc; i++) {
        if (ended || !is_option(argv[i])) args.positional[args.positional_count++] = argv[i];
        else if (strcmp(argv[i], "--") == 0) ended = true;
        else CLI_TRY(take_option(c, argc, argv, &i));
    }
    if ((int)args.positional_count < c->min) return cli_fail(OMEN_ERR_INVALID, "something is missing; usage: omendb %s %s", c->name, c->usage);
    if (c->max >= 0 && (int)args.positional_count > c->max)
        return cli_fail(OMEN_ERR_INVALID, "\"%.100s\" is too much; usage: omendb %s %s", args.positional[c->max], c->name, c->usage);
    return OMEN_OK;
}

void cli_args_free(void) {
    free(args.given);
    free(args.positional);
}

const char *cli_positional(size_t i) { return i < args.positional_count ? args.positional[i] : NULL; }
size_t cli_positional_count(void) { return args.positional_count; }

const char *cli_option_at(const char *name, size_t index) {
    for (size_t i = 0; i < args.given_count; i++)
        if (strcmp(args.given[i].option->name, name) == 0 && index-- == 0) return args.given[i].value == NULL ? "" : args.given[i].value;
    return NULL;
}

bool cli_given(const char *name) { return cli_option_at(name, 0) != NULL; }

const char *cli_option(const char *name, const char *fallback) {
    for (size_t i = args.given_count; i > 0; i--)
        if (strcmp(args.given[i - 1].option->name, name) == 0) return args.given[i - 1].value;
    return fallback;
}

omen_status cli_option_u64(const char *name, uint64_t min, uint64_t max, uint64_t fallback, uint64_t *out) {
    const char *text = cli_option(name, NULL);
    uint64_t n = 0;
    *out = fallback;
    if (text == NULL) return OMEN_OK;
    bool good = text[0] != '\0';
    for (const char *at = text; good && *at != '\0'; at++)
        good = *at >= '0' && *at <= '9' && !__builtin_mul_overflow(n, 10, &n) && !__builtin_add_overflow(n, (uint64_t)(*at - '0'), &n);
    if (!good || n < min || n > max)
        return cli_fail(OMEN_ERR_INVALID, "--%s is \"%.60s\"; it must be a number from %llu to %llu", name, text, (unsigned long long)min, (unsigned long long)max);
    *out = n;
    return OMEN_OK;
}

void cli_print_options(FILE *to, const char *names) {
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const option *o = &options[i];
        char left[64];
        if (names == NULL ? !o->general : !listed(names, key_of(o))) continue;
        int n = o->letter != 0 ? snprintf(left, sizeof left, "-%c, ", o->letter) : snprintf(left, sizeof left, "    ");
        snprintf(left + n, sizeof left - (size_t)n, "--%s%s%s", o->name, o->value == NULL ? "" : " ", o->value == NULL ? "" : o->value);
        fprintf(to, "  %-32s %s\n", left, o->help);
    }
}
