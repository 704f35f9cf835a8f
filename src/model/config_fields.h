// What the readers of config.json and of GGUF's metadata share. Internal to model/.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>

#include "base/shown.h"
#include "model/config.h"
#include "model/names.h"

namespace hew {

inline constexpr int64_t kMaxLayers = 1024, kMaxExperts = 4096;

struct IntegerField {
  int64_t ModelConfig::*member;
  const char* gguf;  // behind "<architecture>."
  const char* json;
  const char* old_json;  // GPT-2's name
  int64_t limit;
  bool required;
};
inline constexpr IntegerField kIntegerFields[] = {
    {&ModelConfig::vocab_size, "vocab_size", "vocab_size", nullptr, int64_t{1} << 24, false},
    {&ModelConfig::hidden_size, "embedding_length", "hidden_size", "n_embd", int64_t{1} << 20, true},
    {&ModelConfig::intermediate_size, "feed_forward_length", "intermediate_size", "n_inner", int64_t{1} << 20, true},
    {&ModelConfig::num_hidden_layers, "block_count", "num_hidden_layers", "n_layer", kMaxLayers, true},
    {&ModelConfig::num_attention_heads, "attention.head_count", "num_attention_heads", "n_head", 4096, true},
    {&ModelConfig::num_key_value_heads, "attention.head_count_kv", "num_key_value_heads", nullptr, 4096, false},
    {&ModelConfig::head_dim, "attention.key_length", "head_dim", nullptr, 1024, false},
    {&ModelConfig::max_position_embeddings, "context_length", "max_position_embeddings", "n_positions",
     int64_t{1} << 32, true},
};

// The name of a field in the file at hand, so that the error says what its author wrote.
using FieldNamer = std::function<std::string(const IntegerField&)>;

inline tl::unexpected<Error> FieldError(std::string_view field, std::string_view expected, std::string_view found) {
  return BadInput("{}: expected {}, found {}", field, expected, Shown(found));
}

// A configuration with what the family's name says by itself.
ModelConfig StartConfig(const Architecture& architecture);
// One LayerConfig per layer: a window on all but every `global_every`-th layer (0: on all), rotary positions but on the
// family's exceptions.
void SetLayers(const FamilyTraits& traits, int64_t window, int64_t global_every, ModelConfig* config);
// Layers with a window get rotary positions of their own base.
void UseLocalRope(double theta, ModelConfig* config);
// The scale of scores that a GGUF file means when it says none.
float ImpliedAttentionScale(const ModelConfig& config);
// CompleteConfig (config.h) with the file's names in its errors.
Status CompleteConfig(ModelConfig* config, const FieldNamer& name_of);

}  // namespace hew
