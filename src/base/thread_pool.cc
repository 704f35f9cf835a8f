#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <system_error>

namespace hew {
namespace {

constexpr int kSpins = 2000;  // about 20 microseconds: longer than the gap between two kernels of a layer

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { Work(); });
  } catch (const std::system_error&) {
    // A machine that gives no more threads is slower, and gives the same results.
  }
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  generation_.fetch_add(1);
  generation_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::Drain() const noexcept {
  for (int64_t task; (task = next_.fetch_add(1)) < tasks_;) (*fn_)(task);
}

void ThreadPool::Work() {
  uint32_t seen = 0;
  for (;;) {
    uint32_t now = generation_.load(std::memory_order_acquire);
    for (int spin = 0; now == seen && spin < kSpins; ++spin) {
      Pause();
      now = generation_.load(std::memory_order_acquire);
    }
    if (now == seen) {
      generation_.wait(seen);
      continue;
    }
    seen = now;
    if (stop_.load()) return;
    Drain();
    if (running_.fetch_sub(1) == 1) running_.notify_one();
  }
}

void ThreadPool::Run(int64_t tasks, const std::function<void(int64_t)>& fn) const {
  if (workers_.empty() || tasks <= 1) {
    for (int64_t task = 0; task < tasks; ++task) fn(task);
    return;
  }
  fn_ = &fn;
  tasks_ = tasks;
  next_.store(0);
  running_.store(static_cast<int>(workers_.size()));
  generation_.fetch_add(1);
  generation_.notify_all();
  Drain();
  for (int spin = 0; running_.load() != 0 && spin < kSpins; ++spin) Pause();
  for (int left; (left = running_.load()) != 0;) running_.wait(left);
}

void ThreadPool::ParallelFor(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& fn) const {
  const int64_t pieces = std::clamp<int64_t>(count / std::max<int64_t>(grain, 1), 1, int64_t{threads()} * 4);
  Run(pieces, [&](int64_t i) { fn(count * i / pieces, count * (i + 1) / pieces); });
}

int HardwareThreads() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace hew
