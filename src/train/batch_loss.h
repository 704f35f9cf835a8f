// What a batch comes to, and what it is a part of.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "model/decoder.h"

namespace hew {

// Of all batches of a step, or of an evaluation: what their losses are divided by.
struct LossTotals {
  double weight = 0;         // sum of the weights of all learned tokens; of pairs: their number
  double chosen_weight = 0;  // of pairs: sum of the weights of the chosen answers' tokens
};

// How the answers of pairs are ranked: sums of what TRL calls rewards.
struct PairSums {
  int64_t pairs = 0, right = 0;  // right: chosen above rejected
  double chosen = 0, rejected = 0;

  void operator+=(const PairSums& other) {
    pairs += other.pairs;
    right += other.right;
    chosen += other.chosen;
    rejected += other.rejected;
  }
};

// A batch's loss from -log p of each learned row, and if `weights` is not empty, d(loss) / d(losses[i]).
struct BatchLoss;
using BatchLossFunction = std::function<BatchLoss(const PackedBatch& batch, const LossTotals& totals,
                                                  std::span<const float> losses, std::span<float> weights)>;

struct BatchLoss {
  LossSum sum;  // over the batch: loss / weight is the mean, when all batches are added
  PairSums pairs;

  void operator+=(const BatchLoss& other) {
    sum.loss += other.sum.loss;
    sum.weight += other.sum.weight;
    pairs += other.pairs;
  }
};

}  // namespace hew
