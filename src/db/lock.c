#include "db/db.h"

omen_status omen_lock_init(omen_lock *l, const omen_host *host) {
    *l = (omen_lock){.host = host};
    if (host->lock_new == NULL) return OMEN_OK;
    l->handle = host->lock_new(host->ctx);
    return l->handle == NULL ? OMEN_ERR_MEMORY : OMEN_OK;
}

void omen_lock_deinit(omen_lock *l) {
    if (l->handle != NULL) l->host->lock_free(l->host->ctx, l->handle);
    l->handle = NULL;
}
