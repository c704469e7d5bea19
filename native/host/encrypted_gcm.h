/* encrypted_gcm.h - AES-256-GCM (NIST SP 800-38D, 2007) of the platform's libcrypto, under one key, from any thread. */
#ifndef OMEN_NATIVE_ENCRYPTED_GCM_H
#define OMEN_NATIVE_ENCRYPTED_GCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OMEN_GCM_KEY 32u
#define OMEN_GCM_NONCE 12u
#define OMEN_GCM_TAG 16u

typedef struct omen_gcm omen_gcm;

/* Whether there is a libcrypto. Looked for once. */
bool omen_gcm_available(void);
/* NULL: out of memory, or none available. The key is copied. */
omen_gcm *omen_gcm_new(const uint8_t key[OMEN_GCM_KEY]);
void omen_gcm_free(omen_gcm *g); /* wipes the key; NULL is fine */

/* Writes len bytes of ciphertext and then the tag to `out`, which may be `plain`. False: libcrypto failed (no memory). */
bool omen_gcm_seal(omen_gcm *g, const uint8_t nonce[OMEN_GCM_NONCE], const void *aad, size_t aad_len, const void *plain, size_t len, uint8_t *out);
/* Opens len bytes of ciphertext that the tag follows. GCM_BAD: the tag is wrong, and `out` holds nothing of use. */
typedef enum omen_gcm_opened { OMEN_GCM_OPENED, OMEN_GCM_BAD, OMEN_GCM_FAILED } omen_gcm_opened;
omen_gcm_opened omen_gcm_open(omen_gcm *g, const uint8_t nonce[OMEN_GCM_NONCE], const void *aad, size_t aad_len, const uint8_t *sealed, size_t len, uint8_t *out);

/* Overwrites what nobody reads again, in a way that compilers keep. */
void omen_wipe(void *p, size_t len);

#endif
