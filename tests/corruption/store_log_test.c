/* Every byte of a small log of several epochs, changed in every way that matters, and every truncation of it: recovery answers exactly the
 * prefix before the damage, or OMEN_ERR_CORRUPT exactly when a later frame proves a loss. */
#include "test.h"

#include "log_model.h"
#include "report.h"

static uint64_t checked, corrupt;

/* Expects what the model says of a log whose file `epoch` is damaged from `intact` to `valid_again`. */
static void expect(const log_model *m, fault_storage *fs, uint64_t epoch, size_t intact, size_t valid_again, size_t at, int how) {
    log_model copy;
    fixture x;
    omen_recovery_result r;
    size_t kept;
    omen_status want = log_model_verdict(m, epoch, intact, valid_again, &kept);
    log_model_init(&copy);
    log_model_copy(&copy, m);
    fixture_init(&x, fs, 7, 1 << 20);
    omen_status got = log_model_recover(&copy, &x, true, want != OMEN_OK, &r, NULL);
    bool fine = CHECK_STATUS(got, want);
    if (got == OMEN_OK) {
        /* Opening frames after the last record hold nothing. */
        while (kept > 0 && m->frames[kept - 1].type == OMEN_FRAME_OPEN) kept--;
        fine = CHECK_EQ_UINT(copy.recovered, kept) && fine;
        fine = CHECK_EQ_STR(copy.problem, "") && fine;
    }
    if (!fine) printf("        epoch %" PRIu64 " byte %zu change %d\n", epoch, at, how);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    log_model_deinit(&copy);
    checked++;
    corrupt += want == OMEN_ERR_CORRUPT;
}

static void damage_all(const log_model *m, const fault_storage *fs) {
    for (size_t file = 0; file < fault_storage_count(fs); file++) {
        const char *name = fault_storage_name(fs, file);
        uint64_t epoch = 0;
        size_t len;
        CHECK(omen_log_file_parse(name, &epoch));
        const uint8_t *bytes = fault_storage_data(fs, name, &len);
        for (size_t i = 0; i < m->count; i++) {
            const model_frame *f = &m->frames[i];
            if (f->epoch != epoch) continue;
            for (size_t at = f->offset; at < f->offset + f->size; at++) {
                for (int how = 0; how < 10; how++) {
                    uint8_t to = how < 8 ? (uint8_t)(bytes[at] ^ (1 << how)) : how == 8 ? 0 : 0xff;
                    if (to == bytes[at]) continue;
                    fault_storage *copy = fault_storage_clone(fs);
                    fault_storage_set(copy, name, at, to);
                    expect(m, copy, epoch, f->offset, f->offset + f->size, at, how);
                    fault_storage_free(copy);
                }
            }
        }
        for (size_t at = 0; at < len; at++) {
            fault_storage *copy = fault_storage_clone(fs);
            fault_storage_cut(copy, name, at);
            expect(m, copy, epoch, at, SIZE_MAX, at, -1);
            fault_storage_free(copy);
        }
    }
}

/* Everything synced and said so, and a log whose syncs are seldom. */
TEST(every_byte_of_a_log) {
    for (unsigned round = 0; round < 3; round++) {
        fault_storage *fs = fault_storage_new(test_rand());
        log_model m;
        log_model_init(&m);
        for (unsigned life = 0; life < 2 + round; life++) {
            fixture x;
            fixture_init(&x, fs, 7, 1 << 20);
            CHECK_OK(log_model_session(&m, &x, test_rand(), 9, MODEL_TINY));
            CHECK_EQ_UINT(fixture_deinit(&x), 0);
        }
        CHECK_EQ_STR(m.problem, "");
        /* What a session buffered at its end is not in the file: recover once, so that model and files agree. */
        fixture x;
        omen_recovery_result r;
        fixture_init(&x, fs, 7, 1 << 20);
        CHECK_OK(log_model_recover(&m, &x, false, true, &r, NULL));
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage *settled = fault_storage_crash(fs, FAULT_CRASH_ALL, 0);
        damage_all(&m, settled);
        fault_storage_free(settled);
        fault_storage_free(fs);
        log_model_deinit(&m);
    }
    printf("        %" PRIu64 " damaged logs, of which %" PRIu64 " prove a loss\n", checked, corrupt);
    omen_test_report("corruption_cases", checked);
    CHECK(corrupt > 100 && corrupt < checked);
}

TEST_MAIN()
