// The lessons of the tour that teach the model itself: facts as an adapter, and a fault mended as a new version.
#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "studio/registry/fixes.h"
#include "studio/registry/record.h"
#include "studio/understand/tour.h"
#include "train/tune.h"

namespace hew {
namespace {

constexpr const char* kFixTagOfTour = "tea";
constexpr double kReplay = 2;  // old rows beside each new one

bool Holds(const std::string& text, const std::string& sign) { return text.find(sign) != text.npos; }

}  // namespace

TuneSettings Tour::FactSettings(const std::string& data, const std::string& out) const {
  TuneSettings s;
  s.base = model_path_;
  s.data = {data};
  s.out = out;
  s.rank = 8;
  s.lr = 2e-3;
  s.batch_size = 4;
  s.epochs = language_ == TourLanguage::kKorean ? 8 : 5;  // a language that the model hardly knows takes longer
  return s;
}

Result<TuneReport> Tour::RunTune(const TuneSettings& settings, const TourHooks& hooks) const {
  TuneRequest request;
  request.settings = settings;
  request.model = opened_.model;
  request.tokenizer = opened_.tokenizer;
  request.chat = &*opened_.chat_template;
  request.template_knows_tools = opened_.chat_template->source().find("tool_calls") != std::string::npos;
  request.now = now_;
  request.quiet = true;
  request.on_step = hooks.on_step;
  request.cancel = hooks.cancel;
  return Tune(rt_, request);
}

Result<const FactsLesson*> Tour::Teach(const TourHooks& hooks) {
  if (facts_) return &*facts_;
  FactsLesson lesson;
  const auto facts = TourFacts(language_);
  std::string rows;
  for (const TourFact& fact : facts) {
    HEW_ASSIGN(std::string before, Ask(opened_, fact.asked));
    const bool right = Holds(before, fact.sign);
    lesson.answers.push_back({fact.asked, std::move(before), "", true, right, false});
    for (const auto& question : fact.questions) {
      rows += TourRow(question, fact.answer).dump() + "\n";
      ++lesson.rows;
    }
  }
  HEW_ASSIGN(std::string untouched, Ask(opened_, UntouchedQuestion()));
  lesson.answers.push_back({UntouchedQuestion(), std::move(untouched), "", false, false, false});
  const std::string data = folder_ + "/facts.jsonl";
  HEW_RETURN_IF_ERROR(WriteFileAtomically(data, rows));
  lesson.adapter = folder_ + "/adapter";
  HEW_ASSIGN(lesson.report, RunTune(FactSettings(data, lesson.adapter), hooks));

  HEW_ASSIGN(ModelPair pair, OpenPair(rt_, model_path_, "", {lesson.adapter}));
  for (size_t i = 0; i < lesson.answers.size(); ++i) {
    FactAnswer& answer = lesson.answers[i];
    HEW_ASSIGN(answer.after, Ask(pair.after, answer.question));
    answer.right_after = i < facts.size() && Holds(answer.after, facts[i].sign);
  }
  HEW_ASSIGN(lesson.diff, DiffModels(rt_, pair, {}));
  pair.after.adapters.clear();
  HEW_ASSIGN(const std::string again, Ask(pair.after, lesson.answers[0].question));
  lesson.same_without = again == lesson.answers[0].before;
  facts_ = std::move(lesson);
  return &*facts_;
}

Result<std::string> Tour::MakeWorkspace() {
  const std::string folder = folder_ + "/workspace";
  if (std::filesystem::exists(folder)) return folder;
  HEW_RETURN_IF_ERROR(MakeFolder(folder));
  HEW_ASSIGN(Workspace workspace, Workspace::Init(folder));
  HEW_RETURN_IF_ERROR(workspace.RegisterBase(model_path_));
  return folder;
}

Result<VersionsLesson> Tour::Versions(const TourHooks& hooks) {
  HEW_ASSIGN(const FactsLesson* facts, Teach(hooks));
  VersionsLesson lesson;
  HEW_ASSIGN(lesson.workspace, MakeWorkspace());
  HEW_ASSIGN(auto found, Workspace::Find(lesson.workspace));
  Workspace& workspace = *found;

  // v1: the adapter as it was taught, with its data.
  const TuneSettings taught = FactSettings(folder_ + "/facts.jsonl", facts->adapter);
  HEW_ASSIGN(const auto inputs, StoreInputs(workspace, taught, false));
  HEW_ASSIGN(const int64_t first,
             RecordTune(workspace, rt_, {taught, now_, "facts", "tune", std::nullopt, inputs, facts->adapter}));
  HEW_RETURN_IF_ERROR(workspace.registry().Promote("stable", first));

  // A question that nobody taught it.
  const TourFact fault = FlaggedFact(language_);
  lesson.question = fault.asked;
  lesson.good = fault.answer;
  HEW_ASSIGN(const OpenedModel before, OpenModel(rt_, model_path_, {facts->adapter}));
  HEW_ASSIGN(lesson.bad, Ask(before, fault.asked));
  Fix fix;
  fix.version = first;
  fix.tag = kFixTagOfTour;
  fix.messages = Json::array({{{"role", "user"}, {"content", fault.asked}}});
  fix.bad = lesson.bad;
  fix.good = fault.answer;
  fix.check = {{"contains", fault.sign}};
  fix.learned = fault.questions;
  HEW_RETURN_IF_ERROR(AddFix(workspace, fix));

  // v2: v1 and what mends it, beside some of what v1 has learned.
  HEW_ASSIGN(const Version parent, workspace.registry().Get(first));
  HEW_ASSIGN(const std::string run, workspace.NewRunFolder(""));
  HEW_ASSIGN(FixPlan plan, PlanFix(workspace, parent, kFixTagOfTour, kReplay, 0, run));
  lesson.new_rows = plan.new_rows;
  lesson.replayed_rows = plan.replayed_rows;
  TuneSettings mended = plan.settings;
  mended.out = run + "/adapter";
  mended.lr = 5e-4;
  mended.batch_size = 4;
  mended.epochs = 4;
  HEW_ASSIGN(const auto fix_inputs, StoreInputs(workspace, mended, true));
  HEW_RETURN_IF_ERROR(RunTune(mended, hooks));
  HEW_ASSIGN(const int64_t second,
             RecordTune(workspace, rt_, {mended, now_, "", "fix", first, fix_inputs, mended.out}));
  HEW_RETURN_IF_ERROR(MarkFixed(workspace, plan.fixes, second));

  GateOptions gate;
  gate.suite.now = now_;
  gate.suite.max_tokens = AnswerTokens();
  if (hooks.cancel) gate.suite.cancelled = [&] { return hooks.cancel->load(); };
  gate.measure_cost = false;
  HEW_ASSIGN(lesson.gate, RunGate(workspace, rt_, first, second, gate));
  HEW_ASSIGN(const OpenedModel after, OpenModel(rt_, model_path_, {mended.out}));
  HEW_ASSIGN(lesson.after, Ask(after, fault.asked));
  for (const TourFact& fact : TourFacts(language_)) {
    HEW_ASSIGN(std::string now, Ask(after, fact.asked));
    const bool right = Holds(now, fact.sign);
    lesson.still.push_back({fact.asked, "", std::move(now), true, true, right});
  }
  if (lesson.gate.verdict == Verdict::kPass) HEW_RETURN_IF_ERROR(workspace.registry().Promote("stable", second));
  return lesson;
}

}  // namespace hew
