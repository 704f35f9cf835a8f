// What each tensor is called in a GGUF file and in a Hugging Face folder, and what the families are made of that
// neither file says, as tables. A new family adds rows here, and fields to the config readers where its files have
// their own.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/config.h"

namespace hew {

// A linear layer as a file stores it: one projection, or several whose rows follow one another.
struct StoredModule {
  std::string_view hf;    // behind the layer's prefix: "self_attn.q_proj"; "*" stands for the number of an expert
  std::string_view gguf;  // behind "blk.N.": "attn_q"
  std::array<Projection, 3> parts;
  int count = 1;

  std::span<const Projection> projections() const { return {parts.data(), static_cast<size_t>(count)}; }
};

// The tensors that are no projection.
enum class ModelTensor : uint8_t {
  kEmbedTokens,
  kEmbedPositions,
  kFinalNorm,
  kLmHead,
  kInputNorm,  // from here on, one per layer
  kQNorm,
  kKNorm,
  kRouter,
  kAttentionOutputNorm,
  kFeedForwardNorm,
  kFeedForwardOutputNorm
};
inline constexpr bool IsPerLayer(ModelTensor t) { return t >= ModelTensor::kInputNorm; }

struct TensorName {
  ModelTensor tensor;
  std::string_view hf, gguf;  // without ".weight"
};

// How a family's files are laid out.
struct FileLayout {
  std::string_view hf_layers;  // "model.layers."
  std::span<const StoredModule> modules;
  std::span<const TensorName> tensors;
  bool hf_transposed = false;                  // linear layers are [in, out] in the folder (GPT-2's Conv1D)
  float hf_norm_offset = 0;                    // what the folder's norm weights lack (Gemma's 1 + w)
  std::span<const StoredModule> experts = {};  // gate, up and down: a tensor each in a folder, one of all in GGUF
};

// What a family is made of that its files leave to its name.
struct FamilyTraits {
  NormKind norm = NormKind::kRms;
  bool qk_norm = false, output_norms = false;  // see ModelConfig
  bool gated = true;
  bool learned_positions = false;
  bool scaled_embedding = false;            // by sqrt(hidden_size)
  bool qkv_bias = false, all_bias = false;  // else where the files have them
  bool tied = false;                        // unless config.json says otherwise
  Activation act = Activation::kSilu;
  double norm_eps = 1e-5, rope_theta = 10000;
  double local_rope_theta = 0;  // > 0: of the layers with a window
  int global_every = 0;         // n > 0: of n layers the last has no window
  int no_rope_every = 0;        // n > 0: of n layers the last has no rotary positions
  // Among families of one GGUF name: the one whose layers have windows, the one whose layers have experts.
  bool windowed = false, experts = false;
  bool normed_experts = true;  // ModelConfig::norm_topk_prob where config.json says nothing
  float attention_softcap = 0, logit_softcap = 0;
  int64_t wide_scale_layers = 0;  // a GGUF file of so many layers scales scores by 1 / sqrt(hidden_size / heads)
};

// A model family as the two formats name it.
struct Architecture {
  std::string_view gguf;           // general.architecture and the prefix of its keys: "llama"
  std::string_view hf_model_type;  // config.json "model_type"
  std::string_view hf_class;       // config.json "architectures"[0]
  const FileLayout* layout;
  bool gguf_permutes_qk = false;  // Q and K rows stand in GGUF in the order that interleaved RoPE wants
  FamilyTraits traits = {};
};

std::span<const Architecture> Architectures();
const Architecture* FindArchitecture(std::string_view gguf_name);  // the first of that name; null when unknown
const Architecture* FindModelType(std::string_view hf_model_type);
const Architecture& ArchitectureOf(const ModelConfig& config);
std::string KnownArchitectures();  // "llama, ...": for error messages
std::string KnownModelTypes();

std::string_view ModuleName(Projection p);  // "q_proj", ...: what Hew calls a projection in every family
std::optional<Projection> ProjectionFromModule(std::string_view module);
// What a module's name stands for: one of Hew's names, or one of the family's own ("qkv_proj", "attn.c_proj",
// "c_attn"). Empty when it is neither.
std::vector<Projection> ProjectionsNamed(const FileLayout& layout, std::string_view name);

// Full names. `layer` is ignored for tensors that are not per layer; `suffix` is "weight" or "bias".
std::string HfTensorName(const FileLayout& layout, const StoredModule& m, int64_t layer, std::string_view suffix,
                         int64_t expert = 0);
std::string GgufTensorName(const StoredModule& m, int64_t layer, std::string_view suffix);
std::string HfTensorName(const FileLayout& layout, ModelTensor t, int64_t layer = 0,
                         std::string_view suffix = "weight");  // model.embed_tokens.weight
std::string GgufTensorName(const FileLayout& layout, ModelTensor t, int64_t layer = 0,
                           std::string_view suffix = "weight");  // token_embd.weight

// The stored module that holds a projection.
const StoredModule& ModuleOf(const FileLayout& layout, Projection p);

// "3", "self_attn.q_proj" of "model.layers.3.self_attn.q_proj" in any family's layout, or of "blk.3.attn_q" in this
// one's (no suffix); nullopt for anything else.
struct LayerModule {
  int64_t layer = 0;
  const StoredModule* module = nullptr;
};
std::optional<LayerModule> ParseHfModule(std::string_view module);
std::optional<LayerModule> ParseGgufModule(const FileLayout& layout, std::string_view module);

// Row `row` of a projection in memory (Hugging Face's order) is this row of a GGUF file: for Q and K of families with
// gguf_permutes_qk, row head * d + half * d/2 + i is row head * d + 2i + half of the file; else the same row.
int64_t GgufRowOf(const ModelConfig& config, Projection p, int64_t row);
bool GgufPermutesRows(const ModelConfig& config, Projection p);

}  // namespace hew
