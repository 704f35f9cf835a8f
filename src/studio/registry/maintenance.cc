#include "studio/registry/maintenance.h"

#include <algorithm>
#include <filesystem>
#include <set>

namespace hew {
namespace {

namespace fs = std::filesystem;

Status CheckDatabase(const Workspace& workspace, VerifyReport* report) {
  for (const char* pragma : {"PRAGMA integrity_check", "PRAGMA foreign_key_check"}) {
    HEW_ASSIGN(auto row, workspace.registry().database().Query(pragma));
    while (true) {
      HEW_ASSIGN(const bool more, row.Step());
      if (!more) break;
      if (row.Text(0) != "ok") report->faults.push_back(fmt::format("registry.db: {}", row.Text(0)));
    }
  }
  return {};
}

}  // namespace

Result<VerifyReport> Verify(const Workspace& workspace, const std::function<void(int64_t, int64_t)>& on_object) {
  VerifyReport report;
  HEW_RETURN_IF_ERROR(CheckDatabase(workspace, &report));
  HEW_ASSIGN(const auto referenced, workspace.registry().ReferencedObjects());
  std::set<std::string> damaged;
  for (const auto& digest : referenced) {
    if (const auto checked = workspace.objects().Check(digest); !checked) {
      damaged.insert(digest);
      report.faults.push_back(checked.error().message);
    } else {
      std::error_code error;
      report.bytes += fs::file_size(workspace.objects().PathOf(digest), error);
    }
    report.objects += 1;
    if (on_object) on_object(report.objects, static_cast<int64_t>(referenced.size()));
  }
  HEW_ASSIGN(const auto ids, workspace.registry().Ids());
  std::set<std::string> bases;
  for (const int64_t id : ids) {
    HEW_ASSIGN(const Version version, workspace.registry().Get(id));
    report.versions += 1;
    for (const auto& file : version.files) {
      if (damaged.contains(file.digest))
        report.faults.push_back(fmt::format("{}: {}: damaged or missing", version.Label(), file.name));
    }
    for (const auto& input : version.data) {
      if (damaged.contains(input.digest))
        report.faults.push_back(fmt::format("{}: {}: damaged or missing", version.Label(), input.path));
    }
    if (version.base.empty() || !bases.insert(version.base).second) continue;
    if (const auto path = workspace.BasePath(version.base); !path) report.faults.push_back(path.error().message);
  }
  return report;
}

Result<GcReport> CollectGarbage(const Workspace& workspace, bool only_say) {
  HEW_ASSIGN(const auto lock, ObjectLock::Take(workspace, ObjectLock::Kind::kAlone));
  HEW_ASSIGN(const auto referenced, workspace.registry().ReferencedObjects());
  const std::set<std::string> needed(referenced.begin(), referenced.end());
  HEW_ASSIGN(const auto names, workspace.objects().List());
  GcReport report;
  for (const auto& name : names) {
    if (needed.contains(name)) continue;
    report.removed += 1;
    std::error_code error;
    const uint64_t bytes = fs::file_size(workspace.objects().PathOf(name), error);
    report.bytes += error ? 0 : bytes;
    if (!only_say) HEW_RETURN_IF_ERROR(workspace.objects().Remove(name));
  }
  // Links cost nothing by themselves, but keep removed objects' bytes on the disk.
  if (only_say) return report;
  std::error_code error;
  for (fs::directory_iterator at(workspace.Path("versions"), error), end; !error && at != end; at.increment(error)) {
    fs::remove_all(at->path(), error);
  }
  return report;
}

}  // namespace hew
