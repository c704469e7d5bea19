// What the peers of the ann figures share: files in, a line in, a line of JSON out.
//   PROGRAM FOLDER METRIC DIMENSIONS FILE THREADS [WORDS...]
// Loads the index FILE, or builds it from FOLDER/base.f32 on THREADS threads and saves it there, prints one line about that, then answers each line
// "EFFORT" of standard input with one pass of FOLDER/query.f32, one thread, k = 10: {"effort":…,"recall":…,"seconds":…,"cpu":… (seconds of it),"queries":…}.
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

constexpr size_t K = 10, TRUTH = 100;

template <class T> struct Mapped {
    const T *data;
    size_t count;
    explicit Mapped(const std::string &path) {
        int f = open(path.c_str(), O_RDONLY);
        struct stat s;
        if (f < 0 || fstat(f, &s)) perror(path.c_str()), exit(1);
        data = (const T *)mmap(nullptr, (size_t)s.st_size, PROT_READ, MAP_SHARED, f, 0);
        if (data == MAP_FAILED) perror(path.c_str()), exit(1);
        count = (size_t)s.st_size / sizeof(T);
        close(f);
    }
};

struct Data {
    std::string folder, metric, file;
    size_t dims;
    unsigned threads;
    Mapped<float> base, query;
    Mapped<int32_t> truth;
    size_t rows, queries;
    explicit Data(char **argv)
        : folder(argv[1]), metric(argv[2]), file(argv[4]), dims(strtoul(argv[3], nullptr, 10)), threads((unsigned)strtoul(argv[5], nullptr, 10)), base(folder + "/base.f32"),
          query(folder + "/query.f32"), truth(folder + "/truth.i32"), rows(base.count / dims), queries(query.count / dims) {}
    bool saved() const { return access(file.c_str(), R_OK) == 0; }
};

inline double wall() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

inline double cpu() {
    rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6 + (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6;
}

inline double thread_cpu() {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// Memory of the process that is no file's: the index, mostly.
inline double resident_mb() {
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    double kb = 0;
    while (f && fgets(line, sizeof line, f)) sscanf(line, "RssAnon: %lf", &kb);
    if (f) fclose(f);
    return kb / 1024;
}

template <class F> void on_threads(unsigned threads, size_t from, size_t to, F each) {
    std::vector<std::thread> all;
    for (unsigned t = 0; t < threads; t++)
        all.emplace_back([=] {
            for (size_t i = from + t; i < to; i += threads) each(i);
        });
    for (auto &t : all) t.join();
}

// Says how it was built (seconds 0: loaded), then serves. `search` writes up to K row numbers and answers how many.
inline int serve(const Data &data, const char *name, double build_cpu, double build_wall, const std::function<void(long)> &effort,
                 const std::function<size_t(const float *, int64_t *)> &search) {
    std::vector<int64_t> found(data.queries * K);
    std::vector<size_t> counts(data.queries);
    printf("{\"name\":\"%s\",\"rows\":%zu,\"built\":%s,\"buildCpu\":%.3f,\"buildWall\":%.3f,\"residentMb\":%.1f}\n", name, data.rows, build_wall > 0 ? "true" : "false", build_cpu,
           build_wall, resident_mb());
    fflush(stdout);
    for (std::string line; std::getline(std::cin, line);) {
        long value = strtol(line.c_str(), nullptr, 10);
        effort(value);
        for (size_t q = 0; q < data.queries && q < 100; q++) counts[q] = search(data.query.data + q * data.dims, &found[q * K]); // warms the caches
        double begun = wall(), begun_cpu = thread_cpu();
        for (size_t q = 0; q < data.queries; q++) counts[q] = search(data.query.data + q * data.dims, &found[q * K]);
        double seconds = wall() - begun, spent = thread_cpu() - begun_cpu;
        size_t hits = 0;
        for (size_t q = 0; q < data.queries; q++)
            for (size_t i = 0; i < counts[q]; i++)
                for (size_t t = 0; t < K; t++) hits += found[q * K + i] == data.truth.data[q * TRUTH + t];
        printf("{\"effort\":%ld,\"recall\":%.5f,\"seconds\":%.6f,\"cpu\":%.6f,\"queries\":%zu}\n", value, (double)hits / (double)(data.queries * K), seconds, spent, data.queries);
        fflush(stdout);
    }
    return 0;
}
