// hew pull: a model from the Hugging Face hub, from a URL, or by a name of the catalogue.
#include <cstdlib>

#include "base/progress.h"
#include "cli/command.h"
#include "studio/hub_url.h"
#include "studio/pull.h"

namespace hew {
namespace {

struct PullOptions {
  PullSettings settings;
  bool list = false;
};

std::string Variable(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

void PrintCatalogue(const std::string& models_folder) {
  for (const auto& entry : Catalogue()) {
    const std::string name(entry.name);
    fmt::print("{:<28} {} {}; {} ({})\n", name, FindPulled(models_folder, name) ? "here " : "     ", entry.repository,
               entry.about, entry.licence);
  }
}

Result<int> RunPull(CommandContext& context, const PullOptions& options) {
  PullSettings settings = options.settings;
  HEW_ASSIGN(settings.models_folder, context.ModelsFolder());
  if (options.list) {
    PrintCatalogue(settings.models_folder);
    return kExitDone;
  }
  if (settings.source.empty())
    return BadInput("pull: expected NAME, hf:ORG/REPO[@REV] or a URL (--list shows the names)");
  settings.endpoint = Variable("HF_ENDPOINT", settings.endpoint);
  settings.token = Variable("HF_TOKEN", "");
  if (settings.token.find_first_of("\r\n") != std::string::npos)
    return BadInput("HF_TOKEN: expected one line, found more");
  if (auto origin = ParseHttpTarget("", settings.endpoint); !origin)
    return Annotate("HF_ENDPOINT", std::move(origin).error());
  settings.http.cancel = &Cancelled();
  settings.say = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
  HEW_ASSIGN(const PullReport report, Pull(settings));
  if (context.common.json) {
    nlohmann::ordered_json files = nlohmann::ordered_json::array();
    for (const auto& f : report.files) files.push_back({{"name", f.name}, {"sha256", f.sha256}, {"bytes", f.bytes}});
    context.PrintJson({{"path", report.path},
                       {"sha256", report.sha256},
                       {"bytes", report.bytes},
                       {"commit", report.commit},
                       {"files", files}});
    return kExitDone;
  }
  fmt::print("{}\n{} in {} file{}, sha256 {}\n", report.path, HumanBytes(report.bytes), report.files.size(),
             report.files.size() == 1 ? "" : "s", report.sha256);
  return kExitDone;
}

}  // namespace

void AddPullCommand(CLI::App& app, CommandContext& context) {
  auto* pull = app.add_subcommand("pull", "fetch a model, checked, and go on where an earlier try stopped");
  auto options = std::make_shared<PullOptions>();
  PullSettings& s = options->settings;
  pull->add_option("SOURCE", s.source, "a name of the catalogue, hf:ORG/REPO[@REVISION], or a URL");
  pull->add_option("--file", s.file,
                   "which .gguf file of a repository that has many: its name, or a part of it such as Q4_K_M");
  pull->add_option("--sha256", s.sha256, "the digest that the one file must have");
  pull->add_flag("--list", options->list, "the names of the catalogue, and which are here");
  pull->add_option("--retries", s.http.retries, "further tries, in a row, after an error that may pass")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000));
  pull->add_option("--retry-wait", s.http.retry_wait_s, "seconds before the first of them, doubled each time")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 3600.0));
  pull->add_option("--timeout", s.http.timeout_s, "seconds to wait for a server that says nothing")
      ->capture_default_str()
      ->check(CLI::Range(1, 3600));
  pull->footer(
      "Models lie in $HEW_HOME/models, or ~/.cache/hew/models. HF_ENDPOINT and HF_TOKEN are honoured.\n"
      "What was pulled is a MODEL by the same name afterwards.\n"
      "Example:\n  hew pull smollm2-135m-instruct\n  hew chat smollm2-135m-instruct\n"
      "  hew pull hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF --file Q4_K_M");
  pull->callback([&context, options] { context.run = [&context, options] { return RunPull(context, *options); }; });
}

}  // namespace hew
