// hew why: which training rows an answer comes from.
#include "base/json.h"
#include "base/progress.h"
#include "cli/command.h"
#include "studio/attribution/why.h"
#include "studio/registry/fixes.h"

namespace hew {
namespace {

struct WhyCommandOptions {
  std::string version, case_id, suite, prompt, system, answer, memory = "1GB";
  int64_t chat = 0, tier = 2, exact = 0, shown = 5;
};

// What was asked: a kept chat, a test's case, or a prompt.
Status FillQuestion(const Workspace& workspace, const WhyCommandOptions& options, int64_t version, WhyOptions* why) {
  if ((options.chat > 0) + !options.case_id.empty() + !options.prompt.empty() != 1) return BadInput("why: expected one of --chat, --case or --prompt");
  why->answer = options.answer;
  if (options.chat > 0) {
    HEW_ASSIGN(const ChatTurn turn, GetChat(workspace, options.chat));
    why->messages = turn.messages;
    if (why->answer.empty()) why->answer = turn.answer;
  } else if (!options.case_id.empty()) {
    HEW_ASSIGN(const auto stored, workspace.registry().FindCase(options.case_id, options.suite));
    if (!stored) return BadInput("--case {}: expected a case that this workspace has asked (hew test), found none called so", options.case_id);
    HEW_ASSIGN(const TestCase test, ReadCase(stored->body, options.case_id, 1));
    why->messages = test.messages.is_null() ? Json::array({{{"role", "user"}, {"content", test.prompt}}}) : test.messages;
    HEW_ASSIGN(const auto answers, workspace.registry().Answers(version, stored->suite));
    for (const auto& answer : answers) {
      if (answer.id == options.case_id && why->answer.empty()) why->answer = answer.answer;
    }
  } else {
    why->messages = Json::array();
    if (!options.system.empty()) why->messages.push_back({{"role", "system"}, {"content", options.system}});
    why->messages.push_back({{"role", "user"}, {"content", options.prompt}});
  }
  return {};
}

std::string ShortRow(const StoredRow& row) {
  std::string text;
  if (row.object.is_object() && row.object.contains("messages")) {
    for (const auto& m : row.object["messages"]) {
      if (m.is_object() && m.value("role", "") != "system") text += (text.empty() ? "" : " → ") + m.value("content", "");
    }
  } else {
    text = row.object.is_string() ? row.object.get<std::string>() : DumpJson(row.object);
  }
  for (char& c : text) c = c == '\n' ? ' ' : c;
  return text;
}

void PrintTier(const CommandContext& context, const WhyReport& report, const Message& head, double RowScore::* measure, size_t shown) {
  context.Say(head);
  const auto order = RankBy(report.scores, measure);
  for (size_t i = 0; i < std::min(shown, order.size()); ++i) {
    fmt::print("  {:>10.4g}  {}  {}\n", report.scores[order[i]].*measure, report.rows[order[i]].where, ShortRow(report.rows[order[i]]));
  }
}

Result<int> RunWhy(CommandContext& context, const WhyCommandOptions& options) {
  if (options.tier != 1 && options.tier != 2) return BadInput("--tier: expected 1 or 2 (or --exact), found {}", options.tier);
  if (options.exact < 0 || options.shown < 1) return BadInput("--exact: expected 0 or more rows, and -k 1 or more, found {} and {}", options.exact, options.shown);
  HEW_ASSIGN(Workspace workspace, Workspace::Require());
  HEW_ASSIGN(const Version version, workspace.Open(options.version));
  WhyOptions why;
  HEW_RETURN_IF_ERROR(FillQuestion(workspace, options, version.id, &why));
  why.gradients = options.tier >= 2;
  why.exact_rows = static_cast<size_t>(options.exact);
  HEW_ASSIGN(why.memory_bytes, ParseBytes("--memory", options.memory));
  HEW_ASSIGN(why.now, context.Now());
  why.cancelled = &Cancelled();
  std::unique_ptr<Progress> progress;
  std::string stage;
  if (!context.common.json) {
    why.progress = [&](const std::string& what, int64_t done, int64_t all) {
      if (what != stage) progress = std::make_unique<Progress>(what, all);
      stage = what;
      progress->Update(done);
      if (done == all) progress.reset();
    };
  }
  HEW_ASSIGN(const Runtime rt, context.MakeTrainingRuntime());
  HEW_ASSIGN(const WhyReport report, Why(workspace, rt, version, why));
  const auto shown = static_cast<size_t>(options.shown);
  if (context.common.json) {
    context.PrintJson(ToJson(report, shown));
    return kExitDone;
  }
  context.Say(msg::kWhyHead, version.id, report.rows.size(), report.answer);
  PrintTier(context, report, msg::kWhyBm25, &RowScore::bm25, shown);
  PrintTier(context, report, msg::kWhyCosine, &RowScore::cosine, shown);
  if (report.has_gradients) {
    PrintTier(context, report, msg::kWhyGradients, &RowScore::gradient, shown);
  }
  if (report.proof) {
    context.Say(msg::kWhyExact, report.proof->left_out.size());
    fmt::print("  {}: {} ({:.3f})\n  {}: {} ({:.3f})\n", context.In(msg::kBefore), report.proof->before, report.proof->before_logprob,
               context.In(msg::kAfter), report.proof->after, report.proof->after_logprob);
  }
  return kExitDone;
}

}  // namespace

void AddWhyCommand(CLI::App& app, CommandContext& context) {
  auto* why = app.add_subcommand("why", "which training rows taught a version an answer");
  auto o = std::make_shared<WhyCommandOptions>();
  why->add_option("VERSION", o->version, "a version that was tuned in this workspace")->required();
  why->add_option("--case", o->case_id, "a test case that it was asked");
  why->add_option("--suite", o->suite, "its suite, where several have such a case");
  why->add_option("--chat", o->chat, "the number that hew chat gave the answer");
  why->add_option("--prompt", o->prompt, "a question");
  why->add_option("--system", o->system, "the system message that --prompt is asked under");
  why->add_option("--answer", o->answer, "the answer to explain; by default what the version said or says");
  why->add_option("--tier", o->tier, "1: words alone (seconds); 2: gradients as well (as long as an epoch of training)")->capture_default_str();
  why->add_option("--exact", o->exact, "train again without so many of the first rows, and show what changes: the proof");
  why->add_option("--memory", o->memory, "for gradients; less of it projects them to fewer numbers")->capture_default_str();
  why->add_option("-k", o->shown, "rows to show of each tier")->capture_default_str();
  why->footer("Example:\n  hew why v1 --case refund-3\n  hew why v1 --prompt \"How do I get a refund?\" --exact 10");
  why->callback([&context, o] { context.run = [&context, o] { return RunWhy(context, *o); }; });
}

}  // namespace hew
