#include "model/save_metadata.h"

#include <utility>

#include "base/digest.h"
#include "base/file.h"
#include "model/names.h"
#include "model/save_tokenizer.h"

namespace hew {
namespace {

Result<Json> ReadConfig(const Model& base) {
  const std::string path = base.source_path + "/config.json";
  HEW_ASSIGN(const std::string text, ReadFile(path, uint64_t{1} << 24));
  return ParseJson(text, path);
}

uint32_t U32(int64_t value) { return static_cast<uint32_t>(value); }

Result<GgufMetadata> MetadataOfFolder(const Model& base) {
  const ModelConfig& c = base.config;
  HEW_ASSIGN(const Json config, ReadConfig(base));
  GgufMetadata metadata;
  const std::string prefix = c.architecture + ".";
  metadata.Set("general.architecture", c.architecture);
  metadata.Set("general.type", std::string("model"));
  metadata.Set(prefix + "block_count", U32(c.num_hidden_layers));
  metadata.Set(prefix + "context_length", U32(c.max_position_embeddings));
  metadata.Set(prefix + "embedding_length", U32(c.hidden_size));
  metadata.Set(prefix + "feed_forward_length", U32(c.intermediate_size));
  metadata.Set(prefix + "attention.head_count", U32(c.num_attention_heads));
  metadata.Set(prefix + "attention.head_count_kv", U32(c.num_key_value_heads));
  metadata.Set(prefix + "attention.key_length", U32(c.head_dim));
  metadata.Set(prefix + "attention.value_length", U32(c.head_dim));
  metadata.Set(prefix + "rope.dimension_count", U32(c.head_dim));
  metadata.Set(prefix + "rope.freq_base", static_cast<float>(c.rope_theta));
  metadata.Set(prefix + "attention.layer_norm_rms_epsilon", c.rms_norm_eps);
  metadata.Set(prefix + "vocab_size", U32(c.vocab_size));
  HEW_RETURN_IF_ERROR(TokenizerToGguf(base.source_path, config, c.vocab_size, &metadata));
  return metadata;
}

const char* TorchName(DType type) {
  return type == DType::kF32 ? "float32" : type == DType::kBF16 ? "bfloat16" : "float16";
}

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

Json ConfigOfGguf(const Model& base, const GgufMetadata& metadata) {
  const ModelConfig& c = base.config;
  const Architecture* architecture = FindArchitecture(c.architecture);
  HEW_CHECK(architecture != nullptr);  // the model was loaded
  const auto has_bias = [&](Projection p) { return !base.layers[0].biases[static_cast<size_t>(p)].empty(); };
  Json json = {{"architectures", Json::array({architecture->hf_class})},
               {"model_type", architecture->hf_model_type},
               {"attention_bias", has_bias(Projection::kQ)},
               {"mlp_bias", has_bias(Projection::kGate)},
               {"attention_dropout", 0.0},
               {"head_dim", c.head_dim},
               {"hidden_act", ActivationName(c.hidden_act)},
               {"hidden_size", c.hidden_size},
               {"intermediate_size", c.intermediate_size},
               {"max_position_embeddings", c.max_position_embeddings},
               {"num_attention_heads", c.num_attention_heads},
               {"num_hidden_layers", c.num_hidden_layers},
               {"num_key_value_heads", c.num_key_value_heads},
               {"rms_norm_eps", c.rms_norm_eps},
               {"rope_theta", c.rope_theta},
               {"tie_word_embeddings", c.tie_word_embeddings},
               {"vocab_size", c.vocab_size}};
  for (const auto& [key, name] : {std::pair{"tokenizer.ggml.bos_token_id", "bos_token_id"},
                                  {"tokenizer.ggml.eos_token_id", "eos_token_id"},
                                  {"tokenizer.ggml.padding_token_id", "pad_token_id"}}) {
    if (const auto id = metadata.GetInt(key)) json[name] = *id;
  }
  return json;
}

}  // namespace

Result<std::string> LineageLine(const Model& base, std::span<const LoraAdapter* const> adapters) {
  HEW_ASSIGN(const std::string digest, DigestOfModel(base.source_path));
  std::string line = "base sha256:" + digest;
  for (const LoraAdapter* adapter : adapters) {
    const std::string_view bytes(reinterpret_cast<const char*>(adapter->parameters.data()),
                                 adapter->parameters.size() * sizeof(float));
    line += fmt::format(" + {} rank {} alpha {} scale {} sha256:{}", adapter->config.dora ? "DoRA" : "LoRA",
                        adapter->config.rank, adapter->config.alpha, adapter->user_scale, Sha256Hex(bytes));
  }
  return line;
}

Result<GgufMetadata> MetadataToSave(const Model& base, const GgufFile* source, std::optional<FileType> wanted,
                                    DType projection_type, const std::string& lineage) {
  GgufMetadata metadata;
  if (source) {
    metadata = source->metadata();
  } else {
    HEW_ASSIGN(metadata, MetadataOfFolder(base));
  }
  if (const auto number = GgufFileTypeNumber(wanted.value_or(projection_type)); number && (wanted || !source))
    metadata.Set("general.file_type", *number);
  if (IsQuantized(projection_type)) metadata.Set("general.quantization_version", uint32_t{2});
  std::vector<std::string> steps;
  if (const auto before = metadata.GetArray<std::string>(kLineageKey); before && *before) steps = **before;
  steps.push_back(lineage);
  metadata.Set(std::string(kLineageKey), GgufArray(std::move(steps)));
  return metadata;
}

Result<std::string> ConfigJsonToSave(const Model& base, const GgufFile* source, DType type) {
  Json json;
  if (source) {
    json = ConfigOfGguf(base, source->metadata());
  } else {
    HEW_ASSIGN(json, ReadConfig(base));
  }
  // Transformers 5 says dtype, 4 torch_dtype; both read the latter.
  json.erase("dtype");
  json["torch_dtype"] = TorchName(type);
  return json.dump(2) + "\n";
}

}  // namespace hew
