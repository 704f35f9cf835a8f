// From data or fixes to a new version, whole: what the server's jobs and `hew fix` do. Training runs aside in
// .hew/runs/ and is recorded when it has ended; stopped or failed, nothing is recorded.
#pragma once

#include <string>
#include <vector>

#include "base/runtime.h"
#include "studio/open_model.h"
#include "studio/registry/fixes.h"
#include "studio/registry/record.h"
#include "train/run.h"

namespace hew {

// The base in memory that training stands on. What it points to outlives the training.
struct TrainingBase {
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;
  const ChatTemplate* chat = nullptr;  // null: the model has none
  JinjaClock now;                      // what templates see
};
TrainingBase BaseOf(const OpenedModel& opened, const JinjaClock& now);

struct TuneVersionRequest {
  TuneSettings settings;  // data, and what shall not be the default; base, out and init_adapter are filled in
  std::string name;
  std::optional<Version> parent;  // whose adapter is gone on from
  RunHooks hooks;
};
// The number of the new version. Data files are recorded by their names alone.
Result<int64_t> TuneVersion(Workspace& workspace, const Runtime& rt, const TrainingBase& base,
                            const TuneVersionRequest& request);

struct FixVersionRequest {
  Version parent;
  std::string tag, name;
  std::string method = "sft";  // or "dpo", "orpo", with their beta
  double beta = TuneSettings().beta;
  double replay = 4, lr = 0;  // lr 0: the method's own
  int64_t epochs = 2;
  int64_t keep_texts = 48;  // texts of the base's own that shall stay as likely; of "sft" alone
  uint64_t seed = 0;
  RunHooks hooks;
  std::function<void(const FixPlan&)> on_plan;  // before the first step; may be empty
};
// Less than a fresh adapter's: what the parent knows is to stay.
inline constexpr double kFixLr = 3e-4;
// The number of the version that learned all fixes of the tag, which are marked as fixed in it. `base`: called once the
// plan is made, for the model at settings.base. Errors: as PlanFix and Tune; a parent that is a whole model.
Result<int64_t> FixVersion(Workspace& workspace, const Runtime& rt,
                           const std::function<Result<TrainingBase>(const std::string& path)>& base,
                           const FixVersionRequest& request);

}  // namespace hew
