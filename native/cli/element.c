/* element.c - vectors as numbers. Files and the command line write every vector as numbers: floats and 8-bit integers one for each dimension, bits one
 * for each byte (0 to 255; dimension 0 is the lowest bit of the first). */
#include <string.h>

#include "cli/cli.h"

uint32_t cli_width(const omen_vector_field *f) { return f->element == OMEN_ELEMENT_BIT ? f->dimensions / 8 : f->dimensions; }

static bool is_float(const omen_vector_field *f) { return f->element == OMEN_ELEMENT_F32 || f->element == OMEN_ELEMENT_F16; }

size_t cli_vector_bytes(const omen_vector_field *f) { return is_float(f) ? f->dimensions * sizeof(float) : cli_width(f); }

omen_status cli_vector_pack(const omen_vector_field *f, const float *numbers, void *out) {
    if (is_float(f)) {
        memcpy(out, numbers, f->dimensions * sizeof(float));
        return OMEN_OK;
    }
    bool bits = f->element == OMEN_ELEMENT_BIT;
    float least = bits ? 0 : -128, most = bits ? 255 : 127;
    unsigned char *to = out;
    for (uint32_t i = 0; i < cli_width(f); i++) {
        float n = numbers[i];
        if (!(n >= least && n <= most) || n != (float)(int)n)
            return cli_fail(OMEN_ERR_INVALID, "\"%.*s\" has %g at place %u; its type %s takes integers from %.0f to %.0f", (int)f->name.len, f->name.data, (double)n, i,
                            cli_element_name(f->element), (double)least, (double)most);
        to[i] = (unsigned char)(int)n; /* modulo 256: two's complement */
    }
    return OMEN_OK;
}

const float *cli_vector_numbers(const omen_vector_field *f, const void *vector) {
    static float numbers[OMEN_MAX_DIMENSIONS];
    if (is_float(f) || vector == NULL) return vector;
    for (uint32_t i = 0; i < cli_width(f); i++) numbers[i] = f->element == OMEN_ELEMENT_BIT ? ((const uint8_t *)vector)[i] : ((const int8_t *)vector)[i];
    return numbers;
}

static const char *const elements[] = {"f32", "f16", "i8", "bit"};

const char *cli_element_name(omen_element e) { return (size_t)e < sizeof elements / sizeof *elements ? elements[e] : "unknown"; }

bool cli_element(const char *name, omen_element *out) {
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
        if (strcmp(name, elements[i]) != 0) continue;
        *out = (omen_element)i;
        return true;
    }
    return false;
}

omen_status cli_type_option(omen_element *out) {
    const char *name = cli_option("type", "f32");
    if (cli_element(name, out)) return OMEN_OK;
    return cli_fail(OMEN_ERR_INVALID, "--type is \"%.60s\"; it must be f32, f16, i8 or bit", name);
}

omen_status cli_metric_option(omen_element e, omen_metric *out) {
    const char *name = cli_option("metric", e == OMEN_ELEMENT_BIT ? "hamming" : "cosine");
    *out = cli_metric(name);
    return *out != 0 ? OMEN_OK : cli_fail(OMEN_ERR_INVALID, "--metric is \"%.60s\"; it must be cosine, l2 or ip, or for bits hamming", name);
}
