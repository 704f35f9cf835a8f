// Recipes: the settings of a run as TOML, one key each, names with '_'.
#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "base/shown.h"
#include "train/settings.h"
#include "train/toml.h"

namespace hew {
namespace {

constexpr uint64_t kMaxRecipeBytes = 1 << 20;

// Names that people know from other trainers.
struct Synonym {
  std::string_view theirs, ours;
};
constexpr Synonym kSynonyms[] = {
    {"learning_rate", "lr"},
    {"num_train_epochs", "epochs"},
    {"num_epochs", "epochs"},
    {"max_steps", "steps"},
    {"per_device_train_batch_size", "batch_size"},
    {"gradient_accumulation_steps", "grad_accum"},
    {"max_seq_length", "max_length"},
    {"lora_r", "rank"},
    {"lora_rank", "rank"},
    {"lora_alpha", "alpha"},
    {"lora_dropout", "dropout"},
    {"target_modules", "targets"},
    {"lr_scheduler_type", "schedule"},
    {"warmup_steps", "warmup"},
    {"warmup_ratio", "warmup"},
    {"max_grad_norm", "clip"},
    {"eval_steps", "eval_every"},
    {"save_steps", "save_every"},
    {"model", "base"},
    {"base_model", "base"},
    {"train_data", "data"},
    {"dataset", "data"},
    {"output_dir", "out"},
    {"pref_beta", "beta"},
    {"stage", "method"},
};

std::string Suggestion(RunKind kind, std::string_view word) {
  std::vector<std::string_view> names;
  for (const auto& spec : SettingSpecs(kind)) names.push_back(spec.name);
  for (const auto& synonym : kSynonyms) names.push_back(synonym.theirs);
  const std::string_view nearest = NearestName(word, names);
  for (const auto& synonym : kSynonyms) {
    if (synonym.theirs == nearest) return fmt::format(", did you mean '{}'?", synonym.ours);
  }
  return nearest.empty() ? "" : fmt::format(", did you mean '{}'?", nearest);
}

// One TOML value as the text that a flag would carry; "" with `ok` false when its kind cannot be the field's.
bool ScalarText(const toml::node& node, std::string* text) {
  if (const auto* v = node.as_string())
    *text = v->get();
  else if (const auto* i = node.as_integer())
    *text = fmt::format("{}", i->get());
  else if (const auto* d = node.as_floating_point())
    *text = fmt::format("{}", d->get());
  else if (const auto* b = node.as_boolean())
    *text = b->get() ? "true" : "false";
  else
    return false;
  return true;
}

std::string_view ExpectedKind(const SettingSpec& spec) {
  constexpr std::string_view kKinds[] = {"a whole number", "a number", "true or false", "text", "a list of texts"};
  return kKinds[spec.field.index()];
}

bool KindFits(const SettingSpec& spec, const toml::node& node) {
  switch (spec.field.index()) {
    case 0:
      return node.is_integer();
    case 1:
      return node.is_integer() || node.is_floating_point();
    case 2:
      return node.is_boolean();
    case 3:
      return node.is_string() || (spec.name == "save_every" && node.is_number());
    default:
      return node.is_string() || node.is_array();
  }
}

Status SetFromNode(const SettingSpec& spec, const toml::node& node, TuneSettings* settings) {
  std::string text;
  if (!KindFits(spec, node)) return BadInput("{}: expected {}", spec.name, ExpectedKind(spec));
  const auto* array = node.as_array();
  if (!array) {
    ScalarText(node, &text);
    return SetFromText(spec, text, false, settings);
  }
  if (array->empty()) return BadInput("{}: expected at least one value, found an empty list", spec.name);
  bool append = false;
  for (const auto& item : *array) {
    if (!item.is_string()) return BadInput("{}: expected a list of texts", spec.name);
    ScalarText(item, &text);
    HEW_RETURN_IF_ERROR(SetFromText(spec, text, append, settings));
    append = true;
  }
  return {};
}

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    else
      out += c;
  }
  return out + '"';
}

}  // namespace

Status ParseRecipe(std::string_view toml_text, const std::string& name, TuneSettings* settings) {
  HEW_ASSIGN(const toml::table table, ParseToml(toml_text, name));
  for (const auto& [key, node] : table) {
    const std::string where = fmt::format("{}: line {}", name, key.source().begin.line);
    const SettingSpec* spec = FindSetting(settings->kind, key.str());
    if (!spec) return BadInput("{}: unknown setting '{}'{}", where, Shown(key.str()), Suggestion(settings->kind, key.str()));
    if (auto set = SetFromNode(*spec, node, settings); !set) return Annotate(where, std::move(set).error());
  }
  return {};
}

Status ReadRecipe(const std::string& path, TuneSettings* settings) {
  HEW_ASSIGN(const std::string text, ReadFile(path, kMaxRecipeBytes));
  return ParseRecipe(text, path, settings);
}

std::string WriteRecipe(const TuneSettings& settings) {
  std::string out;
  for (const auto& spec : SettingSpecs(settings.kind)) {
    std::visit(
        [&](auto field) {
          const auto& value = settings.*field;
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::vector<std::string>>) {
            if (value.empty()) return;
          }
          out += std::string(spec.name) + " = ";
          if constexpr (std::is_same_v<T, std::string>) {
            out += Quoted(value);
          } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
            out += "[";
            for (size_t i = 0; i < value.size(); ++i) out += (i ? ", " : "") + Quoted(value[i]);
            out += "]";
          } else if constexpr (std::is_same_v<T, double>) {
            const std::string number = fmt::format("{}", value);
            out += number.find_first_of(".en") == number.npos ? number + ".0" : number;
          } else {
            out += fmt::format("{}", value);
          }
          out += "\n";
        },
        spec.field);
  }
  return out;
}

}  // namespace hew
