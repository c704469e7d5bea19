/* Syncs of the directory on a storage that answers later: each request makes durable what was there when it began, and nobody takes the answer of another's. */
#include "store/store.h"
#include "test.h"

/* How many entries were made, had been made when the request began, and are durable; in how many calls a request ends. */
typedef struct folder {
    int made, begun_with, durable;
    int left; /* calls until the request ends; 0: there is none */
    omen_status end;
} folder;

static omen_status sync_dir(void *ctx) {
    folder *f = ctx;
    if (f->left == 0) {
        f->left = 3;
        f->begun_with = f->made;
    }
    if (--f->left != 0) return OMEN_PENDING;
    if (f->end == OMEN_OK) f->durable = f->begun_with;
    return f->end;
}

static const omen_storage_ops ops = {.struct_size = sizeof ops, .sync_dir = sync_dir};

/* To its end, in twenty-one calls at most. */
static omen_status synced(omen_store *st, const void *owner, omen_error *err) {
    omen_status s;
    int calls = 0;
    while ((s = omen_store_sync_dir(st, owner, err)) == OMEN_PENDING && calls++ < 20) continue;
    return s;
}

TEST(what_one_owner_left_is_no_answer_for_the_next) {
    folder f = {.made = 1};
    omen_store st = {.storage = {&f, &ops}};
    omen_error err = {0};
    int first = 1, second = 2, third = 3;
    CHECK_STATUS(omen_store_sync_dir(&st, &first, &err), OMEN_PENDING);
    CHECK_STATUS(omen_store_sync_dir(&st, &second, &err), OMEN_PENDING);
    CHECK_EQ_INT(f.left, 2); /* the second waits, and asks nothing */
    omen_store_sync_dir_abandon(&st, &second); /* it has nothing to leave */
    CHECK_STATUS(omen_store_sync_dir(&st, &third, &err), OMEN_PENDING);
    CHECK_EQ_INT(f.left, 2);
    omen_store_sync_dir_abandon(&st, &first);
    f.made = 2; /* after that request began */
    omen_status s;
    int calls = 0;
    while ((s = omen_store_sync_dir(&st, &second, &err)) == OMEN_PENDING && calls++ < 20) CHECK_STATUS(omen_store_sync_dir(&st, &third, &err), OMEN_PENDING);
    CHECK_OK(s);
    CHECK_EQ_INT(f.durable, 2);
    f.made = 3;
    CHECK_OK(synced(&st, &third, &err));
    CHECK_EQ_INT(f.durable, 3);
}

TEST(an_owner_may_leave_while_it_waits_for_what_another_left) {
    folder f = {.made = 1};
    omen_store st = {.storage = {&f, &ops}};
    omen_error err = {0};
    int first = 1, second = 2, third = 3;
    CHECK_STATUS(omen_store_sync_dir(&st, &first, &err), OMEN_PENDING);
    omen_store_sync_dir_abandon(&st, &first);
    f.made = 2;
    CHECK_STATUS(omen_store_sync_dir(&st, &second, &err), OMEN_PENDING);
    omen_store_sync_dir_abandon(&st, &second);
    f.made = 3;
    CHECK_OK(synced(&st, &third, &err));
    CHECK_EQ_INT(f.durable, 3);
}

TEST(a_failure_of_what_was_left_is_told) {
    folder f = {.made = 1};
    omen_store st = {.storage = {&f, &ops}};
    omen_error err = {0};
    int first = 1, second = 2;
    CHECK_STATUS(omen_store_sync_dir(&st, &first, &err), OMEN_PENDING);
    omen_store_sync_dir_abandon(&st, &first);
    f.end = OMEN_ERR_IO;
    CHECK_STATUS(synced(&st, &second, &err), OMEN_ERR_IO);
    CHECK(strstr(err.text, "directory") != NULL);
}

TEST_MAIN()
