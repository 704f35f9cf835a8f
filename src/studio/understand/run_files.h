// What a training run wrote down of itself: hew_run.json or hew_recipe.toml, metrics.jsonl, samples.jsonl.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "studio/understand/watch.h"

namespace hew {

struct RunFiles {
  bool pretrained = false;  // all weights from text, not an adapter
  std::string base;         // of an adapter
  std::vector<std::string> sampled_prompts;
  std::vector<LossPoint> losses, eval_losses;  // by step
  std::vector<WatchSample> samples;            // by step
};

// A run that has ended, or one at work: a last line that is not yet whole is left out.
// Errors: "FOLDER: metrics.jsonl: expected a run of hew tune or hew pretrain, found none".
Result<RunFiles> ReadRunFiles(const std::string& folder);

}  // namespace hew
