#include "base/memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

namespace hew {
namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

std::optional<uint64_t> ReadNumber(const std::string& path) {
  std::ifstream in(path);
  uint64_t value = 0;
  if (in >> value) return value;  // "max" is none
  return std::nullopt;
}

// The number behind `key` in a file of lines "KEY NUMBER ..." or "KEY: NUMBER kB", as it stands there.
std::optional<uint64_t> ReadKey(const std::string& path, const std::string& key) {
  std::ifstream in(path);
  std::string line, word;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    uint64_t value = 0;
    if (words >> word && word == key && words >> value) return value;
  }
  return std::nullopt;
}

// What one control group leaves: its limit less what is used and cannot be taken back.
uint64_t LeftInGroup(const std::string& folder, const char* limit_name, const char* usage_name) {
  const auto limit = ReadNumber(folder + "/" + limit_name), usage = ReadNumber(folder + "/" + usage_name);
  if (!limit || !usage) return kUnlimited;
  // v1 counts the groups inside it under "total_..." only, v2 always.
  uint64_t cache = 0;
  for (const std::string name : {"inactive_file", "active_file"}) {
    const std::string stat = folder + "/memory.stat";
    const auto total = ReadKey(stat, "total_" + name);
    cache += total ? *total : ReadKey(stat, name).value_or(0);
  }
  const uint64_t used = *usage - std::min(*usage, cache);
  return *limit - std::min(*limit, used);
}

// The same for a group and all those around it. In a container the path of /proc/self/cgroup may not be there; the
// container's own limit then stands at the top.
uint64_t LeftInGroups(const std::string& top, std::string path, const char* limit_name, const char* usage_name) {
  uint64_t left = LeftInGroup(top, limit_name, usage_name);
  while (path.size() > 1) {
    left = std::min(left, LeftInGroup(top + path, limit_name, usage_name));
    path.resize(path.rfind('/'));
  }
  return left;
}

uint64_t LeftInControlGroups(const std::string& root) {
  uint64_t left = kUnlimited;
  std::ifstream in(root + "/proc/self/cgroup");
  std::string line;
  while (std::getline(in, line)) {  // "0::/a/b", "4:memory:/a/b"
    const size_t first = line.find(':'), second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos || line.find("..") != line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty()) {
      left = std::min(left, LeftInGroups(root + "/sys/fs/cgroup", path, "memory.max", "memory.current"));
    } else if (controllers == "memory") {
      left = std::min(left, LeftInGroups(root + "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes",
                                         "memory.usage_in_bytes"));
    }
  }
  return left;
}

uint64_t LeftOfAddressSpace(const std::string& root) {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnlimited;
  const uint64_t used = ReadKey(root + "/proc/self/status", "VmSize:").value_or(0) * 1024;
  return limit.rlim_cur - std::min<uint64_t>(limit.rlim_cur, used);
}

}  // namespace

uint64_t AvailableMemoryBytes(const std::string& root) {
  const auto kilobytes = ReadKey(root + "/proc/meminfo", "MemAvailable:");
  const uint64_t system = kilobytes ? *kilobytes * 1024 : kUnlimited;
  return std::min({system, LeftInControlGroups(root), LeftOfAddressSpace(root)});
}

uint64_t ResidentBytes() { return ReadKey("/proc/self/status", "VmRSS:").value_or(0) * 1024; }

}  // namespace hew
