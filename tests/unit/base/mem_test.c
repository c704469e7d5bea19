/* Memory from the host: counting, the limit, what happens when there is none; buffers and arenas on top. */
#include "test.h"

#include "base/mem.h"
#include "fault_host.h"

static fault_host *host;
static omen_mem mem;

static void begin(uint64_t limit) {
    host = fault_host_new(1);
    omen_mem_init(&mem, &host->host, limit);
}

static void end(void) {
    CHECK_EQ_UINT(fault_host_bytes(host), 0);
    CHECK_EQ_UINT(mem.bytes, 0);
    fault_host_free(host);
}

TEST(bytes_and_peak_are_counted) {
    begin(0);
    void *a = omen_alloc(&mem, 100), *b = omen_alloc_zero(&mem, 50);
    REQUIRE(a != NULL && b != NULL);
    CHECK((uintptr_t)a % 64 == 0 && (uintptr_t)b % 64 == 0);
    for (size_t i = 0; i < 50; i++) CHECK(((char *)b)[i] == 0);
    CHECK_EQ_UINT(mem.bytes, 150);
    CHECK_EQ_UINT(mem.peak, 150);
    memset(a, 7, 100);
    a = omen_resize(&mem, a, 100, 1000);
    REQUIRE(a != NULL);
    for (size_t i = 0; i < 100; i++) CHECK(((char *)a)[i] == 7);
    CHECK_EQ_UINT(mem.bytes, 1050);
    a = omen_resize(&mem, a, 1000, 10);
    CHECK_EQ_UINT(mem.bytes, 60);
    CHECK_EQ_UINT(mem.peak, 1050);
    CHECK_EQ_UINT(fault_host_bytes(host), 60);
    omen_free(&mem, a, 10);
    omen_free(&mem, b, 50);
    omen_free(&mem, NULL, 5);
    end();
}

TEST(odd_sizes_are_answered) {
    begin(0);
    CHECK(omen_alloc(&mem, 0) == NULL && omen_alloc_zero(&mem, 0) == NULL);
    CHECK(omen_alloc(&mem, SIZE_MAX) == NULL && omen_alloc(&mem, SIZE_MAX / 2 + 1) == NULL);
    CHECK_EQ_UINT(fault_host_allocs(host), 0);
    void *p = omen_resize(&mem, NULL, 0, 10); /* as omen_alloc */
    REQUIRE(p != NULL);
    CHECK(omen_resize(&mem, p, 10, SIZE_MAX) == NULL);
    CHECK_EQ_UINT(mem.bytes, 10);
    omen_free(&mem, p, 10);
    end();
}

TEST(the_limit_holds_and_is_given_back) {
    begin(1000);
    void *a = omen_alloc(&mem, 600);
    REQUIRE(a != NULL);
    CHECK(omen_alloc(&mem, 401) == NULL);
    CHECK(omen_resize(&mem, a, 600, 1001) == NULL);
    CHECK_EQ_UINT(mem.bytes, 600);
    void *b = omen_alloc(&mem, 400);
    CHECK(b != NULL);
    CHECK_EQ_UINT(mem.bytes, 1000);
    CHECK(omen_alloc(&mem, 1) == NULL);
    omen_free(&mem, b, 400);
    a = omen_resize(&mem, a, 600, 1000);
    CHECK(a != NULL);
    omen_free(&mem, a, 1000);
    end();
}

TEST(a_host_without_memory_is_no_loss) {
    begin(0);
    void *a = omen_alloc(&mem, 100);
    fault_host_fail_alloc_at(host, 1, true);
    CHECK(omen_alloc(&mem, 10) == NULL && omen_alloc_zero(&mem, 10) == NULL);
    CHECK(omen_resize(&mem, a, 100, 200) == NULL);
    CHECK(omen_resize(&mem, a, 100, 50) == NULL);
    CHECK_EQ_UINT(mem.bytes, 100);
    omen_free(&mem, a, 100);
    end();
}

/* ---- buffers ---- */

TEST(a_buffer_holds_what_was_appended) {
    begin(0);
    omen_buf b;
    omen_buf_init(&b, &mem);
    CHECK_OK(omen_buf_append(&b, NULL, 0));
    CHECK(b.data == NULL && b.len == 0);
    static uint8_t want[100000];
    size_t n = 0;
    while (n < sizeof want - 1000) {
        uint8_t piece[600];
        size_t len = test_rand_below(sizeof piece);
        for (size_t i = 0; i < len; i++) piece[i] = (uint8_t)test_rand();
        switch (test_rand_below(5)) {
        case 0:
            CHECK_OK(omen_buf_append(&b, NULL, len));
            memset(want + n, 0, len);
            break;
        case 1:
            CHECK_OK(omen_buf_append_u32(&b, (uint32_t)len));
            omen_put32(want + n, (uint32_t)len);
            len = 4;
            break;
        case 2:
            CHECK_OK(omen_buf_append_u64(&b, len));
            omen_put64(want + n, len);
            len = 8;
            break;
        case 3: {
            size_t to = (size_t)1 << test_rand_below(7);
            CHECK_OK(omen_buf_align(&b, to));
            len = (to - n % to) % to;
            memset(want + n, 0, len);
            break;
        }
        default:
            CHECK_OK(omen_buf_append(&b, piece, len));
            memcpy(want + n, piece, len);
        }
        n += len;
        REQUIRE(b.len == n && b.cap >= n && (uintptr_t)b.data % 64 == 0);
    }
    CHECK_MEM(b.data, want, n);
    CHECK_OK(omen_buf_append_str(&b, "end"));
    CHECK_MEM(b.data + n, "end", 3);
    CHECK_EQ_UINT(b.len, n + 3);
    CHECK(fault_host_allocs(host) < 40); /* it grows by a share of itself */
    omen_buf_deinit(&b);
    CHECK(b.data == NULL && b.len == 0 && b.cap == 0);
    omen_buf_deinit(&b);
    end();
}

TEST(a_buffer_that_cannot_grow_is_as_before) {
    begin(300);
    omen_buf b;
    omen_buf_init(&b, &mem);
    REQUIRE_OK(omen_buf_append(&b, NULL, 200));
    CHECK_STATUS(omen_buf_append(&b, NULL, 101), OMEN_ERR_MEMORY);
    CHECK_STATUS(omen_buf_reserve(&b, SIZE_MAX), OMEN_ERR_MEMORY);
    CHECK_STATUS(omen_buf_reserve(&b, SIZE_MAX - 200), OMEN_ERR_MEMORY);
    CHECK_EQ_UINT(b.len, 200);
    CHECK_OK(omen_buf_append(&b, NULL, 100)); /* growing by half does not fit below the limit, this much does */
    CHECK_EQ_UINT(b.len, 300);
    fault_host_fail_alloc_at(host, 1, true);
    CHECK_STATUS(omen_buf_append_u32(&b, 1), OMEN_ERR_MEMORY);
    CHECK_STATUS(omen_buf_append_u64(&b, 1), OMEN_ERR_MEMORY);
    CHECK_STATUS(omen_buf_append_str(&b, "x"), OMEN_ERR_MEMORY);
    CHECK_STATUS(omen_buf_align(&b, 64), OMEN_ERR_MEMORY);
    CHECK_OK(omen_buf_align(&b, 100));
    CHECK_EQ_UINT(b.len, 300);
    omen_buf_deinit(&b);
    end();
}

/* ---- arenas ---- */

TEST(pieces_of_an_arena_are_apart_and_aligned) {
    enum { PIECES = 3000 };
    static struct {
        uint8_t *p;
        size_t len;
        uint8_t fill;
    } pieces[PIECES];
    begin(0);
    omen_arena a;
    omen_arena_init(&a, &mem, 4096);
    for (size_t i = 0; i < PIECES; i++) {
        size_t align = (size_t)1 << test_rand_below(7);
        pieces[i].len = test_rand_below(20) == 0 ? test_rand_below(20000) : test_rand_below(100);
        pieces[i].fill = (uint8_t)i;
        pieces[i].p = omen_arena_alloc(&a, pieces[i].len, align);
        REQUIRE(pieces[i].p != NULL && (uintptr_t)pieces[i].p % align == 0);
        memset(pieces[i].p, pieces[i].fill, pieces[i].len);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t k = 0; k < pieces[i].len; k++) REQUIRE(pieces[i].p[k] == pieces[i].fill);
    CHECK_EQ_UINT(a.bytes, mem.bytes);
    CHECK_EQ_UINT(a.bytes, fault_host_bytes(host));
    omen_arena_deinit(&a);
    CHECK_EQ_UINT(a.bytes, 0);
    CHECK(omen_arena_alloc(&a, 10, 1) != NULL); /* it can be used again */
    omen_arena_deinit(&a);
    end();
}

TEST(a_large_piece_does_not_end_the_block_in_use) {
    begin(0);
    omen_arena a;
    omen_arena_init(&a, &mem, 4096);
    uint8_t *first = omen_arena_alloc(&a, 16, 16);
    CHECK(omen_arena_alloc(&a, 100000, 1) != NULL);
    CHECK(omen_arena_alloc(&a, 16, 16) == (void *)(first + 16));
    omen_arena_deinit(&a);
    end();
}

TEST(copies_in_an_arena) {
    begin(0);
    omen_arena a;
    omen_arena_init(&a, &mem, 256);
    char *p = omen_arena_copy(&a, "some text", 10);
    REQUIRE(p != NULL);
    CHECK_EQ_STR(p, "some text");
    CHECK(omen_arena_copy(&a, NULL, 0) != NULL);
    fault_host_fail_alloc_at(host, 1, true);
    size_t before = a.bytes;
    CHECK(omen_arena_alloc(&a, 10000, 8) == NULL);
    CHECK(omen_arena_copy(&a, p, SIZE_MAX - 10) == NULL);
    CHECK(omen_arena_alloc(&a, SIZE_MAX, 64) == NULL);
    CHECK_EQ_UINT(a.bytes, before);
    CHECK_EQ_STR(p, "some text");
    omen_arena_deinit(&a);
    end();
}

TEST_MAIN()
