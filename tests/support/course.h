/* course.h - seeded courses of operations over a tiny database, and what must be there whatever becomes of it: for tests that lose power at every
 * call, and for simulations.
 *
 * A course has two collections: "kept" (records with vectors, documents, a time to live and, where asked for, words and an index by name) and "loose" (which comes and goes). Every
 * operation moves the course from one state to the next, or leaves it in the same one, as a whole. States are remembered, so that a
 * database found later can be compared: it must be in one of the states from `durable` (or `acked`, where the operating system survived) to `begun`.
 */
#ifndef OMEN_TEST_COURSE_H
#define OMEN_TEST_COURSE_H

#include "fault_host.h"
#include "omendb.h"

enum { COURSE_COLLECTIONS = 2, COURSE_IDS = 8, COURSE_DIMS = 2, COURSE_CROWD = 66 };

/* Of each record: 0 not there; else the operation that wrote its vector and the one that wrote its document's "v". */
typedef struct course_record { uint16_t put, version; } course_record;
typedef struct course_state {
    uint8_t there[COURSE_COLLECTIONS], crowd; /* crowd: records without a document are in "kept", COURSE_CROWD of them */
    course_record records[COURSE_COLLECTIONS][COURSE_IDS];
} course_state;

typedef struct course_options {
    omen_durability durability;
    bool words;            /* a field of text and one of sparse vectors */
    bool crowd;            /* as many records as an index needs are written first, and stay */
    bool by_steps;         /* maintenance runs when an operation of the course says so */
    omen_index_kind index; /* of "kept" */
} course_options;

typedef struct course {
    course_options options;
    uint64_t rng;
    omen_db *db;
    omen_collection *c[COURSE_COLLECTIONS]; /* NULL: not open */
    course_state *states;
    size_t count, cap;                       /* states so far; the last is the one after the operation that is under way */
    size_t begun, acked, durable;            /* numbers of states */
    unsigned steps;
    bool opened;
    const char *why;                         /* what was wrong with what was found */
} course;

void course_init(course *x, uint64_t seed, const course_options *options);
void course_deinit(course *x); /* closed */
/* Opens "db" of a host, and both collections when they are there; creates "kept". When the course has been here before, what is found must be one of the states that are
 * allowed (OMEN_ERR_INTERNAL if not); the course goes on from it: it is acknowledged and durable. */
omen_status course_open(course *x, fault_host *h);
/* Closes, whatever state it is in. */
void course_close(course *x);
/* The program ends without a word; the machine goes on. */
void course_kill(course *x, fault_storage *fs);
/* The same in the middle of an operation: at the nth call of the storage from now, or a few operations later if there are not that many. */
void course_kill_within(course *x, fault_storage *fs, uint64_t n);
/* One operation, drawn by the seed. On a failure the course stands still: close it, and begin again with what is found. */
omen_status course_step(course *x);
/* What the next step would do: for messages. */
const char *course_last(const course *x);

/* Reads everything, by scroll, get, count, search and filter, which must agree. False, with why, when they do not or an answer is wrong. */
bool course_read(omen_db *db, const course_options *options, bool thorough, course_state *out, const char **why);
/* Whether one of the states from `from` to `to` is this one; answers its number, or SIZE_MAX. The newest first. */
size_t course_find(const course *x, const course_state *state, size_t from, size_t to);

#endif
