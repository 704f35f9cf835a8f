// hew verify, gc, rebuild: whether all is whole, letting go, and making a version again.
#include "base/progress.h"
#include "cli/command.h"
#include "studio/registry/maintenance.h"

namespace hew {
namespace {

Result<int> RunVerify(const CommandContext& context) {
  HEW_ASSIGN(const Workspace workspace, Workspace::Require());
  Progress progress("verify", 0, context.common.json);
  HEW_ASSIGN(const VerifyReport report, Verify(workspace, [&](int64_t done, int64_t) { progress.Update(done); }));
  if (context.common.json) {
    context.PrintJson({{"versions", report.versions},
                       {"objects", report.objects},
                       {"bytes", report.bytes},
                       {"faults", report.faults}});
  } else if (report.faults.empty()) {
    context.Say(msg::kVerified, report.versions, report.objects, HumanBytes(report.bytes));
  } else {
    context.Say(msg::kFaults, report.faults.size());
    for (const auto& fault : report.faults) fmt::print("  {}\n", fault);
  }
  return report.faults.empty() ? kExitDone : kExitFailed;
}

Result<int> RunGc(const CommandContext& context, bool only_say) {
  HEW_ASSIGN(const Workspace workspace, Workspace::Require());
  HEW_ASSIGN(const GcReport report, CollectGarbage(workspace, only_say));
  if (context.common.json) {
    context.PrintJson({{"files", report.removed}, {"bytes", report.bytes}, {"removed", !only_say}});
  } else {
    context.Say(only_say ? msg::kWouldCollect : msg::kCollected, report.removed, HumanBytes(report.bytes));
  }
  return kExitDone;
}

Result<int> RunRebuild(CommandContext& context, const std::string& name) {
  HEW_ASSIGN(const Workspace workspace, Workspace::Require());
  HEW_ASSIGN(const Version version, workspace.Open(name));
  // On the instruction set that made it, unless told otherwise.
  if (context.common.isa.empty() && IsaFromName(version.isa) && IsaAvailable(*IsaFromName(version.isa)))
    context.common.isa = version.isa;
  if (!version.precision.empty() && context.common.precision == "default") context.common.precision = version.precision;
  HEW_ASSIGN(const Runtime rt, context.MakeRuntime());
  HEW_ASSIGN(const RebuildReport report, Rebuild(workspace, rt, version, context.common.json, &Cancelled()));
  if (context.common.json) {
    context.PrintJson({{"version", version.Label()},
                       {"same", report.same},
                       {"file", report.file},
                       {"expected", report.expected},
                       {"found", report.found},
                       {"changed", report.changed}});
    return report.same ? kExitDone : kExitFailed;
  }
  if (report.same) {
    context.Say(msg::kRebuiltSame, version.id, report.found);
  } else if (report.found.empty()) {
    context.Say(msg::kRebuildInputs, version.id);
  } else {
    context.Say(msg::kRebuiltOther, version.id, report.expected, report.found);
  }
  if (!report.same) {
    for (const auto& change : report.changed) context.Say(msg::kInputChanged, change);
  }
  return report.same ? kExitDone : kExitFailed;
}

}  // namespace

void AddMaintenanceCommands(CLI::App& app, CommandContext& context) {
  auto* verify = app.add_subcommand("verify", "read the whole workspace and check every digest");
  verify->footer("Example:\n  hew verify");
  verify->callback([&context] { context.run = [&context] { return RunVerify(context); }; });

  auto* gc = app.add_subcommand("gc", "remove what no version needs");
  auto only_say = std::make_shared<bool>(false);
  gc->add_flag("--dry-run", *only_say, "remove nothing, say what would go");
  gc->footer("Example:\n  hew gc --dry-run");
  gc->callback([&context, only_say] { context.run = [&context, only_say] { return RunGc(context, *only_say); }; });

  auto* rebuild =
      app.add_subcommand("rebuild", "make a version again from its recipe: the same bits, or the input that changed");
  auto name = std::make_shared<std::string>();
  rebuild->add_option("VERSION", *name, "v2, an alias or a name")->required();
  rebuild->footer("Example:\n  hew rebuild v2");
  rebuild->callback([&context, name] { context.run = [&context, name] { return RunRebuild(context, *name); }; });
}

}  // namespace hew
