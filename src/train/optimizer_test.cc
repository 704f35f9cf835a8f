#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace hew {
namespace {

std::vector<float> RandomMatrix(int64_t rows, int64_t cols) {
  Random random{3, 1, 0};
  std::vector<float> x(static_cast<size_t>(rows * cols));
  for (float& v : x) v = random.Normal();
  return x;
}

// Singular values near 1 (the quintic leaves them within 0.68 and 1.13): the rows of the short side are nearly
// orthonormal; and what it was made from still points the same way.
TEST(Optimizer, MuonsMatrixIsNearlyOrthogonal) {
  const ThreadPool pool(2);
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{24, 80}, {80, 24}, {32, 32}}) {
    const std::vector<float> start = RandomMatrix(rows, cols);
    std::vector<float> x = start;
    Orthogonalize({&pool, BestIsa(), Precision::kDefault}, rows, cols, x);
    double squares = 0, same = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      squares += static_cast<double>(x[i]) * x[i];
      same += static_cast<double>(x[i]) * start[i];
    }
    const auto rank = static_cast<double>(std::min(rows, cols));
    EXPECT_NEAR(squares / rank, 0.85, 0.3);
    EXPECT_GT(same, 0);
    // |X X' v| stays near |v| for any v.
    const std::vector<float> v = RandomMatrix(1, std::max(rows, cols));
    const auto at = [&](int64_t i, int64_t j) {
      return x[static_cast<size_t>(rows < cols ? i * cols + j : j * cols + i)];
    };
    double inside = 0, outside = 0;
    for (int64_t i = 0; i < std::min(rows, cols); ++i) {
      double dot = 0;
      for (int64_t j = 0; j < std::max(rows, cols); ++j)
        dot += static_cast<double>(at(i, j)) * v[static_cast<size_t>(j)];
      inside += dot * dot;
    }
    for (float value : v) outside += static_cast<double>(value) * value;
    EXPECT_LT(inside, 1.4 * outside);
  }
}

TEST(Optimizer, DecayIsForMatricesAlone) {
  const ThreadPool pool(1);
  const Runtime rt{&pool, BestIsa(), Precision::kDefault};
  TuneSettings settings;
  settings.weight_decay = 0.5;
  const std::vector<ParameterGroup> groups = {{.offset = 0, .count = 2, .decays = true}, {.offset = 2, .count = 2}};
  std::vector<float> parameters = {1, 1, 1, 1}, gradient = {0, 0, 0, 0};
  OptimizerState state(4);
  OptimizerStep(rt, settings, groups, 0.1, gradient, parameters, &state);
  EXPECT_FLOAT_EQ(parameters[1], 0.95f);
  EXPECT_FLOAT_EQ(parameters[2], 1);
}

}  // namespace
}  // namespace hew
