#include "model/names.h"

#include <fmt/format.h>

#include <charconv>

#include "base/check.h"

namespace hew {
namespace {

constexpr Architecture kArchitectures[] = {
    {"llama", "llama", "LlamaForCausalLM", true},
};

struct ProjectionNames {
  std::string_view path, gguf;
};
// In the order of Projection.
constexpr ProjectionNames kProjectionNames[kProjectionCount] = {
    {"self_attn.q_proj", "attn_q"},      {"self_attn.k_proj", "attn_k"}, {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"}, {"mlp.gate_proj", "ffn_gate"},  {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
};

struct TensorNames {
  std::string_view hf, gguf;
};
// In the order of ModelTensor; those of a layer stand behind its prefix.
constexpr TensorNames kTensorNames[] = {
    {"model.embed_tokens.weight", "token_embd.weight"},
    {"model.norm.weight", "output_norm.weight"},
    {"lm_head.weight", "output.weight"},
    {"input_layernorm.weight", "attn_norm.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
};

constexpr std::string_view kHfLayers = "model.layers.", kGgufLayers = "blk.";

const ProjectionNames& NamesOf(Projection p) { return kProjectionNames[static_cast<size_t>(p)]; }
const TensorNames& NamesOf(ModelTensor t) { return kTensorNames[static_cast<size_t>(t)]; }

// PREFIX<number>.NAME, where NAME is one of the table's column.
std::optional<LayerProjection> Parse(std::string_view module, std::string_view prefix,
                                     std::string_view ProjectionNames::*column) {
  if (!module.starts_with(prefix)) return std::nullopt;
  module.remove_prefix(prefix.size());
  LayerProjection result;
  const char* end = module.data() + module.size();
  const auto [rest, error] = std::from_chars(module.data(), end, result.layer);
  if (error != std::errc() || rest == end || *rest != '.' || result.layer < 0) return std::nullopt;
  const std::string_view name(rest + 1, static_cast<size_t>(end - rest - 1));
  for (Projection p : kProjections) {
    if (NamesOf(p).*column != name) continue;
    result.projection = p;
    return result;
  }
  return std::nullopt;
}

}  // namespace

std::span<const Architecture> Architectures() { return kArchitectures; }

const Architecture* FindArchitecture(std::string_view gguf_name) {
  for (const Architecture& a : kArchitectures) {
    if (a.gguf == gguf_name) return &a;
  }
  return nullptr;
}

std::string KnownArchitectures() {
  std::string list;
  for (const Architecture& a : kArchitectures) {
    if (!list.empty()) list += ", ";
    list += a.gguf;
  }
  return list;
}

std::string_view ModulePath(Projection p) { return NamesOf(p).path; }
std::string_view ModuleName(Projection p) {
  const std::string_view path = NamesOf(p).path;
  return path.substr(path.find('.') + 1);
}
std::string_view GgufTensorName(Projection p) { return NamesOf(p).gguf; }

std::optional<Projection> ProjectionFromModule(std::string_view module) {
  for (Projection p : kProjections) {
    if (ModuleName(p) == module) return p;
  }
  return std::nullopt;
}

std::string HfTensorName(Projection p, int64_t layer, std::string_view suffix) {
  return fmt::format("{}{}.{}.{}", kHfLayers, layer, NamesOf(p).path, suffix);
}
std::string GgufTensorName(Projection p, int64_t layer, std::string_view suffix) {
  return fmt::format("{}{}.{}.{}", kGgufLayers, layer, NamesOf(p).gguf, suffix);
}
std::string HfTensorName(ModelTensor t, int64_t layer) {
  return IsPerLayer(t) ? fmt::format("{}{}.{}", kHfLayers, layer, NamesOf(t).hf) : std::string(NamesOf(t).hf);
}
std::string GgufTensorName(ModelTensor t, int64_t layer) {
  return IsPerLayer(t) ? fmt::format("{}{}.{}", kGgufLayers, layer, NamesOf(t).gguf) : std::string(NamesOf(t).gguf);
}

std::optional<LayerProjection> ParseHfModule(std::string_view module) {
  return Parse(module, kHfLayers, &ProjectionNames::path);
}
std::optional<LayerProjection> ParseGgufModule(std::string_view module) {
  return Parse(module, kGgufLayers, &ProjectionNames::gguf);
}

bool GgufPermutesRows(const ModelConfig& config, Projection p) {
  const Architecture* architecture = FindArchitecture(config.architecture);
  HEW_CHECK(architecture != nullptr);
  return architecture->gguf_permutes_qk && (p == Projection::kQ || p == Projection::kK);
}

int64_t GgufRowOf(const ModelConfig& config, Projection p, int64_t row) {
  if (!GgufPermutesRows(config, p)) return row;
  const int64_t d = config.head_dim, head = row / d, within = row % d;
  const int64_t half = within / (d / 2), i = within % (d / 2);
  return head * d + 2 * i + half;
}

}  // namespace hew
