/* fault_crash.c - what an image holds after losing power; see fault_storage.h. */
#include "fault_storage_impl.h"

#include <stdlib.h>
#include <string.h>

/* How the choices of a crash are made: each unit has `versions` later forms (1: new or not) and survives in one of them. */
typedef struct chooser {
    fault_crash_mode mode;
    bool subset;
    uint64_t mask, rng;
    unsigned units;
    size_t cut; /* FAULT_CRASH_PREFIX: global number of writes that survive */
} chooser;

enum unit_kind { UNIT_SECTOR, UNIT_SIZE, UNIT_NAME };

/* A number from 0 (lost) to versions (the last form). */
static size_t choose(chooser *c, enum unit_kind kind, size_t versions) {
    unsigned unit = c->units++;
    if (versions == 0) return 0;
    if (c->subset) return unit < 64 && (c->mask >> unit & 1) != 0 ? versions : 0;
    switch (c->mode) {
    case FAULT_CRASH_DURABLE: return 0;
    case FAULT_CRASH_ALL: return versions;
    case FAULT_CRASH_ZERO_TAIL: return kind == UNIT_SECTOR ? 0 : versions;
    case FAULT_CRASH_RANDOM: return (size_t)(fault_random(&c->rng) % (versions + 1));
    case FAULT_CRASH_PREFIX: break; /* decided by position, not here */
    }
    return versions;
}

static size_t last_write(const inode *n) {
    size_t end = n->durable.len;
    for (size_t i = 0; i < n->op_count; i++)
        if (n->ops[i].data != NULL && n->ops[i].offset + n->ops[i].len > end) end = n->ops[i].offset + n->ops[i].len;
    return end;
}

/* Whether op o changes bytes of the sector that starts at `from`. */
static bool touches(const op *o, size_t from) {
    if (o->data == NULL) return o->offset < from + FAULT_SECTOR;
    return o->offset < from + FAULT_SECTOR && o->offset + o->len > from;
}

static void apply_to_sector(const op *o, size_t from, uint8_t *sector) {
    for (size_t i = 0; i < FAULT_SECTOR; i++) {
        size_t at = from + i;
        if (o->data == NULL) {
            if (at >= o->offset) sector[i] = 0;
        } else if (at >= o->offset && at < o->offset + o->len) {
            sector[i] = o->data[at - o->offset];
        }
    }
}

/* What the file holds after the crash. */
static bytes survive(const inode *n, chooser *c) {
    bytes out = {0};
    size_t end = last_write(n), sizes = 0, size = n->durable.len, before = n->durable.len;
    if (c->mode == FAULT_CRASH_PREFIX && !c->subset) {
        size_t keep = c->cut < n->op_count ? c->cut : n->op_count;
        out = fault_bytes_copy(&n->durable);
        for (size_t i = 0; i < keep; i++) fault_apply(&out, &n->ops[i]);
        if (keep < n->op_count && n->ops[keep].data != NULL) { /* the next one in part */
            op part = n->ops[keep];
            size_t first = FAULT_SECTOR - part.offset % FAULT_SECTOR, sectors = part.len > first ? 1 + (part.len - first) / FAULT_SECTOR : 1;
            size_t some = (size_t)(fault_random(&c->rng) % (sectors + 1));
            part.len = some == 0 ? 0 : first + (some - 1) * FAULT_SECTOR;
            if (part.len > n->ops[keep].len) part.len = n->ops[keep].len;
            if (part.len > 0) fault_apply(&out, &part);
        }
        c->cut -= keep;
        return out;
    }
    for (size_t i = 0; i < n->op_count; i++) {
        sizes += n->ops[i].size_after != before;
        before = n->ops[i].size_after;
    }
    if (sizes > 0) {
        size_t k = choose(c, UNIT_SIZE, sizes);
        before = n->durable.len;
        for (size_t i = 0; i < n->op_count && k > 0; i++) {
            if (n->ops[i].size_after == before) continue;
            before = size = n->ops[i].size_after;
            k--;
        }
    }
    fault_bytes_resize(&out, end);
    if (n->durable.len > 0) memcpy(out.data, n->durable.data, n->durable.len);
    for (size_t from = 0; from < end; from += FAULT_SECTOR) {
        size_t versions = 0;
        for (size_t i = 0; i < n->op_count; i++) versions += touches(&n->ops[i], from);
        if (versions == 0) continue;
        size_t k = choose(c, UNIT_SECTOR, versions), len = end - from < FAULT_SECTOR ? end - from : FAULT_SECTOR;
        uint8_t sector[FAULT_SECTOR] = {0};
        memcpy(sector, out.data + from, len);
        for (size_t i = 0; i < n->op_count && k > 0; i++) {
            if (!touches(&n->ops[i], from)) continue;
            apply_to_sector(&n->ops[i], from, sector);
            k--;
        }
        memcpy(out.data + from, sector, len);
    }
    fault_bytes_resize(&out, size);
    return out;
}

/* Whether any directory the machine may come back with can name the file. */
static bool reachable(const fault_storage *fs, int file) {
    for (size_t i = 0; i < fs->durable.count; i++)
        if (fs->durable.entries[i].file == file) return true;
    for (size_t i = 0; i < fs->name_op_count; i++)
        if (fs->name_ops[i].file == file) return true;
    return false;
}

static fault_storage *crash(const fault_storage *fs, chooser *c) {
    fault_storage *to = fault_storage_new(fs->rng);
    directory dir = {0};
    for (size_t i = 0; i < fs->durable.count; i++) fault_dir_set(&dir, fs->durable.entries[i].name, fs->durable.entries[i].file);
    if (c->mode == FAULT_CRASH_PREFIX && !c->subset) {
        size_t total = 0;
        for (size_t i = 0; i < fs->inode_count; i++) total += fs->inodes[i].op_count;
        c->cut = (size_t)(fault_random(&c->rng) % (total + 1));
    }
    for (size_t i = 0; i < fs->name_op_count; i++) {
        const char *name = fs->name_ops[i].name;
        size_t versions = 0, earlier = 0;
        for (size_t j = 0; j < fs->name_op_count; j++) {
            bool same_name = strcmp(fs->name_ops[j].name, name) == 0;
            versions += same_name;
            earlier += same_name && j < i;
        }
        if (earlier > 0) continue; /* decided at its first operation */
        size_t k = choose(c, UNIT_NAME, versions);
        for (size_t j = 0; j < fs->name_op_count && k > 0; j++) {
            if (strcmp(fs->name_ops[j].name, name) != 0) continue;
            fault_dir_set(&dir, name, fs->name_ops[j].file);
            k--;
        }
    }
    /* Every file is decided upon, whether its name survives or not, so that a seed or a mask means the same for all. */
    for (size_t i = 0; i < fs->inode_count; i++) {
        if (!reachable(fs, (int)i)) continue;
        bytes b = survive(&fs->inodes[i], c);
        for (size_t e = 0; e < dir.count; e++)
            if (dir.entries[e].file == (int)i) fault_storage_put(to, dir.entries[e].name, b.data, b.len);
        free(b.data);
    }
    free(dir.entries);
    return to;
}

fault_storage *fault_storage_crash(const fault_storage *fs, fault_crash_mode mode, uint64_t seed) {
    chooser c = {.mode = mode, .rng = seed};
    return crash(fs, &c);
}

fault_storage *fault_storage_crash_subset(const fault_storage *fs, uint64_t mask) {
    chooser c = {.subset = true, .mask = mask};
    return crash(fs, &c);
}

unsigned fault_storage_units(const fault_storage *fs) {
    chooser c = {.subset = true};
    fault_storage_free(crash(fs, &c));
    return c.units;
}

/* As xxHash does it in outline: eight bytes at a time in four lanes, multiplied and turned; good enough to tell images of one test apart. */
static uint64_t mix(uint64_t h, const void *data, size_t len) {
    const uint8_t *p = data;
    uint64_t lanes[4] = {h, h + 1, h + 2, h + 3}, v;
    for (; len >= 32; p += 32, len -= 32)
        for (size_t l = 0; l < 4; l++) {
            memcpy(&v, p + 8 * l, 8);
            lanes[l] = (lanes[l] ^ v) * UINT64_C(0x9e3779b97f4a7c15);
            lanes[l] ^= lanes[l] >> 29;
        }
    for (size_t l = 0; l < 4; l++) h = (h ^ lanes[l]) * UINT64_C(0x94d049bb133111eb);
    for (; len > 0; p++, len--) h = (h ^ *p) * UINT64_C(0xbf58476d1ce4e5b9);
    return h ^ h >> 32;
}

uint64_t fault_storage_hash(const fault_storage *fs) {
    uint64_t sum = fs->live.count;
    for (size_t i = 0; i < fs->live.count; i++) { /* in any order */
        const entry *e = &fs->live.entries[i];
        const bytes *b = &fs->inodes[e->file].live;
        uint64_t h = mix(b->len + 1, e->name, strlen(e->name));
        sum += mix(h, b->data, b->len);
    }
    return sum;
}
