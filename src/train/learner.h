// What learns: an adapter on a frozen model, or all weights of one. The training loop sees nothing more of it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/runtime.h"
#include "model/decoder.h"
#include "model/trainable.h"
#include "train/batch_loss.h"
#include "train/optimizer.h"

namespace hew {

class Learner {
 public:
  virtual ~Learner() = default;

  virtual std::vector<float>& parameters() = 0;
  virtual void Pack() = 0;                                 // after a change of the parameters
  virtual std::vector<ParameterGroup> groups() const = 0;  // cover all parameters, in order
  // Adds d(loss sum)/d(parameters) / totals.weight. (step, number) chooses the random mask of this batch.
  virtual BatchLoss Gradients(const PackedBatch& batch, int64_t step, size_t number, const LossTotals& totals,
                              std::span<float> gradient) = 0;
  virtual BatchLoss LossOf(const PackedBatch& batch, const LossTotals& totals) = 0;
  virtual double FlopsPerRow(double head_share) const = 0;
};

// What an adapter learns and is measured by; where empty, the weighted sum of -log p.
struct BatchLosses {
  BatchLossFunction train, eval;
};
// All must outlive the learner. `keep_frozen`: what the layers below the adapter give for each batch is kept from epoch
// to epoch (FrozenRows).
std::unique_ptr<Learner> MakeLoraLearner(const Runtime& rt, const Model& model, uint64_t seed,
                                         const TrainingTechniques& techniques, bool keep_frozen, LoraAdapter* adapter,
                                         BatchLosses losses = {});
std::unique_ptr<Learner> MakeFullLearner(const Runtime& rt, TrainableModel* trainable);

}  // namespace hew
