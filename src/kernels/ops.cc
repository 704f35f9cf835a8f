#include "kernels/ops.h"

#include <cmath>

#include "kernels/cpu/ops_dispatch.h"

namespace hew {
namespace {

ActivationKind KindOf(Activation act) {
  switch (act) {
    case Activation::kSilu:
      return ActivationKind::kSilu;
    case Activation::kGeluTanh:
      return ActivationKind::kGeluTanh;
    case Activation::kGelu:
      return ActivationKind::kGelu;
  }
  return ActivationKind::kSilu;
}

void CheckSame(ConstMatrixView a, ConstMatrixView b) { HEW_CHECK(a.rows == b.rows && a.cols == b.cols); }

// For sums over rows: threads split the columns, and each calls fn(first, count) for its own.
template <typename Fn>
void ForColumns(const Runtime& rt, int64_t rows, int64_t cols, const Fn& fn) {
  constexpr int64_t kColumns = 64;
  ForRows(rt, (cols + kColumns - 1) / kColumns, rows * kColumns, [&](int64_t begin, int64_t end) {
    fn(begin * kColumns, std::min(end * kColumns, cols) - begin * kColumns);
  });
}

}  // namespace

void EmbedTokens(const Runtime& rt, const Weight& table, std::span<const int32_t> ids, float scale, MatrixView out,
                 bool accumulate) {
  HEW_CHECK(out.rows == static_cast<int64_t>(ids.size()) && out.cols == table.cols);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  ForRows(rt, out.rows, out.cols * 4, [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<size_t>(table.cols));
    for (int64_t r = begin; r < end; ++r) {
      ReadWeightRow(table, ids[static_cast<size_t>(r)], row.data());
      kernels.scale({row.data(), false}, scale, out.cols, RowOf(out, r), accumulate);
    }
  });
}

void EmbedTokensBackward(const Runtime& rt, ConstMatrixView d_out, std::span<const int32_t> ids, float scale,
                         MatrixView d_table) {
  HEW_CHECK(d_out.rows == static_cast<int64_t>(ids.size()) && d_out.cols == d_table.cols);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  ForColumns(rt, d_out.rows, d_out.cols, [&](int64_t first, int64_t count) {
    for (int64_t r = 0; r < d_out.rows; ++r)
      kernels.scale(RowOf(d_out, r, first), scale, count, RowOf(d_table, ids[static_cast<size_t>(r)], first), true);
  });
}

void AddRows(const Runtime& rt, ConstMatrixView x, float* sum) {
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  const MatrixView out = F32View(sum, 1, x.cols);
  ForColumns(rt, x.rows, x.cols, [&](int64_t first, int64_t count) {
    for (int64_t r = 0; r < x.rows; ++r) kernels.scale(RowOf(x, r, first), 1, count, RowOf(out, 0, first), true);
  });
}

void RmsNorm(const Runtime& rt, ConstMatrixView x, const float* gain, float eps, MatrixView y, bool accumulate) {
  CheckSame(x, y);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  ForRows(rt, x.rows, x.cols * 2, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) kernels.rms_norm(RowOf(x, r), gain, eps, x.cols, RowOf(y, r), accumulate);
  });
}

void RmsNormBackward(const Runtime& rt, ConstMatrixView x, const float* gain, float eps, ConstMatrixView d_y,
                     MatrixView d_x, bool accumulate, float* d_gain) {
  CheckSame(x, d_y);
  CheckSame(x, d_x);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  std::vector<float> inverse(static_cast<size_t>(x.rows));
  ForRows(rt, x.rows, x.cols, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      inverse[static_cast<size_t>(r)] = kernels.inverse_rms(RowOf(x, r), x.cols, eps);
  });
  if (d_gain) {  // before d_x, which may lie over d_y
    ForColumns(rt, x.rows, x.cols, [&](int64_t first, int64_t count) {
      for (int64_t r = 0; r < x.rows; ++r) {
        kernels.add_gain_gradient(RowOf(x, r, first), inverse[static_cast<size_t>(r)], RowOf(d_y, r, first), count,
                                  d_gain + first);
      }
    });
  }
  ForRows(rt, x.rows, x.cols * 3, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      kernels.rms_norm_backward(RowOf(x, r), gain, inverse[static_cast<size_t>(r)], RowOf(d_y, r), x.cols,
                                RowOf(d_x, r), accumulate);
    }
  });
}

void LayerNorm(const Runtime& rt, ConstMatrixView x, const float* gain, const float* bias, float eps, MatrixView y,
               bool accumulate) {
  CheckSame(x, y);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  ForRows(rt, x.rows, x.cols * 3, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      kernels.layer_norm(RowOf(x, r), gain, bias, eps, x.cols, RowOf(y, r), accumulate);
  });
}

void LayerNormBackward(const Runtime& rt, ConstMatrixView x, const float* gain, float eps, ConstMatrixView d_y,
                       MatrixView d_x, bool accumulate, float* d_gain, float* d_bias) {
  CheckSame(x, d_y);
  CheckSame(x, d_x);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  if (d_gain) {  // before d_x, which may lie over d_y
    const std::vector<float> ones(static_cast<size_t>(x.cols), 1.0f), zeros(static_cast<size_t>(x.cols));
    Matrix unit(DType::kF32, x.rows, x.cols);
    LayerNorm(rt, x, ones.data(), zeros.data(), eps, unit.view());
    ForColumns(rt, x.rows, x.cols, [&](int64_t first, int64_t count) {
      for (int64_t r = 0; r < x.rows; ++r)
        kernels.add_gain_gradient(RowOf(unit.view(), r, first), 1, RowOf(d_y, r, first), count, d_gain + first);
    });
    AddRows(rt, d_y, d_bias);
  }
  ForRows(rt, x.rows, x.cols * 5, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      kernels.layer_norm_backward(RowOf(x, r), gain, eps, RowOf(d_y, r), x.cols, RowOf(d_x, r), accumulate);
  });
}

void Rope(const Runtime& rt, const RopeTable& table, RopePairing pairing, std::span<const int32_t> positions,
          int64_t head_dim, bool inverse, MatrixView x) {
  HEW_CHECK(static_cast<int64_t>(positions.size()) == x.rows && head_dim > 0 && x.cols % head_dim == 0);
  HEW_CHECK(2 * table.half <= head_dim);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  const auto rotate = pairing == RopePairing::kHalves ? kernels.rope_halves : kernels.rope_interleaved;
  ForRows(rt, x.rows, x.cols * 2, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t position = positions[static_cast<size_t>(r)];
      HEW_CHECK(position >= 0 && position < table.positions);
      const int64_t angle = position * table.half;
      for (int64_t head = 0; head < x.cols; head += head_dim) {
        rotate(table.cos.data() + angle, table.sin.data() + angle, inverse ? -1.0f : 1.0f, table.half,
               RowOf(x, r, head));
      }
    }
  });
}

void GatedActivation(const Runtime& rt, Activation act, ConstMatrixView gate, ConstMatrixView up, MatrixView out) {
  CheckSame(gate, up);
  CheckSame(gate, out);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  ForRows(rt, out.rows, out.cols * 4, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      kernels.gated(KindOf(act), RowOf(gate, r), RowOf(up, r), out.cols, RowOf(out, r));
  });
}

void GatedActivationBackward(const Runtime& rt, Activation act, ConstMatrixView gate, ConstMatrixView up,
                             ConstMatrixView d_out, MatrixView d_gate, MatrixView d_up) {
  CheckSame(gate, up);
  CheckSame(gate, d_out);
  CheckSame(gate, d_gate);
  CheckSame(gate, d_up);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  ForRows(rt, gate.rows, gate.cols * 6, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      kernels.gated_backward(KindOf(act), RowOf(gate, r), RowOf(up, r), RowOf(d_out, r), gate.cols, RowOf(d_gate, r),
                             RowOf(d_up, r));
    }
  });
}

void Activate(const Runtime& rt, Activation act, ConstMatrixView x, MatrixView out) {
  CheckSame(x, out);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  ForRows(rt, out.rows, out.cols * 4, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) kernels.activate(KindOf(act), RowOf(x, r), out.cols, RowOf(out, r));
  });
}

void ActivateBackward(const Runtime& rt, Activation act, ConstMatrixView x, ConstMatrixView d_out, MatrixView d_x) {
  CheckSame(x, d_out);
  CheckSame(x, d_x);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  ForRows(rt, x.rows, x.cols * 5, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      kernels.activate_backward(KindOf(act), RowOf(x, r), RowOf(d_out, r), x.cols, RowOf(d_x, r));
  });
}

void Softcap(const Runtime& rt, float cap, MatrixView x) {
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  ForRows(rt, x.rows, x.cols * 4, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) kernels.softcap(cap, x.cols, RowOf(x, r));
  });
}

void CrossEntropy(const Runtime& rt, ConstMatrixView logits, std::span<const int32_t> targets,
                  std::span<const float> weights, float* loss, MatrixView d_logits, float softcap) {
  CheckSame(logits, d_logits);
  HEW_CHECK(logits.dtype == DType::kF32 && targets.size() == weights.size() &&
            static_cast<int64_t>(targets.size()) == logits.rows);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  ForRows(rt, logits.rows, logits.cols * 6, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t target = targets[static_cast<size_t>(r)];
      const float weight = weights[static_cast<size_t>(r)];
      HEW_CHECK(target >= 0 && target < logits.cols);
      float top;
      double sum;
      kernels.max_and_sum(logits.f32(r), logits.cols, &top, &sum);
      const float target_logit = logits.f32(r)[target];
      const double lse = top + std::log(sum), target_loss = lse - target_logit;
      loss[r] = static_cast<float>(target_loss);
      // From the highest logit, not from lse: rounding lse would cost a bit for every doubling of the logits.
      const float inverse_cap = softcap > 0 ? 1 / softcap : 0;
      kernels.softmax_gradient(logits.f32(r), logits.cols, top, static_cast<float>(weight / sum), inverse_cap,
                               RowOf(d_logits, r));
      // The target's own softmax - 1 without cancellation.
      const double capped = static_cast<double>(target_logit) * inverse_cap;
      float correct = static_cast<float>(weight * std::expm1(-target_loss) * (1 - capped * capped));
      kernels.scale({&correct, false}, 1, 1, RowOf(d_logits, r, target), false);
    }
  });
}

void LogSumExp(const Runtime& rt, ConstMatrixView logits, float* out) {
  HEW_CHECK(logits.dtype == DType::kF32);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  ForRows(rt, logits.rows, logits.cols * 3, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      float top;
      double sum;
      kernels.max_and_sum(logits.f32(r), logits.cols, &top, &sum);
      out[r] = static_cast<float>(top + std::log(sum));
    }
  });
}

void ScaleColumns(const Runtime& rt, ConstMatrixView x, const float* column_scale, MatrixView y, bool accumulate) {
  CheckSame(x, y);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  ForRows(rt, x.rows, x.cols, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      kernels.scale_columns(RowOf(x, r), column_scale, x.cols, RowOf(y, r), accumulate);
  });
}

void Dropout(const Runtime& rt, ConstMatrixView x, float p, uint64_t seed, uint64_t stream, MatrixView y,
             bool accumulate) {
  CheckSame(x, y);
  HEW_CHECK(p >= 0 && p < 1);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  const uint64_t threshold = static_cast<uint64_t>(std::ceil(static_cast<double>(p) * 0x1p32));
  ForRows(rt, x.rows, x.cols * 16, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      kernels.dropout({seed, stream, static_cast<uint64_t>(r * x.cols), threshold, 1 / (1 - p)}, RowOf(x, r), x.cols,
                      RowOf(y, r), accumulate);
    }
  });
}

void CopyOrAdd(const Runtime& rt, ConstMatrixView x, MatrixView y, bool accumulate) {
  CheckSame(x, y);
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  ForRows(rt, x.rows, x.cols, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) kernels.scale(RowOf(x, r), 1, x.cols, RowOf(y, r), accumulate);
  });
}

double SumOfSquares(const Runtime& rt, std::span<const float> x) {
  constexpr int64_t kChunk = 8192;  // sums of chunks are added in order, whoever made them
  const int64_t n = static_cast<int64_t>(x.size()), chunks = (n + kChunk - 1) / kChunk;
  std::vector<double> sums(static_cast<size_t>(chunks));
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  ForRows(rt, chunks, kChunk, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      sums[static_cast<size_t>(c)] = kernels.sum_of_squares(x.data() + c * kChunk, std::min(kChunk, n - c * kChunk));
    }
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return total;
}

void AdamW(const Runtime& rt, const AdamWSettings& s, std::span<const float> gradient, std::span<float> parameter,
           std::span<float> first_moment, std::span<float> second_moment) {
  HEW_CHECK(gradient.size() == parameter.size() && gradient.size() == first_moment.size() &&
            gradient.size() == second_moment.size() && s.step >= 1);
  const double beta1 = s.beta1, beta2 = s.beta2, t = static_cast<double>(s.step);
  AdamWStep step;
  step.gradient_scale = s.gradient_scale;
  step.decay = static_cast<float>(1 - static_cast<double>(s.lr) * s.weight_decay);
  step.one_minus_beta1 = static_cast<float>(1 - beta1);
  step.beta2 = s.beta2;
  step.one_minus_beta2 = static_cast<float>(1 - beta2);
  step.step_size = static_cast<float>(s.lr / (1 - std::pow(beta1, t)));
  step.root_correction2 = static_cast<float>(std::sqrt(1 - std::pow(beta2, t)));
  step.eps = s.eps;
  constexpr int64_t kChunk = 4096;
  const int64_t n = static_cast<int64_t>(gradient.size());
  const OpsKernels& kernels = OpsKernelsFor(rt.isa);
  ForRows(rt, (n + kChunk - 1) / kChunk, kChunk * 4, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * kChunk, count = std::min(end * kChunk, n) - first;
    kernels.adamw(step, gradient.data() + first, count, parameter.data() + first, first_moment.data() + first,
                  second_moment.data() + first);
  });
}

}  // namespace hew
