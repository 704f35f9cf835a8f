#include "kernels/ops.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <numeric>

#include "kernels/ref/ops.h"
#include "kernels/test_util.h"

namespace hew {
namespace {

constexpr Activation kActivations[] = {Activation::kSilu, Activation::kGeluTanh, Activation::kGelu};

DType AnyType() { return *rc::gen::element(DType::kF32, DType::kBF16); }
// Whole vectors, odd tails and less than one vector.
int64_t AnyCols() {
  return *rc::gen::oneOf(rc::gen::inRange<int64_t>(1, 200), rc::gen::element<int64_t>(64, 576, 2048));
}
int64_t AnyRows() { return *rc::gen::inRange<int64_t>(1, 40); }
uint64_t AnySeed() { return *rc::gen::inRange<uint64_t>(0, 1000); }
// Of a result stored as fp32 or bf16, whose rounding is at most 2^-8 of a value.
double Tolerance(DType type) { return type == DType::kBF16 ? 4e-3 : 1e-6; }

// Calls fn(runtime) for every mode with one and with three threads: it returns what it computed. The bits must be the
// same for both, and the values near `want`.
template <typename Fn>
void CheckAll(ConstMatrixView want, DType type, double tolerance, const Fn& fn, double floor = 0.1) {
  const ThreadPool one(1), three(3);
  for (const Mode& mode : Modes()) {
    RC_LOG() << mode.name << " ";
    const Matrix first = fn(Runtime{&one, mode.isa, mode.precision}, type);
    const Matrix second = fn(Runtime{&three, mode.isa, mode.precision}, type);
    RC_ASSERT(Difference(first.view(), want, floor) < tolerance);
    RC_ASSERT(SameBits(first.view(), second.view()));
  }
}

std::vector<float> RandomFloats(int64_t n, uint64_t seed, double spread = 1, double mean = 0) {
  Random random{seed};
  std::vector<float> x(static_cast<size_t>(n));
  for (float& value : x) value = static_cast<float>(mean + spread * random.Normal());
  return x;
}

RC_GTEST_PROP(Ops, RmsNormAndItsGradient, ()) {
  const int64_t rows = AnyRows(), cols = AnyCols();
  const DType in = AnyType(), out = AnyType();
  const uint64_t seed = AnySeed();
  const Matrix x = RandomMatrix(in, rows, cols, seed, 3), dy = RandomMatrix(AnyType(), rows, cols, seed + 1);
  const Matrix before = RandomMatrix(out, rows, cols, seed + 2);
  const std::vector<float> gain = RandomFloats(cols, seed + 3);
  const bool accumulate = *rc::gen::arbitrary<bool>();
  Matrix want = CopyOf(before.view(), DType::kF32);
  ref::RmsNorm(x.view(), gain.data(), 1e-5f, want.view(), accumulate);
  CheckAll(want.view(), out, Tolerance(out), [&](const Runtime& rt, DType type) {
    Matrix y = CopyOf(before.view(), type);
    RmsNorm(rt, x.view(), gain.data(), 1e-5f, y.view(), accumulate);
    return y;
  });
  want = CopyOf(before.view(), DType::kF32);
  std::vector<float> want_gain(gain);
  ref::RmsNormBackward(x.view(), gain.data(), 1e-5f, dy.view(), want.view(), accumulate, want_gain.data());
  // One column: the gradient cancels but for eps, and only rounding would be compared.
  CheckAll(want.view(), out, cols < 4 && !accumulate ? 1 : 5 * Tolerance(out), [&](const Runtime& rt, DType type) {
    Matrix dx = CopyOf(before.view(), type);
    std::vector<float> d_gain(gain);
    RmsNormBackward(rt, x.view(), gain.data(), 1e-5f, dy.view(), dx.view(), accumulate, d_gain.data());
    for (size_t c = 0; c < gain.size(); ++c)
      RC_ASSERT(std::abs(d_gain[c] - want_gain[c]) < 1e-4 * (1 + std::abs(want_gain[c])));
    return dx;
  });
}

RC_GTEST_PROP(Ops, LayerNormAndItsGradient, ()) {
  const int64_t rows = AnyRows(), cols = AnyCols() + 1;  // of one column nothing is left but rounding
  const DType in = AnyType(), out = AnyType();
  const uint64_t seed = AnySeed();
  Matrix x = RandomMatrix(in, rows, cols, seed, 3);
  const double mean = *rc::gen::element(0.0, 5.0);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) ref::Set(x.view(), r, c, ref::Get(x.view(), r, c) + mean);
  }
  const Matrix dy = RandomMatrix(AnyType(), rows, cols, seed + 1), before = RandomMatrix(out, rows, cols, seed + 2);
  const std::vector<float> gain = RandomFloats(cols, seed + 3), bias = RandomFloats(cols, seed + 4);
  const bool accumulate = *rc::gen::arbitrary<bool>();
  Matrix want = CopyOf(before.view(), DType::kF32);
  ref::LayerNorm(x.view(), gain.data(), bias.data(), 1e-5f, want.view(), accumulate);
  CheckAll(want.view(), out, 2 * Tolerance(out), [&](const Runtime& rt, DType type) {
    Matrix y = CopyOf(before.view(), type);
    LayerNorm(rt, x.view(), gain.data(), bias.data(), 1e-5f, y.view(), accumulate);
    return y;
  });
  want = CopyOf(before.view(), DType::kF32);
  std::vector<float> want_gain(gain), want_bias(bias);
  ref::LayerNormBackward(x.view(), gain.data(), 1e-5f, dy.view(), want.view(), accumulate, want_gain.data(),
                         want_bias.data());
  // Two columns: the gradient cancels but for eps.
  CheckAll(want.view(), out, cols < 5 && !accumulate ? 1 : 5 * Tolerance(out), [&](const Runtime& rt, DType type) {
    Matrix dx = CopyOf(before.view(), type);
    std::vector<float> d_gain(gain), d_bias(bias);
    LayerNormBackward(rt, x.view(), gain.data(), 1e-5f, dy.view(), dx.view(), accumulate, d_gain.data(), d_bias.data());
    for (size_t c = 0; c < gain.size(); ++c) {
      if (cols > 4) RC_ASSERT(std::abs(d_gain[c] - want_gain[c]) < 1e-3 * (1 + std::abs(want_gain[c])));
      RC_ASSERT(std::abs(d_bias[c] - want_bias[c]) < 1e-4 * (1 + std::abs(want_bias[c])));
    }
    return dx;
  });
}

RopeTable MakeTable(int64_t positions, int64_t half) {
  RopeTable table{positions, half, {}, {}};
  for (int64_t p = 0; p < positions; ++p) {
    for (int64_t i = 0; i < half; ++i) {
      const double angle =
          static_cast<double>(p) * std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(half));
      table.cos.push_back(static_cast<float>(std::cos(angle)));
      table.sin.push_back(static_cast<float>(std::sin(angle)));
    }
  }
  return table;
}

RC_GTEST_PROP(Ops, RopeRotatesAndRotatesBack, ()) {
  const int64_t rows = AnyRows(), heads = *rc::gen::inRange<int64_t>(1, 4), half = *rc::gen::inRange<int64_t>(1, 70);
  const int64_t head_dim = 2 * half + *rc::gen::element<int64_t>(0, 0, 6);
  const RopePairing pairing = *rc::gen::element(RopePairing::kHalves, RopePairing::kInterleaved);
  const RopeTable table = MakeTable(100, half);
  std::vector<int32_t> positions;
  for (int64_t r = 0; r < rows; ++r) positions.push_back(*rc::gen::inRange(0, 100));
  const DType type = AnyType();
  const Matrix x = RandomMatrix(type, rows, heads * head_dim, AnySeed());
  Matrix want = CopyOf(x.view(), DType::kF32);
  ref::Rope(table, pairing, positions, head_dim, false, want.view());
  CheckAll(want.view(), type, Tolerance(type), [&](const Runtime& rt, DType t) {
    Matrix y = CopyOf(x.view(), t);
    Rope(rt, table, pairing, positions, head_dim, false, y.view());
    return y;
  });
  CheckAll(x.view(), DType::kF32, 1e-6, [&](const Runtime& rt, DType t) {
    Matrix y = CopyOf(want.view(), t);
    Rope(rt, table, pairing, positions, head_dim, true, y.view());
    return y;
  });
}

RC_GTEST_PROP(Ops, GatedActivationAndItsGradient, ()) {
  const int64_t rows = AnyRows(), cols = AnyCols();
  const DType type = AnyType();
  const uint64_t seed = AnySeed();
  const Activation act = *rc::gen::element(Activation::kSilu, Activation::kGeluTanh, Activation::kGelu);
  const double spread = *rc::gen::element(0.1, 2.0, 30.0);
  const Matrix gate = RandomMatrix(type, rows, cols, seed, spread), up = RandomMatrix(type, rows, cols, seed + 1);
  const Matrix d = RandomMatrix(AnyType(), rows, cols, seed + 2);
  Matrix want(DType::kF32, rows, cols), want_up(DType::kF32, rows, cols);
  ref::GatedActivation(act, gate.view(), up.view(), want.view());
  CheckAll(want.view(), type, 2 * Tolerance(type), [&](const Runtime& rt, DType t) {
    Matrix y(t, rows, cols);
    GatedActivation(rt, act, gate.view(), up.view(), y.view());
    return y;
  });
  ref::GatedActivationBackward(act, gate.view(), up.view(), d.view(), want.view(), want_up.view());
  for (bool want_gate : {true, false}) {  // over the inputs themselves, as training runs it
    CheckAll(want_gate ? want.view() : want_up.view(), type, 2 * Tolerance(type), [&](const Runtime& rt, DType t) {
      Matrix g = CopyOf(gate.view(), t), u = CopyOf(up.view(), t);
      GatedActivationBackward(rt, act, g.view(), u.view(), d.view(), g.view(), u.view());
      return want_gate ? std::move(g) : std::move(u);
    });
  }
}

RC_GTEST_PROP(Ops, ActivationWithoutAGateAndItsGradient, ()) {
  const int64_t rows = AnyRows(), cols = AnyCols();
  const DType type = AnyType();
  const uint64_t seed = AnySeed();
  const Activation act = *rc::gen::element(Activation::kSilu, Activation::kGeluTanh, Activation::kGelu);
  const Matrix x = RandomMatrix(type, rows, cols, seed, *rc::gen::element(0.1, 2.0, 30.0));
  const Matrix d = RandomMatrix(AnyType(), rows, cols, seed + 1);
  Matrix want(DType::kF32, rows, cols);
  ref::Activate(act, x.view(), want.view());
  CheckAll(want.view(), type, 2 * Tolerance(type), [&](const Runtime& rt, DType t) {
    Matrix y = CopyOf(x.view(), t);
    Activate(rt, act, y.view(), y.view());
    return y;
  });
  ref::ActivateBackward(act, x.view(), d.view(), want.view());
  CheckAll(want.view(), type, 2 * Tolerance(type), [&](const Runtime& rt, DType t) {
    Matrix y = CopyOf(x.view(), t);
    ActivateBackward(rt, act, y.view(), d.view(), y.view());
    return y;
  });
}

RC_GTEST_PROP(Ops, SoftcapAndTheLossBehindIt, ()) {
  const int64_t rows = AnyRows(), cols = *rc::gen::element<int64_t>(1, 17, 1000);
  const float cap = *rc::gen::element(3.0f, 30.0f);
  const Matrix logits = RandomMatrix(DType::kF32, rows, cols, AnySeed(), *rc::gen::element(0.1, 3.0, 40.0));
  Matrix want = CopyOf(logits.view(), DType::kF32);
  ref::Softcap(cap, want.view());
  CheckAll(want.view(), DType::kF32, 1e-6, [&](const Runtime& rt, DType t) {
    Matrix y = CopyOf(logits.view(), t);
    Softcap(rt, cap, y.view());
    return y;
  });
  std::vector<int32_t> targets;
  for (int64_t r = 0; r < rows; ++r) targets.push_back(*rc::gen::inRange(0, static_cast<int>(cols)));
  const std::vector<float> weights(static_cast<size_t>(rows), 0.25f);
  std::vector<float> loss(static_cast<size_t>(rows));
  const Matrix capped = CopyOf(want.view(), DType::kF32);
  ref::CrossEntropy(capped.view(), targets, weights, loss.data(), want.view(), cap);
  CheckAll(
      want.view(), DType::kF32, 1e-5,
      [&](const Runtime& rt, DType t) {
        Matrix x = CopyOf(capped.view(), t);
        std::vector<float> unused(loss.size());
        CrossEntropy(rt, std::as_const(x).view(), targets, weights, unused.data(), x.view(), cap);
        return x;
      },
      0.05 / std::sqrt(static_cast<double>(cols)));
}

RC_GTEST_PROP(Ops, CrossEntropyAndLogSumExp, ()) {
  const int64_t rows = AnyRows(), cols = *rc::gen::element<int64_t>(1, 2, 17, 1000, 1024, 4099);
  const uint64_t seed = AnySeed();
  const Matrix logits = RandomMatrix(DType::kF32, rows, cols, seed, *rc::gen::element(0.1, 3.0, 40.0));
  std::vector<int32_t> targets;
  for (int64_t r = 0; r < rows; ++r) targets.push_back(*rc::gen::inRange(0, static_cast<int>(cols)));
  std::vector<float> weights(static_cast<size_t>(rows), 0.25f);
  weights[0] = 0;
  Matrix want(DType::kF32, rows, cols), want_loss(DType::kF32, 1, rows), want_lse(DType::kF32, 1, rows);
  ref::CrossEntropy(logits.view(), targets, weights, want_loss.view().f32(), want.view());
  ref::LogSumExp(logits.view(), want_lse.view().f32());
  for (DType type : {DType::kF32, DType::kBF16}) {
    CheckAll(
        want.view(), type, 2 * Tolerance(type),
        [&](const Runtime& rt, DType t) {
          std::vector<float> loss(static_cast<size_t>(rows));
          Matrix x = CopyOf(logits.view(), DType::kF32), half(t, rows, cols);
          const MatrixView d = t == DType::kF32 ? x.view() : half.view();
          CrossEntropy(rt, std::as_const(x).view(), targets, weights, loss.data(), d);
          RC_ASSERT(Difference(F32View(std::as_const(loss).data(), 1, rows), want_loss.view(), 1) < 1e-6);
          return t == DType::kF32 ? std::move(x) : std::move(half);
        },
        0.05 / std::sqrt(static_cast<double>(cols)));  // a sure row: 1 - p to the last place of 1
  }
  CheckAll(
      want_lse.view(), DType::kF32, 1e-6,
      [&](const Runtime& rt, DType t) {
        Matrix lse(t, 1, rows);
        LogSumExp(rt, logits.view(), lse.view().f32());
        return lse;
      },
      1);
}

RC_GTEST_PROP(Ops, ScaleDropAndCopy, ()) {
  const int64_t rows = AnyRows(), cols = AnyCols();
  const DType in = AnyType(), out = AnyType();
  const uint64_t seed = AnySeed();
  const bool accumulate = *rc::gen::arbitrary<bool>();
  const Matrix x = RandomMatrix(in, rows, cols, seed), before = RandomMatrix(out, rows, cols, seed + 1);
  const std::vector<float> scale = RandomFloats(cols, seed + 2);
  const float p = *rc::gen::element(0.0f, 0.05f, 0.5f);
  const uint64_t stream = *rc::gen::arbitrary<uint64_t>();
  Matrix want = CopyOf(before.view(), DType::kF32);
  ref::ScaleColumns(x.view(), scale.data(), want.view(), accumulate);
  CheckAll(want.view(), out, Tolerance(out), [&](const Runtime& rt, DType t) {
    Matrix y = CopyOf(before.view(), t);
    ScaleColumns(rt, x.view(), scale.data(), y.view(), accumulate);
    return y;
  });
  want = CopyOf(before.view(), DType::kF32);
  ref::Dropout(x.view(), p, seed, stream, want.view(), accumulate);
  CheckAll(want.view(), out, Tolerance(out), [&](const Runtime& rt, DType t) {
    Matrix y = CopyOf(before.view(), t);
    Dropout(rt, x.view(), p, seed, stream, y.view(), accumulate);
    return y;
  });
  want = CopyOf(before.view(), DType::kF32);
  ref::CopyOrAdd(x.view(), want.view(), accumulate);
  CheckAll(want.view(), out, Tolerance(out), [&](const Runtime& rt, DType t) {
    Matrix y = CopyOf(before.view(), t);
    CopyOrAdd(rt, x.view(), y.view(), accumulate);
    return y;
  });
}

RC_GTEST_PROP(Ops, AdamWAndSumOfSquares, ()) {
  const int64_t n = *rc::gen::element<int64_t>(1, 15, 4096, 4097, 50000);
  const uint64_t seed = AnySeed();
  const std::vector<float> g = RandomFloats(n, seed), p = RandomFloats(n, seed + 1);
  AdamWSettings s;
  s.lr = 1e-2f;
  s.weight_decay = 0.1f;
  s.gradient_scale = 0.5f;
  std::vector<float> want(p), m(g.size()), v(g.size());
  for (s.step = 1; s.step <= 3; ++s.step) ref::AdamW(s, g, want, m, v);
  CheckAll(
      F32View(std::as_const(want).data(), 1, n), DType::kF32, 2e-6,
      [&](const Runtime& rt, DType t) {
        Matrix got = CopyOf(F32View(p.data(), 1, n), t);
        std::vector<float> first(g.size()), second(g.size());
        for (s.step = 1; s.step <= 3; ++s.step) AdamW(rt, s, g, {got.view().f32(), g.size()}, first, second);
        RC_ASSERT(Difference(F32View(std::as_const(second).data(), 1, n), F32View(std::as_const(v).data(), 1, n)) <
                  1e-6);
        return got;
      },
      1);
  const double squares = ref::SumOfSquares(g);
  const ThreadPool one(1), three(3);
  for (const Mode& mode : Modes()) {
    const double got = SumOfSquares({&one, mode.isa, mode.precision}, g);
    RC_ASSERT(std::abs(got - squares) <= 1e-12 * squares);
    RC_ASSERT(got == SumOfSquares({&three, mode.isa, mode.precision}, g));
  }
}

// The exponential, through softmax: LogSumExp of (x, 0) is log(1 + e^x), so CrossEntropy's gradient of x is e^x / (1 +
// e^x).
TEST(Ops, ExponentialOverItsWholeRange) {
  const ThreadPool pool(1);
  for (const Mode& mode : Modes()) {
    for (float x = -87; x < 0; x += 0.0137f) {
      float logits[2] = {x, 0}, loss = 0;
      const int32_t target = 1;
      const float weight = 1;
      CrossEntropy({&pool, mode.isa, mode.precision}, F32View(std::as_const(logits), 1, 2), {&target, 1}, {&weight, 1},
                   &loss, F32View(logits, 1, 2));
      const double want = std::exp(static_cast<double>(x)) / (1 + std::exp(static_cast<double>(x)));
      EXPECT_NEAR(logits[0] / want, 1, 1e-6) << mode.name << " " << x;
    }
  }
}

// Extreme inputs give limits, not NaN.
TEST(Ops, ActivationsOfExtremeValues) {
  const ThreadPool pool(1);
  for (const Mode& mode : Modes()) {
    for (Activation act : kActivations) {
      const float gate[4] = {-1e30f, -200, 200, 1e30f}, up[4] = {1, 1, 1, 1};
      float out[4], d_gate[4], d_up[4];
      const Runtime rt{&pool, mode.isa, mode.precision};
      GatedActivation(rt, act, F32View(gate, 1, 4), F32View(up, 1, 4), F32View(out, 1, 4));
      EXPECT_EQ(out[0], 0) << mode.name;
      EXPECT_EQ(out[1], 0);
      EXPECT_FLOAT_EQ(out[2], 200);
      EXPECT_FLOAT_EQ(out[3], 1e30f);
      GatedActivationBackward(rt, act, F32View(gate, 1, 3), F32View(up, 1, 3), F32View(up, 1, 3), F32View(d_gate, 1, 3),
                              F32View(d_up, 1, 3));
      EXPECT_NEAR(d_gate[1], 0, 1e-6);
      EXPECT_NEAR(d_gate[2], 1, 1e-6);
    }
  }
}

TEST(Ops, GradientsOfTablesAndBiasesAreSumsOfRows) {
  const ThreadPool pool(3);
  const std::vector<int32_t> ids = {4, 0, 4, 2, 4};
  for (const Mode& mode : Modes()) {
    const Runtime rt{&pool, mode.isa, mode.precision};
    for (const DType type : {DType::kF32, DType::kBF16}) {
      const Matrix d_out = RandomMatrix(type, 5, 150, 7), before = RandomMatrix(DType::kF32, 6, 150, 8);
      Matrix table = CopyOf(before.view(), DType::kF32), want = CopyOf(before.view(), DType::kF32);
      EmbedTokensBackward(rt, d_out.view(), ids, 2, table.view());
      AddRows(rt, d_out.view(), table.view().f32(5));
      ref::EmbedTokensBackward(d_out.view(), ids, 2, want.view());
      ref::AddRows(d_out.view(), want.view().f32(5));
      for (int64_t i = 0; i < 6 * 150; ++i) EXPECT_NEAR(table.view().f32()[i], want.view().f32()[i], 1e-5);
    }
  }
}

TEST(Ops, EmbeddingLooksUpScaledRows) {
  const ThreadPool pool(2);
  const Matrix values = RandomMatrix(DType::kF32, 5, 96, 7);
  const auto table =
      MakeWeight(pool, DType::kF32, 5, 96, {static_cast<const char*>(values.view().data), values.bytes()});
  ASSERT_TRUE(table.has_value()) << table.error().message;
  const std::vector<int32_t> ids = {4, 0, 4};
  for (const Mode& mode : Modes()) {
    Matrix out(DType::kF32, 3, 96);
    EmbedTokens({&pool, mode.isa, mode.precision}, *table, ids, 2, out.view());
    for (int64_t r = 0; r < 3; ++r) {
      for (int64_t c = 0; c < 96; ++c) {
        EXPECT_EQ(out.view().f32(r)[c], 2 * values.view().f32(ids[static_cast<size_t>(r)])[c]);
      }
    }
  }
}

}  // namespace
}  // namespace hew
