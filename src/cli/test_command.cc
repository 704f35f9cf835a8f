// hew test: runs a suite and counts.
#include <cstdio>
#include <map>

#include "base/progress.h"
#include "cli/command.h"
#include "studio/test_suite.h"

namespace hew {
namespace {

struct TestOptions {
  std::string model, template_file;
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

void Print(const SuiteResult& result, bool show_all) {
  std::map<std::string, std::pair<int64_t, int64_t>> by_tag;  // passed, total
  for (const auto& c : result.cases) {
    for (const auto& tag : c.tags) {
      by_tag[tag].first += c.passed;
      by_tag[tag].second += 1;
    }
    if (c.passed && !show_all) continue;
    fmt::print("{} {}: {}{}\n", c.passed ? "pass" : "FAIL", c.id, c.answer.substr(0, 160), c.passed ? "" : "   [" + c.why + "]");
  }
  for (const auto& [tag, count] : by_tag) fmt::print("  {:<24} {:>4}/{}\n", tag, count.first, count.second);
  const int64_t total = result.passed + result.failed;
  const auto [low, high] = WilsonInterval(result.passed, total);
  fmt::print("{} passed, {} failed: {:.1f}% (95% interval {:.1f} to {:.1f})\n", result.passed, result.failed,
             100.0 * static_cast<double>(result.passed) / static_cast<double>(std::max<int64_t>(1, total)), 100 * low, 100 * high);
}

Result<int> RunTest(CommandContext& context, const TestOptions& options) {
  std::vector<TestCase> cases;
  for (const auto& suite : options.suites) {
    HEW_ASSIGN(auto more, ReadSuite(suite));
    cases.insert(cases.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(const auto opened, OpenModel(rt, options.model, context.common.adapters, options.template_file));
  HEW_ASSIGN(const Engine engine, opened.MakeEngine(rt, options.context_size));
  HEW_ASSIGN(const JinjaClock now, context.Now());
  if (options.batch < 1 || options.batch > 1024) return BadInput("--batch: expected 1 to 1024, found {}", options.batch);
  SuiteResult result;
  {
    Progress progress("test", static_cast<int64_t>(cases.size()));
    int64_t done = 0;
    HEW_ASSIGN(result, RunSuite(opened, engine, cases, now, options.max_tokens, options.batch, [&](size_t) { progress.Update(++done); }));
  }
  if (context.common.json) {
    context.PrintJson(Report(result));
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
  test->add_flag("--all", options->show_all, "show passing cases, too");
  AddAdapterOption(test, context);
  test->footer("Example:\n  hew test model.gguf --adapter adapter --suite examples/helpdesk/test.jsonl");
  test->callback([&context, options] { context.run = [&context, options] { return RunTest(context, *options); }; });
}

}  // namespace hew
