// PEFT's folder: settings and tensors, held against a base. GGUF adapters are the target gguf's.
#include <filesystem>

#include "base/file.h"
#include "model/adapter_io.h"
#include "model/lora.h"
#include "model_use.h"
#include "mutate.h"

namespace hew::fuzz {
namespace {

constexpr const char* kWords[] = {"peft_type",
                                  "LORA",
                                  "r",
                                  "lora_alpha",
                                  "lora_dropout",
                                  "target_modules",
                                  "bias",
                                  "none",
                                  "use_rslora",
                                  "use_dora",
                                  "rank_pattern",
                                  "alpha_pattern",
                                  "modules_to_save",
                                  "base_model_name_or_path",
                                  "layers_to_transform",
                                  "fan_in_fan_out",
                                  "init_lora_weights",
                                  "q_proj",
                                  "all-linear",
                                  "gate_proj",
                                  "^model.layers.0.self_attn.q_proj",
                                  "pissa",
                                  "NaN",
                                  "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
                                  "base_model.model.model.layers.1.mlp.up_proj.lora_B.weight",
                                  "base_model.model.model.layers.99999999999999999999.self_attn.q_proj.lora_A.weight",
                                  "F16",
                                  "BF16",
                                  "I8"};

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const bool dora : {false, true}) {
    LoraConfig config;
    config.rank = 2;
    config.dora = dora;
    config.targets = {Projection::kQ, Projection::kV};
    const auto adapter = LoraAdapter::Create(PlainRuntime(), config, TinyBase(), 1);
    HEW_CHECK(adapter && SavePeftAdapter(*adapter, TinyBase(), Scratch().Path(dora ? "dora" : "lora")));
    const std::string folder = dora ? "dora/" : "lora/";
    seeds.push_back(
        Joined(Scratch().Get(folder + "adapter_config.json"), Scratch().Get(folder + "adapter_model.safetensors")));
  }
  return seeds;
}

void Run(std::string_view bytes) {
  static const std::string folder = [] {
    HEW_CHECK(MakeFolder(Scratch().Path("adapter")).has_value());
    return Scratch().Path("adapter");
  }();
  const auto [config, weights] = Parted(bytes);
  Scratch().Put("adapter/adapter_config.json", config);
  Scratch().Put("adapter/adapter_model.safetensors", weights);
  const auto file = SafetensorsFile::Read(MappedFile::Copy(weights, folder + "/adapter_model.safetensors"));
  if (Holds(file)) (void)Holds(ReadPeftAdapterParts(folder, *file));
  const auto adapter = LoadAdapter(PlainRuntime(), folder, TinyBase());
  if (!Holds(adapter)) return;
  const std::string path = Scratch().Path("adapter.gguf");
  if (Holds(SaveGgufAdapter(*adapter, TinyBase(), path)))
    HEW_CHECK(Holds(LoadAdapter(PlainRuntime(), path, TinyBase())));
}

std::string Mutate(std::string_view bytes, Random& random) {
  const auto [config, weights] = Parted(bytes);
  if (random.Below(2) == 0) return Joined(MutateJson(config, kWords, random), weights);
  return Joined(config, MutateSafetensors(weights, kWords, random));
}

}  // namespace

const FuzzTarget adapter_target = {"adapter", Seeds, Run, Mutate};

}  // namespace hew::fuzz
