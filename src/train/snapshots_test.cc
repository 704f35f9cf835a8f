#include "train/snapshots.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "train/test_support.h"

namespace hew {
namespace {

using Steps = std::vector<int64_t>;

TEST(Snapshots, AreDenserEarlyAndEndWithTheLastStep) {
  EXPECT_EQ(SnapshotSteps(200, 0), Steps());
  EXPECT_EQ(SnapshotSteps(200, 1), (Steps{0, 200}));
  EXPECT_EQ(SnapshotSteps(3, 8), (Steps{0, 1, 2, 3}));
  EXPECT_EQ(SnapshotSteps(1024, 5), (Steps{0, 4, 16, 64, 256, 1024}));
  for (int64_t total = 1; total < 70; ++total) {
    for (int64_t count = 1; count < 12; ++count) {
      const Steps steps = SnapshotSteps(total, count);
      EXPECT_EQ(steps.front(), 0);
      EXPECT_EQ(steps.back(), total) << count;
      EXPECT_EQ(static_cast<int64_t>(steps.size()), std::min(total, count) + 1) << total << " " << count;
      for (size_t i = 1; i < steps.size(); ++i) EXPECT_LT(steps[i - 1], steps[i]);
    }
  }
}

TEST(Snapshots, AppearWholeOrNotAtAll) {
  const std::string folder = TestFolder("snapshots");
  const auto fill = [](const std::string& text) {
    return [text](const std::string& at) { return WriteFileAtomically(at + "/file", text); };
  };
  EXPECT_TRUE(ListSnapshots(folder).empty());
  ASSERT_TRUE(WriteSnapshot(folder, 12, fill("a")));
  ASSERT_TRUE(WriteSnapshot(folder, 3, fill("b")));
  ASSERT_TRUE(WriteSnapshot(folder, 12, fill("c")));
  EXPECT_FALSE(WriteSnapshot(folder, 40, [](const std::string&) -> Status { return BadInput("no"); }));
  const auto found = ListSnapshots(folder);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].step, 3);
  EXPECT_EQ(found[1].step, 12);
  EXPECT_EQ(*ReadFile(found[1].path + "/file"), "c");
  int entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder + "/snapshots")) ++entries;
  EXPECT_EQ(entries, 2);
}

}  // namespace
}  // namespace hew
