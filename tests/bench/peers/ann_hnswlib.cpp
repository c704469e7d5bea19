// hnswlib (Debian), M = 16, efConstruction = 200; see ann_peer.hpp. Cosine is its inner product over rows of length 1.
#include <hnswlib/hnswlib.h>

#include <memory>

#include "ann_peer.hpp"

int main(int argc, char **argv) {
    if (argc < 6) return 2;
    Data data(argv);
    std::unique_ptr<hnswlib::SpaceInterface<float>> space;
    if (data.metric == "l2") space.reset(new hnswlib::L2Space(data.dims));
    else space.reset(new hnswlib::InnerProductSpace(data.dims));
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> index;
    double begun_cpu = cpu(), begun = wall(), spent_cpu = 0, spent = 0;
    if (data.saved()) {
        index.reset(new hnswlib::HierarchicalNSW<float>(space.get(), data.file));
    } else {
        index.reset(new hnswlib::HierarchicalNSW<float>(space.get(), data.rows, 16, 200));
        index->addPoint(data.base.data, 0);
        on_threads(data.threads, 1, data.rows, [&](size_t i) { index->addPoint(data.base.data + i * data.dims, i); });
        spent_cpu = cpu() - begun_cpu, spent = wall() - begun;
        if (data.file != "none") index->saveIndex(data.file + ".new"), rename((data.file + ".new").c_str(), data.file.c_str());
    }
    return serve(data, "hnswlib", spent_cpu, spent, [&](long ef) { index->setEf((size_t)ef); },
                 [&](const float *query, int64_t *into) {
                     auto heap = index->searchKnn(query, K);
                     size_t n = heap.size();
                     for (size_t i = n; i-- > 0; heap.pop()) into[i] = (int64_t)heap.top().second;
                     return n;
                 });
}
