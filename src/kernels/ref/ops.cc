#include "kernels/ref/ops.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/random.h"
#include "kernels/ref/elements.h"

namespace hew::ref {
namespace {

double InverseRms(ConstMatrixView x, int64_t row, double eps) {
  double sum = 0;
  for (int64_t c = 0; c < x.cols; ++c) sum += Get(x, row, c) * Get(x, row, c);
  return 1 / std::sqrt(sum / static_cast<double>(x.cols) + eps);
}

// (x - mean) / deviation of a row, and 1 / deviation.
std::pair<std::vector<double>, double> Standardised(ConstMatrixView x, int64_t row, double eps) {
  const auto n = static_cast<double>(x.cols);
  double mean = 0, variance = 0;
  for (int64_t c = 0; c < x.cols; ++c) mean += Get(x, row, c) / n;
  for (int64_t c = 0; c < x.cols; ++c) variance += (Get(x, row, c) - mean) * (Get(x, row, c) - mean) / n;
  const double inverse = 1 / std::sqrt(variance + eps);
  std::vector<double> unit;
  for (int64_t c = 0; c < x.cols; ++c) unit.push_back((Get(x, row, c) - mean) * inverse);
  return {unit, inverse};
}

double Cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }  // of the standard normal

const double kGeluScale = std::sqrt(2 / std::numbers::pi);  // of the tanh approximation, with 0.044715 x^3

double RowLogSumExp(ConstMatrixView logits, int64_t row) {
  double top = Get(logits, row, 0), sum = 0;
  for (int64_t c = 1; c < logits.cols; ++c) top = std::max(top, Get(logits, row, c));
  for (int64_t c = 0; c < logits.cols; ++c) sum += std::exp(Get(logits, row, c) - top);
  return top + std::log(sum);
}

}  // namespace

void RmsNorm(ConstMatrixView x, const float* gain, float eps, MatrixView y, bool accumulate) {
  for (int64_t r = 0; r < x.rows; ++r) {
    const double inverse = InverseRms(x, r, eps);
    for (int64_t c = 0; c < x.cols; ++c) Put(y, r, c, Get(x, r, c) * inverse * gain[c], accumulate);
  }
}

void RmsNormBackward(ConstMatrixView x, const float* gain, float eps, ConstMatrixView d_y, MatrixView d_x,
                     bool accumulate, float* d_gain) {
  std::vector<double> sum(static_cast<size_t>(x.cols));
  for (int64_t r = 0; r < x.rows; ++r) {
    const double inverse = InverseRms(x, r, eps);
    double mean = 0;
    for (int64_t c = 0; c < x.cols; ++c) {
      mean += Get(d_y, r, c) * gain[c] * Get(x, r, c) * inverse;
      sum[static_cast<size_t>(c)] += Get(d_y, r, c) * Get(x, r, c) * inverse;
    }
    mean /= static_cast<double>(x.cols);
    for (int64_t c = 0; c < x.cols; ++c) {
      Put(d_x, r, c, inverse * (Get(d_y, r, c) * gain[c] - Get(x, r, c) * inverse * mean), accumulate);
    }
  }
  for (int64_t c = 0; d_gain && c < x.cols; ++c) d_gain[c] += static_cast<float>(sum[static_cast<size_t>(c)]);
}

void LayerNorm(ConstMatrixView x, const float* gain, const float* bias, float eps, MatrixView y, bool accumulate) {
  for (int64_t r = 0; r < x.rows; ++r) {
    const auto [unit, inverse] = Standardised(x, r, eps);
    for (int64_t c = 0; c < x.cols; ++c) Put(y, r, c, unit[static_cast<size_t>(c)] * gain[c] + bias[c], accumulate);
  }
}

void LayerNormBackward(ConstMatrixView x, const float* gain, float eps, ConstMatrixView d_y, MatrixView d_x,
                       bool accumulate, float* d_gain, float* d_bias) {
  const auto n = static_cast<double>(x.cols);
  std::vector<double> gain_sum(static_cast<size_t>(x.cols)), bias_sum(static_cast<size_t>(x.cols));
  for (int64_t r = 0; r < x.rows; ++r) {
    const auto [unit, inverse] = Standardised(x, r, eps);
    double level = 0, pull = 0;
    for (int64_t c = 0; c < x.cols; ++c) {
      level += Get(d_y, r, c) * gain[c] / n;
      pull += Get(d_y, r, c) * gain[c] * unit[static_cast<size_t>(c)] / n;
      gain_sum[static_cast<size_t>(c)] += Get(d_y, r, c) * unit[static_cast<size_t>(c)];
      bias_sum[static_cast<size_t>(c)] += Get(d_y, r, c);
    }
    for (int64_t c = 0; c < x.cols; ++c) {
      Put(d_x, r, c, inverse * (Get(d_y, r, c) * gain[c] - level - unit[static_cast<size_t>(c)] * pull), accumulate);
    }
  }
  for (int64_t c = 0; d_gain && c < x.cols; ++c) {
    d_gain[c] += static_cast<float>(gain_sum[static_cast<size_t>(c)]);
    d_bias[c] += static_cast<float>(bias_sum[static_cast<size_t>(c)]);
  }
}

void Rope(const RopeTable& table, RopePairing pairing, std::span<const int32_t> positions, int64_t head_dim,
          bool inverse, MatrixView x) {
  for (int64_t r = 0; r < x.rows; ++r) {
    const int64_t angle = positions[static_cast<size_t>(r)] * table.half;
    for (int64_t head = 0; head < x.cols; head += head_dim) {
      for (int64_t i = 0; i < table.half; ++i) {
        const int64_t a = head + (pairing == RopePairing::kHalves ? i : 2 * i);
        const int64_t b = pairing == RopePairing::kHalves ? a + table.half : a + 1;
        const double c = table.cos[static_cast<size_t>(angle + i)];
        const double s = table.sin[static_cast<size_t>(angle + i)] * (inverse ? -1.0 : 1.0);
        const double xa = Get(x, r, a), xb = Get(x, r, b);
        Set(x, r, a, xa * c - xb * s);
        Set(x, r, b, xb * c + xa * s);
      }
    }
  }
}

double Activate(Activation act, double x) {
  switch (act) {
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kGelu:
      return x * Cdf(x);
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(kGeluScale * (x + 0.044715 * x * x * x)));
  }
  return 0;
}

double ActivateGradient(Activation act, double x) {
  switch (act) {
    case Activation::kSilu: {
      const double s = 1 / (1 + std::exp(-x));
      return s * (1 + x * (1 - s));
    }
    case Activation::kGelu:
      return Cdf(x) + x * std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi);
    case Activation::kGeluTanh: {
      const double t = std::tanh(kGeluScale * (x + 0.044715 * x * x * x));
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * kGeluScale * (1 + 3 * 0.044715 * x * x);
    }
  }
  return 0;
}

void GatedActivation(Activation act, ConstMatrixView gate, ConstMatrixView up, MatrixView out) {
  for (int64_t r = 0; r < gate.rows; ++r) {
    for (int64_t c = 0; c < gate.cols; ++c) Set(out, r, c, Activate(act, Get(gate, r, c)) * Get(up, r, c));
  }
}

void GatedActivationBackward(Activation act, ConstMatrixView gate, ConstMatrixView up, ConstMatrixView d_out,
                             MatrixView d_gate, MatrixView d_up) {
  for (int64_t r = 0; r < gate.rows; ++r) {
    for (int64_t c = 0; c < gate.cols; ++c) {
      const double g = Get(gate, r, c), u = Get(up, r, c), d = Get(d_out, r, c);
      Set(d_gate, r, c, d * u * ActivateGradient(act, g));
      Set(d_up, r, c, d * Activate(act, g));
    }
  }
}

void Activate(Activation act, ConstMatrixView x, MatrixView out) {
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t c = 0; c < x.cols; ++c) Set(out, r, c, Activate(act, Get(x, r, c)));
  }
}

void ActivateBackward(Activation act, ConstMatrixView x, ConstMatrixView d_out, MatrixView d_x) {
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t c = 0; c < x.cols; ++c) Set(d_x, r, c, Get(d_out, r, c) * ActivateGradient(act, Get(x, r, c)));
  }
}

void Softcap(float cap, MatrixView x) {
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t c = 0; c < x.cols; ++c) Set(x, r, c, cap * std::tanh(Get(x, r, c) / cap));
  }
}

void CrossEntropy(ConstMatrixView logits, std::span<const int32_t> targets, std::span<const float> weights, float* loss,
                  MatrixView d_logits, float softcap) {
  for (int64_t r = 0; r < logits.rows; ++r) {
    const size_t n = static_cast<size_t>(r);
    const double lse = RowLogSumExp(logits, r);
    loss[r] = static_cast<float>(lse - Get(logits, r, targets[n]));
    for (int64_t c = 0; c < logits.cols; ++c) {
      const double onehot = c == targets[n] ? 1 : 0;
      const double capped = softcap > 0 ? Get(logits, r, c) / softcap : 0;
      Set(d_logits, r, c, weights[n] * (std::exp(Get(logits, r, c) - lse) - onehot) * (1 - capped * capped));
    }
  }
}

void LogSumExp(ConstMatrixView logits, float* out) {
  for (int64_t r = 0; r < logits.rows; ++r) out[r] = static_cast<float>(RowLogSumExp(logits, r));
}

void ScaleColumns(ConstMatrixView x, const float* column_scale, MatrixView y, bool accumulate) {
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t c = 0; c < x.cols; ++c) Put(y, r, c, Get(x, r, c) * column_scale[c], accumulate);
  }
}

void Dropout(ConstMatrixView x, float p, uint64_t seed, uint64_t stream, MatrixView y, bool accumulate) {
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t c = 0; c < x.cols; ++c) {
      const uint64_t n = static_cast<uint64_t>(r * x.cols + c);
      const uint32_t draw = Philox(seed, stream, n / 64 * 16 + n % 16)[n / 16 % 4];
      const bool kept = static_cast<double>(draw) >= static_cast<double>(p) * 0x1p32;
      Put(y, r, c, kept ? Get(x, r, c) / (1 - static_cast<double>(p)) : 0, accumulate);
    }
  }
}

void CopyOrAdd(ConstMatrixView x, MatrixView y, bool accumulate) {
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t c = 0; c < x.cols; ++c) Put(y, r, c, Get(x, r, c), accumulate);
  }
}

void EmbedTokens(const Weight& table, std::span<const int32_t> ids, float scale, MatrixView out) {
  std::vector<float> row(static_cast<size_t>(table.cols));
  for (size_t i = 0; i < ids.size(); ++i) {
    ReadWeightRow(table, ids[i], row.data());
    for (int64_t c = 0; c < table.cols; ++c) {
      Set(out, static_cast<int64_t>(i), c, static_cast<double>(scale) * row[static_cast<size_t>(c)]);
    }
  }
}

void EmbedTokensBackward(ConstMatrixView d_out, std::span<const int32_t> ids, float scale, MatrixView d_table) {
  for (int64_t r = 0; r < d_out.rows; ++r) {
    for (int64_t c = 0; c < d_out.cols; ++c)
      Put(d_table, ids[static_cast<size_t>(r)], c, static_cast<double>(scale) * Get(d_out, r, c), true);
  }
}

void AddRows(ConstMatrixView x, float* sum) {
  for (int64_t c = 0; c < x.cols; ++c) {
    double column = sum[c];
    for (int64_t r = 0; r < x.rows; ++r) column += Get(x, r, c);
    sum[c] = static_cast<float>(column);
  }
}

double SumOfSquares(std::span<const float> x) {
  double sum = 0;
  for (float value : x) sum += static_cast<double>(value) * value;
  return sum;
}

void AdamW(const AdamWSettings& s, std::span<const float> gradient, std::span<float> parameter,
           std::span<float> first_moment, std::span<float> second_moment) {
  const double beta1 = s.beta1, beta2 = s.beta2;
  const double correction1 = 1 - std::pow(beta1, s.step), correction2 = 1 - std::pow(beta2, s.step);
  for (size_t i = 0; i < gradient.size(); ++i) {
    const double g = static_cast<double>(gradient[i]) * s.gradient_scale;
    const double m = beta1 * first_moment[i] + (1 - beta1) * g;
    const double v = beta2 * second_moment[i] + (1 - beta2) * g * g;
    const double decayed = parameter[i] * (1 - static_cast<double>(s.lr) * s.weight_decay);
    parameter[i] = static_cast<float>(decayed - s.lr * (m / correction1) / (std::sqrt(v / correction2) + s.eps));
    first_moment[i] = static_cast<float>(m);
    second_moment[i] = static_cast<float>(v);
  }
}

}  // namespace hew::ref
