#include "text/tokenizer.h"

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "base/shown.h"
#include "text/pipeline_tokenizer.h"

namespace hew {
namespace {

constexpr uint64_t kMaxTokenizerBytes = uint64_t{256} << 20;

// A folder's generation_config.json may name more ids that end an answer: a number or a list.
Status AddGenerationEnds(const std::string& path, TokenizerParts& parts) {
  if (!std::filesystem::exists(path)) return {};
  HEW_ASSIGN(const std::string text, ReadFile(path, 16 << 20));
  HEW_ASSIGN(const Json json, ParseJson(text, path));
  const auto at = json.find("eos_token_id");
  if (at == json.end() || at->is_null()) return {};
  for (const auto& id : at->is_array() ? *at : Json::array({*at})) {
    if (!id.is_number_integer() || id < 0 || id >= parts.bytes.size()) {
      return BadInput("{}: eos_token_id: expected ids below {}, found {}", path, parts.bytes.size(), Shown(id.dump()));
    }
    parts.ends.AddId(id.get<int32_t>());
  }
  return {};
}

Result<std::shared_ptr<const Tokenizer>> OpenFolder(const std::string& folder) {
  const std::string path = folder + "/tokenizer.json", config_path = folder + "/tokenizer_config.json";
  HEW_ASSIGN(const std::string json, ReadFile(path, kMaxTokenizerBytes));
  std::string config;
  if (std::filesystem::exists(config_path)) {
    HEW_ASSIGN(config, ReadFile(config_path, kMaxTokenizerBytes));
  }
  auto parts = TokenizerPartsFromJson(json, config, path);
  if (!parts) return tl::unexpected(std::move(parts).error());
  HEW_RETURN_IF_ERROR(AddGenerationEnds(folder + "/generation_config.json", *parts));
  const std::string template_path =
      folder + "/chat_template.jinja";  // newer folders keep the template in a file of its own
  if (std::filesystem::exists(template_path)) {
    HEW_ASSIGN(parts->chat_template, ReadFile(template_path, 16 << 20));
  }
  return std::make_shared<PipelineTokenizer>(*std::move(parts));
}

}  // namespace

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool special) const {
  std::string text;
  for (int32_t id : ids) text += TokenBytes(id, special);
  return text;
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::FromGguf(const GgufMetadata& metadata, const std::string& name) {
  auto parts = TokenizerPartsFromGguf(metadata);
  if (!parts) return Annotate(name, std::move(parts).error());
  return std::make_shared<PipelineTokenizer>(*std::move(parts));
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::FromJson(std::string_view tokenizer_json,
                                                             std::string_view tokenizer_config_json,
                                                             const std::string& name) {
  HEW_ASSIGN(auto parts, TokenizerPartsFromJson(tokenizer_json, tokenizer_config_json, name));
  return std::make_shared<PipelineTokenizer>(std::move(parts));
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::Open(const std::string& path) {
  if (std::filesystem::is_directory(path)) return OpenFolder(path);
  const std::filesystem::path file_path(path);
  if (file_path.filename() == "tokenizer.json") {  // with what lies beside it
    const std::string folder = file_path.parent_path().string();
    return OpenFolder(folder.empty() ? "." : folder);
  }
  if (path.ends_with(".json")) {
    HEW_ASSIGN(const std::string json, ReadFile(path, kMaxTokenizerBytes));
    return FromJson(json, "", path);
  }
  HEW_ASSIGN(const auto file, GgufFile::Open(path));
  return FromGguf(file.metadata(), path);
}

}  // namespace hew
