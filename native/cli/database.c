/* database.c - opening databases and collections as the options and the environment say. */
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "cli/cli.h"
#include "host/encrypted_gcm.h"

static omen_str str(const char *text) { return (omen_str){text, strlen(text)}; }

/* An option, else its variable. `key` is the field's name in omen_options. */
static omen_status set(omen_options *o, const char *option, const char *key, const char *variable, const char *values) {
    const char *value = cli_option(option, NULL), *from = option, *dashes = "--";
    if (value == NULL) {
        value = getenv(variable);
        from = variable;
        dashes = "";
    }
    if (value == NULL || value[0] == '\0' || omen_options_set(o, str(key), str(value)) == OMEN_OK) return OMEN_OK;
    return cli_fail(OMEN_ERR_INVALID, "%s%s is \"%.60s\"; it must be %s", dashes, from, value, values);
}

static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

static omen_status read_database_id(omen_options *o, uint8_t id[16]) {
    const char *hex = cli_option("database-id", getenv("OMENDB_DATABASE_ID"));
    if (hex == NULL || hex[0] == '\0') return OMEN_OK;
    bool good = strlen(hex) == 32;
    for (int i = 0; good && i < 32; i++) {
        good = hex_digit(hex[i]) >= 0;
        id[i / 2] = (uint8_t)(id[i / 2] << 4 | (hex_digit(hex[i]) & 15));
    }
    if (!good) return cli_fail(OMEN_ERR_INVALID, "--database-id is \"%.60s\"; it must be 32 hex digits", hex);
    o->database_id = id;
    return OMEN_OK;
}

omen_status cli_database_with(cli_access access, omen_status (*work)(void *arg, const omen_options *o), void *arg) {
    static const char sizes[] = "a number of bytes, or text such as 64MiB";
    omen_options o;
    uint8_t id[16] = {0};
    omen_options_init(&o);
    CLI_TRY(set(&o, "profile", "profile", "OMENDB_PROFILE", "developer, production or edge"));
    CLI_TRY(set(&o, "durability", "durability", "OMENDB_DURABILITY", "memory, os, group or full"));
    CLI_TRY(set(&o, "pool-bytes", "pool_bytes", "OMENDB_POOL_BYTES", sizes));
    CLI_TRY(set(&o, "memtable-bytes", "memtable_bytes", "OMENDB_MEMTABLE_BYTES", sizes));
    CLI_TRY(set(&o, "memory-bytes", "memory_bytes", "OMENDB_MEMORY_BYTES", sizes));
    CLI_TRY(set(&o, "index-bytes", "index_bytes", "OMENDB_INDEX_BYTES", sizes));
    const char *read_only = cli_given("read-only") ? "true" : getenv("OMENDB_READ_ONLY");
    if (read_only != NULL && read_only[0] != '\0' && omen_options_set(&o, OMEN_STR("read_only"), str(read_only)) != OMEN_OK)
        return cli_fail(OMEN_ERR_INVALID, "OMENDB_READ_ONLY is \"%.60s\"; it must be true or false", read_only);
    o.create = access == CLI_CREATE;
    if (access == CLI_CREATE) CLI_TRY(read_database_id(&o, id));
    if (access == CLI_MAINTAIN) o.manual_maintenance = 1;
    if (access == CLI_READ) o.read_only = 1; /* so it can be read while another program writes */
    omen_encryption keys;
    bool encrypted = false;
    omen_status s = cli_key(&keys, &encrypted);
    if (s == OMEN_OK) {
        o.encryption = encrypted ? &keys : NULL;
        s = cli_core(work(arg, &o));
    }
    omen_wipe(&keys, sizeof keys);
    if (s == OMEN_ERR_KEY && !(encrypted && strstr(cli_message(), "is not encrypted") != NULL)) cli_after(" (--key-file FILE, or the variable OMENDB_KEY)");
    if (s == OMEN_ERR_NOT_FOUND && access != CLI_CREATE && strstr(cli_message(), "was broken off") == NULL)
        return cli_fail(s, "there is no database at \"%.200s\"; make one with `omendb create %.200s`, or check the path", cli_positional(0), cli_positional(0));
    if (s == OMEN_ERR_INVALID && o.memory_bytes != 0) cli_after(" (--memory-bytes, --pool-bytes and --memtable-bytes, or their variables OMENDB_MEMORY_BYTES, ...)");
    return s;
}

static omen_status open_it(void *arg, const omen_options *o) { return omen_open(cli_positional(0), o, arg); }

omen_status cli_database_open(cli_access access, omen_db **out) { return cli_database_with(access, open_it, out); }

omen_status cli_database_close(omen_db *db, omen_status s) {
    omen_status closed = omen_close(db);
    return s == OMEN_OK ? cli_core(closed) : s;
}

omen_status cli_stats_text(omen_db *db, char **text, size_t *len) {
    *text = NULL;
    CLI_TRY(cli_core(omen_stats(db, NULL, 0, len)));
    for (size_t capacity = *len + 1;; capacity = *len + 1) {
        char *larger = realloc(*text, capacity);
        if (larger == NULL) {
            free(*text);
            return cli_no_memory();
        }
        *text = larger;
        omen_status s = cli_core(omen_stats(db, *text, capacity, len));
        if (s == OMEN_OK && *len < capacity) return OMEN_OK; /* else it has grown meanwhile */
        if (s != OMEN_OK) {
            free(*text);
            *text = NULL;
            return s;
        }
    }
}

/* The collections' names, joined for a message; the first one in *only. */
static omen_status list_names(omen_db *db, char **only, size_t *count, char *names, size_t capacity) {
    char *text;
    size_t len, at = 0;
    CLI_TRY(cli_stats_text(db, &text, &len));
    yyjson_doc *doc = yyjson_read(text, len, YYJSON_READ_NOFLAG);
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(doc), "collections"), *v;
    *count = yyjson_arr_size(list);
    *only = NULL;
    names[0] = '\0';
    yyjson_arr_iter it;
    yyjson_arr_iter_init(list, &it);
    while ((v = yyjson_arr_iter_next(&it)) != NULL) {
        const char *name = cli_member(v, "name");
        if (*only == NULL) *only = strdup(name);
        if (at < capacity) at += (size_t)snprintf(names + at, capacity - at, "%s\"%s\"", at == 0 ? "" : ", ", name);
    }
    yyjson_doc_free(doc);
    free(text);
    return OMEN_OK;
}

omen_status cli_collection_choose(omen_db *db, char **name) {
    char names[400];
    size_t count;
    const char *given = cli_option("collection", NULL);
    if (given != NULL) {
        *name = strdup(given);
        return *name == NULL ? cli_no_memory() : OMEN_OK;
    }
    CLI_TRY(list_names(db, name, &count, names, sizeof names));
    if (count > 1) {
        free(*name);
        return cli_fail(OMEN_ERR_INVALID, "the database has the collections %s; say which with --collection NAME", names);
    }
    if (*name == NULL) *name = strdup("");
    return *name == NULL ? cli_no_memory() : OMEN_OK;
}

omen_status cli_collection_open(omen_db *db, omen_collection **out) {
    char *name;
    CLI_TRY(cli_collection_choose(db, &name));
    omen_status s;
    if (name[0] == '\0' && cli_option("collection", NULL) == NULL)
        s = cli_fail(OMEN_ERR_NOT_FOUND, "the database has no collection yet; make one with `omendb create %.200s --collection NAME --dimensions N`", cli_positional(0));
    else s = cli_core(omen_collection_open(db, str(name), NULL, out));
    if (s == OMEN_ERR_NOT_FOUND && name[0] != '\0')
        s = cli_fail(s, "there is no collection \"%.128s\"; `omendb collections %.200s` lists those there are", name, cli_positional(0));
    free(name);
    return s;
}

omen_status cli_field_choose(const omen_collection *c, uint32_t *field) {
    const omen_schema *schema = omen_collection_schema(c);
    const char *name = cli_option("field", NULL);
    if (schema->vector_count == 0) return cli_fail(OMEN_ERR_INVALID, "the collection has no vector field");
    if (name == NULL && schema->vector_count == 1) {
        *field = 0;
        return OMEN_OK;
    }
    char names[400];
    size_t at = 0;
    for (uint32_t f = 0; f < schema->vector_count; f++) {
        omen_str n = schema->vectors[f].name;
        if (name != NULL && n.len == strlen(name) && memcmp(n.data, name, n.len) == 0) {
            *field = f;
            return OMEN_OK;
        }
        if (at < sizeof names) at += (size_t)snprintf(names + at, sizeof names - at, "%s\"%.*s\"", at == 0 ? "" : ", ", (int)n.len, n.data);
    }
    if (name == NULL) return cli_fail(OMEN_ERR_INVALID, "the collection has the vector fields %s; say which with --field NAME", names);
    return cli_fail(OMEN_ERR_INVALID, "there is no vector field \"%.128s\"; there are %s", name, names);
}

static const struct {
    const char *name;
    omen_metric metric;
} metrics[] = {{"l2", OMEN_METRIC_L2}, {"ip", OMEN_METRIC_IP}, {"cosine", OMEN_METRIC_COSINE}, {"hamming", OMEN_METRIC_HAMMING}};

omen_metric cli_metric(const char *name) {
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        if (strcmp(metrics[i].name, name) == 0) return metrics[i].metric;
    return (omen_metric)0;
}

const char *cli_metric_name(omen_metric m) {
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        if (metrics[i].metric == m) return metrics[i].name;
    return "unknown";
}
