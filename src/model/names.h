// What each tensor is called in a GGUF file and in a Hugging Face folder, as tables. A new family adds rows here, no
// code.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/config.h"
#include "model/model.h"

namespace hew {

// A model family as the two formats name it.
struct Architecture {
  std::string_view gguf;           // general.architecture and the prefix of its keys: "llama"
  std::string_view hf_model_type;  // config.json "model_type"
  std::string_view hf_class;       // config.json "architectures"[0]
  bool gguf_permutes_qk;           // Q and K rows stand in GGUF in the order that interleaved RoPE wants
};

std::span<const Architecture> Architectures();
const Architecture* FindArchitecture(std::string_view gguf_name);  // null when unknown
std::string KnownArchitectures();                                  // "llama, ...": for error messages

// The tensors that are no projection.
enum class ModelTensor : uint8_t { kEmbedTokens, kFinalNorm, kLmHead, kInputNorm, kPostAttentionNorm };
inline constexpr bool IsPerLayer(ModelTensor t) { return t >= ModelTensor::kInputNorm; }

// Full names. `layer` is ignored for tensors that are not per layer; `suffix` is "weight" or "bias".
std::string HfTensorName(Projection p, int64_t layer,
                         std::string_view suffix = "weight");  // model.layers.3.self_attn.q_proj.weight
std::string GgufTensorName(Projection p, int64_t layer, std::string_view suffix = "weight");  // blk.3.attn_q.weight
std::string HfTensorName(ModelTensor t, int64_t layer = 0);    // model.embed_tokens.weight
std::string GgufTensorName(ModelTensor t, int64_t layer = 0);  // token_embd.weight

// "3", "self_attn.q_proj" of "model.layers.3.self_attn.q_proj", or of "blk.3.attn_q" (no suffix); nullopt for anything
// else.
struct LayerProjection {
  int64_t layer = 0;
  Projection projection = Projection::kQ;
};
std::optional<LayerProjection> ParseHfModule(std::string_view module);
std::optional<LayerProjection> ParseGgufModule(std::string_view module);

// Row `row` of a projection in memory (Hugging Face's order) is this row of a GGUF file: for Q and K of families with
// gguf_permutes_qk, row head * d + half * d/2 + i is row head * d + 2i + half of the file; else the same row.
int64_t GgufRowOf(const ModelConfig& config, Projection p, int64_t row);
bool GgufPermutesRows(const ModelConfig& config, Projection p);

}  // namespace hew
