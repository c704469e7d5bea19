/* The storage that loses power is itself tested: it must keep what was synced, be able to lose what was not, and notice misuse. */
#include "test.h"

#include "fault_host.h"
#include "store/store.h"
#include "store_fixture.h"

static omen_file *open_file(omen_storage st, const char *name, omen_file_mode mode) {
    omen_file *f = NULL;
    CHECK_OK(st.ops->open(st.ctx, name, mode, &f));
    return f;
}

static void write_all(omen_storage st, omen_file *f, size_t at, char c, size_t len) {
    char bytes[4096];
    memset(bytes, c, len);
    CHECK_OK(st.ops->write_at(st.ctx, f, at, bytes, len));
}

static size_t length(const fault_storage *fs, const char *name) {
    size_t len;
    return fault_storage_data(fs, name, &len) == NULL ? SIZE_MAX : len;
}

/* "a": 1000 bytes of 1 synced, then 1000 of 2 over its end and 1000 of 3 behind; "b": created, not synced; "c": removed, not synced. */
static fault_storage *scene(omen_storage *st) {
    fault_storage *fs = fault_storage_new(1);
    fault_storage_put(fs, "c", "c", 1);
    *st = fault_storage_session(fs);
    omen_file *a = open_file(*st, "a", OMEN_FILE_CREATE);
    write_all(*st, a, 0, 1, 1000);
    CHECK_OK(st->ops->sync(st->ctx, a));
    CHECK_OK(st->ops->sync_dir(st->ctx));
    write_all(*st, a, 600, 2, 1000);
    write_all(*st, a, 1600, 3, 1000);
    st->ops->close(st->ctx, a);
    omen_file *b = open_file(*st, "b", OMEN_FILE_CREATE);
    write_all(*st, b, 0, 9, 100);
    CHECK_OK(st->ops->sync(st->ctx, b));
    st->ops->close(st->ctx, b);
    CHECK_OK(st->ops->remove(st->ctx, "c"));
    return fs;
}

TEST(what_a_crash_leaves) {
    omen_storage st;
    fault_storage *fs = scene(&st), *after;
    const uint8_t *p;
    size_t len;
    after = fault_storage_crash(fs, FAULT_CRASH_DURABLE, 1);
    p = fault_storage_data(after, "a", &len);
    CHECK_EQ_UINT(len, 1000);
    CHECK(p[0] == 1 && p[999] == 1);
    CHECK(!fault_storage_has(after, "b"));
    CHECK(fault_storage_has(after, "c"));
    fault_storage_free(after);

    after = fault_storage_crash(fs, FAULT_CRASH_ALL, 1);
    p = fault_storage_data(after, "a", &len);
    CHECK_EQ_UINT(len, 2600);
    CHECK(p[599] == 1 && p[600] == 2 && p[1599] == 2 && p[1600] == 3 && p[2599] == 3);
    CHECK_EQ_UINT(length(after, "b"), 100);
    CHECK(!fault_storage_has(after, "c"));
    CHECK_EQ_UINT(fault_storage_units(after), 0);
    fault_storage_free(after);

    after = fault_storage_crash(fs, FAULT_CRASH_ZERO_TAIL, 1);
    p = fault_storage_data(after, "a", &len);
    CHECK_EQ_UINT(len, 2600);
    CHECK(p[999] == 1 && p[1000] == 0 && p[2599] == 0);
    CHECK(fault_storage_has(after, "b"));
    fault_storage_free(after);

    /* At random: every sector of every form is seen, sizes and names come and go by themselves. */
    unsigned sizes[3] = {0}, forms[4] = {0}, b_there = 0, c_there = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        after = fault_storage_crash(fs, FAULT_CRASH_RANDOM, seed);
        p = fault_storage_data(after, "a", &len);
        CHECK(len == 1000 || len == 1600 || len == 2600);
        sizes[len == 1000 ? 0 : len == 1600 ? 1 : 2]++;
        for (size_t i = 0; i < 512; i++) CHECK(p[i] == 1); /* durable, and not touched since */
        if (len == 2600) {
            for (size_t i = 1024; i < 1536; i++) CHECK(p[i] == p[1024]); /* a sector is whole */
            CHECK(p[1024] == 0 || p[1024] == 2);
            /* Both writes touch the sector from 1536: none, the first, or both. */
            CHECK(p[1600] == 0 || (p[1600] == 3 && p[1599] == 2));
            forms[p[1599] == 0 ? 0 : p[1600] == 0 ? 1 : 2]++;
        }
        b_there += fault_storage_has(after, "b");
        c_there += fault_storage_has(after, "c");
        fault_storage_free(after);
    }
    for (int i = 0; i < 3; i++) CHECK(sizes[i] > 50 && forms[i] > 10);
    CHECK(b_there > 100 && b_there < 300 && c_there > 100 && c_there < 300);

    for (uint64_t seed = 0; seed < 200; seed++) {
        after = fault_storage_crash(fs, FAULT_CRASH_PREFIX, seed);
        p = fault_storage_data(after, "a", &len);
        /* In order: whoever has bytes of the third write has all of the second. */
        if (len > 1600) CHECK(p[600] == 2 && p[1599] == 2);
        CHECK(len >= 1000);
        fault_storage_free(after);
    }

    /* Units: the size, six sectors from 512 to 2600 less none, two names. */
    unsigned units = fault_storage_units(fs);
    CHECK_EQ_UINT(units, 1 + 5 + 2);
    after = fault_storage_crash_subset(fs, 0);
    CHECK_EQ_UINT(length(after, "a"), 1000);
    fault_storage_free(after);
    after = fault_storage_crash_subset(fs, (UINT64_C(1) << units) - 1);
    CHECK_EQ_UINT(length(after, "a"), 2600);
    CHECK(fault_storage_has(after, "b") && !fault_storage_has(after, "c"));
    fault_storage_free(after);

    /* A copy can lose the same things; the original is as it was. */
    fault_storage *clone = fault_storage_clone(fs);
    CHECK_EQ_UINT(fault_storage_units(clone), units);
    after = fault_storage_crash(clone, FAULT_CRASH_DURABLE, 0);
    CHECK_EQ_UINT(length(after, "a"), 1000);
    fault_storage_free(after);
    fault_storage_free(clone);
    st.ops->release(st.ctx);
    CHECK_STORAGE(fs);
    fault_storage_free(fs);
}

TEST(a_sync_covers_what_came_before_its_first_call) {
    fault_storage *fs = fault_storage_new(3);
    omen_storage st = fault_storage_session(fs);
    omen_file *f = open_file(st, "f", OMEN_FILE_CREATE);
    CHECK_OK(st.ops->sync_dir(st.ctx));
    fault_storage_set_pending(fs, 100);
    write_all(st, f, 0, 1, 100);
    CHECK_STATUS(st.ops->sync(st.ctx, f), OMEN_PENDING);
    write_all(st, f, 100, 2, 100); /* too late */
    omen_status s;
    STEP(s, st.ops->sync(st.ctx, f));
    CHECK_OK(s);
    fault_storage *after = fault_storage_crash(fs, FAULT_CRASH_DURABLE, 0);
    CHECK_EQ_UINT(length(after, "f"), 100);
    fault_storage_free(after);
    STEP(s, st.ops->sync(st.ctx, f));
    after = fault_storage_crash(fs, FAULT_CRASH_DURABLE, 0);
    CHECK_EQ_UINT(length(after, "f"), 200);
    fault_storage_free(after);
    st.ops->close(st.ctx, f);
    st.ops->release(st.ctx);
    CHECK_STORAGE(fs);
    fault_storage_free(fs);
}

/* Two that need the directory durable while one request is under way: the second must not take the first one's answer. */
TEST(two_owners_do_not_share_a_pending_sync_of_the_directory) {
    for (uint64_t seed = 0; seed < 50; seed++) {
        fault_storage *fs = fault_storage_new(seed);
        fixture x;
        omen_status a = OMEN_PENDING, b = OMEN_PENDING;
        fixture_init(&x, fs, 1, 1 << 20);
        omen_storage st = x.store.storage;
        st.ops->close(st.ctx, open_file(st, "first", OMEN_FILE_CREATE));
        fault_storage_set_pending(fs, 100);
        CHECK_STATUS(omen_store_sync_dir(&x.store, &a, NULL), OMEN_PENDING);
        fault_storage_set_pending(fs, 0);
        st.ops->close(st.ctx, open_file(st, "second", OMEN_FILE_CREATE));
        fault_storage_set_pending(fs, 60);
        while (b == OMEN_PENDING) {
            b = omen_store_sync_dir(&x.store, &b, NULL);
            if (b == OMEN_OK) break;
            if (a == OMEN_PENDING) a = omen_store_sync_dir(&x.store, &a, NULL);
        }
        CHECK_OK(b);
        fault_storage *after = fault_storage_crash(fs, FAULT_CRASH_DURABLE, 0);
        CHECK(fault_storage_has(after, "first") && fault_storage_has(after, "second"));
        fault_storage_free(after);
        /* One that gives up does not block the others. */
        fault_storage_set_pending(fs, 100);
        CHECK_STATUS(omen_store_sync_dir(&x.store, &a, NULL), OMEN_PENDING);
        omen_store_sync_dir_abandon(&x.store, &a);
        STEP(b, omen_store_sync_dir(&x.store, &b, NULL));
        CHECK_OK(b);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage_free(fs);
    }
}

TEST(faults_come_when_asked_for) {
    fault_storage *fs = fault_storage_new(1);
    omen_storage st = fault_storage_session(fs);
    uint8_t into[64];
    size_t got;
    uint64_t size;
    omen_file *f = open_file(st, "f", OMEN_FILE_CREATE);
    fault_storage_fail_at(fs, 2, OMEN_ERR_FULL, false);
    write_all(st, f, 0, 1, 64);
    CHECK(!fault_storage_fault_hit(fs));
    CHECK_STATUS(st.ops->write_at(st.ctx, f, 64, into, 64), OMEN_ERR_FULL);
    CHECK(fault_storage_fault_hit(fs));
    CHECK_OK(st.ops->size(st.ctx, f, &size));
    CHECK(size >= 64 && size < 128); /* a part may have been written */
    fault_storage_short_read_at(fs, 1);
    CHECK_OK(st.ops->read_at(st.ctx, f, 0, into, 64, &got));
    CHECK(got > 0 && got < 64);
    CHECK_OK(st.ops->read_at(st.ctx, f, 0, into, 64, &got));
    CHECK_EQ_UINT(got, 64);
    CHECK_OK(st.ops->read_at(st.ctx, f, 1u << 30, into, 64, &got));
    CHECK_EQ_UINT(got, 0);
    fault_storage_fail_at(fs, 1, OMEN_ERR_IO, true);
    for (int i = 0; i < 3; i++) CHECK_STATUS(st.ops->truncate(st.ctx, f, 0), OMEN_ERR_IO);
    fault_storage_power_off_at(fs, 2);
    CHECK_OK(st.ops->truncate(st.ctx, f, 10));
    CHECK_STATUS(st.ops->truncate(st.ctx, f, 0), OMEN_ERR_IO);
    CHECK_STATUS(st.ops->sync(st.ctx, f), OMEN_ERR_IO);
    CHECK_STATUS(st.ops->remove(st.ctx, "g"), OMEN_ERR_IO);
    CHECK_EQ_UINT(length(fs, "f"), 10);
    st.ops->close(st.ctx, f);
    st.ops->release(st.ctx);
    CHECK_STORAGE(fs);
    CHECK_EQ_UINT(fault_storage_sessions(fs), 0);
    fault_storage_free(fs);
}

static void expect_misuse(fault_storage *fs, const char *what) {
    const char *got = fault_storage_misuse(fs);
    if (CHECK(got != NULL)) CHECK(strncmp(got, what, strlen(what)) == 0);
    fault_storage_free(fs);
}

TEST(misuse_is_noticed) {
    fault_storage *fs;
    omen_storage st;
    omen_file *f;

#define BEGIN (fs = fault_storage_new(1), st = fault_storage_session(fs), f = open_file(st, "f", OMEN_FILE_CREATE))
    BEGIN;
    fault_storage_fail_at(fs, 1, OMEN_ERR_IO, false);
    CHECK_STATUS(st.ops->sync(st.ctx, f), OMEN_ERR_IO);
    (void)st.ops->sync(st.ctx, f);
    expect_misuse(fs, "a sync after one that failed");
    BEGIN;
    fault_storage_fail_at(fs, 1, OMEN_ERR_IO, false);
    CHECK_STATUS(st.ops->sync_dir(st.ctx), OMEN_ERR_IO);
    (void)st.ops->sync_dir(st.ctx);
    expect_misuse(fs, "a sync of the directory after one that failed");
    BEGIN;
    omen_file *again = open_file(st, "f", OMEN_FILE_WRITE);
    fault_storage_set_pending(fs, 100);
    CHECK_STATUS(st.ops->sync(st.ctx, f), OMEN_PENDING);
    (void)st.ops->sync(st.ctx, again);
    expect_misuse(fs, "two syncs of one file at once");
    BEGIN;
    st.ops->close(st.ctx, f);
    (void)st.ops->write_at(st.ctx, f, 0, "x", 1);
    expect_misuse(fs, "a handle used after close");
    BEGIN;
    omen_storage other = fault_storage_session(fs);
    (void)other.ops->write_at(other.ctx, f, 0, "x", 1);
    expect_misuse(fs, "a handle used through another session");
    BEGIN;
    (void)st.ops->remove(st.ctx, "f");
    expect_misuse(fs, "a file removed while open");
    BEGIN;
    (void)st.ops->open(st.ctx, "../f", OMEN_FILE_READ, &f);
    expect_misuse(fs, "a bad name");
    BEGIN;
    f = open_file(st, "f", OMEN_FILE_READ);
    (void)st.ops->write_at(st.ctx, f, 0, "x", 1);
    expect_misuse(fs, "a write through a handle for reading");
    BEGIN;
    st.ops->release(st.ctx);
    expect_misuse(fs, "a release with open files");
    BEGIN;
    st.ops->close(st.ctx, f);
    st.ops->release(st.ctx);
    (void)st.ops->sync_dir(st.ctx);
    expect_misuse(fs, "a call after release");
#undef BEGIN
}

TEST(a_host_opens_its_images_by_name) {
    fault_host *h = fault_host_new(5);
    omen_storage a, b;
    const omen_host *host = &h->host;
    CHECK_STATUS(host->storage_open(host->ctx, "db", 0, &a), OMEN_ERR_NOT_FOUND);
    CHECK_OK(host->storage_open(host->ctx, "db", OMEN_STORAGE_CREATE, &a));
    CHECK_STATUS(host->storage_open(host->ctx, "db", OMEN_STORAGE_CREATE, &b), OMEN_ERR_BUSY);
    a.ops->close(a.ctx, open_file(a, "f", OMEN_FILE_CREATE));
    CHECK_OK(host->storage_open(host->ctx, "db", OMEN_STORAGE_READ_ONLY, &b));
    b.ops->release(b.ctx);
    a.ops->release(a.ctx);
    CHECK_OK(host->storage_open(host->ctx, "db", 0, &a));
    a.ops->release(a.ctx);
    CHECK_STORAGE(fault_host_image(h, "db"));
    void *p = host->alloc(host->ctx, 10);
    CHECK_EQ_UINT((uintptr_t)p % 64, 0);
    p = host->resize(host->ctx, p, 10, 1000);
    CHECK_EQ_UINT(fault_host_bytes(h), 1000);
    fault_host_fail_alloc_at(h, 2, false);
    host->free(host->ctx, p, 1000);
    p = host->alloc(host->ctx, 1);
    CHECK(p != NULL && host->alloc(host->ctx, 1) == NULL && fault_host_fault_hit(h));
    host->free(host->ctx, p, 1);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

TEST_MAIN()
