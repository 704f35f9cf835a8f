// Values and gradients as PyTorch computes them in float64 (tools/golden/kernels.py), on every instruction set.
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "kernels/attention.h"
#include "kernels/ops.h"
#include "kernels/test_util.h"

namespace hew {
namespace {

class Golden {
 public:
  explicit Golden(const std::string& name) {
    const std::string path = std::string(HEW_SOURCE_DIR) + "/tests/golden/kernels/" + name + ".json";
    const Result<std::string> text = ReadFile(path);
    if (!text) throw std::runtime_error(text.error().message);
    json_ = Json::parse(*text);
  }
  template <typename T>
  T Get(const char* key) const {
    return json_.at(key).get<T>();
  }
  std::vector<float> Floats(const char* key) const { return Get<std::vector<float>>(key); }
  Matrix Rows(const char* key, int64_t rows, DType type = DType::kF32) const {
    const std::vector<float> values = Floats(key);
    return CopyOf(F32View(values.data(), rows, static_cast<int64_t>(values.size()) / rows), type);
  }
  void ExpectNear(ConstMatrixView got, const char* key, double tolerance) const {
    EXPECT_LT(Difference(got, Rows(key, got.rows).view()), tolerance) << key;
  }

 private:
  Json json_;
};

class KernelsGolden : public testing::Test {
 protected:
  // Calls fn(runtime, activation type, tolerance) for every mode.
  template <typename Fn>
  void ForModes(const Fn& fn) {
    for (const Mode& mode : Modes()) {
      SCOPED_TRACE(mode.name);
      const Runtime rt{&pool_, mode.isa, mode.precision};
      fn(rt, rt.bf16() ? DType::kBF16 : DType::kF32, rt.bf16() ? 1.5e-2 : 3e-6);
    }
  }
  const ThreadPool pool_{2};
};

TEST_F(KernelsGolden, Attention) {
  for (const char* name : {"attention", "attention_window_softcap"}) {
    SCOPED_TRACE(name);
    const Golden golden(name);
    AttentionShape shape;
    shape.heads = golden.Get<int64_t>("heads");
    shape.kv_heads = golden.Get<int64_t>("kv_heads");
    shape.head_dim = golden.Get<int64_t>("head_dim");
    shape.scale = 1 / std::sqrt(static_cast<float>(shape.head_dim));
    shape.window = golden.Get<int64_t>("window");
    shape.softcap = golden.Get<float>("softcap");
    const auto lengths = golden.Get<std::vector<int64_t>>("lengths");
    int64_t rows = 0;
    for (int64_t n : lengths) rows += n;
    ForModes([&](const Runtime& rt, DType type, double tolerance) {
      const Matrix q = golden.Rows("q", rows, type), k = golden.Rows("k", rows, type), v = golden.Rows("v", rows, type);
      const Matrix d_out = golden.Rows("d_out", rows, type);
      std::vector<AttentionSegment> segments;
      int64_t begin = 0;
      for (int64_t n : lengths) {
        segments.push_back({begin, n, 0, k.view(), v.view(), 0, 0, begin});
        begin += n;
      }
      Matrix out(type, rows, q.view().cols), d_q(type, rows, q.view().cols);
      Matrix d_k(type, rows, k.view().cols), d_v(type, rows, k.view().cols);
      std::vector<float> lse(static_cast<size_t>(rows * shape.heads));
      AttentionForward(rt, shape, q.view(), segments, out.view(), lse.data());
      AttentionBackward(rt, shape, q.view(), segments, out.view(), lse.data(), d_out.view(), d_q.view(), d_k.view(),
                        d_v.view());
      golden.ExpectNear(out.view(), "out", tolerance);
      golden.ExpectNear(d_q.view(), "d_q", tolerance);
      golden.ExpectNear(d_k.view(), "d_k", tolerance);
      golden.ExpectNear(d_v.view(), "d_v", tolerance);
    });
  }
}

TEST_F(KernelsGolden, RmsNorm) {
  const Golden golden("rms_norm");
  const std::vector<float> gain = golden.Floats("gain");
  const float eps = golden.Get<float>("eps");
  ForModes([&](const Runtime& rt, DType type, double tolerance) {
    const Matrix x = golden.Rows("x", 5), d_y = golden.Rows("d_y", 5, type);
    Matrix y(type, 5, 48), d_x(DType::kF32, 5, 48), d_gain(DType::kF32, 1, 48);
    RmsNorm(rt, x.view(), gain.data(), eps, y.view());
    RmsNormBackward(rt, x.view(), gain.data(), eps, d_y.view(), d_x.view(), false, d_gain.view().f32());
    golden.ExpectNear(y.view(), "y", tolerance);
    golden.ExpectNear(d_x.view(), "d_x", tolerance);
    golden.ExpectNear(d_gain.view(), "d_gain", tolerance);
  });
}

TEST_F(KernelsGolden, Rope) {
  for (RopePairing pairing : {RopePairing::kHalves, RopePairing::kInterleaved}) {
    const Golden golden(pairing == RopePairing::kHalves ? "rope_halves" : "rope_interleaved");
    const auto positions = golden.Get<std::vector<int32_t>>("positions");
    const int64_t head_dim = golden.Get<int64_t>("head_dim");
    RopeTable table{512, head_dim / 2, {}, {}};
    for (int64_t p = 0; p < table.positions; ++p) {
      for (int64_t i = 0; i < table.half; ++i) {
        const double angle =
            static_cast<double>(p) * std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
        table.cos.push_back(static_cast<float>(std::cos(angle)));
        table.sin.push_back(static_cast<float>(std::sin(angle)));
      }
    }
    ForModes([&](const Runtime& rt, DType type, double tolerance) {
      Matrix x = golden.Rows("x", 4, type), d = golden.Rows("d_y", 4, type);
      Rope(rt, table, pairing, positions, head_dim, false, x.view());
      Rope(rt, table, pairing, positions, head_dim, true, d.view());
      golden.ExpectNear(x.view(), "y", tolerance);
      golden.ExpectNear(d.view(), "d_x", tolerance);
    });
  }
}

TEST_F(KernelsGolden, GatedActivations) {
  for (auto [name, act] :
       {std::pair{"silu", Activation::kSilu}, {"gelu", Activation::kGelu}, {"gelu_tanh", Activation::kGeluTanh}}) {
    SCOPED_TRACE(name);
    const Golden golden(name);
    ForModes([&](const Runtime& rt, DType type, double tolerance) {
      Matrix gate = golden.Rows("gate", 3, type), up = golden.Rows("up", 3, type), out(type, 3, 50);
      const Matrix d_out = golden.Rows("d_out", 3, type);
      GatedActivation(rt, act, gate.view(), up.view(), out.view());
      golden.ExpectNear(out.view(), "out", tolerance);
      GatedActivationBackward(rt, act, gate.view(), up.view(), d_out.view(), gate.view(), up.view());
      golden.ExpectNear(gate.view(), "d_gate", tolerance);
      golden.ExpectNear(up.view(), "d_up", tolerance);
    });
  }
}

TEST_F(KernelsGolden, CrossEntropy) {
  const Golden golden("cross_entropy");
  const auto targets = golden.Get<std::vector<int32_t>>("targets");
  const std::vector<float> weights = golden.Floats("weights");
  ForModes([&](const Runtime& rt, DType, double) {
    Matrix logits = golden.Rows("logits", 4), loss(DType::kF32, 1, 4), lse(DType::kF32, 1, 4);
    LogSumExp(rt, logits.view(), lse.view().f32());
    CrossEntropy(rt, logits.view(), targets, weights, loss.view().f32(), logits.view());
    golden.ExpectNear(lse.view(), "log_sum_exp", 1e-6);
    golden.ExpectNear(loss.view(), "loss", 1e-6);
    golden.ExpectNear(logits.view(), "d_logits", 3e-6);
  });
}

TEST_F(KernelsGolden, AdamW) {
  const Golden golden("adamw");
  AdamWSettings s;
  s.lr = golden.Get<float>("lr");
  s.beta1 = golden.Get<float>("beta1");
  s.beta2 = golden.Get<float>("beta2");
  s.eps = golden.Get<float>("eps");
  s.weight_decay = golden.Get<float>("weight_decay");
  const std::vector<float> gradients = golden.Floats("gradients");
  ForModes([&](const Runtime& rt, DType, double) {
    std::vector<float> p = golden.Floats("parameter"), m(p.size()), v(p.size());
    const int64_t n = static_cast<int64_t>(p.size());
    for (s.step = 1; s.step <= 3; ++s.step) {
      AdamW(rt, s, {gradients.data() + (s.step - 1) * n, p.size()}, p, m, v);
    }
    golden.ExpectNear(F32View(p.data(), 1, n), "after", 1e-6);
    golden.ExpectNear(F32View(m.data(), 1, n), "first_moment", 1e-6);
    golden.ExpectNear(F32View(v.data(), 1, n), "second_moment", 1e-6);
  });
}

}  // namespace
}  // namespace hew
