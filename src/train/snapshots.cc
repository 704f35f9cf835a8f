#include "train/snapshots.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "base/file.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStepPrefix = "step-";

}  // namespace

std::vector<int64_t> SnapshotSteps(int64_t total_steps, int64_t count) {
  std::vector<int64_t> steps;
  if (count <= 0) return steps;
  steps.push_back(0);
  for (int64_t i = 1; i <= count && steps.back() < total_steps; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(count);
    const auto wanted = static_cast<int64_t>(std::llround(std::pow(static_cast<double>(total_steps), share)));
    steps.push_back(std::clamp(wanted, steps.back() + 1, total_steps));
  }
  return steps;
}

Status WriteSnapshot(const std::string& out, int64_t step, const std::function<Status(const std::string&)>& write) {
  const std::string folder = fmt::format("{}/{}/{}{:06}", out, kSnapshotsFolder, kStepPrefix, step);
  const std::string temporary = fmt::format("{}.tmp.{}", folder, ::getpid());
  std::error_code error;
  RemoveLeftovers(folder);
  HEW_RETURN_IF_ERROR(MakeFolder(temporary));
  Status status = write(temporary);
  if (status) {
    fs::remove_all(folder, error);  // a resumed run makes the same again
    status = RenamePath(temporary, folder);
  }
  if (!status) fs::remove_all(temporary, error);
  return status;
}

std::vector<Snapshot> ListSnapshots(const std::string& folder) {
  std::vector<Snapshot> snapshots;
  std::error_code error;
  for (fs::directory_iterator at(folder + "/" + kSnapshotsFolder, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(kStepPrefix)) continue;
    Snapshot snapshot{0, at->path().string()};
    const char* last = name.data() + name.size();
    const auto [stop, failed] = std::from_chars(name.data() + kStepPrefix.size(), last, snapshot.step);
    if (failed == std::errc() && stop == last) snapshots.push_back(std::move(snapshot));
  }
  std::sort(snapshots.begin(), snapshots.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
  return snapshots;
}

}  // namespace hew
