/* The hash of the golden workload: what every build, kernel set, storage and runtime must give. It changes only when the format or the workload
 * does, and then on purpose. */
#define GOLDEN_EXPECTED "c2c6fea72f79419f"
