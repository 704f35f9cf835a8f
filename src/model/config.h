// What a decoder is made of, as data. Names as in Hugging Face's config.json; GGUF's keys are translated in
// model/gguf_names.cc, once. A family differs from another only by what stands here.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "formats/gguf.h"
#include "kernels/ops.h"

namespace hew {

struct ModelConfig {
  std::string architecture;  // GGUF's general.architecture: "llama", ...: used by config readers and name maps only
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t max_position_embeddings = 0;
  float rms_norm_eps = 1e-5f;
  double rope_theta = 10000.0;
  RopePairing rope_pairing =
      RopePairing::kHalves;  // in memory always Hugging Face's order: GGUF's permuted rows are put back
  Activation hidden_act = Activation::kSilu;
  bool tie_word_embeddings = false;
  bool attention_bias = false;  // q, k, v

  int64_t query_size() const { return num_attention_heads * head_dim; }
  int64_t key_value_size() const { return num_key_value_heads * head_dim; }
};

// Both check every number (positive, heads divisible, sizes that the tensors can have) and name the field at fault.
Result<ModelConfig> ConfigFromGguf(const GgufMetadata& metadata, const std::string& name);
Result<ModelConfig> ConfigFromJson(std::string_view config_json, const std::string& name);

}  // namespace hew
