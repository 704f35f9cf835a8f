// The settings of a training run as flags, one of the same name for each, and its report in words.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "train/run.h"
#include "train/settings.h"

namespace hew {

struct SettingFlags {
  std::string recipe;
  bool resume = false;
  std::map<std::string, std::vector<std::string>> texts;  // setting -> its words, as given
  std::map<std::string, bool> switches;
  std::vector<std::pair<const SettingSpec*, CLI::Option*>> flags;
  CLI::Option* seed = nullptr;
  std::string resume_folder;                         // of the run to resume, where --out does not say
  std::function<Status(TuneSettings*)> complete;     // fills in what was left open, before the check; may be empty
};

// --recipe, --resume and a flag for each setting of this kind of run. `options` outlives the command.
void AddSettingFlags(CLI::App& app, CLI::App* command, const TuneSettings& defaults, SettingFlags* options);

// Flags over the recipe over the recipe of the run to resume over the defaults. Checked.
Result<TuneSettings> GatherSettings(const CommandContext& context, TuneSettings defaults, const SettingFlags& options);

void PrintTrainingReport(const TuneReport& report);

}  // namespace hew
