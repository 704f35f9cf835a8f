// Rows that are not learned but kept: while others are learned, each of their tokens shall stay as likely as the model
// that the run begins with makes it. The loss of such a token is (log p - log p at the start)^2 / 2. Of text that the
// model itself would write, its mean is the KL divergence from the start, to second order; its gradient is nothing at
// the start.
#pragma once

#include <span>

#include "base/runtime.h"
#include "model/decoder.h"
#include "train/batch_loss.h"
#include "train/dataset.h"

namespace hew {

// Sets `kept` of every example: -log p of each token by `model` with `adapter` (null: alone).
void MeasureKept(const Runtime& rt, const Model& model, const LoraAdapter* adapter, int64_t micro_tokens,
                 Dataset* data);

// The loss of a batch of such examples and of learned ones, batch.examples being indices into `data`: from -log p of
// each learned row, and if `weights` is not empty, d(loss) / d(losses[i]).
LossSum LossWithKept(const Dataset& data, const PackedBatch& batch, std::span<const float> losses,
                     std::span<float> weights);

}  // namespace hew
