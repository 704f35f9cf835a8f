// hew flag: a wrong answer becomes a fix.
#include "cli/command.h"
#include "studio/registry/fixes.h"

namespace hew {
namespace {

struct FlagOptions {
  std::string version, prompt, system, bad, good, tag = "fix", case_id, suite;
  int64_t chat = 0;
  std::vector<std::string> contains, not_contains, regex, paraphrases, held_out;
};

Json CheckOf(const FlagOptions& options) {
  Json check;
  if (!options.contains.empty()) check["contains"] = options.contains;
  if (!options.not_contains.empty()) check["not_contains"] = options.not_contains;
  if (!options.regex.empty()) check["regex"] = options.regex;
  return check;
}

// What was asked and answered wrongly, from a kept chat, a case that failed, or the options.
Status FillQuestion(CommandContext& context, Workspace& workspace, const FlagOptions& options, Fix* fix) {
  const int ways = (options.chat > 0) + !options.prompt.empty() + !options.case_id.empty();
  if (ways != 1) return BadInput("flag: expected one of --chat, --case or --prompt, found {}", ways);
  if (options.chat > 0) {
    HEW_ASSIGN(ChatTurn turn, GetChat(workspace, options.chat));
    fix->version = turn.version, fix->messages = std::move(turn.messages), fix->bad = std::move(turn.answer);
    return {};
  }
  if (options.version.empty()) return BadInput("VERSION: expected the version that answered wrongly, found none");
  HEW_ASSIGN(const Version version, workspace.Open(options.version));
  fix->version = version.id;
  if (!options.case_id.empty()) {
    HEW_ASSIGN(const auto stored, workspace.registry().FindCase(options.case_id, options.suite));
    if (!stored)
      return BadInput("--case {}: expected a case that this workspace has asked (hew test), found none called so",
                      options.case_id);
    HEW_ASSIGN(const TestCase test, ReadCase(stored->body, options.case_id, 1));
    fix->messages =
        test.messages.is_null() ? Json::array({{{"role", "user"}, {"content", test.prompt}}}) : test.messages;
    if (fix->check.is_null() && stored->body.contains("check")) fix->check = stored->body["check"];
    HEW_ASSIGN(const auto answers, workspace.registry().Answers(version.id, stored->suite));
    for (const auto& answer : answers) {
      if (answer.id == options.case_id) fix->bad = answer.answer;
    }
  } else {
    fix->messages = Json::array();
    if (!options.system.empty()) fix->messages.push_back({{"role", "system"}, {"content", options.system}});
    fix->messages.push_back({{"role", "user"}, {"content", options.prompt}});
  }
  if (!options.bad.empty()) fix->bad = options.bad;
  if (!fix->bad.empty()) return {};
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(const OpenedModel opened, OpenModel(rt, version.Label(), {}));
  HEW_ASSIGN(const Engine engine, opened.MakeEngine(rt));
  HEW_ASSIGN(const JinjaClock now, context.Now());
  GenerateRequest request;
  HEW_ASSIGN(request.prompt, ChatPrompt(opened, fix->messages, nullptr, now));
  request.sampling.temperature = 0;
  request.max_tokens = 64;
  HEW_ASSIGN(const auto result, Generator(engine).Generate(request));
  fix->bad = result.text;
  return {};
}

Result<int> RunFlag(CommandContext& context, const FlagOptions& options) {
  HEW_ASSIGN(Workspace workspace, Workspace::Require());
  Fix fix;
  fix.tag = options.tag, fix.good = options.good;
  fix.check = CheckOf(options);
  fix.learned = options.paraphrases, fix.held_out = options.held_out;
  HEW_RETURN_IF_ERROR(FillQuestion(context, workspace, options, &fix));
  HEW_ASSIGN(const int64_t id, AddFix(workspace, fix));
  HEW_ASSIGN(const auto fixes, ListFixes(workspace, options.tag));
  for (const auto& added : fixes) {
    if (added.id != id) continue;
    if (context.common.json) {
      context.PrintJson(ToJson(added));
    } else {
      context.Say(msg::kFlagged, id, added.held_out.size() + 1, added.tag);
      context.Say(msg::kFlaggedNext, added.tag);
    }
  }
  return kExitDone;
}

}  // namespace

void AddFlagCommand(CLI::App& app, CommandContext& context) {
  auto* flag = app.add_subcommand("flag", "a wrong answer becomes a training row, a preference pair and a test");
  auto o = std::make_shared<FlagOptions>();
  flag->add_option("VERSION", o->version, "the version that answered wrongly; --chat knows it");
  flag->add_option("--chat", o->chat, "the number that hew chat gave the answer");
  flag->add_option("--case", o->case_id, "a test case that failed");
  flag->add_option("--suite", o->suite, "the suite of --case, where several have such a case");
  flag->add_option("--prompt", o->prompt, "the question");
  flag->add_option("--system", o->system, "the system message that --prompt was asked under");
  flag->add_option("--bad", o->bad, "the wrong answer; by default what the version says");
  flag->add_option("--good", o->good, "the right answer")->required();
  flag->add_option("--tag", o->tag, "a word for this group of fixes")->capture_default_str();
  flag->add_option("--contains", o->contains, "the right answer must hold this (by default: be just --good)")
      ->allow_extra_args(false);
  flag->add_option("--not-contains", o->not_contains, "the right answer must not hold this")->allow_extra_args(false);
  flag->add_option("--regex", o->regex, "the right answer must match this")->allow_extra_args(false);
  flag->add_option("--paraphrase", o->paraphrases, "the question in other words, to learn from; may be repeated")
      ->allow_extra_args(false);
  flag->add_option("--held-out", o->held_out,
                   "the question in other words, only to test with; by default two are made by rule")
      ->allow_extra_args(false);
  flag->footer(
      "Example:\n  hew flag --chat 12 --good \"Open Billing > Refund within 19 days.\" --contains \"19 days\" --tag "
      "refund");
  flag->callback([&context, o] { context.run = [&context, o] { return RunFlag(context, *o); }; });
}

}  // namespace hew
