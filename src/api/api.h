/* api/ - argument checks and hand-over, nothing else: the C functions of omendb.h, and the calls in steps. */
#ifndef OMEN_API_API_H
#define OMEN_API_API_H

#include "db/admin.h"
#include "db/read.h"

struct omen_collection {
    omen_db *db;
    omen_coll *coll;
};

/* Defined by the platform (native/host, wasm/): the host when the options name none (NULL: there is none), and what is told of databases
 * whose maintenance is not manual, right after open and before close. */
const omen_host *omen_platform_host(void);
bool omen_platform_cares(const omen_db *db);
void omen_platform_nap(void); /* about a millisecond, where a thread can sleep */
void omen_platform_opened(omen_db *db);
void omen_platform_closing(omen_db *db);

/* Keeps the detail of a failure for omen_last_error; answers s. */
omen_status omen_told(omen_status s, const omen_error *err);

/* Waits on the host for what pends; OMEN_ERR_UNSUPPORTED where it cannot wait. */
omen_status omen_await(const omen_host *host, omen_error *err);

/* Steps `expr` until it does not pend; `s` is the outcome. */
#define OMEN_DRIVE(host, s, expr, err)                                \
    do {                                                              \
        while (((s) = (expr)) == OMEN_PENDING) {                      \
            omen_status waited_ = omen_await((host), (err));          \
            if (waited_ != OMEN_OK) {                                 \
                (s) = waited_;                                        \
                break;                                                \
            }                                                         \
        }                                                             \
    } while (0)

/* Fills what the options leave to the profile and the platform, and checks them. OMEN_ERR_INVALID, _UNSUPPORTED. */
omen_status omen_options_resolve(const omen_options *given, omen_options *out, omen_error *err);
/* The same of whatever opens a path into *out, which must not be NULL; refused, it releases the storage that was handed over. */
omen_status omen_open_args(const char *path, const omen_options *given, void *out, omen_options *options, omen_error *err);

#endif
