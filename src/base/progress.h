// Progress of long work on standard error: a bar with the time left on a terminal, a plain line now and then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace hew {

class Progress {
 public:
  // `quiet` prints nothing. total <= 0: unknown.
  Progress(std::string label, int64_t total, bool quiet = false);
  ~Progress();  // ends the line
  // `note` stands after the bar, e.g. "loss 1.234  612 tok/s". Redraws at most ten times a second.
  void Update(int64_t done, const std::string& note = "");

 private:
  using Clock = std::chrono::steady_clock;
  std::string label_;
  int64_t total_;
  bool quiet_, terminal_, drawn_ = false;
  Clock::time_point start_, last_;
};

std::string HumanDuration(double seconds);  // "45 s", "3 min 10 s", "2 h 5 min"
std::string HumanBytes(uint64_t bytes);     // "98.2 MB"
uint64_t PeakRssBytes();                    // highest resident memory of this process so far

}  // namespace hew
