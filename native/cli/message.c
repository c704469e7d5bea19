/* message.c - what went wrong, kept for the end of the program, and hints on the way. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "cli/cli.h"

static char message[2048];
bool cli_quiet;

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

const char *cli_message(void) {
    return message;
}

void cli_note(const char *format, ...) {
    if (cli_quiet || cli_json) return;
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
}
