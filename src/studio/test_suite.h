// Test suites: cases with a check that a program can decide, so that accuracy is counted, not felt.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "studio/open_model.h"

namespace hew {

enum class CheckKind {
  kEquals,
  kContains,
  kNotContains,
  kRegex,          // of the answer's text
  kJsonSchema,     // the answer is JSON of this form
  kJudge,          // another model marks the answer by a rubric
  kChoices,        // the likeliest of given answers is the right one
  kContinuation,   // the given continuation is what greedy decoding says
  kMaxPerplexity,  // of the prompt itself
};

struct Check {
  CheckKind kind = CheckKind::kContains;
  std::vector<std::string> values;  // texts, each of which must hold; the choices; the continuation; the rubric
  size_t gold = 0;                  // kChoices: the right one
  bool per_character = false;       // kChoices: log-likelihoods divided by length decide
  double bound = 0;                 // kMaxPerplexity: at most; kJudge: a mark of 1 to 5, at least
  nlohmann::ordered_json schema;    // kJsonSchema
  std::string model;                // kJudge: who marks
};

struct TestCase {
  std::string id;
  nlohmann::ordered_json messages;  // or, when null,
  std::string prompt;
  std::vector<Check> checks;
  std::vector<std::string> tags;
  bool must_pass = false;
  nlohmann::ordered_json body;  // the row as it stands in the file

  bool HasText() const;  // a check needs a generated answer
  // SHA-256 of all that decides the verdict: what is asked, the checks, and how long an answer may be.
  std::string Digest(int64_t max_tokens) const;
};

// JSONL: {"id", "messages" | "prompt", "check": {...}, "tags", "must_pass"}. A check holds one or more of: "equals",
// "contains", "not_contains", "regex": text or list of texts; "json_schema": a schema (json_schema.h); "choices": list
// of texts with "gold": index or text, and "per_character": true for acc_norm; "continuation": text; "max_perplexity":
// number; "judge": {"model", "rubric", "least"}. Two forms of lm-evaluation-harness tasks are taken as they come:
// {"query", "choices", "gold"} and {"context", "continuation"}. Rows of chat data without a check become `equals` the
// last assistant message. Errors name file and line; a duplicate id, an unknown check or a pattern that does not
// compile is one.
Result<std::vector<TestCase>> ReadSuite(const std::string& path);
Result<std::vector<TestCase>> ParseSuite(std::string_view jsonl, const std::string& name);
Result<TestCase> ReadCase(const nlohmann::ordered_json& row, const std::string& where, size_t number);

struct CaseResult {
  std::string id, answer;
  bool passed = false;
  std::string why;  // of a failure: which check, in words
  std::vector<std::string> tags;
  bool must_pass = false;
  // Log-likelihood of the right choice or of the continuation, perplexity, or the judge's mean mark.
  std::optional<double> score;
  std::vector<double> logprobs;              // of each choice, or of the continuation
  std::optional<bool> passed_per_character;  // choices: the verdict of acc_norm
};

struct SuiteResult {
  std::vector<CaseResult> cases;
  int64_t passed = 0, failed = 0;
};

struct SuiteOptions {
  JinjaClock now;
  int64_t max_tokens = 64;                                  // of an answer, as the contract says
  int64_t batch = 32;                                       // through the decoder together; results do not depend on it
  std::function<void(size_t)> on_done;                      // so many cases are decided
  std::function<Status(std::span<const CaseResult>)> keep;  // cases just decided, some at a time
  std::function<Result<OpenedModel>(const std::string&)> open_judge;  // OpenModel by default
  std::function<bool()> cancelled;                                    // true: end with what is decided
};

// Asks every case, greedily where an answer is generated. In the order of `cases`; ended early, only those decided.
Result<SuiteResult> RunSuite(const OpenedModel& opened, const Engine& engine, const std::vector<TestCase>& cases,
                             const SuiteOptions& options);

// Whether `answer` passes the checks of text (json_schema among them); on false `why` names the check.
bool Passes(const TestCase& test, const std::string& answer, std::string* why);

// What a group of results says together: {"acc", "acc_norm", "perplexity", ...}, whatever their checks allow.
nlohmann::ordered_json SuiteMetrics(const std::vector<CaseResult>& cases);

}  // namespace hew
