// Between an adapter's file and LoraAdapter: the matrices of each adapted projection, gathered in any order, checked
// together. Used by the readers of both formats.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "formats/tensor_entry.h"
#include "model/lora.h"

namespace hew {

// One adapted projection as a file has it.
struct AdapterPart {
  const TensorEntry* a = nullptr;          // [rank, in]
  const TensorEntry* b = nullptr;          // [out, rank]
  const TensorEntry* magnitude = nullptr;  // [out], DoRA
  double alpha = 0;                        // scale is alpha / rank, or alpha / sqrt(rank)
};

class AdapterParts {
 public:
  explicit AdapterParts(std::string path) : path_(std::move(path)) {}
  AdapterPart& At(int64_t layer, Projection p) { return parts_[{layer, p}]; }

  // What can be checked without a base: A and B of every projection, ranks that agree, scales and numbers that are
  // finite.
  Status Check(const LoraConfig& config) const;
  std::vector<Projection> Targets() const;  // those found, in their order
  // The same checks, every shape against the base, and the adapter laid out. `permuted` says that
  // B's rows stand in GGUF's order. `config` gives everything but targets, which are those found.
  Result<LoraAdapter> Build(const Runtime& rt, LoraConfig config, const Model& base, bool permuted,
                            float user_scale) const;

 private:
  std::string path_;
  std::map<std::pair<int64_t, Projection>, AdapterPart> parts_;
};

// The error for a tensor of the embedding or the head, which an adapter here leaves as they are.
tl::unexpected<Error> VocabularyRefused(const std::string& path, const std::string& tensor);

inline std::string_view AsBytes(const float* values, size_t count) {
  return {reinterpret_cast<const char*>(values), count * sizeof(float)};
}

// "PATH: tensor NAME: expected F32, F16 or BF16, found Q8_0"; values in row-major order.
Result<std::vector<float>> ReadPlainTensor(const std::string& path, const TensorEntry& tensor);

}  // namespace hew
