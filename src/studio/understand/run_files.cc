#include "studio/understand/run_files.h"

#include <filesystem>
#include <map>

#include "base/file.h"
#include "train/run.h"
#include "train/settings.h"

namespace hew {
namespace {

constexpr const char* kSamplesFile = "samples.jsonl";  // see studio/pretrain.cc
constexpr uint64_t kMostBytes = uint64_t{1} << 30;

// Each whole line of a JSONL file that exists.
template <typename Take>
Status ForLines(const std::string& path, const Take& take) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return {};
  HEW_ASSIGN(const std::string text, ReadFile(path, kMostBytes));
  int64_t number = 0;
  for (size_t at = 0, end = 0; (end = text.find('\n', at)) != text.npos; at = end + 1) {
    HEW_ASSIGN(const Json line,
               ParseJson(std::string_view(text).substr(at, end - at), fmt::format("{}:{}", path, ++number)));
    if (line.is_object()) take(line);
  }
  return {};
}

template <typename T>
T Get(const Json& line, const char* key, T otherwise) {
  const auto at = line.find(key);
  if (at == line.end()) return otherwise;
  if constexpr (std::is_same_v<T, std::string>) {
    return at->is_string() ? at->template get<std::string>() : otherwise;
  } else {
    return at->is_number() ? at->template get<T>() : otherwise;
  }
}

}  // namespace

Result<RunFiles> ReadRunFiles(const std::string& folder) {
  std::error_code error;
  if (!std::filesystem::exists(folder + "/" + kMetricsFile, error))
    return BadInput("{}: {}: expected a run of hew tune or hew pretrain, found none", folder, kMetricsFile);
  RunFiles run;
  // The recipe is there from the first step on, and holds all numbers: this one is pretraining's alone.
  HEW_ASSIGN(const std::string recipe, ReadFile(folder + "/" + kRecipeFile, 1 << 20));
  run.pretrained = recipe.find("\nvocab_size = ") != recipe.npos;
  TuneSettings settings = run.pretrained ? PretrainDefaults() : TuneSettings();
  HEW_RETURN_IF_ERROR(ParseRecipe(recipe, folder + "/" + kRecipeFile, &settings));
  run.base = settings.base;
  run.sampled_prompts = settings.sample;

  std::map<int64_t, double> losses, eval_losses;  // a resumed run may have told a step twice: the later counts
  HEW_RETURN_IF_ERROR(ForLines(folder + "/" + kMetricsFile, [&](const Json& line) {
    const auto step = Get<int64_t>(line, "step", -1);
    if (step < 0) return;
    if (line.contains("loss")) losses[step] = Get<double>(line, "loss", 0);
    if (line.contains("eval_loss")) eval_losses[step] = Get<double>(line, "eval_loss", 0);
  }));
  for (const auto& [step, loss] : losses) run.losses.push_back({step, loss});
  for (const auto& [step, loss] : eval_losses) run.eval_losses.push_back({step, loss});
  std::map<std::pair<int64_t, std::string>, std::string> samples;
  HEW_RETURN_IF_ERROR(ForLines(folder + "/" + kSamplesFile, [&](const Json& line) {
    samples[{Get<int64_t>(line, "step", 0), Get<std::string>(line, "prompt", "")}] = Get<std::string>(line, "text", "");
  }));
  for (const auto& [key, text] : samples) run.samples.push_back({key.first, key.second, text});
  return run;
}

}  // namespace hew
