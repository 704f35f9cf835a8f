// Well-known runs, with what was published about them; sources stand in docs/plan.md.
#pragma once

#include <string>
#include <vector>

#include "studio/plan_shape.h"

namespace hew {

// A machine to train on. Peak: 16-bit matrix products with 32-bit sums, dense, in flop/s, as its maker states it.
struct PlanDevice {
  std::string name;
  double peak = 0;
  double utilization = 0;     // share of the peak that large runs were reported to reach
  double price_per_hour = 0;  // US dollars for one
  double memory_bytes = 0;
};

const std::vector<PlanDevice>& PlanDevices();  // v100, a100, h100, h200
const PlanDevice* FindDevice(const std::string& name);

struct PublishedFigure {
  std::string what;  // "flops", "device hours", "dollars", "hours", "parameters"
  double value = 0;
  std::string source;  // short; docs/plan.md has it in full
};

struct PlanPreset {
  std::string name;
  PlanShape shape;
  double tokens = 0;
  // What it was (or was said to have been) trained on; "" if that is not known.
  std::string device;
  int64_t devices = 1;
  double utilization = 0, price_per_hour = 0;  // 0: the device's
  std::vector<PublishedFigure> published;
};

const std::vector<PlanPreset>& PlanPresets();
const PlanPreset* FindPreset(const std::string& name);

}  // namespace hew
