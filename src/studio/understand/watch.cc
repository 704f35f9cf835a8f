#include "studio/understand/watch.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "studio/registry/record.h"
#include "studio/understand/run_files.h"
#include "train/run.h"
#include "train/snapshots.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

constexpr size_t kJsonLosses = 500;  // points of a curve in a report

Result<std::vector<int32_t>> IdsOf(const OpenedModel& opened, const std::string& prompt, const WatchOptions& options) {
  if (!options.chat) return PromptIds(*opened.tokenizer, prompt);
  Json messages = Json::array();
  messages.push_back({{"role", "user"}, {"content", prompt}});
  return ChatPrompt(opened, messages, nullptr, options.now);
}

// Of one state and prompt, with the whole distribution until it is known which token is followed.
struct Asked {
  WatchAnswer answer;
  std::vector<double> logprobs;
};

Result<std::vector<Asked>> Ask(const Runtime& rt, const OpenedModel& opened, const std::vector<std::string>& prompts,
                               const WatchOptions& options) {
  HEW_ASSIGN(const Engine engine, opened.MakeEngine(rt));
  std::vector<Asked> asked;
  for (const auto& prompt : prompts) {
    HEW_ASSIGN(const auto ids, IdsOf(opened, prompt, options));
    Asked one;
    one.answer.prompt = prompt;
    HEW_ASSIGN(one.answer.next, NextWords(engine, ids, options.k));
    HEW_ASSIGN(one.logprobs, NextLogprobs(engine, ids));
    if (options.max_tokens > 0) {
      HEW_ASSIGN(one.answer.text, GreedyText(engine, ids, options.max_tokens));
    }
    asked.push_back(std::move(one));
  }
  return asked;
}

// Asks state after state; then what the last one finds likeliest is followed back through all of them.
class Watcher {
 public:
  Watcher(const Runtime& rt, const WatchOptions& options, size_t all) : rt_(rt), options_(options), all_(all) {}

  // False: cancelled.
  Result<bool> Add(const OpenedModel& opened, WatchPoint point, WatchReport* report) {
    HEW_ASSIGN(auto asked, Ask(rt_, opened, report->prompts, options_));
    std::vector<std::vector<double>> logprobs;
    for (auto& one : asked) {
      point.answers.push_back(std::move(one.answer));
      logprobs.push_back(std::move(one.logprobs));
    }
    report->points.push_back(std::move(point));
    logprobs_.push_back(std::move(logprobs));
    if (options_.on_point) options_.on_point(report->points.size(), all_);
    return !(options_.cancelled && options_.cancelled());
  }

  void Finish(WatchReport* report) const {
    if (report->points.empty()) return;
    for (size_t p = 0; p < report->prompts.size(); ++p) {
      const LikelyToken answer = report->points.back().answers[p].next.front();
      report->answers.push_back(answer);
      for (size_t i = 0; i < report->points.size(); ++i) {
        const auto& all = logprobs_[i][p];
        const auto id = static_cast<size_t>(answer.id);
        // Versions on other bases may have smaller vocabularies.
        report->points[i].answers[p].answer_logprob = id < all.size() ? all[id] : -INFINITY;
      }
    }
  }

 private:
  const Runtime& rt_;
  const WatchOptions& options_;
  size_t all_;
  std::vector<std::vector<std::vector<double>>> logprobs_;  // [points][prompts][vocab_size]
};

void FillLosses(const RunFiles& run, WatchPoint* point) {
  const auto at = [&](const std::vector<LossPoint>& losses) -> std::optional<double> {
    for (const auto& loss : losses) {
      if (loss.step == *point->step) return loss.loss;
    }
    return std::nullopt;
  };
  point->loss = at(run.losses);
  point->eval_loss = at(run.eval_losses);
}

Json NumberOrNull(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json ToJson(const std::vector<LossPoint>& losses) {
  Json list = Json::array();
  for (const auto& l : Thin(losses, kJsonLosses)) list.push_back({l.step, l.loss});
  return list;
}

}  // namespace

std::vector<LossPoint> Thin(const std::vector<LossPoint>& points, size_t most) {
  if (points.size() <= most || most < 2) return points;
  std::vector<LossPoint> thin;
  for (size_t i = 0; i < most; ++i) thin.push_back(points[i * (points.size() - 1) / (most - 1)]);
  return thin;
}

std::optional<RunPlace> FindRun(const std::string& name) {
  std::error_code error;
  if (fs::exists(name + "/" + kMetricsFile, error)) return RunPlace{name, ""};
  const auto workspace = Workspace::Find();
  if (!workspace || !*workspace) return std::nullopt;
  const auto version = (*workspace)->Open(name);
  if (!version) return std::nullopt;
  RunPlace place{SnapshotsOf(**workspace, *version), ""};
  if (!fs::exists(place.folder + "/" + kMetricsFile, error)) return std::nullopt;
  if (version->kind == VersionKind::kAdapter) place.base = (*workspace)->BasePath(version->base).value_or("");
  return place;
}

Result<WatchReport> WatchRun(const Runtime& rt, const std::string& run, const WatchOptions& options) {
  HEW_ASSIGN(const RunFiles files, ReadRunFiles(run));
  const auto snapshots = ListSnapshots(run);
  WatchReport report;
  report.kind = files.pretrained ? "model" : "adapter";
  report.prompts = options.prompts.empty() ? files.sampled_prompts : options.prompts;
  report.losses = files.losses;
  report.eval_losses = files.eval_losses;
  report.samples = files.samples;
  if (snapshots.empty()) {
    if (options.prompts.empty()) {
      report.prompts.clear();
      return report;
    }
    return BadInput("{}: {}: expected states to ask (train with --snapshots 8), found none", run, kSnapshotsFolder);
  }
  if (report.prompts.empty()) return BadInput("--prompt: expected a text to ask each state, found none");
  OpenedModel opened;
  if (!files.pretrained) {
    HEW_ASSIGN(opened, OpenModel(rt, options.base.empty() ? files.base : options.base, {}));
  }
  Watcher watcher(rt, options, snapshots.size());
  for (const auto& snapshot : snapshots) {
    if (files.pretrained) {
      HEW_ASSIGN(opened, OpenModel(rt, snapshot.path, {}));
    } else {
      opened.adapters.clear();
      HEW_ASSIGN(auto adapter, LoadAdapter(rt, snapshot.path, *opened.model));
      opened.adapters.push_back(std::make_unique<LoraAdapter>(std::move(adapter)));
    }
    WatchPoint point{fmt::format("step {}", snapshot.step), snapshot.step, {}, {}, {}};
    FillLosses(files, &point);
    HEW_ASSIGN(const bool more, watcher.Add(opened, std::move(point), &report));
    if (!more) break;
  }
  watcher.Finish(&report);
  return report;
}

Result<WatchReport> WatchVersions(const Runtime& rt, const std::vector<std::string>& names,
                                  const WatchOptions& options) {
  if (options.prompts.empty()) return BadInput("--prompt: expected a text to ask each version, found none");
  WatchReport report;
  report.kind = "versions";
  report.prompts = options.prompts;
  HEW_ASSIGN(const auto workspace, Workspace::Find(options.from));
  Watcher watcher(rt, options, names.size());
  std::string base;
  OpenedModel opened;
  for (const auto& name : names) {
    HEW_ASSIGN(const ModelRef ref, ResolveModel(name, options.from));
    if (ref.path != base) {  // versions of one base: only the adapters change
      HEW_ASSIGN(opened, OpenModel(rt, ref.path, {}));
      base = ref.path;
    }
    opened.adapters.clear();
    for (const auto& spec : ref.adapters) {
      HEW_ASSIGN(const auto parsed, ParseAdapterSpec(spec));
      HEW_ASSIGN(auto adapter, LoadAdapter(rt, parsed.first, *opened.model, parsed.second));
      opened.adapters.push_back(std::make_unique<LoraAdapter>(std::move(adapter)));
    }
    WatchPoint point{name, {}, {}, {}, {}};
    if (workspace && ref.version) {
      HEW_ASSIGN(const Version version, workspace->registry().Get(*ref.version));
      if (version.metrics.is_object()) {
        const auto number = [&](const char* key) -> std::optional<double> {
          const auto at = version.metrics.find(key);
          return at != version.metrics.end() && at->is_number() ? std::optional(at->get<double>()) : std::nullopt;
        };
        point.loss = number("train_loss");
        point.eval_loss = number("eval_loss");
      }
    }
    HEW_ASSIGN(const bool more, watcher.Add(opened, std::move(point), &report));
    if (!more) break;
  }
  watcher.Finish(&report);
  return report;
}

Json ToJson(const WatchReport& report) {
  Json points = Json::array(), samples = Json::array(), prompts = Json::array();
  for (size_t p = 0; p < report.prompts.size(); ++p) {
    prompts.push_back(
        {{"prompt", report.prompts[p]}, {"followed", p < report.answers.size() ? ToJson(report.answers[p]) : Json()}});
  }
  for (const auto& point : report.points) {
    Json answers = Json::array();
    for (const auto& a : point.answers) {
      Json answer = {{"prompt", a.prompt},
                     {"next", ToJson(a.next)},
                     {"followed_logprob", std::isfinite(a.answer_logprob) ? Json(a.answer_logprob) : Json()}};
      if (!a.text.empty()) answer["text"] = a.text;
      answers.push_back(std::move(answer));
    }
    points.push_back({{"name", point.name},
                      {"step", point.step ? Json(*point.step) : Json()},
                      {"loss", NumberOrNull(point.loss)},
                      {"eval_loss", NumberOrNull(point.eval_loss)},
                      {"answers", answers}});
  }
  for (const auto& s : report.samples) samples.push_back({{"step", s.step}, {"prompt", s.prompt}, {"text", s.text}});
  return {{"kind", report.kind},
          {"prompts", prompts},
          {"points", points},
          {"losses", ToJson(report.losses)},
          {"eval_losses", ToJson(report.eval_losses)},
          {"samples", samples}};
}

}  // namespace hew
