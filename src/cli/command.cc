#include "cli/command.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "studio/hub_source.h"

namespace hew {
namespace {

std::atomic<bool> cancelled{false};  // written by the signal handler, the one thing a handler can reach

extern "C" void OnInterrupt(int) {
  if (cancelled.exchange(true)) std::_Exit(kExitCancelled);
}

}  // namespace

const std::atomic<bool>& Cancelled() {
  static const bool installed = (std::signal(SIGINT, OnInterrupt), true);
  (void)installed;
  return cancelled;
}

Result<Runtime> CommandContext::MakeRuntime() {
  if (common.threads < 0 || common.threads > 1024)
    return BadInput("--threads: expected 1 to 1024, found {}", common.threads);
  Runtime rt;
  rt.isa = BestIsa();
  if (!common.isa.empty()) {
    const auto isa = IsaFromName(common.isa);
    if (!isa) return BadInput("--isa: expected scalar, avx2 or avx512, found '{}'", common.isa);
    if (!IsaAvailable(*isa)) return BadInput("--isa {}: this machine has {} at best", common.isa, NameOf(BestIsa()));
    rt.isa = *isa;
  }
  const auto precision = PrecisionFromName(common.precision);
  if (!precision) return BadInput("--precision: expected default, fp32 or int8, found '{}'", common.precision);
  rt.precision = *precision;
  pool_ = std::make_unique<ThreadPool>(common.threads > 0 ? common.threads : HardwareThreads());
  rt.pool = pool_.get();
  return rt;
}

Result<Runtime> CommandContext::MakeTrainingRuntime() {
  if (common.precision == NameOf(Precision::kInt8)) {
    return BadInput("--precision: expected default or fp32 where gradients are taken, found int8");
  }
  return MakeRuntime();
}

Result<std::string> CommandContext::ModelsFolder() const {
  if (const char* home = std::getenv("HEW_HOME"); home && *home) return std::string(home) + "/models";
  if (const char* home = std::getenv("HOME"); home && *home) return std::string(home) + "/.cache/hew/models";
  return EnvironmentError("HOME: expected a folder for models there or in HEW_HOME, found neither");
}

PackedCache CommandContext::Packed() const {
  double gigabytes = 4;
  if (const char* bound = std::getenv("HEW_PACKED_GB"); bound && *bound) gigabytes = std::strtod(bound, nullptr);
  const auto models = ModelsFolder();
  if (!models || !(gigabytes > 0)) return {};
  const std::string folder = std::filesystem::path(*models).parent_path().string() + "/packed";
  return {folder, static_cast<uint64_t>(std::min(gigabytes, 1e6) * 1e9)};
}

void CommandContext::KeepPackedCopy(const Model& model) const {
  constexpr int64_t kWorthwhile = 16 << 20;  // smaller ones are there at once anyway
  std::fflush(stdout);
  if (!Cancelled().load() && model.memory_bytes() >= kWorthwhile) (void)KeepPacked(Packed(), model);
}

Result<std::string> CommandContext::FindModel(const std::string& model) const {
  std::error_code ignored;
  if (std::filesystem::exists(model, ignored) || !LooksLikeSource(model)) return model;
  HEW_ASSIGN(const std::string folder, ModelsFolder());
  return FindPulled(folder, model);
}

void CommandContext::PrintJson(const nlohmann::ordered_json& object) const { std::puts(DumpJson(object).c_str()); }

const char* CommandContext::In(const Message& message) const {
  std::string lang = common.lang;
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* value = std::getenv(name);
    if (lang.empty() && value) lang = value;
  }
  return lang.starts_with("ko") ? message.ko : message.en;
}

Result<JinjaClock> CommandContext::Now() const {
  const char* fixed = std::getenv("HEW_NOW");
  if (!fixed) return LocalClock();
  auto clock = ParseClock(fixed);
  if (!clock) return Annotate("HEW_NOW", std::move(clock).error());
  return clock;
}

void AddTextOptions(CLI::App* command, std::shared_ptr<TextOptions> options, bool with_ids) {
  auto* text = command->add_option("--text", options->text, "the text");
  auto* file =
      command->add_option("--file", options->file, "a file with the text, taken as bytes; - is standard input");
  text->excludes(file);
  if (with_ids) {
    command->add_option("--ids", options->ids, "token ids, \"1 2 3\", exactly as given")
        ->excludes(text)
        ->excludes(file);
  }
}

Result<std::string> ReadTextOption(const TextOptions& options) {
  if (options.file.empty()) return options.text;
  return ReadFile(options.file, uint64_t{1} << 30);
}

Result<std::vector<int32_t>> ParseIds(const std::string& ids) {
  std::vector<int32_t> out;
  const char* at = ids.data();
  const char* end = at + ids.size();
  while (at < end) {
    if (*at == ' ' || *at == ',' || *at == '\n' || *at == '\t' || *at == '[' || *at == ']') {
      ++at;
      continue;
    }
    int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || id < 0)
      return BadInput("--ids: expected token ids like \"1 2 3\", found '{}'", std::string(at, end));
    out.push_back(id);
    at = next;
  }
  return out;
}

void AddAdapterOption(CLI::App* command, CommandContext& context) {
  command->add_option("--adapter", context.common.adapters,
                      "a PEFT folder or GGUF LoRA file, with a scale as A=0.5; may be repeated");
}

}  // namespace hew
