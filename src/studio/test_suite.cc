// Reading suites.
#include "studio/test_suite.h"

#include <algorithm>
#include <set>

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "studio/json_schema.h"
#include "text/regex.h"

namespace hew {
namespace {

struct CheckName {
  const char* name;
  CheckKind kind;
};
constexpr CheckName kTextChecks[] = {{"equals", CheckKind::kEquals},
                                     {"contains", CheckKind::kContains},
                                     {"not_contains", CheckKind::kNotContains},
                                     {"regex", CheckKind::kRegex}};
constexpr double kLeastMark = 4;

std::string_view Strip(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

Result<std::string> Text(const Json& value, const std::string& where) {
  if (!value.is_string()) return BadInput("{}: expected text, found {}", where, value.type_name());
  return value.get<std::string>();
}

Result<std::vector<std::string>> StringOrList(const Json& value, const std::string& where) {
  std::vector<std::string> out;
  if (value.is_string()) {
    out.push_back(value.get<std::string>());
    return out;
  }
  if (!value.is_array() || value.empty())
    return BadInput("{}: expected text or a list of texts, found {}", where, value.type_name());
  for (const auto& item : value) {
    if (!item.is_string()) return BadInput("{}: expected a list of texts, found {} in it", where, item.type_name());
    out.push_back(item.get<std::string>());
  }
  return out;
}

Result<Check> ReadChoices(const Json& choices, const Json& gold, const std::string& where) {
  Check check;
  check.kind = CheckKind::kChoices;
  if (!choices.is_array() || choices.size() < 2)
    return BadInput("{}: choices: expected a list of two or more texts, found {}", where, choices.type_name());
  HEW_ASSIGN(check.values, StringOrList(choices, where + ": choices"));
  for (const auto& choice : check.values) {
    if (choice.empty()) return BadInput("{}: choices: expected texts, found an empty one", where);
  }
  if (gold.is_number_integer() && gold.get<int64_t>() >= 0 &&
      gold.get<int64_t>() < static_cast<int64_t>(check.values.size())) {
    check.gold = gold.get<size_t>();
    return check;
  }
  const auto at = gold.is_string() ? std::find(check.values.begin(), check.values.end(), gold.get<std::string>())
                                   : check.values.end();
  if (at == check.values.end())
    return BadInput("{}: gold: expected an index below {} or one of the choices, found {}", where, check.values.size(),
                    gold.dump());
  check.gold = static_cast<size_t>(at - check.values.begin());
  return check;
}

Result<Check> ReadJudge(const Json& judge, const std::string& where) {
  Check check;
  check.kind = CheckKind::kJudge;
  check.bound = kLeastMark;
  if (!judge.is_object())
    return BadInput("{}: check.judge: expected {{\"model\", \"rubric\"}}, found {}", where, judge.type_name());
  for (const auto& [key, value] : judge.items()) {
    if (key == "model") {
      HEW_ASSIGN(check.model, Text(value, where + ": check.judge.model"));
    } else if (key == "rubric") {
      HEW_ASSIGN(std::string rubric, Text(value, where + ": check.judge.rubric"));
      check.values = {std::move(rubric)};
    } else if (key == "least") {
      if (!value.is_number() || value.get<double>() < 1 || value.get<double>() > 5)
        return BadInput("{}: check.judge.least: expected a mark from 1 to 5, found {}", where, value.dump());
      check.bound = value.get<double>();
    } else {
      return BadInput("{}: check.judge: expected model, rubric or least, found '{}'", where, key);
    }
  }
  if (check.model.empty() || check.values.empty())
    return BadInput("{}: check.judge: expected model and rubric, found {}", where, judge.dump());
  return check;
}

Result<std::vector<Check>> ReadChecks(const Json& object, const std::string& where) {
  if (!object.is_object() || object.empty())
    return BadInput("{}: check: expected an object like {{\"contains\": …}}, found {}", where, object.type_name());
  std::vector<Check> checks;
  for (const auto& [name, value] : object.items()) {
    const auto* text = std::find_if(std::begin(kTextChecks), std::end(kTextChecks),
                                    [&](const CheckName& c) { return name == c.name; });
    Check check;
    if (text != std::end(kTextChecks)) {
      check.kind = text->kind;
      HEW_ASSIGN(check.values, StringOrList(value, where + ": check." + name));
      for (const auto& pattern : check.values) {
        if (check.kind != CheckKind::kRegex) break;
        if (auto regex = Regex::Compile(pattern); !regex)
          return Annotate(where + ": check.regex", std::move(regex).error());
      }
    } else if (name == "json_schema") {
      if (auto known = CheckSchema(value); !known)
        return Annotate(where + ": check.json_schema", std::move(known).error());
      check.kind = CheckKind::kJsonSchema;
      check.schema = value;
    } else if (name == "choices") {
      HEW_ASSIGN(check, ReadChoices(value, object.value("gold", Json()), where + ": check"));
      check.per_character = object.value("per_character", Json(false)) == Json(true);
    } else if (name == "gold" || name == "per_character") {
      if (!object.contains("choices"))
        return BadInput("{}: check.{}: expected choices beside it, found none", where, name);
      continue;
    } else if (name == "continuation") {
      HEW_ASSIGN(std::string continuation, Text(value, where + ": check.continuation"));
      if (continuation.empty()) return BadInput("{}: check.continuation: expected text, found none", where);
      check.kind = CheckKind::kContinuation;
      check.values = {std::move(continuation)};
    } else if (name == "max_perplexity") {
      if (!value.is_number() || !(value.get<double>() > 0))
        return BadInput("{}: check.max_perplexity: expected a number above 0, found {}", where, value.dump());
      check.kind = CheckKind::kMaxPerplexity;
      check.bound = value.get<double>();
    } else if (name == "judge") {
      HEW_ASSIGN(check, ReadJudge(value, where));
    } else {
      return BadInput(
          "{}: check: expected equals, contains, not_contains, regex, json_schema, choices, continuation, "
          "max_perplexity or judge, found '{}'",
          where, name);
    }
    checks.push_back(std::move(check));
  }
  return checks;
}

// Rows as lm-evaluation-harness's tasks are handed around. Its ARC and PIQA ask "Question: ...\nAnswer:"; COPA goes on
// from the sentence.
Status ReadHarnessRow(const Json& row, const std::string& where, TestCase* test) {
  if (row.contains("query")) {
    HEW_ASSIGN(test->prompt, Text(row["query"], where + ": query"));
    if (test->prompt.starts_with("Question:")) test->prompt = std::string(Strip(test->prompt)) + "\nAnswer:";
    HEW_ASSIGN(Check check, ReadChoices(row.value("choices", Json()), row.value("gold", Json()), where));
    test->checks = {std::move(check)};
  } else {
    HEW_ASSIGN(test->prompt, Text(row["context"], where + ": context"));
    HEW_ASSIGN(std::string continuation, Text(row.value("continuation", Json()), where + ": continuation"));
    Check check;
    check.kind = CheckKind::kContinuation;
    check.values = {std::move(continuation)};
    test->checks = {std::move(check)};
  }
  return {};
}

}  // namespace

bool TestCase::HasText() const {
  return std::any_of(checks.begin(), checks.end(), [](const Check& c) { return c.kind <= CheckKind::kJudge; });
}

std::string TestCase::Digest(int64_t max_tokens) const {
  nlohmann::json decisive = body;  // keys sorted
  if (decisive.is_object()) {
    for (const char* key : {"id", "tags", "must_pass"}) decisive.erase(key);
  }
  if (HasText()) decisive["max_tokens"] = max_tokens;
  return Sha256Hex(DumpJson(decisive));
}

Result<TestCase> ReadCase(const Json& row, const std::string& where, size_t number) {
  if (!row.is_object()) return BadInput("{}: expected an object, found {}", where, row.type_name());
  TestCase test;
  test.id = fmt::format("{}", number);
  test.body = row;
  const bool harness = row.contains("query") || row.contains("context");
  if (harness) HEW_RETURN_IF_ERROR(ReadHarnessRow(row, where, &test));
  for (const auto& [key, value] : row.items()) {
    if (key == "id") {
      HEW_ASSIGN(test.id, Text(value, where + ": id"));
    } else if (key == "messages") {
      if (!value.is_array() || value.empty())
        return BadInput("{}: messages: expected a list of messages, found {}", where, value.type_name());
      test.messages = value;
    } else if (key == "prompt") {
      HEW_ASSIGN(test.prompt, Text(value, where + ": prompt"));
    } else if (key == "check") {
      HEW_ASSIGN(test.checks, ReadChecks(value, where));
    } else if (key == "tags") {
      HEW_ASSIGN(test.tags, StringOrList(value, where + ": tags"));
    } else if (key == "must_pass") {
      if (!value.is_boolean())
        return BadInput("{}: must_pass: expected true or false, found {}", where, value.type_name());
      test.must_pass = value.get<bool>();
    } else if (!harness) {
      return BadInput("{}: expected id, messages, prompt, check, tags or must_pass, found '{}'", where, key);
    }
  }
  if (test.messages.is_null() && test.prompt.empty())
    return BadInput("{}: expected messages or prompt, found neither", where);
  if (test.checks.empty()) {  // a training row: the answer it teaches is the answer expected
    if (test.messages.is_null()) return BadInput("{}: check: expected one, found none", where);
    const auto& last = test.messages.back();
    if (!last.is_object() || !last.contains("role") || last["role"] != "assistant" || !last.contains("content") ||
        !last["content"].is_string()) {
      return BadInput("{}: check: expected one, or an assistant's message at the end, found neither", where);
    }
    Check check;
    check.kind = CheckKind::kEquals;
    check.values = {last["content"].get<std::string>()};
    test.checks.push_back(std::move(check));
    test.messages.erase(test.messages.size() - 1);
  }
  return test;
}

Result<std::vector<TestCase>> ParseSuite(std::string_view rest, const std::string& name) {
  std::vector<TestCase> cases;
  std::set<std::string> ids;
  if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);
  for (size_t line = 1; !rest.empty(); ++line) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view text = Strip(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (text.empty()) continue;
    const std::string where = fmt::format("{}:{}", name, line);
    HEW_ASSIGN(const auto row, ParseJson(text, where));
    HEW_ASSIGN(auto test, ReadCase(row, where, line));
    if (!ids.insert(test.id).second)
      return BadInput("{}: id: expected one of its own, found '{}' again", where, test.id);
    cases.push_back(std::move(test));
  }
  if (cases.empty()) return BadInput("{}: expected at least one case, found none", name);
  return cases;
}

Result<std::vector<TestCase>> ReadSuite(const std::string& path) {
  HEW_ASSIGN(const std::string bytes, ReadFile(path, uint64_t{1} << 30));
  return ParseSuite(bytes, path);
}

}  // namespace hew
