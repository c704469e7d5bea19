#include "base/later.h"

static omen_status (*loader)(void); /* NULL: all is there */

void omen_later_set_loader(omen_status (*load)(void)) { loader = load; }

omen_status omen_later(omen_error *err) {
    omen_status s = loader == NULL ? OMEN_OK : loader();
    if (s == OMEN_OK || s == OMEN_PENDING) return s;
    return omen_fail(err, s, "the second part of the module is not loaded");
}
