// What every command shares. A command is one function `void AddXCommand(CLI::App& app, CommandContext& context)` in a
// file of its own: it declares a subcommand with its options in a shared struct, and in its callback sets
// `context.run`, which does the work after parsing is over and returns the exit status.
#pragma once

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/runtime.h"
#include "model/model.h"
#include "cli/cli.h"
#include "cli/messages.h"
#include "text/chat_template.h"

namespace hew {

inline constexpr int kExitDone = 0, kExitFailed = 1, kExitBadInput = 2, kExitEnvironment = 3, kExitInconclusive = 4,
                     kExitCancelled = 130;

struct CommonOptions {
  bool json = false;
  int threads = 0;  // 0: all processors
  uint64_t seed = 0;
  std::string isa;  // "": the best this machine has
  std::string precision = "default";
  std::string lang;                   // "en", "ko"; "": as LC_ALL, LC_MESSAGES or LANG say
  std::vector<std::string> adapters;  // for commands that call AddAdapterOption
};

class CommandContext {
 public:
  CommonOptions common;
  std::function<Result<int>()> run;
  std::optional<int64_t> version;  // that the command recorded, if it did

  // The runtime the options ask for; its threads live as long as the context.
  Result<Runtime> MakeRuntime();
  // The same, where something is learned: not with int8 activations, through which no gradients go.
  Result<Runtime> MakeTrainingRuntime();
  // Where pulled models lie: $HEW_HOME/models or ~/.cache/hew/models.
  Result<std::string> ModelsFolder() const;
  // Where packed copies of models lie: $HEW_HOME/packed or ~/.cache/hew/packed, at most 4 GB of them or HEW_PACKED_GB (0: none).
  // For commands that end soon; what works for minutes has memory of its own.
  PackedCache Packed() const;
  // At a command's end, after its output: leaves a copy for the next start. A cache that cannot be written is no error.
  void KeepPackedCopy(const Model& model) const;
  // What a user calls MODEL as a path: one that exists is taken as it is, the name of something pulled becomes its path,
  // anything else is left to whoever opens it.
  Result<std::string> FindModel(const std::string& model) const;
  // Prints one JSON object on standard output; bytes that are not UTF-8 become U+FFFD.
  void PrintJson(const nlohmann::ordered_json& object) const;
  // One message of cli/messages.h in the reader's language, filled in, on standard output.
  template <typename... Args>
  void Say(const Message& message, const Args&... args) const {
    fmt::print(fmt::runtime(In(message)), args...);
  }
  template <typename... Args>
  std::string Text(const Message& message, const Args&... args) const {
    return fmt::format(fmt::runtime(In(message)), args...);
  }
  const char* In(const Message& message) const;  // not filled in
  // The local time, or HEW_NOW (YYYY-MM-DDTHH:MM:SS), which only the command line reads.
  Result<JinjaClock> Now() const;

 private:
  std::unique_ptr<ThreadPool> pool_;
};

// Set by the first Ctrl-C; long work looks at it and ends cleanly. A second Ctrl-C ends the program.
const std::atomic<bool>& Cancelled();

// --text T | --file F ("-" is standard input), read as bytes.
struct TextOptions {
  std::string text, file, ids;
};
void AddTextOptions(CLI::App* command, std::shared_ptr<TextOptions> options, bool with_ids);
Result<std::string> ReadTextOption(const TextOptions& options);
Result<std::vector<int32_t>> ParseIds(const std::string& ids);  // "1 2 3", commas allowed

struct LikelyToken;
void PrintNext(const std::vector<LikelyToken>& next);  // as bars

struct ModelDiff;
// How far each matrix moved, layer by layer.
void PrintWeightHeat(const CommandContext& context, const ModelDiff& diff);

struct AnswerDiff;
// Broken cases first, then fixed, then changed; `shown` of each at most.
void PrintAnswerDiff(const CommandContext& context, const AnswerDiff& answers, size_t shown);

void AddAdapterOption(CLI::App* command, CommandContext& context);  // --adapter A[=SCALE], repeated

void AddPullCommand(CLI::App& app, CommandContext& context);
void AddInspectCommand(CLI::App& app, CommandContext& context);
void AddTextCommands(CLI::App& app, CommandContext& context);      // tokenize, render
void AddProbeCommands(CLI::App& app, CommandContext& context);     // next, score
void AddGenerateCommands(CLI::App& app, CommandContext& context);  // chat, generate
void AddTuneCommand(CLI::App& app, CommandContext& context);
void AddPretrainCommand(CLI::App& app, CommandContext& context);
void AddExportCommands(CLI::App& app, CommandContext& context);  // merge, convert
void AddTestCommand(CLI::App& app, CommandContext& context);
void AddBenchCommand(CLI::App& app, CommandContext& context);
void AddTrainTokenizerCommand(CLI::App& app, CommandContext& context);
void AddPlanCommand(CLI::App& app, CommandContext& context);
void AddWorkspaceCommands(CLI::App& app, CommandContext& context);  // init, list, show, diff, promote, rollback
void AddFlagCommand(CLI::App& app, CommandContext& context);
void AddFixCommands(CLI::App& app, CommandContext& context);        // fix, gate, bisect
void AddWhyCommand(CLI::App& app, CommandContext& context);
void AddLensCommand(CLI::App& app, CommandContext& context);
void AddWhyWordCommand(CLI::App& app, CommandContext& context);
void AddWatchCommand(CLI::App& app, CommandContext& context);
void AddDiffModelCommand(CLI::App& app, CommandContext& context);
void AddTourCommand(CLI::App& app, CommandContext& context);
void AddMaintenanceCommands(CLI::App& app, CommandContext& context);  // verify, gc, rebuild
void AddServeCommand(CLI::App& app, CommandContext& context, const ServeFunction& serve);

}  // namespace hew
