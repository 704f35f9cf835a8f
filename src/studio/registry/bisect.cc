#include "studio/registry/bisect.h"

#include <algorithm>
#include <numeric>

#include "studio/attribution/bm25.h"

namespace hew {
namespace {

class Bisection {
 public:
  Bisection(Workspace& workspace, const Runtime& rt, NamedSuite suite, const SuiteOptions& options)
      : workspace_(workspace), rt_(rt), suite_(std::move(suite)), options_(options) {}

  Result<CaseResult> Ask(int64_t version) {
    if (asking) asking(version, static_cast<int64_t>(asked.size()));
    asked.push_back(version);
    const std::string& id = suite_.cases[0].id;
    const std::string digest = suite_.cases[0].Digest(options_.max_tokens), arithmetic = ArithmeticOf(rt_);
    HEW_ASSIGN(const auto known, workspace_.registry().Answers(version, suite_.name));
    for (const auto& a : known) {
      if (a.id == id && a.digest == digest && a.arithmetic == arithmetic)
        return CaseResult{id, a.answer, a.passed, a.why, {}, false, a.score, {}, {}};
    }
    LazyModel model(rt_, "v" + std::to_string(version));
    HEW_ASSIGN(const OpenedModel* opened, model.Opened());
    HEW_ASSIGN(const Engine* engine, model.engine());
    HEW_ASSIGN(const SuiteResult result, RunSuite(*opened, *engine, suite_.cases, options_));
    const CaseResult& c = result.cases.at(0);
    StoredAnswer answer{suite_.name,          id,      digest,     c.answer, c.why, c.passed, suite_.cases[0].must_pass,
                        suite_.cases[0].tags, c.score, arithmetic, {}};
    HEW_RETURN_IF_ERROR(
        workspace_.registry().SaveAnswers(version, {{suite_.name, id, digest, suite_.cases[0].body}}, {answer}));
    return c;
  }

  std::vector<int64_t> asked;
  std::function<void(int64_t version, int64_t done)> asking;

 private:
  Workspace& workspace_;
  Runtime rt_;
  NamedSuite suite_;
  SuiteOptions options_;
};

// What a case is about, in words: its question and the answer that turned.
std::string QueryOf(const TestCase& test, const std::string& answer) {
  std::string query = test.prompt;
  if (test.messages.is_array()) {
    for (const auto& m : test.messages) {
      if (m.is_object() && m.value("role", "") != "system" && m.contains("content") && m["content"].is_string())
        query += " " + m["content"].get<std::string>();
    }
  }
  return query + " " + answer;
}

void RankRows(const std::string& query, size_t shown, std::vector<DiffRow>* rows) {
  std::vector<std::string> texts;
  for (const auto& row : *rows) texts.push_back(row.text);
  const auto scores = Bm25(texts).Scores(query);
  std::vector<size_t> order(rows->size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  if (order.size() > shown) order.resize(shown);
  std::vector<DiffRow> ranked;
  for (const size_t i : order) ranked.push_back(std::move((*rows)[i]));
  *rows = std::move(ranked);
}

}  // namespace

Result<BisectReport> Bisect(Workspace& workspace, const Runtime& rt, const std::string& id, const std::string& suite,
                            int64_t good, int64_t bad, const SuiteOptions& options, size_t shown,
                            const std::function<void(int64_t version, int64_t done, int64_t most)>& asking) {
  HEW_ASSIGN(const auto stored, workspace.registry().FindCase(id, suite));
  if (!stored)
    return BadInput("--case {}: expected a case that some version was asked (hew test), found none called so", id);
  BisectReport report;
  report.id = id, report.suite = stored->suite;
  NamedSuite one{stored->suite, stored->suite, {}};
  HEW_ASSIGN(TestCase test, ReadCase(stored->body, stored->suite + " " + id, 1));
  test.id = id;
  one.cases.push_back(test);

  std::vector<int64_t> chain = {bad};  // newest first
  while (chain.back() != good) {
    HEW_ASSIGN(const Version version, workspace.registry().Get(chain.back()));
    if (!version.parent) break;
    chain.push_back(*version.parent);
  }
  if (good >= 0 && chain.back() != good)
    return BadInput("--good v{}: expected a version that v{} comes from, found none of its parents", good, bad);
  std::reverse(chain.begin(), chain.end());  // oldest first

  Bisection bisection(workspace, rt, std::move(one), options);
  if (asking) bisection.asking = [&](int64_t v, int64_t done) { asking(v, done, static_cast<int64_t>(chain.size())); };
  HEW_ASSIGN(CaseResult bad_result, bisection.Ask(bad));
  size_t low = 0, high = chain.size() - 1;
  report.good = chain[low], report.bad = bad;
  if (bad_result.passed) {
    report.outcome = BisectReport::Outcome::kPasses;
    report.asked = bisection.asked;
    return report;
  }
  // From the oldest on, a version that passes: before the first there is nothing that could have turned.
  CaseResult good_result;
  for (; low < high; ++low) {
    HEW_ASSIGN(good_result, bisection.Ask(chain[low]));
    if (good_result.passed || good >= 0) break;
  }
  if (low == high || !good_result.passed) {
    report.outcome = BisectReport::Outcome::kNeverPassed;
    report.asked = bisection.asked;
    return report;
  }
  while (high - low > 1) {
    const size_t middle = (low + high) / 2;
    HEW_ASSIGN(CaseResult result, bisection.Ask(chain[middle]));
    (result.passed ? low : high) = middle;
    (result.passed ? good_result : bad_result) = std::move(result);
  }
  report.good = chain[low], report.bad = chain[high];
  report.good_answer = good_result.answer, report.bad_answer = bad_result.answer;
  report.asked = bisection.asked;
  HEW_ASSIGN(const Version before, workspace.registry().Get(report.good));
  HEW_ASSIGN(const Version after, workspace.registry().Get(report.bad));
  HEW_ASSIGN(report.rows, DiffRows(workspace, before, after, static_cast<size_t>(-1)));
  RankRows(QueryOf(test, report.bad_answer), shown, &report.rows.added);
  RankRows(QueryOf(test, report.good_answer), shown, &report.rows.removed);
  return report;
}

}  // namespace hew
