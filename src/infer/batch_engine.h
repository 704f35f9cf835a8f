// Continuous batching: requests of many users, each with its own adapters, through one base, together. A request joins
// and leaves between two steps; a long prompt goes in slices beside the others' tokens. Each answer has the bits that
// it has alone.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "infer/constraint.h"
#include "infer/generator.h"

namespace hew {

struct TokenChoice {
  int32_t id = 0;
  double logprob = 0;          // of the model, before penalties, temperature and constraints
  std::vector<NextToken> top;  // likeliest first, `top_logprobs` of them
};

struct BatchRequest {
  GenerateRequest generate;
  std::vector<std::shared_ptr<const LoraAdapter>> adapters;  // usually none or one; kept until the request has ended
  std::string adapter_key;  // names their content and scales; the prompt cache never crosses keys. "" for the base
  std::map<int32_t, float> logit_bias;
  std::shared_ptr<const Grammar> grammar;  // null: free
  int64_t top_logprobs = -1;               // -1: no TokenChoice is made; 0: the chosen token's alone
  bool prompt_logprobs = false;            // a TokenChoice for each prompt token, too (none for the first)
};

// Told by the engine's thread; must be quick and may not call the engine.
class BatchListener {
 public:
  virtual ~BatchListener() = default;
  virtual void OnPrompt(const std::vector<TokenChoice>& /*prompt*/) {
  }  // prompt_logprobs only; from the second token on
  // Whole UTF-8 text that is certain to stay (may be empty) and the tokens chosen since the last call.
  virtual void OnText(std::string_view text, const std::vector<TokenChoice>& tokens) = 0;
  virtual void OnDone(
      const GenerateResult& result) = 0;         // the last call; finish_reason "stop", "length" or "cancelled"
  virtual void OnError(const Error& error) = 0;  // or this
};

struct BatchSettings {
  int64_t max_sequences = 16;       // in one step
  int64_t max_queue = 256;          // waiting; more are refused
  int64_t prompt_slice = 256;       // rows of prompts in one step while others generate
  size_t cache_bytes = 1ULL << 30;  // keys and values of running and remembered sequences
};

struct BatchCounters {
  int64_t running = 0, waiting = 0;
  uint64_t requests = 0, prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0, steps = 0;
  size_t cache_bytes = 0;
};

class BatchEngine {
 public:
  // `engine.adapters` is empty: adapters come with requests. Starts one thread, which runs until destruction.
  BatchEngine(Engine engine, BatchSettings settings);
  ~BatchEngine();  // as Stop(0)

  // Error kBadInput: the request is wrong ("prompt: expected at most …"). kEnvironment: the queue is full, or stopping.
  // The number names the request for Cancel.
  Result<uint64_t> Submit(BatchRequest request, std::shared_ptr<BatchListener> listener);
  void Cancel(uint64_t request);    // within one step; its listener gets OnDone with "cancelled"
  void Stop(double grace_seconds);  // takes no more; finishes what runs, cancels it after the grace
  // Mean-pooled last hidden states, normalised to length 1: one row of hidden_size numbers a text.
  Result<std::vector<std::vector<float>>> Embed(const std::vector<std::vector<int32_t>>& texts);
  // Runs `work` between two steps on the engine's thread, for tools that need the same model and threads; waits for it.
  void RunExclusive(const std::function<void(const Engine&)>& work);
  BatchCounters counters() const;
  // Tokens that one sequence may hold: the engine's, or what cache_bytes has room for.
  int64_t context_size() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hew
