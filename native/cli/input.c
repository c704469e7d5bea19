/* input.c - a file, or standard input, read through a buffer. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

#ifndef CLI_INPUT_BUFFER /* a fuzzer has a small one */
#define CLI_INPUT_BUFFER (256u << 10)
#endif
#define BUFFER CLI_INPUT_BUFFER

omen_status cli_input_open(cli_input *in, const char *path) {
    struct stat st;
    memset(in, 0, sizeof *in);
    in->path = path;
    in->fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0) return cli_errno("opening", path);
    if (fstat(in->fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        close(in->fd);
        errno = EISDIR;
        return cli_errno("opening", path);
    }
    in->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    in->buffer = malloc(BUFFER);
    if (in->buffer != NULL) return OMEN_OK;
    close(in->fd);
    return cli_no_memory();
}

void cli_input_close(cli_input *in) {
    if (in->buffer != NULL) close(in->fd);
    free(in->buffer);
    free(in->line);
    memset(in, 0, sizeof *in);
}

/* Reads more behind what is there. */
static omen_status fill(cli_input *in) {
    if (in->eof) return OMEN_OK;
    if (in->start == in->end) in->start = in->end = 0;
    if (in->end == BUFFER) {
        memmove(in->buffer, in->buffer + in->start, in->end - in->start);
        in->end -= in->start;
        in->start = 0;
    }
    ssize_t n;
    do n = read(in->fd, in->buffer + in->end, BUFFER - in->end);
    while (n < 0 && errno == EINTR);
    if (n < 0) return cli_errno("reading", in->path);
    in->eof = n == 0;
    in->end += (size_t)n;
    return OMEN_OK;
}

omen_status cli_input_read(cli_input *in, void *into, size_t len, size_t *got) {
    *got = 0;
    while (*got < len) {
        if (in->start == in->end) CLI_TRY(fill(in));
        size_t n = in->end - in->start;
        if (n == 0) break;
        if (n > len - *got) n = len - *got;
        memcpy((char *)into + *got, in->buffer + in->start, n);
        in->start += n;
        in->offset += n;
        *got += n;
    }
    return OMEN_OK;
}

omen_status cli_input_peek(cli_input *in, const unsigned char **bytes, size_t len, size_t *got) {
    while (in->end - in->start < len && !in->eof) CLI_TRY(fill(in));
    *got = in->end - in->start < len ? in->end - in->start : len;
    *bytes = in->buffer + in->start;
    return OMEN_OK;
}

int cli_input_byte(cli_input *in) {
    if (in->start == in->end && fill(in) != OMEN_OK) return -2;
    if (in->start == in->end) return -1;
    in->offset++;
    return in->buffer[in->start++];
}

omen_status cli_input_discard(cli_input *in, uint64_t len) {
    while (len != 0) {
        if (in->start == in->end) CLI_TRY(fill(in));
        uint64_t n = in->end - in->start;
        if (n == 0) break;
        if (n > len) n = len;
        in->start += n;
        in->offset += n;
        len -= n;
    }
    return OMEN_OK;
}

omen_status cli_input_discard_line(cli_input *in) {
    int b;
    do b = cli_input_byte(in);
    while (b >= 0 && b != '\n');
    return b == -2 ? OMEN_ERR_IO : OMEN_OK;
}

static bool grow_line(cli_input *in, size_t need) {
    if (need <= in->line_capacity) return true;
    size_t capacity = in->line_capacity < 4096 ? 4096 : in->line_capacity;
    while (capacity < need) capacity *= 2;
    char *line = realloc(in->line, capacity);
    if (line == NULL) return false;
    in->line = line;
    in->line_capacity = capacity;
    return true;
}

omen_status cli_input_line(cli_input *in, size_t max, char **line, size_t *len) {
    size_t n = 0;
    *line = NULL;
    for (;;) {
        if (in->start == in->end) CLI_TRY(fill(in));
        size_t there = in->end - in->start;
        if (there == 0) {
            if (n == 0) return OMEN_OK;
            break;
        }
        const unsigned char *from = in->buffer + in->start, *stop = memchr(from, '\n', there);
        size_t take = stop == NULL ? there : (size_t)(stop - from);
        if (take > max - n) return cli_fail(OMEN_ERR_TOO_LARGE, "the line is longer than %zu bytes", max);
        if (!grow_line(in, n + take + 1)) return cli_no_memory();
        memcpy(in->line + n, from, take);
        n += take;
        in->start += take + (stop != NULL);
        in->offset += take + (stop != NULL);
        if (stop != NULL) break;
    }
    if (!grow_line(in, n + 1)) return cli_no_memory();
    if (n > 0 && in->line[n - 1] == '\r') n--;
    in->line[n] = '\0';
    *line = in->line;
    *len = n;
    return OMEN_OK;
}
