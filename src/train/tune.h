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
#include "train/trainer.h"

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

// What is read once, for one run or for many over the same data and model.
struct TuneInputs {
  Dataset train, eval;
  Overlap overlap;
  std::string train_digest, eval_digest, base_digest;
};
Result<TuneInputs> ReadTuneInputs(const Runtime& rt, const TuneRequest& request);

// One run over them, which may pause on its way. `inputs` must outlive it.
class TuneRun {
 public:
  // Makes the folder, and takes up a checkpoint in it if request.resume.
  static Result<TuneRun> Begin(const Runtime& rt, TuneRequest request, const TuneInputs& inputs, bool show_example);
  TuneRun(TuneRun&&) noexcept;
  ~TuneRun();

  Trainer& trainer();
  Result<TuneReport> Finish();  // to the end, and what Tune() leaves

 private:
  struct State;
  explicit TuneRun(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Trains and leaves in settings.out: adapter_config.json, adapter_model.safetensors (PEFT), hew_run.json (how it came
// about), hew_recipe.toml (the settings) and metrics.jsonl; while at work also checkpoint.safetensors.
// Errors: bad settings or data (kBadInput), a loss that is no longer a number (kBadInput, the checkpoint before is
// kept), disk or memory (kEnvironment), stopped (kCancelled: what was kept and how to go on).
Result<TuneReport> Tune(const Runtime& rt, const TuneRequest& request);

}  // namespace hew
