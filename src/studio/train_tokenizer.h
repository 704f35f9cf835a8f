// A tokenizer from text files, checked and written.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "text/training/tokenizer_training.h"

namespace hew {

struct TokenizerRequest {
  std::vector<std::string> data;
  std::string out;  // tokenizer.json; tokenizer_config.json is written beside it
  TokenizerTraining training;
};

struct TokenizerReport {
  std::string path, kind;
  int64_t vocab_size = 0, words = 0, bytes = 0, tokens = 0;
  double seconds = 0;
};
nlohmann::ordered_json ToJson(const TokenizerReport& report);

// What is written was read again first, and gave its first text back. Nothing is written on an error.
Result<TokenizerReport> TrainTokenizerFile(const ThreadPool& pool, const TokenizerRequest& request);

}  // namespace hew
