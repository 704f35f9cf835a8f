#include "train/trainer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <numeric>

#include "base/file.h"

namespace hew {
namespace {

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::vector<int64_t> AllOf(const Dataset& data) {
  std::vector<int64_t> indices(data.examples.size());
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

// Which random mask: one number for each batch of each step.
DropoutState MaskOf(const TuneSettings& settings, int64_t step, size_t batch) {
  return {static_cast<uint64_t>(settings.seed), (static_cast<uint64_t>(step) << 20) + batch};
}

}  // namespace

int64_t TotalSteps(const TuneSettings& settings, const StepPlan& plan, std::span<const TrainingExample> examples) {
  if (settings.steps > 0) return settings.steps;
  int64_t steps = 0;
  for (int64_t epoch = 0; epoch < settings.epochs; ++epoch) {
    const auto in_epoch = static_cast<int64_t>(PlanEpoch(plan, epoch, examples).size());
    // Only a bound on tokens makes epochs differ in length.
    if (plan.tokens_per_step == 0) return in_epoch * settings.epochs;
    steps += in_epoch;
  }
  return steps;
}

Trainer::Trainer(const Runtime& rt, const TuneRequest& request, TrainPlan plan, const Dataset& train,
                 const Dataset* eval, LoraAdapter* adapter)
    : rt_(rt),
      request_(request),
      settings_(request.settings),
      plan_(std::move(plan)),
      train_(train),
      eval_(eval),
      adapter_(adapter),
      gradient_(adapter->parameters.size()) {
  state_.optimizer = OptimizerState(adapter->parameters.size());
  workspace_.techniques = plan_.techniques;
  if (plan_.keep_frozen) workspace_.frozen = &frozen_;
  epoch_steps_ = PlanEpoch(plan_.steps, 0, train_.examples);
  if (eval_) eval_batches_ = Pack(eval_->examples, AllOf(*eval_), plan_.packing);
}

Trainer::~Trainer() {
  if (metrics_) std::fclose(metrics_);
}

Result<bool> Trainer::Resume() {
  if (!std::filesystem::exists(CheckpointPath())) return false;
  HEW_ASSIGN(state_, LoadCheckpoint(CheckpointPath(), plan_.identity, adapter_->parameters.size()));
  epoch_steps_ = PlanEpoch(plan_.steps, state_.epoch, train_.examples);
  if (state_.cursor > static_cast<int64_t>(epoch_steps_.size())) {
    return BadInput("{}: cursor: expected at most {}, found {}", CheckpointPath(), epoch_steps_.size(), state_.cursor);
  }
  adapter_->parameters = std::move(state_.parameters);
  state_.parameters.clear();
  adapter_->Pack(rt_, *request_.model);
  return true;
}

Status Trainer::OpenMetrics() {
  const std::string path = plan_.folder + "/" + kMetricsFile;
  metrics_ = std::fopen(path.c_str(), "ab");
  if (!metrics_) return EnvironmentError("{}: cannot open: {}", path, std::strerror(errno));
  // Lines after the checkpoint belong to steps that are done again.
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (!error && size > state_.metrics_bytes &&
      ::ftruncate(fileno(metrics_), static_cast<off_t>(state_.metrics_bytes)) != 0) {
    return EnvironmentError("{}: cannot cut to {} bytes: {}", path, state_.metrics_bytes, std::strerror(errno));
  }
  std::fseek(metrics_, 0, SEEK_END);
  return {};
}

Status Trainer::WriteMetrics(const nlohmann::ordered_json& line) {
  const std::string text = line.dump() + "\n";
  if (std::fwrite(text.data(), 1, text.size(), metrics_) != text.size() || std::fflush(metrics_) != 0) {
    return EnvironmentError("{}/{}: cannot write: {}", plan_.folder, kMetricsFile, std::strerror(errno));
  }
  state_.metrics_bytes += text.size();
  return {};
}

Status Trainer::Run() {
  HEW_RETURN_IF_ERROR(OpenMetrics());
  progress_ = std::make_unique<Progress>("learning", plan_.schedule.total_steps, request_.quiet);
  last_save_ = Now();
  last_save_step_ = state_.optimizer.step;
  while ((state_.eval_pending || state_.optimizer.step < plan_.schedule.total_steps) && !stopped_early()) {
    if (cancelled()) return Cancel();
    if (state_.eval_pending) {
      HEW_RETURN_IF_ERROR(Evaluate());
    } else {
      if (state_.cursor == static_cast<int64_t>(epoch_steps_.size())) BeginEpoch();
      HEW_RETURN_IF_ERROR(Step());
      state_.eval_pending = EvaluationIsDue() ? 1 : 0;
    }
    if (!state_.eval_pending && SaveIsDue()) HEW_RETURN_IF_ERROR(Save());
  }
  progress_.reset();
  if (!state_.best_parameters.empty()) {
    adapter_->parameters = state_.best_parameters;
    adapter_->Pack(rt_, *request_.model);
  }
  return {};
}

void Trainer::BeginEpoch() {
  ++state_.epoch;
  state_.cursor = 0;
  state_.epoch_loss = state_.epoch_weight = 0;
  epoch_steps_ = PlanEpoch(plan_.steps, state_.epoch, train_.examples);
}

// The gradient of the mean loss over all learned tokens of the step, whatever the batches it is computed in.
Result<LossSum> Trainer::StepGradients(const std::vector<int64_t>& chosen) {
  double weight = 0;
  for (const int64_t i : chosen) weight += train_.examples[static_cast<size_t>(i)].weight();
  std::fill(gradient_.begin(), gradient_.end(), 0.0f);
  const auto batches = Pack(train_.examples, chosen, plan_.packing);
  LossSum sum;
  for (size_t b = 0; b < batches.size(); ++b) {
    if (cancelled()) return tl::unexpected(Cancel().error());
    const LossSum part =
        LossAndGradients(rt_, *request_.model, *adapter_, batches[b], MaskOf(settings_, state_.optimizer.step, b),
                         static_cast<float>(1.0 / weight), gradient_, &workspace_);
    sum.loss += part.loss;
    sum.weight += part.weight;
    const auto rows = static_cast<double>(batches[b].ids.size());
    flops_ += rows * TrainingFlopsPerRow(request_.model->config, adapter_->config,
                                         static_cast<double>(batches[b].learned_rows.size()) / rows);
  }
  return sum;
}

Status Trainer::Step() {
  const double start = Now();
  const auto& chosen = epoch_steps_[static_cast<size_t>(state_.cursor)];
  HEW_ASSIGN(const LossSum sum, StepGradients(chosen));
  StepMetrics metrics;
  metrics.step = state_.optimizer.step + 1;
  metrics.total_steps = plan_.schedule.total_steps;
  metrics.loss = sum.loss / sum.weight;
  metrics.lr = plan_.schedule.At(state_.optimizer.step);
  metrics.grad_norm = OptimizerStep(rt_, settings_, metrics.lr, gradient_, adapter_->parameters, &state_.optimizer);
  if (!std::isfinite(metrics.loss) || !std::isfinite(metrics.grad_norm)) {
    return BadInput(
        "lr: expected a rate at which the loss stays a number, found {} with loss {} at step {}; the state of step {} "
        "is kept",
        settings_.lr, metrics.loss, metrics.step, last_save_step_);
  }
  adapter_->Pack(rt_, *request_.model);
  ++state_.cursor;
  for (const int64_t i : chosen) {
    metrics.tokens += train_.examples[static_cast<size_t>(i)].size();
    metrics.learned_tokens += train_.examples[static_cast<size_t>(i)].learned();
  }
  metrics.epoch =
      static_cast<double>(state_.epoch) + static_cast<double>(state_.cursor) / static_cast<double>(epoch_steps_.size());
  metrics.seconds = Now() - start;
  metrics.tokens_per_s = static_cast<double>(metrics.tokens) / std::max(metrics.seconds, 1e-9);
  state_.epoch_loss += sum.loss;
  state_.epoch_weight += sum.weight;
  state_.useful_tokens += metrics.tokens;
  state_.learned_tokens += metrics.learned_tokens;
  state_.train_seconds += metrics.seconds;
  flops_seconds_ += metrics.seconds;
  Report(metrics);
  return WriteMetrics({{"step", metrics.step},
                       {"epoch", metrics.epoch},
                       {"loss", metrics.loss},
                       {"lr", metrics.lr},
                       {"grad_norm", metrics.grad_norm},
                       {"tokens", metrics.tokens},
                       {"learned_tokens", metrics.learned_tokens},
                       {"tokens_per_s", metrics.tokens_per_s},
                       {"seconds", metrics.seconds}});
}

void Trainer::Report(const StepMetrics& metrics) {
  if (request_.on_step) request_.on_step(metrics);
  shown_loss_ = shown_loss_ == 0 ? metrics.loss : 0.9 * shown_loss_ + 0.1 * metrics.loss;
  const double rate = static_cast<double>(state_.useful_tokens) / std::max(state_.train_seconds, 1e-9);
  std::string note = fmt::format("loss {:.4f}  {:.0f} tok/s", shown_loss_, rate);
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

bool Trainer::EvaluationIsDue() const {
  if (!eval_) return false;
  const int64_t step = state_.optimizer.step;
  if (step == plan_.schedule.total_steps) return true;
  return settings_.eval_every > 0 ? step % settings_.eval_every == 0
                                  : state_.cursor == static_cast<int64_t>(epoch_steps_.size());
}

Status Trainer::Evaluate() {
  const double start = Now();
  LossSum sum;
  for (const auto& batch : eval_batches_) {
    if (cancelled()) return {};  // still pending: a resumed run makes it again
    const LossSum part = Loss(rt_, *request_.model, adapter_, batch, nullptr, &workspace_);
    sum.loss += part.loss;
    sum.weight += part.weight;
  }
  const double loss = sum.loss / sum.weight;
  state_.eval_seconds += Now() - start;
  state_.last_eval = loss;
  const bool better = std::isfinite(loss) && (!state_.best_eval || loss < *state_.best_eval);
  if (better) {
    state_.best_eval = loss;
    state_.best_step = state_.optimizer.step;
    state_.best_parameters = adapter_->parameters;
    state_.evals_without_progress = 0;
  } else {
    ++state_.evals_without_progress;
  }
  state_.eval_pending = 0;
  return WriteMetrics({{"step", state_.optimizer.step}, {"eval_loss", loss}, {"best", better}});
}

bool Trainer::SaveIsDue() const {
  if (plan_.save_every.steps > 0) return state_.optimizer.step - last_save_step_ >= plan_.save_every.steps;
  return Now() - last_save_ >= plan_.save_every.seconds;
}

Status Trainer::Save() {
  // The metrics are on disk before the checkpoint that counts on them.
  if (::fsync(fileno(metrics_)) != 0)
    return EnvironmentError("{}/{}: cannot sync: {}", plan_.folder, kMetricsFile, std::strerror(errno));
  std::swap(state_.parameters, adapter_->parameters);  // lent for the time of writing
  const Status saved = SaveCheckpoint(CheckpointPath(), plan_.identity, state_);
  std::swap(state_.parameters, adapter_->parameters);
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
