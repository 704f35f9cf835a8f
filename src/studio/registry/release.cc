#include "studio/registry/release.h"

#include <cmath>
#include <filesystem>
#include <variant>

#include "base/file.h"
#include "base/shown.h"
#include "train/toml.h"

namespace hew {
namespace {

using R = ReleaseRules;
struct Rule {
  std::string_view name;
  std::variant<double R::*, std::string R::*, std::vector<std::string> R::*> field;
};
const Rule kRules[] = {{"suites", &R::suites},
                       {"fixed_least", &R::fixed_least},
                       {"broken_promises_most", &R::broken_promises_most},
                       {"worse_points_most", &R::worse_points_most},
                       {"base_suite", &R::base_suite},
                       {"base_turned_most", &R::base_turned_most},
                       {"base_texts", &R::base_texts},
                       {"perplexity_ratio_most", &R::perplexity_ratio_most},
                       {"kl_most", &R::kl_most},
                       {"slower_most", &R::slower_most},
                       {"larger_most", &R::larger_most}};

Status Set(const Rule& rule, const toml::node& node, ReleaseRules* rules) {
  if (const auto* number = std::get_if<double R::*>(&rule.field)) {
    const auto value = node.value<double>();
    if (!node.is_number() || !value || !std::isfinite(*value) || *value < 0)
      return BadInput("{}: expected a number of at least 0", rule.name);
    rules->** number = *value;
  } else if (const auto* text = std::get_if<std::string R::*>(&rule.field)) {
    const auto* value = node.as_string();
    if (!value) return BadInput("{}: expected text", rule.name);
    rules->** text = value->get();
  } else {
    auto& list = rules->*std::get<std::vector<std::string> R::*>(rule.field);
    const auto* array = node.as_array();
    if (!array) return BadInput("{}: expected a list of texts", rule.name);
    list.clear();
    for (const auto& item : *array) {
      const auto* value = item.as_string();
      if (!value) return BadInput("{}: expected a list of texts", rule.name);
      list.push_back(value->get());
    }
  }
  return {};
}

}  // namespace

Result<ReleaseRules> ParseRules(std::string_view text, const std::string& name) {
  HEW_ASSIGN(const toml::table table, ParseToml(text, name));
  ReleaseRules rules;
  for (const auto& [key, node] : table) {
    const std::string where = fmt::format("{}: line {}", name, key.source().begin.line);
    const Rule* known = nullptr;
    std::string names;
    for (const auto& rule : kRules) {
      if (rule.name == key.str()) known = &rule;
      names += (names.empty() ? "" : ", ") + std::string(rule.name);
    }
    if (!known) return BadInput("{}: unknown rule '{}', expected one of {}", where, Shown(key.str()), names);
    if (auto set = Set(*known, node, &rules); !set) return Annotate(where, std::move(set).error());
  }
  return rules;
}

Result<ReleaseRules> ReadRules(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return ReleaseRules();
  HEW_ASSIGN(const std::string text, ReadFile(path, 1 << 20));
  return ParseRules(text, path);
}

}  // namespace hew
