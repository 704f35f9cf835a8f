// The training loop: steps, evaluation, checkpoints. Everything it needs is handed in, ready.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/progress.h"
#include "train/checkpoint.h"
#include "train/learner.h"
#include "train/run.h"
#include "train/schedule.h"
#include "train/step_source.h"

namespace hew {

struct TrainPlan {
  Schedule schedule;  // its total_steps is the run's
  SaveEvery save_every;
  RunIdentity identity;
  std::string folder;
  double peak_gflops = 0;  // of this machine, to show a share of; 0: unknown
};

// The steps of a whole run: `settings.steps`, or as many as `settings.epochs` take. Leaves the source at epoch 0.
int64_t TotalSteps(const TuneSettings& settings, StepSource* source);

class Trainer {
 public:
  // `eval` holds the batches to measure with, and may be empty. What is referred to must outlive the trainer.
  Trainer(const Runtime& rt, const TuneSettings& settings, const RunHooks& hooks, TrainPlan plan, StepSource* source,
          StepBatches eval, Learner* learner);

  // Takes up the checkpoint in the folder. True if there was one.
  Result<bool> Resume();
  // To the last step, or to an early stop; then the learner holds the best parameters.
  Status Run();
  // To this step (of all), or to an early stop, and a checkpoint there; the run goes on after it as if it had not
  // paused.
  Status RunTo(int64_t step);
  // The loss of the evaluation rows now, of which the run learns nothing; nullopt when cancelled.
  std::optional<double> EvalLoss();
  int64_t total_steps() const { return plan_.schedule.total_steps; }

  const TrainState& state() const { return state_; }
  bool stopped_early() const;
  // How near the steps of this process came to plan.peak_gflops; nullopt if that is unknown or there was none.
  std::optional<double> MachineShare() const;
  // What the run came to so far; folder, data and evaluation rows are left to the caller.
  TuneReport Report() const;

 private:
  Status OpenMetrics();
  Status StepsTo(int64_t step);
  std::optional<BatchLoss> EvalBatches();
  Status WriteMetrics(const nlohmann::ordered_json& line);
  void BeginEpoch(int64_t epoch);
  Status Step();
  Result<BatchLoss> StepGradients(const StepBatches& data);
  Status Evaluate();
  Status Sample();
  Status TakeSnapshot();
  Status Save();
  Status Cancel();
  bool EvaluationIsDue() const;
  bool SaveIsDue() const;
  bool cancelled() const { return hooks_.cancel && hooks_.cancel->load(std::memory_order_relaxed); }
  void Show(const StepMetrics& metrics);
  std::string CheckpointPath() const { return plan_.folder + "/" + kCheckpointFile; }

  const Runtime& rt_;
  const TuneSettings& settings_;
  const RunHooks& hooks_;
  TrainPlan plan_;
  StepSource* source_;
  StepBatches eval_;
  Learner* learner_;
  const std::vector<ParameterGroup> groups_;
  TrainState state_;
  int64_t epoch_steps_ = 0;      // of state_.epoch
  std::vector<float> gradient_;  // [parameters]
  AppendFile metrics_;
  std::unique_ptr<Progress> progress_;
  double shown_loss_ = 0;  // smoothed, for the bar
  std::optional<double> shown_accuracy_;
  double last_save_ = 0;  // seconds on the run's clock
  int64_t last_save_step_ = 0;
  std::vector<int64_t> snapshot_steps_;   // increasing
  double flops_ = 0, flops_seconds_ = 0;  // of this process's steps
};

// --- What the two kinds of runs do around it ---

// What must not change until a resumed run ends: settings that matter, instruction set, precision.
RunIdentity IdentityOfSettings(const Runtime& rt, const TuneSettings& settings);
// Makes the folder; refuses one with an unfinished run unless `resume`.
Status BeginFolder(const std::string& out, bool resume);
// Writes the recipe, takes up a checkpoint if `resume`, and (RunTraining) trains to the end.
Result<std::unique_ptr<Trainer>> BeginTraining(const Runtime& rt, const TuneSettings& settings, const RunHooks& hooks,
                                               bool resume, TrainPlan plan, StepSource* source, StepBatches eval,
                                               Learner* learner);
Result<TuneReport> RunTraining(const Runtime& rt, const TuneSettings& settings, const RunHooks& hooks, bool resume,
                               TrainPlan plan, StepSource* source, StepBatches eval, Learner* learner);
// After what was learned is written: how it came about, and the checkpoint is dropped.
Status EndFolder(const TuneSettings& settings, const RunIdentity& identity, const TuneReport& report);

}  // namespace hew
