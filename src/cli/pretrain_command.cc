// hew pretrain: all weights from text.
#include <fmt/format.h>

#include <cstdio>

#include "cli/command.h"
#include "cli/setting_flags.h"
#include "cli/workspace_run.h"
#include "studio/pretrain.h"

namespace hew {
namespace {

struct PretrainFlags : SettingFlags {
  std::string name;
};

Result<int> RunPretrain(CommandContext& context, PretrainFlags& options) {
  PretrainRequest request;
  WorkspaceRun run;
  run.name = options.name;
  HEW_RETURN_IF_ERROR(FindWorkspace(&options, &run));
  options.complete = [&](TuneSettings* settings) { return PlanPretrainInWorkspace(options, settings, &run); };
  HEW_ASSIGN(request.settings, GatherSettings(context, PretrainDefaults(), options));
  HEW_ASSIGN(const Runtime rt, context.MakeTrainingRuntime());
  if (!request.settings.base.empty()) {
    HEW_ASSIGN(request.settings.base, context.FindModel(request.settings.base));
  }
  request.resume = options.resume;
  request.cancel = &Cancelled();
  request.say = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
  HEW_ASSIGN(TuneReport report, Pretrain(rt, request));
  HEW_ASSIGN(context.version, EndPretrainInWorkspace(rt, request.settings, &run, &report));
  if (context.common.json) {
    auto json = ToJson(report);
    if (context.version) json["version"] = fmt::format("v{}", *context.version);
    context.PrintJson(json);
  } else {
    PrintTrainingReport(report);
    if (context.version) context.Say(msg::kRecorded, *context.version);
  }
  return kExitDone;
}

}  // namespace

void AddPretrainCommand(CLI::App& app, CommandContext& context) {
  auto* pretrain = app.add_subcommand("pretrain", "a model from text: tokenizer and all weights");
  auto options = std::make_shared<PretrainFlags>();
  pretrain->add_option("--name", options->name, "what to call the version that a workspace records");
  AddSettingFlags(app, pretrain, PretrainDefaults(), options.get());
  pretrain->footer(
      "Examples:\n"
      "  hew pretrain --data book.txt --out my-model --preset 3m --epochs 4 --sample \"Once upon\" --sample-every 50\n"
      "  hew pretrain --base my-model --data more.txt --out my-second-model --lr 3e-4\n"
      "  hew watch my-model --prompt \"Once upon a\"      (with --snapshots 8)\n"
      "  hew convert my-model my-model.gguf");
  pretrain->callback(
      [&context, options] { context.run = [&context, options] { return RunPretrain(context, *options); }; });
}

}  // namespace hew
