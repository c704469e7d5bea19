/* quant_test.h - for tests of quantisers: memory that is counted, sums in double, and a run under every kernel set. */
#ifndef OMEN_QUANT_TEST_H
#define OMEN_QUANT_TEST_H

#include "test.h"

#include <math.h>

#include "base/hash.h"
#include "base/mem.h"
#include "fault_host.h"
#include "kernel/kernel.h"

static fault_host *host;
static omen_mem mem;
static omen_error error;

static inline void begin(void) {
    host = fault_host_new(1);
    omen_mem_init(&mem, &host->host, 0);
    error = (omen_error){0};
}

static inline void end(void) {
    CHECK_EQ_UINT(fault_host_bytes(host), 0);
    CHECK_EQ_UINT(mem.bytes, 0);
    fault_host_free(host);
}

static TEST_UNUSED double product(const float *a, const float *b, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += (double)a[i] * b[i];
    return sum;
}

static TEST_UNUSED double apart(const float *a, const float *b, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum;
}

/* About normal: the sum of twelve uniform numbers has variance 4 in [-1, 1). */
static TEST_UNUSED float normal(void) {
    float sum = 0;
    for (int i = 0; i < 12; i++) sum += test_rand_float();
    return sum * 0.5f;
}

/* The same on every machine and with every seed of the tests. */
static TEST_UNUSED float fixed(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 16777216.0f - 0.5f;
}

#endif
