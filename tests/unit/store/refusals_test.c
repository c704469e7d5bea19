/* What the store refuses that no crash and no single changed byte brings about: headers that are sealed and say what cannot be, storages that answer what they may not, calls out of
 * order, and memory that is not there when the first of it is asked for. */
#include "test.h"

#include "fuzz/seal.h"
#include "log_model.h"
#include "store/manifest.h"
#include "store/segment.h"
#include "store_fixture.h"

/* ---- answers of storages ---- */

TEST(every_answer_of_a_storage_is_told) {
    static const omen_status all[] = {
#define X(name, value, text) OMEN_##name,
        OMEN_STATUS_MAP(X)
#undef X
    };
    for (size_t i = 0; i < OMEN_ARRAY_LEN(all); i++) {
        omen_error err = {0};
        CHECK_STATUS(omen_store_check(all[i], "read", "the file", &err), all[i]);
        if (all[i] == OMEN_OK || all[i] == OMEN_PENDING) CHECK_EQ_STR(err.text, "");
        else CHECK(strncmp(err.text, "cannot read the file: ", 22) == 0 && strlen(err.text) > 22);
    }
    omen_error err = {0};
    CHECK_STATUS(omen_store_check((omen_status)12345, "read", "the file", &err), OMEN_ERR_IO);
    CHECK_EQ_STR(err.text, "cannot read the file: the storage answered 12345");
}

TEST(what_keeps_a_place_from_being_opened_is_told_with_the_place) {
    static const struct { omen_status answer; const char *says; } cases[] = {
        {OMEN_ERR_NAME, "\"here\" is empty or too long for a path, or links lead in a circle; choose another one"},
        {OMEN_ERR_FOREIGN, "\"here\" is no folder, or lies below a file; choose another path"},
        {OMEN_ERR_READ_ONLY, "\"here\" may not be opened for that: ask for the permission, or, where it is only read, open it for reading only"},
        {OMEN_OK, ""},
        {OMEN_PENDING, ""}};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(cases); i++) {
        omen_error err = {0};
        CHECK_STATUS(omen_store_place_check(cases[i].answer, "here", &err), cases[i].answer);
        CHECK_EQ_STR(err.text, cases[i].says);
    }
    omen_error err = {0};
    CHECK_STATUS(omen_store_place_check(OMEN_ERR_IO, "here", &err), OMEN_ERR_IO);
    CHECK(strncmp(err.text, "cannot open here: ", 18) == 0 && strlen(err.text) > 18);
}

/* ---- the pool ---- */

TEST(a_pool_without_memory_is_refused) {
    for (uint64_t n = 1; n <= 3; n++) {
        fault_host *h = fault_host_new(1);
        omen_mem m;
        omen_pool *p;
        fault_host_use_locks(h);
        omen_mem_init(&m, &h->host, 0);
        fault_host_fail_alloc_at(h, n, true);
        omen_status s = omen_pool_new(&m, &h->host, 64u << 20, &p);
        CHECK_STATUS(s, fault_host_fault_hit(h) ? OMEN_ERR_MEMORY : OMEN_OK);
        CHECK((p != NULL) == (s == OMEN_OK));
        omen_pool_free(p);
        CHECK_EQ_UINT(fault_host_bytes(h), 0);
        fault_host_free(h);
    }
}

static void *no_lock(void *ctx) {
    (void)ctx;
    return NULL;
}

TEST(a_pool_without_its_lock_is_refused) {
    fault_host *h = fault_host_new(1);
    omen_mem m;
    omen_pool *p;
    fault_host_use_locks(h);
    h->host.lock_new = no_lock;
    omen_mem_init(&m, &h->host, 0);
    CHECK_STATUS(omen_pool_new(&m, &h->host, 64u << 20, &p), OMEN_ERR_MEMORY);
    CHECK(p == NULL);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

/* ---- the manifest ---- */

static omen_status write_manifest(fixture *x, uint64_t generations) {
    omen_manifest *m = NULL;
    omen_status s;
    STEP(s, omen_manifest_open(&x->store, &m, NULL));
    for (uint64_t g = 0; g < generations && s == OMEN_OK; g++) STEP(s, omen_manifest_write(m, "0123456789", g % 3 == 0 ? 0 : 10, NULL));
    omen_manifest_close(m);
    return s;
}

static omen_status open_manifest(fault_storage *fs, uint64_t *generation) {
    fixture x;
    omen_manifest *m = NULL;
    omen_status s;
    omen_error err = {0};
    fixture_init(&x, fs, 7, 1 << 20);
    STEP(s, omen_manifest_open(&x.store, &m, &err));
    *generation = s == OMEN_OK ? omen_manifest_generation(m) : 0;
    if (s == OMEN_OK) omen_manifest_close(m);
    else CHECK(err.text[0] != '\0');
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    return s;
}

/* The newest of two slots, changed in one field behind a right checksum, does not count: the one before it does. */
TEST(a_sealed_slot_that_contradicts_itself_is_damaged) {
    static const struct { size_t at; uint32_t value; } wrong[] = {
        {8, 0},                     /* a version from before the first */
        {12, 1},                    /* a flag that there is none of */
        {48, 1}, {56, 1},           /* zeros that are none */
        {16, 0}, {16, 5},           /* no generation; one that belongs into the other slot */
        {40, (256u << 20) + 1},     /* more than a payload may be */
        {40, 1000},                 /* more than the file holds */
    };
    for (size_t i = 0; i < OMEN_ARRAY_LEN(wrong); i++) {
        fault_storage *fs = fault_storage_new(1);
        fixture x;
        uint64_t generation;
        size_t len;
        uint8_t slot[256];
        fixture_init(&x, fs, 7, 1 << 20);
        CHECK_OK(write_manifest(&x, 4));
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        const uint8_t *bytes = fault_storage_data(fs, "manifest-0", &len);
        REQUIRE(bytes != NULL && len <= sizeof slot);
        memcpy(slot, bytes, len);
        omen_put32(slot + wrong[i].at, wrong[i].value);
        omen_put32(slot + 60, omen_crc32c_portable(0, slot, 60));
        fault_storage_put(fs, "manifest-0", slot, len);
        CHECK_OK(open_manifest(fs, &generation));
        if (!CHECK_EQ_UINT(generation, 3)) printf("        field at %zu\n", wrong[i].at);
        fault_storage_free(fs);
    }
}

TEST(an_encrypted_manifest_asks_for_its_key) {
    fault_storage *fs = fault_storage_new(1);
    uint64_t generation;
    uint8_t sealed[128] = "OMENSEAL";
    fault_storage_put(fs, "manifest-1", sealed, sizeof sealed);
    CHECK_STATUS(open_manifest(fs, &generation), OMEN_ERR_KEY);
    fault_storage_free(fs);
}

/* A storage with checksums of its own says itself that a slot is damaged, when it is opened or read: the other one counts. */
TEST(a_storage_that_finds_damage_itself) {
    unsigned older = 0, newer = 0;
    for (uint64_t n = 1; n <= 8; n++) {
        fault_storage *fs = fault_storage_new(1);
        fixture x;
        omen_manifest *m = NULL;
        omen_status s;
        fixture_init(&x, fs, 7, 1 << 20);
        CHECK_OK(write_manifest(&x, 6)); /* generation 6, in slot 0, holds ten bytes; 5, in slot 1, too */
        fault_storage_fail_at(fs, n, OMEN_ERR_CORRUPT, false);
        STEP(s, omen_manifest_open(&x.store, &m, NULL));
        CHECK(fault_storage_fault_hit(fs));
        if (n % 4 == 2) { /* the file's size is nothing that has a checksum */
            CHECK_STATUS(s, OMEN_ERR_CORRUPT);
            CHECK(m == NULL);
        } else {
            REQUIRE_OK(s);
            uint64_t generation = omen_manifest_generation(m);
            CHECK_EQ_UINT(generation, n <= 4 ? 5 : 6);
            CHECK_EQ_STR(omen_manifest_slot(m, n <= 4 ? 0 : 1), "damaged");
            CHECK_EQ_STR(omen_manifest_slot(m, n <= 4 ? 1 : 0), "valid");
            older += generation == 5;
            newer += generation == 6;
            omen_manifest_close(m);
        }
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage_free(fs);
    }
    CHECK_EQ_UINT(older, 3);
    CHECK_EQ_UINT(newer, 3);
}

/* What a slot is said to be, beside a valid one. */
TEST(damaged_slots_are_told_from_those_that_were_cut_off) {
    static const struct { const char *bytes; size_t len; const char *what; bool damaged; } slots[] = {
        {"OMENMNF", 7, "torn", false},
        {"OMENSEAL and what is encrypted", 30, "encrypted", true},
        {"a file of somebody else, and long enough to be a slot of a manifest", 67, "foreign", true},
        {"OMENMNF1 a slot whose header is not what its checksum says it to be.", 68, "damaged", true},
    };
    omen_manifest_close(NULL);
    for (size_t i = 0; i <= OMEN_ARRAY_LEN(slots); i++) {
        fault_storage *fs = fault_storage_new(1);
        fixture x;
        omen_manifest *m = NULL;
        omen_status s;
        fixture_init(&x, fs, 7, 1 << 20);
        CHECK_OK(write_manifest(&x, i == 0 ? 1 : 2));
        if (i > 0) fault_storage_put(fs, "manifest-1", slots[i - 1].bytes, slots[i - 1].len);
        STEP(s, omen_manifest_open(&x.store, &m, NULL));
        REQUIRE_OK(s);
        CHECK_EQ_UINT(omen_manifest_generation(m), i == 0 ? 1 : 2);
        CHECK_EQ_STR(omen_manifest_slot(m, 0), i == 0 ? "absent" : "valid");
        CHECK_EQ_STR(omen_manifest_slot(m, 1), i == 0 ? "valid" : slots[i - 1].what);
        CHECK(!omen_manifest_slot_damaged(m, 0));
        CHECK(omen_manifest_whole(m) == (i == 0));
        CHECK(omen_manifest_slot_damaged(m, 1) == (i > 0 && slots[i - 1].damaged));
        omen_manifest_close(m);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage_free(fs);
    }
}

/* Settling makes the generation that was read durable, once; where there is none it does nothing. A failure is told, and a later open may settle again. */
TEST(a_manifest_is_settled_once) {
    for (unsigned pending = 0; pending <= 60; pending += 60) {
        for (uint64_t n = 0; n <= 3; n++) {
            fault_storage *fs = fault_storage_new(n);
            fixture x;
            omen_manifest *m = NULL;
            omen_status s;
            fixture_init(&x, fs, 7, 1 << 20);
            fault_storage_set_pending(fs, pending);
            STEP(s, omen_manifest_open(&x.store, &m, NULL));
            uint64_t calls = fault_storage_calls(fs);
            CHECK_OK(omen_manifest_settle(m, NULL));
            CHECK_EQ_UINT(fault_storage_calls(fs), calls);
            CHECK(!omen_manifest_whole(m)); /* there is none */
            omen_manifest_close(m);
            m = NULL;
            CHECK_OK(write_manifest(&x, 2));
            STEP(s, omen_manifest_open(&x.store, &m, NULL));
            REQUIRE_OK(s);
            calls = fault_storage_calls(fs);
            if (n > 0) fault_storage_fail_at(fs, n, OMEN_ERR_IO, false);
            omen_error err = {0};
            STEP(s, omen_manifest_settle(m, &err));
            CHECK_STATUS(s, n > 0 ? OMEN_ERR_IO : OMEN_OK);
            static const char *const texts[] = {"", "cannot open manifest-0: ", "cannot sync manifest-0: ", "cannot sync the directory: "};
            CHECK(strncmp(err.text, texts[n], strlen(texts[n])) == 0);
            CHECK_EQ_UINT(fault_storage_calls(fs) - calls, n > 0 ? n : 3); /* open, sync, sync of the directory */
            calls = fault_storage_calls(fs);
            if (n == 0) CHECK_OK(omen_manifest_settle(m, NULL));
            CHECK_EQ_UINT(fault_storage_calls(fs), calls);
            omen_manifest_close(m);
            CHECK_EQ_UINT(fixture_deinit(&x), 0);
            CHECK_STORAGE(fs);
            fault_storage_free(fs);
        }
    }
}

TEST(a_payload_beyond_the_limit_is_refused_before_it_is_read) {
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    omen_manifest *m = NULL;
    omen_status s;
    fixture_init(&x, fs, 7, 1 << 20);
    STEP(s, omen_manifest_open(&x.store, &m, NULL));
    REQUIRE_OK(s);
    CHECK_STATUS(omen_manifest_write(m, "", (256u << 20) + 1, NULL), OMEN_ERR_TOO_LARGE);
    CHECK_EQ_UINT(omen_manifest_generation(m), 0);
    omen_manifest_close(m);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(fs);
}

/* A manifest made anew has a generation, and says so when there is no memory for it. */
TEST(a_manifest_made_anew) {
    for (int there = 0; there < 4; there++) {
        fault_storage *fs = fault_storage_new(1);
        fixture x;
        omen_manifest *m = NULL;
        uint64_t generation;
        omen_status s;
        const bool slots[2] = {(there & 1) != 0, (there & 2) != 0};
        fixture_init(&x, fs, 7, 1 << 20);
        for (int i = 0; i < 2; i++)
            if (slots[i]) fault_storage_put(fs, i == 0 ? "manifest-0" : "manifest-1", "damaged", 7);
        fault_host_fail_alloc_at(x.host, 1, false);
        CHECK_STATUS(omen_manifest_anew(&x.store, slots, &m, NULL), OMEN_ERR_MEMORY);
        REQUIRE_OK(omen_manifest_anew(&x.store, slots, &m, NULL));
        STEP(s, omen_manifest_write(m, "anew", 4, NULL));
        CHECK_OK(s);
        omen_manifest_close(m);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        CHECK_OK(open_manifest(fs, &generation));
        CHECK(generation >= 1);
        fault_storage_free(fs);
    }
}

/* ---- the log ---- */

/* Opening frames of a second epoch that are sealed and are none: what is in the first epoch stays. */
TEST(an_opening_frame_that_is_none_ends_the_log) {
    static const struct { size_t at; uint8_t value; } wrong[] = {{6, 2}, {7, 0}, {36, 1}, {32, 8}};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(wrong); i++) {
        fault_storage *fs = fault_storage_new(1);
        fixture x;
        log_model m;
        omen_log *log;
        omen_recovery_result r;
        uint8_t image[1024];
        size_t len;
        log_model_init(&m);
        fixture_init(&x, fs, 7, 1 << 20);
        REQUIRE_OK(log_model_create(&m, &x, 1, 0, &log));
        REQUIRE_OK(log_model_append(&m, log, 2, true, 1, 1, 8));
        REQUIRE_OK(omen_log_write_out(log, NULL));
        omen_log_close(log);
        const uint8_t *bytes = fault_storage_data(fs, omen_log_file_name(1).text, &len);
        REQUIRE(bytes != NULL && len > 64 && len <= sizeof image);
        /* A second epoch whose first frame looks like an opening one, but for a field. */
        uint8_t second[64];
        memcpy(second, bytes, sizeof second);
        omen_put64(second + 8, 2);
        omen_put64(second + 16, 2);
        omen_put64(second + 24, 0);
        omen_put32(second + 40, omen_get32(bytes + 64 + 44));
        second[wrong[i].at] = wrong[i].value;
        seal_log(second, sizeof second, x.store.database_id, 2);
        fault_storage_put(fs, omen_log_file_name(2).text, second, sizeof second);
        CHECK_OK(log_model_recover(&m, &x, true, false, &r, NULL));
        CHECK_EQ_UINT(r.next_lsn, 2);
        CHECK_EQ_STR(m.problem, "");
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        log_model_deinit(&m);
        fault_storage_free(fs);
    }
}

TEST(frames_that_cannot_be_are_refused) {
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    log_model m;
    omen_log *log;
    omen_span part = {"12345678", 8}, endless[2] = {{"x", 16}, {"y", SIZE_MAX}}, none = {NULL, 0};
    log_model_init(&m);
    fixture_init(&x, fs, 7, 1 << 20);
    REQUIRE_OK(log_model_create(&m, &x, 1, 0, &log));
    CHECK_STATUS(omen_log_append(log, 2, true, 1, 1, 0, endless, 2, NULL), OMEN_ERR_TOO_LARGE);
    CHECK_STATUS(omen_log_append(log, 0, true, 1, 1, 0, &part, 1, NULL), OMEN_ERR_INTERNAL);
    CHECK_STATUS(omen_log_append(log, 256, true, 1, 1, 0, &part, 1, NULL), OMEN_ERR_INTERNAL);
    CHECK(!omen_log_poisoned(log));
    CHECK_OK(omen_log_append(log, 2, true, 1, 1, 0, &none, 1, NULL));
    omen_log_close(log);
    /* LSNs at the end of what there are. */
    omen_status created;
    log = NULL;
    STEP(created, omen_log_create(&x.store, NULL, 9, UINT64_MAX - 1, 0, 0, &log, NULL));
    REQUIRE_OK(created);
    CHECK_STATUS(omen_log_append(log, 2, true, UINT64_MAX - 1, 5, 0, &part, 1, NULL), OMEN_ERR_INTERNAL);
    omen_log_close(log);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    log_model_deinit(&m);
    fault_storage_free(fs);
}

/* ---- segments ---- */

TEST(sections_out_of_order_are_refused) {
    for (int what = 0; what < 5; what++) {
        fault_storage *fs = fault_storage_new(1);
        fixture x;
        omen_segment_writer *w;
        omen_segment_info info;
        fixture_init(&x, fs, 7, 1 << 20);
        REQUIRE_OK(omen_segment_writer_new(&x.store, 1, &w, NULL));
        CHECK_OK(omen_segment_section_begin(w, 1, 3, 0, 512, NULL));
        if (what == 0) CHECK_STATUS(omen_segment_section_begin(w, 2, 0, 0, 512, NULL), OMEN_ERR_INTERNAL);
        if (what == 1) CHECK_STATUS(omen_segment_writer_finish(w, &info, NULL), OMEN_ERR_INTERNAL);
        if (what >= 2) CHECK_OK(omen_segment_section_end(w, NULL));
        if (what == 2) CHECK_STATUS(omen_segment_section_write(w, "x", 1, NULL), OMEN_ERR_INTERNAL);
        if (what == 3) CHECK_STATUS(omen_segment_section_begin(w, 1, 3, 0, 512, NULL), OMEN_ERR_INTERNAL);
        if (what == 4) CHECK_STATUS(omen_segment_section_end(w, NULL), OMEN_ERR_INTERNAL);
        /* Nothing follows a mistake. */
        CHECK_STATUS(omen_segment_section_begin(w, 5, 0, 0, 512, NULL), OMEN_ERR_POISONED);
        CHECK_STATUS(omen_segment_section_write(w, "x", 1, NULL), OMEN_ERR_POISONED);
        CHECK_STATUS(omen_segment_section_end(w, NULL), OMEN_ERR_POISONED);
        omen_segment_writer_free(w);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage_free(fs);
    }
}

/* A trailer, sealed, whose footer is too short to be one, or lies where none can. */
TEST(a_sealed_footer_that_cannot_be_is_refused) {
    for (int what = 0; what < 4; what++) {
        fault_storage *fs = fault_storage_new(1);
        fixture x;
        omen_segment_writer *w;
        omen_segment_info info;
        omen_segment *seg = NULL;
        omen_status s;
        uint8_t image[2048];
        size_t len;
        fixture_init(&x, fs, 7, 1 << 20);
        REQUIRE_OK(omen_segment_writer_new(&x.store, 1, &w, NULL));
        CHECK_OK(omen_segment_section_begin(w, 1, 0, 0, 512, NULL));
        CHECK_OK(omen_segment_section_write(w, "0123456789", 10, NULL));
        CHECK_OK(omen_segment_section_end(w, NULL));
        STEP(s, omen_segment_writer_finish(w, &info, NULL));
        REQUIRE_OK(s);
        omen_segment_writer_free(w);
        const uint8_t *bytes = fault_storage_data(fs, omen_segment_file_name(1).text, &len);
        REQUIRE(bytes != NULL && len <= sizeof image);
        memcpy(image, bytes, len);
        size_t footer = (size_t)omen_get64(image + len - 32);
        if (what == 0) footer = len - 32 - 8; /* shorter than a footer */
        if (what == 1) omen_put64(image + footer + 16 + 32, 1u << 20); /* a section beyond the footer */
        if (what == 2) omen_put64(image + footer + 16 + 40, 1u << 20); /* a section that reaches beyond it */
        if (what == 3) omen_put32(image + footer + 12, 1); /* a zero that is none */
        seal_segment(image, len, footer);
        fault_storage_put(fs, omen_segment_file_name(1).text, image, len);
        info.hash = omen_hash128_of(image, len);
        STEP(s, omen_segment_open(&x.store, &info, &seg, NULL));
        CHECK_STATUS(s, OMEN_ERR_CORRUPT);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage_free(fs);
    }
}

TEST_MAIN()
