#include "base/base.h"

const char *omen_status_name(omen_status s) {
    switch (s) {
#define X(name, value, text) \
    case OMEN_##name: return "OMEN_" #name;
        OMEN_STATUS_MAP(X)
#undef X
    }
    return "OMEN_UNKNOWN";
}

const char *omen_status_message(omen_status s) {
#ifdef OMEN_BARE_STATUS
    /* The module that JavaScript loads: its own table, generated from the same map, says what an empty message means. */
    (void)s;
    return "";
#else
    switch (s) {
#define X(name, value, text) \
    case OMEN_##name: return text;
        OMEN_STATUS_MAP(X)
#undef X
    }
    return "a status this version does not know";
#endif
}

const char *omen_version(void) { return OMEN_VERSION_STRING; }
