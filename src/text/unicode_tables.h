/* Made by cmake/tools/unicode_tables.py from the Unicode Character Database 15.1.0; do not edit. */
#ifndef OMEN_TEXT_UNICODE_TABLES_H
#define OMEN_TEXT_UNICODE_TABLES_H

#include <stdint.h>

enum {
    OMEN_UNICODE_VERSION = 1501, /* 15.1.0 */
    OMEN_UNICODE_RUNS = 836,
    OMEN_UNICODE_FOLDS = 220,
    OMEN_UNICODE_MARKS = 78,
    OMEN_UNICODE_PAIRS = 588,
    OMEN_UNICODE_PLAINS = 116,
};
extern const uint8_t omen_unicode_lengths[927];
extern const uint8_t omen_unicode_kinds[418];
extern const uint8_t omen_unicode_folds[810];
extern const uint8_t omen_unicode_marks[206];
extern const uint8_t omen_unicode_pairs[1991];
extern const uint8_t omen_unicode_letters[246];
extern const uint8_t omen_unicode_ligatures[21];
extern const uint8_t omen_unicode_halves[58];

#endif
