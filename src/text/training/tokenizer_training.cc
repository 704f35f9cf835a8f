#include "text/training/tokenizer_training.h"

#include <algorithm>
#include <mutex>

#include "base/shown.h"
#include "text/pretokenizer.h"
#include "text/pretokenizer_patterns.h"
#include "text/special_tokens.h"
#include "text/training/bpe_trainer.h"
#include "text/training/tokenizer_json.h"
#include "text/training/unigram_trainer.h"
#include "text/unicode.h"

namespace hew {
namespace {

constexpr int64_t kBytes = 256, kMaxVocabulary = 4'000'000;

Status CheckSpecial(const std::vector<std::string>& special) {
  for (const auto& token : special) {
    bool fit = FindInvalidUtf8(token) == token.npos;
    for (size_t at = 0; fit && at < token.size();) {
      const Character c = CharacterAt(token, at);
      fit = !IsSpace(c.code) && c.code > ' ' && c.code != 0x2581;
      at += c.bytes;
    }
    if (!fit) return BadInput("special token: expected text without white space, found '{}'", Shown(token));
    if (token.size() == 1) return BadInput("special token: expected two characters or more, found '{}'", token);
  }
  return {};
}

Result<std::vector<const char*>> PatternsOf(const std::string& name) {
  for (const auto& entry : PatternTable()) {
    if (std::find(entry.names.begin(), entry.names.end(), name) != entry.names.end()) return entry.patterns;
  }
  return BadInput(
      "pattern: expected a name that tokenizer.ggml.pre knows, such as gpt-2, llama3, qwen2, smollm; found '{}'",
      Shown(name));
}

Result<PreTokenizer> MakePreTokenizer(const std::vector<const char*>& patterns) {
  PreTokenizer pre;
  for (const char* pattern : patterns) {
    PreTokenizer::Step step;
    HEW_ASSIGN(step.regex, Regex::Compile(pattern, /*lines=*/true));
    pre.AddStep(std::move(step));
  }
  return pre;
}

// Words between special tokens.
class Counter {
 public:
  Counter(const ThreadPool& pool, const TokenizerTraining& training) : pool_(pool), training_(training) {
    for (const auto& token : SpecialTokensOf(training)) {
      SpecialToken special;
      special.text = token;
      special_.Add(special);
    }
    special_.Finish();
  }

  Result<std::vector<WordCount>> Count(std::span<const std::string_view> texts, const WordSplitter& split) {
    int64_t total = 0;
    for (std::string_view text : texts) total += static_cast<int64_t>(text.size());
    CountProgress progress;
    progress.cancel = training_.cancel;
    if (training_.progress) {
      progress.done = [&](uint64_t bytes) { training_.progress("counting words", static_cast<int64_t>(bytes), total); };
    }
    const auto words = CountWords(
        pool_, texts,
        [&](std::string_view piece, const std::function<void(std::string_view)>& take) {
          special_.Split(
              piece, {.parse = true}, [&](std::string_view text) { split(text, take); }, [](int32_t) {});
        },
        progress);
    if (words.empty()) return BadInput("data: expected text, found none");
    return words;
  }

 private:
  const ThreadPool& pool_;
  const TokenizerTraining& training_;
  SpecialTokens special_{SpecialTokens::Order::kLeftmost};
};

Status CheckCancelled(const TokenizerTraining& training) {
  if (!training.cancel || !training.cancel->load()) return {};
  return tl::unexpected(Error{ErrorCode::kCancelled, "stopped; nothing was written"});
}

void SetCounts(std::span<const WordCount> words, TrainedTokenizer* out) {
  out->words = static_cast<int64_t>(words.size());
  for (const auto& word : words) out->bytes += word.count * static_cast<int64_t>(word.bytes.size());
}

Result<TrainedTokenizer> TrainBpeTokenizer(const ThreadPool& pool, std::span<const std::string_view> texts,
                                           const TokenizerTraining& training, int64_t special) {
  HEW_ASSIGN(const auto patterns, PatternsOf(training.pattern));
  HEW_ASSIGN(const PreTokenizer pre, MakePreTokenizer(patterns));
  HEW_ASSIGN(const auto words, Counter(pool, training).Count(texts, [&](std::string_view text, const auto& take) {
    pre.Split(text, true, take);
  }));
  HEW_RETURN_IF_ERROR(CheckCancelled(training));
  BpeTraining bpe;
  bpe.max_tokens = training.vocab_size - special;
  bpe.min_frequency = training.min_frequency;
  bpe.cancel = training.cancel;
  if (training.progress) {
    bpe.progress = [&](int64_t merges) { training.progress("merging pairs", merges, bpe.max_tokens - kBytes); };
  }
  const BpeMerges merges = TrainBpe(pool, words, bpe);
  HEW_RETURN_IF_ERROR(CheckCancelled(training));
  TrainedTokenizer out;
  SetCounts(words, &out);
  out.tokens = merges.text_tokens;
  out.vocab_size = special + static_cast<int64_t>(merges.tokens.size());
  out.tokenizer_json = BpeTokenizerJson(training, patterns, merges);
  return out;
}

Result<TrainedTokenizer> TrainUnigramTokenizer(const ThreadPool& pool, std::span<const std::string_view> texts,
                                               const TokenizerTraining& training, int64_t special) {
  if (training.unk.empty()) return BadInput("unk: expected a token for what is unknown (unigram needs it), found ''");
  HEW_ASSIGN(const auto words, Counter(pool, training).Count(texts, SplitAtSpaces));
  HEW_RETURN_IF_ERROR(CheckCancelled(training));
  const UnigramWords letters = ToUnigramWords(words, training.coverage);
  const auto least = special + kBytes + static_cast<int64_t>(letters.alphabet.size());
  if (training.vocab_size < least) {
    return BadInput(
        "vocab_size: expected at least {} (special tokens, bytes and the {} characters of the text), found {}", least,
        letters.alphabet.size(), training.vocab_size);
  }
  UnigramTraining unigram;
  unigram.pieces = training.vocab_size - special - kBytes;
  unigram.cancel = training.cancel;
  if (training.progress) {
    unigram.progress = [&](int64_t pieces) { training.progress("pieces left", pieces, 0); };
  }
  const UnigramVocabulary vocabulary = TrainUnigram(pool, letters, unigram);
  HEW_RETURN_IF_ERROR(CheckCancelled(training));
  TrainedTokenizer out;
  SetCounts(words, &out);
  out.tokens = vocabulary.tokens;
  out.vocab_size = special + kBytes + static_cast<int64_t>(vocabulary.pieces.size());
  out.tokenizer_json = UnigramTokenizerJson(training, vocabulary.pieces);
  return out;
}

}  // namespace

std::vector<std::string> SpecialTokensOf(const TokenizerTraining& training) {
  std::vector<std::string> tokens = {training.unk, training.bos, training.eos, training.pad};
  tokens.insert(tokens.end(), training.special.begin(), training.special.end());
  std::vector<std::string> once;
  for (auto& token : tokens) {
    if (!token.empty() && std::find(once.begin(), once.end(), token) == once.end()) once.push_back(std::move(token));
  }
  return once;
}

Result<TrainedTokenizer> TrainTokenizer(const ThreadPool& pool, std::span<const std::string_view> texts,
                                        const TokenizerTraining& training) {
  const auto special = SpecialTokensOf(training);
  HEW_RETURN_IF_ERROR(CheckSpecial(special));
  const auto least = static_cast<int64_t>(special.size()) + kBytes;
  if (training.vocab_size < least || training.vocab_size > kMaxVocabulary) {
    return BadInput("vocab_size: expected {} ({} special tokens and 256 bytes) to {}, found {}", least, special.size(),
                    kMaxVocabulary, training.vocab_size);
  }
  const auto train = training.kind == TokenizerKind::kBpe ? TrainBpeTokenizer : TrainUnigramTokenizer;
  HEW_ASSIGN(auto trained, train(pool, texts, training, static_cast<int64_t>(special.size())));
  trained.tokenizer_config_json = TokenizerConfigJson(training);
  return trained;
}

}  // namespace hew
