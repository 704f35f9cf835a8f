// A pool that runs one function over a range of indices. Idle threads spin for a bounded number of pauses, then sleep
// on a futex, so that short kernels start quickly and an oversubscribed machine does not collapse.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace hew {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // threads >= 1; the caller of Run is one of them
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls fn(task) for every task in [0, tasks), tasks handed out in order to whichever thread is free; returns when
  // all are done. Not reentrant: fn must not call Run. What a task computes must not depend on the thread it runs on.
  void Run(int64_t tasks, const std::function<void(int64_t)>& fn) const;

  // Cuts [0, count) into at most threads() * 4 pieces of at least `grain` and calls fn(begin, end) on each. Only for work
  // whose result does not depend on where the cuts are.
  void ParallelFor(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& fn) const;

 private:
  void Work();
  void Drain() const noexcept;

  mutable std::atomic<uint32_t> generation_{0};
  mutable std::atomic<int64_t> next_{0};
  mutable std::atomic<int> running_{0};
  mutable const std::function<void(int64_t)>* fn_ = nullptr;
  mutable int64_t tasks_ = 0;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

int HardwareThreads();

}  // namespace hew
