/* main.c - finds the command and runs it; help, and how the program ends.
 *
 * The exit code is the status (include/omendb_status.h): 0 is success, 10 an argument out of its range, 30 a database
 * that another program has open, and so on. Results go to standard output, everything else to standard error.
 */
#include <signal.h>
#include <string.h>

#include "cli/cli.h"

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
    cli_quiet = cli_given("quiet");
    s = c->run();
    /* Also where it is found by chance, in the middle of a search: what to do about it. */
    if (s == OMEN_ERR_CORRUPT && strcmp(name, "restore") != 0 && strstr(cli_message(), "omendb ") == NULL && strstr(cli_message(), "from a backup") == NULL)
        cli_after("; `omendb check %.200s` tells all that is damaged", cli_positional(0));
    return s;
}

/* ---- the end ---- */

static int end_with(omen_status s) {
    if (s == OMEN_OK) return 0;
    fflush(stdout); /* what was found stands before what went wrong */
    const char *text = cli_message()[0] == '\0' ? omen_status_message(s) : cli_message();
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
