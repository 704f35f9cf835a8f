// Everything that a stopped run needs to go on as if it had never stopped: the same bits.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "train/batch_loss.h"
#include "train/optimizer.h"

namespace hew {

struct TrainState {
  int64_t epoch = 0, cursor = 0;  // the next step is number `cursor` of the epoch's plan
  std::vector<float> parameters;
  OptimizerState optimizer;  // optimizer.step counts all steps done
  // Random numbers are counter-based: shuffles follow from seed and epoch, dropout from seed and step.

  std::vector<float> best_parameters;  // of the best evaluation; empty before the first
  std::optional<double> best_eval, last_eval;
  int64_t best_step = 0, evals_without_progress = 0;
  int64_t eval_pending = 0;  // 1: stopped between a step and the evaluation that follows it

  double epoch_loss = 0, epoch_weight = 0;        // sums over the learned tokens (or pairs) of the epoch so far
  PairSums epoch_pairs, best_eval_pairs;          // where pairs are learned
  int64_t useful_tokens = 0, learned_tokens = 0;  // over all steps
  double train_seconds = 0, eval_seconds = 0;
  uint64_t metrics_bytes = 0;  // length of metrics.jsonl at this point
};

// What must not change between start and resume, field by field: settings, data, base, instruction set.
using RunIdentity = nlohmann::ordered_json;

// One safetensors file: parameters, moments and the best parameters as tensors, the rest as JSON in its metadata, with
// a SHA-256 over the tensors. Written atomically. Errors are kEnvironment.
Status SaveCheckpoint(const std::string& path, const RunIdentity& identity, const TrainState& state);

// Errors: a damaged file, and "out/checkpoint.safetensors: lr: expected 0.0005 (as the run began), found 0.001".
Result<TrainState> LoadCheckpoint(const std::string& path, const RunIdentity& identity, size_t parameters);

}  // namespace hew
