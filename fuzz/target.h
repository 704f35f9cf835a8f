// What is fuzzed: a reader with inputs to begin with. The same targets run under libFuzzer (libfuzzer_main.cc) and, for
// a moment each, in the tests (replay_main.cc), so that none of them rots.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "base/result.h"
#include "base/shown.h"

namespace hew::fuzz {

struct FuzzTarget {
  const char* name;
  std::vector<std::string> (*seeds)();  // made by code
  // Takes any bytes whatever; what is wrong with the program ends it (HEW_CHECK, a sanitizer).
  void (*run)(std::string_view bytes);
  // One small change that knows what the bytes mean: random ones would seldom get past the first check.
  std::string (*mutate)(std::string_view bytes, Random& random);
};

// One for each source of this folder, called as it is: CMake puts the names together.
extern const FuzzTarget adapter_target, checkpoint_target, gguf_target, http_target, jinja_target, jsonl_target,
    json_schema_target, kernels_target, safetensors_target, settings_target, tokenizer_json_target;

// What every refusal is: one line of bounded length, in UTF-8.
inline void CheckError(const Error& error) {
  HEW_CHECK(!error.message.empty() && error.message.size() < 2000);
  HEW_CHECK(error.message.find('\n') == std::string::npos);
  HEW_CHECK(FindInvalidUtf8(error.message) == std::string_view::npos);
}

// True for a value, whose error would have been a good one.
template <typename T>
bool Holds(const Result<T>& result) {
  if (!result) CheckError(result.error());
  return result.has_value();
}

// Reads every byte, so that a sanitizer sees a view that leaves its buffer.
inline void Touch(std::string_view bytes) {
  unsigned sum = 0;
  for (char c : bytes) sum += static_cast<unsigned char>(c);
  [[maybe_unused]] volatile unsigned kept = sum;
}

}  // namespace hew::fuzz
