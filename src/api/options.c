#include "api/api.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)

void omen_options_init(omen_options *o) {
    memset(o, 0, sizeof *o);
    o->struct_size = sizeof *o;
    o->profile = OMEN_PROFILE_DEVELOPER;
    o->durability = OMEN_DURABILITY_GROUP;
    o->create = 1;
}

typedef struct choice { const char *name; int value; } choice;
static const choice profiles[] = {{"developer", OMEN_PROFILE_DEVELOPER}, {"production", OMEN_PROFILE_PRODUCTION}, {"edge", OMEN_PROFILE_EDGE}};
static const choice durabilities[] = {
    {"memory", OMEN_DURABILITY_MEMORY}, {"os", OMEN_DURABILITY_OS}, {"group", OMEN_DURABILITY_GROUP}, {"full", OMEN_DURABILITY_FULL}};
static const choice switches[] = {{"true", 1}, {"1", 1}, {"yes", 1}, {"false", 0}, {"0", 0}, {"no", 0}};

static bool is(omen_str s, const char *text) { return omen_str_equal(s, (omen_str){text, strlen(text)}); }

static bool choose(const choice *c, size_t n, omen_str value, int *out) {
    for (size_t i = 0; i < n; i++) {
        if (!is(value, c[i].name)) continue;
        *out = c[i].value;
        return true;
    }
    return false;
}

/* "65536", "64KiB", "64 MiB", "1GiB" */
static bool parse_bytes(omen_str v, uint64_t *out) {
    uint64_t n = 0, unit = 1;
    size_t i = 0;
    for (; i < v.len && v.data[i] >= '0' && v.data[i] <= '9'; i++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(v.data[i] - '0'), &n)) return false;
    if (i == 0) return false;
    while (i < v.len && v.data[i] == ' ') i++;
    omen_str suffix = {v.data + i, v.len - i};
    if (is(suffix, "KiB")) unit = KIB;
    else if (is(suffix, "MiB")) unit = MIB;
    else if (is(suffix, "GiB")) unit = MIB * KIB;
    else if (suffix.len != 0 && !is(suffix, "B")) return false;
    return !__builtin_mul_overflow(n, unit, out);
}

static omen_status set(omen_options *o, omen_str key, omen_str value, bool *known) {
    int v;
    *known = true;
    if (is(key, "profile")) {
        if (!choose(profiles, OMEN_ARRAY_LEN(profiles), value, &v)) return OMEN_ERR_INVALID;
        o->profile = (omen_profile)v;
    } else if (is(key, "durability")) {
        if (!choose(durabilities, OMEN_ARRAY_LEN(durabilities), value, &v)) return OMEN_ERR_INVALID;
        o->durability = (omen_durability)v;
    } else if (is(key, "create") || is(key, "read_only") || is(key, "manual_maintenance")) {
        if (!choose(switches, OMEN_ARRAY_LEN(switches), value, &v)) return OMEN_ERR_INVALID;
        *(key.data[0] == 'c' ? &o->create : key.data[0] == 'r' ? &o->read_only : &o->manual_maintenance) = (uint8_t)v;
    } else if (is(key, "pool_bytes")) {
        if (!parse_bytes(value, &o->pool_bytes)) return OMEN_ERR_INVALID;
    } else if (is(key, "memtable_bytes")) {
        if (!parse_bytes(value, &o->memtable_bytes)) return OMEN_ERR_INVALID;
    } else if (is(key, "index_bytes")) {
        if (!parse_bytes(value, &o->index_bytes)) return OMEN_ERR_INVALID;
    } else if (is(key, "memory_bytes")) {
        if (!parse_bytes(value, &o->memory_bytes)) return OMEN_ERR_INVALID;
    } else {
        *known = false;
        return OMEN_ERR_INVALID;
    }
    return OMEN_OK;
}

omen_status omen_options_set(omen_options *o, omen_str key, omen_str value) {
    bool known;
    omen_error err = {0};
    if (o == NULL || (key.data == NULL && key.len != 0) || (value.data == NULL && value.len != 0)) return omen_told(OMEN_ERR_INVALID, NULL);
    if (set(o, key, value, &known) == OMEN_OK) return OMEN_OK;
    if (!known) omen_fail(&err, OMEN_ERR_INVALID, "options have no setting \"%.*s\"", (int)OMEN_MIN(key.len, 60), key.data);
    else omen_fail(&err, OMEN_ERR_INVALID, "\"%.*s\" is no value of the setting %.*s", (int)OMEN_MIN(value.len, 60), value.data, (int)key.len, key.data);
    return omen_told(OMEN_ERR_INVALID, &err);
}

omen_status omen_options_resolve(const omen_options *given, omen_options *out, omen_error *err) {
    omen_options_init(out);
    if (given != NULL) {
        if (given->struct_size == 0 || given->struct_size > sizeof *out)
            return omen_fail(err, OMEN_ERR_INVALID, "options.struct_size is %u; call omen_options_init first", given->struct_size);
        memcpy(out, given, given->struct_size);
        out->struct_size = sizeof *out;
    }
    if (out->profile == 0) out->profile = OMEN_PROFILE_DEVELOPER;
    if (out->durability == 0) out->durability = OMEN_DURABILITY_GROUP;
    static const struct { uint64_t pool, memtable, memory, index; } limits[] = {
        [OMEN_PROFILE_DEVELOPER] = {64 * MIB, 32 * MIB, 0, 1024 * MIB},
        [OMEN_PROFILE_PRODUCTION] = {256 * MIB, 64 * MIB, 0, 4096 * MIB},
        [OMEN_PROFILE_EDGE] = {16 * MIB, 8 * MIB, 100 * MIB, 48 * MIB}};
    if (out->profile < OMEN_PROFILE_DEVELOPER || out->profile > OMEN_PROFILE_EDGE) return omen_fail(err, OMEN_ERR_INVALID, "options.profile is unknown");
    if (out->durability < OMEN_DURABILITY_MEMORY || out->durability > OMEN_DURABILITY_FULL) return omen_fail(err, OMEN_ERR_INVALID, "options.durability is unknown");
    if (out->pool_bytes == 0) out->pool_bytes = limits[out->profile].pool;
    if (out->memtable_bytes == 0) out->memtable_bytes = limits[out->profile].memtable;
    if (out->memory_bytes == 0) out->memory_bytes = limits[out->profile].memory;
    if (out->index_bytes == 0) out->index_bytes = limits[out->profile].index;
    if (out->pool_bytes < MIB) return omen_fail(err, OMEN_ERR_INVALID, "options.pool_bytes is below 1 MiB");
    if (out->memtable_bytes < 4 * KIB) return omen_fail(err, OMEN_ERR_INVALID, "options.memtable_bytes is below 4 KiB");
    if (out->memory_bytes != 0 && out->memory_bytes < out->pool_bytes)
        return omen_fail(err, OMEN_ERR_INVALID, "memory_bytes is %llu, below pool_bytes, which is %llu; raise the one or lower the other", (unsigned long long)out->memory_bytes,
                         (unsigned long long)out->pool_bytes);
    if (out->host == NULL) out->host = omen_platform_host();
    if (out->host == NULL) return omen_fail(err, OMEN_ERR_UNSUPPORTED, "this platform has no host of its own; give one in options.host");
    if (out->host->struct_size < sizeof(omen_host)) return omen_fail(err, OMEN_ERR_INVALID, "options.host is of an older version; rebuild it");
    return OMEN_OK;
}

/* Databases on the platform's own host are told to it, unless their program maintains them itself. */
bool omen_platform_cares(const omen_db *db) { return !db->options.manual_maintenance && db->host == omen_platform_host(); }
