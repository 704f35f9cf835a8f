#include "studio/inspect_parts.h"

#include <algorithm>
#include <map>

#include "base/json.h"
#include "base/shown.h"
#include "model/names.h"
#include "studio/inspect.h"

namespace hew {
namespace {

// "self_attn.q_proj" of a projection in either format; of others the name without layer number and ".weight".
std::string ModuleOf(std::string name, const FileLayout& layout) {
  for (std::string_view tail :
       {".lora_a", ".lora_b", ".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector", ".weight", ".bias"}) {
    if (name.ends_with(tail)) name.resize(name.size() - tail.size());
  }
  for (std::string_view head :
       {"base_model.model.", "model.layers.", "transformer.h.", "blk.", "model.", "transformer."}) {
    if (!name.starts_with(head)) continue;
    if (const auto p = head == "blk." ? ParseGgufModule(layout, name) : ParseHfModule(name))
      return std::string(p->module->hf);
    name.erase(0, head.size());
    if (const size_t experts = name.find(".experts."); experts != std::string::npos) {  // all of them together
      const size_t number = experts + std::string_view(".experts.").size(), end = name.find('.', number);
      if (end != std::string::npos) name.replace(number, end - number, "*");
    }
    const size_t digits = name.find_first_not_of("0123456789");
    if (digits != 0 && digits != std::string::npos && name[digits] == '.') name.erase(0, digits + 1);
  }
  return name;
}

std::string Thousands(int64_t value) {
  std::string text = std::to_string(value);
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) text.insert(static_cast<size_t>(at), ",");
  return text;
}

std::string Megabytes(const nlohmann::ordered_json& bytes) {
  return fmt::format("{:.1f} MB", bytes.get<double>() / 1e6);
}

std::string Line(const char* name, const std::string& value) { return fmt::format("  {:<14} {}\n", name, value); }

// "Q4_1 x 210, F32 x 61"
std::string TypeCounts(const nlohmann::ordered_json& tensors) {
  std::map<std::string, int> counts;
  for (const auto& tensor : tensors) ++counts[tensor["type"].get<std::string>()];
  std::vector<std::pair<int, std::string>> order;
  for (const auto& [type, count] : counts) order.emplace_back(-count, type);
  std::sort(order.begin(), order.end());
  std::string text;
  for (const auto& [count, type] : order) text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", type, -count);
  return text;
}

std::string Scalar(const nlohmann::ordered_json& value) {
  return value.is_string() ? value.get<std::string>() : DumpJson(value);
}

// "rotary base 10000", "learned positions"; and how far a layer with a window sees.
std::string Positions(const nlohmann::ordered_json& config) {
  std::string text = config["rope_theta"].is_null() ? "learned positions"
                                                    : fmt::format("rotary base {}", config["rope_theta"].get<double>());
  if (!config["sliding_window"].is_null())
    text += fmt::format(", sliding window of {}", config["sliding_window"].get<int64_t>());
  return text;
}

// The lines of a model that Hew runs: what people look for first.
std::string ModelLines(const nlohmann::ordered_json& config) {
  const auto number = [&](const char* key) { return config[key].get<int64_t>(); };
  std::string feed_forward = fmt::format("feed-forward size {}", number("intermediate_size"));
  if (config.contains("num_experts")) {
    feed_forward = fmt::format("in {} of them {} experts of size {}, {} for each token", number("sparse_layers"),
                               number("num_experts"), number("moe_intermediate_size"), number("num_experts_per_tok"));
  }
  return Line("layers",
              fmt::format("{}, hidden size {}, {}", number("num_hidden_layers"), number("hidden_size"), feed_forward)) +
         Line("attention", fmt::format("{} heads of {} on {} key/value heads", number("num_attention_heads"),
                                       number("head_dim"), number("num_key_value_heads"))) +
         Line("context", fmt::format("{} tokens, {}", number("max_position_embeddings"), Positions(config)));
}

std::string OtherLines(const nlohmann::ordered_json& config) {
  std::string text;
  for (const auto& [key, value] : config.items())
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", Shown(key), Shown(Scalar(value)));
  return text.empty() ? "" : Line("config", text);
}

std::string ModuleLine(const nlohmann::ordered_json& modules) {
  std::vector<std::pair<int64_t, std::string>> order;
  for (const auto& [name, count] : modules.items()) order.emplace_back(-count.get<int64_t>(), name);
  std::sort(order.begin(), order.end());
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(order.size(), 8); ++i) {
    text += fmt::format("{}{} {:.1f}M", i > 0 ? ", " : "", order[i].second, static_cast<double>(-order[i].first) / 1e6);
  }
  return text;
}

}  // namespace

nlohmann::ordered_json EmptyReport() {
  nlohmann::ordered_json report;
  for (const char* key :
       {"architecture", "parameters", "parameters_unique", "parameters_active", "parameters_by_module", "file_bytes",
        "memory_bytes", "memory", "config", "tokenizer", "chat_template"}) {
    report[key] = nullptr;
  }
  report["tensors"] = nlohmann::ordered_json::array();
  return report;
}

void SetTensors(const std::vector<const TensorEntry*>& tensors, nlohmann::ordered_json* report) {
  int64_t total = 0;
  std::map<std::string, int64_t> modules;
  const auto& architecture = (*report)["architecture"];
  const Architecture* known = architecture.is_string() ? FindArchitecture(architecture.get<std::string>()) : nullptr;
  const FileLayout& layout = *(known ? known : &Architectures().front())->layout;
  auto& list = (*report)["tensors"];
  for (const TensorEntry* tensor : tensors) {
    const int64_t count = ElementCount(tensor->shape);
    total += count;
    modules[ModuleOf(tensor->name, layout)] += count;
    list.push_back({{"name", tensor->name}, {"shape", tensor->shape}, {"type", NameOf(tensor->dtype)}});
  }
  (*report)["parameters"] = total;
  (*report)["parameters_unique"] = total;
  (*report)["parameters_by_module"] = modules;
}

nlohmann::ordered_json AdapterReport(const LoraConfig& config) {
  nlohmann::ordered_json targets = nlohmann::ordered_json::array();
  for (Projection p : config.targets) targets.push_back(ModuleName(p));
  return {{"r", config.rank},        {"lora_alpha", config.alpha}, {"use_rslora", config.rslora},
          {"use_dora", config.dora}, {"target_modules", targets},  {"base_model_name_or_path", config.base_model_name}};
}

std::string Inspection::Text() const {
  std::string text =
      path + "\n" +
      Line("kind", kind + (report["architecture"].is_string() ? ", " + Scalar(report["architecture"]) : ""));
  const auto& tensors = report["tensors"];
  if (!tensors.empty()) {
    text += Line("parameters", Thousands(report["parameters"].get<int64_t>()));
    if (report["parameters"] != report["parameters_unique"]) {
      text += Line("", Thousands(report["parameters_unique"].get<int64_t>()) + " with shared ones counted once");
    }
    if (const auto& active = report["parameters_active"]; active.is_number() && active != report["parameters_unique"]) {
      text += Line("", Thousands(active.get<int64_t>()) + " of them active for each token");
    }
  }
  text +=
      Line("file", Megabytes(report["file_bytes"]) +
                       (tensors.empty() ? "" : fmt::format(", {} tensors: {}", tensors.size(), TypeCounts(tensors))));
  if (report["memory_bytes"].is_number()) text += Line("in memory", Megabytes(report["memory_bytes"]));
  if (const auto& plan = report["memory"]; plan.is_object()) {
    text += Line("to chat",
                 fmt::format("{} with {} tokens", Megabytes(plan["chat_bytes"]), plan["chat_context"].get<int64_t>()));
    text += Line("to tune", fmt::format("{} at rank {}; {} available", Megabytes(plan["tune_bytes"]),
                                        plan["tune_rank"].get<int64_t>(), Megabytes(plan["available_bytes"])));
  }
  if (const auto& config = report["config"]; config.is_object()) {
    text += config.contains("num_hidden_layers") ? ModelLines(config) : OtherLines(config);
  }
  if (const auto& tokenizer = report["tokenizer"]; tokenizer.is_object()) {
    text += Line("tokenizer", fmt::format("{}, {} tokens", Scalar(tokenizer["kind"]),
                                          Thousands(tokenizer["vocab_size"].get<int64_t>())));
    const auto& chat = report["chat_template"];
    text += Line("chat template",
                 chat.is_string() ? fmt::format("{} bytes", chat.get_ref<const std::string&>().size()) : "none");
  }
  if (!tensors.empty()) text += Line("where", ModuleLine(report["parameters_by_module"])) + "\n";
  for (const auto& tensor : tensors) {
    text += fmt::format("  {:<44} {:<5} {}\n", Shown(Scalar(tensor["name"])), Scalar(tensor["type"]),
                        tensor["shape"].dump());
  }
  return text;
}

}  // namespace hew
