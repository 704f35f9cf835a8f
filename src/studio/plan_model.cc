#include "studio/plan_model.h"

#include <filesystem>

#include "base/file.h"
#include "formats/gguf.h"
#include "text/tokenizer.h"
#include "train/data_file.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

double WeightBytes(const std::string& folder) {
  double bytes = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".safetensors") bytes += static_cast<double>(entry.file_size(ignored));
  }
  return bytes;
}

// All texts of a row, at any depth, but for what only says who speaks.
void CountTexts(const nlohmann::ordered_json& json, const Tokenizer& tokenizer, double* tokens) {
  if (json.is_string()) {
    *tokens += static_cast<double>(tokenizer.Encode(json.get_ref<const std::string&>()).size());
  } else if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      if (key != "role" && key != "from") CountTexts(value, tokenizer, tokens);
    }
  } else if (json.is_array()) {
    for (const auto& value : json) CountTexts(value, tokenizer, tokens);
  }
}

}  // namespace

Status TakeModel(const std::string& path, PlanRequest* request) {
  request->name = path;
  if (!fs::is_directory(path) && !path.ends_with(".json")) {
    HEW_ASSIGN(const GgufFile file, GgufFile::Open(path));
    HEW_ASSIGN(const ModelConfig config, ConfigFromGguf(file.metadata(), path));
    request->shape = ShapeOf(config);
    request->shape->tied = file.Find("output.weight") == nullptr;  // the metadata does not say
    request->base_bytes = static_cast<double>(file.file_bytes());
    return {};
  }
  const std::string config_path = fs::is_directory(path) ? path + "/config.json" : path;
  HEW_ASSIGN(const std::string json, ReadFile(config_path, 16 << 20));
  HEW_ASSIGN(const ModelConfig config, ConfigFromJson(json, config_path));
  request->shape = ShapeOf(config);
  request->base_bytes = fs::is_directory(path) ? WeightBytes(path) : 0;
  return {};
}

Result<double> CountTokens(const std::string& model, const std::vector<std::string>& data) {
  if (model.empty()) return BadInput("--data: expected a model, whose tokenizer counts, found none");
  HEW_ASSIGN(const auto tokenizer, Tokenizer::Open(model));
  double tokens = 0;
  for (const auto& path : data) {
    HEW_RETURN_IF_ERROR(ReadDataFile(path, [&](DataRow&& row) -> Status {
      if (row.plain) {
        tokens += static_cast<double>(tokenizer->Encode(row.text).size());
      } else {
        CountTexts(row.object, *tokenizer, &tokens);
      }
      return {};
    }));
  }
  return tokens;
}

}  // namespace hew
