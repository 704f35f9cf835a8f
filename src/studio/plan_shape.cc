#include "studio/plan_shape.h"

#include <algorithm>

namespace hew {

PlanShape ShapeOf(const ModelConfig& config) {
  PlanShape shape;
  shape.vocab_size = config.vocab_size;
  shape.hidden_size = config.hidden_size;
  shape.intermediate_size = config.intermediate_size;
  if (config.num_experts > 0) {  // as if every layer had them
    shape.intermediate_size = config.moe_intermediate_size;
    shape.experts = config.num_experts;
    shape.experts_per_token = config.num_experts_per_tok;
  }
  shape.num_hidden_layers = config.num_hidden_layers;
  shape.num_attention_heads = config.num_attention_heads;
  shape.num_key_value_heads = config.num_key_value_heads;
  shape.head_dim = config.head_dim;
  shape.tied = config.tie_word_embeddings;
  shape.qkv_biases = config.HasBias(Projection::kQ);
  shape.gated = config.gated;
  shape.biases = config.norm == NormKind::kLayer;
  shape.learned_positions = config.learned_positions ? config.max_position_embeddings : 0;
  return shape;
}

ParameterCount CountParameters(const PlanShape& shape) {
  const int64_t hidden = shape.hidden_size, inner = shape.intermediate_size, layers = shape.num_hidden_layers;
  const int64_t query = shape.num_attention_heads * shape.head_dim;
  const int64_t key_value = shape.num_key_value_heads * shape.head_dim;
  ParameterCount count;
  count.embeddings = (shape.vocab_size + shape.learned_positions) * hidden;
  int64_t attention = hidden * (query + 2 * key_value) + query * hidden;
  int64_t feed_forward = hidden * inner * (shape.gated ? 3 : 2);
  if (shape.experts > 0) feed_forward = shape.experts * (feed_forward + hidden);
  if (shape.biases || shape.qkv_biases) attention += query + 2 * key_value;
  if (shape.biases) {
    attention += hidden;
    feed_forward += inner * (shape.gated ? 2 : 1) + hidden;
  }
  count.attention = layers * attention;
  count.feed_forward = layers * feed_forward;
  if (shape.experts > 0)
    count.idle_experts = layers * (shape.experts - shape.experts_per_token) * hidden * inner * (shape.gated ? 3 : 2);
  count.norms = (2 * layers + 1) * hidden * (shape.biases ? 2 : 1);
  count.head = shape.tied ? 0 : shape.vocab_size * hidden;
  return count;
}

int64_t LoraParameters(const PlanShape& shape, int64_t rank) {
  const int64_t hidden = shape.hidden_size, inner = shape.intermediate_size;
  const int64_t query = shape.num_attention_heads * shape.head_dim;
  const int64_t key_value = shape.num_key_value_heads * shape.head_dim;
  const int64_t attention = (hidden + query) + 2 * (hidden + key_value) + (query + hidden);
  const int64_t feed_forward = shape.experts > 0 ? 0 : (shape.gated ? 3 : 2) * (hidden + inner);
  return shape.num_hidden_layers * rank * (attention + feed_forward);
}

int64_t ActivationBytesPerRow(const PlanShape& shape) {
  constexpr int64_t kBytes = 2;
  const int64_t query = shape.num_attention_heads * shape.head_dim;
  const int64_t key_value = shape.num_key_value_heads * shape.head_dim;
  const int64_t values =
      4 * shape.hidden_size + 2 * query + 2 * key_value +
      (shape.gated ? 3 : 2) * shape.intermediate_size * std::max<int64_t>(1, shape.experts_per_token);
  return shape.num_hidden_layers * values * kBytes;
}

}  // namespace hew
