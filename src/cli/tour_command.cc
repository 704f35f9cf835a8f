// hew tour: a model from inside, in nine steps.
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <iostream>

#include "cli/terminal.h"
#include "cli/tour.h"
#include "cli/tour_messages.h"

namespace hew {
namespace {

constexpr const char* kTourModel = "smollm2-135m-instruct-q4_1.gguf";  // of the quickstart

struct TourOptions {
  std::string model;
  int64_t step = 1;
  bool yes = false, only = false;
};

struct NamedStep {
  const Message* title;
  TourStep run;
};
constexpr NamedStep kSteps[] = {
    {&msg::kTourNext, TourNext},   {&msg::kTourTokens, TourTokens},     {&msg::kTourWeights, TourWeights},
    {&msg::kTourLearn, TourLearn}, {&msg::kTourContext, TourContext},   {&msg::kTourFacts, TourFactsStep},
    {&msg::kTourSizes, TourSizes}, {&msg::kTourVersions, TourVersions}, {&msg::kTourEnd, TourEnd}};

// The model of the quickstart where it lies: in models/ here or above, or pulled.
Result<std::string> FindTourModel(const CommandContext& context, const std::string& given) {
  if (!given.empty()) return context.FindModel(given);
  std::error_code error;
  std::string above;
  for (int i = 0; i < 4; ++i, above += "../") {
    std::string path = above + "models/" + kTourModel;
    if (std::filesystem::exists(path, error)) return path;
  }
  if (const auto folder = context.ModelsFolder()) {
    std::string path = *folder + "/" + kTourModel;
    if (std::filesystem::exists(path, error)) return path;
  }
  return BadInput("--model: expected a chat model, or models/{} (tools/fetch_model models brings it), found neither",
                  kTourModel);
}

// False: the reader has had enough for now.
bool WaitForReader(const CommandContext& context) {
  context.Say(msg::kTourGoOn);
  std::fflush(stdout);
  std::string line;
  if (!std::getline(std::cin, line) || Cancelled().load()) return false;
  return line.empty() || (line[0] != 'q' && line[0] != 'Q');
}

Result<int> RunTour(CommandContext& context, const TourOptions& options) {
  const auto count = static_cast<int64_t>(std::size(kSteps));
  if (options.step < 1 || options.step > count)
    return BadInput("--step: expected 1 to {}, found {}", count, options.step);
  HEW_ASSIGN(const std::string model, FindTourModel(context, options.model));
  HEW_ASSIGN(const Runtime rt, context.MakeTrainingRuntime());
  HEW_ASSIGN(const JinjaClock now, context.Now());
  const bool korean = std::string_view(context.In({"en", "ko"})) == "ko";
  HEW_ASSIGN(const auto tour, Tour::Open(rt, model, korean ? TourLanguage::kKorean : TourLanguage::kEnglish, now));
  const TourView view{context, *tour, model};
  const bool json = context.common.json, waits = !json && !options.yes && isatty(STDIN_FILENO) == 1;
  Json steps = Json::array();
  if (!json) context.Say(msg::kTourHello, std::filesystem::path(model).filename().string());
  for (int64_t i = options.step; i <= (options.only ? options.step : count); ++i) {
    if (Cancelled().load()) return kExitCancelled;
    if (waits && !(i == options.step && i > 1) && !WaitForReader(context)) {
      context.Say(msg::kTourLeft, i);
      return kExitDone;
    }
    const NamedStep& step = kSteps[i - 1];
    if (!json) fmt::print("\n{}\n\n", Bold(context.In(*step.title), UseColor()));
    std::fflush(stdout);
    const auto start = std::chrono::steady_clock::now();
    auto result = step.run(view);
    // What a stopped run would say of going on does not hold here: its folder goes away.
    if (!result && result.error().code == ErrorCode::kCancelled) return kExitCancelled;
    HEW_ASSIGN(Json came, std::move(result));
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (json) {
      steps.push_back({{"step", i}, {"title", step.title->en}, {"seconds", seconds}, {"result", std::move(came)}});
    } else if (seconds > 1) {
      context.Say(msg::kTourTook, seconds);
    }
    std::fflush(stdout);
  }
  if (json) context.PrintJson({{"model", tour->model_path()}, {"steps", steps}});
  return kExitDone;
}

}  // namespace

void AddTourCommand(CLI::App& app, CommandContext& context) {
  auto* tour = app.add_subcommand("tour", "what a language model is, in nine short steps run live");
  auto o = std::make_shared<TourOptions>();
  tour->add_option("--model", o->model, "a chat model; by default the quickstart's");
  tour->add_option("--step", o->step, "begin at this step, 1 to 9")->capture_default_str();
  tour->add_flag("--only", o->only, "this step alone");
  tour->add_flag("--yes,-y", o->yes, "do not wait between the steps");
  tour->footer("Example:\n  hew tour\n  hew tour --lang ko --step 4");
  tour->callback([&context, o] { context.run = [&context, o] { return RunTour(context, *o); }; });
}

}  // namespace hew
