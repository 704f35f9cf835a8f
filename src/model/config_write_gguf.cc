#include <algorithm>
#include <cmath>

#include "model/config_fields.h"
#include "model/config_write.h"
#include "model/rope.h"

namespace hew {
namespace {

uint32_t U32(int64_t value) { return static_cast<uint32_t>(value); }

bool SameLayers(const ModelConfig& a, const ModelConfig& b, bool windows) {
  for (size_t l = 0; l < a.layers.size(); ++l) {
    if (windows ? a.layers[l].window != b.layers[l].window
                : (a.layers[l].rope == kNoRope) != (b.layers[l].rope == kNoRope)) {
      return false;
    }
  }
  return true;
}

Status SetLayersOf(const ModelConfig& c, const std::string& prefix, GgufMetadata* metadata) {
  const FamilyTraits& traits = ArchitectureOf(c).traits;
  int64_t window = 0;
  for (const LayerConfig& layer : c.layers) window = std::max(window, layer.window);
  ModelConfig usual = c;  // what a reader would take these layers for
  SetLayers(traits, window, traits.global_every, &usual);
  if (!SameLayers(c, usual, false)) {
    return BadInput("no_rope_layers: expected every {}th layer, as a GGUF file means by {}, found others",
                    traits.no_rope_every, c.architecture);
  }
  if (window == 0) return {};
  metadata->Set(prefix + "attention.sliding_window", U32(window));
  if (!SameLayers(c, usual, true)) {
    std::vector<bool> pattern;
    for (const LayerConfig& layer : c.layers) pattern.push_back(layer.window > 0);
    metadata->Set(prefix + "attention.sliding_window_pattern", GgufArray(std::move(pattern)));
  }
  return {};
}

void SetRope(const ModelConfig& c, const std::string& prefix, GgufMetadata* metadata) {
  if (c.ropes.empty()) return;
  const RopeConfig& rope = c.ropes[0];
  metadata->Set(prefix + "rope.dimension_count", U32(c.rotary_dim));
  metadata->Set(prefix + "rope.freq_base", static_cast<float>(rope.theta));
  if (c.ropes.size() > 1) metadata->Set(prefix + "rope.freq_base_swa", static_cast<float>(c.ropes[1].theta));
  const auto set_scaling = [&](const char* type) {
    metadata->Set(prefix + "rope.scaling.type", std::string(type));
    metadata->Set(prefix + "rope.scaling.factor", static_cast<float>(rope.factor));
  };
  const double magnitude = FrequenciesOf(rope, c.rotary_dim, false).magnitude;
  switch (rope.scaling) {
    case RopeScaling::kNone:
    case RopeScaling::kLlama3:  // its divisors are a tensor
      return;
    case RopeScaling::kLinear:
      return set_scaling("linear");
    case RopeScaling::kYarn: {
      set_scaling("yarn");
      metadata->Set(prefix + "rope.scaling.original_context_length", U32(rope.original_positions));
      const double beside = magnitude / (1 + 0.1 * std::log(rope.factor));  // GGUF's stands beside the usual formula
      if (std::abs(beside - 1) > 1e-6) metadata->Set(prefix + "rope.scaling.attn_factor", static_cast<float>(beside));
      if (rope.beta_fast != 32)
        metadata->Set(prefix + "rope.scaling.yarn_beta_fast", static_cast<float>(rope.beta_fast));
      if (rope.beta_slow != 1)
        metadata->Set(prefix + "rope.scaling.yarn_beta_slow", static_cast<float>(rope.beta_slow));
      return;
    }
    case RopeScaling::kLongRope:  // its divisors are tensors
      metadata->Set(prefix + "rope.scaling.original_context_length", U32(rope.original_positions));
      metadata->Set(prefix + "rope.scaling.attn_factor", static_cast<float>(magnitude));
      return;
  }
}

}  // namespace

Status ConfigToGguf(const ModelConfig& c, GgufMetadata* metadata) {
  const FamilyTraits& traits = ArchitectureOf(c).traits;
  const std::string prefix = c.architecture + ".";
  if (c.hidden_act != traits.act)
    return BadInput("hidden_act: expected the one that a GGUF file means by {}, found another", c.architecture);
  metadata->Set("general.architecture", c.architecture);
  metadata->Set("general.type", std::string("model"));
  metadata->Set(prefix + "block_count", U32(c.num_hidden_layers));
  metadata->Set(prefix + "context_length", U32(c.max_position_embeddings));
  metadata->Set(prefix + "embedding_length", U32(c.hidden_size));
  metadata->Set(prefix + "feed_forward_length", U32(c.intermediate_size));
  metadata->Set(prefix + "attention.head_count", U32(c.num_attention_heads));
  metadata->Set(prefix + "attention.head_count_kv", U32(c.num_key_value_heads));
  metadata->Set(prefix + "attention.key_length", U32(c.head_dim));
  metadata->Set(prefix + "attention.value_length", U32(c.head_dim));
  metadata->Set(
      prefix + (c.norm == NormKind::kLayer ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon"),
      c.norm_eps);
  metadata->Set(prefix + "vocab_size", U32(c.vocab_size));
  if (c.num_experts > 0) {
    metadata->Set(prefix + "expert_count", U32(c.num_experts));
    metadata->Set(prefix + "expert_used_count", U32(c.num_experts_per_tok));
    metadata->Set(prefix + "expert_feed_forward_length", U32(c.moe_intermediate_size));
    if (!c.norm_topk_prob) metadata->Set(prefix + "expert_weights_norm", false);
  }
  SetRope(c, prefix, metadata);
  HEW_RETURN_IF_ERROR(SetLayersOf(c, prefix, metadata));
  if (c.attention_scale != ImpliedAttentionScale(c)) metadata->Set(prefix + "attention.scale", c.attention_scale);
  if (c.attention_softcap != 0 || traits.attention_softcap != 0)
    metadata->Set(prefix + "attn_logit_softcapping", c.attention_softcap);
  if (c.logit_softcap != 0 || traits.logit_softcap != 0)
    metadata->Set(prefix + "final_logit_softcapping", c.logit_softcap);
  return {};
}

}  // namespace hew
