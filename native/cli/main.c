/* main.c - the commands, their help, and how the program ends.
 *
 * The exit code is the status (include/omendb_status.h): 0 is success, 10 an argument out of its range, 30 a database
 * that another program has open, and so on. Results go to standard output, everything else to standard error.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define READING "collection field "
#define SHOWN "include-vector no-metadata "
#define INDEX "index index-m index-ef index-codec index-lists index-bits "
#define EFFORT "recall ef nprobe exact "
#define QUERY                                                                                                                        \
    "vector vector-file row id k filter words text-fields operator typos no-typos prefix sparse-query multi-query positive negative like-field like-by " \
    "rerank rerank-candidates fusion alpha weights rrf-k max-distance min-score mmr mmr-candidates group-by group-size group-missing order-by descending facets highlight "              \
    "highlight-fields highlight-length highlight-fragments plan deadline-ms "

const cli_command cli_commands[] = {
    {"create", cli_run_create, "DATABASE", 1, 1, "create a database, or a collection in it",
     "collection dimensions metric type vector-field text sparse multi ttl database-id " INDEX,
     "Makes the folder DATABASE. With --dimensions it also makes a collection of vectors of that length; with several\n"
     "--vector-field NAME:DIMENSIONS[:METRIC[:TYPE]] one that has several vectors in each record. A collection can be added to\n"
     "a database that is there already. Vectors of --type i8 are integers from -128 to 127; those of bit are written as bytes,\n"
     "each of 8 dimensions, the lowest bit first. --index says how vectors are to be found; `omendb help index` tells more.\n\n"
     "  omendb create notes --collection notes --dimensions 384 --metric cosine\n"
     "  omendb create shop --collection items --vector-field title:384 --vector-field photo:512:l2 --text body"},
    {"import", cli_run_import, "DATABASE FILE", 2, 2, "read records from fvecs, npy, JSON lines or CSV",
     "collection dimensions metric type field format id-field ids first-id skip limit batch mode vector-columns strings "
     "progress no-progress " INDEX,
     "FILE is .fvecs, .npy, .jsonl (or .ndjson) or .csv; - is standard input and needs --format. A database or collection\n"
     "that is not there is created, with as many dimensions as the first vector has.\n\n"
     "  fvecs, npy   one vector a row; ids are row numbers from --first-id (0), or the lines of the file --ids\n"
     "  JSON lines   {\"id\": 7, \"vector\": [1, 2], \"title\": \"...\"}: what is neither id nor vector is metadata\n"
     "  CSV          a header line; the vector is a JSON array in the column \"vector\", or lies in the columns v0, v1, ...\n"
     "               (another prefix: --vector-columns); numbers, true and false keep their type unless --strings; a\n"
     "               column \"document\" may hold a JSON object of metadata; empty cells are left out\n\n"
     "Indexes are built while the import runs and by every program that writes later; `omendb index` builds what is left.\n\n"
     "A record of JSON lines or CSV without an id gets its row number too; --id-field names the key or column of the id.\n\n"
     "Records are written in batches, each whole or not at all. When a record is refused, what was written before stays, and\n"
     "the message says with which --skip to go on.\n\n"
     "  omendb import sift base.fvecs --metric l2\n"
     "  zcat notes.jsonl.gz | omendb import notes - --format jsonl --id-field key"},
    {"export", cli_run_export, "DATABASE [FILE]", 1, 2, "write records as JSON lines, CSV, fvecs or npy",
     "collection field format ids filter limit force progress no-progress ",
     "Writes all records, or those of --filter, in the order of their ids, to standard output when there is no FILE (then --format says how; JSON\n"
     "lines when left out). FILE appears when it is complete. fvecs and npy hold the vectors of one field only; --ids writes\n"
     "the ids beside them, one a line.\n\n"
     "  omendb export notes notes.jsonl\n"
     "  omendb export notes vectors.npy --ids ids.txt"},
    {"upsert", cli_run_upsert, "DATABASE [RECORD...]", 1, -1, "put records given as JSON",
     "collection id-field mode ",
     "Each RECORD is a JSON object: {\"id\": 7, \"vector\": [1, 2], \"title\": \"...\"}. Without any they are read from standard\n"
     "input, one a line. All of them are one batch: all are written, or none.\n\n"
     "  omendb upsert notes '{\"id\": \"a\", \"vector\": [0.1, 0.2], \"title\": \"first\"}'"},
    {"search", cli_run_search, "DATABASE", 1, 1, "find records by vectors, words and filters",
     READING SHOWN EFFORT QUERY,
     "The vector is --vector '[0.1, 0.2]', or row --row (0) of --vector-file (fvecs, npy, JSON lines, CSV), or the one of the\n"
     "record --id, which is then left out of the answer. Smaller distances and larger scores are nearer. Distances are exact;\n"
     "where there is an index it may miss some of the nearest: --recall says what share is to be found, --exact that all are.\n\n"
     "--text finds words in the collection's text fields, alone or together with a vector: then both rankings become one. So do\n"
     "--sparse, --multi, and --positive and --negative, which search by example. --filter takes only records whose metadata match; docs/QUERIES.md\n"
     "tells all of it.\n\n"
     "  omendb search notes --vector '[0.1, 0.2]' -k 5\n"
     "  omendb search notes --text 'tea shop' --filter \"year >= 2020 AND lang IN ('en', 'de')\" --highlight --facets lang,tags\n"
     "  omendb search notes --id a --json"},
    {"explain", cli_run_explain, "DATABASE", 1, 1, "show how a search is answered", READING EFFORT QUERY,
     "Takes what `omendb search` takes, runs the search, and shows what became of the filter, and for memory and each segment how\n"
     "many rows there are, which index answered, why that one, its effort, and what it did.\n\n"
     "  omendb explain notes --vector '[0.1, 0.2]' --recall 0.99"},
    {"index", cli_run_index, "DATABASE", 1, 1, "build the indexes that are due, or change one",
     "collection field no-build progress no-progress " INDEX,
     "Builds every index that is due and lists all there are. With --index KIND the field's index is changed first; what is\n"
     "left out is chosen from the data.\n\n"
     "  auto   chosen for each segment by rows, dimensions and memory     flat   none: every record is compared\n"
     "  hnsw   a graph over 8-bit codes in memory                          disk   a graph read from storage on demand\n"
     "  ivf    lists of codes around centroids: little memory\n\n"
     "  omendb index notes\n"
     "  omendb index notes --index hnsw --index-m 24 --index-ef 200"},
    {"get", cli_run_get, "DATABASE ID...", 2, -1, "show records by their ids", "collection " SHOWN,
     "7 is the integer 7 and '\"7\"' the string. The exit code is 20 when one of the ids is not there.\n\n"
     "  omendb get notes a b --include-vector"},
    {"delete", cli_run_delete, "DATABASE [ID...]", 1, -1, "delete records by their ids or a filter", "collection filter ",
     "7 is the integer 7 and '\"7\"' the string. Ids that are not there are no error. Instead of ids, --filter says which.\n\n"
     "  omendb delete notes a b\n"
     "  omendb delete notes --filter 'year < 2000'"},
    {"update", cli_run_update, "DATABASE", 1, 1, "change the metadata of the records that a filter selects", "collection filter set ",
     "--set is merged into the metadata of each record (RFC 7396: null removes a key). All of them are changed, or none.\n"
     "Records by their ids are changed by `omendb upsert --mode update`.\n\n"
     "  omendb update notes --filter \"lang = 'js'\" --set '{\"lang\": \"javascript\", \"draft\": null}'"},
    {"expire", cli_run_expire, "DATABASE", 1, 1, "delete the records whose time to live is over", "collection ",
     "That time stands in the metadata, at the path that `omendb create --ttl PATH` named. No search, count or export sees such records\n"
     "any more; this makes room."},
    {"count", cli_run_count, "DATABASE", 1, 1, "count the records of a collection", "collection filter ", "All of them, or those that --filter selects."},
    {"collections", cli_run_collections, "DATABASE", 1, 1, "list the collections and their schemas", "", ""},
    {"drop", cli_run_drop, "DATABASE COLLECTION", 2, 2, "drop a collection with all its records", "force ",
     "Asks before it does so when it runs in a terminal, unless --force is given; elsewhere --force is needed."},
    {"flush", cli_run_flush, "DATABASE", 1, 1, "write what is in memory to segments", "", ""},
    {"compact", cli_run_compact, "DATABASE", 1, 1, "merge segments and drop deleted records", "", ""},
    {"backup", cli_run_backup, "DATABASE PLACE", 2, 2, "add a backup to a place of backups", "verify plain progress no-progress ",
     "PLACE is a folder of its own; it is made when it is absent. Only what no earlier backup has is copied, and all that is copied is read back. Another\n"
     "program may be writing the database. --verify reads what earlier backups put there too, and mends it. Backups of an encrypted database are encrypted\n"
     "with its key, unless --plain is given.\n\n"
     "  omendb backup notes /backups/notes"},
    {"backups", cli_run_backups, "PLACE", 1, 1, "list the backups of a place, or remove one", "verify holds collection remove ",
     "With --verify everything is read; the exit code is 50 when something is damaged.\n"
     "With --holds ID (several times) it looks into each backup and tells how many of these ids of the --collection it has.\n\n"
     "  omendb backups /backups/notes --verify\n"
     "  omendb backups /backups/notes --collection notes --holds a --holds b\n"
     "  omendb backups /backups/notes --remove 3"},
    {"restore", cli_run_restore, "PLACE DATABASE", 2, 2, "make a database of a backup", "backup plain progress no-progress ",
     "The latest one, or that of --backup. DATABASE must be absent or empty: nothing is ever overwritten. Everything is verified.\n\n"
     "  omendb restore /backups/notes notes\n"
     "  omendb restore /backups/notes notes-of-monday --backup 3"},
    {"clone", cli_run_clone, "DATABASE NEW", 2, 2, "make a second database of one", "plain progress no-progress ",
     "NEW gets an id of its own; it must be absent or empty. Another program may be writing DATABASE.\n\n"
     "  omendb clone notes notes-to-try-things"},
    {"purge", cli_run_purge, "DATABASE ID...", 2, -1, "erase records for good", "collection ",
     "Deletes them, rewrites every file that still has bytes of any version of them, and scans what is left. Ids that were deleted before are erased too.\n"
     "Backups keep what they have: remove them with `omendb backups --remove`. docs/BACKUP.md says what disks may keep.\n\n"
     "  omendb purge notes a b"},
    {"check", cli_run_check, "DATABASE", 1, 1, "read everything and verify every checksum", "",
     "Shows every place that is damaged, and what is lost with it, also of a database that cannot be opened any more. The exit code is\n"
     "50 when something is damaged. Nothing is changed."},
    {"repair", cli_run_repair, "DATABASE", 1, 1, "keep what can be kept of a damaged database", "write cut ",
     "Shows what is damaged, and what repairing loses; the exit code is 50 then. With --write it is done: what can be read is written\n"
     "anew, without the records that cannot, and all that is derived from them is made again. Copy the folder before. Of a damaged\n"
     "log whole writes behind the damage are kept, too, unless --cut is given: then the database is as it once was.\n\n"
     "  omendb repair notes\n"
     "  omendb repair notes --write"},
    {"rotate-key", cli_run_rotate_key, "DATABASE", 1, 1, "put an encrypted database under another key", "new-key-file new-key-id ",
     "The present key comes from --key-file or the variable OMENDB_KEY, the new one from --new-key-file or OMENDB_NEW_KEY. Only the headers\n"
     "of the files are written, and nothing is lost if that is cut off: ask again to finish it. docs/ENCRYPTION.md tells all of it.\n\n"
     "  omendb rotate-key notes --key-file old.key --new-key-file new.key"},
    {"stats", cli_run_stats, "DATABASE", 1, 1, "show collections, segments and sizes", "", ""},
    {"metrics", cli_run_metrics, "DATABASE", 1, 1, "show metrics as JSON or Prometheus text", "prometheus label ",
     "Metrics count what a process does with a database, so here they tell of the opening alone; programs that keep a\n"
     "database open read them with omen_metrics() or db.metrics()."},
};
const size_t cli_command_count = sizeof cli_commands / sizeof *cli_commands;

/* ---- messages ---- */

static char message[2048];
static bool quiet;

static void prepend(const char *text) {
    size_t n = strlen(text), m = strlen(message);
    if (n >= sizeof message) n = sizeof message - 1;
    if (n + m >= sizeof message) m = sizeof message - 1 - n;
    memmove(message + n, message, m);
    memcpy(message, text, n);
    message[n + m] = '\0';
}

omen_status cli_fail(omen_status s, const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    return s;
}

/* A database that stopped writing tells why, "... (OMEN_ERR_FULL: ...)": that is what the program ends with. */
static omen_status cause(omen_status s) {
    const char *at = s == OMEN_ERR_POISONED ? strstr(message, "(OMEN_ERR_") : NULL;
    size_t n = at == NULL ? 0 : strcspn(at + 1, ":)");
#define X(name, value, text)                                                                                           \
    if (n == sizeof("OMEN_" #name) - 1 && memcmp(at + 1, "OMEN_" #name, n) == 0) return OMEN_##name;
    OMEN_STATUS_MAP(X)
#undef X
    return s;
}

omen_status cli_core(omen_status s) {
    if (s == OMEN_OK) return s;
    snprintf(message, sizeof message, "%s", omen_last_error());
    return cause(s);
}

void cli_before(const char *format, ...) {
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    prepend(text);
}

void cli_after(const char *format, ...) {
    size_t at = strlen(message);
    va_list list;
    va_start(list, format);
    vsnprintf(message + at, sizeof message - at, format, list);
    va_end(list);
}

omen_status cli_errno(const char *doing, const char *path) {
    int error = errno;
    const char *hint = "";
    omen_status s = OMEN_ERR_IO;
    if (error == ENOENT) s = OMEN_ERR_NOT_FOUND, hint = "; check the path";
    else if (error == EEXIST) s = OMEN_ERR_EXISTS;
    else if (error == ENOSPC || error == EDQUOT || error == EFBIG) s = OMEN_ERR_FULL, hint = "; free some space";
    else if (error == EACCES || error == EPERM) hint = "; ask for the permission";
    else if (error == EISDIR || error == ENOTDIR) s = OMEN_ERR_INVALID, hint = "; give the path of a file";
    else if (error == ENOMEM) s = OMEN_ERR_MEMORY;
    return cli_fail(s, "%s %s: %s%s", doing, path, strerror(error), hint);
}

omen_status cli_no_memory(void) {
    return cli_fail(OMEN_ERR_MEMORY, "out of memory; close other programs, or use smaller batches");
}

void cli_note(const char *format, ...) {
    if (quiet || cli_json) return;
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
}

static int end_with(omen_status s) {
    if (s == OMEN_OK) return 0;
    fflush(stdout); /* what was found stands before what went wrong */
    const char *text = message[0] == '\0' ? omen_status_message(s) : message;
    if (cli_json) {
        cli_json_begin(stderr);
        cli_json_object();
        cli_json_key("code");
        cli_json_cstr(omen_status_name(s));
        cli_json_key("status");
        cli_json_u64((uint64_t)s);
        cli_json_key("message");
        cli_json_cstr(text);
        cli_json_object_end();
        cli_json_end();
    } else {
        fprintf(stderr, "omendb: %s: %s\n", omen_status_name(s), text);
    }
    return (int)s;
}

/* ---- help ---- */

static void print_overview(FILE *to) {
    fputs("omendb - an embedded vector database\n\nusage: omendb COMMAND DATABASE [...] [OPTIONS]\n\nA database is a folder. "
          "It holds collections of records; a record is an id, a vector, and metadata (JSON).\n\ncommands\n",
          to);
    for (size_t i = 0; i < cli_command_count; i++) fprintf(to, "  %-12s %s\n", cli_commands[i].name, cli_commands[i].summary);
    fputs("  version      show the version\n  help         show this, or the help of a command\n\noptions of every command\n", to);
    cli_print_options(to, NULL);
    fputs("\nThe variables OMENDB_PROFILE, OMENDB_DURABILITY, OMENDB_READ_ONLY, OMENDB_POOL_BYTES, OMENDB_MEMTABLE_BYTES,\n"
          "OMENDB_MEMORY_BYTES, OMENDB_INDEX_BYTES, OMENDB_KEY and OMENDB_KEY_ID set what no option sets. OMENDB_THREADS limits the threads; OMENDB_LOG=info shows log lines.\n\n"
          "begin with\n"
          "  omendb create notes --dimensions 2\n"
          "  omendb upsert notes '{\"id\": \"a\", \"vector\": [1, 0], \"title\": \"east\"}' '{\"id\": \"b\", \"vector\": [0, 1]}'\n"
          "  omendb search notes --vector '[0.9, 0.1]'\n\n"
          "The exit code is 0, or the number of the error: `omendb help errors` lists them.\n",
          to);
}

static void print_errors(void) {
#define X(name, value, text)                                                                                           \
    if (value >= 10) printf("  %3d  OMEN_%-18s %s\n", value, #name, text);
    OMEN_STATUS_MAP(X)
#undef X
}

static const cli_command *find(const char *name) {
    for (size_t i = 0; i < cli_command_count; i++)
        if (strcmp(cli_commands[i].name, name) == 0) return &cli_commands[i];
    return NULL;
}

static omen_status unknown(const char *name) {
    return cli_fail(OMEN_ERR_INVALID, "there is no command \"%.100s\"; `omendb help` lists them", name);
}

static omen_status help(const char *name) {
    if (name == NULL || strcmp(name, "help") == 0) {
        print_overview(stdout);
        return OMEN_OK;
    }
    if (strcmp(name, "errors") == 0) {
        print_errors();
        return OMEN_OK;
    }
    if (strcmp(name, "version") == 0) {
        puts("usage: omendb version [--json]\n\nShows the version, the file format and the kernels in use.");
        return OMEN_OK;
    }
    const cli_command *c = find(name);
    if (c == NULL) return unknown(name);
    printf("usage: omendb %s %s [OPTIONS]\n\n%s\n", c->name, c->usage, c->summary);
    if (c->details[0] != '\0') printf("\n%s\n", c->details);
    if (c->options[0] != '\0') {
        puts("\noptions");
        cli_print_options(stdout, c->options);
    }
    puts("\noptions of every command");
    cli_print_options(stdout, NULL);
    return OMEN_OK;
}

static omen_status version(void) {
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_object();
        cli_json_key("version");
        cli_json_cstr(omen_version());
        cli_json_key("format");
        cli_json_u64(OMEN_FORMAT_VERSION);
        cli_json_key("kernels");
        cli_json_cstr(omen_kernels_name());
        cli_json_object_end();
        cli_json_end();
    } else {
        printf("omendb %s (file format %u, kernels %s)\n", omen_version(), OMEN_FORMAT_VERSION, omen_kernels_name());
    }
    return OMEN_OK;
}

static omen_status run(int argc, char **argv) {
    static const cli_command plain = {.name = "version", .usage = "", .options = "", .max = 0, .details = ""};
    static const cli_command helping = {.name = "help", .usage = "[COMMAND]", .options = "", .max = 1, .details = ""};
    if (argc < 2) {
        print_overview(stderr);
        return cli_fail(OMEN_ERR_INVALID, "no command was given");
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return help(NULL);
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        if (cli_wants_help(argc - 2, argv + 2)) return help("version");
        CLI_TRY(cli_args_parse(&plain, argc - 2, argv + 2));
        return version();
    }
    if (strcmp(name, "help") == 0) {
        CLI_TRY(cli_args_parse(&helping, argc - 2, argv + 2));
        return help(cli_positional(0));
    }
    const cli_command *c = find(name);
    if (c == NULL) return unknown(name);
    if (cli_wants_help(argc - 2, argv + 2)) return help(name);
    omen_status s = cli_args_parse(c, argc - 2, argv + 2);
    if (s != OMEN_OK) return s;
    quiet = cli_given("quiet");
    return c->run();
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN); /* a reader that leaves (| head) is found by the failing write */
    signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow */
    for (int i = 1; i < argc; i++) cli_json = cli_json || strcmp(argv[i], "--json") == 0; /* also for errors of the arguments */
    omen_status s = run(argc, argv);
    if (s == OMEN_OK) s = cli_output_end();
    cli_progress_end();
    cli_args_free();
    return end_with(s);
}
