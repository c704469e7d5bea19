/* Calls on the platform's own host: a database that is opened and closed there is maintained meanwhile, unless its program does that itself. */
#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#include "omendb.h"

static omen_status ask(omen_engine *e, const char *json) {
    _Alignas(8) uint8_t b[600] = {0};
    uint32_t len = (uint32_t)strlen(json);
    omen_call *call;
    omen_status st;
    memcpy(b, "OMC1", 4);
    memcpy(b + 8, &len, 4);
    memcpy(b + 16, json, len);
    if (!CHECK_OK(omen_call_begin(e, b, 16 + len, &call))) return OMEN_ERR_MEMORY;
    do st = omen_call_step(call);
    while (st == OMEN_PENDING);
    omen_call_free(call);
    return st;
}

TEST(opened_and_closed) {
    char folder[] = "/tmp/omen-platform-XXXXXX", json[300], command[80];
    omen_engine *e;
    if (!CHECK(mkdtemp(folder) != NULL) || !CHECK_OK(omen_engine_new(NULL, &e))) return;
    for (unsigned manual = 0, handle = 1; manual < 2; manual++, handle += 2) {
        snprintf(json, sizeof json, "{\"op\":\"open\",\"path\":\"%s/db\",\"options\":{\"manualMaintenance\":%s}}", folder, manual ? "true" : "false");
        CHECK_OK(ask(e, json));
        snprintf(json, sizeof json, "{\"op\":\"collection\",\"db\":%u,\"name\":\"c\",\"schema\":{\"vectors\":[{\"dimensions\":2}]}}", handle);
        CHECK_OK(ask(e, json));
        snprintf(json, sizeof json, "{\"op\":\"close\",\"db\":%u}", handle);
        CHECK_OK(ask(e, json));
        CHECK_STATUS(ask(e, json), OMEN_ERR_CLOSED);
    }
    omen_engine_free(e);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
}

TEST_MAIN()
