/* log_scan.h - reading one log file: a window over its bytes, and the check of one frame at one place. Recovery's eyes;
 * log_recovery.c is its judgement. */
#ifndef OMEN_STORE_LOG_SCAN_H
#define OMEN_STORE_LOG_SCAN_H

#include "store/log_format.h"

typedef struct omen_log_scan {
    omen_store *st;
    omen_file *file;
    omen_file_name name;
    uint64_t epoch, size;
    uint32_t seed;
    uint8_t *window; /* OMEN_LOG_WINDOW bytes */
    uint64_t window_at;
    size_t window_len;
    /* A frame being checked. */
    bool in_frame;
    omen_log_header header;
    size_t body_done;
    uint32_t crc;
    uint64_t checked; /* bytes of all frames whose crc was computed and wrong */
} omen_log_scan;

#define OMEN_LOG_WINDOW (256u << 10)

/* The scan's memory; the file is opened and closed by the caller, who sets it with omen_log_scan_file. */
omen_status omen_log_scan_init(omen_log_scan *s, omen_store *st, omen_error *err);
void omen_log_scan_deinit(omen_log_scan *s);
void omen_log_scan_file(omen_log_scan *s, omen_file *file, uint64_t epoch, uint64_t size);

typedef enum omen_log_found { OMEN_LOG_BAD, OMEN_LOG_FRAME, OMEN_LOG_NEWER } omen_log_found;

/* Is the frame at `at` (a multiple of 8, below size) valid by itself? Step: repeat on PENDING. The header is in s->header. With `keep`
 * its payload and padding are appended to `keep`, also those of a frame that then turns out to be bad. */
omen_status omen_log_scan_frame(omen_log_scan *s, uint64_t at, omen_buf *keep, omen_log_found *found, omen_error *err);

/* Moves *at, a multiple of 8, to the next place that starts with the magic, or to at least size when there is none. Step: repeat on
 * PENDING. */
omen_status omen_log_scan_seek(omen_log_scan *s, uint64_t *at, omen_error *err);

#endif
