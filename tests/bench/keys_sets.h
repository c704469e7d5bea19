/* keys_sets.h - the four sets of ids that the figures of look-up measure, and what is asked of them; the same in C, and in C++ for the peer.
 *
 *   sequential   1, 2, 3 ..., in this order
 *   bursty       made by clocks: milliseconds, worker and a counter in one number (as Snowflake's), in bursts with long gaps; in order of time
 *   tenants      "tenant-017/user-000123": strings of 100 tenants, in no order
 *   zipf         random 64-bit numbers in no order, asked for by Zipf's law of exponent 0.99; the others are asked for uniformly
 * A row is the place in the order in which ids come.
 */
#ifndef KEYS_SETS_H
#define KEYS_SETS_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SET_TEXT 24 /* bytes of a string with its NUL */

typedef struct key_set {
    uint32_t rows, asks;
    int64_t *numbers;         /* NULL: strings */
    char (*texts)[SET_TEXT];
    uint32_t *asked;          /* rows, `asks` of them */
    int64_t *absent_numbers;  /* as many as are asked for, none in the set, of the same form */
    char (*absent_texts)[SET_TEXT];
} key_set;

static uint64_t set_state;
static uint64_t set_next(void) {
    uint64_t z = set_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}
static uint32_t set_below(uint32_t n) { return (uint32_t)((set_next() >> 32) * n >> 32); }

static void *set_room(size_t n, size_t size) {
    void *p = calloc(n, size);
    if (p == NULL) exit(3);
    return p;
}

/* A permutation of 0 .. n-1 (Fisher and Yates). */
static uint32_t *set_shuffled(uint32_t n) {
    uint32_t *a = (uint32_t *)set_room(n, 4);
    for (uint32_t i = 0; i < n; i++) a[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = set_below(i), t = a[j];
        a[j] = a[i - 1];
        a[i - 1] = t;
    }
    return a;
}

static void set_tenant(char *into, uint32_t user) { snprintf(into, SET_TEXT, "tenant-%03u/user-%06u", user % 100, user / 100 % 1000000); }

static int64_t set_random(uint64_t i) { /* a bijection, so that no number comes twice */
    uint64_t z = (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (int64_t)(z ^ z >> 31);
}

static key_set set_make(const char *name, uint32_t rows, uint32_t asks) {
    key_set s = {0};
    int zipf = strcmp(name, "zipf") == 0;
    set_state = 42;
    s.rows = rows;
    s.asks = asks;
    s.asked = (uint32_t *)set_room(asks, 4);
    if (strcmp(name, "tenants") == 0) {
        uint32_t *users = set_shuffled(2 * rows);
        s.texts = (char(*)[SET_TEXT])set_room(rows, SET_TEXT);
        s.absent_texts = (char(*)[SET_TEXT])set_room(asks, SET_TEXT);
        for (uint32_t i = 0; i < rows; i++) set_tenant(s.texts[i], users[i]);
        for (uint32_t i = 0; i < asks; i++) set_tenant(s.absent_texts[i], users[rows + i % rows]);
        free(users);
    } else {
        s.numbers = (int64_t *)set_room(rows, 8);
        s.absent_numbers = (int64_t *)set_room(asks, 8);
        uint64_t ms = 0, counter = 0;
        for (uint32_t i = 0, burst = 0; i < rows; i++) {
            if (strcmp(name, "sequential") == 0) {
                s.numbers[i] = (int64_t)i + 1;
            } else if (strcmp(name, "bursty") == 0) {
                if (burst == 0) {
                    burst = 1 + set_below(2000);
                    ms += 1 + (uint64_t)set_below(1000) * set_below(100);
                }
                burst--;
                if (set_below(4) == 0) ms++, counter = 0;
                s.numbers[i] = (int64_t)(ms << 22 | (uint64_t)set_below(32) << 17 | counter);
                /* the worker must not undo the order within a millisecond */
                if (i != 0 && s.numbers[i] <= s.numbers[i - 1]) s.numbers[i] = s.numbers[i - 1] + 1 + set_below(64);
                counter++;
                ms = (uint64_t)s.numbers[i] >> 22;
            } else {
                s.numbers[i] = set_random(i);
            }
        }
        for (uint32_t i = 0; i < asks; i++) {
            uint32_t row = set_below(rows);
            if (zipf) s.absent_numbers[i] = set_random(rows + i);
            else if (strcmp(name, "sequential") == 0) s.absent_numbers[i] = (int64_t)rows + 1 + set_below(rows);
            else do row = row + 1 < rows ? row + 1 : 0, s.absent_numbers[i] = s.numbers[row] + 1; while (row + 1 < rows && s.absent_numbers[i] == s.numbers[row + 1]);
        }
    }
    if (!zipf) {
        for (uint32_t i = 0; i < asks; i++) s.asked[i] = set_below(rows);
    } else {
        double *sums = (double *)set_room(rows, sizeof(double)), sum = 0;
        uint32_t *rank = set_shuffled(rows); /* which rows are often asked for has nothing to do with when they came */
        for (uint32_t i = 0; i < rows; i++) sums[i] = sum += pow(i + 1.0, -0.99);
        for (uint32_t i = 0; i < asks; i++) {
            double u = (double)(set_next() >> 11) * 0x1p-53 * sum;
            uint32_t low = 0, high = rows - 1;
            while (low < high) {
                uint32_t mid = low + (high - low) / 2;
                if (sums[mid] <= u) low = mid + 1;
                else high = mid;
            }
            s.asked[i] = rank[low];
        }
        free(sums);
        free(rank);
    }
    return s;
}

/* ns of this process on a processor: others on the machine count less so. Both sides have one thread and wait for nothing. */
static double set_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#endif
