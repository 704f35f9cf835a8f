#include "cli/workspace_run.h"

#include <filesystem>

#include "base/file.h"
#include "base/json.h"

namespace hew {
namespace {

constexpr const char* kOriginFile = "hew_origin.json";  // what a resumed run was begun with, beside its settings

Status ReadOrigin(const std::string& folder, WorkspaceRun* run) {
  if (!std::filesystem::exists(folder + "/" + kOriginFile)) return {};
  HEW_ASSIGN(const std::string text, ReadFile(folder + "/" + kOriginFile, 1 << 20));
  HEW_ASSIGN(const Json origin, ParseJson(text, folder + "/" + kOriginFile));
  if (run->name.empty()) run->name = origin.value("name", "");
  if (run->parent_name.empty()) run->parent_name = origin.value("parent", "");
  return {};
}

// The version has all of a run that ended in a folder of its own.
Status LeaveRunFolder(int64_t id, const std::string& out, WorkspaceRun* run, TuneReport* report) {
  std::error_code error;
  std::filesystem::remove(out + "/" + kOriginFile, error);
  if (!run->own_folder) return {};
  HEW_ASSIGN(const Version version, run->workspace->registry().Get(id));
  HEW_ASSIGN(report->folder, run->workspace->Checkout(version));
  HEW_RETURN_IF_ERROR(KeepSnapshots(*run->workspace, version, out));
  std::filesystem::remove_all(out, error);
  return {};
}

}  // namespace

Status FindWorkspace(SettingFlags* options, WorkspaceRun* run) {
  HEW_ASSIGN(run->workspace, Workspace::Find());
  if (!run->workspace || !options->resume) return {};
  const auto out = options->texts.find("out");
  if (out != options->texts.end() && !out->second.empty()) return ReadOrigin(out->second[0], run);
  HEW_ASSIGN(options->resume_folder, run->workspace->UnfinishedRun(run->name));
  return ReadOrigin(options->resume_folder, run);
}

Status PlanInWorkspace(const SettingFlags& options, TuneSettings* settings, WorkspaceRun* run) {
  if (!run->workspace) {
    if (!run->name.empty() || !run->parent_name.empty()) {
      return BadInput("{}: expected a workspace (hew init) around this folder, found none",
                      run->name.empty() ? "--parent" : "--name");
    }
    return {};
  }
  Workspace& workspace = *run->workspace;
  if (!run->parent_name.empty()) {
    HEW_ASSIGN(const Version parent, workspace.Open(run->parent_name));
    if (parent.kind == VersionKind::kModel)
      return BadInput("--parent {}: expected a version with an adapter, found a whole model: name it with --base",
                      run->parent_name);
    if (options.resume) settings->init_adapter = "";  // the parent's, as its recipe has it
    if (!settings->init_adapter.empty())
      return BadInput("--parent: expected no --init-adapter beside it, found {}", settings->init_adapter);
    run->parent = parent.id;
    HEW_ASSIGN(settings->base, workspace.BasePath(parent.base));
    if (parent.kind == VersionKind::kAdapter) {
      HEW_ASSIGN(settings->init_adapter, workspace.Checkout(parent));
    }
  }
  if (settings->base.empty()) {
    HEW_ASSIGN(settings->base, workspace.DefaultBase());
  } else {
    HEW_ASSIGN(const ModelRef ref, ResolveModel(settings->base));
    if (!ref.adapters.empty())
      return BadInput("--base {}: expected a model, found a version with an adapter: go on from it with --parent",
                      settings->base);
    settings->base = ref.path;
  }
  if (settings->out.empty()) {
    run->own_folder = true;
    if (options.resume) {
      settings->out = options.resume_folder;
    } else {
      HEW_ASSIGN(settings->out, workspace.NewRunFolder(run->name));
    }
  }
  return {};
}

Status BeginInWorkspace(const TuneSettings& settings, WorkspaceRun* run) {
  if (!run->workspace) return {};
  HEW_ASSIGN(auto lock, ObjectLock::Take(*run->workspace, ObjectLock::Kind::kShared));
  run->lock.emplace(std::move(lock));
  HEW_ASSIGN(run->inputs, StoreInputs(*run->workspace, settings, run->parent.has_value()));
  HEW_RETURN_IF_ERROR(MakeFolder(settings.out));
  const Json origin = {{"name", run->name}, {"parent", run->parent ? fmt::format("v{}", *run->parent) : ""}};
  return WriteFileAtomically(settings.out + "/" + kOriginFile, DumpJson(origin) + "\n");
}

Result<std::optional<int64_t>> EndInWorkspace(const Runtime& rt, const TuneRequest& request, WorkspaceRun* run,
                                              TuneReport* report) {
  if (!run->workspace) return std::optional<int64_t>();
  const std::string& out = request.settings.out;
  HEW_ASSIGN(const int64_t id,
             RecordTune(*run->workspace, rt,
                        {request.settings, request.now, run->name, "tune", run->parent, run->inputs, out}));
  HEW_RETURN_IF_ERROR(LeaveRunFolder(id, out, run, report));
  return std::optional(id);
}

Status PlanPretrainInWorkspace(const SettingFlags& options, TuneSettings* settings, WorkspaceRun* run) {
  if (!run->workspace) {
    return run->name.empty() ? Status()
                             : BadInput("--name: expected a workspace (hew init) around this folder, found none");
  }
  if (!settings->base.empty()) {
    HEW_ASSIGN(const ModelRef ref, ResolveModel(settings->base));
    if (!ref.adapters.empty())
      return BadInput("--base {}: expected a whole model, found a version with an adapter", settings->base);
    settings->base = ref.path;
    run->parent = ref.version;
  }
  if (!settings->out.empty()) return {};
  run->own_folder = true;
  if (options.resume) {
    settings->out = options.resume_folder;
    return {};
  }
  HEW_ASSIGN(settings->out, run->workspace->NewRunFolder(run->name));
  const Json origin = {{"name", run->name}, {"parent", ""}};
  return WriteFileAtomically(settings->out + "/" + kOriginFile, DumpJson(origin) + "\n");
}

Result<std::optional<int64_t>> EndPretrainInWorkspace(const Runtime& rt, const TuneSettings& settings,
                                                      WorkspaceRun* run, TuneReport* report) {
  if (!run->workspace) return std::optional<int64_t>();
  std::error_code error;
  std::filesystem::remove(settings.out + "/" + kOriginFile, error);  // no part of the model
  HEW_ASSIGN(const int64_t id, RecordPretrain(*run->workspace, rt, {settings, run->name, run->parent, settings.out}));
  HEW_RETURN_IF_ERROR(LeaveRunFolder(id, settings.out, run, report));
  return std::optional(id);
}

}  // namespace hew
