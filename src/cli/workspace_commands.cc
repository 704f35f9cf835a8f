// hew init, list, show, diff, promote, rollback: the versions of a workspace.
#include "base/json.h"
#include "base/progress.h"
#include "cli/command.h"
#include "model/model.h"
#include "studio/registry/diff.h"

namespace hew {
namespace {

constexpr int64_t kListed = 50;  // versions that `list` prints unless told otherwise

struct VersionOptions {
  std::string folder = ".", base, first, second;
  bool all = false;
};

std::string Join(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

Result<int> RunInit(const CommandContext& context, const VersionOptions& options) {
  if (!options.base.empty()) HEW_RETURN_IF_ERROR(DigestOfModel(options.base));  // refused before anything is made
  HEW_ASSIGN(Workspace workspace, Workspace::Init(options.folder));
  std::string digest;
  if (!options.base.empty()) {
    HEW_ASSIGN(digest, workspace.RegisterBase(options.base));
  }
  if (context.common.json) {
    context.PrintJson({{"workspace", workspace.root()}, {"base", digest}});
    return kExitDone;
  }
  context.Say(msg::kInit, workspace.root());
  if (!digest.empty()) context.Say(msg::kInitBase, options.base);
  return kExitDone;
}

// {"versions": [...]}, written one after another: a tree of ten thousand versions takes longer to build than to read
// them.
void PrintVersionsAsJson(const std::vector<VersionSummary>& versions) {
  const auto text = [](const Json& value) { return DumpJson(value); };
  std::string out = "{\"versions\":[";
  for (const auto& v : versions) {
    out += &v == &versions.front() ? "" : ",";
    out += fmt::format(
        R"({{"version":"v{}","name":{},"made_by":{},"parent":{},"created":{},"aliases":{},"passed":{},"cases":{}}})",
        v.id, text(v.name), text(v.made_by), v.parent ? fmt::format("\"v{}\"", *v.parent) : "null", text(v.created),
        v.aliases.empty() ? "[]" : text(v.aliases), v.passed, v.cases);
  }
  std::puts((out + "]}").c_str());
}

Result<int> RunList(const CommandContext& context, const VersionOptions& options) {
  HEW_ASSIGN(const Workspace workspace, Workspace::Require());
  const bool all = options.all || context.common.json;
  HEW_ASSIGN(const auto versions, workspace.registry().List(all ? -1 : kListed));
  if (context.common.json) {
    PrintVersionsAsJson(versions);
    return kExitDone;
  }
  if (versions.empty()) context.Say(msg::kNoVersions);
  for (const auto& v : versions) {
    const std::string tests = v.cases > 0 ? fmt::format("{}/{}", v.passed, v.cases) : "-";
    fmt::print("{:<6} {:<5} {:<6} {:>9}  {}  {}{}\n", fmt::format("v{}", v.id),
               v.parent ? fmt::format("<v{}", *v.parent) : "", v.made_by, tests, v.created.substr(0, 16), v.name,
               v.aliases.empty() ? "" : "  [" + Join(v.aliases) + "]");
  }
  const int64_t earlier = versions.empty() ? 0 : versions.back().id;
  if (!all && static_cast<int64_t>(versions.size()) == kListed && earlier > 0) context.Say(msg::kMoreVersions, earlier);
  return kExitDone;
}

void PrintField(const std::string& name, const std::string& value) { fmt::print("  {:<10} {}\n", name, value); }

Result<int> RunShow(const CommandContext& context, const VersionOptions& options) {
  HEW_ASSIGN(const Workspace workspace, Workspace::Require());
  HEW_ASSIGN(const Version v, workspace.Open(options.first));
  HEW_ASSIGN(const auto counts, workspace.registry().Counts(v.id));
  HEW_ASSIGN(const auto events, workspace.registry().AliasHistory(v.id));
  HEW_ASSIGN(const auto aliases, workspace.registry().Aliases());
  std::vector<std::string> names;
  for (const auto& [name, id] : aliases) {
    if (id == v.id) names.push_back(name);
  }
  if (context.common.json) {
    Json json = ToJson(v);
    json["aliases"] = names;
    json["tests"] = Json::array();
    for (const auto& c : counts)
      json["tests"].push_back({{"suite", c.suite}, {"passed", c.passed}, {"cases", c.cases}, {"at", c.at}});
    json["alias_history"] = Json::array();
    for (const auto& e : events) {
      json["alias_history"].push_back({{"alias", e.alias},
                                       {"action", e.action},
                                       {"version", fmt::format("v{}", e.version)},
                                       {"from", e.from ? Json(fmt::format("v{}", *e.from)) : Json()},
                                       {"at", e.at}});
    }
    context.PrintJson(json);
    return kExitDone;
  }
  fmt::print("{}  {}  {}\n", v.Label(), v.name, v.created);
  if (!names.empty()) PrintField(context.In(msg::kAliases), Join(names));
  PrintField(context.In(msg::kMadeBy), fmt::format("{} ({}, {}, {})", v.made_by, v.program, v.isa, v.precision));
  if (v.parent) PrintField(context.In(msg::kParent), fmt::format("v{}", *v.parent));
  PrintField(context.In(msg::kBase), v.base);
  for (const auto& d : v.data)
    PrintField(context.In(msg::kData), d.rows > 0 ? context.Text(msg::kRows, d.path, d.rows) : d.path);
  std::string recipe;
  if (v.recipe.is_object()) {
    for (const char* key : {"epochs", "steps", "batch_size", "rank", "alpha", "lr", "schedule", "seed"}) {
      if (v.recipe.contains(key))
        recipe += fmt::format("{}{} {}", recipe.empty() ? "" : ", ", key,
                              v.recipe[key].is_string() ? v.recipe[key].get<std::string>() : v.recipe[key].dump());
    }
  }
  if (!recipe.empty()) PrintField(context.In(msg::kRecipe), recipe);
  if (v.metrics.is_object() && v.metrics.contains("train_loss")) {
    PrintField(context.In(msg::kMetrics),
               fmt::format("loss {:.4f}, {} steps, {}", v.metrics.value("train_loss", 0.0),
                           v.metrics.value("steps", int64_t{0}), HumanDuration(v.metrics.value("seconds", 0.0))));
  }
  for (const auto& c : counts) PrintField(context.In(msg::kTests), fmt::format("{} {}/{}", c.suite, c.passed, c.cases));
  for (const auto& e : events) {
    fmt::print("  {}  {} {} {}v{}\n", e.at, e.action, e.alias, e.from ? fmt::format("v{} → ", *e.from) : "", e.version);
  }
  return kExitDone;
}

std::string OneLine(const std::string& text) {
  const size_t end = text.find('\n');
  return end == text.npos ? text : text.substr(0, end) + " …";
}

}  // namespace

void PrintAnswerDiff(const CommandContext& context, const AnswerDiff& answers, size_t shown) {
  if (answers.cases.empty()) {
    context.Say(msg::kDiffNoAnswers);
    return;
  }
  context.Say(msg::kDiffAnswers, answers.broken, answers.fixed, answers.changed, answers.same);
  const Message* names[] = {&msg::kBroken, &msg::kFixed, &msg::kChanged};
  size_t of_turn[3] = {};
  for (const auto& c : answers.cases) {
    if (c.turn == Turn::kSame || of_turn[static_cast<int>(c.turn)]++ >= shown) continue;
    fmt::print("  {} {} {}{}\n    {}: {}\n    {}: {}{}\n", context.In(*names[static_cast<int>(c.turn)]), c.suite, c.id,
               c.must_pass ? " !" : "", context.In(msg::kBefore), OneLine(c.before), context.In(msg::kAfter),
               OneLine(c.after), c.why.empty() ? "" : "   [" + c.why + "]");
  }
}

namespace {

void PrintDiff(const CommandContext& context, const VersionDiff& diff) {
  context.Say(msg::kDiffRows, diff.rows.same, diff.rows.added_count, diff.rows.removed_count);
  const auto rows = [&](char sign, const std::vector<DiffRow>& list, int64_t all) {
    for (const auto& r : list) fmt::print("  {} {}: {}\n", sign, r.where, r.text);
    if (all > static_cast<int64_t>(list.size()))
      context.Say(msg::kDiffMoreRows, all - static_cast<int64_t>(list.size()));
  };
  rows('-', diff.rows.removed, diff.rows.removed_count);
  rows('+', diff.rows.added, diff.rows.added_count);
  context.Say(diff.recipe.empty() ? msg::kDiffRecipeSame : msg::kDiffRecipe);
  for (const auto& c : diff.recipe) fmt::print("  {}: {} → {}\n", c.field, c.before.dump(), c.after.dump());
  if (!diff.weights.note.empty()) {
    context.Say(msg::kDiffNoWeights, diff.weights.note);
  } else {
    context.Say(msg::kDiffWeights, diff.weights.before_norm, diff.weights.after_norm, diff.weights.difference_norm);
    for (size_t i = 0; i < std::min<size_t>(3, diff.weights.largest.size()); ++i) {
      if (diff.weights.largest[i].second > 0)
        context.Say(msg::kDiffMost, diff.weights.largest[i].first, diff.weights.largest[i].second);
    }
  }
  PrintAnswerDiff(context, diff.answers, 10);
}

Result<int> RunDiff(const CommandContext& context, const VersionOptions& options) {
  HEW_ASSIGN(const Workspace workspace, Workspace::Require());
  HEW_ASSIGN(const Version before, workspace.Open(options.first));
  HEW_ASSIGN(const Version after, workspace.Open(options.second));
  HEW_ASSIGN(const VersionDiff diff, DiffVersions(workspace, before, after));
  if (context.common.json) {
    Json json = ToJson(diff);
    json["before"] = before.Label();
    json["after"] = after.Label();
    context.PrintJson(json);
  } else {
    PrintDiff(context, diff);
  }
  return kExitDone;
}

// An alias that looks like a version or a path could never be asked for.
Status CheckAlias(const std::string& alias) {
  const bool plain =
      !alias.empty() && alias.find_first_of("/=\\ \t\n") == alias.npos && alias[0] != '-' && !alias.ends_with(".gguf");
  if (!plain || VersionNumber(alias)) return BadInput("ALIAS: expected a word such as stable, found '{}'", alias);
  return {};
}

Result<int> RunPromote(const CommandContext& context, const VersionOptions& options) {
  HEW_RETURN_IF_ERROR(CheckAlias(options.second));
  HEW_ASSIGN(Workspace workspace, Workspace::Require());
  HEW_ASSIGN(const Version version, workspace.Open(options.first));
  HEW_ASSIGN(const auto aliases, workspace.registry().Aliases());
  const auto before = aliases.find(options.second);
  HEW_RETURN_IF_ERROR(workspace.registry().Promote(options.second, version.id));
  const Json was = before == aliases.end() ? Json() : Json(fmt::format("v{}", before->second));
  if (context.common.json) {
    context.PrintJson({{"alias", options.second}, {"version", version.Label()}, {"before", was}});
  } else {
    context.Say(msg::kPromoted, options.second, version.id,
                was.is_null() ? context.In(msg::kNothing) : was.get<std::string>());
  }
  return kExitDone;
}

Result<int> RunRollback(const CommandContext& context, const VersionOptions& options) {
  HEW_ASSIGN(Workspace workspace, Workspace::Require());
  HEW_ASSIGN(const int64_t version, workspace.registry().Rollback(options.first));
  if (context.common.json) {
    context.PrintJson({{"alias", options.first}, {"version", fmt::format("v{}", version)}});
  } else {
    context.Say(msg::kRolledBack, options.first, version);
  }
  return kExitDone;
}

}  // namespace

void AddWorkspaceCommands(CLI::App& app, CommandContext& context) {
  using Run = Result<int> (*)(const CommandContext&, const VersionOptions&);
  const auto add = [&](const char* name, const char* help, const char* example, Run run) {
    auto* command = app.add_subcommand(name, help);
    auto options = std::make_shared<VersionOptions>();
    command->footer(std::string("Example:\n  ") + example);
    command->callback(
        [&context, options, run] { context.run = [&context, options, run] { return run(context, *options); }; });
    return std::pair(command, options);
  };
  auto [init, init_options] = add("init", "make a workspace: .hew/ in this folder, found from every folder below",
                                  "hew init --base model.gguf", RunInit);
  init->add_option("FOLDER", init_options->folder, "where")->capture_default_str();
  init->add_option("--base", init_options->base, "the model that versions are tuned from; v0 from now on");

  auto [list, list_options] = add("list", "the versions, newest first, with what they pass", "hew list", RunList);
  list->add_flag("--all", list_options->all, "not only the latest 50");

  auto [show, show_options] = add("show", "all that is known of a version", "hew show v2", RunShow);
  show->add_option("VERSION", show_options->first, "v2, an alias or a name")->required();

  auto [diff, diff_options] =
      add("diff", "what changed between two versions: rows, recipe, weights, answers", "hew diff v1 v2", RunDiff);
  diff->add_option("BEFORE", diff_options->first, "v1, an alias or a name")->required();
  diff->add_option("AFTER", diff_options->second, "v2, an alias or a name")->required();

  auto [promote, promote_options] =
      add("promote", "let an alias mean this version", "hew promote v2 stable", RunPromote);
  promote->add_option("VERSION", promote_options->first, "v2, an alias or a name")->required();
  promote
      ->add_option("ALIAS", promote_options->second, "a word such as stable, which every command takes for the version")
      ->required();

  auto [rollback, rollback_options] =
      add("rollback", "let an alias mean what it meant before the last promotion", "hew rollback stable", RunRollback);
  rollback->add_option("ALIAS", rollback_options->first, "the alias")->required();
}

}  // namespace hew
