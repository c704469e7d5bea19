/* progress.c - one line on standard error that says how far a long work is. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

#define WIDTH 30
#define EVERY_NS 100000000u

static struct {
    bool on, shown, terminal;
    const char *what;
    uint64_t total, done, records, begun, last;
} bar;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void show(void) {
    double seconds = (double)(now() - bar.begun) / 1e9;
    double rate = seconds > 0 ? (double)bar.records / seconds : 0;
    bar.shown = true;
    fprintf(stderr, "\r%s ", bar.what);
    if (bar.total != 0) {
        uint64_t done = bar.done < bar.total ? bar.done : bar.total;
        int full = (int)((double)done / (double)bar.total * WIDTH);
        char cells[WIDTH + 1];
        memset(cells, '.', WIDTH);
        memset(cells, '#', (size_t)full);
        cells[WIDTH] = '\0';
        fprintf(stderr, "[%s] %3d%%  ", cells, (int)((double)done * 100 / (double)bar.total));
    }
    fprintf(stderr, "%llu records, %.0f/s   ", (unsigned long long)bar.records, rate);
    fflush(stderr);
}

void cli_progress_begin(const char *what, uint64_t total) {
    memset(&bar, 0, sizeof bar);
    bar.on = (isatty(STDERR_FILENO) && !cli_given("no-progress") && !cli_given("quiet")) || cli_given("progress");
    bar.what = what;
    bar.total = total;
    bar.begun = bar.last = now();
}

void cli_progress(uint64_t done, uint64_t records) {
    bar.done = done;
    bar.records = records;
    if (!bar.on || now() - bar.last < EVERY_NS) return;
    bar.last = now();
    show();
}

void cli_progress_end(void) {
    if (!bar.on) return;
    if (bar.shown || bar.records != 0) {
        show();
        fputc('\n', stderr);
    }
    bar.on = false;
}
