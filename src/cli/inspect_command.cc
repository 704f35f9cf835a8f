// hew inspect: what a file is made of.
#include "cli/command.h"
#include "studio/inspect.h"

namespace hew {

void AddInspectCommand(CLI::App& app, CommandContext& context) {
  auto* inspect = app.add_subcommand("inspect", "what a model, adapter or tokenizer is made of");
  auto path = std::make_shared<std::string>();
  inspect->add_option("MODEL", *path, "a .gguf or .safetensors file, a model or adapter folder, a tokenizer.json")
      ->required();
  inspect->footer("Example:\n  hew inspect model.gguf");
  inspect->callback([&context, path] {
    context.run = [&context, path]() -> Result<int> {
      HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
      HEW_ASSIGN(const std::string model, context.FindModel(*path));
      HEW_ASSIGN(const Inspection inspection, Inspect(rt, model));
      if (context.common.json) {
        context.PrintJson(inspection.report);
      } else {
        fmt::print("{}", inspection.Text());
      }
      return kExitDone;
    };
  });
}

}  // namespace hew
