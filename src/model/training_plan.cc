// What a training pass will need: memory, so that a batch can be made to fit, and arithmetic, so that speed can be
// shown as a share of what the machine can do.
#include <algorithm>

#include "model/trainable.h"
#include "model/training_buffers.h"

namespace hew {
namespace {

struct Sum {
  int64_t weights = 0;                      // of the block's linear layers, per layer
  int64_t adapted_in = 0, adapted_out = 0;  // sums over the adapted ones, per layer
  int64_t adapted_weights = 0;
};

// Of all projections, or of k_proj and v_proj alone.
Sum SumOf(const ModelConfig& config, const LoraConfig& lora, bool keys_and_values_only) {
  Sum sum;
  for (Projection p : kProjections) {
    if (!config.Has(p) || (keys_and_values_only && p != Projection::kK && p != Projection::kV)) continue;
    const auto [out, in] = ProjectionShape(config, p);
    sum.weights += out * in;
    if (std::find(lora.targets.begin(), lora.targets.end(), p) == lora.targets.end()) continue;
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
  const Sum sum = SumOf(config, lora, false);
  return config.num_hidden_layers *
         (lora.rank * (sum.adapted_in + sum.adapted_out) + (lora.dora ? sum.adapted_out : 0));
}

int64_t LearnedStateBytes(int64_t parameters, bool bf16) { return parameters * (5 * 4 + (bf16 ? 2 : 4)); }

int64_t TrainingBytes(const ModelConfig& config, const LoraConfig& lora, bool bf16, int64_t rows,
                      const TrainingTechniques& techniques) {
  constexpr int64_t kF32Bytes = 4;
  const int64_t act = bf16 ? 2 : 4, hidden = config.hidden_size, query = config.query_size();
  const int64_t key_value = config.key_value_size(), intermediate = config.intermediate_size;
  const int64_t widest = std::max({hidden, query, intermediate});
  // One layer's LayerActivations.
  int64_t layer = 2 * hidden * kF32Bytes + (2 * query + 2 * key_value + (config.gated ? 2 : 1) * intermediate) * act +
                  config.num_attention_heads * kF32Bytes;
  if (config.qk_norm) layer += (query + key_value) * act;
  if (config.output_norms) layer += 2 * hidden * kF32Bytes;
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
  const int64_t layers = config.num_hidden_layers;
  const int64_t stored = techniques.stored_activations ? layers * layer : layers * hidden * kF32Bytes + layer;
  return rows * (stored + shared) + chunk;
}

double FullTrainingFlopsPerRow(const ModelConfig& config, double head_share) {
  const double block = 6.0 * static_cast<double>(SumOf(config, {}, false).weights);
  const double head = 6.0 * static_cast<double>(config.vocab_size) * static_cast<double>(config.hidden_size);
  return static_cast<double>(config.num_hidden_layers) * block + head_share * head;
}

double TrainingFlopsPerRow(const ModelConfig& config, const LoraConfig& lora, double head_share) {
  const Sum sum = SumOf(config, lora, false);
  const double block = BlockFlops(lora, sum), keys_and_values = BlockFlops(lora, SumOf(config, lora, true));
  const auto layers = static_cast<double>(config.num_hidden_layers - lora.first_layer);
  // Of the last layer only keys and values are made for every row, the rest and the head for learned ones.
  const double last = keys_and_values + head_share * (block - keys_and_values);
  const double head = 4.0 * static_cast<double>(config.vocab_size) * static_cast<double>(config.hidden_size);
  const double below = 2.0 * static_cast<double>(lora.first_layer * sum.weights);  // forward only
  // The first adapted layer's q, k and v need no gradient of their input.
  const double spared = 2.0 * static_cast<double>(config.hidden_size) *
                        static_cast<double>(config.query_size() + 2 * config.key_value_size());
  return below + (layers - 1) * block + last + head_share * head - spared;
}

}  // namespace hew
