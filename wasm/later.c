/* later.c - the second part of the module (base/later.h): JavaScript loads it when it is first needed. */
#include "base/later.h"

#include "host.h"
#include "imports.h"

static omen_status load(void) {
    static bool loaded;
    if (loaded) return OMEN_OK;
    int32_t answer = omen_js_later_load();
    loaded = answer == 0;
    return answer < 0 ? (omen_status)-answer : OMEN_OK;
}

void omen_wasm_later(void) { omen_later_set_loader(load); }
