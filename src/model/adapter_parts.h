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
#include "model/names.h"

namespace hew {

// One adapted module as a file has it; the module may hold several projections.
struct AdapterPart {
  const StoredModule* module = nullptr;
  const TensorEntry* a = nullptr;          // [rank, in]
  const TensorEntry* b = nullptr;          // [out, rank]
  const TensorEntry* magnitude = nullptr;  // [out], DoRA
  double alpha = 0;                        // scale is alpha / rank, or alpha / sqrt(rank)
};

class AdapterParts {
 public:
  explicit AdapterParts(std::string path) : path_(std::move(path)) {}
  AdapterPart& At(const LayerModule& where) {
    AdapterPart& part = parts_[{where.layer, where.module->parts[0]}];
    if (!part.module) part.module = where.module;
    return part;
  }

  // What can be checked without a base: A and B of every module, ranks that agree, scales and numbers that are
  // finite.
  Status Check(const LoraConfig& config) const;
  std::vector<Projection> Targets() const;  // those found, in their order
  // The same checks, every shape against the base, and the adapter laid out. `permuted` says that
  // B's rows stand in GGUF's order. `config` gives everything but targets, which are those found.
  Result<LoraAdapter> Build(const Runtime& rt, LoraConfig config, const Model& base, bool permuted,
                            float user_scale) const;

 private:
  Status AddModules(const std::pair<int64_t, AdapterPart>& layer_part, const LoraConfig& config, const Model& base,
                    bool permuted, LoraAdapter* adapter) const;

  std::string path_;
  std::map<std::pair<int64_t, Projection>, AdapterPart> parts_;  // by the module's first projection
};

// The error for a tensor of the embedding or the head, which an adapter here leaves as they are.
tl::unexpected<Error> VocabularyRefused(const std::string& path, const std::string& tensor);

inline std::string_view AsBytes(const float* values, size_t count) {
  return {reinterpret_cast<const char*>(values), count * sizeof(float)};
}
// The other way round: one stored module of a layer, its projections' adapters joined. Projections of a fused module
// that have the same A and scale share it, as PEFT trains them; others stand beside each other at the sum of their
// ranks, each with its own rows of B. Rows that no adapter changes have zeros in B (and DoRA's m = ||W||).
struct JoinedModule {
  int64_t layer = 0;
  const StoredModule* module = nullptr;
  int64_t rank = 0, in = 0, out = 0;
  float scale = 1;               // the user's scale included
  std::vector<float> a;          // [rank, in]
  std::vector<float> b;          // [out, rank]
  std::vector<float> magnitude;  // [out], DoRA
};
std::vector<JoinedModule> JoinModules(const LoraAdapter& adapter, const Model& base);

// "PATH: tensor NAME: expected F32, F16 or BF16, found Q8_0"; values in row-major order.
Result<std::vector<float>> ReadPlainTensor(const std::string& path, const TensorEntry& tensor);

}  // namespace hew
