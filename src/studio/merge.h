// Writes models and adapters in another form, and believes nothing until the written file has been opened again and
// compared with what it was made from.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/runtime.h"
#include "model/lora.h"
#include "model/model.h"
#include "model/save.h"
#include "text/tokenizer.h"

namespace hew {

struct ExportReport {
  std::string path;
  std::string sha256;           // of the file; of a folder as DigestOfModel
  FileType type = DType::kF32;  // as asked for, or that of most weights
  uint64_t bytes = 0;           // of the file, or of the folder's weights
  double max_logit_diff = 0;    // over the fixed texts, both sides in fp32
  double mean_logit_diff = 0;   // mean of |difference|
  size_t compared_tokens = 0;   // whose ids were the same and whose logits were compared
  std::string advice;           // what to do about a large difference; "" when it is small
};

// Writes base + adapters ("PATH" or "PATH=SCALE"; none: the base alone) to `out`, see SaveModel; without a type a
// quantised base with adapters becomes Q8_0 in GGUF. The file appears under its name after it was compared: token ids
// that differ from the base's are an error. Nothing is left behind on failure, nor when
// `cancelled` becomes true (kCancelled).
Result<ExportReport> MergeModel(const Runtime& rt, const std::string& base, const std::vector<std::string>& adapters,
                                const std::string& out, SaveOptions options,
                                const std::atomic<bool>* cancelled = nullptr);

// The parts of that which other conversions share:
inline constexpr int64_t kComparedTokens = 128;  // of one text, at most
// A name beside `out` for a file that is not yet known to be right; keeps the suffix .gguf.
std::string UncheckedPath(const std::string& out);
// Moves it to its own name, or removes it when `status` is an error; gives `status` or the error of the move.
Status KeepOrRemove(Status status, const std::string& unchecked, const std::string& out);
// Greatest and mean |difference| of the logits of two models with their adapters over fixed texts of many languages.
Status CompareLogits(const Runtime& rt, const Model& a, std::span<const LoraAdapter* const> a_adapters, const Model& b,
                     std::span<const LoraAdapter* const> b_adapters, const Tokenizer& tokenizer, ExportReport* report,
                     const std::atomic<bool>* cancelled = nullptr);

}  // namespace hew
