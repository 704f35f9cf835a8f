// release.toml: when a version may go out. It lies beside .hew/; every key has a default.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace hew {

struct ReleaseRules {
  std::vector<std::string> suites;      // names or files; empty: all that the earlier version was tested on
  double fixed_least = 0.9;             // share of the fix's held-out paraphrases that pass
  double broken_promises_most = 0;      // must-pass cases that turned
  double worse_points_most = 1;         // lower 95% bound of a suite's paired difference, in points
  std::string base_suite;               // of what the model knew before; "": not asked
  double base_turned_most = 0.01;       // share of it that turned
  std::string base_texts;               // a text file for perplexity and KL; "": a dozen built-in sentences
  double perplexity_ratio_most = 1.02;  // of those texts, to the earlier version
  double kl_most = 0.1;                 // nats a token on those texts, from the earlier version
  double slower_most = 0.05;            // share of the tokens per second lost
  double larger_most = 0.05;            // share of memory more
};

// The defaults where there is no such file. Errors: "release.toml: line 3: unknown rule 'fixed', expected one of ...".
Result<ReleaseRules> ReadRules(const std::string& path);
Result<ReleaseRules> ParseRules(std::string_view toml, const std::string& name);

}  // namespace hew
