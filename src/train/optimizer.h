// One optimiser step over flat parameters, with the gradient's norm clipped over all of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/runtime.h"
#include "train/settings.h"

namespace hew {

struct OptimizerState {
  std::vector<float> first_moment, second_moment;  // [parameters]; Muon's momentum is a first moment
  int64_t step = 0;                                // steps done

  explicit OptimizerState(size_t parameters = 0) : first_moment(parameters), second_moment(parameters) {}
};

// A stretch of the parameters that is treated alike.
struct ParameterGroup {
  size_t offset = 0, count = 0;
  bool decays = false;         // weight decay is for matrices
  int64_t rows = 0, cols = 0;  // a matrix that Muon may take; 0: AdamW's in any case
};

// `gradient` is already normalised by the learned tokens; it is scaled down so that its norm is at most settings.clip
// (as torch.nn.utils.clip_grad_norm_; 0: not at all). settings.optimizer "adamw": all as torch.optim.AdamW. "muon"
// (Jordan et al. 2024): the matrices as MuonStep. Returns the norm before clipping; when that is not finite nothing is
// changed.
double OptimizerStep(const Runtime& rt, const TuneSettings& settings, std::span<const ParameterGroup> groups, double lr,
                     std::span<const float> gradient, std::span<float> parameters, OptimizerState* state);

// Replaces the matrix x [rows, cols] by one with nearly the same singular vectors and singular values near 1: five
// Newton-Schulz iterations, in the products of the run's numeric mode.
void Orthogonalize(const Runtime& rt, int64_t rows, int64_t cols, std::span<float> x);

}  // namespace hew
