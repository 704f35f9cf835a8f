// Recipes and sweeps of training runs (TOML), and a model's config.json.
#include "train/settings.h"

#include "base/file.h"
#include "model/config.h"
#include "mutate.h"
#include "target.h"
#include "train/sweep.h"

namespace hew::fuzz {
namespace {

constexpr const char* kWords[] = {"lr",
                                  "rank",
                                  "batch_size",
                                  "steps",
                                  "targets",
                                  "seed",
                                  "schedule",
                                  "warmup",
                                  "layers",
                                  "save_every",
                                  "memory",
                                  "without",
                                  " = ",
                                  "[",
                                  "]",
                                  "\n",
                                  "nan",
                                  "inf",
                                  "-1",
                                  "0",
                                  "1e309",
                                  "\"all\"",
                                  "true",
                                  "9223372036854775807",
                                  "#",
                                  "hidden_size",
                                  "num_attention_heads",
                                  "num_key_value_heads",
                                  "head_dim",
                                  "rope_scaling",
                                  "rope_theta",
                                  "llama3",
                                  "yarn",
                                  "longrope",
                                  "factor",
                                  "layer_types",
                                  "sliding_window",
                                  "model_type",
                                  "gemma3_text",
                                  "mixtral",
                                  "num_experts",
                                  "vocab_size",
                                  "max_position_embeddings",
                                  "partial_rotary_factor",
                                  "short_factor",
                                  "hidden_act",
                                  "architectures"};

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds = {WriteRecipe(TuneSettings()), WriteRecipe(PretrainDefaults()),
                                    "lr = [1e-4, 0.001]\nrank = [4, 8]\nrungs = 2\n",
                                    "data = [\"a.jsonl\"]\nlayers = \"last:8\"\n"};
  for (const char* family : {"gemma3", "llama3", "phi3_longrope", "mixtral", "qwen2_window", "gpt2", "llama_yarn"}) {
    seeds.push_back(ReadFile(std::string(HEW_SOURCE_DIR "/tests/golden/families/") + family + "/config.json").value());
  }
  return seeds;
}

void Run(std::string_view bytes) {
  if (bytes.starts_with('{')) return void(Holds(ConfigFromJson(bytes, "config.json")));
  TuneSettings settings;
  if (Holds(ParseRecipe(bytes, "recipe.toml", &settings)) && Holds(CheckSettings(settings))) {
    (void)Holds(LayersFromText(settings.layers, 30));
    TuneSettings again;
    HEW_CHECK(Holds(ParseRecipe(WriteRecipe(settings), "again.toml", &again)));
    HEW_CHECK(SettingsToJson(again) == SettingsToJson(settings));
  }
  (void)Holds(ParseSweep(bytes, "sweep.toml", {}));
}

std::string Mutate(std::string_view bytes, Random& random) { return MutateJson(bytes, kWords, random); }

}  // namespace

const FuzzTarget settings_target = {"settings", Seeds, Run, Mutate};

}  // namespace hew::fuzz
