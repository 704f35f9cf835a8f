#include "train/tune.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <tuple>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "kernels/machine_peak.h"
#include "model/decoder.h"
#include "model/names.h"
#include "train/preview.h"
#include "train/trainer.h"

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
    std::copy_if(found.begin(), found.end(), std::back_inserter(targets), [&](Projection p) { return model.Has(p); });
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

// Rows worked on at once: what there is room for, at most kMicroTokens unless one row is longer. Where not even the
// longest row's activations fit, they are not stored but made again. What cannot fit is refused here, before the first
// step.
Result<int64_t> MicroTokens(const Runtime& rt, const TuneRequest& request, const LoraAdapter& adapter, int64_t longest,
                            TrainingTechniques* techniques) {
  const auto& s = request.settings;
  int64_t rows = s.micro_tokens > 0 ? s.micro_tokens : std::max(kMicroTokens, longest);
  const auto held = static_cast<int64_t>(ResidentBytes());  // the model and the data, the adapter's numbers among them
  const int64_t learned = LearnedStateBytes(static_cast<int64_t>(adapter.parameters.size()), rt.bf16());
  const auto needed = [&](int64_t n) {
    return held + learned + TrainingBytes(request.model->config, adapter.config, rt.bf16(), n, *techniques);
  };
  int64_t bound = held + static_cast<int64_t>(std::min(AvailableMemoryBytes(), uint64_t{1} << 60));
  if (!s.memory.empty()) {
    HEW_ASSIGN(const int64_t most, ParseBytes("memory", s.memory));
    bound = std::min(bound, most);
  }
  if (s.micro_tokens == 0) {
    if (needed(longest) > bound && techniques->stored_activations) {
      techniques->stored_activations = false;
      request.Say("memory: too little to store what the backward pass needs: it is computed twice instead");
    }
    while (rows > longest && needed(rows) > bound) rows = std::max(longest, rows - 64);
  }
  if (needed(rows) <= bound) return rows;
  return EnvironmentError("memory: needs {} for {} tokens at once and {} numbers to learn, has {}; lower {}{}",
                          HumanBytes(static_cast<uint64_t>(needed(rows))), rows, adapter.parameters.size(),
                          HumanBytes(static_cast<uint64_t>(bound)),
                          rows > longest ? "--micro-tokens" : "--max-length or --rank",
                          s.memory.empty() ? "" : ", or raise --memory");
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
  request.Say(fmt::format("{}: {} rows, {} tokens, {} of them to be learned", name, data.examples.size(), c.tokens,
                           c.learned_tokens));
  if (c.duplicates > 0) request.Say(fmt::format("{}: {} rows stand in it more than once", name, c.duplicates));
  if (c.cut > 0) request.Say(fmt::format("{}: {} rows cut to {} tokens", name, c.cut, request.settings.max_length));
  if (c.unlearned > 0)
    request.Say(fmt::format("{}: {} rows left out, nothing in them would be learned", name, c.unlearned));
  if (c.calls_as_text > 0) {
    request.Say(
        fmt::format("{}: {} rows with tool calls, which this model's template cannot write: taken as JSON text", name,
                    c.calls_as_text));
  }
}

void ShowFirst(const TuneRequest& request, const Dataset& train, const StepPlan& plan) {
  const int64_t index = PlanEpoch(plan, 0, train.examples).front().front();
  const auto& example = train.examples[static_cast<size_t>(index)];
  request.Say(fmt::format("one example as the model sees it ({}, {} tokens), what it learns {}:", train.Where(example),
                           example.size(), request.color ? "in green" : "in [[ ]]"));
  request.Say(ShowExample(*request.tokenizer, example, request.color));
}

}  // namespace

Result<TuneInputs> ReadTuneInputs(const TuneRequest& request) {
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
  if (!request.model->source_path.empty()) {
    HEW_ASSIGN(inputs.base_digest, DigestOfModel(request.model->source_path));
  }
  return inputs;
}

struct TuneRun::State {
  Runtime rt;
  TuneRequest request;
  const TuneInputs& inputs;
  LoraAdapter adapter;
  StepPlan steps;
  PackOptions packing;
  RunIdentity identity;
  std::unique_ptr<StepSource> source;
  std::unique_ptr<Learner> learner;
  std::unique_ptr<Trainer> trainer;
};

TuneRun::TuneRun(std::unique_ptr<State> state) : state_(std::move(state)) {}
TuneRun::TuneRun(TuneRun&&) noexcept = default;
TuneRun::~TuneRun() = default;
Trainer& TuneRun::trainer() { return *state_->trainer; }

Result<TuneRun> TuneRun::Begin(const Runtime& rt, TuneRequest asked, const TuneInputs& inputs, bool show_example) {
  HEW_RETURN_IF_ERROR(BeginFolder(asked.settings.out, asked.resume));
  HEW_ASSIGN(LoraAdapter adapter, MakeAdapter(rt, asked));
  auto state = std::make_unique<State>(State{rt, std::move(asked), inputs, std::move(adapter), {}, {}, {}, {}, {}, {}});
  const TuneRequest& request = state->request;
  const TuneSettings& settings = request.settings;
  const bool evaluates = !settings.eval_data.empty();
  TrainPlan plan;
  plan.folder = settings.out;
  state->steps = {static_cast<uint64_t>(settings.seed), settings.shuffle, settings.batch_size * settings.grad_accum,
                  settings.batch_tokens * settings.grad_accum};
  TrainingTechniques techniques = TechniquesOf(settings);
  PackOptions& packing = state->packing;
  HEW_ASSIGN(packing.micro_tokens, MicroTokens(rt, request, state->adapter,
                                               std::max(inputs.train.counts.longest, inputs.eval.counts.longest), &techniques));
  packing.share_prefix = settings.share_prefix && !IsWithout(settings, "prefix-sharing");
  packing.pack = !IsWithout(settings, "packing");
  state->source = MakeExampleSource(inputs.train, state->steps, packing);
  const int64_t total = TotalSteps(settings, state->source.get());
  plan.schedule = {*ScheduleFromName(settings.schedule), settings.lr, WarmupSteps(settings.warmup, total), total};
  HEW_ASSIGN(plan.save_every, ParseSaveEvery(settings.save_every));
  plan.identity = state->identity = IdentityOf(rt, request, inputs, packing.micro_tokens);
  if (!request.quiet) plan.peak_gflops = MeasureProductPeak(rt);

  if (show_example) ShowFirst(request, inputs.train, state->steps);
  request.Say(fmt::format("{} steps, {} trainable numbers", total, state->adapter.parameters.size()));
  std::vector<PackedBatch> eval_batches;
  if (evaluates) {
    HEW_ASSIGN(eval_batches, MakeExampleSource(inputs.eval, state->steps, packing)->All());
  }
  state->learner = MakeLoraLearner(state->rt, *request.model, static_cast<uint64_t>(settings.seed), techniques,
                                   KeepsFrozen(request, state->adapter, inputs.train), &state->adapter);
  HEW_ASSIGN(state->trainer, BeginTraining(state->rt, settings, request, request.resume, std::move(plan), state->source.get(),
                                           std::move(eval_batches), state->learner.get()));
  return TuneRun(std::move(state));
}

Result<TuneReport> TuneRun::Finish() {
  State& s = *state_;
  HEW_RETURN_IF_ERROR(s.trainer->Run());
  TuneReport report = s.trainer->Report();
  report.data = s.inputs.train.counts;
  report.eval_rows = static_cast<int64_t>(s.inputs.eval.examples.size());
  report.eval_rows_in_training = s.inputs.overlap.rows;
  HEW_RETURN_IF_ERROR(SavePeftAdapter(s.adapter, *s.request.model, s.request.settings.out));
  HEW_RETURN_IF_ERROR(EndFolder(s.request.settings, s.identity, report));
  return report;
}

Result<TuneReport> Tune(const Runtime& rt, const TuneRequest& request) {
  HEW_RETURN_IF_ERROR(CheckSettings(request.settings));
  HEW_RETURN_IF_ERROR(BeginFolder(request.settings.out, request.resume));
  HEW_ASSIGN(const TuneInputs inputs, ReadTuneInputs(request));
  HEW_ASSIGN(TuneRun run, TuneRun::Begin(rt, request, inputs, true));
  return run.Finish();
}

}  // namespace hew
