/* Losing power at every call of the two files that recovery stands on, each by itself: a log's life, and writes of the manifest. Every subset of what was not synced (up to twelve sectors, sizes and
 * names; seeded ones beyond) is an image; the log's or the manifest's own recovery reads it, and a write after it must work. What counts are images that differ. */
#include "test.h"

#include "image_set.h"
#include "log_model.h"
#include "report.h"
#include "store/manifest.h"

enum { LOG_IMAGES = TEST_EMULATED ? 500 : TEST_PICK(570000, 4000), MANIFEST_IMAGES = TEST_EMULATED ? 500 : TEST_PICK(250000, 4000) };
enum { UNITS = 12, BEYOND = 400 };

/* Takes the image; answers what was found: not 0 where it was good. */
typedef uint64_t look(void *arg, fault_storage *image);
/* Whether what was found in an image is allowed at another moment that may leave it. */
typedef bool allow(void *arg, uint64_t found);

static image_set seen;
static uint64_t images, opened_seed;

/* Every image that may be left of fs. One that came before is not read again, but what was found in it must be allowed now, too. */
static void each_image(const fault_storage *fs, uint64_t seed, look *examine, allow *allowed, void *arg) {
    unsigned units = fault_storage_units(fs);
    uint64_t subsets = units <= UNITS ? UINT64_C(1) << units : BEYOND, others = units == 0 ? 0 : 24;
    for (uint64_t i = 0; i < subsets + others; i++) {
        uint64_t mask = i;
        int fresh;
        if (units > UNITS) mask = (seed + i) * UINT64_C(0x9e3779b97f4a7c15), mask ^= mask >> 31;
        fault_storage *image = i < subsets ? fault_storage_crash_subset(fs, mask) : fault_storage_crash(fs, (fault_crash_mode)(i % FAULT_CRASH_MODES), seed * 31 + i);
        image_answer *known = image_set_look(&seen, fault_storage_hash(image), &fresh);
        if (fresh) {
            images++;
            known->found = examine(arg, image);
            continue;
        }
        fault_storage_free(image);
        if (known->found != 0 && !CHECK(allowed(arg, known->found))) printf("        seed %" PRIu64 ": an image that came before\n", opened_seed);
    }
}

static uint64_t wanted(uint64_t n) {
    const char *text = getenv("OMEN_TEST_IMAGES");
    return text != NULL ? strtoull(text, NULL, 10) : n * (omen_test_deep() ? 10 : 1);
}

/* ---- the log ---- */

typedef struct log_moment { fault_storage *fs; log_model m; } log_moment;
typedef struct log_moments { log_moment of[256]; size_t count; uint64_t changes; const log_model *m; } log_moments;
static log_moments moments;

static void note(void *arg, const fault_storage *fs) {
    log_moments *n = arg;
    if (n->count > 0 && n->changes == fault_storage_changes(fs) && n->of[n->count - 1].m.promised == n->m->promised) return;
    if (n->count == sizeof n->of / sizeof *n->of) return;
    n->changes = fault_storage_changes(fs);
    log_moment *at = &n->of[n->count++];
    at->fs = fault_storage_clone(fs);
    log_model_init(&at->m);
    log_model_copy(&at->m, n->m);
}

/* What recovery has handed on, cut off and removed is so durably: a power loss right after it changes nothing. */
static bool settled(const fault_storage *fs) {
    fault_storage *durable = fault_storage_crash(fs, FAULT_CRASH_DURABLE, 1);
    bool same = fault_storage_hash(durable) == fault_storage_hash(fs);
    fault_storage_free(durable);
    return same;
}

/* Answers one more than the LSN that comes next. */
static uint64_t recover_log(void *arg, fault_storage *image) {
    log_model m;
    fixture x;
    omen_recovery_result found = {0};
    log_model_init(&m);
    log_model_copy(&m, arg);
    fixture_init(&x, image, 7, 1 << 20);
    fault_host_set_fill(x.host, false);
    bool good = CHECK_OK(log_model_recover(&m, &x, false, true, &found, NULL)) && CHECK(settled(image));
    good = good && CHECK_OK(log_model_session(&m, &x, opened_seed, 2, MODEL_TINY)); /* again, begins an epoch, goes on */
    good = CHECK_EQ_UINT(fixture_deinit(&x), 0) && good;
    good = CHECK_EQ_STR(m.problem, "") && good;
    if (!good) printf("        seed %" PRIu64 "\n", opened_seed);
    log_model_deinit(&m);
    fault_storage_free(image);
    return good ? found.next_lsn + 1 : 0;
}

static bool log_allowed(void *arg, uint64_t found) { return found - 2 >= ((const log_model *)arg)->promised; }

TEST(power_lost_at_every_call_of_a_log) {
    uint64_t want = wanted(LOG_IMAGES), lives = 0;
    images = 0;
    for (; images < want && test_failures == 0; lives++) {
        uint64_t seed = opened_seed = test_rand();
        fault_storage *fs = fault_storage_new(seed);
        log_model m;
        fixture x;
        log_model_init(&m);
        for (uint64_t life = 0; life < 2; life++) { /* the second recovers what the first left */
            fixture_init(&x, fs, 7, 1 << 20);
            fault_host_set_fill(x.host, false);
            moments.m = &m;
            fault_storage_on_call(fs, note, &moments);
            CHECK_OK(log_model_session(&m, &x, seed + life, 14, lives % 3 == 0 ? MODEL_MIXED : MODEL_TINY));
            CHECK_EQ_UINT(fixture_deinit(&x), 0);
        }
        for (size_t i = 0; i < moments.count; i++) {
            each_image(moments.of[i].fs, seed + i, recover_log, log_allowed, &moments.of[i].m);
            /* Only the program ended: what it had not synced is still there to be read. */
            (void)recover_log(&moments.of[i].m, moments.of[i].fs);
            log_model_deinit(&moments.of[i].m);
        }
        moments.count = 0;
        CHECK_STORAGE(fs);
        log_model_deinit(&m);
        fault_storage_free(fs);
        if (lives % 16 == 15) image_set_clear(&seen);
    }
    image_set_clear(&seen);
    printf("     %" PRIu64 " lives, %" PRIu64 " images\n", lives, images);
    omen_test_report("crash_images", images);
}

/* ---- the manifest ---- */

enum { PAYLOAD = 5000, WRITES = 6 };
typedef struct writes { uint8_t bytes[WRITES + 2][PAYLOAD]; size_t len[WRITES + 2], acked, begun; } writes;
typedef struct slot_moment { fault_storage *fs; size_t acked, begun; } slot_moment;
typedef struct slot_moments { slot_moment of[256]; size_t count; uint64_t changes; const writes *w; } slot_moments;
typedef struct slot_look { writes *w; const slot_moment *at; } slot_look;
static slot_moments slots;
static writes course;

static void note_slot(void *arg, const fault_storage *fs) {
    slot_moments *n = arg;
    if (n->count > 0 && n->changes == fault_storage_changes(fs) && n->of[n->count - 1].acked == n->w->acked) return;
    if (n->count == sizeof n->of / sizeof *n->of) abort();
    n->changes = fault_storage_changes(fs);
    n->of[n->count++] = (slot_moment){fault_storage_clone(fs), n->w->acked, n->w->begun};
}

/* The manifest has one of the payloads from acked to begun; answers which, or SIZE_MAX. */
static size_t which(omen_manifest *m, const writes *w, size_t from, size_t to) {
    const uint8_t *got;
    size_t len, n = (size_t)omen_manifest_generation(m);
    omen_manifest_payload(m, &got, &len);
    return n >= from && n <= to && len == w->len[n] && (len == 0 || memcmp(got, w->bytes[n], len) == 0) ? n : SIZE_MAX;
}

/* Answers one more than the generation. */
static uint64_t open_manifest(void *arg, fault_storage *image) {
    const slot_look *l = arg;
    fixture x;
    omen_manifest *m = NULL;
    omen_status s;
    size_t n = SIZE_MAX;
    fixture_init(&x, image, 3, 1 << 20);
    fault_host_set_fill(x.host, false);
    STEP(s, omen_manifest_open(&x.store, &m, NULL));
    bool good = CHECK_OK(s);
    if (good) n = which(m, l->w, l->at->acked, l->at->begun);
    good = good && CHECK(n != SIZE_MAX);
    if (good) {
        STEP(s, omen_manifest_write(m, "a write after it", 16, NULL));
        good = CHECK_OK(s);
    }
    omen_manifest_close(m);
    m = NULL;
    if (good) {
        const uint8_t *got;
        size_t len;
        STEP(s, omen_manifest_open(&x.store, &m, NULL));
        good = CHECK_OK(s);
        if (good) omen_manifest_payload(m, &got, &len);
        good = good && CHECK_EQ_UINT(omen_manifest_generation(m), n + 1) && CHECK(len == 16 && memcmp(got, "a write after it", 16) == 0);
        omen_manifest_close(m);
    }
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    if (!good) printf("        seed %" PRIu64 ", generations %zu to %zu\n", opened_seed, l->at->acked, l->at->begun);
    fault_storage_free(image);
    return good ? n + 1 : 0;
}

static bool manifest_allowed(void *arg, uint64_t found) {
    const slot_look *l = arg;
    return found - 1 >= l->at->acked && found - 1 <= l->at->begun;
}

TEST(power_lost_at_every_call_of_a_manifest) {
    uint64_t want = wanted(MANIFEST_IMAGES), courses = 0;
    images = 0;
    for (; images < want && test_failures == 0; courses++) {
        uint64_t seed = opened_seed = test_rand();
        fault_storage *fs = fault_storage_new(seed);
        fixture x;
        omen_manifest *m = NULL;
        omen_status s;
        memset(course.len, 0, sizeof course.len);
        course.acked = course.begun = 0;
        slots.w = &course;
        fixture_init(&x, fs, 3, 1 << 20);
        fault_storage_on_call(fs, note_slot, &slots);
        STEP(s, omen_manifest_open(&x.store, &m, NULL));
        CHECK_OK(s);
        for (size_t i = 1; i <= WRITES && m != NULL; i++) {
            course.len[i] = 1 + (size_t)test_rand_below(i == 1 ? PAYLOAD : PAYLOAD - 200);
            for (size_t k = 0; k < course.len[i]; k++) course.bytes[i][k] = (uint8_t)(test_rand() | 1);
            course.begun = i;
            STEP(s, omen_manifest_write(m, course.bytes[i], course.len[i], NULL));
            if (CHECK_OK(s)) course.acked = i;
        }
        note_slot(&slots, fs);
        omen_manifest_close(m);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        for (size_t i = 0; i < slots.count; i++) {
            slot_look l = {&course, &slots.of[i]};
            each_image(slots.of[i].fs, seed + i, open_manifest, manifest_allowed, &l);
            fault_storage_free(slots.of[i].fs);
        }
        slots.count = 0;
        CHECK_STORAGE(fs);
        fault_storage_free(fs);
        if (courses % 16 == 15) image_set_clear(&seen);
    }
    image_set_clear(&seen);
    printf("     %" PRIu64 " courses, %" PRIu64 " images\n", courses, images);
    omen_test_report("crash_images", images);
}

TEST_MAIN()
