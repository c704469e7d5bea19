/* backup.c - backup, backups, restore, clone, purge. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <yyjson.h>

#include "cli/cli.h"
#include "host/encrypted_gcm.h"

/* ---- progress ---- */

static bool showing;

static int show(void *arg, uint64_t done, uint64_t total) {
    if (!showing && total != 0) cli_progress_begin(arg, total);
    showing = showing || total != 0;
    if (showing) cli_progress(done, 0);
    return 0;
}

/* The options of a copy: progress, and the key, which an encrypted database's copies have too. */
static omen_status take_options(omen_transfer_options *o, const char *what, omen_encryption *keys) {
    static char label[32];
    bool encrypted;
    omen_transfer_options_init(o);
    snprintf(label, sizeof label, "%s", what);
    o->progress = show;
    o->progress_arg = label;
    o->verify = cli_given("verify");
    o->plain = cli_given("plain");
    CLI_TRY(cli_key(keys, &encrypted));
    if (encrypted && !o->plain) o->place_key = keys;
    if (encrypted && (!o->plain || strcmp(what, "restore") == 0)) o->backups_key = keys; /* plain is what is made */
    return OMEN_OK;
}

static omen_status ended(omen_status s) {
    if (showing) cli_progress_end();
    showing = false;
    return s;
}

/* Where backups lie in the place, the key that is asked for is theirs. */
static omen_status keyed(omen_status s) {
    if (s == OMEN_ERR_KEY) cli_after(" (--key-file FILE, or the variable OMENDB_KEY)");
    return s;
}

/* ---- output ---- */

static void tell_json(const omen_transfer_report *r) {
    static const char digits[] = "0123456789abcdef";
    char id[33] = {0};
    for (int i = 0; i < 16; i++) id[2 * i] = digits[r->database_id[i] >> 4], id[2 * i + 1] = digits[r->database_id[i] & 15];
    const struct { const char *name; uint64_t value; } members[] = {{"backup", r->backup}, {"files", r->files}, {"bytes", r->bytes}, {"copiedFiles", r->copied_files},
                                                                    {"copiedBytes", r->copied_bytes}, {"lastLsn", r->last_lsn}};
    cli_json_begin(stdout);
    cli_json_object();
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        cli_json_key(members[i].name);
        cli_json_u64(members[i].value);
    }
    cli_json_key("databaseId");
    cli_json_cstr(id);
    cli_json_object_end();
    cli_json_end();
}

/* done: "backup 3 of", "restored", "cloned". */
static void tell(const char *done, const omen_transfer_report *r) {
    if (cli_json) {
        tell_json(r);
        return;
    }
    printf("%s: %llu files, ", done, (unsigned long long)r->files);
    cli_print_bytes(r->bytes);
    printf("; copied ");
    cli_print_bytes(r->copied_bytes);
    puts(", all read back");
}

/* ---- the commands ---- */

/* The database is opened for reading only: another program may be writing it. */
static omen_status copy_database(const char *what, bool clone) {
    omen_db *db;
    omen_transfer_options o;
    omen_transfer_report r;
    omen_encryption keys, new;
    char done[40];
    bool anew = false;
    CLI_TRY(take_options(&o, what, &keys));
    omen_status s = clone ? cli_new_key(&new, &anew) : OMEN_OK;
    if (s == OMEN_OK && anew && o.plain) s = cli_fail(OMEN_ERR_INVALID, "--plain makes a copy that is not encrypted, and a new key was given for it; leave one of them out");
    if (anew) o.place_key = &new;
    if (s == OMEN_OK) s = cli_database_open(CLI_READ, &db);
    if (s == OMEN_OK) {
        const char *to = cli_positional(1);
        s = ended(cli_core(clone ? omen_clone(db, to, &o, &r) : omen_backup(db, to, &o, &r)));
        s = cli_database_close(db, s);
    }
    omen_wipe(&keys, sizeof keys);
    if (clone) omen_wipe(&new, sizeof new);
    CLI_TRY(s);
    snprintf(done, sizeof done, clone ? "cloned" : "backup %llu", (unsigned long long)r.backup);
    tell(done, &r);
    return OMEN_OK;
}

omen_status cli_run_backup(void) { return copy_database("backup", false); }
omen_status cli_run_clone(void) { return copy_database("clone", true); }

static omen_status number_of(const char *option, uint64_t *out) {
    const char *text = cli_option(option, NULL);
    char *end;
    *out = 0;
    if (text == NULL) return OMEN_OK;
    *out = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || *out == 0) return cli_fail(OMEN_ERR_INVALID, "--%s is \"%.40s\"; it must be the number of a backup, from 1", option, text);
    return OMEN_OK;
}

omen_status cli_run_restore(void) {
    omen_transfer_options o;
    omen_transfer_report r;
    omen_encryption keys;
    uint64_t number;
    char done[60];
    CLI_TRY(number_of("backup", &number));
    CLI_TRY(take_options(&o, "restore", &keys));
    omen_status s = keyed(ended(cli_core(omen_restore(cli_positional(0), number, cli_positional(1), &o, &r))));
    omen_wipe(&keys, sizeof keys);
    CLI_TRY(s);
    snprintf(done, sizeof done, "restored backup %llu", (unsigned long long)r.backup);
    tell(done, &r);
    return OMEN_OK;
}

static void print_backup(yyjson_val *b) {
    char when[40] = "";
    const char *damage = cli_member(b, "damage");
    time_t created = (time_t)(yyjson_get_uint(yyjson_obj_get(b, "created")) / 1000);
    struct tm tm;
    if (created != 0 && gmtime_r(&created, &tm) != NULL) strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    printf("%6llu  %-10s %-20s  ", (unsigned long long)yyjson_get_uint(yyjson_obj_get(b, "backup")), cli_member(b, "state"), when);
    if (created != 0) cli_print_bytes(yyjson_get_uint(yyjson_obj_get(b, "bytes")));
    yyjson_val *holds = yyjson_obj_get(b, "holds");
    if (holds != NULL) printf("  holds %llu", (unsigned long long)yyjson_get_uint(holds));
    if (damage[0] != '\0') printf("  %s", damage);
    putchar('\n');
}

static void print_list(const char *text, size_t len) {
    yyjson_doc *doc = yyjson_read(text, len, YYJSON_READ_NOFLAG);
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(doc), "backups"), *b;
    yyjson_arr_iter it;
    if (yyjson_arr_size(list) == 0) puts("no backups");
    yyjson_arr_iter_init(list, &it);
    while ((b = yyjson_arr_iter_next(&it)) != NULL) print_backup(b);
    yyjson_doc_free(doc);
}

static void tell_removed(const omen_transfer_report *r) {
    cli_json_begin(stdout);
    cli_json_object();
    cli_json_key("backup");
    cli_json_u64(r->backup);
    cli_json_key("removedFiles");
    cli_json_u64(r->files);
    cli_json_object_end();
    cli_json_end();
}

static omen_status remove_backup(uint64_t number) {
    omen_transfer_options o;
    omen_transfer_report r;
    omen_transfer_options_init(&o);
    omen_encryption keys;
    CLI_TRY(take_options(&o, "remove", &keys));
    omen_status s = keyed(ended(cli_core(omen_backup_remove(cli_positional(0), number, &o, &r))));
    omen_wipe(&keys, sizeof keys);
    CLI_TRY(s);
    if (cli_json) tell_removed(&r);
    else printf("removed backup %llu, and %llu files that no other one has\n", (unsigned long long)r.backup, (unsigned long long)r.files);
    return OMEN_OK;
}

/* The list, with how many of the ids of --holds each backup has. */
static omen_status list_holding(const omen_transfer_options *o, char *text, size_t cap, size_t *len) {
    const char *collection = cli_option("collection", NULL), *id;
    size_t count = 0, bytes = 1;
    if (collection == NULL) return cli_fail(OMEN_ERR_INVALID, "give the --collection whose ids --holds are");
    while ((id = cli_option_at("holds", count)) != NULL) count++, bytes += strlen(id) + 1;
    omen_id *ids = calloc(count, sizeof *ids);
    char *room = malloc(bytes), *at = room;
    omen_status s = ids == NULL || room == NULL ? cli_no_memory() : OMEN_OK;
    for (size_t i = 0; s == OMEN_OK && i < count; i++) {
        id = cli_option_at("holds", i);
        s = cli_id_parse(id, strlen(id), at, &ids[i]);
        at += strlen(id) + 1;
    }
    if (s == OMEN_OK) s = cli_core(omen_backup_holds(cli_positional(0), (omen_str){collection, strlen(collection)}, ids, count, o, text, cap, len));
    free(ids);
    free(room);
    return s;
}

omen_status cli_run_backups(void) {
    static char text[1 << 20];
    omen_transfer_options o;
    omen_encryption keys;
    size_t len = 0;
    uint64_t number;
    CLI_TRY(number_of("remove", &number));
    if (number != 0) return remove_backup(number);
    CLI_TRY(take_options(&o, "verify", &keys));
    omen_status s = keyed(ended(cli_given("holds") ? list_holding(&o, text, sizeof text, &len) : cli_core(omen_backup_list(cli_positional(0), &o, text, sizeof text, &len))));
    omen_wipe(&keys, sizeof keys);
    CLI_TRY(s);
    if (len >= sizeof text) return cli_fail(OMEN_ERR_TOO_LARGE, "there are too many backups to list; remove some with --remove");
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_raw(text, len);
        cli_json_end();
    } else {
        print_list(text, len);
    }
    return strstr(text, "\"state\":\"damaged\"") == NULL ? OMEN_OK : cli_fail(OMEN_ERR_CORRUPT, "a backup is damaged; the list says which, and `omendb backup --verify` mends files that it shares with the database");
}

/* ---- purge ---- */

static void tell_purge(const omen_purge_report *r) {
    const struct { const char *name; uint64_t value; } members[] = {{"deleted", r->deleted}, {"segmentsRewritten", r->segments_rewritten}, {"filesScanned", r->files_scanned},
                                                                    {"bytesScanned", r->bytes_scanned}, {"rowsScanned", r->rows_scanned}, {"writtenAgain", r->written_again},
                                                                    {"notSearched", r->not_searched}};
    if (!cli_json) {
        printf("purged: %llu deleted, %llu segments rewritten; scanned %llu files, %llu rows, ", (unsigned long long)r->deleted, (unsigned long long)r->segments_rewritten,
               (unsigned long long)r->files_scanned, (unsigned long long)r->rows_scanned);
        cli_print_bytes(r->bytes_scanned);
        puts(": nothing is left. Backups keep what they have, and programs that have the database open keep removed files until they close it");
        return;
    }
    cli_json_begin(stdout);
    cli_json_object();
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        cli_json_key(members[i].name);
        cli_json_u64(members[i].value);
    }
    cli_json_object_end();
    cli_json_end();
}

omen_status cli_run_purge(void) {
    omen_db *db;
    omen_collection *c = NULL;
    omen_purge_report r;
    omen_id *ids = NULL;
    char *text = NULL;
    size_t count = cli_positional_count() - 1;
    CLI_TRY(cli_database_open(CLI_WRITE, &db));
    omen_status s = cli_collection_open(db, &c);
    if (s == OMEN_OK) s = cli_ids_read(&ids, &text);
    if (s == OMEN_OK) s = cli_core(omen_purge(c, ids, count, &r));
    free(ids);
    free(text);
    omen_collection_close(c);
    CLI_TRY(cli_database_close(db, s));
    tell_purge(&r);
    return OMEN_OK;
}
