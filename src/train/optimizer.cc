#include "train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "kernels/linear.h"
#include "kernels/ops.h"

namespace hew {
namespace {

AdamWSettings AdamOf(const TuneSettings& settings, double lr, int64_t step, float gradient_scale) {
  AdamWSettings adam;
  adam.lr = static_cast<float>(lr);
  adam.beta1 = static_cast<float>(settings.beta1);
  adam.beta2 = static_cast<float>(settings.beta2);
  adam.eps = static_cast<float>(settings.eps);
  adam.step = step;
  adam.gradient_scale = gradient_scale;
  return adam;
}

// The momentum is orthogonalised and scaled to the size of AdamW's steps (Liu et al. 2025), so that one learning rate
// and one decay serve both.
void MuonStep(const Runtime& rt, const AdamWSettings& settings, const ParameterGroup& group,
              std::span<const float> gradient, std::span<float> parameter, std::span<float> momentum) {
  constexpr float kMomentum = 0.95f, kAdamSize = 0.2f;
  std::vector<float> update(group.count);
  rt.pool->ParallelFor(static_cast<int64_t>(group.count), 4096, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const float g = gradient[i] * settings.gradient_scale;
      momentum[i] = kMomentum * momentum[i] + g;
      update[i] = g + kMomentum * momentum[i];  // Nesterov's
    }
  });
  Orthogonalize(rt, group.rows, group.cols, update);
  const float size = settings.lr * kAdamSize * std::sqrt(static_cast<float>(std::max(group.rows, group.cols)));
  const float kept = 1 - settings.lr * settings.weight_decay;
  rt.pool->ParallelFor(static_cast<int64_t>(group.count), 4096, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
      parameter[i] = kept * parameter[i] - size * update[i];
  });
}

}  // namespace

void Orthogonalize(const Runtime& rt, int64_t rows, int64_t cols, std::span<float> x) {
  constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;  // the quintic of Jordan et al.
  constexpr int kIterations = 5;
  const int64_t m = std::min(rows, cols), n = std::max(rows, cols);
  const DType type = rt.bf16() ? DType::kBF16 : DType::kF32;
  const auto norm = static_cast<float>(std::sqrt(SumOfSquares(rt, x)));
  // The short side down: X is [m, n].
  std::vector<float> wide(x.size());
  const auto at = [&](int64_t i, int64_t j) { return static_cast<size_t>(rows <= cols ? i * cols + j : j * cols + i); };
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) wide[static_cast<size_t>(i * n + j)] = x[at(i, j)] / (norm + 1e-7f);
  }
  const MatrixView big = F32View(wide.data(), m, n);
  Matrix squared(DType::kF32, m, m), polynomial(DType::kF32, m, m);
  Weight packed, packed_square;
  for (int k = 0; k < kIterations; ++k) {
    SetWeightFromF32(*rt.pool, type, m, n, wide.data(), 1, &packed);
    const LinearTerm square{big, &packed};
    Linear(rt, {&square, 1}, nullptr, squared.view());  // A = X X'
    SetWeightFromF32(*rt.pool, type, m, m, squared.view().f32(), kC, &packed_square);
    const LinearTerm fourth{squared.view(), &packed_square};
    Linear(rt, {&fourth, 1}, nullptr, polynomial.view());  // c A A
    for (int64_t i = 0; i < m * m; ++i) polynomial.view().f32()[i] += kB * squared.view().f32()[i];
    for (float& v : wide) v *= kA;
    const LinearTerm product{polynomial.view(), &packed};
    LinearInputGradient(rt, {&product, 1}, big, true);  // X = a X + (b A + c A A) X
  }
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) x[at(i, j)] = wide[static_cast<size_t>(i * n + j)];
  }
}

double OptimizerStep(const Runtime& rt, const TuneSettings& settings, std::span<const ParameterGroup> groups, double lr,
                     std::span<const float> gradient, std::span<float> parameters, OptimizerState* state) {
  constexpr double kTorchEpsilon = 1e-6;  // of clip_grad_norm_
  const double norm = std::sqrt(SumOfSquares(rt, gradient));
  if (!std::isfinite(norm)) return norm;
  const double clipped = settings.clip > 0 ? std::min(1.0, settings.clip / (norm + kTorchEpsilon)) : 1.0;
  AdamWSettings adam = AdamOf(settings, lr, ++state->step, static_cast<float>(clipped));
  for (const ParameterGroup& group : groups) {
    adam.weight_decay = group.decays ? static_cast<float>(settings.weight_decay) : 0.0f;
    const auto part = [&](auto& flat) { return std::span(flat).subspan(group.offset, group.count); };
    if (settings.optimizer == "muon" && group.rows > 0) {
      MuonStep(rt, adam, group, part(gradient), part(parameters), part(state->first_moment));
    } else {
      AdamW(rt, adam, part(gradient), part(parameters), part(state->first_moment), part(state->second_moment));
    }
  }
  return norm;
}

}  // namespace hew
