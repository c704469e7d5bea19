/* fault_host.h - a complete omen_host for tests: counted memory that runs out as asked, a clock that ticks by calls, entropy from a
 * seed, locks, and storages that are images of fault_storage.h, opened by name. Nothing in it depends on the machine.
 *
 *     fault_host *h = fault_host_new(seed);
 *     fault_storage *fs = fault_host_image(h, "db");          made when it is not there; belongs to h
 *     options.host = &h->host;  omen_open("db", &options, &db);
 *     ...
 *     fault_host_set_image(h, "db", fault_storage_crash(fs, FAULT_CRASH_RANDOM, seed));   the machine comes back
 *     CHECK_EQ_UINT(fault_host_bytes(h), 0);                  nothing leaked
 *     fault_host_free(h);
 *
 * storage_open gives OMEN_ERR_BUSY while another session has the image open for writing, OMEN_ERR_NOT_FOUND for an empty image
 * without OMEN_STORAGE_CREATE.
 */
#ifndef OMEN_FAULT_HOST_H
#define OMEN_FAULT_HOST_H

#include "fault_storage.h"

#define FAULT_HOST_IMAGES 16

typedef struct fault_host {
    omen_host host;
    struct fault_host_state *state;
} fault_host;

fault_host *fault_host_new(uint64_t seed);
void fault_host_free(fault_host *h); /* its images too */

fault_storage *fault_host_image(fault_host *h, const char *name);
/* Replaces the image (the old one is freed: its sessions are over). Takes fs. */
void fault_host_set_image(fault_host *h, const char *name, fault_storage *fs);

/* The host is single-threaded (no locks, threads 1) until this is called. */
void fault_host_use_locks(fault_host *h);
/* Whether blocking functions may wait for pending requests: true at first. */
void fault_host_set_wait(fault_host *h, bool can_wait);
/* Wall time stands still at `ms`, until it is set again; at first it goes on with the calls. */
void fault_host_set_wall(fault_host *h, int64_t ms);
/* Whether new memory is filled with one pattern and freed memory with another: true at first. Tests that open a great many databases do without. */
void fault_host_set_fill(fault_host *h, bool fill);
/* The nth allocation from now fails; with `sticky` all after it too. 0: none. */
void fault_host_fail_alloc_at(fault_host *h, uint64_t n, bool sticky);
uint64_t fault_host_allocs(const fault_host *h); /* alloc and resize calls so far */
uint64_t fault_host_bytes(const fault_host *h);  /* allocated and not freed */
uint64_t fault_host_peak(const fault_host *h);   /* the most there was at once */
bool fault_host_fault_hit(const fault_host *h);

#endif
