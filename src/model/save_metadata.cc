#include "model/save_metadata.h"

#include <utility>

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "model/config_write.h"
#include "model/save_tokenizer.h"

namespace hew {
namespace {

Result<Json> ReadConfig(const Model& base) {
  const std::string path = base.source_path + "/config.json";
  HEW_ASSIGN(const std::string text, ReadFile(path, uint64_t{1} << 24));
  return ParseJson(text, path);
}

Result<GgufMetadata> MetadataOfFolder(const Model& base) {
  HEW_ASSIGN(const Json config, ReadConfig(base));
  GgufMetadata metadata;
  HEW_RETURN_IF_ERROR(ConfigToGguf(base.config, &metadata));
  HEW_RETURN_IF_ERROR(TokenizerToGguf(base.source_path, config, base.config.vocab_size, &metadata));
  return metadata;
}

const char* TorchName(DType type) {
  return type == DType::kF32 ? "float32" : type == DType::kBF16 ? "bfloat16" : "float16";
}

Result<Json> ConfigOfGguf(const Model& base, const GgufMetadata& metadata) {
  HEW_ASSIGN(Json json, ConfigToJson(base.config));
  for (const auto& [key, name] : {std::pair{"tokenizer.ggml.bos_token_id", "bos_token_id"},
                                  {"tokenizer.ggml.eos_token_id", "eos_token_id"},
                                  {"tokenizer.ggml.padding_token_id", "pad_token_id"}}) {
    // Said even where there is none: the classes' own defaults may lie outside of the vocabulary.
    const auto id = metadata.GetInt(key);
    json[name] = id ? Json(*id) : Json(nullptr);
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
    HEW_ASSIGN(json, ConfigOfGguf(base, source->metadata()));
  } else {
    HEW_ASSIGN(json, ReadConfig(base));
  }
  // Transformers 5 says dtype, 4 torch_dtype; both read the latter.
  json.erase("dtype");
  json["torch_dtype"] = TorchName(type);
  return DumpJson(json, 2) + "\n";
}

}  // namespace hew
