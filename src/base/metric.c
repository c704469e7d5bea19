#include "base/metric.h"

uint64_t omen_hist_upper(uint32_t bucket) {
    if (bucket == 0) return UINT64_C(1) << OMEN_HIST_MIN_LOG2;
    if (bucket >= OMEN_HIST_BUCKETS - 1u) return UINT64_MAX;
    uint32_t log2 = OMEN_HIST_MIN_LOG2 + (bucket - 1) / OMEN_HIST_SUB, sub = (bucket - 1) % OMEN_HIST_SUB;
    return (UINT64_C(1) << log2) + ((uint64_t)(sub + 1) << (log2 - 2));
}

double omen_hist_quantile(const uint64_t counts[OMEN_HIST_BUCKETS], double q) {
    uint64_t total = 0;
    for (uint32_t b = 0; b < OMEN_HIST_BUCKETS; b++) total += counts[b];
    if (total == 0) return 0;
    double rank = q * (double)total, seen = 0;
    uint32_t last = 0;
    for (uint32_t b = 0; b < OMEN_HIST_BUCKETS; b++) {
        if (counts[b] == 0) continue;
        last = b;
        if (seen + (double)counts[b] < rank) {
            seen += (double)counts[b];
            continue;
        }
        double low = b == 0 ? 0 : (double)omen_hist_upper(b - 1);
        if (b == OMEN_HIST_BUCKETS - 1u) return low;
        double part = (rank - seen) / (double)counts[b];
        return low + ((double)omen_hist_upper(b) - low) * (part < 0 ? 0 : part);
    }
    return last == OMEN_HIST_BUCKETS - 1u ? (double)omen_hist_upper(last - 1) : (double)omen_hist_upper(last);
}
