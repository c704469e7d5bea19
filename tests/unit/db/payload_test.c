/* What manifests, records of backups and log frames of schemas hold: read back as it was written; refused in every way it can be malformed; written into memory that ends at any byte. */
#include "test.h"

#include "db/backup.h"
#include "db/write.h"
#include "fault_host.h"

typedef struct fixture {
    fault_host *h;
    omen_db *db;
    omen_collection *c;
    omen_mem mem;
    omen_arena arena;
    omen_buf payload;
    omen_error err;
    omen_manifest_body body;
} fixture;

enum { ROWS = 64 };

static omen_collection *collection(fixture *x, const char *name) {
    omen_vector_field f[2] = {{.name = OMEN_STR("v"), .dimensions = 4, .metric = OMEN_METRIC_L2, .index = {.kind = OMEN_INDEX_HNSW}}, {.name = OMEN_STR("w"), .dimensions = 4, .metric = OMEN_METRIC_L2, .index = {.kind = OMEN_INDEX_HNSW}}};
    omen_schema s;
    omen_collection *c = NULL;
    omen_schema_init(&s);
    s.vector_count = 2;
    s.vectors = f;
    CHECK_OK(omen_collection_open(x->db, (omen_str){name, strlen(name)}, &s, &c));
    return c;
}

/* A database with a collection of one part, which has indexes of both fields, and one that is empty. */
static void begin(fixture *x) {
    static float v[ROWS][4];
    omen_id ids[ROWS];
    omen_options o;
    memset(x, 0, sizeof *x);
    x->h = fault_host_new(1);
    omen_options_init(&o);
    o.host = &x->h->host;
    o.manual_maintenance = 1;
    REQUIRE(omen_open("db", &o, &x->db) == OMEN_OK);
    x->c = collection(x, "first");
    omen_collection_close(collection(x, "second"));
    for (int i = 0; i < ROWS; i++) {
        ids[i] = OMEN_ID_INT(i);
        for (int d = 0; d < 4; d++) v[i][d] = test_rand_float();
    }
    const void *vectors[] = {v, v};
    const omen_batch batch = {.count = ROWS, .ids = ids, .vectors = vectors};
    CHECK_OK(omen_write(x->c, OMEN_WRITE_UPSERT, &batch));
    CHECK_OK(omen_build_indexes(x->db));
    omen_mem_init(&x->mem, &x->h->host, 0);
    omen_arena_init(&x->arena, &x->mem, 4096);
    omen_buf_init(&x->payload, &x->mem);
    CHECK_OK(omen_manifest_encode(x->db, x->db->current, 3, 5, &x->payload, &x->err));
}

static void end(fixture *x) {
    omen_buf_deinit(&x->payload);
    omen_arena_deinit(&x->arena);
    CHECK_EQ_UINT(x->mem.bytes, 0);
    omen_collection_close(x->c);
    CHECK_OK(omen_close(x->db));
    CHECK_EQ_UINT(fault_host_bytes(x->h), 0);
    fault_host_free(x->h);
}

static omen_status decode(fixture *x, const uint8_t *p, size_t len) {
    x->err = (omen_error){0};
    omen_status s = omen_manifest_decode(&x->mem, &x->arena, p, len, &x->body, &x->err);
    CHECK(s == OMEN_OK || (x->err.status == s && x->err.text[0] != '\0'));
    return s;
}

static void release(fixture *x) {
    for (uint32_t i = 0; i < x->body.count; i++) omen_coll_unref(x->body.colls[i].coll);
    x->body.count = 0;
}

static void refused(fixture *x, const uint8_t *p, size_t len, omen_status want, const char *said) {
    CHECK_STATUS(decode(x, p, len), want);
    if (!CHECK(strstr(x->err.text, said) != NULL)) printf("     %s: %s\n", said, x->err.text);
    release(x);
}

/* A buffer with room for exactly n bytes, and memory for no more. */
static void room(fixture *x, omen_buf *b, size_t n) {
    *b = (omen_buf){.mem = &x->mem, .data = n == 0 ? NULL : omen_alloc(&x->mem, n), .cap = n};
    fault_host_fail_alloc_at(x->h, 1, true);
}

static void no_room(fixture *x, omen_buf *b) {
    fault_host_fail_alloc_at(x->h, 0, false);
    omen_buf_deinit(b);
}

TEST(a_manifest_is_read_back) {
    fixture x;
    begin(&x);
    CHECK_OK(decode(&x, x.payload.data, x.payload.len));
    CHECK(x.body.count == 2 && x.body.log_first_epoch == 3 && x.body.flushed_lsn == 5 && x.body.durable_lsn >= 5);
    CHECK(x.body.colls[0].part_count == 1 && x.body.colls[1].part_count == 0);
    CHECK(x.body.colls[0].parts[0].has_index[0] && x.body.colls[0].parts[0].has_index[1] && x.body.colls[0].parts[0].info.length != 0);
    release(&x);
    /* Cut anywhere. */
    for (size_t cut = 0; cut < x.payload.len; cut++) refused(&x, x.payload.data, cut, OMEN_ERR_CORRUPT, "");
    /* Memory that ends. */
    omen_status s = OMEN_ERR_MEMORY;
    unsigned failed = 0;
    for (uint64_t k = 1; s != OMEN_OK && k < 200; k++) {
        omen_arena own;
        omen_arena_init(&own, &x.mem, 64);
        fault_host_fail_alloc_at(x.h, k, true);
        s = omen_manifest_decode(&x.mem, &own, x.payload.data, x.payload.len, &x.body, &x.err);
        fault_host_fail_alloc_at(x.h, 0, false);
        CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY);
        failed += s != OMEN_OK;
        release(&x);
        omen_arena_deinit(&own);
    }
    CHECK(s == OMEN_OK && failed >= 4);
    end(&x);
}

TEST(a_manifest_that_is_malformed) {
    fixture x;
    begin(&x);
    uint8_t *p = x.payload.data, *whole = malloc(x.payload.len + 1);
    size_t len = x.payload.len, schema, at;
    memcpy(whole, p, len);
#define AGAIN() memcpy(p, whole, len)
    omen_put32(p, 3);
    refused(&x, p, len, OMEN_ERR_VERSION, "newer");
    omen_put32(p, 0);
    refused(&x, p, len, OMEN_ERR_VERSION, "newer");
    AGAIN();
    omen_put32(p + 4, OMEN_MAX_COLLECTIONS + 1);
    refused(&x, p, len, OMEN_ERR_CORRUPT, "names");
    omen_put32(p + 4, 1);
    refused(&x, p, len, OMEN_ERR_CORRUPT, "left over");
    omen_put32(p + 4, 0);
    refused(&x, p, len, OMEN_ERR_CORRUPT, "left over");
    CHECK_OK(decode(&x, p, 56));
    release(&x);
    AGAIN();
    omen_put32(p + 40, omen_get32(p + 56)); /* no collection has this id yet */
    refused(&x, p, len, OMEN_ERR_CORRUPT, "out of order");
    AGAIN();
    omen_put32(p + 60, OMEN_MAX_NAME + 1); /* the name's length */
    refused(&x, p, len, OMEN_ERR_CORRUPT, "malformed");
    omen_put32(p + 60, 0);
    refused(&x, p, len, OMEN_ERR_CORRUPT, "malformed");
    AGAIN();
    p[64] = '\n';
    refused(&x, p, len, OMEN_ERR_CORRUPT, "malformed");
    AGAIN();
    at = 64 + 8; /* behind "first" */
    omen_schema_copy copy;
    CHECK_OK(omen_schema_decode(&copy, &x.mem, p + at, len - at, &schema, &x.err));
    omen_schema_copy_deinit(&copy);
    memset(p + at, 0xff, 8);
    refused(&x, p, len, OMEN_ERR_CORRUPT, "");
    AGAIN();
    at += schema;
    CHECK_EQ_UINT(omen_get32(p + at), 1); /* parts */
    omen_put32(p + at, UINT32_MAX);
    refused(&x, p, len, OMEN_ERR_CORRUPT, "malformed");
    AGAIN();
    CHECK_EQ_UINT(omen_get32(p + at + 8 + 32), 2); /* indexes */
    omen_put32(p + at + 8 + 32, 3);
    refused(&x, p, len, OMEN_ERR_CORRUPT, "malformed");
    AGAIN();
    omen_put32(p + at + 8 + 40, 2); /* the field of the first */
    refused(&x, p, len, OMEN_ERR_CORRUPT, "malformed");
    omen_put32(p + at + 8 + 40, 1); /* not ascending */
    refused(&x, p, len, OMEN_ERR_CORRUPT, "malformed");
    AGAIN();
    at += 8 + 40 + 2 * 40; /* the second collection */
    omen_put32(p + at, omen_get32(p + 56));
    refused(&x, p, len, OMEN_ERR_CORRUPT, "out of order");
    AGAIN();
    CHECK_OK(decode(&x, p, len));
    release(&x);
    free(whole);
    end(&x);
}

TEST(a_manifest_is_proven) {
    fixture x;
    omen_buf first, proven;
    begin(&x);
    omen_buf_init(&first, &x.mem);
    omen_buf_init(&proven, &x.mem);
    /* Version 1 has no proof of its own. */
    CHECK_OK(omen_buf_append(&first, x.payload.data, 48));
    CHECK_OK(omen_buf_append(&first, x.payload.data + 56, x.payload.len - 56));
    omen_put32(first.data, 1);
    CHECK_OK(decode(&x, first.data, first.len));
    CHECK(x.body.count == 2 && x.body.durable_lsn == 5);
    release(&x);
    CHECK_EQ_UINT(omen_manifest_proven(first.data, first.len), 5);
    CHECK_EQ_UINT(omen_manifest_proven(x.payload.data, 48), 5);
    CHECK_OK(omen_manifest_prove(first.data, first.len, 9, &proven));
    CHECK_EQ_UINT(omen_manifest_proven(proven.data, proven.len), 9);
    CHECK_EQ_UINT(proven.len, x.payload.len);
    CHECK_OK(omen_manifest_prove(x.payload.data, x.payload.len, 9, &first));
    CHECK(first.len == proven.len && memcmp(first.data, proven.data, first.len) == 0);
    omen_buf_deinit(&first);
    omen_buf_deinit(&proven);
    for (size_t n = 0; n <= x.payload.len; n++) {
        room(&x, &proven, n);
        CHECK_STATUS(omen_manifest_prove(x.payload.data, x.payload.len, 9, &proven), n < x.payload.len ? OMEN_ERR_MEMORY : OMEN_OK);
        no_room(&x, &proven);
    }
    end(&x);
}

TEST(writing_without_memory) {
    fixture x;
    omen_buf b;
    begin(&x);
    for (size_t n = 0; n <= x.payload.len; n++) {
        room(&x, &b, n);
        x.err = (omen_error){0};
        CHECK_STATUS(omen_manifest_encode(x.db, x.db->current, 3, 5, &b, &x.err), n < x.payload.len ? OMEN_ERR_MEMORY : OMEN_OK);
        CHECK(n == x.payload.len || x.err.status == OMEN_ERR_MEMORY);
        no_room(&x, &b);
    }
    /* Frames of schemas. */
    const omen_coll *coll = x.db->current->colls[0]->coll;
    const omen_index_options options = {.kind = OMEN_INDEX_HNSW};
    for (int kind = 0; kind < 3; kind++) {
        omen_status s = OMEN_ERR_MEMORY;
        size_t n = 0;
        for (; s != OMEN_OK && n < 1000; n++) {
            room(&x, &b, n);
            s = kind == 2 ? omen_schema_frame_encode_index(1, 0, &options, &b) : omen_schema_frame_encode(kind == 0 ? OMEN_SCHEMA_CREATE : OMEN_SCHEMA_DROP, 1, coll, &b);
            CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY);
            if (s == OMEN_OK) CHECK_EQ_UINT(b.len, n);
            no_room(&x, &b);
        }
        CHECK(n > (kind == 0 ? 60u : kind == 1 ? 8u : 40u));
    }
    end(&x);
}

static void frame(fixture *x, const omen_buf *f, omen_status want, const char *said) {
    x->err = (omen_error){0};
    CHECK_STATUS(omen_schema_frame_apply(x->db, f->data, f->len, &x->err), want);
    if (!CHECK(strstr(x->err.text, said) != NULL)) printf("     %s: %s\n", said, x->err.text);
}

TEST(frames_of_schemas) {
    fixture x;
    omen_buf f;
    begin(&x);
    omen_buf_init(&f, &x.mem);
    const omen_coll *coll = x.db->current->colls[0]->coll;
    uint32_t next = x.db->next_collection_id;
    CHECK_OK(omen_schema_frame_encode(OMEN_SCHEMA_CREATE, coll->id, coll, &f));
    frame(&x, &f, OMEN_OK, ""); /* there already */
    omen_put32(f.data + 4, next);
    frame(&x, &f, OMEN_ERR_CORRUPT, "impossible name"); /* its name is taken */
    omen_put32(f.data + 4, 0);
    frame(&x, &f, OMEN_OK, ""); /* created anew since */
    omen_put32(f.data + 4, UINT32_MAX);
    frame(&x, &f, OMEN_ERR_CORRUPT, "too many");
    omen_put32(f.data + 4, next + 3);
    f.data[16] = '\n';
    frame(&x, &f, OMEN_ERR_CORRUPT, "impossible name");
    f.data[16] = 'g';
    size_t len = f.len;
    for (f.len = 0; f.len < len; f.len++) frame(&x, &f, OMEN_ERR_CORRUPT, "");
    omen_put32(f.data + 8, OMEN_MAX_NAME + 1);
    frame(&x, &f, OMEN_ERR_CORRUPT, "cut short");
    omen_put32(f.data + 8, 5);
    CHECK_OK(omen_buf_append_u64(&f, 0));
    frame(&x, &f, OMEN_ERR_CORRUPT, "left over");
    f.len = len;
    omen_status s = OMEN_ERR_MEMORY;
    unsigned failed = 0;
    for (uint64_t k = 1; s != OMEN_OK && k < 50; k++) {
        CHECK_EQ_UINT(x.db->next_collection_id, next);
        fault_host_fail_alloc_at(x.h, k, true);
        s = omen_schema_frame_apply(x.db, f.data, f.len, &x.err);
        fault_host_fail_alloc_at(x.h, 0, false);
        CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY);
        failed += s != OMEN_OK;
    }
    CHECK(s == OMEN_OK && failed > 2);
    CHECK_EQ_UINT(x.db->next_collection_id, next + 4);
    omen_put32(f.data + 4, next + 1); /* one that is older than others */
    f.data[16] = 'h';
    frame(&x, &f, OMEN_OK, "");
    CHECK_EQ_UINT(x.db->next_collection_id, next + 4);
    omen_put32(f.data, 77);
    frame(&x, &f, OMEN_ERR_CORRUPT, "unknown action");
    omen_buf_deinit(&f);
    /* Indexes. */
    const omen_index_options options = {.kind = OMEN_INDEX_HNSW, .m = 8};
    CHECK_OK(omen_schema_frame_encode_index(next + 2, 0, &options, &f));
    frame(&x, &f, OMEN_OK, ""); /* of one that is gone */
    omen_put32(f.data + 4, next + 4);
    frame(&x, &f, OMEN_ERR_CORRUPT, "never existed");
    omen_put32(f.data + 4, next + 1);
    omen_put32(f.data + 8, 2);
    frame(&x, &f, OMEN_ERR_CORRUPT, "does not exist");
    omen_put32(f.data + 8, 1);
    omen_put32(f.data + 36, 1);
    frame(&x, &f, OMEN_ERR_CORRUPT, "does not exist");
    omen_put32(f.data + 36, 0);
    omen_put32(f.data + 12, 99);
    frame(&x, &f, OMEN_ERR_CORRUPT, "malformed");
    omen_put32(f.data + 12, OMEN_INDEX_HNSW);
    frame(&x, &f, OMEN_OK, "");
    CHECK_EQ_UINT(omen_version_find(x.db->current, next + 1)->coll->schema.schema.vectors[1].index.m, 8);
    f.len = 36;
    frame(&x, &f, OMEN_ERR_CORRUPT, "bytes instead of");
    omen_buf_deinit(&f);
    end(&x);
}

/* ---- records of backups ---- */

TEST(as_many_collections_as_there_may_be) {
    fixture x;
    omen_buf f;
    begin(&x);
    omen_buf_init(&f, &x.mem);
    CHECK_OK(omen_schema_frame_encode(OMEN_SCHEMA_CREATE, 0, x.db->current->colls[0]->coll, &f));
    for (uint32_t i = 0, id = x.db->next_collection_id; i <= OMEN_MAX_COLLECTIONS; i++, id++) {
        char name[6];
        snprintf(name, sizeof name, "g%04u", i);
        omen_put32(f.data + 4, id);
        memcpy(f.data + 16, name, 5);
        if (x.db->current->count == OMEN_MAX_COLLECTIONS) break;
        CHECK_OK(omen_schema_frame_apply(x.db, f.data, f.len, &x.err));
    }
    frame(&x, &f, OMEN_ERR_CORRUPT, "too many");
    CHECK_EQ_UINT(x.db->current->count, OMEN_MAX_COLLECTIONS);
    omen_buf_deinit(&f);
    end(&x);
}

TEST(names_of_backups) {
    static const char *const ours[] = {"backup-0000000000000001", "blog-0000000000000000", "data-0123456789abcdef0123456789abcdef"};
    static const char *const others[] = {"", "backup-", "backup-0000000000000000", "backup-000000000000001", "backup-00000000000000011", "backup-000000000000000g", "blog-00", "data-", "data-0123456789abcdef0123456789abcdeF",
                                         "data-0123456789abcdef0123456789abcde/", "data-0123456789abcdef0123456789abcde:", "data-0123456789abcdef0123456789abcde`", "data-0123456789abcdef0123456789abcdefa", "data-0123456789abcdef0123456789abcdeg", "dato-0123456789abcdef0123456789abcdef"};
    uint64_t n = 0;
    for (size_t i = 0; i < OMEN_ARRAY_LEN(ours); i++) CHECK(omen_backup_ours(ours[i]));
    for (size_t i = 0; i < OMEN_ARRAY_LEN(others); i++) CHECK(!omen_backup_ours(others[i]) && !omen_backup_name_parse(others[i], &n));
    CHECK(omen_backup_name_parse("backup-00000000000000ff", &n));
    CHECK_EQ_UINT(n, 255);
    CHECK_EQ_STR(omen_backup_name(255).text, "backup-00000000000000ff");
}

static omen_backup_verdict judged(omen_backup_record *r) {
    CHECK_OK(omen_backup_record_read(r));
    return r->verdict;
}

TEST(records_of_backups) {
    fixture x;
    omen_image image = {.epoch = 7, .bytes = 1000};
    omen_backup_record r = {.number = 3, .created_ms = 11, .log_length = 24}, back = {.number = 3};
    begin(&x);
    image.snapshot.lsn = 9;
    omen_buf_init(&image.files, &x.mem);
    omen_buf_init(&image.payload, &x.mem);
    omen_segment *s = x.db->current->colls[0]->parts[0].part->segment;
    for (int i = 0; i < 2; i++) CHECK_OK(omen_buf_append(&image.files, &s, sizeof s));
    CHECK_OK(omen_buf_append(&image.payload, "payload", 7));
    omen_buf_init(&back.raw, &x.mem);
    CHECK_OK(omen_backup_record_write(&r, &image, &x.mem, &back.raw));
    CHECK_EQ_UINT(back.raw.len, 128 + 64 + 7);
    CHECK_EQ_INT((int)judged(&back), OMEN_BACKUP_GOOD);
    CHECK(back.lsn == 9 && back.epoch == 7 && back.created_ms == 11 && back.log_length == 24 && back.bytes == 1024 && back.file_count == 2 && back.payload_len == 7 && memcmp(back.payload, "payload", 7) == 0);
    omen_backup_file f = omen_backup_file_at(&back, 1);
    const omen_segment_info *info = omen_segment_info_of(s);
    CHECK(f.number == info->number && f.length == info->length && memcmp(f.hash.bytes, info->hash.bytes, 16) == 0);
    back.number = 4; /* of another name */
    CHECK_EQ_INT((int)judged(&back), OMEN_BACKUP_DAMAGED);
    back.number = 3;
    size_t len = back.raw.len;
    for (back.raw.len = 0; back.raw.len < len; back.raw.len++) CHECK(judged(&back) != OMEN_BACKUP_GOOD);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        back.raw.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK(judged(&back) != OMEN_BACKUP_GOOD);
        back.raw.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    fault_host_fail_alloc_at(x.h, 1, true);
    CHECK_STATUS(omen_backup_record_read(&back), OMEN_ERR_MEMORY);
    fault_host_fail_alloc_at(x.h, 0, false);
    /* Of a newer version: whole, and with another head that nothing of here understands. */
    omen_put32(back.raw.data + 8, 2);
    CHECK_EQ_INT((int)judged(&back), OMEN_BACKUP_NEWER);
    for (uint32_t version = 0; version < 3; version += 2) {
        omen_put32(back.raw.data + 8, version);
        omen_hasher *h = omen_hasher_new(&x.mem);
        omen_hasher_update(h, back.raw.data, 112);
        omen_hasher_update(h, back.raw.data + 128, len - 128);
        omen_hash128 hash = omen_hasher_digest(h);
        omen_hasher_free(h);
        memcpy(back.raw.data + 112, hash.bytes, 16);
        CHECK_EQ_INT((int)judged(&back), version == 0 ? OMEN_BACKUP_DAMAGED : OMEN_BACKUP_NEWER);
    }
    omen_put64(back.raw.data + 88, UINT64_MAX);
    CHECK_EQ_INT((int)judged(&back), OMEN_BACKUP_NEWER);
    omen_buf_deinit(&back.raw);
    for (size_t n = 0; n <= len; n++) {
        omen_buf b;
        room(&x, &b, n);
        CHECK_STATUS(omen_backup_record_write(&r, &image, &x.mem, &b), OMEN_ERR_MEMORY); /* at its end the hash has none */
        no_room(&x, &b);
    }
    omen_buf_deinit(&image.files);
    omen_buf_deinit(&image.payload);
    end(&x);
}

TEST_MAIN()
