// What a training pass will need: memory, so that a batch can be made to fit, and arithmetic, so that speed can be
// shown as a share of what the machine can do.
#include <algorithm>

#include "model/trainable.h"
#include "model/training_buffers.h"

namespace hew {
namespace {

struct Sum {
  int64_t weights = 0;                      // that a row goes through in a layer's linear layers
  int64_t adapted_in = 0, adapted_out = 0;  // sums over the adapted ones
  int64_t adapted_weights = 0;
};

// Of all projections of a layer, or of k_proj and v_proj alone.
Sum SumOf(const ModelConfig& config, const LoraConfig& lora, int64_t layer, bool keys_and_values_only = false) {
  Sum sum;
  if (config.Sparse(layer) && !keys_and_values_only) {
    sum.weights =
        config.hidden_size * (config.num_experts + 3 * config.num_experts_per_tok * config.moe_intermediate_size);
  }
  for (Projection p : kProjections) {
    if (!config.Has(p, layer) || (keys_and_values_only && p != Projection::kK && p != Projection::kV)) continue;
    const auto [out, in] = ProjectionShape(config, p);
    sum.weights += out * in;
    if (!config.Adapts(p) || std::find(lora.targets.begin(), lora.targets.end(), p) == lora.targets.end()) continue;
    sum.adapted_in += in;
    sum.adapted_out += out;
    sum.adapted_weights += out * in;
  }
  return sum;
}

// Of one row through these projections, there and back.
double BlockFlops(const LoraConfig& lora, const Sum& sum) {
  // Forward y = W x and backward d_x = W' d_y: two flops per weight each. DoRA makes its product again in the backward
  // pass; under dropout the frozen part stands beside the dropped one, in both directions.
  double flops = 4.0 * static_cast<double>(sum.weights);
  if (lora.dora) {
    const auto adapted = static_cast<double>(sum.adapted_weights);
    flops += 2 * adapted;
    if (lora.dropout > 0) flops += 2 * 2 * adapted + 2 * adapted;
  }
  // h = A x (forward, and again backward), dA and d_x from d_h: 8 r in; y += B h, d_h and dB: 6 r out.
  const auto rank = static_cast<double>(lora.rank);
  return flops + rank * (8.0 * static_cast<double>(sum.adapted_in) + 6.0 * static_cast<double>(sum.adapted_out));
}

}  // namespace

int64_t LoraParameterCount(const ModelConfig& config, const LoraConfig& lora) {
  int64_t count = 0;
  for (int64_t l = 0; l < config.num_hidden_layers; ++l) {
    const Sum sum = SumOf(config, lora, l);
    count += lora.rank * (sum.adapted_in + sum.adapted_out) + (lora.dora ? sum.adapted_out : 0);
  }
  return count;
}

int64_t LearnedStateBytes(int64_t parameters, bool bf16) { return parameters * (5 * 4 + (bf16 ? 2 : 4)); }

int64_t TrainingBytes(const ModelConfig& config, const LoraConfig& lora, bool bf16, int64_t rows,
                      const TrainingTechniques& techniques, int64_t forward_rows) {
  constexpr int64_t kF32Bytes = 4;
  const int64_t act = bf16 ? 2 : 4, hidden = config.hidden_size, query = config.query_size();
  const int64_t key_value = config.key_value_size(), intermediate = config.widest_feed_forward();
  const int64_t widest = std::max({hidden, query, config.intermediate_size});
  // One layer's LayerActivations; gate and up apart.
  int64_t layer = 2 * hidden * kF32Bytes + (2 * query + 2 * key_value) * act + config.num_attention_heads * kF32Bytes;
  if (config.qk_norm) layer += (query + key_value) * act;
  if (config.output_norms) layer += 2 * hidden * kF32Bytes;
  const auto feed_forward = [&](int64_t l) {
    return (config.gated ? 2 : 1) * config.experts_per_row(l) * config.feed_forward_size(l) * act;
  };
  // residual, d_residual, d_normed; normed and d_output; activated and d_activated; d_attention, d_q, d_k, d_v.
  int64_t shared = 3 * hidden * kF32Bytes + (bf16 || config.output_norms ? 2 : 1) * hidden * act +
                   2 * intermediate * act + (2 * query + 2 * key_value) * act;
  // learned, d_learned and learned_normed, as if every row were learned.
  shared += 2 * hidden * kF32Bytes + hidden * act + 2 * kF32Bytes;
  // query_normed and d_query_normed.
  shared += hidden * (act + kF32Bytes);
  // LoRA: h and d_h of up to three projections that share an input; dropout's input and its gradient; DoRA's product.
  shared += 6 * lora.rank * act;
  if (lora.dropout > 0) shared += widest * (act + kF32Bytes);
  if (lora.dora) shared += widest * kF32Bytes + 3 * widest * act;
  const int64_t chunk = LogitChunkRows(config.vocab_size) * (config.vocab_size + hidden) * kF32Bytes;
  // ExpertScratch.
  if (config.num_experts > 0)
    shared += config.num_experts * kF32Bytes + config.num_experts_per_tok * hidden * (act + kF32Bytes);
  const int64_t first = techniques.lowest_layer ? lora.first_layer : 0, layers = config.num_hidden_layers - first;
  // What goes through a layer of which nothing is kept.
  const int64_t passing = layer - 2 * hidden * kF32Bytes - config.num_attention_heads * kF32Bytes +
                          (config.gated ? 2 : 1) * intermediate * act;
  const int64_t passing_rows = std::max(forward_rows, first > 0 || !techniques.stored_activations ? rows : 0);
  int64_t stored = layers * hidden * kF32Bytes;  // and, in the layer whose pass is made again:
  if (!techniques.stored_activations) stored += 2 * hidden * kF32Bytes + config.num_attention_heads * kF32Bytes;
  if (techniques.stored_activations) {
    stored = layers * layer;
    for (int64_t l = first; l < config.num_hidden_layers; ++l) stored += feed_forward(l);
  }
  return rows * stored + passing_rows * passing + std::max(rows, forward_rows) * shared + chunk;
}

int64_t ProductBytes(const ModelConfig& config, bool bf16, int64_t rows) {
  const int64_t attention = config.query_size() + 2 * config.key_value_size();
  return rows * std::max(attention, (config.gated ? 2 : 1) * config.widest_feed_forward()) * (bf16 ? 2 : 4);
}

double FullTrainingFlopsPerRow(const ModelConfig& config, double head_share) {
  const double head = 6.0 * static_cast<double>(config.vocab_size) * static_cast<double>(config.hidden_size);
  double flops = head_share * head;
  for (int64_t l = 0; l < config.num_hidden_layers; ++l)
    flops += 6.0 * static_cast<double>(SumOf(config, {}, l).weights);
  return flops;
}

double TrainingFlopsPerRow(const ModelConfig& config, const LoraConfig& lora, double head_share) {
  const int64_t end = config.num_hidden_layers - 1;
  double flops = 0;
  for (int64_t l = 0; l < end; ++l) {
    const Sum sum = SumOf(config, lora, l);
    flops +=
        l < lora.first_layer ? 2.0 * static_cast<double>(sum.weights) : BlockFlops(lora, sum);  // below: forward only
  }
  // Of the last layer only keys and values are made for every row, the rest and the head for learned ones.
  const double keys_and_values = BlockFlops(lora, SumOf(config, lora, end, true));
  flops += keys_and_values + head_share * (BlockFlops(lora, SumOf(config, lora, end)) - keys_and_values);
  const double head = 4.0 * static_cast<double>(config.vocab_size) * static_cast<double>(config.hidden_size);
  // The first adapted layer's q, k and v need no gradient of their input.
  const double spared = 2.0 * static_cast<double>(config.hidden_size) *
                        static_cast<double>(config.query_size() + 2 * config.key_value_size());
  return flops + head_share * head - spared;
}

}  // namespace hew
