/* The folder as a storage: the contract of omendb_host.h, call by call. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "folder_posix.h"
#include "host/host.h"
#include "test.h"

static omen_status open_storage(const char *path, uint32_t flags, omen_storage *out) {
    const omen_host *h = omen_host_native();
    return h->storage_open(h->ctx, path, flags, out);
}

typedef struct names { char text[400]; int count; } names;

static void collect(void *arg, const char *name) {
    names *n = arg;
    n->count++;
    strncat(n->text, name, sizeof n->text - strlen(n->text) - 1);
    strncat(n->text, " ", sizeof n->text - strlen(n->text) - 1);
}

TEST(files_keep_what_is_written) {
    char folder[64];
    omen_storage s;
    omen_file *f;
    uint64_t size;
    size_t got;
    char bytes[100];
    REQUIRE(folder_make(folder));
    REQUIRE_OK(open_storage(folder, OMEN_STORAGE_CREATE, &s));
    CHECK_STATUS(s.ops->open(s.ctx, "a", OMEN_FILE_READ, &f), OMEN_ERR_NOT_FOUND);
    CHECK_STATUS(s.ops->open(s.ctx, "a", OMEN_FILE_WRITE, &f), OMEN_ERR_NOT_FOUND);
    REQUIRE_OK(s.ops->open(s.ctx, "a", OMEN_FILE_CREATE, &f));
    CHECK_OK(s.ops->size(s.ctx, f, &size));
    CHECK_EQ_UINT(size, 0);
    CHECK_OK(s.ops->write_at(s.ctx, f, 0, "hello", 5));
    CHECK_OK(s.ops->write_at(s.ctx, f, 10, "world", 5)); /* a gap reads as zeros */
    CHECK_OK(s.ops->write_at(s.ctx, f, 3, "", 0));
    CHECK_OK(s.ops->size(s.ctx, f, &size));
    CHECK_EQ_UINT(size, 15);
    CHECK_OK(s.ops->read_at(s.ctx, f, 0, bytes, sizeof bytes, &got));
    CHECK_EQ_UINT(got, 15);
    CHECK_MEM(bytes, "hello\0\0\0\0\0world", 15);
    CHECK_OK(s.ops->read_at(s.ctx, f, 12, bytes, 2, &got));
    CHECK(got == 2 && memcmp(bytes, "rl", 2) == 0);
    CHECK_OK(s.ops->read_at(s.ctx, f, 15, bytes, 9, &got));
    CHECK_EQ_UINT(got, 0);
    CHECK_OK(s.ops->read_at(s.ctx, f, 1u << 20, bytes, 9, &got));
    CHECK_EQ_UINT(got, 0);
    CHECK_OK(s.ops->sync(s.ctx, f));
    CHECK_OK(s.ops->sync_dir(s.ctx));
    CHECK_OK(s.ops->truncate(s.ctx, f, 4));
    CHECK_OK(s.ops->truncate(s.ctx, f, 6));
    CHECK_OK(s.ops->read_at(s.ctx, f, 0, bytes, sizeof bytes, &got));
    CHECK(got == 6 && memcmp(bytes, "hell\0\0", 6) == 0);
    s.ops->close(s.ctx, f);
    CHECK_STATUS(s.ops->open(s.ctx, "a", OMEN_FILE_CREATE, &f), OMEN_ERR_EXISTS);
    REQUIRE_OK(s.ops->open(s.ctx, "a", OMEN_FILE_READ, &f));
    CHECK(s.ops->write_at(s.ctx, f, 0, "x", 1) != OMEN_OK);
    s.ops->close(s.ctx, f);
    REQUIRE_OK(s.ops->open(s.ctx, "a", OMEN_FILE_WRITE, &f));
    CHECK_OK(s.ops->write_at(s.ctx, f, 0, "J", 1));
    CHECK_OK(s.ops->read_at(s.ctx, f, 0, bytes, 4, &got));
    CHECK_MEM(bytes, "Jell", 4);
    s.ops->close(s.ctx, f);
    s.ops->release(s.ctx);
    folder_remove(folder);
}

TEST(large_writes_and_offsets) {
    char folder[64];
    omen_storage s;
    omen_file *f;
    uint64_t size;
    size_t got, len = 9u << 20;
    uint8_t *bytes = malloc(len), *back = malloc(len);
    REQUIRE(folder_make(folder) && bytes != NULL && back != NULL);
    for (size_t i = 0; i < len; i += 8) {
        uint64_t r = test_rand();
        memcpy(bytes + i, &r, 8);
    }
    REQUIRE_OK(open_storage(folder, OMEN_STORAGE_CREATE, &s));
    REQUIRE_OK(s.ops->open(s.ctx, "large", OMEN_FILE_CREATE, &f));
    const uint64_t far = UINT64_C(5) << 30;
    CHECK_OK(s.ops->write_at(s.ctx, f, far, bytes, len));
    CHECK_OK(s.ops->size(s.ctx, f, &size));
    CHECK_EQ_UINT(size, far + len);
    CHECK_OK(s.ops->read_at(s.ctx, f, far, back, len, &got));
    CHECK_EQ_UINT(got, len);
    CHECK_MEM(back, bytes, len);
    s.ops->close(s.ctx, f);
    s.ops->release(s.ctx);
    free(bytes);
    free(back);
    folder_remove(folder);
}

TEST(lists_and_removes_files) {
    char folder[64], path[100];
    omen_storage s;
    omen_file *f;
    names n = {0};
    REQUIRE(folder_make(folder));
    REQUIRE_OK(open_storage(folder, OMEN_STORAGE_CREATE, &s));
    snprintf(path, sizeof path, "%s/.hidden", folder);
    FILE *hidden = fopen(path, "w");
    if (CHECK(hidden != NULL)) fclose(hidden);
    CHECK_OK(s.ops->list(s.ctx, collect, &n));
    CHECK_EQ_INT(n.count, 0); /* neither the lock nor the hidden one */
    for (const char *const *name = (const char *const[]){"log-1", "seg-1", "manifest-0", NULL}; *name != NULL; name++) {
        CHECK_OK(s.ops->open(s.ctx, *name, OMEN_FILE_CREATE, &f));
        s.ops->close(s.ctx, f);
    }
    CHECK_OK(s.ops->list(s.ctx, collect, &n));
    CHECK_EQ_INT(n.count, 3);
    CHECK(strstr(n.text, "log-1 ") != NULL && strstr(n.text, "seg-1 ") != NULL && strstr(n.text, "manifest-0 ") != NULL);
    CHECK_OK(s.ops->remove(s.ctx, "seg-1"));
    CHECK_OK(s.ops->remove(s.ctx, "seg-1"));
    n = (names){0};
    CHECK_OK(s.ops->list(s.ctx, collect, &n));
    CHECK_EQ_INT(n.count, 2);
    s.ops->release(s.ctx);
    folder_remove(folder);
}

TEST(a_writer_keeps_writers_out_and_lets_readers_in) {
    char folder[64];
    omen_storage writer, reader, other;
    omen_file *f;
    REQUIRE(folder_make(folder));
    REQUIRE_OK(open_storage(folder, 0, &writer));
    CHECK_STATUS(open_storage(folder, OMEN_STORAGE_CREATE, &other), OMEN_ERR_BUSY);
    REQUIRE_OK(open_storage(folder, OMEN_STORAGE_READ_ONLY, &reader));
    CHECK_OK(writer.ops->open(writer.ctx, "a", OMEN_FILE_CREATE, &f));
    writer.ops->close(writer.ctx, f);
    CHECK_OK(reader.ops->open(reader.ctx, "a", OMEN_FILE_READ, &f));
    reader.ops->close(reader.ctx, f);
    reader.ops->release(reader.ctx);
    CHECK_STATUS(open_storage(folder, 0, &other), OMEN_ERR_BUSY);
    writer.ops->release(writer.ctx);
    REQUIRE_OK(open_storage(folder, 0, &other));
    other.ops->release(other.ctx);
    CHECK_EQ_INT(folder_count(folder), 1);
    folder_remove(folder);
}

TEST(places_that_are_no_folder) {
    char folder[64], path[200];
    omen_storage s;
    REQUIRE(folder_make(folder));
    snprintf(path, sizeof path, "%s/none", folder);
    CHECK_STATUS(open_storage(path, 0, &s), OMEN_ERR_NOT_FOUND);
    CHECK_STATUS(open_storage(path, OMEN_STORAGE_READ_ONLY | OMEN_STORAGE_CREATE, &s), OMEN_ERR_NOT_FOUND);
    CHECK_EQ_INT(folder_count(folder), 0);
    CHECK_STATUS(open_storage("", OMEN_STORAGE_CREATE, &s), OMEN_ERR_NAME);
    char longer[300];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    CHECK_STATUS(open_storage(longer, OMEN_STORAGE_CREATE, &s), OMEN_ERR_NAME);
    CHECK_STATUS(open_storage(longer, OMEN_STORAGE_CREATE | OMEN_STORAGE_APART, &s), OMEN_ERR_NAME);
    snprintf(path, sizeof path, "%s/file", folder);
    FILE *f = fopen(path, "w");
    if (CHECK(f != NULL)) fclose(f);
    CHECK_STATUS(open_storage(path, OMEN_STORAGE_CREATE, &s), OMEN_ERR_FOREIGN);
    CHECK_STATUS(open_storage(path, OMEN_STORAGE_READ_ONLY, &s), OMEN_ERR_FOREIGN);
    snprintf(path, sizeof path, "%s/file/below", folder);
    CHECK_STATUS(open_storage(path, 0, &s), OMEN_ERR_FOREIGN);
    /* Folders above are made, too. */
    snprintf(path, sizeof path, "%s/a//b/c/", folder);
    REQUIRE_OK(open_storage(path, OMEN_STORAGE_CREATE, &s));
    s.ops->release(s.ctx);
    REQUIRE_OK(open_storage(path, 0, &s));
    s.ops->release(s.ctx);
    folder_remove(folder);
}

/* In a process of its own: no file may grow above 64 KiB. */
static int write_too_much(const char *folder) {
    static uint8_t bytes[96 << 10];
    omen_storage s;
    omen_file *f;
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit = {64 << 10, 64 << 10};
    if (open_storage(folder, 0, &s) != OMEN_OK || s.ops->open(s.ctx, "big", OMEN_FILE_CREATE, &f) != OMEN_OK) return 1;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
    if (s.ops->write_at(s.ctx, f, 0, bytes, 1024) != OMEN_OK) return 3;
    if (s.ops->write_at(s.ctx, f, 0, bytes, sizeof bytes) != OMEN_ERR_FULL) return 4;
    s.ops->close(s.ctx, f);
    s.ops->release(s.ctx);
    return 0;
}

TEST(no_room_is_told_as_such) {
    char folder[64];
    int status;
    REQUIRE(folder_make(folder));
    pid_t pid = fork();
    if (pid == 0) _exit(write_too_much(folder));
    waitpid(pid, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK_EQ_INT(WEXITSTATUS(status), 0);
    CHECK_STATUS(omen_posix_status(ENOSPC), OMEN_ERR_FULL);
    CHECK_STATUS(omen_posix_status(EDQUOT), OMEN_ERR_FULL);
    CHECK_STATUS(omen_posix_status(EIO), OMEN_ERR_IO);
    CHECK_STATUS(omen_posix_status(EROFS), OMEN_ERR_READ_ONLY);
    CHECK_STATUS(omen_posix_status(ENOMEM), OMEN_ERR_MEMORY);
    folder_remove(folder);
}

TEST_MAIN()
