// hew fix, gate, bisect: a version that mends what was flagged, and whether it may go out.
#include <filesystem>
#include <optional>

#include "base/progress.h"
#include "cli/command.h"
#include "cli/gate_report.h"
#include "studio/registry/bisect.h"
#include "studio/registry/fixes.h"
#include "studio/registry/gate.h"
#include "studio/registry/training.h"

namespace hew {
namespace {

constexpr const char* kRulesFile = "/release.toml";

struct FixOptions {
  std::string tag, parent, name, method = "sft";
  double replay = FixVersionRequest().replay, lr = 0, beta = 0.1;  // lr 0: the method's
  int64_t epochs = FixVersionRequest().epochs, keep = FixVersionRequest().keep_texts, max_tokens = 64;
  bool no_gate = false;
};

struct GateCommandOptions {
  std::string version, before, rules, case_id, suite, good;
  int64_t max_tokens = 64, batch = 32, shown = 10;
  bool no_cost = false;
};

Result<SuiteOptions> SuiteSettings(const CommandContext& context, int64_t max_tokens, int64_t batch) {
  if (batch < 1 || batch > 1024) return BadInput("--batch: expected 1 to 1024, found {}", batch);
  if (max_tokens < 1) return BadInput("--max-tokens: expected 1 or more, found {}", max_tokens);
  SuiteOptions suite;
  HEW_ASSIGN(suite.now, context.Now());
  suite.max_tokens = max_tokens, suite.batch = batch;
  suite.cancelled = [] { return Cancelled().load(); };
  return suite;
}

int StatusOf(Verdict verdict) {
  return verdict == Verdict::kFail ? kExitFailed : verdict == Verdict::kInconclusive ? kExitInconclusive : kExitDone;
}

Result<int> RunGateCommand(CommandContext& context, const GateCommandOptions& options) {
  HEW_ASSIGN(Workspace workspace, Workspace::Require());
  HEW_ASSIGN(const Version after, workspace.Open(options.version));
  std::string before_name = options.before;
  if (before_name.empty()) {
    if (!after.parent)
      return BadInput("--vs: expected a version to compare with ({} has no parent), found none", after.Label());
    before_name = "v" + std::to_string(*after.parent);
  }
  HEW_ASSIGN(const Version before, workspace.Open(before_name));
  GateOptions gate;
  HEW_ASSIGN(gate.rules, ReadRules(options.rules.empty() ? workspace.root() + kRulesFile : options.rules));
  HEW_ASSIGN(gate.suite, SuiteSettings(context, options.max_tokens, options.batch));
  gate.measure_cost = !options.no_cost;
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(const GateReport report, RunShownGate(context, workspace, rt, before.id, after.id, gate));
  if (context.common.json) {
    Json json = ToJson(report);
    json["version"] = after.Label(), json["vs"] = before.Label();
    context.PrintJson(json);
  } else {
    PrintGate(context, report, before.id, after.id, static_cast<size_t>(options.shown));
  }
  return StatusOf(report.verdict);
}

// Trains the plan and records it; gives the new version.
Result<int64_t> TrainFix(CommandContext& context, Workspace& workspace, const Runtime& rt, const Version& parent,
                         const FixOptions& options, FixPlan* plan) {
  FixVersionRequest request;
  request.parent = parent;
  request.tag = options.tag, request.name = options.name;
  request.method = options.method, request.beta = options.beta;
  request.replay = options.replay, request.lr = options.lr, request.epochs = options.epochs;
  request.keep_texts = options.keep;
  request.seed = context.common.seed;
  request.hooks.quiet = context.common.json;
  request.hooks.cancel = &Cancelled();
  request.on_plan = [&](const FixPlan& made) {
    *plan = made;
    if (context.common.json) return;
    context.Say(msg::kFixPlan, made.new_rows, made.fixes.size(), made.replayed_rows, parent.id, made.left_out);
    if (!made.asked.empty()) context.Say(msg::kFixAsked, made.asked.size());
    std::fflush(stdout);
  };
  std::optional<OpenedModel> opened;
  const auto base = [&](const std::string& path) -> Result<TrainingBase> {
    HEW_ASSIGN(opened, OpenModel(rt, path, {}));
    HEW_ASSIGN(const JinjaClock now, context.Now());
    return BaseOf(*opened, now);
  };
  return FixVersion(workspace, rt, base, request);
}

Result<int> RunFix(CommandContext& context, const FixOptions& options) {
  HEW_ASSIGN(Workspace workspace, Workspace::Require());
  std::string parent_name = options.parent;
  if (parent_name.empty()) {  // the latest version that answered wrongly
    HEW_ASSIGN(const auto fixes, ListFixes(workspace, options.tag));
    if (fixes.empty()) return BadInput("--tag {}: expected a fix with this tag (hew flag), found none", options.tag);
    int64_t latest = 0;
    for (const auto& fix : fixes) latest = std::max(latest, fix.version);
    parent_name = "v" + std::to_string(latest);
  }
  HEW_ASSIGN(const Version parent, workspace.Open(parent_name));
  if (parent.kind == VersionKind::kModel)
    return BadInput("--parent {}: expected a version with an adapter, found a whole model", parent_name);
  if (!(options.replay >= 0 && options.replay <= 1000))
    return BadInput("--replay: expected 0 to 1000, found {}", options.replay);
  if (options.keep < 0 || options.keep > 10000) return BadInput("--keep: expected 0 to 10000, found {}", options.keep);
  if (options.epochs < 1) return BadInput("--epochs: expected 1 or more, found {}", options.epochs);
  HEW_ASSIGN(const Runtime rt, context.MakeTrainingRuntime());
  FixPlan plan;
  HEW_ASSIGN(const int64_t id, TrainFix(context, workspace, rt, parent, options, &plan));
  context.version = id;
  if (!context.common.json) context.Say(msg::kRecorded, id);
  Json json = {{"version", fmt::format("v{}", id)},
               {"parent", parent.Label()},
               {"fixes", plan.fixes.size()},
               {"new_rows", plan.new_rows},
               {"replayed_rows", plan.replayed_rows},
               {"left_out", plan.left_out},
               {"tests_asking_what_was_flagged", plan.asked}};
  int status = kExitDone;
  if (!options.no_gate) {
    GateOptions gate;
    HEW_ASSIGN(gate.rules, ReadRules(workspace.root() + kRulesFile));
    HEW_ASSIGN(gate.suite, SuiteSettings(context, options.max_tokens, 32));
    HEW_ASSIGN(const GateReport report, RunShownGate(context, workspace, rt, parent.id, id, gate));
    if (context.common.json) {
      json["gate"] = ToJson(report);
    } else {
      PrintGate(context, report, parent.id, id, 10);
    }
    status = StatusOf(report.verdict);
  }
  if (context.common.json) context.PrintJson(json);
  return status;
}

Result<int> RunBisect(CommandContext& context, const GateCommandOptions& options) {
  HEW_ASSIGN(Workspace workspace, Workspace::Require());
  std::optional<int64_t> bad;
  if (options.version.empty()) {
    HEW_ASSIGN(const auto ids, workspace.registry().Ids());
    if (ids.empty()) return BadInput("--bad: expected a version, found none in this workspace");
    bad = ids.back();
  } else {
    HEW_ASSIGN(const Version version, workspace.Open(options.version));
    bad = version.id;
  }
  int64_t good = -1;
  if (!options.good.empty()) {
    HEW_ASSIGN(const Version version, workspace.Open(options.good));
    good = version.id;
  }
  HEW_ASSIGN(const SuiteOptions suite, SuiteSettings(context, options.max_tokens, options.batch));
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  std::optional<Progress> progress;
  auto found = Bisect(workspace, rt, options.case_id, options.suite, good, *bad, suite,
                      static_cast<size_t>(options.shown), [&](int64_t version, int64_t done, int64_t most) {
                        if (!progress) progress.emplace("asking", most, context.common.json);
                        progress->Update(done, fmt::format("v{}", version));
                      });
  progress.reset();
  HEW_ASSIGN(const BisectReport report, std::move(found));
  using Outcome = BisectReport::Outcome;
  if (context.common.json) {
    constexpr const char* kOutcomes[] = {"found", "passes", "never passed"};
    const auto rows = [](const std::vector<DiffRow>& list) {
      Json out = Json::array();
      for (const auto& r : list) out.push_back({{"where", r.where}, {"sha256", r.digest}, {"row", r.text}});
      return out;
    };
    Json asked = Json::array();
    for (const int64_t id : report.asked) asked.push_back(fmt::format("v{}", id));
    context.PrintJson({{"outcome", kOutcomes[static_cast<int>(report.outcome)]},
                       {"suite", report.suite},
                       {"case", report.id},
                       {"good", fmt::format("v{}", report.good)},
                       {"bad", fmt::format("v{}", report.bad)},
                       {"asked", asked},
                       {"good_answer", report.good_answer},
                       {"bad_answer", report.bad_answer},
                       {"added_rows", rows(report.rows.added)},
                       {"removed_rows", rows(report.rows.removed)}});
    return kExitDone;
  }
  if (report.outcome != Outcome::kFound) {
    context.Say(report.outcome == Outcome::kPasses ? msg::kBisectNever : msg::kBisectAlways, report.id, report.bad,
                report.good);
    return kExitDone;
  }
  context.Say(msg::kBisectFound, report.id, report.bad, report.good);
  fmt::print("  v{}: {}\n  v{}: {}\n", report.good, report.good_answer, report.bad, report.bad_answer);
  if (report.rows.added_count + report.rows.removed_count == 0)
    context.Say(msg::kBisectNoRows, report.good, report.bad);
  if (!report.rows.added.empty()) context.Say(msg::kBisectRows, report.bad, report.good);
  for (const auto& row : report.rows.added) fmt::print("  + {}: {}\n", row.where, row.text);
  if (!report.rows.removed.empty()) context.Say(msg::kBisectLost, report.good, report.bad);
  for (const auto& row : report.rows.removed) fmt::print("  - {}: {}\n", row.where, row.text);
  return kExitDone;
}

void AddFix(CLI::App& app, CommandContext& context) {
  auto* fix = app.add_subcommand(
      "fix", "train a version that mends what was flagged, beside rows learned before; then ask the gate");
  auto o = std::make_shared<FixOptions>();
  fix->add_option("--tag", o->tag, "the fixes to train")->required();
  fix->add_option("--parent", o->parent, "the version to go on from; by default the latest that answered wrongly");
  fix->add_option("--name", o->name, "what to call the new version");
  fix->add_option("--replay", o->replay, "rows of what was learned before, for each new row")->capture_default_str();
  fix->add_option("--keep", o->keep, "texts of the base's own whose likelihood shall not move (0: none)")
      ->capture_default_str();
  fix->add_option("--epochs", o->epochs, "times through the rows")->capture_default_str();
  fix->add_option("--method", o->method, "sft: learn the right answers; dpo, orpo: prefer them to the wrong ones")
      ->check(CLI::IsMember({"sft", "dpo", "orpo"}))
      ->capture_default_str();
  fix->add_option("--beta", o->beta, "of dpo and orpo, as hew tune takes it")->capture_default_str();
  fix->add_option("--lr", o->lr, "learning rate (0.0003; of pairs 5e-05)");
  fix->add_option("--max-tokens", o->max_tokens, "tokens of a tested answer at most")->capture_default_str();
  fix->add_flag("--no-gate", o->no_gate, "train and record only");
  fix->footer("Example:\n  hew fix --tag refund");
  fix->callback([&context, o] { context.run = [&context, o] { return RunFix(context, *o); }; });
}

}  // namespace

void AddFixCommands(CLI::App& app, CommandContext& context) {
  AddFix(app, context);

  auto* gate = app.add_subcommand("gate", "may this version go out? release.toml has the rules");
  auto o = std::make_shared<GateCommandOptions>();
  gate->add_option("VERSION", o->version, "v2, an alias or a name")->required();
  gate->add_option("--vs", o->before, "the version to compare with; the parent by default");
  gate->add_option("--rules", o->rules, "another file of rules than release.toml beside .hew/");
  gate->add_option("--max-tokens", o->max_tokens, "tokens of an answer at most")->capture_default_str();
  gate->add_option("--batch", o->batch, "cases through the model together")->capture_default_str();
  gate->add_option("--shown", o->shown, "turned cases to print of each kind")->capture_default_str();
  gate->add_flag("--no-cost", o->no_cost, "do not measure speed and memory");
  gate->footer("Example:\n  hew gate v2 --vs v1      (exit status 0 pass, 1 fail, 4 too few cases to tell)");
  gate->callback([&context, o] { context.run = [&context, o] { return RunGateCommand(context, *o); }; });

  auto* bisect = app.add_subcommand("bisect", "find the version, and its rows, in which an answer turned");
  auto b = std::make_shared<GateCommandOptions>();
  bisect->add_option("--case", b->case_id, "a test case")->required();
  bisect->add_option("--suite", b->suite, "its suite, where several have such a case");
  bisect->add_option("--bad", b->version, "a version that fails it; the latest by default");
  bisect->add_option("--good", b->good, "a version before it that passes; by default as far back as parents go");
  bisect->add_option("--max-tokens", b->max_tokens, "tokens of an answer at most")->capture_default_str();
  bisect->add_option("--shown", b->shown, "rows to print")->capture_default_str();
  bisect->footer("Example:\n  hew bisect --case refund-3 --bad v9");
  bisect->callback([&context, b] { context.run = [&context, b] { return RunBisect(context, *b); }; });
}

}  // namespace hew
