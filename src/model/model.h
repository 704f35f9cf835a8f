// A frozen base model in memory, and how to load it.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/runtime.h"
#include "model/config.h"
#include "tensor/weight.h"

namespace hew {

struct Norm {
  std::vector<float> weight, bias;  // [size]; bias of NormKind::kLayer only. Empty when the model has no such norm

  bool empty() const { return weight.empty(); }
};

// One expert of a sparse layer: a feed-forward part of its own.
struct Expert {
  std::array<Weight, 3> projections;  // gate and up [moe_intermediate_size, hidden_size], down the other way round

  const Weight& operator[](Projection p) const { return projections[Index(p)]; }
  static size_t Index(Projection p) { return static_cast<size_t>(p) - static_cast<size_t>(Projection::kGate); }
};

struct LayerWeights {
  std::array<Weight, kProjectionCount> projections;         // [out, in]; empty where the model has no such projection
  std::array<std::vector<float>, kProjectionCount> biases;  // [out], empty when the model has none
  Norm input_norm, feed_forward_norm;                       // [hidden_size]
  Norm attention_output_norm, feed_forward_output_norm;     // [hidden_size], ModelConfig::output_norms
  Norm q_norm, k_norm;                                      // [head_dim], ModelConfig::qk_norm
  Weight router;                                            // [num_experts, hidden_size], LayerConfig::sparse
  std::vector<Expert> experts;                              // [num_experts], LayerConfig::sparse

  const Weight& operator[](Projection p) const { return projections[static_cast<size_t>(p)]; }
};

struct Model {
  ModelConfig config;
  Weight embed_tokens;     // [vocab_size, hidden_size]
  Weight embed_positions;  // [max_position_embeddings, hidden_size], ModelConfig::learned_positions
  Weight lm_head;          // empty when tied to embed_tokens
  Norm final_norm;
  std::vector<LayerWeights> layers;
  std::vector<RopeTable> ropes;  // of ModelConfig::ropes
  std::string source_path;
  bool packed = false;          // all weights lie in a packed copy (PackedCache)
  std::string packed_identity;  // what a copy of them must say; "" where none was asked for
  std::string digest;  // sha256 of the weights' file(s), made on demand by DigestOfModel

  const Weight& head() const { return lm_head.empty() ? embed_tokens : lm_head; }
  int64_t memory_bytes() const;
  int64_t parameter_count() const;  // tied weights once
};

// Where packed copies of models lie (packed_copy.h), and how many bytes of them. No folder: nowhere.
struct PackedCache {
  std::string folder;
  uint64_t most_bytes = 0;
};

// A .gguf file or a Hugging Face folder (config.json, *.safetensors). Every tensor's presence and shape is checked:
// "model.gguf: tensor blk.3.attn_norm.weight: expected shape [576], found [512]".
// With a `cache`, the weights are mapped from a packed copy there if one fits.
Result<std::shared_ptr<const Model>> LoadModel(const Runtime& rt, const std::string& path, const PackedCache& cache = {});

// Leaves a packed copy of a model loaded with this cache, unless it came from one; those that were not used for longest give way.
// Errors: the disk's; the model is as good without.
Status KeepPacked(const PackedCache& cache, const Model& model);

// What LoadModel would give, without reading the weights: their names and shapes are checked all the same.
struct ModelOutline {
  ModelConfig config;
  int64_t memory_bytes = 0;  // as Model::memory_bytes
};
Result<ModelOutline> OutlineModel(const Runtime& rt, const std::string& path);

// SHA-256 of a GGUF file; of a folder: of the lines "NAME DIGEST" of config.json and its safetensors files, by name.
Result<std::string> DigestOfModel(const std::string& path);

}  // namespace hew
