// hew pretrain: all weights from text.
#include <fmt/format.h>

#include <cstdio>

#include "cli/command.h"
#include "cli/setting_flags.h"
#include "studio/pretrain.h"

namespace hew {
namespace {

Result<int> RunPretrain(CommandContext& context, const SettingFlags& options) {
  PretrainRequest request;
  HEW_ASSIGN(request.settings, GatherSettings(context, PretrainDefaults(), options));
  HEW_ASSIGN(const Runtime rt, context.MakeTrainingRuntime());
  if (!request.settings.base.empty()) {
    HEW_ASSIGN(request.settings.base, context.FindModel(request.settings.base));
  }
  request.resume = options.resume;
  request.cancel = &Cancelled();
  request.say = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
  HEW_ASSIGN(const TuneReport report, Pretrain(rt, request));
  if (context.common.json) {
    context.PrintJson(ToJson(report));
  } else {
    PrintTrainingReport(report);
  }
  return kExitDone;
}

}  // namespace

void AddPretrainCommand(CLI::App& app, CommandContext& context) {
  auto* pretrain = app.add_subcommand("pretrain", "a model from text: tokenizer and all weights");
  auto options = std::make_shared<SettingFlags>();
  AddSettingFlags(app, pretrain, PretrainDefaults(), options.get());
  pretrain->footer(
      "Examples:\n"
      "  hew pretrain --data book.txt --out my-model --preset 3m --epochs 4 --sample \"Once upon\" --sample-every 50\n"
      "  hew pretrain --base my-model --data more.txt --out my-second-model --lr 3e-4\n"
      "  hew convert my-model my-model.gguf");
  pretrain->callback(
      [&context, options] { context.run = [&context, options] { return RunPretrain(context, *options); }; });
}

}  // namespace hew
