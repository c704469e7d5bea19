/* key.c - keys of encryption: --key-file and the variable OMENDB_KEY, and the command rotate-key. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "host/encrypted_gcm.h"
#include "omendb_native.h"

static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

static int base64_digit(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '-' ? digits + 62 : c == '_' ? digits + 63 : c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* 64 hex digits; 43 digits of base64 (or base64url), and perhaps '='; or 32 bytes as they are. Blanks around the first two do not count. */
static bool parse(const char *text, size_t len, uint8_t key[32]) {
    size_t n = len;
    const char *at = text;
    while (n > 0 && strchr(" \t\r\n", at[n - 1]) != NULL && at[n - 1] != '\0') n--;
    while (n > 0 && strchr(" \t\r\n", *at) != NULL && *at != '\0') at++, n--;
    bool good = n == 64;
    for (size_t i = 0; i < 64 && good; i++) {
        good = hex_digit(at[i]) >= 0;
        if (good) key[i / 2] = (uint8_t)(key[i / 2] << 4 | hex_digit(at[i]));
    }
    if (good) return true;
    if (n == 44 && at[43] == '=') n--;
    good = n == 43;
    uint32_t bits = 0;
    for (size_t i = 0, have = 0, out = 0; i < 43 && good; i++) {
        int d = base64_digit(at[i]);
        good = d >= 0;
        bits = bits << 6 | (uint32_t)(d & 63);
        have += 6;
        if (have >= 8 && out < 32) have -= 8, key[out++] = (uint8_t)(bits >> have);
    }
    if (good) return true;
    if (len != 32) return false;
    memcpy(key, text, 32);
    return true;
}

static omen_status read_file(const char *path, uint8_t key[32]) {
    char text[200];
    FILE *f = fopen(path, "rb");
    if (f == NULL) return cli_fail(OMEN_ERR_INVALID, "the key file %.200s cannot be opened: %s", path, strerror(errno));
    setvbuf(f, NULL, _IONBF, 0); /* no copy of it in a buffer */
    size_t n = fread(text, 1, sizeof text, f);
    bool failed = ferror(f) != 0;
    fclose(f);
    bool good = !failed && n < sizeof text && parse(text, n, key);
    omen_wipe(text, sizeof text);
    if (failed) return cli_fail(OMEN_ERR_IO, "the key in %.200s cannot be read", path);
    return good ? OMEN_OK : cli_fail(OMEN_ERR_INVALID, "%.200s holds no key; it must be 32 bytes, as 64 hex digits, as base64, or as they are (openssl rand -hex 32 makes one)", path);
}

/* From the option's file, else from the variable. */
static omen_status read_key(const char *option, const char *variable, const char *id_option, const char *id_variable, omen_encryption_key *key, bool *given) {
    const char *path = cli_option(option, NULL), *text = getenv(variable), *id = cli_option(id_option, getenv(id_variable));
    memset(key, 0, sizeof *key);
    *given = path != NULL || text != NULL; /* also an empty one: who sets it does not mean a plain database */
    if (!*given && cli_option(id_option, NULL) != NULL) return cli_fail(OMEN_ERR_INVALID, "--%s names a key, but there is none; give it with --%s, or in the variable %s", id_option, option, variable);
    if (!*given) return OMEN_OK;
    if (id != NULL && strlen(id) > sizeof key->id) return cli_fail(OMEN_ERR_INVALID, "--%s is longer than %zu bytes", id_option, sizeof key->id);
    if (id != NULL) memcpy(key->id, id, strlen(id));
    if (path != NULL) return read_file(path, key->bytes);
    if (!parse(text, strlen(text), key->bytes) || strlen(text) == 32)
        return cli_fail(OMEN_ERR_INVALID, "the variable %s holds no key; it must be 32 bytes, as 64 hex digits or as base64", variable);
    return OMEN_OK;
}

omen_status cli_key(omen_encryption *e, bool *given) {
    memset(e, 0, sizeof *e);
    e->struct_size = sizeof *e;
    return read_key("key-file", "OMENDB_KEY", "key-id", "OMENDB_KEY_ID", &e->key, given);
}

omen_status cli_new_key(omen_encryption *e, bool *given) {
    memset(e, 0, sizeof *e);
    e->struct_size = sizeof *e;
    return read_key("new-key-file", "OMENDB_NEW_KEY", "new-key-id", "OMENDB_NEW_KEY_ID", &e->key, given);
}

static omen_status rotate(const omen_encryption *e, uint64_t *changed) {
    const omen_host *host = omen_host_native();
    const char *path = cli_positional(0);
    omen_storage storage;
    if (host == NULL) return cli_no_memory();
    omen_status s = host->storage_open(host->ctx, path, 0, &storage);
    if (s == OMEN_ERR_NOT_FOUND) return cli_fail(s, "there is no database at \"%.200s\"; check the path", path);
    if (s == OMEN_ERR_BUSY) return cli_fail(s, "database \"%.200s\" is open for writing elsewhere; close it there first", path);
    if (s != OMEN_OK) return cli_fail(s, "opening \"%.200s\": %s", path, omen_status_message(s));
    s = omen_storage_rekey(&storage, e, changed);
    storage.ops->release(storage.ctx);
    if (s == OMEN_ERR_KEY) return cli_fail(s, "files of \"%.200s\" open neither with the key nor with the new one, or are not encrypted; %llu were changed before", path, (unsigned long long)*changed);
    if (s == OMEN_ERR_UNSUPPORTED) return cli_fail(s, "encryption needs libcrypto (OpenSSL 1.1 or later), which is not on this machine or not in this build");
    if (s != OMEN_OK) return cli_fail(s, "changing the key of \"%.200s\": %s; ask again to finish it, until then both keys are needed", path, omen_status_message(s));
    return OMEN_OK;
}

omen_status cli_run_rotate_key(void) {
    omen_encryption old, new;
    bool has_old, has_new;
    uint64_t changed = 0;
    omen_status s = cli_key(&old, &has_old);
    if (s == OMEN_OK) s = cli_new_key(&new, &has_new);
    if (s == OMEN_OK && (!has_old || !has_new))
        s = cli_fail(OMEN_ERR_INVALID, "%s key is missing; give it with %s, or in the variable %s", has_old ? "the new" : "the present", has_old ? "--new-key-file FILE" : "--key-file FILE",
                     has_old ? "OMENDB_NEW_KEY" : "OMENDB_KEY");
    new.previous = &old.key;
    new.previous_count = 1;
    if (s == OMEN_OK) s = rotate(&new, &changed);
    omen_wipe(&old, sizeof old);
    omen_wipe(&new.key, sizeof new.key);
    CLI_TRY(s);
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_object();
        cli_json_key("ok");
        cli_json_bool(true);
        cli_json_key("files");
        cli_json_u64(changed);
        cli_json_object_end();
        cli_json_end();
    } else {
        if (changed == 0) puts("all files are under the new key already");
        else printf("%llu files were put under the new key\n", (unsigned long long)changed);
    }
    return OMEN_OK;
}
