/* keys_bench.c - look-ups of ids in a part as a database does them (omen_part_find, with the id's hash), its blocks in memory.
 *
 *     bench.keys SET ROWS ASKS PASSES      SET: see keys_sets.h
 *
 * Prints one JSON object: medians of ns for a look-up as a collection of one part does it - hitNs: of many ids asked for together (omen_part_find_many) that are there,
 * singleNs: of one id a time, missNs: of many that are not there, newNs: of these, asked for as an insert does, which expects that -; the sum of the rows found; and bytes:
 *   bytes   all that is there for look-ups: model, its table, filter, tags, and the rows of hashed ids; as they lie in memory
 *   order   KEY_ORDER, by which integers that came in no order are found, and all ids are listed in order; not in `bytes`
 *   ids     the ids themselves with their offsets, which every search hit answers; not in `bytes`
 */
#include <stdio.h>
#include <stdlib.h>

#include "column/part.h"
#include "keys_sets.h"
#include "store_fixture.h"

static key_set set;

static void must(omen_status s, const omen_error *err) {
    if (s == OMEN_OK) return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

static omen_key encode(const int64_t *numbers, char (*texts)[SET_TEXT], uint32_t i, uint8_t *into) {
    omen_error err = {0};
    omen_key key;
    omen_id id = numbers != NULL ? OMEN_ID_INT(numbers[i]) : (omen_id){{texts[i], strlen(texts[i])}, 0};
    must(omen_key_encode(&id, into, &key, &err), &err);
    return key;
}

static omen_status key_of(void *ctx, uint32_t row, omen_key *out, omen_error *err) {
    static uint8_t bytes[OMEN_KEY_MAX];
    (void)ctx, (void)err;
    *out = encode(set.numbers, set.texts, row, bytes);
    return OMEN_OK;
}

static omen_status doc_of(void *ctx, uint32_t row, omen_str *out, omen_error *err) {
    (void)ctx, (void)row, (void)err;
    *out = OMEN_STR("");
    return OMEN_OK;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* What is asked lies back to back in the order in which it is asked, as in messages (omen_rows); hashing is part of a look-up. */
typedef struct asks { uint8_t *bytes; uint32_t *offsets; } asks;

static asks gather(const int64_t *numbers, char (*texts)[SET_TEXT], const uint32_t *which) {
    asks a = {set_room(set.asks, SET_TEXT + 1), set_room(set.asks + (size_t)1, sizeof *a.offsets)};
    for (uint32_t i = 0; i < set.asks; i++) {
        uint8_t bytes[OMEN_KEY_MAX];
        omen_key key = encode(numbers, texts, which == NULL ? i : which[i], bytes);
        memcpy(a.bytes + a.offsets[i], key.data, key.len);
        a.offsets[i + 1] = a.offsets[i] + key.len;
    }
    return a;
}

static omen_key asked(const asks *a, uint32_t i) { return (omen_key){a->bytes + a->offsets[i], a->offsets[i + 1] - a->offsets[i]}; }

/* `together` ids a time, as a request of as many does in a collection of one part. likely: as a get asks; else as an insert does, which asks the filter first. */
static double ask(omen_part *p, const asks *a, uint32_t together, bool likely, uint64_t *sum) {
    omen_error err = {0};
    double begun = set_now();
    for (uint32_t from = 0; from < set.asks; from += together) {
        omen_key keys[OMEN_PART_MANY];
        uint64_t hashes[OMEN_PART_MANY];
        uint32_t rows[OMEN_PART_MANY], n = OMEN_MIN(set.asks - from, together);
        for (uint32_t i = 0; i < n; i++) {
            keys[i] = asked(a, from + i);
            hashes[i] = omen_key_hash(keys[i]);
        }
        omen_part_find_many(p, keys, hashes, n, likely, rows);
        for (uint32_t i = 0; i < n; i++) {
            if (rows[i] == OMEN_PART_UNKNOWN) must(omen_part_find(p, keys[i], hashes[i], &rows[i], &err), &err);
            *sum += rows[i];
        }
    }
    return (set_now() - begun) / set.asks;
}

static uint64_t length(const omen_part *p, uint32_t kind) {
    const omen_section *s = omen_segment_section(p->segment, kind, 0);
    return s == NULL ? 0 : s->raw_len;
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    fixture x;
    omen_error err = {0};
    omen_part_writer *w;
    omen_part *p = NULL;
    omen_segment_info info;
    bool done = false;
    int passes = atoi(argv[4]);
    set = set_make(argv[1], (uint32_t)strtoul(argv[2], NULL, 10), (uint32_t)strtoul(argv[3], NULL, 10));
    fault_storage *fs = fault_storage_new(1);
    fixture_init(&x, fs, 7, 64u << 20);
    x.store.resident.limit = 256u << 20;
    omen_row_source source = {.rows = set.rows, .key = key_of, .doc = doc_of};
    must(omen_part_writer_new(&x.store, 1, NULL, 0, &source, NULL, 0, &w, &err), &err);
    while (!done) must(omen_part_writer_step(w, &info, &done, &err), &err);
    omen_part_writer_free(w);
    must(omen_part_open(&x.store, &info, NULL, 0, &p, &err), &err);
    omen_part_keep(p, 0, false);
    asks hits = gather(set.numbers, set.texts, set.asked), misses = gather(set.absent_numbers, set.absent_texts, NULL);
    uint64_t sum = 0, absent = 0, ignored = 0;
    enum { HIT, SINGLE, MISS, NEW, TIMES };
    double *times[TIMES];
    for (int t = 0; t < TIMES; t++) times[t] = set_room((size_t)passes, sizeof **times);
    for (uint32_t i = 0; i < set.asks; i++) { /* blocks come into memory */
        uint32_t row;
        omen_key key = asked(&hits, i);
        must(omen_part_find(p, key, omen_key_hash(key), &row, &err), &err);
    }
    for (int i = 0; i < passes; i++) {
        times[HIT][i] = ask(p, &hits, OMEN_PART_MANY, true, &sum);
        times[SINGLE][i] = ask(p, &hits, 1, true, &ignored);
        times[MISS][i] = ask(p, &misses, OMEN_PART_MANY, true, &absent);
        times[NEW][i] = ask(p, &misses, OMEN_PART_MANY, false, &ignored);
    }
    for (int t = 0; t < TIMES; t++) qsort(times[t], (size_t)passes, sizeof **times, by_value);
    static const char *const kinds[] = {"rows", "values", "hashes"};
    uint64_t wrong = (uint64_t)passes * set.asks - absent / UINT32_MAX;
    uint64_t bytes = sizeof p->keys + omen_keys_bytes(&p->keys) + length(p, OMEN_SECTION_KEY_BLOOM) + length(p, OMEN_SECTION_KEY_TAGS) + length(p, OMEN_SECTION_KEY_HASH_ROWS);
    printf("{\"hitNs\":%.2f,\"singleNs\":%.2f,\"missNs\":%.2f,\"newNs\":%.2f,\"bytes\":%llu,\"order\":%llu,\"ids\":%llu,\"model\":%zu,\"kind\":\"%s\",\"sum\":\"%llu\",\"wrong\":%llu}\n", times[HIT][passes / 2], times[SINGLE][passes / 2],
           times[MISS][passes / 2], times[NEW][passes / 2],
           (unsigned long long)bytes, (unsigned long long)length(p, OMEN_SECTION_KEY_ORDER), (unsigned long long)(length(p, OMEN_SECTION_KEY_OFFSETS) + length(p, OMEN_SECTION_KEY_BYTES)),
           omen_keys_bytes(&p->keys), kinds[p->keys.kind], (unsigned long long)sum, (unsigned long long)wrong);
    if (omen_part_unref(p)) return 1;
    fixture_deinit(&x);
    fault_storage_free(fs);
    return 0;
}
