#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "train/snapshots.h"

namespace hew {
namespace {

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::optional<Rewards> RewardsOf(const PairSums& sums) {
  if (sums.pairs == 0) return std::nullopt;
  const auto n = static_cast<double>(sums.pairs);
  return Rewards{sums.chosen / n, sums.rejected / n, (sums.chosen - sums.rejected) / n,
                 static_cast<double>(sums.right) / n};
}

}  // namespace

int64_t TotalSteps(const TuneSettings& settings, StepSource* source) {
  if (settings.steps > 0) return settings.steps;
  int64_t steps = 0;
  for (int64_t epoch = 0; epoch < settings.epochs; ++epoch) {
    steps += source->BeginEpoch(epoch);
    // Only a bound on tokens makes epochs differ in length.
    if (settings.batch_tokens == 0) {
      steps *= settings.epochs;
      break;
    }
  }
  source->BeginEpoch(0);
  return steps;
}

Trainer::Trainer(const Runtime& rt, const TuneSettings& settings, const RunHooks& hooks, TrainPlan plan,
                 StepSource* source, StepBatches eval, Learner* learner)
    : rt_(rt),
      settings_(settings),
      hooks_(hooks),
      plan_(std::move(plan)),
      source_(source),
      eval_(std::move(eval)),
      learner_(learner),
      groups_(learner->groups()),
      gradient_(learner->parameters().size()) {
  state_.optimizer = OptimizerState(gradient_.size());
  BeginEpoch(0);
}

Result<bool> Trainer::Resume() {
  if (!std::filesystem::exists(CheckpointPath())) return false;
  HEW_ASSIGN(state_, LoadCheckpoint(CheckpointPath(), plan_.identity, gradient_.size()));
  epoch_steps_ = source_->BeginEpoch(state_.epoch);
  if (state_.cursor > epoch_steps_) {
    return BadInput("{}: cursor: expected at most {}, found {}", CheckpointPath(), epoch_steps_, state_.cursor);
  }
  learner_->parameters() = std::move(state_.parameters);
  state_.parameters.clear();
  learner_->Pack();
  return true;
}

Status Trainer::OpenMetrics() {
  if (metrics_.is_open()) return {};
  // Lines after the checkpoint belong to steps that are done again.
  HEW_ASSIGN(metrics_, AppendFile::Open(plan_.folder + "/" + kMetricsFile, state_.metrics_bytes));
  return {};
}

Status Trainer::WriteMetrics(const nlohmann::ordered_json& line) {
  const std::string text = DumpJson(line) + "\n";
  HEW_RETURN_IF_ERROR(metrics_.Write(text));
  state_.metrics_bytes += text.size();
  return {};
}

Status Trainer::Run() {
  HEW_RETURN_IF_ERROR(StepsTo(plan_.schedule.total_steps));
  if (!state_.best_parameters.empty()) {
    learner_->parameters() = state_.best_parameters;
    learner_->Pack();
  }
  return {};
}

Status Trainer::RunTo(int64_t step) {
  HEW_RETURN_IF_ERROR(StepsTo(step));
  return Save();
}

Status Trainer::StepsTo(int64_t step) {
  HEW_RETURN_IF_ERROR(OpenMetrics());
  progress_ = std::make_unique<Progress>("learning", plan_.schedule.total_steps, hooks_.quiet);
  last_save_ = Now();
  last_save_step_ = state_.optimizer.step;
  snapshot_steps_ = SnapshotSteps(plan_.schedule.total_steps, settings_.snapshots);
  if (state_.optimizer.step == 0) HEW_RETURN_IF_ERROR(TakeSnapshot());
  while ((state_.eval_pending || state_.optimizer.step < step) && !stopped_early()) {
    if (cancelled()) return Cancel();
    if (state_.eval_pending) {
      HEW_RETURN_IF_ERROR(Evaluate());
    } else {
      if (state_.cursor == epoch_steps_) BeginEpoch(state_.epoch + 1);
      HEW_RETURN_IF_ERROR(Step());
      state_.eval_pending = EvaluationIsDue() ? 1 : 0;
      HEW_RETURN_IF_ERROR(Sample());
      HEW_RETURN_IF_ERROR(TakeSnapshot());
    }
    if (!state_.eval_pending && SaveIsDue()) HEW_RETURN_IF_ERROR(Save());
  }
  progress_.reset();
  return {};
}

void Trainer::BeginEpoch(int64_t epoch) {
  state_.epoch = epoch;
  state_.cursor = 0;
  state_.epoch_loss = state_.epoch_weight = 0;
  state_.epoch_pairs = {};
  epoch_steps_ = source_->BeginEpoch(epoch);
}

// The gradient of the mean loss over all learned tokens of the step, whatever the batches it is computed in.
Result<BatchLoss> Trainer::StepGradients(const StepBatches& data) {
  std::fill(gradient_.begin(), gradient_.end(), 0.0f);
  BatchLoss sum;
  for (size_t b = 0; b < data.batches.size(); ++b) {
    if (cancelled()) return tl::unexpected(Cancel().error());
    const PackedBatch& batch = data.batches[b];
    sum += learner_->Gradients(batch, state_.optimizer.step, b, data.totals, gradient_);
    const auto rows = static_cast<double>(batch.ids.size());
    flops_ += rows * learner_->FlopsPerRow(static_cast<double>(batch.learned_rows.size()) / rows);
  }
  return sum;
}

// What was asked to be shown while learning; nothing of it changes the run.
Status Trainer::Sample() {
  if (!hooks_.on_sample || settings_.sample_every == 0 || state_.optimizer.step % settings_.sample_every != 0)
    return {};
  return hooks_.on_sample(state_.optimizer.step);
}

Status Trainer::TakeSnapshot() {
  const int64_t step = state_.optimizer.step;
  if (!hooks_.on_snapshot || !std::binary_search(snapshot_steps_.begin(), snapshot_steps_.end(), step)) return {};
  return hooks_.on_snapshot(step);
}

Status Trainer::Step() {
  const double start = Now();
  HEW_ASSIGN(const StepBatches data, source_->Step(state_.cursor));
  HEW_ASSIGN(const BatchLoss batch, StepGradients(data));
  const LossSum& sum = batch.sum;
  StepMetrics metrics;
  metrics.step = state_.optimizer.step + 1;
  metrics.total_steps = plan_.schedule.total_steps;
  metrics.loss = sum.loss / sum.weight;
  metrics.rewards = RewardsOf(batch.pairs);
  metrics.lr = plan_.schedule.At(state_.optimizer.step);
  metrics.grad_norm =
      OptimizerStep(rt_, settings_, groups_, metrics.lr, gradient_, learner_->parameters(), &state_.optimizer);
  if (!std::isfinite(metrics.loss) || !std::isfinite(metrics.grad_norm)) {
    return BadInput(
        "lr: expected a rate at which the loss stays a number, found {} with loss {} at step {}; the state of step {} "
        "is kept",
        settings_.lr, metrics.loss, metrics.step, last_save_step_);
  }
  learner_->Pack();
  ++state_.cursor;
  metrics.tokens = data.tokens;
  metrics.learned_tokens = data.learned_tokens;
  metrics.epoch =
      static_cast<double>(state_.epoch) + static_cast<double>(state_.cursor) / static_cast<double>(epoch_steps_);
  metrics.seconds = Now() - start;
  metrics.tokens_per_s = static_cast<double>(metrics.tokens) / std::max(metrics.seconds, 1e-9);
  state_.epoch_loss += sum.loss;
  state_.epoch_weight += sum.weight;
  state_.epoch_pairs += batch.pairs;
  state_.useful_tokens += metrics.tokens;
  state_.learned_tokens += metrics.learned_tokens;
  state_.train_seconds += metrics.seconds;
  flops_seconds_ += metrics.seconds;
  Show(metrics);
  nlohmann::ordered_json line = {{"step", metrics.step},
                                 {"epoch", metrics.epoch},
                                 {"loss", metrics.loss},
                                 {"lr", metrics.lr},
                                 {"grad_norm", metrics.grad_norm},
                                 {"tokens", metrics.tokens},
                                 {"learned_tokens", metrics.learned_tokens},
                                 {"tokens_per_s", metrics.tokens_per_s},
                                 {"seconds", metrics.seconds}};
  if (metrics.rewards) line.update(RewardsToJson(*metrics.rewards, ""));
  return WriteMetrics(line);
}

void Trainer::Show(const StepMetrics& metrics) {
  if (hooks_.on_step) hooks_.on_step(metrics);
  shown_loss_ = shown_loss_ == 0 ? metrics.loss : 0.9 * shown_loss_ + 0.1 * metrics.loss;
  const double rate = static_cast<double>(state_.useful_tokens) / std::max(state_.train_seconds, 1e-9);
  std::string note = fmt::format("loss {:.4f}", shown_loss_);
  if (metrics.rewards && (shown_accuracy_ || metrics.rewards->margins != 0)) {  // before the first change nothing is ranked
    const double now = metrics.rewards->accuracies;
    shown_accuracy_ = shown_accuracy_ ? 0.8 * *shown_accuracy_ + 0.2 * now : now;
    note += fmt::format("  {:.0f}% ranked right", 100 * *shown_accuracy_);
  }
  note += fmt::format("  {:.0f} tok/s", rate);
  if (const auto share = MachineShare()) note += fmt::format(" ({:.0f}% of the machine)", 100 * *share);
  note += "  " + HumanBytes(PeakRssBytes());
  if (state_.last_eval) note += fmt::format("  eval {:.4f}", *state_.last_eval);
  progress_->Update(metrics.step, note);
}

bool Trainer::stopped_early() const {
  return settings_.patience > 0 && state_.evals_without_progress >= settings_.patience;
}

std::optional<double> Trainer::MachineShare() const {
  if (plan_.peak_gflops <= 0 || flops_seconds_ <= 0) return std::nullopt;
  return flops_ / flops_seconds_ / (plan_.peak_gflops * 1e9);
}

TuneReport Trainer::Report() const {
  TuneReport report;
  report.folder = plan_.folder;
  report.steps = state_.optimizer.step;
  report.train_loss = state_.epoch_weight > 0 ? state_.epoch_loss / state_.epoch_weight : 0;
  report.eval_loss = state_.best_eval;
  report.rewards = RewardsOf(state_.epoch_pairs);
  report.eval_rewards = RewardsOf(state_.best_eval_pairs);
  report.best_step = state_.best_eval ? state_.best_step : state_.optimizer.step;
  report.stopped_early = stopped_early();
  report.useful_tokens = state_.useful_tokens;
  report.learned_tokens = state_.learned_tokens;
  report.train_seconds = state_.train_seconds;
  report.eval_seconds = state_.eval_seconds;
  report.tokens_per_s = static_cast<double>(state_.useful_tokens) / std::max(state_.train_seconds, 1e-9);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - hooks_.start).count();
  report.peak_rss_bytes = PeakRssBytes();
  report.machine_share = MachineShare();
  report.trainable_parameters = static_cast<int64_t>(gradient_.size());
  return report;
}

bool Trainer::EvaluationIsDue() const {
  if (eval_.batches.empty()) return false;
  const int64_t step = state_.optimizer.step;
  if (step == plan_.schedule.total_steps) return true;
  return settings_.eval_every > 0 ? step % settings_.eval_every == 0 : state_.cursor == epoch_steps_;
}

std::optional<BatchLoss> Trainer::EvalBatches() {
  BatchLoss sum;
  for (const auto& batch : eval_.batches) {
    if (cancelled()) return std::nullopt;
    sum += learner_->LossOf(batch, eval_.totals);
  }
  return sum;
}

std::optional<double> Trainer::EvalLoss() {
  const auto sum = EvalBatches();
  return sum ? std::optional(sum->sum.loss / sum->sum.weight) : std::nullopt;
}

Status Trainer::Evaluate() {
  const double start = Now();
  const std::optional<BatchLoss> found = EvalBatches();
  if (!found) return {};  // still pending: a resumed run makes it again
  const BatchLoss& sum = *found;
  const double loss = sum.sum.loss / sum.sum.weight;
  state_.eval_seconds += Now() - start;
  state_.last_eval = loss;
  const bool better = std::isfinite(loss) && (!state_.best_eval || loss < *state_.best_eval);
  if (better) {
    state_.best_eval = loss;
    state_.best_eval_pairs = sum.pairs;
    state_.best_step = state_.optimizer.step;
    state_.best_parameters = learner_->parameters();
    state_.evals_without_progress = 0;
  } else {
    ++state_.evals_without_progress;
  }
  state_.eval_pending = 0;
  nlohmann::ordered_json line = {{"step", state_.optimizer.step}, {"eval_loss", loss}, {"best", better}};
  if (const auto rewards = RewardsOf(sum.pairs)) line.update(RewardsToJson(*rewards, "eval_"));
  return WriteMetrics(line);
}

bool Trainer::SaveIsDue() const {
  if (plan_.save_every.steps > 0) return state_.optimizer.step - last_save_step_ >= plan_.save_every.steps;
  return Now() - last_save_ >= plan_.save_every.seconds;
}

Status Trainer::Save() {
  // The metrics are on disk before the checkpoint that counts on them.
  HEW_RETURN_IF_ERROR(metrics_.Sync());
  std::swap(state_.parameters, learner_->parameters());  // lent for the time of writing
  const Status saved = SaveCheckpoint(CheckpointPath(), plan_.identity, state_);
  std::swap(state_.parameters, learner_->parameters());
  if (!saved) return saved;
  last_save_ = Now();
  last_save_step_ = state_.optimizer.step;
  return {};
}

Status Trainer::Cancel() {
  progress_.reset();
  HEW_RETURN_IF_ERROR(Save());
  return tl::unexpected(
      Error{ErrorCode::kCancelled,
            fmt::format("stopped after step {} of {}; the run is kept in {}: the same command with --resume goes on",
                        state_.optimizer.step, plan_.schedule.total_steps, CheckpointPath())});
}

}  // namespace hew
