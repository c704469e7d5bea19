/* Losing power at every call of seeded courses: every subset of what was not synced, up to twelve sectors, sizes and names, seeded ones beyond; files without their data, in part, with writes in order and in
 * none. Each image is opened: what the durability level promises is there, in whole operations; nothing else is; every checksum and invariant holds; a write succeeds. From some of them power is lost again
 * while they recover, flush and merge. Images are told apart by their hash: one that came before counts once, and its answer is compared again with what is allowed now. */
#include "test.h"

#include "course.h"
#include "image_set.h"
#include "report.h"

/* How many images are opened where the volume is, natively with one compiler; elsewhere a slice. */
enum { IMAGES = TEST_EMULATED ? 300 : TEST_PICK(200000, 3000), AGAIN = TEST_PICK(105000, 600) };
enum { UNITS = 12, BEYOND = 192, STEPS = 44 };

static uint64_t state_hash(const course_state *s) {
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < sizeof *s; i++) h = (h ^ ((const uint8_t *)s)[i]) * UINT64_C(1099511628211);
    return h | 1;
}

/* ---- one image ---- */

static uint64_t images, again_images, repeated, opened_seed;
static image_set seen, seen_again;
static unsigned long findings;

static bool wrong(const char *how, const char *why) {
    findings++;
    if (test_fail(__FILE__, __LINE__, how)) printf("        seed %" PRIu64 ": %s\n", opened_seed, why);
    return false;
}

/* A write after it works: a record of the first collection, or that collection. */
static bool goes_on(omen_db *db, const char **why) {
    omen_vector_field f = {.dimensions = COURSE_DIMS, .metric = OMEN_METRIC_L2};
    omen_schema s;
    omen_collection *c = NULL;
    omen_results *r = NULL;
    const float row[COURSE_DIMS] = {3, 4};
    const void *vectors[] = {row};
    omen_id id = OMEN_ID_INT(99999);
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &f;
    omen_status st = omen_collection_open(db, OMEN_STR("kept"), NULL, &c);
    if (st == OMEN_ERR_NOT_FOUND) st = omen_collection_open(db, OMEN_STR("kept"), &s, &c);
    if (st == OMEN_OK) st = omen_insert(c, &(omen_batch){.count = 1, .ids = &id, .vectors = vectors});
    if (st == OMEN_OK) st = omen_get(c, &id, 1, OMEN_INCLUDE_VECTOR, &r);
    bool good = st == OMEN_OK && omen_results_found(r, 0) != 0 && memcmp(omen_results_vector(r, 0, 0), row, sizeof row) == 0;
    if (!good) *why = st == OMEN_OK ? "a write after recovery is not there" : omen_last_error();
    omen_results_free(r);
    omen_collection_close(c);
    return good;
}

/* What the image holds, by its own recovery. Takes it. */
static bool open_image(fault_storage *image, const course_options *options, course_state *found, const char *how) {
    fault_host *h = fault_host_new(2);
    omen_options o;
    omen_db *db = NULL;
    const char *why = "";
    fault_host_set_fill(h, false);
    fault_host_set_image(h, "db", image);
    omen_options_init(&o);
    o.host = &h->host;
    o.durability = options->durability;
    o.memtable_bytes = 4096;
    o.pool_bytes = 1 << 20;
    o.index_bytes = 1 << 20;
    bool good = omen_open("db", &o, &db) == OMEN_OK;
    if (!good) why = omen_last_error();
    good = good && course_read(db, options, images % 8 == 0, found, &why);
    if (good && omen_check(db) != OMEN_OK) good = false, why = omen_last_error();
    good = good && goes_on(db, &why);
    char text[300];
    snprintf(text, sizeof text, "%s", why);
    if (omen_close(db) != OMEN_OK && good) good = false, snprintf(text, sizeof text, "closing: %s", omen_last_error());
    if (good && fault_storage_misuse(image) != NULL) good = false, snprintf(text, sizeof text, "%s", fault_storage_misuse(image));
    if (good && fault_host_bytes(h) != 0) good = false, snprintf(text, sizeof text, "memory leaks");
    fault_host_free(h);
    return good || wrong(how, text);
}

/* ---- the moments of a course ---- */

typedef struct moment { fault_storage *fs; size_t durable, acked, begun; } moment;
typedef struct moments { moment of[4096]; size_t count; uint64_t changes; const course *x; } moments;
static moments first, second;

static void note(void *arg, const fault_storage *fs) {
    moments *m = arg;
    moment now = m->x == NULL ? (moment){0} : (moment){NULL, m->x->durable, m->x->acked, m->x->begun};
    moment *before = m->count == 0 ? NULL : &m->of[m->count - 1];
    if (m->count == sizeof m->of / sizeof *m->of) abort();
    /* A call that only reads leaves what the one before it left. More may have been begun since: what is there now can hold nothing of it. */
    if (before != NULL && m->changes == fault_storage_changes(fs) && before->durable == now.durable && before->acked == now.acked) return;
    m->changes = fault_storage_changes(fs);
    now.fs = fault_storage_clone(fs);
    m->of[m->count++] = now;
}

static void forget(moments *m) {
    for (size_t i = 0; i < m->count; i++) fault_storage_free(m->of[i].fs);
    m->count = 0;
}

/* Every image that may be left of a moment, or `most` of them. */
static void each_image(const moment *m, uint64_t seed, size_t most, void (*each)(void *arg, const moment *m, fault_storage *image, const char *how), void *arg) {
    static const char *const modes[] = {"only what was synced", "everything", "by chance", "a tail of zeros", "a prefix"};
    unsigned units = fault_storage_units(m->fs);
    for (int mode = 0; mode < FAULT_CRASH_MODES; mode++)
        for (uint64_t i = 0; i < (mode == FAULT_CRASH_RANDOM || mode == FAULT_CRASH_PREFIX ? (units == 0 ? 0u : units > 3 ? 8u : 3u) : 1); i++)
            each(arg, m, fault_storage_crash(m->fs, (fault_crash_mode)mode, seed * 977 + i), modes[mode]);
    uint64_t all = units <= UNITS ? UINT64_C(1) << units : BEYOND;
    for (uint64_t i = 0; i < all && i < most; i++) {
        uint64_t mask = i;
        if (all > most || units > UNITS) mask = (seed + i) * UINT64_C(0x9e3779b97f4a7c15), mask ^= mask >> 31;
        each(arg, m, fault_storage_crash_subset(m->fs, mask), "a subset");
    }
}

/* ---- the second loss ---- */

typedef struct again { const course_options *options; uint64_t want; } again;

static void come_back_again(void *arg, const moment *m, fault_storage *image, const char *how) {
    const again *a = arg;
    int fresh;
    image_answer *known = image_set_look(&seen_again, fault_storage_hash(image), &fresh);
    (void)m;
    if (!fresh) {
        repeated++;
        if (known->found != 0 && known->found != a->want) wrong(how, "after a second loss the records are not those of the first recovery (an image that came before)");
        fault_storage_free(image);
        return;
    }
    course_state found;
    again_images++;
    if (!open_image(image, a->options, &found, how)) return;
    known->found = state_hash(&found);
    if (known->found != a->want) wrong(how, "after a second loss the records are not those of the first recovery");
}

/* Recovers, writes segments and merges, losing power at every call of it: no record comes or goes. Takes the image. */
static void lose_again(fault_storage *image, const course_options *options, uint64_t want, uint64_t seed) {
    fault_host *h = fault_host_new(3);
    omen_options o;
    omen_db *db = NULL;
    fault_host_set_fill(h, false);
    fault_host_set_image(h, "db", image);
    fault_storage_on_call(image, note, &second);
    omen_options_init(&o);
    o.host = &h->host;
    o.memtable_bytes = 4096;
    o.pool_bytes = 1 << 20;
    if (omen_open("db", &o, &db) != OMEN_OK || omen_flush(db) != OMEN_OK || omen_compact(db) != OMEN_OK) wrong("recovering", omen_last_error());
    if (omen_close(db) != OMEN_OK) wrong("closing", omen_last_error());
    fault_host_free(h);
    again a = {options, want};
    for (size_t i = 0; i < second.count; i++) each_image(&second.of[i], seed + i, 16, come_back_again, &a);
    forget(&second);
}

/* ---- the first loss ---- */

typedef struct run { course *x; const uint64_t *hashes; uint64_t seed, every; } run;

static bool allowed(const run *r, uint64_t state, size_t from, size_t to) {
    for (size_t i = to + 1; i-- > from;)
        if (r->hashes[i] == state) return true;
    return false;
}

/* What was found, and where it would have been right: for one course. */
static void tell(const run *r, const moment *m, size_t from, uint64_t state) {
    if (getenv("OMEN_TEST_COURSE") == NULL || test_failures > 3) return;
    printf("        allowed are states %zu to %zu; found is", from, m->begun);
    for (size_t i = 0; i < r->x->count; i++)
        if (r->hashes[i] == state) printf(" %zu", i);
    printf("\n");
    for (size_t i = from < 3 ? 0 : from - 3; i <= m->begun; i++) {
        printf("        %zu: %d %d %d |", i, r->x->states[i].there[0], r->x->states[i].there[1], r->x->states[i].crowd);
        for (int k = 0; k < COURSE_IDS; k++) printf(" %d.%d", r->x->states[i].records[0][k].put, r->x->states[i].records[0][k].version);
        printf(" |");
        for (int k = 0; k < COURSE_IDS; k++) printf(" %d.%d", r->x->states[i].records[1][k].put, r->x->states[i].records[1][k].version);
        printf("\n");
    }
}

static void come_back(void *arg, const moment *m, fault_storage *image, const char *how) {
    run *r = arg;
    int fresh;
    image_answer *known = image_set_look(&seen, fault_storage_hash(image), &fresh);
    /* Where all survives, the system did: what was handed to it counts. */
    size_t from = strcmp(how, "everything") == 0 && r->x->options.durability >= OMEN_DURABILITY_OS ? m->acked : m->durable;
    if (!fresh) {
        repeated++;
        if (known->found != 0 && !allowed(r, known->found, from, m->begun)) wrong(how, "the records are not those of any moment that is allowed (an image that came before)"), tell(r, m, from, known->found);
        fault_storage_free(image);
        return;
    }
    course_state found;
    images++;
    fault_storage *copy = images % r->every == 0 ? fault_storage_clone(image) : NULL;
    if (!open_image(image, &r->x->options, &found, how)) {
        fault_storage_free(copy);
        return;
    }
    uint64_t state = state_hash(&found);
    known->found = state;
    if (!allowed(r, state, from, m->begun)) wrong(how, course_find(r->x, &found, 0, m->begun) == SIZE_MAX ? "the records are not those of any moment" : "what was acknowledged is not there"), tell(r, m, from, state);
    if (copy != NULL && again_images < AGAIN * (omen_test_deep() ? 10u : 1u)) lose_again(copy, &r->x->options, state, r->seed + images);
    else fault_storage_free(copy);
}

/* A course of STEPS operations with every call noted, and then all that may be left of each. */
static uint64_t run_course(uint64_t seed, uint64_t every) {
    static const omen_durability levels[] = {OMEN_DURABILITY_GROUP, OMEN_DURABILITY_OS, OMEN_DURABILITY_GROUP, OMEN_DURABILITY_FULL, OMEN_DURABILITY_OS, OMEN_DURABILITY_MEMORY};
    course_options options = {.durability = levels[seed % 6], .words = seed % 17 == 5,
                              .by_steps = seed % 5 == 4, .crowd = seed % 3 == 1, .index = seed % 7 == 3 ? OMEN_INDEX_IVF : seed % 7 == 6 ? OMEN_INDEX_DISK : OMEN_INDEX_HNSW};
    course x;
    fault_host *h = fault_host_new(seed);
    fault_storage *fs = fault_host_image(h, "db");
    opened_seed = seed;
    fault_host_set_fill(h, false);
    course_init(&x, seed, &options);
    first.x = &x;
    fault_storage_on_call(fs, note, &first);
    omen_status s = course_open(&x, h);
    for (unsigned n = 0; s == OMEN_OK && n < STEPS; n++) {
        if (n % 12 == 11) { /* ends, in one way or the other, and begins again */
            if (seed % 4 == 0) course_kill(&x, fs);
            else if (seed % 4 == 2) course_kill_within(&x, fs, 1 + (seed * 7 + n) % 40);
            else course_close(&x);
            s = course_open(&x, h);
        }
        if (s == OMEN_OK) s = course_step(&x);
        if (getenv("OMEN_TEST_COURSE") != NULL) printf("        %s: states %zu %zu %zu, moment %zu\n", course_last(&x), x.durable, x.acked, x.begun, first.count);
    }
    CHECK_STATUS(s, OMEN_OK);
    if (s != OMEN_OK) printf("        seed %" PRIu64 ", %s: %s\n", seed, course_last(&x), s == OMEN_ERR_INTERNAL && x.why != NULL ? x.why : omen_last_error());
    course_close(&x);
    CHECK_STORAGE(fs);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    uint64_t *hashes = calloc(x.count, sizeof *hashes);
    if (hashes == NULL) abort();
    for (size_t i = 0; i < x.count; i++) hashes[i] = state_hash(&x.states[i]);
    run r = {&x, hashes, seed, every};
    size_t moments_of_it = first.count;
    /* Where only a slice is wanted: some of the moments of each course. */
    for (size_t i = TEST_REDUCED ? seed % 8 : 0; i < first.count && test_failures < 20; i += TEST_PICK(1, 8)) each_image(&first.of[i], seed + i, SIZE_MAX, come_back, &r);
    forget(&first);
    free(hashes);
    course_deinit(&x);
    fault_host_free(h);
    /* Images of two courses are not alike: they are of two databases. */
    image_set_clear(&seen);
    image_set_clear(&seen_again);
    return moments_of_it;
}

/* OMEN_TEST_IMAGES: fewer, or more. */
static uint64_t wanted(void) {
    const char *n = getenv("OMEN_TEST_IMAGES");
    return n != NULL ? strtoull(n, NULL, 10) : (uint64_t)IMAGES * (omen_test_deep() ? 10 : 1);
}

TEST(power_lost_at_every_call_of_courses) {
    uint64_t want = wanted(), calls = 0, courses = 0;
    const char *one = getenv("OMEN_TEST_COURSE"); /* the number of the one course to run, as failures name it */
    if (one != NULL) calls += run_course(strtoull(one, NULL, 10), 60), courses = 1, want = 0;
    for (; images < want && test_failures < 20; courses++) calls += run_course(test_seed() * 1000 + courses, 60);
    printf("     %" PRIu64 " courses, %" PRIu64 " calls, %" PRIu64 " images, %" PRIu64 " after a second loss, %" PRIu64 " came before\n", courses, calls, images, again_images, repeated);
    CHECK(again_images > images / 20);
    omen_test_report("crash_images", images);
    omen_test_report("two_level_images", again_images);
}

TEST_MAIN()
