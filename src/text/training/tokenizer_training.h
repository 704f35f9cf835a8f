// A tokenizer from text: trained, and written as the tokenizer.json that the `tokenizers` library and Hew read.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"

namespace hew {

enum class TokenizerKind { kBpe, kUnigram };

struct TokenizerTraining {
  TokenizerKind kind = TokenizerKind::kBpe;
  int64_t vocab_size = 0;         // special tokens and single bytes included
  int64_t min_frequency = 2;      // BPE: a pair seen less often is not merged
  std::string pattern = "gpt-2";  // BPE: how text falls into words, by a name that tokenizer.ggml.pre knows
  double coverage = 0.9995;       // unigram: share of the text that the alphabet covers; the rest is spelled in bytes
  // Special tokens take the first ids, in this order; "" leaves one out, equal names share an id. A text that is
  // encoded with special tokens begins with bos.
  std::string unk = "<unk>", bos = "<s>", eos = "</s>", pad = "<pad>";
  std::vector<std::string> special = {"<|im_start|>", "<|im_end|>"};  // with both, the config gets a chat template
  // What is going on, and how much of it is done; total 0: unknown.
  std::function<void(const char* stage, int64_t done, int64_t total)> progress;
  const std::atomic<bool>* cancel = nullptr;
};

struct TrainedTokenizer {
  std::string tokenizer_json, tokenizer_config_json;
  int64_t vocab_size = 0;         // below what was asked for when the text has no more to merge
  int64_t words = 0;              // different ones
  int64_t bytes = 0, tokens = 0;  // of the text, special tokens in it left out
};

// Trains on `texts`, which may hold special tokens; nothing is merged across one. The same result for any number of
// threads. Errors: a vocabulary too small for its bytes, characters and special tokens; special tokens that are
// unfit; an unknown pattern; no text; cancelled.
Result<TrainedTokenizer> TrainTokenizer(const ThreadPool& pool, std::span<const std::string_view> texts,
                                        const TokenizerTraining& training);

// Special tokens in the order of their ids, each once.
std::vector<std::string> SpecialTokensOf(const TokenizerTraining& training);

}  // namespace hew
