#include "cli/gate_report.h"

#include <memory>

#include "base/progress.h"

namespace hew {
namespace {

double Number(const Json& numbers, const char* name) { return numbers.at(name).get<double>(); }
int64_t Count(const Json& numbers, const char* name) { return numbers.at(name).get<int64_t>(); }

}  // namespace

Result<GateReport> RunShownGate(const CommandContext& context, Workspace& workspace, const Runtime& rt, int64_t before,
                                int64_t after, GateOptions options) {
  std::unique_ptr<Progress> bar;
  std::string stage;
  options.progress = [&](const std::string& what, int64_t done, int64_t all) {
    if (what != stage) bar = std::make_unique<Progress>(what, all, context.common.json);
    stage = what;
    if (bar) bar->Update(done);
    if (done == all) bar.reset();
  };
  options.say = [&](const std::string& line) {
    bar.reset();
    if (!context.common.json) fmt::print(stderr, "{}\n", line);
  };
  return RunGate(workspace, rt, before, after, options);
}

std::string MeasuredText(const CommandContext& context, const GateLine& line) {
  const Json& n = line.numbers;
  switch (line.question) {
    case GateQuestion::kFixed:
      if (Count(n, "cases") == 0) return context.In(msg::kNoFixHere);
      return context.Text(msg::kMeasuredFixed, Count(n, "passed"), Count(n, "cases"));
    case GateQuestion::kPromises:
      return context.Text(msg::kMeasuredPromises, Count(n, "broken"), Count(n, "promises"));
    case GateQuestion::kSuite:
      return context.Text(msg::kMeasuredSuite, Count(n, "broken"), Count(n, "fixed"), Count(n, "cases"),
                          100 * Number(n, "difference"), 100 * n.at("interval").at(0).get<double>(),
                          100 * n.at("interval").at(1).get<double>(), Number(n, "mcnemar_p"));
    case GateQuestion::kBaseSuite:
      return context.Text(msg::kMeasuredBaseSuite, Count(n, "broken"), Count(n, "fixed"), Count(n, "cases"),
                          100 * Number(n, "broken") / std::max(1.0, Number(n, "cases")));
    case GateQuestion::kPerplexity:
      return context.Text(msg::kMeasuredPerplexity, Number(n, "ratio"), Number(n, "before"), Number(n, "after"),
                          Count(n, "tokens"));
    case GateQuestion::kDrift:
      return context.Text(msg::kMeasuredDrift, Number(n, "kl"));
    case GateQuestion::kSpeed:
      return context.Text(msg::kMeasuredSpeed, 100 * (Number(n, "ratio") - 1));
    case GateQuestion::kMemory:
      return context.Text(msg::kMeasuredMemory, 100 * (Number(n, "after_bytes") / Number(n, "before_bytes") - 1));
  }
  return line.measured;
}

std::string RuleText(const CommandContext& context, const GateLine& line) {
  const double bound = Number(line.numbers, "bound");
  switch (line.question) {
    case GateQuestion::kFixed:
      return context.Text(msg::kRuleFixed, 100 * bound);
    case GateQuestion::kPromises:
      return context.Text(msg::kRulePromises, bound);
    case GateQuestion::kSuite:
      return context.Text(msg::kRuleSuite, 100 * bound);
    case GateQuestion::kBaseSuite:
      return context.Text(msg::kRuleBaseSuite, 100 * bound);
    case GateQuestion::kPerplexity:
      return context.Text(msg::kRulePerplexity, bound);
    case GateQuestion::kDrift:
      return context.Text(msg::kRuleDrift, bound);
    case GateQuestion::kSpeed:
      return context.Text(msg::kRuleSpeed, 100 * (bound - 1));
    case GateQuestion::kMemory:
      return context.Text(msg::kRuleMemory, 100 * (bound - 1));
  }
  return line.rule;
}

void PrintGate(const CommandContext& context, const GateReport& report, int64_t before, int64_t after, size_t shown) {
  constexpr const Message* kVerdicts[] = {&msg::kVerdictPass, &msg::kVerdictFail, &msg::kVerdictInconclusive,
                                          &msg::kVerdictNotAsked};
  constexpr const Message* kQuestions[] = {&msg::kAskFixed,     &msg::kAskPromises,   &msg::kAskSuite,
                                           &msg::kAskBaseSuite, &msg::kAskPerplexity, &msg::kAskDrift,
                                           &msg::kAskSpeed,     &msg::kAskMemory};
  context.Say(msg::kGateHead, after, before);
  for (const auto& line : report.lines) {
    fmt::print("  {:<8} {:<20} {}{}\n           {}", context.In(*kVerdicts[static_cast<int>(line.verdict)]),
               context.In(*kQuestions[static_cast<int>(line.question)]), line.suite.empty() ? "" : line.suite + ": ",
               MeasuredText(context, line), context.Text(msg::kRule, RuleText(context, line)));
    if (line.verdict == Verdict::kInconclusive) {
      fmt::print("; {}", line.cases_missing > 0 ? context.Text(msg::kCasesMissing, line.cases_missing)
                                                : context.In(msg::kNeverEnough));
    }
    fmt::print("\n");
  }
  PrintAnswerDiff(context, report.answers, shown);
  context.Say(report.verdict == Verdict::kPass   ? msg::kGatePass
              : report.verdict == Verdict::kFail ? msg::kGateFail
                                                 : msg::kGateInconclusive);
}

}  // namespace hew
