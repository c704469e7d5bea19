/* Leading directions: orthonormal, those that were planted, shares that ascend, the same bits under every kernel set. */
#include "quant_test.h"

#include "quant/directions.h"

enum { COUNT = 400, MOST = 40 };

/* Rows that vary in `lead` random directions by 1, 1/2, 1/3 .. and by `rest` in all. basis: lead x n, as planted. */
static void plant(float *sample, uint32_t n, uint32_t lead, float rest, float *basis) {
    for (uint32_t i = 0; i < lead * n; i++) basis[i] = normal() / sqrtf((float)n);
    for (uint32_t r = 0; r < COUNT; r++) {
        for (uint32_t i = 0; i < n; i++) sample[r * n + i] = rest * normal();
        for (uint32_t j = 0; j < lead; j++) {
            float by = normal() * 3.0f / (float)(j + 1);
            for (uint32_t i = 0; i < n; i++) sample[r * n + i] += by * basis[j * n + i];
        }
    }
}

static void check_orthonormal(const float *rows, uint32_t count, uint32_t n) {
    for (uint32_t j = 0; j < count; j++)
        for (uint32_t i = 0; i <= j; i++) CHECK(fabs(product(rows + i * n, rows + j * n, n) - (i == j)) < 1e-4);
}

static void check_shares(const float *kept, uint32_t most) {
    for (uint32_t j = 0; j < most; j++) CHECK(kept[j] >= (j == 0 ? 0.0f : kept[j - 1]) && kept[j] <= 1.0001f);
}

/* Which share of v's square lies in the span of rows. */
static double within(const float *rows, uint32_t count, const float *v, uint32_t n) {
    double sum = 0;
    for (uint32_t j = 0; j < count; j++) sum += product(rows + j * n, v, n) * product(rows + j * n, v, n);
    return sum / product(v, v, n);
}

TEST(a_planted_subspace_is_found) {
    static const struct { uint32_t n, lead; float rest; } of[] = {{48, 5, 0.0f}, {64, 5, 0.001f}, {130, 12, 0.003f}, {41, 1, 0.0f}};
    for (unsigned k = 0; k < OMEN_ARRAY_LEN(of); k++) {
        uint32_t n = of[k].n, lead = of[k].lead;
        float *sample = calloc(COUNT * n, 4), *basis = calloc(lead * n, 4), *found = calloc(MOST * n, 4), kept[MOST];
        begin();
        plant(sample, n, lead, of[k].rest, basis);
        CHECK_OK(omen_directions_find(&mem, sample, COUNT, n, MOST, found, kept, &error));
        check_shares(kept, MOST);
        CHECK(kept[lead - 1] > 0.99f);
        check_orthonormal(found, lead, n);
        for (uint32_t j = 0; j < lead; j++) CHECK(within(found, lead, basis + j * n, n) > 0.98);
        /* Without anything else, directions behind those are nothing, or hold nothing. */
        if (of[k].rest == 0.0f) CHECK(kept[MOST - 1] - kept[lead - 1] < 1e-4f);
        /* The first direction holds what it says it holds. */
        double all = 0, first = 0;
        for (uint32_t r = 0; r < COUNT; r++) {
            all += product(sample + r * n, sample + r * n, n);
            first += product(sample + r * n, found, n) * product(sample + r * n, found, n);
        }
        CHECK(fabs(first / all - (double)kept[0]) < 1e-3);
        free(sample);
        free(basis);
        free(found);
        end();
    }
}

TEST(shapeless_data_has_no_leading_directions) {
    enum { N = 80 };
    float *sample = calloc(COUNT * N, 4), *found = calloc(MOST * N, 4), kept[MOST];
    begin();
    for (uint32_t i = 0; i < COUNT * N; i++) sample[i] = normal();
    CHECK_OK(omen_directions_find(&mem, sample, COUNT, N, MOST, found, kept, &error));
    check_shares(kept, MOST);
    check_orthonormal(found, MOST, N);
    CHECK(kept[0] > 1.0f / N && kept[0] < 0.1f);
    CHECK(kept[MOST - 1] > 0.5f && kept[MOST - 1] < 0.85f);
    free(sample);
    free(found);
    end();
}

/* Turned among themselves, directions stay orthonormal and hold the same subspace, each about the same share of it. */
TEST(mixing_keeps_the_subspace) {
    enum { N = 100, LEAD = 20 };
    float *sample = calloc(COUNT * N, 4), *basis = calloc(LEAD * N, 4), *found = calloc(MOST * N, 4), *mixed = calloc(MOST * N, 4), kept[MOST];
    begin();
    plant(sample, N, LEAD, 0.01f, basis);
    CHECK_OK(omen_directions_find(&mem, sample, COUNT, N, MOST, found, kept, &error));
    memcpy(mixed, found, MOST * N * 4);
    CHECK_OK(omen_directions_mix(&mem, mixed, LEAD, N, &error));
    check_orthonormal(mixed, LEAD, N);
    CHECK_MEM(mixed + LEAD * N, found + LEAD * N, (MOST - LEAD) * N * 4);
    double held[LEAD] = {0}, before = 0, all = 0, most = 0;
    for (uint32_t j = 0; j < LEAD; j++) {
        CHECK(within(found, LEAD, mixed + j * N, N) > 0.9999);
        for (uint32_t r = 0; r < COUNT; r++) held[j] += product(sample + r * N, mixed + j * N, N) * product(sample + r * N, mixed + j * N, N);
        all += held[j];
        most = fmax(most, held[j]);
    }
    for (uint32_t r = 0; r < COUNT; r++) before += product(sample + r * N, found, N) * product(sample + r * N, found, N);
    CHECK(before / all > 0.4 && most / all < 0.3);
    free(sample);
    free(basis);
    free(found);
    free(mixed);
    end();
}

TEST(kernel_sets_and_repetition_give_the_same_bits) {
    enum { N = 70 };
    const omen_kernels *best = omen_kernels_get();
    float *sample = calloc(COUNT * N, 4), *found = calloc(2 * MOST * N, 4), kept[2 * MOST];
    uint32_t state = 7;
    for (uint32_t i = 0; i < COUNT * N; i++) sample[i] = fixed(&state) * (float)(i % N % 9);
    begin();
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++) {
        uint32_t at = k == omen_kernels_offer() ? 0 : MOST;
        CHECK_OK(omen_kernels_use((*k)->name));
        CHECK_OK(omen_directions_find(&mem, sample, COUNT, N, MOST, found + at * N, kept + at, &error));
        CHECK_OK(omen_directions_mix(&mem, found + at * N, MOST, N, &error));
        if (at == 0) continue;
        CHECK_MEM(found, found + at * N, MOST * N * 4);
        CHECK_MEM(kept, kept + at, MOST * 4);
    }
    CHECK_OK(omen_kernels_use(best->name));
    check_orthonormal(found, MOST, N);
    free(sample);
    free(found);
    end();
}

TEST(data_without_shape) {
    enum { N = 20 };
    for (unsigned k = 0; k < 4; k++) {
        float sample[30 * N], found[15 * N], kept[15];
        uint32_t count = k == 1 ? 1 : 30;
        begin();
        for (uint32_t i = 0; i < 30 * N; i++) sample[i] = k == 0 ? 0.0f : k == 1 ? (float)i : k == 2 ? 1e-30f * test_rand_float() : (i % N == 3 ? test_rand_float() : 0.0f);
        CHECK_OK(omen_directions_find(&mem, sample, count, N, 15, found, kept, &error));
        check_shares(kept, 15);
        for (uint32_t i = 0; i < 15 * N; i++) CHECK(isfinite(found[i]));
        if (k == 0) CHECK(kept[0] == 1.0f);
        if (k == 1) CHECK(kept[0] > 0.999f);
        if (k == 3) CHECK(kept[0] > 0.999f && fabsf(found[3]) > 0.999f);
        CHECK_OK(omen_directions_mix(&mem, found, 15, N, &error));
        for (uint32_t i = 0; i < 15 * N; i++) CHECK(isfinite(found[i]));
        end();
    }
}

TEST(memory_runs_out) {
    enum { N = 20 };
    float sample[30 * N], found[15 * N], kept[15];
    for (uint32_t i = 0; i < 30 * N; i++) sample[i] = test_rand_float();
    bool hit = true;
    unsigned n = 1;
    for (; hit; n++) {
        begin();
        fault_host_fail_alloc_at(host, n, false);
        omen_status s = omen_directions_find(&mem, sample, 30, N, 15, found, kept, &error);
        if (s == OMEN_OK) s = omen_directions_mix(&mem, found, 15, N, &error);
        hit = fault_host_fault_hit(host);
        CHECK_STATUS(s, hit ? OMEN_ERR_MEMORY : OMEN_OK);
        end();
    }
    CHECK_EQ_UINT(n, 7);
}

TEST_MAIN()
