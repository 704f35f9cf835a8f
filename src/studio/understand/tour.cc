#include "studio/understand/tour.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "model/names.h"
#include "studio/convert.h"
#include "studio/inspect_picture.h"
#include "studio/pretrain.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kNumbers = 8;      // shown of a matrix
constexpr int64_t kLineTokens = 24;  // enough for one line of the text
constexpr int64_t kWordTokens = 8;   // enough for one word
constexpr int64_t kLearningSteps = 140;

// The first numbers of a matrix of the first layer: the same place in every copy of a model.
std::vector<float> FirstNumbers(const Model& model) {
  const Weight& weight = model.layers[0][Projection::kQ];
  std::vector<float> row(static_cast<size_t>(weight.cols));
  ReadWeightRow(weight, 0, row.data());
  row.resize(std::min<size_t>(row.size(), kNumbers));
  return row;
}

TuneSettings LearningSettings(TourLanguage language, const std::string& data, const std::string& out) {
  TuneSettings s = PretrainDefaults();
  s.data = {data};
  s.out = out;
  s.documents = "lines";
  s.separate_documents = true;
  s.vocab_size = language == TourLanguage::kKorean ? 640 : 512;
  s.hidden_size = 64;
  s.intermediate_size = 160;
  s.num_hidden_layers = 2;
  s.num_attention_heads = 4;
  s.max_length = 48;
  s.batch_tokens = 1024;
  s.steps = kLearningSteps;
  s.lr = 1e-2;
  s.snapshots = 6;
  return s;
}

uint64_t BytesOf(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return fs::file_size(path, error);
  return fs::file_size(path + "/model.safetensors", error);
}

}  // namespace

Result<std::unique_ptr<Tour>> Tour::Open(const Runtime& rt, const std::string& model, TourLanguage language,
                                         const JinjaClock& now) {
  std::unique_ptr<Tour> tour(new Tour(rt, language, now));
  HEW_ASSIGN(const ModelRef ref, ResolveModel(model));
  if (!ref.adapters.empty())
    return BadInput("--model {}: expected a whole model, found a version with an adapter", model);
  // Absolute, since one lesson works in another folder.
  tour->model_path_ = fs::absolute(ref.path).lexically_normal().string();
  HEW_ASSIGN(tour->opened_, OpenModel(rt, tour->model_path_, {}));
  HEW_RETURN_IF_ERROR(tour->opened_.Chat());
  HEW_ASSIGN(tour->engine_, tour->opened_.MakeEngine(rt));
  std::error_code error;
  std::string folder = (fs::temp_directory_path(error) / "hew-tour-XXXXXX").string();
  if (error || !::mkdtemp(folder.data())) return EnvironmentError("{}: cannot make a folder", folder);
  tour->folder_ = folder;
  return tour;
}

Tour::~Tour() {
  std::error_code error;
  if (!folder_.empty()) fs::remove_all(folder_, error);
}

Result<std::string> Tour::Ask(const OpenedModel& opened, const std::string& question) const {
  HEW_ASSIGN(const Engine engine, opened.MakeEngine(rt_));
  Json messages = Json::array();
  messages.push_back({{"role", "user"}, {"content", question}});
  HEW_ASSIGN(const auto ids, ChatPrompt(opened, messages, nullptr, now_));
  return GreedyText(engine, ids, AnswerTokens());
}

Result<WeightsLesson> Tour::Weights() const {
  WeightsLesson lesson;
  const ModelConfig& config = opened_.model->config;
  lesson.parameters = opened_.model->parameter_count();
  lesson.layers = config.num_hidden_layers;
  lesson.hidden_size = config.hidden_size;
  lesson.vocab_size = config.vocab_size;
  lesson.type = NameOf(opened_.model->layers[0][Projection::kQ].type);
  HEW_ASSIGN(const Inspection inspection, Inspect(rt_, model_path_));
  if (inspection.report["file_bytes"].is_number()) lesson.file_bytes = inspection.report["file_bytes"].get<uint64_t>();
  const Json explained = Explain(inspection);
  if (explained.is_object()) lesson.groups = explained["groups"];
  lesson.numbers = FirstNumbers(*opened_.model);
  lesson.numbers_of = fmt::format("layer 0, {}, row 0", ModuleName(Projection::kQ));
  return lesson;
}

Result<const LearningLesson*> Tour::Learn(const TourHooks& hooks) {
  if (learning_) return &*learning_;
  LearningLesson lesson;
  const std::string text = TourText(language_), data = folder_ + "/text.txt";
  HEW_RETURN_IF_ERROR(WriteFileAtomically(data, text));
  lesson.model = folder_ + "/small-model";
  lesson.text_bytes = static_cast<int64_t>(text.size());
  lesson.lines = std::count(text.begin(), text.end(), '\n');
  PretrainRequest request;
  request.settings = LearningSettings(language_, data, lesson.model);
  request.quiet = true;
  request.on_step = hooks.on_step;
  request.cancel = hooks.cancel;
  HEW_ASSIGN(lesson.report, Pretrain(rt_, request));
  lesson.parameters = lesson.report.trainable_parameters;
  WatchOptions watch;
  watch.prompts = {TourBeginning(language_)};
  watch.k = 1;
  watch.max_tokens = kLineTokens;
  HEW_ASSIGN(lesson.watch, WatchRun(rt_, lesson.model, watch));
  learning_ = std::move(lesson);
  return &*learning_;
}

Result<std::vector<ProbeAnswer>> Tour::Context(const TourHooks& hooks) {
  HEW_ASSIGN(const LearningLesson* lesson, Learn(hooks));
  HEW_ASSIGN(const OpenedModel small, OpenModel(rt_, lesson->model, {}));
  HEW_ASSIGN(const Engine engine, small.MakeEngine(rt_));
  std::vector<ProbeAnswer> answers;
  for (const ContextProbe& probe : ContextProbes(language_)) {
    ProbeAnswer answer{probe, {}, "", false};
    const auto ids = PromptIds(*small.tokenizer, probe.text);
    HEW_ASSIGN(answer.next, NextWords(engine, ids, 3));
    HEW_ASSIGN(const std::string text, GreedyText(engine, ids, kWordTokens));
    const size_t end =
        text.find_first_of(" \n", text.find_first_not_of(" \n") == text.npos ? 0 : text.find_first_not_of(" \n"));
    answer.word = text.substr(0, end);
    answer.right = text.starts_with(probe.expected);
    answers.push_back(std::move(answer));
  }
  return answers;
}

Result<SizesLesson> Tour::Sizes(const TourHooks& hooks) {
  HEW_ASSIGN(const LearningLesson* lesson, Learn(hooks));
  SizesLesson sizes;
  sizes.prompt = ContextProbes(language_)[0].text;
  std::vector<double> first;
  const std::pair<const char*, std::optional<DType>> kinds[] = {
      {"F32", std::nullopt}, {"F16", DType::kF16}, {"Q8_0", DType::kQ8_0}, {"Q4_0", DType::kQ4_0}};
  for (const auto& [name, type] : kinds) {
    std::string path = lesson->model;
    if (type) {
      path = fmt::format("{}/small-{}.gguf", folder_, name);
      if (!fs::exists(path)) HEW_RETURN_IF_ERROR(Convert(rt_, lesson->model, path, {*type}, "", hooks.cancel));
    }
    HEW_ASSIGN(const OpenedModel small, OpenModel(rt_, path, {}));
    HEW_ASSIGN(const Engine engine, small.MakeEngine(rt_));
    const auto ids = PromptIds(*small.tokenizer, sizes.prompt);
    SmallerModel row{name, BytesOf(path), FirstNumbers(*small.model), {}, 0};
    HEW_ASSIGN(row.next, NextWords(engine, ids, 3));
    HEW_ASSIGN(const auto logprobs, NextLogprobs(engine, ids));
    if (first.empty()) first = logprobs;
    for (size_t i = 0; i < first.size(); ++i) row.kl += std::exp(logprobs[i]) * (logprobs[i] - first[i]);
    row.kl = std::max(0.0, row.kl);
    sizes.models.push_back(std::move(row));
  }
  return sizes;
}

}  // namespace hew
