/* log.h - the write-ahead log: writer of one epoch's file, and recovery over all epochs.
 *
 * The format is described above its code in log_format.h (owner of byte offsets and of "valid if and only if").
 * LSN: number of a record (one put or delete), counted from 1 over the database's whole life. A frame of count n starting at
 * first_lsn holds LSNs first_lsn .. first_lsn + n - 1; a frame with count 0 holds no record (an epoch's opening frame).
 */
#ifndef OMEN_STORE_LOG_H
#define OMEN_STORE_LOG_H

#include "store/store.h"

/* Types of a frame's payload. The store does not look inside; recovery hands them on. */
enum { OMEN_FRAME_OPEN = 1 /* first of an epoch, written by the log itself */, OMEN_FRAME_RECORDS = 2, OMEN_FRAME_SCHEMA = 3 };
/* Largest payload of one frame; larger ones are OMEN_ERR_TOO_LARGE (callers split batches). */
#define OMEN_FRAME_MAX_PAYLOAD (64u << 20)

typedef struct omen_log omen_log;

typedef struct omen_span { const void *data; size_t len; } omen_span;

typedef struct omen_log_metrics {
    omen_counter frames, bytes, syncs, sync_failures;
    omen_histogram sync_duration;
} omen_log_metrics;

/* Creates the file of a new epoch (never one that exists), makes its directory entry durable and stages its opening frame. previous_crc
 * links it to the last frame of the epoch before (0 for the first). next_lsn is the first LSN it will hold. Step: repeat on PENDING with
 * the same *out, which is NULL at first; omen_log_close gives up a creation under way. On failure *out is freed and NULL. The opening
 * frame is not yet durable. */
omen_status omen_log_create(omen_store *st, omen_log_metrics *m, uint64_t epoch, uint64_t next_lsn, uint64_t durable_lsn,
                            uint32_t previous_crc, omen_log **out, omen_error *err);

/* Appends one frame made of `parts`, back to back. last: the batch ends here (COMMIT). durable_lsn: what the database knows to be durable now.
 * The frame goes into a memory buffer first; the buffer is handed to the host when it reaches 256 KiB or at omen_log_write_out.
 * first_lsn continues where the last frame ended and durable_lsn lies below it, otherwise OMEN_ERR_INTERNAL. A change that must not be
 * lost unnoticed takes at least one LSN (count >= 1): only then can a later durable_lsn prove it lost.
 * Never pends. On failure the log is poisoned: every later call answers OMEN_ERR_POISONED. */
omen_status omen_log_append(omen_log *log, uint32_t type, bool last, uint64_t first_lsn, uint32_t count, uint64_t durable_lsn,
                            const omen_span *parts, size_t part_count, omen_error *err);
/* Hands what is buffered to the host (write_at). */
omen_status omen_log_write_out(omen_log *log, omen_error *err);
/* Makes durable everything handed to the host before the first call of this sync; step: repeat on PENDING (the host call is the
 * same). Thread-safe against append and write_out of another thread (the caller serialises those two among themselves, and
 * syncs among themselves). */
omen_status omen_log_sync(omen_log *log, omen_error *err);
uint64_t omen_log_epoch(const omen_log *log);
uint64_t omen_log_size(const omen_log *log);     /* bytes appended, buffered ones included */
uint64_t omen_log_unsynced(const omen_log *log); /* bytes appended, less those the last finished sync made durable */
uint32_t omen_log_last_crc(const omen_log *log);
omen_mem *omen_log_mem(const omen_log *log); /* for what a frame is assembled in */
bool omen_log_poisoned(const omen_log *log);
/* Bytes of the file as they lie in it, of what was handed to the host; *got < len only at its end. [may pend] */
omen_status omen_log_raw(const omen_log *log, uint64_t offset, void *into, size_t len, size_t *got, omen_error *err);
void omen_log_close(omen_log *log); /* closes the file without syncing; NULL is fine */

/* ---- recovery ---- */

typedef struct omen_recovered_frame {
    uint64_t epoch;
    uint32_t type;
    bool last;               /* carries COMMIT */
    uint64_t first_lsn;
    uint32_t count;
    const uint8_t *payload;  /* borrowed during the callback, 8-byte aligned */
    size_t len;
} omen_recovered_frame;

typedef struct omen_recovery omen_recovery;

typedef struct omen_recovery_result {
    uint64_t last_epoch;     /* of the files seen, 0 if none */
    uint64_t next_lsn;       /* after the last committed record */
    uint32_t last_crc;       /* CRC of the last frame kept, for the next epoch's opening frame */
    uint64_t frames, bytes;  /* kept */
    uint64_t torn_bytes;     /* cut off: never acknowledged */
    uint64_t dropped_frames; /* salvage alone: valid, and not kept */
} omen_recovery_result;

/* Replays the log files of epochs >= first_epoch, in order, calling `each` for every frame of committed batches only (the frames of
 * a batch are called together, when its COMMIT has been seen; frames of an unfinished batch are dropped). floor_lsn: highest LSN the
 * manifest proves durable. A bad frame is a torn tail unless a later valid frame (same or later epoch) or floor_lsn proves that a lost
 * record was durable: then OMEN_ERR_CORRUPT with file and offset. Torn tails are cut by truncation (and later epochs without proof removed)
 * unless read_only. OMEN_PENDING of `each` is passed on, and the frame handed on again by the next step; any
 * other answer but OK ends recovery with it. A missing epoch between two is judged by the same rule.
 * previous_crc: what the first epoch's opening frame must link to is not known; links are checked between frames and epochs.
 * Opening frames are not handed to `each`. A file of first_epoch must have been created before the manifest that names it was
 * written: where it is missing although a later epoch is there that holds more than what comes after floor_lsn, that is corruption. But a file that
 * is damaged or missing, wherever it stands, is passed over where the next one proves that it held no record, but for what is in segments: it is spare.
 * When recovery ends with OK, everything it handed on is durable (a crashed program may have left it in the system's cache), and what it
 * cut off and removed is durably gone, so that a new epoch may be created after it; read_only recovery promises neither. */
omen_status omen_recovery_new(omen_store *st, uint64_t first_epoch, uint64_t floor_lsn, bool read_only,
                              omen_status (*each)(void *arg, const omen_recovered_frame *f, omen_error *err), void *arg,
                              omen_recovery **out);
/* Says, before the first step, that every record up to `lsn` was durable: those after floor_lsn must be in the logs. */
void omen_recovery_prove(omen_recovery *r, uint64_t lsn);
/* A place of the logs that is damaged, although what lay there was durable or other frames follow. LSNs from_lsn to to_lsn were there; none when to_lsn is less. */
typedef struct omen_log_gap {
    uint64_t epoch, offset, bytes, from_lsn, to_lsn;
    bool sealed; /* the storage cannot read the file at all; its size is not known */
} omen_log_gap;
/* Before the first step: damage is told to `each` and does not end recovery. With `later`, reading goes on behind it at the next valid frame: LSNs are missing
 * then, and of a batch that had several frames only the last ones may be there. Without it, what was kept before the damage is all; what valid frames there
 * were after it is counted in dropped_frames. The files are left as they are, and nothing is made durable: the caller keeps what it was handed elsewhere,
 * and then begins an epoch after last_epoch. */
typedef struct omen_log_salvage { bool later; void (*each)(void *arg, const omen_log_gap *gap); void *arg; } omen_log_salvage;
void omen_recovery_salvage(omen_recovery *r, const omen_log_salvage *s);
/* For `each`, which may keep in files of its own what it was handed, and say so in the manifest before recovery ends: makes durable all that the log holds up to the
 * frame that is being handed on, so that nothing outruns its log. Step: repeat on PENDING, which `each` passes on. Not when read_only. */
omen_status omen_recovery_settle(omen_recovery *r, omen_error *err);
/* Files of epochs before this one were removed by `each`: they are no longer the recovery's. */
void omen_recovery_forget(omen_recovery *r, uint64_t epoch);
omen_status omen_recovery_step(omen_recovery *r, omen_error *err); /* repeat on PENDING */
const omen_recovery_result *omen_recovery_result_of(const omen_recovery *r);
/* After the last step: files that were damaged, and are spare; *at is 0 at first. false: no more. bytes: 0 where it is not known. */
bool omen_recovery_spare(const omen_recovery *r, size_t *at, uint64_t *epoch, uint64_t *bytes);
void omen_recovery_free(omen_recovery *r);

#endif
