/* The golden workload in this build: with every kernel set it has, on a storage that answers at once and on one that stalls. */
#include "test.h"

#include "fault_host.h"
#include "golden/expected.h"
#include "kernel/kernel.h"

#include "../../wasm/command/workload.c"

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static uint64_t add_line(uint64_t hash, const char *line) { return golden_hash(hash, line, strlen(line)); }

/* As the command in wasm/command/main.c says it: one line for each file by name, one for the answers. */
static void run_here(unsigned pending, char out[17]) {
    fault_host *h = fault_host_new(1);
    fault_storage *fs = fault_host_image(h, "golden");
    fault_storage_set_pending(fs, pending);
    omen_options o;
    omen_options_init(&o);
    o.host = &h->host;
    uint64_t answers = 0, all = GOLDEN_HASH_START;
    omen_status s = golden_run("golden", &o, &answers);
    CHECK_STATUS(s, OMEN_OK);
    if (s != OMEN_OK) printf("%s\n", omen_last_error());
    const char *names[64];
    char line[160];
    size_t n = fault_storage_count(fs);
    REQUIRE(n <= 64);
    for (size_t i = 0; i < n; i++) names[i] = fault_storage_name(fs, i);
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const uint8_t *data = fault_storage_data(fs, names[i], &len);
        if (data == NULL) continue;
        snprintf(line, sizeof line, "file %s %zu %016llx\n", names[i], len, (unsigned long long)golden_hash(GOLDEN_HASH_START, data, len));
        all = add_line(all, line);
    }
    snprintf(line, sizeof line, "answers %016llx\n", (unsigned long long)answers);
    all = add_line(all, line);
    snprintf(out, 17, "%016llx", (unsigned long long)all);
    CHECK_STORAGE(fs);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

TEST(one_hash_for_every_kernel_set_and_storage) {
    char hash[17];
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++) {
        CHECK_STATUS(omen_kernels_use((*k)->name), OMEN_OK);
        for (unsigned pending = 0; pending <= 60; pending += 30) {
            run_here(pending, hash);
            printf("     %s, %u %% pending: %s\n", (*k)->name, pending, hash);
            CHECK_EQ_STR(hash, GOLDEN_EXPECTED);
        }
    }
}

TEST_MAIN()
