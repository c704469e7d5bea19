#include "base/mem.h"

void omen_mem_init(omen_mem *m, const omen_host *host, uint64_t limit) {
    m->host = host;
    atomic_init(&m->bytes, 0);
    atomic_init(&m->peak, 0);
    m->limit = limit;
}

/* Counts `size` more bytes, unless that would break the limit. */
static bool charge(omen_mem *m, uint64_t size) {
    uint64_t now = atomic_fetch_add_explicit(&m->bytes, size, memory_order_relaxed) + size;
    if (m->limit != 0 && now > m->limit) {
        atomic_fetch_sub_explicit(&m->bytes, size, memory_order_relaxed);
        return false;
    }
    uint64_t peak = atomic_load_explicit(&m->peak, memory_order_relaxed);
    while (now > peak && !atomic_compare_exchange_weak_explicit(&m->peak, &peak, now, memory_order_relaxed, memory_order_relaxed)) {
    }
    return true;
}

static void discharge(omen_mem *m, uint64_t size) { atomic_fetch_sub_explicit(&m->bytes, size, memory_order_relaxed); }

void *omen_alloc(omen_mem *m, size_t size) {
    if (size == 0 || size > SIZE_MAX / 2 || !charge(m, size)) return NULL;
    void *p = m->host->alloc(m->host->ctx, size);
    if (p == NULL) discharge(m, size);
    return p;
}

void *omen_alloc_zero(omen_mem *m, size_t size) {
    void *p = omen_alloc(m, size);
    if (p != NULL) memset(p, 0, size);
    return p;
}

void *omen_resize(omen_mem *m, void *p, size_t old_size, size_t new_size) {
    if (p == NULL) return omen_alloc(m, new_size);
    if (new_size == 0 || new_size > SIZE_MAX / 2) return NULL;
    if (new_size > old_size && !charge(m, new_size - old_size)) return NULL;
    void *n = m->host->resize(m->host->ctx, p, old_size, new_size);
    if (n == NULL) {
        if (new_size > old_size) discharge(m, new_size - old_size);
        return NULL;
    }
    if (new_size < old_size) discharge(m, old_size - new_size);
    return n;
}

void omen_free(omen_mem *m, void *p, size_t size) {
    if (p == NULL) return;
    m->host->free(m->host->ctx, p, size);
    discharge(m, size);
}
