// Every backward reference against finite differences of its forward reference; the fast kernels are then held against
// the references (ops_test.cc, attention_test.cc).
#include <gtest/gtest.h>

#include <functional>

#include "kernels/ref/attention.h"
#include "kernels/ref/ops.h"
#include "kernels/test_util.h"

namespace hew {
namespace {

double Dot(ConstMatrixView a, ConstMatrixView b) {
  double sum = 0;
  for (int64_t r = 0; r < a.rows; ++r) {
    for (int64_t c = 0; c < a.cols; ++c) sum += ref::Get(a, r, c) * ref::Get(b, r, c);
  }
  return sum;
}

// `loss` reads x, which is moved one element at a time.
void ExpectGradient(Matrix& x, ConstMatrixView gradient, const std::function<double()>& loss, const char* name) {
  constexpr double kStep = 1.0 / 64;  // outputs are fp32: smaller steps drown in their rounding
  Matrix estimate(DType::kF32, gradient.rows, gradient.cols);
  for (int64_t r = 0; r < gradient.rows; ++r) {
    for (int64_t c = 0; c < gradient.cols; ++c) {
      const double value = ref::Get(x.view(), r, c);
      ref::Set(x.view(), r, c, value + kStep);
      const double above = loss();
      ref::Set(x.view(), r, c, value - kStep);
      const double below = loss();
      ref::Set(x.view(), r, c, value);
      ref::Set(estimate.view(), r, c, (above - below) / (2 * kStep));
    }
  }
  EXPECT_LT(Difference(estimate.view(), gradient), 1e-3) << name;
}

TEST(Gradients, Attention) {
  for (auto [window, softcap] : {std::pair{0, 0.0f}, {3, 0.0f}, {0, 1.5f}}) {
    const AttentionShape shape{4, 2, 6, 0.4f, window, softcap};
    constexpr int64_t kRows = 11;
    Matrix q = RandomMatrix(DType::kF32, kRows, 24, 1), k = RandomMatrix(DType::kF32, kRows, 12, 2);
    Matrix v = RandomMatrix(DType::kF32, kRows, 12, 3), out(DType::kF32, kRows, 24);
    const Matrix d_out = RandomMatrix(DType::kF32, kRows, 24, 4);
    // A prefix of four rows, two followers of it, and a document of its own.
    const ConstMatrixView keys = k.view(), values = v.view();
    const std::vector<AttentionSegment> segments = {{0, 4, 0, keys, values, 0, 0, 0},
                                                    {4, 3, 4, keys, values, 0, 4, 4},
                                                    {7, 1, 4, keys, values, 0, 4, 7},
                                                    {8, 3, 0, keys, values, 0, 0, 8}};
    std::vector<float> lse(kRows * 4);
    const auto loss = [&] {
      ref::AttentionForward(shape, q.view(), segments, out.view(), lse.data());
      return Dot(out.view(), d_out.view());
    };
    loss();
    Matrix d_q(DType::kF32, kRows, 24), d_k(DType::kF32, kRows, 12), d_v(DType::kF32, kRows, 12);
    ref::AttentionBackward(shape, q.view(), segments, out.view(), lse.data(), d_out.view(), d_q.view(), d_k.view(),
                           d_v.view());
    ExpectGradient(q, d_q.view(), loss, "d_q");
    ExpectGradient(k, d_k.view(), loss, "d_k");
    ExpectGradient(v, d_v.view(), loss, "d_v");
  }
}

TEST(Gradients, RmsNorm) {
  Matrix x = RandomMatrix(DType::kF32, 3, 10, 1, 2), gain = RandomMatrix(DType::kF32, 1, 10, 2), y(DType::kF32, 3, 10);
  const Matrix d_y = RandomMatrix(DType::kF32, 3, 10, 3);
  const auto loss = [&] {
    ref::RmsNorm(x.view(), gain.view().f32(), 0.1f, y.view());
    return Dot(y.view(), d_y.view());
  };
  Matrix d_x(DType::kF32, 3, 10), d_gain(DType::kF32, 1, 10);
  ref::RmsNormBackward(x.view(), gain.view().f32(), 0.1f, d_y.view(), d_x.view(), false, d_gain.view().f32());
  ExpectGradient(x, d_x.view(), loss, "d_x");
  ExpectGradient(gain, d_gain.view(), loss, "d_gain");
}

TEST(Gradients, Rope) {
  const RopeTable table{2, 2, {0.8f, 0.1f, 1, -0.6f}, {0.6f, 0.9f, 0, 0.8f}};
  const std::vector<int32_t> positions = {1, 0};
  for (RopePairing pairing : {RopePairing::kHalves, RopePairing::kInterleaved}) {
    Matrix x = RandomMatrix(DType::kF32, 2, 10, 1);  // two heads of 5, of which 4 are turned
    Matrix d_y = RandomMatrix(DType::kF32, 2, 10, 2);
    const Matrix weights = CopyOf(d_y.view(), DType::kF32);
    const auto loss = [&] {
      Matrix y = CopyOf(x.view(), DType::kF32);
      ref::Rope(table, pairing, positions, 5, false, y.view());
      return Dot(y.view(), weights.view());
    };
    ref::Rope(table, pairing, positions, 5, true, d_y.view());
    ExpectGradient(x, d_y.view(), loss, "d_x");
  }
}

TEST(Gradients, GatedActivation) {
  for (Activation act : {Activation::kSilu, Activation::kGelu, Activation::kGeluTanh}) {
    Matrix gate = RandomMatrix(DType::kF32, 2, 20, 1, 2), up = RandomMatrix(DType::kF32, 2, 20, 2),
           out(DType::kF32, 2, 20);
    const Matrix d_out = RandomMatrix(DType::kF32, 2, 20, 3);
    const auto loss = [&] {
      ref::GatedActivation(act, gate.view(), up.view(), out.view());
      return Dot(out.view(), d_out.view());
    };
    Matrix d_gate(DType::kF32, 2, 20), d_up(DType::kF32, 2, 20);
    ref::GatedActivationBackward(act, gate.view(), up.view(), d_out.view(), d_gate.view(), d_up.view());
    ExpectGradient(gate, d_gate.view(), loss, "d_gate");
    ExpectGradient(up, d_up.view(), loss, "d_up");
  }
}

TEST(Gradients, LayerNorm) {
  Matrix x = RandomMatrix(DType::kF32, 3, 10, 1, 2), y(DType::kF32, 3, 10);
  Matrix gain = RandomMatrix(DType::kF32, 1, 10, 2), bias = RandomMatrix(DType::kF32, 1, 10, 4);
  const Matrix d_y = RandomMatrix(DType::kF32, 3, 10, 3);
  const auto loss = [&] {
    ref::LayerNorm(x.view(), gain.view().f32(), bias.view().f32(), 0.1f, y.view());
    return Dot(y.view(), d_y.view());
  };
  Matrix d_x(DType::kF32, 3, 10), d_gain(DType::kF32, 1, 10), d_bias(DType::kF32, 1, 10);
  ref::LayerNormBackward(x.view(), gain.view().f32(), 0.1f, d_y.view(), d_x.view(), false, d_gain.view().f32(),
                         d_bias.view().f32());
  ExpectGradient(x, d_x.view(), loss, "d_x");
  ExpectGradient(gain, d_gain.view(), loss, "d_gain");
  ExpectGradient(bias, d_bias.view(), loss, "d_bias");
}

TEST(Gradients, ActivationWithoutAGate) {
  for (Activation act : {Activation::kSilu, Activation::kGelu, Activation::kGeluTanh}) {
    Matrix x = RandomMatrix(DType::kF32, 2, 20, 1, 2), out(DType::kF32, 2, 20), d_x(DType::kF32, 2, 20);
    const Matrix d_out = RandomMatrix(DType::kF32, 2, 20, 3);
    const auto loss = [&] {
      ref::Activate(act, x.view(), out.view());
      return Dot(out.view(), d_out.view());
    };
    ref::ActivateBackward(act, x.view(), d_out.view(), d_x.view());
    ExpectGradient(x, d_x.view(), loss, "d_x");
  }
}

// Through the cap and the loss behind it.
TEST(Gradients, SoftcappedCrossEntropy) {
  constexpr float kCap = 2;
  Matrix logits = RandomMatrix(DType::kF32, 3, 12, 1, 2), scratch(DType::kF32, 3, 12), d_logits(DType::kF32, 3, 12);
  const std::vector<int32_t> targets = {0, 11, 4};
  const std::vector<float> weights = {1, 0.25f, 0.5f};
  std::vector<float> loss(3);
  const auto run = [&](MatrixView d) {
    Matrix capped = CopyOf(logits.view(), DType::kF32);
    ref::Softcap(kCap, capped.view());
    ref::CrossEntropy(capped.view(), targets, weights, loss.data(), d, kCap);
    double sum = 0;
    for (size_t i = 0; i < 3; ++i) sum += static_cast<double>(loss[i]) * weights[i];
    return sum;
  };
  run(d_logits.view());
  ExpectGradient(
      logits, d_logits.view(), [&] { return run(scratch.view()); }, "d_logits");
}

TEST(Gradients, CrossEntropy) {
  Matrix logits = RandomMatrix(DType::kF32, 3, 12, 1, 2), scratch(DType::kF32, 3, 12), d_logits(DType::kF32, 3, 12);
  const std::vector<int32_t> targets = {0, 11, 4};
  const std::vector<float> weights = {1, 0, 0.5f};
  std::vector<float> loss(3);
  const auto weighted = [&] {
    ref::CrossEntropy(logits.view(), targets, weights, loss.data(), scratch.view());
    return static_cast<double>(loss[0]) * weights[0] + static_cast<double>(loss[1]) * weights[1] +
           static_cast<double>(loss[2]) * weights[2];
  };
  ref::CrossEntropy(logits.view(), targets, weights, loss.data(), d_logits.view());
  ExpectGradient(logits, d_logits.view(), weighted, "d_logits");
}

}  // namespace
}  // namespace hew
