/* columns_time.h - RFC 3339 times as instants. */
#ifndef OMEN_COLUMN_COLUMNS_TIME_H
#define OMEN_COLUMN_COLUMNS_TIME_H

#include "base/base.h"

/* Microseconds since 1970-01-01T00:00:00Z of "YYYY-MM-DDThh:mm:ss[.digits](Z|+hh:mm|-hh:mm)" (RFC 3339, section 5.6; "T", "Z" in either case),
 * years 0000 to 9999 of the proleptic Gregorian calendar. False for anything else, for a second 60, for digits beyond the
 * sixth that are not 0: what is answered is the instant exactly. */
bool omen_time_parse(omen_str text, int64_t *out);

#endif
