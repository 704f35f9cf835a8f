// Whether a version may go out: the questions of release.toml, each with its measure, its rule and a verdict.
#pragma once

#include <string>
#include <vector>

#include "studio/registry/answers.h"
#include "studio/registry/diff.h"
#include "studio/registry/release.h"

namespace hew {

enum class Verdict { kPass, kFail, kInconclusive, kNotAsked };
const char* NameOf(Verdict verdict);  // "pass", "fail", "inconclusive", "not asked"

enum class GateQuestion { kFixed, kPromises, kSuite, kBaseSuite, kPerplexity, kDrift, kSpeed, kMemory };
const char* NameOf(GateQuestion question);

struct GateLine {
  GateQuestion question = GateQuestion::kSuite;
  Verdict verdict = Verdict::kNotAsked;
  std::string suite;          // where it is about one
  std::string measured;       // "2 fixed, 5 broken of 105: -2.9 points (95% interval -8.1 to 2.0), McNemar p 0.45"
  std::string rule;           // "above -1 point"
  int64_t cases_missing = 0;  // until an inconclusive line could tell
  Json numbers;               // what was measured, and the rule's "bound"
};

struct GateReport {
  Verdict verdict = Verdict::kPass;  // fail if any line fails, else inconclusive if any is
  std::vector<GateLine> lines;
  AnswerDiff answers;  // over all its suites
};

inline constexpr const char* kFixTag = "fix";                // of every case that a fix brought
inline constexpr const char* kParaphraseTag = "paraphrase";  // of those held out of its training

struct GateOptions {
  ReleaseRules rules;
  SuiteOptions suite;
  bool measure_cost = true;                                                          // speed and memory
  std::function<void(const std::string&)> say;                                       // what is being done; may be empty
  std::function<void(const std::string& what, int64_t done, int64_t all)> progress;  // of asking; may be empty
};
// Asks both versions what they have not been asked yet.
Result<GateReport> RunGate(Workspace& workspace, const Runtime& rt, int64_t before, int64_t after,
                           const GateOptions& options);

// One suite's line, from how cases turned.
GateLine JudgeSuite(const AnswerDiff& diff, const std::string& suite, double worse_points_most);

Json ToJson(const GateReport& report);

}  // namespace hew
