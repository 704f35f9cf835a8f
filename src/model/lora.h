// Low-rank adapters (Hu et al. 2021) on the frozen base: y = W x + scale B A x; rsLoRA (Kalajdzievski 2023) changes the
// scale, DoRA (Liu et al. 2024) the magnitude. All trainable numbers of an adapter lie in one flat buffer.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/runtime.h"
#include "model/model.h"

namespace hew {

struct LoraConfig {
  int64_t rank = 16;
  double alpha = 32;
  double dropout = 0;  // on the adapter's input, in training only
  bool rslora = false, dora = false;
  std::vector<Projection> targets = {kProjections.begin(), kProjections.end()};
  int64_t first_layer = 0, end_layer = -1;  // the layers that Create adapts; -1: to the last
  std::string base_model_name;

  double Scale(int64_t module_rank, double module_alpha) const;  // alpha / r, or alpha / sqrt(r)
};

// One adapted projection of one layer; offsets into LoraAdapter::parameters.
struct LoraModule {
  int64_t layer = 0;
  Projection projection = Projection::kQ;
  int64_t rank = 0, in = 0, out = 0;
  float scale = 1;                        // rank_pattern and alpha_pattern folded in
  size_t a_offset = 0;                    // A [rank, in]
  size_t b_offset = 0;                    // B [out, rank]
  size_t magnitude_offset = 0;            // DoRA's m [out], else unused
  Weight a, b;                            // packed for the kernels; b holds scale * user scale * B
  std::vector<float> column_scale;        // DoRA: m / ||W + sBA|| per output
  std::vector<float> inverse_norm;        // DoRA: 1 / ||W + sBA||, for the gradient of m
  std::vector<double> base_norm_squared;  // DoRA: ||W||^2 per output, computed by the first Pack
};

class LoraAdapter {
 public:
  // A as Kaiming-uniform with a = sqrt(5), B zero, as PEFT starts them; DoRA's m = ||W||. Same seed, same adapter.
  static Result<LoraAdapter> Create(const Runtime& rt, const LoraConfig& config, const Model& base, uint64_t seed);

  LoraConfig config;
  std::vector<float> parameters;    // flat: trained by AdamW, saved, hashed
  std::vector<LoraModule> modules;  // Pack sorts them by (layer, projection); none twice
  float user_scale = 1;             // --adapter A=0.5

  const LoraModule* Find(int64_t layer, Projection p) const;
  // Packs A and B (and recomputes DoRA's norms) from `parameters`: after loading and after each optimiser step.
  void Pack(const Runtime& rt, const Model& base);
  int64_t lowest_layer() const;  // no gradient is needed below it
};

// PEFT folder or GGUF LoRA file in either direction; formats.md lists the traps. Loading checks every shape and target
// against the base and names what is wrong; unknown tensors are an error, never dropped.
Result<LoraAdapter> LoadAdapter(const Runtime& rt, const std::string& path, const Model& base, float user_scale = 1);
Status SavePeftAdapter(const LoraAdapter& adapter, const Model& base, const std::string& folder);
Status SaveGgufAdapter(const LoraAdapter& adapter, const Model& base, const std::string& path);  // refuses DoRA

}  // namespace hew
