// A model while it learns: fixed prompts asked of every state that a run kept, or of versions one after another, beside
// the loss at that step.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "studio/open_model.h"
#include "studio/understand/next.h"

namespace hew {

struct WatchOptions {
  std::vector<std::string> prompts;  // none: those that the run itself sampled
  bool chat = false;                 // prompts are questions to a chat model
  int64_t k = 3;                     // likeliest next tokens of each state
  int64_t max_tokens = 0;            // of a greedy continuation; 0: none
  std::string base;                  // of a run that taught an adapter: instead of the one it names
  JinjaClock now;                    // for chat templates
  std::string from = ".";            // where the workspace is looked for that versions are of
  std::function<void(size_t done, size_t all)> on_point;  // states asked so far; may be empty
  std::function<bool()> cancelled;                        // asked after each state: ends with what is done
};

struct WatchAnswer {
  std::string prompt;
  std::vector<LikelyToken> next;
  double answer_logprob = 0;  // of the token that the last state finds likeliest
  std::string text;           // greedy continuation; "" when none was asked for
};

struct WatchPoint {
  std::string name;  // "step 16", "v3"
  std::optional<int64_t> step;
  std::optional<double> loss, eval_loss;  // at that step, or the version's own
  std::vector<WatchAnswer> answers;       // one per prompt
};

struct WatchSample {  // of samples.jsonl: what the run itself wrote down while it learned
  int64_t step = 0;
  std::string prompt, text;
};

struct LossPoint {
  int64_t step = 0;
  double loss = 0;
};

struct WatchReport {
  std::string kind;  // "adapter", "model" (a run's), "versions"
  std::vector<std::string> prompts;
  std::vector<LikelyToken> answers;            // what the last state finds likeliest after each prompt
  std::vector<WatchPoint> points;              // in the order of steps
  std::vector<LossPoint> losses, eval_losses;  // of the run, every step that was written down
  std::vector<WatchSample> samples;
};

// A run's folder (hew tune or hew pretrain), or a version that a workspace recorded from one. Without prompts and
// snapshots the report has the loss and the run's own samples alone. Errors: a folder that is no run; prompts given,
// but no state kept ("snapshots: expected ... (--snapshots N), found none").
Result<WatchReport> WatchRun(const Runtime& rt, const std::string& run, const WatchOptions& options);
// Models or versions, asked in the order given.
Result<WatchReport> WatchVersions(const Runtime& rt, const std::vector<std::string>& names,
                                  const WatchOptions& options);
struct RunPlace {
  std::string folder;
  std::string base;  // of a version's adapter, wherever the workspace says it lies now; "" for a run's folder
};
// A run's folder itself, or what the workspace keeps of the run that made a version. nullopt: neither, so perhaps a
// model.
std::optional<RunPlace> FindRun(const std::string& name);

// Some of many points, evenly, the first and the last among them.
std::vector<LossPoint> Thin(const std::vector<LossPoint>& points, size_t most);

Json ToJson(const WatchReport& report);

}  // namespace hew
