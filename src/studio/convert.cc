#include "studio/convert.h"

#include <filesystem>

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "formats/gguf.h"
#include "model/save.h"
#include "studio/memory_plan.h"
#include "studio/open_model.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

// Numbers are carried over as they are, except that a GGUF file has one alpha, so that B may be scaled.
constexpr double kAdapterTolerance = 1e-3;

Status CheckTarget(const std::string& in, const std::string& out) {
  std::error_code ignored;
  if (fs::equivalent(in, out, ignored)) return BadInput("{}: expected a path other than the input's own", out);
  const bool folder = fs::is_directory(out, ignored);
  if (out.ends_with(".gguf")) {
    if (folder) return BadInput("{}: expected a file to write, found a folder", out);
  } else if (fs::exists(out, ignored) && !(folder && fs::is_empty(out, ignored))) {
    return BadInput("{}: expected a new or empty folder to write, found one with files in it", out);
  }
  return {};
}

Result<ExportReport> CompareAdapters(const Runtime& rt, const OpenedModel& base, const LoraAdapter& in,
                                     const std::string& path, const std::atomic<bool>* cancelled) {
  HEW_ASSIGN(const LoraAdapter written, LoadAdapter(rt, path, *base.model));
  HEW_RETURN_IF_ERROR(CheckFits(path, "to be compared with its input",
                                CompareBytes(base.model->config, kComparedTokens), AvailableMemoryBytes(),
                                "end other programs"));
  const LoraAdapter* a = &in;
  const LoraAdapter* b = &written;
  ExportReport report;
  HEW_RETURN_IF_ERROR(
      CompareLogits(rt, *base.model, {&a, 1}, *base.model, {&b, 1}, *base.tokenizer, &report, cancelled));
  if (report.max_logit_diff > kAdapterTolerance) {
    return BadInput("{}: expected the input's logits within {}, found a difference of {}", path, kAdapterTolerance,
                    report.max_logit_diff);
  }
  const std::string weights = fs::is_directory(path) ? path + "/adapter_model.safetensors" : path;
  HEW_ASSIGN(report.sha256, Sha256OfFile(weights));
  report.bytes = fs::file_size(weights);
  return report;
}

Result<ExportReport> ConvertAdapter(const Runtime& rt, const std::string& in, const std::string& out,
                                    const std::string& base, const std::atomic<bool>* cancelled) {
  HEW_RETURN_IF_ERROR(CheckTarget(in, out));
  RemoveLeftovers(out);
  HEW_ASSIGN(const OpenedModel opened, OpenModel(rt, base, {}));
  HEW_ASSIGN(const LoraAdapter adapter, LoadAdapter(rt, in, *opened.model));
  const std::string unchecked = UncheckedPath(out);
  const bool gguf = out.ends_with(".gguf");
  Status status =
      gguf ? SaveGgufAdapter(adapter, *opened.model, unchecked) : SavePeftAdapter(adapter, *opened.model, unchecked);
  Result<ExportReport> report;
  if (status) {
    report = CompareAdapters(rt, opened, adapter, unchecked, cancelled);
    if (!report) status = tl::unexpected(report.error());
  }
  HEW_RETURN_IF_ERROR(KeepOrRemove(std::move(status), unchecked, out));
  report->path = out;
  return report;
}

}  // namespace

bool IsAdapter(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return fs::exists(path + "/adapter_config.json", ignored);
  const auto file = GgufFile::Open(path);
  if (!file) return false;
  const auto type = file->metadata().GetStringOr("general.type", "model");
  return type && *type == "adapter";
}

Result<ExportReport> Convert(const Runtime& rt, const std::string& in, const std::string& out,
                             const SaveOptions& options, const std::string& base, const std::atomic<bool>* cancelled) {
  if (!IsAdapter(in)) {
    if (!base.empty()) return BadInput("--base: expected only with an adapter, found {} to convert", in);
    return MergeModel(rt, in, {}, out, options, cancelled);
  }
  if (base.empty()) return BadInput("--base: expected the model that {} was trained on, found none", in);
  if (options.type) {
    return BadInput("--type: expected none for an adapter (it is written as F32), found {}", NameOf(*options.type));
  }
  Runtime fp32 = rt;
  fp32.precision = Precision::kFp32;
  return ConvertAdapter(fp32, in, out, base, cancelled);
}

}  // namespace hew
