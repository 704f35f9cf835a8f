// hew tune: every setting is a flag of the same name, and a key of a recipe.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/progress.h"
#include "cli/command.h"
#include "studio/open_model.h"
#include "train/tune.h"

namespace hew {
namespace {

struct TuneOptions {
  std::string recipe;
  bool resume = false;
  std::map<std::string, std::vector<std::string>> texts;  // setting -> its words, as given
  std::map<std::string, bool> switches;
  std::vector<std::pair<const SettingSpec*, CLI::Option*>> flags;
  CLI::Option* seed = nullptr;
};

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

void AddSettingFlags(CLI::App* command, TuneOptions* options) {
  const auto defaults = SettingsToJson(TuneSettings());
  for (const auto& spec : TuneSettingSpecs()) {
    if (spec.name == "seed") continue;  // every command has it
    const std::string name(spec.name), flag = FlagOf(spec), help = HelpOf(spec, defaults);
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

// Flags over the recipe over the recipe of the run to resume over the defaults.
Result<TuneSettings> GatherSettings(const CommandContext& context, const TuneOptions& options) {
  TuneSettings settings;
  const auto out = options.texts.find("out");
  if (options.resume && out != options.texts.end() && !out->second.empty()) {
    const std::string earlier = out->second[0] + "/" + kRecipeFile;
    if (std::filesystem::exists(earlier)) HEW_RETURN_IF_ERROR(ReadRecipe(earlier, &settings));
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
  HEW_RETURN_IF_ERROR(CheckSettings(settings));
  return settings;
}

Result<bool> KnowsTools(const OpenedModel& opened, const std::string& template_path) {
  std::string source = opened.tokenizer->chat_template();
  if (!template_path.empty()) {
    HEW_ASSIGN(source, ReadFile(template_path, 16 << 20));
  }
  return source.find("tool_calls") != source.npos;
}

void PrintReport(const TuneReport& report) {
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
  fmt::print("the adapter is in {}\n", report.adapter);
}

Result<int> RunTune(CommandContext& context, const TuneOptions& options) {
  TuneRequest request;
  HEW_ASSIGN(request.settings, GatherSettings(context, options));
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(request.settings.base, context.FindModel(request.settings.base));
  HEW_ASSIGN(const OpenedModel opened, OpenModel(rt, request.settings.base, {}, request.settings.chat_template));
  HEW_ASSIGN(request.now, context.Now());
  HEW_ASSIGN(request.template_knows_tools, KnowsTools(opened, request.settings.chat_template));
  request.model = opened.model;
  request.tokenizer = opened.tokenizer;
  request.chat = opened.chat_template ? &*opened.chat_template : nullptr;
  request.resume = options.resume;
  request.color = isatty(STDERR_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  request.cancel = &Cancelled();
  request.say = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
  HEW_ASSIGN(const TuneReport report, Tune(rt, request));
  if (context.common.json) {
    context.PrintJson(ToJson(report));
  } else {
    PrintReport(report);
  }
  return kExitDone;
}

}  // namespace

void AddTuneCommand(CLI::App& app, CommandContext& context) {
  auto* tune = app.add_subcommand("tune", "teach a model: LoRA on the frozen base");
  auto options = std::make_shared<TuneOptions>();
  tune->add_option("--recipe", options->recipe, "a TOML file with settings; flags go before it");
  tune->add_flag("--resume", options->resume, "go on where the run in --out was stopped");
  AddSettingFlags(tune, options.get());
  options->seed = app.get_option("--seed");
  tune->footer(
      "Example:\n"
      "  hew tune --base model.gguf --data my.jsonl --out my-adapter\n"
      "where a line of my.jsonl is\n"
      "  {\"messages\": [{\"role\": \"user\", \"content\": \"...\"}, {\"role\": \"assistant\", \"content\": "
      "\"...\"}]}");
  tune->callback([&context, options] { context.run = [&context, options] { return RunTune(context, *options); }; });
}

}  // namespace hew
