#include "model/shapes.h"

#include <algorithm>

#include "model/config_fields.h"
#include "model/names.h"

namespace hew {

const std::vector<ModelShape>& ModelShapes() {
  static const std::vector<ModelShape> shapes = {
      {"1m", 2048, 128, 352, 4, 4, 4},    {"3m", 4096, 192, 512, 5, 6, 6},      {"10m", 8192, 320, 864, 6, 5, 5},
      {"30m", 16384, 512, 1408, 7, 8, 8}, {"60m", 24576, 640, 1728, 9, 10, 10}, {"125m", 32000, 768, 2048, 16, 12, 4},
  };
  return shapes;
}

const ModelShape* FindShape(std::string_view name) {
  const auto& all = ModelShapes();
  const auto found = std::find_if(all.begin(), all.end(), [&](const ModelShape& s) { return s.name == name; });
  return found == all.end() ? nullptr : &*found;
}

Result<ModelConfig> ConfigOfShape(const ModelShape& shape, std::string_view arch, int64_t context) {
  const Architecture* architecture = FindModelType(arch);
  if (!architecture) return BadInput("arch: expected one of {}, found '{}'", KnownModelTypes(), arch);
  if (architecture->traits.experts)
    return BadInput("arch: expected a family without experts (those are not trained from nothing), found '{}'", arch);
  ModelConfig config = StartConfig(*architecture);
  config.vocab_size = shape.vocab_size;
  config.hidden_size = shape.hidden_size;
  config.intermediate_size = config.gated ? shape.intermediate_size : 4 * shape.hidden_size;
  config.num_hidden_layers = shape.num_hidden_layers;
  config.num_attention_heads = shape.num_attention_heads;
  config.num_key_value_heads = config.gated ? shape.num_key_value_heads : shape.num_attention_heads;
  config.max_position_embeddings = context;
  config.tie_word_embeddings = true;
  HEW_RETURN_IF_ERROR(CompleteConfig(&config));
  return config;
}

}  // namespace hew
