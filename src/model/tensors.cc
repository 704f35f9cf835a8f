#include "model/tensors.h"

namespace hew {
namespace {

// Fills the list of one model.
class Lister {
 public:
  explicit Lister(const ModelConfig& config) : config_(config), layout_(*ArchitectureOf(config).layout) {}

  std::vector<StoredTensor> List() {
    const int64_t hidden = config_.hidden_size;
    Add(ModelTensor::kEmbedTokens, 0, {config_.vocab_size, hidden});
    if (config_.learned_positions) Add(ModelTensor::kEmbedPositions, 0, {config_.max_position_embeddings, hidden});
    for (int64_t l = 0; l < config_.num_hidden_layers; ++l) AddLayer(l);
    AddNorm(ModelTensor::kFinalNorm, 0, hidden);
    if (!config_.tie_word_embeddings) Add(ModelTensor::kLmHead, 0, {config_.vocab_size, hidden});
    return std::move(list_);
  }

 private:
  void AddLayer(int64_t l) {
    const int64_t hidden = config_.hidden_size;
    AddNorm(ModelTensor::kInputNorm, l, hidden);
    for (const StoredModule& m : layout_.modules) {
      if (m.parts[0] == Projection::kO && config_.qk_norm) {
        AddNorm(ModelTensor::kQNorm, l, config_.head_dim);
        AddNorm(ModelTensor::kKNorm, l, config_.head_dim);
      }
      if (IsFirstOfFeedForward(m)) AddNorm(ModelTensor::kFeedForwardNorm, l, hidden);
      AddModule(m, l);
      if (m.parts[0] == Projection::kO && config_.output_norms) AddNorm(ModelTensor::kAttentionOutputNorm, l, hidden);
    }
    if (config_.Sparse(l)) AddExperts(l);
    if (config_.output_norms) AddNorm(ModelTensor::kFeedForwardOutputNorm, l, hidden);
  }
  void AddExperts(int64_t l) {
    Add(ModelTensor::kRouter, l, {config_.num_experts, config_.hidden_size});
    for (const StoredModule& m : layout_.experts) {
      const Projection p = m.parts[0];
      const auto [out, in] = ExpertShape(config_, p);
      for (int64_t e = 0; e < config_.num_experts; ++e) {
        StoredTensor weight;
        weight.gguf_name = GgufTensorName(m, l, "weight");
        weight.hf_name = HfTensorName(layout_, m, l, "weight", e);
        weight.shape = {out, in};
        weight.parts = {{p, {}, l, false, out, e}};
        weight.gguf_slices = config_.num_experts;
        weight.gguf_slice = e;
        list_.push_back(std::move(weight));
      }
    }
  }
  bool IsFirstOfFeedForward(const StoredModule& m) const {
    return m.parts[0] == (config_.gated ? Projection::kGate : Projection::kUp);
  }
  void AddModule(const StoredModule& m, int64_t l) {
    StoredTensor weight;
    weight.gguf_name = GgufTensorName(m, l, "weight");
    weight.hf_name = HfTensorName(layout_, m, l, "weight");
    weight.hf_transposed = layout_.hf_transposed;
    int64_t rows = 0, cols = 0;
    for (Projection p : m.projections()) {
      if (!config_.Has(p, l)) continue;
      const auto [out, in] = ProjectionShape(config_, p);
      weight.parts.push_back({p, {}, l, false, out});
      rows += out;
      cols = in;
    }
    weight.shape = {rows, cols};
    if (weight.parts.empty()) return;
    StoredTensor bias = weight;
    list_.push_back(std::move(weight));
    if (!config_.HasBias(m.parts[0])) return;
    bias.gguf_name = GgufTensorName(m, l, "bias");
    bias.hf_name = HfTensorName(layout_, m, l, "bias");
    bias.hf_transposed = false;
    bias.shape = {rows};
    for (ModelPart& part : bias.parts) part.bias = true;
    list_.push_back(std::move(bias));
  }
  void AddNorm(ModelTensor t, int64_t l, int64_t size) {
    Add(t, l, {size});
    list_.back().hf_offset = layout_.hf_norm_offset;
    if (config_.norm == NormKind::kLayer) Add(t, l, {size}, "bias");
  }
  void Add(ModelTensor t, int64_t l, Shape shape, std::string_view suffix = "weight") {
    StoredTensor tensor;
    tensor.gguf_name = GgufTensorName(layout_, t, l, suffix);
    tensor.hf_name = HfTensorName(layout_, t, l, suffix);
    tensor.parts = {{std::nullopt, t, l, suffix == "bias", shape[0]}};
    tensor.shape = std::move(shape);
    list_.push_back(std::move(tensor));
  }

  const ModelConfig& config_;
  const FileLayout& layout_;
  std::vector<StoredTensor> list_;
};

template <typename AnyModel>
auto& NormOf(AnyModel& model, const ModelPart& part) {
  if (part.tensor == ModelTensor::kFinalNorm) return model.final_norm;
  auto& layer = model.layers[static_cast<size_t>(part.layer)];
  switch (part.tensor) {
    case ModelTensor::kInputNorm:
      return layer.input_norm;
    case ModelTensor::kQNorm:
      return layer.q_norm;
    case ModelTensor::kKNorm:
      return layer.k_norm;
    case ModelTensor::kAttentionOutputNorm:
      return layer.attention_output_norm;
    case ModelTensor::kFeedForwardNorm:
      return layer.feed_forward_norm;
    default:
      HEW_CHECK(part.tensor == ModelTensor::kFeedForwardOutputNorm);
      return layer.feed_forward_output_norm;
  }
}

template <typename AnyModel>
auto& MatrixIn(AnyModel& model, const ModelPart& part) {
  if (part.projection) {
    auto& layer = model.layers[static_cast<size_t>(part.layer)];
    if (part.expert == ModelPart::kNoExpert) return layer.projections[static_cast<size_t>(*part.projection)];
    return layer.experts[static_cast<size_t>(part.expert)].projections[Expert::Index(*part.projection)];
  }
  if (part.tensor == ModelTensor::kRouter) return model.layers[static_cast<size_t>(part.layer)].router;
  if (part.tensor == ModelTensor::kEmbedTokens) return model.embed_tokens;
  if (part.tensor == ModelTensor::kEmbedPositions) return model.embed_positions;
  HEW_CHECK(part.tensor == ModelTensor::kLmHead);
  return model.lm_head;
}

template <typename AnyModel>
auto& VectorIn(AnyModel& model, const ModelPart& part) {
  if (part.projection) {
    return model.layers[static_cast<size_t>(part.layer)].biases[static_cast<size_t>(*part.projection)];
  }
  auto& norm = NormOf(model, part);
  return part.bias ? norm.bias : norm.weight;
}

}  // namespace

std::vector<StoredTensor> TensorsOf(const ModelConfig& config) { return Lister(config).List(); }

int64_t ParameterCount(const ModelConfig& config) {
  int64_t count = 0;
  for (const StoredTensor& tensor : TensorsOf(config)) count += ElementCount(tensor.shape);
  return count;
}

int64_t ActiveParameterCount(const ModelConfig& config) {
  int64_t count = 0, of_experts = 0;
  for (const StoredTensor& tensor : TensorsOf(config)) {
    const bool expert = tensor.parts[0].expert != ModelPart::kNoExpert;
    (expert ? of_experts : count) += ElementCount(tensor.shape);
  }
  return of_experts == 0 ? count : count + of_experts / config.num_experts * config.num_experts_per_tok;
}

const TensorEntry* FindInFolder(const SafetensorsFolder& folder, const std::string& name) {
  const TensorEntry* entry = folder.Find(name);
  return entry ? entry : folder.Find(name.substr(name.find('.') + 1));
}

std::string_view SliceOf(const TensorEntry& entry, const StoredTensor& tensor) {
  const size_t size = entry.bytes.size() / static_cast<size_t>(tensor.gguf_slices);
  return entry.bytes.substr(static_cast<size_t>(tensor.gguf_slice) * size, size);
}

const Weight& MatrixOf(const Model& model, const ModelPart& part) { return MatrixIn(model, part); }
Weight& MatrixOf(Model& model, const ModelPart& part) {
  if (part.expert != ModelPart::kNoExpert)
    model.layers[static_cast<size_t>(part.layer)].experts.resize(static_cast<size_t>(model.config.num_experts));
  return MatrixIn(model, part);
}
const std::vector<float>& VectorOf(const Model& model, const ModelPart& part) { return VectorIn(model, part); }
std::vector<float>& VectorOf(Model& model, const ModelPart& part) { return VectorIn(model, part); }

}  // namespace hew
