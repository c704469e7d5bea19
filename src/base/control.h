/* control.h - what shows that the tests notice when a safety mechanism is missing.
 *
 * OMEN_CONTROL(name) stands at each mechanism that recovery relies on: a sync, a checksum, a link, a proof, an order. It is true, and costs
 * nothing. Built with OMEN_NEGATIVE_CONTROLS it asks the test program, which takes one mechanism out at a time: its tests must fail then
 * (tests/controls).
 */
#ifndef OMEN_BASE_CONTROL_H
#define OMEN_BASE_CONTROL_H

#ifdef OMEN_NEGATIVE_CONTROLS
int omen_control(const char *name); /* of the test program: whether the mechanism is there */
#define OMEN_CONTROL(name) (omen_control(#name) != 0)
#else
#define OMEN_CONTROL(name) 1
#endif

#endif
