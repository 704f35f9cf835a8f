#include "train/tune.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <tuple>

#include "base/file.h"
#include "base/progress.h"
#include "kernels/machine_peak.h"
#include "model/decoder.h"
#include "model/names.h"
#include "train/keep.h"
#include "train/learner.h"
#include "train/preview.h"
#include "train/reference.h"
#include "train/snapshots.h"
#include "train/trainer.h"
#include "train/tune_memory.h"

namespace hew {
namespace {

Result<std::vector<Projection>> ParseTargets(const std::vector<std::string>& names, const ModelConfig& model) {
  std::vector<Projection> targets;
  for (const auto& name : names) {
    const bool all = name == "all" || name == "all-linear";
    const std::vector<Projection> found = all ? std::vector<Projection>(kProjections.begin(), kProjections.end())
                                              : ProjectionsNamed(*ArchitectureOf(model).layout, name);
    if (found.empty()) {
      return BadInput(
          "targets: expected all, q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj or down_proj, found '{}'", name);
    }
    for (const Projection p : found) {
      if (model.Adapts(p)) {
        targets.push_back(p);
      } else if (!all && model.num_experts > 0) {
        return BadInput("targets: expected q_proj, k_proj, v_proj or o_proj of a model with experts, found '{}'", name);
      }
    }
  }
  std::sort(targets.begin(), targets.end());
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  return targets;
}

Result<LoraAdapter> MakeAdapter(const Runtime& rt, const TuneRequest& request) {
  const auto& s = request.settings;
  if (!s.init_adapter.empty()) {
    HEW_ASSIGN(LoraAdapter adapter, LoadAdapter(rt, s.init_adapter, *request.model));
    adapter.config.dropout = s.dropout;
    request.Say(fmt::format("{}: going on from it, with its own targets, rank {} and alpha {:g}", s.init_adapter,
                            adapter.config.rank, adapter.config.alpha));
    return adapter;
  }
  LoraConfig config;
  config.rank = s.rank;
  config.alpha = s.lora_alpha();
  config.dropout = s.dropout;
  config.rslora = s.rslora;
  config.dora = s.dora;
  HEW_ASSIGN(config.targets, ParseTargets(s.targets, request.model->config));
  HEW_ASSIGN(const auto layers, LayersFromText(s.layers, request.model->config.num_hidden_layers));
  std::tie(config.first_layer, config.end_layer) = layers;
  config.base_model_name = s.base;
  return LoraAdapter::Create(rt, config, *request.model, static_cast<uint64_t>(s.seed));
}

DatasetOptions DataOptions(const TuneRequest& request) {
  DatasetOptions options;
  options.tokenizer = request.tokenizer.get();
  options.chat = request.chat;
  options.template_knows_tools = request.template_knows_tools;
  options.now = request.now;
  options.format = *DataFormatFromName(request.settings.format);  // one of the choices: checked
  options.pairs = request.settings.method != "sft";
  options.context = request.model->config.max_position_embeddings;
  options.max_length = request.settings.max_length;
  return options;
}

TrainingTechniques TechniquesOf(const TuneSettings& settings) {
  TrainingTechniques techniques;
  techniques.learned_rows = !IsWithout(settings, "learned-rows");
  techniques.chunked_loss = !IsWithout(settings, "chunked-loss");
  techniques.stored_activations = !IsWithout(settings, "stored-activations");
  techniques.lowest_layer = !IsWithout(settings, "lowest-layer");
  return techniques;
}

// Whether the outputs of the layers below the adapter are kept across epochs: where there are such layers and more than
// one epoch, no bound on memory, and they take no more than kFrozenBytes.
bool KeepsFrozen(const TuneRequest& request, const LoraAdapter& adapter, const Dataset& train) {
  constexpr int64_t kFrozenBytes = int64_t{1} << 30;
  const TuneSettings& s = request.settings;
  if (adapter.lowest_layer() == 0 || !s.memory.empty() || IsWithout(s, "frozen-layers") || IsWithout(s, "lowest-layer"))
    return false;
  if (s.steps == 0 && s.epochs < 2) return false;
  return static_cast<int64_t>(train.counts.tokens) * request.model->config.hidden_size * 4 <= kFrozenBytes;
}

RunIdentity IdentityOf(const Runtime& rt, const TuneRequest& request, const TuneInputs& inputs, int64_t micro_tokens) {
  RunIdentity identity = IdentityOfSettings(rt, request.settings);
  identity["micro_tokens"] = micro_tokens;
  identity["data"] = inputs.train_digest;
  identity["eval_data"] = inputs.eval_digest;
  identity["base"] = inputs.base_digest;
  return identity;
}

void SayCounts(const TuneRequest& request, const Dataset& data, const char* name) {
  const auto& c = data.counts;
  request.Say(fmt::format("{}: {} {}, {} tokens, {} of them to be learned", name, data.rows(),
                          data.pairs ? "pairs" : "rows", c.tokens, c.learned_tokens));
  if (c.duplicates > 0) request.Say(fmt::format("{}: {} rows stand in it more than once", name, c.duplicates));
  if (c.cut > 0) request.Say(fmt::format("{}: {} rows cut to {} tokens", name, c.cut, request.settings.max_length));
  if (c.unlearned > 0)
    request.Say(fmt::format("{}: {} rows left out, nothing in them would be learned", name, c.unlearned));
  if (c.calls_as_text > 0) {
    request.Say(fmt::format("{}: {} rows with tool calls, which this model's template cannot write: taken as JSON text",
                            name, c.calls_as_text));
  }
}

void ShowFirst(const TuneRequest& request, const Dataset& train, const StepPlan& plan) {
  std::vector<int64_t> sizes(static_cast<size_t>(train.rows()), 1);
  size_t index = 0;  // of the first that is learned
  for (const auto& step : PlanEpoch(plan, 0, sizes)) {
    const auto learned = std::find_if(step.begin(), step.end(), [&](int64_t i) {
      return train.pairs || train.examples[static_cast<size_t>(i)].kept.empty();
    });
    if (learned == step.end()) continue;
    index = static_cast<size_t>(*learned);
    break;
  }
  if (train.pairs) {
    const auto& chosen = train.examples[2 * index];
    request.Say(fmt::format("one pair as the model sees it ({}), what is learned {}:", train.Where(chosen),
                            request.color ? "in green" : "in [[ ]]"));
    request.Say(ShowPair(*request.tokenizer, chosen, train.examples[2 * index + 1], request.color));
    return;
  }
  const auto& example = train.examples[index];
  request.Say(fmt::format("one example as the model sees it ({}, {} tokens), what it learns {}:", train.Where(example),
                          example.size(), request.color ? "in green" : "in [[ ]]"));
  request.Say(ShowExample(*request.tokenizer, example, request.color));
}

// Rows to keep go behind those to learn, with what the model says of them now.
Status AddKept(const Runtime& rt, const TuneRequest& request, TuneInputs* inputs) {
  DatasetOptions options = DataOptions(request);
  options.format = DataFormat::kAuto;
  HEW_ASSIGN(Dataset kept, ReadDataset(request.settings.keep, options));
  request.Say(fmt::format("keep: {} rows, {} tokens that shall stay as likely as they are", kept.rows(),
                          kept.counts.learned_tokens));
  inputs->train_digest += "+" + kept.Digest();
  std::optional<LoraAdapter> start;
  if (!request.settings.init_adapter.empty()) {
    HEW_ASSIGN(start, LoadAdapter(rt, request.settings.init_adapter, *request.model));
  }
  MeasureKept(rt, *request.model, start ? &*start : nullptr, kMicroTokens, &kept);
  inputs->train.Append(std::move(kept));
  return {};
}

// What is learned and measured by something else than the sum of -log p.
BatchLosses LossesOf(Method method, const TuneSettings& settings, const TuneInputs& inputs, const PairLosses& pairs) {
  if (method != Method::kSft) return {std::cref(pairs.train), std::cref(pairs.eval)};
  if (settings.keep.empty()) return {};
  return {[&data = inputs.train](const PackedBatch& batch, const LossTotals&, std::span<const float> losses,
                                 std::span<float> weights) {
            return BatchLoss{LossWithKept(data, batch, losses, weights), {}};
          },
          {}};
}

}  // namespace

Result<TuneInputs> ReadTuneInputs(const Runtime& rt, const TuneRequest& request) {
  const auto& settings = request.settings;
  TuneInputs inputs;
  HEW_ASSIGN(inputs.train, ReadDataset(settings.data, DataOptions(request)));
  SayCounts(request, inputs.train, "data");
  if (!settings.eval_data.empty()) {
    HEW_ASSIGN(inputs.eval, ReadDataset(settings.eval_data, DataOptions(request)));
    SayCounts(request, inputs.eval, "eval_data");
    inputs.overlap = FindOverlap(inputs.train, inputs.eval);
    if (inputs.overlap.rows > 0) {
      request.Say(
          fmt::format("eval_data: {} rows ask what the training data also asks ({}): the loss on them says little",
                      inputs.overlap.rows, inputs.overlap.first));
    }
    inputs.eval_digest = inputs.eval.Digest();
  }
  inputs.train_digest = inputs.train.Digest();
  if (!settings.keep.empty()) HEW_RETURN_IF_ERROR(AddKept(rt, request, &inputs));
  if (!request.model->source_path.empty()) {
    HEW_ASSIGN(inputs.base_digest, DigestOfModel(request.model->source_path));
  }
  return inputs;
}

struct TuneRun::State {
  Runtime rt;
  TuneRequest request;  // with what a snapshot is written by
  const TuneInputs& inputs;
  LoraAdapter adapter;
  RunIdentity identity = {};
  TuneMemory memory = {};
  PairLosses losses;
  std::unique_ptr<StepSource> source = nullptr;
  std::unique_ptr<Learner> learner = nullptr;
  std::unique_ptr<Trainer> trainer = nullptr;
};

TuneRun::TuneRun(std::unique_ptr<State> state) : state_(std::move(state)) {}
TuneRun::TuneRun(TuneRun&&) noexcept = default;
TuneRun::~TuneRun() = default;
Trainer& TuneRun::trainer() { return *state_->trainer; }

Result<TuneRun> TuneRun::Begin(const Runtime& given, TuneRequest asked, const TuneInputs& inputs, bool show_example) {
  HEW_RETURN_IF_ERROR(BeginFolder(asked.settings.out, asked.resume));
  HEW_ASSIGN(LoraAdapter adapter, MakeAdapter(given, asked));
  const Method method = *MethodFromName(asked.settings.method);  // one of the choices: checked
  const PreferenceLoss loss(method, asked.settings.beta);
  auto state = std::make_unique<State>(State{.rt = given,
                                             .request = std::move(asked),
                                             .inputs = inputs,
                                             .adapter = std::move(adapter),
                                             .losses = {loss, loss}});
  const Runtime& rt = state->rt;
  TuneRequest& request = state->request;
  const TuneSettings& settings = request.settings;
  const Dataset* eval = settings.eval_data.empty() ? nullptr : &inputs.eval;
  TrainPlan plan;
  plan.folder = settings.out;
  const StepPlan steps = {static_cast<uint64_t>(settings.seed), settings.shuffle,
                          settings.batch_size * settings.grad_accum, settings.batch_tokens * settings.grad_accum};
  TrainingTechniques techniques = TechniquesOf(settings);
  PackOptions packing;
  packing.share_prefix = settings.share_prefix && !IsWithout(settings, "prefix-sharing");
  packing.pack = !IsWithout(settings, "packing");
  const bool keeps_frozen = KeepsFrozen(request, state->adapter, inputs.train);
  HEW_ASSIGN(state->memory, PlanTuneMemory(rt, request, state->adapter, inputs.train, eval, steps, packing.share_prefix,
                                           keeps_frozen, &techniques));
  packing.micro_tokens = state->memory.micro_tokens;
  state->source = MakeExampleSource(inputs.train, steps, packing);
  StepSource* source = state->source.get();
  const int64_t total = TotalSteps(settings, source);
  plan.schedule = {*ScheduleFromName(settings.schedule), settings.lr, WarmupSteps(settings.warmup, total), total};
  HEW_ASSIGN(plan.save_every, ParseSaveEvery(settings.save_every));
  plan.identity = state->identity = IdentityOf(rt, request, inputs, packing.micro_tokens);
  if (!request.quiet) plan.peak_gflops = MeasureProductPeak(rt);

  if (show_example) ShowFirst(request, inputs.train, steps);
  request.Say(fmt::format("{} steps, {} trainable numbers", total, state->adapter.parameters.size()));
  StepBatches eval_batches;
  if (eval) {
    HEW_ASSIGN(eval_batches, MakeExampleSource(*eval, steps, packing)->All());
  }
  if (method == Method::kDpo) {
    HEW_ASSIGN(const StepBatches all, source->All());
    HEW_RETURN_IF_ERROR(FindReference(
        rt, {*request.model, state->adapter, techniques, request, settings.out, state->identity, request.resume}, all,
        eval_batches, &state->losses));
  }
  const auto seed = static_cast<uint64_t>(settings.seed);
  state->learner = MakeLoraLearner(rt, *request.model, seed, techniques, keeps_frozen, &state->adapter,
                                   LossesOf(method, settings, inputs, state->losses));
  request.on_snapshot = [s = state.get()](int64_t step) {
    return WriteSnapshot(s->request.settings.out, step, [&](const std::string& folder) {
      return SavePeftAdapter(s->adapter, *s->request.model, folder);
    });
  };
  HEW_ASSIGN(state->trainer, BeginTraining(rt, settings, request, request.resume, std::move(plan), source,
                                           std::move(eval_batches), state->learner.get()));
  return TuneRun(std::move(state));
}

Result<TuneReport> TuneRun::Finish() {
  State& s = *state_;
  HEW_RETURN_IF_ERROR(s.trainer->Run());
  TuneReport report = s.trainer->Report();
  report.data = s.inputs.train.counts;
  report.planned_bytes = static_cast<uint64_t>(s.memory.planned_bytes);
  report.eval_rows = s.inputs.eval.rows();
  report.eval_rows_in_training = s.inputs.overlap.rows;
  HEW_RETURN_IF_ERROR(SavePeftAdapter(s.adapter, *s.request.model, s.request.settings.out));
  HEW_RETURN_IF_ERROR(EndFolder(s.request.settings, s.identity, report));
  return report;
}

Result<TuneReport> Tune(const Runtime& rt, const TuneRequest& request) {
  HEW_RETURN_IF_ERROR(CheckSettings(request.settings));
  HEW_RETURN_IF_ERROR(BeginFolder(request.settings.out, request.resume));
  const auto inputs = ReadTuneInputs(rt, request);
  if (!inputs) {
    std::error_code ignored;
    std::filesystem::remove(request.settings.out, ignored);  // only a folder that nothing is in
    return tl::unexpected(inputs.error());
  }
  HEW_ASSIGN(TuneRun run, TuneRun::Begin(rt, request, *inputs, true));
  return run.Finish();
}

}  // namespace hew
