#include "studio/registry/training.h"

#include <filesystem>

#include "base/file.h"
#include "studio/registry/aside.h"
#include "studio/registry/own_texts.h"
#include "train/tune.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kKeptTokens = 64;  // of each text

std::string FileName(const std::string& path) { return fs::path(path).filename().string(); }

TuneRequest RequestOf(const TrainingBase& base, TuneSettings settings, const RunHooks& hooks) {
  TuneRequest request;
  static_cast<RunHooks&>(request) = hooks;
  request.settings = std::move(settings);
  request.model = base.model;
  request.tokenizer = base.tokenizer;
  request.chat = base.chat;
  request.template_knows_tools = base.chat && base.chat->source().find("tool_calls") != std::string::npos;
  request.now = base.now;
  return request;
}

// Trains and records. `parent`: whose version the new one comes from; `goes_on`: and whose adapter it began with.
Result<int64_t> TrainAndRecord(Workspace& workspace, const Runtime& rt, const TuneRequest& request, TuneRecord record,
                               bool goes_on) {
  HEW_ASSIGN(const auto lock, ObjectLock::Take(workspace, ObjectLock::Kind::kShared));
  HEW_ASSIGN(record.inputs, StoreInputs(workspace, request.settings, goes_on));
  // The files go away, or lie where only this run knows them.
  for (auto& input : record.inputs) input.path = FileName(input.path);
  HEW_RETURN_IF_ERROR(Tune(rt, request));
  record.settings = request.settings;
  for (auto* paths : {&record.settings.data, &record.settings.keep}) {
    for (auto& path : *paths) path = FileName(path);
  }
  record.now = request.now;
  record.folder = request.settings.out;
  HEW_ASSIGN(const int64_t id, RecordTune(workspace, rt, record));
  if (request.settings.snapshots > 0) {
    HEW_ASSIGN(const Version version, workspace.registry().Get(id));
    HEW_RETURN_IF_ERROR(KeepSnapshots(workspace, version, request.settings.out));
  }
  return id;
}

}  // namespace

TrainingBase BaseOf(const OpenedModel& opened, const JinjaClock& now) {
  return {opened.model, opened.tokenizer, opened.chat_template ? &*opened.chat_template : nullptr, now};
}

Result<int64_t> TuneVersion(Workspace& workspace, const Runtime& rt, const TrainingBase& base,
                            const TuneVersionRequest& request) {
  TuneSettings settings = request.settings;
  settings.base = base.model->source_path;
  const bool goes_on = request.parent && request.parent->kind == VersionKind::kAdapter;
  if (request.parent && request.parent->kind == VersionKind::kModel)
    return BadInput("parent: expected a version with an adapter, found a whole model ({})", request.parent->Label());
  if (goes_on) {
    HEW_ASSIGN(settings.init_adapter, workspace.Checkout(*request.parent));
  }
  HEW_ASSIGN(settings.out, workspace.NewRunFolder(""));
  const Aside aside{settings.out};
  HEW_RETURN_IF_ERROR(CheckSettings(settings));
  TuneRecord record;
  record.name = request.name;
  if (request.parent) record.parent = request.parent->id;
  return TrainAndRecord(workspace, rt, RequestOf(base, settings, request.hooks), std::move(record), goes_on);
}

Result<int64_t> FixVersion(Workspace& workspace, const Runtime& rt,
                           const std::function<Result<TrainingBase>(const std::string& path)>& base,
                           const FixVersionRequest& request) {
  const Version& parent = request.parent;
  if (parent.kind == VersionKind::kModel)
    return BadInput("parent: expected a version with an adapter, found a whole model ({})", parent.Label());
  HEW_ASSIGN(const std::string folder, workspace.NewRunFolder(""));
  const Aside aside{folder};
  HEW_ASSIGN(FixPlan plan,
             PlanFix(workspace, parent, request.tag, request.replay, request.seed, folder, request.method));
  TuneSettings& settings = plan.settings;
  settings.out = folder + "/adapter";
  settings.epochs = request.epochs;
  settings.beta = request.beta;
  settings.lr = request.lr > 0 ? request.lr : request.method == "sft" ? kFixLr : kPreferenceLr;
  if (parent.recipe.is_object()) {  // a fresh adapter on a base takes the usual form
    for (const char* name : {"max_length", "micro_tokens"}) {
      if (parent.recipe.contains(name) && parent.recipe[name].is_number_integer())
        HEW_RETURN_IF_ERROR(
            SetFromText(*FindSetting(RunKind::kTune, name), parent.recipe[name].dump(), false, &settings));
    }
  }
  HEW_RETURN_IF_ERROR(CheckSettings(settings));
  if (request.on_plan) request.on_plan(plan);
  HEW_ASSIGN(const TrainingBase opened, base(settings.base));
  if (request.keep_texts > 0 && request.method == "sft") {
    settings.keep = {folder + "/kept.jsonl"};
    HEW_ASSIGN(const std::string texts, OwnTexts({rt, opened.model.get(), opened.tokenizer.get(), {}, kKeptTokens + 1},
                                                 request.keep_texts, kKeptTokens, request.seed));
    HEW_RETURN_IF_ERROR(WriteFileAtomically(settings.keep[0], texts));
  }
  TuneRecord record;
  record.name = request.name;
  record.made_by = "fix";
  record.parent = parent.id;
  HEW_ASSIGN(const int64_t id, TrainAndRecord(workspace, rt, RequestOf(opened, settings, request.hooks),
                                              std::move(record), parent.kind == VersionKind::kAdapter));
  HEW_RETURN_IF_ERROR(MarkFixed(workspace, plan.fixes, id));
  return id;
}

}  // namespace hew
