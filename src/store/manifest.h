/* manifest.h - which segments and logs are the database. Two slots, never renamed: the older one is overwritten and synced, and the
 * valid one with the highest generation counts. The payload is the business of db/ (collections, segments): opaque here.
 * The format stands above its code in manifest.c: magic, format version, generation, database id, length, CRC32C. */
#ifndef OMEN_STORE_MANIFEST_H
#define OMEN_STORE_MANIFEST_H

#include "store/store.h"

typedef struct omen_manifest omen_manifest;

/* Reads both slots. Step: repeat on PENDING with the same *out (NULL at first). On OK *out is an object;
 *   omen_manifest_generation == 0: no slot exists (a new database, or none).
 * OMEN_ERR_FOREIGN: a slot file that is not ours; OMEN_ERR_VERSION: written by a newer format; OMEN_ERR_CORRUPT: slots exist and none is valid,
 * unless the only thing there is one slot shorter than or torn in its first write (generation 1 never became durable): then generation 0.
 * Sets st->database_id from the valid slot, and st->slot_crcs. On failure *out is freed and NULL. */
omen_status omen_manifest_open(omen_store *st, omen_manifest **out, omen_error *err);
uint64_t omen_manifest_generation(const omen_manifest *m);
void omen_manifest_payload(const omen_manifest *m, const uint8_t **data, size_t *len); /* of the current generation */
/* Makes the generation that was read durable, once: whoever wrote it may have ended before its sync, so that it lies in the system's cache alone. To be called before
 * anything is changed that the generation before it still needs. Step: repeat on PENDING. */
omen_status omen_manifest_settle(omen_manifest *m, omen_error *err);
/* Writes the next generation into the older slot and syncs file and directory: sync_dir first (segments and logs created before must be found), then the
 * slot, its sync, and for a slot file just created sync_dir again. Step: repeat on PENDING with the same payload. A failure poisons: OMEN_ERR_POISONED later. */
omen_status omen_manifest_write(omen_manifest *m, const void *payload, size_t len, omen_error *err);
/* Makes both slots valid and of the same state: writes `payload` where there is no generation yet, and what counts once more where only one slot is valid. What was read is to be
 * settled before. The second slot's directory entry becomes durable with the next sync_dir. For whoever makes a database; step and failures as above. */
omen_status omen_manifest_found(omen_manifest *m, const void *payload, size_t len, omen_error *err);
/* The first generation stands alone: whoever made the database ended before the second one was whole. */
bool omen_manifest_single(const omen_manifest *m);
/* What a slot was when it was read: "absent", "torn", "damaged", "foreign", "encrypted", "newer" or "valid". */
const char *omen_manifest_slot(const omen_manifest *m, uint32_t slot);
/* No slot was anything but valid or absent when they were read, and one was valid: so the generation that counts was the current one then, whoever may be writing. */
bool omen_manifest_whole(const omen_manifest *m);
/* A slot that is neither a manifest nor absent, and does not look like a write that was cut off. */
bool omen_manifest_slot_damaged(const omen_manifest *m, uint32_t slot);
/* A manifest where both slots are lost, to write the first generation anew over what is there. there[i]: slot i has a file. OMEN_ERR_MEMORY. */
omen_status omen_manifest_anew(omen_store *st, const bool there[2], omen_manifest **out, omen_error *err);
void omen_manifest_close(omen_manifest *m);

#endif
