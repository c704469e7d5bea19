/* The AVX-512 kernels of codes on processors without it, by emulation. Kernels of floats are not here: they need what SIMDe lacks. */
#include "codes_check.h"

#if defined(__x86_64__) && defined(__clang__) && !defined(__AVX512F__) && __has_include(<simde/x86/avx512.h>)
#include "simde_names.h"

/* Names other than the library's. */
#define omen_dot_u7i8_avx512 emulated_dot_u7i8
#define omen_hamming_avx512 emulated_hamming
#define omen_dot_u4b1_avx512 emulated_dot_u4b1
#define omen_dot_i8_avx512 emulated_dot_i8
#define omen_l2_i8_avx512 emulated_l2_i8
#define omen_lut4_avx512 emulated_lut4
#include "../../../native/kernel/codes_avx512.c"

TEST(emulated_codes_are_those_of_the_scalar_set) {
    omen_kernels emulated = omen_kernels_scalar; /* for what is not emulated */
    emulated.dot_u7i8 = emulated_dot_u7i8;
    emulated.hamming = emulated_hamming;
    emulated.dot_u4b1 = emulated_dot_u4b1;
    emulated.dot_i8 = emulated_dot_i8;
    emulated.l2_i8 = emulated_l2_i8;
    emulated.lut4 = emulated_lut4;
    check_codes(&emulated);
    for (size_t dim = 0; dim <= 257; dim++)
        for (unsigned kind = 0; kind < 4; kind++) check_bytes(&emulated, dim, kind);
    check_bytes(&emulated, OMEN_MAX_DIMENSIONS, 3);
    check_tables(&emulated);
}
#else
TEST(emulated_codes_are_those_of_the_scalar_set) { TEST_SKIP("needs clang for x86-64 (gcc warns of wide vectors, with no place to say that it shall not) and libsimde-dev"); }
#endif

TEST_MAIN()
