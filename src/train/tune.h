// Fine-tuning, whole: data, adapter, training loop, evaluation, checkpoints, and the adapter on disk.
#pragma once

#include <memory>

#include "base/result.h"
#include "base/runtime.h"
#include "model/model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/dataset.h"
#include "train/run.h"
#include "train/settings.h"

namespace hew {

inline constexpr int64_t kMicroTokens = 1024;  // rows worked on at once, unless one row is longer or memory is scarce

struct TuneRequest : RunHooks {
  TuneSettings settings;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;
  const ChatTemplate* chat = nullptr;  // null: the model has none
  bool template_knows_tools = false;   // the template's source speaks of tool_calls
  JinjaClock now;
  bool resume = false;
  bool color = false;  // mark the shown example by colour
};

// Trains and leaves in settings.out: adapter_config.json, adapter_model.safetensors (PEFT), hew_run.json (how it came
// about), hew_recipe.toml (the settings) and metrics.jsonl; while at work also checkpoint.safetensors.
// Errors: bad settings or data (kBadInput), a loss that is no longer a number (kBadInput, the checkpoint before is
// kept), disk or memory (kEnvironment), stopped (kCancelled: what was kept and how to go on).
Result<TuneReport> Tune(const Runtime& rt, const TuneRequest& request);

}  // namespace hew
