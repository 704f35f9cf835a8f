#include "studio/registry/gate.h"

#include <algorithm>

#include "base/file.h"
#include "studio/registry/fixes.h"
#include "studio/registry/forgetting.h"
#include "studio/statistics.h"

namespace hew {
namespace {

constexpr double kSignificant = 0.05;
constexpr int kSpeedTries = 3;  // a machine with other work may be slow once

bool Has(const std::vector<std::string>& tags, const char* tag) {
  return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

class Gate {
 public:
  Gate(Workspace& workspace, const Runtime& rt, int64_t before, int64_t after, const GateOptions& options)
      : workspace_(workspace),
        options_(options),
        before_id_(before),
        after_id_(after),
        before_(rt, "v" + std::to_string(before)),
        after_(rt, "v" + std::to_string(after)) {}

  Result<GateReport> Run() {
    HEW_ASSIGN(const auto suites, Suites());
    std::vector<StoredAnswer> all_before, all_after;
    for (const auto& suite : suites) {
      HEW_ASSIGN(const auto x, Answers(before_, before_id_, suite));
      HEW_ASSIGN(const auto y, Answers(after_, after_id_, suite));
      if (suite.name == base_suite_) {
        BaseSuite(CompareAnswers(x, y), suite.name);
      } else {
        suite_lines_.push_back(JudgeSuite(CompareAnswers(x, y), suite.name, options_.rules.worse_points_most));
      }
      all_before.insert(all_before.end(), x.begin(), x.end());
      all_after.insert(all_after.end(), y.begin(), y.end());
    }
    report_.answers = CompareAnswers(all_before, all_after);
    HEW_RETURN_IF_ERROR(Fixed());
    Promises();
    for (auto& line : suite_lines_) report_.lines.push_back(std::move(line));
    for (auto& line : base_lines_) report_.lines.push_back(std::move(line));
    HEW_RETURN_IF_ERROR(Forgot());
    if (options_.measure_cost) HEW_RETURN_IF_ERROR(Dearer());
    for (const auto& line : report_.lines) {
      if (line.verdict == Verdict::kFail) report_.verdict = Verdict::kFail;
      if (line.verdict == Verdict::kInconclusive && report_.verdict == Verdict::kPass)
        report_.verdict = Verdict::kInconclusive;
    }
    return std::move(report_);
  }

 private:
  void Say(const std::string& line) {
    if (options_.say) options_.say(line);
  }

  // Named by the rules, or all that the earlier version was tested on; the fixes' own always.
  Result<std::vector<NamedSuite>> Suites() {
    std::vector<std::string> words = options_.rules.suites;
    if (words.empty()) {
      HEW_ASSIGN(const auto counts, workspace_.registry().Counts(before_id_));
      for (const auto& count : counts) words.push_back(count.suite);
    }
    if (!options_.rules.base_suite.empty()) words.push_back(options_.rules.base_suite);
    std::vector<NamedSuite> suites;
    HEW_ASSIGN(auto fixes, FixSuite(workspace_));
    const auto add = [&](NamedSuite suite) {
      const bool known = std::any_of(suites.begin(), suites.end(), [&](const auto& s) { return s.name == suite.name; });
      if (!known && !suite.cases.empty()) suites.push_back(std::move(suite));
    };
    for (const auto& word : words) {
      if (word == kFixSuite) continue;
      HEW_ASSIGN(NamedSuite suite, OpenSuite(&workspace_, word));
      if (word == options_.rules.base_suite) base_suite_ = suite.name;
      add(std::move(suite));
    }
    add(std::move(fixes));
    if (suites.empty())
      return BadInput("gate: expected a suite in release.toml, or one that v{} was tested on (hew test), found none",
                      before_id_);
    return suites;
  }

  Result<std::vector<StoredAnswer>> Answers(LazyModel& model, int64_t version, const NamedSuite& suite) {
    SuiteOptions asking = options_.suite;
    if (options_.progress) {
      const std::string what = fmt::format("{}: {}", model.name(), suite.name);
      const auto all = static_cast<int64_t>(suite.cases.size());
      asking.on_done = [this, what, all](size_t done) { options_.progress(what, static_cast<int64_t>(done), all); };
    }
    HEW_ASSIGN(const SuiteResult result, TestVersion(workspace_, version, suite, model, asking, false));
    if (result.cases.size() < suite.cases.size())
      return tl::unexpected<Error>(Error{ErrorCode::kCancelled, "stopped; the answers so far are kept"});
    return workspace_.registry().Answers(version, suite.name);
  }

  Status Fixed() {
    GateLine line;
    line.question = GateQuestion::kFixed;
    line.rule = fmt::format("at least {:.0f}% of held-out paraphrases", 100 * options_.rules.fixed_least);
    HEW_ASSIGN(const auto fixes, ListFixes(workspace_, ""));
    int64_t passed = 0, cases = 0;
    for (const auto& c : report_.answers.cases) {
      if (c.suite != kFixSuite || !Has(c.tags, kParaphraseTag)) continue;
      const bool ours = std::any_of(fixes.begin(), fixes.end(), [&](const Fix& f) {
        return f.fixed_in == after_id_ && c.id.starts_with(f.CaseId() + "-");
      });
      if (!ours) continue;
      cases += 1;
      passed += c.passed;
    }
    line.measured = cases == 0 ? "no fix was made by this version" : fmt::format("{} of {}", passed, cases);
    line.numbers = {{"passed", passed}, {"cases", cases}, {"bound", options_.rules.fixed_least}};
    if (cases > 0)
      line.verdict = static_cast<double>(passed) >= options_.rules.fixed_least * static_cast<double>(cases)
                         ? Verdict::kPass
                         : Verdict::kFail;
    report_.lines.push_back(std::move(line));
    return {};
  }

  void Promises() {
    GateLine line;
    line.question = GateQuestion::kPromises;
    int64_t broken = 0, promises = 0;
    for (const auto& c : report_.answers.cases) {
      promises += c.must_pass;
      broken += c.must_pass && c.turn == Turn::kBroken;
    }
    line.rule = fmt::format("at most {:g} broken", options_.rules.broken_promises_most);
    line.measured = fmt::format("{} of {} must-pass cases broken", broken, promises);
    line.numbers = {{"broken", broken}, {"promises", promises}, {"bound", options_.rules.broken_promises_most}};
    line.verdict = promises == 0                                                        ? Verdict::kNotAsked
                   : static_cast<double>(broken) <= options_.rules.broken_promises_most ? Verdict::kPass
                                                                                        : Verdict::kFail;
    report_.lines.push_back(std::move(line));
  }

  void BaseSuite(const AnswerDiff& diff, const std::string& suite) {
    GateLine line;
    line.question = GateQuestion::kBaseSuite;
    line.suite = suite;
    const auto n = static_cast<double>(std::max<size_t>(1, diff.cases.size()));
    line.measured = fmt::format("{} broken, {} fixed of {} ({:.1f}% turned to the worse)", diff.broken, diff.fixed,
                                diff.cases.size(), 100 * static_cast<double>(diff.broken) / n);
    line.rule = fmt::format("at most {:g}% turned", 100 * options_.rules.base_turned_most);
    line.numbers = {{"broken", diff.broken},
                    {"fixed", diff.fixed},
                    {"cases", diff.cases.size()},
                    {"bound", options_.rules.base_turned_most}};
    line.verdict =
        static_cast<double>(diff.broken) / n <= options_.rules.base_turned_most ? Verdict::kPass : Verdict::kFail;
    base_lines_.push_back(std::move(line));
  }

  Status Forgot() {
    Say("perplexity and KL");
    HEW_ASSIGN(const Engine* before, before_.engine());
    HEW_ASSIGN(const Engine* after, after_.engine());
    std::vector<std::string> texts = BaseTexts();
    if (!options_.rules.base_texts.empty()) {
      HEW_ASSIGN(std::string text, ReadFile(options_.rules.base_texts, uint64_t{64} << 20));
      texts = {std::move(text)};
    }
    HEW_ASSIGN(const Drift drift, MeasureDrift(*before, *after, texts));
    GateLine line;
    line.question = GateQuestion::kPerplexity;
    line.measured = fmt::format("{:.3f} times ({:.2f} to {:.2f} on {} tokens)", drift.ratio(), drift.before_perplexity,
                                drift.after_perplexity, drift.tokens);
    line.rule = fmt::format("at most {:g} times", options_.rules.perplexity_ratio_most);
    line.numbers = {{"ratio", drift.ratio()},
                    {"before", drift.before_perplexity},
                    {"after", drift.after_perplexity},
                    {"tokens", drift.tokens},
                    {"bound", options_.rules.perplexity_ratio_most}};
    line.verdict = drift.ratio() <= options_.rules.perplexity_ratio_most ? Verdict::kPass : Verdict::kFail;
    report_.lines.push_back(line);
    line.question = GateQuestion::kDrift;
    line.measured = fmt::format("{:.4f} nats a token", drift.kl);
    line.rule = fmt::format("at most {:g}", options_.rules.kl_most);
    line.numbers = {{"kl", drift.kl}, {"bound", options_.rules.kl_most}};
    line.verdict = drift.kl <= options_.rules.kl_most ? Verdict::kPass : Verdict::kFail;
    report_.lines.push_back(std::move(line));
    return {};
  }

  Status Dearer() {
    Say("speed");
    HEW_ASSIGN(const Engine* before, before_.engine());
    HEW_ASSIGN(const Engine* after, after_.engine());
    GateLine line;
    line.question = GateQuestion::kSpeed;
    double ratio = 0;
    for (int i = 0; i < kSpeedTries && ratio < 1 - options_.rules.slower_most; ++i)
      ratio = std::max(ratio, SpeedRatio(*before, *after));
    line.measured = fmt::format("{:+.1f}% tokens per second", 100 * (ratio - 1));
    line.rule = fmt::format("above {:+.0f}%", -100 * options_.rules.slower_most);
    line.numbers = {{"ratio", ratio}, {"bound", 1 - options_.rules.slower_most}};
    line.verdict = ratio >= 1 - options_.rules.slower_most ? Verdict::kPass : Verdict::kFail;
    report_.lines.push_back(line);
    line.question = GateQuestion::kMemory;
    const double larger = static_cast<double>(MemoryBytes(*after)) / static_cast<double>(MemoryBytes(*before)) - 1;
    line.measured = fmt::format("{:+.1f}% memory", 100 * larger);
    line.rule = fmt::format("at most {:+.0f}%", 100 * options_.rules.larger_most);
    line.numbers = {{"before_bytes", MemoryBytes(*before)},
                    {"after_bytes", MemoryBytes(*after)},
                    {"bound", 1 + options_.rules.larger_most}};
    line.verdict = larger <= options_.rules.larger_most ? Verdict::kPass : Verdict::kFail;
    report_.lines.push_back(std::move(line));
    return {};
  }

  Workspace& workspace_;
  const GateOptions& options_;
  int64_t before_id_, after_id_;
  LazyModel before_, after_;
  std::string base_suite_;
  std::vector<GateLine> suite_lines_, base_lines_;
  GateReport report_;
};

}  // namespace

Result<GateReport> RunGate(Workspace& workspace, const Runtime& rt, int64_t before, int64_t after,
                           const GateOptions& options) {
  return Gate(workspace, rt, before, after, options).Run();
}

const char* NameOf(Verdict verdict) {
  constexpr const char* kNames[] = {"pass", "fail", "inconclusive", "not asked"};
  return kNames[static_cast<int>(verdict)];
}

const char* NameOf(GateQuestion question) {
  constexpr const char* kNames[] = {"fixed",      "promises", "suite", "base suite",
                                    "perplexity", "drift",    "speed", "memory"};
  return kNames[static_cast<int>(question)];
}

GateLine JudgeSuite(const AnswerDiff& diff, const std::string& suite, double worse_points_most) {
  GateLine line;
  line.question = GateQuestion::kSuite;
  line.suite = suite;
  line.rule = fmt::format("lower bound above {:+g} points", -worse_points_most);
  const auto n = static_cast<int64_t>(diff.cases.size());
  const double margin = -worse_points_most / 100,
               difference = n > 0 ? static_cast<double>(diff.fixed - diff.broken) / static_cast<double>(n) : 0;
  const Interval interval = PairedShareInterval(diff.broken, diff.fixed, n);
  const double p = McNemarExact(diff.broken, diff.fixed);
  line.measured =
      fmt::format("{} broken, {} fixed of {}: {:+.1f} points (95% interval {:+.1f} to {:+.1f}), McNemar p {:.3g}",
                  diff.broken, diff.fixed, n, 100 * difference, 100 * interval.low, 100 * interval.high, p);
  if (interval.low > margin) {
    line.verdict = Verdict::kPass;
  } else if (interval.high < margin || (difference < margin && p < kSignificant)) {
    line.verdict = Verdict::kFail;  // surely worse than is borne, or worse and no chance
  } else {
    line.verdict = Verdict::kInconclusive;
    line.cases_missing = CasesMissing(diff.broken, diff.fixed, n, margin);
  }
  line.numbers = {{"broken", diff.broken},
                  {"fixed", diff.fixed},
                  {"cases", n},
                  {"difference", difference},
                  {"interval", {interval.low, interval.high}},
                  {"mcnemar_p", p},
                  {"bound", margin}};
  std::vector<double> before, after;  // where a score was kept, how it moved
  for (const auto& c : diff.cases) {
    if (c.before_score && c.after_score) before.push_back(*c.before_score), after.push_back(*c.after_score);
  }
  if (before.size() >= 2) {
    const PairedMean mean = PairedDifference(before, after);
    line.numbers["score_difference"] = {
        {"mean", mean.mean}, {"interval", {mean.interval.low, mean.interval.high}}, {"cases", before.size()}};
  }
  return line;
}

Json ToJson(const GateReport& report) {
  Json json = {{"verdict", NameOf(report.verdict)}, {"lines", Json::array()}};
  for (const auto& line : report.lines) {
    Json one = {{"question", NameOf(line.question)},
                {"verdict", NameOf(line.verdict)},
                {"measured", line.measured},
                {"rule", line.rule}};
    if (!line.suite.empty()) one["suite"] = line.suite;
    if (line.verdict == Verdict::kInconclusive) one["cases_missing"] = line.cases_missing;
    one["numbers"] = line.numbers;
    json["lines"].push_back(std::move(one));
  }
  VersionDiff turned;
  turned.answers = report.answers;
  json["answers"] = ToJson(turned)["answers"];
  return json;
}

}  // namespace hew
