/* Records of backups of arbitrary bytes, and the manifest's payload in them. Byte 0: bit 0 its lengths and its hash are put right, bit 1 memory is short, bit 2 the rest is a file's name.
 * Bytes 1 and 2: where a good record is cut off, and which of its bits is changed.
 *
 * A record is judged, and one that is good lies within its bytes; cut off anywhere it is damaged, and changed in any bit it is not good. A payload that can be read can be read again
 * when it has been proven. */
#include <stdio.h>
#include <stdlib.h>

#include "db/backup.h"
#include "fault_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 128, HASH_AT = 112 };

static void must(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "backup_record_fuzz: %s\n", what);
    abort();
}

static void seal(uint8_t *p, size_t len, omen_mem *m) {
    if (len < HEAD) return;
    uint64_t files = omen_get32(p + 12) % 4;
    if (files * 32 > len - HEAD) files = 0;
    memcpy(p, "OMENBKP1", 8);
    omen_put32(p + 12, (uint32_t)files);
    omen_put64(p + 88, len - HEAD - files * 32);
    omen_hasher *h = omen_hasher_new(m);
    omen_hasher_update(h, p, HASH_AT);
    omen_hasher_update(h, p + HEAD, len - HEAD);
    omen_hash128 hash = omen_hasher_digest(h);
    omen_hasher_free(h);
    memcpy(p + HASH_AT, hash.bytes, 16);
}

static void name(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    uint64_t n = 0;
    memcpy(text, data, size);
    text[size] = '\0';
    bool parsed = omen_backup_name_parse(text, &n), ours = omen_backup_ours(text);
    must(!parsed || (ours && strcmp(omen_backup_name(n).text, text) == 0), "a name that is read as another one");
    must(!ours || strlen(text) < sizeof(omen_long_name), "a name that is too long");
    free(text);
}

static void release(omen_manifest_body *b) {
    for (uint32_t i = 0; i < b->count; i++) omen_coll_unref(b->colls[i].coll);
    b->count = 0;
}

static void payload(omen_mem *m, const uint8_t *p, size_t len) {
    omen_arena arena;
    omen_manifest_body body, again;
    omen_error err = {0};
    omen_buf proven;
    omen_arena_init(&arena, m, 4096);
    omen_buf_init(&proven, m);
    omen_status s = omen_manifest_decode(m, &arena, p, len, &body, &err);
    must(s == OMEN_OK || (err.status == s && err.text[0] != '\0'), "a payload that is refused without a word");
    must(s == OMEN_OK || s == OMEN_ERR_CORRUPT || s == OMEN_ERR_VERSION || s == OMEN_ERR_MEMORY, "a payload that is refused as what it cannot be");
    if (s == OMEN_OK) {
        must(omen_manifest_proven(p, len) == body.durable_lsn, "another proof");
        must(omen_manifest_prove(p, len, body.durable_lsn ^ 1, &proven) == OMEN_OK, "a proof");
        must(omen_manifest_decode(m, &arena, proven.data, proven.len, &again, &err) == OMEN_OK, "a proven payload that cannot be read");
        must(again.durable_lsn == (body.durable_lsn ^ 1) && again.flushed_lsn == body.flushed_lsn && again.count == body.count && again.next_file == body.next_file, "a proof that changes more");
        for (uint32_t i = 0; i < body.count; i++)
            must(again.colls[i].part_count == body.colls[i].part_count && again.colls[i].coll->id == body.colls[i].coll->id, "a collection that a proof changes");
        release(&again);
    }
    release(&body);
    omen_buf_deinit(&proven);
    omen_arena_deinit(&arena);
}

static omen_backup_verdict verdict(omen_backup_record *r, size_t len) {
    r->raw.len = len;
    must(omen_backup_record_read(r) == OMEN_OK, "a record that is not judged");
    return r->verdict;
}

static void record(fault_host *h, omen_mem *m, const uint8_t *data, size_t size) {
    omen_backup_record r = {0};
    omen_buf_init(&r.raw, m);
    must(omen_buf_append(&r.raw, data + 3, size - 3) == OMEN_OK, "a copy");
    if ((data[0] & 1) != 0) seal(r.raw.data, size - 3, m);
    if (size >= 3 + 24) r.number = omen_get64(r.raw.data + 16);
    if ((data[0] & 2) != 0) {
        fault_host_fail_alloc_at(h, 1, true);
        must(omen_backup_record_read(&r) == OMEN_ERR_MEMORY, "a record that is judged without memory");
        fault_host_fail_alloc_at(h, 0, false);
    }
    if (verdict(&r, size - 3) == OMEN_BACKUP_GOOD) {
        must((size_t)HEAD + (size_t)r.file_count * 32 + r.payload_len == r.raw.len, "a good record of another length");
        volatile uint8_t sum = 0;
        for (uint32_t i = 0; i < r.file_count; i++) {
            omen_backup_file f = omen_backup_file_at(&r, i);
            sum = (uint8_t)(sum + f.number + f.length + f.hash.bytes[15]);
        }
        payload(m, r.payload, r.payload_len);
        size_t cut = (size - 3) * data[1] / 256;
        must(verdict(&r, cut) == OMEN_BACKUP_DAMAGED, "a record that was cut off, and is not damaged");
        size_t at = (size - 3) * data[2] / 256;
        r.raw.data[at] ^= (uint8_t)(1u << (data[1] & 7));
        must(verdict(&r, size - 3) != OMEN_BACKUP_GOOD, "a changed record that is good");
    }
    omen_buf_deinit(&r.raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4) return 0;
    fault_host *h = fault_host_new(1);
    omen_mem m;
    omen_mem_init(&m, &h->host, 64u << 20);
    if ((data[0] & 4) != 0) name(data + 3, size - 3);
    else record(h, &m, data, size);
    must(m.bytes == 0 && fault_host_bytes(h) == 0, "memory is left");
    fault_host_free(h);
    return 0;
}
