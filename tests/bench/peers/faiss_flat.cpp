// faiss_flat - exact search by faiss IndexFlatL2, one thread, one query at a time. Prints one JSON object.
//   faiss_flat ROWS DIMENSIONS QUERIES
#include <faiss/IndexFlat.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

using Id = decltype(faiss::Index::ntotal); // its name differs between versions

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    size_t rows = strtoul(argv[1], nullptr, 10), dims = strtoul(argv[2], nullptr, 10), queries = strtoul(argv[3], nullptr, 10);
    omp_set_num_threads(1);
    std::vector<float> data(rows * dims), distances(10);
    std::vector<Id> ids(10);
    srand(1);
    for (auto &x : data) x = (float)(rand() % 2000 - 1000) / 1000.0f;
    faiss::IndexFlatL2 index((int)dims);
    index.add(rows, data.data());
    std::vector<double> times;
    for (size_t i = 0; i < queries + 3; i++) {
        auto begun = std::chrono::steady_clock::now();
        index.search(1, data.data() + i * 7 % rows * dims, 10, distances.data(), ids.data());
        std::chrono::duration<double, std::milli> ms = std::chrono::steady_clock::now() - begun;
        if (i >= 3) times.push_back(ms.count());
        if (ids[0] != (Id)(i * 7 % rows)) return 3;
    }
    std::sort(times.begin(), times.end());
    printf("{\"rows\":%zu,\"dimensions\":%zu,\"msQuery\":%.4f}\n", rows, dims, times[times.size() / 2]);
}
