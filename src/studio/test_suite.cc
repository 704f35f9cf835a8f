#include "studio/test_suite.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "text/regex.h"

namespace hew {
namespace {

struct CheckName {
  const char* name;
  CheckKind kind;
};
constexpr CheckName kChecks[] = {{"equals", CheckKind::kEquals},
                                 {"contains", CheckKind::kContains},
                                 {"not_contains", CheckKind::kNotContains},
                                 {"regex", CheckKind::kRegex}};

std::string_view Strip(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

Result<std::vector<std::string>> StringOrList(const nlohmann::ordered_json& value, const std::string& where) {
  std::vector<std::string> out;
  if (value.is_string()) {
    out.push_back(value.get<std::string>());
    return out;
  }
  if (!value.is_array() || value.empty()) return BadInput("{}: expected text or a list of texts, found {}", where, value.type_name());
  for (const auto& item : value) {
    if (!item.is_string()) return BadInput("{}: expected a list of texts, found {} in it", where, item.type_name());
    out.push_back(item.get<std::string>());
  }
  return out;
}

Result<std::vector<Check>> ReadChecks(const nlohmann::ordered_json& check, const std::string& where) {
  if (!check.is_object() || check.empty()) return BadInput("{}: check: expected an object like {{\"contains\": …}}, found {}", where, check.type_name());
  std::vector<Check> checks;
  for (const auto& [name, value] : check.items()) {
    const auto* known = std::find_if(std::begin(kChecks), std::end(kChecks), [&](const CheckName& c) { return name == c.name; });
    if (known == std::end(kChecks)) {
      return BadInput("{}: check: expected equals, contains, not_contains or regex, found '{}'", where, name);
    }
    HEW_ASSIGN(auto values, StringOrList(value, where + ": check." + name));
    if (known->kind == CheckKind::kRegex) {
      for (const auto& pattern : values) {
        if (auto regex = Regex::Compile(pattern); !regex) return Annotate(where + ": check.regex", std::move(regex).error());
      }
    }
    checks.push_back({known->kind, std::move(values)});
  }
  return checks;
}

Result<TestCase> ReadCase(const nlohmann::ordered_json& row, const std::string& where, size_t number) {
  if (!row.is_object()) return BadInput("{}: expected an object, found {}", where, row.type_name());
  TestCase test;
  test.id = fmt::format("{}", number);
  for (const auto& [key, value] : row.items()) {
    if (key == "id") {
      if (!value.is_string()) return BadInput("{}: id: expected text, found {}", where, value.type_name());
      test.id = value.get<std::string>();
    } else if (key == "messages") {
      if (!value.is_array() || value.empty()) return BadInput("{}: messages: expected a list of messages, found {}", where, value.type_name());
      test.messages = value;
    } else if (key == "prompt") {
      if (!value.is_string()) return BadInput("{}: prompt: expected text, found {}", where, value.type_name());
      test.prompt = value.get<std::string>();
    } else if (key == "check") {
      HEW_ASSIGN(test.checks, ReadChecks(value, where));
    } else if (key == "tags") {
      HEW_ASSIGN(test.tags, StringOrList(value, where + ": tags"));
    } else if (key == "must_pass") {
      if (!value.is_boolean()) return BadInput("{}: must_pass: expected true or false, found {}", where, value.type_name());
      test.must_pass = value.get<bool>();
    } else {
      return BadInput("{}: expected id, messages, prompt, check, tags or must_pass, found '{}'", where, key);
    }
  }
  if (test.messages.is_null() && test.prompt.empty()) return BadInput("{}: expected messages or prompt, found neither", where);
  if (test.checks.empty()) {  // a training row: the answer it teaches is the answer expected
    if (test.messages.is_null()) return BadInput("{}: check: expected one, found none", where);
    const auto& last = test.messages.back();
    if (!last.is_object() || last.value("role", "") != "assistant" || !last.contains("content") || !last["content"].is_string()) {
      return BadInput("{}: check: expected one, or an assistant's message at the end, found neither", where);
    }
    test.checks.push_back({CheckKind::kEquals, {last["content"].get<std::string>()}});
    test.messages.erase(test.messages.size() - 1);
  }
  return test;
}

bool Holds(CheckKind kind, const std::string& expected, const std::string& answer) {
  switch (kind) {
    case CheckKind::kEquals:
      return Strip(answer) == Strip(expected);
    case CheckKind::kContains:
      return answer.find(expected) != std::string::npos;
    case CheckKind::kNotContains:
      return answer.find(expected) == std::string::npos;
    case CheckKind::kRegex: {
      const auto regex = Regex::Compile(expected);
      return regex && regex->Search(answer);
    }
  }
  return false;
}

}  // namespace

Result<std::vector<TestCase>> ReadSuite(const std::string& path) {
  HEW_ASSIGN(const std::string bytes, ReadFile(path, uint64_t{1} << 30));
  std::vector<TestCase> cases;
  std::set<std::string> ids;
  std::string_view rest = bytes;
  if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);
  for (size_t line = 1; !rest.empty(); ++line) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view text = Strip(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (text.empty()) continue;
    const std::string where = fmt::format("{}:{}", path, line);
    HEW_ASSIGN(const auto row, ParseJson(text, where));
    HEW_ASSIGN(auto test, ReadCase(row, where, line));
    if (!ids.insert(test.id).second) return BadInput("{}: id: expected one of its own, found '{}' again", where, test.id);
    cases.push_back(std::move(test));
  }
  if (cases.empty()) return BadInput("{}: expected at least one case, found none", path);
  return cases;
}

bool Passes(const TestCase& test, const std::string& answer, std::string* why) {
  for (const auto& check : test.checks) {
    for (const auto& expected : check.values) {
      if (Holds(check.kind, expected, answer)) continue;
      const auto* name = std::find_if(std::begin(kChecks), std::end(kChecks), [&](const CheckName& c) { return c.kind == check.kind; });
      *why = fmt::format("{} \"{}\"", name->name, expected);
      return false;
    }
  }
  return true;
}

Result<SuiteResult> RunSuite(const OpenedModel& opened, const Engine& engine, const std::vector<TestCase>& cases,
                             const JinjaClock& now, int64_t max_tokens, int64_t batch, const std::function<void(size_t)>& on_done) {
  std::vector<GenerateRequest> requests;
  for (const auto& test : cases) {
    GenerateRequest request;
    request.sampling.temperature = 0;
    request.max_tokens = max_tokens;
    if (test.messages.is_null()) {
      request.prompt = opened.tokenizer->Encode(test.prompt, {.add_special = true});
    } else {
      auto prompt = ChatPrompt(opened, test.messages, nullptr, now);
      if (!prompt) return Annotate("case " + test.id, std::move(prompt).error());
      request.prompt = *std::move(prompt);
    }
    requests.push_back(std::move(request));
  }
  HEW_ASSIGN(auto answers, GenerateAll(engine, requests, batch, on_done));
  SuiteResult result;
  for (size_t i = 0; i < cases.size(); ++i) {
    CaseResult done{cases[i].id, answers[i].text, false, "", cases[i].tags, cases[i].must_pass};
    done.passed = Passes(cases[i], done.answer, &done.why);
    (done.passed ? result.passed : result.failed) += 1;
    result.cases.push_back(std::move(done));
  }
  return result;
}

std::pair<double, double> WilsonInterval(int64_t passed, int64_t total) {
  if (total == 0) return {0, 1};
  constexpr double z = 1.959963984540054;
  const double n = static_cast<double>(total), p = static_cast<double>(passed) / n;
  const double center = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return {std::max(0.0, center - half), std::min(1.0, center + half)};
}

}  // namespace hew
