// What both readers of configurations share: the family's traits, limits, and what follows from other fields. Limits
// keep every product of two numbers far inside 64 bits, whatever a hostile file says.
#include "model/config.h"

#include <algorithm>
#include <cmath>

#include "model/config_fields.h"

namespace hew {
namespace {

// Angles in a rotary table (256 MB of cosines and sines); a model that claims more positions is used up to this many.
constexpr int64_t kMaxRopeAngles = int64_t{1} << 25;
constexpr int64_t kMaxPositions = int64_t{1} << 32;

Status CheckRope(const RopeConfig& rope, const ModelConfig& config) {
  const auto positive = [](double x) { return x > 0 && std::isfinite(x); };
  if (!positive(rope.theta)) {
    return FieldError("base of the rotary positions", "a positive number", fmt::format("{}", rope.theta));
  }
  if (!positive(rope.factor)) {
    return FieldError("factor of the rotary positions", "a positive number", fmt::format("{}", rope.factor));
  }
  const bool needs_original =
      rope.scaling == RopeScaling::kYarn || rope.scaling == RopeScaling::kLongRope ||
      (rope.scaling == RopeScaling::kLlama3 && rope.divisors.empty() && rope.low_freq_factor > 0);
  if ((needs_original && rope.original_positions < 1) || rope.original_positions > kMaxPositions) {
    return FieldError("original context of the rotary positions", "a number of at least 1",
                      std::to_string(rope.original_positions));
  }
  if (rope.scaling == RopeScaling::kLlama3 && rope.low_freq_factor > 0 &&
      !(rope.high_freq_factor > rope.low_freq_factor)) {
    return FieldError("high_freq_factor", "a number above low_freq_factor", fmt::format("{}", rope.high_freq_factor));
  }
  if (rope.scaling == RopeScaling::kYarn &&
      (!positive(rope.beta_fast) || !positive(rope.beta_slow) || !(rope.theta > 1))) {
    return FieldError("beta_fast and beta_slow", "positive numbers",
                      fmt::format("{} and {}", rope.beta_fast, rope.beta_slow));
  }
  if (!(rope.attention_factor >= 0) || !std::isfinite(rope.attention_factor)) {
    return FieldError("attention_factor", "a positive number", fmt::format("{}", rope.attention_factor));
  }
  for (const auto* divisors : {&rope.divisors, &rope.long_divisors}) {
    if (divisors->empty()) continue;
    if (static_cast<int64_t>(divisors->size()) != config.rotary_dim / 2) {
      return FieldError("factors of the rotary frequencies", fmt::format("{} of them", config.rotary_dim / 2),
                        std::to_string(divisors->size()));
    }
    if (!std::all_of(divisors->begin(), divisors->end(), positive)) {
      return FieldError("factors of the rotary frequencies", "positive numbers", "another");
    }
  }
  return {};
}

Status CheckScale(const char* name, float value) {
  if (value >= 0 && std::isfinite(value)) return {};
  return FieldError(name, "a positive number", fmt::format("{}", value));
}

Status CheckExperts(const ModelConfig& config) {
  const bool any =
      std::any_of(config.layers.begin(), config.layers.end(), [](const LayerConfig& l) { return l.sparse; });
  if (!any && config.num_experts == 0) return {};
  if (!any) return FieldError("experts", "a layer that has some", "none");
  const auto check = [](const char* name, int64_t value, int64_t limit) -> Status {
    if (value >= 1 && value <= limit) return {};
    return FieldError(name, fmt::format("a number from 1 to {}", limit), std::to_string(value));
  };
  HEW_RETURN_IF_ERROR(check("number of experts", config.num_experts, kMaxExperts));
  HEW_RETURN_IF_ERROR(check("experts of a token", config.num_experts_per_tok, config.num_experts));
  HEW_RETURN_IF_ERROR(check("size of an expert", config.moe_intermediate_size, int64_t{1} << 20));
  if (config.gated) return {};
  return FieldError("experts", "none without a gated feed-forward part", "some (not supported)");
}

}  // namespace

ModelConfig StartConfig(const Architecture& architecture) {
  const FamilyTraits& traits = architecture.traits;
  ModelConfig config;
  config.architecture = architecture.gguf;
  config.model_type = architecture.hf_model_type;
  config.norm = traits.norm;
  config.norm_eps = static_cast<float>(traits.norm_eps);
  config.qk_norm = traits.qk_norm;
  config.output_norms = traits.output_norms;
  config.gated = traits.gated;
  config.learned_positions = traits.learned_positions;
  config.hidden_act = traits.act;
  config.tie_word_embeddings = traits.tied;
  config.attention_softcap = traits.attention_softcap;
  config.logit_softcap = traits.logit_softcap;
  for (Projection p : kProjections) {
    config.has_bias[static_cast<size_t>(p)] = traits.all_bias || (traits.qkv_bias && p <= Projection::kV);
  }
  if (!traits.learned_positions) config.ropes = {RopeConfig{.theta = traits.rope_theta}};
  return config;
}

void SetLayers(const FamilyTraits& traits, int64_t window, int64_t global_every, ModelConfig* config) {
  config->layers.resize(static_cast<size_t>(std::clamp<int64_t>(config->num_hidden_layers, 0, kMaxLayers)));
  for (size_t l = 0; l < config->layers.size(); ++l) {
    const auto is_last_of = [l](int64_t n) { return n > 0 && static_cast<int64_t>(l + 1) % n == 0; };
    config->layers[l].window = is_last_of(global_every) ? 0 : window;
    config->layers[l].rope = config->ropes.empty() || is_last_of(traits.no_rope_every) ? kNoRope : 0;
    config->layers[l].sparse = config->num_experts > 0;
  }
}

void UseLocalRope(double theta, ModelConfig* config) {
  RopeConfig local;
  local.theta = theta;
  config->ropes.push_back(local);
  for (LayerConfig& layer : config->layers) {
    if (layer.window > 0 && layer.rope != kNoRope) layer.rope = static_cast<int>(config->ropes.size()) - 1;
  }
}

float ImpliedAttentionScale(const ModelConfig& config) {
  const int64_t wide = ArchitectureOf(config).traits.wide_scale_layers;
  const double size = wide > 0 && config.num_hidden_layers == wide
                          ? static_cast<double>(config.hidden_size) / static_cast<double>(config.num_attention_heads)
                          : static_cast<double>(config.head_dim);
  return static_cast<float>(1 / std::sqrt(size));
}

Status CompleteConfig(ModelConfig* config, const FieldNamer& name_of) {
  for (const IntegerField& field : kIntegerFields) {
    const int64_t value = config->*field.member;
    if (value < 0 || value > field.limit || (value == 0 && field.required)) {
      return FieldError(name_of(field), fmt::format("a number from 1 to {}", field.limit), std::to_string(value));
    }
  }
  if (config->num_key_value_heads == 0) config->num_key_value_heads = config->num_attention_heads;
  if (config->num_attention_heads % config->num_key_value_heads != 0) {
    return FieldError("attention heads",
                      fmt::format("a multiple of the {} key/value heads", config->num_key_value_heads),
                      std::to_string(config->num_attention_heads));
  }
  if (config->head_dim == 0) {
    if (config->hidden_size % config->num_attention_heads != 0) {
      return FieldError("hidden size", fmt::format("a multiple of the {} attention heads", config->num_attention_heads),
                        std::to_string(config->hidden_size));
    }
    config->head_dim = config->hidden_size / config->num_attention_heads;
  }
  if (config->head_dim % 2 != 0 || config->head_dim > 1024) {
    return FieldError("size of a head", "an even number up to 1024", std::to_string(config->head_dim));
  }
  if (config->rotary_dim == 0) config->rotary_dim = config->head_dim;
  if (config->rotary_dim % 2 != 0 || config->rotary_dim < 2 || config->rotary_dim > config->head_dim) {
    return FieldError("rotated part of a head", fmt::format("an even number up to {}", config->head_dim),
                      std::to_string(config->rotary_dim));
  }
  if (!(config->norm_eps > 0) || !(config->norm_eps < 1)) {
    return FieldError("epsilon of the norms", "a number between 0 and 1", fmt::format("{}", config->norm_eps));
  }
  for (const RopeConfig& rope : config->ropes) HEW_RETURN_IF_ERROR(CheckRope(rope, *config));
  if (config->layers.empty()) SetLayers({}, 0, 0, config);
  for (const LayerConfig& layer : config->layers) {
    if (layer.window < 0 || layer.window > kMaxPositions) {
      return FieldError("sliding window", "a number of at least 1", std::to_string(layer.window));
    }
  }
  HEW_RETURN_IF_ERROR(CheckExperts(*config));
  if (config->attention_scale == 0) {
    config->attention_scale = static_cast<float>(1 / std::sqrt(static_cast<double>(config->head_dim)));
  }
  HEW_RETURN_IF_ERROR(CheckScale("scale of the attention scores", config->attention_scale));
  HEW_RETURN_IF_ERROR(CheckScale("softcap of the attention scores", config->attention_softcap));
  HEW_RETURN_IF_ERROR(CheckScale("softcap of the logits", config->logit_softcap));
  if (!config->learned_positions) {
    config->max_position_embeddings =
        std::min(config->max_position_embeddings, kMaxRopeAngles / (config->rotary_dim / 2));
  }
  return {};
}

Status CompleteConfig(ModelConfig* config) {
  return CompleteConfig(config, [](const IntegerField& field) { return std::string(field.json); });
}

bool ModelConfig::Has(Projection p) const {
  for (int64_t l = 0; l < num_hidden_layers; ++l) {
    if (Has(p, l)) return true;
  }
  return false;
}

int64_t ModelConfig::widest_feed_forward() const {
  int64_t widest = 0;
  for (int64_t l = 0; l < num_hidden_layers; ++l) widest = std::max(widest, experts_per_row(l) * feed_forward_size(l));
  return widest;
}

std::pair<int64_t, int64_t> ExpertShape(const ModelConfig& config, Projection p) {
  HEW_CHECK(p >= Projection::kGate);
  if (p == Projection::kDown) return {config.hidden_size, config.moe_intermediate_size};
  return {config.moe_intermediate_size, config.hidden_size};
}

std::pair<int64_t, int64_t> ProjectionShape(const ModelConfig& config, Projection p) {
  switch (p) {
    case Projection::kQ:
      return {config.query_size(), config.hidden_size};
    case Projection::kK:
    case Projection::kV:
      return {config.key_value_size(), config.hidden_size};
    case Projection::kO:
      return {config.hidden_size, config.query_size()};
    case Projection::kGate:
    case Projection::kUp:
      return {config.intermediate_size, config.hidden_size};
    case Projection::kDown:
      return {config.hidden_size, config.intermediate_size};
  }
  HEW_CHECK(false);
}

}  // namespace hew
