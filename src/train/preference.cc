#include "train/preference.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace hew {
namespace {

constexpr double kMostMeanLogProb = -1e-6;  // an answer that is certain has no finite odds

double Sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
double MinusLogSigmoid(double x) { return std::max(-x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

struct Answer {
  double log_prob = 0, weight = 0;
  double mean() const { return log_prob / weight; }
};

Answer SumOf(const PackedBatch& batch, std::span<const float> losses, size_t begin, size_t end) {
  Answer answer;
  for (size_t i = begin; i < end; ++i) {
    answer.log_prob -= static_cast<double>(batch.weights[i]) * losses[i];
    answer.weight += batch.weights[i];
  }
  return answer;
}

// What a pair comes to, and how the loss moves with the two log p (sums; ORPO: means).
struct PairLoss {
  double loss = 0, d_chosen = 0, d_rejected = 0, chosen_reward = 0, rejected_reward = 0;
};

PairLoss Dpo(double beta, double chosen_ratio, double rejected_ratio) {
  const double logit = beta * (chosen_ratio - rejected_ratio), slope = beta * Sigmoid(-logit);
  return {MinusLogSigmoid(logit), -slope, slope, beta * chosen_ratio, beta * rejected_ratio};
}

PairLoss OddsRatio(double beta, double chosen, double rejected) {
  const double a = std::min(chosen, kMostMeanLogProb), b = std::min(rejected, kMostMeanLogProb);
  const double not_a = -std::expm1(a), not_b = -std::expm1(b);  // 1 - p
  const double log_odds = (a - b) - (std::log(not_a) - std::log(not_b)), slope = beta * Sigmoid(-log_odds);
  return {beta * MinusLogSigmoid(log_odds), -slope / not_a, slope / not_b, beta * chosen, beta * rejected};
}

}  // namespace

std::optional<Method> MethodFromName(std::string_view name) {
  if (name == "sft") return Method::kSft;
  if (name == "dpo") return Method::kDpo;
  if (name == "orpo") return Method::kOrpo;
  return std::nullopt;
}

std::vector<PairRows> PairsOf(const PackedBatch& batch) {
  std::vector<PairRows> pairs;
  size_t row = 0;  // of the learned ones
  for (size_t s = 0; s < batch.segments.size(); ++s) {
    const size_t begin = row;
    const int64_t end_row = batch.segments[s].begin + batch.segments[s].rows;
    while (row < batch.learned_rows.size() && batch.learned_rows[row] < end_row) ++row;
    const int64_t example = batch.examples[s];
    if (example < 0) continue;
    if (pairs.empty() || pairs.back().pair != example / 2) pairs.push_back({example / 2});
    PairRows& pair = pairs.back();
    (example % 2 == 0 ? pair.chosen_begin : pair.rejected_begin) = begin;
    (example % 2 == 0 ? pair.chosen_end : pair.rejected_end) = row;
  }
  return pairs;
}

BatchLoss PreferenceLoss::operator()(const PackedBatch& batch, const LossTotals& totals, std::span<const float> losses,
                                     std::span<float> weights) const {
  BatchLoss out;
  for (const PairRows& at : PairsOf(batch)) {
    const Answer chosen = SumOf(batch, losses, at.chosen_begin, at.chosen_end);
    const Answer rejected = SumOf(batch, losses, at.rejected_begin, at.rejected_end);
    HEW_CHECK(chosen.weight > 0 && rejected.weight > 0);
    PairLoss pair;
    double d_chosen = 0, d_rejected = 0;  // by each -log p, but for its weight
    if (method_ == Method::kDpo) {
      const auto reference = [&](int64_t side) { return reference_[static_cast<size_t>(2 * at.pair + side)]; };
      pair = Dpo(beta_, chosen.log_prob - reference(0), rejected.log_prob - reference(1));
      d_chosen = -pair.d_chosen, d_rejected = -pair.d_rejected;
    } else {
      pair = OddsRatio(beta_, chosen.mean(), rejected.mean());
      const double share = totals.weight / totals.chosen_weight;  // the mean is over tokens, the loss over pairs
      pair.loss -= share * chosen.log_prob;
      d_chosen = share - pair.d_chosen / chosen.weight, d_rejected = -pair.d_rejected / rejected.weight;
    }
    out.sum.loss += pair.loss;
    out.sum.weight += 1;
    out.pairs.pairs += 1;
    out.pairs.right += pair.chosen_reward > pair.rejected_reward ? 1 : 0;
    out.pairs.chosen += pair.chosen_reward;
    out.pairs.rejected += pair.rejected_reward;
    if (weights.empty()) continue;
    for (size_t i = at.chosen_begin; i < at.chosen_end; ++i)
      weights[i] = static_cast<float>(d_chosen * batch.weights[i]);
    for (size_t i = at.rejected_begin; i < at.rejected_end; ++i)
      weights[i] = static_cast<float>(d_rejected * batch.weights[i]);
  }
  return out;
}

void AddLogProbs(const PackedBatch& batch, std::span<const float> losses, std::span<double> log_probs) {
  for (const PairRows& at : PairsOf(batch)) {
    const auto pair = static_cast<size_t>(2 * at.pair);
    log_probs[pair] += SumOf(batch, losses, at.chosen_begin, at.chosen_end).log_prob;
    log_probs[pair + 1] += SumOf(batch, losses, at.rejected_begin, at.rejected_end).log_prob;
  }
}

}  // namespace hew
