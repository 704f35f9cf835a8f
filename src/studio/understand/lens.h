// The logit lens (nostalgebraist 2020, "interpreting GPT: the logit lens"): after every layer, the residual stream is
// taken as if it were the last one, through the final norm and the head, and read as a distribution over the next
// token. What is read in the middle is what the model's own last step makes of it, not what a layer "thinks"; early
// layers of many models are not meant to be read so. The last row is the model's answer itself, bit for bit that of
// NextTokens.
#pragma once

#include <optional>
#include <vector>

#include "studio/understand/next.h"

namespace hew {

struct LensOptions {
  int64_t k = 5;                    // likeliest tokens shown per layer
  bool all_positions = false;       // of every token of the prompt, not only after the last
  std::optional<int32_t> followed;  // the token whose probability is followed; nullopt: the model's own answer
};

struct LensRow {
  int64_t layers_done = 0;          // 0: the embedding alone; the model's number of layers: the answer
  std::vector<LikelyToken> likely;  // likeliest first
  double answer_logprob = 0;        // of the followed token
  int64_t answer_rank = 0;          // 1: it is the likeliest
};

struct LensPosition {
  int64_t position = 0;  // of the prompt's tokens, from 0
  int32_t id = 0;        // the token read there
  std::string text;
  LikelyToken answer;  // the followed token; logprob as after the last layer
  std::vector<LensRow> rows;
};

struct LensReport {
  int64_t layers = 0;
  std::vector<LensPosition> positions;
};

// Error: as CheckPrompt; "k: expected 1 or more, found 0"; a followed token outside the vocabulary.
Result<LensReport> Lens(const Engine& engine, const std::vector<int32_t>& ids, const LensOptions& options = {});

Json ToJson(const LensReport& report);

}  // namespace hew
