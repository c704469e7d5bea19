/* encrypted_gcm.c - libcrypto, found when it is first needed.
 *
 * It is loaded by name instead of being linked: so a program, or a Node-API addon, that never encrypts needs no libcrypto to start, one that
 * brings libcrypto along (Node.js has its own inside) does not get a second, and a static libomendb.a asks nothing more of its linker. What
 * is used of it is the same in OpenSSL 1.1, 3 and BoringSSL. -DOMEN_ENCRYPTION=OFF leaves it out: then there is none.
 *
 * A context keeps the expanded key; making one costs more than a page, so they are kept, one list for each direction.
 */
#include "host/encrypted_gcm.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define WRITTEN(p, len) __msan_unpoison((p), (len)) /* libcrypto is not instrumented */
#endif
#endif
#ifndef WRITTEN
#define WRITTEN(p, len) ((void)0)
#endif

#define IDLE 8
enum { CTRL_GET_TAG = 0x10, CTRL_SET_TAG = 0x11 };

static struct {
    void *(*ctx_new)(void);
    void (*ctx_free)(void *);
    const void *(*aes_256_gcm)(void);
    int (*init)(void *ctx, const void *cipher, void *engine, const unsigned char *key, const unsigned char *iv, int enc);
    int (*update)(void *ctx, unsigned char *out, int *out_len, const unsigned char *in, int len);
    int (*ctrl)(void *ctx, int type, int arg, void *p);
    int (*final)(void *ctx, unsigned char *out, int *out_len);
    const void *cipher; /* NULL: not available */
} lib;

struct omen_gcm {
    pthread_mutex_t lock;
    uint8_t key[OMEN_GCM_KEY];
    void *idle[2][IDLE]; /* [1]: for sealing */
    int count[2];
};

void omen_wipe(void *p, size_t len) {
    memset(p, 0, len);
    __asm__ __volatile__("" : : "r"(p) : "memory");
}

static bool find(void *in, const char *name, void *into) {
    void *p = dlsym(in, name);
    memcpy(into, &p, sizeof p); /* of functions and of objects they have one size (POSIX) */
    return p != NULL;
}

static bool take(void *in) {
    return find(in, "EVP_CIPHER_CTX_new", &lib.ctx_new) && find(in, "EVP_CIPHER_CTX_free", &lib.ctx_free) && find(in, "EVP_aes_256_gcm", &lib.aes_256_gcm) &&
           find(in, "EVP_CipherInit_ex", &lib.init) && find(in, "EVP_CipherUpdate", &lib.update) && find(in, "EVP_CIPHER_CTX_ctrl", &lib.ctrl) &&
           find(in, "EVP_CipherFinal_ex", &lib.final) && (lib.cipher = lib.aes_256_gcm()) != NULL;
}

static void load(void) {
#ifndef OMEN_NO_ENCRYPTION
    static const char *const names[] = {"libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so", "libcrypto.3.dylib", "libcrypto.1.1.dylib"}; /* macOS ends programs that load its own, which has no version */
    void *own = dlopen(NULL, RTLD_NOW); /* the program's own */
    if (own != NULL && take(own)) return;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *l = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (l != NULL && take(l)) return; /* stays for the life of the program */
    }
#endif
    lib.cipher = NULL;
}

bool omen_gcm_available(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return lib.cipher != NULL;
}

omen_gcm *omen_gcm_new(const uint8_t key[OMEN_GCM_KEY]) {
    if (!omen_gcm_available()) return NULL;
    omen_gcm *g = calloc(1, sizeof *g);
    if (g == NULL || pthread_mutex_init(&g->lock, NULL) != 0) {
        free(g);
        return NULL;
    }
    memcpy(g->key, key, sizeof g->key);
    return g;
}

void omen_gcm_free(omen_gcm *g) {
    if (g == NULL) return;
    for (int d = 0; d < 2; d++)
        for (int i = 0; i < g->count[d]; i++) lib.ctx_free(g->idle[d][i]);
    pthread_mutex_destroy(&g->lock);
    omen_wipe(g->key, sizeof g->key);
    free(g);
}

static void *take_context(omen_gcm *g, int seal) {
    void *c = NULL;
    pthread_mutex_lock(&g->lock);
    if (g->count[seal] > 0) c = g->idle[seal][--g->count[seal]];
    pthread_mutex_unlock(&g->lock);
    if (c != NULL) return c;
    c = lib.ctx_new();
    if (c != NULL && lib.init(c, lib.cipher, NULL, g->key, NULL, seal) != 1) {
        lib.ctx_free(c);
        c = NULL;
    }
    return c;
}

static void give_context(omen_gcm *g, int seal, void *c, bool good) {
    pthread_mutex_lock(&g->lock);
    if (good && g->count[seal] < IDLE) {
        g->idle[seal][g->count[seal]++] = c;
        c = NULL;
    }
    pthread_mutex_unlock(&g->lock);
    if (c != NULL) lib.ctx_free(c);
}

/* `len` and `aad_len` are of records and headers, far below what an int holds. */
static bool feed(void *c, const uint8_t *nonce, int seal, const void *aad, size_t aad_len, const void *in, size_t len, uint8_t *out) {
    int n;
    return lib.init(c, NULL, NULL, NULL, nonce, seal) == 1 && (aad_len == 0 || lib.update(c, NULL, &n, aad, (int)aad_len) == 1) &&
           (len == 0 || lib.update(c, out, &n, in, (int)len) == 1);
}

bool omen_gcm_seal(omen_gcm *g, const uint8_t nonce[OMEN_GCM_NONCE], const void *aad, size_t aad_len, const void *plain, size_t len, uint8_t *out) {
    uint8_t none[16];
    int n;
    void *c = take_context(g, 1);
    if (c == NULL) return false;
    bool good = feed(c, nonce, 1, aad, aad_len, plain, len, out) && lib.final(c, none, &n) == 1 && lib.ctrl(c, CTRL_GET_TAG, OMEN_GCM_TAG, out + len) == 1;
    WRITTEN(out, len + OMEN_GCM_TAG);
    give_context(g, 1, c, good);
    return good;
}

omen_gcm_opened omen_gcm_open(omen_gcm *g, const uint8_t nonce[OMEN_GCM_NONCE], const void *aad, size_t aad_len, const uint8_t *sealed, size_t len, uint8_t *out) {
    uint8_t none[16], tag[OMEN_GCM_TAG];
    int n;
    void *c = take_context(g, 0);
    if (c == NULL) return OMEN_GCM_FAILED;
    memcpy(tag, sealed + len, sizeof tag); /* before `out`, which may be `sealed`, is written */
    bool fed = feed(c, nonce, 0, aad, aad_len, sealed, len, out) && lib.ctrl(c, CTRL_SET_TAG, OMEN_GCM_TAG, tag) == 1;
    bool good = fed && lib.final(c, none, &n) == 1;
    WRITTEN(out, len);
    give_context(g, 0, c, fed);
    return good ? OMEN_GCM_OPENED : fed ? OMEN_GCM_BAD : OMEN_GCM_FAILED;
}
