// The training loop: steps, evaluation, checkpoints. Everything it needs is handed in, ready.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"
#include "model/decoder.h"
#include "train/checkpoint.h"
#include "train/frozen_rows.h"
#include "train/packer.h"
#include "train/schedule.h"
#include "train/tune.h"

namespace hew {

struct TrainPlan {
  StepPlan steps;
  PackOptions packing;
  TrainingTechniques techniques;
  bool keep_frozen = false;  // FrozenRows
  Schedule schedule;  // its total_steps is the run's
  SaveEvery save_every;
  RunIdentity identity;
  std::string folder;
  double peak_gflops = 0;  // of this machine, to show a share of; 0: unknown
};

// The steps of a whole run: `settings.steps`, or as many as `settings.epochs` take.
int64_t TotalSteps(const TuneSettings& settings, const StepPlan& plan, std::span<const TrainingExample> examples);

class Trainer {
 public:
  // `adapter` is trained in place. `eval` may be null. All must outlive the trainer.
  Trainer(const Runtime& rt, const TuneRequest& request, TrainPlan plan, const Dataset& train, const Dataset* eval,
          LoraAdapter* adapter);
  ~Trainer();

  // Takes up the checkpoint in the folder. True if there was one.
  Result<bool> Resume();
  // To the last step, or to an early stop; then the adapter holds the best parameters.
  Status Run();

  const TrainState& state() const { return state_; }
  bool stopped_early() const;
  // How near the steps of this process came to plan.peak_gflops; nullopt if that is unknown or there was none.
  std::optional<double> MachineShare() const;

 private:
  Status OpenMetrics();
  Status WriteMetrics(const nlohmann::ordered_json& line);
  void BeginEpoch();
  Status Step();
  Result<LossSum> StepGradients(const std::vector<int64_t>& chosen);
  Status Evaluate();
  Status Save();
  Status Cancel();
  bool EvaluationIsDue() const;
  bool SaveIsDue() const;
  bool cancelled() const { return request_.cancel && request_.cancel->load(std::memory_order_relaxed); }
  void Report(const StepMetrics& metrics);
  std::string CheckpointPath() const { return plan_.folder + "/" + kCheckpointFile; }

  const Runtime& rt_;
  const TuneRequest& request_;
  const TuneSettings& settings_;
  TrainPlan plan_;
  const Dataset& train_;
  const Dataset* eval_;
  LoraAdapter* adapter_;
  TrainState state_;
  std::vector<std::vector<int64_t>> epoch_steps_;  // of state_.epoch
  std::vector<PackedBatch> eval_batches_;
  std::vector<float> gradient_;  // [parameters]
  TrainingWorkspace workspace_;
  FrozenRows frozen_;
  std::FILE* metrics_ = nullptr;
  std::unique_ptr<Progress> progress_;
  double shown_loss_ = 0;  // smoothed, for the bar
  double last_save_ = 0;   // seconds on the run's clock
  int64_t last_save_step_ = 0;
  double flops_ = 0, flops_seconds_ = 0;  // of this process's steps
};

}  // namespace hew
