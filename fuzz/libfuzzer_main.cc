// libFuzzer's entry points around the one target HEW_FUZZ_TARGET. The seeds are written into the corpus, which is the
// first folder among the arguments.
#include <cstring>
#include <filesystem>
#include <fstream>

#include "target.h"

namespace hew::fuzz {
namespace {

constexpr const FuzzTarget& kTarget = HEW_FUZZ_TARGET;

void WriteSeeds(const std::filesystem::path& folder) {
  int number = 0;
  for (const std::string& seed : kTarget.seeds()) {
    std::ofstream(folder / ("seed-" + std::to_string(number++)), std::ios::binary) << seed;
  }
}

}  // namespace
}  // namespace hew::fuzz

extern "C" {

size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

int LLVMFuzzerInitialize(int* count, char*** arguments) {
  for (int i = 1; i < *count; ++i) {
    if (!std::filesystem::is_directory((*arguments)[i])) continue;
    hew::fuzz::WriteSeeds((*arguments)[i]);
    break;
  }
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hew::fuzz::kTarget.run({reinterpret_cast<const char*>(data), size});
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  hew::Random random{seed, 0, 0};
  if (random.Below(3) == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::string changed(reinterpret_cast<const char*>(data), size);
  for (uint64_t changes = 1 + random.Below(3); changes > 0; --changes)
    changed = hew::fuzz::kTarget.mutate(changed, random);
  if (changed.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, changed.data(), changed.size());
  return changed.size();
}
}
