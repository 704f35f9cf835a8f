#include "cli/cli.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <system_error>

#include "base/memory.h"
#include "base/progress.h"
#include "base/version.h"
#include "cli/command.h"

namespace hew {
namespace {

int StatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kBadInput:
      return kExitBadInput;
    case ErrorCode::kEnvironment:
      return kExitEnvironment;
    case ErrorCode::kCancelled:
      return kExitCancelled;
  }
  return kExitEnvironment;
}

// Options that every command takes, before or after its name.
void AddCommonOptions(CLI::App& app, CommonOptions& common) {
  app.add_flag("--json", common.json, "one JSON object on standard output");
  app.add_option("--threads", common.threads, "threads; all processors by default");
  app.add_option("--seed", common.seed, "seed of everything random")->capture_default_str();
  app.add_option("--isa", common.isa, "scalar, avx2 or avx512; the best by default");
  app.add_option("--precision", common.precision, "default; fp32: weights dequantised, everything in fp32; int8: faster, less exact, not for training")
      ->capture_default_str();
  app.add_option("--lang", common.lang, "en or ko: the language of what a person reads; LANG by default")
      ->check(CLI::IsMember({"en", "ko"}));
  app.set_version_flag("--version", kHewVersion);
}

// What is freed first when memory has run out, so that there is some to say so.
std::unique_ptr<char[]>& Reserve() {
  static auto reserve = std::make_unique_for_overwrite<char[]>(1 << 20);
  return reserve;
}

int OutOfMemory() {
  Reserve().reset();
  std::fprintf(stderr, "hew: out of memory: %s in use at most, %s left; take a smaller model or one of fewer bits, or end other programs\n",
               HumanBytes(PeakRssBytes()).c_str(), HumanBytes(AvailableMemoryBytes()).c_str());
  return kExitEnvironment;
}

// Where memory runs out on a thread other than the first, nothing can be unwound.
[[noreturn]] void Terminate() {
  try {
    if (const auto exception = std::current_exception()) std::rethrow_exception(exception);
  } catch (const std::bad_alloc&) {
    std::_Exit(OutOfMemory());
  } catch (...) {
  }
  std::abort();
}

Result<int> Run(const CommandContext& context) {
  try {
    return context.run();
  } catch (const std::system_error& error) {  // no thread to be had
    return EnvironmentError("{}", error.what());
  }
}

}  // namespace

int RunCli(int argc, char** argv, const ServeFunction& serve) {
  Reserve();
  std::set_terminate(Terminate);
  CommandContext context;
  CLI::App app{"Hew carves language models: take an open one, teach it, test it, merge it, on this machine.", "hew"};
  app.require_subcommand(1);
  app.fallthrough();
  AddCommonOptions(app, context.common);
  AddPullCommand(app, context);
  AddInspectCommand(app, context);
  AddTextCommands(app, context);
  AddProbeCommands(app, context);
  AddGenerateCommands(app, context);
  AddTuneCommand(app, context);
  AddPretrainCommand(app, context);
  AddTestCommand(app, context);
  AddExportCommands(app, context);
  AddBenchCommand(app, context);
  AddTrainTokenizerCommand(app, context);
  AddPlanCommand(app, context);
  AddWorkspaceCommands(app, context);
  AddFlagCommand(app, context);
  AddFixCommands(app, context);
  AddWhyCommand(app, context);
  AddMaintenanceCommands(app, context);
  AddServeCommand(app, context, serve);
  AddLensCommand(app, context);
  AddWhyWordCommand(app, context);
  AddWatchCommand(app, context);
  AddDiffModelCommand(app, context);
  AddTourCommand(app, context);
  app.footer("Example:\n  hew chat models/smollm2-135m-instruct-q4_1.gguf -m \"What is the capital of France?\"");

  const auto named = [&](CLI::App* command) { return command->check_name(argv[1]); };
  if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(named).empty()) {
    std::fprintf(stderr, "hew: '%s' is no command (see hew --help)\n", argv[1]);
    return kExitBadInput;
  }
  try {  // the one place where a library's exception is met
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "hew: %s (see hew --help)\n", error.what());
    return kExitBadInput;
  }
  Result<int> status;
  try {
    status = Run(context);
  } catch (const std::bad_alloc&) {
    return OutOfMemory();
  }
  std::fflush(stdout);
  if (status) return *status;
  std::fprintf(stderr, "hew: %s\n", status.error().message.c_str());
  return StatusOf(status.error().code);
}

}  // namespace hew
