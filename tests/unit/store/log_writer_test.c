/* The writer of a log where its host fails: at every place of a frame at which the buffer may be full, without memory, in a sync; and its bytes as they lie in the file. */
#include "test.h"

#include "log_model.h"
#include "store/log_format.h"

#define BUFFER (256u << 10) /* of the writer: what is handed to the host at once */
#define OPENING (OMEN_LOG_HEADER + 16)

typedef struct scene {
    fault_storage *fs;
    fixture x;
    omen_log_metrics metrics;
    omen_log *log;
    uint64_t next;
} scene;

static void begin(scene *s) {
    memset(s, 0, sizeof *s);
    s->fs = fault_storage_new(1);
    fixture_init(&s->x, s->fs, 7, 1 << 20);
    s->next = 1;
    REQUIRE_OK(omen_log_create(&s->x.store, &s->metrics, 1, 1, 0, 0, &s->log, NULL));
}

static omen_status append(scene *s, size_t len) {
    static uint8_t bytes[2 * BUFFER];
    omen_span part = {bytes, len};
    for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)(i * 7 + s->next);
    omen_status status = omen_log_append(s->log, OMEN_FRAME_RECORDS, true, s->next, 1, 0, &part, 1, NULL);
    if (status == OMEN_OK) s->next++;
    return status;
}

static omen_status count_frame(void *arg, const omen_recovered_frame *f, omen_error *err) {
    (void)f, (void)err;
    ++*(unsigned *)arg;
    return OMEN_OK;
}

/* Nothing is written after a failure; what a recovery finds are the frames that were whole before. */
static void end_poisoned(scene *s, unsigned frames) {
    unsigned found = 0;
    omen_recovery *r;
    omen_status status;
    CHECK(omen_log_poisoned(s->log));
    uint64_t calls = fault_storage_calls(s->fs);
    CHECK_STATUS(append(s, 8), OMEN_ERR_POISONED);
    CHECK_STATUS(omen_log_write_out(s->log, NULL), OMEN_ERR_POISONED);
    CHECK_STATUS(omen_log_sync(s->log, NULL), OMEN_ERR_POISONED);
    CHECK_EQ_UINT(fault_storage_calls(s->fs), calls);
    omen_log_close(s->log);
    REQUIRE_OK(omen_recovery_new(&s->x.store, 1, 0, true, count_frame, &found, &r));
    STEP(status, omen_recovery_step(r, NULL));
    CHECK_OK(status);
    CHECK_EQ_UINT(found, frames);
    omen_recovery_free(r);
    CHECK_EQ_UINT(fixture_deinit(&s->x), 0);
    CHECK_STORAGE(s->fs);
    fault_storage_free(s->fs);
}

/* The buffer is full within a frame's header, its payload, at the end of its padding. A write that fails has written a part of what it was given. */
TEST(a_full_buffer_that_cannot_be_written) {
    for (int what = 0; what < 3; what++) {
        scene s;
        begin(&s);
        const size_t left = BUFFER - OPENING;
        if (what == 0) { /* eight bytes of the next header still fit */
            CHECK_OK(append(&s, left - OMEN_LOG_HEADER - 8));
            CHECK_EQ_UINT(omen_log_size(s.log), BUFFER - 8);
        }
        fault_storage_fail_at(s.fs, 1, OMEN_ERR_FULL, false);
        CHECK_STATUS(append(&s, what == 0 ? 100 : what == 1 ? BUFFER + 100 : left - OMEN_LOG_HEADER - 3), OMEN_ERR_FULL);
        CHECK(fault_storage_fault_hit(s.fs));
        end_poisoned(&s, 0); /* of 256 KiB less than all was written: the first frame is not whole */
    }
}

/* With the buffer handed over in between, what came before stays. */
TEST(what_was_handed_over_stays) {
    scene s;
    begin(&s);
    CHECK_OK(append(&s, 1000));
    CHECK_OK(omen_log_write_out(s.log, NULL));
    fault_storage_fail_at(s.fs, 1, OMEN_ERR_IO, false);
    CHECK_STATUS(append(&s, BUFFER), OMEN_ERR_IO);
    end_poisoned(&s, 1);
}

/* Memory for the buffer: a frame that does not fit leaves a log that writes no more, wherever in the frame it ran out. */
TEST(a_buffer_that_cannot_grow) {
    unsigned failed = 0;
    for (size_t len = 3900; len <= 4100; len++) {
        scene s;
        begin(&s);
        CHECK_OK(omen_log_write_out(s.log, NULL));
        fault_host_fail_alloc_at(s.x.host, 1, true);
        omen_status status = append(&s, len);
        bool hit = fault_host_fault_hit(s.x.host);
        CHECK_STATUS(status, hit ? OMEN_ERR_MEMORY : OMEN_OK);
        failed += hit;
        fault_host_fail_alloc_at(s.x.host, 0, false);
        if (hit) {
            end_poisoned(&s, 0);
            continue;
        }
        omen_log_close(s.log);
        CHECK_EQ_UINT(fixture_deinit(&s.x), 0);
        fault_storage_free(s.fs);
    }
    CHECK(failed > 50 && failed < 200);
}

TEST(syncs_are_counted_as_they_end) {
    scene s;
    begin(&s);
    CHECK_OK(append(&s, 10));
    CHECK_OK(omen_log_write_out(s.log, NULL));
    CHECK_OK(omen_log_sync(s.log, NULL));
    CHECK_EQ_UINT(omen_counter_get(&s.metrics.syncs), 1);
    CHECK_EQ_UINT(omen_counter_get(&s.metrics.sync_failures), 0);
    CHECK_EQ_UINT(omen_log_unsynced(s.log), 0);
    CHECK_OK(append(&s, 10));
    CHECK_OK(omen_log_write_out(s.log, NULL));
    fault_storage_fail_at(s.fs, 1, OMEN_ERR_IO, false);
    CHECK_STATUS(omen_log_sync(s.log, NULL), OMEN_ERR_IO);
    CHECK_EQ_UINT(omen_counter_get(&s.metrics.syncs), 1);
    CHECK_EQ_UINT(omen_counter_get(&s.metrics.sync_failures), 1);
    CHECK(omen_log_unsynced(s.log) > 0);
    end_poisoned(&s, 2);
}

/* Only what was handed to the host is there to be copied. */
TEST(bytes_as_they_lie_in_the_log) {
    scene s;
    uint8_t into[512];
    size_t got, len;
    begin(&s);
    CHECK_OK(append(&s, 100));
    CHECK_OK(omen_log_raw(s.log, 0, into, sizeof into, &got, NULL));
    CHECK_EQ_UINT(got, 0); /* it waits in the buffer */
    CHECK_OK(omen_log_write_out(s.log, NULL));
    const uint8_t *bytes = fault_storage_data(s.fs, omen_log_file_name(1).text, &len);
    CHECK_EQ_UINT(len, omen_log_size(s.log));
    for (uint64_t at = 0; at < len + 20; at += 13) {
        CHECK_OK(omen_log_raw(s.log, at, into, 40, &got, NULL));
        CHECK_EQ_UINT(got, at >= len ? 0 : OMEN_MIN(len - at, 40));
        CHECK(memcmp(into, bytes + at, got) == 0);
    }
    fault_storage_fail_at(s.fs, 1, OMEN_ERR_IO, false);
    CHECK_STATUS(omen_log_raw(s.log, 0, into, 40, &got, NULL), OMEN_ERR_IO);
    CHECK(!omen_log_poisoned(s.log)); /* reading is not writing */
    CHECK_OK(append(&s, 1));
    omen_log_close(s.log);
    omen_log_close(NULL);
    CHECK_EQ_UINT(fixture_deinit(&s.x), 0);
    CHECK_STORAGE(s.fs);
    fault_storage_free(s.fs);
}

TEST_MAIN()
