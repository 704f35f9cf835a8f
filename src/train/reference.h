// The reference of DPO: log p of every answer by the model that a run began with, computed once and kept until the run
// is whole.
#pragma once

#include <string>

#include "base/runtime.h"
#include "train/checkpoint.h"
#include "train/preference.h"
#include "train/run.h"
#include "train/step_source.h"

namespace hew {

inline constexpr const char* kReferenceFile = "reference.json";

// What an adapter learns pairs by: `train` of the batches it learns, `eval` of those it is measured with; the same
// method.
struct PairLosses {
  PreferenceLoss train, eval;
};

struct ReferenceRequest {
  const Model& model;
  const LoraAdapter& adapter;  // as the run began: a fresh one changes nothing, so that the reference is the base
  const TrainingTechniques& techniques;
  const RunHooks& hooks;
  const std::string& folder;    // of the run
  const RunIdentity& identity;  // what the log p depend on is part of it
  bool resume = false;          // take them from the folder if they are there
};

// Sets the references of both losses: of the examples that lie in `train` and in `eval`.
Status FindReference(const Runtime& rt, const ReferenceRequest& request, const StepBatches& train,
                     const StepBatches& eval, PairLosses* losses);

}  // namespace hew
