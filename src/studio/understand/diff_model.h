// A model before and after: an adapter put on, two versions, or two models of one shape. What it says, side by side;
// which weights moved, and by how much; and what the change weighs.
#pragma once

#include <string>
#include <vector>

#include "studio/open_model.h"
#include "studio/understand/next.h"

namespace hew {

// Two sides; where both stand on the same model file, it is loaded once.
struct ModelPair {
  OpenedModel before, after;
};
// `before` and `after` as OpenModel takes them; after == "" is `before` with `adapters` put on, else adapters go on
// `after`. Error: shapes that differ ("hidden_size: expected 576 (of a.gguf), found 960").
Result<ModelPair> OpenPair(const Runtime& rt, const std::string& before, const std::string& after,
                           const std::vector<std::string>& adapters);

// How far one matrix moved: Frobenius norms, ||W_before|| of the effective weights (adapters added).
struct WeightChange {
  int64_t layer = -1;  // -1: outside the layers
  std::string name;    // "q_proj", "embed_tokens", "lm_head"
  double before_norm = 0, change_norm = 0;
  double relative() const { return before_norm > 0 ? change_norm / before_norm : 0; }
};

struct TokenChange {
  int32_t id = 0;
  std::string text;
  double before_logprob = 0, after_logprob = 0;
};

struct PromptChange {
  std::string prompt;
  std::vector<TokenChange> tokens;      // the k likeliest of either side, those of the later side first
  double kl = 0;                        // KL(after || before) of the whole next-token distribution, nats
  std::string before_text, after_text;  // greedy continuations; "" when none was asked for
};

struct ModelDiff {
  std::string before, after;                          // paths, with the adapters' names
  int64_t base_parameters = 0, base_bytes = 0;        // of `before`'s model, in memory
  int64_t adapter_parameters = 0, adapter_bytes = 0;  // of what is put on `after`; fp32, as saved
  std::vector<WeightChange> weights;                  // layer by layer, the rest at the end
  double before_norm = 0, change_norm = 0;            // over all of them
  std::vector<PromptChange> prompts;
};

struct DiffOptions {
  std::vector<std::string> prompts;
  bool chat = false;       // prompts are questions to a chat model
  int64_t k = 5;           // tokens shown of each side
  int64_t max_tokens = 0;  // of a greedy continuation; 0: none
  JinjaClock now;          // for chat templates
};

Result<ModelDiff> DiffModels(const Runtime& rt, const ModelPair& pair, const DiffOptions& options);

// The weights alone. W' = W + sum over adapters of scale B A (DoRA: m (W + scale B A) / ||W + scale B A||).
std::vector<WeightChange> CompareWeights(const Runtime& rt, const Model& a,
                                         const std::vector<const LoraAdapter*>& a_adapters, const Model& b,
                                         const std::vector<const LoraAdapter*>& b_adapters);

Json ToJson(const ModelDiff& diff);

}  // namespace hew
