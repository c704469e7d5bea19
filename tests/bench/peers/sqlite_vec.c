/* sqlite_vec - durable writes through SQLite with the sqlite-vec extension: transactions of 1,000 vectors of 128 f32.
 *   sqlite_vec EXTENSION DIR VECTORS
 * Write-ahead log with synchronous=FULL: a commit is on the disk when it is acknowledged. Prints one JSON object. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { DIMS = 128, BATCH = 1000 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static sqlite3 *db;
static void must(int code, const char *what) {
    if (code == SQLITE_OK || code == SQLITE_DONE) return;
    fprintf(stderr, "%s: %s\n", what, sqlite3_errmsg(db));
    exit(1);
}
static void sql(const char *text) { must(sqlite3_exec(db, text, NULL, NULL, NULL), text); }

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    char path[4096], *error = NULL;
    long total = strtol(argv[3], NULL, 10);
    snprintf(path, sizeof path, "%s/vec.db", argv[2]);
    must(sqlite3_open(path, &db), "open");
    sqlite3_enable_load_extension(db, 1);
    if (sqlite3_load_extension(db, argv[1], NULL, &error) != SQLITE_OK) {
        fprintf(stderr, "loading %s: %s\n", argv[1], error);
        return 1;
    }
    sql("pragma journal_mode=wal");
    sql("pragma synchronous=full");
    sql("create virtual table v using vec0(embedding float[128])");
    float *rows = malloc(sizeof(float) * DIMS * BATCH);
    for (int i = 0; i < DIMS * BATCH; i++) rows[i] = (float)(rand() % 2000 - 1000) / 1000.0f;
    sqlite3_stmt *put;
    must(sqlite3_prepare_v2(db, "insert into v(rowid, embedding) values (?, ?)", -1, &put, NULL), "prepare");
    double t = now();
    for (long at = 0; at < total; at += BATCH) {
        sql("begin");
        for (int i = 0; i < BATCH; i++) {
            sqlite3_bind_int64(put, 1, at + i + 1);
            sqlite3_bind_blob(put, 2, rows + i * DIMS, DIMS * sizeof(float), SQLITE_STATIC);
            must(sqlite3_step(put), "insert");
            sqlite3_reset(put);
        }
        sql("commit");
    }
    t = now() - t;
    printf("{\"vectors\":%ld,\"seconds\":%.4f,\"rate\":%.0f,\"sqlite\":\"%s\"}\n", total, t, (double)total / t, sqlite3_libversion());
    sqlite3_finalize(put);
    sqlite3_close(db);
    free(rows);
    return 0;
}
