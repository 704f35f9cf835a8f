// Generation: prompts in slices, one token after another, several sequences in one batch; and what a model thinks of a
// given text. The engine speaks token ids; text enters only to stop and to stream.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/runtime.h"
#include "infer/sampler.h"
#include "model/decoder.h"
#include "text/tokenizer.h"

namespace hew {

inline constexpr int64_t kPromptSlice = 512;  // rows of a prompt through the decoder at once: bounded memory, full speed

// What generation runs on. All pointers outlive the calls that take it.
struct Engine {
  Runtime rt;
  const Model* model = nullptr;
  const Tokenizer* tokenizer = nullptr;
  std::vector<const LoraAdapter*> adapters;
  int64_t context_size = 0;  // tokens a sequence may hold; at most max_position_embeddings
};

struct GenerateRequest {
  std::vector<int32_t> prompt;  // ids, at least one
  SamplingSettings sampling;
  int64_t max_tokens = 512;       // at most what the context leaves
  std::vector<std::string> stop;  // text that ends the answer and is not part of it
  bool lookup = true;             // guess ahead from what was said (infer/lookup.h): the same answer, sooner
};

struct GenerateResult {
  std::vector<int32_t> ids;  // generated, the end token included
  std::string text;          // without special tokens and stop text
  std::string finish_reason;  // "stop" or "length"; of a BatchEngine also "cancelled"
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt, taken from the cache
  int64_t drafted_tokens = 0, accepted_tokens = 0;  // guessed ahead, and of those, come true
  double prompt_seconds = 0, generation_seconds = 0;
  double tokens_per_s() const;  // generated tokens after the first, over their time
};

// Called with every piece of whole UTF-8 text that is certain to stay; false stops the generation.
using TextCallback = std::function<bool(std::string_view)>;

class RunningAnswer;

// One conversation: keeps its cache between calls and reuses the common beginning of the new prompt, with the same bits
// as without.
class Generator {
 public:
  explicit Generator(Engine engine);
  // Error: "prompt: expected at most 2048 tokens (context), found 3000".
  Result<GenerateResult> Generate(const GenerateRequest& request, const TextCallback& on_text = nullptr);

 private:
  void Continue(const GenerateRequest& request, const TextCallback& on_text, RunningAnswer& answer);

  Engine engine_;
  std::unique_ptr<KvCache> cache_;
  std::vector<int32_t> cached_ids_;
};

// All requests, up to `batch` at a time through the decoder together. Each answer equals that of the request alone.
// on_done(i) is called as each ends.
Result<std::vector<GenerateResult>> GenerateAll(const Engine& engine, const std::vector<GenerateRequest>& requests, int64_t batch,
                                                const std::function<void(size_t)>& on_done = nullptr);

// log p(ids[i] | ids[..i)) for every i >= 1; nothing for the first. At least one id.
Result<std::vector<std::optional<double>>> ScoreTokens(const Engine& engine, const std::vector<int32_t>& ids);

// What a prompt must be: "prompt: expected at most 2048 tokens (the context), found 3000".
Status CheckPrompt(const Engine& engine, const std::vector<int32_t>& ids);

// log p(id | ids) of every token of the vocabulary, by id.
Result<std::vector<double>> NextLogprobs(const Engine& engine, const std::vector<int32_t>& ids);
// The k likeliest next tokens after ids, likeliest first.
Result<std::vector<NextToken>> NextTokens(const Engine& engine, const std::vector<int32_t>& ids, int64_t k);

}  // namespace hew
