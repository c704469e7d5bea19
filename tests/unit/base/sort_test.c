/* Sorting against a simple reference, over inputs that hurt quicksort. */
#include "test.h"

#include "base/sort.h"

enum { MAX = 5000, WIDEST = 100 };

static uint8_t got[MAX * WIDEST], want[MAX * WIDEST];
static size_t element;
static uint64_t comparisons;

static bool less(void *arg, const void *a, const void *b) {
    CHECK(arg == &element);
    comparisons++;
    return memcmp(a, b, element) < 0;
}

static int order(const void *a, const void *b) { return memcmp(a, b, element); }

/* The key of element i in one of several shapes. */
static uint32_t shaped(unsigned shape, uint32_t i, uint32_t n) {
    switch (shape) {
    case 0: return (uint32_t)test_rand();
    case 1: return i;                      /* sorted */
    case 2: return n - i;                  /* reversed */
    case 3: return 7;                      /* all equal */
    case 4: return (uint32_t)test_rand_below(3);
    case 5: return i < n / 2 ? i : n - i;  /* organ pipe */
    case 6: return i % 17;                 /* saw */
    default: return i == n - 1 ? 0 : i + 1; /* the smallest comes last */
    }
}

static void check(size_t n, size_t size, unsigned shape) {
    element = size;
    for (size_t i = 0; i < n; i++) {
        uint32_t key = shaped(shape, (uint32_t)i, (uint32_t)n);
        uint8_t *e = got + i * size;
        memset(e, 0, size);
        for (size_t k = 0; k < size && k < 4; k++) e[k] = (uint8_t)(key >> (8 * (OMEN_MIN(size, (size_t)4) - 1 - k)));
        if (size > 4) e[size - 1] = (uint8_t)i; /* the end of a wide element travels with it */
    }
    memcpy(want, got, n * size);
    qsort(want, n, size, order);
    comparisons = 0;
    omen_sort(got, n, size, less, &element);
    CHECK_MEM(got, want, n * size);
    uint64_t log2 = 1;
    while (((size_t)1 << log2) <= n) log2++;
    CHECK(comparisons <= 40 + 5 * n * log2);
}

TEST(it_sorts_as_a_reference_does) {
    static const size_t sizes[] = {1, 2, 4, 8, 12, 64, 65, WIDEST}, counts[] = {0, 1, 2, 3, 15, 16, 17, 18, 33, 100, 1000, MAX};
    for (size_t s = 0; s < OMEN_ARRAY_LEN(sizes); s++)
        for (size_t c = 0; c < OMEN_ARRAY_LEN(counts); c++)
            for (unsigned shape = 0; shape < 8; shape++) check(counts[c], sizes[s], shape);
}

TEST(every_small_permutation_is_sorted) {
    element = 1;
    for (size_t n = 1; n <= 7; n++) {
        size_t total = 1;
        for (size_t i = 2; i <= n; i++) total *= i;
        for (size_t p = 0; p < total; p++) {
            uint8_t left[8], a[8];
            for (size_t i = 0; i < n; i++) left[i] = (uint8_t)i;
            size_t code = p;
            for (size_t i = 0; i < n; i++) {
                size_t pick = code % (n - i);
                code /= n - i;
                a[i] = left[pick];
                memmove(left + pick, left + pick + 1, n - i - pick - 1);
            }
            omen_sort(a, n, 1, less, &element);
            for (size_t i = 0; i < n; i++) CHECK_EQ_UINT(a[i], i);
        }
    }
}

/* An adversary that decides the order while it is asked (McIlroy 1999, "A killer adversary for quicksort"): whatever the pivots are, they turn
 * out bad. The work must stay n log n. */
static uint32_t killer_value[MAX];
static uint32_t killer_solid, killer_candidate;

static bool killer_less(void *arg, const void *pa, const void *pb) {
    uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    (void)arg;
    comparisons++;
    if (killer_value[a] == UINT32_MAX && killer_value[b] == UINT32_MAX) killer_value[a == killer_candidate ? a : b] = killer_solid++;
    if (killer_value[a] == UINT32_MAX) killer_candidate = a;
    else if (killer_value[b] == UINT32_MAX) killer_candidate = b;
    return killer_value[a] < killer_value[b];
}

TEST(no_order_makes_it_quadratic) {
    static uint32_t a[MAX];
    for (uint32_t i = 0; i < MAX; i++) a[i] = i, killer_value[i] = UINT32_MAX;
    killer_solid = killer_candidate = 0;
    comparisons = 0;
    omen_sort(a, MAX, sizeof *a, killer_less, NULL);
    CHECK(comparisons < (uint64_t)MAX * 13 * 8);
    for (size_t i = 1; i < MAX; i++) CHECK(killer_value[a[i - 1]] <= killer_value[a[i]]);
}

static int keyed_order(const void *pa, const void *pb) {
    const omen_keyed *a = pa, *b = pb;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

TEST(keyed_rows_sort_by_key_then_row) {
    static omen_keyed a[MAX], scratch[MAX], reference[MAX];
    static const size_t counts[] = {0, 1, 2, 3, 255, 256, 257, MAX};
    for (size_t c = 0; c < OMEN_ARRAY_LEN(counts); c++)
        for (unsigned kind = 0; kind < 6; kind++) {
            size_t n = counts[c];
            for (size_t i = 0; i < n; i++) {
                uint64_t r = test_rand();
                uint64_t key = kind == 0 ? r : kind == 1 ? r & 0xFF : kind == 2 ? r & 3 : kind == 3 ? 5 : kind == 4 ? r & UINT64_C(0xFF000000000000FF) : UINT64_MAX - i;
                a[i] = (omen_keyed){key, (uint32_t)i, (uint32_t)r};
            }
            memcpy(reference, a, n * sizeof *a);
            qsort(reference, n, sizeof *a, keyed_order);
            omen_sort_keyed(a, scratch, n);
            CHECK_MEM(a, reference, n * sizeof *a);
        }
}

TEST_MAIN()
