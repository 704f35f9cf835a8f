#include "train/learner.h"

#include "train/frozen_rows.h"

namespace hew {
namespace {

float ScaleOf(const LossTotals& totals) { return static_cast<float>(1.0 / totals.weight); }

class LoraLearner : public Learner {
 public:
  LoraLearner(const Runtime& rt, const Model& model, uint64_t seed, const TrainingTechniques& techniques,
              bool keep_frozen, LoraAdapter* adapter, BatchLosses losses)
      : rt_(rt), model_(model), seed_(seed), adapter_(adapter), losses_(std::move(losses)) {
    workspace_.techniques = techniques;
    if (keep_frozen) workspace_.frozen = &frozen_;
  }

  std::vector<float>& parameters() override { return adapter_->parameters; }
  void Pack() override { adapter_->Pack(rt_, model_); }
  std::vector<ParameterGroup> groups() const override {
    return {ParameterGroup{.offset = 0, .count = adapter_->parameters.size(), .decays = true}};
  }
  BatchLoss Gradients(const PackedBatch& batch, int64_t step, size_t number, const LossTotals& totals,
                      std::span<float> gradient) override {
    BatchLoss out;
    SequenceLoss loss;
    if (losses_.train) {
      loss = [&](std::span<const float> losses, std::span<float> weights) {
        out = losses_.train(batch, totals, losses, weights);
        return out.sum;
      };
    }
    out.sum = LossAndGradients(rt_, model_, *adapter_, batch, MaskOf(step, number), ScaleOf(totals), gradient,
                               &workspace_, loss);
    return out;
  }
  BatchLoss LossOf(const PackedBatch& batch, const LossTotals& totals) override {
    if (!losses_.eval) return {Loss(rt_, model_, adapter_, batch, nullptr, &workspace_), {}};
    std::vector<float> losses;
    Loss(rt_, model_, adapter_, batch, &losses, &workspace_);
    return losses_.eval(batch, totals, losses, {});
  }
  double FlopsPerRow(double head_share) const override {
    return TrainingFlopsPerRow(model_.config, adapter_->config, head_share);
  }

 private:
  DropoutState MaskOf(int64_t step, size_t number) const {
    return {seed_, (static_cast<uint64_t>(step) << 20) + number};
  }

  const Runtime& rt_;
  const Model& model_;
  const uint64_t seed_;
  LoraAdapter* adapter_;
  const BatchLosses losses_;
  FrozenRows frozen_;
  TrainingWorkspace workspace_;
};

class FullLearner : public Learner {
 public:
  FullLearner(const Runtime& rt, TrainableModel* trainable) : rt_(rt), trainable_(trainable) {}

  std::vector<float>& parameters() override { return trainable_->parameters; }
  void Pack() override { trainable_->Pack(rt_); }
  std::vector<ParameterGroup> groups() const override {
    std::vector<ParameterGroup> groups;
    for (const TrainableTensor& t : trainable_->layout().tensors()) {
      ParameterGroup group{.offset = t.offset, .count = t.size(), .decays = t.matrix};
      if (t.hidden()) group.rows = t.rows, group.cols = t.cols;
      groups.push_back(group);
    }
    return groups;
  }
  BatchLoss Gradients(const PackedBatch& batch, int64_t, size_t, const LossTotals& totals,
                      std::span<float> gradient) override {
    return {FullLossAndGradients(rt_, *trainable_, batch, ScaleOf(totals), gradient, &workspace_), {}};
  }
  BatchLoss LossOf(const PackedBatch& batch, const LossTotals&) override {
    return {Loss(rt_, trainable_->model(), nullptr, batch, nullptr, &workspace_), {}};
  }
  double FlopsPerRow(double head_share) const override {
    return FullTrainingFlopsPerRow(trainable_->model().config, head_share);
  }

 private:
  const Runtime& rt_;
  TrainableModel* trainable_;
  TrainingWorkspace workspace_;
};

}  // namespace

std::unique_ptr<Learner> MakeLoraLearner(const Runtime& rt, const Model& model, uint64_t seed,
                                         const TrainingTechniques& techniques, bool keep_frozen, LoraAdapter* adapter,
                                         BatchLosses losses) {
  return std::make_unique<LoraLearner>(rt, model, seed, techniques, keep_frozen, adapter, std::move(losses));
}

std::unique_ptr<Learner> MakeFullLearner(const Runtime& rt, TrainableModel* trainable) {
  return std::make_unique<FullLearner>(rt, trainable);
}

}  // namespace hew
