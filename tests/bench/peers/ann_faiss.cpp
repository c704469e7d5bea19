// faiss (Debian); see ann_peer.hpp. WORDS: hnsw (M = 32 links at the base as hnswlib's M = 16, efConstruction = 200), or
// ivfpq LISTS PARTS: 4-bit FastScan product codes, re-ranked by 100 exact distances.
#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVFPQFastScan.h>
#include <faiss/IndexRefine.h>
#include <faiss/index_io.h>
#include <omp.h>

#include <memory>

#include "ann_peer.hpp"

using Id = decltype(faiss::Index::ntotal);

int main(int argc, char **argv) {
    if (argc < 7) return 2;
    Data data(argv);
    bool graph = !strcmp(argv[6], "hnsw");
    if (!graph && argc < 9) return 2;
    auto metric = data.metric == "l2" ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
    std::unique_ptr<faiss::Index> index;
    double begun_cpu = cpu(), begun = wall(), spent_cpu = 0, spent = 0;
    omp_set_num_threads((int)data.threads);
    if (data.saved()) {
        index.reset(faiss::read_index(data.file.c_str()));
    } else {
        if (graph) {
            auto *hnsw = new faiss::IndexHNSWFlat((int)data.dims, 16, metric);
            hnsw->hnsw.efConstruction = 200;
            index.reset(hnsw);
        } else {
            auto *coarse = metric == faiss::METRIC_L2 ? new faiss::IndexFlatL2((int)data.dims) : (faiss::IndexFlat *)new faiss::IndexFlatIP((int)data.dims);
            auto *ivf = new faiss::IndexIVFPQFastScan(coarse, data.dims, strtoul(argv[7], nullptr, 10), strtoul(argv[8], nullptr, 10), 4, metric);
            ivf->own_fields = true;
            auto *refine = new faiss::IndexRefineFlat(ivf);
            refine->own_fields = true;
            refine->k_factor = 10;
            index.reset(refine);
        }
        if (!index->is_trained) index->train((Id)data.rows, data.base.data);
        index->add((Id)data.rows, data.base.data);
        spent_cpu = cpu() - begun_cpu, spent = wall() - begun;
        if (data.file != "none") faiss::write_index(index.get(), (data.file + ".new").c_str()), rename((data.file + ".new").c_str(), data.file.c_str());
    }
    omp_set_num_threads(1);
    float distances[K];
    Id ids[K];
    auto effort = [&](long value) {
        if (graph) dynamic_cast<faiss::IndexHNSW &>(*index).hnsw.efSearch = (int)value;
        else dynamic_cast<faiss::IndexIVF &>(*dynamic_cast<faiss::IndexRefine &>(*index).base_index).nprobe = (size_t)value;
    };
    return serve(data, graph ? "faiss HNSW" : "faiss IVF-PQ", spent_cpu, spent, effort, [&](const float *query, int64_t *into) {
        index->search(1, query, K, distances, ids);
        for (size_t i = 0; i < K; i++) into[i] = (int64_t)ids[i];
        return K;
    });
}
