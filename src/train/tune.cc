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

Result<RunIdentity> IdentityOf(const Runtime& rt, const TuneRequest& request, const Dataset& train, const Dataset* eval,
                               int64_t micro_tokens) {
  RunIdentity identity = IdentityOfSettings(rt, request.settings);
  identity["micro_tokens"] = micro_tokens;
  identity["data"] = train.Digest();
  identity["eval_data"] = eval ? eval->Digest() : "";
  identity["base"] = "";
  if (!request.model->source_path.empty()) {
    HEW_ASSIGN(identity["base"], DigestOfModel(request.model->source_path));
  }
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
  const auto index = static_cast<size_t>(PlanEpoch(plan, 0, sizes).front().front());
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

}  // namespace

Result<TuneReport> Tune(const Runtime& rt, const TuneRequest& request) {
  const auto& settings = request.settings;
  HEW_RETURN_IF_ERROR(CheckSettings(settings));
  HEW_RETURN_IF_ERROR(BeginFolder(settings.out, request.resume));

  HEW_ASSIGN(const Dataset train, ReadDataset(settings.data, DataOptions(request)));
  SayCounts(request, train, "data");
  Dataset eval_data;
  const Dataset* eval = nullptr;
  Overlap overlap;
  if (!settings.eval_data.empty()) {
    HEW_ASSIGN(eval_data, ReadDataset(settings.eval_data, DataOptions(request)));
    eval = &eval_data;
    SayCounts(request, eval_data, "eval_data");
    overlap = FindOverlap(train, eval_data);
    if (overlap.rows > 0) {
      request.Say(
          fmt::format("eval_data: {} rows ask what the training data also asks ({}): the loss on them says little",
                      overlap.rows, overlap.first));
    }
  }

  HEW_ASSIGN(LoraAdapter adapter, MakeAdapter(rt, request));
  TrainPlan plan;
  plan.folder = settings.out;
  const StepPlan steps = {static_cast<uint64_t>(settings.seed), settings.shuffle,
                          settings.batch_size * settings.grad_accum, settings.batch_tokens * settings.grad_accum};
  TrainingTechniques techniques = TechniquesOf(settings);
  PackOptions packing;
  packing.share_prefix = settings.share_prefix && !IsWithout(settings, "prefix-sharing");
  packing.pack = !IsWithout(settings, "packing");
  const bool keeps_frozen = KeepsFrozen(request, adapter, train);
  HEW_ASSIGN(const TuneMemory memory,
             PlanTuneMemory(rt, request, adapter, train, eval, steps, packing.share_prefix, keeps_frozen, &techniques));
  packing.micro_tokens = memory.micro_tokens;
  const auto source = MakeExampleSource(train, steps, packing);
  const int64_t total = TotalSteps(settings, source.get());
  plan.schedule = {*ScheduleFromName(settings.schedule), settings.lr, WarmupSteps(settings.warmup, total), total};
  HEW_ASSIGN(plan.save_every, ParseSaveEvery(settings.save_every));
  HEW_ASSIGN(plan.identity, IdentityOf(rt, request, train, eval, packing.micro_tokens));
  const RunIdentity identity = plan.identity;
  if (!request.quiet) plan.peak_gflops = MeasureProductPeak(rt);

  ShowFirst(request, train, steps);
  request.Say(fmt::format("{} steps, {} trainable numbers", total, adapter.parameters.size()));
  StepBatches eval_batches;
  if (eval) {
    HEW_ASSIGN(eval_batches, MakeExampleSource(*eval, steps, packing)->All());
  }
  const Method method = *MethodFromName(settings.method);  // one of the choices: checked
  PairLosses losses{PreferenceLoss(method, settings.beta), PreferenceLoss(method, settings.beta)};
  if (method == Method::kDpo) {
    HEW_ASSIGN(const StepBatches all, source->All());
    HEW_RETURN_IF_ERROR(
        FindReference(rt, {*request.model, adapter, techniques, request, settings.out, identity, request.resume}, all,
                      eval_batches, &losses));
  }
  const auto seed = static_cast<uint64_t>(settings.seed);
  const auto learner =
      method == Method::kSft
          ? MakeLoraLearner(rt, *request.model, seed, techniques, keeps_frozen, &adapter)
          : MakePreferenceLearner(rt, *request.model, seed, techniques, keeps_frozen, &adapter, losses);
  RunHooks hooks = request;
  hooks.on_snapshot = [&](int64_t step) {
    return WriteSnapshot(settings.out, step,
                         [&](const std::string& folder) { return SavePeftAdapter(adapter, *request.model, folder); });
  };
  HEW_ASSIGN(TuneReport report, RunTraining(rt, settings, hooks, request.resume, std::move(plan), source.get(),
                                            std::move(eval_batches), learner.get()));
  report.data = train.counts;
  report.planned_bytes = static_cast<uint64_t>(memory.planned_bytes);
  report.eval_rows = eval_data.rows();
  report.eval_rows_in_training = overlap.rows;
  HEW_RETURN_IF_ERROR(SavePeftAdapter(adapter, *request.model, settings.out));
  HEW_RETURN_IF_ERROR(EndFolder(settings, identity, report));
  return report;
}

}  // namespace hew
