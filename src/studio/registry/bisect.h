// The version in which an answer turned, and the rows that may have turned it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "studio/registry/answers.h"
#include "studio/registry/diff.h"

namespace hew {

struct BisectReport {
  enum class Outcome { kFound, kPasses, kNeverPassed } outcome = Outcome::kFound;
  std::string suite, id;
  int64_t good = 0, bad = 0;   // kFound: the last that passed and its child that does not; else the ends looked at
  std::vector<int64_t> asked;  // versions whose answer was looked at, in that order
  std::string good_answer, bad_answer;
  RowDiff rows;  // added: in `bad` and not in `good`, likeliest first; removed: the other way round
};

// Goes back through the parents of `bad` to `good` (-1: as far as they go), asking as few of them as halving needs; it
// takes the answer to have turned once. Unknown answers are asked for and kept. Error: no version was asked such a
// case. `asking`: before a version is asked, after `done` of at most `most`; may be empty.
Result<BisectReport> Bisect(Workspace& workspace, const Runtime& rt, const std::string& id, const std::string& suite,
                            int64_t good, int64_t bad, const SuiteOptions& options, size_t shown,
                            const std::function<void(int64_t version, int64_t done, int64_t most)>& asking = {});

}  // namespace hew
