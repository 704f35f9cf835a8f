// Progress of long work on standard error: a bar with the time left on a terminal, a plain line now and then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace hew {

class Progress {
 public:
  enum class Unit { kSteps, kBytes };  // kBytes: "12.3 MB/98.4 MB", with the rate
  // `quiet` prints nothing. total <= 0: unknown.
  Progress(std::string label, int64_t total, bool quiet = false, Unit unit = Unit::kSteps);
  ~Progress();  // ends the line
  // `note` stands after the bar, e.g. "loss 1.234  612 tok/s". Redraws at most ten times a second. Rate and time left
  // are those of what was done since the first call.
  void Update(int64_t done, const std::string& note = "");

 private:
  using Clock = std::chrono::steady_clock;
  std::string label_;
  int64_t total_, first_ = 0;  // first_: what was done already at the first call
  bool quiet_, terminal_, drawn_ = false;
  Unit unit_;
  Clock::time_point start_, last_;
};

std::string HumanDuration(double seconds);  // "45 s", "3 min 10 s", "2 h 5 min"
std::string HumanBytes(uint64_t bytes);     // "98.2 MB"
uint64_t PeakRssBytes();                    // highest resident memory of this process so far

}  // namespace hew
