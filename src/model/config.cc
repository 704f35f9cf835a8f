// Readers of the two formats' configurations, over one table of fields: what a number is called in each, and what it
// may be. Limits keep every product of two of them far inside 64 bits, whatever a hostile file says.
#include "model/config.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/json.h"
#include "model/names.h"

namespace hew {
namespace {

struct IntegerField {
  int64_t ModelConfig::*member;
  const char* gguf;  // behind "<architecture>."
  const char* json;
  int64_t limit;
  bool required;
};
constexpr IntegerField kIntegers[] = {
    {&ModelConfig::vocab_size, "vocab_size", "vocab_size", int64_t{1} << 24, false},
    {&ModelConfig::hidden_size, "embedding_length", "hidden_size", int64_t{1} << 20, true},
    {&ModelConfig::intermediate_size, "feed_forward_length", "intermediate_size", int64_t{1} << 20, true},
    {&ModelConfig::num_hidden_layers, "block_count", "num_hidden_layers", 1024, true},
    {&ModelConfig::num_attention_heads, "attention.head_count", "num_attention_heads", 4096, true},
    {&ModelConfig::num_key_value_heads, "attention.head_count_kv", "num_key_value_heads", 4096, false},
    {&ModelConfig::head_dim, "attention.key_length", "head_dim", 1024, false},
    {&ModelConfig::max_position_embeddings, "context_length", "max_position_embeddings", int64_t{1} << 32, true},
};

// Angles in a rotary table (256 MB of cosines and sines); a model that claims more positions is used up to this many.
constexpr int64_t kMaxRopeAngles = int64_t{1} << 25;

tl::unexpected<Error> FieldError(std::string_view field, std::string_view expected, std::string_view found) {
  return BadInput("{}: expected {}, found {}", field, expected, found);
}

// `name_of` gives the name of a field in the file at hand, so that the error says what its author wrote.
template <typename NameOf>
Status CompleteAndCheck(const NameOf& name_of, ModelConfig* config) {
  for (const IntegerField& field : kIntegers) {
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
  if (!(config->rms_norm_eps > 0) || !(config->rms_norm_eps < 1)) {
    return FieldError("epsilon of the norms", "a number between 0 and 1", fmt::format("{}", config->rms_norm_eps));
  }
  if (!(config->rope_theta > 0) || !std::isfinite(config->rope_theta)) {
    return FieldError("base of the rotary positions", "a positive number", fmt::format("{}", config->rope_theta));
  }
  config->max_position_embeddings = std::min(config->max_position_embeddings, kMaxRopeAngles / (config->head_dim / 2));
  return {};
}

// --- config.json -----------------------------------------------------------------------------------------------------

class JsonReader {
 public:
  explicit JsonReader(const Json& object) : object_(object) {}

  const Json* Find(const char* key) const {
    const auto it = object_.find(key);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
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
  tl::unexpected<Error> Wrong(const char* key, const std::string& expected, const Json& found) const {
    std::string text = found.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > 40) text = text.substr(0, 40) + "...";
    return FieldError(key, expected, text);
  }

 private:
  Status Missing(const char* key) const { return FieldError(key, "a number", "no such field"); }

  const Json& object_;
};

// Transformers 5 writes rope_parameters {rope_theta, rope_type}; before, rope_theta and rope_scaling stood apart.
Status ReadRope(const JsonReader& reader, ModelConfig* config) {
  HEW_RETURN_IF_ERROR(reader.Real("rope_theta", &config->rope_theta));
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const Json* object = reader.Find(key);
    if (!object) continue;
    if (!object->is_object()) return reader.Wrong(key, "an object", *object);
    const JsonReader inner(*object);
    HEW_RETURN_IF_ERROR(inner.Real("rope_theta", &config->rope_theta));
    HEW_ASSIGN(const std::string old_type, inner.String("type", "default"));
    HEW_ASSIGN(const std::string type, inner.String("rope_type", old_type));
    if (type != "default") return BadInput("{}: expected type default, found {} (not supported yet)", key, type);
  }
  return {};
}

Status ReadActivation(const JsonReader& reader, ModelConfig* config) {
  static constexpr std::pair<std::string_view, Activation> kKnown[] = {{"silu", Activation::kSilu},
                                                                       {"swish", Activation::kSilu},
                                                                       {"gelu_pytorch_tanh", Activation::kGeluTanh},
                                                                       {"gelu", Activation::kGelu}};
  HEW_ASSIGN(const std::string name, reader.String("hidden_act", "silu"));
  for (const auto& [known, activation] : kKnown) {
    if (name != known) continue;
    config->hidden_act = activation;
    return {};
  }
  return FieldError("hidden_act", "silu, gelu or gelu_pytorch_tanh", name);
}

std::string KnownModelTypes() {
  std::string list;
  for (const Architecture& a : Architectures()) list += (list.empty() ? "" : ", ") + std::string(a.hf_model_type);
  return list;
}

Result<ModelConfig> ReadJsonConfig(const Json& json) {
  if (!json.is_object()) return BadInput("expected a JSON object");
  const JsonReader reader(json);
  HEW_ASSIGN(const std::string type, reader.String("model_type", ""));
  ModelConfig config;
  for (const Architecture& a : Architectures()) {
    if (a.hf_model_type == type) config.architecture = a.gguf;
  }
  if (config.architecture.empty()) {
    return BadInput("model_type: unknown architecture {}; known: {}", type.empty() ? "(none)" : type,
                    KnownModelTypes());
  }
  for (const IntegerField& field : kIntegers) {
    const bool required = field.required || field.member == &ModelConfig::vocab_size;
    HEW_RETURN_IF_ERROR(reader.Integer(field.json, required, &(config.*field.member)));
  }
  HEW_RETURN_IF_ERROR(reader.Real("rms_norm_eps", &config.rms_norm_eps));
  HEW_RETURN_IF_ERROR(reader.Boolean("tie_word_embeddings", &config.tie_word_embeddings));
  HEW_RETURN_IF_ERROR(reader.Boolean("attention_bias", &config.attention_bias));
  HEW_RETURN_IF_ERROR(ReadRope(reader, &config));
  HEW_RETURN_IF_ERROR(ReadActivation(reader, &config));
  HEW_RETURN_IF_ERROR(CompleteAndCheck([](const IntegerField& f) { return std::string(f.json); }, &config));
  return config;
}

// --- GGUF ------------------------------------------------------------------------------------------------------------

// What would change the arithmetic and is not built yet is refused, never ignored.
Status RefuseUnsupported(const GgufMetadata& metadata, const std::string& prefix, const ModelConfig& config) {
  HEW_ASSIGN(const std::string scaling, metadata.GetStringOr(prefix + "rope.scaling.type", "none"));
  if (scaling != "none")
    return BadInput("{}rope.scaling.type: expected none, found {} (not supported yet)", prefix, scaling);
  HEW_ASSIGN(const int64_t experts, metadata.GetIntOr(prefix + "expert_count", 0));
  if (experts != 0)
    return BadInput("{}expert_count: expected 0, found {} (mixtures of experts are not supported)", prefix, experts);
  HEW_ASSIGN(const int64_t value_length, metadata.GetIntOr(prefix + "attention.value_length", config.head_dim));
  if (value_length != config.head_dim) {
    return BadInput("{}attention.value_length: expected {} as the keys', found {}", prefix, config.head_dim,
                    value_length);
  }
  HEW_ASSIGN(const int64_t rotated, metadata.GetIntOr(prefix + "rope.dimension_count", config.head_dim));
  if (rotated != config.head_dim) {
    return BadInput("{}rope.dimension_count: expected {}, the size of a head, found {}", prefix, config.head_dim,
                    rotated);
  }
  return {};
}

Result<ModelConfig> ReadGgufConfig(const GgufMetadata& metadata) {
  ModelConfig config;
  HEW_ASSIGN(config.architecture, metadata.GetString("general.architecture"));
  if (!FindArchitecture(config.architecture)) {
    return BadInput("general.architecture: unknown architecture {}; known: {}", config.architecture,
                    KnownArchitectures());
  }
  const std::string prefix = config.architecture + ".";
  for (const IntegerField& field : kIntegers) {
    if (field.required) {
      HEW_ASSIGN(config.*field.member, metadata.GetInt(prefix + field.gguf));
    } else if (metadata.Find(prefix + field.gguf)) {
      HEW_ASSIGN(config.*field.member, metadata.GetInt(prefix + field.gguf));
      if (config.*field.member == 0)
        return BadInput("{}{}: expected a number of at least 1, found 0", prefix, field.gguf);
    }
  }
  if (config.vocab_size == 0) {
    HEW_ASSIGN(const auto* tokens, metadata.GetArray<std::string>("tokenizer.ggml.tokens"));
    if (!tokens) return BadInput("{}vocab_size: expected a number, found no such field", prefix);
    config.vocab_size = static_cast<int64_t>(tokens->size());
    if (config.vocab_size == 0) return BadInput("tokenizer.ggml.tokens: expected at least one token, found none");
  }
  HEW_ASSIGN(const double eps, metadata.GetFloat(prefix + "attention.layer_norm_rms_epsilon"));
  config.rms_norm_eps = static_cast<float>(eps);
  HEW_ASSIGN(config.rope_theta, metadata.GetFloatOr(prefix + "rope.freq_base", config.rope_theta));
  HEW_RETURN_IF_ERROR(CompleteAndCheck([&](const IntegerField& f) { return prefix + f.gguf; }, &config));
  HEW_RETURN_IF_ERROR(RefuseUnsupported(metadata, prefix, config));
  return config;
}

}  // namespace

Result<ModelConfig> ConfigFromGguf(const GgufMetadata& metadata, const std::string& name) {
  auto config = ReadGgufConfig(metadata);
  if (!config) return Annotate(name, std::move(config).error());
  return config;
}

Result<ModelConfig> ConfigFromJson(std::string_view config_json, const std::string& name) {
  HEW_ASSIGN(const Json json, ParseJson(config_json, name));
  auto config = ReadJsonConfig(json);
  if (!config) return Annotate(name, std::move(config).error());
  return config;
}

}  // namespace hew
