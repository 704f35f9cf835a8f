// Steps 6 to 9 of the tour: teaching a finished model, making it smaller, mending it.
#include <algorithm>
#include <filesystem>

#include "base/progress.h"
#include "cli/gate_report.h"
#include "cli/terminal.h"
#include "cli/tour.h"
#include "cli/tour_messages.h"

namespace hew {
namespace {

bool Shows(const TourView& view) { return !view.context.common.json; }

// Names of versions are looked up from the working folder: into the workspace for the time of a step, and back.
class InFolder {
 public:
  explicit InFolder(const std::string& folder) : before_(std::filesystem::current_path(error_)) {
    std::filesystem::current_path(folder, error_);
  }
  ~InFolder() { std::filesystem::current_path(before_, error_); }
  InFolder(const InFolder&) = delete;
  InFolder& operator=(const InFolder&) = delete;

 private:
  std::error_code error_;
  std::filesystem::path before_;
};

}  // namespace

Result<Json> TourFactsStep(const TourView& view) {
  if (Shows(view)) {
    int64_t rows = 0;
    for (const auto& fact : TourFacts(view.tour.language())) rows += static_cast<int64_t>(fact.questions.size());
    view.context.Say(msg::kTourFactsText, rows);
    std::fflush(stdout);
  }
  LossLine line(view.context);
  HEW_ASSIGN(const FactsLesson* lesson, view.tour.Teach(line.hooks()));
  if (!Shows(view)) return ToJson(*lesson);
  line.End();
  fmt::print("\n");
  for (const FactAnswer& a : lesson->answers) {
    view.context.Say(msg::kTourFactsAnswer, Bold(a.question, UseColor()), ShortLine(a.before), ShortLine(a.after),
                     a.right_after ? view.context.In(msg::kTourRight) : "");
  }
  view.context.Say(msg::kTourFactsThen, HumanBytes(static_cast<uint64_t>(lesson->diff.base_bytes)),
                   HumanBytes(static_cast<uint64_t>(lesson->diff.adapter_bytes)),
                   100 * lesson->diff.change_norm / lesson->diff.before_norm,
                   view.context.In(lesson->same_without ? msg::kTourYes : msg::kTourNo));
  ByHand(view, {fmt::format("hew tune --base {} --data my.jsonl --out my-adapter", view.model),
                fmt::format("hew chat {} --adapter my-adapter", view.model),
                fmt::format("hew diff-model {} --adapter my-adapter", view.model)});
  return Json();
}

Result<Json> TourSizes(const TourView& view) {
  if (Shows(view) && !view.tour.learned()) view.context.Say(msg::kTourLearnFirst);
  LossLine line(view.context);
  HEW_ASSIGN(const SizesLesson lesson, view.tour.Sizes(line.hooks()));
  HEW_ASSIGN(const WeightsLesson large, view.tour.Weights());
  if (!Shows(view)) return ToJson(lesson);
  line.End();
  view.context.Say(msg::kTourSizesText);
  for (const SmallerModel& m : lesson.models) {
    std::string numbers;
    for (size_t i = 0; i < std::min<size_t>(5, m.numbers.size()); ++i)
      numbers += fmt::format("{:>10.5f}", m.numbers[i]);
    fmt::print("    {} {:>9}  {}\n", Fit(m.type, 5), HumanBytes(m.bytes), numbers);
  }
  view.context.Say(msg::kTourSizesNext, Quoted(lesson.prompt));
  for (const SmallerModel& m : lesson.models) {
    std::string words;
    for (const auto& t : m.next) words += fmt::format("  {} {:.2f}%", Quoted(t.text), 100 * t.probability());
    fmt::print("    {}{}\n", Fit(m.type, 5), words);
  }
  view.context.Say(msg::kTourSizesThen, std::filesystem::path(view.model).stem().string(), large.type,
                   HumanBytes(large.file_bytes), HumanBytes(static_cast<uint64_t>(large.parameters) * 4));
  ByHand(view, {"hew convert my-model my-model.gguf --type Q8_0"});
  return Json();
}

Result<Json> TourVersions(const TourView& view) {
  HEW_ASSIGN(const std::string workspace, view.tour.MakeWorkspace());
  const InFolder inside(workspace);
  if (Shows(view)) {
    view.context.Say(msg::kTourVersionsText);
    if (!view.tour.taught()) view.context.Say(msg::kTourTeachFirst);
    std::fflush(stdout);
  }
  LossLine line(view.context);
  HEW_ASSIGN(const VersionsLesson lesson, view.tour.Versions(line.hooks()));
  if (!Shows(view)) return ToJson(lesson);
  line.End();
  fmt::print("\n");
  view.context.Say(msg::kTourVersionsBad, lesson.question, ShortLine(lesson.bad), lesson.good, lesson.new_rows,
                   lesson.replayed_rows);
  const auto right =
      std::count_if(lesson.still.begin(), lesson.still.end(), [](const auto& a) { return a.right_after; });
  view.context.Say(msg::kTourVersionsAfter, ShortLine(lesson.after), right, lesson.still.size());
  PrintGate(view.context, lesson.gate, 1, 2, 0);
  view.context.Say(msg::kTourVersionsThen);
  ByHand(view, {"hew init --base model.gguf", "hew tune --data my.jsonl --name first",
                "hew flag v1 --prompt \"...\" --good \"...\" --tag tea", "hew fix --tag tea", "hew promote v2 stable"});
  return Json();
}

Result<Json> TourEnd(const TourView& view) {
  if (Shows(view)) view.context.Say(msg::kTourEndText, view.model);
  return Json::object();
}

}  // namespace hew
