// How much memory a LoRA run will take, and how many tokens it therefore works on at once.
#pragma once

#include "model/lora.h"
#include "train/dataset.h"
#include "train/packer.h"
#include "train/tune.h"

namespace hew {

struct TuneMemory {
  int64_t micro_tokens = 0;   // rows of one batch at most
  int64_t planned_bytes = 0;  // of the whole process, at most
};

// Rows worked on at once: what there is room for, at most kMicroTokens unless one row is longer. Where not even the
// longest row's activations fit, they are not stored but made again (and `techniques` says so). What cannot fit is
// refused here, before the first step. The model, the data and the adapter are in memory already; `eval` may be null.
Result<TuneMemory> PlanTuneMemory(const Runtime& rt, const TuneRequest& request, const LoraAdapter& adapter,
                                  const Dataset& train, const Dataset* eval, const StepPlan& steps, bool share_prefix,
                                  bool keeps_frozen, TrainingTechniques* techniques);

// Rows of the largest step, at most: where nothing is shared between its examples.
int64_t MostRowsOfStep(const Dataset& data, const StepPlan& steps);

}  // namespace hew
