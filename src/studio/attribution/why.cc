#include "studio/attribution/why.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "infer/continuations.h"
#include "infer/prompts.h"
#include "studio/attribution/bm25.h"
#include "studio/attribution/gradients.h"
#include "studio/open_model.h"
#include "studio/registry/aside.h"
#include "studio/registry/maintenance.h"
#include "studio/registry/record.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

// All text of a row: what is asked and what is answered, without its structure.
std::string TextOf(const Json& value) {
  if (value.is_string()) return value.get<std::string>() + "\n";
  std::string out;
  if (value.is_object() || value.is_array()) {
    for (const auto& [key, part] : value.items()) {
      if (key != "role" && key != "from" && key != "id") out += TextOf(part);
    }
  }
  return out;
}

// System lines are the same in every row and say nothing about one.
std::string TextOfRow(const Json& row) {
  if (!row.is_object() || !row.contains("messages") || !row["messages"].is_array()) return TextOf(row);
  std::string out;
  for (const auto& m : row["messages"]) {
    if (m.is_object() && m.value("role", "") != "system") out += TextOf(m);
  }
  return out;
}

class Attribution {
 public:
  Attribution(Workspace& workspace, const Runtime& rt, const Version& version, const WhyOptions& options)
      : workspace_(workspace), rt_(rt), version_(version), options_(options) {}

  Result<WhyReport> Run() {
    HEW_ASSIGN(opened_, OpenModel(rt_, version_.Label(), {}));
    HEW_ASSIGN(engine_, opened_.MakeEngine(rt_));
    HEW_RETURN_IF_ERROR(Question());
    HEW_RETURN_IF_ERROR(Rows());
    Words();
    HEW_RETURN_IF_ERROR(Hidden());
    if (options_.gradients) HEW_RETURN_IF_ERROR(Gradients());
    if (options_.exact_rows > 0) HEW_RETURN_IF_ERROR(Exact());
    return std::move(report_);
  }

 private:
  Status GoOn() const {
    if (!options_.cancelled || !options_.cancelled->load()) return {};
    return tl::unexpected<Error>(Error{ErrorCode::kCancelled, "stopped; nothing was changed"});
  }
  void Tell(const std::string& what, size_t done, size_t all) const {
    if (options_.progress) options_.progress(what, static_cast<int64_t>(done), static_cast<int64_t>(all));
  }

  DatasetOptions DataOptions() const {
    DatasetOptions data;
    data.tokenizer = opened_.tokenizer.get();
    data.chat = opened_.chat_template ? &*opened_.chat_template : nullptr;
    data.template_knows_tools =
        opened_.chat_template && opened_.chat_template->source().find("tool_calls") != std::string::npos;
    data.now = options_.now;
    data.context = opened_.model->config.max_position_embeddings;
    return data;
  }

  Result<TrainingExample> Encode(const Json& object, const std::string& where) const {
    DataRow row;
    row.where = where;
    row.plain = object.is_string();
    if (row.plain)
      row.text = object.get<std::string>();
    else
      row.object = object;
    const DatasetOptions data = DataOptions();
    DataFormat format = DataFormat::kAuto;
    if (version_.recipe.is_object())
      format = DataFormatFromName(version_.recipe.value("format", "auto")).value_or(DataFormat::kAuto);
    if (format == DataFormat::kAuto || row.plain) {
      HEW_ASSIGN(format, RecogniseFormat(row));
    }
    HEW_ASSIGN(NormalRow normal, NormaliseRow(row, format));
    return EncodeRow(normal, where, data);
  }

  Status Question() {
    for (const auto& m : options_.messages)
      report_.question += m.is_object() && m.value("role", "") == "user" ? m.value("content", "") + "\n" : "";
    HEW_ASSIGN(prompt_, ChatPrompt(opened_, options_.messages, nullptr, options_.now));
    report_.answer = options_.answer;
    if (report_.answer.empty()) {
      HEW_ASSIGN(report_.answer, Answer(engine_));
    }
    Json messages = options_.messages;
    messages.push_back({{"role", "assistant"}, {"content", report_.answer}});
    HEW_ASSIGN(query_, Encode({{"messages", messages}}, "question"));
    if (query_.learned() == 0) return BadInput("answer: expected text, found none");
    return {};
  }

  Result<std::string> Answer(const Engine& engine) const {
    GenerateRequest request{prompt_, {}, 64, {}};
    request.sampling.temperature = 0;
    HEW_ASSIGN(const auto said, Generator(engine).Generate(request));
    return said.text;
  }

  Status Rows() {
    const std::string method = version_.recipe.is_object() ? version_.recipe.value("method", "sft") : "sft";
    if (method != "sft") {
      return BadInput(
          "{}: expected a version that learned rows to imitate, found one that learned preference pairs ({})",
          version_.Label(), method);
    }
    HEW_ASSIGN(auto rows, TrainingRows(workspace_, version_));
    for (auto& row : rows) {
      HEW_ASSIGN(TrainingExample example, Encode(row.object, row.where));
      if (example.learned() == 0) continue;
      const int64_t most = version_.recipe.is_object() ? version_.recipe.value("max_length", int64_t{0}) : 0;
      if (most > 0 && example.size() > most)
        example.ids.resize(static_cast<size_t>(most)), example.weights.resize(static_cast<size_t>(most));
      if (example.learned() == 0) continue;
      examples_.push_back(std::move(example));
      report_.rows.push_back(std::move(row));
    }
    if (report_.rows.empty()) return BadInput("{}: expected training rows, found none", version_.Label());
    report_.scores.resize(report_.rows.size());
    for (size_t i = 0; i < report_.rows.size(); ++i) report_.scores[i].row = i;
    return {};
  }

  void Words() {
    std::vector<std::string> texts;
    for (const auto& row : report_.rows) texts.push_back(TextOfRow(row.object));
    const auto scores = Bm25(texts).Scores(report_.question + report_.answer);
    for (size_t i = 0; i < scores.size(); ++i) report_.scores[i].bm25 = scores[i];
  }

  // Mean of the last hidden states over a text's tokens, length one. What all begin with is left out: it says nothing.
  Status Hidden() {
    std::vector<IdSpan> all = {query_.ids};
    for (const auto& example : examples_) all.push_back(example.ids);
    IdSpan shared = all[0];
    for (const IdSpan ids : all) shared = shared.first(std::min(CommonPrefix(shared, ids), ids.size() - 1));
    PromptStem stem(engine_);
    stem.Set(shared);
    const int64_t width = opened_.model->config.hidden_size;
    std::vector<std::vector<double>> means;
    for (const IdSpan ids : all) {
      HEW_RETURN_IF_ERROR(GoOn());
      const auto cache = stem.Branch(static_cast<int64_t>(ids.size()));
      KvCache* pointer = cache.get();
      const IdSpan rest = ids.subspan(shared.size());
      const Matrix hidden = RunTogether(engine_, {&rest, 1}, {&pointer, 1}, true);
      std::vector<double> mean(static_cast<size_t>(width));
      for (int64_t r = 0; r < hidden.row_count(); ++r) {
        for (int64_t c = 0; c < width; ++c) mean[static_cast<size_t>(c)] += hidden.view().f32(r)[c];
      }
      double norm = 0;
      for (const double v : mean) norm += v * v;
      for (double& v : mean) v /= std::sqrt(std::max(norm, 1e-300));
      means.push_back(std::move(mean));
      Tell("hidden states", means.size(), all.size());
    }
    for (size_t i = 1; i < means.size(); ++i)
      report_.scores[i - 1].cosine = std::inner_product(means[0].begin(), means[0].end(), means[i].begin(), 0.0);
    return {};
  }

  Status Gradients() {
    if (opened_.adapters.size() != 1)
      return BadInput("{}: expected one adapter, found {}", version_.Label(), opened_.adapters.size());
    const LoraAdapter& adapter = *opened_.adapters[0];
    const auto count = static_cast<int64_t>(examples_.size());
    const int64_t width = GradientStore::WidthFor(count, adapter.modules.size() * 2, options_.memory_bytes);
    GradientStore store(adapter, count, width);
    report_.projected_to = width;
    std::vector<float> gradient(adapter.parameters.size());
    TrainingWorkspace workspace;
    for (int64_t i = 0; i < count; ++i) {
      HEW_RETURN_IF_ERROR(GoOn());
      ExampleGradient(rt_, *opened_.model, adapter, examples_[static_cast<size_t>(i)], gradient, &workspace);
      store.Put(i, gradient);
      Tell("gradients", static_cast<size_t>(i) + 1, examples_.size());
    }
    ExampleGradient(rt_, *opened_.model, adapter, query_, gradient, &workspace);
    const auto scores = store.Influence(rt_, store.Project(gradient), options_.cancelled);
    HEW_RETURN_IF_ERROR(GoOn());
    for (size_t i = 0; i < scores.size(); ++i) report_.scores[i].gradient = scores[i];
    report_.has_gradients = true;
    return {};
  }

  Result<double> AnswerLogprob(const Engine& engine) const {
    const auto first = static_cast<std::ptrdiff_t>(query_.first_learned());
    HEW_ASSIGN(const auto scores, ScoreContinuations(engine, {{{query_.ids.begin(), query_.ids.begin() + first},
                                                               {query_.ids.begin() + first, query_.ids.end()}}}));
    return scores[0].logprob;
  }

  Status Exact() {
    ExactProof proof;
    auto order = RankBy(report_.scores, report_.has_gradients ? &RowScore::gradient : &RowScore::bm25);
    order.resize(std::min(order.size(), options_.exact_rows));
    proof.left_out = order;
    std::vector<std::string> digests;
    for (const size_t row : order) digests.push_back(report_.rows[row].digest);
    HEW_ASSIGN(proof.before, Answer(engine_));
    HEW_ASSIGN(proof.before_logprob, AnswerLogprob(engine_));
    HEW_ASSIGN(const std::string folder, workspace_.NewRunFolder(""));
    const Aside aside{folder};
    HEW_ASSIGN(const std::string adapter, TuneWithout(workspace_, rt_, version_, digests, folder,
                                                      options_.progress == nullptr, options_.cancelled));
    HEW_ASSIGN(const std::string base, workspace_.BasePath(version_.base));
    HEW_ASSIGN(const OpenedModel without, OpenModel(rt_, base, {adapter}));
    HEW_ASSIGN(const Engine engine, without.MakeEngine(rt_));
    HEW_ASSIGN(proof.after, Answer(engine));
    HEW_ASSIGN(proof.after_logprob, AnswerLogprob(engine));
    report_.proof = std::move(proof);
    return {};
  }

  Workspace& workspace_;
  Runtime rt_;
  const Version& version_;
  const WhyOptions& options_;
  OpenedModel opened_;
  Engine engine_;
  std::vector<int32_t> prompt_;
  TrainingExample query_;
  std::vector<TrainingExample> examples_;
  WhyReport report_;
};

}  // namespace

std::vector<size_t> RankBy(const std::vector<RowScore>& scores, double RowScore::*measure) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a].*measure > scores[b].*measure; });
  return order;
}

Result<WhyReport> Why(Workspace& workspace, const Runtime& rt, const Version& version, const WhyOptions& options) {
  if (version.kind != VersionKind::kAdapter)
    return BadInput("{}: expected a version that was tuned here, found a {}", version.Label(), NameOf(version.kind));
  return Attribution(workspace, rt, version, options).Run();
}

Json ToJson(const WhyReport& report, size_t shown) {
  Json json = {{"question", report.question}, {"answer", report.answer}, {"rows", report.rows.size()}};
  const auto list = [&](double RowScore::*measure) {
    Json out = Json::array();
    for (const size_t i : RankBy(report.scores, measure)) {
      if (out.size() >= shown) break;
      out.push_back({{"where", report.rows[i].where},
                     {"score", report.scores[i].*measure},
                     {"sha256", report.rows[i].digest},
                     {"row", report.rows[i].object}});
    }
    return out;
  };
  json["words_bm25"] = list(&RowScore::bm25);
  json["words_cosine"] = list(&RowScore::cosine);
  if (report.has_gradients) json["gradients"] = list(&RowScore::gradient);
  if (report.has_gradients) json["gradient_width"] = report.projected_to;
  if (report.proof) {
    Json left = Json::array();
    for (const size_t i : report.proof->left_out)
      left.push_back({{"where", report.rows[i].where}, {"row", report.rows[i].object}});
    json["exact"] = {{"left_out", left},
                     {"before", report.proof->before},
                     {"after", report.proof->after},
                     {"before_logprob", report.proof->before_logprob},
                     {"after_logprob", report.proof->after_logprob}};
  }
  return json;
}

}  // namespace hew
