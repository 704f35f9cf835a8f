#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/runtime.h"

namespace hew {
namespace {

TEST(ThreadPool, RunsEveryTaskOnce) {
  for (int threads : {1, 2, 3, 8}) {
    const ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int64_t tasks : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
      pool.Run(tasks, [&](int64_t i) { ++runs[static_cast<size_t>(i)]; });
      for (const auto& count : runs) ASSERT_EQ(count.load(), 1);
    }
  }
}

TEST(ThreadPool, WhatTasksWroteIsThereAfterEachOfManyShortRuns) {
  const ThreadPool pool(4);
  std::vector<int64_t> values(16);  // plain memory: the thread sanitizer sees whether Run orders it
  for (int64_t round = 0; round < 3000; ++round) {
    pool.Run(16, [&](int64_t i) { values[static_cast<size_t>(i)] += i; });
  }
  for (int64_t i = 0; i < 16; ++i) EXPECT_EQ(values[static_cast<size_t>(i)], i * 3000);
}

TEST(ThreadPool, WorkersWakeAfterSleeping) {
  const ThreadPool pool(3);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // long enough for the workers to stop spinning
    std::atomic<int> runs{0};
    pool.Run(50, [&](int64_t) { ++runs; });
    EXPECT_EQ(runs.load(), 50);
  }
}

TEST(ThreadPool, ParallelForCoversTheRangeInPiecesOfTheGrain) {
  for (int threads : {1, 3}) {
    const ThreadPool pool(threads);
    for (int64_t count : {0, 1, 5, 64, 1001}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
      std::atomic<int64_t> smallest{count};
      pool.ParallelFor(count, 16, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
        int64_t least = smallest.load();
        while (end - begin < least && !smallest.compare_exchange_weak(least, end - begin)) {
        }
      });
      for (const auto& times : seen) ASSERT_EQ(times.load(), 1);
      EXPECT_GE(smallest.load(), std::min<int64_t>(count, 16));
    }
  }
}

TEST(ThreadPool, StartsAndStopsWithoutWork) {
  for (int i = 0; i < 20; ++i) ThreadPool pool(4);
  EXPECT_GE(HardwareThreads(), 1);
}

TEST(Runtime, InstructionSetsHaveNames) {
  for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512}) EXPECT_EQ(IsaFromName(NameOf(isa)), isa);
  EXPECT_EQ(IsaFromName("sse9"), std::nullopt);
  EXPECT_TRUE(IsaAvailable(Isa::kScalar));
  EXPECT_TRUE(IsaAvailable(BestIsa()));
  EXPECT_FALSE((Runtime{.pool = nullptr, .isa = Isa::kAvx512, .precision = Precision::kFp32}.bf16()));
  EXPECT_FALSE((Runtime{.pool = nullptr, .isa = Isa::kAvx2, .precision = Precision::kDefault}.bf16()));
  EXPECT_TRUE((Runtime{.pool = nullptr, .isa = Isa::kAvx512, .precision = Precision::kDefault}.bf16()));
}

}  // namespace
}  // namespace hew
