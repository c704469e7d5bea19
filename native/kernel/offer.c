/* offer.c - what this processor runs: the kernel sets, best first, and its CRC32C. */
#include <stdatomic.h>

#include "base/hash.h"
#include "sets.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

static bool has_crc(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("sse4.2");
#elif defined(__aarch64__) && defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#elif defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

#if defined(__aarch64__)
static bool has_dotprod(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
    return true;
#endif
}
#endif

typedef uint32_t crc_fn(uint32_t crc, const void *p, size_t len);

static crc_fn *best_crc(void) {
    if (!has_crc()) return omen_crc32c_portable;
#if defined(__x86_64__)
    return omen_crc32c_sse42;
#elif defined(__aarch64__)
    return omen_crc32c_arm;
#else
    return omen_crc32c_portable;
#endif
}

uint32_t omen_crc32c_native(uint32_t crc, const void *p, size_t len) {
    static _Atomic(crc_fn *) chosen;
    crc_fn *f = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (f == NULL) atomic_store_explicit(&chosen, f = best_crc(), memory_order_relaxed);
    return f(crc, p, len);
}

const omen_kernels *const *omen_kernels_offer(void) {
#if defined(__x86_64__)
    static const omen_kernels *const all[] = {&omen_kernels_avx512vnni, &omen_kernels_avx512, &omen_kernels_avx2, &omen_kernels_scalar, NULL};
    /* __builtin_cpu_supports also asks whether the system saves the registers. Every processor with AVX-512 has AVX2 and F16C. */
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("f16c")) return all + 3;
    bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    if (!wide) return all + 2;
    return all + (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vpopcntdq") ? 0 : 1);
#elif defined(__aarch64__)
    static const omen_kernels *const all[] = {&omen_kernels_dotprod, &omen_kernels_neon, &omen_kernels_scalar, NULL};
    return all + (has_dotprod() ? 0 : 1);
#else
    static const omen_kernels *const all[] = {&omen_kernels_scalar, NULL};
    return all;
#endif
}
