// hew tune: every setting is a flag of the same name, and a key of a recipe.
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"
#include "cli/command.h"
#include "cli/setting_flags.h"
#include "studio/open_model.h"
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

Result<int> RunTune(CommandContext& context, const SettingFlags& options) {
  TuneRequest request;
  HEW_ASSIGN(request.settings, GatherSettings(context, TuneSettings(), options));
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
    PrintTrainingReport(report);
  }
  return kExitDone;
}

}  // namespace

void AddTuneCommand(CLI::App& app, CommandContext& context) {
  auto* tune = app.add_subcommand("tune", "teach a model: LoRA on the frozen base");
  auto options = std::make_shared<SettingFlags>();
  AddSettingFlags(app, tune, TuneSettings(), options.get());
  tune->footer(
      "Example:\n"
      "  hew tune --base model.gguf --data my.jsonl --out my-adapter\n"
      "where a line of my.jsonl is\n"
      "  {\"messages\": [{\"role\": \"user\", \"content\": \"...\"}, {\"role\": \"assistant\", \"content\": "
      "\"...\"}]}");
  tune->callback([&context, options] { context.run = [&context, options] { return RunTune(context, *options); }; });
}

}  // namespace hew
