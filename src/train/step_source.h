// What a run learns from: the batches of each optimiser step. Which they are is a pure function of epoch and step, so
// that a resumed run goes on with the same.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "train/batch_loss.h"
#include "train/packer.h"
#include "train/token_shards.h"

namespace hew {

struct StepBatches {
  std::vector<PackedBatch> batches;
  LossTotals totals;
  int64_t tokens = 0, learned_tokens = 0;  // shared prefixes counted in each row
};

class StepSource {
 public:
  virtual ~StepSource() = default;
  // Steps of an epoch, which is made ready.
  virtual int64_t BeginEpoch(int64_t epoch) = 0;
  // 0 <= step < that. Error: a file that does not hold what it should.
  virtual Result<StepBatches> Step(int64_t step) const = 0;
  // Every row once, for evaluation.
  virtual Result<StepBatches> All() const = 0;
};

// `data` outlives the source; where it holds pairs, a step of so many examples is one of so many pairs.
std::unique_ptr<StepSource> MakeExampleSource(const Dataset& data, const StepPlan& plan, const PackOptions& packing);

struct WindowSteps {
  int64_t windows_per_step = 1;
  int64_t windows_per_batch = 1;
  int64_t length = 0;               // of a window
  bool separate_documents = false;  // no token sees the document before
};
std::unique_ptr<StepSource> MakeWindowSource(TokenWindows windows, const WindowSteps& steps);

}  // namespace hew
