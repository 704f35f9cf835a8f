// Losses over pairs of answers to one question: of what was chosen and what was rejected.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "train/batch_loss.h"

namespace hew {

enum class Method {
  kSft,  // imitate rows
  kDpo,  // Rafailov et al. 2023: -log sigmoid(beta * ((chosen - its reference) - (rejected - its reference))), log p of
         // answers
  kOrpo  // Hong et al. 2024: mean -log p of the chosen answers' tokens - beta * log sigmoid(log odds ratio of the
         // answers' mean log p); no reference
};

std::optional<Method> MethodFromName(std::string_view name);  // sft, dpo, orpo

// Where the two answers of a pair stand among a batch's learned rows.
struct PairRows {
  int64_t pair = 0;  // examples 2 * pair (chosen) and 2 * pair + 1 (rejected)
  size_t chosen_begin = 0, chosen_end = 0, rejected_begin = 0, rejected_end = 0;
};
// Of a batch that PackPairs made.
std::vector<PairRows> PairsOf(const PackedBatch& batch);

class PreferenceLoss {
 public:
  PreferenceLoss(Method method, double beta) : method_(method), beta_(beta) {}

  // log p of each example (the weighted sum over its learned tokens) by the model that the run began with; DPO only.
  void SetReference(std::vector<double> log_probs) { reference_ = std::move(log_probs); }
  const std::vector<double>& reference() const { return reference_; }

  // From -log p of each learned row: the batch's loss, and if `weights` is not empty, d(loss) / d(losses[i]). The loss
  // of all batches, divided by totals.weight, is what TRL calls the loss of the step.
  BatchLoss operator()(const PackedBatch& batch, const LossTotals& totals, std::span<const float> losses,
                       std::span<float> weights) const;

 private:
  Method method_;
  double beta_;
  std::vector<double> reference_;
};

// Adds each example's log p to log_probs[example], for a reference.
void AddLogProbs(const PackedBatch& batch, std::span<const float> losses, std::span<double> log_probs);

}  // namespace hew
