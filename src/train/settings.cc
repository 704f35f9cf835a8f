#include "train/settings.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/ranges.h>

#include "base/shown.h"

namespace hew {
namespace {

constexpr double kMany = 1e12;
using S = TuneSettings;
constexpr RunKind kTune = RunKind::kTune, kPretrain = RunKind::kPretrain;

const SettingSpec kSpecs[] = {
    {"base", &S::base, 0, 0, false, false, "", "the model to teach: a .gguf file or a Hugging Face folder"},
    {"data", &S::data, 0, 0, false, false, "", "training files (JSONL, JSON, .gz, plain text)"},
    {"out", &S::out, 0, 0, false, false, "", "folder for what is learned"},
    {"eval_data", &S::eval_data, 0, 0, false, false, "", "files that are never learned, only measured"},
    {"keep", &S::keep, 0, 0, false, false, "", "files of rows that shall stay as likely as they are", kTune},
    {"method", &S::method, 0, 0, false, true, "sft|dpo|orpo", "imitate rows, or learn which of two answers is preferred",
     kTune},
    {"beta", &S::beta, 0, 1e3, true, true, "", "DPO: how dear it is to leave the reference; ORPO: weight of the preference",
     kTune},
    {"format", &S::format, 0, 0, false, false, "auto|chat|prompt|alpaca|sharegpt|text|preference", "what the rows look like", kTune},
    {"chat_template", &S::chat_template, 0, 0, false, false, "", "a Jinja file instead of the model's own template", kTune},
    {"init_adapter", &S::init_adapter, 0, 0, false, true, "", "go on from this adapter instead of a fresh one", kTune},
    {"epochs", &S::epochs, 1, 1e6, false, true, "", "times through the data"},
    {"steps", &S::steps, 0, 1e9, false, true, "", "optimiser steps, instead of epochs"},
    {"batch_size", &S::batch_size, 1, 1e6, false, true, "", "examples per optimiser step", kTune},
    {"batch_tokens", &S::batch_tokens, 0, 1e9, false, true, "", "tokens per optimiser step, instead of batch_size"},
    {"grad_accum", &S::grad_accum, 1, 1e5, false, true, "", "batches per optimiser step"},
    {"max_length", &S::max_length, 0, 1e9, false, true, "", "cut rows to so many tokens (0: cut none)"},
    {"shuffle", &S::shuffle, 0, 0, false, true, "", "a new order of rows in each epoch"},
    {"share_prefix", &S::share_prefix, 0, 0, false, true, "", "work once on what the rows of a step begin with", kTune},
    {"rank", &S::rank, 1, 4096, false, true, "", "LoRA's rank", kTune},
    {"alpha", &S::alpha, 0, 1e6, false, true, "", "LoRA's alpha (0: twice the rank)", kTune},
    {"dropout", &S::dropout, 0, 0.9, false, true, "", "share of the adapter's inputs dropped while learning", kTune},
    {"targets", &S::targets, 0, 0, false, true, "", "linear layers to adapt: all, or names such as q_proj,v_proj", kTune},
    {"layers", &S::layers, 0, 0, false, true, "", "layers to adapt: all, last:8, or 20-29 (the first is 0)", kTune},
    {"rslora", &S::rslora, 0, 0, false, true, "", "scale by alpha / sqrt(rank)", kTune},
    {"dora", &S::dora, 0, 0, false, true, "", "learn magnitudes apart from directions", kTune},
    {"lr", &S::lr, 0, 10, true, true, "", "learning rate; for pairs 5e-05 unless it is said"},
    {"schedule", &S::schedule, 0, 0, false, true, "constant|linear|cosine", "how the learning rate falls"},
    {"warmup", &S::warmup, 0, 1e9, false, true, "", "steps of rising learning rate (below 1: share of all)"},
    {"weight_decay", &S::weight_decay, 0, 10, false, true, "", "AdamW's decoupled decay"},
    {"beta1", &S::beta1, 0, 0.999999, false, true, "", "AdamW's first decay rate"},
    {"beta2", &S::beta2, 0, 0.999999, false, true, "", "AdamW's second decay rate"},
    {"eps", &S::eps, 0, 1, true, true, "", "AdamW's epsilon"},
    {"clip", &S::clip, 0, kMany, false, true, "", "largest gradient norm (0: any)"},
    {"eval_every", &S::eval_every, 0, 1e9, false, true, "", "steps between evaluations (0: each epoch)"},
    {"patience", &S::patience, 0, 1e6, false, true, "", "evaluations without progress before stopping (0: never)"},
    {"save_every", &S::save_every, 0, 0, false, false, "", "checkpoint after 60s, 5min or 100steps"},
    {"snapshots", &S::snapshots, 0, 1000, false, false, "", "states kept on the way for hew watch, besides step 0 (0: none)"},
    {"memory", &S::memory, 0, 0, false, false, "", "bound on memory, such as 2GB"},
    {"micro_tokens", &S::micro_tokens, 0, 1e7, false, false, "", "tokens worked on at once (0: chosen)"},
    {"without", &S::without, 0, 0, false, true, "",
     "what makes training fast, left out to measure it: packing, prefix-sharing, learned-rows, chunked-loss, "
     "stored-activations, lowest-layer, frozen-layers",
     kTune},
    {"preset", &S::preset, 0, 0, false, true, "|1m|3m|10m|30m|60m|125m", "size of the model, in weights", kPretrain},
    {"arch", &S::arch, 0, 0, false, true, "llama|gpt2", "how the model is built", kPretrain},
    {"vocab_size", &S::vocab_size, 0, 1e6, false, true, "", "tokens to learn (0: the preset's)", kPretrain},
    {"hidden_size", &S::hidden_size, 0, 65536, false, true, "", "instead of the preset's (0)", kPretrain},
    {"intermediate_size", &S::intermediate_size, 0, 262144, false, true, "", "instead of the preset's (0)", kPretrain},
    {"num_hidden_layers", &S::num_hidden_layers, 0, 512, false, true, "", "instead of the preset's (0)", kPretrain},
    {"num_attention_heads", &S::num_attention_heads, 0, 1024, false, true, "", "instead of the preset's (0)", kPretrain},
    {"num_key_value_heads", &S::num_key_value_heads, 0, 1024, false, true, "", "instead of the preset's (0)", kPretrain},
    {"tokenizer", &S::tokenizer, 0, 0, false, false, "", "tokenizer.json to use instead of learning one", kPretrain},
    {"documents", &S::documents, 0, 0, false, true, "blank-lines|lines|file", "what ends a document in plain text",
     kPretrain},
    {"separate_documents", &S::separate_documents, 0, 0, false, true, "", "no token sees the document before",
     kPretrain},
    {"optimizer", &S::optimizer, 0, 0, false, true, "adamw|muon", "muon: for the matrices inside the blocks", kPretrain},
    {"sample_every", &S::sample_every, 0, 1e9, false, false, "", "steps between samples (0: none)", kPretrain},
    {"sample", &S::sample, 0, 0, false, false, "", "a prompt to continue while learning", kPretrain},
    {"type", &S::type, 0, 0, false, false, "f32|bf16|f16", "of the weights that are written", kPretrain},
    {"seed", &S::seed, 0, 9e15, false, true, "", "of everything random"},
};

std::string RangeText(const SettingSpec& spec, std::string_view kind) {
  const bool open = spec.most >= 1e9;
  return fmt::format("{} {} {:g}{}", kind, spec.above ? "above" : "of at least", spec.least,
                     open ? std::string() : fmt::format("{} at most {:g}", " and", spec.most));
}

bool InRange(const SettingSpec& spec, double value) {
  return std::isfinite(value) && value <= spec.most && (spec.above ? value > spec.least : value >= spec.least);
}

bool IsChoice(std::string_view choices, std::string_view word) {
  while (true) {
    const size_t bar = choices.find('|');
    if (choices.substr(0, bar) == word) return true;
    if (bar == choices.npos) return false;
    choices.remove_prefix(bar + 1);
  }
}

std::vector<std::string> SplitCommas(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == text.npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

// The whole of `text` as a number of type T.
template <typename T>
bool ParseNumber(std::string_view text, T* value) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

Status CheckField(const SettingSpec& spec, const TuneSettings& settings) {
  if (const auto* whole = std::get_if<int64_t S::*>(&spec.field)) {
    const int64_t value = settings.**whole;
    if (!InRange(spec, static_cast<double>(value))) {
      return BadInput("{}: expected {}, found {}", spec.name, RangeText(spec, "a whole number"), value);
    }
  } else if (const auto* number = std::get_if<double S::*>(&spec.field)) {
    const double value = settings.**number;
    if (!InRange(spec, value))
      return BadInput("{}: expected {}, found {}", spec.name, RangeText(spec, "a number"), value);
  } else if (const auto* text = std::get_if<std::string S::*>(&spec.field); text && !spec.choices.empty()) {
    if (!IsChoice(spec.choices, settings.**text)) {
      return BadInput("{}: expected one of {}, found '{}'", spec.name, spec.choices, Shown(settings.**text));
    }
  }
  return {};
}

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::span<const SettingSpec> SettingSpecs(RunKind kind) {
  const auto list = [](RunKind of) {
    std::vector<SettingSpec> specs;
    for (const auto& spec : kSpecs) {
      if (!spec.only || *spec.only == of) specs.push_back(spec);
    }
    return specs;
  };
  static const std::vector<SettingSpec> tune = list(kTune), pretrain = list(kPretrain);
  return kind == kTune ? tune : pretrain;
}

const SettingSpec* FindSetting(RunKind kind, std::string_view name) {
  for (const auto& spec : SettingSpecs(kind)) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

TuneSettings PretrainDefaults() {
  TuneSettings s;
  s.kind = kPretrain;
  s.epochs = 1;
  s.batch_tokens = 8192;
  s.max_length = 512;
  s.lr = 1e-3;
  s.schedule = "cosine";
  s.weight_decay = 0.1;
  s.beta2 = 0.95;
  s.save_every = "5min";
  return s;
}

std::string FlagOf(const SettingSpec& spec) {
  std::string flag = spec.field == SettingField(&S::chat_template) ? "--template" : "--" + std::string(spec.name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

Status SetFromText(const SettingSpec& spec, std::string_view text, bool append, TuneSettings* settings) {
  // Settings are kept as JSON, which has no other text.
  if (FindInvalidUtf8(text) != std::string_view::npos) {
    return BadInput("{}: expected UTF-8 text, found '{}'", spec.name, Shown(text));
  }
  if (const auto* whole = std::get_if<int64_t S::*>(&spec.field)) {
    if (!ParseNumber(text, &(settings->**whole))) {
      return BadInput("{}: expected {}, found '{}'", spec.name, RangeText(spec, "a whole number"), Shown(text));
    }
  } else if (const auto* number = std::get_if<double S::*>(&spec.field)) {
    if (!ParseNumber(text, &(settings->**number))) {
      return BadInput("{}: expected {}, found '{}'", spec.name, RangeText(spec, "a number"), Shown(text));
    }
  } else if (const auto* flag = std::get_if<bool S::*>(&spec.field)) {
    if (text != "true" && text != "false") return BadInput("{}: expected true or false, found '{}'", spec.name, text);
    settings->** flag = text == "true";
  } else if (const auto* list = std::get_if<std::vector<std::string> S::*>(&spec.field)) {
    auto& values = settings->**list;
    if (!append) values.clear();
    // Only names are separated by commas: a file's name may hold one.
    if (spec.name == "targets") {
      for (auto& part : SplitCommas(text)) values.push_back(std::move(part));
    } else {
      values.emplace_back(text);
    }
  } else {
    settings->*std::get<std::string S::*>(spec.field) = std::string(text);
  }
  return CheckField(spec, *settings);
}

namespace {

Status CheckPretrainSettings(const TuneSettings& s) {
  if (s.max_length < 2) return BadInput("max_length: expected at least 2, found {}", s.max_length);
  if (s.batch_tokens < s.max_length) {
    return BadInput("batch_tokens: expected at least max_length ({}), found {}", s.max_length, s.batch_tokens);
  }
  if (s.sample_every > 0 && s.sample.empty()) return BadInput("sample: expected a prompt to continue, found none");
  if (s.base.empty()) return {};
  for (const char* name : {"preset", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                           "num_attention_heads", "num_key_value_heads", "tokenizer"}) {
    if (SettingsToJson(s)[name] != SettingsToJson(PretrainDefaults())[name])
      return BadInput("{}: expected none beside base, which says it itself, found one", name);
  }
  return {};
}

}  // namespace

Status CheckSettings(const TuneSettings& s) {
  for (const auto& spec : SettingSpecs(s.kind)) HEW_RETURN_IF_ERROR(CheckField(spec, s));
  if (s.base.empty() && s.kind == kTune) return BadInput("base: expected a model, found nothing");
  if (s.data.empty()) return BadInput("data: expected at least one file, found none");
  if (s.out.empty()) return BadInput("out: expected a folder for what is learned, found nothing");
  if (s.kind == kPretrain) HEW_RETURN_IF_ERROR(CheckPretrainSettings(s));
  if (s.targets.empty()) return BadInput("targets: expected at least one linear layer, found none");
  if (!s.keep.empty() && s.method != "sft") return BadInput("keep: expected method sft beside it, found {}", s.method);
  if (s.patience > 0 && s.eval_data.empty()) {
    return BadInput("patience: expected eval_data to measure progress with, found none");
  }
  if (s.batch_tokens > 0 && s.max_length > s.batch_tokens) {
    return BadInput("batch_tokens: expected at least max_length ({}), found {}", s.max_length, s.batch_tokens);
  }
  HEW_RETURN_IF_ERROR(ParseSaveEvery(s.save_every).map([](const SaveEvery&) {}));
  for (const std::string& name : s.without) {
    if (std::find(std::begin(kTechniqueNames), std::end(kTechniqueNames), name) != std::end(kTechniqueNames)) continue;
    return BadInput("without: expected one of {}, found '{}'", fmt::join(kTechniqueNames, ", "), Shown(name));
  }
  if (!s.memory.empty()) HEW_RETURN_IF_ERROR(ParseBytes("memory", s.memory).map([](int64_t) {}));
  return {};
}

nlohmann::ordered_json SettingsToJson(const TuneSettings& settings) {
  nlohmann::ordered_json json;
  for (const auto& spec : SettingSpecs(settings.kind)) {
    std::visit([&](auto field) { json[std::string(spec.name)] = settings.*field; }, spec.field);
  }
  return json;
}

Result<int64_t> ParseBytes(std::string_view field, std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view unit = text.substr(digits);
  double value = 0, factor = 0;
  const std::pair<std::string_view, double> units[] = {
      {"", 1},         {"B", 1},   {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"KiB", 1024}, {"MiB", 0x1p20},
      {"GiB", 0x1p30}, {"M", 1e6}, {"G", 1e9},  {"m", 1e6},  {"g", 1e9},  {"gb", 1e9},  {"mb", 1e6}};
  for (const auto& [name, bytes] : units) {
    if (name == unit) factor = bytes;
  }
  if (factor == 0 || !ParseNumber(text.substr(0, digits), &value) || !(value > 0) || value * factor > 1e18) {
    return BadInput("{}: expected a size such as 700MB or 2GB, found '{}'", field, text);
  }
  return static_cast<int64_t>(value * factor);
}

Result<std::pair<int64_t, int64_t>> LayersFromText(std::string_view text, int64_t count) {
  const auto refuse = [&] {
    return BadInput("layers: expected all, last:N or FIRST-LAST of {} layers, found '{}'", count, Shown(text));
  };
  if (text == "all") return std::pair<int64_t, int64_t>{0, count};
  int64_t first = 0, last = 0;
  if (text.starts_with("last:")) {
    if (!ParseNumber(text.substr(5), &last) || last < 1 || last > count) return refuse();
    return std::pair{count - last, count};
  }
  const size_t dash = text.find('-');
  if (dash == text.npos || !ParseNumber(text.substr(0, dash), &first) || !ParseNumber(text.substr(dash + 1), &last)) return refuse();
  if (first < 0 || last < first || last >= count) return refuse();
  return std::pair{first, last + 1};
}

bool IsWithout(const TuneSettings& settings, std::string_view technique) {
  return std::find(settings.without.begin(), settings.without.end(), technique) != settings.without.end();
}

Result<SaveEvery> ParseSaveEvery(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view unit = text.substr(digits);
  double value = 0;
  if (ParseNumber(text.substr(0, digits), &value) && value > 0 && value <= 1e9) {
    if (unit.empty() || unit == "s") return SaveEvery{value, 0};
    if (unit == "min" || unit == "m") return SaveEvery{value * 60, 0};
    if (unit == "h") return SaveEvery{value * 3600, 0};
    if ((unit == "steps" || unit == "step") && value == std::floor(value))
      return SaveEvery{0, static_cast<int64_t>(value)};
  }
  return BadInput("save_every: expected a time or a number of steps such as 60s, 5min or 100steps, found '{}'", text);
}

std::string_view NearestName(std::string_view word, std::span<const std::string_view> names) {
  std::string_view best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const auto name : names) {
    const size_t distance = EditDistance(word, name);
    if (distance < best_distance) {
      best_distance = distance;
      best = name;
    }
  }
  return best;
}

}  // namespace hew
