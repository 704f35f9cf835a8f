// One example as the model sees it, for people: control tokens spelled out, the learned part marked.
#pragma once

#include <string>

#include "text/tokenizer.h"
#include "train/dataset.h"

namespace hew {

// Learned tokens stand in green when `color`, else between [[ and ]]. Bytes that would steer a terminal are spelled as
// \x1b; text that is not UTF-8 likewise. At most `most_tokens` tokens, around the first learned ones, "..." for the
// rest.
std::string ShowExample(const Tokenizer& tokenizer, const TrainingExample& example, bool color,
                        int64_t most_tokens = 400);

// A pair: what was asked and chosen, and below it what was rejected.
std::string ShowPair(const Tokenizer& tokenizer, const TrainingExample& chosen, const TrainingExample& rejected,
                     bool color);

}  // namespace hew
