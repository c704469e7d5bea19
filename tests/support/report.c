/* report.c - see report.h. */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void omen_test_report(const char *key, uint64_t n) {
#ifdef __wasm__
    printf("REPORT %s %" PRIu64 "\n", key, n);
    fflush(stdout);
#else
    const char *path = getenv("OMEN_TEST_REPORT");
    if (path == NULL || *path == '\0') return;
    /* Opened to append and written at once: programs that run side by side do not tear each other's lines. */
    FILE *file = fopen(path, "a");
    bool written = file != NULL && fprintf(file, "%s %" PRIu64 "\n", key, n) > 0;
    if (file != NULL && fclose(file) != 0) written = false;
    if (written) return;
    fprintf(stderr, "the report %s could not be written\n", path);
    abort();
#endif
}

bool omen_test_deep(void) {
    const char *deep = getenv("OMEN_TEST_DEEP");
    return deep != NULL && strcmp(deep, "1") == 0;
}
