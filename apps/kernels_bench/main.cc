// kernels_bench [threads] [isa]: products of the sizes of SmolLM2-135M as a share of what the machine can do.
// Best of many repetitions, so that what else runs on the machine counts little.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/linear.h"
#include "kernels/machine_peak.h"
#include "tensor/codec.h"

namespace hew {
namespace {

// One thread is timed by the processor time it used, several by the clock on the wall.
double Now(bool alone) {
  timespec t;
  clock_gettime(alone ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// Seconds of the fastest call within about `budget` seconds.
double Best(const Runtime& rt, double budget, const std::function<void()>& fn) {
  const bool alone = rt.pool->threads() == 1;
  fn();
  double best = 1e9;
  for (const double begin = Now(alone); Now(alone) - begin < budget;) {
    const double start = Now(alone);
    fn();
    best = std::min(best, Now(alone) - start);
  }
  return best;
}

Weight MakeRandom(const ThreadPool& pool, DType type, int64_t rows, int64_t cols) {
  static BufferArena arena;
  std::string bytes(static_cast<size_t>(rows * RowBytes(type, cols)), '\x11');  // finite in every type
  Random random{1, 1, 0};
  for (size_t i = 0; i < bytes.size(); i += 3) bytes[i] = static_cast<char>(random.Next32() & 0x33);
  return MakeWeight(pool, type, rows, cols, bytes, nullptr, &arena).value();
}

void Gemm(const Runtime& rt, double peak, DType type, int64_t m, int64_t k, int64_t n) {
  const Weight w = MakeRandom(*rt.pool, type, n, k);
  const DType activation = rt.bf16() ? DType::kBF16 : DType::kF32;
  Matrix x(activation, m, k), y(activation, m, n), c(DType::kF32, n, k);
  const LinearTerm forward = {x.view(), &w}, backward = {y.view(), &w};
  const double flops = 2.0 * static_cast<double>(m * k * n) * 1e-9;
  const auto show = [&](const char* what, double seconds) {
    fmt::print("{:5} {:<9} M {:4} K {:4} N {:5}  {:7.1f} Gflop/s  {:5.1f}% of peak\n", NameOf(type), what, m, k, n,
               flops / seconds, 100 * flops / seconds / peak);
  };
  show("forward", Best(rt, 0.2, [&] { Linear(rt, {&forward, 1}, nullptr, y.view()); }));
  show("backward", Best(rt, 0.2, [&] { LinearInputGradient(rt, {&backward, 1}, x.view()); }));
  if (type == DType::kF32)
    show("outer", Best(rt, 0.2, [&] { OuterProductGradient(rt, y.view(), x.view(), 1.0f, c.view()); }));
}

void FewRows(const Runtime& rt, double peak, DType type, int64_t m, int64_t k, int64_t n, int64_t copies) {
  std::vector<Weight> weights;  // together larger than the caches
  for (int64_t i = 0; i < copies; ++i) weights.push_back(MakeRandom(*rt.pool, type, n, k));
  Matrix x(DType::kF32, m, k), y(DType::kF32, m, n);
  double bytes = 0;
  for (const Weight& w : weights) bytes += static_cast<double>(w.data.size()) * 1e-9;
  const double seconds = Best(rt, 0.3, [&] {
    for (const Weight& w : weights) {
      const LinearTerm term = {x.view(), &w};
      Linear(rt, {&term, 1}, nullptr, y.view());
    }
  });
  fmt::print("{:5} few rows  M {:4} K {:4} N {:5}  {:7.1f} GB/s     {:5.1f}% of peak\n", NameOf(type), m, k, n,
             bytes / seconds, 100 * bytes / seconds / peak);
}

}  // namespace
}  // namespace hew

int main(int argc, char** argv) {
  using namespace hew;
  const int threads = argc > 1 ? std::atoi(argv[1]) : HardwareThreads();
  const Isa isa = argc > 2 ? IsaFromName(argv[2]).value_or(BestIsa()) : BestIsa();
  const std::string only = argc > 3 ? argv[3] : "";  // "gemm" or "few"
  const ThreadPool pool(std::clamp(threads, 1, 1024));
  const Runtime rt = {&pool, isa, Precision::kDefault};
  const MachinePeak peak = MeasureMachine(rt);
  fmt::print("{} threads, {}: fp32 {:.0f} Gflop/s, bf16 {:.0f} Gflop/s, int8 {:.0f} Gop/s, read {:.1f} GB/s\n", threads,
             NameOf(isa), peak.fp32_gflops, peak.bf16_gflops, peak.int8_gops, peak.read_gbps);
  const double limit = rt.bf16() ? peak.bf16_gflops : peak.fp32_gflops;
  if (only != "few") {
    for (DType type : {DType::kQ4_1, DType::kQ8_0, DType::kF32}) {
      for (auto [k, n] : {std::pair{576, 1536}, {1536, 576}, {576, 576}}) Gemm(rt, limit, type, 512, k, n);
    }
    Gemm(rt, limit, DType::kQ4_1, 64, 576, 1536);
    Gemm(rt, limit, DType::kBF16, 512, 576, 16);
    Gemm(rt, limit, DType::kF32, 512, 576, 16);
    Gemm(rt, limit, DType::kF32, 512, 16, 1536);
  }
  if (only != "gemm") {
    for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                       DType::kQ5_1}) {
      FewRows(rt, peak.read_gbps, type, 1, 576, 1536, 96);
    }
    for (DType type : {DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K})
      FewRows(rt, peak.read_gbps, type, 1, 2048, 1024, 40);
    FewRows(rt, peak.read_gbps, DType::kQ8_0, 1, 576, 49152, 2);
    FewRows(rt, peak.read_gbps, DType::kQ4_1, 1, 576, 576, 256);
    for (int64_t m : {2, 4, 8}) FewRows(rt, peak.read_gbps, DType::kQ4_1, m, 576, 1536, 96);
  }
  return 0;
}
