#include "base/memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "base/test_folder.h"

namespace hew {
namespace {

// A machine as /proc and /sys show it, with 1000 kB available.
class Machine {
 public:
  Machine() {
    for (const char* folder : {"/proc/self", "/sys/fs/cgroup/memory/job", "/sys/fs/cgroup/a/b"}) {
      std::filesystem::create_directories(folder_.path() + folder);
    }
    Put("proc/meminfo", "MemTotal: 4000 kB\nMemFree: 10 kB\nMemAvailable:   1000 kB\n");
  }
  void Put(const std::string& name, const std::string& text) { folder_.Put(name, text); }
  uint64_t Available() const { return AvailableMemoryBytes(folder_.path()); }

 private:
  TestFolder folder_;
};

TEST(AvailableMemory, IsWhatTheSystemHas) { EXPECT_EQ(Machine().Available(), 1'024'000u); }

TEST(AvailableMemory, IsBoundByGroupsOfVersion2AndThoseAround) {
  Machine machine;
  machine.Put("proc/self/cgroup", "0::/a/b\n");
  machine.Put("sys/fs/cgroup/a/b/memory.max", "max\n");
  machine.Put("sys/fs/cgroup/a/b/memory.current", "5000\n");
  EXPECT_EQ(machine.Available(), 1'024'000u);
  machine.Put("sys/fs/cgroup/a/memory.max", "9000\n");
  machine.Put("sys/fs/cgroup/a/memory.current", "8000\n");
  EXPECT_EQ(machine.Available(), 1000u);
  machine.Put("sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 3000\nactive_file 500\n");
  EXPECT_EQ(machine.Available(), 4500u);
  machine.Put("sys/fs/cgroup/a/memory.current", "12000\n");
  EXPECT_EQ(machine.Available(), 500u);
}

TEST(AvailableMemory, IsBoundByGroupsOfVersion1) {
  Machine machine;
  machine.Put("proc/self/cgroup", "5:cpu:/x\n4:memory:/job\n0::/\n");
  machine.Put("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "9000");
  machine.Put("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "8000");
  machine.Put("sys/fs/cgroup/memory/job/memory.stat", "inactive_file 1\ntotal_inactive_file 700\n");
  EXPECT_EQ(machine.Available(), 1700u);
}

TEST(AvailableMemory, OfThisMachineIsSomething) {
  EXPECT_GT(AvailableMemoryBytes(), 1u << 20);
  const uint64_t before = ResidentBytes();
  EXPECT_GT(before, 1u << 20);
  const std::vector<char> taken(64 << 20, 1);
  EXPECT_GE(ResidentBytes(), before + (60 << 20));
}

}  // namespace
}  // namespace hew
