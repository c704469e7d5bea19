/* later.h - code that is not needed at once. Where the core is downloaded (the module in WebAssembly), it comes in two parts: the second is loaded when
 * it is first needed, and takes building, checking and the rarer questions with it. Everywhere else all of the core is there from the start, and
 * nothing here does anything.
 *
 * What the second part is made of: the functions and tables that wasm/later.txt names, and whatever only those reach (cmake/tools/split-wasm.mjs finds
 * that out after linking). A function that is named there says OMEN_LATER where it is declared, and nobody calls it before omen_later has answered OK.
 */
#ifndef OMEN_BASE_LATER_H
#define OMEN_BASE_LATER_H

#include "base/base.h"

/* Such a function stays one: it is not made a part of who calls it. */
#ifdef OMEN_PARTS
#define OMEN_LATER __attribute__((noinline))
#else
#define OMEN_LATER
#endif

/* OK: the second part is there. Step: repeat on PENDING, while it is loaded. OMEN_ERR_UNSUPPORTED: it cannot be had now; who asks again later may be
 * luckier. Nothing has changed then, so the caller's work can be tried again. */
omen_status omen_later(omen_error *err);

/* Who loads it; set once, before there is an engine. load answers as omen_later. */
void omen_later_set_loader(omen_status (*load)(void));

#endif
