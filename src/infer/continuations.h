// How likely given continuations are after given contexts: what multiple choice, last-word and perplexity tasks ask.
#pragma once

#include <functional>
#include <vector>

#include "infer/generator.h"

namespace hew {

struct ContinuationRequest {
  std::vector<int32_t> context, continuation;  // ids, neither empty
};

struct ContinuationScore {
  double logprob = 0;  // sum of log p(continuation[i] | context, continuation before i)
  bool greedy = true;  // each of its tokens is the likeliest where it stands (ties: the lowest id)
};

// Requests with the same context lie best side by side: it is run once, and so is what all begin with. The bits do not
// depend on what else is asked. on_done(n) after each batch, n requests being done. Requests are checked as prompts
// are. `cancelled`, asked after each batch, ends it with what is done: fewer results than requests.
Result<std::vector<ContinuationScore>> ScoreContinuations(const Engine& engine,
                                                          const std::vector<ContinuationRequest>& requests,
                                                          const std::function<void(size_t)>& on_done = nullptr,
                                                          const std::function<bool()>& cancelled = nullptr);

}  // namespace hew
