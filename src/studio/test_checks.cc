// Deciding whether an answer passes.
#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "studio/json_schema.h"
#include "studio/test_suite.h"
#include "text/regex.h"

namespace hew {
namespace {

std::string_view Strip(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kSpace);
  return begin == text.npos ? std::string_view() : text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// Models like to put JSON into a fenced block.
std::string_view WithoutFence(std::string_view text) {
  text = Strip(text);
  if (!text.starts_with("```") || !text.ends_with("```") || text.size() < 7) return text;
  const size_t line = text.find('\n');
  if (line == text.npos) return text;
  return text.substr(line + 1, text.size() - line - 4);
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
    default:
      return true;  // decided elsewhere
  }
}

const char* TextName(CheckKind kind) {
  constexpr const char* kNames[] = {"equals", "contains", "not_contains", "regex"};
  return kNames[static_cast<int>(kind)];
}

}  // namespace

bool Passes(const TestCase& test, const std::string& answer, std::string* why) {
  for (const auto& check : test.checks) {
    if (check.kind == CheckKind::kJsonSchema) {
      const auto json = ParseJson(WithoutFence(answer), "answer");
      const Status fits = json ? FitsSchema(*json, check.schema) : Status(tl::unexpected(json.error()));
      if (fits) continue;
      *why = "json_schema: " + fits.error().message;
      return false;
    }
    if (check.kind > CheckKind::kRegex) continue;
    for (const auto& expected : check.values) {
      if (Holds(check.kind, expected, answer)) continue;
      *why = fmt::format("{} \"{}\"", TextName(check.kind), expected);
      return false;
    }
  }
  return true;
}

nlohmann::ordered_json SuiteMetrics(const std::vector<CaseResult>& cases) {
  Json metrics;
  double passed = 0, logprob = 0, count = 0, choices = 0, normalized = 0;
  for (const auto& c : cases) {
    passed += c.passed;
    if (c.passed_per_character) {
      choices += 1;
      normalized += *c.passed_per_character;
    } else if (c.logprobs.size() == 1) {
      count += 1;
      logprob += c.logprobs[0];
    }
  }
  if (!cases.empty()) metrics["acc"] = passed / static_cast<double>(cases.size());
  if (choices > 0) metrics["acc_norm"] = normalized / choices;
  if (count > 0) metrics["perplexity"] = std::exp(-logprob / count);  // of whole continuations, as LAMBADA counts it
  return metrics;
}

}  // namespace hew
