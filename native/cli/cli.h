/* cli/ - the command line `omendb`. It uses nothing but the public C API (and yyjson to read JSON).
 *
 *   main.c      runs a command; help, exit codes                 commands.c  the table of commands
 *   message.c   what went wrong                                  args.c      options and arguments
 *   database.c  opening a database and its collection            create.c    create, collections, drop
 *   records.c   upsert, get, delete, update, count               search.c    search; query.c: what it asks for; hits.c: what it found
 *   admin.c     flush, compact, check, stats, metrics            import.c    import; export.c: export
 *   index.c     index, explain, their parameters                 element.c   vectors as numbers
 *   batch.c     records gathered into a batch                    value.c     ids, numbers and vectors as text
 *   input.c     files read in pieces and lines                   output.c    JSON and tables; progress.c: the bar
 *   source*.c   records out of fvecs, npy, JSON lines, CSV       sink*.c     records into them
 *
 * Every file that is read is hostile: lengths are checked before anything is allocated, and what is wrong is refused
 * with its place. The program has one thread, so its message and its output are plain globals.
 */
#ifndef OMEN_CLI_H
#define OMEN_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "omendb.h"

/* Records are gathered until there are this many, or this many bytes. */
#define CLI_BATCH 1000u
#define CLI_BATCH_BYTES ((size_t)4 << 20)

/* Check and forward. */
#define CLI_TRY(expression)                                                                                            \
    do {                                                                                                               \
        omen_status status_ = (expression);                                                                            \
        if (status_ != OMEN_OK) return status_;                                                                        \
    } while (0)

/* ---- messages (message.c) ---- */

/* --quiet was given: no hints. */
extern bool cli_quiet;

/* Keeps what went wrong for the end of the program; answers s. */
__attribute__((format(printf, 2, 3))) omen_status cli_fail(omen_status s, const char *format, ...);
/* The same for an answer of the core: its own detail is kept. OK passes. */
omen_status cli_core(omen_status s);
/* Puts text before the message kept. */
__attribute__((format(printf, 1, 2))) void cli_before(const char *format, ...);
/* Puts text behind the message kept. */
__attribute__((format(printf, 1, 2))) void cli_after(const char *format, ...);
/* The status for errno after a failed action on a file of the user's. */
omen_status cli_errno(const char *doing, const char *path);
omen_status cli_no_memory(void);
/* The message kept; empty when there is none. */
const char *cli_message(void);
/* A hint on standard error, unless --quiet or --json. */
__attribute__((format(printf, 1, 2))) void cli_note(const char *format, ...);

/* ---- arguments (args.c) ---- */

typedef struct cli_command {
    const char *name;
    omen_status (*run)(void);
    const char *usage;          /* what follows the name */
    int min, max;               /* positional arguments; max -1: any number */
    const char *summary;        /* one line */
    const char *options;        /* names, separated by blanks; the general ones are allowed everywhere */
    const char *details;        /* paragraphs of help */
} cli_command;

/* commands.c */
extern const cli_command cli_commands[];
extern const size_t cli_command_count;

/* Reads the arguments of a command. OMEN_ERR_INVALID. */
omen_status cli_args_parse(const cli_command *command, int argc, char **argv);
void cli_args_free(void);
bool cli_wants_help(int argc, char **argv);
/* The i-th positional argument; NULL when there are fewer. */
const char *cli_positional(size_t i);
size_t cli_positional_count(void);
bool cli_given(const char *name);
/* The last value given; `fallback` when there is none. */
const char *cli_option(const char *name, const char *fallback);
/* The i-th value of an option given several times; NULL at the end. */
const char *cli_option_at(const char *name, size_t i);
omen_status cli_option_u64(const char *name, uint64_t min, uint64_t max, uint64_t fallback, uint64_t *out);
void cli_print_options(FILE *to, const char *names);

/* ---- databases (database.c) ---- */

/* MAINTAIN: to write, and maintenance happens only when the command does it. */
typedef enum cli_access { CLI_READ, CLI_WRITE, CLI_CREATE, CLI_MAINTAIN } cli_access;
/* Does `work` with what options and environment say, keys included; its failure is told as the core tells it. */
omen_status cli_database_with(cli_access access, omen_status (*work)(void *arg, const omen_options *o), void *arg);
/* Opens the database of the first argument as options and environment say. */
omen_status cli_database_open(cli_access access, omen_db **out);
/* Closes it; the first failure counts. */
omen_status cli_database_close(omen_db *db, omen_status s);
/* The collection of --collection, or the only one. Free with omen_collection_close. */
omen_status cli_collection_open(omen_db *db, omen_collection **out);
/* Its name: --collection, else the only one there is, else "" when there is none. Free with free(). */
omen_status cli_collection_choose(omen_db *db, char **name);
/* The document of omen_stats: free with free(). */
omen_status cli_stats_text(omen_db *db, char **text, size_t *len);
/* The vector field of --field, or the only one. */
omen_status cli_field_choose(const omen_collection *c, uint32_t *field);
/* OMEN_METRIC_* of a name; 0 when it is none. */
omen_metric cli_metric(const char *name);
const char *cli_metric_name(omen_metric m);

/* ---- vectors as numbers (element.c) ---- */

/* How many numbers a vector is written as: its dimensions, of bits its bytes. */
uint32_t cli_width(const omen_vector_field *f);
/* Bytes of a vector as omen_element says. */
size_t cli_vector_bytes(const omen_vector_field *f);
/* Numbers into a vector of the field's element. OMEN_ERR_INVALID with the first that is out of its range. */
omen_status cli_vector_pack(const omen_vector_field *f, const float *numbers, void *out);
/* A vector of the field's element as numbers; valid until the next call. */
const float *cli_vector_numbers(const omen_vector_field *f, const void *vector);
bool cli_element(const char *name, omen_element *out);
const char *cli_element_name(omen_element e);
/* --type, and --metric or its default. OMEN_ERR_INVALID. */
omen_status cli_type_option(omen_element *out);
omen_status cli_metric_option(omen_element e, omen_metric *out);

/* ---- indexes (index.c) ---- */

/* Whether any of the options of an index was given; what they say. OMEN_ERR_INVALID with the range. */
bool cli_index_given(void);
omen_status cli_index_options(omen_index_options *out);
/* --recall, --ef, --nprobe and --exact into a query. OMEN_ERR_INVALID. */
omen_status cli_effort_options(omen_query *q);
/* Runs a search and shows how it was answered. */
omen_status cli_explain(omen_collection *c, const omen_query *q);

/* ---- queries (query.c) ---- */

/* --filter; empty when it was not given. OMEN_ERR_INVALID. */
omen_status cli_filter_option(omen_str *out);
/* What a search may ask for besides a vector, as the JSON of omen_query.options: free *text with free(), on failure too. */
omen_status cli_query_options(char **text, size_t *len);
/* Whether it finds records without a vector: by words, a sparse vector or examples. */
bool cli_query_has_leg(void);

/* ---- hits (hits.c) ---- */

/* What a search found; `like`: a record that is left out, or NULL. At most k are shown; f: the field of the vectors, or NULL. */
void cli_hits_show(const omen_results *r, const omen_id *like, uint64_t k, const omen_vector_field *f);

/* ---- values (value.c) ---- */

/* 7 is an integer; "7" in quotes (JSON), or anything that is no integer, is a string. `scratch` (as long as the text)
 * takes an unquoted string. OMEN_ERR_ID, _JSON. */
omen_status cli_id_parse(const char *text, size_t len, char *scratch, omen_id *out);
/* The form that cli_id_parse reads back to the same id, as text. */
void cli_id_print(FILE *to, const omen_id *id);
bool cli_int_parse(const char *text, size_t len, int64_t *out);
/* The shortest decimal number that is the same f32; always valid JSON. `text` has at least 32 bytes. */
size_t cli_float_text(float value, char *text);
/* "[1, 2.5]": allocates (free with free()). OMEN_ERR_JSON, _DIMENSION, _NOT_FINITE. */
omen_status cli_vector_parse(const char *text, size_t len, float **out, uint32_t *dimensions);
/* The values of a JSON array of numbers into `out`; *count is how many there are, written only when equal to `want`.
 * `value` is a yyjson_val. False: not an array of numbers. */
bool cli_vector_read(void *value, float *out, uint32_t want, size_t *count);
/* The string `key` of a yyjson object; "" when there is none. */
const char *cli_member(void *object, const char *key);
bool cli_utf8_valid(const char *text, size_t len);

/* ---- output (output.c) ---- */

extern bool cli_json; /* --json */
void cli_json_begin(FILE *to);
void cli_json_end(void); /* and a newline */
void cli_json_object(void);
void cli_json_object_end(void);
void cli_json_array(void);
void cli_json_array_end(void);
void cli_json_key(const char *key);
void cli_json_str(const char *text, size_t len);
void cli_json_cstr(const char *text);
void cli_json_u64(uint64_t n);
void cli_json_bool(bool b);
void cli_json_id(const omen_id *id);
void cli_json_float(float f);
void cli_json_vector(const float *v, uint32_t dimensions);
/* JSON text as it is. */
void cli_json_raw(const char *text, size_t len);
/* A string with its quotes, outside of the writer. */
void cli_json_quote(FILE *to, const char *text, size_t len);
/* What one line of a terminal can show of a text: no control characters, at most `max` bytes. */
void cli_print_short(FILE *to, const char *text, size_t len, size_t max);
/* Ends standard output: OMEN_ERR_FULL or _IO when something of it could not be written. */
void cli_print_bytes(uint64_t n); /* 1536000 as "1.5 MiB", on standard output */
omen_status cli_output_end(void);

/* ---- progress (progress.c) ---- */

/* A bar on standard error: when that is a terminal, or with --progress. total 0: unknown. */
void cli_progress_begin(const char *what, uint64_t total);
void cli_progress(uint64_t done, uint64_t records);
void cli_progress_end(void);

/* ---- input (input.c) ---- */

typedef struct cli_input {
    const char *path; /* "-": standard input */
    int fd;
    uint64_t size; /* of a regular file; 0: unknown */
    uint64_t offset; /* bytes handed out so far */
    unsigned char *buffer;
    size_t start, end;
    bool eof;
    char *line; /* the last line */
    size_t line_capacity;
} cli_input;

omen_status cli_input_open(cli_input *in, const char *path);
void cli_input_close(cli_input *in);
/* Reads exactly len bytes; *got < len only at the end of the file. */
omen_status cli_input_read(cli_input *in, void *into, size_t len, size_t *got);
/* The next bytes without taking them: *got of at most `len` <= 64 KiB. */
omen_status cli_input_peek(cli_input *in, const unsigned char **bytes, size_t len, size_t *got);
/* The next byte, -1 at the end, -2 on failure (the message is kept). */
int cli_input_byte(cli_input *in);
/* Takes and throws away. */
omen_status cli_input_discard(cli_input *in, uint64_t len);
omen_status cli_input_discard_line(cli_input *in); /* up to the next line's beginning */
/* The next line without its end; *line NULL at the end of the file. OMEN_ERR_TOO_LARGE above `max`. */
omen_status cli_input_line(cli_input *in, size_t max, char **line, size_t *len);

/* ---- records coming in ---- */

typedef struct cli_record {
    bool has_id;
    omen_id id;
    uint32_t given;  /* bit f: vectors[f] is there */
    float *vectors[OMEN_MAX_VECTOR_FIELDS]; /* numbers: cli_width of them */
    omen_str document;
} cli_record;

/* A file as a stream of records. What a record points at lives until the next one is read. */
typedef struct cli_source cli_source;
struct cli_source {
    cli_input in;
    uint64_t row;    /* records read */
    uint64_t line;   /* line of the last record, 0 for binary files */
    uint64_t rows;   /* how many there are, 0: unknown */
    uint32_t dimensions; /* numbers of the first record's vector; 0: it has none. Known after opening. */
    const omen_schema *schema; /* set by cli_source_bind */
    uint32_t field;            /* the field that binary files and --vector-columns fill */
    float *vectors[OMEN_MAX_VECTOR_FIELDS];
    /* *end: there was no further record. */
    omen_status (*next)(cli_source *s, cli_record *r, bool *end);
    /* Leaves out the next record, whatever is in it; before the schema is known. *end: there was none. Fails when the file cannot be read. */
    omen_status (*skip)(cli_source *s, bool *end);
    /* May be NULL: reads the next record ahead as far as `dimensions` take. */
    omen_status (*look)(cli_source *s);
    /* May be NULL: what the format checks once the schema is known. */
    omen_status (*bind)(cli_source *s);
    void (*close)(cli_source *s);
};

/* Opens a file; format NULL: by its name. */
omen_status cli_source_open(const char *path, const char *format, cli_source **out);
/* The same without the first `skip` records; nothing is asked of what is in them. */
omen_status cli_source_open_after(const char *path, const char *format, uint64_t skip, cli_source **out);
/* Tells the schema of the records; to be called before the first one is read. */
omen_status cli_source_bind(cli_source *s, const omen_schema *schema, uint32_t field);
/* Reads the next record; failures name file and place. */
omen_status cli_source_next(cli_source *s, cli_record *r, bool *end);
void cli_source_close(cli_source *s);
/* Which format a name ends with; NULL when it says nothing. */
const char *cli_format_of(const char *path);

/* One for each format: they take over `in` on success. */
omen_status cli_source_fvecs(cli_input *in, cli_source **out);
omen_status cli_source_npy(cli_input *in, cli_source **out);
omen_status cli_source_jsonl(cli_input *in, cli_source **out);
omen_status cli_source_csv(cli_input *in, cli_source **out);

/* A record's text as one JSON object. What `r` points at lies in `text`, the arrays of `s` and `arena`-like buffers of
 * the caller: *document and *scratch are kept between calls and freed by the caller with free(). */
typedef struct cli_record_text {
    char *document, *id;
    size_t document_capacity, id_capacity;
} cli_record_text;
omen_status cli_record_parse(const char *text, size_t len, const char *id_field, const omen_schema *schema,
                             float *const *vectors, cli_record_text *kept, cli_record *r);
void cli_record_text_free(cli_record_text *kept);

/* ---- batches (batch.c) ---- */

typedef struct cli_batch {
    const omen_schema *schema;
    size_t count, capacity, bytes;
    uint32_t given;
    omen_id *ids;
    omen_str *documents;
    void *vectors[OMEN_MAX_VECTOR_FIELDS]; /* as omen_element says */
    /* The text of ids and documents. It moves while it grows, so until the batch is written there are places in it. */
    char *text;
    size_t text_len, text_capacity;
    size_t *places; /* two for each record */
} cli_batch;

void cli_batch_init(cli_batch *b, const omen_schema *schema);
void cli_batch_free(cli_batch *b);
/* Whether the record must wait for the next batch: this one is full, or has other fields. */
bool cli_batch_full(const cli_batch *b, const cli_record *r, size_t limit);
omen_status cli_batch_add(cli_batch *b, const cli_record *r);
/* Writes the batch and empties it. */
omen_status cli_batch_write(cli_batch *b, omen_collection *c, omen_write_mode mode, uint64_t *commit);
omen_status cli_write_mode(omen_write_mode *out);

/* ---- records going out ---- */

/* A file that records are written into. */
typedef struct cli_sink cli_sink;
struct cli_sink {
    FILE *to;
    char *path, *partial; /* NULL: standard output */
    const omen_schema *schema;
    uint32_t field;
    uint64_t total; /* how many records there will be */
    uint64_t rows;
    omen_status (*begin)(cli_sink *s);
    omen_status (*record)(cli_sink *s, const omen_results *r, size_t i);
    omen_status (*end)(cli_sink *s);
};

extern const cli_sink cli_sink_jsonl, cli_sink_csv, cli_sink_fvecs, cli_sink_npy;

/* ---- the commands ---- */

omen_status cli_run_create(void);
omen_status cli_run_collections(void);
omen_status cli_run_drop(void);
omen_status cli_run_import(void);
omen_status cli_run_export(void);
omen_status cli_run_upsert(void);
omen_status cli_run_get(void);
omen_status cli_run_delete(void);
omen_status cli_run_update(void);
omen_status cli_run_expire(void);
omen_status cli_run_count(void);
omen_status cli_run_search(void);
omen_status cli_run_explain(void);
omen_status cli_run_index(void);
omen_status cli_run_flush(void);
omen_status cli_run_compact(void);
omen_status cli_run_check(void);
omen_status cli_run_repair(void);
omen_status cli_run_rotate_key(void);

omen_status cli_run_backup(void);
omen_status cli_run_backups(void);
omen_status cli_run_restore(void);
omen_status cli_run_clone(void);
omen_status cli_run_purge(void);

/* The ids after the first argument; both are the caller's to free, also on failure (records.c). */
omen_status cli_ids_read(omen_id **ids, char **text);

/* ---- keys (key.c) ---- */

/* The key of --key-file or OMENDB_KEY; whoever asked wipes it. */
omen_status cli_key(omen_encryption *e, bool *given);
/* The same of --new-key-file and OMENDB_NEW_KEY: the key that what is made is to have. */
omen_status cli_new_key(omen_encryption *e, bool *given);
omen_status cli_run_stats(void);
omen_status cli_run_metrics(void);

#endif
