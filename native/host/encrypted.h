/* encrypted.h - encryption at rest on native hosts: a storage that encrypts, around any other (docs/ENCRYPTION.md). */
#ifndef OMEN_NATIVE_ENCRYPTED_H
#define OMEN_NATIVE_ENCRYPTED_H

#include "omendb_native.h"

/* As omen_storage_encrypt and omen_storage_rekey, with memory and entropy of any host, which must outlive the storage. */
omen_status omen_storage_encrypt_on(const omen_host *host, const omen_storage *inner, const omen_encryption *encryption, omen_storage *out);
omen_status omen_storage_rekey_on(const omen_host *host, const omen_storage *inner, const omen_encryption *encryption, uint64_t *changed);

#endif
