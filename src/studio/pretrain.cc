#include "studio/pretrain.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/progress.h"
#include "infer/generator.h"
#include "kernels/machine_peak.h"
#include "model/save.h"
#include "model/shapes.h"
#include "model/trainable.h"
#include "studio/train_tokenizer.h"
#include "train/snapshots.h"
#include "train/text_files.h"
#include "train/trainer.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMicroTokens = 2048;
constexpr const char* kSamplesFile = "samples.jsonl";
constexpr const char* kTokensFolder = "tokens";

using TokenizerPtr = std::shared_ptr<const Tokenizer>;

// The preset with what the settings say instead.
ModelShape ShapeOf(const TuneSettings& s) {
  ModelShape shape = *FindShape(s.preset.empty() ? "10m" : s.preset);
  const auto set = [](int64_t wanted, int64_t* field) {
    if (wanted > 0) *field = wanted;
  };
  set(s.vocab_size, &shape.vocab_size);
  set(s.hidden_size, &shape.hidden_size);
  set(s.intermediate_size, &shape.intermediate_size);
  set(s.num_hidden_layers, &shape.num_hidden_layers);
  set(s.num_attention_heads, &shape.num_attention_heads);
  set(s.num_attention_heads, &shape.num_key_value_heads);
  set(s.num_key_value_heads, &shape.num_key_value_heads);
  return shape;
}

// Learned once: a resumed run finds it in its folder.
Status LearnTokenizer(const Runtime& rt, const PretrainRequest& request) {
  const TuneSettings& s = request.settings;
  const std::string path = s.out + "/tokenizer.json";
  if (request.resume && fs::exists(path)) return {};
  TokenizerRequest training;
  training.data = s.data;
  training.out = path;
  training.training.vocab_size = ShapeOf(s).vocab_size;
  training.training.cancel = request.cancel;
  HEW_ASSIGN(const TokenizerReport report, TrainTokenizerFile(*rt.pool, training));
  request.Say(fmt::format("tokenizer: {} tokens learned from {:.1f} MB of text in {:.1f} s", report.vocab_size,
                          static_cast<double>(report.bytes) / 1e6, report.seconds));
  return {};
}

// From wherever it comes, its files stand in the folder afterwards.
Result<TokenizerPtr> PrepareTokenizer(const Runtime& rt, const PretrainRequest& request) {
  const TuneSettings& s = request.settings;
  std::string source = !s.base.empty() ? s.base : s.tokenizer;
  if (source.empty()) {
    HEW_RETURN_IF_ERROR(LearnTokenizer(rt, request));
    source = s.out;
  } else {
    // With the files beside it, that say which tokens begin and end a text.
    const fs::path file(source);
    if (file.filename() == "tokenizer.json") {
      source = fs::absolute(file).parent_path().string();
    } else if (file.extension() == ".json") {
      return BadInput("tokenizer: expected a folder, a file called tokenizer.json or a .gguf file, found {}", source);
    }
    HEW_RETURN_IF_ERROR(WriteTokenizerFiles(source, s.out));
  }
  return Tokenizer::Open(source);
}

// The files as token shards: those that are text are encoded into FOLDER/tokens/NAME.
Result<std::vector<std::string>> ShardsOf(const Runtime& rt, const PretrainRequest& request, const Tokenizer& tokenizer,
                                          const std::vector<std::string>& files, const char* name) {
  std::vector<std::string> shards, texts;
  for (const auto& file : files) (file.ends_with(".shard") ? shards : texts).push_back(file);
  if (texts.empty()) return shards;
  HEW_ASSIGN(const TextFiles text, TextFiles::Open(texts, *DocumentSplitFromName(request.settings.documents)));
  const std::string folder = fmt::format("{}/{}/{}", request.settings.out, kTokensFolder, name);
  std::error_code error;
  fs::remove_all(folder, error);  // of an earlier attempt
  HEW_RETURN_IF_ERROR(MakeFolder(folder));
  ShardWriting writing;
  writing.cancel = request.cancel;
  HEW_ASSIGN(const ShardSummary summary, WriteTokenShards(*rt.pool, tokenizer, text.documents(), folder, writing));
  request.Say(fmt::format("{}: {} documents, {} tokens; a token stands for {:.2f} bytes", name, summary.documents,
                          summary.tokens, static_cast<double>(text.bytes()) / static_cast<double>(summary.tokens)));
  shards.insert(shards.end(), summary.paths.begin(), summary.paths.end());
  return shards;
}

Result<std::string> DigestOfFiles(const std::vector<std::string>& paths) {
  Sha256 all;
  for (const auto& path : paths) {
    HEW_ASSIGN(const std::string digest, Sha256OfFile(path));
    all.Update(digest);
  }
  return all.HexDigest();
}

Result<TrainableModel> PrepareModel(const Runtime& rt, const PretrainRequest& request, const Tokenizer& tokenizer) {
  const TuneSettings& s = request.settings;
  if (!s.base.empty()) {
    HEW_ASSIGN(const auto base, LoadModel(rt, s.base));
    if (s.max_length > base->config.max_position_embeddings) {
      return BadInput("max_length: expected at most {}, the context of {}, found {}",
                      base->config.max_position_embeddings, s.base, s.max_length);
    }
    if (base->config.num_experts > 0)
      return BadInput(
          "{}: expected a model without experts, which are not trained here, found {} of them; hew tune adapts such a "
          "model",
          s.base, base->config.num_experts);
    return TrainableModel::From(rt, *base);
  }
  ModelShape shape = ShapeOf(s);
  shape.vocab_size = tokenizer.vocab_size();
  HEW_ASSIGN(const ModelConfig config, ConfigOfShape(shape, s.arch, s.max_length));
  return TrainableModel::Create(rt, config, static_cast<uint64_t>(s.seed));
}

// Windows worked on at once: about kMicroTokens, fewer where memory asks for it.
Result<int64_t> WindowsPerBatch(const Runtime& rt, const TuneSettings& s, const TrainableModel& trainable) {
  int64_t windows = std::max<int64_t>(1, (s.micro_tokens > 0 ? s.micro_tokens : kMicroTokens) / s.max_length);
  const auto held = static_cast<int64_t>(ResidentBytes());  // master and packed weights among it
  // Gradient, two moments and the best parameters.
  const auto learned = static_cast<int64_t>(trainable.parameters.size() * sizeof(float) * 4);
  LoraConfig none;
  none.rank = 0;
  const auto needed = [&] {
    return held + learned + TrainingBytes(trainable.model().config, none, rt.bf16(), windows * s.max_length);
  };
  int64_t bound = held + static_cast<int64_t>(std::min(AvailableMemoryBytes(), uint64_t{1} << 60));
  if (!s.memory.empty()) {
    HEW_ASSIGN(const int64_t most, ParseBytes("memory", s.memory));
    bound = std::min(bound, most);
  }
  while (windows > 1 && needed() > bound) --windows;
  if (needed() <= bound) return windows;
  return EnvironmentError("memory: needs {} for {} weights and {} tokens at once, has {}; lower --max-length{}",
                          HumanBytes(static_cast<uint64_t>(needed())), trainable.parameters.size(), s.max_length,
                          HumanBytes(static_cast<uint64_t>(bound)), s.memory.empty() ? "" : ", or raise --memory");
}

Status CheckSamples(const TuneSettings& s, const Tokenizer& tokenizer) {
  for (const auto& prompt : s.sample) {
    const auto tokens = static_cast<int64_t>(tokenizer.Encode(prompt, {.add_special = true}).size());
    if (tokens < 1 || tokens >= s.max_length) {
      return BadInput("sample: expected 1 to {} tokens (fewer than max_length), found {}", s.max_length - 1, tokens);
    }
  }
  return {};
}

// Continues each prompt greedily with the weights as they are.
Status WriteSamples(const Runtime& rt, const PretrainRequest& request, const TrainableModel& trainable,
                    const Tokenizer& tokenizer, int64_t step) {
  constexpr int64_t kSampleTokens = 24;
  const Engine engine{rt, &trainable.model(), &tokenizer, {}, trainable.model().config.max_position_embeddings};
  HEW_ASSIGN(AppendFile file, AppendFile::Open(request.settings.out + "/" + kSamplesFile));
  for (const auto& prompt : request.settings.sample) {
    GenerateRequest generate;
    generate.prompt = tokenizer.Encode(prompt, {.add_special = true});
    generate.sampling.temperature = 0;
    generate.max_tokens = kSampleTokens;
    HEW_ASSIGN(const auto result, Generator(engine).Generate(generate));
    request.Say(fmt::format("  step {}: {}[{}]", step, prompt, result.text));
    const nlohmann::ordered_json line = {{"step", step}, {"prompt", prompt}, {"text", result.text}};
    HEW_RETURN_IF_ERROR(file.Write(DumpJson(line) + "\n"));
  }
  return {};
}

DType TypeOf(const std::string& name) {
  return name == "f32" ? DType::kF32 : name == "bf16" ? DType::kBF16 : DType::kF16;
}

std::map<std::string, int64_t> TokenIdsOf(const Tokenizer& tokenizer) {
  std::map<std::string, int64_t> ids;
  if (tokenizer.bos()) ids["bos_token_id"] = *tokenizer.bos();
  if (tokenizer.eos()) ids["eos_token_id"] = *tokenizer.eos();
  if (tokenizer.pad()) ids["pad_token_id"] = *tokenizer.pad();
  return ids;
}

struct PretrainData {
  std::unique_ptr<StepSource> train;
  StepBatches eval;
  std::string digest, eval_digest;
};

Result<PretrainData> PrepareData(const Runtime& rt, const PretrainRequest& request, const Tokenizer& tokenizer,
                                 int64_t windows_per_batch) {
  const TuneSettings& s = request.settings;
  const int64_t windows_per_step = std::max<int64_t>(1, s.batch_tokens * s.grad_accum / s.max_length);
  const WindowSteps steps{windows_per_step, windows_per_batch, s.max_length, s.separate_documents};
  PretrainData data;
  HEW_ASSIGN(const auto shards, ShardsOf(rt, request, tokenizer, s.data, "data"));
  HEW_ASSIGN(data.digest, DigestOfFiles(shards));
  HEW_ASSIGN(TokenWindows windows,
             TokenWindows::Open(shards, tokenizer, {static_cast<uint64_t>(s.seed), s.max_length, s.shuffle}));
  data.train = MakeWindowSource(std::move(windows), steps);
  if (s.eval_data.empty()) return data;
  HEW_ASSIGN(const auto eval_shards, ShardsOf(rt, request, tokenizer, s.eval_data, "eval_data"));
  HEW_ASSIGN(data.eval_digest, DigestOfFiles(eval_shards));
  HEW_ASSIGN(TokenWindows eval_windows, TokenWindows::Open(eval_shards, tokenizer, {0, s.max_length, false}));
  HEW_ASSIGN(data.eval, MakeWindowSource(std::move(eval_windows), steps)->All());
  return data;
}

}  // namespace

Result<TuneReport> Pretrain(const Runtime& rt, const PretrainRequest& request) {
  const TuneSettings& settings = request.settings;
  HEW_RETURN_IF_ERROR(CheckSettings(settings));
  std::error_code ignored;
  if (fs::equivalent(settings.out, settings.base, ignored))
    return BadInput("out: expected a folder other than that of base, found {}", settings.out);
  HEW_RETURN_IF_ERROR(BeginFolder(settings.out, request.resume));
  HEW_ASSIGN(const TokenizerPtr tokenizer, PrepareTokenizer(rt, request));
  HEW_RETURN_IF_ERROR(CheckSamples(settings, *tokenizer));
  HEW_ASSIGN(TrainableModel trainable, PrepareModel(rt, request, *tokenizer));
  HEW_ASSIGN(const int64_t windows_per_batch, WindowsPerBatch(rt, settings, trainable));
  HEW_ASSIGN(PretrainData data, PrepareData(rt, request, *tokenizer, windows_per_batch));

  TrainPlan plan;
  plan.folder = settings.out;
  const int64_t total = TotalSteps(settings, data.train.get());
  plan.schedule = {*ScheduleFromName(settings.schedule), settings.lr, WarmupSteps(settings.warmup, total), total};
  HEW_ASSIGN(plan.save_every, ParseSaveEvery(settings.save_every));
  RunIdentity identity = IdentityOfSettings(rt, settings);
  identity["micro_tokens"] = windows_per_batch * settings.max_length;
  identity["data"] = data.digest;
  identity["eval_data"] = data.eval_digest;
  identity["vocabulary"] = VocabularyDigest(*tokenizer);
  identity["base"] = "";
  if (!settings.base.empty()) {
    HEW_ASSIGN(identity["base"], DigestOfModel(settings.base));
  }
  plan.identity = identity;
  if (!request.quiet) plan.peak_gflops = MeasureProductPeak(rt);
  request.Say(fmt::format("{} steps, {} weights", total, trainable.parameters.size()));

  RunHooks hooks = request;
  hooks.on_sample = [&](int64_t step) { return WriteSamples(rt, request, trainable, *tokenizer, step); };
  hooks.on_snapshot = [&](int64_t step) {
    return WriteSnapshot(settings.out, step, [&](const std::string& folder) -> Status {
      HEW_RETURN_IF_ERROR(WriteTokenizerFiles(settings.out, folder));
      return SaveTrainable(trainable, TypeOf(settings.type), TokenIdsOf(*tokenizer), folder);
    });
  };
  const auto learner = MakeFullLearner(rt, &trainable);
  HEW_ASSIGN(TuneReport report, RunTraining(rt, settings, hooks, request.resume, std::move(plan), data.train.get(),
                                            std::move(data.eval), learner.get()));
  report.product = "model";
  HEW_RETURN_IF_ERROR(SaveTrainable(trainable, TypeOf(settings.type), TokenIdsOf(*tokenizer), settings.out));
  HEW_RETURN_IF_ERROR(EndFolder(settings, identity, report));
  fs::remove_all(settings.out + "/" + kTokensFolder, ignored);
  return report;
}

}  // namespace hew
