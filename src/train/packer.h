// From examples to the batches of optimiser steps: which examples a step learns, and how they lie in memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/decoder.h"
#include "train/dataset.h"

namespace hew {

struct StepPlan {
  uint64_t seed = 0;
  bool shuffle = true;
  int64_t examples_per_step = 8;  // batch_size * grad_accum
  int64_t tokens_per_step = 0;    // > 0: examples up to so many tokens instead, at least one
};

// The examples of each step of one epoch, as indices; every example stands in exactly one step. The order depends only
// on the plan and the epoch (Fisher-Yates with Philox), so that a resumed run goes on with the same rows.
std::vector<std::vector<int64_t>> PlanEpoch(const StepPlan& plan, int64_t epoch,
                                            std::span<const TrainingExample> examples);
// The same for anything of so many tokens each (pairs of examples).
std::vector<std::vector<int64_t>> PlanEpoch(const StepPlan& plan, int64_t epoch, std::span<const int64_t> sizes);

struct PackOptions {
  int64_t micro_tokens = 1024;  // rows of one batch; an example longer than that gets a batch of its own
  bool share_prefix = true;
  bool pack = true;  // false: every example has a batch of its own
};

// Examples that lie behind one copy of the tokens they all begin with.
struct PrefixGroup {
  int64_t prefix_rows = 0;        // 0: nothing is shared
  std::vector<int64_t> examples;  // indices
};

inline constexpr int64_t kLeastSharedRows = 8;  // below it, a segment more costs what it saves

// Groups examples by common first tokens so that as many rows as possible are saved. A shared row never has to be
// learned, nor is its next token: every follower's loss stays the same.
std::vector<PrefixGroup> GroupByPrefix(std::span<const TrainingExample> examples, std::span<const int64_t> chosen,
                                       bool share);

// Rows that an example takes: up to the last token that predicts a learned one.
int64_t RowsOf(const TrainingExample& example);

// Rows that a pair of answers takes, examples 2 * pair and 2 * pair + 1: behind one copy of their question if `share`.
int64_t RowsOfPair(std::span<const TrainingExample> examples, int64_t pair, bool share);

// Lays pairs into batches, never parting one; a pair longer than micro_tokens gets a batch of its own.
std::vector<PackedBatch> PackPairs(std::span<const TrainingExample> examples, std::span<const int64_t> pairs,
                                   const PackOptions& options);

// Lays the chosen examples into batches of at most micro_tokens rows (first fit in group order; deterministic).
std::vector<PackedBatch> Pack(std::span<const TrainingExample> examples, std::span<const int64_t> chosen,
                              const PackOptions& options);

}  // namespace hew
