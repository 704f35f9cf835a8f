// Training in a workspace: in .hew/runs/ unless --out says where, recorded as a version when whole.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/setting_flags.h"
#include "studio/registry/record.h"
#include "train/tune.h"

namespace hew {

struct WorkspaceRun {
  std::string name, parent_name;  // --name, --parent; a resumed run brings its own
  std::optional<Workspace> workspace;
  std::optional<int64_t> parent;
  std::optional<ObjectLock> lock;  // held from the reading of the data to the record
  std::vector<DataInput> inputs;
  bool own_folder = false;  // in .hew/runs/
};

// Finds the workspace, and of a run to be resumed its folder (into options->resume_folder) and how it was begun.
Status FindWorkspace(SettingFlags* options, WorkspaceRun* run);
// Where flags and recipe leave it open, the workspace says what to train on, from what, and where.
Status PlanInWorkspace(const SettingFlags& options, TuneSettings* settings, WorkspaceRun* run);
// Keeps the inputs as they are now, and how to go on if the run is stopped.
Status BeginInWorkspace(const TuneSettings& settings, WorkspaceRun* run);
// The same for hew pretrain, whose version is a model of its own.
Status PlanPretrainInWorkspace(const SettingFlags& options, TuneSettings* settings, WorkspaceRun* run);
Result<std::optional<int64_t>> EndPretrainInWorkspace(const Runtime& rt, const TuneSettings& settings,
                                                      WorkspaceRun* run, TuneReport* report);
// Records the version; nullopt outside a workspace. A folder of its own goes away: `report` names the version's.
Result<std::optional<int64_t>> EndInWorkspace(const Runtime& rt, const TuneRequest& request, WorkspaceRun* run,
                                              TuneReport* report);

}  // namespace hew
