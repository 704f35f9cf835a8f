// What a run has learned at some steps on the way, kept to look at later (hew watch): each a whole adapter or model
// that every command opens. They take no part in the run: it has the same bits without them, and is resumed from its
// checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace hew {

inline constexpr const char* kSnapshotsFolder = "snapshots";

// Step 0 and `count` steps up to the last, more of them early, where most changes: about total^(i / count). All steps
// where there are no more than count; none where count is 0.
std::vector<int64_t> SnapshotSteps(int64_t total_steps, int64_t count);

// Fills OUT/snapshots/step-000016 by `write` under another name first: it appears whole, and replaces one of the same
// step.
Status WriteSnapshot(const std::string& out, int64_t step,
                     const std::function<Status(const std::string& folder)>& write);

struct Snapshot {
  int64_t step = 0;
  std::string path;
};
// Those in FOLDER/snapshots by step; none where there is no such folder.
std::vector<Snapshot> ListSnapshots(const std::string& folder);

}  // namespace hew
