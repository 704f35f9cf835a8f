// Learning rates over a run, as Transformers' get_constant_schedule_with_warmup, get_linear_schedule_with_warmup and
// get_cosine_schedule_with_warmup give them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hew {

enum class ScheduleKind { kConstant, kLinear, kCosine };
std::optional<ScheduleKind> ScheduleFromName(std::string_view name);

struct Schedule {
  ScheduleKind kind = ScheduleKind::kLinear;
  double lr = 0;
  int64_t warmup_steps = 0, total_steps = 0;

  // The rate of step `step` (0 is the first): rises from 0 over the warm-up, then is constant, falls in a line to 0 at
  // total_steps, or along half a cosine.
  double At(int64_t step) const;
};

// `warmup` below 1 is a share of all steps (rounded up), else a number of steps.
int64_t WarmupSteps(double warmup, int64_t total_steps);

}  // namespace hew
