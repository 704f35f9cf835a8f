#include "model/trainable.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/random.h"
#include "model/rope.h"

namespace hew {

namespace {

std::tuple<int, int64_t, bool> KeyOf(const ModelPart& part) {
  const int weight =
      part.projection ? static_cast<int>(*part.projection) : kProjectionCount + static_cast<int>(part.tensor);
  return {weight, part.layer, part.bias};
}

}  // namespace

ParameterLayout::ParameterLayout(const ModelConfig& config) {
  for (const bool matrices : {true, false}) {
    for (const StoredTensor& stored : TensorsOf(config)) {
      if (stored.matrix() != matrices) continue;
      for (const ModelPart& part : stored.parts) {
        tensors_.push_back({part, matrices, size_, part.rows, matrices ? stored.shape[1] : 1});
        offsets_[KeyOf(part)] = size_;
        size_ += tensors_.back().size();
      }
    }
    if (matrices) matrices_end_ = size_;
  }
}

size_t ParameterLayout::At(const ModelPart& part) const {
  const auto found = offsets_.find(KeyOf(part));
  HEW_CHECK(found != offsets_.end());
  return found->second;
}

TrainableModel::TrainableModel(const Runtime& rt, const ModelConfig& config)
    : model_(std::make_shared<Model>()), layout_(config) {
  HEW_CHECK(config.num_experts == 0);  // for the caller to refuse
  model_->config = config;
  model_->layers.resize(static_cast<size_t>(config.num_hidden_layers));
  for (const RopeConfig& rope : config.ropes) model_->ropes.push_back(MakeRopeTable(*rt.pool, config, rope));
  parameters.resize(layout_.size());
}

TrainableModel TrainableModel::Create(const Runtime& rt, const ModelConfig& config, uint64_t seed) {
  TrainableModel trainable(rt, config);
  const float deviation = 0.02f;
  const float into_residual = deviation / std::sqrt(2 * static_cast<float>(config.num_hidden_layers));
  const auto& tensors = trainable.layout_.tensors();
  rt.pool->Run(static_cast<int64_t>(tensors.size()), [&](int64_t i) {
    const TrainableTensor& t = tensors[static_cast<size_t>(i)];
    const std::span<float> values = std::span(trainable.parameters).subspan(t.offset, t.size());
    if (!t.matrix) {
      const bool gain = !t.part.projection && !t.part.bias;
      std::fill(values.begin(), values.end(), gain ? 1.0f : 0.0f);
      return;
    }
    const bool to_residual = t.part.projection == Projection::kO || t.part.projection == Projection::kDown;
    Random random{seed, static_cast<uint64_t>(i), 0};
    for (float& v : values) v = random.Normal() * (to_residual ? into_residual : deviation);
  });
  trainable.Pack(rt);
  return trainable;
}

TrainableModel TrainableModel::From(const Runtime& rt, const Model& base) {
  TrainableModel trainable(rt, base.config);
  for (const TrainableTensor& t : trainable.layout_.tensors()) {
    float* const values = trainable.parameters.data() + t.offset;
    if (!t.matrix) {
      const std::vector<float>& vector = VectorOf(base, t.part);
      std::copy(vector.begin(), vector.end(), values);
      continue;
    }
    const Weight& weight = MatrixOf(base, t.part);
    rt.pool->ParallelFor(t.rows, 16, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) ReadWeightRow(weight, r, values + r * t.cols);
    });
  }
  trainable.Pack(rt);
  return trainable;
}

void TrainableModel::Pack(const Runtime& rt) {
  const DType type = rt.bf16() ? DType::kBF16 : DType::kF32;
  for (const TrainableTensor& t : layout_.tensors()) {
    const float* const values = parameters.data() + t.offset;
    if (t.matrix) {
      SetWeightFromF32(*rt.pool, type, t.rows, t.cols, values, 1, &MatrixOf(*model_, t.part));
    } else {
      VectorOf(*model_, t.part).assign(values, values + t.rows);
    }
  }
}

}  // namespace hew
