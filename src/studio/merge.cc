#include "studio/merge.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/shown.h"
#include "formats/safetensors.h"
#include "model/decoder.h"
#include "model/save.h"
#include "studio/memory_plan.h"
#include "studio/open_model.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

// Small and fixed, so that figures of different days compare: prose, questions, code, numbers, scripts, emoji, spaces.
constexpr const char* kTexts[] = {
    "The capital of France is Paris, and the river through it is called the Seine.",
    "나 아침부터 아무것도 못 먹었어. 나 배 고파. 오늘 저녁에 뭐 먹을까?",
    "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n\nprint([fib(i) for i in range(10)])\n",
    "1234567890 + 98.6 = ?  100,000원; 3/4 cup; 2025-07-10T12:00:00Z",
    ("Ça va très bien, merci ! Größe, niño, Привет мир, 你好世界，今日は、مرحبا, שלום "
     "🎉👩‍💻"),
    "  Two  spaces,\ttabs\r\nand\n\n\nlines   ",
    "<|im_start|>user\nHow do I get my money back?<|im_end|>\n<|im_start|>assistant\n",
};
constexpr double kLargeDifference = 0.5;  // of logits: about where greedy answers begin to change

std::vector<int32_t> Ids(const Tokenizer& tokenizer, const char* text, int64_t most) {
  auto ids = tokenizer.Encode(text, {.add_special = true, .parse_special = true});
  if (static_cast<int64_t>(ids.size()) > most) ids.resize(static_cast<size_t>(most));
  return ids;
}

Matrix LogitsOf(const Runtime& rt, const Model& model, std::span<const LoraAdapter* const> adapters,
                std::span<const int32_t> ids) {
  KvCache cache(rt, model.config, static_cast<int64_t>(ids.size()));
  const SequenceRows rows{ids, &cache};
  const Matrix hidden = DecoderForward(rt, model, adapters, {&rows, 1});
  Matrix logits(DType::kF32, hidden.row_count(), model.config.vocab_size);
  ComputeLogits(rt, model, hidden.view(), logits.view());
  return logits;
}

// Differences are those of the written numbers, not of the arithmetic.
Runtime InFp32(Runtime rt) {
  rt.precision = Precision::kFp32;
  return rt;
}

Status CompareTokenizers(const Tokenizer& base, const Tokenizer& written, const std::string& path) {
  for (const char* text : kTexts) {
    for (bool parse_special : {false, true}) {
      const EncodeOptions options{.add_special = true, .parse_special = parse_special};
      if (base.Encode(text, options) == written.Encode(text, options)) continue;
      return BadInput("{}: tokenizer: expected the base's ids for '{}', found others", path, Shown(text));
    }
  }
  // A folder's EOS may stand in config.json alone, where a tokenizer does not look.
  if ((base.eos() && base.eos() != written.eos()) || base.bos() != written.bos()) {
    return BadInput("{}: tokenizer: expected the base's BOS {} and EOS {}, found {} and {}", path,
                    base.bos().value_or(-1), base.eos().value_or(-1), written.bos().value_or(-1),
                    written.eos().value_or(-1));
  }
  if (base.chat_template() != written.chat_template()) {
    return BadInput("{}: chat_template: expected the base's, found another", path);
  }
  return {};
}

std::string Advice(const ExportReport& report, bool merged) {
  if (report.max_logit_diff <= kLargeDifference) return "";
  if (!IsQuantized(report.type.main)) return "the sum does not fit its type well: F32 would be nearer";
  return fmt::format("{} rounds the weights; --type {} is nearer to {}", NameOf(report.type),
                     report.type == DType::kQ8_0 ? "F16" : "Q8_0 or F16",
                     merged ? "base and adapter apart" : "the input");
}

// What is written when the user names no type: the base's own, but no fewer than eight bits under an adapter, whose
// small changes would drown in the rounding. A folder takes SaveModel's choice.
std::optional<FileType> DefaultType(const OpenedModel& opened, const std::string& out) {
  const DType own = opened.model->layers[0][Projection::kQ].type;
  const bool rounds = !opened.adapters.empty() && IsQuantized(own) && out.ends_with(".gguf");
  return rounds ? std::optional<FileType>(DType::kQ8_0) : std::nullopt;
}

// Both models lie in memory when they are compared: refused here rather than after the writing.
Status CheckExportFits(const Runtime& rt, const Model& base, std::span<const LoraAdapter* const> adapters,
                       const std::string& out, const SaveOptions& options) {
  HEW_ASSIGN(const int64_t written, SavedBytes(rt, base, adapters, out, options));
  return CheckFits(out, "beside the model it is made from, to be compared with it",
                   written + CompareBytes(base.config, std::min(kComparedTokens, base.config.max_position_embeddings)),
                   AvailableMemoryBytes(), "write a --type of fewer bits, or end other programs");
}

Status GoOn(const std::atomic<bool>* cancelled) {
  if (!cancelled || !*cancelled) return {};
  return tl::unexpected<Error>(Error{ErrorCode::kCancelled, "stopped; nothing was kept"});
}

Result<ExportReport> Compare(const Runtime& rt, const OpenedModel& opened, const std::string& path,
                             std::optional<FileType> type, const std::atomic<bool>* cancelled) {
  HEW_ASSIGN(const auto written, LoadModel(rt, path));
  HEW_ASSIGN(const auto tokenizer, Tokenizer::Open(path));
  HEW_RETURN_IF_ERROR(CompareTokenizers(*opened.tokenizer, *tokenizer, path));
  std::vector<const LoraAdapter*> adapters;
  for (const auto& adapter : opened.adapters) adapters.push_back(adapter.get());
  ExportReport report;
  HEW_RETURN_IF_ERROR(CompareLogits(rt, *opened.model, adapters, *written, {}, *opened.tokenizer, &report, cancelled));
  report.type = type.value_or(written->layers[0][Projection::kQ].type);
  report.advice = Advice(report, !adapters.empty());
  HEW_ASSIGN(report.sha256, DigestOfModel(path));
  if (fs::is_directory(path)) {
    HEW_ASSIGN(const auto folder, SafetensorsFolder::Open(path));
    report.bytes = folder.file_bytes();
  } else {
    report.bytes = fs::file_size(path);
  }
  return report;
}

}  // namespace

std::string UncheckedPath(const std::string& out) {
  std::string stem = out;
  while (stem.size() > 1 && stem.back() == '/') stem.pop_back();
  return fmt::format("{}.unchecked.{}{}", stem, ::getpid(), out.ends_with(".gguf") ? ".gguf" : "");
}

Status KeepOrRemove(Status status, const std::string& unchecked, const std::string& out) {
  if (status) status = RenamePath(unchecked, out);
  std::error_code ignored;
  if (!status) fs::remove_all(unchecked, ignored);
  return status;
}

Status CompareLogits(const Runtime& rt, const Model& a, std::span<const LoraAdapter* const> a_adapters, const Model& b,
                     std::span<const LoraAdapter* const> b_adapters, const Tokenizer& tokenizer, ExportReport* report,
                     const std::atomic<bool>* cancelled) {
  double sum = 0, count = 0;
  const int64_t most = std::min(kComparedTokens, a.config.max_position_embeddings);
  for (const char* text : kTexts) {
    HEW_RETURN_IF_ERROR(GoOn(cancelled));
    const auto ids = Ids(tokenizer, text, most);
    if (ids.empty()) continue;
    const Matrix x = LogitsOf(rt, a, a_adapters, ids), y = LogitsOf(rt, b, b_adapters, ids);
    const int64_t values = x.row_count() * a.config.vocab_size;
    for (int64_t i = 0; i < values; ++i) {
      const double difference = std::abs(static_cast<double>(x.view().f32()[i]) - y.view().f32()[i]);
      if (!std::isfinite(difference)) return BadInput("logits: expected finite numbers, found {}", difference);
      report->max_logit_diff = std::max(report->max_logit_diff, difference);
      sum += difference;
    }
    count += static_cast<double>(values);
    report->compared_tokens += ids.size();
  }
  report->mean_logit_diff = count > 0 ? sum / count : 0;
  return {};
}

Result<ExportReport> MergeModel(const Runtime& rt, const std::string& base, const std::vector<std::string>& adapters,
                                const std::string& out, SaveOptions options, const std::atomic<bool>* cancelled) {
  const Runtime fp32 = InFp32(rt);
  HEW_ASSIGN(const OpenedModel opened, OpenModel(fp32, base, adapters));
  HEW_RETURN_IF_ERROR(CheckSaveTarget(*opened.model, out));
  std::vector<const LoraAdapter*> list;
  for (const auto& adapter : opened.adapters) list.push_back(adapter.get());
  RemoveLeftovers(out);
  if (!options.type) options.type = DefaultType(opened, out);
  HEW_RETURN_IF_ERROR(CheckExportFits(fp32, *opened.model, list, out, options));
  options.progress = [cancelled, shown = std::move(options.progress)](uint64_t done, uint64_t total) -> Status {
    HEW_RETURN_IF_ERROR(GoOn(cancelled));
    return shown ? shown(done, total) : Status();
  };
  const std::string unchecked = UncheckedPath(out);
  Status status = SaveModel(fp32, *opened.model, list, unchecked, options);
  Result<ExportReport> report;
  if (status) {
    report = Compare(fp32, opened, unchecked, options.type, cancelled);
    if (!report) status = tl::unexpected(report.error());
  }
  HEW_RETURN_IF_ERROR(KeepOrRemove(std::move(status), unchecked, out));
  report->path = out;
  return report;
}

}  // namespace hew
