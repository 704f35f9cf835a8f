// Fine-tuning, whole: data, adapter, training loop, evaluation, checkpoints, and the adapter on disk.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/runtime.h"
#include "model/model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/dataset.h"
#include "train/settings.h"

namespace hew {

inline constexpr int64_t kMicroTokens = 1024;  // rows worked on at once, unless one row is longer or memory is scarce

// What one optimiser step told; also a line of metrics.jsonl.
struct StepMetrics {
  int64_t step = 0, total_steps = 0;       // step counts from 1
  double epoch = 0;                        // how far through the data
  double loss = 0;                         // mean over the step's learned tokens
  double lr = 0, grad_norm = 0;            // norm before clipping
  int64_t tokens = 0, learned_tokens = 0;  // of this step's examples
  double seconds = 0, tokens_per_s = 0;    // of this step
};

struct TuneRequest {
  TuneSettings settings;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;
  const ChatTemplate* chat = nullptr;  // null: the model has none
  bool template_knows_tools = false;   // the template's source speaks of tool_calls
  JinjaClock now;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();  // of the whole command
  bool resume = false;
  bool color = false;                               // mark the shown example by colour
  bool quiet = false;                               // no progress bar
  const std::atomic<bool>* cancel = nullptr;        // set by Ctrl-C: stop after the batch at work, keep a checkpoint
  std::function<void(const std::string&)> say;      // lines for people; may be empty
  std::function<void(const StepMetrics&)> on_step;  // may be empty
};

struct TuneReport {
  std::string adapter;  // the folder
  int64_t steps = 0;
  double train_loss = 0;            // mean over the learned tokens of the last epoch
  std::optional<double> eval_loss;  // of the adapter that was kept
  int64_t best_step = 0;            // the step it is from
  bool stopped_early = false;
  double tokens_per_s = 0;  // useful_tokens / train_seconds
  int64_t useful_tokens = 0, learned_tokens = 0;
  double seconds = 0, train_seconds = 0, eval_seconds = 0;
  uint64_t peak_rss_bytes = 0;
  DataCounts data;
  int64_t eval_rows = 0, eval_rows_in_training = 0;
  int64_t trainable_parameters = 0;
  std::optional<double> machine_share;  // of the measured peak of products; not measured when quiet
};

nlohmann::ordered_json ToJson(const TuneReport& report);

// Trains and leaves in settings.out: adapter_config.json, adapter_model.safetensors (PEFT), hew_run.json (how it came
// about), hew_recipe.toml (the settings) and metrics.jsonl; while at work also checkpoint.safetensors.
// Errors: bad settings or data (kBadInput), a loss that is no longer a number (kBadInput, the checkpoint before is
// kept), disk or memory (kEnvironment), stopped (kCancelled: what was kept and how to go on).
Result<TuneReport> Tune(const Runtime& rt, const TuneRequest& request);

inline constexpr const char* kCheckpointFile = "checkpoint.safetensors";
inline constexpr const char* kMetricsFile = "metrics.jsonl";
inline constexpr const char* kRunFile = "hew_run.json";
inline constexpr const char* kRecipeFile = "hew_recipe.toml";

}  // namespace hew
