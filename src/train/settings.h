// Every setting of a training run: fine-tuning (hew tune) or all weights (hew pretrain). One table describes them all: command-line flags, recipe keys, the checkpoint's
// identity and hew_run.json are read from and written by it, so they cannot differ.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace hew {

enum class RunKind : uint8_t { kTune, kPretrain };

// Defaults are meant for a newcomer's few hundred rows on a small model; PretrainDefaults has others.
struct TuneSettings {
  RunKind kind = RunKind::kTune;
  std::string base, out;                     // the model, and the folder for what is learned
  std::vector<std::string> data, eval_data;  // files
  std::vector<std::string> keep;             // files of rows that are not learned but kept: see train/keep.h
  std::string method = "sft";                // or "dpo", "orpo": see train/preference.h
  double beta = 0.1;                         // DPO's beta, ORPO's lambda
  std::string format = "auto";               // of data and eval_data: see DataFormatFromName
  std::string chat_template;                 // a Jinja file to use instead of the model's own; "" = the model's
  std::string init_adapter;                  // start from this adapter instead of a fresh one
  int64_t epochs = 3;
  int64_t steps = 0;         // > 0: this many optimiser steps instead of `epochs`
  int64_t batch_size = 8;    // examples per optimiser step, however they are packed
  int64_t batch_tokens = 0;  // > 0: examples per step up to so many tokens, instead of batch_size
  int64_t grad_accum = 1;    // batches per optimiser step
  int64_t max_length = 0;    // > 0: rows are cut to so many tokens; 0: the model's context, none cut
  bool shuffle = true;
  bool share_prefix = true;  // rows of a step share the work for tokens they all begin with
  int64_t rank = 16;
  double alpha = 0;  // 0: 2 * rank
  double dropout = 0;
  std::string layers = "all";                  // or "last:8", or "20-29": see LayersFromText
  std::vector<std::string> targets = {"all"};  // q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj
  bool rslora = false, dora = false;
  double lr = 5e-4;
  std::string schedule = "linear";
  double warmup = 0.03;  // below 1: share of all steps; else steps
  double weight_decay = 0;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double clip = 1.0;               // largest gradient norm; 0: no clipping
  int64_t eval_every = 0;          // steps; 0: after each epoch
  int64_t patience = 0;            // evaluations without a better loss before stopping; 0: never
  std::string save_every = "60s";  // "60s", "5min" or "100steps"
  int64_t snapshots = 0;           // states kept on the way to look at later; 0: none
  std::string memory;              // "2GB": bound on the whole process; "": no bound
  int64_t micro_tokens = 0;        // rows worked on at once; 0: chosen from `memory`
  std::vector<std::string> without;  // what makes training fast and is to be left out: see kTechniqueNames
  int64_t seed = 0;

  // Of pretraining alone.
  std::string preset;         // sizes by name: see ModelShapes; "": 10m
  std::string arch = "llama";
  int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0;  // 0: the preset's
  int64_t num_hidden_layers = 0, num_attention_heads = 0, num_key_value_heads = 0;
  std::string tokenizer;                  // a tokenizer.json, or a folder with one; "": learned from the data
  std::string documents = "blank-lines";  // what is one document of a plain text file
  bool separate_documents = false;        // no token sees another document
  std::string optimizer = "adamw";
  int64_t sample_every = 0;         // steps; 0: never
  std::vector<std::string> sample;  // prompts
  std::string type = "f32";         // of the weights that are written

  double lora_alpha() const { return alpha > 0 ? alpha : 2.0 * static_cast<double>(rank); }
};

using SettingField = std::variant<int64_t TuneSettings::*, double TuneSettings::*, bool TuneSettings::*,
                                  std::string TuneSettings::*, std::vector<std::string> TuneSettings::*>;

struct SettingSpec {
  std::string_view name;  // as in a recipe; a flag spells '_' as '-'
  SettingField field;
  double least = 0, most = 0;     // numbers; both ends allowed unless `above`
  bool above = false;             // `least` itself is not allowed
  bool identity = true;           // a resumed run must have the same value
  std::string_view choices = "";  // words separated by '|', if only those are allowed
  std::string_view help = "";
  std::optional<RunKind> only = std::nullopt;  // a setting of this kind of run alone
};

TuneSettings PretrainDefaults();

// A rate that teaches new answers tears apart a model that only learns to rank them: where nobody says another.
inline constexpr double kPreferenceLr = 5e-5;

std::span<const SettingSpec> SettingSpecs(RunKind kind);
const SettingSpec* FindSetting(RunKind kind, std::string_view name);  // by recipe name; null if there is none
std::string FlagOf(const SettingSpec& spec);            // "--batch-size"

// Sets one value from text (a flag). Booleans take true and false; lists may be set again and again with `append`.
// Errors: "lr: expected a number above 0 and at most 10, found 'nan'".
Status SetFromText(const SettingSpec& spec, std::string_view text, bool append, TuneSettings* settings);

// Sets every key of a recipe (TOML): "recipe.toml: line 3: unknown setting 'learning_rat', did you mean 'lr'?".
// Paths are taken as they stand, relative to where the program runs.
Status ReadRecipe(const std::string& path, TuneSettings* settings);
Status ParseRecipe(std::string_view toml, const std::string& name, TuneSettings* settings);
std::string WriteRecipe(const TuneSettings& settings);

// Checks every field's range and the fields against each other.
Status CheckSettings(const TuneSettings& settings);

nlohmann::ordered_json SettingsToJson(const TuneSettings& settings);

// "700MB", "2GB", "1.5GiB" or plain bytes; errors name `field`.
Result<int64_t> ParseBytes(std::string_view field, std::string_view text);

// "all", "last:8" or "20-29" of `count` layers: the first and the one past the last. Errors name the setting.
Result<std::pair<int64_t, int64_t>> LayersFromText(std::string_view text, int64_t count);

// What `without` may name, each exact: `hew tune --without packing` is slower and learns the same.
inline constexpr std::string_view kTechniqueNames[] = {"packing",      "prefix-sharing",     "learned-rows", "chunked-loss",
                                                       "stored-activations", "lowest-layer", "frozen-layers"};
bool IsWithout(const TuneSettings& settings, std::string_view technique);

struct SaveEvery {
  double seconds = 0;  // > 0: by time
  int64_t steps = 0;   // > 0: by steps
};
Result<SaveEvery> ParseSaveEvery(std::string_view text);

// The name in `names` nearest to `word`, or "" if none is near: for "did you mean".
std::string_view NearestName(std::string_view word, std::span<const std::string_view> names);

}  // namespace hew
