#include "studio/inspect_picture.h"

#include <array>

#include "base/progress.h"
#include "studio/plan_presets.h"

namespace hew {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<const char*, 6> kGroups = {"embeddings", "attention", "feed-forward", "norms", "head", "other"};
constexpr std::array<int, 6> kColors = {36, 33, 32, 35, 34, 37};
constexpr int kBarCells = 40;

// Bits of one weight, scales of blocks included.
constexpr std::array<std::pair<const char*, double>, 4> kPrecisions = {
    std::pair{"fp32", 32.0}, {"bf16", 16.0}, {"q8_0", 8.5}, {"q4_0", 4.5}};

size_t GroupOf(const std::string& module) {
  const auto has = [&](const char* part) { return module.find(part) != module.npos; };
  if (has("norm") || has("ln_")) return 3;
  if (has("embed") || has("embd") || has("wte") || has("wpe")) return 0;
  if (has("lm_head") || module == "output") return 4;
  if (has("attn")) return 1;
  if (has("mlp") || has("ffn") || has("experts") || has("sparse_moe")) return 2;
  return 5;
}

Json SizeRow(const std::string& name, double parameters) {
  Json bytes = Json::object();
  for (const auto& [precision, bits] : kPrecisions) bytes[precision] = static_cast<int64_t>(parameters * bits / 8);
  return {{"name", name}, {"parameters", static_cast<int64_t>(parameters)}, {"bytes", bytes}};
}

Json Groups(const Json& report) {
  std::array<int64_t, kGroups.size()> sums{};
  int64_t all = 0;
  for (const auto& [module, count] : report["parameters_by_module"].items()) {
    sums[GroupOf(module)] += count.get<int64_t>();
    all += count.get<int64_t>();
  }
  Json groups = Json::array();
  for (size_t g = 0; g < kGroups.size(); ++g) {
    if (sums[g] == 0) continue;
    groups.push_back({{"name", kGroups[g]},
                      {"parameters", sums[g]},
                      {"share", static_cast<double>(sums[g]) / static_cast<double>(all)}});
  }
  return groups;
}

// The sizes of a model that Hew runs; nullopt for others.
std::optional<PlanShape> ShapeIn(const Json& config) {
  PlanShape shape;
  const std::pair<const char*, int64_t*> fields[] = {{"hidden_size", &shape.hidden_size},
                                                     {"intermediate_size", &shape.intermediate_size},
                                                     {"num_hidden_layers", &shape.num_hidden_layers},
                                                     {"num_attention_heads", &shape.num_attention_heads},
                                                     {"num_key_value_heads", &shape.num_key_value_heads},
                                                     {"head_dim", &shape.head_dim}};
  if (!config.is_object()) return std::nullopt;
  for (const auto& [key, field] : fields) {
    const auto at = config.find(key);
    if (at == config.end() || !at->is_number_integer()) return std::nullopt;
    *field = at->get<int64_t>();
  }
  const auto experts = config.find("num_experts");
  if (experts != config.end() && experts->is_number_integer()) shape.experts = experts->get<int64_t>();
  return shape;
}

std::string Count(double value) {
  if (value >= 1e9) return fmt::format("{:.1f}B", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.1f}M", value / 1e6);
  if (value >= 1e3) return fmt::format("{:.1f}k", value / 1e3);
  return fmt::format("{:.0f}", value);
}

// `share` of the width in eighths of a cell; what is there at all shows.
std::string Bar(double share) {
  static const char* const kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = std::max(1, static_cast<int>(share * kBarCells * 8 + 0.5));
  std::string bar;
  for (int i = 0; i < eighths / 8; ++i) bar += "█";
  return bar + kEighths[eighths % 8];
}

int ColorOf(const std::string& group) {
  for (size_t g = 0; g < kGroups.size(); ++g) {
    if (group == kGroups[g]) return kColors[g];
  }
  return kColors.back();
}

}  // namespace

Json Explain(const Inspection& inspection) {
  const Json& report = inspection.report;
  if (inspection.kind != "model" || !report["parameters"].is_number_integer() || report["parameters"] == 0)
    return nullptr;
  const auto parameters = report["parameters"].get<double>();
  Json sizes = Json::array({SizeRow("this model", parameters)}), adapter = nullptr;
  const auto shape = ShapeIn(report["config"]);
  if (shape) {
    const auto count = static_cast<double>(LoraParameters(*shape, kShownRank));
    adapter = {{"rank", kShownRank},
               {"parameters", static_cast<int64_t>(count)},
               {"bytes", static_cast<int64_t>(4 * count)},
               {"share", count / parameters}};
    sizes.push_back(SizeRow(fmt::format("its adapter, rank {}", kShownRank), count));
  }
  for (const auto& [name, preset] :
       {std::pair{"8B (Llama 3)", "llama3-8b"}, {"70B (Llama 2)", "llama2-70b"}, {"175B (GPT-3)", "gpt3-175b"}}) {
    sizes.push_back(SizeRow(name, static_cast<double>(CountParameters(FindPreset(preset)->shape).total())));
  }
  return {{"groups", Groups(report)}, {"sizes", sizes}, {"adapter", adapter}};
}

std::string PictureOf(const Json& explained, bool color) {
  if (explained.is_null()) return "";
  std::string text = "\n  where the weights are\n";
  for (const auto& group : explained["groups"]) {
    const auto name = group["name"].get<std::string>();
    const double share = group["share"].get<double>();
    const std::string bar = color ? fmt::format("\033[{}m{}\033[0m", ColorOf(name), Bar(share)) : Bar(share);
    text += fmt::format("    {:<13} {:>7}  {:>4.1f}%  {}\n", name, Count(group["parameters"].get<double>()),
                        100 * share, bar);
  }
  text += fmt::format("\n  {:<24} {:>10}", "what sizes mean", "weights");
  for (const auto& [precision, bits] : kPrecisions) text += fmt::format("  {:>9}", precision);
  text += "\n";
  for (const auto& row : explained["sizes"]) {
    text += fmt::format("    {:<22} {:>10}", row["name"].get<std::string>(), Count(row["parameters"].get<double>()));
    for (const auto& [precision, bytes] : row["bytes"].items())
      text += fmt::format("  {:>9}", HumanBytes(bytes.get<uint64_t>()));
    text += "\n";
  }
  if (const auto& adapter = explained["adapter"]; !adapter.is_null()) {
    text += fmt::format(
        "\n  an adapter of rank {} on all linear layers adds {} weights, {:.1f}% of the model's, and takes {} as a "
        "file;\n"
        "  what training it moves is that file alone: the model stays as it is\n",
        adapter["rank"].get<int64_t>(), Count(adapter["parameters"].get<double>()),
        100 * adapter["share"].get<double>(), HumanBytes(adapter["bytes"].get<uint64_t>()));
  }
  return text;
}

}  // namespace hew
