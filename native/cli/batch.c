/* batch.c - records gathered until they are written together. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

void cli_batch_init(cli_batch *b, const omen_schema *schema) {
    memset(b, 0, sizeof *b);
    b->schema = schema;
}

void cli_batch_free(cli_batch *b) {
    free(b->ids);
    free(b->documents);
    free(b->places);
    free(b->text);
    for (uint32_t f = 0; f < OMEN_MAX_VECTOR_FIELDS; f++) free(b->vectors[f]);
}

bool cli_batch_full(const cli_batch *b, const cli_record *r, size_t limit) {
    return b->count != 0 && (b->count >= limit || b->bytes >= CLI_BATCH_BYTES || b->given != r->given);
}

static omen_status grow(cli_batch *b) {
    if (b->count < b->capacity) return OMEN_OK;
    size_t capacity = b->capacity == 0 ? 64 : b->capacity * 2;
    omen_id *ids = realloc(b->ids, capacity * sizeof *ids);
    if (ids != NULL) b->ids = ids;
    omen_str *documents = realloc(b->documents, capacity * sizeof *documents);
    if (documents != NULL) b->documents = documents;
    size_t *places = realloc(b->places, 2 * capacity * sizeof *places);
    if (places != NULL) b->places = places;
    if (ids == NULL || documents == NULL || places == NULL) return cli_no_memory();
    for (uint32_t f = 0; f < b->schema->vector_count; f++) {
        void *v = realloc(b->vectors[f], capacity * cli_vector_bytes(&b->schema->vectors[f]));
        if (v == NULL) return cli_no_memory();
        b->vectors[f] = v;
    }
    b->capacity = capacity;
    return OMEN_OK;
}

/* Keeps text and answers its place. */
static omen_status keep(cli_batch *b, omen_str text, size_t *place) {
    if (b->text == NULL || b->text_len + text.len > b->text_capacity) {
        size_t capacity = b->text_capacity == 0 ? 4096 : b->text_capacity;
        while (capacity < b->text_len + text.len) capacity *= 2;
        char *larger = realloc(b->text, capacity);
        if (larger == NULL) return cli_no_memory();
        b->text = larger;
        b->text_capacity = capacity;
    }
    if (text.len != 0) memcpy(b->text + b->text_len, text.data, text.len);
    *place = b->text_len;
    b->text_len += text.len;
    b->bytes += text.len;
    return OMEN_OK;
}

omen_status cli_batch_add(cli_batch *b, const cli_record *r) {
    CLI_TRY(grow(b));
    b->ids[b->count] = r->id;
    b->documents[b->count] = r->document;
    CLI_TRY(keep(b, r->id.text, &b->places[2 * b->count]));
    CLI_TRY(keep(b, r->document, &b->places[2 * b->count + 1]));
    for (uint32_t f = 0; f < b->schema->vector_count; f++) {
        size_t bytes = cli_vector_bytes(&b->schema->vectors[f]);
        if ((r->given >> f & 1u) == 0) continue;
        CLI_TRY(cli_vector_pack(&b->schema->vectors[f], r->vectors[f], (char *)b->vectors[f] + b->count * bytes));
        b->bytes += bytes;
    }
    b->given = r->given;
    b->bytes += sizeof *b->ids;
    b->count++;
    return OMEN_OK;
}

omen_status cli_batch_write(cli_batch *b, omen_collection *c, omen_write_mode mode, uint64_t *commit) {
    const void *vectors[OMEN_MAX_VECTOR_FIELDS];
    if (b->count == 0) return OMEN_OK;
    for (size_t i = 0; i < b->count; i++) {
        if (b->ids[i].text.data != NULL) b->ids[i].text.data = b->text + b->places[2 * i];
        b->documents[i].data = b->text + b->places[2 * i + 1];
    }
    for (uint32_t f = 0; f < b->schema->vector_count; f++) vectors[f] = (b->given >> f & 1u) != 0 ? b->vectors[f] : NULL;
    omen_batch batch = {.count = b->count, .ids = b->ids, .vectors = vectors, .documents = b->documents};
    omen_status s = commit == NULL ? omen_write(c, mode, &batch) : omen_write_begin(c, mode, &batch, commit);
    b->count = b->bytes = b->text_len = 0;
    return cli_core(s);
}

omen_status cli_write_mode(omen_write_mode *out) {
    const char *mode = cli_option("mode", "upsert");
    if (strcmp(mode, "upsert") == 0) *out = OMEN_WRITE_UPSERT;
    else if (strcmp(mode, "insert") == 0) *out = OMEN_WRITE_INSERT;
    else if (strcmp(mode, "update") == 0) *out = OMEN_WRITE_UPDATE;
    else return cli_fail(OMEN_ERR_INVALID, "--mode is \"%.60s\"; it must be upsert, insert or update", mode);
    return OMEN_OK;
}
