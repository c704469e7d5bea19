/* What opening a database answers and what checking it says agree, whatever is damaged: where opening fails or a record is not there, the check has told
 * damage; where the check tells none, the database opens and holds every record. And a repair leaves a database that opens, that a check is content with, and
 * that holds all but what its report names.
 *
 * The database has several logs, as kills leave them: with records, and without any between them and before them. Of each file every byte is changed and
 * every length tried; and all logs at once are whole, damaged, emptied or gone, in every combination. */
#include "test.h"

#include "base/base.h"
#include "fault_host.h"
#include "omendb.h"
#include "report.h"
#include "things_fixture.h"

enum { DIMS = 4 };

static int records; /* that the database holds */
static unsigned long cases, silent, refused, mended, harmless;

static omen_status open_things(fault_host *h, omen_db **db, omen_collection **c) { return open_plain_things(h, DIMS, db, c); }

static float coordinate(int id, int d) { return (float)(id * 5 + d); }

static int document(int id, char *into, size_t room) { return snprintf(into, room, "{\"n\":%d}", id); }

static void put(omen_collection *c, int count) {
    for (int i = 0; i < count; i++) {
        float row[DIMS];
        char text[24];
        for (int d = 0; d < DIMS; d++) row[d] = coordinate(records, d);
        const void *vectors[] = {row};
        omen_id id = OMEN_ID_INT(records);
        omen_str doc = {text, (size_t)document(records, text, sizeof text)};
        CHECK_OK(omen_upsert(c, &(omen_batch){.count = 1, .ids = &id, .vectors = vectors, .documents = &doc}));
        records++;
    }
}

/* A life of the database: records written before a flush (none: no flush) and after it; ended by a close, by a kill, or by a power loss that tears the first write, so that
 * the next life cuts it off and leaves a log without records. */
typedef enum end { CLOSED, KILLED, TORN } end;
typedef struct life { int flushed, logged; end end; } life;
enum { OPENING = 64 /* bytes of a log that holds no record */ };

static const char *newest_log(const fault_storage *image) {
    const char *log = NULL;
    for (size_t i = 0; i < fault_storage_count(image); i++) {
        const char *name = fault_storage_name(image, i);
        if (strncmp(name, "log-", 4) == 0 && fault_storage_has(image, name) && (log == NULL || strcmp(name, log) > 0)) log = name;
    }
    return log;
}

static fault_storage *live(const life *lives, size_t count) {
    fault_storage *image = NULL;
    records = 0;
    for (size_t i = 0; i < count; i++) {
        fault_host *h = fault_host_new(1);
        omen_db *db;
        omen_collection *c;
        if (image != NULL) fault_host_set_image(h, "db", image);
        CHECK_OK(open_things(h, &db, &c));
        put(c, lives[i].flushed);
        if (lives[i].flushed != 0) CHECK_OK(omen_flush(db));
        put(c, lives[i].logged);
        image = lives[i].end == CLOSED ? NULL : fault_storage_crash(fault_host_image(h, "db"), FAULT_CRASH_DURABLE, 1);
        if (lives[i].end == TORN) {
            fault_storage_cut(image, newest_log(image), OPENING + 20);
            records -= lives[i].logged;
        }
        omen_collection_close(c);
        CHECK_OK(omen_close(db));
        if (image == NULL) image = fault_storage_crash(fault_host_image(h, "db"), FAULT_CRASH_DURABLE, 1);
        fault_host_free(h);
    }
    return image;
}

/* How many of the records are there, as they were written; -1: wrong answers. */
static int held(omen_collection *c) {
    uint64_t count = 0;
    int found = 0;
    if (omen_count(c, &count) != OMEN_OK) return -1;
    for (int i = 0; i < records; i++) {
        omen_id id = OMEN_ID_INT(i);
        omen_results *r = NULL;
        char want[24];
        document(i, want, sizeof want);
        if (omen_get(c, &id, 1, OMEN_INCLUDE_DOCUMENT | OMEN_INCLUDE_VECTOR, &r) != OMEN_OK) return -1;
        bool there = omen_results_found(r, 0);
        omen_str doc = there ? omen_results_document(r, 0) : (omen_str){0};
        const float *v = there ? omen_results_vector(r, 0, 0) : NULL;
        bool right = !there || (doc.len == strlen(want) && memcmp(doc.data, want, doc.len) == 0 && v != NULL && v[2] == coordinate(i, 2));
        found += there;
        omen_results_free(r);
        if (!right) return -1;
    }
    return count == (uint64_t)found ? found : -1;
}

static uint64_t number_of(omen_str json, const char *key) {
    size_t len = strlen(key);
    for (size_t i = 0; i + len <= json.len; i++)
        if (memcmp(json.data + i, key, len) == 0) return strtoull(json.data + i + len, NULL, 10);
    return UINT64_MAX;
}

/* What a check says: whether there is damage, or that nothing can be done. */
static bool told(fault_host *h, char *why, size_t room) {
    omen_options o = options_of(h);
    omen_report *r = NULL;
    o.create = 0;
    omen_status s = omen_check_path("db", &o, &r);
    bool damage = s != OMEN_OK || omen_report_damage(r) != 0;
    omen_str json = omen_report_json(r);
    snprintf(why, room, "%s %.*s", omen_status_name(s), (int)json.len, json.data);
    omen_report_free(r);
    return damage;
}

static void blame(const char *what, const char *wrong, const char *why) {
    if (test_fail(__FILE__, __LINE__, what)) printf("        %s\n        %s\n        %s\n", wrong, omen_last_error(), why);
}

/* Repairs the image, which it takes, and looks at what is there afterwards. */
static void mend(fault_storage *image, const char *what) {
    fault_host *h = fault_host_new(1);
    fault_host_set_image(h, "db", image);
    omen_options o = options_of(h);
    omen_report *r = NULL;
    omen_db *db;
    omen_collection *c;
    char why[2000];
    o.create = 0;
    omen_status s = omen_repair("db", &o, OMEN_REPAIR_WRITE, &r);
    if (s == OMEN_OK) {
        uint64_t lost = number_of(omen_report_json(r), "\"lost\":{\"records\":");
        bool segments = number_of(omen_report_json(r), "\"segments\":[{") != UINT64_MAX;
        mended++;
        snprintf(why, sizeof why, "%.*s", (int)omen_report_json(r).len, omen_report_json(r).data);
        s = open_things(h, &db, &c);
        int there = s == OMEN_OK ? held(c) : -1;
        if (there < 0) blame(what, "a repaired database does not open, or answers wrongly", why);
        else if (!segments && (uint64_t)there + lost < (uint64_t)records) blame(what, "records are lost that the report does not name", why);
        omen_collection_close(c);
        CHECK_OK(omen_close(db));
        if (told(h, why, sizeof why)) blame(what, "a repaired database is damaged", why);
    } else if (s != OMEN_ERR_CORRUPT && s != OMEN_ERR_FOREIGN && s != OMEN_ERR_VERSION && s != OMEN_ERR_KEY) {
        blame(what, "repairing fails for another reason", "");
    }
    omen_report_free(r);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

/* Takes the image. must_open: nothing was taken away that held a record. */
static void examine(fault_storage *image, bool mending, bool must_open, const char *what) {
    fault_host *h = fault_host_new(1);
    omen_db *db;
    omen_collection *c;
    char why[2000];
    fault_host_set_fill(h, cases % 16 == 0);
    fault_host_set_image(h, "db", image);
    fault_storage *copy = mending ? fault_storage_clone(image) : NULL;
    uint64_t hash = fault_storage_hash(image);
    cases++;
    bool damage = told(h, why, sizeof why);
    CHECK(fault_storage_hash(image) == hash); /* looking changes nothing */
    omen_status s = open_things(h, &db, &c);
    int there = s == OMEN_OK ? held(c) : -1;
    if (!damage && s != OMEN_OK) blame(what, "opening fails, and the check is content", why);
    else if (!damage && there != records) blame(what, "records are missing, and the check is content", why);
    if (must_open && there != records) blame(what, "logs that held no record keep it from opening", why);
    harmless += must_open;
    silent += !damage;
    refused += s != OMEN_OK;
    omen_collection_close(c);
    (void)omen_close(db);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
    if (copy != NULL && damage) mend(copy, what);
    else fault_storage_free(copy);
}

/* A log without records first of all, two and then one between logs with records. */
static fault_storage *first_is_empty(void) {
    static const life lives[] = {{3, 1, TORN}, {0, 2, KILLED}, {0, 1, TORN}, {0, 1, TORN}, {0, 2, KILLED}, {0, 1, TORN}, {0, 1, CLOSED}};
    return live(lives, OMEN_ARRAY_LEN(lives));
}

static fault_storage *first_has_records(void) {
    static const life lives[] = {{2, 2, KILLED}, {0, 0, CLOSED}, {0, 1, TORN}, {0, 2, KILLED}, {0, 1, CLOSED}, {0, 1, TORN}, {0, 0, CLOSED}};
    return live(lives, OMEN_ARRAY_LEN(lives));
}

static void each_byte_and_length(fault_storage *image) {
    for (size_t i = 0; i < fault_storage_count(image); i++) {
        const char *name = fault_storage_name(image, i);
        size_t len;
        char what[120];
        if (fault_storage_data(image, name, &len) == NULL) continue;
        bool empty = strncmp(name, "log-", 4) == 0 && len <= OPENING, segment = strncmp(name, "seg-", 4) == 0;
        unsigned long mend_each = segment ? 7 : 1;
        for (size_t at = 0; at < len; at += TEST_PICK(1u, segment ? 61u : 5u)) {
            fault_storage *copy = fault_storage_clone(image);
            snprintf(what, sizeof what, "bit %zu of byte %zu of %s", at % 8, at, name);
            fault_storage_xor(copy, name, at, (uint8_t)(1u << at % 8));
            examine(copy, at % mend_each == 0, empty, what);
        }
        for (size_t to = 0; to < len; to += to < 72 || to + 72 > len ? 1 : TEST_PICK(7, 61)) {
            fault_storage *copy = fault_storage_clone(image);
            snprintf(what, sizeof what, "%s cut to %zu", name, to);
            fault_storage_cut(copy, name, to);
            examine(copy, to % mend_each == 0, empty, what);
        }
        fault_storage *copy = fault_storage_clone(image);
        snprintf(what, sizeof what, "%s removed", name);
        fault_storage_delete(copy, name);
        examine(copy, true, empty, what);
    }
    fault_storage_free(image);
}

TEST(every_byte_and_length_where_the_first_log_is_empty) { each_byte_and_length(first_is_empty()); }
TEST(every_byte_and_length_where_the_first_log_has_records) { each_byte_and_length(first_has_records()); }

/* All logs at once. */
static void each_combination(fault_storage *image) {
    static const char *const how[] = {"whole", "damaged", "cut", "gone"};
    const char *logs[12] = {0};
    size_t count = 0, all = 1;
    for (size_t i = 0; i < fault_storage_count(image); i++) {
        size_t len;
        if (strncmp(fault_storage_name(image, i), "log-", 4) != 0 || fault_storage_data(image, fault_storage_name(image, i), &len) == NULL) continue;
        if (count == OMEN_ARRAY_LEN(logs)) break;
        logs[count++] = fault_storage_name(image, i);
        all *= 4;
    }
    CHECK(count >= 5);
    for (size_t n = 0; n < all; n += TEST_PICK(3u, 7u)) {
        fault_storage *copy = fault_storage_clone(image);
        char what[400] = "";
        bool must_open = true;
        for (size_t k = 0, m = n; k < count; k++, m /= 4) {
            char one[48];
            size_t len;
            (void)fault_storage_data(image, logs[k], &len);
            snprintf(one, sizeof one, "%s %s; ", logs[k] + 16, how[m % 4]);
            must_open = must_open && (m % 4 == 0 || len <= OPENING);
            if (m % 4 == 1 && len >= 48) fault_storage_xor(copy, logs[k], (n * 8 + k) % 48, 0x10);
            if (m % 4 == 2) fault_storage_cut(copy, logs[k], n % 3 == 0 ? 0 : len / 2);
            if (m % 4 == 3) fault_storage_delete(copy, logs[k]);
            strncat(what, one, sizeof what - strlen(what) - 1);
        }
        examine(copy, n % TEST_PICK(9u, 11u) == 0, must_open, what);
    }
    fault_storage_free(image);
}

TEST(every_combination_of_logs_where_the_first_is_empty) { each_combination(first_is_empty()); }
TEST(every_combination_of_logs_where_the_first_has_records) { each_combination(first_has_records()); }

TEST(the_cases_were_of_every_kind) {
    printf("     %lu cases: %lu opened and checked well, %lu refused to open, %lu repaired, %lu of logs without records\n", cases, silent, refused, mended, harmless);
    omen_test_report("corruption_cases", cases);
    CHECK(cases == 0 || (silent > 20 && refused > 20 && mended > 20 && harmless > 20));
}

TEST_MAIN()
