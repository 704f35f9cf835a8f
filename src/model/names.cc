#include "model/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace hew {
namespace {

using enum Projection;

constexpr StoredModule kSeparate[] = {
    {"self_attn.q_proj", "attn_q", {kQ}},   {"self_attn.k_proj", "attn_k", {kK}},
    {"self_attn.v_proj", "attn_v", {kV}},   {"self_attn.o_proj", "attn_output", {kO}},
    {"mlp.gate_proj", "ffn_gate", {kGate}}, {"mlp.up_proj", "ffn_up", {kUp}},
    {"mlp.down_proj", "ffn_down", {kDown}},
};
constexpr StoredModule kFused[] = {
    {"self_attn.qkv_proj", "attn_qkv", {kQ, kK, kV}, 3},
    {"self_attn.o_proj", "attn_output", {kO}},
    {"mlp.gate_up_proj", "ffn_up", {kGate, kUp}, 2},
    {"mlp.down_proj", "ffn_down", {kDown}},
};
constexpr StoredModule kGpt2Modules[] = {
    {"attn.c_attn", "attn_qkv", {kQ, kK, kV}, 3},
    {"attn.c_proj", "attn_output", {kO}},
    {"mlp.c_fc", "ffn_up", {kUp}},
    {"mlp.c_proj", "ffn_down", {kDown}},
};

constexpr StoredModule kExperts[] = {
    {"mlp.experts.*.gate_proj", "ffn_gate_exps", {kGate}},
    {"mlp.experts.*.up_proj", "ffn_up_exps", {kUp}},
    {"mlp.experts.*.down_proj", "ffn_down_exps", {kDown}},
};
constexpr StoredModule kMixtralExperts[] = {
    {"block_sparse_moe.experts.*.w1", "ffn_gate_exps", {kGate}},
    {"block_sparse_moe.experts.*.w3", "ffn_up_exps", {kUp}},
    {"block_sparse_moe.experts.*.w2", "ffn_down_exps", {kDown}},
};

constexpr TensorName kUsualNames[] = {
    {ModelTensor::kEmbedTokens, "model.embed_tokens", "token_embd"},
    {ModelTensor::kFinalNorm, "model.norm", "output_norm"},
    {ModelTensor::kLmHead, "lm_head", "output"},
    {ModelTensor::kInputNorm, "input_layernorm", "attn_norm"},
    {ModelTensor::kQNorm, "self_attn.q_norm", "attn_q_norm"},
    {ModelTensor::kKNorm, "self_attn.k_norm", "attn_k_norm"},
    {ModelTensor::kFeedForwardNorm, "post_attention_layernorm", "ffn_norm"},
    {ModelTensor::kRouter, "mlp.gate", "ffn_gate_inp"},
};
constexpr TensorName kMixtralNames[] = {
    {ModelTensor::kEmbedTokens, "model.embed_tokens", "token_embd"},
    {ModelTensor::kFinalNorm, "model.norm", "output_norm"},
    {ModelTensor::kLmHead, "lm_head", "output"},
    {ModelTensor::kInputNorm, "input_layernorm", "attn_norm"},
    {ModelTensor::kFeedForwardNorm, "post_attention_layernorm", "ffn_norm"},
    {ModelTensor::kRouter, "block_sparse_moe.gate", "ffn_gate_inp"},
};
// post_attention_layernorm is another norm here.
constexpr TensorName kFourNormNames[] = {
    {ModelTensor::kEmbedTokens, "model.embed_tokens", "token_embd"},
    {ModelTensor::kFinalNorm, "model.norm", "output_norm"},
    {ModelTensor::kLmHead, "lm_head", "output"},
    {ModelTensor::kInputNorm, "input_layernorm", "attn_norm"},
    {ModelTensor::kQNorm, "self_attn.q_norm", "attn_q_norm"},
    {ModelTensor::kKNorm, "self_attn.k_norm", "attn_k_norm"},
    {ModelTensor::kAttentionOutputNorm, "post_attention_layernorm", "post_attention_norm"},
    {ModelTensor::kFeedForwardNorm, "pre_feedforward_layernorm", "ffn_norm"},
    {ModelTensor::kFeedForwardOutputNorm, "post_feedforward_layernorm", "post_ffw_norm"},
};
constexpr TensorName kGpt2Names[] = {
    {ModelTensor::kEmbedTokens, "transformer.wte", "token_embd"},
    {ModelTensor::kEmbedPositions, "transformer.wpe", "position_embd"},
    {ModelTensor::kFinalNorm, "transformer.ln_f", "output_norm"},
    {ModelTensor::kLmHead, "lm_head", "output"},
    {ModelTensor::kInputNorm, "ln_1", "attn_norm"},
    {ModelTensor::kFeedForwardNorm, "ln_2", "ffn_norm"},
};

constexpr FileLayout kUsual = {"model.layers.", kSeparate, kUsualNames, false, 0, kExperts};
constexpr FileLayout kMixtral = {"model.layers.", kSeparate, kMixtralNames, false, 0, kMixtralExperts};
constexpr FileLayout kGemma1 = {"model.layers.", kSeparate, kUsualNames, false, 1};
constexpr FileLayout kGemma = {"model.layers.", kSeparate, kFourNormNames, false, 1};
constexpr FileLayout kPhi3 = {"model.layers.", kFused, kUsualNames};
constexpr FileLayout kGpt2 = {"transformer.h.", kGpt2Modules, kGpt2Names, true};
constexpr const FileLayout* kLayouts[] = {&kUsual, &kPhi3, &kGpt2};  // those whose modules differ

constexpr FamilyTraits GemmaTraits() {
  FamilyTraits traits;
  traits.scaled_embedding = traits.tied = true;
  traits.act = Activation::kGeluTanh;
  traits.norm_eps = 1e-6;
  return traits;
}
constexpr FamilyTraits Gemma2Traits() {
  FamilyTraits traits = GemmaTraits();
  traits.output_norms = true;
  traits.global_every = 2;
  traits.attention_softcap = 50;
  traits.logit_softcap = 30;
  traits.wide_scale_layers = 46;  // 27B
  return traits;
}
constexpr FamilyTraits Gemma3Traits() {
  FamilyTraits traits = GemmaTraits();
  traits.qk_norm = traits.output_norms = true;
  traits.rope_theta = 1e6;
  traits.local_rope_theta = 1e4;
  traits.global_every = 6;
  traits.wide_scale_layers = 62;  // 27B
  return traits;
}
constexpr FamilyTraits Gpt2Traits() {
  FamilyTraits traits;
  traits.norm = NormKind::kLayer;
  traits.gated = false;
  traits.learned_positions = traits.all_bias = traits.tied = true;
  traits.act = Activation::kGeluTanh;
  return traits;
}

constexpr Architecture kArchitectures[] = {
    {"llama", "llama", "LlamaForCausalLM", &kUsual, true},
    {"llama", "mistral", "MistralForCausalLM", &kUsual, true, {.windowed = true}},
    {"llama", "mixtral", "MixtralForCausalLM", &kMixtral, true, {.experts = true}},
    {"smollm3", "smollm3", "SmolLM3ForCausalLM", &kUsual, true, {.tied = true, .no_rope_every = 4}},
    {"qwen2", "qwen2", "Qwen2ForCausalLM", &kUsual, false, {.qkv_bias = true}},
    {"qwen3", "qwen3", "Qwen3ForCausalLM", &kUsual, false, {.qk_norm = true}},
    {"qwen3moe",
     "qwen3_moe",
     "Qwen3MoeForCausalLM",
     &kUsual,
     false,
     {.qk_norm = true, .experts = true, .normed_experts = false}},
    {"gemma", "gemma", "GemmaForCausalLM", &kGemma1, false, GemmaTraits()},
    {"gemma2", "gemma2", "Gemma2ForCausalLM", &kGemma, false, Gemma2Traits()},
    {"gemma3", "gemma3_text", "Gemma3ForCausalLM", &kGemma, false, Gemma3Traits()},
    {"phi3", "phi3", "Phi3ForCausalLM", &kPhi3},
    {"gpt2", "gpt2", "GPT2LMHeadModel", &kGpt2, false, Gpt2Traits()},
};

constexpr std::string_view kGgufLayers = "blk.";

const TensorName& NameOf(const FileLayout& layout, ModelTensor t) {
  const auto at = std::find_if(layout.tensors.begin(), layout.tensors.end(),
                               [&](const TensorName& name) { return name.tensor == t; });
  HEW_CHECK(at != layout.tensors.end());
  return *at;
}

// PREFIX<number>.NAME, where NAME is one of the layout's.
std::optional<LayerModule> Parse(const FileLayout& layout, std::string_view module, std::string_view prefix,
                                 std::string_view StoredModule::*column) {
  if (!module.starts_with(prefix)) return std::nullopt;
  module.remove_prefix(prefix.size());
  LayerModule result;
  const char* end = module.data() + module.size();
  const auto [rest, error] = std::from_chars(module.data(), end, result.layer);
  if (error != std::errc() || rest == end || *rest != '.' || result.layer < 0) return std::nullopt;
  const std::string_view name(rest + 1, static_cast<size_t>(end - rest - 1));
  for (const StoredModule& m : layout.modules) {
    if (m.*column != name) continue;
    result.module = &m;
    return result;
  }
  return std::nullopt;
}

std::string ListOf(std::string_view Architecture::*column) {
  std::string list;
  std::string_view last;
  for (const Architecture& a : kArchitectures) {
    if (a.*column == last) continue;
    last = a.*column;
    list += (list.empty() ? "" : ", ") + std::string(last);
  }
  return list;
}

}  // namespace

std::span<const Architecture> Architectures() { return kArchitectures; }

const Architecture* FindArchitecture(std::string_view gguf_name) {
  for (const Architecture& a : kArchitectures) {
    if (a.gguf == gguf_name) return &a;
  }
  return nullptr;
}

const Architecture* FindModelType(std::string_view hf_model_type) {
  for (const Architecture& a : kArchitectures) {
    if (a.hf_model_type == hf_model_type) return &a;
  }
  return nullptr;
}

const Architecture& ArchitectureOf(const ModelConfig& config) {
  const Architecture* found = FindModelType(config.model_type);
  if (!found) found = FindArchitecture(config.architecture);
  HEW_CHECK(found != nullptr);
  return *found;
}

std::string KnownArchitectures() { return ListOf(&Architecture::gguf); }
std::string KnownModelTypes() { return ListOf(&Architecture::hf_model_type); }

std::string_view ModuleName(Projection p) {
  const std::string_view path = ModuleOf(kUsual, p).hf;
  return path.substr(path.find('.') + 1);
}

std::optional<Projection> ProjectionFromModule(std::string_view module) {
  for (Projection p : kProjections) {
    if (ModuleName(p) == module) return p;
  }
  return std::nullopt;
}

std::vector<Projection> ProjectionsNamed(const FileLayout& layout, std::string_view name) {
  if (const auto p = ProjectionFromModule(name)) return {*p};
  std::vector<Projection> found;
  for (const StoredModule& m : layout.modules) {
    if (m.hf != name && m.hf.substr(m.hf.find('.') + 1) != name) continue;
    const auto parts = m.projections();
    found.insert(found.end(), parts.begin(), parts.end());
  }
  return found;
}

const StoredModule& ModuleOf(const FileLayout& layout, Projection p) {
  for (const StoredModule& m : layout.modules) {
    const auto parts = m.projections();
    if (std::find(parts.begin(), parts.end(), p) != parts.end()) return m;
  }
  HEW_CHECK(false);
}

std::string HfTensorName(const FileLayout& layout, const StoredModule& m, int64_t layer, std::string_view suffix,
                         int64_t expert) {
  std::string name(m.hf);
  if (const size_t star = name.find('*'); star != std::string::npos) name.replace(star, 1, std::to_string(expert));
  return fmt::format("{}{}.{}.{}", layout.hf_layers, layer, name, suffix);
}
std::string GgufTensorName(const StoredModule& m, int64_t layer, std::string_view suffix) {
  return fmt::format("{}{}.{}.{}", kGgufLayers, layer, m.gguf, suffix);
}
std::string HfTensorName(const FileLayout& layout, ModelTensor t, int64_t layer, std::string_view suffix) {
  const std::string_view name = NameOf(layout, t).hf;
  return IsPerLayer(t) ? fmt::format("{}{}.{}.{}", layout.hf_layers, layer, name, suffix)
                       : fmt::format("{}.{}", name, suffix);
}
std::string GgufTensorName(const FileLayout& layout, ModelTensor t, int64_t layer, std::string_view suffix) {
  const std::string_view name = NameOf(layout, t).gguf;
  return IsPerLayer(t) ? fmt::format("{}{}.{}.{}", kGgufLayers, layer, name, suffix)
                       : fmt::format("{}.{}", name, suffix);
}

std::optional<LayerModule> ParseHfModule(std::string_view module) {
  for (const FileLayout* layout : kLayouts) {
    if (auto found = Parse(*layout, module, layout->hf_layers, &StoredModule::hf)) return found;
  }
  return std::nullopt;
}
std::optional<LayerModule> ParseGgufModule(const FileLayout& layout, std::string_view module) {
  return Parse(layout, module, kGgufLayers, &StoredModule::gguf);
}

bool GgufPermutesRows(const ModelConfig& config, Projection p) {
  return ArchitectureOf(config).gguf_permutes_qk && (p == Projection::kQ || p == Projection::kK);
}

int64_t GgufRowOf(const ModelConfig& config, Projection p, int64_t row) {
  if (!GgufPermutesRows(config, p)) return row;
  const int64_t d = config.head_dim, head = row / d, within = row % d;
  const int64_t half = within / (d / 2), i = within % (d / 2);
  return head * d + 2 * i + half;
}

}  // namespace hew
