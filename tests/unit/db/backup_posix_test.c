/* Backups, clones and purges beside a writer, on threads of the POSIX host: what is restored is one moment, whole. Every batch gives all its ids one version, so a copy with two
 * versions in it is half a batch. A database that another handle writes is backed up through a handle for reading. Run under ThreadSanitizer too. */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "native/folder_posix.h"
#include "omendb.h"

enum { IDS = 24, DIMS = 12, BATCHES = 400, ROUNDS = 6 };

typedef struct shared {
    omen_db *db;
    omen_collection *c;
    _Atomic int written;
    _Atomic bool stop;
    _Atomic unsigned failed, purges;
} shared;

static omen_status put(omen_collection *c, int version, int64_t first, int count) {
    static _Thread_local float rows[IDS][DIMS];
    omen_id ids[IDS];
    omen_str docs[IDS];
    char text[60];
    int n = snprintf(text, sizeof text, "{\"v\":%d,\"t\":\"words of batch%d\"}", version, version);
    for (int i = 0; i < count; i++) {
        ids[i] = OMEN_ID_INT(first + i);
        docs[i] = (omen_str){text, (size_t)n};
        for (int d = 0; d < DIMS; d++) rows[i][d] = (float)version;
    }
    const void *vectors[] = {rows[0]};
    return omen_upsert(c, &(omen_batch){.count = (size_t)count, .ids = ids, .vectors = vectors, .documents = docs});
}

static void *write_all(void *arg) {
    shared *s = arg;
    for (int b = 1; b <= BATCHES && !atomic_load(&s->stop); b++) {
        if (put(s->c, b, 0, IDS) != OMEN_OK) atomic_fetch_add(&s->failed, 1);
        atomic_store(&s->written, b);
        if (b % 50 == 0 && omen_flush(s->db) != OMEN_OK) atomic_fetch_add(&s->failed, 1);
        if (b % 130 == 0 && omen_compact(s->db) != OMEN_OK) atomic_fetch_add(&s->failed, 1);
    }
    return NULL;
}

/* Records of its own, written and erased. */
static void *purge_all(void *arg) {
    shared *s = arg;
    for (int64_t n = 1; !atomic_load(&s->stop); n++) {
        omen_id id = OMEN_ID_INT(1000 + n);
        if (put(s->c, 7, 1000 + n, 1) != OMEN_OK) atomic_fetch_add(&s->failed, 1);
        omen_status st = omen_purge(s->c, &id, 1, NULL);
        if (st == OMEN_OK) atomic_fetch_add(&s->purges, 1);
        else if (st != OMEN_ERR_BUSY) {
            printf("     purge: %s\n", omen_last_error());
            atomic_fetch_add(&s->failed, 1);
        }
    }
    return NULL;
}

/* The one version of all ids in the database at a path; 0: there are two, or it does not open. */
static int version_of(const char *path) {
    omen_options o;
    omen_db *db = NULL;
    omen_collection *c = NULL;
    omen_results *r = NULL;
    omen_id ids[IDS];
    int version = -1;
    omen_options_init(&o);
    o.create = 0;
    for (int i = 0; i < IDS; i++) ids[i] = OMEN_ID_INT(i);
    bool good = omen_open(path, &o, &db) == OMEN_OK && omen_collection_open(db, OMEN_STR("c"), NULL, &c) == OMEN_OK && omen_get(c, ids, IDS, OMEN_INCLUDE_DOCUMENT, &r) == OMEN_OK &&
                omen_check(db) == OMEN_OK;
    if (!good) printf("     %s: %s\n", path, omen_last_error());
    for (size_t i = 0; good && i < IDS; i++) {
        int v = 0;
        omen_str doc = omen_results_document(r, i);
        char text[32] = "";
        memcpy(text, doc.data == NULL ? "" : doc.data, doc.len < 31 ? doc.len : 31);
        good = omen_results_found(r, i) && sscanf(text, "{\"v\":%d", &v) == 1 && (version == -1 || version == v);
        version = v;
    }
    omen_results_free(r);
    omen_collection_close(c);
    omen_close(db);
    return good ? version : 0;
}

TEST(copies_of_one_moment_beside_writers) {
    char root[64], path[128], place[128], other[128], to[160];
    shared s = {0};
    omen_options o;
    pthread_t writer, purger;
    CHECK(folder_make(root));
    snprintf(path, sizeof path, "%s/db", root);
    snprintf(place, sizeof place, "%s/backups", root);
    snprintf(other, sizeof other, "%s/read", root);
    omen_options_init(&o);
    o.durability = OMEN_DURABILITY_OS;
    o.memtable_bytes = 64 << 10;
    CHECK_STATUS(omen_open(path, &o, &s.db), OMEN_OK);
    omen_vector_field f = {.name = {"", 0}, .dimensions = DIMS, .metric = OMEN_METRIC_L2};
    const omen_text_field words = {.name = OMEN_STR("t")};
    omen_schema schema;
    omen_schema_init(&schema);
    schema.vector_count = 1;
    schema.vectors = &f;
    schema.text_count = 1;
    schema.texts = &words;
    CHECK_STATUS(omen_collection_open(s.db, OMEN_STR("c"), &schema, &s.c), OMEN_OK);
    CHECK_STATUS(put(s.c, 1, 0, IDS), OMEN_OK);
    atomic_store(&s.written, 1);
    CHECK(pthread_create(&writer, NULL, write_all, &s) == 0);
    CHECK(pthread_create(&purger, NULL, purge_all, &s) == 0);
    for (int round = 1; round <= ROUNDS; round++) {
        int before = atomic_load(&s.written);
        CHECK_STATUS(omen_backup(s.db, place, NULL, NULL), OMEN_OK);
        int after = atomic_load(&s.written);
        snprintf(to, sizeof to, "%s/restored-%d", root, round);
        CHECK_STATUS(omen_restore(place, 0, to, NULL, NULL), OMEN_OK);
        int version = version_of(to);
        CHECK(version >= before && version <= after + 1);
        folder_remove(to);
        snprintf(to, sizeof to, "%s/clone-%d", root, round);
        before = atomic_load(&s.written);
        CHECK_STATUS(omen_clone(s.db, to, NULL, NULL), OMEN_OK);
        version = version_of(to);
        CHECK(version >= before && version <= atomic_load(&s.written) + 1);
        folder_remove(to);
        /* through another handle, as another program would: what is handed to the system is there */
        omen_db *reader = NULL;
        omen_options r;
        omen_options_init(&r);
        r.read_only = 1;
        omen_status st = OMEN_ERR_IO;
        for (int attempt = 0; attempt < 50 && st != OMEN_OK; attempt++) st = omen_open(path, &r, &reader); /* files come and go while it opens */
        CHECK_STATUS(st, OMEN_OK);
        if (st != OMEN_OK) continue;
        CHECK_STATUS(omen_backup(reader, other, NULL, NULL), OMEN_OK);
        omen_close(reader);
        snprintf(to, sizeof to, "%s/read-%d", root, round);
        CHECK_STATUS(omen_restore(other, 0, to, NULL, NULL), OMEN_OK);
        CHECK(version_of(to) > 0);
        folder_remove(to);
    }
    /* While a backup is made a purge is told to wait; on a busy machine that may have been so every time. */
    for (int patience = 0; patience < 100000 && atomic_load(&s.purges) == 0 && atomic_load(&s.failed) == 0; patience++) usleep(1000);
    atomic_store(&s.stop, true);
    pthread_join(writer, NULL);
    pthread_join(purger, NULL);
    CHECK_EQ_UINT(atomic_load(&s.failed), 0);
    CHECK(atomic_load(&s.purges) > 0);
    CHECK_STATUS(omen_check(s.db), OMEN_OK);
    omen_collection_close(s.c);
    CHECK_STATUS(omen_close(s.db), OMEN_OK);
    folder_remove(root);
}

TEST_MAIN()
