#include "kernels/machine_peak.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <vector>

#include "kernels/cpu/peak_loops.h"
#include "tensor/buffer.h"

namespace hew {
namespace {

constexpr double kLoopSeconds = 0.020;
constexpr int64_t kPieceIterations = 20000;  // a few dozen microseconds

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

const PeakLoops& LoopsFor(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return avx512::kPeakLoops;
  if (isa == Isa::kAvx2) return avx2::kPeakLoops;
#endif
  (void)isa;
  return scalar::kPeakLoops;
}

// Operations a second, in units of 1e9: every thread keeps its best piece, because others may use the machine as well.
double MeasureLoop(const ThreadPool& pool, double (*loop)(int64_t)) {
  if (loop == nullptr) return 0;
  const int threads = pool.threads();
  std::vector<double> best(static_cast<size_t>(threads), 0);
  std::atomic<int> arrived{0};
  pool.Run(threads, [&](int64_t task) {
    // Wait for the others, but not for ever: a thread may be held up, and then takes its turn afterwards.
    arrived.fetch_add(1);
    const double start = Now();
    while (arrived.load() < threads && Now() - start < kLoopSeconds) {
    }
    double& rate = best[static_cast<size_t>(task)];
    for (double begin = Now(), now = begin; now - begin < kLoopSeconds;) {
      const double operations = loop(kPieceIterations);
      const double end = Now();
      rate = std::max(rate, operations / (end - now) * 1e-9);
      now = end;
    }
  });
  double sum = 0;
  for (double rate : best) sum += rate;
  return sum;
}

double MeasureRead(const ThreadPool& pool, uint64_t (*read)(const void*, int64_t)) {
  constexpr int64_t kPiece = int64_t{1} << 20;
  const int64_t cache = ::sysconf(_SC_LEVEL3_CACHE_SIZE);  // 0 or -1 where unknown
  const int64_t pieces = std::clamp<int64_t>(4 * cache / kPiece, 64, 512);
  Buffer buffer(static_cast<size_t>(pieces * kPiece));
  pool.Run(pieces, [&](int64_t i) { std::memset(buffer.data() + i * kPiece, static_cast<int>(i), kPiece); });
  std::atomic<uint64_t> sum{0};
  double best = 0;
  for (int pass = 0; pass < 4; ++pass) {
    const double start = Now();
    pool.Run(pieces, [&](int64_t i) { sum.fetch_add(read(buffer.data() + i * kPiece, kPiece), std::memory_order_relaxed); });
    best = std::max(best, static_cast<double>(pieces * kPiece) / (Now() - start) * 1e-9);
  }
  volatile uint64_t sink = sum.load();
  (void)sink;
  return best;
}

}  // namespace

MachinePeak MeasureMachine(const Runtime& rt) {
  const PeakLoops& loops = LoopsFor(rt.isa);
  return {.fp32_gflops = MeasureLoop(*rt.pool, loops.fp32),
          .bf16_gflops = MeasureLoop(*rt.pool, loops.bf16),
          .int8_gops = MeasureLoop(*rt.pool, loops.int8),
          .read_gbps = MeasureRead(*rt.pool, loops.read)};
}

double MeasureProductPeak(const Runtime& rt) {
  const PeakLoops& loops = LoopsFor(rt.isa);
  return MeasureLoop(*rt.pool, rt.bf16() ? loops.bf16 : loops.fp32);
}

}  // namespace hew
