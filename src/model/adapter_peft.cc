// PEFT's adapter folder: adapter_config.json and adapter_model.safetensors. Layout: docs/formats.md.
#include <algorithm>
#include <cmath>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "model/adapter_io.h"
#include "model/adapter_parts.h"
#include "model/names.h"

namespace hew {
namespace {

constexpr std::string_view kPrefix = "base_model.model.";

// Module names with their numbers, in the order of the file: the first that fits counts.
using NumberPattern = std::vector<std::pair<std::string, double>>;

// A value of adapter_config.json, checked; `fallback` when it is absent or null.
class ConfigReader {
 public:
  ConfigReader(const Json& json, std::string path) : json_(json), path_(std::move(path)) {}

  Result<double> Number(const char* key, double fallback) const {
    const Json* value = Find(key);
    if (!value) return fallback;
    if (!value->is_number()) return Wrong(key, "a number", *value);
    return value->get<double>();
  }
  Result<bool> Flag(const char* key) const {
    const Json* value = Find(key);
    if (!value) return false;
    if (!value->is_boolean()) return Wrong(key, "true or false", *value);
    return value->get<bool>();
  }
  Result<std::string> Text(const char* key, const std::string& fallback) const {
    const Json* value = Find(key);
    if (!value) return fallback;
    if (!value->is_string()) return Wrong(key, "text", *value);
    return value->get<std::string>();
  }
  // {"module suffix": number}. PEFT takes the keys for regular expressions; those that are more than a name are
  // refused.
  Result<NumberPattern> Pattern(const char* key) const {
    NumberPattern pattern;
    const Json* value = Find(key);
    if (!value) return pattern;
    if (!value->is_object()) return Wrong(key, "an object", *value);
    for (const auto& [name, number] : value->items()) {
      if (!number.is_number()) return Wrong(key, "an object of numbers", number);
      constexpr std::string_view kNameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
      if (name.find_first_not_of(kNameCharacters, name.starts_with('^') ? 1 : 0) != std::string::npos) {
        return BadInput("{}: {}: expected names of modules, found the expression '{}' (not supported)", path_, key,
                        Shown(name));
      }
      pattern.emplace_back(name, number.get<double>());
    }
    return pattern;
  }
  // Settings that change what the adapter computes and that Hew does not have: refused rather than ignored.
  Status MustBeUnset(const char* key) const {
    const Json* value = Find(key);
    if (!value || value->empty() || (value->is_boolean() && !value->get<bool>())) return {};
    return BadInput("{}: {}: expected none (not supported), found {}", path_, key, Shown(value->dump()));
  }

 private:
  const Json* Find(const char* key) const {
    const auto at = json_.find(key);
    return at == json_.end() || at->is_null() ? nullptr : &*at;
  }
  tl::unexpected<Error> Wrong(const char* key, const char* expected, const Json& found) const {
    return BadInput("{}: {}: expected {}, found {}", path_, key, expected, found.type_name());
  }
  const Json& json_;
  std::string path_;
};

struct PeftConfig {
  LoraConfig lora;
  NumberPattern alpha_pattern, rank_pattern;
};

// PEFT changes the base itself when it opens an adapter begun in one of these ways.
Status CheckInitialisation(const Json& json, const std::string& path) {
  const auto value = json.find("init_lora_weights");
  if (value == json.end() || !value->is_string()) return {};
  const auto& name = value->get_ref<const std::string&>();
  for (std::string_view changes_base : {"pissa", "olora", "corda", "loftq", "lora_ga"}) {
    if (name.starts_with(changes_base)) {
      return BadInput(
          "{}: init_lora_weights: expected one that leaves the base as it is, found {} (convert it with PEFT first)",
          path, Shown(name));
    }
  }
  return {};
}

Result<PeftConfig> ReadConfig(const std::string& path) {
  HEW_ASSIGN(const std::string bytes, ReadFile(path, 1 << 20));
  HEW_ASSIGN(const Json json, ParseJson(bytes, path));
  if (!json.is_object()) return BadInput("{}: expected an object, found {}", path, json.type_name());
  const ConfigReader reader(json, path);
  HEW_ASSIGN(const std::string type, reader.Text("peft_type", ""));
  if (type != "LORA") return BadInput("{}: peft_type: expected LORA, found '{}'", path, Shown(type));
  HEW_ASSIGN(const std::string bias, reader.Text("bias", "none"));
  if (bias != "none") return BadInput("{}: bias: expected none, found '{}'", path, Shown(bias));
  for (const char* key :
       {"modules_to_save", "lora_bias", "trainable_token_indices", "layer_replication", "use_qalora", "use_bdlora",
        "target_parameters", "alora_invocation_tokens", "arrow_config", "kasa_config", "monteclora_config"}) {
    HEW_RETURN_IF_ERROR(reader.MustBeUnset(key));
  }
  HEW_RETURN_IF_ERROR(CheckInitialisation(json, path));
  PeftConfig config;
  HEW_ASSIGN(const double rank, reader.Number("r", 8));
  if (!(rank >= 1 && rank <= 4096 && rank == std::floor(rank)))
    return BadInput("{}: r: expected a whole number from 1 to 4096, found {}", path, rank);
  config.lora.rank = static_cast<int64_t>(rank);
  HEW_ASSIGN(config.lora.alpha, reader.Number("lora_alpha", 8));
  HEW_ASSIGN(config.lora.dropout, reader.Number("lora_dropout", 0));
  HEW_ASSIGN(config.lora.rslora, reader.Flag("use_rslora"));
  HEW_ASSIGN(config.lora.dora, reader.Flag("use_dora"));
  HEW_ASSIGN(config.lora.base_model_name, reader.Text("base_model_name_or_path", ""));
  HEW_ASSIGN(config.alpha_pattern, reader.Pattern("alpha_pattern"));
  HEW_ASSIGN(config.rank_pattern, reader.Pattern("rank_pattern"));
  return config;
}

// A key is a suffix of the module's path, "q_proj" or "layers.3.self_attn.q_proj", or the whole of it behind "^".
double PatternValue(const NumberPattern& pattern, std::string_view module, double fallback) {
  for (const auto& [key, value] : pattern) {
    if (key.starts_with('^') ? module == std::string_view(key).substr(1) : module == key || module.ends_with("." + key))
      return value;
  }
  return fallback;
}

// The part of `part` that a tensor name's tail stands for; null for a name that means nothing here.
const TensorEntry** PartSlot(AdapterPart& part, std::string_view tail) {
  if (tail == "lora_A.weight" || tail == "lora_A.default.weight") return &part.a;
  if (tail == "lora_B.weight" || tail == "lora_B.default.weight") return &part.b;
  if (tail == "lora_magnitude_vector" || tail == "lora_magnitude_vector.weight" ||
      tail == "lora_magnitude_vector.default.weight") {
    return &part.magnitude;
  }
  return nullptr;
}

// The adapted modules' names, as short as PEFT takes them: "q_proj", but "attn.c_proj" where another has the same last
// word.
Json TargetModules(const FileLayout& layout, const std::vector<JoinedModule>& modules) {
  const auto last_word = [](std::string_view name) { return name.substr(name.find('.') + 1); };
  Json targets = Json::array();
  for (const StoredModule& m : layout.modules) {
    const bool adapted =
        std::any_of(modules.begin(), modules.end(), [&](const JoinedModule& joined) { return joined.module == &m; });
    if (!adapted) continue;
    const auto same = std::count_if(layout.modules.begin(), layout.modules.end(),
                                    [&](const StoredModule& other) { return last_word(other.hf) == last_word(m.hf); });
    targets.push_back(same > 1 ? m.hf : last_word(m.hf));
  }
  return targets;
}

}  // namespace

Result<AdapterFile> ReadPeftAdapterParts(const std::string& folder, const SafetensorsFile& file) {
  HEW_ASSIGN(PeftConfig config, ReadConfig(folder + "/adapter_config.json"));
  const std::string& path = file.path();
  AdapterParts parts(path);
  for (const TensorEntry& tensor : file.tensors()) {
    const std::string_view name = tensor.name;
    if (name.find("embed_tokens.") != name.npos || name.find("lm_head.") != name.npos) {
      return VocabularyRefused(path, tensor.name);
    }
    const size_t tail_at = name.find(".lora_");
    const auto unknown = [&] {
      return BadInput(
          "{}: tensor {}: expected {}model.layers.N.MODULE.lora_A.weight and the like, each once, found another name",
          path, Shown(tensor.name), kPrefix);
    };
    if (!name.starts_with(kPrefix) || tail_at == std::string_view::npos) return unknown();
    const std::string module(name.substr(kPrefix.size(), tail_at - kPrefix.size()));
    const auto where = ParseHfModule(module);
    if (!where) return unknown();
    AdapterPart& part = parts.At(*where);
    if (part.module != where->module) return unknown();
    const TensorEntry** slot = PartSlot(part, name.substr(tail_at + 1));
    if (!slot || *slot) return unknown();
    *slot = &tensor;
    part.alpha = PatternValue(config.alpha_pattern, module, config.lora.alpha);
    const double rank = PatternValue(config.rank_pattern, module, static_cast<double>(config.lora.rank));
    if (slot == &part.a && !tensor.shape.empty() && static_cast<double>(tensor.shape[0]) != rank) {
      return BadInput("{}: tensor {}: expected rank {} as adapter_config.json says, found {}", path, tensor.name, rank,
                      tensor.shape[0]);
    }
  }
  config.lora.targets = parts.Targets();
  HEW_RETURN_IF_ERROR(parts.Check(config.lora));
  return AdapterFile(std::move(config.lora), std::move(parts));
}

Result<LoraAdapter> LoadPeftAdapter(const Runtime& rt, const std::string& folder, const Model& base, float user_scale) {
  HEW_ASSIGN(const auto file, SafetensorsFile::Open(folder + "/adapter_model.safetensors"));
  HEW_ASSIGN(const AdapterFile adapter, ReadPeftAdapterParts(folder, file));
  return adapter.second.Build(rt, adapter.first, base, false, user_scale);
}

Status SavePeftAdapter(const LoraAdapter& adapter, const Model& base, const std::string& folder) {
  HEW_RETURN_IF_ERROR(MakeFolder(folder));
  const LoraConfig& lora = adapter.config;
  const FileLayout& layout = *ArchitectureOf(base.config).layout;
  const std::vector<JoinedModule> modules = JoinModules(adapter, base);
  Json rank_pattern = Json::object(), alpha_pattern = Json::object();
  std::vector<SafetensorsSource> tensors;
  for (const JoinedModule& m : modules) {
    const std::string module = HfTensorName(layout, *m.module, m.layer, "");
    const std::string path = module.substr(0, module.size() - 1);  // the empty suffix leaves a dot
    // What the scale was made from; patterns say where it is not the common one.
    const double alpha = m.scale * (lora.rslora ? std::sqrt(static_cast<double>(m.rank)) : static_cast<double>(m.rank));
    if (m.rank != lora.rank) rank_pattern[path] = m.rank;
    if (std::abs(alpha - lora.alpha) > 1e-6 * std::abs(lora.alpha)) alpha_pattern[path] = alpha;
    const auto add = [&](const std::string& tail, Shape shape, const std::vector<float>& values) {
      tensors.push_back({std::string(kPrefix) + path + tail, DType::kF32, std::move(shape),
                         [&values](const auto& write) { return write(AsBytes(values.data(), values.size())); }});
    };
    add(".lora_A.weight", {m.rank, m.in}, m.a);
    add(".lora_B.weight", {m.out, m.rank}, m.b);
    if (lora.dora) add(".lora_magnitude_vector", {m.out}, m.magnitude);
  }
  Json config = {
      {"peft_type", "LORA"},
      {"task_type", "CAUSAL_LM"},
      {"base_model_name_or_path", lora.base_model_name.empty() ? base.source_path : lora.base_model_name},
      {"r", lora.rank},
      {"lora_alpha", lora.alpha},
      {"lora_dropout", lora.dropout},
      {"use_rslora", lora.rslora},
      {"use_dora", lora.dora},
      {"bias", "none"},
      {"fan_in_fan_out", layout.hf_transposed},
      {"inference_mode", true},
      {"init_lora_weights", true},
      {"target_modules", TargetModules(layout, modules)},
      {"modules_to_save", nullptr},
      {"rank_pattern", rank_pattern},
      {"alpha_pattern", alpha_pattern}};
  std::set<int64_t> layers;
  for (const JoinedModule& m : modules) layers.insert(m.layer);
  if (static_cast<int64_t>(layers.size()) < base.config.num_hidden_layers) config["layers_to_transform"] = layers;
  HEW_RETURN_IF_ERROR(WriteFileAtomically(folder + "/adapter_config.json", DumpJson(config, 2) + "\n"));
  return WriteSafetensors(folder + "/adapter_model.safetensors", {{"format", "pt"}}, tensors);
}

}  // namespace hew
