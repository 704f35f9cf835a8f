// A model all of whose weights learn. They lie in one flat fp32 buffer, the master, which the optimiser changes; the
// decoder computes with a Model that is packed from it anew after each step.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "base/runtime.h"
#include "model/decoder.h"
#include "model/tensors.h"

namespace hew {

// One part of the model in the flat buffer, row-major, rows in memory's order.
struct TrainableTensor {
  ModelPart part;
  bool matrix = false;
  size_t offset = 0;
  int64_t rows = 0, cols = 0;  // cols is 1 for a vector

  size_t size() const { return static_cast<size_t>(rows * cols); }
  bool hidden() const { return matrix && part.projection.has_value(); }  // a matrix inside the blocks
};

// Where each weight stands: all matrices first, then norms and biases, both in the order of the forward pass.
class ParameterLayout {
 public:
  explicit ParameterLayout(const ModelConfig& config);

  const std::vector<TrainableTensor>& tensors() const { return tensors_; }
  size_t size() const { return size_; }
  size_t matrices_end() const { return matrices_end_; }  // weight decay is for what lies before

  // Where a weight begins in a flat buffer (parameters or gradients); the model must have it.
  size_t At(const ModelPart& part) const;
  size_t At(Projection p, int64_t layer, bool bias = false) const { return At({p, {}, layer, bias}); }
  size_t At(ModelTensor t, int64_t layer = 0, bool bias = false) const { return At({std::nullopt, t, layer, bias}); }

 private:
  std::vector<TrainableTensor> tensors_;
  std::map<std::tuple<int, int64_t, bool>, size_t> offsets_;
  size_t size_ = 0, matrices_end_ = 0;
};

class TrainableModel {
 public:
  // From nothing: normal numbers of deviation 0.02, those of o_proj and down_proj divided by sqrt(2 layers) (Radford et
  // al. 2019); gains 1, biases 0. Same seed, same weights, for any number of threads. `config` is complete.
  static TrainableModel Create(const Runtime& rt, const ModelConfig& config, uint64_t seed);
  // From a model's weights, dequantised. It has no experts: those do not learn.
  static TrainableModel From(const Runtime& rt, const Model& base);

  std::vector<float> parameters;  // [layout().size()]

  const ParameterLayout& layout() const { return layout_; }
  const Model& model() const { return *model_; }
  // Packs the model from `parameters`, in the type the run computes in: after each change of them.
  void Pack(const Runtime& rt);

 private:
  TrainableModel(const Runtime& rt, const ModelConfig& config);

  std::shared_ptr<Model> model_;  // its address stays when the TrainableModel moves
  ParameterLayout layout_;
};

// As LossAndGradients, for all weights: adds gradient_scale * d(loss sum)/d(parameters) to `gradients`, in the layout
// of the parameters.
LossSum FullLossAndGradients(const Runtime& rt, const TrainableModel& trainable, const PackedBatch& batch,
                             float gradient_scale, std::span<float> gradients, TrainingWorkspace* workspace = nullptr);

// Six times the weights of the blocks, and of the head for the share of rows whose logits are made.
double FullTrainingFlopsPerRow(const ModelConfig& config, double head_share);

// Writes a folder that Transformers opens, but for the tokenizer: config.json and model.safetensors, in `type` (kF32,
// kBF16 or kF16). `token_ids`: "bos_token_id" and the like.
Status SaveTrainable(const TrainableModel& trainable, DType type, const std::map<std::string, int64_t>& token_ids,
                     const std::string& folder);

}  // namespace hew
