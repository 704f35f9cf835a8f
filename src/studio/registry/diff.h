// What changed between two versions: the rows they learned, their recipes, their weights, their answers.
#pragma once

#include <string>
#include <vector>

#include "studio/registry/workspace.h"

namespace hew {

struct DiffRow {
  std::string digest, where;  // "faq.jsonl:12"
  std::string text;           // the row as JSON, shortened
};
struct RowDiff {
  int64_t same = 0, added_count = 0, removed_count = 0;
  std::vector<DiffRow> added, removed;  // the first of them, with their text
};

struct RecipeChange {
  std::string field;
  Json before, after;
};

struct WeightDiff {
  std::string note;  // why there is nothing to compare; else ""
  // Frobenius norms over all adapted matrices: of the first version's change to the base, of the second's, and of the
  // difference between the two.
  double before_norm = 0, after_norm = 0, difference_norm = 0;
  std::vector<std::pair<std::string, double>> largest;  // matrices whose difference is largest, with its norm
};

enum class Turn { kBroken, kFixed, kChanged, kSame };
struct AnswerChange {
  std::string suite, id;
  Turn turn = Turn::kSame;
  bool must_pass = false;
  bool passed = false;  // the later one
  std::vector<std::string> tags;
  std::string before, after, why;  // answers, and what the later one fails
  std::optional<double> before_score, after_score;
};
struct AnswerDiff {
  std::vector<AnswerChange> cases;  // every case that both answered: broken first, then fixed, changed, same
  int64_t broken = 0, fixed = 0, changed = 0, same = 0;
  int64_t both_passed = 0, passed_before = 0, passed_after = 0;
  int64_t only_before = 0, only_after = 0;  // cases that the other was not asked, or asked in another form
};

struct VersionDiff {
  RowDiff rows;
  std::vector<RecipeChange> recipe;
  WeightDiff weights;
  AnswerDiff answers;
};

// `shown`: rows with text at most, of each kind.
Result<VersionDiff> DiffVersions(const Workspace& workspace, const Version& before, const Version& after,
                                 size_t shown = 10);
Result<RowDiff> DiffRows(const Workspace& workspace, const Version& before, const Version& after, size_t shown);
Result<AnswerDiff> DiffAnswers(const Registry& registry, int64_t before, int64_t after, const std::string& suite = "");
AnswerDiff CompareAnswers(const std::vector<StoredAnswer>& before, const std::vector<StoredAnswer>& after);

// Every training row of a version (role "data"), in order, with its digest.
struct StoredRow {
  std::string digest, where;
  Json object;  // a plain text's row: the text
};
Result<std::vector<StoredRow>> TrainingRows(const Workspace& workspace, const Version& version);

Json ToJson(const VersionDiff& diff);

}  // namespace hew
