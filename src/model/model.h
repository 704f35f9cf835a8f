// A frozen base model in memory, and how to load it.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/runtime.h"
#include "model/config.h"
#include "tensor/weight.h"

namespace hew {

// The linear layers of a decoder block, in the order they run. An adapter attaches to these.
enum class Projection : uint8_t { kQ, kK, kV, kO, kGate, kUp, kDown };
inline constexpr int kProjectionCount = 7;
inline constexpr std::array<Projection, kProjectionCount> kProjections = {
    Projection::kQ,    Projection::kK,  Projection::kV,   Projection::kO,
    Projection::kGate, Projection::kUp, Projection::kDown};

std::string_view ModuleName(Projection p);      // "q_proj", ...
std::string_view ModulePath(Projection p);      // "self_attn.q_proj", "mlp.gate_proj", ...
std::string_view GgufTensorName(Projection p);  // "attn_q", "ffn_gate", ...
std::optional<Projection> ProjectionFromModule(std::string_view module);

struct LayerWeights {
  std::array<Weight, kProjectionCount> projections;         // [out, in]
  std::array<std::vector<float>, kProjectionCount> biases;  // [out], empty when the model has none
  std::vector<float> input_norm, post_attention_norm;       // [hidden_size]

  const Weight& operator[](Projection p) const { return projections[static_cast<size_t>(p)]; }
};

struct Model {
  ModelConfig config;
  Weight embed_tokens;  // [vocab_size, hidden_size]
  Weight lm_head;       // empty when tied to embed_tokens
  std::vector<float> final_norm;
  std::vector<LayerWeights> layers;
  RopeTable rope;
  std::string source_path;
  std::string digest;  // sha256 of the weights' file(s), made on demand by DigestOfModel

  const Weight& head() const { return lm_head.empty() ? embed_tokens : lm_head; }
  int64_t memory_bytes() const;
  int64_t parameter_count() const;  // tied weights once
};

// [out, in] of a projection.
std::pair<int64_t, int64_t> ProjectionShape(const ModelConfig& config, Projection p);

// A .gguf file or a Hugging Face folder (config.json, *.safetensors). Every tensor's presence and shape is checked:
// "model.gguf: tensor blk.3.attn_norm.weight: expected shape [576], found [512]".
Result<std::shared_ptr<const Model>> LoadModel(const Runtime& rt, const std::string& path);

// Angles in double: pos * theta^(-2i / head_dim), for every position the config allows.
RopeTable MakeRopeTable(const ThreadPool& pool, const ModelConfig& config);

// SHA-256 of a GGUF file; of a folder: of the lines "NAME DIGEST" of config.json and its safetensors files, by name.
Result<std::string> DigestOfModel(const std::string& path);

}  // namespace hew
