// hew tune: every setting is a flag of the same name, and a key of a recipe.
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"
#include "cli/command.h"
#include "cli/setting_flags.h"
#include "cli/workspace_run.h"
#include "studio/open_model.h"
#include "train/sweep.h"
#include "train/tune.h"

namespace hew {
namespace {

Result<bool> KnowsTools(const OpenedModel& opened, const std::string& template_path) {
  std::string source = opened.tokenizer->chat_template();
  if (!template_path.empty()) {
    HEW_ASSIGN(source, ReadFile(template_path, 16 << 20));
  }
  return source.find("tool_calls") != source.npos;
}

struct TuneFlags : SettingFlags {
  std::string name, parent, sweep;
};

Result<int> RunTune(CommandContext& context, TuneFlags& options) {
  TuneRequest request;
  WorkspaceRun run;
  run.name = options.name, run.parent_name = options.parent;
  HEW_RETURN_IF_ERROR(FindWorkspace(&options, &run));
  options.complete = [&](TuneSettings* settings) { return PlanInWorkspace(options, settings, &run); };
  HEW_ASSIGN(request.settings, GatherSettings(context, TuneSettings(), options));
  HEW_ASSIGN(const Runtime rt, context.MakeTrainingRuntime());
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
  std::optional<Sweep> sweep;
  if (!options.sweep.empty()) {
    HEW_ASSIGN(sweep, ReadSweep(options.sweep, request.settings));
  }
  HEW_RETURN_IF_ERROR(BeginInWorkspace(request.settings, &run));
  TuneReport report;
  nlohmann::ordered_json swept;
  if (sweep) {
    HEW_ASSIGN(SweepReport all, RunSweep(rt, request, *sweep));
    report = std::move(all.best), swept = std::move(all.json), request.settings = std::move(all.settings);
  } else {
    HEW_ASSIGN(report, Tune(rt, request));
  }
  HEW_ASSIGN(context.version, EndInWorkspace(rt, request, &run, &report));
  if (context.common.json) {
    auto json = ToJson(report);
    if (!swept.is_null()) json["sweep"] = std::move(swept);
    if (context.version) json["version"] = fmt::format("v{}", *context.version);
    context.PrintJson(json);
  } else {
    if (!swept.is_null()) fmt::print("{}", SweepTable(swept));
    PrintTrainingReport(report);
    if (context.version) context.Say(msg::kRecorded, *context.version);
  }
  return kExitDone;
}

}  // namespace

void AddTuneCommand(CLI::App& app, CommandContext& context) {
  auto* tune = app.add_subcommand("tune", "teach a model: LoRA on the frozen base");
  auto options = std::make_shared<TuneFlags>();
  tune->add_option("--name", options->name, "what to call the version that a workspace records");
  tune->add_option("--parent", options->parent, "go on from a version of the workspace");
  tune->add_option(
      "--sweep", options->sweep,
      "a TOML file with lists of values, such as lr = [1e-4, 5e-4]: every combination is tried, weak ones stop early "
      "by the loss on --eval-data, and the best is kept");
  AddSettingFlags(app, tune, TuneSettings(), options.get());
  tune->footer(
      "Example:\n"
      "  hew tune --base model.gguf --data my.jsonl --out my-adapter\n"
      "  hew tune --data faq.jsonl --name first      (in a workspace: hew init)\n"
      "where a line of my.jsonl is\n"
      "  {\"messages\": [{\"role\": \"user\", \"content\": \"...\"}, {\"role\": \"assistant\", \"content\": "
      "\"...\"}]}");
  tune->callback([&context, options] { context.run = [&context, options] { return RunTune(context, *options); }; });
}

}  // namespace hew
