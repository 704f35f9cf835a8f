// hew test: runs a suite and counts.
#include <cstdio>
#include <map>

#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "cli/command.h"
#include "studio/test_suite.h"

namespace hew {
namespace {

struct TestOptions {
  std::string model, template_file, save, baseline;
  std::vector<std::string> suites;
  int64_t max_tokens = 64, batch = 8, context_size = 0;
  bool show_all = false;
};

nlohmann::ordered_json Report(const SuiteResult& result) {
  nlohmann::ordered_json cases = nlohmann::ordered_json::array();
  for (const auto& c : result.cases) {
    cases.push_back({{"id", c.id}, {"passed", c.passed}, {"answer", c.answer}, {"tags", c.tags}, {"must_pass", c.must_pass}, {"why", c.why}});
  }
  const auto [low, high] = WilsonInterval(result.passed, result.passed + result.failed);
  const double total = static_cast<double>(std::max<int64_t>(1, result.passed + result.failed));
  return {{"passed", result.passed}, {"failed", result.failed}, {"accuracy", static_cast<double>(result.passed) / total},
          {"interval", {low, high}}, {"cases", cases}};
}

void PrintTotal(const SuiteResult& result) {
  const int64_t total = result.passed + result.failed;
  const auto [low, high] = WilsonInterval(result.passed, total);
  fmt::print("{} passed, {} failed: {:.1f}% (95% interval {:.1f} to {:.1f})\n", result.passed, result.failed,
             100.0 * static_cast<double>(result.passed) / static_cast<double>(std::max<int64_t>(1, total)), 100 * low, 100 * high);
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
    fmt::print("{} {}: {}{}\n", c.passed ? "pass" : "FAIL", c.id, FirstLine(c.answer), c.passed ? "" : "   [" + c.why + "]");
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
    const bool whole = c.is_object() && c.contains("id") && c["id"].is_string() && c.contains("passed") && c["passed"].is_boolean() &&
                       c.contains("answer") && c["answer"].is_string();
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
    fmt::print("  {:<24} {:>9} {:>9}\n", name, fmt::format("{}/{}", row.before, row.total), fmt::format("{}/{}", row.after, row.total));
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

Result<int> RunTest(CommandContext& context, const TestOptions& options) {
  std::vector<TestCase> cases;
  for (const auto& suite : options.suites) {
    HEW_ASSIGN(auto more, ReadSuite(suite));
    cases.insert(cases.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  std::map<std::string, CaseResult> baseline;
  if (!options.baseline.empty()) {
    HEW_ASSIGN(baseline, ReadBaseline(options.baseline));
  }
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(const std::string model, context.FindModel(options.model));
  HEW_ASSIGN(const auto opened, OpenModel(rt, model, context.common.adapters, options.template_file));
  HEW_ASSIGN(const Engine engine, opened.MakeEngine(rt, options.context_size));
  HEW_ASSIGN(const JinjaClock now, context.Now());
  if (options.batch < 1 || options.batch > 1024) return BadInput("--batch: expected 1 to 1024, found {}", options.batch);
  SuiteResult result;
  {
    Progress progress("test", static_cast<int64_t>(cases.size()));
    int64_t done = 0;
    HEW_ASSIGN(result, RunSuite(opened, engine, cases, now, options.max_tokens, options.batch, [&](size_t) { progress.Update(++done); }));
  }
  const nlohmann::ordered_json report = Report(result);
  if (!options.save.empty()) {
    const std::string text = report.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    HEW_RETURN_IF_ERROR(WriteFileAtomically(options.save, text));
  }
  if (context.common.json) {
    context.PrintJson(report);
  } else if (!options.baseline.empty()) {
    PrintComparison(result, baseline, 5);
    PrintTotal(result);
  } else {
    Print(result, options.show_all);
  }
  return result.failed == 0 ? kExitDone : kExitFailed;
}

}  // namespace

void AddTestCommand(CLI::App& app, CommandContext& context) {
  auto* test = app.add_subcommand("test", "run a test suite and count what passes");
  auto options = std::make_shared<TestOptions>();
  test->add_option("MODEL", options->model, "a .gguf file or a model folder")->required();
  test->add_option("--suite", options->suites, "a JSONL file of cases; may be repeated")->required();
  test->add_option("--max-tokens", options->max_tokens, "tokens of an answer at most")->capture_default_str();
  test->add_option("--batch", options->batch, "cases through the model together; the answers do not depend on it")->capture_default_str();
  test->add_option("--template", options->template_file, "a chat template to use instead of the model's");
  test->add_option("--ctx-size", options->context_size, "tokens a sequence may hold");
  test->add_option("--save", options->save, "also write the report, as --json prints it, to a file");
  test->add_option("--baseline", options->baseline, "a report saved earlier: print before and after, and what turned");
  test->add_flag("--all", options->show_all, "show passing cases, too");
  AddAdapterOption(test, context);
  test->footer("Example:\n  hew test model.gguf --adapter adapter --suite examples/helpdesk/test.jsonl");
  test->callback([&context, options] { context.run = [&context, options] { return RunTest(context, *options); }; });
}

}  // namespace hew
