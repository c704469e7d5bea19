/* encrypted_format.h - the bytes of an encrypted file (docs/ENCRYPTION.md has them for readers; js/src/storage/encrypted-format.ts is the same in TypeScript).
 *
 * A file is two header slots, one of which at least is valid, and then records, each starting at a multiple of 8, only ever appended. All
 * numbers are little-endian. A new file has the same slot twice, written at once, so that a damaged one leaves the other from the first moment; files of before
 * have zeros in the second one until their key is changed.
 *
 *   offset  bytes  a header slot, at 0 and at 512: a sector each, so that a torn write harms one
 *        0      8  magic       "OMENSEAL"
 *        8      4  version     1
 *       12      4  cipher      1: AES-256-GCM
 *       16      4  page        bytes of plaintext under one tag: 262144 in logs, which are read from front to back, 65536 in all others
 *       20      4  zeros
 *       24      8  generation  of two valid slots the higher one counts, if a key at hand opens it
 *       32     16  file_id     random; both slots have the same
 *       48     32  key_id      the label of the caller's key, padded with zeros
 *       80     12  nonce       random
 *       92     32  data key    sealed with the caller's key; associated data: bytes 0 to 79 and 140 to 203
 *      124     16  tag
 *      140     64  name        of the file, padded with zeros: under another name it is damage
 *      204    304  zeros
 *      508      4  crc         CRC32C of bytes 0 to 507
 *
 *   offset  bytes  a record
 *        0      8  mark        the first 8 bytes of file_id
 *        8      8  offset      of its first byte in the plaintext; CUT: the plaintext's new length
 *       16      8  length      bytes of plaintext: DATA 1 to 1 MiB, ZEROS 1 to 2^53, CUT 0
 *       24      4  kind        1 DATA, 2 CUT, 3 ZEROS
 *       28     12  nonce       random
 *       40      4  crc         CRC32C of the record's place in the file (8 bytes) and bytes 0 to 39
 *       44      4  zeros
 *       48         pages: DATA in pieces of `page` bytes (the last may be shorter), each as ciphertext and tag (16); the others one page of no bytes
 *               n  zeros up to a multiple of 8
 *
 * Page k is sealed with the file's data key; its nonce is the record's, with k exclusive-ored into the last 4 bytes; its associated data (48
 * bytes) are file_id, the record's place (8 bytes), bytes 8 to 27 of the record, and k (4 bytes).
 *
 * The plaintext is what the records do in the order in which they stand: later ones cover earlier ones. Nothing is ever written over what is
 * there, so a write cut off by a crash harms only itself, and no nonce is ever needed twice. The crc of a record's header is there to find
 * one's way, not to be believed: what a header says is authenticated by its pages' tags, which are checked when a page is read, and at once
 * for every record that does not simply follow the one before it.
 */
#ifndef OMEN_NATIVE_ENCRYPTED_FORMAT_H
#define OMEN_NATIVE_ENCRYPTED_FORMAT_H

#include "host/encrypted_gcm.h"
#include "omendb_host.h"

#define SEAL_SLOT 512u
#define SEAL_HEADER (2 * SEAL_SLOT)
#define SEAL_SIGNED 80u /* bytes of a slot that are associated data */
#define SEAL_CRC 508u
#define SEAL_PAGE_LOG 262144u
#define SEAL_PAGE 65536u
#define SEAL_RECORD 48u
#define SEAL_MAX (1u << 20)
#define SEAL_MAX_ZEROS (UINT64_C(1) << 53)
enum { SEAL_DATA = 1, SEAL_CUT = 2, SEAL_ZEROS = 3 };

/* The keys of a storage: all[0] seals new files. */
typedef struct omen_keyring {
    omen_gcm *all[17];
    uint32_t count;
    char id[32];
} omen_keyring;

omen_status omen_keyring_init(omen_keyring *ring, const omen_encryption *e); /* _INVALID, _UNSUPPORTED, _MEMORY */
void omen_keyring_deinit(omen_keyring *ring);

/* How large the pages of a new file of this name are. */
static inline uint32_t omen_seal_page_of(const char *name) { return name[0] == 'l' && name[1] == 'o' && name[2] == 'g' && name[3] == '-' ? SEAL_PAGE_LOG : SEAL_PAGE; }

/* Fills a slot: the data key sealed with the ring's first key. */
omen_status omen_seal_slot(const omen_host *host, const omen_keyring *ring, const char *name, uint32_t page, uint64_t generation, const uint8_t file_id[16],
                           const uint8_t data_key[OMEN_GCM_KEY], uint8_t slot[SEAL_SLOT]);

/* What the header says. */
typedef struct omen_seal_header {
    uint8_t file_id[16], data_key[OMEN_GCM_KEY]; /* the latter is to be wiped */
    uint32_t page;
    uint64_t generation;
    int slot;         /* which one counts */
    bool only_first;  /* every valid slot is sealed with the ring's first key */
    bool single;      /* the other slot is not valid */
    bool damaged;     /* and there is something in it */
} omen_seal_header;

/* Judges the first `len` bytes (at most SEAL_HEADER) of a file of `size` bytes. OMEN_ERR_NOT_FOUND: nothing was ever stored in it (a creation
 * that was cut off). OMEN_ERR_KEY: no key opens it, or it is not encrypted; then `why` has a sentence (js/src/storage/encrypted-format.ts has the
 * same). OMEN_ERR_CORRUPT: the header is gone, or it is another file's; OMEN_ERR_VERSION, OMEN_ERR_MEMORY. */
#define SEAL_WHY 300u
omen_status omen_seal_open_header(const omen_keyring *ring, const char *name, const uint8_t *bytes, size_t len, uint64_t size, omen_seal_header *out, char why[SEAL_WHY]);

typedef struct omen_seal_record {
    uint64_t at, offset, length;
    uint32_t kind, page; /* the latter is the file's */
    uint8_t nonce[OMEN_GCM_NONCE];
} omen_seal_record;

uint64_t omen_seal_record_size(const omen_seal_record *r); /* with header and padding */
static inline uint32_t omen_seal_pages(const omen_seal_record *r) { return r->kind == SEAL_DATA ? (uint32_t)((r->length + r->page - 1) / r->page) : 1; }
static inline uint32_t omen_seal_page_len(const omen_seal_record *r, uint32_t k) {
    uint64_t left = r->kind == SEAL_DATA ? r->length - (uint64_t)k * r->page : 0;
    return left < r->page ? (uint32_t)left : r->page;
}
/* Where page k starts, from the record's start. */
static inline uint64_t omen_seal_page_at(const omen_seal_record *r, uint32_t k) { return SEAL_RECORD + (uint64_t)k * (r->page + OMEN_GCM_TAG); }

void omen_seal_put_record(const omen_seal_record *r, const uint8_t file_id[16], uint8_t header[SEAL_RECORD]);
/* Whether a record's header stands in these bytes at `at`, and the record ends within `room` bytes. */
bool omen_seal_get_record(const uint8_t header[SEAL_RECORD], const uint8_t file_id[16], uint32_t page, uint64_t at, uint64_t room, omen_seal_record *out);

/* One page: `plain` to ciphertext and tag, and back. */
bool omen_seal_page(omen_gcm *g, const uint8_t file_id[16], const omen_seal_record *r, uint32_t k, const uint8_t *plain, uint8_t *sealed);
omen_gcm_opened omen_seal_open_page(omen_gcm *g, const uint8_t file_id[16], const omen_seal_record *r, uint32_t k, const uint8_t *sealed, uint8_t *plain);

#endif
