/* encrypted_format.c - headers, records and pages of encrypted files (encrypted_format.h). */
#include "host/encrypted_format.h"

#include <string.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "store/torn.h"

#define VERSION 1u
#define CIPHER 1u
static const char magic[8] = {'O', 'M', 'E', 'N', 'S', 'E', 'A', 'L'};
/* What files begin with that are not encrypted. */
static const char plain_manifest[8] = {'O', 'M', 'E', 'N', 'M', 'N', 'F', '1'}, plain_segment[7] = {'O', 'M', 'E', 'N', 'S', 'E', 'G'}, plain_log[4] = {'O', 'M', 'L', 'F'},
                  plain_backup[8] = {'O', 'M', 'E', 'N', 'B', 'K', 'P', '1'};

/* ---- keys ---- */

omen_status omen_keyring_init(omen_keyring *ring, const omen_encryption *e) {
    memset(ring, 0, sizeof *ring);
    if (e == NULL || e->struct_size != sizeof *e || e->previous_count >= OMEN_ARRAY_LEN(ring->all) || (e->previous_count > 0 && e->previous == NULL)) return OMEN_ERR_INVALID;
    if (!omen_gcm_available()) return OMEN_ERR_UNSUPPORTED;
    memcpy(ring->id, e->key.id, sizeof ring->id);
    for (uint32_t i = 0; i <= e->previous_count; i++) {
        omen_gcm *g = omen_gcm_new(i == 0 ? e->key.bytes : e->previous[i - 1].bytes);
        if (g == NULL) {
            omen_keyring_deinit(ring);
            return OMEN_ERR_MEMORY;
        }
        ring->all[ring->count++] = g;
    }
    return OMEN_OK;
}

void omen_keyring_deinit(omen_keyring *ring) {
    for (uint32_t i = 0; i < ring->count; i++) omen_gcm_free(ring->all[i]);
    ring->count = 0;
}

/* ---- header slots ---- */

enum { NAME_AT = 140, NAME_LEN = 64, AAD = SEAL_SIGNED + NAME_LEN };

static void slot_aad(const uint8_t *slot, uint8_t aad[AAD]) {
    memcpy(aad, slot, SEAL_SIGNED);
    memcpy(aad + SEAL_SIGNED, slot + NAME_AT, NAME_LEN);
}

omen_status omen_seal_slot(const omen_host *host, const omen_keyring *ring, const char *name, uint32_t page, uint64_t generation, const uint8_t file_id[16],
                           const uint8_t data_key[OMEN_GCM_KEY], uint8_t slot[SEAL_SLOT]) {
    uint8_t aad[AAD];
    memset(slot, 0, SEAL_SLOT);
    memcpy(slot, magic, sizeof magic);
    omen_put32(slot + 8, VERSION);
    omen_put32(slot + 12, CIPHER);
    omen_put32(slot + 16, page);
    omen_put64(slot + 24, generation);
    memcpy(slot + 32, file_id, 16);
    memcpy(slot + 48, ring->id, 32);
    if (strlen(name) >= NAME_LEN) return OMEN_ERR_INVALID;
    memcpy(slot + NAME_AT, name, strlen(name));
    if (host->entropy(host->ctx, slot + 80, OMEN_GCM_NONCE) != OMEN_OK) return OMEN_ERR_IO;
    slot_aad(slot, aad);
    if (!omen_gcm_seal(ring->all[0], slot + 80, aad, AAD, data_key, OMEN_GCM_KEY, slot + 92)) return OMEN_ERR_MEMORY;
    omen_put32(slot + SEAL_CRC, omen_kernels_get()->crc32c(0, slot, SEAL_CRC));
    return OMEN_OK;
}

static bool slot_valid(const uint8_t *slot) {
    return memcmp(slot, magic, sizeof magic) == 0 && omen_kernels_get()->crc32c(0, slot, SEAL_CRC) == omen_get32(slot + SEAL_CRC);
}

/* The number of the key that opens the slot; -1: none. */
static int open_slot(const omen_keyring *ring, const uint8_t *slot, uint8_t data_key[OMEN_GCM_KEY], omen_status *s) {
    uint8_t aad[AAD];
    slot_aad(slot, aad);
    for (uint32_t i = 0; i < ring->count; i++) {
        omen_gcm_opened o = omen_gcm_open(ring->all[i], slot + 80, aad, AAD, slot + 92, OMEN_GCM_KEY, data_key);
        if (o == OMEN_GCM_OPENED) return (int)i;
        if (o == OMEN_GCM_FAILED) *s = OMEN_ERR_MEMORY;
    }
    return -1;
}

/* Which key the file is under, and which was given. */
static omen_status another_key(const omen_keyring *ring, const char *name, const uint8_t *slot, char why[SEAL_WHY]) {
    uint8_t own[OMEN_SEALED_LABEL] = {0};
    char theirs[33], ours[33];
    memcpy(own + 48, ring->id, sizeof ring->id);
    omen_sealed_label(slot, OMEN_SEALED_LABEL, theirs);
    omen_sealed_label(own, sizeof own, ours);
    bool one = ring->count == 1, named = ours[0] != '\0', same = named && strcmp(theirs, ours) == 0;
    (void)omen_format(why, SEAL_WHY, "%s is encrypted with %s%s%s, and %s%s%s%s; give the right key, or both where keys are being changed; nothing is damaged", name,
                      theirs[0] == '\0' ? "a key without an id" : "the key \"", theirs, theirs[0] == '\0' ? "" : "\"", one ? "the key given" : "none of the keys given", one && named ? ", \"" : "",
                      one ? ours : "", !one ? " opens it" : !named ? " does not open it" : same ? "\", does not open it: another key has the same id" : "\", does not open it");
    return OMEN_ERR_KEY;
}

omen_status omen_seal_open_header(const omen_keyring *ring, const char *name, const uint8_t *bytes, size_t len, uint64_t size, omen_seal_header *out, char why[SEAL_WHY]) {
    const uint8_t *any = NULL;
    bool misplaced = false;
    omen_status s = OMEN_OK;
    why[0] = '\0';
    if (strlen(name) >= NAME_LEN) return OMEN_ERR_INVALID;
    *out = (omen_seal_header){.slot = -1, .only_first = true};
    if ((len >= sizeof plain_manifest && memcmp(bytes, plain_manifest, sizeof plain_manifest) == 0) ||
        (len >= sizeof plain_segment && memcmp(bytes, plain_segment, sizeof plain_segment) == 0) || (len >= sizeof plain_log && memcmp(bytes, plain_log, sizeof plain_log) == 0) ||
        (len >= sizeof plain_backup && memcmp(bytes, plain_backup, sizeof plain_backup) == 0)) {
        (void)omen_format(why, SEAL_WHY, "%s is not encrypted, and a key was given; open the database without a key, or clone it into an encrypted one", name);
        return OMEN_ERR_KEY;
    }
    for (int i = 0; i < 2; i++) {
        const uint8_t *slot = bytes + (size_t)i * SEAL_SLOT;
        uint8_t data_key[OMEN_GCM_KEY];
        if (len < (size_t)(i + 1) * SEAL_SLOT || !slot_valid(slot)) continue;
        if (any == NULL) any = slot;
        uint32_t page = omen_get32(slot + 16);
        if (omen_get32(slot + 8) != VERSION || omen_get32(slot + 12) != CIPHER || (page != SEAL_PAGE && page != SEAL_PAGE_LOG)) return OMEN_ERR_VERSION;
        int key = open_slot(ring, slot, data_key, &s);
        if (key != 0) out->only_first = false;
        if (key >= 0 && (strlen(name) != strnlen((const char *)slot + NAME_AT, NAME_LEN) || memcmp(slot + NAME_AT, name, strlen(name)) != 0)) {
            misplaced = true;
            key = -1;
        }
        uint64_t generation = omen_get64(slot + 24);
        if (key >= 0 && (out->slot < 0 || generation > out->generation)) {
            memcpy(out->data_key, data_key, sizeof data_key);
            memcpy(out->file_id, slot + 32, 16);
            out->page = page;
            out->generation = generation;
            out->slot = i;
        }
        omen_wipe(data_key, sizeof data_key);
    }
    if (out->slot >= 0) {
        const uint8_t *other = bytes + (size_t)(1 - out->slot) * SEAL_SLOT;
        bool there = len >= (size_t)(2 - out->slot) * SEAL_SLOT;
        out->single = !there || !slot_valid(other);
        out->damaged = there && out->single && !omen_all_zero(other, SEAL_SLOT);
        return OMEN_OK;
    }
    if (s != OMEN_OK) return s;
    if (misplaced) return OMEN_ERR_CORRUPT;
    if (any != NULL) return another_key(ring, name, any, why);
    /* The header is durable before anything follows it. */
    return size <= SEAL_HEADER ? OMEN_ERR_NOT_FOUND : OMEN_ERR_CORRUPT;
}

/* ---- records ---- */

uint64_t omen_seal_record_size(const omen_seal_record *r) {
    uint64_t data = r->kind == SEAL_DATA ? r->length : 0;
    return (SEAL_RECORD + data + (uint64_t)omen_seal_pages(r) * OMEN_GCM_TAG + 7) / 8 * 8;
}

static uint32_t record_crc(const uint8_t header[SEAL_RECORD], uint64_t at) {
    uint8_t place[8];
    omen_put64(place, at);
    return omen_kernels_get()->crc32c(omen_kernels_get()->crc32c(0, place, sizeof place), header, 40);
}

void omen_seal_put_record(const omen_seal_record *r, const uint8_t file_id[16], uint8_t header[SEAL_RECORD]) {
    memset(header, 0, SEAL_RECORD);
    memcpy(header, file_id, 8);
    omen_put64(header + 8, r->offset);
    omen_put64(header + 16, r->length);
    omen_put32(header + 24, r->kind);
    memcpy(header + 28, r->nonce, OMEN_GCM_NONCE);
    omen_put32(header + 40, record_crc(header, r->at));
}

bool omen_seal_get_record(const uint8_t header[SEAL_RECORD], const uint8_t file_id[16], uint32_t page, uint64_t at, uint64_t room, omen_seal_record *out) {
    if (memcmp(header, file_id, 8) != 0 || omen_get32(header + 40) != record_crc(header, at)) return false;
    *out = (omen_seal_record){.at = at, .offset = omen_get64(header + 8), .length = omen_get64(header + 16), .kind = omen_get32(header + 24), .page = page};
    memcpy(out->nonce, header + 28, OMEN_GCM_NONCE);
    bool shape = (out->kind == SEAL_DATA && out->length >= 1 && out->length <= SEAL_MAX) || (out->kind == SEAL_CUT && out->length == 0) ||
                 (out->kind == SEAL_ZEROS && out->length >= 1 && out->length <= SEAL_MAX_ZEROS);
    return shape && out->offset <= SEAL_MAX_ZEROS && omen_seal_record_size(out) <= room;
}

/* ---- pages ---- */

static void page_params(const uint8_t file_id[16], const omen_seal_record *r, uint32_t k, uint8_t nonce[OMEN_GCM_NONCE], uint8_t aad[48]) {
    memcpy(nonce, r->nonce, OMEN_GCM_NONCE);
    omen_put32(nonce + 8, omen_get32(nonce + 8) ^ k);
    memcpy(aad, file_id, 16);
    omen_put64(aad + 16, r->at);
    omen_put64(aad + 24, r->offset);
    omen_put64(aad + 32, r->length);
    omen_put32(aad + 40, r->kind);
    omen_put32(aad + 44, k);
}

bool omen_seal_page(omen_gcm *g, const uint8_t file_id[16], const omen_seal_record *r, uint32_t k, const uint8_t *plain, uint8_t *sealed) {
    uint8_t nonce[OMEN_GCM_NONCE], aad[48];
    page_params(file_id, r, k, nonce, aad);
    return omen_gcm_seal(g, nonce, aad, sizeof aad, plain, omen_seal_page_len(r, k), sealed);
}

omen_gcm_opened omen_seal_open_page(omen_gcm *g, const uint8_t file_id[16], const omen_seal_record *r, uint32_t k, const uint8_t *sealed, uint8_t *plain) {
    uint8_t nonce[OMEN_GCM_NONCE], aad[48];
    page_params(file_id, r, k, nonce, aad);
    return omen_gcm_open(g, nonce, aad, sizeof aad, sealed, omen_seal_page_len(r, k), plain);
}
