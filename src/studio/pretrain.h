// Pretraining, whole: tokenizer, token shards, a model from nothing (or going on with one), all weights learned, and
// the model on disk.
#pragma once

#include "base/result.h"
#include "base/runtime.h"
#include "train/run.h"
#include "train/settings.h"

namespace hew {

struct PretrainRequest : RunHooks {
  TuneSettings settings;  // kind kPretrain, checked
  bool resume = false;
};

// Leaves in settings.out a model folder as Transformers reads it (config.json, model.safetensors, tokenizer.json, ...),
// hew_run.json, hew_recipe.toml, metrics.jsonl and, if samples were asked for, samples.jsonl; while at work also the
// checkpoint and the text as token shards (tokens/).
// Errors: as Tune's.
Result<TuneReport> Pretrain(const Runtime& rt, const PretrainRequest& request);

}  // namespace hew
