// What every training run shares, whatever learns in it: what it tells while at work and at its end.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "train/dataset.h"

namespace hew {

// How pairs of answers are ranked, means as TRL names them: a reward is how far beta * log p of an answer has moved
// from the reference (ORPO: beta * its mean log p).
struct Rewards {
  double chosen = 0, rejected = 0, margins = 0, accuracies = 0;
};

// What one optimiser step told; also a line of metrics.jsonl.
struct StepMetrics {
  int64_t step = 0, total_steps = 0;       // step counts from 1
  double epoch = 0;                        // how far through the data
  double loss = 0;                         // mean over the step's learned tokens
  double lr = 0, grad_norm = 0;            // norm before clipping
  int64_t tokens = 0, learned_tokens = 0;  // of this step's examples
  double seconds = 0, tokens_per_s = 0;    // of this step
  std::optional<Rewards> rewards;          // where pairs are learned
};

// How a run speaks with whoever started it.
struct RunHooks {
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();  // of the whole command
  bool quiet = false;                                                              // no progress bar
  const std::atomic<bool>* cancel = nullptr;        // set by Ctrl-C: stop after the batch at work, keep a checkpoint
  std::function<void(const std::string&)> say;      // lines for people; may be empty
  std::function<void(const StepMetrics&)> on_step;  // may be empty
  std::function<Status(int64_t step)> on_sample;    // every settings.sample_every steps; may be empty

  std::function<Status(int64_t step)> on_snapshot;  // at the steps of settings.snapshots (train/snapshots.h); may be empty

  void Say(const std::string& line) const {
    if (say) say(line);
  }
};

struct TuneReport {
  std::string product = "adapter";  // or "model"
  std::string folder;
  int64_t steps = 0;
  double train_loss = 0;                         // mean over the learned tokens of the last epoch
  std::optional<double> eval_loss;               // of the adapter that was kept
  int64_t best_step = 0;                         // the step it is from
  std::optional<Rewards> rewards, eval_rewards;  // of pairs: over the last epoch; on the evaluation pairs at best_step
  bool stopped_early = false;
  double tokens_per_s = 0;  // useful_tokens / train_seconds
  int64_t useful_tokens = 0, learned_tokens = 0;
  double seconds = 0, train_seconds = 0, eval_seconds = 0;
  uint64_t peak_rss_bytes = 0, planned_bytes = 0;  // the most memory held, and foreseen; 0: not planned
  DataCounts data;
  int64_t eval_rows = 0, eval_rows_in_training = 0;
  int64_t trainable_parameters = 0;
  std::optional<double> machine_share;  // of the measured peak of products; not measured when quiet
};

nlohmann::ordered_json ToJson(const TuneReport& report);
nlohmann::ordered_json RewardsToJson(const Rewards& rewards,
                                     const std::string& prefix);  // prefix + "rewards/chosen", ...

inline constexpr const char* kCheckpointFile = "checkpoint.safetensors";
inline constexpr const char* kMetricsFile = "metrics.jsonl";
inline constexpr const char* kRunFile = "hew_run.json";
inline constexpr const char* kRecipeFile = "hew_recipe.toml";

}  // namespace hew
