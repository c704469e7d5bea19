/* log_format.h - the bytes of a log file, log-<epoch>.
 *
 * A file is a run of frames, each starting at a multiple of 8. All numbers are little-endian.
 *
 *   offset  bytes  a frame
 *        0      4  magic         4f 4d 4c 46, "OMLF"
 *        4      2  version       of the log's format, OMEN_LOG_VERSION
 *        6      1  type          OMEN_FRAME_*, not 0
 *        7      1  flags         bit 0 COMMIT: the batch ends with this frame; others 0
 *        8      8  epoch         the one in the file's name
 *       16      8  first_lsn     of the first record of the frame; with count 0: the LSN the next record will have. At least 1
 *       24      8  durable_lsn   every record up to it was durable when the frame was made. Below first_lsn
 *       32      4  length        bytes of payload, at most OMEN_FRAME_MAX_PAYLOAD
 *       36      4  count         records in the frame
 *       40      4  previous_crc  crc of the frame before; in the first frame of a file: of the last frame kept of the epoch
 *                                before it, or 0 when there is none
 *       44      4  crc           CRC32C of: the database's id (16 bytes), the epoch (8 bytes), bytes 0 to 43 of this header,
 *                                the payload, its padding
 *       48 length  payload
 *               n  zeros up to a multiple of 8
 *
 * The first frame of a file is OPEN: COMMIT set, count 0, the database's id as its payload. No other frame is OPEN.
 *
 * A frame by itself is valid if and only if its magic, type, epoch, first_lsn, durable_lsn and length are as said here, it lies
 * wholly inside the file, its crc is right, and (in version 1) no unknown flag is set. In its place it must also carry the
 * previous_crc and the first_lsn that follow from the frame before it. Because the crc starts from the database's id and the
 * epoch, and because each frame names the one before it, bytes that lay on the disk before (of another database, of another
 * epoch, of a write that was cut off) are never taken for frames.
 *
 * Later versions keep the magic, the header's layout, the rule of the crc and the padding. A valid frame of a later version is
 * therefore recognised as such and answered with OMEN_ERR_VERSION, while a damaged version field is a damaged frame.
 *
 * Reading (log_recovery.c): frames are taken in order until one is not valid in its place. A batch counts when its COMMIT frame
 * has been read. What follows the last COMMIT is lost; `lost` is then the first LSN after it. The rest of the file is searched for
 * frames that are valid by themselves, at every multiple of 8, and so are the files of later epochs that do not link to the
 * last frame kept. Does one of them say durable_lsn >= lost, or does the manifest, then a durable record is missing: corruption.
 * Otherwise nothing that is lost was ever acknowledged as durable: a torn tail, cut off. A later file that does link to the last
 * frame kept was made by a recovery that had come to the same judgement; reading goes on there.
 *
 * Logs that hold no record: a database that is opened and not written to leaves a file of one frame. When that is damaged or gone, the file after it names a
 * frame that nobody has. Its own first frame says which LSN comes next: when that is the one expected after what was kept, all LSNs before it are there, and the file
 * between them held none. It is passed over then; with one LSN more it would be a loss. (Where nothing is kept yet, what the manifest says of segments
 * takes the place of what was kept.) That holds only where there was a file between them: two files that stand side by side must link by the crc.
 *
 * What can be told from a torn tail, and what cannot. Damage is any change of bytes, cut or removal of a log that a crash did not make. All of it
 * is detected, and answered with OMEN_ERR_CORRUPT, where it takes away a record
 *   - that came before the last sync but one: the frames after it say in durable_lsn that it was durable;
 *   - or before any manifest was written (flush, merge, index): the manifest says what was durable, too;
 *   - or at all, when the database was closed: a close writes that into the manifest (db/proof.c). Then the log may be cut, emptied or
 *     removed and the loss is noticed.
 * One case cannot be told: the database was killed or lost power, and after that and before it is opened again the frames of its last sync are
 * damaged. Nothing was written after that sync which could vouch for it (it would have cost every commit a second sync), and sectors reach a disk in any
 * order, so that a frame with a wrong byte in the middle is what a crash can leave of a write that nobody was promised. It is then taken for
 * that: what follows the last whole batch before it is cut off, and the number of bytes is reported. Opening proves what it kept by
 * the manifest of its close, or by the first sync after it, whose frames say so.
 */
#ifndef OMEN_STORE_LOG_FORMAT_H
#define OMEN_STORE_LOG_FORMAT_H

#include "store/log.h"

#define OMEN_LOG_MAGIC 0x464c4d4fu
#define OMEN_LOG_VERSION 1u
#define OMEN_LOG_COMMIT 1u
#define OMEN_LOG_ALIGN 8u

typedef struct omen_log_header {
    uint32_t magic;
    uint16_t version;
    uint8_t type;
    uint8_t flags;
    uint64_t epoch;
    uint64_t first_lsn;
    uint64_t durable_lsn;
    uint32_t length;
    uint32_t count;
    uint32_t previous_crc;
    uint32_t crc;
} omen_log_header;

/* The struct is the header: hosts are little-endian (base.h), and nothing in it is padded. */
_Static_assert(sizeof(omen_log_header) == 48, "frame header");
_Static_assert(offsetof(omen_log_header, version) == 4, "version");
_Static_assert(offsetof(omen_log_header, type) == 6, "type");
_Static_assert(offsetof(omen_log_header, flags) == 7, "flags");
_Static_assert(offsetof(omen_log_header, epoch) == 8, "epoch");
_Static_assert(offsetof(omen_log_header, first_lsn) == 16, "first_lsn");
_Static_assert(offsetof(omen_log_header, durable_lsn) == 24, "durable_lsn");
_Static_assert(offsetof(omen_log_header, length) == 32, "length");
_Static_assert(offsetof(omen_log_header, count) == 36, "count");
_Static_assert(offsetof(omen_log_header, previous_crc) == 40, "previous_crc");
_Static_assert(offsetof(omen_log_header, crc) == 44, "crc comes last, so that it covers what stands before it");
_Static_assert(OMEN_FRAME_MAX_PAYLOAD % OMEN_LOG_ALIGN == 0, "a padded payload fits 32 bits");

#define OMEN_LOG_HEADER sizeof(omen_log_header)

/* Bytes of payload and padding. */
static inline size_t omen_log_body(uint32_t length) { return (size_t)omen_round_up(length, OMEN_LOG_ALIGN); }

/* Where every crc of an epoch starts. */
uint32_t omen_log_seed(const uint8_t database_id[16], uint64_t epoch);

/* Whether a header may be one of this epoch's, with `room` bytes (OMEN_LOG_HEADER at least) from its first byte to the end of the file. Says
 * nothing about its crc. */
bool omen_log_plausible(const omen_log_header *h, uint64_t epoch, uint64_t room);

#endif
