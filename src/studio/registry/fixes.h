// A fix: a wrong answer with the right one. It is a training row, a preference pair and a permanent test, all at once.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "studio/registry/answers.h"
#include "train/settings.h"

namespace hew {

inline constexpr const char* kFixSuite = "fixes";  // the suite of all fixes' tests

struct Fix {
  int64_t id = 0;
  int64_t version = 0;  // that answered wrongly
  std::string tag;
  Json messages;  // what was asked: system (if any) and user turns
  std::string bad, good;
  Json check;                                  // as in a suite; the good answer passes it, the bad one does not
  std::vector<std::string> learned, held_out;  // other wordings of the last question: trained on; only tested
  std::optional<int64_t> fixed_in;

  std::string CaseId() const { return "fix-" + std::to_string(id); }
};

Json ToJson(const Fix& fix);

// Checks it and keeps it; gives its number. Wordings left empty are made by Reword. Errors: the good answer fails the
// check, the bad one passes it, the same question was flagged before with another answer.
Result<int64_t> AddFix(Workspace& workspace, Fix fix);
Result<std::vector<Fix>> ListFixes(const Workspace& workspace, const std::string& tag);  // "": all

Json TrainingRow(const Fix& fix, const std::string& question = "");  // {"messages"}; another wording, if given
Json PreferencePair(const Fix& fix, const std::string& question = "");  // {"prompt", "chosen", "rejected"} of messages
// Tests of every fix: what was asked (must_pass once it is fixed), and its held-out wordings.
Result<NamedSuite> FixSuite(const Workspace& workspace);

// A question in other words, by rule: greetings, politeness, case, punctuation, a slip of the finger. English or
// Korean, as the question is. The same question gives the same wordings.
std::vector<std::string> Reword(const std::string& question);

// The turns of a chat that the workspace keeps: hew chat with a version records them.
struct ChatTurn {
  int64_t id = 0, version = 0;
  Json messages;  // what the model was asked
  std::string answer;
};
Result<int64_t> SaveChat(Workspace& workspace, int64_t version, const Json& messages, const std::string& answer);
Result<ChatTurn> GetChat(const Workspace& workspace, int64_t id);

struct FixPlan {
  TuneSettings settings;       // base, data (files in `folder`), init_adapter, and what the caller set
  std::vector<int64_t> fixes;  // that are trained
  int64_t new_rows = 0, replayed_rows = 0;
  int64_t left_out = 0;            // replay rows and wordings that ask what a test asks
  std::vector<std::string> asked;  // tests whose very question is learned, since it is the one that was flagged
};
// Rows of the fixes with `tag` in several wordings, and `replay` times as many of the parent's rows, written to
// folder/fix-TAG.jsonl. No held-out wording and no other suite's question is among them. `method` other than "sft": preference
// pairs of the fixes instead, and no rows of the parent's, which are no pairs.
Result<FixPlan> PlanFix(Workspace& workspace, const Version& parent, const std::string& tag, double replay,
                        uint64_t seed, const std::string& folder, const std::string& method = "sft");
Status MarkFixed(Workspace& workspace, const std::vector<int64_t>& fixes, int64_t version);

}  // namespace hew
