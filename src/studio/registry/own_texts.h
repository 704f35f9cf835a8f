// Ordinary text, by the model itself: what it has to keep while it learns something else (train/keep.h).
#pragma once

#include <string>

#include "infer/generator.h"

namespace hew {

// `count` texts of up to `tokens` tokens, sampled from the bare distribution of engine's model, as JSONL of "text"
// rows. The same seed gives the same texts.
Result<std::string> OwnTexts(const Engine& engine, int64_t count, int64_t tokens, uint64_t seed);

}  // namespace hew
