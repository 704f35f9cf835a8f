// Test suites: cases with a check that a program can decide, so that accuracy is counted, not felt.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "studio/open_model.h"

namespace hew {

enum class CheckKind { kEquals, kContains, kNotContains, kRegex };

struct Check {
  CheckKind kind = CheckKind::kContains;
  std::vector<std::string> values;  // each must hold
};

struct TestCase {
  std::string id;
  nlohmann::ordered_json messages;  // or, when null,
  std::string prompt;
  std::vector<Check> checks;
  std::vector<std::string> tags;
  bool must_pass = false;
};

// JSONL: {"id", "messages" | "prompt", "check": {"equals" | "contains" | "not_contains" | "regex": text or list}, "tags",
// "must_pass"}. Rows of chat data without a check become `equals` the last assistant message. Errors name file and line;
// a duplicate id, an unknown check or a pattern that does not compile is one.
Result<std::vector<TestCase>> ReadSuite(const std::string& path);

struct CaseResult {
  std::string id, answer;
  bool passed = false;
  std::string why;  // of a failure: which check, in words
  std::vector<std::string> tags;
  bool must_pass = false;
};

struct SuiteResult {
  std::vector<CaseResult> cases;
  int64_t passed = 0, failed = 0;
};

// Asks every case greedily, at most max_tokens (64 as the contract says), `batch` at a time, and checks the answers.
Result<SuiteResult> RunSuite(const OpenedModel& opened, const Engine& engine, const std::vector<TestCase>& cases,
                             const JinjaClock& now, int64_t max_tokens, int64_t batch, const std::function<void(size_t)>& on_done);

// Whether `answer` passes; on false `why` names the check.
bool Passes(const TestCase& test, const std::string& answer, std::string* why);

// Wilson's interval for a share, 95%.
std::pair<double, double> WilsonInterval(int64_t passed, int64_t total);

}  // namespace hew
