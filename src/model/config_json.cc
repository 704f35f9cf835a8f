// The reader of config.json, of Transformers 4 and 5.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/json.h"
#include "model/config_fields.h"

namespace hew {
namespace {

class JsonReader {
 public:
  explicit JsonReader(const Json& object) : object_(&object) {}

  const Json* Find(const char* key) const {
    const auto it = key ? object_->find(key) : object_->end();
    return it == object_->end() || it->is_null() ? nullptr : &*it;
  }
  Status Integer(const char* key, bool required, int64_t* out) const {
    const Json* value = Find(key);
    if (!value) return required ? Missing(key) : Status();
    const bool too_large = value->is_number_unsigned() &&
                           value->get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (!value->is_number_integer() || too_large) return Wrong(key, "a whole number", *value);
    *out = value->get<int64_t>();
    // Zero is how a field that is not there looks, so what is written as zero is refused here.
    if (*out == 0) return FieldError(key, "a number of at least 1", "0");
    return {};
  }
  template <typename Number>
  Status Real(const char* key, Number* out) const {
    const Json* value = Find(key);
    if (!value) return {};
    if (!value->is_number()) return Wrong(key, "a number", *value);
    *out = static_cast<Number>(value->get<double>());
    return {};
  }
  Status Boolean(const char* key, bool* out) const {
    const Json* value = Find(key);
    if (!value) return {};
    if (!value->is_boolean()) return Wrong(key, "true or false", *value);
    *out = value->get<bool>();
    return {};
  }
  Result<std::string> String(const char* key, const std::string& fallback) const {
    const Json* value = Find(key);
    if (!value) return fallback;
    if (!value->is_string()) return Wrong(key, "a string", *value);
    return value->get<std::string>();
  }
  Status Reals(const char* key, std::vector<double>* out) const {
    const Json* value = Find(key);
    if (!value) return {};
    if (!value->is_array()) return Wrong(key, "a list of numbers", *value);
    for (const Json& x : *value) {
      if (!x.is_number()) return Wrong(key, "a list of numbers", *value);
      out->push_back(x.get<double>());
    }
    return {};
  }
  // A switch that changes the arithmetic and is not built is refused, never ignored.
  Status MustBe(const char* key, bool expected) const {
    bool value = expected;
    HEW_RETURN_IF_ERROR(Boolean(key, &value));
    if (value == expected) return {};
    return FieldError(key, expected ? "true" : "false", std::string(expected ? "false" : "true") + " (not supported)");
  }
  tl::unexpected<Error> Wrong(const char* key, const std::string& expected, const Json& found) const {
    std::string text = found.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > 40) text = text.substr(0, 40) + "...";
    return FieldError(key, expected, text);
  }

 private:
  Status Missing(const char* key) const { return FieldError(key, "a number", "no such field"); }

  const Json* object_;
};

// --- Rotary positions ------------------------------------------------------------------------------------------------

Status ReadScalingType(const JsonReader& reader, const char* key, RopeScaling* out) {
  static constexpr std::pair<std::string_view, RopeScaling> kKnown[] = {
      {"default", RopeScaling::kNone}, {"linear", RopeScaling::kLinear},     {"llama3", RopeScaling::kLlama3},
      {"yarn", RopeScaling::kYarn},    {"longrope", RopeScaling::kLongRope}, {"su", RopeScaling::kLongRope}};
  HEW_ASSIGN(const std::string old_type, reader.String("type", "default"));
  HEW_ASSIGN(const std::string type, reader.String("rope_type", old_type));
  for (const auto& [known, scaling] : kKnown) {
    if (type != known) continue;
    *out = scaling;
    return {};
  }
  return BadInput("{}: expected type default, linear, llama3, yarn or longrope, found {} (not supported)", key, Shown(type));
}

double YarnMagnitude(double factor, double mscale) { return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1; }

// One object of rope_parameters or rope_scaling.
Status ReadRopeObject(const JsonReader& reader, const char* key, const ModelConfig& config, RopeConfig* rope) {
  HEW_RETURN_IF_ERROR(reader.Real("rope_theta", &rope->theta));
  HEW_RETURN_IF_ERROR(ReadScalingType(reader, key, &rope->scaling));
  if (rope->scaling == RopeScaling::kNone) return {};
  HEW_RETURN_IF_ERROR(reader.Real("factor", &rope->factor));
  HEW_RETURN_IF_ERROR(reader.Integer("original_max_position_embeddings", false, &rope->original_positions));
  const bool has_magnitude = rope->scaling == RopeScaling::kYarn || rope->scaling == RopeScaling::kLongRope;
  if (has_magnitude) HEW_RETURN_IF_ERROR(reader.Real("attention_factor", &rope->attention_factor));
  switch (rope->scaling) {
    case RopeScaling::kLlama3:
      rope->low_freq_factor = 1, rope->high_freq_factor = 4;
      HEW_RETURN_IF_ERROR(reader.Real("low_freq_factor", &rope->low_freq_factor));
      return reader.Real("high_freq_factor", &rope->high_freq_factor);
    case RopeScaling::kYarn: {
      double mscale = 0, mscale_all_dim = 0;
      HEW_RETURN_IF_ERROR(reader.Real("beta_fast", &rope->beta_fast));
      HEW_RETURN_IF_ERROR(reader.Real("beta_slow", &rope->beta_slow));
      HEW_RETURN_IF_ERROR(reader.Boolean("truncate", &rope->truncate));
      HEW_RETURN_IF_ERROR(reader.Real("mscale", &mscale));
      HEW_RETURN_IF_ERROR(reader.Real("mscale_all_dim", &mscale_all_dim));
      if (rope->attention_factor == 0 && mscale != 0 && mscale_all_dim != 0) {
        rope->attention_factor = YarnMagnitude(rope->factor, mscale) / YarnMagnitude(rope->factor, mscale_all_dim);
      }
      if (rope->original_positions == 0) rope->original_positions = config.max_position_embeddings;
      return {};
    }
    case RopeScaling::kLongRope:
      HEW_RETURN_IF_ERROR(reader.Reals("short_factor", &rope->divisors));
      HEW_RETURN_IF_ERROR(reader.Reals("long_factor", &rope->long_divisors));
      if (rope->divisors.empty() || rope->long_divisors.empty())
        return BadInput("{}: expected short_factor and long_factor, found no such lists", key);
      return {};
    default:
      return {};
  }
}

// Transformers 5 writes rope_parameters {rope_theta, rope_type, ...}, one per kind of layer in Gemma 3; before,
// rope_theta, rope_local_base_freq, partial_rotary_factor and rope_scaling stood apart.
Status ReadRope(const JsonReader& reader, const FamilyTraits& traits, double* local_theta, ModelConfig* config) {
  if (config->ropes.empty()) return {};
  RopeConfig& rope = config->ropes[0];
  double rotated = 1;
  *local_theta = traits.local_rope_theta;
  HEW_RETURN_IF_ERROR(reader.Real("rope_theta", &rope.theta));
  HEW_RETURN_IF_ERROR(reader.Real("rope_local_base_freq", local_theta));
  HEW_RETURN_IF_ERROR(reader.Real("partial_rotary_factor", &rotated));
  int64_t original = 0;
  HEW_RETURN_IF_ERROR(reader.Integer("original_max_position_embeddings", false, &original));
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const Json* object = reader.Find(key);
    if (!object) continue;
    if (!object->is_object()) return reader.Wrong(key, "an object", *object);
    JsonReader inner(*object);
    if (const Json* local = inner.Find("sliding_attention"); local && local->is_object()) {
      RopeConfig of_local{.theta = *local_theta};
      HEW_RETURN_IF_ERROR(ReadRopeObject(JsonReader(*local), key, *config, &of_local));
      if (of_local.scaling != RopeScaling::kNone)
        return BadInput("{}: sliding_attention: expected type default, found another (not supported)", key);
      *local_theta = of_local.theta;
    }
    if (const Json* global = inner.Find("full_attention"); global && global->is_object()) inner = JsonReader(*global);
    HEW_RETURN_IF_ERROR(ReadRopeObject(inner, key, *config, &rope));
    HEW_RETURN_IF_ERROR(inner.Real("partial_rotary_factor", &rotated));
  }
  if (original != 0) rope.original_positions = original;
  if (rope.scaling == RopeScaling::kLongRope && rope.original_positions > 0) {
    rope.factor = static_cast<double>(config->max_position_embeddings) / static_cast<double>(rope.original_positions);
  }
  if (!(rotated > 0 && rotated <= 1))
    return FieldError("partial_rotary_factor", "a number up to 1", fmt::format("{}", rotated));
  if (rotated < 1) {
    const int64_t heads = std::max<int64_t>(1, config->num_attention_heads);
    const int64_t head_dim = config->head_dim ? config->head_dim : config->hidden_size / heads;
    config->rotary_dim = static_cast<int64_t>(static_cast<double>(head_dim) * rotated);
    if (config->rotary_dim == 0) return FieldError("partial_rotary_factor", "a part of at least 2", "0");
  }
  return {};
}

// --- Layers ----------------------------------------------------------------------------------------------------------

// Calls fn(layer, element) for a list with one element per layer; false if there is none.
template <typename Fn>
Result<bool> ForLayers(const JsonReader& reader, const char* key, size_t layers, const Fn& fn) {
  const Json* list = reader.Find(key);
  if (!list) return false;
  if (!list->is_array() || list->size() != layers)
    return reader.Wrong(key, fmt::format("a list of {} elements", layers), *list);
  for (size_t l = 0; l < layers; ++l) {
    if (!fn(l, (*list)[l])) return reader.Wrong(key, "known kinds of layer", (*list)[l]);
  }
  return true;
}

Status ReadLayers(const JsonReader& reader, const FamilyTraits& traits, ModelConfig* config) {
  int64_t window = 0, global_every = traits.global_every, first_windowed = 0;
  bool use_window = true;
  HEW_RETURN_IF_ERROR(reader.Boolean("use_sliding_window", &use_window));
  if (use_window) HEW_RETURN_IF_ERROR(reader.Integer("sliding_window", false, &window));
  HEW_RETURN_IF_ERROR(reader.Integer("sliding_window_pattern", false, &global_every));
  if (const Json* first = reader.Find("max_window_layers"); first && first->is_number_integer()) {
    first_windowed = first->get<int64_t>();
  }
  SetLayers(traits, window, global_every, config);
  std::vector<LayerConfig>& layers = config->layers;
  HEW_ASSIGN(const bool typed, ForLayers(reader, "layer_types", layers.size(), [&](size_t l, const Json& type) {
               layers[l].window = type == "sliding_attention" ? window : 0;
               return type == "sliding_attention" || type == "full_attention";
             }));
  for (size_t l = 0; !typed && l < layers.size(); ++l) {
    if (static_cast<int64_t>(l) < first_windowed) layers[l].window = 0;
  }
  // 1: with rotary positions.
  return ForLayers(reader, "no_rope_layers", layers.size(),
                   [&](size_t l, const Json& with) {
                     const bool rotated = with == 1 || with == true;
                     layers[l].rope = rotated ? 0 : kNoRope;
                     return rotated || with == 0 || with == false;
                   })
      .map([](bool) {});
}

// Sparse are all layers, or every decoder_sparse_step-th, but for those in mlp_only_layers.
Status ReadExperts(const JsonReader& reader, const FamilyTraits& traits, ModelConfig* config) {
  if (!traits.experts) return {};
  const char* count =
      reader.Find("num_local_experts") && !reader.Find("num_experts") ? "num_local_experts" : "num_experts";
  HEW_RETURN_IF_ERROR(reader.Integer(count, true, &config->num_experts));
  HEW_RETURN_IF_ERROR(reader.Integer("num_experts_per_tok", true, &config->num_experts_per_tok));
  config->moe_intermediate_size = config->intermediate_size;
  HEW_RETURN_IF_ERROR(reader.Integer("moe_intermediate_size", false, &config->moe_intermediate_size));
  config->norm_topk_prob = traits.normed_experts;
  return reader.Boolean("norm_topk_prob", &config->norm_topk_prob);
}

Status ReadSparseLayers(const JsonReader& reader, ModelConfig* config) {
  if (config->num_experts == 0) return {};
  int64_t step = 1;
  HEW_RETURN_IF_ERROR(reader.Integer("decoder_sparse_step", false, &step));
  if (step < 1) return FieldError("decoder_sparse_step", "a number of at least 1", std::to_string(step));
  const Json* dense = reader.Find("mlp_only_layers");
  if (dense && !dense->is_array()) return reader.Wrong("mlp_only_layers", "a list of layers", *dense);
  for (size_t l = 0; l < config->layers.size(); ++l) {
    const bool listed = dense && std::find(dense->begin(), dense->end(), Json(l)) != dense->end();
    config->layers[l].sparse = static_cast<int64_t>(l + 1) % step == 0 && !listed;
  }
  return {};
}

// --- The rest --------------------------------------------------------------------------------------------------------

Status ReadActivation(const JsonReader& reader, ModelConfig* config) {
  static constexpr std::pair<std::string_view, Activation> kKnown[] = {{"silu", Activation::kSilu},
                                                                       {"swish", Activation::kSilu},
                                                                       {"gelu_pytorch_tanh", Activation::kGeluTanh},
                                                                       {"gelu_new", Activation::kGeluTanh},
                                                                       {"gelu", Activation::kGelu}};
  // Gemma's first files said hidden_act gelu and meant the tanh form, which hidden_activation now says.
  const bool gemma = config->hidden_act == Activation::kGeluTanh && config->gated;
  for (const char* key : {"hidden_activation", "activation_function", "hidden_act"}) {
    if (!reader.Find(key) || (gemma && std::string_view(key) == "hidden_act")) continue;
    HEW_ASSIGN(const std::string name, reader.String(key, ""));
    for (const auto& [known, activation] : kKnown) {
      if (name != known) continue;
      config->hidden_act = activation;
      return {};
    }
    return FieldError(key, "silu, gelu, gelu_new or gelu_pytorch_tanh", name);
  }
  return {};
}

// A number or null, which means none.
Status ReadSoftcap(const JsonReader& reader, const Json& json, const char* key, float* out) {
  if (json.contains(key) && json[key].is_null()) *out = 0;
  return reader.Real(key, out);
}

Status ReadIntegers(const JsonReader& reader, ModelConfig* config) {
  for (const IntegerField& field : kIntegerFields) {
    const bool old = field.old_json && reader.Find(field.old_json) && !reader.Find(field.json);
    const bool required = field.required || field.member == &ModelConfig::vocab_size;
    const bool derived = field.member == &ModelConfig::intermediate_size && !config->gated;  // 4 * hidden_size
    HEW_RETURN_IF_ERROR(
        reader.Integer(old ? field.old_json : field.json, required && !derived, &(config->*field.member)));
    if (derived && config->intermediate_size == 0)
      config->intermediate_size = 4 * std::min(config->hidden_size, field.limit);
  }
  return {};
}

Result<ModelConfig> ReadJsonConfig(const Json& json) {
  if (!json.is_object()) return BadInput("expected a JSON object");
  const JsonReader reader(json);
  HEW_ASSIGN(const std::string type, reader.String("model_type", ""));
  const Architecture* architecture = FindModelType(type);
  if (!architecture) {
    return BadInput("model_type: unknown architecture {}; known: {}", type.empty() ? "(none)" : Shown(type),
                    KnownModelTypes());
  }
  const FamilyTraits& traits = architecture->traits;
  ModelConfig config = StartConfig(*architecture);
  HEW_RETURN_IF_ERROR(ReadIntegers(reader, &config));
  for (const char* key : {"rms_norm_eps", "layer_norm_epsilon"})
    HEW_RETURN_IF_ERROR(reader.Real(key, &config.norm_eps));
  HEW_RETURN_IF_ERROR(reader.Boolean("tie_word_embeddings", &config.tie_word_embeddings));
  bool bias = config.HasBias(Projection::kQ);
  HEW_RETURN_IF_ERROR(reader.Boolean("attention_bias", &bias));
  for (Projection p : {Projection::kQ, Projection::kK, Projection::kV}) config.has_bias[static_cast<size_t>(p)] |= bias;
  HEW_RETURN_IF_ERROR(ReadActivation(reader, &config));
  double local_theta = 0;
  HEW_RETURN_IF_ERROR(ReadRope(reader, traits, &local_theta, &config));
  HEW_RETURN_IF_ERROR(ReadExperts(reader, traits, &config));
  HEW_RETURN_IF_ERROR(ReadLayers(reader, traits, &config));
  HEW_RETURN_IF_ERROR(ReadSparseLayers(reader, &config));
  if (local_theta > 0) UseLocalRope(local_theta, &config);
  double scalar = 0;
  HEW_RETURN_IF_ERROR(reader.Real("query_pre_attn_scalar", &scalar));
  if (scalar != 0) config.attention_scale = static_cast<float>(1 / std::sqrt(scalar));
  HEW_RETURN_IF_ERROR(ReadSoftcap(reader, json, "attn_logit_softcapping", &config.attention_softcap));
  HEW_RETURN_IF_ERROR(ReadSoftcap(reader, json, "final_logit_softcapping", &config.logit_softcap));
  if (traits.scaled_embedding) config.embedding_scale = std::sqrt(static_cast<float>(config.hidden_size));
  HEW_RETURN_IF_ERROR(reader.MustBe("use_bidirectional_attention", false));
  HEW_RETURN_IF_ERROR(reader.MustBe("scale_attn_weights", true));
  HEW_RETURN_IF_ERROR(reader.MustBe("scale_attn_by_inverse_layer_idx", false));
  HEW_RETURN_IF_ERROR(CompleteConfig(&config, [&](const IntegerField& f) {
    return std::string(f.old_json && reader.Find(f.old_json) && !reader.Find(f.json) ? f.old_json : f.json);
  }));
  return config;
}

}  // namespace

Result<ModelConfig> ConfigFromJson(std::string_view config_json, const std::string& name) {
  HEW_ASSIGN(const Json json, ParseJson(config_json, name));
  auto config = ReadJsonConfig(json);
  if (!config) return Annotate(name, std::move(config).error());
  return config;
}

}  // namespace hew
