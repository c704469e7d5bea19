/* A course of operations from arbitrary bytes, four a step, beside a list that knows what must be there: every search is answered exactly as comparing everything answers it,
 * with filters too, through tables, segments, merges, indexes, closing, and losing power after a sync. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault_host.h"
#include "omendb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IDS = 64, DIMS = 4, STEPS = 64, LARGEST = 8 };

typedef struct record { bool there; float v[DIMS]; int n; } record;
typedef struct world {
    fault_host *h;
    omen_db *db;
    omen_collection *c;
    record truth[IDS];
} world;

static void must(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "stateful_fuzz: %s: %s\n", what, omen_last_error());
    abort();
}

static void open_world(world *x) {
    static const omen_vector_field field = {.name = {"", 0}, .dimensions = DIMS, .metric = OMEN_METRIC_L2};
    omen_options o;
    omen_schema s;
    omen_options_init(&o);
    o.host = &x->h->host;
    o.durability = OMEN_DURABILITY_OS;
    o.manual_maintenance = 1;
    o.memtable_bytes = 8192;
    o.pool_bytes = 1 << 20;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &field;
    must(omen_open("db", &o, &x->db) == OMEN_OK && omen_collection_open(x->db, OMEN_STR("c"), &s, &x->c) == OMEN_OK, "opening");
}

static void close_world(world *x) {
    omen_collection_close(x->c);
    must(omen_close(x->db) == OMEN_OK, "closing");
}

static void write(world *x, uint8_t at, uint8_t of, uint8_t salt) {
    omen_id ids[LARGEST];
    omen_str docs[LARGEST];
    float v[LARGEST][DIMS];
    char text[LARGEST][32];
    size_t count = 1 + of % LARGEST;
    for (size_t k = 0; k < count; k++) {
        record *r = &x->truth[(at + k) % IDS];
        ids[k] = OMEN_ID_INT((at + k) % IDS);
        r->there = true;
        r->n = (salt + (int)k) % 10;
        /* Small integers: every distance is exact, and many are equal. */
        for (int d = 0; d < DIMS; d++) v[k][d] = r->v[d] = (float)((salt * 7 + at * 3 + (int)k * 5 + d * salt) % 9 - 4);
        int len = snprintf(text[k], sizeof text[k], "{\"n\":%d}", r->n);
        docs[k] = (omen_str){text[k], (size_t)len};
    }
    const void *vectors[] = {v[0]};
    must(omen_upsert(x->c, &(omen_batch){.count = count, .ids = ids, .vectors = vectors, .documents = docs}) == OMEN_OK, "writing");
}

static void erase(world *x, uint8_t at, uint8_t of) {
    omen_id ids[LARGEST];
    size_t count = 1 + of % LARGEST, deleted, want = 0;
    for (size_t k = 0; k < count; k++) {
        record *r = &x->truth[(at + k) % IDS];
        ids[k] = OMEN_ID_INT((at + k) % IDS);
        want += r->there;
        r->there = false;
    }
    must(omen_delete(x->c, ids, count, &deleted) == OMEN_OK && deleted == want, "deleting");
}

static float distance(const float *a, const float *b) {
    float sum = 0;
    for (int d = 0; d < DIMS; d++) sum += (a[d] - b[d]) * (a[d] - b[d]);
    return sqrtf(sum);
}

/* The k nearest of those with n < below, nearest first, ties by id. */
static size_t nearest(const world *x, const float *q, int below, size_t k, int *out) {
    size_t count = 0;
    bool taken[IDS] = {false};
    for (; count < k; count++) {
        int best = -1;
        for (int i = 0; i < IDS; i++)
            if (x->truth[i].there && !taken[i] && x->truth[i].n < below && (best < 0 || distance(q, x->truth[i].v) < distance(q, x->truth[best].v))) best = i;
        if (best < 0) break;
        taken[best] = true;
        out[count] = best;
    }
    return count;
}

static void search(world *x, uint8_t a, uint8_t b, uint8_t salt) {
    omen_query q;
    omen_results *r = NULL;
    float v[DIMS];
    char filter[32];
    int want[IDS], below = b % 12;
    for (int d = 0; d < DIMS; d++) v[d] = (float)((a + d * salt) % 9 - 4);
    omen_query_init(&q);
    q.vector = v;
    q.dimensions = DIMS;
    q.k = 1 + salt % 20;
    q.exact = (a & 1) != 0;
    if (!q.exact) q.recall = 1;
    if (below < 11) q.filter = (omen_str){filter, (size_t)snprintf(filter, sizeof filter, "{\"n\":{\"$lt\":%d}}", below)};
    must(omen_search(x->c, &q, &r) == OMEN_OK, "searching");
    size_t count = nearest(x, v, below, q.k, want);
    must(omen_results_count(r) == count, "the number of hits");
    for (size_t i = 0; i < count; i++) {
        must(omen_results_id(r, i).number == want[i], "a hit is not the one expected");
        must(omen_results_distance(r, i) == distance(v, x->truth[want[i]].v), "a distance");
    }
    omen_results_free(r);
}

static void look(world *x) {
    omen_id ids[IDS];
    omen_results *r = NULL;
    uint64_t count, want = 0;
    for (int i = 0; i < IDS; i++) {
        ids[i] = OMEN_ID_INT(i);
        want += x->truth[i].there;
    }
    must(omen_count(x->c, &count) == OMEN_OK && count == want, "the number of records");
    must(omen_get(x->c, ids, IDS, OMEN_INCLUDE_DOCUMENT, &r) == OMEN_OK, "getting");
    for (size_t i = 0; i < IDS; i++) {
        char text[32] = "";
        must((omen_results_found(r, i) != 0) == x->truth[i].there, "a record is there that was deleted, or is not that was written");
        if (!x->truth[i].there) continue;
        snprintf(text, sizeof text, "{\"n\":%d}", x->truth[i].n);
        omen_str doc = omen_results_document(r, i);
        must(doc.len == strlen(text) && memcmp(doc.data, text, doc.len) == 0, "a document");
    }
    omen_results_free(r);
}

static void power_fails(world *x, uint8_t salt) {
    must(omen_sync(x->db) == OMEN_OK, "syncing");
    fault_storage *after = fault_storage_crash(fault_host_image(x->h, "db"), (fault_crash_mode)(salt % FAULT_CRASH_MODES), salt);
    omen_collection_close(x->c);
    (void)omen_close(x->db);
    fault_host_set_image(x->h, "db", after);
    open_world(x);
    look(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static world x;
    x = (world){.h = fault_host_new(1)};
    fault_host_set_fill(x.h, false);
    open_world(&x);
    for (size_t at = 0, n = 0; at + 4 <= size && n < STEPS; at += 4, n++) {
        const uint8_t *op = data + at;
        int more;
        switch (op[0] % 16) {
            default: write(&x, op[1], op[2], op[3]); break;
            case 6: case 7: erase(&x, op[1], op[2]); break;
            case 8: case 9: search(&x, op[1], op[2], op[3]); break;
            case 10: must(omen_flush(x.db) == OMEN_OK, "flushing"); break;
            case 11: must(omen_db_maintain(x.db, 0, &more) == OMEN_OK, "maintaining"); break;
            case 12: must(omen_build_indexes(x.db) == OMEN_OK, "building indexes"); break;
            case 13: must(op[1] % 4 != 0 || omen_compact(x.db) == OMEN_OK, "compacting"); break;
            case 14:
                close_world(&x);
                open_world(&x);
                break;
            case 15: power_fails(&x, op[1]); break;
        }
    }
    look(&x);
    must(omen_check(x.db) == OMEN_OK, "checking");
    close_world(&x);
    must(fault_host_bytes(x.h) == 0, "memory is left");
    must(fault_storage_misuse(fault_host_image(x.h, "db")) == NULL, "the storage was misused");
    fault_host_free(x.h);
    return 0;
}
