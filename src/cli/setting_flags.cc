#include "cli/setting_flags.h"

#include <cstdio>
#include <filesystem>

#include "base/progress.h"

namespace hew {
namespace {

// "learning rate (0.0005)"
std::string HelpOf(const SettingSpec& spec, const nlohmann::ordered_json& defaults) {
  const auto& value = defaults[std::string(spec.name)];
  std::string text(spec.help);
  if (!spec.choices.empty()) text += ": " + std::string(spec.choices);
  if (value.is_number()) return fmt::format("{} ({:g})", text, value.get<double>());
  if (value.is_string() && !value.get<std::string>().empty())
    return fmt::format("{} ({})", text, value.get<std::string>());
  if (value.is_boolean() && value.get<bool>()) return text + " (yes)";
  return text;
}

}  // namespace

void AddSettingFlags(CLI::App& app, CLI::App* command, const TuneSettings& defaults, SettingFlags* options) {
  command->add_option("--recipe", options->recipe, "a TOML file with settings; flags go before it");
  command->add_flag("--resume", options->resume, "go on where the run in --out was stopped");
  options->seed = app.get_option("--seed");
  const auto shown = SettingsToJson(defaults);
  for (const auto& spec : SettingSpecs(defaults.kind)) {
    if (spec.name == "seed") continue;  // every command has it
    const std::string name(spec.name), flag = FlagOf(spec), help = HelpOf(spec, shown);
    CLI::Option* option = nullptr;
    if (std::holds_alternative<bool TuneSettings::*>(spec.field)) {
      option = command->add_flag(flag + ",!--no-" + flag.substr(2), options->switches[name], help);
    } else if (std::holds_alternative<std::vector<std::string> TuneSettings::*>(spec.field)) {
      option = command->add_option(flag, options->texts[name], help);
    } else {
      option = command->add_option(flag, options->texts[name], help)->expected(1);
    }
    options->flags.emplace_back(&spec, option);
  }
}

Result<TuneSettings> GatherSettings(const CommandContext& context, TuneSettings settings, const SettingFlags& options) {
  const double usual_lr = std::exchange(settings.lr, 0);  // 0: nobody has said one
  const auto out = options.texts.find("out");
  const bool named = out != options.texts.end() && !out->second.empty();
  if (options.resume && (named || !options.resume_folder.empty())) {
    const std::string earlier = (named ? out->second[0] : options.resume_folder) + "/" + kRecipeFile;
    if (std::filesystem::exists(earlier)) HEW_RETURN_IF_ERROR(ReadRecipe(earlier, &settings));
    if (!named) settings.out = "";  // whoever completes the settings knows the folder
  }
  if (!options.recipe.empty()) HEW_RETURN_IF_ERROR(ReadRecipe(options.recipe, &settings));
  for (const auto& [spec, option] : options.flags) {
    if (option->count() == 0) continue;
    const std::string name(spec->name);
    if (const auto word = options.switches.find(name); word != options.switches.end()) {
      HEW_RETURN_IF_ERROR(SetFromText(*spec, word->second ? "true" : "false", false, &settings));
      continue;
    }
    bool append = false;
    for (const auto& text : options.texts.at(name)) {
      HEW_RETURN_IF_ERROR(SetFromText(*spec, text, append, &settings));
      append = true;
    }
  }
  if (options.seed->count() > 0) settings.seed = static_cast<int64_t>(context.common.seed);
  if (settings.lr == 0) settings.lr = settings.method == "sft" ? usual_lr : kPreferenceLr;
  if (options.complete) HEW_RETURN_IF_ERROR(options.complete(&settings));
  HEW_RETURN_IF_ERROR(CheckSettings(settings));
  return settings;
}

void PrintTrainingReport(const TuneReport& report) {
  const std::string eval = report.eval_loss ? fmt::format(", {:.4f} on the evaluation rows (best: step {})",
                                                          *report.eval_loss, report.best_step)
                                            : "";
  fmt::print("{} steps in {}{}: loss {:.4f}{}\n", report.steps, HumanDuration(report.seconds),
             report.stopped_early ? ", stopped early" : "", report.train_loss, eval);
  fmt::print("{:.0f} useful tokens a second{}, {} of memory at most\n", report.tokens_per_s,
             report.machine_share
                 ? fmt::format(" ({:.0f}% of what this machine's products can do)", 100 * *report.machine_share)
                 : "",
             HumanBytes(report.peak_rss_bytes));
  fmt::print("the {} is in {}\n", report.product, report.folder);
}

}  // namespace hew
