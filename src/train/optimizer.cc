#include "train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "kernels/ops.h"

namespace hew {

double OptimizerStep(const Runtime& rt, const TuneSettings& settings, double lr, std::span<const float> gradient,
                     std::span<float> parameters, OptimizerState* state) {
  constexpr double kTorchEpsilon = 1e-6;  // of clip_grad_norm_
  const double norm = std::sqrt(SumOfSquares(rt, gradient));
  if (!std::isfinite(norm)) return norm;
  AdamWSettings adam;
  adam.lr = static_cast<float>(lr);
  adam.beta1 = static_cast<float>(settings.beta1);
  adam.beta2 = static_cast<float>(settings.beta2);
  adam.eps = static_cast<float>(settings.eps);
  adam.weight_decay = static_cast<float>(settings.weight_decay);
  adam.step = ++state->step;
  if (settings.clip > 0)
    adam.gradient_scale = static_cast<float>(std::min(1.0, settings.clip / (norm + kTorchEpsilon)));
  AdamW(rt, adam, gradient, parameters, state->first_moment, state->second_moment);
  return norm;
}

}  // namespace hew
