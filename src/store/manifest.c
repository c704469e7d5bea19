/* manifest.c - the two slots, manifest-0 and manifest-1.
 *
 *   offset  bytes  a slot (little-endian)
 *        0      8  magic       "OMENMNF1"
 *        8      4  version     of the slot's format, SLOT_VERSION
 *       12      4  flags       0
 *       16      8  generation  from 1; its lowest bit is the slot's number
 *       24     16  id          of the database
 *       40      4  length      bytes of payload, at most MAX_PAYLOAD
 *       44      4  crc         CRC32C of the payload
 *       48     12  zeros
 *       60      4  header_crc  CRC32C of bytes 0 to 59
 *       64 length  payload     opaque here
 *
 * A slot is valid if and only if the magic is right, the version is SLOT_VERSION, the flags and zeros are 0, the generation is at least
 * 1 and belongs into this slot, the payload lies inside the file, and both checksums are right. What follows the payload is left
 * from an older, longer one and does not count. Later versions keep the magic and the places of version, length and checksums, so that
 * a newer slot is known from a damaged one. The header has a checksum of its own because its length must be believed when a payload
 * that is too short is to be told from a length that is wrong.
 *
 * The valid slot of the highest generation is the manifest. A torn write can only harm the other one, which is older or not there
 * yet. Only the very first write (generation 1, into slot 1) has no older one beside it: where slot 1 is alone and shows the marks
 * of a write cut off - it ends early, or a whole sector of it is zero - nothing was ever durable, and the database is new. Any other
 * damage to it is corruption.
 *
 * A database begins with generations 1 and 2 of the same payload (omen_manifest_found), so that from its first moment a damaged slot leaves one that
 * says the same. Generation 1 is durable, with its directory entry, before generation 2 is begun: torn at any moment, the rules above are all that is needed.
 * Generation 2 names nothing new, so that its bytes are synced, and no directory: its entry becomes durable with the log that is made next, or the last sync of a copy.
 * Lost until then, generation 1 stands alone, and the next opening for writing writes the second one.
 *
 * Invariants of writing
 *   - the slot of the current generation is never touched;
 *   - what the payload names is durable, with its directory entries, before the slot is written;
 *   - a slot that is torn or damaged is emptied, durably, before it is written: its first sectors and the last ones of the next write could
 *     make whole a manifest that was given up, and what that one names has been removed since;
 *   - after a failure nothing more is written.
 */
#include "store/manifest.h"

#include "base/control.h"
#include "kernel/kernel.h"
#include "store/torn.h"

#define SLOT_VERSION 1u
#define SLOT_HEADER 64u
#define SLOT_CRC 44u
#define SLOT_HEADER_CRC 60u
#define MAX_PAYLOAD (256u << 20)
static const char magic[8] = {'O', 'M', 'E', 'N', 'M', 'N', 'F', '1'};
static const char *const slot_names[2] = {"manifest-0", "manifest-1"};

/* ABSENT and TORN slots may belong to a database that never was; the others are something. */
typedef enum verdict { ABSENT, TORN, DAMAGED, FOREIGN, SEALED, NEWER, VALID } verdict;

struct omen_manifest {
    omen_store *st;
    /* the current generation */
    _Atomic uint64_t generation; /* read beside a write, for reports */
    omen_buf payload;
    /* both slots */
    verdict verdicts[2];
    uint8_t ids[2][16];
    char label[33]; /* of the key of a slot that is encrypted */
    /* reading: one slot at a time, whole, into `bytes` */
    uint32_t slot;
    omen_file *file;
    uint64_t file_size;
    omen_buf bytes;
    size_t bytes_wanted;
    enum { READ_OPEN, READ_HEADER, READ_PAYLOAD, READ_DONE } reading;
    /* writing: header and payload in `bytes` */
    enum { WRITE_IDLE, WRITE_DIR, WRITE_OPEN, WRITE_WIPE, WRITE_SLOT, WRITE_SYNC, WRITE_ENTRY } writing;
    enum { SETTLE_FILE, SETTLE_DIR, SETTLED } settling;
    bool twin; /* writing once more what counts already */
    bool poisoned;
};

static void close_file(omen_manifest *m) {
    if (m->file != NULL) m->st->storage.ops->close(m->st->storage.ctx, m->file);
    m->file = NULL;
}

static void release_bytes(omen_manifest *m) {
    omen_buf_deinit(&m->bytes);
    omen_buf_init(&m->bytes, m->st->mem);
}

static uint32_t crc_of(const uint8_t *p, size_t len) { return omen_kernels_get()->crc32c(0, p, len); }

/* ---- reading ---- */

/* A header that is not right: zeros are a sector that was never written, two wrong bytes in the magic a damage; otherwise it is
 * another program's file. */
static verdict judge_stranger(const omen_buf *b) {
    size_t n = OMEN_MIN(b->len, sizeof magic), differ = 0;
    if (omen_sealed(b->data, b->len)) return SEALED;
    for (size_t i = 0; i < n; i++) differ += b->data[i] != (uint8_t)magic[i];
    if (differ > 2 && !omen_all_zero(b->data, n)) return FOREIGN;
    return omen_cut_off(b->data, b->len, SLOT_HEADER) ? TORN : DAMAGED;
}

static verdict judge(omen_manifest *m) {
    const omen_buf *b = &m->bytes;
    if (b->len < SLOT_HEADER || memcmp(b->data, magic, sizeof magic) != 0 || (crc_of(b->data, SLOT_HEADER_CRC) != omen_get32(b->data + SLOT_HEADER_CRC) && OMEN_CONTROL(manifest_header_crc)))
        return judge_stranger(b);
    uint32_t version = omen_get32(b->data + 8), length = omen_get32(b->data + 40);
    uint64_t generation = omen_get64(b->data + 16);
    if (length > MAX_PAYLOAD) return DAMAGED;
    if (b->len != SLOT_HEADER + length || (crc_of(b->data + SLOT_HEADER, length) != omen_get32(b->data + SLOT_CRC) && OMEN_CONTROL(manifest_crc)))
        return omen_cut_off(b->data, b->len, SLOT_HEADER + (uint64_t)length) ? TORN : DAMAGED;
    if (version > SLOT_VERSION) return NEWER;
    if (version != SLOT_VERSION || omen_get32(b->data + 12) != 0 || !omen_all_zero(b->data + 48, 12)) return DAMAGED;
    return generation != 0 && (generation & 1) == m->slot ? VALID : DAMAGED;
}

/* Reads [from, to) of the slot into bytes, where room has been made. */
static omen_status read_some(omen_manifest *m, size_t from, size_t to, omen_error *err) {
    if (to > from) OMEN_TRY(omen_store_read(m->st, m->file, slot_names[m->slot], from, m->bytes.data + from, to - from, err));
    m->bytes.len = to;
    return OMEN_OK;
}

static omen_status room(omen_manifest *m, size_t len, omen_error *err) {
    omen_status s = len > m->bytes.len ? omen_buf_reserve(&m->bytes, len - m->bytes.len) : OMEN_OK;
    return s == OMEN_OK ? s : omen_fail(err, s, "out of memory for %s", slot_names[m->slot]);
}

static omen_status next_slot(omen_manifest *m, verdict v) {
    close_file(m);
    m->verdicts[m->slot] = v;
    m->st->slot_crcs[m->slot] = crc_of(m->bytes.data, m->bytes.len);
    m->bytes.len = 0;
    m->slot++;
    m->reading = m->slot < 2 ? READ_OPEN : READ_DONE;
    return OMEN_OK;
}

/* Keeps what the judged slot holds when it is the newest so far. */
static omen_status take(omen_manifest *m, omen_error *err) {
    verdict v = judge(m);
    if (v == SEALED) omen_sealed_label(m->bytes.data, m->bytes.len, m->label);
    if (v == VALID) {
        uint64_t generation = omen_get64(m->bytes.data + 16);
        memcpy(m->ids[m->slot], m->bytes.data + 24, 16);
        if (generation > m->generation) {
            m->payload.len = 0;
            if (omen_buf_append(&m->payload, m->bytes.data + SLOT_HEADER, m->bytes.len - SLOT_HEADER) != OMEN_OK)
                return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for %s", slot_names[m->slot]);
            m->generation = generation;
            memcpy(m->st->database_id, m->ids[m->slot], 16);
        }
    }
    return next_slot(m, v);
}

static omen_status read_slot(omen_manifest *m, omen_error *err) {
    const omen_storage *s = &m->st->storage;
    const char *name = slot_names[m->slot];
    if (m->reading == READ_OPEN) {
        omen_file *file = NULL;
        omen_status o = s->ops->open(s->ctx, name, OMEN_FILE_READ, &file);
        if (o == OMEN_ERR_NOT_FOUND) return next_slot(m, ABSENT);
        if (o == OMEN_ERR_CORRUPT) return next_slot(m, DAMAGED); /* a storage with checksums of its own says so itself */
        OMEN_TRY(omen_store_check(o, "open", name, err));
        m->file = file;
        OMEN_TRY(omen_store_check(s->ops->size(s->ctx, file, &m->file_size), "measure", name, err));
        m->bytes_wanted = (size_t)OMEN_MIN(m->file_size, SLOT_HEADER);
        OMEN_TRY(room(m, SLOT_HEADER, err));
        m->reading = READ_HEADER;
        return OMEN_OK;
    }
    if (m->reading == READ_HEADER) {
        omen_status r = read_some(m, 0, m->bytes_wanted, err);
        if (r == OMEN_ERR_CORRUPT) return next_slot(m, DAMAGED); /* a storage with checksums of its own says so itself */
        OMEN_TRY(r);
        uint64_t whole = m->bytes.len;
        if (m->bytes.len == SLOT_HEADER && memcmp(m->bytes.data, magic, sizeof magic) == 0) {
            uint32_t length = omen_get32(m->bytes.data + 40);
            if (length <= MAX_PAYLOAD) whole = OMEN_MIN(m->file_size, SLOT_HEADER + (uint64_t)length);
        }
        if (omen_sealed(m->bytes.data, m->bytes.len)) whole = OMEN_MIN(m->file_size, OMEN_SEALED_LABEL);
        m->bytes_wanted = (size_t)whole;
        OMEN_TRY(room(m, m->bytes_wanted, err));
        m->reading = READ_PAYLOAD;
        return OMEN_OK;
    }
    omen_status r = read_some(m, m->bytes.len, m->bytes_wanted, err);
    if (r == OMEN_ERR_CORRUPT) return next_slot(m, DAMAGED);
    OMEN_TRY(r);
    return take(m, err);
}

static omen_status choose(omen_manifest *m, omen_error *err) {
    const verdict *v = m->verdicts;
    if (v[0] == VALID && v[1] == VALID && memcmp(m->ids[0], m->ids[1], 16) != 0)
        return omen_fail(err, OMEN_ERR_CORRUPT, "manifest-0 and manifest-1 belong to two databases; files of one were copied over the other");
    /* A newer slot beside a valid one: the newer program's word counts, whatever the older generation says. */
    for (int i = 0; i < 2; i++) {
        if (v[i] == NEWER)
            return omen_fail(err, OMEN_ERR_VERSION, "%s was written by a newer OmenDB; upgrade this one", slot_names[i]);
    }
    if (m->generation > 0) return OMEN_OK;
    /* What the header of one says is believed, however damaged the other one's is. */
    bool sealed = v[0] == SEALED || v[1] == SEALED;
    if (sealed && m->label[0] != '\0') return omen_fail(err, OMEN_ERR_KEY, "the database is encrypted with the key \"%s\", and no key was given; open it with that key", m->label);
    if (sealed) return omen_fail(err, OMEN_ERR_KEY, "the database is encrypted with a key without an id, and no key was given; open it with its key");
    for (int i = 0; i < 2; i++) {
        if (v[i] == FOREIGN)
            return omen_fail(err, OMEN_ERR_FOREIGN, "%s is not a file of OmenDB; choose another path or name", slot_names[i]);
    }
    if (v[0] == ABSENT && (v[1] == ABSENT || v[1] == TORN)) return OMEN_OK; /* a new database */
    return omen_fail(err, OMEN_ERR_CORRUPT, "neither manifest-0 nor manifest-1 is valid");
}

omen_status omen_manifest_open(omen_store *st, omen_manifest **out, omen_error *err) {
    omen_manifest *m = *out;
    if (m == NULL) {
        m = omen_alloc_zero(st->mem, sizeof *m);
        if (m == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for the manifest");
        m->st = st;
        omen_buf_init(&m->payload, st->mem);
        omen_buf_init(&m->bytes, st->mem);
        *out = m;
    }
    omen_status s = OMEN_OK;
    while (s == OMEN_OK && m->reading != READ_DONE) s = read_slot(m, err);
    if (s == OMEN_PENDING) return s;
    if (s == OMEN_OK) s = choose(m, err);
    release_bytes(m);
    if (s != OMEN_OK) {
        omen_manifest_close(m);
        *out = NULL;
    }
    return s;
}

omen_status omen_manifest_anew(omen_store *st, const bool there[2], omen_manifest **out, omen_error *err) {
    omen_manifest *m = omen_alloc_zero(st->mem, sizeof *m);
    if (m == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for the manifest");
    m->st = st;
    m->reading = READ_DONE;
    for (int i = 0; i < 2; i++) m->verdicts[i] = there[i] ? DAMAGED : ABSENT;
    omen_buf_init(&m->payload, st->mem);
    omen_buf_init(&m->bytes, st->mem);
    *out = m;
    return OMEN_OK;
}

const char *omen_manifest_slot(const omen_manifest *m, uint32_t slot) {
    static const char *const names[] = {[ABSENT] = "absent", [TORN] = "torn", [DAMAGED] = "damaged", [FOREIGN] = "foreign", [SEALED] = "encrypted", [NEWER] = "newer", [VALID] = "valid"};
    return names[m->verdicts[slot]];
}

bool omen_manifest_slot_damaged(const omen_manifest *m, uint32_t slot) {
    verdict v = m->verdicts[slot];
    return v == DAMAGED || v == FOREIGN || v == SEALED;
}

bool omen_manifest_whole(const omen_manifest *m) {
    for (int i = 0; i < 2; i++)
        if (m->verdicts[i] != VALID && m->verdicts[i] != ABSENT) return false;
    return m->generation != 0;
}

uint64_t omen_manifest_generation(const omen_manifest *m) { return m->generation; }

void omen_manifest_payload(const omen_manifest *m, const uint8_t **data, size_t *len) {
    *data = m->payload.data;
    *len = m->payload.len;
}

void omen_manifest_close(omen_manifest *m) {
    if (m == NULL) return;
    close_file(m);
    omen_store_sync_dir_abandon(m->st, m);
    omen_buf_deinit(&m->payload);
    omen_buf_deinit(&m->bytes);
    omen_free(m->st->mem, m, sizeof *m);
}

omen_status omen_manifest_settle(omen_manifest *m, omen_error *err) {
    const omen_storage *s = &m->st->storage;
    const char *name = slot_names[m->generation & 1];
    if (m->generation == 0 || !OMEN_CONTROL(manifest_settle)) return OMEN_OK;
    if (m->settling == SETTLE_FILE) {
        omen_file *file = NULL;
        if (m->file == NULL) {
            OMEN_TRY(omen_store_check(s->ops->open(s->ctx, name, OMEN_FILE_WRITE, &file), "open", name, err));
            m->file = file;
        }
        OMEN_TRY(omen_store_check(s->ops->sync(s->ctx, m->file), "sync", name, err));
        close_file(m);
        m->settling = SETTLE_DIR;
    }
    if (m->settling == SETTLE_DIR) {
        OMEN_TRY(omen_store_sync_dir(m->st, m, err));
        m->settling = SETTLED;
    }
    return OMEN_OK;
}

/* ---- writing ---- */

static omen_status prepare(omen_manifest *m, const void *payload, size_t len, omen_error *err) {
    uint8_t header[SLOT_HEADER] = {0};
    if (len > MAX_PAYLOAD) return omen_fail(err, OMEN_ERR_TOO_LARGE, "the manifest holds at most %u bytes", MAX_PAYLOAD);
    m->slot = (uint32_t)((m->generation + 1) & 1);
    memcpy(header, magic, sizeof magic);
    omen_put32(header + 8, SLOT_VERSION);
    omen_put64(header + 16, m->generation + 1);
    memcpy(header + 24, m->st->database_id, 16);
    omen_put32(header + 40, (uint32_t)len);
    m->bytes.len = 0;
    OMEN_TRY(room(m, SLOT_HEADER + len, err));
    omen_put32(header + SLOT_CRC, crc_of(payload, len));
    omen_put32(header + SLOT_HEADER_CRC, crc_of(header, SLOT_HEADER_CRC));
    (void)omen_buf_append(&m->bytes, header, sizeof header); /* there is room */
    if (len > 0) (void)omen_buf_append(&m->bytes, payload, len);
    m->writing = WRITE_DIR;
    return OMEN_OK;
}

static omen_status advance(omen_manifest *m, omen_error *err) {
    const omen_storage *s = &m->st->storage;
    const char *name = slot_names[m->slot];
    switch (m->writing) {
    case WRITE_DIR:
        if (!m->twin && OMEN_CONTROL(manifest_sync_named)) OMEN_TRY(omen_store_sync_dir(m->st, m, err));
        m->writing = WRITE_OPEN;
        break;
    case WRITE_OPEN: {
        omen_file *file = NULL;
        omen_file_mode mode = m->verdicts[m->slot] == ABSENT ? OMEN_FILE_CREATE : OMEN_FILE_WRITE;
        OMEN_TRY(omen_store_check(s->ops->open(s->ctx, name, mode, &file), "open", name, err));
        m->file = file;
        m->writing = WRITE_SLOT;
        if (m->verdicts[m->slot] == ABSENT || m->verdicts[m->slot] == VALID || !OMEN_CONTROL(manifest_wipe)) break;
        OMEN_TRY(omen_store_check(s->ops->truncate(s->ctx, file, 0), "cut", name, err));
        m->writing = WRITE_WIPE;
        break;
    }
    case WRITE_WIPE:
        OMEN_TRY(omen_store_check(s->ops->sync(s->ctx, m->file), "sync", name, err));
        m->writing = WRITE_SLOT;
        break;
    case WRITE_SLOT:
        OMEN_TRY(omen_store_write(m->st, m->file, name, 0, m->bytes.data, m->bytes.len, err));
        if (m->verdicts[m->slot] != ABSENT) OMEN_TRY(omen_store_check(s->ops->truncate(s->ctx, m->file, m->bytes.len), "cut", name, err));
        m->writing = WRITE_SYNC;
        break;
    case WRITE_SYNC:
        if (OMEN_CONTROL(manifest_sync)) OMEN_TRY(omen_store_check(s->ops->sync(s->ctx, m->file), "sync", name, err));
        close_file(m);
        m->writing = WRITE_ENTRY;
        break;
    default: /* WRITE_ENTRY; WRITE_IDLE is nothing to go on from */
        if (m->verdicts[m->slot] == ABSENT && !m->twin && OMEN_CONTROL(manifest_sync_dir)) OMEN_TRY(omen_store_sync_dir(m->st, m, err));
        m->writing = WRITE_IDLE;
        break;
    }
    return OMEN_OK;
}

omen_status omen_manifest_write(omen_manifest *m, const void *payload, size_t len, omen_error *err) {
    if (m->poisoned)
        return omen_fail(err, OMEN_ERR_POISONED, "an earlier write of the manifest failed; reopen the database to recover what is durable");
    if (m->writing == WRITE_IDLE) OMEN_TRY(prepare(m, payload, len, err));
    while (m->writing != WRITE_IDLE) {
        omen_status s = advance(m, err);
        if (s == OMEN_PENDING) return s;
        if (s != OMEN_OK) {
            m->poisoned = true;
            close_file(m);
            return s;
        }
    }
    /* The new generation: its payload is what was written. */
    m->generation++;
    m->verdicts[m->slot] = VALID;
    omen_buf old = m->payload;
    m->payload = m->bytes;
    memmove(m->payload.data, m->payload.data + SLOT_HEADER, len);
    m->payload.len = len;
    m->bytes = old;
    m->twin = false;
    release_bytes(m);
    return OMEN_OK;
}

/* ---- founding ---- */

bool omen_manifest_single(const omen_manifest *m) { return m->generation == 1 && (m->verdicts[0] == ABSENT || m->verdicts[0] == TORN); }

omen_status omen_manifest_found(omen_manifest *m, const void *payload, size_t len, omen_error *err) {
    if (m->generation == 0) OMEN_TRY(omen_manifest_write(m, payload, len, err));
    while ((m->verdicts[0] != VALID || m->verdicts[1] != VALID) && OMEN_CONTROL(manifest_twin)) {
        m->twin = true;
        OMEN_TRY(omen_manifest_write(m, m->payload.data, m->payload.len, err));
    }
    return OMEN_OK;
}
