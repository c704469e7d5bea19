/* Instead of a fuzzer: gives a target what is kept in its corpus, one file after the other. The folders are arguments. What is wrong ends the program. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

/* A copy of exactly its size, so that a sanitizer sees what reads beyond it. */
static uint8_t *read_whole(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0) return NULL;
    long len = ftell(f);
    rewind(f);
    uint8_t *bytes = len < 0 ? NULL : malloc(len == 0 ? 1 : (size_t)len);
    *size = bytes == NULL ? 0 : fread(bytes, 1, (size_t)len, f);
    fclose(f);
    if (bytes != NULL && *size == (size_t)len) return bytes;
    free(bytes);
    return NULL;
}

int main(int argc, char **argv) {
    unsigned long count = 0;
    for (int i = 1; i < argc; i++) {
        struct dirent **names;
        int n = scandir(argv[i], &names, NULL, by_name);
        for (int k = 0; k < n; k++) {
            char path[4096];
            size_t size;
            snprintf(path, sizeof path, "%s/%s", argv[i], names[k]->d_name);
            bool file = names[k]->d_name[0] != '.';
            free(names[k]);
            if (!file) continue;
            uint8_t *bytes = read_whole(path, &size);
            if (bytes == NULL) {
                fprintf(stderr, "%s cannot be read\n", path);
                return 1;
            }
            printf("%s\n", path);
            fflush(stdout); /* what it was that went wrong */
            (void)LLVMFuzzerTestOneInput(bytes, size);
            free(bytes);
            count++;
        }
        if (n >= 0) free(names);
    }
    printf("%lu passed, %d failed\n", count, count == 0);
    return count == 0;
}
