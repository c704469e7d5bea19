/* things_fixture.h - a database "db" with a collection "things" of one field of vectors, on a host whose storage is looked into and damaged. */
#ifndef OMEN_THINGS_FIXTURE_H
#define OMEN_THINGS_FIXTURE_H

#include "fault_host.h"
#include "omendb.h"

static inline omen_options options_of(fault_host *h) {
    omen_options o;
    omen_options_init(&o);
    o.host = &h->host;
    o.pool_bytes = 1 << 20;
    o.create = 1;
    o.manual_maintenance = 1;
    return o;
}

/* *db may be open although the collection is not. */
static inline omen_status open_plain_things(fault_host *h, uint32_t dimensions, omen_db **db, omen_collection **c) {
    omen_options o = options_of(h);
    const omen_vector_field field = {.name = {"", 0}, .dimensions = dimensions, .metric = OMEN_METRIC_L2};
    omen_schema s;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &field;
    *db = NULL;
    *c = NULL;
    omen_status st = omen_open("db", &o, db);
    return st != OMEN_OK ? st : omen_collection_open(*db, OMEN_STR("things"), &s, c);
}

#endif
