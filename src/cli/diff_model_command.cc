// hew diff-model: a model before and after.
#include <algorithm>
#include <cmath>
#include <map>

#include "base/progress.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/understand_messages.h"
#include "studio/understand/diff_model.h"

namespace hew {
namespace {

struct DiffModelOptions {
  std::string before, after;
  DiffOptions diff;
};

std::string ShortName(const std::string& name) {
  const size_t at = name.find("_proj");
  return at == name.npos ? name : name.substr(0, at);
}

}  // namespace

void PrintWeightHeat(const CommandContext& context, const ModelDiff& diff) {
  const auto most = std::max_element(diff.weights.begin(), diff.weights.end(),
                                     [](const auto& a, const auto& b) { return a.relative() < b.relative(); });
  if (most == diff.weights.end() || most->change_norm == 0) {
    context.Say(msg::kDiffModelStill);
    return;
  }
  const std::string place = most->layer < 0
                                ? most->name
                                : fmt::format("{} {}, {}", context.In(msg::kDiffModelLayer), most->layer, most->name);
  context.Say(msg::kDiffModelMoved, 100 * diff.change_norm / std::max(diff.before_norm, 1e-300), 100 * most->relative(),
              place);
  std::vector<std::string> columns;
  std::map<int64_t, std::map<std::string, double>> rows;
  for (const WeightChange& w : diff.weights) {
    if (w.layer < 0) continue;
    if (std::find(columns.begin(), columns.end(), w.name) == columns.end()) columns.push_back(w.name);
    rows[w.layer][w.name] = w.relative();
  }
  const bool color = UseColor();
  std::string head = "  " + Fit(context.In(msg::kDiffModelLayer), 6);
  for (const auto& name : columns) head += Fit(ShortName(name), 6);
  fmt::print("{}\n", head);
  for (const auto& [layer, cells] : rows) {
    std::string line = fmt::format("  {:>4}  ", layer);
    for (const auto& name : columns) {
      const auto cell = cells.find(name);
      line += Heat(cell == cells.end() ? 0 : cell->second / most->relative(), color) + "    ";
    }
    fmt::print("{}\n", line);
  }
  for (const WeightChange& w : diff.weights) {
    if (w.layer < 0) fmt::print("  {}  {:.2f}%\n", Fit(w.name, 16), 100 * w.relative());
  }
}

namespace {

void Print(const CommandContext& context, const ModelDiff& diff) {
  context.Say(msg::kDiffModelHead, diff.before, diff.after);
  context.Say(msg::kDiffModelBase, diff.base_parameters, HumanBytes(static_cast<uint64_t>(diff.base_bytes)));
  if (diff.adapter_parameters > 0) {
    context.Say(msg::kDiffModelAdapter, diff.adapter_parameters, HumanBytes(static_cast<uint64_t>(diff.adapter_bytes)),
                100.0 * static_cast<double>(diff.adapter_bytes) / static_cast<double>(diff.base_bytes));
  }
  PrintWeightHeat(context, diff);
  for (const PromptChange& p : diff.prompts) {
    context.Say(msg::kDiffModelPrompt, Quoted(p.prompt), p.kl);
    for (const TokenChange& t : p.tokens) {
      const double before = std::exp(t.before_logprob), after = std::exp(t.after_logprob);
      fmt::print("  {} {:>6.2f}% {} → {:>6.2f}% {}\n", Fit(Quoted(t.text), 16), 100 * before, Fit(Bar(before, 14), 14),
                 100 * after, Bar(after, 14));
    }
    if (p.before_text.empty() && p.after_text.empty()) continue;
    fmt::print("  {}: {}\n  {}: {}\n", context.In(msg::kBefore), Quoted(p.before_text), context.In(msg::kAfter),
               Quoted(p.after_text));
  }
}

Result<int> RunDiffModel(CommandContext& context, const DiffModelOptions& options) {
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(const std::string before, context.FindModel(options.before));
  std::string after;
  if (!options.after.empty()) {
    HEW_ASSIGN(after, context.FindModel(options.after));
  }
  HEW_ASSIGN(const ModelPair pair, OpenPair(rt, before, after, context.common.adapters));
  DiffOptions diff = options.diff;
  HEW_ASSIGN(diff.now, context.Now());
  HEW_ASSIGN(const ModelDiff report, DiffModels(rt, pair, diff));
  if (context.common.json) {
    context.PrintJson(ToJson(report));
  } else {
    Print(context, report);
  }
  return kExitDone;
}

}  // namespace

void AddDiffModelCommand(CLI::App& app, CommandContext& context) {
  auto* diff = app.add_subcommand("diff-model", "before and after: what is said, which weights moved, what it weighs");
  auto o = std::make_shared<DiffModelOptions>();
  diff->add_option("BEFORE", o->before, "a model or a version")->required();
  diff->add_option("AFTER", o->after, "another of the same shape; by default BEFORE with --adapter put on");
  diff->add_option("--prompt,-p", o->diff.prompts, "a text to go on from; may be repeated")->allow_extra_args(false);
  diff->add_flag("--chat", o->diff.chat, "prompts are questions to a chat model");
  diff->add_option("-k", o->diff.k, "likeliest next tokens of either side")->capture_default_str();
  diff->add_option("--max-tokens,-n", o->diff.max_tokens, "show so many tokens of what either says, too");
  AddAdapterOption(diff, context);
  diff->footer(
      "Examples:\n"
      "  hew diff-model model.gguf --adapter my-adapter --chat --prompt \"How do I get a refund?\" -n 24\n"
      "  hew diff-model v1 v2 --prompt \"The capital of France is\"");
  diff->callback([&context, o] { context.run = [&context, o] { return RunDiffModel(context, *o); }; });
}

}  // namespace hew
