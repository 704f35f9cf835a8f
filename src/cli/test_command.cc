// hew test: runs a suite and counts.
#include <cstdio>
#include <map>

#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "cli/command.h"
#include "studio/registry/answers.h"
#include "studio/statistics.h"

namespace hew {
namespace {

struct TestOptions {
  std::string model, template_file, save, baseline;
  std::vector<std::string> suites;
  int64_t max_tokens = 64, batch = 32, context_size = 0;
  bool show_all = false, again = false;
};

nlohmann::ordered_json Report(const SuiteResult& result) {
  nlohmann::ordered_json cases = nlohmann::ordered_json::array();
  for (const auto& c : result.cases) {
    nlohmann::ordered_json one = {{"id", c.id},     {"passed", c.passed},       {"answer", c.answer},
                                  {"tags", c.tags}, {"must_pass", c.must_pass}, {"why", c.why}};
    if (c.score) one["score"] = *c.score;
    if (!c.logprobs.empty()) one["logprobs"] = c.logprobs;
    if (c.passed_per_character) one["passed_per_character"] = *c.passed_per_character;
    cases.push_back(std::move(one));
  }
  const auto [low, high] = WilsonInterval(result.passed, result.passed + result.failed);
  const double total = static_cast<double>(std::max<int64_t>(1, result.passed + result.failed));
  return {{"passed", result.passed},
          {"failed", result.failed},
          {"accuracy", static_cast<double>(result.passed) / total},
          {"interval", {low, high}},
          {"metrics", SuiteMetrics(result.cases)},
          {"cases", cases}};
}

void PrintTotal(const SuiteResult& result) {
  const int64_t total = result.passed + result.failed;
  const auto [low, high] = WilsonInterval(result.passed, total);
  fmt::print("{} passed, {} failed: {:.1f}% (95% interval {:.1f} to {:.1f})\n", result.passed, result.failed,
             100.0 * static_cast<double>(result.passed) / static_cast<double>(std::max<int64_t>(1, total)), 100 * low,
             100 * high);
}

std::string FirstLine(const std::string& answer) {
  const size_t end = answer.find('\n');
  return end == std::string::npos ? answer : answer.substr(0, end) + " …";
}

void Print(const SuiteResult& result, bool show_all) {
  std::map<std::string, std::pair<int64_t, int64_t>> by_tag;  // passed, total
  for (const auto& c : result.cases) {
    for (const auto& tag : c.tags) {
      by_tag[tag].first += c.passed;
      by_tag[tag].second += 1;
    }
    if (c.passed && !show_all) continue;
    fmt::print("{} {}: {}{}\n", c.passed ? "pass" : "FAIL", c.id, FirstLine(c.answer),
               c.passed ? "" : "   [" + c.why + "]");
  }
  for (const auto& [tag, count] : by_tag) fmt::print("  {:<24} {:>4}/{}\n", tag, count.first, count.second);
  PrintTotal(result);
}

// The earlier run's cases by id, out of a report that --save wrote.
Result<std::map<std::string, CaseResult>> ReadBaseline(const std::string& path) {
  HEW_ASSIGN(const std::string bytes, ReadFile(path));
  HEW_ASSIGN(const auto report, ParseJson(bytes, path));
  if (!report.is_object() || !report.contains("cases") || !report["cases"].is_array()) {
    return BadInput("{}: cases: expected a list as --save writes it, found none", path);
  }
  std::map<std::string, CaseResult> cases;
  for (const auto& c : report["cases"]) {
    const bool whole = c.is_object() && c.contains("id") && c["id"].is_string() && c.contains("passed") &&
                       c["passed"].is_boolean() && c.contains("answer") && c["answer"].is_string();
    if (!whole) return BadInput("{}: cases: expected id, passed and answer in each, found {}", path, c.dump());
    CaseResult result;
    result.id = c["id"];
    result.passed = c["passed"];
    result.answer = c["answer"];
    cases[result.id] = std::move(result);
  }
  return cases;
}

// Before and after: a table by tag, then what turned, broken first, since equal accuracy hides swapped answers.
void PrintComparison(const SuiteResult& result, const std::map<std::string, CaseResult>& baseline, size_t shown) {
  struct Row {
    int64_t before = 0, after = 0, total = 0;
  };
  std::map<std::string, Row> rows;
  Row all;
  std::vector<const CaseResult*> broken, fixed;
  for (const auto& c : result.cases) {
    const auto earlier = baseline.find(c.id);
    const bool before = earlier != baseline.end() && earlier->second.passed;
    const auto count = [&](Row& row) {
      row.before += before;
      row.after += c.passed;
      row.total += 1;
    };
    count(all);
    for (const auto& tag : c.tags) count(rows[tag]);
    if (before != c.passed) (before ? broken : fixed).push_back(&c);
  }
  fmt::print("  {:<24} {:>9} {:>9}\n", "", "before", "after");
  const auto print = [](const std::string& name, const Row& row) {
    fmt::print("  {:<24} {:>9} {:>9}\n", name, fmt::format("{}/{}", row.before, row.total),
               fmt::format("{}/{}", row.after, row.total));
  };
  for (const auto& [tag, row] : rows) print(tag, row);
  print("all", all);
  fmt::print("{} fixed, {} broken\n", fixed.size(), broken.size());
  for (const auto* turned : {&broken, &fixed}) {
    for (size_t i = 0; i < std::min(shown, turned->size()); ++i) {
      const CaseResult& c = *(*turned)[i];
      const auto earlier = baseline.find(c.id);
      fmt::print("\n  {} {}\n    before: {}\n    after:  {}\n", turned == &broken ? "broken" : "fixed", c.id,
                 earlier == baseline.end() ? "-" : FirstLine(earlier->second.answer), FirstLine(c.answer));
    }
  }
}

// acc_norm and perplexity, where the checks allow them.
void PrintMetrics(const SuiteResult& result) {
  const auto metrics = SuiteMetrics(result.cases);
  for (const auto& [name, value] : metrics.items()) {
    if (name != "acc") fmt::print("{} {:.4g}\n", name, value.get<double>());
  }
}

// In a workspace a version's answers are kept, and only what it was not asked yet is asked.
Result<SuiteResult> Ask(CommandContext& context, const TestOptions& options) {
  HEW_ASSIGN(auto workspace, Workspace::Find());
  std::vector<NamedSuite> suites;
  size_t all = 0;
  for (const auto& word : options.suites) {
    HEW_ASSIGN(NamedSuite suite, OpenSuite(workspace ? &*workspace : nullptr, word));
    all += suite.cases.size();
    suites.push_back(std::move(suite));
  }
  if (options.batch < 1 || options.batch > 1024)
    return BadInput("--batch: expected 1 to 1024, found {}", options.batch);
  if (options.max_tokens < 1) return BadInput("--max-tokens: expected 1 or more, found {}", options.max_tokens);
  HEW_ASSIGN(const std::string model, context.FindModel(options.model));
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  SuiteOptions run;
  HEW_ASSIGN(run.now, context.Now());
  run.max_tokens = options.max_tokens;
  run.batch = options.batch;
  run.cancelled = [] { return Cancelled().load(); };
  Progress progress("test", static_cast<int64_t>(all));
  size_t before = 0;
  run.on_done = [&](size_t done) { progress.Update(static_cast<int64_t>(before + done)); };

  std::optional<int64_t> version;
  if (workspace && context.common.adapters.empty() && options.template_file.empty()) {
    HEW_ASSIGN(const ModelRef ref, ResolveModel(model));
    version = ref.version;
  }
  std::optional<OpenedModel> opened;
  std::optional<Engine> engine;
  LazyModel lazy(rt, model, options.context_size);
  if (!version) {
    HEW_ASSIGN(opened, OpenModel(rt, model, context.common.adapters, options.template_file));
    HEW_ASSIGN(engine, opened->MakeEngine(rt, options.context_size));
  }
  SuiteResult out;
  for (const auto& suite : suites) {
    auto result = version ? TestVersion(*workspace, *version, suite, lazy, run, options.again)
                          : RunSuite(*opened, *engine, suite.cases, run);
    if (!result) return tl::unexpected(std::move(result).error());
    out.passed += result->passed;
    out.failed += result->failed;
    out.cases.insert(out.cases.end(), std::make_move_iterator(result->cases.begin()),
                     std::make_move_iterator(result->cases.end()));
    before += suite.cases.size();
  }
  if (out.cases.size() < all) {
    return tl::unexpected<Error>(
        Error{ErrorCode::kCancelled, fmt::format("stopped after {} of {} cases{}", out.cases.size(), all,
                                                 version ? "; their answers are kept: the same command goes on" : "")});
  }
  return out;
}

Result<int> RunTest(CommandContext& context, const TestOptions& options) {
  std::map<std::string, CaseResult> baseline;
  if (!options.baseline.empty()) {
    HEW_ASSIGN(baseline, ReadBaseline(options.baseline));
  }
  HEW_ASSIGN(const SuiteResult result, Ask(context, options));
  const nlohmann::ordered_json report = Report(result);
  if (!options.save.empty()) {
    const std::string text = DumpJson(report, 1) + "\n";
    HEW_RETURN_IF_ERROR(WriteFileAtomically(options.save, text));
  }
  if (context.common.json) {
    context.PrintJson(report);
  } else if (!options.baseline.empty()) {
    PrintComparison(result, baseline, 5);
    PrintTotal(result);
  } else {
    Print(result, options.show_all);
    PrintMetrics(result);
  }
  return result.failed == 0 ? kExitDone : kExitFailed;
}

}  // namespace

void AddTestCommand(CLI::App& app, CommandContext& context) {
  auto* test = app.add_subcommand("test", "run a test suite and count what passes");
  auto options = std::make_shared<TestOptions>();
  test->add_option("MODEL", options->model, "a .gguf file, a model folder or a version")->required();
  test->add_option("--suite", options->suites,
                   "a JSONL file of cases, or a suite that the workspace has seen; may be repeated")
      ->required();
  test->add_option("--max-tokens", options->max_tokens, "tokens of an answer at most")->capture_default_str();
  test->add_option("--batch", options->batch, "cases through the model together; the answers do not depend on it")
      ->capture_default_str();
  test->add_option("--template", options->template_file, "a chat template to use instead of the model's");
  test->add_option("--ctx-size", options->context_size, "tokens a sequence may hold");
  test->add_option("--save", options->save, "also write the report, as --json prints it, to a file");
  test->add_option("--baseline", options->baseline, "a report saved earlier: print before and after, and what turned");
  test->add_flag("--again", options->again, "ask cases whose answers the workspace has kept, too");
  test->add_flag("--all", options->show_all, "show passing cases, too");
  AddAdapterOption(test, context);
  test->footer(
      "Example:\n  hew test model.gguf --adapter adapter --suite examples/helpdesk/test.jsonl\n"
      "  hew test v1 --suite helpdesk      (in a workspace: answers are kept)");
  test->callback([&context, options] { context.run = [&context, options] { return RunTest(context, *options); }; });
}

}  // namespace hew
