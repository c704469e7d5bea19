/* control.c - takes one safety mechanism out of the programs built with OMEN_NEGATIVE_CONTROLS: the one that the environment variable OMEN_WITHOUT names. See base/control.h. */
#include "base/control.h"

#ifndef OMEN_NEGATIVE_CONTROLS
typedef int control_unused;
#else
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *without = "";
static int asked; /* for a mechanism that is out */

__attribute__((constructor)) static void choose(void) {
    const char *name = getenv("OMEN_WITHOUT");
    if (name != NULL) without = name;
}

/* A name that stands nowhere would pass for a control that the tests do not notice. */
__attribute__((destructor)) static void say(void) {
    if (without[0] != 0) printf("%s was asked for %d times\n", without, asked);
}

int omen_control(const char *name) {
    if (strcmp(name, without) != 0) return 1;
    asked++;
    return 0;
}
#endif
