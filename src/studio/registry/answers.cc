#include "studio/registry/answers.h"

#include <filesystem>
#include <map>

#include "base/file.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

std::string NameOfSuite(const Workspace& workspace, const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::weakly_canonical(fs::absolute(path, error), error);
  fs::path relative = absolute.lexically_relative(workspace.root());
  if (relative.empty() || relative.begin()->string() == "..") relative = absolute;
  std::string name = relative.string();
  if (name.ends_with(".jsonl")) name.resize(name.size() - 6);
  return name;
}

StoredAnswer ToStored(const CaseResult& result, const std::string& suite, const std::string& digest,
                      const std::string& arithmetic) {
  StoredAnswer a{
      suite,        result.id,  digest, result.answer, result.why, result.passed, result.must_pass, result.tags,
      result.score, arithmetic, {}};
  if (!result.logprobs.empty()) a.details["logprobs"] = result.logprobs;
  if (result.passed_per_character) a.details["passed_per_character"] = *result.passed_per_character;
  return a;
}

CaseResult FromStored(const StoredAnswer& a, const TestCase& test) {
  CaseResult result{a.id, a.answer, a.passed, a.why, test.tags, test.must_pass, a.score, {}, {}};
  if (!a.details.is_object()) return result;
  if (const auto at = a.details.find("logprobs"); at != a.details.end() && at->is_array()) {
    for (const auto& logprob : *at) result.logprobs.push_back(logprob.is_number() ? logprob.get<double>() : 0);
  }
  if (a.details.contains("passed_per_character"))
    result.passed_per_character = a.details["passed_per_character"] == Json(true);
  return result;
}

}  // namespace

Result<NamedSuite> OpenSuite(Workspace* workspace, const std::string& word) {
  std::error_code error;
  NamedSuite suite;
  if (fs::is_regular_file(word, error) || !workspace) {
    suite.path = word;
    suite.name = workspace ? NameOfSuite(*workspace, word) : word;
    HEW_ASSIGN(const std::string bytes, ReadFile(word, uint64_t{1} << 30));
    HEW_ASSIGN(suite.cases, ParseSuite(bytes, word));
    if (!workspace) return suite;
    HEW_ASSIGN(const auto lock, ObjectLock::Take(*workspace, ObjectLock::Kind::kShared));
    HEW_ASSIGN(const std::string object, workspace->objects().Put(bytes));
    HEW_ASSIGN(const auto known, workspace->registry().Suites());
    const bool same = std::any_of(known.begin(), known.end(),
                                  [&](const auto& s) { return s.name == suite.name && s.object == object; });
    if (!same)
      HEW_RETURN_IF_ERROR(workspace->registry().SetSuite(suite.name, fs::absolute(word, error).string(), object));
    return suite;
  }
  HEW_ASSIGN(const auto known, workspace->registry().Suites());
  const Registry::Suite* found = nullptr;
  std::string several;
  for (const auto& candidate : known) {
    if (candidate.name == word) {
      found = &candidate;
      several.clear();
      break;
    }
    if (!candidate.name.ends_with("/" + word)) continue;
    if (found) several = found->name + " and " + candidate.name;
    found = &candidate;
  }
  if (!found) return BadInput("{}: expected a file, or a suite that this workspace has seen, found neither", word);
  if (!several.empty()) return BadInput("{}: expected one suite that ends so, found {}", word, several);
  if (fs::is_regular_file(found->path, error)) return OpenSuite(workspace, found->path);
  HEW_ASSIGN(const std::string bytes, workspace->objects().Get(found->object));
  suite.name = found->name, suite.path = found->path;
  HEW_ASSIGN(suite.cases, ParseSuite(bytes, found->path));
  return suite;
}

Result<const OpenedModel*> LazyModel::Opened() {
  if (!opened_) {
    HEW_ASSIGN(auto opened, open_ ? open_() : OpenModel(rt_, name_, {}));
    opened_ = std::make_unique<OpenedModel>(std::move(opened));
  }
  return opened_.get();
}

Result<const Engine*> LazyModel::engine() {
  if (!engine_) {
    HEW_ASSIGN(const OpenedModel* opened, Opened());
    HEW_ASSIGN(Engine engine, opened->MakeEngine(rt_, context_size_));
    engine_ = std::make_unique<Engine>(std::move(engine));
  }
  return engine_.get();
}

std::string ArithmeticOf(const Runtime& rt) {
  return fmt::format("{}/{}", NameOf(rt.isa), NameOf(rt.precision));
}

Result<SuiteResult> TestVersion(Workspace& workspace, int64_t version, const NamedSuite& suite, LazyModel& model,
                                const SuiteOptions& options, bool again) {
  const std::string arithmetic = ArithmeticOf(model.rt());
  HEW_ASSIGN(const auto known, workspace.registry().Answers(version, suite.name));
  std::map<std::string, const StoredAnswer*> by_id;
  for (const auto& answer : known) by_id[answer.id] = &answer;
  std::map<std::string, std::string> digests;
  std::map<std::string, CaseResult> decided;
  std::vector<TestCase> open;
  std::vector<std::string> ids;
  for (const auto& test : suite.cases) {
    ids.push_back(test.id);
    const std::string& digest = digests[test.id] = test.Digest(options.max_tokens);
    const auto at = by_id.find(test.id);
    if (!again && at != by_id.end() && at->second->digest == digest && at->second->arithmetic == arithmetic) {
      decided[test.id] = FromStored(*at->second, test);
    } else {
      open.push_back(test);
    }
  }
  if (!open.empty()) {
    HEW_ASSIGN(const OpenedModel* opened, model.Opened());
    HEW_ASSIGN(const Engine* engine, model.engine());
    std::map<std::string, const TestCase*> bodies;
    for (const auto& test : open) bodies[test.id] = &test;
    SuiteOptions run = options;
    const size_t before = decided.size();
    if (options.on_done) run.on_done = [&, before](size_t done) { options.on_done(before + done); };
    run.keep = [&](std::span<const CaseResult> results) -> Status {
      std::vector<StoredCase> cases;
      std::vector<StoredAnswer> answers;
      for (const auto& result : results) {
        cases.push_back({suite.name, result.id, digests[result.id], bodies[result.id]->body});
        answers.push_back(ToStored(result, suite.name, digests[result.id], arithmetic));
      }
      if (options.keep) HEW_RETURN_IF_ERROR(options.keep(results));
      return workspace.registry().SaveAnswers(version, cases, answers);
    };
    HEW_ASSIGN(SuiteResult ran, RunSuite(*opened, *engine, open, run));
    for (auto& result : ran.cases) decided[result.id] = std::move(result);
  }
  SuiteResult out;
  for (const auto& test : suite.cases) {
    const auto at = decided.find(test.id);
    if (at == decided.end()) continue;
    (at->second.passed ? out.passed : out.failed) += 1;
    out.cases.push_back(std::move(at->second));
  }
  if (out.cases.size() == suite.cases.size() && known.size() > 0)
    HEW_RETURN_IF_ERROR(workspace.registry().KeepOnly(version, suite.name, ids));
  return out;
}

}  // namespace hew
