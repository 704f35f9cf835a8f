// The reader of a GGUF file's metadata.
#include <algorithm>
#include <cmath>

#include "model/config_fields.h"

namespace hew {
namespace {

// The metadata of one architecture, keys without its prefix.
struct Keys {
  const GgufMetadata& metadata;
  std::string prefix;

  std::string operator()(const char* key) const { return prefix + key; }
  const GgufValue* Find(const char* key) const { return metadata.Find(prefix + key); }
  Result<int64_t> IntOr(const char* key, int64_t fallback) const { return metadata.GetIntOr(prefix + key, fallback); }
  Result<double> FloatOr(const char* key, double fallback) const { return metadata.GetFloatOr(prefix + key, fallback); }
};

Status ReadIntegers(const Keys& keys, ModelConfig* config) {
  for (const IntegerField& field : kIntegerFields) {
    if (!field.required && !keys.Find(field.gguf)) continue;
    HEW_ASSIGN(config->*field.member, keys.metadata.GetInt(keys(field.gguf)));
    if (config->*field.member == 0 && !field.required)
      return BadInput("{}: expected a number of at least 1, found 0", keys(field.gguf));
  }
  if (config->vocab_size != 0) return {};
  HEW_ASSIGN(const auto* tokens, keys.metadata.GetArray<std::string>("tokenizer.ggml.tokens"));
  if (!tokens) return BadInput("{}: expected a number, found no such field", keys("vocab_size"));
  config->vocab_size = static_cast<int64_t>(tokens->size());
  if (config->vocab_size == 0) return BadInput("tokenizer.ggml.tokens: expected at least one token, found none");
  return {};
}

Status ReadRope(const Keys& keys, ModelConfig* config) {
  if (config->ropes.empty()) return {};
  RopeConfig& rope = config->ropes[0];
  HEW_ASSIGN(rope.theta, keys.FloatOr("rope.freq_base", rope.theta));
  HEW_ASSIGN(config->rotary_dim, keys.IntOr("rope.dimension_count", 0));
  HEW_ASSIGN(const std::string scaling, keys.metadata.GetStringOr(keys("rope.scaling.type"), "none"));
  HEW_ASSIGN(rope.factor, keys.FloatOr("rope.scaling.factor", 1));
  HEW_ASSIGN(rope.original_positions, keys.IntOr("rope.scaling.original_context_length", 0));
  HEW_ASSIGN(const double attention_factor, keys.FloatOr("rope.scaling.attn_factor", 0));
  rope.attention_factor = attention_factor;
  if (scaling == "none") return {};
  if (scaling == "linear") {
    rope.scaling = RopeScaling::kLinear;
  } else if (scaling == "longrope") {
    rope.scaling = RopeScaling::kLongRope;  // the loader finds its divisors as tensors
    rope.factor = 1;                        // the file says the magnitude itself
  } else if (scaling == "yarn") {
    rope.scaling = RopeScaling::kYarn;
    HEW_ASSIGN(rope.beta_fast, keys.FloatOr("rope.scaling.yarn_beta_fast", rope.beta_fast));
    HEW_ASSIGN(rope.beta_slow, keys.FloatOr("rope.scaling.yarn_beta_slow", rope.beta_slow));
    if (rope.original_positions == 0) rope.original_positions = config->max_position_embeddings;
    // Here the factor stands beside the usual formula, not in its place.
    if (attention_factor != 0 && rope.factor > 0)
      rope.attention_factor = attention_factor * (1 + 0.1 * std::log(rope.factor));
  } else {
    return BadInput("{}: expected none, linear, yarn or longrope, found {} (not supported)", keys("rope.scaling.type"),
                    Shown(scaling));
  }
  return {};
}

Status ReadLayers(const Keys& keys, const FamilyTraits& traits, ModelConfig* config) {
  HEW_ASSIGN(const int64_t window, keys.IntOr("attention.sliding_window", 0));
  const char* pattern_key = "attention.sliding_window_pattern";
  int64_t global_every = traits.global_every;
  const GgufValue* pattern = keys.Find(pattern_key);
  const bool list = pattern && std::holds_alternative<GgufArray>(*pattern);
  if (pattern && !list) {
    HEW_ASSIGN(global_every, keys.IntOr(pattern_key, global_every));
  }
  SetLayers(traits, window, global_every, config);
  if (list) {
    HEW_ASSIGN(const auto* windowed, keys.metadata.GetArray<bool>(keys(pattern_key)));
    if (windowed->size() != config->layers.size()) {
      return BadInput("{}: expected {} elements, found {}", keys(pattern_key), config->layers.size(), windowed->size());
    }
    for (size_t l = 0; l < windowed->size(); ++l) config->layers[l].window = (*windowed)[l] ? window : 0;
  }
  if (traits.local_rope_theta > 0) {
    HEW_ASSIGN(const double local, keys.FloatOr("rope.freq_base_swa", traits.local_rope_theta));
    UseLocalRope(local, config);
  }
  return {};
}

// The loader finds out which layers have them.
Status ReadExperts(const Keys& keys, ModelConfig* config) {
  HEW_ASSIGN(config->num_experts, keys.IntOr("expert_count", 0));
  if (config->num_experts == 0) return {};
  HEW_ASSIGN(config->num_experts_per_tok, keys.metadata.GetInt(keys("expert_used_count")));
  HEW_ASSIGN(config->moe_intermediate_size, keys.IntOr("expert_feed_forward_length", config->intermediate_size));
  HEW_ASSIGN(config->norm_topk_prob, keys.metadata.GetBoolOr(keys("expert_weights_norm"), true));
  for (const char* key : {"expert_shared_count", "expert_shared_feed_forward_length", "expert_group_count"}) {
    HEW_ASSIGN(const int64_t value, keys.IntOr(key, 0));
    if (value != 0) return BadInput("{}: expected 0, found {} (not supported)", keys(key), value);
  }
  HEW_ASSIGN(const double scale, keys.FloatOr("expert_weights_scale", 1));
  if (scale != 1 && scale != 0)
    return BadInput("{}: expected 1, found {} (not supported)", keys("expert_weights_scale"), scale);
  return {};
}

// Among the families of one GGUF name, the one that has experts and windows as this file has.
Result<std::string> ModelTypeOf(const Keys& keys, const ModelConfig& config) {
  const bool windowed =
      std::any_of(config.layers.begin(), config.layers.end(), [](const auto& l) { return l.window > 0; });
  const Architecture* found = nullptr;
  for (const Architecture& a : Architectures()) {
    if (a.gguf != config.architecture || a.traits.experts != (config.num_experts > 0)) continue;
    if (!found || (windowed && a.traits.windowed)) found = &a;
  }
  if (found) return std::string(found->hf_model_type);
  return BadInput("{}: expected {}, found {}", keys("expert_count"),
                  config.num_experts > 0 ? "0, for this architecture has no experts here" : "a number of at least 1",
                  config.num_experts);
}

Status ReadScales(const Keys& keys, const FamilyTraits& traits, ModelConfig* config) {
  const bool wide = traits.wide_scale_layers > 0 && config->num_hidden_layers == traits.wide_scale_layers;
  HEW_ASSIGN(const double scale, keys.FloatOr("attention.scale", wide ? ImpliedAttentionScale(*config) : 0));
  HEW_ASSIGN(const double scores, keys.FloatOr("attn_logit_softcapping", config->attention_softcap));
  HEW_ASSIGN(const double logits, keys.FloatOr("final_logit_softcapping", config->logit_softcap));
  config->attention_scale = static_cast<float>(scale);
  config->attention_softcap = static_cast<float>(scores);
  config->logit_softcap = static_cast<float>(logits);
  if (traits.scaled_embedding) config->embedding_scale = std::sqrt(static_cast<float>(config->hidden_size));
  return {};
}

// What would change the arithmetic and is not built is refused, never ignored.
Status RefuseUnsupported(const Keys& keys, const ModelConfig& config) {
  HEW_ASSIGN(const int64_t value_length, keys.IntOr("attention.value_length", config.head_dim));
  if (value_length != config.head_dim) {
    return BadInput("{}: expected {} as the keys', found {}", keys("attention.value_length"), config.head_dim,
                    value_length);
  }
  // The order of permuted rows is only known for heads that are rotated whole.
  if (ArchitectureOf(config).gguf_permutes_qk && config.rotary_dim != config.head_dim) {
    return BadInput("{}: expected {}, the size of a head, found {}", keys("rope.dimension_count"), config.head_dim,
                    config.rotary_dim);
  }
  return {};
}

Result<ModelConfig> ReadGgufConfig(const GgufMetadata& metadata) {
  HEW_ASSIGN(const std::string name, metadata.GetString("general.architecture"));
  const Architecture* architecture = FindArchitecture(name);
  if (!architecture) {
    return BadInput("general.architecture: unknown architecture {}; known: {}", Shown(name), KnownArchitectures());
  }
  const Keys keys{metadata, name + "."};
  const FamilyTraits& traits = architecture->traits;
  ModelConfig config = StartConfig(*architecture);
  HEW_RETURN_IF_ERROR(ReadIntegers(keys, &config));
  const bool layer_norm = config.norm == NormKind::kLayer;
  HEW_ASSIGN(const double eps,
             metadata.GetFloat(keys(layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon")));
  config.norm_eps = static_cast<float>(eps);
  HEW_RETURN_IF_ERROR(ReadRope(keys, &config));
  HEW_RETURN_IF_ERROR(ReadExperts(keys, &config));
  HEW_RETURN_IF_ERROR(ReadLayers(keys, traits, &config));
  HEW_ASSIGN(config.model_type, ModelTypeOf(keys, config));
  HEW_RETURN_IF_ERROR(ReadScales(keys, traits, &config));
  HEW_RETURN_IF_ERROR(CompleteConfig(&config, [&](const IntegerField& f) { return keys(f.gguf); }));
  HEW_RETURN_IF_ERROR(RefuseUnsupported(keys, config));
  return config;
}

}  // namespace

Result<ModelConfig> ConfigFromGguf(const GgufMetadata& metadata, const std::string& name) {
  auto config = ReadGgufConfig(metadata);
  if (!config) return Annotate(name, std::move(config).error());
  return config;
}

}  // namespace hew
