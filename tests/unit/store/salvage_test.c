/* Recovery of logs beside the usual way: damage that is told and passed by, frames that are valid and out of place, what is settled and forgotten while it is read. */
#include "test.h"

#include "fuzz/seal.h"
#include "hooked_store.h"
#include "store/log_format.h"

#define FRAME (OMEN_LOG_HEADER + 8) /* a frame of this test holds eight bytes: its LSN */
#define OPENING (OMEN_LOG_HEADER + 16)
#define AT(i) (OPENING + (size_t)(i) * FRAME)

typedef struct scene {
    fault_storage *fs;
    fixture x;
    uint64_t lsn[64]; /* what was handed on */
    size_t count;
    omen_log_gap gaps[8];
    size_t gap_count;
    omen_recovery *r;
    uint64_t settle; /* the first epoch in which it settles; 0: it does not */
    bool forget, unsynced;
    uint64_t spare[4], spare_bytes[4];
    size_t spare_count;
    omen_recovery_result result;
} scene;

static void begin(scene *s) {
    memset(s, 0, sizeof *s);
    s->fs = fault_storage_new(1);
    fixture_init(&s->x, s->fs, 7, 1 << 20);
}

static void end(scene *s) {
    CHECK_EQ_UINT(fixture_deinit(&s->x), 0);
    CHECK_STORAGE(s->fs);
    fault_storage_free(s->fs);
}

/* An epoch of `count` batches of one record each, from LSN `first` on, of which each says that all before it is durable. Answers the last frame's CRC. */
static uint32_t write_epoch(scene *s, uint64_t epoch, uint64_t first, unsigned count, uint32_t previous_crc) {
    omen_log *log = NULL;
    omen_status status;
    STEP(status, omen_log_create(&s->x.store, NULL, epoch, first, first - 1, previous_crc, &log, NULL));
    CHECK_OK(status);
    for (uint64_t lsn = first; lsn < first + count; lsn++) {
        omen_span part = {&lsn, 8};
        CHECK_OK(omen_log_append(log, OMEN_FRAME_RECORDS, true, lsn, 1, lsn - 1, &part, 1, NULL));
    }
    CHECK_OK(omen_log_write_out(log, NULL));
    if (!s->unsynced) STEP(status, omen_log_sync(log, NULL));
    CHECK_OK(status);
    uint32_t crc = omen_log_last_crc(log);
    omen_log_close(log);
    return crc;
}

static const uint8_t *bytes_of(scene *s, uint64_t epoch, size_t *len) { return fault_storage_data(s->fs, omen_log_file_name(epoch).text, len); }
static void damage(scene *s, uint64_t epoch, size_t at) { fault_storage_xor(s->fs, omen_log_file_name(epoch).text, at, 0x20); }

/* Changes one field of the header of the frame at `at`, and puts the frame's own checksum right. */
static void forge(scene *s, uint64_t epoch, size_t at, size_t field, uint8_t value) {
    size_t len;
    const uint8_t *p = bytes_of(s, epoch, &len);
    uint8_t *image = malloc(len);
    REQUIRE(image != NULL && at + FRAME <= len);
    memcpy(image, p, len);
    image[at + field] = value;
    uint32_t crc = omen_crc32c_portable(omen_log_seed(s->x.store.database_id, epoch), image + at, 44);
    omen_put32(image + at + 44, omen_crc32c_portable(crc, image + at + OMEN_LOG_HEADER, omen_log_body(omen_get32(image + at + 32))));
    fault_storage_put(s->fs, omen_log_file_name(epoch).text, image, len);
    free(image);
}

static omen_status each(void *arg, const omen_recovered_frame *f, omen_error *err) {
    scene *s = arg;
    if (s->settle != 0 && f->epoch >= s->settle) {
        OMEN_TRY(omen_recovery_settle(s->r, err));
        /* Power may fail now: this log is there, and those before it. */
        fault_storage *after = fault_storage_crash(s->fs, FAULT_CRASH_DURABLE, 0);
        for (uint64_t epoch = 1; epoch <= f->epoch; epoch++) {
            size_t len = 0, want;
            if (bytes_of(s, epoch, &want) == NULL || want == OPENING) continue; /* it holds no record */
            CHECK(fault_storage_data(after, omen_log_file_name(epoch).text, &len) != NULL);
            CHECK_EQ_UINT(len, want);
        }
        fault_storage_free(after);
    }
    if (s->forget && f->epoch == 2) {
        omen_file_name name = omen_log_file_name(1);
        OMEN_TRY(s->x.store.storage.ops->remove(s->x.store.storage.ctx, name.text));
        omen_recovery_forget(s->r, 2);
    }
    CHECK(f->len != 8 || omen_get64(f->payload) == f->first_lsn);
    if (s->count < OMEN_ARRAY_LEN(s->lsn)) s->lsn[s->count++] = f->first_lsn;
    return OMEN_OK;
}

static void tell(void *arg, const omen_log_gap *gap) {
    scene *s = arg;
    if (s->gap_count < OMEN_ARRAY_LEN(s->gaps)) s->gaps[s->gap_count++] = *gap;
}

enum { STRICT, CUT, LATER };

/* Recovers from epoch 1, all up to `floor` being in segments, all up to `proven` proved. */
static omen_status recover(scene *s, int how, uint64_t floor, uint64_t proven, omen_error *err) {
    const omen_log_salvage salvage = {how == LATER, tell, s};
    omen_status status;
    s->count = s->gap_count = 0;
    if (!CHECK_OK(omen_recovery_new(&s->x.store, 1, floor, false, each, s, &s->r))) return OMEN_ERR_INTERNAL;
    if (proven > 0) omen_recovery_prove(s->r, proven);
    if (how != STRICT) omen_recovery_salvage(s->r, &salvage);
    STEP(status, omen_recovery_step(s->r, err));
    s->result = *omen_recovery_result_of(s->r);
    s->spare_count = 0;
    for (size_t at = 0; status == OMEN_OK && s->spare_count < 4; s->spare_count++)
        if (!omen_recovery_spare(s->r, &at, &s->spare[s->spare_count], &s->spare_bytes[s->spare_count])) break;
    if (status != OMEN_OK) CHECK_STATUS(omen_recovery_step(s->r, NULL), status); /* it does not go on */
    omen_recovery_free(s->r);
    return status;
}

/* The LSNs handed on, as text: what is read best when it is wrong. */
static const char *handed(const scene *s) {
    static char text[200];
    size_t n = 0;
    text[0] = 0;
    for (size_t i = 0; i < s->count; i++) n += (size_t)snprintf(text + n, sizeof text - n, i == 0 ? "%d" : " %d", (int)s->lsn[i]);
    return text;
}

static void check_gap(const scene *s, size_t i, uint64_t epoch, uint64_t offset, uint64_t bytes, uint64_t from, uint64_t to) {
    REQUIRE(i < s->gap_count);
    CHECK_EQ_UINT(s->gaps[i].epoch, epoch);
    CHECK_EQ_UINT(s->gaps[i].offset, offset);
    CHECK_EQ_UINT(s->gaps[i].bytes, bytes);
    CHECK_EQ_UINT(s->gaps[i].from_lsn, from);
    CHECK_EQ_UINT(s->gaps[i].to_lsn, to);
}

/* ---- damage ---- */

TEST(what_lies_behind_the_damage) {
    scene s;
    omen_error err = {0};
    begin(&s);
    write_epoch(&s, 1, 1, 6, 0);
    damage(&s, 1, AT(2) + 50);
    CHECK_STATUS(recover(&s, STRICT, 0, 0, &err), OMEN_ERR_CORRUPT);
    CHECK(strstr(err.text, "log-0000000000000001 is damaged at 176: the records from LSN 3 are lost") != NULL);
    CHECK_OK(recover(&s, LATER, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2 4 5 6");
    CHECK_EQ_UINT(s.gap_count, 1);
    check_gap(&s, 0, 1, AT(2), FRAME, 3, 3);
    CHECK_EQ_UINT(s.result.next_lsn, 7);
    /* Without what lies behind it: three frames are not kept, and the last of them says that 5 was durable. */
    CHECK_OK(recover(&s, CUT, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2");
    CHECK_EQ_UINT(s.result.dropped_frames, 3);
    CHECK_EQ_UINT(s.gap_count, 1);
    check_gap(&s, 0, 1, AT(2), 4 * FRAME, 3, 5);
    /* What was proved otherwise counts when it says more. */
    CHECK_OK(recover(&s, CUT, 0, 6, NULL));
    check_gap(&s, 0, 1, AT(2), 4 * FRAME, 3, 6);
    size_t len;
    bytes_of(&s, 1, &len);
    CHECK_EQ_UINT(len, AT(6)); /* salvage leaves the files alone */
    end(&s);
}

TEST(several_damages_are_told_each) {
    scene s;
    begin(&s);
    write_epoch(&s, 1, 1, 9, 0);
    damage(&s, 1, AT(1) + 1);
    damage(&s, 1, AT(4) + 9);
    damage(&s, 1, AT(5) + 44);
    CHECK_OK(recover(&s, LATER, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 3 4 7 8 9");
    CHECK_EQ_UINT(s.gap_count, 2);
    check_gap(&s, 0, 1, AT(1), FRAME, 2, 2);
    check_gap(&s, 1, 1, AT(4), 2 * FRAME, 5, 6);
    end(&s);
}

/* A proof of more than there is, without a damaged byte; without a file. */
TEST(a_proof_of_more_than_there_is) {
    scene s;
    begin(&s);
    CHECK_STATUS(recover(&s, STRICT, 2, 5, NULL), OMEN_ERR_CORRUPT);
    CHECK_OK(recover(&s, CUT, 2, 5, NULL));
    check_gap(&s, 0, 1, 0, 0, 3, 5);
    CHECK_OK(recover(&s, STRICT, 2, 1, NULL)); /* less than what is known anyway */
    write_epoch(&s, 1, 3, 1, 0);
    CHECK_OK(recover(&s, LATER, 2, 5, NULL));
    CHECK_EQ_STR(handed(&s), "3");
    check_gap(&s, 0, 1, AT(1), 0, 4, 5);
    CHECK_OK(recover(&s, STRICT, 2, 3, NULL));
    end(&s);
}

/* Frames that are valid by themselves and behind a damage, but hold what came before it, are not taken for what follows it. */
TEST(an_old_frame_behind_the_damage) {
    scene s;
    uint8_t old[FRAME];
    size_t len;
    begin(&s);
    write_epoch(&s, 1, 1, 5, 0);
    memcpy(old, bytes_of(&s, 1, &len) + AT(0), FRAME);
    for (size_t i = 0; i < FRAME; i++) fault_storage_set(s.fs, omen_log_file_name(1).text, AT(3) + i, old[i]);
    damage(&s, 1, AT(2) + 50);
    CHECK_OK(recover(&s, LATER, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2 5");
    CHECK_EQ_UINT(s.result.dropped_frames, 1);
    check_gap(&s, 0, 1, AT(2), 2 * FRAME, 3, 4);
    end(&s);
}

/* A frame of a later version behind a damage: it is a witness, and nothing that this version can take over. */
TEST(a_newer_frame_behind_the_damage) {
    scene s;
    begin(&s);
    write_epoch(&s, 1, 1, 5, 0);
    forge(&s, 1, AT(3), 4, OMEN_LOG_VERSION + 1);
    damage(&s, 1, AT(2) + 50);
    CHECK_STATUS(recover(&s, STRICT, 0, 0, NULL), OMEN_ERR_CORRUPT); /* it says that 3 was durable */
    CHECK_OK(recover(&s, LATER, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2 5");
    check_gap(&s, 0, 1, AT(2), 2 * FRAME, 3, 4);
    end(&s);
}

/* Opening frames stand first. */
TEST(an_opening_frame_in_the_middle_ends_the_log) {
    scene s;
    begin(&s);
    write_epoch(&s, 1, 1, 4, 0);
    forge(&s, 1, AT(3), 6, OMEN_FRAME_OPEN);
    CHECK_OK(recover(&s, STRICT, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2 3");
    CHECK_EQ_UINT(s.result.torn_bytes, FRAME);
    end(&s);
}

/* Bytes before the first frame push all of them out of their places: the records are found, and the opening frame among them is none. */
TEST(an_opening_frame_that_was_pushed_away) {
    scene s;
    uint8_t image[8 + AT(4)];
    size_t len;
    begin(&s);
    write_epoch(&s, 1, 1, 4, 0);
    const uint8_t *p = bytes_of(&s, 1, &len);
    REQUIRE(len == AT(4));
    memset(image, 0x5a, 8);
    memcpy(image + 8, p, len);
    fault_storage_put(s.fs, omen_log_file_name(1).text, image, sizeof image);
    CHECK_STATUS(recover(&s, STRICT, 0, 0, NULL), OMEN_ERR_CORRUPT);
    CHECK_OK(recover(&s, LATER, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2 3 4");
    CHECK_EQ_UINT(s.gap_count, 1);
    check_gap(&s, 0, 1, 0, 8 + OPENING, 1, 0); /* no record */
    end(&s);
}

/* ---- several epochs ---- */

TEST(an_epoch_between_two_is_missing) {
    scene s;
    begin(&s);
    uint32_t crc = write_epoch(&s, 1, 1, 2, 0);
    crc = write_epoch(&s, 2, 3, 2, crc);
    write_epoch(&s, 3, 5, 2, crc);
    CHECK_OK(recover(&s, STRICT, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2 3 4 5 6");
    fault_storage_delete(s.fs, omen_log_file_name(2).text);
    CHECK_STATUS(recover(&s, STRICT, 0, 0, NULL), OMEN_ERR_CORRUPT);
    CHECK_OK(recover(&s, LATER, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2 5 6");
    REQUIRE(s.gap_count == 1);
    CHECK_EQ_UINT(s.gaps[0].from_lsn, 3);
    CHECK_EQ_UINT(s.gaps[0].to_lsn, 4);
    CHECK_OK(recover(&s, CUT, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2");
    end(&s);
}

/* The first epoch's file is gone: what the next one holds is kept where nothing lies between what is known and it. */
TEST(the_first_epoch_is_missing) {
    scene s;
    begin(&s);
    uint32_t crc = write_epoch(&s, 1, 1, 2, 0);
    write_epoch(&s, 2, 3, 2, crc);
    fault_storage_delete(s.fs, omen_log_file_name(1).text);
    CHECK_STATUS(recover(&s, STRICT, 0, 0, NULL), OMEN_ERR_CORRUPT);
    CHECK_OK(recover(&s, LATER, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "3 4");
    check_gap(&s, 0, 1, 0, 0, 1, 2);
    end(&s);
    /* It was made by a recovery that found nothing to link to. */
    begin(&s);
    write_epoch(&s, 2, 1, 2, 0);
    CHECK_OK(recover(&s, STRICT, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2");
    end(&s);
}

/* A tail that held no record and was cut off before the next epoch began: nothing is missing. */
TEST(a_tail_without_records) {
    scene s;
    omen_log *log = NULL;
    omen_status status;
    uint64_t lsn = 1;
    begin(&s);
    STEP(status, omen_log_create(&s.x.store, NULL, 1, 1, 0, 0, &log, NULL));
    REQUIRE_OK(status);
    omen_span part = {&lsn, 8};
    CHECK_OK(omen_log_append(log, OMEN_FRAME_RECORDS, true, 1, 1, 0, &part, 1, NULL));
    CHECK_OK(omen_log_append(log, OMEN_FRAME_SCHEMA, true, 2, 0, 0, &part, 1, NULL));
    CHECK_OK(omen_log_write_out(log, NULL));
    write_epoch(&s, 2, 2, 2, omen_log_last_crc(log));
    omen_log_close(log);
    damage(&s, 1, AT(1) + 50);
    CHECK_OK(recover(&s, LATER, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2 3");
    for (size_t i = 0; i < s.gap_count; i++) CHECK(s.gaps[i].to_lsn < s.gaps[i].from_lsn);
    end(&s);
}

/* ---- files that are damaged as a whole ---- */

/* What is left of epoch 2, which held no record, between two that did. */
enum { WHOLE, DAMAGED, SEALED, EMPTY, GONE, LEFT };

static void leave(scene *s, omen_storage_ops *ops, uint64_t epoch, int what) {
    static omen_file_name name;
    name = omen_log_file_name(epoch);
    hook_fixture(&s->x, ops);
    if (what == DAMAGED) damage(s, epoch, 20);
    if (what == SEALED) hook.sealed = name.text;
    if (what == EMPTY) fault_storage_cut(s->fs, name.text, 0);
    if (what == GONE) fault_storage_delete(s->fs, name.text);
}

/* The next log begins with the LSN that is expected: whatever became of the one between, it held none. It is told when something is left of it, and removed. */
TEST(a_log_without_records_may_be_lost) {
    for (int what = WHOLE; what < LEFT; what++) {
        for (int how = STRICT; how <= LATER; how++) {
            scene s;
            omen_storage_ops ops;
            begin(&s);
            uint32_t crc = write_epoch(&s, 1, 1, 2, 0);
            crc = write_epoch(&s, 2, 3, 0, crc);
            write_epoch(&s, 3, 3, 2, crc);
            leave(&s, &ops, 2, what);
            s.settle = how == STRICT ? 3 : 0; /* the first to be settled, with the one before it, and nothing between */
            CHECK_OK(recover(&s, how, 0, 0, NULL));
            CHECK_EQ_STR(handed(&s), "1 2 3 4");
            CHECK_EQ_UINT(s.gap_count, 0);
            CHECK_EQ_UINT(s.spare_count, what == DAMAGED || what == SEALED);
            if (s.spare_count > 0) {
                CHECK_EQ_UINT(s.spare[0], 2);
                CHECK_EQ_UINT(s.spare_bytes[0], what == SEALED ? 0 : OPENING);
            }
            CHECK(fault_storage_has(s.fs, omen_log_file_name(2).text) == (what == WHOLE || (how != STRICT && what != GONE)));
            hook.sealed = NULL;
            s.settle = 0;
            CHECK_OK(recover(&s, STRICT, 0, 0, NULL)); /* and once more */
            CHECK_EQ_STR(handed(&s), "1 2 3 4");
            CHECK_EQ_UINT(s.spare_count, how != STRICT && what == DAMAGED);
            end(&s);
        }
    }
}

/* The first log, which held no record: as the others. */
TEST(a_first_log_without_records_may_be_lost) {
    for (int what = DAMAGED; what < GONE; what++) {
        scene s;
        omen_storage_ops ops;
        begin(&s);
        uint32_t crc = write_epoch(&s, 1, 1, 0, 0);
        write_epoch(&s, 2, 1, 3, crc);
        leave(&s, &ops, 1, what);
        CHECK_OK(recover(&s, STRICT, 0, 0, NULL));
        CHECK_EQ_STR(handed(&s), "1 2 3");
        CHECK_EQ_UINT(s.spare_count, what != EMPTY);
        CHECK(!fault_storage_has(s.fs, omen_log_file_name(1).text));
        end(&s);
    }
}

/* A log with records that the storage cannot read at all. */
TEST(a_log_that_cannot_be_read) {
    scene s;
    omen_storage_ops ops;
    omen_error err = {0};
    begin(&s);
    uint32_t crc = write_epoch(&s, 1, 1, 2, 0);
    crc = write_epoch(&s, 2, 3, 2, crc);
    write_epoch(&s, 3, 5, 2, crc);
    leave(&s, &ops, 2, SEALED);
    CHECK_STATUS(recover(&s, STRICT, 0, 0, &err), OMEN_ERR_CORRUPT);
    CHECK(strncmp(err.text, "log-0000000000000002 is damaged at 0: ", 38) == 0);
    CHECK_OK(recover(&s, LATER, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2 5 6");
    CHECK_EQ_UINT(s.gap_count, 1);
    check_gap(&s, 0, 2, 0, 0, 3, 4);
    CHECK(s.gaps[0].sealed);
    CHECK_OK(recover(&s, CUT, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2");
    CHECK(s.gap_count == 1 && s.gaps[0].sealed);
    end(&s);
    /* The last one: nobody knows what it held, and no crash leaves such a file. */
    begin(&s);
    crc = write_epoch(&s, 1, 1, 2, 0);
    write_epoch(&s, 2, 3, 2, crc);
    leave(&s, &ops, 2, SEALED);
    memset(&err, 0, sizeof err);
    CHECK_STATUS(recover(&s, STRICT, 0, 0, &err), OMEN_ERR_CORRUPT);
    CHECK_EQ_STR(err.text, "log-0000000000000002 is damaged at 0: its header cannot be read");
    for (int how = CUT; how <= LATER; how++) {
        CHECK_OK(recover(&s, how, 0, 0, NULL));
        CHECK_EQ_STR(handed(&s), "1 2");
        CHECK_EQ_UINT(s.gap_count, 1);
        check_gap(&s, 0, 2, 0, 0, 3, 2);
        CHECK(s.gaps[0].sealed);
    }
    end(&s);
}

/* Names that are no log's, and logs of epochs before the first, are not looked at. */
TEST(only_logs_from_the_first_epoch_on_are_read) {
    scene s;
    begin(&s);
    write_epoch(&s, 1, 1, 2, 0);
    fault_storage_put(s.fs, "log-0000000000000000", "older", 5);
    fault_storage_put(s.fs, "log-000000000000000G", "no number", 9);
    fault_storage_put(s.fs, "seg-0000000000000001", "a segment", 9);
    CHECK_OK(recover(&s, STRICT, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2");
    CHECK_EQ_UINT(s.result.last_epoch, 1);
    CHECK(fault_storage_has(s.fs, "log-0000000000000000"));
    omen_recovery_free(NULL);
    end(&s);
}

/* ---- the storage, while the rest of a file is searched ---- */

/* A damaged frame, then one that is longer than what is read at once: its check pends in the middle, fails, and is the witness in the end. */
static void write_long(scene *s) {
    static uint8_t bytes[600000];
    omen_log *log = NULL;
    omen_status status;
    STEP(status, omen_log_create(&s->x.store, NULL, 1, 1, 0, 0, &log, NULL));
    REQUIRE_OK(status);
    for (uint64_t lsn = 1; lsn <= 3; lsn++) {
        omen_span part = {bytes, lsn == 3 ? sizeof bytes : 8};
        memcpy(bytes, &lsn, 8);
        CHECK_OK(omen_log_append(log, OMEN_FRAME_RECORDS, true, lsn, 1, lsn - 1, &part, 1, NULL));
    }
    CHECK_OK(omen_log_write_out(log, NULL));
    omen_log_close(log);
    damage(s, 1, AT(1) + 50);
}

TEST(a_search_that_pends_and_fails) {
    scene s;
    begin(&s);
    write_long(&s);
    fault_storage_set_pending(s.fs, 60);
    CHECK_STATUS(recover(&s, STRICT, 0, 0, NULL), OMEN_ERR_CORRUPT);
    CHECK_OK(recover(&s, LATER, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 3");
    fault_storage_set_pending(s.fs, 0);
    unsigned failed = 0;
    for (uint64_t n = 1;; n++) {
        fault_storage_fail_at(s.fs, n, OMEN_ERR_IO, false);
        omen_status status = recover(&s, LATER, 0, 0, NULL);
        bool hit = fault_storage_fault_hit(s.fs);
        CHECK_STATUS(status, hit ? OMEN_ERR_IO : OMEN_OK);
        if (!hit) break;
        failed++;
    }
    CHECK(failed >= 6); /* list, open, size, the first window, and those of the long frame, searched and read */
    end(&s);
}

/* The place where the search goes on lies beyond the window. */
TEST(a_search_through_rubbish_that_fails) {
    scene s;
    begin(&s);
    write_epoch(&s, 1, 1, 2, 0);
    size_t len;
    const uint8_t *p = bytes_of(&s, 1, &len);
    uint8_t *image = calloc(1, 1 << 20);
    REQUIRE(image != NULL);
    memcpy(image, p, len);
    fault_storage_put(s.fs, omen_log_file_name(1).text, image, 1 << 20);
    free(image);
    unsigned failed = 0;
    for (uint64_t n = 1;; n++) {
        fault_storage_fail_at(s.fs, n, OMEN_ERR_IO, false);
        omen_status status = recover(&s, CUT, 0, 0, NULL);
        bool hit = fault_storage_fault_hit(s.fs);
        CHECK_STATUS(status, hit ? OMEN_ERR_IO : OMEN_OK);
        if (!hit) break;
        failed++;
    }
    CHECK(failed >= 7); /* list, open, size, four windows */
    end(&s);
}

/* A file made to hold ever more false headers is refused; salvage looks through it to the end, and finds the frame there. */
TEST(false_headers_are_searched_when_all_is_to_be_found) {
    scene s;
    begin(&s);
    write_epoch(&s, 1, 1, 2, 0);
    size_t len, whole = 1 << 20;
    const uint8_t *p = bytes_of(&s, 1, &len);
    uint8_t *image = malloc(whole), last[FRAME], header[OMEN_LOG_HEADER];
    REQUIRE(image != NULL);
    memcpy(image, p, len);
    memcpy(last, image + AT(1), FRAME);
    memcpy(header, last, sizeof header);
    for (size_t at = AT(1); at + FRAME <= whole; at += sizeof header) { /* each says that it reaches far */
        omen_put32(header + 32, 60000);
        memcpy(image + at, header, sizeof header);
    }
    memcpy(image + whole - FRAME, last, FRAME);
    fault_storage_put(s.fs, omen_log_file_name(1).text, image, whole);
    free(image);
    omen_error err = {0};
    CHECK_STATUS(recover(&s, STRICT, 0, 0, &err), OMEN_ERR_CORRUPT);
    CHECK(strstr(err.text, "what follows is not a log") != NULL);
    CHECK_OK(recover(&s, LATER, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2");
    check_gap(&s, 0, 1, AT(1), whole - FRAME - AT(1), 2, 1); /* rubbish, and no record */
    end(&s);
}

/* A header that would hold more records than there are numbers is none, whatever its checksum. */
TEST(a_frame_with_more_records_than_there_are_numbers) {
    scene s;
    begin(&s);
    write_epoch(&s, 1, 1, 3, 0);
    size_t len;
    bytes_of(&s, 1, &len);
    for (size_t i = 1; i < 8; i++) fault_storage_set(s.fs, omen_log_file_name(1).text, AT(1) + 16 + i, 0xff);
    forge(&s, 1, AT(1), 16, 0xff); /* the last number: one record would be one too many */
    CHECK_STATUS(recover(&s, STRICT, 0, 0, NULL), OMEN_ERR_CORRUPT); /* frame 3 says that 2 was durable */
    CHECK_OK(recover(&s, LATER, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 3");
    end(&s);
}

/* ---- settling and forgetting ---- */

/* What is handed on after settling is durable: power may fail then. */
TEST(what_was_settled_stays) {
    for (unsigned pending = 0; pending <= 60; pending += 60) {
        scene s;
        begin(&s);
        s.unsynced = true;
        uint32_t crc = write_epoch(&s, 1, 1, 3, 0);
        write_epoch(&s, 2, 4, 3, crc);
        fault_storage_set_pending(s.fs, pending);
        s.settle = 1;
        CHECK_OK(recover(&s, STRICT, 0, 0, NULL));
        CHECK_EQ_STR(handed(&s), "1 2 3 4 5 6");
        end(&s);
    }
}

TEST(settling_that_fails_ends_recovery) {
    unsigned failed = 0;
    for (uint64_t n = 1;; n++) {
        scene s;
        omen_error err = {0};
        begin(&s);
        uint32_t crc = write_epoch(&s, 1, 1, 2, 0);
        write_epoch(&s, 2, 3, 2, crc);
        s.settle = 1;
        fault_storage_fail_at(s.fs, n, OMEN_ERR_IO, false);
        omen_status status = recover(&s, STRICT, 0, 0, &err);
        bool hit = fault_storage_fault_hit(s.fs);
        CHECK_STATUS(status, hit ? OMEN_ERR_IO : OMEN_OK);
        CHECK((err.text[0] != 0) == hit);
        /* The next life finds everything. */
        fault_storage *after = fault_storage_crash(s.fs, FAULT_CRASH_DURABLE, 0);
        end(&s);
        memset(&s, 0, sizeof s);
        s.fs = after;
        fixture_init(&s.x, after, 7, 1 << 20);
        CHECK_OK(recover(&s, STRICT, 0, 0, NULL));
        CHECK_EQ_STR(handed(&s), "1 2 3 4");
        end(&s);
        if (!hit) break;
        failed++;
    }
    CHECK(failed > 12);
}

/* A recovery that is given up while it settles leaves no file open. */
TEST(a_recovery_given_up_while_it_settles) {
    unsigned pended = 0;
    for (unsigned steps = 1; steps <= 30; steps++) {
        scene s;
        begin(&s);
        write_epoch(&s, 1, 1, 2, 0);
        fault_storage_set_pending(s.fs, 100);
        s.settle = 1;
        REQUIRE_OK(omen_recovery_new(&s.x.store, 1, 0, false, each, &s, &s.r));
        omen_status status = OMEN_PENDING;
        for (unsigned i = 0; i < steps && status == OMEN_PENDING; i++) status = omen_recovery_step(s.r, NULL);
        CHECK(status == OMEN_OK || status == OMEN_PENDING);
        pended += status == OMEN_PENDING;
        omen_recovery_free(s.r);
        end(&s); /* which finds files left open */
    }
    CHECK(pended > 5);
}

/* Whoever has made its records durable elsewhere removes a log that was read: recovery does not miss it. */
TEST(a_log_that_was_read_and_removed) {
    scene s;
    begin(&s);
    uint32_t crc = write_epoch(&s, 1, 1, 2, 0);
    write_epoch(&s, 2, 3, 2, crc);
    s.forget = true;
    CHECK_OK(recover(&s, STRICT, 0, 0, NULL));
    CHECK_EQ_STR(handed(&s), "1 2 3 4");
    CHECK(!fault_storage_has(s.fs, omen_log_file_name(1).text));
    CHECK(fault_storage_has(s.fs, omen_log_file_name(2).text));
    end(&s);
}

TEST_MAIN()
