/* main.c - a WASI command: runs the golden workload on a storage in memory and prints, one line each,
 *
 *   file <name> <bytes> <hash>      every file that is left, by name
 *   answers <hash>
 *   golden <hash>                   over the lines before
 *
 * Hashes are FNV-1a, 16 hex digits. With a kernel set's name as its argument it uses that one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "workload.h"

static int by_name(const void *a, const void *b) {
    return strcmp(((const command_file *)a)->name, ((const command_file *)b)->name);
}

static int fail(omen_status s) {
    fprintf(stderr, "%s: %s\n", omen_status_name(s), omen_last_error());
    return (int)s;
}

static uint64_t say(uint64_t hash, const char *line) {
    fputs(line, stdout);
    return golden_hash(hash, line, strlen(line));
}

int main(int argc, char **argv) {
    static command_files files;
    if (argc > 1) {
        omen_status s = omen_kernels_use(argv[1]);
        if (s != OMEN_OK) return fail(s);
    }
    omen_storage storage = command_storage(&files);
    omen_options options;
    omen_options_init(&options);
    options.host = command_host();
    options.storage = &storage;
    uint64_t answers;
    omen_status s = golden_run(NULL, &options, &answers);
    if (s != OMEN_OK) return fail(s);

    qsort(files.files, COMMAND_MAX_FILES, sizeof files.files[0], by_name);
    uint64_t golden = GOLDEN_HASH_START;
    char line[160];
    for (size_t i = 0; i < COMMAND_MAX_FILES; i++) {
        const command_file *f = &files.files[i];
        if (!f->present) continue;
        uint64_t hash = golden_hash(GOLDEN_HASH_START, f->bytes, f->size);
        snprintf(line, sizeof line, "file %s %zu %016llx\n", f->name, f->size, (unsigned long long)hash);
        golden = say(golden, line);
    }
    snprintf(line, sizeof line, "answers %016llx\n", (unsigned long long)answers);
    golden = say(golden, line);
    printf("golden %016llx\n", (unsigned long long)golden);
    command_files_deinit(&files);
    return 0;
}
