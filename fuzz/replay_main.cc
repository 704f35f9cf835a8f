// Every target with its seeds and some changes of them, without libFuzzer: a test that takes seconds.
// Usage: hew_fuzz_replay [CHANGES]         or, to see one finding again: hew_fuzz_replay TARGET FILE...
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>

#include "base/file.h"
#include "target.h"

namespace hew::fuzz {
namespace {

const FuzzTarget* const kTargets[] = {&adapter_target,     &checkpoint_target, &gguf_target,          &http_target,
                                      &jinja_target,       &jsonl_target,      &json_schema_target,   &kernels_target,
                                      &safetensors_target, &settings_target,   &tokenizer_json_target};

int Replay(std::string_view name, std::span<char* const> paths) {
  for (const FuzzTarget* target : kTargets) {
    if (target->name != name) continue;
    for (const char* path : paths) {
      const auto bytes = ReadFile(path);
      if (!bytes) return fmt::print(stderr, "{}\n", bytes.error().message), 2;
      target->run(*bytes);
    }
    return 0;
  }
  return fmt::print(stderr, "{}: expected the name of a target, found none\n", name), 2;
}

void Sweep(const FuzzTarget& target, int changes) {
  const std::vector<std::string> seeds = target.seeds();
  Random random{1, 0, 0};
  for (const std::string& seed : seeds) target.run(seed);
  for (int i = 0; i < changes; ++i) {
    std::string bytes = seeds[random.Below(seeds.size())];
    for (uint64_t steps = 1 + random.Below(4); steps > 0; --steps) bytes = target.mutate(bytes, random);
    target.run(bytes);
  }
  fmt::print("{}: {} seeds, {} changes of them\n", target.name, seeds.size(), changes);
}

}  // namespace
}  // namespace hew::fuzz

int main(int count, char** arguments) {
  using namespace hew::fuzz;
  if (count > 2) return Replay(arguments[1], {arguments + 2, static_cast<size_t>(count - 2)});
  for (const FuzzTarget* target : kTargets) Sweep(*target, count > 1 ? std::atoi(arguments[1]) : 300);
}
