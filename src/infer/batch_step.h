// One step of a BatchEngine: which rows of which sequences go through the decoder together, and what becomes of them.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "infer/batch_sequence.h"
#include "infer/prompts.h"

namespace hew {

struct BatchStepCounts {
  int64_t prompt_tokens = 0, generated_tokens = 0;
};

// The most rows that one sequence is given in a step, apart from guesses.
int64_t MostRowsOfAStep(int64_t prompt_slice);

// Every sequence that generates gives one row (one alone also its guesses); those whose prompts are not through share
// `prompt_slice` rows beside them, or a slice of full speed where nobody waits for a token. Caches have room. Listeners
// are told.
BatchStepCounts RunBatchStep(const Engine& engine, std::span<const std::shared_ptr<BatchSequence>> sequences,
                             int64_t prompt_slice);

// The mean of a text's last hidden states, of length 1, slice by slice.
class Embedding {
 public:
  Embedding(const Engine& engine, IdSpan ids);
  bool done() const { return static_cast<size_t>(cache_.length()) == ids_.size(); }
  void Continue(const Engine& engine, int64_t most_rows);
  std::vector<float> Take() const;  // [hidden_size]

 private:
  IdSpan ids_;
  KvCache cache_;
  std::vector<double> sum_;
};

}  // namespace hew
