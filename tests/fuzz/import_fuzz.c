/* Files of arbitrary bytes as the command line imports them. Byte 0: bits 0-1 the format, bit 2 a pipe, whose size is not known, bit 3 another --id-field, bit 4 --vector-columns, bit 5
 * --strings, bit 6 the collection has the dimensions of the file (else three), bit 7 vectors of 8-bit integers. Byte 1: how many bytes a read answers at most, 0: all. Byte 2: 0, or after how
 * many bytes reading fails. What follows is the file.
 *
 * Every record is well-formed: its id is one, its document is empty or an object, its vectors are those of the schema. The same bytes in portions give the same records and the same message,
 * so does a pipe instead of a file but for what is said of a size; leaving out the first records gives the others. Nothing is allocated that the file's size does not account for. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* input.c reads this instead of files, through a buffer that is full soon. */
static int memory_open(const char *path);
static int memory_stat(int fd, struct stat *st);
static ssize_t memory_read(int fd, void *into, size_t len);
#include <errno.h>
#include <fcntl.h>
#define open(path, flags) memory_open(path)
#define close(fd) ((void)(fd))
#define fstat(fd, st) memory_stat(fd, st)
#define read(fd, into, len) memory_read(fd, into, len)
#define CLI_INPUT_BUFFER 61u
#include "cli/input.c"
#undef open
#undef close
#undef fstat
#undef read

#include <stdarg.h>

#include <yyjson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS = 512, NAME = 8 };

/* ---- the file ---- */

static struct {
    const uint8_t *bytes;
    size_t size, at, portion, fails_at; /* fails_at 0: never */
    bool pipe;
} file;

static struct {
    bool key, columns, strings;
} given;

static int memory_open(const char *path) { return path == NULL ? -1 : 3; }

static int memory_stat(int fd, struct stat *st) {
    memset(st, 0, sizeof *st);
    st->st_mode = file.pipe || fd != 3 ? S_IFIFO : S_IFREG;
    st->st_size = (off_t)file.size;
    return 0;
}

static ssize_t memory_read(int fd, void *into, size_t len) {
    static bool interrupted;
    interrupted = file.portion != 0 && !interrupted;
    if (interrupted || fd != 3) {
        errno = EINTR;
        return -1;
    }
    if (file.fails_at != 0 && file.at >= file.fails_at) {
        errno = EIO;
        return -1;
    }
    if (file.portion != 0 && len > file.portion) len = file.portion;
    if (len > file.size - file.at) len = file.size - file.at;
    if (len != 0) memcpy(into, file.bytes + file.at, len);
    file.at += len;
    return (ssize_t)len;
}

/* ---- what main.c and args.c have otherwise ---- */

static char message[2048];

__attribute__((format(printf, 1, 0))) static void say(const char *format, va_list args) { vsnprintf(message, sizeof message, format, args); }

omen_status cli_fail(omen_status s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    return s;
}

void cli_before(const char *format, ...) {
    char old[sizeof message];
    va_list args;
    memcpy(old, message, sizeof old);
    va_start(args, format);
    say(format, args);
    va_end(args);
    size_t n = strlen(message);
    memcpy(message + n, old, sizeof old - n);
    message[sizeof message - 1] = '\0';
}

omen_status cli_errno(const char *doing, const char *path) { return cli_fail(OMEN_ERR_IO, "%s %s failed", doing, path); }
omen_status cli_no_memory(void) { return cli_fail(OMEN_ERR_MEMORY, "no memory"); }
omen_status cli_core(omen_status s) { return s; }

const char *cli_option(const char *name, const char *fallback) {
    if (given.key && strcmp(name, "id-field") == 0) return "key";
    if (given.columns && strcmp(name, "vector-columns") == 0) return "x";
    return fallback;
}

bool cli_given(const char *name) {
    return (given.key && strcmp(name, "id-field") == 0) || (given.columns && strcmp(name, "vector-columns") == 0) || (given.strings && strcmp(name, "strings") == 0);
}

omen_metric cli_metric(const char *name) { return name == NULL ? 0 : OMEN_METRIC_L2; }

/* ---- what is checked ---- */

static void must(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "import_fuzz: %s (%s)\n", what, message);
    abort();
}

/* All that a reading gave, in order: each record as bytes, and how it ended. */
typedef struct reading {
    char *bytes;
    size_t len, capacity;
    size_t ends[RECORDS]; /* of records in bytes */
    size_t count;
    omen_status status;
    char said[sizeof message];
} reading;

static void keep(reading *g, const void *bytes, size_t len) {
    if (g->len + len > g->capacity) {
        g->capacity = 2 * (g->len + len);
        g->bytes = realloc(g->bytes, g->capacity);
        must(g->bytes != NULL, "memory");
    }
    if (len != 0) memcpy(g->bytes + g->len, bytes, len);
    g->len += len;
}

static void well_formed(const cli_record *r, const omen_schema *schema) {
    must(r->given >> schema->vector_count == 0, "a vector of no field");
    for (uint32_t f = 0; f < schema->vector_count; f++) must(((r->given >> f & 1u) != 0) == (r->vectors[f] != NULL), "a vector that is said to be there");
    if (r->has_id && r->id.text.data != NULL)
        must(r->id.text.len >= 1 && r->id.text.len <= OMEN_MAX_ID && cli_utf8_valid(r->id.text.data, r->id.text.len), "an id that is none");
    if (r->document.len == 0) return;
    must(cli_utf8_valid(r->document.data, r->document.len), "a document that is no UTF-8");
    yyjson_doc *doc = yyjson_read(r->document.data, r->document.len, YYJSON_READ_NOFLAG);
    must(yyjson_is_obj(yyjson_doc_get_root(doc)), "a document that is no object");
    yyjson_doc_free(doc);
}

static void keep_record(reading *g, const cli_record *r, const omen_schema *schema) {
    keep(g, &r->has_id, sizeof r->has_id);
    keep(g, &r->id.number, sizeof r->id.number);
    keep(g, &r->id.text.len, sizeof r->id.text.len);
    keep(g, r->id.text.data, r->id.text.len);
    keep(g, &r->given, sizeof r->given);
    keep(g, &r->document.len, sizeof r->document.len);
    keep(g, r->document.data, r->document.len);
    for (uint32_t f = 0; f < schema->vector_count; f++)
        if (r->vectors[f] != NULL) keep(g, r->vectors[f], cli_width(&schema->vectors[f]) * sizeof(float));
}

static omen_status all(cli_source *s, omen_schema *schema, bool as_file, reading *g) {
    cli_batch batch;
    cli_record r;
    bool end = false;
    omen_status status;
    if (as_file && s->dimensions != 0) ((omen_vector_field *)(uintptr_t)schema->vectors)[0].dimensions = s->dimensions;
    CLI_TRY(cli_source_bind(s, schema, 0));
    cli_batch_init(&batch, schema);
    while ((status = cli_source_next(s, &r, &end)) == OMEN_OK && !end && g->count < RECORDS) {
        well_formed(&r, schema);
        keep_record(g, &r, schema);
        if (cli_batch_full(&batch, &r, 8)) batch.count = batch.bytes = batch.text_len = 0;
        size_t before = batch.count;
        message[0] = '\0';
        if (cli_batch_add(&batch, &r) != OMEN_OK) must(batch.count == before && message[0] != '\0', "a record that is refused without a word");
        g->ends[g->count++] = g->len;
    }
    cli_batch_free(&batch);
    return status;
}

static void read_all(reading *g, const char *format, unsigned flags, uint64_t skip) {
    omen_vector_field fields[] = {
        {.name = {"vector", 6}, .dimensions = 3, .metric = OMEN_METRIC_L2, .element = (flags & 128) != 0 ? OMEN_ELEMENT_I8 : OMEN_ELEMENT_F32},
        {.name = {"b", 1}, .dimensions = 16, .metric = OMEN_METRIC_HAMMING, .element = OMEN_ELEMENT_BIT},
    };
    omen_schema schema = {.vectors = fields, .vector_count = 2};
    cli_source *s = NULL;
    memset(g, 0, sizeof *g);
    message[0] = '\0';
    file.at = 0;
    g->status = cli_source_open_after("file", format, skip, &s);
    must((g->status == OMEN_OK) == (s != NULL), "a source that is open, or is not");
    if (s != NULL) {
        message[0] = '\0';
        g->status = all(s, &schema, (flags & 64) != 0, g);
        cli_source_close(s);
    }
    if (g->status == OMEN_OK) return;
    must(message[0] != '\0', "a failure without a message");
    must(g->status != OMEN_ERR_MEMORY, "no memory for a small file");
    memcpy(g->said, message, sizeof message);
}

static void same(const reading *a, const reading *b, const char *what) {
    must(a->count == b->count && a->status == b->status && strcmp(a->said, b->said) == 0, what);
    must(a->len == b->len && (a->len == 0 || memcmp(a->bytes, b->bytes, a->len) == 0), what);
}

/* b left out the first `skip` records, all of which a has. */
static void same_tail(const reading *a, const reading *b, size_t skip) {
    size_t from = skip == 0 ? 0 : a->ends[skip - 1];
    must(a->count == b->count + skip, "another number of records behind those left out");
    must(a->len - from == b->len && (b->len == 0 || memcmp(a->bytes + from, b->bytes, b->len) == 0), "other records behind those left out");
    must(a->status == b->status, "another end behind those left out");
}

/* ---- allocations, where the sanitizer tells them ---- */

int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t), void (*on_free)(const volatile void *)) __attribute__((weak));
static size_t largest_allowed;

static void on_malloc(const volatile void *p, size_t size) {
    (void)p;
    if (largest_allowed != 0 && size > largest_allowed) abort(); /* wild */
}

static void on_free(const volatile void *p) { (void)p; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const formats[] = {"csv", "jsonl", "fvecs", "npy"};
    static bool watched;
    static reading whole, portions, fails, tail;
    if (size < 3) return 0;
    if (!watched && __sanitizer_install_malloc_and_free_hooks != NULL) __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    watched = true;
    unsigned flags = data[0];
    const char *format = formats[flags & 3];
    file.bytes = data + 3;
    file.size = size - 3;
    file.portion = file.fails_at = 0;
    file.pipe = (flags & 4) != 0;
    given.key = (flags & 8) != 0;
    given.columns = (flags & 16) != 0;
    given.strings = (flags & 32) != 0;
    /* A vector of the schema, and a batch of 64 of them, are what the header's dimensions may make. */
    largest_allowed = (4u << 20) + 64 * (size_t)OMEN_MAX_DIMENSIONS * sizeof(float) + 64 * size;
    read_all(&whole, format, flags, 0);
    file.portion = 1 + data[1] % 64u;
    read_all(&portions, format, flags, 0);
    same(&whole, &portions, "portions give something else");
    size_t skip = whole.count == 0 ? 0 : data[1] % (whole.count + 1);
    if (whole.count < RECORDS && ((flags & 64) == 0 || skip == 0 || (flags & 2) != 0)) {
        read_all(&tail, format, flags, skip);
        if (tail.count != 0 || tail.status == OMEN_OK) same_tail(&whole, &tail, skip);
        else must(whole.count == skip || whole.status != OMEN_OK, "nothing behind those left out");
        free(tail.bytes);
    }
    if (data[2] != 0) {
        file.fails_at = data[2];
        read_all(&fails, format, flags, 0);
        must(fails.status != OMEN_OK || whole.count >= RECORDS || file.at < file.fails_at || fails.count <= whole.count, "a failure that is not told");
        must(fails.count <= whole.count && (fails.len == 0 || memcmp(fails.bytes, whole.bytes, fails.len) == 0), "other records before a failure");
        free(fails.bytes);
    }
    largest_allowed = 0;
    free(whole.bytes);
    free(portions.bytes);
    return 0;
}
