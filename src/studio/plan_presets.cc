#include "studio/plan_presets.h"

#include <algorithm>

namespace hew {
namespace {

PlanShape Gpt2(int64_t hidden, int64_t layers, int64_t heads, int64_t context) {
  PlanShape shape;
  shape.vocab_size = 50257;
  shape.hidden_size = hidden;
  shape.intermediate_size = 4 * hidden;
  shape.num_hidden_layers = layers;
  shape.num_attention_heads = shape.num_key_value_heads = heads;
  shape.head_dim = hidden / heads;
  shape.learned_positions = context;
  shape.gated = false;
  shape.tied = shape.biases = true;
  return shape;
}

PlanShape Llama(int64_t vocab, int64_t hidden, int64_t inner, int64_t layers, int64_t heads, int64_t key_value_heads) {
  PlanShape shape;
  shape.vocab_size = vocab;
  shape.hidden_size = hidden;
  shape.intermediate_size = inner;
  shape.num_hidden_layers = layers;
  shape.num_attention_heads = heads;
  shape.num_key_value_heads = key_value_heads;
  shape.head_dim = hidden / heads;
  return shape;
}

PlanShape Tied(PlanShape shape) {
  shape.tied = true;
  return shape;
}

}  // namespace

const std::vector<PlanDevice>& PlanDevices() {
  static const std::vector<PlanDevice> devices = {
      {"v100", 125e12, 0.224, 1.5, 32e9},  // 28 Tflop/s, as the estimate for GPT-3 takes it
      {"a100", 312e12, 0.40, 2.0, 80e9},
      {"h100", 989e12, 0.38, 3.0, 80e9},
      {"h200", 989e12, 0.38, 3.5, 141e9},
  };
  return devices;
}

const PlanDevice* FindDevice(const std::string& name) {
  const auto& list = PlanDevices();
  const auto at = std::find_if(list.begin(), list.end(), [&](const auto& d) { return d.name == name; });
  return at == list.end() ? nullptr : &*at;
}

const std::vector<PlanPreset>& PlanPresets() {
  static const std::vector<PlanPreset> presets = {
      {"gpt2-124m",
       Gpt2(768, 12, 12, 1024),
       10e9,
       "a100",
       8,
       0.60,
       1.75,
       {{"parameters", 124439808, "the published weights"},
        {"hours", 1.5, "llm.c, discussion 481"},
        {"dollars", 20, "llm.c, discussion 481"}}},
      {"gpt2-1.5b",
       Gpt2(1600, 48, 25, 1024),
       33.6e9,
       "h100",
       8,
       0.50,
       3.5,
       {{"parameters", 1557611200, "the published weights"},
        {"hours", 24, "llm.c, discussion 677"},
        {"dollars", 672, "llm.c, discussion 677"}}},
      {"gpt3-175b",
       Gpt2(12288, 96, 96, 2048),
       300e9,
       "v100",
       1,
       0,
       0,
       {{"parameters", 175e9, "Brown et al. 2020"},
        {"flops", 3.14e23, "Brown et al. 2020, table D.1"},
        {"device hours", 355 * 365.25 * 24, "Lambda 2020, 355 V100-years"},
        {"dollars", 4.6e6, "Lambda 2020"}}},
      {"llama2-7b",
       Llama(32000, 4096, 11008, 32, 32, 32),
       2e12,
       "a100",
       1,
       0,
       0,
       {{"parameters", 6738415616, "the published weights"}, {"device hours", 184320, "Touvron et al. 2023, table 2"}}},
      {"llama2-13b",
       Llama(32000, 5120, 13824, 40, 40, 40),
       2e12,
       "a100",
       1,
       0,
       0,
       {{"parameters", 13015864320, "the published weights"},
        {"device hours", 368640, "Touvron et al. 2023, table 2"}}},
      {"llama2-70b",
       Llama(32000, 8192, 28672, 80, 64, 8),
       2e12,
       "a100",
       1,
       0,
       0,
       {{"parameters", 68976648192, "the published weights"},
        {"device hours", 1720320, "Touvron et al. 2023, table 2"}}},
      {"llama3-8b",
       Llama(128256, 4096, 14336, 32, 32, 8),
       15.6e12,
       "h100",
       1,
       0,
       0,
       {{"parameters", 8030261248, "the published weights"}}},
      {"llama3-405b",
       Llama(128256, 16384, 53248, 126, 128, 8),
       15.6e12,
       "h100",
       1,
       0,
       0,
       {{"parameters", 405e9, "Grattafiori et al. 2024"},
        {"flops", 3.8e25, "Grattafiori et al. 2024"},
        {"device hours", 30.84e6, "Llama 3.1 model card"}}},
      {"smollm2-135m",
       Tied(Llama(49152, 576, 1536, 30, 9, 3)),
       2e12,
       "",
       1,
       0,
       0,
       {{"parameters", 134515008, "the published weights"}}},
  };
  return presets;
}

const PlanPreset* FindPreset(const std::string& name) {
  const auto& list = PlanPresets();
  const auto at = std::find_if(list.begin(), list.end(), [&](const auto& p) { return p.name == name; });
  return at == list.end() ? nullptr : &*at;
}

}  // namespace hew
