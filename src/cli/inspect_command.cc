// hew inspect: what a file is made of.
#include <unistd.h>

#include <cstdlib>

#include "cli/command.h"
#include "studio/inspect_picture.h"
#include "studio/registry/workspace.h"

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
      HEW_ASSIGN(const ModelRef ref, ResolveModel(model));  // of a version, what it adds to its base
      HEW_ASSIGN(Inspection inspection, Inspect(rt, ref.adapters.empty() ? ref.path : ref.adapters[0]));
      inspection.report["explained"] = Explain(inspection);
      if (context.common.json) {
        context.PrintJson(inspection.report);
      } else {
        const bool color = isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
        fmt::print("{}{}", inspection.Text(), PictureOf(inspection.report["explained"], color));
      }
      return kExitDone;
    };
  });
}

}  // namespace hew
