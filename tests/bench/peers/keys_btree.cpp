// The B-tree beside the figures of look-up: absl::btree_map (Abseil, Debian's libabsl-dev) from id to row, filled in the order in which ids come.
//
//     keys_btree SET ROWS ASKS PASSES
//
// Prints one JSON object: medians of ns for a look-up that finds and one that does not, all bytes that the map has allocated (counted by its allocator, without malloc's
// own overhead; of strings also what they have outside the map's nodes), and the sum of the rows found.
#include <absl/container/btree_map.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "../keys_sets.h"

static size_t held;

template <class T> struct Counting {
    using value_type = T;
    Counting() = default;
    template <class U> Counting(const Counting<U> &) {}
    T *allocate(size_t n) {
        held += n * sizeof(T);
        return static_cast<T *>(::operator new(n * sizeof(T)));
    }
    void deallocate(T *p, size_t n) {
        held -= n * sizeof(T);
        ::operator delete(p);
    }
    template <class U> bool operator==(const Counting<U> &) const { return true; }
    template <class U> bool operator!=(const Counting<U> &) const { return false; }
};

static double middle(std::vector<double> v) {
    std::sort(v.begin(), v.end());
    return v[v.size() / 2];
}

template <class Map, class Present, class Absent> static int measure(const key_set &s, Map &map, int passes, Present present, Absent absent) {
    std::vector<double> hits, misses;
    uint64_t sum = 0, wrong = 0;
    for (int p = 0; p < passes; p++) {
        double begun = set_now();
        for (uint32_t i = 0; i < s.asks; i++) sum += map.find(present(i))->second;
        double mid = set_now();
        for (uint32_t i = 0; i < s.asks; i++) wrong += map.find(absent(i)) != map.end();
        double end = set_now();
        hits.push_back((mid - begun) / s.asks);
        misses.push_back((end - mid) / s.asks);
    }
    printf("{\"hitNs\":%.2f,\"missNs\":%.2f,\"bytes\":%zu,\"sum\":\"%llu\",\"wrong\":%llu}\n", middle(hits), middle(misses), held, (unsigned long long)sum,
           (unsigned long long)wrong);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    key_set s = set_make(argv[1], (uint32_t)strtoul(argv[2], nullptr, 10), (uint32_t)strtoul(argv[3], nullptr, 10));
    int passes = atoi(argv[4]);
    if (s.numbers != nullptr) {
        absl::btree_map<int64_t, uint32_t, std::less<int64_t>, Counting<std::pair<const int64_t, uint32_t>>> map;
        for (uint32_t i = 0; i < s.rows; i++) map.emplace(s.numbers[i], i);
        std::vector<int64_t> asked(s.asks);
        for (uint32_t i = 0; i < s.asks; i++) asked[i] = s.numbers[s.asked[i]];
        return measure(s, map, passes, [&](uint32_t i) { return asked[i]; }, [&](uint32_t i) { return s.absent_numbers[i]; });
    }
    using Text = std::basic_string<char, std::char_traits<char>, Counting<char>>;
    absl::btree_map<Text, uint32_t, std::less<>, Counting<std::pair<const Text, uint32_t>>> map;
    for (uint32_t i = 0; i < s.rows; i++) map.emplace(Text(s.texts[i]), i);
    // Texts lie in the order in which they are asked for, so that neither side pays for gathering them.
    std::vector<char> asked(static_cast<size_t>(s.asks) * SET_TEXT);
    for (uint32_t i = 0; i < s.asks; i++) memcpy(&asked[static_cast<size_t>(i) * SET_TEXT], s.texts[s.asked[i]], SET_TEXT);
    return measure(s, map, passes, [&](uint32_t i) { return std::string_view(&asked[static_cast<size_t>(i) * SET_TEXT]); },
                   [&](uint32_t i) { return std::string_view(s.absent_texts[i]); });
}
