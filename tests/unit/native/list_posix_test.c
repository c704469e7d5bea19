/* A folder whose list breaks off. A readdir of the test's own stands before the C library's, so that it can fail. */
#include <dirent.h>
#include <errno.h>

#include "folder_posix.h"
#include "host/host.h"
#include "test.h"

static int reads_left = -1; /* below 0: it never fails */

#ifdef __GLIBC__
struct dirent *readdir(DIR *d) {
    if (reads_left == 0) {
        errno = EIO;
        return NULL;
    }
    if (reads_left > 0) reads_left--;
    return (struct dirent *)(void *)readdir64(d); /* the same struct where this is tested */
}
#endif

static void collect(void *arg, const char *name) {
    (void)name;
    ++*(int *)arg;
    errno = ENOENT; /* what a callee leaves there is no failure */
}

TEST(a_list_that_breaks_off_is_a_failure) {
    static const char *const names[] = {"a", "b", "c"};
    const omen_host *h = omen_host_native();
    char folder[64];
    omen_storage s;
    omen_file *f;
#ifndef __GLIBC__
    TEST_SKIP("the C library has one readdir, in whose place nothing can stand");
#endif
    REQUIRE(folder_make(folder));
    REQUIRE_OK(h->storage_open(h->ctx, folder, OMEN_STORAGE_CREATE, &s));
    for (int i = 0; i < 3; i++) {
        REQUIRE_OK(s.ops->open(s.ctx, names[i], OMEN_FILE_CREATE, &f));
        s.ops->close(s.ctx, f);
    }
    for (int reads = 0; reads < 7; reads++) { /* with ".", ".." and "lock" there are six */
        int count = 0;
        reads_left = reads;
        CHECK_STATUS(s.ops->list(s.ctx, collect, &count), OMEN_ERR_IO);
        CHECK(count <= 3);
    }
    reads_left = -1;
    int count = 0;
    CHECK_OK(s.ops->list(s.ctx, collect, &count));
    CHECK_EQ_INT(count, 3);
    s.ops->release(s.ctx);
    folder_remove(folder);
}

TEST_MAIN()
