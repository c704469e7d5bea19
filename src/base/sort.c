#include "base/sort.h"

typedef bool less_fn(void *arg, const void *a, const void *b);

typedef struct job {
    uint8_t *base;
    size_t size;
    less_fn *less;
    void *arg;
} job;

static uint8_t *at(const job *j, size_t i) { return j->base + i * j->size; }

static void swap(const job *j, size_t a, size_t b) {
    uint8_t *x = at(j, a), *y = at(j, b), t[64];
    for (size_t left = j->size; left != 0;) {
        size_t n = OMEN_MIN(left, sizeof t);
        memcpy(t, x, n);
        memcpy(x, y, n);
        memcpy(y, t, n);
        x += n, y += n, left -= n;
    }
}

static bool less(const job *j, size_t a, size_t b) { return j->less(j->arg, at(j, a), at(j, b)); }

static void insertion(const job *j, size_t from, size_t to) {
    for (size_t i = from + 1; i < to; i++)
        for (size_t k = i; k > from && less(j, k, k - 1); k--) swap(j, k, k - 1);
}

static void sift(const job *j, size_t from, size_t count, size_t i) {
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= count) return;
        if (child + 1 < count && less(j, from + child, from + child + 1)) child++;
        if (!less(j, from + i, from + child)) return;
        swap(j, from + i, from + child);
        i = child;
    }
}

static void heapsort(const job *j, size_t from, size_t to) {
    size_t count = to - from;
    for (size_t i = count / 2; i-- != 0;) sift(j, from, count, i);
    for (size_t left = count; left > 1; left--) {
        swap(j, from, from + left - 1);
        sift(j, from, left - 1, 0);
    }
}

/* Quicksort by the median of three; a range that halves badly too often is left to heapsort. The longer side waits on a small stack, so the
 * depth is at most log2 of the count. */
void omen_sort(void *base, size_t count, size_t size, less_fn *less_than, void *arg) {
    job j = {base, size, less_than, arg};
    struct { size_t from, to; unsigned depth; } stack[64];
    unsigned top = 0, depth = 2;
    for (size_t n = count; n > 1; n >>= 1) depth += 2;
    size_t from = 0, to = count;
    for (;;) {
        while (to - from > 16) {
            if (depth-- == 0) {
                heapsort(&j, from, to);
                break;
            }
            size_t mid = from + (to - from) / 2, last = to - 1;
            if (less(&j, mid, from)) swap(&j, mid, from);
            if (less(&j, last, from)) swap(&j, last, from);
            if (less(&j, last, mid)) swap(&j, last, mid);
            swap(&j, mid, from); /* the pivot waits in front */
            size_t a = from, b = to;
            for (;;) {
                while (less(&j, ++a, from) && a != last) {
                }
                while (less(&j, from, --b)) {
                }
                if (a >= b) break;
                swap(&j, a, b);
            }
            swap(&j, from, b);
            size_t left = b - from, right = to - b - 1;
            if (left > right) {
                stack[top].from = from, stack[top].to = b;
                from = b + 1;
            } else {
                stack[top].from = b + 1, stack[top].to = to;
                to = b;
            }
            stack[top++].depth = depth;
        }
        if (to > from && to - from <= 16) insertion(&j, from, to);
        if (top == 0) return;
        top--;
        from = stack[top].from, to = stack[top].to, depth = stack[top].depth;
    }
}

/* Eight passes of one byte; a pass whose byte is the same everywhere is skipped. Stable, so equal keys stay in order of row. */
void omen_sort_keyed(omen_keyed *a, omen_keyed *scratch, size_t count) {
    omen_keyed *from = a, *to = scratch;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t start[257] = {0};
        for (size_t i = 0; i < count; i++) start[(from[i].key >> shift & 0xFF) + 1]++;
        bool same = false;
        for (unsigned b = 0; b < 256; b++) {
            same = same || start[b + 1] == count;
            start[b + 1] += start[b];
        }
        if (same) continue;
        for (size_t i = 0; i < count; i++) to[start[from[i].key >> shift & 0xFF]++] = from[i];
        omen_keyed *t = from;
        from = to;
        to = t;
    }
    if (from != a) memcpy(a, from, count * sizeof *a);
}
