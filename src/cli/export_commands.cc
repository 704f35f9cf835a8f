// hew merge, hew convert.
#include <charconv>
#include <filesystem>

#include "base/progress.h"
#include "cli/command.h"
#include "studio/convert.h"
#include "studio/merge.h"
#include "studio/registry/record.h"

namespace hew {
namespace {

struct ExportOptions {
  std::string in, out, type;  // in: the base to merge into, or what to convert
  std::string max_shard_size = "5GB";
  std::string base;  // of an adapter to convert
  std::string name;  // of the version that a merge becomes
};

// "2GB", "500 MB", "1GiB" or a number of bytes; powers of ten unless an i says otherwise, as in Transformers.
Result<uint64_t> ParseSize(const std::string& text) {
  double number = 0;
  const char* end = std::from_chars(text.data(), text.data() + text.size(), number).ptr;
  while (*end == ' ') ++end;
  const std::string_view unit = end;
  for (const auto& [name, bytes] :
       {std::pair{"", 1.0}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}}) {
    if (unit == name && number * bytes >= 1 && number * bytes < 0x1p63) return static_cast<uint64_t>(number * bytes);
  }
  return BadInput("--max-shard-size: expected a size as 2GB or 500MB, found '{}'", text);
}

Result<SaveOptions> ParseOptions(const ExportOptions& options) {
  SaveOptions save;
  if (!options.type.empty()) {
    save.type = FileTypeFromName(options.type);
    if (!save.type) return BadInput("--type: expected one of {}, found '{}'", KnownFileTypes(), options.type);
  }
  HEW_ASSIGN(save.max_shard_bytes, ParseSize(options.max_shard_size));
  save.progress = [bar = std::shared_ptr<Progress>()](uint64_t done, uint64_t total) mutable -> Status {
    constexpr uint64_t kMegabyte = 1'000'000;
    const auto all = static_cast<int64_t>((total + kMegabyte - 1) / kMegabyte);
    if (!bar) bar = std::make_shared<Progress>("writing (MB)", all);
    bar->Update(done == total ? all : static_cast<int64_t>(done / kMegabyte));
    if (done == total) bar.reset();  // what is said next begins a line of its own
    return {};
  };
  return save;
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
    if (context.version) json["version"] = fmt::format("v{}", *context.version);
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

// In a workspace the merged model becomes a version; --out, unless given, is a file that only the version keeps.
Result<int> RunMerge(CommandContext& context, const ExportOptions& options) {
  HEW_ASSIGN(const SaveOptions save, ParseOptions(options));
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(auto workspace, Workspace::Find());
  HEW_ASSIGN(const std::string base, context.FindModel(options.in));
  HEW_ASSIGN(ModelRef ref, ResolveModel(base));
  for (const auto& spec : context.common.adapters) {
    HEW_ASSIGN(std::string adapter, ResolveAdapter(spec));
    ref.adapters.push_back(std::move(adapter));
  }
  if (ref.adapters.empty()) return BadInput("--adapter: expected an adapter to merge, found none");
  if (options.out.empty() && !workspace)
    return BadInput("--out: expected a file or folder (outside a workspace), found none");
  if (!options.name.empty() && !workspace)
    return BadInput("--name: expected a workspace (hew init) to record a version in, found none");
  std::string out = options.out, folder;
  if (out.empty()) {
    HEW_ASSIGN(folder, workspace->NewRunFolder(""));
    out = folder + "/model.gguf";
  }
  auto merged = MergeModel(rt, ref.path, ref.adapters, out, save, &Cancelled());
  Result<int> shown = kExitDone;
  if (merged && workspace) {
    const Json metrics = {{"sha256", merged->sha256},
                          {"type", NameOf(merged->type)},
                          {"bytes", merged->bytes},
                          {"max_logit_diff", merged->max_logit_diff}};
    auto id =
        RecordMerge(*workspace, rt, {ref.path, ref.adapters, options.type, save.max_shard_bytes, options.name, ref.version, out, metrics});
    if (id) context.version = *id;
    if (!id) shown = tl::unexpected(std::move(id).error());
  }
  if (!folder.empty()) {
    std::error_code error;
    std::filesystem::remove_all(folder, error);
    if (merged) merged->path = context.version ? fmt::format("v{}", *context.version) : merged->path;
  }
  if (!merged) return tl::unexpected(std::move(merged).error());
  return shown ? Show(context, *merged) : shown;
}

Result<int> RunConvert(CommandContext& context, const ExportOptions& options) {
  HEW_ASSIGN(const SaveOptions save, ParseOptions(options));
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(const std::string named, context.FindModel(options.in));
  HEW_ASSIGN(const std::string named_base, context.FindModel(options.base));
  HEW_ASSIGN(const ModelRef ref, ResolveModel(named));
  const bool adapter = !ref.adapters.empty();  // a version's: what it adds to its base
  const std::string in = adapter ? ref.adapters[0] : ref.path,
                    base = adapter && options.base.empty() ? ref.path : named_base;
  HEW_ASSIGN(const auto report, Convert(rt, in, options.out, save, base, &Cancelled()));
  return Show(context, report);
}

void AddTypeOptions(CLI::App* command, std::shared_ptr<ExportOptions> options, const std::string& default_type) {
  command->add_option("--type", options->type,
                      KnownFileTypes() +
                          " (as llama-quantize names them); a folder takes the "
                          "first three. When left out, the input's own (" +
                          default_type + ")");
  command
      ->add_option("--max-shard-size,--shard-size", options->max_shard_size,
                   "a folder's weights are cut into files of at most this size")
      ->capture_default_str();
}

}  // namespace

void AddExportCommands(CLI::App& app, CommandContext& context) {
  auto* merge = app.add_subcommand("merge", "one model of a base and its adapters");
  auto options = std::make_shared<ExportOptions>();
  merge->add_option("--base", options->in, "the model: a .gguf file, a folder or a version")->required();
  merge->add_option("--adapter", context.common.adapters,
                    "a PEFT folder or GGUF LoRA file, with a scale as A=0.5; may be repeated");
  merge->add_option("--out", options->out,
                    "a file ending in .gguf, or a folder for Transformers; a workspace needs none");
  merge->add_option("--name", options->name, "what to call the version that a workspace records");
  AddTypeOptions(merge, options, "quantised ones: Q8_0, and F16 in a folder");
  merge->footer(
      "Example:\n  hew merge --base model.gguf --adapter my-adapter --out merged.gguf --type F16\n"
      "  hew merge --base v2 --name merged      (in a workspace)");
  merge->callback([&context, options] { context.run = [&context, options] { return RunMerge(context, *options); }; });

  auto* convert = app.add_subcommand("convert", "a model or adapter in another format or type; also called quantize")
                      ->alias("quantize");
  auto convert_options = std::make_shared<ExportOptions>();
  convert->add_option("IN", convert_options->in, "a .gguf file, a model folder, a PEFT folder or a GGUF LoRA file")
      ->required();
  convert->add_option("OUT", convert_options->out, "a file ending in .gguf, or a folder")->required();
  AddTypeOptions(convert, convert_options, "quantised ones in a folder: F16");
  convert->add_option("--base", convert_options->base, "the model an adapter was trained on");
  convert->footer(
      "Examples:\n  hew convert model.gguf model-folder --type BF16\n  hew quantize model-folder model.gguf --type "
      "Q4_K_M\n  hew convert my-adapter my-adapter.gguf --base "
      "model.gguf");
  convert->callback([&context, convert_options] {
    context.run = [&context, convert_options] { return RunConvert(context, *convert_options); };
  });
}

}  // namespace hew
