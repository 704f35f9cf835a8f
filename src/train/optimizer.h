// AdamW over the flat parameters of an adapter, with the gradient's norm clipped over all of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/runtime.h"
#include "train/settings.h"

namespace hew {

struct OptimizerState {
  std::vector<float> first_moment, second_moment;  // [parameters]
  int64_t step = 0;                                // steps done

  explicit OptimizerState(size_t parameters = 0) : first_moment(parameters), second_moment(parameters) {}
};

// One step. `gradient` is already normalised by the learned tokens; it is scaled down so that its norm is at most
// settings.clip (as torch.nn.utils.clip_grad_norm_; 0: not at all). Returns the norm before clipping; when that is not
// finite nothing is changed.
double OptimizerStep(const Runtime& rt, const TuneSettings& settings, double lr, std::span<const float> gradient,
                     std::span<float> parameters, OptimizerState* state);

}  // namespace hew
