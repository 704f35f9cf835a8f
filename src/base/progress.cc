#include "base/progress.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace hew {

Progress::Progress(std::string label, int64_t total, bool quiet, Unit unit)
    : label_(std::move(label)),
      total_(total),
      quiet_(quiet),
      terminal_(isatty(STDERR_FILENO) == 1),
      unit_(unit),
      start_(Clock::now()) {}

Progress::~Progress() {
  if (drawn_ && terminal_) std::fputc('\n', stderr);
}

void Progress::Update(int64_t done, const std::string& note) {
  if (quiet_) return;
  const auto now = Clock::now();
  const auto interval = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  const bool last = total_ > 0 && done >= total_;
  if (drawn_ && !last && now - last_ < interval) return;
  last_ = now;
  if (!drawn_) {
    first_ = done;
    start_ = now;
  }
  drawn_ = true;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double rate = elapsed > 0 ? static_cast<double>(done - first_) / elapsed : 0;
  const auto amount = [&](int64_t n) {
    return unit_ == Unit::kBytes ? HumanBytes(static_cast<uint64_t>(n)) : fmt::format("{}", n);
  };
  std::string line = label_;
  if (total_ > 0) {
    const double share = std::clamp(static_cast<double>(done) / static_cast<double>(total_), 0.0, 1.0);
    if (terminal_) {
      const int full = static_cast<int>(share * 24);
      line += " [" + std::string(full, '=') + std::string(24 - full, ' ') + "]";
    }
    line += fmt::format(" {}/{} {:3.0f}%", amount(done), amount(total_), share * 100);
    if (rate > 0 && share < 1) line += "  " + HumanDuration(static_cast<double>(total_ - done) / rate) + " left";
  } else {
    line += " " + amount(done);
  }
  if (unit_ == Unit::kBytes && rate > 0) line += "  " + HumanBytes(static_cast<uint64_t>(rate)) + "/s";
  if (!note.empty()) line += "  " + note;
  if (terminal_) {
    fmt::print(stderr, "\r\033[K{}", line);
    std::fflush(stderr);
  } else {
    fmt::print(stderr, "{}\n", line);
  }
}

std::string HumanDuration(double seconds) {
  const auto s = static_cast<int64_t>(seconds + 0.5);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
  return fmt::format("{} h {} min", s / 3600, s % 3600 / 60);
}

std::string HumanBytes(uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  int unit = 0;
  while (value >= 999.95 && unit < 4) {  // 999.95 would be shown as 1000.0
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, units[unit]);
}

uint64_t PeakRssBytes() {
  // VmHWM begins anew with this program; ru_maxrss is handed down by whoever started it, however large that was.
  if (std::FILE* status = std::fopen("/proc/self/status", "r")) {
    char line[256];
    unsigned long long kilobytes = 0;
    while (std::fgets(line, sizeof line, status) && std::sscanf(line, "VmHWM: %llu kB", &kilobytes) != 1) {
    }
    std::fclose(status);
    if (kilobytes > 0) return kilobytes * 1024;
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace hew
