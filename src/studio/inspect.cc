#include "studio/inspect.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/memory.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "model/adapter_io.h"
#include "model/names.h"
#include "model/tensors.h"
#include "studio/inspect_parts.h"
#include "studio/memory_plan.h"
#include "studio/open_model.h"
#include "text/tokenizer.h"
#include "train/tune.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

nlohmann::ordered_json ConfigReport(const ModelConfig& c) {
  int64_t window = 0;
  for (const LayerConfig& layer : c.layers) window = std::max(window, layer.window);
  nlohmann::ordered_json report = {
      {"vocab_size", c.vocab_size},
      {"hidden_size", c.hidden_size},
      {"intermediate_size", c.intermediate_size},
      {"num_hidden_layers", c.num_hidden_layers},
      {"num_attention_heads", c.num_attention_heads},
      {"num_key_value_heads", c.num_key_value_heads},
      {"head_dim", c.head_dim},
      {"max_position_embeddings", c.max_position_embeddings},
      {c.norm == NormKind::kLayer ? "layer_norm_epsilon" : "rms_norm_eps", c.norm_eps},
      {"rope_theta", c.ropes.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(c.ropes[0].theta)},
      {"sliding_window", window > 0 ? nlohmann::ordered_json(window) : nlohmann::ordered_json()},
      {"tie_word_embeddings", c.tie_word_embeddings},
      {"attention_bias", c.HasBias(Projection::kQ)}};
  if (c.num_experts > 0) {
    report["num_experts"] = c.num_experts;
    report["num_experts_per_tok"] = c.num_experts_per_tok;
    report["moe_intermediate_size"] = c.moe_intermediate_size;
    report["sparse_layers"] =
        std::count_if(c.layers.begin(), c.layers.end(), [](const LayerConfig& layer) { return layer.sparse; });
  }
  return report;
}

// The numbers and texts of a GGUF file of an architecture that Hew does not run, by their own names.
nlohmann::ordered_json ForeignConfig(const GgufMetadata& metadata, const std::string& architecture) {
  nlohmann::ordered_json config = nlohmann::ordered_json::object();
  for (const auto& [key, value] : metadata.items()) {
    if (!key.starts_with(architecture + ".")) continue;
    std::visit(
        [&, name = key.substr(architecture.size() + 1)](const auto& v) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(v)>, GgufArray>) config[name] = v;
        },
        value);
  }
  return config;
}

void SetTokenizer(const Tokenizer& tokenizer, nlohmann::ordered_json* report) {
  (*report)["tokenizer"] = {{"kind", tokenizer.kind()}, {"vocab_size", tokenizer.vocab_size()}};
  if (!tokenizer.chat_template().empty()) (*report)["chat_template"] = tokenizer.chat_template();
}

// A kind that Hew knows is checked as the tokenizer does; of others the vocabulary alone is counted.
Status SetGgufTokenizer(const GgufFile& file, nlohmann::ordered_json* report) {
  const GgufMetadata& metadata = file.metadata();
  if (!metadata.Find("tokenizer.ggml.model")) return {};
  const auto annotated = [&](Error error) { return Annotate(file.path(), std::move(error)); };
  auto kind = metadata.GetString("tokenizer.ggml.model");
  if (!kind) return annotated(std::move(kind).error());
  if (*kind == "gpt2" || *kind == "gemma4" || *kind == "llama" || *kind == "t5") {
    HEW_ASSIGN(const auto tokenizer, Tokenizer::FromGguf(metadata, file.path()));
    SetTokenizer(*tokenizer, report);
    return {};
  }
  auto tokens = metadata.GetArray<std::string>("tokenizer.ggml.tokens");
  if (!tokens) return annotated(std::move(tokens).error());
  auto chat_template = metadata.GetStringOr("tokenizer.chat_template", "");
  if (!chat_template) return annotated(std::move(chat_template).error());
  (*report)["tokenizer"] = {{"kind", *kind}, {"vocab_size", *tokens ? (*tokens)->size() : 0}};
  if (!chat_template->empty()) (*report)["chat_template"] = *chat_template;
  return {};
}

Status SetModel(const Runtime& rt, const std::string& path, nlohmann::ordered_json* report) {
  HEW_ASSIGN(const ModelOutline outline, OutlineModel(rt, path));  // a model too large for this machine, too
  const ModelConfig& config = outline.config;
  (*report)["architecture"] = config.architecture;
  (*report)["parameters_unique"] = ParameterCount(config);
  (*report)["parameters_active"] = ActiveParameterCount(config);
  (*report)["memory_bytes"] = outline.memory_bytes;
  (*report)["config"] = ConfigReport(config);
  const int64_t loaded = LoadedBytes(path), context = std::min(config.max_position_embeddings, kDefaultContext);
  (*report)["memory"] = {{"loaded_bytes", loaded},
                         {"chat_context", context},
                         {"chat_bytes", loaded + ChatBytes(config, rt.bf16(), context)},
                         {"tune_rows", kMicroTokens},
                         {"tune_rank", LoraConfig().rank},
                         {"tune_bytes", loaded + TuneBytes(config, LoraConfig(), rt.bf16(), kMicroTokens)},
                         {"available_bytes", AvailableMemoryBytes()}};
  return {};
}

std::vector<const TensorEntry*> Pointers(const std::vector<TensorEntry>& tensors) {
  std::vector<const TensorEntry*> list;
  for (const TensorEntry& tensor : tensors) list.push_back(&tensor);
  return list;
}

Result<Inspection> InspectGguf(const Runtime& rt, const std::string& path) {
  HEW_ASSIGN(const GgufFile file, GgufFile::Open(path));
  Inspection out{path, "model", EmptyReport()};
  auto architecture = file.metadata().GetString("general.architecture");
  if (!architecture) return Annotate(path, std::move(architecture).error());
  auto type = file.metadata().GetStringOr("general.type", "model");
  if (!type) return Annotate(path, std::move(type).error());
  out.report["architecture"] = *architecture;
  out.report["file_bytes"] = file.file_bytes();
  SetTensors(Pointers(file.tensors()), &out.report);
  if (*type == "adapter") {
    out.kind = "adapter";
    HEW_ASSIGN(const auto parts, ReadGgufAdapterParts(file));
    out.report["config"] = AdapterReport(parts.first);
    return out;
  }
  HEW_RETURN_IF_ERROR(SetGgufTokenizer(file, &out.report));
  if (!file.tensors().empty() && FindArchitecture(*architecture)) {
    HEW_RETURN_IF_ERROR(SetModel(rt, path, &out.report));
    return out;
  }
  if (file.tensors().empty()) out.kind = "vocabulary";
  out.report["config"] = ForeignConfig(file.metadata(), *architecture);
  return out;
}

Result<Inspection> InspectModelFolder(const Runtime& rt, const std::string& path) {
  Inspection out{path, "model", EmptyReport()};
  HEW_ASSIGN(const SafetensorsFolder folder, SafetensorsFolder::Open(path));
  out.report["file_bytes"] = folder.file_bytes();
  SetTensors(folder.tensors(), &out.report);
  HEW_RETURN_IF_ERROR(SetModel(rt, path, &out.report));
  if (fs::exists(path + "/tokenizer.json")) {
    HEW_ASSIGN(const auto tokenizer, Tokenizer::Open(path));
    SetTokenizer(*tokenizer, &out.report);
  }
  return out;
}

Result<Inspection> InspectSafetensors(const std::string& path) {
  HEW_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(path));
  Inspection out{path, "weights", EmptyReport()};
  out.report["file_bytes"] = file.file_bytes();
  SetTensors(Pointers(file.tensors()), &out.report);
  return out;
}

Result<Inspection> InspectPeftFolder(const std::string& path) {
  HEW_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(path + "/adapter_model.safetensors"));
  HEW_ASSIGN(const auto parts, ReadPeftAdapterParts(path, file));
  Inspection out{path, "adapter", EmptyReport()};
  out.report["file_bytes"] = file.file_bytes();
  SetTensors(Pointers(file.tensors()), &out.report);
  out.report["config"] = AdapterReport(parts.first);
  return out;
}

Result<Inspection> InspectTokenizer(const std::string& path) {
  HEW_ASSIGN(const auto tokenizer, Tokenizer::Open(path));
  Inspection out{path, "tokenizer", EmptyReport()};
  out.report["file_bytes"] = fs::file_size(path);
  SetTokenizer(*tokenizer, &out.report);
  return out;
}

}  // namespace

Result<Inspection> Inspect(const Runtime& rt, const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    if (fs::exists(path + "/adapter_config.json", ignored)) return InspectPeftFolder(path);
    if (fs::exists(path + "/config.json", ignored)) return InspectModelFolder(rt, path);
    return BadInput("{}: expected a folder with config.json or adapter_config.json, found neither", path);
  }
  if (path.ends_with(".safetensors")) return InspectSafetensors(path);
  if (path.ends_with(".json")) return InspectTokenizer(path);
  return InspectGguf(rt, path);
}

}  // namespace hew
