// Which training rows an answer comes from, by gradients: for each matrix of the adapter, g_i' H^-1 v with the damped
// Gauss-Newton matrix H = lambda I + G'G/n, lambda = 0.1 sum |g_i|^2 / (n d), solved exactly through the n x n products
// of the rows' gradients (Woodbury): g_i' H^-1 v = n [(n lambda I + GG')^-1 G v]_i.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/runtime.h"
#include "model/decoder.h"
#include "train/dataset.h"

namespace hew {

// Gradients of many rows, each matrix of an adapter apart. A matrix of more than `width` numbers is projected to
// `width` by signed sums of its entries (each entry to one place, by a hash), which keeps inner products on average;
// smaller ones are kept as they are.
class GradientStore {
 public:
  GradientStore(const LoraAdapter& adapter, int64_t rows, int64_t width);
  static int64_t WidthFor(int64_t rows, size_t matrices, int64_t bytes);  // as wide as memory allows, 64 to 4096

  void Put(int64_t row, std::span<const float> gradient);             // flat, as adapter.parameters
  std::vector<float> Project(std::span<const float> gradient) const;  // of a row that is not stored: the test's
  int64_t rows() const { return rows_; }

  // Sum over matrices of g_i' H^-1 v for every row i: how much learning row i more lowers the loss that v is the
  // gradient of, to first order. Positive: the row speaks for the answer.
  std::vector<double> Influence(const Runtime& rt, std::span<const float> projected,
                                const std::atomic<bool>* cancelled = nullptr) const;
  // Plain inner products, for comparison.
  std::vector<double> Products(std::span<const float> projected) const;

 private:
  struct Part {                  // one matrix
    size_t begin = 0, size = 0;  // in the flat gradient
    size_t at = 0, width = 0;    // in a stored row
  };
  const float* Row(int64_t row) const { return values_.data() + static_cast<size_t>(row) * stride_; }
  void ProjectInto(std::span<const float> gradient, float* out) const;

  std::vector<Part> parts_;
  int64_t rows_ = 0;
  size_t stride_ = 0;
  std::vector<float> values_;  // [rows, stride]
};

// Gradient of the mean loss of one example's learned tokens, at the adapter as it stands, into `gradient`, overwritten.
void ExampleGradient(const Runtime& rt, const Model& model, const LoraAdapter& adapter, const TrainingExample& example,
                     std::span<float> gradient, TrainingWorkspace* workspace);

}  // namespace hew
