// What a decoder is made of, as data. Names as in Hugging Face's config.json; GGUF's keys are translated in
// model/config_gguf.cc. A family differs from another only by what stands here: the decoder asks for no name.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/gguf.h"
#include "kernels/ops.h"

namespace hew {

// The linear layers of a decoder block, in the order they run. An adapter attaches to these.
enum class Projection : uint8_t { kQ, kK, kV, kO, kGate, kUp, kDown };
inline constexpr int kProjectionCount = 7;
inline constexpr std::array<Projection, kProjectionCount> kProjections = {
    Projection::kQ,    Projection::kK,  Projection::kV,   Projection::kO,
    Projection::kGate, Projection::kUp, Projection::kDown};

enum class NormKind : uint8_t { kRms, kLayer };  // y = x / rms(x) * w, or with mean and bias

// How a model that learned one context stretches its rotary positions to another.
enum class RopeScaling : uint8_t { kNone, kLinear, kLlama3, kYarn, kLongRope };

struct RopeConfig {
  double theta = 10000.0;
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1;
  int64_t original_positions = 0;        // llama3, yarn, longrope: the context it learned with
  double low_freq_factor = 0;            // llama3; 0 in a GGUF file, which has the divisors alone
  double high_freq_factor = 0;           // llama3
  double beta_fast = 32, beta_slow = 1;  // yarn
  bool truncate = true;                  // yarn: the ramp's ends are whole numbers
  double attention_factor = 0;           // yarn, longrope: of cosines and sines; 0 for the usual formula
  std::vector<double> divisors = {},
                      long_divisors = {};  // of each frequency, [rotary_dim / 2], where they are given one by one;
                                           // the long ones are for sequences beyond original_positions
};

struct LayerConfig {
  int64_t window = 0;   // > 0: a query sees only the last `window` keys, itself included
  int rope = 0;         // index into ModelConfig::ropes, or kNoRope
  bool sparse = false;  // its feed-forward part is ModelConfig's experts, of which each row goes through a few
};
inline constexpr int kNoRope = -1;

struct ModelConfig {
  std::string architecture;  // GGUF's general.architecture: used by config readers and name maps only
  std::string model_type;    // Hugging Face's, the same
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t max_position_embeddings = 0;

  NormKind norm = NormKind::kRms;
  float norm_eps = 1e-5f;
  bool qk_norm = false;       // each head of q and k is normalised before it is rotated
  bool output_norms = false;  // attention and feed-forward are normalised again before they join the residual stream

  std::vector<RopeConfig> ropes;    // usually one; Gemma 3 has another for local layers
  std::vector<LayerConfig> layers;  // [num_hidden_layers]
  int64_t rotary_dim = 0;           // the first of each head's head_dim numbers that are rotated
  bool learned_positions = false;   // an embedding of positions is added to that of the tokens
  RopePairing rope_pairing =
      RopePairing::kHalves;  // in memory always Hugging Face's order: GGUF's permuted rows are put back

  float attention_scale = 0;    // of q k'; 1 / sqrt(head_dim) unless the file says otherwise
  float attention_softcap = 0;  // > 0: scores become softcap * tanh(score / softcap)
  float logit_softcap = 0;      // the same for the logits
  float embedding_scale = 1;

  // Of the sparse layers (Shazeer et al. 2017; routing as in Jiang et al. 2024). No experts: no such layers.
  int64_t num_experts = 0, num_experts_per_tok = 0;
  int64_t moe_intermediate_size = 0;  // of one expert
  bool norm_topk_prob = true;  // the weights of a row's experts add up to 1; else they are shares among all experts

  Activation hidden_act = Activation::kSilu;
  bool gated = true;  // down(act(gate) * up), else down(act(up))
  std::array<bool, kProjectionCount> has_bias = {};
  bool tie_word_embeddings = false;

  int64_t query_size() const { return num_attention_heads * head_dim; }
  int64_t key_value_size() const { return num_key_value_heads * head_dim; }
  bool Sparse(int64_t layer) const { return layers[static_cast<size_t>(layer)].sparse; }
  // Whether a layer has this projection; of a sparse one the feed-forward part is experts, which are none.
  bool Has(Projection p, int64_t layer) const {
    return (gated || p != Projection::kGate) && !(p >= Projection::kGate && Sparse(layer));
  }
  bool Has(Projection p) const;  // in any layer
  // Whether a new adapter may change it: beside experts attention alone, because PEFT takes the names of the
  // feed-forward projections for those of experts.
  bool Adapts(Projection p) const { return Has(p) && (num_experts == 0 || p < Projection::kGate); }
  bool HasBias(Projection p) const { return has_bias[static_cast<size_t>(p)]; }
  // What a row goes through in a layer's feed-forward part: so many times so many inner values.
  int64_t experts_per_row(int64_t layer) const { return Sparse(layer) ? num_experts_per_tok : 1; }
  int64_t feed_forward_size(int64_t layer) const { return Sparse(layer) ? moe_intermediate_size : intermediate_size; }
  int64_t widest_feed_forward() const;  // the largest product of the two over all layers
};

// [out, in] of a projection, and of one of gate, up and down in an expert.
std::pair<int64_t, int64_t> ProjectionShape(const ModelConfig& config, Projection p);
std::pair<int64_t, int64_t> ExpertShape(const ModelConfig& config, Projection p);

// All check every number (positive, heads divisible, sizes that the tensors can have) and name the field at
// fault.
Result<ModelConfig> ConfigFromGguf(const GgufMetadata& metadata, const std::string& name);
Result<ModelConfig> ConfigFromJson(std::string_view config_json, const std::string& name);
// Fills in what follows from other fields: heads of keys, head_dim, scale, one kind of layer where none is said.
Status CompleteConfig(ModelConfig* config);

}  // namespace hew
