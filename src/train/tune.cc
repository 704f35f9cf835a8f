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

void Say(const TuneRequest& request, const std::string& line) {
  if (request.say) request.say(line);
}

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
    Say(request, fmt::format("{}: going on from it, with its own targets, rank {} and alpha {:g}", s.init_adapter,
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
      Say(request, "memory: too little to store what the backward pass needs: it is computed twice instead");
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

Result<RunIdentity> IdentityOf(const Runtime& rt, const TuneRequest& request, const Dataset& train, const Dataset* eval,
                               int64_t micro_tokens) {
  RunIdentity identity;
  const auto settings = SettingsToJson(request.settings);
  for (const auto& spec : TuneSettingSpecs()) {
    if (spec.identity) identity[std::string(spec.name)] = settings[std::string(spec.name)];
  }
  identity["micro_tokens"] = micro_tokens;
  identity["data"] = train.Digest();
  identity["eval_data"] = eval ? eval->Digest() : "";
  identity["base"] = "";
  if (!request.model->source_path.empty()) {
    HEW_ASSIGN(identity["base"], DigestOfModel(request.model->source_path));
  }
  identity["isa"] = NameOf(rt.isa);
  identity["precision"] = rt.precision == Precision::kFp32 ? "fp32" : "default";
  return identity;
}

void SayCounts(const TuneRequest& request, const Dataset& data, const char* name) {
  const auto& c = data.counts;
  Say(request, fmt::format("{}: {} rows, {} tokens, {} of them to be learned", name, data.examples.size(), c.tokens,
                           c.learned_tokens));
  if (c.duplicates > 0) Say(request, fmt::format("{}: {} rows stand in it more than once", name, c.duplicates));
  if (c.cut > 0) Say(request, fmt::format("{}: {} rows cut to {} tokens", name, c.cut, request.settings.max_length));
  if (c.unlearned > 0)
    Say(request, fmt::format("{}: {} rows left out, nothing in them would be learned", name, c.unlearned));
  if (c.calls_as_text > 0) {
    Say(request,
        fmt::format("{}: {} rows with tool calls, which this model's template cannot write: taken as JSON text", name,
                    c.calls_as_text));
  }
}

void ShowFirst(const TuneRequest& request, const Dataset& train, const StepPlan& plan) {
  const int64_t index = PlanEpoch(plan, 0, train.examples).front().front();
  const auto& example = train.examples[static_cast<size_t>(index)];
  Say(request, fmt::format("one example as the model sees it ({}, {} tokens), what it learns {}:", train.Where(example),
                           example.size(), request.color ? "in green" : "in [[ ]]"));
  Say(request, ShowExample(*request.tokenizer, example, request.color));
}

Status CheckFolder(const TuneRequest& request) {
  const std::string& out = request.settings.out;
  std::error_code error;
  if (std::filesystem::exists(out, error) && !std::filesystem::is_directory(out, error)) {
    return BadInput("{}: expected a folder for the adapter, found a file", out);
  }
  if (!request.resume && std::filesystem::exists(out + "/" + kCheckpointFile, error)) {
    return BadInput("{}: expected a new folder or --resume, found an unfinished run ({})", out, kCheckpointFile);
  }
  return MakeFolder(out);
}

Status SaveRun(const TuneRequest& request, const LoraAdapter& adapter, const RunIdentity& identity,
               const TuneReport& report) {
  const std::string& out = request.settings.out;
  HEW_RETURN_IF_ERROR(SavePeftAdapter(adapter, *request.model, out));
  const nlohmann::ordered_json run = {{"format", "hew-run-1"},
                                      {"settings", SettingsToJson(request.settings)},
                                      {"identity", identity},
                                      {"report", ToJson(report)}};
  return WriteFileAtomically(out + "/" + kRunFile,
                             run.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace

nlohmann::ordered_json ToJson(const TuneReport& r) {
  nlohmann::ordered_json json = {{"adapter", r.adapter}, {"steps", r.steps}, {"train_loss", r.train_loss}};
  json["eval_loss"] = r.eval_loss ? nlohmann::ordered_json(*r.eval_loss) : nlohmann::ordered_json(nullptr);
  json.update(
      {{"tokens_per_s", r.tokens_per_s},
       {"useful_tokens", r.useful_tokens},
       {"seconds", r.seconds},
       {"train_seconds", r.train_seconds},
       {"peak_rss_bytes", r.peak_rss_bytes},
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
  return json;
}

Result<TuneReport> Tune(const Runtime& rt, const TuneRequest& request) {
  const auto& settings = request.settings;
  HEW_RETURN_IF_ERROR(CheckSettings(settings));
  HEW_RETURN_IF_ERROR(CheckFolder(request));

  HEW_ASSIGN(const Dataset train, ReadDataset(settings.data, DataOptions(request)));
  SayCounts(request, train, "data");
  Dataset eval_data;
  const Dataset* eval = nullptr;
  TuneReport report;
  if (!settings.eval_data.empty()) {
    HEW_ASSIGN(eval_data, ReadDataset(settings.eval_data, DataOptions(request)));
    eval = &eval_data;
    SayCounts(request, eval_data, "eval_data");
    const Overlap overlap = FindOverlap(train, eval_data);
    report.eval_rows = static_cast<int64_t>(eval_data.examples.size());
    report.eval_rows_in_training = overlap.rows;
    if (overlap.rows > 0) {
      Say(request,
          fmt::format("eval_data: {} rows ask what the training data also asks ({}): the loss on them says little",
                      overlap.rows, overlap.first));
    }
  }

  HEW_ASSIGN(LoraAdapter adapter, MakeAdapter(rt, request));
  TrainPlan plan;
  plan.folder = settings.out;
  plan.steps = {static_cast<uint64_t>(settings.seed), settings.shuffle, settings.batch_size * settings.grad_accum,
                settings.batch_tokens * settings.grad_accum};
  plan.techniques = TechniquesOf(settings);
  HEW_ASSIGN(
      plan.packing.micro_tokens,
      MicroTokens(rt, request, adapter, std::max(train.counts.longest, eval_data.counts.longest), &plan.techniques));
  plan.packing.share_prefix = settings.share_prefix && !IsWithout(settings, "prefix-sharing");
  plan.packing.pack = !IsWithout(settings, "packing");
  plan.keep_frozen = KeepsFrozen(request, adapter, train);
  const int64_t total = TotalSteps(settings, plan.steps, train.examples);
  plan.schedule = {*ScheduleFromName(settings.schedule), settings.lr, WarmupSteps(settings.warmup, total), total};
  HEW_ASSIGN(plan.save_every, ParseSaveEvery(settings.save_every));
  HEW_ASSIGN(plan.identity, IdentityOf(rt, request, train, eval, plan.packing.micro_tokens));
  const RunIdentity identity = plan.identity;
  if (!request.quiet) plan.peak_gflops = MeasureProductPeak(rt);

  ShowFirst(request, train, plan.steps);
  Say(request, fmt::format("{} steps, {} trainable numbers", total, adapter.parameters.size()));
  HEW_RETURN_IF_ERROR(WriteFileAtomically(settings.out + "/" + kRecipeFile, WriteRecipe(settings)));
  Trainer trainer(rt, request, std::move(plan), train, eval, &adapter);
  if (request.resume) {
    HEW_ASSIGN(const bool resumed, trainer.Resume());
    Say(request, resumed ? fmt::format("going on after step {}", trainer.state().optimizer.step)
                         : "no checkpoint yet: beginning at the first step");
  }
  HEW_RETURN_IF_ERROR(trainer.Run());

  const TrainState& state = trainer.state();
  report.adapter = settings.out;
  report.steps = state.optimizer.step;
  report.train_loss = state.epoch_weight > 0 ? state.epoch_loss / state.epoch_weight : 0;
  report.eval_loss = state.best_eval;
  report.best_step = eval ? state.best_step : state.optimizer.step;
  report.stopped_early = trainer.stopped_early();
  report.useful_tokens = state.useful_tokens;
  report.learned_tokens = state.learned_tokens;
  report.train_seconds = state.train_seconds;
  report.eval_seconds = state.eval_seconds;
  report.tokens_per_s = static_cast<double>(state.useful_tokens) / std::max(state.train_seconds, 1e-9);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - request.start).count();
  report.peak_rss_bytes = PeakRssBytes();
  report.data = train.counts;
  report.machine_share = trainer.MachineShare();
  report.trainable_parameters = static_cast<int64_t>(adapter.parameters.size());
  HEW_RETURN_IF_ERROR(SaveRun(request, adapter, identity, report));
  std::error_code error;
  std::filesystem::remove(settings.out + "/" + kCheckpointFile, error);  // the run is whole: nothing to go on with
  return report;
}

}  // namespace hew
