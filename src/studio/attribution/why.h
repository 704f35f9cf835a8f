// Which training rows taught a version an answer. Three tiers, each named in what it gives: words (BM25 and the cosine
// of hidden states), gradients (gradients.h), and the proof: training again without the rows.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "studio/registry/diff.h"
#include "studio/registry/workspace.h"
#include "train/tune.h"

namespace hew {

struct RowScore {
  size_t row = 0;  // index into WhyReport::rows
  double bm25 = 0, cosine = 0;
  double gradient = 0;  // 0 where tier 2 was not asked
};

struct ExactProof {
  std::vector<size_t> left_out;  // rows
  std::string before, after;     // greedy answers of the version, and of the one trained without those rows
  double before_logprob = 0, after_logprob = 0;  // of the answer that is asked about
};

struct WhyReport {
  std::string question, answer;
  std::vector<StoredRow> rows;   // the version's training rows that teach anything
  std::vector<RowScore> scores;  // [rows]
  bool has_gradients = false;
  int64_t projected_to = 0;  // numbers kept of each matrix's gradient; 0: all
  std::optional<ExactProof> proof;
};

struct WhyOptions {
  Json messages;       // what was asked
  std::string answer;  // what was answered; "": what the version says, greedily
  bool gradients = true;
  size_t exact_rows = 0;  // > 0: train again without so many of the first by gradient (by BM25 without tier 2)
  JinjaClock now;
  int64_t memory_bytes = int64_t{1} << 30;  // for gradients
  const std::atomic<bool>* cancelled = nullptr;
  std::function<void(const std::string& what, int64_t done, int64_t all)> progress;  // may be empty
};

// The version has an adapter and its rows are in the workspace.
Result<WhyReport> Why(Workspace& workspace, const Runtime& rt, const Version& version, const WhyOptions& options);

// Indices of scores, highest first, by one of the measures; the lower index among equals.
std::vector<size_t> RankBy(const std::vector<RowScore>& scores, double RowScore::*measure);

Json ToJson(const WhyReport& report, size_t shown);

}  // namespace hew
