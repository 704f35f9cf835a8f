// The steps of the tour that do work, each run on the real model and giving what happened: numbers and texts, no prose.
// What is made stands in one folder, which goes away with the Tour.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "studio/registry/gate.h"
#include "studio/understand/diff_model.h"
#include "studio/understand/tour_texts.h"
#include "studio/understand/watch.h"
#include "train/run.h"
#include "train/settings.h"

namespace hew {

// How a lesson that takes some seconds speaks while at work.
struct TourHooks {
  std::function<void(const StepMetrics&)> on_step;  // of training; may be empty
  const std::atomic<bool>* cancel = nullptr;
};

struct WeightsLesson {
  int64_t parameters = 0, layers = 0, hidden_size = 0, vocab_size = 0;
  uint64_t file_bytes = 0;
  std::string type;            // of most weights in the file, "Q4_1"
  Json groups;                 // see Explain: [{name, parameters, share}]
  std::vector<float> numbers;  // the first few of one matrix
  std::string numbers_of;      // which
};

struct LearningLesson {
  std::string model;  // folder
  int64_t parameters = 0, text_bytes = 0, lines = 0;
  TuneReport report;
  WatchReport watch;  // of TourBeginning, from nothing to the end
};

struct ProbeAnswer {
  ContextProbe probe;
  std::vector<LikelyToken> next;
  std::string word;  // the whole word that the model goes on with
  bool right = false;
};

struct FactAnswer {
  std::string question, before, after;
  bool taught = false;  // a fact; else the untouched question
  bool right_before = false, right_after = false;
};
struct FactsLesson {
  std::string adapter;  // folder
  int64_t rows = 0;
  TuneReport report;
  std::vector<FactAnswer> answers;
  ModelDiff diff;             // weights and sizes
  bool same_without = false;  // the adapter taken off again, the first answer is the one from before
};

struct SmallerModel {
  std::string type;  // "F16", "Q8_0"; of the file itself "Q4_1"
  uint64_t bytes = 0;
  std::vector<float> numbers;     // the same few of one matrix
  std::vector<LikelyToken> next;  // after `prompt`
  double kl = 0;                  // from the first row's distribution
};
struct SizesLesson {
  std::string prompt;
  std::vector<SmallerModel> models;  // largest first
};

struct VersionsLesson {
  std::string workspace;
  std::string question, bad, good, after;  // asked of v1 and of v2
  int64_t new_rows = 0, replayed_rows = 0;
  GateReport gate;
  std::vector<FactAnswer> still;  // facts asked of v2 again: nothing forgotten?
};

class Tour {
 public:
  // Errors: as OpenModel; a model without a chat template cannot be taught facts.
  static Result<std::unique_ptr<Tour>> Open(const Runtime& rt, const std::string& model, TourLanguage language,
                                            const JinjaClock& now);
  ~Tour();
  Tour(const Tour&) = delete;
  Tour& operator=(const Tour&) = delete;

  TourLanguage language() const { return language_; }
  const OpenedModel& opened() const { return opened_; }
  const Engine& engine() const { return engine_; }
  const std::string& model_path() const { return model_path_; }  // absolute
  const std::string& folder() const { return folder_; }

  Result<WeightsLesson> Weights() const;
  // A model of a hundred thousand weights from nothing, in some seconds; made once.
  Result<const LearningLesson*> Learn(const TourHooks& hooks);
  bool learned() const { return learning_.has_value(); }
  // The probes put to it; learns first if that has not been done.
  Result<std::vector<ProbeAnswer>> Context(const TourHooks& hooks);
  // An adapter for the facts; made once.
  Result<const FactsLesson*> Teach(const TourHooks& hooks);
  bool taught() const { return facts_.has_value(); }
  // What Learn made, in 32, 16, 8 and 4 bits a weight.
  Result<SizesLesson> Sizes(const TourHooks& hooks);
  // Teaches first if need be. The program's working folder must be folder() + "/workspace", which names of versions are
  // looked up from: MakeWorkspace makes it.
  Result<std::string> MakeWorkspace();
  Result<VersionsLesson> Versions(const TourHooks& hooks);

  // Asks a chat model, greedily.
  Result<std::string> Ask(const OpenedModel& opened, const std::string& question) const;

 private:
  Tour(const Runtime& rt, TourLanguage language, const JinjaClock& now) : rt_(rt), language_(language), now_(now) {}
  // Of an answer at most: one sentence. Korean falls into three times the tokens.
  int64_t AnswerTokens() const { return language_ == TourLanguage::kKorean ? 72 : 32; }
  TuneSettings FactSettings(const std::string& data, const std::string& out) const;
  Result<TuneReport> RunTune(const TuneSettings& settings, const TourHooks& hooks) const;

  Runtime rt_;
  TourLanguage language_;
  JinjaClock now_;
  std::string model_path_, folder_;
  OpenedModel opened_;
  Engine engine_;
  std::optional<LearningLesson> learning_;
  std::optional<FactsLesson> facts_;
};

Json ToJson(const WeightsLesson& lesson);
Json ToJson(const LearningLesson& lesson);
Json ToJson(const std::vector<ProbeAnswer>& answers);
Json ToJson(const FactsLesson& lesson);
Json ToJson(const SizesLesson& lesson);
Json ToJson(const VersionsLesson& lesson);

}  // namespace hew
