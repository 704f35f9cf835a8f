#include "studio/train_tokenizer.h"

#include <chrono>
#include <filesystem>

#include "base/file.h"
#include "base/shown.h"
#include "text/tokenizer.h"
#include "text/training/unigram_words.h"
#include "train/text_files.h"

namespace hew {
namespace {

constexpr size_t kCheckedBytes = 4096;  // of the first text, encoded and decoded

// What was learned must load, and give a text back as it was. (But for U+2581 in a unigram vocabulary, which stands for
// a space there.)
Status CheckReadsBack(const TrainedTokenizer& trained, std::string_view text, const TokenizerRequest& request) {
  HEW_ASSIGN(const auto tokenizer,
             Tokenizer::FromJson(trained.tokenizer_json, trained.tokenizer_config_json, request.out));
  text = text.substr(0, EndOfPiece(text, 0, kCheckedBytes));
  const bool unigram = request.training.kind == TokenizerKind::kUnigram;
  if (unigram && (text.find(kSpaceMark) != text.npos || FindInvalidUtf8(text) != text.npos)) return {};
  const std::string back = tokenizer->Decode(tokenizer->Encode(text));
  if (back != text) {
    return BadInput("{}: expected the first text back after encoding, found '{}'", request.out, Shown(back));
  }
  return {};
}

}  // namespace

nlohmann::ordered_json ToJson(const TokenizerReport& report) {
  const auto bytes = static_cast<double>(report.bytes), tokens = static_cast<double>(report.tokens);
  return {{"path", report.path},
          {"kind", report.kind},
          {"vocab_size", report.vocab_size},
          {"seconds", report.seconds},
          {"bytes", report.bytes},
          {"tokens", report.tokens},
          {"tokens_per_byte", bytes > 0 ? tokens / bytes : 0},
          {"different_words", report.words}};
}

Result<TokenizerReport> TrainTokenizerFile(const ThreadPool& pool, const TokenizerRequest& request) {
  const auto start = std::chrono::steady_clock::now();
  const std::filesystem::path path(request.out);
  if (path.has_parent_path()) HEW_RETURN_IF_ERROR(MakeFolder(path.parent_path().string()));
  HEW_ASSIGN(const TextFiles files, TextFiles::Open(request.data, DocumentSplit::kFile));
  HEW_ASSIGN(const TrainedTokenizer trained, TrainTokenizer(pool, files.documents(), request.training));
  HEW_RETURN_IF_ERROR(CheckReadsBack(trained, files.documents()[0], request));
  HEW_RETURN_IF_ERROR(WriteFileAtomically(request.out, trained.tokenizer_json));
  HEW_RETURN_IF_ERROR(
      WriteFileAtomically((path.parent_path() / "tokenizer_config.json").string(), trained.tokenizer_config_json));
  TokenizerReport report;
  report.path = request.out;
  report.kind = request.training.kind == TokenizerKind::kBpe ? "bpe" : "unigram";
  report.vocab_size = trained.vocab_size;
  report.words = trained.words;
  report.bytes = trained.bytes;
  report.tokens = trained.tokens;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace hew
