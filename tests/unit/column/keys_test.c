/* The learned index of ids: every id of every set lies within the proven error, absent ones are told, damaged bytes are refused, bytes are the same everywhere. */
#include "column/keys.h"

#include "base/hash.h"
#include "fault_host.h"
#include "test.h"

static fault_host *host;
static omen_mem mem;

static void setup(void) {
    host = fault_host_new(1);
    omen_mem_init(&mem, &host->host, 0);
}

static void teardown(void) {
    CHECK_EQ_UINT(fault_host_bytes(host), 0);
    fault_host_free(host);
}

static int by_value(const void *a, const void *b) {
    uint64_t x, y;
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    return x < y ? -1 : x > y;
}

static void sort(uint64_t *v, uint32_t n) { qsort(v, n, sizeof *v, by_value); }

/* Ascending images become a model's bytes. */
static omen_keys_builder build(omen_keys_kind kind, const uint64_t *v, uint32_t n) {
    omen_keys_builder b;
    omen_keys_builder_init(&b, &mem, kind, n, kind == OMEN_KEYS_HASHES ? 0 : 9);
    for (uint32_t i = 0; i < n; i++) CHECK_OK(omen_keys_builder_add(&b, v[i]));
    CHECK_OK(omen_keys_builder_finish(&b));
    return b;
}

static uint32_t lower_bound(const uint64_t *v, uint32_t n, uint64_t x) {
    uint32_t low = 0;
    while (n > 0) {
        uint32_t half = n / 2;
        if (v[low + half] < x) low += half + 1, n -= half + 1;
        else n = half;
    }
    return low;
}

/* An absent image: the next greater place is where the bound says, or the window ends where the segment does. */
static void check_absent(const omen_keys *k, const uint64_t *v, uint32_t n, uint64_t x) {
    uint32_t from, to, p = omen_keys_window(k, x, &from, &to), y = lower_bound(v, n, x);
    if (y < n && v[y] == x) return;
    if (x < v[0]) CHECK(from == 0 && to == 0);
    else CHECK(from <= to && to <= n && to - from <= 2 * k->error + k->longest && y + k->error >= p && y <= p + k->error + k->longest);
}

/* The promises of keys.h for one set; answers the segments. */
static uint32_t check_set(omen_keys_kind kind, const uint64_t *v, uint32_t n) {
    omen_keys_builder b = build(kind, v, n);
    omen_keys k;
    omen_error err = {0};
    uint32_t count = 0;
    if (CHECK_OK(omen_keys_open(&mem, b.bytes.data, b.bytes.len, n, &k, &err))) {
        count = k.count;
        CHECK(k.kind == kind && k.rows == n && k.error == omen_keys_error(kind));
        for (uint32_t i = 0, run = 0; i < n; i += run) {
            uint32_t from, to, p = omen_keys_window(&k, v[i], &from, &to);
            for (run = 1; i + run < n && v[i + run] == v[i]; run++) {}
            if (!CHECK(p <= i + k.error && i <= p + k.error)) break;
            if (!CHECK(from <= i && i + run <= to && to <= n && to - from <= 2 * k.error + k.longest && run <= k.longest)) break;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (v[i] != UINT64_MAX) check_absent(&k, v, n, v[i] + 1);
            if (v[i] != 0) check_absent(&k, v, n, v[i] - 1);
            if (i + 1 < n) check_absent(&k, v, n, v[i] + (v[i + 1] - v[i]) / 2);
        }
        check_absent(&k, v, n, 0);
        check_absent(&k, v, n, UINT64_MAX);
        omen_keys_deinit(&k);
    }
    omen_keys_builder_deinit(&b);
    return count;
}

/* Sets of images, ascending, of which kinds but HASHES have none twice. */
enum { SETS = 12, HARDEST = 10 };
static void make(int set, uint64_t *v, uint32_t n) {
    uint64_t x = set % 2 == 0 ? 0 : UINT64_C(1) << 63;
    for (uint32_t i = 0; i < n; i++) {
        switch (set) {
        case 0: case 1: x += 1; break;                                                              /* one after another */
        case 2: case 3: x += test_rand_below(100) == 0 ? test_rand() >> 24 : 1 + test_rand_below(64); break; /* bursts */
        case 4: case 5: x += 1 + test_rand_below(1 << 20); break;
        case 6: x += 1 + ((uint64_t)i << (i % 23)); break;                                          /* accelerates */
        case 7: x += (i / 13) % 2 == 0 ? 1 : UINT64_C(1) << 40; break;                              /* steps that no line fits for long */
        case 8: x = i < 60 ? UINT64_C(1) << i : x + 1; break;                                       /* doubles */
        case 9: x += (i / (24 + i % 3)) % 2 == 0 ? 3 : 3 + i % 29 * 1000; break;                    /* about the cone's width */
        default: x = test_rand();
        }
        v[i] = x;
    }
    if (set == 10) { /* repeated: hashes that collide */
        for (uint32_t i = 0; i < n; i++)
            if (i % 7 == 0) v[i] = v[i / 50];
    }
    if (set == 11 && n > 2) {
        v[0] = 0;
        v[1] = UINT64_MAX;
    }
    sort(v, n);
}

TEST(every_length_of_every_distribution_keeps_the_bound) {
    static uint64_t v[400];
    setup();
    for (int set = 0; set < SETS; set++)
        for (uint32_t n = 1; n <= OMEN_ARRAY_LEN(v); n += n < 60 ? 1 : 17) {
            make(set, v, n);
            check_set(OMEN_KEYS_HASHES, v, n);
            if (set != HARDEST) check_set(OMEN_KEYS_ROWS, v, n);
            if (test_failures != 0) {
                printf("    set %d of %u\n", set, n);
                return;
            }
        }
    teardown();
}

TEST(large_sets_keep_the_bound_with_few_segments) {
    enum { N = 200000 };
    static uint64_t v[N];
    setup();
    for (int set = 0; set < SETS; set++) {
        make(set, v, N);
        uint32_t count = check_set(OMEN_KEYS_HASHES, v, N);
        CHECK(count <= N / 12 + 1); /* whatever comes, E - 1 places fit a line that lies flat, and more */
        if (set < 2) CHECK_EQ_UINT(count, 1);
        if (set == 4 || set == 5 || set == 10) CHECK(count <= N / 150);
    }
    teardown();
}

/* Millions of places in one straight line: segments end in time for their slopes to be exact enough. */
TEST(long_lines_keep_the_bound) {
    enum { N = 3000000 };
    uint64_t *v = malloc(N * sizeof *v);
    setup();
    for (uint32_t i = 0; i < N; i++) v[i] = UINT64_C(0x5555555555) * i + 12345;
    CHECK_EQ_UINT(check_set(OMEN_KEYS_VALUES, v, N), 3);
    for (uint32_t i = 0; i < N; i++) v[i] = (uint64_t)i * 3 + i % 3;
    check_set(OMEN_KEYS_ROWS, v, N);
    free(v);
    teardown();
}

TEST(a_run_of_one_image_is_wholly_in_the_window) {
    static uint64_t v[5000];
    setup();
    for (uint32_t run = 1; run <= 5000; run += run < 100 ? 7 : 1223) {
        for (uint32_t i = 0; i < 5000; i++) v[i] = i < run ? 77 : i < 3000 ? (uint64_t)i << 20 : UINT64_MAX - 5000 + i / 2;
        sort(v, 5000);
        check_set(OMEN_KEYS_HASHES, v, 5000);
    }
    teardown();
}

TEST(images_follow_kinds) {
    uint8_t bytes[OMEN_KEY_MAX], more[OMEN_KEY_MAX];
    omen_key key, text;
    omen_error err = {0};
    uint64_t image = 0, last = 0;
    static const int64_t numbers[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(numbers); i++) {
        CHECK_OK(omen_key_encode(&OMEN_ID_INT(numbers[i]), bytes, &key, &err));
        CHECK(omen_keys_image(OMEN_KEYS_ROWS, key, 5, &image) && image == ((uint64_t)numbers[i] ^ UINT64_C(1) << 63));
        CHECK(i == 0 || image > last);
        last = image;
        CHECK(omen_keys_image(OMEN_KEYS_HASHES, key, 5, &image) && image == 5);
    }
    CHECK_OK(omen_key_encode(&OMEN_ID_STR("12345678"), more, &text, &err));
    CHECK(!omen_keys_image(OMEN_KEYS_VALUES, text, 5, &image));
    CHECK(!omen_keys_image(OMEN_KEYS_ROWS, text, 5, &image));
    CHECK(omen_keys_image(OMEN_KEYS_HASHES, text, 5, &image) && image == 5);
}

TEST(the_bloom_filter_forgets_none_and_lets_few_pass) {
    enum { N = 20000 };
    for (int kind = 0; kind < OMEN_KEYS_KINDS; kind++) {
        uint32_t blocks = omen_keys_bloom_blocks((omen_keys_kind)kind, N), passed = 0;
        uint8_t *bloom = calloc(blocks, OMEN_KEYS_BLOOM_BLOCK);
        for (uint64_t i = 0; i < N; i++) omen_keys_bloom_add(bloom + omen_keys_bloom_at(omen_keys_mix(i), blocks), omen_keys_mix(i));
        for (uint64_t i = 0; i < N; i++) CHECK(omen_keys_bloom_test(bloom + omen_keys_bloom_at(omen_keys_mix(i), blocks), omen_keys_mix(i)));
        for (uint64_t i = N; i < 6 * N; i++) passed += omen_keys_bloom_test(bloom + omen_keys_bloom_at(omen_keys_mix(i), blocks), omen_keys_mix(i));
        CHECK(passed > 0 && passed < 5 * N / (kind == OMEN_KEYS_ROWS ? 60 : 25));
        free(bloom);
    }
    CHECK_EQ_UINT(omen_keys_bloom_blocks(OMEN_KEYS_ROWS, 1), 1);
    CHECK_EQ_UINT(omen_keys_bloom_blocks(OMEN_KEYS_ROWS, 1u << 30), 41943040);
}

TEST(tags_are_matched_one_by_one) {
    uint8_t tags[72];
    for (uint32_t round = 0; round < 2000; round++) {
        uint32_t n = (uint32_t)test_rand_below(65);
        uint8_t tag = (uint8_t)(round % 3 == 0 ? 0 : test_rand());
        for (uint32_t i = 0; i < sizeof tags; i++) tags[i] = (uint8_t)(test_rand_below(3) == 0 ? tag : tag ^ (1 + test_rand_below(round % 2 == 0 ? 1 : 255)));
        uint64_t want = 0;
        for (uint32_t i = 0; i < n; i++) want |= (uint64_t)(tags[i] == tag) << i;
        uint64_t found = 0;
        for (uint64_t bits = omen_keys_match(tags, n, tag); bits != 0; bits &= bits - 1) {
            uint64_t one = UINT64_C(1) << omen_keys_matched(bits);
            CHECK((found & one) == 0);
            found |= one;
        }
        CHECK_EQ_UINT(found, want);
    }
}

TEST(integers_are_searched_where_they_lie) {
    uint8_t ids[40 * 9];
    for (uint32_t n = 0; n <= 40; n++) {
        for (uint32_t i = 0; i < n; i++) {
            omen_key key;
            CHECK_OK(omen_key_encode(&OMEN_ID_INT(5 + 2 * (int64_t)i), ids + 9 * i, &key, NULL));
        }
        for (uint32_t expected = 0; expected <= n + 1; expected++)
            for (uint32_t value = 0; value < 2 * n + 10; value++) {
                uint32_t want = value >= 5 && value % 2 == 1 && value < 5 + 2 * n ? (value - 5) / 2 : n;
                CHECK_EQ_UINT(omen_keys_search(ids, n, expected, value ^ UINT64_C(1) << 63), want);
            }
    }
}

/* No byte may be changed or missing. */
TEST(damage_is_seen) {
    static uint64_t v[700];
    omen_keys k;
    omen_error err = {0};
    setup();
    make(9, v, 700);
    omen_keys_builder b = build(OMEN_KEYS_VALUES, v, 700);
    CHECK(b.count > 3);
    for (size_t i = 0; i < b.bytes.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            b.bytes.data[i] ^= (uint8_t)(1 << bit);
            CHECK_STATUS(omen_keys_open(&mem, b.bytes.data, b.bytes.len, 700, &k, &err), OMEN_ERR_CORRUPT);
            b.bytes.data[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t len = 0; len < b.bytes.len; len++) CHECK_STATUS(omen_keys_open(&mem, b.bytes.data, len, 700, &k, &err), OMEN_ERR_CORRUPT);
    CHECK_STATUS(omen_keys_open(&mem, b.bytes.data, b.bytes.len, 699, &k, &err), OMEN_ERR_CORRUPT);
    CHECK_STATUS(omen_keys_open(&mem, b.bytes.data, b.bytes.len, 0, &k, &err), OMEN_ERR_CORRUPT);
    CHECK_OK(omen_keys_open(&mem, b.bytes.data, b.bytes.len, 700, &k, &err));
    CHECK(omen_keys_bytes(&k) == mem.bytes - b.bytes.cap);
    omen_keys_deinit(&k);
    omen_keys_builder_deinit(&b);
    teardown();
}

/* Bytes that somebody made to mislead, with a right checksum: refused, or every answer stays within the part. */
TEST(hostile_bytes_lead_nowhere) {
    static uint64_t v[300];
    uint32_t opened = 0;
    omen_error err = {0};
    setup();
    for (uint32_t round = 0; round < 20000; round++) {
        uint32_t n = 1 + (uint32_t)test_rand_below(300);
        if (round % 50 == 0) test_rand();
        make((int)(round % SETS), v, n);
        omen_keys_builder b = build(OMEN_KEYS_HASHES, v, n);
        omen_keys k;
        for (uint64_t changes = 1 + test_rand_below(3); changes-- != 0;) {
            size_t at = 8 + (size_t)test_rand_below(b.bytes.len - 8) / 4 * 4;
            static const uint32_t odd[] = {0, 1, 2, 3, 0x7f800000u, 0xffc00000u, 0x80000000u, 0x7f7fffffu, UINT32_MAX};
            omen_put32(b.bytes.data + at, test_rand_below(2) == 0 ? odd[test_rand_below(OMEN_ARRAY_LEN(odd))] : (uint32_t)(test_rand() >> test_rand_below(60)));
        }
        omen_put64(b.bytes.data, omen_hash64(b.bytes.data + 8, b.bytes.len - 8, 0));
        omen_status s = omen_keys_open(&mem, b.bytes.data, b.bytes.len, n, &k, &err);
        CHECK(s == OMEN_OK || s == OMEN_ERR_CORRUPT || s == OMEN_ERR_VERSION);
        for (uint32_t i = 0; s == OMEN_OK && i < 2 * n; i++) {
            uint32_t from, to, p = omen_keys_window(&k, i < n ? v[i] : test_rand() >> (i % 64), &from, &to);
            CHECK(from <= to && to <= n && (p < n || from == to) && to - from <= 2 * k.error + k.longest);
        }
        if (s == OMEN_OK) {
            opened++;
            omen_keys_deinit(&k);
        }
        omen_keys_builder_deinit(&b);
    }
    CHECK(opened > 1000);
    teardown();
}

TEST(too_little_memory_is_said) {
    static uint64_t v[5000];
    setup();
    make(10, v, 5000);
    omen_keys_builder good = build(OMEN_KEYS_HASHES, v, 5000);
    for (uint64_t at = 1; at <= 3; at++) {
        omen_keys k;
        omen_error err = {0};
        fault_host_fail_alloc_at(host, at, false);
        omen_status s = omen_keys_open(&mem, good.bytes.data, good.bytes.len, 5000, &k, &err);
        CHECK_STATUS(s, at <= 2 ? OMEN_ERR_MEMORY : OMEN_OK);
        if (s == OMEN_OK) omen_keys_deinit(&k);
        fault_host_fail_alloc_at(host, 0, false);
        omen_keys_builder b;
        omen_keys_builder_init(&b, &mem, OMEN_KEYS_HASHES, 5000, 36);
        fault_host_fail_alloc_at(host, at, true);
        s = OMEN_OK;
        for (uint32_t i = 0; i < 5000 && s == OMEN_OK; i++) s = omen_keys_builder_add(&b, v[i]);
        if (s == OMEN_OK) s = omen_keys_builder_finish(&b);
        CHECK_STATUS(s, fault_host_fault_hit(host) ? OMEN_ERR_MEMORY : OMEN_OK);
        fault_host_fail_alloc_at(host, 0, false);
        omen_keys_builder_deinit(&b);
    }
    omen_keys_builder_deinit(&good);
    /* One id: room for its segment is asked for at the end. */
    for (uint64_t at = 1; at <= 3; at++) {
        omen_keys_builder b;
        omen_keys_builder_init(&b, &mem, OMEN_KEYS_ROWS, 1, 9);
        fault_host_fail_alloc_at(host, at, true);
        omen_status s = omen_keys_builder_add(&b, 7);
        CHECK_STATUS(s, at == 1 ? OMEN_ERR_MEMORY : OMEN_OK);
        if (s == OMEN_OK) s = omen_keys_builder_finish(&b);
        CHECK_STATUS(s, fault_host_fault_hit(host) ? OMEN_ERR_MEMORY : OMEN_OK);
        fault_host_fail_alloc_at(host, 0, false);
        omen_keys_builder_deinit(&b);
    }
    teardown();
}

/* The same on every host: pinned. */
TEST(bytes_are_pinned) {
    static uint64_t v[20000];
    uint64_t all = 0, x = 1;
    setup();
    for (int kind = 0; kind < OMEN_KEYS_KINDS; kind++) {
        for (uint32_t i = 0; i < 20000; i++) v[i] = kind == 0 ? x += 1 + omen_keys_mix(i) % 97 * (i % 512 == 0 ? 1 << 20 : 1) : omen_keys_mix(i + 1);
        sort(v, 20000);
        omen_keys_builder b = build((omen_keys_kind)kind, v, 20000);
        all = omen_hash64(b.bytes.data, b.bytes.len, all);
        omen_keys_builder_deinit(&b);
    }
    CHECK_EQ_UINT(all, UINT64_C(0x106c1b22d7eed06b));
    teardown();
}

TEST_MAIN()
