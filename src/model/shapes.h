// Sizes of models to be trained from nothing, by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/config.h"

namespace hew {

struct ModelShape {
  std::string_view name;  // "10m": about so many weights with Llama's blocks
  int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0;
  int64_t num_hidden_layers = 0, num_attention_heads = 0, num_key_value_heads = 0;
};

const std::vector<ModelShape>& ModelShapes();
const ModelShape* FindShape(std::string_view name);

// A new model of this shape: `arch` is "llama" or "gpt2" (with a feed-forward of 4 hidden_size,
// as many heads of keys as of queries, and a learned embedding of `context` positions). The head is tied to the
// embedding.
Result<ModelConfig> ConfigOfShape(const ModelShape& shape, std::string_view arch, int64_t context);

}  // namespace hew
