// The file of a sweep.
#include <algorithm>

#include "base/file.h"
#include "base/shown.h"
#include "train/sweep.h"
#include "train/toml.h"

namespace hew {
namespace {

// What decides which data is read, where things lie, or how the run is looked after: the same for all candidates.
constexpr std::string_view kShared[] = {"base",       "data",          "out",          "eval_data",
                                        "format",     "chat_template", "init_adapter", "max_length",
                                        "save_every", "memory",        "micro_tokens", "without"};

Result<std::string> TextOf(const toml::node& node, const std::string& where) {
  if (const auto* v = node.as_string()) return v->get();
  if (const auto* v = node.as_integer()) return fmt::format("{}", v->get());
  if (const auto* v = node.as_floating_point()) return fmt::format("{}", v->get());
  if (const auto* v = node.as_boolean()) return std::string(v->get() ? "true" : "false");
  return BadInput("{}: expected numbers, texts, true or false in a list", where);
}

}  // namespace

Result<Sweep> ParseSweep(std::string_view toml_text, const std::string& name, const TuneSettings& settings) {
  HEW_ASSIGN(const toml::table table, ParseToml(toml_text, name));
  // TOML tables forget the order of their keys; their lines keep it.
  std::vector<std::pair<const toml::key*, const toml::node*>> keys;
  for (const auto& [key, node] : table) keys.emplace_back(&key, &node);
  std::sort(keys.begin(), keys.end(),
            [](const auto& a, const auto& b) { return a.first->source().begin < b.first->source().begin; });

  Sweep sweep;
  sweep.candidates = {{settings, nlohmann::ordered_json::object()}};
  sweep.rungs = -1;
  for (const auto& [key, node] : keys) {
    const std::string setting(key->str()), where = fmt::format("{}: line {}", name, key->source().begin.line);
    if (setting == "rungs") {
      const auto* count = node->as_integer();
      if (!count || count->get() < 0 || count->get() > 8) return BadInput("{}: rungs: expected 0 to 8", where);
      sweep.rungs = count->get();
      continue;
    }
    const SettingSpec* spec = FindSetting(settings.kind, setting);
    if (!spec) return BadInput("{}: unknown setting '{}'", where, Shown(setting));
    if (std::find(std::begin(kShared), std::end(kShared), setting) != std::end(kShared)) {
      return BadInput("{}: {}: expected a setting that may differ between candidates, found one that all share", where,
                      setting);
    }
    const auto* list = node->as_array();
    if (!list || list->empty())
      return BadInput("{}: {}: expected a list of values, like {} = [1, 2]", where, setting, setting);
    if (sweep.candidates.size() * list->size() > kMostCandidates) {
      return BadInput("{}: {}: expected at most {} candidates in all, found {}", where, setting, kMostCandidates,
                      sweep.candidates.size() * list->size());
    }
    std::vector<SweepCandidate> next;
    for (const SweepCandidate& before : sweep.candidates) {
      for (const toml::node& item : *list) {
        HEW_ASSIGN(const std::string text, TextOf(item, where));
        SweepCandidate candidate = before;
        if (auto set = SetFromText(*spec, text, false, &candidate.settings); !set)
          return Annotate(where, std::move(set).error());
        candidate.values[setting] = SettingsToJson(candidate.settings)[setting];
        next.push_back(std::move(candidate));
      }
    }
    sweep.candidates = std::move(next);
  }
  for (const SweepCandidate& candidate : sweep.candidates) {
    if (auto fine = CheckSettings(candidate.settings); !fine) return Annotate(name, std::move(fine).error());
  }
  if (sweep.candidates.size() < 2)
    return BadInput("{}: expected at least two candidates, found {}", name, sweep.candidates.size());
  if (sweep.rungs < 0) sweep.rungs = sweep.candidates.size() < 4 ? 1 : 2;
  return sweep;
}

Result<Sweep> ReadSweep(const std::string& path, const TuneSettings& settings) {
  HEW_ASSIGN(const std::string text, ReadFile(path, 1 << 20));
  return ParseSweep(text, path, settings);
}

}  // namespace hew
