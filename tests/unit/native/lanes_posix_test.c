/* The threads behind the addon: order, lanes, cancellation, stopping. The addon itself is tested from JavaScript. */
#include <pthread.h>

#include "folder_posix.h"
#include "message.h"
#include "node/lanes.c"
#include "test.h"

/* ---- requests and responses (docs/CALLS.md) ---- */

/* One record of two dimensions; its id is n. */
static void write_message(message *m, uint32_t collection, uint64_t n) {
    char json[100];
    uint8_t id[9] = {1};
    const uint32_t id_offsets[2] = {0, 9}, document_offsets[2] = {0, 0};
    const float vector[2] = {1, (float)n};
    snprintf(json, sizeof json, "{\"op\":\"write\",\"collection\":%u,\"mode\":\"upsert\",\"count\":1,\"fields\":[0]}", collection);
    uint64_t flipped = n ^ UINT64_C(0x8000000000000000);
    for (int i = 0; i < 8; i++) id[1 + i] = (uint8_t)(flipped >> (56 - 8 * i));
    message_begin(m, json, 5);
    message_part(m, 0, id_offsets, sizeof id_offsets);
    message_part(m, 1, id, sizeof id);
    message_part(m, 2, document_offsets, sizeof document_offsets);
    message_part(m, 3, NULL, 0);
    message_part(m, 4, vector, sizeof vector);
}

static int status_of(const job *j) {
    int32_t status = -1;
    if (j->response != NULL && j->len >= 16) memcpy(&status, (const uint8_t *)j->response + 4, 4);
    return status;
}

/* The number behind "key": in a response. */
static long number_of(const job *j, const char *key) {
    char text[200] = "";
    uint32_t parts, len;
    if (j->response == NULL) return -1;
    memcpy(&len, (const uint8_t *)j->response + 8, 4);
    memcpy(&parts, (const uint8_t *)j->response + 12, 4);
    memcpy(text, (const uint8_t *)j->response + 16 + 16 * parts, len < sizeof text ? len : sizeof text - 1);
    const char *at = strstr(text, key);
    return at == NULL ? -1 : atol(at + strlen(key) + 1);
}

/* ---- the other side ---- */

typedef struct side {
    omen_engine *core;
    lanes *lanes;
    pthread_mutex_t mutex;
    pthread_cond_t told;
    unsigned ready;
    job *done; /* taken, not yet looked at */
} side;

static void tell(void *arg) {
    side *s = arg;
    pthread_mutex_lock(&s->mutex);
    s->ready++;
    pthread_cond_signal(&s->told);
    pthread_mutex_unlock(&s->mutex);
}

static bool begin_side(side *s) {
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->told, NULL);
    s->lanes = lanes_new(tell, s);
    return CHECK(s->lanes != NULL) && CHECK_OK(omen_engine_new(NULL, &s->core));
}

static void free_job(job *j) {
    omen_call_free(j->call);
    free(j->response);
    free(j);
}

static size_t end_side(side *s) {
    size_t left = 0;
    for (job *j = lanes_stop(s->lanes), *next; j != NULL; j = next, left++) {
        next = j->next;
        free_job(j);
    }
    for (job *j = s->done, *next; j != NULL; j = next) {
        next = j->next;
        free_job(j);
    }
    omen_engine_free(s->core);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->told);
    return left;
}

static void send(side *s, const message *m, uint32_t id) {
    job *j = calloc(1, sizeof *j);
    if (!CHECK(j != NULL)) return;
    j->id = id;
    j->lane = lane_of(m->bytes, m->len);
    CHECK_OK(omen_call_begin(s->core, m->bytes, m->len, &j->call));
    lanes_add(s->lanes, j);
}

/* The next answer, whoever's. */
static job *receive(side *s) {
    while (s->done == NULL) {
        pthread_mutex_lock(&s->mutex);
        while (s->ready == 0) pthread_cond_wait(&s->told, &s->mutex);
        s->ready = 0;
        pthread_mutex_unlock(&s->mutex);
        s->done = lanes_take_done(s->lanes);
    }
    job *j = s->done;
    s->done = j->next;
    return j;
}

/* Sends one request, and answers a number of its response. */
static long ask(side *s, const char *json, const char *key) {
    message m;
    message_begin(&m, json, 0);
    send(s, &m, 0);
    job *j = receive(s);
    CHECK_STATUS(status_of(j), OMEN_OK);
    long n = number_of(j, key);
    free_job(j);
    return n;
}

static uint32_t open_collection(side *s, const char *folder) {
    char json[300];
    snprintf(json, sizeof json, "{\"op\":\"open\",\"path\":\"%s\",\"options\":{}}", folder);
    long db = ask(s, json, "\"db\"");
    snprintf(json, sizeof json, "{\"op\":\"collection\",\"db\":%ld,\"name\":\"c\",\"schema\":{\"vectors\":[{\"name\":\"v\",\"dimensions\":2,\"metric\":\"l2\"}]}}", db);
    return (uint32_t)ask(s, json, "\"collection\"");
}

TEST(requests_go_into_their_lanes) {
    static const struct { const char *json; lane lane; } cases[] = {
        {"{\"op\":\"search\"}", LANE_READ}, {"{\"op\":\"get\"}", LANE_READ},   {"{\"op\":\"write\"}", LANE_WRITE}, {"{\"op\":\"delete\"}", LANE_WRITE},
        {"{\"op\":\"sync\"}", LANE_WRITE},  {"{\"op\":\"close\"}", LANE_WHOLE}, {"{\"op\":\"open\"}", LANE_WHOLE},  {"{\"op\":\"compact\"}", LANE_WHOLE},
        {"{\"op\":\"explain\"}", LANE_READ}, {"{\"op\":\"searchMany\"}", LANE_READ},
        /* What takes long keeps no write waiting. */
        {"{\"op\":\"checkReport\"}", LANE_WHOLE}, {"{\"op\":\"buildIndexes\"}", LANE_WHOLE}, {"{\"op\":\"task\"}", LANE_WHOLE}, {"{\"op\":\"purge\"}", LANE_WHOLE},
    };
    message m;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        message_begin(&m, cases[i].json, i % 3);
        CHECK_EQ_INT(lane_of(m.bytes, m.len), cases[i].lane);
        for (size_t len = 0; len < m.len; len++) lane_of(m.bytes, len); /* cut off: anything, but nothing behind it is read */
    }
    memset(&m, 255, sizeof m);
    lane_of(m.bytes, 100);
}

TEST(reads_see_the_writes_before_them_and_none_behind) {
    enum { N = 300 };
    char folder[64], json[100];
    side s;
    message m;
    REQUIRE(folder_make(folder) && begin_side(&s));
    uint32_t c = open_collection(&s, folder);
    snprintf(json, sizeof json, "{\"op\":\"count\",\"collection\":%u}", c);
    for (uint32_t i = 0; i < N; i++) {
        write_message(&m, c, i);
        send(&s, &m, 2 * i + 1);
        message_begin(&m, json, 0);
        send(&s, &m, 2 * i + 2);
    }
    for (int i = 0; i < 2 * N; i++) {
        job *j = receive(&s);
        CHECK_STATUS(status_of(j), OMEN_OK);
        if (j->id % 2 == 0) CHECK_EQ_INT(number_of(j, "\"count\""), j->id / 2);
        free_job(j);
    }
    CHECK_EQ_UINT(end_side(&s), 0);
    folder_remove(folder);
}

TEST(a_cancelled_call_either_never_began_or_is_answered) {
    enum { N = 400 };
    char folder[64], json[100];
    side s;
    message m;
    unsigned skipped = 0, answered = 0;
    REQUIRE(folder_make(folder) && begin_side(&s));
    uint32_t c = open_collection(&s, folder);
    for (uint32_t i = 1; i <= N; i++) {
        write_message(&m, c, i);
        send(&s, &m, i);
        if (i % 2 == 0) lanes_cancel(s.lanes, i);
        if (i % 5 == 0) lanes_cancel(s.lanes, i - 3);
    }
    lanes_cancel(s.lanes, 12345);
    for (int i = 0; i < N; i++) {
        job *j = receive(&s);
        if (j->skipped) skipped++;
        else if (status_of(j) == OMEN_OK) answered++;
        CHECK(!j->skipped || j->response == NULL);
        free_job(j);
    }
    CHECK_EQ_UINT(skipped + answered, N);
    snprintf(json, sizeof json, "{\"op\":\"count\",\"collection\":%u}", c);
    CHECK_EQ_INT(ask(&s, json, "\"count\""), answered);
    CHECK_EQ_UINT(end_side(&s), 0);
    folder_remove(folder);
}

TEST(stopping_in_the_middle_leaves_every_call_to_the_caller) {
    for (int round = 0; round < 20; round++) {
        enum { N = 200 };
        char folder[64], json[100];
        side s;
        message m;
        size_t received = 0;
        REQUIRE(folder_make(folder) && begin_side(&s));
        uint32_t c = open_collection(&s, folder);
        snprintf(json, sizeof json, "{\"op\":\"count\",\"collection\":%u}", c);
        for (uint32_t i = 1; i <= N; i++) {
            if (i % 2 != 0) write_message(&m, c, i);
            else message_begin(&m, json, 0);
            send(&s, &m, i);
        }
        for (uint64_t n = test_rand_below(30); received < n; received++) free_job(receive(&s));
        for (job *j = s.done; j != NULL; j = j->next) received++;
        CHECK_EQ_UINT(end_side(&s) + received, N);
        CHECK_EQ_INT(folder_count(folder) > 0, 1);
        folder_remove(folder);
    }
}

TEST_MAIN()
