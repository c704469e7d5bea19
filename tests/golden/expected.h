/* The hash of the golden workload: what every build, kernel set, storage and runtime must give. It changes only when the format or the workload
 * does, and then on purpose. */
#define GOLDEN_EXPECTED "97e98f879c47fad2"

/* The hash of indexes of every kind, and of their answers (index_test.c). */
#define GOLDEN_INDEX_EXPECTED "d43576a4c839d65b"
