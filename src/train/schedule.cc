#include "train/schedule.h"

#include <algorithm>
#include <cmath>

namespace hew {

std::optional<ScheduleKind> ScheduleFromName(std::string_view name) {
  if (name == "constant") return ScheduleKind::kConstant;
  if (name == "linear") return ScheduleKind::kLinear;
  if (name == "cosine") return ScheduleKind::kCosine;
  return std::nullopt;
}

double Schedule::At(int64_t step) const {
  const auto s = static_cast<double>(step), warmup = static_cast<double>(warmup_steps);
  if (step < warmup_steps) return lr * (s / std::max(1.0, warmup));
  const double left = std::max(1.0, static_cast<double>(total_steps) - warmup);
  const double progress = (s - warmup) / left;
  switch (kind) {
    case ScheduleKind::kConstant:
      return lr;
    case ScheduleKind::kLinear:
      return lr * std::max(0.0, (static_cast<double>(total_steps) - s) / left);
    case ScheduleKind::kCosine:
      return lr * std::max(0.0, 0.5 * (1.0 + std::cos(M_PI * progress)));
  }
  return lr;
}

int64_t WarmupSteps(double warmup, int64_t total_steps) {
  if (warmup < 1) return static_cast<int64_t>(std::ceil(warmup * static_cast<double>(total_steps)));
  return static_cast<int64_t>(warmup);
}

}  // namespace hew
