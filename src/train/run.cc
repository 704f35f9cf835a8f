#include "train/run.h"

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "train/reference.h"
#include "train/snapshots.h"
#include "train/trainer.h"

namespace hew {

nlohmann::ordered_json ToJson(const TuneReport& r) {
  nlohmann::ordered_json json = {{r.product, r.folder}, {"steps", r.steps}, {"train_loss", r.train_loss}};
  json["eval_loss"] = r.eval_loss ? nlohmann::ordered_json(*r.eval_loss) : nlohmann::ordered_json(nullptr);
  json.update(
      {{"tokens_per_s", r.tokens_per_s},
       {"useful_tokens", r.useful_tokens},
       {"seconds", r.seconds},
       {"train_seconds", r.train_seconds},
       {"peak_rss_bytes", r.peak_rss_bytes},
       {"planned_bytes", r.planned_bytes},
       {"learned_tokens", r.learned_tokens},
       {"eval_seconds", r.eval_seconds},
       {"best_step", r.best_step},
       {"stopped_early", r.stopped_early},
       {"trainable_parameters", r.trainable_parameters},
       {"machine_share", r.machine_share ? nlohmann::ordered_json(*r.machine_share) : nlohmann::ordered_json(nullptr)},
       {"rows", r.data.rows},
       {"duplicate_rows", r.data.duplicates},
       {"cut_rows", r.data.cut},
       {"unlearned_rows", r.data.unlearned},
       {"eval_rows", r.eval_rows},
       {"eval_rows_in_training", r.eval_rows_in_training}});
  if (r.rewards) json.update(RewardsToJson(*r.rewards, ""));
  if (r.eval_rewards) json.update(RewardsToJson(*r.eval_rewards, "eval_"));
  return json;
}

nlohmann::ordered_json RewardsToJson(const Rewards& rewards, const std::string& prefix) {
  return {{prefix + "rewards/chosen", rewards.chosen},
          {prefix + "rewards/rejected", rewards.rejected},
          {prefix + "rewards/margins", rewards.margins},
          {prefix + "rewards/accuracies", rewards.accuracies}};
}

RunIdentity IdentityOfSettings(const Runtime& rt, const TuneSettings& settings) {
  RunIdentity identity;
  const auto json = SettingsToJson(settings);
  for (const auto& spec : SettingSpecs(settings.kind)) {
    if (spec.identity) identity[std::string(spec.name)] = json[std::string(spec.name)];
  }
  identity["isa"] = NameOf(rt.isa);
  identity["precision"] = NameOf(rt.precision);
  return identity;
}

Status BeginFolder(const std::string& out, bool resume) {
  std::error_code error;
  if (std::filesystem::exists(out, error) && !std::filesystem::is_directory(out, error)) {
    return BadInput("{}: expected a folder for what is learned, found a file", out);
  }
  if (!resume && std::filesystem::exists(out + "/" + kCheckpointFile, error)) {
    return BadInput("{}: expected a new folder or --resume, found an unfinished run ({})", out, kCheckpointFile);
  }
  return MakeFolder(out);
}

Result<std::unique_ptr<Trainer>> BeginTraining(const Runtime& rt, const TuneSettings& settings, const RunHooks& hooks,
                                               bool resume, TrainPlan plan, StepSource* source, StepBatches eval,
                                               Learner* learner) {
  if (rt.precision == Precision::kInt8) {
    return BadInput("precision: expected default or fp32 where gradients are taken, found int8");
  }
  HEW_RETURN_IF_ERROR(WriteFileAtomically(settings.out + "/" + kRecipeFile, WriteRecipe(settings)));
  std::error_code error;
  if (!resume) std::filesystem::remove_all(settings.out + "/" + kSnapshotsFolder, error);  // of an earlier run
  auto trainer = std::make_unique<Trainer>(rt, settings, hooks, std::move(plan), source, std::move(eval), learner);
  if (resume) {
    HEW_ASSIGN(const bool resumed, trainer->Resume());
    hooks.Say(resumed ? fmt::format("going on after step {}", trainer->state().optimizer.step)
                      : "no checkpoint yet: beginning at the first step");
  }
  return trainer;
}

Result<TuneReport> RunTraining(const Runtime& rt, const TuneSettings& settings, const RunHooks& hooks, bool resume,
                               TrainPlan plan, StepSource* source, StepBatches eval, Learner* learner) {
  HEW_ASSIGN(const auto trainer,
             BeginTraining(rt, settings, hooks, resume, std::move(plan), source, std::move(eval), learner));
  HEW_RETURN_IF_ERROR(trainer->Run());
  return trainer->Report();
}

Status EndFolder(const TuneSettings& settings, const RunIdentity& identity, const TuneReport& report) {
  const nlohmann::ordered_json run = {{"format", "hew-run-1"},
                                      {"settings", SettingsToJson(settings)},
                                      {"identity", identity},
                                      {"report", ToJson(report)}};
  HEW_RETURN_IF_ERROR(WriteFileAtomically(settings.out + "/" + kRunFile,
                                          DumpJson(run, 2) + "\n"));
  std::error_code error;
  std::filesystem::remove(settings.out + "/" + kReferenceFile, error);
  std::filesystem::remove(settings.out + "/" + kCheckpointFile, error);  // the run is whole: nothing to go on with
  return {};
}

}  // namespace hew
