// hew merge, hew convert.
#include "cli/command.h"
#include "studio/convert.h"
#include "studio/merge.h"

namespace hew {
namespace {

struct ExportOptions {
  std::string in, out, type;  // in: the base to merge into, or what to convert
  std::string base;           // of an adapter to convert
};

Result<std::optional<DType>> ParseType(const std::string& name) {
  if (name.empty()) return std::optional<DType>();
  const auto type = DTypeFromName(name);
  if (!type) return BadInput("--type: expected F32, F16, BF16, Q8_0, Q5_1, Q5_0, Q4_1 or Q4_0, found '{}'", name);
  return type;
}

Result<int> Show(const CommandContext& context, const ExportReport& report) {
  if (context.common.json) {
    nlohmann::ordered_json json = {{"path", report.path},
                                   {"sha256", report.sha256},
                                   {"type", NameOf(report.type)},
                                   {"bytes", report.bytes},
                                   {"max_logit_diff", report.max_logit_diff},
                                   {"mean_logit_diff", report.mean_logit_diff},
                                   {"token_ids_equal", true},
                                   {"compared_tokens", report.compared_tokens}};
    if (!report.advice.empty()) json["advice"] = report.advice;
    context.PrintJson(json);
    return kExitDone;
  }
  fmt::print("wrote {} ({}, {:.1f} MB)\nsha256 {}\n", report.path, NameOf(report.type),
             static_cast<double>(report.bytes) / 1e6, report.sha256);
  fmt::print(
      "opened again: the same token ids on {} tokens of text; logits differ by at most {:.4g} ({:.2g} on average)\n",
      report.compared_tokens, report.max_logit_diff, report.mean_logit_diff);
  if (!report.advice.empty()) fmt::print("note: {}\n", report.advice);
  return kExitDone;
}

Result<int> RunMerge(CommandContext& context, const ExportOptions& options) {
  HEW_ASSIGN(const auto type, ParseType(options.type));
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(const std::string base, context.FindModel(options.in));
  HEW_ASSIGN(const auto report, MergeModel(rt, base, context.common.adapters, options.out, type, &Cancelled()));
  return Show(context, report);
}

Result<int> RunConvert(CommandContext& context, const ExportOptions& options) {
  HEW_ASSIGN(const auto type, ParseType(options.type));
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(const std::string in, context.FindModel(options.in));
  HEW_ASSIGN(const std::string base, context.FindModel(options.base));
  HEW_ASSIGN(const auto report, Convert(rt, in, options.out, type, base, &Cancelled()));
  return Show(context, report);
}

constexpr const char* kTypes = "F32, F16, BF16, Q8_0, Q5_1, Q5_0, Q4_1 or Q4_0; when left out, the input's own ";

}  // namespace

void AddExportCommands(CLI::App& app, CommandContext& context) {
  auto* merge = app.add_subcommand("merge", "one model of a base and its adapters");
  auto options = std::make_shared<ExportOptions>();
  merge->add_option("--base", options->in, "the model: a .gguf file or a folder")->required();
  merge
      ->add_option("--adapter", context.common.adapters,
                   "a PEFT folder or GGUF LoRA file, with a scale as A=0.5; may be repeated")
      ->required();
  merge->add_option("--out", options->out, "a file ending in .gguf, or a folder for Transformers")->required();
  merge->add_option("--type", options->type, std::string(kTypes) + "(quantised ones: Q8_0, and F16 in a folder)");
  merge->footer("Example:\n  hew merge --base model.gguf --adapter my-adapter --out merged.gguf --type F16");
  merge->callback([&context, options] { context.run = [&context, options] { return RunMerge(context, *options); }; });

  auto* convert = app.add_subcommand("convert", "a model or adapter in another format or type");
  auto convert_options = std::make_shared<ExportOptions>();
  convert->add_option("IN", convert_options->in, "a .gguf file, a model folder, a PEFT folder or a GGUF LoRA file")
      ->required();
  convert->add_option("OUT", convert_options->out, "a file ending in .gguf, or a folder")->required();
  convert->add_option("--type", convert_options->type, std::string(kTypes) + "(quantised ones in a folder: F16)");
  convert->add_option("--base", convert_options->base, "the model an adapter was trained on");
  convert->footer(
      "Example:\n  hew convert model.gguf model-folder --type BF16\n  hew convert my-adapter my-adapter.gguf --base "
      "model.gguf");
  convert->callback([&context, convert_options] {
    context.run = [&context, convert_options] { return RunConvert(context, *convert_options); };
  });
}

}  // namespace hew
