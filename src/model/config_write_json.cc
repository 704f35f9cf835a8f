#include <algorithm>
#include <cmath>

#include "model/config_fields.h"
#include "model/config_write.h"
#include "model/rope.h"

namespace hew {
namespace {

std::string_view ActivationName(Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return "silu";
    case Activation::kGelu:
      return "gelu";
    case Activation::kGeluTanh:
      return "gelu_pytorch_tanh";
  }
  HEW_CHECK(false);
}

// A GGUF file has llama3's divisors; config.json wants the four numbers they were made of. Tried are those that were
// published.
Result<RopeConfig> WithLlama3Numbers(const RopeConfig& rope, int64_t rotary_dim) {
  if (rope.low_freq_factor > 0) return rope;
  RopeConfig tried = rope;
  tried.low_freq_factor = 1, tried.high_freq_factor = 4;
  tried.factor = *std::max_element(rope.divisors.begin(), rope.divisors.end());
  for (int64_t original : {8192, 4096, 16384, 32768, 2048, 1024, 512, 256, 128, 64, 32, 16}) {
    tried.original_positions = original;
    const std::vector<double> divisors = Llama3Divisors(tried, rotary_dim);
    const bool same = std::equal(divisors.begin(), divisors.end(), rope.divisors.begin(),
                                 [](double a, double b) { return std::abs(a - b) < 1e-4 * b; });
    if (same) return tried;
  }
  return BadInput("rope_freqs.weight: expected factors of llama3's formula, which config.json can say, found others");
}

Status SetRope(const ModelConfig& c, Json* json) {
  if (c.ropes.empty()) return {};
  const RopeConfig& rope = c.ropes[0];
  (*json)["rope_theta"] = rope.theta;
  if (c.ropes.size() > 1) (*json)["rope_local_base_freq"] = c.ropes[1].theta;
  if (c.rotary_dim != c.head_dim)
    (*json)["partial_rotary_factor"] = static_cast<double>(c.rotary_dim) / static_cast<double>(c.head_dim);
  Json& scaling = (*json)["rope_scaling"];
  switch (rope.scaling) {
    case RopeScaling::kNone:
      scaling = nullptr;
      return {};
    case RopeScaling::kLinear:
      scaling = {{"rope_type", "linear"}, {"factor", rope.factor}};
      return {};
    case RopeScaling::kLlama3: {
      HEW_ASSIGN(const RopeConfig full, WithLlama3Numbers(rope, c.rotary_dim));
      scaling = {{"rope_type", "llama3"},
                 {"factor", full.factor},
                 {"low_freq_factor", full.low_freq_factor},
                 {"high_freq_factor", full.high_freq_factor},
                 {"original_max_position_embeddings", full.original_positions}};
      return {};
    }
    case RopeScaling::kYarn:
      scaling = {{"rope_type", "yarn"},
                 {"factor", rope.factor},
                 {"original_max_position_embeddings", rope.original_positions},
                 {"beta_fast", rope.beta_fast},
                 {"beta_slow", rope.beta_slow}};
      if (rope.attention_factor > 0) scaling["attention_factor"] = rope.attention_factor;
      return {};
    case RopeScaling::kLongRope:
      (*json)["original_max_position_embeddings"] = rope.original_positions;
      scaling = {{"rope_type", "longrope"}, {"short_factor", rope.divisors}, {"long_factor", rope.long_divisors}};
      scaling["attention_factor"] = FrequenciesOf(rope, c.rotary_dim, false).magnitude;
      return {};
  }
  HEW_CHECK(false);
}

void SetLayersOf(const ModelConfig& c, Json* json) {
  int64_t window = 0;
  bool no_rope = false;
  Json types = Json::array(), rotated = Json::array();
  for (const LayerConfig& layer : c.layers) {
    window = std::max(window, layer.window);
    no_rope |= layer.rope == kNoRope && !c.ropes.empty();
    types.push_back(layer.window > 0 ? "sliding_attention" : "full_attention");
    rotated.push_back(layer.rope == kNoRope ? 0 : 1);
  }
  (*json)["sliding_window"] = window > 0 ? Json(window) : Json(nullptr);
  if (window > 0) {
    (*json)["use_sliding_window"] = true;
    (*json)["layer_types"] = types;
  }
  if (no_rope) (*json)["no_rope_layers"] = rotated;
}

void SetExperts(const ModelConfig& c, Json* json) {
  if (c.num_experts == 0) return;
  Json dense = Json::array();
  for (size_t l = 0; l < c.layers.size(); ++l) {
    if (!c.layers[l].sparse) dense.push_back(l);
  }
  (*json)["num_experts"] = (*json)["num_local_experts"] =
      c.num_experts;  // families differ in which of the names they read
  (*json)["num_experts_per_tok"] = c.num_experts_per_tok;
  (*json)["moe_intermediate_size"] = c.moe_intermediate_size;
  (*json)["norm_topk_prob"] = c.norm_topk_prob;
  (*json)["decoder_sparse_step"] = 1;
  (*json)["mlp_only_layers"] = dense;
}

}  // namespace

Result<Json> ConfigToJson(const ModelConfig& c) {
  const Architecture& architecture = ArchitectureOf(c);
  const FamilyTraits& traits = architecture.traits;
  Json json = {{"architectures", Json::array({architecture.hf_class})},
               {"model_type", architecture.hf_model_type},
               {"tie_word_embeddings", c.tie_word_embeddings}};
  const bool old_names = c.learned_positions;  // GPT-2
  for (const IntegerField& field : kIntegerFields) {
    if (old_names && !field.old_json && field.member != &ModelConfig::vocab_size) continue;
    json[old_names && field.old_json ? field.old_json : field.json] = c.*field.member;
  }
  json[c.norm == NormKind::kLayer ? "layer_norm_epsilon" : "rms_norm_eps"] = c.norm_eps;
  if (old_names) {
    json["activation_function"] = c.hidden_act == Activation::kGeluTanh ? "gelu_new" : ActivationName(c.hidden_act);
    return json;
  }
  json[traits.scaled_embedding ? "hidden_activation" : "hidden_act"] = ActivationName(c.hidden_act);
  json["attention_bias"] = c.HasBias(Projection::kO) || (c.HasBias(Projection::kQ) && !traits.qkv_bias);
  json["mlp_bias"] = c.HasBias(Projection::kUp);
  json["attention_dropout"] = 0.0;
  HEW_RETURN_IF_ERROR(SetRope(c, &json));
  SetLayersOf(c, &json);
  SetExperts(c, &json);
  if (traits.scaled_embedding)
    json["query_pre_attn_scalar"] = std::round(1e3 / (c.attention_scale * c.attention_scale)) / 1e3;
  if (c.attention_softcap != 0 || traits.attention_softcap != 0)
    json["attn_logit_softcapping"] = c.attention_softcap > 0 ? Json(c.attention_softcap) : Json(nullptr);
  if (c.logit_softcap != 0 || traits.logit_softcap != 0)
    json["final_logit_softcapping"] = c.logit_softcap > 0 ? Json(c.logit_softcap) : Json(nullptr);
  return json;
}

}  // namespace hew
