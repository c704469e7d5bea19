/* Places on the sphere. Within a distance means haversine(angle) <= haversine(radius / R), which needs neither a root nor an inverse sine for each record. */
#include "base/math.h"
#include "column/filter.h"

#define RADIUS 6371008.8 /* metres: the mean radius (2a + b) / 3 of WGS 84, as IUGG defines it */
#define DEGREE (OMEN_PI / 180.0)
#define SLACK 1e-6 /* degrees (0.1 m) that bounds reach further than they must: far more than everything here rounds */

static double square(double x) { return x * x; }
static bool on_earth(double lon, double lat) { return lon >= -180.0 && lon <= 180.0 && lat >= -90.0 && lat <= 90.0; }

void omen_circle_make(omen_filter_circle *c, double lon, double lat, double metres) {
    double angle = metres / RADIUS;
    bool all = !(angle < OMEN_PI);
    *c = (omen_filter_circle){.lon = lon, .lat = lat, .metres = metres, .cos_lat = omen_cos(lat * DEGREE), .limit = all ? 2.0 : square(omen_sin(angle / 2.0))};
    omen_filter_box *b = &c->bounds;
    *b = (omen_filter_box){-180.0, -90.0, 180.0, 90.0};
    if (all) return;
    double up = angle / DEGREE + SLACK;
    if (lat - up > -90.0) b->south = lat - up;
    if (lat + up < 90.0) b->north = lat + up;
    if (lat - up <= -90.0 || lat + up >= 90.0) return; /* a pole is inside: every meridian is met */
    /* The meridians that touch a circle around (lon, lat): sin(difference) = sin(angle) / cos(lat). */
    double ratio = omen_sin(angle) / c->cos_lat;
    if (!(ratio < 1.0 - 1e-12)) return;
    double aside = omen_asin(ratio) / DEGREE + SLACK;
    b->west = lon - aside < -180.0 ? lon - aside + 360.0 : lon - aside;
    b->east = lon + aside > 180.0 ? lon + aside - 360.0 : lon + aside;
}

bool omen_circle_has(const omen_filter_circle *c, double lon, double lat) {
    if (!on_earth(lon, lat) || lat < c->bounds.south || lat > c->bounds.north) return false;
    double h = square(omen_sin((lat - c->lat) * DEGREE / 2.0)) + c->cos_lat * omen_cos(lat * DEGREE) * square(omen_sin((lon - c->lon) * DEGREE / 2.0));
    return h <= c->limit;
}

static bool between_meridians(const omen_filter_box *b, double lon) {
    return b->west <= b->east ? lon >= b->west && lon <= b->east : lon >= b->west || lon <= b->east;
}

bool omen_box_has(const omen_filter_box *b, double lon, double lat) {
    if (!on_earth(lon, lat) || lat < b->south || lat > b->north) return false;
    /* 180 and -180 are one meridian. */
    return between_meridians(b, lon) || ((lon == 180.0 || lon == -180.0) && between_meridians(b, -lon));
}
