// One answer being generated: what has been said, and how much of it may be shown. What Generator, GenerateAll and
// BatchEngine share.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "infer/generator.h"

namespace hew {

// The prompt and every setting.
Status CheckRequest(const Engine& engine, const GenerateRequest& request);

double MonotonicSeconds();  // to time with

class RunningAnswer {
 public:
  // The request has been checked; it and the engine's tokenizer outlive the answer.
  RunningAnswer(const Engine& engine, const GenerateRequest& request);

  // Takes the next token from `logits` [vocab_size], which are changed; true when the answer is finished.
  bool Take(std::span<float> logits, const TextCallback& on_text);
  // Ends it here: shows what was held back and says why.
  bool Finish(const char* reason, const TextCallback& on_text);

  int32_t last_id() const { return history_.back(); }
  std::span<const int32_t> history() const { return history_; }  // prompt and answer
  int64_t left() const { return limit_ - static_cast<int64_t>(result.ids.size()); }

  GenerateResult result;

 private:
  size_t HeldBack() const;
  bool Show(size_t held_back, const TextCallback& on_text);

  const GenerateRequest& request_;
  const Tokenizer& tokenizer_;
  Sampler sampler_;
  std::vector<int32_t> history_;
  Utf8Stream utf8_;
  size_t shown_ = 0;
  int64_t limit_ = 0;
};

}  // namespace hew
