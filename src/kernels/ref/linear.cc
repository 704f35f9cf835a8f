#include "kernels/ref/linear.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/float16.h"

namespace hew::ref {
namespace {

double Rounded(const Runtime& rt, float v) { return rt.bf16() ? BF16ToFloat(FloatToBF16(v)) : v; }

float Get(ConstMatrixView x, int64_t row, int64_t col) {
  return x.dtype == DType::kBF16 ? BF16ToFloat(x.bf16(row)[col]) : x.f32(row)[col];
}

void Put(MatrixView y, int64_t row, int64_t col, double value, bool accumulate) {
  if (accumulate) value += static_cast<double>(Get(y, row, col));
  if (y.dtype == DType::kBF16) {
    y.bf16(row)[col] = FloatToBF16(static_cast<float>(value));
  } else {
    y.f32(row)[col] = static_cast<float>(value);
  }
}

// [rows, cols] of a weight as the mode sees it.
std::vector<std::vector<double>> Values(const Runtime& rt, const Weight& w) {
  std::vector<std::vector<double>> rows;
  std::vector<float> row(static_cast<size_t>(w.cols));
  for (int64_t r = 0; r < w.rows; ++r) {
    ReadWeightRow(w, r, row.data());
    std::vector<double>& out = rows.emplace_back();
    for (float v : row) out.push_back(Rounded(rt, v));
  }
  return rows;
}

// The types of Precision::kInt8, of a first term.
bool TakesInt8(const Runtime& rt, const Weight& w) {
  return rt.precision == Precision::kInt8 && IsQuantized(w.type) && w.type != DType::kQ2_K && w.type != DType::kQ3_K;
}

// A row of x as int8 activations give it: 32 columns share the step that makes the largest of them 127.
std::vector<double> QuantisedRow(ConstMatrixView x, int64_t row) {
  std::vector<double> out;
  for (int64_t begin = 0; begin < x.cols; begin += 32) {
    float most = 0;
    for (int64_t k = begin; k < begin + 32; ++k) most = std::max(most, std::abs(Get(x, row, k)));
    const float inverse = most >= 1e-30f ? 127.0f / most : 0.0f, step = most / 127.0f;
    for (int64_t k = begin; k < begin + 32; ++k) {
      out.push_back(static_cast<double>(step) * std::nearbyint(static_cast<double>(Get(x, row, k) * inverse)));
    }
  }
  return out;
}

}  // namespace

void Linear(const Runtime& rt, std::span<const LinearTerm> terms, const float* bias, MatrixView y, bool accumulate) {
  std::vector<double> sums(static_cast<size_t>(y.rows * y.cols));
  for (const LinearTerm& t : terms) {
    const bool int8 = &t == terms.data() && TakesInt8(rt, *t.w);
    const auto w = Values(int8 ? Runtime{rt.pool, rt.isa, Precision::kFp32} : rt, *t.w);
    for (int64_t m = 0; m < y.rows; ++m) {
      const std::vector<double> x = int8 ? QuantisedRow(t.x, m) : std::vector<double>();
      for (int64_t n = 0; n < y.cols; ++n) {
        for (int64_t k = 0; k < t.w->cols; ++k) {
          const double value = int8 ? x[static_cast<size_t>(k)] : Rounded(rt, Get(t.x, m, k));
          sums[static_cast<size_t>(m * y.cols + n)] += value * w[static_cast<size_t>(n)][static_cast<size_t>(k)];
        }
      }
    }
  }
  for (int64_t m = 0; m < y.rows; ++m) {
    for (int64_t n = 0; n < y.cols; ++n) {
      Put(y, m, n, sums[static_cast<size_t>(m * y.cols + n)] + (bias ? static_cast<double>(bias[n]) : 0.0), accumulate);
    }
  }
}

void LinearInputGradient(const Runtime& rt, std::span<const LinearTerm> terms, MatrixView d_x, bool accumulate) {
  std::vector<double> sums(static_cast<size_t>(d_x.rows * d_x.cols));
  for (const LinearTerm& t : terms) {
    const auto w = Values(rt, *t.w);
    for (int64_t m = 0; m < d_x.rows; ++m) {
      for (int64_t n = 0; n < t.w->rows; ++n) {
        for (int64_t k = 0; k < d_x.cols; ++k) {
          sums[static_cast<size_t>(m * d_x.cols + k)] += Rounded(rt, Get(t.x, m, n)) * w[static_cast<size_t>(n)][static_cast<size_t>(k)];
        }
      }
    }
  }
  for (int64_t m = 0; m < d_x.rows; ++m) {
    for (int64_t k = 0; k < d_x.cols; ++k) Put(d_x, m, k, sums[static_cast<size_t>(m * d_x.cols + k)], accumulate);
  }
}

void OuterProductGradient(const Runtime& rt, ConstMatrixView a, ConstMatrixView b, float scale, MatrixView c, bool accumulate) {
  for (int64_t p = 0; p < c.rows; ++p) {
    for (int64_t q = 0; q < c.cols; ++q) {
      double sum = 0;
      for (int64_t t = 0; t < a.rows; ++t) sum += Rounded(rt, Get(a, t, p)) * Rounded(rt, Get(b, t, q));
      Put(c, p, q, static_cast<double>(scale) * sum, accumulate);
    }
  }
}

}  // namespace hew::ref
