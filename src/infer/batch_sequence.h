// One request of a BatchEngine from its arrival to its end: which rows it gives to the next step and what it reads from
// the logits that come back. Used by the engine's thread alone; Read also by the pool's threads, one to a sequence.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "infer/batch_engine.h"
#include "infer/lookup.h"
#include "infer/running_answer.h"

namespace hew {

class BatchSequence {
 public:
  // The request has been checked; `engine` outlives the sequence.
  BatchSequence(const Engine& engine, BatchRequest request, std::shared_ptr<BatchListener> listener, uint64_t number);

  uint64_t number() const { return number_; }
  const BatchRequest& request() const { return request_; }
  std::span<const LoraAdapter* const> adapters() const { return adapters_; }
  std::span<const int32_t> history() const { return answer_.history(); }
  bool done() const { return done_; }

  // Tokens whose keys and values are still missing; one while it generates, more while its prompt runs.
  int64_t pending() const { return static_cast<int64_t>(history().size()) - (cache ? cache->length() : 0); }
  // The most tokens it will ever hold.
  int64_t final_length() const { return static_cast<int64_t>(history().size()) + std::max<int64_t>(0, answer_.left()); }
  // Room for `rows` more, in steps, so that a long answer is not paid for before it is said.
  int64_t CapacityFor(int64_t rows) const;
  // `count` tokens of the prompt need not be run.
  void Cached(int64_t count);

  // Chooses the rows of the next step: the next `count` pending ones, and behind the last of them guesses, if asked.
  void Plan(int64_t count, bool guess);
  std::span<const int32_t> rows() const { return rows_; }
  // Which of those rows' logits are wanted: [first, end).
  int64_t first_wanted() const { return first_wanted_; }
  int64_t end_wanted() const { return end_wanted_; }
  bool wants_normalizer() const { return request_.prompt_logprobs || request_.top_logprobs >= 0; }

  // The logits of wanted row `row` [vocab_size], which are changed, and their log-sum-exp (if wanted).
  void Read(int64_t row, std::span<float> logits, float normalizer);
  // After all rows: keeps what was right of the guesses and tells the listener. True when the answer is finished.
  bool EndStep();
  void EndCancelled();  // ends it and tells the listener

  std::unique_ptr<KvCache> cache;       // null before its prompt begins, and while it makes room for others
  std::atomic<bool> cancelled = false;  // set by any thread

 private:
  void ReadPrompt(std::span<const float> logits, float normalizer, int32_t next);
  void ReadAnswer(std::span<float> logits, float normalizer);
  void Tell();

  BatchRequest request_;
  std::shared_ptr<BatchListener> listener_;
  uint64_t number_;
  std::vector<const LoraAdapter*> adapters_;
  std::unique_ptr<TokenConstraint> constraint_;
  RunningAnswer answer_;
  Lookup lookup_;

  int64_t start_ = 0, given_ = 0;  // tokens in the cache before this step; rows of it that are no guesses
  std::vector<int32_t> rows_;
  int64_t first_wanted_ = 0, end_wanted_ = 0;

  std::vector<TokenChoice> prompt_choices_, choices_;
  std::string text_;  // to be told
  bool done_ = false;
  double begun_ = 0, first_token_ = 0;
};

}  // namespace hew
