/* The powers of ten that yyjson reads and prints doubles with, computed at first use instead of stored: the table is
 * 10 KB that do not compress, an eighth of the whole WebAssembly module. Included by yyjson.c in place of its table
 * (see cmake/deps.cmake), in single-threaded builds only.
 *
 * Entry e holds the highest 128 bits of 10^e, truncated, for e from POW10_SIG_TABLE_MIN_EXP to POW10_SIG_TABLE_MAX_EXP.
 * 10^e and 5^e have the same bits. For e >= 0 they are read off a big integer that is multiplied by 5 each step; for
 * e < 0 off floor(2^B / 5^-e), which is divided by 5 each step: floor(floor(a / b) / c) = floor(a / (b * c)), so no
 * error builds up, and B leaves more than 128 bits at the last step. The tests print numbers of every exponent and
 * compare with builds that have the table. */

#define POW10_LIMBS 34 /* 1088 bits: 5^324 has 753; 2^1056 / 5^343 keeps 259 */

/* Stores the highest 128 bits of a big integer (limbs of 32 bits, lowest first, not zero). */
static void pow10_store(const u32 *limbs, u64 *entry) {
    i32 top = POW10_LIMBS - 1;
    while (limbs[top] == 0) top--;
    u32 window[5]; /* from the top limb down; below the lowest limb there is zero */
    for (i32 i = 0; i < 5; i++) window[i] = top - i >= 0 ? limbs[top - i] : 0;
    i32 shift = __builtin_clz(window[0]);
    for (i32 i = 0; shift > 0 && i < 4; i++) window[i] = (window[i] << shift) | (window[i + 1] >> (32 - shift));
    entry[0] = ((u64)window[0] << 32) | window[1];
    entry[1] = ((u64)window[2] << 32) | window[3];
}

static const u64 *pow10_table(void) {
    static u64 table[(POW10_SIG_TABLE_MAX_EXP - POW10_SIG_TABLE_MIN_EXP + 1) * 2];
    u64 *zero = table - POW10_SIG_TABLE_MIN_EXP * 2; /* the entry of 10^0 */
    if (zero[0] != 0) return table;

    u32 limbs[POW10_LIMBS] = {0};
    limbs[POW10_LIMBS - 1] = 1;
    for (i32 e = -1; e >= POW10_SIG_TABLE_MIN_EXP; e--) {
        u64 rest = 0;
        for (i32 i = POW10_LIMBS - 1; i >= 0; i--) {
            rest = (rest << 32) | limbs[i];
            limbs[i] = (u32)(rest / 5);
            rest %= 5;
        }
        pow10_store(limbs, zero + e * 2);
    }
    for (i32 i = 0; i < POW10_LIMBS; i++) limbs[i] = i == 0;
    for (i32 e = 0; e <= POW10_SIG_TABLE_MAX_EXP; e++) {
        pow10_store(limbs, zero + e * 2);
        u64 carry = 0;
        for (i32 i = 0; i < POW10_LIMBS; i++) {
            carry += (u64)limbs[i] * 5;
            limbs[i] = (u32)carry;
            carry >>= 32;
        }
    }
    return table;
}

#undef POW10_LIMBS
#define pow10_sig_table (pow10_table())
