/* report.h - the numbers a test program has to tell: how many disk images it crashed, calls it let fail, inputs it ran.
 *
 * `./dev test --report` sums them over all programs and ends with one JSON object of them; the keys are listed in
 * cmake/dev/report.sh, and one that is not listed there makes the run fail. Report what was done, at the end of the
 * test that did it.
 */
#ifndef OMEN_TEST_REPORT_H
#define OMEN_TEST_REPORT_H

#include <stdbool.h>
#include <stdint.h>

/* Appends "KEY N" to the file that the environment variable OMEN_TEST_REPORT names; without it nothing happens. In
 * WebAssembly, which may have no file system, it prints "REPORT KEY N" on a line of its own, and the runner collects it.
 * Ends the program when the file cannot be written: a number that is lost would look like work not done. */
void omen_test_report(const char *key, uint64_t n);

/* Whether `./dev test --deep` runs: more seeds, more kills, more images (OMEN_TEST_DEEP=1). */
bool omen_test_deep(void);

#endif
