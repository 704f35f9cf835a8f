#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace hew {
namespace {

// Factors of transformers.get_*_schedule_with_warmup(num_warmup_steps=4, num_training_steps=20), from
// Transformers 4.57.
TEST(Schedule, FollowsTransformers) {
  const double linear[] = {0, 0.25, 0.5, 0.75, 1, 0.9375, 0.875, 0.8125};
  const Schedule line{ScheduleKind::kLinear, 1, 4, 20}, cosine{ScheduleKind::kCosine, 1, 4, 20},
      constant{ScheduleKind::kConstant, 1, 4, 20};
  for (int64_t step = 0; step < 8; ++step) EXPECT_DOUBLE_EQ(line.At(step), linear[step]) << step;
  EXPECT_DOUBLE_EQ(line.At(19), 0.0625);
  EXPECT_DOUBLE_EQ(line.At(20), 0);
  EXPECT_DOUBLE_EQ(line.At(25), 0);
  EXPECT_DOUBLE_EQ(cosine.At(3), 0.75);
  EXPECT_DOUBLE_EQ(cosine.At(4), 1);
  EXPECT_NEAR(cosine.At(8), 0.8535533905932737, 1e-15);
  EXPECT_NEAR(cosine.At(12), 0.5, 1e-15);
  EXPECT_NEAR(cosine.At(19), 0.009607359798384785, 1e-15);
  EXPECT_DOUBLE_EQ(constant.At(1), 0.25);
  EXPECT_DOUBLE_EQ(constant.At(19), 1);
}

TEST(Schedule, WithoutWarmupItBeginsAtTheWholeRate) {
  EXPECT_DOUBLE_EQ((Schedule{ScheduleKind::kLinear, 5e-4, 0, 10}).At(0), 5e-4);
  EXPECT_DOUBLE_EQ((Schedule{ScheduleKind::kCosine, 5e-4, 0, 10}).At(0), 5e-4);
}

TEST(Schedule, WarmupAsShareOrSteps) {
  EXPECT_EQ(WarmupSteps(0, 100), 0);
  EXPECT_EQ(WarmupSteps(0.03, 225), 7);
  EXPECT_EQ(WarmupSteps(10, 225), 10);
}

}  // namespace
}  // namespace hew
