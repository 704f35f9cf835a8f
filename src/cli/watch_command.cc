// hew watch: a model while it learns, or version after version.
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/progress.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/understand_messages.h"
#include "studio/understand/watch.h"

namespace hew {
namespace {

constexpr size_t kCurveCells = 40;

struct WatchCommandOptions {
  std::vector<std::string> names;
  WatchOptions watch;
};

void PrintLosses(const CommandContext& context, const WatchReport& report) {
  if (!report.losses.empty()) {
    std::vector<double> values;
    for (const auto& point : Thin(report.losses, kCurveCells)) values.push_back(point.loss);
    context.Say(msg::kWatchLoss, report.losses.front().loss, report.losses.back().loss, report.losses.back().step,
                Curve(values));
  }
  if (!report.eval_losses.empty())
    context.Say(msg::kWatchEval, report.eval_losses.front().loss, report.eval_losses.back().loss);
}

std::string LossText(const WatchPoint& point) {
  const auto& loss = point.eval_loss ? point.eval_loss : point.loss;
  return loss ? fmt::format("{:>7.3f}", *loss) : fmt::format("{:>7}", "-");
}

// `texts`: what each state says instead of what it would say next.
void PrintAnswers(const CommandContext& context, const WatchReport& report, bool texts) {
  for (size_t p = 0; p < report.prompts.size() && !report.points.empty(); ++p) {
    context.Say(msg::kWatchPrompt, Quoted(report.prompts[p]), Quoted(report.answers[p].text));
    for (const WatchPoint& point : report.points) {
      const WatchAnswer& a = point.answers[p];
      const double probability = std::exp(a.answer_logprob);
      std::string words;
      for (const LikelyToken& t : a.next)
        words += fmt::format("{}{} {:.0f}%", words.empty() ? "" : "  ", Quoted(t.text), 100 * t.probability());
      fmt::print("  {} {}  {:>6.2f}% {} {}\n", Fit(point.name, 14), LossText(point), 100 * probability,
                 Fit(Bar(probability, 12), 12), texts ? Quoted(a.text) : words);
    }
  }
}

void PrintSamples(const CommandContext& context, const WatchReport& report) {
  if (report.samples.empty()) return;
  context.Say(msg::kWatchSamples);
  for (const WatchSample& s : report.samples)
    fmt::print("  {:>8}  {} → {}\n", s.step, s.prompt, Fit(Quoted(s.text), 70));
}

Result<int> RunWatch(CommandContext& context, const WatchCommandOptions& options) {
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  WatchOptions watch = options.watch;
  HEW_ASSIGN(watch.now, context.Now());
  if (!watch.base.empty()) {
    HEW_ASSIGN(watch.base, context.FindModel(watch.base));
  }
  watch.cancelled = [] { return Cancelled().load(); };
  std::unique_ptr<Progress> progress;
  watch.on_point = [&](size_t done, size_t all) {
    if (!progress)
      progress = std::make_unique<Progress>("asking", static_cast<int64_t>(all), isatty(STDERR_FILENO) == 0);
    progress->Update(static_cast<int64_t>(done));
  };
  const std::optional<RunPlace> run = options.names.size() == 1 ? FindRun(options.names[0]) : std::nullopt;
  if (run && watch.base.empty()) watch.base = run->base;
  auto result = run ? WatchRun(rt, run->folder, watch) : WatchVersions(rt, options.names, watch);
  progress.reset();
  HEW_ASSIGN(const WatchReport report, std::move(result));
  if (context.common.json) {
    context.PrintJson(ToJson(report));
  } else {
    PrintLosses(context, report);
    PrintAnswers(context, report, watch.max_tokens > 0);
    PrintSamples(context, report);
    if (report.points.empty()) context.Say(msg::kWatchNothing);
  }
  return Cancelled().load() ? kExitCancelled : kExitDone;
}

}  // namespace

void AddWatchCommand(CLI::App& app, CommandContext& context) {
  auto* watch = app.add_subcommand("watch", "a model while it learns: the same prompts asked of each state a run kept");
  auto o = std::make_shared<WatchCommandOptions>();
  watch->add_option("RUN", o->names, "a folder of hew tune or hew pretrain, or models or versions one after another")
      ->required();
  watch
      ->add_option("--prompt,-p", o->watch.prompts,
                   "a text to go on from; may be repeated; by default the run's samples")
      ->allow_extra_args(false);
  watch->add_flag("--chat", o->watch.chat, "prompts are questions to a chat model");
  watch->add_option("-k", o->watch.k, "likeliest next tokens of each state")->capture_default_str();
  watch->add_option("--max-tokens,-n", o->watch.max_tokens, "show so many tokens of what each state says instead");
  watch->add_option("--base", o->watch.base, "of a run that taught an adapter: the model, if it has moved");
  watch->footer(
      "Examples:\n"
      "  hew pretrain --data book.txt --out my-model --preset 3m --snapshots 8\n"
      "  hew watch my-model --prompt \"Once upon a\"\n"
      "  hew watch v0 v1 v2 --chat --prompt \"How do I get a refund?\" -n 24");
  watch->callback([&context, o] { context.run = [&context, o] { return RunWatch(context, *o); }; });
}

}  // namespace hew
